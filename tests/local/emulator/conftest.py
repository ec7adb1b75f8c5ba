"""Functions to test with, on the empty cloud."""

import functools
import io
import json
import zipfile
from collections.abc import Callable
from typing import Any

import pytest

from local.cloud import Cloud

ASSUMED_BY_LAMBDA = {
    "Version": "2012-10-17",
    "Statement": [{"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}],
}


def create_function(
    cloud: Cloud, name: str, code: str, *actions: str, resource: str = "*", variables: dict[str, str] | None = None
) -> str:
    """A function with a handler `handle` and a role that allows the actions; its ARN."""
    iam = cloud.client("iam")
    trust = json.dumps(ASSUMED_BY_LAMBDA)
    role = iam.create_role(RoleName=name, AssumeRolePolicyDocument=trust)["Role"]["Arn"]
    if actions:
        statement = {"Effect": "Allow", "Action": list(actions), "Resource": resource}
        policy: dict[str, Any] = {"Version": "2012-10-17", "Statement": [statement]}
        iam.put_role_policy(RoleName=name, PolicyName="allowed", PolicyDocument=json.dumps(policy))
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as file:
        file.writestr("function.py", code)
    created = cloud.client("lambda").create_function(
        FunctionName=name,
        Role=role,
        Runtime="python3.13",
        Handler="function.handle",
        Code={"ZipFile": archive.getvalue()},
        Timeout=20,
        Environment={"Variables": variables or {}},
    )
    return str(created["FunctionArn"])


@pytest.fixture
def make_function(empty_cloud: Cloud) -> Callable[..., str]:
    """`make_function(name, code, *actions)`: `create_function` on the empty cloud."""
    return functools.partial(create_function, empty_cloud)
