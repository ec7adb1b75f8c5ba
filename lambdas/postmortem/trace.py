"""Metrics as a trace, the CSV file that `make replay` and `make drill` read. Pure."""

import csv
import io
from collections.abc import Collection, Iterable, Mapping
from datetime import datetime
from typing import Protocol


class Named(Protocol):
    """What a trace says of a metric."""

    @property
    def namespace(self) -> str: ...
    @property
    def name(self) -> str: ...
    @property
    def dimensions(self) -> frozenset[tuple[str, str]]: ...
    @property
    def statistic(self) -> str: ...


def text(found: Iterable[tuple[Named, Mapping[datetime, float]]]) -> str:
    """The file: a value a line, of each metric by time. A metric is named by what sets it apart from the others."""
    series = sorted(found, key=lambda one: (one[0].namespace, one[0].name, sorted(one[0].dimensions), one[0].statistic))
    all_of_them = [metric for metric, _ in series]
    written = io.StringIO(newline="")
    rows = csv.writer(written, lineterminator="\n")
    rows.writerow(("timestamp", "metric", "value"))
    for metric, points in series:
        name = _name(metric, all_of_them)
        rows.writerows((f"{time:%Y-%m-%dT%H:%M:%SZ}", name, f"{value:.6g}") for time, value in sorted(points.items()))
    return written.getvalue()


def _name(metric: Named, others: Collection[Named]) -> str:
    namesakes = [other for other in others if (other.namespace, other.name) == (metric.namespace, metric.name)]
    apart = metric.dimensions - frozenset.intersection(*(other.dimensions for other in namesakes))
    name = " ".join((metric.namespace, metric.name, *(f"{key}={value}" for key, value in sorted(apart))))
    if any(other.dimensions == metric.dimensions and other.statistic != metric.statistic for other in namesakes):
        name += f" {metric.statistic}"
    return name
