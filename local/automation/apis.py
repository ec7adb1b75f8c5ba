"""The APIs that a step may call, by botocore's models: what an operation takes and what it answers."""

import difflib
import functools
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import botocore.session
from botocore import xform_name
from botocore.exceptions import UnknownServiceError
from botocore.model import OperationModel, Shape

from local.automation.reading import Path
from local.automation.selectors import Segment
from local.automation.values import a, in_text, referred

_MOST_NAMES = 8

KindOf = Callable[[str], str]
"""The data type of what a name refers to; "" when it is not known."""

_KINDS: dict[str, tuple[str, ...]] = {
    "string": ("String",),
    "timestamp": ("String",),
    "blob": ("String",),
    "character": ("String",),
    "integer": ("Integer",),
    "long": ("Integer",),
    "float": ("Integer",),
    "double": ("Integer",),
    "boolean": ("Boolean",),
    "list": ("StringList", "MapList"),
    "structure": ("StringMap",),
    "map": ("StringMap",),
}
"""The data types that a shape takes."""


@functools.cache
def _session() -> botocore.session.Session:
    return botocore.session.Session()


@functools.cache
def services() -> frozenset[str]:
    """The service names that boto3 knows."""
    return frozenset(_session().get_available_services())


@functools.cache
def operation(service: str, api: str) -> OperationModel | None:
    """An operation by its name, `DescribeServices`, `describeServices` or `describe_services`; None when there is none."""
    try:
        model = _session().get_service_model(service)
    except UnknownServiceError:
        return None
    for name in model.operation_names:
        if api in (name, name[0].lower() + name[1:], xform_name(name)):
            return model.operation_model(name)
    return None


def streams(model: OperationModel) -> bool:
    """Whether a part of the request or of the answer is a stream."""
    return bool(
        model.has_streaming_input or model.has_streaming_output or model.has_event_stream_input or model.has_event_stream_output
    )


def refused(shape: Any, value: Any, kind_of: KindOf, path: Path = ()) -> Iterator[tuple[Path, str]]:
    """What boto3 would refuse of an input, each with its path; `shape` is None for an operation without inputs."""
    if shape is None:
        if value:
            yield path, "this API takes no inputs"
    elif name := referred(value):
        known, taken = kind_of(name), _KINDS.get(shape.type_name, ())
        if known and taken and known not in taken:
            yield path, f"{{{{ {name} }}}} is {a(known)}, and {shape.name} takes {' or '.join(map(a, taken))}"
    elif not _takes(shape, value):
        yield path, f"{shape.name} takes {_article(shape.type_name)}, not {in_text(value)[:60]!r}"
    elif shape.type_name in _INSIDE:
        yield from _INSIDE[shape.type_name](shape, value, kind_of, path)


def _members(shape: Any, value: dict[str, Any], kind_of: KindOf, path: Path) -> Iterator[tuple[Path, str]]:
    if _open(shape):
        return
    for name in shape.required_members:
        if name not in value:
            yield path, f"{name} is missing"
    for name, item in value.items():
        if name in shape.members:
            yield from refused(shape.members[name], item, kind_of, (*path, name))
        else:
            yield (*path, name), f"there is no such input: {_known(shape, name)}"


def _items(shape: Any, value: list[Any], kind_of: KindOf, path: Path) -> Iterator[tuple[Path, str]]:
    for index, item in enumerate(value):
        if kind_of(referred(item)) not in ("StringList", "MapList"):  # a list that an item refers to is spread
            yield from refused(shape.member, item, kind_of, (*path, index))


def _values(shape: Any, value: dict[str, Any], kind_of: KindOf, path: Path) -> Iterator[tuple[Path, str]]:
    for key, item in value.items():
        yield from refused(shape.value, item, kind_of, (*path, key))


_INSIDE: Mapping[str, Callable[[Any, Any, KindOf, Path], Iterator[tuple[Path, str]]]] = {
    "structure": _members,
    "list": _items,
    "map": _values,
}
_NUMBER = (int, float)
_PYTHON: Mapping[str, type | tuple[type, ...]] = {
    "structure": dict,
    "map": dict,
    "list": list,
    "integer": int,
    "long": int,
    "float": _NUMBER,
    "double": _NUMBER,
    "boolean": bool,
    "timestamp": (str, int),
}


def _takes(shape: Any, value: Any) -> bool:
    kind = shape.type_name
    if _open(shape):
        return True
    return isinstance(value, _PYTHON.get(kind, str)) and (kind == "boolean" or not isinstance(value, bool))


def _article(kind: str) -> str:
    named = {"structure": "a map", "string": "a text", "blob": "a text", "boolean": "true or false"}.get(kind, f"a {kind}")
    return "an integer" if kind in ("integer", "long") else named


def _known(shape: Any, name: Any) -> str:
    """What a shape has in place of a name that it has not."""
    if shape.type_name != "structure":
        return f"{shape.name} is {_article(shape.type_name)}"
    if near := difflib.get_close_matches(str(name), shape.members, 1, 0.5):
        return f"{shape.name} has {near[0]}"
    names = list(shape.members)
    return f"{shape.name} has {', '.join(names[:_MOST_NAMES]) or 'none'}{', …' if len(names) > _MOST_NAMES else ''}"


def answered(shape: Shape | None, segments: Sequence[Segment]) -> str:
    """The data type of what a selector selects of an answer, "" when it is not known.

    ValueError with one sentence when the answer never has it.
    """
    if shape is None:
        raise ValueError("this API answers nothing to select from")
    shapes, listed = [shape], False
    for segment in segments:
        found: list[Shape] = []
        for one in shapes:
            found += _below(one, segment) if segment.deep else _children(one, segment)
        if not found and not any(_open(one) for one in shapes):
            raise ValueError(f"there is no {segment.child}: {_known(shapes[0], segment.child)}")
        if not found:
            return ""
        listed = listed or segment.deep or segment.child is None
        shapes = found
    kinds = {_kind(one) for one in shapes}
    kind = kinds.pop() if len(kinds) == 1 else ""
    if listed:
        return {"StringMap": "MapList", "String": "StringList", "Integer": "StringList", "Boolean": "StringList"}.get(kind, "")
    return kind


def _kind(shape: Shape) -> str:
    if shape.type_name == "list":
        return "MapList" if shape.member.type_name in ("structure", "map") else "StringList"  # type: ignore[attr-defined]
    kinds = _KINDS.get(shape.type_name, ("",))
    return "" if shape.type_name in ("float", "double") or _open(shape) else kinds[0]


def _open(shape: Shape) -> bool:
    """Whether anything may be in a shape."""
    return bool(getattr(shape, "is_document_type", False))


def _children(shape: Any, segment: Segment) -> list[Shape]:
    match shape.type_name, segment.child:
        case "structure", str(name) if name in shape.members:
            return [shape.members[name]]
        case "structure", None:
            return list(shape.members.values())
        case "map", str() | None:
            return [shape.value]
        case "list", int() | None:
            return [shape.member]
    return []


def _below(shape: Any, segment: Segment) -> list[Shape]:
    """What a deep segment selects; a shape that contains itself is looked at once."""
    found, seen, waiting = [], set(), [shape]
    while waiting:
        one = waiting.pop()
        if one.name in seen:
            continue
        seen.add(one.name)
        found += _children(one, segment)
        waiting += _children(one, Segment(None))
    return found
