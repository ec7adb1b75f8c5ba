"""Recorded metrics: CSV files of `timestamp,value` for one metric, or `timestamp,metric,value` for many.

`python -m local.replay --help` says what may stand in them.
"""

import csv
import io
import math
import statistics
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cache
from itertools import pairwise
from pathlib import Path

from local.cloudwatch.alarms import Metric
from local.cloudwatch.loop import MINUTE
from local.cloudwatch.metric_math import TimeSeries

LONGEST = timedelta(days=92)
"""More than a quarter is taken for a mistyped timestamp."""

_HEADERS = (["timestamp", "value"], ["timestamp", "metric", "value"])
_MILLISECONDS = 100_000_000_000  # as seconds, a number this high would be in the year 5138

Points = list[tuple[datetime, float]]
"""Values with the minute they were recorded in, in the file's order."""


class TraceError(Exception):
    """A trace that cannot be replayed; the message is one sentence with the file and, where there is one, the line."""


@dataclass
class Trace:
    """What a file recorded: the points by metric, as the file names it, and the line of each metric's first one."""

    file: str
    points: dict[str, Points] = field(default_factory=lambda: defaultdict(list))
    lines: dict[str, int] = field(default_factory=dict)

    @property
    def begin(self) -> datetime:
        """The start of the first minute."""
        return min(min(points)[0] for points in self.points.values())

    @property
    def end(self) -> datetime:
        """The end of the last minute."""
        return max(max(points)[0] for points in self.points.values()) + MINUTE


def read(file: Path, metric: str = "") -> Trace:
    """The trace in a file; `metric` names the metric of a file that has two columns. TraceError says what is wrong where."""
    try:
        data = file.read_bytes()
    except OSError as error:
        raise TraceError(f"{file}: {error.strerror}.") from None
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        raise TraceError(f"{file}, line {line}: should be text in UTF-8.") from None
    rows = csv.reader(io.StringIO(text, newline=""), strict=True)
    trace = Trace(str(file))
    try:
        for name, minute, value in _rows(rows, metric):
            trace.lines.setdefault(name, rows.line_num)
            trace.points[name].append((minute, value))
    except (csv.Error, ValueError) as error:
        raise TraceError(f"{file}, line {max(rows.line_num, 1)}: {error}.") from None
    if not trace.points:
        raise TraceError(f"{file}, line {max(rows.line_num, 1)}: ends without any value.")
    return trace


def _rows(rows: Iterator[list[str]], metric: str) -> Iterator[tuple[str, datetime, float]]:
    """The metric, the minute and the value of each row; ValueError says what the row should be."""
    header = [name.strip().lower() for name in next(rows, [])]
    if header not in _HEADERS:
        raise ValueError(f"should be the header {' or '.join(','.join(names) for names in _HEADERS)}")
    if (header == _HEADERS[0]) is not bool(metric):
        raise ValueError("has a column metric, --metric is for a file without" if metric else "--metric should name the metric")
    earliest = latest = None
    for row in rows:
        if not row:
            continue
        if len(row) != len(header):
            raise ValueError(f"should have {len(header)} columns ({','.join(header)}) and has {len(row)}")
        minute = _minute(row[0].strip())
        earliest, latest = min(minute, earliest or minute), max(minute, latest or minute)
        if latest - earliest > LONGEST:
            raise ValueError(f"{row[0]} is more than {LONGEST.days} days from another line, the longest a trace may be")
        if value := row[-1].strip():
            yield metric or row[1].strip(), minute, _number(value)


def _number(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise ValueError(f"{text!r} should be a number")
    return value


@cache
def _minute(text: str) -> datetime:
    return moment(text).replace(second=0, microsecond=0)


def moment(text: str) -> datetime:
    """The time that a timestamp means, in UTC; ValueError when it means none."""
    try:
        try:
            epoch = float(text)
        except ValueError:
            time = datetime.fromisoformat(text)
            return (time if time.tzinfo else time.replace(tzinfo=UTC)).astimezone(UTC)
        return datetime.fromtimestamp(epoch / 1000 if epoch >= _MILLISECONDS else epoch, UTC)
    except (ValueError, OverflowError, OSError):
        raise ValueError(f"{text!r} should be a time such as 2026-01-31T12:30:00Z, or seconds since the epoch") from None


def usual_distance(times: Iterable[datetime]) -> timedelta:
    """The median of the time from one to the next; a minute where there is only one."""
    apart = sorted(later - time for time, later in pairwise(sorted(set(times))))
    return apart[len(apart) // 2] if apart else MINUTE


def series(points: Points, metric: Metric, minutes: int = 1) -> TimeSeries:
    """The metric's values by the start of their period, periods starting with every minute as alarms see them.

    Values of one period are combined by the metric's statistic. Each stands for `minutes`: what is counted is spread over them,
    anything else is the same in each of them.
    """
    if metric.period == 60 and minutes == 1 and len(alone := dict(points)) == len(points):
        return alone  # a value a minute, as most traces have
    share = minutes if metric.statistic in ("Sum", "SampleCount") else 1
    grouped: defaultdict[datetime, list[float]] = defaultdict(list)
    for shift in [MINUTE * (later - back) for later in range(minutes) for back in range(metric.period // 60)]:
        for minute, value in points:
            grouped[minute + shift if shift else minute].append(value / share)
    return {start: _combined(values, metric.statistic) for start, values in grouped.items()}


def _combined(values: list[float], statistic: str) -> float:
    match statistic:
        case _ if len(values) == 1:
            return values[0]
        case "Average":
            return statistics.fmean(values)
        case "Sum" | "SampleCount":
            return math.fsum(values)
        case "Minimum":
            return min(values)
        case "Maximum":
            return max(values)
        case _:  # a percentile, by nearest rank
            return sorted(values)[max(math.ceil(len(values) * float(statistic[1:]) / 100) - 1, 0)]
