"""The procedures of an incident, step by step: `notify` tells people of one first."""

import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from lambdas.common.record.events import Person
from lambdas.common.record.incident import Incident
from lambdas.procedures.run import RefusedError, VerifyError
from runbook import status_page
from tests.environments import PRODUCTION

from ..automation import ADA, BOB, REASON, Started
from ..world import Crash, World, client, records, refusal
from .conftest import Site

DOWN, SLOW = PRODUCTION.page("service-down"), PRODUCTION.page("service-degraded")
WARNING = PRODUCTION.alarm("ecs-cpu", "warning")
UNKNOWN = f"{PRODUCTION.prefix}-made-by-hand"
"""Somebody is called for an alarm that the runbook does not have."""
ACKNOWLEDGE, NOTE, SEVERITY, HAND_OVER, STATUS_PAGE, RESOLVE = (
    f"incident-{name}" for name in ("acknowledge", "note", "severity", "hand-over", "status-page", "resolve")
)

pytestmark = pytest.mark.usefixtures("site")


@pytest.fixture(autouse=True)
def _armed(aws: World) -> None:
    for name in (PRODUCTION.not_armed_alarm, PRODUCTION.maintenance_alarm):
        aws.watch(name, notifies=False)


def fires(aws: World, alarm: str = DOWN) -> str:
    """People are told of an alarm; the incident's name."""
    aws.watch(alarm)
    aws.set_alarm(alarm, "ALARM")
    aws.looks(3)
    return records().entries()[0].name


def clears(aws: World, alarm: str = DOWN) -> None:
    """The alarm ends; people are not told yet."""
    aws.set_alarm(alarm, "OK")
    aws.looks(1)


def started(aws: World, what: str, **inputs: Any) -> Started:
    return Started(aws, what, **inputs)


def done(aws: World, what: str, *steps: str, **inputs: Any) -> str:
    """A procedure is run to its end; what its last own step said."""
    one = started(aws, what, **inputs)
    one.steps("Plan", "Begin")
    said = one.steps(*steps)
    one.step("Record")
    one.ends()
    aws.wait(seconds=10)  # as long as it takes
    return said


def acknowledge(aws: World, **inputs: Any) -> str:
    return done(aws, ACKNOWLEDGE, "Acknowledge", **inputs)


def note(aws: World, text: str, **inputs: Any) -> str:
    return done(aws, NOTE, "Note", Note=text, **inputs)


def resolve(aws: World, **inputs: Any) -> str:
    return done(aws, RESOLVE, "SmokeTests", "Resolve", **inputs)


def incident(name: str) -> Incident:
    return records().read(name)


def people(name: str) -> list[Person]:
    """What people did about an incident."""
    return [event for event in incident(name).events if isinstance(event, Person)]


def chat(aws: World) -> list[dict[str, Any]]:
    """What the chat was told."""
    return [json.loads(message.partition("\n")[2]) for message in aws.messages(PRODUCTION.chat_topic)]


# What is recorded and told


def test_an_acknowledgement_is_recorded_with_who_when_and_why(aws: World) -> None:
    name = fires(aws)
    acknowledge(aws)
    (event,) = people(name)
    assert (event.kind, event.by, event.text, event.at) == ("acknowledgement", ADA, REASON, aws.now - timedelta(seconds=10))


def test_a_record_is_only_ever_added_to(aws: World) -> None:
    name = fires(aws)
    acknowledge(aws)
    note(aws, "The tasks ran out of memory")
    clears(aws)
    resolve(aws, by=BOB)
    assert [(one.kind, one.by) for one in people(name)] == [("acknowledgement", ADA), ("note", ADA), ("resolution", BOB)]


def test_the_chat_is_told_in_the_incidents_own_thread(aws: World) -> None:
    name = fires(aws)
    note(aws, "The tasks ran out of memory")
    told, noted = chat(aws)
    assert noted["metadata"]["threadId"] == told["metadata"]["threadId"] == name
    assert noted["content"]["title"] == f"{name}: Note by on-call/ada"
    assert noted["content"]["description"] == "The tasks ran out of memory"


def test_the_severity_is_what_a_person_said_last(aws: World) -> None:
    name = fires(aws)
    assert incident(name).severity == "P1"
    assert "would be P3. It is P1." in started(aws, SEVERITY, Severity="P3").step("Plan")["said"]
    done(aws, SEVERITY, "SetSeverity", Severity="P3")
    assert incident(name).severity == "P3"


def test_who_takes_over_is_recorded_and_told(aws: World) -> None:
    name = fires(aws)
    acknowledge(aws)
    assert "bob would take over" in started(aws, HAND_OVER, To="bob").step("Plan")["said"]
    done(aws, HAND_OVER, "HandOver", To="bob")
    taken = incident(name).acknowledged
    assert taken
    assert (taken.by, taken.value) == (ADA, "bob")
    assert chat(aws)[-1]["content"]["title"] == f"{name}: Hand-over, bob by on-call/ada"


@pytest.mark.parametrize("what", [ACKNOWLEDGE, NOTE, RESOLVE])
def test_a_dry_run_changes_nothing(aws: World, what: str) -> None:
    fires(aws)
    clears(aws)
    before = aws.recorded()
    one = started(aws, what, dry_run=True, **({"Note": "A note"} if what == NOTE else {}))
    one.steps("Plan", "Record")
    assert aws.recorded() == before
    assert len(chat(aws)) == 1  # by notify


# Which incident


def test_without_an_incident_there_is_nothing_to_do(aws: World) -> None:
    with pytest.raises(RefusedError, match=r"^No incident is open\.$"):
        started(aws, ACKNOWLEDGE).step("Plan")


def test_an_incident_that_is_not_there_is_refused_with_the_one_that_is(aws: World) -> None:
    name = fires(aws)
    with pytest.raises(RefusedError, match=f"There is no incident 2020-01-01-1: the open one is {name}"):
        started(aws, NOTE, Incident="2020-01-01-1", Note="A note").step("Plan")


def test_two_pages_of_one_outage_are_one_incident(aws: World) -> None:
    assert fires(aws, DOWN) == fires(aws, SLOW)


def test_a_warning_alone_is_no_incident(aws: World) -> None:
    aws.watch(WARNING)
    aws.set_alarm(WARNING, "ALARM")
    aws.looks(3)
    with pytest.raises(RefusedError, match=r"^No incident is open\.$"):
        started(aws, ACKNOWLEDGE).step("Plan")


def test_of_several_the_newest_is_taken_that_nobody_has_resolved(aws: World) -> None:
    first = fires(aws, SLOW)
    clears(aws, SLOW)
    aws.looks(15)
    second = fires(aws, DOWN)
    assert first != second
    assert second in started(aws, NOTE, Note="A note").step("Plan")["said"]
    clears(aws, DOWN)
    resolve(aws)
    assert first in started(aws, NOTE, Note="A note").step("Plan")["said"]


def test_one_that_ended_a_day_ago_is_no_longer_the_open_one(aws: World) -> None:
    name = fires(aws)
    clears(aws)
    aws.looks(15)
    aws.wait(days=1)
    with pytest.raises(RefusedError, match=r"^No incident is open\.$"):
        started(aws, NOTE, Note="A note").step("Plan")
    note(aws, "The cause was a full disk", Incident=name)


def test_later_steps_keep_to_the_incident_of_the_plan(aws: World) -> None:
    name = fires(aws, SLOW)
    one = started(aws, NOTE, Note="A note")
    one.steps("Plan", "Begin")
    clears(aws, SLOW)
    aws.looks(15)
    assert fires(aws, DOWN) != name
    assert name in one.step("Note")["said"]


def test_one_that_is_over_may_still_be_noted_and_resolved(aws: World) -> None:
    name = fires(aws)
    clears(aws)
    aws.looks(15)
    note(aws, "A note", Incident=name)
    resolve(aws)
    assert incident(name).resolved


def test_what_is_resolved_is_not_acknowledged_or_resolved_again_but_may_be_noted(aws: World) -> None:
    name = fires(aws)
    clears(aws)
    acknowledge(aws)
    resolve(aws, by=BOB)
    for what in (ACKNOWLEDGE, RESOLVE):
        with pytest.raises(RefusedError, match=rf"on-call/bob resolved {name} at .* UTC"):
            started(aws, what, Incident=name).step("Plan")
    note(aws, "The cause was a full disk", Incident=name)
    with pytest.raises(RefusedError, match="No incident is open"):
        started(aws, NOTE, Note="A note").step("Plan")


def test_who_takes_over_acknowledges_again_and_reads_who_did(aws: World) -> None:
    name = fires(aws)
    acknowledge(aws)
    assert "on-call/ada has it since" in started(aws, ACKNOWLEDGE, by=BOB).step("Plan")["said"]
    acknowledge(aws, by=BOB)
    assert [one.by for one in people(name)] == [ADA, BOB]


def test_what_fires_again_after_it_was_resolved_is_open_again(aws: World) -> None:
    name = fires(aws)
    clears(aws)
    resolve(aws)
    aws.set_alarm(DOWN, "ALARM")
    aws.looks(1)
    acknowledge(aws)
    note(aws, "It is back")
    assert [one.kind for one in people(name)] == ["resolution", "acknowledgement", "note"]


# The status page


@pytest.mark.parametrize("stage", status_page.TEMPLATES)
def test_the_status_pages_text_is_filled_in_from_the_page(aws: World, stage: str) -> None:
    name = fires(aws)
    one = started(aws, STATUS_PAGE, Stage=stage)
    one.steps("Plan", "Begin")
    text = one.step("Fill")["text"]
    assert "[" not in text
    assert f"the {PRODUCTION.application.product} API" in text
    assert len(text.splitlines()) == 3
    assert [(one.text, one.value) for one in people(name)] == [(text, stage)]


def test_what_the_run_says_comes_before_what_the_page_says(aws: World) -> None:
    fires(aws)
    one = started(aws, STATUS_PAGE, Stage="resolved", Service="our search", Description="We added memory.")
    assert one.step("Plan")["text"].splitlines()[:2] == [
        "The issue affecting our search has been resolved.",
        "We added memory.",
    ]


def test_an_alarm_without_a_page_needs_the_words(aws: World) -> None:
    fires(aws, UNKNOWN)
    with pytest.raises(RefusedError, match=r"No page says what to write for .*: give Service, Description\.$"):
        started(aws, STATUS_PAGE, Stage="identified").step("Plan")
    words = {"Service": "our search", "Description": "our database"}
    assert "[" not in started(aws, STATUS_PAGE, Stage="identified", **words).step("Plan")["text"]


# Resolve


def test_an_incident_is_not_resolved_while_its_alarm_fires(aws: World) -> None:
    name = fires(aws)
    with pytest.raises(RefusedError, match=f"{DOWN} still fires: {name} is resolved when it does not"):
        started(aws, RESOLVE).step("Plan")


def test_an_alarm_that_fires_again_meanwhile_keeps_it_open(aws: World) -> None:
    name = fires(aws)
    clears(aws)
    one = started(aws, RESOLVE)
    one.steps("Plan", "Begin", "SmokeTests")
    aws.set_alarm(DOWN, "ALARM")
    aws.looks(1)
    with pytest.raises(RefusedError, match="still fires"):
        one.step("Resolve")
    assert people(name) == []


@pytest.mark.parametrize(
    ("breaks", "words"),
    [
        (lambda site: setattr(site, "database", "disconnected"), "database disconnected. The incident stays open."),
        (lambda site: setattr(site, "status", 503), "Frontend answers 503"),
        (lambda site: site.missing.add("index-AAAAAAA1.js"), "assets/index-AAAAAAA1.js answers with a page"),
    ],
    ids=["database", "maintenance", "assets"],
)
def test_smoke_tests_that_fail_keep_it_open(aws: World, site: Site, breaks: Callable[[Site], None], words: str) -> None:
    name = fires(aws)
    clears(aws)
    one = started(aws, RESOLVE)
    one.steps("Plan", "Begin")
    breaks(site)
    with pytest.raises(VerifyError, match=words):
        one.step("SmokeTests")
    assert people(name) == []


def test_smoke_tests_say_what_they_saw(aws: World) -> None:
    fires(aws)
    clears(aws)
    one = started(aws, RESOLVE)
    one.steps("Plan", "Begin")
    assert one.step("SmokeTests")["said"].endswith("the frontend and 1 files that it names load.")


# Faults


@pytest.mark.parametrize(
    ("what", "step", "inputs"),
    [(NOTE, "Note", {"Note": "A note"}), (RESOLVE, "Resolve", {})],
    ids=[NOTE, RESOLVE],
)
def test_a_step_that_dies_at_any_call_and_is_run_again_records_once_and_tells_at_least_once(
    aws: World, what: str, step: str, inputs: dict[str, str]
) -> None:
    name = fires(aws)
    clears(aws)
    points, died = 0, True
    while died:
        for event in people(name):  # as if nobody had recorded anything
            key = {"incident": {"S": name}, "event": {"S": event.id}}
            client("dynamodb").delete_item(TableName=PRODUCTION.records_table, Key=key)
        one = started(aws, what, Incident=name, **inputs)
        one.steps("Plan", "Begin")
        told = len(chat(aws))
        aws.crash_at = points
        try:
            one.step(step)
            died = False
        except Crash:
            aws.crash_at = None
            one.step(step)
        aws.crash_at = None
        one.step("Record")
        one.ends()
        assert [event.id for event in people(name)] == [f"person {one.id}"]
        assert 1 <= len(chat(aws)) - told <= 1 + died
        points += 1
    assert points > 10


def test_a_chat_that_cannot_be_told_fails_the_step_and_the_next_attempt_tells_it(aws: World) -> None:
    name = fires(aws)
    one = started(aws, ACKNOWLEDGE)
    one.steps("Plan", "Begin")
    aws.refusals["sns:Publish"] = refusal("Throttling")
    with pytest.raises(Exception, match="Throttling"):
        one.step("Acknowledge")
    aws.refusals.clear()
    one.step("Acknowledge")
    assert len(people(name)) == 1
    assert len(chat(aws)) == 2


def test_an_answer_of_the_table_that_was_lost_adds_nothing_twice(aws: World) -> None:
    name = fires(aws)
    one = started(aws, NOTE, Note="A note")
    one.steps("Plan", "Begin", "Note", "Note")
    assert len(people(name)) == 1
    assert len(chat(aws)) == 2


def test_an_incident_procedure_leaves_the_services_lock_alone(aws: World) -> None:
    fires(aws)
    started(aws, NOTE, Note="A note").steps("Plan", "Begin")
    held = client("dynamodb").get_item(TableName=PRODUCTION.incidents_table, Key={"id": {"S": "changes"}})["Item"]
    assert [name for name in held if name.startswith("lock ")] == ["lock incident"]
