"""One-off tasks: a command in a task of the service's own definition, in its subnets and under its security group.

The task has the service's secrets, so that no credential passes through here.
https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_RunTask.html
"""

import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from lambdas.common.ecs import reasons
from lambdas.procedures.run import Answer, RefusedError, Run, VerifyError, waiting
from lambdas.procedures.stores import StoresSettings

if TYPE_CHECKING:
    from mypy_boto3_ecs import ECSClient

_LINES = 100
"""So many of the last lines are read."""
_CREDENTIALS = re.compile(r"(://[^\s/:@]*:)[^\s@]+@")


@dataclass(frozen=True)
class Ended:
    """A task whose command has succeeded: what it wrote, and where."""

    lines: Sequence[str]
    stream: str


class OneOff:
    """Runs one-off tasks of one service."""

    def __init__(self, settings: StoresSettings, ecs: "ECSClient", logs: Any) -> None:
        self._settings = settings
        self._ecs = ecs
        self._logs = logs

    def service(self) -> Any:
        """The service, whose definition and network a task gets; RefusedError when there is none."""
        answer = self._ecs.describe_services(cluster=self._settings.cluster, services=[self._settings.service])
        if not answer["services"] or answer["services"][0]["status"] != "ACTIVE":
            raise RefusedError(f"There is no service {self._settings.service}.")
        return answer["services"][0]

    def run(self, run: Run, command: Sequence[str], variables: Mapping[str, str] | None = None) -> Ended | Answer:
        """Run a command once for each execution and command, and wait for its end: an answer as long as it runs.

        VerifyError when it fails, with what it wrote."""
        task = self._task(self._started(run, command, variables or {}))
        identifier = task["taskArn"].rpartition("/")[2]
        if task["lastStatus"] != "STOPPED":
            return waiting(f"Task {identifier} is {task['lastStatus']}.")
        stream = f"{self._settings.container}/{self._settings.container}/{identifier}"
        lines = self._lines(stream)
        container: Any = next((one for one in task["containers"] if one["name"] == self._settings.container), {})
        if (code := container.get("exitCode")) != 0:
            wrote = f" It wrote: {' / '.join(lines[-5:])}" if lines else ""
            ended = (
                f"ended with {code}" if code is not None else f"did not run: {container.get('reason') or task['stoppedReason']}"
            )
            raise VerifyError(f"Task {identifier} {ended}.{wrote} All of it: {stream} of {self._settings.backend_log_group}")
        return Ended(lines, stream)

    def _started(self, run: Run, command: Sequence[str], variables: Mapping[str, str]) -> str:
        """The ARN of the task. ECS starts one for one client token within a day, and answers with it each time.

        https://docs.aws.amazon.com/AmazonECS/latest/APIReference/ECS_Idempotency.html"""
        service = self.service()
        token = hashlib.sha256("\0".join((run.execution, *command)).encode()).hexdigest()
        override: Any = {
            "name": self._settings.container,
            "command": list(command),
            "environment": [{"name": name, "value": value} for name, value in variables.items()],
        }
        try:
            answer: Any = self._ecs.run_task(
                cluster=self._settings.cluster,
                taskDefinition=service["taskDefinition"],
                launchType="FARGATE",
                networkConfiguration=service["networkConfiguration"],
                overrides={"containerOverrides": [override]},
                startedBy=run.procedure,
                clientToken=token,
            )
        except self._ecs.exceptions.ConflictException as error:  # a deployment has changed the service since it was started
            return str(error.response["resourceIds"][0])  # type: ignore[typeddict-item]
        if not answer["tasks"]:
            raise VerifyError(f"The task did not start: {reasons(answer)}")
        return str(answer["tasks"][0]["taskArn"])

    def _task(self, arn: str) -> Any:
        answer = self._ecs.describe_tasks(cluster=self._settings.cluster, tasks=[arn])
        if not answer["tasks"]:
            raise VerifyError(f"ECS shows task {arn} no more: {reasons(answer)}")
        return answer["tasks"][0]

    def _lines(self, stream: str) -> list[str]:
        """The last lines that the task wrote, without passwords in URLs; none when it wrote nothing."""
        try:
            answer = self._logs.get_log_events(
                logGroupName=self._settings.backend_log_group, logStreamName=stream, limit=_LINES, startFromHead=False
            )
        except self._logs.exceptions.ResourceNotFoundException:
            return []
        return [_CREDENTIALS.sub(r"\1***@", event["message"].rstrip()) for event in answer["events"]]
