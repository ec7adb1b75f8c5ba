"""The drills as `make drill` runs them, to the end: the exit status says whether production came back by itself."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from local.cloud import ROOT
from local.drills.__main__ import DRILLS
from local.replay.__main__ import definitions, replay, template
from local.replay.trace import read
from stacks.config import load


@pytest.fixture(scope="module")
def traces(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the drills' metrics are recorded."""
    return tmp_path_factory.mktemp("traces")


@pytest.fixture(scope="module")
def drilled(traces: Path) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-m", "local.drills", "--record", str(traces)]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)


@pytest.mark.xdist_group("drills")
def test_every_check_of_the_drills_holds(drilled: "subprocess.CompletedProcess[str]") -> None:
    assert drilled.returncode == 0, drilled.stdout + drilled.stderr


@pytest.mark.xdist_group("drills")
@pytest.mark.parametrize(
    "measured", ["fault -> alarm", "alarm -> rollback requested", "fault -> healthy", "alarm -> escalation"]
)
def test_the_summary_measures(measured: str, drilled: "subprocess.CompletedProcess[str]") -> None:
    lines = [line for line in drilled.stdout.splitlines() if measured in line]
    assert lines
    assert not [line for line in lines if "never" in line]


@pytest.mark.xdist_group("drills")
def test_a_replay_of_what_was_recorded_fires_the_alarms_that_the_drills_showed(
    drilled: "subprocess.CompletedProcess[str]", traces: Path
) -> None:
    environment = load("production")
    alarms = definitions(template(environment), environment)
    showed = set(re.findall(r"(hz-navigator-\S+): OK -> ALARM", drilled.stdout))
    replays = [replay(read(traces / f"{name}.csv"), alarms, environment) for name in DRILLS]
    assert {result.name for replayed in replays for result in replayed.results if result.firing} == showed


def test_an_unknown_drill_is_refused_by_name() -> None:
    run = subprocess.run(
        [sys.executable, "-m", "local.drills", "earthquake"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert run.returncode == 2
    assert "earthquake is no drill: choose from bad-release, database-failure" in run.stderr
