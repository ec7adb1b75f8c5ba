"""`postmortem`: drafts the post-mortem of an incident that has closed (runbook 2.2, step 6)."""

import aws_cdk as cdk
from aws_cdk import aws_dynamodb as dynamodb
from aws_cdk import aws_iam as iam
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_s3 as s3

from lambdas.postmortem.settings import PostmortemSettings
from stacks.base import EnvironmentStack
from stacks.environment import Environment
from stacks.functions.base import function
from stacks.incidents import adds_to_records
from stacks.topics import Topics


def postmortem(
    stack: EnvironmentStack, environment: Environment, topics: Topics, records: dynamodb.Table, bucket: s3.Bucket
) -> lambda_.Function:
    """The function, with what it may do; `notify` invokes it, and people may."""

    def of_key(action: str, service: str) -> iam.PolicyStatement:
        return iam.PolicyStatement(
            actions=[f"kms:{action}"],
            resources=[stack.key.key_arn],
            conditions={"StringEquals": {"kms:ViaService": f"{service}.{environment.region}.amazonaws.com"}},
        )

    return function(
        stack,
        environment,
        "Postmortem",
        "postmortem",
        "Drafts the post-mortem of an incident that has closed (runbook 2.2)",
        settings=PostmortemSettings(
            environment=environment.name,
            alarm_prefix=f"{environment.prefix}-",
            lines=environment.lines,
            records_table=environment.records_table,
            bucket=environment.incidents_bucket,
            backend_log_group=environment.backend_log_group,
            product=environment.application.product,
            dashboard_url=environment.dashboard_url,
            runbook_url=environment.runbook_url,
        ),
        statements=[
            # Metrics are read with `*` as the resource, and alarms by all functions so:
            # https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/permissions-reference-cw.html
            iam.PolicyStatement(actions=["cloudwatch:DescribeAlarms", "cloudwatch:GetMetricData"], resources=["*"]),
            adds_to_records(records, opens=False),
            of_key("Decrypt", "dynamodb"),
            iam.PolicyStatement(actions=["s3:PutObject"], resources=[bucket.arn_for_objects("*")]),
            of_key("GenerateDataKey", "s3"),
            iam.PolicyStatement(actions=["sns:Publish"], resources=[topics.outcomes.topic_arn]),
        ],
        dead_letters=topics.outcomes,  # nobody has to be woken for it; its errors are an alarm
        timeout=cdk.Duration.minutes(2),
        reserved_concurrent_executions=1,
        max_event_age=cdk.Duration.hours(1),
        retry_attempts=2,
    )
