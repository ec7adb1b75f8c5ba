"""Amazon ECS with one service, for the functions under test: its deployments are a rollout of `local.ecs`.

moto has no service deployments and accepts inactive task definitions. Requests arrive as botocore sends them, and each answer
is checked against botocore's shape.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from io import BytesIO
from math import inf
from typing import Any

from botocore.awsrequest import AWSResponse
from botocore.model import ServiceModel
from botocore.validate import ParamValidator

from local.ecs import operations
from local.ecs.rollout import Conditions, Deployment, RefusedError, Revision, Rollout, Status
from tests.environments import PRODUCTION

Members = dict[str, Any]

ALARM = "a-deployment-alarm"
TASKS = 2


@dataclass(frozen=True)
class Changed:
    """A change that the service was asked for: from and to which task definition, when, and which had `failed` by then."""

    operation: str
    before: str
    after: str
    at: datetime
    failed: frozenset[str]


class Ecs:
    """An ECS service. A deployment ends after `seconds`, or when a test ends it. `changes` is what the functions asked for."""

    def __init__(self, now: datetime, model: ServiceModel) -> None:
        self.now = now
        self.seconds = inf
        self.configuration: Members = {"alarms": {"alarmNames": [ALARM], "enable": True, "rollback": True}}
        """The `deploymentConfiguration` of the deployments to come."""
        self.in_alarm: set[str] = set()
        self.failing: set[str] = set()
        """Task definitions whose tasks do not start."""
        self.definitions: dict[str, Members] = {}
        """Of each task definition, by its ARN: the status, the image, and the members of the container beside it."""
        self.rollout = Rollout(PRODUCTION.arn("ecs", f"service/{PRODUCTION.cluster}/{PRODUCTION.service}"), TASKS)
        self.changes: list[Changed] = []
        self.page = 100
        """The most deployments on a page of ListServiceDeployments."""
        self.tasks: dict[str, Members] = {}
        """The tasks by their ids; `settle` makes them as many as there should be."""
        self._model = model

    # What releases and ECS itself do

    def register(self, **container: Any) -> str:
        """The ARN of a new task definition, whose container has these members beside its image."""
        number = len(self.definitions) + 1
        arn = PRODUCTION.arn("ecs", f"task-definition/{PRODUCTION.family}:{number}")
        image = f"{PRODUCTION.repository}:release-{number}"
        self.definitions[arn] = {"status": "ACTIVE", "image": image, "container": container}
        return arn

    def deploy(self, definition: str) -> None:
        """Begin a deployment, and its rollout, at once."""
        number = f"{len(self.revisions) + 1:04}"
        images = {"backend": self.definitions[definition]["image"]}
        arn = self.rollout.related("service-revision", number)
        revision = Revision(arn, self.now.timestamp(), definition, images, {"launchType": "FARGATE"})
        self.rollout.begin(self._conditions, number, revision, configuration=self.configuration, seconds=self.seconds)
        self.rollout.end_phase(self._conditions)

    def fail(self) -> None:
        """A deployment alarm fails the last deployment: ECS begins to roll it back."""
        self.rollout.advance(Conditions(self.now.timestamp(), in_alarm=[ALARM]))

    def stop(self) -> None:
        """Somebody stops the last deployment, and ECS begins to roll it back."""
        self.rollout.stop(self._conditions, self.deployments[-1], "ROLLBACK")

    def abort(self) -> None:
        """Somebody stops the last deployment without a rollback."""
        self.rollout.stop(self._conditions, self.deployments[-1], "ABORT")

    def settle(self) -> None:
        """What is under way ends as it should, now."""
        while self.rollout.last and self.rollout.last.running:
            self.rollout.end_phase(self._conditions)
        for task in self.tasks.values():
            task["lastStatus"] = task["desiredStatus"]
        for number in range(len(self.tasks), len(self.tasks) + self.rollout.desired - len(self._running)):
            arn = PRODUCTION.arn("ecs", f"task/{PRODUCTION.cluster}/{number:032x}")
            group = f"service:{PRODUCTION.service}"
            states = {"lastStatus": "RUNNING", "desiredStatus": "RUNNING", "healthStatus": "HEALTHY"}
            self.tasks[f"{number:032x}"] = {"taskArn": arn, "group": group, **states}

    @property
    def current(self) -> str:
        """The task definition that the service is set to."""
        return self.rollout.primary.task_definition if self.rollout.primary else ""

    @property
    def deployments(self) -> list[Deployment]:
        return self.rollout.deployments

    @property
    def revisions(self) -> list[Revision]:
        return self.rollout.revisions

    @property
    def _conditions(self) -> Conditions:
        return Conditions(self.now.timestamp(), self.in_alarm, self.failing)

    # The operations

    def __call__(self, request: Any, **_: Any) -> AWSResponse:
        """Answers a request to ECS in place of the network."""
        name = request.headers["X-Amz-Target"].decode().rpartition(".")[2]
        self.rollout.advance(self._conditions)
        try:
            status, answer = 200, self._answer(name, json.loads(request.body))
            report = ParamValidator().validate(answer, self._model.operation_model(name).output_shape)
            assert not report.has_errors(), report.generate_report()
        except RefusedError as refused:
            status, answer = 400, {"__type": refused.code, "message": str(refused)}
        body: Any = _Body(json.dumps(answer).encode())
        return AWSResponse(request.url, status, {"Content-Type": "application/x-amz-json-1.1"}, body)

    def _answer(self, operation: str, request: Members) -> Members:
        own = {
            "DescribeServices": self._describe_services,
            "DescribeTaskDefinition": self._describe_task_definition,
            "UpdateService": self._update_service,
            "ListTasks": self._list_tasks,
            "DescribeTasks": self._describe_tasks,
            "StopTask": self._stop_task,
        }
        if operation in own:
            return own[operation](request)
        match operation:
            case "ListServiceDeployments":
                request["maxResults"] = min(self.page, request.get("maxResults", 20))
            case "StopServiceDeployment":
                assert request["stopType"] == "ROLLBACK"
        changed = Changed(operation, self.current, self._good, self.now, self._failed)
        answer = operations.OPERATIONS[operation]([self.rollout], request, self._conditions)
        if operation == "StopServiceDeployment":
            self.changes.append(changed)
        answer.get("serviceDeployments", []).reverse()  # ECS promises no order
        return answer

    def _describe_services(self, request: Members) -> Members:
        if (request["cluster"], request["services"]) != (PRODUCTION.cluster, [PRODUCTION.service]):
            return {"services": [], "failures": [{"arn": request["services"][0], "reason": "MISSING"}]}
        tasks = self.rollout.desired
        members = {"taskDefinition": self.current, "desiredCount": tasks, "runningCount": tasks, "status": "ACTIVE"}
        members |= operations.service_members(self.rollout, self._conditions)
        if self.tasks:
            members["runningCount"] = len(self._running)
        events = [{"id": "1", "createdAt": self.now.timestamp(), "message": "has reached a steady state."}]
        return {"services": [members | {"events": events}], "failures": []}

    @property
    def _running(self) -> list[Members]:
        return [task for task in self.tasks.values() if task["desiredStatus"] == "RUNNING"]

    def _list_tasks(self, request: Members) -> Members:
        assert (request["cluster"], request["serviceName"]) == (PRODUCTION.cluster, PRODUCTION.service)
        return {"taskArns": [task["taskArn"] for task in self._running]}

    def _describe_tasks(self, request: Members) -> Members:
        assert request["cluster"] == PRODUCTION.cluster
        names = [one.rpartition("/")[2] for one in request["tasks"]]
        found = [self.tasks[name] for name in names if name in self.tasks]
        missing = [{"arn": name, "reason": "MISSING"} for name in names if name not in self.tasks]
        return {"tasks": found, "failures": missing}

    def _stop_task(self, request: Members) -> Members:
        task = self.tasks[request["task"]]
        task |= {"desiredStatus": "STOPPED", "lastStatus": "DEACTIVATING", "stoppedReason": request["reason"]}
        return {"task": task}

    def _describe_task_definition(self, request: Members) -> Members:
        arn = request["taskDefinition"]
        if arn not in self.definitions:
            raise RefusedError("ClientException", "Unable to describe task definition.")
        found = self.definitions[arn]
        sidecar = {"name": "sidecar", "image": "sidecar:1"}  # not always the second
        containers = [sidecar, {"name": PRODUCTION.application.container.name, "image": found["image"], **found["container"]}]
        given = {  # by ECS, to each revision its own
            "taskDefinitionArn": arn,
            "revision": int(arn.rpartition(":")[2]),
            "status": found["status"],
            "registeredBy": f"arn:aws:iam::{PRODUCTION.account}:user/{arn.rpartition(':')[2]}",
            "requiresAttributes": [{"name": f"needed-by-{arn.rpartition(':')[2]}"}],
        }
        return {"taskDefinition": {**given, "family": PRODUCTION.family, "cpu": "2048", "containerDefinitions": containers}}

    def _update_service(self, request: Members) -> Members:
        wanted = request.get("taskDefinition", self.current)
        assert (request["cluster"], request["service"]) == (PRODUCTION.cluster, PRODUCTION.service)
        operations.check_task_definition(self.definitions.get(wanted, {}).get("status"))
        self.changes.append(Changed("UpdateService", self.current, wanted, self.now, self._failed))
        self.rollout.desired = request.get("desiredCount", self.rollout.desired)
        if wanted != self.current or request.get("forceNewDeployment"):
            self.deploy(wanted)
        return {"service": {"taskDefinition": wanted}}

    @property
    def _good(self) -> str:
        """The task definition of the last deployment that completed."""
        return self.rollout.completed.task_definition if self.rollout.completed else ""

    @property
    def _failed(self) -> frozenset[str]:
        """The task definitions whose deployment did not end well, or is being stopped."""
        well = (Status.PENDING, Status.IN_PROGRESS, Status.SUCCESSFUL)
        return frozenset(one.target.task_definition for one in self.deployments if one.status not in well)


class _Body(BytesIO):
    def stream(self, **_: Any) -> Iterator[bytes]:
        yield self.read()
