"""What went well and what went wrong, by the record alone, and what it leaves open. Pure, one table of rules each."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from lambdas.common.record.events import (
    Acted,
    AlarmChanged,
    Decided,
    Diagnosed,
    Escalated,
    Event,
    Notified,
    Person,
    Reopened,
    Verified,
)
from lambdas.common.record.incident import Incident
from lambdas.common.words import person
from runbook.rules import CALL
from runbook.severities import CALLED, RESPONSE_TIMES

_MINUTE = timedelta(minutes=1)
_MINUTES_OF = {"min": 1, "hour": 60, "hours": 60}


@dataclass(frozen=True)
class Point:
    """Something that went well, or did not."""

    well: bool
    words: str


def response_words(severity: str) -> str:
    """The response time of a severity in the runbook's words; empty where there is no severity."""
    return next((words for known, words in RESPONSE_TIMES.items() if known == severity), "")


def response_time(severity: str) -> timedelta | None:
    """How soon somebody responds to a severity; None where that is a matter of days, or there is no severity."""
    amount, _, unit = response_words(severity).partition(" ")
    return int(amount) * _MINUTES_OF[unit] * _MINUTE if unit in _MINUTES_OF else None


def _first_page(incident: Incident) -> AlarmChanged | None:
    return next((event for event in incident.events if isinstance(event, AlarmChanged) and event.calls), None)


def _detected(incident: Incident) -> Iterator[Point]:
    page = _first_page(incident)
    fired = (event for event in incident.events if isinstance(event, AlarmChanged) and event.severity in CALLED)
    began = min((event.began for event in fired if event.began), default=None)
    if page and began:
        took = page.at - began
        yield Point(took <= CALL, f"The first page fired {_span(took)} after the first value beyond a critical line.")


def _warned(incident: Incident) -> Iterator[Point]:
    page = _first_page(incident)
    milder = (event for event in incident.events if isinstance(event, AlarmChanged) and event.severity not in CALLED)
    warning = next(milder, None)
    if page and warning and page.at - warning.at >= _MINUTE:
        yield Point(True, f"A warning fired {_span(page.at - warning.at)} before the first page.")


def _called(incident: Incident) -> Iterator[Point]:
    times, page = incident.times, _first_page(incident)
    if times.told and page:
        took = times.told - page.at
        yield Point(took <= CALL, f"Somebody was called {_span(took)} after the first page.")
    elif page and times.mitigated:
        yield Point(True, "It ended without a call.")


def _acknowledged(incident: Incident) -> Iterator[Point]:
    times, within = incident.times, response_time(incident.severity)
    if not times.told or within is None:
        return
    due = f"the response time of a {incident.severity} is {response_words(incident.severity)}"
    if times.acknowledged:
        took = times.acknowledged - times.told
        yield Point(took <= within, f"It was acknowledged {_span(took)} after the call; {due}.")
    else:
        yield Point(False, f"Nobody acknowledged it in the record; {due}.")


def _escalated(incident: Incident) -> Iterator[Point]:
    for event in incident.events:
        if isinstance(event, Escalated):
            yield Point(False, f"L{event.level}, {event.role}, was asked: {event.why}")


def _diagnosed(incident: Incident) -> Iterator[Point]:
    found = [event for event in incident.events if isinstance(event, Diagnosed)]
    page = _first_page(incident)
    if found and page:
        yield Point(True, f"A diagnosis was there {_span(found[0].at - page.at)} after the first page: {found[0].top.title}.")
    for what in dict.fromkeys(what for event in found for what in event.missing):
        yield Point(False, f"The diagnosis could not read {what}.")


def _decided(incident: Incident) -> Iterator[Point]:
    for event in incident.events:
        if isinstance(event, Decided):
            for what in event.missing:
                yield Point(False, f"Automation decided without a fact: {what}.")


def _verified(incident: Incident) -> Iterator[Point]:
    automatic = [event for event in incident.events if isinstance(event, Acted) and event.by == "rollback"]
    healthy = [event for event in incident.events if isinstance(event, Verified) and event.healthy]
    for acted in automatic:
        seen = next((event for event in healthy if event.at >= acted.at), None)
        if seen:
            yield Point(True, f"What automation did helped, and was verified {_span(seen.at - acted.at)} later.")
        else:
            yield Point(False, "What automation did was not verified to have helped.")


def _flapped(incident: Incident) -> Iterator[Point]:
    told = [event for event in incident.events if isinstance(event, Notified) and event.channel == "people"]
    if any(event.what == "flapping" for event in told):
        yield Point(False, "An alarm came and went.")
    for event in incident.events:
        if isinstance(event, Reopened):
            yield Point(False, f"It came back after it was closed: {event.alarm} fired again at {event.at:%H:%M:%S} UTC.")


def _announced(incident: Incident) -> Iterator[Point]:
    times, within = incident.times, response_time(incident.severity)
    if incident.severity not in CALLED or not times.told or within is None:
        return
    texts = [event for event in _people(incident) if event.kind == "status page"]
    if texts:
        took = texts[0].at - times.told
        yield Point(took <= within, f"The status page's first text was made {_span(took)} after the call.")
    else:
        yield Point(False, f"No text for the status page was made by its procedure, which a {incident.severity} asks for.")


RULES: tuple[Callable[[Incident], Iterator[Point]], ...] = (
    *(_detected, _warned, _called, _acknowledged, _escalated),
    *(_diagnosed, _decided, _verified, _flapped, _announced),
)
"""What the record is judged by."""


def review(incident: Incident) -> list[Point]:
    """What went well and what went wrong, in the order of the rules."""
    return [point for rule in RULES for point in rule(incident)]


def _of_the_release(incident: Incident) -> str:
    changed = incident.times.changed
    blamed = any(isinstance(event, Acted) and event.by == "rollback" for event in incident.events)
    return f"What in the deployment that began at {_at(changed)} broke it, and which test would have seen it?" if (
        changed and blamed
    ) else ""  # fmt: skip


def _of_the_cause(incident: Incident) -> str:
    found = [event.top for event in incident.events if isinstance(event, Diagnosed)]
    return (
        "" if found and found[-1].hypothesis != "unknown" else "What was the root cause? No diagnosis in the record names one."
    )


def _of_the_end(incident: Incident) -> str:
    if any(isinstance(event, Acted) for event in incident.events):
        return ""
    return "What ended it? The record has no action by automation, nor by a procedure."


def _of_who(incident: Incident) -> str:
    acknowledged = incident.acknowledged
    return "" if acknowledged or not incident.times.told else "Who worked on it? Nobody acknowledged it in the record."


def _of_the_resolution(incident: Incident) -> str:
    return "" if incident.resolved else "Is it resolved? Nobody has recorded so yet."


def _of_the_users(incident: Incident) -> str:
    impact = incident.impact
    unseen = impact is not None and not impact.failed and not impact.slow
    return (
        "What did users have of it? The load balancer counted no failed and no slow requests over the usual." if unseen else ""
    )


def _of_what_else(incident: Incident) -> str:
    missing = [what for event in incident.events if isinstance(event, Diagnosed | Decided) for what in event.missing]
    return f"Why could these not be read: {'; '.join(dict.fromkeys(missing))}?" if missing else ""


QUESTIONS: tuple[Callable[[Incident], str], ...] = (
    *(_of_the_release, _of_the_cause, _of_the_end, _of_who, _of_the_users, _of_what_else, _of_the_resolution),
)
"""What a record may leave open, each empty where it does not."""


def questions(incident: Incident) -> list[str]:
    """What the record does not answer."""
    return [words for question in QUESTIONS if (words := question(incident))]


def helped(incident: Incident, event: Event) -> str:
    """Whether an action has helped, as far as the record says."""
    verified = next((one for one in incident.events if isinstance(one, Verified) and one.at >= event.at), None)
    if isinstance(event, Acted) and event.by == "rollback" and verified:
        return f"{'yes' if verified.healthy else 'no'}: {verified.said}"
    mitigated = incident.times.mitigated
    if mitigated and mitigated >= event.at:
        return f"the last page ended {_span(mitigated - event.at)} later"
    return ""


def _people(incident: Incident) -> Iterator[Person]:
    yield from (event for event in incident.events if isinstance(event, Person))


def who(by: str) -> str:
    """Who did something, in short."""
    return person(by) if by.startswith("arn:") else by


def _at(moment: datetime | None) -> str:
    return f"{moment:%H:%M:%S} UTC" if moment else ""


def _span(time: timedelta) -> str:
    """Minutes, with one decimal below ten; seconds below one."""
    minutes = time / _MINUTE
    if minutes < 1:
        return f"{time.total_seconds():.0f} s"
    return f"{minutes:.0f} min" if minutes >= 10 else f"{f'{minutes:.1f}'.removesuffix('.0')} min"
