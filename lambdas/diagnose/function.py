"""Says within seconds what is behind an incident (runbook 2.2 and 3.1 to 3.5): reads everything at once, ranks the hypotheses,
records the finding, and tells those who were called.

`notify` invokes it right after it has called somebody, and people do by hand. Nobody's call waits for it.
"""

import json
import time
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, TypeGuard

from aws_lambda_powertools import Logger

from lambdas.common import pagerduty
from lambdas.common.clock import Clock
from lambdas.common.events import EventError
from lambdas.common.record.events import AlarmChanged, Diagnosed, Event, Notified
from lambdas.common.record.incident import Incident
from lambdas.common.record.store import Records
from lambdas.diagnose import words
from lambdas.diagnose.findings import last_change, ranked
from lambdas.diagnose.reader import Reader
from lambdas.diagnose.settings import DiagnoseSettings
from runbook.severities import CALLED

if TYPE_CHECKING:
    from mypy_boto3_sns import SNSClient

logger = Logger(service="diagnose")


class Diagnose:
    """The function in one environment."""

    def __init__(self, settings: DiagnoseSettings, reader: Reader, records: Records, sns: "SNSClient", clock: Clock) -> None:
        self._settings = settings
        self._reader = reader
        self._records = records
        self._sns = sns
        self._clock = clock

    def run(self, event: Any) -> dict[str, Any]:
        """Diagnose the incident that the event names, at its time; without one the incident that goes on, if any does, now.

        Returns the finding in words. EventError for an event of another form; raises what AWS raises where the finding could
        not be recorded or told, after it was logged."""
        began = time.monotonic()
        name, at, asked = self._asked(event)
        incident = self._records.read(name) if name else None
        if incident and not incident.events:
            raise EventError(f"there is no incident {name}: name one that `make incident` lists, or none")
        found = self._diagnosis(name, at, began, incident)
        logger.info(found.words, incident=name, seconds=found.seconds, missing=found.missing)
        if incident and self._records.add(name, [found]) and asked:
            self._tell(incident, found)
        return {
            "incident": name,
            "diagnosis": words.text(name or "now", found, self._settings.runbook_url).splitlines(),
            "missing": found.missing,
            "seconds": found.seconds,
        }

    def _asked(self, event: Any) -> tuple[str, datetime, bool]:
        """The incident, the moment, and whether `notify` asks, for those whom it has called."""
        if not isinstance(event, Mapping) or not all(isinstance(event.get(key, ""), str) for key in ("incident", "at")):
            raise EventError('the event should be {} or {"incident": "2026-11-26-1"}')
        now = self._clock()
        try:
            at = datetime.fromisoformat(event["at"]).astimezone(UTC) if "at" in event else now
        except ValueError:
            raise EventError(f'"at" is {event["at"]!r}, and should be a time such as "2026-11-26T12:00:00+00:00"') from None
        name = event.get("incident", "")
        if not name and (entry := self._records.open(at)):
            name = entry.name
        return name, at, "at" in event

    def _diagnosis(self, name: str, at: datetime, began: float, incident: Incident | None) -> Diagnosed:
        facts = self._reader.read(at, incident.times.began or incident.times.detected if incident else None)
        names = {**self._settings.model_dump(), "incident": name or "none"}
        return Diagnosed(
            id=f"finding {at.isoformat()}",
            at=at,
            findings=ranked(facts, names),
            changed=last_change(facts),
            facts=tuple(words.known(facts)),
            missing=tuple(f"{what}: {why}" for what, why in facts.missing.items()),
            seconds=round(time.monotonic() - began, 3),
        )

    def _tell(self, incident: Incident, found: Diagnosed) -> None:
        """Those who were called for a page that still fires, as an update of that page; and the chat."""
        page = next((one for one in reversed(incident.events) if _calls(one) and one.alarm in incident.firing), None)
        if page is None:
            return
        begun = next(
            one
            for one in reversed(incident.events)
            if isinstance(one, AlarmChanged) and one.alarm == page.alarm and one.state == "ALARM"
        )
        told = [one for one in incident.events if isinstance(one, Diagnosed) and begun.at <= one.at]
        if page.at < begun.at or (told and told[-1].top.hypothesis == found.top.hypothesis):
            return  # nobody was called for it yet, or they know
        subject = words.subject(page.severity, self._settings.environment, incident.name, found)
        text = words.text(incident.name, found, self._settings.runbook_url)
        notified = Notified(
            id=f"notification people {found.id}",
            at=found.at + timedelta(seconds=found.seconds),
            channel="people",
            what="finding",
            alarm=page.alarm,
            severity=page.severity,
            subject=subject,
            text=text,
        )
        self._sns.publish(
            TopicArn=self._settings.topic(page.severity),
            Subject=subject,
            Message=json.dumps(
                {"default": text, "https": pagerduty.message(page.alarm, "ALARM", begun.at.isoformat(), begun.title, text)},
                ensure_ascii=False,
            ),
            MessageStructure="json",
        )
        in_chat = words.for_chat(incident.name, found, self._settings.runbook_url)
        self._sns.publish(TopicArn=self._settings.chat_topic, Message=in_chat)
        self._records.add(incident.name, [notified])


def _calls(event: Event) -> TypeGuard[Notified]:
    return isinstance(event, Notified) and event.channel == "people" and event.severity in CALLED
