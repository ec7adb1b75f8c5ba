"""The timeline of an incident: what people did about it, in the table of incidents.

One item an incident, `incident#<its name in messages>`. Its `events` are only ever added to, each once by its id. The item
`open` names the incident that people took up last and have not resolved.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Literal

from lambdas.common.clock import Clock
from lambdas.common.incidents import refused

if TYPE_CHECKING:
    from mypy_boto3_dynamodb.service_resource import Table

Kind = Literal["acknowledged", "note", "status page", "resolved"]

_OPEN = {"id": "open"}


@dataclass(frozen=True, kw_only=True)
class Event:
    """Who did what, when, in words; `id` is of the execution that did it."""

    id: str
    at: str
    kind: Kind
    by: str
    text: str


@dataclass(frozen=True, kw_only=True)
class Subject:
    """What an incident is about: its name, the alarm that began it, and when that was."""

    name: str
    alarm: str
    since: datetime

    @property
    def thread(self) -> str:
        """Of the chat: the same for all of an incident's messages."""
        return f"{self.alarm} {self.since.isoformat()}"


@dataclass(frozen=True)
class Timeline:
    """An incident as people have recorded it."""

    subject: Subject
    events: tuple[Event, ...]

    def last(self, kind: Kind) -> Event | None:
        """The newest event of a kind."""
        return next((event for event in reversed(self.events) if event.kind == kind), None)

    @property
    def resolved(self) -> Event | None:
        """What resolved it; None where it is not, or somebody has taken it up again since."""
        newest = next((event for event in reversed(self.events) if event.kind in ("acknowledged", "resolved")), None)
        return newest if newest and newest.kind == "resolved" else None


class Timelines:
    """The timelines of one environment; everything raises what AWS raises."""

    def __init__(self, table: "Table", retention_days: int, clock: Clock) -> None:
        self._table = table
        self._retention = timedelta(days=retention_days)
        self._clock = clock

    def read(self, name: str) -> Timeline | None:
        """The timeline of an incident; None where nobody has recorded anything."""
        item = self._table.get_item(Key=_key(name), ConsistentRead=True).get("Item")
        return _timeline(name, item) if item else None

    def open(self) -> Timeline | None:
        """That of the incident that people took up last and have not resolved."""
        item = self._table.get_item(Key=_OPEN, ConsistentRead=True).get("Item", {})
        return self.read(str(item["incident"])) if "incident" in item else None

    def add(self, subject: Subject, event: Event) -> None:
        """Add an event; harmless when it is there. The incident is open from then on, unless the event resolves it, or one did
        before."""
        try:
            self._table.update_item(
                Key=_key(subject.name),
                UpdateExpression="SET #events = list_append(if_not_exists(#events, :none), :event), expires_at = :expires,"
                " kind = :kind, alarm = if_not_exists(alarm, :alarm), since = if_not_exists(since, :since) ADD ids :ids",
                ConditionExpression="attribute_not_exists(ids) OR NOT contains(ids, :id)",
                ExpressionAttributeNames={"#events": "events"},
                ExpressionAttributeValues={
                    ":none": [],
                    ":event": [asdict(event)],
                    ":expires": int((self._clock() + self._retention).timestamp()),
                    ":kind": "incident",
                    ":alarm": subject.alarm,
                    ":since": subject.since.isoformat(),
                    ":id": event.id,
                    ":ids": {event.id},
                },
            )
        except Exception as error:
            if not refused(error):
                raise
        self._open(subject.name)

    def _open(self, name: str) -> None:
        """Let the item `open` name the incident, or no more when it is resolved."""
        timeline, values = self.read(name), {":name": name}
        if timeline and not timeline.resolved:
            self._table.update_item(Key=_OPEN, UpdateExpression="SET incident = :name", ExpressionAttributeValues=values)
            return
        try:
            self._table.update_item(
                Key=_OPEN,
                UpdateExpression="REMOVE incident",
                ConditionExpression="incident = :name",
                ExpressionAttributeValues=values,
            )
        except Exception as error:
            if not refused(error):
                raise


def _key(name: str) -> dict[str, str]:
    return {"id": f"incident#{name}"}


def _timeline(name: str, item: Mapping[str, Any]) -> Timeline:
    subject = Subject(name=name, alarm=str(item["alarm"]), since=datetime.fromisoformat(str(item["since"])))
    return Timeline(subject, tuple(Event(**event) for event in item["events"]))
