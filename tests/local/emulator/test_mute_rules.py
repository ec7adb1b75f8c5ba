"""Alarm mute rules, as CloudWatch's API reference has them: they end by themselves, and muted alarms take no action."""

from datetime import timedelta
from typing import Any

import pytest
from botocore.exceptions import ClientError

from local.cloud import Cloud

NAME = "muted-cpu"


@pytest.fixture
def cloudwatch(empty_cloud: Cloud) -> Any:
    """A client, with an alarm."""
    client = empty_cloud.client("cloudwatch")
    client.put_composite_alarm(AlarmName=NAME, AlarmRule="FALSE")
    client.set_alarm_state(AlarmName=NAME, StateValue="OK", StateReason="before each test")
    return client


def mute(cloud: Cloud, cloudwatch: Any, *, in_minutes: int = 1, duration: str = "PT60M", alarm: str = NAME) -> None:
    begin = f"{cloud.now() + timedelta(minutes=in_minutes):%Y-%m-%dT%H:%M}"
    cloudwatch.put_alarm_mute_rule(
        Name=NAME, Rule={"Schedule": {"Expression": f"at({begin})", "Duration": duration}}, MuteTargets={"AlarmNames": [alarm]}
    )


def status(cloudwatch: Any) -> str:
    (rule,) = cloudwatch.list_alarm_mute_rules(AlarmName=NAME)["AlarmMuteRuleSummaries"]
    return str(rule["Status"])


def test_a_rule_is_scheduled_then_active_then_expired(empty_cloud: Cloud, cloudwatch: Any) -> None:
    mute(empty_cloud, cloudwatch)
    assert status(cloudwatch) == "SCHEDULED"
    empty_cloud.advance(timedelta(minutes=1))
    assert status(cloudwatch) == "ACTIVE"
    assert cloudwatch.list_alarm_mute_rules(AlarmName="another")["AlarmMuteRuleSummaries"] == []
    assert len(cloudwatch.list_alarm_mute_rules(AlarmName=NAME, Statuses=["ACTIVE"])["AlarmMuteRuleSummaries"]) == 1
    empty_cloud.advance(timedelta(minutes=61))
    assert status(cloudwatch) == "EXPIRED"
    assert cloudwatch.list_alarm_mute_rules(AlarmName=NAME, Statuses=["ACTIVE"])["AlarmMuteRuleSummaries"] == []


def test_a_muted_alarm_changes_its_state_and_takes_no_action(empty_cloud: Cloud, cloudwatch: Any) -> None:
    topic = empty_cloud.client("sns").create_topic(Name="muted-topic")["TopicArn"]
    cloudwatch.put_composite_alarm(AlarmName=NAME, AlarmRule="FALSE", AlarmActions=[topic])

    def actions() -> int:
        cloudwatch.set_alarm_state(AlarmName=NAME, StateValue="ALARM", StateReason="a test")
        cloudwatch.set_alarm_state(AlarmName=NAME, StateValue="OK", StateReason="a test")
        history = cloudwatch.describe_alarm_history(AlarmName=NAME, AlarmTypes=["CompositeAlarm"], HistoryItemType="Action")
        return len(history["AlarmHistoryItems"])

    assert actions() == 1
    mute(empty_cloud, cloudwatch, in_minutes=0)
    assert actions() == 1
    cloudwatch.delete_alarm_mute_rule(AlarmMuteRuleName=NAME)
    assert actions() == 2


@pytest.mark.parametrize("duration", ["PT30S", "P16D", "an hour"])
def test_a_duration_that_cloudwatch_does_not_take_is_refused(empty_cloud: Cloud, cloudwatch: Any, duration: str) -> None:
    with pytest.raises(ClientError, match="should be between PT1M and P15D"):
        mute(empty_cloud, cloudwatch, duration=duration)


def test_an_alarm_that_does_not_exist_is_refused(empty_cloud: Cloud, cloudwatch: Any) -> None:
    with pytest.raises(ClientError, match="nowhere do not exist"):
        mute(empty_cloud, cloudwatch, alarm="nowhere")


def test_a_schedule_that_the_local_cloud_does_not_have_is_refused(cloudwatch: Any) -> None:
    rule: Any = {"Schedule": {"Expression": "cron(0 2 * * *)", "Duration": "PT1H"}}
    with pytest.raises(ClientError, match="the local cloud has no other"):
        cloudwatch.put_alarm_mute_rule(Name=NAME, Rule=rule, MuteTargets={"AlarmNames": [NAME]})
