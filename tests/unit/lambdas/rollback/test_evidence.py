"""What is read about the service; and that nothing unread is guessed."""

from datetime import timedelta
from typing import Any

import pytest

from lambdas.rollback.changes import Changes
from lambdas.rollback.decisions import Evidence
from lambdas.rollback.evidence import Reader
from runbook.rules import CANDIDATES
from tests.environments import PRODUCTION

from ..world import DEPENDENCIES, ROLLBACK, World, one_by_one, refusal, rollback_clients

READS = (
    "ecs:DescribeServices",
    "ecs:ListServiceDeployments",
    "ecs:DescribeServiceDeployments",
    "ecs:DescribeServiceRevisions",
    "ecs:DescribeTaskDefinition",
    "rds:DescribeDBInstances",
    "elasticache:DescribeReplicationGroups",
    "cloudwatch:DescribeAlarms",
    "dynamodb:GetItem",
)


def look(aws: World, **changed: str) -> Evidence:
    """What is read now, with some settings changed."""
    clients = rollback_clients()
    return Reader(ROLLBACK.model_copy(update=changed), clients, Changes(clients.incidents), one_by_one).read(aws.now)


def test_the_evidence_is_what_aws_says(aws: World) -> None:
    good, bad = aws.ecs.current, aws.release(minutes=3)
    aws.wait(minutes=5)
    evidence = look(aws)
    assert evidence.at == aws.now
    assert evidence.task_definition == bad
    assert (evidence.running, evidence.desired) == (2, 2)
    assert [found.task_definition for found in evidence.deployments][:2] == [bad, good]
    last = evidence.last
    assert last
    assert last.status == "SUCCESSFUL"
    assert last.finished_at
    assert (aws.now - last.created_at, aws.now - last.finished_at) == (timedelta(minutes=8), timedelta(minutes=5))
    assert evidence.known_good
    assert (evidence.known_good.arn, evidence.known_good.image) == (good, aws.ecs.definitions[good]["image"])
    assert (evidence.database, evidence.cache, evidence.dependency_alarms, evidence.missing) == (
        "available",
        "available",
        {},
        (),
    )


def test_the_image_is_that_of_the_applications_container_by_its_name(aws: World) -> None:
    aws.ecs.definitions[aws.ecs.current]["container"] = {"name": "another"}
    assert f"has no container {PRODUCTION.application.container.name}" in " ".join(look(aws).missing)


def test_a_running_deployments_task_definition_is_read_to_be_compared(aws: World) -> None:
    running = aws.begin_release()
    assert running in {found.arn for found in look(aws).task_definitions}


def test_the_dependencies_are_read_as_they_are(aws: World) -> None:
    aws.database("storage-full")
    aws.cache("modifying")
    unknown, *firing = DEPENDENCIES
    aws.set_alarm(unknown, "INSUFFICIENT_DATA")
    for name in firing:
        aws.set_alarm(name, "ALARM")
    evidence = look(aws)
    assert (evidence.database, evidence.cache) == ("storage-full", "modifying")
    assert evidence.dependency_alarms == {
        f"{PRODUCTION.prefix}-rds-connections-critical": "database",
        f"{PRODUCTION.prefix}-redis-memory-critical": "cache",
        f"{PRODUCTION.prefix}-rds-free-storage-critical": "database",
        f"{PRODUCTION.prefix}-rds-free-memory-critical": "database",
        f"{PRODUCTION.prefix}-rds-failovers-critical": "database",
        f"{PRODUCTION.prefix}-redis-nodes-critical": "cache",
    }
    assert list(evidence.silent_alarms) == [unknown], "an alarm without data is not healthy"


@pytest.mark.parametrize("operation", READS)
def test_a_fact_that_aws_refuses_is_missing_by_name(aws: World, operation: str) -> None:
    aws.refusals[operation] = refusal("AccessDeniedException", f"you may not {operation}")
    evidence = look(aws)
    assert len(evidence.missing) == 1
    assert f"you may not {operation}" in evidence.missing[0]


def test_all_missing_facts_are_named_at_once(aws: World) -> None:
    aws.refusals |= {operation: refusal("ThrottlingException") for operation in READS}
    assert len(look(aws).missing) == 6


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"service": "another"}, "service another"),
        ({"database_instance": "another"}, "database another"),
        ({"replication_group": "another"}, "cache another"),
        ({"alarm_prefix": "another-"}, "no such alarm: another-rds-connections-critical"),
    ],
)
def test_what_does_not_exist_is_missing_not_healthy(aws: World, changed: dict[str, str], words: str) -> None:
    missing = " ".join(look(aws, **changed).missing)
    assert words in missing


def test_a_service_revision_that_cannot_be_read_is_missing(aws: World) -> None:
    aws.ecs.revisions.pop()
    assert "service revisions" in " ".join(look(aws).missing)


def test_the_history_is_read_over_all_pages_newest_first(aws: World) -> None:
    aws.ecs.page = 7
    for _ in range(50):
        aws.release()
        aws.wait(minutes=1)
    evidence = look(aws)
    assert len(evidence.deployments) == 52, "all of them: what failed long ago is not forgotten before our changes are"
    assert [found.created_at for found in evidence.deployments] == sorted(
        (found.created_at for found in evidence.deployments), reverse=True
    )
    assert evidence.deployments[0].task_definition == aws.ecs.current
    assert len(evidence.task_definitions) == CANDIDATES


@pytest.mark.parametrize("status", ["INACTIVE", "DELETE_IN_PROGRESS"])
def test_a_deregistered_task_definition_is_no_candidate(aws: World, status: str) -> None:
    oldest, deregistered = list(aws.ecs.definitions)
    aws.release()
    aws.ecs.definitions[deregistered]["status"] = status
    found = look(aws).known_good
    assert found
    assert found.arn == oldest


def test_a_deleted_task_definition_is_no_candidate_and_no_missing_fact(aws: World) -> None:
    oldest, deleted = list(aws.ecs.definitions)
    aws.release()
    del aws.ecs.definitions[deleted]
    evidence = look(aws)
    assert evidence.missing == ()
    assert evidence.known_good
    assert evidence.known_good.arn == oldest


@pytest.mark.parametrize("monitor", ["alarms", "deploymentCircuitBreaker"])
@pytest.mark.parametrize(
    ("status", "rollback", "triggered"), [("TRIGGERED", True, True), ("TRIGGERED", False, False), ("MONITORING", True, False)]
)
def test_a_deployment_that_ecs_will_roll_back_is_recognized(
    aws: World, monitor: str, status: str, rollback: bool, triggered: bool
) -> None:
    configured: dict[str, Any] = {"enable": True, "rollback": rollback}
    aws.ecs.configuration = {monitor: configured | ({"alarmNames": ["an-alarm"]} if monitor == "alarms" else {})}
    aws.ecs.seconds = 180
    released = aws.begin_release()
    if status == "TRIGGERED":
        aws.ecs.in_alarm.add("an-alarm")
        aws.ecs.failing.add(released)
    aws.wait(minutes=2)
    evidence = look(aws)
    assert evidence.last
    assert evidence.last.monitors_triggered is triggered
    assert not any(older.monitors_triggered for older in evidence.deployments[1:])


def test_a_service_without_a_deployment_is_read_as_such(aws: World) -> None:
    aws.ecs.deployments.clear()
    evidence = look(aws)
    assert (evidence.last, evidence.known_good, evidence.missing) == (None, None, ())
