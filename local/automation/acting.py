"""What the steps do, action by action, as the page of each says.

https://docs.aws.amazon.com/systems-manager/latest/userguide/automation-actions.html
"""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from local.automation import durations
from local.automation.actions import ACTIONS, MOST_ROUNDS
from local.automation.documents import Step
from local.automation.runs import ENDED, Run, StepError, Steps, timed_out, unresolved
from local.automation.selectors import Segment, parsed, selected
from local.automation.values import converted, in_text, listed, substituted

if TYPE_CHECKING:
    from local.automation.execution import Execution

_CALL_SECONDS = 25
_POLL_SECONDS = 5  # AWS documents no interval
_LAMBDA = ("StatusCode", "FunctionError", "LogResult", "ExecutedVersion", "Payload")


@dataclass(frozen=True)
class Attempt:
    """A step that runs once, with the time at which it has to be over."""

    execution: "Execution"
    step: Step
    run: Run
    deadline: float | None

    def inputs(self) -> Mapping[str, Any]:
        """The inputs with what they refer to."""
        known = ACTIONS[self.step.action].inputs
        self.run.inputs = self.step.inputs
        self.run.inputs = {
            key: self.execution.resolved(key, value, known[key].kind if key in known else "Any")
            for key, value in self.step.inputs.items()
        }
        return self.run.inputs

    def call(self, service: str, operation: str, parameters: Mapping[str, Any], seconds: float = _CALL_SECONDS) -> Any:
        """Call an API for this step, for as long as the step may take and the action lets it."""
        return self.execution.call(self.step, service, operation, parameters, min(self.run.seconds or seconds, seconds))

    def api(self, inputs: Mapping[str, Any]) -> Any:
        """Call the API that the inputs name."""
        own = ACTIONS[self.step.action].inputs
        return self.call(inputs["Service"], inputs["Api"], {key: value for key, value in inputs.items() if key not in own})

    def put(self, name: str, value: Any) -> None:
        """Keep an output."""
        self.execution.put(self.step, self.run, name, value)

    def select(self, response: Any, data: Callable[[Sequence[Segment]], Any] | None = None) -> None:
        """Take the outputs that the step selects of a response; one that is not there has no value."""
        for out in self.step.outputs:
            try:
                value = selected(out.selector, data(out.selector) if data else response)
            except LookupError:
                continue
            if value is None:
                continue
            try:
                self.put(out.name, converted(out.kind, value))
            except ValueError as error:
                message = f"Step fails when it is validating the output {out.name}. {error}."
                raise StepError(message, "PostVerification", "Verification") from None

    def until(self, time: float | None, execution: str = "") -> Steps:
        """Wait until a time, a signal or the end of another execution; or until this step's time is over."""
        yield from self.execution.until(time, self.deadline, execution)

    def heed_deadline(self) -> None:
        """StepError when the step's time is over."""
        if self.deadline is not None and self.execution.clock() >= self.deadline:
            raise timed_out()

    def wait_for_people(self) -> Steps:
        """Wait for a signal."""
        self.heed_deadline()
        self.execution.state = self.run.status = "Waiting"
        yield from self.until(None)
        self.run.status = "InProgress"

    def holds(self, condition: Mapping[str, Any]) -> bool:
        """Whether a condition holds. A name without a value is an empty text."""
        if "And" in condition:
            return all(self.holds(one) for one in condition["And"])
        if "Or" in condition:
            return any(self.holds(one) for one in condition["Or"])
        if "Not" in condition:
            inner = condition["Not"]
            return not all(self.holds(one) for one in (inner if isinstance(inner, list) else [inner]))
        operation = next(key for key in condition if key != "Variable")
        try:
            compared = substituted(condition["Variable"], self.execution.resolve)
        except LookupError:
            compared = ""
        return _compare(operation, compared, self.execution.resolved(operation, condition[operation]))


def _execute_api(attempt: Attempt) -> Steps:
    yield from ()
    response = attempt.api(attempt.inputs())
    attempt.put("OutputPayload", response)
    attempt.select(response)


def _property(attempt: Attempt, inputs: Mapping[str, Any]) -> tuple[bool, str]:
    """Whether a resource's property has a desired value, and its value."""
    response = attempt.api(inputs)
    try:
        found = selected(parsed(inputs["PropertySelector"]), response)
    except LookupError:
        found = None
    except ValueError:
        raise unresolved("PropertySelector", "String") from None
    attempt.select(response)
    return _as_compared(found) in [_as_compared(value) for value in inputs["DesiredValues"]], _as_compared(found)


def _assert_resource(attempt: Attempt) -> Steps:
    yield from ()
    inputs = attempt.inputs()
    is_so, found = _property(attempt, inputs)
    if not is_so:
        desired = ", ".join(_as_compared(value) for value in inputs["DesiredValues"])
        message = f"Step fails when it is verifying {inputs['PropertySelector']}. Its value {found} is none of {desired}."
        raise StepError(message, "PostVerification", "Verification")


def _wait_for_resource(attempt: Attempt) -> Steps:
    inputs = attempt.inputs()
    while not _property(attempt, inputs)[0]:  # looked at once more when the time is over: the clock may leap
        attempt.heed_deadline()
        yield from attempt.until(attempt.execution.clock() + _POLL_SECONDS)


def _invoke_function(attempt: Attempt) -> Steps:
    """AWS does not document what an error of the function does to the step; here the step fails."""
    yield from ()
    action, inputs = ACTIONS[attempt.step.action], dict(attempt.inputs())
    payload = inputs.pop("InputPayload", None)
    if payload is not None:
        inputs["Payload"] = json.dumps(payload, ensure_ascii=False)
    response = dict(attempt.call("lambda", "Invoke", inputs, action.seconds or _CALL_SECONDS))
    if response.get("FunctionError"):
        said = f"Lambda function {inputs['FunctionName']} returned an error: {response.get('Payload', '')}"
        raise StepError(f"Step fails when it is Execute/Cancelling action. {said}.")
    for name in action.outputs:
        if response.get(name) is not None:
            attempt.put(name, response[name])
    try:
        returned = json.loads(response.get("Payload") or "null")
    except (ValueError, RecursionError):
        returned = response["Payload"]

    def data(selector: Sequence[Segment]) -> Any:
        """The answer to Invoke; or, as in AWS's example of a loop, what the function returned."""
        return {**response, "Payload": returned} if not selector or selector[0].child in _LAMBDA else returned

    attempt.select(response, data)


def _approve(attempt: Attempt) -> Steps:
    inputs, run = attempt.inputs(), attempt.run
    run.approvers, run.decisions = inputs["Approvers"], []
    least = inputs.get("MinRequiredApprovals", 1)
    if not 1 <= least <= len(run.approvers):
        raise unresolved("MinRequiredApprovals", "Integer")
    if topic := inputs.get("NotificationArn"):
        if not topic.rpartition(":")[2].startswith("Automation"):
            raise unresolved("NotificationArn", "String")
        attempt.call("sns", "Publish", _approval_request(attempt, topic, inputs.get("Message", "")))
    while True:
        status = (
            "Rejected"
            if any(made["Decision"] == "Reject" for made in run.decisions)
            else "Approved"
            if len(run.decisions) >= least
            else "Waiting"
        )
        attempt.put("ApprovalStatus", status)
        attempt.put("ApproverDecisions", list(run.decisions))
        if status == "Rejected":
            raise StepError(f"Step fails when it is waiting for approval. {attempt.step.name} was rejected.")
        if status == "Approved":
            return
        yield from attempt.wait_for_people()


def _approval_request(attempt: Attempt, topic: str, message: str) -> Mapping[str, Any]:
    """The message to the approvers. AWS documents only that it has the input Message."""
    execution, region = attempt.execution.id, attempt.execution.system.get("global:REGION", "")
    link = f"https://{region}.console.aws.amazon.com/systems-manager/automation/execution/{execution}?region={region}"
    lines = [
        *([message] if message else []),
        f"The step {attempt.step.name} of the automation {execution} waits for approval.",
        f"Approve or reject it: {link}",
        f"aws ssm send-automation-signal --automation-execution-id {execution} --signal-type Approve",
    ]
    return {"TopicArn": topic, "Subject": f"Automation approval request: {execution}", "Message": "\n\n".join(lines)}


def _branch(attempt: Attempt) -> Steps:
    yield from ()
    attempt.run.inputs = inputs = attempt.step.inputs
    for choice in inputs["Choices"]:
        if attempt.holds({key: value for key, value in choice.items() if key != "NextStep"}):
            return choice["NextStep"]
    return inputs.get("Default")


def _sleep(attempt: Attempt) -> Steps:
    inputs, clock = attempt.inputs(), attempt.execution.clock
    try:
        until = (
            clock() + durations.seconds(inputs["Duration"]) if "Duration" in inputs else durations.moment(inputs["Timestamp"])
        )
    except ValueError:
        raise unresolved(next(iter(inputs)), "String") from None
    while clock() < until:
        yield from attempt.until(until)
        if attempt.deadline is not None and attempt.deadline < until:
            attempt.heed_deadline()


def _pause(attempt: Attempt) -> Steps:
    attempt.run.decisions = []
    while not attempt.run.decisions:
        yield from attempt.wait_for_people()


def _update_variable(attempt: Attempt) -> Steps:
    yield from ()
    name = attempt.step.inputs["Name"]
    kind = attempt.execution.document.variables[name.removeprefix("variable:")].kind
    value = attempt.execution.resolved("Value", attempt.step.inputs["Value"], kind)
    attempt.run.inputs = {"Name": name, "Value": value}
    attempt.execution.variables[name] = value


def _loop(attempt: Attempt) -> Steps:
    step, execution = attempt.step, attempt.execution
    attempt.run.inputs = step.inputs
    most = execution.resolved("MaxIterations", step.inputs.get("MaxIterations", MOST_ROUNDS), "Integer")
    items = execution.resolved("Iterators", step.inputs["Iterators"]) if "Iterators" in step.inputs else None
    if items is not None and (not isinstance(items, list) or len(items) > MOST_ROUNDS):
        raise unresolved("Iterators", "StringList")
    for index in range(len(items) if items is not None else min(most, MOST_ROUNDS)):
        attempt.heed_deadline()
        attempt.put("CurrentIteration", index + 1)
        item = None if items is None else items[index]
        if items is not None:
            attempt.put("CurrentIteratorValue", item)
        yield from execution.walk(step.steps, step.steps[0].name, loop=attempt.run.id, round=index + 1, item=item)
        if items is None and not attempt.holds(step.inputs["LoopCondition"]):
            return


def _execute_automation(attempt: Attempt) -> Steps:
    inputs = attempt.inputs()
    parameters: dict[str, Any] = {key: inputs[key] for key in ("DocumentName", "DocumentVersion") if key in inputs}
    if given := inputs.get("RuntimeParameters"):
        parameters["Parameters"] = {key: listed(value) for key, value in given.items()}
    child = attempt.call("ssm", "StartAutomationExecution", parameters)["AutomationExecutionId"]
    attempt.put("ExecutionId", child)
    while True:
        found = attempt.call("ssm", "GetAutomationExecution", {"AutomationExecutionId": child})["AutomationExecution"]
        status = found["AutomationExecutionStatus"]
        if status in ENDED:
            break
        attempt.heed_deadline()
        yield from attempt.until(None, child)
    attempt.put("Status", status)
    attempt.put("Output", [text for texts in (found.get("Outputs") or {}).values() for text in texts])
    if status != "Success":
        said = found.get("FailureMessage", "")
        raise StepError(f"Step fails when it is waiting for the automation {child}, which is {status}. {said}")


RUNNERS: Mapping[str, Callable[[Attempt], Steps]] = {
    "aws:approve": _approve,
    "aws:assertAwsResourceProperty": _assert_resource,
    "aws:branch": _branch,
    "aws:executeAutomation": _execute_automation,
    "aws:executeAwsApi": _execute_api,
    "aws:invokeLambdaFunction": _invoke_function,
    "aws:loop": _loop,
    "aws:pause": _pause,
    "aws:sleep": _sleep,
    "aws:updateVariable": _update_variable,
    "aws:waitForAwsResourceProperty": _wait_for_resource,
}
"""What runs a step of each action."""


def _as_compared(value: Any) -> str:
    """A property as text; a Boolean is True or False."""
    return str(value) if isinstance(value, bool) or value is None else in_text(value)


def _compare(operation: str, one: Any, other: Any) -> bool:
    """Whether a comparison holds; values of other types than it compares are different."""
    if operation in _NUMBERS:
        if any(isinstance(value, bool) or not isinstance(value, int | float) for value in (one, other)):
            return False
        return _NUMBERS[operation](one, other)
    if operation == "BooleanEquals":
        return isinstance(one, bool) and one is other
    return _TEXTS[operation](in_text(one), in_text(other))


_NUMBERS: Mapping[str, Callable[[float, float], bool]] = {
    "NumericEquals": lambda one, other: one == other,
    "NumericGreater": lambda one, other: one > other,
    "NumericLesser": lambda one, other: one < other,
    "NumericGreaterOrEquals": lambda one, other: one >= other,
    "NumericLesserOrEquals": lambda one, other: one <= other,
}
_TEXTS: Mapping[str, Callable[[str, str], bool]] = {
    "StringEquals": lambda one, other: one == other,
    "EqualsIgnoreCase": lambda one, other: one.lower() == other.lower(),
    "StartsWith": lambda one, other: one.startswith(other),
    "EndsWith": lambda one, other: one.endswith(other),
    "Contains": lambda one, other: other in one,
}
