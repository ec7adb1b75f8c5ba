"""What preflight takes from the synthesized stages."""

from collections.abc import Iterator
from typing import Any

import pytest

from local.preflight.names import NAMED, SHARED
from local.preflight.offers import SERVICE_ROLES
from local.preflight.plan import Plan
from local.preflight.quotas import QUOTAS
from tests.environments import CONFIG, ENVIRONMENTS, VARIANTS, VARIANTS_CONFIG
from tests.synth.assemblies import stage

STAGES = [(name, CONFIG) for name in ENVIRONMENTS] + [(name, VARIANTS_CONFIG) for name in VARIANTS]
_NAMES = ("Name", "Identifier", "GroupId")


@pytest.fixture(params=STAGES, ids=[name for name, _ in STAGES])
def plan(request: pytest.FixtureRequest) -> Plan:
    name, config = request.param
    return Plan.read(stage(name, config))


def named(properties: dict[str, Any], depth: int = 0) -> Iterator[str]:
    """The values in which a type keeps its name: at the top, or in a `...Config` below it."""
    for key, value in properties.items():
        if isinstance(value, str) and key.endswith(_NAMES):
            yield value
        elif isinstance(value, dict) and key.endswith("Config") and not depth:
            yield from named(value, 1)


def test_every_type_with_a_fixed_name_is_asked_for_or_says_why_not(plan: Plan) -> None:
    prefix = plan.stacks[0].name.removesuffix("-network")
    squeezed = prefix.replace("-", "")
    found = {
        resource.type
        for resource in plan.resources()
        if any(prefix in name or squeezed in name for name in named(resource.properties))
    }
    assert len(found) > 15
    assert found - NAMED.keys() - SHARED.keys() == set()


def test_what_is_asked_for_is_there(plan: Plan) -> None:
    types = {resource.type for resource in plan.resources()}
    assert {quota.type for quota in QUOTAS} | set(SERVICE_ROLES) <= types


def test_no_type_is_asked_for_that_no_environment_has() -> None:
    types = {resource.type for name, config in STAGES for resource in Plan.read(stage(name, config)).resources()}
    assert (NAMED.keys() | SHARED.keys()) - types == set()


def test_a_plan_knows_regions_and_the_bootstrap() -> None:
    plan = Plan.read(stage("certificates", VARIANTS_CONFIG))
    assert plan.regions == ["eu-central-1", "us-east-1"]
    assert plan.bootstrap_version >= 6
    assert plan.bootstrap_parameter == "/cdk-bootstrap/hnb659fds/version"
    assert {stack.component: stack.region for stack in plan.stacks}["frontend"] == "us-east-1"
