"""The execution of documents: the order of steps, failures, attempts, time, people, and what each action does."""

from collections.abc import Mapping
from typing import Any

import pytest

from local.automation.execution import NOT_RUN, Execution
from local.automation.runs import CallError, CallTimeoutError, SignalError, UnknownStepError
from tests.unit.local.automation.builders import (
    World,
    api,
    approve,
    automation,
    branch,
    failing,
    function,
    last,
    output,
    sleep,
    steps,
    wait,
)

DENIED = CallError(
    "An error occurred (AccessDeniedException) when calling the DescribeServices operation: no", "AccessDeniedException"
)
GUIDE = "Please refer to Automation Service Troubleshooting Guide for more diagnosis details."
SERVICES = {"services": [{"serviceName": "web", "desiredCount": 2, "status": "ACTIVE"}, {"serviceName": "api"}]}


@pytest.fixture
def world() -> World:
    return World({"DescribeServices": SERVICES})


def broken(world: World, problem: Any = DENIED) -> None:
    world.answers["DescribeServices"] = problem


# The order of steps


def test_steps_run_in_order(world: World) -> None:
    done = world.run(automation(api("A"), api("B")))
    assert (done.status, steps(done)) == ("Success", [("A", "Success"), ("B", "Success")])


def test_next_step_and_is_end_change_the_order(world: World) -> None:
    done = world.run(automation({**api("A"), "nextStep": "C"}, {**api("B"), "isEnd": True}, {**api("C"), "nextStep": "B"}))
    assert [name for name, _ in steps(done)] == ["A", "C", "B"]


@pytest.mark.parametrize(("kind", "ran"), [("a", "One"), ("b", "Two"), ("c", "Other")])
def test_a_branch_takes_the_first_choice_that_holds(world: World, kind: str, ran: str) -> None:
    which = branch(
        "Which",
        ("One", {"Variable": "{{ Kind }}", "StringEquals": "a"}),
        ("Two", {"Variable": "{{ Kind }}", "StringEquals": "b"}),
        ("Never", {"Variable": "{{ Kind }}", "EqualsIgnoreCase": "B"}),
        default="Other",
    )
    ends = [{**api(name), "isEnd": True} for name in ("One", "Two", "Never", "Other")]
    done = world.run(automation(which, *ends, parameters={"Kind": {"type": "String"}}), Kind=[kind])
    assert [name for name, _ in steps(done)] == ["Which", ran]


def test_a_branch_without_a_choice_or_default_goes_on_or_ends(world: World) -> None:
    which, inputs = (
        branch("Which", ("B", {"Variable": "{{ K }}", "StringEquals": "b"})),
        {"K": {"type": "String", "default": "a"}},
    )
    assert [name for name, _ in steps(world.run(automation(which, api("A"), api("B"), parameters=inputs)))] == [
        "Which",
        "A",
        "B",
    ]
    ends = automation({**which, "isEnd": True}, api("B"), parameters=inputs)
    assert (world.run(ends).status, [name for name, _ in steps(world.run(ends))]) == ("Success", ["Which"])


@pytest.mark.parametrize(
    ("condition", "holds"),
    [
        ({"Variable": "{{ Text }}", "StartsWith": "ab"}, True),
        ({"Variable": "{{ Text }}", "EndsWith": "bc"}, True),
        ({"Variable": "{{ Text }}", "Contains": "x"}, False),
        ({"Variable": "{{ Text }}", "EqualsIgnoreCase": "ABC"}, True),
        ({"Variable": "{{ Number }}", "NumericEquals": 5}, True),
        ({"Variable": "{{ Number }}", "NumericGreater": 5}, False),
        ({"Variable": "{{ Number }}", "NumericGreaterOrEquals": 5}, True),
        ({"Variable": "{{ Number }}", "NumericLesser": 6}, True),
        ({"Variable": "{{ Number }}", "NumericLesserOrEquals": 4}, False),
        ({"Variable": "{{ Truth }}", "BooleanEquals": True}, True),
        ({"Variable": "{{ Truth }}", "BooleanEquals": False}, False),
        ({"Not": {"Variable": "{{ Text }}", "StringEquals": "x"}}, True),
        ({"Not": [{"Variable": "{{ Text }}", "StringEquals": "abc"}]}, False),
        ({"And": [{"Variable": "{{ Text }}", "StringEquals": "abc"}, {"Variable": "{{ Number }}", "NumericEquals": 4}]}, False),
        ({"Or": [{"Variable": "{{ Text }}", "StringEquals": "abc"}, {"Variable": "{{ Number }}", "NumericEquals": 4}]}, True),
    ],
)
def test_a_condition_holds(world: World, condition: Mapping[str, Any], holds: bool) -> None:
    inputs = {
        "Text": {"type": "String", "default": "abc"},
        "Number": {"type": "Integer", "default": 5},
        "Truth": {"type": "Boolean", "default": True},
    }
    done = world.run(automation({**branch("Which", ("Yes", condition)), "isEnd": True}, api("Yes"), parameters=inputs))
    assert ("Yes" in dict(steps(done))) is holds


def test_an_output_that_was_not_there_is_an_empty_text_to_a_branch(world: World) -> None:
    """As in AWS's example, which restores a volume from its newest snapshot or finds that there is none."""
    ask = {
        **function(),
        "outputs": [output("none", "$.Payload.none", "String"), output("newest", "$.Payload.newest", "String")],
    }
    world.answers["Invoke"] = {"StatusCode": 200, "Payload": '{"newest": "snap-1"}'}
    found = branch("Found", ("Restore", {"Not": {"Variable": "{{ Ask.none }}", "StringEquals": "yes"}}))
    done = world.run(
        automation(
            ask, {**found, "isEnd": True}, api("Restore", "rds", "StartDBInstance", DBInstanceIdentifier="{{ Ask.newest }}")
        )
    )
    assert world.called[-1] == ("Restore", "rds:StartDBInstance", {"DBInstanceIdentifier": "snap-1"})
    assert done.status == "Success"


# Failures


def test_a_failure_aborts(world: World) -> None:
    broken(world)
    done = world.run(automation(api("A"), api("B"), outputs=["B.OutputPayload"]))
    assert (done.status, steps(done)) == ("Failed", [("A", "Failed")])
    assert done.failure == f"Step fails when it is Execute/Cancelling action. {DENIED}. {GUIDE}"
    assert done.outputs == {"B.OutputPayload": [NOT_RUN]}
    assert (last(done, "A").stage, last(done, "A").type) == ("Invocation", "Permission")


@pytest.mark.parametrize(
    ("more", "status", "ran"),
    [
        ({"onFailure": "Continue"}, "Success", ["A", "B", "C"]),
        ({"onFailure": "Continue", "isCritical": True}, "Failed", ["A", "B", "C"]),
        ({"onFailure": "Continue", "isEnd": True}, "Success", ["A"]),
        ({"onFailure": "Continue", "nextStep": "C"}, "Success", ["A", "C"]),
        ({"onFailure": "step:C"}, "Failed", ["A", "C"]),
        ({"onFailure": "step:C", "isCritical": False}, "Success", ["A", "C"]),
        ({"onFailure": "Abort", "isCritical": False}, "Failed", ["A"]),
    ],
)
def test_a_failure_goes_on_as_the_step_says(world: World, more: dict[str, Any], status: str, ran: list[str]) -> None:
    broken(world)
    first = {**api("A"), "inputs": api("A")["inputs"], **more}
    reach_b = {"nextStep": "B"} if "step:C" in str(more) else {}
    content = automation({**first, **reach_b}, function("B"), function("C"))
    if more.get("isEnd") or more.get("nextStep"):
        content = automation(first, *([function("C")] if "nextStep" in more else ()))
    done = world.run(content)
    assert (done.status, [name for name, _ in steps(done)]) == (status, ran)


def test_a_time_out_of_a_critical_step_is_the_status(world: World) -> None:
    broken(world, CallTimeoutError())
    done = world.run(automation({**api("A"), "onFailure": "step:B"}, function("B")))
    assert (done.status, steps(done)) == ("TimedOut", [("A", "TimedOut"), ("B", "Success")])


@pytest.mark.parametrize(("attempts", "status"), [(1, "Failed"), (2, "Failed"), (3, "Success")])
def test_a_step_fails_when_all_its_attempts_have(world: World, attempts: int, status: str) -> None:
    broken(world, failing(2, SERVICES))
    done = world.run(automation({**api("A"), "maxAttempts": attempts}))
    assert (done.status, len(world.called)) == (status, attempts)


def test_an_input_without_a_value_fails_the_step_before_its_call(world: World) -> None:
    ask = {**function(), "outputs": [output("none", "$.Payload.none", "String")]}
    world.answers["Invoke"] = {"StatusCode": 200, "Payload": "{}"}
    done = world.run(automation(ask, api("B", "rds", "StartDBInstance", DBInstanceIdentifier="{{ Ask.none }}")))
    assert done.failure == (
        "Step fails when it is validating and resolving the step inputs. "
        f"Failed to resolve input: DBInstanceIdentifier to type Any. {GUIDE}"
    )
    assert last(done, "B").stage == "InputValidation"
    assert [call[1] for call in world.called] == ["lambda:Invoke"]


# Calls and outputs


def test_what_a_step_selects_is_an_input_of_later_steps(world: World) -> None:
    chosen = [
        output("name", "$.services[0].serviceName", "String"),
        output("count", "$.services[0].desiredCount", "Integer"),
        output("names", "$.services..serviceName", "StringList"),
    ]
    update = api("B", "ecs", "UpdateService", service="{{ A.name }}", desiredCount="{{ A.count }}")
    look = api("C", "ecs", "DescribeServices", services=["{{ A.names }}"], cluster="on {{ global:REGION }}")
    done = world.run(automation({**api("A"), "outputs": chosen}, update, look, outputs=["A.names", "A.count"]))
    assert world.called[1:] == [
        ("B", "ecs:UpdateService", {"service": "web", "desiredCount": 2}),
        ("C", "ecs:DescribeServices", {"services": ["web", "api"], "cluster": "on eu-central-1"}),
    ]
    assert done.outputs == {"A.names": ["web", "api"], "A.count": ["2"]}


def test_an_output_that_cannot_be_its_type_fails_the_step(world: World) -> None:
    ask = {**function(), "outputs": [output("count", "$.Payload.count", "Integer")]}
    world.answers["Invoke"] = {"StatusCode": 200, "Payload": '{"count": "many"}'}
    done = world.run(automation(ask))
    assert done.failure == f"Step fails when it is validating the output count. many is no Integer. {GUIDE}"


@pytest.mark.parametrize(
    ("name", "value"), [("DATE", "1970-01-12"), ("DATE_TIME", "1970-01-12_13.46.40"), ("ACCOUNT_ID", "123456789012")]
)
def test_system_variables_have_values(world: World, name: str, value: str) -> None:
    world.run(automation(api("A", "ecs", "DescribeServices", services=[f"{{{{ global:{name} }}}}"])))
    assert world.called[0][2] == {"services": [value]}


@pytest.mark.parametrize(("seconds", "expected"), [(None, 25), (10, 10), (600, 25)])
def test_a_call_has_at_most_25_seconds(world: World, seconds: int | None, expected: int) -> None:
    world.run(automation({**api("A"), **({"timeoutSeconds": seconds} if seconds else {})}))
    assert world.seconds == [expected]


def test_a_time_out_can_be_a_parameter(world: World) -> None:
    content = automation(
        {**api("A"), "timeoutSeconds": "{{ Seconds }}"}, parameters={"Seconds": {"type": "Integer", "default": 7}}
    )
    world.run(content)
    assert world.seconds == [7]


def test_a_function_gets_its_payload_and_has_300_seconds(world: World) -> None:
    world.answers["Invoke"] = {"StatusCode": 200, "Payload": '{"said": "done"}'}
    ask = function(inputs={"InputPayload": {"count": "{{ Count }}"}, "Qualifier": "live"})
    done = world.run(automation(ask, parameters={"Count": {"type": "Integer", "default": 3}}))
    assert world.called == [
        ("Ask", "lambda:Invoke", {"FunctionName": "procedures", "Qualifier": "live", "Payload": '{"count": 3}'})
    ]
    assert world.seconds == [300]
    assert last(done, "Ask").outputs == {"StatusCode": 200, "Payload": '{"said": "done"}'}


def test_an_error_of_the_function_fails_the_step(world: World) -> None:
    world.answers["Invoke"] = {"StatusCode": 200, "FunctionError": "Unhandled", "Payload": '{"errorMessage": "locked"}'}
    done = world.run(automation(function()))
    assert done.status == "Failed"
    assert 'procedures returned an error: {"errorMessage": "locked"}' in done.failure


def test_what_a_function_returns_can_be_selected_directly(world: World) -> None:
    """As in AWS's example of a loop."""
    world.answers["Invoke"] = {"StatusCode": 200, "Payload": '{"Retry": true}'}
    done = world.run(automation({**function(), "outputs": [output("again", "$.Retry", "Boolean")]}))
    assert last(done, "Ask").outputs["again"] is True


# Time


def test_a_sleep_ends_with_its_duration(world: World) -> None:
    asleep = world.run(automation(sleep(duration="PT10M"), api("A")))
    assert (asleep.status, steps(asleep)) == ("InProgress", [("Sleep", "InProgress")])
    assert world.after(asleep, 599).status == "InProgress"
    assert world.after(asleep, 1).status == "Success"


def test_a_sleep_until_a_moment_that_is_over_is_none(world: World) -> None:
    content = automation({"name": "A", "action": "aws:sleep", "inputs": {"Timestamp": "1970-01-02T00:00:00Z"}})
    assert world.run(content).status == "Success"


def test_a_wait_polls_until_the_property_is_as_desired(world: World) -> None:
    states = iter(["creating", "backing-up", "available"])
    world.answers["DescribeDBInstances"] = lambda _: {"DBInstances": [{"DBInstanceStatus": next(states)}]}
    waiting = world.run(automation(wait()))
    while not waiting.over:
        world.after(waiting, 1)
    assert (waiting.status, len(world.called)) == ("Success", 3)
    assert world.called[0][2] == {"DBInstanceIdentifier": "db"}


def test_a_wait_times_out_after_an_hour_or_as_it_says(world: World) -> None:
    world.answers["DescribeDBInstances"] = {"DBInstances": [{"DBInstanceStatus": "creating"}]}
    for more, seconds in (({}, 3600), ({"timeoutSeconds": 60}, 60)):
        waiting = world.run(automation(wait(**more)))
        assert world.after(waiting, seconds - 1).status == "InProgress"
        assert (world.after(waiting, 1).status, steps(waiting)) == ("TimedOut", [("Wait", "TimedOut")])


def test_a_wait_looks_once_more_when_its_time_is_over(world: World) -> None:
    """The clock of the local cloud leaps; the property may have been as desired in time."""
    world.answers["DescribeDBInstances"] = {"DBInstances": [{"DBInstanceStatus": "creating"}]}
    waiting = world.run(automation(wait(timeoutSeconds=60)))
    world.answers["DescribeDBInstances"] = {"DBInstances": [{"DBInstanceStatus": "available"}]}
    assert world.after(waiting, 3600).status == "Success"


def test_a_wait_for_a_property_that_is_not_there_goes_on(world: World) -> None:
    world.answers["DescribeDBInstances"] = {"DBInstances": []}
    assert world.run(automation(wait())).status == "InProgress"


@pytest.mark.parametrize(("found", "status"), [(True, "Success"), (False, "Failed")])
def test_an_assertion_looks_once(world: World, found: bool, status: str) -> None:
    world.answers["DescribeDBInstances"] = {"DBInstances": [{"MultiAZ": found}]}
    inputs = {"PropertySelector": "$.DBInstances[0].MultiAZ", "DesiredValues": ["True"]}
    done = world.run(automation(wait("A", action="aws:assertAwsResourceProperty", inputs=inputs)))
    assert (done.status, len(world.called)) == (status, 1)
    if status == "Failed":
        assert "$.DBInstances[0].MultiAZ. Its value False is none of True." in done.failure


# People


def test_an_approval_asks_and_waits(world: World) -> None:
    topic = "arn:aws:sns:eu-central-1:123456789012:Automation-x"
    asked = world.run(automation(approve(inputs={"NotificationArn": topic, "Message": "restore it"})))
    assert (asked.status, steps(asked)) == ("Waiting", [("Approve", "Waiting")])
    step, operation, request = world.called[0]
    assert (step, operation, request["TopicArn"]) == ("Approve", "sns:Publish", topic)
    assert request["Message"].startswith("restore it\n\nThe step Approve of the automation the-execution waits for approval.")
    assert len(request["Subject"]) <= 100


def test_enough_approvals_let_it_go_on(world: World) -> None:
    waiting = world.run(automation(approve("Approve", "anna", "ben", "carla", inputs={"MinRequiredApprovals": 2}), api("A")))
    waiting.decide("arn:anna", ["arn:anna", "anna"], "Approve", "fine")
    assert world.go(waiting).status == "Waiting"
    waiting.decide("arn:ben", ["arn:ben", "ben"], "Approve", "")
    assert world.go(waiting).status == "Success"
    run = last(waiting, "Approve")
    assert run.outputs["ApprovalStatus"] == "Approved"
    assert [made["Approver"] for made in run.outputs["ApproverDecisions"]] == ["arn:anna", "arn:ben"]


def test_one_rejection_is_enough(world: World) -> None:
    waiting = world.run(automation(approve("Approve", "anna", "ben"), api("A")))
    waiting.decide("arn:ben", ["ben"], "Reject", "not now")
    assert (world.go(waiting).status, steps(waiting)) == ("Failed", [("Approve", "Failed")])
    assert last(waiting, "Approve").outputs["ApprovalStatus"] == "Rejected"


def test_others_cannot_decide(world: World) -> None:
    waiting = world.run(automation(approve("Approve", "anna"), sleep()))
    with pytest.raises(SignalError, match="not one of the approvers"):
        waiting.decide("arn:ben", ["arn:ben", "ben"], "Approve", "")
    waiting.decide("arn:anna", ["anna"], "Approve", "")
    world.go(waiting)
    with pytest.raises(SignalError, match="does not wait for an approval"):
        waiting.decide("arn:anna", ["anna"], "Approve", "")


@pytest.mark.parametrize(("more", "seconds"), [({}, 604_800), ({"timeoutSeconds": 3600}, 3600)])
def test_an_approval_times_out_after_a_week_or_as_it_says(world: World, more: dict[str, Any], seconds: int) -> None:
    waiting = world.run(automation(approve(**more)))
    assert world.after(waiting, seconds - 1).status == "Waiting"
    assert world.after(waiting, 1).status == "TimedOut"


def test_a_decision_in_time_counts_though_the_clock_leapt(world: World) -> None:
    waiting = world.run(automation(approve(timeoutSeconds=60)))
    waiting.decide("arn:anna", ["anna"], "Approve", "")
    assert world.after(waiting, 3600).status == "Success"


def test_more_approvals_than_approvers_cannot_be_had(world: World) -> None:
    content = automation(
        approve(inputs={"MinRequiredApprovals": "{{ Least }}"}), parameters={"Least": {"type": "Integer", "default": 2}}
    )
    assert "MinRequiredApprovals" in world.run(content).failure


def test_a_pause_waits_for_resume(world: World) -> None:
    paused = world.run(automation({"name": "Pause", "action": "aws:pause", "inputs": {}}, api("A")))
    assert paused.status == "Waiting"
    with pytest.raises(UnknownStepError):
        paused.resume("B")
    with pytest.raises(SignalError, match="does not wait for Resume"):
        paused.resume("A")
    paused.resume("Pause")
    assert world.go(paused).status == "Success"


# Stopping


def test_a_cancelled_step_ends_the_automation(world: World) -> None:
    asleep = world.run(automation(sleep(), api("A")))
    asleep.stop("Cancel")
    assert asleep.status == "Cancelling"
    assert (world.go(asleep).status, steps(asleep)) == ("Cancelled", [("Sleep", "Cancelled")])
    with pytest.raises(SignalError, match="has ended already"):
        asleep.stop("Cancel")


def test_on_cancel_runs_what_undoes(world: World) -> None:
    asleep = world.run(
        automation({**sleep(), "onCancel": "step:Undo", "nextStep": "A"}, {**api("A"), "isEnd": True}, api("Undo"), function())
    )
    asleep.stop("Cancel")
    assert (world.go(asleep).status, steps(asleep)) == (
        "Cancelled",
        [("Sleep", "Cancelled"), ("Undo", "Success"), ("Ask", "Success")],
    )


def test_what_undoes_has_two_minutes(world: World) -> None:
    world.answers["DescribeDBInstances"] = {"DBInstances": []}
    asleep = world.run(automation({**sleep(), "onCancel": "step:Wait", "isEnd": True}, wait(), api("A")))
    asleep.stop("Cancel")
    assert world.go(asleep).status == "Cancelling"
    assert world.after(asleep, 119).status == "Cancelling"
    assert (world.after(asleep, 1).status, steps(asleep)) == ("Cancelled", [("Sleep", "Cancelled"), ("Wait", "Cancelled")])


def test_a_cancel_before_the_first_step_runs_nothing(world: World) -> None:
    begun = world.start(automation(api("A")))
    begun.stop("Cancel")
    assert (world.go(begun).status, steps(begun), world.called) == ("Cancelled", [], [])


@pytest.mark.parametrize("answer", [SERVICES, DENIED, CallTimeoutError()])
def test_a_cancel_during_a_call_waits_for_its_answer_and_then_cancels(world: World, answer: Any) -> None:
    content = automation({**api("A"), "maxAttempts": 3, "onFailure": "Continue"}, api("B"))
    begun = world.start(content)

    def cancel(_: Mapping[str, Any]) -> Any:
        begun.stop("Cancel")
        if isinstance(answer, Exception):
            raise answer
        return answer

    world.answers["DescribeServices"] = cancel
    assert (world.go(begun).status, steps(begun), len(world.called)) == ("Cancelled", [("A", "Cancelled")], 1)


def test_complete_lets_the_current_step_end(world: World) -> None:
    asleep = world.run(automation(sleep(), api("A")))
    asleep.stop("Complete")
    assert world.go(asleep).status == "InProgress"
    assert (world.after(asleep, 3600).status, steps(asleep)) == ("Success", [("Sleep", "Success")])


# Loops, variables, other automations


def loop(*inner: Any, **inputs: Any) -> dict[str, Any]:
    return {"name": "Loop", "action": "aws:loop", "inputs": {"Steps": list(inner), **inputs}}


def test_a_loop_runs_its_steps_for_each_item(world: World) -> None:
    each = api(
        "Each",
        "ecs",
        "DescribeServices",
        services=["{{ Loop.CurrentIteratorValue }}"],
        cluster="{{ Loop.CurrentIteration }} th",
    )
    names = {"Names": {"type": "StringList", "default": ["a", "b"]}}
    done = world.run(automation(loop(each, Iterators="{{ Names }}"), function(), parameters=names))
    assert [call[2] for call in world.called[:2]] == [
        {"services": ["a"], "cluster": "1 th"},
        {"services": ["b"], "cluster": "2 th"},
    ]
    assert [(run.round, run.item) for run in done.runs if run.step.name == "Each"] == [(1, "a"), (2, "b")]
    assert steps(done)[-1] == ("Ask", "Success")


def test_a_loop_goes_on_while_its_condition_holds(world: World) -> None:
    answers = iter(["true", "true", "false"])
    world.answers["Invoke"] = lambda _: {"StatusCode": 200, "Payload": f'{{"again": {next(answers)}}}'}
    again = {**function(), "outputs": [output("again", "$.Payload.again", "Boolean")]}
    content = automation(
        loop(again, sleep(duration="PT1M"), LoopCondition={"Variable": "{{ Ask.again }}", "BooleanEquals": True})
    )
    looping = world.run(content)
    world.after(looping, 60)
    assert looping.status == "InProgress"
    world.after(looping, 60)
    assert (world.after(looping, 60).status, len(world.called)) == ("Success", 3)


def test_a_loop_ends_after_its_rounds(world: World) -> None:
    world.answers["Invoke"] = {"StatusCode": 200, "Payload": '{"again": true}'}
    again = {**function(), "outputs": [output("again", "$.Payload.again", "Boolean")]}
    condition = {"Variable": "{{ Ask.again }}", "BooleanEquals": True}
    world.run(automation(loop(again, LoopCondition=condition, MaxIterations=3)))
    assert len(world.called) == 3
    world.run(automation(loop(again, LoopCondition=condition)))
    assert len(world.called) == 3 + 100


def test_a_failure_in_a_loop_ends_it_and_the_automation(world: World) -> None:
    broken(world)
    done = world.run(automation(loop(api("Each"), Iterators=["a", "b"]), function()))
    assert (done.status, steps(done)) == ("Failed", [("Loop", "Failed"), ("Each", "Failed")])


def test_a_cancel_in_a_loop_goes_where_its_step_says(world: World) -> None:
    inner = [{**sleep(), "onCancel": "step:Undo", "isEnd": True}, api("Undo")]
    looping = world.run(automation(loop(*inner, Iterators=["a", "b"]), function()))
    looping.stop("Cancel")
    assert world.go(looping).status == "Cancelled"
    assert steps(looping)[-1] == ("Undo", "Success")


def test_an_output_of_an_earlier_round_is_none_of_a_later_one(world: World) -> None:
    answers = iter(['{"again": true}', None])

    def answer(_: Mapping[str, Any]) -> Any:
        if payload := next(answers):
            return {"StatusCode": 200, "Payload": payload}
        raise DENIED

    world.answers["Invoke"] = answer
    again = {**function(), "outputs": [output("again", "$.Payload.again", "Boolean")], "onFailure": "Continue"}
    condition = {"Variable": "{{ Ask.again }}", "BooleanEquals": True}
    done = world.run(automation(loop(again, LoopCondition=condition)))
    assert (done.status, len(world.called)) == ("Success", 2)


def test_more_items_than_rounds_fail_the_loop(world: World) -> None:
    names = {"Names": {"type": "StringList", "default": ["a"] * 101}}
    assert world.run(automation(loop(api("Each"), Iterators="{{ Names }}"), parameters=names)).status == "Failed"


def test_a_variable_keeps_its_newest_value(world: World) -> None:
    update = {"name": "Set", "action": "aws:updateVariable", "inputs": {"Name": "variable:who", "Value": "{{ Name }} again"}}
    look = [api(name, "ecs", "DescribeServices", services=["{{ variable:who }}"]) for name in ("A", "B")]
    content = automation(
        look[0],
        update,
        look[1],
        parameters={"Name": {"type": "String", "default": "web"}},
        variables={"who": {"type": "String", "default": "nobody"}},
    )
    world.run(content)
    assert [call[2]["services"] for call in world.called] == [["nobody"], ["web again"]]


def started(world: World, status: str) -> Execution:
    other = {
        "name": "Other",
        "action": "aws:executeAutomation",
        "inputs": {"DocumentName": "other", "RuntimeParameters": {"names": ["a", "b"], "count": 2}},
    }
    world.answers["StartAutomationExecution"] = {"AutomationExecutionId": "child"}
    world.answers["GetAutomationExecution"] = {"AutomationExecution": {"AutomationExecutionStatus": "InProgress"}}
    begun = world.run(automation(other, outputs=["Other.Output"]))
    shown = {"AutomationExecutionStatus": status, "Outputs": {"A.b": ["x"], "C.d": ["y", "z"]}}
    world.answers["GetAutomationExecution"] = {"AutomationExecution": shown}
    return begun


def test_another_automation_is_started_and_waited_for(world: World) -> None:
    begun = started(world, "Success")
    assert world.called[0][2] == {"DocumentName": "other", "Parameters": {"names": ["a", "b"], "count": ["2"]}}
    assert not begun.due(world.now, lambda _: False)
    assert begun.due(world.now, lambda name: name == "child")
    begun.proceed()
    assert (begun.status, begun.outputs) == ("Success", {"Other.Output": ["x", "y", "z"]})


def test_the_failure_of_another_automation_is_one(world: World) -> None:
    begun = started(world, "Failed")
    begun.proceed()
    assert begun.status == "Failed"
    assert "the automation child, which is Failed" in begun.failure
