"""The secrets that CloudFormation generates keep their values: nothing that would make it generate others may change.

CloudFormation puts a new value into a secret whenever its block `GenerateSecretString` changes, and makes another secret when its
name or its logical id does: https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/aws-resource-secretsmanager-secret.html
"""

import json
from pathlib import Path

from stacks.environment import Environment
from tests.synth.assemblies import templates

FROZEN = Path(__file__).with_name("secrets.json")
"""The generated secrets by component and logical id: the name below the environment's prefix, and the block."""


def test_no_deployment_gives_a_secret_another_value(environment: Environment) -> None:
    found = {
        f"{component}/{logical_id}": {
            "name": secret["Properties"]["Name"].removeprefix(f"{environment.prefix}-"),
            "block": secret["Properties"]["GenerateSecretString"],
        }
        for component, template in templates(environment.name).items()
        for logical_id, secret in template.of_type("AWS::SecretsManager::Secret").items()
        if "GenerateSecretString" in secret["Properties"]
    }
    assert found == json.loads(FROZEN.read_text()), (
        "The next `cdk deploy` would put a new value into this secret: a new key makes users' encrypted data unreadable, a new "
        "password locks the backend out of its database or cache, a new signing key ends every session. Take the change back. "
        f"For a secret that no environment has yet, add it to {FROZEN.name}."
    )
