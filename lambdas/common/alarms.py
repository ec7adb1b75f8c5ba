"""The alarms of an environment as CloudWatch has them now: what `notify` decides on, and `diagnose` begins with."""

import json
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from math import isfinite
from operator import ge, gt, le, lt
from typing import TYPE_CHECKING, Any, Literal

from lambdas.common.settings import AlarmSettings
from lambdas.common.words import one_line
from runbook.alarms import Description, alarm_name, descriptions, reading
from runbook.pages import PAGES, Page
from runbook.rows import LEVELS, Row, rows_with
from runbook.sections import Section

if TYPE_CHECKING:
    from mypy_boto3_cloudwatch import CloudWatchClient

_PAGES = {page.slug: page for page in PAGES}
_EARLIEST = datetime(2000, 1, 1, tzinfo=UTC)
_TITLE, _REASON = 150, 500  # characters of what others wrote
_NAMES = 100  # DescribeAlarms takes no more
_TIME = "%Y-%m-%dT%H:%M:%S.%f%z"
_BEYOND: Mapping[str, Callable[[float, float], bool]] = {
    "GreaterThanOrEqualToThreshold": ge,
    "GreaterThanThreshold": gt,
    "LessThanOrEqualToThreshold": le,
    "LessThanThreshold": lt,
}


@dataclass(frozen=True)
class Alarm:
    """An alarm: `firing` since `since` or calm since then (UTC); `notifies` when people should hear of it.

    `slug` is its name below the environment's prefix; `measured` the newest value behind the state beside its normal, in words,
    empty for a composite. `judged` is false before CloudWatch has any data to go by. `began` is the time of
    the first value beyond the line, among those that CloudWatch judged by, while it fires. `reason` is why it has its state, as
    whoever set it says.
    """

    name: str
    slug: str
    firing: bool
    since: datetime
    notifies: bool
    description: Description
    measured: str = ""
    judged: bool = True
    began: datetime | None = None
    reason: str = ""

    @property
    def page(self) -> Page | None:
        """The page that it stands for, if it is one."""
        return _PAGES.get(self.slug)

    @property
    def state(self) -> Literal["ALARM", "OK", "INSUFFICIENT_DATA"]:
        """As CloudWatch calls it."""
        return "ALARM" if self.firing else "OK" if self.judged else "INSUFFICIENT_DATA"

    def by(self, now: datetime) -> "Alarm":
        """The same, at a moment that is not before its state began."""
        return self if self.since <= now else replace(self, since=now)


class Alarms:
    """The alarms of one environment."""

    def __init__(self, settings: AlarmSettings) -> None:
        self._settings = settings
        rows = rows_with(settings.lines)
        self._descriptions = descriptions(rows)
        self._rows = {alarm_name(row.slug, level): row for row in rows for level in LEVELS}

    def read(self, cloudwatch: "CloudWatchClient") -> tuple[Alarm, ...]:
        """All of them as they are now; raises what AWS raises."""
        return tuple(map(self.alarm, self.described(cloudwatch)))

    def described(self, cloudwatch: "CloudWatchClient") -> Collection[Mapping[str, Any]]:
        """All of them as DescribeAlarms has them, each once; raises what AWS raises."""
        pages = cloudwatch.get_paginator("describe_alarms").paginate(
            AlarmNamePrefix=self._settings.alarm_prefix, AlarmTypes=["MetricAlarm", "CompositeAlarm"]
        )
        found = {one["AlarmName"]: one for page in pages for one in (*page["MetricAlarms"], *page["CompositeAlarms"])}
        return found.values()

    def named(self, cloudwatch: "CloudWatchClient", names: list[str]) -> tuple[Alarm, ...]:
        """Those of these names that exist; raises what AWS raises."""
        found = []
        for begin in range(0, len(names), _NAMES):
            answer = cloudwatch.describe_alarms(
                AlarmNames=names[begin : begin + _NAMES], AlarmTypes=["MetricAlarm", "CompositeAlarm"], MaxRecords=_NAMES
            )
            found += [self.alarm(one) for one in (*answer["MetricAlarms"], *answer["CompositeAlarms"])]
        return tuple(found)

    def alarm(self, found: Mapping[str, Any]) -> Alarm:
        """An alarm as DescribeAlarms has it. One whose name is not in the runbook is taken seriously and quoted."""
        name = found["AlarmName"]
        slug = name.removeprefix(self._settings.alarm_prefix)
        since = found.get("StateTransitionedTimestamp") or found["StateUpdatedTimestamp"]
        description = self._descriptions.get(slug) or _quoted(found)
        return Alarm(
            name=name,
            slug=slug,
            firing=found["StateValue"] == "ALARM",
            since=max(since, _EARLIEST).astimezone(UTC),
            notifies=self._settings.alarms_topic in found.get("AlarmActions", ()),
            description=description,
            measured=_measured(found, self._rows.get(slug), description.title),
            judged=found["StateValue"] != "INSUFFICIENT_DATA",
            began=_began(found) if found["StateValue"] == "ALARM" else None,
            reason=found.get("StateReason") or "",
        )


def _quoted(found: Mapping[str, Any]) -> Description:
    title = one_line(found.get("AlarmDescription") or found["AlarmName"], _TITLE)
    return Description(title, "unknown: the runbook has no such alarm", "P2", Section.KEY_METRICS)


def _measured(found: Mapping[str, Any], row: Row | None, title: str) -> str:
    """The newest datapoint behind the state; the reason in CloudWatch's words where it gives no datapoints."""
    if "AlarmRule" in found:
        return ""
    try:
        newest = float([one for one in json.loads(found["StateReasonData"])["recentDatapoints"] if one is not None][-1])
        if isfinite(newest):
            return reading(row, newest) if row else f"{title}: {newest:.4g}"
    except (ValueError, LookupError, TypeError, OverflowError, RecursionError):
        pass
    reason = one_line(found.get("StateReason") or "", _REASON)
    return f"{title}: {reason}" if reason else ""


def _began(found: Mapping[str, Any]) -> datetime | None:
    """The first value beyond the line; None where CloudWatch gives no values."""
    beyond = _BEYOND.get(found.get("ComparisonOperator", ""))
    try:
        points = json.loads(found["StateReasonData"])["evaluatedDatapoints"]
        times = [one["timestamp"] for one in points if beyond and beyond(float(one["value"]), float(found["Threshold"]))]
        return max(datetime.strptime(min(times), _TIME).astimezone(UTC), _EARLIEST)
    except (ValueError, LookupError, TypeError, OverflowError, RecursionError):
        return None
