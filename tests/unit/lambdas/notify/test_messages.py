"""What people read: everything that somebody who was just woken up needs, in words."""

import json
import re
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest

from lambdas.common.alarms import Alarm, Alarms
from lambdas.common.incidents import Outcome
from lambdas.common.record.events import Diagnosed, Finding, Statement
from lambdas.common.record.incident import Incident
from lambdas.notify.messages import Situation, for_chat, for_pagerduty, subject, text
from lambdas.notify.plan import Kind, Memory, Notification
from runbook import status_page
from runbook.alarms import Description, descriptions
from runbook.failures import FAILURES, Failure
from runbook.pages import PAGES
from runbook.rows import ROWS
from runbook.sections import Section
from runbook.severities import CALLED
from tests.environments import PRODUCTION

from ..world import NOON, NOTIFY

DOCS = Path(__file__).parents[4] / "docs"
OUTCOME = Outcome(
    outcome="rollback requested",
    environment="production",
    service="service",
    alarm="alarm",
    at=NOON.isoformat(),
    wrong="",
    done="The service is going back to backend:1.",
    look_at="",
    section=Section.BACKEND_ROLLBACK,
    reason="Deployment 0002 of backend:2 ended 4 min before the alarm.",
)


def alarm(name: str, **changes: Any) -> Alarm:
    """An alarm that fires since noon, as DescribeAlarms has it, understood."""
    return Alarms(NOTIFY).alarm(
        {
            "AlarmName": name,
            "AlarmActions": [NOTIFY.alarms_topic],
            "StateValue": "ALARM",
            "StateUpdatedTimestamp": NOON,
            "StateReason": "Threshold Crossed",
            "StateReasonData": json.dumps({"recentDatapoints": [12.5, None, 100.0]}),
            **changes,
        }
    )


def page(slug: str, kind: Kind = "open") -> Notification:
    """A page that has lasted since noon, and ended 20 minutes later where it has ended."""
    ended = None if kind == "open" else NOON + timedelta(minutes=20)
    found = alarm(PRODUCTION.page(slug), AlarmRule="ALARM(x)")
    return Notification(kind, found, Memory(NOON, told_at=NOON, calm_since=ended, named="2026-03-02-1"))


def behind(slug: str, value: float = 100) -> Alarm:
    """The critical alarm of a row, firing."""
    return alarm(PRODUCTION.alarm(slug, "critical"), StateReasonData=json.dumps({"recentDatapoints": [12.5, None, value]}))


def message(
    notification: Notification, *alarms: Alarm, outcome: Outcome | None = None, unread: str = "", deployment: str = ""
) -> str:
    return text(notification, Situation(NOON + timedelta(minutes=3), alarms, outcome, unread, deployment), NOTIFY)


def part(words: str, title: str) -> str:
    """What stands under a title of a message."""
    parts = dict(block.split("\n", 1) for block in words.split("\n\n")[1:])
    return "\n".join(line.strip() for line in parts[title].splitlines())


# Of a page


def test_what_is_wrong_stands_first() -> None:
    assert message(page("database-down")).startswith("P1 production: The application has no database\n")


def test_since_when() -> None:
    assert part(message(page("database-down")), "Since") == "2026-03-02 12:00:00 UTC (3 min)"


def test_how_often_where_it_flaps() -> None:
    flapping = replace(page("database-down"), memory=Memory(NOON, times=4))
    assert part(message(flapping), "Since").endswith("(3 min), 4 times")


@pytest.mark.parametrize(
    ("kind", "line"),
    [
        ("flapping", "ALARM: P1 production: Comes and goes: The application has no database"),
        ("worse", "ALARM: P1 production: Worse: The application has no database"),
        ("lasting", "ALARM: P1 production: For 60 min now: The application has no database"),
    ],
)
def test_what_is_new_about_it_stands_in_the_subject(kind: Kind, line: str) -> None:
    assert subject(replace(page("database-down"), kind=kind), NOTIFY) == line


def test_what_flaps_says_when_people_hear_more() -> None:
    flapping = replace(page("database-down"), kind="flapping", memory=Memory(NOON, times=3, told_at=NOON, flapping=True))
    words = part(message(flapping), "Quiet")
    assert words == "You hear of it again when it gets worse, or has been clear for 60 min."


def test_what_is_told_lower_says_why_and_as_what_it_was_told_before() -> None:
    lowered = Memory(NOON, told_at=NOON, told_as="P3", loud_at=NOON - timedelta(hours=3))
    words = message(replace(page("database-impaired"), memory=lowered))
    assert words.startswith("P3 production: The database is close to its limits\n")
    assert part(words, "Quiet") == "It comes back within 24 hours of 2026-03-02 09:00 UTC, when it was told as a P2."
    assert part(words, "Who") == "L1 on-call engineer, within 4 hours"


def test_an_ordinary_message_does_not_speak_of_quiet() -> None:
    assert "Quiet" not in message(page("database-down"))


def test_the_value_against_the_line() -> None:
    alarms = behind("alb-5xx-rate", 61.5), behind("api-availability", 0.0)
    measured = part(message(page("service-down"), *alarms), "Measured")
    assert measured.splitlines() == [
        "ALB 5XX rate 61.5 %, normal under 0.1 %",
        "API availability 0 %, normal 100 %",
    ]


def test_the_likely_cause_is_what_rollback_found() -> None:
    assert part(message(page("service-down"), outcome=OUTCOME), "Likely cause") == OUTCOME.reason


def test_else_the_dependency_whose_alarm_fires() -> None:
    cause = part(message(page("service-down"), behind("alb-5xx-rate"), behind("rds-connections")), "Likely cause")
    assert cause == ("RDS connections over 180, normal under 100: connections that are not given back, or too many tasks")


def test_else_what_is_mostly_behind_it() -> None:
    assert part(message(page("service-down")), "Likely cause").startswith("a bad release, or")


def test_what_automation_did() -> None:
    words = part(message(page("service-down"), outcome=OUTCOME), "Automation")
    assert words == "rollback requested: The service is going back to backend:1."


def test_what_automation_will_do() -> None:
    assert part(message(page("service-down")), "Automation").startswith("rollback decides whether a release is to blame")


def test_that_it_could_not_be_read_what_automation_did() -> None:
    assert "could not be read (no table)" in part(message(page("service-down"), unread="no table"), "Automation")


def test_the_runbook_section_as_a_link() -> None:
    link = f"{PRODUCTION.docs_url}/runbook.md#34-database-connection-issues"
    assert part(message(page("database-down")), "Runbook") == f"3.4 Database Connection Issues {link}"


@pytest.mark.parametrize("slug", [one.slug for one in PAGES])
def test_the_link_leads_to_a_heading_of_the_runbook(slug: str) -> None:
    number_and_title = part(message(page(slug)), "Runbook").partition(" http")[0]
    assert f"### {number_and_title}\n" in (DOCS / "runbook.md").read_text()


def test_the_runbooks_sections_are_those_of_what_fires_behind_the_page() -> None:
    words = part(
        message(page("service-degraded"), behind("ecs-memory"), behind("unhealthy-hosts"), behind("ecs-cpu")), "Runbook"
    )
    assert [line.partition(" ")[0] for line in words.splitlines()] == ["3.3", "3.2"]


def test_the_runbook_section_without_a_link_where_nobody_can_read_it() -> None:
    settings = NOTIFY.model_copy(update={"runbook_url": ""})
    assert "Runbook\n  3.4 Database Connection Issues\n" in text(page("database-down"), Situation(NOON, [], None), settings)


def test_its_name_is_short_and_the_same_from_its_first_message_to_its_last() -> None:
    opened, closed = message(page("database-down")), message(page("database-down", "close"))
    assert part(opened, "Incident") == part(closed, "Incident") == "2026-03-02-1"


def test_beside_its_name_stands_the_record_of_what_rollback_did() -> None:
    recorded = replace(
        page("service-down"), memory=Memory(NOON, told_at=NOON, incident="an-alarm#a-time", named="2026-03-02-1")
    )
    assert part(message(recorded, outcome=OUTCOME), "Incident").splitlines() == [
        "2026-03-02-1",
        f"rollback's record: an-alarm#a-time in {PRODUCTION.incidents_table}",
    ]


def test_the_last_deployment() -> None:
    assert (
        part(message(page("service-down"), deployment="0002 of commit 77ac0fe"), "Last deployment") == "0002 of commit 77ac0fe"
    )


@pytest.mark.parametrize("slug", [one.slug for one in PAGES])
def test_the_first_command_has_the_environments_names(slug: str) -> None:
    command = part(message(page(slug)), "First command")
    assert command.startswith(("aws ", "curl "))
    assert re.search(r"hz-navigator-production|app\.hz-navigator\.com", command)


def test_the_procedure_that_fits_has_its_inputs_filled_in() -> None:
    assert part(message(page("service-down")), "Procedure") == (
        "aws ssm start-automation-execution --document-name hz-navigator-production-backend-rollback"
        """ --parameters 'DryRun="true",Revision="known-good",Reason="Incident 2026-03-02-1"'"""
    )


@pytest.mark.parametrize("description", descriptions().values(), ids=descriptions().keys())
def test_every_alarm_that_the_runbook_has_says_what_to_paste_first(description: Description) -> None:
    assert description.command.format_map(NOTIFY.model_dump()).startswith(("aws ", "curl "))


def test_the_links_show_the_alarm_and_the_dashboard_and_the_logs_of_that_time() -> None:
    words = message(page("database-down"))
    console = f"https://{PRODUCTION.region}.console.aws.amazon.com/cloudwatch/home?region={PRODUCTION.region}"
    assert part(words, "Alarm") == f"{console}#alarmsV2:alarm/{PRODUCTION.page('database-down')}"
    assert part(words, "Dashboard") == (
        f"{console}#dashboards/dashboard/{PRODUCTION.dashboard}?start=2026-03-02T11:30:00.000Z&end=2026-03-02T12:33:00.000Z"
    )
    logs = part(words, "Logs")
    assert logs.startswith(
        f"{console}#logsV2:logs-insights$3FqueryDetail$3D$257E$2528end$257E$25272026-03-02T12*3a33*3a00.000Z"
    )
    assert PRODUCTION.backend_log_group.replace("/", "*2f") in logs


def test_the_links_of_what_is_over_end_with_it() -> None:
    assert part(message(page("database-down", "close")), "Dashboard").endswith("&end=2026-03-02T12:50:00.000Z")


def test_a_command_silences_the_alarm_for_an_hour() -> None:
    name = PRODUCTION.page("database-down")
    command = part(message(page("database-down")), "Silence it for 60 min")
    assert command.startswith(f"aws cloudwatch put-alarm-mute-rule --name {name} --mute-targets AlarmNames={name} --rule ")
    assert command.endswith('Duration=PT60M}"')


@pytest.mark.parametrize("slug", [one.slug for one in PAGES])
@pytest.mark.parametrize("kind", ["open", "close", "handled"])
def test_no_receiver_gets_more_than_it_takes(slug: str, kind: Kind) -> None:
    """SNS takes 256 KB in all; Slack takes 3000 characters in one block."""
    notification = page(slug, kind)
    notification = replace(notification, memory=replace(notification.memory, incident="x" * 200))
    seen = Situation(NOON, [behind(one.slug) for one in ROWS], OUTCOME, deployment="x" * 200)
    words = text(notification, seen, NOTIFY)
    body = json.dumps({"default": words, "https": for_pagerduty(notification, words)})
    assert len(body.encode()) < 64_000
    assert len(json.loads(for_chat(notification, seen, NOTIFY))["content"]["description"]) <= 3000


def test_who_is_next_on_the_escalation_path() -> None:
    assert part(message(page("database-down")), "Who") == (
        "L1 on-call engineer now; when nobody has acknowledged it within 15 min:"
        " L2 team lead, then L3 engineering manager, then L4 CTO"
    )


@pytest.mark.parametrize("slug", [one.slug for one in PAGES if one.severity in CALLED])
@pytest.mark.parametrize("kind", ["open", "close"])
def test_status_page_texts_are_ready_to_paste(slug: str, kind: Kind) -> None:
    words = message(page(slug, kind))
    titles = ["Status page, investigating", "Status page, identified"] if kind == "open" else ["Status page, resolved"]
    for title in titles:
        assert part(words, title)
    assert not set("[]{}") & set("".join(part(words, title) for title in titles))


def test_the_status_page_says_what_users_see_and_what_is_done() -> None:
    words = message(page("service-down"), outcome=OUTCOME)
    assert part(words, "Status page, investigating").splitlines() == [
        "We are currently investigating issues with the HZ Navigator API.",
        "Some users may experience errors, or no answer at all.",
        "We will provide updates as we learn more.",
    ]
    assert "related to a recent update, which is being undone" in part(words, "Status page, identified")
    assert "A recent update was undone." in message(page("service-down", "close"), outcome=OUTCOME)


@pytest.mark.parametrize("template", [status_page.INVESTIGATING, status_page.IDENTIFIED, status_page.RESOLVED])
def test_the_status_pages_templates_are_the_runbooks(template: str) -> None:
    lines = [line.rstrip() for line in (DOCS / "runbook.md").read_text().splitlines()]
    assert template in "\n".join(lines)


def test_its_end_says_how_long_it_lasted_and_calls_nobody() -> None:
    words = message(page("service-down", "close"))
    assert words.startswith("P1 production: Over: The service fails for its users\n")
    assert part(words, "Since") == "2026-03-02 12:00:00 UTC until 12:20:00 UTC (20 min)"
    assert "\nWho\n" not in words


def test_what_automation_handled_needs_no_status_page() -> None:
    words = message(page("service-down", "handled"), outcome=OUTCOME)
    assert words.startswith("P4 production: Handled without a call: ")
    assert "Status page" not in words


# Of a warning, and of our own failures


def test_a_warning_is_for_working_hours_and_not_for_the_status_page() -> None:
    words = message(Notification("open", alarm(PRODUCTION.alarm("ecs-cpu", "warning")), Memory(NOON, told_at=NOON)))
    assert part(words, "Measured") == "ECS CPU 100 %, normal under 60 %"
    assert part(words, "Who") == "L1 on-call engineer, within 4 hours"
    assert part(words, "Automation") == "nothing is done about a warning"
    assert "Status page" not in words


def test_an_environments_own_lines_are_in_its_messages() -> None:
    own = NOTIFY.model_copy(update={"lines": {"ecs-cpu": {"warning": 72.5}}})
    described = {"AlarmName": PRODUCTION.alarm("ecs-cpu", "warning"), "StateValue": "ALARM", "StateUpdatedTimestamp": NOON}
    assert Alarms(own).alarm(described).description.title == "ECS CPU over 72.5 %, normal under 60 %"


@pytest.mark.parametrize("failure", FAILURES, ids=lambda one: one.slug)
def test_a_failure_of_ours_is_understood(failure: Failure) -> None:
    found = alarm(PRODUCTION.alarm(failure.slug, failure.level))
    assert found.page is None
    assert (found.description.title, found.description.cause) == (failure.title, failure.cause)
    assert (found.description.severity, found.description.section) == (failure.severity, failure.section)


# What is not in the runbook


def test_an_alarm_that_the_runbook_does_not_have_is_taken_seriously_and_quoted() -> None:
    found = alarm(f"{PRODUCTION.prefix}-by-hand", AlarmDescription="Look at this!")
    assert (found.description.severity, found.description.title, found.page) == ("P2", "Look at this!", None)
    words = message(Notification("open", found, Memory(NOON)))
    assert words.startswith("P2 production: Look at this!\n")
    assert "within 1 hour" in part(words, "Who")
    assert part(words, "Runbook").startswith("7.1 Key Metrics to Watch")


def test_an_alarm_without_a_description_is_called_by_its_name() -> None:
    assert alarm("by-hand", AlarmDescription="").description.title == "by-hand"


# What cannot be read


@pytest.mark.parametrize("data", ["{}", "no json", '{"recentDatapoints": []}', '{"recentDatapoints": [null]}'])
def test_without_datapoints_the_reason_is_quoted(data: str) -> None:
    found = alarm(PRODUCTION.alarm("ecs-cpu", "critical"), StateReasonData=data)
    assert found.measured == "ECS CPU over 85 %, normal under 60 %: Threshold Crossed"


def test_an_alarm_is_as_old_as_its_state_and_not_as_its_newest_reason() -> None:
    assert alarm("x", StateTransitionedTimestamp=NOON - timedelta(hours=1)).since == NOON - timedelta(hours=1)


# As each receiver takes it


@pytest.mark.parametrize(("kind", "state"), [("open", "ALARM"), ("close", "OK")])
def test_pagerduty_opens_and_resolves_one_incident_a_page(kind: Kind, state: str) -> None:
    """By the word before the subject's colon, which has to be the message's state, and the alarm's name."""
    notification = page("service-down", kind)
    body = json.loads(for_pagerduty(notification, "the words"))
    assert (body["AlarmName"], body["NewStateValue"]) == (PRODUCTION.page("service-down"), state)
    assert body["NewStateReason"] == "the words"
    assert subject(notification, NOTIFY).startswith(f"{state}: P1 production: ")


def test_a_subject_is_one_short_line_of_ascii() -> None:
    long = alarm(f"{PRODUCTION.prefix}-by-hand", AlarmDescription="\u00dcberlast " * 30)
    words = subject(Notification("open", long, Memory(NOON)), NOTIFY)
    assert len(words) == 100
    assert words.isascii()


def test_the_chat_gets_a_custom_notification_in_one_thread_an_incident() -> None:
    seen = Situation(NOON, [], None)
    opened, closed = (
        json.loads(for_chat(notification, seen, NOTIFY))
        for notification in (page("service-down"), page("service-down", "close"))
    )
    assert (opened["version"], opened["source"]) == ("1.0", "custom")
    assert opened["content"]["textType"] == "client-markdown"
    assert opened["content"]["title"] == "P1 production: The service fails for its users"
    assert "*Runbook*: 3.1 High Error Rate (5XX)" in opened["content"]["description"]
    assert opened["metadata"]["threadId"] == closed["metadata"]["threadId"]


# What others wrote must not break a message, nor look like a part of it

HOSTILE = {
    "newlines": "a\n\nRunbook\n  https://elsewhere\r\nWho\n  nobody",
    "other newlines": "a\x0b\x0cRunbook\x1c\x85Who\u2028Since\u2029",
    "control characters": "".join(map(chr, range(32))) + "\x7f\x9b\x1b[2J",
    "writing from the right": "\u202egnihton\u2066\u200f",
    "half a character": "\ud83d and \udc00",
    "huge": "x" * 400_000,
    "huge, of four bytes": "\U0001f525" * 100_000,
    "huge, of quotes": '"\\\\' * 100_000,
    "huge, of lines": "\n" * 100_000,
    "for a shell": "'; curl elsewhere | sh; $(id) `id`",
    "for a format": "{environment.__class__} %s {0}",
}
TITLES = {
    "Incident", "Since", "Measured", "No data", "Likely cause", "Automation", "Last deployment", "First command", "Procedure", "Runbook",
    "Alarm", "Logs", "Dashboard", "Who", "Silence it for 60 min", "Status page, investigating", "Status page, identified",
}  # fmt: skip


@pytest.mark.parametrize("words", HOSTILE.values(), ids=HOSTILE)
@pytest.mark.parametrize("name", [PRODUCTION.page("service-down"), "an alarm of others; $(id)"])
def test_whatever_others_wrote_a_message_fits_and_has_only_its_own_parts(words: str, name: str) -> None:
    found = alarm(name, AlarmDescription=words, StateReason=words, StateReasonData=words)
    one = Notification("open", found, Memory(NOON, told_at=NOON, incident=words[:300]))
    outcome = replace(OUTCOME, reason=words, done=words)
    situation = Situation(NOON, [found], outcome, "", words)
    said = text(one, situation, NOTIFY)
    first, *lines = [line for line in said.splitlines() if line]
    assert {line for line in lines if not line.startswith(" ")} <= TITLES
    assert first.startswith("P")
    assert len(subject(one, NOTIFY)) <= 100
    assert subject(one, NOTIFY).isprintable()
    whole = json.dumps({"default": said, "https": for_pagerduty(one, said)}, ensure_ascii=False)
    assert len(whole.encode()) <= 262_144
    chat = json.loads(for_chat(one, situation, NOTIFY))["content"]
    assert len(chat["description"]) <= 3000
    assert len(chat["title"]) <= 200
    assert "*Automation*" in chat["description"]


def test_a_name_of_others_is_quoted_in_the_command_that_silences_it() -> None:
    found = page("service-down")
    found = replace(found, alarm=replace(found.alarm, name="a name; $(id)"))
    assert "--name 'a name; $(id)' --mute-targets AlarmNames='a name; $(id)'" in message(found)


@pytest.mark.parametrize(
    "data",
    [
        '{"recentDatapoints": ["a"]}', '{"recentDatapoints": [NaN]}', '{"recentDatapoints": [1e999]}',
        '{"recentDatapoints": [' + "9" * 400 + "]}", '{"recentDatapoints": [[]]}', '{"recentDatapoints": {}}', "[" * 100_000, "7",
    ],
)  # fmt: skip
def test_a_value_that_is_none_is_not_shown_as_one(data: str) -> None:
    found = alarm(PRODUCTION.alarm("rds-cpu", "critical"), StateReasonData=data)
    assert found.measured.endswith(": Threshold Crossed")


@pytest.mark.parametrize("year", [1, 1970, 9999])
def test_a_state_from_the_ends_of_time_has_a_message(year: int) -> None:
    since = datetime(year, 1, 1, tzinfo=timezone(timedelta(hours=14)))
    found = alarm(PRODUCTION.page("service-down"), StateTransitionedTimestamp=since).by(NOON)
    said = text(Notification("open", found, Memory(found.since)), Situation(NOON, [], None), NOTIFY)
    assert said.startswith("P1 production: The service fails for its users")
    assert found.since <= NOON


# The diagnosis, where it is there before the call

DIAGNOSED = Diagnosed(
    id="finding",
    at=NOON + timedelta(minutes=1),
    findings=(
        Finding(
            hypothesis="database",
            title="the database",
            for_it=(Statement(how="measured", text="database postgres is stopped"),),
            section="3.4",
            command="aws rds describe-events",
        ),
    ),
    changed=("11:55:00 UTC UpdateService on the service, by ada",),
)


def diagnosed_by(*events: Diagnosed) -> str:
    """A page whose incident has these diagnoses."""
    situation = Situation(NOON, (), None, incident=Incident.of("2026-03-02-1", events))
    return text(page("service-down"), situation, NOTIFY)


def test_a_diagnosis_that_is_there_before_the_call_is_on_the_page() -> None:
    assert part(diagnosed_by(DIAGNOSED), "Diagnosis").splitlines() == [
        "Most likely the database",
        "database postgres is stopped (measured)",
        "Changed last: 11:55:00 UTC UpdateService on the service, by ada",
        "First command: aws rds describe-events",
    ]


def test_a_diagnosis_of_before_the_alarm_is_not() -> None:
    assert "Diagnosis" not in diagnosed_by(replace(DIAGNOSED, at=NOON - timedelta(minutes=5)))
