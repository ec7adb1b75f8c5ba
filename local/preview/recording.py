"""Runs the drill of a bad release and keeps its recording, which `make dashboard` draws."""

import argparse
import json
import sys
from collections.abc import Iterator, Mapping
from contextlib import closing
from datetime import datetime
from pathlib import Path
from typing import Any

from rich.console import Console

from lambdas.common.record.words import exported
from local.cloud import Cloud
from local.cloudwatch.alarms import Metric
from local.cloudwatch.loop import MINUTE
from local.drills import traces
from local.drills.catalog import run
from local.drills.drill import BEGIN
from local.drills.operator import records
from local.drills.simulation import QUIET_MINUTES, Simulation
from local.preview.recorded import RECORDING, lines, names, source
from stacks.config import load

CALM_MINUTES = 8  # after the drill, so that its end is seen


def record(simulation: Simulation, marks: Mapping[str, datetime], since: datetime, file: Path) -> None:
    """Write what the deployed dashboard and alarms read since then, as `load_recording` takes it."""
    body = json.loads(simulation.cloudwatch.get_dashboard(DashboardName=simulation.environment.dashboard)["DashboardBody"])
    shown = {line for widget in body["widgets"] for _, _, line in lines(widget) if isinstance(line, Metric)}
    traces.write(file, simulation, since, also=shown)
    recorded = records(simulation.cloud)
    incidents = [recorded.read(entry.name) for entry in recorded.entries(1)]
    kept = {
        "names": names(simulation.environment),
        "marks": {name: at.isoformat(timespec="seconds") for name, at in marks.items()},
        "logs": {
            group: [[event["timestamp"], event["message"]] for event in _events(simulation.cloud, group, since)]
            for group in sorted({source(widget)[0] for widget in body["widgets"] if widget["type"] == "log"})
        },
        "incident": next((json.loads(exported(incident)) for incident in incidents), None),
    }
    file.with_suffix(".json").write_text(json.dumps(kept, indent=1) + "\n", encoding="utf-8")


def _events(cloud: Cloud, group: str, since: datetime) -> Iterator[Mapping[str, Any]]:
    pages = cloud.client("logs").get_paginator("filter_log_events")
    for page in pages.paginate(logGroupName=group, startTime=int(since.timestamp() * 1000)):
        yield from page["events"]


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m local.preview.recording", description=__doc__)
    parser.add_argument("environment", nargs="?", default="production", help="which environment the drill deploys")
    options = parser.parse_args()
    RECORDING.parent.mkdir(exist_ok=True)
    with Cloud.start(load(options.environment)) as cloud:
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
