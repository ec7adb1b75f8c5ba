"""The record of incidents: once for each alarm, once for each deployment, whoever runs and whenever it dies."""

from dataclasses import replace
from datetime import timedelta

import pytest

from lambdas.common.events import Alarm, State
from lambdas.common.incidents import REMEMBERED, ClaimedError, Incidents, InProgressError, Outcome
from lambdas.common.settings import RollbackSettings, read
from lambdas.rollback.decisions import Change, Evidence

from .world import ALARM_ARN, NOON, VARIABLES, World, refusal

OUTCOME = Outcome(
    outcome="escalated",
    environment="production",
    service="service",
    alarm="alarm",
    at=NOON.isoformat(),
    wrong="what is wrong",
    done="what was done",
    look_at="what to look at",
    section="2",
    evidence={"tasks": "2 of 2"},
    missing=("a fact",),
    reports=("a deployment",),
    needs_person=True,
)
CHANGE = Change("update", "arn:aws:ecs:r:a:service-deployment/c/s/3", "td:3", "td:2", "image:2", NOON)
UNSEEN = Evidence(NOON)


@pytest.fixture
def incidents(aws: World) -> Incidents:
    return Incidents(read(RollbackSettings, VARIABLES))


def alarm(state: State, minutes: float) -> Alarm:
    return Alarm(ALARM_ARN, "alarm", state, NOON + timedelta(minutes=minutes), "")


# One change of an alarm's state


def test_the_first_delivery_goes_on(incidents: Incidents) -> None:
    assert incidents.begin("an alarm", 60) is None


def test_a_second_delivery_beside_the_first_is_sent_away(incidents: Incidents) -> None:
    incidents.begin("an alarm", 60)
    with pytest.raises(InProgressError):
        incidents.begin("an alarm", 60)


def test_a_second_delivery_finds_the_outcome_and_whether_it_was_announced(incidents: Incidents) -> None:
    incidents.begin("an alarm", 60)
    incidents.end("an alarm", OUTCOME)
    assert incidents.begin("an alarm", 60) == (OUTCOME, False)
    incidents.announced("an alarm")
    assert incidents.begin("an alarm", 60) == (OUTCOME, True)


def test_a_run_that_ran_out_of_its_time_is_taken_up_again(aws: World, incidents: Incidents) -> None:
    incidents.begin("an alarm", 60)
    aws.seconds += 62
    assert incidents.begin("an alarm", 60) is None


def test_a_run_that_failed_is_taken_up_again_at_once_and_its_record_replaced(aws: World, incidents: Incidents) -> None:
    incidents.begin("an alarm", 60)
    incidents.end("an alarm", replace(OUTCOME, outcome="failed"))
    assert aws.items()["an alarm"]["kind"] == "failed"
    assert incidents.begin("an alarm", 60) is None
    assert "kind" not in aws.items()["an alarm"]


def test_records_expire(aws: World, incidents: Incidents) -> None:
    incidents.begin("an alarm", 60)
    assert aws.items()["an alarm"]["expires_at"] == aws.seconds + 365 * 24 * 3600


# The alarm over time


def test_an_alarm_opens_an_incident_that_its_ok_finds(incidents: Incidents) -> None:
    assert incidents.arrive(alarm("ALARM", 0)) == alarm("ALARM", 0).id
    assert incidents.arrive(alarm("OK", 5)) == alarm("ALARM", 0).id


def test_an_incident_begins_with_its_first_alarm(incidents: Incidents) -> None:
    incidents.arrive(alarm("ALARM", 0))
    incidents.arrive(alarm("INSUFFICIENT_DATA", 1))
    assert incidents.arrive(alarm("ALARM", 2)) == alarm("ALARM", 0).id


def test_arriving_again_changes_nothing(incidents: Incidents) -> None:
    assert [incidents.arrive(alarm("ALARM", 0)) for _ in range(3)] == [alarm("ALARM", 0).id] * 3


def test_an_ok_with_no_incident_open_finds_none(incidents: Incidents) -> None:
    assert incidents.arrive(alarm("OK", 0)) == ""


def test_an_older_state_is_old_news(incidents: Incidents) -> None:
    incidents.arrive(alarm("OK", 5))
    assert incidents.arrive(alarm("ALARM", 4.999)) is None
    assert incidents.arrive(alarm("OK", 6)) == "", "old news opens nothing"


def test_a_closed_incident_is_not_open_any_more_and_knows_when_it_ended(aws: World, incidents: Incidents) -> None:
    identifier = incidents.arrive(alarm("ALARM", 0))
    assert identifier
    incidents.close(identifier, "the end")
    incidents.close(identifier, "the end")
    assert incidents.arrive(alarm("OK", 5)) == ""
    assert aws.items()[identifier]["recovered_at"] == "the end"


def test_closing_an_incident_leaves_a_newer_one_open(incidents: Incidents) -> None:
    incidents.close("an older one", "the end")
    opened = incidents.arrive(alarm("ALARM", 9))
    incidents.close("an older one", "the end")
    assert incidents.arrive(alarm("OK", 10)) == opened


# Changes of the service


def test_a_claimed_change_is_remembered_as_it_was_made(incidents: Incidents) -> None:
    incidents.claim(CHANGE, UNSEEN)
    assert incidents.changes() == {"changes": (CHANGE,), "version": 1}
    incidents.settle(replace(CHANGE, state="done"))
    assert incidents.changes() == {"changes": (replace(CHANGE, state="done"),), "version": 1}


def test_a_deployment_can_be_claimed_once(incidents: Incidents) -> None:
    incidents.claim(CHANGE, UNSEEN)
    with pytest.raises(ClaimedError):
        incidents.claim(CHANGE, Evidence(NOON, **incidents.changes()))


def test_of_two_runs_that_saw_the_same_only_one_can_claim(incidents: Incidents) -> None:
    incidents.claim(CHANGE, UNSEEN)
    with pytest.raises(ClaimedError):
        incidents.claim(replace(CHANGE, deployment="arn:another"), UNSEEN)


def test_another_deployment_can_be_claimed_by_who_saw_the_first(incidents: Incidents) -> None:
    incidents.claim(CHANGE, UNSEEN)
    other = replace(CHANGE, deployment="arn:another")
    incidents.claim(other, Evidence(NOON, **incidents.changes()))
    assert set(incidents.changes()["changes"]) == {CHANGE, other}


def test_changes_long_past_are_forgotten_so_that_one_item_holds_the_rest(incidents: Incidents) -> None:
    incidents.claim(CHANGE, UNSEEN)
    later = replace(CHANGE, deployment="arn:later", at=CHANGE.at + REMEMBERED + timedelta(seconds=1))
    incidents.claim(later, Evidence(later.at, **incidents.changes()))
    assert incidents.changes() == {"changes": (later,), "version": 2}


@pytest.mark.parametrize(("state", "becomes"), [("started", "reported"), ("done", "done"), ("failed", "failed")])
def test_only_an_unconfirmed_change_becomes_reported(incidents: Incidents, state: str, becomes: str) -> None:
    incidents.claim(replace(CHANGE, state=state), UNSEEN)
    incidents.reported(CHANGE.deployment)
    incidents.reported("arn:unknown")
    assert [change.state for change in incidents.changes()["changes"]] == [becomes]


def test_what_dynamodb_refuses_otherwise_is_raised(aws: World, incidents: Incidents) -> None:
    aws.refusals |= {
        f"dynamodb:{name}": refusal("ProvisionedThroughputExceededException") for name in ("PutItem", "UpdateItem")
    }
    for call in (
        lambda: incidents.begin("an alarm", 60),
        lambda: incidents.arrive(alarm("ALARM", 0)),
        lambda: incidents.close("an alarm", "the end"),
        lambda: incidents.claim(CHANGE, UNSEEN),
    ):
        with pytest.raises(type(refusal("")), match="Throughput"):
            call()
