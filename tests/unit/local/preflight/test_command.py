"""`python -m local.preflight NAME`."""

import json
from fnmatch import fnmatchcase
from pathlib import Path

import pytest
from moto.iam.aws_managed_policies import aws_managed_policies_data

import local.preflight.__main__ as command
from local.preflight.checks import CHECKS
from local.preflight.permissions import ACTIONS
from tests.environments import CONFIG

from .aws import Aws

DOCS = Path(__file__).parents[4] / "docs"


class Run:
    """Runs the command: its exit status and what it printed."""

    def __init__(self, capsys: pytest.CaptureFixture[str]) -> None:
        self.capsys = capsys

    def __call__(self, *arguments: str) -> tuple[int, list[str]]:
        status = command.main([*arguments, "--config", str(CONFIG), "--resolver", "http://127.0.0.1:9/"])
        return status, self.capsys.readouterr().out.splitlines()


@pytest.fixture
def run(aws: Aws, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """The command, on an account and with a stage that has one stack without resources."""
    stage = tmp_path / "assembly-production"
    stage.mkdir()
    properties = {
        "stackName": "hz-navigator-production-network",
        "templateFile": "network.template.json",
        "requiresBootstrapStackVersion": 6,
        "bootstrapStackVersionSsmParameter": "/cdk-bootstrap/hnb659fds/version",
    }
    artifact = {
        "type": "aws:cloudformation:stack",
        "environment": "aws://123456789012/us-east-1",
        "displayName": "production/network",
        "properties": properties,
    }
    (stage / "manifest.json").write_text(json.dumps({"artifacts": {"network": artifact}}))
    (stage / "network.template.json").write_text(json.dumps({"Resources": {}}))
    monkeypatch.setattr(command, "synthesize", lambda _: tmp_path)
    monkeypatch.setattr("boto3.Session", lambda: aws.session)
    aws.answer("service-quotas", "GetServiceQuota", {"Quota": {"Value": 100}})
    return Run(capsys)


def test_what_has_to_be_fixed_fails_the_command(run: Run) -> None:
    status, lines = run()
    assert status == 1
    assert "fix       bootstrap     us-east-1 is not bootstrapped: cdk bootstrap aws://123456789012/us-east-1" in lines


def test_every_check_has_a_line_though_some_cannot_be_asked(run: Run, aws: Aws) -> None:
    aws.refuse("DescribeAvailabilityZones", "UnauthorizedOperation")
    status, lines = run()
    assert status == 1
    assert "not known zones         your credentials need ec2:DescribeAvailabilityZones" in lines
    without_one = {"layer"}  # the stage has no function
    assert {line[10:24].strip() for line in lines[:-1]} == {check.name for check in CHECKS} - without_one


def test_an_answer_that_cannot_be_read_stops_nothing(run: Run, aws: Aws) -> None:
    aws.answer("ec2", "DescribeRegions", {})
    _, lines = run()
    assert "not known region        AWS's answer could not be read (KeyError: 'Regions')" in lines
    assert "fix       bootstrap     us-east-1 is not bootstrapped: cdk bootstrap aws://123456789012/us-east-1" in lines


def test_what_is_not_known_fails_nothing(run: Run, aws: Aws, monkeypatch: pytest.MonkeyPatch) -> None:
    places = [check for check in CHECKS if check.name in {"credentials", "zones"}]
    monkeypatch.setattr(command, "CHECKS", places)
    aws.refuse("DescribeAvailabilityZones", "UnauthorizedOperation")
    status, lines = run()
    assert status == 0
    assert lines[-1] == "1 ok, 1 not known"


def test_another_accounts_credentials_ask_nothing_else(run: Run, aws: Aws) -> None:
    aws.answer("sts", "GetCallerIdentity", {"Account": "999999999999", "Arn": "arn:aws:iam::999999999999:user/me"})
    status, lines = run()
    assert status == 1
    assert [line.partition(":")[0] for line in lines] == [
        "fix       credentials   your credentials are for account 999999999999",
        "Nothing else can be asked.",
        "1 fix",
    ]


def test_credentials_that_have_expired_ask_nothing_else(run: Run, aws: Aws) -> None:
    aws.refuse("GetCallerIdentity", "ExpiredToken")
    status, lines = run()
    assert status == 1
    assert lines == [
        "not known credentials   us-east-1 does not accept your credentials (ExpiredToken): renew them",
        "Nothing else can be asked.",
        "1 not known",
    ]


def test_a_profile_that_does_not_exist_is_one_line(
    run: Run, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.undo()
    monkeypatch.setattr(command, "synthesize", lambda _: Path())
    monkeypatch.setattr(command.Plan, "read", lambda _: None)
    monkeypatch.setenv("AWS_PROFILE", "nobody")
    assert run() == (1, ["The config profile (nobody) could not be found"])


def test_an_environment_that_has_no_file_is_one_line(run: Run) -> None:
    assert run("qa") == (1, ["config/qa.toml: no such environment: there are production, staging"])


def test_ctrl_c_prints_one_line(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(command, "preflight", interrupted)
    assert run() == (130, ["Interrupted."])


class TestPolicy:
    """What preflight has to be allowed."""

    def test_it_is_printed_as_a_policy(self, run: Run) -> None:
        status, lines = run("--policy")
        (statement,) = json.loads("\n".join(lines))["Statement"]
        assert status == 0
        assert statement == {"Effect": "Allow", "Action": list(ACTIONS), "Resource": "*"}

    def test_it_only_reads(self) -> None:
        assert {action.partition(":")[2][:3] for action in ACTIONS} <= {"Bat", "Des", "Get", "Lis"}
        assert "secretsmanager:GetSecretValue" not in ACTIONS

    def test_read_only_access_has_all_of_it(self) -> None:
        document = json.loads(aws_managed_policies_data)["ReadOnlyAccess"]["Document"]
        granted = [pattern for statement in document["Statement"] for pattern in statement["Action"]]
        assert [action for action in ACTIONS if not any(fnmatchcase(action, pattern) for pattern in granted)] == []


def test_the_page_on_deploying_says_what_is_asked() -> None:
    page = (DOCS / "deploying.md").read_text()
    for check in CHECKS:
        assert f"| {check.name} | {check.asks} |" in page
