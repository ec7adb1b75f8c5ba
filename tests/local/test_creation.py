"""A first deployment that fails is run again with the same command, whatever stack it failed in."""

import contextlib
from collections.abc import Iterator

import pytest

from local.cloud import Cloud, CloudError
from tests.environments import CONFIG, PRODUCTION
from tests.synth.assemblies import templates

pytestmark = pytest.mark.xdist_group("creation")

COMPONENTS = frozenset(templates("production"))


def statuses(cloud: Cloud) -> dict[str, str]:
    """The status of each stack of the environment that there is, by its component."""
    prefix = f"{cloud.environment.prefix}-"
    return {
        stack["StackName"].removeprefix(prefix): stack["StackStatus"]
        for stack in cloud.client("cloudformation").describe_stacks()["Stacks"]
        if stack["StackName"].startswith(prefix)
    }


@pytest.fixture(scope="module")
def attempts() -> Iterator[tuple[Cloud, list[dict[str, str]]]]:
    """A cloud to which production is deployed by the same command again and again, while each stack fails once, last of all
    that it makes; and the stacks' statuses after each attempt."""
    with Cloud.start(PRODUCTION, config=CONFIG) as cloud:
        for component in COMPONENTS:
            cloud.fail_creation_of(PRODUCTION.stack(component))
        after: list[dict[str, str]] = []
        for _ in range(len(COMPONENTS) + 1):  # more than it takes: stacks that need nothing of each other fail together
            with contextlib.suppress(CloudError):
                cloud.deploy()
            after.append(statuses(cloud))
            if set(after[-1].values()) == {"CREATE_COMPLETE"} and len(after[-1]) == len(COMPONENTS):
                break
        yield cloud, after


def test_every_stack_can_fail_once_and_stands_in_the_end(attempts: tuple[Cloud, list[dict[str, str]]]) -> None:
    _, after = attempts
    failed = [component for found in after for component, status in found.items() if status == "ROLLBACK_COMPLETE"]
    assert sorted(failed) == sorted(COMPONENTS)
    assert after[-1] == dict.fromkeys(COMPONENTS, "CREATE_COMPLETE")


def test_nothing_is_left_of_a_failed_attempt_but_buckets_of_access_logs(attempts: tuple[Cloud, list[dict[str, str]]]) -> None:
    cloud, _ = attempts
    cloudformation = cloud.client("cloudformation")
    owned = {
        resource["PhysicalResourceId"]
        for component in COMPONENTS
        for resource in cloudformation.describe_stack_resources(StackName=PRODUCTION.stack(component))["StackResources"]
    }
    buckets = {bucket["Name"] for bucket in cloud.client("s3").list_buckets()["Buckets"]}
    left = {name for name in buckets - owned if not name.startswith("cdk-")}
    assert len(left) == 3
    assert all("-accesslogs" in name for name in left)
