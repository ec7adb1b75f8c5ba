"""What `notify` records of an incident: the alarms and maintenance as they change, what people are told, who acknowledges it in
PagerDuty, its end and its return."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from datetime import datetime

from lambdas.common import maintenance
from lambdas.common.alarms import Alarm
from lambdas.common.record.events import AlarmChanged, Closed, Escalated, Event, MaintenanceChanged, Notified, Reopened
from lambdas.common.record.incident import Entry, Incident, belongs_to
from lambdas.common.record.store import Records
from lambdas.common.words import one_line
from lambdas.notify.acknowledgements import Acknowledgement
from lambdas.notify.memory import Channel
from lambdas.notify.plan import ENDS, Notification
from runbook.rules import CALM
from runbook.severities import CALLED


@dataclass(frozen=True)
class Sent:
    """A notification as it was sent."""

    channel: Channel
    notification: Notification
    subject: str
    text: str

    def event(self, at: datetime) -> Notified:
        """The event that it is. Sent again, because nobody knew whether it had arrived, it is the same."""
        one, memory = self.notification, self.notification.memory
        told = f"{one.kind} {one.severity} {memory.since.isoformat()} {memory.times} {len(memory.behind)}"
        told += f" {one.escalation.id}" if one.escalation else ""
        return Notified(
            id=f"notification {self.channel} {one.alarm.name} {told}",
            at=at,
            channel=self.channel,
            what=one.kind,
            alarm=one.alarm.name,
            severity=one.severity,
            subject=self.subject,
            text=self.text,
        )


def calls(alarm: Alarm) -> bool:
    """Whether somebody is called for an alarm: that is what opens an incident."""
    return alarm.notifies and alarm.description.severity in CALLED


class Recorder:
    """The records of one environment, as one run of `notify` reads and writes them; everything raises what AWS raises.

    It reads the newest entry once, and its events once where it is open.
    """

    def __init__(self, records: Records) -> None:
        self._records = records
        self._entries: Sequence[Entry] | None = None
        self._read: dict[str, Incident] = {}

    def open(self) -> Incident | None:
        """The incident that goes on, as it was when this run began."""
        entry = self._entry()
        return self.incident(entry.name) if entry and not entry.closed else None

    @property
    def known(self) -> AbstractSet[str]:
        """The names of the incidents that this run has read."""
        return self._read.keys()

    def incident(self, name: str) -> Incident:
        """An incident, as it was when this run first asked."""
        if name not in self._read:
            self._read[name] = self._records.read(name)
        return self._read[name]

    def _entry(self) -> Entry | None:
        if self._entries is None:
            self._entries = self._records.entries(1)
        return next(iter(self._entries), None)

    def acknowledged(self, one: Acknowledgement) -> str:
        """Record that somebody has acknowledged an incident in PagerDuty: the one that went on then, if it is about an alarm
        of it, or a message. Its name; empty where it is about something else."""
        entry = belongs_to(self._records.entries(), one.at)
        if entry is None:
            return ""
        if not any(one.names(alarm) for alarm in entry.alarms):
            told = [event for event in self._records.read(entry.name).events if isinstance(event, Notified)]
            if not any(one.names(event.subject.partition(": ")[2]) for event in told):
                return ""
        self._records.add(entry.name, [one.event])
        return entry.name

    def join(self, notification: Notification) -> str:
        """The name of the incident of a notification: for an end that which was told, for an alarm that fires the one that goes
        on since, opened where the alarm begins one. Empty where none does."""
        alarm, memory = notification.alarm, notification.memory
        if notification.kind in ENDS:
            entry = None if memory.named else self._records.join(memory.since, alarm.name, opens=False)
            return entry.name if entry else memory.named
        return self.name(alarm)

    def name(self, alarm: Alarm) -> str:
        """The name of the incident of an alarm that fires: opened where the alarm begins one. Empty where it does not."""
        entry = self._records.join(alarm.since, alarm.name, opens=calls(alarm))
        self._entries = None  # it may be another by now
        return entry.name if entry else ""

    def sent(self, sent: Sent, at: datetime) -> None:
        """Record what was sent, where it belongs to an incident."""
        if name := sent.notification.memory.named:
            self._records.add(name, [sent.event(at)])

    def escalated(self, incident: str, event: Escalated) -> None:
        """Record that a level was told."""
        self._records.add(incident, [event])

    def resume(self, alarms: Iterable[Alarm]) -> None:
        """Reopen the newest incident where an alarm of it is back soon after it was closed. Before anything joins: what fires
        beside that alarm is of the same outage, and what `rollback` decides about it is there already."""
        entry = self._entry()
        closed = entry.closed if entry else None
        if entry is None or closed is None:
            return
        back = next((one for one in alarms if one.name in entry.alarms and _returns(one, closed)), None)
        if back:
            self._records.add(entry.name, [Reopened(id=f"reopened {back.since.isoformat()}", at=back.since, alarm=back.name)])
            self._records.reopen(entry)
            self._entries = None

    def look(self, alarms: Sequence[Alarm], now: datetime, closes: Callable[[str], None], switch: Alarm | None = None) -> str:
        """Record what the open incident has not yet: how alarms changed, and `switch`, the one of maintenance; its end.
        `closes` is called with the name of one that closes, and again by the next run if this one dies before the end is
        entered. The name of the incident that lacks a diagnosis since its newest page or decision; empty where none does."""
        entry = self._entry()
        if entry is None or entry.closed or not alarms:
            return ""
        joined = [one for one in alarms if one.name in entry.alarms]
        known = self.incident(entry.name).events
        fired = {event.alarm for event in known if isinstance(event, AlarmChanged)}
        events: list[Event] = [*_changes(alarms, entry, fired), *_maintenance(switch, entry)]
        fires = any(one.firing for one in alarms if calls(one) or one in joined)
        calm = max((one.since for one in joined), default=entry.since) + CALM
        over = not fires and calm <= now
        if over:
            events.append(Closed(id=f"closed {calm.isoformat()}", at=calm))
        ids = {event.id for event in known}
        self._records.add(entry.name, (event for event in events if event.id not in ids))
        if over:
            closes(entry.name)
            self._records.close(entry, calm)
            return ""
        return entry.name if Incident.of(entry.name, (*known, *events)).undiagnosed else ""


def _returns(alarm: Alarm, closed: datetime) -> bool:
    return alarm.firing and alarm.since <= closed + CALM


def _changes(alarms: Iterable[Alarm], entry: Entry, fired: set[str]) -> Iterator[AlarmChanged]:
    """How alarms have changed since the incident began: those that fire, and the end of those that did."""
    for one in alarms:
        if one.since < entry.since - CALM or not (one.firing or one.name in fired):
            continue
        yield AlarmChanged(
            id=f"alarm {one.name} {one.state} {one.since.isoformat()}",
            at=one.since,
            alarm=one.name,
            state=one.state,
            title=one.description.title,
            severity=one.description.severity,
            calls=calls(one),
            measured=one.measured,
            began=one.began,
        )


def _maintenance(switch: Alarm | None, entry: Entry) -> Iterator[MaintenanceChanged]:
    """Whether maintenance has begun or ended since the incident began."""
    if switch and switch.judged and switch.since > entry.since:
        by, why = maintenance.by_and_why(one_line(switch.reason))
        yield MaintenanceChanged(
            id=f"maintenance {switch.state} {switch.since.isoformat()}", at=switch.since, on=switch.firing, by=by, why=why
        )
