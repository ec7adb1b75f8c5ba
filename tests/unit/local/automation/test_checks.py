"""Checking documents: each problem has its place and one sentence, and what AWS's own examples do is no problem."""

from collections.abc import Mapping
from typing import Any

import pytest

from local.automation import problems
from local.automation.actions import ACTIONS
from local.cloud import ROOT
from tests.unit.local.automation.builders import api, approve, automation, branch, function, output, said, sleep, wait

Content = Mapping[str, Any]


def with_inputs(step: dict[str, Any], **inputs: Any) -> dict[str, Any]:
    kept = {key: value for key, value in {**step["inputs"], **inputs}.items() if value is not None}
    return {**step, "inputs": kept}


def selecting(*outputs: Mapping[str, Any]) -> Content:
    return automation({**api("A"), "outputs": list(outputs)})


def loop(*steps: Any, name: str = "Loop", **inputs: Any) -> dict[str, Any]:
    return {"name": name, "action": "aws:loop", "inputs": {"Steps": list(steps), **inputs}}


FIRST = {"Variable": "{{ Kind }}", "StringEquals": "a"}
KINDS = {
    "Kind": {"type": "String"},
    "Count": {"type": "Integer", "default": 1},
    "Names": {"type": "StringList", "default": ["a"]},
}
LISTED = output("names", "$.services..serviceName", "StringList")


CLEAN: dict[str, Content] = {
    "calls": automation(
        {**api("A"), "outputs": [output("count", "$.services[0].desiredCount", "Integer")]},
        api("B", "ecs", "UpdateService", service="web", desiredCount="{{ A.count }}"),
        outputs=["A.count", "B.OutputPayload"],
    ),
    "method names": automation(
        api("A", "ecs", "describe_services", services=["a"]), api("B", "ecs", "describeServices", services=["a"])
    ),
    "role in a parameter": automation(
        sleep(), assumeRole="{{ Role }}", parameters={"Role": {"type": "AWS::IAM::Role::Arn", "default": ""}}
    ),
    "role of the account": automation(sleep(), assumeRole="arn:aws:iam::{{global:ACCOUNT_ID}}:role/automation"),
    "branches": automation(
        branch("Which", ("One", FIRST), ("Two", {"Not": {"Or": [FIRST, {"And": [FIRST, FIRST]}]}}), default="Two"),
        {**sleep("One"), "isEnd": True},
        {**sleep("Two"), "nextStep": "Three", "onFailure": "step:Three", "onCancel": "step:Undo"},
        {**sleep("Three"), "isEnd": True},
        api("Undo"),
        parameters=KINDS,
    ),
    "branch without default": automation(branch("Which", ("Two", FIRST)), sleep("One"), sleep("Two"), parameters=KINDS),
    "approval": automation(
        approve("A", "anna", "arn:aws:iam::123456789012:role/on-call", timeoutSeconds=2_592_000),
        with_inputs(approve("B"), NotificationArn="arn:aws:sns:eu-central-1:123456789012:Automation-x", Message="m"),
    ),
    "approvers from a list": automation(
        with_inputs(approve("A"), Approvers=["{{ Names }}"], MinRequiredApprovals=2), parameters=KINDS
    ),
    "function": automation(
        {
            **function(inputs={"InputPayload": {"a": "{{ Kind }}", "b": ["{{ Count }}"]}}),
            "outputs": [output("x", "$.Payload.x", "String")],
        },
        sleep(duration="{{ Ask.x }}"),
        parameters=KINDS,
    ),
    "waits": automation(wait(timeoutSeconds=60), wait("More", action="aws:assertAwsResourceProperty")),
    "boolean property": automation(
        with_inputs(wait(), PropertySelector="$.DBInstances[0].MultiAZ", DesiredValues=["True"]),
    ),
    "sleeps": automation(sleep(), {"name": "B", "action": "aws:sleep", "inputs": {"Timestamp": "2026-01-31T12:30:00Z"}}),
    "pause": automation({"name": "A", "action": "aws:pause", "inputs": {}}),
    "another automation": automation(
        {
            "name": "A",
            "action": "aws:executeAutomation",
            "inputs": {"DocumentName": "other", "RuntimeParameters": {"a": ["{{ Kind }}"]}},
        },
        parameters=KINDS,
        outputs=["A.Output"],
    ),
    "loop over a list": automation(
        {**api("A"), "outputs": [LISTED]},
        loop(
            api("Each", "ecs", "DescribeServices", services=["{{ Loop.CurrentIteratorValue }}"]),
            sleep(),
            Iterators="{{ A.names }}",
        ),
    ),
    "loop while": automation(
        loop(
            {**api("Each"), "outputs": [output("count", "$.services[0].runningCount", "Integer")]},
            LoopCondition={"Variable": "{{ Each.count }}", "NumericLesser": 2},
            MaxIterations=100,
        ),
    ),
    "variable": automation(
        {"name": "A", "action": "aws:updateVariable", "inputs": {"Name": "variable:seen", "Value": ["{{ Kind }}"]}},
        sleep(duration="{{ variable:time }}"),
        parameters=KINDS,
        variables={"seen": {"type": "StringList", "default": []}, "time": {"type": "String", "default": "PT1M"}},
    ),
    "a failure of any step is recorded": automation(
        {**function("Plan"), "onFailure": "step:Failed", "outputs": [output("said", "$.Payload.said", "String")]},
        {**function("Do"), "onFailure": "step:Failed", "isEnd": True},
        function("Failed", inputs={"InputPayload": {"planned": "{{ Plan.said }}"}}),
    ),
}


@pytest.mark.parametrize("name", CLEAN)
def test_a_good_document_has_no_problem(name: str) -> None:
    assert said(CLEAN[name]) == []


WRONG: dict[str, tuple[Content, list[str]]] = {
    "no schema": ({"mainSteps": []}, ["schemaVersion: schemaVersion is missing: an Automation document has '0.3'"]),
    "command document": (
        {"schemaVersion": "2.2", "mainSteps": [{"action": "aws:runShellScript"}]},
        ["schemaVersion: this is a document of schema 2.2, and only Automation documents, of schema 0.3, are checked"],
    ),
    "no steps": ({"schemaVersion": "0.3"}, ["mainSteps is a list of at least one step"]),
    "unknown section": (automation(sleep(), Outputs=[]), ["Outputs: a document has no property Outputs: it is outputs"]),
    "role": (
        automation(sleep(), assumeRole="admin"),
        ["assumeRole: assumeRole is the ARN of a role, or refers to a parameter"],
    ),
    "unknown role": (automation(sleep(), assumeRole="{{ R }}"), ["assumeRole: assumeRole refers to R, which is no parameter"]),
    "output of nothing": (automation(sleep(), outputs=["A.b"]), ["outputs[0]: there is no step A"]),
    "output without a step": (automation(sleep(), outputs=["x"]), ["outputs[0]: an output is a text such as Step.Output"]),
    "unknown output": (
        automation(api("A"), outputs=["A.b"]),
        ["outputs[0]: the step A has no output b: it has OutputPayload"],
    ),
    # Steps
    "step is text": (automation("x"), ["mainSteps[0]: a step is a map with name, action and inputs"]),  # type: ignore[arg-type]
    "no name": (automation({"action": "aws:pause", "inputs": {}}), ["mainSteps[0]: name is missing"]),
    "bad name": (
        automation({"name": "a-b", "action": "aws:pause", "inputs": {}}),
        ["mainSteps[0].name: the name of a step has only letters, digits and _, and 'a-b' has others"],
    ),
    "two of a name": (automation(sleep(), sleep()), ["mainSteps[1].name: there is another step Sleep"]),
    "unknown action": (
        automation({"name": "A", "action": "aws:rollDice", "inputs": {}}),
        ["mainSteps[0].action: Automation has no action aws:rollDice"],
    ),
    "action that does not run here": (
        automation({"name": "A", "action": "aws:executeScript", "inputs": {"Script": "{{ x }} {{.y}}"}}),
        ["mainSteps[0].action: aws:executeScript is not run on the local cloud"],
    ),
    "unknown property": (
        automation({**sleep(), "timeoutseconds": 5}),
        ["mainSteps[0].timeoutseconds: a step has no property timeoutseconds: it is timeoutSeconds"],
    ),
    "no inputs": (automation({"name": "A", "action": "aws:pause"}), ["mainSteps[0]: inputs is missing"]),
    "time-out": (
        automation({**sleep(), "timeoutSeconds": "soon"}),
        ["mainSteps[0].timeoutSeconds: timeoutSeconds is a number of 1 or more, not soon"],
    ),
    "attempts": (
        automation({**sleep(), "maxAttempts": 0}),
        ["mainSteps[0].maxAttempts: maxAttempts is a number of 1 or more, not 0"],
    ),
    "critical": (automation({**sleep(), "isCritical": "no"}), ["mainSteps[0].isCritical: isCritical is true or false"]),
    # The order of steps
    "next": (automation({**sleep(), "nextStep": "B"}), ["mainSteps[0].nextStep: there is no step B"]),
    "end and next": (
        automation({**sleep(), "isEnd": True, "nextStep": "Sleep"}),
        ["mainSteps[0].nextStep: a step has isEnd or nextStep, not both"],
    ),
    "on failure": (
        automation({**sleep(), "onFailure": "Retry"}),
        ["mainSteps[0].onFailure: onFailure is Abort, Continue or step:NAME, not Retry"],
    ),
    "on failure to nowhere": (
        automation({**sleep(), "onFailure": "step:B"}),
        ["mainSteps[0].onFailure: there is no step B"],
    ),
    "on cancel": (
        automation({**sleep(), "onCancel": "Continue"}),
        ["mainSteps[0].onCancel: onCancel is Abort or step:NAME, not Continue"],
    ),
    "on cancel to a sleep": (
        automation({**api("A"), "onCancel": "step:Sleep"}, sleep()),
        ["mainSteps[0].onCancel: onCancel cannot move to aws:sleep"],
    ),
    "on cancel of a loop": (
        automation({**loop(sleep("B"), Iterators=["a"]), "onCancel": "step:C"}, api("C")),
        ["mainSteps[0].onCancel: aws:loop has no onCancel"],
    ),
    "circle": (
        automation(sleep("A"), sleep("B"), {**sleep("C"), "nextStep": "A"}),
        ["mainSteps[0]: A comes after itself: Automation repeats steps only in aws:loop"],
    ),
    "circle of a failure": (
        automation({**sleep("A"), "onFailure": "step:A"}),
        ["mainSteps[0]: A comes after itself: Automation repeats steps only in aws:loop"],
    ),
    "never reached": (
        automation({**sleep("A"), "isEnd": True}, sleep("B")),
        ["mainSteps[1]: no step goes on to B"],
    ),
    # References
    "unknown parameter": (
        automation(sleep(duration="{{ Time }}")),
        ["mainSteps[0].inputs.Duration: there is no parameter Time"],
    ),
    "unknown step": (automation(sleep(duration="{{ A.x }}")), ["mainSteps[0].inputs.Duration: there is no step A"]),
    "undeclared output": (
        automation(api("A"), sleep(duration="{{ A.time }}")),
        ["mainSteps[1].inputs.Duration: the step A has no output time: it has OutputPayload"],
    ),
    "output of a later step": (
        automation(sleep(duration="{{ Ask.Payload }}"), function()),
        ["mainSteps[0].inputs.Duration: Ask cannot have run successfully before this step"],
    ),
    "output of the step itself": (
        automation(function(inputs={"Qualifier": "{{ Ask.Payload }}"})),
        ["mainSteps[0].inputs.Qualifier: Ask cannot have run successfully before this step"],
    ),
    "output of a step that failed": (
        automation(
            {**function("A"), "onFailure": "step:C", "nextStep": "B"},
            {**sleep("B"), "isEnd": True},
            sleep("C", duration="{{ A.Payload }}"),
        ),
        ["mainSteps[2].inputs.Duration: A cannot have run successfully before this step"],
    ),
    "parameter store in an input": (
        automation(sleep(duration="{{ ssm:/time }}")),
        ["mainSteps[0].inputs.Duration: ssm:/time can only be the default of a parameter"],
    ),
    "no reference": (
        automation(sleep(duration="{{ .Names }}")),
        ["mainSteps[0].inputs.Duration: {{ .Names }} is no reference to a parameter, an output or a variable"],
    ),
    "unknown variable": (
        automation(sleep(duration="{{ variable:x }}")),
        ["mainSteps[0].inputs.Duration: there is no variable x"],
    ),
    # APIs
    "service": (
        automation(api("A", "ECS", "DescribeServices", services=["a"])),
        ["mainSteps[0].inputs.Service: AWS's SDK has no service ECS: it is ecs"],
    ),
    "operation": (
        automation(api("A", "ecs", "DescribeService", services=["a"])),
        ["mainSteps[0].inputs.Api: ecs has no operation DescribeService"],
    ),
    "operation's case": (
        automation(api("A", "ecs", "describeservices", services=["a"])),
        ["mainSteps[0].inputs.Api: ecs has no operation describeservices"],
    ),
    "stream": (
        automation(api("A", "s3", "GetObject", Bucket="b", Key="k")),
        ["mainSteps[0].inputs.Api: aws:executeAwsApi cannot call s3 GetObject, which streams"],
    ),
    "missing input": (automation(api("A", "ecs", "UpdateService", cluster="c")), ["mainSteps[0].inputs: service is missing"]),
    "unknown input": (
        automation(api("A", "rds", "StopDBInstance", DBInstanceIdentifier="a", Now=True)),
        [
            "mainSteps[0].inputs.Now: there is no such input: StopDBInstanceMessage has DBInstanceIdentifier, DBSnapshotIdentifier"
        ],
    ),
    "input within": (
        automation(
            api(
                "A", "ecs", "UpdateService", service="a", deploymentConfiguration={"deploymentCircuitBreaker": {"enable": True}}
            )
        ),
        ["mainSteps[0].inputs.deploymentConfiguration.deploymentCircuitBreaker: rollback is missing"],
    ),
    "input of another type": (
        automation(api("A", "ecs", "UpdateService", service="a", desiredCount="two")),
        ["mainSteps[0].inputs.desiredCount: BoxedInteger takes an integer, not 'two'"],
    ),
    "parameter of another type": (
        automation(api("A", "ecs", "UpdateService", service="a", desiredCount="{{ Kind }}"), parameters=KINDS),
        ["mainSteps[0].inputs.desiredCount: {{ Kind }} is a String, and BoxedInteger takes an Integer"],
    ),
    # Outputs
    "output without type": (
        selecting({"Name": "x", "Selector": "$.services[0].status"}),
        ["mainSteps[0].outputs[0]: Type is missing: AWS converts silently to String"],
    ),
    "silent conversion": (
        selecting(output("x", "$.services[0].desiredCount", "String")),
        ["mainSteps[0].outputs[0].Type: $.services[0].desiredCount selects an Integer, which AWS silently makes a String"],
    ),
    "one of many": (
        selecting(output("x", "$.services..serviceName", "String")),
        ["mainSteps[0].outputs[0].Type: $.services..serviceName selects a StringList, which AWS silently makes a String"],
    ),
    "misspelled member": (
        selecting(output("x", "$.services[0].desired", "Integer")),
        [
            "mainSteps[0].outputs[0].Selector: $.services[0].desired selects nothing: there is no desired: Service has desiredCount"
        ],
    ),
    "index of no list": (
        selecting(output("x", "$.services.status", "String")),
        ["mainSteps[0].outputs[0].Selector: $.services.status selects nothing: there is no status: Services is a list"],
    ),
    "bad selector": (
        selecting(output("x", "services[0]", "StringMap")),
        ["mainSteps[0].outputs[0].Selector: the selector services[0] has to begin with $"],
    ),
    "unknown type": (
        selecting(output("x", "$.services", "List")),
        ["mainSteps[0].outputs[0].Type: Type is one of String, StringList, Integer, Boolean, MapList, StringMap, not List"],
    ),
    "two outputs of a name": (
        selecting(LISTED, LISTED),
        ["mainSteps[0].outputs[1].Name: there is another output names"],
    ),
    "outputs of a sleep": (
        automation({**sleep(), "outputs": [LISTED]}),
        ["mainSteps[0].outputs: aws:sleep has no outputs to select"],
    ),
    # Actions
    "missing input of an action": (
        automation({"name": "A", "action": "aws:invokeLambdaFunction", "inputs": {}}),
        ["mainSteps[0].inputs: aws:invokeLambdaFunction needs FunctionName"],
    ),
    "unknown input of an action": (
        automation(function(inputs={"Timeout": 5})),
        [
            "mainSteps[0].inputs.Timeout: aws:invokeLambdaFunction has no input Timeout, it has FunctionName, Qualifier, "
            "InvocationType, LogType, ClientContext, InputPayload, Payload"
        ],
    ),
    "value of an action": (
        automation(function(inputs={"InvocationType": "Async"})),
        ["mainSteps[0].inputs.InvocationType: InvocationType is one of Event, RequestResponse, DryRun, not Async"],
    ),
    "payload": (automation(function(inputs={"Payload": "{"})), ["mainSteps[0].inputs.Payload: Payload is not JSON"]),
    "many accounts": (
        automation({"name": "A", "action": "aws:executeAutomation", "inputs": {"DocumentName": "x", "TargetLocations": []}}),
        ["mainSteps[0].inputs.TargetLocations: TargetLocations of aws:executeAutomation is not run on the local cloud"],
    ),
    "topic": (
        automation(with_inputs(approve(), NotificationArn="arn:aws:sns:eu-central-1:123456789012:approvals")),
        [
            "mainSteps[0].inputs.NotificationArn: NotificationArn is the ARN of a topic whose name begins with Automation, not "
            "arn:aws:sns:eu-central-1:123456789012:approvals"
        ],
    ),
    "message": (
        automation(with_inputs(approve(), Message="x" * 4097)),
        ["mainSteps[0].inputs.Message: Message has at most 4096 characters"],
    ),
    "too few approvers": (
        automation(with_inputs(approve(), MinRequiredApprovals=2)),
        ["mainSteps[0].inputs.MinRequiredApprovals: 2 approvals of 1 approvers cannot be had"],
    ),
    "too many approvers": (
        automation(approve("A", *(f"p{number}" for number in range(11)))),
        ["mainSteps[0].inputs.Approvers: a step has 1 to 10 approvers"],
    ),
    "long approval": (
        automation(approve(timeoutSeconds=2_592_001)),
        ["mainSteps[0].timeoutSeconds: the longest time-out of aws:approve is 2592000 seconds"],
    ),
    "duration": (
        automation(sleep(duration="10 minutes")),
        ["mainSteps[0].inputs.Duration: 10 minutes is no ISO 8601 duration such as PT10M"],
    ),
    "long sleep": (automation(sleep(duration="P7D")), ["mainSteps[0].inputs.Duration: a step sleeps at most 604799 seconds"]),
    "two times": (
        automation(with_inputs(sleep(), Timestamp="2026-01-31T12:30:00Z")),
        ["mainSteps[0].inputs: aws:sleep has either Duration or Timestamp"],
    ),
    "boolean in small letters": (
        automation(with_inputs(wait(), PropertySelector="$.DBInstances[0].MultiAZ", DesiredValues=["true"])),
        ["mainSteps[0].inputs.DesiredValues[0]: a Boolean is compared with True or False, not with true"],
    ),
    "property": (
        automation(with_inputs(wait(), PropertySelector="$.DBInstances[0].Status")),
        [
            "mainSteps[0].inputs.PropertySelector: $.DBInstances[0].Status selects nothing: there is no Status: DBInstance has StatusInfos"
        ],
    ),
    "choice to nowhere": (
        automation(branch("A", ("B", FIRST)), parameters=KINDS),
        ["mainSteps[0].inputs.Choices[0].NextStep: there is no step B"],
    ),
    "operation of a choice": (
        automation(branch("A", ("B", {"Variable": "{{ Kind }}", "Equals": "x"})), sleep("B"), parameters=KINDS),
        [
            "mainSteps[0].inputs.Choices[0].Equals: there is no operation Equals, there are StringEquals, EqualsIgnoreCase, "
            "StartsWith, EndsWith, Contains, NumericEquals, NumericGreater, NumericLesser, NumericGreaterOrEquals, "
            "NumericLesserOrEquals, BooleanEquals"
        ],
    ),
    "choice of another type": (
        automation(branch("A", ("B", {"Variable": "{{ Count }}", "StringEquals": "1"})), sleep("B"), parameters=KINDS),
        ["mainSteps[0].inputs.Choices[0].Variable: StringEquals compares a String, and {{ Count }} is an Integer"],
    ),
    "operand of another type": (
        automation(branch("A", ("B", {"Variable": "{{ Count }}", "NumericEquals": "1"})), sleep("B"), parameters=KINDS),
        ["mainSteps[0].inputs.Choices[0].NumericEquals: NumericEquals compares with an Integer, not with 1"],
    ),
    "rounds": (
        automation(loop(sleep(), Iterators=["a"], MaxIterations=101)),
        ["mainSteps[0].inputs.MaxIterations: MaxIterations is 1 to 100"],
    ),
    "loop of nothing": (automation(loop(sleep())), ["mainSteps[0].inputs: a loop has either Iterators or LoopCondition"]),
    "loop in a loop": (
        automation(loop(loop(sleep(), name="Inner", Iterators=["a"]), Iterators=["a"])),
        ["mainSteps[0].inputs.Steps[0].action: a loop within a loop is not run on the local cloud"],
    ),
    "jump out of a loop": (
        automation(loop({**sleep(), "nextStep": "B"}, Iterators=["a"]), sleep("B")),
        ["mainSteps[0].inputs.Steps[0].nextStep: there is no step B in this loop"],
    ),
    "variable of another type": (
        automation(
            {"name": "A", "action": "aws:updateVariable", "inputs": {"Name": "variable:x", "Value": 1}},
            variables={"x": {"type": "String", "default": "a"}},
        ),
        ["mainSteps[0].inputs.Value: variable:x is a String"],
    ),
}


@pytest.mark.parametrize("name", WRONG)
def test_a_problem_has_its_place_and_one_sentence(name: str) -> None:
    content, expected = WRONG[name]
    assert said(content) == expected


def test_the_documentation_names_the_actions_that_run() -> None:
    text = (ROOT / "docs" / "local-cloud.md").read_text()
    named = text.partition("These actions run: ")[2].partition(". ")[0]
    assert named.replace("`", "").split(", ") == sorted(ACTIONS)


def test_problems_have_lines_and_come_in_order() -> None:
    text = "schemaVersion: '0.3'\nmainSteps:\n- name: A\n  action: aws:sleep\n  inputs:\n    Duration: soon\noutputs: [B.c]\n"
    assert [str(one) for one in problems(text)] == [
        "line 6, mainSteps[0].inputs.Duration: soon is no ISO 8601 duration such as PT10M",
        "line 7, outputs[0]: there is no step B",
    ]


def test_a_key_that_is_there_twice_is_a_problem() -> None:
    text = "schemaVersion: '0.3'\nmainSteps:\n- {name: A, action: 'aws:pause', inputs: {}, isEnd: true, isEnd: false}\n"
    assert [str(one) for one in problems(text)] == ["line 3, mainSteps[0].isEnd: this key is there twice"]
