"""The cloud assemblies of both environments, synthesized once a session and shared."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import aws_cdk as cdk
import pytest
from aws_cdk.assertions import Template

from stacks.config import load_all
from stacks.environment import Environment
from stacks.stage import EnvironmentStage

ENVIRONMENTS = {environment.name: environment for environment in load_all()}
FLAGS = json.loads((Path(__file__).parents[2] / "cdk.json").read_text())["context"]


@pytest.fixture(scope="session")
def stages(tmp_path_factory: pytest.TempPathFactory) -> dict[str, EnvironmentStage]:
    """The stages by environment, in one app with cdk.json's feature flags."""
    app = cdk.App(context=FLAGS, outdir=str(tmp_path_factory.mktemp("cdk.out")))
    return {name: EnvironmentStage(app, settings) for name, settings in ENVIRONMENTS.items()}


@pytest.fixture(params=sorted(ENVIRONMENTS))
def settings(request: pytest.FixtureRequest) -> Environment:
    """Each environment in turn."""
    return ENVIRONMENTS[request.param]


@pytest.fixture(scope="session")
def all_templates(stages: dict[str, EnvironmentStage]) -> dict[tuple[str, str], dict[str, Any]]:
    """Every template by (environment, component)."""
    return {
        (name, child.node.id): Template.from_stack(child).to_json()
        for name, stage in stages.items()
        for child in stage.node.children
        if isinstance(child, cdk.Stack)
    }


@pytest.fixture
def template(settings: Environment, all_templates: dict[tuple[str, str], dict[str, Any]]) -> Callable[[str], Template]:
    """`template("network")`: the template of a component in the environment at hand."""
    return lambda component: Template.from_json(all_templates[settings.name, component])


def only(template: Template, resource_type: str) -> dict[str, Any]:
    """The one resource of a type, with its logical id under `Id`."""
    resources = template.find_resources(resource_type)
    assert len(resources) == 1, f"{len(resources)} of {resource_type}"
    [(logical_id, resource)] = resources.items()
    return {"Id": logical_id, **resource}
