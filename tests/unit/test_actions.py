"""Writing to AWS: in which order, and what a person is told."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from lambdas.common.incidents import ClaimedError, Incidents, Outcome
from lambdas.common.settings import RollbackSettings, read
from lambdas.rollback.actions import SECTIONS, Actions, ChangeError, subject, text
from lambdas.rollback.decisions import Change, Evidence

from .test_incidents import OUTCOME
from .world import ENVIRONMENT, VARIABLES, World, refusal

Prepare = Callable[[World], Change]


@pytest.fixture
def actions(aws: World) -> Actions:
    settings = read(RollbackSettings, VARIABLES)
    return Actions(settings, Incidents(settings))


def update(aws: World) -> Change:
    good, bad = aws.ecs.current, aws.release()
    return Change("update", aws.ecs.deployments[-1].arn, bad, good, "image:good", aws.now)


def stop(aws: World) -> Change:
    good, bad = aws.ecs.current, aws.begin_release()
    return Change("stop", aws.ecs.deployments[-1].arn, bad, good, "image:good", aws.now)


def states(aws: World) -> list[str]:
    settings = read(RollbackSettings, VARIABLES)
    return [change.state for change in Incidents(settings).changes()["changes"]]


@pytest.mark.parametrize(("prepare", "operation"), [(update, "ecs:UpdateService"), (stop, "ecs:StopServiceDeployment")])
def test_a_change_is_claimed_then_kept_then_made_then_confirmed(
    aws: World, actions: Actions, prepare: Prepare, operation: str
) -> None:
    change = prepare(aws)
    assert actions.make(change, Evidence(aws.now)) == ""
    assert [call.name for call in aws.calls] == ["dynamodb:UpdateItem", "ssm:PutParameter", operation, "dynamodb:UpdateItem"]
    aws.ecs.settle()
    assert aws.ecs.current == change.to_task_definition
    assert aws.image == "image:good"
    assert states(aws) == ["done"]


def test_nothing_is_written_for_a_deployment_that_was_claimed(aws: World, actions: Actions) -> None:
    change = update(aws)
    actions.make(change, Evidence(aws.now))
    made = list(aws.ecs.changes)
    with pytest.raises(ClaimedError):
        actions.make(change, Evidence(aws.now, version=1))
    assert aws.ecs.changes == made


@pytest.mark.parametrize(("prepare", "operation"), [(update, "ecs:UpdateService"), (stop, "ecs:StopServiceDeployment")])
def test_a_change_that_ecs_refuses_is_recorded_as_such(aws: World, actions: Actions, prepare: Prepare, operation: str) -> None:
    change = prepare(aws)
    aws.refusals[operation] = refusal("AccessDeniedException", "iam:PassRole")
    with pytest.raises(ChangeError, match="iam:PassRole"):
        actions.make(change, Evidence(aws.now))
    assert aws.ecs.changes == []
    assert states(aws) == ["failed"]


def test_an_image_parameter_that_cannot_be_written_does_not_hold_up_the_rollback(aws: World, actions: Actions) -> None:
    change = update(aws)
    aws.refusals["ssm:PutParameter"] = refusal("AccessDeniedException")
    flaw = actions.make(change, Evidence(aws.now))
    assert aws.ecs.current == change.to_task_definition
    assert f"--name {ENVIRONMENT.image_parameter} --value image:good" in flaw


@pytest.mark.parametrize(("needs_person", "topics"), [(False, (1, 0)), (True, (1, 1))])
def test_every_outcome_is_published_and_escalated_when_a_person_is_needed(
    aws: World, actions: Actions, needs_person: bool, topics: tuple[int, int]
) -> None:
    actions.publish(Outcome(**{**vars(OUTCOME), "needs_person": needs_person}))
    assert (len(aws.outcomes), len(aws.escalations)) == topics


@pytest.mark.parametrize(
    ("kind", "paged"), [("escalated", "yes"), ("failed", "yes"), ("malformed event", "no"), ("rollback requested", "no")]
)
def test_an_escalation_calls_somebody_only_where_no_page_does(aws: World, actions: Actions, kind: str, paged: str) -> None:
    actions.publish(Outcome(**{**vars(OUTCOME), "outcome": kind}))
    (sent,) = [call.parameters for call in aws.calls if call.parameters.get("MessageStructure") == "json"]
    assert sent["MessageAttributes"] == {"paged": {"DataType": "String", "StringValue": paged}}
    # As PagerDuty wants it: the state before the subject's colon, and in the message.
    assert sent["Subject"].startswith(f"ALARM: [production] {kind}: ")
    assert json.loads(json.loads(sent["Message"])["https"])["NewStateValue"] == "ALARM"


def test_the_message_reads_from_what_is_wrong_to_the_runbook() -> None:
    message = text(Outcome(**{**vars(OUTCOME), "section": "3.4", "reason": "the reason"}), "https://docs.example/runbook.md")
    said = [
        message.index(words)
        for words in (
            "what is wrong",
            "what was done",
            "the reason",
            "what to look at",
            "3.4 Database Connection Issues https://docs.example/runbook.md#34-database-connection-issues",
        )
    ]
    assert said == sorted(said)


@pytest.mark.parametrize("number", SECTIONS)
def test_the_sections_that_messages_link_exist(number: str) -> None:
    heading = f"{number}{'' if '.' in number else '.'} {SECTIONS[number]}"
    assert f"# {heading}\n" in (Path(__file__).parents[2] / "docs" / "runbook.md").read_text()


def test_the_subject_is_what_sns_takes() -> None:
    longest = subject(Outcome(**{**vars(OUTCOME), "service": "s" * 200}))
    assert longest.startswith("[production] escalated: sss")
    assert longest.isascii()
    assert len(longest) <= 100
