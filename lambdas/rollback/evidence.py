"""Reads from AWS what a decision rests on. What cannot be read is named, never guessed."""

from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any

import boto3
from botocore.exceptions import BotoCoreError, ClientError

from lambdas.common.events import Alarm
from lambdas.common.incidents import Incidents
from lambdas.common.settings import CLIENT, RollbackSettings
from lambdas.rollback.decisions import Deployment, Evidence, TaskDefinition

if TYPE_CHECKING:
    from mypy_boto3_ecs.type_defs import ServiceDeploymentBriefTypeDef

HISTORY = 40
"""The newest service deployments that are looked at."""
CANDIDATES = 10
"""The newest task definitions, deployed successfully, whose state is read."""
_AT_ONCE = 20  # DescribeServiceRevisions takes no more ARNs in one call


class UnreadableError(Exception):
    """AWS answered, but not with the fact; the message says what it answered instead."""


class Reader:
    """Reads the evidence about one environment's service."""

    def __init__(self, settings: RollbackSettings, incidents: Incidents) -> None:
        self._settings = settings
        self._incidents = incidents
        self._ecs = boto3.client("ecs", config=CLIENT)
        self._rds = boto3.client("rds", config=CLIENT)
        self._elasticache = boto3.client("elasticache", config=CLIENT)
        self._cloudwatch = boto3.client("cloudwatch", config=CLIENT)

    def read(self, alarm: Alarm) -> Evidence:
        """The evidence at the moment of the alarm; never raises for AWS's sake, but names in `missing` what failed."""
        facts: dict[str, Any] = {}
        missing: list[str] = []
        readers: tuple[tuple[str, Callable[[], Mapping[str, Any]]], ...] = (
            (f"service {self._settings.service}", self._service),
            ("its deployments", self._deployments),
            (f"database {self._settings.database_instance}", self._database),
            (f"cache {self._settings.replication_group}", self._cache),
            ("the dependencies' alarms", self._dependency_alarms),
            ("what was done before", self._incidents.changes),
        )
        for name, reader in readers:
            try:
                facts |= reader()
            except (BotoCoreError, ClientError, UnreadableError, LookupError) as error:
                missing.append(f"{name} ({error})")
        return Evidence(
            alarm.at,
            database_name=self._settings.database_instance,
            cache_name=self._settings.replication_group,
            **facts,
            missing=tuple(missing),
        )

    def current(self) -> TaskDefinition:
        """What the service runs; raises what AWS raises, and UnreadableError."""
        return self._task_definition(self._service()["task_definition"])

    def _service(self) -> Mapping[str, Any]:
        answer = self._ecs.describe_services(cluster=self._settings.cluster, services=[self._settings.service])
        if not answer["services"]:
            raise UnreadableError(f"no such service: {_reasons(answer)}")
        service = answer["services"][0]
        return {
            "task_definition": service["taskDefinition"],
            "desired": service["desiredCount"],
            "running": service["runningCount"],
        }

    def _deployments(self) -> Mapping[str, Any]:
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
        return {
            "deployments": deployments,
            "task_definitions": tuple(self._task_definition(arn) for arn in list(successful)[:CANDIDATES]),
        }

    def _newest_deployments(self) -> "list[ServiceDeploymentBriefTypeDef]":
        """The newest first; ECS promises no order, so all pages are read."""
        briefs: list[ServiceDeploymentBriefTypeDef] = []
        page: dict[str, Any] = {"cluster": self._settings.cluster, "service": self._settings.service, "maxResults": 100}
        while True:
            answer = self._ecs.list_service_deployments(**page)
            briefs += answer["serviceDeployments"]
            if not answer.get("nextToken"):
                return sorted(briefs, key=lambda brief: brief["createdAt"], reverse=True)[:HISTORY]
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
        except self._ecs.exceptions.ClientException:  # ECS's word for one that was deleted for good
            return TaskDefinition(arn, "deleted", "")
        return TaskDefinition(arn, found["status"], found["containerDefinitions"][0]["image"])

    def _database(self) -> Mapping[str, Any]:
        answer = self._rds.describe_db_instances(DBInstanceIdentifier=self._settings.database_instance)
        return {"database": answer["DBInstances"][0]["DBInstanceStatus"]}

    def _cache(self) -> Mapping[str, Any]:
        answer = self._elasticache.describe_replication_groups(ReplicationGroupId=self._settings.replication_group)
        return {"cache": answer["ReplicationGroups"][0]["Status"]}

    def _dependency_alarms(self) -> Mapping[str, Any]:
        wanted = self._settings.dependency_alarms
        states = {
            alarm["AlarmName"]: alarm["StateValue"]
            for alarm in self._cloudwatch.describe_alarms(AlarmNames=list(wanted), MaxRecords=100)["MetricAlarms"]
        }
        if absent := sorted(set(wanted) - set(states)):
            raise UnreadableError(f"no such alarm: {', '.join(absent)}")
        return {"dependency_alarms": tuple(name for name in wanted if states[name] == "ALARM")}


def _reasons(answer: Mapping[str, Any]) -> str:
    """What ECS says in `failures`."""
    return ", ".join(f"{failure.get('arn', '')} {failure.get('reason', '')}".strip() for failure in answer.get("failures", []))
