"""An execution of a procedure's document, as far as the function sees it: the steps that call it, with what they send.

The documents themselves are executed on the local cloud, in tests/local.
"""

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any
from uuid import uuid4

from procedures.catalog import procedure
from procedures.documents import document
from procedures.model import Procedure
from tests.environments import PRODUCTION
from tests.unit.lambdas.world import World

ADA = f"arn:aws:sts::{PRODUCTION.account}:assumed-role/on-call/ada"
BOB = f"arn:aws:sts::{PRODUCTION.account}:assumed-role/on-call/bob"
REASON = "Errors since the release"


class Started:
    """A procedure that somebody has started; each step is run when a test says so."""

    def __init__(self, aws: World, what: str | Procedure, *, by: str = ADA, dry_run: bool = False, **inputs: str) -> None:
        self.aws = aws
        self.procedure = procedure(what) if isinstance(what, str) else what
        self.document = document(self.procedure, PRODUCTION)
        self.id = str(uuid4())
        given = {"DryRun": str(dry_run).lower(), "Reason": REASON, **inputs}
        defaults = {name: one["default"] for name, one in self.document["parameters"].items() if "default" in one}
        self.inputs = {**defaults, **given}
        assert self.inputs.keys() == self.document["parameters"].keys()
        self.execution = aws.executions[self.id] = {
            "AutomationExecutionId": self.id,
            "DocumentName": PRODUCTION.document(self.procedure.name),
            "AutomationExecutionStatus": "InProgress",
            "ExecutedBy": by,
            "Parameters": {name: [value] for name, value in given.items()},
            "StepExecutions": [],
        }

    def event(self, step: str) -> dict[str, Any]:
        """What the document sends for a step."""
        (found,) = (one for one in _steps(self.document["mainSteps"]) if one["name"] == step)
        values = {**self.inputs, "automation:EXECUTION_ID": self.id}
        text = re.sub(r"\{\{ ([\w:]+) \}\}", lambda match: values[match[1]], json.dumps(found["inputs"]["InputPayload"]))
        event: dict[str, Any] = json.loads(text)
        return event

    def begin(self, step: str) -> dict[str, Any]:
        """The execution comes to a step."""
        begun = {"StepName": step, "StepStatus": "InProgress", "ExecutionStartTime": self.aws.now}
        self.execution["StepExecutions"].append(begun)
        return begun

    def step(self, name: str) -> dict[str, str]:
        """Run a step of the function; its answer, or what it raises."""
        begun = self.begin(name)
        try:
            answer = self.aws.procedure(self.event(name))
        except Exception as error:
            begun |= {"StepStatus": "Failed", "FailureMessage": f"Lambda function returned an error: {error}"}
            raise
        begun["StepStatus"] = "Success"
        return answer

    def steps(self, *names: str) -> str:
        """Run steps one after another; what the last one said."""
        return [self.step(name) for name in names][-1]["said"]

    def approved(self, by: str = BOB, comment: str = "") -> None:
        """Somebody approves it."""
        decision = json.dumps({"approver": by, "decision": "Approved", "comment": comment})
        outputs = {"ApprovalStatus": ["Approved"], "ApproverDecisions": [decision]}
        self.execution["StepExecutions"].append({"StepName": "Approve", "StepStatus": "Success", "Outputs": outputs})

    def ends(self, status: str = "Success") -> None:
        """The execution has ended."""
        self.execution["AutomationExecutionStatus"] = status

    @property
    def record(self) -> Mapping[str, Any]:
        """What the table of incidents has of it."""
        return self.aws.items()[f"procedure#{self.id}"]


def _steps(steps: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    for step in steps:
        yield step
        yield from _steps(step["inputs"].get("Steps", []))
