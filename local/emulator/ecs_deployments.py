"""ECS service deployments in the emulator: the rollouts of `local.ecs`, on the clock, with tasks that start and stop.

ministack 1.5.33 completes every update at once and has no service deployments. It keeps clusters, task definitions and the
records of services and tasks; this module decides which tasks a service runs. Replaced in `ministack.services.ecs`:
- CreateService, UpdateService and DeleteService: called through, and the deployment follows;
- the operations that read services and tasks: what is due on the clock happens first;
- RunTask: see `local.emulator.tasks`;
- ListServiceDeployments, DescribeServiceDeployments, DescribeServiceRevisions, StopServiceDeployment: stubs or missing;
- `_reconcile_service_tasks`, `_refresh_service_state` and `_record_service_task_failure`: its own scheduling, off;
- `_get_docker`: there is none, so that the cloud is the same on every machine.
"""

import functools
import ipaddress
import itertools
import json
import secrets
import threading
from collections import defaultdict
from collections.abc import Callable, Iterator
from typing import Any

from ministack.core.responses import error_response_json, json_response, request_scope
from ministack.services import cloudwatch, ec2, ecs

from local.ecs import operations
from local.ecs.rollout import Conditions, RefusedError, Revision, Rollout, Status, TaskFailure, Turn
from local.emulator.clock import Clock
from local.emulator.tasks import run_task

Request = dict[str, Any]
Record = dict[str, Any]
Response = tuple[int, dict[str, str], bytes]

_OF_A_REVISION = ("networkConfiguration", "loadBalancers", "platformVersion", "capacityProviderStrategy", "launchType")
"""The members of a service whose change makes a new revision, beside its task definition."""


class Service:
    """A service: the emulator's record of it, which DescribeServices shows, and its rollout."""

    def __init__(self, record: Record, observer: Callable[["Service", Turn | TaskFailure], None]) -> None:
        self.record = record
        self.rollout = Rollout(record["serviceArn"], record["desiredCount"], functools.partial(observer, self))

    @property
    def cluster(self) -> str:
        return self.rollout.path.partition("/")[0]

    @property
    def key(self) -> tuple[str, str]:
        """Of its tasks in `_tasks_of_services`."""
        return self.record["clusterArn"], f"service:{self.record['serviceName']}"

    def event(self, at: float, message: str) -> None:
        text = f"(service {self.record['serviceName']}) {message}"
        self.record["events"].insert(0, {"id": secrets.token_hex(16), "createdAt": at, "message": text})


class Deployments:
    """The service deployments of the server, and the operations on them. A deployment takes `seconds` on the clock."""

    def __init__(self, clock: Clock, seconds: float) -> None:
        self.clock = clock
        self.seconds = seconds
        self.failing: set[str] = set()
        """Images and task definition ARNs whose tasks do not start."""
        self.services: dict[str, Service] = {}
        self.observer: Callable[[Turn], None] = lambda _: None
        """Called with each turn of a deployment."""
        self.started: Callable[[Record], None] = lambda _: None
        """Called with each task that a service starts."""
        self._lock = threading.RLock()
        self._addresses = itertools.count(20)

    def install(self) -> None:
        """Plug the operations into the emulator."""
        self._create, self._update, self._delete = ecs._create_service, ecs._update_service, ecs._delete_service
        ecs._get_docker = lambda: None
        ecs._reconcile_service_tasks = ecs._refresh_service_state = ecs._record_service_task_failure = _nothing
        ecs.now_iso = lambda: self.clock.now().isoformat(timespec="milliseconds").replace("+00:00", "Z")
        replaced: dict[str, Callable[[Request], Response]] = {
            "CreateService": self.create_service,
            "UpdateService": self.update_service,
            "DeleteService": self.delete_service,
            "RunTask": run_task,
            **{name: functools.partial(self._answer, name) for name in operations.OPERATIONS},
        }
        for name in ("DescribeServices", "ListServices", "DescribeTasks", "ListTasks", "DescribeClusters"):
            replaced[name] = ecs._ACTION_MAP[name]
        ecs._ACTION_MAP.update({name: self._operation(operation) for name, operation in replaced.items()})
        ecs._delete_service = self._operation(self.delete_service)  # CloudFormation calls it by name

    def _operation(self, operation: Callable[[Request], Response]) -> Callable[[Request], Response]:
        """An operation after what is due by now, with ECS's answer to what it refuses."""

        def run(request: Request) -> Response:
            with self._lock:
                self.progress()
                try:
                    return operation(request)
                except RefusedError as refused:
                    return error_response_json(refused.code, str(refused), 400)  # type: ignore[no-any-return]

        return run

    # What happens on the clock

    def progress(self) -> None:
        """Let everything happen that is due by now."""
        with self._lock:
            tasks = _tasks_of_services()
            for (account, region), services in self._scopes().items():
                with request_scope(account, region):
                    conditions = self._conditions()
                    for service in services:
                        service.rollout.desired = service.record["desiredCount"]
                        service.rollout.advance(conditions)
                        self._arrange(service, tasks[service.key], conditions)

    def _scopes(self) -> dict[tuple[str, str], list[Service]]:
        """The services by account and region."""
        found: defaultdict[tuple[str, str], list[Service]] = defaultdict(list)
        for service in self.services.values():
            _, _, _, region, account, _ = service.rollout.arn.split(":", 5)
            found[account, region].append(service)
        return found

    def _conditions(self) -> Conditions:
        alarms = (*cloudwatch._alarms.items(), *cloudwatch._composite_alarms.items())
        in_alarm = {name for name, alarm in alarms if alarm.get("StateValue") == "ALARM"}
        return Conditions(self.clock.time(), in_alarm, self.failing)

    def _happened(self, service: Service, what: Turn | TaskFailure) -> None:
        if isinstance(what, TaskFailure):
            self._start_and_fail(service, what)
            return
        for message in _messages(what, service.rollout.desired):
            service.event(what.at, message)
        self.observer(what)

    # Tasks

    def _arrange(self, service: Service, tasks: list[Record], conditions: Conditions) -> None:
        """Start and stop tasks until those that should run do, and show it in the service's record."""
        wanted = service.rollout.tasks(conditions)
        running: defaultdict[str, list[Record]] = defaultdict(list)
        for task in tasks:
            running[task["_revision"]].append(task)
        for revision, count in wanted.items():
            for _ in range(count - len(running[revision.arn])):
                self._run(service, revision)
        counts = {revision.arn: count for revision, count in wanted.items()}
        for arn, those in running.items():
            for task in those[counts.get(arn, 0) :]:
                ecs._mark_task_stopped(
                    task["taskArn"], task, "Scaling activity initiated by deployment", "ServiceSchedulerInitiated"
                )
        service.record.update(operations.service_members(service.rollout, conditions))
        ecs._sync_service_targets(service.cluster, service.record)

    def _run(self, service: Service, revision: Revision) -> Record:
        record = service.record
        answer = ecs._run_task(
            {
                "cluster": service.cluster,
                "taskDefinition": revision.task_definition,
                "group": f"service:{record['serviceName']}",
                "startedBy": f"ecs-svc/{revision.number}",
                "launchType": record.get("launchType"),
                "capacityProviderStrategy": record.get("capacityProviderStrategy"),
                "platformVersion": record.get("platformVersion", ""),
                "networkConfiguration": record.get("networkConfiguration", {}),
                "enableExecuteCommand": record.get("enableExecuteCommand", False),
            }
        )
        task: Record = ecs._tasks[json.loads(answer[2])["tasks"][0]["taskArn"]]
        task["_revision"] = revision.arn
        subnet = str(task.get("_subnet") or "")
        network = ipaddress.ip_network((ec2._subnets.get(subnet) or {}).get("CidrBlock", "10.0.0.0/16"))
        address = str(network[next(self._addresses) % (network.num_addresses - 10)])
        task["_container_ip"] = address
        details = [{"name": "subnetId", "value": subnet}, {"name": "privateIPv4Address", "value": address}]
        task["attachments"] = [
            {"id": secrets.token_hex(16), "type": "ElasticNetworkInterface", "status": "ATTACHED", "details": details}
        ]
        self.started(task)
        return task

    def _start_and_fail(self, service: Service, failure: TaskFailure) -> None:
        task = self._run(service, failure.deployment.target)
        image = next(iter(failure.deployment.target.images.values()))
        reason = f"CannotPullContainerError: pull image manifest has been retried 1 time(s): failed to resolve ref {image}"
        ecs._mark_task_stopped(task["taskArn"], task, reason, "TaskFailedToStart")
        service.event(failure.at, f"was unable to start a task: {reason}")

    # The operations

    def create_service(self, request: Request, *, seconds: float | None = None) -> Response:
        """CreateService. The deployment takes `seconds`, or the server's `deployment_seconds`."""
        operations.check_task_definition(_task_definition(request.get("taskDefinition", "")).get("status"))
        answer: Response = self._create(request)
        if answer[0] != 200:
            return answer
        arn = json.loads(answer[2])["service"]["serviceArn"]
        record: Record = ecs._services[arn.partition(":service/")[2]]
        record.update({key: value for key, value in request.items() if key not in record and key != "cluster"})
        self.services[arn] = service = Service(record, self._happened)
        self._begin(service, seconds)
        return _described(service)

    def update_service(self, request: Request, *, seconds: float | None = None) -> Response:
        """UpdateService: a change of what runs, or `forceNewDeployment`, starts a service deployment."""
        if "taskDefinition" in request:
            operations.check_task_definition(_task_definition(request["taskDefinition"]).get("status"))
        service = self._find(request)
        before = _runs(service.record) if service else {}
        answer: Response = self._update(request)
        if answer[0] != 200 or service is None:
            return answer
        if _runs(service.record) != before or request.get("forceNewDeployment"):
            self._begin(service, seconds)
        return _described(service)

    def delete_service(self, request: Request) -> Response:
        service = self._find(request)
        answer: Response = self._delete(request)
        if answer[0] == 200 and service:
            for task in _tasks_of_services()[service.key]:
                ecs._mark_task_stopped(task["taskArn"], task, "Service deleted", "ServiceSchedulerInitiated")
            del self.services[service.rollout.arn]
        return answer

    def _answer(self, operation: str, request: Request) -> Response:
        """Any other operation."""
        if "cluster" in request and ecs._resolve_cluster_name(request["cluster"]) not in ecs._clusters:
            raise RefusedError("ClusterNotFoundException", "Cluster not found.")
        rollouts = [service.rollout for service in self.services.values()]
        return _response(operations.OPERATIONS[operation](rollouts, request, self._conditions()))

    # CloudFormation

    def provision(self, request: Request) -> str:
        """Create or update a service as a stack does, which waits for the end of the deployment; the service's ARN.

        ValueError when ECS refuses, or when the deployment failed.
        """
        with self._lock:
            operation = self.update_service if self._find(request) else self.create_service
            status, _, body = self._operation(functools.partial(operation, seconds=0))(request)
            answer = json.loads(body)
            if status != 200:
                raise ValueError(answer["message"])
            arn = str(answer["service"]["serviceArn"])
            last = self.services[arn].rollout.deployments[-1]
            if last.status not in (Status.SUCCESSFUL, Status.PENDING, Status.IN_PROGRESS):
                raise ValueError(f"the service deployment ended {last.status}: {last.reason}")
            return arn

    def at_least(self, path: str, minimum: int) -> None:
        """Raise the desired count of `cluster/service` to the minimum that a scalable target gives it."""
        with self._lock:
            for service in self.services.values():
                if service.rollout.path == path:
                    service.record["desiredCount"] = max(service.record["desiredCount"], minimum)
            self.progress()

    # Helpers of the operations

    def _begin(self, service: Service, seconds: float | None) -> None:
        rollout, record, conditions = service.rollout, service.record, self._conditions()
        definition = _task_definition(record["taskDefinition"])
        revision = Revision(
            rollout.related("service-revision", str(secrets.randbelow(9 * 10**18) + 10**18)),
            conditions.now,
            definition["taskDefinitionArn"],
            {one["name"]: one["image"] for one in definition["containerDefinitions"]},
            {key: record[key] for key in _OF_A_REVISION if record.get(key)},
        )
        rollout.desired = record["desiredCount"]
        rollout.begin(
            conditions,
            secrets.token_urlsafe(16)[:21],
            revision,
            configuration=record.get("deploymentConfiguration") or {},
            seconds=self.seconds if seconds is None else seconds,
        )
        self.progress()

    def _find(self, request: Request) -> Service | None:
        cluster = ecs._resolve_cluster_name(request.get("cluster", "default"))
        name = (request.get("service") or request.get("serviceName") or "").rpartition("/")[2]
        record = ecs._services.get(f"{cluster}/{name}")
        return self.services.get(record["serviceArn"]) if record else None


def _tasks_of_services() -> defaultdict[tuple[str, str], list[Record]]:
    """The emulator's records of the tasks that have not stopped, by cluster and group: read at once for all services."""
    found: defaultdict[tuple[str, str], list[Record]] = defaultdict(list)
    for task in list(ecs._tasks._data.values()):
        if task["lastStatus"] != "STOPPED":
            found[task["clusterArn"], task.get("group", "")].append(task)
    return found


def _nothing(*_: Any, **__: Any) -> None:
    """Takes the place of the emulator's own scheduling."""


def _messages(turn: Turn, desired: int) -> Iterator[str]:
    """The service events of a deployment's turn."""
    deployment = turn.deployment
    name = f"(deployment ecs-svc/{deployment.target.number})"
    if deployment.failed and turn.status in (Status.STOPPED, Status.ROLLBACK_IN_PROGRESS):
        yield f"{name} deployment failed: {deployment.reason}"
    match turn.status:
        case Status.IN_PROGRESS:
            yield f"has started {desired} tasks: {name}."
        case Status.ROLLBACK_REQUESTED | Status.STOP_REQUESTED:
            yield deployment.reason
        case Status.ROLLBACK_IN_PROGRESS if deployment.rollback:
            yield f"rolling back to deployment ecs-svc/{deployment.rollback.to.number}."
        case Status.SUCCESSFUL:
            yield f"{name} deployment completed."
    if turn.status in (Status.SUCCESSFUL, Status.ROLLBACK_SUCCESSFUL):
        yield "has reached a steady state."


def _runs(record: Record) -> dict[str, Any]:
    """What a service runs: a change of it takes a deployment."""
    return {key: record.get(key) for key in ("taskDefinition", *_OF_A_REVISION)}


def _task_definition(reference: str) -> Record:
    """The emulator's record of a task definition; empty when there is none."""
    found: Record | None = ecs._task_defs.get(ecs._resolve_td_key(reference))
    return found or {}


def _response(body: operations.Answer) -> Response:
    return json_response(body)  # type: ignore[no-any-return]


def _described(service: Service) -> Response:
    return _response({"service": ecs._sanitize(service.record)})
