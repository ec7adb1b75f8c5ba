"""IAM in the local cloud: actions on the right resources, roles that are passed, and a record of who called what.

Replaced in ministack 1.5.33:
- `app.pin_request_origin`: loopback is plain HTTP, which the `aws:SecureTransport` bucket policies of `enforce_ssl` deny. So
  every request counts as sent over TLS.
- `iam_actions.extract_resource_arn` for ECS: it gives the cluster for every action, and no policy on a service would match.
- the same for what CloudWatch Logs authorizes on a log stream, and for queries, on any of a group;
- the same for Systems Manager's documents and automations, and for RDS and ElastiCache (`local.emulator.store_access`);
- the resource of DescribeAlarms: AWS authorizes it on alarms, and on `*` when composite alarms are asked for;
  that of ListAlarmMuteRules.
- `iam_evaluator.enforce`: called through, and its calls are recorded. A call that passes a role needs `iam:PassRole` too.
- that of actions on IP sets: it gives web ACLs;
- the tags of distributions: conditions on them never held.
- `iam_actions.access_denied_response`: called through; a role that may not be passed is named in the message.
"""

import contextvars
import json
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from ministack import app
from ministack.core import iam_actions, iam_evaluator
from ministack.core.responses import get_account_id
from ministack.services import ecs, tagging

from local.emulator import store_access
from local.emulator.clock import Clock

Members = dict[str, Any]


@dataclass
class Request:
    """The request at hand: its members, the cluster of an ECS request, further resources that it is authorized on, and what of
    all that was denied, an action and a resource."""

    members: Members = field(default_factory=dict)
    cluster: str = ""
    also: list[str] = field(default_factory=list)
    denied: tuple[str, str] | None = None


_request: contextvars.ContextVar[Request] = contextvars.ContextVar("request")


def install(clock: Clock) -> dict[str, Callable[..., Any]]:
    """Plug in; the control call `calls`."""
    access = Access(clock)
    pin = app.pin_request_origin
    app.pin_request_origin = lambda address, _: pin(address, True)
    iam_actions.extract_resource_arn = access.resource_arn
    iam_actions.access_denied_response = access.denied
    iam_evaluator.enforce = access.enforce
    tagging._RESOURCE_TAG_COLLECTORS["cloudfront"] = tagging._collect_cloudfront
    return {"calls": access.called}


class Access:
    """Who may do what, in place of the emulator's own functions, which it calls; and who did what."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._calls: deque[dict[str, Any]] = deque(maxlen=100_000)
        self._resource_arn = iam_actions.extract_resource_arn
        self._denied = iam_actions.access_denied_response
        self._enforce = iam_evaluator.enforce

    def resource_arn(
        self, service: str, method: str, path: str, headers: Any, body: bytes, params: Any, region: str, account: str
    ) -> str:
        """What the request is authorized on."""
        request = Request(members(headers, body, params))
        _request.set(request)
        if service == "ssm" and (resources := _ssm_resources(headers, request.members, f"arn:aws:ssm:{region}:{account}")):
            request.also = resources[1:]
            return resources[0]
        if resources := store_access.resources(service, request.members, region, account):
            request.also = resources[1:]
            return resources[0]
        stream = request.members.get("logStreamName", "")
        if service == "logs" and (stream or headers.get("x-amz-target", "").endswith(".StartQuery")):
            group = request.members.get("logGroupName") or str(request.members.get("logGroupIdentifier")).rpartition(":")[2]
            return f"arn:aws:logs:{region}:{account}:log-group:{group}:log-stream:{stream}"
        if service == "wafv2" and headers.get("x-amz-target", "").endswith("IPSet"):
            scope, home = ("regional", region) if request.members.get("Scope") != "CLOUDFRONT" else ("global", "us-east-1")
            return (
                f"arn:aws:wafv2:{home}:{account}:{scope}/ipset/{request.members.get('Name')}/{request.members.get('Id', '*')}"
            )
        if service != "ecs":
            return str(self._resource_arn(service, method, path, headers, body, params, region, account))
        prefix = f"arn:aws:ecs:{region}:{account}"
        request.cluster = f"{prefix}:cluster/{_last(request.members.get('cluster') or 'default')}"
        return _ecs_resource(headers.get("x-amz-target", "").rpartition(".")[2], request.members, prefix)

    def enforce(
        self,
        access_key: str,
        action: str,
        service: str,
        region: str,
        resource_arn: str = "*",
        service_context: dict[str, Any] | None = None,
    ) -> Any:
        """None when the caller may do that, and may pass the roles that the request names."""
        request, account = _request.get(Request()), get_account_id()
        context = dict(service_context or {})
        if action == "cloudwatch:DescribeAlarms" and not of_composite_alarms(request.members):
            resource_arn = f"arn:aws:cloudwatch:{region}:{account}:alarm:*"
        if action == "cloudwatch:ListAlarmMuteRules":
            resource_arn = f"arn:aws:cloudwatch:{region}:{account}:alarm-mute-rule:*"
        if service == "ecs":
            context["ecs:cluster"] = request.cluster
        denied = self._enforce(access_key, action, service, region, resource_arn=resource_arn, service_context=context)
        self._record(service, action, resource_arn, denied)
        for resource in () if denied else request.also:
            denied = self._enforce(access_key, action, service, region, resource_arn=resource, service_context=context)
            self._record(service, action, resource, denied)
            if denied:
                request.denied = action, resource
                break
        passed = (
            ("iam:PassRole", role, {"iam:PassedToService": receiver})
            for role, receiver in passed_roles(action, request.members, account)
        )
        further = store_access.further(action, request.members, region, account)
        for needed, resource, context in () if denied else (*passed, *further):
            other = needed.partition(":")[0]
            denied = self._enforce(access_key, needed, other, region, resource_arn=resource, service_context=context)
            self._record(other, needed, resource, denied)
            if denied:
                request.denied = needed, resource
                break
        return denied

    def _record(self, service: str, action: str, resource: str, denied: Any) -> None:
        principal = iam_evaluator.caller_arn()
        if not principal.endswith(":root"):
            call = {"time": self._clock.time(), "principal": principal, "service": service, "action": action}
            self._calls.append({**call, "resource": resource, "allowed": denied is None})

    def denied(self, service: str, action: str, principal: str, request_id: str, **answer: Any) -> Any:
        """The answer to a denied request; as on AWS, it names a role that could not be passed."""
        if found := _request.get(Request()).denied:
            action, resource = found
            message = iam_actions.identity_denial_message(action, principal, resource, bool(answer.get("explicit_deny")))
            answer |= {"resource_arn": resource, "message": message}
        return self._denied(service, action, principal, request_id, **answer)

    def called(self, principal: str) -> list[dict[str, Any]]:
        """The calls of a role or of a function's sessions, by name, oldest first."""
        return [call for call in self._calls if principal in call["principal"].split("/")[1:]]


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
    "ListTasks": ("container-instance", ""),  # of the cluster, whichever they are
    "StopTask": ("task", "task"),
    "ExecuteCommand": ("task", "task"),
}


# The kind of resource that Systems Manager authorizes an action on, and the request's member with its name:
# https://docs.aws.amazon.com/service-authorization/latest/reference/list_awssystemsmanager.html
_OF_SSM: dict[str, tuple[str, str]] = {
    "CreateDocument": ("document", "Name"),
    "DeleteDocument": ("document", "Name"),
    "DescribeDocument": ("document", "Name"),
    "GetDocument": ("document", "Name"),
    "ListDocumentVersions": ("document", "Name"),
    "UpdateDocument": ("document", "Name"),
    "UpdateDocumentDefaultVersion": ("document", "Name"),
    "StartAutomationExecution": ("document", "DocumentName"),
    "DescribeAutomationStepExecutions": ("automation-execution", "AutomationExecutionId"),
    "GetAutomationExecution": ("automation-execution", "AutomationExecutionId"),
    "SendAutomationSignal": ("automation-execution", "AutomationExecutionId"),
    "StopAutomationExecution": ("automation-execution", "AutomationExecutionId"),
}


def _ssm_resources(headers: Mapping[str, str], request: Members, prefix: str) -> list[str]:
    """The ARNs that an action on documents or executions is authorized on; none for other actions.

    Starting an automation needs all three that the reference names. AWS's examples have the last two:
    https://docs.aws.amazon.com/systems-manager/latest/userguide/automation-setup-identity-based-policies.html
    and AWS's answers have named the first: https://github.com/aws-solutions/automated-security-response-on-aws/issues/29.
    A policy with all of them is right in either account.
    """
    action = headers.get("x-amz-target", "").rpartition(".")[2]
    if action not in _OF_SSM:
        return []
    kind, member = _OF_SSM[action]
    name = _last(str(request.get(member) or ""))
    resource = f"{prefix}:{kind}/{name}"
    if action != "StartAutomationExecution":
        return [resource]
    version = request.get("DocumentVersion") or "$DEFAULT"
    return [f"{prefix}:automation-definition/{name}:{version}", resource, f"{prefix}:automation-execution/*"]


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


def members(headers: Mapping[str, str], body: bytes, params: Mapping[str, Any]) -> Members:
    """What a request says, in the API's names, as JSON or as a form; empty for what is in XML or binary."""
    if "x-www-form-urlencoded" in headers.get("content-type", ""):
        form: Members = {}
        for key, values in params.items():
            name, listed, _ = key.partition(".member.")
            form[name] = [*form.get(name, ()), *values] if listed else values[0]
        return form
    try:
        found = json.loads(body or b"{}")
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def of_composite_alarms(request: Members) -> bool:
    """Whether a DescribeAlarms asks for composite alarms, which AWS shows only to a permission on `*`.

    https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_DescribeAlarms.html: without types it is about metric
    alarms only, and an alarm's parents are composite alarms.
    """
    return "CompositeAlarm" in (request.get("AlarmTypes") or ()) or "ParentsOfAlarmName" in request


_TASKS = "ecs-tasks.amazonaws.com"


def _under(*names: str) -> Callable[[Members], list[Any]]:
    return lambda request: [request.get(name) for name in names]


_of_tasks = _under("taskRoleArn", "executionRoleArn")


def _of_task_definition(request: Members) -> list[Any]:
    """The roles of the task definition that a request names, and those that it puts in their place.

    An UpdateService that names no task definition passes none: https://github.com/keidarcy/e1s/issues/429
    """
    named = request.get("taskDefinition")
    definition = ecs._task_defs.get(ecs._resolve_td_key(named)) if named else None
    return [*_of_tasks(definition or {}), *_of_tasks(request.get("overrides") or {})]


# The roles that a request passes, and the service that gets them:
# https://docs.aws.amazon.com/IAM/latest/UserGuide/id_roles_use_passrole.html
PASSES: dict[str, tuple[Callable[[Members], Iterable[Any]], str]] = {
    "cloudformation:CreateChangeSet": (_under("RoleARN"), "cloudformation.amazonaws.com"),
    "cloudformation:CreateStack": (_under("RoleARN"), "cloudformation.amazonaws.com"),
    "cloudformation:DeleteStack": (_under("RoleARN"), "cloudformation.amazonaws.com"),
    "cloudformation:UpdateStack": (_under("RoleARN"), "cloudformation.amazonaws.com"),
    "ec2:CreateFlowLogs": (_under("DeliverLogsPermissionArn"), "vpc-flow-logs.amazonaws.com"),
    "ecs:CreateService": (_of_task_definition, _TASKS),
    "ecs:CreateTaskSet": (_of_task_definition, _TASKS),
    "ecs:RegisterTaskDefinition": (_of_tasks, _TASKS),
    "ecs:RunTask": (_of_task_definition, _TASKS),
    "ecs:StartTask": (_of_task_definition, _TASKS),
    "ecs:UpdateService": (_of_task_definition, _TASKS),
    "events:PutTargets": (
        lambda request: [target.get("RoleArn") for target in request.get("Targets", ())],
        "events.amazonaws.com",
    ),
    "lambda:CreateFunction": (_under("Role"), "lambda.amazonaws.com"),
    "lambda:UpdateFunctionConfiguration": (_under("Role"), "lambda.amazonaws.com"),
    "rds:CreateDBInstance": (_under("MonitoringRoleArn"), "monitoring.rds.amazonaws.com"),
    "rds:ModifyDBInstance": (_under("MonitoringRoleArn"), "monitoring.rds.amazonaws.com"),
}


def passed_roles(action: str, request: Members, account: str) -> Iterator[tuple[str, str]]:
    """The roles that a request passes, by ARN, each with the service that gets it."""
    if action in PASSES:
        roles, receiver = PASSES[action]
        for role in filter(None, roles(request)):
            yield role if role.startswith("arn:") else f"arn:aws:iam::{account}:role/{role}", receiver


def _last(reference: str) -> str:
    return reference.rpartition("/")[2]
