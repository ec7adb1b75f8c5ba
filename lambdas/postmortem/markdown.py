"""A post-mortem as Markdown. Pure."""

import re
from collections.abc import Iterable

from lambdas.common.words import one_line
from lambdas.postmortem.blocks import Block, Code, Curve, Heading, Items, Link, Paragraph, Table, Words


def written(blocks: Iterable[Block]) -> str:
    """The file."""
    return "\n\n".join(map(_block, blocks)) + "\n"


def _block(block: Block) -> str:
    match block:
        case Heading():
            return f"{'#' * block.level} {_safe(block.words)}"
        case Paragraph():
            return _safe(block.words)
        case Items():
            return "\n".join(f"- {_safe(words)}".rstrip() for words in block.words)
        case Table():
            lines = [block.head, ("---",) * len(block.head), *block.rows]
            return "\n".join(f"| {' | '.join(map(_cell, line))} |" for line in lines)
        case Code():
            return "\n".join(f"    {line}" for line in block.lines.splitlines())
        case Curve():
            return _safe(block.words)


def _cell(words: Words) -> str:
    return f"[{_safe(words.words)}]({words.url})" if isinstance(words, Link) else _safe(words)


def _safe(words: str) -> str:
    """What others wrote must not become markup."""
    return re.sub(r"([\\`*_\[\]<>|])", r"\\\1", one_line(words)) if words != "---" else words
