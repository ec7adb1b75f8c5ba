"""Database instances: read, snapshotted, restored and changed, each call safe to make again.

https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/USER_PIT.html
https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/USER_RestoreFromSnapshot.html
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from lambdas.common.clock import Clock
from lambdas.procedures.run import Answer, RefusedError, Run, VerifyError, waiting
from lambdas.procedures.stores import StoresSettings

if TYPE_CHECKING:
    from mypy_boto3_rds import RDSClient

Instance = Mapping[str, Any]

EXECUTION = "procedure-execution"
"""The tag with the execution that made a snapshot or an instance."""

_LOST = ("failed", "inaccessible-encryption-credentials", "restore-error", "stopped", "stopping", "storage-full")
"""Statuses that no waiting ends, beside those that begin with "incompatible"."""


def _same(value: Any) -> Any:
    return value


@dataclass(frozen=True)
class Setting:
    """A setting that a restored instance has to share: in words, where RDS shows it, and the parameters that set it.

    RDS gives a restored instance its own default of most settings, and restoring takes only some of them as parameters."""

    words: str
    shown: str
    read: Callable[[Any], Any] = _same
    restored_by: str = ""
    modified_by: str = ""

    def of(self, instance: Instance) -> Any:
        return self.read(instance.get(self.shown))


SETTINGS = (
    Setting("class", "DBInstanceClass", restored_by="DBInstanceClass"),
    Setting("encryption key", "KmsKeyId"),  # the backup's
    Setting("subnet group", "DBSubnetGroup", lambda group: group["DBSubnetGroupName"], restored_by="DBSubnetGroupName"),
    Setting(
        "security groups",
        "VpcSecurityGroups",
        lambda groups: sorted(group["VpcSecurityGroupId"] for group in groups),
        restored_by="VpcSecurityGroupIds",
    ),
    Setting(
        "parameter group",
        "DBParameterGroups",
        lambda groups: groups[0]["DBParameterGroupName"],
        restored_by="DBParameterGroupName",
    ),
    Setting("second zone", "MultiAZ", restored_by="MultiAZ"),
    Setting("public access", "PubliclyAccessible", restored_by="PubliclyAccessible"),
    Setting("deletion protection", "DeletionProtection", restored_by="DeletionProtection"),
    Setting(
        "log exports",
        "EnabledCloudwatchLogsExports",
        lambda logs: sorted(logs or ()),
        restored_by="EnableCloudwatchLogsExports",
    ),
    Setting("IAM authentication", "IAMDatabaseAuthenticationEnabled", restored_by="EnableIAMDatabaseAuthentication"),
    Setting("tags on snapshots", "CopyTagsToSnapshot", restored_by="CopyTagsToSnapshot"),
    Setting("minor upgrades", "AutoMinorVersionUpgrade", restored_by="AutoMinorVersionUpgrade"),
    Setting("days of backups", "BackupRetentionPeriod", modified_by="BackupRetentionPeriod"),
    Setting("backup window", "PreferredBackupWindow", modified_by="PreferredBackupWindow"),
    Setting("maintenance window", "PreferredMaintenanceWindow", modified_by="PreferredMaintenanceWindow"),
    Setting("storage limit", "MaxAllocatedStorage", modified_by="MaxAllocatedStorage"),
    Setting("seconds between enhanced metrics", "MonitoringInterval", modified_by="MonitoringInterval"),
    Setting("role of enhanced metrics", "MonitoringRoleArn", modified_by="MonitoringRoleArn"),
    Setting("Performance Insights", "PerformanceInsightsEnabled", bool, modified_by="EnablePerformanceInsights"),
    Setting("key of Performance Insights", "PerformanceInsightsKMSKeyId", modified_by="PerformanceInsightsKMSKeyId"),
)
"""What a restored instance shares with the live one. The storage of both is gp3, which RDS restores into."""


def tags(described: Instance) -> dict[str, str]:
    """The tags of an instance or a snapshot."""
    return {tag["Key"]: tag["Value"] for tag in described.get("TagList", ())}


def different(live: Instance, other: Instance) -> list[Setting]:
    """The settings that two instances do not share."""
    return [setting for setting in SETTINGS if setting.of(live) != setting.of(other)]


def settled(instance: Instance) -> bool:
    """Whether an instance is available and no change of it is pending. VerifyError when it will not be by itself.

    A change that was asked for shows in the status only after a while, and in what is pending at once."""
    status = instance["DBInstanceStatus"]
    if status in _LOST or status.startswith("incompatible"):
        raise VerifyError(f"{instance['DBInstanceIdentifier']} is {status}, and does not become available by itself.")
    return status == "available" and not instance.get("PendingModifiedValues")


def waits_for(instance: Instance) -> Answer:
    """The answer while an instance is not settled."""
    pending = ", ".join(instance.get("PendingModifiedValues", ()))
    words = f"{instance['DBInstanceIdentifier']} is {instance['DBInstanceStatus']}"
    return waiting(f"{words}, with {pending} pending." if pending else f"{words}.")


class Instances:
    """The instances of one environment, and their snapshots."""

    def __init__(self, settings: StoresSettings, rds: "RDSClient", clock: Clock) -> None:
        self._settings = settings
        self._rds = rds
        self._clock = clock

    def find(self, name: str) -> Instance | None:
        """The instance of a name; None when there is none."""
        try:
            return self._rds.describe_db_instances(DBInstanceIdentifier=name)["DBInstances"][0]
        except self._rds.exceptions.DBInstanceNotFoundFault:
            return None

    def get(self, name: str) -> Instance:
        """The instance of a name; RefusedError when there is none."""
        if (found := self.find(name)) is None:
            raise RefusedError(f"There is no instance {name}.")
        return found

    def available(self, name: str) -> Instance:
        """The instance of a name; RefusedError unless it is available with nothing pending."""
        instance = self.get(name)
        if instance["DBInstanceStatus"] != "available":
            raise RefusedError(f"{name} is {instance['DBInstanceStatus']}, and should be available.")
        if pending := instance.get("PendingModifiedValues"):
            # https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/USER_ModifyInstance.ApplyImmediately.html
            raise RefusedError(f"{name} has changes pending that would be made along with this one: {', '.join(pending)}.")
        return instance

    def named(self, prefix: str) -> list[Instance]:
        """The instances whose names begin so, by name."""
        pages = self._rds.get_paginator("describe_db_instances").paginate()
        found = [one for page in pages for one in page["DBInstances"] if one["DBInstanceIdentifier"].startswith(prefix)]
        return sorted(found, key=lambda one: str(one["DBInstanceIdentifier"]))

    # Snapshots

    def snapshots(self) -> list[Mapping[str, Any]]:
        """The snapshots of the live instance, the newest first; those in the making have no time and come before."""
        pages = self._rds.get_paginator("describe_db_snapshots").paginate(DBInstanceIdentifier=self._settings.database_instance)
        found = [one for page in pages for one in page["DBSnapshots"]]
        return sorted(found, key=lambda one: one.get("SnapshotCreateTime", self._clock()), reverse=True)

    def snapshot_of(self, run: Run) -> Mapping[str, Any] | None:
        """The snapshot that an execution made; None when it made none."""
        return next((one for one in self.snapshots() if tags(one).get(EXECUTION) == run.execution), None)

    def snapshot(self, run: Run) -> Answer:
        """A manual snapshot of the live instance, one for each execution, waited for. `snapshot` is its name."""
        made = self.snapshot_of(run)
        if made is None:
            self.available(self._settings.database_instance)
            name = f"{self._settings.application}-manual-{self._clock():%Y%m%d-%H%M%S}"
            self._rds.create_db_snapshot(
                DBInstanceIdentifier=self._settings.database_instance,
                DBSnapshotIdentifier=name,
                Tags=[{"Key": EXECUTION, "Value": run.execution}],
            )
            return waiting(f"Snapshot {name} is asked for.")
        name = made["DBSnapshotIdentifier"]
        if made["Status"] == "creating":
            return waiting(f"Snapshot {name} is {made.get('PercentProgress', 0)}% done.")
        if made["Status"] != "available":
            raise VerifyError(f"Snapshot {name} is {made['Status']}.")
        if not settled(live := self.get(self._settings.database_instance)):
            return waits_for(live)
        return {"said": f"Snapshot {name} is made.", "snapshot": name}

    # Restoring

    def restored_with(self, live: Instance, run: Run, what: str) -> dict[str, Any]:
        """The parameters that make a restored instance like the live one, and mark what was restored into it."""
        own = [{"Key": key, "Value": value} for key, value in tags(live).items() if not key.startswith("aws:")]
        marks = [{"Key": EXECUTION, "Value": run.execution}, {"Key": RESTORED, "Value": what}]
        return {
            "Tags": [tag for tag in own if tag["Key"] not in (EXECUTION, RESTORED, PASSWORD, SWITCHED)] + marks,
            **{setting.restored_by: setting.of(live) for setting in SETTINGS if setting.restored_by},
        }

    def modified_with(self, live: Instance, other: Instance) -> dict[str, Any]:
        """The parameters of a change that makes an instance more like the live one; empty when nothing is left to change."""
        return {
            setting.modified_by: setting.of(live)
            for setting in different(live, other)
            if setting.modified_by and setting.of(live) is not None
        }


RESTORED = "restored-from"
"""The tag of a restored instance with what was restored into it: a time, or the name of a snapshot."""
PASSWORD = "password-version"  # noqa: S105 - a tag's name
"""The tag of a restored instance with the version of the secret whose password it was given."""
SWITCHED = "switched-to"
"""The tag of an instance that gets the live name: what was asked for. It stays with the instance when that is renamed:
https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/USER_RenameInstance.html"""


def shown(settings: list[Setting], live: Instance, other: Instance) -> Iterator[str]:
    """Each setting that differs, in words."""
    for setting in settings:
        yield f"{setting.words} {setting.of(other)} (live: {setting.of(live)})"
