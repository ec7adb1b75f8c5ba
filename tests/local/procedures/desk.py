"""An on-call engineer's desk on a deployed cloud: procedures are started by one person, and approved by another."""

from datetime import timedelta
from typing import Literal

from local.cloud import Cloud
from local.drills.operator import Execution, Operator


class Desk:
    """Starts procedures, approves them, and lets time pass until they have ended."""

    def __init__(self, cloud: Cloud) -> None:
        self._ada, self._bob = Operator(cloud, "ada"), Operator(cloud, "bob")

    def run(self, procedure: str, *, approve: Literal["Approve", "Reject"] = "Approve", **inputs: str) -> Execution:
        """A procedure to its end, with another person's signal where it waits for one."""
        execution = self._ada.start(procedure, **inputs)
        if self._ada.look(execution).status == "Waiting":
            self._bob.signal(execution, approve)
        return self._ada.end(execution, every=timedelta(minutes=5))
