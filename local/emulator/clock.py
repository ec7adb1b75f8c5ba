"""The one clock of the local cloud: real time plus an offset that only moves forward. It may begin behind real time."""

import time
from datetime import UTC, datetime
from types import ModuleType
from typing import Any


class Clock:
    """Stands in for the module `time` in the parts of the emulator that have to follow the clock.

    Only `time()` and `now()` have the offset. Everything else, `sleep` and `monotonic` included, is real. Nothing that signs
    requests or expires credentials uses this clock.
    """

    def __init__(self, behind: float = 0) -> None:
        self.offset = -behind

    def time(self) -> float:
        """Seconds since the epoch."""
        return time.time() + self.offset

    def now(self) -> datetime:
        return datetime.fromtimestamp(self.time(), UTC)

    def advance(self, seconds: float) -> None:
        """Move the clock; ValueError when it would go back."""
        if seconds < 0:
            raise ValueError(f"the clock cannot go back {-seconds:g} seconds")
        self.offset += seconds

    def drive(self, *modules: ModuleType) -> None:
        """Make modules that call `time.time()` follow this clock."""
        for module in modules:
            vars(module)["time"] = self

    def __getattr__(self, name: str) -> Any:
        return getattr(time, name)
