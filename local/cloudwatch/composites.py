"""CloudWatch's composite alarms as documented, without AWS: a rule and its children's states in, a state and its reason out.

https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_PutCompositeAlarm.html
"""

import ast
import json
import re
from collections.abc import Iterable, Mapping
from contextlib import suppress
from datetime import UTC
from graphlib import CycleError, TopologicalSorter

from local.cloudwatch.alarms import NO_BEARING, Alarm, AlarmError, State, Verdict, date, refuse_unless

_KNOWN = NO_BEARING - {"EvaluationState"} | {
    "AlarmRule", "ActionsSuppressor", "ActionsSuppressorWaitPeriod", "ActionsSuppressorExtensionPeriod",
}  # fmt: skip
_REFERENCE = re.compile(r'\b(ALARM|OK|INSUFFICIENT_DATA)\s*\(\s*(?:"((?:[^"\\]|\\.)*)"|([^\s()",]+))\s*\)')
_WORDS = {"AND": "and", "OR": "or", "NOT": "not", "TRUE": "True", "FALSE": "False"}


def children(alarm: Alarm) -> list[str]:
    """The names of the alarms that a composite alarm's rule refers to, by name or ARN, in order."""
    return list(dict.fromkeys(_name(match) for match in _REFERENCE.finditer(alarm["AlarmRule"])))


def children_first(rules: Mapping[str, Iterable[str]]) -> list[str]:
    """Composite alarms, given with their children, in an order that puts none before one that it refers to.

    In any other order, a parent would change for a child that is about to change. What is part of a cycle or refers to one is
    left out: CloudWatch stops evaluating there.
    """
    sorter = TopologicalSorter(rules)
    with suppress(CycleError):  # the sorter still gives what no cycle blocks
        sorter.prepare()
    order: list[str] = []
    while ready := sorter.get_ready():
        order += [name for name in ready if name in rules]
        sorter.done(*ready)
    return order


def _name(reference: re.Match[str]) -> str:
    name = re.sub(r"\\(.)", r"\1", reference[2]) if reference[2] is not None else reference[3]
    return name.split(":alarm:", 1)[1] if name.startswith("arn:") else name


def rule_holds(alarm: Alarm, states: Mapping[str, str]) -> bool:
    """Whether a composite alarm's rule is true with its children in `states`.

    AlarmError names what in the definition is not supported, or the child that does not exist.
    """
    extra = [key for key, value in alarm.items() if value and key not in _KNOWN]
    refuse_unless(alarm, not extra, f"has {extra}, which is not supported")
    for child in children(alarm):
        refuse_unless(alarm, child in states, f"has the child {child}, which does not exist")
    rule = _REFERENCE.sub(lambda match: f" {states[_name(match)] == match[1]} ", alarm["AlarmRule"])
    words = re.findall(r"[()]|[^\s()]+", rule)
    unknown = [word for word in words if word not in ("(", ")", "True", "False", *_WORDS)]
    refuse_unless(alarm, not unknown, f"has {unknown} in its rule, which is not supported")
    try:
        tree = ast.parse(" ".join(_WORDS.get(word, word) for word in words), mode="eval")
    except SyntaxError:
        raise _not_a_rule(alarm) from None
    return _true(alarm, tree.body)


def _true(alarm: Alarm, node: ast.expr) -> bool:
    match node:
        case ast.Constant(value=bool() as value):
            return value
        case ast.UnaryOp(op=ast.Not(), operand=operand):
            return not _true(alarm, operand)
        case ast.BoolOp(op=ast.And(), values=values):
            return all(_true(alarm, value) for value in values)
        case ast.BoolOp(op=ast.Or(), values=values):
            return any(_true(alarm, value) for value in values)
    raise _not_a_rule(alarm)


def _not_a_rule(alarm: Alarm) -> AlarmError:
    return AlarmError(f"{alarm['AlarmName']} has {alarm['AlarmRule']}, which is not a rule")


def evaluate_composite(alarm: Alarm, alarms: Iterable[Alarm]) -> Verdict:
    """What a composite alarm's state should be: ALARM while its rule is true, else OK.

    `alarms` are the definitions, with states, that its rule may refer to. The reason names the child that agrees with the new
    state and changed last, the data all children that agree.
    """
    known = {child["AlarmName"]: child for child in alarms}
    state: State = "ALARM" if rule_holds(alarm, {name: child["StateValue"] for name, child in known.items()}) else "OK"
    agreeing = [known[name] for name in children(alarm) if known[name]["StateValue"] == state]
    agreeing.sort(key=lambda child: child["StateUpdatedTimestamp"], reverse=True)
    triggers = [
        {"arn": child["AlarmArn"], "state": {"value": child["StateValue"], "timestamp": date(child["StateUpdatedTimestamp"])}}
        for child in agreeing
    ]
    if agreeing:
        last = agreeing[0]["StateUpdatedTimestamp"].astimezone(UTC)
        reason = f"{agreeing[0]['AlarmArn']} transitioned to {state} at {last:%A %d %B, %Y %H:%M:%S} UTC"
    else:
        reason = f"{alarm['AlarmArn']} was updated and its alarm rule evaluates to {state}"
    return Verdict(state, reason, json.dumps({"triggeringAlarms": triggers}, separators=(",", ":")))
