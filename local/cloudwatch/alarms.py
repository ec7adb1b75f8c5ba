"""CloudWatch's metric alarms as documented, without AWS: a definition and its datapoints in, a state and its reason out.

https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/alarm-evaluation.html
https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/alarms-and-missing-data.html

Definitions are as DescribeAlarms returns them. One with anything that is not supported here raises AlarmError with its name
and the thing: an alarm is never evaluated wrongly. AWS does not document how many datapoints past `EvaluationPeriods` it
retrieves; here it is EXTRA_PERIODS, as in its worked examples.
"""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Literal, NamedTuple

from local.cloudwatch.metric_math import ExpressionError, TimeSeries, compute

State = Literal["OK", "ALARM", "INSUFFICIENT_DATA"]
Alarm = Mapping[str, Any]

EXTRA_PERIODS = 2

_COMPARISONS = {
    "GreaterThanThreshold": "greater than",
    "GreaterThanOrEqualToThreshold": "greater than or equal to",
    "LessThanThreshold": "less than",
    "LessThanOrEqualToThreshold": "less than or equal to",
}
STATISTICS = ("Average", "Sum", "Minimum", "Maximum", "SampleCount")
_PERCENTILE = re.compile(r"p(\d{1,2}(?:\.\d+)?)")
_TREATED_AS = {"breaching": "[Breaching]", "notBreaching": "[NonBreaching]"}

NO_BEARING = {
    "AlarmName", "AlarmArn", "AlarmDescription", "AlarmConfigurationUpdatedTimestamp", "ActionsEnabled", "OKActions",
    "AlarmActions", "InsufficientDataActions", "StateValue", "StateReason", "StateReasonData", "StateUpdatedTimestamp",
    "StateTransitionedTimestamp", "EvaluationState",
}  # fmt: skip
"""What a definition says that has no bearing on the alarm's state."""
_SIMPLE = {"MetricName", "Namespace", "Statistic", "ExtendedStatistic", "Dimensions", "Period"}
_EVALUATION = {
    "EvaluationPeriods", "DatapointsToAlarm", "Threshold", "ComparisonOperator", "TreatMissingData",
    "EvaluateLowSampleCountPercentile", "Metrics",
}  # fmt: skip
_QUERY = ("Id", "MetricStat", "Expression", "Label", "ReturnData", "Period")


class AlarmError(ValueError):
    """An alarm that cannot be evaluated; the message has its name and the reason."""


@dataclass(frozen=True)
class Metric:
    """One statistic of one metric, its dimensions exact, in periods of `period` seconds."""

    namespace: str
    name: str
    dimensions: frozenset[tuple[str, str]]
    statistic: str
    period: int


class Datapoint(NamedTuple):
    """A statistic's value over one period and the number of samples behind it."""

    value: float
    samples: float


Data = Mapping[Metric, Mapping[datetime, Datapoint]]
"""Datapoints by the start of their period."""


@dataclass(frozen=True)
class Verdict:
    """A state and why, as CloudWatch words it; `reason_data` is JSON."""

    state: State
    reason: str
    reason_data: str


def metrics(alarm: Alarm) -> dict[str, Metric]:
    """The metrics that an alarm reads, by their id in it. AlarmError when the definition has anything unsupported."""
    known = NO_BEARING | _SIMPLE | _EVALUATION
    extra = [key for key, value in alarm.items() if value and key not in known]
    refuse_unless(alarm, not extra, f"has {extra}, which is not supported")
    for key, values in {
        "ComparisonOperator": tuple(_COMPARISONS),
        "TreatMissingData": (None, "missing", "ignore", *_TREATED_AS),
        "EvaluateLowSampleCountPercentile": (None, "", "evaluate", "ignore"),
    }.items():
        refuse_unless(alarm, alarm.get(key) in values, f"has {key} {alarm.get(key)}, which is not supported")
    if alarm.get("Metrics"):
        refuse_unless(alarm, not alarm.get("MetricName"), "has both MetricName and Metrics")
        few_samples = alarm.get("EvaluateLowSampleCountPercentile")
        refuse_unless(alarm, not few_samples, "has a percentile rule on metric math, which is not supported")
        queries = alarm["Metrics"]
    else:
        statistic = alarm.get("ExtendedStatistic") or alarm.get("Statistic")
        metric = {key: alarm.get(key) for key in ("Namespace", "MetricName", "Dimensions")}
        queries = [{"Id": "m1", "MetricStat": {"Metric": metric, "Period": alarm.get("Period"), "Stat": statistic}}]
    found = {}
    for query in queries:
        extra = [key for key, value in query.items() if value and key not in _QUERY]
        refuse_unless(alarm, not extra, f"has a query with {extra}, which is not supported")
        if stat := query.get("MetricStat"):
            found[query["Id"]] = _metric(alarm, stat)
    refuse_unless(alarm, len({metric.period for metric in found.values()}) == 1, "has metrics of several periods, or none")
    refuse_unless(alarm, sum(_returned(query) for query in queries) == 1, "should return the data of exactly one query")
    return found


def _metric(alarm: Alarm, stat: Mapping[str, Any]) -> Metric:
    extra = [key for key, value in stat.items() if value and key not in ("Metric", "Period", "Stat")]
    refuse_unless(alarm, not extra, f"has a metric with {extra}, which is not supported")
    metric, statistic, period = stat["Metric"], str(stat.get("Stat")), int(stat.get("Period") or 0)
    supported = statistic in STATISTICS or _PERCENTILE.fullmatch(statistic)
    refuse_unless(alarm, supported, f"has the statistic {statistic}, which is not supported")
    refuse_unless(alarm, period > 0 and period % 60 == 0, f"has a period of {period} s, which is not a number of minutes")
    # Its two references disagree on whether TreatMissingData counts there.
    own_rules = metric["Namespace"] == "AWS/DynamoDB"
    refuse_unless(alarm, not own_rules, "is on AWS/DynamoDB, whose missing data has rules of its own: not supported")
    dimensions = frozenset((item["Name"], item["Value"]) for item in metric.get("Dimensions") or ())
    return Metric(metric["Namespace"], metric["MetricName"], dimensions, statistic, period)


def _returned(query: Mapping[str, Any]) -> bool:
    return str(query.get("ReturnData", True)).lower() == "true"


def refuse_unless(alarm: Alarm, right: object, what: str) -> None:
    """AlarmError with the alarm's name and `what`, unless it is right."""
    if not right:
        raise AlarmError(f"{alarm['AlarmName']} {what}")


def evaluation_range(alarm: Alarm, now: datetime) -> list[datetime]:
    """The starts of the periods that an evaluation at `now` looks at, newest first; the newest is complete.

    Periods end on whole minutes, whatever their length, as in CloudWatch's documented events (queryDate 17:04:40 and
    startDate 16:59:00 with a period of 300 s).
    """
    period = timedelta(seconds=next(iter(metrics(alarm).values())).period)
    end = now.astimezone(UTC).replace(second=0, microsecond=0)
    return [end - period * back for back in range(1, int(alarm["EvaluationPeriods"]) + EXTRA_PERIODS + 1)]


def needed_of_last(alarm: Alarm) -> tuple[int, int, str]:
    """M and N of an alarm that fires when M of the last N datapoints breach, and how it treats missing data."""
    periods = int(alarm["EvaluationPeriods"])
    return int(alarm.get("DatapointsToAlarm") or periods), periods, alarm.get("TreatMissingData") or "missing"


def evaluate(alarm: Alarm, data: Data, now: datetime) -> Verdict | None:
    """What a metric alarm's state should be at `now`; None: it retains the state it has.

    `data` has the datapoints of `metrics(alarm)`; those outside the evaluation range do not count.
    """
    found, times = metrics(alarm), evaluation_range(alarm, now)
    inside = {
        name: {time: points[time] for time in times if time in points}
        for name, metric in found.items()
        for points in (data.get(metric, {}),)
    }
    series = watched(
        alarm, {name: {time: point.value for time, point in points.items()} for name, points in inside.items()}, times
    )
    needed, periods, missing = needed_of_last(alarm)
    threshold = float(alarm["Threshold"])
    breaching = {time: breaches(value, alarm["ComparisonOperator"], threshold) for time, value in series.items()}
    state = decide([breaching.get(time) for time in times], needed, periods, missing)
    evaluated = [time for time in times if time in series][:periods]
    if state is None or _too_few_samples(alarm, found, inside, evaluated):
        return None

    unknown = [time for time in times if time not in series][: periods - len(evaluated)]
    samples = inside["m1"] if not alarm.get("Metrics") else {}
    reason_data = {
        "version": "1.0",
        "queryDate": date(now),
        **({"startDate": date(evaluated[-1])} if evaluated else {}),
        **({"statistic": found["m1"].statistic} if not alarm.get("Metrics") else {}),
        "period": next(iter(found.values())).period,
        "recentDatapoints": [series[time] for time in reversed(evaluated)],
        "threshold": threshold,
        "evaluatedDatapoints": [
            {"timestamp": date(time)}
            | ({"sampleCount": samples[time].samples} if time in samples else {})
            | ({"value": series[time]} if time in series else {})
            for time in sorted((*evaluated, *unknown), reverse=True)
        ],
    }
    crossed = {time: series[time] for time in evaluated if breaching[time] is (state == "ALARM")}
    reason = _reason(alarm, state, crossed, len(evaluated), len(unknown))
    return Verdict(state, reason, json.dumps(reason_data, separators=(",", ":")))


def _reason(alarm: Alarm, state: State, crossed: TimeSeries, received: int, unknown: int) -> str:
    """CloudWatch's sentence for a state that `crossed` datapoints, newest first, decided."""
    needed, periods, missing = needed_of_last(alarm)
    if state == "INSUFFICIENT_DATA":
        return f"Insufficient Data: {_count(unknown, 'datapoint')} {_was(unknown)} unknown."
    if unknown and missing in _TREATED_AS:
        datapoints = _count(received, "datapoint") if received else "no datapoints"
        return (
            f"Threshold Crossed: {datapoints} {_was(received)} received for {_count(periods, 'period')} and "
            f"{_count(unknown, 'missing datapoint')} {_was(unknown)} treated as {_TREATED_AS[missing]}."
        )
    shown = ", ".join(f"{value} ({time:%d/%m/%y %H:%M:%S})" for time, value in crossed.items())
    least, change, negation = (needed, "OK -> ALARM", "") if state == "ALARM" else (periods - needed + 1, "ALARM -> OK", "not ")
    return (
        f"Threshold Crossed: {len(crossed)} out of the last {periods} datapoints [{shown}] {_was(len(crossed))} {negation}"
        f"{_COMPARISONS[alarm['ComparisonOperator']]} the threshold ({float(alarm['Threshold'])}) "
        f"(minimum {_count(least, 'datapoint')} for {change} transition)."
    )


def decide(points: Sequence[bool | None], needed: int, periods: int, missing: str) -> State | None:
    """The state that the evaluation range gives: `needed` (M) out of `periods` (N); None retains the current state.

    `points` is newest first: breaching, not breaching, or None where data is missing. Real datapoints go before filled ones,
    however far back in the range. https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/alarms-and-missing-data.html
    """
    evaluated = [(age, breaches) for age, breaches in enumerate(points, start=1) if breaches is not None][:periods]
    breaching, filled = sum(breaches for _, breaches in evaluated), periods - len(evaluated)
    if breaching + (filled if missing == "breaching" else 0) >= needed:
        return "ALARM"
    if not filled or missing in _TREATED_AS or breaching < len(evaluated):
        return "OK"
    if missing == "ignore":
        return None
    # Nothing but breaching and missing data: no alarm at once, the next datapoint may be good ("premature transitions").
    # That too little of it, and too young, is insufficient stood in the page's table until 2019 and is not contradicted since.
    return "ALARM" if evaluated and evaluated[-1][0] >= needed else "INSUFFICIENT_DATA"


def watched(alarm: Alarm, values: Mapping[str, TimeSeries], times: Sequence[datetime]) -> TimeSeries:
    """The series that the alarm watches: its metric, or the expression whose data is returned.

    `values` are the series of its metrics by id, `times` the starts of all periods asked for, which FILL fills.
    """
    queries = {query["Id"]: query for query in alarm.get("Metrics") or ()}
    if not queries:
        return values["m1"]
    returned = next(name for name, query in queries.items() if _returned(query))
    results: dict[str, TimeSeries] = {}

    def resolve(name: str, inside: frozenset[str] = frozenset()) -> TimeSeries:
        if name in values:
            return values[name]
        if name not in results:
            expression = queries[name]["Expression"]
            used = {other for other in queries if re.search(rf"\b{re.escape(other)}\b", expression) and other not in values}
            refuse_unless(alarm, not used & (inside | {name}), f"has the expression {name}, which uses itself")
            others = {other: resolve(other, inside | {name}) for other in used}
            try:
                value = compute(expression, values, others, times)
            except ExpressionError as error:
                raise AlarmError(f"{alarm['AlarmName']} has the expression {expression}: {error}") from None
            if not isinstance(value, dict):
                raise AlarmError(f"{alarm['AlarmName']} has the expression {expression}, which is not a time series")
            results[name] = value
        return results[name]

    return resolve(returned)


def fills_by_repeating(alarm: Alarm) -> bool:
    """Whether the alarm's expressions fill gaps with the value before, which depends on where the range they see begins."""
    return any("REPEAT" in query.get("Expression", "") for query in alarm.get("Metrics") or ())


def _too_few_samples(
    alarm: Alarm, found: Mapping[str, Metric], inside: Mapping[str, Mapping[datetime, Datapoint]], evaluated: Sequence[datetime]
) -> bool:
    """Whether a percentile has too few samples in the evaluated periods and the alarm says to ignore it then.

    https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/percentiles-with-low-samples.html
    """
    if alarm.get("EvaluateLowSampleCountPercentile") != "ignore" or not evaluated:
        return False
    percentile = _PERCENTILE.fullmatch(found["m1"].statistic)
    if not percentile:
        return False
    percent = float(percentile[1])
    least = round(1000 / (100 - percent if percent >= 50 else percent), 6)
    return sum(inside["m1"][time].samples for time in evaluated) < least


def breaches(value: float, comparison: str, threshold: float) -> bool:
    """Whether a value is past an alarm's threshold."""
    match comparison:
        case "GreaterThanThreshold":
            return value > threshold
        case "GreaterThanOrEqualToThreshold":
            return value >= threshold
        case "LessThanThreshold":
            return value < threshold
        case _:
            return value <= threshold


def date(time: datetime) -> str:
    """A time as the JSON of reasons has it."""
    return f"{time.astimezone(UTC):%Y-%m-%dT%H:%M:%S}.{time.microsecond // 1000:03d}+0000"


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"


def _was(number: int) -> str:
    return "was" if number == 1 else "were"
