"""The functions' stack: what they run as, what they are told, who hears of it, and where it is recorded."""

import json
from collections.abc import Callable
from fnmatch import fnmatchcase
from typing import Any

import aws_cdk as cdk
import pytest
from lambdas.common.environment import HealthCheckSettings, NotifySettings, RollbackSettings, SentrySettings, read

from stacks.environment import Contacts, Environment, Sentry, Slack
from stacks.remediation import CODE, POWERTOOLS_LAYER, RUNTIME, Remediation
from stacks.stage import EnvironmentStage
from tests.synth.template import Template

FUNCTIONS = ("rollback", "health-check", "notify")
TOPICS = ("outcomes", "escalations", "alarms", "p1", "p2", "p3", "p4", "chat")


@pytest.fixture
def stack(template: Callable[[str], Template]) -> Template:
    return template("remediation")


def properties(stack: Template, kind: str, **wanted: str) -> dict[str, Any]:
    """Those of the one resource of a kind that has the wanted ones."""
    found = [one["Properties"] for one in stack.of_type(kind).values() if wanted.items() <= one["Properties"].items()]
    assert len(found) == 1, f"{kind} with {wanted}: {len(found)}"
    return found[0]


def function(stack: Template, environment: Environment, name: str) -> dict[str, Any]:
    return properties(stack, "AWS::Lambda::Function", FunctionName=environment.function(name))


def variables(stack: Template, environment: Environment, name: str) -> dict[str, str]:
    """A function's environment variables, with the topics' ARNs in the place of references."""
    topics = stack.of_type("AWS::SNS::Topic")
    return {
        variable: value if isinstance(value, str) else environment.arn("sns", topics[value["Ref"]]["Properties"]["TopicName"])
        for variable, value in function(stack, environment, name)["Environment"]["Variables"].items()
    }


# The functions


def test_rollback_is_told_everything_it_reads(stack: Template, environment: Environment) -> None:
    told = read(RollbackSettings, variables(stack, environment, "rollback"))
    assert (told.environment, told.mode) == (environment.name, environment.remediation)
    assert (told.cluster, told.service, told.image_parameter) == (
        environment.cluster,
        environment.service,
        environment.image_parameter,
    )
    assert (told.database_instance, told.replication_group) == (environment.database_instance, environment.replication_group)
    assert told.service_impaired_alarm == environment.service_impaired_alarm
    assert told.dependency_alarms == environment.dependency_alarms
    assert told.incidents_table == environment.incidents_table
    assert told.runbook_url == f"{environment.docs_url}/runbook.md"
    assert told.outcomes_topic == environment.arn("sns", environment.outcomes_topic)
    assert told.escalations_topic == environment.arn("sns", environment.escalations_topic)
    assert (told.suspect_window_minutes, told.budget, told.budget_hours) == (60, 2, 24)


def test_health_check_is_told_everything_it_reads(stack: Template, environment: Environment) -> None:
    told = read(HealthCheckSettings, variables(stack, environment, "health-check"))
    assert (told.environment, told.namespace) == (environment.name, "HZNavigator")
    assert (told.api_url, told.frontend_url) == (environment.api_url, environment.frontend_url)
    assert told.health_check_path == environment.backend.health_check_path


@pytest.mark.parametrize(
    ("name", "settings_type"),
    [("rollback", RollbackSettings), ("health-check", HealthCheckSettings), ("notify", NotifySettings)],
)
def test_a_function_is_told_nothing_it_does_not_read(
    stack: Template,
    environment: Environment,
    name: str,
    settings_type: type[RollbackSettings] | type[HealthCheckSettings] | type[NotifySettings],
) -> None:
    assert {variable.lower() for variable in variables(stack, environment, name)} == set(settings_type.model_fields)


@pytest.mark.parametrize("name", FUNCTIONS)
def test_a_functions_entry_exists_in_the_code_that_ships(stack: Template, environment: Environment, name: str) -> None:
    package, module, entry = function(stack, environment, name)["Handler"].split(".")
    assert f"def {entry}(" in (CODE / package / f"{module}.py").read_text()


def test_all_functions_ship_as_one_asset_with_awss_layer(stack: Template, environment: Environment) -> None:
    found = [function(stack, environment, name) for name in FUNCTIONS]
    assert len({one["Code"]["S3Key"] for one in found}) == 1
    for one in found:
        assert one["Layers"] == [POWERTOOLS_LAYER.format(region=environment.region)]
        assert f"-{RUNTIME.name.replace('.', '')}-arm64:" in one["Layers"][0]
        assert (one["Runtime"], one["Architectures"]) == (RUNTIME.name, ["arm64"])


@pytest.mark.parametrize("name", ["rollback", "notify"])
def test_one_decides_at_a_time(stack: Template, environment: Environment, name: str) -> None:
    assert function(stack, environment, name)["ReservedConcurrentExecutions"] == 1


@pytest.mark.parametrize(
    ("name", "topic"), [("rollback", "escalations_topic"), ("health-check", "outcomes_topic"), ("notify", "outcomes_topic")]
)
def test_an_event_that_a_function_gave_up_reaches_a_topic(
    stack: Template, environment: Environment, name: str, topic: str
) -> None:
    (target,) = function(stack, environment, name)["DeadLetterConfig"].values()
    topics = stack.of_type("AWS::SNS::Topic")
    assert topics[target["Ref"]]["Properties"]["TopicName"] == getattr(environment, topic)


@pytest.mark.parametrize(("name", "retries", "seconds"), [("rollback", 2, 900), ("health-check", 0, 60), ("notify", 0, 60)])
def test_rollback_is_tried_again_and_what_runs_each_minute_is_not(
    stack: Template, environment: Environment, name: str, retries: int, seconds: int
) -> None:
    logical = next(
        logical
        for logical, one in stack.of_type("AWS::Lambda::Function").items()
        if one["Properties"]["FunctionName"] == environment.function(name)
    )
    stack.has_resource_properties(
        "AWS::Lambda::EventInvokeConfig",
        {"FunctionName": {"Ref": logical}, "MaximumRetryAttempts": retries, "MaximumEventAgeInSeconds": seconds},
    )


@pytest.mark.parametrize("name", FUNCTIONS)
def test_a_function_logs_to_its_own_encrypted_group(stack: Template, environment: Environment, name: str) -> None:
    group = properties(stack, "AWS::Logs::LogGroup", LogGroupName=f"/aws/lambda/{environment.function(name)}")
    assert group["RetentionInDays"] == environment.log_retention_days
    assert "KmsKeyId" in group
    assert "KmsKeyArn" in function(stack, environment, name)


def test_health_check_and_notify_run_every_minute(stack: Template, environment: Environment) -> None:
    rules = [one["Properties"] for one in stack.of_type("AWS::Events::Rule").values()]
    assert {(rule["ScheduleExpression"], rule["State"]) for rule in rules} == {("rate(1 minute)", "ENABLED")}
    targets = [target["Arn"]["Fn::GetAtt"][0] for rule in rules for target in rule["Targets"]]
    functions = stack.of_type("AWS::Lambda::Function")
    assert sorted(functions[target]["Properties"]["FunctionName"] for target in targets) == [
        environment.function("health-check"),
        environment.function("notify"),
    ]
    permissions = stack.of_type("AWS::Lambda::Permission", Principal="events.amazonaws.com")
    assert len(permissions) == 2


def test_notify_hears_of_alarms(stack: Template, environment: Environment) -> None:
    (subscription,) = [
        one["Properties"]
        for one in stack.of_type("AWS::SNS::Subscription").values()
        if one["Properties"]["Protocol"] == "lambda"
    ]
    (permission,) = [
        one["Properties"]
        for one in stack.of_type("AWS::Lambda::Permission").values()
        if one["Properties"]["Principal"] == "sns.amazonaws.com"
    ]
    assert name_of(stack, subscription["TopicArn"]) == environment.alarms_topic
    assert permission["SourceArn"] == subscription["TopicArn"]
    assert permission["FunctionName"] == subscription["Endpoint"]


def test_notify_is_told_everything_it_reads(stack: Template, environment: Environment) -> None:
    told = read(NotifySettings, variables(stack, environment, "notify"))
    assert told.alarm_prefix == f"hz-navigator-{environment.name}-"
    assert told.maintenance_alarm == f"hz-navigator-{environment.name}-maintenance"
    assert told.p1_topic == environment.arn("sns", f"hz-navigator-{environment.name}-p1")
    assert told.escalation_path == ("on-call engineer", "team lead", "engineering manager", "CTO")  # runbook section 8
    assert told.pages[f"hz-navigator-{environment.name}-database-down"].rows == ("database-availability",)
    assert (told.hold_seconds, told.deployment_minutes, told.calm_minutes, told.maintenance_hours) == (90, 10, 10, 2)
    assert told.dashboard_url.endswith(f"#dashboards/dashboard/hz-navigator-{environment.name}")


def test_its_variables_fit_into_lambdas_4_kb(stack: Template, environment: Environment) -> None:
    told = variables(stack, environment, "notify")
    assert sum(len(name) + len(value) for name, value in told.items()) < 4096


def test_rollback_may_pass_the_backends_task_roles_and_only_to_ecs(
    stack: Template, template: Callable[[str], Template], environment: Environment
) -> None:
    """UpdateService with a task definition needs that: without it no rollback would work on AWS."""
    backend = template("backend")
    (statement,) = [
        statement
        for policy in stack.of_type("AWS::IAM::ManagedPolicy").values()
        for statement in policy["Properties"]["PolicyDocument"]["Statement"]
        if statement["Action"] == "iam:PassRole"
    ]
    assert statement["Condition"] == {"StringEquals": {"iam:PassedToService": "ecs-tasks.amazonaws.com"}}
    (definition,) = backend.of_type("AWS::ECS::TaskDefinition").values()
    for role in ("TaskRoleArn", "ExecutionRoleArn"):
        logical = definition["Properties"][role]["Fn::GetAtt"][0]
        resource = backend.of_type("AWS::IAM::Role")[logical]["Properties"]
        # Without a name of its own, CloudFormation begins it with the stack's.
        name = resource.get("RoleName", f"{environment.stack('backend')}-{logical}-Ab1")
        assert fnmatchcase(f"arn:aws:iam::{environment.account}:role/{name}", statement["Resource"])


# Topics and the table


def name_of(stack: Template, topic: dict[str, str]) -> str:
    """The name of the topic that a reference is to."""
    return str(stack.of_type("AWS::SNS::Topic")[topic["Ref"]]["Properties"]["TopicName"])


@pytest.mark.parametrize("topic", TOPICS)
def test_a_topic_is_encrypted_speaks_tls_and_takes_this_accounts_alarms(
    stack: Template, environment: Environment, topic: str
) -> None:
    assert "KmsMasterKeyId" in properties(stack, "AWS::SNS::Topic", TopicName=f"{environment.prefix}-{topic}")
    policies = [one["Properties"] for one in stack.of_type("AWS::SNS::TopicPolicy").values()]
    topics = stack.of_type("AWS::SNS::Topic")
    (policy,) = [
        one for one in policies if topics[one["Topics"][0]["Ref"]]["Properties"]["TopicName"] == f"{environment.prefix}-{topic}"
    ]
    statements = policy["PolicyDocument"]["Statement"]
    denied, allowed = ([one for one in statements if one["Effect"] == effect] for effect in ("Deny", "Allow"))
    assert [one["Condition"] for one in denied] == [{"Bool": {"aws:SecureTransport": "false"}}]
    (statement,) = allowed
    assert statement["Principal"] == {"Service": "cloudwatch.amazonaws.com"}
    assert statement["Condition"] == {
        "ArnLike": {"aws:SourceArn": environment.arn("cloudwatch", "alarm:*")},
        "StringEquals": {"aws:SourceAccount": environment.account},
    }


def test_alarms_may_use_the_key_of_the_topics(stack: Template, environment: Environment) -> None:
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
                                    "Condition": Match.object_like(
                                        {"StringEquals": {"aws:SourceAccount": environment.account}}
                                    ),
                                }
                            )
                        ]
                    )
                }
            )
        },
    )


# People


def told(environment: Environment, **contacts: Any) -> Template:
    """The stack of an environment with these contacts and no others."""
    changed = environment.model_copy(update={"contacts": Contacts(**contacts)})
    return Template.from_stack(Remediation(cdk.Stage(cdk.App(context=FLAGS), "stage"), changed))


def subscribed(stack: Template, protocol: str) -> dict[str, str]:
    """The endpoint by topic."""
    found = [one["Properties"] for one in stack.of_type("AWS::SNS::Subscription").values()]
    return {
        name_of(stack, one["TopicArn"]).removeprefix("hz-navigator-production-"): one["Endpoint"]
        for one in found
        if one["Protocol"] == protocol
    }


@pytest.fixture
def production() -> Environment:
    return ENVIRONMENTS["production"]


def test_sentry_is_read_where_it_is_configured(production: Environment) -> None:
    assert production.sentry is None
    section = Sentry(organization="hz-navigator", project="hz-navigator-backend", token_secret="hz-navigator-sentry-token")
    stage = EnvironmentStage(cdk.App(context=FLAGS), production.model_copy(update={"sentry": section}))
    stack = Template.from_stack(stage.remediation)
    told = read(SentrySettings, variables(stack, production, "sentry"))
    assert (told.url, told.project, told.namespace) == ("https://sentry.io", "hz-navigator-backend", "HZNavigator")
    assert {name.lower() for name in variables(stack, production, "sentry")} == set(SentrySettings.model_fields)
    Template.from_stack(stage.monitoring).has_resource_properties(
        "AWS::CloudWatch::Alarm",
        {
            "AlarmName": "hz-navigator-production-sentry-blind-warning",
            "MetricName": "SentryErrors",
            "Statistic": "SampleCount",
            "ComparisonOperator": "LessThanThreshold",
            "Threshold": 1,
            "DatapointsToAlarm": 5,
            "EvaluationPeriods": 5,
            "TreatMissingData": "breaching",
        },
    )


def test_there_is_no_function_sentry_and_nothing_blind_where_it_is_not(
    stack: Template, template: Callable[[str], Template]
) -> None:
    names = [one["Properties"]["FunctionName"] for one in stack.of_type("AWS::Lambda::Function").values()]
    assert len(names) == 3
    alarms = [one["Properties"]["AlarmName"] for one in template("monitoring").of_type("AWS::CloudWatch::Alarm").values()]
    assert not [name for name in alarms if "blind" in name]


SECRET = "hz-navigator-production-pagerduty-url"
MAIL = "on-call@hz-navigator.com"


def test_nobody_is_subscribed_where_nobody_is_configured(production: Environment) -> None:
    stack = told(production)
    assert (subscribed(stack, "email"), subscribed(stack, "https")) == ({}, {})
    assert not stack.of_type("AWS::Chatbot::SlackChannelConfiguration")


def test_mail_gets_pages_warnings_and_escalations(production: Environment) -> None:
    assert subscribed(told(production, email=MAIL), "email") == dict.fromkeys(("p1", "p2", "p3", "escalations"), MAIL)


def test_pagerduty_gets_what_is_critical_by_a_url_that_stays_secret(production: Environment) -> None:
    stack = told(production, email=MAIL, pagerduty_url_secret=SECRET)
    url = f"{{{{resolve:secretsmanager:{SECRET}:SecretString:::}}}}"
    assert subscribed(stack, "https") == {"p1": url, "p2": url, "escalations": url}
    assert "pagerduty.com" not in json.dumps(stack.body)


def test_pagerduty_gets_of_the_escalations_what_no_page_tells_of(production: Environment) -> None:
    stack = told(production, pagerduty_url_secret=SECRET)
    filters = {
        name_of(stack, one["Properties"]["TopicArn"]).rpartition("-")[2]: one["Properties"].get("FilterPolicy")
        for one in stack.of_type("AWS::SNS::Subscription").values()
        if one["Properties"]["Protocol"] == "https"
    }
    assert filters == {"p1": None, "p2": None, "escalations": {"paged": ["no"]}}


def test_slack_gets_everything_and_nobody_may_do_anything_through_it(production: Environment) -> None:
    stack = told(production, slack=Slack(workspace_id="T0123ABCD", channel_id="C0123ABCD"))
    (channel,) = stack.of_type("AWS::Chatbot::SlackChannelConfiguration").values()
    properties = channel["Properties"]
    assert (properties["SlackWorkspaceId"], properties["SlackChannelId"]) == ("T0123ABCD", "C0123ABCD")
    assert [name_of(stack, topic) for topic in properties["SnsTopicArns"]] == ["hz-navigator-production-chat"]
    assert "AWSDenyAll" in json.dumps(properties["GuardrailPolicies"])
    roles = stack.of_type("AWS::IAM::Role")
    role = roles[properties["IamRoleArn"]["Fn::GetAtt"][0]]["Properties"]
    assert set(role) <= {"AssumeRolePolicyDocument", "Tags"}, "a role that may do nothing"


def test_incidents_are_kept_encrypted_restorable_and_undeletable_until_they_expire(
    stack: Template, environment: Environment
) -> None:
    table = properties(stack, "AWS::DynamoDB::Table", TableName=environment.incidents_table)
    assert table["KeySchema"] == [{"AttributeName": "id", "KeyType": "HASH"}]
    assert table["BillingMode"] == "PAY_PER_REQUEST"
    assert table["SSESpecification"]["SSEType"] == "KMS"
    assert table["PointInTimeRecoverySpecification"] == {"PointInTimeRecoveryEnabled": True}
    assert table["DeletionProtectionEnabled"] is True
    assert table["TimeToLiveSpecification"] == {"AttributeName": "expires_at", "Enabled": True}
    (resource,) = stack.of_type("AWS::DynamoDB::Table").values()
    assert (resource["DeletionPolicy"], resource["UpdateReplacePolicy"]) == ("Retain", "Retain")
