"""The stage of an environment."""

import json
from pathlib import Path

import aws_cdk as cdk

from stacks.environment import EXAMPLE_ACCOUNT
from stacks.stage import EnvironmentStage
from tests.environments import PRODUCTION

CDK_JSON = Path(__file__).parents[3] / "cdk.json"


def test_deploying_with_the_example_account_says_so(tmp_path: Path) -> None:
    app = cdk.App(outdir=str(tmp_path), context=json.loads(CDK_JSON.read_text())["context"])
    stage = EnvironmentStage(app, PRODUCTION, credentials_account="999988887777")
    errors = {entry.data for child in stage.node.children for entry in child.node.metadata if entry.type == "aws:cdk:error"}
    assert errors == {
        f'config/production.toml: account = "{EXAMPLE_ACCOUNT}" is the example account and should be the account you deploy to '
        "(your credentials are for 999988887777)"
    }
