"""The alarm loop against the emulator's own code, called in this process instead of over a port."""

import asyncio
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any
from unittest.mock import Mock
from urllib.parse import urlsplit

import boto3
import pytest
from botocore.awsrequest import AWSPreparedRequest, AWSResponse
from ministack.services import cloudwatch as emulator

from local.cloudwatch.alarms import Metric
from local.cloudwatch.loop import Transition
from local.emulator.alarms import AlarmEvaluator

if TYPE_CHECKING:
    from mypy_boto3_cloudwatch import CloudWatchClient

NOW = datetime.now(UTC).replace(second=20, microsecond=0)  # the emulator drops what is older than two weeks
Changes = list[tuple[str, str, str]]


class _Raw:
    def __init__(self, body: bytes) -> None:
        self.body = body

    def stream(self) -> Iterator[bytes]:
        yield self.body


def _answer(request: AWSPreparedRequest, **_: object) -> AWSResponse:
    headers = {
        name.lower(): value.decode() if isinstance(value, bytes) else str(value) for name, value in request.headers.items()
    }
    body = request.body.encode() if isinstance(request.body, str) else request.body
    status, answered, content = asyncio.run(
        emulator.handle_request(request.method, urlsplit(request.url).path, headers, body, {})
    )
    return AWSResponse(request.url, status, answered, _Raw(content))


@pytest.fixture
def cloudwatch(monkeypatch: pytest.MonkeyPatch) -> Iterator["CloudWatchClient"]:
    """A client of the emulator with its own evaluation switched off, as the server does it."""
    monkeypatch.setattr(emulator, "_evaluate_alarm", Mock())
    monkeypatch.setattr(emulator, "_evaluate_parent_alarms", Mock())
    client = boto3.client(
        "cloudwatch",
        region_name="us-east-1",
        endpoint_url="http://localhost:1",
        aws_access_key_id="test",
        aws_secret_access_key="test",
    )
    client.meta.events.register("before-send.cloudwatch", _answer)
    emulator.reset()
    yield client
    emulator.reset()


def dimensions(**names: str) -> list[Any]:
    return [{"Name": name, "Value": value} for name, value in names.items()]


def put_alarm(client: "CloudWatchClient", name: str = "cpu", **changes: Any) -> None:
    """Average CPU of the API's service over 5, 2 of 3 minutes."""
    definition: dict[str, Any] = {
        "Namespace": "AWS/ECS",
        "MetricName": "CPUUtilization",
        "Dimensions": dimensions(ServiceName="api"),
        "Statistic": "Average",
        "Period": 60,
        "EvaluationPeriods": 3,
        "DatapointsToAlarm": 2,
        "Threshold": 5,
        "ComparisonOperator": "GreaterThanThreshold",
        "TreatMissingData": "notBreaching",
        **changes,
    }
    client.put_metric_alarm(AlarmName=name, **{key: value for key, value in definition.items() if value is not None})


def publish(client: "CloudWatchClient", minutes_ago: int, *values: float, service: str = "api", **datum: Any) -> None:
    """Put values, one after the other, into the minute that started that many whole minutes before NOW's."""
    at = NOW.replace(second=0) - timedelta(minutes=minutes_ago)
    client.put_metric_data(
        Namespace="AWS/ECS",
        MetricData=[
            {
                "MetricName": "CPUUtilization",
                "Dimensions": dimensions(ServiceName=service),
                "Timestamp": at + timedelta(seconds=59 * index / max(len(values) - 1, 1)),
                "Value": value,
                **datum,
            }
            for index, value in enumerate(values)
        ],
    )


def state(client: "CloudWatchClient", name: str) -> Any:
    found = client.describe_alarms(AlarmNames=[name], AlarmTypes=["MetricAlarm", "CompositeAlarm"])
    (alarm,) = [*found["MetricAlarms"], *found["CompositeAlarms"]]
    return alarm


def changes(transitions: list[Transition]) -> Changes:
    return [(change.alarm, change.old, change.new) for change in transitions]


def test_a_breach_sets_the_state_with_its_reason_and_data(cloudwatch: "CloudWatchClient") -> None:
    put_alarm(cloudwatch)
    for minutes_ago, value in ((3, 1), (2, 9), (1, 9)):
        publish(cloudwatch, minutes_ago, value)
    (change,) = AlarmEvaluator(cloudwatch).tick(NOW)
    alarm = state(cloudwatch, "cpu")
    assert (change.alarm, change.old, change.new, change.at) == ("cpu", "INSUFFICIENT_DATA", "ALARM", NOW)
    assert change.reason.startswith("Threshold Crossed: 2 out of the last 3 datapoints [9.0 (")
    assert (alarm["StateValue"], alarm["StateReason"]) == ("ALARM", change.reason)
    assert '"recentDatapoints":[1.0,9.0,9.0]' in alarm["StateReasonData"]


def test_an_unchanged_state_is_not_set_again(cloudwatch: "CloudWatchClient") -> None:
    put_alarm(cloudwatch)
    evaluator = AlarmEvaluator(cloudwatch)
    assert changes(evaluator.tick(NOW)) == [("cpu", "INSUFFICIENT_DATA", "OK")]
    assert evaluator.tick(NOW + timedelta(minutes=1)) == []


def test_an_alarm_clears_when_its_datapoints_do(cloudwatch: "CloudWatchClient") -> None:
    put_alarm(cloudwatch)
    evaluator = AlarmEvaluator(cloudwatch)
    for minutes_ago in (2, 1):
        publish(cloudwatch, minutes_ago, 9)
    assert changes(evaluator.tick(NOW)) == [("cpu", "INSUFFICIENT_DATA", "ALARM")]
    for minutes_ago in (0, -1):
        publish(cloudwatch, minutes_ago, 1)
    assert evaluator.tick(NOW + timedelta(minutes=1)) == []
    assert changes(evaluator.tick(NOW + timedelta(minutes=2))) == [("cpu", "ALARM", "OK")]


def test_the_minutes_asked_for_are_read(cloudwatch: "CloudWatchClient") -> None:
    publish(cloudwatch, 2, 7)
    publish(cloudwatch, 1, 9)
    cpu = Metric("AWS/ECS", "CPUUtilization", frozenset({("ServiceName", "api")}), "Average", 60)
    minute = NOW.replace(second=0, microsecond=0)
    read = AlarmEvaluator(cloudwatch).read({cpu: [minute - timedelta(minutes=ago) for ago in (2, 1)]})
    assert [point.value for _, point in sorted(read[cpu].items())] == [7, 9]


def test_a_longer_period_ends_on_any_minute_and_holds_all_its_samples(cloudwatch: "CloudWatchClient") -> None:
    """CloudWatch evaluates an alarm of five minutes each minute: https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/alarm-evaluation.html"""
    for ago, value in enumerate([1, 2, 3, 4, 50, 600, 7000], start=1):
        publish(cloudwatch, ago, value)
    of = {"namespace": "AWS/ECS", "name": "CPUUtilization", "dimensions": frozenset({("ServiceName", "api")}), "period": 300}
    sums, middle = Metric(**of, statistic="Sum"), Metric(**of, statistic="p50")
    minute = NOW.replace(second=0, microsecond=0)
    starts = [minute - timedelta(minutes=ago) for ago in (5, 6, 60)]
    read = AlarmEvaluator(cloudwatch).read({sums: starts, middle: starts})
    assert {time: point.value for time, point in read[sums].items()} == {starts[0]: 60, starts[1]: 659}
    assert [read[middle][start] for start in starts[:2]] == [(3, 5), (4, 5)]


def test_an_alarm_of_five_minutes_is_judged_each_minute(cloudwatch: "CloudWatchClient") -> None:
    put_alarm(cloudwatch, Period=300, EvaluationPeriods=1, DatapointsToAlarm=1, Statistic="Maximum")
    evaluator = AlarmEvaluator(cloudwatch)
    for ago, value in zip(range(1, -5, -1), (9, 1, 1, 1, 1, 1), strict=True):
        publish(cloudwatch, ago, value)
    fired = [evaluator.tick(NOW + timedelta(minutes=minute)) for minute in range(6)]
    assert [changes(one) for one in fired[1:5]] == [[]] * 4
    assert (changes(fired[0])[0][2], changes(fired[5])[0][2]) == ("ALARM", "OK")


def test_other_dimensions_are_another_metric(cloudwatch: "CloudWatchClient") -> None:
    put_alarm(cloudwatch)
    for minutes_ago in (2, 1):
        publish(cloudwatch, minutes_ago, 9, service="other")
    AlarmEvaluator(cloudwatch).tick(NOW)
    assert state(cloudwatch, "cpu")["StateValue"] == "OK"


def test_the_minute_under_way_is_not_read(cloudwatch: "CloudWatchClient") -> None:
    put_alarm(cloudwatch, EvaluationPeriods=1, DatapointsToAlarm=1)
    publish(cloudwatch, 0, 9)
    AlarmEvaluator(cloudwatch).tick(NOW)
    assert state(cloudwatch, "cpu")["StateValue"] == "OK"


@pytest.mark.parametrize(
    ("statistic", "value"),
    [
        ({"Statistic": "Average"}, "4.0"),
        ({"Statistic": "Sum"}, "20.0"),
        ({"Statistic": "Minimum"}, "1.0"),
        ({"Statistic": "Maximum"}, "9.0"),
        ({"Statistic": "SampleCount"}, "5.0"),
        ({"Statistic": None, "ExtendedStatistic": "p50"}, "3.0"),
    ],
)
def test_a_statistic_is_over_all_samples_of_its_minute(
    cloudwatch: "CloudWatchClient", statistic: dict[str, Any], value: str
) -> None:
    put_alarm(cloudwatch, EvaluationPeriods=1, DatapointsToAlarm=1, Threshold=-1, **statistic)
    publish(cloudwatch, 2, 100)
    publish(cloudwatch, 1, 1, 2, 3, 5, 9)
    publish(cloudwatch, 0, 100)
    (change,) = AlarmEvaluator(cloudwatch).tick(NOW)
    assert f" [{value} (" in change.reason


def test_values_count_as_often_as_they_were_counted(cloudwatch: "CloudWatchClient") -> None:
    put_alarm(cloudwatch, EvaluationPeriods=1, DatapointsToAlarm=1, Statistic=None, ExtendedStatistic="p95")
    at = NOW.replace(second=0) - timedelta(minutes=1)
    datum: Any = {"MetricName": "CPUUtilization", "Dimensions": dimensions(ServiceName="api"), "Timestamp": at}
    cloudwatch.put_metric_data(Namespace="AWS/ECS", MetricData=[{**datum, "Values": [0.1, 7.0], "Counts": [90, 10]}])
    (change,) = AlarmEvaluator(cloudwatch).tick(NOW)
    assert change.new == "ALARM"
    assert '"sampleCount":100.0,"value":7.0' in state(cloudwatch, "cpu")["StateReasonData"]


def test_metric_math_is_evaluated_as_described(cloudwatch: "CloudWatchClient") -> None:
    def query(name: str, service: str) -> dict[str, Any]:
        metric = {"Namespace": "AWS/ECS", "MetricName": "CPUUtilization", "Dimensions": dimensions(ServiceName=service)}
        return {"Id": name, "MetricStat": {"Metric": metric, "Period": 60, "Stat": "Maximum"}, "ReturnData": False}

    emulator.cloudformation_put_metric_alarm(
        {
            "AlarmName": "worst",
            "AlarmArn": "arn:aws:cloudwatch:us-east-1:000000000000:alarm:worst",
            "StateValue": "OK",
            "StateReason": "Unchecked: Initial alarm creation",
            "Metrics": [{"Id": "worst", "Expression": "MAX(METRICS())"}, query("m1", "one"), query("m2", "other")],
            "EvaluationPeriods": 1,
            "Threshold": 5.0,
            "ComparisonOperator": "GreaterThanThreshold",
        }
    )
    publish(cloudwatch, 1, 1, service="one")
    publish(cloudwatch, 1, 6, service="other")
    evaluator = AlarmEvaluator(cloudwatch)
    assert changes(evaluator.tick(NOW)) == [("worst", "OK", "ALARM")]
    assert evaluator.refused == {}


def test_a_composite_follows_its_children_in_the_same_tick(cloudwatch: "CloudWatchClient") -> None:
    put_alarm(cloudwatch)
    cloudwatch.put_composite_alarm(AlarmName="any", AlarmRule="ALARM(cpu)")
    cloudwatch.put_composite_alarm(AlarmName="all", AlarmRule='ALARM("any") AND NOT OK(cpu)')
    evaluator = AlarmEvaluator(cloudwatch)
    evaluator.tick(NOW - timedelta(minutes=9))
    for minutes_ago in (2, 1):
        publish(cloudwatch, minutes_ago, 9)
    assert changes(evaluator.tick(NOW)) == [("cpu", "OK", "ALARM"), ("any", "OK", "ALARM"), ("all", "OK", "ALARM")]
    assert [state(cloudwatch, name)["StateValue"] for name in ("any", "all")] == ["ALARM", "ALARM"]
    assert f"alarm:cpu transitioned to ALARM at {NOW:%A %d %B, %Y %H:%M:%S} UTC" in state(cloudwatch, "any")["StateReason"]


def test_a_state_set_by_hand_reaches_its_composite_and_returns(cloudwatch: "CloudWatchClient") -> None:
    # "Metric alarms returns to their actual state quickly": https://docs.aws.amazon.com/cli/latest/reference/cloudwatch/set-alarm-state.html
    put_alarm(cloudwatch)
    cloudwatch.put_composite_alarm(AlarmName="any", AlarmRule="ALARM(cpu)")
    evaluator = AlarmEvaluator(cloudwatch)
    evaluator.tick(NOW)
    cloudwatch.set_alarm_state(AlarmName="cpu", StateValue="ALARM", StateReason="a test")
    assert changes(evaluator.tick(NOW)) == [("any", "OK", "ALARM"), ("cpu", "ALARM", "OK"), ("any", "ALARM", "OK")]


def test_a_composite_set_by_hand_stays_until_a_child_changes(cloudwatch: "CloudWatchClient") -> None:
    put_alarm(cloudwatch)
    cloudwatch.put_composite_alarm(AlarmName="any", AlarmRule="ALARM(cpu)")
    evaluator = AlarmEvaluator(cloudwatch)
    evaluator.tick(NOW)
    cloudwatch.set_alarm_state(AlarmName="any", StateValue="ALARM", StateReason="a test")
    assert evaluator.tick(NOW) == []
    assert state(cloudwatch, "any")["StateValue"] == "ALARM"


def test_a_metric_alarm_that_gets_no_data_returns_as_well(cloudwatch: "CloudWatchClient") -> None:
    """Maintenance must not rest on such an alarm: CloudWatch returns it to its actual state, often within seconds."""
    put_alarm(cloudwatch, TreatMissingData="ignore")
    publish(cloudwatch, 9, 1)
    evaluator = AlarmEvaluator(cloudwatch)
    evaluator.tick(NOW - timedelta(minutes=8))
    cloudwatch.set_alarm_state(AlarmName="cpu", StateValue="ALARM", StateReason="a test")
    assert changes(evaluator.tick(NOW)) == [("cpu", "ALARM", "OK")]


@pytest.mark.parametrize(("rule", "created", "by_hand"), [("FALSE", "OK", "ALARM"), ("TRUE", "ALARM", "OK")])
def test_a_composite_without_children_stays_as_it_was_set_whoever_looks_first(
    cloudwatch: "CloudWatchClient", rule: str, created: str, by_hand: Any
) -> None:
    cloudwatch.put_composite_alarm(AlarmName="switch", AlarmRule=rule)
    assert state(cloudwatch, "switch")["StateValue"] == created
    cloudwatch.set_alarm_state(AlarmName="switch", StateValue=by_hand, StateReason="a test")
    for evaluator in (AlarmEvaluator(cloudwatch), AlarmEvaluator(cloudwatch)):
        assert evaluator.tick(NOW) == evaluator.tick(NOW + timedelta(hours=3)) == []
    assert state(cloudwatch, "switch")["StateValue"] == by_hand


def test_a_composite_without_children_is_reevaluated_when_it_is_updated(cloudwatch: "CloudWatchClient") -> None:
    cloudwatch.put_composite_alarm(AlarmName="switch", AlarmRule="TRUE")
    cloudwatch.set_alarm_state(AlarmName="switch", StateValue="OK", StateReason="a test")
    cloudwatch.put_composite_alarm(AlarmName="switch", AlarmRule="TRUE", AlarmDescription="another")
    assert state(cloudwatch, "switch")["StateValue"] == "ALARM"


@pytest.mark.parametrize("parent", ["before", "the-last"])
def test_a_parent_is_judged_after_its_child_whatever_their_names(cloudwatch: "CloudWatchClient", parent: str) -> None:
    put_alarm(cloudwatch)
    put_alarm(cloudwatch, "memory", Dimensions=dimensions(ServiceName="other"))
    cloudwatch.put_composite_alarm(AlarmName="child", AlarmRule="ALARM(memory)")
    cloudwatch.put_composite_alarm(AlarmName=parent, AlarmRule='ALARM(cpu) AND NOT ALARM("child")')
    evaluator = AlarmEvaluator(cloudwatch)
    evaluator.tick(NOW - timedelta(minutes=9))
    for minutes_ago in (2, 1):
        publish(cloudwatch, minutes_ago, 9)
        publish(cloudwatch, minutes_ago, 9, service="other")
    assert changes(evaluator.tick(NOW)) == [(name, "OK", "ALARM") for name in ("cpu", "memory", "child")]


def test_a_cycle_of_composites_is_refused_with_what_refers_to_it(cloudwatch: "CloudWatchClient") -> None:
    put_alarm(cloudwatch)
    cloudwatch.put_composite_alarm(AlarmName="one", AlarmRule="TRUE")
    cloudwatch.put_composite_alarm(AlarmName="other", AlarmRule="NOT ALARM(one)")
    cloudwatch.put_composite_alarm(AlarmName="one", AlarmRule="ALARM(other)")
    cloudwatch.put_composite_alarm(AlarmName="above", AlarmRule="ALARM(one) OR OK(cpu)")
    cloudwatch.put_composite_alarm(AlarmName="apart", AlarmRule="OK(cpu)")
    evaluator = AlarmEvaluator(cloudwatch)
    assert changes(evaluator.tick(NOW)) == [("cpu", "INSUFFICIENT_DATA", "OK"), ("apart", "OK", "ALARM")]
    assert evaluator.refused == {
        name: f"{name} is part of a cycle of composite alarms, or refers to one" for name in ("one", "other", "above")
    }


@pytest.mark.parametrize(
    ("changed", "named"),
    [
        ({"Unit": "Percent"}, "Unit"),
        ({"Dimensions": []}, "without dimensions"),
        ({"Period": 90}, "period of 90 s"),
        ({"ComparisonOperator": "LessThanLowerThreshold"}, "LessThanLowerThreshold"),
    ],
)
def test_an_alarm_that_cannot_be_evaluated_is_named_and_left_alone(
    cloudwatch: "CloudWatchClient", changed: dict[str, Any], named: str, caplog: pytest.LogCaptureFixture
) -> None:
    put_alarm(cloudwatch, "odd", **changed)
    put_alarm(cloudwatch)
    evaluator = AlarmEvaluator(cloudwatch)
    for _ in range(2):
        publish(cloudwatch, 1, 9)
        evaluator.tick(NOW)
    assert list(evaluator.refused) == ["odd"]
    assert named in evaluator.refused["odd"]
    assert [record.getMessage() for record in caplog.records] == [f"not evaluated: {evaluator.refused['odd']}"]
    assert state(cloudwatch, "odd")["StateValue"] == "INSUFFICIENT_DATA"
    assert state(cloudwatch, "cpu")["StateValue"] == "OK"


def test_every_page_of_alarms_is_read(cloudwatch: "CloudWatchClient") -> None:
    for number in range(130):
        put_alarm(cloudwatch, f"alarm-{number}")
    assert len(AlarmEvaluator(cloudwatch).tick(NOW)) == 130
