"""RunTask refuses what ECS refuses, in its words, and what it accepts has ended when it is looked at."""

import itertools
from typing import Any

import pytest
from botocore.exceptions import ClientError

from local.cloud import Cloud
from local.emulator.tasks import NOT_RUN

_names = (f"task-{number}" for number in itertools.count())


class Family:
    """A task definition for Fargate in a cluster of its own, and a network to run it in."""

    def __init__(self, cloud: Cloud) -> None:
        self.cloud, self.name = cloud, next(_names)
        self.ecs, ec2 = cloud.client("ecs"), cloud.client("ec2")
        self.ecs.create_cluster(clusterName=self.name)
        cloud.client("logs").create_log_group(logGroupName=self.name)
        options = {"awslogs-group": self.name, "awslogs-stream-prefix": "app", "awslogs-region": "us-east-1"}
        self.ecs.register_task_definition(
            family=self.name,
            networkMode="awsvpc",
            requiresCompatibilities=["FARGATE"],
            cpu="256",
            memory="512",
            containerDefinitions=[
                {"name": "app", "image": "app:1", "logConfiguration": {"logDriver": "awslogs", "options": options}}
            ],
        )
        vpc = ec2.create_vpc(CidrBlock="10.9.0.0/16")["Vpc"]["VpcId"]
        subnet = ec2.create_subnet(VpcId=vpc, CidrBlock="10.9.1.0/24")["Subnet"]["SubnetId"]
        self.group = ec2.create_security_group(GroupName=self.name, Description="a group", VpcId=vpc)["GroupId"]
        self.network = {"subnets": [subnet], "securityGroups": [self.group]}

    def run(self, command: str = "", **changed: Any) -> dict[str, Any]:
        """The task, as it is looked at after it was run."""
        override: dict[str, Any] = {"name": "app", "command": ["sh", "-c", command]}
        request: dict[str, Any] = {
            "cluster": self.name,
            "taskDefinition": self.name,
            "launchType": "FARGATE",
            "networkConfiguration": {"awsvpcConfiguration": self.network},
            "overrides": {"containerOverrides": [override]},
            **changed,
        }
        arn = self.ecs.run_task(**{key: value for key, value in request.items() if value})["tasks"][0]["taskArn"]
        return dict(self.ecs.describe_tasks(cluster=self.name, tasks=[arn])["tasks"][0])


@pytest.fixture(scope="module")
def family(empty_cloud: Cloud) -> Family:
    return Family(empty_cloud)


REFUSED = {
    "no network": (
        {"networkConfiguration": {}},
        "Network Configuration must be provided when networkMode 'awsvpc' is specified.",
    ),
    "no such group": (
        {"networkConfiguration": {"awsvpcConfiguration": {"subnets": [], "securityGroups": ["sg-1"]}}},
        "The security group 'sg-1' does not exist",
    ),
    "no such subnet": (
        {"networkConfiguration": {"awsvpcConfiguration": {"subnets": ["subnet-1"]}}},
        "The subnet 'subnet-1' does not exist",
    ),
    "no instances": ({"launchType": ""}, "No Container Instances were found in your cluster."),
    "another container": (
        {"overrides": {"containerOverrides": [{"name": "web"}]}},
        "Override for container named web is not a container in the TaskDefinition.",
    ),
    "no such cluster": ({"cluster": "another"}, "Cluster not found."),
    "no such family": ({"taskDefinition": "another"}, "TaskDefinition not found."),
}


@pytest.mark.parametrize("case", REFUSED)
def test_a_task_that_ecs_refuses_is_refused(family: Family, case: str) -> None:
    changed, message = REFUSED[case]
    network = changed.get("networkConfiguration", {}).get("awsvpcConfiguration")
    if network and not network["subnets"]:
        network["subnets"] = family.network["subnets"]
    with pytest.raises(ClientError, match=message):
        family.run(**changed)


def test_a_task_has_ended_well_when_it_is_looked_at_and_its_log_says_what_did_not_run(family: Family) -> None:
    task = family.run("migrate up")
    assert (task["lastStatus"], task["stopCode"]) == ("STOPPED", "EssentialContainerExited")
    assert [container["exitCode"] for container in task["containers"]] == [0]
    stream = f"app/app/{task['taskArn'].rpartition('/')[2]}"
    logged = family.cloud.client("logs").get_log_events(logGroupName=family.name, logStreamName=stream)["events"]
    assert [event["message"] for event in logged] == [f"{NOT_RUN}sh -c migrate up"]


def test_a_task_has_an_interface_with_the_security_groups_that_were_asked_for(family: Family) -> None:
    details = {one["name"]: one["value"] for one in family.run()["attachments"][0]["details"]}
    (interface,) = family.cloud.client("ec2").describe_network_interfaces(NetworkInterfaceIds=[details["networkInterfaceId"]])[
        "NetworkInterfaces"
    ]
    assert details["subnetId"] == family.network["subnets"][0]
    assert [group["GroupId"] for group in interface["Groups"]] == [family.group]


def test_a_client_token_starts_one_task(family: Family) -> None:
    first, again = (family.run("migrate up", clientToken="a" * 64)["taskArn"] for _ in range(2))
    assert first == again
    with pytest.raises(family.ecs.exceptions.ConflictException) as conflict:
        family.run("migrate down", clientToken="a" * 64)
    assert conflict.value.response["resourceIds"] == [first]


def test_a_task_writes_and_ends_as_it_was_told_to(family: Family) -> None:
    family.cloud.control("tasks_write", "told-to-fail", ["one", "two"], 3)
    task = family.run("told-to-fail")
    assert [container["exitCode"] for container in task["containers"]] == [3]
    stream = f"app/app/{task['taskArn'].rpartition('/')[2]}"
    logged = family.cloud.client("logs").get_log_events(logGroupName=family.name, logStreamName=stream)["events"]
    assert [event["message"] for event in logged] == ["one", "two"]
