"""The database: APPLICATION facts and runbook sections 1, 4.3 and 6, read from the template."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from stacks.environment import Environment
from tests.synth.template import Template


@pytest.fixture
def database(template: Callable[[str], Template]) -> Template:
    return template("database")


@pytest.fixture
def instance(database: Template) -> dict[str, Any]:
    properties: dict[str, Any] = database.only("AWS::RDS::DBInstance")["Properties"]
    return properties


FACTS = {  # of the application: gp3, 100 GiB growing to 500, a standby, 7 days of backups, Performance Insights
    "Engine": "postgres",
    "DBName": "hz_navigator",
    "MultiAZ": True,
    "PubliclyAccessible": False,
    "StorageEncrypted": True,
    "StorageType": "gp3",
    "AllocatedStorage": "100",
    "MaxAllocatedStorage": 500,
    "BackupRetentionPeriod": 7,
    "PreferredBackupWindow": "03:00-04:00",
    "PreferredMaintenanceWindow": "Mon:04:00-Mon:05:00",
    "EnablePerformanceInsights": True,
}

PARAMETERS = {
    "log_min_duration_statement": "1000",  # 6.3
    "log_statement": "ddl",
    "max_connections": "200",
    "rds.force_ssl": "1",
    "shared_preload_libraries": "pg_stat_statements",
}


def test_it_is_what_the_application_asks_for(instance: dict[str, Any]) -> None:
    assert {setting: instance.get(setting) for setting in FACTS} == FACTS


def test_the_names_are_the_runbooks(database: Template, instance: dict[str, Any], environment: Environment) -> None:
    prefix = f"hz-navigator-{environment.name}"
    assert instance["DBInstanceIdentifier"] == f"{prefix}-postgres"
    assert database.only("AWS::RDS::DBParameterGroup")["Properties"]["DBParameterGroupName"] == f"{prefix}-pg-params"
    assert database.only("AWS::SecretsManager::Secret")["Properties"]["Name"] == f"{prefix}-db-password"


def test_the_size_comes_from_the_environment(instance: dict[str, Any], environment: Environment) -> None:
    assert instance["DBInstanceClass"] == environment.database.instance_class


def test_it_is_postgresql_15_in_its_own_parameter_group(database: Template, instance: dict[str, Any]) -> None:
    group = database.only("AWS::RDS::DBParameterGroup")
    assert instance["EngineVersion"].split(".")[0] == "15"
    assert group["Properties"]["Family"] == "postgres15"
    assert instance["DBParameterGroupName"] == {"Ref": group["Id"]}


def test_the_parameters_are_these_and_no_others(database: Template) -> None:
    assert database.only("AWS::RDS::DBParameterGroup")["Properties"]["Parameters"] == PARAMETERS


@pytest.mark.parametrize("setting", ["KmsKeyId", "PerformanceInsightsKMSKeyId"])
def test_data_is_under_the_customer_key(database: Template, instance: dict[str, Any], setting: str) -> None:
    assert instance[setting] == {"Fn::GetAtt": [database.only("AWS::KMS::Key")["Id"], "Arn"]}


def test_it_stands_in_isolated_subnets_behind_its_own_security_group(
    database: Template, instance: dict[str, Any], environment: Environment
) -> None:
    subnets = database.only("AWS::RDS::DBSubnetGroup")
    imports = [subnet["Fn::ImportValue"] for subnet in subnets["Properties"]["SubnetIds"]]
    [group] = instance["VPCSecurityGroups"]
    assert instance["DBSubnetGroupName"] == {"Ref": subnets["Id"]}
    assert len(imports) == len(environment.network.zones)
    assert all("IsolatedSubnet" in name for name in imports)
    assert "DatabaseSecurityGroup" in group["Fn::ImportValue"]


def test_the_log_groups_are_there_before_the_instance_writes(database: Template, environment: Environment) -> None:
    """RDS makes a missing group itself, without key and without retention; runbook 6.3 reads the first one."""
    instance, key = database.only("AWS::RDS::DBInstance"), database.only("AWS::KMS::Key")["Id"]
    groups = {
        name: group
        for name, group in database.of_type("AWS::Logs::LogGroup").items()
        if group["Properties"]["LogGroupName"] != environment.database_events_log_group
    }
    assert set(groups) <= set(instance["DependsOn"])
    assert {group["Properties"]["LogGroupName"] for group in groups.values()} == {
        f"/aws/rds/instance/{environment.database_instance}/{export}"
        for export in instance["Properties"]["EnableCloudwatchLogsExports"]
    }
    for group in groups.values():
        assert group["Properties"]["KmsKeyId"] == {"Fn::GetAtt": [key, "Arn"]}
        assert group["Properties"]["RetentionInDays"] == environment.log_retention_days


def test_the_secret_gets_the_five_keys_of_the_runbook(database: Template) -> None:
    """username and dbname from the template, password generated, host and port by the attachment to the instance:
    https://docs.aws.amazon.com/secretsmanager/latest/userguide/reference_secret_json_structure.html
    """
    secret = database.only("AWS::SecretsManager::Secret")
    generated = secret["Properties"]["GenerateSecretString"]
    assert json.loads(generated["SecretStringTemplate"]) == {"username": "hz_admin", "dbname": "hz_navigator"}
    assert generated["GenerateStringKey"] == "password"
    assert database.only("AWS::SecretsManager::SecretTargetAttachment")["Properties"] == {
        "SecretId": {"Ref": secret["Id"]},
        "TargetId": {"Ref": database.only("AWS::RDS::DBInstance")["Id"]},
        "TargetType": "AWS::RDS::DBInstance",
    }


def test_the_password_stands_in_a_url_as_it_is(database: Template) -> None:
    """Runbook 6.2 puts it into DATABASE_URL without encoding."""
    generated = database.only("AWS::SecretsManager::Secret")["Properties"]["GenerateSecretString"]
    assert {chr(code) for code in range(33, 127) if not chr(code).isalnum()} <= set(generated["ExcludeCharacters"])
    assert generated["RequireEachIncludedType"] is False


def test_the_instance_takes_user_and_password_from_the_secret(database: Template, instance: dict[str, Any]) -> None:
    secret = database.only("AWS::SecretsManager::Secret")["Id"]
    for setting, key in {"MasterUsername": "username", "MasterUserPassword": "password"}.items():
        assert instance[setting] == {
            "Fn::Join": ["", ["{{resolve:secretsmanager:", {"Ref": secret}, f":SecretString:{key}::}}}}"]]
        }


@pytest.mark.parametrize("kind", ["AWS::RDS::DBInstance", "AWS::SecretsManager::Secret", "AWS::KMS::Key"])
def test_it_outlives_its_stack(database: Template, kind: str) -> None:
    resource = database.only(kind)
    assert (resource["DeletionPolicy"], resource["UpdateReplacePolicy"]) == ("RetainExceptOnCreate", "Retain")
