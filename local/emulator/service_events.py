"""ECS's events: EventBridge takes a service's deployments and stopped tasks to a log group, as AWS does.

https://docs.aws.amazon.com/AmazonECS/latest/developerguide/ecs_cwe_events.html

ministack 1.5.33 sends no events of ECS, and its EventBridge has no log groups as targets. Replaced, both called through:
- `ecs._mark_task_stopped`: the task's event follows;
- `eventbridge._invoke_target`: a log group as a target gets the event in a log stream of its own.
`Deployments.observer` calls this for each turn of a deployment.
"""

import json
import secrets
from typing import Any

from ministack.core.responses import new_uuid
from ministack.services import cloudwatch_logs, ecs, eventbridge

from local.ecs.rollout import Revision, Status, Turn
from local.emulator.clock import Clock
from local.emulator.ecs_deployments import Deployments


class ServiceEvents:
    """Sends the events and delivers them to log groups."""

    def __init__(self, clock: Clock) -> None:
        self.clock = clock

    def install(self, deployments: Deployments) -> None:
        """Plug in."""
        deployments.observer = self.deployment_turned
        self._invoke, self._mark_stopped = eventbridge._invoke_target, ecs._mark_task_stopped
        eventbridge._invoke_target, ecs._mark_task_stopped = self.invoke_target, self.mark_task_stopped

    def deployment_turned(self, turn: Turn) -> None:
        """The events of a deployment's new status, worded as ECS does for its circuit breaker."""
        deployment = turn.deployment
        target, source = deployment.target, deployment.source
        match turn.status:
            case Status.IN_PROGRESS:
                self._deployment(turn, target, "SERVICE_DEPLOYMENT_IN_PROGRESS", "in progress")
            case Status.SUCCESSFUL:
                self._deployment(turn, target, "SERVICE_DEPLOYMENT_COMPLETED", "completed")
            case Status.ROLLBACK_IN_PROGRESS if source:
                self._deployment(turn, target, "SERVICE_DEPLOYMENT_FAILED", f"failed: {deployment.reason}")
                self._deployment(turn, source, "SERVICE_DEPLOYMENT_IN_PROGRESS", "is rolled back to")
            case Status.ROLLBACK_SUCCESSFUL if source:
                self._deployment(turn, source, "SERVICE_DEPLOYMENT_COMPLETED", "completed")
            case Status.ROLLBACK_FAILED if source:
                self._deployment(turn, source, "SERVICE_DEPLOYMENT_FAILED", "failed")

    def _deployment(self, turn: Turn, revision: Revision, name: str, what: str) -> None:
        service = turn.deployment.arn.replace(":service-deployment/", ":service/").rpartition("/")[0]
        identifier = f"ecs-svc/{revision.number}"
        detail = {
            "eventType": "ERROR" if name.endswith("FAILED") else "INFO",
            "eventName": name,
            "deploymentId": identifier,
            "updatedAt": f"{self.clock.now():%Y-%m-%dT%H:%M:%SZ}",
            "reason": f"ECS deployment {identifier} {what}".rstrip(".") + ".",
        }
        self._send("ECS Deployment State Change", detail, [service], turn.at)

    def mark_task_stopped(self, arn: str, task: dict[str, Any], *arguments: Any, **named: Any) -> Any:
        stopped = self._mark_stopped(arn, task, *arguments, **named)
        if stopped:
            detail = {key: value for key, value in task.items() if not key.startswith("_")}
            self._send("ECS Task State Change", detail, [arn], self.clock.time())
        return stopped

    def _send(self, detail_type: str, detail: dict[str, Any], resources: list[str], at: float) -> None:
        _, _, _, region, account, _ = resources[0].split(":", 5)
        eventbridge._dispatch_event(
            {
                "EventId": new_uuid(),
                "Source": "aws.ecs",
                "DetailType": detail_type,
                "Detail": json.dumps(detail, default=str),
                "Time": int(at),
                "Resources": resources,
                "Account": account,
                "Region": region,
            }
        )

    def invoke_target(self, target: dict[str, Any], event: dict[str, Any], rule: dict[str, Any], view: Any = None) -> None:
        _, _, service, *_, group = target["Arn"].split(":")
        if service != "logs":
            self._invoke(target, event, rule, view)
            return
        stream = secrets.token_hex(16)
        cloudwatch_logs._create_log_stream({"logGroupName": group, "logStreamName": stream})
        message = json.dumps((view or eventbridge._pattern_event_view(event)).event_with_detail())
        logged = {"timestamp": int(event["Time"]) * 1000, "message": message}
        cloudwatch_logs._put_log_events({"logGroupName": group, "logStreamName": stream, "logEvents": [logged]})
