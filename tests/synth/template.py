"""A synthesized template as plain data, with the few questions that tests ask of it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

Resource = dict[str, Any]


@dataclass(frozen=True)
class Template:
    """The template of one stack."""

    body: Mapping[str, Any]

    @property
    def resources(self) -> dict[str, Resource]:
        """Every resource by its logical id."""
        found: dict[str, Resource] = self.body["Resources"]
        return found

    def of_type(self, resource_type: str, **properties: object) -> dict[str, Resource]:
        """The resources of a type that have these properties, by logical id."""
        return {
            logical_id: resource
            for logical_id, resource in self.resources.items()
            if resource["Type"] == resource_type
            and all(resource.get("Properties", {}).get(name) == value for name, value in properties.items())
        }

    def only(self, resource_type: str, **properties: object) -> Resource:
        """The one resource of a type that has these properties, with its logical id under `Id`."""
        found = self.of_type(resource_type, **properties)
        assert len(found) == 1, f"{len(found)} of {resource_type} with {properties}"
        [(logical_id, resource)] = found.items()
        return {"Id": logical_id, **resource}

    def properties(self, resource_type: str, **wanted: object) -> dict[str, Any]:
        """The properties of that one resource."""
        found: dict[str, Any] = self.only(resource_type, **wanted)["Properties"]
        return found
