"""What all events that invoke a function have in common."""

from datetime import UTC, datetime
from typing import Any


class EventError(Exception):
    """An event that the function does not expect; the message says what is wrong with it."""


def sent_at(event: Any) -> datetime:
    """When a schedule or a topic sent an event, in UTC; EventError when neither did."""
    try:
        stamp = event["time"] if "time" in event else event["Records"][0]["Sns"]["Timestamp"]
        return datetime.fromisoformat(stamp).astimezone(UTC)
    except (LookupError, TypeError, ValueError, OverflowError):
        raise EventError("the event is neither a schedule's nor a topic's") from None
