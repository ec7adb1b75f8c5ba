"""A graph of the dashboard as SVG: axes, bands and lines."""

import math
from collections.abc import Iterable, Mapping
from datetime import datetime
from html import escape
from itertools import pairwise
from typing import Any

from local.cloudwatch.loop import MINUTE
from local.cloudwatch.metric_math import TimeSeries
from local.preview.recorded import Recording

_LEFT, _RIGHT, _TOP, _BOTTOM = 40, 8, 14, 18  # pixels around what is drawn
_LABEL = 40  # of a time
_STEPS = (5, 10, 15, 30, 60, 180, 360, 720, 1440)  # minutes from one to the next


class Graph:
    """A graph over the recording's minutes that has room for the values; its methods give SVG."""

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
        fits = (self.right - _LEFT) // _LABEL
        apart = next((step for step in _STEPS if len(self.recording.times) / step <= fits), _STEPS[-1])
        for time in self.recording.times:
            x = self.x(time)
            if (time.hour * 60 + time.minute) % apart == 0 and x < self.right - _LABEL / 2:
                yield f'<text x="{x:.1f}" y="{self.bottom + 13}" text-anchor="middle">{time:%H:%M}</text>'

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

    def note(self, text: str) -> str:
        return f'<text x="{(_LEFT + self.right) / 2}" y="{(_TOP + self.bottom) / 2}" text-anchor="middle">{text}</text>'


def _step(least: float) -> float:
    """The next round number."""
    power: float = 10 ** math.floor(math.log10(least))
    return next(factor * power for factor in (1, 2, 2.5, 5, 10) if factor * power >= least * 0.999)


def _short(value: float) -> str:
    for size, suffix in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if value >= size:
            return f"{value / size:.3g}{suffix}"
    return f"{value:.3g}"
