"""What the function `procedures` may do, both ways, as in `test_iam`: each family's calls against the synthesized policies."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from functools import cache

import pytest

from stacks.frontend import REGION as FRONTEND_REGION
from stacks.frontend import SITE
from tests.environments import PRODUCTION
from tests.synth.arns import Arns
from tests.synth.assemblies import templates
from tests.unit.lambdas.automation import BOB, Started
from tests.unit.lambdas.procedures.conftest import Site, push
from tests.unit.lambdas.procedures.edge import Edge, make_ip_sets
from tests.unit.lambdas.procedures.site import Site as Frontend
from tests.unit.lambdas.world import Call, World, client, world

from .test_iam import KEY, ROLLBACK, Grant, Need, by_lambda, on, several

arn = PRODUCTION.arn
ROLE = "ProceduresRole"
ELSEWHERE = tuple(f"Procedures{family}Policy" for family in ("Database", "Cache", "Tasks", "Rotation"))
"""The policies that `tests/local/procedures` holds against the calls that the deployed procedures make."""
UNUSED = ("ecs:StopServiceDeployment", "ssm:PutParameter")
"""What automation does and no procedure."""


def on_execution(call: Call) -> list[Need]:
    return [Need(f"ssm:{call.operation}", arn("ssm", f"automation-execution/{call.parameters['AutomationExecutionId']}"))]


def on_tasks(call: Call) -> list[Need]:
    named = call.parameters.get("tasks") or [call.parameters["task"]]
    names = [one.rpartition("/")[2] for one in named]
    return [Need(f"ecs:{call.operation}", arn("ecs", f"task/{PRODUCTION.cluster}/{name}")) for name in names]


def on_object(*actions: str, bucket: str = "Bucket", key: str = "Key") -> Callable[[Call], list[Need]]:
    """On an object of S3, and on the key that S3 uses for it in the caller's name."""

    def needs(call: Call) -> list[Need]:
        named = call.parameters["CopySource"] if bucket == "Source" else call.parameters
        keys = [one["Key"] for one in named["Delete"]["Objects"]] if "Delete" in named else [named[key]]
        region = f"{FRONTEND_REGION}.amazonaws.com"
        conditions = (("kms:ViaService", f"s3.{region}"), ("kms:ResourceAliases", f"alias/{PRODUCTION.stack('frontend')}"))
        kms = f"arn:aws:kms:{FRONTEND_REGION}:{PRODUCTION.account}:key/of-the-frontend"
        return [
            Need(action, kms, conditions)
            if action.startswith("kms:")
            else Need(action, f"arn:aws:s3:::{named['Bucket']}/{one}")
            for one in keys
            for action in actions
        ]

    return needs


def on_both(call: Call) -> list[Need]:
    """A copy reads one object and writes another."""
    read = on_object("s3:GetObject", "kms:Decrypt", bucket="Source")
    return [*read(call), *on_object("s3:PutObject", "kms:GenerateDataKey")(call)]


def on_distribution(call: Call) -> list[Need]:
    distribution = f"arn:aws:cloudfront::{PRODUCTION.account}:distribution/{call.parameters['DistributionId']}"
    return [Need("cloudfront:CreateInvalidation", distribution, ((f"aws:ResourceTag/{SITE}", PRODUCTION.domain.frontend),))]


def on_ip_set(call: Call) -> list[Need]:
    region, scope = {"REGIONAL": (PRODUCTION.region, "regional"), "CLOUDFRONT": ("us-east-1", "global")}[
        call.parameters["Scope"]
    ]
    named = f"{scope}/ipset/{call.parameters['Name']}/{call.parameters['Id']}"
    return [Need(f"wafv2:{call.operation}", f"arn:aws:wafv2:{region}:{PRODUCTION.account}:{named}")]


# Which resources an operation is authorized on: https://docs.aws.amazon.com/service-authorization/latest/reference/
AUTHORIZED: Mapping[str, Callable[[Call], list[Need]]] = {
    **{name: needs for name, needs in ROLLBACK.items() if name not in UNUSED},
    "application-autoscaling:DescribeScalableTargets": on("*"),
    "ecr:DescribeImages": on(arn("ecr", f"repository/{PRODUCTION.repository}")),
    "ecs:ListTasks": on(arn("ecs", f"container-instance/{PRODUCTION.cluster}/*")),
    "ecs:DescribeTasks": on_tasks,
    "ecs:StopTask": on_tasks,
    "cloudwatch:SetAlarmState": lambda call: [
        Need("cloudwatch:SetAlarmState", arn("cloudwatch", f"alarm:{call.parameters['AlarmName']}"))
    ],
    "ssm:GetAutomationExecution": on_execution,
    "ssm:DescribeAutomationStepExecutions": on_execution,
    "cloudfront:CreateInvalidation": on_distribution,
    "cloudfront:ListDistributions": on("*"),
    "s3:CopyObject": on_both,
    "s3:DeleteObjects": on_object("s3:DeleteObject"),
    "s3:GetObject": on_object("s3:GetObject", "kms:Decrypt"),
    "s3:HeadObject": on_object("s3:GetObject"),
    "s3:ListObjectsV2": lambda call: [Need("s3:ListBucket", f"arn:aws:s3:::{call.parameters['Bucket']}")],
    "s3:PutObject": on_object("s3:PutObject", "kms:GenerateDataKey"),
    "wafv2:GetIPSet": on_ip_set,
    "wafv2:ListIPSets": on("*"),
    "wafv2:UpdateIPSet": on_ip_set,
}


def backend(aws: World) -> Iterator[Call]:
    """Every call for the backend's procedures."""
    client("ecr").create_repository(repositoryName=PRODUCTION.repository)
    push(*(one["image"] for one in aws.ecs.definitions.values()))
    aws.ecs.settle()
    changing = {
        "backend-rollback": ("RollBack", {}),
        "backend-deploy": ("Deploy", {}),
        "backend-scale": ("Scale", {"Tasks": "3"}),
        "backend-restart-task": ("Restart", {"Task": f"{0:032x}"}),
    }
    for name, (step, inputs) in changing.items():
        started = Started(aws, name, **inputs)
        for one in ("Plan", "Begin", step, "Settled"):
            started.step(one)
            yield from aws.calls
        aws.wait(minutes=3)
        aws.ecs.settle()
        for one in ("Settled", "Verify", "Record"):
            started.step(one)
            yield from aws.calls
        aws.wait(minutes=3)
    for name in ("service-status", "health-check"):
        started = Started(aws, name)
        for one in ("Plan", "Look", "Record"):
            started.step(one)
            yield from aws.calls
    yield from ends_badly(aws)


def ends_badly(aws: World) -> Iterator[Call]:
    """Every call for a deployment that fails, after the lock was taken over from an execution that was killed."""
    killed = Started(aws, "backend-deploy", by=BOB)
    for one in ("Plan", "Begin"):
        killed.step(one)
    killed.ends("Cancelled")
    started = Started(aws, "backend-deploy")
    for one in ("Plan", "Begin", "Deploy"):
        started.step(one)
        yield from aws.calls
    aws.ecs.fail()
    aws.ecs.settle()
    for one in ("Settled", "Failed"):
        started.step(one)
        yield from aws.calls


def frontend(_: World) -> Iterator[Call]:
    """Every call for the frontend's procedures: a backup, with old ones that go; the list; a rollback."""
    site = Frontend()
    site.release("one")
    site.copy_as_pipeline("backup-1")
    for number in range(2, 13):
        site.wait(days=1)
        site.copy_as_pipeline(f"backup-{number}")
    site.wait(days=100)
    for name in ("frontend-backup", "frontend-backups", "frontend-rollback"):
        site.execute(name)
        for operation, parameters in site.process.calls:
            service = "cloudfront" if operation in ("CreateInvalidation", "ListDistributions") else "s3"
            yield Call(service, operation, dict(parameters))
        site.release("two")


def people(aws: World) -> Iterator[Call]:
    """Every call for maintenance and for incidents."""
    make_ip_sets()
    for name in (PRODUCTION.maintenance_alarm, PRODUCTION.service_impaired_alarm, PRODUCTION.not_armed_alarm):
        aws.watch(name, notifies=False)
    down = PRODUCTION.page("service-down")
    aws.watch(down)
    aws.set_alarm(down, "ALARM")
    aws.looks(3)
    aws.set_alarm(down, "OK")
    aws.looks(1)
    steps = {
        "maintenance-on": ({}, "Mute", "KeepOut", "KeptOut", "Tell"),
        "maintenance-off": ({}, "LetIn", "Clear", "Unmute", "Verify"),
        "incident-acknowledge": ({}, "Acknowledge"),
        "incident-note": ({"Note": "A note"}, "Note"),
        "incident-status-page": ({"Stage": "resolved"}, "Fill"),
        "incident-resolve": ({}, "SmokeTests", "Resolve"),
    }
    for name, (inputs, *own) in steps.items():
        started = Started(aws, name, **inputs)
        for one in ("Plan", "Begin", *own):
            if one == "Begin":
                started.approved()
            started.step(one)
            yield from aws.calls
        started.ends()


FAMILIES = (backend, frontend, people)


@cache
def grants() -> tuple[Grant, ...]:
    """Everything that the function's role allows; it has managed policies, and no other way to get more."""
    found = templates(PRODUCTION.name)
    arns, stack = Arns(PRODUCTION, found), found["procedures"].resources
    (role,) = (one["Properties"] for logical_id, one in stack.items() if logical_id.startswith(ROLE))
    assert set(role) <= {"AssumeRolePolicyDocument", "ManagedPolicyArns", "Tags"}
    assert [one["Principal"] for one in role["AssumeRolePolicyDocument"]["Statement"]] == [{"Service": "lambda.amazonaws.com"}]
    made = []
    for attached in role["ManagedPolicyArns"]:
        if attached["Ref"].startswith(ELSEWHERE):
            continue
        for statement in stack[attached["Ref"]]["Properties"]["PolicyDocument"]["Statement"]:
            assert statement["Effect"] == "Allow"
            operators = statement.get("Condition", {})
            assert set(operators) <= {"StringEquals", "ForAnyValue:StringEquals"}
            conditions = tuple(condition for operator in operators.values() for condition in operator.items())
            made += [
                Grant(action, arns.text("procedures", resource), conditions)
                for action in several(statement["Action"])
                for resource in several(statement["Resource"])
            ]
    return tuple(made)


def key() -> str:
    """The key of the table and the topics, which are another stack's."""
    found = templates(PRODUCTION.name)
    (logical_id,) = (one for one, made in found["remediation"].resources.items() if made["Type"] == "AWS::KMS::Key")
    return Arns(PRODUCTION, found).arn("remediation", logical_id)


@pytest.fixture
def needs(monkeypatch: pytest.MonkeyPatch) -> list[Need]:
    """What every call of every family needs, and what Lambda does under the function's role."""
    for one in ("lambdas.health_check.probes.get", "lambdas.common.https.get"):
        monkeypatch.setattr(one, Edge(Site()).get)
    made = []
    for family in FAMILIES:
        with world() as aws:
            made += list(family(aws))
    assert {call.name for call in made} == set(AUTHORIZED), "say above on which resources it is authorized, or make the call"
    found = [need for call in made for need in AUTHORIZED[call.name](call)]
    found += by_lambda("procedures", PRODUCTION.outcomes_topic)
    return [replace(need, resource=key()) if need.resource == KEY else need for need in found]


def test_every_call_is_granted_and_every_grant_is_used(needs: list[Need]) -> None:
    assert {need for need in needs if not any(grant.covers(need) for grant in grants())} == set()
    assert {grant for grant in grants() if not any(grant.covers(need) for need in needs)} == set()


@pytest.mark.parametrize(
    "need",
    [
        Need("ecs:UpdateService", arn("ecs", f"service/{PRODUCTION.cluster}/another-service")),
        Need("ecs:StopTask", arn("ecs", "task/another-cluster/1")),
        Need("ecs:StopServiceDeployment", arn("ecs", f"service-deployment/{PRODUCTION.cluster}/{PRODUCTION.service}/1")),
        Need("ssm:SendAutomationSignal", arn("ssm", "automation-execution/1")),
        Need("ssm:StartAutomationExecution", arn("ssm", "automation-execution/1")),
        Need("ssm:PutParameter", arn("ssm", f"parameter{PRODUCTION.image_parameter}")),
        Need("iam:PassRole", PRODUCTION.role_arn("Admin"), (("iam:PassedToService", "ecs-tasks.amazonaws.com"),)),
        Need("dynamodb:DeleteItem", arn("dynamodb", f"table/{PRODUCTION.incidents_table}")),
        Need("sns:Publish", arn("sns", PRODUCTION.approvals_topic)),
        Need("s3:DeleteObjectVersion", f"arn:aws:s3:::{PRODUCTION.frontend_backups_bucket}/backup-1/index.html"),
        Need("s3:PutObject", f"arn:aws:s3:::{PRODUCTION.documents_bucket}/one"),
        Need("s3:PutBucketPolicy", f"arn:aws:s3:::{PRODUCTION.frontend_bucket}"),
        Need("kms:Decrypt", f"arn:aws:kms:{FRONTEND_REGION}:{PRODUCTION.account}:key/of-the-frontend"),
        Need("cloudfront:CreateInvalidation", f"arn:aws:cloudfront::{PRODUCTION.account}:distribution/E1OTHER"),
        Need("wafv2:UpdateIPSet", arn("wafv2", "regional/ipset/another/1")),
        Need("wafv2:UpdateWebACL", arn("wafv2", f"regional/webacl/{PRODUCTION.web_acl}/1")),
        Need("cloudwatch:SetAlarmState", arn("cloudwatch", f"alarm:{PRODUCTION.service_impaired_alarm}")),
    ],
    ids=lambda need: f"{need.action} on {need.resource.rpartition(':')[2]}",
)
def test_nothing_else_is_granted(need: Need) -> None:
    assert not any(grant.covers(need) for grant in grants())
