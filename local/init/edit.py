"""Edits the text of a TOML file, so that its comments and its order stay."""

import re


class EditError(Exception):
    """A file that is written in a way that is not edited here; the message is one sentence."""


# A value on one line: text in quotes, an array, or anything else up to a comment.
_VALUE = r"""(?:"(?:[^"\\]|\\.)*"|\[[^\]]*\]|\{[^}]*\}|[^#"\[{]+?)"""


def put(text: str, key: str, value: str) -> str:
    """The text with another value, written as TOML, for a key such as `network.cidr`; a key that is missing ends its section.

    EditError when the key's value takes more than one line.
    """
    lines, begin, end = _section(text, key)
    name = key.rpartition(".")[2]
    for number in range(begin, end):
        if re.match(rf"\s*{re.escape(name)}\s*=", lines[number]):
            lines[number], found = re.subn(rf"=\s*{_VALUE}(\s*(?:#.*)?)$", lambda old: f"= {value}{old[1]}", lines[number])
            if not found:
                raise EditError(f"{key} should be on one line")
            return "\n".join(lines)
    while end > begin and not re.match(r"\s*[^\s#]", lines[end - 1]):
        end -= 1  # before the blank lines and comments that belong to what follows
    lines.insert(end, f"{name} = {value}")
    return "\n".join(lines)


def without(text: str, key: str) -> str:
    """The text with a key commented out; the same where it is not there."""
    lines, begin, end = _section(text, key)
    name = key.rpartition(".")[2]
    for number in range(begin, end):
        if re.match(rf"\s*{re.escape(name)}\s*=", lines[number]):
            lines[number] = f"# {lines[number]}"
    return "\n".join(lines)


def _section(text: str, key: str) -> tuple[list[str], int, int]:
    """The lines, and where those of the key's section begin and end; a section that is missing is added at the end."""
    lines, section = text.split("\n"), key.rpartition(".")[0]
    headings = [(number, line.strip().partition("]")[0]) for number, line in enumerate(lines) if re.match(r"\s*\[", line)]
    if section and f"[{section}" not in (heading for _, heading in headings):
        lines[-1:] = ["", f"[{section}]", ""]
        return lines, len(lines) - 1, len(lines) - 1
    begin = next(number + 1 for number, heading in headings if heading == f"[{section}") if section else 0
    return lines, begin, next((number for number, _ in headings if number >= begin), len(lines))
