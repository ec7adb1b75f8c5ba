"""`releases`: Lambda's entry. ECS's events of the service's deployments call it, and a schedule."""

from functools import cache
from typing import Any

import boto3

from lambdas.common import settings
from lambdas.common.aws import CLIENT
from lambdas.releases.function import Releases
from lambdas.releases.settings import ReleasesSettings


def handle(event: Any, _context: object) -> dict[str, Any]:
    """Any event in; the report out: the `image` to run, whether it `changed`, a `summary`.

    A failure is raised, so that Lambda tries again: https://docs.aws.amazon.com/lambda/latest/dg/invocation-async-error-handling.html
    """
    return _function().run(event)


@cache
def _function() -> Releases:
    return Releases(
        settings.read(ReleasesSettings),
        ecs=boto3.client("ecs", config=CLIENT),
        ssm=boto3.client("ssm", config=CLIENT),
        sns=boto3.client("sns", config=CLIENT),
    )
