"""The threshold table (runbook section 7.1): what is measured, where it is normal, and past which lines somebody responds.

The alarms, the dashboard's bands, the alarms' descriptions and the printed runbook all come from these rows.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Generic, Literal, TypeVar

from runbook.sections import Section
from runbook.severities import Severity

Level = Literal["warning", "critical"]
LEVELS: tuple[Level, ...] = ("warning", "critical")
Worse = Literal["above", "below"]
Missing = Literal["missing", "ignore", "breaching", "notBreaching"]
"""CloudWatch's TreatMissingData."""
Dependency = Literal["database", "cache"]

T = TypeVar("T")


@dataclass(frozen=True)
class PerLevel(Generic[T]):
    """What a row has for each of its two levels."""

    warning: T
    critical: T

    def at(self, level: Level) -> T:
        return self.warning if level == "warning" else self.critical


@dataclass(frozen=True)
class Signal:
    """One CloudWatch metric.

    `namespace` is AWS's; empty for the application's own metrics, whose namespace the configuration says. `dimensions` holds
    the names of dimensions, whose values come from the environment, or `Name=value`. `id` is what a row's expression calls the
    metric, with a number where a dimension has several values.
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


@dataclass(frozen=True, kw_only=True)
class Row:
    """One row of the table.

    `slug` names the alarms, `<slug>-<level>` below the environment's prefix. `normal`, `warning` and `critical` are in `unit`.
    The row is worse the higher it is, unless `worse` says otherwise; a value breaches when it is strictly past the line, as
    the runbook's `>` says. `period` is in seconds.
    """

    slug: str
    title: str
    unit: str
    normal: float
    warning: float
    critical: float
    signals: tuple[Signal, ...]
    section: Section
    severity: PerLevel[Severity]
    cause: str
    period: int = 60
    window: PerLevel[Window] = PerLevel(warning=Window(4, 5), critical=Window(2, 3))
    missing: PerLevel[Missing] = PerLevel(warning="notBreaching", critical="notBreaching")
    worse: Worse = "above"
    minimum: int = 0
    """The requests a minute below which the row says nothing."""
    dependency: Dependency | None = None
    """What behind the backend is impaired past the critical line."""
    expression: str = ""
    """Metric math over the signals, `{minimum}` in it the row's minimum; empty where the row is its one signal."""
    users_affected: bool = False
    """Past the critical line users are affected: `rollback` is invoked by this alarm, among others."""
    fails_deployment: bool = False
    """Past the critical line ECS takes a running deployment back by itself."""
    needs: str = ""
    """The optional part of an environment without which the row has no data."""

    def line(self, level: Level) -> float:
        """The threshold of a level, in the row's unit."""
        return self.warning if level == "warning" else self.critical


_ECS = ("ClusterName", "ServiceName")
_RDS = ("DBInstanceIdentifier",)
_REDIS = ("CacheClusterId",)
_ALB = ("LoadBalancer",)
_TARGETS = ("LoadBalancer", "TargetGroup")
OWN = ""
"""The namespace of the metrics that the functions publish: the application's."""
_REQUESTS = Signal("AWS/ApplicationELB", "RequestCount", _ALB, "Sum", "requests")
_P3_THEN_P1: PerLevel[Severity] = PerLevel(warning="P3", critical="P1")
_P3_THEN_P2: PerLevel[Severity] = PerLevel(warning="P3", critical="P2")
_SILENCE_WARNS: PerLevel[Missing] = PerLevel(warning="breaching", critical="notBreaching")


def _availability(target: str) -> Signal:
    return Signal(OWN, "Availability", ("Environment", f"Target={target}"), "Average")


TABLE: tuple[Row, ...] = (
    Row(
        slug="ecs-cpu",
        title="ECS CPU",
        unit="%",
        normal=60,
        warning=70,
        critical=85,
        signals=(Signal("AWS/ECS", "CPUUtilization", _ECS, "Average"),),
        section=Section.HIGH_LATENCY,
        severity=_P3_THEN_P2,
        cause="more work than the tasks can do: traffic, or a release that costs more",
    ),
    Row(
        slug="ecs-memory",
        title="ECS memory",
        unit="%",
        normal=70,
        warning=80,
        critical=90,
        signals=(Signal("AWS/ECS", "MemoryUtilization", _ECS, "Average"),),
        section=Section.TASKS_UNHEALTHY,
        severity=_P3_THEN_P2,
        cause="a leak, or tasks that are too small",
    ),
    Row(
        slug="rds-cpu",
        title="RDS CPU",
        unit="%",
        normal=60,
        warning=75,
        critical=90,
        signals=(Signal("AWS/RDS", "CPUUtilization", _RDS, "Average"),),
        section=Section.HIGH_LATENCY,
        severity=_P3_THEN_P2,
        cause="slow queries, or more of them",
        dependency="database",
    ),
    Row(
        slug="rds-connections",
        title="RDS connections",
        unit="connections",
        normal=100,
        warning=150,
        critical=180,
        signals=(Signal("AWS/RDS", "DatabaseConnections", _RDS, "Maximum"),),
        section=Section.DATABASE_CONNECTIONS,
        severity=_P3_THEN_P2,
        cause="connections that are not given back, or too many tasks",
        dependency="database",
    ),
    Row(
        slug="redis-memory",
        title="Redis memory, worst node",
        unit="%",
        normal=70,
        warning=80,
        critical=90,
        signals=(Signal("AWS/ElastiCache", "DatabaseMemoryUsagePercentage", _REDIS, "Maximum"),),
        expression="MAX(METRICS())",
        section=Section.REDIS_CONNECTIONS,
        severity=_P3_THEN_P2,
        cause="keys that never expire, or nodes that are too small",
        dependency="cache",
    ),
    Row(
        slug="alb-5xx-rate",
        title="ALB 5XX rate",
        unit="%",
        normal=0.1,
        warning=1,
        critical=5,
        signals=(
            _REQUESTS,
            Signal("AWS/ApplicationELB", "HTTPCode_ELB_5XX_Count", _ALB, "Sum", "elb"),
            Signal("AWS/ApplicationELB", "HTTPCode_Target_5XX_Count", _ALB, "Sum", "target"),
        ),
        minimum=20,
        # The load balancer publishes 5XX only when there are some.
        expression="IF(requests > {minimum}, 100 * (FILL(elb, 0) + FILL(target, 0)) / requests)",
        section=Section.HIGH_ERROR_RATE,
        severity=_P3_THEN_P1,
        cause="a bad release, or something behind the backend that fails",
        users_affected=True,
        fails_deployment=True,
    ),
    Row(
        slug="alb-latency-p95",
        title="ALB latency (p95)",
        unit="s",
        normal=0.5,
        warning=1,
        critical=2,
        signals=(_REQUESTS, Signal("AWS/ApplicationELB", "TargetResponseTime", _ALB, "p95", "latency")),
        minimum=20,
        # Not EvaluateLowSampleCountPercentile=ignore: an alarm would stay on for as long as traffic stays low.
        expression="IF(requests > {minimum}, latency)",
        section=Section.HIGH_LATENCY,
        severity=_P3_THEN_P2,
        cause="slow queries, too few tasks, or a third party that is slow",
        users_affected=True,
        fails_deployment=True,
    ),
    Row(
        slug="sentry-errors",
        title="Error rate (Sentry)",
        unit="errors/min",
        normal=10,
        warning=50,
        critical=100,
        # Each value is a minute's count, and a schedule may run twice in a minute: no sum.
        signals=(Signal(OWN, "SentryErrors", ("Environment",), "Maximum"),),
        section=Section.HIGH_ERROR_RATE,
        severity=_P3_THEN_P2,
        cause="a bad release, or a third party that fails",
        missing=PerLevel(warning="missing", critical="missing"),
        needs="sentry",
    ),
)
"""The runbook's own table."""

SERVICE_HEALTH: tuple[Row, ...] = (
    Row(
        slug="unhealthy-hosts",
        title="Unhealthy hosts",
        unit="%",
        normal=0,
        warning=0,
        critical=49,
        signals=(
            Signal("AWS/ApplicationELB", "UnHealthyHostCount", _TARGETS, "Maximum", "unhealthy"),
            Signal("AWS/ApplicationELB", "HealthyHostCount", _TARGETS, "Minimum", "healthy"),
        ),
        expression="100 * unhealthy / (unhealthy + healthy)",
        section=Section.TASKS_UNHEALTHY,
        severity=_P3_THEN_P2,
        cause="tasks that do not pass their health check",
        users_affected=True,
    ),
    Row(
        slug="api-availability",
        title="API availability",
        unit="%",
        normal=100,
        warning=99,
        critical=50,
        worse="below",
        signals=(_availability("api"),),
        section=Section.HIGH_ERROR_RATE,
        severity=_P3_THEN_P1,
        cause="no healthy task, or nothing that reaches the load balancer",
        missing=_SILENCE_WARNS,
        users_affected=True,
    ),
    Row(  # not a dependency: a release that breaks its own connection reports the same, and should be rolled back
        slug="database-availability",
        title="Database availability",
        unit="%",
        normal=100,
        warning=99,
        critical=50,
        worse="below",
        signals=(_availability("database"),),
        section=Section.DATABASE_CONNECTIONS,
        severity=_P3_THEN_P1,
        cause="the database is down, fails over or cannot be reached; or a release broke its connection",
    ),
    Row(
        slug="frontend-availability",
        title="Frontend availability",
        unit="%",
        normal=100,
        warning=99,
        critical=50,
        worse="below",
        signals=(_availability("frontend"),),
        section=Section.HIGH_ERROR_RATE,
        severity=_P3_THEN_P1,
        cause="CloudFront, its bucket, or an incomplete upload of the frontend",
        missing=_SILENCE_WARNS,
    ),
)
"""Not in the runbook's table, but in its procedures: 3.3 (unhealthy hosts) and appendix A (the health check script)."""

ROWS: tuple[Row, ...] = TABLE + SERVICE_HEALTH


Lines = Mapping[str, float]
"""An environment's own lines of one row, in the row's unit: `{"normal"|"warning"|"critical": number}`."""


def rows_with(own: Mapping[str, Lines]) -> tuple[Row, ...]:
    """The rows with an environment's own lines in place, by the row's slug."""
    return tuple(
        replace(
            row,
            normal=lines.get("normal", row.normal),
            warning=lines.get("warning", row.warning),
            critical=lines.get("critical", row.critical),
        )
        for row in ROWS
        for lines in (own.get(row.slug, {}),)
    )
