"""Writes to AWS: the one change of the service, and the message about an outcome."""

import json
from dataclasses import replace

from botocore.exceptions import ClientError

from lambdas.common import pagerduty
from lambdas.common.incidents import Outcome
from lambdas.common.words import one_line
from lambdas.rollback.changes import Changes
from lambdas.rollback.clients import Clients
from lambdas.rollback.decisions import Change, Evidence
from lambdas.rollback.evidence import Reader
from lambdas.rollback.settings import RollbackSettings

_PAGED = ("escalated", "failed")
"""Outcomes for which somebody is called anyway: a page says that the service is impaired, an alarm that the function failed."""

_IN_TROUBLE = ("InternalFailure", "ServerException", "ServiceUnavailable", "RequestTimeout")


class ChangeError(Exception):
    """AWS did not take the change."""


class LostAnswerError(Exception):
    """Nobody knows whether AWS took the change; the message says what is known."""


class Actions:
    """What may be written in one environment."""

    def __init__(self, settings: RollbackSettings, clients: Clients, changes: Changes, reader: Reader) -> None:
        self._settings = settings
        self._changes = changes
        self._reader = reader
        self._ecs = clients.ecs
        self._ssm = clients.ssm
        self._sns = clients.sns

    def make(self, change: Change, seen: Evidence) -> str:
        """Claim the change, make it, and record that it was made. Returns what went wrong beside it, in words; or nothing.

        Raises ClaimedError when another run was faster, ChangeError when ECS refused, and LostAnswerError when its answer was
        lost and the service does not show the change."""
        self._changes.claim(change, seen)
        try:
            self._ask(change)
        except Exception as error:
            self._look_again(change, error)
        return " ".join(filter(None, (self._settle(replace(change, state="done")), self._keep(change.image))))

    def _ask(self, change: Change) -> None:
        if change.action == "stop":
            self._ecs.stop_service_deployment(serviceDeploymentArn=change.deployment, stopType="ROLLBACK")
        else:
            # ECS ignores a deployment alarm that is in ALARM when the deployment starts, so it does not stop this one:
            # https://docs.aws.amazon.com/AmazonECS/latest/developerguide/deployment-alarm-failure.html
            self._ecs.update_service(
                cluster=self._settings.cluster, service=self._settings.service, taskDefinition=change.to_task_definition
            )

    def _look_again(self, change: Change, error: Exception) -> None:
        """Return when the service shows a change whose answer was this error: some attempt was taken all the same."""
        try:
            if self._reader.shows(change):
                return
            shown = "it did not show the change a moment later"
        except Exception as unread:
            shown = f"it could not be read afterwards ({unread})"
        if _refused(error):
            self._settle(replace(change, state="failed"))
            raise ChangeError(str(error)) from error
        raise LostAnswerError(f"ECS's answer was lost ({error}), and {shown}") from error

    def _settle(self, change: Change) -> str:
        """Record how a change ended. Returns what went wrong, in words: the change is more than its record."""
        try:
            self._changes.settle(change)
        except Exception as error:
            return f"How it ended could not be recorded ({error})."
        return ""

    def _keep(self, image: str) -> str:
        """Name the image for a `cdk deploy` that runs before the rollback has ended: only then does `releases` name it.

        Returns what went wrong, in words: it must not hold up a rollback."""
        try:
            self._ssm.put_parameter(Name=self._settings.image_parameter, Value=image, Type="String", Overwrite=True)
        except Exception as error:
            return f"The image parameter may not be written ({error}): run no `cdk deploy` before the rollback has ended."
        return ""

    def publish(self, outcome: Outcome) -> None:
        """Send the outcome to its topic."""
        words = text(outcome, self._settings.runbook_url)
        self._sns.publish(TopicArn=self._settings.outcomes_topic, Subject=subject(outcome), Message=words)

    def escalate(self, outcome: Outcome) -> None:
        """Send the outcome to the escalations: a person is needed.

        The attribute `paged` says whether a page tells of it anyway, so that nobody is called for it twice."""
        words, title = text(outcome, self._settings.runbook_url), subject(outcome)
        name = f"{outcome.service} {outcome.outcome} {outcome.at}"  # an incident of its own
        self._sns.publish(
            TopicArn=self._settings.escalations_topic,
            Subject=f"ALARM: {title}"[:100],
            Message=json.dumps({"default": words, "https": pagerduty.message(name, "ALARM", outcome.at, title, words)}),
            MessageStructure="json",
            MessageAttributes={"paged": {"DataType": "String", "StringValue": "yes" if outcome.outcome in _PAGED else "no"}},
        )


def _refused(error: Exception) -> bool:
    """Whether ECS said no, and not that it is in trouble itself, or nothing at all."""
    if not isinstance(error, ClientError):
        return False
    status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 400)
    return status < 500 and error.response["Error"]["Code"] not in _IN_TROUBLE


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
    return "\n\n".join(f"{title}\n  {one_line(words)}" for title, words in parts.items() if words)
