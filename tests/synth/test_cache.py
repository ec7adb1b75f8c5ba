"""The cache: APPLICATION facts and runbook sections 1 and 3.5, read from the template."""

from collections.abc import Callable
from typing import Any

import pytest
from aws_cdk.assertions import Template

from stacks.environment import Environment

from .conftest import only


@pytest.fixture
def cache(template: Callable[[str], Template]) -> Template:
    return template("cache")


@pytest.fixture
def group(cache: Template) -> dict[str, Any]:
    properties: dict[str, Any] = only(cache, "AWS::ElastiCache::ReplicationGroup")["Properties"]
    return properties


GROUP: dict[str, object] = {
    "Engine": "redis",
    "ClusterMode": "disabled",
    "NumCacheClusters": 2,
    "AutomaticFailoverEnabled": True,
    "MultiAZEnabled": True,
    "TransitEncryptionEnabled": True,
    "TransitEncryptionMode": "required",
    "AtRestEncryptionEnabled": True,
    "AutoMinorVersionUpgrade": True,
    "Port": 6379,
    "SnapshotRetentionLimit": 7,
    "SnapshotWindow": "02:00-03:00",
    "PreferredMaintenanceWindow": "tue:04:00-tue:05:00",
}


@pytest.mark.parametrize(("setting", "value"), GROUP.items())
def test_the_group_is_set(group: dict[str, Any], setting: str, value: object) -> None:
    assert group[setting] == value


def test_the_names_are_the_runbooks(cache: Template, group: dict[str, Any], settings: Environment) -> None:
    prefix = f"hz-navigator-{settings.name}"
    secrets = cache.find_resources("AWS::SecretsManager::Secret").values()
    assert group["ReplicationGroupId"] == f"{prefix}-redis"
    assert {secret["Properties"]["Name"] for secret in secrets} == {f"{prefix}-redis-auth", f"{prefix}-redis-url"}


def test_there_is_a_node_for_each_that_is_watched(group: dict[str, Any], settings: Environment) -> None:
    assert group["NumCacheClusters"] == len(settings.cache_nodes)


def test_the_size_comes_from_the_environment(group: dict[str, Any], settings: Environment) -> None:
    assert group["CacheNodeType"] == settings.cache.node_type


def test_it_is_redis_7_and_evicts_only_what_may_expire(cache: Template, group: dict[str, Any]) -> None:
    parameters = only(cache, "AWS::ElastiCache::ParameterGroup")
    assert group["EngineVersion"].split(".")[0] == "7"
    assert parameters["Properties"]["CacheParameterGroupFamily"] == "redis7"
    assert parameters["Properties"]["Properties"] == {"maxmemory-policy": "volatile-lru"}
    assert group["CacheParameterGroupName"] == {"Ref": parameters["Id"]}


def test_it_stands_in_isolated_subnets_behind_its_own_security_group(
    cache: Template, group: dict[str, Any], settings: Environment
) -> None:
    subnets = only(cache, "AWS::ElastiCache::SubnetGroup")
    imports = [subnet["Fn::ImportValue"] for subnet in subnets["Properties"]["SubnetIds"]]
    [security_group] = group["SecurityGroupIds"]
    assert group["CacheSubnetGroupName"] == {"Ref": subnets["Id"]}
    assert len(imports) == len(settings.network.zones)
    assert all("IsolatedSubnet" in name for name in imports)
    assert "CacheSecurityGroup" in security_group["Fn::ImportValue"]


def test_all_that_is_stored_is_under_the_customer_key(cache: Template, group: dict[str, Any]) -> None:
    key = {"Fn::GetAtt": [only(cache, "AWS::KMS::Key")["Id"], "Arn"]}
    kept = [
        *cache.find_resources("AWS::SecretsManager::Secret").values(),
        *cache.find_resources("AWS::Logs::LogGroup").values(),
    ]
    assert len(kept) == 4
    assert [resource["Properties"]["KmsKeyId"] for resource in kept] == [key] * len(kept)
    assert group["KmsKeyId"] == key


def secrets(cache: Template, settings: Environment) -> tuple[tuple[str, dict[str, Any]], tuple[str, dict[str, Any]]]:
    """(logical id, properties) of the auth token's secret and of the URL's."""
    found = {
        secret["Properties"]["Name"]: (logical_id, secret["Properties"])
        for logical_id, secret in cache.find_resources("AWS::SecretsManager::Secret").items()
    }
    return found[settings.cache_secret], found[settings.cache_url_secret]


def test_the_token_is_one_that_redis_and_a_url_accept(cache: Template, settings: Environment) -> None:
    (_, token), _ = secrets(cache, settings)
    assert token["GenerateSecretString"] == {
        "SecretStringTemplate": "{}",
        "GenerateStringKey": "token",
        "PasswordLength": 64,  # ElastiCache: 16 to 128
        "ExcludePunctuation": True,
    }


def test_redis_takes_the_token_from_its_secret(cache: Template, group: dict[str, Any], settings: Environment) -> None:
    (token, _), _ = secrets(cache, settings)
    assert group["AuthToken"] == {"Fn::Join": ["", ["{{resolve:secretsmanager:", {"Ref": token}, ":SecretString:token::}}"]]}


def test_the_url_is_the_primarys_over_tls_with_the_token_by_reference(cache: Template, settings: Environment) -> None:
    (token, _), (_, url) = secrets(cache, settings)
    primary = {"Fn::GetAtt": [only(cache, "AWS::ElastiCache::ReplicationGroup")["Id"], "PrimaryEndPoint.Address"]}
    assert url["SecretString"] == {
        "Fn::Join": [
            "",
            ["rediss://:{{resolve:secretsmanager:", {"Ref": token}, ":SecretString:token::}}@", primary, ":6379"],
        ]
    }


def test_slow_and_engine_logs_go_to_groups_of_their_own(cache: Template, group: dict[str, Any], settings: Environment) -> None:
    groups = {
        logical_id: resource["Properties"] for logical_id, resource in cache.find_resources("AWS::Logs::LogGroup").items()
    }
    found = {
        delivery["LogType"]: groups[delivery["DestinationDetails"]["CloudWatchLogsDetails"]["LogGroup"]["Ref"]]["LogGroupName"]
        for delivery in group["LogDeliveryConfigurations"]
    }
    assert found == {"slow-log": settings.cache_slow_log_group, "engine-log": settings.cache_engine_log_group}
    assert {properties["RetentionInDays"] for properties in groups.values()} == {settings.log_retention_days}


def test_a_last_snapshot_outlives_the_stack(cache: Template) -> None:
    group = only(cache, "AWS::ElastiCache::ReplicationGroup")
    assert (group["DeletionPolicy"], group["UpdateReplacePolicy"]) == ("Snapshot", "Snapshot")
