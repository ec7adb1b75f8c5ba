"""An AWS for `diagnose`: real clients, whose calls botocore checks, answered from a table in place of the network."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any

import boto3
from botocore.awsrequest import AWSResponse
from botocore.config import Config

from lambdas.diagnose.reader import Clients, Reader
from lambdas.diagnose.settings import DiagnoseSettings
from tests.environments import PRODUCTION
from tests.unit.lambdas.world import Call, one_by_one, refusal

NOON = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
SETTINGS = DiagnoseSettings(
    environment=PRODUCTION.name,
    alarm_prefix=f"{PRODUCTION.prefix}-",
    lines=PRODUCTION.lines,
    alarms_topic=PRODUCTION.arn("sns", PRODUCTION.alarms_topic),
    records_table=PRODUCTION.records_table,
    cluster=PRODUCTION.cluster,
    service=PRODUCTION.service,
    container=PRODUCTION.application.container.name,
    zones=PRODUCTION.network.zones,
    most_tasks=PRODUCTION.backend.max_tasks,
    target_group=PRODUCTION.target_group,
    database_instance=PRODUCTION.database_instance,
    replication_group=PRODUCTION.replication_group,
    backend_log_group=PRODUCTION.backend_log_group,
    database_log_group=PRODUCTION.database_log_group,
    frontend_bucket=PRODUCTION.frontend_bucket,
    p1_topic=PRODUCTION.arn("sns", PRODUCTION.on_call_topic("P1")),
    p2_topic=PRODUCTION.arn("sns", PRODUCTION.on_call_topic("P2")),
    chat_topic=PRODUCTION.arn("sns", PRODUCTION.chat_topic),
    runbook_url="https://runbook.example.com",
)
_REVISION = PRODUCTION.arn("ecs", f"service-revision/{PRODUCTION.cluster}/{PRODUCTION.service}/")


def at(minutes: float) -> datetime:
    """So many minutes after it began, at noon."""
    return NOON + minutes * MINUTE


def alarm(slug: str, state: str = "ALARM", **more: Any) -> dict[str, Any]:
    """A metric alarm of the load balancer, as DescribeAlarms has it."""
    return {
        "AlarmName": f"{PRODUCTION.prefix}-{slug}",
        "StateValue": state,
        "StateReason": "as the test asks",
        "StateUpdatedTimestamp": at(1),
        "StateTransitionedTimestamp": at(1),
        "MetricName": "RequestCount",
        "Namespace": "AWS/ApplicationELB",
        "Dimensions": [{"Name": "LoadBalancer", "Value": "app/alb/1"}],
        "AlarmActions": [],
        **more,
    }


def deployment(number: int, minutes: float, image: str, status: str = "SUCCESSFUL") -> dict[str, Any]:
    """A deployment that began so many minutes after noon; `image` is for `revisions`."""
    return {
        "serviceDeploymentArn": f"arn:deployment/{number}",
        "targetServiceRevisionArn": f"{_REVISION}{number}",
        "status": status,
        "createdAt": at(minutes),
        "finishedAt": at(minutes + 2),
        "_image": image,
    }


QUIET: Mapping[str, Any] = {
    "DescribeAlarms": {"MetricAlarms": [alarm("alb-5xx-rate-critical", "OK")], "CompositeAlarms": []},
    "GetMetricData": {"MetricDataResults": []},
    "DescribeServices": {"services": [{"runningCount": 2, "desiredCount": 2, "pendingCount": 0, "events": []}]},
    "ListTasks": {"taskArns": []},
    "DescribeTasks": {"tasks": []},
    "ListServiceDeployments": {"serviceDeployments": []},
    "DescribeServiceRevisions": {"serviceRevisions": []},
    "DescribeTargetGroups": {"TargetGroups": [{"TargetGroupArn": "arn:targets"}]},
    "DescribeTargetHealth": {"TargetHealthDescriptions": []},
    "StartQuery": {"queryId": "query"},
    "GetQueryResults": {"status": "Complete", "results": []},
    "DescribeDBInstances": {"DBInstances": [{"DBInstanceStatus": "available"}]},
    "DescribeReplicationGroups": {"ReplicationGroups": [{"Status": "available"}]},
    "DescribeEvents": {"Events": []},
    "LookupEvents": {"Events": []},
    "ListStacks": {"StackSummaries": []},
    "ListSecrets": {"SecretList": []},
    "DescribeScalingActivities": {"ScalingActivities": []},
    "ListObjectsV2": {},
}
"""Of a quiet hour, by operation."""


@dataclass
class Aws:
    """What AWS answers, by operation: an answer, an exception, or what makes one of the call; and the calls that were made."""

    answers: dict[str, Any] = field(default_factory=lambda: dict(QUIET))
    calls: list[Call] = field(default_factory=list)

    def deployed(self, *deployments: dict[str, Any]) -> None:
        """The service has these deployments."""
        container = PRODUCTION.application.container.name
        self.answers["ListServiceDeployments"] = {
            "serviceDeployments": [{key: value for key, value in one.items() if key != "_image"} for one in deployments]
        }
        self.answers["DescribeServiceRevisions"] = {
            "serviceRevisions": [
                {
                    "serviceRevisionArn": one["targetServiceRevisionArn"],
                    "taskDefinition": f"arn:task-definition/backend:{one['targetServiceRevisionArn'][-1]}",
                    "containerImages": [{"containerName": container, "image": one["_image"]}],
                }
                for one in deployments
            ]
        }

    def refuse(self, *operations: str) -> None:
        """AWS denies these."""
        self.answers.update({operation: refusal("AccessDenied", f"no {operation}") for operation in operations})

    def answer(self, call: Call) -> Any:
        found = self.answers[call.operation]
        if isinstance(found, Exception):
            raise found
        return found(call) if callable(found) else found


class _Running:
    """The AWS of the test that runs, where botocore's hooks find it."""

    aws: Aws

    @classmethod
    def before(cls, params: dict[str, Any], model: Any, **_: Any) -> None:
        cls.aws.calls.append(Call(model.service_model.service_name, model.name, dict(params)))

    @classmethod
    def answer(cls, params: dict[str, Any], **_: Any) -> Any:
        return AWSResponse(params["url"], 200, {}, None), cls.aws.answer(cls.aws.calls[-1])


@cache
def clients() -> Clients:
    session = boto3.Session(region_name=PRODUCTION.region, aws_access_key_id="test", aws_secret_access_key="test")
    session.events.register("provide-client-params", _Running.before)
    session.events.register("before-call", _Running.answer)
    make: Callable[[Any], Any] = lambda name: session.client(name, config=Config(retries={"total_max_attempts": 1}))  # noqa: E731
    return Clients(
        autoscaling=make("application-autoscaling"),
        **{
            name: make(name)
            for name in ("cloudformation", "cloudtrail", "cloudwatch", "ecs", "elasticache", "elbv2", "logs", "rds", "s3")
        },
        secretsmanager=make("secretsmanager"),
    )


@contextmanager
def quiet() -> Iterator[Aws]:
    """An AWS in which nothing is wrong."""
    _Running.aws = Aws()
    yield _Running.aws


def reader() -> Reader:
    """The reader under test; it waits for nothing."""
    return Reader(SETTINGS, clients(), one_by_one, lambda _: None)
