"""Rules of composite alarms, from https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_PutCompositeAlarm.html."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from local.cloudwatch.alarms import AlarmError
from local.cloudwatch.composites import children, evaluate_composite, rule_holds

ARN = "arn:aws:cloudwatch:us-east-1:111122223333:alarm:"


def composite(rule: str, **other: object) -> dict[str, Any]:
    return {"AlarmName": "composite", "AlarmArn": f"{ARN}composite", "AlarmRule": rule, "StateValue": "OK", **other}


def child(name: str, state: str, changed: datetime) -> dict[str, Any]:
    return {"AlarmName": name, "AlarmArn": ARN + name, "StateValue": state, "StateUpdatedTimestamp": changed}


@pytest.mark.parametrize(
    ("rule", "holds"),
    [
        # The page's three examples, with CPU in ALARM, disk and network OK, and a deployment whose state is unknown
        ("ALARM(cpu) AND ALARM(disk)", False),
        ("ALARM(cpu) AND NOT ALARM(deployment)", True),
        ("(ALARM(cpu) OR ALARM(disk)) AND OK(network)", True),
        ("ALARM(cpu)", True),
        ('ALARM("cpu")', True),
        (f"ALARM({ARN}cpu)", True),
        (f'OK("{ARN}cpu")', False),
        ("INSUFFICIENT_DATA(deployment)", True),
        ("OK(deployment) OR ALARM(deployment)", False),
        ("TRUE", True),
        ("FALSE", False),
        ("NOT FALSE AND TRUE", True),
        ("NOT (OK(disk) AND OK(network))", False),
        ("TRUE OR FALSE AND FALSE", True),  # AND before OR
        ("(TRUE OR FALSE) AND FALSE", False),
        ('ALARM("odd (name) AND \\"quotes\\"")', True),
        ("ALARM( cpu )\n  OR ALARM( disk )", True),
    ],
)
def test_rules(rule: str, holds: bool) -> None:
    states = {
        "cpu": "ALARM",
        "disk": "OK",
        "network": "OK",
        "deployment": "INSUFFICIENT_DATA",
        'odd (name) AND "quotes"': "ALARM",
    }
    assert rule_holds(composite(rule), states) is holds


@pytest.mark.parametrize(
    ("alarm", "named"),
    [
        (composite("ALARM(missing)"), "missing"),
        (composite("ALARM(cpu) XOR ALARM(cpu)"), "XOR"),
        (composite("AT_LEAST(1, ALARM, (cpu))"), "AT_LEAST"),
        (composite("ALARM(cpu) AND"), "which is not a rule"),
        (composite("(ALARM(cpu)"), "which is not a rule"),
        (composite("ALARM(cpu) ALARM(cpu)"), "which is not a rule"),
        (composite("ALARM(cpu)", Threshold=5), "Threshold"),
    ],
)
def test_what_is_not_known_is_refused_by_name(alarm: dict[str, Any], named: str) -> None:
    with pytest.raises(AlarmError, match=r"^composite .*" + named):
        rule_holds(alarm, {"cpu": "ALARM"})


def test_a_suppressor_of_actions_changes_no_state() -> None:
    periods = {"ActionsSuppressorWaitPeriod": 60, "ActionsSuppressorExtensionPeriod": 60}
    alarm = composite("ALARM(cpu)", ActionsSuppressor="deployment", **periods)
    assert rule_holds(alarm, {"cpu": "ALARM", "deployment": "ALARM"})


def test_children_are_named_once_in_the_order_of_the_rule() -> None:
    assert children(composite(f'ALARM(b) AND (OK("a") OR ALARM({ARN}c)) AND NOT OK(b)')) == ["b", "a", "c"]


def test_the_reason_names_the_child_that_agrees_and_changed_last() -> None:
    # Wording and data as in the sample event of https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/alarms-and-actions-Lambda.html
    verdict = evaluate_composite(
        composite("ALARM(FirstChild) OR ALARM(SecondChild) OR ALARM(ThirdChild)"),
        [
            child("FirstChild", "ALARM", datetime(2023, 8, 4, 12, 54, 46, 138000, tzinfo=UTC)),
            child("SecondChild", "OK", datetime(2023, 8, 4, 12, 55, tzinfo=UTC)),
            child("ThirdChild", "ALARM", datetime(2023, 8, 4, 12, 50, tzinfo=UTC)),
        ],
    )
    assert verdict.state == "ALARM"
    assert verdict.reason == f"{ARN}FirstChild transitioned to ALARM at Friday 04 August, 2023 12:54:46 UTC"
    assert json.loads(verdict.reason_data) == {
        "triggeringAlarms": [
            {"arn": f"{ARN}FirstChild", "state": {"value": "ALARM", "timestamp": "2023-08-04T12:54:46.138+0000"}},
            {"arn": f"{ARN}ThirdChild", "state": {"value": "ALARM", "timestamp": "2023-08-04T12:50:00.000+0000"}},
        ]
    }


def test_a_composite_alarm_is_never_short_of_data() -> None:
    unknown = child("cpu", "INSUFFICIENT_DATA", datetime(2026, 1, 5, tzinfo=UTC))
    assert evaluate_composite(composite("ALARM(cpu)"), [unknown]).state == "OK"
