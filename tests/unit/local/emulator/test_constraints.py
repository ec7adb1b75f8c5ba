"""Requests that an operation's model does not allow are refused in AWS's words."""

from typing import Any

import pytest

from local.automation.apis import operation
from local.emulator.constraints import refusals

START = {"DocumentName": "restart", "Parameters": {"Reason": ["slow"]}}
ID = "00000000-0000-0000-0000-000000000000"


@pytest.mark.parametrize(
    ("name", "request_", "expected"),
    [
        ("StartAutomationExecution", START, []),
        (
            "StartAutomationExecution",
            {},
            ["Value null at 'documentName' failed to satisfy constraint: Member must not be null"],
        ),
        (
            "StartAutomationExecution",
            {**START, "Parameters": {"Reason": ["x" * 513]}},
            [
                f"Value '{'x' * 200}' at 'parameters.member.member' failed to satisfy constraint: "
                "Member must have length less than or equal to 512"
            ],
        ),
        (
            "StartAutomationExecution",
            {**START, "DocumentName": "a b c"},
            [
                "Value 'a b c' at 'documentName' failed to satisfy constraint: "
                "Member must satisfy regular expression pattern: ^[a-zA-Z0-9_\\-.:/]{3,128}$"
            ],
        ),
        (
            "StopAutomationExecution",
            {"AutomationExecutionId": ID, "Type": "Kill"},
            ["Value 'Kill' at 'type' failed to satisfy constraint: Member must satisfy enum value set: [Complete, Cancel]"],
        ),
        (
            "GetAutomationExecution",
            {"AutomationExecutionId": "1"},
            [
                "Value '1' at 'automationExecutionId' failed to satisfy constraint: "
                "Member must have length greater than or equal to 36"
            ],
        ),
        (
            "DescribeAutomationExecutions",
            {"MaxResults": 51},
            ["Value '51' at 'maxResults' failed to satisfy constraint: Member must have value less than or equal to 50"],
        ),
        ("DescribeAutomationExecutions", {"MaxResults": "many"}, ["MaxResults is no integer"]),
        ("DescribeAutomationExecutions", [], ["the request is no structure"]),
    ],
)
def test_what_the_model_does_not_allow_is_refused(name: str, request_: Any, expected: list[str]) -> None:
    model = operation("ssm", name)
    assert model
    assert list(refusals(model, request_)) == expected
