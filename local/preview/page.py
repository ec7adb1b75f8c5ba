"""The dashboard before it is deployed: the synthesized one, drawn from a recorded drill as one HTML page.

Metrics and log events are those of the recording. Expressions are computed, logs queried and alarms judged over them as on the
local cloud, from the template: so a changed line, graph or query is seen with the next `make dashboard`.
"""

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from html import escape
from pathlib import Path
from typing import Any

from lambdas.common.record.incident import Incident
from lambdas.incident_page import page as incident_page
from local.cloudwatch.alarms import Alarm, AlarmError, Metric, State, metrics
from local.cloudwatch.logs_insights import columns, run
from local.cloudwatch.loop import MINUTE, AlarmLoop, Measured
from local.cloudwatch.metric_math import TimeSeries, compute
from local.preview.graph import Graph
from local.preview.recorded import Recording, lines, source
from local.replay import definitions
from stacks.environment import Environment
from stacks.functions.incident_page import settings

STYLE = Path(__file__).with_suffix(".css")

Widget = Mapping[str, Any]
Histories = Mapping[str, Sequence[State]]
"""The states of each alarm, by name, at the end of each minute of the drill."""


def body(synthesized: Mapping[str, Any], environment: Environment) -> dict[str, Any]:
    """The dashboard in a template: alarms by their names, what is known only after deployment unresolved."""
    resources = synthesized["Resources"]
    (dashboard,) = (one["Properties"] for one in resources.values() if one["Type"] == "AWS::CloudWatch::Dashboard")

    def resolved(part: Any) -> str:
        match part:
            case str():
                return part
            case {"Ref": "AWS::Region"}:
                return environment.region
            case {"Fn::GetAtt": [key, "Arn"]} if "AlarmName" in resources[key]["Properties"]:
                return str(resources[key]["Properties"]["AlarmName"])
        return definitions.UNRESOLVED

    parsed: dict[str, Any] = json.loads("".join(map(resolved, dashboard["DashboardBody"]["Fn::Join"][1])))
    return parsed


def judged(alarms: Sequence[Alarm], recording: Recording) -> Histories:
    """The alarms' states at the end of each minute since the drill began: what was before, they look back on.

    AlarmError names the alarms that cannot be judged.
    """
    read = {metric for alarm in alarms if "AlarmRule" not in alarm for metric in metrics(alarm).values()}
    moments = [time + MINUTE for time in recording.drilled]
    loop = AlarmLoop()
    changes = list(loop.judge(alarms, Measured({metric: recording.read(metric) for metric in read}), moments, {}))
    if loop.refused:
        raise AlarmError("; ".join(loop.refused.values()))
    changed = {(change.alarm, change.at): change.new for change in changes}
    histories: dict[str, list[State]] = {}
    for alarm in alarms:
        name: str = alarm["AlarmName"]
        state: State = alarm["StateValue"]
        histories[name] = []
        for at in moments:
            state = changed.get((name, at), state)
            histories[name].append(state)
    return histories


# The page: a grid of 24 columns, as the console's

_COLUMN, _ROW, _GAP, _TITLE = 50, 46, 8, 30  # pixels: a window of 1440 shows all columns
_LEGEND = 14  # a line of a graph's legend
_SERIES = ("#1f77b4", "#ff7f0e", "#2ca02c", "#9467bd", "#8c564b")
_STATES: Mapping[State, str] = {"ALARM": "#d13212", "INSUFFICIENT_DATA": "#879596", "OK": "#1d8102"}
"""The color of each state, in the order in which the widget sorts them."""

MARKS = ("release", "fault", "rollback requested", "healthy")
"""What the headline says of the recording."""


@dataclass(frozen=True)
class Page:
    """The drawing of a dashboard over a recording."""

    environment: Environment
    recording: Recording
    dashboard: Mapping[str, Any]
    histories: Histories

    @cached_property
    def seen_at(self) -> int:
        """The minute whose alarm states are shown: the last with a composite alarm in ALARM, else the last of all."""
        service = [self.histories[name] for widget in self._of("alarm")[:1] for name in widget["properties"]["alarms"]]
        firing = [minute for states in service for minute, state in enumerate(states) if state == "ALARM"]
        return max(firing, default=-1)

    def _of(self, kind: str) -> list[Widget]:
        return [widget for widget in self.dashboard["widgets"] if widget["type"] == kind]

    def html(self) -> str:
        """The whole page, with nothing to load from elsewhere."""
        recording = self.recording
        happened = [f"{name} {recording.marks[name]:%H:%M}" for name in MARKS if name in recording.marks]
        headline = (
            f"{self.environment.dashboard} as synthesized, over the recording {recording.title}: "
            f"{', '.join([*happened, f'alarm states at {recording.drilled[self.seen_at] + MINUTE:%H:%M}'])}, UTC"
        )
        widgets = "\n".join(self._widget(widget) for widget in self.dashboard["widgets"])
        return (
            f'<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><title>{escape(self.environment.dashboard)}</title>'
            f"<style>{STYLE.read_text()}</style></head>\n<body><header>{escape(headline)}</header>\n"
            f'<main style="grid:auto-flow {_ROW}px/repeat(24,{_COLUMN}px);gap:{_GAP}px">\n{widgets}\n</main></body></html>\n'
        )

    def _widget(self, widget: Widget) -> str:
        x, y, width, height = (widget[key] for key in ("x", "y", "width", "height"))
        properties = widget["properties"]
        match widget["type"]:
            case "text":
                kind, inside = "text", _markdown(properties["markdown"])
            case "custom":
                kind, inside = "custom", f'<div class="incident">{self._incident()}</div>'
            case "alarm":
                kind, inside = "alarm", self._tiles(properties["alarms"])
            case "log":
                kind, inside = "log", self._rows(widget)
            case "metric":
                kind, inside = "metric", self._graph(widget, _pixels(width, _COLUMN) - 2, _pixels(height, _ROW) - _TITLE - 2)
            case other:
                raise ValueError(f"a widget of type {other} cannot be drawn")
        bare = " bare" if properties.get("background") == "transparent" else ""
        title = f"<h2>{escape(properties['title'])}</h2>" if "title" in properties else ""
        place = f"grid-column:{x + 1}/span {width};grid-row:{y + 1}/span {height}"
        return f'<section class="{kind}{bare}" style="{place}">{title}{inside}</section>'

    def _incident(self) -> str:
        """As the function shows it at that minute."""
        seen, found = self.recording.drilled[self.seen_at] + MINUTE, self.recording.incident
        so_far = Incident.of(found.name, (event for event in found.events if event.at <= seen)) if found else None
        return incident_page.html(so_far, settings(self.environment), seen)

    def _tiles(self, names: Iterable[str]) -> str:
        """As the widget sorts them: by state, in each the one that changed last first."""

        def place(name: str) -> tuple[int, int]:
            until = self.histories[name][: self.seen_at + 1 or None]
            return [*_STATES].index(until[-1]), len(until) - _began(until)

        tiles = [
            f'<div class="tile" style="background:{_STATES[self.histories[name][self.seen_at]]}">{escape(name)}</div>'
            for name in sorted(names, key=place)
        ]
        return f'<div class="tiles">{"".join(tiles)}</div>'

    def _rows(self, widget: Widget) -> str:
        group, query = source(widget)
        rows = run(query, self.recording.logs.get(group, ()))
        if not rows:
            return '<div class="none">No such log event was recorded.</div>'
        fields = columns(query)
        head = "".join(f"<th>{escape(field)}</th>" for field in fields)
        cells = ("".join(f"<td>{escape(row.get(field, ''))}</td>" for field in fields) for row in rows)
        return f'<div class="rows"><table><tr>{head}</tr>{"".join(f"<tr>{row}</tr>" for row in cells)}</table></div>'

    # Graphs

    def series(self, widget: Widget) -> list[tuple[str, TimeSeries]]:
        """Each visible line by its label."""
        shown = list(lines(widget))
        read = {name: self.recording.read(line) for name, _, line in shown if isinstance(line, Metric)}
        found = []
        for name, options, line in shown:
            if options.get("visible", True):
                series = read[name] if isinstance(line, Metric) else self._computed(line, read)
                found.append((options.get("label") or _label(line, [one for *_, one in shown]), series))
        return found

    def _computed(self, expression: str, read: Mapping[str, TimeSeries]) -> TimeSeries:
        if expression.startswith("SEARCH("):  # finds what the account has, and a local one has no traffic at the edge
            return {}
        value = compute(expression, read, {}, self.recording.times)
        if not isinstance(value, dict):
            raise TypeError(f"{expression} does not make one line")
        return value

    def _graph(self, widget: Widget, width: int, height: int) -> str:
        properties, series = widget["properties"], self.series(widget)
        bands = properties.get("annotations", {}).get("horizontal", [])
        entries = [(color, label) for color, (label, _) in zip(_SERIES, series, strict=False)]
        entries += [(f"{band['color']}99", band["label"]) for band in bands]
        graph = Graph(
            width,
            height - _LEGEND * _wrapped([25 + 5.3 * len(label) for _, label in entries], width - 20) - 4,
            self.recording,
            [value for _, points in series for value in points.values()] + [band["value"] for band in bands],
        )
        parts = [
            *graph.axes(properties["yAxis"]["left"]["label"]),
            *(graph.band(band) for band in bands),
            *(graph.line(points, color) for color, (_, points) in zip(_SERIES, series, strict=False)),
        ]
        if not any(points for _, points in series):
            parts.append(graph.note("Not recorded"))
        legend = "".join(f'<span><i style="background:{color}"></i>{escape(label)}</span>' for color, label in entries)
        return f'<svg width="{width}" height="{graph.height}">{"".join(parts)}</svg><div class="legend">{legend}</div>'


def _began(states: Sequence[State]) -> int:
    """Since when the last state is."""
    return next((at + 1 for at in reversed(range(len(states))) if states[at] != states[-1]), 0)


def _pixels(cells: int, size: int) -> int:
    return cells * size + (cells - 1) * _GAP


def _wrapped(widths: Iterable[float], width: float) -> int:
    """In how many lines things of these widths stand."""
    count, left = 1, width
    for one in widths:
        if one > left:
            count, left = count + 1, width
        left -= one
    return count


def _label(line: Metric | str, others: Sequence[Metric | str]) -> str:
    """As CloudWatch: the metric's name, or the dimension in which metrics of one name differ."""
    if isinstance(line, str):
        return "CloudFront"
    alike = [other for other in others if isinstance(other, Metric) and other.name == line.name]
    return line.name if len(alike) == 1 else ", ".join(value for _, value in sorted(line.dimensions))


def _markdown(text: str) -> str:
    """The Markdown that the dashboard's texts use."""
    html = re.sub(r"\[([^]]+)\]\((\S+?)\)(?=[\s,]|$)", r'<a href="\2">\1</a>', escape(text))
    blocks = [
        re.sub(r"^(#+) (.*)", lambda found: f"<h{len(found[1])}>{found[2]}</h{len(found[1])}>", line)
        for line in html.splitlines()
    ]
    return "".join(block if block.startswith("<h") else f"<p>{block}</p>" for block in blocks)


def draw(template: Mapping[str, Any], environment: Environment, recording: Recording) -> Page:
    """The page of the dashboard in a monitoring template; AlarmError names an alarm that cannot be judged."""
    histories = judged(definitions.alarms(template, environment), recording)
    return Page(environment, recording, body(template, environment), histories)
