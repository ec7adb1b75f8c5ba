"""Automation's data types, references such as `{{ Step.Output }}`, and what becomes of a value on its way.

https://docs.aws.amazon.com/systems-manager/latest/userguide/documents-syntax-data-elements-parameters.html
https://docs.aws.amazon.com/systems-manager/latest/userguide/automation-variables.html
"""

import json
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from local.automation.reading import Path

TYPES = ("String", "StringList", "Integer", "Boolean", "MapList", "StringMap")
ROLE_ARN = re.compile(r"arn:aws[\w-]*:iam::\d{12}:role/[\w+=,.@/-]{1,576}")
SYSTEM = (
    "global:ACCOUNT_ID",
    "global:DATE",
    "global:DATE_TIME",
    "global:REGION",
    "global:AWS_PARTITION",
    "automation:EXECUTION_ID",
)
"""The variables that every document has."""

_AWS_TYPE = re.compile(r"AWS::\w+::\w+::\w+")
_REFERENCE = re.compile(r"\{\{([^{}]*)\}\}")
NAME = re.compile(r"[\w-]+(\.[\w-]+)?")
"""A parameter, or an output of a step."""

Resolve = Callable[[str], Any]


def a(kind: str) -> str:
    """A data type with its article."""
    return f"an {kind}" if kind[:1] in "AI" else f"a {kind}"


def base(kind: Any) -> str:
    """The data type behind a parameter's type, which may be AWS's own such as `AWS::IAM::Role::Arn`; "" when there is none."""
    if kind in TYPES:
        return str(kind)
    text = str(kind)
    if text.startswith("List<") and text.endswith(">") and _AWS_TYPE.fullmatch(text[5:-1]):
        return "StringList"
    return "String" if _AWS_TYPE.fullmatch(text) else ""


_CHECKS: Mapping[str, Callable[[Any], bool]] = {
    "String": lambda value: isinstance(value, str),
    "Integer": lambda value: isinstance(value, int) and not isinstance(value, bool),
    "Boolean": lambda value: isinstance(value, bool),
    "StringList": lambda value: isinstance(value, list) and all(isinstance(item, str) for item in value),
    "StringMap": lambda value: isinstance(value, dict),
    "MapList": lambda value: isinstance(value, list) and all(isinstance(item, dict) for item in value),
}


def is_a(kind: str, value: Any) -> bool:
    """Whether a value is of a data type."""
    return kind in _CHECKS and _CHECKS[kind](value)


def references(value: Any, path: Path = ()) -> Iterator[tuple[Path, str]]:
    """The names that a value refers to, each with its path."""
    if isinstance(value, str):
        for name in _REFERENCE.findall(value):
            yield path, name.strip()
    elif isinstance(value, dict):
        for key, item in value.items():
            yield from references(item, (*path, key))
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from references(item, (*path, index))


def referred(value: Any) -> str:
    """The name that a value as a whole refers to; "" when it is more than a reference, or none."""
    found = _REFERENCE.fullmatch(value.strip()) if isinstance(value, str) else None
    return found[1].strip() if found else ""


def substituted(value: Any, resolve: Resolve) -> Any:
    """A value with what it refers to in place of the references.

    A text that is only a reference becomes the value itself. A list in a list is spread, as in
    `InstanceIds: ["{{ Launch.InstanceIds }}"]`.
    """
    if isinstance(value, str):
        if name := referred(value):
            return resolve(name)
        return _REFERENCE.sub(lambda found: in_text(resolve(found[1].strip())), value)
    if isinstance(value, dict):
        return {key: substituted(item, resolve) for key, item in value.items()}
    if isinstance(value, list):
        items: list[Any] = []
        for item in value:
            made = substituted(item, resolve)
            items += made if isinstance(made, list) and referred(item) else [made]
        return items
    return value


def in_text(value: Any) -> str:
    """A value within a text: a string as it is, anything else as JSON."""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, separators=(",", ":"), default=str)


def converted(kind: str, value: Any) -> Any:
    """A selected value as an output of a data type, as silently as AWS does it; ValueError when that cannot be."""
    made = value
    match kind, value:
        case "String", _:
            made = in_text(value)
        case "StringList", list():
            made = [in_text(item) for item in value]
        case "StringList", str() | bool() | int() | float():
            made = [in_text(value)]
        case "Integer", str() | float() if re.fullmatch(r"-?\d+(\.0+)?", str(value)):
            made = int(float(value))
        case "Boolean", str() if value.lower() in ("true", "false"):
            made = value.lower() == "true"
        case "StringMap" | "MapList", str():
            made = json.loads(value)
    if not is_a(kind, made):
        raise ValueError(f"{in_text(value)[:100]} is no {kind}")
    return made


def listed(value: Any) -> list[str]:
    """A value as the API shows it: a list of texts."""
    return [in_text(item) for item in value] if isinstance(value, list) else [in_text(value)]


def supplied(kind: str, texts: list[str]) -> Any:
    """The value of a parameter from the texts that an execution is started with; ValueError when it is not of its type."""
    if kind == "StringList":
        return list(texts)
    if kind == "MapList":
        items = [json.loads(text) for text in texts]
        return converted(kind, items[0] if len(items) == 1 and isinstance(items[0], list) else items)
    if len(texts) != 1:
        raise ValueError(f"it needs one value, not {len(texts)}")
    return texts[0] if kind == "String" else converted(kind, texts[0])
