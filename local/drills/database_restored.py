"""The drill of rows that are lost, and of the database that is restored."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from local.cloud import Cloud
from local.drills.drill import FAULT, Drill
from local.drills.operator import Execution, Operator

_MIGRATED = ("> Migrating files:", "> - 0042_one_claim_a_user", "Migrations complete!")
_COMPARED = 'compared: {"tables": 41, "differ": {"public.claims": [["310", null], ["48211", null]]}}'
"""What the migration and the comparison write: no database runs here, so no row is really lost."""
_NOTICED = 5
"""After so many minutes somebody misses the rows: the backups are five minutes behind."""
_WHY = "Migration 0042 deleted claims"


def database_restored(drill: Drill) -> None:
    """A migration deletes rows. No alarm watches rows, so nobody is called but by those who miss them. Who is on call restores
    the database to the time before, compares, and switches over in announced maintenance; the way back stays."""
    simulation, cloud, live = drill.simulation, drill.simulation.cloud, drill.environment.database_instance
    ada, bob = Operator(cloud, "ada"), Operator(cloud, "bob")
    before, time = _instances(cloud), f"{cloud.now():%Y-%m-%dT%H:%M:%SZ}"
    _lose_rows(drill, ada)

    planned = ada.run("database-restore-to-time", dry_run=True, Time=time).steps["Plan"]
    drill.note(f"on call asks first, by a dry run: {planned}", style="cyan")
    described, begun = _described(cloud, live), cloud.now()
    _run(drill, "database-restore-to-time", ada, limit=60, every=6, Time=time)
    untouched = _described(cloud, live) == described and not _modified(cloud, live, begun)
    drill.check("the restore never touched the live instance", untouched)
    restored = _instances(cloud).get(f"{live}-restored")
    drill.note(f"{live}-restored stands beside {live}", mark="restored")
    _run(drill, "database-compare", ada, limit=10, every=2)

    _run(drill, "maintenance-on", ada, bob, limit=5, Minutes="60")
    drill.note("users get the maintenance page", mark="announced")
    switched = _run(drill, "database-switch", ada, bob, limit=60, every=6)
    after = _instances(cloud)
    aside = [name for name in after if name.startswith(f"{live}-before-")]
    back = ada.run("database-switch", dry_run=True, To="before").steps.get("Plan", "")
    drill.note(f"the way back, by a dry run: {back}", style="cyan", mark="switched")
    _run(drill, "maintenance-off", ada, limit=15)
    cleared = drill.minutes(15, lambda: simulation.alarms_are_clear() and simulation.users.served)
    if cleared:
        drill.note("users are served, all alarms are clear", style="bold green", mark="healthy")

    drill.check("another person approved the switch", f"{bob.arn} approved." in str(switched.record.get("steps")))
    drill.check("the restored instance has the live one's name", after.get(live) == restored != before[live])
    drill.check("the old instance is kept", [after[name] for name in aside] == [before[live]])
    drill.check("there is a way back to it", any(name in back for name in aside))
    drill.check("users are served by the restored instance, and the alarms are clear", cleared)
    drill.check("nobody was called: no alarm watches rows, and maintenance was announced", not drill.pages)
    drill.check("rollback was not called", not drill.calls)
    drill.check("nobody was called, so nothing was diagnosed", drill.findings == [])
    drill.check("IAM denied nothing", not drill.denied)
    drill.measure("fault -> restored", FAULT, "restored")
    drill.measure("announced -> switched", "announced", "switched")
    drill.measure("fault -> users served", FAULT, "healthy")


def _lose_rows(drill: Drill, who: Operator) -> None:
    cloud = drill.simulation.cloud
    cloud.control("tasks_write", "node-pg-migrate", _MIGRATED)
    cloud.control("tasks_write", "COMPARED_HOSTS", [_COMPARED])
    _run(drill, "migrations", who, limit=6, every=3, Direction="up")
    drill.fault("the migration has deleted rows that it should have kept")
    drill.minutes(_NOTICED, every=_NOTICED)
    drill.note("users miss their claims, and write to the team")


def _run(
    drill: Drill, procedure: str, who: Operator, by: Operator | None = None, *, limit: int, every: int = 1, **inputs: Any
) -> Execution:
    """Somebody starts a procedure, another approves it where that is asked for, and it has to end well and be recorded."""
    execution = who.start(procedure, reason=_WHY, **inputs)
    drill.note(f"on call starts {procedure}{', and another person approves' if by else ''}", style="cyan")
    if by:
        drill.check(f"{procedure} waits for another person", who.look(execution).status == "Waiting")
        by.signal(execution, "Approve")
    drill.minutes(limit, lambda: who.look(execution).over, every)
    ended = who.look(execution)
    record, last = ended.record, list(ended.steps.values())[-2:]
    drill.note(f"{procedure}: {last[0] if ended.status == 'Success' else ended.said}", style="cyan")
    drill.check(f"{procedure} succeeded", ended.status == "Success")
    drill.check(
        f"{procedure} is recorded with who, when and why",
        [record.get(name) for name in ("procedure", "started_by", "reason")] == [procedure, who.arn, _WHY]
        and "started_at" in record,
    )
    return ended


def _modified(cloud: Cloud, instance: str, since: datetime) -> list[str]:
    """The calls of procedures since then that change an instance."""
    arn = cloud.environment.arn("rds", f"db:{instance}")
    calls = (one for one in cloud.calls("procedures") if one.time >= since and one.resource == arn)
    return [one.action for one in calls if one.action.startswith(("Modify", "Delete", "Reboot"))]


def _instances(cloud: Cloud) -> dict[str, str]:
    """The resource id of every instance, which no renaming changes, by its name."""
    found = cloud.client("rds").describe_db_instances()["DBInstances"]
    return {one["DBInstanceIdentifier"]: one["DbiResourceId"] for one in found}


def _described(cloud: Cloud, instance: str) -> Mapping[str, Any]:
    """An instance as RDS describes it, but for what time alone changes."""
    (found,) = cloud.client("rds").describe_db_instances(DBInstanceIdentifier=instance)["DBInstances"]
    return {key: value for key, value in found.items() if key != "LatestRestorableTime"}
