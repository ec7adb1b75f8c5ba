"""The alarm loop: alarms with their states, what was measured, and moments in; changes of state out.

All that judges alarms does it here: the local cloud one minute at a time, the replay and the drawn dashboard many at once.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import cache
from itertools import groupby, islice
from operator import attrgetter
from typing import Any

from local.cloudwatch.alarms import (
    EXTRA_PERIODS,
    Alarm,
    AlarmError,
    Data,
    Datapoint,
    Metric,
    State,
    Verdict,
    breaches,
    decide,
    evaluate,
    evaluation_range,
    fills_by_repeating,
    metrics,
    needed_of_last,
    watched,
)
from local.cloudwatch.composites import children, children_first, evaluate_composite, rule_holds
from local.cloudwatch.metric_math import TimeSeries

MINUTE = timedelta(minutes=1)

_WATCHED = ("Metrics", "Namespace", "MetricName", "Dimensions", "Statistic", "ExtendedStatistic", "Period")


@dataclass(frozen=True)
class Transition:
    """A change of an alarm's state and why, as CloudWatch words it; `reason_data` is JSON."""

    alarm: str
    old: State
    new: State
    reason: str
    at: datetime
    reason_data: str


@dataclass(frozen=True)
class Measured:
    """What was measured, by metric and the start of the period.

    `samples` are as many as are behind a value, one where it is not said. What was before `since` is unknown: an alarm to which
    silence is a breach is first judged when it no longer looks at that.
    """

    values: Mapping[Metric, TimeSeries]
    samples: Mapping[Metric, TimeSeries] = field(default_factory=dict)
    since: datetime | None = None

    def seen_by(self, alarm: Alarm, at: datetime) -> Data:
        """What `evaluate` looks at."""
        return {
            metric: {
                start: Datapoint(values[start], samples.get(start, 1))
                for start in evaluation_range(alarm, at)
                if start in values
            }
            for metric in metrics(alarm).values()
            for values, samples in ((self.values.get(metric, {}), self.samples.get(metric, {})),)
        }


class AlarmLoop:
    """Judges metric alarms, then composite alarms, children first.

    A state that was set by hand is taken back as CloudWatch does it: a metric alarm's at once; a composite alarm's when its
    rule, or a child's state, is not what it was judged on last, in this call or an earlier one. Without children it stays:
    https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_SetAlarmState.html

    `refused` says, by name, which alarms of the last call were not judged and why. `watching` has the series that each of its
    metric alarms watched.
    """

    def __init__(self) -> None:
        self.refused: dict[str, str] = {}
        self.watching: dict[str, TimeSeries] = {}
        self._judged_on: dict[str, list[str]] = {}
        self._actual: dict[str, State] = {}  # of a metric alarm: what it was judged to be last

    def judge(
        self, alarms: Iterable[Alarm], measured: Measured, moments: Sequence[datetime], refused: Mapping[str, str]
    ) -> Iterator[Transition]:
        """The changes at `moments`, which are a minute apart, in order.

        `alarms` are definitions with states, as DescribeAlarms returns them; those `refused`, with the reason by name, keep
        theirs. `measured` has the metrics of the others, as far back as they look.
        """
        known = {str(alarm["AlarmName"]): dict(alarm) for alarm in alarms}
        self.refused, self.watching = dict(refused), {}
        rules = self._rules(known)
        # Composite alarms first as well: a state that was set by hand reaches them before its alarm returns to its own.
        # New ones wait: none of their alarms was judged yet.
        judged_before = {name: below for name, below in rules.items() if known[name]["StateValue"] != "INSUFFICIENT_DATA"}
        yield from self._composites(known, judged_before, moments[0])
        changes = sorted(self._metric_alarms(known, measured, moments), key=attrgetter("at"))
        by_moment = {at: list(those) for at, those in groupby(changes, attrgetter("at"))}
        for at in sorted({moments[0], *by_moment}):
            for change in by_moment.get(at, ()):
                yield _made(change, known)
            yield from self._composites(known, rules, at)

    def _metric_alarms(
        self, known: Mapping[str, Alarm], measured: Measured, moments: Sequence[datetime]
    ) -> Iterator[Transition]:
        """The changes of one metric alarm after the other: none depends on another."""
        oldest = self._oldest(known, moments[0])
        whats = {name: repr([known[name].get(key) for key in _WATCHED]) for name in oldest}
        begins: dict[str, datetime] = {}  # the alarms of a row watch the same, but not for as long
        for name, what in whats.items():
            begins[what] = min(begins.get(what, oldest[name]), oldest[name])
        end = moments[-1].replace(second=0, microsecond=0)
        computed: dict[str, TimeSeries] = {}
        for name, start in oldest.items():
            alarm, what = known[name], whats[name]
            begin = begins[what]
            starts = [begin + MINUTE * minute for minute in range((end - begin) // MINUTE)]
            try:
                if what not in computed:
                    found = {key: measured.values.get(metric, {}) for key, metric in metrics(alarm).items()}
                    computed[what] = watched(alarm, found, starts)
            except AlarmError as error:
                self.refused[name] = str(error)
                continue
            self.watching[name] = computed[what]
            states = _states(alarm, computed[what], starts[(start - begin) // MINUTE :])
            if fills_by_repeating(alarm):  # what it repeats depends on where each range begins
                verdicts = (evaluate(alarm, measured.seen_by(alarm, at), at) for at in moments)
                states = (verdict.state if verdict else None for verdict in verdicts)
            unknown = 0
            if measured.since and _silence_breaches(alarm, starts[0]):
                unknown = max((measured.since - start) // MINUTE, 0)
            actual = self._actual.setdefault(name, alarm["StateValue"])
            for change in _changes(alarm, actual, measured, islice(zip(moments, states, strict=False), unknown, None)):
                actual = change.new
                yield change
            self._actual[name] = actual

    def _oldest(self, known: Mapping[str, Alarm], at: datetime) -> dict[str, datetime]:
        """The start of what each metric alarm looks at when it is judged at a moment."""
        oldest = {}
        for name, alarm in known.items():
            if "AlarmRule" not in alarm and name not in self.refused:
                try:
                    oldest[name] = evaluation_range(alarm, at)[-1]
                except AlarmError as error:
                    self.refused[name] = str(error)
        return oldest

    def _rules(self, known: Mapping[str, Alarm]) -> dict[str, list[str]]:
        """The children of each composite alarm that can be judged, children first."""
        rules = {}
        for name, alarm in known.items():
            if "AlarmRule" in alarm:
                try:
                    rule_holds(alarm, dict.fromkeys(known, "OK"))
                except AlarmError as error:
                    self.refused[name] = str(error)
                else:
                    rules[name] = children(alarm)
        order = children_first(rules)
        for name in rules.keys() - order:
            self.refused[name] = f"{name} is part of a cycle of composite alarms, or refers to one"
        return {name: rules[name] for name in order}

    def _composites(
        self, known: dict[str, dict[str, Any]], rules: Mapping[str, Iterable[str]], at: datetime
    ) -> Iterator[Transition]:
        """The changes of composite alarms, given with their children, children first."""
        for name, below in rules.items():
            alarm = known[name]
            judged_on = [alarm["AlarmRule"], *(known[child]["StateValue"] for child in below)]
            before, self._judged_on[name] = self._judged_on.get(name), judged_on
            # Without children it was judged when it was put; before it is seen first, somebody may have set its state.
            settled = not below and before is None and alarm["StateValue"] != "INSUFFICIENT_DATA"
            if before == judged_on or settled:
                continue
            verdict = evaluate_composite(alarm, known.values())
            if verdict.state != alarm["StateValue"]:
                yield _made(_transition(alarm, alarm["StateValue"], verdict, at), known)


def _silence_breaches(alarm: Alarm, start: datetime) -> bool:
    """Whether an alarm breaches where nothing is measured: as missing data, or as what its expression fills in."""
    value = watched(alarm, {name: {} for name in metrics(alarm)}, [start]).get(start)
    if value is None:
        return bool(alarm.get("TreatMissingData") == "breaching")
    return breaches(value, alarm["ComparisonOperator"], float(alarm["Threshold"]))


def _changes(
    alarm: Alarm, actual: State, measured: Measured, states: Iterable[tuple[datetime, State | None]]
) -> Iterator[Transition]:
    """A metric alarm's changes, given the state that each moment gives; None: it retains what it was judged to be last."""
    current = alarm["StateValue"]
    for at, state in states:
        if (state or actual) == current:
            continue
        # Says why; and a percentile may have had too few samples.
        judged = evaluate(alarm, measured.seen_by(alarm, at), at) if state else None
        verdict = judged or Verdict(actual, f"Retained: {alarm['AlarmName']} was last judged to be {actual}", "{}")
        if verdict.state != current:
            yield _transition(alarm, current, verdict, at)
            current = actual = verdict.state


def _states(alarm: Alarm, series: TimeSeries, starts: Iterable[datetime]) -> Iterator[State | None]:
    """The states that `evaluate` gives at the end of each minute for what an alarm watches, samples aside.

    `starts` are the starts of the minutes, from the first evaluation range on. What is in a range is a number in base 3, the
    newest datapoint its last digit: a step each minute, and each of the few thousand numbers there can be is decided once.
    """
    needed, periods, missing = needed_of_last(alarm)
    length = periods + EXTRA_PERIODS
    comparison, threshold = alarm["ComparisonOperator"], float(alarm["Threshold"])
    phases = next(iter(metrics(alarm).values())).period // 60
    ranges = [0] * phases  # one for each minute that a period may start with
    for minute, start in enumerate(starts):
        value = series.get(start)
        digit = 0 if value is None else 2 if breaches(value, comparison, threshold) else 1
        phase = minute % phases
        ranges[phase] = (ranges[phase] * 3 + digit) % 3**length
        if minute >= phases * (length - 1):
            yield _decided(ranges[phase], length, needed, periods, missing)


@cache
def _decided(digits: int, length: int, needed: int, periods: int, missing: str) -> State | None:
    return decide([(None, False, True)[digits // 3**age % 3] for age in range(length)], needed, periods, missing)


def _transition(alarm: Alarm, old: State, verdict: Verdict, at: datetime) -> Transition:
    return Transition(alarm["AlarmName"], old, verdict.state, verdict.reason, at, verdict.reason_data)


def _made(change: Transition, known: dict[str, dict[str, Any]]) -> Transition:
    """The change, once the alarm has its new state."""
    known[change.alarm] |= {"StateValue": change.new, "StateUpdatedTimestamp": change.at}
    return change
