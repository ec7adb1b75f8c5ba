"""Cloud assemblies as the CDK CLI makes them, the policy packs included: each environment once for all test processes."""

import json
from functools import cache
from pathlib import Path
from typing import Any

from local.cloud import synthesize
from tests.environments import CONFIG
from tests.synth.template import Template

UNVALIDATED = {"CDK_VALIDATION": "false"}
"""Environment variables of a synthesis without the CDK's own rules, which take half of its time. For environments that differ in
nothing that the rules look at from those that `stage` synthesizes with them; the policy packs are applied all the same."""


@cache
def stage(environment: str, config: Path = CONFIG) -> Path:
    """The folder of an environment's stage; synthesized when a source has changed since the last time."""
    return synthesize(config) / f"assembly-{environment}"


@cache
def templates(environment: str, config: Path = CONFIG) -> dict[str, Template]:
    """The templates of an environment's stacks, by component."""
    return {
        _component(artifact): Template(
            json.loads((stage(environment, config) / artifact["properties"]["templateFile"]).read_text())
        )
        for artifact in _stacks(environment, config).values()
    }


def dependencies(environment: str, config: Path = CONFIG) -> dict[str, set[str]]:
    """The components that have to be deployed before each component."""
    stacks = _stacks(environment, config)
    return {
        _component(artifact): {_component(stacks[name]) for name in artifact.get("dependencies", ()) if name in stacks}
        for artifact in stacks.values()
    }


def termination_protection(environment: str, config: Path = CONFIG) -> dict[str, bool]:
    """Whether CloudFormation refuses to delete each component."""
    return {
        _component(artifact): artifact["properties"].get("terminationProtection", False)
        for artifact in _stacks(environment, config).values()
    }


def stack_region(environment: str, component: str, config: Path = CONFIG) -> str:
    """Where a component is deployed to."""
    (where,) = (one["environment"] for one in _stacks(environment, config).values() if _component(one) == component)
    return str(where.rpartition("/")[2])


def _stacks(environment: str, config: Path) -> dict[str, dict[str, Any]]:
    manifest = json.loads((stage(environment, config) / "manifest.json").read_text())
    return {name: one for name, one in manifest["artifacts"].items() if one["type"] == "aws:cloudformation:stack"}


def _component(artifact: dict[str, Any]) -> str:
    return str(artifact["displayName"].rpartition("/")[2])
