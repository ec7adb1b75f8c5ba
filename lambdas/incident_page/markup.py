"""HTML that is safe to show: every text is escaped, whoever wrote it, and there is no way around that but a tag."""

from html import escape

from lambdas.common.words import shown

MOST = 2000
"""The longest text, in characters."""

_VOID = ("input", "meta")
"""Elements without an end."""


class Html(str):
    """Text that is HTML; only `tag` and `joined` make it."""

    __slots__ = ()


def tag(name: str, /, *inside: str, **attributes: str) -> Html:
    """An element with texts and other elements in it. An attribute `class_` is `class`, and `http_equiv` is `http-equiv`."""
    given = "".join(f' {key.rstrip("_").replace("_", "-")}="{escape(value)}"' for key, value in attributes.items())
    return Html(f"<{name}{given}>" + ("" if name in _VOID else f"{joined(*inside)}</{name}>"))


def joined(*inside: str) -> Html:
    """Texts and elements, one after another."""
    return Html("".join(one if isinstance(one, Html) else escape(shown(one, MOST)) for one in inside))
