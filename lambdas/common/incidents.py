"""The record of incidents: what each alarm led to, and what was done to the service, in one DynamoDB table.

Items by `id`:
- `<alarm ARN>#<time>`: one for each change of an alarm's state, with its outcome. It is written before anything is done, and
  has a `lease_until` as long as no outcome is final: a second delivery finds one or the other.
- `latest`: the newest change of state that arrived, and the incident that is still open.
- `changes`: every change we made to the service, under the ARN of the deployment that was its cause, and their number,
  `version`. A change is claimed here before it is made: two runs cannot both claim, nor can one go beyond the budget it saw.
- `notifications`: what people were told and have not been told the end of; `notify` alone reads and writes it.
"""

import json
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any, Literal

import boto3
from botocore.exceptions import ClientError

from lambdas.common.events import Alarm
from lambdas.common.settings import CLIENT, IncidentSettings
from lambdas.rollback.decisions import Change, Evidence

LATEST, CHANGES, NOTIFICATIONS = "latest", "changes", "notifications"
REMEMBERED = timedelta(days=90)
"""How long a change is remembered: far past the budget's window, and short enough for one item to hold them all."""

Kind = Literal[
    "rollback requested", "waiting", "escalated", "recorded", "observed", "recovered", "noted", "malformed event", "failed"
]


@dataclass(frozen=True)
class Outcome:
    """What one alarm led to.

    `closes` is the id of the incident that it ends, `reports` the deployments whose unconfirmed change it tells of;
    `needs_person` sends it to the escalations.
    """

    outcome: Kind
    environment: str
    service: str
    alarm: str
    at: str
    wrong: str
    done: str
    look_at: str
    section: str
    decision: str = ""
    reason: str = ""
    from_task_definition: str = ""
    to_task_definition: str = ""
    evidence: Mapping[str, Any] = field(default_factory=dict)
    missing: tuple[str, ...] = ()
    closes: str = ""
    reports: tuple[str, ...] = ()
    needs_person: bool = False


class InProgressError(Exception):
    """Another run is at work on this change of state; Lambda tries this one again later."""


class ClaimedError(Exception):
    """Another run changed the service since the evidence was read."""


class Incidents:
    """The table of one environment."""

    def __init__(self, settings: IncidentSettings) -> None:
        self._table = boto3.resource("dynamodb", config=CLIENT).Table(settings.incidents_table)
        self._retention = timedelta(days=settings.retention_days)

    # One change of an alarm's state

    def begin(self, identifier: str, seconds: float) -> tuple[Outcome, bool] | None:
        """Take up a change of state for so many seconds. None: go on. Else its outcome, and whether it was announced.

        A run that failed or ran out of its time is taken up again; InProgressError while another still has time."""
        now = time.time()
        try:
            self._table.put_item(
                Item={
                    "id": identifier,
                    "lease_until": int(now + seconds) + 1,
                    "expires_at": int(now + self._retention.total_seconds()),
                },
                ConditionExpression="attribute_not_exists(id) OR lease_until < :now",
                ExpressionAttributeValues={":now": int(now)},
            )
        except ClientError as error:
            if not _refused(error):
                raise
            item = self._table.get_item(Key={"id": identifier}, ConsistentRead=True)["Item"]
            if "lease_until" in item:
                raise InProgressError(identifier) from None
            return _outcome(item), "announced" in item
        return None

    def end(self, identifier: str, outcome: Outcome) -> None:
        """Record the outcome: final, unless it is `failed`, which the next run takes up again."""
        failed = outcome.outcome == "failed"
        self._table.update_item(
            Key={"id": identifier},
            UpdateExpression="SET kind = :kind, outcome = :outcome"
            + (", lease_until = :past" if failed else " REMOVE lease_until"),
            ExpressionAttributeValues={":kind": outcome.outcome, ":outcome": json.dumps(asdict(outcome))}
            | ({":past": 0} if failed else {}),
        )

    def announced(self, identifier: str) -> None:
        """Record that the outcome reached its topics."""
        self._table.update_item(
            Key={"id": identifier}, UpdateExpression="SET announced = :yes", ExpressionAttributeValues={":yes": True}
        )

    def outcome(self, identifier: str) -> Outcome | None:
        """The recorded outcome of a change of state, if it has one."""
        item = self._table.get_item(Key={"id": identifier}, ConsistentRead=True).get("Item", {})
        return _outcome(item) if "outcome" in item else None

    # The alarm over time

    def arrive(self, alarm: Alarm) -> str | None:
        """Note that this state is the alarm's newest, and open an incident on ALARM where none is open.

        The id of the incident that is open, empty when none is; None when a newer state was here before: it is old news."""
        opening = ", open_incident = if_not_exists(open_incident, :id)" if alarm.state == "ALARM" else ""
        try:
            answer = self._table.update_item(
                Key={"id": LATEST},
                UpdateExpression=f"SET newest_at = :at{opening}",
                ConditionExpression="attribute_not_exists(newest_at) OR newest_at <= :at",
                ExpressionAttributeValues={":at": _stamp(alarm.at)} | ({":id": alarm.id} if opening else {}),
                ReturnValues="ALL_NEW",
            )
        except ClientError as error:
            if not _refused(error):
                raise
            return None
        return str(answer["Attributes"].get("open_incident", ""))

    def open_incident(self) -> str:
        """The id of the incident that is open, empty when none is."""
        item = self._table.get_item(Key={"id": LATEST}, ConsistentRead=True).get("Item", {})
        return str(item.get("open_incident", ""))

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
            if not _refused(error):
                raise

    # Notifications

    def notifications(self) -> str:
        """What `remember` was given last, empty at first."""
        item = self._table.get_item(Key={"id": NOTIFICATIONS}, ConsistentRead=True).get("Item", {})
        return str(item.get("text", ""))

    def remember(self, text: str) -> None:
        self._table.put_item(Item={"id": NOTIFICATIONS, "text": text})

    # Changes of the service

    def changes(self) -> Mapping[str, Any]:
        """`changes`, all that were claimed, and `version`, their number."""
        item = self._table.get_item(Key={"id": CHANGES}, ConsistentRead=True).get("Item", {})
        recorded = [json.loads(str(value)) for name, value in item.items() if name.startswith("arn:")]
        return {
            "changes": tuple(Change(**{**change, "at": datetime.fromisoformat(change["at"])}) for change in recorded),
            "version": int(str(item.get("version", 0))),
        }

    def claim(self, change: Change, seen: Evidence) -> None:
        """Claim a change before it is made, and forget those long past.

        ClaimedError when its deployment has a change already, or anything was claimed since `seen`."""
        old = [before.deployment for before in seen.changes if change.at - before.at > REMEMBERED]
        forgotten = {f"#old{number}": deployment for number, deployment in enumerate(old)}
        try:
            self._table.update_item(
                Key={"id": CHANGES},
                UpdateExpression="SET #deployment = :change, version = :next"
                + (f" REMOVE {', '.join(forgotten)}" if forgotten else ""),
                ConditionExpression="attribute_not_exists(#deployment) AND (attribute_not_exists(version) OR version = :seen)",
                ExpressionAttributeNames={"#deployment": change.deployment, **forgotten},
                ExpressionAttributeValues={":change": _text(change), ":seen": seen.version, ":next": seen.version + 1},
            )
        except ClientError as error:
            if not _refused(error):
                raise
            raise ClaimedError(change.deployment) from None

    def reported(self, deployment: str) -> None:
        """Record that a person was told of the deployment's unconfirmed change; harmless when it is recorded already."""
        for change in self.changes()["changes"]:
            if change.deployment == deployment and change.state == "started":
                self.settle(replace(change, state="reported"))

    def settle(self, change: Change) -> None:
        """Record the state of a change that was claimed."""
        self._table.update_item(
            Key={"id": CHANGES},
            UpdateExpression="SET #deployment = :change",
            ExpressionAttributeNames={"#deployment": change.deployment},
            ExpressionAttributeValues={":change": _text(change)},
        )


def _text(change: Change) -> str:
    return json.dumps(asdict(change) | {"at": _stamp(change.at)})


def _outcome(item: Mapping[str, Any]) -> Outcome:
    stored = json.loads(item["outcome"])
    return Outcome(**{**stored, "missing": tuple(stored["missing"]), "reports": tuple(stored["reports"])})


def _refused(error: ClientError) -> bool:
    return error.response["Error"]["Code"] == "ConditionalCheckFailedException"


def _stamp(moment: datetime) -> str:
    """A moment as text that sorts."""
    return moment.astimezone(UTC).isoformat(timespec="microseconds")
