"""What the functions may do, both ways: everything they call is granted, and nothing is granted that they never use.

The calls are those that the code made on its way through the scenarios below; the grants are the synthesized policies.
"""

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import cache
from typing import Any

import aws_cdk as cdk
import pytest
from aws_cdk.assertions import Template

from lambdas.common.maintenance import Maintenances
from lambdas.common.record.events import AlarmChanged, Notified
from lambdas.common.record.store import Records
from lambdas.diagnose.function import Diagnose
from lambdas.incident_page.function import IncidentPage
from lambdas.notify.heartbeat import Heartbeat
from lambdas.sentry.function import Sentry as SentryFunction
from lambdas.sentry.settings import SentrySettings
from stacks.environment import Sentry
from stacks.functions.incident_page import settings
from stacks.remediation import Remediation
from tests.environments import PRODUCTION
from tests.synth.test_permissions import several
from tests.unit.lambdas.diagnose import aws as diagnosis
from tests.unit.lambdas.world import (
    ACCOUNT,
    REGION,
    Call,
    World,
    bad_release,
    event,
    records,
    refusal,
    rollback_clients,
    secrets,
    world,
)

arn = PRODUCTION.arn
SENTRY_SECTION = Sentry(organization="hz-navigator", project="hz-navigator-backend", token_secret="hz-navigator-sentry-token")
HEARTBEAT_SECRET = "hz-navigator-heartbeat-url"
SERVICE = arn("ecs", f"service/{PRODUCTION.cluster}/{PRODUCTION.service}")
KEY = arn("kms", "key/of-the-stack")
ENDS = PRODUCTION.document("maintenance-off")
TASK_ROLES = tuple(PRODUCTION.role_arn(name) for name in (PRODUCTION.task_role, PRODUCTION.execution_role))


@dataclass(frozen=True)
class Need:
    """An action on a resource, under the condition keys that AWS sends with it."""

    action: str
    resource: str
    keys: tuple[tuple[str, str], ...] = ()


def via(service: str, *actions: str) -> list[Need]:
    """What an encrypted resource's service does with the stack's key in the caller's name."""
    return [Need(f"kms:{action}", KEY, (("kms:ViaService", f"{service}.{REGION}.amazonaws.com"),)) for action in actions]


def on(resource: str, *more: Need) -> Callable[[Call], list[Need]]:
    return lambda call: [Need(f"{call.service}:{call.operation}", resource), *more]


def on_as(action: str, resource: str) -> Callable[[Call], list[Need]]:
    """Where IAM calls an operation otherwise than its API does."""
    return lambda _: [Need(action, resource)]


def on_named(*names: str) -> Callable[[Call], list[Need]]:
    """On the ARNs that a call's parameter names, and on the service that they are of."""

    def needs(call: Call) -> list[Need]:
        given = call.parameters[names[0]]
        return [Need(f"ecs:{call.operation}", one) for one in (SERVICE, *([given] if isinstance(given, str) else given))]

    return needs


def on_table(call: Call) -> list[Need]:
    return [
        Need(f"dynamodb:{call.operation}", arn("dynamodb", f"table/{call.parameters['TableName']}")),
        *via("dynamodb", "Decrypt"),
    ]


# Which resources an operation is authorized on: https://docs.aws.amazon.com/service-authorization/latest/reference/
ROLLBACK: Mapping[str, Callable[[Call], list[Need]]] = {
    "ecs:DescribeServices": on(SERVICE),
    "ecs:ListServiceDeployments": on(SERVICE),
    "ecs:DescribeServiceDeployments": on_named("serviceDeploymentArns"),
    "ecs:DescribeServiceRevisions": on_named("serviceRevisionArns"),
    "ecs:DescribeTaskDefinition": on("*"),
    "ecs:StopServiceDeployment": on_named("serviceDeploymentArn"),
    "ecs:UpdateService": on(
        SERVICE, *(Need("iam:PassRole", role, (("iam:PassedToService", "ecs-tasks.amazonaws.com"),)) for role in TASK_ROLES)
    ),
    "rds:DescribeDBInstances": lambda call: [
        Need("rds:DescribeDBInstances", arn("rds", f"db:{call.parameters['DBInstanceIdentifier']}"))
    ],
    "elasticache:DescribeReplicationGroups": lambda call: [
        Need(
            "elasticache:DescribeReplicationGroups",
            arn("elasticache", f"replicationgroup:{call.parameters['ReplicationGroupId']}"),
        )
    ],
    "cloudwatch:DescribeAlarms": on("*"),  # or it would return no composite alarm
    "ssm:PutParameter": lambda call: [Need("ssm:PutParameter", arn("ssm", f"parameter{call.parameters['Name']}"))],
    "sns:Publish": lambda call: [Need("sns:Publish", call.parameters["TopicArn"]), *via("sns", "Decrypt", "GenerateDataKey")],
    "dynamodb:GetItem": on_table,
    "dynamodb:PutItem": on_table,
    "dynamodb:UpdateItem": on_table,
    "dynamodb:Query": on_table,
}

RELEASES: Mapping[str, Callable[[Call], list[Need]]] = {
    **{
        name: ROLLBACK[name]
        for name in (
            "ecs:ListServiceDeployments",
            "ecs:DescribeServiceDeployments",
            "ecs:DescribeServiceRevisions",
            "ecs:DescribeTaskDefinition",
            "ssm:PutParameter",
            "sns:Publish",
        )
    },
    "ssm:GetParameter": lambda call: [Need("ssm:GetParameter", arn("ssm", f"parameter{call.parameters['Name']}"))],
}
SENTRY: Mapping[str, Callable[[Call], list[Need]]] = {
    "secretsmanager:GetSecretValue": lambda call: [
        Need("secretsmanager:GetSecretValue", arn("secretsmanager", f"secret:{call.parameters['SecretId']}-Ab1Cd2"))
    ],
}
INCIDENT_PAGE: Mapping[str, Callable[[Call], list[Need]]] = {"dynamodb:Query": on_table}
NOTIFY: Mapping[str, Callable[[Call], list[Need]]] = {
    **{
        name: ROLLBACK[name]
        for name in (
            "cloudwatch:DescribeAlarms",
            "ecs:ListServiceDeployments",
            "ecs:DescribeServiceRevisions",
            "sns:Publish",
        )
    },
    "cloudwatch:ListAlarmMuteRules": on(arn("cloudwatch", "alarm-mute-rule:*")),
    "cloudwatch:SetAlarmState": lambda call: [
        Need("cloudwatch:SetAlarmState", arn("cloudwatch", f"alarm:{call.parameters['AlarmName']}"))
    ],
    "ssm:StartAutomationExecution": on(
        arn("ssm", f"automation-definition/{ENDS}:$DEFAULT"),
        Need("ssm:StartAutomationExecution", arn("ssm", f"document/{ENDS}")),
        Need("ssm:StartAutomationExecution", arn("ssm", "automation-execution/*")),
        Need("iam:PassRole", PRODUCTION.role_arn(ENDS), (("iam:PassedToService", "ssm.amazonaws.com"),)),
    ),
    "dynamodb:GetItem": on_table,
    "dynamodb:PutItem": on_table,
    "dynamodb:Query": on_table,
    "dynamodb:UpdateItem": on_table,
    "secretsmanager:GetSecretValue": SENTRY["secretsmanager:GetSecretValue"],
    "lambda:Invoke": on_as("lambda:InvokeFunction", arn("lambda", f"function:{PRODUCTION.function('diagnose')}")),
}


def on_query(call: Call) -> list[Need]:
    return [Need("logs:StartQuery", arn("logs", f"log-group:{call.parameters['logGroupName']}:log-stream:"))]


DIAGNOSE: Mapping[str, Callable[[Call], list[Need]]] = {
    **{
        name: ROLLBACK[name]
        for name in (
            "cloudwatch:DescribeAlarms",
            "dynamodb:PutItem",
            "dynamodb:Query",
            "ecs:DescribeServices",
            "ecs:ListServiceDeployments",
            "ecs:DescribeServiceRevisions",
            "elasticache:DescribeReplicationGroups",
            "rds:DescribeDBInstances",
            "sns:Publish",
        )
    },
    **dict.fromkeys(("cloudtrail:LookupEvents", "cloudwatch:GetMetricData", "elasticache:DescribeEvents"), on("*")),
    **dict.fromkeys(("cloudformation:ListStacks", "rds:DescribeEvents", "secretsmanager:ListSecrets"), on("*")),
    "application-autoscaling:DescribeScalingActivities": on("*"),
    "logs:GetQueryResults": on("*"),
    "logs:StartQuery": on_query,
    "elbv2:DescribeTargetGroups": on_as("elasticloadbalancing:DescribeTargetGroups", "*"),
    "elbv2:DescribeTargetHealth": on_as("elasticloadbalancing:DescribeTargetHealth", "*"),
    "ecs:ListTasks": on(arn("ecs", f"container-instance/{PRODUCTION.cluster}/*")),
    "ecs:DescribeTasks": on(arn("ecs", f"task/{PRODUCTION.cluster}/one")),
    "s3:ListObjectsV2": lambda call: [
        Need("s3:ListBucket", f"arn:aws:s3:::{call.parameters['Bucket']}", (("s3:prefix", call.parameters["Prefix"]),))
    ],
}


def by_lambda(function: str, dead_letters: str) -> list[Need]:
    """What Lambda does under the function's role: logs, and the events that it gave up."""
    stream = arn("logs", f"log-group:/aws/lambda/{PRODUCTION.function(function)}:log-stream:one")
    logs = [Need(f"logs:{action}", stream) for action in ("CreateLogStream", "PutLogEvents")]
    return [*logs, Need("sns:Publish", arn("sns", dead_letters)), *via("sns", "Decrypt", "GenerateDataKey")]


# The grants


@dataclass(frozen=True)
class Grant:
    """One action of a statement, on its resources, under its conditions."""

    action: str
    resource: str
    conditions: tuple[tuple[str, str], ...]

    def covers(self, need: Need) -> bool:
        return (
            fnmatchcase(need.action, self.action)
            and fnmatchcase(need.resource, self.resource)
            and all(condition in need.keys for condition in self.conditions)
        )


@cache
def template() -> Mapping[str, Any]:
    app = cdk.App()
    contacts = PRODUCTION.contacts.model_copy(update={"heartbeat_url_secret": HEARTBEAT_SECRET})
    with_all = PRODUCTION.model_copy(update={"sentry": SENTRY_SECTION, "contacts": contacts})
    return Template.from_stack(Remediation(cdk.Stage(app, "stage"), with_all)).to_json()


def resolved(value: Any) -> str:
    """An ARN as it will be: the intrinsic functions of the template stand for what they name."""
    if isinstance(value, str):
        return value
    ((function, argument),) = value.items()
    if function == "Fn::Join":
        separator, parts = argument
        return str(separator).join(map(resolved, parts))
    if argument == "AWS::Partition":
        return "aws"
    resource = template()["Resources"][argument if function == "Ref" else argument[0]]
    properties = resource["Properties"]
    return {
        "AWS::KMS::Key": KEY,
        "AWS::SNS::Topic": arn("sns", properties.get("TopicName", "")),
        "AWS::DynamoDB::Table": arn("dynamodb", f"table/{properties.get('TableName')}"),
        "AWS::Lambda::Function": arn("lambda", f"function:{properties.get('FunctionName')}"),
        "AWS::Logs::LogGroup": arn("logs", f"log-group:{properties.get('LogGroupName')}:*"),
    }[resource["Type"]]


@cache
def grants(function: str) -> tuple[Grant, ...]:
    """Everything that the role of a function allows; it has one policy, and no other way to get more."""
    resources = template()["Resources"]
    roles = [
        resource["Properties"]["Role"]["Fn::GetAtt"][0]
        for resource in resources.values()
        if resource["Type"] == "AWS::Lambda::Function"
        and resource["Properties"]["FunctionName"] == PRODUCTION.function(function)
    ]
    role = resources[roles[0]]["Properties"]
    assert set(role) <= {"AssumeRolePolicyDocument", "ManagedPolicyArns", "Tags"}
    (attached,) = role["ManagedPolicyArns"]
    policy = resources[attached["Ref"]]["Properties"]["PolicyDocument"]
    assert not [resource for resource in resources.values() if resource["Type"] == "AWS::IAM::Policy"]
    found = []
    for statement in policy["Statement"]:
        assert statement["Effect"] == "Allow"
        assert set(statement.get("Condition", {})) <= {"StringEquals"}
        conditions = tuple(
            (key, resolved(value)) for key, value in statement.get("Condition", {}).get("StringEquals", {}).items()
        )
        found += [
            Grant(action, resolved(resource), conditions)
            for action in several(statement["Action"])
            for resource in several(statement["Resource"])
        ]
    return tuple(found)


# The calls


def rolls_back_and_verifies(aws: World) -> Iterable[Any]:
    bad_release(aws)
    yield event("ALARM", aws.now)
    aws.ecs.settle()
    aws.wait(minutes=5)
    yield event("OK", aws.now)


def stops(aws: World) -> Iterable[Any]:
    aws.begin_release()
    aws.wait(minutes=3)
    yield event("ALARM", aws.now)


def waits_and_keeps(aws: World) -> Iterable[Any]:
    aws.begin_release()
    aws.ecs.fail()
    aws.wait(minutes=3)
    yield event("ALARM", aws.now)
    aws.ecs.settle()
    aws.wait(minutes=3)
    yield event("OK", aws.now)


def escalates(aws: World) -> Iterable[Any]:
    bad_release(aws)
    aws.database("failed")
    yield event("ALARM", aws.now)


def is_refused(aws: World) -> Iterable[Any]:
    bad_release(aws)
    aws.refusals["ecs:UpdateService"] = refusal("AccessDeniedException")
    yield event("ALARM", aws.now)


def finds_nonsense(_: World) -> Iterable[Any]:
    yield {"not": "an alarm"}
    yield {"not": "an alarm"}


FUNCTIONS = ("rollback", "releases", "health-check", "notify", "diagnose", "sentry", "incident-page")
SCENARIOS = (rolls_back_and_verifies, stops, waits_and_keeps, escalates, is_refused, finds_nonsense)


def calls_of_rollback(aws: World) -> list[Call]:
    """Every call that `rollback` makes, through all scenarios one after another."""
    made = []
    records().join(aws.now, PRODUCTION.page("service-down"), opens=True)  # `notify` was quicker
    for scenario in SCENARIOS:
        aws.wait(days=2)
        for what in scenario(aws):
            aws.deliver(what)
            made += aws.calls
        aws.refusals.clear()
        aws.database("available")
        aws.ecs.settle()
    return made


def calls_of_releases(aws: World) -> list[Call]:
    """Every call that `releases` makes: for a release that ends well, and for one that ECS takes back."""
    aws.release()
    aws.look()
    made = list(aws.calls)
    aws.begin_release()
    aws.ecs.fail()
    aws.ecs.settle()
    aws.look()
    return made + aws.calls


def calls_of_notify(aws: World) -> list[Call]:
    """Every call that `notify` makes: it arms itself, tells of a page and a notification of each severity, and ends maintenance
    that was announced, then itself. Then it reads where its heartbeat goes, which is not to be read here."""
    made = []
    for slug in ("api-availability", "frontend-availability"):
        aws.watch(PRODUCTION.alarm(slug, "warning"))
    aws.watch(PRODUCTION.not_armed_alarm)
    aws.set_alarm(PRODUCTION.not_armed_alarm, "ALARM")
    aws.notify()
    made += aws.calls
    for slug in ("service-down", "database-impaired"):
        aws.watch(PRODUCTION.page(slug))
    aws.watch(PRODUCTION.alarm("ecs-cpu", "warning"))
    aws.watch(PRODUCTION.maintenance_alarm, notifies=False)
    down = PRODUCTION.page("service-down")
    changes: tuple[tuple[str, str], ...] = (
        (PRODUCTION.alarm("ecs-cpu", "warning"), "ALARM"),
        (PRODUCTION.page("database-impaired"), "ALARM"),
        (down, "ALARM"),  # told, since no deployment is under way
        (down, "OK"),
        (PRODUCTION.page("database-impaired"), "OK"),
        (down, "ALARM"),  # handled, since one is
        (down, "OK"),
        (PRODUCTION.maintenance_alarm, "ALARM"),
    )
    for number, (name, state) in enumerate(changes):
        if number == 5:
            aws.begin_release()
        aws.set_alarm(name, state)
        if name == PRODUCTION.maintenance_alarm:
            Maintenances(aws.table).announce(aws.now, "an execution", "somebody")
        for minutes in (1, 2, 12, 120) if state == "OK" or name == PRODUCTION.maintenance_alarm else (1, 2):
            aws.wait(minutes=minutes)
            aws.notify()
            made += aws.calls
    aws.calls.clear()
    aws.refusals["secretsmanager:GetSecretValue"] = refusal("AccessDeniedException")
    Heartbeat(HEARTBEAT_SECRET, secrets()).beat()
    return made + aws.calls


def calls_of_sentry(aws: World) -> list[Call]:
    """Every call that `sentry` makes: it reads its token, which is not to be read here."""
    aws.refusals["secretsmanager:GetSecretValue"] = refusal("AccessDeniedException")
    settings = SentrySettings(
        environment="production",
        namespace=PRODUCTION.application.metrics_namespace,
        url=SENTRY_SECTION.url,
        organization=SENTRY_SECTION.organization,
        project=SENTRY_SECTION.project,
        token_secret=SENTRY_SECTION.token_secret,
    )
    SentryFunction(settings, secrets(), aws.clock).run({})
    return aws.calls


def calls_of_diagnose(aws: World) -> list[Call]:
    """Every call that `diagnose` makes, of an incident with a page of each severity that calls."""
    made = []
    with diagnosis.quiet() as quiet:
        quiet.answers["ListTasks"] = {"taskArns": ["one"]}
        quiet.deployed(diagnosis.deployment(1, -10, "repo:a"))
        for page, severity in (("service-down", "P1"), ("service-degraded", "P2")):
            aws.wait(days=1)
            name = open_incident(aws, PRODUCTION.page(page), severity)
            aws.calls.clear()
            clients = rollback_clients()
            function = Diagnose(diagnosis.SETTINGS, diagnosis.reader(), Records(clients.records), clients.sns, aws.clock)
            function.run({"incident": name, "at": aws.now.isoformat()})
            made += aws.calls
        return made + quiet.calls


def open_incident(aws: World, page: str, severity: Any) -> str:
    """An incident whose page fires, for which somebody was called."""
    entry = records().join(aws.now, page, opens=True)
    assert entry
    fires = AlarmChanged(id=page, at=aws.now, alarm=page, state="ALARM", title="It fails", severity=severity, calls=True)
    told = Notified(
        id=f"told {page}", at=aws.now, channel="people", what="open", alarm=page, severity=severity, subject="s", text="t"
    )
    records().add(entry.name, [fires, told])
    return entry.name


def calls_of_incident_page(aws: World) -> list[Call]:
    """Every call that `incident-page` makes: it finds the newest incident, and reads it."""
    records().join(aws.now, PRODUCTION.page("service-down"), opens=True)
    aws.calls.clear()
    IncidentPage(settings(PRODUCTION), Records(rollback_clients().records), aws.clock).run({})
    return aws.calls


@pytest.fixture
def aws() -> Iterator[World]:
    with world() as made:
        yield made


@pytest.mark.parametrize(
    ("function", "calls", "authorized", "dead_letters"),
    [
        ("rollback", calls_of_rollback, ROLLBACK, PRODUCTION.escalations_topic),
        ("releases", calls_of_releases, RELEASES, PRODUCTION.outcomes_topic),
        ("notify", calls_of_notify, NOTIFY, PRODUCTION.outcomes_topic),
        ("diagnose", calls_of_diagnose, DIAGNOSE, PRODUCTION.outcomes_topic),
        ("sentry", calls_of_sentry, SENTRY, PRODUCTION.outcomes_topic),
        ("incident-page", calls_of_incident_page, INCIDENT_PAGE, PRODUCTION.outcomes_topic),
    ],
)
def test_every_call_is_granted_and_every_grant_is_used(
    aws: World,
    function: str,
    calls: Callable[[World], list[Call]],
    authorized: Mapping[str, Callable[[Call], list[Need]]],
    dead_letters: str,
) -> None:
    made = calls(aws)
    assert {call.name for call in made} == set(authorized), "say above on which resources it is authorized, or make the call"
    needs = [need for call in made for need in authorized[call.name](call)]
    needs += by_lambda(function, dead_letters)
    denied = {need for need in needs if not any(grant.covers(need) for grant in grants(function))}
    assert denied == set()
    idle = {grant for grant in grants(function) if not any(grant.covers(need) for need in needs)}
    assert idle == set()


def test_health_check_calls_nothing_and_may_do_no_more_than_lambda_needs() -> None:
    needs = by_lambda("health-check", PRODUCTION.outcomes_topic)
    assert {need for need in needs if not any(grant.covers(need) for grant in grants("health-check"))} == set()
    assert {grant for grant in grants("health-check") if not any(grant.covers(need) for need in needs)} == set()


@pytest.mark.parametrize(
    "need",
    [
        Need("ecs:UpdateService", arn("ecs", f"service/{PRODUCTION.cluster}/another-service")),
        Need("ecs:StopServiceDeployment", arn("ecs", f"service-deployment/{PRODUCTION.cluster}/another-service/1")),
        Need("ecs:DeleteService", SERVICE),
        Need("iam:PassRole", f"arn:aws:iam::{ACCOUNT}:role/Admin", (("iam:PassedToService", "ecs-tasks.amazonaws.com"),)),
        Need("iam:PassRole", TASK_ROLES[0], (("iam:PassedToService", "lambda.amazonaws.com"),)),
        Need("kms:Decrypt", KEY),
        Need("ssm:PutParameter", arn("ssm", "parameter/another")),
        Need("sns:Publish", arn("sns", "another-topic")),
        Need("cloudwatch:SetAlarmState", arn("cloudwatch", f"alarm:{PRODUCTION.service_impaired_alarm}")),
        Need("ssm:StartAutomationExecution", arn("ssm", f"document/{PRODUCTION.document('maintenance-on')}")),
        Need(
            "iam:PassRole",
            PRODUCTION.role_arn(PRODUCTION.document("maintenance-on")),
            (("iam:PassedToService", "ssm.amazonaws.com"),),
        ),
        Need("iam:PassRole", PRODUCTION.role_arn(ENDS), (("iam:PassedToService", "ecs-tasks.amazonaws.com"),)),
        Need("cloudwatch:PutAlarmMuteRule", arn("cloudwatch", "alarm-mute-rule:one")),
        Need("secretsmanager:GetSecretValue", arn("secretsmanager", f"secret:{PRODUCTION.database_secret}-Ab1Cd2")),
        Need("dynamodb:DeleteItem", arn("dynamodb", f"table/{PRODUCTION.incidents_table}")),
    ],
    ids=lambda need: f"{need.action} on {need.resource.rpartition(':')[2]}",
)
def test_nothing_else_is_granted(need: Need) -> None:
    assert not any(grant.covers(need) for function in FUNCTIONS for grant in grants(function))


def test_only_a_read_that_aws_allows_on_nothing_less_is_granted_on_all() -> None:
    everywhere = {grant.action for function in FUNCTIONS for grant in grants(function) if grant.resource == "*"}
    assert everywhere == {
        "application-autoscaling:DescribeScalingActivities",
        "cloudformation:ListStacks",
        "cloudtrail:LookupEvents",
        "cloudwatch:DescribeAlarms",
        "cloudwatch:GetMetricData",
        "ecs:DescribeTaskDefinition",
        "elasticache:DescribeEvents",
        "elasticloadbalancing:DescribeTargetGroups",
        "elasticloadbalancing:DescribeTargetHealth",
        "logs:GetQueryResults",
        "rds:DescribeEvents",
        "secretsmanager:ListSecrets",
    }


def test_the_functions_trust_lambda_alone() -> None:
    for role in (one for one in template()["Resources"].values() if one["Type"] == "AWS::IAM::Role"):
        (statement,) = role["Properties"]["AssumeRolePolicyDocument"]["Statement"]
        assert statement["Principal"] == {"Service": "lambda.amazonaws.com"}, json.dumps(role)
