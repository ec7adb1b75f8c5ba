"""What is wrong with a document: what AWS refuses when it is made, what AWS accepts and fails on later, what does not run here.

https://docs.aws.amazon.com/systems-manager/latest/userguide/documents-syntax-data-elements-parameters.html
https://docs.aws.amazon.com/systems-manager/latest/userguide/automation-actions.html
"""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

from local.automation import action_checks, apis
from local.automation.actions import ACTIONS, NOT_AFTER_CANCEL, NOT_RUN, STEP, WITHOUT_CANCEL, Action
from local.automation.documents import truth
from local.automation.parameters import rule_problems
from local.automation.reading import Path, Problem, Source, UnreadableError, read
from local.automation.selectors import parsed
from local.automation.values import NAME, ROLE_ARN, SYSTEM, TYPES, a, base, in_text, references, referred

_TOP = ("schemaVersion", "description", "assumeRole", "parameters", "variables", "mainSteps", "outputs", "files")
_PARAMETER = (
    "type", "description", "default", "allowedValues", "allowedPattern", "displayType",
    "minItems", "maxItems", "minChars", "maxChars",
)  # fmt: skip
_STEP_NAME = re.compile(r"[a-zA-Z0-9_]+")
_MOST_PARAMETERS = 200


def problems(document: str | Mapping[str, Any]) -> list[Problem]:
    """What is wrong with a document of schema 0.3, given as its text, YAML or JSON, or as data; nothing when it runs here.

    No text makes it fail.
    """
    try:
        source = read(document) if isinstance(document, str) else Source(json.loads(json.dumps(document)))
    except UnreadableError as error:
        return [Problem("", error.line, str(error))]
    checker = Checker(source)
    checker.document()
    return sorted(checker.found, key=lambda one: one.line or 0)


@dataclass
class _Known:
    """A step as others see it: the data types of its outputs, "" where it is not known; `open` when it may have any."""

    outputs: dict[str, str]
    open: bool = False


@dataclass
class _Scope:
    """The steps of a document or of a loop; to which each can go on, after its success, and in any way."""

    path: Path
    steps: list[Any]
    succeeds: dict[str, set[str]] = field(default_factory=dict)
    goes: dict[str, set[str]] = field(default_factory=dict)

    def before(self, name: str) -> set[str]:
        """The steps that can have succeeded before another."""
        comes_from: dict[str, set[str]] = {}
        for one, targets in self.goes.items():
            for target in targets:
                comes_from.setdefault(target, set()).add(one)
        leads = _reachable(comes_from, {name})
        return {one for one, targets in self.succeeds.items() if targets & leads}


class Checker:
    """Notes the problems of one document."""

    def __init__(self, source: Source) -> None:
        self.source = source
        self.found: dict[Problem, None] = {}  # each once, in order
        self.kinds: dict[str, str] = {}  # of parameters and variables, by the name that refers to them
        self.steps: dict[str, _Known] = {}

    def add(self, path: Path, sentence: str) -> None:
        """Note a problem."""
        self.found[self.source.problem(path, sentence)] = None

    # The document

    def document(self) -> None:
        data = self.source.data
        for path in self.source.repeated:
            self.add(path, "this key is there twice")
        if not isinstance(data, dict):
            self.add((), "a document is a map with schemaVersion and mainSteps")
            return
        version = data.get("schemaVersion")
        if str(version) != "0.3":
            if isinstance(version, str | float | int) and version:
                only = "and only Automation documents, of schema 0.3, are checked"
                self.add(("schemaVersion",), f"this is a document of schema {version}, {only}")
            else:
                self.add(("schemaVersion",), "schemaVersion is missing: an Automation document has '0.3'")
            return
        self.keys((), data, _TOP, "a document")
        self.text(("description",), data.get("description", ""))
        self.parameters(data)
        steps = data.get("mainSteps")
        if not isinstance(steps, list) or not steps:
            self.add(("mainSteps",) if "mainSteps" in data else (), "mainSteps is a list of at least one step")
            return
        self.role(data.get("assumeRole", ""))
        self.scope(_Scope(("mainSteps",), steps), frozenset())
        self.outputs(data.get("outputs"))

    def keys(self, path: Path, data: Mapping[str, Any], known: Sequence[str], of: str) -> None:
        for key in data:
            if key not in known:
                near = next((one for one in known if one.lower() == key.lower()), "")
                self.add((*path, key), f"{of} has no property {key}" + (f": it is {near}" if near else ""))

    def text(self, path: Path, value: Any) -> bool:
        if isinstance(value, str):
            return True
        self.add(path, f"{path[-1]} is a text")
        return False

    def role(self, role: Any) -> None:
        path = ("assumeRole",)
        if not role or not self.text(path, role):
            return
        names = [name for _, name in references(role)]
        for name in names:
            kind = self.kinds.get(name)
            if kind is None and name not in SYSTEM:
                self.add(path, f"assumeRole refers to {name}, which is no parameter")
            elif kind not in (None, "String"):
                self.add(path, f"assumeRole is a text, and {name} is {a(kind)}")
        if not names and not ROLE_ARN.fullmatch(role):
            self.add(path, "assumeRole is the ARN of a role, or refers to a parameter")

    def parameters(self, data: Mapping[str, Any]) -> None:
        for section, prefix in (("parameters", ""), ("variables", "variable:")):
            declared = data.get(section)
            if declared is None:
                continue
            if not isinstance(declared, dict):
                self.add((section,), f"{section} is a map")
                continue
            if len(declared) > _MOST_PARAMETERS:
                self.add((section,), f"a document has at most {_MOST_PARAMETERS} {section}, this has {len(declared)}")
            for name, one in declared.items():
                self.kinds[prefix + name] = ""
                if not isinstance(one, dict):
                    self.add((section, name), "a parameter is a map with a type")
                    continue
                self.kinds[prefix + name] = base(one.get("type"))
                self.parameter((section, name), one)

    def parameter(self, path: Path, one: Mapping[str, Any]) -> None:
        name, kind = str(path[-1]), base(one.get("type"))
        self.keys(path, one, _PARAMETER, "a parameter")
        if not re.fullmatch(r"[\w-]{1,50}", name):
            self.add(path, "the name of a parameter has 1 to 50 letters, digits, _ and -")
        if "type" not in one:
            self.add(path, "type is missing")
            return
        if not kind:
            self.add((*path, "type"), f"a parameter is one of {', '.join(TYPES)} or one of AWS's own types, not {one['type']}")
            return
        for key in ("description", "allowedPattern", "displayType"):
            if key in one:
                self.text((*path, key), one[key])
        for where, sentence in rule_problems(kind, str(one["type"]), one):
            self.add((*path, where), sentence)

    def outputs(self, outputs: Any) -> None:
        if outputs is None:
            return
        if not isinstance(outputs, list):
            self.add(("outputs",), "outputs is a list of texts such as Step.Output")
            return
        for index, name in enumerate(outputs):
            path = ("outputs", index)
            if not isinstance(name, str) or not NAME.fullmatch(name) or "." not in name:
                self.add(path, "an output is a text such as Step.Output")
                continue
            self.output(path, name)

    def output(self, path: Path, name: str) -> None:
        """Check the name of an output of a step."""
        step, _, output = name.partition(".")
        known = self.steps.get(step)
        if known is None:
            self.add(path, f"there is no step {step}")
        elif output not in known.outputs and not known.open:
            has = f"it has {', '.join(known.outputs)}" if known.outputs else "it has none"
            self.add(path, f"the step {step} has no output {output}: {has}")

    # The steps

    def scope(self, scope: _Scope, before: frozenset[str]) -> None:
        """Check steps that run in one order, after those `before`, which are around them."""
        named: list[tuple[Path, Mapping[str, Any]]] = []
        for index, step in enumerate(scope.steps):
            path = (*scope.path, index)
            if not isinstance(step, dict):
                self.add(path, "a step is a map with name, action and inputs")
            elif self.named(path, step):
                named.append((path, step))
        self.connect(scope, named)
        for path, step in named:
            self.step(path, step, scope, before)

    def named(self, path: Path, step: Mapping[str, Any]) -> bool:
        """Whether a step has a name of its own and an action; it is then known to the others."""
        for key in ("name", "action"):
            if key not in step:
                self.add(path, f"{key} is missing")
            else:
                self.text((*path, key), step[key])
        name, action = step.get("name"), step.get("action")
        if not isinstance(name, str) or not isinstance(action, str):
            return False
        if not _STEP_NAME.fullmatch(name):
            self.add((*path, "name"), f"the name of a step has only letters, digits and _, and {name!r} has others")
        if name in self.steps:
            self.add((*path, "name"), f"there is another step {name}")
            return False
        known = ACTIONS.get(action)
        self.steps[name] = _Known(dict(known.outputs) if known else {}, known is None)
        outputs = step.get("outputs")
        for out in outputs if known and known.selects and isinstance(outputs, list) else ():
            if isinstance(out, dict) and isinstance(out.get("Name"), str):
                kind = out.get("Type")
                self.steps[name].outputs[out["Name"]] = str(kind) if kind in TYPES else ""
        return True

    def connect(self, scope: _Scope, named: Sequence[tuple[Path, Mapping[str, Any]]]) -> None:
        """How each step goes on; steps that are never reached, or that come after themselves."""
        names = [step["name"] for _, step in named]
        following, succeeds, goes = dict(pairwise(names)), scope.succeeds, scope.goes
        for path, step in named:
            name = step["name"]
            succeeds[name] = {target for target in self.next(path, step, following, names) if target in names}
            others = {
                target
                for key in ("onFailure", "onCancel")
                if (target := self.jump((*path, key), step, names)) and target in names
            }
            goes[name] = succeeds[name] | others
        if not named:
            return
        reached = _reachable(goes, {names[0]})
        for path, step in named:
            name = step["name"]
            after, earlier = _reachable(goes, goes[name]), names[: names.index(name)]
            if name not in reached:
                self.add(path, f"no step goes on to {name}")
            elif name in after and not any(other in after and name in _reachable(goes, goes[other]) for other in earlier):
                self.add(path, f"{name} comes after itself: Automation repeats steps only in aws:loop")

    def next(self, path: Path, step: Mapping[str, Any], following: Mapping[str, str], names: Sequence[str]) -> Iterator[str]:
        """The steps that may follow when a step succeeds."""
        falls = True
        if step["action"] == "aws:branch" and isinstance(inputs := step.get("inputs"), dict):
            choices = inputs.get("Choices")
            for index, choice in enumerate(choices if isinstance(choices, list) else ()):
                if isinstance(choice, dict) and isinstance(target := choice.get("NextStep"), str):
                    yield self.target((*path, "inputs", "Choices", index, "NextStep"), target, names)
            if isinstance(default := inputs.get("Default"), str):
                falls = False
                yield self.target((*path, "inputs", "Default"), default, names)
        end = truth(step.get("isEnd", False))
        if "nextStep" in step and self.text((*path, "nextStep"), step["nextStep"]):
            if end:
                self.add((*path, "nextStep"), "a step has isEnd or nextStep, not both")
            target = self.target((*path, "nextStep"), step["nextStep"], names)
            if falls and not end:
                yield target
        elif falls and not end and step["name"] in following:
            yield following[step["name"]]

    def target(self, path: Path, name: str, names: Sequence[str]) -> str:
        if name not in names:
            self.add(path, f"there is no step {name}" + (" in this loop" if "Steps" in path else ""))
        return name

    def jump(self, path: Path, step: Mapping[str, Any], names: Sequence[str]) -> str:
        """The step that onFailure or onCancel moves to."""
        key = str(path[-1])
        if key not in step or not self.text(path, value := step[key]):
            return ""
        if key == "onCancel" and step["action"] in WITHOUT_CANCEL:
            self.add(path, f"{step['action']} has no onCancel")
        words = ("abort", "continue") if key == "onFailure" else ("abort",)
        if value.lower() in words:
            return ""
        if not value.startswith("step:"):
            allowed = "Abort, Continue or step:NAME" if key == "onFailure" else "Abort or step:NAME"
            self.add(path, f"{key} is {allowed}, not {value}")
            return ""
        return self.target(path, value.removeprefix("step:").strip(), names)

    def step(self, path: Path, step: Mapping[str, Any], scope: _Scope, before: frozenset[str]) -> None:
        name, action = step["name"], step["action"]
        self.keys(path, step, STEP, "a step")
        self.numbers(path, step)
        if action in NOT_RUN:
            self.add((*path, "action"), f"{action} is not run on the local cloud")
            return
        if action not in ACTIONS:
            self.add((*path, "action"), f"Automation has no action {action}")
            return
        target = str(step.get("onCancel", "")).removeprefix("step:")
        moved_to = next((one for one in scope.steps if isinstance(one, dict) and one.get("name") == target), {})
        if str(moved_to.get("action")) in NOT_AFTER_CANCEL:
            self.add((*path, "onCancel"), f"onCancel cannot move to {moved_to['action']}")
        inputs = step.get("inputs", {})
        if "inputs" not in step:
            self.add(path, "inputs is missing")
        if not isinstance(inputs, dict):
            self.add((*path, "inputs"), "inputs is a map")
            return
        able = before | scope.before(name) if any(references(inputs)) else before
        if action != "aws:loop":
            self.refer((*path, "inputs"), inputs, able)
        action_checks.own(self, (*path, "inputs"), inputs, action)
        self.chosen(path, step, ACTIONS[action])
        if action in action_checks.CHECKS:
            action_checks.CHECKS[action](self, (*path, "inputs"), inputs, action)
        if action == "aws:loop":
            self.loop(path, name, inputs, able)

    def numbers(self, path: Path, step: Mapping[str, Any]) -> None:
        longest = ACTIONS[step["action"]].longest if step["action"] in ACTIONS else None
        for key in ("maxAttempts", "timeoutSeconds"):
            value = step.get(key, 1)
            if name := referred(value):
                if self.kinds.get(name) not in ("", "Integer", "String"):
                    self.add((*path, key), f"{key} is a number, and there is no number {name}")
            elif not re.fullmatch(r"[1-9]\d{0,8}", str(value)):
                self.add((*path, key), f"{key} is a number of 1 or more, not {in_text(value)[:60]}")
            elif key == "timeoutSeconds" and longest and int(value) > longest:
                self.add((*path, key), f"the longest time-out of {step['action']} is {longest} seconds")
        for key in ("isCritical", "isEnd"):
            if key in step and str(step[key]).lower() not in ("true", "false"):
                self.add((*path, key), f"{key} is true or false")

    def refer(self, path: Path, value: Any, able: frozenset[str]) -> None:
        """Check what a value refers to; `able` are the steps that can be over."""
        for where, name in references(value, path):
            if name in SYSTEM or name in self.kinds:
                continue
            if name.startswith(("ssm:", "ssm-secure:")):
                self.add(where, f"{name} can only be the default of a parameter")
            elif name.startswith("variable:"):
                self.add(where, f"there is no variable {name.partition(':')[2]}")
            elif not NAME.fullmatch(name):
                self.add(where, f"{{{{ {name} }}}} is no reference to a parameter, an output or a variable")
            elif "." not in name:
                self.add(where, f"there is no parameter {name}")
            else:
                self.output(where, name)
                step = name.partition(".")[0]
                if step in self.steps and step not in able:
                    self.add(where, f"{step} cannot have run successfully before this step")

    def kind_of(self, name: str) -> str:
        """The data type of what a name refers to; "" when it is not known."""
        if name in self.kinds:
            return self.kinds[name]
        step, _, output = name.partition(".")
        known = self.steps.get(step)
        return known.outputs.get(output, "") if known else "String" if name in SYSTEM else ""

    def chosen(self, path: Path, step: Mapping[str, Any], action: Action) -> None:
        """Check the outputs that a step selects."""
        outputs = step.get("outputs")
        if outputs is None:
            return
        if not action.selects:
            self.add((*path, "outputs"), f"{step['action']} has no outputs to select")
            return
        if not isinstance(outputs, list):
            self.add((*path, "outputs"), "outputs is a list of Name, Selector and Type")
            return
        names: list[Any] = []
        for index, out in enumerate(outputs):
            where = (*path, "outputs", index)
            if not isinstance(out, dict):
                self.add(where, "an output is a map with Name, Selector and Type")
                continue
            name = out.get("Name")
            if name and name in names:
                self.add((*where, "Name"), f"there is another output {in_text(name)}")
            names.append(name)
            self.chosen_one(where, step, out)

    def chosen_one(self, path: Path, step: Mapping[str, Any], out: Mapping[str, Any]) -> None:
        self.keys(path, out, ("Name", "Selector", "Type"), "an output")
        for key in ("Name", "Selector", "Type"):
            if key not in out:
                self.add(path, f"{key} is missing" + (": AWS converts silently to String" if key == "Type" else ""))
            else:
                self.text((*path, key), out[key])
        name, kind = out.get("Name", ""), out.get("Type", "String")
        if isinstance(name, str) and not re.fullmatch(r"[\w-]{1,50}", name):
            self.add((*path, "Name"), "the name of an output has 1 to 50 letters, digits, _ and -")
        if kind not in TYPES:
            self.add((*path, "Type"), f"Type is one of {', '.join(TYPES)}, not {in_text(kind)}")
        selects = self.selector((*path, "Selector"), step.get("inputs"), step["action"], out.get("Selector"))
        if selects and kind in TYPES and kind != selects:
            self.add((*path, "Type"), f"{out['Selector']} selects {a(selects)}, which AWS silently makes {a(kind)}")

    def selector(self, path: Path, inputs: Any, action: str, selector: Any) -> str:
        """Check a selector; the data type of what it selects, "" when that is not known."""
        if not isinstance(selector, str) or "{{" in selector:
            return ""
        try:
            segments = parsed(selector)
        except ValueError as error:
            self.add(path, str(error))
            return ""
        if not ACTIONS[action].api or not isinstance(inputs, dict):
            return ""
        model = apis.operation(str(inputs.get("Service")), str(inputs.get("Api")))
        if model is None:
            return ""
        try:
            return apis.answered(model.output_shape, segments)
        except ValueError as error:
            self.add(path, f"{selector} selects nothing: {error}")
            return ""

    def loop(self, path: Path, name: str, inputs: Mapping[str, Any], able: frozenset[str]) -> None:
        """Check the steps of a loop, and what it refers to."""
        where, steps, kind = (*path, "inputs"), inputs.get("Steps"), inputs.get("IteratorDataType", "String")
        self.refer((*where, "Iterators"), inputs.get("Iterators"), able)
        if not isinstance(steps, list) or not steps:
            self.add((*where, "Steps"), "Steps is a list of at least one step")
            return
        if len(path) > len(("mainSteps", 0)):
            self.add((*path, "action"), "a loop within a loop is not run on the local cloud")
            return
        item = {"CurrentIteratorValue": kind if kind in TYPES else ""} if "Iterators" in inputs else {}
        self.steps[name].outputs = {"CurrentIteration": "Integer", **item}
        self.scope(_Scope((*where, "Steps"), steps), able | {name})
        if "LoopCondition" in inputs:
            inner = {str(one.get("name")) for one in steps if isinstance(one, dict)}
            self.refer((*where, "LoopCondition"), inputs["LoopCondition"], able | inner | {name})
            action_checks.condition(self, (*where, "LoopCondition"), inputs["LoopCondition"])


def _reachable(goes: Mapping[str, set[str]], starts: set[str]) -> set[str]:
    found, waiting = set(), list(starts)
    while waiting:
        name = waiting.pop()
        if name not in found:
            found.add(name)
            waiting += goes.get(name, ())
    return found
