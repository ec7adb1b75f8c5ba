"""The alarms as CloudWatch has them now: what `notify` decides on. Whatever woke it up, it looks at all of them."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import boto3

from lambdas.common.settings import CLIENT, NotifySettings

# As `description` in stacks/thresholds.py writes it.
_DESCRIPTION = re.compile(
    r"(?P<title>.+)\. Likely cause: (?P<cause>.+)\. (?P<severity>P[1-4]): respond within (?P<response>.+)\."
    r" Runbook section (?P<section>\d\.\d .+)"
)


@dataclass(frozen=True)
class Alarm:
    """An alarm: `firing` since `since` or calm since then (UTC); `told` when people are to hear of it.

    `measured` is the newest value behind the state, in words, empty for a composite. `response` is the time within which to
    respond, `section` the runbook's with its title.
    """

    name: str
    firing: bool
    since: datetime
    told: bool
    title: str
    cause: str
    severity: str
    response: str
    section: str
    measured: str = ""


def read(settings: NotifySettings) -> tuple[Alarm, ...]:
    """Every alarm of the environment; raises what AWS raises."""
    pages = boto3.client("cloudwatch", config=CLIENT).get_paginator("describe_alarms")
    found = pages.paginate(AlarmNamePrefix=settings.alarm_prefix, AlarmTypes=["MetricAlarm", "CompositeAlarm"])
    return tuple(
        alarm(described, settings.alarms_topic)
        for page in found
        for described in (*page["MetricAlarms"], *page["CompositeAlarms"])
    )


def alarm(described: Mapping[str, Any], topic: str) -> Alarm:
    """An alarm as DescribeAlarms has it. One whose description is not ours is taken seriously and quoted."""
    words = described.get("AlarmDescription", "")
    said = _DESCRIPTION.fullmatch(words)
    parts = (
        said.groupdict()
        if said
        else {
            "title": words or described["AlarmName"],
            "cause": "unknown: the alarm's description does not say",
            "severity": "P2",
            "response": "1 hour",
            "section": "7.1 Key Metrics to Watch",
        }
    )
    since = described.get("StateTransitionedTimestamp") or described["StateUpdatedTimestamp"]
    return Alarm(
        name=described["AlarmName"],
        firing=described["StateValue"] == "ALARM",
        since=since.astimezone(UTC),
        told=topic in described.get("AlarmActions", ()),
        measured=_measured(described),
        **parts,
    )


def _measured(described: Mapping[str, Any]) -> str:
    """The newest datapoint behind the state; the reason in CloudWatch's words where it gives no datapoints."""
    if "AlarmRule" in described:
        return ""
    try:
        newest = [one for one in json.loads(described["StateReasonData"])["recentDatapoints"] if one is not None][-1]
    except (ValueError, LookupError, TypeError):
        return str(described.get("StateReason", ""))
    return f"{newest:.4g}"
