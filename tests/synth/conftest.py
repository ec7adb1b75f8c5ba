"""The templates of the fixture environments."""

from collections.abc import Callable

import pytest

from stacks.environment import Environment
from tests.environments import ENVIRONMENTS
from tests.synth.assemblies import templates
from tests.synth.template import Template

Get = Callable[[str], Template]


@pytest.fixture(params=["production", "staging"])
def environment(request: pytest.FixtureRequest) -> Environment:
    """Production and staging in turn."""
    return ENVIRONMENTS[request.param]


@pytest.fixture
def template(environment: Environment) -> Get:
    """`template("network")`: the template of a component in the environment at hand."""
    return lambda component: templates(environment.name)[component]
