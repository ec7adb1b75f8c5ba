"""The inbox: every message of the topics that people are subscribed to."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from local.cloud import Cloud
from runbook.severities import CALLED, RESPONSE_TIMES

ESCALATIONS = "escalations"
_QUEUE = "drill-people"


@dataclass(frozen=True)
class Message:
    """A message: its topic, by the name below the environment's, such as `p1` or `escalations`, its subject and its text."""

    topic: str
    subject: str
    text: str

    @property
    def rings(self) -> bool:
        """Whether the topic is one that PagerDuty is subscribed to."""
        return self.topic.upper() in CALLED

    @property
    def calls(self) -> bool:
        """Whether somebody's phone rings: on such a topic, for a page that begins."""
        return self.rings and self.subject.startswith("ALARM") and not self.diagnosis

    @property
    def diagnosis(self) -> bool:
        """Whether it is an update of a page, with what is behind it: PagerDuty adds it to the page's incident."""
        return ": Diagnosis of " in self.subject


class Inbox:
    """What people get from the topics of an environment."""

    def __init__(self, cloud: Cloud) -> None:
        self._cloud = cloud

    def new(self) -> Sequence[Message]:
        """The messages since the last look, in order."""
        messages = []
        while found := self._sqs.receive_message(QueueUrl=self._queue, MaxNumberOfMessages=10).get("Messages"):
            for received in found:
                body = json.loads(received["Body"])
                topic = body["TopicArn"].rpartition(":")[2].removeprefix(f"{self._cloud.environment.prefix}-")
                messages.append(Message(topic, body.get("Subject") or "", body["Message"]))
                self._sqs.delete_message(QueueUrl=self._queue, ReceiptHandle=received["ReceiptHandle"])
        return messages

    @cached_property
    def _sqs(self) -> Any:
        return self._cloud.client("sqs")

    @cached_property
    def _queue(self) -> str:
        """The URL of a queue behind the topics."""
        environment = self._cloud.environment
        queue = environment.arn("sqs", _QUEUE)
        names = [environment.escalations_topic, *map(environment.on_call_topic, RESPONSE_TIMES)]
        names += map(environment.level_topic, environment.contacts.escalation.levels)
        topics = [environment.arn("sns", name) for name in names]
        statement = {
            "Effect": "Allow",
            "Principal": {"Service": "sns.amazonaws.com"},
            "Action": "sqs:SendMessage",
            "Resource": queue,
            "Condition": {"ArnEquals": {"aws:SourceArn": topics}},
        }
        policy = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
        url = self._sqs.create_queue(QueueName=_QUEUE, Attributes={"Policy": policy})["QueueUrl"]
        for topic in topics:
            self._cloud.client("sns").subscribe(TopicArn=topic, Protocol="sqs", Endpoint=queue)
        return str(url)
