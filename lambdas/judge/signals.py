"""What the judge looks at, users' signals first, and how much of a difference matters in each.

A signal is compared as the logarithm of its value plus a floor: a ratio where values are well above the floor, and nothing
where both lie below it. Of an availability or a hit rate that is what it lacks to 100 %.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from runbook.rows import ROWS, Dependency

Kind = Literal["users", "cause", "information"]


@dataclass(frozen=True)
class Signal:
    """`name` is a row's slug where the runbook's table has one. `factor` is the least ratio, of values with `floor` added, that
    counts as a difference. `lacks` says that the signal is worse when lower, and compared by what it lacks to 100."""

    name: str
    title: str
    unit: str
    kind: Kind
    floor: float
    factor: float
    lacks: bool = False
    per_request: bool = False
    """Rises with the traffic: compared per request as well where the traffic changed."""
    warms_up: bool = True
    """A new task shows it for some minutes until it is warm."""
    counted: bool = False
    """Counts, or a share of counts, mostly 0: several minutes together are their mean, not their median."""


def _latency(statistic: str, factor: float) -> Signal:
    return Signal(f"alb-latency-{statistic}", f"{statistic} latency", "s", "users", 0.005, factor)


SIGNALS: Mapping[str, Signal] = {
    signal.name: signal
    for signal in (
        Signal("alb-5xx-rate", "5XX rate", "%", "users", 0.5, 2.0, warms_up=False, counted=True),
        _latency("p95", 1.2),
        _latency("p99", 1.4),
        _latency("p90", 1.2),
        _latency("p50", 1.2),
        _latency("average", 1.2),
        Signal("api-availability", "availability", "%", "users", 1.0, 2.0, lacks=True, warms_up=False, counted=True),
        Signal("sentry-errors", "Sentry's errors", "errors/min", "users", 10.0, 2.0, warms_up=False, counted=True),
        Signal("alb-4xx-rate", "4XX rate", "%", "information", 2.0, 2.0, warms_up=False, counted=True),
        Signal("ecs-cpu", "ECS CPU", "%", "cause", 10.0, 1.4, per_request=True),
        Signal("ecs-memory", "ECS memory", "%", "cause", 20.0, 1.15),
        Signal("ecs-restarts", "tasks that stopped", "a minute", "cause", 0.5, 2.0, warms_up=False, counted=True),
        Signal("rds-cpu", "RDS CPU", "%", "cause", 10.0, 1.4, per_request=True),
        Signal("rds-connections", "RDS connections", "connections", "cause", 10.0, 1.5, per_request=True),
        Signal("rds-time", "database time per request", "ms", "cause", 2.0, 1.5),
        Signal("redis-hit-rate", "cache hit rate", "%", "cause", 10.0, 1.5, lacks=True),
        Signal("unhealthy-hosts", "unhealthy hosts", "%", "cause", 10.0, 2.0),
        Signal("tasks-running", "tasks running", "%", "cause", 10.0, 2.0, lacks=True),
        Signal("database-availability", "database availability", "%", "cause", 1.0, 2.0, lacks=True, counted=True),
    )
}

TRAFFIC = "requests"
"""The requests in a minute: no signal that is better or worse, and what others are compared by."""


@dataclass(frozen=True)
class Line:
    """Past `critical` a dependency is impaired by itself."""

    name: str
    title: str
    unit: str
    dependency: Dependency
    critical: float
    below: bool


IMPAIRED: Mapping[str, Line] = {
    row.slug: Line(row.slug, row.title, row.unit, row.dependency, row.critical, row.worse == "below")
    for row in ROWS
    if row.dependency
}
"""The rows of the table that say that the database or the cache is impaired."""

DATABASE_SERVES = "database-availability"
"""No row of a dependency, as a release may break its own connection: then it fails as soon as the release is there."""
