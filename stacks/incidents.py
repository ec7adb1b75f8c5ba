"""The table of incidents: what each alarm led to, and what was done to the service."""

from aws_cdk import aws_dynamodb as dynamodb

from stacks.base import KEPT, EnvironmentStack
from stacks.environment import Environment


def incidents_table(stack: EnvironmentStack, environment: Environment) -> dynamodb.Table:
    """The table, under the stack's key; its items expire by themselves, and it is kept when the stack goes."""
    return dynamodb.Table(
        stack,
        "Incidents",
        table_name=environment.incidents_table,
        partition_key=dynamodb.Attribute(name="id", type=dynamodb.AttributeType.STRING),
        billing_mode=dynamodb.BillingMode.PAY_PER_REQUEST,
        time_to_live_attribute="expires_at",
        encryption=dynamodb.TableEncryption.CUSTOMER_MANAGED,
        encryption_key=stack.key,
        point_in_time_recovery_specification=dynamodb.PointInTimeRecoverySpecification(point_in_time_recovery_enabled=True),
        deletion_protection=environment.protection,
        removal_policy=KEPT,
    )
