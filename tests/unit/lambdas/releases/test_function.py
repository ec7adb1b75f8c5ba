"""`releases`: the image parameter names the image of the last deployment that ended well, however a deployment ends."""

import json
from collections.abc import Callable, Iterator
from typing import Any

import boto3
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lambdas.common.ecs import UnreadableError
from lambdas.common.settings import SettingsError
from lambdas.releases import handler
from local.ecs.rollout import Status
from tests.environments import PRODUCTION

from ..world import RELEASES, World, client, refusal, session, world


def write(image: str) -> None:
    """Somebody writes the parameter."""
    client("ssm").put_parameter(Name=PRODUCTION.image_parameter, Value=image, Type="String", Overwrite=True)


@pytest.fixture
def good(aws: World) -> str:
    """The image that the service runs, which the parameter names."""
    image = aws.image_of(aws.ecs.current)
    write(image)
    return image


# Every way in which a deployment ends


def test_a_good_release_becomes_the_image_to_deploy(aws: World, good: str) -> None:
    image = aws.image_of(aws.release())
    report = aws.look()
    assert (report["image"], report["changed"]) == (image, True)
    assert aws.image == image != good


def circuit_breaker(aws: World) -> None:
    aws.ecs.configuration = {"deploymentCircuitBreaker": {"enable": True, "rollback": True}}
    aws.ecs.seconds = 180
    aws.ecs.failing.add(aws.begin_release())
    aws.wait(minutes=10)


def deployment_alarm(aws: World) -> None:
    aws.begin_release()
    aws.ecs.fail()
    aws.ecs.settle()


def stopped_with_rollback(aws: World) -> None:
    aws.begin_release()
    aws.ecs.stop()
    aws.ecs.settle()


def stopped_without_rollback(aws: World) -> None:
    aws.begin_release()
    aws.ecs.abort()
    aws.ecs.settle()


def stopped_by_a_newer_one(aws: World) -> None:
    current = aws.ecs.current
    aws.begin_release()
    aws.ecs.deploy(current)
    aws.ecs.settle()


def rolled_back_by_hand(aws: World) -> None:
    current = aws.ecs.current
    aws.release()
    aws.look()
    aws.wait(minutes=20)
    aws.ecs.deploy(current)
    aws.ecs.settle()


def rolled_back_by_us(aws: World) -> None:
    aws.release()
    aws.look()
    aws.wait(minutes=5)
    aws.alarm()
    aws.ecs.settle()


ENDS_BADLY = [
    circuit_breaker,
    deployment_alarm,
    stopped_with_rollback,
    stopped_without_rollback,
    stopped_by_a_newer_one,
    rolled_back_by_hand,
    rolled_back_by_us,
]
every_bad_end = pytest.mark.parametrize("release", ENDS_BADLY, ids=lambda release: release.__name__)


@every_bad_end
@pytest.mark.parametrize("written", [False, True], ids=["as it was", "written by the pipeline"])
def test_a_release_that_ends_badly_never_is(aws: World, good: str, release: Callable[[World], None], written: bool) -> None:
    release(aws)
    if written:
        write(aws.image_of(list(aws.ecs.definitions)[-1]))
    aws.look()
    assert aws.image == good


def test_a_rollback_that_ecs_could_not_finish_changes_nothing(aws: World, good: str) -> None:
    aws.ecs.failing.add(aws.ecs.current)
    deployment_alarm(aws)
    assert aws.ecs.deployments[-1].status is Status.ROLLBACK_FAILED
    assert aws.look()["changed"] is False
    assert aws.image == good


def test_what_ecs_went_back_to_counts_though_its_own_deployment_is_forgotten(aws: World, good: str) -> None:
    """ECS shows deployments for 90 days."""
    deployment_alarm(aws)
    del aws.ecs.deployments[:-1]
    write("another")
    assert aws.look()["image"] == good


# While a deployment runs


@pytest.mark.parametrize("status", [Status.PENDING, Status.IN_PROGRESS, Status.ROLLBACK_REQUESTED, Status.ROLLBACK_IN_PROGRESS])
def test_a_deployment_under_way_decides_nothing(aws: World, good: str, status: Status) -> None:
    aws.begin_release()
    aws.ecs.deployments[-1].status = status
    report = aws.look()
    assert (report["changed"], aws.image) == (False, good)
    assert status in report["summary"]


def test_our_own_rollback_is_not_undone_while_it_runs(aws: World, good: str) -> None:
    bad = aws.image_of(aws.release())
    aws.look()
    assert aws.image == bad
    aws.wait(minutes=5)
    aws.alarm()
    assert aws.image == good, "what a cdk deploy would run while the service goes back"
    aws.look()
    assert aws.image == good


# Nothing to do


def test_twice_is_as_good_as_once(aws: World) -> None:
    aws.release()
    assert [aws.look()["changed"] for _ in range(2)] == [True, False]
    assert len(aws.outcomes) == 1


@pytest.mark.parametrize("missing", ["cluster", "service"])
def test_before_the_first_deployment_the_image_is_the_one_that_a_person_named(aws: World, missing: str) -> None:
    aws.refusals["ecs:ListServiceDeployments"] = unknown(missing)
    assert aws.look()["changed"] is False
    assert aws.image == "as the release wrote it"


def unknown(what: str) -> Exception:
    """What ECS answers for a cluster or a service that does not exist."""
    exceptions = session().client("ecs").exceptions
    kind = exceptions.ClusterNotFoundException if what == "cluster" else exceptions.ServiceNotFoundException
    return kind({"Error": {"Code": kind.__name__, "Message": "not found"}}, "ListServiceDeployments")


def test_the_first_deployment_finds_its_own_image_named(aws: World) -> None:
    del aws.ecs.deployments[1:]
    write(aws.image_of(next(iter(aws.ecs.definitions))))
    assert aws.look()["changed"] is False


def test_a_first_deployment_that_failed_leaves_the_image_to_the_person_who_named_it(aws: World) -> None:
    aws.ecs.deployments.clear()
    aws.ecs.rollout.completed = None
    stopped_without_rollback(aws)
    assert aws.look()["changed"] is False
    assert aws.image == "as the release wrote it"


def test_deployments_that_ecs_has_forgotten_leave_the_image_as_it_is(aws: World) -> None:
    aws.ecs.deployments.clear()
    assert aws.look()["changed"] is False
    assert aws.image == "as the release wrote it"


# What is read and written


def test_the_image_is_that_of_the_applications_container_and_not_of_a_sidecar(aws: World) -> None:
    image = aws.image_of(aws.release())
    assert aws.look()["image"] == image != "sidecar:1"


def test_a_task_definition_without_the_applications_container_is_an_error(aws: World, good: str) -> None:
    aws.release(name="another")
    with pytest.raises(UnreadableError, match=rf"has no container {PRODUCTION.application.container.name}"):
        aws.look()
    assert aws.image == good


def test_a_parameter_that_is_gone_is_made_again(aws: World, good: str) -> None:
    client("ssm").delete_parameter(Name=PRODUCTION.image_parameter)
    assert aws.look()["changed"] is True
    assert aws.image == good


def test_a_change_is_told_with_both_images(aws: World, good: str) -> None:
    image = aws.image_of(aws.release())
    aws.look()
    (message,) = aws.outcomes
    assert message.startswith("[production] image to deploy: ")
    assert f"The next `cdk deploy` runs {image}, no longer {good}." in message


@pytest.mark.parametrize(
    "event",
    [
        {"detail-type": "ECS Deployment State Change", "detail": {"eventName": "SERVICE_DEPLOYMENT_FAILED"}},
        {"detail": None},
        "text",
        [],
        {"detail-type": 7},
    ],
    ids=["of another deployment", "no detail", "text", "list", "no name"],
)
def test_whatever_the_event_says_the_state_of_ecs_decides(aws: World, event: Any) -> None:
    image = aws.image_of(aws.release())
    assert aws.look(event)["image"] == image


@pytest.mark.parametrize(
    "operation", ["ecs:ListServiceDeployments", "ecs:DescribeServiceRevisions", "ssm:GetParameter", "ssm:PutParameter"]
)
def test_a_failure_is_raised_and_the_next_run_repairs_it(aws: World, operation: str) -> None:
    image = aws.image_of(aws.release())
    aws.refusals[operation] = refusal("ThrottlingException")
    with pytest.raises(type(refusal("")), match="ThrottlingException"):
        aws.look()
    assert aws.image == "as the release wrote it"
    aws.refusals.clear()
    aws.look()
    assert aws.image == image


# Always true


ENDINGS = st.tuples(st.sampled_from([*ENDS_BADLY, World.release]), st.booleans())


@settings(max_examples=25, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(ENDINGS, min_size=1, max_size=6))
def test_whatever_happened_the_image_is_that_of_what_the_service_completed_last(
    history: list[tuple[Callable[[World], Any], bool]],
) -> None:
    with world() as aws:
        for release, seen in history:
            release(aws)
            aws.ecs.failing.clear()
            aws.wait(days=1)
            if seen:
                aws.look()
        aws.look()
        completed = aws.ecs.rollout.completed
        assert completed
        assert aws.image == aws.image_of(completed.task_definition)


# Lambda's own entry


@pytest.fixture
def _as_lambda(aws: World, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The environment in which Lambda starts the function."""
    monkeypatch.setattr(boto3, "DEFAULT_SESSION", session())
    for name, value in RELEASES.variables().items():
        monkeypatch.setenv(name, value)
    handler._function.cache_clear()
    yield
    handler._function.cache_clear()


@pytest.mark.usefixtures("_as_lambda")
def test_lambda_is_answered_with_json(aws: World) -> None:
    image = aws.image_of(aws.release())
    assert json.loads(json.dumps(handler.handle({}, None)))["image"] == image


@pytest.mark.usefixtures("_as_lambda")
def test_lambda_fails_at_once_when_the_environment_is_not_as_it_should_be(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CONTAINER")
    with pytest.raises(SettingsError, match="CONTAINER is missing"):
        handler.handle({}, None)


# What the dashboard lists


def shown(caplog: pytest.LogCaptureFixture) -> list[dict[str, str]]:
    """The deployments in the log, the newest first, since the last time."""
    lines = [vars(line) for line in reversed(caplog.records) if hasattr(line, "deployment")]
    caplog.clear()
    return [{name: line[name] for name in ("status", "since", "revision", "commit")} for line in lines]


def test_the_log_says_what_is_deployed_since_when_and_of_which_commit(
    aws: World, good: str, caplog: pytest.LogCaptureFixture
) -> None:
    began = f"{aws.clock():%Y-%m-%d %H:%M:%S} UTC"
    revision = aws.begin_release().rpartition("/")[2]
    aws.look()
    under_way, before = shown(caplog)
    assert under_way == {
        "status": "IN_PROGRESS",
        "since": began,
        "revision": revision,
        "commit": aws.image_of(list(aws.ecs.definitions)[-1]).rpartition(":")[2],
    }
    assert (before["status"], before["commit"]) == ("SUCCESSFUL", good.rpartition(":")[2])
    aws.ecs.settle()
    ended = f"{aws.clock():%Y-%m-%d %H:%M:%S} UTC"
    aws.look()
    assert shown(caplog)[0] == {**under_way, "status": "SUCCESSFUL", "since": ended}


def test_what_cannot_be_read_for_the_list_holds_nothing_up(aws: World, good: str, caplog: pytest.LogCaptureFixture) -> None:
    aws.begin_release()
    aws.refusals["ecs:DescribeTaskDefinition"] = refusal("ThrottlingException")
    assert aws.look()["changed"] is False
    assert [(one["status"], one["revision"]) for one in shown(caplog)] == [("IN_PROGRESS", ""), ("SUCCESSFUL", "")]
