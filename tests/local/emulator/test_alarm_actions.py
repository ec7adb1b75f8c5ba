"""A change of an alarm's state, through the API, runs its actions as CloudWatch documents it.

https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/alarms-and-actions-Lambda.html
"""

import itertools
import json
import subprocess
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest

from local.cloud import Cloud
from local.emulator.alarm_actions import PRINCIPAL

ECHO = """
import json
def handle(event, context):
    print(json.dumps(event))
"""
_names = (f"alarm-{number}" for number in itertools.count())


class Alarms:
    """Alarms of a cloud, and a function that logs the events it gets."""

    def __init__(self, cloud: Cloud, function: str) -> None:
        self.cloud, self.function = cloud, function
        self.cloudwatch = cloud.client("cloudwatch")

    def metric(self, **settings: Any) -> str:
        name = next(_names)
        plain = {"Namespace": "AWS/Test", "MetricName": "Load", "Statistic": "Average", "Period": 60}
        plain["Dimensions"] = [{"Name": "Host", "Value": "a"}]
        settings = {**({} if "Metrics" in settings else plain), **settings}
        rest = {"EvaluationPeriods": 3, "Threshold": 5, "ComparisonOperator": "GreaterThanThreshold"}
        self.cloudwatch.put_metric_alarm(AlarmName=name, **rest, **settings)
        return name

    def composite(self, rule: str, **settings: Any) -> str:
        name = next(_names)
        self.cloudwatch.put_composite_alarm(AlarmName=name, AlarmRule=rule, **settings)
        return name

    def set(self, name: str, state: str, reason: str = "a test", **settings: str) -> None:
        self.cloudwatch.set_alarm_state(AlarmName=name, StateValue=state, StateReason=reason, **settings)

    def permit(self, alarm: str = "*") -> None:
        """Let CloudWatch invoke the function for one alarm, or for all."""
        self.cloud.client("lambda").add_permission(
            FunctionName=self.function,
            StatementId=f"s{next(_names)}",
            Action="lambda:InvokeFunction",
            Principal=PRINCIPAL,
            SourceAccount=self.cloud.environment.account,
            SourceArn=f"arn:aws:cloudwatch:us-east-1:{self.cloud.environment.account}:alarm:{alarm}",
        )

    @property
    def events(self) -> list[dict[str, Any]]:
        """What the function was invoked with."""
        self.cloud.wait_until_idle()
        return [json.loads(line) for line in self.cloud.control("logs", self.function)]

    def history(self, name: str) -> list[str]:
        items = self.cloudwatch.describe_alarm_history(AlarmName=name, HistoryItemType="Action")["AlarmHistoryItems"]
        return [item["HistorySummary"] for item in items]


@pytest.fixture
def function(make_function: Callable[..., str]) -> str:
    return make_function(next(_names), ECHO)


@pytest.fixture
def alarms(empty_cloud: Cloud, function: str) -> Alarms:
    return Alarms(empty_cloud, function.rpartition(":")[2])


def moment(text: str) -> datetime:
    return datetime.strptime(text, "%Y-%m-%dT%H:%M:%S.%f%z")


def test_a_metric_alarm_invokes_a_function_with_the_documented_event(alarms: Alarms, function: str) -> None:
    alarms.permit()
    name = alarms.metric(AlarmActions=[function], AlarmDescription="The load is high", Unit="Percent")
    before = alarms.cloud.now()
    alarms.cloud.advance(timedelta(hours=3))
    alarms.set(name, "ALARM", "Threshold Crossed", StateReasonData='{"version":"1.0"}')
    (event,) = alarms.events
    data = event["alarmData"]
    (metric,) = data["configuration"]["metrics"]
    assert {key: event[key] for key in event.keys() - {"time", "alarmData"}} == {
        "source": "aws.cloudwatch",
        "alarmArn": f"arn:aws:cloudwatch:us-east-1:123456789012:alarm:{name}",
        "accountId": "123456789012",
        "region": "us-east-1",
    }
    assert moment(event["time"]) - before >= timedelta(hours=3)
    assert data["alarmName"] == name
    assert data["state"] == {
        "value": "ALARM", "reason": "Threshold Crossed", "reasonData": '{"version":"1.0"}', "timestamp": event["time"]
    }  # fmt: skip
    assert data["previousState"]["value"] == "INSUFFICIENT_DATA"
    assert data["previousState"]["reason"] == "Unchecked: Initial alarm creation"
    assert moment(data["state"]["timestamp"]) - moment(data["previousState"]["timestamp"]) >= timedelta(hours=3)
    assert data["configuration"]["description"] == "The load is high"
    assert metric["returnData"] is True
    assert metric["metricStat"] == {
        "metric": {"namespace": "AWS/Test", "name": "Load", "dimensions": {"Host": "a"}},
        "period": 60,
        "stat": "Average",
        "unit": "Percent",
    }


def test_a_metric_math_alarm_names_its_expressions(alarms: Alarms, function: str) -> None:
    alarms.permit()
    metric = {"Namespace": "AWS/Test", "MetricName": "Load", "Dimensions": [{"Name": "Host", "Value": "a"}]}
    name = alarms.metric(
        AlarmActions=[function],
        Metrics=[
            {"Id": "load", "MetricStat": {"Metric": metric, "Period": 60, "Stat": "p95"}, "ReturnData": False},
            {"Id": "share", "Expression": "100 * load", "Label": "Share", "ReturnData": True},
        ],
    )
    alarms.set(name, "ALARM")
    (event,) = alarms.events
    stat = {"metric": {"namespace": "AWS/Test", "name": "Load", "dimensions": {"Host": "a"}}, "period": 60, "stat": "p95"}
    assert event["alarmData"]["configuration"]["metrics"] == [
        {"id": "load", "metricStat": stat, "returnData": False},
        {"id": "share", "expression": "100 * load", "label": "Share", "returnData": True},
    ]


def test_a_composite_alarm_names_its_rule_and_suppressor(alarms: Alarms, function: str) -> None:
    alarms.permit()
    child, suppressor = alarms.metric(), alarms.metric()
    rule = f"ALARM({child})"
    wait = {"ActionsSuppressorWaitPeriod": 120, "ActionsSuppressorExtensionPeriod": 180}
    name = alarms.composite(rule, AlarmActions=[function], ActionsSuppressor=suppressor, **wait)
    alarms.set(name, "ALARM")
    (event,) = alarms.events
    assert event["alarmData"]["configuration"] == {
        "alarmRule": rule,
        "actionsSuppressor": suppressor,
        "actionsSuppressorWaitPeriod": 120,
        "actionsSuppressorExtensionPeriod": 180,
    }


def test_the_aws_cli_sets_a_state_as_well(alarms: Alarms, function: str) -> None:
    alarms.permit()
    name = alarms.metric(AlarmActions=[function])
    command = ["aws", "cloudwatch", "set-alarm-state", "--alarm-name", name, "--state-value", "ALARM", "--state-reason", "me"]
    subprocess.run(command, check=True, env=alarms.cloud.environ)
    assert [event["alarmData"]["state"]["reason"] for event in alarms.events] == ["me"]


def test_each_state_runs_its_own_actions(alarms: Alarms, function: str) -> None:
    alarms.permit()
    name = alarms.metric(OKActions=[function])
    for state in ("ALARM", "OK", "INSUFFICIENT_DATA"):
        alarms.set(name, state)
    assert [event["alarmData"]["state"]["value"] for event in alarms.events] == ["OK"]


def test_the_same_state_again_runs_no_action(alarms: Alarms, function: str) -> None:
    alarms.permit()
    name = alarms.metric(AlarmActions=[function])
    for _ in range(3):
        alarms.set(name, "ALARM")
    assert len(alarms.events) == 1


def test_disabled_actions_do_not_run(alarms: Alarms, function: str) -> None:
    alarms.permit()
    name = alarms.metric(AlarmActions=[function])
    alarms.cloudwatch.disable_alarm_actions(AlarmNames=[name])
    alarms.set(name, "ALARM")
    assert alarms.events == []


def test_actions_do_not_run_while_their_suppressor_is_in_alarm(alarms: Alarms, function: str) -> None:
    alarms.permit()
    child, suppressor = alarms.metric(), alarms.metric()
    wait = {"ActionsSuppressorWaitPeriod": 0, "ActionsSuppressorExtensionPeriod": 0}
    name = alarms.composite(f"ALARM({child})", AlarmActions=[function], ActionsSuppressor=suppressor, **wait)
    alarms.set(suppressor, "ALARM")
    alarms.set(name, "ALARM")
    assert alarms.events == []


def suppressed(alarms: Alarms, function: str) -> tuple[str, str]:
    """A composite alarm in OK that has taken no action yet, with some for ALARM and OK, and its suppressor in ALARM."""
    alarms.permit()
    suppressor, rule = alarms.metric(), f"ALARM({alarms.metric()})"
    name = alarms.composite(rule)
    alarms.cloudwatch.put_composite_alarm(
        AlarmName=name,
        AlarmRule=rule,
        AlarmActions=[function],
        OKActions=[function],
        ActionsSuppressor=suppressor,
        ActionsSuppressorWaitPeriod=0,
        ActionsSuppressorExtensionPeriod=0,
    )
    alarms.set(suppressor, "ALARM")
    return name, suppressor


@pytest.mark.parametrize("left_for", ["OK", "INSUFFICIENT_DATA"])
def test_suppressed_actions_run_when_the_suppressor_leaves_alarm(alarms: Alarms, function: str, left_for: str) -> None:
    name, suppressor = suppressed(alarms, function)
    alarms.set(name, "ALARM", "the service is impaired")
    alarms.set(suppressor, left_for)
    (event,) = alarms.events
    state, previous = event["alarmData"]["state"], event["alarmData"]["previousState"]
    assert (state["value"], state["reason"]) == ("ALARM", "the service is impaired")
    # As in the sample event for a wait period, https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/alarms-and-actions-Lambda.html
    assert (previous["value"], previous["actionsSuppressedBy"]) == ("ALARM", "Alarm")


def test_a_state_that_came_and_went_while_suppressed_runs_no_action(alarms: Alarms, function: str) -> None:
    name, suppressor = suppressed(alarms, function)
    for state in ("ALARM", "OK"):
        alarms.set(name, state)
    alarms.set(suppressor, "OK")
    assert alarms.events == []


def test_a_state_whose_actions_ran_runs_none_again_after_suppression(alarms: Alarms, function: str) -> None:
    name, suppressor = suppressed(alarms, function)
    alarms.set(suppressor, "OK")
    alarms.set(name, "ALARM")
    for state in ("ALARM", "OK"):
        alarms.set(suppressor, state)
    assert [event["alarmData"]["state"]["value"] for event in alarms.events] == ["ALARM"]


def test_the_state_at_the_end_of_suppression_counts(alarms: Alarms, function: str) -> None:
    name, suppressor = suppressed(alarms, function)
    alarms.set(suppressor, "OK")
    alarms.set(name, "ALARM")
    alarms.cloud.wait_until_idle()  # or the two invocations could end in any order
    alarms.set(suppressor, "ALARM")
    for state in ("OK", "ALARM", "OK"):
        alarms.set(name, state)
    alarms.set(suppressor, "OK")
    assert [event["alarmData"]["state"]["value"] for event in alarms.events] == ["ALARM", "OK"]


def test_disabled_actions_stay_so_when_their_suppressor_leaves_alarm(alarms: Alarms, function: str) -> None:
    name, suppressor = suppressed(alarms, function)
    alarms.cloudwatch.disable_alarm_actions(AlarmNames=[name])
    alarms.set(name, "ALARM")
    alarms.set(suppressor, "OK")
    assert alarms.events == []


@pytest.mark.parametrize("allowed", [None, "another-alarm"], ids=["no permission", "for another alarm"])
def test_a_function_that_does_not_allow_the_alarm_is_not_invoked(alarms: Alarms, function: str, allowed: str | None) -> None:
    if allowed:
        alarms.permit(allowed)
    name = alarms.metric(AlarmActions=[function])
    alarms.set(name, "ALARM")
    assert alarms.events == []
    assert ["not authorized to perform: lambda:InvokeFunction" in line for line in alarms.history(name)] == [True]


def test_the_history_shows_an_action(alarms: Alarms, function: str) -> None:
    alarms.permit()
    name = alarms.metric(AlarmActions=[function])
    alarms.set(name, "ALARM")
    assert alarms.history(name) == [f"Successfully executed action {function}"]


def test_a_topic_whose_policy_does_not_allow_cloudwatch_gets_no_message(alarms: Alarms) -> None:
    sns = alarms.cloud.client("sns")
    topic = sns.create_topic(Name=next(_names))["TopicArn"]
    other = {"Effect": "Allow", "Principal": {"Service": "events.amazonaws.com"}, "Action": "sns:Publish", "Resource": topic}
    policy = json.dumps({"Version": "2012-10-17", "Statement": [other]})
    sns.set_topic_attributes(TopicArn=topic, AttributeName="Policy", AttributeValue=policy)
    name = alarms.metric(AlarmActions=[topic])
    alarms.set(name, "ALARM")
    (line,) = alarms.history(name)
    assert "not authorized to perform: SNS:Publish" in line


def test_a_topic_gets_a_message(alarms: Alarms) -> None:
    sns, sqs = alarms.cloud.client("sns"), alarms.cloud.client("sqs")
    topic = sns.create_topic(Name=next(_names))["TopicArn"]
    queue = sqs.create_queue(QueueName=next(_names))["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    statement = {"Effect": "Allow", "Principal": {"Service": "sns.amazonaws.com"}, "Action": "sqs:SendMessage", "Resource": arn}
    sqs.set_queue_attributes(
        QueueUrl=queue, Attributes={"Policy": json.dumps({"Version": "2012-10-17", "Statement": [statement]})}
    )
    sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=arn)
    name = alarms.metric(AlarmActions=[topic])
    alarms.set(name, "ALARM", "Threshold Crossed")
    (message,) = sqs.receive_message(QueueUrl=queue)["Messages"]
    sent = json.loads(json.loads(message["Body"])["Message"])
    assert (sent["AlarmName"], sent["NewStateValue"], sent["NewStateReason"]) == (name, "ALARM", "Threshold Crossed")


def test_metrics_alone_change_no_alarm(alarms: Alarms) -> None:
    name = alarms.metric(TreatMissingData="notBreaching")
    datum = {"MetricName": "Load", "Dimensions": [{"Name": "Host", "Value": "a"}], "Value": 99.0}
    alarms.cloudwatch.put_metric_data(Namespace="AWS/Test", MetricData=[datum])
    (alarm,) = alarms.cloudwatch.describe_alarms(AlarmNames=[name])["MetricAlarms"]
    assert alarm["StateValue"] == "INSUFFICIENT_DATA"


def test_a_child_alone_changes_no_composite_alarm(alarms: Alarms) -> None:
    child = alarms.metric()
    parent = alarms.composite(f"ALARM({child})")
    alarms.set(child, "ALARM")
    (alarm,) = alarms.cloudwatch.describe_alarms(AlarmNames=[parent], AlarmTypes=["CompositeAlarm"])["CompositeAlarms"]
    assert alarm["StateValue"] == "OK"


@pytest.mark.parametrize(
    "definition",
    [
        {"Metrics": [{"Id": "e", "Expression": "1 + 1", "Label": "Two", "ReturnData": True}]},
        {"ExtendedStatistic": "p95", "Statistic": None, "EvaluateLowSampleCountPercentile": "ignore", "DatapointsToAlarm": 2},
        {
            "Statistic": "Maximum",
            "TreatMissingData": "breaching",
            "InsufficientDataActions": ["arn:aws:sns:us-east-1:123456789012:t"],
        },
    ],
    ids=["metric math", "percentile", "statistic"],
)
def test_an_alarm_is_described_as_it_was_defined(alarms: Alarms, definition: dict[str, Any]) -> None:
    name = next(_names)
    plain = {"Namespace": "AWS/Test", "MetricName": "Load", "Statistic": "Sum", "Period": 60}
    settings = {**({} if "Metrics" in definition else plain), **definition}
    given = {key: value for key, value in settings.items() if value is not None}
    given |= {"EvaluationPeriods": 3, "Threshold": 5.0, "ComparisonOperator": "GreaterThanThreshold"}
    alarms.cloudwatch.put_metric_alarm(AlarmName=name, **given)
    (alarm,) = alarms.cloudwatch.describe_alarms(AlarmNames=[name])["MetricAlarms"]
    assert {key: alarm.get(key) for key in given} == given
    assert "Statistic" in alarm or "Statistic" not in given
    assert ("MetricName" in alarm) == ("MetricName" in given)
