"""An incident as its events tell it. Pure: the same events, in whatever order and however often, are the same incident.

Which outage an event belongs to is told here as well (`belongs_to`), by when it happened and not by when it arrives.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TypeVar

from lambdas.common.record.events import (
    AlarmChanged,
    Closed,
    Decided,
    Diagnosed,
    Event,
    Notified,
    Person,
    Reopened,
    Verified,
)
from runbook.rules import CALM
from runbook.severities import CALLED

E = TypeVar("E")


@dataclass(frozen=True, kw_only=True)
class Entry:
    """An incident in the list of all: since when, until when if it is closed, and the alarms that have joined it."""

    date: str
    number: int
    since: datetime
    closed: datetime | None = None
    alarms: frozenset[str] = frozenset()

    @property
    def name(self) -> str:
        """Short enough to say on the phone: the day (UTC), and which incident of that day."""
        return f"{self.date}-{self.number}"


def belongs_to(entries: Iterable[Entry], at: datetime, alarm: str = "") -> Entry | None:
    """The incident of what happened at a moment, by an alarm or by none: the one that was open then, or was closed not long
    before and had the alarm.

    What begins CALM before an incident is of it: an alarm may be slower than another. An alarm that took no part in a closed
    incident begins another one."""
    for one in sorted(entries, key=lambda entry: entry.since, reverse=True):
        if at < one.since - CALM:
            continue
        if one.closed is None or at <= one.closed:
            return one
        return one if at <= one.closed + CALM and alarm in one.alarms else None
    return None


def following(entries: Iterable[Entry], at: datetime) -> Entry:
    """The next incident of the day."""
    date = f"{at:%Y-%m-%d}"
    return Entry(date=date, number=max((one.number for one in entries if one.date == date), default=0) + 1, since=at)


@dataclass(frozen=True)
class Times:
    """When what happened; None for what has not happened, or is not known.

    `changed`: the last deployment before it began. `began`: the first value beyond a line. `detected`: the first alarm. `told`:
    people. `mitigated`: the last page ended. `verified`: automation, or the end of a calm, saw the service well.
    """

    changed: datetime | None
    began: datetime | None
    detected: datetime | None
    told: datetime | None
    acknowledged: datetime | None
    mitigated: datetime | None
    verified: datetime | None
    resolved: datetime | None


_ORDER = (
    *("maintenance", "reopened", "alarm", "decision", "action", "verification", "notification", "finding", "escalation"),
    *("acknowledgement", "severity", "hand-over", "note", "status page", "closed", "impact", "resolution"),
)
"""Of what happened at the same time: what follows from something comes after it."""


@dataclass(frozen=True)
class Incident:
    """An incident by its name, with its events in the order in which they happened."""

    name: str
    events: tuple[Event, ...]

    @classmethod
    def of(cls, name: str, events: Iterable[Event]) -> "Incident":
        """From events in any order, however often each is among them."""
        found = {event.id: event for event in events}
        return cls(name, tuple(sorted(found.values(), key=lambda event: (event.at, _ORDER.index(event.kind), event.id))))

    @property
    def since(self) -> datetime | None:
        """When the first alarm of it fired."""
        return self.times.detected or next((event.at for event in self.events), None)

    @property
    def firing(self) -> tuple[str, ...]:
        """What somebody is called for and fires, by their alarms' names."""
        newest = {event.alarm: event for event in self._of(AlarmChanged) if event.calls}
        return tuple(name for name, event in newest.items() if event.state == "ALARM")

    @property
    def pages(self) -> tuple[str, ...]:
        """What somebody was called for, by the alarms' names, the first first."""
        return tuple(dict.fromkeys(event.alarm for event in self._of(AlarmChanged) if event.calls))

    @property
    def closed(self) -> bool:
        """Whether it is over, as far as alarms can tell."""
        newest = next((event for event in reversed(self.events) if isinstance(event, Closed | Reopened)), None)
        return isinstance(newest, Closed)

    @property
    def acknowledged(self) -> Person | None:
        """Who has taken it up last."""
        return next((event for event in reversed(self._people) if event.kind in ("acknowledgement", "hand-over")), None)

    @property
    def resolved(self) -> Person | None:
        """What resolved it; None where it is not, or has fired or been taken up again since."""
        newest = next((event for event in reversed(self.events) if _turns(event)), None)
        return newest if isinstance(newest, Person) and newest.kind == "resolution" else None

    @property
    def undiagnosed(self) -> bool:
        """Whether there is no diagnosis since the newest page that fires; of a decision about the service without a page, none
        at all."""
        newest, firing = _last(event.at for event in self._of(Diagnosed)), self.firing
        pages = _last(event.at for event in self._of(AlarmChanged) if event.alarm in firing and event.state == "ALARM")
        return (newest is None and bool(pages or self._of(Decided))) or bool(newest and pages and newest < pages)

    @property
    def severity(self) -> str:
        """What a person has said it is; else the most severe that people were told with; empty before."""
        said = [event.value for event in self._people if event.kind == "severity"]
        told = [event.severity for event in self._of(Notified) if event.channel == "people"]
        return said[-1] if said else min(told, default="")

    @property
    def times(self) -> Times:
        """The times that make the figures."""
        alarms = [event for event in self._of(AlarmChanged) if event.state == "ALARM"]
        pages = [event for event in self._of(AlarmChanged) if event.calls]
        calls = [event for event in self._of(Notified) if event.channel == "people" and event.severity in CALLED]
        well = [event for event in self.events if isinstance(event, Closed) or (isinstance(event, Verified) and event.healthy)]
        over = bool(pages) and not self.firing
        return Times(
            changed=_last(event.change for event in self._of(Decided)),
            began=_first(event.began for event in alarms),
            detected=_first(event.at for event in alarms),
            told=_first(event.at for event in calls),
            acknowledged=_first(event.at for event in self._people if event.kind == "acknowledgement"),
            mitigated=_last(event.at for event in pages if event.state == "OK") if over else None,
            verified=well[-1].at if well and over else None,
            resolved=self.resolved.at if self.resolved else None,
        )

    @property
    def _people(self) -> Sequence[Person]:
        return self._of(Person)

    def _of(self, kind: type[E]) -> list[E]:
        return [event for event in self.events if isinstance(event, kind)]


def _turns(event: Event) -> bool:
    """Whether an event says that the incident is resolved, or that it is not."""
    if isinstance(event, Person):
        return event.kind in ("acknowledgement", "resolution")
    return isinstance(event, AlarmChanged) and event.calls and event.state == "ALARM"


def _first(moments: Iterable[datetime | None]) -> datetime | None:
    return min(filter(None, moments), default=None)


def _last(moments: Iterable[datetime | None]) -> datetime | None:
    return max(filter(None, moments), default=None)
