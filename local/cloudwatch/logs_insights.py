"""CloudWatch Logs Insights' query language: the commands that this project's saved queries use.

https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/CWL_QuerySyntax.html

Whatever is not supported here raises QueryError with the word: a query is never answered wrongly.
"""

import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

Event = Mapping[str, str]
"""A log event's fields, all text: @timestamp such as `2026-01-05 10:00:00.000`, @message, @logStream, @log."""
Test = Callable[[Mapping[str, Any]], bool]

MOST_ROWS = 10_000
"""As many as Logs Insights gives."""

_TOKEN = re.compile(
    r"""\s*(?:
      (?P<regex>/(?:\\.|[^/\\])*/)
    | (?P<string>"(?:\\.|[^"\\])*"|'(?:\\.|[^'\\])*')
    | (?P<number>-?\d+(?:\.\d+)?)
    | (?P<field>`[^`]+`|@?[A-Za-z_][\w.@]*)
    | (?P<sign>[=(),|])
    )""",
    re.VERBOSE,
)


class QueryError(ValueError):
    """Something that is not a query, or not one that is supported here; the message names it."""


def run(text: str, events: Iterable[Event]) -> list[dict[str, str]]:
    """The rows that a query makes of log events: the fields it shows, in order, those without a value left out."""
    fields, rows = _run(text, events)
    return [{field: _shown(row[field]) for field in fields if field in row} for row in rows]


def columns(text: str) -> list[str]:
    """The fields that a query shows, in order."""
    return _run(text, ())[0]


def _run(text: str, events: Iterable[Event]) -> tuple[list[str], list[dict[str, Any]]]:
    """The fields shown, and the rows with all that is known of each."""
    rows = [_discovered(event) for event in events]
    shown: list[str] = []
    limit = MOST_ROWS
    before = ""
    for command, arguments in _commands(text):
        if before == "dedup" and command != "limit":
            raise QueryError(f"{command} cannot follow dedup")
        before = command
        match command:
            case "fields":
                shown += [field for field in arguments.fields() if field not in shown]
            case "display":
                shown = arguments.fields()
            case "filter":
                holds = arguments.condition()
                rows = [row for row in rows if holds(row)]
            case "parse":
                shown += arguments.parse(rows)
            case "sort":
                field, descending = arguments.order()
                rows.sort(key=lambda row: _natural(row.get(field)))
                rows = rows[::-1] if descending else rows  # of two at one time, the later line first
            case "dedup":
                rows = _first_of_each(arguments.fields(), rows)
            case "limit":
                limit = int(arguments.next("number"))
            case _:
                raise QueryError(f"{command} is not supported")
        arguments.end()
    return shown or ["@timestamp", "@message"], rows[:limit]


def _first_of_each(fields: list[str], rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The first row of each combination of the fields' values; every row that lacks one of them.
    https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/CWL_QuerySyntax-Dedup.html"""
    seen: set[tuple[Any, ...]] = set()
    kept = []
    for row in rows:
        values = tuple(row.get(field) for field in fields)
        if None in values or values not in seen:
            kept.append(row)
        seen.add(values)
    return kept


def _discovered(event: Event) -> dict[str, Any]:
    """An event's own fields and those of its JSON, by their path: `detail.containers.0.exitCode`."""
    row = dict(event)
    try:
        found = json.loads(event["@message"])
    except ValueError:
        return row
    return {**dict(_flat("", found)), **row} if isinstance(found, dict) else row


def _flat(path: str, value: Any) -> Iterator[tuple[str, Any]]:
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in items:
        yield from _flat(f"{path}.{key}" if path else str(key), item)
    if not isinstance(value, dict | list) and value is not None:
        yield path, value


def _shown(value: Any) -> str:
    return json.dumps(value) if isinstance(value, bool) else str(value)


def _natural(value: Any) -> tuple[int, float, str]:
    """As `sort` orders: nothing, then text, then numbers."""
    number = _number(value)
    return (0, 0.0, "") if value is None else (1, 0.0, str(value)) if number is None else (2, number, "")


def _number(value: Any) -> float | None:
    try:
        return float(value)
    except (TypeError, ValueError):
        return None


def _commands(text: str) -> Iterator[tuple[str, "_Arguments"]]:
    tokens: list[tuple[str, str]] = []
    at = 0
    text = text.strip()
    while at < len(text):
        found = _TOKEN.match(text, at)
        if not found:
            raise QueryError(f"{text[at:]!r} is not supported")
        tokens.append((str(found.lastgroup), found[str(found.lastgroup)]))
        at = found.end()
    command: list[tuple[str, str]] = []
    for token in [*tokens, ("sign", "|")]:
        if token != ("sign", "|"):
            command.append(token)
            continue
        if not command:
            raise QueryError("a command is missing")
        yield command[0][1], _Arguments(command[1:])
        command = []


class _Arguments:
    """What follows a command's name."""

    def __init__(self, tokens: list[tuple[str, str]]) -> None:
        self._tokens = tokens

    def next(self, *kinds: str) -> str:
        """The next token, which has to be of one of these kinds."""
        if not self._tokens or self._tokens[0][0] not in kinds:
            found = self._tokens[0][1] if self._tokens else "the end"
            raise QueryError(f"{found} stands where a {' or '.join(kinds)} should")
        _, token = self._tokens.pop(0)
        return token.strip("`")

    def taken(self, *words: str) -> str:
        """The next token if it is one of these words, else nothing."""
        return self._tokens.pop(0)[1] if self._tokens and self._tokens[0][1] in words else ""

    def end(self) -> None:
        if self._tokens:
            raise QueryError(f"{self._tokens[0][1]} is not supported here")

    def fields(self) -> list[str]:
        found = [self.next("field")]
        while self.taken(","):
            found.append(self.next("field"))
        return found

    def order(self) -> tuple[str, bool]:
        return self.next("field"), self.taken("asc", "desc") != "asc"

    def parse(self, rows: list[dict[str, Any]]) -> list[str]:
        """Add what a regular expression's named groups find; the names."""
        field, pattern = self.next("field"), _compiled(self.next("regex"))
        for row in rows:
            if found := pattern.search(str(row.get(field, ""))):
                row.update({name: value for name, value in found.groupdict().items() if value is not None})
        return list(pattern.groupindex)

    def condition(self) -> Test:
        tests = [self._all()]
        while self.taken("or"):
            tests.append(self._all())
        return lambda row: any(test(row) for test in tests)

    def _all(self) -> Test:
        tests = [self._one()]
        while self.taken("and"):
            tests.append(self._one())
        return lambda row: all(test(row) for test in tests)

    def _one(self) -> Test:
        if self.taken("not"):
            test = self._one()
            return lambda row: not test(row)
        if self.taken("("):
            test = self.condition()
            self._closed()
            return test
        if self.taken("ispresent"):
            if not self.taken("("):
                raise QueryError("a ( is missing")
            field = self.next("field")
            self._closed()
            return lambda row: field in row
        return self._comparison(self.next("field"))

    def _closed(self) -> None:
        if not self.taken(")"):
            raise QueryError("a ) is missing")

    def _comparison(self, field: str) -> Test:
        if self.taken("like"):
            wanted = self.next("regex", "string")
            pattern = _compiled(wanted) if wanted.startswith("/") else re.compile(re.escape(_text(wanted)))
            return lambda row: pattern.search(str(row.get(field, ""))) is not None
        if not self.taken("="):
            raise QueryError(f"{field} is compared in a way that is not supported")
        wanted = _text(self.next("string", "number"))
        return lambda row: field in row and _shown(row[field]) == wanted


def _text(literal: str) -> str:
    return re.sub(r"\\(.)", r"\1", literal[1:-1]) if literal[0] in "\"'" else literal


def _compiled(literal: str) -> re.Pattern[str]:
    """A regular expression as Python spells it."""
    try:
        return re.compile(literal[1:-1].replace("(?<", "(?P<").replace(r"\/", "/"))
    except re.error as error:
        raise QueryError(f"{literal} is not a regular expression: {error}") from None
