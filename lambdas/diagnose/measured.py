"""The metrics of the table's rows, read for one diagnosis: the usual of the hour before, and the last minutes."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import product
from statistics import median
from typing import Any

from lambdas.diagnose.facts import Signal

MINUTE = timedelta(minutes=1)
USUAL = timedelta(minutes=60)
"""How much before it began is the usual; the two minutes before it may be of it already."""
MARGIN = timedelta(minutes=2)
NEWEST = 5
"""The minutes that are now."""


@dataclass(frozen=True)
class Asked:
    """A signal to read: what CloudWatch calls it. Of several values of a dimension the highest counts, or the `least`; what is
    `counted` is added up, and a minute without data has none of it. `scale` takes it to its unit."""

    key: str
    title: str
    unit: str
    metrics: tuple[tuple[str, str], ...]
    dimensions: tuple[str, ...]
    statistic: str
    counted: bool = False
    least: bool = False
    scale: float = 1.0


_ALB, _ECS, _RDS, _REDIS = "AWS/ApplicationELB", "AWS/ECS", "AWS/RDS", "AWS/ElastiCache"
_SERVICE, _DATABASE, _NODE = ("ClusterName", "ServiceName"), ("DBInstanceIdentifier",), ("CacheClusterId",)
_ERRORS = ((_ALB, "HTTPCode_ELB_5XX_Count"), (_ALB, "HTTPCode_Target_5XX_Count"))

SIGNALS: tuple[Asked, ...] = (
    Asked("requests", "Requests", "a minute", ((_ALB, "RequestCount"),), ("LoadBalancer",), "Sum", counted=True),
    Asked("errors", "Requests that failed (5XX)", "a minute", _ERRORS, ("LoadBalancer",), "Sum", counted=True),
    Asked("refused", "Requests that were refused (4XX)", "a minute", ((_ALB, "HTTPCode_Target_4XX_Count"),),
          ("LoadBalancer",), "Sum", counted=True),
    Asked("p95", "Latency (p95)", "s", ((_ALB, "TargetResponseTime"),), ("LoadBalancer",), "p95"),
    Asked("cpu", "ECS CPU", "%", ((_ECS, "CPUUtilization"),), _SERVICE, "Average"),
    Asked("memory", "ECS memory", "%", ((_ECS, "MemoryUtilization"),), _SERVICE, "Average"),
    Asked("database cpu", "RDS CPU", "%", ((_RDS, "CPUUtilization"),), _DATABASE, "Average"),
    Asked("database load", "RDS load", "active sessions", ((_RDS, "DBLoad"),), _DATABASE, "Average"),
    Asked("database connections", "RDS connections", "connections", ((_RDS, "DatabaseConnections"),), _DATABASE, "Maximum"),
    Asked("database storage", "RDS free storage", "GiB", ((_RDS, "FreeStorageSpace"),), _DATABASE, "Minimum",
          least=True, scale=2**-30),
    Asked("cache memory", "Redis memory, worst node", "%", ((_REDIS, "DatabaseMemoryUsagePercentage"),), _NODE, "Maximum"),
    Asked("cache connections", "Redis connections, of a node", "connections", ((_REDIS, "CurrConnections"),), _NODE,
          "Maximum"),
    Asked("cache evictions", "Redis evictions", "a minute", ((_REDIS, "Evictions"),), _NODE, "Sum", counted=True),
    Asked("cache hits", "Redis hit rate, worst node", "%", ((_REDIS, "CacheHitRate"),), _NODE, "Average", least=True),
)  # fmt: skip
"""What is shown of each part of the system (runbook 3.1 to 3.5)."""


def of_zone(zone: str) -> tuple[Asked, Asked]:
    """The requests and the errors of one zone."""
    dimensions = (f"AvailabilityZone={zone}", "LoadBalancer")
    return (
        Asked(
            f"requests {zone}", f"Requests in {zone}", "a minute", ((_ALB, "RequestCount"),), dimensions, "Sum", counted=True
        ),
        Asked(f"errors {zone}", f"Requests that failed in {zone}", "a minute", _ERRORS[1:], dimensions, "Sum", counted=True),
    )


def dimensions(alarms: Iterable[Mapping[str, Any]]) -> Mapping[str, Sequence[str]]:
    """The values of each dimension that the alarms' metrics have: the alarms know what the functions are deployed before."""
    found: dict[str, dict[str, None]] = {}
    for alarm in alarms:
        of_math = (one["MetricStat"]["Metric"] for one in alarm.get("Metrics", ()) if "MetricStat" in one)
        for metric in (alarm, *of_math):
            for one in metric.get("Dimensions", ()):
                found.setdefault(one["Name"], {})[one["Value"]] = None
    return {name: list(values) for name, values in found.items()}


def queries(asked: Iterable[Asked], values: Mapping[str, Sequence[str]]) -> Iterator[tuple[str, dict[str, Any]]]:
    """The query of each metric, with the key of its signal; none for a signal whose dimensions have no values."""
    number = 0
    for one in asked:
        named = [part.partition("=") for part in one.dimensions]
        choices = [(value,) if fixed else values.get(name, ()) for name, fixed, value in named]
        for (namespace, metric), combination in product(one.metrics, product(*choices)):
            number += 1
            of = [{"Name": name, "Value": value} for (name, *_), value in zip(named, combination, strict=True)]
            stat = {"Metric": {"Namespace": namespace, "MetricName": metric, "Dimensions": of}, "Period": 60}
            yield one.key, {"Id": f"m{number}", "MetricStat": {**stat, "Stat": one.statistic}}


Series = Mapping[datetime, float]


def signal(asked: Asked, found: Sequence[Series], began: datetime, at: datetime) -> Signal:
    """A signal from the series of its metrics."""
    first, last = began - USUAL, began - MARGIN
    newest = max(began, at - NEWEST * MINUTE)
    if asked.counted:
        before = _counted(found, first, last, since=min((min(one) for one in found if one), default=at))
        return Signal(asked.title, asked.unit, before, _counted(found, newest, at, since=newest))
    worst = min if asked.least else max
    usual = [median(values) for one in found if (values := _between(one, first, last))]
    now = [worst(values) for one in found if (values := _between(one, newest, at))]
    scaled = [worst(values) * asked.scale if values else None for values in (usual, now)]
    return Signal(asked.title, asked.unit, *scaled)


def _counted(found: Sequence[Series], begin: datetime, end: datetime, since: datetime) -> float | None:
    """A minute's count: the load balancer publishes none where there is nothing to count, but for what never was published."""
    begin = max(begin, since)
    minutes = max((end - begin) / MINUTE, 1)
    values = [sum(_between(one, begin, end)) / minutes for one in found]
    return sum(values) if any(found) else None


def _between(series: Series, begin: datetime, end: datetime) -> list[float]:
    return [value for at, value in series.items() if begin <= at < end]
