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


def test_a_metric_has_one_name_in_a_file() -> None:
    with pytest.raises(
        TraceError, match=r"^trace\.csv, line 2: AWS/ECS/CPUUtilization is in this file by another name as well\.$"
    ):
        bound_to(trace(**{"cpu": [50], "AWS/ECS/CPUUtilization": [50]}), *described(Cpu=alarm()))
