"""The post-mortem of an incident: what its record and its metrics say, in the order in which people ask. Pure.

What only people know has no words: cells, lines and rows to fill in.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TypeVar

from lambdas.common import links
from lambdas.common.record.events import (
    Acted,
    AlarmChanged,
    Closed,
    Decided,
    Diagnosed,
    Event,
    Notified,
    Person,
    Statement,
)
from lambdas.common.record.incident import Incident
from lambdas.common.record.words import known
from lambdas.postmortem.blocks import NONE, Block, Code, Curve, Heading, Items, Link, Paragraph, Table, Words
from lambdas.postmortem.counterfactuals import judged, sooner
from lambdas.postmortem.curves import curve, span_shown
from lambdas.postmortem.impact import Requests
from lambdas.postmortem.metrics import MINUTE, Measured
from lambdas.postmortem.review import helped, questions, response_words, review, who
from lambdas.postmortem.settings import PostmortemSettings
from runbook.alarms import Description, descriptions
from runbook.pages import PAGES
from runbook.queries import QUERIES
from runbook.rows import rows_with

E = TypeVar("E")
_PAGES = {page.slug: page for page in PAGES}
(_ERRORS,) = (query.text for query in QUERIES if query.slug == "errors")
_EMPTY_ROWS = 4
_MARKS = {"began": "first bad value", "detected": "alarm", "told": "call", "acknowledged": "acknowledged", "mitigated": "over"}


@dataclass(frozen=True)
class Findings:
    """What was measured of an incident whose outage lasted from `begin` to `end`, whole minutes: its rows that fired, its
    requests and those of the span of the same length before (None where CloudWatch has none any more), and over how many
    seconds an answer is slow."""

    begin: datetime
    end: datetime
    rows: tuple[Measured, ...] = ()
    requests: Requests | None = None
    usual: Requests | None = None
    slow: float = 0


def document(incident: Incident, findings: Findings, settings: PostmortemSettings) -> list[Block]:
    """The whole of it."""
    return list(_Document(incident, findings, settings).blocks())


class _Document:
    def __init__(self, incident: Incident, findings: Findings, settings: PostmortemSettings) -> None:
        self._incident, self._findings, self._settings = incident, findings, settings
        self._descriptions: Mapping[str, Description] = descriptions(rows_with(settings.lines))
        self._console = settings.dashboard_url.partition("#")[0]
        self._pages = [_PAGES[slug] for name in incident.pages if (slug := self._slug(name)) in _PAGES]

    def blocks(self) -> Iterator[Block]:
        incident = self._incident
        yield Heading(1, f"Post-mortem of {incident.name}: {self._title()}")
        closed = self._of(Closed)[-1].at
        yield Paragraph(
            f"A draft, written from the record when the incident closed, {_time(closed)}. It is written once: edit it, nothing"
            f" overwrites it. What is empty only people know."
        )
        sections: tuple[tuple[str, Callable[[], Iterator[Block]]], ...] = (
            ("Summary", self._summary),
            ("Impact", self._impact),
            ("Curves", self._curves),
            ("Times", self._times),
            ("Timeline", self._timeline),
            ("Trigger and root cause", self._cause),
            ("Detection", self._detection),
            ("Decisions taken and rejected", self._decisions),
            ("What was done", self._done),
            ("What went well", lambda: self._points(well=True)),
            ("What went wrong", lambda: self._points(well=False)),
            ("Open questions", self._questions),
            ("Action items", self._actions),
            ("Files", self._files),
        )
        for title, section in sections:
            yield Heading(2, title)
            yield from section()

    # The sections

    def _summary(self) -> Iterator[Block]:
        incident, findings = self._incident, self._findings
        lasted = f"{findings.begin:%H:%M} to {findings.end:%H:%M} UTC on {findings.begin:%Y-%m-%d}"
        if findings.begin.date() != findings.end.date():
            lasted = f"{findings.begin:%Y-%m-%d %H:%M} to {findings.end:%Y-%m-%d %H:%M} UTC"
        sentences = [f"{self._title()}, from {lasted} ({(findings.end - findings.begin) // MINUTE} min)."]
        sentences += [f"{incident.impact.words}."] if incident.impact else []
        sentences += [f"Automation decided to {event.verb}: {event.reason}" for event in self._of(Decided)[:1]]
        sentences += [event.words for event in incident.events if event.kind == "verification"][-1:]
        yield Paragraph(" ".join(sentences))
        severity = incident.severity
        yield Table(
            ("", ""),
            (
                (
                    "Severity",
                    f"{severity} (response time: {response_words(severity)})" if severity else "nobody was told",
                ),
                ("In one sentence, for everybody", ""),
                ("Root cause", ""),
                ("Author", ""),
                ("Post-mortem meeting", ""),
            ),
        )

    def _impact(self) -> Iterator[Block]:
        impact, found, usual = self._incident.impact, self._findings.requests, self._findings.usual
        if impact is None:
            yield Paragraph(
                "Not known: CloudWatch keeps values of a minute for 15 days, and has none of this incident any more."
            )
        elif found and usual:
            yield Table(
                ("", "in the outage", "usual: in as long before", "over the usual"),
                (
                    ("Minutes", str(impact.minutes), str(impact.minutes), NONE),
                    ("Requests", f"{found.all:,}", f"{usual.all:,}", NONE),
                    ("Failed", f"{found.failed:,}", f"{usual.failed:,}", f"{impact.failed:,}"),
                    (f"Slow: over {self._findings.slow:g} s", f"{found.slow:,}", f"{usual.slow:,}", f"{impact.slow:,}"),
                ),
            )
            yield Paragraph("Failed: answers 5XX, and requests for which there was no task, as the load balancer counted them.")
        else:
            yield Paragraph(f"{impact.words}.")
        if self._pages:
            yield Table(
                ("What the pages stand for", "Service", "Symptoms"),
                tuple((page.title, page.service.format(product=self._settings.product), page.symptoms) for page in self._pages),
            )
        yield Table(("What users reported", "When", "Where"), _empty(3, 1))

    def _curves(self) -> Iterator[Block]:
        begin, end = span_shown(self._findings.begin, self._findings.end)
        times = vars(self._incident.times)
        marks = [(words, times[name]) for name, words in _MARKS.items() if times[name]]
        marks += [("deployment", times["changed"])] if times["changed"] else []
        for measured in self._findings.rows:
            where = f"The curve of {measured.row.title} is in post-mortem.html, its values are in trace.csv."
            yield Curve(curve(measured, begin, end, marks), where)
        if not self._findings.rows:
            yield Paragraph("No row of the threshold table is known to have been past its line.")
        dashboard = links.dashboard(self._settings.dashboard_url, self._findings.begin, self._findings.end)
        yield Table(("Where to look", ""), (("Dashboard of that time", Link("open", dashboard)), ("Errors", self._logs())))

    def _times(self) -> Iterator[Block]:
        rows = tuple((title, _time(moment), after or NONE) for title, moment, after in known(self._incident.times))
        yield Table(("What", "When", "Since the first bad value"), rows)

    def _timeline(self) -> Iterator[Block]:
        yield Table(
            ("UTC", "What", "Where"),
            tuple((f"{event.at:%m-%d %H:%M:%S}", _words(event), self._link(event)) for event in self._incident.events),
        )

    def _cause(self) -> Iterator[Block]:
        changed = self._incident.times.changed
        if changed:
            yield Paragraph(f"The last deployment before it began at {_time(changed)} (measured).")
        found = self._of(Diagnosed)
        if found:
            yield from _diagnosis(found[-1])
        elif not changed:
            yield Paragraph("The record has no diagnosis, and no deployment before it.")
        for event in self._of(Decided)[-1:]:
            yield Paragraph(f"What automation saw, {event.at:%H:%M:%S} UTC: {event.reason}")
        yield Table(("What only people know", ""), (("Trigger", ""), ("Root cause", ""), ("Why it was not seen before", "")))

    def _detection(self) -> Iterator[Block]:
        detected = self._incident.times.detected
        first = next((event for event in self._of(AlarmChanged) if event.state == "ALARM"), None)
        if first is None or detected is None:
            yield Paragraph("The record has no alarm.")
            return
        measured = f" ({first.measured})" if first.measured else ""
        yield Paragraph(f"{first.alarm} saw it first, {_time(first.at)}{measured}.")
        closed = self._of(Closed)[-1].at
        verdicts = [one for measured in self._findings.rows for one in judged(measured, detected, closed)]
        if verdicts:
            early = sooner(verdicts)
            yield Paragraph("How it could have been seen sooner, by rules over the incident's own metrics, minute by minute:")
            yield Items(tuple(early) or ("None of the rules below would have fired earlier.",))
            yield Table(
                ("Row", "Rule", "Would have fired", "Earlier", "Before the incident"),
                tuple(
                    (
                        one.row.title,
                        one.words,
                        f"{one.fired:%H:%M} UTC" if one.fired else "not at all",
                        f"{one.earlier / MINUTE:.0f} min" if one.earlier else NONE,
                        one.cost or "not known: no values from then",
                    )
                    for one in verdicts
                ),
            )
        yield Table(("Did somebody know before the alarm?", ""), (("Who, when, and how", ""),))

    def _decisions(self) -> Iterator[Block]:
        found = self._of(Decided)
        if not found:
            yield Paragraph("Automation decided nothing.")
        for event in found:
            yield Heading(3, f"{event.at:%H:%M:%S} UTC: {event.verb}")
            yield Paragraph(f"{event.reason} {event.done}")
            rejected = tuple((one.row, one.why_not) for one in event.looked if one.why_not)
            if rejected:
                yield Table(("Looked at before", "Why it did not decide"), rejected)
        yield Table(("What people decided", "When", "Who", "Why", "What was rejected"), _empty(5, 2))

    def _done(self) -> Iterator[Block]:
        actions = [event for event in self._incident.events if isinstance(event, Acted | Person)]
        if actions:
            yield Table(
                ("UTC", "Who", "What", "Did it help?"),
                tuple(
                    (
                        f"{event.at:%H:%M:%S}",
                        who(event.by),
                        event.what if isinstance(event, Acted) else _said(event),
                        helped(self._incident, event) if isinstance(event, Acted) else NONE,
                    )
                    for event in actions
                ),
            )
        else:
            yield Paragraph("The record has no action, by automation or by a person.")
        sections = dict.fromkeys(page.section for page in self._pages)
        if sections:
            yield Table(
                ("Runbook section of the pages", "Its procedure", "Used, by the record", "Was the section right?"),
                tuple((self._section(section), *self._procedures(section), "") for section in sections),
            )

    def _points(self, *, well: bool) -> Iterator[Block]:
        found = tuple(point.words for point in review(self._incident) if point.well is well)
        yield Items((*(found or ("Nothing by the record.",)), ""))

    def _questions(self) -> Iterator[Block]:
        yield Items((*questions(self._incident), ""))

    def _actions(self) -> Iterator[Block]:
        yield Table(("What", "Why", "Owner", "Due"), _empty(4, _EMPTY_ROWS))

    def _files(self) -> Iterator[Block]:
        name = self._incident.name
        yield Paragraph(
            "Beside this file: post-mortem.html, the same with the curves; incident.json, the whole record; trace.csv, what the"
            " alarms read, minute by minute, which a replay and a drill take:"
        )
        yield Code(
            f"aws s3 cp s3://{self._settings.bucket}/{folder(self._incident)}/trace.csv {name}.csv\n"
            f"make replay TRACE={name}.csv ENV={self._settings.environment}\n"
            f"make drill TRACE={name}.csv ENV={self._settings.environment}"
        )

    # Their parts

    def _title(self) -> str:
        """What its first page is called, the severest of them; of none, its first alarm's title."""
        pages = sorted(self._pages, key=lambda page: page.severity)
        first = next(iter(self._of(AlarmChanged)), None)
        return pages[0].title if pages else first.title if first else "an incident without an alarm"

    def _link(self, event: Event) -> Words:
        """Where more of an event is to be seen."""
        if isinstance(event, AlarmChanged | Notified):
            return Link("alarm", links.alarm(self._console, event.alarm))
        if isinstance(event, Decided):
            return self._logs("rollback")
        kind, _, identifier = event.id.partition(" ")
        if kind in ("procedure", "person"):
            return Link("execution", links.execution(self._console, identifier))
        return NONE

    def _logs(self, function: str = "") -> Link:
        """The backend's errors, or all that a function of ours said."""
        group, query = self._settings.backend_log_group, _ERRORS
        if function:
            group, query = f"/aws/lambda/{self._settings.alarm_prefix}{function}", links.EVERYTHING
        return Link("logs", links.logs(self._console, group, query, self._findings.begin, self._findings.end))

    def _section(self, section: str) -> Words:
        found = next(page.section for page in self._pages if page.section == section)
        url = self._settings.runbook_url
        return Link(found.heading, f"{url}#{found.anchor}") if url else found.heading

    def _procedures(self, section: str) -> tuple[str, str]:
        """The procedures that the pages of a section name, and which of them the record has."""
        named = dict.fromkeys(page.procedure for page in self._pages if page.section == section and page.procedure)
        ran = {event.what.partition(":")[0] for event in self._of(Acted) if event.id.startswith("procedure ")}
        return ", ".join(named) or NONE, (", ".join(one for one in named if one in ran) or "no") if named else NONE

    def _slug(self, alarm: str) -> str:
        return alarm.removeprefix(self._settings.alarm_prefix)

    def _of(self, kind: type[E]) -> list[E]:
        return [event for event in self._incident.events if isinstance(event, kind)]


def folder(incident: Incident) -> str:
    """Where an incident's files are in the bucket: those of a later closing below those of the first."""
    closings = sum(isinstance(event, Closed) for event in incident.events)
    return incident.name if closings <= 1 else f"{incident.name}/{closings}"


def _diagnosis(event: Diagnosed) -> Iterator[Block]:
    yield Paragraph(f"The last diagnosis, {event.at:%H:%M:%S} UTC, the most likely first:")
    yield Table(
        ("Hypothesis", "For it", "Against it", "Runbook"),
        tuple((one.title, _statements(one.for_it), _statements(one.against), one.section) for one in event.findings),
    )
    if event.changed:
        yield Paragraph("What changed in the hour before, the newest first:")
        yield Items(event.changed)
    if event.missing:
        yield Paragraph(f"Could not be read: {'; '.join(event.missing)}.")


def _statements(statements: Sequence[Statement]) -> str:
    return " ".join(one.words for one in statements) or NONE


def _words(event: Event) -> str:
    """What happened, with people's short names."""
    return event.words.replace(event.by, who(event.by)) if isinstance(event, Acted | Person) else event.words


def _said(event: Person) -> str:
    return f"{event.kind}{f' ({event.value})' if event.value else ''}: {event.text}"


def _time(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M:%S} UTC"


def _empty(columns: int, rows: int) -> tuple[tuple[str, ...], ...]:
    return (("",) * columns,) * rows
