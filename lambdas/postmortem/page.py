"""A post-mortem as one HTML file that needs nothing else. Pure."""

from collections.abc import Iterable
from html import escape

from lambdas.common.words import one_line
from lambdas.postmortem.blocks import Block, Code, Curve, Heading, Items, Link, Paragraph, Table, Words

_STYLE = """
:root { color-scheme: light; }
body { font: 15px/1.5 system-ui, sans-serif; color: #1b2733; max-width: 60rem; margin: 2rem auto; padding: 0 1rem; }
h1 { font-size: 1.6rem; line-height: 1.25; }
h2 { font-size: 1.15rem; margin-top: 2.2rem; border-bottom: 1px solid #d5dbe1; }
h3 { font-size: 1rem; margin-bottom: .4rem; }
table { border-collapse: collapse; width: 100%; font-size: 14px; margin: 1rem 0; }
th, td { text-align: left; vertical-align: top; padding: .3rem .6rem .3rem 0; border-bottom: 1px solid #e6eaee; }
th { color: #51606e; font-weight: 600; white-space: nowrap; }
td { overflow-wrap: anywhere; }
td:first-child { white-space: nowrap; }
td:empty { min-width: 6rem; height: 1.5rem; background: #fff9e3; }
li:empty { background: #fff9e3; min-height: 1.5rem; }
pre { background: #f4f6f8; padding: .6rem; overflow-x: auto; font-size: 13px; }
figure { margin: 1rem 0; }
svg { width: 100%; height: auto; display: block; }
a { color: #0b5cad; }
""".strip()


def written(blocks: Iterable[Block]) -> str:
    """The file."""
    found = list(blocks)
    title = next((block.words for block in found if isinstance(block, Heading)), "")
    body = "\n".join(map(_block, found))
    return (
        f'<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{escape(title)}</title>\n<style>\n{_STYLE}\n</style>\n</head>\n<body>\n{body}\n</body>\n</html>\n"
    )


def _block(block: Block) -> str:
    match block:
        case Heading():
            return f"<h{block.level}>{_safe(block.words)}</h{block.level}>"
        case Paragraph():
            return f"<p>{_safe(block.words)}</p>"
        case Items():
            return "<ul>\n" + "\n".join(f"<li>{_safe(words)}</li>" for words in block.words) + "\n</ul>"
        case Table():
            head = "".join(f"<th>{_safe(words)}</th>" for words in block.head)
            rows = "\n".join("<tr>" + "".join(f"<td>{_cell(words)}</td>" for words in row) + "</tr>" for row in block.rows)
            return f"<table>\n<thead><tr>{head}</tr></thead>\n<tbody>\n{rows}\n</tbody>\n</table>"
        case Code():
            return f"<pre>{escape(block.lines)}</pre>"
        case Curve():
            return f"<figure>{block.svg}</figure>"


def _cell(words: Words) -> str:
    return f'<a href="{escape(words.url)}">{_safe(words.words)}</a>' if isinstance(words, Link) else _safe(words)


def _safe(words: str) -> str:
    return escape(one_line(words))
