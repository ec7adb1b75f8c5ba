"""`rollback`: Lambda's entry. The composite alarm of the service calls it on ALARM and on OK."""

from dataclasses import asdict
from functools import cache
from typing import Any, Protocol

import boto3

from lambdas.common import clock, settings
from lambdas.common.aws import CLIENT
from lambdas.common.parallel import at_once
from lambdas.rollback.clients import Clients
from lambdas.rollback.function import Rollback
from lambdas.rollback.settings import RollbackSettings


class Context(Protocol):
    """What is used of Lambda's context."""

    def get_remaining_time_in_millis(self) -> int: ...


def handle(event: Any, context: Context) -> dict[str, Any]:
    """The event of an alarm in, the outcome out.

    A failure is reported to a person and raised again, so that Lambda tries again and at last sends the event to the
    escalations: https://docs.aws.amazon.com/lambda/latest/dg/invocation-async-error-handling.html
    """
    return asdict(_function().run(event, context.get_remaining_time_in_millis() / 1000))


@cache
def _function() -> Rollback:
    configured = settings.read(RollbackSettings)
    tables = boto3.resource("dynamodb", config=CLIENT)
    clients = Clients(
        cloudwatch=boto3.client("cloudwatch", config=CLIENT),
        ecs=boto3.client("ecs", config=CLIENT),
        elasticache=boto3.client("elasticache", config=CLIENT),
        rds=boto3.client("rds", config=CLIENT),
        sns=boto3.client("sns", config=CLIENT),
        ssm=boto3.client("ssm", config=CLIENT),
        incidents=tables.Table(configured.incidents_table),
        records=tables.Table(configured.records_table),
    )
    return Rollback(configured, clients, clock.now, at_once)
