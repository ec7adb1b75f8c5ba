"""Recorded metrics, in the forms in which people have them: CSV files, and what the AWS CLI prints.

`python -m local.replay --help` says what may stand in them.
"""

import csv
import io
import json
import math
import re
import statistics
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta, tzinfo
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

from local.cloudwatch.alarms import Metric
from local.cloudwatch.loop import MINUTE
from local.cloudwatch.metric_math import TimeSeries

LONGEST = timedelta(days=92)
"""More than a quarter is taken for a mistyped timestamp."""
STATISTIC = re.compile(r"Average|Sum|Minimum|Maximum|SampleCount|p\d+(\.\d+)?")

_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?", re.ASCII | re.IGNORECASE)
_EARLIEST = 1_000_000_000  # as seconds, the year 2001: a lower number is a date such as 20260105, or nothing
_MILLISECONDS = 100_000_000_000  # as seconds, a number this high would be in the year 5138

Points = list[tuple[datetime, float]]
"""Values with the minute they were recorded in, in the file's order."""
Place = int | str
"""Where something stands in a file: a line, or a path into JSON."""


class TraceError(Exception):
    """A trace that cannot be replayed; the message is one sentence with the file and, where there is one, the line."""


@dataclass
class Trace:
    """What a file recorded: the points by metric, as the file names it, the place of each metric's first one, and what people
    should know of how the file was read."""

    file: str
    points: dict[str, Points] = field(default_factory=dict)
    places: dict[str, Place] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    @property
    def begin(self) -> datetime:
        """The start of the first minute."""
        return min(min(points)[0] for points in self.points.values())

    @property
    def end(self) -> datetime:
        """The end of the last minute."""
        return max(max(points)[0] for points in self.points.values()) + MINUTE

    @property
    def minutes(self) -> int:
        """The period of the values: of what the time from one to the next is a multiple, in each metric. One minute where no
        metric has three values: two do not tell a period from a gap."""
        of_each = [sorted({minute for minute, _ in points}) for points in self.points.values()]
        apart = {(later - time) // MINUTE for minutes in of_each for time, later in pairwise(minutes)}
        return math.gcd(*apart) if max(map(len, of_each)) > 2 else 1

    def where(self, name: str) -> str:
        """The file and the place at which a metric begins."""
        return f"{self.file}, {_words(self.places.get(name, 1))}"


class Value(NamedTuple):
    """A value as it stands in a file; `label` is what the file calls its metric, empty where it does not."""

    place: Place
    label: str
    time: str
    text: str


class _WrongError(Exception):
    def __init__(self, place: Place, sentence: object) -> None:
        super().__init__(f"{_words(place)}: {sentence}")


def _words(place: Place) -> str:
    return place if isinstance(place, str) else f"line {place}"


def read(file: Path, names: Sequence[str] = (), zone: tzinfo = UTC, *, first_of_two: bool = False) -> Trace:
    """The trace in a file; TraceError says what is wrong where. Two values at one time are wrong, or the
    first is read.

    `names` say what its metrics are called: NAME where there is only one, LABEL=NAME where there are several. Times without
    an offset are in `zone`.
    """
    try:
        return _read(file, names, zone, first_of_two)
    except _WrongError as error:
        raise TraceError(f"{file}, {error}.") from None


def _read(file: Path, names: Sequence[str], zone: tzinfo, first_of_two: bool) -> Trace:
    notes: list[str] = []
    values: defaultdict[str, dict[datetime, float]] = defaultdict(dict)
    places: dict[str, Place] = {}
    earliest = latest = None
    unzoned = two = False
    for place, label, time, text in _values(_text(file), notes):
        try:
            at, has_zone = _moment(time, zone)
            value = _number(text)
        except ValueError as error:
            raise _WrongError(place, error) from None
        earliest, latest = min(at, earliest or at), max(at, latest or at)
        if latest - earliest > LONGEST:
            raise _WrongError(place, f"{time} is more than {LONGEST.days} days from another time, the longest a trace may be")
        before = values[label].setdefault(at, value)
        if before != value and first_of_two:
            two = True
        elif before != value:
            raise _WrongError(place, f"{label or 'the metric'} has two values at {time}, {before:g} and {value:g}")
        places.setdefault(label, place)
        unzoned |= not has_zone
    if not values:
        raise _WrongError(1, "should have values, and the file ends without any")
    if two:
        notes.append("Of two values at one time the first is read.")
    if unzoned:
        notes.append(f"Times without a zone are read as {zone}; --zone names another.")
    called = _called(values, names)
    points = {
        called[label]: [(at.replace(second=0, microsecond=0), value) for at, value in found.items()]
        for label, found in values.items()
    }
    return Trace(str(file), points, {called[label]: place for label, place in places.items()}, notes)


def _text(file: Path) -> str:
    try:
        data = file.read_bytes()
    except OSError as error:
        raise TraceError(f"{file}: {error.strerror}.") from None
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise _WrongError(data[: error.start].count(b"\n") + 1, "should be text in UTF-8") from None


def _values(text: str, notes: list[str]) -> Iterator[Value]:
    """The values of a file in any of the forms; _WrongError says where it has none of them."""
    if text.lstrip()[:1] in ("{", "["):
        yield from _json(text, notes)
        return
    lines = _lines(text)
    first = next(lines, None)
    if first is None:
        raise _WrongError(1, "should have values, and the file is empty")
    header = [cell.lower() for cell in first[1]]
    reader = _rows if {"timestamp", "value"} <= {*header} else _columns
    yield from reader([first], lines, notes)


# What the AWS CLI prints: https://docs.aws.amazon.com/cli/latest/reference/cloudwatch/get-metric-data.html#output
# and https://docs.aws.amazon.com/cli/latest/reference/cloudwatch/get-metric-statistics.html#output


def _json(text: str, notes: list[str]) -> Iterator[Value]:
    try:
        answer = json.loads(text, parse_float=str, parse_int=str, parse_constant=str)
    except json.JSONDecodeError as error:
        raise _WrongError(error.lineno, f"is no JSON: {error.msg}") from None
    reader = next((reader for key, reader in _ANSWERS.items() if key in answer), None)
    if reader is None:
        raise _WrongError(1, f"should be what `aws cloudwatch` answers, with {' or '.join(_ANSWERS)}")
    try:
        yield from reader(answer, notes)
    except (LookupError, TypeError, AttributeError, ValueError) as error:
        raise _WrongError(1, f"is not as `aws cloudwatch` prints it: {error!r}") from None


def _metric_data(answer: Mapping[str, Any], notes: list[str]) -> Iterator[Value]:
    results = answer["MetricDataResults"]
    ids = defaultdict(set)
    for result in results:
        ids[result["Label"]].add(result["Id"])
    for number, result in enumerate(results):
        label = result["Label"] if len(ids[result["Label"]]) == 1 else result["Id"]
        if result.get("StatusCode", "Complete") != "Complete":
            notes.append(f"{label} is not whole: its StatusCode is {result['StatusCode']}.")
        for place, (time, text) in enumerate(zip(result["Timestamps"], result["Values"], strict=True)):
            yield Value(f"MetricDataResults[{number}].Values[{place}]", label, time, text)
    if answer.get("NextToken"):
        notes.append("The answer goes on: it has a NextToken.")


def _metric_statistics(answer: Mapping[str, Any], _notes: list[str]) -> Iterator[Value]:
    for number, point in enumerate(answer["Datapoints"]):
        for statistic, text in {**point, **point.get("ExtendedStatistics", {})}.items():
            if STATISTIC.fullmatch(statistic):
                yield Value(f"Datapoints[{number}]", f"{answer['Label']} {statistic}", point["Timestamp"], text)


_ANSWERS: Mapping[str, Callable[[Mapping[str, Any], list[str]], Iterator[Value]]] = {
    "MetricDataResults": _metric_data,
    "Datapoints": _metric_statistics,
}


# CSV

_Lines = Iterator[tuple[int, list[str]]]


def _lines(text: str) -> _Lines:
    """The number and the cells of each line that is not blank."""
    rows = csv.reader(io.StringIO(text, newline=""), strict=True)
    try:
        for row in rows:
            if row:
                yield rows.line_num, [cell.strip() for cell in row]
    except csv.Error as error:
        raise _WrongError(max(rows.line_num, 1), error) from None


def _rows(head: list[tuple[int, list[str]]], lines: _Lines, notes: list[str]) -> Iterator[Value]:
    """A value a line, beside its time and, in a file of several metrics, its metric."""
    names = head[0][1]
    columns = {name.lower(): number for number, name in reversed([*enumerate(names)])}
    _not_read(
        [name for number, name in enumerate(names) if number not in map(columns.get, ("timestamp", "metric", "value"))], notes
    )
    time, value, metric = columns["timestamp"], columns["value"], columns.get("metric")
    for line, row in lines:
        if len(row) != len(names):
            raise _WrongError(line, f"should have {len(names)} columns ({','.join(names)}) and has {len(row)}")
        if row[value]:
            yield Value(line, "" if metric is None else row[metric], row[time], row[value])


def _columns(head: list[tuple[int, list[str]]], lines: _Lines, notes: list[str]) -> Iterator[Value]:
    """A column a metric beside the times, as the console exports it: lines with labels come first, lines with values after."""
    body: list[tuple[int, list[str]]] = []
    for line, row in lines:
        if body or any(character.isdigit() for character in row[0]):
            body.append((line, row))
        else:
            head.append((line, row))
    labels = next((row for _, row in head if len({*row[1:]}) == len(row) - 1 > 0), None)
    if labels is None or not body:
        raise _WrongError(1, _FORMS)
    for line, row in body:
        if len(row) != len(labels):
            raise _WrongError(line, f"should have {len(labels)} columns ({','.join(labels)}) and has {len(row)}")
    read = [column for column in range(1, len(labels)) if any(_NUMBER.fullmatch(row[column]) for _, row in body)]
    _not_read([label for column, label in enumerate(labels) if column and column not in read], notes)
    for line, row in body:
        for column in read or range(1, len(labels)):
            if row[column]:
                yield Value(line, labels[column], row[0], row[column])


_FORMS = (
    "should be the header timestamp,value or timestamp,metric,value, or a label for each column as CloudWatch's console"
    " exports it"
)


def _not_read(names: Sequence[str], notes: list[str]) -> None:
    if names:
        notes.append(f"Not read: {', '.join(name or 'a column without a name' for name in names)}.")


# Values, names and times


def _number(text: str) -> float:
    value = float(text) if _NUMBER.fullmatch(text) else math.inf
    if not math.isfinite(value):
        raise ValueError(f"{text!r} should be a number")
    return value


def _called(labels: Iterable[str], names: Sequence[str]) -> dict[str, str]:
    """What each metric is called, by its label: its statistic, which some labels end with, stays."""
    split = {label: named_statistic(label) for label in labels}
    known = sorted({bare for bare, _ in split.values()}, key=len, reverse=True)
    given: dict[str, str] = {}
    for name in names:
        bare = known[0] if len(known) == 1 else next((one for one in known if name.startswith(f"{one}=")), None)
        if bare is None:
            raise _WrongError(1, f"--metric {name} should be LABEL=NAME, with a label of the file: {', '.join(sorted(known))}")
        given[bare] = name.removeprefix(f"{bare}=")
    called = {label: f"{given.get(bare, bare)} {statistic}".strip() for label, (bare, statistic) in split.items()}
    if "" in called.values():
        raise _WrongError(1, "--metric should name the metric")
    if len({*called.values()}) < len(called):
        raise _WrongError(1, "--metric gives two metrics the same name")
    return called


def named_statistic(name: str) -> tuple[str, str]:
    """A metric's name without the statistic that it ends with, and that statistic, empty where there is none."""
    bare, _, last = name.rpartition(" ")
    return (bare, last) if STATISTIC.fullmatch(last) and bare else (name, "")


def moment(text: str, zone: tzinfo = UTC) -> datetime:
    """The time that a timestamp means, in UTC; ValueError when it means none. Without an offset it is in `zone`."""
    return _moment(text, zone)[0]


@cache
def _moment(text: str, zone: tzinfo) -> tuple[datetime, bool]:
    """The time, and whether it says its zone."""
    try:
        if _NUMBER.fullmatch(text) and (epoch := float(text)) >= _EARLIEST:
            return datetime.fromtimestamp(epoch / 1000 if epoch >= _MILLISECONDS else epoch, UTC), True
        time = datetime.fromisoformat(text.replace("/", "-"))  # the console writes 2026/01/31 12:30:00
        return (time if time.tzinfo else time.replace(tzinfo=zone)).astimezone(UTC), time.tzinfo is not None
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
