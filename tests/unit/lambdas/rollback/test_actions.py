"""Writing to AWS: in which order, and what a person is told."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from lambdas.common.incidents import Kind
from lambdas.rollback.actions import Actions, ChangeError, subject, text
from lambdas.rollback.changes import Changes, ClaimedError
from lambdas.rollback.decisions import Change, Evidence
from lambdas.rollback.evidence import Reader
from runbook.sections import Section

from ..world import OUTCOME, ROLLBACK, World, one_by_one, refusal, rollback_clients

DOCS = Path(__file__).parents[4] / "docs"
Prepare = Callable[[World], Change]


@pytest.fixture
def changes(aws: World) -> Changes:
    return Changes(rollback_clients().incidents)


@pytest.fixture
def actions(changes: Changes) -> Actions:
    clients = rollback_clients()
    return Actions(ROLLBACK, clients, changes, Reader(ROLLBACK, clients, changes, one_by_one))


def update(aws: World) -> Change:
    good, bad = aws.ecs.current, aws.release()
    return Change("update", aws.ecs.deployments[-1].arn, bad, good, "image:good", aws.now)


def stop(aws: World) -> Change:
    good, bad = aws.ecs.current, aws.begin_release()
    return Change("stop", aws.ecs.deployments[-1].arn, bad, good, "image:good", aws.now)


def states(changes: Changes) -> list[str]:
    return [change.state for change in changes.read().changes]


@pytest.mark.parametrize(("prepare", "operation"), [(update, "ecs:UpdateService"), (stop, "ecs:StopServiceDeployment")])
def test_a_change_is_claimed_then_made_then_confirmed_then_kept(
    aws: World, actions: Actions, changes: Changes, prepare: Prepare, operation: str
) -> None:
    change = prepare(aws)
    assert actions.make(change, Evidence(aws.now)) == ""
    assert [call.name for call in aws.calls] == ["dynamodb:UpdateItem", operation, "dynamodb:UpdateItem", "ssm:PutParameter"]
    aws.ecs.settle()
    assert aws.ecs.current == change.to_task_definition
    assert aws.image == "image:good"
    assert states(changes) == ["done"]


def test_nothing_is_written_for_a_deployment_that_was_claimed(aws: World, actions: Actions) -> None:
    change = update(aws)
    actions.make(change, Evidence(aws.now))
    made = list(aws.ecs.changes)
    with pytest.raises(ClaimedError):
        actions.make(change, Evidence(aws.now, version=1))
    assert aws.ecs.changes == made


@pytest.mark.parametrize(("prepare", "operation"), [(update, "ecs:UpdateService"), (stop, "ecs:StopServiceDeployment")])
def test_a_change_that_ecs_refuses_is_recorded_as_such(
    aws: World, actions: Actions, changes: Changes, prepare: Prepare, operation: str
) -> None:
    change = prepare(aws)
    aws.refusals[operation] = refusal("AccessDeniedException", "iam:PassRole")
    with pytest.raises(ChangeError, match="iam:PassRole"):
        actions.make(change, Evidence(aws.now))
    assert aws.ecs.changes == []
    assert aws.image == "as the release wrote it", "it names what the service runs"
    assert states(changes) == ["failed"]


def test_an_image_parameter_that_cannot_be_written_does_not_hold_up_the_rollback(aws: World, actions: Actions) -> None:
    change = update(aws)
    aws.refusals["ssm:PutParameter"] = refusal("AccessDeniedException")
    flaw = actions.make(change, Evidence(aws.now))
    assert aws.ecs.current == change.to_task_definition
    assert "AccessDeniedException" in flaw
    assert "run no `cdk deploy` before the rollback has ended" in flaw


@pytest.mark.parametrize(
    ("kind", "paged"), [("escalated", "yes"), ("failed", "yes"), ("malformed event", "no"), ("rollback requested", "no")]
)
def test_an_escalation_calls_somebody_only_where_no_page_does(aws: World, actions: Actions, kind: Kind, paged: str) -> None:
    actions.escalate(replace(OUTCOME, outcome=kind))
    (sent,) = [call.parameters for call in aws.calls if call.parameters.get("MessageStructure") == "json"]
    assert sent["MessageAttributes"] == {"paged": {"DataType": "String", "StringValue": paged}}
    # As PagerDuty wants it: the state before the subject's colon, and in the message.
    assert sent["Subject"].startswith(f"ALARM: [production] {kind}: ")
    assert json.loads(json.loads(sent["Message"])["https"])["NewStateValue"] == "ALARM"


def test_the_message_reads_from_what_is_wrong_to_the_runbook() -> None:
    message = text(
        replace(OUTCOME, section=Section.DATABASE_CONNECTIONS, reason="the reason"), "https://docs.example/runbook.md"
    )
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


@pytest.mark.parametrize("section", Section)
def test_the_sections_that_messages_link_exist(section: Section) -> None:
    heading = f"{section}{'' if '.' in section else '.'} {section.title_}"
    assert f"# {heading}\n" in (DOCS / "runbook.md").read_text()


def test_the_subject_is_what_sns_takes() -> None:
    longest = subject(replace(OUTCOME, service="s" * 200))
    assert longest.startswith("[production] escalated: sss")
    assert longest.isascii()
    assert len(longest) <= 100
