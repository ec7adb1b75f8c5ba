"""The emulator's services roll out on the cloud's clock: their tasks start and stop, and every operation shows it."""

import itertools
import json
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from botocore.exceptions import ClientError

from local.cloud import Cloud

SECONDS = 90  # what a deployment takes when nothing else was asked for
BREAKER = {"deploymentCircuitBreaker": {"enable": True, "rollback": True}}
_names = (f"ecs-{number}" for number in itertools.count())


class Service:
    """A service of its own cluster, stable on revision 1 of its family, with images `<name>:1`, `<name>:2` and so on."""

    def __init__(self, cloud: Cloud, configuration: dict[str, Any]) -> None:
        self.cloud, self.name = cloud, next(_names)
        self.ecs = cloud.client("ecs")
        self.ecs.create_cluster(clusterName=self.name)
        self.register(1)
        self.ecs.create_service(
            cluster=self.name,
            serviceName=self.name,
            taskDefinition=self.name,
            desiredCount=2,
            launchType="FARGATE",
            deploymentConfiguration=configuration,
        )
        self.after(SECONDS)

    def register(self, version: int) -> str:
        container = {"name": "app", "image": f"{self.name}:{version}"}
        registered = self.ecs.register_task_definition(family=self.name, containerDefinitions=[container])
        return str(registered["taskDefinition"]["taskDefinitionArn"])

    def update(self, **changes: Any) -> None:
        self.ecs.update_service(cluster=self.name, service=self.name, **changes)

    def after(self, seconds: float) -> None:
        self.cloud.advance(timedelta(seconds=seconds))

    @property
    def deployments(self) -> list[dict[str, Any]]:
        """The service deployments, newest first."""
        listed = self.ecs.list_service_deployments(cluster=self.name, service=self.name)["serviceDeployments"]
        return list(listed)

    @property
    def last(self) -> dict[str, Any]:
        arn = self.deployments[0]["serviceDeploymentArn"]
        described = self.ecs.describe_service_deployments(serviceDeploymentArns=[arn])["serviceDeployments"]
        return dict(described[0])

    @property
    def shown(self) -> dict[str, Any]:
        """As DescribeServices shows the service."""
        return dict(self.ecs.describe_services(cluster=self.name, services=[self.name])["services"][0])

    def revision(self, arn: str) -> dict[str, Any]:
        return dict(self.ecs.describe_service_revisions(serviceRevisionArns=[arn])["serviceRevisions"][0])

    @property
    def images(self) -> list[str]:
        """The images of the tasks that run."""
        arns = self.ecs.list_tasks(cluster=self.name, serviceName=self.name)["taskArns"]
        tasks = self.ecs.describe_tasks(cluster=self.name, tasks=arns)["tasks"] if arns else []
        return sorted(container["image"] for task in tasks for container in task["containers"])


@pytest.fixture
def service(empty_cloud: Cloud) -> Service:
    return Service(empty_cloud, BREAKER)


def test_a_deployment_is_pending_then_in_progress_then_successful(service: Service) -> None:
    service.update(taskDefinition=service.register(2))
    statuses = [service.last["status"]]
    for seconds in (5, 84, 1):
        service.after(seconds)
        statuses.append(service.last["status"])
    assert statuses == ["PENDING", "IN_PROGRESS", "IN_PROGRESS", "SUCCESSFUL"]


def test_old_tasks_run_until_the_new_ones_do(service: Service) -> None:
    service.update(taskDefinition=service.register(2))
    images = [service.images]
    for seconds in (50, 40):
        service.after(seconds)
        images.append(service.images)
    old, new = f"{service.name}:1", f"{service.name}:2"
    assert images == [[old, old], [old, old, new, new], [new, new]]


def test_times_of_a_deployment_follow_the_clock(service: Service) -> None:
    begun = service.cloud.now()
    service.update(taskDefinition=service.register(2))
    service.after(1000)
    last = service.last
    assert last["createdAt"] - begun < timedelta(seconds=5)
    assert last["startedAt"] - last["createdAt"] == timedelta(seconds=5)
    assert last["finishedAt"] - last["createdAt"] == timedelta(seconds=SECONDS)


def test_a_deployment_goes_from_the_running_revision_to_a_new_one(service: Service) -> None:
    before = service.last["targetServiceRevision"]["arn"]
    service.update(taskDefinition=service.register(2))
    last = service.last
    assert [revision["arn"] for revision in last["sourceServiceRevisions"]] == [before]
    target = service.revision(last["targetServiceRevision"]["arn"])
    assert target["containerImages"] == [{"containerName": "app", "image": f"{service.name}:2"}]
    assert target["taskDefinition"].endswith(f"task-definition/{service.name}:2")


def test_forcing_a_deployment_makes_a_revision_of_the_same_task_definition(service: Service) -> None:
    service.update(forceNewDeployment=True)
    one, other = (service.revision(deployment["targetServiceRevisionArn"]) for deployment in service.deployments)
    assert one["serviceRevisionArn"] != other["serviceRevisionArn"]
    assert one["taskDefinition"] == other["taskDefinition"]


@pytest.mark.parametrize("change", [{"desiredCount": 5}, {"healthCheckGracePeriodSeconds": 9}], ids=["scaling", "a setting"])
def test_what_runs_stays_the_same_so_there_is_no_deployment(service: Service, change: dict[str, Any]) -> None:
    service.update(**change)
    assert len(service.deployments) == 1


def test_scaling_starts_and_stops_tasks_at_once(service: Service) -> None:
    counts = []
    for desired in (5, 1):
        service.update(desiredCount=desired)
        counts.append((service.shown["runningCount"], len(service.images)))
    assert counts == [(5, 5), (1, 1)]


class TestThatFails:
    """Deployments whose tasks do not start."""

    def start(self, service: Service) -> None:
        service.cloud.fail_tasks_of(f"{service.name}:2")
        service.update(taskDefinition=service.register(2))

    def test_the_circuit_breaker_rolls_back_to_the_source_revision(self, service: Service) -> None:
        self.start(service)
        source = service.last["sourceServiceRevisions"][0]["arn"]
        service.after(40)
        under_way = service.last
        service.after(30)
        assert under_way["status"] == "ROLLBACK_IN_PROGRESS"
        assert under_way["deploymentCircuitBreaker"] == {"status": "TRIGGERED", "failureCount": 3, "threshold": 3}
        assert under_way["rollback"]["serviceRevisionArn"] == source
        assert service.last["status"] == "ROLLBACK_SUCCESSFUL"
        assert service.shown["taskDefinition"].endswith(f"{service.name}:1")
        assert service.images == [f"{service.name}:1"] * 2

    def test_a_task_that_did_not_start_says_why(self, service: Service) -> None:
        self.start(service)
        service.after(SECONDS)
        stopped = service.ecs.list_tasks(cluster=service.name, desiredStatus="STOPPED")["taskArns"]
        tasks = service.ecs.describe_tasks(cluster=service.name, tasks=stopped)["tasks"]
        reasons = [task["stoppedReason"] for task in tasks if task["stopCode"] == "TaskFailedToStart"]
        assert len(reasons) == 3
        assert all(reason.startswith("CannotPullContainerError") for reason in reasons)


class TestAlarms:
    """Deployment alarms with rollback."""

    @pytest.fixture
    def service(self, empty_cloud: Cloud) -> Iterator[Service]:
        alarm = next(_names)
        empty_cloud.client("cloudwatch").put_metric_alarm(
            AlarmName=alarm,
            Namespace="Test",
            MetricName="Errors",
            Statistic="Sum",
            Period=60,
            EvaluationPeriods=1,
            Threshold=1,
            ComparisonOperator="GreaterThanThreshold",
        )
        self.alarm = alarm
        yield Service(empty_cloud, {"alarms": {"alarmNames": [alarm], "enable": True, "rollback": True}})
        empty_cloud.client("cloudwatch").delete_alarms(AlarmNames=[alarm])

    def set(self, service: Service, state: str) -> None:
        service.cloud.client("cloudwatch").set_alarm_state(AlarmName=self.alarm, StateValue=state, StateReason="test")

    def test_an_alarm_that_fires_while_it_runs_rolls_a_deployment_back(self, service: Service) -> None:
        service.update(taskDefinition=service.register(2))
        service.after(60)
        self.set(service, "ALARM")
        under_way = service.last
        service.after(30)
        assert under_way["status"] == "ROLLBACK_IN_PROGRESS"
        assert under_way["alarms"] == {
            "status": "TRIGGERED", "alarmNames": [self.alarm], "triggeredAlarmNames": [self.alarm]
        }  # fmt: skip
        assert service.last["status"] == "ROLLBACK_SUCCESSFUL"
        assert service.images == [f"{service.name}:1"] * 2

    def test_an_alarm_that_fires_already_when_a_deployment_starts_is_not_watched(self, service: Service) -> None:
        self.set(service, "ALARM")
        service.update(taskDefinition=service.register(2))
        service.after(SECONDS)
        assert service.last["alarms"]["status"] == "DISABLED"
        assert service.last["status"] == "SUCCESSFUL"


class TestStop:
    """StopServiceDeployment."""

    @pytest.mark.parametrize(("at", "status"), [(0, "PENDING"), (60, "IN_PROGRESS")])
    def test_rollback_returns_to_the_source_revision(self, service: Service, at: float, status: str) -> None:
        service.update(taskDefinition=service.register(2))
        service.after(at)
        statuses = [service.last["status"]]
        service.ecs.stop_service_deployment(serviceDeploymentArn=service.last["serviceDeploymentArn"], stopType="ROLLBACK")
        statuses.append(service.last["status"])
        for seconds in (5, 30):
            service.after(seconds)
            statuses.append(service.last["status"])
        assert statuses == [status, "ROLLBACK_REQUESTED", "ROLLBACK_IN_PROGRESS", "ROLLBACK_SUCCESSFUL"]
        assert service.shown["taskDefinition"].endswith(f"{service.name}:1")
        assert service.images == [f"{service.name}:1"] * 2

    def test_a_deployment_that_has_ended_is_a_conflict(self, service: Service) -> None:
        with pytest.raises(ClientError) as refused:
            service.ecs.stop_service_deployment(serviceDeploymentArn=service.last["serviceDeploymentArn"])
        assert refused.value.response["Error"]["Code"] == "ConflictException"

    def test_an_unknown_deployment_is_not_found(self, service: Service) -> None:
        with pytest.raises(ClientError) as refused:
            service.ecs.stop_service_deployment(serviceDeploymentArn=service.last["serviceDeploymentArn"] + "x")
        assert refused.value.response["Error"]["Code"] == "ServiceDeploymentNotFoundException"


def test_a_newer_deployment_stops_the_one_under_way(service: Service) -> None:
    service.update(taskDefinition=service.register(2))
    service.update(taskDefinition=service.register(3))
    service.after(SECONDS)
    assert [one["status"] for one in service.deployments] == ["SUCCESSFUL", "STOPPED", "SUCCESSFUL"]
    assert service.images == [f"{service.name}:3"] * 2


def test_deployments_are_listed_by_page(service: Service) -> None:
    for _ in range(2):
        service.update(forceNewDeployment=True)
    everything = service.deployments
    arguments = {"cluster": service.name, "service": service.name}
    page = service.ecs.list_service_deployments(**arguments, maxResults=2)
    rest = service.ecs.list_service_deployments(**arguments, maxResults=2, nextToken=page["nextToken"])
    assert page["serviceDeployments"] + rest["serviceDeployments"] == everything
    assert "nextToken" not in rest


@pytest.mark.parametrize(
    ("reference", "message"), [("{}:99", "TaskDefinition not found."), ("{}:2", "TaskDefinition is inactive")]
)
def test_a_task_definition_that_cannot_run_is_refused(service: Service, reference: str, message: str) -> None:
    service.ecs.deregister_task_definition(taskDefinition=service.register(2))
    with pytest.raises(ClientError) as refused:
        service.update(taskDefinition=reference.format(service.name))
    assert refused.value.response["Error"] == {"Code": "ClientException", "Message": message}
    assert len(service.deployments) == 1


def test_describe_services_agrees_with_the_deployment_under_way(service: Service) -> None:
    service.update(taskDefinition=service.register(2))
    service.after(10)
    shown = service.shown
    assert shown["currentServiceDeployment"] == service.last["serviceDeploymentArn"]
    assert (shown["runningCount"], shown["pendingCount"]) == (2, 2)
    deployments = [
        (one["status"], one["taskDefinition"][-2:], one["rolloutState"], one["runningCount"]) for one in shown["deployments"]
    ]
    assert deployments == [("PRIMARY", ":2", "IN_PROGRESS", 0), ("ACTIVE", ":1", "COMPLETED", 2)]


def test_services_stable_ends_when_the_deployment_does(service: Service) -> None:
    service.update(taskDefinition=service.register(2))
    waiter = service.ecs.get_waiter("services_stable")
    with pytest.raises(Exception, match="Max attempts exceeded"):
        waiter.wait(cluster=service.name, services=[service.name], WaiterConfig={"Delay": 0, "MaxAttempts": 1})
    service.after(SECONDS)
    waiter.wait(cluster=service.name, services=[service.name], WaiterConfig={"Delay": 0, "MaxAttempts": 1})


def unknown_members(shape: Any, value: Any, path: str = "") -> list[str]:
    """What an answer holds that botocore's model of the operation does not know."""
    match shape.type_name:
        case "structure":
            known = [(key, item) for key, item in value.items() if key in shape.members]
            unknown = [f"{path}.{key}" for key in value.keys() - shape.members.keys()]
            return unknown + [one for key, item in known for one in unknown_members(shape.members[key], item, f"{path}.{key}")]
        case "list":
            return [one for item in value for one in unknown_members(shape.member, item, f"{path}[]")]
        case "string" if shape.metadata.get("enum") and value not in shape.metadata["enum"]:
            return [f"{path}={value}"]
        case "string" | "integer" | "boolean" | "timestamp":
            kinds = {"string": str, "integer": int, "boolean": bool, "timestamp": int | float}
            return [] if isinstance(value, kinds[shape.type_name]) else [f"{path}: {value!r}"]
    return []


OPERATIONS = {
    "UpdateService",
    "DescribeServices",
    "ListServiceDeployments",
    "DescribeServiceDeployments",
    "DescribeServiceRevisions",
    "StopServiceDeployment",
}


def test_every_answer_has_the_shape_of_botocores_model(empty_cloud: Cloud) -> None:
    problems: set[str] = set()
    seen: set[str] = set()

    def check(http_response: Any, model: Any, **_: Any) -> None:
        if model.name in OPERATIONS:
            seen.add(model.name)
            problems.update(unknown_members(model.output_shape, json.loads(http_response.content), model.name))

    service = Service(empty_cloud, BREAKER)
    service.ecs.meta.events.register("after-call.ecs.*", check)
    empty_cloud.fail_tasks_of(f"{service.name}:3")
    for version, seconds in ((2, 60), (3, 20), (3, 40)):
        service.update(taskDefinition=service.register(version))
        service.after(seconds)
        service.revision(service.last["targetServiceRevision"]["arn"])
        _ = service.shown
    service.update(taskDefinition=service.register(4))
    service.ecs.stop_service_deployment(serviceDeploymentArn=service.last["serviceDeploymentArn"])
    assert seen == OPERATIONS
    assert not problems
