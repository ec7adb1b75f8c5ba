"""`notify` on an AWS of its own: what it reads, whom it tells, and what happens when a part of that fails."""

import json
from datetime import timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from botocore.exceptions import ClientError

from lambdas.notify import handler
from runbook.pages import PAGES
from runbook.rows import (
    Level,
    description,  # TODO gone
)

from .test_rollback import bad_release
from .world import ENVIRONMENT, NOTIFY_VARIABLES, World, refusal

P1, P2, P3, P4 = (ENVIRONMENT.on_call_topic(severity) for severity in ("P1", "P2", "P3", "P4"))
DOWN, DATABASE = ENVIRONMENT.page("service-down"), ENVIRONMENT.page("database-down")
IMPAIRED = ENVIRONMENT.page("database-impaired")
OPENED = "ALARM: P1 production: The service fails for its users"


@pytest.fixture(autouse=True)
def _watched(aws: World) -> None:
    """The alarms of the tests below, OK since yesterday."""
    for page in PAGES:
        words = description(page.title, page.cause, page.severity, page.section)
        aws.watch(ENVIRONMENT.page(page.slug), words)
    rows: tuple[tuple[str, Level], ...] = (
        ("redis-memory", "warning"),
        ("alb-5xx-rate", "critical"),
        ("frontend-availability", "critical"),
    )
    for slug, level in rows:
        row = ENVIRONMENT.row(slug)
        words = description(f"{row.title} past its line", row.cause, row.severity[row.at(level)], row.section)
        aws.watch(ENVIRONMENT.alarm(slug, level), words, told=level == "warning")
    aws.watch(ENVIRONMENT.maintenance_alarm, "Set by hand", told=False)
    aws.wait(days=1)


def sent(aws: World, topic: str) -> list[Any]:
    """The messages of a topic, as they were published."""
    return [json.loads(message.partition("\n")[2]) for message in aws.messages(topic)]


# Whom it tells


def test_a_page_reaches_the_topic_of_its_severity_and_the_chat_once(aws: World) -> None:
    aws.set_alarm(DATABASE, "ALARM")
    aws.looks(8)
    assert aws.told(P1) == ["ALARM: P1 production: The application has no database"]
    assert len(aws.messages(ENVIRONMENT.chat_topic)) == 1
    assert [aws.told(topic) for topic in (P2, P3, P4)] == [[], [], []]


def test_a_lesser_page_and_a_warning_reach_theirs(aws: World) -> None:
    aws.set_alarm(ENVIRONMENT.alarm("redis-memory", "warning"), "ALARM")
    aws.looks(1)
    aws.set_alarm(IMPAIRED, "ALARM")
    aws.looks(3)
    assert (len(aws.told(P2)), len(aws.told(P3))) == (1, 1)
    assert aws.told(P1) == []


def test_its_end_reaches_the_same_topic(aws: World) -> None:
    aws.set_alarm(DATABASE, "ALARM")
    aws.looks(3)
    aws.set_alarm(DATABASE, "OK")
    aws.looks(11)
    assert [subject.partition(":")[0] for subject in aws.told(P1)] == ["ALARM", "OK"]


def test_mail_gets_words_and_pagerduty_what_it_can_read(aws: World) -> None:
    aws.set_alarm(DATABASE, "ALARM")
    aws.looks(3)
    (message,) = sent(aws, P1)
    assert message["default"].startswith("P1 production: The application has no database")
    assert json.loads(message["https"])["AlarmName"] == DATABASE


def test_a_quiet_minute_writes_nothing(aws: World) -> None:
    aws.notify()
    assert {call.name for call in aws.calls} == {"cloudwatch:DescribeAlarms", "dynamodb:GetItem"}


def test_a_cold_start_remembers_what_was_told(aws: World) -> None:
    aws.set_alarm(DATABASE, "ALARM")
    aws.looks(3)
    aws._notify = None
    aws.looks(3)
    assert len(aws.told(P1)) == 1


# What else it reads


def test_the_message_says_what_rollback_did(aws: World) -> None:
    bad_release(aws)
    aws.alarm()
    aws.set_alarm(DOWN, "ALARM")
    aws.looks(12)  # past the wait for the rollback's own deployment, which does not end here
    (message,) = sent(aws, P1)
    assert "rollback requested: The service is going back to" in message["default"]
    assert "known good" in message["default"]


def test_what_rollback_mended_is_told_without_a_call_and_with_what_it_did(aws: World) -> None:
    bad_release(aws)
    aws.set_alarm(DOWN, "ALARM")
    aws.alarm()
    aws.looks(3)
    aws.ecs.settle()
    aws.set_alarm(DOWN, "OK")
    aws.ok()
    aws.looks(11)
    assert aws.told(P1) == []
    assert aws.told(P4) == ["OK: P4 production: Handled without a call: The service fails for its users"]
    (message,) = sent(aws, P4)
    assert "The service is going back to" in message["default"]


def test_a_deployment_that_ended_just_now_still_counts(aws: World) -> None:
    aws.begin_release()
    aws.set_alarm(DOWN, "ALARM")
    aws.looks(3)
    aws.ecs.settle()
    aws.looks(2)
    assert aws.told(P1) == []
    aws.looks(1)
    assert aws.told(P1) == [OPENED]


def test_the_value_behind_a_page_is_that_of_its_own_rows(aws: World) -> None:
    for slug, value in (("alb-5xx-rate", 61.5), ("frontend-availability", 3.0)):
        aws.set_alarm(ENVIRONMENT.alarm(slug, "critical"), "ALARM", json.dumps({"recentDatapoints": [value]}))
    aws.set_alarm(DOWN, "ALARM")
    aws.looks(3)
    (message,) = sent(aws, P1)
    assert "ALB 5XX rate past its line: 61.5" in message["default"]
    assert "Frontend availability" not in message["default"]


# Maintenance


def test_in_maintenance_nobody_is_told(aws: World) -> None:
    aws.set_alarm(ENVIRONMENT.maintenance_alarm, "ALARM")
    aws.set_alarm(DATABASE, "ALARM")
    aws.looks(10)
    assert aws.told(P1) == []


def test_maintenance_ends_early_when_it_is_set_ok(aws: World) -> None:
    aws.set_alarm(ENVIRONMENT.maintenance_alarm, "ALARM")
    aws.set_alarm(DATABASE, "ALARM")
    aws.looks(5)
    aws.set_alarm(ENVIRONMENT.maintenance_alarm, "OK")
    aws.looks(1)
    assert len(aws.told(P1)) == 1


def test_maintenance_that_nobody_ended_ends_by_itself(aws: World) -> None:
    aws.set_alarm(ENVIRONMENT.maintenance_alarm, "ALARM")
    aws.set_alarm(DATABASE, "ALARM")
    aws.wait(minutes=119)
    aws.notify()
    assert aws.told(P1) == []
    aws.looks(1)
    assert [call.parameters["AlarmName"] for call in aws.calls if call.operation == "SetAlarmState"] == [
        ENVIRONMENT.maintenance_alarm
    ]
    assert len(aws.told(P1)) == 1


# What goes wrong


def test_a_notification_that_could_not_be_sent_is_an_error_and_sent_a_minute_later(aws: World) -> None:
    aws.set_alarm(DATABASE, "ALARM")
    aws.looks(1)
    aws.wait(minutes=1)
    aws.refusals["sns:Publish"] = refusal("KMSAccessDenied")
    with pytest.raises(ClientError):
        aws.notify()
    aws.refusals.clear()
    aws.looks(2)
    assert len(aws.told(P1)) == 1


def test_what_rollback_did_may_be_unreadable_and_people_are_told_all_the_same(
    aws: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unreadable(_: object) -> str:
        raise refusal("ProvisionedThroughputExceededException")

    aws.set_alarm(DOWN, "ALARM")
    aws.looks(1)
    monkeypatch.setattr("common.incidents.Incidents.open_incident", unreadable)
    aws.looks(2)
    (message,) = sent(aws, P1)
    assert "What rollback did could not be read" in message["default"]


def test_whether_a_deployment_is_under_way_may_be_unreadable_and_people_are_told_all_the_same(aws: World) -> None:
    aws.begin_release()
    aws.refusals["ecs:ListServiceDeployments"] = refusal("AccessDeniedException")
    aws.set_alarm(DOWN, "ALARM")
    aws.looks(3)
    assert aws.told(P1) == [OPENED]


@pytest.mark.parametrize("operation", ["cloudwatch:DescribeAlarms", "dynamodb:GetItem", "dynamodb:PutItem"])
def test_without_the_alarms_or_its_memory_it_fails_and_its_own_alarm_fires(aws: World, operation: str) -> None:
    aws.set_alarm(DATABASE, "ALARM")
    aws.refusals[operation] = refusal("AccessDeniedException")
    with pytest.raises(ClientError):
        aws.looks(3)


# What wakes it up


@pytest.fixture
def awake(aws: World, monkeypatch: pytest.MonkeyPatch) -> World:
    """The function as Lambda calls it."""
    for name, value in NOTIFY_VARIABLES.items():
        monkeypatch.setenv(name, value)
    handler._function.cache_clear()
    aws.set_alarm(DATABASE, "ALARM")
    aws.wait(minutes=2)
    monkeypatch.setattr(handler, "time", SimpleNamespace(time=aws.now.timestamp))
    return aws


@pytest.mark.parametrize("shape", ["schedule", "topic", "nonsense", "nothing"])
def test_whatever_wakes_it_up_it_looks_at_the_alarms(awake: World, shape: str) -> None:
    stamp = f"{awake.now - timedelta(seconds=1):%Y-%m-%dT%H:%M:%S.000Z}"
    event: Any = {
        "schedule": {"source": "aws.events", "time": stamp},
        "topic": {"Records": [{"Sns": {"Timestamp": stamp, "Message": "{}"}}]},
        "nonsense": {"not": ["an", "event"]},
        "nothing": None,
    }[shape]
    awake.wait(seconds=1)
    assert handler.handle(event, None) == {"open": [DATABASE]}
    handler._function.cache_clear()


def test_an_event_that_comes_late_takes_nothing_back(awake: World) -> None:
    handler.handle({"time": f"{awake.now:%Y-%m-%dT%H:%M:%SZ}"}, None)
    assert handler.handle({"time": f"{awake.now - timedelta(minutes=30):%Y-%m-%dT%H:%M:%SZ}"}, None) == {}
    assert len(awake.told(P1)) == 1
    handler._function.cache_clear()
