"""The replay itself: what the alarms do over a trace."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from local.cloudwatch.alarms import Alarm, AlarmError, Metric, fills_by_repeating, metrics
from local.cloudwatch.composites import children, children_first
from local.cloudwatch.loop import MINUTE, AlarmLoop, Measured, Transition
from local.cloudwatch.metric_math import TimeSeries
from local.replay.binding import bind
from local.replay.trace import Trace
from stacks.environment import Environment


@dataclass(frozen=True)
class Result:
    """What one alarm did until the end of the trace."""

    alarm: Alarm
    transitions: list[Transition]
    end: datetime

    @property
    def name(self) -> str:
        return str(self.alarm["AlarmName"])

    @property
    def firing(self) -> list[tuple[datetime, datetime]]:
        """When it was in ALARM: from, to."""
        until = [change.at for change in self.transitions[1:]] + [self.end]
        return [(change.at, at) for change, at in zip(self.transitions, until, strict=True) if change.new == "ALARM"]

    @property
    def in_alarm(self) -> timedelta:
        return sum((end - begin for begin, end in self.firing), timedelta())

    def detected(self, incident: datetime) -> datetime | None:
        """When it was first in ALARM since the incident began: then already, or later."""
        return next((max(begin, incident) for begin, end in self.firing if end > incident), None)


@dataclass(frozen=True)
class Replay:
    """Results in the template's order, the reason for each alarm that was left out, and what the metric alarms watched; both by
    the alarm's name. `unread` has a sentence on each metric that none of them reads."""

    environment: Environment
    begin: datetime
    end: datetime
    results: Sequence[Result]
    left_out: Mapping[str, str]
    watching: Mapping[str, TimeSeries]
    unread: Sequence[str]


def replay(trace: Trace, alarms: Iterable[Alarm], environment: Environment, minutes: int = 1) -> Replay:
    """Judge the alarms at the end of each minute of a trace, whose values stand for `minutes` each, as CloudWatch would have.

    TraceError names the place of a metric that may be several, and says when no alarm reads anything.
    """
    begin, end = trace.begin, trace.end + MINUTE * (minutes - 1)
    known = {str(alarm["AlarmName"]): alarm for alarm in alarms}
    left_out: dict[str, str] = {}
    for name, alarm in known.items():
        if "AlarmRule" not in alarm:
            try:
                metrics(alarm)
            except AlarmError as error:
                left_out[name] = str(error)
    on_metrics = [alarm for name, alarm in known.items() if "AlarmRule" not in alarm and name not in left_out]
    bound, values, unread = bind(trace, on_metrics, environment, minutes)
    left_out |= {alarm["AlarmName"]: reason for alarm in bound if (reason := _unfit(alarm, values))}
    judged = known | {alarm["AlarmName"]: alarm for alarm in bound}
    moments = [begin + MINUTE * minute for minute in range(1, (end - begin) // MINUTE + 1)]
    loop = AlarmLoop()
    changes = list(loop.judge(judged.values(), Measured(values, since=begin), moments, left_out))
    left_out = loop.refused
    rules = {name: children(alarm) for name, alarm in known.items() if "AlarmRule" in alarm and name not in left_out}
    for name in children_first(rules):
        if all(child in left_out for child in rules[name]):
            left_out[name] = "none of its alarms is replayed"
    results = {name: Result(alarm, [], end) for name, alarm in known.items() if name not in left_out}
    for change in changes:
        if change.alarm in results:
            results[change.alarm].transitions.append(change)
    return Replay(environment, begin, end, list(results.values()), left_out, loop.watching, unread)


def _unfit(alarm: Alarm, values: Mapping[Metric, TimeSeries]) -> str:
    """Why an alarm cannot be judged by the values of a trace; empty when it can."""
    if not values.keys() & metrics(alarm).values():
        return "the trace has none of its metrics"
    if fills_by_repeating(alarm):
        return "what FILL repeats depends on where each window begins"
    if alarm.get("EvaluateLowSampleCountPercentile") == "ignore":
        return "the trace does not say how many samples its percentile has"
    return ""
