"""The names of the templates: whether each is free, for every type of resource whose name only one can have."""

import json
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import jmespath

from local.preflight.account import Account, NotKnown
from local.preflight.case import CHATBOT_REGION, Answer, Answers, Case, fix, ok
from local.preflight.plan import Resource


@dataclass(frozen=True)
class Named:
    """Where a type's name is, and the operation that answers which names are taken.

    `name` finds it in the properties, `found` the names in the answer (both JMESPath). In `parameters`, {name} is the
    resource's name, {prefix} what the environment's names begin with, {region} and {account} where it is, and any other the
    property of that name.
    """

    name: str
    service: str
    operation: str
    parameters: Mapping[str, Any]
    found: str
    absent: tuple[str, ...] = ()
    paged: bool = True


_ALARMS = {"AlarmNamePrefix": "{prefix}", "AlarmTypes": ["MetricAlarm", "CompositeAlarm"]}

NAMED: Mapping[str, Named] = {
    "AWS::Chatbot::SlackChannelConfiguration": Named(
        "ConfigurationName",
        "chatbot",
        "describe_slack_channel_configurations",
        {},
        "SlackChannelConfigurations[].ConfigurationName",
    ),
    "AWS::CloudFront::Distribution": Named(  # a host name can belong to one distribution only
        "DistributionConfig.Aliases", "cloudfront", "list_distributions", {}, "DistributionList.Items[].Aliases.Items[]"
    ),
    "AWS::CloudFront::Function": Named(
        "Name",
        "cloudfront",
        "describe_function",
        {"Name": "{name}", "Stage": "DEVELOPMENT"},
        "FunctionSummary.Name",
        ("NoSuchFunctionExists",),
    ),
    "AWS::CloudFront::OriginAccessControl": Named(
        "OriginAccessControlConfig.Name",
        "cloudfront",
        "list_origin_access_controls",
        {},
        "OriginAccessControlList.Items[].Name",
    ),
    "AWS::CloudFront::ResponseHeadersPolicy": Named(
        "ResponseHeadersPolicyConfig.Name",
        "cloudfront",
        "list_response_headers_policies",
        {"Type": "custom"},
        "ResponseHeadersPolicyList.Items[].ResponseHeadersPolicy.ResponseHeadersPolicyConfig.Name",
    ),
    "AWS::CloudWatch::Alarm": Named("AlarmName", "cloudwatch", "describe_alarms", _ALARMS, "MetricAlarms[].AlarmName"),
    "AWS::CloudWatch::CompositeAlarm": Named(
        "AlarmName", "cloudwatch", "describe_alarms", _ALARMS, "CompositeAlarms[].AlarmName"
    ),
    "AWS::CloudWatch::Dashboard": Named(
        "DashboardName",
        "cloudwatch",
        "get_dashboard",
        {"DashboardName": "{name}"},
        "DashboardName",
        ("ResourceNotFound",),
    ),
    "AWS::DynamoDB::Table": Named(
        "TableName", "dynamodb", "describe_table", {"TableName": "{name}"}, "Table.TableName", ("ResourceNotFoundException",)
    ),
    "AWS::ECR::Repository": Named(
        "RepositoryName",
        "ecr",
        "describe_repositories",
        {"repositoryNames": ["{name}"]},
        "repositories[].repositoryName",
        ("RepositoryNotFoundException",),
    ),
    "AWS::ECS::Cluster": Named(
        "ClusterName", "ecs", "describe_clusters", {"clusters": ["{name}"]}, "clusters[?status!='INACTIVE'].clusterName"
    ),
    "AWS::ElastiCache::ReplicationGroup": Named(
        "ReplicationGroupId",
        "elasticache",
        "describe_replication_groups",
        {"ReplicationGroupId": "{name}"},
        "ReplicationGroups[].ReplicationGroupId",
        ("ReplicationGroupNotFoundFault",),
    ),
    "AWS::ElasticLoadBalancingV2::LoadBalancer": Named(
        "Name",
        "elbv2",
        "describe_load_balancers",
        {"Names": ["{name}"]},
        "LoadBalancers[].LoadBalancerName",
        ("LoadBalancerNotFound",),
    ),
    "AWS::ElasticLoadBalancingV2::TargetGroup": Named(
        "Name",
        "elbv2",
        "describe_target_groups",
        {"Names": ["{name}"]},
        "TargetGroups[].TargetGroupName",
        ("TargetGroupNotFound",),
    ),
    "AWS::Events::Rule": Named("Name", "events", "describe_rule", {"Name": "{name}"}, "Name", ("ResourceNotFoundException",)),
    "AWS::IAM::Role": Named("RoleName", "iam", "get_role", {"RoleName": "{name}"}, "Role.RoleName", ("NoSuchEntity",)),
    "AWS::KMS::Alias": Named("AliasName", "kms", "list_aliases", {}, "Aliases[].AliasName"),
    "AWS::Lambda::Function": Named(
        "FunctionName",
        "lambda",
        "get_function_configuration",
        {"FunctionName": "{name}"},
        "FunctionName",
        ("ResourceNotFoundException",),
    ),
    "AWS::Logs::DeliveryDestination": Named(
        "Name",
        "logs",
        "get_delivery_destination",
        {"name": "{name}"},
        "deliveryDestination.name",
        ("ResourceNotFoundException",),
    ),
    "AWS::Logs::DeliverySource": Named(
        "Name", "logs", "get_delivery_source", {"name": "{name}"}, "deliverySource.name", ("ResourceNotFoundException",)
    ),
    "AWS::Logs::LogGroup": Named(
        "LogGroupName", "logs", "describe_log_groups", {"logGroupNamePrefix": "{name}"}, "logGroups[].logGroupName"
    ),
    "AWS::Logs::ResourcePolicy": Named("PolicyName", "logs", "describe_resource_policies", {}, "resourcePolicies[].policyName"),
    "AWS::RDS::DBInstance": Named(
        "DBInstanceIdentifier",
        "rds",
        "describe_db_instances",
        {"DBInstanceIdentifier": "{name}"},
        "DBInstances[].DBInstanceIdentifier",
        ("DBInstanceNotFound",),
    ),
    "AWS::RDS::DBParameterGroup": Named(
        "DBParameterGroupName",
        "rds",
        "describe_db_parameter_groups",
        {"DBParameterGroupName": "{name}"},
        "DBParameterGroups[].DBParameterGroupName",
        ("DBParameterGroupNotFound",),
    ),
    "AWS::Route53::RecordSet": Named(
        "join(' ', [Name, Type])",
        "route53",
        "list_resource_record_sets",
        {"HostedZoneId": "{HostedZoneId}", "StartRecordName": "{Name}", "StartRecordType": "{Type}", "MaxItems": "1"},
        "ResourceRecordSets[].join(' ', [Name, Type])",
        ("NoSuchHostedZone",),
        paged=False,
    ),
    "AWS::SNS::Topic": Named(
        "TopicName",
        "sns",
        "get_topic_attributes",
        {"TopicArn": "arn:aws:sns:{region}:{account}:{name}"},
        "Attributes.TopicArn",
        ("NotFound",),
    ),
    "AWS::SSM::Document": Named("Name", "ssm", "describe_document", {"Name": "{name}"}, "Document.Name", ("InvalidDocument",)),
    "AWS::SecretsManager::Secret": Named(  # one that waits for its deletion keeps its name
        "Name", "secretsmanager", "describe_secret", {"SecretId": "{name}"}, "Name", ("ResourceNotFoundException",)
    ),
    "AWS::WAFv2::IPSet": Named("Name", "wafv2", "list_ip_sets", {"Scope": "{Scope}"}, "IPSets[].Name"),
    "AWS::WAFv2::WebACL": Named("Name", "wafv2", "list_web_acls", {"Scope": "{Scope}"}, "WebACLs[].Name"),
}

SHARED: Mapping[str, str] = {
    "AWS::ApplicationAutoScaling::ScalingPolicy": "is named within its target",
    "AWS::CertificateManager::Certificate": "can be there twice",
    "AWS::ECS::Service": "is named within its cluster",
    "AWS::ECS::TaskDefinition": "adds a revision to its family",
    "AWS::Logs::Delivery": "is named after its source",
    "AWS::Logs::QueryDefinition": "can be there twice",
    "AWS::S3::Bucket": "is taken in any account: the buckets have a check of their own",
}
"""The types with a name that needs no question here, and why."""


@dataclass
class Register:
    """Asks an account which names are taken; the same question once."""

    account: Account
    account_id: str
    prefix: str
    _answers: dict[str, Any] = field(default_factory=dict)

    def taken(self, resource: Resource) -> Iterator[tuple[str, Any]]:
        """The names of a resource that are taken, with AWS's answer; NotKnown when it cannot be asked."""
        how = NAMED[resource.type]
        names = jmespath.search(how.name, resource.properties)
        for name in names if isinstance(names, list) else [names]:
            if isinstance(name, str):
                answer = self._ask(how, resource, name)
                values = jmespath.search(how.found, answer) or []
                for value in values if isinstance(values, list) else [values]:
                    if value == name or value.endswith(f":{name}"):  # an ARN ends with the name
                        yield name, answer

    def _ask(self, how: Named, resource: Resource, name: str) -> Any:
        region = CHATBOT_REGION if how.service == "chatbot" else resource.stack.region
        known = resource.properties | {"name": name, "prefix": self.prefix, "region": region, "account": self.account_id}
        parameters = {key: _filled(value, known) for key, value in how.parameters.items()}
        question = json.dumps([how.service, how.operation, region, parameters])
        if question not in self._answers:
            self._answers[question] = self.account.ask(
                how.service, how.operation, absent=how.absent, region=region, pages=how.paged, **parameters
            )
        return self._answers[question]


def _filled(value: Any, known: Mapping[str, Any]) -> Any:
    return [one.format_map(known) for one in value] if isinstance(value, list) else value.format_map(known)


def names(case: Case) -> Answers:
    register = Register(case.account, case.environment.account, case.environment.prefix)
    unknown: set[str] = set()
    taken: defaultdict[str, list[str]] = defaultdict(list)
    for resource in case.missing(*NAMED):
        try:
            found = list(register.taken(resource))
        except NotKnown as why:
            unknown.add(str(why))
            continue
        for name, answer in found:
            if deleted := answer.get("DeletedDate"):
                which = f"--region {resource.stack.region} --secret-id {name}"
                yield fix(
                    f"the secret {name} waits for its deletion on {deleted:%Y-%m-%d} and keeps its name: aws secretsmanager "
                    f"restore-secret {which} and take it over, or, if nobody needs its value any more, aws secretsmanager "
                    f"delete-secret --force-delete-without-recovery {which}"
                )
            else:
                taken[resource.type].append(name)
    for type_, found_names in taken.items():
        yield fix(_taken(type_, found_names))
    for reason in sorted(unknown):
        yield Answer("not known", reason)
    yield ok("none is taken")


def _taken(type_: str, found: list[str]) -> str:
    one = len(found) == 1
    return (
        f"{', '.join(found)} ({type_}) {'is' if one else 'are'} there, and no stack of the environment made "
        f"{'it: delete it, or take it' if one else 'them: delete them, or take them'} over as docs/deploying.md says"
    )


def buckets(case: Case) -> Answers:
    free = 0
    for resource in case.missing("AWS::S3::Bucket"):
        name = resource.properties.get("BucketName")
        if not isinstance(name, str):
            continue  # CloudFormation makes it up
        try:
            there = case.account.ask("s3", "head_bucket", absent=("404",), region=resource.stack.region, Bucket=name)
        except NotKnown as why:
            if why.code != "403":
                raise
            yield fix(
                f"the bucket {name} is another account's, or closed to you: choose other names under buckets in {case.file}"
            )
            continue
        if there:
            yield fix(_taken(resource.type, [name]))
        free += not there
    yield ok(f"{free} are free" if free else "no more are needed")
