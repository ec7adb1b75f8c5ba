"""What a step of a procedure is given, and what it answers."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime


class RefusedError(Exception):
    """A step does not do what it was asked for, in one sentence for people; it has changed nothing."""


class UnreadError(RefusedError):
    """A fact that a step rests on could not be read: in a loop, the next round reads it again."""


class VerifyError(Exception):
    """What was done did not lead where it should have, in one sentence for people."""


@dataclass(frozen=True, kw_only=True)
class Run:
    """One execution of a procedure's document: who started it, why, and with which inputs; when the step that runs began, by
    Automation's clock, which is that of the alarms."""

    procedure: str
    execution: str
    started_by: str
    reason: str
    dry_run: bool
    inputs: Mapping[str, str]
    at: datetime = field(default_factory=lambda: datetime.now(UTC))


Answer = Mapping[str, str]
"""What a step answers: `said` is for people, `wait` is WAITING where the step is to be run again later."""

Step = Callable[[Run], Answer]
Steps = Mapping[str, Mapping[str, Step]]
"""The steps of a family, by procedure and by the step's name in the document."""

WAITING = "STILL-WAITING"
"""The documents look for this word in an answer, however Automation writes the JSON around it."""


def waiting(said: str) -> Answer:
    """The answer of a step that is to be run again later."""
    return {"said": said, "wait": WAITING}
