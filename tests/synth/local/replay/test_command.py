"""`make replay`, as a person runs it."""

import json
from pathlib import Path

import pytest

import local
from local.replay.__main__ import main
from tests.environments import CONFIG


def run(*arguments: str) -> int:
    """The command's exit status on the tests' environments."""
    return main([*arguments, "--config", str(CONFIG)])


def written(folder: Path, text: str) -> Path:
    file = folder / "trace.csv"
    file.write_text(text)
    return file


CPU = "timestamp,value\n" + "".join(f"2026-01-05T12:{minute:02d}Z,{90 if minute >= 10 else 40}\n" for minute in range(20))


def test_the_command_shows_a_table_and_writes_json_and_a_plot(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
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


def test_the_plot_can_be_a_png(tmp_path: Path) -> None:
    assert run(str(written(tmp_path, CPU)), "--metric", "ecs-cpu", "--out", str(tmp_path), "--format", "png") == 0
    assert (tmp_path / "replay.png").read_bytes().startswith(b"\x89PNG")


def test_five_minute_values_fire_without_being_told_and_the_period_is_said(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text = "timestamp,value\n" + "".join(f"2026-01-05T12:{minute:02d}Z,90\n" for minute in range(0, 60, 5))
    arguments = (str(written(tmp_path, text)), "--metric", "ecs-cpu", "--out", str(tmp_path))
    assert run(*arguments) == 0
    said = capsys.readouterr().out
    assert "Each value stands for 5 minutes" in said
    assert "Calls: 1 (P1: 0, P2: 1). First call: 2026-01-05 12:0" in said
    assert run(*arguments, "--minutes", "1") == 0
    said = capsys.readouterr().out
    assert "Often without a value, which counts as missing: ecs-cpu." in said
    assert "Calls: 0 (P1: 0, P2: 0). First call: none." in said


def test_it_says_what_people_would_have_been_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The recorded failure of the database: one call within the three minutes, and its end."""
    recorded = Path(local.__path__[0]) / "traces" / "database-failure.csv"
    assert run(str(recorded), "--start", "2026-11-24T09:46:00Z", "--out", str(tmp_path)) == 0
    said = capsys.readouterr().out
    assert "ALARM: P1 production: The application has no database" in said
    assert "Messages: 2. Calls: 1 (P1: 1, P2: 0). First call: 2026-11-24 09:49 UTC, 3 min after the incident began." in said
    written_down = json.loads((tmp_path / "replay.json").read_text())
    assert [(one["severity"], one["call"], one["subject"].partition(":")[0]) for one in written_down["told"]] == [
        ("P1", True, "ALARM"),
        ("P1", False, "OK"),
    ]
    assert written_down["first_call"] == {"at": "2026-11-24T09:49:00+00:00", "seconds": 180.0}
    assert "calls" in (tmp_path / "replay.svg").read_text()


def test_what_is_not_read_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text = "timestamp,metric,value,unit\n2026-01-05T12:00Z,ecs-cpu,1,%\n2026-01-05T12:00Z,AWS/S3 BucketSizeBytes,1,B\n"
    assert run(str(written(tmp_path, text)), "--out", str(tmp_path)) == 0
    said = capsys.readouterr().out
    assert "Not read: unit." in said
    assert "line 3: AWS/S3 BucketSizeBytes is nothing that an alarm of production reads" in said


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (
            ("--metric", "ecs-cpu", "--start", "2027-01-01"),
            "--start: 2027-01-01 should lie in the trace, from 2026-01-05 12:00 to",
        ),
        (("--metric", "ecs-cpu", "--start", "noon"), "--start: 'noon' should be a time such as"),
        (("--metric", "ecs-cpux"), "line 2: ecs-cpux is nothing that an alarm of production reads, such as ecs-cpu"),
        (("--metric", "ecs-cpu", "--env", "prod"), "config/prod.toml: no such environment: there are production, staging"),
        (("--metric", "ecs-cpu", "--zone", "Berlin"), "--zone: Berlin should be a time zone such as Europe/Berlin"),
        ((), "line 1: --metric should name the metric"),
        (("--metric", "ecs-cpu", "--out", "trace.csv"), "trace.csv: File exists."),
    ],
)
def test_what_cannot_be_done_is_said_in_one_sentence(
    arguments: tuple[str, ...],
    sentence: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    assert run(str(written(tmp_path, CPU)), *arguments) == 1
    said = capsys.readouterr().err
    assert sentence in said
    assert said.count("\n") == 1
