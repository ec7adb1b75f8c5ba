"""Alarm events, as AWS documents them.

https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/alarms-and-actions-Lambda.html
"""

import copy
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from lambdas.common.events import EventError
from lambdas.rollback.events import parse

COMPOSITE: dict[str, Any] = {
    "source": "aws.cloudwatch",
    "alarmArn": "arn:aws:cloudwatch:us-east-1:111122223333:alarm:SuppressionDemo.Main",
    "accountId": "111122223333",
    "time": "2023-08-04T12:56:46.138+0000",
    "region": "us-east-1",
    "alarmData": {
        "alarmName": "CompositeDemo.Main",
        "state": {
            "value": "ALARM",
            "reason": "arn:aws:cloudwatch:us-east-1:111122223333:alarm:CompositeDemo.FirstChild transitioned to ALARM at Friday 04 "
            "August, 2023 12:54:46 UTC",
            "reasonData": '{"triggeringAlarms":[{"arn":"arn:aws:cloudwatch:us-east-1:111122223333:alarm:CompositeDemo.FirstChild",'
            '"state":{"value":"ALARM","timestamp":"2023-08-04T12:54:46.138+0000"}}]}',
            "timestamp": "2023-08-04T12:56:46.138+0000",
        },
        "previousState": {
            "value": "ALARM",
            "reason": "arn:aws:cloudwatch:us-east-1:111122223333:alarm:CompositeDemo.FirstChild transitioned to ALARM at Friday 04 "
            "August, 2023 12:54:46 UTC",
            "reasonData": '{"triggeringAlarms":[{"arn":"arn:aws:cloudwatch:us-east-1:111122223333:alarm:CompositeDemo.FirstChild",'
            '"state":{"value":"ALARM","timestamp":"2023-08-04T12:54:46.138+0000"}}]}',
            "timestamp": "2023-08-04T12:54:46.138+0000",
            "actionsSuppressedBy": "WaitPeriod",
            "actionsSuppressedReason": "Actions suppressed by WaitPeriod",
        },
        "configuration": {
            "alarmRule": "ALARM(CompositeDemo.FirstChild) OR ALARM(CompositeDemo.SecondChild)",
            "actionsSuppressor": "CompositeDemo.ActionsSuppressor",
            "actionsSuppressorWaitPeriod": 120,
            "actionsSuppressorExtensionPeriod": 180,
        },
    },
}


def changed(path: str, value: object) -> dict[str, Any]:
    """The sample with one field changed, or taken out when the value is None."""
    event = copy.deepcopy(COMPOSITE)
    *parents, last = path.split(".")
    place = event
    for parent in parents:
        place = place[parent]
    if value is None:
        del place[last]
    else:
        place[last] = value
    return event


def test_the_documented_composite_sample_is_read() -> None:
    alarm = parse(COMPOSITE)
    assert alarm.name == "CompositeDemo.Main"
    assert alarm.arn == "arn:aws:cloudwatch:us-east-1:111122223333:alarm:SuppressionDemo.Main"
    assert alarm.state == "ALARM"
    assert alarm.at == datetime(2023, 8, 4, 12, 56, 46, 138000, tzinfo=UTC)
    assert alarm.reason.endswith("transitioned to ALARM at Friday 04 August, 2023 12:54:46 UTC")
    assert alarm.triggers == ("CompositeDemo.FirstChild",)


def test_one_change_of_state_has_one_id_however_it_is_written() -> None:
    elsewhere = changed("alarmData.state.timestamp", "2023-08-04T14:56:46.138+0200")
    assert parse(elsewhere).id == parse(COMPOSITE).id


def test_another_change_of_state_has_another_id() -> None:
    later = parse(COMPOSITE).at + timedelta(milliseconds=1)
    assert parse(changed("alarmData.state.timestamp", later.isoformat())).id != parse(COMPOSITE).id
    assert parse(changed("alarmArn", "arn:aws:cloudwatch:us-east-1:111122223333:alarm:Other")).id != parse(COMPOSITE).id


@pytest.mark.parametrize("data", [None, "", "no JSON", "[]", '{"triggeringAlarms": 7}', '{"triggeringAlarms": [{}]}'])
def test_an_alarm_without_readable_triggers_is_still_an_alarm(data: str | None) -> None:
    alarm = parse(changed("alarmData.state.reasonData", data))
    assert alarm.state == "ALARM"
    assert alarm.triggers == ()


@pytest.mark.parametrize(
    ("event", "field"),
    [
        (changed("source", "aws.events"), "source"),
        (changed("alarmArn", None), "alarmArn"),
        (changed("alarmArn", "arn:aws:sns:us-east-1:111122223333:topic"), "alarmArn"),
        (changed("alarmData", None), "alarmData"),
        (changed("alarmData.alarmName", ""), "alarmData.alarmName"),
        (changed("alarmData.state.value", "BROKEN"), "alarmData.state.value"),
        (changed("alarmData.state.timestamp", None), "alarmData.state.timestamp"),
        (changed("alarmData.state.timestamp", "2023-08-04T12:56:46"), "alarmData.state.timestamp"),
        ({}, "source"),
        ([], "event"),
        ("{}", "event"),
        (None, "event"),
    ],
)
def test_what_is_no_alarm_is_refused_by_the_name_of_its_field(event: object, field: str) -> None:
    with pytest.raises(EventError, match=rf"(^|; ){field}: "):
        parse(event)
