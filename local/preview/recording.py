"""A recorded drill: the metrics that the dashboard and the alarms read, what happened when, and the log events it asks for.

`python -m local.recording` makes the one that is kept in `local/recordings/` anew: the drill of a bad release. The metrics are
a trace, as `python -m local.replay` has them; marks and log events are in a JSON file beside it, which other traces lack.
"""

import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from rich.console import Console

from local.cloud import Cloud
from local.cloudwatch.alarms import Metric
from local.cloudwatch.metric_math import TimeSeries
from local.drills import traces
from local.drills.catalog import run
from local.drills.drill import BEGIN
from local.drills.simulation import MINUTE, QUIET_MINUTES, Simulation
from local.replay.__main__ import UNRESOLVED
from local.replay.trace import Trace, read, series
from stacks.config import load
from stacks.environment import Environment

RECORDING = Path(__file__).with_name("recordings") / "bad-release.csv"
CALM_MINUTES = 8  # after the drill, so that its end is seen
RECORDED_IN = "production"


@dataclass(frozen=True)
class Recording:
    """A drill: its metrics, its marks by name, `begin` among them, and its log events by group, oldest first."""

    title: str
    trace: Trace
    marks: Mapping[str, datetime]
    logs: Mapping[str, Sequence[Mapping[str, str]]]

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
            namespace, called, *given = name.split()
            pairs = [pair.partition("=")[::2] for pair in given]
            if (namespace, called) == (metric.namespace, metric.name) and all(
                dimensions.get(key) in (value, UNRESOLVED) for key, value in pairs
            ):
                points += found
        return series(points, metric)


def load_recording(file: Path, environment: Environment) -> Recording:
    """The recording whose metrics are in a file, under the names of an environment; TraceError says what is wrong with it."""
    trace = read(file)
    trace.points = {name.replace(RECORDED_IN, environment.name): points for name, points in trace.points.items()}
    beside = file.with_suffix(".json")
    kept = json.loads(beside.read_text(encoding="utf-8").replace(RECORDED_IN, environment.name)) if beside.exists() else {}
    marks = {name: datetime.fromisoformat(at) for name, at in kept.get("marks", {}).items()}
    logs = {
        group: [{"@timestamp": _stamp(time), "@message": message} for time, message in events]
        for group, events in kept.get("logs", {}).items()
    }
    # Without its own word on it, a trace begins with the quiet minutes that alarms look back on.
    return Recording(file.stem, trace, {"begin": trace.begin + QUIET_MINUTES * MINUTE, **marks}, logs)


def _stamp(milliseconds: int) -> str:
    """As Logs Insights shows a time."""
    return f"{datetime.fromtimestamp(milliseconds / 1000, UTC):%Y-%m-%d %H:%M:%S.%f}"[:-3]


def record(simulation: Simulation, marks: Mapping[str, datetime], since: datetime, file: Path) -> None:
    """Write what the deployed dashboard and alarms read since then, as `load_recording` takes it."""
    body = json.loads(simulation.cloudwatch.get_dashboard(DashboardName=simulation.environment.dashboard)["DashboardBody"])
    shown = {line for widget in body["widgets"] for _, _, line in lines(widget) if isinstance(line, Metric)}
    traces.write(file, simulation, since, also=shown)
    kept = {
        "marks": {name: at.isoformat(timespec="seconds") for name, at in marks.items()},
        "logs": {
            group: [[event["timestamp"], event["message"]] for event in _events(simulation.cloud, group, since)]
            for group in sorted({source(widget)[0] for widget in body["widgets"] if widget["type"] == "log"})
        },
    }
    file.with_suffix(".json").write_text(json.dumps(kept, indent=1) + "\n", encoding="utf-8")


def _events(cloud: Cloud, group: str, since: datetime) -> Iterator[Mapping[str, Any]]:
    pages = cloud.client("logs").get_paginator("filter_log_events")
    for page in pages.paginate(logGroupName=group, startTime=int(since.timestamp() * 1000)):
        yield from page["events"]


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


def main() -> int:
    RECORDING.parent.mkdir(exist_ok=True)
    with Cloud.start(load(RECORDED_IN)) as cloud:
        cloud.deploy()
        with closing(Simulation(cloud)) as simulation:
            drill = run("bad-release", simulation, Console(soft_wrap=True))
            for _ in range(CALM_MINUTES):
                simulation.minute()
            marks = {name: at for name, (at, _) in drill.timeline.marks.items()}
            record(simulation, marks, marks[BEGIN] - QUIET_MINUTES * MINUTE, RECORDING)
    return 0 if drill.passed else 1


if __name__ == "__main__":
    sys.exit(main())
