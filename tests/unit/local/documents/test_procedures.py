"""The page of the procedures and their list: everything on it is what the documents are."""

import json
import re
import shlex

import pytest

from local.documents import procedures
from local.documents.procedures import command, policy, render
from procedures.catalog import PROCEDURES
from procedures.documents import inputs
from procedures.model import Procedure
from tests.environments import CONFIG, PRODUCTION, VARIANTS
from tests.unit.local.documents.reading import sections

any_procedure = pytest.mark.parametrize("one", PROCEDURES, ids=lambda one: one.name)


def parameters(one: Procedure) -> dict[str, str]:
    """The values that a procedure's command gives."""
    words = shlex.split(command(PRODUCTION, one).replace("\\\n", ""))
    given = words[words.index("--parameters") + 1] if "--parameters" in words else ""
    return dict(re.findall(r'(\w+)="([^"]*)"', given))


@any_procedure
def test_a_procedure_has_a_section_with_what_a_reader_needs(one: Procedure) -> None:
    text = sections(render(PRODUCTION))[one.name]
    for words in (one.effect, one.duration, one.undo, one.section.heading, command(PRODUCTION, one)):
        assert words in text
    assert all(f"| `{each.name}` | {each.what} |" in text for each in inputs(one))
    assert f"systems-manager/automation/execute/{PRODUCTION.document(one.name)}?region=us-east-1" in text


@any_procedure
def test_its_command_gives_what_has_to_be_given_and_changes_nothing_when_it_is_pasted(one: Procedure) -> None:
    given = parameters(one)
    assert {each.name for each in inputs(one) if each.default is None} <= given.keys()
    assert given.get("DryRun") == ("true" if one.changes else None)
    patterns = {each.name: each.pattern for each in inputs(one)}
    assert [name for name, value in given.items() if not re.search(patterns[name], value)] == []


def test_the_policy_is_for_the_procedures_and_nothing_else() -> None:
    (found,) = re.findall(r"```json\n(.*?)```", render(PRODUCTION), flags=re.DOTALL)
    assert json.loads(found) == policy(PRODUCTION)
    resources = json.dumps(policy(PRODUCTION))
    assert all(f"/{PRODUCTION.document(one.name)}" in resources for one in PROCEDURES)
    assert '"*"' not in resources


def test_no_name_of_another_application_is_on_it() -> None:
    assert not re.search("hz.?navigator", render(VARIANTS["everything"]), flags=re.IGNORECASE)


def test_the_list_has_a_line_for_each(capsys: pytest.CaptureFixture[str]) -> None:
    assert procedures.main(["staging"], CONFIG) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == [f"hz-navigator-staging-{one.name}" for one in PROCEDURES]


def test_an_unknown_environment_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    assert procedures.main(["test"], CONFIG) == 1
    assert "config/test.toml: no such environment" in capsys.readouterr().out
