"""Filter patterns of CloudWatch Logs, as FilterLogEvents takes them.

https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/FilterAndPatternSyntax.html: case-sensitive terms that must all be
there, phrases in double quotes, `-term` for what must not be there, `?term` for any of several, and one comparison of a JSON
member. What CloudWatch would refuse is refused in its words; what it would take and this module does not is refused as well.
"""

import json
import re
from collections.abc import Callable, Mapping
from typing import Any

Matches = Callable[[str], bool]

_TERM = re.compile(r'\s*([-?]?)(?:"((?:[^"\\]|\\.)+)"|([^\s"]+))(?=\s|$)')
_MEMBER = re.compile(r'\{\s*\$\.([\w.-]+)\s*(=|!=)\s*(?:"([^"]*)"|([\w.*-]+))\s*\}')


class PatternError(Exception):
    """A filter pattern that is refused; the message is CloudWatch's."""


def matcher(pattern: str) -> Matches:
    """Whether a log message matches a pattern; PatternError when the pattern is refused."""
    pattern = pattern.strip()
    return _member(pattern) if pattern.startswith("{") else _terms(pattern)


def _terms(pattern: str) -> Matches:
    found: dict[str, list[str]] = {"": [], "-": [], "?": []}
    position = 0
    while position < len(pattern):
        term = _TERM.match(pattern, position)
        if not term:
            raise PatternError("Invalid filter pattern")
        sign, phrase, word = term.groups()
        if word and (wrong := re.search(r"[^\w]", word, re.ASCII)):
            raise PatternError(f"Invalid character(s) in term '{wrong[0]}'")
        found[sign].append(word or re.sub(r"\\(.)", r"\1", phrase))
        position = term.end()

    def matches(message: str) -> bool:
        return (
            all(term in message for term in found[""])
            and not any(term in message for term in found["-"])
            and (not found["?"] or any(term in message for term in found["?"]))
        )

    return matches


def _member(pattern: str) -> Matches:
    parsed = _MEMBER.fullmatch(pattern)
    if not parsed:
        raise PatternError(f"The local cloud compares one JSON member with = or !=, not {pattern}")
    path, operator, text, word = parsed.groups()
    wanted = re.compile(".*".join(map(re.escape, (text if word is None else word).split("*"))), re.DOTALL)

    def matches(message: str) -> bool:
        try:
            value = json.loads(message)
            for name in path.split("."):
                value = value[name] if isinstance(value, Mapping) else None
        except (ValueError, KeyError):  # a line of text, or without the member: no comparison is true of it
            return False
        return value is not None and bool(wanted.fullmatch(_text(value))) is (operator == "=")

    return matches


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)
