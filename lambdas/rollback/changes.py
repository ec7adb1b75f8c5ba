"""The record of our own changes of the service: the item `changes` in the table of incidents.

It holds every change under the ARN of the deployment that was its cause, and their number, `version`. A change is claimed here
before it is made: two runs cannot both claim, nor can one go beyond the budget it saw, nor act while a procedure holds the lock
of the service (`lambdas.common.locks`). It also holds the times of incidents in which nothing was changed: the history of
deployments says on what they ran.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import TYPE_CHECKING

from pydantic import TypeAdapter

from lambdas.common.conditions import refused
from lambdas.common.locks import KEY, SERVICE, Lock, free, locks
from lambdas.rollback.decisions import Change, Evidence, untold
from runbook.rules import CHANGES_REMEMBERED

if TYPE_CHECKING:
    from mypy_boto3_dynamodb.service_resource import Table

_CHANGE = TypeAdapter(Change)
_INCIDENT = "incident "


class ClaimedError(Exception):
    """Another run changed the service since the evidence was read, or a procedure took its lock."""


@dataclass(frozen=True)
class Recorded:
    """All changes that were claimed; `version` counts the claims, and each time that a procedure took the lock of the service.
    `incidents` are the times of those that were left alone."""

    changes: tuple[Change, ...] = ()
    version: int = 0
    incidents: tuple[datetime, ...] = ()
    locks: Mapping[str, Lock] = field(default_factory=dict)


class Changes:
    """The changes in one environment."""

    def __init__(self, table: "Table") -> None:
        self._table = table

    def read(self) -> Recorded:
        """What is recorded now; raises what AWS raises."""
        item = self._table.get_item(Key=KEY, ConsistentRead=True).get("Item", {})
        changes = tuple(_CHANGE.validate_json(str(value)) for name, value in item.items() if name.startswith("arn:"))
        incidents = (name.removeprefix(_INCIDENT) for name in item if name.startswith(_INCIDENT))
        return Recorded(changes, int(str(item.get("version", 0))), tuple(map(datetime.fromisoformat, incidents)), locks(item))

    def claim(self, change: Change, seen: Evidence) -> None:
        """Claim a change before it is made, and forget those long past.

        ClaimedError when its deployment has a change already, the service is locked, or anything was claimed since `seen`."""
        old = [before.deployment for before in seen.changes if change.at - before.at > CHANGES_REMEMBERED]
        forgotten = {f"#old{number}": deployment for number, deployment in enumerate(old)}
        unlocked, names, values = free(SERVICE, change.at)
        try:
            self._table.update_item(
                Key=KEY,
                UpdateExpression="SET #deployment = :change, version = :next"
                + (f" REMOVE {', '.join(forgotten)}" if forgotten else ""),
                ConditionExpression=f"attribute_not_exists(#deployment) AND {unlocked}"
                " AND (attribute_not_exists(version) OR version = :seen)",
                ExpressionAttributeNames={"#deployment": change.deployment, **names, **forgotten},
                ExpressionAttributeValues={
                    ":change": _text(change),
                    ":seen": seen.version,
                    ":next": seen.version + 1,
                    **values,
                },
            )
        except Exception as error:  # the first answer may have been lost, and a second attempt refused for our own claim
            item = self._table.get_item(Key=KEY, ConsistentRead=True).get("Item", {})
            if item.get(change.deployment) == _text(change) and item.get("version") == seen.version + 1:
                return
            if not refused(error):
                raise
            raise ClaimedError(change.deployment) from None

    def incident(self, at: datetime, seen: Evidence | None = None) -> None:
        """Record that an incident began, unless one on the same task definition was seen; and forget those long past."""
        if seen and seen.blamed in seen.ran_on:
            return
        old = [before for before in seen.incidents if at - before > CHANGES_REMEMBERED] if seen else []
        forgotten = {f"#old{number}": f"{_INCIDENT}{before.isoformat()}" for number, before in enumerate(old)}
        self._table.update_item(
            Key=KEY,
            UpdateExpression="SET #incident = :yes" + (f" REMOVE {', '.join(forgotten)}" if forgotten else ""),
            ExpressionAttributeNames={"#incident": f"{_INCIDENT}{at.isoformat()}", **forgotten},
            ExpressionAttributeValues={":yes": True},
        )

    def settle(self, change: Change) -> None:
        """Record the state of a change that was claimed."""
        self._table.update_item(
            Key=KEY,
            UpdateExpression="SET #deployment = :change",
            ExpressionAttributeNames={"#deployment": change.deployment},
            ExpressionAttributeValues={":change": _text(change)},
        )

    def reported(self, deployment: str) -> None:
        """Record that people were told of the deployment's change; harmless when it is recorded already, or ECS refused it."""
        for change in untold(self.read().changes):
            if change.deployment == deployment:
                self.settle(replace(change, state="reported"))


def _text(change: Change) -> str:
    return _CHANGE.dump_json(change).decode()
