"""What the runbook says of an incident: its page, and the status page's text. Pure."""

from collections.abc import Mapping
from typing import Literal

from lambdas.common.record.events import Acted, Diagnosed
from lambdas.common.record.incident import Incident
from runbook import status_page
from runbook.pages import PAGES, Page

Stage = Literal["investigating", "identified", "resolved"]
"""Which of the status page's templates."""

UNKNOWN = "unknown"
"""The hypothesis of a diagnosis that found no cause."""
_CAUSES: Mapping[str, str] = {
    "release": "a recent update",
    "configuration": "a recent change of our configuration",
    "database": "our database",
    "cache": "our cache",
    "capacity": "the capacity of our servers",
    "zone": "one of our provider's data centers",
    "outside": "a service that we depend on",
    "frontend": "the delivery of our web pages",
}
"""What users are told of a hypothesis."""
_PAGES: Mapping[str, Page] = {page.slug: page for page in PAGES}
_ROLLS_BACK, _LOOKS = _PAGES["service-down"], _PAGES["service-degraded"]
"""Pages whose procedure rolls the backend back, and whose procedure only reads."""


def page_of(incident: Incident, alarm_prefix: str) -> Page | None:
    """The page that fires, else the one that somebody was called for first; None for an incident without a page."""
    slugs = (name.removeprefix(alarm_prefix) for name in (*incident.firing, *incident.pages))
    return next((_PAGES[slug] for slug in slugs if slug in _PAGES), None)


def diagnosed(incident: Incident) -> Diagnosed | None:
    """The newest diagnosis."""
    return next((event for event in reversed(incident.events) if isinstance(event, Diagnosed)), None)


def stage_of(incident: Incident) -> Stage:
    """What users can be told now: a page that fires is never resolved, and a cause is named once one was found."""
    if not incident.firing and (incident.resolved or incident.times.verified):
        return "resolved"
    found = diagnosed(incident)
    return "identified" if _undone(incident) or (found and found.top.hypothesis != UNKNOWN) else "investigating"


def words_of(incident: Incident, page: Page, product: str) -> dict[str, str]:
    """What an incident and its page say for the blanks of the status page's templates."""
    words = status_page.words_of(page, product, undone=_undone(incident))
    found = diagnosed(incident)
    cause = _CAUSES.get(found.top.hypothesis) if found else None
    if cause and not _undone(incident):
        words |= {"BRIEF DESCRIPTION": cause, "BRIEF DESCRIPTION OF FIX": f"There was a problem with {cause}."}
    return words


def procedure_of(incident: Incident, page: Page) -> tuple[str, dict[str, str]]:
    """The procedure that fits, with its inputs: the page's, the one that only looks where it has none.

    A diagnosis knows better than the page whether a release is to blame; one that was taken back is not taken back again."""
    found = diagnosed(incident)
    hypothesis = found.top.hypothesis if found else UNKNOWN
    fits = page if page.procedure else _LOOKS
    blamed = fits.procedure == _ROLLS_BACK.procedure if hypothesis == UNKNOWN else hypothesis in ("release", "configuration")
    if fits.procedure in (_ROLLS_BACK.procedure, _LOOKS.procedure):
        fits = _ROLLS_BACK if blamed and not _undone(incident) else _LOOKS
    return fits.procedure, dict(fits.inputs)


def _undone(incident: Incident) -> bool:
    """Whether a release was to blame, and was taken back."""
    return any(isinstance(event, Acted) and event.by == "rollback" for event in incident.events)
