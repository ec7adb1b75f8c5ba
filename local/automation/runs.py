"""A step as it runs, and what may become of it."""

from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from local.automation.documents import Step

GUIDE = "Please refer to Automation Service Troubleshooting Guide for more diagnosis details."
"""How AWS's failure messages end."""

ENDED = ("Success", "Failed", "TimedOut", "Cancelled")
"""The statuses of what is over."""


class CallError(Exception):
    """A call that was refused or failed, in AWS's words, with AWS's error code."""

    def __init__(self, message: str, code: str = "") -> None:
        super().__init__(message)
        self.code = code


class CallTimeoutError(Exception):
    """A call without an answer in time. What it did is not known."""


class SignalError(Exception):
    """A signal that the execution cannot take; the message is one sentence."""


class UnknownStepError(SignalError):
    """A signal to a step that the execution does not have."""


class Call(Protocol):
    """Calls an API for a step: CallError when it is refused, CallTimeoutError when there is no answer in `seconds`."""

    def __call__(self, step: str, service: str, operation: str, parameters: Mapping[str, Any], seconds: float) -> Any: ...


@dataclass(frozen=True)
class Wait:
    """What an execution waits for: a time of the clock, None for a signal only; or the end of another execution."""

    until: float | None = None
    execution: str = ""


@dataclass
class Run:
    """A step as it runs, or ran. `loop`, `round` and `item` say which loop it is in, and where that is."""

    step: Step
    id: str
    status: str = "Pending"
    started: float | None = None
    ended: float | None = None
    seconds: float | None = None
    inputs: Mapping[str, Any] = field(default_factory=dict)
    outputs: dict[str, Any] = field(default_factory=dict)
    failure: str = ""
    stage: str = ""
    type: str = ""
    loop: str = ""
    round: int = 0
    item: Any = None
    approvers: Sequence[str] = ()
    decisions: list[dict[str, str]] = field(default_factory=list)


class StepError(Exception):
    """A step has failed, at one of AWS's stages, with one of AWS's types of failure."""

    def __init__(self, message: str, stage: str = "Invocation", kind: str = "Action", status: str = "Failed") -> None:
        super().__init__(f"{message} {GUIDE}")
        self.stage, self.kind, self.status = stage, kind, status


def unresolved(key: str, kind: str) -> StepError:
    """An input that has no value, or one of another type."""
    message = f"Step fails when it is validating and resolving the step inputs. Failed to resolve input: {key} to type {kind}."
    return StepError(message, "InputValidation", "Verification")


def timed_out() -> StepError:
    """A step whose time is over."""
    return StepError("Step timed out while it is Execute/Cancelling action.", status="TimedOut")


Steps = Generator[Wait, None, Any]
"""What runs: it says what it waits for, and is resumed when that is there."""
