"""What a request says, in whichever of AWS's protocols it came."""

import json

import pytest

from local.emulator.access import members, of_composite_alarms

JSON, FORM = (
    {"content-type": "application/x-amz-json-1.1"},
    {"content-type": "application/x-www-form-urlencoded; charset=utf-8"},
)


def test_json_is_read_from_the_body() -> None:
    assert members(JSON, b'{"taskDefinition": "one:1"}', {}) == {"taskDefinition": "one:1"}


def test_a_form_is_read_from_its_fields_and_a_list_from_its_numbered_ones() -> None:
    fields = {"RoleARN": ["one"], "AlarmTypes.member.1": ["MetricAlarm"], "AlarmTypes.member.2": ["CompositeAlarm"]}
    assert members(FORM, b"", fields) == {"RoleARN": "one", "AlarmTypes": ["MetricAlarm", "CompositeAlarm"]}


@pytest.mark.parametrize("body", [b"", b"<xml/>", b"\x00\xff", b"[1]"])
def test_anything_else_says_nothing(body: bytes) -> None:
    assert members({}, body, {}) == {}


@pytest.mark.parametrize(
    ("asked", "composite"),
    [
        ({}, False),
        ({"AlarmNames": ["a"]}, False),
        ({"AlarmTypes": ["MetricAlarm"]}, False),
        ({"AlarmTypes": ["MetricAlarm", "CompositeAlarm"]}, True),
        ({"ParentsOfAlarmName": "a"}, True),
    ],
    ids=json.dumps,
)
def test_composite_alarms_are_asked_for_by_their_type_or_as_parents(asked: dict[str, object], composite: bool) -> None:
    assert of_composite_alarms(asked) is composite
