"""Who is on call: starts procedures and approves those of others, as the pages for on-call and of the procedures say."""

import contextlib
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Literal

import boto3

from lambdas.common.record.store import Records
from local.cloud import Cloud, CloudError
from local.documents.procedures import policy

REASON = "A drill"
_OVER = ("Success", "Failed", "TimedOut", "Cancelled", "Rejected")
_STEP = timedelta(seconds=15)
_STEPS = 300
"""How long an execution is waited for."""


@dataclass(frozen=True)
class Execution:
    """How an execution stands: what is recorded of it, and all that Systems Manager shows of it."""

    record: Mapping[str, Any]
    shown: Mapping[str, Any]

    @property
    def id(self) -> str:
        return str(self.shown["AutomationExecutionId"])

    @property
    def status(self) -> str:
        return str(self.shown["AutomationExecutionStatus"])

    @property
    def over(self) -> bool:
        """Whether it has ended, well or not."""
        return self.status in _OVER

    @property
    def outputs(self) -> Mapping[str, list[str]]:
        return dict(self.shown["Outputs"])

    @property
    def steps(self) -> Mapping[str, str]:
        """What each step of the function said last, by its name."""
        return dict(self._said())

    @property
    def said(self) -> str:
        """What the last step said, as it is recorded; empty for an execution without a record."""
        return str(self.record.get("steps", [{"said": ""}])[-1]["said"])

    def _said(self) -> Iterator[tuple[str, str]]:
        for step in self.shown["StepExecutions"]:
            for payload in step.get("Outputs", {}).get("Payload", ()):
                with contextlib.suppress(ValueError, KeyError, TypeError):  # of another function, or of a call that failed
                    yield step["StepName"], str(json.loads(payload)["said"])


class Operator:
    """Somebody of the approvers' role, who may start, follow and approve the environment's procedures and see its incident, and
    nothing else. Where the environment names no approver, the role is one that may do the same and approve nothing."""

    def __init__(self, cloud: Cloud, name: str) -> None:
        role = next(iter(cloud.environment.procedures.approvers), cloud.environment.role_arn("operator"))
        _make_role(cloud, role)
        session = cloud.client("sts").assume_role(RoleArn=role, RoleSessionName=name)
        self.cloud, self.name = cloud, name
        self.arn = str(session["AssumedRoleUser"]["Arn"])
        self._keys = session["Credentials"]
        self.ssm = self.client("ssm")

    def client(self, service: str) -> Any:
        """A client of a service with the operator's permissions."""
        return self.cloud.client(service, self._keys)

    def start(self, procedure: str, *, dry_run: bool = False, reason: str = REASON, version: str = "", **inputs: str) -> str:
        """The id of an execution; it has come as far as it comes without time passing. `version` is the document's."""
        given = {"DryRun": str(dry_run).lower(), "Reason": reason, **inputs}
        answer = self.ssm.start_automation_execution(
            DocumentName=self.cloud.environment.document(procedure),
            Parameters={name: [value] for name, value in given.items()},
            **({"DocumentVersion": version} if version else {}),
        )
        self.cloud.wait_until_idle(120)
        return str(answer["AutomationExecutionId"])

    def follow(self, message: str, part: Literal["Procedure", "Acknowledge"] = "Procedure") -> Execution:
        """Start the procedure that a part of a message names, with the inputs that it names, and let time pass until it has
        ended."""
        ((document, given),) = re.findall(rf"\n{part}\n.* --document-name (\S+) --parameters '(.*)'", message)
        inputs = dict(re.findall(r'(\w+)="([^"]*)"', given))
        answer = self.ssm.start_automation_execution(
            DocumentName=document, Parameters={name: [value] for name, value in inputs.items()}
        )
        self.cloud.wait_until_idle(120)
        return self.end(str(answer["AutomationExecutionId"]))

    def signal(self, execution: str, kind: Literal["Approve", "Reject"]) -> None:
        """Approve or reject what waits for it."""
        comment = {"Comment": [f"by {self.name}"]}
        self.ssm.send_automation_signal(AutomationExecutionId=execution, SignalType=kind, Payload=comment)
        self.cloud.wait_until_idle(120)

    def look(self, execution: str) -> Execution:
        """How an execution stands."""
        shown = self.ssm.get_automation_execution(AutomationExecutionId=execution)["AutomationExecution"]
        return Execution(items(self.cloud).get_item(Key={"id": f"procedure#{execution}"}).get("Item", {}), shown)

    def end(self, execution: str, every: timedelta = _STEP) -> Execution:
        """Let time pass, so much between two looks, until an execution has ended; CloudError when it does not."""
        for _ in range(_STEPS):
            if (found := self.look(execution)).over:
                return found
            self.cloud.advance(every)
            self.cloud.wait_until_idle(120)
        raise CloudError(f"{execution} has not ended: it is {found.status}.")

    def run(self, procedure: str, *, dry_run: bool = False, **inputs: str) -> Execution:
        """Start a procedure, and let time pass until it has ended."""
        return self.end(self.start(procedure, dry_run=dry_run, **inputs))


def items(cloud: Cloud) -> Any:
    """The table of incidents, with the record of every execution."""
    return _table(cloud, cloud.environment.incidents_table)


def records(cloud: Cloud) -> Records:
    """The records of incidents."""
    return Records(_table(cloud, cloud.environment.records_table))


def _table(cloud: Cloud, name: str) -> Any:
    dynamodb = boto3.resource(
        "dynamodb",
        endpoint_url=cloud.endpoint,
        region_name=cloud.environment.region,
        aws_access_key_id="test",
        aws_secret_access_key="test",  # noqa: S106 - of the local cloud's administrator
    )
    return dynamodb.Table(name)


def _make_role(cloud: Cloud, role: str) -> None:
    """The role that the configuration names for approvers, with what docs/procedures.md says that it may do."""
    iam, name = cloud.client("iam"), role.rpartition("/")[2]
    people = f"arn:aws:iam::{cloud.environment.account}:root"
    trust = {"Effect": "Allow", "Principal": {"AWS": people}, "Action": "sts:AssumeRole"}
    with contextlib.suppress(iam.exceptions.EntityAlreadyExistsException):
        iam.create_role(RoleName=name, AssumeRolePolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": [trust]}))
    iam.put_role_policy(RoleName=name, PolicyName="procedures", PolicyDocument=json.dumps(policy(cloud.environment)))
