"""Reads from AWS what a diagnosis rests on: the runbook's 3.1 to 3.5 at once. What cannot be read in time is named."""

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from aws_lambda_powertools import Logger

from lambdas.common.alarms import Alarm, Alarms
from lambdas.common.ecs import ServiceReader, reasons, tag
from lambdas.common.parallel import AtOnce
from lambdas.common.words import one_line
from lambdas.diagnose import measured
from lambdas.diagnose.changes import console_actions, deployed, scalings, secrets, stacks, uploaded
from lambdas.diagnose.errors import grouped, masked
from lambdas.diagnose.facts import (
    Behind,
    Changed,
    Deployed,
    ErrorGroup,
    Facts,
    RowFiring,
    ServiceState,
    Signal,
    Stopped,
    Target,
)
from lambdas.diagnose.measured import MARGIN, USUAL
from lambdas.diagnose.settings import DiagnoseSettings
from runbook.alarms import alarm_name
from runbook.queries import QUERIES
from runbook.rows import LEVELS, rows_with

if TYPE_CHECKING:
    from mypy_boto3_cloudwatch import CloudWatchClient
    from mypy_boto3_ecs import ECSClient
    from mypy_boto3_elasticache import ElastiCacheClient
    from mypy_boto3_rds import RDSClient

logger = Logger(service="diagnose")

FIRST = 2.5
"""Seconds for the alarms, which say what to read and since when."""
DEADLINE = 6.5
"""Seconds for everything else: with FIRST and the answer, a diagnosis takes 10 s at most."""
_QUERY = 5.0
"""Seconds for one query of the logs, of which each takes some."""
_LINES = 500
_EVENTS = 5
_PAGES = 3  # CloudTrail answers two look-ups a second, 50 events each
_DEPLOYMENTS = 5
_TEXT = 200
_ROUTINE = "Scaling activity initiated by"
"""How the reason of a task begins that a deployment or scaling stopped: nothing is wrong with it."""
_HOUR = timedelta(hours=1)


@dataclass(frozen=True, kw_only=True)
class Clients:
    """One client for each service that is read."""

    autoscaling: Any
    cloudformation: Any
    cloudtrail: Any
    cloudwatch: "CloudWatchClient"
    ecs: "ECSClient"
    elasticache: "ElastiCacheClient"
    elbv2: Any
    logs: Any
    rds: "RDSClient"
    s3: Any
    secretsmanager: Any


class QueryError(Exception):
    """A query of the logs did not complete; the message says how it ended."""


class Reader:
    """Reads the facts about one environment. `pause` waits so many seconds, between two looks at a query."""

    def __init__(
        self, settings: DiagnoseSettings, clients: Clients, at_once: AtOnce, pause: Callable[[float], None] = time.sleep
    ) -> None:
        self._settings = settings
        self._clients = clients
        self._at_once = at_once
        self._pause = pause
        self._alarms = Alarms(settings)
        self._service = ServiceReader(
            clients.ecs, cluster=settings.cluster, service=settings.service, container=settings.container
        )
        self._rows = {alarm_name(row.slug, level): (row, level) for row in rows_with(settings.lines) for level in LEVELS}
        self._critical = {name for name, (_, level) in self._rows.items() if level == "critical"}

    def read(self, at: datetime, began: datetime | None = None) -> Facts:
        """The facts at a moment of what began at another: by default with the first value beyond a line. Raises nothing."""
        first = self._at_once({"alarms": lambda: list(self._alarms.described(self._clients.cloudwatch))}, FIRST)["alarms"]
        missing: dict[str, str] = {}
        described: Sequence[Mapping[str, Any]] = ()
        if isinstance(first, Exception):
            missing["rows"] = _why(first)
        else:
            described = first
        alarms = [self._alarms.alarm(one) for one in described]
        began = min(began or self._began(alarms, at), at)
        values = measured.dimensions(described)
        readers: dict[str, Callable[[], Any]] = {
            "signals": lambda: self._signals(values, began, at),
            "service": self._state,
            "deployments": self._deployed,
            "errors": lambda: self._errors(began, at),
            "database": lambda: self._database(at),
            "statements": lambda: self._statements(began, at),
            "cache": lambda: self._cache(at),
            "targets": self._targets,
            "CloudTrail": lambda: self._trail(at),
            "stacks": self._stacks,
            "secrets": self._secrets,
            "scaling": self._scalings,
            "frontend": self._frontend,
        }
        answers = self._at_once(readers, DEADLINE)
        for name, found in answers.items():
            if isinstance(found, Exception):
                logger.warning("Something could not be read", what=name, problem=str(found))
                missing[name] = _why(found)

        def fact(name: str) -> Any:
            return None if name in missing else answers[name]

        deployments: tuple[Deployed, ...] | None = fact("deployments")
        changes = [one for name in ("CloudTrail", "stacks", "secrets", "scaling", "frontend") for one in fact(name) or ()]
        known = [*changes, *deployed(deployments or ())]
        database: Behind | None = fact("database")
        if database and (statements := fact("statements")):
            database = Behind(name=database.name, status=database.status, events=database.events, details=statements)
        if "CloudTrail" in missing:
            missing["changes"] = missing.pop("CloudTrail")
        return Facts(
            at=at,
            began=began,
            zones=self._settings.zones,
            most_tasks=self._settings.most_tasks,
            rows=None if "rows" in missing else tuple(self._firing(alarms)),
            signals=fact("signals") or {},
            service=fact("service"),
            deployments=deployments,
            errors=fact("errors"),
            database=database,
            cache=fact("cache"),
            targets=fact("targets"),
            changes=tuple(one for one in known if at - _HOUR - (at - began) <= one.at <= at),
            missing=missing,
        )

    def _began(self, alarms: Iterable[Alarm], at: datetime) -> datetime:
        """The first value beyond a critical line of those that fire; else the first of their alarms, or now."""
        critical = [one for one in alarms if one.firing and (one.page or one.slug in self._critical)]
        return min((one.began or one.since for one in critical), default=at)

    def _firing(self, alarms: Iterable[Alarm]) -> Iterable[RowFiring]:
        for one in alarms:
            if one.firing and one.slug in self._rows:
                row, level = self._rows[one.slug]
                yield RowFiring(slug=row.slug, level=level, measured=one.measured, dependency=row.dependency)

    # The runbook's 3.1 and 3.2: what users have of it

    def _signals(self, values: Mapping[str, Sequence[str]], began: datetime, at: datetime) -> Mapping[str, Signal]:
        asked = [*measured.SIGNALS, *(one for zone in self._settings.zones for one in measured.of_zone(zone))]
        wanted = list(measured.queries(asked, values))
        found: dict[str, dict[datetime, float]] = {query["Id"]: {} for _, query in wanted}
        if wanted:
            pages = self._clients.cloudwatch.get_paginator("get_metric_data").paginate(
                MetricDataQueries=[query for _, query in wanted],  # type: ignore[misc]
                StartTime=began - USUAL,
                EndTime=at,
            )
            for page in pages:
                for one in page["MetricDataResults"]:
                    times = (moment.astimezone(UTC) for moment in one["Timestamps"])
                    found[one["Id"]].update(zip(times, one["Values"], strict=True))
        return {
            one.key: measured.signal(one, [found[query["Id"]] for key, query in wanted if key == one.key], began, at)
            for one in asked
        }

    def _errors(self, began: datetime, at: datetime) -> tuple[ErrorGroup, ...]:
        (errors,) = (query for query in QUERIES if query.slug == "errors")
        text = f"{errors.text.rpartition('|')[0]}| limit {_LINES}"
        newest = max(began - MARGIN, at - 10 * measured.MINUTE)
        now = self._query(self._settings.backend_log_group, text, newest, at)
        before = self._query(self._settings.backend_log_group, text, began - USUAL, began - MARGIN)
        lines, earlier = ([one.get("@message", "") for one in rows] for rows in (now, before))
        return grouped(lines, earlier, share=(at - newest) / (USUAL - MARGIN))

    def _query(self, group: str, text: str, begin: datetime, end: datetime) -> list[dict[str, str]]:
        """The rows of a query; QueryError when it does not complete within its time."""
        logs = self._clients.logs
        started = logs.start_query(
            logGroupName=group, queryString=text, startTime=int(begin.timestamp()), endTime=int(end.timestamp())
        )
        until = time.monotonic() + _QUERY
        while (answer := logs.get_query_results(queryId=started["queryId"]))["status"] in ("Scheduled", "Running", "Unknown"):
            if time.monotonic() > until:
                raise QueryError(f"the query of {group} took longer than {_QUERY:.0f} s")
            self._pause(0.3)
        if answer["status"] != "Complete":
            raise QueryError(f"the query of {group} ended as {answer['status']}")
        return [{one["field"]: one["value"] for one in row} for row in answer["results"]]

    # 3.3: tasks and deployments

    def _state(self) -> ServiceState:
        ecs, cluster, name = self._clients.ecs, self._settings.cluster, self._settings.service
        answer = ecs.describe_services(cluster=cluster, services=[name])
        if not answer["services"]:
            raise LookupError(f"no such service: {reasons(answer)}")
        service = answer["services"][0]
        tasks: list[Mapping[str, Any]] = []
        for status in ("RUNNING", "STOPPED"):
            arns = ecs.list_tasks(cluster=cluster, serviceName=name, desiredStatus=status)["taskArns"]
            tasks += ecs.describe_tasks(cluster=cluster, tasks=arns)["tasks"] if arns else []
        ended = (one for one in tasks if one.get("stoppedAt") and not one.get("stoppedReason", "").startswith(_ROUTINE))
        stopped = sorted(ended, key=lambda one: one["stoppedAt"], reverse=True)
        return ServiceState(
            running=service["runningCount"],
            desired=service["desiredCount"],
            pending=service["pendingCount"],
            zones=tuple(one.get("availabilityZone", "") for one in tasks if one["lastStatus"] == "RUNNING"),
            stopped=tuple(map(self._stopped, stopped)),
            events=tuple(one_line(one["message"], _TEXT) for one in service["events"][:_EVENTS]),
        )

    def _stopped(self, task: Mapping[str, Any]) -> Stopped:
        containers: Sequence[Mapping[str, Any]] = task.get("containers", ())
        own = next((one for one in containers if one["name"] == self._settings.container), {})
        return Stopped(
            at=task["stoppedAt"].astimezone(UTC),
            reason=one_line(" ".join(filter(None, (task.get("stoppedReason"), own.get("reason")))), _TEXT),
            exit_code=own.get("exitCode"),
            revision=task["taskDefinitionArn"].rpartition("/")[2],
            zone=task.get("availabilityZone", ""),
        )

    def _deployed(self) -> tuple[Deployed, ...]:
        briefs = self._service.deployments()[: _DEPLOYMENTS + 1]
        if not briefs:
            return ()
        arns = list(dict.fromkeys(brief["targetServiceRevisionArn"] for brief in briefs))
        revisions = self._clients.ecs.describe_service_revisions(serviceRevisionArns=arns)["serviceRevisions"]
        brought = {one["serviceRevisionArn"]: one for one in revisions}
        images = [self._image(brought.get(brief["targetServiceRevisionArn"], {})) for brief in briefs]
        return tuple(
            Deployed(
                id=brief["serviceDeploymentArn"].rpartition("/")[2],
                status=brief["status"],
                created=brief["createdAt"].astimezone(UTC),
                finished=brief["finishedAt"].astimezone(UTC) if "finishedAt" in brief else None,
                revision=str(brought.get(brief["targetServiceRevisionArn"], {}).get("taskDefinition", "")).rpartition("/")[2],
                commit=tag(image),
                same_image=bool(image) and images[number + 1 : number + 2] == [image],
                reason=one_line(brief.get("statusReason", ""), _TEXT),
            )
            for number, (brief, image) in enumerate(zip(briefs[:_DEPLOYMENTS], images, strict=False))
        )

    def _image(self, revision: Mapping[str, Any]) -> str:
        images: Sequence[Mapping[str, str]] = revision.get("containerImages", ())
        return next((one["image"] for one in images if one["containerName"] == self._settings.container), "")

    def _targets(self) -> tuple[Target, ...]:
        elbv2 = self._clients.elbv2
        group = elbv2.describe_target_groups(Names=[self._settings.target_group])["TargetGroups"][0]["TargetGroupArn"]
        found = elbv2.describe_target_health(TargetGroupArn=group)["TargetHealthDescriptions"]
        return tuple(
            Target(
                zone=one["Target"].get("AvailabilityZone", ""),
                state=one["TargetHealth"]["State"],
                reason=one["TargetHealth"].get("Description", ""),
            )
            for one in found
        )

    # 3.4 and 3.5: what is behind it

    def _database(self, at: datetime) -> Behind:
        rds, name = self._clients.rds, self._settings.database_instance
        status = rds.describe_db_instances(DBInstanceIdentifier=name)["DBInstances"][0]["DBInstanceStatus"]
        events = rds.describe_events(SourceIdentifier=name, SourceType="db-instance", StartTime=at - _HOUR, EndTime=at)[
            "Events"
        ]
        return Behind(name=f"database {name}", status=status, events=tuple(_happened(one) for one in events[::-1][:_EVENTS]))

    def _statements(self, began: datetime, at: datetime) -> tuple[str, ...]:
        """The slowest statements since it began."""
        (slow,) = (query for query in QUERIES if query.slug == "slow-queries")
        rows = self._query(self._settings.database_log_group, slow.text, began - MARGIN, at)
        return tuple(
            f"{float(one['milliseconds']) / 1000:.1f} s: {one_line(masked(one.get('statement', '')), _TEXT)}"
            for one in rows[:3]
            if one.get("milliseconds")
        )

    def _cache(self, at: datetime) -> Behind:
        elasticache, name = self._clients.elasticache, self._settings.replication_group
        group = elasticache.describe_replication_groups(ReplicationGroupId=name)["ReplicationGroups"][0]
        events = elasticache.describe_events(
            SourceIdentifier=name, SourceType="replication-group", StartTime=at - _HOUR, EndTime=at
        )["Events"]
        return Behind(
            name=f"cache {name}", status=group["Status"], events=tuple(_happened(one) for one in events[::-1][:_EVENTS])
        )

    # What changed in the last hour

    def _trail(self, at: datetime) -> Sequence[Changed]:
        pages = self._clients.cloudtrail.get_paginator("lookup_events").paginate(
            LookupAttributes=[{"AttributeKey": "ReadOnly", "AttributeValue": "false"}],
            StartTime=at - _HOUR,
            EndTime=at,
            PaginationConfig={"MaxItems": _PAGES * 50, "PageSize": 50},
        )
        return console_actions((one for page in pages for one in page["Events"]), self._settings.prefix)

    def _stacks(self) -> Sequence[Changed]:
        pages = self._clients.cloudformation.get_paginator("list_stacks").paginate()
        return stacks((one for page in pages for one in page["StackSummaries"]), self._settings.prefix)

    def _secrets(self) -> Sequence[Changed]:
        found = self._clients.secretsmanager.list_secrets(
            Filters=[{"Key": "name", "Values": [self._settings.prefix]}], MaxResults=100
        )
        return secrets(found["SecretList"])

    def _scalings(self) -> Sequence[Changed]:
        found = self._clients.autoscaling.describe_scaling_activities(
            ServiceNamespace="ecs", ResourceId=f"service/{self._settings.cluster}/{self._settings.service}", MaxResults=10
        )
        return scalings(found["ScalingActivities"])

    def _frontend(self) -> Sequence[Changed]:
        found = self._clients.s3.list_objects_v2(Bucket=self._settings.frontend_bucket, Prefix="index.html", MaxKeys=1)
        return uploaded(found.get("Contents", ()))


def _happened(event: Mapping[str, Any]) -> str:
    return f"{event['Date'].astimezone(UTC):%H:%M:%S} UTC {one_line(event['Message'], _TEXT)}"


def _why(error: Exception) -> str:
    return one_line(str(error) or type(error).__name__, _TEXT)
