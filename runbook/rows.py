"""The threshold table (runbook section 7.1): what is measured, where it is normal, and past which lines somebody responds.

The alarms, the dashboard's bands, the alarms' descriptions and the printed runbook all come from these rows.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Generic, Literal, TypeVar

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


RECURRING = Window(9, 30)
"""Past the critical line one minute in three: too seldom for the critical alarm, too often to be left alone."""
RECENT = Window(1, 2)
"""Past the critical line just now: over as soon as the critical alarm is, while RECURRING stays on long after it."""


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
    """The requests in a period below which the row says nothing."""
    dependency: Dependency | None = None
    """What behind the backend is impaired past the critical line."""
    expression: str = ""
    """Metric math over the signals, `{minimum}` in it the row's minimum; empty where the row is its one signal."""
    users_affected: bool = False
    """Past the critical line users are affected: `rollback` is invoked by this alarm, among others."""
    fails_deployment: bool = False
    """Past the critical line ECS takes a running deployment back by itself."""
    recurs: bool = False
    """Users are affected for some minutes again and again: watched by two more alarms, RECURRING and RECENT."""
    needs: str = ""
    """The optional part of an environment without which the row has no data."""
    only: str = ""
    """What has to be true of an environment for it to have the row."""
    source: str = ""
    """What says when AWS publishes the row's metrics, where the row is ours and not the runbook's."""

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
_P3_THEN_P1: PerLevel[Severity] = PerLevel(warning="P3", critical="P1")
_P3_THEN_P2: PerLevel[Severity] = PerLevel(warning="P3", critical="P2")
_SILENCE_WARNS: PerLevel[Missing] = PerLevel(warning="breaching", critical="notBreaching")
_TEN_MINUTES = 600

_REQUESTS = Signal("AWS/ApplicationELB", "RequestCount", _ALB, "Sum", "requests")
_ANSWERS = (
    _REQUESTS,
    Signal("AWS/ApplicationELB", "HTTPCode_ELB_5XX_Count", _ALB, "Sum", "elb"),
    Signal("AWS/ApplicationELB", "HTTPCode_Target_5XX_Count", _ALB, "Sum", "target"),
)
# The load balancer publishes 5XX only when there are some, and counts no request for which it could not choose a target.
_ERRORS = "(FILL(elb, 0) + FILL(target, 0))"
_ALL = "(FILL(requests, 0) + FILL(elb, 0))"
_LATENCIES = (
    _REQUESTS,
    *(Signal("AWS/ApplicationELB", "TargetResponseTime", _ALB, statistic, statistic) for statistic in ("p95", "p90", "p50")),
)
# Where 3 % are slow, more than 5 % of 200 are slow by chance once in half an hour. So the fewer the requests, the lower the
# percentile that judges them; it is never more than the p95. Not EvaluateLowSampleCountPercentile=ignore: an alarm would stay
# on for as long as traffic stays low.
_SURE_LATENCY = "IF(requests >= 1000, p95, IF(requests >= 100, p90, IF(requests >= {minimum}, p50)))"


def _error_rate(chance: float) -> str:
    """The share of requests that failed, less the errors in a period that chance explains: so it is at least that much.

    With 1 % of errors, 2.5 are enough for an alarm that has to see them twice, and 4.5 where it sees them once.
    """
    return f"IF({_ERRORS} > {chance}, 100 * ({_ERRORS} - {chance}) / {_ALL}, 0)"


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
        signals=_ANSWERS,
        expression=_error_rate(2.5),
        section=Section.HIGH_ERROR_RATE,
        severity=_P3_THEN_P1,
        cause="a bad release, or something behind the backend that fails",
        users_affected=True,
        fails_deployment=True,
        recurs=True,
    ),
    Row(
        slug="alb-latency-p95",
        title="ALB latency (p95)",
        unit="s",
        normal=0.5,
        warning=1,
        critical=2,
        signals=_LATENCIES,
        minimum=10,
        expression=_SURE_LATENCY,
        section=Section.HIGH_LATENCY,
        severity=_P3_THEN_P2,
        cause="slow queries, too few tasks, or a third party that is slow",
        users_affected=True,
        fails_deployment=True,
        recurs=True,
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
        # Not users_affected: one of two tasks lost with its host is 50 %, and the other serves. When none does, the rows of
        # availability and errors say so. Both metrics fall silent when no target is registered at all.
        expression="IF(unhealthy + healthy > 0, 100 * unhealthy / (unhealthy + healthy), 100)",
        section=Section.TASKS_UNHEALTHY,
        severity=_P3_THEN_P2,
        cause="tasks that do not pass their health check, or no task at all",
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
        recurs=True,
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
        recurs=True,
    ),
)
"""Not in the runbook's table, but in its procedures: 3.3 (unhealthy hosts) and appendix A (the health check script)."""

_FAST = {row.slug: row for row in TABLE}

LOW_TRAFFIC: tuple[Row, ...] = (
    replace(
        _FAST["alb-5xx-rate"],
        slug="alb-5xx-rate-low-traffic",
        title="ALB 5XX rate, under 10 requests a minute",
        period=_TEN_MINUTES,
        window=PerLevel(warning=Window(2, 3), critical=Window(1, 1)),
        expression=f"IF({_ALL} < 100, {_error_rate(4.5)})",
        fails_deployment=False,  # it looks back further than a deployment takes
        recurs=False,
    ),
    replace(
        _FAST["alb-latency-p95"],
        slug="alb-latency-p95-low-traffic",
        title="ALB latency (p95), under 100 requests a minute",
        period=_TEN_MINUTES,
        window=PerLevel(warning=Window(2, 3), critical=Window(2, 3)),
        expression=f"IF(requests < 1000, {_SURE_LATENCY})",
        users_affected=False,
        fails_deployment=False,
        recurs=False,
    ),
)
"""The same over ten minutes, where one minute holds too little to be sure."""


def _below(normal: float, warning: float, critical: float) -> dict[str, Any]:
    return {"normal": normal, "warning": warning, "critical": critical, "worse": "below"}


def _above(normal: float, warning: float, critical: float) -> dict[str, Any]:
    return {"normal": normal, "warning": warning, "critical": critical}


def _lasting(breaching: int, periods: int) -> PerLevel[Window]:
    return PerLevel(warning=Window(breaching, periods), critical=Window(breaching, periods))


_INSIGHTS, _REDIS_METRICS = "ECS/ContainerInsights", "AWS/ElastiCache"
_WORST = "MAX(METRICS())"
_HOST_METRICS = "https://docs.aws.amazon.com/AmazonElastiCache/latest/dg/CacheMetrics.Redis.html"
_RDS_METRICS = "https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/rds-metrics.html"
_ALB_METRICS = "https://docs.aws.amazon.com/elasticloadbalancing/latest/application/load-balancer-cloudwatch-metrics.html"

WHAT_IT_STANDS_ON: tuple[Row, ...] = (
    Row(
        slug="tasks-running",
        title="Tasks running, of those wanted",
        unit="%",
        **_below(100, 100, 50),
        signals=(
            Signal(_INSIGHTS, "RunningTaskCount", _ECS, "Average", "running"),
            Signal(_INSIGHTS, "DesiredTaskCount", _ECS, "Average", "desired"),
        ),
        expression="IF(desired > 0, 100 * running / desired)",
        section=Section.TASKS_UNHEALTHY,
        severity=_P3_THEN_P2,
        cause="tasks that stop, do not start, or were lost with their host",
        window=_lasting(4, 5),  # a task that is replaced takes some minutes
        source="https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/Container-Insights-metrics-ECS.html",
    ),
    Row(
        slug="ecs-cpu-hottest",
        title="ECS CPU, hottest task",
        unit="%",
        **_above(80, 90, 98),
        signals=(Signal("AWS/ECS", "CPUUtilization", _ECS, "Maximum"),),
        section=Section.HIGH_LATENCY,
        severity=_P3_THEN_P2,
        cause="one task that is stuck, or gets more than its share of the work",
        window=_lasting(8, 10),  # a task that starts is hot as well
        source="https://docs.aws.amazon.com/AmazonECS/latest/developerguide/available-metrics.html",
    ),
    Row(
        slug="target-connections",
        title="Connections to tasks that failed",
        unit="a minute",
        **_above(0, 5, 50),
        signals=(Signal("AWS/ApplicationELB", "TargetConnectionErrorCount", _ALB, "Sum"),),
        section=Section.TASKS_UNHEALTHY,
        severity=_P3_THEN_P2,
        cause="tasks that crash or accept no more connections, or a security group",
        source=_ALB_METRICS,
    ),
    Row(
        slug="nat-ports",
        title="Connections that a NAT gateway had no port for",
        unit="a minute",
        **_above(0, 0, 100),
        signals=(Signal("AWS/NATGateway", "ErrorPortAllocation", ("NatGatewayId",), "Sum"),),
        expression=_WORST,
        section=Section.HIGH_LATENCY,
        severity=_P3_THEN_P2,
        cause="too many connections at a time to one third party",
        source="https://docs.aws.amazon.com/vpc/latest/userguide/metrics-dimensions-nat-gateway.html",
    ),
    Row(
        slug="rds-free-storage",
        title="RDS free storage",
        unit="GiB",
        **_below(20, 10, 5),
        signals=(Signal("AWS/RDS", "FreeStorageSpace", _RDS, "Minimum", "free"),),
        expression="free / 1073741824",
        section=Section.DATABASE_CONNECTIONS,
        severity=_P3_THEN_P2,
        cause="data or logs that grow faster than the storage does by itself",
        dependency="database",
        source=_RDS_METRICS,
    ),
    Row(
        slug="rds-free-memory",
        title="RDS freeable memory",
        unit="MiB",
        **_below(512, 256, 128),
        signals=(Signal("AWS/RDS", "FreeableMemory", _RDS, "Minimum", "free"),),
        expression="free / 1048576",
        section=Section.DATABASE_CONNECTIONS,
        severity=_P3_THEN_P2,
        cause="too many connections, queries that sort much, or a class that is too small",
        dependency="database",
        source=_RDS_METRICS,
    ),
    Row(
        slug="rds-cpu-credits",
        title="RDS CPU credits",
        unit="credits",
        **_below(100, 50, 10),
        signals=(Signal("AWS/RDS", "CPUCreditBalance", _RDS, "Minimum"),),
        period=300,  # published each five minutes
        section=Section.VERTICAL_SCALING,
        severity=PerLevel(warning="P4", critical="P3"),  # the database runs on, at a price
        cause="a class that is too small for its work: RDS then charges for each credit it lacks",
        only="burstable_database",
        source="https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/Concepts.DBInstanceClass.Types.html",
    ),
    Row(
        slug="rds-failovers",
        title="RDS failovers",
        unit="in ten minutes",
        **_above(0, 0, 1),
        signals=(Signal("AWS/Events", "Invocations", ("RuleName",), "Sum"),),
        period=_TEN_MINUTES,
        section=Section.DATABASE_CONNECTIONS,
        severity=_P3_THEN_P2,
        cause="the primary or its zone failed, or maintenance: connections broke for a minute or two",
        window=_lasting(1, 1),
        dependency="database",
        source="https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-monitoring.html",
    ),
    Row(
        slug="redis-nodes",
        title="Redis connections, fewest of a node",
        unit="connections",
        **_below(2, 2, 1),  # ElastiCache itself has two to four to each node
        signals=(Signal(_REDIS_METRICS, "CurrConnections", _REDIS, "Maximum"),),
        expression="MIN(FILL(METRICS(), 0))",  # a node that is down publishes nothing
        section=Section.REDIS_CONNECTIONS,
        severity=_P3_THEN_P2,
        cause="a node that is down, or that nothing reaches",
        window=_lasting(4, 5),  # the newest value may come late
        dependency="cache",
        source=_HOST_METRICS,
    ),
    Row(
        slug="redis-evictions",
        title="Redis evictions, worst node",
        unit="a minute",
        **_above(0, 100, 1000),
        signals=(Signal(_REDIS_METRICS, "Evictions", _REDIS, "Sum"),),
        expression=_WORST,
        section=Section.REDIS_CONNECTIONS,
        severity=_P3_THEN_P2,
        cause="a node that is too small: users lose their sessions",
        source=_HOST_METRICS,
    ),
    Row(
        slug="redis-replication-lag",
        title="Redis replication lag, worst node",
        unit="s",
        **_above(1, 5, 30),
        signals=(Signal(_REDIS_METRICS, "ReplicationLag", _REDIS, "Maximum"),),
        expression=_WORST,
        section=Section.REDIS_CONNECTIONS,
        severity=_P3_THEN_P2,
        cause="more writes than the replica can follow: a failover would lose them",
        source=_HOST_METRICS,
    ),
    Row(
        slug="certificate-days",
        title="The API's certificate",
        unit="days left",
        **_below(45, 30, 7),
        signals=(Signal("AWS/CertificateManager", "DaysToExpiry", ("CertificateArn",), "Minimum"),),
        period=86400,  # published twice a day
        section=Section.KEY_METRICS,
        severity=_P3_THEN_P2,
        cause="its validation record is gone, so ACM cannot renew it; or it was imported, and nobody has imported the next",
        window=_lasting(1, 1),
        source="https://docs.aws.amazon.com/acm/latest/userguide/cloudwatch-metrics.html",
    ),
)
"""What sections 3.2 to 3.5 and 8 ask about and the runbook's table lacks. The lines are ours."""

ROWS: tuple[Row, ...] = TABLE + SERVICE_HEALTH + LOW_TRAFFIC + WHAT_IT_STANDS_ON


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
