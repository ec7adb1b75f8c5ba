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


@dataclass(frozen=True)
class Signal:
    """One CloudWatch metric a row reads: `dimensions` holds the names of dimensions, their values come from the environment."""

    namespace: str
    metric: str
    dimensions: tuple[str, ...]
    statistic: str


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
    TreatMissingData, by level.
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
_SITE = ("Environment", "Target")

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
        dependency="cache",
    ),
    Row(
        "alb-5xx-rate", "ALB 5XX rate", "%", 0.1, 1, 5,
        (
            Signal("AWS/ApplicationELB", "RequestCount", _ALB, "Sum"),
            Signal("AWS/ApplicationELB", "HTTPCode_ELB_5XX_Count", _ALB, "Sum"),
            Signal("AWS/ApplicationELB", "HTTPCode_Target_5XX_Count", _ALB, "Sum"),
        ),
        "3.1", ("P3", "P1"), minimum=20,
    ),
    Row(
        "alb-latency-p95", "ALB latency (p95)", "s", 0.5, 1, 2,
        (Signal("AWS/ApplicationELB", "TargetResponseTime", _ALB, "p95"),), "3.2", ("P3", "P2"),
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
            Signal("AWS/ApplicationELB", "UnHealthyHostCount", _TARGETS, "Maximum"),
            Signal("AWS/ApplicationELB", "HealthyHostCount", _TARGETS, "Minimum"),
        ),
        "3.3", ("P3", "P2"),
    ),
    Row(
        "api-availability", "API availability", "%", 100, 99, 50,
        (Signal(OWN_NAMESPACE, "Availability", _SITE, "Average"),), "3.1", ("P3", "P1"), worse="below",
        missing=("breaching", "notBreaching"),
    ),
    Row(
        "frontend-availability", "Frontend availability", "%", 100, 99, 50,
        (Signal(OWN_NAMESPACE, "Availability", _SITE, "Average"),), "3.1", ("P3", "P1"), worse="below",
        missing=("breaching", "notBreaching"),
    ),
)  # fmt: skip

ROWS: tuple[Row, ...] = TABLE + SERVICE_HEALTH


def table_for(overrides: Mapping[str, Mapping[str, Any]]) -> tuple[Row, ...]:
    """The rows with an environment's own lines in place: `{slug: {"normal"|"warning"|"critical": number}}`."""
    return tuple(replace(row, **overrides.get(row.slug, {})) for row in ROWS)
