"""AwsSolutions and NIST 800-53 R5 over every stack: no finding left, and no acknowledgement that nothing needs any more."""

import os
import re
import subprocess
import sys
from pathlib import Path

import aws_cdk as cdk
import pytest

from stacks.environment import EXAMPLE_ACCOUNT, Contacts, Sentry, Slack
from stacks.policy import ACKNOWLEDGEMENTS, packs
from stacks.stage import EnvironmentStage

ROOT = Path(__file__).parents[2]

Finding = tuple[str, str]
"""(construct path, finding id)"""


def findings(app: cdk.App) -> set[Finding]:
    return {
        (resource.construct_path, violation.rule_name)
        for pack in packs(app)
        for violation in pack.validate_scope(app).violations
        for resource in violation.violating_resources
    }


@pytest.fixture(scope="module")
def bare(tmp_path_factory: pytest.TempPathFactory) -> set[Finding]:
    """What the packs find when nothing is acknowledged."""
    app = cdk.App(context=FLAGS, outdir=str(tmp_path_factory.mktemp("bare")))
    for environment in ENVIRONMENTS.values():
        EnvironmentStage(app, environment, acknowledged=False)
    app.synth()
    return findings(app)


@pytest.fixture(scope="module")
def acknowledged() -> set[Finding]:
    return {
        (f"{environment}/{component}/{entry.path}", finding)
        for component, entries in ACKNOWLEDGEMENTS.items()
        for entry in entries
        for environment, environment in ENVIRONMENTS.items()
        if entry.applies(environment)
        for finding in entry.findings(environment)
    }


def test_no_finding_is_left(bare: set[Finding], acknowledged: set[Finding]) -> None:
    assert sorted(bare - acknowledged) == []


def test_no_acknowledgement_is_stale(bare: set[Finding], acknowledged: set[Finding]) -> None:
    assert sorted(acknowledged - bare) == []


def test_a_finding_that_is_left_fails_synth(tmp_path: Path) -> None:
    """Under the CLI, where the CDK itself only sets the exit status of a process that Python does not see."""
    bare = tmp_path / "bare.py"
    bare.write_text(
        "import runpy, stacks.policy as policy\n"
        "policy.ACKNOWLEDGEMENTS = dict.fromkeys(policy.ACKNOWLEDGEMENTS, ())\n"
        f"runpy.run_path('{ROOT / 'app.py'}')\n"
    )
    tools = (ROOT / "node_modules/.bin", Path(sys.executable).parent, os.environ["PATH"])
    run = subprocess.run(
        ["cdk", "synth", "--quiet", "--app", f"{sys.executable} {bare}", "--output", tmp_path / "out", "--no-notices"],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT), "PATH": os.pathsep.join(map(str, tools)), "CDK_DISABLE_CLI_TELEMETRY": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 1
    assert "production/network/LoadBalancerSecurityGroup/Resource: AwsSolutions-EC23: " in run.stderr


def test_the_packs_find_something_to_acknowledge(bare: set[Finding]) -> None:
    assert {"AwsSolutions", "NIST.800.53.R5"} <= {re.split(r"-(?=[A-Z])", finding)[0] for _, finding in bare}


def test_the_packs_accept_the_acknowledged_app(stages: dict[str, EnvironmentStage]) -> None:
    app = next(iter(stages.values())).node.root
    assert isinstance(app, cdk.App)
    app.synth()
    assert findings(app) == set()


def test_an_environment_with_every_optional_part_has_nothing_left_and_nothing_stale(tmp_path: Path) -> None:
    contacts = Contacts(
        email="on-call@hz-navigator.com",
        pagerduty_url_secret="hz-navigator-production-pagerduty-url",
        slack=Slack(workspace_id="T0123ABCD", channel_id="C0123ABCD"),
    )
    sentry = Sentry(organization="hz-navigator", project="hz-navigator-backend", token_secret="hz-navigator-sentry-token")
    app = cdk.App(context=FLAGS, outdir=str(tmp_path))
    environment = ENVIRONMENTS["production"].model_copy(update={"contacts": contacts, "sentry": sentry})
    EnvironmentStage(app, environment, acknowledged=False)
    app.synth()
    assert findings(app) == {
        (f"production/{component}/{entry.path}", finding)
        for component, entries in ACKNOWLEDGEMENTS.items()
        for entry in entries
        if entry.applies(environment)
        for finding in entry.findings(environment)
    }


@pytest.mark.parametrize("component", ACKNOWLEDGEMENTS)
def test_each_acknowledgement_says_why(component: str) -> None:
    for entry in ACKNOWLEDGEMENTS[component]:
        assert len(entry.reason.split()) >= 6, f"{component}/{entry.path}: {entry.reason!r} is no reason"
        assert not [finding for finding in entry.ids if "*" in finding.split("[")[0]], "a finding is named in full"


def test_deploying_with_the_example_account_says_so(tmp_path: object) -> None:
    app = cdk.App(context=FLAGS, outdir=str(tmp_path))
    stage = EnvironmentStage(app, ENVIRONMENTS["production"], credentials_account="999988887777")
    errors = {entry.data for child in stage.node.children for entry in child.node.metadata if entry.type == "aws:cdk:error"}
    assert errors == {
        f'config/production.toml: account = "{EXAMPLE_ACCOUNT}" is the example account and should be the account you deploy to '
        "(your credentials are for 999988887777)"
    }
