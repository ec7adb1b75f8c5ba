"""Replay: what the alarms of the synthesized templates would have done over recorded metrics."""

import random
from collections.abc import Sequence
from datetime import datetime
from functools import cache
from pathlib import Path

import pytest

import local
from local.cloudwatch.alarms import Alarm, metrics
from local.cloudwatch.loop import MINUTE
from local.replay import definitions
from local.replay.replay import replay
from local.replay.steps import steps
from local.replay.trace import Trace, read
from runbook.rows import LEVELS
from stacks.environment import Environment
from tests.environments import ENVIRONMENTS
from tests.synth.assemblies import templates
from tests.unit.local.replay.builders import trace
from tests.unit.local.replay.plainly import changes_of, in_order, plainly

TRACES = Path(local.__path__[0]) / "traces"


@cache
def synthesized(name: str) -> tuple[Environment, list[Alarm]]:
    """An environment and the alarms of its template."""
    environment = ENVIRONMENTS[name]
    return environment, definitions.alarms(templates(name)["monitoring"].body, environment)


def noise(alarms: Sequence[Alarm], minutes: int) -> Trace:
    """A value a minute, but for gaps, of every metric that an alarm reads: in stretches on either side of its lines."""
    read_by = {of for one in alarms if "AlarmRule" not in one for of in metrics(one).values()}
    names = {" ".join((of.namespace, of.name, *(f"{key}={value}" for key, value in sorted(of.dimensions)))) for of in read_by}

    def of_metric(chance: random.Random) -> list[float | None]:
        levels = [chance.choice((0, 1.5, 30, 80, 100, 500, 2000)) for _ in range(minutes)]
        return [None if chance.random() < 0.1 else levels[minute // 8] + chance.random() for minute in range(minutes)]

    return trace(**{name: of_metric(random.Random(name)) for name in names})  # noqa: S311 - the same noise each time


@pytest.mark.parametrize("name", ["production", "staging"])
def test_every_alarm_of_an_environment_changes_as_the_evaluator_says_each_minute(name: str) -> None:
    environment, alarms = synthesized(name)
    recorded = noise(alarms, 200)
    result = replay(recorded, alarms, environment)
    judged = [one["AlarmName"] for one in alarms if one.get("AlarmRule") not in ("TRUE", "FALSE")]  # nobody sets those here
    assert [one.name for one in result.results] == judged, result.left_out
    assert changes_of(result) == in_order(plainly(recorded, alarms, environment))
    explained = {environment.page(page.slug) for page in environment.pages if page.unless}
    explained.add(environment.alarm("alb-5xx-rate-low-traffic", "warning"))  # so little traffic for so long is not in the noise
    calm = {one.name for one in result.results if not one.firing}
    assert calm <= explained, "noise that leaves an alarm alone proves nothing of it"


# What the drills recorded, as the drills showed it


@pytest.mark.parametrize(
    ("name", "fault", "fired"),
    [
        (
            "bad-release",
            "2026-11-24T09:29:04Z",
            {"alb-5xx-rate-recent": 1, "alb-5xx-rate-critical": 2, "service-impaired": 2, "service-down": 2},
        ),
        (
            "database-failure",
            "2026-11-24T09:46:08Z",
            {
                "alb-5xx-rate-recent": 1, "api-availability-recent": 2,
                "alb-5xx-rate-critical": 2, "unhealthy-hosts-critical": 2, "service-impaired": 2, "service-down": 2,
                "api-availability-critical": 3, "database-availability-critical": 3, "database-down": 3,
                "alb-5xx-rate-warning": 4, "unhealthy-hosts-warning": 4, "api-availability-warning": 5,
                "database-availability-warning": 5,
            },
        ),
    ],
)  # fmt: skip
def test_a_recorded_drill_fires_what_the_drill_fired(name: str, fault: str, fired: dict[str, int]) -> None:
    environment, alarms = synthesized("production")
    result = replay(read(TRACES / f"{name}.csv"), alarms, environment)
    incident = datetime.fromisoformat(fault).replace(second=0)
    detected = {one.name.removeprefix(f"{environment.prefix}-"): one.detected(incident) for one in result.results}
    assert {alarm: (at - incident) / MINUTE for alarm, at in detected.items() if at} == fired
    assert all(one.transitions[-1].new == "OK" for one in result.results)


def test_each_row_notices_a_step_as_soon_as_its_windows_allow() -> None:
    environment, alarms = synthesized("production")
    table = steps(alarms, environment)
    by_heading = {str(column.header): list(column.cells) for column in table.columns}
    assert by_heading["row"] == [row.title for row in environment.table]
    for level in LEVELS:
        for row, minutes in zip(environment.table, by_heading[level], strict=True):
            soonest = row.window.at(level).breaching * row.period / 60
            assert float(minutes) == soonest if row.period == 60 else float(minutes) <= soonest, row.slug
    for row, fired in zip(environment.table, by_heading["composite"], strict=True):
        composites = [line.partition(" ")[2] for line in fired.splitlines()]
        assert ("service-impaired" in composites) == row.users_affected
        assert len(composites) == 1 + row.users_affected, "one page a row"
