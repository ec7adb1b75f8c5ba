"""A message to a topic reaches its subscribers, each with the text for its protocol, as SNS documents it.

https://docs.aws.amazon.com/sns/latest/dg/sns-message-delivery.html
"""

import itertools
import json
import socket
from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import ClientError

from local.cloud import Cloud

ECHO = "import json\ndef handle(event, context):\n    print(json.dumps(event))"
_names = (f"topic-{number}" for number in itertools.count())


class Topic:
    """A topic of a cloud, with a queue and a function that may subscribe."""

    def __init__(self, cloud: Cloud, make_function: Callable[..., str]) -> None:
        self.cloud, self.name = cloud, next(_names)
        self.sns, self.sqs = cloud.client("sns"), cloud.client("sqs")
        self.arn = self.sns.create_topic(Name=self.name)["TopicArn"]
        self.function = make_function(self.name, ECHO)

    def subscribe_queue(self) -> None:
        arn = f"arn:aws:sqs:us-east-1:{self.cloud.environment.account}:{self.name}"
        statement = {
            "Effect": "Allow",
            "Principal": {"Service": "sns.amazonaws.com"},
            "Action": "sqs:SendMessage",
            "Resource": arn,
            "Condition": {"ArnEquals": {"aws:SourceArn": self.arn}},
        }
        policy = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
        self.queue = self.sqs.create_queue(QueueName=self.name, Attributes={"Policy": policy})["QueueUrl"]
        self.sns.subscribe(TopicArn=self.arn, Protocol="sqs", Endpoint=arn)

    def subscribe_function(self, allowed: str = "") -> None:
        """Subscribe the function. Its policy allows this topic, or another."""
        self.cloud.client("lambda").add_permission(
            FunctionName=self.name,
            StatementId="topic",
            Action="lambda:InvokeFunction",
            Principal="sns.amazonaws.com",
            SourceArn=allowed or self.arn,
        )
        self.subscription = self.sns.subscribe(TopicArn=self.arn, Protocol="lambda", Endpoint=self.function)["SubscriptionArn"]

    def publish(self, message: str | dict[str, str], **settings: Any) -> None:
        structure = {} if isinstance(message, str) else {"MessageStructure": "json"}
        text = message if isinstance(message, str) else json.dumps(message)
        self.sns.publish(TopicArn=self.arn, Message=text, **structure, **settings)

    @property
    def queued(self) -> list[str]:
        """The texts that reached the queue."""
        found = self.sqs.receive_message(QueueUrl=self.queue, MaxNumberOfMessages=10).get("Messages", ())
        return [json.loads(message["Body"])["Message"] for message in found]

    @property
    def records(self) -> list[dict[str, Any]]:
        """What the function was invoked with."""
        self.cloud.wait_until_idle()
        return [record for line in self.cloud.control("logs", self.name) for record in json.loads(line)["Records"]]


@pytest.fixture
def topic(empty_cloud: Cloud, make_function: Callable[..., str]) -> Topic:
    return Topic(empty_cloud, make_function)


@pytest.mark.parametrize(
    ("message", "queued", "invoked"),
    [
        ({"default": "to all", "sqs": "to queues", "lambda": "to functions"}, "to queues", "to functions"),
        ({"default": "to all", "email": "to people"}, "to all", "to all"),
        ("to all", "to all", "to all"),
    ],
    ids=["its own", "the default", "no structure"],
)
def test_each_protocol_gets_its_message(topic: Topic, message: str | dict[str, str], queued: str, invoked: str) -> None:
    topic.subscribe_queue()
    topic.subscribe_function()
    topic.publish(message)
    assert topic.queued == [queued]
    assert [record["Sns"]["Message"] for record in topic.records] == [invoked]


@pytest.mark.parametrize("message", ['{"sqs": "to queues"}', "to all", '["to all"]'])
def test_a_message_for_each_protocol_needs_a_default(topic: Topic, message: str) -> None:
    with pytest.raises(ClientError, match=r"InvalidParameter.*Message Structure"):
        topic.publish(message, MessageStructure="json")


def test_a_function_gets_the_documented_event(topic: Topic) -> None:
    topic.subscribe_function()
    severity = {"DataType": "String", "StringValue": "P1"}
    topic.publish("text", Subject="A subject", MessageAttributes={"severity": severity})
    (record,) = topic.records
    assert {key: record[key] for key in record.keys() - {"Sns"}} == {
        "EventSource": "aws:sns",
        "EventVersion": "1.0",
        "EventSubscriptionArn": topic.subscription,
    }
    sent = {key: record["Sns"][key] for key in ("Type", "TopicArn", "Subject", "Message", "MessageAttributes")}
    assert sent == {
        "Type": "Notification",
        "TopicArn": topic.arn,
        "Subject": "A subject",
        "Message": "text",
        "MessageAttributes": {"severity": {"Type": "String", "Value": "P1"}},
    }
    assert record["Sns"].keys() >= {"MessageId", "Timestamp", "SignatureVersion", "SigningCertUrl", "UnsubscribeUrl"}


def test_a_function_gets_an_empty_subject_and_no_attributes(topic: Topic) -> None:
    topic.subscribe_function()
    topic.publish("text")
    (record,) = topic.records
    assert (record["Sns"]["Subject"], record["Sns"]["MessageAttributes"]) == (None, {})


def test_waiting_until_idle_waits_for_what_a_message_invoked(topic: Topic) -> None:
    topic.subscribe_function()
    for number in range(3):
        topic.publish(str(number))
        topic.cloud.wait_until_idle()
        assert len(topic.cloud.control("logs", topic.name)) == number + 1


def test_a_function_that_does_not_allow_the_topic_is_not_invoked(topic: Topic) -> None:
    topic.subscribe_function(allowed=f"{topic.arn}-other")
    topic.publish("text")
    assert topic.records == []


def test_a_subscription_over_http_stays_pending_and_nothing_is_sent(topic: Topic) -> None:
    with socket.create_server(("127.0.0.1", 0)) as endpoint:
        endpoint.settimeout(0.5)
        url = f"http://127.0.0.1:{endpoint.getsockname()[1]}/"
        answer = topic.sns.subscribe(TopicArn=topic.arn, Protocol="http", Endpoint=url)
        topic.publish("text")
        with pytest.raises(TimeoutError):
            endpoint.accept()
    assert answer["SubscriptionArn"] == "pending confirmation"
    (subscription,) = topic.sns.list_subscriptions_by_topic(TopicArn=topic.arn)["Subscriptions"]
    shown = topic.sns.get_subscription_attributes(SubscriptionArn=subscription["SubscriptionArn"])["Attributes"]
    assert shown["PendingConfirmation"] == "true"
