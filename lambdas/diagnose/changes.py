"""What was changed in the last hour, by what AWS remembers: deployments, stacks, secrets, scaling, uploads, CloudTrail."""

import json
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC
from typing import Any

from lambdas.common.words import one_line
from lambdas.diagnose.facts import Changed, ChangeKind, Deployed

_WORDS = 160
_RELEASES = {"UpdateService", "StopServiceDeployment"}
_FRONTEND = {"CreateInvalidation", "UpdateDistribution", "UpdateFunction"}
_SCALING = {"RegisterScalableTarget", "PutScalingPolicy"}
_MAKES = ("Create", "Tag", "Untag", "AddTags", "Import", "Publish", "Register", "Start")
"""How the names of calls begin that make something new, which changes nothing that served."""
_CHANGES = {"CreateRoute", "CreateNetworkAclEntry"}
"""Those of them that do."""
_OWN_WORK = {
    *("CreateLogStream", "StartQuery", "StopQuery", "SetAlarmState", "PutMetricAlarm", "StartAutomationExecution"),
    *("UpdateInstanceInformation", "AssumeRole", "SendCommand", "CreateNetworkInterface", "DeleteNetworkInterface"),
    *(
        "RegisterTaskDefinition",
        "RegisterTargets",
        "DeregisterTargets",
        "StopTask",
        "SharedSnapshotVolumeCreated",
        "CreateGrant",
        "RetireGrant",
    ),
}
"""Calls that every environment makes all the time, and that change nothing."""


def console_actions(events: Iterable[Mapping[str, Any]], prefix: str) -> Sequence[Changed]:
    """CloudTrail's events of what changed a resource of the environment, with who did it.

    https://docs.aws.amazon.com/awscloudtrail/latest/APIReference/API_LookupEvents.html
    """
    found = []
    for event in events:
        name, whole = event["EventName"], _json(event.get("CloudTrailEvent", ""))
        on = _named(whole.get("requestParameters"), prefix)
        kind = _kind(name)
        if name in _OWN_WORK or kind == "other" or not on or "errorCode" in whole:
            continue
        what = f"{name} on {on} ({event.get('EventSource', '').partition('.')[0]})"
        found.append(
            Changed(
                at=event["EventTime"].astimezone(UTC),
                kind=kind,
                what=one_line(what, _WORDS),
                by=one_line(event.get("Username", ""), _WORDS),
            )
        )
    return found


def _json(text: str) -> Mapping[str, Any]:
    try:
        found = json.loads(text)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def _named(parameters: Any, prefix: str) -> str:
    """The resource of the environment that a call's parameters name, the longest name of the first level that has any; empty
    where they name none."""
    level = [parameters]
    while level:
        texts = [one for one in level if isinstance(one, str)]
        names = [_name(one) for one in texts if _name(one).startswith(prefix)]
        if names:
            return max(names, key=len)
        level = [
            each for one in level for each in (one.values() if isinstance(one, dict) else one if isinstance(one, list) else ())
        ]
    return ""


def _name(text: str) -> str:
    return text.rpartition("/")[2].rpartition(":")[2] if text.startswith("arn:") else text


def _kind(name: str) -> ChangeKind:
    for kind, names in (("release", _RELEASES), ("frontend", _FRONTEND), ("scaling", _SCALING)):
        if name in names:
            return kind  # type: ignore[return-value]
    return "other" if name.startswith(_MAKES) and name not in _CHANGES else "configuration"


def deployed(deployments: Iterable[Deployed]) -> Sequence[Changed]:
    """The deployments of the service as changes."""
    return [
        Changed(at=one.created, kind="release", what=f"deployment {one.id} of {one.revision} ({one.commit}): {one.status}")
        for one in deployments
    ]


def stacks(summaries: Iterable[Mapping[str, Any]], prefix: str) -> Sequence[Changed]:
    """The environment's stacks as they were last updated, or made: what is made changes nothing that served."""
    return [
        Changed(
            at=one.get("LastUpdatedTime", one["CreationTime"]).astimezone(UTC),
            kind="other" if one["StackStatus"].startswith("CREATE") else "configuration",
            what=f"stack {one['StackName']} {one['StackStatus']}",
        )
        for one in summaries
        if one["StackName"].startswith(prefix) and one["StackStatus"] != "DELETE_COMPLETE"
    ]


def secrets(found: Iterable[Mapping[str, Any]]) -> Sequence[Changed]:
    """The secrets as they were last changed. Their values are never read."""
    return [
        Changed(at=one["LastChangedDate"].astimezone(UTC), kind="configuration", what=f"secret {one['Name']} changed")
        for one in found
        if one.get("LastChangedDate") and one["LastChangedDate"] != one.get("CreatedDate")
    ]


def scalings(activities: Iterable[Mapping[str, Any]]) -> Sequence[Changed]:
    """What the service's own scaling did."""
    return [
        Changed(at=one["StartTime"].astimezone(UTC), kind="scaling", what=one_line(one["Description"], _WORDS))
        for one in activities
    ]


def uploaded(objects: Iterable[Mapping[str, Any]]) -> Sequence[Changed]:
    """The upload of the page of the frontend, which each release of it brings."""
    return [
        Changed(at=one["LastModified"].astimezone(UTC), kind="frontend", what=f"{one['Key']} of the frontend was uploaded")
        for one in objects
        if one["Key"] == "index.html"
    ]
