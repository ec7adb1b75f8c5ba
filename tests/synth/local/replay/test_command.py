"""`make replay`, as a person runs it."""

import json
from pathlib import Path

import pytest

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


def test_values_that_come_less_often_than_alarms_look_are_pointed_out(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
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
        (("--metric", "ecs-cpu", "--env", "prod"), "config/prod.toml: no such environment: there are production, staging"),
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
