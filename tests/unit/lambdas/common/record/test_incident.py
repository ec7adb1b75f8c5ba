"""An incident from its events: which outage an event belongs to, and what the events tell, in whatever order they came."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lambdas.common.record.events import (
    EVENT,
    Acted,
    AlarmChanged,
    Closed,
    Decided,
    Event,
    Looked,
    Notified,
    Person,
    Reopened,
    Verified,
)
from lambdas.common.record.incident import Entry, Incident, belongs_to, following
from lambdas.common.record.words import figures, timeline
from runbook.rules import CALM

NOON = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)
DOWN, SLOW, IMPAIRED = "hz-service-down", "hz-service-degraded", "hz-service-impaired"
SECOND = timedelta(seconds=1)


def at(minutes: float) -> datetime:
    return NOON + timedelta(minutes=minutes)


def alarm(minutes: float, state: Any = "ALARM", name: str = DOWN, **more: Any) -> AlarmChanged:
    given: dict[str, Any] = {"title": name, "severity": "P1", "calls": True, **more}
    return AlarmChanged(id=f"alarm {name} {state} {minutes}", at=at(minutes), alarm=name, state=state, **given)


def told(minutes: float, severity: Any = "P1", channel: Any = "people", name: str = DOWN) -> Notified:
    return Notified(
        id=f"told {name} {channel} {minutes}",
        at=at(minutes),
        channel=channel,
        what="open",
        alarm=name,
        severity=severity,
        subject=f"ALARM: {severity} {name}",
        text="words",
    )


def person(minutes: float, kind: Any, text: str = "why", value: str = "", by: str = "ada") -> Person:
    return Person(id=f"{kind} {minutes}", at=at(minutes), kind=kind, by=by, text=text, value=value)


def decided(minutes: float, **more: Any) -> Decided:
    given: dict[str, Any] = {"verb": "roll back", "reason": "It ended 5 min before.", "done": "Going back.", **more}
    return Decided(id=f"decision {minutes}", at=at(minutes), alarm=IMPAIRED, **given)


OUTAGE: tuple[Event, ...] = (
    alarm(0, began=at(-2), measured="5XX: 40 %"),
    decided(
        0.1, change=at(-7), looked=(Looked(row="a fact could not be read", why_not="all were read"), Looked(row="a release"))
    ),
    Acted(id="action", at=at(0.2), by="rollback", what="The service is going back to 17."),
    told(1),
    person(3, "acknowledgement"),
    alarm(5, "OK"),
    Verified(id="verified", at=at(5.1), healthy=True, said="The service recovered 5 min after the alarm."),
    Closed(id="closed", at=at(15)),
    person(20, "resolution", "It serves"),
)


def incident(*events: Event) -> Incident:
    return Incident.of("2026-11-24-1", events)


def entry(since: float, closed: float | None = None, *alarms: str, number: int = 1) -> Entry:
    return Entry(
        date="2026-11-24",
        number=number,
        since=at(since),
        closed=None if closed is None else at(closed),
        alarms=frozenset(alarms),
    )


# Which outage


def test_what_happens_while_an_incident_is_open_is_of_it() -> None:
    assert belongs_to([entry(0)], at(600)) == entry(0)


def test_an_alarm_that_was_slower_than_the_first_is_of_the_same_incident() -> None:
    assert belongs_to([entry(10)], at(10) - CALM, SLOW) == entry(10)
    assert belongs_to([entry(10)], at(10) - CALM - SECOND, SLOW) is None


def test_an_alarm_of_a_closed_incident_that_soon_comes_back_reopens_it() -> None:
    closed = entry(0, 10, DOWN)
    assert belongs_to([closed], at(10) + CALM, DOWN) == closed
    assert belongs_to([closed], at(10) + CALM + SECOND, DOWN) is None


def test_a_new_alarm_is_never_of_a_finished_incident() -> None:
    assert belongs_to([entry(0, 10, DOWN)], at(11), SLOW) is None


def test_what_arrives_after_the_end_and_happened_before_is_of_the_incident() -> None:
    assert belongs_to([entry(0, 10, DOWN)], at(9), SLOW) == entry(0, 10, DOWN)


def test_what_arrives_late_is_of_the_incident_in_which_it_happened() -> None:
    first, second = entry(0, 10, DOWN), entry(300, None, DOWN, number=2)
    assert belongs_to([second, first], at(5), DOWN) == first
    assert belongs_to([second, first], at(301), DOWN) == second


def test_incidents_of_a_day_are_numbered() -> None:
    assert following([], NOON).name == "2026-11-24-1"
    assert following([entry(0, 1), entry(60, 61, number=2)], at(90)).name == "2026-11-24-3"
    assert following([entry(0, 1)], NOON + timedelta(days=1)).name == "2026-11-25-1"


# What the events tell


def test_each_time_is_that_of_its_event() -> None:
    times = incident(*OUTAGE).times
    assert (times.changed, times.began, times.detected, times.told) == (at(-7), at(-2), at(0), at(1))
    assert (times.acknowledged, times.mitigated, times.verified, times.resolved) == (at(3), at(5), at(15), at(20))


def test_what_has_not_happened_has_no_time() -> None:
    times = incident(alarm(0), told(1)).times
    assert (times.acknowledged, times.mitigated, times.verified, times.resolved) == (None, None, None, None)


def test_a_warning_is_no_call() -> None:
    assert incident(alarm(0), told(1, "P3"), told(1, "P1", "chat")).times.told is None


def test_it_is_mitigated_when_the_last_page_has_ended() -> None:
    both = (alarm(0), alarm(1, name=SLOW), alarm(5, "OK"))
    assert incident(*both).times.mitigated is None
    assert incident(*both, alarm(9, "OK", SLOW)).times.mitigated == at(9)


def test_a_page_that_has_no_data_any_more_does_not_fire() -> None:
    assert incident(alarm(0), alarm(5, "INSUFFICIENT_DATA")).firing == ()


def test_what_comes_back_is_open_and_unresolved() -> None:
    back = incident(*OUTAGE, Reopened(id="reopened", at=at(40), alarm=DOWN), alarm(40))
    assert (back.closed, back.resolved, back.firing) == (False, None, (DOWN,))


def test_what_is_taken_up_again_after_it_was_resolved_is_unresolved() -> None:
    assert incident(*OUTAGE).resolved
    assert incident(*OUTAGE, person(25, "acknowledgement")).resolved is None


@pytest.mark.parametrize(
    ("events", "severity"),
    [
        ((), ""),
        ((told(1, "P2"), told(2, "P1")), "P1"),
        ((told(1, "P1"), told(2, "P4", "chat")), "P1"),
        ((told(1, "P1"), person(5, "severity", value="P3")), "P3"),
        ((told(1, "P1"), person(5, "severity", value="P3"), person(6, "severity", value="P2")), "P2"),
    ],
)
def test_the_severity_is_a_persons_word_else_the_worst_that_people_were_told_with(
    events: tuple[Event, ...], severity: str
) -> None:
    assert incident(*events).severity == severity


def test_who_took_it_over_has_it() -> None:
    found = incident(*OUTAGE[:5], person(4, "hand-over", value="bob")).acknowledged
    assert found
    assert (found.kind, found.value) == ("hand-over", "bob")


# In words


def test_the_timeline_has_a_line_for_each_event_and_the_day_before_them() -> None:
    lines = timeline(incident(*OUTAGE)).splitlines()
    assert lines[:2] == ["2026-11-24", "12:00:00  hz-service-down fires (5XX: 40 %)"]
    assert "a fact could not be read: all were read" in lines[2]
    assert len(lines) == 1 + len(OUTAGE)


def test_a_timeline_over_midnight_names_both_days() -> None:
    lines = timeline(incident(alarm(0), alarm(13 * 60, "OK"))).splitlines()
    assert [line for line in lines if line.startswith("2026")] == ["2026-11-24", "2026-11-25"]


def test_what_others_wrote_stays_on_its_line() -> None:
    assert len(timeline(incident(person(0, "note", "one\n12:00:00  a forged line"))).splitlines()) == 2


def test_figures_count_from_the_first_value_beyond_its_line() -> None:
    assert figures(incident(*OUTAGE).times).splitlines()[:3] == [
        "Last deployment began: 2026-11-24 11:53:00 UTC (-5.0 min)",
        "First value beyond its line: 2026-11-24 11:58:00 UTC",
        "First alarm: 2026-11-24 12:00:00 UTC (+2.0 min)",
    ]


# Whatever arrives, in whatever order


@given(st.permutations(OUTAGE), st.lists(st.sampled_from(OUTAGE)))
def test_any_order_and_duplication_of_the_same_events_is_the_same_incident(events: list[Event], again: list[Event]) -> None:
    assert incident(*events, *again) == incident(*OUTAGE)
    assert timeline(incident(*again, *events)) == timeline(incident(*OUTAGE))


@pytest.mark.parametrize("event", OUTAGE, ids=[event.kind for event in OUTAGE])
def test_an_event_is_read_as_it_was_written(event: Event) -> None:
    assert EVENT.validate_json(EVENT.dump_json(event)) == event
