"""Replay: what the alarms of a template would have done over recorded metrics."""

import json
import random
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from local import replay as command
from local.cloudwatch.alarms import EXTRA_PERIODS, Alarm, Datapoint, Metric, children, evaluate, evaluate_composite, metrics
from local.emulator.alarms import Transition
from local.replay.__main__ import Replay, bind, definitions, replay, row_and_level, steps, template
from local.replay.trace import MINUTE, Trace, TraceError, read, series
from runbook.rows import LEVELS
from stacks.config import load
from stacks.environment import Environment

BEGIN = datetime(2026, 1, 5, 12, 0, tzinfo=UTC)
PRODUCTION = load("production")
TRACES = Path(command.__file__).with_name("traces")
BALANCER = {"Fn::ImportValue": "load-balancer:FullName"}


# Templates and traces


def metric(name: str, namespace: str = "AWS/ECS", **dimensions: Any) -> dict[str, Any]:
    shown = [{"Name": key, "Value": value} for key, value in dimensions.items()]
    return {"Namespace": namespace, "MetricName": name, "Dimensions": shown}


def alarm(name: str = "cpu-critical", **changes: Any) -> dict[str, Any]:
    """Average CPU over 85, 2 of 3 minutes, as a template has it; a change to None takes the key away."""
    properties = {
        "AlarmName": f"hz-navigator-production-{name}",
        "AlarmActions": [{"Fn::ImportValue": "remediation:Escalations"}],
        **metric("CPUUtilization", ClusterName="main"),
        "Statistic": "Average",
        "Period": 60,
        "EvaluationPeriods": 3,
        "DatapointsToAlarm": 2,
        "Threshold": 85,
        "ComparisonOperator": "GreaterThanThreshold",
        "TreatMissingData": "notBreaching",
        **changes,
    }
    properties = {key: value for key, value in properties.items() if value is not None}
    return {"Type": "AWS::CloudWatch::Alarm", "Properties": properties}


def rate_alarm(name: str = "rate-critical", **changes: Any) -> dict[str, Any]:
    """Percent of the load balancer's requests that failed, over 5."""
    stats = [
        {
            "Id": key,
            "MetricStat": {"Metric": metric(counted, "AWS/ApplicationELB", LoadBalancer=BALANCER), "Period": 60, "Stat": "Sum"},
            "ReturnData": False,
        }
        for key, counted in (("requests", "RequestCount"), ("errors", "HTTPCode_Target_5XX_Count"))
    ]
    rate = {"Id": "rate", "Expression": "IF(requests > 20, 100 * FILL(errors, 0) / requests)", "ReturnData": True}
    simple = dict.fromkeys(("Namespace", "MetricName", "Dimensions", "Statistic", "Period"))
    return alarm(name, **{**simple, "Metrics": [rate, *stats], "Threshold": 5, **changes})


def composite(name: str, rule: Any) -> dict[str, Any]:
    return {
        "Type": "AWS::CloudWatch::CompositeAlarm",
        "Properties": {"AlarmName": f"hz-navigator-production-{name}", "AlarmRule": rule},
    }


def either(*keys: str) -> dict[str, Any]:
    """ALARM(...) OR ALARM(...) as the CDK writes it."""
    parts = [part for key in keys for part in (' OR ALARM("', {"Fn::GetAtt": [key, "Arn"]}, '")')]
    return {"Fn::Join": ["", [parts[0].removeprefix(" OR "), *parts[1:]]]}


def described(**resources: dict[str, Any]) -> list[Alarm]:
    return definitions({"Resources": resources}, PRODUCTION)


def trace(**values: Sequence[float | None]) -> Trace:
    """A value a minute from BEGIN on, by metric, whose spaces are underscores here; None is a gap."""
    points = {
        name: [(BEGIN + MINUTE * minute, float(value)) for minute, value in enumerate(of_metric) if value is not None]
        for name, of_metric in values.items()
    }
    return Trace("trace.csv", {name: of_metric for name, of_metric in points.items() if of_metric}, dict.fromkeys(points, 2))


def replayed(recorded: Trace, *alarms: Alarm, minutes: int = 1) -> Replay:
    return replay(recorded, alarms, PRODUCTION, minutes)


def told(result: Replay) -> list[tuple[str, str, float]]:
    """Every change: the alarm, its new state, and the minutes since BEGIN."""
    return [
        (change.alarm.removeprefix("hz-navigator-production-"), change.new, (change.at - BEGIN) / MINUTE)
        for one in result.results
        for change in one.transitions
    ]


# Reading


def written(folder: Path, text: str | bytes) -> Path:
    file = folder / "trace.csv"
    file.write_bytes(text.encode() if isinstance(text, str) else text)
    return file


@pytest.mark.parametrize(
    "timestamp",
    [
        "2026-01-05T12:00:00Z", "2026-01-05T12:00:59.9Z", "2026-01-05 12:00", "2026-01-05T14:00:00+02:00", "1767614400", "1767614400.5",
        "1767614400000",
    ],
)  # fmt: skip
def test_a_timestamp_is_iso_8601_or_since_the_epoch(timestamp: str, tmp_path: Path) -> None:
    recorded = read(written(tmp_path, f"timestamp,metric,value\n{timestamp},ecs-cpu,7\n"))
    assert recorded.points == {"ecs-cpu": [(BEGIN, 7.0)]}
    assert (recorded.begin, recorded.end) == (BEGIN, BEGIN + MINUTE)


def test_a_file_of_one_metric_is_given_its_name(tmp_path: Path) -> None:
    recorded = read(written(tmp_path, "Timestamp,Value\n2026-01-05T12:00Z,7\n"), "ecs-cpu")
    assert recorded.points == {"ecs-cpu": [(BEGIN, 7.0)]}


def test_rows_come_in_any_order_with_gaps_blank_lines_and_empty_values(tmp_path: Path) -> None:
    text = (
        '\ufefftimestamp,metric,value\r\n2026-01-05T12:03Z,b,3\r\n\r\n"2026-01-05T12:00Z", a ,1e1\r\n2026-01-05T12:01Z,a,\r\n'
    )
    recorded = read(written(tmp_path, text))
    assert recorded.points == {"b": [(BEGIN + 3 * MINUTE, 3.0)], "a": [(BEGIN, 10.0)]}
    assert recorded.lines == {"b": 2, "a": 4}


GOOD = "timestamp,metric,value\n2026-01-05T12:00Z,ecs-cpu,1\n"


@pytest.mark.parametrize(
    ("text", "metric_name", "sentence"),
    [
        ("", "", r"line 1: should be the header timestamp,value or timestamp,metric,value\."),
        ("time,value\n", "", r"line 1: should be the header .*"),
        ("timestamp,value\n1767614400,1\n", "", r"line 1: --metric should name the metric\."),
        (GOOD, "ecs-cpu", r"line 1: has a column metric, --metric is for a file without\."),
        ("timestamp,metric,value\n", "", r"line 1: ends without any value\."),
        (GOOD + "2026-01-05T12:01Z,ecs-cpu\n", "", r"line 3: should have 3 columns \(timestamp,metric,value\) and has 2\."),
        (GOOD + "2026-01-05T12:01Z,ecs-cpu,1,2\n", "", r"line 3: should have 3 columns .* has 4\."),
        (GOOD + "yesterday,ecs-cpu,1\n", "", r"line 3: 'yesterday' should be a time such as 2026-01-31T12:30:00Z, or .*"),
        (GOOD + "2026-13-05T12:01Z,ecs-cpu,1\n", "", r"line 3: '2026-13-05T12:01Z' should be a time .*"),
        (GOOD + "nan,ecs-cpu,1\n", "", r"line 3: 'nan' should be a time .*"),
        (GOOD + "1e400,ecs-cpu,1\n", "", r"line 3: '1e400' should be a time .*"),
        (GOOD + "0001-01-01T00:00+14:00,ecs-cpu,1\n", "", r"line 3: .* should be a time .*"),
        (GOOD + "2026-01-05T12:01Z,ecs-cpu,high\n", "", r"line 3: 'high' should be a number\."),
        (GOOD + "2026-01-05T12:01Z,ecs-cpu,inf\n", "", r"line 3: 'inf' should be a number\."),
        (GOOD + "2206-01-05T12:01Z,ecs-cpu,1\n", "", r"line 3: 2206-01-05T12:01Z is more than 92 days from another line, .*"),
        (GOOD + '2026-01-05T12:01Z,"ecs-cpu,1\n', "", r"line 3: unexpected end of data\."),
        (GOOD.encode() + b"2026-01-05T12:01Z,\xff,1\n", "", r"line 3: should be text in UTF-8\."),
    ],
)  # fmt: skip
def test_a_bad_file_gets_one_sentence_with_the_line(text: str | bytes, metric_name: str, sentence: str, tmp_path: Path) -> None:
    file = written(tmp_path, text)
    with pytest.raises(TraceError, match=rf"^{file}, {sentence}$"):
        read(file, metric_name)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(TraceError, match=r"absent\.csv: No such file or directory\."):
        read(tmp_path / "absent.csv")


@pytest.mark.parametrize(
    ("statistic", "value"),
    [("Average", 4.0), ("Sum", 12.0), ("Minimum", 1.0), ("Maximum", 9.0), ("SampleCount", 12.0), ("p50", 2.0), ("p95", 9.0)],
)
def test_values_of_one_minute_are_combined_by_the_statistic(statistic: str, value: float) -> None:
    points = [(BEGIN, 1.0), (BEGIN, 9.0), (BEGIN, 2.0)]
    assert series(points, Metric("AWS/ECS", "CPU", frozenset(), statistic, 60)) == {BEGIN: value}


@pytest.mark.parametrize(("statistic", "each"), [("Average", 60.0), ("Maximum", 60.0), ("Sum", 20.0)])
def test_a_value_can_stand_for_several_minutes(statistic: str, each: float) -> None:
    spread = series([(BEGIN, 60.0)], Metric("AWS/ECS", "CPU", frozenset(), statistic, 60), minutes=3)
    assert spread == dict.fromkeys((BEGIN, BEGIN + MINUTE, BEGIN + 2 * MINUTE), each)


def test_a_longer_period_starts_with_every_minute() -> None:
    points = [(BEGIN, 1.0), (BEGIN + MINUTE, 2.0)]
    by_start = series(points, Metric("AWS/ECS", "CPU", frozenset(), "Sum", 120))
    assert by_start == {BEGIN - MINUTE: 1.0, BEGIN: 3.0, BEGIN + MINUTE: 2.0}


# The template's alarms


def test_an_alarm_of_a_template_is_as_describe_alarms_shows_it() -> None:
    one, both = described(Cpu=alarm(Tags=[{"Key": "a", "Value": "b"}]), Both=composite("both", either("Cpu")) | {})
    assert one["AlarmArn"] == PRODUCTION.arn("cloudwatch", "alarm:hz-navigator-production-cpu-critical")
    assert one["StateValue"] == "INSUFFICIENT_DATA"
    assert metrics(one)["m1"].dimensions == {("ClusterName", "main")}
    assert children(both) == ["hz-navigator-production-cpu-critical"]
    assert both["AlarmRule"] == f'ALARM("{one["AlarmArn"]}")'


@pytest.mark.parametrize(
    ("name", "watched"),
    [
        ("ecs-cpu-warning", ("ecs-cpu", "warning")),
        ("ecs-cpu-critical", ("ecs-cpu", "critical")),
        ("service-impaired", ("service-impaired", "critical")),
    ],
)
def test_an_alarm_s_name_says_the_row_and_the_level(name: str, watched: tuple[str, str]) -> None:
    assert row_and_level({"AlarmName": f"hz-navigator-production-{name}"}, PRODUCTION) == watched


# The names of metrics

NODES = [alarm(f"{node}-critical", **metric("Memory", "AWS/ElastiCache", Node=node)) for node in ("one", "two")]


@pytest.mark.parametrize(
    ("name", "alarms_of"),
    [
        ("AWS/ElastiCache Memory", ["one", "two"]),
        ("AWS/ElastiCache/Memory", ["one", "two"]),
        ("AWS/ElastiCache Memory Node=two", ["two"]),
        ("two", ["two"]),
        ("AWS/ApplicationELB RequestCount LoadBalancer=app/any/1234", ["rate"]),
        ("rate", ["rate"]),
    ],
)
def test_a_metric_is_called_by_its_name_its_dimensions_or_its_row(name: str, alarms_of: list[str]) -> None:
    result = replayed(trace(**{name: [50]}), *described(One=NODES[0], Two=NODES[1], Rate=rate_alarm()))
    assert [row_and_level(one.alarm, PRODUCTION)[0] for one in result.results] == alarms_of


@pytest.mark.parametrize(
    ("name", "near"),
    [
        ("AWS/ElastiCache Memry", "AWS/ElastiCache Memory"),
        ("AWS/ElastiCache Memory Node=three", "AWS/ElastiCache Memory"),
        ("x", "one, two"),
    ],
)
def test_a_metric_that_no_alarm_reads_is_named_with_its_line(name: str, near: str) -> None:
    alarms = described(One=NODES[0], Two=NODES[1])
    with pytest.raises(
        TraceError, match=rf"^trace\.csv, line 2: {name} is nothing that an alarm of production reads, .*{near}"
    ):
        replayed(trace(**{name: [50]}), *alarms)


def test_a_metric_has_one_name_in_a_file() -> None:
    with pytest.raises(
        TraceError, match=r"^trace\.csv, line 2: AWS/ECS/CPUUtilization is in this file by another name as well\.$"
    ):
        replayed(trace(**{"cpu": [50], "AWS/ECS/CPUUtilization": [50]}), *described(Cpu=alarm()))


# What the alarms do


def test_an_alarm_fires_as_soon_as_enough_minutes_breach_and_clears_when_they_do_not() -> None:
    result = replayed(trace(cpu=[50] * 5 + [90] * 4 + [50] * 5), *described(Cpu=alarm()))
    assert told(result) == [("cpu-critical", "OK", 1), ("cpu-critical", "ALARM", 7), ("cpu-critical", "OK", 11)]
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
    cpu = [(state, minute) for name, state, minute in told(replayed(recorded, *alarms)) if name == "cpu-critical"]
    assert cpu == changes


def test_an_expression_is_computed_from_its_metrics() -> None:
    recorded = trace(
        **{
            "AWS/ApplicationELB RequestCount": [100] * 6 + [10] * 3,
            "AWS/ApplicationELB HTTPCode_Target_5XX_Count": [None] * 3 + [9] * 6,
        }
    )
    result = replayed(recorded, *described(Rate=rate_alarm()))
    assert told(result) == [("rate-critical", "OK", 1), ("rate-critical", "ALARM", 5)]
    assert list(result.watching["hz-navigator-production-rate-critical"].values()) == [0, 0, 0, 9, 9, 9]


def test_a_row_s_own_series_goes_before_the_metrics_of_its_expression() -> None:
    recorded = trace(**{"rate": [0, 0, 0, 9, 9], "AWS/ApplicationELB RequestCount": [100] * 5})
    assert told(replayed(recorded, *described(Rate=rate_alarm()))) == [
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
    changes = [(name, state, minute) for name, state, minute in told(replayed(recorded, *alarms)) if name in ("some", "all")]
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
    assert [change for change in told(replayed(recorded, *alarms)) if change[0] == "alone"] == [("alone", "OK", 1)]


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
        "odd-critical": "hz-navigator-production-odd-critical has ['Unit'], which this evaluator does not know",
        "alone": "none of its alarms is replayed",
        "broken": "hz-navigator-production-broken has the child absent, which this evaluator does not know",
        "cycle": "it is part of a cycle of composite alarms, or refers to one",
    }


# The fast path against the evaluator, minute by minute


def plainly(recorded: Trace, alarms: Sequence[Alarm], minutes: int = 1) -> list[Transition]:
    """What calling `evaluate` and `evaluate_composite` at the end of each minute gives."""
    begin, end = recorded.begin, recorded.end + MINUTE * (minutes - 1)
    on_metrics, read_as = bind(recorded, [one for one in alarms if "AlarmRule" not in one], PRODUCTION, minutes)
    data = {of: {start: Datapoint(value, 1) for start, value in values.items()} for of, values in read_as.items()}
    states: dict[str, dict[str, Any]] = {
        one["AlarmName"]: {**one, "StateUpdatedTimestamp": begin} for one in (*on_metrics, *alarms[len(on_metrics) :])
    }
    changes = []

    def change(one: dict[str, Any], verdict: Any, now: datetime) -> bool:
        if verdict is None or verdict.state == one["StateValue"]:
            return False
        changes.append(Transition(one["AlarmName"], one["StateValue"], verdict.state, verdict.reason, now))
        one.update(StateValue=verdict.state, StateUpdatedTimestamp=now)
        return True

    for minute in range(1, (end - begin) // MINUTE + 1):
        now = begin + MINUTE * minute
        for one in on_metrics:
            found = metrics(one)
            reach = timedelta(seconds=next(iter(found.values())).period * (one["EvaluationPeriods"] + EXTRA_PERIODS))
            unknown = one.get("TreatMissingData") == "breaching" and now - reach < begin
            if not unknown and any(of in data for of in found.values()):
                change(states[one["AlarmName"]], evaluate(one, data, now), now)
        rules = [one for one in states.values() if "AlarmRule" in one]
        while sum(change(one, evaluate_composite(one, states.values()), now) for one in rules):
            pass
    return changes


def in_order(changes: Sequence[Transition]) -> list[Transition]:
    return sorted(changes, key=lambda change: (change.alarm, change.at))


def changes_of(result: Replay) -> list[Transition]:
    return in_order([change for one in result.results for change in one.transitions])


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
    assert changes_of(replayed(recorded, *alarms, minutes=minutes)) == in_order(plainly(recorded, alarms, minutes))


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
    assert changes_of(replayed(recorded, *alarms)) == in_order(plainly(recorded, alarms))


# The project's own template

Deployed = Callable[[str], tuple[Environment, list[Alarm]]]


@pytest.fixture(scope="module")
def deployed() -> Deployed:
    """`deployed("production")`: an environment and the alarms of its template."""

    def of(name: str) -> tuple[Environment, list[Alarm]]:
        environment = load(name)
        return environment, definitions(template(environment), environment)

    return of


def noise(alarms: Sequence[Alarm], minutes: int) -> Trace:
    """A value a minute, but for gaps, of every metric that an alarm reads: in stretches on either side of its lines."""
    chance = random.Random(7)  # noqa: S311 - the same noise each time
    read_by = {of for one in alarms if "AlarmRule" not in one for of in metrics(one).values()}
    names = {" ".join((of.namespace, of.name, *(f"{key}={value}" for key, value in sorted(of.dimensions)))) for of in read_by}
    stretches = {name: [chance.choice((0, 1.5, 30, 80, 100, 500)) for _ in range(minutes)] for name in sorted(names)}
    return trace(
        **{
            name: [None if chance.random() < 0.1 else levels[minute // 8] + chance.random() for minute in range(minutes)]
            for name, levels in stretches.items()
        }
    )


@pytest.mark.parametrize("name", ["production", "staging"])
def test_every_alarm_of_an_environment_changes_as_the_evaluator_says_each_minute(name: str, deployed: Deployed) -> None:
    environment, alarms = deployed(name)
    recorded = noise(alarms, 300)
    result = replay(recorded, alarms, environment)
    assert [one.name for one in result.results] == [one["AlarmName"] for one in alarms], result.left_out
    assert changes_of(result) == in_order(plainly(recorded, alarms))
    assert all(one.firing for one in result.results), "noise that leaves an alarm alone proves nothing of it"


# What the drills recorded, as the drills showed it


@pytest.mark.parametrize(
    ("name", "fault", "fired"),
    [
        (
            "bad-release",
            "2026-11-24T09:29:04Z",
            {"alb-5xx-rate-critical": 2, "service-impaired": 2, "service-down": 2},
        ),
        (
            "database-failure",
            "2026-11-24T09:46:08Z",
            {
                "alb-5xx-rate-critical": 2, "unhealthy-hosts-critical": 2, "service-impaired": 2, "service-down": 2,
                "api-availability-critical": 3, "database-availability-critical": 3, "database-down": 3,
                "alb-5xx-rate-warning": 4, "unhealthy-hosts-warning": 4, "api-availability-warning": 5,
                "database-availability-warning": 5,
            },
        ),
    ],
)  # fmt: skip
def test_a_recorded_drill_fires_what_the_drill_fired(name: str, fault: str, fired: dict[str, int], deployed: Deployed) -> None:
    environment, alarms = deployed("production")
    result = replay(read(TRACES / f"{name}.csv"), alarms, environment)
    incident = datetime.fromisoformat(fault).replace(second=0)
    detected = {one.name.removeprefix(f"{environment.prefix}-"): one.detected(incident) for one in result.results}
    assert {alarm: (at - incident) / MINUTE for alarm, at in detected.items() if at} == fired
    assert all(one.transitions[-1].new == "OK" for one in result.results)


def test_each_row_notices_a_step_as_soon_as_its_windows_allow(deployed: Deployed) -> None:
    environment, alarms = deployed("production")
    table = steps(alarms, environment)
    by_heading = {str(column.header): list(column.cells) for column in table.columns}
    assert by_heading["row"] == [row.title for row in environment.table]
    for level in LEVELS:
        soonest = [row.windows[row.at(level)].breaching * row.period / 60 for row in environment.table]
        assert [float(told) for told in by_heading[level]] == soonest
    for row, told in zip(environment.table, by_heading["composite"], strict=True):
        composites = [line.partition(" ")[2] for line in told.splitlines()]
        assert ("service-impaired" in composites) == row.impairs_service
        assert len(composites) == 1 + row.impairs_service, "one page a row"


# The command


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, deployed: Deployed) -> Callable[..., int]:
    """`run("trace.csv", "--start", ...)`: the command's exit status."""

    def run(*arguments: str) -> int:
        monkeypatch.setattr("sys.argv", ["replay", *arguments])
        return command.main()

    return run


CPU = "timestamp,value\n" + "".join(f"2026-01-05T12:{minute:02d}Z,{90 if minute >= 10 else 40}\n" for minute in range(20))


def test_the_command_shows_a_table_and_writes_json_and_a_plot(
    run: Callable[..., int], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = (
        str(written(tmp_path, CPU)),
        "--metric",
        "ecs-cpu",
        "--start",
        "2026-01-05T12:10Z",
        "--out",
        str(tmp_path / "out"),
    )
    assert run(*arguments) == 0
    (line,) = (line for line in capsys.readouterr().out.splitlines() if "ecs-cpu-critical" in line)
    assert [cell.strip() for cell in line.strip("│").split("│")] == [
        "ecs-cpu-critical",
        "2",
        "8 min",
        "2026-01-05 12:12",
        "ALARM",
        "2 min",
    ]
    (cpu,) = (
        one
        for one in json.loads((tmp_path / "out/replay.json").read_text())["alarms"]
        if one["name"].endswith("ecs-cpu-critical")
    )
    assert cpu["first_detection"] == {"at": "2026-01-05T12:12:00+00:00", "seconds": 120.0}
    assert cpu["seconds_in_alarm"] == 480.0
    assert [change["to"] for change in cpu["transitions"]] == ["OK", "ALARM"]
    picture = (tmp_path / "out/replay.svg").read_bytes()
    assert picture.startswith(b"<?xml")
    assert run(*arguments) == 0
    assert (tmp_path / "out/replay.svg").read_bytes() == picture


def test_the_plot_can_be_a_png(run: Callable[..., int], tmp_path: Path) -> None:
    assert run(str(written(tmp_path, CPU)), "--metric", "ecs-cpu", "--out", str(tmp_path), "--format", "png") == 0
    assert (tmp_path / "replay.png").read_bytes().startswith(b"\x89PNG")


def test_values_that_come_less_often_than_alarms_look_are_pointed_out(
    run: Callable[..., int], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text = "timestamp,value\n" + "".join(f"2026-01-05T12:{minute:02d}Z,90\n" for minute in range(0, 60, 5))
    arguments = (str(written(tmp_path, text)), "--metric", "ecs-cpu", "--out", str(tmp_path))
    assert run(*arguments) == 0
    assert "There is a value every 5 min" in capsys.readouterr().out
    assert run(*arguments, "--minutes", "5") == 0
    assert "There is a value every" not in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (
            ("--metric", "ecs-cpu", "--start", "2027-01-01"),
            "--start: 2027-01-01 should lie in the trace, from 2026-01-05 12:00 to",
        ),
        (("--metric", "ecs-cpu", "--start", "noon"), "--start: 'noon' should be a time such as"),
        (("--metric", "ecs-cpux"), "line 2: ecs-cpux is nothing that an alarm of production reads, such as ecs-cpu"),
        (("--metric", "ecs-cpu", "--env", "prod"), "config/prod.toml: no such file"),
        ((), "line 1: --metric should name the metric"),
        (("--metric", "ecs-cpu", "--out", "trace.csv"), "trace.csv: File exists."),
    ],
)
def test_what_cannot_be_done_is_said_in_one_sentence(
    arguments: tuple[str, ...],
    sentence: str,
    run: Callable[..., int],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    assert run(str(written(tmp_path, CPU)), *arguments) == 1
    said = capsys.readouterr().err
    assert sentence in said
    assert said.count("\n") == 1
