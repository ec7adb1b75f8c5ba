"""The incident as HTML: what each state shows, and that nobody's text becomes a part of the page."""

import re
from html import unescape
from html.parser import HTMLParser
from time import perf_counter
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lambdas.common.record.events import Acted, Event, Finding, MaintenanceChanged, Statement
from lambdas.incident_page.page import html
from procedures.catalog import procedure
from procedures.documents import inputs
from tests.environments import PRODUCTION

from .incidents import (
    GOES_ON,
    NAME,
    NOON,
    OVER,
    RELEASE,
    RESOLVED,
    SETTINGS,
    TAKEN_UP,
    UNKNOWN,
    acted,
    alarm,
    at,
    closed,
    decided,
    found,
    incident,
    person,
    told,
    verified,
)


class _Read(HTMLParser):
    """What a browser makes of a page."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        if self.tags[-1][0] != "style":
            self.texts.append(data)


def read(*events: Event, minutes: float = 20, **more: Any) -> _Read:
    page = _Read()
    page.feed(html(incident(*events) if events else None, SETTINGS, at(minutes), **more))
    return page


def text(*events: Event, **more: Any) -> str:
    return "".join(read(*events, **more).texts)


def buttons(*events: Event) -> dict[str, str]:
    """The address behind each button, by its words."""
    found = re.findall(r'<a href="([^"]*)" class="button[^>]*>([^<]*)</a>', html(incident(*events), SETTINGS, at(20)))
    return {words: unescape(address) for address, words in found}


# What each state shows


def test_without_an_incident_it_says_so() -> None:
    assert text() == "No incident so far."


@pytest.mark.parametrize(
    ("events", "head", "shown"),
    [
        (
            GOES_ON,
            f"{NAME} · P1 · since 2026-11-24 12:00 UTC, 20 min",
            "Fires: The service fails for its users ALB 5XX rate 62 %",
        ),
        (GOES_ON, NAME, "Nobody has acknowledged it. P1: respond within 15 min."),
        (GOES_ON, NAME, "12:15 UTC: Escalated to L2, team lead: nobody has acknowledged it within 15 min"),
        (TAKEN_UP, NAME, "on-call/ada has it since 12:16 UTC."),
        ((*TAKEN_UP, person(17, "hand-over", value="Grace, L2")), NAME, "Grace, L2 has it since 12:17 UTC, from on-call/ada."),
        ((*TAKEN_UP, alarm(18, "OK")), f"{NAME} · P1 · since 2026-11-24 12:00 UTCNo page", "it is not yet known to be over"),
        (OVER, NAME, "It is over, and nobody has resolved it. The service fails for its users"),
        (RESOLVED, NAME, "Resolved at 12:30 UTC by on-call/ada."),
        ((alarm(0), alarm(2, "OK"), closed(12)), f"{NAME} · since", "It is over."),
        ((alarm(0),), f"{NAME} · P1", "Nobody has been called so far."),
        ((alarm(0), alarm(2, "OK")), f"{NAME} · since", "Nobody was called."),
    ],
)
def test_the_head_says_how_it_stands_and_who_has_it(events: tuple[Event, ...], head: str, shown: str) -> None:
    said = text(*events)
    assert said.startswith(head)
    assert shown in said


def test_maintenance_is_shown_while_it_lasts() -> None:
    on = MaintenanceChanged(id="on", at=at(1), on=True, by="ada", why="a new index")
    off = MaintenanceChanged(id="off", at=at(2), on=False, by="ada", why="done")
    assert "Maintenance since 12:01 UTC by ada: nobody is called. a new index" in text(*GOES_ON, on)
    assert "nobody is called" not in text(*GOES_ON, on, off)


def test_what_is_known_is_the_newest_diagnosis_each_sentence_marked() -> None:
    said = text(*GOES_ON, found(5, RELEASE, UNKNOWN))
    assert "The last release broke the service 12:05 UTC" in said
    assert "measured62 % of requests fail" in said
    assert "inferredThe error is new" in said
    assert "unknownWhich requests fail" in said
    assert said.index("For it") < said.index("inferred") < said.index("Against it") < said.index("unknownWhich")
    assert "Less likely: Something that was not looked at." in said
    assert "Changed last: 11:52 UTC deployment of hz-navigator-production-backend:2, commit 4f2c1d9" in said
    assert "Could not be read: the cache's events: AccessDenied" in said


def test_without_a_diagnosis_the_pages_likely_cause_and_command_stand_there() -> None:
    said = text(alarm(0), told(0.1))
    assert "No diagnosis is recorded." in said
    assert "Likely cause: a bad release, or something behind the backend that fails." in said
    assert f"aws ecs describe-services --cluster {PRODUCTION.cluster} --services {PRODUCTION.service}" in said
    assert "3.1 High Error Rate (5XX)" in said


@pytest.mark.parametrize(
    ("events", "shown"),
    [
        ((decided(1),), "12:01:00Decided to roll back. Deployment AnRcIILJZjbDthYHtTD3j of"),
        ((decided(1, missing=("the deployments",)),), "Could not be read: the deployments."),
        ((acted(2),), "12:02:00rollback: UpdateService to hz-navigator-production-backend:1"),
        ((verified(3),), "12:03:00The service recovered 3 min after the alarm."),
        ((), "It did nothing.What it can do: rollback decides whether a release is to blame"),
        (tuple(decided(number) for number in range(1, 10)), "4 before."),
    ],
)
def test_it_says_what_automation_did(events: tuple[Event, ...], shown: str) -> None:
    assert shown in text(alarm(0), told(0.1), *events)


def test_the_times_and_the_impact_stand_there() -> None:
    said = text(*OVER)
    assert "Last page ended: 2026-11-24 12:18:00 UTC (+19.0 min)" in said
    assert "Impact: 1,804 requests failed and 37 were slow" in said


def test_the_newest_events_come_first() -> None:
    said = text(*GOES_ON).partition("the newest first")[2]
    assert said.index("12:15:00Escalated to L2") < said.index("12:00:00hz-navigator-production-service-down fires")
    assert said.endswith(f"The whole record: make incident ENV=production NAME={NAME}")


def test_what_automation_gave_as_its_reason_is_the_likely_cause_until_there_is_a_diagnosis() -> None:
    assert "Likely cause: Deployment AnRcIILJZjbDthYHtTD3j" in text(alarm(0), told(0.1), decided(1))


# The status page


RELEASE_IDENTIFIED = "The issue is related to a recent update."
DATABASE = Finding(hypothesis="database", title="The database is full", section="3.4", command="aws rds")


@pytest.mark.parametrize(
    ("events", "stage", "shown"),
    [
        ((alarm(0), told(0.1)), "investigating", "Some users may experience errors, or no answer at all."),
        ((alarm(0), told(0.1), found(1, UNKNOWN)), "investigating", "We are currently investigating"),
        ((alarm(0), told(0.1), found(1)), "identified", RELEASE_IDENTIFIED),
        ((alarm(0), told(0.1), found(1, DATABASE)), "identified", "The issue is related to our database."),
        (GOES_ON, "identified", "The issue is related to a recent update, which is being undone."),
        ((*GOES_ON, alarm(5, "OK")), "identified", "which is being undone"),
        (OVER, "resolved", "A recent update was undone."),
        (RESOLVED, "resolved", "We apologize for any inconvenience."),
        ((*RESOLVED, alarm(31)), "identified", "Our team is working on a fix."),
    ],
)
def test_the_status_pages_text_is_that_of_the_stage(events: tuple[Event, ...], stage: str, shown: str) -> None:
    said = text(*events)
    assert f"Fits now: {stage}" in said
    assert shown in said
    address = buttons(*events)["Record this text"]
    assert dict(parse_qsl(urlsplit(address).fragment))["Stage"] == stage


def test_only_what_is_severe_is_published() -> None:
    assert "Only P1 and P2 are published." in text(*GOES_ON, person(2, "severity", value="P3"))
    assert "Only P1 and P2 are published." in text(alarm(0, name="no-page"))
    assert "Fits now: investigating" in text(alarm(0))


# The buttons


@pytest.mark.parametrize(
    ("events", "shown"),
    [
        ((alarm(0), told(0.1)), ["Acknowledge", "backend-rollback: dry run", "Add a note", "Record this text"]),
        ((alarm(0), told(0.1), found(1)), ["Acknowledge", "backend-rollback: dry run", "Add a note", "Record this text"]),
        ((alarm(0), told(0.1), found(1, DATABASE)), ["Acknowledge", "service-status", "Add a note", "Record this text"]),
        ((alarm(0), told(0.1), acted(1)), ["Acknowledge", "service-status", "Add a note", "Record this text"]),
        (GOES_ON, ["Acknowledge", "service-status", "Add a note", "Record this text"]),
        (TAKEN_UP, ["service-status", "Add a note", "Record this text"]),
        (OVER, ["Resolve", "Add a note", "Record this text"]),
        (RESOLVED, ["Add a note", "Record this text"]),
        (
            (alarm(0, name=PRODUCTION.page("frontend-down")),),
            ["Acknowledge", "frontend-rollback: dry run", "Add a note", "Record this text"],
        ),
        (
            (alarm(0, name=PRODUCTION.page("database-down")),),
            ["Acknowledge", "service-status", "Add a note", "Record this text"],
        ),
        ((alarm(0, name="no-page"),), ["Acknowledge", "Add a note"]),
    ],
)
def test_the_buttons_are_what_can_be_done_now(events: tuple[Event, ...], shown: list[str]) -> None:
    assert list(buttons(*events)) == shown


@pytest.mark.parametrize("events", [(alarm(0), told(0.1)), GOES_ON, OVER, (alarm(0, name=PRODUCTION.page("frontend-down")),)])
def test_a_button_opens_a_form_that_takes_what_is_filled_in(events: tuple[Event, ...]) -> None:
    for label, address in buttons(*events).items():
        parts = urlsplit(address)
        assert (parts.scheme, parts.netloc) == ("https", f"{PRODUCTION.region}.console.aws.amazon.com")
        assert parts.query == f"region={PRODUCTION.region}"
        name = parts.path.removeprefix(f"/systems-manager/automation/execute/{PRODUCTION.document('')}")
        filled_in = dict(parse_qsl(parts.fragment, keep_blank_values=True))
        asked = {one.name: one for one in inputs(procedure(name))}
        assert filled_in.keys() <= asked.keys(), label
        for key, value in filled_in.items():
            assert re.search(asked[key].pattern, value), (label, key)
        still = {key for key, one in asked.items() if one.default is None} - filled_in.keys()
        assert still == {"incident-note": {"Note"}, "incident-resolve": {"Reason"}}.get(name, set()), label


def test_a_procedure_that_changes_something_of_the_service_is_a_dry_run_first() -> None:
    (address,) = (one for label, one in buttons(alarm(0), told(0.1)).items() if "rollback" in label)
    assert dict(parse_qsl(urlsplit(address).fragment)) == {
        "DryRun": "true",
        "Revision": "known-good",
        "Reason": f"Incident {NAME}",
    }


def test_the_first_button_to_press_stands_out_and_no_other() -> None:
    for events, label in ((GOES_ON, "Acknowledge"), (OVER, "Resolve")):
        page = html(incident(*events), SETTINGS, at(20))
        assert re.findall(r'class="button first"[^>]*>([^<]*)<', page) == [label]


# Whoever wrote a text, it stays a text

NASTY = ("<script>alert(1)</script>", '"><img src=x onerror=alert(1)>', "</pre><cwdb-action action='call'>", "&lt;b&gt;")
TAGS = {"div", "style", "h2", "h3", "p", "span", "b", "ul", "li", "time", "pre", "a"}
ATTRIBUTES = {"class", "href", "target", "rel", "title"}


def hostile(nasty: str) -> tuple[Event, ...]:
    """An incident whose every text is one that somebody else wrote."""
    statement = Statement(how="measured", text=nasty)
    finding = Finding(hypothesis=nasty, title=nasty, for_it=(statement,), against=(statement,), section=nasty, command=nasty)
    page = PRODUCTION.page("service-down")
    return (
        alarm(0, name=nasty),
        alarm(0, name=page),
        told(0.1),
        found(1, finding, finding, missing=(nasty,)),
        decided(2, missing=(nasty,)),
        Acted(id="action", at=at(3), by=nasty, what=nasty),
        person(4, "hand-over", nasty, nasty),
        person(5, "note", nasty),
        MaintenanceChanged(id="on", at=at(6), on=True, by=nasty, why=nasty),
    )


@given(nasty=st.one_of(st.sampled_from(NASTY), st.text(max_size=80), st.text(alphabet="<>&\"'/=abc script", max_size=40)))
def test_no_text_becomes_a_part_of_the_page(nasty: str) -> None:
    page = read(*hostile(nasty))
    assert {tag for tag, _ in page.tags} <= TAGS
    assert {name for _, attributes in page.tags for name in attributes} <= ATTRIBUTES
    for address in (attributes["href"] or "" for tag, attributes in page.tags if tag == "a"):
        assert address.startswith("https://")


def test_a_text_is_shown_as_it_was_written() -> None:
    for nasty in NASTY:
        assert nasty in text(*GOES_ON, found(5, Finding(hypothesis="release", title=nasty, section="3.1", command=nasty)))


def test_there_is_no_script_and_nothing_from_elsewhere() -> None:
    page = html(incident(*GOES_ON), SETTINGS, at(20))
    assert not re.search(r"<script|<link|<img|<iframe|<use|src=|@import|url\(|javascript:| on\w+=", page)


# Fit to be read


def test_a_storm_of_a_thousand_alarms_is_read_within_a_second() -> None:
    storm = [alarm(number / 100, name=f"alarm-{number}") for number in range(1000)]
    began = perf_counter()
    page = html(incident(*storm, told(1)), SETTINGS, at(20))
    assert perf_counter() - began < 1
    assert "Fires: alarm-0, alarm-1, alarm-2, alarm-3, alarm-4 and 995 more" in page
    assert "986 before." in page
    assert len(page) < 20_000


def _luminance(color: str) -> float:
    parts = (int(color[at : at + 2], 16) / 255 for at in (1, 3, 5))
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


@pytest.mark.parametrize(("dark", "ground"), [(False, "#ffffff"), (True, "#161d26")], ids=["light", "dark"])
def test_every_text_stands_out_from_the_consoles_ground(dark: bool, ground: str) -> None:
    """By WCAG 2.2's least contrast for text, 4.5: https://www.w3.org/TR/WCAG22/#contrast-minimum"""
    page = html(incident(*GOES_ON), SETTINGS, NOON, dark=dark)
    colors = set(re.findall(r"[{;]color:(#\w{6})", page)) - set(re.findall(r"first\{background:#\w{6};color:(#\w{6})", page))
    assert len(colors) >= 6
    for color in colors:
        lighter, darker = sorted((_luminance(color), _luminance(ground)), reverse=True)
        assert (lighter + 0.05) / (darker + 0.05) >= 4.5, color
