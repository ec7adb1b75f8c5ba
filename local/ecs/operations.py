"""ECS's operations on service deployments: requests and answers as the API has them, RefusedError for what ECS refuses.

https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_Operations.html
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from local.ecs.rollout import Conditions, Deployment, RefusedError, Revision, Rollout, Status

Request = Mapping[str, Any]
Answer = dict[str, Any]

_AT_ONCE = 20
"""The most ARNs that a Describe operation takes, and a page of a List operation has when nothing else is asked for."""


def check_task_definition(status: str | None) -> None:
    """RefusedError when a service cannot run a task definition: it does not exist (None), or is not ACTIVE."""
    if status is None:
        raise RefusedError("ClientException", "TaskDefinition not found.")
    if status != "ACTIVE":
        raise RefusedError("ClientException", "TaskDefinition is inactive")


def _list_deployments(rollouts: Iterable[Rollout], request: Request, _: Conditions) -> Answer:
    """Newest first."""
    path = "/".join(str(request.get(key) or "default").rpartition("/")[2] for key in ("cluster", "service"))
    rollout = next((one for one in rollouts if one.path == path), None)
    if rollout is None:
        raise RefusedError("ServiceNotFoundException", "Service not found.")
    statuses, created = request.get("status") or list(Status), request.get("createdAt") or {}
    after, before = created.get("after", 0), created.get("before", float("inf"))
    found = [one for one in reversed(rollout.deployments) if one.status in statuses and after <= one.created <= before]
    start, size = int(request.get("nextToken") or 0), int(request.get("maxResults") or _AT_ONCE)
    more = {"nextToken": str(start + size)} if len(found) > start + size else {}
    return {"serviceDeployments": [_brief(rollout, one) for one in found[start : start + size]], **more}


def _describe_deployments(rollouts: Iterable[Rollout], request: Request, conditions: Conditions) -> Answer:
    known = {one.arn: _full(rollout, one, conditions) for rollout in rollouts for one in rollout.deployments}
    return _found("serviceDeployments", request.get("serviceDeploymentArns", ()), known)


def _describe_revisions(rollouts: Iterable[Rollout], request: Request, _: Conditions) -> Answer:
    known = {one.arn: _revision(rollout, one) for rollout in rollouts for one in rollout.revisions}
    return _found("serviceRevisions", request.get("serviceRevisionArns", ()), known)


def _stop_deployment(rollouts: Iterable[Rollout], request: Request, conditions: Conditions) -> Answer:
    arn = request.get("serviceDeploymentArn", "")
    for rollout in rollouts:
        for deployment in rollout.deployments:
            if deployment.arn == arn:
                rollout.stop(conditions, deployment, request.get("stopType", "ROLLBACK"))
                return {"serviceDeploymentArn": arn}
    raise RefusedError("ServiceDeploymentNotFoundException", f"The service deployment {arn} was not found.")


OPERATIONS: Mapping[str, Callable[[Iterable[Rollout], Request, Conditions], Answer]] = {
    "ListServiceDeployments": _list_deployments,
    "DescribeServiceDeployments": _describe_deployments,
    "DescribeServiceRevisions": _describe_revisions,
    "StopServiceDeployment": _stop_deployment,
}
"""The operations on the deployments of all services."""


def service_members(rollout: Rollout, conditions: Conditions) -> Answer:
    """What DescribeServices says of a service that has had a deployment: what it runs, and the rollout's state."""
    last, primary = rollout.last, rollout.primary
    if last is None or primary is None:
        return {}
    tasks, shown = rollout.tasks(conditions), _shown(rollout)
    pending = max(0, rollout.desired - tasks.get(primary, 0)) if last.running else 0
    return {
        "taskDefinition": primary.task_definition,
        "runningCount": sum(tasks.values()),
        "pendingCount": pending,
        "deployments": [
            {
                "id": f"ecs-svc/{one.number}",
                "status": "PRIMARY" if one is primary else "ACTIVE",
                "taskDefinition": one.task_definition,
                "desiredCount": rollout.desired,
                "runningCount": tasks.get(one, 0),
                "pendingCount": pending if one is primary else 0,
                "failedTasks": last.failures if one is last.target else 0,
                "createdAt": one.created,
                "updatedAt": last.finished or last.since,
                **_of(one, "networkConfiguration", "launchType", "platformVersion"),
                **_rollout_state(last, one),
            }
            for one in shown
        ],
        "currentServiceDeployment": last.arn,
        "currentServiceRevisions": [_task_counts(rollout, one, tasks) for one in shown],
    }


def _shown(rollout: Rollout) -> list[Revision]:
    """The revisions that DescribeServices shows, the primary one first."""
    last = rollout.last
    found = [rollout.primary]
    if last and (last.running or last.status is Status.STOPPED):
        found += [one for one in (last.target, last.source) if one is not rollout.primary]
    return [one for one in found if one]


def _of(revision: Revision, *members: str) -> Answer:
    return {key: revision.configuration[key] for key in members if key in revision.configuration}


def _rollout_state(deployment: Deployment, revision: Revision) -> dict[str, str]:
    """The rollout state that DescribeServices shows of one of its deployments."""
    if revision is not deployment.target:
        back = deployment.status is Status.ROLLBACK_IN_PROGRESS
        state, reason = ("IN_PROGRESS", "rollback in progress.") if back else ("COMPLETED", "completed.")
    elif deployment.status is Status.SUCCESSFUL:
        state, reason = "COMPLETED", "completed."
    elif deployment.status in (Status.PENDING, Status.IN_PROGRESS):
        state, reason = "IN_PROGRESS", "in progress."
    else:
        state, reason = "FAILED", f"failed: {deployment.reason}"
    return {"rolloutState": state, "rolloutStateReason": f"ECS deployment ecs-svc/{revision.number} {reason}"}


def _task_counts(rollout: Rollout, revision: Revision, tasks: Mapping[Revision, int]) -> Answer:
    """A ServiceRevisionSummary."""
    requested = rollout.desired if revision in _shown(rollout) else 0
    running = tasks.get(revision, 0)
    return {
        "arn": revision.arn,
        "requestedTaskCount": requested,
        "runningTaskCount": running,
        "pendingTaskCount": max(0, requested - running),
    }


def _named(rollout: Rollout) -> Answer:
    """What every answer says of the service."""
    cluster = f"{rollout.arn.partition(':service/')[0]}:cluster/{rollout.path.partition('/')[0]}"
    return {"serviceArn": rollout.arn, "clusterArn": cluster}


def _revision(rollout: Rollout, revision: Revision) -> Answer:
    """A ServiceRevision."""
    return {
        **_named(rollout),
        "serviceRevisionArn": revision.arn,
        "taskDefinition": revision.task_definition,
        "containerImages": [{"containerName": name, "image": image} for name, image in revision.images.items()],
        "createdAt": revision.created,
        **revision.configuration,
    }


def _brief(rollout: Rollout, deployment: Deployment) -> Answer:
    """A ServiceDeploymentBrief."""
    return _given(
        **_named(rollout),
        serviceDeploymentArn=deployment.arn,
        createdAt=deployment.created,
        startedAt=deployment.started,
        finishedAt=deployment.finished,
        targetServiceRevisionArn=deployment.target.arn,
        status=deployment.status,
        statusReason=deployment.reason or None,
    )


def _full(rollout: Rollout, deployment: Deployment, conditions: Conditions) -> Answer:
    """A ServiceDeployment."""

    def monitor(on: bool, triggered: bool) -> str:
        if not on:
            return "DISABLED"
        if triggered:
            return "TRIGGERED"
        return "MONITORING" if deployment.status in (Status.PENDING, Status.IN_PROGRESS) else "MONITORING_COMPLETE"

    brief, tasks, rollback = _brief(rollout, deployment), rollout.tasks(conditions), deployment.rollback
    del brief["targetServiceRevisionArn"]
    return brief | _given(
        updatedAt=deployment.finished or deployment.since,
        stoppedAt=deployment.finished if deployment.status is Status.STOPPED else None,
        sourceServiceRevisions=[_task_counts(rollout, one, tasks) for one in (deployment.source,) if one],
        targetServiceRevision=_task_counts(rollout, deployment.target, tasks),
        deploymentConfiguration=deployment.configuration,
        rollback=rollback and {"reason": rollback.reason, "startedAt": rollback.at, "serviceRevisionArn": rollback.to.arn},
        deploymentCircuitBreaker={
            "status": monitor(bool(deployment.breaker.get("enable")), deployment.tripped),
            "failureCount": deployment.failures,
            "threshold": deployment.threshold,
        },
        alarms={
            "status": monitor(deployment.watches_alarms, bool(deployment.triggered)),
            "alarmNames": list(deployment.alarms.get("alarmNames", ())),
            "triggeredAlarmNames": deployment.triggered,
        },
    )


def _given(**members: Any) -> Answer:
    """The members that have a value."""
    return {key: value for key, value in members.items() if value is not None}


def _found(key: str, arns: Sequence[str], known: Mapping[str, Answer]) -> Answer:
    if not 0 < len(arns) <= _AT_ONCE:
        raise RefusedError("InvalidParameterException", f"There should be 1 to {_AT_ONCE} ARNs.")
    failures = [{"arn": arn, "reason": "MISSING"} for arn in arns if arn not in known]
    return {key: [known[arn] for arn in arns if arn in known], "failures": failures}
