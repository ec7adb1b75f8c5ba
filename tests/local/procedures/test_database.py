"""The procedures of the database on the local cloud: what they make, refuse, and leave as it is, wherever they are cut short."""

import re
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from lambdas.procedures.instances import different
from lambdas.procedures.run import RefusedError, VerifyError
from local.cloud import Cloud

from .stores import PASSWORD, DiedError, Stores, a_run, cuts


@pytest.fixture
def stores(empty_cloud: Cloud) -> Stores:
    return Stores(empty_cloud)


def live(stores: Stores) -> Any:
    """The live instance, without what time alone changes."""
    return {key: value for key, value in stores.instance().items() if key != "LatestRestorableTime"}


def restored(stores: Stores) -> Any:
    return stores.instance(f"{stores.name}-restored")


def restore(stores: Stores) -> None:
    stores.run("database-restore-to-time", Time="latest")


# Snapshots


def test_a_snapshot_has_the_runbooks_name_and_is_there(stores: Stores) -> None:
    said = stores.run("database-snapshot")["Snapshot"]
    (name,) = re.findall(r"hz-navigator-manual-\d{8}-\d{6}", said)
    (made,) = stores.rds.describe_db_snapshots(DBSnapshotIdentifier=name)["DBSnapshots"]
    assert (made["Status"], made["DBInstanceIdentifier"]) == ("available", stores.name)


def test_a_snapshot_leaves_the_instance_as_it_is(stores: Stores) -> None:
    before = live(stores)
    stores.run("database-snapshot")
    assert live(stores) == before


def test_a_snapshot_is_not_made_of_an_instance_that_is_not_available(stores: Stores) -> None:
    stores.rds.stop_db_instance(DBInstanceIdentifier=stores.name)
    with pytest.raises(RefusedError, match="is stopped"):
        stores.run("database-snapshot")


def test_an_execution_makes_one_snapshot_even_if_the_answer_is_lost(stores: Stores) -> None:
    step, run = stores.steps["database-snapshot"]["Snapshot"], a_run("database-snapshot")
    with stores.cut(1, "after"), pytest.raises(DiedError):
        step(run)
    stores.after(300)
    assert "is made" in step(run)["said"]
    assert len(stores.rds.describe_db_snapshots(DBInstanceIdentifier=stores.name)["DBSnapshots"]) == 1


def test_snapshots_are_listed_the_newest_first(stores: Stores) -> None:
    for _ in range(2):
        stores.run("database-snapshot")
    names = re.findall(r"hz-navigator-manual-\d{8}-\d{6}", stores.run("database-snapshots")["Look"])
    assert len(names) == 2
    assert names == sorted(names, reverse=True)


# Restoring


def test_a_restored_instance_has_every_setting_of_the_live_one(stores: Stores) -> None:
    restore(stores)
    assert different(stores.instance(), restored(stores)) == []
    tags = {tag["Key"]: tag["Value"] for tag in restored(stores)["TagList"]}
    assert tags["environment"] == "production"


def test_a_restore_leaves_the_live_instance_as_it_is(stores: Stores) -> None:
    before = live(stores)
    restore(stores)
    assert live(stores) == before


def test_a_restored_instance_has_the_services_password_though_the_backup_is_of_before_its_rotation(stores: Stores) -> None:
    stores.after(1200)
    time = stores.cloud.now() - timedelta(minutes=10)
    stores.run("rotate-database-password")
    stores.after(600)
    stores.run("database-restore-to-time", Time=f"{time:%Y-%m-%dT%H:%M:%SZ}")
    assert stores.password != PASSWORD
    assert stores.accepts_password(stores.password, f"{stores.name}-restored")


def test_a_snapshot_is_restored_with_every_setting_of_the_live_one(stores: Stores) -> None:
    (name,) = re.findall(r"hz-navigator-manual-\d{8}-\d{6}", stores.run("database-snapshot")["Snapshot"])
    stores.run("database-restore-snapshot", Snapshot=name)
    assert different(stores.instance(), restored(stores)) == []


def test_what_is_restored_already_is_found(stores: Stores) -> None:
    restore(stores)
    before = restored(stores)["DbiResourceId"]
    said = stores.run("database-restore-to-time", Time="latest")
    assert "stands" in said["Plan"]
    assert restored(stores)["DbiResourceId"] == before


def test_nothing_is_restored_over_another_backup(stores: Stores) -> None:
    restore(stores)
    with pytest.raises(RefusedError, match="stands already, restored from latest"):
        stores.run("database-restore-to-time", Time=f"{stores.cloud.now() - timedelta(minutes=6):%Y-%m-%dT%H:%M:%SZ}")


@pytest.mark.parametrize("days", [-8, 1])
def test_a_time_outside_the_backups_is_refused_with_the_times_that_can_be_restored(stores: Stores, days: int) -> None:
    time = f"{stores.cloud.now() + timedelta(days=days):%Y-%m-%dT%H:%M:%SZ}"
    with pytest.raises(RefusedError, match=rf"{time} cannot be restored: the backups reach from .* to "):
        stores.run("database-restore-to-time", Time=time)
    assert len(stores.instances) == 1


def test_a_snapshot_that_is_not_there_is_refused(stores: Stores) -> None:
    with pytest.raises(RefusedError, match="There is no snapshot another"):
        stores.run("database-restore-snapshot", Snapshot="another")


def test_a_restored_instance_that_somebody_changed_is_told(stores: Stores) -> None:
    restore(stores)
    stores.rds.modify_db_instance(
        DBInstanceIdentifier=f"{stores.name}-restored", DeletionProtection=False, ApplyImmediately=True
    )
    with pytest.raises(VerifyError, match="deletion protection False"):
        stores.run("database-restore-to-time", Time="latest")


def test_a_restore_that_dies_anywhere_is_ended_by_the_next_and_the_live_instance_stays(empty_cloud: Cloud) -> None:
    found = []
    for where, stores in cuts(empty_cloud, restore):
        assert different(stores.instance(), restored(stores)) == [], where
        assert stores.accepts_password(PASSWORD, f"{stores.name}-restored"), where
        assert len(stores.instances) == 2, where
        found.append(where)
    assert len(found) >= 8


# Switching


def switch(stores: Stores) -> None:
    stores.run("database-switch")


def switch_back(stores: Stores) -> None:
    stores.run("database-switch", To="before")


def test_a_switch_gives_the_restored_instance_the_live_name_and_endpoint(stores: Stores) -> None:
    restore(stores)
    before, address = stores.instances, stores.instance()["Endpoint"]["Address"]
    switch(stores)
    after = stores.instances
    assert after[stores.name] == before[f"{stores.name}-restored"]
    assert [one for name, one in after.items() if name.startswith(f"{stores.name}-before-")] == [before[stores.name]]
    assert stores.instance()["Endpoint"]["Address"] == address
    assert stores.accepts_password(stores.password)


def test_a_switch_has_a_way_back(stores: Stores) -> None:
    restore(stores)
    before = stores.instances
    switch(stores)
    stores.run("database-switch", To="before")
    assert stores.instances == before


def test_the_way_back_gives_the_password_that_the_service_has_since(stores: Stores) -> None:
    restore(stores)
    switch(stores)
    stores.run("rotate-database-password")
    stores.run("database-switch", To="before")
    assert stores.accepts_password(stores.password)


def test_without_a_restored_instance_there_is_nothing_to_switch_to(stores: Stores) -> None:
    with pytest.raises(RefusedError, match=f"There is no {stores.name}-restored"):
        switch(stores)
    with pytest.raises(RefusedError, match="nothing was put aside"):
        stores.run("database-switch", To="before")


def test_an_instance_that_differs_is_not_switched_to(stores: Stores) -> None:
    restore(stores)
    stores.rds.modify_db_instance(
        DBInstanceIdentifier=f"{stores.name}-restored", DeletionProtection=False, ApplyImmediately=True
    )
    with pytest.raises(RefusedError, match="differs from the live instance: deletion protection"):
        switch(stores)


def test_a_switch_that_dies_anywhere_is_ended_by_the_next_and_both_instances_stay(empty_cloud: Cloud) -> None:
    found = []
    for where, stores in cuts(empty_cloud, switch, prepare=restore):
        assert [name.removeprefix(stores.name)[:8] for name in sorted(stores.instances)] == ["", "-before-"], where
        assert stores.accepts_password(stores.password), where
        assert stores.deployments > 1, where
        found.append(where)
    assert len(found) >= 8


@pytest.mark.parametrize("step", ["Switch", "Restart"])
def test_a_way_back_that_dies_before_a_step_is_ended_by_the_next(stores: Stores, step: str) -> None:
    restore(stores)
    before = stores.instances
    switch(stores)
    stores.run("database-switch", before=step, To="before")
    switch_back(stores)
    assert (stores.instances, stores.deployments) == (before, 3)


@pytest.mark.parametrize("change", [switch, switch_back])
def test_a_switch_that_has_ended_is_not_made_again(stores: Stores, change: Callable[[Stores], object]) -> None:
    restore(stores)
    switch(stores)
    change(stores)
    before = stores.instances
    with stores.cut(0, "") as calls:
        change(stores)
    assert (stores.instances, calls) == (before, ["UpdateService"])


def test_after_a_way_back_the_restored_instance_can_be_switched_to_again(stores: Stores) -> None:
    restore(stores)
    restored = stores.instances[f"{stores.name}-restored"]
    switch(stores)
    switch_back(stores)
    switch(stores)
    assert stores.instances[stores.name] == restored


# Comparing


def test_the_rows_of_both_are_compared_in_a_task(stores: Stores) -> None:
    restore(stores)
    line = 'compared: {"tables": 3, "differ": {"public.claims": [["12", "2026-11-26"], ["10", "2026-11-25"]]}}'
    stores.cloud.control("tasks_write", "COMPARED_HOSTS", [line])
    try:
        said = stores.run("database-compare")["Compare"]
    finally:
        stores.cloud.control("tasks_write", "COMPARED_HOSTS", [])
    assert said == "1 of 3 tables differ: public.claims: 12 rows to 2026-11-26 live, 10 rows to 2026-11-25 restored."


# Slow queries


def threshold(stores: Stores) -> str:
    found = stores.rds.describe_db_parameters(DBParameterGroupName=stores.name, Source="user")["Parameters"]
    return {one["ParameterName"]: str(one["ParameterValue"]) for one in found}["log_min_duration_statement"]


def test_the_threshold_is_set_and_both_values_are_said(stores: Stores) -> None:
    said = stores.run("database-slow-queries", Milliseconds="250")
    assert "1000 becomes 250" in said["Plan"]
    assert "was 1000 and is 250" in said["Set"]
    assert "set SLOW_QUERY_MILLISECONDS in runbook/rules.py" in said["Set"]
    assert threshold(stores) == "250"


def test_the_same_threshold_changes_nothing(stores: Stores) -> None:
    with stores.cut(0, "") as calls:
        said = stores.run("database-slow-queries", Milliseconds="1000")["Set"]
    assert (calls, "is 1000 already" in said) == ([], True)


# Migrations


def migrate(stores: Stores, direction: str, lines: list[str], code: int = 0) -> dict[str, str]:
    stores.cloud.control("tasks_write", "node-pg-migrate", lines, code)
    return stores.run("migrations", Direction=direction)


def test_what_a_migration_wrote_is_shown(stores: Stores) -> None:
    assert "Migrations complete!" in migrate(stores, "up", ["> Migrating files:", "Migrations complete!"])["Migrate"]


def test_a_migration_that_fails_says_what_it_wrote_and_no_password(stores: Stores) -> None:
    wrote = "cannot connect to postgresql://hz_admin:very-secret@host:5432/hz"  # pragma: allowlist secret - of nothing
    with pytest.raises(VerifyError, match="ended with 1") as failure:
        migrate(stores, "up", [wrote], 1)
    assert "very-secret" not in str(failure.value)
    assert "postgresql://hz_admin:***@host" in str(failure.value)


def test_a_migration_is_taken_back_after_a_snapshot(stores: Stores) -> None:
    migrate(stores, "down", ["Migrations complete!"])
    assert len(stores.rds.describe_db_snapshots(DBInstanceIdentifier=stores.name)["DBSnapshots"]) == 1
    assert stores.commands == ["node_modules/.bin/node-pg-migrate down"]


def test_a_migration_that_is_being_taken_back_when_all_dies_is_taken_back_once(empty_cloud: Cloud) -> None:
    found = []
    for where, stores in cuts(empty_cloud, lambda stores: migrate(stores, "down", ["Migrations complete!"])):
        assert stores.commands == ["node_modules/.bin/node-pg-migrate down"], where
        found.append(where)
    assert len(found) >= 6


def test_a_migration_of_which_nobody_saw_the_end_for_long_is_told_before_another_is_taken_back(stores: Stores) -> None:
    with stores.cut(3, "after") as calls, pytest.raises(DiedError):
        migrate(stores, "down", ["Migrations complete!"])
    assert calls[-1] == "RunTask"
    stores.after(7200)
    assert "or this takes back one more" in migrate(stores, "down", ["Migrations complete!"])["Plan"]
    assert len(stores.commands) == 2
    assert "one more" not in migrate(stores, "down", ["Migrations complete!"])["Plan"]


def test_a_second_migration_is_taken_back_once_the_first_was_seen_to_end(stores: Stores) -> None:
    migrate(stores, "down", ["Migrations complete!"])
    migrate(stores, "down", ["Migrations complete!"])
    assert len(stores.commands) == 2


def test_a_migration_that_failed_to_be_taken_back_is_taken_back_by_the_next(stores: Stores) -> None:
    with pytest.raises(VerifyError, match="ended with 1"):
        migrate(stores, "down", ["no"], 1)
    assert "Migrations complete!" in migrate(stores, "down", ["Migrations complete!"])["Migrate"]
    assert len(stores.commands) == 2


def test_the_status_is_a_dry_run_and_makes_no_snapshot(stores: Stores) -> None:
    migrate(stores, "status", ["No migrations to run!"])
    assert stores.rds.describe_db_snapshots(DBInstanceIdentifier=stores.name)["DBSnapshots"] == []
    assert stores.commands == ["node_modules/.bin/node-pg-migrate up --dry-run"]
