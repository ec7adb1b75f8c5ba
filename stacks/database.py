"""The database: one PostgreSQL instance with a standby in another zone, its parameters, its secret and its logs."""

import json
import string
from typing import cast

import aws_cdk as cdk
from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_iam as iam
from aws_cdk import aws_rds as rds
from aws_cdk import aws_secretsmanager as secretsmanager
from constructs import Construct

from runbook.rules import SLOW_QUERY_MILLISECONDS
from stacks.base import KEPT, EnvironmentStack, LoggedEvents
from stacks.environment import Environment
from stacks.network import DATABASE_PORT, Network


class Database(EnvironmentStack):
    """`instance`, and `secret` with the JSON keys username, password, host, port and dbname (runbook 6.2).

    A reader in another stack takes the secret by its ARN and `key.grant_decrypt(role)`: granting the secret itself would write
    the reader's role into this stack's key policy, a cycle of stacks.
    """

    def __init__(self, scope: Construct, environment: Environment, network: Network) -> None:
        super().__init__(scope, "database", environment, "the database")
        size = environment.application.database
        engine = rds.DatabaseInstanceEngine.postgres(
            version=rds.PostgresEngineVersion.of(size.version, size.version.partition(".")[0])
        )
        # RDS makes these groups by itself, without key and retention, unless they are there before the instance writes.
        log_groups = [
            self.log_group("PostgresqlLogs", environment.database_log_group),
            self.log_group("UpgradeLogs", environment.database_upgrade_log_group),
        ]
        credentials = secretsmanager.Secret(
            self,
            "Secret",
            secret_name=environment.database_secret,
            description=f"The master user of {environment.database_instance}",
            encryption_key=self.key,
            generate_secret_string=secretsmanager.SecretStringGenerator(
                secret_string_template=json.dumps({"username": size.user, "dbname": size.name}),
                generate_string_key="password",
                password_length=32,
                exclude_characters=string.punctuation,  # the runbook puts the password into a URL unencoded
                require_each_included_type=False,  # or Secrets Manager would require punctuation anyway
            ),
            removal_policy=KEPT,
        )
        self.instance = rds.DatabaseInstance(
            self,
            "Instance",
            instance_identifier=environment.database_instance,
            engine=engine,
            instance_type=ec2.InstanceType(environment.database.instance_class.removeprefix("db.")),
            database_name=size.name,
            credentials=rds.Credentials.from_secret(credentials),
            iam_authentication=True,
            parameter_group=rds.ParameterGroup(
                self,
                "Parameters",
                engine=engine,
                name=environment.database_parameter_group,
                description=f"Parameters of {environment.database_instance}",
                parameters={
                    "log_min_duration_statement": str(SLOW_QUERY_MILLISECONDS),
                    "log_statement": "ddl",
                    "max_connections": str(environment.database.max_connections),
                    "rds.force_ssl": "1",
                    "shared_preload_libraries": "pg_stat_statements",
                },
            ),
            port=DATABASE_PORT,
            vpc=network.vpc,
            vpc_subnets=ec2.SubnetSelection(subnet_type=ec2.SubnetType.PRIVATE_ISOLATED),
            security_groups=[network.database_security_group],
            publicly_accessible=False,
            multi_az=True,
            storage_type=rds.StorageType.GP3,
            allocated_storage=size.storage_gib,
            max_allocated_storage=size.max_storage_gib,
            storage_encrypted=True,
            storage_encryption_key=self.key,
            backup_retention=cdk.Duration.days(size.backup_days),
            preferred_backup_window="03:00-04:00",
            preferred_maintenance_window="Mon:04:00-Mon:05:00",
            copy_tags_to_snapshot=True,
            delete_automated_backups=False,
            auto_minor_version_upgrade=True,
            allow_major_version_upgrade=True,  # when the configuration asks for one; RDS takes a snapshot before
            cloudwatch_logs_exports=["postgresql", "upgrade"],
            monitoring_interval=cdk.Duration.seconds(60),
            monitoring_role=iam.Role(
                self,
                "MonitoringRole",
                description=f"Writes the enhanced monitoring of {environment.database_instance}",
                assumed_by=iam.ServicePrincipal(
                    "monitoring.rds.amazonaws.com",
                    conditions={"StringEquals": {"aws:SourceAccount": self._environment.account}},
                ),
                managed_policies=[
                    iam.ManagedPolicy.from_aws_managed_policy_name("service-role/AmazonRDSEnhancedMonitoringRole")
                ],
            ),
            enable_performance_insights=True,
            performance_insight_encryption_key=self.key,
            deletion_protection=environment.protection,
            removal_policy=KEPT,
        )
        self.instance.node.add_dependency(*log_groups)
        self.secret = cast("secretsmanager.ISecret", self.instance.secret)  # the credentials above
        # Failovers have a rule of their own: how often it matches is a metric, and a row of the table.
        # https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/USER_Events.Messages.html
        of_instance = [environment.arn("rds", f"db:{environment.database_instance}")]
        detail_type, started = "RDS DB Instance Event", "RDS-EVENT-0013"
        self.log_events(
            "rds",
            environment.database_events_log_group,
            [
                LoggedEvents(
                    "Failovers",
                    detail_type,
                    {"resources": of_instance, "detail": {"EventID": [started]}},
                    environment.failover_rule,
                ),
                LoggedEvents(
                    "Events", detail_type, {"resources": of_instance, "detail": {"EventID": [{"anything-but": started}]}}
                ),
            ],
        )
