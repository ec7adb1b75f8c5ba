"""Whatever AWS call fails, however and for how long: a person is told, in time, and not without end.

Every scenario runs an hour once without a fault, which says who should be told of what and when, and then once for each
generated fault. The alarm on `notify`'s own errors is the other way by which a person is told.
"""

import logging
import os
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import datetime
from functools import cache
from itertools import cycle
from typing import cast

import pytest

from lambdas.common.record.events import EVENT, Person
from lambdas.notify.function import UndeliveredError
from tests.environments import PRODUCTION

from ..world import NOON
from .outage import ERRORS, MINUTE, Fault, Hour, Sent, Step

DOWN, DATABASE, IMPAIRED = (PRODUCTION.page(slug) for slug in ("service-down", "database-down", "database-impaired"))
WARNING = PRODUCTION.alarm("redis-memory", "warning")
MAINTENANCE, UNARMED = PRODUCTION.maintenance_alarm, PRODUCTION.not_armed_alarm
ESCALATED = ": Escalated to L"
ACKNOWLEDGED = "person acknowledges"
ALL = os.environ.get("FAULTS") == "all"
"""`make faults` breaks every call in every way, `make test` in half of them."""
MOST = 3
"""The same notification reaches a topic no more often."""


def fires(minute: float, name: str) -> Step:
    return minute, lambda hour: hour.set(name, "ALARM")


def ends(minute: float, name: str) -> Step:
    return minute, lambda hour: hour.set(name, "OK")


def before(minutes: float, name: str) -> Step:
    """An alarm that fires since this many minutes before the hour."""
    return 0, lambda hour: hour.alarms.update({name: ("ALARM", NOON - minutes * MINUTE)})


def acknowledged(minute: float) -> Step:
    """Somebody acknowledges the incident, where it has a record."""

    def happen(hour: Hour) -> None:
        for name in {incident for incident, _ in hour.records if incident != "incidents"}:
            event = Person(id=ACKNOWLEDGED, at=hour.now, kind="acknowledgement", by="ada", text="-")
            hour.records[name, event.id] = {"incident": name, "event": event.id, "json": EVENT.dump_json(event).decode()}

    return minute, happen


SCENARIOS: dict[str, list[Step]] = {
    "an outage": [fires(3.5, DATABASE), acknowledged(12), ends(30.5, DATABASE)],
    "an outage that stays": [fires(3.2, DOWN)],
    "a release that is not repaired": [
        (2, lambda hour: hour.deploy("IN_PROGRESS")),
        fires(5, DOWN),
        (9, lambda hour: hour.end("ROLLBACK_SUCCESSFUL")),
        acknowledged(14),
        ends(40, DOWN),
    ],
    "a release that is repaired": [
        (2, lambda hour: hour.deploy("IN_PROGRESS")),
        fires(5, DOWN),
        (9, lambda hour: hour.end("ROLLBACK_SUCCESSFUL")),
        ends(10, DOWN),
    ],
    "what rollback escalates": [
        (2, lambda hour: hour.deploy("IN_PROGRESS")),
        fires(5, DOWN),
        (5.1, Hour.incident),
        acknowledged(14),
        ends(40, DOWN),
    ],
    "warnings and a lesser page": [fires(4, WARNING), fires(10.3, IMPAIRED), ends(20, IMPAIRED), ends(35, WARNING)],
    "maintenance that nobody ends": [before(110, MAINTENANCE), fires(2, DATABASE)],
    "maintenance that somebody ends": [before(10, MAINTENANCE), fires(2, DATABASE), ends(20, MAINTENANCE)],
    "the first release": [before(60, UNARMED), fires(12, DATABASE), ends(25, DATABASE)],
    "one page in place of another": [
        fires(5.2, DOWN),
        fires(6, DATABASE),
        ends(6, DOWN),
        ends(20, DATABASE),
        acknowledged(12),
        fires(20, DOWN),
        ends(25, DOWN),
    ],
    "a muted page": [
        (1, lambda hour: hour.muted.add(DATABASE)),
        fires(2, DATABASE),
        (15, lambda hour: hour.muted.clear()),
        acknowledged(25),
        ends(40, DATABASE),
    ],
    "flapping": [*((fires if minute % 6 else ends)(minute, DOWN) for minute in range(3, 42, 3)), acknowledged(14)],
}


@cache
def without_a_fault(scenario: str) -> Hour:
    return Hour().last(SCENARIOS[scenario])


def faults(scenario: str) -> Iterator[tuple[Fault, bool]]:
    """Every call that the scenario makes x ways to fail x before or after its effect; in a warm process, and in new ones."""
    errors, lost = cycle(ERRORS), cycle(ERRORS[2:4])  # what was refused, or did not arrive, had no effect
    calls, turn = without_a_fault(scenario).calls, False
    for target in sorted(calls):
        if target == "SNS" or sum(call.startswith(f"{target}:") for call in calls) == 1:
            continue  # the same as another target
        if target.startswith(("Lambda", "Invoke")) and scenario != "an outage":
            continue  # nobody's call depends on a diagnosis or a post-mortem
        if scenario == "the first release" and target in ("ECS", "ListServiceDeployments"):
            continue  # without them it is never armed, and tells so after a day
        for span, every in (((0, 60), 1), ((0, 60), 2), ((4, 9), 1), ((19, 45), 1)):
            turn = not turn
            for applied in (False, True):
                for cold in (False, True):
                    fault = Fault(target, next(lost if applied else errors), span, applied, every)
                    if ALL or cold == (applied is turn):  # half of them, each kind in turn
                        yield fault, cold


def hours(scenario: str) -> Iterator[Hour]:
    """The hour with each fault. Until a call first meets the fault it is the hour without one, which is not run again; with a
    fault that no call meets, it is that hour to its end."""
    clean, so_far = without_a_fault(scenario), Hour()
    met = [(clean.first(fault), fault, cold) for fault, cold in faults(scenario)]
    for begin, fault, cold in sorted(met, key=lambda one: (one[0] is None, one[0])):
        yield so_far.last(SCENARIOS[scenario], begin).fork(fault, cold=cold).last(SCENARIOS[scenario])


def violations(scenario: str, hour: Hour) -> Iterator[str]:
    """What the hour did wrong."""
    assert hour.fault
    yield from (f"a lie: {lie}" for lie in hour.lies)
    for (topic, subject, since), times in Counter(sent.same for sent in hour.sent).items():
        if times > MOST + (scenario == "flapping"):  # what fires anew, and was perhaps never told, is tried once more
            yield f"{times} times on {topic}: {subject} of {since}"
    at = next((item["json"] for item in hour.records.values() if item["event"] == ACKNOWLEDGED), "")
    since = EVENT.validate_json(at).at if at else None
    yield from (f"though acknowledged: {sent}" for sent in hour.sent if ESCALATED in sent.subject and since and sent.at > since)
    over = NOON + hour.fault.span[1] * MINUTE
    for expected in without_a_fault(scenario).sent:
        if expected.topic == "chat" or not expected.subject.startswith("ALARM"):
            continue
        if ESCALATED in expected.subject:
            yield from not_escalated(scenario, hour, expected, over)
            continue
        latest = (max(expected.at, over) if expected.at >= NOON + hour.fault.span[0] * MINUTE else expected.at) + 2 * MINUTE
        found = [sent.at for sent in hour.sent if (sent.topic, sent.subject) == (expected.topic, expected.subject)]
        if not any(at <= latest for at in found) and not any(at <= latest for at in hour.told_otherwise):
            yield f"nobody was told on {expected.topic}: {expected.subject}"
    for at, error in hour.raised:
        if not isinstance(error, (type(hour.fault.error()), UndeliveredError)):
            yield f"{type(error).__name__} at minute {(at - NOON) / MINUTE:g}: {error}"


def not_escalated(scenario: str, hour: Hour, expected: Sent, over: datetime) -> Iterator[str]:
    """A level that was not told: as much later as the call before it came, and while a page that flaps fires."""
    late = first_call(hour, expected.topic) - first_call(without_a_fault(scenario), expected.topic)
    latest = max(expected.at + late, over) + (8 if scenario == "flapping" else 2) * MINUTE
    found = [sent.at for sent in hour.sent if (sent.topic, sent.subject) == (expected.topic, expected.subject)]
    told = any(at <= latest for at in (*found, *hour.told_otherwise))
    if latest < NOON + 60 * MINUTE and not told:
        yield f"nobody was told on {expected.topic}: {expected.subject}"


def first_call(hour: Hour, topic: str) -> datetime:
    return next((sent.at for sent in hour.sent if sent.topic == topic), NOON + 60 * MINUTE)


@pytest.fixture(autouse=True)
def _silent() -> Iterator[None]:
    """Nobody reads the logs of so many hours."""
    logging.disable()
    yield
    logging.disable(logging.NOTSET)


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_whatever_call_fails_a_person_is_told_in_time_and_not_without_end(scenario: str) -> None:
    cases, wrong = 0, []
    for hour in hours(scenario):
        cases += 1
        wrong += [f"{hour.fault}{', cold' if hour.cold else ''}: {one}" for one in violations(scenario, hour)]
    print(f"{scenario}: {cases} cases, {len(wrong)} violations")
    assert cases > 60
    assert not wrong, "\n".join(wrong)


# The rules, one by one


def told(hour: Hour, topic: str) -> list[str]:
    return [sent.subject for sent in hour.sent if sent.topic == topic and ESCALATED not in sent.subject]


def test_while_only_the_chat_fails_people_are_told_once_and_the_chat_afterwards() -> None:
    hour = Hour(Fault("Publish:chat", ERRORS[0], (0, 50))).last([fires(3, DATABASE)])
    assert told(hour, "p1") == ["ALARM: P1 production: The application has no database"]
    assert told(hour, "chat") == ["P1 production: The application has no database"]
    assert hour.told_otherwise


def test_while_only_the_topic_fails_the_chat_is_told_once_and_people_afterwards() -> None:
    hour = Hour(Fault("Publish:p1", ERRORS[0], (0, 50))).last([fires(3, DATABASE)])
    assert len(told(hour, "chat")) == len(told(hour, "p1")) == 1


@pytest.mark.parametrize("cold", [False, True])
@pytest.mark.parametrize("target", ["GetItem", "PutItem", "DynamoDB"])
def test_without_the_table_people_are_told_at_once_and_not_without_end(target: str, cold: bool) -> None:
    hour = Hour(Fault(target, ERRORS[0]), cold).last([fires(3.5, DATABASE)])
    assert 1 <= len(told(hour, "p1")) <= MOST
    assert hour.sent[0].at <= NOON + 4 * MINUTE
    assert hour.told_otherwise


def test_while_rollback_has_escalated_a_page_does_not_wait_for_a_deployment() -> None:
    hour = without_a_fault("what rollback escalates")
    assert next(sent.at for sent in hour.sent if sent.topic == "p1") == NOON + 6 * MINUTE
    hour = Hour().last([step for step in SCENARIOS["what rollback escalates"] if step[1] != Hour.incident])
    assert next(sent.at for sent in hour.sent if sent.topic == "p1") == NOON + 10 * MINUTE


def leaves_out(name: str, *, deleted: bool = False) -> Callable[[Hour], None]:
    """The listing has an alarm no more; a question for its name finds it, unless it is deleted."""

    def happen(hour: Hour) -> None:
        hour.unlisted.add(name)
        if deleted:
            del hour.alarms[name]

    return happen


def test_an_alarm_that_one_listing_leaves_out_is_not_over_and_not_told_again() -> None:
    steps = [fires(3, DATABASE), (10, leaves_out(DATABASE)), (25, lambda hour: hour.unlisted.clear())]
    assert told(Hour().last(steps), "p1") == ["ALARM: P1 production: The application has no database"]


def test_maintenance_is_not_over_because_one_listing_leaves_it_out() -> None:
    steps = [before(10, MAINTENANCE), fires(3, DATABASE), (10, leaves_out(MAINTENANCE))]
    assert told(Hour().last(steps), "p1") == []


def test_an_alarm_that_is_deleted_is_never_said_to_be_over() -> None:
    steps = [fires(3, DATABASE), (10, leaves_out(DATABASE, deleted=True))]
    hour = Hour().last(steps)
    assert told(hour, "p1") == ["ALARM: P1 production: The application has no database"]
    assert hour.raised == []


def test_an_alarm_without_data_is_not_over() -> None:
    steps: list[Step] = [fires(3, WARNING), (10, lambda hour: hour.set(WARNING, "INSUFFICIENT_DATA")), ends(40, WARNING)]
    over = [sent.at for sent in Hour().last(steps).sent if sent.topic == "p3" and "Over" in sent.subject]
    assert over == [NOON + 50 * MINUTE]


def test_a_page_that_ends_because_its_data_ended_says_so() -> None:
    rows = PRODUCTION.alarm("rds-cpu", "critical")
    steps: list[Step] = [
        fires(3, rows),
        fires(3, IMPAIRED),
        (10, lambda hour: hour.set(rows, "INSUFFICIENT_DATA")),
        ends(10, IMPAIRED),
    ]
    *_, over = (sent for sent in Hour(alarms_too=(rows,)).last(steps).sent if sent.topic == "p2")
    assert over.subject == "OK: P2 production: Over: The database is close to its limits"
    assert f"No data\n  {rows}: it may not be over" in over.text


@pytest.mark.parametrize(
    ("minutes", "quoted"), [(-300, False), (-5, True), (0.5, True)], ids=["hours before", "just before", "just after"]
)
def test_a_page_quotes_only_what_rollback_did_about_its_own_alarms(minutes: float, *, quoted: bool) -> None:
    """An incident that was left open is of another outage."""
    steps: list[Step] = [
        (1, lambda hour: hour.incident(NOON + (5 + minutes) * MINUTE)),
        fires(5, DOWN),
    ]
    first = next(sent for sent in Hour().last(steps).sent if sent.topic == "p1")
    assert ("Nothing was changed." in first.text) == quoted
    assert ("rollback's record" in first.text) == quoted


def test_a_process_that_dies_each_time_after_it_has_sent_does_not_tell_without_end() -> None:
    class Dead(BaseException):
        """The end of a run as Lambda knows it."""

    steps = [fires(3, DATABASE)]
    hour = Hour(Fault("Publish:chat", cast("Callable[[], Exception]", Dead)), cold=True)
    with suppress(Dead):
        hour.last(steps)
    for minute in range(4, 60):
        hour.now = NOON + minute * MINUTE
        with suppress(Dead):
            hour.run({"time": hour.now.isoformat()})
    assert 1 <= len(told(hour, "p1")) <= MOST
