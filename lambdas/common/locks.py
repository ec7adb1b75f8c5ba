"""Locks: one change of a thing at a time, by automation or by a procedure that a person started.

They are attributes of the item `changes` in the table of incidents, which also holds automation's changes of the service: what
holds the lock of the service can therefore be decided together with a claim (`lambdas.rollback.changes`), in one write. A lock
names the execution that holds it, is taken again by the same one, and ends by itself.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from pydantic import TypeAdapter

from lambdas.common.incidents import refused

if TYPE_CHECKING:
    from mypy_boto3_dynamodb.service_resource import Table

KEY = {"id": "changes"}
SERVICE = "service"
"""The lock of the ECS service, which automation respects."""
_PREFIX = "lock "


@dataclass(frozen=True)
class Lock:
    """Who holds a thing: the procedure, its execution, who started it; from when, and until when at the latest."""

    procedure: str
    execution: str
    started_by: str
    at: datetime
    until: datetime

    @property
    def words(self) -> str:
        """The holder, for a sentence."""
        return f"{self.procedure}, which {self.started_by} started at {self.at:%H:%M:%S} UTC (execution {self.execution})"


_LOCK = TypeAdapter(Lock)


class LockedError(Exception):
    """Somebody else holds the lock: `holder` says who; None when the item has changed since it was read."""

    def __init__(self, holder: Lock | None) -> None:
        super().__init__(holder.words if holder else "something changed meanwhile")
        self.holder = holder


def locks(item: Mapping[str, Any]) -> dict[str, Lock]:
    """The locks in the item, by what they lock; those that have ended as well."""
    return {
        name.removeprefix(_PREFIX): _LOCK.validate_json(str(value["holder"]))
        for name, value in item.items()
        if name.startswith(_PREFIX)
    }


def free(key: str, now: datetime) -> tuple[str, dict[str, str], dict[str, Any]]:
    """The condition that nobody holds a lock at a time, with its names and values, for a write of the same item."""
    return (
        "(attribute_not_exists(#lock) OR #lock.#until < :now)",
        {"#lock": f"{_PREFIX}{key}", "#until": "until"},
        {":now": _seconds(now)},
    )


class Locks:
    """The locks of one environment."""

    def __init__(self, table: "Table") -> None:
        self._table = table

    def read(self) -> dict[str, Lock]:
        """Every lock by what it locks, those that have ended as well; raises what AWS raises."""
        return locks(self._table.get_item(Key=KEY, ConsistentRead=True).get("Item", {}))

    def take(self, key: str, lock: Lock, *, version: int, over: Lock | None = None) -> None:
        """Take the lock, or take it again; `over` is a holder that is known to have ended.

        `version` is the number of automation's changes of the service that was read before: taking the lock of the service is
        counted with them, so that what automation read before is out of date.

        LockedError when somebody else holds it, or automation changed the service since the version was read."""
        condition, names, values = free(key, lock.at)
        holders = {":mine": lock.execution, **({":ended": over.execution} if over else {})}
        unchanged, counted = "", ""
        if key == SERVICE:
            unchanged, counted = " AND (attribute_not_exists(version) OR version = :seen)", ", version = :next"
            values |= {":seen": version, ":next": version + 1}
        try:
            self._table.update_item(
                Key=KEY,
                UpdateExpression=f"SET #lock = :lock{counted}",
                ConditionExpression=f"({condition} OR #lock.#execution IN ({', '.join(holders)})){unchanged}",
                ExpressionAttributeNames={**names, "#execution": "execution"},
                ExpressionAttributeValues={**values, **holders, ":lock": _value(lock)},
            )
        except Exception as error:  # the first answer may have been lost, and a second attempt refused for our own lock
            found = self.read().get(key)
            if found == lock:
                return
            if not refused(error):
                raise
            held = found and found.until >= lock.at and found.execution != lock.execution
            raise LockedError(found if held else None) from None

    def release(self, key: str, execution: str) -> bool:
        """Give the lock back. Whether this execution held it; harmless when it did not."""
        try:
            self._table.update_item(
                Key=KEY,
                UpdateExpression="REMOVE #lock",
                ConditionExpression="#lock.#execution = :mine",
                ExpressionAttributeNames={"#lock": f"{_PREFIX}{key}", "#execution": "execution"},
                ExpressionAttributeValues={":mine": execution},
            )
        except Exception as error:
            if not refused(error):
                raise
            return False
        return True


def _value(lock: Lock) -> dict[str, Any]:
    """As it is stored: what conditions look at beside the whole."""
    return {"execution": lock.execution, "until": _seconds(lock.until), "holder": _LOCK.dump_json(lock).decode()}


def _seconds(moment: datetime) -> int:
    return int(moment.timestamp())
