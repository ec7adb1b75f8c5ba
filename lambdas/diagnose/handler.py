"""`diagnose`: Lambda's entry. `notify` invokes it when it has called somebody, and so do people."""

from functools import cache
from typing import Any

import boto3

from lambdas.common import clock, settings
from lambdas.common.aws import QUICK
from lambdas.common.parallel import at_once
from lambdas.common.record.store import Records
from lambdas.diagnose.function import Diagnose
from lambdas.diagnose.reader import Clients, Reader
from lambdas.diagnose.settings import DiagnoseSettings


def handle(event: Any, _context: object) -> dict[str, Any]:
    """`{}` or `{"incident": "2026-11-26-1"}`, and `at` when `notify` asks; the diagnosis in lines out."""
    return _function().run(event)


@cache
def _function() -> Diagnose:
    configured = settings.read(DiagnoseSettings)
    clients = Clients(
        autoscaling=boto3.client("application-autoscaling", config=QUICK),
        cloudformation=boto3.client("cloudformation", config=QUICK),
        cloudtrail=boto3.client("cloudtrail", config=QUICK),
        cloudwatch=boto3.client("cloudwatch", config=QUICK),
        ecs=boto3.client("ecs", config=QUICK),
        elasticache=boto3.client("elasticache", config=QUICK),
        elbv2=boto3.client("elbv2", config=QUICK),
        logs=boto3.client("logs", config=QUICK),
        rds=boto3.client("rds", config=QUICK),
        s3=boto3.client("s3", config=QUICK),
        secretsmanager=boto3.client("secretsmanager", config=QUICK),
    )
    records = Records(boto3.resource("dynamodb", config=QUICK).Table(configured.records_table))
    return Diagnose(configured, Reader(configured, clients, at_once), records, boto3.client("sns", config=QUICK), clock.now)
