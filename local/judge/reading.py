"""Which of the judge's signals a trace has, by the names that the replay knows: of rows, and of AWS's and our own metrics."""

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from difflib import get_close_matches

from lambdas.judge.compare import LEAST_BEFORE
from lambdas.judge.judge import Evidence
from lambdas.judge.series import MINUTE, Series, period
from lambdas.judge.signals import IMPAIRED, SIGNALS, TRAFFIC
from local.replay.trace import Trace, TraceError, named_statistic

LONGEST_PERIOD = 5
"""Minutes: of longer periods a quarter of an hour has too few values."""

_ROWS = {*SIGNALS, *IMPAIRED, TRAFFIC}
_METRICS = {
    "SentryErrors": "sentry-errors",
    "DatabaseConnections": "rds-connections",
    "CacheHitRate": "redis-hit-rate",
    "MemoryUtilization": "ecs-memory",
    "AWS/ECS CPUUtilization": "ecs-cpu",
    "AWS/RDS CPUUtilization": "rds-cpu",
    "Availability Target=api": "api-availability",
    "Availability Target=database": "database-availability",
    "RequestCount": TRAFFIC,
}
_PARTS = (
    "HTTPCode_Target_5XX_Count",
    "HTTPCode_ELB_5XX_Count",
    "HTTPCode_Target_4XX_Count",
    "HTTPCode_ELB_4XX_Count",
    "HealthyHostCount",
    "UnHealthyHostCount",
    "RunningTaskCount",
    "DesiredTaskCount",
    "CacheHits",
    "CacheMisses",
    "DBLoad",
    "DatabaseMemoryUsagePercentage",
)
"""Metrics of which a signal is made."""


@dataclass
class _Read:
    """A trace's series by signal and, of metrics of which one is made, by metric; of several, as nodes have, all of them."""

    signals: dict[str, Series] = field(default_factory=dict)
    parts: defaultdict[str, list[Series]] = field(default_factory=lambda: defaultdict(list))
    healthy: dict[str, Series] = field(default_factory=dict)


def evidence(trace: Trace, release: datetime) -> tuple[Evidence, list[str]]:
    """What the judge is given, and a sentence on each metric that is nothing to it.

    TraceError says, in one sentence, when the trace has no signal, or none with enough before the release.
    """
    read, notes, problem = _Read(), [], ""
    for name, points in trace.points.items():
        if not _put(read, name, dict(sorted(points))):
            near = get_close_matches(name, [*sorted(_ROWS), *_METRICS, *_PARTS], 3)
            said = f"{trace.where(name)}: {name} is nothing that the judge looks at"
            notes.append(f"{said}, such as {', '.join(near)}." if near else f"{said}.")
            problem = problem or f"{said}, such as {', '.join(near or sorted(SIGNALS))}."
    signals = {name: values for name, values in (_made(read) | read.signals).items() if values}
    if not signals:
        raise TraceError(problem or f"{trace.file}: of 5XX and 4XX alone no rate can be made: RequestCount is missing.")
    for name in sorted(signals):
        minutes = period(signals[name])
        if minutes > LONGEST_PERIOD:
            notes.append(f"{trace.file}: {name} has a value every {minutes} minutes, and is not judged: at most 5 are.")
            del signals[name]
    if not signals:
        raise TraceError(notes[-1])
    judged = [values for name, values in signals.items() if name in SIGNALS]
    if not judged:
        raise TraceError(f"{trace.file}: {', '.join(sorted(signals))} alone does not tell whether a release is good.")
    before = max((release - min(values)) // MINUTE for values in judged)
    if before < LEAST_BEFORE:
        raise TraceError(
            f"{trace.file}: a release is compared with at least {LEAST_BEFORE} minutes before it, here are {max(before, 0)}."
        )
    return Evidence(release, signals, read.healthy), notes


def _put(read: _Read, name: str, values: Series) -> bool:
    """Keep a series for what it is called; False when that is nothing to the judge."""
    bare, statistic = named_statistic(name)
    path = " ".join(word for word in bare.split() if "=" not in word)
    metric = path.replace("/", " ").split()[-1] if path else ""
    dimensions = dict(word.split("=", 1) for word in bare.split() if "=" in word)
    row = next((row for row in _ROWS if _folded(row) == _folded(path)), None) or next(
        (signal.name for signal in SIGNALS.values() if _folded(signal.title) == _folded(path)), None
    )
    known = row or next((signal for called, signal in _METRICS.items() if _matches(called, path, dimensions)), None)
    if known == TRAFFIC and not row:
        minutes = period(values)
        values = {time: value / minutes for time, value in values.items()}
    if metric == "TargetResponseTime":
        known = f"alb-latency-{(statistic or 'p95').lower()}"
        known = known if known in SIGNALS else None
    elif metric == "HealthyHostCount" and "AvailabilityZone" in dimensions:
        read.healthy[dimensions["AvailabilityZone"]] = values
        return True
    elif metric in _PARTS:
        read.parts[metric].append(values)
        return True
    if known:
        read.signals[known] = values
    return known is not None


def _matches(called: str, path: str, dimensions: Mapping[str, str]) -> bool:
    words = called.split()
    named = [word for word in words if "=" not in word]
    given = _folded(path).split()
    wanted = [word.split("=", 1) for word in words if "=" in word]
    return (
        given[-len(named) :] == [_folded(word) for word in named]
        or given == _folded(" ".join(named)).split()
        or (len(named) == 1 and given[-1:] == [_folded(named[0])])
    ) and all(dimensions.get(key) == value for key, value in wanted)


def _folded(name: str) -> str:
    return re.sub(r"[\W_]+", " ", name.lower()).strip()


def _made(read: _Read) -> dict[str, Series]:
    """The signals that are made of several metrics. The load balancer counts errors only when there are some."""
    parts, made = read.parts, dict[str, Series]()
    requests = read.signals.get(TRAFFIC)
    for kind in ("5XX", "4XX"):
        counts = [one for name in (f"HTTPCode_Target_{kind}_Count", f"HTTPCode_ELB_{kind}_Count") for one in parts[name]]
        if requests and counts:
            minutes = period(requests)
            refused = parts[f"HTTPCode_ELB_{kind}_Count"] if kind == "5XX" else []
            made[f"alb-{kind.lower()}-rate"] = {
                time: 100 * _sum(counts, time) / all_
                for time, number in requests.items()
                if (all_ := number * minutes + _sum(refused, time)) > 0
            }
    if requests and parts["DBLoad"]:
        made["rds-time"] = {
            time: 1000 * 60 * load / requests[time] for time, load in parts["DBLoad"][0].items() if requests.get(time)
        }
    for name, part, other, of_other in (
        ("unhealthy-hosts", "UnHealthyHostCount", "HealthyHostCount", False),
        ("redis-hit-rate", "CacheHits", "CacheMisses", False),
        ("tasks-running", "RunningTaskCount", "DesiredTaskCount", True),
    ):
        if parts[part] and parts[other]:
            made[name] = {
                time: 100 * _sum(parts[part], time) / whole
                for time in parts[part][0]
                if (whole := _sum(parts[other], time) + (0 if of_other else _sum(parts[part], time))) > 0
            }
    if nodes := parts["DatabaseMemoryUsagePercentage"]:
        made["redis-memory"] = {time: max(node[time] for node in nodes if time in node) for time in _times(nodes)}
    return made


def _times(several: Iterable[Series]) -> set[datetime]:
    return {time for one in several for time in one}


def _sum(several: Iterable[Series], time: datetime) -> float:
    return sum(one.get(time, 0.0) for one in several)
