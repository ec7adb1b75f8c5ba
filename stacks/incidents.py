"""Where incidents are kept: what each alarm led to and was done to the service, what happened in each incident, and the files
of its post-mortem."""

import aws_cdk as cdk
from aws_cdk import aws_dynamodb as dynamodb
from aws_cdk import aws_iam as iam
from aws_cdk import aws_s3 as s3

from stacks.base import KEPT, EnvironmentStack
from stacks.environment import Environment


def incidents_table(stack: EnvironmentStack, environment: Environment) -> dynamodb.Table:
    """What each alarm led to, and what was done to the service."""
    return _table(stack, "Incidents", environment.incidents_table, environment, "id")


def records_table(stack: EnvironmentStack, environment: Environment) -> dynamodb.Table:
    """What happened in each incident, event by event."""
    return _table(stack, "Records", environment.records_table, environment, "incident", "event")


def incidents_bucket(stack: EnvironmentStack, environment: Environment) -> s3.Bucket:
    """The files of each incident's post-mortem. People edit them, so nothing expires but what they have replaced."""
    return stack.data_bucket(
        "PostMortems", environment.incidents_bucket, encryption_key=stack.key, old_versions=cdk.Duration.days(90)
    )


def adds_to_records(table: dynamodb.Table, *, opens: bool) -> iam.PolicyStatement:
    """Finding an incident, and adding to its record; `opens` is for what opens and closes incidents."""
    actions = ["dynamodb:PutItem", "dynamodb:Query", *(["dynamodb:UpdateItem"] if opens else [])]
    return iam.PolicyStatement(actions=actions, resources=[table.table_arn])


def _table(
    stack: EnvironmentStack, construct_id: str, name: str, environment: Environment, key: str, sort_key: str = ""
) -> dynamodb.Table:
    """A table under the stack's key; its items expire by themselves, and it is kept when the stack goes."""
    return dynamodb.Table(
        stack,
        construct_id,
        table_name=name,
        partition_key=dynamodb.Attribute(name=key, type=dynamodb.AttributeType.STRING),
        sort_key=dynamodb.Attribute(name=sort_key, type=dynamodb.AttributeType.STRING) if sort_key else None,
        billing_mode=dynamodb.BillingMode.PAY_PER_REQUEST,
        time_to_live_attribute="expires_at",
        encryption=dynamodb.TableEncryption.CUSTOMER_MANAGED,
        encryption_key=stack.key,
        point_in_time_recovery_specification=dynamodb.PointInTimeRecoverySpecification(point_in_time_recovery_enabled=True),
        deletion_protection=environment.protection,
        removal_policy=KEPT,
    )
