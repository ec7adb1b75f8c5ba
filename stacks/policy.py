"""The policy packs, and every acknowledged finding: on one construct, by its full id, with the reason why this is right.

`python -m stacks.policy` lists them. A finding that is not here fails `cdk synth`; a line here that no pack finds any more
fails the tests.
"""

import json
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import aws_cdk as cdk
from cdk_nag import AwsSolutionsChecks, NagPack, NIST80053R5Checks
from constructs import IConstruct

from stacks.environment import MOST_ZONES, Environment


@dataclass(frozen=True)
class Acknowledgement:
    """The findings `ids` on the construct at `path` below its stack are right because of `reason`, in these environments.

    Where an id holds a name, it says so by the environment's attribute: `{environment.cluster}`.
    """

    path: str
    ids: tuple[str, ...]
    reason: str
    needs: str = ""
    """The optional part of an environment that has the construct."""
    unless: str = ""
    """The setting of an environment with which no pack finds it."""
    zone: int = 0
    """The number of the zone that has the construct, where an environment may have fewer."""

    def applies(self, environment: Environment) -> bool:
        """Whether the environment has the construct, and the pack finds it there."""
        return (
            self.zone <= len(environment.network.zones)
            and bool(not self.needs or getattr(environment, self.needs))
            and not (self.unless and getattr(environment, self.unless))
        )

    def findings(self, environment: Environment) -> tuple[str, ...]:
        """The ids with the environment's names in them."""
        return tuple(finding.format(environment=environment) for finding in self.ids)


_ACCESS_LOGS = (
    Acknowledgement(
        "AccessLogs/Resource",
        ("NIST.800.53.R5-S3DefaultEncryptionKMS",),
        "Access logs cannot be delivered under a customer key: the bucket has S3's own encryption.",
    ),
    Acknowledgement(
        "AccessLogs/Resource",
        ("NIST.800.53.R5-S3BucketReplicationEnabled",),
        "Access logs are evidence for weeks, not data to survive a region; a replica would double their cost.",
    ),
)

_NOT_LOGGED = Acknowledgement(
    "AccessLogs/Resource",
    ("AwsSolutions-S1", "NIST.800.53.R5-S3BucketLoggingEnabled"),
    "This is the bucket that access logs go to; logging its own deliveries would never end.",
)
_UNTIL_IT_STANDS = (
    "Only while the environment is created: what has failed to be made has to be deleted before it can be made again. Synth "
    "warns until `protection = true` is set."
)
_NOT_REPLICATED = ("NIST.800.53.R5-S3BucketReplicationEnabled",)

_ROTATION = ("AwsSolutions-SMG4", "NIST.800.53.R5-SecretsManagerRotationEnabled")

# By component, then in the order of the stack's own code.
ACKNOWLEDGEMENTS: dict[str, tuple[Acknowledgement, ...]] = {
    "network": (
        Acknowledgement(
            "Vpc/Resource",
            ("NIST.800.53.R5-VPCDefaultSecurityGroupClosed",),
            "CloudFormation cannot empty the default security group without a custom resource and a function of its own. "
            "Nothing is in it: load balancer, tasks, database, cache and endpoints each name a group of their own (the tests "
            "hold that), and all that it admits is its own members.",
        ),
        *(
            Acknowledgement(
                f"Vpc/PublicSubnet{zone}/DefaultRoute",
                ("NIST.800.53.R5-VPCNoUnrestrictedRouteToIGW",),
                "A public subnet is one that routes to the internet gateway. Only the load balancer and the NAT gateways are in it, "
                "and it gives out no public address by itself.",
                zone=zone,
            )
            for zone in range(1, MOST_ZONES + 1)
        ),
        Acknowledgement(
            "LoadBalancerSecurityGroup/Resource",
            ("AwsSolutions-EC23",),
            "The API is public: anybody may reach the load balancer, on 443 and, to be redirected there, on 80. "
            "A web ACL filters what reaches it, and it reaches nothing but the backend's port.",
        ),
    ),
    "load-balancer": (
        *_ACCESS_LOGS,
        _NOT_LOGGED,
        Acknowledgement(
            "LoadBalancer/Redirect80To443/Resource",
            ("NIST.800.53.R5-ELBv2ACMCertificateRequired",),
            "This listener answers every plain request with a redirect to HTTPS; a certificate has no place on it.",
        ),
        Acknowledgement(
            "LoadBalancer/Resource",
            ("NIST.800.53.R5-ELBDeletionProtectionEnabled",),
            _UNTIL_IT_STANDS,
            unless="protection",
        ),
    ),
    "database": (
        Acknowledgement(
            "Secret/Resource",
            _ROTATION,
            "Running tasks read the password only when they start: a rotation on a schedule would lock them out until they are "
            "replaced. The procedure rotate-database-password changes it when a person says so, has it approved, and restarts the "
            "service. Nothing outside the VPC can use it.",
        ),
        Acknowledgement(
            "MonitoringRole/Resource",
            ("AwsSolutions-IAM4[Policy::arn:<AWS::Partition>:iam::aws:policy/service-role/AmazonRDSEnhancedMonitoringRole]",),
            "AWS keeps this policy for exactly this service role: it writes RDS's own metric log groups and nothing else.",
        ),
        Acknowledgement(
            "Instance/Resource",
            ("AwsSolutions-RDS11",),
            "The runbook and the application use PostgreSQL's port. Isolated subnets and a security group that admits the "
            "backend alone decide who may connect, not a hidden port.",
        ),
        Acknowledgement(
            "Instance/Resource",
            ("NIST.800.53.R5-RDSInBackupPlan",),
            "RDS's own daily backups and logs give the runbook's point-in-time restore (4.3) and stay when the instance is "
            "deleted; a plan of AWS Backup would take the same snapshots a second time.",
        ),
        Acknowledgement(
            "Instance/Resource",
            ("AwsSolutions-RDS10", "NIST.800.53.R5-RDSInstanceDeletionProtectionEnabled"),
            _UNTIL_IT_STANDS,
            unless="protection",
        ),
    ),
    "cache": (
        Acknowledgement(
            "Secret/Resource",
            _ROTATION,
            "A new token has to reach Redis, the URL's secret and every running task in that order, while the old one still "
            "works: the procedure rotate-cache-token does that when a person says so. Nothing outside the VPC can use it.",
        ),
        Acknowledgement(
            "ReplicationGroup",
            ("AwsSolutions-AEC5",),
            "The application uses Redis's port. Isolated subnets and a security group that admits the backend alone decide who "
            "may connect, not a hidden port.",
        ),
        Acknowledgement(
            "ReplicationGroup",
            ("NIST.800.53.R5-ElastiCacheRedisClusterAutomaticBackup",),
            "Sessions and cached answers are worthless after days: 7 days of snapshots, as the application asks, are enough.",
        ),
        Acknowledgement(
            "UrlSecret/Resource",
            _ROTATION,
            "It repeats the auth token, inside the URL that the application reads, and rotate-cache-token changes both together.",
        ),
    ),
    "registry": (),
    "backend": (
        *_ACCESS_LOGS,
        Acknowledgement(
            "Documents/Resource",
            _NOT_REPLICATED,
            "The whole environment is in one region, and S3 keeps each document in at least three of its zones. What is replaced "
            "or deleted stays as a version for 90 days; a second region would hold a copy that nothing there could serve.",
        ),
        Acknowledgement(
            "ApplicationSecret/Resource",
            _ROTATION,
            "A new signing key ends every session: a person changes it, together with a deployment.",
        ),
        Acknowledgement(
            "EncryptionKey/Resource",
            _ROTATION,
            "A new key makes what is stored unreadable until it is encrypted anew: a person does both. No function could.",
        ),
        Acknowledgement(
            "ExecutionRolePolicy/Resource",
            ("AwsSolutions-IAM5[Resource::*]",),
            "ecr:GetAuthorizationToken, the only action granted on it, has no resource-level permissions. Pulling is granted on one repository.",
        ),
        Acknowledgement(
            "TaskRolePolicy/Resource",
            ("AwsSolutions-IAM5[Resource::<Documents7E5B2978.Arn>/*]",),
            "The application makes up the keys of its documents: these are all objects of one bucket, which is its alone.",
        ),
        Acknowledgement(
            "TaskDefinition/Resource",
            ("AwsSolutions-ECS2",),
            "These variables are no secrets: ports, names, the region, a URL. What is secret reaches the container by reference "
            "to Secrets Manager, and the tests hold every variable against one of the two lists.",
        ),
    ),
    "frontend": (
        *_ACCESS_LOGS,
        Acknowledgement(
            "Bucket/Resource",
            _NOT_REPLICATED,
            "What is in it is built from source control and can be uploaded again within minutes; CloudFront serves it everywhere.",
        ),
        Acknowledgement(
            "Backups/Resource",
            _NOT_REPLICATED,
            "Each backup is an earlier build, for a quick rollback; source control and the pipeline can make it again.",
        ),
        Acknowledgement(
            "Distribution/Resource",
            ("AwsSolutions-CFR1",),
            "Users of the service travel. Who may see data is decided by signing in, not by the country that an address is in.",
        ),
        Acknowledgement(
            "Distribution/Resource",
            ("AwsSolutions-CFR3",),
            "Every request is logged, by standard logging v2, which is no property of the distribution and so not seen here. The "
            "first version writes by ACL, which the buckets of this account have switched off.",
        ),
    ),
    "remediation": (
        *_ACCESS_LOGS,
        Acknowledgement(
            "Incidents/Resource",
            ("NIST.800.53.R5-DynamoDBInBackupPlan",),
            "Records of incidents expire by themselves. Point-in-time recovery gives back any second of the last 35 days, and "
            "the table stays when the stack goes; a plan of AWS Backup would add nothing.",
        ),
        Acknowledgement(
            "Records/Resource",
            ("NIST.800.53.R5-DynamoDBInBackupPlan",),
            "Records of incidents expire after a year. Point-in-time recovery gives back any second of the last 35 days, and the "
            "table stays when the stack goes; a plan of AWS Backup would add nothing.",
        ),
        Acknowledgement(
            "RollbackPolicy/Resource",
            (
                "AwsSolutions-IAM5[Resource::arn:aws:ecs:{environment.region}:{environment.account}:service-deployment/{environment.cluster}/{environment.service}/*]",
                "AwsSolutions-IAM5[Resource::arn:aws:ecs:{environment.region}:{environment.account}:service-revision/{environment.cluster}/{environment.service}/*]",
            ),
            "ECS generates the ids of deployments and revisions: these patterns match those of one service and no other.",
        ),
        Acknowledgement(
            "RollbackPolicy/Resource",
            ("AwsSolutions-IAM5[Resource::*]",),
            "Two reads: ecs:DescribeTaskDefinition has no resource-level permissions, and reads names of secrets, no secret; "
            "cloudwatch:DescribeAlarms returns composite alarms only to a permission on everything.",
        ),
        Acknowledgement(
            "Rollback/Resource",
            ("NIST.800.53.R5-LambdaInsideVPC",),
            "It has to work when the VPC is broken. It opens no port, and calls only AWS's endpoints, over TLS.",
        ),
        Acknowledgement(
            "ReleasesPolicy/Resource",
            (
                "AwsSolutions-IAM5[Resource::arn:aws:ecs:{environment.region}:{environment.account}:service-deployment/{environment.cluster}/{environment.service}/*]",
                "AwsSolutions-IAM5[Resource::arn:aws:ecs:{environment.region}:{environment.account}:service-revision/{environment.cluster}/{environment.service}/*]",
            ),
            "ECS generates the ids of deployments and revisions: these patterns match those of one service and no other.",
        ),
        Acknowledgement(
            "ReleasesPolicy/Resource",
            ("AwsSolutions-IAM5[Resource::*]",),
            "ecs:DescribeTaskDefinition, the only action on it, has no resource-level permissions; it reads names of secrets, no secret.",
        ),
        Acknowledgement(
            "Releases/Resource",
            ("NIST.800.53.R5-LambdaInsideVPC",),
            "It calls only AWS's endpoints, over TLS, and opens no port. It has to work when the VPC is broken.",
        ),
        Acknowledgement(
            "IncidentPage/Resource",
            ("NIST.800.53.R5-LambdaInsideVPC",),
            "It has to show an incident in which the VPC is broken. It opens no port, and calls only AWS's endpoints, over TLS.",
        ),
        Acknowledgement(
            "NotifyPolicy/Resource",
            ("AwsSolutions-IAM5[Resource::*]",),
            "cloudwatch:DescribeAlarms, the only action on it, returns composite alarms only to a permission on everything. It "
            "only reads; the two alarms whose state it may set, maintenance and not-armed, are granted by name.",
        ),
        Acknowledgement(
            "NotifyPolicy/Resource",
            ("AwsSolutions-IAM5[Resource::arn:aws:cloudwatch:{environment.region}:{environment.account}:alarm-mute-rule:*]",),
            "People name mute rules as they like, and the function has to see all that silence its alarms. It only lists them.",
        ),
        Acknowledgement(
            "NotifyPolicy/Resource",
            (
                "AwsSolutions-IAM5[Resource::arn:aws:ecs:{environment.region}:{environment.account}:service-revision/{environment.cluster}/{environment.service}/*]",
            ),
            "ECS generates the ids of revisions: this pattern matches those of one service and no other.",
        ),
        Acknowledgement(
            "NotifyPolicy/Resource",
            (
                "AwsSolutions-IAM5[Resource::arn:aws:ssm:{environment.region}:{environment.account}:automation-definition/{environment.prefix}-maintenance-off:*]",
                "AwsSolutions-IAM5[Resource::arn:aws:ssm:{environment.region}:{environment.account}:automation-execution/*]",
            ),
            "Any version of one document, the one that ends maintenance; Systems Manager generates the ids of its executions.",
        ),
        Acknowledgement(
            "PostmortemPolicy/Resource",
            ("AwsSolutions-IAM5[Resource::*]",),
            "Two reads: cloudwatch:GetMetricData is granted on everything or nothing, and cloudwatch:DescribeAlarms as to the other "
            "functions. It changes nothing but the record and its bucket.",
        ),
        Acknowledgement(
            "PostmortemPolicy/Resource",
            ("AwsSolutions-IAM5[Resource::<PostMortems2C30383C.Arn>/*]",),
            "The files of incidents, whose names begin with the day: this pattern matches those of one bucket, which keeps old "
            "versions. The function may read and delete none.",
        ),
        Acknowledgement(
            "Postmortem/Resource",
            ("NIST.800.53.R5-LambdaInsideVPC",),
            "It calls only AWS's endpoints, over TLS, and opens no port.",
        ),
        Acknowledgement(
            "PostMortems/Resource",
            _NOT_REPLICATED,
            "The environment is in one region, and S3 keeps each file in at least three of its zones. What people replace or delete "
            "stays as a version for 90 days.",
        ),
        Acknowledgement(
            "Notify/Resource",
            ("NIST.800.53.R5-LambdaInsideVPC",),
            "It has to notify people when the VPC is broken. It opens no port, and calls only AWS's endpoints, over TLS.",
        ),
        Acknowledgement(
            "DiagnosePolicy/Resource",
            ("AwsSolutions-IAM5[Resource::*]",),
            "Eleven reads without resource-level permissions, cloudwatch:DescribeAlarms among them, which shows composite alarms to "
            "this scope only. They read states, metrics, names and who changed what; no secret's value and no object.",
        ),
        Acknowledgement(
            "DiagnosePolicy/Resource",
            (
                "AwsSolutions-IAM5[Resource::arn:aws:ecs:{environment.region}:{environment.account}:container-instance/{environment.cluster}/*]",
                "AwsSolutions-IAM5[Resource::arn:aws:ecs:{environment.region}:{environment.account}:service-revision/{environment.cluster}/{environment.service}/*]",
                "AwsSolutions-IAM5[Resource::arn:aws:ecs:{environment.region}:{environment.account}:task/{environment.cluster}/*]",
                "AwsSolutions-IAM5[Resource::arn:aws:logs:{environment.region}:{environment.account}:log-group:{environment.backend_log_group}:*]",
                "AwsSolutions-IAM5[Resource::arn:aws:logs:{environment.region}:{environment.account}:log-group:{environment.database_log_group}:*]",
            ),
            "ECS generates the ids of tasks and revisions, and a log group's ARN ends with an asterisk: these patterns match those "
            "of one cluster, its one service and two log groups.",
        ),
        Acknowledgement(
            "Diagnose/Resource",
            ("NIST.800.53.R5-LambdaInsideVPC",),
            "It has to say what is wrong when the VPC is broken. It opens no port, and calls only AWS's endpoints, over TLS.",
        ),
        Acknowledgement(
            "Sentry/Resource",
            ("NIST.800.53.R5-LambdaInsideVPC",),
            "It reads Sentry's public API. It opens no port, and should report errors when the VPC is broken.",
            needs="sentry",
        ),
        Acknowledgement(
            "HealthCheck/Resource",
            ("NIST.800.53.R5-LambdaInsideVPC",),
            "It has to see the service as a user does, from the internet; inside the VPC it would miss what breaks in between.",
        ),
    ),
    "monitoring": (),
    "procedures": (
        Acknowledgement(
            "ProceduresPolicy/Resource",
            ("AwsSolutions-IAM5[Resource::arn:aws:ssm:{environment.region}:{environment.account}:automation-execution/*]",),
            "Systems Manager generates the ids of executions. The function only reads them: the one that calls it, to see that it is "
            "what it says and who started it, and the one that holds a lock.",
        ),
        Acknowledgement(
            "ProceduresBackendPolicy/Resource",
            (
                "AwsSolutions-IAM5[Resource::arn:aws:ecs:{environment.region}:{environment.account}:container-instance/{environment.cluster}/*]",
                "AwsSolutions-IAM5[Resource::arn:aws:ecs:{environment.region}:{environment.account}:service-deployment/{environment.cluster}/{environment.service}/*]",
                "AwsSolutions-IAM5[Resource::arn:aws:ecs:{environment.region}:{environment.account}:service-revision/{environment.cluster}/{environment.service}/*]",
                "AwsSolutions-IAM5[Resource::arn:aws:ecs:{environment.region}:{environment.account}:task/{environment.cluster}/*]",
            ),
            "ECS generates the ids of tasks, deployments and revisions: these patterns match those of one cluster and its one service.",
        ),
        Acknowledgement(
            "ProceduresBackendPolicy/Resource",
            ("AwsSolutions-IAM5[Resource::*]",),
            "Three reads: ecs:DescribeTaskDefinition and application-autoscaling:DescribeScalableTargets have no resource-level "
            "permissions, and cloudwatch:DescribeAlarms returns composite alarms only to a permission on everything.",
        ),
        Acknowledgement(
            "ProceduresFrontendPolicy/Resource",
            (
                "AwsSolutions-IAM5[Resource::arn:aws:s3:::{environment.frontend_bucket}/*]",
                "AwsSolutions-IAM5[Resource::arn:aws:s3:::{environment.frontend_backups_bucket}/*]",
            ),
            "Releases name the files of the frontend. These are the objects of the live bucket and of its backups, which both keep old "
            "versions: the function may delete none of those.",
        ),
        Acknowledgement(
            "ProceduresFrontendPolicy/Resource",
            (
                "AwsSolutions-IAM5[Resource::arn:aws:cloudfront::{environment.account}:distribution/*]",
                "AwsSolutions-IAM5[Resource::arn:aws:kms:us-east-1:{environment.account}:key/*]",
            ),
            "CloudFront and KMS generate these ids, in another region than this stack's. Conditions leave the one distribution with this "
            "site's tag, and the one key with the frontend's alias, through S3 only.",
        ),
        Acknowledgement(
            "ProceduresFrontendPolicy/Resource",
            ("AwsSolutions-IAM5[Resource::*]",),
            "One read: cloudfront:ListDistributions has no resource-level permissions.",
        ),
        Acknowledgement(
            "ProceduresDatabasePolicy/Resource",
            (
                "AwsSolutions-IAM5[Resource::arn:aws:rds:{environment.region}:{environment.account}:db:*]",
                "AwsSolutions-IAM5[Resource::arn:aws:rds:{environment.region}:{environment.account}:snapshot:*]",
            ),
            "Reads of instances and snapshots, whose names carry the time that they were made at; and a restore may be from any "
            "snapshot of the account, into one instance's name.",
        ),
        Acknowledgement(
            "ProceduresDatabasePolicy/Resource",
            (
                "AwsSolutions-IAM5[Resource::arn:aws:rds:{environment.region}:{environment.account}:db:{environment.database_instance}-before-*]",
                "AwsSolutions-IAM5[Resource::arn:aws:rds:{environment.region}:{environment.account}:og:default:*]",
                "AwsSolutions-IAM5[Resource::arn:aws:rds:{environment.region}:{environment.account}:snapshot:{environment.application.name}-manual-*]",
                "AwsSolutions-IAM5[Resource::arn:aws:rds:{environment.region}:{environment.account}:subgrp:{environment.prefix}-database-*]",
            ),
            "Names that end with a time, with RDS's own words or with what CloudFormation generates, of this one database.",
        ),
        Acknowledgement(
            "ProceduresDatabasePolicy/Resource",
            ("AwsSolutions-IAM5[Resource::*]",),
            "One read of what RDS offers, rds:DescribeOrderableDBInstanceOptions, which has no resource-level permissions.",
        ),
        Acknowledgement(
            "ProceduresCachePolicy/Resource",
            (
                "AwsSolutions-IAM5[Resource::arn:aws:elasticache:{environment.region}:{environment.account}:cluster:{environment.replication_group}-*]",
                "AwsSolutions-IAM5[Resource::arn:aws:elasticache:{environment.region}:{environment.account}:snapshot:{environment.application.name}-manual-*]",
            ),
            "ElastiCache numbers the nodes of the one replication group; a snapshot's name ends with the run that made it.",
        ),
        Acknowledgement(
            "ProceduresTasksPolicy/Resource",
            (
                "AwsSolutions-IAM5[Resource::arn:aws:ecs:{environment.region}:{environment.account}:task-definition/{environment.family}:*]",
                "AwsSolutions-IAM5[Resource::arn:aws:logs:{environment.region}:{environment.account}:log-group:{environment.backend_log_group}:log-stream:{environment.application.container.name}/{environment.application.container.name}/*]",
            ),
            "A one-off task runs whatever revision the service runs, in its own cluster only, and ECS generates the name of its log.",
        ),
        Acknowledgement(
            "ProceduresRotationPolicy/Resource",
            ("AwsSolutions-IAM5[Resource::*]",),
            "secretsmanager:GetRandomPassword only answers with a new value, and has no resource-level permissions.",
        ),
        Acknowledgement(
            "ProceduresMaintenancePolicy/Resource",
            (
                "AwsSolutions-IAM5[Resource::arn:aws:wafv2:{environment.region}:{environment.account}:regional/ipset/{environment.prefix}-maintenance-ipv4/*]",
                "AwsSolutions-IAM5[Resource::arn:aws:wafv2:{environment.region}:{environment.account}:regional/ipset/{environment.prefix}-maintenance-ipv6/*]",
                "AwsSolutions-IAM5[Resource::arn:aws:wafv2:us-east-1:{environment.account}:global/ipset/{environment.prefix}-maintenance-ipv4/*]",
                "AwsSolutions-IAM5[Resource::arn:aws:wafv2:us-east-1:{environment.account}:global/ipset/{environment.prefix}-maintenance-ipv6/*]",
            ),
            "WAF generates the ids of IP sets, half of them in another stack's region: each pattern matches the one with that name.",
        ),
        Acknowledgement(
            "ProceduresMaintenancePolicy/Resource",
            ("AwsSolutions-IAM5[Resource::*]",),
            "One read: wafv2:ListIPSets has no resource-level permissions.",
        ),
        Acknowledgement(
            "Procedures/Resource",
            ("NIST.800.53.R5-LambdaInsideVPC",),
            "It has to work when the VPC is broken. It opens no port, and calls only AWS's endpoints and the public site, over TLS.",
        ),
    ),
}


def packs(app: cdk.App) -> list[NagPack]:
    """The packs every template has to pass."""
    return [AwsSolutionsChecks(app, verbose=True), NIST80053R5Checks(app, verbose=True)]


def acknowledge(environment: Environment, stacks: Iterable[cdk.Stack]) -> None:
    """Put the acknowledgements on their constructs. KeyError names a path that no construct has."""
    for stack in stacks:
        by_path: defaultdict[str, list[cdk.Acknowledgment]] = defaultdict(list)
        for entry in ACKNOWLEDGEMENTS[stack.node.id]:
            if entry.applies(environment):
                by_path[entry.path] += [cdk.Acknowledgment(id=one, reason=entry.reason) for one in entry.findings(environment)]
        for path, acknowledgements in by_path.items():
            cdk.Validations.of(_find(stack, path)).acknowledge(*acknowledgements)


def failures(assembly: Path) -> str:
    """What the packs and the CDK's own rules found in a cloud assembly, in words; empty when nothing is left.

    The CDK reports failures through the exit status of its Node process, which a Python application never sees: without this
    look `cdk synth` would succeed. Annotations are left to the CLI, which judges them for the stacks it works on.
    """
    report = json.loads((assembly / "validation-report.json").read_text())
    found = [
        f"{construct['constructPath']}: {violation['ruleName']}: {violation['description']}"
        for plugin in report["pluginReports"]
        if plugin["conclusion"] == "failure" and plugin["pluginName"] != "Construct Annotations"
        for violation in plugin["violations"]
        for construct in violation["violatingConstructs"]
    ]
    return "\n".join([*found, "Fix these, or acknowledge them in stacks/policy.py with a reason."] if found else [])


def _find(stack: cdk.Stack, path: str) -> IConstruct:
    construct: IConstruct = stack
    for part in path.split("/"):
        child = construct.node.try_find_child(part)
        if child is None:
            raise KeyError(f"stacks/policy.py: {stack.node.id} has no construct {path}: take the acknowledgement out")
        construct = child
    return construct


if __name__ == "__main__":
    for component, entries in ACKNOWLEDGEMENTS.items():
        for entry in entries:
            print(f"{component}/{entry.path}\n  {', '.join(entry.ids)}\n  {entry.reason}\n")
