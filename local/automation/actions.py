"""The actions of Automation: their inputs, outputs and time-outs, as AWS documents each.

https://docs.aws.amazon.com/systems-manager/latest/userguide/automation-actions.html, and the page of each action there.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

STEP = (
    "name", "action", "description", "inputs", "outputs", "maxAttempts", "timeoutSeconds",
    "onFailure", "onCancel", "isCritical", "isEnd", "nextStep",
)  # fmt: skip
"""The properties that all actions share."""


@dataclass(frozen=True)
class Input:
    """The input of an action: its data type, or `Any`, and the values that it takes, if these are a few."""

    kind: str
    required: bool = False
    values: tuple[str, ...] = ()


@dataclass(frozen=True)
class Action:
    """What an action takes and gives. `seconds` is its time-out, None when it has none; `longest` is what AWS lets it be.

    With `api`, it takes the inputs of an API operation as well. With `selects`, its outputs are the document's to choose.
    `not_run` are inputs that it has on AWS only.
    """

    inputs: Mapping[str, Input] = field(default_factory=dict)
    outputs: Mapping[str, str] = field(default_factory=dict)
    seconds: int | None = None
    longest: int | None = None
    api: bool = False
    selects: bool = False
    not_run: tuple[str, ...] = ()


_API = {"Service": Input("String", required=True), "Api": Input("String", required=True)}
_PROPERTY = {
    **_API,
    "PropertySelector": Input("String", required=True),
    "DesiredValues": Input("Any", required=True),
}

ACTIONS: Mapping[str, Action] = {
    "aws:approve": Action(
        {
            "NotificationArn": Input("String"),
            "Message": Input("String"),
            "MinRequiredApprovals": Input("Integer"),
            "Approvers": Input("StringList", required=True),
        },
        {"ApprovalStatus": "String", "ApproverDecisions": "MapList"},
        seconds=604_800,
        longest=2_592_000,
    ),
    "aws:assertAwsResourceProperty": Action(_PROPERTY, seconds=25, api=True, selects=True),
    "aws:branch": Action({"Choices": Input("Any", required=True), "Default": Input("String")}),
    "aws:executeAutomation": Action(
        {
            "DocumentName": Input("String", required=True),
            "DocumentVersion": Input("String"),
            "RuntimeParameters": Input("StringMap"),
        },
        {"Output": "StringList", "ExecutionId": "String", "Status": "String"},
        not_run=(
            "MaxConcurrency",
            "MaxErrors",
            "Tags",
            "TargetLocations",
            "TargetMaps",
            "TargetParameterName",
            "Targets",
        ),
    ),
    "aws:executeAwsApi": Action(_API, {"OutputPayload": "StringMap"}, seconds=25, api=True, selects=True),
    "aws:invokeLambdaFunction": Action(
        {
            "FunctionName": Input("String", required=True),
            "Qualifier": Input("String"),
            "InvocationType": Input("String", values=("Event", "RequestResponse", "DryRun")),
            "LogType": Input("String", values=("None", "Tail")),
            "ClientContext": Input("String"),
            "InputPayload": Input("StringMap"),
            "Payload": Input("String"),
        },
        {"StatusCode": "Integer", "FunctionError": "String", "LogResult": "String", "Payload": "String"},
        seconds=300,
        selects=True,
    ),
    "aws:loop": Action(
        {
            "Steps": Input("Any", required=True),
            "Iterators": Input("Any"),
            "IteratorDataType": Input("String", values=("Boolean", "Integer", "String", "StringMap")),
            "LoopCondition": Input("StringMap"),
            "MaxIterations": Input("Integer"),
        },
        {"CurrentIteration": "Integer", "CurrentIteratorValue": ""},
    ),
    "aws:pause": Action(),
    "aws:sleep": Action({"Duration": Input("String"), "Timestamp": Input("String")}),
    "aws:updateVariable": Action({"Name": Input("String", required=True), "Value": Input("Any", required=True)}),
    "aws:waitForAwsResourceProperty": Action(_PROPERTY, seconds=3600, api=True, selects=True),
}
"""Those that run here. An output without a data type has that of its input."""

NOT_RUN = {
    "aws:changeInstanceState", "aws:copyImage", "aws:createImage", "aws:createStack", "aws:createTags", "aws:deleteImage",
    "aws:deleteStack", "aws:executeScript", "aws:executeStateMachine", "aws:invokeWebhook", "aws:runCommand",
    "aws:runInstances",
}  # fmt: skip
"""AWS's other actions."""

NOT_AFTER_CANCEL = {
    "aws:approve", "aws:copyImage", "aws:createImage", "aws:createStack", "aws:createTags", "aws:pause", "aws:runInstances",
    "aws:sleep",
}  # fmt: skip
"""The actions that onCancel cannot move to."""

WITHOUT_CANCEL = {"aws:loop", "aws:updateVariable"}
"""The actions that have no onCancel."""

TEXT_OPERATIONS = ("StringEquals", "EqualsIgnoreCase", "StartsWith", "EndsWith", "Contains")
NUMBER_OPERATIONS = (
    "NumericEquals", "NumericGreater", "NumericLesser", "NumericGreaterOrEquals", "NumericLesserOrEquals",
)  # fmt: skip
OPERATIONS = (*TEXT_OPERATIONS, *NUMBER_OPERATIONS, "BooleanEquals")
"""What a choice compares with (https://docs.aws.amazon.com/systems-manager/latest/userguide/automation-branch-condition.html)."""

MOST_ROUNDS = 100
LONGEST_SLEEP = 604_799
