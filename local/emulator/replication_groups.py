"""ElastiCache replication groups that take time to change, on the clock, and refuse what ElastiCache refuses.

ministack 1.5.33 changes a group while it is asked, lets any strategy change the auth token, and knows neither TestFailover nor
ListAllowedNodeTypeModifications. `ministack.services.elasticache.handle_request` is replaced: called through for all but the
operations here, after what is due on the clock. CloudFormation calls the emulator's own operations, so that what it changes is
changed at once. How long a change lasts is documented nowhere: LASTS is what is common.
"""

import re
import threading
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qs
from xml.sax.saxutils import escape

from ministack.core.responses import get_region
from ministack.services import elasticache

from local.ecs.rollout import RefusedError
from local.emulator.clock import Clock
from stacks import catalog

Record = dict[str, Any]
Parameters = dict[str, Any]
Response = tuple[int, dict[str, str], bytes]

LASTS = {"CacheNodeType": 900, "AuthToken": 60, "failover": 60, "snapshot": 120}
"""Seconds on the clock."""

_TOKEN = re.compile(r"[A-Za-z0-9!&#$^<>-]{16,128}")
"""https://docs.aws.amazon.com/AmazonElastiCache/latest/dg/auth.html"""
_FAILOVERS = 15
"""So many in a day: https://docs.aws.amazon.com/AmazonElastiCache/latest/APIReference/API_TestFailover.html"""
_DAY = 86400
_SIZES = ("micro", "small", "medium", "large", "xlarge")


class ReplicationGroups:
    """The replication groups of the account, on the clock."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._lock = threading.RLock()

    def install(self) -> None:
        """Plug in."""
        self._clock.drive(elasticache)
        self._handle, self._rg_xml = elasticache.handle_request, elasticache._rg_xml
        elasticache.handle_request, elasticache._rg_xml = self.handle_request, self.group_xml
        self._create = elasticache._create_replication_group
        elasticache._create_replication_group = self.create  # CloudFormation calls it by name

    async def handle_request(self, method: str, path: str, headers: Any, body: bytes, query: Any) -> Any:
        operations: dict[str, Callable[[Parameters], Response]] = {
            "ModifyReplicationGroup": self.modify,
            "TestFailover": self.test_failover,
            "ListAllowedNodeTypeModifications": self.allowed_node_types,
            "CreateSnapshot": self.create_snapshot,
        }
        self.progress()
        parameters = {**dict(query), **parse_qs(body.decode())} if method == "POST" else dict(query)
        operation = operations.get(elasticache._p(parameters, "Action"))
        if operation is None:
            return await self._handle(method, path, headers, body, query)
        try:
            return operation(parameters)
        except RefusedError as refused:
            return elasticache._error(
                refused.code, escape(str(refused)), 404 if refused.code.endswith("NotFoundFault") else 400
            )

    def accepts(self, group: str, token: str) -> bool:
        """Whether a replication group of this name lets in who has that auth token."""
        self.progress()
        return token in (elasticache._replication_groups.get(group) or {}).get("_auth_tokens", ())

    def progress(self) -> None:
        """Let everything happen that is due by now."""
        now = self._clock.time()
        with self._lock:
            for record in (*elasticache._replication_groups.values(), *elasticache._snapshots.values()):
                due = record.get("_due") or []
                while due and due[0][0] <= now:
                    due.pop(0)[1]()

    def _then(self, record: Record, seconds: float, happens: Callable[[], Any]) -> None:
        """Something that happens so long after what is already to happen."""
        due = record.setdefault("_due", [])
        due.append(((due[-1][0] if due else self._clock.time()) + seconds, happens))

    def create(self, parameters: Parameters) -> Response:
        """A group at once, as the emulator makes it, unless its token has a wrong form."""
        token = elasticache._p(parameters, "AuthToken")
        if token and not _TOKEN.fullmatch(token):
            return elasticache._error("InvalidParameterValue", "Invalid AuthToken provided.", 400)  # type: ignore[no-any-return]
        answer: Response = self._create(parameters)
        return answer

    def modify(self, parameters: Parameters) -> Response:
        """https://docs.aws.amazon.com/AmazonElastiCache/latest/APIReference/API_ModifyReplicationGroup.html"""
        group = self._available(elasticache._p(parameters, "ReplicationGroupId"))
        node, token = elasticache._p(parameters, "CacheNodeType"), elasticache._p(parameters, "AuthToken")
        strategy = elasticache._p(parameters, "AuthTokenUpdateStrategy")
        if node and node not in (allowed := _allowed(group["CacheNodeType"])):
            raise RefusedError(
                "InvalidParameterValue", f"The node type {node} is none that the group can be changed to: {', '.join(allowed)}."
            )
        if token or strategy:
            _check_token(group, token, strategy or "ROTATE")
        at_once = elasticache._p(parameters, "ApplyImmediately") == "true"
        later = {"CacheNodeType", "AuthToken", "AuthTokenUpdateStrategy", "Action"}
        answer: Response = elasticache._modify_replication_group({k: v for k, v in parameters.items() if k not in later})
        if answer[0] != 200:
            return answer
        pending = group.setdefault("_pending", {})
        pending |= {"AuthTokenStatus": "SETTING" if strategy == "SET" else "ROTATING"} if token or strategy else {}
        if at_once and (node or token or strategy):
            group["Status"] = "modifying"
            if node:
                self._then(group, LASTS["CacheNodeType"], lambda: _change_node_type(group, node))
            if token or strategy:
                self._then(
                    group, LASTS["AuthToken"], lambda: elasticache._update_auth_token(group, token, strategy or "ROTATE")
                )
            self._then(group, 0, lambda: group.update(Status="available", _pending={}))
        return _shown("ModifyReplicationGroup", group)

    def test_failover(self, parameters: Parameters) -> Response:
        """https://docs.aws.amazon.com/AmazonElastiCache/latest/APIReference/API_TestFailover.html"""
        group = self._available(elasticache._p(parameters, "ReplicationGroupId"))
        wanted = elasticache._p(parameters, "NodeGroupId")
        node_group = next((one for one in group["NodeGroups"] if one["NodeGroupId"] == wanted), None)
        if node_group is None:
            raise RefusedError("NodeGroupNotFoundFault", f"NodeGroup {wanted} not found.")
        members = node_group["NodeGroupMembers"]
        if group["AutomaticFailover"] != "enabled" or len(members) < 2:
            raise RefusedError("TestFailoverNotAvailableFault", "Automatic failover is not enabled, or there is no replica.")
        now = self._clock.time()
        made = [at for at in group.get("_failovers", ()) if at > now - _DAY]
        if len(made) >= _FAILOVERS:
            raise RefusedError("APICallRateForCustomerExceeded", f"A group fails over {_FAILOVERS} times a day at most.")
        group["_failovers"] = [*made, now]
        group["Status"] = node_group["Status"] = "modifying"

        def failed_over() -> None:
            old = next(number for number, one in enumerate(members) if one["CurrentRole"] == "primary")
            for number, one in enumerate(members):
                one["CurrentRole"] = "primary" if number == (old + 1) % len(members) else "replica"
            group["Status"] = node_group["Status"] = "available"

        self._then(group, LASTS["failover"], failed_over)
        return _shown("TestFailover", group)

    def allowed_node_types(self, parameters: Parameters) -> Response:
        """The region's node types that are larger and that are smaller, by the size that the name says.

        https://docs.aws.amazon.com/AmazonElastiCache/latest/APIReference/API_ListAllowedNodeTypeModifications.html
        """
        group = self._group(elasticache._p(parameters, "ReplicationGroupId"))
        current = group["CacheNodeType"]
        up = [one for one in _allowed(current) if _size(one) >= _size(current)]
        lists = {"ScaleUpModifications": up, "ScaleDownModifications": [one for one in _allowed(current) if one not in up]}
        inner = "".join(
            f"<{name}>{''.join(f'<member>{one}</member>' for one in types)}</{name}>" for name, types in lists.items()
        )
        name = "ListAllowedNodeTypeModifications"
        return elasticache._xml(200, f"{name}Response", f"<{name}Result>{inner}</{name}Result>")  # type: ignore[no-any-return]

    def create_snapshot(self, parameters: Parameters) -> Response:
        """A snapshot of a group or of a node of it that is "creating", and a group that is "snapshotting", for their time."""
        name, node = elasticache._p(parameters, "SnapshotName"), elasticache._p(parameters, "CacheClusterId")
        identifier = elasticache._p(parameters, "ReplicationGroupId") or elasticache._clusters.get(node, {}).get(
            "ReplicationGroupId"
        )
        group = self._available(identifier) if identifier else {}
        answer: Response = elasticache._create_snapshot(parameters)
        if answer[0] != 200:
            return answer
        snapshot = elasticache._snapshots[name]
        snapshot["SnapshotStatus"] = "creating"
        self._then(snapshot, LASTS["snapshot"], lambda: snapshot.update(SnapshotStatus="available"))
        if group:
            group["Status"] = "snapshotting"
            self._then(group, LASTS["snapshot"], lambda: group.update(Status="available"))
        shown = f"<CreateSnapshotResult><Snapshot>{elasticache._snapshot_xml(snapshot)}</Snapshot></CreateSnapshotResult>"
        return elasticache._xml(200, "CreateSnapshotResponse", shown)  # type: ignore[no-any-return]

    def group_xml(self, group: Record) -> str:
        """A group as ElastiCache shows it, with what is pending; a node type that is pending, it does not show."""
        pending = "".join(f"<{name}>{value}</{name}>" for name, value in group.get("_pending", {}).items())
        return f"{self._rg_xml(group)}<PendingModifiedValues>{pending}</PendingModifiedValues>"

    @staticmethod
    def _group(identifier: str) -> Record:
        group: Record | None = elasticache._replication_groups.get(identifier)
        if group is None:
            raise RefusedError("ReplicationGroupNotFoundFault", f"Replication group {identifier} not found")
        return group

    def _available(self, identifier: str) -> Record:
        group = self._group(identifier)
        if group["Status"] != "available":
            raise RefusedError(
                "InvalidReplicationGroupState", f"Replication group {identifier} is {group['Status']}, and should be available."
            )
        return group


def _shown(operation: str, group: Record) -> Response:
    shown = f"<ReplicationGroup>{elasticache._rg_xml(group)}</ReplicationGroup>"
    return elasticache._xml(200, f"{operation}Response", f"<{operation}Result>{shown}</{operation}Result>")  # type: ignore[no-any-return]


def _check_token(group: Record, token: str, strategy: str) -> None:
    """SET comes after ROTATE, and with the token that ROTATE brought.

    https://docs.aws.amazon.com/AmazonElastiCache/latest/dg/auth.html
    """
    if not group.get("TransitEncryptionEnabled"):
        raise RefusedError(
            "InvalidParameterValue", "The AUTH token modification is only supported when encryption-in-transit is enabled"
        )
    if strategy not in ("ROTATE", "SET", "DELETE"):
        raise RefusedError("InvalidParameterValue", f"{strategy} is no strategy: ROTATE, SET or DELETE.")
    if strategy == "DELETE":
        if not group.get("UserGroupIds"):
            raise RefusedError("InvalidParameterCombination", "DELETE is allowed only when transitioning to RBAC.")
    elif not _TOKEN.fullmatch(token):
        raise RefusedError("InvalidParameterValue", "The AUTH token should be 16 to 128 letters, digits and !&#$^<>-.")
    elif strategy == "SET" and (len(tokens := group.get("_auth_tokens", ())) < 2 or token != tokens[-1]):
        raise RefusedError("InvalidParameterCombination", "SET is allowed only after ROTATE, with the same AUTH token.")


def _change_node_type(group: Record, node: str) -> None:
    for record in (group, *(elasticache._clusters[one] for one in group["MemberClusters"] if one in elasticache._clusters)):
        record["CacheNodeType"] = node


def _allowed(current: str) -> list[str]:
    return sorted(catalog.node_types(get_region()) - {current})


def _size(node: str) -> tuple[int, int]:
    size = node.rpartition(".")[2]
    times, _, _ = size.partition("xlarge")
    return (_SIZES.index(size), 0) if size in _SIZES else (len(_SIZES), int(times or 0))
