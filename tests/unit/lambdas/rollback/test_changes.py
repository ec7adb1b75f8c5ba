"""The record of our own changes: one for each deployment, whoever runs and whenever it dies."""

from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from lambdas.rollback.changes import Changes, ClaimedError, Recorded
from lambdas.rollback.decisions import Change, Evidence
from runbook.rules import CHANGES_REMEMBERED

from ..world import NOON, World, refusal, rollback_clients

CHANGE = Change("update", "arn:aws:ecs:r:a:service-deployment/c/s/3", "td:3", "td:2", "image:2", NOON)
UNSEEN = Evidence(NOON)


@pytest.fixture
def changes(aws: World) -> Changes:
    return Changes(rollback_clients().incidents)


def seen(changes: Changes, at: datetime = NOON) -> Evidence:
    """What a run sees that reads the changes now."""
    recorded = changes.read()
    return Evidence(at, changes=recorded.changes, version=recorded.version)


def test_a_claimed_change_is_remembered_as_it_was_made(changes: Changes) -> None:
    changes.claim(CHANGE, UNSEEN)
    assert changes.read() == Recorded((CHANGE,), 1)
    changes.settle(replace(CHANGE, state="done"))
    assert changes.read() == Recorded((replace(CHANGE, state="done"),), 1)


def test_a_deployment_can_be_claimed_once(changes: Changes) -> None:
    changes.claim(CHANGE, UNSEEN)
    with pytest.raises(ClaimedError):
        changes.claim(CHANGE, seen(changes))


def test_of_two_runs_that_saw_the_same_only_one_can_claim(changes: Changes) -> None:
    changes.claim(CHANGE, UNSEEN)
    with pytest.raises(ClaimedError):
        changes.claim(replace(CHANGE, deployment="arn:another"), UNSEEN)


def test_another_deployment_can_be_claimed_by_who_saw_the_first(changes: Changes) -> None:
    changes.claim(CHANGE, UNSEEN)
    other = replace(CHANGE, deployment="arn:another")
    changes.claim(other, seen(changes))
    assert set(changes.read().changes) == {CHANGE, other}


def test_changes_long_past_are_forgotten_so_that_one_item_holds_the_rest(changes: Changes) -> None:
    changes.claim(CHANGE, UNSEEN)
    later = replace(CHANGE, deployment="arn:later", at=CHANGE.at + CHANGES_REMEMBERED + timedelta(seconds=1))
    changes.claim(later, seen(changes, later.at))
    assert changes.read() == Recorded((later,), 2)


@pytest.mark.parametrize(
    ("change", "becomes"),
    [
        (replace(CHANGE, state="started"), "reported"),
        (replace(CHANGE, state="done"), "reported"),
        (replace(CHANGE, state="failed"), "failed"),
    ],
    ids=lambda value: getattr(value, "state", value),
)
def test_a_change_becomes_reported_unless_ecs_refused_it(changes: Changes, change: Change, becomes: str) -> None:
    changes.claim(change, UNSEEN)
    changes.reported(change.deployment)
    changes.reported("arn:unknown")
    assert [found.state for found in changes.read().changes] == [becomes]


def test_what_dynamodb_refuses_otherwise_is_raised(aws: World, changes: Changes) -> None:
    aws.refusals["dynamodb:UpdateItem"] = refusal("ProvisionedThroughputExceededException")
    with pytest.raises(type(refusal("")), match="Throughput"):
        changes.claim(CHANGE, UNSEEN)
