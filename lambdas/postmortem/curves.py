"""The curve of a row around an incident, as SVG: its bands, and when what happened. Pure."""

import math
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime, timedelta
from html import escape
from itertools import pairwise

from lambdas.postmortem.metrics import MINUTE, Measured, Series
from runbook.rows import Row

_WIDTH, _HEIGHT = 900, 230
_LEFT, _RIGHT, _TOP, _BOTTOM = 48, 12, 62, 24  # around what is drawn
_LABEL = 70  # of a time on the axis
_LINE = 13  # of a mark's words
_LETTER = 6.6
_STEPS = (1, 2, 5, 10, 15, 30, 60, 180, 360, 720, 1440)  # minutes from one time on the axis to the next
_COLORS = {"normal": "#2e8b57", "warning": "#e69500", "critical": "#c62828"}
_GAP = 3 * MINUTE  # a longer one breaks the line


def curve(measured: Measured, begin: datetime, end: datetime, marks: Sequence[tuple[str, datetime]]) -> str:
    """The row between two times, with a line at each of the marks, which have words."""
    row = measured.row
    points = {time: value for time, value in measured.series.items() if begin <= time < end}
    return _Drawing(row, points, begin, end).svg(marks)


class _Drawing:
    def __init__(self, row: Row, points: Series, begin: datetime, end: datetime) -> None:
        self.row, self.points, self.begin, self.end = row, points, begin, end
        self.most = max(*points.values(), row.normal, row.warning, row.critical, 0) * 1.08 or 1

    def svg(self, marks: Iterable[tuple[str, datetime]]) -> str:
        title = f"{self.row.title}, {self.row.unit}"
        body = "".join((*self._bands(), *self._axes(), *self._lines(), *self._marks(marks)))
        return (
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img" aria-label="{escape(title)}"'
            f' font-family="system-ui, sans-serif" font-size="11" fill="#51606e">'
            f'<text x="0" y="12" font-size="13" font-weight="600" fill="#1b2733">{escape(title)}</text>{body}</svg>'
        )

    def _x(self, at: datetime) -> float:
        return _LEFT + (at - self.begin) / (self.end - self.begin) * (_WIDTH - _LEFT - _RIGHT)

    def _y(self, value: float) -> float:
        return _HEIGHT - _BOTTOM - value / self.most * (_HEIGHT - _TOP - _BOTTOM)

    def _bands(self) -> Iterator[str]:
        """What is normal, and what is past each line."""
        row, top, bottom = self.row, self._y(self.most), self._y(0)
        good, bad = (bottom, top) if row.worse == "above" else (top, bottom)
        spans = {
            "normal": (good, self._y(row.normal)),
            "warning": (self._y(row.warning), self._y(row.critical)),
            "critical": (self._y(row.critical), bad),
        }
        for level, span in spans.items():
            color, high, low = _COLORS[level], min(span), max(span)
            yield (
                f'<rect x="{_LEFT}" y="{high:.1f}" width="{_WIDTH - _LEFT - _RIGHT}" height="{low - high:.1f}" fill="{color}"'
                f' opacity=".12"/>'
            )
        for level in ("warning", "critical"):
            y = self._y(getattr(row, level))
            yield f'<path d="M{_LEFT} {y:.1f}H{_WIDTH - _RIGHT}" stroke="{_COLORS[level]}" stroke-width=".8"/>'

    def _axes(self) -> Iterator[str]:
        step = _round(self.most / 4)
        for tick in range(int(self.most / step) + 1):
            y = self._y(tick * step)
            yield f'<text x="{_LEFT - 6}" y="{y + 4:.1f}" text-anchor="end">{tick * step:.4g}</text>'
        fits = (_WIDTH - _LEFT - _RIGHT) / _LABEL
        apart = next((one for one in _STEPS if (self.end - self.begin) / MINUTE / one <= fits), _STEPS[-1])
        midnight = self.begin.replace(hour=0, minute=0, second=0, microsecond=0)
        first = midnight + math.ceil((self.begin - midnight) / MINUTE / apart) * apart * MINUTE
        for number in range(int((self.end - first) / MINUTE / apart) + 1):
            time = first + number * apart * MINUTE
            if self._x(time) < _WIDTH - _LABEL / 2:
                yield f'<text x="{self._x(time):.1f}" y="{_HEIGHT - 8}" text-anchor="middle">{time:%H:%M}</text>'

    def _lines(self) -> Iterator[str]:
        """The values, broken where there are none for a while."""
        runs: list[list[datetime]] = [[]]
        times = sorted(self.points)
        for time, later in pairwise([*times, None]):
            runs[-1].append(time)  # type: ignore[arg-type] # only the last is None
            if later and later - time > _GAP:  # type: ignore[operator] # the same
                runs.append([])
        for run in filter(None, runs):
            path = "L".join(f"{self._x(time):.1f} {self._y(self.points[time]):.1f}" for time in run)
            yield f'<path d="M{path}{"h1" if len(run) == 1 else ""}" fill="none" stroke="#1b2733" stroke-width="1.6"/>'

    def _marks(self, marks: Iterable[tuple[str, datetime]]) -> Iterator[str]:
        """A line each, its words above it, on another level where they would cover those before."""
        until = [float("-inf")] * 3
        for words, at in sorted(marks, key=lambda mark: mark[1]):
            if not self.begin <= at <= self.end:
                continue
            x, wide = self._x(at), len(words) * _LETTER
            start = min(x, _WIDTH - wide)
            level = next((number for number, end in enumerate(until) if end < start), len(until) - 1)
            until[level] = start + wide + 10
            y = _TOP - 6 - (len(until) - 1 - level) * _LINE
            yield f'<path d="M{x:.1f} {y + 2:.1f}V{_HEIGHT - _BOTTOM}" stroke="#51606e" stroke-dasharray="3 2"/>'
            yield (
                f'<text x="{start:.1f}" y="{y:.1f}" fill="#1b2733" stroke="#fff" stroke-width="3" paint-order="stroke">'
                f"{escape(words)}</text>"
            )


def span_shown(begin: datetime, end: datetime) -> tuple[datetime, datetime]:
    """What is drawn of an outage: as long before as it took, a quarter of an hour at least, and the same after."""
    around = max(end - begin, timedelta(minutes=15))
    return begin - around, end + around


def _round(value: float) -> float:
    """The next 1, 2 or 5 with as many zeros."""
    power: float = 10 ** math.floor(math.log10(value))
    return next(step * power for step in (1, 2, 5, 10) if value <= step * power)
