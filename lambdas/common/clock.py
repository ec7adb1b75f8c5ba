"""The time, as functions are given it: a run of the past or of a test has its own."""

from collections.abc import Callable
from datetime import UTC, datetime

Clock = Callable[[], datetime]
"""Says what time it is now, in UTC."""


def now() -> datetime:
    """The time of the wall clock."""
    return datetime.now(UTC)
