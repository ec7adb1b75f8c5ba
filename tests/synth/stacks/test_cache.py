"""The cache: APPLICATION facts and runbook sections 1 and 3.5, read from the template."""

from collections.abc import Callable
from typing import Any

import pytest

from stacks.environment import Environment
from tests.synth.template import Template


@pytest.fixture
def cache(template: Callable[[str], Template]) -> Template:
    return template("cache")


@pytest.fixture
def group(cache: Template) -> dict[str, Any]:
    properties: dict[str, Any] = cache.only("AWS::ElastiCache::ReplicationGroup")["Properties"]
    return properties


FACTS = {  # of the application: Redis 7, cluster mode off, a primary and a replica, TLS and an auth token, snapshots kept 7 days
    "Engine": "redis",
    "ClusterMode": "disabled",
    "NumCacheClusters": 2,
    "AutomaticFailoverEnabled": True,
    "TransitEncryptionEnabled": True,
    "TransitEncryptionMode": "required",
    "AtRestEncryptionEnabled": True,
    "SnapshotRetentionLimit": 7,
}


def test_it_is_what_the_application_asks_for(group: dict[str, Any]) -> None:
    assert {setting: group.get(setting) for setting in FACTS} == FACTS


def test_the_names_are_the_runbooks(cache: Template, group: dict[str, Any], environment: Environment) -> None:
    prefix = f"hz-navigator-{environment.name}"
    secrets = cache.of_type("AWS::SecretsManager::Secret").values()
    assert group["ReplicationGroupId"] == f"{prefix}-redis"
    assert {secret["Properties"]["Name"] for secret in secrets} == {f"{prefix}-redis-auth", f"{prefix}-redis-url"}


def test_there_is_a_node_for_each_that_is_watched(group: dict[str, Any], environment: Environment) -> None:
    assert group["NumCacheClusters"] == len(environment.cache_nodes)


def test_the_size_comes_from_the_environment(group: dict[str, Any], environment: Environment) -> None:
    assert group["CacheNodeType"] == environment.cache.node_type


def test_it_is_redis_7_and_evicts_only_what_may_expire(cache: Template, group: dict[str, Any]) -> None:
    parameters = cache.only("AWS::ElastiCache::ParameterGroup")
    assert group["EngineVersion"].split(".")[0] == "7"
    assert parameters["Properties"]["CacheParameterGroupFamily"] == "redis7"
    assert parameters["Properties"]["Properties"] == {"maxmemory-policy": "volatile-lru"}
    assert group["CacheParameterGroupName"] == {"Ref": parameters["Id"]}


def test_it_stands_in_isolated_subnets_behind_its_own_security_group(
    cache: Template, group: dict[str, Any], environment: Environment
) -> None:
    subnets = cache.only("AWS::ElastiCache::SubnetGroup")
    imports = [subnet["Fn::ImportValue"] for subnet in subnets["Properties"]["SubnetIds"]]
    [security_group] = group["SecurityGroupIds"]
    assert group["CacheSubnetGroupName"] == {"Ref": subnets["Id"]}
    assert len(imports) == len(environment.network.zones)
    assert all("IsolatedSubnet" in name for name in imports)
    assert "CacheSecurityGroup" in security_group["Fn::ImportValue"]


def test_all_that_is_stored_is_under_the_customer_key(cache: Template, group: dict[str, Any]) -> None:
    key = {"Fn::GetAtt": [cache.only("AWS::KMS::Key")["Id"], "Arn"]}
    kept = [
        *cache.of_type("AWS::SecretsManager::Secret").values(),
        *cache.of_type("AWS::Logs::LogGroup").values(),
    ]
    assert len(kept) == 4
    assert [resource["Properties"]["KmsKeyId"] for resource in kept] == [key] * len(kept)
    assert group["KmsKeyId"] == key


def secrets(cache: Template, environment: Environment) -> tuple[tuple[str, dict[str, Any]], tuple[str, dict[str, Any]]]:
    """(logical id, properties) of the auth token's secret and of the URL's."""
    found = {
        secret["Properties"]["Name"]: (logical_id, secret["Properties"])
        for logical_id, secret in cache.of_type("AWS::SecretsManager::Secret").items()
    }
    return found[environment.cache_secret], found[environment.cache_url_secret]


def test_the_token_is_one_that_redis_and_a_url_accept(cache: Template, environment: Environment) -> None:
    (_, token), _ = secrets(cache, environment)
    assert token["GenerateSecretString"] == {
        "SecretStringTemplate": "{}",
        "GenerateStringKey": "token",
        "PasswordLength": 64,  # ElastiCache: 16 to 128
        "ExcludePunctuation": True,
    }


def test_redis_takes_the_token_from_its_secret(cache: Template, group: dict[str, Any], environment: Environment) -> None:
    (token, _), _ = secrets(cache, environment)
    assert group["AuthToken"] == {"Fn::Join": ["", ["{{resolve:secretsmanager:", {"Ref": token}, ":SecretString:token::}}"]]}


def test_the_url_is_the_primarys_over_tls_with_the_token_by_reference(cache: Template, environment: Environment) -> None:
    (token, _), (_, url) = secrets(cache, environment)
    primary = {"Fn::GetAtt": [cache.only("AWS::ElastiCache::ReplicationGroup")["Id"], "PrimaryEndPoint.Address"]}
    assert url["SecretString"] == {
        "Fn::Join": [
            "",
            ["rediss://:{{resolve:secretsmanager:", {"Ref": token}, ":SecretString:token::}}@", primary, ":6379"],
        ]
    }


def test_slow_and_engine_logs_go_to_groups_of_their_own(
    cache: Template, group: dict[str, Any], environment: Environment
) -> None:
    groups = {logical_id: resource["Properties"] for logical_id, resource in cache.of_type("AWS::Logs::LogGroup").items()}
    found = {
        delivery["LogType"]: groups[delivery["DestinationDetails"]["CloudWatchLogsDetails"]["LogGroup"]["Ref"]]["LogGroupName"]
        for delivery in group["LogDeliveryConfigurations"]
    }
    assert found == {"slow-log": environment.cache_slow_log_group, "engine-log": environment.cache_engine_log_group}
    assert {properties["RetentionInDays"] for properties in groups.values()} == {environment.log_retention_days}


def test_it_outlives_its_stack(cache: Template) -> None:
    group = cache.only("AWS::ElastiCache::ReplicationGroup")
    assert (group["DeletionPolicy"], group["UpdateReplacePolicy"]) == ("RetainExceptOnCreate", "Retain")
