"""`incident_page`: shows the incident in the dashboard's custom widget (runbook 7.2). It only reads."""

import aws_cdk as cdk
from aws_cdk import aws_dynamodb as dynamodb
from aws_cdk import aws_iam as iam
from aws_cdk import aws_lambda as lambda_

from lambdas.incident_page.settings import IncidentPageSettings
from stacks.base import EnvironmentStack
from stacks.environment import Environment
from stacks.functions.base import function
from stacks.topics import Topics


def incident_page(
    stack: EnvironmentStack, environment: Environment, topics: Topics, records: dynamodb.Table
) -> lambda_.Function:
    """The function, with what it may do."""
    return function(
        stack,
        environment,
        "IncidentPage",
        "incident-page",
        "Shows the incident in the dashboard's custom widget (runbook 7.2)",
        settings=settings(environment),
        statements=[
            iam.PolicyStatement(actions=["dynamodb:Query"], resources=[records.table_arn]),
            iam.PolicyStatement(actions=["sns:Publish"], resources=[topics.outcomes.topic_arn]),
            iam.PolicyStatement(
                actions=["kms:Decrypt"],
                resources=[stack.key.key_arn],
                conditions={"StringEquals": {"kms:ViaService": f"dynamodb.{environment.region}.amazonaws.com"}},
            ),
        ],
        dead_letters=topics.outcomes,  # of who calls it and waits for no answer: a widget waits for it
        timeout=cdk.Duration.seconds(15),
        reserved_concurrent_executions=2,  # of more who look at the same moment, some look again
        max_event_age=cdk.Duration.minutes(1),
        retry_attempts=0,
    )


def settings(environment: Environment) -> IncidentPageSettings:
    """What the function is told of its environment."""
    return IncidentPageSettings(
        environment=environment.name,
        records_table=environment.records_table,
        alarm_prefix=f"{environment.prefix}-",
        product=environment.application.product,
        region=environment.region,
        forms_url=environment.console("systems-manager/automation/execute/"),
        runbook_url=environment.runbook_url,
        cluster=environment.cluster,
        service=environment.service,
        database_instance=environment.database_instance,
        replication_group=environment.replication_group,
        frontend_url=environment.frontend_url,
    )
