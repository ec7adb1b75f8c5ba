"""A document that has been checked, with AWS's defaults filled in."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from local.automation.actions import ACTIONS
from local.automation.selectors import Segment, parsed
from local.automation.values import base


@dataclass(frozen=True)
class Parameter:
    """An input of a document. `kind` is its data type, `type` what the document calls it."""

    name: str
    type: str
    kind: str
    description: str
    default: Any
    """None when a value is required."""
    rules: Mapping[str, Any]
    """allowedPattern, allowedValues, minChars and the like."""


@dataclass(frozen=True)
class Output:
    """What a step selects of its response."""

    name: str
    selector: Sequence[Segment]
    kind: str


@dataclass(frozen=True)
class Step:
    """A step; `steps` are those of a loop."""

    name: str
    action: str
    inputs: Mapping[str, Any]
    outputs: Sequence[Output]
    attempts: int
    seconds: Any
    """Its time-out, None when it has none; a text refers to a parameter."""
    on_failure: str
    on_cancel: str
    critical: bool
    end: bool
    next: str
    steps: "Sequence[Step]" = ()

    @property
    def names(self) -> Sequence[str]:
        """The names that refer to its outputs."""
        return tuple(f"{self.name}.{name}" for name in (*ACTIONS[self.action].outputs, *(one.name for one in self.outputs)))


@dataclass(frozen=True)
class Document:
    """What is run."""

    description: str
    assume_role: str
    parameters: Mapping[str, Parameter]
    variables: Mapping[str, Parameter]
    steps: Sequence[Step]
    outputs: Sequence[str]


def document(data: Mapping[str, Any]) -> Document:
    """The document that data without problems is."""
    return Document(
        description=data.get("description", ""),
        assume_role=data.get("assumeRole", ""),
        parameters=_parameters(data.get("parameters") or {}),
        variables=_parameters(data.get("variables") or {}),
        steps=_steps(data["mainSteps"]),
        outputs=tuple(data.get("outputs") or ()),
    )


def _parameters(data: Mapping[str, Any]) -> Mapping[str, Parameter]:
    own = ("type", "description", "default")
    return {
        name: Parameter(
            name,
            one["type"],
            base(one["type"]),
            one.get("description", ""),
            one.get("default"),
            {key: value for key, value in one.items() if key not in own},
        )
        for name, one in data.items()
    }


def _steps(data: Sequence[Mapping[str, Any]]) -> Sequence[Step]:
    return tuple(_step(one) for one in data)


def _step(one: Mapping[str, Any]) -> Step:
    on_failure = str(one.get("onFailure", "Abort"))
    inputs = one.get("inputs") or {}
    return Step(
        name=one["name"],
        action=one["action"],
        inputs={key: value for key, value in inputs.items() if key != "Steps"},
        outputs=tuple(
            Output(out["Name"], parsed(out["Selector"]), out.get("Type", "String")) for out in one.get("outputs", ())
        ),
        attempts=int(one.get("maxAttempts", 1)),
        seconds=one.get("timeoutSeconds", ACTIONS[one["action"]].seconds),
        on_failure=on_failure,
        on_cancel=str(one.get("onCancel", "Abort")),
        critical=truth(one.get("isCritical", on_failure.lower() != "continue")),
        end=truth(one.get("isEnd", False)),
        next=one.get("nextStep", ""),
        steps=_steps(inputs.get("Steps", ())),
    )


def truth(value: Any) -> bool:
    """A property that is true or false, also as text."""
    return str(value).lower() == "true"
