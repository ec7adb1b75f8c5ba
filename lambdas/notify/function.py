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
from lambdas.common.events import EventError, sent_at
from lambdas.common.incidents import Incidents, Outcome
from lambdas.notify import memory
from lambdas.notify.alarms import Alarm, Alarms
from lambdas.notify.arming import waits_for
from lambdas.notify.deployments import Deployments
from lambdas.notify.messages import Situation, for_chat, for_pagerduty, subject, text
from lambdas.notify.plan import Notification, plan
from lambdas.notify.settings import NotifySettings
from runbook.alarms import DEPENDENCY_ALARMS, alarm_name
from runbook.rules import ARMING, DEPLOYMENT_AGE, MAINTENANCE

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
        self._deployments = Deployments(settings, clients.ecs)
        self._incidents = Incidents(clients.incidents, settings.retention_days, clock)

    def run(self, event: Any) -> dict[str, list[str]]:
        """Send what is news when the event was sent, and remember it. The alarms' names by the kind of notification."""
        found = self._alarms.read(self._clients.cloudwatch)
        now = max([self._moment(event), *(alarm.since for alarm in found)])  # a state that is newer than the event counts
        before = memory.recall(self._clients.incidents)
        alarms, armed = self._once_armed(found, now)
        waiting = [alarm.name for alarm in alarms if alarm.firing and alarm.page and alarm.page.waits]
        news, kept = plan(
            alarms,
            before,
            now,
            deploying=bool(waiting) and self._deployments.under_way(now) and not self._for_a_person(now),
            maintenance=self._maintenance(found, now),
        )
        if not armed:  # what is not looked at now is not over
            kept = {**before, **kept}
        incident, unread = self._open_incident() if waiting else ("", "")
        kept |= {name: replace(kept[name], incident=kept[name].incident or incident) for name in waiting if name in kept}
        deployment = self._deployments.last(now) if news else ""
        sent: dict[str, list[str]] = {}
        failure: Exception | None = None
        for notification in news:
            name = notification.alarm.name
            if notification.untold and self._muted(name):
                kept[name] = replace(notification.untold, incident=kept[name].incident)  # told when that is over
                continue
            try:
                remembered = kept.get(name, notification.memory)
                self._send(replace(notification, memory=remembered), alarms, now, deployment, unread)
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

    def _send(self, notification: Notification, alarms: Sequence[Alarm], now: datetime, deployment: str, unread: str) -> None:
        """Publish to the severity's topic and to the chat."""
        settings, severity, incident = self._settings, notification.severity, notification.memory.incident
        outcome: Outcome | None = None
        try:
            outcome = self._incidents.outcome(incident) if incident else None
        except (BotoCoreError, ClientError) as error:
            unread = str(error)
        situation = Situation(now, _behind(notification.alarm, alarms), outcome, unread, deployment)
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

    def _muted(self, name: str) -> bool:
        """Whether a person has muted an alarm. Unknown counts as no: rather one call too many.
        https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_ListAlarmMuteRules.html"""
        try:
            rules = self._clients.cloudwatch.list_alarm_mute_rules(AlarmName=name, Statuses=["ACTIVE"])
        except (BotoCoreError, ClientError):
            logger.exception("Whether an alarm is muted could not be read", alarm=name)
            return False
        muted = bool(rules["AlarmMuteRuleSummaries"])
        if muted:
            logger.info("Muted: nobody is told", alarm=name)
        return muted

    def _open_incident(self) -> tuple[str, str]:
        """The id of rollback's open incident; or why it could not be read, which must not hold up a notification."""
        try:
            return self._incidents.open_incident(), ""
        except (BotoCoreError, ClientError) as error:
            return "", str(error)

    def _for_a_person(self, now: datetime) -> bool:
        """Whether `rollback` has found that no deployment's rollback helps: it has escalated, or a dependency is impaired. What
        is older than any deployment that is waited for says nothing. Unknown counts as no: that wait is short."""
        try:
            outcome = self._incidents.outcome(incident) if (incident := self._incidents.open_incident()) else None
        except (BotoCoreError, ClientError):
            logger.exception("What rollback found could not be read")
            return False
        if outcome is None or now - datetime.fromisoformat(outcome.at) >= DEPLOYMENT_AGE:
            return False
        return outcome.needs_person or bool(outcome.evidence.get("impaired"))

    def _once_armed(self, alarms: tuple[Alarm, ...], now: datetime) -> tuple[tuple[Alarm, ...], bool]:
        """The alarms to tell of, and whether monitoring is armed; where it can be, arm it.

        Not armed, it tells of nothing but itself, when that has lasted too long. What was armed once is armed again at once,
        whatever fires: CloudWatch sets the alarm to its rule when a deployment updates it, which may be during an incident.
        """
        alarm = next((one for one in alarms if one.name == self._settings.not_armed_alarm), None)
        if alarm and alarm.judged and not alarm.firing:
            return alarms, True
        once = memory.armed(self._clients.incidents)
        if alarm is None:  # the first deployment has not made it yet, or somebody has deleted it
            logger.warning("The alarm that says whether monitoring is armed does not exist", armed_once=once)
            return (alarms if once else ()), once
        missing = [] if once else waits_for(alarms, deployed=self._deployments.ended_well())
        if not missing:
            memory.remember_armed(self._clients.incidents, now)  # first: a run that dies in between is taken up by the next
            reason = "Armed: the first release is healthy"
            self._clients.cloudwatch.set_alarm_state(AlarmName=alarm.name, StateValue="OK", StateReason=reason)
            logger.info("Monitoring is armed", since=now.isoformat())
            return tuple(replace(one, firing=False, since=now) if one is alarm else one for one in alarms), True
        firing = [one.name for one in alarms if one.firing and one.notifies and one is not alarm]
        logger.info("Monitoring is not armed: nobody is told", waits_for=missing, firing=firing, since=alarm.since.isoformat())
        if now - alarm.since < ARMING:
            return (), False
        return (replace(alarm, description=replace(alarm.description, cause="\n".join(missing))),), False

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
