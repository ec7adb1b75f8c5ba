"""One clock: real time plus what it was advanced by."""

import itertools
from datetime import UTC, datetime, timedelta

import pytest

from local.cloud import Cloud, CloudError

_names = (f"clock-{number}" for number in itertools.count())


def test_advancing_moves_the_clock_by_as_much(empty_cloud: Cloud) -> None:
    before = empty_cloud.now()
    after = empty_cloud.advance(timedelta(hours=2))
    assert timedelta(hours=2) <= after - before < timedelta(hours=2, seconds=30)
    assert empty_cloud.now() >= after


def test_the_clock_does_not_go_back(empty_cloud: Cloud) -> None:
    with pytest.raises(CloudError, match="the clock cannot go back 60 seconds"):
        empty_cloud.advance(timedelta(minutes=-1))


def test_requests_are_signed_with_real_time_whatever_the_clock_says(empty_cloud: Cloud) -> None:
    empty_cloud.advance(timedelta(days=1))
    assert empty_cloud.client("sts").get_caller_identity()["Account"] == empty_cloud.environment.account


def test_alarm_states_are_dated_by_the_clock(empty_cloud: Cloud) -> None:
    cloudwatch, name = empty_cloud.client("cloudwatch"), next(_names)
    cloudwatch.put_metric_alarm(
        AlarmName=name,
        Namespace="Test",
        MetricName="Errors",
        Statistic="Sum",
        Period=60,
        EvaluationPeriods=1,
        Threshold=1,
        ComparisonOperator="GreaterThanThreshold",
    )
    now = empty_cloud.advance(timedelta(days=1))
    cloudwatch.set_alarm_state(AlarmName=name, StateValue="ALARM", StateReason="test")
    (alarm,) = cloudwatch.describe_alarms(AlarmNames=[name])["MetricAlarms"]
    assert abs(alarm["StateUpdatedTimestamp"] - now) < timedelta(seconds=30)
    assert now - datetime.now(UTC) > timedelta(hours=23)


def test_an_unknown_control_call_names_those_there_are(empty_cloud: Cloud) -> None:
    with pytest.raises(CloudError, match=r"no control call stop: there are process, detach, now"):
        empty_cloud.control("stop")
