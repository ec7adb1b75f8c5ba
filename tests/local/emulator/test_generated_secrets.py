"""A secret that CloudFormation generates follows the template's rules."""

import json
import re

from local.cloud import Cloud
from tests.local.emulator.test_resource_types import Stack, resource


def test_a_generated_secret_has_no_character_that_is_excluded(empty_cloud: Cloud) -> None:
    rules = {
        "SecretStringTemplate": '{"user": "one"}',
        "GenerateStringKey": "token",
        "PasswordLength": 500,
        "ExcludePunctuation": True,
        "ExcludeNumbers": True,
    }
    stack = Stack(empty_cloud)
    stack.put({"Secret": resource("AWS::SecretsManager::Secret", Name="generated", GenerateSecretString=rules)})
    value = json.loads(empty_cloud.client("secretsmanager").get_secret_value(SecretId="generated")["SecretString"])
    assert value["user"] == "one"
    assert re.fullmatch("[A-Za-z]{500}", value["token"])
