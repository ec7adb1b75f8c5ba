"""Which metrics of the alarms a trace means by the names in it."""

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator
from difflib import get_close_matches

from local.cloudwatch.alarms import Alarm, Metric, metrics
from local.cloudwatch.metric_math import TimeSeries
from local.replay.definitions import UNRESOLVED, row_and_level
from local.replay.trace import Trace, TraceError, named_statistic, series
from stacks.environment import Environment

OWN_SERIES = "Trace"
"""The namespace of a series that a trace names by the row."""


def bind(
    trace: Trace, alarms: Iterable[Alarm], environment: Environment, minutes: int = 1
) -> tuple[list[Alarm], dict[Metric, TimeSeries], list[str]]:
    """The metric alarms, what they read of the trace, whose values stand for `minutes` each, and a sentence on each metric
    that none of them reads.

    An alarm on an expression comes back watching the row's own series, where the trace has it. TraceError names the place of a
    metric that may be several, and says when no alarm reads anything.
    """
    words = _Words(environment)
    called = {_folded(_path(name)) for name in trace.points}
    bound = []
    for alarm in alarms:
        own, names = words.learn(alarm)
        bound.append(_watching(alarm, own) if alarm.get("Metrics") and names & called else alarm)
    data: dict[Metric, TimeSeries] = {}
    unread = []
    problem = ""
    for name, points in trace.points.items():
        where = f"{trace.where(name)}: {name}"
        meant = words.meant(name)
        several = sorted({f"{metric.namespace} {metric.name}" for metric in meant})
        if len(several) > 1:
            raise TraceError(f"{where} may be {' or '.join(several)}: --metric says which.")
        read_as = _of_statistic(name, meant)
        if data.keys() & read_as:
            raise TraceError(f"{where} is in this file by another name as well.")
        data |= {metric: series(points, metric, minutes) for metric in read_as}
        if not read_as:
            said, instead = f"{where} is nothing that an alarm of {environment.name} reads", words.instead(name, meant)
            unread.append(f"{said}{instead}.")
            problem = problem or f"{said}{instead or words.all}."
    if not data:
        raise TraceError(problem)
    return bound, data, unread


class _Words:
    """What an environment's metrics are called."""

    def __init__(self, environment: Environment) -> None:
        self._environment = environment
        self._titles = {row.slug: row.title for row in environment.table}
        self._rows: defaultdict[str, set[Metric]] = defaultdict(set)
        self._metrics: defaultdict[str, set[Metric]] = defaultdict(set)
        self._shown: set[str] = set()

    def learn(self, alarm: Alarm) -> tuple[Metric, set[str]]:
        """The series of the alarm's row, which of an expression is its own, and the row's names."""
        (row, _), found = row_and_level(alarm, self._environment), metrics(alarm)
        for metric in found.values():
            self._shown.add(f"{metric.namespace} {metric.name}")
            for name in _names(metric):
                self._metrics[_folded(name)].add(metric)
        own = next(iter(found.values()))
        if alarm.get("Metrics"):
            own = Metric(OWN_SERIES, row, frozenset(), "Average", own.period)
        names = {_folded(row), _folded(self._titles.get(row, row))}
        for name in names:
            self._rows[name].add(own)
        self._shown.add(row)
        return own, names

    def meant(self, name: str) -> set[Metric]:
        """The metrics that a trace means by a name, of whatever statistic."""
        path = _folded(_path(name))
        dimensions = [word.partition("=")[::2] for word in name.split() if "=" in word]
        return self._rows.get(path) or {
            metric
            for metric in self._metrics.get(path, set())
            if all({(key, value), (key, UNRESOLVED)} & metric.dimensions for key, value in dimensions)
        }

    def instead(self, name: str, meant: set[Metric]) -> str:
        """What may have been meant instead, in words; empty when nothing is like it."""
        of_statistics = sorted({f"{metric.namespace} {metric.name} {metric.statistic}" for metric in meant})
        near = of_statistics or get_close_matches(_path(name), self._shown, 3)
        return f", such as {', '.join(near)}" if near else ""

    @property
    def all(self) -> str:
        """Everything that alarms read, in words."""
        return f", such as {', '.join(sorted(self._shown))}"


def _names(metric: Metric) -> Iterator[str]:
    """What people and CloudWatch call a metric: a label is its name, or what sets it apart from others of the graph.
    https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_MetricDataQuery.html"""
    yield from (metric.name, f"{metric.namespace} {metric.name}")
    for _, value in metric.dimensions:
        yield from (value, f"{value} {metric.name}", f"{metric.name} {value}")


def _path(name: str) -> str:
    """A name without dimensions and statistic."""
    return " ".join(word for word in named_statistic(name)[0].split() if "=" not in word)


def _folded(name: str) -> str:
    """A name however it is written: `ECS CPU` is `ecs-cpu`."""
    return re.sub(r"[\W_]+", " ", name.lower()).strip()


def _of_statistic(name: str, meant: set[Metric]) -> set[Metric]:
    """Those of the statistic that a name ends with. Without one it is any, but for the number of samples, where there are
    others: that says nothing of the values."""
    statistic = named_statistic(name)[1]
    if statistic:
        return {metric for metric in meant if statistic == metric.statistic or metric.namespace == OWN_SERIES}
    return {metric for metric in meant if metric.statistic != "SampleCount"} or meant


def _watching(alarm: Alarm, metric: Metric) -> Alarm:
    """The alarm on one metric instead of its expression."""
    others = {key: value for key, value in alarm.items() if key != "Metrics"}
    how = {"Namespace": metric.namespace, "MetricName": metric.name, "Statistic": metric.statistic, "Period": metric.period}
    return others | how
