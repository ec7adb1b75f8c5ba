"""What is wrong with the inputs of a step, action by action, as the page of each says.

https://docs.aws.amazon.com/systems-manager/latest/userguide/automation-actions.html
"""

import json
import re
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from local.automation import apis, durations
from local.automation.actions import (
    ACTIONS,
    LONGEST_SLEEP,
    MOST_ROUNDS,
    NUMBER_OPERATIONS,
    OPERATIONS,
    TEXT_OPERATIONS,
)
from local.automation.reading import Path
from local.automation.values import a, in_text, is_a, referred

if TYPE_CHECKING:
    from local.automation.checks import Checker

_LONGEST_MESSAGE = 4096
_MOST_APPROVERS = 10
_TOPIC = re.compile(r"arn:[\w-]+:sns:[\w-]+:\d{12}:Automation[\w.-]*")

Inputs = Mapping[str, Any]
Check = Callable[["Checker", Path, Inputs, str], None]
"""Notes the problems of a step's inputs, at the path of the inputs; last is the action."""


def own(checker: "Checker", path: Path, inputs: Inputs, action: str) -> None:
    """The inputs that the action itself names."""
    known = ACTIONS[action]
    for key, one in known.inputs.items():
        if key in inputs:
            _own_value(checker, (*path, key), one.kind, inputs[key], one.values)
        elif one.required:
            checker.add(path, f"{action} needs {key}")
    for key in inputs:
        if key in known.not_run:
            checker.add((*path, key), f"{key} of {action} is not run on the local cloud")
        elif key not in known.inputs and not known.api:
            names = ", ".join(known.inputs) or "none"
            checker.add((*path, key), f"{action} has no input {key}, it has {names}")


def _own_value(checker: "Checker", path: Path, kind: str, value: Any, values: tuple[str, ...]) -> None:
    key, name = path[-1], referred(value)
    if kind == "Any":
        return
    if name:
        known = checker.kind_of(name)
        if known and known != kind:
            checker.add(path, f"{key} is {a(kind)}, and {{{{ {name} }}}} is {a(known)}")
    elif not is_a(kind, value):
        checker.add(path, f"{key} is {a(kind)}, not {in_text(value)[:60]!r}")
    elif values and value not in values and "{{" not in value:
        checker.add(path, f"{key} is one of {', '.join(values)}, not {value}")


def _api(checker: "Checker", path: Path, inputs: Inputs, action: str) -> None:
    service, api = inputs.get("Service"), inputs.get("Api")
    if not isinstance(service, str) or not isinstance(api, str) or "{{" in service + api:
        return
    if service not in apis.services():
        near = f": it is {service.lower()}" if service.lower() in apis.services() else ""
        checker.add((*path, "Service"), f"AWS's SDK has no service {service}{near}")
        return
    model = apis.operation(service, api)
    if model is None:
        checker.add((*path, "Api"), f"{service} has no operation {api}")
        return
    if apis.streams(model):
        checker.add((*path, "Api"), f"{action} cannot call {service} {model.name}, which streams")
        return
    parameters = {key: value for key, value in inputs.items() if key not in ACTIONS[action].inputs}
    for at, sentence in apis.refused(model.input_shape, parameters, checker.kind_of):
        checker.add((*path, *at), sentence)


def _resource(checker: "Checker", path: Path, inputs: Inputs, action: str) -> None:
    _api(checker, path, inputs, action)
    selects = checker.selector((*path, "PropertySelector"), inputs, action, inputs.get("PropertySelector"))
    values = inputs.get("DesiredValues", [""])
    if referred(values):
        return
    if not isinstance(values, list) or not values:
        checker.add((*path, "DesiredValues"), "DesiredValues is a list of at least one value")
    elif selects == "Boolean":
        for index, value in enumerate(values):
            if str(value) not in ("True", "False") and "{{" not in str(value):
                sentence = f"a Boolean is compared with True or False, not with {in_text(value)}"
                checker.add((*path, "DesiredValues", index), sentence)


def _approve(checker: "Checker", path: Path, inputs: Inputs, _: str) -> None:
    topic, message, approvers = (inputs.get(key, "") for key in ("NotificationArn", "Message", "Approvers"))
    least = inputs.get("MinRequiredApprovals", 1)
    if isinstance(topic, str) and topic and "{{" not in topic and not _TOPIC.fullmatch(topic):
        sentence = f"NotificationArn is the ARN of a topic whose name begins with Automation, not {topic}"
        checker.add((*path, "NotificationArn"), sentence)
    if isinstance(message, str) and len(message) > _LONGEST_MESSAGE:
        checker.add((*path, "Message"), f"Message has at most {_LONGEST_MESSAGE} characters")
    if is_a("Integer", least) and least < 1:
        checker.add((*path, "MinRequiredApprovals"), "MinRequiredApprovals is 1 or more")
    if isinstance(approvers, list):
        spread = any(checker.kind_of(referred(one)) == "StringList" for one in approvers)
        if not approvers or len(approvers) > _MOST_APPROVERS:
            checker.add((*path, "Approvers"), f"a step has 1 to {_MOST_APPROVERS} approvers")
        elif is_a("Integer", least) and not spread and least > len(approvers):
            checker.add((*path, "MinRequiredApprovals"), f"{least} approvals of {len(approvers)} approvers cannot be had")


def _sleep(checker: "Checker", path: Path, inputs: Inputs, _: str) -> None:
    if ("Duration" in inputs) is ("Timestamp" in inputs):
        checker.add(path, "aws:sleep has either Duration or Timestamp")
    for key, reader in (("Duration", durations.seconds), ("Timestamp", durations.moment)):
        value = inputs.get(key)
        if isinstance(value, str) and "{{" not in value:
            try:
                if reader(value) > LONGEST_SLEEP and key == "Duration":
                    checker.add((*path, key), f"a step sleeps at most {LONGEST_SLEEP} seconds")
            except (ValueError, OverflowError) as error:
                checker.add((*path, key), str(error))


def _branch(checker: "Checker", path: Path, inputs: Inputs, _: str) -> None:
    choices, where = inputs.get("Choices"), (*path, "Choices")
    if not isinstance(choices, list) or not choices:
        checker.add(where, "Choices is a list of at least one choice")
        return
    for index, choice in enumerate(choices):
        if not isinstance(choice, dict):
            checker.add((*where, index), "a choice is a map")
            continue
        if not isinstance(choice.get("NextStep"), str):
            checker.add((*where, index), "a choice needs NextStep, the name of a step")
        condition(checker, (*where, index), {key: value for key, value in choice.items() if key != "NextStep"})


def condition(checker: "Checker", path: Path, one: Any) -> None:
    """A comparison, or several under And, Or and Not."""
    if not isinstance(one, dict):
        checker.add(path, "a condition is a map")
        return
    groups = [key for key in one if key in ("And", "Or", "Not")]
    if groups and len(one) > 1:
        checker.add(path, f"a condition has {groups[0]} or a comparison, not {', '.join(one)}")
    for key in groups:
        inner = one[key]
        if key == "Not" and isinstance(inner, dict):
            condition(checker, (*path, key), inner)
        elif isinstance(inner, list) and inner:
            for index, each in enumerate(inner):
                condition(checker, (*path, key, index), each)
        else:
            checker.add((*path, key), f"{key} is a list of conditions")
    if not groups:
        _comparison(checker, path, one)


def _comparison(checker: "Checker", path: Path, one: Inputs) -> None:
    operations = [key for key in one if key != "Variable"]
    if "Variable" not in one:
        checker.add(path, "a condition needs a Variable")
    if len(operations) != 1:
        checker.add(path, f"a condition has one operation, of {', '.join(OPERATIONS)}")
    for operation in operations:
        if operation not in OPERATIONS:
            checker.add((*path, operation), f"there is no operation {operation}, there are {', '.join(OPERATIONS)}")
            continue
        kind = "String" if operation in TEXT_OPERATIONS else "Integer" if operation in NUMBER_OPERATIONS else "Boolean"
        for key in ("Variable", operation):
            _compared(checker, (*path, key), kind, one.get(key, ""), operation)


def _compared(checker: "Checker", path: Path, kind: str, value: Any, operation: str) -> None:
    if name := referred(value):
        known = checker.kind_of(name)
        if known and known != kind:
            checker.add(path, f"{operation} compares {a(kind)}, and {{{{ {name} }}}} is {a(known)}")
    elif path[-1] == operation and not is_a(kind, value) and not (kind == "Integer" and isinstance(value, float)):
        checker.add(path, f"{operation} compares with {a(kind)}, not with {in_text(value)[:60]}")


def _function(checker: "Checker", path: Path, inputs: Inputs, _: str) -> None:
    payload = inputs.get("Payload")
    if isinstance(payload, str) and "{{" not in payload:
        try:
            json.loads(payload)
        except (ValueError, RecursionError):
            checker.add((*path, "Payload"), "Payload is not JSON")


def _variable(checker: "Checker", path: Path, inputs: Inputs, _: str) -> None:
    name, value = inputs.get("Name"), inputs.get("Value")
    if not isinstance(name, str):
        return
    if name not in checker.kinds or not name.startswith("variable:"):
        checker.add((*path, "Name"), f"{name} is no variable of the document, such as variable:NAME")
    elif not referred(value) and not is_a(checker.kinds[name], value):
        checker.add((*path, "Value"), f"{name} is {a(checker.kinds[name])}")


def _loop(checker: "Checker", path: Path, inputs: Inputs, _: str) -> None:
    """All but its steps, and what its condition refers to."""
    each, most, name = inputs.get("Iterators"), inputs.get("MaxIterations", 1), referred(inputs.get("Iterators"))
    if ("LoopCondition" in inputs) is ("Iterators" in inputs):
        checker.add(path, "a loop has either Iterators or LoopCondition")
    if is_a("Integer", most) and not 1 <= most <= MOST_ROUNDS:
        checker.add((*path, "MaxIterations"), f"MaxIterations is 1 to {MOST_ROUNDS}")
    if "Iterators" not in inputs:
        return
    kind = checker.kind_of(name) if name else ""
    if kind and kind not in ("StringList", "MapList"):
        checker.add((*path, "Iterators"), f"Iterators is a list, and {{{{ {name} }}}} is {a(kind)}")
    elif not name and not isinstance(each, list):
        checker.add((*path, "Iterators"), "Iterators is a list")
    elif isinstance(each, list) and len(each) > MOST_ROUNDS:
        checker.add((*path, "Iterators"), f"a loop has at most {MOST_ROUNDS} rounds")


CHECKS: Mapping[str, Check] = {
    "aws:approve": _approve,
    "aws:assertAwsResourceProperty": _resource,
    "aws:branch": _branch,
    "aws:executeAwsApi": _api,
    "aws:invokeLambdaFunction": _function,
    "aws:loop": _loop,
    "aws:sleep": _sleep,
    "aws:updateVariable": _variable,
    "aws:waitForAwsResourceProperty": _resource,
}
"""What is wrong with an action's inputs beyond their names and data types."""
