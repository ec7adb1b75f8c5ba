"""The maintenance that a person has announced: the item `maintenance` in the table of incidents.

It is there from before users are kept out until they are let in again and the alarms act again; `notify` ends what is over.
While the alarm of maintenance fires, nobody is called; its reason says who began it, and why, and then who ended it.
"""

import re
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from mypy_boto3_dynamodb.service_resource import Table

_KEY = {"id": "maintenance"}
_REASON = re.compile(r"(?s)maintenance-o(?:n|ff), started by (\S+): (.*)")
BY_HAND = "set by hand"
"""By whom maintenance is that no procedure began or ended."""


def reason(procedure: Literal["maintenance-on", "maintenance-off"], by: str, why: str) -> str:
    """The reason of the alarm's state."""
    return f"{procedure}, started by {by}: {why}"


def by_and_why(reason: str) -> tuple[str, str]:
    """The same back."""
    found = _REASON.fullmatch(reason)
    return (found[1], found[2]) if found else (BY_HAND, reason)


@dataclass(frozen=True, kw_only=True)
class Maintenance:
    """Until when users are kept out, and by which execution of whom."""

    until: datetime
    execution: str
    by: str


class Maintenances:
    """That of one environment; everything raises what AWS raises."""

    def __init__(self, table: "Table") -> None:
        self._table = table

    def read(self) -> Maintenance | None:
        """The maintenance that was announced; None where there is none."""
        item = self._table.get_item(Key=_KEY, ConsistentRead=True).get("Item", {})
        if "until" not in item:
            return None
        until = datetime.fromisoformat(str(item["until"]))
        return Maintenance(until=until, execution=str(item["execution"]), by=str(item["by"]))

    def announce(self, until: datetime, execution: str, by: str) -> None:
        """Announce it, or another end of it."""
        self._table.update_item(
            Key=_KEY,
            UpdateExpression="SET #until = :until, execution = :execution, #by = :by",
            ExpressionAttributeNames={"#until": "until", "#by": "by"},
            ExpressionAttributeValues={":until": until.isoformat(), ":execution": execution, ":by": by},
        )

    def forget(self) -> None:
        """It is over; harmless when it was."""
        self._table.update_item(
            Key=_KEY,
            UpdateExpression="REMOVE #until, execution, #by",
            ExpressionAttributeNames={"#until": "until", "#by": "by"},
        )
