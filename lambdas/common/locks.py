"""Locks: one change of a thing at a time, by automation or by a procedure that a person started.

They are attributes of the item `changes` in the table of incidents, which also holds automation's changes of the service: what
holds the lock of the service can therefore be decided together with a claim (`lambdas.rollback.changes`), in one write. A lock
names the execution that holds it. It ends by itself unless each of the execution's steps renews it, so what dies holds nothing
up for long.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from lambdas.common.conditions import refused

if TYPE_CHECKING:
    from mypy_boto3_dynamodb.service_resource import Table

KEY = {"id": "changes"}
SERVICE = "service"
"""The lock of the ECS service, which automation respects."""
_PREFIX = "lock "


@dataclass(frozen=True)
class Lock:
    """Who holds a thing: the procedure, its execution, who started it; since when, and for how long after its last step."""

    procedure: str
    execution: str
    started_by: str
    at: datetime
    lease: timedelta
    renewed: datetime

    @property
    def until(self) -> datetime:
        """When it ends, unless it is renewed."""
        return self.renewed + self.lease

    @property
    def words(self) -> str:
        """The holder, for a sentence."""
        return f"{self.procedure}, which {self.started_by} started at {self.at:%H:%M:%S} UTC (execution {self.execution})"


class LockedError(Exception):
    """Somebody else holds the lock `key`: `holder` says who; None when the item has changed since it was read."""

    def __init__(self, key: str, holder: Lock | None) -> None:
        super().__init__(holder.words if holder else "something changed meanwhile")
        self.key = key
        self.holder = holder


def locks(item: Mapping[str, Any]) -> dict[str, Lock]:
    """The locks in the item, by what they lock; those that have ended as well."""
    return {name.removeprefix(_PREFIX): _lock(value) for name, value in item.items() if name.startswith(_PREFIX)}


def free(key: str, now: datetime, name: str = "#lock") -> tuple[str, dict[str, str], dict[str, Any]]:
    """The condition that nobody holds a lock at a time, with its names and values, for a write of the same item.

    `name` stands for the lock in the condition."""
    return (
        f"(attribute_not_exists({name}) OR {name}.#until < :now)",
        {name: f"{_PREFIX}{key}", "#until": "until"},
        {":now": _seconds(now)},
    )


class Locks:
    """The locks of one environment."""

    def __init__(self, table: "Table") -> None:
        self._table = table

    def read(self) -> dict[str, Lock]:
        """Every lock by what it locks, those that have ended as well; raises what AWS raises."""
        return locks(self._table.get_item(Key=KEY, ConsistentRead=True).get("Item", {}))

    def take(self, keys: Sequence[str], lock: Lock, *, version: int, over: Collection[str] = ()) -> None:
        """Take every lock or none, or take them again; `over` are the executions of holders that are known to have ended.

        `version` is the number of automation's changes of the service that was read before: taking the lock of the service is
        counted with them, so that what automation read before is out of date.

        LockedError when somebody else holds one, or automation changed the service since the version was read."""
        holders = {f":holder{number}": execution for number, execution in enumerate((lock.execution, *over))}
        names = {"#execution": "execution"}
        values: dict[str, Any] = {":lock": _value(lock), **holders}
        taken, conditions = [], []
        for number, key in enumerate(keys):
            condition, more_names, more_values = free(key, lock.renewed, f"#lock{number}")
            names |= more_names
            values |= more_values
            taken.append(f"#lock{number} = :lock")
            conditions.append(f"({condition} OR #lock{number}.#execution IN ({', '.join(holders)}))")
        if SERVICE in keys:
            taken.append("version = :next")
            conditions.append("(attribute_not_exists(version) OR version = :seen)")
            values |= {":seen": version, ":next": version + 1}
        try:
            self._table.update_item(
                Key=KEY,
                UpdateExpression=f"SET {', '.join(taken)}",
                ConditionExpression=" AND ".join(conditions),
                ExpressionAttributeNames=names,
                ExpressionAttributeValues=values,
            )
        except Exception as error:  # the first answer may have been lost, and a second attempt refused for our own locks
            found = {key: held for key, held in self.read().items() if key in keys}
            mine = lock.execution, lock.renewed.replace(microsecond=0)
            if [(held.execution, held.renewed) for held in found.values()] == [mine] * len(keys):
                return
            if not refused(error):
                raise
            others = (one for one in found.items() if one[1].until >= lock.renewed and one[1].execution != lock.execution)
            raise LockedError(*next(others, (SERVICE, None))) from None

    def renew(self, keys: Sequence[str], execution: str, now: datetime) -> bool:
        """Renew the locks that an execution took; False when it has lost one, or took none."""
        held = self.read()
        if not keys or any(key not in held or held[key].execution != execution for key in keys):
            return False
        numbered = [(f"#lock{number}", f":until{number}", key) for number, key in enumerate(keys)]
        return self._write(
            execution,
            {name: key for name, _, key in numbered},
            f"SET {', '.join(f'{name}.renewed = :now, {name}.#until = {until}' for name, until, _ in numbered)}",
            {":now": _seconds(now), **{until: _seconds(now + held[key].lease) for _, until, key in numbered}},
            {"#until": "until"},
        )

    def release(self, key: str, execution: str) -> bool:
        """Give the lock back. Whether this execution held it; harmless when it did not."""
        return self._write(execution, {"#lock": key}, "REMOVE #lock", {}, {})

    def _write(
        self, execution: str, keys: Mapping[str, str], update: str, values: dict[str, Any], names: dict[str, str]
    ) -> bool:
        """A write of locks, by the names that stand for them; whether this execution held them all, or nothing is written."""
        try:
            self._table.update_item(
                Key=KEY,
                UpdateExpression=update,
                ConditionExpression=" AND ".join(f"{name}.#execution = :mine" for name in keys),
                ExpressionAttributeNames={
                    **{name: f"{_PREFIX}{key}" for name, key in keys.items()},
                    "#execution": "execution",
                    **names,
                },
                ExpressionAttributeValues={":mine": execution, **values},
            )
        except ClientError as error:
            if not refused(error):
                raise
            return False
        return True


def _value(lock: Lock) -> dict[str, Any]:
    return {
        "procedure": lock.procedure,
        "execution": lock.execution,
        "started_by": lock.started_by,
        "at": _seconds(lock.at),
        "lease": int(lock.lease.total_seconds()),
        "renewed": _seconds(lock.renewed),
        "until": _seconds(lock.until),
    }


def _lock(value: Mapping[str, Any]) -> Lock:
    at, renewed = (datetime.fromtimestamp(int(value[name]), UTC) for name in ("at", "renewed"))
    procedure, execution, by = (str(value[name]) for name in ("procedure", "execution", "started_by"))
    return Lock(procedure, execution, by, at, timedelta(seconds=int(value["lease"])), renewed)


def _seconds(moment: datetime) -> int:
    return int(moment.timestamp())
