"""ECS service deployments: rollouts that take time on the clock, can fail, and roll back as ECS does.

https://docs.aws.amazon.com/AmazonECS/latest/developerguide/service-deployment.html

ministack 1.5.33 completes every update at once and has no service deployments. It keeps clusters, task definitions and the
records of services and tasks; this module decides which tasks a service runs. Replaced in `ministack.services.ecs`:
- CreateService, UpdateService, DeleteService, in `_ACTION_MAP` and by name, called through and then carried on;
- the operations that read services and tasks, so that what came due on the clock has happened when they look;
- ListServiceDeployments, DescribeServiceDeployments, DescribeServiceRevisions, StopServiceDeployment: stubs or missing;
- `_reconcile_service_tasks`, `_refresh_service_state` and `_record_service_task_failure`: its own scheduling, off;
- `_get_docker`: never, so that the cloud is the same on every machine.
"""

import ipaddress
import itertools
import json
import secrets
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from ministack.core.responses import error_response_json, json_response, request_scope
from ministack.services import cloudwatch, ec2, ecs

from local.emulator.clock import Clock

Request = dict[str, Any]
Response = tuple[int, dict[str, str], bytes]

# How long a deployment stays in a status, as a share of the time it takes.
_PHASES = {"PENDING": 1 / 18, "STOP_REQUESTED": 1 / 18, "ROLLBACK_REQUESTED": 1 / 18, "ROLLBACK_IN_PROGRESS": 1 / 3}
# Likewise: after how long the new tasks run, and one that cannot start is tried again.
_TASKS_RUN, _RETRY = 1 / 2, 1 / 9

_RUNNING_STATUSES = ("PENDING", "IN_PROGRESS", "STOP_REQUESTED", "ROLLBACK_REQUESTED", "ROLLBACK_IN_PROGRESS")
_NEW_REVISION = ("networkConfiguration", "loadBalancers", "platformVersion", "capacityProviderStrategy", "launchType")


@dataclass
class Revision:
    """A service revision: what the service runs, as it was configured then."""

    arn: str
    created: float
    service: Mapping[str, Any]
    task_definition: Mapping[str, Any]

    @property
    def number(self) -> str:
        return self.arn.rpartition("/")[2]

    @property
    def images(self) -> list[dict[str, str]]:
        return [{"containerName": one["name"], "image": one["image"]} for one in self.task_definition["containerDefinitions"]]

    @property
    def summary(self) -> dict[str, Any]:
        configuration = {key: self.service[key] for key in _NEW_REVISION if self.service.get(key)}
        return {
            "serviceRevisionArn": self.arn,
            "serviceArn": self.service["serviceArn"],
            "clusterArn": self.service["clusterArn"],
            "taskDefinition": self.task_definition["taskDefinitionArn"],
            "containerImages": self.images,
            "createdAt": self.created,
            **configuration,
        }


@dataclass
class Deployment:
    """A service deployment. `seconds` is how long it takes, 0 when CloudFormation makes it, which waits for its end."""

    arn: str
    source: Revision | None
    target: Revision
    created: float
    seconds: float
    configuration: Mapping[str, Any]
    threshold: int
    watches_alarms: bool
    status: str = "PENDING"
    reason: str = ""
    since: float = 0.0
    """When the status began."""
    started: float | None = None
    finished: float | None = None
    stopped: float | None = None
    failures: int = 0
    triggered: list[str] = field(default_factory=list)
    rollback: dict[str, Any] | None = None

    @property
    def running(self) -> bool:
        return self.status in _RUNNING_STATUSES

    @property
    def breaker(self) -> Mapping[str, Any]:
        return dict(self.configuration.get("deploymentCircuitBreaker") or {})

    @property
    def alarms(self) -> Mapping[str, Any]:
        return dict(self.configuration.get("alarms") or {})


class Service:
    """The deployments of one service; `record` is the emulator's own, which DescribeServices shows."""

    def __init__(self, record: dict[str, Any]) -> None:
        self.record = record
        self.revisions: list[Revision] = []
        self.deployments: list[Deployment] = []
        self.current: Revision | None = None
        """The revision of the last deployment that completed."""

    @property
    def arn(self) -> str:
        return str(self.record["serviceArn"])

    @property
    def path(self) -> str:
        """cluster/service"""
        return self.arn.partition(":service/")[2]

    @property
    def cluster(self) -> str:
        return self.path.partition("/")[0]

    def related(self, kind: str, identifier: str) -> str:
        """The ARN of a service deployment or revision of this service."""
        return f"{self.arn.partition(':service/')[0]}:{kind}/{self.path}/{identifier}"

    def event(self, at: float, message: str) -> None:
        text = f"(service {self.record['serviceName']}) {message}"
        self.record["events"].insert(0, {"id": secrets.token_hex(16), "createdAt": at, "message": text})


class Deployments:
    """All service deployments of the server, and the operations on them."""

    def __init__(self, clock: Clock, seconds: float) -> None:
        self.clock = clock
        self.seconds = seconds
        self.failing: set[str] = set()
        """Images and task definition ARNs whose tasks do not start."""
        self.services: dict[str, Service] = {}
        self.announce: Callable[[Deployment, float], None] = lambda *_: None
        """Told of each deployment that turned to another status, and when it did."""
        self._lock = threading.RLock()
        self._addresses = itertools.count(20)

    def install(self) -> None:
        """Plug the operations into the emulator."""
        self._create, self._update, self._delete = ecs._create_service, ecs._update_service, ecs._delete_service
        ecs._get_docker = lambda: None
        ecs._reconcile_service_tasks = ecs._refresh_service_state = ecs._record_service_task_failure = _nothing
        ecs.now_iso = lambda: self.clock.now().isoformat(timespec="milliseconds").replace("+00:00", "Z")
        operations: dict[str, Callable[[Request], Response]] = {
            "CreateService": self.create_service,
            "UpdateService": self.update_service,
            "DeleteService": self.delete_service,
            "ListServiceDeployments": self.list_service_deployments,
            "DescribeServiceDeployments": self.describe_service_deployments,
            "DescribeServiceRevisions": self.describe_service_revisions,
            "StopServiceDeployment": self.stop_service_deployment,
        }
        for name in ("DescribeServices", "ListServices", "DescribeTasks", "ListTasks", "DescribeClusters"):
            operations[name] = self._after_progress(ecs._ACTION_MAP[name])
        ecs._ACTION_MAP.update(operations)
        ecs._delete_service = self.delete_service  # CloudFormation calls it by name

    # What happens on the clock

    def progress(self) -> None:
        """Let everything happen that is due by now."""
        with self._lock:
            for service in self.services.values():
                account, region = service.arn.split(":")[4], service.arn.split(":")[3]
                with request_scope(account, region):
                    while service.deployments and self._step(service, service.deployments[-1]):
                        pass
                    self._arrange(service)

    def _step(self, service: Service, deployment: Deployment) -> bool:
        """Make one transition of a deployment that is due; False when none is."""
        if deployment.status == "IN_PROGRESS":
            return self._roll_out(service, deployment, self.clock.time())
        if deployment.status not in _PHASES:
            return False
        due = deployment.since + _PHASES[deployment.status] * deployment.seconds
        if self.clock.time() < due:
            return False
        self._end_phase(service, deployment, due)
        return True

    def _end_phase(self, service: Service, deployment: Deployment, at: float) -> None:
        match deployment.status:
            case "PENDING":
                deployment.started = at
                self._turn(deployment, "IN_PROGRESS", at)
                started = f"has started {service.record['desiredCount']} tasks"
                service.event(at, f"{started}: (deployment ecs-svc/{deployment.target.number}).")
            case "STOP_REQUESTED":
                self._finish(deployment, "STOPPED", at, deployment.reason)
            case "ROLLBACK_REQUESTED":
                self._roll_back(service, deployment, at, deployment.reason)
            case "ROLLBACK_IN_PROGRESS" if deployment.source and self._fails(deployment.source):
                self._finish(deployment, "ROLLBACK_FAILED", at, "The tasks of the source revision failed to start.")
            case "ROLLBACK_IN_PROGRESS":
                self._finish(deployment, "ROLLBACK_SUCCESSFUL", at, deployment.reason)
                service.current = deployment.source
                service.event(at, "has reached a steady state.")

    def _roll_out(self, service: Service, deployment: Deployment, now: float) -> bool:
        assert deployment.started is not None
        end = deployment.started + (1 - _PHASES["PENDING"]) * deployment.seconds
        failing = self._fails(deployment.target)
        if not failing and now >= end:
            self._finish(deployment, "SUCCESSFUL", end, "")
            service.current = deployment.target
            service.event(end, f"(deployment ecs-svc/{deployment.target.number}) deployment completed.")
            service.event(end, "has reached a steady state.")
            return True
        if failing:
            retry = _RETRY * deployment.seconds
            while deployment.failures < deployment.threshold:
                due = deployment.started + retry * (deployment.failures + 1)
                if now < due:
                    break
                deployment.failures += 1
                self._start_and_fail(service, deployment, due)
            else:
                if deployment.breaker.get("enable"):
                    at = deployment.started + retry * deployment.failures
                    reason = "Service deployment rolled back because the circuit breaker threshold was exceeded."
                    self._fail(service, deployment, at, reason, roll_back=bool(deployment.breaker.get("rollback")))
                    return True
        if deployment.watches_alarms:
            fired = [name for name in deployment.alarms["alarmNames"] if _alarm_state(name) == "ALARM"]
            if fired:
                deployment.triggered = fired
                reason = f"Service deployment rolled back because of CloudWatch alarm(s) in ALARM: {', '.join(fired)}."
                self._fail(service, deployment, now, reason, roll_back=bool(deployment.alarms.get("rollback")))
                return True
        return False

    def _turn(self, deployment: Deployment, status: str, at: float) -> None:
        deployment.status, deployment.since = status, at
        self.announce(deployment, at)

    def _finish(self, deployment: Deployment, status: str, at: float, reason: str) -> None:
        self._turn(deployment, status, at)
        deployment.finished, deployment.reason = at, reason
        if status == "STOPPED":
            deployment.stopped = at

    def _fail(self, service: Service, deployment: Deployment, at: float, reason: str, *, roll_back: bool) -> None:
        service.event(at, f"(deployment ecs-svc/{deployment.target.number}) deployment failed: {reason}")
        if roll_back and deployment.source:
            self._roll_back(service, deployment, at, reason)
        else:
            self._finish(deployment, "STOPPED", at, reason.replace("rolled back", "stopped"))

    def _roll_back(self, service: Service, deployment: Deployment, at: float, reason: str) -> None:
        assert deployment.source
        deployment.reason = reason
        deployment.rollback = {"reason": reason, "startedAt": at, "serviceRevisionArn": deployment.source.arn}
        self._turn(deployment, "ROLLBACK_IN_PROGRESS", at)
        service.record["taskDefinition"] = deployment.source.task_definition["taskDefinitionArn"]
        service.event(at, f"rolling back to deployment ecs-svc/{deployment.source.number}.")

    def _fails(self, revision: Revision) -> bool:
        names = {one["image"] for one in revision.images} | {revision.task_definition["taskDefinitionArn"]}
        return bool(names & self.failing)

    # Tasks

    def _wanted(self, service: Service) -> dict[str, tuple[Revision, int]]:
        """How many tasks of which revision run now, by the revision's ARN."""
        desired = int(service.record["desiredCount"]) if service.record["status"] == "ACTIVE" else 0
        deployment = service.deployments[-1] if service.deployments else None
        wanted: dict[str, tuple[Revision, int]] = {}
        if service.current:
            wanted[service.current.arn] = (service.current, desired)
        if deployment and deployment.running and deployment.started is not None and not self._fails(deployment.target):
            started = self.clock.time() >= deployment.started + (_TASKS_RUN - _PHASES["PENDING"]) * deployment.seconds
            if started or deployment.status != "IN_PROGRESS":
                # At twice the size until the old tasks stop, as maximumPercent = 200 allows.
                running = desired if deployment.status == "IN_PROGRESS" or self._ran(service, deployment.target) else 0
                wanted[deployment.target.arn] = (deployment.target, running)
        return wanted

    def _ran(self, service: Service, revision: Revision) -> bool:
        return any(task.get("_revision") == revision.arn for task in self._tasks(service))

    def _tasks(self, service: Service) -> Iterator[dict[str, Any]]:
        group = f"service:{service.record['serviceName']}"
        for task in list(ecs._tasks.values()):
            live = task["lastStatus"] != "STOPPED"
            if live and task.get("group") == group and task["clusterArn"] == service.record["clusterArn"]:
                yield task

    def _arrange(self, service: Service) -> None:
        """Start and stop tasks until those that should run do, and show it in the service's record."""
        wanted = self._wanted(service)
        running: dict[str, list[dict[str, Any]]] = {}
        for task in self._tasks(service):
            running.setdefault(task["_revision"], []).append(task)
        for arn, (revision, count) in wanted.items():
            for _ in range(count - len(running.get(arn, ()))):
                self._run(service, revision)
        for arn, tasks in running.items():
            for task in tasks[wanted[arn][1] if arn in wanted else 0 :]:
                ecs._mark_task_stopped(
                    task["taskArn"], task, "Scaling activity initiated by deployment", "ServiceSchedulerInitiated"
                )
        self._show(service, wanted)
        ecs._sync_service_targets(service.cluster, service.record)
        ecs._recount_cluster(service.cluster)

    def _run(self, service: Service, revision: Revision) -> dict[str, Any]:
        record = service.record
        answer = ecs._run_task(
            {
                "cluster": service.cluster,
                "taskDefinition": revision.task_definition["taskDefinitionArn"],
                "group": f"service:{record['serviceName']}",
                "startedBy": f"ecs-svc/{revision.number}",
                "launchType": record.get("launchType"),
                "capacityProviderStrategy": record.get("capacityProviderStrategy"),
                "platformVersion": record.get("platformVersion", ""),
                "networkConfiguration": record.get("networkConfiguration", {}),
                "enableExecuteCommand": record.get("enableExecuteCommand", False),
            }
        )
        task: dict[str, Any] = ecs._tasks[json.loads(answer[2])["tasks"][0]["taskArn"]]
        task["_revision"] = revision.arn
        subnet = str(task.get("_subnet") or "")
        network = ipaddress.ip_network((ec2._subnets.get(subnet) or {}).get("CidrBlock", "10.0.0.0/16"))
        address = str(network[next(self._addresses) % (network.num_addresses - 10)])
        task["_container_ip"] = address
        details = [{"name": "subnetId", "value": subnet}, {"name": "privateIPv4Address", "value": address}]
        task["attachments"] = [
            {"id": secrets.token_hex(16), "type": "ElasticNetworkInterface", "status": "ATTACHED", "details": details}
        ]
        return task

    def _start_and_fail(self, service: Service, deployment: Deployment, at: float) -> None:
        task = self._run(service, deployment.target)
        task["_revision"] = ""
        image = deployment.target.images[0]["image"]
        reason = f"CannotPullContainerError: pull image manifest has been retried 1 time(s): failed to resolve ref {image}"
        ecs._mark_task_stopped(task["taskArn"], task, reason, "TaskFailedToStart")
        service.event(at, f"was unable to start a task: {reason}")

    def _show(self, service: Service, wanted: Mapping[str, tuple[Revision, int]]) -> None:
        """The record's deployments, counts and current service deployment, as DescribeServices returns them."""
        record, desired = service.record, service.record["desiredCount"]
        deployment = service.deployments[-1] if service.deployments else None
        if deployment is None:
            return
        primary = deployment.source if deployment.rollback and deployment.source else deployment.target
        shown = [(primary, "PRIMARY")]
        if deployment.running or deployment.status == "STOPPED":
            shown += [(one, "ACTIVE") for one in (deployment.target, deployment.source) if one and one is not primary]
        counts = {arn: count for arn, (_, count) in wanted.items()}
        record["runningCount"] = sum(counts.values())
        # Tasks that are waited for while they have not run yet.
        record["pendingCount"] = max(0, desired - counts.get(primary.arn, 0)) if deployment.running else 0
        record["deployments"] = [
            {
                "id": f"ecs-svc/{revision.number}",
                "status": status,
                "taskDefinition": revision.task_definition["taskDefinitionArn"],
                "desiredCount": desired,
                "runningCount": counts.get(revision.arn, 0),
                "pendingCount": record["pendingCount"] if revision is primary else 0,
                "failedTasks": deployment.failures if revision is deployment.target else 0,
                "createdAt": revision.created if revision is not deployment.target else deployment.created,
                "updatedAt": deployment.finished or deployment.since,
                **{key: record[key] for key in (*_NEW_REVISION[:1], "launchType", "platformVersion") if record.get(key)},
                **_rollout(deployment, revision),
            }
            for revision, status in shown
        ]
        record["currentServiceDeployment"] = deployment.arn
        record["currentServiceRevisions"] = [
            {"arn": one.arn, **_task_counts(desired, counts.get(one.arn, 0))} for one, _ in shown
        ]

    # The operations

    def create_service(self, request: Request, *, seconds: float | None = None) -> Response:
        """CreateService. `seconds` is how long the deployment takes, when not as the server's settings say."""
        with self._lock:
            refused = _refusal(request.get("taskDefinition", ""))
            answer = refused or self._create(request)
            if answer[0] != 200:
                return answer
            arn = json.loads(answer[2])["service"]["serviceArn"]
            record = _record(arn)
            record.update({key: value for key, value in request.items() if key not in record and key != "cluster"})
            self.services[arn] = service = Service(record)
            self._begin(service, seconds)
            return self._described(service)

    def update_service(self, request: Request, *, seconds: float | None = None) -> Response:
        """UpdateService: a change of what runs, or `forceNewDeployment`, starts a service deployment."""
        with self._lock:
            refused = _refusal(request["taskDefinition"]) if "taskDefinition" in request else None
            if refused:
                return refused
            self.progress()
            service = self._find(request)
            before = {key: service.record.get(key) for key in ("taskDefinition", *_NEW_REVISION)} if service else {}
            answer: Response = self._update(request)
            if answer[0] != 200 or service is None:
                return answer
            changed = any(service.record.get(key) != value for key, value in before.items())
            if changed or request.get("forceNewDeployment"):
                self._begin(service, seconds)
            return self._described(service)

    def delete_service(self, request: Request) -> Response:
        with self._lock:
            service = self._find(request)
            answer: Response = self._delete(request)
            if answer[0] == 200 and service:
                for task in self._tasks(service):
                    ecs._mark_task_stopped(task["taskArn"], task, "Service deleted", "ServiceSchedulerInitiated")
                del self.services[service.arn]
            return answer

    def list_service_deployments(self, request: Request) -> Response:
        """Newest first, filtered by status and creation time."""
        with self._lock:
            self.progress()
            if ecs._resolve_cluster_name(request.get("cluster", "default")) not in ecs._clusters:
                return _error("ClusterNotFoundException", "Cluster not found.")
            service = self._find(request)
            if service is None:
                return _error("ServiceNotFoundException", "Service not found.")
            wanted, created = request.get("status"), request.get("createdAt") or {}
            found = [
                one
                for one in reversed(service.deployments)
                if (not wanted or one.status in wanted)
                and created.get("after", 0) <= one.created <= created.get("before", float("inf"))
            ]
            start, size = int(request.get("nextToken") or 0), int(request.get("maxResults") or 20)
            more = {"nextToken": str(start + size)} if len(found) > start + size else {}
            return _answer({"serviceDeployments": [_brief(one) for one in found[start : start + size]], **more})

    def describe_service_deployments(self, request: Request) -> Response:
        with self._lock:
            self.progress()
            known = {one.arn: _full(service, one) for service in self.services.values() for one in service.deployments}
            return _found("serviceDeployments", request.get("serviceDeploymentArns", []), known)

    def describe_service_revisions(self, request: Request) -> Response:
        with self._lock:
            known = {one.arn: one.summary for service in self.services.values() for one in service.revisions}
            return _found("serviceRevisions", request.get("serviceRevisionArns", []), known)

    def stop_service_deployment(self, request: Request) -> Response:
        """Stop a running deployment: ROLLBACK, the default, goes back to the source revision; ABORT only stops."""
        with self._lock:
            self.progress()
            arn, kind = request.get("serviceDeploymentArn", ""), request.get("stopType", "ROLLBACK")
            found = [(service, one) for service in self.services.values() for one in service.deployments if one.arn == arn]
            if kind not in ("ROLLBACK", "ABORT"):
                return _error("InvalidParameterException", f"stopType should be ROLLBACK or ABORT, not {kind}.")
            if not found:
                return _error("ServiceDeploymentNotFoundException", f"The service deployment {arn} was not found.")
            service, deployment = found[0]
            if not deployment.running:
                return _error("ConflictException", f"The service deployment is {deployment.status} and cannot be stopped.")
            if kind == "ROLLBACK" and deployment.source is None:
                return _error("ClientException", "The service deployment has no source revision to roll back to.")
            if deployment.status in ("PENDING", "IN_PROGRESS"):
                asked = f"{kind} requested with StopServiceDeployment."
                deployment.reason = asked
                self._turn(deployment, "ROLLBACK_REQUESTED" if kind == "ROLLBACK" else "STOP_REQUESTED", self.clock.time())
                service.event(self.clock.time(), asked)
            self.progress()
            return _answer({"serviceDeploymentArn": arn})

    # CloudFormation

    def provision(self, request: Request) -> str:
        """Create or update a service as a stack does, which waits for the end of the deployment; the service's ARN.

        ValueError when ECS refuses, or when the deployment failed.
        """
        with self._lock:
            exists = self._find(request) is not None
            answer = self.update_service(request, seconds=0) if exists else self.create_service(request, seconds=0)
            body = json.loads(answer[2])
            if answer[0] != 200:
                raise ValueError(body["message"])
            arn = str(body["service"]["serviceArn"])
            last = self.services[arn].deployments[-1]
            if last.status not in ("SUCCESSFUL", "PENDING", "IN_PROGRESS"):
                raise ValueError(f"the service deployment ended {last.status}: {last.reason}")
            return arn

    def at_least(self, path: str, minimum: int) -> None:
        """Raise the desired count of `cluster/service` to the minimum that a scalable target gives it."""
        with self._lock:
            for service in self.services.values():
                if service.path == path:
                    service.record["desiredCount"] = max(service.record["desiredCount"], minimum)
            self.progress()

    # Helpers of the operations

    def _begin(self, service: Service, seconds: float | None) -> None:
        now, record = self.clock.time(), service.record
        last = service.deployments[-1] if service.deployments else None
        if last and last.running:
            self._finish(last, "STOPPED", now, "Service deployment stopped because a newer one started.")
        arn = str(record["taskDefinition"])
        task_definition = ecs._task_defs[ecs._resolve_td_key(arn)]
        number = str(secrets.randbelow(9 * 10**18) + 10**18)
        revision = Revision(service.related("service-revision", number), now, dict(record), task_definition)
        service.revisions.append(revision)
        configuration = record.get("deploymentConfiguration") or {}
        alarms = configuration.get("alarms") or {}
        # An alarm that is in ALARM when a deployment starts switches the watch off for all of it.
        watch = bool(alarms.get("enable")) and all(_alarm_state(name) != "ALARM" for name in alarms.get("alarmNames", ()))
        service.deployments.append(
            Deployment(
                arn=service.related("service-deployment", secrets.token_urlsafe(16)[:21]),
                source=service.current,
                target=revision,
                created=now,
                since=now,
                seconds=self.seconds if seconds is None else seconds,
                configuration=configuration,
                threshold=ecs._circuit_breaker_threshold(record),
                watches_alarms=watch,
            )
        )
        self.progress()

    def _find(self, request: Request) -> Service | None:
        cluster = ecs._resolve_cluster_name(request.get("cluster", "default"))
        name = (request.get("service") or request.get("serviceName") or "").rpartition("/")[2]
        record = ecs._services.get(f"{cluster}/{name}")
        return self.services.get(record["serviceArn"]) if record else None

    def _described(self, service: Service) -> Response:
        return _answer({"service": ecs._sanitize(service.record)})

    def _after_progress(self, operation: Callable[[Request], Response]) -> Callable[[Request], Response]:
        def run(request: Request) -> Response:
            self.progress()
            return operation(request)

        return run


def _nothing(*_: Any, **__: Any) -> None:
    """Takes the place of the emulator's own scheduling."""


def _answer(body: Mapping[str, Any]) -> Response:
    return json_response(body)  # type: ignore[no-any-return]


def _error(code: str, message: str) -> Response:
    return error_response_json(code, message, 400)  # type: ignore[no-any-return]


def _refusal(reference: str) -> Response | None:
    """Why ECS does not deploy a task definition, if it does not."""
    task_definition = ecs._task_defs.get(ecs._resolve_td_key(reference))
    if task_definition is None:
        return _error("ClientException", "TaskDefinition not found.")
    if task_definition["status"] != "ACTIVE":
        return _error("ClientException", "TaskDefinition is inactive")
    return None


def _record(arn: str) -> dict[str, Any]:
    record: dict[str, Any] = ecs._services[arn.partition(":service/")[2]]
    return record


def _alarm_state(name: str) -> str:
    alarm = cloudwatch._alarms.get(name) or cloudwatch._composite_alarms.get(name) or {}
    return str(alarm.get("StateValue", ""))


def _rollout(deployment: Deployment, revision: Revision) -> dict[str, str]:
    """The rollout state that DescribeServices shows of one of its deployments."""
    if revision is not deployment.target:
        back = deployment.status == "ROLLBACK_IN_PROGRESS"
        state, reason = ("IN_PROGRESS", "rollback in progress.") if back else ("COMPLETED", "completed.")
    elif deployment.status == "SUCCESSFUL":
        state, reason = "COMPLETED", "completed."
    elif deployment.status in ("PENDING", "IN_PROGRESS"):
        state, reason = "IN_PROGRESS", "in progress."
    else:
        state, reason = "FAILED", f"failed: {deployment.reason}"
    return {"rolloutState": state, "rolloutStateReason": f"ECS deployment ecs-svc/{revision.number} {reason}"}


def _task_counts(requested: int, running: int) -> dict[str, int]:
    return {"requestedTaskCount": requested, "runningTaskCount": running, "pendingTaskCount": max(0, requested - running)}


def _brief(deployment: Deployment) -> dict[str, Any]:
    """A ServiceDeploymentBrief."""
    service = deployment.target.service
    shown = {
        "serviceDeploymentArn": deployment.arn,
        "serviceArn": service["serviceArn"],
        "clusterArn": service["clusterArn"],
        "createdAt": deployment.created,
        "startedAt": deployment.started,
        "finishedAt": deployment.finished,
        "targetServiceRevisionArn": deployment.target.arn,
        "status": deployment.status,
        "statusReason": deployment.reason or None,
    }
    return {key: value for key, value in shown.items() if value is not None}


def _full(service: Service, deployment: Deployment) -> dict[str, Any]:
    """A ServiceDeployment."""
    counts = {one["arn"]: one for one in service.record.get("currentServiceRevisions", ())}

    def summary(revision: Revision) -> dict[str, Any]:
        return dict(counts.get(revision.arn, {"arn": revision.arn, **_task_counts(0, 0)}))

    def monitor(on: bool, triggered: bool) -> str:
        if not on:
            return "DISABLED"
        if triggered:
            return "TRIGGERED"
        return "MONITORING" if deployment.status in ("PENDING", "IN_PROGRESS") else "MONITORING_COMPLETE"

    brief = _brief(deployment)
    del brief["targetServiceRevisionArn"]
    tripped = bool(deployment.failures) and deployment.failures >= deployment.threshold
    shown = {
        **brief,
        "updatedAt": deployment.finished or deployment.since,
        "stoppedAt": deployment.stopped,
        "sourceServiceRevisions": [summary(deployment.source)] if deployment.source else [],
        "targetServiceRevision": summary(deployment.target),
        "deploymentConfiguration": deployment.configuration,
        "rollback": deployment.rollback,
        "deploymentCircuitBreaker": {
            "status": monitor(bool(deployment.breaker.get("enable")), tripped),
            "failureCount": deployment.failures,
            "threshold": deployment.threshold,
        },
        "alarms": {
            "status": monitor(deployment.watches_alarms, bool(deployment.triggered)),
            "alarmNames": list(deployment.alarms.get("alarmNames", ())),
            "triggeredAlarmNames": deployment.triggered,
        },
    }
    return {key: value for key, value in shown.items() if value is not None}


def _found(key: str, arns: list[str], known: Mapping[str, Any]) -> Response:
    failures = [{"arn": arn, "reason": "MISSING"} for arn in arns if arn not in known]
    return _answer({key: [known[arn] for arn in arns if arn in known], "failures": failures})
