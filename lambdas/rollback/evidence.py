"""Reads from AWS what a decision rests on. What cannot be read is named, never guessed."""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from typing import Any, TypeVar

from lambdas.common.ecs import MOST_AT_ONCE, ServiceReader, TaskDefinition, UnreadableError, reasons
from lambdas.common.locks import SERVICE
from lambdas.common.parallel import AtOnce, answer
from lambdas.rollback.changes import Changes, Recorded
from lambdas.rollback.clients import Reads
from lambdas.rollback.decisions import FAILED, Change, Deployment, Evidence
from lambdas.rollback.settings import EvidenceSettings
from runbook.alarms import DEPENDENCY_ALARMS
from runbook.rows import Dependency
from runbook.rules import CANDIDATES, EVIDENCE_DEADLINE, SECOND_LOOK

T = TypeVar("T")

FACTS = ("service", "history", "database", "cache", "alarms", "changes")
"""What evidence is made of."""


@dataclass(frozen=True)
class Service:
    """What the service is set to run, how many tasks of it, and whether a deployment of it is under way."""

    task_definition: str = ""
    desired: int = 0
    running: int = 0
    changing: bool = False


@dataclass(frozen=True)
class _History:
    """The newest deployments, and the task definitions that the last one and the successful ones brought."""

    deployments: tuple[Deployment, ...] = ()
    task_definitions: tuple[TaskDefinition, ...] = ()


@dataclass(frozen=True)
class _Alarms:
    """The dependencies' alarms that are in ALARM, and those that have no data, with what each is about."""

    firing: Mapping[str, Dependency] = field(default_factory=dict)
    silent: Mapping[str, Dependency] = field(default_factory=dict)


class Reader:
    """Reads the evidence about one environment's service, all of it at once."""

    def __init__(self, settings: EvidenceSettings, clients: Reads, changes: Changes, at_once: AtOnce) -> None:
        self._settings = settings
        self._changes = changes
        self._at_once = at_once
        self._ecs = clients.ecs
        self._deployments = ServiceReader(
            clients.ecs, cluster=settings.cluster, service=settings.service, container=settings.container
        )
        self._rds = clients.rds
        self._elasticache = clients.elasticache
        self._cloudwatch = clients.cloudwatch

    def read(self, at: datetime, only: Collection[str] = FACTS) -> Evidence:
        """The evidence about an alarm of this moment, or only some facts of it. It raises nothing: `missing` names what failed,
        or took too long."""
        database, cache = self._settings.database_instance, self._settings.replication_group
        readers: dict[str, Callable[[], Any]] = {
            "service": self.service,
            "history": self._history,
            "database": self._database,
            "cache": self._cache,
            "alarms": self._dependency_alarms,
            "changes": self._changes.read,
        }
        wanted = {key: reader for key, reader in readers.items() if key in only}
        answers = self._at_once(wanted, EVIDENCE_DEADLINE.total_seconds())
        missing: list[str] = []

        def fact(key: str, name: str, otherwise: T) -> T:
            found: T | Exception = answers.get(key, otherwise)
            if isinstance(found, Exception):
                missing.append(f"{name} ({found})")
                return otherwise
            return found

        service = fact("service", f"service {self._settings.service}", Service())
        history = fact("history", "its deployments", _History())
        database_status = fact("database", f"database {database}", "")
        cache_status = fact("cache", f"cache {cache}", "")
        alarms = fact("alarms", "the dependencies' alarms", _Alarms())
        recorded = fact("changes", "what was done before", Recorded())
        return Evidence(
            at,
            task_definition=service.task_definition,
            desired=service.desired,
            running=service.running,
            deployments=history.deployments,
            task_definitions=history.task_definitions,
            database=database_status,
            cache=cache_status,
            database_name=database,
            cache_name=cache,
            dependency_alarms=alarms.firing,
            silent_alarms=alarms.silent,
            changes=recorded.changes,
            version=recorded.version,
            incidents=recorded.incidents,
            lock=recorded.locks.get(SERVICE),
            missing=tuple(missing),
        )

    def service(self) -> Service:
        """The service as it is now; raises what AWS raises, and UnreadableError."""
        answer = self._ecs.describe_services(cluster=self._settings.cluster, services=[self._settings.service])
        if not answer["services"]:
            raise UnreadableError(f"no such service: {reasons(answer)}")
        service = answer["services"][0]
        return Service(
            service["taskDefinition"],
            service["desiredCount"],
            service["runningCount"],
            any(one.get("rolloutState") == "IN_PROGRESS" for one in service.get("deployments", [])),
        )

    def shows(self, change: Change) -> bool:
        """Whether the service shows that a change was made; raises what AWS raises, UnreadableError, or TimeoutError."""
        read = self._shows_stop if change.action == "stop" else self._shows_update
        return bool(answer(self._at_once({"change": lambda: read(change)}, SECOND_LOOK.total_seconds())["change"]))

    def _shows_update(self, change: Change) -> bool:
        return self.service().task_definition == change.to_task_definition

    def _shows_stop(self, change: Change) -> bool:
        return self._deployments.deployment(change.deployment)["status"] in FAILED

    def _history(self) -> _History:
        briefs = self._deployments.deployments()
        arns = sorted({brief["targetServiceRevisionArn"] for brief in briefs})
        readers: dict[str, Callable[[], Any]] = {
            arns[start]: partial(self._deployments.task_definitions_of, arns[start : start + MOST_AT_ONCE])
            for start in range(0, len(arns), MOST_AT_ONCE)
        }
        if briefs:
            readers["triggered"] = partial(self._monitors_triggered, briefs[0]["serviceDeploymentArn"])
        answers = {name: answer(found) for name, found in self._all(readers).items()}
        triggered = answers.pop("triggered", False)
        brought = {revision: found for part in answers.values() for revision, found in part.items()}
        deployments = tuple(
            Deployment(
                arn=brief["serviceDeploymentArn"],
                status=brief["status"],
                task_definition=brought[brief["targetServiceRevisionArn"]],
                created_at=brief["createdAt"],
                finished_at=brief.get("finishedAt"),
                monitors_triggered=triggered and brief is briefs[0],
            )
            for brief in briefs
        )
        successful = dict.fromkeys(found.task_definition for found in deployments if found.status == "SUCCESSFUL")
        read = dict.fromkeys((*(found.task_definition for found in deployments[:1]), *list(successful)[:CANDIDATES]))
        definitions = self._all({arn: partial(self._deployments.task_definition, arn) for arn in read})
        return _History(deployments, tuple(answer(definitions[arn]) for arn in read))

    def _all(self, readers: Mapping[str, Callable[[], Any]]) -> Mapping[str, Any]:
        return self._at_once(readers, EVIDENCE_DEADLINE.total_seconds())

    def _monitors_triggered(self, deployment: str) -> bool:
        """Whether the circuit breaker or a deployment alarm has failed the deployment, and ECS will roll it back for that."""
        found = self._deployments.deployment(deployment)
        configured = found.get("deploymentConfiguration", {})
        monitors = (
            (found.get("alarms", {}), configured.get("alarms", {})),
            (found.get("deploymentCircuitBreaker", {}), configured.get("deploymentCircuitBreaker", {})),
        )
        return any(monitor.get("status") == "TRIGGERED" and setting.get("rollback") for monitor, setting in monitors)

    def _database(self) -> str:
        answer = self._rds.describe_db_instances(DBInstanceIdentifier=self._settings.database_instance)
        return answer["DBInstances"][0]["DBInstanceStatus"]

    def _cache(self) -> str:
        answer = self._elasticache.describe_replication_groups(ReplicationGroupId=self._settings.replication_group)
        return answer["ReplicationGroups"][0]["Status"]

    def _dependency_alarms(self) -> _Alarms:
        wanted = {f"{self._settings.alarm_prefix}{name}": dependency for name, dependency in DEPENDENCY_ALARMS.items()}
        states = {
            alarm["AlarmName"]: alarm["StateValue"]
            for alarm in self._cloudwatch.describe_alarms(AlarmNames=list(wanted), MaxRecords=100)["MetricAlarms"]
        }
        if absent := sorted(wanted.keys() - states.keys()):
            raise UnreadableError(f"no such alarm: {', '.join(absent)}")
        return _Alarms(
            firing={name: dependency for name, dependency in wanted.items() if states[name] == "ALARM"},
            silent={name: dependency for name, dependency in wanted.items() if states[name] == "INSUFFICIENT_DATA"},
        )
