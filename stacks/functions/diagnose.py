"""`diagnose`: says within seconds what is behind an incident (runbook 2.2, 3.1 to 3.5). It only reads, records and tells."""

import aws_cdk as cdk
from aws_cdk import aws_dynamodb as dynamodb
from aws_cdk import aws_iam as iam
from aws_cdk import aws_lambda as lambda_

from lambdas.diagnose.settings import DiagnoseSettings
from stacks.base import EnvironmentStack
from stacks.environment import Environment
from stacks.functions.base import function
from stacks.incidents import adds_to_records
from stacks.topics import Topics


def diagnose(stack: EnvironmentStack, environment: Environment, topics: Topics, records: dynamodb.Table) -> lambda_.Function:
    """The function, with what it may read."""
    service = f"{environment.cluster}/{environment.service}"
    of_service = environment.arn("ecs", f"service/{service}")
    return function(
        stack,
        environment,
        "Diagnose",
        "diagnose",
        "Says within seconds what is behind an incident (runbook 3.1 to 3.5)",
        settings=DiagnoseSettings(
            environment=environment.name,
            alarm_prefix=f"{environment.prefix}-",
            lines=environment.lines,
            alarms_topic=environment.arn("sns", environment.alarms_topic),
            records_table=environment.records_table,
            cluster=environment.cluster,
            service=environment.service,
            container=environment.application.container.name,
            zones=environment.network.zones,
            most_tasks=environment.backend.max_tasks,
            target_group=environment.target_group,
            database_instance=environment.database_instance,
            replication_group=environment.replication_group,
            backend_log_group=environment.backend_log_group,
            database_log_group=environment.database_log_group,
            frontend_bucket=environment.frontend_bucket,
            p1_topic=environment.arn("sns", environment.on_call_topic("P1")),
            p2_topic=environment.arn("sns", environment.on_call_topic("P2")),
            chat_topic=environment.arn("sns", environment.chat_topic),
            runbook_url=environment.runbook_url,
        ),
        statements=[
            adds_to_records(records, opens=False),
            iam.PolicyStatement(
                actions=["kms:Decrypt"],
                resources=[stack.key.key_arn],
                conditions={"StringEquals": {"kms:ViaService": f"dynamodb.{environment.region}.amazonaws.com"}},
            ),
            iam.PolicyStatement(
                actions=["sns:Publish"],
                resources=[
                    topic.topic_arn for topic in (topics.on_call["P1"], topics.on_call["P2"], topics.chat, topics.outcomes)
                ],
            ),
            # What has no resource-level permissions; DescribeAlarms shows composite alarms to this scope only:
            # https://docs.aws.amazon.com/service-authorization/latest/reference/
            iam.PolicyStatement(
                actions=[
                    "application-autoscaling:DescribeScalingActivities",
                    "cloudformation:ListStacks",
                    "cloudtrail:LookupEvents",
                    "cloudwatch:DescribeAlarms",
                    "cloudwatch:GetMetricData",
                    "elasticache:DescribeEvents",
                    "elasticloadbalancing:DescribeTargetGroups",
                    "elasticloadbalancing:DescribeTargetHealth",
                    "logs:GetQueryResults",
                    "rds:DescribeEvents",
                    "secretsmanager:ListSecrets",
                ],
                resources=["*"],
            ),
            iam.PolicyStatement(actions=["ecs:DescribeServices", "ecs:ListServiceDeployments"], resources=[of_service]),
            iam.PolicyStatement(
                actions=["ecs:DescribeServiceRevisions"],
                resources=[of_service, environment.arn("ecs", f"service-revision/{service}/*")],
            ),
            iam.PolicyStatement(
                actions=["ecs:ListTasks"], resources=[environment.arn("ecs", f"container-instance/{environment.cluster}/*")]
            ),
            iam.PolicyStatement(
                actions=["ecs:DescribeTasks"], resources=[environment.arn("ecs", f"task/{environment.cluster}/*")]
            ),
            iam.PolicyStatement(
                actions=["logs:StartQuery"],
                resources=[
                    environment.arn("logs", f"log-group:{group}:*")
                    for group in (environment.backend_log_group, environment.database_log_group)
                ],
            ),
            iam.PolicyStatement(
                actions=["rds:DescribeDBInstances"],
                resources=[environment.arn("rds", f"db:{environment.database_instance}")],
            ),
            iam.PolicyStatement(
                actions=["elasticache:DescribeReplicationGroups"],
                resources=[environment.arn("elasticache", f"replicationgroup:{environment.replication_group}")],
            ),
            iam.PolicyStatement(
                actions=["s3:ListBucket"],
                resources=[f"arn:aws:s3:::{environment.frontend_bucket}"],
                conditions={"StringEquals": {"s3:prefix": "index.html"}},
            ),
        ],
        dead_letters=topics.outcomes,  # a page without its diagnosis; its errors are an alarm
        timeout=cdk.Duration.seconds(20),
        reserved_concurrent_executions=2,  # two pages at once
        max_event_age=cdk.Duration.minutes(1),  # what is older helps nobody: the next minute asks again
        retry_attempts=0,
    )
