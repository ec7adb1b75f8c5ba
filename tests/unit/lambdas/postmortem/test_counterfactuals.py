"""Other rules over an incident's metrics: judged as CloudWatch judges alarms, and told with what they would cost."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lambdas.postmortem.counterfactuals import EXTRA_MINUTES, firing, judged, sooner
from lambdas.postmortem.metrics import MINUTE, Measured
from local.cloudwatch.alarms import EXTRA_PERIODS, Datapoint, evaluate, metrics
from runbook.rows import ROWS, Row, Window

NOON = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)
ERRORS, AVAILABILITY, SENTRY = (
    next(row for row in ROWS if row.slug == slug) for slug in ("alb-5xx-rate", "api-availability", "sentry-errors")
)


def at(minutes: float) -> datetime:
    return NOON + minutes * MINUTE


@pytest.mark.parametrize("row", [ERRORS, AVAILABILITY], ids=lambda row: row.slug)
@given(
    values=st.lists(st.sampled_from([None, 0, 1, 5, 5.5, 50, 99]), min_size=1, max_size=30),
    periods=st.integers(1, 5),
    data=st.data(),
)
def test_a_rule_fires_when_an_alarm_with_it_does(
    row: Row, values: list[float | None], periods: int, data: st.DataObject
) -> None:
    window = Window(data.draw(st.integers(1, periods)), periods)
    series = {at(number): value for number, value in enumerate(values) if value is not None}
    alarm = {
        "AlarmName": "one",
        "Namespace": "AWS/RDS",
        "MetricName": "CPUUtilization",
        "Statistic": "Average",
        "Period": 60,
        "EvaluationPeriods": window.periods,
        "DatapointsToAlarm": window.breaching,
        "Threshold": row.critical,
        "ComparisonOperator": "GreaterThanThreshold" if row.worse == "above" else "LessThanThreshold",
        "TreatMissingData": "notBreaching",
    }
    (metric,) = metrics(alarm).values()
    points = {metric: {time: Datapoint(value, 1) for time, value in series.items()}}
    moments = [at(number) for number in range(1, len(values) + 1)]
    verdicts = {moment: evaluate(alarm, points, moment) for moment in moments}
    spells = list(firing(series, row, row.critical, window, NOON, at(len(values))))
    fires = {moment for moment in moments if any(begin <= moment < end for begin, end in spells)}
    assert fires == {moment for moment, verdict in verdicts.items() if verdict and verdict.state == "ALARM"}


def test_as_many_minutes_are_looked_at_more_as_by_an_alarm() -> None:
    assert EXTRA_MINUTES == EXTRA_PERIODS


def outage(row: Row = ERRORS) -> Measured:
    """Two weeks in which 2 % fail for three minutes on two nights, and in the end 2 % for ten minutes, then half."""
    series = {at(minute): 0.0 for minute in range(-14 * 24 * 60, 20)}
    for night in (-8, -3):
        series |= {at(night * 24 * 60 + minute): 2.0 for minute in range(3)}
    series |= {at(minute): 2.0 for minute in range(-10, 0)} | {at(minute): 50.0 for minute in range(5)}
    return Measured(row, series, min(series))


def test_a_more_sensitive_rule_is_told_with_the_minutes_that_it_gains_and_its_cost() -> None:
    verdicts = judged(outage(), at(2), at(20))
    assert [(one.words, one.fired, one.before) for one in verdicts] == [
        ("the critical line as it is: over 5 %, 2 of 3 min", at(2), 0),
        ("the critical line, one minute of it: over 5 %, 1 of 1 min", at(1), 0),
        ("half way to the warning line: over 3 %, 2 of 3 min", at(2), 0),
        ("the warning line: over 1 %, 2 of 3 min", at(-8), 2),
    ]
    assert sooner(verdicts) == [
        "ALB 5XX rate: the warning line: over 1 %, 2 of 3 min would have fired 10 min earlier, and 2 times in the 14 days before it.",
        "ALB 5XX rate: the critical line, one minute of it: over 5 %, 1 of 1 min would have fired 1 min earlier,"
        " and never in the 14 days before it.",
    ]


def test_an_outage_shortly_before_is_another_and_what_comes_and_goes_is_one() -> None:
    series = {at(minute): 0.0 for minute in range(-2 * 24 * 60, 20)}
    series |= {at(minute): 50.0 for minute in (*range(-60, -50), -30, -27, -24, -3, -1, 0, 1)}
    as_it_is, one_minute, *_ = judged(Measured(ERRORS, series, min(series)), at(2), at(20))
    assert (as_it_is.fired, as_it_is.before, as_it_is.earlier) == (at(0), 1, None)
    assert (one_minute.fired, one_minute.before, one_minute.earlier) == (at(-2), 2, 2 * MINUTE)


def test_nothing_is_said_of_days_that_nobody_has_measured() -> None:
    measured = outage()
    since = at(-60 * 5)
    short = Measured(ERRORS, {time: value for time, value in measured.series.items() if time >= since}, since)
    assert {one.cost for one in judged(short, at(2), at(20))} == {""}
    assert not [words for words in sooner(judged(short, at(2), at(20))) if "before" in words]


def test_a_rule_that_would_not_have_fired_gains_nothing() -> None:
    series = {at(minute): 0.0 for minute in range(20)}
    verdicts = judged(Measured(ERRORS, series, NOON), at(2), at(20))
    assert {(one.fired, one.earlier) for one in verdicts} == {(None, None)}
    assert sooner(verdicts) == []


def test_a_row_to_which_missing_data_is_no_good_sign_is_not_judged() -> None:
    assert judged(outage(SENTRY), at(2), at(20)) == []
