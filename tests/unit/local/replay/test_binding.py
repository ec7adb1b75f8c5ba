"""What a trace may call the metrics of alarms."""

import pytest

from local.cloudwatch.alarms import Alarm
from local.replay.definitions import row_and_level
from local.replay.replay import Replay, replay
from local.replay.trace import Trace, TraceError
from tests.environments import PRODUCTION
from tests.unit.local.replay.builders import alarm, described, metric, rate_alarm, trace


def bound_to(recorded: Trace, *alarms: Alarm) -> Replay:
    return replay(recorded, alarms, PRODUCTION)


NODES = [alarm(f"{node}-critical", **metric("Memory", "AWS/ElastiCache", Node=node)) for node in ("one", "two")]


@pytest.mark.parametrize(
    ("name", "alarms_of"),
    [
        ("AWS/ElastiCache Memory", ["one", "two"]),
        ("AWS/ElastiCache/Memory", ["one", "two"]),
        ("AWS/ElastiCache Memory Node=two", ["two"]),
        ("two", ["two"]),
        ("TWO", ["two"]),
        ("Memory", ["one", "two"]),
        ("two Memory", ["two"]),
        ("AWS/ElastiCache Memory Average", ["one", "two"]),
        ("AWS/ElastiCache Memory Node=two Average", ["two"]),
        ("HTTPCode_Target_5XX_Count", ["rate"]),
        ("AWS/ApplicationELB RequestCount LoadBalancer=app/any/1234", ["rate"]),
        ("rate", ["rate"]),
    ],
)
def test_a_metric_is_called_by_its_name_its_dimensions_or_its_row(name: str, alarms_of: list[str]) -> None:
    result = bound_to(trace(**{name: [50]}), *described(One=NODES[0], Two=NODES[1], Rate=rate_alarm()))
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
        bound_to(trace(**{name: [50]}), *alarms)


def test_a_row_is_called_by_its_title() -> None:
    cpu = alarm("ecs-cpu-critical")
    assert bound_to(trace(**{"ECS CPU": [50]}), *described(Cpu=cpu)).results[0].name == cpu["Properties"]["AlarmName"]


def test_what_no_alarm_reads_beside_what_one_does_is_named() -> None:
    result = bound_to(trace(**{"one": [50], "AWS/S3 NumberOfObjects": [50]}), *described(One=NODES[0]))
    (sentence,) = result.unread
    assert sentence.startswith("trace.csv, line 2: AWS/S3 NumberOfObjects is nothing that an alarm of production reads")


def test_another_statistic_than_the_alarm_s_is_not_read_for_it() -> None:
    sentence = (
        r"^trace\.csv, line 2: AWS/ElastiCache Memory Maximum is nothing that .* such as AWS/ElastiCache Memory Average\.$"
    )
    with pytest.raises(TraceError, match=sentence):
        bound_to(trace(**{"AWS/ElastiCache Memory Maximum": [50]}), *described(One=NODES[0]))


def test_values_are_not_taken_for_the_number_of_samples() -> None:
    latency = metric("TargetResponseTime", "AWS/ApplicationELB")
    alarms = described(
        P95=alarm("p95-critical", **latency, Statistic=None, ExtendedStatistic="p95"),
        Samples=alarm("samples-critical", **latency, Statistic="SampleCount"),
    )
    result = bound_to(trace(**{"AWS/ApplicationELB TargetResponseTime": [50]}), *alarms)
    assert [row_and_level(one.alarm, PRODUCTION)[0] for one in result.results] == ["p95"]


def test_a_name_that_may_be_several_metrics_is_refused() -> None:
    alarms = described(Ecs=alarm("a-critical"), Rds=alarm("b-critical", **metric("CPUUtilization", "AWS/RDS")))
    sentence = (
        r"^trace\.csv, line 2: CPUUtilization may be AWS/ECS CPUUtilization or AWS/RDS CPUUtilization: --metric says which\.$"
    )
    with pytest.raises(TraceError, match=sentence):
        bound_to(trace(CPUUtilization=[50]), *alarms)


def test_a_metric_has_one_name_in_a_file() -> None:
    with pytest.raises(
        TraceError, match=r"^trace\.csv, line 2: AWS/ECS/CPUUtilization is in this file by another name as well\.$"
    ):
        bound_to(trace(**{"cpu": [50], "AWS/ECS/CPUUtilization": [50]}), *described(Cpu=alarm()))
