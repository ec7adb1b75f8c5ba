"""The procedures as data, and the documents that they become."""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from itertools import pairwise
from typing import Any

import pytest

from lambdas.procedures.executions import parse
from lambdas.procedures.families import families
from lambdas.procedures.run import WAITING
from lambdas.procedures.runs import Runs
from local.automation import problems
from procedures.catalog import PROCEDURES, procedure
from procedures.documents import MOST_BYTES, document, inputs, text
from procedures.model import Call, Procedure, Until
from runbook.pages import PAGES, Page
from tests.environments import ENVIRONMENTS, PRODUCTION, VARIANTS

from ..lambdas.world import PROCEDURES as SETTINGS
from ..lambdas.world import World, one_by_one, procedures_clients

EVERY = [*ENVIRONMENTS.values(), *VARIANTS.values()]
LONGEST_VALUE = 512
"""Of a parameter: https://docs.aws.amazon.com/systems-manager/latest/APIReference/API_StartAutomationExecution.html"""

any_procedure = pytest.mark.parametrize("one", PROCEDURES, ids=lambda one: one.name)


def steps(one: Procedure) -> dict[str, dict[str, Any]]:
    """The steps of production's document by name, those in loops left out."""
    return {step["name"]: step for step in document(one, PRODUCTION)["mainSteps"]}


def calls(steps: list[dict[str, Any]]) -> Iterator[Mapping[str, Any]]:
    """What the document sends to the function, step by step, those in loops included."""
    for step in steps:
        if step["inputs"].get("FunctionName") == PRODUCTION.function("procedures"):
            yield step["inputs"]["InputPayload"]
        yield from calls(step["inputs"].get("Steps", []))


# The table


def test_a_name_is_a_procedures_alone_and_fit_for_a_role() -> None:
    names = [one.name for one in PROCEDURES]
    assert len(names) == len(set(names))
    assert [name for name in names if not re.fullmatch(r"[a-z]+(-[a-z]+)*", name)] == []
    assert procedure("backend-deploy").name == "backend-deploy"


@any_procedure
def test_it_is_told_in_sentences(one: Procedure) -> None:
    for words in (one.effect, one.undo, *(step.what for step in one.steps), *(each.what for each in one.inputs)):
        assert re.fullmatch(r"[A-Za-z].*\.", words), words


@any_procedure
def test_an_input_admits_its_example_and_its_default_and_nothing_that_ends_a_quote(one: Procedure) -> None:
    for each in inputs(one):
        for value in (each.example, each.default):
            assert value is None or re.search(each.pattern, value), each
        assert not [
            bad for bad in ('a"b', "a{{ b }}", "a\\b", "a\nb", "x" * (LONGEST_VALUE + 1)) if re.search(each.pattern, bad)
        ]


@any_procedure
def test_a_change_is_a_dry_run_unless_said_otherwise_and_has_a_reason(one: Procedure) -> None:
    dry_run, reason = inputs(one)[:2]
    assert (dry_run.default, reason.default) == (("true", None) if one.changes else ("false", ""))


def test_every_step_is_one_of_the_functions_and_every_step_of_the_function_is_one_of_a_document(aws: World) -> None:
    runs = Runs(aws.table, SETTINGS.retention_days, aws.clock)
    made = families(SETTINGS, procedures_clients(), aws.clock, runs, one_by_one)
    known = {name: set(own) for family in made for name, own in family.items()}
    assert known == {
        one.name: {"Plan", *(step.name for step in one.steps if isinstance(step, Call | Until))} for one in PROCEDURES
    }


# The documents


@any_procedure
@pytest.mark.parametrize("approval", [False, True], ids=["", "approval"])
@pytest.mark.parametrize("environment", EVERY, ids=lambda environment: environment.prefix)
def test_a_document_is_one_that_automation_takes(one: Procedure, environment: Any, approval: bool) -> None:
    made = text(replace(one, approval=approval), environment)
    assert [str(problem) for problem in problems(made)] == []
    assert len(made.encode()) + len(inputs(one)) * LONGEST_VALUE < MOST_BYTES


@any_procedure
def test_a_document_says_what_it_does_how_long_it_takes_and_how_it_is_undone(one: Procedure) -> None:
    said = document(one, PRODUCTION)["description"]
    for words in (one.effect, one.duration, one.undo, one.section.heading):
        assert words in said


@any_procedure
def test_it_runs_under_its_own_role_whoever_starts_it(one: Procedure) -> None:
    assert document(one, PRODUCTION)["assumeRole"] == PRODUCTION.role_arn(f"hz-navigator-production-{one.name}")


@any_procedure
def test_no_script_runs_in_it_and_it_waits_only_in_steps_of_automation(one: Procedure) -> None:
    actions = {step["action"] for step in document(one, PRODUCTION)["mainSteps"]}
    assert actions <= {
        "aws:invokeLambdaFunction", "aws:executeAwsApi", "aws:waitForAwsResourceProperty",
        "aws:branch", "aws:approve", "aws:loop", "aws:sleep",
    }  # fmt: skip


@any_procedure
def test_a_dry_run_ends_after_the_plan(one: Procedure) -> None:
    assert steps(one)["OnlyADryRun"]["inputs"]["Choices"][0] == {
        "NextStep": "Record",
        "Variable": "{{ DryRun }}",
        "StringEquals": "true",
    }


@any_procedure
def test_whatever_fails_or_is_cancelled_goes_to_the_step_that_gives_the_lock_back(one: Procedure) -> None:
    for name, step in steps(one).items():
        if name != "Failed":
            assert step["onFailure"] == "step:Failed", name
            assert step.get("onCancel") == (None if step["action"] == "aws:loop" else "step:Failed"), name


@any_procedure
def test_a_failure_is_one_of_the_whole_execution(one: Procedure) -> None:
    assert not [name for name, step in steps(one).items() if step.get("isCritical") is False]


@any_procedure
def test_each_step_names_the_next(one: Procedure) -> None:
    found = list(steps(one).values())
    for step, following in pairwise(found):
        after = step["inputs"].get("Default") if step["action"] == "aws:branch" else step.get("nextStep")
        assert after == (None if step.get("isEnd") else following["name"])
    assert [step["name"] for step in found if step.get("isEnd")] == ["Record", "Failed"]


@any_procedure
def test_what_it_sends_is_what_the_function_takes(one: Procedure) -> None:
    sent = list(calls(document(one, PRODUCTION)["mainSteps"]))
    assert {parse(event).procedure for event in sent} == {one.name}
    assert all(set(event["inputs"]) == {each.name for each in inputs(one)} for event in sent)
    assert {event["step"] for event in sent} >= {"Plan", "Record", "Failed"}


@any_procedure
def test_the_lock_is_taken_once_before_anything_is_changed_and_after_the_approval(one: Procedure) -> None:
    wanted = replace(one, approval=one.changes)
    order = list(steps(wanted))
    events = [parse(event) for event in calls(document(wanted, PRODUCTION)["mainSteps"])]
    assert [event.step for event in events if event.lock] == (["Begin"] if one.changes else [])
    assert [event.step for event in events if event.approval] == (["Begin"] if one.changes else [])
    if one.changes:
        assert order[:4] == ["Plan", "OnlyADryRun", "Approve", "Begin"]


def test_without_approvers_a_document_asks_nobody_and_its_function_refuses() -> None:
    nobody = PRODUCTION.model_copy(update={"procedures": PRODUCTION.procedures.model_copy(update={"approvers": ()})})
    made = document(replace(procedure("backend-deploy"), approval=True), nobody)
    assert "Approve" not in [step["name"] for step in made["mainSteps"]]
    assert [event["step"] for event in calls(made["mainSteps"]) if event.get("approval")] == ["Begin"]


def test_an_approval_is_asked_of_the_approvers_with_what_would_be_done_and_why() -> None:
    approve = steps(replace(procedure("backend-deploy"), approval=True))["Approve"]
    asked = approve["inputs"]
    assert asked["Approvers"] == list(PRODUCTION.procedures.approvers)
    assert asked["NotificationArn"].rpartition(":")[2].startswith("Automation")
    assert "{{ Plan.Payload }}" in asked["Message"]
    assert "{{ Reason }}" in asked["Message"]
    assert approve["timeoutSeconds"] == 4 * 3600


@any_procedure
def test_a_loop_goes_on_while_the_function_says_that_it_waits(one: Procedure) -> None:
    for step in one.steps:
        if isinstance(step, Until):
            loop = steps(one)[f"Until{step.name}"]["inputs"]
            assert loop["LoopCondition"] == {"Variable": f"{{{{ {step.name}.Payload }}}}", "Contains": WAITING}
            assert loop["MaxIterations"] <= 100
            assert [parse(event).loop for event in calls(loop["Steps"])] == [True]


@any_procedure
def test_a_lock_outlasts_what_is_between_two_steps_of_the_function(one: Procedure) -> None:
    """A step is tried twice; a native wait is one step, which renews nothing."""
    longest = longest_silence(document(one, PRODUCTION)["mainSteps"])
    assert not one.changes or longest <= one.minutes * 60, longest


def longest_silence(steps: list[dict[str, Any]]) -> float:
    longest = silence = 0.0
    for step in steps:
        if "Steps" in step["inputs"]:
            silence += longest_silence(step["inputs"]["Steps"])
        duration = re.fullmatch(r"PT(\d+)S", step["inputs"].get("Duration", "PT0S"))
        silence += step.get("maxAttempts", 1) * step.get("timeoutSeconds", 0) + float(duration[1] if duration else 0)
        longest = max(longest, silence)
        if step["inputs"].get("FunctionName") == PRODUCTION.function("procedures"):
            silence = 0.0
        if step["action"] == "aws:approve":
            longest = silence = 0.0  # before the lock
    return longest


@pytest.mark.parametrize("page", [one for one in PAGES if one.procedure], ids=lambda one: one.slug)
def test_what_a_page_names_is_a_procedure_that_takes_its_inputs(page: Page) -> None:
    asked = {one.name: one for one in inputs(procedure(page.procedure))}
    assert all(re.search(asked[name].pattern, value) for name, value in page.inputs)
    assert {name for name, one in asked.items() if one.default is None} <= {"Reason", *dict(page.inputs)}
    assert re.search(asked["Reason"].pattern, "Incident 2026-03-02-1")


def test_the_text_is_json() -> None:
    assert json.loads(text(procedure("service-status"), PRODUCTION)) == document(procedure("service-status"), PRODUCTION)
