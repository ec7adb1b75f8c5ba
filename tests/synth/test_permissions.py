"""Statements name what AWS authorizes their actions on, or they would allow nothing.

https://docs.aws.amazon.com/service-authorization/latest/reference/, as cfn-lint ships it.
"""

import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

from cfnlint.data import AdditionalSpecs
from cfnlint.helpers import load_resource

from stacks import config
from tests.synth.arns import Arns
from tests.synth.assemblies import templates
from tests.synth.test_any_environment import any_environment

ONLY_ON_EVERYTHING = {
    # "To use this operation and return information about composite alarms, you must be signed on with the permission that is
    # scoped to *": https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_DescribeAlarms.html
    "cloudwatch:DescribeAlarms",
    "cloudwatch:PutCompositeAlarm",
    # It reads metrics, which have no ARNs: the reference has datasets for it, which are something else.
    "cloudwatch:GetMetricData",
    # It names a query, and no log group.
    "logs:GetQueryResults",
}
"""Actions that have resource-level permissions by the reference, and need `*` by their own pages."""


@cache
def reference() -> dict[str, Any]:
    found: dict[str, Any] = load_resource(AdditionalSpecs, "Policies.json")
    return found


def authorized_on(action: str) -> list[str]:
    """The forms of the ARNs that AWS authorizes an action on, as regular expressions; none when it knows no resource."""
    service, _, operation = action.partition(":")
    kinds = reference()[service]["Actions"][operation.lower()].get("Resources", ())
    known = {kind.lower(): one["ARNFormats"] for kind, one in reference()[service].get("Resources", {}).items()}
    forms = [form for kind in kinds for form in known[kind.lower()]]
    return [re.sub(r"\$\{\w+\}", "[^:]*", form) for form in forms]


def grants(name: str, folder: Path) -> Iterator[tuple[str, str, str]]:
    """Every action on every resource that a role of an environment is granted, with the policy's path to show."""
    found = templates(name, folder)
    arns = Arns(config.load(name, folder), found)
    for component, template in found.items():
        for logical_id, resource in template.resources.items():
            properties = resource.get("Properties", {})
            documents = [one["PolicyDocument"] for one in properties.get("Policies", ())]
            if resource["Type"] in ("AWS::IAM::ManagedPolicy", "AWS::IAM::Policy"):
                documents.append(properties["PolicyDocument"])
            for statement in (one for document in documents for one in document["Statement"]):
                for action in several(statement["Action"]):
                    for resource_ in several(statement["Resource"]):
                        yield f"{component}/{logical_id}", action, arns.text(component, resource_)


def several(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


@any_environment
def test_an_action_without_resource_level_permissions_is_granted_on_everything(name: str, folder: Path) -> None:
    assert [
        f"{path}: {action} on {resource}"
        for path, action, resource in grants(name, folder)
        if resource != "*" and (action in ONLY_ON_EVERYTHING or not authorized_on(action))
    ] == []


@any_environment
def test_any_other_action_is_granted_on_a_resource_that_aws_authorizes_it_on(name: str, folder: Path) -> None:
    checked, wrong = 0, []
    for path, action, resource in grants(name, folder):
        if resource != "*":
            checked += 1
            matches = any(re.fullmatch(form, resource) for form in authorized_on(action))
            wrong += [] if matches else [f"{path}: {action} on {resource}"]
    assert wrong == []
    assert checked > 30


@any_environment
def test_only_what_has_no_narrower_scope_is_granted_on_everything(name: str, folder: Path) -> None:
    assert [
        f"{path}: {action}"
        for path, action, resource in grants(name, folder)
        if resource == "*" and action not in ONLY_ON_EVERYTHING and authorized_on(action)
    ] == []
