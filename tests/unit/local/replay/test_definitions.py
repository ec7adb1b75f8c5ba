"""The alarms of a template, as DescribeAlarms would show them."""

import pytest

from local.cloudwatch.alarms import metrics
from local.cloudwatch.composites import children
from local.replay.definitions import row_and_level
from tests.environments import PRODUCTION
from tests.unit.local.replay.builders import alarm, composite, described, either


def test_an_alarm_of_a_template_is_as_describe_alarms_shows_it() -> None:
    one, both = described(Cpu=alarm(Tags=[{"Key": "a", "Value": "b"}]), Both=composite("both", either("Cpu")) | {})
    assert one["AlarmArn"] == PRODUCTION.arn("cloudwatch", "alarm:hz-navigator-production-cpu-critical")
    assert one["StateValue"] == "INSUFFICIENT_DATA"
    assert metrics(one)["m1"].dimensions == {("ClusterName", "main")}
    assert children(both) == ["hz-navigator-production-cpu-critical"]
    assert both["AlarmRule"] == f'ALARM("{one["AlarmArn"]}")'


@pytest.mark.parametrize(
    ("name", "watched"),
    [
        ("ecs-cpu-warning", ("ecs-cpu", "warning")),
        ("ecs-cpu-critical", ("ecs-cpu", "critical")),
        ("service-impaired", ("service-impaired", "critical")),
    ],
)
def test_an_alarm_s_name_says_the_row_and_the_level(name: str, watched: tuple[str, str]) -> None:
    assert row_and_level({"AlarmName": f"hz-navigator-production-{name}"}, PRODUCTION) == watched
