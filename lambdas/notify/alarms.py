"""The alarms as CloudWatch has them now: what `notify` decides on. Whatever invoked it, it looks at all of them."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from lambdas.notify.settings import NotifySettings
from runbook.alarms import Description, alarm_name, descriptions, reading
from runbook.pages import PAGES, Page
from runbook.rows import LEVELS, Row, rows_with
from runbook.sections import Section

if TYPE_CHECKING:
    from mypy_boto3_cloudwatch import CloudWatchClient

_PAGES = {page.slug: page for page in PAGES}


@dataclass(frozen=True)
class Alarm:
    """An alarm: `firing` since `since` or calm since then (UTC); `notifies` when people should hear of it.

    `slug` is its name below the environment's prefix; `measured` the newest value behind the state beside its normal, in words,
    empty for a composite. `judged` is false before CloudWatch has any data to go by.
    """

    name: str
    slug: str
    firing: bool
    since: datetime
    notifies: bool
    description: Description
    measured: str = ""
    judged: bool = True

    @property
    def page(self) -> Page | None:
        """The page that it stands for, if it is one."""
        return _PAGES.get(self.slug)


class Alarms:
    """The alarms of one environment."""

    def __init__(self, settings: NotifySettings) -> None:
        self._settings = settings
        rows = rows_with(settings.lines)
        self._descriptions = descriptions(rows)
        self._rows = {alarm_name(row.slug, level): row for row in rows for level in LEVELS}

    def read(self, cloudwatch: "CloudWatchClient") -> tuple[Alarm, ...]:
        """All of them as they are now; raises what AWS raises."""
        pages = cloudwatch.get_paginator("describe_alarms").paginate(
            AlarmNamePrefix=self._settings.alarm_prefix, AlarmTypes=["MetricAlarm", "CompositeAlarm"]
        )
        return tuple(self.alarm(found) for page in pages for found in (*page["MetricAlarms"], *page["CompositeAlarms"]))

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
            since=since.astimezone(UTC),
            notifies=self._settings.alarms_topic in found.get("AlarmActions", ()),
            description=description,
            measured=_measured(found, self._rows.get(slug), description.title),
            judged=found["StateValue"] != "INSUFFICIENT_DATA",
        )


def _quoted(found: Mapping[str, Any]) -> Description:
    title = found.get("AlarmDescription") or found["AlarmName"]
    return Description(title, "unknown: the runbook has no such alarm", "P2", Section.KEY_METRICS)


def _measured(found: Mapping[str, Any], row: Row | None, title: str) -> str:
    """The newest datapoint behind the state; the reason in CloudWatch's words where it gives no datapoints."""
    if "AlarmRule" in found:
        return ""
    try:
        newest = [one for one in json.loads(found["StateReasonData"])["recentDatapoints"] if one is not None][-1]
    except (ValueError, LookupError, TypeError):
        reason = found.get("StateReason")
        return f"{title}: {reason}" if reason else ""
    return reading(row, newest) if row else f"{title}: {newest:.4g}"
