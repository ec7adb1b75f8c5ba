"""An on-call engineer's desk on a deployed cloud: procedures are started by one person, and approved by another."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import boto3

from local.cloud import Cloud

ENDED = ("Success", "Failed", "TimedOut", "Cancelled")


@dataclass(frozen=True)
class Ran:
    """An execution that has ended: its status, what each step said last, and all that the API shows of it."""

    status: str
    said: Mapping[str, str]
    all: Mapping[str, Any]


class Desk:
    """Starts procedures, approves them, and lets time pass until they have ended."""

    def __init__(self, cloud: Cloud) -> None:
        self.cloud, self.ssm = cloud, cloud.client("ssm")
        starter, second = self._keys("starter"), self._keys("second")
        self.starter = self._client("ssm", **starter)
        session = self._client("sts", **second).assume_role(RoleArn=self._approvers(), RoleSessionName="second")["Credentials"]
        self._approver = self._client(
            "ssm",
            aws_access_key_id=session["AccessKeyId"],
            aws_secret_access_key=session["SecretAccessKey"],
            aws_session_token=session["SessionToken"],
        )

    def _keys(self, name: str) -> dict[str, str]:
        """Of a new user who may do everything."""
        iam = self.cloud.client("iam")
        iam.create_user(UserName=name)
        iam.put_user_policy(UserName=name, PolicyName="all", PolicyDocument=_allowing("*"))
        keys = iam.create_access_key(UserName=name)["AccessKey"]
        return {"aws_access_key_id": keys["AccessKeyId"], "aws_secret_access_key": keys["SecretAccessKey"]}

    def _approvers(self) -> str:
        """The ARN of the role that the environment names as the approvers', which the account's people may take."""
        iam, arn = self.cloud.client("iam"), self.cloud.environment.procedures.approvers[0]
        trusted = {"Effect": "Allow", "Principal": {"AWS": arn.partition(":role")[0] + ":root"}, "Action": "sts:AssumeRole"}
        trust = json.dumps({"Version": "2012-10-17", "Statement": [trusted]})
        iam.create_role(RoleName=arn.rpartition("/")[2], AssumeRolePolicyDocument=trust)
        policy = _allowing("ssm:SendAutomationSignal")
        iam.put_role_policy(RoleName=arn.rpartition("/")[2], PolicyName="approve", PolicyDocument=policy)
        return arn

    def _client(self, service: Any, **keys: str) -> Any:
        return boto3.client(service, endpoint_url=self.cloud.endpoint, region_name=self.cloud.environment.region, **keys)

    def run(self, procedure: str, *, dry_run: bool = False, approve: str = "Approve", **inputs: str) -> Ran:
        """A procedure to its end."""
        document = self.cloud.environment.document(procedure)
        given = {"DryRun": str(dry_run).lower(), "Reason": "a test", **inputs}
        parameters = {name: [value] for name, value in given.items()}
        started = self.starter.start_automation_execution(DocumentName=document, Parameters=parameters)
        execution = started["AutomationExecutionId"]
        for _ in range(300):
            self.cloud.wait_until_idle(60)
            found = self.ssm.get_automation_execution(AutomationExecutionId=execution)["AutomationExecution"]
            if found["AutomationExecutionStatus"] in ENDED:
                return Ran(found["AutomationExecutionStatus"], _said(found), found)
            if found["AutomationExecutionStatus"] == "Waiting":
                self._approver.send_automation_signal(AutomationExecutionId=execution, SignalType=approve)
            else:
                self.cloud.advance(timedelta(minutes=5))
        raise AssertionError(f"{procedure} does not end: {found['AutomationExecutionStatus']}")


def _said(found: Mapping[str, Any]) -> dict[str, str]:
    said = {}
    for step in found["StepExecutions"]:
        for payload in step.get("Outputs", {}).get("Payload", ()):
            try:
                said[step["StepName"]] = str(json.loads(payload)["said"])
            except (ValueError, KeyError, TypeError):
                continue
    return said


def _allowing(action: str) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": action, "Resource": "*"}]})
