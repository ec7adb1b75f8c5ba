"""Data types, references, and the silent conversions between them."""

from typing import Any

import pytest

from local.automation.values import base, converted, is_a, listed, references, substituted, supplied

KNOWN = {"Name": "web", "Count": 3, "On": True, "Names": ["a", "b"], "Map": {"k": "v"}, "Step.Out": "x y"}


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("{{ Name }}", "web"),
        ("{{Count}}", 3),
        (" {{ Names }} ", ["a", "b"]),
        ("of {{ Name }}: {{ Count }} {{On}} {{ Names }} {{ Map }} {{ Step.Out }}", 'of web: 3 true ["a","b"] {"k":"v"} x y'),
        (["{{ Name }}", "c"], ["web", "c"]),
        (["{{ Names }}", "c"], ["a", "b", "c"]),
        ({"a": {"b": ["{{ Count }}"]}}, {"a": {"b": [3]}}),
        ("{ Name }", "{ Name }"),
        (7, 7),
    ],
)
def test_references_are_replaced_by_values(value: Any, expected: Any) -> None:
    assert substituted(value, KNOWN.__getitem__) == expected


def test_references_are_found_where_they_are() -> None:
    found = list(references({"a": ["x {{ B }} {{ C.d }}", {"e": "{{ f }}"}], "g": 1}))
    assert found == [(("a", 0), "B"), (("a", 0), "C.d"), (("a", 1, "e"), "f")]


@pytest.mark.parametrize(
    ("kind", "value", "expected"),
    [
        ("String", "a", "a"),
        ("String", 5, "5"),
        ("String", True, "true"),
        ("String", ["a", 1], '["a",1]'),
        ("String", {"a": 1}, '{"a":1}'),
        ("Integer", "12", 12),
        ("Integer", 12.0, 12),
        ("Boolean", "True", True),
        ("StringList", "a", ["a"]),
        ("StringList", [1, {"a": 2}], ["1", '{"a":2}']),
        ("StringMap", '{"a": 1}', {"a": 1}),
        ("MapList", '[{"a": 1}]', [{"a": 1}]),
    ],
)
def test_an_output_is_converted_silently(kind: str, value: Any, expected: Any) -> None:
    assert converted(kind, value) == expected


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        ("Integer", "many"),
        ("Integer", 1.5),
        ("Integer", [1]),
        ("Boolean", "yes"),
        ("StringMap", "text"),
        ("StringMap", []),
        ("MapList", {}),
    ],
)
def test_an_output_that_cannot_be_converted_is_an_error(kind: str, value: Any) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - json's message or ours
        converted(kind, value)


def test_true_is_no_integer() -> None:
    assert not is_a("Integer", True)


def test_the_api_shows_lists_of_texts() -> None:
    assert [listed(value) for value in ("a", 1, ["a", 2], {"b": 1})] == [["a"], ["1"], ["a", "2"], ['{"b":1}']]


@pytest.mark.parametrize(
    ("kind", "texts", "expected"),
    [
        ("String", ["a"], "a"),
        ("StringList", ["a", "b"], ["a", "b"]),
        ("Integer", ["5"], 5),
        ("Boolean", ["false"], False),
        ("StringMap", ['{"a": "b"}'], {"a": "b"}),
        ("MapList", ['{"a": "b"}', '{"c": "d"}'], [{"a": "b"}, {"c": "d"}]),
        ("MapList", ['[{"a": "b"}]'], [{"a": "b"}]),
    ],
)
def test_a_parameter_is_given_as_texts(kind: str, texts: list[str], expected: Any) -> None:
    assert supplied(kind, texts) == expected


def test_awss_own_types_are_texts_or_lists() -> None:
    kinds = ("AWS::IAM::Role::Arn", "List<AWS::EC2::Instance::Id>", "String", "List<String>", "Number", None)
    assert [base(kind) for kind in kinds] == ["String", "StringList", "String", "", "", ""]
