"""How long AWS lets a name be, and the names that CloudFormation generates for what a template leaves unnamed.

No AWS client: the local cloud truncates and refuses names by this, and tests hold the templates against it.
"""

from collections.abc import Mapping
from typing import Any

_SUFFIX = 12

LONGEST: Mapping[str, tuple[str, int]] = {
    "AWS::ApplicationAutoScaling::ScalingPolicy": ("PolicyName", 256),
    "AWS::Chatbot::SlackChannelConfiguration": ("ConfigurationName", 128),
    "AWS::CertificateManager::Certificate": ("DomainName", 64),  # the common name of a certificate, which ends there
    "AWS::CloudFront::Function": ("Name", 64),
    "AWS::CloudFront::OriginAccessControl": ("OriginAccessControlConfig.Name", 64),
    "AWS::CloudFront::ResponseHeadersPolicy": ("ResponseHeadersPolicyConfig.Name", 128),
    "AWS::CloudWatch::Alarm": ("AlarmName", 255),
    "AWS::CloudWatch::CompositeAlarm": ("AlarmName", 255),
    "AWS::CloudWatch::Dashboard": ("DashboardName", 255),
    "AWS::DynamoDB::Table": ("TableName", 255),
    "AWS::EC2::SecurityGroup": ("GroupName", 255),
    "AWS::ECR::Repository": ("RepositoryName", 256),
    "AWS::ECS::Cluster": ("ClusterName", 255),
    "AWS::ECS::Service": ("ServiceName", 255),
    "AWS::ECS::TaskDefinition": ("Family", 255),
    "AWS::ElastiCache::ParameterGroup": ("CacheParameterGroupName", 255),
    "AWS::ElastiCache::ReplicationGroup": ("ReplicationGroupId", 40),
    "AWS::ElastiCache::SubnetGroup": ("CacheSubnetGroupName", 255),
    "AWS::ElasticLoadBalancingV2::LoadBalancer": ("Name", 32),
    "AWS::ElasticLoadBalancingV2::TargetGroup": ("Name", 32),
    "AWS::Events::Rule": ("Name", 64),
    "AWS::IAM::ManagedPolicy": ("ManagedPolicyName", 128),
    "AWS::IAM::Role": ("RoleName", 64),
    "AWS::KMS::Alias": ("AliasName", 256),
    "AWS::Lambda::Function": ("FunctionName", 64),
    "AWS::Logs::DeliveryDestination": ("Name", 60),
    "AWS::Logs::DeliverySource": ("Name", 60),
    "AWS::Logs::LogGroup": ("LogGroupName", 512),
    "AWS::Logs::QueryDefinition": ("Name", 255),
    "AWS::Logs::ResourcePolicy": ("PolicyName", 255),
    "AWS::RDS::DBInstance": ("DBInstanceIdentifier", 63),
    "AWS::RDS::DBParameterGroup": ("DBParameterGroupName", 255),
    "AWS::RDS::DBSubnetGroup": ("DBSubnetGroupName", 255),
    "AWS::Route53::RecordSet": ("Name", 1024),
    "AWS::S3::Bucket": ("BucketName", 63),
    "AWS::SNS::Topic": ("TopicName", 256),
    "AWS::SSM::Document": ("Name", 128),
    "AWS::SecretsManager::Secret": ("Name", 512),
    "AWS::WAFv2::IPSet": ("Name", 128),
    "AWS::WAFv2::WebACL": ("Name", 128),
}
"""The property with the name of each type of resource, and how many characters AWS allows in it, from each API's reference."""


def given_name(kind: str, properties: Mapping[str, Any]) -> Any:
    """The name that a template gives to a resource of a type in LONGEST; None when it gives none."""
    found: Any = properties
    for part in LONGEST[kind][0].split("."):
        found = found.get(part) if isinstance(found, Mapping) else None
    return found


def refusal(kind: str, properties: Mapping[str, Any]) -> str:
    """What AWS says of a name that is too long, in the words of most of its APIs; empty for one that fits."""
    path, longest = LONGEST[kind]
    name = given_name(kind, properties)
    if not isinstance(name, str) or len(name) <= longest:
        return ""
    return (
        f"1 validation error detected: Value '{name}' at '{path}' failed to satisfy constraint: "
        f"Member must have length less than or equal to {longest}"
    )


def generated_name(stack: str, logical_id: str, longest: int, suffix: str) -> str:
    """The name of a resource that the template does not name: stack, logical id and a suffix of 12 characters.

    When they are too long together, stack and logical id share what is left, and either takes what the other does not need.
    AWS documents only the form; this is the rule of its library for resource providers:
    https://github.com/aws-cloudformation/cloudformation-cli-java-plugin (IdentifierUtils).
    """
    free = longest - _SUFFIX - len("--")
    of_stack = min(len(stack), max(free - len(logical_id), (free + 1) // 2))
    return f"{stack[:of_stack]}-{logical_id[: free - of_stack]}-{suffix[:_SUFFIX]}"
