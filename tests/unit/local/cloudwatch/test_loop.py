"""The alarm loop: which alarms are judged, on what, and in which order."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from local.cloudwatch.alarms import Alarm, Metric
from local.cloudwatch.loop import MINUTE, AlarmLoop, Measured, Transition

BEGIN = datetime(2026, 1, 5, 12, 0, tzinfo=UTC)
Changes = list[tuple[float, str, str, str]]


def metric(name: str) -> Metric:
    return Metric("AWS/ECS", name, frozenset({("ServiceName", "api")}), "Average", 60)


def alarm(name: str = "cpu", **changes: Any) -> dict[str, Any]:
    """The metric of that name over 5, 2 of 3 minutes; a change to None takes the key away."""
    definition = {
        "AlarmName": name,
        "AlarmArn": f"arn:aws:cloudwatch:us-east-1:123456789012:alarm:{name}",
        "StateValue": "OK",
        "StateUpdatedTimestamp": BEGIN - MINUTE,
        "Namespace": "AWS/ECS",
        "MetricName": name,
        "Dimensions": [{"Name": "ServiceName", "Value": "api"}],
        "Statistic": "Average",
        "Period": 60,
        "EvaluationPeriods": 3,
        "DatapointsToAlarm": 2,
        "Threshold": 5.0,
        "ComparisonOperator": "GreaterThanThreshold",
        "TreatMissingData": "notBreaching",
        **changes,
    }
    return {key: value for key, value in definition.items() if value is not None}


def filled(name: str, of: str, expression: str = "FILL(m1, REPEAT)") -> dict[str, Any]:
    """An alarm on a metric whose gaps are filled: they repeat the value before, unless the expression says otherwise."""
    described = {"Namespace": "AWS/ECS", "MetricName": of, "Dimensions": [{"Name": "ServiceName", "Value": "api"}]}
    queries = [
        {"Id": "filled", "Expression": expression, "ReturnData": True},
        {"Id": "m1", "MetricStat": {"Metric": described, "Period": 60, "Stat": "Average"}, "ReturnData": False},
    ]
    simple = dict.fromkeys(("Namespace", "MetricName", "Dimensions", "Statistic", "Period"))
    return alarm(name, Metrics=queries, TreatMissingData="missing", **simple)


def composite(name: str, rule: str, state: str = "OK") -> dict[str, Any]:
    arn = f"arn:aws:cloudwatch:us-east-1:123456789012:alarm:{name}"
    timestamp = {"StateUpdatedTimestamp": BEGIN - MINUTE}
    return {"AlarmName": name, "AlarmArn": arn, "AlarmRule": rule, "StateValue": state, **timestamp}


def measured(**values: Sequence[float | None]) -> Measured:
    """A value a minute from BEGIN on, by metric; None is a gap."""
    return Measured(
        {
            metric(name): {BEGIN + MINUTE * minute: value for minute, value in enumerate(of) if value is not None}
            for name, of in values.items()
        }
    )


def minutes(first: int, last: int) -> list[datetime]:
    return [BEGIN + MINUTE * minute for minute in range(first, last + 1)]


def shown(changes: Sequence[Transition]) -> Changes:
    return [((change.at - BEGIN) / MINUTE, change.alarm, change.old, change.new) for change in changes]


def judged(
    alarms: Sequence[Alarm], data: Measured, moments: Sequence[datetime], refused: dict[str, str] | None = None
) -> Changes:
    return shown(list(AlarmLoop().judge(alarms, data, moments, refused or {})))


def one_by_one(alarms: Sequence[Alarm], data: Measured, moments: Sequence[datetime]) -> list[Transition]:
    """A call a moment: the states that one left are given to the next."""
    loop, states = AlarmLoop(), {one["AlarmName"]: dict(one) for one in alarms}
    changes = []
    for moment in moments:
        for change in loop.judge(states.values(), data, [moment], {}):
            states[change.alarm] |= {"StateValue": change.new, "StateUpdatedTimestamp": change.at}
            changes.append(change)
    return changes


def test_changes_come_in_order_metric_alarms_first_and_children_before_parents() -> None:
    alarms = [
        composite("above", "ALARM(any)"),
        composite("any", "ALARM(cpu) OR ALARM(memory)"),
        alarm("memory"),
        alarm("cpu"),
    ]
    data = measured(cpu=[1, 9, 9, 1, 1, 1, 1], memory=[1, 1, 9, 9, 1, 1, 1])
    assert judged(alarms, data, minutes(1, 7)) == [
        (3, "cpu", "OK", "ALARM"),
        (3, "any", "OK", "ALARM"),
        (3, "above", "OK", "ALARM"),
        (4, "memory", "OK", "ALARM"),
        (5, "cpu", "ALARM", "OK"),
        (6, "memory", "ALARM", "OK"),
        (6, "any", "ALARM", "OK"),
        (6, "above", "ALARM", "OK"),
    ]


values = st.lists(st.none() | st.integers(0, 10), min_size=8, max_size=8)
states = st.sampled_from(["OK", "ALARM"])


@settings(max_examples=40)
@given(cpu=values, memory=values, state=states, seconds=st.sampled_from([0, 20]))
def test_many_moments_at_once_change_what_one_after_the_other_changes(
    cpu: list[float | None], memory: list[float | None], state: str, seconds: int
) -> None:
    simple = {"Statistic": None, "ExtendedStatistic": "p50", "EvaluateLowSampleCountPercentile": "ignore"}
    alarms = [
        alarm("cpu", StateValue=state),
        alarm("memory", TreatMissingData="missing", EvaluationPeriods=2, DatapointsToAlarm=1),
        alarm("few", MetricName="memory", StateValue=state, **simple),
        filled("repeats", "cpu"),
        composite("any", "ALARM(cpu) OR ALARM(memory) OR ALARM(repeats)", state),
        composite("all", "ALARM(any) AND NOT INSUFFICIENT_DATA(memory)"),
    ]
    data = measured(cpu=cpu, memory=memory)
    percentile = Metric("AWS/ECS", "memory", frozenset({("ServiceName", "api")}), "p50", 60)
    plenty = {BEGIN + MINUTE * minute: 1 + 4.0 * minute for minute in range(8)}  # 20 are enough for a median
    data = Measured({**data.values, percentile: data.values[metric("memory")]}, {percentile: plenty})
    moments = [at + timedelta(seconds=seconds) for at in minutes(1, 8)]
    assert list(AlarmLoop().judge(alarms, data, moments, {})) == one_by_one(alarms, data, moments)


def test_a_state_set_by_hand_reaches_composite_alarms_before_its_alarm_returns() -> None:
    alarms = [alarm("cpu", StateValue="ALARM"), composite("any", "ALARM(cpu)")]
    assert judged(alarms, measured(cpu=[1]), minutes(1, 3)) == [
        (1, "any", "OK", "ALARM"),
        (1, "cpu", "ALARM", "OK"),
        (1, "any", "ALARM", "OK"),
    ]


def test_a_metric_alarm_set_by_hand_returns_even_where_it_ignores_missing_data() -> None:
    """CloudWatch: "Metric alarms returns to their actual state quickly, often within seconds"."""
    loop = AlarmLoop()
    ignoring = alarm("cpu", TreatMissingData="ignore")
    assert shown(list(loop.judge([ignoring], measured(cpu=[1]), minutes(1, 1), {}))) == []
    by_hand = {**ignoring, "StateValue": "ALARM"}
    assert shown(list(loop.judge([by_hand], measured(), minutes(9, 9), {}))) == [(9, "cpu", "ALARM", "OK")]


@pytest.mark.parametrize(("rule", "state"), [("FALSE", "ALARM"), ("TRUE", "OK")])
def test_a_composite_alarm_without_children_stays_as_it_was_set(rule: str, state: str) -> None:
    """CloudWatch: "It returns to its actual state only once any of its children alarms change state"."""
    switch = composite("switch", rule, state)
    loop = AlarmLoop()
    for minute in range(1, 300):  # seen first when it was set already, and ever after
        assert list(loop.judge([alarm("cpu"), switch], measured(cpu=[1] * minute), minutes(minute, minute), {})) == []


def test_a_composite_alarm_without_children_is_reevaluated_when_its_rule_changes() -> None:
    loop = AlarmLoop()
    list(loop.judge([composite("switch", "TRUE", "OK")], measured(), minutes(1, 1), {}))
    changes = list(loop.judge([composite("switch", "TRUE OR TRUE", "OK")], measured(), minutes(2, 2), {}))
    assert shown(changes) == [(2, "switch", "OK", "ALARM")]


def test_a_new_composite_alarm_waits_for_the_first_states_of_its_children() -> None:
    new = [alarm("cpu", StateValue="INSUFFICIENT_DATA"), composite("any", "ALARM(cpu)", "INSUFFICIENT_DATA")]
    assert judged(new, measured(cpu=[9, 9]), minutes(2, 2)) == [
        (2, "cpu", "INSUFFICIENT_DATA", "ALARM"),
        (2, "any", "INSUFFICIENT_DATA", "ALARM"),
    ]


def test_a_composite_alarm_is_judged_again_when_its_rule_changes() -> None:
    loop, data = AlarmLoop(), measured(cpu=[1])
    by_hand = composite("any", "ALARM(cpu)", "ALARM")
    assert shown(list(loop.judge([alarm("cpu"), composite("any", "ALARM(cpu)")], data, minutes(1, 1), {}))) == []
    assert shown(list(loop.judge([alarm("cpu"), by_hand], data, minutes(2, 2), {}))) == []
    changed = {**by_hand, "AlarmRule": "NOT OK(cpu)"}
    assert shown(list(loop.judge([alarm("cpu"), changed], data, minutes(3, 3), {}))) == [(3, "any", "ALARM", "OK")]


def test_what_is_refused_keeps_its_state_and_composite_alarms_go_by_it() -> None:
    loop = AlarmLoop()
    alarms = [
        alarm("cpu", StateValue="ALARM"),
        alarm("odd", Unit="Percent"),
        alarm("search", Metrics=[{"Id": "m1", "Expression": "SEARCH('x')"}]),
        composite("any", "ALARM(cpu)"),
        composite("broken", "ALARM(absent)"),
        composite("self", "NOT ALARM(self)"),
        composite("above", "ALARM(self) OR ALARM(cpu)"),
    ]
    changes = list(loop.judge(alarms, measured(cpu=[1, 1, 1]), minutes(3, 3), {"cpu": "cpu cannot be read"}))
    assert shown(changes) == [(3, "any", "OK", "ALARM")]
    assert loop.refused["cpu"] == "cpu cannot be read"
    assert loop.refused.keys() == {"cpu", "odd", "search", "broken", "self", "above"}


@pytest.mark.parametrize(
    "silent",
    [
        alarm("cpu", TreatMissingData="breaching"),
        filled("cpu", "cpu", "MIN(FILL(METRICS(), 0))") | {"Threshold": 1, "ComparisonOperator": "LessThanThreshold"},
    ],
    ids=["missing data breaches", "what is filled in breaches"],
)
@pytest.mark.parametrize(("since", "fires"), [(None, 1), (BEGIN, 5), (BEGIN + 2 * MINUTE, 7)])
def test_silence_before_anything_was_known_is_no_breach(silent: Alarm, since: datetime | None, fires: int) -> None:
    data = Measured({metric("memory"): {}}, since=since)
    assert judged([silent], data, minutes(1, 9)) == [(fires, "cpu", "OK", "ALARM")]


def test_what_an_alarm_watched_is_kept_by_its_name() -> None:
    loop = AlarmLoop()
    list(loop.judge([alarm("cpu"), composite("any", "ALARM(cpu)")], measured(cpu=[1, None, 9]), minutes(3, 3), {}))
    assert loop.watching == {"cpu": {BEGIN: 1, BEGIN + 2 * MINUTE: 9}}


def test_no_alarms_change_nothing() -> None:
    assert judged([], measured(), minutes(1, 3)) == []
