"""What can happen in an incident, each kind with its own fields, and in words.

An event's `id` is the same however often, and by whomever, it is told: the record has it once. `at` is when it happened, not
when it was recorded, so what arrives late has its right place.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, ClassVar, Literal

from pydantic import Field, TypeAdapter

from runbook.severities import Severity

AlarmState = Literal["ALARM", "OK", "INSUFFICIENT_DATA"]
"""As CloudWatch calls them."""


Kind = Literal["acknowledgement", "note", "severity", "hand-over", "status page", "resolution"]
"""What a person can do about an incident."""


@dataclass(frozen=True, kw_only=True)
class _Event:
    id: str
    at: datetime


@dataclass(frozen=True, kw_only=True)
class AlarmChanged(_Event):
    """An alarm went to a state. `measured` is its newest value in words; `began` when the first value was beyond its line;
    `calls` says that somebody is called for it."""

    STATES: ClassVar[Mapping[AlarmState, str]] = {"ALARM": "fires", "OK": "is OK", "INSUFFICIENT_DATA": "has no data"}

    kind: Literal["alarm"] = "alarm"
    alarm: str
    state: AlarmState
    title: str
    severity: Severity
    calls: bool
    measured: str = ""
    began: datetime | None = None

    @property
    def words(self) -> str:
        return f"{self.alarm} {self.STATES[self.state]}" + (f" ({self.measured})" if self.measured else "")


@dataclass(frozen=True, kw_only=True)
class Notified(_Event):
    """People were told, or the chat: `text` is the whole message."""

    kind: Literal["notification"] = "notification"
    channel: Literal["people", "chat"]
    what: Literal["open", "flapping", "worse", "lasting", "escalated", "close", "handled", "finding"]
    alarm: str
    severity: Severity
    subject: str
    text: str

    @property
    def words(self) -> str:
        return f"{'People were' if self.channel == 'people' else 'The chat was'} told: {self.subject}"


@dataclass(frozen=True, kw_only=True)
class Looked:
    """A row of the table of decisions that was looked at, and why it did not decide; empty for the one that did."""

    row: str
    why_not: str = ""


@dataclass(frozen=True, kw_only=True)
class Decided(_Event):
    """What automation decided about the service, and why. `missing` is what could not be read; `change` is when the last
    deployment began; `person` says that a person has to decide."""

    kind: Literal["decision"] = "decision"
    alarm: str
    verb: str
    reason: str
    done: str
    looked: tuple[Looked, ...] = ()
    missing: tuple[str, ...] = ()
    change: datetime | None = None
    person: bool = False

    @property
    def words(self) -> str:
        rows = "; ".join(f"{one.row}: {one.why_not}" for one in self.looked if one.why_not)
        not_because = f" Looked at before: {rows}." if rows else ""
        return f"Automation decided to {self.verb}: {self.reason} {self.done}{not_because}"


@dataclass(frozen=True, kw_only=True)
class Acted(_Event):
    """Something was changed, by automation or by a person's procedure."""

    kind: Literal["action"] = "action"
    by: str
    what: str

    @property
    def words(self) -> str:
        return f"{self.by}: {self.what}"


@dataclass(frozen=True, kw_only=True)
class Verified(_Event):
    """Whether what was done has helped."""

    kind: Literal["verification"] = "verification"
    healthy: bool
    said: str

    @property
    def words(self) -> str:
        return self.said


@dataclass(frozen=True, kw_only=True)
class Person(_Event):
    """What a person did about it. `value` is the new severity, who takes over, or the stage of the status page's text."""

    kind: Kind
    by: str
    text: str
    value: str = ""

    @property
    def words(self) -> str:
        return f"{self.by}, {self.kind}{f' ({self.value})' if self.value else ''}: {self.text}"


How = Literal["measured", "inferred", "unknown"]
"""How we know it: read from AWS, concluded from what was read, or not known because it could not be read."""


@dataclass(frozen=True, kw_only=True)
class Statement:
    """A sentence of a diagnosis, and how we know it."""

    how: How
    text: str

    @property
    def words(self) -> str:
        return f"{self.text} ({self.how})"


@dataclass(frozen=True, kw_only=True)
class Finding:
    """A hypothesis about the cause: what speaks for it and what against it, and what to do next. `section` is the runbook's
    section by its number, `command` the first command to paste."""

    hypothesis: str
    title: str
    for_it: tuple[Statement, ...] = ()
    against: tuple[Statement, ...] = ()
    section: str
    command: str


@dataclass(frozen=True, kw_only=True)
class Diagnosed(_Event):
    """What a diagnosis found, the most likely cause first. `changed` are the changes of the last hour in words, the newest
    first; `facts` what was read, by its title; `missing` what could not be read."""

    kind: Literal["finding"] = "finding"
    findings: tuple[Finding, ...]
    changed: tuple[str, ...] = ()
    facts: tuple[tuple[str, str], ...] = ()
    missing: tuple[str, ...] = ()
    seconds: float = 0.0

    @property
    def top(self) -> Finding:
        return self.findings[0]

    @property
    def words(self) -> str:
        reasons = " ".join(one.words for one in self.top.for_it)
        last = f" Last change: {self.changed[0]}." if self.changed else ""
        unread = f" Could not be read: {'; '.join(self.missing)}." if self.missing else ""
        return f"Diagnosis: {self.top.title}: {reasons}{last}{unread}"


@dataclass(frozen=True, kw_only=True)
class Escalated(_Event):
    """Nobody has acknowledged in time: the next level is asked. `level` counts the escalation path from 1 (runbook 8)."""

    kind: Literal["escalation"] = "escalation"
    level: int
    role: str
    why: str

    @property
    def words(self) -> str:
        return f"Escalated to L{self.level}, {self.role}: {self.why}"


@dataclass(frozen=True, kw_only=True)
class MaintenanceChanged(_Event):
    """Maintenance began or ended: in it nobody is called."""

    kind: Literal["maintenance"] = "maintenance"
    on: bool
    by: str
    why: str

    @property
    def words(self) -> str:
        return f"Maintenance {'began' if self.on else 'ended'}, {self.by}: {self.why}"


@dataclass(frozen=True, kw_only=True)
class Impact(_Event):
    """What users had of it, over the usual: requests that failed and that were slow, and the minutes of the outage."""

    kind: Literal["impact"] = "impact"
    failed: int
    slow: int
    requests: int
    minutes: int

    @property
    def words(self) -> str:
        return (
            f"Impact: {self.failed:,} requests failed and {self.slow:,} were slow, over the usual,"
            f" of {self.requests:,} in {self.minutes} min"
        )


@dataclass(frozen=True, kw_only=True)
class Closed(_Event):
    """No page has fired for a while."""

    kind: Literal["closed"] = "closed"

    @property
    def words(self) -> str:
        return "Closed: no page has fired for a while"


@dataclass(frozen=True, kw_only=True)
class Reopened(_Event):
    """An alarm of it fires again, soon after it was closed."""

    kind: Literal["reopened"] = "reopened"
    alarm: str

    @property
    def words(self) -> str:
        return f"Reopened: {self.alarm} fires again"


Event = Annotated[
    AlarmChanged
    | Notified
    | Decided
    | Acted
    | Verified
    | Person
    | Diagnosed
    | Escalated
    | MaintenanceChanged
    | Impact
    | Closed
    | Reopened,
    Field(discriminator="kind"),
]

EVENT: TypeAdapter[Event] = TypeAdapter(Event)
