"""`make thresholds` against what is deployed: every alarm of the templates, and nothing else."""

import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from aws_cdk.assertions import Template

from local.documents.thresholds import table
from runbook.severities import RESPONSE_TIMES
from stacks.config import CONFIG, load
from stacks.environment import Environment, Sentry

ROOT = Path(__file__).parents[2]


def printed(environment: Environment) -> dict[str, dict[str, str]]:
    """The cells by heading, of each alarm."""
    shown = table(environment)
    headings = [str(column.header) for column in shown.columns]
    rows = zip(*(map(str, column.cells) for column in shown.columns), strict=True)
    return {cells["alarm"]: cells for cells in (dict(zip(headings, row, strict=True)) for row in rows)}


def deployed(template: Callable[[str], Template]) -> dict[str, dict[str, str]]:
    """The same of each alarm of the template, from what CloudWatch would be given."""
    cells = {}
    for resource in template("monitoring").find_resources("AWS::CloudWatch::Alarm").values():
        alarm = resource["Properties"]
        if alarm["AlarmName"].endswith("-maintenance"):  # set by hand, and measures nothing
            continue
        sign = {"GreaterThanThreshold": ">", "LessThanThreshold": "<"}[alarm["ComparisonOperator"]]
        severity = next(level for level in RESPONSE_TIMES if f"{level}:" in alarm["AlarmDescription"])
        cells[alarm["AlarmName"]] = {
            "line": f"{sign} {alarm['Threshold']}",
            "window": f"{alarm['DatapointsToAlarm']} of {alarm['EvaluationPeriods']} min",
            "missing data": alarm["TreatMissingData"],
            "respond within": f"{severity}, {RESPONSE_TIMES[severity]}",
        }
    return cells


def test_every_alarm_is_printed_as_it_is_deployed(settings: Environment, template: Callable[[str], Template]) -> None:
    alarms = deployed(template)
    shown = {
        name: {heading: cells[heading] for heading in ("line", "window", "missing data", "respond within")}
        for name, cells in printed(settings).items()
    }
    for cells in shown.values():
        cells["line"] = re.match(r"[<>] [\d.]+", cells["line"])[0]  # without the unit
    assert shown == alarms


@pytest.mark.parametrize(
    ("slug", "normal", "warning", "critical"),
    [
        ("ecs-cpu", "< 60%", "> 70%", "> 85%"),
        ("rds-connections", "< 100", "> 150", "> 180"),
        ("alb-latency-p95", "< 500ms", "> 1s", "> 2s"),
        ("sentry-errors", "< 10 errors/min", "> 50 errors/min", "> 100 errors/min"),
        ("unhealthy-hosts", "0%", "> 0%", "> 49%"),
        ("api-availability", "100%", "< 99%", "< 50%"),
    ],
)
def test_lines_are_worded_as_in_the_runbook(slug: str, normal: str, warning: str, critical: str) -> None:
    environment = load("production")
    shown = printed(environment)
    worse, worst = (shown[environment.alarm(slug, level)] for level in ("warning", "critical"))
    assert (worse["normal"], worse["line"], worst["line"]) == (normal, warning, critical)


def test_an_environment_s_own_lines_are_marked(tmp_path: Path) -> None:
    file = tmp_path / "production.toml"
    file.write_text((CONFIG / "production.toml").read_text() + "\n[thresholds.ecs-cpu]\nwarning = 65\n")
    environment = load(file)
    shown = printed(environment)
    assert {name for name, cells in shown.items() if any("*" in cell for key, cell in cells.items() if key != "metric")} == {
        environment.alarm("ecs-cpu", "warning")
    }
    marked = shown[environment.alarm("ecs-cpu", "warning")]["line"]
    assert "> 65% *" in marked
    assert "(table: > 70%)" in marked


@pytest.mark.parametrize(
    ("name", "status", "said"),
    [("staging", 0, "hz-navigator-staging-ecs-cpu-warning"), ("prod", 1, "config/prod.toml: no such file")],
)
def test_the_command(name: str, status: int, said: str) -> None:
    run = subprocess.run([sys.executable, "-m", "stacks.table", name], cwd=ROOT, capture_output=True, text=True, check=False)
    assert run.returncode == status
    assert said in run.stdout


def test_a_row_without_data_says_so() -> None:
    environment = load("production")
    sentry = Sentry(organization="hz-navigator", project="hz-navigator-backend", token_secret="hz-navigator-sentry-token")
    metric = environment.alarm("sentry-errors", "warning")
    assert "no data: config/production.toml has no" in printed(environment)[metric]["metric"]
    assert "no data" not in printed(environment.model_copy(update={"sentry": sentry}))[metric]["metric"]
