"""`rollback`: takes a bad release back (runbook 4.1). Deployed before what it looks after, which it knows by name only."""

import aws_cdk as cdk
from aws_cdk import aws_dynamodb as dynamodb
from aws_cdk import aws_iam as iam
from aws_cdk import aws_lambda as lambda_

from lambdas.rollback.settings import RollbackSettings
from runbook.rules import ROLLBACK_TIMEOUT
from stacks.base import EnvironmentStack
from stacks.environment import Environment
from stacks.functions.base import function
from stacks.incidents import adds_to_records
from stacks.topics import Topics


def rollback(
    stack: EnvironmentStack, environment: Environment, topics: Topics, incidents: dynamodb.Table, records: dynamodb.Table
) -> lambda_.Function:
    """The function, with what it may do."""
    service = f"{environment.cluster}/{environment.service}"
    of_service = environment.arn("ecs", f"service/{service}")
    return function(
        stack,
        environment,
        "Rollback",
        "rollback",
        "Takes the service back to a known-good revision when a release has broken it (runbook 4.1)",
        settings=RollbackSettings(
            environment=environment.name,
            mode=environment.remediation,
            cluster=environment.cluster,
            service=environment.service,
            container=environment.application.container.name,
            image_parameter=environment.image_parameter,
            database_instance=environment.database_instance,
            replication_group=environment.replication_group,
            service_impaired_alarm=environment.service_impaired_alarm,
            alarm_prefix=f"{environment.prefix}-",
            incidents_table=environment.incidents_table,
            records_table=environment.records_table,
            outcomes_topic=environment.arn("sns", environment.outcomes_topic),
            escalations_topic=environment.arn("sns", environment.escalations_topic),
            runbook_url=environment.runbook_url,
            retention_days=environment.log_retention_days,
        ),
        statements=[
            iam.PolicyStatement(
                actions=["ecs:DescribeServices", "ecs:ListServiceDeployments", "ecs:UpdateService"],
                resources=[of_service],
            ),
            iam.PolicyStatement(
                actions=["ecs:DescribeServiceDeployments", "ecs:StopServiceDeployment"],
                resources=[
                    environment.arn("ecs", f"service/{service}"),
                    environment.arn("ecs", f"service-deployment/{service}/*"),
                ],
            ),
            iam.PolicyStatement(
                actions=["ecs:DescribeServiceRevisions"],
                resources=[of_service, environment.arn("ecs", f"service-revision/{service}/*")],
            ),
            # Has no resource-level permissions:
            # https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazonelasticcontainerservice.html
            iam.PolicyStatement(actions=["ecs:DescribeTaskDefinition"], resources=["*"]),
            # UpdateService with a task definition passes that definition's roles. By their exact names: CloudFormation
            # truncates those that it generates, and a pattern on the stack's name would miss them.
            iam.PolicyStatement(
                actions=["iam:PassRole"],
                resources=[environment.role_arn(name) for name in (environment.execution_role, environment.task_role)],
                conditions={"StringEquals": {"iam:PassedToService": "ecs-tasks.amazonaws.com"}},
            ),
            iam.PolicyStatement(
                actions=["rds:DescribeDBInstances"], resources=[environment.arn("rds", f"db:{environment.database_instance}")]
            ),
            iam.PolicyStatement(
                actions=["elasticache:DescribeReplicationGroups"],
                resources=[environment.arn("elasticache", f"replicationgroup:{environment.replication_group}")],
            ),
            # A narrower scope would not show a composite alarm:
            # https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_DescribeAlarms.html
            iam.PolicyStatement(actions=["cloudwatch:DescribeAlarms"], resources=["*"]),
            iam.PolicyStatement(
                actions=["ssm:PutParameter"], resources=[environment.arn("ssm", f"parameter{environment.image_parameter}")]
            ),
            iam.PolicyStatement(
                actions=["dynamodb:GetItem", "dynamodb:PutItem", "dynamodb:UpdateItem"],
                resources=[incidents.table_arn],
            ),
            adds_to_records(records, opens=True),
            iam.PolicyStatement(
                actions=["kms:Decrypt"],
                resources=[stack.key.key_arn],
                conditions={"StringEquals": {"kms:ViaService": f"dynamodb.{environment.region}.amazonaws.com"}},
            ),
            iam.PolicyStatement(actions=["sns:Publish"], resources=[topics.outcomes.topic_arn, topics.escalations.topic_arn]),
        ],
        dead_letters=topics.escalations,
        timeout=cdk.Duration.seconds(ROLLBACK_TIMEOUT.seconds),
        reserved_concurrent_executions=1,  # one decision about the service at a time
        max_event_age=cdk.Duration.minutes(15),  # older news of an alarm is for a person
        retry_attempts=2,
    )
