"""What `cdk deploy` would make: the stacks of an environment's stage, as synthesized."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self


@dataclass(frozen=True)
class Stack:
    """A stack of the stage: CloudFormation's name of it, the component that it is, its region and its resources."""

    name: str
    component: str
    region: str
    resources: dict[str, dict[str, Any]]


@dataclass(frozen=True)
class Resource:
    """A resource of a stack's template."""

    stack: Stack
    logical_id: str
    type: str
    properties: dict[str, Any]


@dataclass(frozen=True)
class Plan:
    """The stacks in the order in which they are made, and the oldest bootstrap that they can be deployed with."""

    stacks: tuple[Stack, ...]
    bootstrap_version: int
    bootstrap_parameter: str

    @classmethod
    def read(cls, stage: Path) -> Self:
        """The plan of a stage of a cloud assembly."""
        artifacts = json.loads((stage / "manifest.json").read_text())["artifacts"].values()
        found = [artifact for artifact in artifacts if artifact["type"] == "aws:cloudformation:stack"]
        return cls(
            stacks=tuple(
                Stack(
                    name=artifact["properties"]["stackName"],
                    component=artifact["displayName"].rpartition("/")[2],
                    region=artifact["environment"].rpartition("/")[2],
                    resources=json.loads((stage / artifact["properties"]["templateFile"]).read_text())["Resources"],
                )
                for artifact in found
            ),
            bootstrap_version=max(artifact["properties"]["requiresBootstrapStackVersion"] for artifact in found),
            bootstrap_parameter=found[0]["properties"]["bootstrapStackVersionSsmParameter"],
        )

    @property
    def regions(self) -> list[str]:
        return sorted({stack.region for stack in self.stacks})

    def resources(self, *types: str) -> Iterator[Resource]:
        """The resources of some types, or all."""
        for stack in self.stacks:
            for logical_id, resource in stack.resources.items():
                if not types or resource["Type"] in types:
                    yield Resource(stack, logical_id, resource["Type"], resource.get("Properties", {}))
