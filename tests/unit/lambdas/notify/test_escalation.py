"""When nobody answers a call: the levels of the escalation path, one after the other, each once, until somebody does."""

from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lambdas.common.record.events import (
    EVENT,
    AlarmChanged,
    Closed,
    Escalated,
    Event,
    MaintenanceChanged,
    Notified,
    Person,
    Reopened,
)
from lambdas.common.record.incident import Incident
from lambdas.notify.escalation import Call, answer, next_escalation
from runbook.severities import CALLED, ESCALATION_PATH, RESPOND_WITHIN, Severity
from tests.environments import PRODUCTION

from .outage import ERRORS, MINUTE, Fault, Hour, Step

NOON = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)
LAST = len(ESCALATION_PATH)
DOWN, FRONTEND = PRODUCTION.page("service-down"), PRODUCTION.page("frontend-down")


def at(minutes: float) -> datetime:
    return NOON + timedelta(minutes=minutes)


def alarm(minutes: float, state: Any = "ALARM") -> AlarmChanged:
    return AlarmChanged(
        id=f"alarm {state} {minutes}", at=at(minutes), alarm=DOWN, state=state, title="-", severity="P1", calls=True
    )


def called(minutes: float, severity: Severity = "P1", channel: Any = "people", what: Any = "open") -> Notified:
    words = {"alarm": DOWN, "subject": "-", "text": "-"}
    return Notified(
        id=f"told {what} {channel} {minutes}", at=at(minutes), channel=channel, what=what, severity=severity, **words
    )


def person(minutes: float, kind: Any, value: str = "") -> Person:
    return Person(id=f"{kind} {minutes}", at=at(minutes), kind=kind, by="ada", text="-", value=value)


def told(minutes: float, level: int, began: float | None = None) -> Escalated:
    begins = "first" if began is None else at(began).isoformat()
    return Escalated(id=f"escalation {begins} L{level}", at=at(minutes), level=level, role="-", why="-")


def maintenance(minutes: float, *, on: bool) -> MaintenanceChanged:
    return MaintenanceChanged(id=f"maintenance {minutes}", at=at(minutes), on=on, by="-", why="-")


def reopened(minutes: float) -> Reopened:
    return Reopened(id=f"reopened {minutes}", at=at(minutes), alarm=DOWN)


CLOSED = Closed(id="closed", at=at(40))


# When, to whom


@pytest.mark.parametrize(
    ("events", "level", "minutes"),
    [
        pytest.param([called(1)], 2, 16, id="a P1 after 15 minutes"),
        pytest.param([called(1, "P2")], 2, 61, id="a P2 after an hour"),
        pytest.param([called(1), called(9)], 2, 16, id="another call of the same severity does not begin anew"),
        pytest.param([called(1, "P2"), called(40)], 2, 55, id="a more severe page begins anew"),
        pytest.param([called(1), called(5, "P2")], 2, 16, id="a less severe page does not"),
        pytest.param([called(1), told(16, 2)], 3, 31, id="the next level has the same time"),
        pytest.param([called(1), told(50, 2)], 3, 65, id="the next level has its time, however late it was told"),
        pytest.param([called(1), told(16, 2), told(31, 3)], 4, 46, id="L4 is the last"),
        pytest.param([called(1, "P2"), person(40, "severity", "P1")], 2, 16, id="raised by a person: at once"),
        pytest.param([called(1), person(10, "severity", "P2")], 2, 61, id="lowered by a person: later"),
        pytest.param([called(1), person(5, "note")], 2, 16, id="a note is no answer"),
        pytest.param([called(1), person(9, "resolution"), alarm(12)], 2, 27, id="resolved, and fires again"),
        pytest.param([called(1), maintenance(5, on=True), maintenance(30, on=False)], 2, 45, id="after maintenance"),
        pytest.param([called(1), told(16, 2), CLOSED, reopened(45), called(46)], 2, 61, id="reopened: from L2 again"),
        pytest.param(
            [called(1), person(3, "acknowledgement"), CLOSED, reopened(45), called(46)],
            2,
            61,
            id="reopened: acknowledge it again",
        ),
        pytest.param(
            [called(1), CLOSED, reopened(45), called(46), told(61, 2, 45)], 3, 76, id="reopened: its levels are its own"
        ),
    ],
)
def test_the_next_level_is_told(events: list[Event], level: int, minutes: float) -> None:
    found = next_escalation(Incident.of("2026-11-24-1", events))
    assert found
    assert (found.level, found.due, found.role) == (level, at(minutes), ESCALATION_PATH[level - 1])


@pytest.mark.parametrize(
    "events",
    [
        pytest.param([alarm(0)], id="nobody was called"),
        pytest.param([called(1, "P3")], id="a mail is no call"),
        pytest.param([called(1, channel="chat")], id="the chat is no call"),
        pytest.param([called(1, what="close")], id="an end is no call"),
        pytest.param([called(1), person(3, "acknowledgement")], id="acknowledged"),
        pytest.param([called(1), person(3, "hand-over", "bob")], id="handed over"),
        pytest.param([called(1), person(3, "resolution")], id="resolved"),
        pytest.param([called(1), person(3, "severity", "P3")], id="a person lowered it to P3"),
        pytest.param([called(1), maintenance(5, on=True)], id="in maintenance"),
        pytest.param([called(1), CLOSED, reopened(45)], id="reopened, and nobody called yet"),
        pytest.param([called(1), told(16, 2), told(31, 3), told(46, 4)], id="all are told"),
    ],
)
def test_nobody_further_is_told(events: list[Event]) -> None:
    assert next_escalation(Incident.of("2026-11-24-1", events)) is None


def test_a_call_that_the_record_lacks_counts_by_what_is_remembered() -> None:
    found = next_escalation(Incident.of("2026-11-24-1", [alarm(0)]), [Call(at(1), "P1")])
    assert found
    assert found.due == at(16)


KINDS = st.one_of(
    st.builds(called, st.integers(0, 200), st.sampled_from(["P1", "P2", "P3"])),
    st.builds(person, st.integers(0, 200), st.sampled_from(["acknowledgement", "hand-over", "resolution", "note"])),
    st.builds(person, st.integers(0, 200), st.just("severity"), st.sampled_from(["P1", "P2", "P3", "P4", "nonsense"])),
    st.builds(told, st.integers(0, 200), st.integers(2, LAST)),
    st.builds(reopened, st.integers(0, 200)),
    st.builds(maintenance, st.integers(0, 200), on=st.booleans()),
    st.builds(alarm, st.integers(0, 200)),
)
EVENTS = st.lists(KINDS, max_size=12, unique_by=lambda event: event.id)


@given(st.data())
@settings(max_examples=80)
def test_any_order_and_number_of_the_same_events_is_the_same_escalation(data: st.DataObject) -> None:
    events = data.draw(EVENTS)
    expected = next_escalation(Incident.of("x", events))
    others = data.draw(st.permutations(events + data.draw(st.lists(st.sampled_from(events)) if events else st.just([]))))
    incident = Incident.of("x", [EVENT.validate_json(EVENT.dump_json(event)) for event in others])
    assert next_escalation(incident) == expected
    assert not (expected and answer(incident))


@given(EVENTS)
@settings(max_examples=80)
def test_each_level_is_told_once_in_order_until_somebody_answers(events: list[Event]) -> None:
    incident = Incident.of("x", events)
    levels = []
    while escalation := next_escalation(incident):
        levels.append(escalation.level)
        assert escalation.id not in {event.id for event in incident.events}
        assert escalation.severity in CALLED
        assert escalation.within == RESPOND_WITHIN[escalation.severity]
        incident = Incident.of("x", [*incident.events, escalation.event(max(escalation.due, at(201)))])
    assert levels == list(range(levels[0], LAST + 1)) if levels else True
    answered = Incident.of("x", [*incident.events, person(10_000, "acknowledgement")])
    assert next_escalation(answered) is None


# What `notify` does


def fires(minute: float, name: str = DOWN) -> Step:
    return minute, lambda hour: hour.set(name, "ALARM")


def ends(minute: float, name: str = DOWN) -> Step:
    return minute, lambda hour: hour.set(name, "OK")


def does(minute: float, kind: Any, value: str = "") -> Step:
    """A person does something about the incident."""

    def happen(hour: Hour) -> None:
        event = Person(id=f"person {minute}", at=hour.now, kind=kind, by="arn:aws:iam::1:user/ada", text="-", value=value)
        (name,) = {key[0] for key in hour.records if key[0] != "incidents"}
        hour.records[name, event.id] = {"incident": name, "event": event.id, "json": EVENT.dump_json(event).decode()}

    return minute, happen


def levels(hour: Hour) -> list[tuple[str, str, str]]:
    """Which level was told in which minute, on which topic."""
    return [
        (f"{sent.at:%M}", sent.topic, sent.subject.partition("Escalated to ")[2][:2])
        for sent in hour.sent
        if ": Escalated to " in sent.subject and sent.topic != "chat"
    ]


def recorded(hour: Hour, kind: Any = Escalated) -> list[Any]:
    found = (EVENT.validate_json(item["json"]) for item in hour.records.values() if "json" in item)
    return sorted((event for event in found if isinstance(event, kind)), key=lambda event: event.at)


EACH = [("20", "p1", "L2"), ("35", "p1", "L3"), ("50", "p1", "L4")]


@pytest.mark.parametrize(
    ("steps", "expected"),
    [
        pytest.param([], EACH, id="nobody answers"),
        pytest.param([does(19, "acknowledgement")], [], id="acknowledged"),
        pytest.param([does(22, "acknowledgement")], EACH[:1], id="acknowledged by L2"),
        pytest.param([does(40, "hand-over", "bob")], EACH[:2], id="handed over"),
        pytest.param([ends(19)], [], id="it ends"),
        pytest.param([ends(19), fires(25)], [("25", "p1", "L2"), ("40", "p1", "L3"), ("55", "p1", "L4")], id="it comes back"),
        pytest.param([does(6, "severity", "P2")], [], id="lowered by a person"),
        pytest.param([does(6, "severity", "P3")], [], id="lowered so that nobody is called"),
        pytest.param(
            [(10, lambda hour: hour.muted.add(DOWN)), (27, lambda hour: hour.muted.clear())],
            [("27", "p1", "L2"), ("42", "p1", "L3"), ("57", "p1", "L4")],
            id="muted",
        ),
        pytest.param(
            [fires(10, PRODUCTION.maintenance_alarm), ends(25, PRODUCTION.maintenance_alarm)],
            [("40", "p1", "L2"), ("55", "p1", "L3")],
            id="maintenance",
        ),
    ],
)
def test_the_levels_are_told_in_time_until_somebody_answers(steps: list[Step], expected: list[tuple[str, str, str]]) -> None:
    hour = Hour().last([fires(3.2), *steps])
    assert levels(hour) == expected
    assert [f"L{event.level}" for event in recorded(hour)] == [level for _, _, level in expected]
    assert hour.raised == []


def test_one_incident_escalates_once_however_many_pages_it_has() -> None:
    assert levels(Hour().last([fires(3.2), fires(4, FRONTEND)])) == [(f"{int(minute) - 1}", *rest) for minute, *rest in EACH]


def test_the_message_says_who_was_told_and_how_to_acknowledge() -> None:
    hour = Hour().last([fires(3.2)])
    message = next(sent for sent in hour.sent if "L3" in sent.subject)
    assert message.subject == "ALARM: P1 production: Escalated to L3, engineering manager: The service fails for its users"
    assert "\n\nEscalated\n  Nobody has acknowledged it within 15 min\n" in message.text
    assert "\n\nAcknowledged\n  Nobody has acknowledged it\n" in message.text
    told_before = message.text.partition("\n\nTold before\n")[2].partition("\n\n")[0].splitlines()
    assert [line.strip() for line in told_before] == [
        "12:05:00 UTC L1 on-call engineer: P1 production: The service fails for its users",
        "12:20:00 UTC L2 team lead",
    ]
    assert "\n\nWho\n  L3 engineering manager now; when nobody has acknowledged it within 15 min: L4 CTO\n" in message.text
    assert (
        "\n\nAcknowledge\n  aws ssm start-automation-execution --document-name hz-navigator-production-incident-acknowledge"
        ' --parameters \'DryRun="false",Incident="2026-03-02-1",Reason="I look at it"\'\n'
    ) in message.text


def test_later_messages_say_who_acknowledged() -> None:
    hour = Hour().last([fires(3.2), does(7, "acknowledgement"), ends(20)])
    over = next(sent for sent in hour.sent if sent.topic == "p1" and "Over" in sent.subject)
    assert "\n\nAcknowledged\n  ada at 12:07 UTC\n" in over.text
    over = next(sent for sent in Hour().last([fires(3.2), ends(18)]).sent if "Over" in sent.subject)
    assert "\n\nAcknowledged\n  Nobody has acknowledged it\n" in over.text


def test_the_record_is_read_once_a_minute_while_no_incident_is_open() -> None:
    hour = Counting().last([fires(3.2), ends(10)])
    assert {hour.queries[minute] for minute in (1, 2, *range(30, 60))} == {1}


@pytest.mark.parametrize(("topic", "other"), [("chat", "p1"), ("p1", "chat")])
def test_what_one_channel_lacks_is_sent_to_that_one_only(topic: str, other: str) -> None:
    hour = Hour(Fault(f"Publish:{topic}", ERRORS[0], (19, 24))).last([fires(3.2)])
    found = [(f"{sent.at:%M}", sent.topic) for sent in hour.sent if ": Escalated to L2" in sent.subject]
    assert sorted(found) == sorted([("20", other), ("24", topic)])
    assert [event.level for event in recorded(hour)] == [2, 3, 4]


def test_the_chat_holds_no_level_up() -> None:
    hour = Hour(Fault("Publish:chat", ERRORS[0], (19, 60))).last([fires(3.2)])
    assert [level for _, _, level in levels(hour)] == ["L2", "L3", "L4"]


# Whatever run dies, wherever


class Dead(BaseException):
    """The end of a run as Lambda knows it."""


@dataclass
class Counting(Hour):
    """Counts the queries of each minute."""

    queries: Counter[int] = field(default_factory=Counter)

    def call(self, service: str, operation: str, thing: str, effect: Any) -> Any:
        self.queries[(self.now - datetime(2026, 3, 2, 12, tzinfo=UTC)) // MINUTE] += operation == "Query of records"
        return super().call(service, operation, thing, effect)


@dataclass
class Dying(Hour):
    """The process dies at one of its calls, before or after the effect; the next run is in a new one."""

    dies_at: int = 0
    after: bool = False
    count: int = 0

    def call(self, service: str, operation: str, thing: str, effect: Any) -> Any:
        self.count += 1
        if self.count != self.dies_at:
            return super().call(service, operation, thing, effect)
        if self.after:
            effect()
        self._notify = None
        raise Dead

    def run(self, event: Any) -> None:
        with suppress(Dead):
            super().run(event)


def minutes(hour: Hour, begin: int, end: int) -> None:
    """A run a minute, of the whole hour only these."""
    start = datetime(2026, 3, 2, 12, tzinfo=UTC)
    for minute in range(begin, end):
        hour.now = start + minute * MINUTE
        hour.run({"time": hour.now.isoformat()})


def outage(dies_at: int = 0, *, after: bool = False) -> Dying:
    """An outage of which L2 is told, and which ends."""
    hour = Dying(dies_at=dies_at, after=after)
    hour.alarms[DOWN] = ("ALARM", hour.now + 2 * MINUTE)
    minutes(hour, 4, 7)
    minutes(hour, 18, 21)
    hour.set(DOWN, "OK")
    minutes(hour, 30, 33)
    return hour


def test_wherever_a_run_dies_the_record_is_the_same_and_each_level_is_told() -> None:
    expected = outage()
    ids = {event.id for event in recorded(expected, object)}
    assert len(recorded(expected)) == 1
    wrong, cases = [], 0
    for dies_at in range(1, expected.count + 1):
        for after in (False, True):
            hour, cases = outage(dies_at, after=after), cases + 1
            found = {event.id for event in recorded(hour, object)}
            sent = Counter((one.topic, one.subject) for one in hour.sent)
            if found != ids or max(sent.values()) > 2 or len(recorded(hour)) != 1:
                wrong.append((dies_at, after, sorted(found ^ ids), max(sent.values())))
    print(f"{cases} cases")
    assert wrong == []
    assert cases > 100
