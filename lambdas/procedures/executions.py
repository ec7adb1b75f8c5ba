"""Executions of documents, as Systems Manager tells of them: nothing in an event is believed without them.

Of the steps, https://docs.aws.amazon.com/systems-manager/latest/APIReference/API_GetAutomationExecution.html tells what fits;
https://docs.aws.amazon.com/systems-manager/latest/APIReference/API_DescribeAutomationStepExecutions.html tells of all.
"""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from lambdas.common.events import EventError
from lambdas.common.words import one_line
from lambdas.procedures.run import RefusedError, Run

if TYPE_CHECKING:
    from mypy_boto3_ssm import SSMClient

APPROVE = "Approve"
"""The step of a document that waits for an approval."""

_RUNNING = ("InProgress", "Cancelling")
"""Of an execution: the steps of a cancellation run as well."""
_ENDED = ("Success", "TimedOut", "Cancelled", "Failed", "Rejected", "Exited", "CompletedWithSuccess", "CompletedWithFailure")
_ENDED_BADLY = ("Failed", "TimedOut", "Cancelled", "Rejected")
"""Of a step."""
_PRINCIPAL = re.compile(r"arn:[\w-]+:(iam|sts)::\d{12}:[\w+=,.@/-]+")


class LockWanted(BaseModel):
    """The lock that a step takes: the things that it locks, and for how many minutes after each step."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    keys: tuple[Annotated[str, Field(pattern=r"^[a-z]+$")], ...] = Field(min_length=1)
    minutes: int = Field(gt=0, le=24 * 60)


class Event(BaseModel):
    """What a document sends for one of its steps."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    procedure: str
    step: str
    execution: str
    inputs: dict[str, str]
    lock: LockWanted | None = None
    approval: bool = False
    approval_for: tuple[str, str] | None = None
    """The only value of an input for which an approval is needed."""
    loop: bool = False
    """Whether the step is one of a loop, and must not fail."""
    after: tuple[str, ...] = ()
    """The steps of loops that have to have ended well before."""


def parse(event: Any) -> Event:
    """The event of a step; EventError names each field that is missing or wrong."""
    try:
        return Event.model_validate(event)
    except ValidationError as error:
        problems = [f"{'.'.join(map(str, problem['loc'])) or 'event'}: {problem['msg']}" for problem in error.errors()]
        raise EventError("; ".join(problems)) from None


class Execution:
    """One execution of a document, at the time of a step."""

    def __init__(self, ssm: "SSMClient", execution: str) -> None:
        """Raises what AWS raises, as everything here that reads."""
        self._ssm = ssm
        self._id = execution
        found: Any = ssm.get_automation_execution(AutomationExecutionId=execution)
        self._found: Mapping[str, Any] = found["AutomationExecution"]
        self.at: datetime | None = None
        """When the step began that `problem` found in progress."""

    @property
    def started_by(self) -> str:
        return str(self._found["ExecutedBy"])

    @property
    def status(self) -> str:
        return str(self._found["AutomationExecutionStatus"])

    @property
    def ended(self) -> bool:
        return self.status in _ENDED

    @property
    def cancelled(self) -> bool:
        return self.status in ("Cancelling", "Cancelled")

    def problem(self, event: Event, document: str) -> str:
        """Empty when the execution is at that step of the document, with the event's inputs; else what is wrong, in words."""
        if (name := self._found["DocumentName"]) != document:
            return f"execution {self._id} is of {name}, not of {document}"
        if self.status not in _RUNNING:
            return f"execution {self._id} is {self.status}"
        self.at = self._began(event.step)
        if self.at is None:
            return f"execution {self._id} is not at its step {event.step}"
        given = {key: values[0] for key, values in self._found.get("Parameters", {}).items() if values}
        wrong = sorted(key for key, value in given.items() if event.inputs.get(key, value) != value)
        return f"execution {self._id} was started with another {', '.join(wrong)}" if wrong else ""

    def _began(self, step: str) -> datetime | None:
        """When a step that is in progress began; None when it is not."""
        steps = self._steps("StepName", step)
        return next((one["ExecutionStartTime"] for one in steps if one["StepStatus"] == "InProgress"), None)

    def approvers(self) -> set[str]:
        """Who approved; RefusedError when there was no approval, or it does not say whose it was."""
        step = next(iter(self._steps("StepName", APPROVE)), None)
        if step is None:
            raise RefusedError(
                "Nobody can approve this: [procedures] approvers in config/ has to name who may, beside who starts it."
            )
        found = {one for text in step.get("Outputs", {}).get("ApproverDecisions", ()) for one in _principals(_parsed(text))}
        if step["StepStatus"] != "Success" or not found:
            raise RefusedError("The approval does not say whose it was: start the procedure again.")
        return found

    def failures(self) -> dict[str, str]:
        """The steps that ended badly, and why in Automation's words."""
        return {
            step["StepName"]: one_line(str(step.get("FailureMessage") or step["StepStatus"]))
            for step in self._steps("StepExecutionStatus", *_ENDED_BADLY)
        }

    def _steps(self, key: Any, *values: str) -> Sequence[Mapping[str, Any]]:
        """The steps that have one of these, the newest first; those of a loop are there once for each round."""
        found: Any = self._ssm.describe_automation_step_executions(
            AutomationExecutionId=self._id, Filters=[{"Key": key, "Values": values}], ReverseOrder=True, MaxResults=50
        )
        steps: Sequence[Mapping[str, Any]] = found["StepExecutions"]
        return steps


class Executions:
    """The executions of one environment's documents, whose names begin with the prefix."""

    def __init__(self, ssm: "SSMClient", prefix: str) -> None:
        self._ssm = ssm
        self._prefix = prefix

    def read(self, execution: str) -> Execution:
        """An execution; raises what AWS raises."""
        return Execution(self._ssm, execution)

    def of(self, event: Event) -> tuple[Execution, Run]:
        """The execution that sent an event, which has to be at that step; EventError when it is not."""
        execution = self.read(event.execution)
        if problem := execution.problem(event, f"{self._prefix}-{event.procedure}"):
            raise EventError(problem)
        own = {name: value for name, value in event.inputs.items() if name not in ("DryRun", "Reason")}
        return execution, Run(
            procedure=event.procedure,
            execution=event.execution,
            started_by=execution.started_by,
            reason=event.inputs.get("Reason", ""),
            dry_run=event.inputs.get("DryRun", "true") != "false",
            inputs=own,
            **({"at": execution.at.astimezone(UTC)} if execution.at else {}),
        )


def _parsed(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return None


def _principals(value: Any) -> Iterator[str]:
    """Every principal's ARN in a decision, but for those in a comment, which whoever approves writes himself."""
    if isinstance(value, str):
        if _PRINCIPAL.fullmatch(value):
            yield value
    elif isinstance(value, list):
        for one in value:
            yield from _principals(one)
    elif isinstance(value, dict):
        for key, one in value.items():
            if "comment" not in key.lower():
                yield from _principals(key)
                yield from _principals(one)
