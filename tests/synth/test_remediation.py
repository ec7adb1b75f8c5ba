"""The functions' stack: what they run as, what they are told, who hears of it, and where it is recorded."""

from collections.abc import Callable
from fnmatch import fnmatchcase
from typing import Any

import pytest
from aws_cdk.assertions import Match, Template

from common.settings import HealthCheckSettings, RollbackSettings, read
from stacks.environment import Environment
from stacks.remediation import CODE, POWERTOOLS_LAYER, RUNTIME

FUNCTIONS = ("rollback", "health-check")


@pytest.fixture
def stack(template: Callable[[str], Template]) -> Template:
    return template("remediation")


def properties(stack: Template, kind: str, **wanted: str) -> dict[str, Any]:
    """Those of the one resource of a kind that has the wanted ones."""
    found = [one["Properties"] for one in stack.find_resources(kind).values() if wanted.items() <= one["Properties"].items()]
    assert len(found) == 1, f"{kind} with {wanted}: {len(found)}"
    return found[0]


def function(stack: Template, settings: Environment, name: str) -> dict[str, Any]:
    return properties(stack, "AWS::Lambda::Function", FunctionName=settings.function(name))


def variables(stack: Template, settings: Environment, name: str) -> dict[str, str]:
    """A function's environment variables, with the topics' ARNs in the place of references."""
    topics = stack.find_resources("AWS::SNS::Topic")
    return {
        variable: value if isinstance(value, str) else settings.arn("sns", topics[value["Ref"]]["Properties"]["TopicName"])
        for variable, value in function(stack, settings, name)["Environment"]["Variables"].items()
    }


# The functions


def test_rollback_is_told_everything_it_reads(stack: Template, settings: Environment) -> None:
    told = read(RollbackSettings, variables(stack, settings, "rollback"))
    assert (told.environment, told.mode) == (settings.name, settings.remediation)
    assert (told.cluster, told.service, told.image_parameter) == (settings.cluster, settings.service, settings.image_parameter)
    assert (told.database_instance, told.replication_group) == (settings.database_instance, settings.replication_group)
    assert told.service_impaired_alarm == settings.service_impaired_alarm
    assert told.dependency_alarms == settings.dependency_alarms
    assert told.incidents_table == settings.incidents_table
    assert told.outcomes_topic == settings.arn("sns", settings.outcomes_topic)
    assert told.escalations_topic == settings.arn("sns", settings.escalations_topic)
    assert (told.suspect_window_minutes, told.budget, told.budget_hours) == (60, 2, 24)


def test_health_check_is_told_everything_it_reads(stack: Template, settings: Environment) -> None:
    told = read(HealthCheckSettings, variables(stack, settings, "health-check"))
    assert (told.environment, told.namespace) == (settings.name, "HZNavigator")
    assert (told.api_url, told.frontend_url) == (settings.api_url, settings.frontend_url)
    assert told.health_check_path == settings.backend.health_check_path


@pytest.mark.parametrize(("name", "settings_type"), [("rollback", RollbackSettings), ("health-check", HealthCheckSettings)])
def test_a_function_is_told_nothing_it_does_not_read(
    stack: Template, settings: Environment, name: str, settings_type: type[RollbackSettings] | type[HealthCheckSettings]
) -> None:
    assert {variable.lower() for variable in variables(stack, settings, name)} == set(settings_type.model_fields)


@pytest.mark.parametrize("name", FUNCTIONS)
def test_a_functions_entry_exists_in_the_code_that_ships(stack: Template, settings: Environment, name: str) -> None:
    package, module, entry = function(stack, settings, name)["Handler"].split(".")
    assert f"def {entry}(" in (CODE / package / f"{module}.py").read_text()


def test_all_functions_ship_as_one_asset_with_awss_layer(stack: Template, settings: Environment) -> None:
    found = [function(stack, settings, name) for name in FUNCTIONS]
    assert len({one["Code"]["S3Key"] for one in found}) == 1
    for one in found:
        assert one["Layers"] == [POWERTOOLS_LAYER.format(region=settings.region)]
        assert f"-{RUNTIME.name.replace('.', '')}-arm64:" in one["Layers"][0]
        assert (one["Runtime"], one["Architectures"]) == (RUNTIME.name, ["arm64"])


def test_one_rollback_decides_at_a_time(stack: Template, settings: Environment) -> None:
    assert function(stack, settings, "rollback")["ReservedConcurrentExecutions"] == 1


@pytest.mark.parametrize(("name", "topic"), [("rollback", "escalations_topic"), ("health-check", "outcomes_topic")])
def test_an_event_that_a_function_gave_up_reaches_a_topic(
    stack: Template, settings: Environment, name: str, topic: str
) -> None:
    (target,) = function(stack, settings, name)["DeadLetterConfig"].values()
    topics = stack.find_resources("AWS::SNS::Topic")
    assert topics[target["Ref"]]["Properties"]["TopicName"] == getattr(settings, topic)


@pytest.mark.parametrize(("name", "retries", "seconds"), [("rollback", 2, 900), ("health-check", 0, 60)])
def test_rollback_is_tried_again_and_a_probe_is_not(
    stack: Template, settings: Environment, name: str, retries: int, seconds: int
) -> None:
    logical = next(
        logical
        for logical, one in stack.find_resources("AWS::Lambda::Function").items()
        if one["Properties"]["FunctionName"] == settings.function(name)
    )
    stack.has_resource_properties(
        "AWS::Lambda::EventInvokeConfig",
        {"FunctionName": {"Ref": logical}, "MaximumRetryAttempts": retries, "MaximumEventAgeInSeconds": seconds},
    )


@pytest.mark.parametrize("name", FUNCTIONS)
def test_a_function_logs_to_its_own_encrypted_group(stack: Template, settings: Environment, name: str) -> None:
    group = properties(stack, "AWS::Logs::LogGroup", LogGroupName=f"/aws/lambda/{settings.function(name)}")
    assert group["RetentionInDays"] == settings.log_retention_days
    assert "KmsKeyId" in group
    assert "KmsKeyArn" in function(stack, settings, name)


def test_health_check_runs_every_minute(stack: Template, settings: Environment) -> None:
    stack.has_resource_properties("AWS::Events::Rule", {"ScheduleExpression": "rate(1 minute)", "State": "ENABLED"})
    stack.resource_count_is("AWS::Events::Rule", 1)
    permissions = stack.find_resources("AWS::Lambda::Permission", {"Properties": {"Principal": "events.amazonaws.com"}})
    assert len(permissions) == 1


def test_rollback_may_pass_the_backends_task_roles_and_only_to_ecs(
    stack: Template, template: Callable[[str], Template], settings: Environment
) -> None:
    """UpdateService with a task definition needs that: without it no rollback would work on AWS."""
    backend = template("backend")
    (statement,) = [
        statement
        for policy in stack.find_resources("AWS::IAM::ManagedPolicy").values()
        for statement in policy["Properties"]["PolicyDocument"]["Statement"]
        if statement["Action"] == "iam:PassRole"
    ]
    assert statement["Condition"] == {"StringEquals": {"iam:PassedToService": "ecs-tasks.amazonaws.com"}}
    (definition,) = backend.find_resources("AWS::ECS::TaskDefinition").values()
    for role in ("TaskRoleArn", "ExecutionRoleArn"):
        logical = definition["Properties"][role]["Fn::GetAtt"][0]
        resource = backend.find_resources("AWS::IAM::Role")[logical]["Properties"]
        # Without a name of its own, CloudFormation begins it with the stack's.
        name = resource.get("RoleName", f"{settings.stack('backend')}-{logical}-Ab1")
        assert fnmatchcase(f"arn:aws:iam::{settings.account}:role/{name}", statement["Resource"])


# Topics and the table


@pytest.mark.parametrize("topic", ["outcomes_topic", "escalations_topic"])
def test_a_topic_is_encrypted_speaks_tls_and_takes_this_accounts_alarms(
    stack: Template, settings: Environment, topic: str
) -> None:
    assert "KmsMasterKeyId" in properties(stack, "AWS::SNS::Topic", TopicName=getattr(settings, topic))
    policies = [one["Properties"] for one in stack.find_resources("AWS::SNS::TopicPolicy").values()]
    topics = stack.find_resources("AWS::SNS::Topic")
    (policy,) = [
        one for one in policies if topics[one["Topics"][0]["Ref"]]["Properties"]["TopicName"] == getattr(settings, topic)
    ]
    statements = policy["PolicyDocument"]["Statement"]
    denied, allowed = ([one for one in statements if one["Effect"] == effect] for effect in ("Deny", "Allow"))
    assert [one["Condition"] for one in denied] == [{"Bool": {"aws:SecureTransport": "false"}}]
    (statement,) = allowed
    assert statement["Principal"] == {"Service": "cloudwatch.amazonaws.com"}
    assert statement["Condition"] == {
        "ArnLike": {"aws:SourceArn": settings.arn("cloudwatch", "alarm:*")},
        "StringEquals": {"aws:SourceAccount": settings.account},
    }


def test_alarms_may_use_the_key_of_the_topics(stack: Template, settings: Environment) -> None:
    stack.has_resource_properties(
        "AWS::KMS::Key",
        {
            "KeyPolicy": Match.object_like(
                {
                    "Statement": Match.array_with(
                        [
                            Match.object_like(
                                {
                                    "Principal": {"Service": "cloudwatch.amazonaws.com"},
                                    "Action": ["kms:Decrypt", "kms:GenerateDataKey*"],
                                    "Condition": Match.object_like({"StringEquals": {"aws:SourceAccount": settings.account}}),
                                }
                            )
                        ]
                    )
                }
            )
        },
    )


def test_escalations_reach_the_contact_by_mail_and_outcomes_nobodys_bed(stack: Template, settings: Environment) -> None:
    (subscription,) = stack.find_resources("AWS::SNS::Subscription").values()
    assert subscription["Properties"]["Protocol"] == "email"
    assert subscription["Properties"]["Endpoint"] == settings.contacts.email
    topic = stack.find_resources("AWS::SNS::Topic")[subscription["Properties"]["TopicArn"]["Ref"]]
    assert topic["Properties"]["TopicName"] == settings.escalations_topic


def test_incidents_are_kept_encrypted_restorable_and_undeletable_until_they_expire(
    stack: Template, settings: Environment
) -> None:
    table = properties(stack, "AWS::DynamoDB::Table", TableName=settings.incidents_table)
    assert table["KeySchema"] == [{"AttributeName": "id", "KeyType": "HASH"}]
    assert table["BillingMode"] == "PAY_PER_REQUEST"
    assert table["SSESpecification"]["SSEType"] == "KMS"
    assert table["PointInTimeRecoverySpecification"] == {"PointInTimeRecoveryEnabled": True}
    assert table["DeletionProtectionEnabled"] is True
    assert table["TimeToLiveSpecification"] == {"AttributeName": "expires_at", "Enabled": True}
    (resource,) = stack.find_resources("AWS::DynamoDB::Table").values()
    assert (resource["DeletionPolicy"], resource["UpdateReplacePolicy"]) == ("Retain", "Retain")
