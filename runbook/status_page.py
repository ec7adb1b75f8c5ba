"""The status page's templates (runbook section 2); what is in brackets is filled in."""

import re
from collections.abc import Mapping

from runbook.pages import Page

INVESTIGATING = """We are currently investigating issues with [SERVICE].
Some users may experience [SYMPTOMS].
We will provide updates as we learn more."""

IDENTIFIED = """We have identified the issue affecting [SERVICE].
The issue is related to [BRIEF DESCRIPTION].
Our team is working on a fix."""

RESOLVED = """The issue affecting [SERVICE] has been resolved.
[BRIEF DESCRIPTION OF FIX]
We apologize for any inconvenience."""

TEMPLATES = {"investigating": INVESTIGATING, "identified": IDENTIFIED, "resolved": RESOLVED}
"""By what they announce."""

_BLANK = re.compile(r"\[([A-Z ]+)\]")


def fill(template: str, words: Mapping[str, str]) -> str:
    """The template with the words for what is in brackets, by that name; what has no words stays."""
    return _BLANK.sub(lambda blank: words.get(blank[1]) or blank[0], template)


def blanks(template: str) -> list[str]:
    """What is in brackets."""
    return _BLANK.findall(template)


def words_of(page: Page, product: str, *, undone: bool) -> dict[str, str]:
    """What a page says for the blanks; `undone`: a release is to blame, and was taken back."""
    return {
        "SERVICE": page.service.format(product=product),
        "SYMPTOMS": page.symptoms,
        "BRIEF DESCRIPTION": "a recent update, which is being undone" if undone else page.component,
        "BRIEF DESCRIPTION OF FIX": "A recent update was undone." if undone else f"There was a problem with {page.component}.",
    }
