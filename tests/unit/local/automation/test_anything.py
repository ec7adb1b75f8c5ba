"""Anything at all: no text breaks the checker, and what has no problem runs to an end without a fault of ours."""

import json
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from local.automation import problems
from local.automation.actions import ACTIONS, NOT_RUN, OPERATIONS, STEP
from local.automation.reading import Problem
from tests.unit.local.automation.builders import World, api, approve, automation, branch, function, output, said, sleep, wait

NAMES = ("A", "B", "C", "Loop", "P", "variable:V")
REFERENCES = (
    "{{ P }}",
    "{{ A.x }}",
    "{{ B.OutputPayload }}",
    "x {{ C.x }}",
    "{{ variable:V }}",
    "{{",
    "{{ }}",
    "{{ ssm:/a }}",
    "{{ a.b.c }}",
)
WORDS = st.sampled_from(
    (*NAMES, *REFERENCES, *ACTIONS, *NOT_RUN, *STEP, "step:A", "Abort", "Continue", "$.services[0].status", "$..x", "$", "ecs",
     "DescribeServices", "PT1M", "-1", "true", "0.3", "String", "StringList", "(", "")
)  # fmt: skip
SCALARS = st.one_of(st.none(), st.booleans(), st.integers(-5, 200), st.floats(allow_nan=False), WORDS, st.text(max_size=8))
INPUTS = sorted(
    {name for action in ACTIONS.values() for name in action.inputs} | {"NextStep", "Variable", "Not", "And", *OPERATIONS}
)
KEYS = st.one_of(
    st.sampled_from((*STEP, *INPUTS, "Name", "Selector", "Type", "type", "default", "allowedPattern")), st.text(max_size=5)
)
VALUES = st.recursive(
    SCALARS, lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(KEYS, inner, max_size=4)), max_leaves=12
)
STEPS = st.one_of(
    VALUES,
    st.fixed_dictionaries(
        {
            "name": st.sampled_from(NAMES),
            "action": st.sampled_from(sorted(ACTIONS)),
            "inputs": st.dictionaries(KEYS, VALUES, max_size=5),
        },
        optional={key: VALUES for key in STEP if key not in ("name", "action", "inputs")},
    ),
)
DOCUMENTS = st.fixed_dictionaries(
    {"schemaVersion": st.one_of(st.just("0.3"), SCALARS), "mainSteps": st.one_of(st.lists(STEPS, max_size=4), VALUES)},
    optional=dict.fromkeys(("description", "assumeRole", "parameters", "variables", "outputs", "files"), VALUES),
)
QUICK = settings(deadline=None, max_examples=40, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])


def shown(found: list[Problem]) -> None:
    """Every problem is one line."""
    for one in found:
        assert one.sentence
        assert "\n" not in str(one)


@QUICK
@given(st.text(max_size=300))
def test_no_text_breaks_it(text: str) -> None:
    shown(problems(text))


@QUICK
@given(
    st.lists(
        st.sampled_from(
            [
                "a",
                ": ",
                "- ",
                "\n",
                "  ",
                "{",
                "}",
                "[",
                "]",
                "&a ",
                "*a",
                "!!x ",
                "|",
                ">",
                "'",
                '"',
                "\t",
                "#",
                "? ",
                "---\n",
                ",",
                "\u0085",
            ]
        ),
        max_size=40,
    )
)
def test_nothing_like_yaml_breaks_it(parts: list[str]) -> None:
    shown(problems("".join(parts)))


@QUICK
@given(DOCUMENTS)
def test_nothing_like_a_document_breaks_it(document: dict[str, Any]) -> None:
    found = problems(document)
    shown(found)
    as_text = problems(json.dumps(document))
    assert [(one.place, one.sentence) for one in as_text] == [(one.place, one.sentence) for one in found]


GOOD = automation(
    {**api("A"), "outputs": [output("x", "$.services[0].status", "String")], "onFailure": "step:C", "timeoutSeconds": 20},
    {**branch("B", ("C", {"Variable": "{{ A.x }}", "StringEquals": "{{ P }}"}), default="D"), "isEnd": False},
    {**function("C", inputs={"InputPayload": {"a": ["{{ P }}"]}}), "maxAttempts": 2, "nextStep": "D"},
    {**wait("D"), "onCancel": "step:F", "isCritical": False},
    approve("E", "anna", "ben", inputs={"MinRequiredApprovals": 2, "Message": "of {{ P }}"}),
    {"name": "F", "action": "aws:loop", "inputs": {"Iterators": ["a"], "Steps": [sleep("G")], "MaxIterations": 3}},
    parameters={"P": {"type": "String", "default": "x", "allowedPattern": "^[a-z]$", "description": "a letter"}},
    outputs=["A.x", "E.ApprovalStatus"],
)


def paths(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [path, *(one for key, item in inner for one in paths(item, (*path, key)))]


@QUICK
@given(st.data())
def test_a_good_document_with_anything_in_one_place_breaks_nothing(data: st.DataObject) -> None:
    """And what is left without a problem runs until it waits for people, or to its end."""
    changed = json.loads(json.dumps(GOOD))
    path = data.draw(st.sampled_from(paths(GOOD)[1:]))
    place: Any = changed
    for key in path[:-1]:
        place = place[key]
    kind = data.draw(st.sampled_from(["replace", "remove", "rename"]))
    if kind == "replace":
        place[path[-1]] = data.draw(VALUES)
    elif kind == "remove":
        del place[path[-1]]
    elif isinstance(place, dict):
        place[data.draw(KEYS)] = place.pop(path[-1])
    found = problems(changed)
    shown(found)
    assert sorted(said(yaml.safe_dump(changed, sort_keys=False))) == sorted(said(changed))
    if not found:
        world = World({"DescribeServices": {"services": [{"status": "x"}]}, "Invoke": {"StatusCode": 200, "Payload": "{}"}})
        world.answers["DescribeDBInstances"] = {"DBInstances": [{"DBInstanceStatus": "available"}]}
        execution = world.start(
            changed,
            **(
                {}
                if changed["parameters"].get("P", {}).get("default") is not None or "P" not in changed["parameters"]
                else {"P": ["x"]}
            ),
        )
        for _ in range(50):
            world.after(world.go(execution), 604_800)
        assert execution.over


@pytest.mark.timeout(20)
@pytest.mark.parametrize(
    "step",
    [
        "{name: a, action: 'aws:sleep', inputs: {Duration: '{{" + " " * 40_000 + "x'}}",
        "{name: a, action: 'aws:sleep', inputs: {Duration: '" + "{{ " * 10_000 + "'}}",
        "{name: a, action: 'aws:sleep', inputs: {Duration: 'P" + "9" * 40_000 + "'}}",
        "{name: a, action: 'aws:pause', inputs: {}, timeoutSeconds: " + "9" * 5_000 + "}",
        "{name: a, action: 'aws:executeAwsApi', inputs: {Service: '../../etc', Api: '" + "_" * 10_000 + "'}}",
        ", ".join(f"{{name: a{number}, action: b}}" for number in range(1_000)),
    ],
    ids=["spaces", "braces", "duration", "number", "path", "steps"],
)
def test_a_hostile_document_is_answered_at_once(step: str) -> None:
    shown(problems(f"schemaVersion: '0.3'\nmainSteps: [{step}]\n"))
