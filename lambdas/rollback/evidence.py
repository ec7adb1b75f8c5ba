"""Reads from AWS what a decision rests on. What cannot be read is named, never guessed."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, TypeVar

from botocore.exceptions import BotoCoreError, ClientError

from lambdas.rollback.changes import Changes, Recorded
from lambdas.rollback.clients import Clients
from lambdas.rollback.decisions import Deployment, Evidence, TaskDefinition
from lambdas.rollback.settings import RollbackSettings
from runbook.alarms import DEPENDENCY_ALARMS
from runbook.rows import Dependency
from runbook.rules import CANDIDATES, DEPLOYMENTS_READ

if TYPE_CHECKING:
    from mypy_boto3_ecs.type_defs import ListServiceDeploymentsRequestTypeDef, ServiceDeploymentBriefTypeDef

_AT_ONCE = 20  # DescribeServiceRevisions takes no more ARNs in one call

T = TypeVar("T")


class UnreadableError(Exception):
    """AWS answered, but not with the fact; the message says what it answered instead."""


@dataclass(frozen=True)
class _Service:
    """What the service runs, and how many tasks of it."""

    task_definition: str = ""
    desired: int = 0
    running: int = 0


@dataclass(frozen=True)
class _History:
    """The newest deployments, and the task definitions that the successful ones brought."""

    deployments: tuple[Deployment, ...] = ()
    task_definitions: tuple[TaskDefinition, ...] = ()


class Reader:
    """Reads the evidence about one environment's service."""

    def __init__(self, settings: RollbackSettings, clients: Clients, changes: Changes) -> None:
        self._settings = settings
        self._changes = changes
        self._ecs = clients.ecs
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

    def current(self) -> TaskDefinition:
        """What the service runs; raises what AWS raises, and UnreadableError."""
        return self._task_definition(self._service().task_definition)

    def _service(self) -> _Service:
        answer = self._ecs.describe_services(cluster=self._settings.cluster, services=[self._settings.service])
        if not answer["services"]:
            raise UnreadableError(f"no such service: {_reasons(answer)}")
        service = answer["services"][0]
        return _Service(service["taskDefinition"], service["desiredCount"], service["runningCount"])

    def _history(self) -> _History:
        briefs = self._newest_deployments()
        brought = self._task_definitions_of({brief["targetServiceRevisionArn"] for brief in briefs})
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
        return _History(deployments, tuple(self._task_definition(arn) for arn in list(successful)[:CANDIDATES]))

    def _newest_deployments(self) -> "list[ServiceDeploymentBriefTypeDef]":
        """The newest first; ECS promises no order, so all pages are read."""
        briefs: list[ServiceDeploymentBriefTypeDef] = []
        page: ListServiceDeploymentsRequestTypeDef = {
            "cluster": self._settings.cluster,
            "service": self._settings.service,
            "maxResults": 100,
        }
        while True:
            answer = self._ecs.list_service_deployments(**page)
            briefs += answer["serviceDeployments"]
            if not answer.get("nextToken"):
                return sorted(briefs, key=lambda brief: brief["createdAt"], reverse=True)[:DEPLOYMENTS_READ]
            page["nextToken"] = answer["nextToken"]

    def _task_definitions_of(self, revisions: Iterable[str]) -> Mapping[str, str]:
        """The task definition's ARN by service revision."""
        found: dict[str, str] = {}
        arns = sorted(revisions)
        for start in range(0, len(arns), _AT_ONCE):
            answer = self._ecs.describe_service_revisions(serviceRevisionArns=arns[start : start + _AT_ONCE])
            found |= {revision["serviceRevisionArn"]: revision["taskDefinition"] for revision in answer["serviceRevisions"]}
            if answer.get("failures"):
                raise UnreadableError(f"service revisions: {_reasons(answer)}")
        return found

    def _monitors_triggered(self, deployment: str) -> bool:
        """Whether the circuit breaker or a deployment alarm has failed the deployment, and ECS will roll it back for that."""
        answer = self._ecs.describe_service_deployments(serviceDeploymentArns=[deployment])
        if not answer["serviceDeployments"]:
            raise UnreadableError(f"deployment {deployment}: {_reasons(answer)}")
        found = answer["serviceDeployments"][0]
        configured = found.get("deploymentConfiguration", {})
        monitors = (
            (found.get("alarms", {}), configured.get("alarms", {})),
            (found.get("deploymentCircuitBreaker", {}), configured.get("deploymentCircuitBreaker", {})),
        )
        return any(monitor.get("status") == "TRIGGERED" and setting.get("rollback") for monitor, setting in monitors)

    def _task_definition(self, arn: str) -> TaskDefinition:
        try:
            found = self._ecs.describe_task_definition(taskDefinition=arn)["taskDefinition"]
        except self._ecs.exceptions.ClientException:  # what ECS answers for one that was deleted for good
            return TaskDefinition(arn, "deleted", "")
        return TaskDefinition(arn, found["status"], found["containerDefinitions"][0]["image"])

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


def _reasons(answer: Mapping[str, Any]) -> str:
    """What ECS says in `failures`."""
    return ", ".join(f"{failure.get('arn', '')} {failure.get('reason', '')}".strip() for failure in answer.get("failures", []))
