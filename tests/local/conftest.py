"""Local clouds to test on: an empty one, and one with production deployed; each started once and shared by one worker."""

import io
import json
import zipfile
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from local.cloud import Cloud
from stacks.environment import Environment
from tests.environments import PRODUCTION

SHARED = ("empty_cloud", "cloud", "runbook_cloud")
ASSUMED_BY_LAMBDA = {
    "Version": "2012-10-17",
    "Statement": [{"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}],
}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Tests that share a cloud go to the same worker: it is started once, and its clock is moved by one test at a time."""
    for item in items:
        for name in SHARED:
            if name in getattr(item, "fixturenames", ()):
                item.add_marker(pytest.mark.xdist_group(name))


@pytest.fixture(scope="session")
def production() -> Environment:
    return PRODUCTION


@pytest.fixture(scope="session")
def empty_cloud(production: Environment) -> Iterator[Cloud]:
    """A local cloud with nothing deployed; tests make what they need under names of their own."""
    with Cloud.start(production) as cloud:
        yield cloud


@pytest.fixture(scope="session")
def cloud(production: Environment) -> Iterator[Cloud]:
    """A local cloud with production deployed by the CDK CLI."""
    with Cloud.start(production) as cloud:
        cloud.deploy()
        yield cloud


@pytest.fixture
def make_function(empty_cloud: Cloud) -> Callable[..., str]:
    """`make_function(name, code, *actions)`: a function with a handler `handle` and a role that allows the actions; its ARN."""

    def make(name: str, code: str, *actions: str, resource: str = "*", variables: dict[str, str] | None = None) -> str:
        iam = empty_cloud.client("iam")
        trust = json.dumps(ASSUMED_BY_LAMBDA)
        role = iam.create_role(RoleName=name, AssumeRolePolicyDocument=trust)["Role"]["Arn"]
        if actions:
            statement = {"Effect": "Allow", "Action": list(actions), "Resource": resource}
            policy: dict[str, Any] = {"Version": "2012-10-17", "Statement": [statement]}
            iam.put_role_policy(RoleName=name, PolicyName="allowed", PolicyDocument=json.dumps(policy))
        archive = io.BytesIO()
        with zipfile.ZipFile(archive, "w") as file:
            file.writestr("function.py", code)
        created = empty_cloud.client("lambda").create_function(
            FunctionName=name,
            Role=role,
            Runtime="python3.13",
            Handler="function.handle",
            Code={"ZipFile": archive.getvalue()},
            Timeout=20,
            Environment={"Variables": variables or {}},
        )
        return str(created["FunctionArn"])

    return make
