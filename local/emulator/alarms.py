"""The alarm loop of the local cloud: reads alarms and metrics from the emulator, judges them as CloudWatch does, sets states.

CloudWatch evaluates alarms by itself; the emulator's own evaluation ignores dimensions, M of N and missing data. So the
server switches it off and calls `AlarmEvaluator.tick` instead. In `ministack.services.cloudwatch` (1.5.33) it has to replace,
by functions that do nothing:

- `_evaluate_alarm(alarm)`: called by PutMetricAlarm, by CloudFormation and, through `_evaluate_all_alarms`, by PutMetricData;
- `_evaluate_parent_alarms(child, seen=...)`: moves composite alarms whenever a child is set, one child at a time, so that
  a composite would clear and fire again while a single tick is still under way.

`_composite_rule_state`, used once when a composite is put, can stay: CloudWatch evaluates a new composite at once too.

`SetAlarmState` stays the one way into a state: it records the history and calls `_dispatch_alarm_actions(alarm, old_state,
new_state, reason)` only when the state changes; what an action does (SNS, Lambda) belongs there. The new `StateReasonData`,
JSON as CloudWatch documents it, is on the alarm by then (`alarm["StateReasonData"]`).

DescribeAlarms must return what the definition says, `Metrics` of a metric-math alarm and `EvaluateLowSampleCountPercentile`
included: the emulator drops both in PutMetricAlarm and refuses the first in CloudFormation, but returns whatever keys an
alarm stored by `cloudformation_put_metric_alarm` has.
"""

import logging
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from local.cloudwatch.alarms import (
    AlarmError,
    Datapoint,
    Metric,
    State,
    Verdict,
    children,
    children_first,
    evaluate,
    evaluate_composite,
    evaluation_range,
    metrics,
)

if TYPE_CHECKING:
    from mypy_boto3_cloudwatch import CloudWatchClient
    from mypy_boto3_cloudwatch.type_defs import MetricDataQueryTypeDef

logger = logging.getLogger("local.alarms")


@dataclass(frozen=True)
class Transition:
    """A change of state that `tick` made."""

    alarm: str
    old: State
    new: State
    reason: str
    at: datetime


class AlarmEvaluator:
    """Evaluates every alarm of the emulator that `cloudwatch` is a client of.

    `refused` says, by name, which alarms of the last tick could not be evaluated and why; their states are left alone.
    """

    def __init__(self, cloudwatch: "CloudWatchClient") -> None:
        self._cloudwatch = cloudwatch
        self._judged: dict[str, tuple[object, ...]] = {}
        self.refused: dict[str, str] = {}

    def tick(self, now: datetime) -> list[Transition]:
        """Evaluate as of `now`: metric alarms, then composite alarms, children first; gives the changes in order."""
        refused, self.refused = self.refused, {}
        alarms: dict[str, dict[str, Any]] = {}
        for page in self._cloudwatch.get_paginator("describe_alarms").paginate(AlarmTypes=["MetricAlarm", "CompositeAlarm"]):
            for alarm in (*page["MetricAlarms"], *page["CompositeAlarms"]):
                alarms[alarm["AlarmName"]] = dict(alarm)
        # Composite alarms first as well: a state that was set by hand reaches them before its alarm returns to its own.
        changes = [*self._composites(alarms, now), *self._metric_alarms(alarms, now), *self._composites(alarms, now)]
        for name in self.refused.keys() - refused.keys():
            logger.warning("not evaluated: %s", self.refused[name])
        return changes

    def _metric_alarms(self, alarms: dict[str, dict[str, Any]], now: datetime) -> list[Transition]:
        needed: set[Metric] = set()
        ranges: list[datetime] = []
        evaluated = []
        for name, alarm in alarms.items():
            if "AlarmRule" in alarm:
                continue
            try:
                read = set(metrics(alarm).values())
                _refuse_unreadable(name, read)
            except AlarmError as error:
                self.refused[name] = str(error)
                continue
            needed |= read
            ranges += evaluation_range(alarm, now)
            evaluated.append(alarm)
        data = self.read(needed, min(ranges), now.replace(second=0, microsecond=0)) if ranges else {}
        changes = []
        for alarm in evaluated:
            try:
                verdict = evaluate(alarm, data, now)
            except AlarmError as error:
                self.refused[alarm["AlarmName"]] = str(error)
                continue
            changes += self._set(alarm, verdict, now)
        return changes

    def _composites(self, alarms: dict[str, dict[str, Any]], now: datetime) -> list[Transition]:
        """As CloudWatch: a composite is judged when one of its children or its rule has changed, so that a state set by hand
        stays until then."""
        rules = {name: children(alarm) for name, alarm in alarms.items() if "AlarmRule" in alarm}
        order = children_first(rules)
        for name in rules.keys() - order:
            self.refused[name] = f"{name} is part of a cycle of composite alarms, or refers to one"
        changes: list[Transition] = []
        for name in order:
            alarm = alarms[name]
            seen = (alarm["AlarmRule"], *(alarms[child]["StateValue"] for child in rules[name] if child in alarms))
            if self._judged.get(name) == seen:
                continue
            try:
                verdict = evaluate_composite(alarm, alarms.values())
            except AlarmError as error:
                self.refused[name] = str(error)
                continue
            self._judged[name] = seen
            changes += self._set(alarm, verdict, now)
        return changes

    def _set(self, alarm: dict[str, Any], verdict: Verdict | None, now: datetime) -> list[Transition]:
        if verdict is None or verdict.state == alarm["StateValue"]:
            return []
        change = Transition(alarm["AlarmName"], alarm["StateValue"], verdict.state, verdict.reason, now)
        self._cloudwatch.set_alarm_state(
            AlarmName=change.alarm, StateValue=change.new, StateReason=change.reason, StateReasonData=verdict.reason_data
        )
        alarm.update(StateValue=change.new, StateReason=change.reason, StateUpdatedTimestamp=now)
        return [change]

    def read(self, wanted: Iterable[Metric], start: datetime, end: datetime) -> dict[Metric, dict[datetime, Datapoint]]:
        """The datapoints of each metric in [start, end): its statistic and, for percentiles and reasons, its sample count."""
        queries: list[MetricDataQueryTypeDef] = []
        numbered = dict(enumerate(wanted))
        for number, metric in numbered.items():
            dimensions = [{"Name": name, "Value": value} for name, value in sorted(metric.dimensions)]
            described = {"Namespace": metric.namespace, "MetricName": metric.name, "Dimensions": dimensions}
            for prefix, statistic in (("v", metric.statistic), ("n", "SampleCount")):
                stat = {"Metric": described, "Period": metric.period, "Stat": statistic}
                queries.append({"Id": f"{prefix}{number}", "MetricStat": stat})  # type: ignore[typeddict-item] # built above
        values: dict[str, dict[datetime, float]] = {}
        for page in self._cloudwatch.get_paginator("get_metric_data").paginate(
            MetricDataQueries=queries, StartTime=start, EndTime=end
        ):
            for result in page["MetricDataResults"]:
                values.setdefault(result["Id"], {}).update(zip(result["Timestamps"], result["Values"], strict=True))
        return {
            metric: {time.astimezone(UTC): Datapoint(value, values[f"n{number}"][time]) for time, value in found.items()}
            for number, metric in numbered.items()
            for found in (values.get(f"v{number}", {}),)
        }


def _refuse_unreadable(alarm: str, wanted: Iterable[Metric]) -> None:
    """AlarmError for what ministack's GetMetricData would answer wrongly.

    Without dimensions it merges all metrics of a name; periods it aligns to their own multiples, where alarms end theirs on any
    minute. What it is trusted with is tested: exact dimensions, periods of a minute, statistics of values with counts,
    percentiles.
    """
    for metric in wanted:
        if not metric.dimensions:
            raise AlarmError(f"{alarm} watches {metric.name} without dimensions, which the emulator mixes with others")
        if metric.period != 60:
            raise AlarmError(f"{alarm} has a period of {metric.period} s, which the emulator does not align as alarms do")
