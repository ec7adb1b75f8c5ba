"""The size of the database and of the cache: checked, after a snapshot, waited for, and with the line of config/ to change.

https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/USER_ModifyInstance.Settings.html
https://docs.aws.amazon.com/AmazonElastiCache/latest/dg/scaling-redis-cluster-mode-disabled.html
"""

from typing import TYPE_CHECKING, Any

from lambdas.common.clock import Clock
from lambdas.common.instance_classes import most_connections
from lambdas.procedures.instances import Instance, Instances, settled, waits_for
from lambdas.procedures.run import Answer, RefusedError, Run, Step, Steps, VerifyError, waiting
from lambdas.procedures.stores import StoresSettings

if TYPE_CHECKING:
    from mypy_boto3_elasticache import ElastiCacheClient
    from mypy_boto3_rds import RDSClient

_MAX_CONNECTIONS = "max_connections"
_NOT_NEEDED = {"said": "No snapshot is needed: nothing is to be changed."}
_ZONES = 2
"""A Multi-AZ instance needs its class in so many zones of its subnets."""


class Size:
    """The procedures `database-resize` and `cache-resize` of one environment."""

    def __init__(
        self, settings: StoresSettings, *, rds: "RDSClient", elasticache: "ElastiCacheClient", clock: Clock, healthy: Step
    ) -> None:
        self._settings = settings
        self._healthy = healthy
        self._rds = rds
        self._cache = elasticache
        self._clock = clock
        self._instances = Instances(settings, rds, clock)

    def steps(self) -> Steps:
        """The steps of each procedure, by name."""
        return {
            "database-resize": {
                "Plan": self.plan_database,
                "Snapshot": self.snapshot_database,
                "Resize": self.resize_database,
                "Verify": self.verify_database,
                "Health": self._healthy,
            },
            "cache-resize": {
                "Plan": self.plan_cache,
                "Snapshot": self.snapshot_cache,
                "Resize": self.resize_cache,
                "Verify": self.verify_cache,
                "Health": self._healthy,
            },
        }

    # The database

    def plan_database(self, run: Run) -> Answer:
        """RefusedError for a class that RDS does not offer for this instance, or that does not serve its connections."""
        live, wanted = self._instances.available(self._settings.database_instance), run.inputs["InstanceClass"]
        has = live["DBInstanceClass"]
        if has == wanted:
            return {"said": f"{live['DBInstanceIdentifier']} is a {wanted} already. {self._class(wanted)}"}
        zones = self._offered(live, wanted)
        allowed, serves = self._max_connections(live), most_connections(wanted)
        if allowed and serves and allowed > serves:
            raise RefusedError(
                f"{wanted} serves {serves} connections and {_MAX_CONNECTIONS} is {allowed}: lower that first, or take another."
            )
        unknown = "" if serves else f" How much memory a {wanted} has is not known here: look it up before."
        # https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/Concepts.MultiAZSingleStandby.html
        away = "a minute or two, while the other zone takes over" if live["MultiAZ"] else "several minutes"
        return {
            "said": f"{live['DBInstanceIdentifier']}, now a {has}, becomes a {wanted}, which is offered in {', '.join(zones)}, "
            f"after a snapshot. The database is away for {away}.{unknown} {self._class(wanted)}"
        }

    def snapshot_database(self, run: Run) -> Answer:
        """A snapshot, unless the instance has the class already."""
        live = self._instances.get(self._settings.database_instance)
        return _NOT_NEEDED if live["DBInstanceClass"] == run.inputs["InstanceClass"] else self._instances.snapshot(run)

    def resize_database(self, run: Run) -> Answer:
        """Ask for the class, unless the instance has it or is on its way, and wait for it."""
        live, wanted = self._instances.get(self._settings.database_instance), run.inputs["InstanceClass"]
        if not settled(live):
            return waits_for(live)
        if live["DBInstanceClass"] == wanted:
            return {"said": f"{live['DBInstanceIdentifier']} is a {wanted}."}
        self._rds.modify_db_instance(
            DBInstanceIdentifier=self._settings.database_instance, DBInstanceClass=wanted, ApplyImmediately=True
        )
        return waiting(f"{wanted} is asked for.")

    def verify_database(self, run: Run) -> Answer:
        """VerifyError unless the instance is available in its new class."""
        live, wanted = self._instances.get(self._settings.database_instance), run.inputs["InstanceClass"]
        if not settled(live) or live["DBInstanceClass"] != wanted:
            raise VerifyError(f"{live['DBInstanceIdentifier']} is a {live['DBInstanceClass']}, {live['DBInstanceStatus']}.")
        return {"said": f"{live['DBInstanceIdentifier']} is available as a {wanted}. {self._class(wanted)}"}

    def _offered(self, live: Instance, wanted: str) -> list[str]:
        """The zones of the instance's subnets in which the class can be ordered; RefusedError when these are too few."""
        pages = self._rds.get_paginator("describe_orderable_db_instance_options").paginate(
            Engine=live["Engine"], EngineVersion=live["EngineVersion"], DBInstanceClass=wanted, Vpc=True
        )
        fitting = [
            option
            for page in pages
            for option in page["OrderableDBInstanceOptions"]
            if option["StorageType"] == live["StorageType"]
            and (option["MultiAZCapable"] or not live["MultiAZ"])
            and (option["SupportsStorageEncryption"] or not live["StorageEncrypted"])
        ]
        offered = {zone["Name"] for option in fitting for zone in option["AvailabilityZones"]}
        subnets = live["DBSubnetGroup"].get("Subnets", ())
        zones = sorted({one["SubnetAvailabilityZone"]["Name"] for one in subnets} & offered)
        if len(zones) < (_ZONES if live["MultiAZ"] else 1):
            raise RefusedError(
                f"RDS offers {wanted} with {live['Engine']} {live['EngineVersion']} and {live['StorageType']} in "
                f"{', '.join(zones) or 'none'} of the instance's zones: take another class."
            )
        return zones

    def _max_connections(self, live: Instance) -> int | None:
        """What the instance's parameter group allows; None where it leaves that to RDS."""
        pages = self._rds.get_paginator("describe_db_parameters").paginate(
            DBParameterGroupName=live["DBParameterGroups"][0]["DBParameterGroupName"], Source="user"
        )
        values = {one["ParameterName"]: one.get("ParameterValue", "") for page in pages for one in page["Parameters"]}
        value = values.get(_MAX_CONNECTIONS, "")
        return int(value) if value.isdigit() else None

    # The cache

    def plan_cache(self, run: Run) -> Answer:
        """RefusedError for a node type that the group cannot be changed to."""
        group, wanted = self._group(), run.inputs["NodeType"]
        has, name = group["CacheNodeType"], self._settings.replication_group
        if group["Status"] != "available":
            raise RefusedError(f"{name} is {group['Status']}, and should be available.")
        if has == wanted:
            return {"said": f"{name} has {wanted} nodes already. {self._type(wanted)}"}
        allowed = self._cache.list_allowed_node_type_modifications(ReplicationGroupId=name)
        if wanted not in (*allowed["ScaleUpModifications"], *allowed["ScaleDownModifications"]):
            raise RefusedError(f"ElastiCache does not change {has} nodes of {name} to {wanted}: take another type.")
        smaller = "" if wanted in allowed["ScaleUpModifications"] else " They are smaller: what the cache holds has to fit."
        return {
            "said": f"The nodes of {name}, now {has}, become {wanted}, after a snapshot. The cache answers meanwhile, but for "
            f"seconds when a new primary takes over.{smaller} {self._type(wanted)}"
        }

    def snapshot_cache(self, run: Run) -> Answer:
        """A snapshot of a replica, one for each execution, waited for; none where the nodes are of the type already."""
        if self._group()["CacheNodeType"] == run.inputs["NodeType"]:
            return _NOT_NEEDED
        name = f"{self._settings.application}-manual-{run.execution[:8]}"
        found = self._cache.describe_snapshots(SnapshotName=name)["Snapshots"]
        if not found:
            if (group := self._group())["Status"] != "available":
                return waiting(f"{self._settings.replication_group} is {group['Status']}.")
            members: list[Any] = [one for node_group in group["NodeGroups"] for one in node_group["NodeGroupMembers"]]
            replicas = [one["CacheClusterId"] for one in members if one.get("CurrentRole") == "replica"]
            node = (replicas or [one["CacheClusterId"] for one in members])[0]
            # Of a group without cluster mode, a snapshot is one of a node:
            # https://docs.aws.amazon.com/AmazonElastiCache/latest/dg/backups-manual.html
            self._cache.create_snapshot(CacheClusterId=node, SnapshotName=name)
            return waiting(f"Snapshot {name} is asked for.")
        status = found[0].get("SnapshotStatus", "")
        if status == "creating":
            return waiting(f"Snapshot {name} is being made.")
        if status != "available":
            raise VerifyError(f"Snapshot {name} is {status}.")
        return {"said": f"Snapshot {name} is made.", "snapshot": name}

    def resize_cache(self, run: Run) -> Answer:
        """Ask for the node type, unless the group has it or is on its way, and wait for it."""
        group, wanted = self._group(), run.inputs["NodeType"]
        if group["Status"] != "available":
            return waiting(f"{self._settings.replication_group} is {group['Status']}.")
        if group["CacheNodeType"] == wanted:
            return {"said": f"The nodes of {self._settings.replication_group} are {wanted}."}
        self._cache.modify_replication_group(
            ReplicationGroupId=self._settings.replication_group, CacheNodeType=wanted, ApplyImmediately=True
        )
        return waiting(f"{wanted} is asked for.")

    def verify_cache(self, run: Run) -> Answer:
        """VerifyError unless the group is available with its new nodes."""
        group, wanted = self._group(), run.inputs["NodeType"]
        if group["Status"] != "available" or group["CacheNodeType"] != wanted:
            raise VerifyError(
                f"{self._settings.replication_group} has {group['CacheNodeType']} nodes and is {group['Status']}."
            )
        return {"said": f"{self._settings.replication_group} is available with {wanted} nodes. {self._type(wanted)}"}

    def _group(self) -> Any:
        answer: Any = self._cache.describe_replication_groups(ReplicationGroupId=self._settings.replication_group)
        return answer["ReplicationGroups"][0]

    def _class(self, wanted: str) -> str:
        return self._write(f'instance_class = "{wanted}" under [database]')

    def _type(self, wanted: str) -> str:
        return self._write(f'node_type = "{wanted}" under [cache]')

    def _write(self, line: str) -> str:
        """What has to be written into the environment's file, or the template and what stands disagree."""
        return f"Write {line} of {self._settings.config_file}: otherwise a later deployment may take it back."
