"""The text of a document, YAML or JSON, as data that knows its lines. It may come from anybody.

Systems Manager takes both formats (https://docs.aws.amazon.com/systems-manager/latest/userguide/documents-creating-content.html).
YAML is composed from the parser's events: no tag makes an object, depth and size are bounded, and each place has its line.
"""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import yaml

MOST_BYTES = 64 * 1024
"""Of a document, with the parameters of an execution."""

_DEEPEST = 50
_MOST_VALUES = 50_000  # with every alias counted as what it stands for

Path = tuple[str | int, ...]


@dataclass(frozen=True)
class Problem:
    """What is wrong with a document: where, such as `mainSteps[3].inputs.Api`, on which line if known, and one sentence."""

    place: str
    line: int | None
    sentence: str

    def __str__(self) -> str:
        where = ", ".join(filter(None, (f"line {self.line}" if self.line else "", printable(self.place))))
        return f"{where}: {printable(self.sentence)}" if where else printable(self.sentence)


class UnreadableError(ValueError):
    """A text that is no document; the message is one sentence."""

    def __init__(self, sentence: str, line: int | None = None) -> None:
        super().__init__(sentence)
        self.line = line


@dataclass
class Source:
    """A document's data, the line of each path, and the paths that are there twice."""

    data: Any
    lines: dict[Path, int] = field(default_factory=dict)
    repeated: list[Path] = field(default_factory=list)

    def problem(self, path: Path, sentence: str) -> Problem:
        """A problem at a path, with the line of the nearest place that has one."""
        line = next((self.lines[path[:end]] for end in range(len(path), -1, -1) if path[:end] in self.lines), None)
        return Problem(place(path), line, sentence)


def place(path: Path) -> str:
    """A path as people write it."""
    text = ""
    for part in path:
        if isinstance(part, int):
            text += f"[{part}]"
        elif re.fullmatch(r"[\w:$-]+", part):
            text += f".{part}" if text else part
        else:
            text += f'["{part}"]'
    return text


def printable(text: str, most: int = 300) -> str:
    """What others wrote, on one line and without control characters."""
    shown = "".join(letter if letter.isprintable() else "�" for letter in " ".join(text.split()))
    return shown if len(shown) <= most else shown[: most - 1] + "…"


def decoded(content: bytes) -> str:
    """The text of a file; UnreadableError when there is none, or none that Systems Manager takes."""
    if len(content) > MOST_BYTES:
        raise UnreadableError("a document has at most 64 KB, this has more")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise UnreadableError("this is not text in UTF-8") from None


def read(text: str) -> Source:
    """The data of a text; UnreadableError when it has none."""
    if len(text.encode(errors="surrogatepass")) > MOST_BYTES:
        raise UnreadableError("a document has at most 64 KB, this has more")
    if not text.strip():
        raise UnreadableError("this is empty")
    if text.lstrip()[:1] in "{[":
        try:
            data = json.loads(text)
        except (ValueError, RecursionError):
            pass  # YAML has such brackets too, and says where they are too deep
        else:
            # A tab is white space to JSON, and in its strings there is none.
            return _located(data, text.replace("\t", " "))
    try:
        return _Composer(text).source()
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else None
        raise UnreadableError(f"this is neither YAML nor JSON: {error.problem or error.context}", line) from None
    except yaml.YAMLError as error:
        raise UnreadableError(f"this is neither YAML nor JSON: {printable(str(error))}") from None


def _located(data: Any, text: str) -> Source:
    """What JSON says, with the lines that it has as YAML."""
    try:
        composed = _Composer(text).source()
    except yaml.YAMLError:
        return Source(data)
    return Source(data, composed.lines, composed.repeated)


_PLAIN = {
    "tag:yaml.org,2002:bool": yaml.SafeLoader.construct_yaml_bool,
    "tag:yaml.org,2002:float": yaml.SafeLoader.construct_yaml_float,
    "tag:yaml.org,2002:int": yaml.SafeLoader.construct_yaml_int,
    "tag:yaml.org,2002:null": yaml.SafeLoader.construct_yaml_null,
}
"""What a scalar without quotes can be beside text; JSON has no dates."""


class _Composer:
    """Makes data of the parser's events; no deeper than is allowed."""

    def __init__(self, text: str) -> None:
        self._events: Iterator[Any] = yaml.parse(text, Loader=yaml.SafeLoader)
        self._loader = yaml.SafeLoader("")
        self._anchors: dict[str, tuple[Any, int]] = {}
        self._values = 0
        self._source = Source(None)

    def source(self) -> Source:
        documents = 0
        for event in self._events:
            if isinstance(event, yaml.DocumentStartEvent):
                documents += 1
                if documents > 1:
                    raise UnreadableError("this is more than one YAML document", event.start_mark.line + 1)
                self._source.data = self._value(next(self._events), (), 0)
        if not documents:
            raise UnreadableError("this is empty")
        return self._source

    def _value(self, event: Any, path: Path, depth: int) -> Any:
        """The value that begins with an event."""
        line = event.start_mark.line + 1
        self._source.lines.setdefault(path, line)
        before = self._values
        self._count(1, line)
        if depth > _DEEPEST:
            raise UnreadableError(f"this is nested deeper than {_DEEPEST} levels", line)
        if isinstance(event, yaml.AliasEvent):
            if event.anchor not in self._anchors:
                raise UnreadableError(f"the alias *{event.anchor} stands for nothing before it", line)
            value, size = self._anchors[event.anchor]
            self._count(size, line)
            return value
        if isinstance(event, yaml.ScalarEvent):
            value = self._scalar(event)
        elif event.tag and event.tag not in ("tag:yaml.org,2002:map", "tag:yaml.org,2002:seq"):
            raise UnreadableError(f"the tag {event.tag} is not one of plain YAML", line)
        elif isinstance(event, yaml.SequenceStartEvent):
            value = []
            for item in iter(lambda: next(self._events), None):
                if isinstance(item, yaml.SequenceEndEvent):
                    break
                value.append(self._value(item, (*path, len(value)), depth + 1))
        else:
            value = self._mapping(path, depth)
        if event.anchor:
            self._anchors[event.anchor] = (value, self._values - before)
        return value

    def _mapping(self, path: Path, depth: int) -> dict[str, Any]:
        mapping: dict[str, Any] = {}
        merged: dict[str, Any] = {}
        for event in iter(lambda: next(self._events), None):
            if isinstance(event, yaml.MappingEndEvent):
                break
            line = event.start_mark.line + 1
            if not isinstance(event, yaml.ScalarEvent):
                raise UnreadableError("a key has to be text", line)
            key = str(event.value)
            self._source.lines[*path, key] = line
            value = self._value(next(self._events), (*path, key), depth + 1)
            if key == "<<" and event.implicit[0] and isinstance(value, dict):
                merged |= value
            elif key in mapping:
                self._source.repeated.append((*path, key))
            else:
                mapping[key] = value
        return merged | mapping

    def _scalar(self, event: Any) -> Any:
        plain = event.implicit[0]
        tag = self._loader.resolve(yaml.ScalarNode, event.value, (True, False)) if plain else event.tag
        if tag in _PLAIN:
            try:
                return _PLAIN[tag](self._loader, yaml.ScalarNode(tag, event.value, event.start_mark))
            except (ValueError, KeyError):
                return event.value
        if not plain and tag not in (None, "!", "tag:yaml.org,2002:str", "tag:yaml.org,2002:timestamp"):
            raise UnreadableError(f"the tag {tag} is not one of plain YAML", event.start_mark.line + 1)
        return event.value

    def _count(self, values: int, line: int) -> None:
        self._values += values
        if self._values > _MOST_VALUES:
            raise UnreadableError(f"this has more than {_MOST_VALUES:,} values, with what its aliases stand for", line)
