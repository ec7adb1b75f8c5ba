"""The functions' stack: what they run as, what they are told, who hears of it, and where it is recorded."""

import json
import re
from collections.abc import Callable
from typing import Any

import aws_cdk as cdk
import pytest

from lambdas.common.settings import Settings, read
from lambdas.health_check.settings import HealthCheckSettings
from lambdas.incident_page.settings import IncidentPageSettings
from lambdas.notify.settings import NotifySettings
from lambdas.postmortem.settings import PostmortemSettings
from lambdas.releases.settings import ReleasesSettings
from lambdas.rollback.settings import RollbackSettings
from lambdas.sentry.settings import SentrySettings
from runbook.rows import ROWS
from stacks.config import ConfigError
from stacks.environment import Environment, Override
from stacks.functions.base import POWERTOOLS_LAYER, ROOT, RUNTIME
from stacks.remediation import Remediation
from tests.environments import VARIANTS, VARIANTS_CONFIG
from tests.synth.assemblies import app, stage, templates
from tests.synth.template import Template

SETTINGS: dict[str, type[Settings]] = {
    "rollback": RollbackSettings,
    "releases": ReleasesSettings,
    "health-check": HealthCheckSettings,
    "notify": NotifySettings,
    "postmortem": PostmortemSettings,
    "sentry": SentrySettings,
    "incident-page": IncidentPageSettings,
}
FUNCTIONS = ("rollback", "releases", "health-check", "notify", "diagnose", "incident-page", "postmortem")
TOPICS = ("outcomes", "escalations", "alarms", "p1", "p2", "p3", "p4", "chat")


@pytest.fixture
def stack(template: Callable[[str], Template]) -> Template:
    return template("remediation")


def everything() -> Template:
    """The stack of an environment with every optional part."""
    return templates("everything", VARIANTS_CONFIG)["remediation"]


def function(stack: Template, environment: Environment, name: str) -> dict[str, Any]:
    return stack.properties("AWS::Lambda::Function", FunctionName=environment.function(name))


def variables(stack: Template, environment: Environment, name: str) -> dict[str, str]:
    """A function's environment variables."""
    found: dict[str, str] = function(stack, environment, name)["Environment"]["Variables"]
    return found


# The functions


@pytest.mark.parametrize("name", SETTINGS)
def test_a_function_is_told_exactly_what_it_reads(name: str) -> None:
    """Its variables make its settings, and there is none that it does not read."""
    told = variables(everything(), VARIANTS["everything"], name)
    settings = read(SETTINGS[name], told)
    assert settings.variables() == told
    assert settings.environment == "everything"


def test_the_mode_of_remediation_is_the_environments(stack: Template, environment: Environment) -> None:
    assert variables(stack, environment, "rollback")["MODE"] == environment.remediation
    assert variables(everything(), VARIANTS["everything"], "rollback")["MODE"] == "observe"


def test_notify_knows_the_environments_own_lines() -> None:
    told = variables(everything(), VARIANTS["everything"], "notify")
    assert read(NotifySettings, told).lines == {"rds-connections": {"normal": 60, "warning": 90, "critical": 120}}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_a_functions_entry_exists_in_the_code_that_ships(stack: Template, environment: Environment, name: str) -> None:
    *module, entry = function(stack, environment, name)["Handler"].split(".")
    assert f"def {entry}(" in ROOT.joinpath(*module).with_suffix(".py").read_text()


def test_all_functions_ship_as_one_asset_with_awss_layer(stack: Template, environment: Environment) -> None:
    found = [function(stack, environment, name) for name in FUNCTIONS]
    assert len({one["Code"]["S3Key"] for one in found}) == 1
    for one in found:
        assert one["Layers"] == [POWERTOOLS_LAYER.format(region=environment.region)]
        assert f"-{RUNTIME.name.replace('.', '')}-arm64:" in one["Layers"][0]
        assert (one["Runtime"], one["Architectures"]) == (RUNTIME.name, ["arm64"])


def test_nothing_ships_but_the_functions_and_the_runbook(stack: Template, environment: Environment) -> None:
    (asset,) = {resource["Metadata"]["aws:asset:path"] for resource in stack.of_type("AWS::Lambda::Function").values()}
    shipped = stage(environment.name) / asset
    assert {path.name for path in shipped.iterdir()} == {"lambdas", "runbook"}
    assert {path.suffix for path in shipped.rglob("*") if path.is_file()} == {".py"}


@pytest.mark.parametrize("name", ["rollback", "releases", "notify", "postmortem"])
def test_one_decides_at_a_time(stack: Template, environment: Environment, name: str) -> None:
    assert function(stack, environment, name)["ReservedConcurrentExecutions"] == 1


def test_the_documentation_says_how_much_concurrency_the_functions_reserve(stack: Template) -> None:
    """An account has to have that much, and 100 units more."""

    def reserved(found: Template) -> int:
        return sum(one["Properties"]["ReservedConcurrentExecutions"] for one in found.of_type("AWS::Lambda::Function").values())

    words = {9: "nine", 10: "ten", 11: "eleven", 12: "twelve"}
    said = f"The functions reserve {words[reserved(stack)]} units of Lambda concurrency, {words[reserved(everything())]} with Sentry"
    assert said in (ROOT / "docs/deploying.md").read_text()


@pytest.mark.parametrize(
    ("name", "topic"),
    [
        ("rollback", "escalations_topic"),
        ("releases", "outcomes_topic"),
        ("health-check", "outcomes_topic"),
        ("notify", "outcomes_topic"),
        ("postmortem", "outcomes_topic"),
        ("incident-page", "outcomes_topic"),
    ],
)
def test_an_event_that_a_function_gave_up_reaches_a_topic(
    stack: Template, environment: Environment, name: str, topic: str
) -> None:
    (target,) = function(stack, environment, name)["DeadLetterConfig"].values()
    topics = stack.of_type("AWS::SNS::Topic")
    assert topics[target["Ref"]]["Properties"]["TopicName"] == getattr(environment, topic)


@pytest.mark.parametrize(
    ("name", "retries", "seconds"),
    [
        *(("rollback", 2, 900), ("releases", 2, 900), ("health-check", 0, 60), ("notify", 0, 60), ("incident-page", 0, 60)),
        ("postmortem", 2, 3600),
    ],
)
def test_what_an_event_runs_is_tried_again_and_what_runs_each_minute_is_not(
    stack: Template, environment: Environment, name: str, retries: int, seconds: int
) -> None:
    logical_id = stack.only("AWS::Lambda::Function", FunctionName=environment.function(name))["Id"]
    config = stack.properties("AWS::Lambda::EventInvokeConfig", FunctionName={"Ref": logical_id})
    assert (config["MaximumRetryAttempts"], config["MaximumEventAgeInSeconds"]) == (retries, seconds)


@pytest.mark.parametrize("name", FUNCTIONS)
def test_a_function_logs_to_its_own_encrypted_group(stack: Template, environment: Environment, name: str) -> None:
    group = stack.properties("AWS::Logs::LogGroup", LogGroupName=f"/aws/lambda/{environment.function(name)}")
    assert group["RetentionInDays"] == environment.log_retention_days
    assert "KmsKeyId" in group
    assert "KmsKeyArn" in function(stack, environment, name)


def rules(stack: Template, environment: Environment, name: str) -> list[dict[str, Any]]:
    """The enabled rules that run a function, and that its policy admits."""
    logical_id = stack.only("AWS::Lambda::Function", FunctionName=environment.function(name))["Id"]
    arn = {"Fn::GetAtt": [logical_id, "Arn"]}
    found = {
        rule: one["Properties"]
        for rule, one in stack.of_type("AWS::Events::Rule").items()
        if [target["Arn"] for target in one["Properties"]["Targets"]] == [arn] and one["Properties"]["State"] == "ENABLED"
    }
    admitted = [
        one["Properties"]["SourceArn"]["Fn::GetAtt"][0]
        for one in stack.of_type("AWS::Lambda::Permission").values()
        if one["Properties"]["FunctionName"] == arn and one["Properties"]["Principal"] == "events.amazonaws.com"
    ]
    assert sorted(admitted) == sorted(found)
    return list(found.values())


@pytest.mark.parametrize("name", ["health-check", "notify"])
def test_health_check_and_notify_run_every_minute(stack: Template, environment: Environment, name: str) -> None:
    assert [rule["ScheduleExpression"] for rule in rules(stack, environment, name)] == ["rate(1 minute)"]


def test_releases_runs_when_a_deployment_of_the_service_ends_and_looks_every_five_minutes(
    stack: Template, environment: Environment
) -> None:
    scheduled, of_ecs = sorted(rules(stack, environment, "releases"), key=lambda rule: "EventPattern" in rule)
    assert scheduled["ScheduleExpression"] == "rate(5 minutes)"
    assert of_ecs["EventPattern"] == {
        "source": ["aws.ecs"],
        "detail-type": ["ECS Deployment State Change"],
        "resources": [environment.arn("ecs", f"service/{environment.cluster}/{environment.service}")],
        "detail": {
            "eventName": ["SERVICE_DEPLOYMENT_IN_PROGRESS", "SERVICE_DEPLOYMENT_COMPLETED", "SERVICE_DEPLOYMENT_FAILED"]
        },
    }


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


def test_more_than_lambdas_variables_hold_is_refused_with_one_sentence() -> None:
    talkative = VARIANTS["everything"].model_copy(update={"docs_url": f"https://docs.example/{'x' * 4096}"})
    with pytest.raises(ConfigError) as refused:
        Remediation(cdk.Stage(app(), "stage"), talkative)
    assert re.fullmatch(
        r"everything\.toml: the environment variables of the function \w+ would have \d+ bytes, and Lambda allows 4096: shorten "
        r"what RUNBOOK_URL is made from, \d+ characters",
        str(refused.value),
    )


def test_every_row_may_have_lines_of_its_own_within_lambdas_variables() -> None:
    """The whole table overridden still fits: nobody has to weigh one threshold against another."""
    lines = Override(normal=123.456, warning=234.567, critical=345.678)
    settings = {row.slug: lines for row in ROWS}
    talkative = VARIANTS["everything"].model_copy(update={"thresholds": settings})
    Remediation(cdk.Stage(app(), "stage"), talkative)


def test_rollback_may_pass_the_backends_task_roles_and_only_to_ecs(
    stack: Template, template: Callable[[str], Template], environment: Environment
) -> None:
    """UpdateService with a task definition needs that: without it no rollback would work on AWS."""
    backend = template("backend")
    (statement,) = [
        statement
        for name, policy in stack.of_type("AWS::IAM::ManagedPolicy").items()
        for statement in policy["Properties"]["PolicyDocument"]["Statement"]
        if name.startswith("RollbackPolicy") and statement["Action"] == "iam:PassRole"
    ]
    assert statement["Condition"] == {"StringEquals": {"iam:PassedToService": "ecs-tasks.amazonaws.com"}}
    definition = backend.properties("AWS::ECS::TaskDefinition")
    roles = [backend.resources[definition[role]["Fn::GetAtt"][0]] for role in ("ExecutionRoleArn", "TaskRoleArn")]
    names = [role["Properties"]["RoleName"] for role in roles]
    assert statement["Resource"] == [f"arn:aws:iam::{environment.account}:role/{name}" for name in names]


# Topics and the table


def name_of(stack: Template, topic: dict[str, str]) -> str:
    """The name of the topic that a reference is to."""
    return str(stack.of_type("AWS::SNS::Topic")[topic["Ref"]]["Properties"]["TopicName"])


@pytest.mark.parametrize("topic", TOPICS)
def test_a_topic_is_encrypted_speaks_tls_and_takes_this_accounts_alarms(
    stack: Template, environment: Environment, topic: str
) -> None:
    assert "KmsMasterKeyId" in stack.properties("AWS::SNS::Topic", TopicName=f"{environment.prefix}-{topic}")
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
    policy = stack.properties("AWS::KMS::Key")["KeyPolicy"]
    (statement,) = [one for one in policy["Statement"] if one["Principal"] == {"Service": "cloudwatch.amazonaws.com"}]
    assert statement["Action"] == ["kms:Decrypt", "kms:GenerateDataKey*"]
    assert statement["Condition"]["StringEquals"] == {"aws:SourceAccount": environment.account}


# People


def subscribed(stack: Template, protocol: str) -> dict[str, str]:
    """The endpoint by topic."""
    found = [one["Properties"] for one in stack.of_type("AWS::SNS::Subscription").values()]
    return {name_of(stack, one["TopicArn"]).rpartition("-")[2]: one["Endpoint"] for one in found if one["Protocol"] == protocol}


def test_sentry_is_read_where_it_is_configured() -> None:
    told = read(SentrySettings, variables(everything(), VARIANTS["everything"], "sentry"))
    assert (told.url, told.project, told.namespace) == ("https://sentry.io", "acme-maps-backend", "AcmeMaps")
    monitoring = templates("everything", VARIANTS_CONFIG)["monitoring"]
    blind = monitoring.properties("AWS::CloudWatch::Alarm", AlarmName=VARIANTS["everything"].alarm("sentry-blind", "warning"))
    assert (blind["MetricName"], blind["TreatMissingData"]) == ("SentryErrors", "breaching")


def test_there_is_no_function_sentry_and_nothing_blind_where_it_is_not(
    stack: Template, template: Callable[[str], Template]
) -> None:
    names = [one["Properties"]["FunctionName"] for one in stack.of_type("AWS::Lambda::Function").values()]
    assert len(names) == len(FUNCTIONS)
    alarms = [one["Properties"]["AlarmName"] for one in template("monitoring").of_type("AWS::CloudWatch::Alarm").values()]
    assert not [name for name in alarms if "blind" in name]


SECRET = VARIANTS["everything"].contacts.pagerduty_url_secret
MAIL = VARIANTS["everything"].contacts.email


def test_nobody_is_subscribed_where_nobody_is_configured() -> None:
    stack = templates("certificates", VARIANTS_CONFIG)["remediation"]
    assert (subscribed(stack, "email"), subscribed(stack, "https")) == ({}, {})
    assert not stack.of_type("AWS::Chatbot::SlackChannelConfiguration")


def test_mail_gets_pages_warnings_and_escalations() -> None:
    found = {name: address for name, address in subscribed(everything(), "email").items() if name not in LEVELS}
    assert found == dict.fromkeys(("p1", "p2", "p3", "escalations"), MAIL)


LEVELS = {"l2": "lead@acme.example", "l4": "cto@acme.example"}


def test_a_level_of_the_escalation_path_gets_mail_where_it_is_named(stack: Template) -> None:
    assert {name: address for name, address in subscribed(everything(), "email").items() if name in LEVELS} == LEVELS
    told = read(NotifySettings, variables(everything(), VARIANTS["everything"], "notify"))
    assert told.level_topics == {level: VARIANTS["everything"].arn("sns", f"acme-maps-everything-l{level}") for level in (2, 4)}
    assert [told.topic("P1", level) for level in (1, 3)] == [told.p1_topic] * 2
    topics = [one["Properties"]["TopicName"] for one in stack.of_type("AWS::SNS::Topic").values()]
    assert not [name for name in topics if name.rpartition("-")[2] in LEVELS], "none is named"


def test_notify_hears_who_acknowledges_in_pagerduty_where_it_says(stack: Template) -> None:
    source = VARIANTS["everything"].contacts.pagerduty_event_source
    (rule,) = (one for one in rules(everything(), VARIANTS["everything"], "notify") if "EventPattern" in one)
    assert rule["EventBusName"] == source
    assert rule["EventPattern"] == {
        "source": [source],
        "detail-type": ["PagerDuty Webhook"],
        "detail": {"event": ["incident.acknowledge"]},
    }
    assert "pagerduty.com" not in json.dumps(stack.body)


def test_pagerduty_gets_what_is_critical_by_a_url_that_stays_secret() -> None:
    url = f"{{{{resolve:secretsmanager:{SECRET}:SecretString:::}}}}"
    assert subscribed(everything(), "https") == {"p1": url, "p2": url, "escalations": url}
    assert "https://events.pagerduty.com" not in json.dumps(everything().body)


def test_pagerduty_gets_of_the_escalations_what_no_page_covers() -> None:
    filters = {
        name_of(everything(), one["Properties"]["TopicArn"]).rpartition("-")[2]: one["Properties"].get("FilterPolicy")
        for one in everything().of_type("AWS::SNS::Subscription").values()
        if one["Properties"]["Protocol"] == "https"
    }
    assert filters == {"p1": None, "p2": None, "escalations": {"paged": ["no"]}}


def test_slack_gets_everything_and_nobody_may_do_anything_through_it() -> None:
    stack = everything()
    properties = stack.properties("AWS::Chatbot::SlackChannelConfiguration")
    assert (properties["SlackWorkspaceId"], properties["SlackChannelId"]) == ("T0123ABCD", "C0123ABCD")
    assert [name_of(stack, topic) for topic in properties["SnsTopicArns"]] == [VARIANTS["everything"].chat_topic]
    assert "AWSDenyAll" in json.dumps(properties["GuardrailPolicies"])
    role = stack.resources[properties["IamRoleArn"]["Fn::GetAtt"][0]]["Properties"]
    assert set(role) <= {"AssumeRolePolicyDocument", "Tags"}, "a role that may do nothing"


@pytest.mark.parametrize(("suffix", "keys"), [("incidents", ["id"]), ("incident-records", ["incident", "event"])])
def test_incidents_are_kept_encrypted_and_restorable_until_they_expire(
    stack: Template, environment: Environment, suffix: str, keys: list[str]
) -> None:
    resource = stack.only("AWS::DynamoDB::Table", TableName=f"{environment.prefix}-{suffix}")
    table = resource["Properties"]
    kinds = zip(keys, ("HASH", "RANGE"), strict=False)
    assert table["KeySchema"] == [{"AttributeName": key, "KeyType": kind} for key, kind in kinds]
    assert table["BillingMode"] == "PAY_PER_REQUEST"
    assert table["SSESpecification"]["SSEType"] == "KMS"
    assert table["PointInTimeRecoverySpecification"] == {"PointInTimeRecoveryEnabled": True}
    assert table["DeletionProtectionEnabled"] is environment.protection
    assert table["TimeToLiveSpecification"] == {"AttributeName": "expires_at", "Enabled": True}
    assert (resource["DeletionPolicy"], resource["UpdateReplacePolicy"]) == ("RetainExceptOnCreate", "Retain")
