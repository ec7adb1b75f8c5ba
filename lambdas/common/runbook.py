"""The printed runbook, for whoever reads a message of ours."""

import re


def section(heading: str, url: str) -> str:
    """A section's number and title, with its link where `url`, the page's, is known."""
    anchor = re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-")  # as GitHub makes them
    return f"{heading} {url}#{anchor}" if url else heading
