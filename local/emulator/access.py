"""IAM in the local cloud: ECS's actions on the right resources, and a record of who called what.

Replaced in ministack 1.5.33:
- `app.pin_request_origin`: loopback is plain HTTP, which the `aws:SecureTransport` bucket policies of `enforce_ssl` deny. So
  every request counts as sent over TLS.
- `iam_actions.extract_resource_arn` for ECS: it gives the cluster for every action, and no policy on a service would match.
- the resource of DescribeAlarms: AWS authorizes it on alarms, the emulator on `*`.
- `iam_evaluator.enforce`: called through, and its calls are recorded.
"""

import contextvars
import json
from collections import deque
from collections.abc import Callable
from typing import Any

from ministack import app
from ministack.core import iam_actions, iam_evaluator
from ministack.core.responses import get_account_id

from local.emulator.clock import Clock

_cluster: contextvars.ContextVar[str] = contextvars.ContextVar("cluster", default="")


def install(clock: Clock) -> dict[str, Callable[..., Any]]:
    """Plug in; the control call `calls`."""
    pin, extract, enforce = app.pin_request_origin, iam_actions.extract_resource_arn, iam_evaluator.enforce
    calls: deque[dict[str, Any]] = deque(maxlen=100_000)

    def resource_arn(
        service: str, method: str, path: str, headers: Any, body: bytes, params: Any, region: str, account: str
    ) -> str:
        if service != "ecs":
            return str(extract(service, method, path, headers, body, params, region, account))
        request = json.loads(body or b"{}")
        prefix = f"arn:aws:ecs:{region}:{account}"
        _cluster.set(f"{prefix}:cluster/{_last(request.get('cluster') or 'default')}")
        return _ecs_resource(headers.get("x-amz-target", "").rpartition(".")[2], request, prefix)

    def recorded(
        access_key: str,
        action: str,
        service: str,
        region: str,
        resource_arn: str = "*",
        service_context: dict[str, Any] | None = None,
    ) -> Any:
        context = dict(service_context or {})
        if action == "cloudwatch:DescribeAlarms":
            resource_arn = f"arn:aws:cloudwatch:{region}:{get_account_id()}:alarm:*"
        if service == "ecs":
            context["ecs:cluster"] = _cluster.get()
        denied = enforce(access_key, action, service, region, resource_arn=resource_arn, service_context=context)
        principal = iam_evaluator.caller_arn()
        if not principal.endswith(":root"):
            call = {"time": clock.time(), "principal": principal, "service": service, "action": action}
            calls.append({**call, "resource": resource_arn, "allowed": denied is None})
        return denied

    def called(principal: str) -> list[dict[str, Any]]:
        """The calls of a role or of a function's sessions, by name, oldest first."""
        return [call for call in calls if principal in call["principal"].split("/")[1:]]

    app.pin_request_origin = lambda address, _: pin(address, True)
    iam_actions.extract_resource_arn = resource_arn
    iam_evaluator.enforce = recorded
    return {"calls": called}


# The kind of resource that ECS authorizes an action on, and the request's member with its name:
# https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazonelasticcontainerservice.html
_AUTHORIZED_ON: dict[str, tuple[str, str]] = {
    "CreateCluster": ("cluster", "clusterName"),
    "DeleteCluster": ("cluster", "cluster"),
    "UpdateCluster": ("cluster", "cluster"),
    "DescribeClusters": ("cluster", "clusters"),
    "RegisterTaskDefinition": ("task-definition", "family"),
    "RunTask": ("task-definition", "taskDefinition"),
    "CreateService": ("service", "serviceName"),
    "UpdateService": ("service", "service"),
    "DeleteService": ("service", "service"),
    "DescribeServices": ("service", "services"),
    "ListServiceDeployments": ("service", "service"),
    "DescribeServiceDeployments": ("service-deployment", "serviceDeploymentArns"),
    "StopServiceDeployment": ("service-deployment", "serviceDeploymentArn"),
    "DescribeServiceRevisions": ("service-revision", "serviceRevisionArns"),
    "DescribeTasks": ("task", "tasks"),
    "StopTask": ("task", "task"),
    "ExecuteCommand": ("task", "task"),
}


def _ecs_resource(action: str, request: dict[str, Any], prefix: str) -> str:
    """The ARN that an ECS action is authorized on; `*` for an action that has no resource-level permissions."""
    if action not in _AUTHORIZED_ON:
        return "*"
    kind, member = _AUTHORIZED_ON[action]
    named = request.get(member) or ""
    reference = str(named[0] if isinstance(named, list) else named)
    if reference.startswith("arn:"):
        return reference
    if kind in ("cluster", "task-definition"):
        return f"{prefix}:{kind}/{reference or 'default'}{':*' if member == 'family' else ''}"
    return f"{prefix}:{kind}/{_last(request.get('cluster') or 'default')}/{_last(reference)}"


def _last(reference: str) -> str:
    return reference.rpartition("/")[2]
