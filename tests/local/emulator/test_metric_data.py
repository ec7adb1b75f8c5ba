"""GetMetricData on the emulator: expressions and percentile ranks, and what CloudWatch refuses."""

from datetime import timedelta
from typing import Any

import pytest
from botocore.exceptions import ClientError

from local.cloud import Cloud

DIMENSIONS = [{"Name": "Of", "Value": "metric-data"}]


@pytest.fixture(scope="module")
def cloudwatch(empty_cloud: Cloud) -> Any:
    """With two metrics: `Requests` of four minutes, one of them without a value, and `Seconds`."""
    client = empty_cloud.client("cloudwatch")
    now = empty_cloud.now().replace(second=0, microsecond=0) - timedelta(minutes=10)
    data: list[Any] = [
        {"MetricName": "Requests", "Timestamp": now + timedelta(minutes=minute), "Dimensions": DIMENSIONS, "Value": value}
        for minute, value in ((0, 10), (1, 20), (3, 40))
    ]
    seconds = {"MetricName": "Seconds", "Timestamp": now, "Dimensions": DIMENSIONS, "Values": [0.5, 1, 3], "Counts": [6, 2, 2]}
    client.put_metric_data(Namespace="Test", MetricData=[*data, seconds])
    return client, now


def stat(name: str, statistic: str) -> dict[str, Any]:
    metric = {"Namespace": "Test", "MetricName": name, "Dimensions": DIMENSIONS}
    return {"Id": name.lower(), "MetricStat": {"Metric": metric, "Period": 60, "Stat": statistic}}


def ask(cloudwatch: Any, *queries: dict[str, Any]) -> dict[str, list[float]]:
    client, now = cloudwatch
    answer = client.get_metric_data(MetricDataQueries=queries, StartTime=now, EndTime=now + timedelta(minutes=4))
    return {one["Id"]: one["Values"] for one in answer["MetricDataResults"]}


def test_an_expression_is_computed_over_all_minutes_asked_for(cloudwatch: Any) -> None:
    filled = {"Id": "filled", "Expression": "FILL(requests, 0) / 10"}
    assert ask(cloudwatch, {**stat("Requests", "Sum"), "ReturnData": False}, filled) == {"filled": [1, 2, 0, 4]}


def test_metrics_beside_an_expression_are_answered_too(cloudwatch: Any) -> None:
    found = ask(cloudwatch, stat("Requests", "Sum"), {"Id": "double", "Expression": "2 * requests"})
    assert found == {"requests": [10, 20, 40], "double": [20, 40, 80]}


def test_a_percentile_rank_is_the_share_of_the_values(cloudwatch: Any) -> None:
    assert ask(cloudwatch, stat("Seconds", "PR(:1)")) == {"seconds": [80]}


@pytest.mark.parametrize(
    ("query", "said"),
    [
        (stat("Seconds", "Median"), "Median for parameter Stat is not supported"),
        ({"Id": "wrong", "Expression": "NONSENSE(requests)"}, "Error in expression"),
    ],
)
def test_what_cloudwatch_does_not_take_is_refused(cloudwatch: Any, query: dict[str, Any], said: str) -> None:
    with pytest.raises(ClientError, match=said):
        ask(cloudwatch, stat("Requests", "Sum"), query)
