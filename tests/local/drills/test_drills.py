"""The drills as `make drill ENV=staging` runs them, to the end: the exit status says whether the service came back by itself.

They are run once, and what they print and record is looked at by several tests.
"""

import contextlib
import io
import re
from dataclasses import dataclass
from pathlib import Path

import pytest

from local.drills.__main__ import main
from local.drills.catalog import DRILLS
from local.replay.definitions import alarms
from local.replay.replay import replay
from local.replay.trace import read
from tests.environments import CONFIG, STAGING, VARIANTS_CONFIG
from tests.synth.assemblies import templates

pytestmark = pytest.mark.timeout(900)  # the first of them waits for every drill


@dataclass(frozen=True)
class Drilled:
    """What the command gave: its exit status, what it printed, and where the traces are."""

    status: int
    printed: str
    traces: Path


@pytest.fixture(scope="module")
def drilled(tmp_path_factory: pytest.TempPathFactory) -> Drilled:
    traces = tmp_path_factory.mktemp("traces")
    with contextlib.redirect_stdout(io.StringIO()) as printed:
        status = main(["--env", STAGING.name, "--config", str(CONFIG), "--record", str(traces)])
    return Drilled(status, printed.getvalue(), traces)


@pytest.mark.xdist_group("drilled")
def test_every_stack_of_staging_is_deployed(drilled: Drilled) -> None:
    deployed = re.findall(rf"✅\s+{STAGING.name}/([\w-]+)", drilled.printed)
    assert {*deployed} == templates(STAGING.name).keys()


@pytest.mark.xdist_group("drilled")
def test_every_check_of_the_drills_holds(drilled: Drilled) -> None:
    assert drilled.status == 0, drilled.printed
    assert "FAIL" not in drilled.printed


@pytest.mark.xdist_group("drilled")
@pytest.mark.parametrize(
    "measured", ["fault -> alarm", "alarm -> rollback requested", "fault -> healthy", "alarm -> escalation"]
)
def test_the_summary_measures(measured: str, drilled: Drilled) -> None:
    lines = [line for line in drilled.printed.splitlines() if measured in line]
    assert lines
    assert not [line for line in lines if "never" in line]


@pytest.mark.xdist_group("drilled")
def test_a_replay_of_what_was_recorded_fires_the_alarms_that_the_drills_showed(drilled: Drilled) -> None:
    defined = alarms(templates(STAGING.name)["monitoring"].body, STAGING)
    showed = set(re.findall(rf"({STAGING.prefix}-\S+): OK -> ALARM", drilled.printed))
    replays = [replay(read(drilled.traces / f"{name}.csv"), defined, STAGING) for name in DRILLS]
    assert {result.name for replayed in replays for result in replayed.results if result.firing} == showed


def test_an_unknown_drill_is_refused_by_name(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as refused:
        main(["earthquake"])
    assert refused.value.code == 2
    assert "earthquake is no drill: choose from bad-release, database-failure" in capsys.readouterr().err


def test_an_unknown_environment_is_refused_by_name(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--env", "qa", "--config", str(CONFIG)]) == 1
    assert "config/qa.toml: no such environment: there are production, staging" in capsys.readouterr().out


def test_an_environment_whose_functions_only_observe_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--env", "everything", "--config", str(VARIANTS_CONFIG)]) == 1
    assert 'everything.toml: remediation = "observe" should be "on" for a drill' in capsys.readouterr().out


def test_a_folder_that_cannot_be_written_is_refused_before_anything_is_deployed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").write_text("")
    assert main(["--env", STAGING.name, "--config", str(CONFIG), "--record", str(tmp_path / "file/traces")]) == 1
    assert capsys.readouterr().out == f"{tmp_path}/file/traces: Not a directory.\n"
