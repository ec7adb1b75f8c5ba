"""A dashboard's body, as CloudWatch documents it."""

import json
from typing import Any

import pytest

from local.emulator.dashboards import problems

CUSTOM = {"type": "custom", "x": 0, "y": 0, "width": 24, "height": 7, "properties": {"endpoint": "arn:aws:lambda:::function:f"}}


def found(*widgets: Any) -> list[str]:
    return [*problems(json.dumps({"widgets": widgets}))]


def test_a_custom_widget_is_taken() -> None:
    assert found(CUSTOM) == []
    assert found(*[CUSTOM] * 500) == []


@pytest.mark.parametrize(
    ("member", "value", "problem"),
    [
        ("type", "lambda", ".type should be one of metric, text, log, alarm, explorer, chart, custom"),
        ("properties", None, ".properties should be an object"),
        ("x", 24, ".x should be a whole number from 0 to 23"),
        ("y", -1, ".y should be a whole number from 0"),
        ("width", 0, ".width should be a whole number from 1 to 24"),
        ("height", 1001, ".height should be a whole number from 1 to 1000"),
        ("height", "7", ".height should be a whole number from 1 to 1000"),
        ("height", True, ".height should be a whole number from 1 to 1000"),
    ],
)
def test_a_widget_that_has_no_place_is_named(member: str, value: Any, problem: str) -> None:
    assert found(CUSTOM, CUSTOM | {member: value}) == [f"widgets[1]{problem}"]


@pytest.mark.parametrize("body", ["", "[]", "{}", '{"widgets": {}}', "null", "1"])
def test_what_is_no_dashboard_is_refused(body: str) -> None:
    assert [*problems(body)] == ["it is no JSON object with an array of widgets"]


def test_more_widgets_than_cloudwatch_allows_are_refused() -> None:
    assert found(*[CUSTOM] * 501) == ["it has 501 widgets, and 500 are allowed"]
