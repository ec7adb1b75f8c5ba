"""`notify` on an AWS of its own: what it reads, whom it tells, and what happens when a part of that fails."""

import json
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError

from lambdas.common.record.events import Diagnosed, Finding
from lambdas.notify import handler
from runbook.pages import PAGES
from tests.environments import PRODUCTION

from ..world import NOTIFY, World, bad_release, client, records, refusal, session

P1, P2, P3, P4 = (PRODUCTION.on_call_topic(severity) for severity in ("P1", "P2", "P3", "P4"))
DOWN, DATABASE = PRODUCTION.page("service-down"), PRODUCTION.page("database-down")
IMPAIRED = PRODUCTION.page("database-impaired")
OPENED = "ALARM: P1 production: The service fails for its users"


@pytest.fixture(autouse=True)
def _watched(aws: World) -> None:
    """The alarms of the tests below, OK since yesterday."""
    for page in PAGES:
        aws.watch(PRODUCTION.page(page.slug))
    aws.watch(PRODUCTION.alarm("redis-memory", "warning"))
    aws.watch(PRODUCTION.alarm("alb-5xx-rate", "critical"), notifies=False)
    aws.watch(PRODUCTION.alarm("frontend-availability", "critical"), notifies=False)
    aws.watch(PRODUCTION.maintenance_alarm, notifies=False)
    aws.watch(PRODUCTION.not_armed_alarm)
    aws.wait(days=1)


def sent(aws: World, topic: str) -> list[Any]:
    """The messages of a topic, as they were published."""
    return [json.loads(message.partition("\n")[2]) for message in aws.messages(topic)]


# Whom it tells


def test_a_page_reaches_the_topic_of_its_severity_and_the_chat_once(aws: World) -> None:
    aws.set_alarm(DATABASE, "ALARM")
    aws.looks(8)
    assert aws.subjects(P1) == ["ALARM: P1 production: The application has no database"]
    assert len(aws.messages(PRODUCTION.chat_topic)) == 1
    assert [aws.subjects(topic) for topic in (P2, P3, P4)] == [[], [], []]


def test_a_lesser_page_and_a_warning_reach_theirs(aws: World) -> None:
    aws.set_alarm(PRODUCTION.alarm("redis-memory", "warning"), "ALARM")
    aws.looks(1)
    aws.set_alarm(IMPAIRED, "ALARM")
    aws.looks(3)
    assert (len(aws.subjects(P2)), len(aws.subjects(P3))) == (1, 1)
    assert aws.subjects(P1) == []


def test_its_end_reaches_the_same_topic(aws: World) -> None:
    aws.set_alarm(DATABASE, "ALARM")
    aws.looks(3)
    aws.set_alarm(DATABASE, "OK")
    aws.looks(11)
    assert [subject.partition(":")[0] for subject in aws.subjects(P1)] == ["ALARM", "OK"]


def test_mail_gets_words_and_pagerduty_what_it_can_read(aws: World) -> None:
    aws.set_alarm(DATABASE, "ALARM")
    aws.looks(3)
    (message,) = sent(aws, P1)
    assert message["default"].startswith("P1 production: The application has no database")
    assert json.loads(message["https"])["AlarmName"] == DATABASE


def test_a_quiet_minute_writes_nothing(aws: World) -> None:
    aws.notify()
    assert {call.name for call in aws.calls} == {"cloudwatch:DescribeAlarms", "dynamodb:GetItem", "dynamodb:Query"}


def test_a_cold_start_remembers_what_was_told(aws: World) -> None:
    aws.set_alarm(DATABASE, "ALARM")
    aws.looks(3)
    aws.cold()
    aws.looks(3)
    assert len(aws.subjects(P1)) == 1


# What else it reads


def test_the_message_says_what_rollback_did(aws: World) -> None:
    bad_release(aws)
    aws.alarm()
    aws.set_alarm(DOWN, "ALARM")
    aws.looks(12)  # past the wait for the rollback's own deployment, which does not end here
    (message,) = sent(aws, P1)
    assert "rollback requested: The service is going back to" in message["default"]
    assert "known good" in message["default"]


def test_what_rollback_repaired_is_told_without_a_call_and_with_what_it_did(aws: World) -> None:
    bad_release(aws)
    aws.set_alarm(DOWN, "ALARM")
    aws.alarm()
    aws.looks(3)
    aws.ecs.settle()
    aws.set_alarm(DOWN, "OK")
    aws.ok()
    aws.looks(11)
    assert aws.subjects(P1) == []
    assert aws.subjects(P4) == ["OK: P4 production: Handled without a call: The service fails for its users"]
    (message,) = sent(aws, P4)
    assert "The service is going back to" in message["default"]


def last_deployment(aws: World) -> str:
    """What the message of a page says of it; of one that waits for no deployment."""
    aws.set_alarm(PRODUCTION.page("frontend-down"), "ALARM")
    aws.looks(1)
    (message,) = sent(aws, P1)
    return str(message["default"].partition("Last deployment\n  ")[2].partition("\n")[0])


def test_the_message_says_which_commit_was_deployed_last_and_when(aws: World) -> None:
    aws.release()
    aws.wait(minutes=5)
    ended = f"{aws.now - timedelta(minutes=5):%Y-%m-%d %H:%M:%S}"
    assert last_deployment(aws) == f"0003 of commit release-3: successful, ended {ended} UTC (6 min ago)"


def test_the_newest_deployment_is_found_on_whatever_page_ecs_has_it(aws: World) -> None:
    aws.ecs.page = 1
    aws.release()
    aws.wait(hours=5)
    assert last_deployment(aws).startswith("0003 of commit release-3: successful")
    assert last_deployment(aws).endswith("(5 hours ago)")


def test_a_deployment_under_way_is_said_to_be(aws: World) -> None:
    aws.begin_release()
    aws.wait(minutes=30)
    assert last_deployment(aws).startswith("0003 of commit release-3: in progress, began ")


def test_without_any_deployment_it_says_so(aws: World) -> None:
    aws.ecs.rollout.deployments.clear()
    assert last_deployment(aws) == "none is known"


@pytest.mark.parametrize("operation", ["ecs:ListServiceDeployments", "ecs:DescribeServiceRevisions"])
def test_that_the_last_deployment_could_not_be_read_is_said_and_holds_nothing_up(aws: World, operation: str) -> None:
    aws.refusals[operation] = refusal("AccessDeniedException")
    assert last_deployment(aws).startswith("could not be read (An error occurred (AccessDeniedException)")


def test_a_deployment_that_ended_just_now_still_counts(aws: World) -> None:
    aws.begin_release()
    aws.set_alarm(DOWN, "ALARM")
    aws.looks(1)
    aws.ecs.settle()
    aws.looks(2)
    assert aws.subjects(P1) == []
    aws.looks(1)
    assert aws.subjects(P1) == [OPENED]


def during_a_release(aws: World) -> None:
    """A release is under way, and then the service fails; `rollback` is invoked, and so is `notify`, each minute."""
    aws.begin_release()
    aws.wait(minutes=4)
    for name in (DOWN, DATABASE):
        aws.set_alarm(name, "ALARM")
    aws.alarm()


def test_a_database_outage_during_a_release_waits_for_no_deployment(aws: World) -> None:
    aws.database("failed")
    during_a_release(aws)
    aws.looks(1)
    assert "ALARM: P1 production: The application has no database" in aws.subjects(P1)


def test_what_rollback_has_escalated_waits_for_no_deployment(aws: World) -> None:
    aws.refusals["rds:DescribeDBInstances"] = refusal("AccessDeniedException")
    during_a_release(aws)
    assert aws.escalations
    aws.looks(1)
    assert OPENED in aws.subjects(P1)


def test_what_rollback_handles_waits_for_its_deployment(aws: World) -> None:
    during_a_release(aws)
    aws.looks(4)
    assert aws.subjects(P1) == []


def test_an_old_escalation_says_nothing_about_a_new_deployment(aws: World) -> None:
    aws.database("failed")
    aws.alarm()
    aws.database("available")
    aws.wait(hours=2)
    aws.begin_release()
    aws.set_alarm(DOWN, "ALARM")
    aws.looks(3)
    assert aws.subjects(P1) == []


def test_the_value_behind_a_page_is_that_of_its_own_rows(aws: World) -> None:
    for slug, value in (("alb-5xx-rate", 61.5), ("frontend-availability", 3.0)):
        aws.set_alarm(PRODUCTION.alarm(slug, "critical"), "ALARM", json.dumps({"recentDatapoints": [value]}))
    aws.set_alarm(DOWN, "ALARM")
    aws.looks(3)
    (message,) = sent(aws, P1)
    assert "ALB 5XX rate 61.5 %, normal under 0.1 %" in message["default"]
    assert "Frontend availability" not in message["default"]


# Maintenance


def test_in_maintenance_nobody_is_told(aws: World) -> None:
    aws.set_alarm(PRODUCTION.maintenance_alarm, "ALARM")
    aws.set_alarm(DATABASE, "ALARM")
    aws.looks(10)
    assert aws.subjects(P1) == []


def test_maintenance_ends_early_when_it_is_set_ok(aws: World) -> None:
    aws.set_alarm(PRODUCTION.maintenance_alarm, "ALARM")
    aws.set_alarm(DATABASE, "ALARM")
    aws.looks(5)
    aws.set_alarm(PRODUCTION.maintenance_alarm, "OK")
    aws.looks(1)
    assert len(aws.subjects(P1)) == 1


def test_maintenance_that_nobody_ended_ends_by_itself(aws: World) -> None:
    aws.set_alarm(PRODUCTION.maintenance_alarm, "ALARM")
    aws.set_alarm(DATABASE, "ALARM")
    aws.wait(minutes=119)
    aws.notify()
    assert aws.subjects(P1) == []
    aws.looks(1)
    assert [call.parameters["AlarmName"] for call in aws.calls if call.operation == "SetAlarmState"] == [
        PRODUCTION.maintenance_alarm
    ]
    assert len(aws.subjects(P1)) == 1


# Before the first release is healthy

UNARMED = PRODUCTION.not_armed_alarm
MEASURED = [PRODUCTION.alarm(slug, "warning") for slug in ("api-availability", "frontend-availability")]


@pytest.fixture
def _new(aws: World) -> None:
    """The alarms as CloudWatch has made them: monitoring is not armed, and nothing is measured yet."""
    for name in MEASURED:
        aws.watch(name)
        aws.set_alarm(name, "ALARM")
    aws.set_alarm(UNARMED, "ALARM")


def healthy(aws: World) -> None:
    for name in MEASURED:
        aws.set_alarm(name, "OK")


def armed_by(aws: World) -> list[str]:
    """The alarms whose state the last look has set."""
    return [call.parameters["AlarmName"] for call in aws.calls if call.name == "cloudwatch:SetAlarmState"]


@pytest.mark.usefixtures("_new")
def test_before_it_is_armed_nobody_is_told_of_anything(aws: World) -> None:
    aws.set_alarm(DATABASE, "ALARM")
    aws.set_alarm(PRODUCTION.alarm("redis-memory", "warning"), "ALARM")
    aws.looks(30)
    assert [aws.messages(topic) for topic in (P1, P2, P3, P4, PRODUCTION.chat_topic)] == [[], [], [], [], []]


@pytest.mark.usefixtures("_new")
def test_what_it_would_have_told_and_what_it_waits_for_is_logged(aws: World, caplog: pytest.LogCaptureFixture) -> None:
    aws.set_alarm(DATABASE, "ALARM")
    aws.looks(1)
    line = vars(caplog.records[-1])
    assert line["waits_for"] == [
        "api-availability-warning is not OK yet",
        "frontend-availability-warning is not OK yet",
        "database-down fires",
    ]
    assert DATABASE in line["firing"]


@pytest.mark.usefixtures("_new")
def test_it_arms_itself_when_the_first_release_is_healthy_and_then_calls(aws: World) -> None:
    healthy(aws)
    aws.looks(1)
    assert armed_by(aws) == [UNARMED]
    aws.set_alarm(DATABASE, "ALARM")
    aws.looks(1)
    assert aws.subjects(P1) == ["ALARM: P1 production: The application has no database"]


@pytest.mark.usefixtures("_new")
@pytest.mark.parametrize("name", [*MEASURED, PRODUCTION.alarm("alb-5xx-rate", "critical"), DOWN])
def test_it_does_not_arm_itself_while_something_is_not_healthy(aws: World, name: str) -> None:
    healthy(aws)
    aws.set_alarm(name, "ALARM")
    aws.looks(3)
    assert armed_by(aws) == []


@pytest.mark.usefixtures("_new")
def test_an_alarm_without_data_yet_is_not_ok(aws: World) -> None:
    healthy(aws)
    aws.set_alarm(MEASURED[1], "INSUFFICIENT_DATA")
    aws.looks(3)
    assert armed_by(aws) == []


@pytest.mark.usefixtures("_new")
def test_it_does_not_arm_itself_before_a_deployment_has_ended_well(aws: World) -> None:
    healthy(aws)
    aws.ecs.rollout.deployments.clear()
    aws.looks(3)
    assert armed_by(aws) == []
    aws.release()
    aws.looks(1)
    assert armed_by(aws) == [UNARMED]


@pytest.mark.usefixtures("_new")
@pytest.mark.parametrize("code", ["ClusterNotFoundException", "ServiceNotFoundException", "AccessDeniedException"])
def test_before_there_is_a_service_it_waits_and_does_not_fail(aws: World, code: str) -> None:
    healthy(aws)
    aws.refusals["ecs:ListServiceDeployments"] = refusal(code)
    aws.looks(3)
    assert armed_by(aws) == []


@pytest.mark.usefixtures("_new")
def test_what_was_armed_once_is_armed_again_at_once_whatever_fires(aws: World) -> None:
    """A deployment that updates the alarm has CloudWatch set it to its rule: during an incident nothing may be muted."""
    healthy(aws)
    aws.looks(1)
    aws.set_alarm(DATABASE, "ALARM")
    for name in (*MEASURED, PRODUCTION.alarm("alb-5xx-rate", "critical"), UNARMED):
        aws.set_alarm(name, "ALARM")
    aws.cold()
    aws.looks(1)
    assert armed_by(aws) == [UNARMED]
    assert len(aws.subjects(P1)) == 1


def test_before_its_alarm_is_made_nobody_is_told_of_anything(aws: World) -> None:
    """CloudFormation makes alarms in any order."""
    client("cloudwatch").delete_alarms(AlarmNames=[UNARMED])
    aws.set_alarm(DATABASE, "ALARM")
    aws.looks(3)
    assert aws.subjects(P1) == []


@pytest.mark.usefixtures("_new")
def test_once_it_was_armed_a_deleted_alarm_mutes_nothing(aws: World) -> None:
    healthy(aws)
    aws.looks(1)
    client("cloudwatch").delete_alarms(AlarmNames=[UNARMED])
    aws.set_alarm(DATABASE, "ALARM")
    aws.looks(1)
    assert len(aws.subjects(P1)) == 1


@pytest.mark.usefixtures("_new")
def test_its_alarm_as_it_is_made_says_nothing_yet(aws: World) -> None:
    """ "When this operation creates an alarm, the alarm state is immediately set to INSUFFICIENT_DATA"."""
    aws.set_alarm(UNARMED, "INSUFFICIENT_DATA")
    aws.set_alarm(DATABASE, "ALARM")
    aws.looks(1)
    assert aws.subjects(P1) == []


@pytest.mark.usefixtures("_new")
@pytest.mark.parametrize("operation", ["dynamodb:PutItem", "cloudwatch:SetAlarmState"])
def test_arming_that_fails_half_way_is_taken_up_a_minute_later(aws: World, operation: str) -> None:
    healthy(aws)
    aws.refusals[operation] = refusal("InternalServiceError")
    with pytest.raises(ClientError):
        aws.looks(1)
    aws.refusals.clear()
    aws.looks(1)
    assert armed_by(aws) == [UNARMED]


@pytest.mark.usefixtures("_new")
def test_people_are_told_once_what_it_waits_for_after_a_day_and_that_it_is_over(aws: World) -> None:
    aws.set_alarm(DATABASE, "ALARM")
    aws.wait(hours=23, minutes=58)
    aws.looks(1)
    assert aws.subjects(P3) == []
    aws.looks(5)
    assert aws.subjects(P3) == ["ALARM: P3 production: Monitoring is not armed: nobody is told of any alarm"]
    (message,) = sent(aws, P3)
    assert "api-availability-warning is not OK yet" in message["default"]
    assert "monitoring arms itself as soon as the first release is healthy" in message["default"]
    assert aws.subjects(P1) == []
    healthy(aws)
    aws.set_alarm(DATABASE, "OK")
    aws.looks(1)
    aws.set_alarm(UNARMED, "OK")
    aws.looks(11)
    assert [subject.partition(":")[0] for subject in aws.subjects(P3)] == ["ALARM", "OK"]


# Silenced by a person


def test_a_muted_page_calls_nobody_and_the_others_do(aws: World) -> None:
    aws.muted.add(DATABASE)
    aws.set_alarm(DATABASE, "ALARM")
    aws.set_alarm(PRODUCTION.page("frontend-down"), "ALARM")
    aws.looks(12)
    assert aws.subjects(P1) == ["ALARM: P1 production: The frontend does not load"]


def test_what_still_fires_when_the_mute_ends_is_told_then(aws: World) -> None:
    aws.muted.add(DATABASE)
    aws.set_alarm(DATABASE, "ALARM")
    aws.looks(30)
    aws.muted.clear()
    aws.looks(3)
    assert len(aws.subjects(P1)) == 1


def test_the_end_of_what_people_were_told_reaches_them_muted_or_not(aws: World) -> None:
    aws.set_alarm(DATABASE, "ALARM")
    aws.looks(1)
    aws.muted.add(DATABASE)
    aws.set_alarm(DATABASE, "OK")
    aws.looks(11)
    assert [subject.partition(":")[0] for subject in aws.subjects(P1)] == ["ALARM", "OK"]


def test_a_muted_alarm_that_flaps_is_said_to_flap_when_the_mute_ends(aws: World) -> None:
    aws.muted.add(DATABASE)
    for state in ("ALARM", "OK", "ALARM", "OK", "ALARM"):
        aws.set_alarm(DATABASE, state)
        aws.looks(2)
    assert aws.subjects(P1) == []
    aws.muted.clear()
    aws.looks(2)
    assert aws.subjects(P1) == ["ALARM: P1 production: Comes and goes: The application has no database"]


def test_whether_it_is_muted_may_be_unreadable_and_people_are_told_all_the_same(aws: World) -> None:
    aws.muted.add(DATABASE)
    aws.refusals["cloudwatch:ListAlarmMuteRules"] = refusal("AccessDeniedException")
    aws.set_alarm(DATABASE, "ALARM")
    aws.looks(1)
    assert len(aws.subjects(P1)) == 1


# The post-mortem


def post_mortems(aws: World) -> list[Any]:
    """The events with which the function `postmortem` was invoked."""
    return [event for name, event in aws.invoked if name == PRODUCTION.function("postmortem")]


def test_it_is_asked_for_once_when_the_incident_closes(aws: World) -> None:
    aws.set_alarm(DATABASE, "ALARM")
    aws.looks(2)
    aws.set_alarm(DATABASE, "OK")
    aws.looks(9)
    assert post_mortems(aws) == []
    aws.looks(5)
    (entry,) = records().entries()
    assert post_mortems(aws) == [{"incident": entry.name}]


def test_a_run_that_dies_before_the_end_is_entered_asks_again(aws: World) -> None:
    aws.set_alarm(DATABASE, "ALARM")
    aws.looks(2)
    aws.set_alarm(DATABASE, "OK")
    aws.looks(9)
    aws.wait(minutes=1)
    aws.refusals["dynamodb:UpdateItem"] = refusal("InternalServerError")
    with pytest.raises(ClientError):
        aws.notify()
    aws.refusals.clear()
    aws.looks(5)
    assert len(post_mortems(aws)) == 2


def test_that_it_cannot_be_asked_for_is_an_error_and_the_incident_closes(aws: World) -> None:
    aws.set_alarm(DATABASE, "ALARM")
    aws.looks(2)
    aws.set_alarm(DATABASE, "OK")
    aws.looks(9)
    aws.wait(minutes=1)
    aws.refusals["lambda:Invoke"] = refusal("TooManyRequestsException")
    with pytest.raises(ClientError):
        aws.notify()
    (entry,) = records().entries()
    assert entry.closed
    aws.looks(5)  # no further error


# What goes wrong


def test_a_notification_that_could_not_be_sent_is_an_error_and_sent_a_minute_later(aws: World) -> None:
    aws.set_alarm(DATABASE, "ALARM")
    aws.wait(minutes=1)
    aws.refusals["sns:Publish"] = refusal("KMSAccessDenied")
    with pytest.raises(ClientError):
        aws.notify()
    aws.refusals.clear()
    aws.looks(2)
    assert len(aws.subjects(P1)) == 1


def test_what_rollback_did_may_be_unreadable_and_people_are_told_all_the_same(aws: World) -> None:
    def unreadable() -> None:
        aws.refusals["dynamodb:GetItem"] = refusal("ProvisionedThroughputExceededException")

    aws.set_alarm(DOWN, "ALARM")
    aws.wait(minutes=1)
    aws.meanwhile["dynamodb:GetItem"] = unreadable  # after it read what it remembers
    aws.notify()
    (message,) = sent(aws, P1)
    assert "What rollback did could not be read" in message["default"]


def test_whether_a_deployment_is_under_way_may_be_unreadable_and_people_are_told_all_the_same(aws: World) -> None:
    aws.begin_release()
    aws.refusals["ecs:ListServiceDeployments"] = refusal("AccessDeniedException")
    aws.set_alarm(DOWN, "ALARM")
    aws.looks(3)
    assert aws.subjects(P1) == [OPENED]


@pytest.mark.parametrize("operation", ["cloudwatch:DescribeAlarms", "dynamodb:GetItem", "dynamodb:PutItem"])
def test_without_the_alarms_or_its_memory_it_fails_and_its_own_alarm_fires(aws: World, operation: str) -> None:
    aws.set_alarm(DATABASE, "ALARM")
    aws.refusals[operation] = refusal("AccessDeniedException")
    with pytest.raises(ClientError):
        aws.looks(3)


# What invokes it


@pytest.mark.parametrize("shape", ["schedule", "topic", "nonsense", "nothing"])
def test_whatever_invokes_it_it_looks_at_the_alarms(aws: World, shape: str) -> None:
    aws.set_alarm(DATABASE, "ALARM")
    aws.wait(minutes=2)
    stamp = f"{aws.now:%Y-%m-%dT%H:%M:%S.000Z}"
    event: Any = {
        "schedule": {"source": "aws.events", "time": stamp},
        "topic": {"Records": [{"Sns": {"Timestamp": stamp, "Message": "{}"}}]},
        "nonsense": {"not": ["an", "event"]},
        "nothing": None,
    }[shape]
    assert aws.notify_on(event) == {"open": [DATABASE]}


def test_an_event_that_comes_late_takes_nothing_back(aws: World) -> None:
    aws.set_alarm(DATABASE, "ALARM")
    aws.looks(2)
    assert aws.notify_on({"time": f"{aws.now - timedelta(minutes=30):%Y-%m-%dT%H:%M:%SZ}"}) == {}
    assert len(aws.subjects(P1)) == 1


@pytest.fixture
def _as_lambda(aws: World, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The environment in which Lambda starts the function."""
    monkeypatch.setattr(boto3, "DEFAULT_SESSION", session())
    for name, value in NOTIFY.variables().items():
        monkeypatch.setenv(name, value)
    handler._function.cache_clear()
    yield
    handler._function.cache_clear()


@pytest.mark.usefixtures("_as_lambda")
def test_lambda_is_answered_with_what_was_sent(aws: World) -> None:
    aws.set_alarm(DATABASE, "ALARM")
    aws.wait(minutes=2)
    assert handler.handle({"time": f"{aws.now:%Y-%m-%dT%H:%M:%SZ}"}, None) == {"open": [DATABASE]}
    assert len(aws.subjects(P1)) == 1


# An incident that comes back


def test_what_fires_beside_an_alarm_that_is_back_is_of_the_same_incident(aws: World) -> None:
    aws.set_alarm(IMPAIRED, "ALARM")
    aws.looks(3)
    aws.set_alarm(IMPAIRED, "OK")
    aws.looks(11)
    (closed,) = records().entries()
    assert closed.closed
    aws.set_alarm(IMPAIRED, "ALARM")
    aws.set_alarm(DATABASE, "ALARM")  # which took no part before
    aws.looks(3)
    (found,) = records().entries()
    assert (found.name, found.closed) == (closed.name, None)
    assert DATABASE in found.alarms


# The diagnosis


def diagnoses(aws: World) -> list[dict[str, Any]]:
    """What was asked of `diagnose` in the last look."""
    made = [call.parameters for call in aws.calls if call.name == "lambda:Invoke"]
    return [json.loads(one["Payload"]) for one in made if one["FunctionName"] == NOTIFY.diagnose_function]


def diagnosed(aws: World) -> str:
    """The open incident has a diagnosis of now; its name."""
    (entry,) = records().entries()
    finding = Finding(hypothesis="database", title="the database", section="3.4", command="aws")
    records().add(entry.name, [Diagnosed(id="finding", at=aws.now, findings=(finding,))])
    return entry.name


def test_a_diagnosis_is_asked_for_in_the_look_that_calls_and_after_the_call(aws: World) -> None:
    aws.set_alarm(DATABASE, "ALARM")
    aws.looks(1)
    (asked,) = diagnoses(aws)
    assert asked == {"incident": f"{aws.now:%Y-%m-%d}-1", "at": aws.now.isoformat()}
    assert aws.calls[-1].name == "lambda:Invoke"


def test_a_diagnosis_is_asked_for_each_minute_until_it_is_recorded(aws: World) -> None:
    aws.set_alarm(DATABASE, "ALARM")
    aws.looks(3)
    assert [one["incident"] for one in diagnoses(aws)] == [diagnosed(aws)]
    aws.looks(1)
    assert diagnoses(aws) == []


def test_another_page_of_the_incident_is_diagnosed_again(aws: World) -> None:
    aws.set_alarm(DATABASE, "ALARM")
    aws.looks(2)
    diagnosed(aws)
    aws.wait(minutes=5)
    aws.set_alarm(PRODUCTION.page("frontend-down"), "ALARM")
    aws.looks(1)
    assert len(diagnoses(aws)) == 1


def test_a_warning_is_not_diagnosed(aws: World) -> None:
    aws.set_alarm(PRODUCTION.alarm("redis-memory", "warning"), "ALARM")
    aws.looks(3)
    assert diagnoses(aws) == []


def test_in_maintenance_a_further_page_of_an_open_incident_is_not_diagnosed(aws: World) -> None:
    aws.set_alarm(DATABASE, "ALARM")
    aws.looks(2)
    diagnosed(aws)
    aws.wait(minutes=5)
    aws.set_alarm(PRODUCTION.maintenance_alarm, "ALARM")
    aws.set_alarm(PRODUCTION.page("frontend-down"), "ALARM")
    aws.looks(1)
    assert diagnoses(aws) == []


def test_a_diagnosis_that_cannot_be_asked_for_fails_nothing(aws: World) -> None:
    aws.refusals["lambda:Invoke"] = refusal("TooManyRequestsException")
    aws.set_alarm(DATABASE, "ALARM")
    aws.looks(2)
    assert aws.subjects(P1) == ["ALARM: P1 production: The application has no database"]
