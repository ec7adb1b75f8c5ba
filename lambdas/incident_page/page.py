"""An incident as HTML: what is known, what was done, what to do next. Pure: the same incident, time and theme, the same page.

It is drawn by CloudWatch, which takes scripts out. So the buttons are links: each opens the form of a procedure's document in
Systems Manager, with its inputs filled in, where nothing happens before a person who may start it chooses Execute.
`cwdb-action` could only call a function, which would not know who called it.
https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/add_custom_widget_dashboard_interactivity.html
"""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from urllib.parse import quote

from lambdas.common.record.events import (
    Acted,
    AlarmChanged,
    Decided,
    Escalated,
    Event,
    Finding,
    Impact,
    MaintenanceChanged,
    Person,
    Statement,
    Verified,
)
from lambdas.common.record.incident import Incident
from lambdas.common.record.pages import diagnosed, page_of, procedure_of, stage_of, words_of
from lambdas.common.record.words import figures
from lambdas.common.words import one_line, person
from lambdas.incident_page.markup import Html, joined, tag
from lambdas.incident_page.settings import IncidentPageSettings
from runbook import status_page
from runbook.sections import Section
from runbook.severities import CALLED, RESPONSE_TIMES

MOST_LINES = 15
"""Of the timeline; the rest is in the record."""
_MOST = 5
"""Of everything else that there may be many of."""
_LINE = 260
"""Characters of a line of the timeline."""

_LIGHT = {
    "text": "#16191f",
    "faint": "#545b64",
    "line": "#d5dbdb",
    "box": "#f2f3f3",
    "link": "#0057a8",
    "bad": "#b0150b",
    "good": "#1a6b02",
    "doubt": "#8a5200",
    "button": "#0057a8",
    "on_button": "#ffffff",
}
_DARK = {
    "text": "#e9ebed",
    "faint": "#aab7b8",
    "line": "#414d5c",
    "box": "#1b2430",
    "link": "#7cc4ff",
    "bad": "#ff8a7a",
    "good": "#7ed37f",
    "doubt": "#ffc266",
    "button": "#7cc4ff",
    "on_button": "#0f1b2a",
}
_STYLE = """
.hz{color:%(text)s;font:14px/1.45 Helvetica,Arial,sans-serif;text-align:left}
.hz *{box-sizing:border-box}
.hz .head{border-left:6px solid %(faint)s;padding:2px 0 2px 12px;margin-bottom:10px}
.hz .fires{border-color:%(bad)s}.hz .over{border-color:%(good)s}
.hz h2{font-size:19px;line-height:1.3;margin:0}
.hz h3{font-size:14px;margin:0 0 4px;color:%(faint)s;text-transform:uppercase;letter-spacing:.03em}
.hz p{margin:0 0 4px}
.hz .bad{color:%(bad)s;font-weight:bold}.hz .good{color:%(good)s;font-weight:bold}.hz .faint{color:%(faint)s}
.hz .parts{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(380px,100%%),1fr));gap:0 28px}
.hz .part{margin-bottom:12px}
.hz ul{margin:0 0 4px;padding:0;list-style:none}
.hz li{padding:1px 0;overflow-wrap:anywhere}
.hz .how{font-size:11px;font-weight:bold;border:1px solid;border-radius:3px;padding:0 4px;margin-right:6px}
.hz .measured{color:%(good)s}.hz .inferred{color:%(link)s}.hz .unknown{color:%(doubt)s}
.hz pre{background:%(box)s;color:%(text)s;border:1px solid %(line)s;border-radius:3px;margin:2px 0 6px;padding:6px 8px;
font:12.5px/1.4 Menlo,Consolas,monospace;white-space:pre-wrap;overflow-wrap:anywhere;user-select:all}
.hz a{color:%(link)s}
.hz .buttons{display:flex;flex-wrap:wrap;gap:8px;margin:4px 0 8px}
.hz a.button{border:1px solid %(button)s;border-radius:3px;padding:5px 12px;font-weight:bold;text-decoration:none}
.hz a.first{background:%(button)s;color:%(on_button)s}
.hz time{font:12.5px Menlo,Consolas,monospace;color:%(faint)s;margin-right:8px}
"""


def html(incident: Incident | None, settings: IncidentPageSettings, now: datetime, *, dark: bool = False) -> str:
    """The page of an incident as it stands now; one sentence where there has been none."""
    style = Html(_STYLE % (_DARK if dark else _LIGHT))
    shown = _Shown(incident, settings, now).whole() if incident and incident.events else tag("p", "No incident so far.")
    return tag("div", tag("style", style), shown, class_="hz cwdb-no-default-styles")


class _Shown:
    """The parts of an incident's page."""

    def __init__(self, incident: Incident, settings: IncidentPageSettings, now: datetime) -> None:
        self._incident = incident
        self._settings = settings
        self._now = now
        self._firing = incident.firing
        self._resolved = incident.resolved
        self._page = page_of(incident, settings.alarm_prefix)
        self._found = diagnosed(incident)
        self._severity = incident.severity or (self._page.severity if self._page else "")

    def whole(self) -> Html:
        columns = (
            (("What to do next", self._next()), ("For the status page", self._status_page())),
            (("What is known", self._known()),),
            (("What automation did", self._automation()), ("Times", self._times())),
        )
        parts = [tag("div", *(_section(title, inside) for title, inside in column)) for column in columns]
        newest = _section("What happened, the newest first", self._timeline())
        return joined(self._head(), tag("div", *parts, class_="parts"), newest)

    # The head: which incident it is, how it stands, and who has it

    def _head(self) -> Html:
        incident, since = self._incident, self._incident.since
        severity = self._severity if self._firing else incident.severity
        began = f"since {since:%Y-%m-%d %H:%M} UTC" if since else ""
        lasts = f", {_minutes(since, self._now)}" if since and self._firing else ""
        title = " · ".join(filter(None, (incident.name, severity, f"{began}{lasts}")))
        kind = "fires" if self._firing else "over" if incident.closed or self._resolved else "calm"
        lines = [tag("p", *line) for line in (self._state(), self._owner(), *self._escalations(), *self._maintenance())]
        return tag("div", tag("h2", title), *lines, class_=f"head {kind}")

    def _state(self) -> Iterator[str]:
        newest = {event.alarm: event for event in self._incident.events if isinstance(event, AlarmChanged)}
        if self._firing:
            yield tag("span", f"Fires: {_several([newest[name].title for name in self._firing])}", class_="bad")
            if measured := [newest[name].measured for name in self._firing if newest[name].measured]:
                yield f" {_several(measured, '; ')}"
            return
        what = self._page.title if self._page else _several([newest[name].title for name in self._incident.pages])
        said = "It is over."
        if self._resolved:
            said = f"Resolved at {self._resolved.at:%H:%M} UTC by {person(self._resolved.by)}."
        elif not self._incident.closed:
            said = "No page fires any more; it is not yet known to be over."
        elif self._incident.severity in CALLED:
            said = "It is over, and nobody has resolved it."
        yield from (tag("span", said, class_="good"), f" {what}" if what else "")

    def _owner(self) -> Iterator[str]:
        by, severity = self._incident.acknowledged, self._incident.severity
        if by and by.kind == "hand-over":
            yield f"{by.value} has it since {by.at:%H:%M} UTC, from {person(by.by)}."
        elif by:
            yield f"{person(by.by)} has it since {by.at:%H:%M} UTC."
        elif severity in CALLED and not (self._resolved or self._incident.closed):
            within = next(time for known, time in RESPONSE_TIMES.items() if known == severity)
            yield tag("span", f"Nobody has acknowledged it. {severity}: respond within {within}.", class_="bad")
        elif not severity:
            yield "Nobody has been called so far." if self._firing else "Nobody was called."

    def _escalations(self) -> Iterator[Iterable[str]]:
        found = [event for event in self._incident.events if isinstance(event, Escalated) and not self._resolved]
        return ([f"{event.at:%H:%M} UTC: {event.words}"] for event in found[-_MOST:])

    def _maintenance(self) -> Iterator[Iterable[str]]:
        newest = next((event for event in reversed(self._incident.events) if isinstance(event, MaintenanceChanged)), None)
        if newest and newest.on:
            yield [f"Maintenance since {newest.at:%H:%M} UTC by {person(newest.by)}: nobody is called. {newest.why}"]

    # What to do next

    def _next(self) -> Iterator[str]:
        yield tag("div", *self._buttons(), class_="buttons")
        command = self._found.top.command if self._found else self._command()
        if command and self._firing:
            yield tag("p", "First command:")
            yield tag("pre", command)
        section = self._found.top.section if self._found else self._page.section if self._page else ""
        if section:
            yield tag("p", "Runbook: ", self._runbook(section))

    def _buttons(self) -> Iterator[Html]:
        if not self._resolved:
            if not self._incident.acknowledged:
                yield self._of_incident("Acknowledge", "acknowledge", Reason="Seen on the dashboard", first=True)
            if self._page and self._firing:
                procedure, inputs = procedure_of(self._incident, self._page)
                label = procedure + (": dry run" if inputs.get("DryRun") == "true" else "")
                yield self._button(label, procedure, inputs | {"Reason": f"Incident {self._incident.name}"})
            if not self._firing:
                yield self._of_incident("Resolve", "resolve", first=bool(self._incident.acknowledged))
        yield self._of_incident("Add a note", "note", Reason=f"Incident {self._incident.name}")

    def _of_incident(self, label: str, what: str, *, first: bool = False, **inputs: str) -> Html:
        """A button for a procedure of this incident, which changes nothing but its record: so it needs no dry run."""
        about = {"Incident": self._incident.name, "DryRun": "false"}
        return self._button(label, f"incident-{what}", about | inputs, first=first)

    def _button(self, label: str, procedure: str, inputs: Mapping[str, str], *, first: bool = False) -> Html:
        """A link to the form of a procedure, its inputs filled in: as AWS's own runbooks put such links on dashboards."""
        given = "&".join(f"{name}={quote(value, safe='')}" for name, value in inputs.items())
        document = f"{self._settings.alarm_prefix}{procedure}"
        return tag(
            "a",
            label,
            href=f"{self._settings.forms_url}{document}?region={self._settings.region}#{given}",
            class_="button first" if first else "button",
            target="_blank",
            rel="noopener",
            title=f"Opens the form of {document}: nothing happens before you choose Execute there",
        )

    def _command(self) -> str:
        return self._page.command.format_map(self._settings.model_dump()) if self._page else ""

    def _runbook(self, number: str) -> str:
        section = next((one for one in Section if one.value == number), None)
        url = self._settings.runbook_url
        if not section or not url:
            return section.heading if section else number
        return tag("a", section.heading, href=f"{url}#{section.anchor}", target="_blank", rel="noopener")

    # What is known

    def _known(self) -> Iterator[str]:
        found = self._found
        if not found:
            yield tag("p", "No diagnosis is recorded.", class_="faint")
            decisions = [event.reason for event in self._incident.events if isinstance(event, Decided) and event.reason]
            if cause := decisions[-1] if decisions else f"{self._page.cause}." if self._page else "":
                yield tag("p", f"Likely cause: {cause}")
            return
        top, *others = found.findings
        yield tag("p", tag("b", top.title), tag("span", f" {found.at:%H:%M} UTC", class_="faint"))
        yield from _reasons(top)
        if others:
            yield tag("p", f"Less likely: {_several([one.title for one in others])}.", class_="faint")
        if found.changed:
            yield tag("p", tag("b", "Changed last: "), _several(found.changed[:_MOST], "; "))
        if found.missing:
            yield tag("p", tag("b", "Could not be read: ", class_="unknown"), _several(found.missing, "; "))

    # What automation did

    def _automation(self) -> Iterator[str]:
        done = [event for event in self._incident.events if isinstance(event, Decided | Acted | Verified)]
        if not done:
            yield tag("p", "It did nothing.")
            if self._page:
                yield tag("p", f"What it can do: {self._page.automation}.", class_="faint")
            return
        said = {event.what for event in done if isinstance(event, Acted)}
        yield tag("ul", *(tag("li", _time(event), *_did(event, said)) for event in reversed(done[-_MOST:])))
        if len(done) > _MOST:
            yield tag("p", f"{len(done) - _MOST:,} before.", class_="faint")

    # The status page

    def _status_page(self) -> Iterator[str]:
        if not self._page or self._severity not in CALLED:
            yield tag("p", f"Only {' and '.join(CALLED)} are published.", class_="faint")
            return
        stage = stage_of(self._incident)
        words = words_of(self._incident, self._page, self._settings.product)
        yield tag("p", f"Fits now: {stage}")
        yield tag("pre", status_page.fill(status_page.TEMPLATES[stage], words))
        reason = f"Incident {self._incident.name}"
        yield tag("div", self._of_incident("Record this text", "status-page", Reason=reason, Stage=stage), class_="buttons")

    # Times and figures

    def _times(self) -> Iterator[str]:
        yield tag("ul", *(tag("li", line) for line in figures(self._incident.times).splitlines()))
        impact = next((event for event in reversed(self._incident.events) if isinstance(event, Impact)), None)
        if impact:
            yield tag("p", impact.words)

    def _timeline(self) -> Iterator[str]:
        events = self._incident.events
        yield tag("ul", *(tag("li", _time(event), _line(event)) for event in reversed(events[-MOST_LINES:])))
        whole = f"make incident ENV={self._settings.environment} NAME={self._incident.name}"
        before = f"{len(events) - MOST_LINES:,} before. " if len(events) > MOST_LINES else ""
        yield tag("p", f"{before}The whole record: {whole}", class_="faint")


def _section(title: str, inside: Iterable[str]) -> Html:
    return tag("div", tag("h3", title), *inside, class_="part")


def _reasons(finding: Finding) -> Iterator[Html]:
    for title, statements in (("For it", finding.for_it), ("Against it", finding.against)):
        if statements:
            yield tag("p", title, class_="faint")
            yield tag("ul", *map(_statement, statements[:_MOST]))


def _statement(one: Statement) -> Html:
    return tag("li", tag("span", one.how, class_=f"how {one.how}"), one.text)


def _did(event: Decided | Acted | Verified, said: Collection[str]) -> Iterator[str]:
    """In words; what a decision did is left out where it was said."""
    match event:
        case Decided():
            yield tag("b", f"Decided to {event.verb}. ", class_="bad" if event.person else "")
            yield f"{event.reason} {'' if event.done in said else event.done}"
            if event.missing:
                yield tag("span", f" Could not be read: {_several(event.missing, '; ')}.", class_="unknown")
        case Acted():
            yield from (tag("b", f"{person(event.by)}: "), event.what)
        case Verified():
            yield tag("span", event.said, class_="good" if event.healthy else "bad")


def _line(event: Event) -> str:
    words = event.words
    if isinstance(event, Acted | MaintenanceChanged | Person) and event.by:
        words = words.replace(event.by, person(event.by), 1)
    return one_line(words, _LINE)


def _time(event: Event) -> Html:
    return tag("time", f"{event.at:%H:%M:%S}")


def _several(words: Sequence[str], between: str = ", ") -> str:
    """The first words of many."""
    more = f" and {len(words) - _MOST:,} more" if len(words) > _MOST else ""
    return between.join(words[:_MOST]) + more


def _minutes(begin: datetime, end: datetime) -> str:
    minutes = max(int((end - begin).total_seconds()) // 60, 0)
    return f"{minutes} min" if minutes < 120 else f"{minutes // 60} h {minutes % 60} min"
