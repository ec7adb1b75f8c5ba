"""The CloudFormation types that are plugged in make what their templates say, and the documentation lists which are only recorded."""

import itertools
import json
import re
from datetime import timedelta
from typing import Any

import botocore.session
import pytest
from botocore.exceptions import WaiterError

from local.cloud import ROOT, Cloud
from local.emulator.resource_types import BY_API, RECORDED, matched
from tests.environments import PRODUCTION

_names = (f"types-{number}" for number in itertools.count())


class Stack:
    """A stack of the emulated CloudFormation, deployed from resources."""

    def __init__(self, cloud: Cloud) -> None:
        self.cloud, self.name = cloud, next(_names)
        self.cloudformation = cloud.client("cloudformation")

    def put(self, resources: dict[str, Any], outputs: dict[str, Any] | None = None) -> dict[str, str]:
        """Create or update the stack; its outputs."""
        shown = {name: {"Value": value} for name, value in (outputs or {}).items()}
        template = json.dumps({"Resources": resources, "Outputs": shown})
        arguments = {"StackName": self.name, "TemplateBody": template, "Capabilities": ["CAPABILITY_NAMED_IAM"]}
        exists = any(stack["StackName"] == self.name for stack in self.cloudformation.describe_stacks()["Stacks"])
        operation, kind = (
            (self.cloudformation.update_stack, "update") if exists else (self.cloudformation.create_stack, "create")
        )
        operation(**arguments)
        waiter = self.cloudformation.get_waiter(f"stack_{kind}_complete")
        waiter.wait(StackName=self.name, WaiterConfig={"Delay": 0, "MaxAttempts": 2000})
        (stack,) = self.cloudformation.describe_stacks(StackName=self.name)["Stacks"]
        return {output["OutputKey"]: output["OutputValue"] for output in stack.get("Outputs", ())}

    def delete(self) -> None:
        self.cloudformation.delete_stack(StackName=self.name)
        waiter = self.cloudformation.get_waiter("stack_delete_complete")
        waiter.wait(StackName=self.name, WaiterConfig={"Delay": 0, "MaxAttempts": 2000})


@pytest.fixture
def stack(empty_cloud: Cloud) -> Stack:
    return Stack(empty_cloud)


def resource(kind: str, **properties: Any) -> dict[str, Any]:
    return {"Type": kind, "Properties": properties}


def get(name: str, attribute: str) -> dict[str, list[str]]:
    return {"Fn::GetAtt": [name, attribute]}


def ref(name: str) -> dict[str, str]:
    return {"Ref": name}


VPC = resource("AWS::EC2::VPC", CidrBlock="10.9.0.0/16")


def test_a_nat_gateway_has_an_address_and_flow_logs_watch_the_vpc(stack: Stack) -> None:
    made = stack.put(
        {
            "Vpc": VPC,
            "Subnet": resource("AWS::EC2::Subnet", VpcId=ref("Vpc"), CidrBlock="10.9.0.0/24"),
            "Address": resource("AWS::EC2::EIP", Domain="vpc"),
            "Nat": resource("AWS::EC2::NatGateway", SubnetId=ref("Subnet"), AllocationId=get("Address", "AllocationId")),
            "Logs": resource("AWS::Logs::LogGroup", LogGroupName=stack.name),
            "Flow": resource(
                "AWS::EC2::FlowLog", ResourceId=ref("Vpc"), ResourceType="VPC", TrafficType="ALL", LogGroupName=stack.name
            ),
        },
        {"Address": get("Address", "AllocationId"), "Nat": ref("Nat"), "Flow": ref("Flow"), "Cidr": get("Vpc", "CidrBlock")},
    )
    ec2 = stack.cloud.client("ec2")
    (nat,) = ec2.describe_nat_gateways(NatGatewayIds=[made["Nat"]])["NatGateways"]
    (flow,) = ec2.describe_flow_logs(FlowLogIds=[made["Flow"]])["FlowLogs"]
    assert (nat["State"], made["Address"][:9]) == ("available", "eipalloc-")
    assert flow["LogDestination"] == stack.name
    assert made["Cidr"] == "10.9.0.0/16"


def test_rules_between_security_groups_come_and_go_with_the_stack(stack: Stack) -> None:
    group = resource("AWS::EC2::SecurityGroup", GroupDescription="test", VpcId=ref("Vpc"))
    rule = {"IpProtocol": "tcp", "FromPort": 5432, "ToPort": 5432, "Description": "queries"}
    groups = {"Vpc": VPC, "Backend": group, "Database": group}
    rules = {
        "In": resource(
            "AWS::EC2::SecurityGroupIngress",
            GroupId=get("Database", "GroupId"), SourceSecurityGroupId=get("Backend", "GroupId"), **rule,
        ),
        "Out": resource(
            "AWS::EC2::SecurityGroupEgress",
            GroupId=get("Backend", "GroupId"), DestinationSecurityGroupId=get("Database", "GroupId"), **rule,
        ),
    }  # fmt: skip
    outputs = {"Backend": get("Backend", "GroupId"), "Database": get("Database", "GroupId")}

    def pairs(group: str, direction: str) -> list[str]:
        (found,) = stack.cloud.client("ec2").describe_security_groups(GroupIds=[group])["SecurityGroups"]
        permissions = [one for one in found[direction] if one.get("FromPort") == 5432]
        return [pair["GroupId"] for one in permissions for pair in one["UserIdGroupPairs"]]

    made = stack.put(groups | rules, outputs)
    assert pairs(made["Database"], "IpPermissions") == [made["Backend"]]
    assert pairs(made["Backend"], "IpPermissionsEgress") == [made["Database"]]
    stack.put(groups, outputs)
    assert pairs(made["Database"], "IpPermissions") == pairs(made["Backend"], "IpPermissionsEgress") == []


ROLE = {"AssumeRolePolicyDocument": {"Version": "2012-10-17", "Statement": []}}


def test_a_generated_name_is_truncated_as_on_aws_and_stays_over_an_update(stack: Stack) -> None:
    stack.name = PRODUCTION.stack("backend")
    logical_id = "ExecutionRole605A040B"
    made = stack.put({logical_id: resource("AWS::IAM::Role", **ROLE)}, {"Role": ref(logical_id)})
    assert len(made["Role"]) == 64
    assert made["Role"].startswith(f"hz-navigator-production-backe-{logical_id}-")
    assert stack.put({logical_id: resource("AWS::IAM::Role", Description="new", **ROLE)}, {"Role": ref(logical_id)}) == made
    stack.delete()


FUNCTION = {"Runtime": "python3.13", "Handler": "index.handle", "Role": "arn:aws:iam::123456789012:role/one"}
REFUSED = {  # by what: the resource, and what it is told
    "a role": (resource("AWS::IAM::Role", RoleName="r" * 65, **ROLE), "at 'RoleName' failed to satisfy constraint"),
    "a load balancer": (resource("AWS::ElasticLoadBalancingV2::LoadBalancer", Name="l" * 33), "less than or equal to 32"),
    "a target group": (resource("AWS::ElasticLoadBalancingV2::TargetGroup", Name="t" * 33), "less than or equal to 32"),
    "an event rule": (
        resource("AWS::Events::Rule", Name="e" * 65, ScheduleExpression="rate(1 minute)"),
        "less than or equal to 64",
    ),
    "a cache": (resource("AWS::ElastiCache::ReplicationGroup", ReplicationGroupId="c" * 41), "less than or equal to 40"),
    "a channel that is only recorded": (
        resource("AWS::Chatbot::SlackChannelConfiguration", ConfigurationName="s" * 129),
        "less than or equal to 128",
    ),
    "a function with too many variables": (
        resource(
            "AWS::Lambda::Function", Code={"ZipFile": "pass"}, Environment={"Variables": {"LINES": "x" * 4096}}, **FUNCTION
        ),
        "exceeded the 4KB limit",
    ),
}


@pytest.mark.parametrize("what", REFUSED)
def test_what_is_too_long_for_aws_fails_the_stack(stack: Stack, what: str) -> None:
    refused, reason = REFUSED[what]
    with pytest.raises(WaiterError):
        stack.put({"Refused": refused})
    events = stack.cloudformation.describe_stack_events(StackName=stack.name)["StackEvents"]
    assert [reason in one["ResourceStatusReason"] for one in events if one["ResourceStatus"] == "CREATE_FAILED"] == [True]
    assert stack.cloudformation.describe_stacks(StackName=stack.name)["Stacks"][0]["StackStatus"] == "ROLLBACK_COMPLETE"


def test_alarms_keep_their_whole_definition_and_their_state_over_an_update(stack: Stack) -> None:
    metric = {"Namespace": "AWS/Test", "MetricName": "Errors", "Dimensions": [{"Name": "Host", "Value": "a"}]}
    queries = [
        {"Id": "errors", "MetricStat": {"Metric": metric, "Period": 60, "Stat": "Sum"}, "ReturnData": False},
        {"Id": "rate", "Expression": "100 * errors", "Label": "rate"},
    ]
    name, parent = f"{stack.name}-rate", f"{stack.name}-impaired"
    comparison = {"ComparisonOperator": "GreaterThanThreshold", "EvaluationPeriods": 3, "DatapointsToAlarm": 2}

    def resources(threshold: int) -> dict[str, Any]:
        rate = resource("AWS::CloudWatch::Alarm", AlarmName=name, Metrics=queries, Threshold=threshold, **comparison)
        rule = {"Fn::Join": ["", ['ALARM("', ref("Rate"), '")']]}
        impaired = resource("AWS::CloudWatch::CompositeAlarm", AlarmName=parent, AlarmRule=rule)
        return {"Rate": rate, "Impaired": impaired}

    made = stack.put(resources(5), {"Rate": get("Rate", "Arn"), "Impaired": get("Impaired", "Arn")})
    cloudwatch = stack.cloud.client("cloudwatch")
    cloudwatch.set_alarm_state(AlarmName=name, StateValue="ALARM", StateReason="test")
    stack.put(resources(6), {"Rate": get("Rate", "Arn"), "Impaired": get("Impaired", "Arn")})
    found = cloudwatch.describe_alarms(AlarmNamePrefix=stack.name, AlarmTypes=["MetricAlarm", "CompositeAlarm"])
    (rate,), (impaired,) = found["MetricAlarms"], found["CompositeAlarms"]
    assert [query["Id"] for query in rate["Metrics"]] == ["errors", "rate"]
    assert (rate["Threshold"], rate["DatapointsToAlarm"], rate["StateValue"]) == (6.0, 2, "ALARM")
    assert impaired["AlarmRule"] == f'ALARM("{name}")'
    assert (made["Rate"], made["Impaired"]) == (rate["AlarmArn"], impaired["AlarmArn"])


def test_a_subscription_over_https_has_its_endpoint_from_a_secret_and_stays_pending(stack: Stack) -> None:
    endpoint = "https://events.example.com/integration/key/enqueue"
    stack.cloud.client("secretsmanager").create_secret(Name=stack.name, SecretString=endpoint)
    reference = f"{{{{resolve:secretsmanager:{stack.name}}}}}"
    made = stack.put(
        {
            "Topic": resource("AWS::SNS::Topic", TopicName=stack.name),
            "Pager": resource("AWS::SNS::Subscription", TopicArn=ref("Topic"), Protocol="https", Endpoint=reference),
        },
        {"Topic": ref("Topic"), "Pager": ref("Pager")},
    )
    sns = stack.cloud.client("sns")
    (subscription,) = sns.list_subscriptions_by_topic(TopicArn=made["Topic"])["Subscriptions"]
    attributes = sns.get_subscription_attributes(SubscriptionArn=made["Pager"])["Attributes"]
    assert (subscription["Endpoint"], attributes["PendingConfirmation"]) == (endpoint, "true")


class TestService:
    """AWS::ECS::TaskDefinition and AWS::ECS::Service."""

    def resources(self, stack: Stack, image: str, **service: Any) -> dict[str, Any]:
        container = {
            "Name": "app",
            "Image": image,
            "Essential": True,
            "PortMappings": [{"ContainerPort": 3001, "Protocol": "tcp"}],
            "Secrets": [{"Name": "PASSWORD", "ValueFrom": "arn:aws:secretsmanager:us-east-1:123456789012:secret:s"}],
            "HealthCheck": {"Command": ["CMD-SHELL", "true"], "Interval": 30},
            "LogConfiguration": {"LogDriver": "awslogs", "Options": {"awslogs-group": "g"}},
            "ReadonlyRootFilesystem": True,
        }
        definition = {"Family": stack.name, "ContainerDefinitions": [container], "Cpu": "256", "Memory": "512"}
        target = f"service/{stack.name}/{stack.name}"
        breaker = {"DeploymentCircuitBreaker": {"Enable": True, "Rollback": True}}
        return {
            "Cluster": resource("AWS::ECS::Cluster", ClusterName=stack.name),
            "Task": {**resource("AWS::ECS::TaskDefinition", **definition), "UpdateReplacePolicy": "Retain"},
            "Service": resource(
                "AWS::ECS::Service",
                Cluster=ref("Cluster"),
                ServiceName=stack.name,
                TaskDefinition=ref("Task"),
                LaunchType="FARGATE",
                EnableExecuteCommand=True,
                HealthCheckGracePeriodSeconds=60,
                DeploymentConfiguration=breaker,
                **service,
            ),
            "Scale": {
                **resource(
                    "AWS::ApplicationAutoScaling::ScalableTarget",
                    ResourceId=target,
                    ScalableDimension="ecs:service:DesiredCount",
                    ServiceNamespace="ecs",
                    MinCapacity=2,
                    MaxCapacity=8,
                ),
                "DependsOn": "Service",
            },
        }

    def shown(self, stack: Stack) -> dict[str, Any]:
        ecs = stack.cloud.client("ecs")
        return dict(ecs.describe_services(cluster=stack.name, services=[stack.name])["services"][0])

    def statuses(self, stack: Stack) -> list[str]:
        listed = stack.cloud.client("ecs").list_service_deployments(cluster=stack.name, service=stack.name)
        return [one["status"] for one in listed["serviceDeployments"]]

    def test_a_container_keeps_its_whole_definition(self, stack: Stack) -> None:
        stack.put(self.resources(stack, "app:1"))
        described = stack.cloud.client("ecs").describe_task_definition(taskDefinition=stack.name)["taskDefinition"]
        (container,) = described["containerDefinitions"]
        assert container["secrets"] == [
            {"name": "PASSWORD", "valueFrom": "arn:aws:secretsmanager:us-east-1:123456789012:secret:s"}
        ]
        assert container["healthCheck"]["command"] == ["CMD-SHELL", "true"]
        assert container["readonlyRootFilesystem"] is True
        assert (described["cpu"], described["memory"]) == ("256", "512")

    def test_a_service_is_stable_when_its_stack_is_complete(self, stack: Stack) -> None:
        stack.put(self.resources(stack, "app:1"))
        shown = self.shown(stack)
        assert self.statuses(stack) == ["SUCCESSFUL"]
        assert (shown["desiredCount"], shown["runningCount"]) == (2, 2)  # the scalable target's minimum
        assert shown["enableExecuteCommand"] is True
        assert shown["healthCheckGracePeriodSeconds"] == 60

    def test_a_new_image_is_a_new_deployment_and_leaves_the_old_definition_active(self, stack: Stack) -> None:
        for image in ("app:1", "app:2"):
            stack.put(self.resources(stack, image))
        active = stack.cloud.client("ecs").list_task_definitions(familyPrefix=stack.name)["taskDefinitionArns"]
        assert self.statuses(stack) == ["SUCCESSFUL", "SUCCESSFUL"]
        assert [arn.rpartition(":")[2] for arn in active] == ["1", "2"]
        assert self.shown(stack)["taskDefinition"] == active[1]

    def test_an_update_keeps_the_number_of_tasks(self, stack: Stack) -> None:
        stack.put(self.resources(stack, "app:1"))
        stack.cloud.client("ecs").update_service(cluster=stack.name, service=stack.name, desiredCount=5)
        stack.put(self.resources(stack, "app:2"))
        assert self.shown(stack)["runningCount"] == 5

    def test_an_image_that_does_not_start_fails_the_stack(self, stack: Stack) -> None:
        stack.put(self.resources(stack, "app:1"))
        stack.cloud.fail_tasks_of("app:broken")
        with pytest.raises(Exception, match="UPDATE_ROLLBACK"):
            stack.put(self.resources(stack, "app:broken"))
        assert self.shown(stack)["taskDefinition"].endswith(":1")

    def test_a_stack_that_fails_takes_its_service_to_its_own_revision_and_not_to_a_pipelines(self, stack: Stack) -> None:
        ecs = stack.cloud.client("ecs")
        stack.put(self.resources(stack, "app:1"))
        released = ecs.register_task_definition(family=stack.name, containerDefinitions=[{"name": "app", "image": "app:2"}])
        ecs.update_service(
            cluster=stack.name, service=stack.name, taskDefinition=released["taskDefinition"]["taskDefinitionArn"]
        )
        stack.cloud.advance(timedelta(minutes=5))
        stack.cloud.fail_tasks_of("app:broken")
        with pytest.raises(Exception, match="UPDATE_ROLLBACK"):
            stack.put(self.resources(stack, "app:broken"))
        assert self.statuses(stack) == ["SUCCESSFUL", "ROLLBACK_SUCCESSFUL", "SUCCESSFUL", "SUCCESSFUL"]
        assert self.shown(stack)["taskDefinition"].endswith(":1")


def test_a_recorded_resource_is_kept_shown_and_deleted(stack: Stack) -> None:
    policy = {"PolicyName": stack.name, "PolicyType": "TargetTrackingScaling", "ScalingTargetId": "x"}
    stack.put({"Policy": resource("AWS::ApplicationAutoScaling::ScalingPolicy", **policy)})
    kept = stack.cloud.recorded()["AWS::ApplicationAutoScaling::ScalingPolicy"]
    assert policy in kept.values()
    stack.delete()
    assert policy not in stack.cloud.recorded().get("AWS::ApplicationAutoScaling::ScalingPolicy", {}).values()


def test_a_slack_channel_is_kept_under_its_arn(stack: Stack) -> None:
    settings = {"ConfigurationName": stack.name, "SlackChannelId": "C0123456789", "SlackWorkspaceId": "T0123456789"}
    channel = resource("AWS::Chatbot::SlackChannelConfiguration", IamRoleArn="arn:aws:iam::123456789012:role/slack", **settings)
    made = stack.put({"Channel": channel}, {"Ref": ref("Channel"), "Arn": get("Channel", "Arn")})
    assert made["Ref"] == made["Arn"] == f"arn:aws:chatbot::123456789012:chat-configuration/slack-channel/{stack.name}"
    assert stack.cloud.recorded()["AWS::Chatbot::SlackChannelConfiguration"][made["Arn"]] == channel["Properties"]


def test_an_unknown_type_is_refused(stack: Stack) -> None:
    with pytest.raises(Exception, match="AWS::Nobody::Knows"):
        stack.put({"Thing": resource("AWS::Nobody::Knows")})


def test_properties_become_members_by_name_and_type() -> None:
    shape = botocore.session.get_session().get_service_model("ecs").operation_model("CreateService").input_shape
    given = {
        "ServiceName": "s",
        "DesiredCount": "3",
        "EnableExecuteCommand": "true",
        "Unknown": 1,
        "Tags": [{"Key": "a", "Value": 1}],
    }
    assert matched(shape, given) == {
        "serviceName": "s", "desiredCount": 3, "enableExecuteCommand": True, "tags": [{"key": "a", "value": "1"}]
    }  # fmt: skip


@pytest.mark.parametrize(
    ("heading", "types"),
    [("Plugged in", BY_API.keys() | {"AWS::ECS::Service", "AWS::SSM::Document"}), ("Only recorded", RECORDED.keys())],
)
def test_the_documentation_lists_the_types_of_the_code(heading: str, types: set[str]) -> None:
    page = (ROOT / "docs" / "local-cloud.md").read_text()
    section = page.partition(f"### {heading}\n")[2].partition("\n#")[0]
    assert set(re.findall(r"AWS::\w+::\w+", section)) == set(types)
