"""The record of incidents: one outcome for each change of an alarm's state, whoever runs and whenever it dies."""

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from lambdas.common.incidents import Incidents, InProgressError, Outcome

from ..world import NOON, OUTCOME, Crash, World, refusal, rollback_clients

FAILED = replace(OUTCOME, outcome="failed")


@pytest.fixture
def incidents(aws: World) -> Incidents:
    return Incidents(rollback_clients().incidents, 365, aws.clock)


def failure(error: Exception) -> Outcome:
    return replace(FAILED, done=str(error))


def respond(incidents: Incidents, *, announced: bool = True) -> None:
    """A delivery that ends in OUTCOME, and whose announcement fails where it is not `announced`."""
    with incidents.delivery("an alarm", 60, failure) as delivery:
        delivery.record(OUTCOME)
        if not announced:
            raise ConnectionError


# One change of an alarm's state


def test_the_first_delivery_goes_on(incidents: Incidents) -> None:
    with incidents.delivery("an alarm", 60, failure) as delivery:
        assert (delivery.outcome, delivery.announced) == (None, False)


def test_it_is_recorded_before_anything_is_done(aws: World, incidents: Incidents) -> None:
    with incidents.delivery("an alarm", 60, failure):
        assert "lease_until" in aws.items()["an alarm"]


def test_a_second_delivery_beside_the_first_is_sent_away(incidents: Incidents) -> None:
    with incidents.delivery("an alarm", 60, failure), pytest.raises(InProgressError):
        respond(incidents)


def test_a_second_delivery_finds_the_outcome_and_that_it_was_announced(incidents: Incidents) -> None:
    respond(incidents)
    with incidents.delivery("an alarm", 60, failure) as delivery:
        assert (delivery.outcome, delivery.announced) == (OUTCOME, True)


def test_what_was_not_announced_to_the_end_is_announced_by_the_next_delivery(incidents: Incidents) -> None:
    with pytest.raises(ConnectionError):
        respond(incidents, announced=False)
    with incidents.delivery("an alarm", 60, failure) as delivery:
        assert (delivery.outcome, delivery.announced) == (OUTCOME, False)
    with incidents.delivery("an alarm", 60, failure) as delivery:
        assert delivery.announced


def test_a_run_that_ran_out_of_its_time_is_taken_up_again(aws: World, incidents: Incidents) -> None:
    with pytest.raises(Crash), incidents.delivery("an alarm", 60, failure):
        raise Crash
    with pytest.raises(InProgressError):
        respond(incidents)
    aws.wait(seconds=62)
    respond(incidents)
    assert incidents.outcome("an alarm") == OUTCOME


def test_a_run_that_failed_is_taken_up_again_at_once_and_its_record_replaced(aws: World, incidents: Incidents) -> None:
    with pytest.raises(RuntimeError, match="a bug"), incidents.delivery("an alarm", 60, failure):
        raise RuntimeError("a bug")
    assert aws.items()["an alarm"]["kind"] == "failed"
    assert incidents.outcome("an alarm") == replace(FAILED, done="a bug")
    with incidents.delivery("an alarm", 60, failure) as delivery:
        assert delivery.outcome is None
        assert "kind" not in aws.items()["an alarm"]


def test_a_failure_that_cannot_be_recorded_is_raised_all_the_same(aws: World, incidents: Incidents) -> None:
    aws.refusals["dynamodb:UpdateItem"] = refusal("InternalServerError")
    with pytest.raises(RuntimeError, match="a bug") as raised, incidents.delivery("an alarm", 60, failure):
        raise RuntimeError("a bug")
    (note,) = raised.value.__notes__
    assert "InternalServerError" in note


def test_records_expire(aws: World, incidents: Incidents) -> None:
    respond(incidents)
    assert aws.items()["an alarm"]["expires_at"] == (aws.now + timedelta(days=365)).timestamp()


# The alarm over time


def moment(minutes: float) -> datetime:
    return NOON + timedelta(minutes=minutes)


def test_an_alarm_opens_an_incident_that_its_ok_finds(incidents: Incidents) -> None:
    assert incidents.arrive("an alarm", moment(0), opens=True) == "an alarm"
    assert incidents.arrive("its OK", moment(5), opens=False) == "an alarm"
    assert incidents.open_incident() == "an alarm"


def test_a_newer_alarm_opens_its_own_incident_since_the_ok_between_was_lost(incidents: Incidents) -> None:
    incidents.arrive("an alarm", moment(0), opens=True)
    assert incidents.arrive("no data", moment(1), opens=False) == "an alarm"
    assert incidents.arrive("another alarm", moment(2), opens=True) == "another alarm"
    incidents.close("an alarm", "the end")
    assert incidents.open_incident() == "another alarm", "a late end ends only its own"


def test_arriving_again_changes_nothing(incidents: Incidents) -> None:
    assert [incidents.arrive("an alarm", moment(0), opens=True) for _ in range(3)] == ["an alarm"] * 3


def test_an_ok_with_no_incident_open_finds_none(incidents: Incidents) -> None:
    assert incidents.arrive("an OK", moment(0), opens=False) == ""


def test_an_older_state_is_old_news(incidents: Incidents) -> None:
    incidents.arrive("an OK", moment(5), opens=False)
    assert incidents.arrive("an alarm", moment(4.999), opens=True) is None
    assert incidents.arrive("an OK", moment(6), opens=False) == "", "old news opens nothing"


def test_a_closed_incident_is_not_open_any_more_and_knows_when_it_ended(aws: World, incidents: Incidents) -> None:
    incidents.arrive("an alarm", moment(0), opens=True)
    incidents.close("an alarm", "the end")
    incidents.close("an alarm", "the end")
    assert incidents.arrive("its OK", moment(5), opens=False) == ""
    assert aws.items()["an alarm"]["recovered_at"] == "the end"


def test_closing_an_incident_leaves_a_newer_one_open(incidents: Incidents) -> None:
    incidents.close("an older one", "the end")
    incidents.arrive("an alarm", moment(9), opens=True)
    incidents.close("an older one", "the end")
    assert incidents.arrive("its OK", moment(10), opens=False) == "an alarm"


def test_what_dynamodb_refuses_otherwise_is_raised(aws: World, incidents: Incidents) -> None:
    aws.refusals |= {
        f"dynamodb:{name}": refusal("ProvisionedThroughputExceededException") for name in ("PutItem", "UpdateItem")
    }
    calls: tuple[Callable[[], object], ...] = (
        lambda: respond(incidents),
        lambda: incidents.arrive("an alarm", moment(0), opens=True),
        lambda: incidents.close("an alarm", "the end"),
    )
    for call in calls:
        with pytest.raises(type(refusal("")), match="Throughput"):
            call()
