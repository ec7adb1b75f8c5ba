"""The topics: what alarms and functions publish to, and who is subscribed."""

import aws_cdk as cdk
from aws_cdk import aws_chatbot as chatbot
from aws_cdk import aws_iam as iam
from aws_cdk import aws_sns as sns
from aws_cdk import aws_sns_subscriptions as subscriptions

from runbook.severities import CALLED, RESPONSE_TIMES
from stacks.base import EnvironmentStack
from stacks.environment import Environment


class Topics:
    """Alarms publish to `alarms`, which invokes `notify`; `notify` publishes to `on_call` (by severity), `levels` (of the
    escalation path) and `chat`, `rollback` to `outcomes` and `escalations`."""

    def __init__(self, stack: EnvironmentStack, environment: Environment) -> None:
        self._stack = stack
        self._environment = environment
        stack.allow_service("cloudwatch.amazonaws.com", source_arn=environment.arn("cloudwatch", "alarm:*"))
        self.outcomes = self._topic("Outcomes", environment.outcomes_topic)
        self.escalations = self._topic("Escalations", environment.escalations_topic)
        self.alarms = self._topic("Alarms", environment.alarms_topic)
        self.on_call = {severity: self._topic(severity, environment.on_call_topic(severity)) for severity in RESPONSE_TIMES}
        self.levels = {
            level: self._topic(f"L{level}", environment.level_topic(level)) for level in environment.contacts.escalation.levels
        }
        self.chat = self._topic("Chat", environment.chat_topic)
        self._subscribe_people()

    def _subscribe_people(self) -> None:
        """PagerDuty and e-mail for what is critical, Slack for everything; each only if configured.

        Of what `rollback` escalates, PagerDuty gets what no page covers, such as an event that it could not read.
        """
        contacts = self._environment.contacts
        calls = [self.on_call[severity] for severity in CALLED]
        if contacts.email:
            for topic in (*calls, self.on_call["P3"], self.escalations):
                topic.add_subscription(subscriptions.EmailSubscription(contacts.email))
        for level, address in contacts.escalation.levels.items():
            self.levels[level].add_subscription(subscriptions.EmailSubscription(address))
        if contacts.pagerduty_url_secret:
            # The URL is a secret: CloudFormation reads it at deploy time, the template has its secret's name.
            url = cdk.SecretValue.secrets_manager(contacts.pagerduty_url_secret).unsafe_unwrap()
            not_paged = {"paged": sns.SubscriptionFilter.string_filter(allowlist=["no"])}
            for topic in (*calls, self.escalations):
                sns.Subscription(
                    self._stack,
                    f"{topic.node.id}PagerDuty",
                    topic=topic,
                    protocol=sns.SubscriptionProtocol.HTTPS,
                    endpoint=url,
                    filter_policy=not_paged if topic is self.escalations else None,
                )
        if contacts.slack:
            chatbot.SlackChannelConfiguration(
                self._stack,
                "Slack",
                slack_channel_configuration_name=self._environment.prefix,
                slack_workspace_id=contacts.slack.workspace_id,
                slack_channel_id=contacts.slack.channel_id,
                notification_topics=[self.chat],
                # It only brings messages: whoever is in the channel may do nothing through it.
                guardrail_policies=[iam.ManagedPolicy.from_aws_managed_policy_name("AWSDenyAll")],
            )

    def _topic(self, construct_id: str, name: str) -> sns.Topic:
        """An encrypted topic that accepts TLS only, and messages from this account's alarms."""
        topic = sns.Topic(self._stack, construct_id, topic_name=name, master_key=self._stack.key, enforce_ssl=True)
        topic.add_to_resource_policy(
            iam.PolicyStatement(
                sid="AlarmsOfThisAccount",
                principals=[iam.ServicePrincipal("cloudwatch.amazonaws.com")],
                actions=["sns:Publish"],
                resources=[topic.topic_arn],
                conditions={
                    "ArnLike": {"aws:SourceArn": self._environment.arn("cloudwatch", "alarm:*")},
                    "StringEquals": {"aws:SourceAccount": self._environment.account},
                },
            )
        )
        return topic
