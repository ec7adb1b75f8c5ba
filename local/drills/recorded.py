"""What was recorded, put again: the metrics of a trace in place of those that the load balancer and others would publish."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Any

from local.cloud import Cloud
from local.cloudwatch.alarms import STATISTICS, Alarm, Metric
from local.cloudwatch.metric_math import TimeSeries
from local.drills.metrics import Datum, Metrics
from local.drills.users import Answer
from local.replay.binding import OWN_SERIES, bind
from local.replay.trace import Trace, TraceError

_FUNCTIONS = "AWS/Lambda"
HEALTH_CHECK = "Availability"
"""What the function `health-check` measures."""

Key = tuple[str, str, frozenset[tuple[str, str]]]
"""A metric, whatever its statistic."""


class Recorded(Metrics):
    """The metrics of an environment of which a trace has some: those are as recorded, from the first minute that is published
    on, the others as on any day. What the functions do is not put: they run, but for `health-check` if the trace has its
    probes."""

    def __init__(self, cloud: Cloud, trace: Trace) -> None:
        super().__init__(cloud)
        pages = cloud.client("cloudwatch").get_paginator("describe_alarms").paginate(AlarmTypes=["MetricAlarm"])
        series = read(trace, [alarm for page in pages for alarm in page["MetricAlarms"]], cloud)
        self._recorded: defaultdict[Key, dict[str, TimeSeries]] = defaultdict(dict)
        for metric, values in series.items():
            self._recorded[metric.namespace, metric.name, metric.dimensions][metric.statistic] = values
        self._begin = trace.begin
        self._shift: timedelta | None = None

    @property
    def has_probes(self) -> bool:
        """Whether the trace has what `health-check` would measure."""
        return any(name == HEALTH_CHECK for _, name, _ in self._recorded)

    def publish(self, begin: datetime, answers: Sequence[Answer], health: Answer, service: Mapping[str, Any]) -> None:
        self._shift = begin - self._begin if self._shift is None else self._shift
        super().publish(begin, answers, health, service)
        of_namespace: defaultdict[str, list[Datum]] = defaultdict(list)
        for (namespace, name, dimensions), statistics in self._recorded.items():
            found = {of: values[at] for of, values in statistics.items() if (at := begin - self._shift) in values}
            if found:
                values, counts = samples(found)
                named = [{"Name": key, "Value": value} for key, value in sorted(dimensions)]
                datum = {"MetricName": name, "Timestamp": begin, "Dimensions": named, "Values": values, "Counts": counts}
                of_namespace[namespace].append(datum)
        if self.has_probes:
            probed = [{"Name": "FunctionName", "Value": self._environment.function("health-check")}]
            of_namespace[_FUNCTIONS] = [{"MetricName": "Invocations", "Timestamp": begin, "Dimensions": probed, "Value": 1}]
        for namespace, data in of_namespace.items():
            super()._put(namespace, data)

    def _put(self, namespace: str, data: Sequence[Datum]) -> None:
        super()._put(namespace, [datum for datum in data if _key(namespace, datum) not in self._recorded])


def read(trace: Trace, alarms: Iterable[Alarm], cloud: Cloud) -> dict[Metric, TimeSeries]:
    """What a trace has of the metrics that alarms read, minute by minute, without what the functions do.

    TraceError names the place of a metric that may be several, or that is a row's own value, which nothing publishes."""
    minutely = [_each_minute(alarm) for alarm in alarms]
    _, series, _ = bind(trace, minutely, cloud.environment, trace.minutes)
    if own := next((metric.name for metric in series if metric.namespace == OWN_SERIES), ""):
        raise TraceError(f"{trace.file} has the row {own} itself; a drill needs the metrics that the row reads.")
    return {metric: values for metric, values in series.items() if metric.namespace != _FUNCTIONS}


def samples(statistics: Mapping[str, float]) -> tuple[list[float], list[float]]:
    """Values, and how often each was measured, that have these statistics."""
    ranks = {float(of[1:]): value for of, value in statistics.items() if of not in STATISTICS}
    if ranks:
        ordered = sorted(ranks)
        until = [(rank + later) / 2 for rank, later in pairwise(ordered)] + [100.0]
        return [ranks[rank] for rank in ordered], [10 * (end - begin) for begin, end in pairwise([0.0, *until])]
    most, least, average = (statistics.get(of) for of in ("Maximum", "Minimum", "Average"))
    if most is not None and (least is not None or average is not None):
        other = least if least is not None else 2 * (average or 0) - most
        return ([other, most], [1.0, 1.0]) if other != most else ([most], [1.0])
    return [next(value for of, value in sorted(statistics.items(), key=lambda one: one[0] == "SampleCount"))], [1.0]


def _each_minute(alarm: Alarm) -> Alarm:
    """The alarm as if its periods were minutes, which is what a trace has."""
    queries = [
        {**query, "MetricStat": {**query["MetricStat"], "Period": 60}} if query.get("MetricStat") else query
        for query in alarm.get("Metrics") or ()
    ]
    return {**alarm, "Period": 60, "Metrics": queries} if not queries else {**alarm, "Metrics": queries}


def _key(namespace: str, datum: Datum) -> Key:
    return namespace, datum["MetricName"], frozenset((one["Name"], one["Value"]) for one in datum["Dimensions"])
