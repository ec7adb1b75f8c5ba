"""A post-mortem from a record and its metrics: the same words for the same events, and nothing that only people know."""

import re
from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from lambdas.common.record.events import Acted, Closed, Diagnosed, Escalated, Event, Notified, Person, Reopened, Verified
from lambdas.common.record.incident import Incident
from lambdas.postmortem import markdown, page
from lambdas.postmortem.document import Findings, document, folder
from lambdas.postmortem.review import questions, response_time, review
from tests.environments import PRODUCTION
from tests.unit.lambdas.postmortem import example

SETTINGS = example.settings(PRODUCTION)
INCIDENT, FINDINGS = example.example(PRODUCTION)


def written(incident: Incident = INCIDENT, findings: Findings = FINDINGS) -> str:
    return markdown.written(document(incident, findings, SETTINGS))


def without(*kinds: type[Event], more: tuple[Event, ...] = ()) -> Incident:  # type: ignore[valid-type] # a union of them
    return Incident.of(INCIDENT.name, (*(one for one in INCIDENT.events if not isinstance(one, kinds)), *more))


def at(minutes: float) -> datetime:
    detected = INCIDENT.times.detected
    assert detected
    return detected + timedelta(minutes=minutes)


# The whole


def test_it_has_each_section() -> None:
    assert re.findall(r"(?m)^## (.+)", written()) == [
        *("Summary", "Impact", "Curves", "Times", "Timeline", "Trigger and root cause", "Detection"),
        *("Decisions taken and rejected", "What was done", "What went well", "What went wrong", "Open questions"),
        *("Action items", "Files"),
    ]


def test_the_same_events_in_any_order_give_the_same_words() -> None:
    assert written(Incident.of(INCIDENT.name, (*reversed(INCIDENT.events), *INCIDENT.events))) == written()


def test_the_html_needs_nothing_else_and_has_the_curve() -> None:
    html = page.written(document(INCIDENT, FINDINGS, SETTINGS))
    assert html.count("<svg") == 1
    assert not re.search(r"<script|<link|<img|@import|url\(|src=", html)
    assert {"deployment", "alarm", "call", "acknowledged", "over"} <= {*re.findall(r">([a-z ]+)</text>", html)}


def test_the_html_says_what_the_markdown_says() -> None:
    html = page.written(document(INCIDENT, FINDINGS, SETTINGS))
    for line in re.findall(r"(?m)^(?:- |#+ )(.+)", written()):
        assert line.replace("\\", "").replace("'", "&#x27;") in html, line


def test_what_people_wrote_is_no_markup() -> None:
    note = Person(id="person x", at=at(1), kind="note", by="ada", text="<b>a</b> | [b](c)\nd")
    incident = Incident.of(INCIDENT.name, (*INCIDENT.events, note))
    assert r"\<b\>a\</b\> \| \[b\](c) d" in written(incident)
    assert "&lt;b&gt;a&lt;/b&gt; | [b](c) d" in page.written(document(incident, FINDINGS, SETTINGS))


def test_an_incident_of_which_nothing_was_measured_says_so() -> None:
    nothing = replace(FINDINGS, rows=(), requests=None, usual=None)
    text = written(without(type(INCIDENT.impact)), nothing)
    assert "Not known: CloudWatch keeps values of a minute for 15 days" in text
    assert "No row of the threshold table" in text


def test_a_record_with_nothing_but_its_end_is_written() -> None:
    assert "an incident without an alarm" in written(Incident.of("2026-11-26-2", [Closed(id="closed", at=at(0))]), FINDINGS)


def test_a_later_closing_has_a_folder_of_its_own() -> None:
    assert folder(INCIDENT) == "2026-11-26-1"
    again = (Reopened(id="reopened", at=at(30), alarm="one"), Closed(id="closed again", at=at(50)))
    assert folder(Incident.of(INCIDENT.name, (*INCIDENT.events, *again))) == "2026-11-26-1/2"


# By the record


def well(incident: Incident) -> list[str]:
    return [point.words for point in review(incident) if point.well]


def wrong(incident: Incident) -> list[str]:
    return [point.words for point in review(incident) if not point.well]


@pytest.mark.parametrize(
    ("incident", "words"),
    [
        (without(Person), "Nobody acknowledged it in the record; the response time of a P1 is 15 min."),
        (without(Verified), "What automation did was not verified to have helped."),
        (
            without(more=(Escalated(id="e", at=at(20), level=2, role="team lead", why="nobody has answered"),)),
            "L2, team lead, was asked: nobody has answered",
        ),
        (
            without(more=(Reopened(id="r", at=at(40), alarm="one"),)),
            f"It came back after it was closed: one fired again at {at(40):%H:%M:%S} UTC.",
        ),
        (
            without(Person, more=(Person(id="a", at=at(40), kind="acknowledgement", by="ada", text=""),)),
            "It was acknowledged 32 min after the call; the response time of a P1 is 15 min.",
        ),
    ],
)
def test_what_went_wrong(incident: Incident, words: str) -> None:
    assert words in wrong(incident)


def test_what_ended_without_a_call_went_well() -> None:
    assert "It ended without a call." in well(without(Notified, Person))


def test_a_text_for_the_status_page_in_time_went_well() -> None:
    text = Person(id="s", at=at(12), kind="status page", by="ada", text="", value="investigating")
    assert "The status page's first text was made 4 min after the call." in well(without(more=(text,)))


@pytest.mark.parametrize(
    ("incident", "words"),
    [
        (without(Diagnosed), "What was the root cause? No diagnosis in the record names one."),
        (without(Acted), "What ended it? The record has no action by automation, nor by a procedure."),
        (without(Person), "Who worked on it? Nobody acknowledged it in the record."),
        (without(), "Is it resolved? Nobody has recorded so yet."),
    ],
)
def test_what_is_open(incident: Incident, words: str) -> None:
    assert words in questions(incident)


@pytest.mark.parametrize(("severity", "minutes"), [("P1", 15), ("P2", 60), ("P3", 240), ("P4", None), ("", None)])
def test_the_response_time_is_the_runbooks(severity: str, minutes: int | None) -> None:
    found = response_time(severity)
    assert (found and found / timedelta(minutes=1)) == minutes
