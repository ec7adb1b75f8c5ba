"""The dashboard before it is deployed: the synthesized one, drawn from a recorded drill as one HTML page.

Metrics and log events are those of the recording. Expressions are computed, logs queried and alarms judged over them as on the
local cloud, from the template: so a changed line, graph or query is seen with the next `make dashboard`.
"""

import argparse
import json
import math
import re
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from html import escape
from itertools import pairwise
from pathlib import Path
from typing import Any

from local.cloud import STATE, CloudError
from local.cloudwatch.alarms import Alarm, Datapoint, Metric, State, evaluate, evaluate_composite, metrics
from local.cloudwatch.logs_insights import columns, run
from local.cloudwatch.metric_math import TimeSeries, compute
from local.drills.simulation import MINUTE
from local.preview.recording import RECORDING, Recording, lines, load_recording, source
from local.replay.__main__ import UNRESOLVED, definitions, template
from local.replay.trace import TraceError
from stacks.config import load
from stacks.environment import Environment

PAGE = STATE / "dashboard.html"
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
        return UNRESOLVED

    parsed: dict[str, Any] = json.loads("".join(map(resolved, dashboard["DashboardBody"]["Fn::Join"][1])))
    return parsed


def judged(alarms: Iterable[Alarm], recording: Recording) -> Histories:
    """The alarms' states at the end of each minute since the drill began: what was before, they look back on."""
    known = [{**alarm, "StateValue": "INSUFFICIENT_DATA", "StateUpdatedTimestamp": recording.trace.begin} for alarm in alarms]
    on_metrics = [alarm for alarm in known if "AlarmRule" not in alarm]
    data = {
        metric: {time: Datapoint(value, 1) for time, value in recording.read(metric).items()}
        for alarm in on_metrics
        for metric in metrics(alarm).values()
    }
    histories: dict[str, list[State]] = {alarm["AlarmName"]: [] for alarm in known}
    for time in recording.drilled:
        for alarm in (*on_metrics, *(one for one in known if "AlarmRule" in one)):
            verdict = evaluate_composite(alarm, known) if "AlarmRule" in alarm else evaluate(alarm, data, time + MINUTE)
            if verdict and verdict.state != alarm["StateValue"]:
                alarm |= {"StateValue": verdict.state, "StateUpdatedTimestamp": time + MINUTE}
            histories[alarm["AlarmName"]].append(alarm["StateValue"])
    return histories


# The page: a grid of 24 columns, as the console's

_COLUMN, _ROW, _GAP, _TITLE = 52, 46, 8, 30  # pixels
_LEFT, _RIGHT, _TOP, _BOTTOM, _LEGEND = 40, 8, 14, 18, 14  # around a plot, and a line of its legend
_SERIES = ("#1f77b4", "#ff7f0e", "#2ca02c", "#9467bd", "#8c564b")
_STATES: Mapping[State, str] = {"OK": "#1d8102", "ALARM": "#d13212", "INSUFFICIENT_DATA": "#879596"}
_MARKS = {"release": "#687078", "fault": "#d13212", "rollback requested": "#0073bb", "healthy": "#1d8102"}


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
        happened = [f"{name} {self._time(at)}" for name, at in recording.marks.items() if name in _MARKS]
        shown = self._time(recording.drilled[self.seen_at] + MINUTE)
        told = (
            f"{self.environment.dashboard} as synthesized, over the recording {recording.title}: "
            f"{', '.join([*happened, f'alarm states at {shown}'])}; the strip in each alarm is all of its time."
        )
        widgets = "\n".join(self._widget(widget) for widget in self.dashboard["widgets"])
        return (
            f'<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><title>{escape(self.environment.dashboard)}</title>'
            f"<style>{STYLE.read_text()}</style></head>\n<body><header>{escape(told)}</header>\n"
            f'<main style="grid:auto-flow {_ROW}px/repeat(24,{_COLUMN}px);gap:{_GAP}px">\n{widgets}\n</main></body></html>\n'
        )

    def _time(self, at: datetime) -> str:
        """A time as the drill's timeline says it."""
        seconds = round((at - self.recording.marks["begin"]).total_seconds())
        minutes, rest = divmod(abs(seconds), 60)
        return f"T{'-' if seconds < 0 else '+'}{minutes:02d}:{rest:02d}"

    def _widget(self, widget: Widget) -> str:
        x, y, width, height = (widget[key] for key in ("x", "y", "width", "height"))
        properties = widget["properties"]
        match widget["type"]:
            case "text":
                kind, inside = "text", _markdown(properties["markdown"])
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

    def _tiles(self, names: Iterable[str]) -> str:
        tiles = []
        for name in names:
            states = self.histories[name]
            share = 100 / len(states)
            stops = ",".join(
                f"{_STATES[state]} {share * minute:.1f}% {share * (minute + 1):.1f}%" for minute, state in enumerate(states)
            )
            short = name.removeprefix(f"{self.environment.prefix}-")
            color = _STATES[states[self.seen_at]]
            tiles.append(
                f'<div class="tile" title="{escape(name)}" style="background:{color}">{escape(short)}'
                f'<div style="background:linear-gradient(90deg,{stops})"></div></div>'
            )
        return f'<div class="tiles">{"".join(tiles)}</div>'

    def _rows(self, widget: Widget) -> str:
        group, query = source(widget)
        rows = run(query, self.recording.logs.get(group, ()))
        if not rows:
            return '<div class="none">No such log event was recorded.</div>'
        fields = columns(query)
        head = "".join(f"<th>{escape(field)}</th>" for field in fields)
        cells = ("".join(f"<td>{escape(self._cell(field, row.get(field, '')))}</td>" for field in fields) for row in rows)
        return f'<div class="rows"><table><tr>{head}</tr>{"".join(f"<tr>{row}</tr>" for row in cells)}</table></div>'

    def _cell(self, field: str, value: str) -> str:
        return self._time(datetime.fromisoformat(value).replace(tzinfo=UTC)) if field == "@timestamp" else value

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
            raise TypeError(f"{expression} makes no single line")
        return value

    def _graph(self, widget: Widget, width: int, height: int) -> str:
        properties, series = widget["properties"], self.series(widget)
        bands = properties.get("annotations", {}).get("horizontal", [])
        entries = [(color, label) for color, (label, _) in zip(_SERIES, series, strict=False)]
        entries += [(f"{band['color']}99", band["label"]) for band in bands]
        plot = _Plot(
            width,
            height - _LEGEND * _wrapped([25 + 5.3 * len(label) for _, label in entries], width - 20) - 4,
            self.recording,
            [value for _, points in series for value in points.values()] + [band["value"] for band in bands],
        )
        parts = [
            *plot.axes(properties["yAxis"]["left"]["label"]),
            *(plot.band(band) for band in bands),
            *(plot.line(points, color) for color, (_, points) in zip(_SERIES, series, strict=False)),
            *plot.marks(),
        ]
        if not any(points for _, points in series):
            parts.append(plot.note("Not recorded"))
        legend = "".join(f'<span><i style="background:{color}"></i>{escape(label)}</span>' for color, label in entries)
        return f'<svg width="{width}" height="{plot.height}">{"".join(parts)}</svg><div class="legend">{legend}</div>'


class _Plot:
    """A plot over the recording's minutes that has room for the values."""

    def __init__(self, width: int, height: int, recording: Recording, values: Iterable[float]) -> None:
        self.width, self.height, self.recording = width, height, recording
        self.right, self.bottom = width - _RIGHT, height - _BOTTOM
        highest = max(values, default=0) or 1
        self.step = _step(highest / 4)
        self.most = highest * 1.06

    def x(self, at: datetime) -> float:
        return _LEFT + (at - self.recording.trace.begin) / MINUTE * (self.right - _LEFT) / len(self.recording.times)

    def y(self, value: float) -> float:
        return self.bottom - value / self.most * (self.bottom - _TOP)

    def axes(self, unit: str) -> Iterable[str]:
        yield f'<text x="10" y="9">{escape(unit)}</text>'
        for tick in range(int(self.most / self.step) + 1):
            y = self.y(tick * self.step)
            yield f'<path d="M{_LEFT} {y:.1f}H{self.right}" stroke="#eaeded"/>'
            yield f'<text x="{_LEFT - 4}" y="{y + 3.5:.1f}" text-anchor="end">{_short(tick * self.step)}</text>'
        zero = self.recording.marks["begin"]
        before = (zero - self.recording.trace.begin) // (5 * MINUTE)
        for five in range(-before, len(self.recording.times) // 5 - before + 1):
            x = self.x(zero + five * 5 * MINUTE)
            if x < self.right - 8:
                yield f'<text x="{x:.1f}" y="{self.bottom + 13}" text-anchor="middle">T{five * 5:+d}</text>'

    def band(self, band: Mapping[str, Any]) -> str:
        y = self.y(band["value"])
        top, end = {"above": (_TOP, y), "below": (y, self.bottom)}.get(band.get("fill", ""), (y, y))
        color = band["color"]
        return (
            f'<rect x="{_LEFT}" y="{top:.1f}" width="{self.right - _LEFT}" height="{end - top:.1f}" '
            f'fill="{color}" opacity=".13"/>'
            f'<path d="M{_LEFT} {y:.1f}H{self.right}" stroke="{color}" stroke-dasharray="4 2"/>'
        )

    def line(self, points: TimeSeries, color: str) -> str:
        times = sorted(points)
        alone = [time for time in times if not {time - MINUTE, time + MINUTE} & points.keys()]
        place = {time: f"{self.x(time):.1f} {self.y(points[time]):.1f}" for time in times}
        path = "".join(f"M{place[one]}L{place[other]}" for one, other in pairwise(times) if other - one == MINUTE)
        dots = "".join(
            f'<circle cx="{place[one].split()[0]}" cy="{place[one].split()[1]}" r="2.5" fill="{color}"/>' for one in alone
        )
        return f'<path d="{path}" stroke="{color}" stroke-width="1.6" fill="none"/>{dots}'

    def marks(self) -> Iterable[str]:
        for name, color in _MARKS.items():
            if name in self.recording.marks:
                x = self.x(self.recording.marks[name])
                yield f'<path d="M{x:.1f} {_TOP}V{self.bottom}" stroke="{color}" stroke-dasharray="2 2"/>'
                yield (
                    f'<text x="{x - 3:.1f}" y="{_TOP + 2}" text-anchor="end" transform="rotate(-90 {x - 3:.1f} {_TOP + 2})" '
                    f'style="fill:{color};font-size:9px">{name.split()[0]}</text>'
                )

    def note(self, text: str) -> str:
        return f'<text x="{(_LEFT + self.right) / 2}" y="{(_TOP + self.bottom) / 2}" text-anchor="middle">{text}</text>'


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


def _step(least: float) -> float:
    """The next round number."""
    power: float = 10 ** math.floor(math.log10(least))
    return next(factor * power for factor in (1, 2, 2.5, 5, 10) if factor * power >= least * 0.999)


def _short(value: float) -> str:
    for size, suffix in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if value >= size:
            return f"{value / size:.3g}{suffix}"
    return f"{value:.3g}"


def _markdown(text: str) -> str:
    """The Markdown that the dashboard's texts use."""
    html = re.sub(r"\[([^]]+)\]\((\S+?)\)(?=[\s,]|$)", r'<a href="\2">\1</a>', escape(text))
    blocks = [
        re.sub(r"^(#+) (.*)", lambda found: f"<h{len(found[1])}>{found[2]}</h{len(found[1])}>", line)
        for line in html.splitlines()
    ]
    return "".join(block if block.startswith("<h") else f"<p>{block}</p>" for block in blocks)


def draw(environment: Environment, recording: Recording) -> str:
    """The page of an environment's dashboard; CloudError when it does not synthesize."""
    synthesized = template(environment)
    histories = judged(definitions(synthesized, environment), recording)
    return Page(environment, recording, body(synthesized, environment), histories).html()


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m local.dashboard", description=__doc__)
    parser.add_argument("environment", nargs="?", default="production", help="whose dashboard: production or staging")
    parser.add_argument("--trace", type=Path, default=RECORDING, help="a trace, such as `python -m local.recording` makes")
    parser.add_argument("--output", type=Path, default=PAGE)
    options = parser.parse_args()
    environment = load(options.environment)
    try:
        html = draw(environment, load_recording(options.trace, environment))
    except (CloudError, TraceError) as error:
        print(error, file=sys.stderr)
        return 1
    options.output.parent.mkdir(exist_ok=True)
    options.output.write_text(html, encoding="utf-8")
    print(options.output)
    return 0


if __name__ == "__main__":
    sys.exit(main())
