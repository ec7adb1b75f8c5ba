"""The JSONPath that Automation documents: `$.Name`, `$..Name`, `[0]`; and Jayway's `['Name']` and `[*]`.

https://docs.aws.amazon.com/systems-manager/latest/userguide/automation-action-outputs-inputs.html
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

_SEGMENT = re.compile(
    r"(?P<deep>\.\.)?(?:\.?(?P<name>[A-Za-z_][\w-]*)|\[(?P<index>-?\d+)\]|\[(?:'(?P<quoted>[^']+)'|\"(?P<double>[^\"]+)\")\]|(?:\.|)(?P<all>\[\*\]|\*))"
)


@dataclass(frozen=True)
class Segment:
    """A child by its name or index, or all of them; with `deep`, at any depth."""

    child: str | int | None
    deep: bool = False


def parsed(selector: str) -> Sequence[Segment]:
    """The segments of a selector; ValueError with one sentence when it is not one that Automation documents."""
    if not selector.startswith("$"):
        raise ValueError(f"the selector {selector} has to begin with $")
    segments, at = [], 1
    while at < len(selector):
        found = _SEGMENT.match(selector, at)
        if not found or (found["name"] and not found["deep"] and selector[at] != "."):
            documented = "Automation documents .Name, ..Name and [0]"
            raise ValueError(f"the selector {selector} is not understood from {selector[at:]!r} on: {documented}")
        name = found["name"] or found["quoted"] or found["double"]
        segments.append(Segment(int(found["index"]) if found["index"] else name or None, bool(found["deep"])))
        at = found.end()
    return segments


def selected(segments: Sequence[Segment], data: Any) -> Any:
    """What the segments select; LookupError when there is no such thing. With `..` or `*` it is a list, empty if need be."""
    if any(segment.deep or segment.child is None for segment in segments):
        return list(_all(segments, data))
    for segment in segments:
        data = _child(data, segment.child)
    return data


def _child(data: Any, child: str | int | None) -> Any:
    if isinstance(child, str) and isinstance(data, dict):
        return data[child]
    if isinstance(child, int) and isinstance(data, list):
        return data[child]
    raise LookupError(child)


def _all(segments: Sequence[Segment], data: Any) -> Iterator[Any]:
    if not segments:
        yield data
        return
    first, *rest = segments
    for one in _below(data) if first.deep else (data,):
        if first.child is None:
            for value in one.values() if isinstance(one, dict) else one if isinstance(one, list) else ():
                yield from _all(rest, value)
            continue
        try:
            found = _child(one, first.child)
        except LookupError:
            continue
        yield from _all(rest, found)


def _below(data: Any) -> Iterator[Any]:
    yield data
    for value in data.values() if isinstance(data, dict) else data if isinstance(data, list) else ():
        yield from _below(value)
