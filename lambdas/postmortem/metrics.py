"""What CloudWatch measured of an incident: what the alarms read, and what each row of the table was.

The alarms' own definitions say what is read, with the dimensions that AWS gave the load balancer: the function is
deployed before it. CloudWatch computes the rows' expressions, as it does for the alarms.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from runbook.alarms import alarm_name
from runbook.rows import Row

if TYPE_CHECKING:
    from mypy_boto3_cloudwatch import CloudWatchClient

MINUTE = timedelta(minutes=1)
LOOK_BACK = timedelta(days=14)
"""How far back a row is read: CloudWatch keeps values of a minute for 15 days, and alarms judge minutes.
https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_GetMetricStatistics.html"""

Series = Mapping[datetime, float]
"""Values by the start of their minute (UTC)."""
Alarm = Mapping[str, Any]
"""A metric alarm as DescribeAlarms has it."""


@dataclass(frozen=True)
class Metric:
    """One statistic of one metric, its dimensions exact, minute by minute."""

    namespace: str
    name: str
    dimensions: frozenset[tuple[str, str]]
    statistic: str


@dataclass(frozen=True)
class Measured:
    """A row over the days before an incident and in it; `since` is when CloudWatch's values begin."""

    row: Row
    series: Series
    since: datetime


class Metrics:
    """The metrics of one environment; everything raises what AWS raises."""

    def __init__(self, cloudwatch: "CloudWatchClient", alarm_prefix: str) -> None:
        self._cloudwatch = cloudwatch
        self._prefix = alarm_prefix

    def alarms(self) -> Mapping[str, Alarm]:
        """The metric alarms by their names below the environment's prefix."""
        pages = self._cloudwatch.get_paginator("describe_alarms").paginate(
            AlarmNamePrefix=self._prefix, AlarmTypes=["MetricAlarm"], PaginationConfig={"PageSize": 100}
        )
        return {alarm["AlarmName"].removeprefix(self._prefix): alarm for page in pages for alarm in page["MetricAlarms"]}

    def read(
        self, alarms: Iterable[Alarm], begin: datetime, end: datetime, also: Iterable[tuple[str, str]] = ()
    ) -> dict[Metric, Series]:
        """What the alarms read from one time to another, and further statistics of metrics, by the metric's name."""
        wanted = {metric for alarm in alarms for metric in _metrics(alarm)}
        wanted |= {
            Metric(one.namespace, one.name, one.dimensions, statistic)
            for name, statistic in also
            for one in wanted
            if one.name == name
        }
        ordered = sorted(wanted, key=_order)
        queries = [{"Id": f"m{number}", "MetricStat": _stat(metric)} for number, metric in enumerate(ordered)]
        found = self._ask(queries, begin, end)
        return {metric: found[f"m{number}"] for number, metric in enumerate(ordered) if f"m{number}" in found}

    def row(self, row: Row, alarm: Alarm, begin: datetime, end: datetime) -> Measured | None:
        """What a row was, by its critical alarm's definition; None where nothing was measured."""
        queries = [{**query, "ReturnData": True} for query in alarm.get("Metrics") or [_single(alarm)]]
        found = self._ask(queries, begin, end)
        expressions = [query["Id"] for query in alarm.get("Metrics") or () if query.get("Expression")]
        raw = [time for name, series in found.items() if name not in expressions for time in series]
        watched = found.get(next(iter(expressions), queries[0]["Id"]))
        return Measured(row, watched, min(raw)) if watched and raw else None

    def _ask(self, queries: Sequence[Mapping[str, Any]], begin: datetime, end: datetime) -> dict[str, dict[datetime, float]]:
        """The series by their ids, those without values left out."""
        found: defaultdict[str, dict[datetime, float]] = defaultdict(dict)
        given: Any = list(queries)
        pages = self._cloudwatch.get_paginator("get_metric_data").paginate(
            MetricDataQueries=given, StartTime=begin, EndTime=end, ScanBy="TimestampAscending"
        )
        for page in pages:
            for result in page["MetricDataResults"]:
                if result["StatusCode"] not in ("Complete", "PartialData"):
                    raise RuntimeError(f"CloudWatch could not read {result['Id']}: {result.get('Messages')}")
                for time, value in zip(result["Timestamps"], result["Values"], strict=True):
                    found[result["Id"]][time.astimezone(UTC)] = value
        return dict(found)


def watched_rows(rows: Iterable[Row], fired: Iterable[str]) -> list[Row]:
    """The rows of the alarms that fired, given by their names below the prefix: those past their critical line; where there is
    none, those past their warning line. A row over more than a minute is left out: its curve would be another."""
    fired = set(fired)
    minutes = [row for row in rows if row.period == MINUTE.total_seconds()]
    critical = [row for row in minutes if fired & {alarm_name(row.slug, "critical"), f"{row.slug}-recurring"}]
    return critical or [row for row in minutes if alarm_name(row.slug, "warning") in fired]


def _single(alarm: Alarm) -> dict[str, Any]:
    """The query of an alarm on one metric."""
    stat = {
        "Metric": {key: alarm[key] for key in ("Namespace", "MetricName", "Dimensions")},
        "Period": alarm["Period"],
        "Stat": alarm.get("Statistic") or alarm.get("ExtendedStatistic"),
    }
    return {"Id": "m", "MetricStat": stat}


def _metrics(alarm: Alarm) -> Iterable[Metric]:
    for query in alarm.get("Metrics") or [_single(alarm)]:
        if stat := query.get("MetricStat"):
            metric = stat["Metric"]
            dimensions = frozenset((one["Name"], one["Value"]) for one in metric.get("Dimensions") or ())
            yield Metric(metric["Namespace"], metric["MetricName"], dimensions, stat["Stat"])


def _stat(metric: Metric) -> dict[str, Any]:
    dimensions = [{"Name": name, "Value": value} for name, value in sorted(metric.dimensions)]
    described = {"Namespace": metric.namespace, "MetricName": metric.name, "Dimensions": dimensions}
    return {"Metric": described, "Period": 60, "Stat": metric.statistic}


def _order(metric: Metric) -> tuple[str, str, list[tuple[str, str]], str]:
    return metric.namespace, metric.name, sorted(metric.dimensions), metric.statistic
