"""Writes to AWS: the one change of the service, and the message about an outcome."""

import json
from dataclasses import replace

from botocore.exceptions import BotoCoreError, ClientError

from lambdas.common import pagerduty
from lambdas.common.incidents import Outcome
from lambdas.rollback.changes import Changes
from lambdas.rollback.clients import Clients
from lambdas.rollback.decisions import Change, Evidence
from lambdas.rollback.settings import RollbackSettings

_PAGED = ("escalated", "failed")
"""Outcomes for which somebody is called anyway: a page says that the service is impaired, an alarm that the function failed."""


class ChangeError(Exception):
    """AWS did not take the change, or did not say that it did."""


class Actions:
    """What may be written in one environment."""

    def __init__(self, settings: RollbackSettings, clients: Clients, changes: Changes) -> None:
        self._settings = settings
        self._changes = changes
        self._ecs = clients.ecs
        self._ssm = clients.ssm
        self._sns = clients.sns

    def make(self, change: Change, seen: Evidence) -> str:
        """Claim the change, make it, and record that it was made. Returns what went wrong beside it, in words; or nothing.

        Raises ClaimedError when another run was faster, and ChangeError when ECS refused."""
        self._changes.claim(change, seen)
        try:
            if change.action == "stop":
                self._ecs.stop_service_deployment(serviceDeploymentArn=change.deployment, stopType="ROLLBACK")
            else:
                # ECS ignores a deployment alarm that is in ALARM when the deployment starts, so it does not stop this one:
                # https://docs.aws.amazon.com/AmazonECS/latest/developerguide/deployment-alarm-failure.html
                self._ecs.update_service(
                    cluster=self._settings.cluster, service=self._settings.service, taskDefinition=change.to_task_definition
                )
        except (BotoCoreError, ClientError) as error:
            self._changes.settle(replace(change, state="failed"))
            raise ChangeError(str(error)) from error
        self._changes.settle(replace(change, state="done"))
        return self._keep(change.image)

    def _keep(self, image: str) -> str:
        """Name the image for a `cdk deploy` that runs before the rollback has ended: only then does `releases` name it.

        Returns what went wrong, in words: it must not hold up a rollback."""
        try:
            self._ssm.put_parameter(Name=self._settings.image_parameter, Value=image, Type="String", Overwrite=True)
        except (BotoCoreError, ClientError) as error:
            return f"The image parameter could not be written ({error}): run no `cdk deploy` before the rollback has ended."
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
        "Runbook": outcome.section.link(runbook_url),
    }
    return "\n\n".join(f"{title}\n  {words}" for title, words in parts.items() if words)
