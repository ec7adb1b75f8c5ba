"""Everybody who should know of an alarm is notified, once, in words.

It decides on the alarms as they are, never on what invoked it, so that an event that is lost, late or delivered twice changes
nothing. What cannot be read holds nobody's call up.

People and the chat are notified each by themselves: what one lacks is sent to that one only. A notification is remembered after
it is sent: a run that dies in between sends it again. These rules keep that from going on:
- While the table of incidents cannot be read or written, only the schedule's runs send, and only within REPEAT of the moment
  when a notification was due by the alarms' own times, which last where the function's memory does not. Older ones wait for the
  table. Beside that a process remembers by itself what it has told.
- What is about to be sent is written before. If then the answer of SNS is lost, or the run dies, or the table takes no more, it
  may have arrived: it is tried again once in the next run, then every RETRY.
- Whatever failed is raised in the end: the alarm on the function's errors calls people without the function.

When nobody answers a call, the next level of the escalation path is told (`lambdas.notify.escalation`). What tells whether
somebody has answered is the incident's record: where that cannot be read, nobody further is told, and the errors call.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING, Any
from uuid import NAMESPACE_OID, uuid5

from aws_lambda_powertools import Logger
from botocore.exceptions import ClientError, ConnectionError, ConnectTimeoutError  # noqa: A004 - botocore's name

from lambdas.common.alarms import Alarm, Alarms
from lambdas.common.clock import Clock
from lambdas.common.events import EventError, sent_at
from lambdas.common.incidents import Incidents, Outcome
from lambdas.common.maintenance import Maintenance, Maintenances
from lambdas.common.record.incident import Incident
from lambdas.common.record.store import Records
from lambdas.notify import memory
from lambdas.notify.acknowledgements import Acknowledgement, is_pagerduty, parse
from lambdas.notify.arming import waits_for
from lambdas.notify.deployments import Deployments
from lambdas.notify.escalation import Call, Escalation, next_escalation
from lambdas.notify.memory import CHANNELS, Channel, Memories
from lambdas.notify.messages import Situation, for_chat, for_pagerduty, subject, text
from lambdas.notify.plan import ENDS, Memory, Notification, plan
from lambdas.notify.recording import Recorder, Sent, calls
from lambdas.notify.settings import NotifySettings
from runbook.alarms import DEPENDENCY_ALARMS, behind_page
from runbook.rules import ARMING, CALM, DEPLOYMENT_AGE, ENDING, HOLD, LASTING, MAINTENANCE, REPEAT, RETRY, SETTLED
from runbook.severities import CALLED

if TYPE_CHECKING:
    from mypy_boto3_cloudwatch import CloudWatchClient
    from mypy_boto3_dynamodb.service_resource import Table
    from mypy_boto3_ecs import ECSClient
    from mypy_boto3_sns import SNSClient
    from mypy_boto3_ssm import SSMClient

logger = Logger(service="notify")
_DAY = timedelta(days=1)


@dataclass(frozen=True, kw_only=True)
class Clients:
    """What `notify` calls AWS with: one client for each service, and the tables of incidents and of their records."""

    cloudwatch: "CloudWatchClient"
    ecs: "ECSClient"
    functions: Any
    """Of Lambda."""
    sns: "SNSClient"
    ssm: "SSMClient"
    incidents: "Table"
    records: "Table"


class UndeliveredError(Exception):
    """A notification waits for its next try."""


@dataclass
class _Run:
    """What one run has found out: `table` says that the table of incidents works, `mutes` whether mute rules can be read."""

    now: datetime
    scheduled: bool
    recorder: Recorder
    alarms: Sequence[Alarm] = ()
    deployment: str | None = None
    muted: dict[str, bool] = field(default_factory=dict)
    outcomes: dict[str, tuple[Outcome | None, str]] = field(default_factory=dict)
    table: bool = True
    mutes: bool = True
    problems: list[Exception] = field(default_factory=list)

    @contextmanager
    def attempt(self, what: str) -> Iterator[None]:
        """What may fail without holding up the rest; it is raised in the end."""
        try:
            yield
        except Exception as error:  # whatever AWS answers, and whatever that does to the code
            logger.exception(what)
            self.problems.append(error)


class Notify:
    """The function in one environment."""

    def __init__(self, settings: NotifySettings, clients: Clients, clock: Clock) -> None:
        self._settings = settings
        self._clients = clients
        self._clock = clock
        self._alarms = Alarms(settings)
        self._deployments = Deployments(settings, clients.ecs)
        self._incidents = Incidents(clients.incidents, settings.retention_days, clock)
        self._announced = Maintenances(clients.incidents)
        self._records = Records(clients.records)
        self._acknowledged: list[Acknowledgement] = []
        """What PagerDuty told this process, and could not be recorded yet."""
        self._untold: tuple[datetime, Memories] | None = None
        """What this process has told and the table does not know, and when."""

    def run(self, event: Any) -> dict[str, list[str]]:
        """Send what is news when the event was sent, and remember it. The alarms' names by the kind of notification.

        Raises the first of what failed, once everybody is told who could be."""
        now, found = self._look(event)
        scheduled = isinstance(event, Mapping) and "time" in event and not is_pagerduty(event)
        run = _Run(now, scheduled, Recorder(self._records))
        self._take(event, run)
        before = self._recall(run)
        found, deleted = self._complete(found, before, run)
        alarms, _ = self._once_armed(found, run)
        run.alarms = alarms
        with run.attempt("Whether an incident is back could not be recorded"):
            run.recorder.resume(alarms)
        maintenance = self._maintenance(found, run)
        waiting = {alarm.name for alarm in alarms if alarm.firing and alarm.page and alarm.page.waits}
        incident = self._open_incident(run) if waiting else ""
        outcome, unread = self._outcome(incident, run)
        escalated = not run.table or bool(unread) or _for_a_person(outcome, now)  # unknown: one call too many
        deploying = bool(waiting) and not escalated and self._deployments.under_way(now)
        looked_at = [alarm for alarm in alarms if alarm.judged]  # what has no data is not over
        news: list[tuple[Channel, Notification]] = []
        kept: dict[Channel, dict[str, Memory]] = {}
        free_since = self._free_since(found)
        for channel in CHANNELS:
            new, planned = plan(
                looked_at, before[channel], now, deploying=deploying, maintenance=maintenance, free_since=free_since
            )
            ignored = before[channel].keys() - {alarm.name for alarm in looked_at} - deleted
            kept[channel] = {name: before[channel][name] for name in ignored} | planned
            for name in waiting & kept[channel].keys():
                one = kept[channel][name]
                if not one.incident and _belongs(incident, one.since):
                    kept[channel][name] = replace(one, incident=incident)
            news += [(channel, one) for one in new]
        if not maintenance:
            news += self._escalations(news, kept, run)
        sent = self._tell(list(self._named(news, kept, run)), before, kept, free_since, run)
        with run.attempt("What happened could not be recorded"):
            switch = next((one for one in found if one.name == self._settings.maintenance_alarm), None)
            name = run.recorder.look(alarms, now, partial(self._ask_for_the_post_mortem, run=run), switch)
            if name and not maintenance:
                self._diagnose(name, now)
        if run.problems:
            raise run.problems[0]
        return sent

    # Who answers, and who is told where nobody does

    def _take(self, event: Any, run: _Run) -> None:
        """Record who has acknowledged an incident in PagerDuty. What cannot be recorded is tried again by the next run of this
        process; what cannot be read is among the dead letters."""
        if is_pagerduty(event):
            with run.attempt("An acknowledgement in PagerDuty could not be read"):
                one = parse(event)
                if abs(one.at - run.now) >= _DAY:
                    raise EventError(f"an acknowledgement in PagerDuty is of another day: {one.at}")
                self._acknowledged.append(one)
        for one in tuple(self._acknowledged):
            with run.attempt("An acknowledgement in PagerDuty could not be recorded"):
                name = run.recorder.acknowledged(one)
                self._acknowledged.remove(one)
                logger.info("Acknowledged in PagerDuty" if name else "Of no incident here", by=one.event.by, incident=name)

    def _escalations(
        self, news: Sequence[tuple[Channel, Notification]], kept: dict[Channel, dict[str, Memory]], run: _Run
    ) -> list[tuple[Channel, Notification]]:
        """The next level for each channel that has not told it, where it is due; changes `kept` as if it were told."""
        incident, escalation = None, None
        self._name(news, kept, run)
        with run.attempt("Whether somebody has answered could not be read"):
            if incident := run.recorder.open():
                told = (_call(one) for one in kept["people"].values() if one.named == incident.name)
                escalation = next_escalation(incident, filter(None, told))
        if incident is None or escalation is None or run.now < escalation.due:
            return []
        self._record_escalation(incident.name, escalation, kept, run)
        firing = [one for one in run.alarms if one.firing and calls(one) and one.name in incident.pages]
        firing.sort(key=lambda one: one.description.severity)
        found: list[tuple[Channel, Notification]] = []
        for channel in CHANNELS:
            new = {one.alarm.name for to, one in news if to == channel}
            if one := self._escalated(escalation, firing, new, kept[channel], run):
                found.append((channel, one))
        return found

    def _record_escalation(self, incident: str, escalation: Escalation, kept: Memories, run: _Run) -> None:
        """Record a level that an earlier run told; where the chat lacks it, once the time of the next level has come."""
        told = {one.escalated: one.escalated_at for one in kept["people"].values()}.get(escalation.id)
        in_chat = any(one.escalated == escalation.id for one in kept["chat"].values())
        if told and (in_chat or run.now >= told + escalation.within):
            with run.attempt("An escalation could not be recorded"):
                run.recorder.escalated(incident, escalation.event(told))

    def _name(self, news: Sequence[tuple[Channel, Notification]], kept: dict[Channel, dict[str, Memory]], run: _Run) -> None:
        """Name the incidents of what people were told without a name, in `kept`."""
        new = {one.alarm.name for _, one in news}
        for alarm in run.alarms:
            one = kept["people"].get(alarm.name)
            if alarm.firing and calls(alarm) and one and one.told_at and not one.named and alarm.name not in new:
                with run.attempt("An incident could not be named"):
                    named = run.recorder.name(alarm)
                    for channel in CHANNELS:
                        if alarm.name in kept[channel]:
                            kept[channel][alarm.name] = replace(kept[channel][alarm.name], named=named)

    def _escalated(
        self, escalation: Escalation, firing: Sequence[Alarm], new: AbstractSet[str], kept: dict[str, Memory], run: _Run
    ) -> Notification | None:
        """The notification of a level, with the most severe page that people know of; None where it was told already."""
        if any(one.escalated == escalation.id for one in kept.values()):
            return None
        for alarm in firing:
            was = kept.get(alarm.name)
            if was and was.told_at and alarm.name not in new and not self._muted(alarm.name, run):
                if was.again_at and _is_of_another(was.again_at, escalation, run.now):
                    was = replace(was, again_at=None)
                kept[alarm.name] = replace(was, escalated=escalation.id, escalated_at=run.now)
                return Notification("escalated", alarm, kept[alarm.name], was, escalation)
        return None

    # What it looks at

    def _look(self, event: Any) -> tuple[datetime, tuple[Alarm, ...]]:
        """The moment that counts, which is not before any alarm's, and the alarms."""
        found = self._alarms.read(self._clients.cloudwatch)
        clock = self._clock()
        try:
            now = sent_at(event)
        except EventError as error:
            logger.warning("The alarms are looked at all the same", problem=str(error))
            now = clock
        now = now if abs(now - clock) < _DAY else clock
        now = max([now, *(alarm.since for alarm in found if alarm.since < now + _DAY)])
        return now, tuple(alarm.by(now) for alarm in found)

    def _recall(self, run: _Run) -> Memories:
        """What was told: as the table has it, and as this process knows better."""
        before = memory.nothing()
        try:
            before = memory.recall(self._clients.incidents, run.now)
        except Exception as error:
            logger.exception("What people were told could not be read")
            run.problems.append(error)
            run.table = False
        if self._untold and abs(run.now - self._untold[0]) < CALM:  # a process that slept for longer knows nothing better
            before = {channel: {**before[channel], **self._untold[1][channel]} for channel in CHANNELS}
        return before

    def _complete(self, found: tuple[Alarm, ...], before: Memories, run: _Run) -> tuple[tuple[Alarm, ...], set[str]]:
        """The alarms with those that the listing left out, and the names of those that are deleted.

        A listing that goes over pages while alarms change may leave one out, which must not end anything."""
        names = {name for channel in CHANNELS for name in before[channel]} | {self._settings.maintenance_alarm}
        missing = names - {alarm.name for alarm in found}
        if not missing:
            return found, set()
        with run.attempt("The alarms that are missing from the list could not be read"):
            more = tuple(alarm.by(run.now) for alarm in self._alarms.named(self._clients.cloudwatch, sorted(missing)))
            deleted = missing - {alarm.name for alarm in more}
            logger.warning("Alarms were missing from the list", missing=sorted(missing), deleted=sorted(deleted))
            return found + more, deleted
        return found, set()

    def _open_incident(self, run: _Run) -> str:
        """The id of rollback's open incident; empty where it could not be read, which must not hold up a notification."""
        if not run.table:
            return ""
        try:
            return self._incidents.open_incident()
        except Exception as error:
            logger.exception("rollback's open incident could not be read")
            run.outcomes[""] = None, str(error)
            return ""

    def _outcome(self, incident: str, run: _Run) -> tuple[Outcome | None, str]:
        """What rollback recorded of an incident, or why that could not be read; of none, the same."""
        if incident and incident not in run.outcomes:
            try:
                run.outcomes[incident] = self._incidents.outcome(incident), ""
            except Exception as error:
                logger.exception("What rollback did could not be read", incident=incident)
                run.outcomes[incident] = None, str(error) or type(error).__name__
        return run.outcomes.get(incident, (None, ""))

    def _muted(self, name: str, run: _Run) -> bool:
        """Whether a person has muted an alarm. Unknown counts as no: rather one call too many.
        https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_ListAlarmMuteRules.html"""
        if name not in run.muted and run.mutes:
            try:
                rules = self._clients.cloudwatch.list_alarm_mute_rules(AlarmName=name, Statuses=["ACTIVE"])
                run.muted[name] = bool(rules["AlarmMuteRuleSummaries"])
            except Exception:
                logger.exception("Whether an alarm is muted could not be read", alarm=name)
                run.mutes = False
        if run.muted.get(name):
            logger.info("Muted: nobody is told", alarm=name)
        return run.muted.get(name, False)

    def _named(
        self, news: Sequence[tuple[Channel, Notification]], kept: dict[Channel, dict[str, Memory]], run: _Run
    ) -> Iterator[tuple[Channel, Notification]]:
        """The news with the names of their incidents, in `kept` as well. What cannot be named now is told without a name."""
        for channel, one in news:
            memory = one.memory
            with run.attempt("An incident could not be named: people are told all the same"):
                memory = replace(memory, named=run.recorder.join(one))
            if one.alarm.name in kept[channel]:
                kept[channel][one.alarm.name] = replace(kept[channel][one.alarm.name], named=memory.named)
            yield channel, replace(one, memory=memory)

    # Whom it tells

    def _tell(
        self,
        news: Sequence[tuple[Channel, Notification]],
        before: Memories,
        kept: dict[Channel, dict[str, Memory]],
        free_since: datetime | None,
        run: _Run,
    ) -> dict[str, list[str]]:
        """Send the news and remember it; changes `kept` where something is not sent."""
        sent: dict[str, list[str]] = {}
        told: list[Sent] = []
        ready = list(self._ready(news, before, kept, run))
        trying = {channel: dict(kept[channel]) for channel in CHANNELS}
        for channel, one, was, _ in ready:
            trying[channel][one.alarm.name] = replace(was, again_at=_next_try(was, run.now))
        if ready and run.table:
            self._remember(trying, run)
        for channel, one, was, after in ready:
            name = one.alarm.name
            due = _due(one, free_since)
            if not run.table and not (run.scheduled and due <= run.now < due + REPEAT):
                logger.warning("Not told while it cannot be remembered", alarm=name, kind=one.kind, channel=channel)
                continue
            try:
                words = self._send(channel, one, run)
            except Exception as error:
                run.problems.append(error)
                logger.exception("A notification could not be sent", alarm=name, kind=one.kind, channel=channel)
                kept[channel][name] = trying[channel][name] if _may_have_arrived(error) else replace(was, again_at=None)
                continue
            told.append(Sent(channel, one, subject(one, self._settings), words))
            if name not in sent.setdefault(one.kind, []):
                sent[one.kind].append(name)
            if after:
                kept[channel][name] = replace(after, again_at=None)
            else:
                del kept[channel][name]
        self._record(told, run)  # before it is remembered: what is sent again is recorded once
        self._keep(kept, before, run)
        return sent

    def _record(self, told: Sequence[Sent], run: _Run) -> None:
        for each in told:
            with run.attempt("What was told could not be recorded"):
                run.recorder.sent(each, run.now)
        levels = [(one.memory.named, one.escalation) for one in (each.notification for each in told) if one.escalation]
        if len(levels) == len(CHANNELS):  # last: then the next level is waited for
            incident, escalation = levels[0]
            with run.attempt("An escalation could not be recorded"):
                run.recorder.escalated(incident, escalation.event(run.now))

    def _ready(
        self,
        news: Sequence[tuple[Channel, Notification]],
        before: Memories,
        kept: dict[Channel, dict[str, Memory]],
        run: _Run,
    ) -> Iterator[tuple[Channel, Notification, Memory, Memory | None]]:
        """What is to be sent now, and what to remember if that fails and if it does not; `kept` has it as not sent."""
        for channel, planned in news:
            name = planned.alarm.name
            after = kept[channel].get(name)
            one = replace(planned, memory=after or planned.memory)
            was = before[channel].get(name, one.memory)
            if planned.untold:
                was = replace(planned.untold, incident=one.memory.incident, named=one.memory.named)
            kept[channel][name] = was
            if planned.untold and self._muted(name, run):
                continue  # told when that is over, if it still fires
            anew = one.kind == "open" and was.again_at and one.alarm.since > was.again_at - RETRY
            if was.again_at and run.now < was.again_at and not anew:  # what fires anew was perhaps never told
                run.problems.append(UndeliveredError(f"whether {name} was sent is unknown: it is sent again at {was.again_at}"))
                continue
            yield channel, one, was, after

    def _free_since(self, alarms: Sequence[Alarm]) -> datetime | None:
        """Since when neither maintenance nor not being armed holds everything back."""
        switches = {self._settings.maintenance_alarm, self._settings.not_armed_alarm}
        return max((alarm.since for alarm in alarms if alarm.name in switches and not alarm.firing), default=None)

    def _keep(self, kept: Memories, before: Memories, run: _Run) -> None:
        """In the table, if it has something else; in this process, where the table fails."""
        if run.table and (kept != before or self._untold):
            self._remember(kept, run)
        if not run.table:
            told = {channel: {name: one for name, one in kept[channel].items() if one.told_at} for channel in CHANNELS}
            self._untold = run.now, told

    def _remember(self, memories: Memories, run: _Run) -> None:
        try:
            memory.remember(self._clients.incidents, memories)
            self._untold = None
        except Exception as error:
            logger.exception("What people are told could not be written")
            run.problems.append(error)
            run.table = False

    def _send(self, channel: Channel, notification: Notification, run: _Run) -> str:
        """Publish to the topic of the severity, or to the chat. The message."""
        settings = self._settings
        if run.deployment is None:
            run.deployment = self._deployments.last(run.now)
        outcome, unread = self._outcome(notification.memory.incident, run)
        behind = _behind(notification.alarm, run.alarms)
        situation = Situation(
            run.now,
            behind,
            outcome,
            unread,
            run.deployment,
            _silent(notification, run.alarms),
            self._told_before(notification, run),
        )
        words = text(notification, situation, settings)
        if channel == "chat":
            words = for_chat(notification, situation, settings)
            self._clients.sns.publish(TopicArn=settings.chat_topic, Message=words)
            return words
        self._clients.sns.publish(
            TopicArn=settings.topic(notification.severity, notification.escalation.level if notification.escalation else 1),
            Subject=subject(notification, settings),
            Message=json.dumps({"default": words, "https": for_pagerduty(notification, words)}, ensure_ascii=False),
            MessageStructure="json",
        )
        logger.info(
            subject(notification, settings),
            alarm=notification.alarm.name,
            kind=notification.kind,
            severity=notification.severity,
            text=words,
        )
        return words

    def _ask_for_the_post_mortem(self, incident: str, run: _Run) -> None:
        """Have the post-mortem of an incident written. What fails holds the end up no longer than this: people can ask for it,
        too."""
        with run.attempt("The post-mortem could not be asked for"):
            self._clients.functions.invoke(
                FunctionName=self._settings.postmortem_function,
                InvocationType="Event",
                Payload=json.dumps({"incident": incident}),
            )

    def _told_before(self, notification: Notification, run: _Run) -> Incident | None:
        """The incident of a notification, where it is not the first of it; None where it could not be read, too."""
        name = notification.memory.named
        if not name or (notification.kind == "open" and name not in run.recorder.known):
            return None
        try:
            return run.recorder.incident(name)
        except Exception:
            logger.exception("Who has acknowledged an incident could not be read", incident=name)
            return None

    def _diagnose(self, incident: str, now: datetime) -> None:
        """Have an incident diagnosed, which tells those who were called; nobody's call waits for it. Where that cannot be asked
        for, the next minute asks again, and people are told all the same."""
        try:
            self._clients.functions.invoke(
                FunctionName=self._settings.diagnose_function,
                InvocationType="Event",
                Payload=json.dumps({"incident": incident, "at": now.isoformat()}),
            )
        except Exception:
            logger.exception("A diagnosis could not be asked for", incident=incident)

    # What holds everything back

    def _once_armed(self, alarms: tuple[Alarm, ...], run: _Run) -> tuple[tuple[Alarm, ...], bool]:
        """The alarms to tell of, and whether monitoring is armed; where it can be, arm it.

        Not armed, it tells of nothing but itself, when that has lasted too long. What was armed once is armed again at once,
        whatever fires: CloudWatch sets the alarm to its rule when a deployment updates it, which may be during an incident.
        """
        alarm = next((one for one in alarms if one.name == self._settings.not_armed_alarm), None)
        if alarm and alarm.judged and not alarm.firing:
            return alarms, True
        once = True  # unknown counts as yes: rather one call too many
        with run.attempt("Whether monitoring was armed once could not be read"):
            once = not run.table or memory.armed(self._clients.incidents)
        if alarm is None:  # the first deployment has not made it yet, or somebody has deleted it
            logger.warning("The alarm that says whether monitoring is armed does not exist", armed_once=once)
            return (alarms if once else ()), once
        missing = [] if once else waits_for(alarms, deployed=self._deployments.ended_well())
        if not missing:
            reason = "Armed: the first release is healthy"
            with run.attempt("Monitoring could not be armed: it tells people all the same"):
                # First: a run that dies in between is taken up by the next.
                memory.remember_armed(self._clients.incidents, run.now)
                self._clients.cloudwatch.set_alarm_state(AlarmName=alarm.name, StateValue="OK", StateReason=reason)
                logger.info("Monitoring is armed", since=run.now.isoformat())
            return tuple(replace(one, firing=False, since=run.now) if one is alarm else one for one in alarms), True
        firing = [one.name for one in alarms if one.firing and one.notifies and one is not alarm]
        logger.info("Monitoring is not armed: nobody is told", waits_for=missing, firing=firing, since=alarm.since.isoformat())
        if run.now - alarm.since < ARMING:
            return (), False
        return (replace(alarm, description=replace(alarm.description, cause="\n".join(missing))),), False

    def _maintenance(self, alarms: Sequence[Alarm], run: _Run) -> bool:
        """Whether maintenance is on; where nobody ended it in time, end it. What a procedure has announced, a procedure ends
        first: users are let in, and the alarms end, before people are told."""
        alarm = next((one for one in alarms if one.name == self._settings.maintenance_alarm and one.firing), None)
        if alarm is None:
            return False
        last, reason = alarm.since + MAINTENANCE, f"Ended by itself after {MAINTENANCE / timedelta(hours=1):g} hours"
        if announced := self._announcement(alarm, run):
            last = announced.until + ENDING
            reason = f"Ended by itself: users should have been let in at {announced.until:%H:%M} UTC"
            self._ask_for_the_end(announced, run)
        if run.now < last:
            return True
        with run.attempt("Maintenance was left on and could not be ended: people are told all the same"):
            self._clients.cloudwatch.set_alarm_state(AlarmName=alarm.name, StateValue="OK", StateReason=reason)
            logger.warning("Maintenance was left on", done=reason, since=alarm.since.isoformat())
        return False

    def _announcement(self, alarm: Alarm, run: _Run) -> Maintenance | None:
        """What a procedure announced of the maintenance that is on; None of one by hand, or where it is unreadable."""
        if not run.table:
            return None
        announced = None
        with run.attempt("What was announced of the maintenance could not be read"):
            announced = self._announced.read()
        return announced if announced and announced.until + ENDING > alarm.since else None

    def _ask_for_the_end(self, announced: Maintenance, run: _Run) -> None:
        """Start the procedure that ends it, when its time has come, and again when that has failed for half of ENDING. Each
        minute asks; Automation starts one execution for a token."""
        times = (run.now - announced.until) // (ENDING / 2)
        if times < 0:
            return
        with run.attempt("The end of the maintenance could not be asked for"):
            self._clients.ssm.start_automation_execution(
                DocumentName=self._settings.maintenance_off,
                Parameters={"DryRun": ["false"], "Reason": [f"The time of maintenance-on {announced.execution} is over"]},
                ClientToken=str(uuid5(NAMESPACE_OID, f"{announced.execution} {announced.until} {times}")),
            )


def _for_a_person(outcome: Outcome | None, now: datetime) -> bool:
    """Whether `rollback` has found that no deployment's rollback helps: it has escalated, or a dependency is impaired. What is
    older than any deployment that is waited for says nothing."""
    if outcome is None or now - datetime.fromisoformat(outcome.at) >= DEPLOYMENT_AGE:
        return False
    return outcome.needs_person or bool(outcome.evidence.get("impaired"))


def _call(memory: Memory) -> Call | None:
    """When people were called for an alarm, and with which severity; None where they were not."""
    at = memory.loud_at or memory.told_at
    return Call(at, memory.told_as) if at and memory.told_as in CALLED else None


def _is_of_another(again_at: datetime, escalation: Escalation, now: datetime) -> bool:
    """Whether the next try of a notification was noted for another than this level, which has been told since."""
    return again_at < escalation.due or now < again_at < escalation.due + RETRY


def _next_try(memory: Memory, now: datetime) -> datetime:
    """When a notification is tried again, should it be unknown whether this try arrives: in the next run, then after RETRY. One
    that is tried earlier than that, because its alarm fires anew, waits for as long again."""
    if memory.again_at is None:
        return now
    return now + (2 * RETRY if now < memory.again_at else RETRY)


def _due(notification: Notification, free_since: datetime | None) -> datetime:
    """When a notification was first due, by what CloudWatch remembers: the alarm's time, and since when it is not held back."""
    alarm, known = notification.alarm, notification.memory
    if notification.escalation:
        return notification.escalation.due
    if notification.kind in ENDS:
        return alarm.since + (SETTLED if known.flapping or notification.lowered else CALM)
    if notification.kind == "lasting":
        return max(alarm.since, known.told_at or alarm.since) + LASTING
    held = HOLD if alarm.page and alarm.page.unless else timedelta()
    return max(alarm.since, free_since or alarm.since) + held


def _may_have_arrived(error: Exception) -> bool:
    """Whether a publication that failed may have reached SNS: its answer was lost, or SNS failed after taking it."""
    if isinstance(error, ClientError):
        return error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 400) >= 500
    return not isinstance(error, ConnectionError | ConnectTimeoutError)


def _belongs(incident: str, since: datetime) -> bool:
    """Whether rollback's open incident is of an alarm that fires since then: one that was left open is of another."""
    try:
        began = datetime.fromisoformat(incident.rpartition("#")[2])
        return began >= since - CALM
    except (TypeError, ValueError):
        return False


def _silent(notification: Notification, alarms: Sequence[Alarm]) -> list[Alarm]:
    """The critical alarms of a page that lost their data while it lasted: what ended may only be the data."""
    slugs = behind_page(notification.alarm.page) if notification.alarm.page else frozenset()
    return [one for one in alarms if one.slug in slugs and not one.judged and one.since >= notification.memory.since]


def _behind(alarm: Alarm, alarms: Sequence[Alarm]) -> list[Alarm]:
    """The critical alarms that fire behind a page: those of its rows, and those of the dependencies."""
    if alarm.page is None:
        return []
    slugs = behind_page(alarm.page) | DEPENDENCY_ALARMS.keys()
    return [one for one in alarms if one.firing and one.slug in slugs]
