"""Texts of others, as they may stand in a message of ours."""


def one_line(text: str, most: int = 2000) -> str:
    """A text on one line of at most so many characters, without control characters: nothing in it can imitate a section."""
    shown = " ".join("".join(one if one.isprintable() else " " for one in text[: 2 * most]).split())
    return shown if len(shown) <= most else f"{shown[: most - 2]} …"
