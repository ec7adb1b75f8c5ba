"""Preflight on the local cloud: before anything is made, after everything is, and where strangers have the names.

The emulator has no quotas, no Slack and no reserved cache nodes, and knows few database versions: what those lines say is
tested with stand-in answers, in tests/unit.
"""

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import boto3
import pytest
from botocore.exceptions import WaiterError

import local.preflight.__main__ as command
from local.cloud import Cloud, synthesize
from local.preflight.account import Account
from local.preflight.case import Case
from local.preflight.checks import CHECKS
from local.preflight.names import NAMED
from local.preflight.permissions import policy
from local.preflight.plan import Plan
from tests.environments import CONFIG, PRODUCTION
from tests.unit.local.preflight.web import records, served

NOBODY = "http://127.0.0.1:9/"  # no resolver listens
UNASKABLE = ("servicequotas:", "chatbot:", "elasticache:DescribeReservedCacheNodesOfferings", NOBODY)
"""What the local cloud cannot answer."""

Run = Callable[..., tuple[int, dict[str, list[str]]]]


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """Runs the command as a user would, with the environment's variables alone: its exit status and its lines by check."""

    def run(cloud: Cloud, resolver: str = NOBODY, **credentials: str) -> tuple[int, dict[str, list[str]]]:
        for name, value in (cloud.variables | credentials).items():
            monkeypatch.setenv(name, value)
        status = command.main(["production", "--config", str(CONFIG), "--resolver", resolver])
        found: dict[str, list[str]] = {}
        for line in capsys.readouterr().out.splitlines()[:-1]:
            found.setdefault(line[10:24].strip(), []).append(f"{line[:10].strip()}: {line[24:]}")
        return status, found

    return run


@pytest.fixture(scope="session")
def plan() -> Plan:
    return Plan.read(synthesize(CONFIG) / "assembly-production")


def test_in_an_empty_account_it_says_what_comes_first(run: Run) -> None:
    with Cloud.start(PRODUCTION, config=CONFIG) as cloud:
        status, lines = run(cloud)
    assert status == 1
    assert lines["bootstrap"] == ["fix: us-east-1 is not bootstrapped: cdk bootstrap aws://123456789012/us-east-1"]
    assert lines["stacks"] == ["ok: 0 of 10 stand"]
    assert lines["names"] == ["ok: none is taken"]
    assert lines["buckets"] == ["ok: 4 are free"]
    assert lines["image"][0].startswith("later: push the first image ")
    assert lines["concurrency"][0].startswith("ok: ")


def test_whatever_is_in_the_way_is_said_with_what_to_do(run: Run) -> None:
    with Cloud.start(PRODUCTION, config=CONFIG) as cloud, served(DNS) as resolver:
        cloud.client("ssm").put_parameter(Name="/cdk-bootstrap/hnb659fds/version", Value="5", Type="String")
        cloud.control("hosted_zone", PRODUCTION.domain.hosted_zone_id, PRODUCTION.domain.zone)
        secret = PRODUCTION.database_secret
        cloud.client("secretsmanager").create_secret(Name=secret, SecretString="x")
        cloud.client("secretsmanager").delete_secret(SecretId=secret, RecoveryWindowInDays=7)
        cloud.client("s3").create_bucket(Bucket=PRODUCTION.frontend_bucket)
        fail_creation(cloud, PRODUCTION.stack("network"), PRODUCTION.flow_log_group)
        status, lines = run(cloud, f"{resolver}/")
    assert status == 1
    assert lines["bootstrap"][0].startswith("fix: us-east-1 has version 5, 6 is needed: cdk bootstrap ")
    assert lines["stacks"] == [
        f"later: {PRODUCTION.stack('network')} is in ROLLBACK_COMPLETE: cdk deploy deletes it and makes it again"
    ]
    assert lines["hosted zone"][0].startswith("fix: hz-navigator.com is delegated to ns1.registrar.example: put ")
    assert lines["certificates"][0].startswith("fix: the CAA records of hz-navigator.com let ACM issue no certificate of api.")
    assert lines["service roles"][0].startswith("fix: there is no AWSServiceRoleForECS: aws iam create-service-linked-role ")
    on = f"{datetime.now(UTC) + timedelta(days=7):%Y-%m-%d}"
    assert lines["names"][0].startswith(f"fix: the secret {secret} waits for its deletion on {on} and keeps its name: ")
    assert lines["names"][1:] == [
        f"fix: {PRODUCTION.flow_log_group} (AWS::Logs::LogGroup) is there, and no stack of the environment made it: delete it, or "
        "take it over as docs/deploying.md says",
    ]
    assert lines["buckets"][0].startswith(f"fix: {PRODUCTION.frontend_bucket} (AWS::S3::Bucket) is there, and no stack ")


DNS = {
    "/?name=hz-navigator.com&type=NS": records(2, "ns1.registrar.example."),
    "/?name=hz-navigator.com&type=CAA": records(257, '0 issue "letsencrypt.org"'),
    "/?name=api.hz-navigator.com&type=CAA": records(257),
    "/?name=app.hz-navigator.com&type=CAA": records(257),
}


def fail_creation(cloud: Cloud, name: str, log_group: str) -> None:
    """A stack whose creation fails and leaves a log group behind."""
    resources = {
        "Kept": {"Type": "AWS::Logs::LogGroup", "DeletionPolicy": "Retain", "Properties": {"LogGroupName": log_group}},
        "Failing": {
            "Type": "AWS::EC2::SecurityGroupIngress",
            "DependsOn": "Kept",
            "Properties": {"GroupId": "sg-none", "IpProtocol": "tcp", "FromPort": 1, "ToPort": 1, "CidrIp": "10.0.0.0/16"},
        },
    }
    cloudformation = cloud.client("cloudformation")
    cloudformation.create_stack(StackName=name, TemplateBody=json.dumps({"Resources": resources}))
    with pytest.raises(WaiterError):
        cloudformation.get_waiter("stack_create_complete").wait(StackName=name, WaiterConfig={"Delay": 0.1, "MaxAttempts": 300})


def test_where_everything_stands_nothing_is_in_the_way(cloud: Cloud, run: Run) -> None:
    cloud.client("iam").create_role(RoleName="AWSServiceRoleForECS", AssumeRolePolicyDocument="{}")
    index = {"schemaVersion": 2, "manifests": [{"platform": {"os": "linux", "architecture": "amd64"}}]}
    cloud.client("ecr").put_image(
        repositoryName=PRODUCTION.repository,
        imageManifest=json.dumps(index),
        imageManifestMediaType="application/vnd.oci.image.index.v1+json",
        imageTag="first",
    )
    status, lines = run(cloud)
    in_the_way = {line for found in lines.values() for line in found if not line.startswith("ok: ")}
    assert {line for line in in_the_way if not any(one in line for one in UNASKABLE)} == set()
    assert status == 0
    assert lines["stacks"] == ["ok: 10 of 10 stand"]
    assert lines["image"] == [f"ok: {cloud.repository_uri}:first is there, for amd64"]


def test_every_name_is_found_taken_when_another_stack_has_it(cloud: Cloud, plan: Plan, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in cloud.variables.items():
        monkeypatch.setenv(name, value)
    recorded_only = {"AWS::Logs::DeliverySource", "AWS::Logs::DeliveryDestination"}
    strangers = replace(plan, stacks=tuple(replace(stack, name=f"{stack.name}-of-ours") for stack in plan.stacks))
    asked = Case(PRODUCTION, strangers, Account(boto3.Session(), PRODUCTION.region), NOBODY)
    found = " ".join(answer.text for check in CHECKS if check.name in {"names", "buckets"} for answer in check.answers(asked))
    names = [
        (resource.type, value)
        for resource in plan.resources(*set(NAMED) - recorded_only, "AWS::S3::Bucket")
        for key, value in resource.properties.items()
        if isinstance(value, str) and PRODUCTION.prefix in value and key.endswith(("Name", "Identifier", "GroupId"))
    ]
    assert len(names) > 80
    assert [(type_, name) for type_, name in names if name not in found] == []


def assume(cloud: Cloud, role: str, statements: list[dict[str, Any]]) -> dict[str, str]:
    """The variables with a role's credentials, which may do what the statements say."""
    iam = cloud.client("iam")
    trusted = {"Effect": "Allow", "Principal": {"AWS": PRODUCTION.account}, "Action": "sts:AssumeRole"}
    made = iam.create_role(RoleName=role, AssumeRolePolicyDocument=document([trusted]))
    if statements:
        iam.put_role_policy(RoleName=role, PolicyName="may", PolicyDocument=document(statements))
    keys = cloud.client("sts").assume_role(RoleArn=made["Role"]["Arn"], RoleSessionName="me")["Credentials"]
    names = {
        "AccessKeyId": "AWS_ACCESS_KEY_ID",
        "SecretAccessKey": "AWS_SECRET_ACCESS_KEY",
        "SessionToken": "AWS_SESSION_TOKEN",
    }
    return {variable: keys[name] for name, variable in names.items()}


def document(statements: list[dict[str, Any]]) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": statements})


def test_the_printed_policy_suffices(cloud: Cloud, run: Run) -> None:
    _, lines = run(cloud, **assume(cloud, "preflight", json.loads(policy())["Statement"]))
    assert lines["credentials"] == ["ok: arn:aws:sts::123456789012:assumed-role/preflight/me in account 123456789012"]
    assert lines["stacks"] == ["ok: 10 of 10 stand"]
    denied = {f"{call.service}:{call.action}" for call in cloud.calls("preflight") if not call.allowed}
    assert denied == {"lambda:ListLayers"}  # which the emulator takes GetLayerVersionByArn for; on AWS it is GetLayerVersion


def test_without_a_permission_the_others_are_asked_all_the_same(cloud: Cloud, run: Run) -> None:
    status, lines = run(
        cloud, **assume(cloud, "blind", [{"Effect": "Allow", "Action": "ec2:DescribeRegions", "Resource": "*"}])
    )
    assert status == 0
    assert lines["region"] == ["ok: us-east-1 is enabled"]
    assert lines["stacks"] == ["not known: your credentials need cloudformation:DescribeStacks"]
    assert lines["zones"] == ["not known: your credentials need ec2:DescribeAvailabilityZones"]
    assert len(lines) == len(CHECKS)
