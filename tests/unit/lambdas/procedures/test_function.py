"""What all procedures share: where an event comes from, the approval, the lock, and the record."""

import re
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest
from botocore.exceptions import ClientError

from lambdas.common.events import EventError
from lambdas.common.locks import SERVICE, Lock, Locks
from lambdas.procedures.run import WAITING, RefusedError, VerifyError
from lambdas.rollback.changes import Changes
from lambdas.rollback.decisions import Change, Evidence
from procedures.catalog import PROCEDURES, procedure
from procedures.documents import document
from tests.environments import PRODUCTION

from ..automation import ADA, BOB, REASON, Started
from ..world import World, bad_release, records, refusal, rollback_clients

TASK = "0" * 31 + "1"
APPROVED = replace(procedure("backend-deploy"), approval=True)


@pytest.fixture(autouse=True)
def _tasks(aws: World) -> None:
    aws.ecs.settle()


def deploy(aws: World, **how: Any) -> Started:
    return Started(aws, "backend-deploy", **how)


def end(started: Started) -> None:
    """The deployment succeeds, and the procedure with it."""
    started.step("Deploy")
    started.aws.ecs.settle()
    started.steps("Settled", "Record")


def locks() -> dict[str, Lock]:
    return Locks(rollback_clients().incidents).read()


# Where an event comes from


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"DocumentName": f"{PRODUCTION.prefix}-backend-scale"}, "is of hz-navigator-production-backend-scale"),
        ({"AutomationExecutionStatus": "Success"}, "is Success"),
        ({"AutomationExecutionStatus": "Waiting"}, "is Waiting"),
        ({"StepExecutions": []}, "is not at its step Plan"),
        ({"StepExecutions": [{"StepName": "Plan", "StepStatus": "Success"}]}, "is not at its step Plan"),
        ({"StepExecutions": [{"StepName": "Begin", "StepStatus": "InProgress"}]}, "is not at its step Plan"),
        ({"Parameters": {"DryRun": ["true"]}}, "was started with another DryRun"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, dict) else "",
)
def test_an_event_that_no_running_step_of_its_document_sent_does_nothing(aws: World, wrong: dict[str, Any], words: str) -> None:
    started = deploy(aws)
    started.begin("Plan")
    started.execution.update(wrong)
    with pytest.raises(EventError, match=words):
        aws.procedure(started.event("Plan"))
    assert f"procedure#{started.id}" not in aws.items()


@pytest.mark.parametrize("event", [None, {}, [], {"procedure": "backend-deploy"}, {"step": "Plan", "inputs": None}], ids=str)
def test_an_event_of_another_shape_is_refused(aws: World, event: Any) -> None:
    with pytest.raises(EventError):
        aws.procedure(event)


def test_a_step_that_a_procedure_does_not_have_is_refused(aws: World) -> None:
    started = deploy(aws)
    started.begin("Scale")
    with pytest.raises(EventError, match="backend-deploy has no step Scale"):
        aws.procedure(started.event("Plan") | {"step": "Scale"})


def test_who_started_it_is_read_from_the_execution(aws: World) -> None:
    started = deploy(aws, by=BOB)
    started.step("Plan")
    assert started.record["started_by"] == BOB


# Approval


def test_another_persons_approval_is_enough(aws: World) -> None:
    started = Started(aws, APPROVED)
    started.step("Plan")
    started.approved(by=BOB)
    assert started.step("Begin")["said"] == f"{BOB} approved. Locked: the service."


@pytest.mark.parametrize(
    "comment", ["", BOB, f'{{"approver": "{BOB}"}}'], ids=["", "naming another", "looking like a decision"]
)
def test_nobody_approves_what_he_started_himself_whatever_he_comments(aws: World, comment: str) -> None:
    started = Started(aws, APPROVED)
    started.step("Plan")
    started.approved(by=ADA, comment=comment)
    with pytest.raises(RefusedError, match="started this and may not approve it: somebody else has to"):
        started.step("Begin")
    assert locks() == {}


def test_without_approvers_nothing_is_approved(aws: World) -> None:
    started = Started(aws, APPROVED)
    started.step("Plan")
    with pytest.raises(RefusedError, match=r"\[procedures\] approvers in config/ has to name who may"):
        started.step("Begin")


def test_an_approval_that_says_not_whose_it_was_is_none(aws: World) -> None:
    started = Started(aws, APPROVED)
    started.step("Plan")
    started.approved(by=BOB)
    started.execution["StepExecutions"][-1]["Outputs"]["ApproverDecisions"] = [f"approved by {BOB}"]
    with pytest.raises(RefusedError, match="does not say whose it was"):
        started.step("Begin")


# The lock


def test_a_procedure_takes_the_lock_and_gives_it_back(aws: World) -> None:
    started = deploy(aws)
    started.steps("Plan", "Begin")
    (lock,) = locks().values()
    assert (lock.procedure, lock.execution, lock.started_by) == ("backend-deploy", started.id, ADA)
    assert lock.until - aws.now == timedelta(minutes=procedure("backend-deploy").minutes)
    aws.wait(minutes=4)
    started.step("Deploy")
    assert [one.until - aws.now for one in locks().values()] == [lock.lease]
    end(started)
    assert locks() == {}


def test_a_second_procedure_is_refused_and_told_who_is_at_work(aws: World) -> None:
    deploy(aws, by=BOB).steps("Plan", "Begin")
    with pytest.raises(RefusedError, match=f"The service is locked by backend-deploy, which {BOB} started at"):
        deploy(aws).steps("Plan", "Begin")


def begun(aws: World, name: str, by: str = ADA, **inputs: str) -> Started:
    """A procedure that has taken its locks."""
    examples = {one.name: one.example for one in procedure(name).inputs}
    started = Started(aws, replace(procedure(name), approval=False), by=by, **examples, **inputs)
    started.step("Begin")
    return started


BESIDE = {
    "database-snapshot": {
        "database-restore-to-time", "database-slow-queries", "migrations", "rotate-database-password", "backend-deploy",
    },
    "database-restore-to-time": {"database-snapshot", "backend-deploy"},
    "database-slow-queries": {"database-snapshot", "backend-deploy"},
    "migrations": {"database-snapshot", "backend-deploy"},
    "rotate-database-password": {"database-snapshot"},
    "database-resize": set(),
    "database-switch": set(),
    "backend-deploy": {"database-snapshot", "database-restore-to-time", "database-slow-queries", "migrations"},
}  # fmt: skip


@pytest.mark.parametrize("name", BESIDE)
def test_of_the_database_only_what_does_not_disturb_runs_beside(aws: World, name: str) -> None:
    begun(aws, name, by=BOB)
    words = rf"The \w+ is locked by {name}, which {BOB} started at [^.]*: wait for its end, or cancel it\."
    refused = {}
    for other in BESIDE:
        try:
            begun(aws, other).ends()
        except RefusedError as error:
            refused[other] = str(error)
    assert {*BESIDE} - {*refused} == BESIDE[name]
    assert [said for said in refused.values() if not re.fullmatch(words, said)] == []


def test_what_only_reads_locks_nothing() -> None:
    reading = [one for one in PROCEDURES if not one.changes]
    assert [one.name for one in reading if "Begin" in str(document(one, PRODUCTION)["mainSteps"])] == []


def test_a_run_that_lost_one_of_its_locks_changes_nothing_more(aws: World) -> None:
    started = begun(aws, "rotate-database-password")
    Locks(rollback_clients().incidents).release("database", started.id)
    with pytest.raises(VerifyError, match="took longer than its lock lasts, and lost it"):
        started.step("Prepare")


def test_the_lock_of_an_execution_that_has_ended_is_taken_over(aws: World) -> None:
    killed = deploy(aws, by=BOB)
    killed.steps("Plan", "Begin")
    killed.ends("Cancelled")
    started = deploy(aws)
    started.steps("Plan", "Begin")
    assert locks()[SERVICE].execution == started.id


def test_a_failure_gives_the_lock_back(aws: World) -> None:
    started = deploy(aws)
    started.steps("Plan", "Begin")
    aws.refusals["ecs:UpdateService"] = refusal("AccessDeniedException")
    with pytest.raises(type(refusal(""))):
        started.step("Deploy")
    aws.refusals.clear()
    said = started.step("Failed")["said"]
    assert locks() == {}
    assert said.startswith("Deploy failed (ClientError: ")
    assert said.endswith("Run it again: each step looks at what stands.")


def test_a_lock_of_another_execution_is_not_given_back(aws: World) -> None:
    deploy(aws, by=BOB).steps("Plan", "Begin")
    refused = deploy(aws)
    refused.step("Plan")
    with pytest.raises(RefusedError):
        refused.step("Begin")
    refused.step("Failed")
    assert SERVICE in locks()


def claim(at: datetime) -> Changes:
    changes = Changes(rollback_clients().incidents)
    changes.claim(Change("update", "arn:a", "bad", "good", "image", at), Evidence(at, version=changes.read().version))
    return changes


def test_nothing_is_locked_while_automation_changes_the_service(aws: World) -> None:
    started = deploy(aws)
    started.step("Plan")
    claim(aws.now - timedelta(minutes=1))
    with pytest.raises(RefusedError, match="Automation is changing the service since"):
        started.step("Begin")
    assert locks() == {}


def test_a_change_of_automation_that_recorded_no_result_long_ago_holds_nobody_up(aws: World) -> None:
    claim(aws.now - timedelta(minutes=6))
    deploy(aws).steps("Plan", "Begin")


def test_what_automation_claims_at_the_same_moment_is_seen(aws: World) -> None:
    started = deploy(aws)
    started.step("Plan")
    aws.meanwhile["dynamodb:GetItem"] = lambda: claim(aws.now) and None
    with pytest.raises(RefusedError, match="Automation changed the service just now"):
        started.step("Begin")


def test_a_run_that_lost_its_lock_changes_nothing_more(aws: World) -> None:
    started = deploy(aws)
    started.steps("Plan", "Begin")
    aws.wait(hours=1)
    deploy(aws, by=BOB).steps("Plan", "Begin")
    with pytest.raises(VerifyError, match="took longer than its lock lasts, and lost it"):
        started.step("Deploy")
    assert aws.ecs.changes == []


# Loops


def test_a_loop_that_waits_to_its_end_fails_the_step_after_it(aws: World) -> None:
    started = deploy(aws)
    started.steps("Plan", "Begin", "Deploy", "Settled")
    with pytest.raises(VerifyError, match=r"Deployment 0003 is IN_PROGRESS\. That was waited for too long\."):
        started.step("Verify")


def test_a_loop_of_which_no_round_succeeded_fails_the_step_after_it(aws: World) -> None:
    started = deploy(aws)
    started.steps("Plan", "Begin", "Deploy")
    for step in ("Verify", "Record"):
        with pytest.raises(VerifyError, match="Nobody could see how Settled ended"):
            started.step(step)


def test_a_loop_after_one_of_which_no_round_succeeded_does_nothing(aws: World) -> None:
    started = begun(aws, "database-resize")
    assert started.step("Resize")["said"] == "Nobody could see how Snapshot ended."
    assert [call for call in aws.calls if call.service == "rds"] == []
    with pytest.raises(VerifyError, match="Nobody could see how Snapshot ended"):
        started.step("Verify")


def test_a_round_in_which_aws_is_in_trouble_is_one_more_to_wait(aws: World) -> None:
    started = deploy(aws)
    started.steps("Plan", "Begin", "Deploy")
    for call in ("ecs:DescribeServiceRevisions", "dynamodb:GetItem"):
        aws.refusals[call] = refusal("ServerException")
        assert started.step("Settled")["wait"] == WAITING
        aws.refusals.clear()
    aws.ecs.settle()
    assert started.step("Settled")["said"].startswith("Deployment 0003 has succeeded")
    assert started.step("Record")["said"] == "backend-deploy succeeded."


def test_a_round_whose_call_was_made_though_its_answer_was_lost_looks_again(aws: World) -> None:
    started = begun(aws, "database-snapshot")
    aws.refusals["rds:DescribeDBSnapshots"] = answered(400, "DBSnapshotAlreadyExists")
    assert started.step("Snapshot")["wait"] == WAITING


def answered(status: int, code: str) -> ClientError:
    """An error as AWS answers it."""
    error = {"Error": {"Code": code, "Message": "no"}, "ResponseMetadata": {"HTTPStatusCode": status}}
    return ClientError(error, "Any")  # type: ignore[arg-type]


def test_a_round_that_aws_refuses_is_the_last(aws: World) -> None:
    started = Started(aws, "database-snapshot")
    started.steps("Plan", "Begin")
    aws.refusals["rds:DescribeDBSnapshots"] = answered(403, "AccessDenied")
    assert "wait" not in started.step("Snapshot")
    with pytest.raises(VerifyError, match=r"Snapshot was refused .*AccessDenied"):
        started.step("Record")


def test_what_had_succeeded_stays_so_when_the_last_answer_is_lost(aws: World) -> None:
    started = deploy(aws)
    started.steps("Plan", "Begin")
    end(started)
    assert started.step("Failed")["said"] == "backend-deploy succeeded before this."
    assert started.record["result"] == "succeeded"


# Automation beside a procedure


def test_automation_leaves_the_service_alone_while_a_procedure_has_it(aws: World) -> None:
    bad_release(aws)
    started = deploy(aws)
    started.steps("Plan", "Begin")
    outcome = aws.alarm()
    assert (outcome.outcome, aws.ecs.changes) == ("escalated", [])
    assert f"a person is at work on it: backend-deploy, which {ADA} started at" in outcome.reason
    with pytest.raises(VerifyError):
        started.step("Record")
    started.step("Failed")
    aws.wait(minutes=1)
    assert aws.alarm().outcome == "rollback requested"


def test_automation_loses_the_race_for_the_lock_and_says_so(aws: World) -> None:
    bad_release(aws)
    started = deploy(aws)
    started.step("Plan")
    aws.meanwhile["cloudwatch:DescribeAlarms"] = lambda: started.step("Begin") and None
    outcome = aws.alarm()
    assert (outcome.outcome, aws.ecs.changes) == ("escalated", [])


# The record


def test_a_run_is_recorded_with_who_what_when_and_why(aws: World) -> None:
    started = deploy(aws)
    started.steps("Plan", "Begin", "Deploy")
    aws.wait(minutes=3)
    aws.ecs.settle()
    started.steps("Settled", "Record")
    record = started.record
    assert {name: record[name] for name in ("kind", "procedure", "started_by", "reason", "dry_run", "result")} == {
        "kind": "procedure",
        "procedure": "backend-deploy",
        "started_by": ADA,
        "reason": REASON,
        "dry_run": False,
        "result": "succeeded",
    }
    assert [step["step"] for step in record["steps"]] == ["Plan", "Begin", "Deploy", "Settled", "Record"]
    assert datetime.fromisoformat(record["ended_at"]) - datetime.fromisoformat(record["started_at"]) == timedelta(minutes=3)


def test_a_record_is_kept_as_long_as_an_incident(aws: World) -> None:
    bad_release(aws)
    started = deploy(aws)
    started.step("Plan")
    aws.alarm()
    (incident,) = (one for one in aws.items().values() if one.get("kind") == "rollback requested")
    assert started.record["expires_at"] == incident["expires_at"]


def test_a_run_and_the_incident_that_went_on_name_each_other(aws: World) -> None:
    bad_release(aws)
    aws.database("failed")
    aws.alarm()
    (entry,) = records().entries()
    started = deploy(aws)
    started.steps("Plan", "Plan", "Begin")
    end(started)
    assert started.record["incident"] == entry.name
    (acted,) = (event for event in records().read(entry.name).events if event.kind == "action")
    assert (acted.id, acted.by) == (f"procedure {started.id}", ADA)
    assert acted.words.startswith(f"{ADA}: backend-deploy: backend-deploy succeeded.")


def test_a_dry_run_is_no_part_of_an_incident(aws: World) -> None:
    bad_release(aws)
    aws.database("failed")
    aws.alarm()
    (entry,) = records().entries()
    deploy(aws, dry_run=True).steps("Plan", "Record")
    assert [event.kind for event in records().read(entry.name).events] == ["decision"]


def test_waiting_is_not_recorded_round_by_round(aws: World) -> None:
    started = deploy(aws)
    started.steps("Plan", "Begin", "Deploy", "Settled", "Settled")
    assert [step["step"] for step in started.record["steps"]] == ["Plan", "Begin", "Deploy"]


def test_people_are_told_how_a_change_ended(aws: World) -> None:
    started = deploy(aws)
    started.steps("Plan", "Begin")
    end(started)
    started.step("Record")
    (message,) = aws.outcomes
    assert message.startswith("[production] backend-deploy: succeeded\n")
    assert f"{ADA} started it, because: {REASON}" in message


def test_nobody_is_told_of_a_dry_run_which_is_recorded_and_locks_nothing(aws: World) -> None:
    started = deploy(aws, dry_run=True)
    assert started.steps("Plan", "Record") == "A dry run: nothing was changed."
    assert (started.record["result"], started.record["dry_run"]) == ("dry run", True)
    assert (aws.outcomes, locks(), aws.ecs.changes) == ([], {}, [])


def test_a_dry_run_never_begins(aws: World) -> None:
    started = deploy(aws, dry_run=True)
    started.step("Plan")
    with pytest.raises(EventError, match="a dry run takes no lock"):
        started.step("Begin")


def test_a_refusal_is_recorded_as_one(aws: World) -> None:
    started = Started(aws, "backend-scale", Tasks="99")
    with pytest.raises(RefusedError) as refused:
        started.step("Plan")
    assert started.step("Failed")["said"] == f"{refused.value} Nothing was changed."
    assert started.record["result"] == "refused"


def test_a_rejected_approval_is_recorded_as_one(aws: World) -> None:
    started = Started(aws, APPROVED)
    started.step("Plan")
    rejected = {"StepName": "Approve", "StepStatus": "Failed", "FailureMessage": f"{BOB} rejected it."}
    started.execution["StepExecutions"].append(rejected)
    assert started.step("Failed")["said"] == f"Nobody approved this: {BOB} rejected it. Nothing was changed."
    assert started.record["result"] == "not approved"


def test_a_cancellation_is_recorded_as_one(aws: World) -> None:
    started = deploy(aws)
    started.steps("Plan", "Begin", "Deploy")
    started.ends("Cancelling")
    assert started.step("Failed")["said"].startswith("A person cancelled this.")
    assert (started.record["result"], locks()) == ("cancelled", {})


def test_a_step_that_automation_itself_failed_is_told_in_its_words(aws: World) -> None:
    started = deploy(aws)
    started.steps("Plan", "Begin")
    late = {"StepName": "UntilSettled", "StepStatus": "TimedOut", "FailureMessage": "The loop took too long."}
    started.execution["StepExecutions"].append(late)
    assert started.step("Failed")["said"].startswith("UntilSettled failed: The loop took too long.")


def test_an_error_that_cannot_be_recorded_is_raised_all_the_same(aws: World) -> None:
    started = deploy(aws)
    started.step("Plan")
    aws.refusals["dynamodb:GetItem"] = refusal("InternalServerError")
    aws.refusals["dynamodb:UpdateItem"] = refusal("InternalServerError")
    with pytest.raises(type(refusal("")), match="InternalServerError"):
        started.step("Begin")
