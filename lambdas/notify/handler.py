"""`notify`: Lambda's entry. Alarms call it, and so does a schedule every minute."""

from functools import cache
from typing import Any

import boto3

from lambdas.common import clock, settings
from lambdas.common.aws import QUICK
from lambdas.notify.function import Clients, Notify
from lambdas.notify.heartbeat import Heartbeat
from lambdas.notify.settings import NotifySettings


def handle(event: Any, _context: object) -> dict[str, list[str]]:
    """Whatever the event, the notifications that were sent: the alarms' names by kind. Raises when one could not be sent, and
    then no heartbeat is."""
    sent = _function().run(event)
    _heartbeat().beat()
    return sent


@cache
def _function() -> Notify:
    configured = settings.read(NotifySettings)
    tables = boto3.resource("dynamodb", config=QUICK)
    clients = Clients(
        cloudwatch=boto3.client("cloudwatch", config=QUICK),
        ecs=boto3.client("ecs", config=QUICK),
        functions=boto3.client("lambda", config=QUICK),
        sns=boto3.client("sns", config=QUICK),
        ssm=boto3.client("ssm", config=QUICK),
        incidents=tables.Table(configured.incidents_table),
        records=tables.Table(configured.records_table),
    )
    return Notify(configured, clients, clock.now)


@cache
def _heartbeat() -> Heartbeat:
    return Heartbeat(settings.read(NotifySettings).heartbeat_secret, boto3.client("secretsmanager", config=QUICK))
