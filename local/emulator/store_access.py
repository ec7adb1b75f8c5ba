"""What RDS and ElastiCache authorize an operation on, where that is more than one resource or not what the emulator says.

https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazonrds.html
https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazonelasticache.html
"""

from collections.abc import Iterator, Mapping
from typing import Any

from ministack.services import rds, secretsmanager

Members = Mapping[str, Any]

_DB, _SNAPSHOT = ("db", "DBInstanceIdentifier"), ("snapshot", "DBSnapshotIdentifier")
_PARAMETERS, _SUBNETS = ("pg", "DBParameterGroupName"), ("subgrp", "DBSubnetGroupName")
_GROUP, _NODE = ("replicationgroup", "ReplicationGroupId"), ("cluster", "CacheClusterId")

_ON: dict[str, tuple[tuple[str, str], ...]] = {  # the kinds of resource, and the request's members that name them
    "rds:CreateDBSnapshot": (_DB, _SNAPSHOT),
    "rds:DescribeDBInstances": (_DB,),
    "rds:DescribeDBParameters": (_PARAMETERS,),
    "rds:DescribeDBSnapshots": (_DB, _SNAPSHOT),
    "rds:ModifyDBInstance": (_DB, _PARAMETERS),
    "rds:ModifyDBParameterGroup": (_PARAMETERS,),
    "rds:RestoreDBInstanceFromDBSnapshot": (_DB, _SNAPSHOT, _PARAMETERS, _SUBNETS),
    "rds:RestoreDBInstanceToPointInTime": (
        ("db", "SourceDBInstanceIdentifier"),
        ("db", "TargetDBInstanceIdentifier"),
        _PARAMETERS,
        _SUBNETS,
    ),
    "elasticache:CreateSnapshot": (_NODE, _GROUP, ("snapshot", "SnapshotName")),
    "elasticache:DescribeSnapshots": (("snapshot", "SnapshotName"),),
    "elasticache:ListAllowedNodeTypeModifications": (_GROUP, _NODE),
    "elasticache:ModifyReplicationGroup": (_GROUP, ("parametergroup", "CacheParameterGroupName")),
    "elasticache:TestFailover": (_GROUP,),
}


_OF_A_SECRETS_KEY = {"GetSecretValue": ("kms:Decrypt",), "PutSecretValue": ("kms:GenerateDataKey", "kms:Decrypt")}


def resources(service: str, request: Members, region: str, account: str) -> list[str]:
    """The ARNs that an operation is authorized on, all of the first kind where it names none; none for other operations."""
    prefix, kinds = f"arn:aws:{service}:{region}:{account}", _ON.get(f"{service}:{request.get('Action')}", ())
    if service == "rds" and request.get("Action") == "AddTagsToResource":
        return [str(request.get("ResourceName"))]
    options = (_source(request) or {}).get("OptionGroupMemberships", ()) if service == "rds" else ()
    groups = [f"{prefix}:og:{one['OptionGroupName']}" for one in options]
    named = [f"{prefix}:{kind}:{request[member]}" for kind, member in kinds if request.get(member)] + groups
    if request.get("Action") == "DescribeDBSnapshots":
        return [f"{prefix}:{kind}:{request.get(member) or '*'}" for kind, member in kinds]
    return named or [f"{prefix}:{kind}:*" for kind, _ in kinds[:1]]


def further(action: str, request: Members, region: str, account: str) -> Iterator[tuple[str, str, dict[str, str]]]:
    """What the caller needs besides: an action, a resource and its context.

    Tags on what is made; the key of what is restored, which RDS uses as its caller, and the key of a secret:
    https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/Overview.Encryption.Keys.html
    https://docs.aws.amazon.com/secretsmanager/latest/userguide/security-encryption.html
    """
    service, _, action = action.partition(":")
    if service == "secretsmanager":
        _, secret = secretsmanager._resolve(str(request.get("SecretId")))
        key = (secret or {}).get("KmsKeyId") or ""
        for needed in _OF_A_SECRETS_KEY.get(action, ()) if key.startswith("arn:") else ():
            yield needed, key, {"kms:ViaService": f"secretsmanager.{region}.amazonaws.com"}
    made = {
        "CreateDBSnapshot": ("snapshot", "DBSnapshotIdentifier"),
        "RestoreDBInstanceFromDBSnapshot": ("db", "DBInstanceIdentifier"),
        "RestoreDBInstanceToPointInTime": ("db", "TargetDBInstanceIdentifier"),
    }
    if service != "rds" or action not in made:
        return
    kind, member = made[action]
    if any(name.startswith("Tags.") for name in request):
        yield "rds:AddTagsToResource", f"arn:aws:rds:{region}:{account}:{kind}:{request.get(member)}", {}
    source = _source(request)
    if source and source.get("KmsKeyId"):
        context = {"kms:ViaService": f"rds.{region}.amazonaws.com"}
        yield "kms:DescribeKey", source["KmsKeyId"], context
        yield "kms:CreateGrant", source["KmsKeyId"], {**context, "kms:GrantIsForAWSResource": "true"}


def _source(request: Members) -> Any:
    """What a request restores from; None for any other request."""
    action = str(request.get("Action"))
    if action == "RestoreDBInstanceToPointInTime":
        return rds._instances.get(request.get("SourceDBInstanceIdentifier"))
    if action == "RestoreDBInstanceFromDBSnapshot":
        return rds._snapshots.get(str(request.get("DBSnapshotIdentifier")).rpartition(":snapshot:")[2])
    return None
