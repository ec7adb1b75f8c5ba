"""Every property of every resource is the committed one; named tests beside this state what the runbook asks for."""

import pytest

from tests.synth import golden
from tests.synth.assemblies import templates


def test_there_is_a_golden_template_for_every_stack() -> None:
    assert {file.stem for file in golden.FOLDER.glob("*.json")} == set(templates(golden.ENVIRONMENT))


@pytest.mark.parametrize("component", sorted(file.stem for file in golden.FOLDER.glob("*.json")))
def test_a_template_is_the_golden_one(component: str) -> None:
    committed = (golden.FOLDER / f"{component}.json").read_text()
    made = golden.normal(templates(golden.ENVIRONMENT)[component].body)
    assert made == committed, "if this change is meant, run `make golden` and commit the difference"
