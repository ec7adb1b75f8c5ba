"""Parameters: their rules, their defaults, and the values that start an execution."""

from typing import Any

import pytest

from local.automation.documents import document
from local.automation.parameters import ParameterError, given
from tests.unit.local.automation.builders import automation, said, sleep


def parameters(**declared: Any) -> dict[str, Any]:
    return automation(sleep(), parameters=declared)


@pytest.mark.parametrize(
    ("declared", "problem"),
    [
        ({}, "parameters.A: type is missing"),
        (
            {"type": "Number"},
            "parameters.A.type: a parameter is one of String, StringList, Integer, Boolean, MapList, StringMap or one of AWS's own types, not Number",
        ),
        ({"type": "String", "Default": "x"}, "parameters.A.Default: a parameter has no property Default: it is default"),
        ({"type": "Integer", "default": "5"}, 'parameters.A.default: the default of an Integer is not "5"'),
        ({"type": "Boolean", "default": "true"}, 'parameters.A.default: the default of a Boolean is not "true"'),
        ({"type": "String", "default": "c", "allowedValues": ["a", "b"]}, "parameters.A.default: the default is none of a, b"),
        (
            {"type": "String", "default": "B", "allowedPattern": "^[a-z]$"},
            "parameters.A.default: the default does not match ^[a-z]$",
        ),
        (
            {"type": "String", "default": "abc", "maxChars": 2},
            "parameters.A.default: the default has 3 chars, and maxChars is 2",
        ),
        (
            {"type": "StringList", "default": ["a"], "minItems": 2},
            "parameters.A.default: the default has 1 items, and minItems is 2",
        ),
        (
            {"type": "String", "allowedPattern": "("},
            "parameters.A.allowedPattern: allowedPattern is not a regular expression: missing ) at position 1",
        ),
        ({"type": "String", "minChars": "2"}, "parameters.A.minChars: minChars is a number of 0 or more"),
        ({"type": "String", "allowedValues": "a"}, "parameters.A.allowedValues: allowedValues is a list"),
    ],
)
def test_a_rule_that_cannot_hold_is_a_problem(declared: dict[str, Any], problem: str) -> None:
    assert said(parameters(A=declared)) == [problem]


@pytest.mark.parametrize(
    "declared",
    [
        {"type": "String", "default": "", "allowedPattern": "^[a-z]+$"},
        {"type": "String", "default": "{{ ssm:/a/b }}", "allowedPattern": "^[a-z]+$"},
        {"type": "AWS::IAM::Role::Arn", "description": "role", "displayType": "textfield"},
        {"type": "List<AWS::EC2::Instance::Id>", "default": ["i-1"], "maxItems": 3},
        {"type": "StringMap", "default": {"a": ["b"]}, "maxChars": 150},
    ],
)
def test_what_aws_shows_in_its_examples_is_no_problem(declared: dict[str, Any]) -> None:
    assert said(parameters(A=declared)) == []


def test_a_pattern_that_never_ends_is_given_up() -> None:
    declared = {"type": "String", "default": "a" * 60 + "!", "allowedPattern": "^(([a-z])+.)+[A-Z]([a-z])+$"}
    assert all("allowedPattern" in one or "match" in one for one in said(parameters(A=declared)))
    hopeless = {"type": "String", "default": "a" * 40 + "b", "allowedPattern": "^(a|a)*$"}
    assert said(parameters(A=hopeless))[0].startswith("parameters.A.default: the default ")


DECLARED = parameters(
    Count={"type": "Integer", "default": 1},
    Name={"type": "String", "allowedPattern": "^[a-z]+$", "maxChars": 5},
    Role={"type": "AWS::IAM::Role::Arn", "default": ""},
)


def test_values_are_given_or_defaults() -> None:
    assert given(document(DECLARED), {"Name": ["web"], "Count": ["2"]}) == {"Count": 2, "Name": "web", "Role": ""}


@pytest.mark.parametrize(
    ("texts", "sentence"),
    [
        ({}, "The parameter Name is required and has no default."),
        ({"Name": ["web"], "Nmae": ["x"]}, "Unknown parameters: Nmae. The document has Count, Name, Role."),
        ({"Name": ["Web"]}, "The value Web of the parameter Name does not match ^[a-z]+$."),
        ({"Name": ["website"]}, "The value website of the parameter Name has 7 chars, and maxChars is 5."),
        ({"Name": []}, "The parameter Name is a String: it needs one value, not 0."),
        ({"Name": ["web"], "Count": ["two"]}, "The parameter Count is an Integer: two is no Integer."),
        ({"Name": ["web"], "Role": ["admin"]}, "The parameter Role is the ARN of a role, not admin."),
    ],
)
def test_values_that_do_not_fit_are_refused(texts: dict[str, list[str]], sentence: str) -> None:
    with pytest.raises(ParameterError) as refused:
        given(document(DECLARED), texts)
    assert str(refused.value) == sentence
