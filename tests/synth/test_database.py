"""The database: APPLICATION facts and runbook sections 1, 4.3 and 6, read from the template."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from aws_cdk.assertions import Template

from stacks.environment import Environment

from .conftest import only


@pytest.fixture
def database(template: Callable[[str], Template]) -> Template:
    return template("database")


@pytest.fixture
def instance(database: Template) -> dict[str, Any]:
    properties: dict[str, Any] = only(database, "AWS::RDS::DBInstance")["Properties"]
    return properties


INSTANCE: dict[str, object] = {
    "Engine": "postgres",
    "DBName": "hz_navigator",
    "Port": "5432",
    "MultiAZ": True,
    "PubliclyAccessible": False,
    "DeletionProtection": True,
    "StorageEncrypted": True,
    "StorageType": "gp3",
    "AllocatedStorage": "100",
    "MaxAllocatedStorage": 500,
    "BackupRetentionPeriod": 7,
    "PreferredBackupWindow": "03:00-04:00",
    "PreferredMaintenanceWindow": "Mon:04:00-Mon:05:00",
    "CopyTagsToSnapshot": True,
    "DeleteAutomatedBackups": False,
    "AutoMinorVersionUpgrade": True,
    "EnableIAMDatabaseAuthentication": True,
    "EnablePerformanceInsights": True,
    "MonitoringInterval": 60,
    "EnableCloudwatchLogsExports": ["postgresql", "upgrade"],
}

PARAMETERS = {
    "log_min_duration_statement": "1000",  # 6.3
    "log_statement": "ddl",
    "max_connections": "200",
    "rds.force_ssl": "1",
    "shared_preload_libraries": "pg_stat_statements",
}


@pytest.mark.parametrize(("setting", "value"), INSTANCE.items())
def test_the_instance_is_set(instance: dict[str, Any], setting: str, value: object) -> None:
    assert instance[setting] == value


def test_the_names_are_the_runbooks(database: Template, instance: dict[str, Any], settings: Environment) -> None:
    prefix = f"hz-navigator-{settings.name}"
    assert instance["DBInstanceIdentifier"] == f"{prefix}-postgres"
    assert only(database, "AWS::RDS::DBParameterGroup")["Properties"]["DBParameterGroupName"] == f"{prefix}-pg-params"
    assert only(database, "AWS::SecretsManager::Secret")["Properties"]["Name"] == f"{prefix}-db-password"


def test_the_size_comes_from_the_environment(instance: dict[str, Any], settings: Environment) -> None:
    assert instance["DBInstanceClass"] == settings.database.instance_class


def test_it_is_postgresql_15_in_its_own_parameter_group(database: Template, instance: dict[str, Any]) -> None:
    group = only(database, "AWS::RDS::DBParameterGroup")
    assert instance["EngineVersion"].split(".")[0] == "15"
    assert group["Properties"]["Family"] == "postgres15"
    assert instance["DBParameterGroupName"] == {"Ref": group["Id"]}


def test_the_parameters_are_these_and_no_others(database: Template) -> None:
    assert only(database, "AWS::RDS::DBParameterGroup")["Properties"]["Parameters"] == PARAMETERS


@pytest.mark.parametrize("setting", ["KmsKeyId", "PerformanceInsightsKMSKeyId"])
def test_data_is_under_the_customer_key(database: Template, instance: dict[str, Any], setting: str) -> None:
    assert instance[setting] == {"Fn::GetAtt": [only(database, "AWS::KMS::Key")["Id"], "Arn"]}


def test_it_stands_in_isolated_subnets_behind_its_own_security_group(
    database: Template, instance: dict[str, Any], settings: Environment
) -> None:
    subnets = only(database, "AWS::RDS::DBSubnetGroup")
    imports = [subnet["Fn::ImportValue"] for subnet in subnets["Properties"]["SubnetIds"]]
    [group] = instance["VPCSecurityGroups"]
    assert instance["DBSubnetGroupName"] == {"Ref": subnets["Id"]}
    assert len(imports) == len(settings.network.zones)
    assert all("IsolatedSubnet" in name for name in imports)
    assert "DatabaseSecurityGroup" in group["Fn::ImportValue"]


def test_the_log_groups_are_there_before_the_instance_writes(database: Template, settings: Environment) -> None:
    """RDS makes a missing group itself, without key and without retention; runbook 6.3 reads the first one."""
    instance, key = only(database, "AWS::RDS::DBInstance"), only(database, "AWS::KMS::Key")["Id"]
    groups = database.find_resources("AWS::Logs::LogGroup")
    assert set(groups) <= set(instance["DependsOn"])
    assert {group["Properties"]["LogGroupName"] for group in groups.values()} == {
        f"/aws/rds/instance/{settings.database_instance}/{export}"
        for export in instance["Properties"]["EnableCloudwatchLogsExports"]
    }
    for group in groups.values():
        assert group["Properties"]["KmsKeyId"] == {"Fn::GetAtt": [key, "Arn"]}
        assert group["Properties"]["RetentionInDays"] == settings.log_retention_days


def test_the_secret_gets_the_five_keys_of_the_runbook(database: Template) -> None:
    """username and dbname from the template, password generated, host and port by the attachment to the instance:
    https://docs.aws.amazon.com/secretsmanager/latest/userguide/reference_secret_json_structure.html
    """
    secret = only(database, "AWS::SecretsManager::Secret")
    generated = secret["Properties"]["GenerateSecretString"]
    assert json.loads(generated["SecretStringTemplate"]) == {"username": "hz_admin", "dbname": "hz_navigator"}
    assert generated["GenerateStringKey"] == "password"
    assert only(database, "AWS::SecretsManager::SecretTargetAttachment")["Properties"] == {
        "SecretId": {"Ref": secret["Id"]},
        "TargetId": {"Ref": only(database, "AWS::RDS::DBInstance")["Id"]},
        "TargetType": "AWS::RDS::DBInstance",
    }


def test_the_password_stands_in_a_url_as_it_is(database: Template) -> None:
    """Runbook 6.2 puts it into DATABASE_URL without encoding."""
    generated = only(database, "AWS::SecretsManager::Secret")["Properties"]["GenerateSecretString"]
    assert {chr(code) for code in range(33, 127) if not chr(code).isalnum()} <= set(generated["ExcludeCharacters"])
    assert generated["RequireEachIncludedType"] is False


def test_the_instance_takes_user_and_password_from_the_secret(database: Template, instance: dict[str, Any]) -> None:
    secret = only(database, "AWS::SecretsManager::Secret")["Id"]
    for setting, key in {"MasterUsername": "username", "MasterUserPassword": "password"}.items():
        assert instance[setting] == {
            "Fn::Join": ["", ["{{resolve:secretsmanager:", {"Ref": secret}, f":SecretString:{key}::}}}}"]]
        }


@pytest.mark.parametrize("kind", ["AWS::RDS::DBInstance", "AWS::SecretsManager::Secret", "AWS::KMS::Key"])
def test_it_outlives_its_stack(database: Template, kind: str) -> None:
    resource = only(database, kind)
    assert (resource["DeletionPolicy"], resource["UpdateReplacePolicy"]) == ("Retain", "Retain")


def test_enhanced_monitoring_acts_for_this_account_only(database: Template, settings: Environment) -> None:
    role = only(database, "AWS::IAM::Role")["Properties"]
    [trust] = role["AssumeRolePolicyDocument"]["Statement"]
    assert trust["Principal"] == {"Service": "monitoring.rds.amazonaws.com"}
    assert trust["Condition"] == {"StringEquals": {"aws:SourceAccount": settings.account}}
