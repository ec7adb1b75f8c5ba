"""The records of one environment in DynamoDB: a table with the key `incident` and `event`.

- `incidents`, `<date>-<number>`: an entry for each incident, by which an event finds its own. It holds nothing but
  what the events tell as well.
- `<name>`, `<id of the event>`: an event, as JSON. It is written once and never changed.

Whatever dies between two writes is ended by the same call again: an incident is entered before its first event, and its end is
an event before it is entered.
"""

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from lambdas.common.conditions import refused
from lambdas.common.record.events import EVENT, Event
from lambdas.common.record.incident import Entry, Incident, belongs_to, following
from runbook.rules import RECORD_KEPT

if TYPE_CHECKING:
    from mypy_boto3_dynamodb.service_resource import Table

INCIDENTS = "incidents"
"""The key under which the entries are."""
RECENT = 50
"""The entries among which an event looks for its incident: those of the last days, even when there are many."""
_RACES = 5


class Records:
    """The records of one environment; everything raises what AWS raises."""

    def __init__(self, table: "Table") -> None:
        self._table = table

    # Which incident

    def entries(self, most: int = RECENT) -> tuple[Entry, ...]:
        """The newest incidents, the newest first."""
        answer = self._table.query(**_of(INCIDENTS), ScanIndexForward=False, Limit=most)
        return tuple(_entry(item) for item in answer["Items"])

    def open(self, at: datetime) -> Entry | None:
        """The incident that goes on at a moment."""
        return belongs_to(self.entries(), at)

    def join(self, at: datetime, alarm: str, *, opens: bool) -> Entry | None:
        """The incident of what happened at a moment, by an alarm or by none; where there is none, a new one if it `opens` one,
        else None. An alarm that opens one is among the alarms of the incident that it joins, whose end waits for it."""
        for _ in range(_RACES):
            entries = self.entries()
            if found := belongs_to(entries, at, alarm):
                if opens and alarm not in found.alarms:
                    self._update(found, "ADD alarms :alarms", {":alarms": {alarm}})
                return found
            if not opens:
                return None
            made = following(entries, at)
            if self._put(_key(made) | {"since": made.since.isoformat(), "alarms": {alarm}}, made.since):
                return made
        raise RuntimeError(f"Others opened {_RACES} incidents meanwhile.")

    def close(self, entry: Entry, at: datetime) -> None:
        """Enter that an incident is over since a moment."""
        self._update(entry, "SET closed = :at", {":at": at.isoformat()})

    def reopen(self, entry: Entry) -> None:
        """Enter that it goes on."""
        self._update(entry, "REMOVE closed", {})

    def _update(self, entry: Entry, update: str, values: dict[str, Any]) -> None:
        given: Any = {"ExpressionAttributeValues": values} if values else {}
        self._table.update_item(Key=_key(entry), UpdateExpression=update, **given)

    # Its events

    def read(self, name: str) -> Incident:
        """An incident with all its events; without any where there is none of that name."""
        found: list[Event] = []
        more: dict[str, Any] = {}
        while True:
            answer = self._table.query(**_of(name), **more)
            found += [EVENT.validate_json(str(item["json"])) for item in answer["Items"]]
            if "LastEvaluatedKey" not in answer:
                return Incident.of(name, found)
            more = {"ExclusiveStartKey": answer["LastEvaluatedKey"]}

    def add(self, name: str, events: Iterable[Event]) -> bool:
        """Add events to an incident, each once by its id; whether any is new."""
        items = [({"incident": name, "event": one.id, "json": EVENT.dump_json(one).decode()}, one.at) for one in events]
        return sum(self._put(item, at) for item, at in items) > 0

    def _put(self, item: dict[str, Any], at: datetime) -> bool:
        """Write an item, kept from a moment on. False where it is there: written by another run, or by a try of this one whose
        answer was lost."""
        try:
            self._table.put_item(
                Item={**item, "expires_at": int((at.astimezone(UTC) + RECORD_KEPT).timestamp())},
                ConditionExpression="attribute_not_exists(incident)",
            )
        except Exception as error:
            if not refused(error):
                raise
            return False
        return True


def _of(name: str) -> dict[str, Any]:
    """What asks for all that has a name."""
    return {"KeyConditionExpression": "incident = :name", "ExpressionAttributeValues": {":name": name}, "ConsistentRead": True}


def _key(entry: Entry) -> dict[str, str]:
    """Numbers with as many digits, so that the entries sort."""
    return {"incident": INCIDENTS, "event": f"{entry.date}-{entry.number:04}"}


def _entry(item: Mapping[str, Any]) -> Entry:
    date, _, number = str(item["event"]).rpartition("-")
    return Entry(
        date=date,
        number=int(number),
        since=datetime.fromisoformat(str(item["since"])),
        closed=datetime.fromisoformat(str(item["closed"])) if "closed" in item else None,
        alarms=frozenset(item.get("alarms", ())),
    )
