"""Writes what was measured as a trace, the CSV file that `python -m local.replay` reads."""

from collections.abc import Collection
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

from lambdas.postmortem.trace import text
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
    series = [(metric, {time: point.value for time, point in points.items()}) for metric, points in found.items()]
    file.write_text(text(series), encoding="utf-8")
