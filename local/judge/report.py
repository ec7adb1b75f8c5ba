"""What people read of a judged trace: a table, a file and a plot."""

import math
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from rich.table import Table

from lambdas.judge.compare import BEFORE
from lambdas.judge.judge import Evidence, Judgement, SignalVerdict
from lambdas.judge.series import MINUTE, period, quantile
from lambdas.judge.signals import SIGNALS, TRAFFIC
from lambdas.judge.words import value
from runbook.rows import ROWS

COLORS = {"better": "#2e8b57", "same": "#546e7a", "worse": "#c62828", "unknown": "#e69500"}
_ROWS = {row.slug: row for row in ROWS}


def first_worse(judged: Iterable[Judgement]) -> Judgement | None:
    return next((one for one in judged if one.verdict == "worse"), None)


def as_json(release: datetime, judged: Sequence[Judgement]) -> dict[str, Any]:
    """`judge.json`: each minute's verdict with its signals, when it was first worse, and the last."""
    worse = first_worse(judged)
    return {
        "release": _iso(release),
        "verdicts": [
            {
                "at": _iso(one.at),
                "verdict": one.verdict,
                "signals": [
                    {key: getattr(signal, key) for key in ("name", "before", "after", "ratio", "verdict")}
                    for signal in one.signals
                ],
            }
            for one in judged
        ],
        "first_worse": _iso(worse.at) if worse else None,
        "final": judged[-1].verdict if judged else "unknown",
    }


def _iso(time: datetime) -> str:
    return f"{time:%Y-%m-%dT%H:%M:%SZ}"


def table(shown: Judgement, release: datetime) -> Table:
    """The signals at one minute."""
    minutes = (shown.at - release) // MINUTE
    printed = Table(title=f"{shown.at:%H:%M} UTC, {minutes} minutes after the release: {shown.verdict}", title_justify="left")
    for column in ("signal", "before", "after", "ratio", "sure", "verdict"):
        printed.add_column(column, justify="left" if column in ("signal", "verdict") else "right")
    for one in shown.signals:
        printed.add_row(
            SIGNALS[one.name].title + ("" if SIGNALS[one.name].kind != "information" else " (information)"),
            _value(one, one.before),
            _value(one, one.after),
            "" if one.ratio is None else f"{one.ratio:.2f}",
            f"{min(100 * one.sure, 99.9):.1f} %",
            one.verdict,
            style=COLORS[one.verdict] if one.verdict in ("worse", "better") else None,
        )
    return printed


def _value(one: SignalVerdict, number: float | None) -> str:
    return "" if number is None else value(number, SIGNALS[one.name].unit)


def changes(judged: Iterable[Judgement]) -> list[str]:
    """A line for each minute at which the verdict became another."""
    lines, last = [], ""
    for one in judged:
        if one.verdict != last:
            lines.append(f"{one.at:%H:%M}  {one.words}")
            last = one.verdict
    return lines


def draw(evidence: Evidence, judged: Sequence[Judgement], file: Path) -> None:
    """The plot as SVG: a panel a signal, before | after, the band in which nine of ten values were before, the row's lines, and
    the minute of the verdict; below, the verdict of each minute."""
    worse = first_worse(judged)
    names = [name for name in (*SIGNALS, TRAFFIC) if evidence.signals.get(name)]
    end = judged[-1].at
    begin = max(min(min(evidence.signals[name]) for name in names), evidence.release - MINUTE * BEFORE)
    heights = [1.25] * len(names) + [0.35]
    style: Any = {"font.size": 8, "axes.spines.top": False, "axes.spines.right": False, "date.converter": "concise"}
    with mpl.rc_context(style | {"timezone": "UTC", "svg.hashsalt": "judge"}):
        figure = Figure(figsize=(10, sum(heights) + 0.3 * len(heights) + 0.7), layout="constrained")
        said = worse if worse and judged[-1].verdict != "worse" else judged[-1]
        figure.suptitle(
            f"Release {evidence.release:%Y-%m-%d %H:%M} UTC: {judged[-1].verdict}"
            + (f"; first worse at {worse.at:%H:%M}" if worse else ""),
            x=0.01,
            ha="left",
            fontweight="bold",
            color=COLORS[said.verdict],
        )
        drawn = figure.subplots(len(heights), 1, sharex=True, squeeze=False, height_ratios=heights)[:, 0]
        for axes, name in zip(drawn, names, strict=False):
            _panel(axes, name, evidence, said, (begin, end))
            axes.axvline(evidence.release, color="black", linewidth=0.9)
            if worse:
                axes.axvline(worse.at, color=COLORS["worse"], linewidth=0.9, linestyle="--")
        labels = drawn[0].get_xaxis_transform()
        drawn[0].text(evidence.release, 1.02, "before | after ", transform=labels, ha="center", va="bottom")
        if worse:
            drawn[0].text(worse.at, 1.02, " worse", transform=labels, va="bottom", color=COLORS["worse"])
        _verdicts(drawn[-1], judged, evidence.release)
        drawn[-1].set_xlim(begin, end)
        figure.savefig(file, metadata={"Date": None})


def _panel(axes: Axes, name: str, evidence: Evidence, said: Judgement, between: tuple[datetime, datetime]) -> None:
    values = {time: number for time, number in evidence.signals[name].items() if between[0] <= time < between[1]}
    found = next((one for one in said.signals if one.name == name), None)
    axes.set_title(found.words if found else "requests a minute", loc="left", fontsize=8, pad=12, color=_color(found))
    minutes = period(evidence.signals[name])
    line = {time: values.get(time, math.nan) for time in _without_gaps(values, minutes)}
    axes.plot([*line], [*line.values()], color="#263238", linewidth=0.9, marker=".", markersize=3)  # type: ignore[arg-type]  # matplotlib takes times
    before = sorted(number for time, number in values.items() if time < evidence.release)
    if before:
        axes.axhspan(quantile(before, 0.05), quantile(before, 0.95), color=COLORS["same"], alpha=0.12, linewidth=0)
    if found and found.before is not None:
        axes.hlines(found.before, between[0], evidence.release, color=COLORS["same"], linewidth=1.2)  # type: ignore[arg-type]
    if found and found.after is not None:
        axes.hlines(found.after, evidence.release, between[1], color=COLORS[found.verdict], linewidth=1.2)  # type: ignore[arg-type]
    row, highest = _ROWS.get(name), max(values.values(), default=0.0)
    if row:
        for level, color in (("warning", "#e69500"), ("critical", "#c62828")):
            threshold = row.warning if level == "warning" else row.critical
            if threshold <= highest * 1.5 and (row.worse == "above" or threshold >= min(values.values(), default=0.0)):
                axes.axhline(threshold, color=color, linewidth=0.7, linestyle=":")
    if not (found and SIGNALS[name].lacks):
        usual = quantile(sorted(values.values()), 0.97)
        axes.set_ylim(0, usual * 1.6 if 0 < usual * 3 < highest else None)  # one spike would make all else flat


def _color(found: SignalVerdict | None) -> str:
    return COLORS[found.verdict] if found and found.verdict in ("worse", "better") else "black"


def _without_gaps(values: Mapping[datetime, float], minutes: int) -> list[datetime]:
    """The times, with one more in each gap, so that no line is drawn over it."""
    times: list[datetime] = []
    for time in sorted(values):
        if times and time - times[-1] > MINUTE * minutes * 2:
            times.append(times[-1] + MINUTE * minutes)
        times.append(time)
    return times


def _verdicts(axes: Axes, judged: Sequence[Judgement], release: datetime) -> None:
    """Each minute's verdict, as a bar of its color."""
    axes.set_yticks([])
    axes.set_ylim(0, 1)
    begin = release
    for one in judged:
        axes.axvspan(begin, one.at, color=COLORS[one.verdict], linewidth=0)  # type: ignore[arg-type]
        begin = one.at
    names = [name for name in COLORS if any(one.verdict == name for one in judged)]
    axes.set_title(f"verdict each minute: {', '.join(names)}", loc="left", fontsize=8, pad=3)
    for place, name in enumerate(names):
        axes.text(0.01 + 0.09 * place, 0.5, name, transform=axes.transAxes, va="center", color=COLORS[name], fontweight="bold")
