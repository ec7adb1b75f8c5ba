"""The cache: a Redis replication group of a primary and a replica, its auth token, its URL and its logs."""

import aws_cdk as cdk
from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_elasticache as elasticache
from aws_cdk import aws_secretsmanager as secretsmanager
from constructs import Construct

from stacks.base import KEPT, EnvironmentStack
from stacks.environment import Environment
from stacks.network import CACHE_PORT, Network


class Cache(EnvironmentStack):
    """`endpoint`, the primary's address, and `url_secret`, the whole `rediss://` URL with the auth token in it.

    A reader in another stack takes the secret as it takes the database's.
    """

    def __init__(self, scope: Construct, environment: Environment, network: Network) -> None:
        super().__init__(scope, "cache", environment, "the cache")
        size = environment.application.cache
        logs = {
            "slow-log": self.log_group("SlowLog", environment.cache_slow_log_group),
            "engine-log": self.log_group("EngineLog", environment.cache_engine_log_group),
        }
        secret = secretsmanager.Secret(
            self,
            "Secret",
            secret_name=environment.cache_secret,
            description="The auth token of Redis",
            encryption_key=self.key,
            # Redis allows 16 to 128 characters and little punctuation; letters and digits need no encoding in a URL:
            # https://docs.aws.amazon.com/AmazonElastiCache/latest/dg/auth.html
            generate_secret_string=secretsmanager.SecretStringGenerator(
                secret_string_template="{}",  # noqa: S106 - JSON with nothing in it but the generated key
                generate_string_key="token",
                password_length=64,
                exclude_punctuation=True,
            ),
            removal_policy=KEPT,
        )
        token = secret.secret_value_from_json("token").unsafe_unwrap()  # a dynamic reference, not the value
        subnets = elasticache.CfnSubnetGroup(
            self,
            "Subnets",
            description=f"Isolated subnets of {environment.replication_group}",
            subnet_ids=network.vpc.select_subnets(subnet_type=ec2.SubnetType.PRIVATE_ISOLATED).subnet_ids,
        )
        parameters = elasticache.CfnParameterGroup(
            self,
            "Parameters",
            cache_parameter_group_family=f"redis{size.version.partition('.')[0]}",
            description=f"Parameters of {environment.replication_group}",
            properties={"maxmemory-policy": size.eviction},
        )
        group = elasticache.CfnReplicationGroup(
            self,
            "ReplicationGroup",
            replication_group_id=environment.replication_group,
            replication_group_description=f"{environment.application.title} {environment.name}: sessions and cached answers",
            engine="redis",
            engine_version=size.version,
            cache_node_type=environment.cache.node_type,
            num_cache_clusters=size.nodes,
            cluster_mode="disabled",
            automatic_failover_enabled=True,
            multi_az_enabled=True,
            port=CACHE_PORT,
            cache_subnet_group_name=subnets.ref,
            cache_parameter_group_name=parameters.ref,
            security_group_ids=[network.cache_security_group.security_group_id],
            transit_encryption_enabled=True,
            transit_encryption_mode="required",
            auth_token=token,
            at_rest_encryption_enabled=True,
            kms_key_id=self.key.key_arn,
            snapshot_retention_limit=size.snapshot_days,
            snapshot_window="02:00-03:00",
            preferred_maintenance_window="tue:04:00-tue:05:00",  # never while the database has its own
            auto_minor_version_upgrade=True,
            log_delivery_configurations=[
                elasticache.CfnReplicationGroup.LogDeliveryConfigurationRequestProperty(
                    log_type=log_type,
                    log_format="json",
                    destination_type="cloudwatch-logs",
                    destination_details=elasticache.CfnReplicationGroup.DestinationDetailsProperty(
                        cloud_watch_logs_details=elasticache.CfnReplicationGroup.CloudWatchLogsDestinationDetailsProperty(
                            log_group=log_group.log_group_name
                        )
                    ),
                )
                for log_type, log_group in logs.items()
            ],
        )
        group.apply_removal_policy(KEPT)
        self.endpoint = group.attr_primary_end_point_address
        self.url_secret = secretsmanager.Secret(
            self,
            "UrlSecret",
            secret_name=environment.cache_url_secret,
            description="The URL of Redis, auth token included",
            encryption_key=self.key,
            secret_string_value=cdk.SecretValue.unsafe_plain_text(f"rediss://:{token}@{self.endpoint}:{CACHE_PORT}"),
            removal_policy=KEPT,
        )
