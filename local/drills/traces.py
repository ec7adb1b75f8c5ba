"""Writes what was measured as a trace, the CSV file that `python -m local.replay` reads."""

import csv
from collections.abc import Collection
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

from local.cloudwatch.alarms import Metric, metrics
from local.cloudwatch.loop import MINUTE
from local.drills.simulation import Simulation


def write(file: Path, simulation: Simulation, since: datetime, also: Collection[Metric] = ()) -> None:
    """Write what the alarms' metrics were since then, and other metrics, minute by minute.

    A trace has one series of a metric, of the statistic that the first alarm by name reads.
    """
    pages = simulation.cloudwatch.get_paginator("describe_alarms").paginate(AlarmTypes=["MetricAlarm"])
    wanted: dict[tuple[Any, ...], Metric] = {}
    for metric in (*(metric for page in pages for alarm in page["MetricAlarms"] for metric in metrics(alarm).values()), *also):
        wanted.setdefault((metric.namespace, metric.name, metric.dimensions), replace(metric, period=60))
    begin, end = (time.replace(second=0, microsecond=0) for time in (since, simulation.cloud.now()))
    minutes = [begin + MINUTE * minute for minute in range((end - begin) // MINUTE)]
    found = simulation.alarms.read(dict.fromkeys(wanted.values(), minutes))
    with file.open("w", encoding="utf-8", newline="") as opened:
        rows = csv.writer(opened, lineterminator="\n")
        rows.writerow(("timestamp", "metric", "value"))
        for metric, points in sorted(found.items(), key=lambda item: str(item[0])):
            namesakes = [other for other in wanted.values() if (other.namespace, other.name) == (metric.namespace, metric.name)]
            apart = metric.dimensions - frozenset.intersection(*(other.dimensions for other in namesakes))
            name = " ".join((metric.namespace, metric.name, *(f"{key}={value}" for key, value in sorted(apart))))
            if any(other.dimensions == metric.dimensions and other.statistic != metric.statistic for other in namesakes):
                name += f" {metric.statistic}"
            rows.writerows((f"{time:%Y-%m-%dT%H:%M:%SZ}", name, f"{point.value:.6g}") for time, point in sorted(points.items()))
