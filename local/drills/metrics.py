"""What AWS would publish and the backend would log in a minute: the requests as they went, the rest as on a quiet day."""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from datetime import datetime, timedelta
from functools import cached_property
from typing import Any

from local.cloud import Cloud
from local.drills.users import PATH, Answer

_QUIET_SERVICE = {"CPUUtilization": 35.0, "MemoryUtilization": 40.0}
_QUIET_DATABASE = {
    "CPUUtilization": 37.5,
    "ReadLatency": 0.0008,
    "WriteLatency": 0.0021,
    "FreeStorageSpace": 68e9,
    "FreeableMemory": 3e9,
    "CPUCreditBalance": 576.0,
}
_QUIET_CACHE = {
    "DatabaseMemoryUsagePercentage": 40.0,
    "EngineCPUUtilization": 9.0,
    "CurrConnections": 24.0,
    "Evictions": 0.0,
}
_QUIET_REPLICA = {"ReplicationLag": 0.2}
"""A quiet day. What AWS publishes seldom is published each minute here: CPU credits each five minutes."""
_FULL_CACHE = _QUIET_CACHE | {"DatabaseMemoryUsagePercentage": 100.0, "Evictions": 240.0}

Datum = Mapping[str, Any]


class Metrics:
    """The metrics and the access log of an environment, which the emulator does not write by itself."""

    def __init__(self, cloud: Cloud) -> None:
        self._cloud = cloud
        self._environment = cloud.environment
        self._cloudwatch = cloud.client("cloudwatch")
        self._logs = cloud.client("logs")
        self._rds = cloud.client("rds")

    def publish(self, begin: datetime, answers: Sequence[Answer], health: Answer, service: Mapping[str, Any]) -> None:
        """Publish the minute from `begin` on: the users' answers, the answer of the health check, and the service in ECS.

        What the load balancer publishes, and when: https://docs.aws.amazon.com/elasticloadbalancing/latest/application/load-balancer-cloudwatch-metrics.html
        """
        environment = self._environment
        balancer, targets = self._load_balancer
        tasks = service["runningCount"]
        # Requests for which no target could be chosen are only in the load balancer's own 503s. So are those that WAF answered
        # here; AWS does not say whether it counts them there or nowhere, and here alarms have to bear it.
        answered = [answer for answer in answers if tasks and not answer.kept_out]
        refused, errors = len(answers) - len(answered), sum(answer.status >= 500 for answer in answered)
        healthy = tasks if accepted(health.status, environment.backend.health_check_codes) else 0

        def metric(name: str, value: float | list[float], **dimensions: str) -> Datum:
            values = {"Values": value} if isinstance(value, list) else {"Value": value}
            named = [{"Name": key, "Value": of} for key, of in dimensions.items()]
            return {"MetricName": name, "Timestamp": begin, "Dimensions": named, **values}

        def quiet(values: Mapping[str, float], **dimensions: str) -> list[Datum]:
            return [metric(name, value, **dimensions) for name, value in values.items()]

        def counted(name: str, count: int) -> list[Datum]:
            """What is published only where there is some."""
            return [metric(name, count, LoadBalancer=balancer)] if count else []

        of_service = {"ClusterName": environment.cluster, "ServiceName": environment.service}
        cache = _FULL_CACHE if self._cloud.cache_is_full else _QUIET_CACHE
        of_database = {"DBInstanceIdentifier": environment.database_instance}
        published = {
            "AWS/ApplicationELB": [
                *counted("RequestCount", len(answered)),
                *counted("HTTPCode_Target_5XX_Count", errors),
                *counted("HTTPCode_ELB_5XX_Count", refused),
                *(
                    [metric("TargetResponseTime", [answer.seconds for answer in answered], LoadBalancer=balancer)]
                    if answered
                    else []
                ),
                *(
                    [
                        metric("HealthyHostCount", healthy, LoadBalancer=balancer, TargetGroup=targets),
                        metric("UnHealthyHostCount", tasks - healthy, LoadBalancer=balancer, TargetGroup=targets),
                    ]
                    if tasks
                    else []
                ),
            ],
            "AWS/ECS": quiet(_QUIET_SERVICE, **of_service) if tasks else [],
            "ECS/ContainerInsights": [
                metric("RunningTaskCount", tasks, **of_service),
                metric("DesiredTaskCount", service["desiredCount"], **of_service),
                metric("PendingTaskCount", service["pendingCount"], **of_service),
                metric("DeploymentCount", len(service["deployments"]), **of_service),
            ],
            "AWS/RDS": (
                quiet(_QUIET_DATABASE | {"DatabaseConnections": self._cloud.connections}, **of_database)
                if self._database_available
                else []
            ),
            "AWS/ElastiCache": [
                one
                for number, node in enumerate(environment.cache_nodes)
                for one in quiet(cache | (_QUIET_REPLICA if number else {}), CacheClusterId=node)
            ],
            environment.application.metrics_namespace: (
                [metric("SentryErrors", 0, Environment=environment.name)] if environment.sentry else []
            ),
        }
        for namespace, data in published.items():
            self._put(namespace, data)
        self._log(begin, answers)

    def _put(self, namespace: str, data: Sequence[Datum]) -> None:
        if data:
            self._cloudwatch.put_metric_data(Namespace=namespace, MetricData=data)

    def _log(self, begin: datetime, answers: Sequence[Answer]) -> None:
        """The backend's access lines of the requests that failed."""
        events = []
        for second, answer in enumerate(answers):
            at = begin + timedelta(seconds=second)
            line = f'10.0.1.7 - - [{at:%d/%b/%Y:%H:%M:%S} +0000] "GET {PATH} HTTP/1.1" {answer.status} 26'
            if answer.status >= 500:
                events.append({"timestamp": int(at.timestamp() * 1000), "message": line})
        if events:
            group, stream = self._log_stream
            self._logs.put_log_events(logGroupName=group, logStreamName=stream, logEvents=events)

    @cached_property
    def _log_stream(self) -> tuple[str, str]:
        """The log group and the stream of a task."""
        group, stream = self._environment.backend_log_group, "backend/backend/drill"
        with suppress(self._logs.exceptions.ResourceAlreadyExistsException):  # another simulation of this cloud has made it
            self._logs.create_log_stream(logGroupName=group, logStreamName=stream)
        return group, stream

    @cached_property
    def _load_balancer(self) -> tuple[str, str]:
        """The dimensions' values of the load balancer and its target group: the tails of their ARNs."""
        client, environment = self._cloud.client("elbv2"), self._environment
        balancer = client.describe_load_balancers(Names=[environment.load_balancer])["LoadBalancers"][0]["LoadBalancerArn"]
        targets = client.describe_target_groups(Names=[environment.target_group])["TargetGroups"][0]["TargetGroupArn"]
        return balancer.partition("loadbalancer/")[2], targets.rpartition(":")[2]

    @property
    def _database_available(self) -> bool:
        try:
            described = self._rds.describe_db_instances(DBInstanceIdentifier=self._environment.database_instance)
        except self._rds.exceptions.DBInstanceNotFoundFault:  # another is about to get its name
            return False
        return bool(described["DBInstances"][0]["DBInstanceStatus"] == "available")


def accepted(status: int, codes: str) -> bool:
    """Whether a target group's matcher, such as `200,301-308`, accepts a status."""
    ranges = (part.partition("-") for part in codes.split(","))
    return any(int(first) <= status <= int(last or first) for first, _, last in ranges)
