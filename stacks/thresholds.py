"""The runbook's threshold table (section 7.1) as data.

The alarms, the dashboard's bands, the alarm descriptions and the printed runbook all come from these rows. Nothing here
imports the CDK, so that the table can be read by anything.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal

Level = Literal["warning", "critical"]
LEVELS: tuple[Level, ...] = ("warning", "critical")

RESPONSE_TIMES: Mapping[str, str] = {  # runbook section 2, severity levels
    "P1": "15 min",
    "P2": "1 hour",
    "P3": "4 hours",
    "P4": "next business day",
}

RUNBOOK_SECTIONS: Mapping[str, str] = {  # of the runbook, those that a row or a query refers to
    "3.1": "High Error Rate (5XX)",
    "3.2": "High Latency",
    "3.3": "ECS Tasks Unhealthy",
    "3.4": "Database Connection Issues",
    "3.5": "Redis Connection Issues",
    "4.1": "Backend Rollback (ECS)",
    "6.3": "Query Performance",
    "7.4": "Log Queries",
}

SLOW_QUERY_MILLISECONDS = 1000
"""The database logs a statement that takes longer: `log_min_duration_statement` of its parameter group (runbook 6.3)."""


@dataclass(frozen=True)
class Signal:
    """One CloudWatch metric a row reads.

    `dimensions` holds the names of dimensions, whose values come from the environment, or `Name=value`. `id` is what the row's
    expression calls the metric, with a number where a dimension has several values.
    """

    namespace: str
    metric: str
    dimensions: tuple[str, ...]
    statistic: str
    id: str = "m"


@dataclass(frozen=True)
class Window:
    """M of N: the alarm fires when `breaching` of the last `periods` periods breach."""

    breaching: int
    periods: int


@dataclass(frozen=True)
class Row:
    """One row of the table.

    `slug` names the alarms (`hz-navigator-<env>-<slug>-<level>`). `normal`, `warning` and `critical` are in `unit`, and the
    row is worse the higher it is, unless `worse` says otherwise; a value breaches when it is strictly past the line, as the
    runbook's `>` says. `minimum` is the traffic under which the row says nothing. `missing` is CloudWatch's
    TreatMissingData, by level. `expression` is metric math over the signals, `{minimum}` in it the row's minimum; empty where
    the row is its one signal.
    """

    slug: str
    title: str
    unit: str
    normal: float
    warning: float
    critical: float
    signals: tuple[Signal, ...]
    section: str
    severity: tuple[str, str]
    period: int = 60
    windows: tuple[Window, Window] = (Window(4, 5), Window(2, 3))
    missing: tuple[str, str] = ("notBreaching", "notBreaching")
    worse: Literal["above", "below"] = "above"
    minimum: int = 0
    dependency: str = ""
    """The thing behind the backend whose impairment this row shows ("database", "cache"), else empty."""
    expression: str = ""
    impairs_service: bool = False
    """Past the critical line the service is bad for users: this alarm is one of those that the rollback function hangs on."""

    def line(self, level: Level) -> float:
        """The threshold of a level, in the row's unit."""
        return self.warning if level == "warning" else self.critical

    def at(self, level: Level) -> int:
        """The index of a level in the row's pairs."""
        return LEVELS.index(level)


_ECS = ("ClusterName", "ServiceName")
_RDS = ("DBInstanceIdentifier",)
_REDIS = ("CacheClusterId",)
_ALB = ("LoadBalancer",)
_TARGETS = ("LoadBalancer", "TargetGroup")
OWN_NAMESPACE = "HZNavigator"
_REQUESTS = Signal("AWS/ApplicationELB", "RequestCount", _ALB, "Sum", "requests")


def _availability(target: str) -> Signal:
    return Signal(OWN_NAMESPACE, "Availability", ("Environment", f"Target={target}"), "Average")


TABLE: tuple[Row, ...] = (
    Row(
        "ecs-cpu", "ECS CPU", "%", 60, 70, 85,
        (Signal("AWS/ECS", "CPUUtilization", _ECS, "Average"),), "3.2", ("P3", "P2"),
    ),
    Row(
        "ecs-memory", "ECS memory", "%", 70, 80, 90,
        (Signal("AWS/ECS", "MemoryUtilization", _ECS, "Average"),), "3.3", ("P3", "P2"),
    ),
    Row(
        "rds-cpu", "RDS CPU", "%", 60, 75, 90,
        (Signal("AWS/RDS", "CPUUtilization", _RDS, "Average"),), "3.2", ("P3", "P2"), dependency="database",
    ),
    Row(
        "rds-connections", "RDS connections", "connections", 100, 150, 180,
        (Signal("AWS/RDS", "DatabaseConnections", _RDS, "Maximum"),), "3.4", ("P3", "P2"), dependency="database",
    ),
    Row(
        "redis-memory", "Redis memory, worst node", "%", 70, 80, 90,
        (Signal("AWS/ElastiCache", "DatabaseMemoryUsagePercentage", _REDIS, "Maximum"),), "3.5", ("P3", "P2"),
        dependency="cache", expression="MAX(METRICS())",
    ),
    Row(
        "alb-5xx-rate", "ALB 5XX rate", "%", 0.1, 1, 5,
        (
            _REQUESTS,
            Signal("AWS/ApplicationELB", "HTTPCode_ELB_5XX_Count", _ALB, "Sum", "elb"),
            Signal("AWS/ApplicationELB", "HTTPCode_Target_5XX_Count", _ALB, "Sum", "target"),
        ),
        "3.1", ("P3", "P1"), minimum=20, impairs_service=True,
        # The load balancer publishes 5XX only when there are some.
        expression="IF(requests > {minimum}, 100 * (FILL(elb, 0) + FILL(target, 0)) / requests)",
    ),
    Row(
        "alb-latency-p95", "ALB latency (p95)", "s", 0.5, 1, 2,
        (_REQUESTS, Signal("AWS/ApplicationELB", "TargetResponseTime", _ALB, "p95", "latency")), "3.2", ("P3", "P2"),
        # Not EvaluateLowSampleCountPercentile=ignore: an alarm would stay on for as long as traffic stays low.
        minimum=20, expression="IF(requests > {minimum}, latency)", impairs_service=True,
    ),
    Row(
        "sentry-errors", "Error rate (Sentry)", "errors/min", 10, 50, 100,
        (Signal(OWN_NAMESPACE, "SentryErrors", ("Environment",), "Sum"),), "3.1", ("P3", "P2"), missing=("missing", "missing"),
    ),
)  # fmt: skip

# Not in the runbook's table, but in its procedures: 3.3 (unhealthy hosts) and appendix A (the health check script).
SERVICE_HEALTH: tuple[Row, ...] = (
    Row(
        "unhealthy-hosts", "Unhealthy hosts", "%", 0, 0, 49,
        (
            Signal("AWS/ApplicationELB", "UnHealthyHostCount", _TARGETS, "Maximum", "unhealthy"),
            Signal("AWS/ApplicationELB", "HealthyHostCount", _TARGETS, "Minimum", "healthy"),
        ),
        "3.3", ("P3", "P2"), expression="100 * unhealthy / (unhealthy + healthy)", impairs_service=True,
    ),
    Row(
        "api-availability", "API availability", "%", 100, 99, 50,
        (_availability("api"),), "3.1", ("P3", "P1"), worse="below",
        missing=("breaching", "notBreaching"), impairs_service=True,
    ),
    Row(
        "frontend-availability", "Frontend availability", "%", 100, 99, 50,
        (_availability("frontend"),), "3.1", ("P3", "P1"), worse="below",
        missing=("breaching", "notBreaching"),
    ),
)  # fmt: skip

ROWS: tuple[Row, ...] = TABLE + SERVICE_HEALTH


@dataclass(frozen=True)
class Failure:
    """A metric of one of our own functions that stays at `line` while all is well: anything more is critical."""

    slug: str
    title: str
    function: str
    metric: str
    window: Window
    section: str
    severity: str = "P2"
    line: float = 0


FAILURES: tuple[Failure, ...] = (
    Failure("rollback-errors", "The rollback function failed", "rollback", "Errors", Window(1, 1), "4.1"),
    Failure("rollback-throttles", "The rollback function was kept from running", "rollback", "Throttles", Window(1, 1), "4.1"),
    Failure(
        "rollback-dead-letters", "An alarm that the rollback function could not handle reached nobody",
        "rollback", "DeadLetterErrors", Window(1, 1), "4.1",
    ),
    Failure("health-check-errors", "The health check function failed", "health-check", "Errors", Window(2, 3), "3.1"),
)  # fmt: skip


def table_for(overrides: Mapping[str, Mapping[str, Any]]) -> tuple[Row, ...]:
    """The rows with an environment's own lines in place: `{slug: {"normal"|"warning"|"critical": number}}`."""
    return tuple(replace(row, **overrides.get(row.slug, {})) for row in ROWS)
