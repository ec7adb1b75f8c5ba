"""The alarm loop on the emulator: reads alarms and metrics from it, has them judged as CloudWatch judges them, sets states.

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
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from local.cloudwatch.alarms import Alarm, AlarmError, Datapoint, Metric, evaluation_range, metrics
from local.cloudwatch.loop import MINUTE, AlarmLoop, Measured, Transition

if TYPE_CHECKING:
    from mypy_boto3_cloudwatch import CloudWatchClient
    from mypy_boto3_cloudwatch.type_defs import MetricDataQueryTypeDef

logger = logging.getLogger(__name__)

_EVERYTHING = 10**10
"""A period, in seconds, that no two times are on both sides of: the emulator's first ends in the year 2286."""


class AlarmEvaluator:
    """Evaluates every alarm of the emulator that `cloudwatch` is a client of.

    `refused` says, by name, which alarms of the last tick could not be evaluated and why; their states are left alone.
    """

    def __init__(self, cloudwatch: "CloudWatchClient") -> None:
        self._cloudwatch = cloudwatch
        self._loop = AlarmLoop()

    @property
    def refused(self) -> dict[str, str]:
        return self._loop.refused

    def tick(self, now: datetime) -> list[Transition]:
        """Evaluate as of `now` and set the states that changed; gives the changes in order."""
        already_refused = self.refused
        pages = self._cloudwatch.get_paginator("describe_alarms").paginate(AlarmTypes=["MetricAlarm", "CompositeAlarm"])
        alarms: list[Alarm] = [alarm for page in pages for alarm in (*page["MetricAlarms"], *page["CompositeAlarms"])]
        unreadable: dict[str, str] = {}
        wanted: defaultdict[Metric, set[datetime]] = defaultdict(set)
        for alarm in alarms:
            if "AlarmRule" in alarm:
                continue
            try:
                found = metrics(alarm).values()
                _refuse_unreadable(alarm["AlarmName"], found)
            except AlarmError as error:
                unreadable[alarm["AlarmName"]] = str(error)
                continue
            for metric in found:
                wanted[metric] |= {*evaluation_range(alarm, now)}
        read = self.read(wanted)
        measured = Measured(
            {metric: {time: point.value for time, point in points.items()} for metric, points in read.items()},
            {metric: {time: point.samples for time, point in points.items()} for metric, points in read.items()},
        )
        changes = []
        for change in self._loop.judge(alarms, measured, [now], unreadable):
            self._cloudwatch.set_alarm_state(
                AlarmName=change.alarm, StateValue=change.new, StateReason=change.reason, StateReasonData=change.reason_data
            )
            changes.append(change)
        for name in self.refused.keys() - already_refused.keys():
            logger.warning("not evaluated: %s", self.refused[name])
        return changes

    def read(self, wanted: Mapping[Metric, Collection[datetime]]) -> dict[Metric, dict[datetime, Datapoint]]:
        """The datapoints of each metric, its statistic and its sample count, in the periods that start at the times given.

        The emulator aligns periods to their own multiples, and alarms end theirs on any minute. So minutes are read at once,
        and each longer period by itself, as all that there is between its start and its end.
        """
        found: dict[Metric, dict[datetime, Datapoint]] = {}
        minutes = {metric: times for metric, times in wanted.items() if metric.period == 60}
        if starts := {time for times in minutes.values() for time in times}:
            found = self._read(minutes, min(starts), max(starts) + MINUTE, 60)
        longer: defaultdict[tuple[datetime, int], list[Metric]] = defaultdict(list)
        for metric, times in wanted.items():
            for time in times if metric.period > 60 else ():
                longer[time, metric.period].append(metric)
        for (time, period), those in longer.items():
            for metric, points in self._read(those, time, time + timedelta(seconds=period), _EVERYTHING).items():
                found.setdefault(metric, {})[time] = next(iter(points.values()))
        return found

    def _read(
        self, wanted: Iterable[Metric], start: datetime, end: datetime, period: int
    ) -> dict[Metric, dict[datetime, Datapoint]]:
        queries: list[MetricDataQueryTypeDef] = []
        numbered = dict(enumerate(wanted))
        for number, metric in numbered.items():
            dimensions = [{"Name": name, "Value": value} for name, value in sorted(metric.dimensions)]
            described = {"Namespace": metric.namespace, "MetricName": metric.name, "Dimensions": dimensions}
            for prefix, statistic in (("v", metric.statistic), ("n", "SampleCount")):
                stat = {"Metric": described, "Period": period, "Stat": statistic}
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
            if (found := values.get(f"v{number}"))
        }


def _refuse_unreadable(alarm: str, wanted: Iterable[Metric]) -> None:
    """AlarmError for what ministack's GetMetricData would answer wrongly.

    Without dimensions it merges all metrics of a name. What it is trusted with is tested: exact dimensions, statistics of
    values with counts, percentiles.
    """
    for metric in wanted:
        if not metric.dimensions:
            raise AlarmError(f"{alarm} watches {metric.name} without dimensions, which the emulator mixes with others")
