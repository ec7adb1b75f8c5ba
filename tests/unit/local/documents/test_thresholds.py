"""`make thresholds`: how the table reads, and what it says of an environment's own lines."""

from collections.abc import Callable

import pytest

from local.documents.thresholds import main, table
from stacks.environment import Environment
from tests.environments import CONFIG, PRODUCTION, VARIANTS


def printed(environment: Environment) -> dict[str, dict[str, str]]:
    """The cells by heading, of each alarm."""
    shown = table(environment)
    headings = [str(column.header) for column in shown.columns]
    rows = zip(*(map(str, column.cells) for column in shown.columns), strict=True)
    return {cells["alarm"]: cells for cells in (dict(zip(headings, row, strict=True)) for row in rows)}


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
    shown = printed(PRODUCTION)
    worse, worst = (shown[PRODUCTION.alarm(slug, level)] for level in ("warning", "critical"))
    assert (worse["normal"], worse["line"], worst["line"]) == (normal, warning, critical)


def test_an_environments_own_lines_are_marked(production_with: Callable[[str], Environment]) -> None:
    environment = production_with("[thresholds.ecs-cpu]\nwarning = 65")
    shown = printed(environment)
    assert {name for name, cells in shown.items() if any("*" in cell for key, cell in cells.items() if key != "metric")} == {
        environment.alarm("ecs-cpu", "warning")
    }
    marked = shown[environment.alarm("ecs-cpu", "warning")]["line"]
    assert "> 65% *" in marked
    assert "(table: > 70%)" in marked


def test_a_row_without_data_says_so() -> None:
    with_sentry = VARIANTS["everything"]
    assert (
        "no data: config/production.toml has no \\[sentry]"
        in printed(PRODUCTION)[PRODUCTION.alarm("sentry-errors", "warning")]["metric"]
    )
    assert "no data" not in printed(with_sentry)[with_sentry.alarm("sentry-errors", "warning")]["metric"]


@pytest.mark.parametrize(
    ("name", "status", "said"),
    [
        ("staging", 0, "hz-navigator-staging-ecs-cpu-warning"),
        ("staging", 0, "config/staging.toml sets no line of its own"),
        ("prod", 1, "config/prod.toml: no such environment: there are production, staging"),
    ],
)
def test_the_command(name: str, status: int, said: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([name], CONFIG) == status
    assert said in capsys.readouterr().out
