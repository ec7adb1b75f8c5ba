"""`health_check`: probes the API and the frontend as a user would (runbook, appendix A)."""

import aws_cdk as cdk
from aws_cdk import aws_iam as iam
from aws_cdk import aws_lambda as lambda_

from lambdas.health_check.settings import HealthCheckSettings, HealthReport
from stacks.base import EnvironmentStack
from stacks.environment import Environment
from stacks.functions.base import function
from stacks.topics import Topics


def health_check(stack: EnvironmentStack, environment: Environment, topics: Topics) -> lambda_.Function:
    """The function, with what it may do."""
    report = environment.application.health_report
    return function(
        stack,
        environment,
        "HealthCheck",
        "health-check",
        "Probes the API and the frontend as a user would (runbook, appendix A)",
        settings=HealthCheckSettings(
            environment=environment.name,
            api_url=environment.api_url,
            health_check_path=environment.backend.health_check_path,
            health_report=HealthReport(
                status=report.status, healthy=report.healthy, database=report.database, connected=report.connected
            ),
            frontend_url=environment.frontend_url,
            namespace=environment.application.metrics_namespace,
        ),
        statements=[iam.PolicyStatement(actions=["sns:Publish"], resources=[topics.outcomes.topic_arn])],
        dead_letters=topics.outcomes,  # silence is paged by the availability alarms: for them, missing data breaches
        timeout=cdk.Duration.seconds(30),
        reserved_concurrent_executions=2,  # the schedule and one person
        max_event_age=cdk.Duration.minutes(1),
        retry_attempts=0,
    )
