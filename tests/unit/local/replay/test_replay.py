"""Replay: what alarms would have done over recorded metrics."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from local.cloudwatch.alarms import Alarm
from local.cloudwatch.loop import MINUTE
from local.replay.replay import Replay, replay
from local.replay.trace import Trace
from tests.environments import PRODUCTION
from tests.unit.local.replay.builders import BEGIN, alarm, composite, described, either, metric, rate_alarm, trace
from tests.unit.local.replay.plainly import changes_of, in_order, plainly


def replayed(recorded: Trace, *alarms: Alarm, minutes: int = 1) -> Replay:
    return replay(recorded, alarms, PRODUCTION, minutes)


def changes_in(result: Replay) -> list[tuple[str, str, float]]:
    """Every change: the alarm, its new state, and the minutes since BEGIN."""
    return [
        (change.alarm.removeprefix("hz-navigator-production-"), change.new, (change.at - BEGIN) / MINUTE)
        for one in result.results
        for change in one.transitions
    ]


def test_an_alarm_fires_as_soon_as_enough_minutes_breach_and_clears_when_they_do_not() -> None:
    result = replayed(trace(cpu=[50] * 5 + [90] * 4 + [50] * 5), *described(Cpu=alarm()))
    assert changes_in(result) == [("cpu-critical", "OK", 1), ("cpu-critical", "ALARM", 7), ("cpu-critical", "OK", 11)]
    (cpu,) = result.results
    assert cpu.in_alarm == 4 * MINUTE
    assert cpu.firing == [(BEGIN + 7 * MINUTE, BEGIN + 11 * MINUTE)]
    assert cpu.transitions[1].reason.startswith("Threshold Crossed: 2 out of the last 3 datapoints [90.0 (05/01/26 12:06:00)")


@pytest.mark.parametrize(
    ("incident", "detected"), [(0, 7), (5, 7), (7, 7), (9, 9), (11, 14), (17, None)], ids=lambda minute: f"minute {minute}"
)
def test_detection_is_the_first_alarm_since_the_incident(incident: int, detected: int | None) -> None:
    values = [50] * 5 + [90] * 4 + [50] * 3 + [90] * 2 + [50] * 6
    (cpu,) = replayed(trace(cpu=values), *described(Cpu=alarm())).results
    assert cpu.detected(BEGIN + incident * MINUTE) == (None if detected is None else BEGIN + detected * MINUTE)


def test_an_alarm_that_is_on_at_the_end_counts_until_then() -> None:
    (cpu,) = replayed(trace(cpu=[50, 50, 90, 90, 90]), *described(Cpu=alarm())).results
    assert cpu.firing == [(BEGIN + 4 * MINUTE, BEGIN + 5 * MINUTE)]


@pytest.mark.parametrize(
    ("missing", "changes"),
    [
        ("notBreaching", [("OK", 1)]),
        ("breaching", [("OK", 5), ("ALARM", 12)]),
        ("ignore", [("OK", 1)]),
        ("missing", [("OK", 1), ("INSUFFICIENT_DATA", 13)]),
    ],
)
def test_a_gap_follows_the_alarm_s_rule_and_before_the_trace_is_no_gap(missing: str, changes: list[tuple[str, int]]) -> None:
    recorded = trace(cpu=[50] * 8 + [None] * 6, memory=[50] * 14)
    alarms = described(Cpu=alarm(TreatMissingData=missing), Memory=alarm("memory-critical", **metric("MemoryUtilization")))
    cpu = [(state, minute) for name, state, minute in changes_in(replayed(recorded, *alarms)) if name == "cpu-critical"]
    assert cpu == changes


def test_an_expression_is_computed_from_its_metrics() -> None:
    recorded = trace(
        **{
            "AWS/ApplicationELB RequestCount": [100] * 6 + [10] * 3,
            "AWS/ApplicationELB HTTPCode_Target_5XX_Count": [None] * 3 + [9] * 6,
        }
    )
    result = replayed(recorded, *described(Rate=rate_alarm()))
    assert changes_in(result) == [("rate-critical", "OK", 1), ("rate-critical", "ALARM", 5)]
    assert list(result.watching["hz-navigator-production-rate-critical"].values()) == [0, 0, 0, 9, 9, 9]


def test_a_row_s_own_series_goes_before_the_metrics_of_its_expression() -> None:
    recorded = trace(**{"rate": [0, 0, 0, 9, 9], "AWS/ApplicationELB RequestCount": [100] * 5})
    assert changes_in(replayed(recorded, *described(Rate=rate_alarm()))) == [
        ("rate-critical", "OK", 1),
        ("rate-critical", "ALARM", 5),
    ]


def test_a_composite_alarm_follows_in_the_same_minute_and_through_another() -> None:
    alarms = described(
        All=composite("all", either("Some")),
        Some=composite("some", either("Cpu", "Memory")),
        Cpu=alarm(),
        Memory=alarm("memory-critical", **metric("MemoryUtilization")),
    )
    recorded = trace(cpu=[50, 50, 90, 90, 50, 50, 50, 50], memory=[50, 50, 50, 90, 90, 50, 50, 50])
    changes = [
        (name, state, minute) for name, state, minute in changes_in(replayed(recorded, *alarms)) if name in ("some", "all")
    ]
    assert changes == [
        (name, state, minute) for name in ("all", "some") for state, minute in (("OK", 1), ("ALARM", 4), ("OK", 7))
    ]


def test_a_composite_alarm_is_judged_after_the_one_it_refers_to() -> None:
    name = "hz-navigator-production"
    alarms = described(
        Alone=composite("alone", f'ALARM("{name}-cpu-critical") AND NOT ALARM("{name}-some")'),
        Some=composite("some", either("Memory")),
        Cpu=alarm(),
        Memory=alarm("memory-critical", **metric("MemoryUtilization")),
    )
    recorded = trace(cpu=[50, 90, 90, 90], memory=[50, 90, 90, 90])
    assert [change for change in changes_in(replayed(recorded, *alarms)) if change[0] == "alone"] == [("alone", "OK", 1)]


def test_what_cannot_be_replayed_is_left_out_with_the_reason() -> None:
    repeats = rate_alarm("repeats-critical")
    repeats["Properties"]["Metrics"][0]["Expression"] = "FILL(errors, REPEAT) / requests"
    simple = {"Statistic": None, "ExtendedStatistic": "p95"}
    alarms = described(
        Cpu=alarm(),
        Memory=alarm("memory-critical", **metric("MemoryUtilization")),
        Repeats=repeats,
        Few=alarm("few-critical", EvaluateLowSampleCountPercentile="ignore", **simple),
        Odd=alarm("odd-critical", Unit="Percent"),
        Alone=composite("alone", either("Memory")),
        Broken=composite("broken", "ALARM(absent)"),
        Cycle=composite("cycle", 'ALARM("hz-navigator-production-cycle")'),
    )
    result = replayed(trace(**{"cpu": [50], "AWS/ApplicationELB RequestCount": [1], "few": [1]}), *alarms)
    assert [one.name for one in result.results] == ["hz-navigator-production-cpu-critical"]
    assert {name.removeprefix("hz-navigator-production-"): reason for name, reason in result.left_out.items()} == {
        "memory-critical": "the trace has none of its metrics",
        "repeats-critical": "what FILL repeats depends on where each window begins",
        "few-critical": "the trace does not say how many samples its percentile has",
        "odd-critical": "hz-navigator-production-odd-critical has ['Unit'], which is not supported",
        "alone": "none of its alarms is replayed",
        "broken": "hz-navigator-production-broken has the child absent, which does not exist",
        "cycle": "hz-navigator-production-cycle is part of a cycle of composite alarms, or refers to one",
    }


# The fast path against the evaluator, minute by minute


recorded_values = st.lists(st.none() | st.integers(0, 10), min_size=1, max_size=40)
evaluations = st.integers(1, 5).flatmap(lambda periods: st.tuples(st.integers(1, periods), st.just(periods)))
rules = st.sampled_from(["missing", "ignore", "breaching", "notBreaching"])
comparisons = st.sampled_from(
    ["GreaterThanThreshold", "GreaterThanOrEqualToThreshold", "LessThanThreshold", "LessThanOrEqualToThreshold"]
)


@given(
    values=recorded_values, evaluation=evaluations, rule=rules, comparison=comparisons, period=st.sampled_from([60, 120, 300]),
    statistic=st.sampled_from(["Average", "Sum", "Maximum", "p95"]), minutes=st.sampled_from([1, 2, 5]),
)  # fmt: skip
def test_a_metric_alarm_changes_as_the_evaluator_says_each_minute(
    values: list[int | None], evaluation: tuple[int, int], rule: str, comparison: str, period: int, statistic: str, minutes: int
) -> None:
    needed, periods = evaluation
    which = {"Statistic": None, "ExtendedStatistic": "p95"} if statistic == "p95" else {"Statistic": statistic}
    alarms = described(
        Cpu=alarm(
            DatapointsToAlarm=needed, EvaluationPeriods=periods, TreatMissingData=rule, ComparisonOperator=comparison,
            Period=period, Threshold=5, **which,
        ),
        Follows=composite("follows", either("Cpu")),
    )  # fmt: skip
    recorded = trace(cpu=[1, *values])
    assert changes_of(replayed(recorded, *alarms, minutes=minutes)) == in_order(plainly(recorded, alarms, PRODUCTION, minutes))


@given(requests=recorded_values, errors=recorded_values, evaluation=evaluations, rule=rules)
def test_an_expression_changes_as_the_evaluator_says_each_minute(
    requests: list[int | None], errors: list[int | None], evaluation: tuple[int, int], rule: str
) -> None:
    needed, periods = evaluation
    rate = rate_alarm(DatapointsToAlarm=needed, EvaluationPeriods=periods, TreatMissingData=rule, Threshold=20)
    rate["Properties"]["Metrics"][0]["Expression"] = "IF(requests > 3, 100 * FILL(errors, 0) / requests)"
    alarms = described(Rate=rate)
    recorded = trace(
        **{"AWS/ApplicationELB RequestCount": [1, *requests], "AWS/ApplicationELB HTTPCode_Target_5XX_Count": errors}
    )
    assert changes_of(replayed(recorded, *alarms)) == in_order(plainly(recorded, alarms, PRODUCTION))
