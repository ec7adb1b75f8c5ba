"""The Automation document of a procedure in an environment, schema 0.3.

https://docs.aws.amazon.com/systems-manager/latest/userguide/automation-actions.html

Every document has the same shell: Plan says what would be done, or refuses; a dry run ends there. Then another person approves
what has to be approved, Begin takes the lock, the procedure's own steps follow, and Record ends it. Whatever fails, or is
cancelled, goes to Failed, which gives the lock back: as the step that failed is critical, the execution then ends as failed.
"""

import json
from collections.abc import Iterator, Mapping
from itertools import pairwise
from typing import Any, assert_never

from lambdas.procedures.executions import APPROVE
from lambdas.procedures.run import WAITING
from procedures.model import TEXT, Api, Call, Input, Invoke, Procedure, Sleep, Step, Until, Wait
from stacks.environment import Environment

Members = dict[str, Any]

MOST_BYTES = 64 * 1024
"""Of a document: https://docs.aws.amazon.com/general/latest/gr/ssm.html"""
APPROVAL_HOURS = 4
"""Nobody approves a thing of the morning in the evening."""
_ATTEMPTS = 2
"""A step is safe to run again, and a function may be throttled or die."""
_TO_FAILED = {"onFailure": "step:Failed", "onCancel": "step:Failed"}


def document(procedure: Procedure, environment: Environment) -> Members:
    """The content of the procedure's document."""
    return {
        "schemaVersion": "0.3",
        "description": _description(procedure),
        "assumeRole": environment.role_arn(environment.document(procedure.name)),
        "parameters": {one.name: _parameter(one) for one in inputs(procedure)},
        "mainSteps": _chained([*_steps(procedure, environment)]),
        "outputs": [f"{name}.Payload" for name in ("Plan", *_told(procedure), "Record", "Failed")],
    }


def text(procedure: Procedure, environment: Environment) -> str:
    """The same as JSON, as Systems Manager keeps it."""
    return json.dumps(document(procedure, environment), indent=1, ensure_ascii=False)


def inputs(procedure: Procedure) -> tuple[Input, ...]:
    """What a procedure asks for, those included that every one has."""
    dry_run = Input(
        name="DryRun",
        what="true: say what would be done, and change nothing." if procedure.changes else "true: say what would be read.",
        pattern="^(true|false)$",
        example="false",
        default="true" if procedure.changes else "false",
    )
    reason = Input(
        name="Reason",
        what="Why, for the record.",
        pattern=TEXT if procedure.changes else f"^$|{TEXT}",
        example="Errors since the release of 14:05",
        default=None if procedure.changes else "",
    )
    return (dry_run, reason, *procedure.inputs)


def _description(procedure: Procedure) -> str:
    parts = (
        procedure.effect,
        f"Takes {procedure.duration}.",
        _approval(procedure),
        f"To undo it: {procedure.undo}",
        f"Runbook {procedure.section.heading}.",
    )
    return " ".join(filter(None, parts))


def _approval(procedure: Procedure) -> str:
    if not procedure.approval:
        return ""
    where = f" when {' is '.join(procedure.approval_for)}" if procedure.approval_for else ""
    return f"Another person has to approve it{where}."


def _parameter(one: Input) -> Members:
    choices = {"allowedValues": ["true", "false"]} if one.name == "DryRun" else {"allowedPattern": one.pattern}
    default = {} if one.default is None else {"default": one.default}
    return {"type": "String", "description": f"{one.what} Such as: {one.example}", **default, **choices}


def _told(procedure: Procedure) -> Iterator[str]:
    """The steps whose answers are the document's outputs."""
    return (step.name for step in procedure.steps if isinstance(step, Call))


def _steps(procedure: Procedure, environment: Environment) -> Iterator[Members]:
    approved = procedure.changes and procedure.approval
    own = procedure.steps[0]
    first = "Begin" if procedure.changes else f"Until{own.name}" if isinstance(own, Until) else own.name
    loops: list[str] = []
    yield _call(procedure, environment, "Plan", "Says what would be done, or refuses.", procedure.plan_seconds)
    choices: list[Members] = [{"NextStep": "Record", "Variable": "{{ DryRun }}", "StringEquals": "true"}]
    if procedure.approval_for:
        name, value = procedure.approval_for
        choices.append({"NextStep": first, "Not": {"Variable": f"{{{{ {name} }}}}", "StringEquals": value}})
    yield {
        "name": "OnlyADryRun",
        "description": "A dry run ends here.",
        "action": "aws:branch",
        "inputs": {
            "Choices": choices,
            "Default": APPROVE if approved and environment.procedures.approvers else first,
        },
        **_TO_FAILED,
    }
    if approved and environment.procedures.approvers:
        yield _approve(procedure, environment)
    if procedure.changes:
        lock = {"keys": list(procedure.locks), "minutes": procedure.minutes}
        more = {"lock": lock, **({"approval": True} if approved else {})}
        if procedure.approval_for:
            more["approval_for"] = list(procedure.approval_for)
        what = "Takes the lock" + (", once somebody else has approved." if approved else ".")
        yield _call(procedure, environment, "Begin", what, 60, **more)
    for step in procedure.steps:
        yield _own(procedure, environment, step, loops)
        loops += [step.name] if isinstance(step, Until) else []
    end = _call(procedure, environment, "Record", "Records how it ended, and gives the lock back.", 60, **_after(loops))
    yield end | {"isEnd": True}
    end = _call(procedure, environment, "Failed", "Records why it failed, and gives the lock back.", 60)
    yield _without(end, _TO_FAILED) | {"isEnd": True}


def _after(loops: list[str]) -> Members:
    return {"after": list(loops)} if loops else {}


def _own(procedure: Procedure, environment: Environment, step: Step, loops: list[str]) -> Members:
    """One of the procedure's own steps, after these loops."""
    named = {"name": step.name, "description": step.what}
    match step:
        case Call():
            return _call(procedure, environment, step.name, step.what, step.seconds, **_after(loops))
        case Until():
            return _until(procedure, environment, step, loops)
        case Invoke():
            called = {
                "FunctionName": environment.function(step.function),
                "InvocationType": "Event",  # which waits where the function is running
                "InputPayload": {"source": procedure.name},
            }
            return {**named, **_invoke(called, 60), **_TO_FAILED}
        case Api():
            outputs = [
                {"Name": name, "Selector": selector, "Type": kind} for name, (selector, kind) in (step.outputs or {}).items()
            ]
            called = {"Service": step.service, "Api": step.api, **step.request(environment)}
            taken = {"outputs": outputs} if outputs else {}
            return {
                **named,
                "action": "aws:executeAwsApi",
                "timeoutSeconds": step.seconds,
                "inputs": called,
                **taken,
                **_TO_FAILED,
            }
        case Wait():
            called = {
                "Service": step.service,
                "Api": step.api,
                **step.request(environment),
                "PropertySelector": step.selector,
                "DesiredValues": list(step.values),
            }
            action = "aws:waitForAwsResourceProperty"
            return {**named, "action": action, "timeoutSeconds": step.seconds, "inputs": called, **_TO_FAILED}
        case Sleep():
            called = {"Duration": f"PT{step.span.total_seconds():.0f}S"}
            return {**named, "action": "aws:sleep", "inputs": called, **_TO_FAILED}
        case _:
            assert_never(step)


def _until(procedure: Procedure, environment: Environment, step: Until, loops: list[str]) -> Members:
    """A loop of the step and a sleep, as long as the step answers that it waits; after these loops.

    A round that fails is a round lost. What is in a loop may name no step outside it, and a loop has no onCancel: when a person
    cancels it, the lock ends by itself.
    https://docs.aws.amazon.com/systems-manager/latest/userguide/automation-action-loop.html
    """
    call = _call(procedure, environment, step.name, step.what, step.seconds, loop=True, **_after(loops))
    look = _without(call, _TO_FAILED) | {"onFailure": "Continue"}
    sleep = {
        "name": f"{step.name}Sleep",
        "action": "aws:sleep",
        "inputs": {"Duration": f"PT{step.every.total_seconds():.0f}S"},
    }
    return {
        "name": f"Until{step.name}",
        "description": step.what,
        "action": "aws:loop",
        "inputs": {
            "Steps": [sleep, look],
            "LoopCondition": {"Variable": f"{{{{ {step.name}.Payload }}}}", "Contains": WAITING},
            "MaxIterations": step.rounds,
        },
        "onFailure": "step:Failed",
    }


def _approve(procedure: Procedure, environment: Environment) -> Members:
    return {
        "name": APPROVE,
        "description": "Another person has to approve this.",
        "action": "aws:approve",
        "timeoutSeconds": APPROVAL_HOURS * 3600,
        "inputs": {
            "NotificationArn": environment.arn("sns", environment.approvals_topic),
            "Message": f"{procedure.name} in {environment.name} needs your approval. Why: {{{{ Reason }}}}. {procedure.effect} "
            "What it would do now: {{ Plan.Payload }} Whoever started it may not approve it.",
            "MinRequiredApprovals": 1,
            "Approvers": list(environment.procedures.approvers),
        },
        **_TO_FAILED,
    }


def _call(procedure: Procedure, environment: Environment, name: str, what: str, seconds: int, **more: Any) -> Members:
    """A step of the function `procedures`."""
    payload = {
        "procedure": procedure.name,
        "step": name,
        "execution": "{{ automation:EXECUTION_ID }}",
        "inputs": {one.name: f"{{{{ {one.name} }}}}" for one in inputs(procedure)},
        **more,
    }
    called = {"FunctionName": environment.function("procedures"), "InputPayload": payload}
    return {"name": name, "description": what, **_invoke(called, seconds), **_TO_FAILED}


def _without(members: Members, left_out: Mapping[str, Any]) -> Members:
    return {key: value for key, value in members.items() if key not in left_out}


def _invoke(called: Mapping[str, Any], seconds: int) -> Members:
    return {
        "action": "aws:invokeLambdaFunction",
        "timeoutSeconds": seconds,
        "maxAttempts": _ATTEMPTS,
        "inputs": dict(called),
    }


def _chained(steps: list[Members]) -> list[Members]:
    """The steps, each naming the next: nothing follows by its place alone."""
    for one, following in pairwise(steps):
        if "isEnd" not in one and one["action"] != "aws:branch":
            one["nextStep"] = following["name"]
    return steps
