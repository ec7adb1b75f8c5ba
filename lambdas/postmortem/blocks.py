"""What a post-mortem is made of: text, tables and curves, which are written as Markdown and as HTML."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Link:
    """Words that lead somewhere."""

    words: str
    url: str


Words = str | Link
NONE = "-"
"""In a cell for which there is nothing to say, by the record or by people."""


@dataclass(frozen=True)
class Heading:
    """The head of a section; level 1 is the page's."""

    level: int
    words: str


@dataclass(frozen=True)
class Paragraph:
    """Some words."""

    words: str


@dataclass(frozen=True)
class Items:
    """A list; an item without words is one to fill in."""

    words: tuple[str, ...]


@dataclass(frozen=True)
class Table:
    """A table; a cell without words is one to fill in."""

    head: tuple[str, ...]
    rows: tuple[tuple[Words, ...], ...]


@dataclass(frozen=True)
class Code:
    """Lines to paste."""

    lines: str


@dataclass(frozen=True)
class Curve:
    """A picture, as SVG; Markdown has its words instead."""

    svg: str
    words: str


Block = Heading | Paragraph | Items | Table | Code | Curve
