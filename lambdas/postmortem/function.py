"""Write the post-mortem's draft of an incident that has closed, and record what users had of it.

`notify` invokes it when it records the end of an incident, and people may: `{"incident": "2026-11-26-1"}`. A second run changes
nothing: the impact is recorded once for each closing, and S3 takes each file only where there is none, so what people have
edited stays. A run that died is ended by the next. An incident that was reopened and has closed again gets another draft,
beside the first.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from aws_lambda_powertools import Logger
from botocore.exceptions import ClientError

from lambdas.common.events import EventError
from lambdas.common.record.events import AlarmChanged, Closed
from lambdas.common.record.incident import Incident
from lambdas.common.record.store import Records
from lambdas.common.record.words import exported
from lambdas.postmortem import markdown, page, trace
from lambdas.postmortem.document import Findings, document, folder
from lambdas.postmortem.impact import RESPONSE_TIME, impact, not_slow, requests
from lambdas.postmortem.metrics import LOOK_BACK, MINUTE, Alarm, Metric, Metrics, Series, watched_rows
from lambdas.postmortem.settings import PostmortemSettings
from runbook.alarms import alarm_name
from runbook.rows import RECURRING, rows_with

if TYPE_CHECKING:
    from mypy_boto3_cloudwatch import CloudWatchClient
    from mypy_boto3_dynamodb.service_resource import Table

logger = Logger(service="postmortem")
_NAME = re.compile(r"\d{4}-\d{2}-\d{2}-\d{1,4}")
_LATENCY = "alb-latency-p95"
_THERE = "PreconditionFailed"
"""What S3 says where an object is there.
https://docs.aws.amazon.com/AmazonS3/latest/userguide/conditional-writes.html"""


@dataclass(frozen=True, kw_only=True)
class Clients:
    """What `postmortem` calls AWS with: one client for each service, and the table of records."""

    cloudwatch: "CloudWatchClient"
    s3: Any
    records: "Table"


class Postmortem:
    """The function in one environment."""

    def __init__(self, settings: PostmortemSettings, clients: Clients) -> None:
        self._settings = settings
        self._s3 = clients.s3
        self._records = Records(clients.records)
        self._metrics = Metrics(clients.cloudwatch, settings.alarm_prefix)
        self._rows = rows_with(settings.lines)

    def run(self, event: Any) -> dict[str, Any]:
        """Write what is not there yet. Log and return the files that were `written`, and a `summary`.

        EventError for an event that names no incident; raises what AWS raises."""
        name = event.get("incident") if isinstance(event, dict) else None
        if not isinstance(name, str) or not _NAME.fullmatch(name):
            raise EventError('the event should name an incident: {"incident": "2026-11-26-1"}')
        incident = self._records.read(name)
        if not incident.closed:
            return self._said(name, [], "It goes on" if incident.events else "There is no such incident")
        written = self._write(incident)
        bucket = f"s3://{self._settings.bucket}/{folder(incident)}"
        return self._said(name, written, f"Written to {bucket}" if written else f"What is in {bucket} stays as it is")

    def _write(self, incident: Incident) -> list[str]:
        closed = next(event.at for event in reversed(incident.events) if isinstance(event, Closed))
        alarms = self._metrics.alarms()
        begin, end = outage(incident, closed)
        lasted = end - begin
        slow = next(row.warning for row in self._rows if row.slug == _LATENCY)
        since = begin - max(lasted, timedelta(minutes=RECURRING.periods))
        values = self._metrics.read(alarms.values(), since, closed, [(RESPONSE_TIME, not_slow(slow))])
        if found := impact(values, begin, end, closed):
            self._records.add(incident.name, [found])
            incident = self._records.read(incident.name)
        findings = Findings(
            begin=begin,
            end=end,
            rows=self._measured(incident, alarms, begin, closed),
            requests=requests(values, begin, end) if found else None,
            usual=requests(values, begin - lasted, begin) if found else None,
            slow=slow,
        )
        blocks = document(incident, findings, self._settings)
        files = {
            "post-mortem.md": (markdown.written(blocks), "text/markdown; charset=utf-8"),
            "post-mortem.html": (page.written(blocks), "text/html; charset=utf-8"),
            "incident.json": (exported(incident), "application/json"),
            "trace.csv": (trace.text(_of_alarms(values)), "text/csv"),
        }
        return [file for file, (text, kind) in files.items() if self._put(f"{folder(incident)}/{file}", text, kind)]

    def _measured(self, incident: Incident, alarms: Mapping[str, Alarm], begin: datetime, end: datetime) -> tuple[Any, ...]:
        """The rows of the alarms that fired, over the days before and the incident."""
        fired = (event.alarm for event in incident.events if isinstance(event, AlarmChanged) and event.state == "ALARM")
        rows = watched_rows(self._rows, (name.removeprefix(self._settings.alarm_prefix) for name in fired))
        found = (
            self._metrics.row(row, alarms[name], begin - LOOK_BACK, end)
            for row in rows
            if (name := alarm_name(row.slug, "critical")) in alarms
        )
        return tuple(filter(None, found))

    def _put(self, key: str, text: str, kind: str) -> bool:
        """Write an object where there is none; whether it was."""
        try:
            self._s3.put_object(Bucket=self._settings.bucket, Key=key, Body=text.encode(), ContentType=kind, IfNoneMatch="*")
        except ClientError as error:
            if error.response["Error"]["Code"] != _THERE:
                raise
            return False
        return True

    def _said(self, incident: str, written: list[str], summary: str) -> dict[str, Any]:
        logger.info(summary, incident=incident, written=written)
        return {"incident": incident, "written": written, "summary": f"{summary}."}


def outage(incident: Incident, closed: datetime) -> tuple[datetime, datetime]:
    """The whole minutes in which an incident's outage lies: from the first value beyond a line, or the first alarm, to the end
    of the last page; to its closing where no page ended."""
    times = incident.times
    begin = min(filter(None, (times.began, times.detected)), default=incident.events[0].at)
    end = times.mitigated or closed
    return _floor(begin), max(_floor(end - timedelta(microseconds=1)) + MINUTE, _floor(begin) + MINUTE)


def _floor(moment: datetime) -> datetime:
    return moment.replace(second=0, microsecond=0)


def _of_alarms(values: Mapping[Metric, Series]) -> list[tuple[Metric, Series]]:
    """What alarms read: a replay knows nothing else."""
    return [(metric, series) for metric, series in values.items() if not metric.statistic.startswith("PR")]
