"""Secrets that CloudFormation generates, by the rules that the template gives.

ministack 1.5.33 knows of these rules only the length and the excluded characters. `provisioners._sm_secret_string` is replaced:
the value is what GetRandomPassword answers with the same rules.
https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/aws-properties-secretsmanager-secret-generatesecretstring.html
"""

import json
from collections.abc import Mapping
from typing import Any

from ministack.services import secretsmanager
from ministack.services.cloudformation import provisioners


def install() -> None:
    """Plug in."""
    provisioners._sm_secret_string = secret_string


def secret_string(properties: Mapping[str, Any]) -> str:
    """The value of a secret that a template declares; ValueError for rules that leave no character."""
    given, rules = properties.get("SecretString", ""), properties.get("GenerateSecretString")
    if given or not rules:
        return str(given)
    status, _, body = secretsmanager._get_random_password(rules)
    answer = json.loads(body)
    if status != 200:
        raise ValueError(answer["message"])
    password = str(answer["RandomPassword"])
    if "SecretStringTemplate" not in rules:
        return password
    return json.dumps({**json.loads(rules["SecretStringTemplate"]), rules["GenerateStringKey"]: password})
