"""ECS's events, and a partner's: EventBridge takes a service's deployments and stopped tasks to log groups and functions, and
what PagerDuty says to the event bus of its source, as AWS does.

https://docs.aws.amazon.com/AmazonECS/latest/developerguide/ecs_service_deployment_events.html
https://docs.aws.amazon.com/AmazonECS/latest/developerguide/ecs_task_events.html

ministack 1.5.33 sends no events of ECS, and its EventBridge has no log groups as targets. Replaced:
- `ecs._mark_task_stopped`: called through; the task's event follows;
- `eventbridge._describe_event_source`: called through; refused where there is none, PENDING without a bus of its name;
- `eventbridge._put_partner_events`: called through; ministack drops the events, here they go to the bus with the source's name
  (https://docs.aws.amazon.com/eventbridge/latest/APIReference/API_PutPartnerEvents.html);
- `eventbridge._invoke_target`: called through; a log group as a target gets the event in a log stream of its own;
- `eventbridge._dispatch_to_lambda`: invokes asynchronously, with Lambda's retries, and only when the function's resource policy
  allows the rule (https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-use-resource-based.html).
`Deployments.observer` calls this for each turn of a deployment.
"""

import contextvars
import json
import logging
import secrets
from typing import Any

from ministack.core.responses import error_response_json, get_account_id, get_region, new_uuid
from ministack.services import cloudwatch_logs, ecs, eventbridge

from local.ecs.rollout import Deployment, Revision, Status, Turn
from local.emulator.clock import Clock
from local.emulator.ecs_deployments import Deployments
from local.emulator.functions import invoke_for

logger = logging.getLogger("local.events")

_rule: contextvars.ContextVar[str] = contextvars.ContextVar("rule", default="")
"""The ARN of the rule whose target is invoked."""


class ServiceEvents:
    """Sends the events and delivers them to log groups and functions."""

    def __init__(self, clock: Clock) -> None:
        self.clock = clock

    def install(self, deployments: Deployments) -> None:
        """Plug in."""
        deployments.observer = self.deployment_turned
        self._invoke, self._mark_stopped = eventbridge._invoke_target, ecs._mark_task_stopped
        eventbridge._invoke_target, ecs._mark_task_stopped = self.invoke_target, self.mark_task_stopped
        eventbridge._dispatch_to_lambda = _invoke_function
        self._describe_event_source = eventbridge._describe_event_source
        eventbridge._describe_event_source = self.describe_event_source
        self._put_partner_events, eventbridge._put_partner_events = eventbridge._put_partner_events, self.put_partner_events

    def describe_event_source(self, request: dict[str, Any]) -> Any:
        name = request.get("Name", "")
        if all(one["Name"] != name for one in eventbridge._partner_event_sources.values()):
            return error_response_json("ResourceNotFoundException", f"Event source {name} does not exist.", 400)
        status, headers, body = self._describe_event_source(request)
        state = "ACTIVE" if name in eventbridge._event_buses else "PENDING"
        return status, headers, json.dumps(json.loads(body) | {"State": state}).encode()

    def put_partner_events(self, request: dict[str, Any]) -> Any:
        """Each reaches the event bus that is associated with its source; without one, nobody."""
        answer = self._put_partner_events(request)
        for one in request.get("Entries", ()):
            eventbridge._dispatch_event(
                {
                    "EventId": new_uuid(),
                    "Source": one["Source"],
                    "DetailType": one["DetailType"],
                    "Detail": one["Detail"],
                    "Time": int(one.get("Time", self.clock.time())),
                    "Resources": one.get("Resources", []),
                    "Account": get_account_id(),
                    "Region": get_region(),
                    "EventBusName": one["Source"],
                }
            )
        return answer

    def deployment_turned(self, turn: Turn) -> None:
        """The events of a deployment's new status.

        Documented are: a deployment or a rollback begins, it reaches a steady state, and the circuit breaker or an alarm fails
        it. Nothing is documented for a deployment that a person stops or a newer one replaces, so nothing is sent for it.
        """
        deployment, back = turn.deployment, turn.deployment.rollback
        if turn.status is Status.IN_PROGRESS:
            self._deployment(turn, deployment.target, "IN_PROGRESS", f"ECS deployment {_id(deployment.target)} in progress.")
        elif turn.status is Status.SUCCESSFUL:
            self._deployment(turn, deployment.target, "COMPLETED", f"ECS deployment {_id(deployment.target)} completed.")
        elif deployment.failed and turn.status in (Status.ROLLBACK_IN_PROGRESS, Status.STOPPED):
            self._deployment(turn, deployment.target, "FAILED", _failure(deployment))
        if back and turn.status is Status.ROLLBACK_IN_PROGRESS:
            reason = f"ECS deployment circuit breaker: rolling back to deploymentId {_id(back.to)}."
            self._deployment(turn, back.to, "IN_PROGRESS", reason)
        elif back and turn.status is Status.ROLLBACK_SUCCESSFUL:
            self._deployment(turn, back.to, "COMPLETED", f"ECS deployment {_id(back.to)} completed.")
        elif back and turn.status is Status.ROLLBACK_FAILED:
            self._deployment(turn, back.to, "FAILED", _failure(deployment))

    def _deployment(self, turn: Turn, revision: Revision, state: str, reason: str) -> None:
        service = turn.deployment.arn.replace(":service-deployment/", ":service/").rpartition("/")[0]
        detail = {
            "eventType": "ERROR" if state == "FAILED" else "INFO",
            "eventName": f"SERVICE_DEPLOYMENT_{state}",
            "deploymentId": _id(revision),
            "updatedAt": f"{self.clock.now():%Y-%m-%dT%H:%M:%SZ}",
            "reason": reason,
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
            token = _rule.set(rule["Arn"])
            self._invoke(target, event, rule, view)
            _rule.reset(token)
            return
        stream = secrets.token_hex(16)
        cloudwatch_logs._create_log_stream({"logGroupName": group, "logStreamName": stream})
        message = json.dumps((view or eventbridge._pattern_event_view(event)).event_with_detail())
        logged = {"timestamp": int(event["Time"]) * 1000, "message": message}
        cloudwatch_logs._put_log_events({"logGroupName": group, "logStreamName": stream, "logEvents": [logged]})


def _id(revision: Revision) -> str:
    return f"ecs-svc/{revision.number}"


def _failure(deployment: Deployment) -> str:
    """As ECS words it for its circuit breaker; its words for an alarm are not documented."""
    what = "alarm detected" if deployment.triggered else "tasks failed to start"
    return f"ECS deployment {'failed' if deployment.triggered else 'circuit breaker'}: {what}."


def _invoke_function(function: str, payload: str) -> None:
    error = invoke_for("events.amazonaws.com", _rule.get(), function, json.loads(payload))
    if error:
        logger.warning("%s: %s", _rule.get(), error)
