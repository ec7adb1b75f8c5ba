"""Writes to AWS: the one change of the service, and the message about an outcome."""

import json
from dataclasses import replace

import boto3
from botocore.exceptions import BotoCoreError, ClientError

from lambdas.common import pagerduty, runbook
from lambdas.common.incidents import Incidents, Outcome
from lambdas.common.settings import CLIENT, RollbackSettings
from lambdas.rollback.decisions import Change, Evidence

SECTIONS = {  # of the runbook
    "2": "Incident Response",
    "3.1": "High Error Rate (5XX)",
    "3.4": "Database Connection Issues",
    "3.5": "Redis Connection Issues",
    "4.1": "Backend Rollback (ECS)",
}


_PAGED = ("escalated", "failed")
"""Outcomes that a page tells of: the service is impaired, or the function's errors are an alarm."""


class ChangeError(Exception):
    """AWS did not take the change, or did not say that it did."""


class Actions:
    """What may be written in one environment."""

    def __init__(self, settings: RollbackSettings, incidents: Incidents) -> None:
        self._settings = settings
        self._incidents = incidents
        self._ecs = boto3.client("ecs", config=CLIENT)
        self._ssm = boto3.client("ssm", config=CLIENT)
        self._sns = boto3.client("sns", config=CLIENT)

    def make(self, change: Change, seen: Evidence) -> str:
        """Claim the change, make it, and record that it was made. Returns what went wrong besides, in words, or nothing.

        The image parameter is written before the service is changed: a crash in between leaves it naming a good image. Raises
        ClaimedError when another run was faster, and ChangeError when ECS refused."""
        self._incidents.claim(change, seen)
        flaw = self.keep(change.image)
        try:
            if change.action == "stop":
                self._ecs.stop_service_deployment(serviceDeploymentArn=change.deployment, stopType="ROLLBACK")
            else:
                # ECS does not watch a deployment alarm that is in ALARM when the deployment starts, so it lets this one be:
                # https://docs.aws.amazon.com/AmazonECS/latest/developerguide/deployment-alarm-failure.html
                self._ecs.update_service(
                    cluster=self._settings.cluster, service=self._settings.service, taskDefinition=change.to_task_definition
                )
        except (BotoCoreError, ClientError) as error:
            self._incidents.settle(replace(change, state="failed"))
            raise ChangeError(str(error)) from error
        self._incidents.settle(replace(change, state="done"))
        return flaw

    def keep(self, image: str) -> str:
        """Make the next `cdk deploy` keep the image. Returns what went wrong, in words: it must not hold up a rollback."""
        try:
            self._ssm.put_parameter(Name=self._settings.image_parameter, Value=image, Type="String", Overwrite=True)
        except (BotoCoreError, ClientError) as error:
            return (
                f"The image parameter could not be written ({error}), and the next `cdk deploy` would undo this rollback. Run"
                f" aws ssm put-parameter --overwrite --type String --name {self._settings.image_parameter} --value {image}"
            )
        return ""

    def publish(self, outcome: Outcome) -> None:
        """Send the outcome to its topic, and to the escalations when a person is needed.

        The attribute `paged` says whether a page tells of it anyway, so that nobody is called for it twice."""
        words = text(outcome, self._settings.runbook_url)
        self._sns.publish(TopicArn=self._settings.outcomes_topic, Subject=subject(outcome), Message=words)
        if outcome.needs_person:
            title = subject(outcome)
            name = f"{outcome.service} {outcome.outcome} {outcome.at}"  # an incident of its own
            self._sns.publish(
                TopicArn=self._settings.escalations_topic,
                Subject=f"ALARM: {title}"[:100],
                Message=json.dumps({"default": words, "https": pagerduty.message(name, "ALARM", outcome.at, title, words)}),
                MessageStructure="json",
                MessageAttributes={
                    "paged": {"DataType": "String", "StringValue": "yes" if outcome.outcome in _PAGED else "no"}
                },
            )


def subject(outcome: Outcome) -> str:
    """One line: SNS takes at most 100 ASCII characters."""
    return f"[{outcome.environment}] {outcome.outcome}: {outcome.service}"[:100]


def text(outcome: Outcome, runbook_url: str) -> str:
    """The message, for somebody who was just woken up."""
    parts = {
        "What is wrong": outcome.wrong,
        "What was done": outcome.done,
        "Why": outcome.reason,
        "What to look at": outcome.look_at,
        "Runbook": runbook.section(f"{outcome.section} {SECTIONS[outcome.section]}", runbook_url),
    }
    return "\n\n".join(f"{title}\n  {words}" for title, words in parts.items() if words)
