"""The runbook's threshold table (section 7.1) as data.

The alarms, the dashboard's bands, the alarm descriptions and the printed runbook all come from these rows. Nothing here
imports the CDK, so that the table can be read by anything.
"""

import json
from collections.abc import Callable, Mapping
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

RUNBOOK_SECTIONS: Mapping[str, str] = {  # of the runbook, those that an alarm or a query refers to
    "3.1": "High Error Rate (5XX)",
    "3.2": "High Latency",
    "3.3": "ECS Tasks Unhealthy",
    "3.4": "Database Connection Issues",
    "3.5": "Redis Connection Issues",
    "4.1": "Backend Rollback (ECS)",
    "4.2": "Frontend Rollback (S3)",
    "6.3": "Query Performance",
    "7.1": "Key Metrics to Watch",
    "7.3": "Sentry",
    "7.4": "Log Queries",
}

ESCALATION_PATH: tuple[str, ...] = ("on-call engineer", "team lead", "engineering manager", "CTO")
"""Who is called one after another, L1 to L4 (runbook section 8)."""

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
    cause: str
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
        "more work than the tasks can do: traffic, or a release that costs more",
    ),
    Row(
        "ecs-memory", "ECS memory", "%", 70, 80, 90,
        (Signal("AWS/ECS", "MemoryUtilization", _ECS, "Average"),), "3.3", ("P3", "P2"),
        "a leak, or tasks that are too small",
    ),
    Row(
        "rds-cpu", "RDS CPU", "%", 60, 75, 90,
        (Signal("AWS/RDS", "CPUUtilization", _RDS, "Average"),), "3.2", ("P3", "P2"),
        "slow queries, or more of them", dependency="database",
    ),
    Row(
        "rds-connections", "RDS connections", "connections", 100, 150, 180,
        (Signal("AWS/RDS", "DatabaseConnections", _RDS, "Maximum"),), "3.4", ("P3", "P2"),
        "connections that are not given back, or too many tasks", dependency="database",
    ),
    Row(
        "redis-memory", "Redis memory, worst node", "%", 70, 80, 90,
        (Signal("AWS/ElastiCache", "DatabaseMemoryUsagePercentage", _REDIS, "Maximum"),), "3.5", ("P3", "P2"),
        "keys that never expire, or nodes that are too small",
        dependency="cache", expression="MAX(METRICS())",
    ),
    Row(
        "alb-5xx-rate", "ALB 5XX rate", "%", 0.1, 1, 5,
        (
            _REQUESTS,
            Signal("AWS/ApplicationELB", "HTTPCode_ELB_5XX_Count", _ALB, "Sum", "elb"),
            Signal("AWS/ApplicationELB", "HTTPCode_Target_5XX_Count", _ALB, "Sum", "target"),
        ),
        "3.1", ("P3", "P1"),
        "a bad release, or something behind the backend that fails", minimum=20, impairs_service=True,
        # The load balancer publishes 5XX only when there are some.
        expression="IF(requests > {minimum}, 100 * (FILL(elb, 0) + FILL(target, 0)) / requests)",
    ),
    Row(
        "alb-latency-p95", "ALB latency (p95)", "s", 0.5, 1, 2,
        (_REQUESTS, Signal("AWS/ApplicationELB", "TargetResponseTime", _ALB, "p95", "latency")), "3.2", ("P3", "P2"),
        "slow queries, too few tasks, or a third party that is slow",
        # Not EvaluateLowSampleCountPercentile=ignore: an alarm would stay on for as long as traffic stays low.
        minimum=20, expression="IF(requests > {minimum}, latency)", impairs_service=True,
    ),
    Row(
        "sentry-errors", "Error rate (Sentry)", "errors/min", 10, 50, 100,
        # Each value is a minute's count, and a schedule may run twice in a minute: no sum.
        (Signal(OWN_NAMESPACE, "SentryErrors", ("Environment",), "Maximum"),), "3.1", ("P3", "P2"),
        "a bad release, or a third party that fails", missing=("missing", "missing"),
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
        "3.3", ("P3", "P2"),
        "tasks that do not pass their health check", expression="100 * unhealthy / (unhealthy + healthy)", impairs_service=True,
    ),
    Row(
        "api-availability", "API availability", "%", 100, 99, 50,
        (_availability("api"),), "3.1", ("P3", "P1"),
        "no healthy task, or nothing that reaches the load balancer", worse="below",
        missing=("breaching", "notBreaching"), impairs_service=True,
    ),
    # Not a dependency: a release that breaks its own connection reports the same, and is to be rolled back.
    Row(
        "database-availability", "Database availability", "%", 100, 99, 50,
        (_availability("database"),), "3.4", ("P3", "P1"),
        "the database is down, fails over or cannot be reached; or a release broke its connection", worse="below",
    ),
    Row(
        "frontend-availability", "Frontend availability", "%", 100, 99, 50,
        (_availability("frontend"),), "3.1", ("P3", "P1"),
        "CloudFront, its bucket, or an incomplete upload of the frontend", worse="below",
        missing=("breaching", "notBreaching"),
    ),
)  # fmt: skip

ROWS: tuple[Row, ...] = TABLE + SERVICE_HEALTH


@dataclass(frozen=True)
class Page:
    """What a person is told of once: it lasts while a critical alarm of `rows` fires and no page of `unless` does.

    `service`, `symptoms` and `component` fill the status page's templates. `waits` says that a deployment may be the cause:
    while one is under way nobody is called, since its own rollback may mend it. `automation` is what is done without a person.
    """

    slug: str
    title: str
    severity: str
    section: str
    rows: tuple[str, ...]
    cause: str
    service: str
    symptoms: str
    component: str
    automation: str
    unless: tuple[str, ...] = ()
    waits: bool = False


_ROLLBACK = "rollback decides whether a release is to blame, and takes the service back if so"
_BY_ITSELF = "RDS fails over to its standby by itself; nothing of ours restarts a database"

PAGES: tuple[Page, ...] = (  # what explains others comes first
    Page(
        "database-down", "The application has no database", "P1", "3.4", ("database-availability",),
        "the database is down, fails over or cannot be reached; or a release broke its connection",
        "HZ Navigator", "errors on every page that shows or saves data", "our database", _BY_ITSELF, waits=True,
    ),
    Page(
        "service-down", "The service fails for its users", "P1", "3.1", ("api-availability", "alb-5xx-rate"),
        "a bad release, or something behind the backend that fails",
        "the HZ Navigator API", "errors, or no answer at all", "our application servers",
        _ROLLBACK, ("database-down",), waits=True,
    ),
    Page(
        "frontend-down", "The frontend does not load", "P1", "4.2", ("frontend-availability",),
        "CloudFront, its bucket, or an incomplete upload of the frontend",
        "the HZ Navigator web application", "a page that does not load", "the delivery of our web pages",
        "nothing: the frontend is rolled back by hand",
    ),
    Page(
        "database-impaired", "The database is close to its limits", "P2", "3.4", ("rds-cpu", "rds-connections"),
        "slow queries, or connections that are not given back",
        "HZ Navigator", "slow pages", "our database", _BY_ITSELF, ("database-down", "service-down"),
    ),
    Page(
        "cache-impaired", "The cache is close to its limits", "P2", "3.5", ("redis-memory",),
        "keys that never expire, or nodes that are too small",
        "HZ Navigator", "slow pages, or being signed out", "our cache",
        "Redis evicts keys that have an expiry",
        ("database-down", "service-down"),
    ),
    Page(
        "service-degraded", "The service is slow, or short of tasks", "P2", "3.2",
        ("alb-latency-p95", "unhealthy-hosts", "ecs-cpu", "ecs-memory", "sentry-errors"),
        "a release that costs more, slow queries, or more traffic than the tasks can serve",
        "HZ Navigator", "slow pages, or some errors", "our application servers",
        f"the service adds tasks up to its most; when it is bad for users, {_ROLLBACK}",
        ("database-down", "service-down", "database-impaired", "cache-impaired"), waits=True,
    ),
)  # fmt: skip


@dataclass(frozen=True)
class Failure:
    """Something of our own that fails or falls silent: one alarm, at `level`.

    `signal` breaches when it is strictly past `line`. `direct` alarms go to the on-call topics as they are: they say that
    nobody else would be told. `needs` is the optional part of an environment without which there is no alarm.
    """

    slug: str
    title: str
    signal: Signal
    window: Window
    section: str
    cause: str
    severity: str = "P2"
    level: Level = "critical"
    line: float = 0
    worse: Literal["above", "below"] = "above"
    missing: str = "notBreaching"
    direct: bool = False
    needs: str = ""


def _of_function(name: str, metric: str) -> Signal:
    return Signal("AWS/Lambda", metric, (f"FunctionName={name}",), "Sum")


_LOG = "its log says what"

FAILURES: tuple[Failure, ...] = (
    Failure(
        "rollback-errors", "The rollback function failed", _of_function("rollback", "Errors"), Window(1, 1), "4.1", _LOG
    ),
    Failure(
        "rollback-throttles", "The rollback function was kept from running", _of_function("rollback", "Throttles"),
        Window(1, 1), "4.1", "the account's Lambda concurrency is used up",
    ),
    Failure(
        "rollback-dead-letters", "An alarm that the rollback function could not handle reached nobody",
        _of_function("rollback", "DeadLetterErrors"), Window(1, 1), "4.1", "the escalations topic or its key refuses",
    ),
    Failure(
        "health-check-errors", "The health check function failed", _of_function("health-check", "Errors"), Window(2, 3),
        "3.1", _LOG,
    ),
    Failure(
        "notify-errors", "The notify function fails: alarms reach people late or not at all", _of_function("notify", "Errors"),
        Window(3, 5), "7.1", _LOG, "P1", direct=True,
    ),
    Failure(
        "notify-silent", "The notify function does not run: alarms reach nobody", _of_function("notify", "Invocations"),
        Window(5, 5), "7.1", "its schedule is off, or the account's Lambda concurrency is used up", "P1", line=1,
        worse="below", missing="breaching", direct=True,
    ),
    Failure(
        "sentry-blind", "The row of Sentry's errors is blind",
        Signal(OWN_NAMESPACE, "SentryErrors", ("Environment",), "SampleCount"), Window(5, 5), "7.3",
        "Sentry, its rate limit or the token: the log of the function sentry says which", "P3", "warning",
        line=1, worse="below", missing="breaching", needs="sentry",
    ),
)  # fmt: skip


def description(title: str, cause: str, severity: str, section: str) -> str:
    """What an alarm says of itself. `notify` reads it back (`lambdas/notify/alarms.py`): an alarm is all that it knows."""
    return (
        f"{title}. Likely cause: {cause}. {severity}: respond within {RESPONSE_TIMES[severity]}."
        f" Runbook section {section} {RUNBOOK_SECTIONS[section]}"
    )


def page_facts(named: Callable[[str], str]) -> str:
    """What `notify` is told of the pages, as JSON: by the names of their alarms, which `named` makes of their slugs."""
    facts = ("rows", "service", "symptoms", "component", "automation", "waits")
    return json.dumps({named(page.slug): {name: getattr(page, name) for name in facts} for page in PAGES})


def table_for(overrides: Mapping[str, Mapping[str, Any]]) -> tuple[Row, ...]:
    """The rows with an environment's own lines in place: `{slug: {"normal"|"warning"|"critical": number}}`."""
    return tuple(replace(row, **overrides.get(row.slug, {})) for row in ROWS)
