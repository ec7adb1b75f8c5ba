"""The record of our own changes of the service: the item `changes` in the table of incidents.

It holds every change under the ARN of the deployment that was its cause, and their number, `version`. A change is claimed here
before it is made: two runs cannot both claim, nor can one go beyond the budget it saw.
"""

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from botocore.exceptions import ClientError
from pydantic import TypeAdapter

from lambdas.common.incidents import refused
from lambdas.rollback.decisions import Change, Evidence
from runbook.rules import CHANGES_REMEMBERED

if TYPE_CHECKING:
    from mypy_boto3_dynamodb.service_resource import Table

_KEY = {"id": "changes"}
_CHANGE = TypeAdapter(Change)


class ClaimedError(Exception):
    """Another run changed the service since the evidence was read."""


@dataclass(frozen=True)
class Recorded:
    """All changes that were claimed; `version` counts the claims."""

    changes: tuple[Change, ...] = ()
    version: int = 0


class Changes:
    """The changes in one environment."""

    def __init__(self, table: "Table") -> None:
        self._table = table

    def read(self) -> Recorded:
        """What is recorded now; raises what AWS raises."""
        item = self._table.get_item(Key=_KEY, ConsistentRead=True).get("Item", {})
        changes = tuple(_CHANGE.validate_json(str(value)) for name, value in item.items() if name.startswith("arn:"))
        return Recorded(changes, int(str(item.get("version", 0))))

    def claim(self, change: Change, seen: Evidence) -> None:
        """Claim a change before it is made, and forget those long past.

        ClaimedError when its deployment has a change already, or anything was claimed since `seen`."""
        old = [before.deployment for before in seen.changes if change.at - before.at > CHANGES_REMEMBERED]
        forgotten = {f"#old{number}": deployment for number, deployment in enumerate(old)}
        try:
            self._table.update_item(
                Key=_KEY,
                UpdateExpression="SET #deployment = :change, version = :next"
                + (f" REMOVE {', '.join(forgotten)}" if forgotten else ""),
                ConditionExpression="attribute_not_exists(#deployment) AND (attribute_not_exists(version) OR version = :seen)",
                ExpressionAttributeNames={"#deployment": change.deployment, **forgotten},
                ExpressionAttributeValues={":change": _text(change), ":seen": seen.version, ":next": seen.version + 1},
            )
        except ClientError as error:
            if not refused(error):
                raise
            raise ClaimedError(change.deployment) from None

    def settle(self, change: Change) -> None:
        """Record the state of a change that was claimed."""
        self._table.update_item(
            Key=_KEY,
            UpdateExpression="SET #deployment = :change",
            ExpressionAttributeNames={"#deployment": change.deployment},
            ExpressionAttributeValues={":change": _text(change)},
        )

    def reported(self, deployment: str) -> None:
        """Record that a person was told of the deployment's unconfirmed change; harmless when it is recorded already."""
        for change in self.read().changes:
            if change.deployment == deployment and change.state == "started":
                self.settle(replace(change, state="reported"))


def _text(change: Change) -> str:
    return _CHANGE.dump_json(change).decode()
