"""`sentry`: publishes the number of errors that Sentry counted (runbook 7.3)."""

import aws_cdk as cdk
from aws_cdk import aws_iam as iam
from aws_cdk import aws_lambda as lambda_

from lambdas.sentry.settings import SentrySettings
from stacks.base import EnvironmentStack
from stacks.environment import Environment, Sentry
from stacks.functions.base import function, may_read
from stacks.topics import Topics


def sentry(stack: EnvironmentStack, environment: Environment, topics: Topics, configured: Sentry) -> lambda_.Function:
    """The function, with what it may do."""
    return function(
        stack,
        environment,
        "Sentry",
        "sentry",
        "Publishes the number of errors that Sentry counted (runbook 7.3)",
        settings=SentrySettings(
            environment=environment.name,
            url=configured.url,
            organization=configured.organization,
            project=configured.project,
            token_secret=configured.token_secret,
            namespace=environment.application.metrics_namespace,
        ),
        statements=[
            may_read(environment, configured.token_secret),
            iam.PolicyStatement(actions=["sns:Publish"], resources=[topics.outcomes.topic_arn]),
        ],
        dead_letters=topics.outcomes,  # the next minute is the retry; silence is an alarm
        timeout=cdk.Duration.seconds(45),
        reserved_concurrent_executions=1,
        max_event_age=cdk.Duration.minutes(1),
        retry_attempts=0,
    )
