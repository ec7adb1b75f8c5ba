"""Reads Markdown as GitHub shows it."""

import re


def sections(text: str) -> dict[str, str]:
    """The text under each heading, by the heading without its hashes."""
    parts = re.split(r"^#+ (.*)$", re.sub(r"```.*?```", _without_comments, text, flags=re.DOTALL), flags=re.MULTILINE)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


def anchors(text: str) -> set[str]:
    """The anchors of the headings, as GitHub makes them."""
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in sections(text)}


def _without_comments(code: re.Match[str]) -> str:
    """A shell's comment is no heading."""
    return re.sub(r"^#.*$", "", code[0], flags=re.MULTILINE)
