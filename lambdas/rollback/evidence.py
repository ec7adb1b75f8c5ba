"""Reads from AWS what a decision rests on. What cannot be read is named, never guessed."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import TypeVar

from botocore.exceptions import BotoCoreError, ClientError

from lambdas.common.ecs import ServiceReader, TaskDefinition, UnreadableError, reasons
from lambdas.rollback.changes import Changes, Recorded
from lambdas.rollback.clients import Clients
from lambdas.rollback.decisions import Deployment, Evidence
from lambdas.rollback.settings import RollbackSettings
from runbook.alarms import DEPENDENCY_ALARMS
from runbook.rows import Dependency
from runbook.rules import CANDIDATES

T = TypeVar("T")


@dataclass(frozen=True)
class _Service:
    """What the service runs, and how many tasks of it."""

    task_definition: str = ""
    desired: int = 0
    running: int = 0


@dataclass(frozen=True)
class _History:
    """The newest deployments, and the task definitions that the last one and the successful ones brought."""

    deployments: tuple[Deployment, ...] = ()
    task_definitions: tuple[TaskDefinition, ...] = ()


class Reader:
    """Reads the evidence about one environment's service."""

    def __init__(self, settings: RollbackSettings, clients: Clients, changes: Changes) -> None:
        self._settings = settings
        self._changes = changes
        self._ecs = clients.ecs
        self._deployments = ServiceReader(
            clients.ecs, cluster=settings.cluster, service=settings.service, container=settings.container
        )
        self._rds = clients.rds
        self._elasticache = clients.elasticache
        self._cloudwatch = clients.cloudwatch

    def read(self, at: datetime) -> Evidence:
        """The evidence about an alarm of this moment. It raises nothing that AWS raises: `missing` names what failed."""
        missing: list[str] = []

        def fact(name: str, reader: Callable[[], T], otherwise: T) -> T:
            try:
                return reader()
            except (BotoCoreError, ClientError, UnreadableError, LookupError) as error:
                missing.append(f"{name} ({error})")
                return otherwise

        database, cache = self._settings.database_instance, self._settings.replication_group
        service = fact(f"service {self._settings.service}", self._service, _Service())
        history = fact("its deployments", self._history, _History())
        database_status = fact(f"database {database}", self._database, "")
        cache_status = fact(f"cache {cache}", self._cache, "")
        dependency_alarms: Mapping[str, Dependency] = fact("the dependencies' alarms", self._dependency_alarms, {})
        recorded = fact("what was done before", self._changes.read, Recorded())
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
            dependency_alarms=dependency_alarms,
            changes=recorded.changes,
            version=recorded.version,
            missing=tuple(missing),
        )

    def current(self) -> str:
        """The ARN of the task definition that the service runs; raises what AWS raises, and UnreadableError."""
        return self._service().task_definition

    def _service(self) -> _Service:
        answer = self._ecs.describe_services(cluster=self._settings.cluster, services=[self._settings.service])
        if not answer["services"]:
            raise UnreadableError(f"no such service: {reasons(answer)}")
        service = answer["services"][0]
        return _Service(service["taskDefinition"], service["desiredCount"], service["runningCount"])

    def _history(self) -> _History:
        briefs = self._deployments.newest_deployments()
        brought = self._deployments.task_definitions_of({brief["targetServiceRevisionArn"] for brief in briefs})
        triggered = self._monitors_triggered(briefs[0]["serviceDeploymentArn"]) if briefs else False
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
        return _History(deployments, tuple(self._deployments.task_definition(arn) for arn in read))

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

    def _dependency_alarms(self) -> Mapping[str, Dependency]:
        """Those in ALARM, with what each says is impaired."""
        wanted = {f"{self._settings.alarm_prefix}{name}": dependency for name, dependency in DEPENDENCY_ALARMS.items()}
        states = {
            alarm["AlarmName"]: alarm["StateValue"]
            for alarm in self._cloudwatch.describe_alarms(AlarmNames=list(wanted), MaxRecords=100)["MetricAlarms"]
        }
        if absent := sorted(wanted.keys() - states.keys()):
            raise UnreadableError(f"no such alarm: {', '.join(absent)}")
        return {name: dependency for name, dependency in wanted.items() if states[name] == "ALARM"}
