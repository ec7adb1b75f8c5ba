"""A recorded drill: the metrics that the dashboard and the alarms read, what happened when, and the log events it asks for.

The metrics are a trace, as `python -m local.replay` has them; the rest is in a JSON file beside it, which other traces lack.
`python -m local.preview.recording` makes the recording that is kept in `recordings/`.
"""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from lambdas.common.record.incident import Incident
from lambdas.common.record.words import imported
from local.cloudwatch.alarms import Metric
from local.cloudwatch.loop import MINUTE
from local.cloudwatch.metric_math import TimeSeries
from local.drills.simulation import QUIET_MINUTES
from local.replay.definitions import UNRESOLVED
from local.replay.trace import Trace, named_statistic, read, series
from stacks.environment import Environment

RECORDING = Path(__file__).with_name("recordings") / "bad-release.csv"


@dataclass(frozen=True)
class Recording:
    """A drill: its metrics, its marks by name, `begin` among them, its log events by group, oldest first, and its incident."""

    title: str
    trace: Trace
    marks: Mapping[str, datetime]
    logs: Mapping[str, Sequence[Mapping[str, str]]]
    incident: Incident | None = None

    @property
    def times(self) -> list[datetime]:
        """The starts of the minutes."""
        begin, end = self.trace.begin, self.trace.end
        return [begin + MINUTE * minute for minute in range((end - begin) // MINUTE)]

    @property
    def drilled(self) -> list[datetime]:
        """The starts of the minutes since the drill began."""
        return [time for time in self.times if time + MINUTE > self.marks["begin"]]

    def read(self, metric: Metric) -> TimeSeries:
        """The values of a metric, whose dimensions may be unresolved; none when it was not recorded."""
        dimensions = dict(metric.dimensions)
        points = []
        for name, found in self.trace.points.items():
            bare, statistic = named_statistic(name)
            namespace, called, *given = bare.split()
            pairs = [pair.partition("=")[::2] for pair in given]
            if (namespace, called, statistic or metric.statistic) == (metric.namespace, metric.name, metric.statistic) and all(
                dimensions.get(key) in (value, UNRESOLVED) for key, value in pairs
            ):
                points += found
        return series(points, metric)


def load_recording(file: Path, environment: Environment) -> Recording:
    """The recording whose metrics are in a file, under the names of an environment; TraceError says what is wrong with it."""
    trace = read(file)
    beside = file.with_suffix(".json")
    text = beside.read_text(encoding="utf-8") if beside.exists() else "{}"
    # A trace alone does not say under which names it was recorded: those in local/traces have the kept recording's.
    recorded = json.loads(text if beside.exists() else RECORDING.with_suffix(".json").read_text(encoding="utf-8"))["names"]
    own = {recorded[kind]: name for kind, name in names(environment).items()}
    known = re.compile(rf"\b({'|'.join(map(re.escape, sorted(own, key=len, reverse=True)))})\b")

    def renamed(text: str) -> str:
        return known.sub(lambda found: own[found[0]], text)

    trace.points = {renamed(name): points for name, points in trace.points.items()}
    kept = json.loads(renamed(text))
    marks = {name: datetime.fromisoformat(at) for name, at in kept.get("marks", {}).items()}
    logs = {
        group: [{"@timestamp": _stamp(time), "@message": message} for time, message in events]
        for group, events in kept.get("logs", {}).items()
    }
    # A trace alone begins with the quiet minutes that alarms look back on.
    marks = {"begin": trace.begin + QUIET_MINUTES * MINUTE, **marks}
    found = kept.get("incident")
    incident = imported(found) if found else None
    return Recording(file.stem, trace, marks, logs, incident)


def names(environment: Environment) -> dict[str, str]:
    """What is called differently in a recording of another environment or application, by what it is."""
    return {
        "prefix": environment.prefix,
        "environment": environment.name,
        "account": environment.account,
        "region": environment.region,
        "namespace": environment.application.metrics_namespace,
    }


def _stamp(milliseconds: int) -> str:
    """As Logs Insights shows a time."""
    return f"{datetime.fromtimestamp(milliseconds / 1000, UTC):%Y-%m-%d %H:%M:%S.%f}"[:-3]


# A dashboard's widgets: https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/CloudWatch-Dashboard-Body-Structure.html


def lines(widget: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any], Metric | str]]:
    """Each line of a graph: its id, its options, and what it shows, a metric or an expression."""
    for number, line in enumerate(widget["properties"].get("metrics", ())):
        *names, options = line if isinstance(line[-1], dict) else [*line, {}]
        name = options.get("id", f"line{number}")
        if "expression" in options:
            yield name, options, options["expression"]
        else:
            dimensions = frozenset(zip(names[2::2], names[3::2], strict=True))
            yield name, options, Metric(names[0], names[1], dimensions, options.get("stat", "Average"), 60)


def source(widget: Mapping[str, Any]) -> tuple[str, str]:
    """The log group and the query of a log widget."""
    group, _, query = widget["properties"]["query"].removeprefix("SOURCE '").partition("' | ")
    return group, query
