"""What AWS refuses CloudFormation and ministack does not: a name that is taken, deleting what is protected or not empty.

A resource that an earlier stack left behind is in the way of the next one, as on AWS. The control call `fail_creation_of` makes
the next creation of a stack fail after all of its resources have been made, so that CloudFormation rolls it back.
"""

from collections.abc import Callable, Collection, Mapping
from typing import Any

from ministack.core.responses import get_account_id
from ministack.services import alb, cloudwatch_logs, dynamodb, ecr, kms, lambda_svc, rds, s3, secretsmanager, sns, waf
from ministack.services.cloudformation import stacks

Properties = Mapping[str, Any]
Made = tuple[str, dict[str, Any]]


def _of_arns(arns: Collection[str]) -> set[str]:
    return {arn.rpartition(":")[2] for arn in arns}


TAKEN: dict[str, tuple[str, Callable[[], Collection[str]]]] = {
    "AWS::DynamoDB::Table": ("TableName", lambda: dynamodb._tables),
    "AWS::ECR::Repository": ("RepositoryName", lambda: ecr._repositories),
    "AWS::ElasticLoadBalancingV2::LoadBalancer": ("Name", lambda: {one["LoadBalancerName"] for one in alb._lbs.values()}),
    "AWS::ElasticLoadBalancingV2::TargetGroup": ("Name", lambda: {one["TargetGroupName"] for one in alb._tgs.values()}),
    "AWS::KMS::Alias": ("AliasName", lambda: _of_arns(kms._aliases)),
    "AWS::Lambda::Function": ("FunctionName", lambda: lambda_svc._functions),
    "AWS::Logs::LogGroup": ("LogGroupName", lambda: cloudwatch_logs._log_groups),
    "AWS::RDS::DBInstance": ("DBInstanceIdentifier", lambda: rds._instances),
    "AWS::SNS::Topic": ("TopicName", lambda: _of_arns(sns._topics)),
    "AWS::SecretsManager::Secret": ("Name", lambda: secretsmanager._secrets),
    "AWS::WAFv2::WebACL": ("Name", lambda: {one["Name"] for one in waf._web_acls.values()}),
}
"""The property with the name, by type, and the names that the account and region at hand have."""


def _attribute(load_balancer: str, key: str) -> str:
    return next((one["Value"] for one in alb._lb_attrs.get(load_balancer, ()) if one["Key"] == key), "")


KEPT: dict[str, tuple[Callable[[str], bool], str]] = {
    "AWS::DynamoDB::Table": (
        lambda name: bool(dynamodb._tables.get(name, {}).get("DeletionProtectionEnabled")),
        "Resource cannot be deleted as it is currently protected against deletion. Disable deletion protection first.",
    ),
    "AWS::ECR::Repository": (
        lambda name: bool(ecr._images.get(name)),
        "The repository cannot be deleted because it still contains images",
    ),
    "AWS::ElasticLoadBalancingV2::LoadBalancer": (
        lambda arn: _attribute(arn, "deletion_protection.enabled") == "true",
        "The load balancer cannot be deleted because deletion protection is enabled",
    ),
    "AWS::RDS::DBInstance": (
        lambda name: bool(rds._instances.get(name, {}).get("DeletionProtection")),
        "Cannot delete protected DB Instance, please disable deletion protection and try again.",
    ),
    "AWS::S3::Bucket": (
        lambda name: bool(s3._buckets.get(name, {}).get("objects")) or s3._bucket_has_versions(name),
        "The bucket you tried to delete is not empty",
    ),
}
"""Whether AWS refuses to delete a resource, by type, and what it says then."""


def install() -> dict[str, Callable[..., Any]]:
    """Refuse as AWS does; the control call `fail_creation_of`, with the name of a stack."""
    failing: set[str] = set()
    provision, delete, outputs = stacks._provision_resource, stacks._delete_resource, stacks._resolve_stack_outputs

    def created(kind: str, logical_id: str, properties: Properties, stack: str) -> Made:
        _refuse_taken_name(kind, properties)
        made: Made = provision(kind, logical_id, properties, stack)
        if kind == "AWS::ElasticLoadBalancingV2::LoadBalancer":
            _write_test_file(made[0])
        return made

    def deleted(kind: str, ref: str, *rest: Any) -> None:
        refuses, reason = KEPT.get(kind, (None, ""))
        if refuses and refuses(ref):
            raise ValueError(reason)
        delete(kind, ref, *rest)

    def resolved(*arguments: Any) -> Any:
        stack = arguments[-2]
        if stack in failing:
            failing.remove(stack)
            raise ValueError(f"the creation of {stack} was made to fail")
        return outputs(*arguments)

    stacks._provision_resource, stacks._delete_resource, stacks._resolve_stack_outputs = created, deleted, resolved
    return {"fail_creation_of": failing.add}


def _refuse_taken_name(kind: str, properties: Properties) -> None:
    key, names = TAKEN.get(kind, ("", tuple))
    name = properties.get(key)
    if name and name in names():
        raise ValueError(f"{kind} {name} already exists")


def _write_test_file(load_balancer: str) -> None:
    """What ELB puts into the bucket of the access logs as soon as it is told of it.

    https://docs.aws.amazon.com/elasticloadbalancing/latest/application/enable-access-logging.html
    """
    if bucket := _attribute(load_balancer, "access_logs.s3.bucket"):
        prefix = _attribute(load_balancer, "access_logs.s3.prefix")
        key = f"{prefix}/" if prefix else ""
        s3._put_object(bucket, f"{key}AWSLogs/{get_account_id()}/ELBAccessLogTestFile", b"", {})
