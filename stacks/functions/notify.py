"""`notify`: tells people what is wrong, once and in words (runbook 2 and 8)."""

import aws_cdk as cdk
from aws_cdk import aws_dynamodb as dynamodb
from aws_cdk import aws_events as events
from aws_cdk import aws_events_targets as targets
from aws_cdk import aws_iam as iam
from aws_cdk import aws_lambda as lambda_

from lambdas.notify.acknowledgements import ACKNOWLEDGE, DETAIL_TYPE
from lambdas.notify.settings import NotifySettings
from stacks.base import EnvironmentStack
from stacks.environment import Environment
from stacks.functions.base import function, may_read
from stacks.incidents import adds_to_records
from stacks.topics import Topics


def notify(
    stack: EnvironmentStack,
    environment: Environment,
    topics: Topics,
    incidents: dynamodb.Table,
    records: dynamodb.Table,
    diagnose: lambda_.Function,
) -> lambda_.Function:
    """The function, with what it may do."""
    service = f"{environment.cluster}/{environment.service}"
    ends = environment.document("maintenance-off")
    heartbeat = environment.contacts.heartbeat_url_secret
    told = (*topics.on_call.values(), *topics.levels.values(), topics.chat, topics.outcomes)
    return function(
        stack,
        environment,
        "Notify",
        "notify",
        "Tells people what is wrong, once and in words (runbook 2 and 8)",
        settings=NotifySettings(
            environment=environment.name,
            alarm_prefix=f"{environment.prefix}-",
            lines=environment.lines,
            diagnose_function=environment.function("diagnose"),
            maintenance_alarm=environment.maintenance_alarm,
            maintenance_off=environment.document("maintenance-off"),
            not_armed_alarm=environment.not_armed_alarm,
            postmortem_function=environment.function("postmortem"),
            cluster=environment.cluster,
            service=environment.service,
            database_instance=environment.database_instance,
            replication_group=environment.replication_group,
            backend_log_group=environment.backend_log_group,
            alarms_topic=environment.arn("sns", environment.alarms_topic),
            p1_topic=environment.arn("sns", environment.on_call_topic("P1")),
            p2_topic=environment.arn("sns", environment.on_call_topic("P2")),
            p3_topic=environment.arn("sns", environment.on_call_topic("P3")),
            p4_topic=environment.arn("sns", environment.on_call_topic("P4")),
            chat_topic=environment.arn("sns", environment.chat_topic),
            level_topics={level: environment.arn("sns", environment.level_topic(level)) for level in topics.levels},
            product=environment.application.product,
            frontend_url=environment.frontend_url,
            dashboard_url=environment.dashboard_url,
            runbook_url=environment.runbook_url,
            incidents_table=environment.incidents_table,
            records_table=environment.records_table,
            retention_days=environment.log_retention_days,
            heartbeat_secret=heartbeat or "",
        ),
        statements=[
            # A narrower scope would show no composite alarm, and pages are composite alarms:
            # https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_DescribeAlarms.html
            iam.PolicyStatement(actions=["cloudwatch:DescribeAlarms"], resources=["*"]),
            iam.PolicyStatement(
                actions=["cloudwatch:SetAlarmState"],
                resources=[
                    environment.arn("cloudwatch", f"alarm:{name}")
                    for name in (environment.maintenance_alarm, environment.not_armed_alarm)
                ],
            ),
            iam.PolicyStatement(
                actions=["cloudwatch:ListAlarmMuteRules"], resources=[environment.arn("cloudwatch", "alarm-mute-rule:*")]
            ),
            iam.PolicyStatement(
                actions=["ecs:ListServiceDeployments"], resources=[environment.arn("ecs", f"service/{service}")]
            ),
            iam.PolicyStatement(
                actions=["ecs:DescribeServiceRevisions"],
                resources=[environment.arn("ecs", one) for one in (f"service/{service}", f"service-revision/{service}/*")],
            ),
            iam.PolicyStatement(actions=["dynamodb:GetItem", "dynamodb:PutItem"], resources=[incidents.table_arn]),
            adds_to_records(records, opens=True),
            iam.PolicyStatement(
                actions=["kms:Decrypt"],
                resources=[stack.key.key_arn],
                conditions={"StringEquals": {"kms:ViaService": f"dynamodb.{environment.region}.amazonaws.com"}},
            ),
            iam.PolicyStatement(
                actions=["sns:Publish"],
                resources=[topic.topic_arn for topic in told],
            ),
            iam.PolicyStatement(
                actions=["lambda:InvokeFunction"], resources=[diagnose.function_arn, environment.function_arn("postmortem")]
            ),
            # It starts the end of an announced maintenance, under that procedure's role.
            iam.PolicyStatement(
                actions=["ssm:StartAutomationExecution"],
                resources=[
                    environment.arn("ssm", one)
                    for one in (f"automation-definition/{ends}:*", f"document/{ends}", "automation-execution/*")
                ],
            ),
            # As AWS Config starts automations:
            # https://docs.aws.amazon.com/aws-managed-policy/latest/reference/AWSConfigRemediationServiceRolePolicy.html
            iam.PolicyStatement(
                actions=["iam:PassRole"],
                resources=[environment.role_arn(ends)],
                conditions={"StringEquals": {"iam:PassedToService": "ssm.amazonaws.com"}},
            ),
            *([may_read(environment, heartbeat)] if heartbeat else []),
        ],
        dead_letters=topics.outcomes,  # every minute looks at everything anew; its silence and its errors are alarms
        timeout=cdk.Duration.seconds(50),
        reserved_concurrent_executions=1,  # two would tell the same twice
        max_event_age=cdk.Duration.minutes(1),
        retry_attempts=0,
    )


def acknowledgements(stack: EnvironmentStack, source: str, target: lambda_.Function) -> None:
    """PagerDuty tells a function who has acknowledged. A partner's event bus has its source's name, and a person has
    associated the two: https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-saas.html"""
    events.Rule(
        stack,
        "Acknowledgements",
        description="Brings who has acknowledged an incident in PagerDuty",
        event_bus=events.EventBus.from_event_bus_name(stack, "PagerDuty", source),
        event_pattern=events.EventPattern(source=[source], detail_type=[DETAIL_TYPE], detail={"event": [ACKNOWLEDGE]}),
        targets=[targets.LambdaFunction(target)],
    )
