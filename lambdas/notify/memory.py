"""What `notify` remembers from run to run: the items `notifications` and `armed` in the table of incidents."""

from collections.abc import Mapping
from datetime import datetime
from typing import TYPE_CHECKING

from pydantic import TypeAdapter

from lambdas.notify.plan import Memory

if TYPE_CHECKING:
    from mypy_boto3_dynamodb.service_resource import Table

_KEY = {"id": "notifications"}
_ARMED = {"id": "armed"}
_MEMORIES = TypeAdapter(dict[str, Memory])


def recall(incidents: "Table") -> Mapping[str, Memory]:
    """What was remembered last, by the alarm's name; empty at first."""
    item = incidents.get_item(Key=_KEY, ConsistentRead=True).get("Item", {})
    return _MEMORIES.validate_json(str(item.get("text", "{}")))


def remember(incidents: "Table", memories: Mapping[str, Memory]) -> None:
    """Remember these in place of those before."""
    incidents.put_item(Item={**_KEY, "text": _MEMORIES.dump_json(dict(memories)).decode()})


def armed(incidents: "Table") -> bool:
    """Whether monitoring was armed once."""
    return "Item" in incidents.get_item(Key=_ARMED, ConsistentRead=True)


def remember_armed(incidents: "Table", at: datetime) -> None:
    """Remember that monitoring is armed from now on."""
    incidents.put_item(Item={**_ARMED, "at": at.isoformat()})
