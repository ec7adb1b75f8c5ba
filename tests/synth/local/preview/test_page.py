"""The dashboard drawn over a recorded drill: what a reviewer sees before it is deployed."""

import re
from collections.abc import Mapping
from dataclasses import replace
from html import unescape
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from local.cloudwatch.loop import MINUTE
from local.preview.__main__ import main
from local.preview.page import MARKS, Page, draw, judged
from local.preview.recorded import RECORDING, Recording, load_recording
from local.replay import definitions
from runbook.rows import Row
from stacks.dashboard import SECTIONS
from stacks.environment import Environment
from tests.environments import CONFIG, PRODUCTION, STAGING, VARIANTS, VARIANTS_CONFIG
from tests.synth.assemblies import templates


def monitoring(environment: Environment, config: Path = CONFIG) -> Mapping[str, Any]:
    return templates(environment.name, config)["monitoring"].body


def drawn(recording: Recording, environment: Environment = PRODUCTION, config: Path = CONFIG) -> Page:
    return draw(monitoring(environment, config), environment, recording)


@pytest.fixture(scope="module")
def recording() -> Recording:
    return load_recording(RECORDING, PRODUCTION)


@pytest.fixture(scope="module")
def page(recording: Recording) -> Page:
    return drawn(recording)


@pytest.fixture(scope="module")
def html(page: Page) -> str:
    return page.html()


def section(html: str, title: str) -> str:
    """The widget of a title."""
    (found,) = [one for one in re.findall(r"<section.*?</section>", html, re.DOTALL) if f"<h2>{title}</h2>" in unescape(one)]
    return str(found)


def widget(page: Page, title: str) -> dict[str, Any]:
    (found,) = [one for one in page.dashboard["widgets"] if one["properties"].get("title") == title]
    return dict(found)


def test_the_kept_recording_is_of_a_fault_and_its_rollback(recording: Recording) -> None:
    """`python -m local.preview.recording` makes it anew."""
    moments = [recording.marks[name] for name in ("begin", "release", "fault", "rollback requested", "healthy", "clear")]
    assert moments == sorted(moments)
    assert recording.marks["rollback requested"] - recording.marks["fault"] < 4 * MINUTE


# The page


def test_every_widget_is_on_the_page_at_its_place(page: Page, html: str) -> None:
    places = re.findall(r"grid-column:(\d+)/span (\d+);grid-row:(\d+)/span (\d+)", html)
    assert [tuple(map(int, place)) for place in places] == [
        (one["x"] + 1, one["width"], one["y"] + 1, one["height"]) for one in page.dashboard["widgets"]
    ]
    for one in page.dashboard["widgets"]:
        if "title" in one["properties"]:
            assert section(html, one["properties"]["title"])


def test_the_page_needs_nothing_from_elsewhere(html: str) -> None:
    assert not re.findall(r"<script|<link|<img|src=|@import|url\(", html)


def test_it_begins_with_the_recorded_incident_as_it_stood_at_that_minute(html: str, recording: Recording) -> None:
    assert recording.incident
    shown = section(html, "Incident")
    assert f"{recording.incident.name} · P1 · since" in shown
    assert "Fires: The service fails for its users" in shown
    assert "Decided to roll back." in shown
    assert "is OK" not in shown, "that comes later"


def test_a_trace_alone_has_no_incident(page: Page) -> None:
    alone = replace(page, recording=replace(page.recording, incident=None))
    assert "No incident so far." in section(alone.html(), "Incident")


def test_texts_are_markdown(html: str) -> None:
    assert "<h1>HZ-Navigator production</h1>" in html
    assert re.search(r'<h3>Cache: .*<a href="https://\S+/docs/runbook\.md#35-[\w-]+">3\.5 Redis Connection Issues</a>', html)
    assert "](" not in html


def test_another_environment_is_drawn_under_its_own_names() -> None:
    staging = drawn(load_recording(RECORDING, STAGING), STAGING).html()
    assert "hz-navigator-production" not in staging
    assert "hz-navigator-staging-redis-001" in staging
    assert "Not recorded" not in section(staging, "Redis CPU, by node")


@pytest.mark.parametrize("environment", VARIANTS.values(), ids=VARIANTS)
def test_another_application_in_another_account_is_drawn_as_well(environment: Environment, page: Page) -> None:
    variant = drawn(load_recording(RECORDING, environment), environment, VARIANTS_CONFIG)
    assert variant.histories[environment.service_impaired_alarm] == page.histories[PRODUCTION.service_impaired_alarm]
    html = variant.html()
    assert not re.findall(rf"{PRODUCTION.prefix}|{PRODUCTION.account}|HZNavigator", html)
    for title in ("API availability", "API health check, from outside", "Redis CPU, by node"):
        assert "Not recorded" not in section(html, title)
    assert "rollback requested" in section(html, "What rollback decided")


def test_an_unknown_widget_is_not_drawn_as_something_else(page: Page) -> None:
    explorer = {"type": "explorer", "x": 0, "y": 0, "width": 1, "height": 1, "properties": {}}
    with pytest.raises(ValueError, match="a widget of type explorer cannot be drawn"):
        replace(page, dashboard={"widgets": [*page.dashboard["widgets"], explorer]}).html()


# Alarms


@pytest.mark.parametrize("alarm", ["service-impaired", "alb-5xx-rate-critical"])
def test_the_alarms_fire_and_clear_as_in_the_drill(alarm: str, page: Page, recording: Recording) -> None:
    states = page.histories[f"hz-navigator-production-{alarm}"]
    firing = [time for time, state in zip(recording.drilled, states, strict=True) if state == "ALARM"]
    assert abs(firing[0] + MINUTE - recording.marks["rollback requested"]) < MINUTE
    assert abs(firing[-1] + 2 * MINUTE - recording.marks["clear"]) < MINUTE


def test_alarm_states_are_those_of_the_incident(html: str) -> None:
    tiles = re.findall(r'style="background:(#\w+)">hz-navigator-production-([\w-]+)<', html)  # by their whole names
    red = {name for color, name in tiles if color == "#d13212"}
    grey = {name for color, name in tiles if color == "#879596"}
    assert red == {"service-impaired", "service-down", "alb-5xx-rate-critical", "alb-5xx-rate-recent"}
    assert grey == {"sentry-errors-warning", "sentry-errors-critical"}  # nothing publishes these in a drill


def test_what_fires_comes_first_as_the_widget_sorts_it(html: str) -> None:
    colors = re.findall(r'style="background:(#\w+)"', section(html, "Errors"))
    red, grey, green = "#d13212", "#879596", "#1d8102"
    assert colors == sorted(colors, key=[red, grey, green].index)
    assert (colors[0], colors.count(grey), colors[-1]) == (red, 2, green)


def test_a_changed_line_shows_without_another_drill(recording: Recording, page: Page) -> None:
    alarm = page.environment.alarm("ecs-cpu", "critical")
    lowered = [
        {**one, "Threshold": 30.0} if one["AlarmName"] == alarm else one
        for one in definitions.alarms(monitoring(PRODUCTION), PRODUCTION)
    ]
    assert page.histories[alarm][-1] == "OK"
    assert judged(lowered, recording)[alarm][-1] == "ALARM"


# Graphs


def test_a_graph_shows_what_the_alarm_sees(page: Page, recording: Recording) -> None:
    [(label, series)] = page.series(widget(page, "ALB 5XX rate"))
    assert label == "ALB 5XX rate"
    assert series.keys() == set(recording.times)
    bad = [time for time, value in sorted(series.items()) if value > 5]
    assert abs(bad[0] - recording.marks["fault"]) < MINUTE
    assert abs(bad[-1] - recording.marks["rollback requested"]) < MINUTE


def test_every_node_is_a_line(page: Page) -> None:
    labels = [label for label, _ in page.series(widget(page, "Redis CPU, by node"))]
    assert labels == ["hz-navigator-production-redis-001", "hz-navigator-production-redis-002"]


@pytest.mark.parametrize("row", [PRODUCTION.row(slug) for one in SECTIONS for slug in one.rows], ids=lambda row: row.slug)
def test_the_bands_are_drawn_and_named(row: Row, html: str) -> None:
    graph = section(html, row.title)
    assert re.findall(r'<rect [^>]*fill="(#\w+)"', graph) == ["#2ca02c", "#ff7f0e", "#d62728"]
    for name, line in (("Normal", row.normal), ("Warning", row.warning), ("Critical", row.critical)):
        assert f"{name} {line:g} {row.unit}" in unescape(graph)


def test_the_headline_says_what_happened_and_the_widgets_show_only_what_aws_shows(html: str, recording: Recording) -> None:
    headline, _, widgets = html.partition("</header>")
    assert f"fault {recording.marks['fault']:%H:%M}, rollback requested" in headline
    for mark in MARKS:
        assert f">{mark}</text>" not in widgets
    assert "linear-gradient" not in widgets


def test_the_page_fits_a_window_of_1440_pixels(html: str) -> None:
    (column, gap) = map(int, re.findall(r"repeat\(24,(\d+)px\);gap:(\d+)px", html)[0])
    assert 24 * column + 23 * gap + 2 * 12 + 20 <= 1440  # the page's margins, and a scroll bar


def test_everything_is_drawn_inside_its_graph(html: str) -> None:
    for width, height, graph in re.findall(r'<svg width="(\d+)" height="(\d+)">(.*?)</svg>', html):
        points = re.findall(r"[ML](-?[\d.]+) (-?[\d.]+)", graph)
        assert points
        assert all(0 <= float(x) <= int(width) and 0 <= float(y) <= int(height) for x, y in points)


def test_times_are_utc_and_have_room(html: str, recording: Recording) -> None:
    shown = re.findall(r'<text x="([\d.]+)"[^>]*>(\d\d:\d\d)</text>', section(html, "ECS CPU"))
    assert {time for _, time in shown} <= {f"{time:%H:%M}" for time in recording.times}
    places = [float(x) for x, _ in shown]
    assert len(places) > 2
    assert min(later - x for x, later in pairwise(places)) >= 40


@pytest.mark.parametrize("title", ["Error rate (Sentry)", "CloudFront requests, all of the account"])
def test_what_the_local_cloud_does_not_publish_is_said(title: str, html: str) -> None:
    assert "Not recorded" in section(html, title)


# Logs


@pytest.mark.parametrize(
    ("title", "cells"),
    [
        ("Recent errors", ['"GET /api/v1/map HTTP/1.1" 500 26']),
        ("What rollback decided", ["rollback requested", "recovered"]),
        ("Last deployments", ["SUCCESSFUL", "hz-navigator-production-backend:2", "UTC"]),
        ("Deployments", ["SERVICE_DEPLOYMENT_IN_PROGRESS", "SERVICE_DEPLOYMENT_COMPLETED"]),
        ("Stopped tasks", ["Scaling activity initiated by deployment"]),
        ("Slow queries, over 1000 ms", ["No such log event was recorded."]),
    ],
)
def test_the_logs_tell_the_drill(title: str, cells: list[str], html: str) -> None:
    shown = unescape(section(html, title))
    assert all(cell in shown for cell in cells)


def test_a_log_event_cannot_write_into_the_page(recording: Recording) -> None:
    event = {"@timestamp": "2026-01-05 10:00:00.000", "@message": "ERROR <script>alert(1)</script>"}
    shown = drawn(replace(recording, logs={"/aws/ecs/hz-navigator-production": [event]})).html()
    assert "<script" not in shown
    assert "ERROR &lt;script&gt;" in section(shown, "Recent errors")


# Other traces


def test_a_plain_trace_is_drawn_as_well(tmp_path: Path) -> None:
    file = tmp_path / "cpu.csv"
    values = "".join(f"2026-01-05T10:{minute:02d}:00Z,AWS/ECS CPUUtilization,90\n" for minute in range(12))
    file.write_text(f"timestamp,metric,value\n{values}")
    page = drawn(load_recording(file, PRODUCTION))
    assert page.histories["hz-navigator-production-ecs-cpu-critical"][-1] == "ALARM"
    assert "Not recorded" not in section(page.html(), "ECS CPU")
    assert "No such log event" in section(page.html(), "Recent errors")


def test_a_bad_trace_gets_a_sentence(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "bad.csv"
    file.write_text("timestamp,metric,value\n2026-01-05T10:00:00Z,AWS/ECS CPUUtilization,much\n")
    assert main(["--config", str(CONFIG), "--trace", str(file)]) == 1
    assert capsys.readouterr().err == f"{file}, line 2: 'much' should be a number.\n"


def test_an_unknown_environment_gets_a_sentence(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["prod", "--config", str(CONFIG)]) == 1
    assert capsys.readouterr().err == "config/prod.toml: no such environment: there are production, staging\n"


def test_the_command_writes_the_page(html: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["production", "--config", str(CONFIG), "--output", str(tmp_path / "made/page.html")]) == 0
    assert (tmp_path / "made/page.html").read_text() == html
    assert capsys.readouterr().out == f"{tmp_path / 'made/page.html'}\n"
