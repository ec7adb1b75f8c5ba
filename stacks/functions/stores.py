"""What `procedures` knows of the database and the cache, and may do with them."""

from typing import Any

from aws_cdk import aws_iam as iam

from stacks.environment import Environment

Statements = list[iam.PolicyStatement]


def settings(environment: Environment) -> dict[str, Any]:
    """The settings beside those that other families have, too."""
    container = environment.application.container
    return {
        "application": environment.application.name,
        "database_parameter_group": environment.database_parameter_group,
        "database_secret": environment.database_secret,
        "database_variables": {key: variable for variable, key in container.database_secret.items()},
        "cache_secret": environment.cache_secret,
        "cache_url_secret": environment.cache_url_secret,
        "backend_log_group": environment.backend_log_group,
        "config_file": f"config/{environment.name}.toml",
    }


def database(environment: Environment, key: str) -> Statements:
    """Snapshots of the live instance, instances beside it, and changes of both; nothing is deleted."""

    def instances(*names: str) -> list[str]:
        return [environment.arn("rds", f"db:{name}") for name in names]

    live = environment.database_instance
    restored, before = f"{live}-restored", f"{live}-before-*"
    manual = environment.arn("rds", f"snapshot:{environment.application.name}-manual-*")
    any_snapshot = environment.arn("rds", "snapshot:*")
    parameters = environment.arn("rds", f"pg:{environment.database_parameter_group}")
    made_with = [
        parameters,
        # CloudFormation names the subnet group after its stack.
        environment.arn("rds", f"subgrp:{environment.stack('database')}-*"),
        environment.arn("rds", "og:default:*"),
    ]
    return [
        # The names of the instances that were put aside are found among all.
        _allow(["rds:DescribeDBInstances"], instances("*")),
        _allow(["rds:DescribeDBSnapshots"], [*instances(live), any_snapshot]),
        _allow(["rds:CreateDBSnapshot"], [*instances(live), manual]),
        _allow(["rds:RestoreDBInstanceFromDBSnapshot"], [*instances(restored), any_snapshot, *made_with]),
        _allow(["rds:RestoreDBInstanceToPointInTime"], [*instances(live, restored), *made_with]),
        _allow(["rds:ModifyDBInstance"], instances(live, restored, before)),
        _allow(["rds:AddTagsToResource"], [*instances(restored, before), manual]),
        _allow(["rds:DescribeDBParameters", "rds:ModifyDBParameterGroup"], [parameters]),
        _allow(["rds:DescribeOrderableDBInstanceOptions"], ["*"]),
        _allow(
            ["iam:PassRole"],
            [environment.role_arn(environment.database_monitoring_role)],
            {"StringEquals": {"iam:PassedToService": "monitoring.rds.amazonaws.com"}},
        ),
        # RDS uses the key of what it restores as its caller:
        # https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/Overview.Encryption.Keys.html
        _allow(["kms:DescribeKey"], [key], _through(environment, "rds")),
        _allow(["kms:CreateGrant"], [key], {**_through(environment, "rds"), "Bool": {"kms:GrantIsForAWSResource": "true"}}),
    ]


def cache(environment: Environment) -> Statements:
    """A snapshot of a node, and changes of the replication group."""
    group = environment.arn("elasticache", f"replicationgroup:{environment.replication_group}")
    node = environment.arn("elasticache", f"cluster:{environment.replication_group}-*")
    manual = environment.arn("elasticache", f"snapshot:{environment.application.name}-manual-*")
    return [
        _allow(
            [
                "elasticache:DescribeReplicationGroups",
                "elasticache:ListAllowedNodeTypeModifications",
                "elasticache:ModifyReplicationGroup",
            ],
            [group],
        ),
        _allow(["elasticache:CreateSnapshot"], [node, manual]),
        _allow(["elasticache:DescribeSnapshots"], [manual]),
    ]


def tasks(environment: Environment) -> Statements:
    """One-off tasks of the service's definition, what they write, and a rolling restart of the service."""
    service = environment.arn("ecs", f"service/{environment.cluster}/{environment.service}")
    container = environment.application.container.name
    return [
        _allow(["ecs:UpdateService", "ecs:ListServiceDeployments"], [service]),
        _allow(
            ["ecs:RunTask"],
            [environment.arn("ecs", f"task-definition/{environment.family}:*")],
            {"ArnEquals": {"ecs:cluster": environment.arn("ecs", f"cluster/{environment.cluster}")}},
        ),
        _allow(
            ["iam:PassRole"],
            [environment.role_arn(environment.execution_role), environment.role_arn(environment.task_role)],
            {"StringEquals": {"iam:PassedToService": "ecs-tasks.amazonaws.com"}},
        ),
        _allow(
            ["logs:GetLogEvents"],
            [environment.arn("logs", f"log-group:{environment.backend_log_group}:log-stream:{container}/{container}/*")],
        ),
    ]


def rotation(environment: Environment, database_key: str, cache_key: str) -> Statements:
    """The versions of three secrets, and their keys by way of Secrets Manager."""
    names = (environment.database_secret, environment.cache_secret, environment.cache_url_secret)
    return [
        _allow(
            [
                "secretsmanager:DescribeSecret",
                "secretsmanager:GetSecretValue",
                "secretsmanager:PutSecretValue",
                "secretsmanager:UpdateSecretVersionStage",
            ],
            [environment.arn("secretsmanager", f"secret:{name}-??????") for name in names],
        ),
        _allow(["secretsmanager:GetRandomPassword"], ["*"]),
        _allow(["kms:Decrypt", "kms:GenerateDataKey"], [database_key, cache_key], _through(environment, "secretsmanager")),
    ]


def _allow(actions: list[str], resources: list[str], conditions: dict[str, Any] | None = None) -> iam.PolicyStatement:
    return iam.PolicyStatement(actions=actions, resources=resources, conditions=conditions or {})


def _through(environment: Environment, service: str) -> dict[str, Any]:
    return {"StringEquals": {"kms:ViaService": f"{service}.{environment.region}.amazonaws.com"}}
