"""Automation in the local cloud, as the AWS SDK's user sees it: documents, executions under roles, time, people, and failures."""

import contextlib
import itertools
import json
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError, ParamValidationError, WaiterError

from local.cloud import Cloud
from tests.environments import CONFIG, PRODUCTION
from tests.local.emulator.conftest import create_function
from tests.local.processes import gone
from tests.local.shell import Shell

MakeFunction = Callable[..., str]
Step = Mapping[str, Any]

_numbers = itertools.count()
ACCOUNT, REGION = PRODUCTION.account, PRODUCTION.region
TRUST = {
    "Version": "2012-10-17",
    "Statement": [{"Effect": "Allow", "Principal": {"Service": "ssm.amazonaws.com"}, "Action": "sts:AssumeRole"}],
}


def policy(*statements: Mapping[str, Any]) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", **one} for one in statements]})


def allowed(*actions: str, resource: str = "*") -> Mapping[str, Any]:
    return {"Action": list(actions), "Resource": resource}


@dataclass
class Runbooks:
    """Makes documents, roles and people on a cloud, each under a name of its own, and runs them."""

    cloud: Cloud
    made: list[str] = field(default_factory=list)

    @property
    def ssm(self) -> Any:
        return self.cloud.client("ssm")

    def role(self, *statements: Mapping[str, Any], trust: Mapping[str, Any] = TRUST) -> str:
        """The ARN of a role for automations."""
        name = f"automation-{next(_numbers)}"
        role = self.cloud.client("iam").create_role(RoleName=name, AssumeRolePolicyDocument=json.dumps(trust))["Role"]
        if statements:
            self.cloud.client("iam").put_role_policy(RoleName=name, PolicyName="p", PolicyDocument=policy(*statements))
        return str(role["Arn"])

    def person(self, *statements: Mapping[str, Any]) -> tuple[str, Any]:
        """A user with permissions: the name, and a client of Systems Manager with the user's keys."""
        name, iam = f"person-{next(_numbers)}", self.cloud.client("iam")
        iam.create_user(UserName=name)
        if statements:
            iam.put_user_policy(UserName=name, PolicyName="p", PolicyDocument=policy(*statements))
        keys = iam.create_access_key(UserName=name)["AccessKey"]
        client = boto3.client(
            "ssm",
            endpoint_url=self.cloud.endpoint,
            region_name=REGION,
            aws_access_key_id=keys["AccessKeyId"],
            aws_secret_access_key=keys["SecretAccessKey"],
        )
        return name, client

    def document(self, *steps: Step, role: str = "", **top: Any) -> str:
        """The name of a document with these steps."""
        name = f"document-{next(_numbers)}"
        content = {"schemaVersion": "0.3", "assumeRole": role, "mainSteps": [{"inputs": {}, **one} for one in steps], **top}
        self.ssm.create_document(Name=name, DocumentType="Automation", Content=json.dumps(content))
        return name

    def start(self, document: str, client: Any = None, **parameters: Sequence[str]) -> str:
        """The id of an execution that has ended, or waits for time or people."""
        given = {"Parameters": {name: list(texts) for name, texts in parameters.items()}} if parameters else {}
        execution = (client or self.ssm).start_automation_execution(DocumentName=document, **given)["AutomationExecutionId"]
        self.cloud.wait_until_idle()
        return str(execution)

    def run(self, *steps: Step, role: str = "", **top: Any) -> "Shown":
        """An execution of a document with these steps."""
        return self.shown(self.start(self.document(*steps, role=role, **top)))

    def shown(self, execution: str) -> "Shown":
        return Shown(self.ssm.get_automation_execution(AutomationExecutionId=execution)["AutomationExecution"])

    def later(self, execution: str, **time: float) -> "Shown":
        """The execution after a time."""
        self.cloud.advance(timedelta(**time))
        self.cloud.wait_until_idle()
        return self.shown(execution)


@dataclass(frozen=True)
class Shown:
    """What the API shows of an execution."""

    all: Mapping[str, Any]

    @property
    def id(self) -> str:
        return str(self.all["AutomationExecutionId"])

    @property
    def status(self) -> str:
        return str(self.all["AutomationExecutionStatus"])

    @property
    def failure(self) -> str:
        return str(self.all.get("FailureMessage", ""))

    @property
    def steps(self) -> dict[str, str]:
        return {one["StepName"]: one["StepStatus"] for one in self.all["StepExecutions"]}

    def step(self, name: str) -> Mapping[str, Any]:
        return next(one for one in self.all["StepExecutions"] if one["StepName"] == name)


@pytest.fixture
def runbooks(empty_cloud: Cloud) -> Runbooks:
    return Runbooks(empty_cloud)


def error(raised: pytest.ExceptionInfo[ClientError]) -> tuple[str, str]:
    answer = raised.value.response["Error"]
    return answer["Code"], answer["Message"]


def api(name: str, service: str, operation: str, /, **inputs: Any) -> dict[str, Any]:
    return {"name": name, "action": "aws:executeAwsApi", "inputs": {"Service": service, "Api": operation, **inputs}}


def put(name: str, parameter: str, value: str = "x") -> dict[str, Any]:
    return api(name, "ssm", "PutParameter", Name=parameter, Value=value, Type="String", Overwrite=True)


def sleep(name: str = "Sleep", duration: str = "PT1H") -> dict[str, Any]:
    return {"name": name, "action": "aws:sleep", "inputs": {"Duration": duration}}


def a_parameter() -> str:
    return f"/automation/{next(_numbers)}"


def value(cloud: Cloud, parameter: str) -> str | None:
    found = cloud.client("ssm").get_parameters(Names=[parameter])["Parameters"]
    return str(found[0]["Value"]) if found else None


# Documents


def test_a_document_is_kept_with_its_versions(runbooks: Runbooks) -> None:
    name, ssm = (
        runbooks.document(sleep(), parameters={"A": {"type": "String", "description": "what", "default": "b"}}),
        runbooks.ssm,
    )
    content = json.dumps({"schemaVersion": "0.3", "description": "second", "mainSteps": [sleep()]})
    updated = ssm.update_document(Name=name, Content=content, DocumentVersion="$LATEST")["DocumentDescription"]
    assert (updated["DocumentVersion"], updated["DefaultVersion"]) == ("2", "1")
    described = ssm.describe_document(Name=name)["Document"]
    assert described["Parameters"] == [{"Name": "A", "Type": "String", "Description": "what", "DefaultValue": "b"}]
    ssm.update_document_default_version(Name=name, DocumentVersion="2")
    assert json.loads(ssm.get_document(Name=name)["Content"])["description"] == "second"
    assert [one["DocumentVersion"] for one in ssm.list_document_versions(Name=name)["DocumentVersions"]] == ["2", "1"]
    found = ssm.list_documents(Filters=[{"Key": "Name", "Values": [name]}, {"Key": "Owner", "Values": ["Self"]}])
    assert [one["Name"] for one in found["DocumentIdentifiers"]] == [name]
    ssm.delete_document(Name=name)
    with pytest.raises(ClientError) as refused:
        ssm.get_document(Name=name)
    assert error(refused)[0] == "InvalidDocument"


def test_yaml_is_a_document_too(runbooks: Runbooks) -> None:
    text = "schemaVersion: '0.3'\nmainSteps:\n- {name: Pause, action: 'aws:pause', inputs: {}}\n"
    name = f"document-{next(_numbers)}"
    runbooks.ssm.create_document(Name=name, DocumentType="Automation", DocumentFormat="YAML", Content=text)
    assert runbooks.ssm.get_document(Name=name, DocumentFormat="YAML")["Content"] == text
    assert json.loads(runbooks.ssm.get_document(Name=name)["Content"])["mainSteps"][0]["name"] == "Pause"


@pytest.mark.parametrize(
    ("changed", "code", "said"),
    [
        (
            {"Content": '{"schemaVersion": "0.3", "mainSteps": []}'},
            "InvalidDocumentContent",
            "mainSteps is a list of at least one step",
        ),
        ({"Content": "schemaVersion: '0.3'"}, "InvalidDocumentContent", "not JSON"),
        ({"Content": " " * 65_537}, "MaxDocumentSizeExceeded", "64 KB"),
        ({"Name": "AWS-Mine"}, "ValidationException", "AWS-Mine"),
        ({"Name": "x y"}, "ValidationException", "regular expression pattern"),
        ({"DocumentType": "Command"}, "ValidationException", "only documents of the type Automation"),
    ],
)
def test_a_document_that_aws_refuses_is_refused(runbooks: Runbooks, changed: dict[str, str], code: str, said: str) -> None:
    request = {
        "Name": "refused",
        "DocumentType": "Automation",
        "Content": json.dumps({"schemaVersion": "0.3", "mainSteps": [sleep()]}),
    }
    with pytest.raises(ClientError) as refused:
        runbooks.ssm.create_document(**request | changed)
    assert error(refused)[0] == code
    assert said in error(refused)[1]


def test_a_name_is_taken_once_and_a_version_says_something_new(runbooks: Runbooks) -> None:
    name = runbooks.document(sleep())
    content = runbooks.ssm.get_document(Name=name)["Content"]
    with pytest.raises(runbooks.ssm.exceptions.DocumentAlreadyExists):
        runbooks.ssm.create_document(Name=name, DocumentType="Automation", Content=content)
    with pytest.raises(runbooks.ssm.exceptions.DuplicateDocumentContent):
        runbooks.ssm.update_document(Name=name, Content=content)


# Executions


def test_steps_run_under_the_documents_role_and_each_call_is_recorded(runbooks: Runbooks) -> None:
    parameter = a_parameter()
    role = runbooks.role(allowed("ssm:PutParameter", resource=f"arn:aws:ssm:{REGION}:{ACCOUNT}:parameter{parameter}"))
    done = runbooks.run(put("Put", parameter, "of {{ automation:EXECUTION_ID }}"), role=role)
    assert (done.status, done.steps) == ("Success", {"Put": "Success"})
    assert value(runbooks.cloud, parameter) == f"of {done.id}"
    calls = runbooks.cloud.calls(role.rpartition("/")[2])
    assert [(call.service, call.action, call.allowed) for call in calls] == [("ssm", "PutParameter", True)]


def test_a_call_that_the_role_may_not_make_fails_the_step(runbooks: Runbooks) -> None:
    parameter, role = a_parameter(), runbooks.role()
    done = runbooks.run(put("Put", parameter), role=role)
    assert (done.status, done.steps) == ("Failed", {"Put": "Failed"})
    assert "AccessDeniedException" in done.failure
    assert done.failure.endswith("Please refer to Automation Service Troubleshooting Guide for more diagnosis details.")
    assert done.step("Put")["FailureDetails"] == {"FailureStage": "Invocation", "FailureType": "Permission"}
    assert value(runbooks.cloud, parameter) is None
    assert [call.allowed for call in runbooks.cloud.calls(role.rpartition("/")[2])] == [False]


OTHERS = {**TRUST["Statement"][0], "Principal": {"Service": "lambda.amazonaws.com"}}
ELSEWHERE = {**TRUST["Statement"][0], "Condition": {"StringEquals": {"aws:SourceAccount": "999999999999"}}}


@pytest.mark.parametrize("statement", [OTHERS, ELSEWHERE], ids=["another service", "another account"])
def test_a_role_that_does_not_trust_systems_manager_cannot_be_assumed(runbooks: Runbooks, statement: Mapping[str, Any]) -> None:
    document = runbooks.document(sleep(), role=runbooks.role(trust={**TRUST, "Statement": [statement]}))
    with pytest.raises(ClientError) as refused:
        runbooks.start(document)
    assert error(refused) == (
        "InvalidAutomationExecutionParametersException",
        "The defined assume role is unable to be assumed.",
    )


def test_a_role_that_trusts_the_executions_of_this_account_is_assumed(runbooks: Runbooks) -> None:
    condition = {
        "StringEquals": {"aws:SourceAccount": ACCOUNT},
        "ArnLike": {"aws:SourceArn": f"arn:aws:ssm:*:{ACCOUNT}:automation-execution/*"},
    }
    trust = {**TRUST, "Statement": [{**TRUST["Statement"][0], "Condition": condition}]}
    assert runbooks.run(sleep(duration="PT0S"), role=runbooks.role(trust=trust)).status == "Success"


def test_without_a_role_an_automation_acts_as_who_started_it(runbooks: Runbooks) -> None:
    parameter = a_parameter()
    document = runbooks.document(put("Put", parameter))
    name, client = runbooks.person(allowed("ssm:StartAutomationExecution", "ssm:PutParameter"))
    done = runbooks.shown(runbooks.start(document, client))
    assert (done.status, done.all["ExecutedBy"]) == ("Success", f"arn:aws:iam::{ACCOUNT}:user/{name}")
    assert "PutParameter" in [call.action for call in runbooks.cloud.calls(name)]


def test_who_starts_an_automation_has_to_be_allowed_to_pass_its_role(runbooks: Runbooks) -> None:
    role = runbooks.role()
    document = runbooks.document(
        sleep(duration="PT0S"), role="{{ Role }}", parameters={"Role": {"type": "AWS::IAM::Role::Arn"}}
    )
    start = allowed("ssm:StartAutomationExecution")
    _, client = runbooks.person(start)
    with pytest.raises(ClientError) as refused:
        runbooks.start(document, client, Role=[role])
    assert f"is not authorized to perform: iam:PassRole on resource: {role}" in error(refused)[1]
    to_others = {**allowed("iam:PassRole"), "Condition": {"StringEquals": {"iam:PassedToService": "lambda.amazonaws.com"}}}
    with pytest.raises(ClientError, match="iam:PassRole"):
        runbooks.start(document, runbooks.person(start, to_others)[1], Role=[role])
    passing = {
        **allowed("iam:PassRole", resource=role),
        "Condition": {"StringEquals": {"iam:PassedToService": "ssm.amazonaws.com"}},
    }
    assert runbooks.start(document, runbooks.person(start, passing)[1], Role=[role])


def test_who_makes_a_document_with_a_role_has_to_be_allowed_to_pass_it(runbooks: Runbooks) -> None:
    role = runbooks.role()
    content = json.dumps({"schemaVersion": "0.3", "assumeRole": role, "mainSteps": [sleep()]})
    _, client = runbooks.person(allowed("ssm:CreateDocument"))
    with pytest.raises(ClientError, match="iam:PassRole"):
        client.create_document(Name=f"document-{next(_numbers)}", DocumentType="Automation", Content=content)


@pytest.mark.parametrize("missing", ["automation-definition", "document", "automation-execution"])
def test_starting_needs_the_definition_the_document_and_the_execution(runbooks: Runbooks, missing: str) -> None:
    document, prefix = runbooks.document(sleep(duration="PT0S")), f"arn:aws:ssm:{REGION}:{ACCOUNT}"
    resources = {
        "automation-definition": f"{prefix}:automation-definition/{document}:$DEFAULT",
        "document": f"{prefix}:document/{document}",
        "automation-execution": f"{prefix}:automation-execution/*",
    }
    statements = {kind: allowed("ssm:StartAutomationExecution", resource=arn) for kind, arn in resources.items()}
    assert runbooks.start(document, runbooks.person(*statements.values())[1])
    del statements[missing]
    with pytest.raises(ClientError) as refused:
        runbooks.start(document, runbooks.person(*statements.values())[1])
    assert f"ssm:StartAutomationExecution on resource: {resources[missing]}" in error(refused)[1]


INPUTS = {"Count": {"type": "Integer", "default": 1}, "Name": {"type": "String", "allowedPattern": "^[a-z]+$"}}


@pytest.mark.parametrize(
    ("parameters", "said"),
    [
        ({}, "The parameter Name is required and has no default."),
        ({"Name": ["a"], "Other": ["b"]}, "Unknown parameters: Other."),
        ({"Name": ["A"]}, "The value A of the parameter Name does not match ^[a-z]+$."),
        ({"Name": ["a", "b"]}, "it needs one value, not 2"),
        ({"Name": ["a"], "Count": ["many"]}, "The parameter Count is an Integer: many is no Integer."),
    ],
)
def test_parameters_that_do_not_fit_are_refused(runbooks: Runbooks, parameters: dict[str, Sequence[str]], said: str) -> None:
    document = runbooks.document(sleep(), parameters=INPUTS)
    with pytest.raises(ClientError) as refused:
        runbooks.start(document, **parameters)
    assert error(refused)[0] == "InvalidAutomationExecutionParametersException"
    assert said in error(refused)[1]


def test_a_value_has_at_most_512_characters(runbooks: Runbooks) -> None:
    document = runbooks.document(sleep(), parameters=INPUTS)
    with pytest.raises(ClientError) as refused:
        runbooks.start(document, Name=["a" * 513])
    assert error(refused)[0] == "ValidationException"
    assert "length less than or equal to 512" in error(refused)[1]
    with pytest.raises(ParamValidationError):
        runbooks.start(document, Name=[""])


def test_unknown_documents_versions_executions_and_steps_have_aws_errors(runbooks: Runbooks) -> None:
    ssm, none = runbooks.ssm, "00000000-0000-0000-0000-000000000000"
    document = runbooks.document({"name": "Pause", "action": "aws:pause"})
    execution = runbooks.start(document)
    for code, call in {
        "AutomationDefinitionNotFoundException": lambda: ssm.start_automation_execution(DocumentName="nothing"),
        "AutomationDefinitionVersionNotFoundException": lambda: ssm.start_automation_execution(
            DocumentName=document, DocumentVersion="7"
        ),
        "AutomationExecutionNotFoundException": lambda: ssm.get_automation_execution(AutomationExecutionId=none),
        "AutomationStepNotFoundException": lambda: ssm.send_automation_signal(
            AutomationExecutionId=execution, SignalType="Resume", Payload={"StepName": ["Other"]}
        ),
        "InvalidAutomationSignalException": lambda: ssm.send_automation_signal(
            AutomationExecutionId=execution, SignalType="Approve"
        ),
    }.items():
        with pytest.raises(ClientError) as refused:
            call()
        assert error(refused)[0] == code


def test_a_client_token_starts_once(runbooks: Runbooks) -> None:
    document, token = runbooks.document(sleep(duration="PT0S")), "0f0f0f0f-0000-4000-8000-" + f"{next(_numbers):012d}"
    first, second = (runbooks.ssm.start_automation_execution(DocumentName=document, ClientToken=token) for _ in range(2))
    assert first["AutomationExecutionId"] == second["AutomationExecutionId"]
    with pytest.raises(runbooks.ssm.exceptions.IdempotentParameterMismatch):
        runbooks.ssm.start_automation_execution(DocumentName=document, ClientToken=token, DocumentVersion="1")


def test_executions_and_their_steps_are_listed(runbooks: Runbooks) -> None:
    document = runbooks.document(sleep("First", "PT0S"), sleep("Second"))
    execution = runbooks.start(document)
    listed = runbooks.ssm.describe_automation_executions(Filters=[{"Key": "DocumentNamePrefix", "Values": [document]}])
    found = listed["AutomationExecutionMetadataList"]
    assert [(one["AutomationExecutionId"], one["CurrentStepName"]) for one in found] == [(execution, "Second")]
    steps = runbooks.ssm.describe_automation_step_executions(
        AutomationExecutionId=execution, Filters=[{"Key": "StepExecutionStatus", "Values": ["InProgress"]}]
    )
    assert [one["StepName"] for one in steps["StepExecutions"]] == ["Second"]


def test_a_functions_answer_becomes_outputs(runbooks: Runbooks, make_function: MakeFunction) -> None:
    name = f"automation-{next(_numbers)}"
    arn = make_function(name, "def handle(event, context):\n    return {'said': event['word'] + '!', 'count': 3}")
    role, parameter = runbooks.role(allowed("lambda:InvokeFunction", resource=arn), allowed("ssm:PutParameter")), a_parameter()
    invoke = {
        "name": "Ask",
        "action": "aws:invokeLambdaFunction",
        "inputs": {"FunctionName": name, "InputPayload": {"word": "{{ Word }}"}},
        "outputs": [
            {"Name": "said", "Selector": "$.Payload.said", "Type": "String"},
            {"Name": "count", "Selector": "$.Payload.count", "Type": "Integer"},
        ],
    }
    done = runbooks.run(
        invoke,
        put("Put", parameter, "{{ Ask.said }} {{ Ask.count }}"),
        role=role,
        parameters={"Word": {"type": "String", "default": "hello"}},
        outputs=["Ask.said"],
    )
    assert (done.status, done.all["Outputs"]) == ("Success", {"Ask.said": ["hello!"]})
    assert value(runbooks.cloud, parameter) == "hello! 3"


def test_an_error_of_a_function_fails_the_step_with_its_words(runbooks: Runbooks, make_function: MakeFunction) -> None:
    name = f"automation-{next(_numbers)}"
    make_function(name, "def handle(event, context):\n    raise ValueError('the service is locked')")
    invoke = {"name": "Ask", "action": "aws:invokeLambdaFunction", "inputs": {"FunctionName": name}}
    done = runbooks.run(invoke, role=runbooks.role(allowed("lambda:InvokeFunction")))
    assert done.status == "Failed"
    assert "the service is locked" in done.failure


def test_a_default_from_parameter_store_is_read_as_the_role(runbooks: Runbooks) -> None:
    source, target = a_parameter(), a_parameter()
    runbooks.ssm.put_parameter(Name=source, Value="kept", Type="String")
    steps, inputs = [put("Put", target, "{{ In }}")], {"In": {"type": "String", "default": f"{{{{ ssm:{source} }}}}"}}
    role = runbooks.role(allowed("ssm:PutParameter", "ssm:GetParameter"))
    assert runbooks.run(*steps, role=role, parameters=inputs).status == "Success"
    assert value(runbooks.cloud, target) == "kept"
    with pytest.raises(ClientError, match="ssm:GetParameter"):
        runbooks.run(*steps, role=runbooks.role(allowed("ssm:PutParameter")), parameters=inputs)


# Time


def test_a_sleep_follows_the_clock(runbooks: Runbooks) -> None:
    execution = runbooks.start(runbooks.document(sleep(duration="PT1H")))
    assert runbooks.shown(execution).status == "InProgress"
    assert runbooks.later(execution, minutes=50).status == "InProgress"
    assert runbooks.later(execution, minutes=11).status == "Success"


def waiting(parameter: str, **more: Any) -> dict[str, Any]:
    inputs = {"Service": "ssm", "Api": "GetParameter", "Name": parameter, "PropertySelector": "$.Parameter.Value"}
    return {
        "name": "Wait",
        "action": "aws:waitForAwsResourceProperty",
        "inputs": {**inputs, "DesiredValues": ["ready"]},
        **more,
    }


def test_a_wait_looks_again_until_the_property_is_as_desired(runbooks: Runbooks) -> None:
    parameter = a_parameter()
    runbooks.ssm.put_parameter(Name=parameter, Value="making", Type="String")
    execution = runbooks.start(runbooks.document(waiting(parameter)))
    assert runbooks.later(execution, minutes=5).status == "InProgress"
    runbooks.ssm.put_parameter(Name=parameter, Value="ready", Type="String", Overwrite=True)
    assert runbooks.later(execution, minutes=1).status == "Success"


def test_a_wait_times_out(runbooks: Runbooks) -> None:
    parameter = a_parameter()
    runbooks.ssm.put_parameter(Name=parameter, Value="making", Type="String")
    execution = runbooks.start(runbooks.document(waiting(parameter, timeoutSeconds=600)))
    assert runbooks.later(execution, minutes=9).status == "InProgress"
    late = runbooks.later(execution, minutes=2)
    assert (late.status, late.steps) == ("TimedOut", {"Wait": "TimedOut"})


# People


def approval(*approvers: str, **more: Any) -> dict[str, Any]:
    inputs = {"Approvers": list(approvers), **more.pop("inputs", {})}
    return {"name": "Approve", "action": "aws:approve", "inputs": inputs, **more}


def signal(client: Any, execution: str, kind: str, comment: str = "fine") -> None:
    client.send_automation_signal(AutomationExecutionId=execution, SignalType=kind, Payload={"Comment": [comment]})


@pytest.fixture
def approver(runbooks: Runbooks) -> tuple[str, Any]:
    return runbooks.person(allowed("ssm:SendAutomationSignal"))


@pytest.mark.parametrize(("kind", "status", "shown"), [("Approve", "Success", "Approved"), ("Reject", "Failed", "Rejected")])
def test_an_approver_decides(runbooks: Runbooks, approver: tuple[str, Any], kind: str, status: str, shown: str) -> None:
    name, client = approver
    execution = runbooks.start(runbooks.document(approval(name)))
    assert runbooks.shown(execution).status == "Waiting"
    signal(client, execution, kind)
    runbooks.cloud.wait_until_idle()
    done = runbooks.shown(execution)
    outputs = done.step("Approve")["Outputs"]
    assert (done.status, outputs["ApprovalStatus"]) == (status, [shown])
    decision = json.loads(outputs["ApproverDecisions"][0])
    assert (decision["Approver"], decision["Decision"], decision["Comment"]) == (
        f"arn:aws:iam::{ACCOUNT}:user/{name}",
        kind,
        "fine",
    )


def test_nobody_else_decides_and_nobody_twice(runbooks: Runbooks, approver: tuple[str, Any]) -> None:
    (name, client), (other, _) = approver, runbooks.person()
    execution = runbooks.start(runbooks.document(approval(name, other, inputs={"MinRequiredApprovals": 2})))
    with pytest.raises(ClientError) as refused:
        signal(runbooks.ssm, execution, "Approve")
    assert error(refused)[0] == "InvalidAutomationSignalException"
    assert "is not one of the approvers" in error(refused)[1]
    signal(client, execution, "Approve")
    with pytest.raises(ClientError, match="has decided already"):
        signal(client, execution, "Approve")
    assert runbooks.shown(execution).status == "Waiting"


def test_a_session_of_an_approving_role_decides(runbooks: Runbooks) -> None:
    trust = {**TRUST, "Statement": [{**TRUST["Statement"][0], "Principal": {"AWS": f"arn:aws:iam::{ACCOUNT}:root"}}]}
    role = runbooks.role(allowed("ssm:SendAutomationSignal"), trust=trust)
    execution = runbooks.start(runbooks.document(approval(role)))
    keys = runbooks.cloud.client("sts").assume_role(RoleArn=role, RoleSessionName="night")["Credentials"]
    client = boto3.client(
        "ssm",
        endpoint_url=runbooks.cloud.endpoint,
        region_name=REGION,
        aws_access_key_id=keys["AccessKeyId"],
        aws_secret_access_key=keys["SecretAccessKey"],
        aws_session_token=keys["SessionToken"],
    )
    signal(client, execution, "Approve")
    runbooks.cloud.wait_until_idle()
    assert runbooks.shown(execution).status == "Success"


def test_an_approval_times_out(runbooks: Runbooks) -> None:
    execution = runbooks.start(runbooks.document(approval("somebody", timeoutSeconds=3600)))
    late = runbooks.later(execution, minutes=61)
    assert (late.status, late.steps) == ("TimedOut", {"Approve": "TimedOut"})


def test_approvers_are_asked_by_the_topic_as_the_role(runbooks: Runbooks) -> None:
    sns, sqs, number = runbooks.cloud.client("sns"), runbooks.cloud.client("sqs"), next(_numbers)
    topic = sns.create_topic(Name=f"Automation-{number}")["TopicArn"]
    queue = sqs.create_queue(QueueName=f"approvers-{number}")["QueueUrl"]
    arn = f"arn:aws:sqs:{REGION}:{ACCOUNT}:approvers-{number}"
    sqs.set_queue_attributes(
        QueueUrl=queue,
        Attributes={
            "Policy": policy({"Principal": {"Service": "sns.amazonaws.com"}, "Action": "sqs:SendMessage", "Resource": arn})
        },
    )
    sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=arn)
    asked = approval("somebody", inputs={"NotificationArn": topic, "Message": "restore the database"})
    execution = runbooks.start(runbooks.document(asked, role=runbooks.role(allowed("sns:Publish", resource=topic))))
    message = json.loads(sqs.receive_message(QueueUrl=queue)["Messages"][0]["Body"])
    assert "restore the database" in message["Message"]
    assert execution in message["Message"]
    assert runbooks.run(asked, role=runbooks.role()).status == "Failed"


def test_a_pause_ends_with_resume(runbooks: Runbooks) -> None:
    execution = runbooks.start(runbooks.document({"name": "Pause", "action": "aws:pause"}))
    assert runbooks.shown(execution).status == "Waiting"
    runbooks.ssm.send_automation_signal(AutomationExecutionId=execution, SignalType="Resume", Payload={"StepName": ["Pause"]})
    runbooks.cloud.wait_until_idle()
    assert runbooks.shown(execution).status == "Success"


def test_a_cancelled_automation_stops_and_goes_where_on_cancel_says(runbooks: Runbooks) -> None:
    parameter = a_parameter()
    document = runbooks.document(
        {**sleep(), "onCancel": "step:Undo"}, sleep("Never"), {**put("Undo", parameter, "undone"), "isEnd": True}
    )
    execution = runbooks.start(document)
    runbooks.ssm.stop_automation_execution(AutomationExecutionId=execution)
    runbooks.cloud.wait_until_idle()
    done = runbooks.shown(execution)
    assert (done.status, done.steps) == ("Cancelled", {"Sleep": "Cancelled", "Undo": "Success", "Never": "Pending"})
    assert value(runbooks.cloud, parameter) == "undone"
    with pytest.raises(runbooks.ssm.exceptions.InvalidAutomationStatusUpdateException):
        runbooks.ssm.stop_automation_execution(AutomationExecutionId=execution)


def test_eventbridge_is_told_of_each_status(runbooks: Runbooks) -> None:
    events, logs, group = (
        runbooks.cloud.client("events"),
        runbooks.cloud.client("logs"),
        f"/aws/events/statuses-{next(_numbers)}",
    )
    logs.create_log_group(logGroupName=group)
    document = runbooks.document(sleep())
    rule = group.rpartition("/")[2]
    events.put_rule(Name=rule, EventPattern=json.dumps({"source": ["aws.ssm"], "detail": {"Definition": [document]}}))
    events.put_targets(Rule=rule, Targets=[{"Id": "1", "Arn": f"arn:aws:logs:{REGION}:{ACCOUNT}:log-group:{group}"}])
    execution = runbooks.start(document)
    runbooks.later(execution, hours=2)
    told = [json.loads(one["message"]) for one in logs.filter_log_events(logGroupName=group)["events"]]
    assert {one["detail-type"] for one in told} == {"EC2 Automation Execution Status-change Notification"}
    statuses = [(one["detail"]["ExecutionId"], one["detail"]["Status"]) for one in told]
    assert statuses == [(execution, "InProgress"), (execution, "Success")]


# Failures on purpose


@pytest.mark.parametrize("kind", ["fail", "time out", "interrupt"])
@pytest.mark.parametrize("when", ["before", "after"])
def test_a_step_breaks_before_or_after_its_effect(runbooks: Runbooks, kind: str, when: str) -> None:
    parameter = a_parameter()
    document = runbooks.document(put("Put", parameter))
    runbooks.cloud.break_step(document, "Put", kind, when)
    broken = runbooks.shown(runbooks.start(document))
    status = {"fail": "Failed", "time out": "TimedOut", "interrupt": "Cancelled"}[kind]
    assert (broken.status, broken.steps) == (status, {"Put": status})
    assert (value(runbooks.cloud, parameter) is not None) is (when == "after")
    assert runbooks.shown(runbooks.start(document)).status == "Success"


def test_another_attempt_follows_a_broken_one(runbooks: Runbooks) -> None:
    document = runbooks.document({**put("Put", a_parameter()), "maxAttempts": 3})
    runbooks.cloud.break_step(document, "Put", "fail", times=2)
    assert runbooks.shown(runbooks.start(document)).status == "Success"


# Automations in automations, and many at once


def test_an_automation_runs_another_as_its_own_role(runbooks: Runbooks) -> None:
    parameter = a_parameter()
    inner = runbooks.document(put("Put", parameter), sleep(duration="PT10M"), outputs=["Put.OutputPayload"])
    role = runbooks.role(allowed("ssm:StartAutomationExecution", "ssm:GetAutomationExecution", "ssm:PutParameter"))
    outer = runbooks.start(
        runbooks.document({"name": "Inner", "action": "aws:executeAutomation", "inputs": {"DocumentName": inner}}, role=role)
    )
    assert runbooks.shown(outer).status == "InProgress"
    done = runbooks.later(outer, minutes=11)
    assert (done.status, done.step("Inner")["Outputs"]["Status"]) == ("Success", ["Success"])
    child = runbooks.shown(done.step("Inner")["Outputs"]["ExecutionId"][0])
    assert child.all["ParentAutomationExecutionId"] == outer
    assert value(runbooks.cloud, parameter) == "x"


def test_many_automations_run_at_once_while_the_cloud_answers(runbooks: Runbooks, make_function: MakeFunction) -> None:
    name = f"automation-{next(_numbers)}"
    make_function(name, "import time\ndef handle(event, context):\n    time.sleep(0.3)\n    return {}")
    invoke = {"name": "Ask", "action": "aws:invokeLambdaFunction", "inputs": {"FunctionName": name}}
    document = runbooks.document(invoke, role=runbooks.role(allowed("lambda:InvokeFunction")))
    started: list[str] = []
    starters = [threading.Thread(target=lambda: started.append(runbooks.start(document))) for _ in range(8)]
    for one in starters:
        one.start()
    for one in starters:
        one.join()
    assert [runbooks.shown(one).status for one in started] == ["Success"] * 8


def test_a_cloud_ends_while_automations_sleep_and_call() -> None:
    with Cloud.start(PRODUCTION, config=CONFIG) as cloud:
        runbooks = Runbooks(cloud)
        arn = create_function(cloud, "slow", "import time\ndef handle(event, context):\n    time.sleep(15)")
        document = runbooks.document(
            {"name": "Ask", "action": "aws:invokeLambdaFunction", "inputs": {"FunctionName": arn}},
            role=runbooks.role(allowed("lambda:InvokeFunction")),
        )
        runbooks.ssm.start_automation_execution(DocumentName=document)
        runbooks.start(runbooks.document(sleep()))
        group = cloud.process_group
    assert gone(group)


# As a person types it


def test_the_aws_cli_starts_shows_and_cancels_an_automation(runbooks: Runbooks, tmp_path: Path) -> None:
    document = runbooks.document(sleep(), parameters={"Reason": {"type": "String"}, "Tasks": {"type": "StringList"}})
    with Shell(runbooks.cloud, tmp_path) as shell:
        started = shell.run(
            f"aws ssm start-automation-execution --document-name {document} --query AutomationExecutionId --output text "
            "--parameters 'Reason=it is slow,Tasks=a,b'"
        ).strip()
        named = f"--automation-execution-id {started}"
        shown = f"aws ssm get-automation-execution {named} --query 'AutomationExecution.[AutomationExecutionStatus,Parameters]'"
        runbooks.cloud.wait_until_idle()
        assert json.loads(shell.run(shown)) == ["InProgress", {"Reason": ["it is slow"], "Tasks": ["a", "b"]}]
        shell.run(f"aws ssm stop-automation-execution {named}")
        runbooks.cloud.wait_until_idle()
        assert json.loads(shell.run(shown))[0] == "Cancelled"


# CloudFormation


def template(content: Mapping[str, Any], **properties: Any) -> str:
    document = {"Type": "AWS::SSM::Document", "Properties": {"Content": content, "DocumentType": "Automation", **properties}}
    return json.dumps({"Resources": {"Document": document}, "Outputs": {"Name": {"Value": {"Ref": "Document"}}}})


@pytest.fixture
def stack(runbooks: Runbooks) -> Any:
    """`stack(name, template)` makes or updates a stack and gives its status, its reason, and its outputs."""
    cloudformation = runbooks.cloud.client("cloudformation")

    def put(name: str, body: str) -> tuple[str, str, dict[str, str]]:
        exists = name in [one["StackName"] for one in cloudformation.describe_stacks()["Stacks"]]
        if exists:
            cloudformation.update_stack(StackName=name, TemplateBody=body)
        else:
            cloudformation.create_stack(StackName=name, TemplateBody=body)
        waiter = cloudformation.get_waiter("stack_update_complete" if exists else "stack_create_complete")
        with contextlib.suppress(WaiterError):  # its status says it
            waiter.wait(StackName=name, WaiterConfig={"Delay": 0.1, "MaxAttempts": 100})
        found = cloudformation.describe_stacks(StackName=name)["Stacks"][0]
        events = cloudformation.describe_stack_events(StackName=name)["StackEvents"]
        reasons = " ".join(one.get("ResourceStatusReason", "") for one in events)
        outputs = {one["OutputKey"]: one["OutputValue"] for one in found.get("Outputs", ())}
        return found["StackStatus"], reasons, outputs

    return put


def content(description: str, **more: Any) -> dict[str, Any]:
    return {"schemaVersion": "0.3", "description": description, "mainSteps": [sleep()], **more}


def test_a_stack_makes_updates_and_deletes_a_document(runbooks: Runbooks, stack: Any) -> None:
    name, ssm = f"stack-{next(_numbers)}", runbooks.ssm
    settings = {"Name": f"{name}-document", "UpdateMethod": "NewVersion", "DocumentFormat": "YAML"}
    assert stack(name, template(content("one"), **settings))[::2] == ("CREATE_COMPLETE", {"Name": f"{name}-document"})
    assert stack(name, template(content("two"), **settings))[0] == "UPDATE_COMPLETE"
    described = ssm.describe_document(Name=f"{name}-document")["Document"]
    assert (described["Description"], described["DefaultVersion"], described["LatestVersion"]) == ("two", "2", "2")
    runbooks.cloud.client("cloudformation").delete_stack(StackName=name)
    runbooks.cloud.client("cloudformation").get_waiter("stack_delete_complete").wait(
        StackName=name, WaiterConfig={"Delay": 0.1}
    )
    with pytest.raises(ssm.exceptions.InvalidDocument):
        ssm.describe_document(Name=f"{name}-document")


def test_a_document_with_a_name_of_its_own_is_not_replaced(stack: Any) -> None:
    name = f"stack-{next(_numbers)}"
    stack(name, template(content("one"), Name=f"{name}-document"))
    status, reasons, _ = stack(name, template(content("two"), Name=f"{name}-document"))
    assert status == "UPDATE_ROLLBACK_COMPLETE"
    assert "cannot update a stack when a custom-named resource requires replacing" in reasons


def test_a_document_without_a_name_is_replaced(runbooks: Runbooks, stack: Any) -> None:
    name = f"stack-{next(_numbers)}"
    _, _, first = stack(name, template(content("one")))
    status, _, second = stack(name, template(content("two")))
    assert status == "UPDATE_COMPLETE"
    assert first["Name"] != second["Name"]
    assert runbooks.ssm.describe_document(Name=second["Name"])["Document"]["Description"] == "two"
    with pytest.raises(runbooks.ssm.exceptions.InvalidDocument):
        runbooks.ssm.describe_document(Name=first["Name"])


def test_a_stack_with_a_bad_document_fails_with_the_reason(stack: Any) -> None:
    status, reasons, _ = stack(
        f"stack-{next(_numbers)}", template(content("one", mainSteps=[{**sleep(), "nextStep": "Nowhere"}]))
    )
    assert status == "ROLLBACK_COMPLETE"
    assert "there is no step Nowhere" in reasons
