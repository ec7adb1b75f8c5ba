"""IAM in the local cloud refuses what AWS refuses: roles that may not be passed, and composite alarms to a narrow permission."""

import contextlib
import itertools
import json
from collections.abc import Callable, Mapping
from typing import Any

import pytest

from local.cloud import Cloud
from local.cloudformation.names import generated_name
from tests.environments import PRODUCTION, STAGING

MakeFunction = Callable[..., str]
Statement = Mapping[str, Any]

_names = (f"access-{number}" for number in itertools.count())

CODE = """
import boto3
def handle(event, context):
    try:
        getattr(boto3.client(event["service"]), event["call"])(**event["arguments"])
        return "allowed"
    except Exception as error:
        return f"{error.response['Error']['Code']}: {error.response['Error']['Message']}"
"""


@pytest.fixture
def answer(empty_cloud: Cloud, make_function: MakeFunction) -> Callable[..., str]:
    """`answer(statements, "ecs", "run_task", **arguments)`: what a function with these permissions gets, in words."""

    def call(statements: list[Statement], service: str, call: str, /, **arguments: Any) -> str:
        name = next(_names)
        make_function(name, CODE)
        policy = json.dumps({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", **one} for one in statements]})
        empty_cloud.client("iam").put_role_policy(RoleName=name, PolicyName="allowed", PolicyDocument=policy)
        event = json.dumps({"service": service, "call": call, "arguments": arguments})
        payload = empty_cloud.client("lambda").invoke(FunctionName=name, Payload=event)["Payload"].read()
        return str(json.loads(payload))

    return call


ASSUMED_BY_TASKS = {
    "Version": "2012-10-17",
    "Statement": [{"Effect": "Allow", "Principal": {"Service": "ecs-tasks.amazonaws.com"}, "Action": "sts:AssumeRole"}],
}


def role_arn(name: str) -> str:
    return f"arn:aws:iam::{PRODUCTION.account}:role/{name}"


def passing(resource: str, receiver: str = "ecs-tasks.amazonaws.com") -> Statement:
    condition = {"StringEquals": {"iam:PassedToService": receiver}}
    return {"Action": "iam:PassRole", "Resource": resource, "Condition": condition}


@pytest.fixture
def update(empty_cloud: Cloud, answer: Callable[..., str]) -> Callable[[str, Statement], str]:
    """`update(role, statement)`: what UpdateService answers to a task definition with that execution role, by its name."""

    def call(role: str, statement: Statement) -> str:
        with contextlib.suppress(empty_cloud.client("iam").exceptions.EntityAlreadyExistsException):
            empty_cloud.client("iam").create_role(RoleName=role, AssumeRolePolicyDocument=json.dumps(ASSUMED_BY_TASKS))
        family = next(_names)
        container = {"name": "a", "image": "a"}
        made = empty_cloud.client("ecs").register_task_definition(
            family=family, containerDefinitions=[container], executionRoleArn=role_arn(role)
        )
        definition = made["taskDefinition"]["taskDefinitionArn"]
        everything = {"Action": "ecs:UpdateService", "Resource": "*"}
        return answer([everything, statement], "ecs", "update_service", cluster="c", service="none", taskDefinition=definition)

    return call


def execution_role(stack: str) -> str:
    """The name that CloudFormation gives to the backend's execution role when the template gives none."""
    return generated_name(stack, "ExecutionRole605A040B", 64, "UjecjFhpdr1d")


def test_a_pattern_on_the_stacks_name_misses_a_role_whose_name_was_truncated(update: Callable[[str, Statement], str]) -> None:
    """So production's rollbacks would have been denied, and staging's would not."""
    for environment, may in ((PRODUCTION, False), (STAGING, True)):
        stack = environment.stack("backend")
        role = execution_role(stack)
        said = update(role, passing(role_arn(f"{stack}-*")))
        assert said.startswith("AccessDeniedException") is not may
        assert (f"is not authorized to perform: iam:PassRole on resource: {role_arn(role)}" in said) is not may


def test_a_role_is_passed_by_its_exact_name(update: Callable[[str, Statement], str]) -> None:
    role = PRODUCTION.execution_role
    assert "AccessDenied" not in update(role, passing(PRODUCTION.role_arn(role)))
    assert "iam:PassRole" in update(role, passing(PRODUCTION.role_arn(PRODUCTION.task_role)))


def test_a_role_is_passed_to_the_service_of_the_condition_only(update: Callable[[str, Statement], str]) -> None:
    assert "iam:PassRole" in update("one", passing(role_arn("one"), "lambda.amazonaws.com"))


def test_an_update_without_a_task_definition_passes_no_role(answer: Callable[..., str]) -> None:
    may_update = {"Action": "ecs:UpdateService", "Resource": "*"}
    assert "AccessDenied" not in answer([may_update], "ecs", "update_service", cluster="c", service="none", desiredCount=2)


CONTAINER = [{"name": "a", "image": "a"}]
TASK_ROLES = {"taskRoleArn": role_arn("one"), "executionRoleArn": role_arn("two")}
FUNCTION = {"FunctionName": "f", "Runtime": "python3.13", "Handler": "f.handle", "Code": {"ZipFile": ""}}
FLOW_LOG = {"ResourceIds": ["vpc-1"], "ResourceType": "VPC", "TrafficType": "ALL", "LogGroupName": "flows"}
INSTANCE = {"DBInstanceIdentifier": "one", "DBInstanceClass": "db.t4g.micro", "Engine": "postgres"}
STACK: dict[str, Any] = {"StackName": "one", "TemplateBody": '{"Resources": {}}', "RoleARN": role_arn("one")}
CALLS = {  # what passes a role: the call, and the service that gets the role
    "ecs:RegisterTaskDefinition": (
        ("register_task_definition", {"family": "f", "containerDefinitions": CONTAINER, **TASK_ROLES}),
        "ecs-tasks.amazonaws.com",
    ),
    "ecs:RunTask": (("run_task", {"taskDefinition": "none", "overrides": TASK_ROLES}), "ecs-tasks.amazonaws.com"),
    "lambda:CreateFunction": (("create_function", {**FUNCTION, "Role": role_arn("one")}), "lambda.amazonaws.com"),
    "events:PutTargets": (
        (
            "put_targets",
            {"Rule": "none", "Targets": [{"Id": "1", "Arn": "arn:aws:sqs:us-east-1:1:q", "RoleArn": role_arn("one")}]},
        ),
        "events.amazonaws.com",
    ),
    "ec2:CreateFlowLogs": (
        ("create_flow_logs", {**FLOW_LOG, "DeliverLogsPermissionArn": role_arn("one")}),
        "vpc-flow-logs.amazonaws.com",
    ),
    "rds:CreateDBInstance": (
        ("create_db_instance", {**INSTANCE, "MonitoringRoleArn": role_arn("one")}),
        "monitoring.rds.amazonaws.com",
    ),
    "cloudformation:CreateStack": (("create_stack", STACK), "cloudformation.amazonaws.com"),
}


@pytest.mark.parametrize("action", CALLS)
def test_a_call_that_passes_a_role_needs_the_permission_to_pass_it(answer: Callable[..., str], action: str) -> None:
    (call, arguments), receiver = CALLS[action]
    service = action.partition(":")[0]
    may_call = {"Action": action, "Resource": "*"}
    assert "iam:PassRole" in answer([may_call], service, call, **arguments)
    assert "iam:PassRole" not in answer([may_call, passing("*", receiver)], service, call, **arguments)


NARROW = {"Action": "cloudwatch:DescribeAlarms", "Resource": "arn:aws:cloudwatch:us-east-1:123456789012:alarm:*"}
EVERYTHING = {"Action": "cloudwatch:DescribeAlarms", "Resource": "*"}


@pytest.mark.parametrize(
    "asked",
    [{"AlarmTypes": ["CompositeAlarm"]}, {"AlarmTypes": ["MetricAlarm", "CompositeAlarm"]}, {"ParentsOfAlarmName": "a"}],
)
def test_composite_alarms_are_shown_to_a_permission_on_everything_only(
    answer: Callable[..., str], asked: dict[str, Any]
) -> None:
    assert answer([NARROW], "cloudwatch", "describe_alarms", **asked).startswith("AccessDenied")
    assert answer([EVERYTHING], "cloudwatch", "describe_alarms", **asked) == "allowed"


@pytest.mark.parametrize("asked", [{}, {"AlarmTypes": ["MetricAlarm"]}, {"AlarmNames": ["a"]}])
def test_metric_alarms_are_shown_to_a_permission_on_alarms(answer: Callable[..., str], asked: dict[str, Any]) -> None:
    assert answer([NARROW], "cloudwatch", "describe_alarms", **asked) == "allowed"
