"""The connections to the environment's database: those of a quiet day, and what tasks of the service do not give back."""

from collections.abc import Callable, Iterable
from typing import Any

_QUIET = 75
_LEAKED = "_leaked"
"""In the emulator's record of a task: the connections that it holds until it stops."""


class Connections:
    """Those of the tasks that `tasks` gives, `most` at one time."""

    def __init__(self, tasks: Callable[[], Iterable[dict[str, Any]]], most: int) -> None:
        self._tasks = tasks
        self._most = most

    def leak(self, each: int) -> None:
        """Each task that runs holds so many from now on, beside those of a quiet day."""
        for task in self._tasks():
            task[_LEAKED] = each

    def count(self) -> int:
        leaked: int = sum(task.get(_LEAKED, 0) for task in self._tasks())
        return min(_QUIET + leaked, self._most)

    def left(self) -> bool:
        return self.count() < self._most
