"""`make judge`: what it reads, refuses and writes."""

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

import pytest

from lambdas.judge.series import Series
from local.judge.__main__ import main
from local.judge.reading import evidence
from local.replay.trace import Trace
from tests.unit.lambdas.judge.builders import RELEASE, flat, series, since

AT = "2026-11-24T12:00:00Z"


def csv(folder: Path, signals: Mapping[str, Series]) -> Path:
    rows = [f"{time:%Y-%m-%dT%H:%M:%SZ},{name},{value}" for name, values in signals.items() for time, value in values.items()]
    file = folder / "trace.csv"
    file.write_text("\n".join(["timestamp,metric,value", *rows]))
    return file


def refused(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    assert main(arguments) == 1
    return " ".join(capsys.readouterr().err.split())


def test_it_writes_the_verdicts_and_a_plot(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = csv(tmp_path, {"alb-latency-p95": flat(0.31, 0.52, end=20), "requests": flat(600, end=20), "weather": flat(1)})
    assert main([str(file), "--release", AT, "--out", str(tmp_path / "out")]) == 0
    written = json.loads((tmp_path / "out/judge.json").read_text())
    assert list(written) == ["release", "verdicts", "first_worse", "final"]
    assert (written["release"], written["first_worse"], written["final"]) == (AT, "2026-11-24T12:08:00Z", "worse")
    assert len(written["verdicts"]) == 20
    assert written["verdicts"][-1] == {
        "at": "2026-11-24T12:20:00Z",
        "verdict": "worse",
        "signals": [{"name": "alb-latency-p95", "before": 0.31, "after": 0.52, "ratio": 1.677, "verdict": "worse"}],
    }
    assert (tmp_path / "out/judge.svg").read_text().startswith("<?xml")
    printed = " ".join(capsys.readouterr().out.split())
    assert "0.31 s before, 0.52 s since the release, 1.7 times, in 10 of 10 minutes" in printed
    assert "weather is nothing that the judge looks at" in printed


def test_one_signal_each_five_minutes_is_enough(tmp_path: Path) -> None:
    file = csv(tmp_path, {"alb-latency-p95": series(change=since(0, 2), period=5, end=15)})
    assert main([str(file), "--release", AT, "--out", str(tmp_path)]) == 0
    assert json.loads((tmp_path / "judge.json").read_text())["first_worse"] == "2026-11-24T12:15:00Z"


def test_a_quiet_release_is_never_worse(tmp_path: Path) -> None:
    file = csv(tmp_path, {"api-availability": flat(100)})
    assert main([str(file), "--release", AT, "--out", str(tmp_path)]) == 0
    written = json.loads((tmp_path / "judge.json").read_text())
    assert (written["first_worse"], written["final"]) == (None, "same")


def test_of_two_values_at_one_time_the_first_is_read(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = csv(tmp_path, {"alb-latency-p95": flat(0.3)})
    file.write_text(file.read_text() + "\n2026-11-24T11:00:00Z,alb-latency-p95,7")
    assert main([str(file), "--release", AT, "--out", str(tmp_path)]) == 0
    assert "Of two values at one time the first is read." in capsys.readouterr().out


def test_what_cannot_be_judged_is_said_in_one_sentence(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = str(csv(tmp_path, {"alb-latency-p95": flat(0.3)}))
    assert refused(capsys, f"{tmp_path}/none.csv", "--release", AT).endswith("none.csv: No such file or directory.")
    assert refused(capsys, file, "--release", "noon").startswith("RELEASE: 'noon' should be a time such as")
    assert "should lie in the trace, from 2026-11-24T10:00Z to 2026-11-24T13:00Z." in refused(
        capsys, file, "--release", "2026-11-25T12:00:00Z"
    )
    assert refused(capsys, file, "--release", "2026-11-24T10:20:00Z").endswith(
        "a release is compared with at least 60 minutes before it, here are 20."
    )


@pytest.mark.parametrize(
    ("signals", "sentence"),
    [
        ({"alb-latencyp95": flat(1)}, "alb-latencyp95 is nothing that the judge looks at, such as alb-latency-p95"),
        ({"requests": flat(1)}, "requests alone does not tell whether a release is good."),
        ({"AWS/ApplicationELB HTTPCode_Target_5XX_Count": flat(1)}, "RequestCount is missing."),
        (
            {"ecs-cpu": {time: value for time, value in flat(1).items() if time.minute % 10 == 0}},
            "ecs-cpu has a value every 10 minutes, and is not judged: at most 5 are.",
        ),
    ],
)
def test_a_trace_without_a_signal_is_refused(
    signals: dict[str, Series], sentence: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert sentence in refused(capsys, str(csv(tmp_path, signals)), "--release", AT)


def test_metrics_are_read_by_the_names_that_the_replay_knows() -> None:
    names = {
        "AWS/ApplicationELB RequestCount": 600.0,
        "AWS/ApplicationELB HTTPCode_Target_5XX_Count": 6.0,
        "AWS/ApplicationELB TargetResponseTime p99": 0.5,
        "AWS/ApplicationELB TargetResponseTime": 0.2,
        "AWS/ECS CPUUtilization": 30.0,
        "AWS/RDS CPUUtilization": 20.0,
        "AWS/ElastiCache CacheHits": 90.0,
        "AWS/ElastiCache CacheMisses": 10.0,
        "HZNavigator Availability Target=api": 100.0,
        "ECS memory": 40.0,
    }
    given = Trace("trace.csv", {name: list(flat(value).items()) for name, value in names.items()})
    found, notes = evidence(given, RELEASE)
    assert notes == []
    at = datetime(2026, 11, 24, 12, tzinfo=UTC)
    assert {name: values[at] for name, values in found.signals.items()} == {
        "requests": 600,
        "alb-5xx-rate": 1,
        "alb-latency-p99": 0.5,
        "alb-latency-p95": 0.2,
        "ecs-cpu": 30,
        "rds-cpu": 20,
        "redis-hit-rate": 90,
        "api-availability": 100,
        "ecs-memory": 40,
    }


def test_healthy_targets_are_read_by_zone() -> None:
    name = "AWS/ApplicationELB HealthyHostCount AvailabilityZone=eu-central-1a"
    given = Trace("trace.csv", {name: list(flat(2).items()), "alb-5xx-rate": list(flat(0).items())})
    assert list(evidence(given, RELEASE)[0].healthy) == ["eu-central-1a"]
