"""The record of incidents: what each alarm led to, in one DynamoDB table.

Items by `id`:
- `<alarm ARN>#<time>`: one for each change of an alarm's state, with its outcome. It is written before anything is done, and
  has a `lease_until` as long as no outcome is final: a second delivery finds one or the other.
- `latest`: the newest change of state that arrived, and the incident that is still open.
- `escalated`: what a person was told of last, by which incident, and the incident that goes on.
- `changes`: see `lambdas.rollback.changes`.
- `notifications`, `armed`: see `lambdas.notify.memory`.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Literal
from uuid import uuid4

from botocore.exceptions import ClientError
from pydantic import TypeAdapter

from lambdas.common.clock import Clock
from lambdas.common.conditions import refused
from lambdas.common.record.events import Looked
from runbook.rules import CALM, SETTLED
from runbook.sections import Section

if TYPE_CHECKING:
    from mypy_boto3_dynamodb.service_resource import Table

LATEST = "latest"
ESCALATED = "escalated"

Kind = Literal[
    "rollback requested", "waiting", "escalated", "recorded", "observed", "recovered", "noted", "malformed event", "failed"
]


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What one alarm led to.

    `looked` are the rows of the table of decisions that were looked at.

    `closes` is the id of the incident that it ends, `reports` the deployments of whose change it tells; `needs_person` sends it
    to the escalations. `remembers` says that the incident's time is still to be recorded.
    """

    outcome: Kind
    environment: str
    service: str
    alarm: str
    at: str
    wrong: str
    done: str
    look_at: str
    section: Section
    decision: str = ""
    reason: str = ""
    from_task_definition: str = ""
    to_task_definition: str = ""
    evidence: Mapping[str, Any] = field(default_factory=dict)
    missing: tuple[str, ...] = ()
    looked: tuple[Looked, ...] = ()
    closes: str = ""
    reports: tuple[str, ...] = ()
    needs_person: bool = False
    remembers: bool = False

    @property
    def undoes(self) -> bool:
        """Whether a release is taken back."""
        return self.outcome in ("rollback requested", "waiting")


_OUTCOME = TypeAdapter(Outcome)


class InProgressError(Exception):
    """Another run is at work on this change of state; Lambda tries this one again later."""


@dataclass
class Delivery:
    """One delivery of a change of state.

    `outcome` is what is recorded, by an earlier delivery or by this one; `announced` says that an earlier one also told
    everybody, `told` whom any told.
    """

    id: str
    table: "Table"
    outcome: Outcome | None = None
    announced: bool = False
    told: set[str] = field(default_factory=set)
    tried: bool = False

    def record(self, outcome: Outcome) -> Outcome:
        """Record the outcome: final, unless it is `failed`, which the next delivery takes up again."""
        self.tried = True
        failed = outcome.outcome == "failed"
        self.table.update_item(
            Key={"id": self.id},
            UpdateExpression="SET kind = :kind, outcome = :outcome"
            + (", lease_until = :past" if failed else " REMOVE lease_until"),
            ExpressionAttributeValues={":kind": outcome.outcome, ":outcome": _OUTCOME.dump_json(outcome).decode()}
            | ({":past": 0} if failed else {}),
        )
        self.outcome = outcome
        return outcome

    def keep_told(self) -> None:
        """Record whom this delivery told, for the next one: it did not reach everybody."""
        self.table.update_item(
            Key={"id": self.id},
            UpdateExpression="SET told = :told",
            ExpressionAttributeValues={":told": ",".join(sorted(self.told))},
        )


class Incidents:
    """The table of one environment."""

    def __init__(self, table: "Table", retention_days: int, clock: Clock) -> None:
        self._table = table
        self._retention = timedelta(days=retention_days)
        self._clock = clock

    # One change of an alarm's state

    @contextmanager
    def delivery(self, identifier: str, seconds: float, failure: Callable[[Exception], Outcome]) -> Iterator[Delivery]:
        """Take up a change of state for this many seconds, to record its outcome and then announce it.

        Where the body fails before it records an outcome, that of `failure` is recorded, and the next delivery starts anew. A
        run that ended without a trace is taken up again when its time is over. Where the body fails later, the next delivery
        finds the outcome and announces it again. InProgressError while another run has time left."""
        delivery = self._take_up(identifier, seconds)
        try:
            yield delivery
        except Exception as error:
            if not (delivery.outcome or delivery.tried):
                try:
                    delivery.record(failure(error))
                except Exception as unrecorded:  # whatever it is, the failure of the body is what to raise
                    error.add_note(f"The failure could not be recorded: {unrecorded}")
            raise
        if not delivery.announced:
            self._table.update_item(
                Key={"id": identifier}, UpdateExpression="SET announced = :yes", ExpressionAttributeValues={":yes": True}
            )

    def _take_up(self, identifier: str, seconds: float) -> Delivery:
        now, run = self._clock().timestamp(), uuid4().hex
        try:
            self._table.put_item(
                Item={
                    "id": identifier,
                    "run": run,
                    "lease_until": int(now + seconds) + 1,
                    "expires_at": int(now + self._retention.total_seconds()),
                },
                ConditionExpression="attribute_not_exists(id) OR lease_until < :now",
                ExpressionAttributeValues={":now": int(now)},
            )
        except Exception as error:  # the first answer may have been lost, and a second attempt refused for our own lease
            item = self._table.get_item(Key={"id": identifier}, ConsistentRead=True).get("Item", {})
            if item.get("run") == run:
                return Delivery(identifier, self._table)
            if not refused(error):
                raise
            if "lease_until" in item:
                raise InProgressError(identifier) from None
            told = set(str(item.get("told", "")).split(","))
            return Delivery(identifier, self._table, _outcome(item), "announced" in item, told)
        return Delivery(identifier, self._table)

    def outcome(self, identifier: str) -> Outcome | None:
        """The recorded outcome of a change of state, if it has one."""
        item = self._table.get_item(Key={"id": identifier}, ConsistentRead=True).get("Item", {})
        return _outcome(item) if "outcome" in item else None

    # The alarm over time

    def arrive(self, identifier: str, at: datetime, *, opens: bool) -> str | None:
        """Note that this change of state is the newest. Where it `opens` an incident, that one is open now: an older one's OK
        was lost.

        The id of the incident that is open, empty when none is; None when a newer state arrived before."""
        opening = ", open_incident = :id" if opens else ""
        try:
            answer = self._table.update_item(
                Key={"id": LATEST},
                UpdateExpression=f"SET newest_at = :at{opening}",
                ConditionExpression="attribute_not_exists(newest_at) OR newest_at <= :at",
                ExpressionAttributeValues={":at": _stamp(at)} | ({":id": identifier} if opens else {}),
                ReturnValues="ALL_NEW",
            )
        except ClientError as error:
            if not refused(error):
                raise
            return None
        return str(answer["Attributes"].get("open_incident", ""))

    def open_incident(self) -> str:
        """The id of the incident that is open, empty when none is."""
        item = self._table.get_item(Key={"id": LATEST}, ConsistentRead=True).get("Item", {})
        return str(item.get("open_incident", ""))

    def repeats(self, identifier: str, what: str, at: datetime) -> bool:
        """Whether a person was told of `what` by an earlier incident, and it has not SETTLED since. Where it is not CALM since,
        that incident goes on in place of this one. Remembers that it was so at this time."""
        item = self._table.get_item(Key={"id": ESCALATED}, ConsistentRead=True).get("Item", {})
        told = first = identifier
        if item.get("what") == what and (gap := at - datetime.fromisoformat(str(item["at"]))) < SETTLED:
            told = str(item["told"])
            first = str(item["incident"]) if gap < CALM else identifier
        now = {"what": what, "at": _stamp(at), "told": told, "incident": first}
        self._table.put_item(Item={"id": ESCALATED, **now})
        if first == identifier:
            return told != identifier
        try:
            self._table.update_item(
                Key={"id": LATEST},
                UpdateExpression="SET open_incident = :first",
                ConditionExpression="open_incident = :id",
                ExpressionAttributeValues={":first": first, ":id": identifier},
            )
        except ClientError as error:
            if not refused(error):
                raise
        return True

    def close(self, identifier: str, at: str) -> None:
        """End the incident, as of a moment; harmless when it is closed already."""
        self._table.update_item(
            Key={"id": identifier}, UpdateExpression="SET recovered_at = :at", ExpressionAttributeValues={":at": at}
        )
        try:
            self._table.update_item(
                Key={"id": LATEST},
                UpdateExpression="REMOVE open_incident",
                ConditionExpression="open_incident = :id",
                ExpressionAttributeValues={":id": identifier},
            )
        except ClientError as error:
            if not refused(error):
                raise


def _outcome(item: Mapping[str, Any]) -> Outcome:
    return _OUTCOME.validate_json(item["outcome"])


def _stamp(moment: datetime) -> str:
    """A moment as text that sorts."""
    return moment.astimezone(UTC).isoformat(timespec="microseconds")
