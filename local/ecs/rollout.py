"""The rollout of an ECS service as a state machine.

https://docs.aws.amazon.com/AmazonECS/latest/developerguide/service-deployment.html

It has no clock and calls no AWS: the time, the alarms in ALARM and the images that do not start are given as `Conditions`.
"""

import math
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any


class Status(StrEnum):
    """The status of a service deployment."""

    PENDING = "PENDING"
    IN_PROGRESS = "IN_PROGRESS"
    STOP_REQUESTED = "STOP_REQUESTED"
    ROLLBACK_REQUESTED = "ROLLBACK_REQUESTED"
    ROLLBACK_IN_PROGRESS = "ROLLBACK_IN_PROGRESS"
    SUCCESSFUL = "SUCCESSFUL"
    STOPPED = "STOPPED"
    ROLLBACK_SUCCESSFUL = "ROLLBACK_SUCCESSFUL"
    ROLLBACK_FAILED = "ROLLBACK_FAILED"


_PHASES = {
    Status.PENDING: 1 / 18,
    Status.IN_PROGRESS: 17 / 18,
    Status.STOP_REQUESTED: 1 / 18,
    Status.ROLLBACK_REQUESTED: 1 / 18,
    Status.ROLLBACK_IN_PROGRESS: 1 / 3,
}
"""The statuses of a running deployment, and how long it stays in each, as a share of the time it takes."""

# In IN_PROGRESS, likewise: when the new tasks run, and when a task that cannot start is tried again.
_TASKS_RUN, _RETRY = 4 / 9, 1 / 9


class RefusedError(Exception):
    """ECS refuses a request: its error code and message."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


@dataclass(frozen=True, eq=False)
class Revision:
    """A service revision: what the service runs, as it was configured when the revision was made."""

    arn: str
    created: float
    task_definition: str
    images: Mapping[str, str]
    """The image of each container, by the container's name."""
    configuration: Mapping[str, Any]
    """The service's other members that a revision keeps, as ECS names them."""

    @property
    def number(self) -> str:
        return self.arn.rpartition("/")[2]


@dataclass(frozen=True)
class Conditions:
    """What a rollout depends on: the time in seconds since the epoch, the names of the alarms in ALARM, and the images and
    task definition ARNs whose tasks do not start."""

    now: float
    in_alarm: Collection[str] = ()
    failing: Collection[str] = ()

    def starts(self, revision: Revision) -> bool:
        """Whether tasks of a revision start."""
        return not {*revision.images.values(), revision.task_definition}.intersection(self.failing)


@dataclass(frozen=True)
class Rollback:
    """The way back from a deployment: since when, why, and to which revision."""

    at: float
    reason: str
    to: Revision


@dataclass(eq=False)
class Deployment:
    """A service deployment. `seconds` is how long it takes when nothing fails."""

    arn: str
    source: Revision | None
    target: Revision
    created: float
    seconds: float
    configuration: Mapping[str, Any]
    """The service's `deploymentConfiguration`."""
    threshold: int
    """The failures at which the circuit breaker trips."""
    watches_alarms: bool
    since: float
    """When the status began."""
    status: Status = Status.PENDING
    reason: str = ""
    started: float | None = None
    finished: float | None = None
    failures: int = 0
    """The tasks that did not start."""
    triggered: list[str] = field(default_factory=list)
    """The alarms that failed the deployment."""
    rollback: Rollback | None = None
    tasks_ran: bool = False
    """Whether tasks of the target ran when the rollout ended."""

    @property
    def running(self) -> bool:
        return self.status in _PHASES

    @property
    def breaker(self) -> Mapping[str, Any]:
        return self.configuration.get("deploymentCircuitBreaker") or {}

    @property
    def alarms(self) -> Mapping[str, Any]:
        return self.configuration.get("alarms") or {}

    @property
    def tripped(self) -> bool:
        """Whether the circuit breaker has failed the deployment."""
        return bool(self.breaker.get("enable")) and self.failures >= self.threshold

    @property
    def failed(self) -> bool:
        """Whether the circuit breaker or an alarm has failed the deployment."""
        return self.tripped or bool(self.triggered)

    def tasks_run(self, now: float) -> bool:
        """Whether tasks of the target run beside the old ones."""
        if self.status is Status.IN_PROGRESS:
            return now >= self.since + _TASKS_RUN * self.seconds
        return self.running and self.tasks_ran


@dataclass(frozen=True)
class Turn:
    """A deployment turned to another status."""

    deployment: Deployment
    status: Status
    at: float


@dataclass(frozen=True)
class TaskFailure:
    """A task of the target did not start."""

    deployment: Deployment
    at: float


class Rollout:
    """The deployments of one service, oldest first; only the last one can be running.

    `desired` is the number of tasks that the service should run: whoever scales the service sets it. `observer` is called with
    everything that happens.
    """

    def __init__(self, arn: str, desired: int, observer: Callable[[Turn | TaskFailure], None] = lambda _: None) -> None:
        self.arn = arn
        self.desired = desired
        self.revisions: list[Revision] = []
        self.deployments: list[Deployment] = []
        self.completed: Revision | None = None
        """The revision of the last deployment that completed."""
        self._observer = observer

    @property
    def path(self) -> str:
        """cluster/service"""
        return self.arn.partition(":service/")[2]

    def related(self, kind: str, identifier: str) -> str:
        """The ARN of a service deployment or service revision of this service."""
        return f"{self.arn.partition(':service/')[0]}:{kind}/{self.path}/{identifier}"

    @property
    def last(self) -> Deployment | None:
        return self.deployments[-1] if self.deployments else None

    @property
    def primary(self) -> Revision | None:
        """The revision that the service is going to, or runs when no deployment is running."""
        if self.last is None:
            return self.completed
        return self.last.rollback.to if self.last.rollback else self.last.target

    def tasks(self, conditions: Conditions) -> dict[Revision, int]:
        """How many tasks of which revision run."""
        running = {self.completed: self.desired} if self.completed else {}
        if self.last and self.last.tasks_run(conditions.now) and conditions.starts(self.last.target):
            # At twice the size until the old tasks stop, as maximumPercent = 200 allows.
            running[self.last.target] = self.desired
        return running

    # What is asked for

    def begin(
        self, conditions: Conditions, identifier: str, target: Revision, *, configuration: Mapping[str, Any], seconds: float
    ) -> Deployment:
        """Begin a deployment of a new revision; one that still runs is stopped."""
        if self.last and self.last.running:
            self._finish(self.last, Status.STOPPED, conditions.now, "Service deployment stopped because a newer one started.")
        alarms = configuration.get("alarms") or {}
        deployment = Deployment(
            arn=self.related("service-deployment", identifier),
            source=self.completed,
            target=target,
            created=conditions.now,
            seconds=seconds,
            configuration=configuration,
            threshold=_threshold(configuration, self.desired),
            # An alarm that is in ALARM when a deployment starts switches the watch off for all of it.
            watches_alarms=bool(alarms.get("enable")) and not set(alarms["alarmNames"]).intersection(conditions.in_alarm),
            since=conditions.now,
        )
        self.revisions.append(target)
        self.deployments.append(deployment)
        return deployment

    def stop(self, conditions: Conditions, deployment: Deployment, kind: str) -> None:
        """Stop a running deployment: ROLLBACK goes back to the source revision, ABORT only stops. Again, it changes nothing.

        RefusedError when the deployment has ended, or has nothing to go back to.
        """
        if kind not in ("ROLLBACK", "ABORT"):
            raise RefusedError("InvalidParameterException", f"stopType should be ROLLBACK or ABORT, not {kind}.")
        if not deployment.running:
            raise RefusedError("ConflictException", f"The service deployment is {deployment.status} and cannot be stopped.")
        if kind == "ROLLBACK" and deployment.source is None:
            raise RefusedError("ClientException", "The service deployment has no source revision to roll back to.")
        if deployment.status in (Status.PENDING, Status.IN_PROGRESS):
            requested = Status.ROLLBACK_REQUESTED if kind == "ROLLBACK" else Status.STOP_REQUESTED
            self._turn(deployment, requested, conditions.now, f"{kind} requested with StopServiceDeployment.")

    # What happens with time

    def advance(self, conditions: Conditions) -> None:
        """Let everything happen that is due by now."""
        while self.last and self.last.running and self._step(self.last, conditions):
            pass

    def end_phase(self, conditions: Conditions) -> None:
        """End the phase that the last deployment is in, due or not."""
        match self.last:
            case Deployment(status=Status.PENDING) as last:
                last.started = conditions.now
                self._turn(last, Status.IN_PROGRESS, conditions.now)
            case Deployment(status=Status.IN_PROGRESS) as last:
                self.completed = last.target
                self._finish(last, Status.SUCCESSFUL, conditions.now)
            case Deployment(status=Status.STOP_REQUESTED) as last:
                self._finish(last, Status.STOPPED, conditions.now, last.reason)
            case Deployment(status=Status.ROLLBACK_REQUESTED, source=Revision() as source) as last:
                self._roll_back(last, source, conditions.now, last.reason)
            case Deployment(status=Status.ROLLBACK_IN_PROGRESS, rollback=Rollback(to=source)) as last:
                if conditions.starts(source):
                    self._finish(last, Status.ROLLBACK_SUCCESSFUL, conditions.now, last.reason)
                else:
                    reason = "The tasks of the source revision failed to start."
                    self._finish(last, Status.ROLLBACK_FAILED, conditions.now, reason)

    def _step(self, deployment: Deployment, conditions: Conditions) -> bool:
        """Make the transition that is due, if one is; whether one was."""
        rolling_out = deployment.status is Status.IN_PROGRESS
        due = deployment.since + _PHASES[deployment.status] * deployment.seconds
        if due <= conditions.now and (conditions.starts(deployment.target) or not rolling_out):
            self.end_phase(replace(conditions, now=due))
            return True
        return rolling_out and (self._try_tasks(deployment, conditions) or self._check_alarms(deployment, conditions))

    def _try_tasks(self, deployment: Deployment, conditions: Conditions) -> bool:
        """Try tasks that do not start, as often as is due; whether the circuit breaker fails the deployment for them."""
        if conditions.starts(deployment.target):
            return False
        retry = _RETRY * deployment.seconds
        while deployment.failures < deployment.threshold:
            due = deployment.since + retry * (deployment.failures + 1)
            if conditions.now < due:
                return False
            deployment.failures += 1
            self._observer(TaskFailure(deployment, due))
        if deployment.tripped:
            cause = "the circuit breaker threshold was exceeded."
            self._fail(deployment, deployment.breaker, deployment.since + retry * deployment.failures, cause)
        return deployment.tripped

    def _check_alarms(self, deployment: Deployment, conditions: Conditions) -> bool:
        """Whether an alarm fails the deployment."""
        if deployment.watches_alarms:
            deployment.triggered = [name for name in deployment.alarms["alarmNames"] if name in conditions.in_alarm]
        if deployment.triggered:
            cause = f"of CloudWatch alarm(s) in ALARM: {', '.join(deployment.triggered)}."
            self._fail(deployment, deployment.alarms, conditions.now, cause)
        return bool(deployment.triggered)

    def _fail(self, deployment: Deployment, monitor: Mapping[str, Any], at: float, cause: str) -> None:
        """Do what the circuit breaker or the alarms are configured to do."""
        if monitor.get("rollback") and deployment.source:
            self._roll_back(deployment, deployment.source, at, f"Service deployment rolled back because {cause}")
        else:
            self._finish(deployment, Status.STOPPED, at, f"Service deployment stopped because {cause}")

    def _roll_back(self, deployment: Deployment, source: Revision, at: float, reason: str) -> None:
        deployment.rollback = Rollback(at, reason, source)
        self._turn(deployment, Status.ROLLBACK_IN_PROGRESS, at, reason)

    def _finish(self, deployment: Deployment, status: Status, at: float, reason: str = "") -> None:
        deployment.finished = at
        self._turn(deployment, status, at, reason)

    def _turn(self, deployment: Deployment, status: Status, at: float, reason: str = "") -> None:
        if deployment.status is Status.IN_PROGRESS:
            deployment.tasks_ran = deployment.tasks_run(at)
        deployment.status, deployment.since, deployment.reason = status, at, reason
        self._observer(Turn(deployment, status, at))


def _threshold(configuration: Mapping[str, Any], desired: int) -> int:
    """The failures at which the circuit breaker trips: half the tasks, from 3 to 200, when nothing else is configured."""
    breaker = configuration.get("deploymentCircuitBreaker") or {}
    configured = breaker.get("thresholdConfiguration") or {}
    kind, value = configured.get("type", "BOUNDED_PERCENT"), configured.get("value", 50)
    if kind == "COUNT":
        return max(1, int(value))
    share = math.ceil(int(value) * desired / 100)
    return max(1, share) if kind == "UNBOUNDED_PERCENT" else min(200, max(3, share))
