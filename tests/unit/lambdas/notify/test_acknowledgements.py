"""What PagerDuty says of an acknowledgement is in the incident's record, once, and what cannot be read is an error.

The event is the documented sample: https://support.pagerduty.com/main/docs/amazon-eventbridge-integration-guide
"""

from contextlib import suppress
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lambdas.common.events import EventError
from lambdas.common.maintenance import BY_HAND, by_and_why, reason
from lambdas.common.record.events import MaintenanceChanged, Person
from lambdas.notify.acknowledgements import parse
from tests.environments import PRODUCTION

from .outage import ERRORS, MINUTE, Fault, Hour
from .test_escalation import DOWN, NOON, ends, fires, levels, recorded


def acknowledged(minute: float, *, hour: Hour | None = None, **incident: Any) -> dict[str, Any]:
    """An event that somebody has acknowledged an incident of PagerDuty at a minute of the hour."""
    at = (hour.now if hour else NOON) + (timedelta() if hour else minute * MINUTE)
    agent = {"id": "PHLAIIG", "type": "user_reference", "summary": "Pagey the Pager"}
    return {
        "version": "0",
        "id": "f1420bc9-aca1-dc6b-7cb1-65bbdbd96e89",
        "detail-type": "PagerDuty Webhook",
        "source": "aws.partner/pagerduty.com/acme-production",
        "account": "999999999999",
        "time": f"{at:%Y-%m-%dT%H:%M:%SZ}",
        "region": "us-east-1",
        "resources": ["pagerduty"],
        "detail": {
            "event": "incident.acknowledge",
            "log_entries": [
                {
                    "id": "R01VZ6VKNDJ0CJHSW30OHVHMQV",
                    "type": "acknowledge_log_entry",
                    "summary": "Acknowledged by Pagey the Pager",
                    "created_at": f"{at:%Y-%m-%dT%H:%M:%SZ}",
                    "agent": agent,
                    "incident": {"id": "P8E12U3", "type": "incident_reference", "summary": "[#2618] -"},
                }
            ],
            "incident": {
                "incident_number": 2618,
                "status": "acknowledged",
                "title": "-",
                "description": "-",
                "incident_key": "4338c648a3614c0ea46b534344f73b10",
                **incident,
            },
            "id": "0c282730-a4fd-11e9-8326-0a5ff7c88466",
        },
    }


def hears(minute: float, times: int = 1, **incident: Any) -> Any:
    """PagerDuty tells it, and perhaps again."""

    def happen(hour: Hour) -> None:
        for _ in range(times):
            hour.run(acknowledged(minute, hour=hour, **incident))

    return minute, happen


@pytest.mark.parametrize(
    "incident",
    [
        {"incident_key": DOWN},
        {"title": f'ALARM: "{DOWN}" in US East (N. Virginia)'},
        {"title": "ALARM: P1 production: The service fails for its users"},
        {"description": f"{DOWN} went to ALARM", "title": None},
    ],
    ids=["its key is the alarm's name", "its title has it", "its title is the subject", "its description has it"],
)
def test_it_is_recorded_once_and_nobody_further_is_told(incident: dict[str, Any]) -> None:
    hour = Hour().last([fires(3.2), hears(9, times=3, **incident)])
    assert [(event.kind, event.by, event.at) for event in recorded(hour, Person)] == [
        ("acknowledgement", "Pagey the Pager", hour.sent[0].at + 4 * MINUTE)
    ]
    assert levels(hour) == []
    assert hour.raised == []


@pytest.mark.parametrize(
    "incident", [{}, {"title": f"{DOWN}-2"}, {"title": "Taco Shells"}], ids=["no name", "a longer name", "another matter"]
)
def test_what_is_about_something_else_changes_nothing(incident: dict[str, Any]) -> None:
    hour = Hour().last([fires(3.2), hears(9, **incident)])
    assert recorded(hour, Person) == []
    assert len(levels(hour)) == 3
    assert hour.raised == []


def test_of_no_incident_it_changes_nothing() -> None:
    hour = Hour().last([hears(9, title=DOWN)])
    assert (hour.records, hour.raised) == ({}, [])


def test_what_could_not_be_recorded_is_recorded_by_the_next_run() -> None:
    hour = Hour(Fault("PutItem of records", ERRORS[1], (9, 10))).last([fires(3.2), hears(9, title=DOWN)])
    assert len(recorded(hour, Person)) == 1
    assert levels(hour) == []
    assert hour.raised


BROKEN: dict[str, Any] = {
    "no detail": lambda event: event.pop("detail"),
    "another event": lambda event: event["detail"].update(event="incident.trigger"),
    "nobody": lambda event: event["detail"]["log_entries"][0].pop("agent"),
    "no entry": lambda event: event["detail"].update(log_entries=[]),
    "no time": lambda event: event["detail"]["log_entries"][0].update(created_at="yesterday"),
    "a time without a zone": lambda event: event["detail"]["log_entries"][0].update(created_at="2026-03-02T12:09:00"),
    "another day": lambda event: event["detail"]["log_entries"][0].update(created_at="9999-12-31T23:59:59Z"),
    "before all days": lambda event: event["detail"]["log_entries"][0].update(created_at="0001-01-01T00:00:00+14:00"),
}


@pytest.mark.parametrize("how", BROKEN)
def test_what_cannot_be_read_is_an_error_and_people_are_told_all_the_same(how: str) -> None:
    def happen(hour: Hour) -> None:
        event = acknowledged(9, hour=hour, title=DOWN)
        BROKEN[how](event)
        hour.run(event)

    hour = Hour().last([fires(3.2), (9, happen)])
    assert [type(error) for _, error in hour.raised] == [EventError]
    assert recorded(hour, Person) == []
    assert len(levels(hour)) == 3


PARTS = ["detail", "event", "log_entries", "incident", "id", "created_at", "agent", "title"]


@given(
    st.none() | st.text() | st.integers() | st.lists(st.text()) | st.dictionaries(st.text(), st.none()), st.sampled_from(PARTS)
)
@settings(max_examples=50)
def test_any_part_may_be_anything(part: Any, place: str) -> None:
    event = acknowledged(9)
    for one in (event, event["detail"], event["detail"]["log_entries"][0], event["detail"]["incident"]):
        if place in one:
            one[place] = part
            break
    with suppress(EventError):
        assert isinstance(parse(event).names(DOWN), bool)


# Maintenance


def test_maintenance_while_an_incident_is_open_is_in_its_record_once() -> None:
    alarm = PRODUCTION.maintenance_alarm
    hour = Hour().last([fires(3.2), fires(10, alarm), ends(20, alarm), ends(30)])
    assert [(event.on, event.by) for event in recorded(hour, MaintenanceChanged)] == [(True, BY_HAND), (False, BY_HAND)]


def test_maintenance_without_an_incident_is_in_no_record() -> None:
    alarm = PRODUCTION.maintenance_alarm
    hour = Hour().last([fires(5, alarm), ends(8, alarm), fires(20)])
    assert recorded(hour, MaintenanceChanged) == []


def test_the_record_says_whose_procedure_it_was_and_why() -> None:
    words = reason("maintenance-on", "arn:aws:sts::1:assumed-role/Admin/ada", "PostgreSQL 16: it takes an hour")
    assert by_and_why(words) == ("arn:aws:sts::1:assumed-role/Admin/ada", "PostgreSQL 16: it takes an hour")
    assert by_and_why("ada, for the upgrade") == (BY_HAND, "ada, for the upgrade")
