"""The maintenance that a person has announced: the item `maintenance` in the table of incidents.

It is there from before users are kept out until they are let in again and the alarms act again; `notify` ends what is over.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mypy_boto3_dynamodb.service_resource import Table

_KEY = {"id": "maintenance"}


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
