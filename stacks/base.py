"""What every stack has: its place in an environment, a customer key, a bucket for access logs, encrypted log groups."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, cast

import aws_cdk as cdk
from aws_cdk import aws_certificatemanager as acm
from aws_cdk import aws_events as events
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_logs as logs
from aws_cdk import aws_route53 as route53
from aws_cdk import aws_s3 as s3
from constructs import Construct

from runbook.queries import QUERIES
from stacks.environment import Environment

KEPT = cdk.RemovalPolicy.RETAIN_ON_UPDATE_OR_DELETE
"""For all that holds data: kept when its stack goes, deleted when its own creation is rolled back.

A first deployment that failed leaves no name taken, so the same command can be run again:
https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/aws-attribute-deletionpolicy.html
"""


@dataclass(frozen=True)
class LoggedEvents:
    """Events of one service that a rule takes to a log group: their detail type, and what else of the pattern."""

    construct_id: str
    detail_type: str
    pattern: dict[str, Any]
    rule_name: str | None = None


class EnvironmentStack(cdk.Stack):
    """One stack of an environment, named `<application>-<environment>-<component>`."""

    def __init__(self, scope: Construct, component: str, environment: Environment, description: str, region: str = "") -> None:
        super().__init__(
            scope,
            component,
            stack_name=environment.stack(component),
            description=f"{environment.application.title} {environment.name}: {description}",
            env=cdk.Environment(account=environment.account, region=region or environment.region),
            termination_protection=environment.protection,
            tags={"application": environment.application.name, "environment": environment.name, "component": component},
        )
        self._region = region or environment.region  # as `region`, without a call into Node
        self._environment = environment  # `environment` is the CDK's own word for account and region

    @cached_property
    def key(self) -> kms.Key:
        """The customer key of what this stack stores. Made on first use, rotated yearly, kept when the stack goes."""
        return kms.Key(
            self,
            "Key",
            alias=f"alias/{self.stack_name}",
            description=f"Data of {self.stack_name}",
            enable_key_rotation=True,
            removal_policy=KEPT,
        )

    def allow_service(self, principal: str, *, source_arn: str) -> None:
        """Let an AWS service use the stack's key for one resource of this account (ARN, `*` allowed in it)."""
        self.key.add_to_resource_policy(
            iam.PolicyStatement(
                principals=[iam.ServicePrincipal(principal)],
                actions=["kms:Decrypt", "kms:GenerateDataKey*"],
                resources=["*"],
                conditions={
                    "ArnLike": {"aws:SourceArn": source_arn},
                    "StringEquals": {"aws:SourceAccount": self._environment.account},
                },
            )
        )

    def log_group(self, construct_id: str, name: str) -> logs.LogGroup:
        """A log group under the stack's key with the environment's retention, and the queries saved for it.

        The key's policy admits exactly this group, as CloudWatch Logs asks:
        https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/encrypt-log-data-kms.html
        """
        self.key.add_to_resource_policy(
            iam.PolicyStatement(
                principals=[iam.ServicePrincipal(f"logs.{self._region}.amazonaws.com")],
                actions=["kms:Encrypt*", "kms:Decrypt*", "kms:ReEncrypt*", "kms:GenerateDataKey*", "kms:Describe*"],
                resources=["*"],
                conditions={
                    "ArnEquals": {
                        "kms:EncryptionContext:aws:logs:arn": (
                            f"arn:aws:logs:{self._region}:{self._environment.account}:log-group:{name}"
                        )
                    }
                },
            )
        )
        group = logs.LogGroup(self, construct_id, log_group_name=name, encryption_key=self.key, removal_policy=KEPT)
        resource = cast("logs.CfnLogGroup", group.node.default_child)
        resource.retention_in_days = self._environment.log_retention_days
        for query in QUERIES:
            if query.group(self._environment) == name:
                logs.CfnQueryDefinition(
                    self,
                    f"{construct_id}-{query.slug}",
                    name=f"{self._environment.prefix}/{query.title}",
                    log_group_names=[group.log_group_name],
                    query_string=query.text,
                )
        return group

    def log_events(self, service: str, group_name: str, logged: Sequence[LoggedEvents]) -> list[events.CfnRule]:
        """Log events of an AWS service, `ecs` of `aws.ecs`. Returns the rules, in order.

        The group's policy is as https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-use-resource-based.html has it.
        """
        environment = self._environment
        group = self.log_group("EventLogs", group_name)
        arn = environment.arn("logs", f"log-group:{group.log_group_name}")
        rules = [
            events.CfnRule(
                self,
                one.construct_id,
                name=one.rule_name,
                description=f"To {group_name}: {one.detail_type}",
                event_pattern={"source": [f"aws.{service}"], "detail-type": [one.detail_type], **one.pattern},
                targets=[events.CfnRule.TargetProperty(id="Logs", arn=arn)],
            )
            for one in logged
        ]
        principals: list[iam.IPrincipal] = [
            iam.ServicePrincipal(name) for name in ("events.amazonaws.com", "delivery.logs.amazonaws.com")
        ]
        logs.ResourcePolicy(
            self,
            "EventLogsPolicy",
            resource_policy_name=f"{environment.prefix}-{service}-events",
            policy_statements=[
                iam.PolicyStatement(principals=principals, actions=["logs:CreateLogStream"], resources=[f"{arn}:*"]),
                iam.PolicyStatement(
                    principals=principals,
                    actions=["logs:PutLogEvents"],
                    resources=[f"{arn}:*:*"],
                    conditions={"ArnEquals": {"aws:SourceArn": [rule.attr_arn for rule in rules]}},
                ),
            ],
        )
        return rules

    @cached_property
    def zone(self) -> route53.IHostedZone | None:
        """The hosted zone of the environment's domains; None where the configuration has certificates instead."""
        domain = self._environment.domain
        if not domain.hosted_zone_id:
            return None
        return route53.HostedZone.from_hosted_zone_attributes(
            self, "Zone", hosted_zone_id=domain.hosted_zone_id, zone_name=domain.zone
        )

    def certificate(self, host: str, arn: str | None) -> acm.ICertificate:
        """The certificate of a host name: validated in the hosted zone, or else the one with the configured ARN."""
        if self.zone:
            validation = acm.CertificateValidation.from_dns(self.zone)
            return acm.Certificate(self, "Certificate", domain_name=host, validation=validation)
        # Without a hosted zone the configuration has the ARN: its model asks for one or the other.
        return acm.Certificate.from_certificate_arn(self, "Certificate", cast("str", arn))

    @cached_property
    def access_logs(self) -> s3.Bucket:
        """The bucket for this stack's access logs. Made on first use.

        Encrypted with S3's own key: load balancer and server access logs cannot be delivered under a customer key
        (https://docs.aws.amazon.com/elasticloadbalancing/latest/application/enable-access-logging.html).
        """
        return s3.Bucket(
            self,
            "AccessLogs",
            block_public_access=s3.BlockPublicAccess.BLOCK_ALL,
            encryption=s3.BucketEncryption.S3_MANAGED,
            enforce_ssl=True,
            minimum_tls_version=1.2,
            versioned=True,
            object_ownership=s3.ObjectOwnership.BUCKET_OWNER_ENFORCED,
            lifecycle_rules=[
                s3.LifecycleRule(
                    expiration=cdk.Duration.days(self._environment.log_retention_days),
                    noncurrent_version_expiration=cdk.Duration.days(30),
                    abort_incomplete_multipart_upload_after=cdk.Duration.days(7),
                )
            ],
            # Even when its creation is rolled back: the load balancer writes into it at once, and S3 deletes no bucket with
            # objects in it. Its name is generated, so it is in nobody's way.
            removal_policy=cdk.RemovalPolicy.RETAIN,
        )

    def data_bucket(
        self,
        construct_id: str,
        name: str,
        *,
        encryption_key: kms.IKey,
        old_versions: cdk.Duration,
        cors: list[s3.CorsRule] | None = None,
    ) -> s3.Bucket:
        """A private, versioned bucket under the key, reached by TLS only, with access logs; kept when the stack goes.

        `old_versions` is the age at which replaced and deleted objects go, and with the last of them their delete markers.
        """
        return s3.Bucket(
            self,
            construct_id,
            bucket_name=name,
            block_public_access=s3.BlockPublicAccess.BLOCK_ALL,
            encryption=s3.BucketEncryption.KMS,
            encryption_key=encryption_key,
            bucket_key_enabled=True,
            enforce_ssl=True,
            minimum_tls_version=1.2,
            versioned=True,
            object_ownership=s3.ObjectOwnership.BUCKET_OWNER_ENFORCED,
            server_access_logs_bucket=self.access_logs,
            server_access_logs_prefix=f"{name}/",
            lifecycle_rules=[
                s3.LifecycleRule(
                    expired_object_delete_marker=True,
                    noncurrent_version_expiration=old_versions,
                    abort_incomplete_multipart_upload_after=cdk.Duration.days(7),
                )
            ],
            cors=cors,
            removal_policy=KEPT,
        )
