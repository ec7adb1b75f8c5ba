"""Runs the drill of a bad release and keeps its recording, which `make dashboard` draws."""

import argparse
import json
import sys
from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from rich.console import Console

from local.cloud import Cloud
from local.cloudwatch.alarms import Metric
from local.drills.__main__ import bad_release
from local.drills.production import Production
from local.preview.recorded import RECORDING, lines, names, source
from stacks.config import load

CALM_MINUTES = 8  # after the drill, so that its end is seen


def record(production: Production, since: datetime, file: Path) -> None:
    """Write what the deployed dashboard and alarms read since then, as `load_recording` takes it."""
    body = json.loads(
        production.cloudwatch.get_dashboard(DashboardName=production.cloud.environment.dashboard)["DashboardBody"]
    )
    shown = {line for widget in body["widgets"] for _, _, line in lines(widget) if isinstance(line, Metric)}
    production.record(file, since, also=shown)
    kept = {
        "names": names(production.cloud.environment),
        "marks": {name: at.isoformat(timespec="seconds") for name, at in production.marks.items()},
        "logs": {
            group: [[event["timestamp"], event["message"]] for event in _events(production.cloud, group, since)]
            for group in sorted({source(widget)[0] for widget in body["widgets"] if widget["type"] == "log"})
        },
    }
    file.with_suffix(".json").write_text(json.dumps(kept, indent=1) + "\n", encoding="utf-8")


def _events(cloud: Cloud, group: str, since: datetime) -> Iterator[Mapping[str, Any]]:
    pages = cloud.client("logs").get_paginator("filter_log_events")
    for page in pages.paginate(logGroupName=group, startTime=int(since.timestamp() * 1000)):
        yield from page["events"]


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m local.preview.recording", description=__doc__)
    parser.add_argument("environment", nargs="?", default="production", help="where the drill is run")
    options = parser.parse_args()
    RECORDING.parent.mkdir(exist_ok=True)
    with Cloud.start(load(options.environment)) as cloud:
        cloud.deploy()
        # From the start of a minute: each one takes a moment longer than 60 s, and one that is jumped over would be a gap.
        quiet = cloud.advance(timedelta(seconds=60 - cloud.now().second))
        production = Production(cloud)
        production.marks["begin"] = cloud.now()
        recovered = bad_release(production, Console(soft_wrap=True))
        for _ in range(CALM_MINUTES):
            production.minute()
        record(production, quiet, RECORDING)
    return 0 if recovered else 1


if __name__ == "__main__":
    sys.exit(main())
