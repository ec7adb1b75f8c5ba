"""The operations on service deployments answer and refuse as ECS does."""

from typing import Any

import pytest

from local.ecs import operations
from local.ecs.rollout import RefusedError

from .service import ALARMS, BREAKER, SECONDS, Service


@pytest.fixture
def service() -> Service:
    return Service(**BREAKER)


def listed(service: Service, **request: Any) -> Any:
    return service.ask("ListServiceDeployments", cluster="c", service="s", **request)


def test_deployments_are_listed_newest_first_and_by_status(service: Service) -> None:
    for version in (2, 3):
        service.begin(version)
        service.after(60)
    found = listed(service)["serviceDeployments"]
    assert [one["status"] for one in found] == ["IN_PROGRESS", "STOPPED", "SUCCESSFUL"]
    assert [one["status"] for one in listed(service, status=["STOPPED"])["serviceDeployments"]] == ["STOPPED"]


def test_deployments_are_listed_by_when_they_were_created(service: Service) -> None:
    service.begin(2)
    assert [one["createdAt"] for one in listed(service, createdAt={"after": service.now})["serviceDeployments"]] == [
        service.now
    ]
    before = listed(service, createdAt={"before": service.now - 1})["serviceDeployments"]
    assert [one["createdAt"] for one in before] == [service.now - SECONDS]


def test_deployments_are_listed_by_page(service: Service) -> None:
    for version in (2, 3):
        service.begin(version)
    page = listed(service, maxResults=2)
    rest = listed(service, maxResults=2, nextToken=page["nextToken"])
    assert page["serviceDeployments"] + rest["serviceDeployments"] == listed(service)["serviceDeployments"]
    assert "nextToken" not in rest


def test_what_is_not_asked_for_otherwise_is_a_page_of_twenty(service: Service) -> None:
    for version in range(2, 25):
        service.begin(version)
    assert len(listed(service)["serviceDeployments"]) == 20


def test_arns_have_the_form_that_aws_gives_them(service: Service) -> None:
    prefix = "arn:aws:ecs:us-east-1:123456789012"
    described = service.described
    assert described["serviceDeploymentArn"] == f"{prefix}:service-deployment/c/s/1"
    assert described["targetServiceRevision"]["arn"] == f"{prefix}:service-revision/c/s/1"
    assert (described["serviceArn"], described["clusterArn"]) == (f"{prefix}:service/c/s", f"{prefix}:cluster/c")


def test_a_revision_tells_what_the_service_ran(service: Service) -> None:
    service.begin(2)
    [revision] = service.ask("DescribeServiceRevisions", serviceRevisionArns=[service.last.target.arn])["serviceRevisions"]
    assert revision["containerImages"] == [{"containerName": "app", "image": "app:2"}]
    assert (revision["taskDefinition"], revision["launchType"]) == ("td:2", "FARGATE")


def test_a_rolled_back_deployment_tells_why_and_to_what(service: Service) -> None:
    service.failing.add("app:2")
    service.begin(2)
    begun = service.now
    service.after(SECONDS)
    described = service.described
    assert described["deploymentCircuitBreaker"] == {"status": "TRIGGERED", "failureCount": 3, "threshold": 3}
    assert described["alarms"]["status"] == "DISABLED"
    assert described["rollback"] == {
        "reason": "Service deployment rolled back because the circuit breaker threshold was exceeded.",
        "startedAt": begun + 35,
        "serviceRevisionArn": described["sourceServiceRevisions"][0]["arn"],
    }
    assert "stoppedAt" not in described


@pytest.mark.parametrize(
    ("in_alarm", "status", "triggered"),
    [(set(), "MONITORING", []), ({"errors"}, "TRIGGERED", ["errors"])],
)
def test_a_deployment_tells_of_its_alarms(in_alarm: set[str], status: str, triggered: list[str]) -> None:
    service = Service(**ALARMS)
    service.begin(2)
    service.in_alarm |= in_alarm
    service.after(60)
    assert service.described["alarms"] == {"status": status, "alarmNames": ["errors"], "triggeredAlarmNames": triggered}
    assert service.described["deploymentCircuitBreaker"]["status"] == "DISABLED"


def test_the_monitors_of_an_ended_deployment_are_complete() -> None:
    assert Service(**ALARMS).described["alarms"]["status"] == "MONITORING_COMPLETE"


def test_a_deployment_counts_the_tasks_of_its_revisions(service: Service) -> None:
    service.begin(2)
    service.after(10)
    counts = {"requestedTaskCount": 2, "runningTaskCount": 0, "pendingTaskCount": 2}
    assert service.described["targetServiceRevision"] == {"arn": service.last.target.arn, **counts}
    [source] = service.described["sourceServiceRevisions"]
    assert (source["runningTaskCount"], source["pendingTaskCount"]) == (2, 0)


def test_a_stopped_deployment_tells_when(service: Service) -> None:
    service.begin(2)
    service.stop("ABORT")
    service.after(5)
    assert service.described["stoppedAt"] == service.described["finishedAt"] == service.now
    assert "rollback" not in service.described


def test_a_service_agrees_with_the_deployment_under_way(service: Service) -> None:
    service.begin(2)
    service.after(10)
    shown = operations.service_members(service.rollout, service.conditions)
    assert shown["currentServiceDeployment"] == service.last.arn
    assert (shown["taskDefinition"], shown["runningCount"], shown["pendingCount"]) == ("td:2", 2, 2)
    deployments = [
        (one["status"], one["taskDefinition"], one["rolloutState"], one["runningCount"]) for one in shown["deployments"]
    ]
    assert deployments == [("PRIMARY", "td:2", "IN_PROGRESS", 0), ("ACTIVE", "td:1", "COMPLETED", 2)]


@pytest.mark.parametrize(
    ("at", "states"),
    [(10, ["IN_PROGRESS", "COMPLETED"]), (40, ["IN_PROGRESS", "FAILED"]), (SECONDS, ["COMPLETED"])],
)
def test_a_service_tells_of_its_rollback(service: Service, at: float, states: list[str]) -> None:
    service.failing.add("app:2")
    service.begin(2)
    service.after(at)
    shown = operations.service_members(service.rollout, service.conditions)["deployments"]
    assert [one["rolloutState"] for one in shown] == states


def test_a_service_tells_of_a_deployment_that_was_stopped(service: Service) -> None:
    service.begin(2)
    service.stop("ABORT")
    service.after(5)
    shown = operations.service_members(service.rollout, service.conditions)
    assert (shown["runningCount"], shown["pendingCount"]) == (2, 0)
    assert [(one["taskDefinition"], one["rolloutState"]) for one in shown["deployments"]] == [
        ("td:2", "FAILED"),
        ("td:1", "COMPLETED"),
    ]


def test_a_service_without_a_deployment_has_none_of_it(service: Service) -> None:
    service.rollout.deployments.clear()
    assert operations.service_members(service.rollout, service.conditions) == {}


# What ECS refuses


@pytest.mark.parametrize(
    ("status", "message"), [(None, "TaskDefinition not found."), ("INACTIVE", "TaskDefinition is inactive")]
)
def test_a_task_definition_that_cannot_run_is_refused(status: str | None, message: str) -> None:
    with pytest.raises(RefusedError) as refused:
        operations.check_task_definition(status)
    assert (refused.value.code, str(refused.value)) == ("ClientException", message)


def test_an_active_task_definition_is_not() -> None:
    operations.check_task_definition("ACTIVE")


@pytest.mark.parametrize("named", [{"cluster": "c", "service": "another"}, {"service": "s"}], ids=["service", "cluster"])
def test_the_deployments_of_an_unknown_service_are_refused(service: Service, named: dict[str, str]) -> None:
    with pytest.raises(RefusedError) as refused:
        service.ask("ListServiceDeployments", **named)
    assert refused.value.code == "ServiceNotFoundException"


@pytest.mark.parametrize(
    ("request_", "code"),
    [
        ({"serviceDeploymentArn": "arn:aws:ecs:us-east-1:123456789012:service-deployment/c/s/1"}, "ConflictException"),
        ({"serviceDeploymentArn": "another"}, "ServiceDeploymentNotFoundException"),
        ({}, "ServiceDeploymentNotFoundException"),
    ],
    ids=["ended", "unknown", "no ARN"],
)
def test_a_deployment_that_cannot_be_stopped_is_refused(service: Service, request_: dict[str, str], code: str) -> None:
    with pytest.raises(RefusedError) as refused:
        service.ask("StopServiceDeployment", **request_)
    assert refused.value.code == code


def test_a_stop_of_another_kind_is_refused(service: Service) -> None:
    service.begin(2)
    with pytest.raises(RefusedError, match="ROLLBACK or ABORT, not PAUSE"):
        service.stop("PAUSE")


def test_a_first_deployment_cannot_be_rolled_back(service: Service) -> None:
    service.rollout.completed = None
    service.begin(2)
    with pytest.raises(RefusedError) as refused:
        service.stop()
    assert refused.value.code == "ClientException"


@pytest.mark.parametrize("number", [0, 21])
def test_descriptions_are_of_one_to_twenty(service: Service, number: int) -> None:
    arns = [service.last.arn] * number
    for operation, member in (
        ("DescribeServiceDeployments", "serviceDeploymentArns"),
        ("DescribeServiceRevisions", "serviceRevisionArns"),
    ):
        with pytest.raises(RefusedError) as refused:
            service.ask(operation, **{member: arns})
        assert refused.value.code == "InvalidParameterException"


def test_a_service_is_named_or_given_by_its_arn(service: Service) -> None:
    arns = {"cluster": "arn:aws:ecs:us-east-1:123456789012:cluster/c", "service": service.rollout.arn}
    assert service.ask("ListServiceDeployments", **arns) == listed(service)


def test_what_is_unknown_is_missing(service: Service) -> None:
    answer = service.ask("DescribeServiceDeployments", serviceDeploymentArns=["another", service.last.arn])
    assert len(answer["serviceDeployments"]) == 1
    assert answer["failures"] == [{"arn": "another", "reason": "MISSING"}]
