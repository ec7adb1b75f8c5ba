"""`rollback` from the event to the message, as the runbook (4.1) has it: what it does, says, and never does."""

import json
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from io import StringIO
from types import SimpleNamespace
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError

from lambdas.common import clock
from lambdas.common.incidents import Incidents, InProgressError
from lambdas.common.settings import SettingsError
from lambdas.rollback import function, handler
from lambdas.rollback.actions import Actions
from lambdas.rollback.decisions import Mode
from lambdas.rollback.events import parse
from lambdas.rollback.function import Rollback
from tests.environments import PRODUCTION

from ..world import NOON, ROLLBACK, Crash, World, bad_release, event, one_by_one, refusal, rollback_clients, session

CONTEXT = SimpleNamespace(get_remaining_time_in_millis=lambda: 60_000)


def event_id(at: datetime) -> str:
    """The id of the incident that the alarm opens at a time."""
    return parse(event("ALARM", at)).id


def changed_to(aws: World) -> list[str]:
    return [change.after for change in aws.ecs.changes]


# A release goes bad


def test_a_bad_release_is_rolled_back_and_a_person_can_read_it(aws: World) -> None:
    good, bad = bad_release(aws)
    outcome = aws.alarm()
    assert outcome.outcome == "rollback requested"
    assert (outcome.from_task_definition, outcome.to_task_definition) == (bad, good)
    assert [(change.operation, change.after) for change in aws.ecs.changes] == [("UpdateService", good)]
    assert aws.image == aws.ecs.definitions[good]["image"], "the next `cdk deploy` keeps it"
    assert aws.escalations == []
    (message,) = aws.outcomes
    for words in (
        PRODUCTION.service_impaired_alarm,
        PRODUCTION.alarm("alb-5xx-rate", "critical"),
        "5 min before",
        "runbook.md#41-backend-rollback-ecs",
    ):
        assert words in message


def test_the_alarms_ok_verifies_the_rollback_and_closes_the_incident(aws: World) -> None:
    good, _ = bad_release(aws)
    began = aws.now
    aws.alarm()
    aws.wait(minutes=7)
    aws.ecs.settle()
    outcome = aws.ok()
    assert outcome.outcome == "recovered"
    assert "7 min after the alarm" in outcome.done
    assert f"{good.rpartition('/')[2]}, where the rollback took it" in outcome.done
    incident = next(item for item in aws.items().values() if item["id"].endswith(f"#{began.isoformat()}"))
    assert incident["recovered_at"] == aws.now.isoformat()
    assert aws.escalations == []


def test_a_recovery_on_another_revision_says_so(aws: World) -> None:
    bad_release(aws)
    aws.alarm()
    aws.ecs.settle()
    fixed = aws.release()
    outcome = aws.ok()
    assert outcome.outcome == "recovered"
    assert f"It runs {fixed.rpartition('/')[2]}, not " in outcome.done


def test_a_recovery_whose_service_cannot_be_read_is_still_a_recovery(aws: World) -> None:
    bad_release(aws)
    aws.alarm()
    aws.wait(minutes=5)
    aws.refusals["ecs:DescribeServices"] = refusal("ThrottlingException")
    outcome = aws.ok()
    assert (outcome.outcome, len(outcome.missing)) == ("recovered", 1)


def test_an_ok_with_nothing_open_is_noted(aws: World) -> None:
    assert aws.ok().outcome == "noted"
    assert aws.escalations == []


def test_a_release_that_fails_as_it_runs_is_stopped(aws: World) -> None:
    good, bad = aws.ecs.current, aws.begin_release()
    aws.wait(minutes=3)
    outcome = aws.alarm()
    assert outcome.outcome == "rollback requested"
    assert (outcome.from_task_definition, outcome.to_task_definition) == (bad, good)
    assert [(change.operation, change.after) for change in aws.ecs.changes] == [("StopServiceDeployment", good)]
    assert aws.image == aws.ecs.definitions[good]["image"]


def test_a_bad_revision_is_never_gone_back_to_nor_one_that_an_incident_ran_on(aws: World) -> None:
    oldest = next(iter(aws.ecs.definitions))
    good, _ = bad_release(aws)
    aws.alarm()
    aws.ecs.settle()
    aws.wait(minutes=3)
    aws.ok()
    aws.wait(minutes=2)
    outcome = aws.alarm()
    assert outcome.outcome == "escalated"
    assert changed_to(aws) == [good]
    aws.wait(minutes=2)
    aws.ok()
    bad_release(aws)
    assert aws.alarm().to_task_definition == oldest, "neither the first bad one, nor the good one that was impaired as well"


def test_a_revision_that_failed_is_not_gone_back_to_though_it_is_the_one_before(aws: World) -> None:
    good = aws.ecs.current
    aws.begin_release()
    aws.ecs.fail()
    aws.ecs.settle()
    aws.wait(minutes=1)
    bad_release(aws)
    assert aws.alarm().to_task_definition == good


def test_a_third_bad_release_in_a_day_is_for_a_person(aws: World) -> None:
    kinds = []
    for _ in range(3):
        bad_release(aws)
        kinds.append(aws.alarm().outcome)
        aws.ecs.settle()
        aws.wait(minutes=5)
        aws.ok()
    assert kinds == ["rollback requested", "rollback requested", "escalated"]
    assert len(aws.escalations) == 1
    assert "budget is spent" in aws.escalations[0]


# What a rollback takes back beside the image

BEFORE = {
    "environment": [{"name": "LOG_LEVEL", "value": "info"}, {"name": "SAME", "value": "same"}],
    "secrets": [{"name": "TOKEN", "valueFrom": "arn:of-the-old-token"}],
}
AFTER = {
    "environment": [{"name": "SAME", "value": "same"}, {"name": "POOL", "value": "a-value"}],
    "secrets": [{"name": "TOKEN", "valueFrom": "arn:of-the-new-token"}],
    "command": ["a-command"],
    "mountPoints": [],
}
TAKEN_BACK = (
    "That also takes back command, environment variable LOG_LEVEL, environment variable POOL, secret TOKEN."
    " The next `cdk deploy` or release brings it back: fix the configuration, or revert the commit, and deploy."
)


def test_a_rollback_of_configuration_says_by_name_what_the_next_deploy_brings_back(aws: World) -> None:
    aws.release(**BEFORE)
    aws.release(**AFTER)
    aws.wait(minutes=5)
    outcome = aws.alarm()
    assert outcome.outcome == "rollback requested"
    assert TAKEN_BACK in outcome.done
    for value in ("info", "a-value", "arn:of-the", "a-command"):
        assert value not in "".join([*aws.outcomes, json.dumps(aws.items(), default=str)]), "names, never values"


def test_so_does_a_deployment_that_is_stopped(aws: World) -> None:
    aws.release(**BEFORE)
    aws.wait(days=1)
    aws.begin_release(**AFTER)
    aws.wait(minutes=3)
    outcome = aws.alarm()
    assert aws.ecs.changes[-1].operation == "StopServiceDeployment"
    assert TAKEN_BACK in outcome.done


def test_a_rollback_of_the_image_alone_says_nothing_of_configuration(aws: World) -> None:
    aws.release(**BEFORE)
    aws.release(**BEFORE, mountPoints=[])
    aws.wait(minutes=5)
    outcome = aws.alarm()
    assert outcome.outcome == "rollback requested"
    assert "takes back" not in outcome.done


# What is no release's fault


def test_a_native_rollback_is_waited_for_and_nothing_written(aws: World) -> None:
    aws.begin_release()
    aws.ecs.fail()
    aws.wait(minutes=3)
    assert aws.alarm().outcome == "waiting"
    aws.ecs.settle()
    aws.wait(minutes=3)
    assert aws.ok().outcome == "recovered"
    assert (aws.ecs.changes, aws.image) == ([], "as the release wrote it"), "`releases` keeps the parameter"


def test_a_failed_database_is_escalated_by_name_and_the_service_left_alone(aws: World) -> None:
    bad_release(aws)
    aws.database("storage-full")
    outcome = aws.alarm()
    assert outcome.outcome == "escalated"
    assert aws.ecs.changes == []
    assert aws.image == "as the release wrote it"
    (message,) = aws.escalations
    assert f"the database {PRODUCTION.database_instance} is storage-full" in message
    assert "3.4 Database Connection Issues" in message


@pytest.mark.parametrize(("mode", "kind"), [("off", "recorded"), ("observe", "observed")])
def test_where_remediation_is_not_on_nothing_is_changed_nor_claimed(aws: World, mode: Mode, kind: str) -> None:
    bad_release(aws)
    aws.mode = mode
    outcome = aws.alarm()
    assert outcome.outcome == kind
    assert ("it would roll back" in outcome.reason) == (mode == "observe")
    assert (aws.ecs.changes, aws.image, aws.escalations) == ([], "as the release wrote it", [])
    assert not [name for name in aws.items()["changes"] if name.startswith("arn:")]


@pytest.mark.parametrize("operation", ["ecs:ListServiceDeployments", "rds:DescribeDBInstances", "cloudwatch:DescribeAlarms"])
def test_what_cannot_be_read_is_escalated_by_name_and_nothing_changed(aws: World, operation: str) -> None:
    bad_release(aws)
    aws.refusals[operation] = refusal("AccessDeniedException", f"no {operation}")
    outcome = aws.alarm()
    assert (outcome.outcome, len(outcome.missing)) == ("escalated", 1)
    assert f"no {operation}" in aws.escalations[0]
    assert aws.ecs.changes == []


# An alarm that comes and goes


def flap(aws: World, minutes: int) -> None:
    """The alarm fires for three minutes and is OK for three, over and over."""
    for minute in range(minutes):
        if minute % 6 == 0:
            aws.alarm()
        elif minute % 6 == 3:
            aws.ok()
        aws.wait(minutes=1)


def test_two_hours_of_flapping_are_one_escalation_and_one_incident(aws: World) -> None:
    began = aws.now
    flap(aws, 120)
    assert len(aws.escalations) == 1
    assert len(aws.outcomes) == 40, "all are recorded"
    assert {item["id"] for item in aws.items().values() if "recovered_at" in item} == {event_id(began)}


def test_while_it_flaps_the_first_incident_stays_the_open_one(aws: World) -> None:
    began = aws.now
    flap(aws, 62)
    assert aws.items()["latest"]["open_incident"] == event_id(began)


def test_another_reason_is_told_though_it_flaps(aws: World) -> None:
    flap(aws, 12)
    aws.database("failed")
    flap(aws, 12)
    assert [PRODUCTION.database_instance in message for message in aws.escalations] == [False, True]


def test_another_deployment_is_told_though_it_flaps(aws: World) -> None:
    aws.database("failed")
    flap(aws, 12)
    aws.release()
    flap(aws, 12)
    assert len(aws.escalations) == 2


def test_what_comes_back_before_it_has_settled_is_an_incident_of_its_own_that_a_person_knows_of(aws: World) -> None:
    for _ in range(4):
        flap(aws, 6)
        aws.wait(minutes=20)
    assert len(aws.escalations) == 1
    assert len({item["id"] for item in aws.items().values() if "recovered_at" in item}) == 4


def test_an_escalation_that_did_not_reach_a_person_is_sent_by_the_retry(aws: World) -> None:
    what = event("ALARM", aws.now)
    aws.refusals["sns:Publish"] = refusal("InternalErrorException")
    with pytest.raises(ClientError):
        aws.deliver(what)
    aws.refusals.clear()
    aws.deliver(what)
    assert len(aws.escalations) == 1


def test_what_has_settled_is_told_again(aws: World) -> None:
    flap(aws, 12)
    aws.wait(minutes=60)
    flap(aws, 12)
    assert len(aws.escalations) == 2
    assert len({item["id"] for item in aws.items().values() if "recovered_at" in item}) == 2


def test_what_was_escalated_before_may_be_unreadable_and_a_person_is_told_all_the_same(
    aws: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unreadable(*_: Any) -> bool:
        raise refusal("ProvisionedThroughputExceededException")

    monkeypatch.setattr(Incidents, "repeats", unreadable)
    flap(aws, 7)
    assert len(aws.escalations) == 2


# Answers that are lost, malformed, or late

LOST = refusal("InternalFailure", "lost")


def failing(error: BaseException) -> Callable[..., None]:
    """What raises this error, whatever it is given."""

    def fails(*_: Any) -> None:
        raise error

    return fails


@pytest.mark.parametrize("operation", ["ecs:UpdateService", "ecs:StopServiceDeployment"])
def test_a_change_whose_answer_was_lost_is_read_again_and_was_made(aws: World, operation: str) -> None:
    if operation == "ecs:UpdateService":
        bad_release(aws)
    else:
        aws.begin_release()
        aws.wait(minutes=3)
    aws.meanwhile[operation] = failing(LOST)
    outcome = aws.alarm()
    assert outcome.outcome == "rollback requested"
    assert "is going back to" in outcome.done
    assert aws.escalations == []


def test_a_change_that_nobody_knows_of_is_unknown_and_not_refused(aws: World) -> None:
    bad_release(aws)
    aws.refusals["ecs:UpdateService"] = LOST
    outcome = aws.alarm()
    assert outcome.outcome == "escalated"
    assert "whether AWS took it is unknown: ECS's answer was lost" in aws.escalations[0]
    assert "did not take it" not in aws.escalations[0]
    aws.refusals.clear()
    aws.wait(minutes=5)
    assert "recorded no result" not in aws.ok().done, "a person was told of it"


@pytest.mark.parametrize("at", ["dynamodb:PutItem", "dynamodb:UpdateItem"])
def test_a_claim_of_ours_whose_answer_was_lost_is_ours(aws: World, at: str) -> None:
    good, _ = bad_release(aws)
    conditional = refusal("ConditionalCheckFailedException")

    def claimed() -> None:
        if at == "dynamodb:PutItem" or aws.calls[-1].parameters["Key"] == {"id": "changes"}:
            raise conditional  # what botocore's second attempt is told
        aws.meanwhile[at] = claimed

    aws.meanwhile[at] = claimed
    assert aws.alarm().outcome == "rollback requested"
    assert changed_to(aws) == [good]


@pytest.mark.parametrize("topic", ["outcomes_topic", "escalations_topic"])
def test_one_topic_that_fails_keeps_nobody_from_hearing_and_nobody_hears_twice(
    aws: World, topic: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    bad_release(aws)
    aws.database("failed")
    delivered = event("ALARM", aws.now)
    step = {"outcomes_topic": "publish", "escalations_topic": "escalate"}[topic]
    for _ in range(2):
        with monkeypatch.context() as patched:
            patched.setattr(Actions, step, failing(ConnectionError()))
            with pytest.raises(ConnectionError):
                aws.deliver(delivered)
        aws.wait(minutes=1)
    other = aws.escalations if topic == "outcomes_topic" else aws.outcomes
    assert len(other) == 1
    aws.deliver(delivered)
    assert (len(aws.outcomes), len(aws.escalations)) == (1, 1)


def test_a_crash_after_the_change_is_reported_by_the_ok_when_no_retry_came(aws: World) -> None:
    bad_release(aws)
    delivered = event("ALARM", aws.now)
    aws.meanwhile["ecs:UpdateService"] = failing(Crash())
    with pytest.raises(Crash):
        aws.deliver(delivered)
    aws.ecs.settle()
    aws.wait(minutes=5)
    outcome = aws.ok()
    assert outcome.outcome == "recovered"
    assert "an earlier run began to take the service" in aws.escalations[0]
    aws.wait(minutes=5)
    aws.alarm()
    assert "an earlier run began" not in aws.escalations[1], "once"


def test_a_crash_between_the_change_and_its_outcome_is_reported_by_the_next_alarm(aws: World) -> None:
    bad_release(aws)
    delivered = event("ALARM", aws.now)
    aws.meanwhile["ssm:PutParameter"] = failing(Crash())  # ECS has accepted, and that is recorded
    with pytest.raises(Crash):
        aws.deliver(delivered)
    aws.ecs.settle()
    aws.wait(minutes=20)
    aws.alarm()
    assert "ended before it could say that ECS accepted it" in aws.escalations[0]
    aws.wait(minutes=20)
    aws.alarm()
    assert not any("ended before it could say" in words for words in aws.escalations[1:]), "once"


def test_no_data_is_not_well_and_leaves_the_incident_open(aws: World) -> None:
    bad_release(aws)
    aws.alarm()
    aws.wait(minutes=5)
    outcome = aws.deliver(event("INSUFFICIENT_DATA", aws.now))
    assert (outcome.outcome, "stays open" in outcome.done) == ("noted", True)
    aws.wait(minutes=1)
    assert aws.ok().outcome == "recovered"


def test_an_ok_while_the_rollback_still_runs_does_not_say_that_it_has_ended(aws: World) -> None:
    aws.begin_release()
    aws.ecs.fail()
    aws.wait(minutes=3)
    assert aws.alarm().outcome == "waiting"
    aws.wait(minutes=1)
    assert "It is still being deployed" in aws.ok().done
    assert aws.image == "as the release wrote it", "`releases` writes the parameter, when ECS's rollback has ended"


@pytest.mark.parametrize("days", [-8, 8])
def test_an_alarm_of_another_week_is_no_alarm(aws: World, days: int) -> None:
    bad_release(aws)
    outcome = aws.deliver(event("ALARM", aws.now + timedelta(days=days)))
    assert (outcome.outcome, aws.ecs.changes) == ("malformed event", [])
    aws.wait(minutes=1)
    assert aws.alarm().outcome == "rollback requested", "and keeps no real one from being answered"


# Deliveries: again, late, out of order, wrong


def test_delivered_twice_does_the_same_as_once(aws: World) -> None:
    good, _ = bad_release(aws)
    delivered = event("ALARM", aws.now)
    first = aws.deliver(delivered)
    items = aws.items()
    aws.ecs.settle()
    aws.wait(minutes=1)
    assert aws.deliver(delivered) == first
    assert changed_to(aws) == [good]
    assert len(aws.outcomes) == 1
    assert aws.items() == items


def test_two_deliveries_at_once_are_one(aws: World) -> None:
    good, _ = bad_release(aws)
    delivered = event("ALARM", aws.now)
    met: list[str] = []

    def meanwhile() -> None:
        with pytest.raises(InProgressError) as raised:
            Rollback(ROLLBACK, rollback_clients(), aws.clock, one_by_one).run(delivered, seconds=60)
        met.append(str(raised.value))

    aws.meanwhile["ecs:UpdateService"] = meanwhile
    assert aws.deliver(delivered).outcome == "rollback requested"
    assert len(met) == 1
    assert changed_to(aws) == [good]
    assert len(aws.outcomes) == 1
    assert aws.escalations == []


def test_an_alarm_that_arrives_after_its_ok_is_old_news(aws: World) -> None:
    bad_release(aws)
    late = event("ALARM", aws.now)
    aws.wait(minutes=5)
    aws.ok()
    outcome = aws.deliver(late)
    assert outcome.outcome == "noted"
    assert aws.ecs.changes == []


def test_an_alarm_that_arrives_after_somebody_fixed_the_service_changes_nothing(aws: World) -> None:
    bad_release(aws)
    late = event("ALARM", aws.now)
    aws.wait(minutes=1)
    fixed = aws.release()
    assert aws.deliver(late).outcome == "escalated"
    assert aws.ecs.current == fixed
    assert aws.ecs.changes == []


def test_insufficient_data_never_acts(aws: World) -> None:
    bad_release(aws)
    assert aws.deliver(event("INSUFFICIENT_DATA", aws.now)).outcome == "noted"
    assert aws.ecs.changes == []


@pytest.mark.parametrize(
    "malformed",
    [{}, None, "text", {"source": "aws.events"}, event("BROKEN", NOON), event("ALARM", NOON, name="another-alarm")],
    ids=["empty", "null", "text", "another source", "no state", "another alarm"],
)
def test_a_malformed_event_is_recorded_and_escalated_once_and_not_retried(aws: World, malformed: Any) -> None:
    outcome = aws.deliver(malformed)
    assert aws.deliver(malformed) == outcome
    assert outcome.outcome == "malformed event"
    assert [item["kind"] for item in aws.items().values()] == ["malformed event"]
    assert (len(aws.outcomes), len(aws.escalations)) == (1, 1)


# Failures of our own


def test_an_unexpected_failure_is_told_recorded_and_raised_and_the_retry_goes_on(
    aws: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    good, _ = bad_release(aws)
    delivered = event("ALARM", aws.now)
    with monkeypatch.context() as patched:
        patched.setattr(function, "decide", failing(RuntimeError("a bug")))
        with pytest.raises(RuntimeError, match="a bug"):
            aws.deliver(delivered)
    (message,) = aws.escalations
    assert "RuntimeError: a bug" in message
    assert [item["kind"] for item in aws.items().values() if "kind" in item] == ["failed"]
    assert aws.deliver(delivered).outcome == "rollback requested"
    assert changed_to(aws) == [good]


def test_when_the_table_is_unreachable_a_person_is_told_and_nothing_changed(aws: World) -> None:
    bad_release(aws)
    aws.refusals |= {f"dynamodb:{name}": refusal("InternalServerError") for name in ("PutItem", "GetItem", "UpdateItem")}
    with pytest.raises(type(refusal("")), match="InternalServerError"):
        aws.alarm()
    assert len(aws.escalations) == 1
    assert aws.ecs.changes == []


def test_when_nobody_can_be_told_the_event_is_raised_for_lambda_to_send_on(aws: World) -> None:
    good, _ = bad_release(aws)
    delivered = event("ALARM", aws.now)
    aws.refusals["sns:Publish"] = refusal("AuthorizationErrorException")
    with pytest.raises(type(refusal("")), match="Authorization"):
        aws.deliver(delivered)
    aws.refusals.clear()
    assert aws.deliver(delivered).outcome == "rollback requested"
    assert changed_to(aws) == [good]
    assert len(aws.outcomes) == 1


@pytest.mark.parametrize("operation", ["ecs:UpdateService", "ecs:StopServiceDeployment"])
def test_a_change_that_aws_refuses_is_escalated_with_what_aws_said(aws: World, operation: str) -> None:
    if operation == "ecs:UpdateService":
        bad_release(aws)
    else:
        aws.begin_release()
        aws.wait(minutes=3)
    aws.refusals[operation] = refusal("AccessDeniedException", "iam:PassRole")
    outcome = aws.alarm()
    assert outcome.outcome == "escalated"
    assert "iam:PassRole" in aws.escalations[0]


def test_an_image_that_cannot_be_named_at_once_is_said_and_needs_nobody(aws: World) -> None:
    """`releases` names it when the rollback has ended, and an alarm says when that fails, too."""
    good, _ = bad_release(aws)
    aws.refusals["ssm:PutParameter"] = refusal("AccessDeniedException")
    outcome = aws.alarm()
    assert outcome.outcome == "rollback requested"
    assert "run no `cdk deploy` before the rollback has ended" in outcome.done
    assert changed_to(aws) == [good]
    assert aws.escalations == []


def test_a_run_that_loses_the_claim_to_another_changes_nothing(aws: World) -> None:
    bad_release(aws)
    aws.meanwhile["dynamodb:GetItem"] = lambda: aws.table.put_item(Item={"id": "changes", "version": 7})  # after the evidence
    assert aws.alarm().outcome == "escalated"
    assert aws.ecs.changes == []


# The structured line, and Lambda's own entry


def test_an_outcome_is_one_structured_line(aws: World, monkeypatch: pytest.MonkeyPatch) -> None:
    said = StringIO()
    monkeypatch.setattr(function.logger.registered_handler, "stream", said)
    good, bad = bad_release(aws)
    aws.alarm()
    (line,) = [json.loads(line) for line in said.getvalue().splitlines()]
    assert line["level"] == "INFO"
    assert line["outcome"] == "rollback requested"
    assert line["decision"] == "roll back"
    assert line["alarm"] == PRODUCTION.service_impaired_alarm
    assert line["service"] == PRODUCTION.service
    assert (line["from_task_definition"], line["to_task_definition"]) == (bad, good)
    assert line["evidence"]["known_good"] == good
    assert line["missing"] == []
    assert line["reason"]


@pytest.fixture
def _as_lambda(aws: World, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The environment in which Lambda starts the function."""
    monkeypatch.setattr(clock, "now", aws.clock)
    monkeypatch.setattr(boto3, "DEFAULT_SESSION", session())
    for name, value in ROLLBACK.variables().items():
        monkeypatch.setenv(name, value)
    handler._function.cache_clear()
    yield
    handler._function.cache_clear()


@pytest.mark.usefixtures("_as_lambda")
def test_lambda_is_answered_with_json(aws: World) -> None:
    good, _ = bad_release(aws)
    answer = json.loads(json.dumps(handler.handle(event("ALARM", aws.now), CONTEXT)))
    assert answer["outcome"] == "rollback requested"
    assert changed_to(aws) == [good]


@pytest.mark.usefixtures("_as_lambda")
def test_lambda_fails_at_once_when_the_environment_is_not_as_it_should_be(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CLUSTER")
    with pytest.raises(SettingsError, match="CLUSTER is missing"):
        handler.handle(event("ALARM", NOON), CONTEXT)
