"""The functions `rollback`, `health_check` and `notify`, and what they stand on: a role each, the topics, the incidents.

Deployed before the resources that the functions look after, so those are known here by name only.
"""

from collections.abc import Mapping
from pathlib import Path

import aws_cdk as cdk
from aws_cdk import aws_chatbot as chatbot
from aws_cdk import aws_dynamodb as dynamodb
from aws_cdk import aws_events as events
from aws_cdk import aws_events_targets as targets
from aws_cdk import aws_iam as iam
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_sns as sns
from aws_cdk import aws_sns_subscriptions as subscriptions
from constructs import Construct

from stacks.base import EnvironmentStack
from stacks.environment import Environment, Sentry
from stacks.thresholds import ESCALATION_PATH, OWN_NAMESPACE, RESPONSE_TIMES, page_facts

CODE = Path(__file__).parent.parent / "lambdas"
RUNTIME = lambda_.Runtime.PYTHON_3_14
POWERTOOLS_LAYER = "arn:aws:lambda:{region}:017000801446:layer:AWSLambdaPowertoolsPythonV3-python314-arm64:38"
"""AWS's published layer for RUNTIME, pydantic in it: https://docs.aws.amazon.com/powertools/python/latest/"""

DETECTION_SECONDS = 120
"""Two of three one-minute periods: the soonest that a critical alarm follows its cause."""
SUSPECT_WINDOW_MINUTES = 60
BUDGET = 2
BUDGET_HOURS = 24

HOLD_SECONDS = 90
DEPLOYMENT_MINUTES = 10  # of the 15 within which to respond: a service that ECS rolls back needs three to six
CALM_MINUTES = 10
MAINTENANCE_HOURS = 2


class Remediation(EnvironmentStack):
    """`rollback`, `health_check` and `notify` are the functions, `incidents` the table.

    Of the topics, `alarms` is what alarms speak to and `notify` hears; `on_call` (by severity) and `chat` are what it speaks
    to; `outcomes` and `escalations` are rollback's.
    """

    def __init__(self, scope: Construct, settings: Environment) -> None:
        super().__init__(
            scope, "remediation", settings, "the functions that alarms call, their topics and the record of incidents"
        )
        self.allow_service("cloudwatch.amazonaws.com", source_arn=settings.arn("cloudwatch", "alarm:*"))
        self.outcomes = self._topic("Outcomes", settings.outcomes_topic)
        self.escalations = self._topic("Escalations", settings.escalations_topic)
        self.alarms = self._topic("Alarms", settings.alarms_topic)
        self.on_call = {severity: self._topic(severity, settings.on_call_topic(severity)) for severity in RESPONSE_TIMES}
        self.chat = self._topic("Chat", settings.chat_topic)
        self._subscribe_people()
        self.incidents = dynamodb.Table(
            self,
            "Incidents",
            table_name=settings.incidents_table,
            partition_key=dynamodb.Attribute(name="id", type=dynamodb.AttributeType.STRING),
            billing_mode=dynamodb.BillingMode.PAY_PER_REQUEST,
            time_to_live_attribute="expires_at",
            encryption=dynamodb.TableEncryption.CUSTOMER_MANAGED,
            encryption_key=self.key,
            point_in_time_recovery_specification=dynamodb.PointInTimeRecoverySpecification(point_in_time_recovery_enabled=True),
            deletion_protection=True,
            removal_policy=cdk.RemovalPolicy.RETAIN,
        )
        self.rollback = self._rollback()
        self.health_check = self._health_check()
        self._every_minute("EveryMinute", self.health_check, "Probes the API and the frontend")
        self.notify = self._notify()
        self._every_minute("EveryMinuteNotify", self.notify, "Tells people what is held back, over or still firing")
        self.alarms.add_subscription(subscriptions.LambdaSubscription(self.notify))
        if settings.sentry:
            self._every_minute("EveryMinuteSentry", self._sentry(settings.sentry), "Counts the errors of Sentry's last minute")

    def _every_minute(self, construct_id: str, function: lambda_.Function, description: str) -> None:
        """The next minute is the retry."""
        events.Rule(
            self,
            construct_id,
            description=description,
            schedule=events.Schedule.rate(cdk.Duration.minutes(1)),
            targets=[targets.LambdaFunction(function, retry_attempts=0)],
        )

    def _subscribe_people(self) -> None:
        """PagerDuty for what is critical, mail as well, Slack for everything; each where it is configured.

        Of what rollback escalates PagerDuty gets what no page tells of, such as an event that it could not read.
        """
        contacts = self.settings.contacts
        calls = [self.on_call["P1"], self.on_call["P2"]]
        if contacts.email:
            for topic in (*calls, self.on_call["P3"], self.escalations):
                topic.add_subscription(subscriptions.EmailSubscription(contacts.email))
        if contacts.pagerduty_url_secret:
            # The URL is a secret: CloudFormation reads it at deploy time, the template has its secret's name.
            url = cdk.SecretValue.secrets_manager(contacts.pagerduty_url_secret).unsafe_unwrap()
            not_paged = {"paged": sns.SubscriptionFilter.string_filter(allowlist=["no"])}
            for topic in (*calls, self.escalations):
                sns.Subscription(
                    self,
                    f"{topic.node.id}PagerDuty",
                    topic=topic,
                    protocol=sns.SubscriptionProtocol.HTTPS,
                    endpoint=url,
                    filter_policy=not_paged if topic is self.escalations else None,
                )
        if contacts.slack:
            chatbot.SlackChannelConfiguration(
                self,
                "Slack",
                slack_channel_configuration_name=self.settings.prefix,
                slack_workspace_id=contacts.slack.workspace_id,
                slack_channel_id=contacts.slack.channel_id,
                notification_topics=[self.chat],
                # It only brings messages: whoever is in the channel may do nothing through it.
                guardrail_policies=[iam.ManagedPolicy.from_aws_managed_policy_name("AWSDenyAll")],
            )

    def _topic(self, construct_id: str, name: str) -> sns.Topic:
        """An encrypted topic that only speaks TLS and takes messages from this account's alarms."""
        topic = sns.Topic(self, construct_id, topic_name=name, master_key=self.key, enforce_ssl=True)
        topic.add_to_resource_policy(
            iam.PolicyStatement(
                sid="AlarmsOfThisAccount",
                principals=[iam.ServicePrincipal("cloudwatch.amazonaws.com")],
                actions=["sns:Publish"],
                resources=[topic.topic_arn],
                conditions={
                    "ArnLike": {"aws:SourceArn": self.settings.arn("cloudwatch", "alarm:*")},
                    "StringEquals": {"aws:SourceAccount": self.account},
                },
            )
        )
        return topic

    def _rollback(self) -> lambda_.Function:
        settings = self.settings
        service = f"{settings.cluster}/{settings.service}"
        of_service = settings.arn("ecs", f"service/{service}")
        return self._function(
            "Rollback",
            "rollback",
            "Takes the service back to a known-good revision when a release has broken it (runbook 4.1)",
            variables={
                "MODE": settings.remediation,
                "CLUSTER": settings.cluster,
                "SERVICE": settings.service,
                "IMAGE_PARAMETER": settings.image_parameter,
                "DATABASE_INSTANCE": settings.database_instance,
                "REPLICATION_GROUP": settings.replication_group,
                "SERVICE_IMPAIRED_ALARM": settings.service_impaired_alarm,
                "DEPENDENCY_ALARMS": ",".join(settings.dependency_alarms),
                "INCIDENTS_TABLE": settings.incidents_table,
                "OUTCOMES_TOPIC": self.outcomes.topic_arn,
                "ESCALATIONS_TOPIC": self.escalations.topic_arn,
                "RUNBOOK_URL": settings.runbook_url,
                "DETECTION_SECONDS": str(DETECTION_SECONDS),
                "SUSPECT_WINDOW_MINUTES": str(SUSPECT_WINDOW_MINUTES),
                "BUDGET": str(BUDGET),
                "BUDGET_HOURS": str(BUDGET_HOURS),
                "RETENTION_DAYS": str(settings.log_retention_days),
            },
            statements=[
                iam.PolicyStatement(
                    actions=["ecs:DescribeServices", "ecs:ListServiceDeployments", "ecs:UpdateService"],
                    resources=[of_service],
                ),
                iam.PolicyStatement(
                    actions=["ecs:DescribeServiceDeployments", "ecs:StopServiceDeployment"],
                    resources=[
                        settings.arn("ecs", f"service/{service}"),
                        settings.arn("ecs", f"service-deployment/{service}/*"),
                    ],
                ),
                iam.PolicyStatement(
                    actions=["ecs:DescribeServiceRevisions"],
                    resources=[of_service, settings.arn("ecs", f"service-revision/{service}/*")],
                ),
                # Knows no resource: https://docs.aws.amazon.com/service-authorization/latest/reference/list_ecs.html
                iam.PolicyStatement(actions=["ecs:DescribeTaskDefinition"], resources=["*"]),
                # UpdateService with a task definition passes that definition's roles, which the backend's stack makes. Cannot
                # be proven without AWS: moto and the local cloud do not ask for it.
                iam.PolicyStatement(
                    actions=["iam:PassRole"],
                    resources=[f"arn:aws:iam::{self.account}:role/{settings.stack('backend')}-*"],
                    conditions={"StringEquals": {"iam:PassedToService": "ecs-tasks.amazonaws.com"}},
                ),
                iam.PolicyStatement(
                    actions=["rds:DescribeDBInstances"], resources=[settings.arn("rds", f"db:{settings.database_instance}")]
                ),
                iam.PolicyStatement(
                    actions=["elasticache:DescribeReplicationGroups"],
                    resources=[settings.arn("elasticache", f"replicationgroup:{settings.replication_group}")],
                ),
                # Alarms' names do not narrow what CloudWatch authorizes this on; cannot be proven without AWS either.
                iam.PolicyStatement(actions=["cloudwatch:DescribeAlarms"], resources=[settings.arn("cloudwatch", "alarm:*")]),
                iam.PolicyStatement(
                    actions=["ssm:PutParameter"], resources=[settings.arn("ssm", f"parameter{settings.image_parameter}")]
                ),
                iam.PolicyStatement(
                    actions=["dynamodb:GetItem", "dynamodb:PutItem", "dynamodb:UpdateItem"],
                    resources=[self.incidents.table_arn],
                ),
                iam.PolicyStatement(
                    actions=["kms:Decrypt"],
                    resources=[self.key.key_arn],
                    conditions={"StringEquals": {"kms:ViaService": f"dynamodb.{self.region}.amazonaws.com"}},
                ),
                iam.PolicyStatement(actions=["sns:Publish"], resources=[self.outcomes.topic_arn, self.escalations.topic_arn]),
            ],
            dead_letters=self.escalations,
            timeout=cdk.Duration.minutes(1),
            reserved_concurrent_executions=1,  # one decision about the service at a time
            max_event_age=cdk.Duration.minutes(15),  # older news of an alarm is for a person
            retry_attempts=2,
        )

    def _health_check(self) -> lambda_.Function:
        settings = self.settings
        return self._function(
            "HealthCheck",
            "health-check",
            "Probes the API and the frontend as a user would (runbook, appendix A)",
            variables={
                "API_URL": settings.api_url,
                "HEALTH_CHECK_PATH": settings.backend.health_check_path,
                "FRONTEND_URL": settings.frontend_url,
                "NAMESPACE": OWN_NAMESPACE,
            },
            statements=[iam.PolicyStatement(actions=["sns:Publish"], resources=[self.outcomes.topic_arn])],
            dead_letters=self.outcomes,  # silence is paged by the availability alarms: for them, missing data breaches
            timeout=cdk.Duration.seconds(30),
            reserved_concurrent_executions=2,  # the schedule and one person
            max_event_age=cdk.Duration.minutes(1),
            retry_attempts=0,
        )

    def _sentry(self, sentry: Sentry) -> lambda_.Function:
        return self._function(
            "Sentry",
            "sentry",
            "Publishes the number of errors that Sentry counted (runbook 7.3)",
            variables={
                "URL": sentry.url,
                "ORGANIZATION": sentry.organization,
                "PROJECT": sentry.project,
                "TOKEN_SECRET": sentry.token_secret,
                "NAMESPACE": OWN_NAMESPACE,
            },
            statements=[
                iam.PolicyStatement(  # Secrets Manager ends the ARN of a secret with six characters of its own
                    actions=["secretsmanager:GetSecretValue"],
                    resources=[self.settings.arn("secretsmanager", f"secret:{sentry.token_secret}-??????")],
                ),
                iam.PolicyStatement(actions=["sns:Publish"], resources=[self.outcomes.topic_arn]),
            ],
            dead_letters=self.outcomes,  # the next minute is the retry; silence is an alarm
            timeout=cdk.Duration.seconds(45),
            reserved_concurrent_executions=1,
            max_event_age=cdk.Duration.minutes(1),
            retry_attempts=0,
        )

    def _notify(self) -> lambda_.Function:
        settings = self.settings
        topics = {**self.on_call, "chat": self.chat}
        return self._function(
            "Notify",
            "notify",
            "Tells people what is wrong, once and in words (runbook 2 and 8)",
            variables={
                "ALARM_PREFIX": f"{settings.prefix}-",
                "MAINTENANCE_ALARM": settings.maintenance_alarm,
                "DEPENDENCY_ALARMS": ",".join(settings.dependency_alarms),
                "PAGES": page_facts(settings.page),
                "CLUSTER": settings.cluster,
                "SERVICE": settings.service,
                "ALARMS_TOPIC": self.alarms.topic_arn,
                **{f"{name.upper()}_TOPIC": topic.topic_arn for name, topic in topics.items()},
                "ESCALATION_PATH": ",".join(ESCALATION_PATH),
                "DASHBOARD_URL": settings.console(
                    f"cloudwatch/home?region={settings.region}#dashboards/dashboard/{settings.dashboard}"
                ),
                "RUNBOOK_URL": settings.runbook_url,
                "HOLD_SECONDS": str(HOLD_SECONDS),
                "DEPLOYMENT_MINUTES": str(DEPLOYMENT_MINUTES),
                "CALM_MINUTES": str(CALM_MINUTES),
                "MAINTENANCE_HOURS": str(MAINTENANCE_HOURS),
                "INCIDENTS_TABLE": settings.incidents_table,
                "RETENTION_DAYS": str(settings.log_retention_days),
            },
            statements=[
                iam.PolicyStatement(actions=["cloudwatch:DescribeAlarms"], resources=[settings.arn("cloudwatch", "alarm:*")]),
                iam.PolicyStatement(
                    actions=["cloudwatch:SetAlarmState"],
                    resources=[settings.arn("cloudwatch", f"alarm:{settings.maintenance_alarm}")],
                ),
                iam.PolicyStatement(
                    actions=["ecs:ListServiceDeployments"],
                    resources=[settings.arn("ecs", f"service/{settings.cluster}/{settings.service}")],
                ),
                iam.PolicyStatement(actions=["dynamodb:GetItem", "dynamodb:PutItem"], resources=[self.incidents.table_arn]),
                iam.PolicyStatement(
                    actions=["kms:Decrypt"],
                    resources=[self.key.key_arn],
                    conditions={"StringEquals": {"kms:ViaService": f"dynamodb.{self.region}.amazonaws.com"}},
                ),
                iam.PolicyStatement(
                    actions=["sns:Publish"], resources=[topic.topic_arn for topic in (*topics.values(), self.outcomes)]
                ),
            ],
            dead_letters=self.outcomes,  # every minute looks at everything anew; its silence and its errors are alarms
            timeout=cdk.Duration.seconds(50),
            reserved_concurrent_executions=1,  # two would tell the same twice
            max_event_age=cdk.Duration.minutes(1),
            retry_attempts=0,
        )

    def _function(
        self,
        construct_id: str,
        name: str,
        description: str,
        *,
        variables: Mapping[str, str],
        statements: list[iam.PolicyStatement],
        dead_letters: sns.Topic,
        timeout: cdk.Duration,
        reserved_concurrent_executions: int,
        max_event_age: cdk.Duration,
        retry_attempts: int,
    ) -> lambda_.Function:
        """A function of `lambdas/` under a role of its own that has the statements, its log group and its dead letters."""
        log_group = self.log_group(f"{construct_id}Logs", self.settings.function_log_group(name))
        policy = iam.ManagedPolicy(
            self,
            f"{construct_id}Policy",
            statements=[
                *statements,
                iam.PolicyStatement(actions=["logs:CreateLogStream", "logs:PutLogEvents"], resources=[log_group.log_group_arn]),
                iam.PolicyStatement(  # to publish to an encrypted topic
                    actions=["kms:Decrypt", "kms:GenerateDataKey"],
                    resources=[self.key.key_arn],
                    conditions={"StringEquals": {"kms:ViaService": f"sns.{self.region}.amazonaws.com"}},
                ),
            ],
        )
        # The policy on the role, not the other way round: Lambda wants to see it when the function names its dead letters.
        role = iam.Role(
            self,
            f"{construct_id}Role",
            assumed_by=iam.ServicePrincipal("lambda.amazonaws.com"),
            managed_policies=[policy],
        )
        return lambda_.Function(
            self,
            construct_id,
            function_name=self.settings.function(name),
            description=description,
            runtime=RUNTIME,
            architecture=lambda_.Architecture.ARM_64,
            code=lambda_.Code.from_asset(str(CODE), exclude=["**/__pycache__"]),
            handler=f"{name.replace('-', '_')}.handler.handle",
            layers=[
                lambda_.LayerVersion.from_layer_version_arn(
                    self, f"{construct_id}Powertools", POWERTOOLS_LAYER.format(region=self.region)
                )
            ],
            role=role.without_policy_updates(),  # everything it may do stands above
            environment={"ENVIRONMENT": self.settings.name, **variables},
            environment_encryption=self.key,
            memory_size=512,
            log_group=log_group,
            dead_letter_topic=dead_letters,
            timeout=timeout,
            reserved_concurrent_executions=reserved_concurrent_executions,
            max_event_age=max_event_age,
            retry_attempts=retry_attempts,
        )
