"""The replay's plot: what each row's alarms watched, with the row's bands, and when which alarm was in ALARM."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Literal

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.transforms import Transform

from local.replay.trace import usual_distance

Spans = Sequence[tuple[datetime, datetime]]

_COLORS = {"normal": "#2e8b57", "warning": "#e69500", "critical": "#c62828"}
_BUCKETS = 1000  # a plot has no more pixels than that to show a minimum and a maximum in
_FEW = 200  # values that a plot can show one by one
_GAP = 3  # usual distances between values are no gap


@dataclass(frozen=True)
class Panel:
    """What the alarms of a row watched; its lines and when its alarms fired, by level, warning first."""

    title: str
    series: Mapping[datetime, float]
    lines: Mapping[str, float]
    firing: Mapping[str, Spans]
    normal: float | None = None
    worse: Literal["above", "below"] = "above"


def plot(
    file: Path,
    title: str,
    between: tuple[datetime, datetime],
    panels: Sequence[Panel],
    composites: Mapping[str, Spans],
    incident: datetime | None = None,
) -> None:
    """Write the plot as the file's suffix says, .svg or .png: a panel a row, and the composite alarms, by name, below."""
    heights = [1.3] * len(panels) + ([0.35 * len(composites)] if composites else [])
    with mpl.rc_context(
        {
            "font.size": 8,
            "axes.spines.top": False,
            "axes.spines.right": False,
            "date.converter": "concise",
            "timezone": "UTC",
            "svg.hashsalt": "replay",  # the same bytes for the same plot
        }
    ):
        figure = Figure(figsize=(11, sum(heights) + 0.35 * len(heights) + 0.8), layout="constrained")
        figure.suptitle(title, x=0.01, ha="left", fontweight="bold")
        drawn = figure.subplots(len(heights), 1, sharex=True, squeeze=False, height_ratios=heights)[:, 0]
        for axes, panel in zip(drawn, panels, strict=False):
            _draw(axes, panel)
        if composites:
            _draw_composites(drawn[-1], composites)
        for axes in drawn if incident else ():
            axes.axvline(incident, color="black", linewidth=0.8, linestyle="--")
        drawn[-1].set_xlim(*between)
        figure.savefig(file, metadata={"Date": None} if file.suffix == ".svg" else None)


def _draw(axes: Axes, panel: Panel) -> None:
    values = [*panel.series.values(), *panel.lines.values()]
    low, high = min(0.0, *values), max(values) * 1.1 or 1.0
    good, bad = (low, high) if panel.worse == "above" else (high, low)
    axes.set_ylim(low, high)
    axes.set_title(panel.title, loc="left", fontsize=8, pad=12)
    if panel.normal is not None:
        axes.axhspan(good, panel.normal, color=_COLORS["normal"], alpha=0.1, linewidth=0)
    for (level, line), end in zip(panel.lines.items(), [*list(panel.lines.values())[1:], bad], strict=True):
        axes.axhspan(line, end, color=_COLORS[level], alpha=0.1, linewidth=0)
        axes.axhline(line, color=_COLORS[level], linewidth=0.7)
    times, points = _thinned(panel.series)
    axes.plot(times, points, color="#263238", linewidth=0.9, marker="." if len(points) < _FEW else "", markersize=2)
    for place, (level, spans) in enumerate(panel.firing.items()):
        _ribbon(axes, spans, 1.02 + 0.07 * place, 0.05, level, axes.get_xaxis_transform())


def _draw_composites(axes: Axes, composites: Mapping[str, Spans]) -> None:
    """A bar for each, its name above it."""
    axes.set_yticks([])
    axes.set_ylim(0, len(composites))
    for place, (name, spans) in enumerate(reversed(list(composites.items()))):
        axes.annotate(name, (0, place + 0.5), xycoords=("axes fraction", "data"), xytext=(3, 0), textcoords="offset points")
        _ribbon(axes, spans, place + 0.1, 0.3, "critical", axes.transData)


def _ribbon(axes: Axes, spans: Spans, bottom: float, height: float, level: str, transform: Transform) -> None:
    """When an alarm was in ALARM, as a bar along the time: one artist, however often it changed."""
    bars: Any = [(begin, end - begin) for begin, end in spans]  # times, which matplotlib takes and its types do not
    drawn = axes.broken_barh(bars, (bottom, height), color=_COLORS[level], linewidth=0.5, clip_on=False, transform=transform)
    drawn.set_in_layout(False)


def _thinned(series: Mapping[datetime, float]) -> tuple[Any, list[float]]:
    """The line through a series, broken at gaps; of many values only each bucket's least and greatest."""
    times = sorted(series)
    gap = _GAP * usual_distance(times)
    size = math.ceil(len(times) / _BUCKETS)
    across: list[datetime] = []
    up: list[float] = []
    run: list[datetime] = []
    for time, later in zip(times, [*times[1:], None], strict=True):
        run.append(time)
        if later is None or later - time > gap:
            for first in range(0, len(run), size):
                bucket = run[first : first + size]
                ends = sorted({min(bucket, key=series.__getitem__), max(bucket, key=series.__getitem__)})
                across += ends
                up += map(series.__getitem__, ends)
            across.append(time)
            up.append(math.nan)
            run.clear()
    return across, up
