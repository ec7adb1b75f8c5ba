"""`releases`: keeps the image parameter (runbook 4.1). Deployed before the service, which it knows by name only."""

import aws_cdk as cdk
from aws_cdk import aws_events as events
from aws_cdk import aws_events_targets as targets
from aws_cdk import aws_iam as iam
from aws_cdk import aws_lambda as lambda_

from lambdas.releases.settings import ReleasesSettings
from runbook.rules import RELEASES_LOOK
from stacks.base import EnvironmentStack
from stacks.environment import Environment
from stacks.functions.base import function
from stacks.topics import Topics


def releases(stack: EnvironmentStack, environment: Environment, topics: Topics) -> lambda_.Function:
    """The function, with what it may do and the rules that run it."""
    service = f"{environment.cluster}/{environment.service}"
    of_service = environment.arn("ecs", f"service/{service}")
    parameter = environment.arn("ssm", f"parameter{environment.image_parameter}")
    made = function(
        stack,
        environment,
        "Releases",
        "releases",
        "Names the image of the last deployment that ended well as the one to deploy (runbook 4.1)",
        settings=ReleasesSettings(
            environment=environment.name,
            cluster=environment.cluster,
            service=environment.service,
            container=environment.application.container.name,
            image_parameter=environment.image_parameter,
            outcomes_topic=environment.arn("sns", environment.outcomes_topic),
        ),
        statements=[
            iam.PolicyStatement(actions=["ecs:ListServiceDeployments"], resources=[of_service]),
            iam.PolicyStatement(
                actions=["ecs:DescribeServiceDeployments"],
                resources=[of_service, environment.arn("ecs", f"service-deployment/{service}/*")],
            ),
            iam.PolicyStatement(
                actions=["ecs:DescribeServiceRevisions"],
                resources=[of_service, environment.arn("ecs", f"service-revision/{service}/*")],
            ),
            # Has no resource-level permissions: https://docs.aws.amazon.com/service-authorization/latest/reference/list_ecs.html
            iam.PolicyStatement(actions=["ecs:DescribeTaskDefinition"], resources=["*"]),
            iam.PolicyStatement(actions=["ssm:GetParameter", "ssm:PutParameter"], resources=[parameter]),
            iam.PolicyStatement(actions=["sns:Publish"], resources=[topics.outcomes.topic_arn]),
        ],
        dead_letters=topics.outcomes,  # the schedule looks again; its errors are an alarm
        timeout=cdk.Duration.seconds(30),
        reserved_concurrent_executions=1,  # of two, the one that read first could write last
        max_event_age=cdk.Duration.minutes(15),
        retry_attempts=2,
    )
    events.Rule(
        stack,
        "DeploymentChanged",
        description="A deployment of the service has begun, or has ended: then its image may be the one to deploy",
        event_pattern=events.EventPattern(
            source=["aws.ecs"],
            detail_type=["ECS Deployment State Change"],
            resources=[of_service],
            detail={"eventName": [f"SERVICE_DEPLOYMENT_{state}" for state in ("IN_PROGRESS", "COMPLETED", "FAILED")]},
        ),
        targets=[targets.LambdaFunction(made)],
    )
    events.Rule(
        stack,
        "DeploymentsLook",
        description="A deployment of the service may have ended without an event",
        schedule=events.Schedule.rate(cdk.Duration.seconds(RELEASES_LOOK.total_seconds())),
        targets=[targets.LambdaFunction(made, retry_attempts=0)],
    )
    return made
