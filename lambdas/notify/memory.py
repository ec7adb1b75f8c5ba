"""What `notify` remembers from run to run: the items `notifications` and `armed` in the table of incidents."""

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Literal

from aws_lambda_powertools import Logger
from pydantic import TypeAdapter, ValidationError

from lambdas.notify.plan import Memory

if TYPE_CHECKING:
    from mypy_boto3_dynamodb.service_resource import Table

logger = Logger(service="notify")

Channel = Literal["people", "chat"]
CHANNELS: tuple[Channel, ...] = ("people", "chat")
"""Whom a notification goes to, the most important first: each is remembered by itself."""
Memories = Mapping[Channel, Mapping[str, Memory]]
"""For each channel, the memory of each alarm by its name."""

_KEY = {"id": "notifications"}
_ARMED = {"id": "armed"}
_ATTRIBUTES: Mapping[Channel, str] = {"people": "text", "chat": "chat"}
_ANY = TypeAdapter(dict[str, Any])
_MEMORY = TypeAdapter(Memory)
_MEMORIES = TypeAdapter(Mapping[str, Memory])
_EARLIEST = datetime(2000, 1, 1, tzinfo=UTC)
_DAY = timedelta(days=1)


def nothing() -> Memories:
    """What is remembered at first."""
    return {channel: {} for channel in CHANNELS}


def recall(incidents: "Table", now: datetime) -> Memories:
    """What was remembered last; nothing at first. What is unreadable is left out, and its alarm is told again. Raises what AWS
    raises."""
    item = incidents.get_item(Key=_KEY, ConsistentRead=True).get("Item", {})
    people = item.get("text", "{}")  # an earlier release of the function remembered both as one
    return {channel: dict(_readable(item.get(_ATTRIBUTES[channel], people), now)) for channel in CHANNELS}


def _readable(text: Any, now: datetime) -> Iterator[tuple[str, Memory]]:
    try:
        found = _ANY.validate_json(str(text))
    except ValidationError:
        logger.exception("The memory is unreadable: what fires is told again")
        return
    for name, one in found.items():
        try:
            read = _MEMORY.validate_python(one)
            moments = [moment for moment in vars(read).values() if isinstance(moment, datetime)]
            if all(_EARLIEST <= moment <= now + _DAY for moment in moments):
                yield name, read
                continue
            logger.error("A time in the memory of an alarm is out of range: if it fires, it is told again", alarm=name)
        except (ValueError, TypeError):  # TypeError: a time without its zone
            logger.exception("The memory of an alarm is unreadable: if it fires, it is told again", alarm=name)


def remember(incidents: "Table", memories: Memories) -> None:
    """Remember these in place of those before. Raises what AWS raises."""
    texts = {_ATTRIBUTES[channel]: _MEMORIES.dump_json(memories[channel]).decode() for channel in CHANNELS}
    incidents.put_item(Item={**_KEY, **texts})


def armed(incidents: "Table") -> bool:
    """Whether monitoring was armed once."""
    return "Item" in incidents.get_item(Key=_ARMED, ConsistentRead=True)


def remember_armed(incidents: "Table", at: datetime) -> None:
    """Remember that monitoring is armed from now on."""
    incidents.put_item(Item={**_ARMED, "at": at.isoformat()})
