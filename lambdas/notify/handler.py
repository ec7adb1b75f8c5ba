"""`notify`: who has to know of an alarm is told, once, in words. Alarms wake it up, and so does every minute.

It decides on the alarms as they are, never on what woke it up, so that an event that is lost, late or delivered twice changes
nothing. A notification is remembered after it is sent: a run that dies in between sends it again.
"""

import json
import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any

import boto3
from aws_lambda_powertools import Logger
from botocore.exceptions import BotoCoreError, ClientError

from lambdas.common.events import EventError, sent_at
from lambdas.common.incidents import Incidents, Outcome
from lambdas.common.settings import CLIENT, NotifySettings, read
from lambdas.notify import alarms as cloudwatch
from lambdas.notify.alarms import Alarm
from lambdas.notify.messages import Situation, for_chat, for_pagerduty, subject, text
from lambdas.notify.plan import Memory, Notification, Rules, plan
from lambdas.rollback.decisions import ROLLING_BACK, RUNNING

logger = Logger(service="notify")

_AFTERMATH = timedelta(minutes=3)
"""How long the alarms take to see that a deployment has mended what they watch."""


def handle(event: Any, _context: object) -> dict[str, Any]:
    """Whatever the event, who was told: the alarms' names by kind. Raises when somebody could not be told."""
    return _function().run(_moment(event))


@cache
def _function() -> "Notify":
    return Notify(read(NotifySettings))


def _moment(event: Any) -> datetime:
    """When the event was sent; the wall clock's time where it does not say."""
    try:
        return sent_at(event)
    except EventError as error:
        logger.warning("The alarms are looked at all the same", problem=str(error))
        return datetime.fromtimestamp(time.time(), UTC)


class Notify:
    """The function in one environment."""

    def __init__(self, settings: NotifySettings) -> None:
        self._settings = settings
        self._incidents = Incidents(settings)
        self._cloudwatch = boto3.client("cloudwatch", config=CLIENT)
        self._ecs = boto3.client("ecs", config=CLIENT)
        self._sns = boto3.client("sns", config=CLIENT)
        self._rules = Rules(
            hold=timedelta(seconds=settings.hold_seconds),
            deployment=timedelta(minutes=settings.deployment_minutes),
            calm=timedelta(minutes=settings.calm_minutes),
            pages={name: page.waits for name, page in settings.pages.items()},
        )

    def run(self, at: datetime) -> dict[str, Any]:
        """Tell what is news at a moment, and remember it."""
        found = cloudwatch.read(self._settings)
        now = max(at, *(alarm.since for alarm in found))  # a state that is newer than what woke us up counts
        was = {name: Memory.from_json(one) for name, one in json.loads(self._incidents.notifications() or "{}").items()}
        waiting = [alarm.name for alarm in found if alarm.firing and self._rules.pages.get(alarm.name)]
        news, kept = plan(
            found,
            was,
            now,
            rules=self._rules,
            deploying=bool(waiting) and self._deploying(now),
            maintenance=self._maintenance(found, now),
        )
        incident, unread = self._open_incident() if waiting else ("", "")
        kept |= {name: replace(kept[name], incident=kept[name].incident or incident) for name in waiting if name in kept}
        told: dict[str, list[str]] = {}
        failure: Exception | None = None
        for one in news:
            name = one.alarm.name
            try:
                self._tell(one, found, now, kept.get(name, one.memory).incident, unread)
                told.setdefault(one.kind, []).append(name)
            except (BotoCoreError, ClientError) as error:  # the others are told, and this one in a minute
                failure = error
                logger.exception("Nobody was told", alarm=name, kind=one.kind)
                kept.pop(name, None)
                kept |= {name: was[name]} if name in was else {}
        if kept != was:
            self._incidents.remember(json.dumps({name: one.as_json() for name, one in kept.items()}))
        if failure:
            raise failure
        return told

    def _tell(self, told: Notification, found: tuple[Alarm, ...], now: datetime, incident: str, unread: str) -> None:
        """Publish to the severity's topic and to the chat."""
        settings, severity = self._settings, told.severity
        behind: list[Alarm] = []
        if page := settings.pages.get(told.alarm.name):
            critical = {f"{settings.alarm_prefix}{slug}-critical" for slug in page.rows}
            behind = [one for one in found if one.firing and one.name in critical | set(settings.dependency_alarms)]
        outcome: Outcome | None = None
        try:
            outcome = self._incidents.outcome(incident) if incident else None
        except (BotoCoreError, ClientError) as error:
            unread = str(error)
        seen = Situation(now, behind, outcome, unread)
        words = text(told, seen, settings)
        self._sns.publish(
            TopicArn=getattr(settings, f"{severity.lower()}_topic"),
            Subject=subject(told, settings),
            Message=json.dumps({"default": words, "https": for_pagerduty(told, words)}),
            MessageStructure="json",
        )
        self._sns.publish(TopicArn=settings.chat_topic, Message=for_chat(told, seen, settings))
        logger.info(subject(told, settings), alarm=told.alarm.name, kind=told.kind, severity=severity, text=words)

    def _open_incident(self) -> tuple[str, str]:
        """The id of rollback's open incident; or why it could not be read, which must not keep anybody from being told."""
        try:
            return self._incidents.open_incident(), ""
        except (BotoCoreError, ClientError) as error:
            return "", str(error)

    def _deploying(self, now: datetime) -> bool:
        """Whether a deployment is under way, or has just ended. Unknown counts as no: somebody is rather called than not."""
        try:
            answer = self._ecs.list_service_deployments(
                cluster=self._settings.cluster,
                service=self._settings.service,
                createdAt={"after": now - self._rules.deployment - timedelta(hours=1)},
            )
        except (BotoCoreError, ClientError):
            logger.exception("Whether a deployment is under way could not be read")
            return False
        return any(
            one["status"] in RUNNING | ROLLING_BACK or ("finishedAt" in one and now - one["finishedAt"] < _AFTERMATH)
            for one in answer["serviceDeployments"]
        )

    def _maintenance(self, found: tuple[Alarm, ...], now: datetime) -> bool:
        """Whether maintenance is on; the one that nobody ended is ended."""
        alarm = next((one for one in found if one.name == self._settings.maintenance_alarm and one.firing), None)
        if alarm is None:
            return False
        if now - alarm.since < timedelta(hours=self._settings.maintenance_hours):
            return True
        reason = f"Ended by itself after {self._settings.maintenance_hours} hours"
        self._cloudwatch.set_alarm_state(AlarmName=alarm.name, StateValue="OK", StateReason=reason)
        logger.warning("Maintenance was left on", done=reason, since=alarm.since.isoformat())
        return False
