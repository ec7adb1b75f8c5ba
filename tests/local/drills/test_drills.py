"""The drills as `make drill ENV=staging` runs them, to the end: the exit status says whether the service came back by itself.

They are run once, and what they print and record is looked at by several tests.
"""

import contextlib
import io
import json
import re
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import pytest

from local.drills.__main__ import main
from local.drills.catalog import DRILLS
from local.replay.definitions import alarms
from local.replay.replay import replay
from local.replay.trace import read
from runbook.rules import CALM
from tests.environments import CONFIG, STAGING, VARIANTS_CONFIG
from tests.synth.assemblies import templates

TRACE_DRILL = "Drill: trace-short"
TRACES = Path(__file__).parents[3] / "local/traces"

pytestmark = pytest.mark.timeout(900)  # the first of them waits for every drill


@dataclass(frozen=True)
class Drilled:
    """What the command gave: its exit status, what it printed, and where the traces are."""

    status: int
    printed: str
    traces: Path


def _short(folder: Path) -> Path:
    """The minutes around the outage of a recorded drill."""
    head, *lines = (TRACES / "bad-release.csv").read_text().splitlines(keepends=True)
    file = folder / "short.csv"
    file.write_text(head + "".join(line for line in lines if "T09:27" <= line[10:16] <= "T09:33"))
    return file


@pytest.fixture(scope="module")
def drilled(tmp_path_factory: pytest.TempPathFactory) -> Drilled:
    traces = tmp_path_factory.mktemp("traces")
    with contextlib.redirect_stdout(io.StringIO()) as printed:
        named = ["--env", STAGING.name, "--config", str(CONFIG), "--record", str(traces), "--trace", str(_short(traces))]
        status = main([*DRILLS, *named])
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
    showed = set(re.findall(rf"({STAGING.prefix}-\S+): OK -> ALARM", drilled.printed.partition(TRACE_DRILL)[0]))
    replays = [replay(read(drilled.traces / f"{name}.csv"), defined, STAGING) for name in DRILLS]
    assert {result.name for replayed in replays for result in replayed.results if result.firing} == showed


@pytest.mark.xdist_group("drilled")
def test_the_rows_of_a_trace_fire_in_the_drill_of_it(drilled: Drilled) -> None:
    shown = drilled.printed.partition(TRACE_DRILL)[2]
    assert set(re.findall(rf"{STAGING.prefix}-(\S+-critical): OK -> ALARM", shown)) == {"alb-5xx-rate-critical"}
    assert "rollback: " in shown


@pytest.mark.xdist_group("drilled")
@pytest.mark.parametrize("name", ["bad-release", "database-failure", "broken-frontend", "connections-exhausted", "trace-short"])
def test_a_drills_incident_has_a_post_mortem_whose_trace_fires_the_rows_of_its_record(name: str, drilled: Drilled) -> None:
    # The newest: soon after another, a drill's outage may be of the same incident, which was closed and comes back.
    draft = max((drilled.traces / name).rglob("post-mortem.md"), key=lambda file: (len(file.parts), file.parts[-2]))
    assert draft.with_suffix(".html").exists()
    record = json.loads(draft.with_name("incident.json").read_text())
    assert f"# Post-mortem of {record['incident']}: " in draft.read_text()
    assert record["impact"]["minutes"] > 0
    defined = alarms(templates(STAGING.name)["monitoring"].body, STAGING)
    replayed = replay(read(draft.with_name("trace.csv")), defined, STAGING)
    begin = datetime.fromisoformat(record["times"]["detected"])
    end = max(datetime.fromisoformat(event["at"]) for event in record["events"] if event["kind"] == "closed")
    fired = {one.name for one in replayed.results for at, _ in one.firing if begin - CALM <= at <= end}
    recorded = {event["alarm"] for event in record["events"] if event["kind"] == "alarm" and event["state"] == "ALARM"}
    # A longer period looks at what was before the trace, too.
    rows = {STAGING.alarm(row.slug, "critical") for row in STAGING.table if row.period == 60}
    assert fired & rows == recorded & rows


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
