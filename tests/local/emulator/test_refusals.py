"""What AWS refuses CloudFormation, the local cloud refuses."""

from typing import Any

import pytest

from local.cloud import Cloud
from tests.local.emulator.test_resource_types import Stack, resource

INSTANCE = {"DBInstanceClass": "db.t4g.medium", "Engine": "postgres", "AllocatedStorage": "20", "MasterUsername": "u"}
KEYS = {
    "AttributeDefinitions": [{"AttributeName": "id", "AttributeType": "S"}],
    "KeySchema": [{"AttributeName": "id", "KeyType": "HASH"}],
    "BillingMode": "PAY_PER_REQUEST",
}
GROUP = {"Protocol": "HTTP", "VpcId": "vpc-1", "TargetType": "ip"}

NAMED: dict[str, tuple[str, dict[str, Any]]] = {
    "AWS::DynamoDB::Table": ("TableName", KEYS),
    "AWS::ECR::Repository": ("RepositoryName", {}),
    "AWS::ElasticLoadBalancingV2::TargetGroup": ("Name", {**GROUP, "Port": 80}),
    "AWS::Logs::LogGroup": ("LogGroupName", {}),
    "AWS::RDS::DBInstance": ("DBInstanceIdentifier", {**INSTANCE, "MasterUserPassword": "not-secret"}),
    "AWS::SNS::Topic": ("TopicName", {}),
    "AWS::SecretsManager::Secret": ("Name", {"GenerateSecretString": {}}),
}


def status(stack: Stack) -> str:
    (found,) = stack.cloudformation.describe_stacks(StackName=stack.name)["Stacks"]
    return str(found["StackStatus"])


def reasons(stack: Stack, outcome: str) -> list[str]:
    events = stack.cloudformation.describe_stack_events(StackName=stack.name)["StackEvents"]
    return [event["ResourceStatusReason"] for event in events if event["ResourceStatus"] == outcome]


def create(stack: Stack, resources: dict[str, Any]) -> None:
    """Create the stack and wait for its end, whatever that is."""
    with pytest.raises(Exception, match="ROLLBACK_COMPLETE"):
        stack.put(resources)


@pytest.mark.parametrize("kind", NAMED)
def test_a_name_that_an_earlier_stack_left_behind_is_taken(kind: str, empty_cloud: Cloud) -> None:
    key, properties = NAMED[kind]
    made = resource(kind, **properties, **{key: f"kept-{kind.rpartition('::')[2].lower()}"})
    first, second = Stack(empty_cloud), Stack(empty_cloud)
    first.put({"Kept": {**made, "DeletionPolicy": "Retain"}})
    first.delete()
    create(second, {"New": made})
    assert [reason for reason in reasons(second, "CREATE_FAILED") if "already exists" in reason]


def test_a_dashboard_that_is_none_is_refused_by_the_api_and_by_cloudformation(empty_cloud: Cloud) -> None:
    cloudwatch = empty_cloud.client("cloudwatch")
    with pytest.raises(cloudwatch.exceptions.DashboardInvalidInputError, match="it is no JSON object"):
        cloudwatch.put_dashboard(DashboardName="none", DashboardBody="[]")
    stack = Stack(empty_cloud)
    create(stack, {"None": resource("AWS::CloudWatch::Dashboard", DashboardName="none", DashboardBody="[]")})
    assert [reason for reason in reasons(stack, "CREATE_FAILED") if "it is no JSON object" in reason]


PROTECTED: dict[str, dict[str, Any]] = {
    "AWS::DynamoDB::Table": {**KEYS, "DeletionProtectionEnabled": True},
    "AWS::ElasticLoadBalancingV2::LoadBalancer": {
        "LoadBalancerAttributes": [{"Key": "deletion_protection.enabled", "Value": "true"}]
    },
    "AWS::RDS::DBInstance": {**INSTANCE, "MasterUserPassword": "not-secret", "DeletionProtection": True},
}


@pytest.mark.parametrize("kind", PROTECTED)
def test_what_is_protected_is_not_deleted(kind: str, empty_cloud: Cloud) -> None:
    stack = Stack(empty_cloud)
    stack.put({"Protected": {**resource(kind, **PROTECTED[kind]), "DeletionPolicy": "Delete"}})
    with pytest.raises(Exception, match="DELETE_FAILED"):
        stack.delete()
    assert [reason for reason in reasons(stack, "DELETE_FAILED") if "protect" in reason]


def test_a_bucket_with_a_load_balancers_test_file_in_it_is_not_deleted(empty_cloud: Cloud) -> None:
    stack = Stack(empty_cloud)
    attributes = {"access_logs.s3.enabled": "true", "access_logs.s3.bucket": {"Ref": "Bucket"}}
    balancer = resource(
        "AWS::ElasticLoadBalancingV2::LoadBalancer",
        LoadBalancerAttributes=[{"Key": key, "Value": value} for key, value in attributes.items()],
    )
    stack.put({"Bucket": resource("AWS::S3::Bucket"), "LoadBalancer": balancer})
    with pytest.raises(Exception, match="DELETE_FAILED"):
        stack.delete()
    assert [reason for reason in reasons(stack, "DELETE_FAILED") if "not empty" in reason]


def test_a_creation_that_is_made_to_fail_is_rolled_back_once(empty_cloud: Cloud) -> None:
    first, topic = Stack(empty_cloud), {"Topic": resource("AWS::SNS::Topic", TopicName="made-to-fail")}
    empty_cloud.fail_creation_of(first.name)
    create(first, topic)
    first.delete()
    first.put(topic)
    assert status(first) == "CREATE_COMPLETE"
