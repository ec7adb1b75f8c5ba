"""`postmortem`: Lambda's entry. `notify` invokes it when an incident closes, and people when they want to."""

from functools import cache
from typing import Any

import boto3
from botocore.config import Config

from lambdas.common import settings
from lambdas.common.aws import CLIENT
from lambdas.postmortem.function import Clients, Postmortem
from lambdas.postmortem.settings import PostmortemSettings

_PATIENT = CLIENT.merge(Config(read_timeout=20))
"""Two weeks of a row are some thousand values, which CloudWatch computes when it is asked."""


def handle(event: Any, _context: object) -> dict[str, Any]:
    """`{"incident": name}` in; the files that were `written` and a `summary` out.

    A failure is raised, so that Lambda tries again: https://docs.aws.amazon.com/lambda/latest/dg/invocation-async-error-handling.html
    """
    return _function().run(event)


@cache
def _function() -> Postmortem:
    configured = settings.read(PostmortemSettings)
    clients = Clients(
        cloudwatch=boto3.client("cloudwatch", config=_PATIENT),
        s3=boto3.client("s3", config=CLIENT),
        records=boto3.resource("dynamodb", config=CLIENT).Table(configured.records_table),
    )
    return Postmortem(configured, clients)
