"""Locks: one holder at a time, whatever answers are lost, and automation's claims in the same write."""

from dataclasses import replace
from datetime import timedelta

import pytest

from lambdas.common.locks import SERVICE, Lock, LockedError, Locks
from lambdas.rollback.changes import Changes, ClaimedError
from lambdas.rollback.decisions import Change, Evidence

from ..world import NOON, World, refusal, rollback_clients

ADA = Lock("backend-deploy", "ada's", "ada", NOON, timedelta(minutes=30), NOON)
SOON = NOON + timedelta(minutes=1)
BOB = replace(ADA, execution="bob's", started_by="bob", at=SOON, renewed=SOON)
CLAIM = Change("update", "arn:a-deployment", "bad", "good", "image", NOON + timedelta(minutes=2))


@pytest.fixture
def locks(aws: World) -> Locks:
    return Locks(rollback_clients().incidents)


@pytest.fixture
def changes(aws: World) -> Changes:
    return Changes(rollback_clients().incidents)


def test_a_lock_is_held_by_one(locks: Locks) -> None:
    locks.take(["frontend"], ADA, version=0)
    with pytest.raises(LockedError) as refused:
        locks.take(["frontend"], BOB, version=0)
    assert refused.value.holder == ADA
    assert locks.read() == {"frontend": ADA}


def test_another_thing_has_another_lock(locks: Locks) -> None:
    locks.take(["frontend"], ADA, version=0)
    locks.take(["database"], BOB, version=0)
    assert locks.read() == {"frontend": ADA, "database": BOB}


def test_of_several_all_are_taken_or_none(locks: Locks) -> None:
    locks.take(["database"], ADA, version=0)
    with pytest.raises(LockedError) as refused:
        locks.take([SERVICE, "database", "snapshot"], BOB, version=0)
    assert (refused.value.key, refused.value.holder) == ("database", ADA)
    assert locks.read() == {"database": ADA}
    locks.release("database", ADA.execution)
    locks.take([SERVICE, "database", "snapshot"], BOB, version=0)
    assert locks.read() == dict.fromkeys([SERVICE, "database", "snapshot"], BOB)


def test_several_are_taken_over_from_holders_that_have_ended(locks: Locks) -> None:
    eve = replace(ADA, execution="eve's")
    locks.take(["database"], ADA, version=0)
    locks.take(["snapshot"], eve, version=0)
    with pytest.raises(LockedError):
        locks.take(["database", "snapshot"], BOB, version=0, over=[ADA.execution])
    locks.take(["database", "snapshot"], BOB, version=0, over=[ADA.execution, eve.execution])
    assert locks.read() == {"database": BOB, "snapshot": BOB}


def test_who_lost_one_of_several_is_told_so(locks: Locks) -> None:
    locks.take(["database", "snapshot"], ADA, version=0)
    locks.take(["snapshot"], replace(BOB, renewed=ADA.until + timedelta(seconds=1)), version=0)
    assert not locks.renew(["database", "snapshot"], ADA.execution, ADA.until)
    assert not locks.renew([], ADA.execution, ADA.until)


def test_an_answer_that_was_lost_is_no_other_holder_of_several(aws: World, locks: Locks) -> None:
    aws.meanwhile["dynamodb:UpdateItem"] = _fail
    locks.take([SERVICE, "database"], ADA, version=0)
    assert locks.read() == {SERVICE: ADA, "database": ADA}


def test_its_own_execution_takes_it_again(locks: Locks) -> None:
    locks.take(["frontend"], ADA, version=0)
    later = replace(ADA, at=SOON, renewed=SOON)
    locks.take(["frontend"], later, version=0)
    assert locks.read() == {"frontend": later}


def test_it_ends_by_itself(locks: Locks) -> None:
    locks.take(["frontend"], ADA, version=0)
    late = replace(BOB, renewed=ADA.until + timedelta(seconds=1))
    locks.take(["frontend"], late, version=0)
    assert locks.read() == {"frontend": late}


def test_it_lasts_as_long_as_it_is_renewed(locks: Locks) -> None:
    locks.take(["frontend"], ADA, version=0)
    assert locks.renew(["frontend"], ADA.execution, ADA.until)
    assert locks.read()["frontend"].until == ADA.until + ADA.lease
    with pytest.raises(LockedError):
        locks.take(["frontend"], replace(BOB, renewed=ADA.until + timedelta(minutes=1)), version=0)


def test_who_lost_it_is_told_so(locks: Locks) -> None:
    locks.take(["frontend"], ADA, version=0)
    locks.take(["frontend"], replace(BOB, renewed=ADA.until + timedelta(seconds=1)), version=0)
    assert not locks.renew(["frontend"], ADA.execution, ADA.until)


def test_it_is_taken_over_from_a_holder_that_has_ended(locks: Locks) -> None:
    locks.take(["frontend"], ADA, version=0)
    locks.take(["frontend"], BOB, version=0, over=[ADA.execution])
    assert locks.read() == {"frontend": BOB}


def test_only_its_holder_gives_it_back(locks: Locks) -> None:
    locks.take(["frontend"], ADA, version=0)
    assert not locks.release("frontend", BOB.execution)
    assert locks.release("frontend", ADA.execution)
    assert not locks.release("frontend", ADA.execution)
    assert locks.read() == {}


def test_an_answer_that_was_lost_is_no_other_holder(aws: World, locks: Locks) -> None:
    aws.meanwhile["dynamodb:UpdateItem"] = _fail
    locks.take([SERVICE], ADA, version=0)
    assert locks.read() == {SERVICE: ADA}


def _fail() -> None:
    raise ConnectionError("the answer was lost")


def test_what_aws_refuses_otherwise_is_raised(aws: World, locks: Locks) -> None:
    aws.refusals["dynamodb:UpdateItem"] = refusal("ProvisionedThroughputExceededException")
    with pytest.raises(type(refusal("")), match="ProvisionedThroughput"):
        locks.take([SERVICE], ADA, version=0)


# Beside automation


def test_automation_claims_nothing_of_a_service_that_is_locked(locks: Locks, changes: Changes) -> None:
    locks.take([SERVICE], ADA, version=0)
    with pytest.raises(ClaimedError):
        changes.claim(CLAIM, Evidence(CLAIM.at, version=changes.read().version))
    assert changes.read().changes == ()


def test_automation_claims_nothing_on_what_it_read_before_the_lock(locks: Locks, changes: Changes) -> None:
    seen = Evidence(CLAIM.at, version=changes.read().version)
    locks.take([SERVICE], ADA, version=0)
    locks.release(SERVICE, ADA.execution)
    with pytest.raises(ClaimedError):
        changes.claim(CLAIM, seen)
    changes.claim(CLAIM, replace(seen, version=changes.read().version))


def test_the_service_is_not_locked_on_what_was_read_before_a_claim(locks: Locks, changes: Changes) -> None:
    changes.claim(CLAIM, Evidence(CLAIM.at))
    with pytest.raises(LockedError) as refused:
        locks.take([SERVICE], ADA, version=0)
    assert refused.value.holder is None
    locks.take([SERVICE], ADA, version=1)


def test_automation_claims_what_was_given_back_or_has_ended(locks: Locks, changes: Changes) -> None:
    locks.take([SERVICE], ADA, version=0)
    late = replace(CLAIM, at=ADA.until + timedelta(seconds=1))
    changes.claim(late, Evidence(late.at, version=changes.read().version))
    assert changes.read().changes == (late,)


def test_another_lock_than_the_services_does_not_hold_automation_up(locks: Locks, changes: Changes) -> None:
    locks.take(["frontend"], ADA, version=0)
    changes.claim(CLAIM, Evidence(CLAIM.at))
