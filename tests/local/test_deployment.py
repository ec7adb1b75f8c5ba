"""The CDK CLI deploys whole environments to the local cloud, as it would to an empty account."""

import subprocess

import pytest

from local.__main__ import commands
from local.cloud import ROOT, Cloud, synthesize
from stacks.config import load
from stacks.environment import Environment


def stacks(cloud: Cloud) -> dict[str, str]:
    """The status of each stack of the environment, by its component."""
    found = cloud.client("cloudformation").describe_stacks()["Stacks"]
    prefix = f"{cloud.environment.prefix}-"
    return {one["StackName"].removeprefix(prefix): one["StackStatus"] for one in found if one["StackName"].startswith(prefix)}


def components(environment: Environment) -> set[str]:
    """The components of an environment, from the cloud assembly."""
    prefix = f"{environment.name}{environment.name}"
    files = synthesize().glob(f"assembly-{environment.name}/*.template.json")
    names = {file.name.removesuffix(".template.json")[: -len("12345678")] for file in files}
    return {name.removeprefix(prefix).removeprefix(environment.name) for name in names}


def test_every_stack_of_production_is_deployed(cloud: Cloud) -> None:
    assert {name.replace("-", "") for name in stacks(cloud)} == components(cloud.environment)
    assert set(stacks(cloud).values()) == {"CREATE_COMPLETE"}


def test_deploying_again_changes_nothing(cloud: Cloud) -> None:
    events = cloud.client("cloudformation").get_paginator("describe_stack_events")

    def count() -> int:
        pages = (page for name in stacks(cloud) for page in events.paginate(StackName=cloud.environment.stack(name)))
        return sum(len(page["StackEvents"]) for page in pages)

    before = count()
    cloud.deploy()
    assert count() == before


def test_the_service_runs_the_image_of_the_parameter(cloud: Cloud) -> None:
    ecs, names = cloud.client("ecs"), cloud.environment
    image = cloud.client("ssm").get_parameter(Name=names.image_parameter)["Parameter"]["Value"]
    tasks = ecs.list_tasks(cluster=names.cluster, serviceName=names.service)["taskArns"]
    described = ecs.describe_tasks(cluster=names.cluster, tasks=tasks)["tasks"]
    assert [container["image"] for task in described for container in task["containers"]] == [image] * names.backend.min_tasks


def test_a_target_is_registered_for_each_task(cloud: Cloud) -> None:
    client, names = cloud.client("elbv2"), cloud.environment
    (group,) = client.describe_target_groups(Names=[names.target_group])["TargetGroups"]
    health = client.describe_target_health(TargetGroupArn=group["TargetGroupArn"])["TargetHealthDescriptions"]
    assert len(health) == names.backend.min_tasks


def test_the_commands_that_make_local_prints_work_as_printed(cloud: Cloud) -> None:
    script = "\n".join(["set -euo pipefail", *commands(cloud)])
    bare = {"PATH": "/usr/bin:/bin"}
    shell = ["bash", "-c", script]
    output = subprocess.run(shell, check=True, cwd=ROOT, env=bare, stdout=subprocess.PIPE, text=True).stdout
    for shown in ('"status": "ACTIVE"', '"status": "SUCCESSFUL"', "alb-5xx-rate-critical", "DashboardBody", "DBInstanceStatus"):
        assert shown in output


@pytest.mark.timeout(600)
def test_staging_deploys_as_well() -> None:
    staging = load("staging")
    with Cloud.start(staging) as cloud:
        cloud.deploy()
        assert {name.replace("-", "") for name in stacks(cloud)} == components(staging)
