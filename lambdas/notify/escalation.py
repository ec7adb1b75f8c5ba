"""When nobody answers a call: who is told next, and when. Pure: from an incident's events, no AWS client, no clock.

The escalation path is told one level after the other (runbook 2.2 and 8). Each has the severity's response time for itself:

| what happens | the time |
|---|---|
| people are called | begins |
| a more severe page joins, for which people are called as well | begins anew |
| a person sets another severity | goes on since the call, by the new severity; P3 and P4 end it |
| the next level is told | begins anew, for the level after it |
| somebody acknowledges it, hands it over or resolves it | ends |
| it is resolved, and fires again | begins anew, at the level that was reached |
| it is closed and reopened | ends, and begins with the next call, at L2 |
| maintenance | is held, and begins anew when maintenance ends |

Nobody is told while no page of the incident fires, or a person has muted those that do.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from lambdas.common.record.events import AlarmChanged, Escalated, Event, MaintenanceChanged, Notified, Person, Reopened
from lambdas.common.record.incident import Incident
from lambdas.notify.plan import ENDS
from runbook.severities import CALLED, ESCALATION_PATH, RESPOND_WITHIN, Severity

_ANSWERS = frozenset({"acknowledgement", "hand-over", "resolution"})
_NO_CALLS = ENDS | {"escalated", "finding"}


@dataclass(frozen=True)
class Escalation:
    """A level of the escalation path, L2 or above, that is told at `due`, unless somebody answers before.

    `id` is the event's: the same for the same level, however often it is tried. `severity` is the incident's, `within` its
    response time.
    """

    id: str
    level: int
    severity: Severity
    due: datetime
    within: timedelta

    @property
    def role(self) -> str:
        """Who it is, such as `team lead`."""
        return ESCALATION_PATH[self.level - 1]

    @property
    def why(self) -> str:
        """In words."""
        return f"Nobody has acknowledged it within {self.within / timedelta(minutes=1):g} min"

    def event(self, at: datetime) -> Escalated:
        """What is recorded once it is told."""
        return Escalated(id=self.id, at=at, level=self.level, role=self.role, why=self.why)


@dataclass(frozen=True)
class Call:
    """That people were called: when, and with which severity."""

    at: datetime
    severity: Severity


@dataclass
class _Watch:
    """How far an incident has come: `began` where it is reopened, `since` when a response time began, `level` who was told."""

    began: datetime | None = None
    since: datetime | None = None
    called: Severity | None = None
    said: Severity | None = None
    answer: Person | None = None
    level: int = 1
    maintenance: bool = False

    @property
    def round(self) -> str:
        """Begins the ids of the escalations since the incident began, or since its return."""
        return f"escalation {self.began.isoformat() if self.began else 'first'} L"

    def see(self, event: Event | Call) -> None:
        """Go on with the next event."""
        match event:
            case Reopened():
                self.began, self.since, self.called, self.answer, self.level = event.at, None, None, None, 1
            case Notified() if calls_people(event):
                self._call(event.at, event.severity)
            case Call():
                self._call(event.at, event.severity)
            case Person(kind="severity"):
                self.said = next((one for one in RESPOND_WITHIN if one == event.value), None)
            case Person() if event.kind in _ANSWERS:
                self.answer = event
            case AlarmChanged(calls=True, state="ALARM") if self.answer and self.answer.kind == "resolution":
                self.answer = None
                self._anew(event.at)
            case Escalated() if event.id.startswith(self.round):
                self.level = max(self.level, event.level)
                self._anew(event.at)
            case MaintenanceChanged():
                self.maintenance = event.on
                self._anew(event.at)
            case _:
                pass

    def _call(self, at: datetime, severity: Severity) -> None:
        if self.called is None or severity < self.called:
            self.since, self.called = at, severity

    def _anew(self, at: datetime) -> None:
        self.since = at if self.since else None


def calls_people(event: Notified) -> bool:
    """Whether a message is a call to the first level."""
    return event.channel == "people" and event.severity in CALLED and event.what not in _NO_CALLS


def _watch(incident: Incident, calls: Iterable[Call] = ()) -> _Watch:
    watch = _Watch()
    for event in sorted((*calls, *incident.events), key=lambda one: one.at):  # stable: what the record has, in its order
        watch.see(event)
    return watch


def next_escalation(incident: Incident, calls: Iterable[Call] = ()) -> Escalation | None:
    """The level that is told next; None where nobody was called, somebody has answered, or all are told. `calls` are those that
    are remembered beside the record, which may lack them."""
    watch = _watch(incident, calls)
    severity = watch.said or watch.called
    over = watch.answer or watch.maintenance or watch.level == len(ESCALATION_PATH)
    if watch.since is None or severity not in CALLED or over:
        return None
    level, within = watch.level + 1, RESPOND_WITHIN[severity]
    return Escalation(f"{watch.round}{level}", level, severity, watch.since + within, within) if within else None


def answer(incident: Incident) -> Person | None:
    """Who has acknowledged an incident, has it by a hand-over, or has resolved it; None where nobody has since it returned."""
    return _watch(incident).answer
