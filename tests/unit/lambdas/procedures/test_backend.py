"""The backend's procedures, step by step, on an ECS of `local.ecs`."""

from datetime import timedelta

import pytest

from lambdas.common.maintenance import Maintenances
from lambdas.procedures.run import WAITING, RefusedError, VerifyError
from tests.environments import PRODUCTION

from ..automation import Started
from ..world import World, bad_release, client, refusal
from .conftest import Site, push

FIRST, SECOND = (f"{number:032x}" for number in range(2))
MOST = PRODUCTION.most_tasks

pytestmark = pytest.mark.usefixtures("images", "site")


def revision(number: int) -> str:
    return PRODUCTION.arn("ecs", f"task-definition/{PRODUCTION.family}:{number}")


def release(aws: World) -> str:
    """A release that has ended a while ago, its image pushed."""
    definition = aws.release()
    push(aws.image_of(definition))
    aws.wait(minutes=5)
    return definition


def rollback(aws: World, to: str = "known-good") -> Started:
    return Started(aws, "backend-rollback", Revision=to)


def asked(aws: World) -> list[tuple[str, str]]:
    """The changes of the service: from and to which task definition."""
    return [(one.before, one.after) for one in aws.ecs.changes]


# Roll back


def test_it_goes_back_to_what_automation_would_choose(aws: World) -> None:
    bad = release(aws)
    started = rollback(aws)
    assert started.step("Plan")["said"] == (
        "The service would go from hz-navigator-production-backend:3 to hz-navigator-production-backend:2"
        " (hz-navigator-production-backend:release-2)."
    )
    started.steps("Begin", "RollBack")
    assert asked(aws) == [(bad, revision(2))]
    assert started.step("Settled")["wait"] == WAITING
    aws.ecs.settle()
    assert started.step("Settled")["said"].endswith("has succeeded: the service runs hz-navigator-production-backend:2.")
    assert started.steps("Verify", "Record") == "backend-rollback succeeded."


def test_known_good_is_the_same_for_automation_and_for_people(aws: World) -> None:
    release(aws)
    aws.ecs.definitions[revision(2)]["status"] = "INACTIVE"
    started = rollback(aws)
    started.step("Plan")
    aws.ecs.in_alarm.clear()
    assert aws.alarm().to_task_definition == revision(1)
    assert started.record["kept target"] == revision(1)


def test_without_a_known_good_revision_it_asks_for_a_name(aws: World) -> None:
    for number in (1, 2):
        aws.ecs.definitions[revision(number)]["status"] = "INACTIVE"
    release(aws)
    with pytest.raises(RefusedError, match="No revision is known good: name one"):
        rollback(aws).step("Plan")


def test_a_named_revision_is_taken_even_if_it_is_not_the_newest_good_one(aws: World) -> None:
    release(aws)
    started = rollback(aws, "1")
    started.steps("Plan", "Begin", "RollBack")
    assert asked(aws) == [(revision(3), revision(1))]


def failed(aws: World) -> None:
    aws.begin_release()
    aws.ecs.fail()
    aws.ecs.settle()


def inactive(aws: World) -> None:
    aws.ecs.definitions[revision(1)]["status"] = "INACTIVE"


def without_image(aws: World) -> None:
    client("ecr").batch_delete_image(repositoryName=PRODUCTION.repository, imageIds=[{"imageTag": "release-1"}])


@pytest.mark.parametrize(
    ("named", "state", "words"),
    [
        ("2", lambda _: None, "set to hz-navigator-production-backend:2 already"),
        ("9", lambda _: None, "backend:9 is deleted: ECS runs none but an ACTIVE one"),
        ("1", inactive, "backend:1 is INACTIVE: ECS runs none but an ACTIVE one"),
        ("3", failed, "A deployment of hz-navigator-production-backend:3 failed"),
        ("1", without_image, "release-1, is not in its repository any more"),
        ("known-good", without_image, "release-1, is not in its repository any more"),
    ],
    ids=["current", "unknown", "inactive", "failed", "without image", "known good without image"],
)
def test_a_revision_is_checked_first(aws: World, named: str, state: object, words: str) -> None:
    assert callable(state)
    state(aws)
    with pytest.raises(RefusedError, match=words):
        rollback(aws, named).step("Plan")


def test_an_image_of_another_repository_is_not_looked_for(aws: World) -> None:
    aws.ecs.definitions[revision(1)]["image"] = "public.ecr.aws/nginx/nginx:1.27"
    rollback(aws, "1").step("Plan")


def test_it_says_what_it_takes_back_beside_the_image(aws: World) -> None:
    aws.release(environment=[{"name": "FLAG", "value": "on"}])
    said = rollback(aws).step("Plan")["said"]
    assert "That would also take back environment variable FLAG" in said


def test_it_says_that_a_dependency_is_impaired_and_leaves_the_decision_to_the_person(aws: World) -> None:
    release(aws)
    aws.database("failed")
    assert "A rollback may not help: the database" in rollback(aws).step("Plan")["said"]


def test_a_release_that_is_under_way_is_taken_back(aws: World) -> None:
    bad = aws.begin_release()
    aws.wait(minutes=1)
    started = rollback(aws)
    assert "Deployment 0003, which is under way, would end." in started.step("Plan")["said"]
    started.steps("Begin", "RollBack")
    assert asked(aws) == [(bad, revision(2))]


def test_it_leaves_a_rollback_of_ecs_alone(aws: World) -> None:
    aws.begin_release()
    aws.ecs.fail()
    with pytest.raises(RefusedError, match=r"ECS takes deployment 0003 back by itself \(ROLLBACK_IN_PROGRESS\)"):
        rollback(aws).step("Plan")


def test_it_leaves_a_rollback_of_automation_alone(aws: World) -> None:
    bad_release(aws)
    assert aws.alarm().outcome == "rollback requested"
    with pytest.raises(RefusedError, match="Automation takes the service back to hz-navigator-production-backend:2"):
        rollback(aws).step("Plan")


def test_what_cannot_be_read_is_named_and_nothing_done(aws: World) -> None:
    aws.refusals["ecs:ListServiceDeployments"] = refusal("ServerException")
    with pytest.raises(RefusedError, match="This could not be read: its deployments"):
        rollback(aws).step("Plan")


def test_a_deployment_that_fails_ends_the_procedure_with_its_reason(aws: World) -> None:
    release(aws)
    started = rollback(aws)
    started.steps("Plan", "Begin", "RollBack")
    aws.ecs.fail()
    aws.ecs.settle()
    started.step("Settled")
    with pytest.raises(VerifyError, match=r"ended ROLLBACK_SUCCESSFUL\. Service deployment rolled back because"):
        started.step("Verify")


def test_somebody_elses_release_meanwhile_is_said(aws: World) -> None:
    release(aws)
    started = rollback(aws)
    started.steps("Plan", "Begin", "RollBack")
    aws.wait(minutes=1)
    aws.begin_release()
    started.step("Settled")
    with pytest.raises(VerifyError, match="Somebody deployed hz-navigator-production-backend:4 meanwhile"):
        started.step("Verify")


def test_automation_takes_it_for_a_persons_change(aws: World) -> None:
    """It never goes back to what the person left for an older one, and has its whole budget."""
    bad = release(aws)
    started = rollback(aws)
    started.steps("Plan", "Begin", "RollBack")
    aws.wait(minutes=3)
    aws.ecs.settle()
    started.steps("Settled", "Record")
    aws.wait(minutes=10)
    outcome = aws.alarm()
    assert bad not in (outcome.to_task_definition, aws.ecs.current)
    assert (outcome.outcome, outcome.to_task_definition) == ("rollback requested", revision(1))


# Force a new deployment


def deploy(aws: World) -> Started:
    return Started(aws, "backend-deploy")


def test_what_runs_is_deployed_anew(aws: World) -> None:
    started = deploy(aws)
    started.steps("Plan", "Begin", "Deploy")
    assert len(aws.ecs.deployments) == 3
    assert started.step("Settled")["wait"] == WAITING
    aws.ecs.settle()
    assert started.step("Settled")["said"].startswith("Deployment 0003 has succeeded")


def test_a_second_attempt_forces_no_second_deployment(aws: World) -> None:
    started = deploy(aws)
    started.steps("Plan", "Begin", "Deploy")
    assert started.step("Deploy")["said"] == "Deployment 0003 has begun."
    assert len(aws.ecs.deployments) == 3


@pytest.mark.parametrize("name", ["backend-deploy", "backend-restart-task"])
def test_it_waits_for_a_deployment_that_is_under_way(aws: World, name: str) -> None:
    aws.begin_release()
    inputs = {"Task": FIRST} if name == "backend-restart-task" else {}
    with pytest.raises(RefusedError, match="Deployment 0003 is IN_PROGRESS: wait for its end"):
        Started(aws, name, **inputs).step("Plan")


def test_a_deployment_that_ecs_does_not_show_yet_is_waited_for(aws: World) -> None:
    started = deploy(aws)
    started.steps("Plan", "Begin")
    assert started.step("Settled") == {"said": "ECS shows no new deployment yet.", "wait": WAITING}


# Scale


def scale(aws: World, tasks: int) -> Started:
    return Started(aws, "backend-scale", Tasks=str(tasks))


def test_it_scales_within_the_bounds_and_says_them(aws: World) -> None:
    started = scale(aws, 3)
    said = started.step("Plan")["said"]
    assert "would go from 2 to 3 tasks. Autoscaling keeps it between 2 and 4, and changes the number again" in said
    started.steps("Begin", "Scale")
    assert aws.ecs.rollout.desired == 3
    assert started.step("Settled")["said"] == "2 of 3 tasks run."
    aws.ecs.settle()
    assert started.step("Settled")["said"] == "3 of 3 tasks run."


@pytest.mark.parametrize("tasks", [1, 4])
def test_it_refuses_what_autoscaling_would_undo(aws: World, tasks: int) -> None:
    aws.bounds = (2, 3)
    with pytest.raises(RefusedError, match=f"between 2 and 3 tasks, and {tasks} is outside: min_tasks and max_tasks"):
        scale(aws, tasks).step("Plan")


def test_it_refuses_more_connections_than_the_database_serves(aws: World) -> None:
    aws.bounds = (2, MOST + 5)
    wanted, pool = MOST + 1, PRODUCTION.backend.pool_size
    words = (
        f"{wanted} tasks may open {wanted * 2 * pool} connections while a deployment runs: the database serves those of {MOST}"
    )
    with pytest.raises(RefusedError, match=words):
        scale(aws, wanted).step("Plan")


def test_it_refuses_a_service_that_autoscaling_does_not_know(aws: World) -> None:
    aws.bounds = None
    with pytest.raises(RefusedError, match="Autoscaling does not know"):
        scale(aws, 3).step("Plan")


def test_a_second_attempt_to_scale_finds_it_done(aws: World) -> None:
    started = scale(aws, 3)
    started.steps("Plan", "Begin", "Scale")
    assert started.step("Scale")["said"] == "The service is set to 3 tasks."
    assert len(aws.ecs.changes) == 1


def test_what_autoscaling_sets_meanwhile_is_said(aws: World) -> None:
    started = scale(aws, 3)
    started.steps("Plan", "Begin", "Scale")
    aws.ecs.rollout.desired = 4
    aws.ecs.settle()
    assert started.step("Settled")["said"] == "4 of 4 tasks run. Autoscaling has set it to 4 since."


def test_it_scales_while_a_release_is_deployed(aws: World) -> None:
    aws.begin_release()
    scale(aws, 3).steps("Plan", "Begin", "Scale")
    assert aws.ecs.rollout.desired == 3


# Restart one task


def restart(aws: World, task: str = FIRST) -> Started:
    return Started(aws, "backend-restart-task", Task=task)


def test_a_task_is_stopped_for_the_reason_given_and_another_waited_for(aws: World) -> None:
    started = restart(aws)
    started.steps("Plan", "Begin", "Restart")
    task = aws.ecs.tasks[FIRST]
    assert task["desiredStatus"] == "STOPPED"
    assert task["stoppedReason"].startswith("backend-restart-task, started by arn:aws:sts::")
    assert started.step("Settled")["said"] == f"Task {FIRST} is DEACTIVATING."
    task["lastStatus"] = "STOPPED"
    assert started.step("Settled")["said"] == "1 of 2 tasks run."
    aws.ecs.settle()
    assert started.step("Settled")["said"] == f"Task {FIRST} has stopped, and 2 of 2 tasks run."


def test_the_last_healthy_task_is_not_stopped(aws: World) -> None:
    aws.ecs.tasks[SECOND]["healthStatus"] = "UNHEALTHY"
    with pytest.raises(RefusedError, match=f"Task {FIRST} is the last healthy one"):
        restart(aws).step("Plan")
    restart(aws, SECOND).step("Plan")


def test_the_other_task_that_fails_after_the_plan_is_seen(aws: World) -> None:
    started = restart(aws)
    started.steps("Plan", "Begin")
    aws.ecs.tasks[SECOND]["healthStatus"] = "UNHEALTHY"
    with pytest.raises(RefusedError, match="is the last healthy one"):
        started.step("Restart")
    assert aws.ecs.tasks[FIRST]["desiredStatus"] == "RUNNING"


def test_a_task_of_something_else_is_not_stopped(aws: World) -> None:
    aws.ecs.tasks[SECOND]["group"] = "family:migrations"
    with pytest.raises(RefusedError, match=f"Task {SECOND} is none of hz-navigator-production-backend-service"):
        restart(aws, SECOND).step("Plan")


def test_an_unknown_task_is_refused_with_those_that_run(aws: World) -> None:
    with pytest.raises(RefusedError, match=f"its running tasks are {FIRST}, {SECOND}"):
        restart(aws, "f" * 32).step("Plan")


def test_a_second_attempt_stops_no_second_task(aws: World) -> None:
    started = restart(aws)
    started.steps("Plan", "Begin", "Restart")
    assert started.step("Restart")["said"] == f"Task {FIRST} is being stopped."


# Status and health


def test_the_status_is_what_the_script_said_and_more(aws: World) -> None:
    answer = Started(aws, "service-status").step("Look")
    assert answer["said"] == (
        "2 of 2 tasks run, on hz-navigator-production-backend:2 (release release-2). Deployment 0002 is SUCCESSFUL."
        " hz-navigator-production-backend:1 is known good. The database is available, the cache available."
    )
    assert answer["tasks"] == f"{FIRST} RUNNING HEALTHY, {SECOND} RUNNING HEALTHY"
    assert answer["events"].endswith("has reached a steady state.")


def test_the_status_says_who_has_locked_the_service(aws: World) -> None:
    restart(aws).steps("Plan", "Begin")
    assert "Locked by backend-restart-task, which" in Started(aws, "service-status").step("Look")["said"]
    aws.wait(hours=2)
    assert "Locked" not in Started(aws, "service-status").step("Look")["said"]


def test_the_status_names_what_could_not_be_read(aws: World) -> None:
    aws.refusals["rds:DescribeDBInstances"] = refusal("AccessDenied")
    assert "Not read: database hz-navigator-production-postgres" in Started(aws, "service-status").step("Look")["said"]


def test_reading_changes_and_locks_nothing(aws: World) -> None:
    for name in ("service-status", "health-check"):
        Started(aws, name, dry_run=True).steps("Plan", "Record")
        Started(aws, name).steps("Plan", "Look", "Record")
    assert (aws.ecs.changes, aws.outcomes, "changes" in aws.items()) == ([], [], False)


def test_all_is_well(aws: World) -> None:
    assert Started(aws, "health-check").step("Look")["said"].startswith("All services are healthy: api in ")


def test_a_check_that_fails_fails_the_procedure(aws: World, site: Site) -> None:
    site.status = 503
    started = Started(aws, "health-check")
    with pytest.raises(VerifyError, match="API answers 503: healthy; Frontend answers 503"):
        started.step("Look")


def deployed(aws: World) -> Started:
    """A new deployment that has ended well."""
    started = deploy(aws)
    started.steps("Plan", "Begin", "Deploy")
    aws.ecs.settle()
    started.step("Settled")
    return started


def test_a_service_that_is_not_well_afterwards_fails_the_procedure(aws: World, site: Site) -> None:
    site.database = "disconnected"
    started = deployed(aws)
    with pytest.raises(VerifyError, match="API answers 200: database disconnected"):
        started.step("Verify")


def test_the_page_of_announced_maintenance_keeps_the_look_afterwards_out_and_fails_nothing(aws: World, site: Site) -> None:
    Maintenances(aws.table).announce(aws.now + timedelta(minutes=30), "another", "somebody")
    started, site.kept_out = deployed(aws), True
    assert "keeps this look at the API out: maintenance-off looks" in started.step("Verify")["said"]


def test_an_answer_like_that_of_maintenance_that_nobody_announced_is_an_outage(aws: World, site: Site) -> None:
    started, site.kept_out = deployed(aws), True
    with pytest.raises(VerifyError, match="API answers 503, and its body is not the health report"):
        started.step("Verify")
