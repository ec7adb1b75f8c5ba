"""Words that others wrote, made fit to be shown: what they hold must not break a message, nor look like a part of it."""

import re

_SUBJECT = 100
_UNSEEN = re.compile(
    "[\\x00-\\x09\\x0b-\\x1f\\x7f-\\x84\\x86-\\x9f\\ud800-\\udfff\\u200b-\\u200f\\u202a-\\u202e\\u2066-\\u2069\\ufeff]"
)
"""Control characters but for a new line, halves of characters, and what turns the direction of writing."""


def shown(words: str, most: int) -> str:
    """The words without what cannot be seen; cut after so many characters."""
    return _cut(_UNSEEN.sub(" ", words), most)


def one_line(words: str, most: int = 2000) -> str:
    """The same as one line."""
    return _cut(" ".join(_UNSEEN.sub(" ", words).split()), most)


def person(arn: str) -> str:
    """Who somebody is, in short: a role and its session, or a user."""
    return arn.rpartition(":")[2].partition("/")[2] or arn


def subject(words: str) -> str:
    """The words as a subject, of which SNS takes 100 characters of ASCII."""
    return words.encode("ascii", "replace").decode()[:_SUBJECT]


def _cut(words: str, most: int) -> str:
    return words if len(words) <= most else f"{words[: most - 1]}…"
