"""Everybody who should know of an alarm is notified, once, in words.

It decides on the alarms as they are, never on what invoked it, so that an event that is lost, late or delivered twice changes
nothing. A notification is remembered after it is sent: a run that dies in between sends it again.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from aws_lambda_powertools import Logger
from botocore.exceptions import BotoCoreError, ClientError

from lambdas.common.clock import Clock
from lambdas.common.ecs import ROLLING_BACK, RUNNING
from lambdas.common.events import EventError, sent_at
from lambdas.common.incidents import Incidents, Outcome
from lambdas.notify import memory
from lambdas.notify.alarms import Alarm, Alarms
from lambdas.notify.messages import Situation, for_chat, for_pagerduty, subject, text
from lambdas.notify.plan import Notification, plan
from lambdas.notify.settings import NotifySettings
from runbook.alarms import DEPENDENCY_ALARMS, alarm_name
from runbook.rules import AFTERMATH, DEPLOYMENT_AGE, MAINTENANCE

if TYPE_CHECKING:
    from mypy_boto3_cloudwatch import CloudWatchClient
    from mypy_boto3_dynamodb.service_resource import Table
    from mypy_boto3_ecs import ECSClient
    from mypy_boto3_sns import SNSClient

logger = Logger(service="notify")


@dataclass(frozen=True, kw_only=True)
class Clients:
    """What `notify` calls AWS with: one client for each service, and the table of incidents."""

    cloudwatch: "CloudWatchClient"
    ecs: "ECSClient"
    sns: "SNSClient"
    incidents: "Table"


class Notify:
    """The function in one environment."""

    def __init__(self, settings: NotifySettings, clients: Clients, clock: Clock) -> None:
        self._settings = settings
        self._clients = clients
        self._clock = clock
        self._alarms = Alarms(settings)
        self._incidents = Incidents(clients.incidents, settings.retention_days, clock)

    def run(self, event: Any) -> dict[str, list[str]]:
        """Send what is news when the event was sent, and remember it. The alarms' names by the kind of notification."""
        alarms = self._alarms.read(self._clients.cloudwatch)
        now = max([self._moment(event), *(alarm.since for alarm in alarms)])  # a state that is newer than the event counts
        before = memory.recall(self._clients.incidents)
        waiting = [alarm.name for alarm in alarms if alarm.firing and alarm.page and alarm.page.waits]
        news, kept = plan(
            alarms,
            before,
            now,
            deploying=bool(waiting) and self._deploying(now),
            maintenance=self._maintenance(alarms, now),
        )
        incident, unread = self._open_incident() if waiting else ("", "")
        kept |= {name: replace(kept[name], incident=kept[name].incident or incident) for name in waiting if name in kept}
        sent: dict[str, list[str]] = {}
        failure: Exception | None = None
        for notification in news:
            name = notification.alarm.name
            try:
                self._send(notification, alarms, now, kept.get(name, notification.memory).incident, unread)
                sent.setdefault(notification.kind, []).append(name)
            except (BotoCoreError, ClientError) as error:  # the others are sent, and this one in a minute
                failure = error
                logger.exception("A notification could not be sent", alarm=name, kind=notification.kind)
                kept.pop(name, None)
                kept |= {name: before[name]} if name in before else {}
        if kept != before:
            memory.remember(self._clients.incidents, kept)
        if failure:
            raise failure
        return sent

    def _moment(self, event: Any) -> datetime:
        """When the event was sent; what the clock says where the event does not say."""
        try:
            return sent_at(event)
        except EventError as error:
            logger.warning("The alarms are looked at all the same", problem=str(error))
            return self._clock()

    def _send(self, notification: Notification, alarms: Sequence[Alarm], now: datetime, incident: str, unread: str) -> None:
        """Publish to the severity's topic and to the chat."""
        settings, severity = self._settings, notification.severity
        outcome: Outcome | None = None
        try:
            outcome = self._incidents.outcome(incident) if incident else None
        except (BotoCoreError, ClientError) as error:
            unread = str(error)
        situation = Situation(now, _behind(notification.alarm, alarms), outcome, unread)
        words = text(notification, situation, settings)
        self._clients.sns.publish(
            TopicArn=settings.topic(severity),
            Subject=subject(notification, settings),
            Message=json.dumps({"default": words, "https": for_pagerduty(notification, words)}),
            MessageStructure="json",
        )
        self._clients.sns.publish(TopicArn=settings.chat_topic, Message=for_chat(notification, situation, settings))
        logger.info(
            subject(notification, settings),
            alarm=notification.alarm.name,
            kind=notification.kind,
            severity=severity,
            text=words,
        )

    def _open_incident(self) -> tuple[str, str]:
        """The id of rollback's open incident; or why it could not be read, which must not hold up a notification."""
        try:
            return self._incidents.open_incident(), ""
        except (BotoCoreError, ClientError) as error:
            return "", str(error)

    def _deploying(self, now: datetime) -> bool:
        """Whether a deployment is under way, or has just ended. Unknown counts as no: rather one call too many."""
        try:
            answer = self._clients.ecs.list_service_deployments(
                cluster=self._settings.cluster,
                service=self._settings.service,
                createdAt={"after": now - DEPLOYMENT_AGE},
            )
        except (BotoCoreError, ClientError):
            logger.exception("Whether a deployment is under way could not be read")
            return False
        return any(
            one["status"] in RUNNING | ROLLING_BACK or ("finishedAt" in one and now - one["finishedAt"] < AFTERMATH)
            for one in answer["serviceDeployments"]
        )

    def _maintenance(self, alarms: Sequence[Alarm], now: datetime) -> bool:
        """Whether maintenance is on; where nobody ended it in time, end it."""
        alarm = next((one for one in alarms if one.name == self._settings.maintenance_alarm and one.firing), None)
        if alarm is None:
            return False
        if now - alarm.since < MAINTENANCE:
            return True
        reason = f"Ended by itself after {MAINTENANCE / timedelta(hours=1):g} hours"
        self._clients.cloudwatch.set_alarm_state(AlarmName=alarm.name, StateValue="OK", StateReason=reason)
        logger.warning("Maintenance was left on", done=reason, since=alarm.since.isoformat())
        return False


def _behind(alarm: Alarm, alarms: Sequence[Alarm]) -> list[Alarm]:
    """The critical alarms that fire behind a page: those of its rows, and those of the dependencies."""
    if alarm.page is None:
        return []
    slugs = {alarm_name(row, "critical") for row in alarm.page.rows} | DEPENDENCY_ALARMS.keys()
    return [one for one in alarms if one.firing and one.slug in slugs]
