"""What to do about the service, from the evidence alone: DESIGN's table, row by row.

Pure: no AWS client, no clock. "Now" is the moment of the alarm, so that a decision can be replayed.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Literal

from lambdas.common.ecs import ROLLING_BACK, RUNNING, TaskDefinition
from lambdas.common.locks import Lock
from lambdas.common.record.events import Looked
from runbook.rows import Dependency
from runbook.rules import BUDGET, BUDGET_WINDOW, DETECTION, SUSPECT_WINDOW
from runbook.sections import Section

Mode = Literal["on", "observe", "off"]

FAILED = frozenset({"STOPPED", "ROLLBACK_SUCCESSFUL", "ROLLBACK_FAILED"}) | ROLLING_BACK

# The states in which a database or a cache serves as usual; any other explains an impaired service by itself.
# https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/accessing-monitoring.html
SERVING: Mapping[Dependency, frozenset[str]] = {
    "database": frozenset(
        {
            "available",
            "backing-up",
            "configuring-enhanced-monitoring",
            "configuring-log-exports",
            "storage-initialization",
            "storage-optimization",
        }
    ),
    "cache": frozenset({"available", "snapshotting"}),
}


@dataclass(frozen=True)
class Deployment:
    """A service deployment: `task_definition` is the ARN it brings, `monitors_triggered` whether ECS rolls it back itself."""

    arn: str
    status: str
    task_definition: str
    created_at: datetime
    finished_at: datetime | None = None
    monitors_triggered: bool = False

    @property
    def id(self) -> str:
        return _id(self.arn)


@dataclass(frozen=True)
class Change:
    """A change of the service, made because of one deployment: decided, or remembered with its `state`. `at` is the time of the
    alarm, `newest` the newest deployment that was known then.

    `started` is a claim whose end nobody recorded; `done` was accepted by ECS, `failed` was not; `reported` was one of the
    first two, and people were told.
    """

    action: Literal["stop", "update"]
    deployment: str
    from_task_definition: str
    to_task_definition: str
    image: str
    at: datetime
    state: Literal["started", "done", "failed", "reported"] = "started"
    newest: str = ""


@dataclass(frozen=True)
class Impairment:
    """A dependency that does not serve as usual, and what shows that, in words."""

    dependency: Dependency
    words: str


@dataclass(frozen=True)
class Evidence:
    """What was read about the service at the moment of the alarm.

    `deployments` are newest first; `task_definitions` are those that the last one and the successful ones brought;
    `dependency_alarms` are the ones in ALARM, each with what it says is impaired, `silent_alarms` those without data; `changes`
    are ours, and `version` counts them for the claim of the next; `incidents` are the times of those in which nothing was
    changed. `lock` is a procedure's, of the service. `missing` names what could not be read, and then nothing else counts.
    """

    at: datetime
    task_definition: str = ""
    desired: int = 0
    running: int = 0
    deployments: tuple[Deployment, ...] = ()
    task_definitions: tuple[TaskDefinition, ...] = ()
    database: str = ""
    cache: str = ""
    database_name: str = ""
    cache_name: str = ""
    dependency_alarms: Mapping[str, Dependency] = field(default_factory=dict)
    silent_alarms: Mapping[str, Dependency] = field(default_factory=dict)
    changes: tuple[Change, ...] = ()
    version: int = 0
    incidents: tuple[datetime, ...] = ()
    lock: Lock | None = None
    missing: tuple[str, ...] = ()

    @property
    def last(self) -> Deployment | None:
        return self.deployments[0] if self.deployments else None

    @property
    def impaired(self) -> tuple[Impairment, ...]:
        """What shows that the database or the cache does not serve as usual."""
        states: tuple[tuple[Dependency, str, str], ...] = (
            ("database", self.database_name, self.database),
            ("cache", self.cache_name, self.cache),
        )
        return (
            *(
                Impairment(dependency, f"the {dependency} {name} is {status}")
                for dependency, name, status in states
                if status not in SERVING[dependency]
            ),
            *(Impairment(dependency, f"{alarm} is in ALARM") for alarm, dependency in self.dependency_alarms.items()),
            *(Impairment(dependency, f"{alarm} has no data") for alarm, dependency in self.silent_alarms.items()),
        )

    @property
    def last_change(self) -> Change | None:
        return max(self.changes, key=lambda change: change.at, default=None)

    @property
    def known_good(self) -> TaskDefinition | None:
        """Where to go back to: the newest that was deployed successfully, is still ACTIVE, is not the current one, never
        failed, was never left for an older one, and on which no earlier incident ran. Never the one before by number: that may
        never have run."""
        return next((found for found in self._successful if self._usable(found)), None)

    @property
    def native_target(self) -> TaskDefinition | None:
        """Where ECS itself would go back to, the last successful deployment's; None when that is no known-good one."""
        found = next(iter(self._successful), None)
        return found if found and self._usable(found) else None

    @property
    def blamed(self) -> str:
        """The task definition that ran when the trouble began: not one that was deployed too late to have caused it. Empty when
        the history does not say."""
        return self._ran_at(self.at)

    @property
    def ran_on(self) -> set[str]:
        """The task definitions on which earlier incidents ran."""
        return {self._ran_at(at) for at in self.incidents if at < self.at} - {""}

    def _ran_at(self, alarm: datetime) -> str:
        start = alarm - DETECTION
        undone = {one.arn for one in self.deployments if one.status in FAILED and one.finished_at and one.finished_at <= start}
        ran = (one.task_definition for one in self.deployments if one.created_at <= start and one.arn not in undone)
        return next(ran, "")

    @property
    def unconfirmed(self) -> tuple[Change, ...]:
        """Our changes of which nobody recorded how they ended, nor told anybody."""
        return tuple(change for change in self.changes if change.state == "started")

    @property
    def untold(self) -> tuple[Change, ...]:
        """Our changes for other alarms of which nobody was told."""
        return tuple(change for change in untold(self.changes) if change.at != self.at)

    def followed(self, change: Change) -> Deployment | None:
        """The deployment that a change of ours led to: the next one after those that were known before, if it brings what we
        asked for; or the one that we stopped."""
        known = [one.arn for one in self.deployments]
        if change.action == "stop":
            return next((one for one in self.deployments if one.arn == change.deployment), None)
        if change.newest not in known[1:]:
            return None
        found = self.deployments[known.index(change.newest) - 1]
        return found if found.task_definition == change.to_task_definition else None

    def differences(self, change: Change) -> tuple[str, ...]:
        """What a change takes back beside the image: the names of what the two task definitions set otherwise, never a value;
        empty when one of them is gone."""
        by_arn = {found.arn: found.configuration for found in self.task_definitions}
        before, after = (by_arn.get(arn, {}) for arn in (change.from_task_definition, change.to_task_definition))
        if not before or not after:
            return ()
        return tuple(sorted(name for name in before.keys() | after.keys() if before.get(name) != after.get(name)))

    @property
    def _successful(self) -> tuple[TaskDefinition, ...]:
        by_arn = {found.arn: found for found in self.task_definitions}
        arns = [deployment.task_definition for deployment in self.deployments if deployment.status == "SUCCESSFUL"]
        return tuple(by_arn.get(arn) or TaskDefinition(arn, "unknown", "") for arn in arns)

    def _usable(self, found: TaskDefinition) -> bool:
        return found.status == "ACTIVE" and found.arn not in {self.task_definition} | self.failed | self._left | self.ran_on

    @property
    def failed(self) -> set[str]:
        """The task definitions of deployments that failed. One that ended because a newer one began did not."""
        newer = (None, *self.deployments)
        return {
            one.task_definition
            for one, after in zip(self.deployments, newer, strict=False)
            if one.status in FAILED
            and not (one.status == "STOPPED" and after and one.finished_at and after.created_at <= one.finished_at)
        }

    @property
    def _left(self) -> set[str]:
        """The task definitions that we left, or that a person left for an older one."""
        left = {change.from_task_definition for change in self.changes}
        running: set[str] = set()
        for one in reversed(self.deployments):
            left |= {before for before in running if _older(one.task_definition, before)}
            running = {one.task_definition} | (set() if one.status == "SUCCESSFUL" else running)
        return left


@dataclass(frozen=True)
class Decision:
    """What to do and why: `change` to make, if any; `section` of the runbook and `look_at` for the person who reads it;
    `reports` the deployments of unconfirmed changes that the reason tells of; `made` is the change that an earlier run made for
    the same alarm."""

    verb: Literal["record", "observe", "wait", "stop", "roll back", "escalate"]
    reason: str
    section: Section
    look_at: str
    change: Change | None = None
    reports: tuple[str, ...] = ()
    made: Change | None = None


def decide(evidence: Evidence, mode: Mode) -> Decision:
    """The decision of the first row of TABLE that says something; `mode` is whether remediation acts, observes or is off."""
    return next(decision for _, row, _ in TABLE if (decision := row(evidence, mode)))


def looked_at(evidence: Evidence, mode: Mode) -> tuple[Looked, ...]:
    """The rows up to the one that decides, and why those before it did not."""
    rows: list[Looked] = []
    for name, row, why_not in TABLE:
        if row(evidence, mode):
            return (*rows, Looked(row=name))
        rows.append(Looked(row=name, why_not=why_not(evidence)))
    raise AssertionError("the last row always decides")


# The rows


def _unreadable(evidence: Evidence, _: Mode) -> Decision | None:
    if not evidence.missing:
        return None
    return Decision(
        "escalate",
        f"This run changed nothing, because this could not be read: {'; '.join(evidence.missing)}.",
        Section.INCIDENT_RESPONSE,
        "the service, its last deployment and its dependencies, by hand",
    )


def _held_back(evidence: Evidence, mode: Mode) -> Decision | None:
    if mode == "off":
        return Decision("record", "Remediation is off in this environment.", Section.BACKEND_ROLLBACK, "the last deployment")
    if mode == "observe":
        would = decide(evidence, "on")
        reason = f"Remediation only observes; it would {would.verb}: {would.reason}"
        return Decision("observe", reason, would.section, would.look_at)
    return None


def _unconfirmed(evidence: Evidence, _: Mode) -> Decision | None:
    if not evidence.unconfirmed:
        return None
    change = evidence.unconfirmed[0]
    return Decision(
        "escalate",
        f"{begun(evidence.unconfirmed)} The service is set to {_short(evidence.task_definition)} now."
        + "".join(_shown(one, evidence) for one in evidence.unconfirmed),
        Section.BACKEND_ROLLBACK,
        f"whether the service runs {_short(change.to_task_definition)} ({change.image})",
        reports=tuple(one.deployment for one in evidence.unconfirmed),
    )


def _answered(evidence: Evidence, _: Mode) -> Decision | None:
    made = next((one for one in evidence.changes if one.at == evidence.at and one.state in ("done", "reported")), None)
    if made is None:
        return None
    return Decision(
        "wait",
        f"An earlier run acted on this alarm because of deployment {_id(made.deployment)}.",
        Section.BACKEND_ROLLBACK,
        "why the release failed: the backend's logs since that deployment began",
        made=made,
    )


def _locked(evidence: Evidence, _: Mode) -> Decision | None:
    lock = evidence.lock
    if lock is None or lock.until < evidence.at:
        return None
    return Decision(
        "escalate",
        f"The service was left alone, a person is at work on it: {lock.words} holds its lock.",
        Section.BACKEND_ROLLBACK,
        f"whether {lock.procedure} ends well, and the alarm with it; if not, backend-rollback",
    )


def _rolling_back(evidence: Evidence, _: Mode) -> Decision | None:
    last, ours = evidence.last, evidence.last_change
    if last is None:
        return None
    going = ROLLING_BACK if ours and ours.action == "stop" else RUNNING
    if (
        ours
        and ours.state != "failed"
        and evidence.followed(ours) == last
        and last.status in going
        and not last.monitors_triggered
    ):
        reason = f"The rollback to {_short(ours.to_task_definition)} is under way (deployment {last.id}, {last.status})."
    elif last.status in ROLLING_BACK or (last.status in RUNNING and last.monitors_triggered):
        reason = f"ECS is rolling back deployment {last.id} by itself ({last.status})."
    else:
        return None
    return Decision("wait", reason, Section.BACKEND_ROLLBACK, f"whether deployment {last.id} ends, and the alarm with it")


def _failing_deployment(evidence: Evidence, _: Mode) -> Decision | None:
    failing, target = _failing(evidence), evidence.native_target
    if failing is None or target is None or _spent_on(failing, evidence):
        return None
    bad = failing.task_definition
    return Decision(
        "stop",
        f"Deployment {failing.id} of {_short(bad)} is running since {_time(failing.created_at)}, and the service is impaired.",
        Section.BACKEND_ROLLBACK,
        "why the release failed: the backend's logs since that deployment began",
        Change("stop", failing.arn, bad, target.arn, target.image, evidence.at, newest=failing.arn),
    )


def _dependency_impaired(evidence: Evidence, _: Mode) -> Decision | None:
    impaired = evidence.impaired
    if not impaired:
        return None
    return Decision(
        "escalate",
        f"The service was left alone, a release is not to blame: {', '.join(one.words for one in impaired)}.",
        Section.REDIS_CONNECTIONS if {one.dependency for one in impaired} == {"cache"} else Section.DATABASE_CONNECTIONS,
        "the status, the connections and the maintenance of the database and the cache",
    )


def _recent_deployment(evidence: Evidence, _: Mode) -> Decision | None:
    suspect, target = _suspect(evidence), evidence.known_good
    if suspect is None or target is None or _spent_on(suspect, evidence):
        return None
    bad = suspect.task_definition
    return Decision(
        "roll back",
        f"Deployment {suspect.id} of {_short(bad)} ended {_before(suspect, evidence)} the alarm."
        f" {_short(target.arn)} is known good.",
        Section.BACKEND_ROLLBACK,
        "why the release failed: the backend's logs since that deployment ended",
        Change("update", suspect.arn, bad, target.arn, target.image, evidence.at, newest=evidence.deployments[0].arn),
    )


def _rolled_back_or_spent(evidence: Evidence, _: Mode) -> Decision | None:
    last, in_question = evidence.last, _failing(evidence) or _suspect(evidence)
    if last and last.status in FAILED and _recent(last, evidence):
        reason = f"Deployment {last.id} is undone already ({last.status}), and the service is still impaired."
    elif in_question and (spent := _spent_on(in_question, evidence)):
        reason = spent
    else:
        return None
    return Decision(
        "escalate", reason, Section.BACKEND_ROLLBACK, "what else changed: configuration, secrets, traffic, dependencies"
    )


def _unexplained(evidence: Evidence, _: Mode) -> Decision:
    last, suspect = evidence.last, _suspect(evidence)
    if last is None:
        diagnosis = "The service has no deployment."
    elif _failing(evidence):
        diagnosis = f"Deployment {last.id} is running and failing, and what ECS would go back to is not known good."
    elif _too_young(last, evidence) and last.status not in RUNNING:
        diagnosis = f"Deployment {last.id} began too late to have caused the alarm, and may be somebody's fix: it stays."
    elif last.status in RUNNING:
        diagnosis = f"Deployment {last.id} is running, and began too late to have caused the alarm: somebody is at work."
    elif suspect:
        diagnosis = f"Deployment {suspect.id} ended {_before(suspect, evidence)} the alarm, and no revision is known good."
    else:
        window = _minutes(SUSPECT_WINDOW)
        diagnosis = f"No deployment ended within {window} before the alarm: a rollback would not undo the cause."
    return Decision(
        "escalate",
        f"{diagnosis} {evidence.running} of {evidence.desired} tasks run, on {_short(evidence.task_definition)}; the database"
        f" is {evidence.database}, the cache {evidence.cache}.",
        Section.HIGH_ERROR_RATE,
        "the backend's errors, CPU and memory, and the traffic",
    )


# Why a row did not decide


def _last_is(evidence: Evidence) -> str:
    last = evidence.last
    return f"deployment {last.id} is {last.status}" if last else "the service has no deployment"


def _why_not_failing(evidence: Evidence) -> str:
    failing = _failing(evidence)
    if failing is None:
        last = evidence.last
        return f"deployment {last.id} began too late" if last and last.status in RUNNING else _last_is(evidence)
    return _spent_on(failing, evidence) or "what ECS would go back to is not known good"


def _why_not_recent(evidence: Evidence) -> str:
    suspect = _suspect(evidence)
    if suspect is None:
        return f"no deployment that may be the cause ended within {_minutes(SUSPECT_WINDOW)} before the alarm"
    return _spent_on(suspect, evidence) or "no revision is known good"


Row = Callable[[Evidence, Mode], Decision | None]
WhyNot = Callable[[Evidence], str]


def _always(words: str) -> WhyNot:
    return lambda _: words


# "No recent deployment, CPU or memory exhausted: scale out" is a row still to come; until then it ends in the last one.
TABLE: tuple[tuple[str, Row, WhyNot], ...] = (
    # What the evidence shows, what follows, and why it does not where it does not show that
    ("a fact could not be read", _unreadable, _always("all were read")),
    ("remediation is off or observes", _held_back, _always("it is on")),
    ("a change of ours was never confirmed", _unconfirmed, _always("each was")),
    ("an earlier run acted on this alarm", _answered, _always("none did")),
    ("a procedure holds the lock of the service", _locked, _always("none does")),
    ("a native rollback is under way", _rolling_back, _last_is),
    ("a deployment is running and failing", _failing_deployment, _why_not_failing),
    ("RDS or Redis is impaired", _dependency_impaired, lambda evidence: f"{evidence.database} and {evidence.cache}"),
    (
        "the last deployment ended within the suspect window, a known-good revision exists",
        _recent_deployment,
        _why_not_recent,
    ),
    (
        "this deployment was rolled back already, or the budget of automatic actions is spent",
        _rolled_back_or_spent,
        _always("no, and it is not"),
    ),
    ("anything else", _unexplained, _always("")),
)


# What the rows ask


def _failing(evidence: Evidence) -> Deployment | None:
    """The running deployment, when it began early enough before the alarm to be its cause. One that began later may be
    somebody's fix, and ECS's own monitors watch it."""
    last = evidence.last
    return last if last and last.status in RUNNING and not _too_young(last, evidence) else None


def _too_young(deployment: Deployment, evidence: Evidence) -> bool:
    return deployment.created_at > evidence.at - DETECTION


def _suspect(evidence: Evidence) -> Deployment | None:
    """The deployment that brought the current task definition, when it ended within the suspect window before the alarm and
    began early enough to be its cause: what began later may be somebody's fix.

    Deploying again what already ran (`--force-new-deployment`) brings nothing new, so those are passed over."""
    suspect = None
    for deployment in evidence.deployments:
        if deployment.status != "SUCCESSFUL" or deployment.task_definition != evidence.task_definition:
            break
        suspect = deployment
    if suspect is None or _too_young(suspect, evidence) or not _recent(suspect, evidence):
        return None
    return suspect


def _recent(deployment: Deployment, evidence: Evidence) -> bool:
    return deployment.finished_at is not None and evidence.at - deployment.finished_at <= SUSPECT_WINDOW


def _spent_on(deployment: Deployment, evidence: Evidence) -> str:
    """Why no change may be made because of this deployment, in words; empty when one may."""
    ours, runs = evidence.last_change, _short(deployment.task_definition)
    tried = next((change for change in evidence.changes if change.deployment == deployment.arn), None)
    if tried and tried.state == "failed":
        return f"A rollback because of deployment {deployment.id} was tried already, and AWS did not take it."
    if tried:
        return f"Deployment {deployment.id} was acted on already, and the service is impaired again."
    if ours and ours.to_task_definition == deployment.task_definition:
        return f"The service was taken back to {runs} at {_time(ours.at)} already, and is impaired again."
    recent = [change for change in evidence.changes if change.at > evidence.at - BUDGET_WINDOW]
    if len(recent) >= BUDGET:
        return f"The budget is spent: {BUDGET} automatic changes within {_minutes(BUDGET_WINDOW)}."
    return ""


def untold(changes: Iterable[Change]) -> tuple[Change, ...]:
    """The changes of which nobody was told."""
    return tuple(change for change in changes if change.state in ("started", "done"))


def begun(changes: Iterable[Change]) -> str:
    """What is known of changes that nobody was told of, in words."""
    return " ".join(
        f"At {_time(one.at)} an earlier run began to take the service from {_short(one.from_task_definition)} to"
        f" {_short(one.to_task_definition)} ({one.action}) and "
        + ("recorded no result." if one.state == "started" else "ended before it could say that ECS accepted it.")
        for one in changes
    )


def _shown(change: Change, evidence: Evidence) -> str:
    """What ECS shows of such a change, in words."""
    found = evidence.followed(change)
    return f" ECS shows deployment {found.id}: {found.status}." if found else ""


def _older(task_definition: str, than: str) -> bool:
    """Whether one task definition was registered before another of its family."""
    (family, _, number), (other, _, newer) = task_definition.rpartition(":"), than.rpartition(":")
    return family == other and int(number) < int(newer)


def _id(arn: str) -> str:
    return arn.rpartition("/")[2]


def _short(task_definition: str) -> str:
    return task_definition.rpartition("/")[2] or "nothing"


def _time(moment: datetime) -> str:
    return f"{moment:%H:%M:%S} UTC"


def _minutes(span: timedelta) -> str:
    return f"{span.total_seconds() / 60:.0f} min"


def _before(deployment: Deployment, evidence: Evidence) -> str:
    ended = deployment.finished_at or evidence.at
    return f"{_minutes(max(evidence.at - ended, timedelta()))} before"
