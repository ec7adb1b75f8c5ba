"""Writes what was measured as a trace, the CSV file that `python -m local.replay` reads."""

import csv
from collections.abc import Collection
from datetime import datetime
from pathlib import Path

from local.cloudwatch.alarms import Metric, metrics
from local.drills.simulation import Simulation


def write(file: Path, simulation: Simulation, since: datetime, also: Collection[Metric] = ()) -> None:
    """Write what the alarms' metrics were since then, and other metrics, minute by minute."""
    pages = simulation.cloudwatch.get_paginator("describe_alarms").paginate(AlarmTypes=["MetricAlarm"])
    wanted = {metric for page in pages for alarm in page["MetricAlarms"] for metric in metrics(alarm).values()} | {*also}
    end = simulation.cloud.now().replace(second=0, microsecond=0)
    with file.open("w", encoding="utf-8", newline="") as opened:
        rows = csv.writer(opened, lineterminator="\n")
        rows.writerow(("timestamp", "metric", "value"))
        for metric, points in sorted(simulation.alarms.read(wanted, since, end).items(), key=lambda item: str(item[0])):
            namesakes = [other for other in wanted if (other.namespace, other.name) == (metric.namespace, metric.name)]
            apart = metric.dimensions - frozenset.intersection(*(other.dimensions for other in namesakes))
            name = " ".join((metric.namespace, metric.name, *(f"{key}={value}" for key, value in sorted(apart))))
            if any(other.dimensions == metric.dimensions and other.statistic != metric.statistic for other in namesakes):
                name += f" {metric.statistic}"
            rows.writerows((f"{time:%Y-%m-%dT%H:%M:%SZ}", name, f"{point.value:.6g}") for time, point in sorted(points.items()))
