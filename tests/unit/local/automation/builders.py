"""Documents in a few words, and a world in which they run: APIs that answer from a table, and a clock."""

import itertools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from local.automation import problems
from local.automation.documents import document
from local.automation.execution import Execution
from local.automation.parameters import given
from local.automation.runs import CallError, Run

Step = dict[str, Any]
Answer = Callable[[Mapping[str, Any]], Any]

SYSTEM = {
    "global:ACCOUNT_ID": "123456789012",
    "global:REGION": "eu-central-1",
    "global:AWS_PARTITION": "aws",
    "automation:EXECUTION_ID": "the-execution",
}


def api(name: str, service: str = "ecs", operation: str = "DescribeServices", /, **inputs: Any) -> Step:
    """A step that calls an API; without inputs, one that needs none."""
    inputs = inputs or ({"services": ["web"]} if operation == "DescribeServices" else {})
    return {"name": name, "action": "aws:executeAwsApi", "inputs": {"Service": service, "Api": operation, **inputs}}


def output(name: str, selector: str, kind: str) -> dict[str, str]:
    return {"Name": name, "Selector": selector, "Type": kind}


def branch(name: str, *choices: tuple[str, Mapping[str, Any]], default: str = "") -> Step:
    made = [{"NextStep": target, **condition} for target, condition in choices]
    return {"name": name, "action": "aws:branch", "inputs": {"Choices": made, **({"Default": default} if default else {})}}


def sleep(name: str = "Sleep", duration: str = "PT1H") -> Step:
    return {"name": name, "action": "aws:sleep", "inputs": {"Duration": duration}}


def approve(name: str = "Approve", *approvers: str, **more: Any) -> Step:
    inputs = {"Approvers": list(approvers) or ["anna"], **more.pop("inputs", {})}
    return {"name": name, "action": "aws:approve", "inputs": inputs, **more}


def function(name: str = "Ask", **more: Any) -> Step:
    inputs = {"FunctionName": "procedures", **more.pop("inputs", {})}
    return {"name": name, "action": "aws:invokeLambdaFunction", "inputs": inputs, **more}


def wait(name: str = "Wait", **more: Any) -> Step:
    """A step that waits until a database is available."""
    inputs = {"Service": "rds", "Api": "DescribeDBInstances", "DBInstanceIdentifier": "db"}
    inputs |= {
        "PropertySelector": "$.DBInstances[0].DBInstanceStatus",
        "DesiredValues": ["available"],
        **more.pop("inputs", {}),
    }
    return {"name": name, "action": "aws:waitForAwsResourceProperty", "inputs": inputs, **more}


def automation(*steps: Step, **top: Any) -> dict[str, Any]:
    """A document with these steps."""
    return {"schemaVersion": "0.3", "mainSteps": list(steps), **top}


def said(content: str | Mapping[str, Any]) -> list[str]:
    """The problems of a document, each as its place and its sentence."""
    return [f"{one.place}: {one.sentence}" if one.place else one.sentence for one in problems(content)]


@dataclass
class World:
    """Where executions run. `answers` has what each operation answers, or does; `called` what was called, oldest first."""

    answers: dict[str, Any] = field(default_factory=dict)
    now: float = 1_000_000.0
    called: list[tuple[str, str, Mapping[str, Any]]] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)
    _ids: Any = field(default_factory=itertools.count)

    def call(self, step: str, service: str, operation: str, parameters: Mapping[str, Any], seconds: float) -> Any:
        self.called.append((step, f"{service}:{operation}", parameters))
        self.seconds.append(seconds)
        answer = self.answers.get(operation, {})
        if isinstance(answer, Exception):
            raise answer
        return answer(parameters) if callable(answer) else answer

    def start(self, content: Mapping[str, Any], **texts: Sequence[str]) -> Execution:
        """An execution of a document without problems, which has not begun."""
        assert said(content) == []
        read = document(content)
        values = given(read, {name: list(value) for name, value in texts.items()})
        return Execution(
            read,
            values,
            SYSTEM,
            id="the-execution",
            call=self.call,
            clock=lambda: self.now,
            new_id=lambda: str(next(self._ids)),
        )

    def go(self, execution: Execution) -> Execution:
        """Let an execution go on until it waits or has ended."""
        while execution.due(self.now):
            execution.proceed()
        return execution

    def run(self, content: Mapping[str, Any], **texts: Sequence[str]) -> Execution:
        return self.go(self.start(content, **texts))

    def after(self, execution: Execution, seconds: float) -> Execution:
        """The execution when time has passed."""
        self.now += seconds
        return self.go(execution)


def steps(execution: Execution) -> list[tuple[str, str]]:
    """The steps that ran or run, in order, each with its status."""
    return [(run.step.name, run.status) for run in execution.runs]


def last(execution: Execution, name: str) -> Run:
    return [run for run in execution.runs if run.step.name == name][-1]


def failing(times: int, then: Any = None) -> Answer:
    """An answer that is an error at first."""
    left = itertools.count(times, -1)

    def answer(_: Mapping[str, Any]) -> Any:
        if next(left) > 0:
            raise CallError("An error occurred (ThrottlingException) when calling it: slow down", "ThrottlingException")
        return then or {}

    return answer
