"""The backend's errors, grouped: lines that differ only in numbers, names and ids are one group. Personal data is masked."""

import re
from collections import Counter
from collections.abc import Iterable, Sequence

from lambdas.common.words import one_line
from lambdas.diagnose.facts import ErrorGroup

MOST = 300
"""Characters of a pattern and of an example."""
_READ = 1000
"""Characters of a line that are looked at."""
_VALUE = r"(?:\"[^\"]*\"|'[^']*'|[^\s,;\"'}]+)"
_SECRETS = r"\w*(?:password|passwd|secret|token|api_?key|authorization)\w*"
_PEOPLE = r"user_?(?:id|name)?|(?:customer|account)_?id|(?:first|last)_?name|phone"
_PERSONAL: tuple[tuple[str, re.Pattern[str]], ...] = (
    ("<token>", re.compile(r"\beyJ[\w-]+\.[\w-]+\.?[\w-]*|(?i:\b(?:bearer|basic)\s+)[\w.~+/=-]{6,}")),
    ("<url with a password>", re.compile(r"\b[a-z][a-z0-9+]*://[^\s/@:]*:[^\s/@]+@\S*")),
    (r"\1<secret>", re.compile(rf"(?i)(\b(?:{_SECRETS})[\"']?\s*[=:]\s*){_VALUE}")),
    ("<email>", re.compile(r"[^\s@\"'<>(),;:\[\]\\][^\s@\"<>(),;:\[\]\\]{0,63}@[\w-]{1,63}(?:\.[\w-]{1,63}){1,8}")),
    (r"\1<user>", re.compile(rf"(?i)(\b(?:{_PEOPLE})[\"']?\s*[=:]\s*){_VALUE}")),
    ("<ip>", re.compile(r"\b(?:\d{1,3}\.){3}\d{1,3}\b|\b(?:[0-9a-fA-F]{1,4}:){3,7}[0-9a-fA-F]{1,4}\b")),
    ("<number>", re.compile(r"(?<![\w-])\+?\d[\d -]{8,}\d(?![\w-])")),
)
"""What stands for personal data and secrets: of people, their addresses, telephone and card numbers, and what lets them in."""
_ID = re.compile(r"\b[0-9a-fA-F]{8}-(?:[0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12}\b|\b[0-9a-fA-F]{12,}\b")
_TIME = re.compile(r"\[?\d{1,4}[-/][\w]{2,3}[-/]\d{2,4}[T: ]\d\d:\d\d:\d\d[\d.,]*(?:Z| ?[+-]\d\d:?\d\d)?\]?")
_REQUEST = re.compile(r"(?i)\b(?:x-)?req(?:uest)?[-_ ]?id[\"']?\s*[=:]?\s*[\"']?([\w-]{6,})")


def masked(line: str) -> str:
    """The begin of a line of the log, without personal data or secrets. Ids of requests and times stay."""
    line = line[:_READ]
    kept = {found: f"\x00{number}\x00" for number, found in enumerate(dict.fromkeys(_TIME.findall(line) + _ID.findall(line)))}
    for found, mark in kept.items():
        line = line.replace(found, mark)
    for name, personal in _PERSONAL:
        line = personal.sub(name, line)
    for found, mark in kept.items():
        line = line.replace(mark, found)
    return line


def pattern(line: str) -> str:
    """What lines that are alike have in common."""
    line = _ID.sub("<id>", _TIME.sub("<time>", masked(line)))
    return one_line(re.sub(r"(?<![\w<\x00])\d+(?:\.\d+)?(?!\w)", "<n>", _statuses(line)).replace("\x00", ""), MOST)


def _statuses(line: str) -> str:
    """An access line's status says more than a number: it stays."""
    return re.sub(r'(" )([1-5]\d\d)(?= |$)', "\\1\x00\\2", line)


def request_of(line: str) -> str:
    """The id of the request of a line; empty where it names none."""
    found = _REQUEST.search(line)
    if found:
        return found[1]
    first = _ID.search(line)
    return first[0] if first else ""


def grouped(now: Sequence[str], before: Iterable[str], share: float = 1.0) -> tuple[ErrorGroup, ...]:
    """The groups of the last minutes' lines (the newest first), the largest first. `share` is how much of the time before is
    as long as the time now: counts before are scaled by it, to be compared."""
    earlier = Counter(map(pattern, before))
    found: dict[str, list[str]] = {}
    for line in now:
        found.setdefault(pattern(line), []).append(line)
    groups = [
        ErrorGroup(
            pattern=name,
            now=len(lines),
            before=round(earlier[name] * share),
            example=one_line(masked(lines[0]), MOST),
            request=request_of(lines[0]),
        )
        for name, lines in found.items()
    ]
    return tuple(sorted(groups, key=lambda group: (group.before - group.now, group.pattern)))
