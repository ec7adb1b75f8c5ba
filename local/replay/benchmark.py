"""`python -m local.replay.benchmark`: how long a replay of 14 days of every metric takes, against merely reading the CSV."""

import csv
import random
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from local.cloudwatch.alarms import metrics
from local.cloudwatch.loop import MINUTE
from local.replay import definitions
from local.replay.replay import replay
from local.replay.report import draw
from local.replay.told import told
from local.replay.trace import read
from stacks.config import load

MINUTES = 14 * 24 * 60
QUIET = {"RequestCount": 600, "HealthyHostCount": 2, "TargetResponseTime": 0.2, "Availability": 100}  # all else is 0
BAD = {"RequestCount": 600, "TargetResponseTime": 3, "Availability": 0}  # all else is 200
INCIDENT_EVERY, INCIDENT = 2 * 24 * 60, 30  # minutes


def timed(work: Callable[[], Any]) -> tuple[Any, float]:
    """What the work gives, and the seconds of CPU it took."""
    begun = time.process_time()
    return work(), time.process_time() - begun


def main() -> None:
    environment = load("production")
    remediation = definitions.template(environment, stack="remediation")
    topics = definitions.topics(remediation, environment)
    alarms = definitions.alarms(definitions.template(environment), environment, topics)
    read_by_alarms = {metric for alarm in alarms if "AlarmRule" not in alarm for metric in metrics(alarm).values()}
    names = {
        " ".join((metric.namespace, metric.name, *(f"{name}={value}" for name, value in metric.dimensions))): metric.name
        for metric in sorted(read_by_alarms, key=str)
    }
    chance = random.Random(14)  # noqa: S311 - the same trace each time
    begin = datetime(2026, 1, 1, tzinfo=UTC)
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "trace.csv"
        with file.open("w", newline="") as opened:
            rows = csv.writer(opened)
            rows.writerow(("timestamp", "metric", "value"))
            for minute in range(MINUTES):
                stamp = f"{begin + MINUTE * minute:%Y-%m-%dT%H:%M:%SZ}"
                bad = minute % INCIDENT_EVERY >= INCIDENT_EVERY - INCIDENT
                for name, metric in names.items():
                    value = BAD.get(metric, 200) if bad else QUIET.get(metric, 0)
                    rows.writerow((stamp, name, f"{value * (1 - 0.005 * chance.random()):.4g}"))
        print(f"{MINUTES} minutes, {len(names)} metrics, {len(alarms)} alarms, a file of {file.stat().st_size / 2**20:.0f} MiB")
        _, floor = timed(lambda: sum(1 for _ in csv.reader(file.read_text().splitlines())))
        trace, reading = timed(lambda: read(file))
        replayed, replaying = timed(lambda: replay(trace, alarms, environment))
        messages, telling = timed(lambda: told(replayed, alarms, definitions.notify(remediation, environment)))
        _, drawing = timed(lambda: draw(replayed, messages, Path(folder) / "replay.svg", None))
    changes = sum(len(result.transitions) for result in replayed.results)
    print(f"the alarms changed {changes} times, of which people are told {len(messages)} times")
    for what, seconds in (
        ("csv.reader", floor),
        ("read", reading),
        ("replay", replaying),
        ("told", telling),
        ("draw", drawing),
    ):
        print(f"{what:12}{seconds:6.2f} s of CPU{seconds / floor:8.1f} x csv.reader")


if __name__ == "__main__":
    main()
