"""Database instances take time, are restored as RDS restores them, and refuse what RDS refuses."""

import itertools
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from botocore.exceptions import ClientError

from local.cloud import Cloud
from local.emulator.database_instances import LASTS

_names = (f"instance-{number}" for number in itertools.count())
LONG = sum(LASTS.values())


class Instance:
    """An instance with what a stack gives it."""

    def __init__(self, cloud: Cloud) -> None:
        self.cloud, self.rds, self.name = cloud, cloud.client("rds"), next(_names)
        self.rds.create_db_parameter_group(
            DBParameterGroupName=self.name, DBParameterGroupFamily="postgres15", Description="of the test"
        )
        self.rds.create_db_instance(
            DBInstanceIdentifier=self.name,
            DBInstanceClass="db.t4g.large",
            Engine="postgres",
            EngineVersion="15.12",
            MasterUsername="hz_admin",
            MasterUserPassword="first-password",
            AllocatedStorage=100,
            StorageEncrypted=True,
            KmsKeyId="arn:aws:kms:us-east-1:1:key/1",
            BackupRetentionPeriod=7,
            MultiAZ=True,
            DeletionProtection=True,
            DBParameterGroupName=self.name,
            VpcSecurityGroupIds=["sg-own"],
            Tags=[{"Key": "of", "Value": "the test"}],
        )

    @property
    def restored(self) -> str:
        return f"{self.name}-restored"

    def restore(self, **changed: Any) -> Any:
        request: dict[str, Any] = {
            "SourceDBInstanceIdentifier": self.name,
            "TargetDBInstanceIdentifier": self.restored,
            "UseLatestRestorableTime": True,
            **changed,
        }
        return self.rds.restore_db_instance_to_point_in_time(**{k: v for k, v in request.items() if v is not None})

    def look(self, name: str = "") -> Any:
        return self.rds.describe_db_instances(DBInstanceIdentifier=name or self.name)["DBInstances"][0]

    def modify(self, **wanted: Any) -> Any:
        return self.rds.modify_db_instance(DBInstanceIdentifier=self.name, **{"ApplyImmediately": True, **wanted})

    def statuses(self, name: str = "", step: float = 10) -> list[str]:
        """The statuses from now on, each once, until the instance is available for long."""
        seen = [self.look(name)["DBInstanceStatus"]]
        for _ in range(int(LONG / step)):
            self.cloud.advance(timedelta(seconds=step))
            if (status := self.look(name)["DBInstanceStatus"]) != seen[-1]:
                seen.append(status)
        return seen

    def settle(self) -> None:
        self.cloud.advance(timedelta(seconds=LONG))


@pytest.fixture
def instance(empty_cloud: Cloud) -> Instance:
    return Instance(empty_cloud)


def refused(code: str) -> Any:
    return pytest.raises(ClientError, match=code)


def test_a_restored_instance_is_created_then_backed_up_then_available(instance: Instance) -> None:
    instance.restore()
    assert instance.statuses(instance.restored) == ["creating", "backing-up", "available"]


def test_a_restored_instance_has_an_endpoint_when_it_is_created(instance: Instance) -> None:
    instance.restore()
    assert "Endpoint" not in instance.look(instance.restored)
    instance.settle()
    assert instance.look(instance.restored)["Endpoint"]["Address"].startswith(f"{instance.restored}.")


def test_a_restore_leaves_the_source_as_it_is(instance: Instance) -> None:
    before = instance.look() | {"LatestRestorableTime": None}
    instance.restore()
    instance.settle()
    assert instance.look() | {"LatestRestorableTime": None} == before


def test_what_is_not_asked_for_is_rdss_default_and_not_the_sources(instance: Instance) -> None:
    instance.restore()
    made = instance.look(instance.restored)
    assert not made["DeletionProtection"]
    assert not made["MultiAZ"]
    assert made["DBParameterGroups"][0]["DBParameterGroupName"] == "default.postgres15"
    assert [group["VpcSecurityGroupId"] for group in made["VpcSecurityGroups"]] != ["sg-own"]
    assert made["TagList"] == []


def test_size_engine_backups_and_encryption_are_the_sources(instance: Instance) -> None:
    instance.restore()
    made, source = instance.look(instance.restored), instance.look()
    inherited = ("DBInstanceClass", "Engine", "EngineVersion", "AllocatedStorage", "KmsKeyId", "StorageEncrypted")
    assert [made[key] for key in (*inherited, "BackupRetentionPeriod")] == [
        source[key] for key in (*inherited, "BackupRetentionPeriod")
    ]


def test_what_is_asked_for_a_restored_instance_has(instance: Instance) -> None:
    instance.restore(
        DBParameterGroupName=instance.name,
        VpcSecurityGroupIds=["sg-own"],
        MultiAZ=True,
        DeletionProtection=True,
        EnableCloudwatchLogsExports=["postgresql", "upgrade"],
        Tags=[{"Key": "of", "Value": "the test"}],
    )
    made = instance.look(instance.restored)
    assert (made["MultiAZ"], made["DeletionProtection"]) == (True, True)
    assert made["DBParameterGroups"][0]["DBParameterGroupName"] == instance.name
    assert [group["VpcSecurityGroupId"] for group in made["VpcSecurityGroups"]] == ["sg-own"]
    assert made["EnabledCloudwatchLogsExports"] == ["postgresql", "upgrade"]
    assert made["TagList"] == [{"Key": "of", "Value": "the test"}]


def test_nothing_is_restored_over_an_instance(instance: Instance) -> None:
    with refused("DBInstanceAlreadyExists"):
        instance.restore(TargetDBInstanceIdentifier=instance.name)
    snapshot = f"{instance.name}-snapshot"
    instance.rds.create_db_snapshot(DBInstanceIdentifier=instance.name, DBSnapshotIdentifier=snapshot)
    instance.settle()
    with refused("DBInstanceAlreadyExists"):
        instance.rds.restore_db_instance_from_db_snapshot(DBInstanceIdentifier=instance.name, DBSnapshotIdentifier=snapshot)


@pytest.mark.parametrize("days", [-8, 1])
def test_a_time_outside_the_backups_is_refused(instance: Instance, days: int) -> None:
    at = instance.cloud.now() + timedelta(days=days)
    with refused("InvalidParameterValue"):
        instance.restore(UseLatestRestorableTime=None, RestoreTime=at)


def test_the_latest_restorable_time_is_a_few_minutes_ago(instance: Instance) -> None:
    latest, now = instance.look()["LatestRestorableTime"], instance.cloud.now()
    assert timedelta() <= now - latest <= timedelta(minutes=5)
    instance.restore(UseLatestRestorableTime=None, RestoreTime=latest)


@pytest.mark.parametrize("times", [{}, {"UseLatestRestorableTime": True, "RestoreTime": datetime(2026, 1, 1, tzinfo=UTC)}])
def test_a_restore_needs_one_time_and_no_two(instance: Instance, times: dict[str, Any]) -> None:
    with refused("InvalidParameterCombination"):
        instance.restore(**{"UseLatestRestorableTime": None, **times})


def test_without_backups_there_is_nothing_to_restore(instance: Instance) -> None:
    instance.modify(BackupRetentionPeriod=0)
    with refused("PointInTimeRestoreNotEnabled"):
        instance.restore()


def test_a_snapshot_takes_time_and_backs_the_instance_up(instance: Instance) -> None:
    name = f"{instance.name}-snapshot"
    made = instance.rds.create_db_snapshot(DBInstanceIdentifier=instance.name, DBSnapshotIdentifier=name)["DBSnapshot"]
    assert (made["Status"], made["PercentProgress"]) == ("creating", 0)
    assert instance.look()["DBInstanceStatus"] == "backing-up"
    with refused("InvalidDBSnapshotState"):
        instance.rds.restore_db_instance_from_db_snapshot(DBInstanceIdentifier=instance.restored, DBSnapshotIdentifier=name)
    with refused("InvalidDBInstanceState"):
        instance.rds.create_db_snapshot(DBInstanceIdentifier=instance.name, DBSnapshotIdentifier=f"{name}-2")
    instance.settle()
    (made,) = instance.rds.describe_db_snapshots(DBSnapshotIdentifier=name)["DBSnapshots"]
    assert (made["Status"], made["PercentProgress"]) == ("available", 100)
    restored = instance.rds.restore_db_instance_from_db_snapshot(
        DBInstanceIdentifier=instance.restored, DBSnapshotIdentifier=name
    )["DBInstance"]
    assert (restored["KmsKeyId"], restored["StorageEncrypted"]) == ("arn:aws:kms:us-east-1:1:key/1", True)


@pytest.mark.parametrize("name", ["-a", "a--b", "a-", "a_b", "1a", "a" * 256])
def test_a_snapshot_with_a_wrong_name_is_refused(instance: Instance, name: str) -> None:
    with refused("InvalidParameterValue"):
        instance.rds.create_db_snapshot(DBInstanceIdentifier=instance.name, DBSnapshotIdentifier=name)


def test_another_class_is_pending_then_modifying_then_there(instance: Instance) -> None:
    asked = instance.modify(DBInstanceClass="db.r6g.large")["DBInstance"]
    assert (asked["DBInstanceStatus"], asked["DBInstanceClass"]) == ("available", "db.t4g.large")
    assert asked["PendingModifiedValues"] == {"DBInstanceClass": "db.r6g.large"}
    assert instance.statuses() == ["available", "modifying", "available"]
    made = instance.look()
    assert (made["DBInstanceClass"], made["PendingModifiedValues"]) == ("db.r6g.large", {})


def test_a_change_that_is_not_for_now_waits_for_the_window(instance: Instance) -> None:
    instance.modify(DBInstanceClass="db.r6g.large", ApplyImmediately=False)
    instance.settle()
    made = instance.look()
    assert (made["DBInstanceClass"], made["PendingModifiedValues"]) == ("db.t4g.large", {"DBInstanceClass": "db.r6g.large"})


def test_a_class_that_cannot_be_ordered_is_refused(instance: Instance) -> None:
    with refused("InvalidParameterCombination"):
        instance.modify(DBInstanceClass="db.t1.huge")


def test_a_new_name_is_a_new_endpoint_in_the_same_region(instance: Instance) -> None:
    instance.restore()
    instance.settle()
    live = instance.look(instance.restored)["Endpoint"]["Address"].replace("-restored", "")
    instance.modify(NewDBInstanceIdentifier=f"{instance.name}-before")
    instance.settle()
    with refused("DBInstanceNotFound"):
        instance.look()
    instance.rds.modify_db_instance(
        DBInstanceIdentifier=instance.restored, NewDBInstanceIdentifier=instance.name, ApplyImmediately=True
    )
    instance.settle()
    assert instance.look()["Endpoint"]["Address"] == live
    assert instance.look(f"{instance.name}-before")["DeletionProtection"]


def test_a_name_that_is_taken_is_refused(instance: Instance) -> None:
    instance.restore()
    instance.settle()
    with refused("DBInstanceAlreadyExists"):
        instance.modify(NewDBInstanceIdentifier=instance.restored)


def test_an_instance_that_is_changing_takes_no_other_change(instance: Instance) -> None:
    instance.modify(DBInstanceClass="db.r6g.large")
    instance.cloud.advance(timedelta(seconds=LASTS["asked"]))
    with refused("InvalidDBInstanceState"):
        instance.modify(DBInstanceClass="db.t4g.large")


def test_a_password_is_never_shown(instance: Instance) -> None:
    asked = instance.modify(MasterUserPassword="second-password")["DBInstance"]
    assert asked["PendingModifiedValues"] == {"MasterUserPassword": "****"}
    assert "resetting-master-credentials" in instance.statuses()


def test_a_failover_takes_an_instance_in_two_zones(instance: Instance) -> None:
    instance.rds.reboot_db_instance(DBInstanceIdentifier=instance.name, ForceFailover=True)
    assert instance.statuses() == ["rebooting", "available"]
    instance.restore()
    instance.settle()
    with refused("InvalidParameterCombination"):
        instance.rds.reboot_db_instance(DBInstanceIdentifier=instance.restored, ForceFailover=True)


def test_what_can_be_ordered_is_listed_by_class_storage_and_zone(empty_cloud: Cloud) -> None:
    rds = empty_cloud.client("rds")
    found = rds.describe_orderable_db_instance_options(Engine="postgres", EngineVersion="15.12", DBInstanceClass="db.t4g.large")
    options = found["OrderableDBInstanceOptions"]
    assert "gp3" in {option["StorageType"] for option in options}
    assert {zone["Name"] for zone in options[0]["AvailabilityZones"]} >= {"us-east-1a", "us-east-1b", "us-east-1c"}
    pages = rds.get_paginator("describe_orderable_db_instance_options").paginate(Engine="postgres", EngineVersion="15.12")
    classes = {one["DBInstanceClass"] for page in pages for one in page["OrderableDBInstanceOptions"]}
    assert {"db.t4g.large", "db.r6g.large"} <= classes
