"""What Systems Manager's API shows of executions, and what EventBridge is told of them."""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from uuid import UUID, uuid5

from ministack.core.responses import get_account_id, get_region, new_uuid

from local.automation.execution import Execution
from local.automation.runs import Run
from local.automation.values import in_text
from local.automation.values import listed as as_texts
from local.emulator.automation_callers import Caller
from local.emulator.ssm_documents import Answer, RefusedError, Request, Stored, Version

_MOST = 50  # in one answer


@dataclass
class Started:
    """An execution with what the API shows of it."""

    execution: Execution
    document: Stored
    version: Version
    parameters: Mapping[str, list[str]]
    by: str
    caller: Caller
    parent: str
    running: bool = True
    """Whether its thread is at work."""


def parent(caller: str, started: Mapping[str, Started]) -> str:
    """The execution whose step starts another: the caller is its session."""
    name = caller.rpartition("/")[2].removeprefix("Automation-")
    return name if name in started else ""


def shown(one: Started) -> Answer:
    """The answer to GetAutomationExecution."""
    about = _metadata(one)
    del about["AutomationType"], about["LogFile"]
    more = {"Parameters": dict(one.parameters), "StepExecutions": list(_steps(one)), "StepExecutionsTruncated": False}
    return {"AutomationExecution": {**about, **more}}


def listed(request: Request, started: Sequence[Started]) -> Answer:
    """The answer to DescribeAutomationExecutions, the newest first."""
    found = [_metadata(one) for one in reversed(started)]
    for one in request.get("Filters", ()):
        passes = _FILTERS.get(one["Key"])
        if passes is None:
            raise RefusedError("InvalidFilterKey", f"The local cloud filters by {', '.join(_FILTERS)}, not by {one['Key']}.")
        try:
            found = [about for about in found if any(passes(about, value) for value in one["Values"])]
        except ValueError as error:
            raise RefusedError("InvalidFilterValue", str(error)) from None
    return _page(request, "AutomationExecutionMetadataList", found)


def steps(request: Request, one: Started) -> Answer:
    """The answer to DescribeAutomationStepExecutions."""
    found = list(_steps(one))
    for each in request.get("Filters", ()):
        member = _STEP_FILTERS.get(each["Key"])
        if member is None:
            raise RefusedError(
                "InvalidFilterKey", f"The local cloud filters by {', '.join(_STEP_FILTERS)}, not by {each['Key']}."
            )
        found = [about for about in found if about.get(member) in each["Values"]]
    return _page(request, "StepExecutions", found[::-1] if request.get("ReverseOrder") else found)


_FILTERS: Mapping[str, Callable[[Answer, str], bool]] = {
    "DocumentNamePrefix": lambda shown, value: shown["DocumentName"].startswith(value),
    "ExecutionStatus": lambda shown, value: shown["AutomationExecutionStatus"] == value,
    "ExecutionId": lambda shown, value: shown["AutomationExecutionId"] == value,
    "ParentExecutionId": lambda shown, value: shown.get("ParentAutomationExecutionId") == value,
    "CurrentAction": lambda shown, value: shown.get("CurrentAction") == value,
    "StartTimeBefore": lambda shown, value: shown["ExecutionStartTime"] < datetime.fromisoformat(value).timestamp(),
    "StartTimeAfter": lambda shown, value: shown["ExecutionStartTime"] > datetime.fromisoformat(value).timestamp(),
}


_STEP_FILTERS = {
    "StepName": "StepName",
    "StepExecutionStatus": "StepStatus",
    "StepExecutionId": "StepExecutionId",
    "Action": "Action",
}


def _page(request: Request, name: str, found: list[Answer]) -> Answer:
    token = request.get("NextToken") or "0"
    if not token.isdecimal():
        raise RefusedError("InvalidNextToken", "The specified token is not valid.")
    begin = int(token)
    end = begin + request.get("MaxResults", _MOST)
    return {name: found[begin:end], **({"NextToken": str(end)} if end < len(found) else {})}


def _metadata(one: Started) -> Answer:
    execution = one.execution
    current = execution.current
    about = {
        "AutomationExecutionId": execution.id,
        "DocumentName": one.document.name,
        "DocumentVersion": str(one.version.number),
        "AutomationExecutionStatus": execution.status,
        "ExecutionStartTime": execution.started,
        "ExecutionEndTime": execution.ended or None,
        "ExecutedBy": one.by,
        "LogFile": "",
        "Outputs": dict(execution.outputs),
        "Mode": "Auto",
        "ParentAutomationExecutionId": one.parent or None,
        "CurrentStepName": current.step.name if current else None,
        "CurrentAction": current.step.action if current else None,
        "FailureMessage": execution.failure or None,
        "Targets": [],
        "ResolvedTargets": {"ParameterValues": [], "Truncated": False},
        "AutomationType": "Local",
    }
    return {key: value for key, value in about.items() if value is not None}


def _steps(one: Started) -> Iterator[Answer]:
    """Every step that ran or runs, then those that have not."""
    ran = list(one.execution.runs)
    for run in ran:
        yield _step_execution(run)
    for step in one.version.document.steps:
        if step.name not in {run.step.name for run in ran}:
            yield _step_execution(Run(step, str(uuid5(UUID(one.execution.id), step.name))))


def _step_execution(run: Run) -> Answer:
    step = run.step
    seconds = run.seconds or (step.seconds if isinstance(step.seconds, int) else None)
    about = {
        "StepName": step.name,
        "Action": step.action,
        "TimeoutSeconds": int(seconds) if seconds else None,
        "OnFailure": step.on_failure,
        "MaxAttempts": step.attempts,
        "ExecutionStartTime": run.started,
        "ExecutionEndTime": run.ended,
        "StepStatus": run.status,
        "Inputs": {key: json.dumps(value, default=str) for key, value in run.inputs.items()},
        "Outputs": {key: as_texts(value) for key, value in dict(run.outputs).items()},
        "FailureMessage": run.failure or None,
        "FailureDetails": {"FailureStage": run.stage, "FailureType": run.type} if run.failure else None,
        "StepExecutionId": run.id,
        "IsEnd": step.end,
        "NextStep": step.next or None,
        "IsCritical": step.critical,
        "ParentStepDetails": _parent_details(run) if run.loop else None,
    }
    return {key: value for key, value in about.items() if value is not None}


def _parent_details(run: Run) -> Answer:
    item = {} if run.item is None else {"IteratorValue": in_text(run.item)}
    return {"StepExecutionId": run.loop, "Action": "aws:loop", "Iteration": run.round, **item}


def event(one: Started, now: float) -> Answer:
    """EventBridge's event of an execution's status.

    https://docs.aws.amazon.com/systems-manager/latest/userguide/monitoring-systems-manager-event-examples.html
    """
    execution, prefix = one.execution, f"arn:aws:ssm:{get_region()}:{get_account_id()}"
    begin, end = (datetime.fromtimestamp(at, UTC) for at in (execution.started, execution.ended or now))
    definition = f"automation-definition/{one.document.name}:{one.version.number}"
    detail = {
        "ExecutionId": execution.id,
        "Definition": one.document.name,
        "DefinitionVersion": float(one.version.number),
        "Status": execution.status,
        "StartTime": f"{begin:%b %d, %Y %I:%M:%S %p}",
        "EndTime": f"{end:%b %d, %Y %I:%M:%S %p}",
        "Time": (end - begin).total_seconds() * 1000,
        "ExecutedBy": one.by,
    }
    return {
        "EventId": new_uuid(),
        "Source": "aws.ssm",
        "DetailType": "EC2 Automation Execution Status-change Notification",
        "Detail": json.dumps(detail),
        "Time": int(now),
        "Resources": [f"{prefix}:automation-execution/{execution.id}", f"{prefix}:{definition}"],
        "Account": get_account_id(),
        "Region": get_region(),
    }
