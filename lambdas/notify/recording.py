"""What `notify` records of an incident: the alarms as they change, what people are told, its end and its return."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from lambdas.common.alarms import Alarm
from lambdas.common.record.events import AlarmChanged, Closed, Event, Notified, Reopened
from lambdas.common.record.incident import Entry, Incident
from lambdas.common.record.store import Records
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
    """The records of one environment, as `notify` writes them; everything raises what AWS raises."""

    def __init__(self, records: Records) -> None:
        self._records = records

    def join(self, notification: Notification) -> str:
        """The name of the incident of a notification: for an end that which was told, for an alarm that fires the one that goes
        on since, opened where the alarm begins one. Empty where none does."""
        alarm, memory = notification.alarm, notification.memory
        if notification.kind in ENDS:
            entry = None if memory.named else self._records.join(memory.since, alarm.name, opens=False)
            return entry.name if entry else memory.named
        entry = self._records.join(alarm.since, alarm.name, opens=calls(alarm))
        return entry.name if entry else ""

    def sent(self, sent: Sent, at: datetime) -> None:
        """Record what was sent, where it belongs to an incident."""
        if name := sent.notification.memory.named:
            self._records.add(name, [sent.event(at)])

    def look(self, alarms: Sequence[Alarm], now: datetime, closes: Callable[[str], None]) -> str:
        """Record what the newest incident has not yet: how alarms changed, and its end or its return. `closes` is called with
        the name of one that closes, and again by the next run if this one dies before the end is entered. The name of the
        incident that has no diagnosis since its newest page or decision; empty where none lacks one."""
        entry = next(iter(self._records.entries(1)), None)
        if entry is None or not alarms:
            return ""
        joined = [one for one in alarms if one.name in entry.alarms]
        back = next((one for one in joined if entry.closed and _returns(one, entry.closed)), None)
        if entry.closed and not back:
            return ""
        known = self._records.read(entry.name).events
        fired = {event.alarm for event in known if isinstance(event, AlarmChanged)}
        events: list[Event] = [*_changes(alarms, entry, fired)]
        fires = any(one.firing for one in alarms if calls(one) or one in joined)
        calm = max((one.since for one in joined), default=entry.since) + CALM
        over = not fires and calm <= now
        if back:
            events.append(Reopened(id=f"reopened {back.since.isoformat()}", at=back.since, alarm=back.name))
        elif over:
            events.append(Closed(id=f"closed {calm.isoformat()}", at=calm))
        ids = {event.id for event in known}
        self._records.add(entry.name, (event for event in events if event.id not in ids))
        if back:
            self._records.reopen(entry)
        elif over:
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
