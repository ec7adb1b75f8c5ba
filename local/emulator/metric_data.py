"""Metric math and percentile ranks in GetMetricData.

Replaced in ministack 1.5.33 (`services.cloudwatch`):
- `_stat_value`: called through; percentile ranks such as `PR(:1)` besides;
- `_get_metric_data`: called through for metrics; expressions are computed by `local.cloudwatch.metric_math`, for requests as
  the SDKs send them, and statistics that are not supported are refused: it took them for averages.
"""

import json
import math
import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from ministack.services import cloudwatch

from local.cloudwatch.metric_math import ExpressionError, TimeSeries, compute

_BASIC = ("Average", "Sum", "Minimum", "Maximum", "SampleCount")
_RANK = re.compile(r"PR\((\d+(?:\.\d+)?)?:(\d+(?:\.\d+)?)?\)")
_STATISTIC = re.compile(rf"{'|'.join(_BASIC)}|p\d{{1,3}}(\.\d+)?|{_RANK.pattern}")


def install() -> None:
    """Plug in."""
    value, answer = cloudwatch._stat_value, cloudwatch._get_metric_data

    def stat_value(stats: Any, name: str, points: Any = None) -> Any:
        if found := _RANK.fullmatch(name):
            return rank(cloudwatch._percentile_samples(points or []) or [], found[1], found[2])
        return value(stats, name, points)

    def get_metric_data(params: Any, request: Any, is_cbor: bool, is_json: bool = False) -> Any:
        queries = (request or {}).get("MetricDataQueries", ()) if is_cbor or is_json else ()
        stats = [query for query in queries if query.get("MetricStat")]
        for query in stats:
            if not _STATISTIC.fullmatch(query["MetricStat"]["Stat"]):
                message = f"The value {query['MetricStat']['Stat']} for parameter Stat is not supported."
                return cloudwatch._error("ValidationError", message, 400, is_json, is_cbor)
        if len(stats) == len(queries):
            return answer(params, request, is_cbor, is_json)
        asked = {**request, "MetricDataQueries": [{**query, "ReturnData": True} for query in stats]}
        read = json.loads(answer({}, asked, False, True)[2])["MetricDataResults"]
        try:
            results = _computed(request, read)
        except ExpressionError as error:
            return cloudwatch._error("ValidationError", f"Error in expression: {error}", 400, is_json, is_cbor)
        if is_cbor:
            return cloudwatch._cbor_ok({"MetricDataResults": [cloudwatch._cbor_metric_data_result(one) for one in results]})
        return cloudwatch._json_ok({"MetricDataResults": results})

    cloudwatch._stat_value, cloudwatch._get_metric_data = stat_value, get_metric_data


def rank(samples: list[tuple[float, float]], low: str | None, high: str | None) -> float | None:
    """The percentage of values over `low` and not over `high`, of values with how often each was measured; None of none.
    https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/Statistics-definitions.html"""
    every = sum(count for _, count in samples)
    least, most = float(low or -math.inf), float(high or math.inf)
    return 100 * sum(count for value, count in samples if least < value <= most) / every if every else None


def _computed(request: Mapping[str, Any], read: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The results of a request: those of its metrics, and those of its expressions over them."""
    metrics: dict[str, TimeSeries] = {
        one["Id"]: dict(zip(map(_time, one["Timestamps"]), one["Values"], strict=True)) for one in read
    }
    queries = request["MetricDataQueries"]
    period = max(int(query["MetricStat"]["Period"]) for query in queries if query.get("MetricStat"))
    begin, end = (cloudwatch._parse_ts(request[key]) for key in ("StartTime", "EndTime"))
    first = datetime.fromtimestamp(math.ceil(begin / period) * period, UTC)
    times = [first + number * timedelta(seconds=period) for number in range(math.ceil((end - first.timestamp()) / period))]
    found: dict[str, TimeSeries] = {}
    for query in queries:
        if query.get("Expression"):
            value = compute(query["Expression"], metrics, found, times)
            if not isinstance(value, dict):
                raise ExpressionError(f"{query['Expression']} is not one time series, which is not supported here")
            found[query["Id"]] = value
    return [
        {
            "Id": query["Id"],
            "Label": query.get("Label") or query["Id"],
            "Timestamps": [time.timestamp() for time in sorted(series)],
            "Values": [series[time] for time in sorted(series)],
            "StatusCode": "Complete",
        }
        for query in queries
        if query.get("ReturnData", True)
        for series in ({**metrics, **found}.get(query["Id"], {}),)
    ]


def _time(stamp: Any) -> datetime:
    return datetime.fromtimestamp(cloudwatch._parse_ts(stamp), UTC)
