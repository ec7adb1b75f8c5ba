"""What users had of an outage, over the usual. Pure: no AWS client, no clock."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime

from lambdas.common.record.events import Impact
from lambdas.postmortem.metrics import MINUTE, Metric, Series

_BALANCER = "AWS/ApplicationELB"
RESPONSE_TIME = "TargetResponseTime"


@dataclass(frozen=True)
class Requests:
    """The requests of a span: all of them, those that failed, and those that were slow."""

    all: int
    failed: int
    slow: int


def not_slow(seconds: float) -> str:
    """CloudWatch's statistic for the percentage of values that are not over so many seconds, a percentile rank.
    https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/Statistics-definitions.html"""
    return f"PR(:{seconds:g})"


def requests(values: Mapping[Metric, Series], begin: datetime, end: datetime) -> Requests:
    """The requests from one time to another, as the load balancer counted them: those for which it had no target are only
    among its own 5XX."""
    answered, refused, errors = (
        _sums(values, name, begin, end) for name in ("RequestCount", "HTTPCode_ELB_5XX_Count", "HTTPCode_Target_5XX_Count")
    )
    slow = sum(
        (100 - share) / 100 * answered.get(time, 0)
        for metric, series in values.items()
        if metric.name == RESPONSE_TIME and metric.statistic.startswith("PR")
        for time, share in series.items()
    )
    failed = sum(refused.values()) + sum(errors.values())
    return Requests(round(sum(answered.values()) + sum(refused.values())), round(failed), round(slow))


def impact(values: Mapping[Metric, Series], begin: datetime, end: datetime, closed: datetime) -> Impact | None:
    """The impact of an outage from one whole minute to another, which closed at a moment: over what the span of the same length
    before it had. None where CloudWatch has no values any more."""
    if not any(series for series in values.values()):
        return None
    found, usual = requests(values, begin, end), requests(values, begin - (end - begin), begin)
    return Impact(
        id=f"impact {closed.isoformat()}",
        at=closed,
        failed=max(found.failed - usual.failed, 0),
        slow=max(found.slow - usual.slow, 0),
        requests=found.all,
        minutes=(end - begin) // MINUTE,
    )


def _sums(values: Mapping[Metric, Series], name: str, begin: datetime, end: datetime) -> dict[datetime, float]:
    found: Iterable[Series] = (
        series
        for metric, series in values.items()
        if (metric.namespace, metric.name, metric.statistic) == (_BALANCER, name, "Sum")
    )
    return {time: value for series in found for time, value in series.items() if begin <= time < end}
