"""What AWS refuses of a request by the model of its operation: what is missing, lengths, values, patterns."""

import re
from collections.abc import Iterator
from typing import Any

from botocore.model import OperationModel

from local.automation.values import in_text

_PYTHON: dict[str, type] = {"structure": dict, "map": dict, "list": list, "string": str, "integer": int, "boolean": bool}


def refusals(model: OperationModel, request: Any) -> Iterator[str]:
    """What the model does not allow of a request, in AWS's words."""
    yield from _of(model.input_shape, request, "")


def _of(shape: Any, value: Any, name: str) -> Iterator[str]:
    kind = shape.type_name
    if kind in _PYTHON and not isinstance(value, _PYTHON[kind]):
        yield f"{name or 'the request'} is no {kind}"
        return
    yield from (f"{_said(name, value)} {what}" for what in _of_value(shape, value))
    if kind == "structure":
        for member in shape.required_members:
            if member not in value:
                yield f"{_said(f'{name}.{member}' if name else member, None)} not be null"
        for member, item in value.items():
            if member in shape.members:
                yield from _of(shape.members[member], item, f"{name}.{member}" if name else member)
    elif kind in ("list", "map"):
        for item in value if kind == "list" else value.values():
            yield from _of(shape.member if kind == "list" else shape.value, item, f"{name}.member")


def _said(name: str, value: Any) -> str:
    shown = "null" if value is None else f"'{in_text(value)[:200]}'"
    return f"Value {shown} at '{name[:1].lower()}{name[1:]}' failed to satisfy constraint: Member must"


def _of_value(shape: Any, value: Any) -> Iterator[str]:
    rules, kind = shape.metadata, shape.type_name
    if kind in ("integer", "string", "list", "map"):
        measured, what = (value, "value") if kind == "integer" else (len(value), "length")
        if measured < rules.get("min", measured):
            yield f"have {what} greater than or equal to {rules['min']}"
        if measured > rules.get("max", measured):
            yield f"have {what} less than or equal to {rules['max']}"
    if kind == "string" and rules.get("enum") and value not in rules["enum"]:
        yield f"satisfy enum value set: [{', '.join(rules['enum'])}]"
    pattern = rules.get("pattern", "")
    if pattern and not re.fullmatch(pattern.removeprefix("^").removesuffix("$"), value):
        yield f"satisfy regular expression pattern: {pattern}"
