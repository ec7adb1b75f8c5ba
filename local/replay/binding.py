"""Which metrics of the alarms a trace means by the names in it."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from difflib import get_close_matches

from local.cloudwatch.alarms import Alarm, Metric, metrics
from local.cloudwatch.metric_math import TimeSeries
from local.replay.definitions import UNRESOLVED, row_and_level
from local.replay.trace import Trace, TraceError, series
from stacks.environment import Environment

_OWN_SERIES = "Trace"  # the namespace of a series that a trace names by the row


def bind(
    trace: Trace, alarms: Iterable[Alarm], environment: Environment, minutes: int = 1
) -> tuple[list[Alarm], dict[Metric, TimeSeries]]:
    """The metric alarms, and what they read of the trace, whose values stand for `minutes` each.

    An alarm on an expression comes back watching the row's own series, where the trace has it. TraceError names the line of a
    metric that no alarm reads.
    """
    bound: list[Alarm] = []
    meanings: defaultdict[str, set[Metric]] = defaultdict(set)
    for alarm in alarms:
        (row, _), found = row_and_level(alarm, environment), metrics(alarm)
        for metric in found.values():
            meanings[f"{metric.namespace} {metric.name}"].add(metric)
        own = Metric(_OWN_SERIES, row, frozenset(), "Average", metric.period) if alarm.get("Metrics") else metric
        meanings[row].add(own)
        bound.append(_watching(alarm, own) if alarm.get("Metrics") and row in trace.points else alarm)
    data: dict[Metric, TimeSeries] = {}
    for name, points in trace.points.items():
        where = f"{trace.file}, line {trace.lines.get(name, 1)}: {name}"
        read_as = _named(name, meanings)
        if not read_as:
            near = get_close_matches(name, meanings, 3) or sorted(meanings)
            raise TraceError(f"{where} is nothing that an alarm of {environment.name} reads, such as {', '.join(near)}.")
        if data.keys() & read_as:
            raise TraceError(f"{where} is in this file by another name as well.")
        data |= {metric: series(points, metric, minutes) for metric in read_as}
    return bound, data


def _named(name: str, meanings: Mapping[str, set[Metric]]) -> set[Metric]:
    """The metrics that a trace means by a name."""
    words = name.split()
    path = " ".join(word for word in words if "=" not in word)
    dimensions = [word.partition("=")[::2] for word in words if "=" in word]
    return {
        metric
        for metric in meanings.get(path, set()) | meanings.get(" ".join(path.rsplit("/", 1)), set())
        if all({(key, value), (key, UNRESOLVED)} & metric.dimensions for key, value in dimensions)
    }


def _watching(alarm: Alarm, metric: Metric) -> Alarm:
    """The alarm on one metric instead of its expression."""
    others = {key: value for key, value in alarm.items() if key != "Metrics"}
    how = {"Namespace": metric.namespace, "MetricName": metric.name, "Statistic": metric.statistic, "Period": metric.period}
    return others | how
