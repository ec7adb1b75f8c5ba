"""The drills as `make drill` runs them, to the end: the exit status says whether production came back by itself."""

import subprocess
import sys

import pytest

from local.cloud import ROOT


@pytest.fixture(scope="module")
def drilled() -> "subprocess.CompletedProcess[str]":
    return subprocess.run([sys.executable, "-m", "local.drills"], cwd=ROOT, capture_output=True, text=True, check=False)


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


def test_an_unknown_drill_is_refused_by_name() -> None:
    run = subprocess.run(
        [sys.executable, "-m", "local.drills", "earthquake"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert run.returncode == 2
    assert "earthquake is no drill: choose from bad-release, database-failure" in run.stderr
