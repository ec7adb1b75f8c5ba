"""Tasks that somebody runs by themselves, with RunTask: checked as ECS checks them, and over at once.

Replaced in ministack 1.5.33: RunTask, which is called through. It makes a cluster that does not exist, and runs anything.
No container runs here. So a task has ended with exit code 0 when it is looked at, its log says what would have run, and its
network interface stays to be looked at. The control call `tasks_write` says what tasks write instead, and how they end.
"""

import copy
import json
import secrets
from typing import Any

from ministack.services import cloudwatch_logs, ec2, ecs

from local.ecs.operations import check_task_definition
from local.ecs.rollout import RefusedError

Request = dict[str, Any]
Record = dict[str, Any]
Response = tuple[int, dict[str, str], bytes]

NOT_RUN = "The local cloud runs no containers. This was not run: "

_started: dict[tuple[str, str], tuple[Request, Response]] = {}
"""The first request with a client token in a cluster, and its answer."""
_written: dict[str, tuple[list[str], int]] = {}
"""What tasks write whose command has a word in it, and their exit code, by that word."""


def tasks_write(word: str, lines: list[str], exit_code: int = 0) -> None:
    """From now on tasks whose command has this word write these lines, and end with this code."""
    _written[word] = (lines, exit_code)


def run_task(request: Request) -> Response:
    """RunTask, once for each client token in a cluster; RefusedError for what ECS refuses.

    https://docs.aws.amazon.com/AmazonECS/latest/APIReference/ECS_Idempotency.html
    """
    token = request.get("clientToken")
    if not token:
        return _run_task(request)
    key, asked = (ecs._resolve_cluster_name(request.get("cluster", "default")), token), copy.deepcopy(request)
    if key not in _started:
        _started[key] = (asked, _run_task(request))
    first, answer = _started[key]
    if first != asked:
        arns = [task["taskArn"] for task in json.loads(answer[2])["tasks"]]
        body = {"__type": "ConflictException", "message": "Conflict with a different RunTask request.", "resourceIds": arns}
        return 400, {"Content-Type": "application/x-amz-json-1.1"}, json.dumps(body).encode()
    return answer


def _run_task(request: Request) -> Response:
    definition: Record = ecs._task_defs.get(ecs._resolve_td_key(request.get("taskDefinition", ""))) or {}
    _check(request, definition)
    request.setdefault("group", f"family:{definition['family']}")
    answer: Response = ecs._run_task(request)
    if answer[0] == 200:
        for started in json.loads(answer[2])["tasks"]:
            task: Record = ecs._tasks[started["taskArn"]]
            code = 0
            if network := _network(request):
                task["attachments"] = [_interface(network)]
            for container in definition["containerDefinitions"]:
                command = _command(request, container)
                lines, ended = next(
                    (found for word, found in _written.items() if word in " ".join(command)), ([NOT_RUN + " ".join(command)], 0)
                )
                _log(task["taskArn"], container, lines)
                code = code or ended
            ecs._mark_task_stopped(
                task["taskArn"], task, "Essential container in task exited", "EssentialContainerExited", exit_code=code
            )
    return answer


def _check(request: Request, definition: Record) -> None:
    """RefusedError in ECS's words: https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_RunTask.html"""
    if ecs._resolve_cluster_name(request.get("cluster", "default")) not in ecs._clusters:
        raise RefusedError("ClusterNotFoundException", "Cluster not found.")
    check_task_definition(definition.get("status"))
    network = _network(request)
    if definition.get("networkMode") == "awsvpc" and not network.get("subnets"):
        raise _invalid("Network Configuration must be provided when networkMode 'awsvpc' is specified.")
    for what, named, known in (
        ("subnet", network.get("subnets", ()), ec2._subnets),
        ("security group", network.get("securityGroups", ()), ec2._security_groups),
    ):
        for one in named:
            if one not in known:
                raise _invalid(f"Error retrieving {what} information for [{one}]: The {what} '{one}' does not exist")
    if request.get("launchType") != "FARGATE" and not request.get("capacityProviderStrategy"):
        raise _invalid("No Container Instances were found in your cluster.")
    names = [container["name"] for container in definition["containerDefinitions"]]
    for override in (request.get("overrides") or {}).get("containerOverrides", ()):
        if override.get("name") not in names:
            raise _invalid(f"Override for container named {override.get('name')} is not a container in the TaskDefinition.")


def _network(request: Request) -> Record:
    return (request.get("networkConfiguration") or {}).get("awsvpcConfiguration") or {}


def _invalid(message: str) -> RefusedError:
    return RefusedError("InvalidParameterException", message)


def _interface(network: Record) -> Record:
    """A network interface with the task's security groups, as the task shows it; EC2 describes it, too."""
    groups = {f"SecurityGroupId.{number}": [group] for number, group in enumerate(network.get("securityGroups", ()), 1)}
    before = set(ec2._network_interfaces)
    ec2._create_network_interface({"SubnetId": [network["subnets"][0]], **groups})
    (created,) = set(ec2._network_interfaces) - before
    details = {
        "subnetId": network["subnets"][0],
        "networkInterfaceId": created,
        "privateIPv4Address": ec2._network_interfaces[created]["PrivateIpAddress"],
    }
    return {
        "id": secrets.token_hex(16),
        "type": "ElasticNetworkInterface",
        "status": "DELETED",
        "details": [{"name": name, "value": value} for name, value in details.items()],
    }


def _command(request: Request, container: Record) -> list[str]:
    """What a container of the task runs: its own command, unless the request has another."""
    overrides = (request.get("overrides") or {}).get("containerOverrides", ())
    given = [one["command"] for one in overrides if one["name"] == container["name"] and one.get("command")]
    return list(given[0] if given else container.get("command") or ["the image's own command"])


def _log(task: str, container: Record, lines: list[str]) -> None:
    """Lines in the stream that the awslogs driver would write to."""
    options = (container.get("logConfiguration") or {}).get("options") or {}
    group, prefix = options.get("awslogs-group"), options.get("awslogs-stream-prefix")
    if group not in cloudwatch_logs._log_groups or not prefix:
        return
    stream = {"logGroupName": group, "logStreamName": f"{prefix}/{container['name']}/{task.rpartition('/')[2]}"}
    cloudwatch_logs._create_log_stream(stream)
    at = int(ecs.time.time() * 1000)
    cloudwatch_logs._put_log_events({**stream, "logEvents": [{"timestamp": at, "message": line} for line in lines]})
