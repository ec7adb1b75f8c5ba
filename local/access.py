"""IAM in the local cloud: what the emulator's enforcement gets wrong for ECS, and a record of who called what.

Replaced in ministack 1.5.33:
- `app.pin_request_origin`: loopback is plain HTTP, which the `aws:SecureTransport` bucket policies of `enforce_ssl` deny. Every
  request counts as sent over TLS.
- `iam_actions.extract_resource_arn` for ECS: it names the cluster whatever the action, so that no policy on a service matches.
- `iam_evaluator.enforce`: called through, and recorded.
"""

import contextvars
import json
from collections import deque
from collections.abc import Callable
from typing import Any

from ministack import app
from ministack.core import iam_actions, iam_evaluator

from local.clock import Clock

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


def _last(reference: str) -> str:
    return reference.rpartition("/")[2]


def _ecs_resource(action: str, request: dict[str, Any], prefix: str) -> str:
    """The resource that ECS authorizes an action on.

    https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazonelasticcontainerservice.html
    """
    cluster = _last(request.get("cluster") or "default")

    def named(kind: str, reference: str) -> str:
        return reference if reference.startswith("arn:") else f"{prefix}:{kind}/{cluster}/{_last(reference)}"

    match action:
        case "CreateService" | "UpdateService" | "DeleteService" | "ListServiceDeployments" | "DescribeServices":
            reference = request.get("service") or request.get("serviceName") or next(iter(request.get("services", ())), "")
            return named("service", reference)
        case "DescribeServiceDeployments":
            return str(next(iter(request.get("serviceDeploymentArns", ())), "*"))
        case "DescribeServiceRevisions":
            return str(next(iter(request.get("serviceRevisionArns", ())), "*"))
        case "StopServiceDeployment":
            return str(request.get("serviceDeploymentArn", "*"))
        case "DescribeTasks":
            return named("task", next(iter(request.get("tasks", ())), ""))
        case "StopTask" | "ExecuteCommand":
            return named("task", request.get("task", ""))
        case "RunTask":
            return f"{prefix}:task-definition/{_last(request.get('taskDefinition', ''))}"
        case "RegisterTaskDefinition":
            return f"{prefix}:task-definition/{request.get('family', '')}"
        case "CreateCluster" | "DescribeClusters" | "UpdateCluster" | "DeleteCluster":
            reference = request.get("clusterName") or next(iter(request.get("clusters", ())), "") or cluster
            return f"{prefix}:cluster/{_last(reference)}"
        case "ListTasks" | "ListContainerInstances":
            return f"{prefix}:container-instance/{cluster}/*"
        case _:
            return "*"
