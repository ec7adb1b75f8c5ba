"""Production on the local cloud and the world around it: its users, its release pipeline and the passing of time.

Time is simulated a minute at a time: requests really go to the stand-in application, their counts become the minute's metrics,
the evaluator judges the alarms, and the alarm's action invokes the real function under its real role.
"""

import csv
import http.client
import json
import ssl
import time
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from local.cloud import Cloud
from local.cloudwatch.alarms import Metric, metrics
from local.emulator.alarms import AlarmEvaluator, Transition
from runbook.severities import RESPONSE_TIMES
from stacks.environment import Environment

MINUTE = timedelta(minutes=1)
REQUESTS_A_MINUTE = 60
QUIET_MINUTES = 7  # as far as any alarm looks back

QUIET_DATABASE = {
    "CPUUtilization": 22,
    "DatabaseConnections": 40,
    "ReadLatency": 0.0008,
    "WriteLatency": 0.0021,
    "FreeStorageSpace": 68e9,
}
QUIET_CACHE = {"DatabaseMemoryUsagePercentage": 31, "EngineCPUUtilization": 9, "CurrConnections": 24, "Evictions": 0}

Datum = dict[str, Any]


@dataclass(frozen=True)
class Heard:
    """What a person got: on which topic, by its name below the environment's, with what subject and text."""

    topic: str
    subject: str
    text: str


class Production:
    """The deployed environment and the world around it: its users, its release pipeline and the passing of time."""

    def __init__(self, cloud: Cloud) -> None:
        self.cloud = cloud
        self.settings: Environment = cloud.environment
        self.ecs = cloud.client("ecs")
        self.cloudwatch = cloud.client("cloudwatch")
        self._lambda, self._rds, self._sqs = cloud.client("lambda"), cloud.client("rds"), cloud.client("sqs")
        self._logs = cloud.client("logs")
        self.alarms = AlarmEvaluator(self.cloudwatch)
        self.marks: dict[str, datetime] = {}
        """When what happened that a drill remembers, by its name for it."""
        self.heard()
        for _ in range(QUIET_MINUTES):  # alarms look back: before there were metrics, silence would look like an outage
            self._pass_minute()

    # The release pipeline

    def release(self, commit: str) -> str:
        """A release as the backend's own pipeline does it; gives the ARN of the new task definition."""
        family = self.ecs.describe_task_definition(taskDefinition=self.settings.family)["taskDefinition"]
        image = f"{self.cloud.repository_uri}:{commit}"
        container, *others = family["containerDefinitions"]
        kept = (
            "family",
            "taskRoleArn",
            "executionRoleArn",
            "networkMode",
            "volumes",
            "requiresCompatibilities",
            "cpu",
            "memory",
        )
        answer = self.ecs.register_task_definition(
            **{key: family[key] for key in kept if key in family},
            containerDefinitions=[{**container, "image": image}, *others],
        )
        registered = str(answer["taskDefinition"]["taskDefinitionArn"])
        self.cloud.client("ssm").put_parameter(Name=self.settings.image_parameter, Value=image, Type="String", Overwrite=True)
        self.ecs.update_service(cluster=self.settings.cluster, service=self.settings.service, taskDefinition=registered)
        return registered

    @property
    def task_definition(self) -> str:
        """The ARN of the task definition that the service is set to."""
        return str(self._service["taskDefinition"])

    @property
    def settled(self) -> bool:
        """Whether no deployment of the service is under way."""
        return [deployment["rolloutState"] for deployment in self._service["deployments"]] == ["COMPLETED"]

    @property
    def _service(self) -> Any:
        return self.ecs.describe_services(cluster=self.settings.cluster, services=[self.settings.service])["services"][0]

    def image_of(self, task_definition: str) -> str:
        """The image of a task definition's one container."""
        described = self.ecs.describe_task_definition(taskDefinition=task_definition)["taskDefinition"]
        return str(described["containerDefinitions"][0]["image"])

    # The users and the passing of time

    def minute(self) -> list[Transition]:
        """One simulated minute: requests, their metrics, the health check, the alarms; gives what changed its state."""
        self._pass_minute()
        changed = self.alarms.tick(self.cloud.now())
        self.cloud.wait_until_idle()  # the functions that the alarms' actions invoked
        self._run("notify")
        return changed

    def _pass_minute(self) -> None:
        self.cloud.advance(MINUTE)
        self._publish(self.cloud.now() - MINUTE)
        self._run("health-check")

    def _run(self, function: str) -> None:
        """As its schedule does."""
        event = {"source": "aws.events", "time": f"{self.cloud.now():%Y-%m-%dT%H:%M:%SZ}"}
        self._lambda.invoke(FunctionName=self.settings.function(function), Payload=json.dumps(event))

    def get(self, path: str) -> tuple[int, float]:
        """Status and seconds of one request to the API, over TLS through the load balancer's name."""
        begun = time.perf_counter()
        self._connection.request("GET", path)
        response = self._connection.getresponse()
        response.read()
        return response.status, time.perf_counter() - begun

    @property
    def healthy(self) -> bool:
        """Whether the API's health and an ordinary request both answer 200."""
        return [self.get(path)[0] for path in (self.settings.backend.health_check_path, "/api/v1/map")] == [200, 200]

    @cached_property
    def _connection(self) -> http.client.HTTPSConnection:
        environment = self.cloud.application_environment
        proxy = urlsplit(environment["HTTPS_PROXY"])
        tls = ssl.create_default_context(cafile=environment["SSL_CERT_FILE"])
        connection = http.client.HTTPSConnection(str(proxy.hostname), proxy.port, context=tls, timeout=10)
        connection.set_tunnel(self.settings.domain.api, 443)
        return connection

    def _publish(self, at: datetime) -> None:
        """What AWS would publish for the minute from `at` on: the requests as they went, the rest as on a quiet day."""
        answers = [self.get("/api/v1/map") for _ in range(REQUESTS_A_MINUTE)]
        errors = sum(status >= 500 for status, _ in answers)
        self._log([status for status, _ in answers], at)
        running = self._service
        tasks = running["runningCount"]
        health, _ = self.get(self.settings.backend.health_check_path)
        accepted = str(health) in self.settings.backend.health_check_codes.split(",")
        balancer, targets = self._balancer
        database = self._database_available
        names = self.settings

        def metric(name: str, value: float | list[float], **dimensions: str) -> Datum:
            values = {"Values": value} if isinstance(value, list) else {"Value": value}
            return {
                "MetricName": name,
                "Timestamp": at,
                "Dimensions": [{"Name": key, "Value": it} for key, it in dimensions.items()],
                **values,
            }

        service = {"ClusterName": names.cluster, "ServiceName": names.service}
        instance = {"DBInstanceIdentifier": names.database_instance}
        published: dict[str, list[Datum]] = {
            "AWS/ApplicationELB": [
                metric("RequestCount", len(answers), LoadBalancer=balancer),
                metric("TargetResponseTime", [seconds for _, seconds in answers], LoadBalancer=balancer),
                metric("HealthyHostCount", tasks if accepted else 0, LoadBalancer=balancer, TargetGroup=targets),
                metric("UnHealthyHostCount", 0 if accepted else tasks, LoadBalancer=balancer, TargetGroup=targets),
                *([metric("HTTPCode_Target_5XX_Count", errors, LoadBalancer=balancer)] if errors else []),
            ],
            "AWS/ECS": [metric("CPUUtilization", 35, **service), metric("MemoryUtilization", 48, **service)],
            "ECS/ContainerInsights": [
                metric("RunningTaskCount", tasks, **service),
                metric("DesiredTaskCount", running["desiredCount"], **service),
                metric("PendingTaskCount", running["pendingCount"], **service),
                metric("DeploymentCount", len(running["deployments"]), **service),
            ],
            "AWS/RDS": [metric(name, value, **instance) for name, value in QUIET_DATABASE.items()] if database else [],
            "AWS/ElastiCache": [
                metric(name, value, CacheClusterId=node) for node in names.cache_nodes for name, value in QUIET_CACHE.items()
            ],
        }
        for namespace, data in published.items():
            if data:
                self.cloudwatch.put_metric_data(Namespace=namespace, MetricData=data)

    def _log(self, statuses: list[int], at: datetime) -> None:
        """The backend's access lines of the requests that failed in the minute from `at` on."""
        events = []
        for second, status in enumerate(statuses):
            moment = at + timedelta(seconds=second)
            line = f'10.0.1.7 - - [{moment:%d/%b/%Y:%H:%M:%S} +0000] "GET /api/v1/map HTTP/1.1" {status} 26'
            if status >= 500:
                events.append({"timestamp": int(moment.timestamp() * 1000), "message": line})
        if events:
            self._logs.put_log_events(
                logGroupName=self.settings.backend_log_group, logStreamName=self._stream, logEvents=events
            )

    @cached_property
    def _stream(self) -> str:
        """The log stream of a task."""
        self._logs.create_log_stream(logGroupName=self.settings.backend_log_group, logStreamName="backend/backend/drill")
        return "backend/backend/drill"

    @cached_property
    def _balancer(self) -> tuple[str, str]:
        """The dimensions' values of the load balancer and its target group: the tails of their ARNs."""
        client = self.cloud.client("elbv2")
        balancer = client.describe_load_balancers(Names=[self.settings.load_balancer])["LoadBalancers"][0]["LoadBalancerArn"]
        targets = client.describe_target_groups(Names=[self.settings.target_group])["TargetGroups"][0]["TargetGroupArn"]
        return balancer.partition("loadbalancer/")[2], targets.rpartition(":")[2]

    def record(self, file: Path, since: datetime, also: Collection[Metric] = ()) -> None:
        """Write what the alarms' metrics were since then, and others, as `python -m local.replay` reads it."""
        pages = self.cloudwatch.get_paginator("describe_alarms").paginate(AlarmTypes=["MetricAlarm"])
        wanted = {metric for page in pages for alarm in page["MetricAlarms"] for metric in metrics(alarm).values()}
        wanted |= {*also}
        end = self.cloud.now().replace(second=0, microsecond=0)
        with file.open("w", encoding="utf-8", newline="") as opened:
            rows = csv.writer(opened, lineterminator="\n")
            rows.writerow(("timestamp", "metric", "value"))
            for metric, points in sorted(self.alarms.read(wanted, since, end).items(), key=lambda item: str(item[0])):
                namesakes = [other for other in wanted if (other.namespace, other.name) == (metric.namespace, metric.name)]
                apart = metric.dimensions - frozenset.intersection(*(other.dimensions for other in namesakes))
                name = " ".join((metric.namespace, metric.name, *(f"{key}={value}" for key, value in sorted(apart))))
                rows.writerows(
                    (f"{time:%Y-%m-%dT%H:%M:%SZ}", name, f"{point.value:.6g}") for time, point in sorted(points.items())
                )

    # The database

    @property
    def _database_available(self) -> bool:
        instance = self._rds.describe_db_instances(DBInstanceIdentifier=self.settings.database_instance)
        return bool(instance["DBInstances"][0]["DBInstanceStatus"] == "available")

    def stop_database(self) -> None:
        self._rds.stop_db_instance(DBInstanceIdentifier=self.settings.database_instance)

    def start_database(self) -> None:
        self._rds.start_db_instance(DBInstanceIdentifier=self.settings.database_instance)

    # The people who run it

    def maintenance(self, state: str, reason: str) -> None:
        """Begin maintenance (`ALARM`) or end it (`OK`), as the on-call page says."""
        self.cloudwatch.set_alarm_state(AlarmName=self.settings.maintenance_alarm, StateValue=state, StateReason=reason)
        self.cloud.wait_until_idle()

    # What people were told, and what the function did

    @cached_property
    def _inbox(self) -> str:
        """A queue behind the topics that people are subscribed to."""
        settings, queue = self.settings, self.settings.arn("sqs", "drill-people")
        names = [settings.escalations_topic, *(settings.on_call_topic(severity) for severity in RESPONSE_TIMES)]
        topics = [settings.arn("sns", name) for name in names]
        statement = {
            "Effect": "Allow",
            "Principal": {"Service": "sns.amazonaws.com"},
            "Action": "sqs:SendMessage",
            "Resource": queue,
            "Condition": {"ArnEquals": {"aws:SourceArn": topics}},
        }
        policy = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
        url = self._sqs.create_queue(QueueName="drill-people", Attributes={"Policy": policy})["QueueUrl"]
        for topic in topics:
            self.cloud.client("sns").subscribe(TopicArn=topic, Protocol="sqs", Endpoint=queue)
        return str(url)

    def heard(self) -> list[Heard]:
        """What people were told since the last look, in order."""
        messages = []
        while found := self._sqs.receive_message(QueueUrl=self._inbox, MaxNumberOfMessages=10).get("Messages"):
            for message in found:
                body = json.loads(message["Body"])
                topic = body["TopicArn"].rpartition(":")[2].removeprefix(f"{self.settings.prefix}-")
                messages.append(Heard(topic, body.get("Subject") or "", body["Message"]))
                self._sqs.delete_message(QueueUrl=self._inbox, ReceiptHandle=message["ReceiptHandle"])
        return messages

    def outcomes(self) -> list[dict[str, Any]]:
        """The structured lines of `rollback` that record an outcome, oldest first."""
        lines = [json.loads(line) for line in self.cloud.logs("rollback") if line.startswith("{")]
        return [line for line in lines if "outcome" in line]
