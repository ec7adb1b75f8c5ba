"""`procedures`: Lambda's entry. Only the documents of `procedures/` call it, under roles of their own."""

from functools import cache
from typing import Any

import boto3

from lambdas.common import clock, settings
from lambdas.common.aws import CLIENT
from lambdas.common.parallel import at_once
from lambdas.procedures.clients import Clients
from lambdas.procedures.families import families
from lambdas.procedures.function import Procedures
from lambdas.procedures.objects import MANY_COPIES
from lambdas.procedures.runs import Runs
from lambdas.procedures.settings import ProceduresSettings


def handle(event: Any, _context: object) -> dict[str, str]:
    """The event of a document's step in, its answer out.

    A refusal is raised as any error is: Automation then fails the step, shows the sentence, and goes on to the step Failed.
    https://docs.aws.amazon.com/systems-manager/latest/userguide/automation-action-lamb.html
    """
    return _function().run(event)


@cache
def _function() -> Procedures:
    configured = settings.read(ProceduresSettings)
    tables = boto3.resource("dynamodb", config=CLIENT)
    clients = Clients(
        autoscaling=boto3.client("application-autoscaling", config=CLIENT),
        cloudwatch=boto3.client("cloudwatch", config=CLIENT),
        cloudfront=boto3.client("cloudfront", config=CLIENT),
        ecr=boto3.client("ecr", config=CLIENT),
        ecs=boto3.client("ecs", config=CLIENT),
        elasticache=boto3.client("elasticache", config=CLIENT),
        frontend_wafv2=boto3.client("wafv2", region_name=configured.frontend_region, config=CLIENT),
        logs=boto3.client("logs", config=CLIENT),
        rds=boto3.client("rds", config=CLIENT),
        s3=boto3.client("s3", region_name=configured.frontend_region, config=MANY_COPIES),
        secrets=boto3.client("secretsmanager", config=CLIENT),
        sns=boto3.client("sns", config=CLIENT),
        ssm=boto3.client("ssm", config=CLIENT),
        wafv2=boto3.client("wafv2", config=CLIENT),
        incidents=tables.Table(configured.incidents_table),
        records=tables.Table(configured.records_table),
    )
    runs = Runs(clients.incidents, configured.retention_days, clock.now)
    return Procedures(configured, clients, clock.now, runs, families(configured, clients, clock.now, runs, at_once))
