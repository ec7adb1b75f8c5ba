"""ISO 8601 durations and timestamps, as aws:sleep takes them."""

import re
from datetime import UTC, datetime

_DURATION = re.compile(
    r"P(?:(?P<weeks>\d+)W)?(?:(?P<days>\d+)D)?(?:T(?=\d)(?:(?P<hours>\d+)H)?(?:(?P<minutes>\d+)M)?(?:(?P<seconds>\d+(?:\.\d+)?)S)?)?"
)
_SECONDS = {"weeks": 604_800, "days": 86_400, "hours": 3600, "minutes": 60, "seconds": 1}


def seconds(duration: str) -> float:
    """A duration such as PT10M in seconds; ValueError when it is none."""
    found = _DURATION.fullmatch(duration)
    if not found or not any(found.groupdict().values()):
        raise ValueError(f"{duration} is no ISO 8601 duration such as PT10M")
    return sum(float(number or 0) * _SECONDS[unit] for unit, number in found.groupdict().items())


def moment(timestamp: str) -> float:
    """A timestamp in epoch seconds, in UTC unless it says otherwise; ValueError when it is none."""
    try:
        found = datetime.fromisoformat(timestamp)
    except ValueError:
        raise ValueError(f"{timestamp} is no ISO 8601 timestamp such as 2026-01-31T12:30:00Z") from None
    return (found if found.tzinfo else found.replace(tzinfo=UTC)).timestamp()
