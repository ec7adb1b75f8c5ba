"""Names are the ones that AWS gives and allows: within each service's limit, and matched by the patterns that mean them.

Held against every environment, and against one with every option whose name is as long as an environment's may be.
"""

import itertools
from collections.abc import Iterator
from fnmatch import fnmatchcase
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from cfnlint.schema import PROVIDER_SCHEMA_MANAGER

from lambdas.common.settings import MOST_BYTES, size
from local.cloudformation.names import LONGEST, given_name
from stacks import config, names
from stacks.config import ConfigError
from stacks.environment import Environment
from tests.environments import CONFIG, PRODUCTION, STAGING, VARIANTS_CONFIG
from tests.synth.arns import Arns
from tests.synth.assemblies import templates
from tests.synth.template import Template
from tests.synth.test_any_environment import ENVIRONMENTS

Named = tuple[str, Path]
"""An environment's name, and the folder of its file."""


def longest_name(folder: Path, template: str) -> str:
    """The longest name that a copy of an environment's file may have."""
    text = (folder / f"{template}.toml").read_text()

    def admitted(name: str) -> bool:
        (folder / f"{name}.toml").write_text(text)
        try:
            config.load(name, folder)
        except ConfigError:
            return False
        finally:
            (folder / f"{name}.toml").unlink()
        return True

    *_, longest = itertools.takewhile(admitted, ("x" * length for length in itertools.count(1)))
    return longest


@pytest.fixture(scope="module")
def longest(tmp_path_factory: pytest.TempPathFactory) -> Named:
    """An environment with everything that is optional, and the longest name that is admitted."""
    folder = tmp_path_factory.mktemp("config")
    for name in ("application", "everything"):
        text = (VARIANTS_CONFIG / f"{name}.toml").read_text()
        # With a short name of one letter the load balancer's name decides, and every other begins as that one does.
        (folder / f"{name}.toml").write_text(text.replace('short_name = "acme"', 'short_name = "a"'))
    name = longest_name(folder, "everything")
    (folder / "everything.toml").rename(folder / f"{name}.toml")
    assert len(config.load(name, folder).load_balancer) == names.LONGEST["load_balancer"]
    return name, folder


@pytest.fixture(params=[*ENVIRONMENTS, None], ids=lambda one: "longest" if one is None else f"{one[1].name}/{one[0]}")
def named(request: pytest.FixtureRequest) -> Named:
    """Every environment in turn, and the one with the longest name."""
    found: Named = request.param or request.getfixturevalue("longest")
    return found


pytestmark = pytest.mark.xdist_group("names")


def resources(named: Named) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Every resource of an environment: its path to show, its type and its properties."""
    for component, template in templates(*named).items():
        for logical_id, resource in template.resources.items():
            yield f"{component}/{logical_id}", resource["Type"], resource.get("Properties", {})


# Lengths


def test_every_physical_name_is_within_its_services_limit(named: Named) -> None:
    checked, long = set(), []
    for path, kind, properties in resources(named):
        name = given_name(kind, properties) if kind in LONGEST else None
        if isinstance(name, str):
            checked.add(kind)
            long += [f"{path}: {name}"] if len(name) > LONGEST[kind][1] else []
    assert long == []
    assert len(checked) >= 20


def test_the_limits_that_a_configuration_is_held_against_are_the_services() -> None:
    """A name that one of them admits is never too long for another service: see the environment with the longest name."""
    limits = {
        str(given_name(kind, properties)): LONGEST[kind][1]
        for _, kind, properties in resources(("production", CONFIG))
        if kind in LONGEST
    }
    assert {name: limits[getattr(PRODUCTION, name)] for name in names.LONGEST} == names.LONGEST


def test_every_type_with_a_name_of_its_own_has_its_limit_in_the_table(named: Named) -> None:
    """What its schema calls a name and makes part of what identifies it is a physical name."""
    without = set()
    for _, kind, properties in resources(named):
        schema = _schema(kind)
        fixed = {
            path.rpartition("/")[2] for path in (*schema.get("primaryIdentifier", ()), *schema.get("createOnlyProperties", ()))
        }
        names = {
            name for name in properties if name in fixed and name.endswith(("Name", "Identifier")) and name not in OF_OTHERS
        }
        without |= {f"{kind}.{name}" for name in names if LONGEST.get(kind, ("",))[0] != name}
    assert without == set()


OF_OTHERS = {  # names of what is not made by the resource: another resource, a service, a host
    "CacheSubnetGroupName", "DBName", "DBSubnetGroupName", "DeliverySourceName", "FunctionName", "LogGroupName", "ServiceName",
}  # fmt: skip


@cache
def _schema(kind: str) -> dict[str, Any]:
    found: dict[str, Any] = PROVIDER_SCHEMA_MANAGER.get_resource_schema("us-east-1", kind).schema
    return found


def test_every_text_is_within_the_limit_of_its_resources_schema(named: Named) -> None:
    """Descriptions and all else that the schemas limit, one level deep."""
    checked, long = 0, []
    for path, kind, properties in resources(named):
        for name, value in properties.items():
            most = _schema(kind).get("properties", {}).get(name, {}).get("maxLength")
            if most and isinstance(value, str):
                checked += 1
                long += [f"{path}.{name}: {len(value)} characters, {most} allowed"] if len(value) > most else []
    assert long == []
    assert checked > 100


def test_a_stacks_name_is_within_cloudformations_limit(named: Named) -> None:
    environment = config.load(*named)
    assert max(len(environment.stack(component)) for component in templates(*named)) <= 128


def test_a_functions_variables_are_within_lambdas_4_kb(named: Named) -> None:
    sizes = {
        properties["FunctionName"]: size(properties["Environment"]["Variables"])
        for _, kind, properties in resources(named)
        if kind == "AWS::Lambda::Function"
    }
    assert len(sizes) >= 3
    assert {name: found for name, found in sizes.items() if found > MOST_BYTES} == {}


# Patterns


def missed(arns: Arns) -> list[str]:
    """What a pattern matches by the generated name in full, but not by the name as CloudFormation truncates it."""
    found = []
    for (_, pattern), generated in itertools.product(arns.patterns(), [*arns.generated()]):
        if fnmatchcase(arns.arn(*generated, longest=10_000), pattern) and not fnmatchcase(arns.arn(*generated), pattern):
            found.append(f"{pattern} misses {arns.arn(*generated)}")
    return found


def test_a_pattern_matches_generated_names_as_cloudformation_truncates_them(named: Named) -> None:
    arns = Arns(config.load(*named), templates(*named))
    assert len([*arns.generated()]) >= 10
    assert len([*arns.patterns()]) >= 10
    assert missed(arns) == []


@pytest.mark.parametrize(("environment", "misses"), [(PRODUCTION, 1), (STAGING, 0)], ids=["production", "staging"])
def test_a_pattern_on_a_long_stacks_name_misses_what_was_truncated(environment: Environment, misses: int) -> None:
    """Why `rollback` is not granted the backend's roles by a pattern. In staging everything fits, and nobody would notice."""
    statement = {"Action": "iam:PassRole", "Resource": environment.role_arn(f"{environment.stack('backend')}-*")}
    unnamed = {
        "ExecutionRole605A040B": {"Type": "AWS::IAM::Role"},
        "TaskRole30FC0FBB": {"Type": "AWS::IAM::Role"},
        "Policy": {"Type": "AWS::IAM::ManagedPolicy", "Properties": {"PolicyDocument": {"Statement": [statement]}}},
    }
    arns = Arns(environment, {"backend": Template({"Resources": unnamed})})
    found = missed(arns)
    assert len(found) == misses
    assert all("ExecutionRole605A040B" in one for one in found)
