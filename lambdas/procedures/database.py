"""The procedures of the database: snapshots, restores beside the live instance, a switch to them, slow queries, migrations.

What is restored gets a name of its own. Only `database-switch` renames the live instance, and it deletes nothing.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from lambdas.common.clock import Clock
from lambdas.procedures import comparison
from lambdas.procedures.instances import (
    EXECUTION,
    PASSWORD,
    RESTORED,
    SWITCHED,
    Instance,
    Instances,
    different,
    settled,
    shown,
    tags,
    waits_for,
)
from lambdas.procedures.one_off import Ended, OneOff
from lambdas.procedures.restarts import Restarts
from lambdas.procedures.run import Answer, RefusedError, Run, Step, Steps, VerifyError, waiting
from lambdas.procedures.stores import StoresSettings
from runbook.rules import SLOW_QUERY_MILLISECONDS

if TYPE_CHECKING:
    from mypy_boto3_ecs import ECSClient
    from mypy_boto3_rds import RDSClient

    from lambdas.common.aws import Secrets

LATEST = "latest"
"""In place of a time: the latest that can be restored."""
SLOW_QUERIES = "log_min_duration_statement"
_LISTED = 12

MIGRATIONS = {"up": "up", "down": "down", "status": "up --dry-run"}
"""What node-pg-migrate is told. It has no status: a dry run says what is not yet migrated.
https://salsita.github.io/node-pg-migrate/cli"""

MIGRATION, BEGUN, FAILED = "migration", "begun", "failed"
"""A tag of the snapshot before a migration is taken back: whether its task was begun or seen to fail, and the execution whose
task it is. Until an execution has succeeded with that task none begins another, which would take back one more migration."""
_TOKEN_KEPT = timedelta(hours=1)
"""So long at least ECS answers with the task that a token started: for a day, but no more than an hour after the task's end.
https://docs.aws.amazon.com/AmazonECS/latest/APIReference/ECS_Idempotency.html"""


class Database:
    """The procedures of one environment's database."""

    def __init__(
        self,
        settings: StoresSettings,
        *,
        rds: "RDSClient",
        ecs: "ECSClient",
        logs: Any,
        secrets: "Secrets",
        clock: Clock,
        healthy: Step,
        succeeded: Callable[[str], bool],
    ) -> None:
        """`succeeded` says whether an execution of a procedure is recorded to have succeeded."""
        self._settings = settings
        self._healthy = healthy
        self._succeeded = succeeded
        self._rds = rds
        self._secrets = secrets
        self._clock = clock
        self._instances = Instances(settings, rds, clock)
        self._tasks = OneOff(settings, ecs, logs)
        self._restarts = Restarts(settings, ecs)

    def steps(self) -> Steps:
        """The steps of each procedure, by name."""
        restore = {"Restore": self.restore, "Finish": self.finish_restore, "Verify": self.verify_restore}
        return {
            "database-snapshot": {"Plan": self.plan_snapshot, "Snapshot": self._instances.snapshot},
            "database-snapshots": {"Plan": self.plan_snapshots, "Look": self.list_snapshots},
            "database-restore-to-time": {"Plan": self.plan_restore, **restore},
            "database-restore-snapshot": {"Plan": self.plan_restore, **restore},
            "database-slow-queries": {"Plan": self.plan_slow_queries, "Set": self.set_slow_queries},
            "database-compare": {"Plan": self.plan_compare, "Compare": self.compare},
            "database-switch": {
                "Plan": self.plan_switch,
                "Aside": self.put_aside,
                "Switch": self.switch,
                "Restart": self._restarts.begin,
                "Restarted": self._restarts.wait,
                "Verify": self.verify_switch,
                "Health": self._healthy,
            },
            "migrations": {
                "Plan": self.plan_migrations,
                "Snapshot": self.snapshot_before_down,
                "Migrate": self.migrate,
            },
        }

    # Snapshots

    def plan_snapshot(self, _: Run) -> Answer:
        live = self._instances.available(self._settings.database_instance)
        # https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/USER_CreateSnapshot.html
        pause = "" if live["MultiAZ"] else " It stands in one zone: writes pause for seconds."
        return {"said": f"A snapshot of {live['DBInstanceIdentifier']}, {live['AllocatedStorage']} GiB.{pause}"}

    def plan_snapshots(self, _: Run) -> Answer:
        return {"said": f"The newest {_LISTED} snapshots of {self._settings.database_instance} are listed."}

    def list_snapshots(self, _: Run) -> Answer:
        found = self._instances.snapshots()
        lines = [
            f"{one['DBSnapshotIdentifier']} {_time(one.get('SnapshotCreateTime'))} {one['Status']}" for one in found[:_LISTED]
        ]
        more = f"; {len(found) - _LISTED} older" if len(found) > _LISTED else ""
        return {"said": f"{len(found)} snapshots, the newest first: {'; '.join(lines)}{more}." if found else "No snapshot."}

    # Restoring

    def plan_restore(self, run: Run) -> Answer:
        """RefusedError for a time outside the backups, for an unknown snapshot, and when something else is restored."""
        live = self._instances.get(self._settings.database_instance)
        name, what, source = self._settings.restored_instance, self._wanted(run), self._source(run, live)
        standing = self._instances.find(name)
        if standing:
            self._check_standing(standing, what)
            return {"said": f"{name} stands, restored from {what}: what is left of it is done."}
        return {
            "said": f"{name} is made from {source}, with the class, network, parameters, encryption, protection and logs of "
            f"{live['DBInstanceIdentifier']}, which is not touched. It takes from minutes to hours, and costs what the live "
            "instance costs until it is deleted."
        }

    def restore(self, run: Run) -> Answer:
        """Ask for the restored instance, unless it stands, and wait until it is available."""
        name, what = self._settings.restored_instance, self._wanted(run)
        standing = self._instances.find(name)
        if standing is None:
            live = self._instances.get(self._settings.database_instance)
            source = self._source(run, live)
            given = self._instances.restored_with(live, run, what)
            if snapshot := run.inputs.get("Snapshot"):
                self._rds.restore_db_instance_from_db_snapshot(
                    DBInstanceIdentifier=name, DBSnapshotIdentifier=snapshot, **given
                )
            else:
                at: Any = {"UseLatestRestorableTime": True} if what == LATEST else {"RestoreTime": _parsed(what)}
                self._rds.restore_db_instance_to_point_in_time(
                    SourceDBInstanceIdentifier=self._settings.database_instance, TargetDBInstanceIdentifier=name, **at, **given
                )
            return waiting(f"{name} is asked for, from {source}.")
        self._check_standing(standing, what)
        if not settled(standing):
            return waits_for(standing)
        return {"said": f"{name} is there, restored from {what}."}

    def finish_restore(self, run: Run) -> Answer:
        """Set what restoring does not take, and the service's password: a backup has the password of its own time."""
        name = self._settings.restored_instance
        restored = self._instances.get(name)
        self._check_standing(restored, self._wanted(run))
        if not settled(restored):
            return waits_for(restored)
        changes = self._instances.modified_with(self._instances.get(self._settings.database_instance), restored)
        if changes:
            self._rds.modify_db_instance(DBInstanceIdentifier=name, ApplyImmediately=True, **changes)
            return waiting(f"{name} gets {', '.join(changes)}.")
        return self._give_password(restored) or {"said": f"{name} has the settings and the password of the live instance."}

    def verify_restore(self, run: Run) -> Answer:
        """VerifyError when the restored instance has not what the live one has."""
        live, name = self._instances.get(self._settings.database_instance), self._settings.restored_instance
        restored = self._instances.get(name)
        if wrong := different(live, restored):
            raise VerifyError(f"{name} differs: {'; '.join(shown(wrong, live, restored))}.")
        return {
            "said": f"{name} is like the live instance, with the data of {self._wanted(run)}. database-compare compares them. "
            "Take it into service with database-switch, or delete it: switch its deletion protection off first. RDS keeps its "
            "logs for ever, in groups of its own name."
        }

    def _give_password(self, instance: Instance) -> Answer | None:
        """Give an instance the password that the service has, unless it has it; None when nothing is left to do."""
        secret = self._secrets.get_secret_value(SecretId=self._settings.database_secret)
        if tags(instance).get(PASSWORD) == secret["VersionId"]:
            return None
        name = instance["DBInstanceIdentifier"]
        password = json.loads(secret["SecretString"])["password"]
        self._rds.modify_db_instance(DBInstanceIdentifier=name, MasterUserPassword=password, ApplyImmediately=True)
        self._mark(instance["DBInstanceArn"], {PASSWORD: secret["VersionId"]})
        return waiting(f"{name} gets the password of the service.")

    def _mark(self, arn: str, marks: Mapping[str, str]) -> None:
        """Give an instance or a snapshot tags of ours."""
        self._rds.add_tags_to_resource(ResourceName=arn, Tags=[{"Key": key, "Value": value} for key, value in marks.items()])

    def _wanted(self, run: Run) -> str:
        """What is asked for: a snapshot's name, a time or LATEST."""
        return run.inputs.get("Snapshot") or run.inputs["Time"]

    def _source(self, run: Run, live: Instance) -> str:
        """What is asked for, in words; RefusedError when it cannot be restored."""
        if name := run.inputs.get("Snapshot"):
            found = {one["DBSnapshotIdentifier"]: one for one in self._instances.snapshots()}
            if name not in found:
                raise RefusedError(
                    f"There is no snapshot {name} of {live['DBInstanceIdentifier']}: database-snapshots lists them."
                )
            if found[name]["Status"] != "available":
                raise RefusedError(f"Snapshot {name} is {found[name]['Status']}, and should be available.")
            return f"snapshot {name} of {_time(found[name]['SnapshotCreateTime'])}"
        latest = live.get("LatestRestorableTime")
        if not latest:
            raise RefusedError(f"{live['DBInstanceIdentifier']} has no backup to restore from.")
        if (time := run.inputs["Time"]) == LATEST:
            return f"its backups at the latest time that can be restored, {_time(latest)} or a little later"
        kept = self._clock() - timedelta(days=live["BackupRetentionPeriod"])
        earliest = max(kept, live["InstanceCreateTime"])
        if not earliest <= _parsed(time) <= latest:
            raise RefusedError(f"{time} cannot be restored: the backups reach from {_time(earliest)} to {_time(latest)}.")
        return f"its backups at {time} (the latest time that can be restored: {_time(latest)})"

    def _check_standing(self, standing: Instance, what: str) -> None:
        """RefusedError when another backup was restored: nothing is restored over it."""
        found = tags(standing).get(RESTORED)
        if found != what:
            raise RefusedError(
                f"{standing['DBInstanceIdentifier']} stands already, restored from {found or 'something else'}: switch to it "
                "with database-switch, or delete it, first."
            )

    # Comparing

    def plan_compare(self, _: Run) -> Answer:
        hosts = [self._instances.available(name)["DBInstanceIdentifier"] for name in self._compared]
        return {
            "said": f"A task of {self._settings.service} counts the rows of every table of {' and '.join(hosts)}, and reads "
            "the newest time of each. Both are only read; counting large tables costs both of them input and output."
        }

    def compare(self, run: Run) -> Answer:
        hosts = [self._instances.get(name)["Endpoint"]["Address"] for name in self._compared]
        given = comparison.variables(hosts, self._settings.database_variables)
        ended = self._tasks.run(run, comparison.command(), given)
        return {"said": comparison.told(ended.lines)} if isinstance(ended, Ended) else ended

    @property
    def _compared(self) -> tuple[str, str]:
        return self._settings.database_instance, self._settings.restored_instance

    # Switching

    def plan_switch(self, run: Run) -> Answer:
        """RefusedError unless the live instance and the other are there, or the switch was begun before."""
        name = self._settings.database_instance
        if self._switched(run):
            self._instances.available(name)
            to = "the one that was put aside" if _back(run) else "the restored instance"
            return {
                "said": f"{name} is {to} already: what is left is a restart of {self._settings.service}, and to look at it."
            }
        aside, coming = self._names(run)
        if self._instances.find(coming) is None:
            raise RefusedError(f"There is no {coming}: restore one first.")
        taken = self._instances.available(coming)
        if self._instances.find(name) is None:
            return {"said": f"{name} is put aside already: {coming} gets its name."}
        live = self._instances.available(name)
        if self._instances.find(aside):
            raise RefusedError(f"{aside} stands already: delete it first.")
        if wrong := different(live, taken):
            raise RefusedError(f"{coming} differs from the live instance: {'; '.join(shown(wrong, live, taken))}.")
        return {
            "said": f"{name} becomes {aside}, and {coming} gets its name and its endpoint. Nobody reaches the database for 10 "
            f"to 30 minutes: put the maintenance page up before. What was written since the backup is only in {aside} then. "
            "CloudFormation knows the instance by its name, and takes the other for its own."
        }

    def put_aside(self, run: Run) -> Answer:
        """Give the other instance the service's password; then rename the live one, unless it is, and wait for its new name."""
        name = self._settings.database_instance
        if self._switched(run):
            return {"said": f"{name} has its new instance already."}
        aside, coming = self._names(run)
        taken = self._instances.get(coming)
        if not settled(taken):
            return waits_for(taken)
        if waits := self._give_password(taken):
            return waits
        if tags(taken).get(SWITCHED) != run.inputs["To"]:
            self._mark(taken["DBInstanceArn"], {SWITCHED: run.inputs["To"]})
        live = self._instances.find(name)
        if live is None:
            return {"said": f"{name} is put aside."}
        if not settled(live):
            return waits_for(live)
        self._rename(name, aside)
        return waiting(f"{name} is being renamed to {aside}.")

    def switch(self, run: Run) -> Answer:
        """Give the other instance the live name, unless it has it, and wait until it is available."""
        name = self._settings.database_instance
        if live := self._instances.find(name):
            return {"said": f"{name} is available."} if settled(live) else waits_for(live)
        _, coming = self._names(run)
        taken = self._instances.get(coming)
        if not settled(taken):
            return waits_for(taken)
        self._rename(coming, name)
        return waiting(f"{coming} is being renamed to {name}.")

    def verify_switch(self, _: Run) -> Answer:
        """VerifyError unless the live instance has the endpoint that the service's secret has."""
        live = self._instances.get(self._settings.database_instance)
        address = live["Endpoint"]["Address"]
        secret = self._secrets.get_secret_value(SecretId=self._settings.database_secret)
        if (expected := json.loads(secret["SecretString"])["host"]) != address:
            raise VerifyError(f"{live['DBInstanceIdentifier']} is at {address}, and the service looks for {expected}.")
        aside = ", ".join(one["DBInstanceIdentifier"] for one in self._instances.named(self._settings.instances_before))
        return {
            "said": f"{live['DBInstanceIdentifier']} is available at {address}, as before. Put aside: {aside or 'none'}. The "
            "way back is database-switch with To=before."
        }

    def _switched(self, run: Run) -> bool:
        """Whether the live instance is the one that is asked for: a switch to it renamed both, whether or not it ended."""
        live = self._instances.find(self._settings.database_instance)
        stands = self._instances.find(self._settings.restored_instance) is not None
        return live is not None and tags(live).get(SWITCHED) == run.inputs["To"] and stands == _back(run)

    def _names(self, run: Run) -> tuple[str, str]:
        """The name that the live instance gets, and the instance that gets the live name; RefusedError when there is none."""
        if not _back(run):
            return f"{self._settings.instances_before}{self._clock():%Y%m%d-%H%M}", self._settings.restored_instance
        aside = self._instances.named(self._settings.instances_before)
        if not aside:
            raise RefusedError(f"There is no {self._settings.instances_before}…: nothing was put aside.")
        return self._settings.restored_instance, str(aside[-1]["DBInstanceIdentifier"])

    def _rename(self, name: str, new: str) -> None:
        self._rds.modify_db_instance(DBInstanceIdentifier=name, NewDBInstanceIdentifier=new, ApplyImmediately=True)

    # Slow queries

    def plan_slow_queries(self, run: Run) -> Answer:
        before, wanted = self._slow_queries(), run.inputs["Milliseconds"]
        return {
            "said": f"{SLOW_QUERIES} of {self._settings.database_parameter_group}: {before} becomes {wanted}. {_means(wanted)}"
        }

    def set_slow_queries(self, run: Run) -> Answer:
        """Set the threshold, which is a dynamic parameter: no restart."""
        before, wanted = self._slow_queries(), run.inputs["Milliseconds"]
        if before != wanted:
            self._rds.modify_db_parameter_group(
                DBParameterGroupName=self._settings.database_parameter_group,
                Parameters=[{"ParameterName": SLOW_QUERIES, "ParameterValue": wanted, "ApplyMethod": "immediate"}],
            )
        kept = (
            "It is what runbook/rules.py says."
            if wanted == str(SLOW_QUERY_MILLISECONDS)
            else f"A deployment that changes the parameter group puts {SLOW_QUERY_MILLISECONDS} back: to keep {wanted}, set "
            "SLOW_QUERY_MILLISECONDS in runbook/rules.py."
        )
        was = f"was {before} and is {wanted}" if before != wanted else f"is {wanted} already"
        return {"said": f"{SLOW_QUERIES} {was}. {_means(wanted)} {kept}"}

    def _slow_queries(self) -> str:
        """The value that the parameter group sets."""
        pages = self._rds.get_paginator("describe_db_parameters").paginate(
            DBParameterGroupName=self._settings.database_parameter_group, Source="user"
        )
        values = {one["ParameterName"]: one.get("ParameterValue", "") for page in pages for one in page["Parameters"]}
        return values.get(SLOW_QUERIES, "-1")

    # Migrations

    def plan_migrations(self, run: Run) -> Answer:
        self._instances.available(self._settings.database_instance)
        definition = str(self._tasks.service()["taskDefinition"]).rpartition("/")[2]
        direction = run.inputs["Direction"]
        if direction != "down":
            return {"said": f"node-pg-migrate {MIGRATIONS[direction]} runs in a task of {definition}."}
        if begun := self._begun():
            return {"said": f"{_unseen(begun)}: this goes on with that one."}
        before = self._last_begun()
        warning = f" {_unseen(before)}: look whether it was taken back, or this takes back one more." if before else ""
        return {
            "said": f"node-pg-migrate down runs in a task of {definition} after a snapshot. The last migration is taken back, "
            f"with the data that only it has.{warning}"
        }

    def snapshot_before_down(self, run: Run) -> Answer:
        """A snapshot before a migration is taken back, which may drop data."""
        if run.inputs["Direction"] != "down":
            return {"said": "No snapshot is needed."}
        begun = self._begun()
        return {"said": f"Snapshot {_name(begun)} was made before."} if begun else self._instances.snapshot(run)

    def migrate(self, run: Run) -> Answer:
        """node-pg-migrate in a one-off task, with what it wrote. Its own lock lets no two of them run at once."""
        ended = self._take_back(run) if run.inputs["Direction"] == "down" else self._migrate(run)
        if not isinstance(ended, Ended):
            return ended
        return {"said": f"{' / '.join(ended.lines[-10:]) or 'It wrote nothing.'} (all of it: {ended.stream})"}

    def _take_back(self, run: Run) -> Ended | Answer:
        """Take the last migration back; where an earlier execution began that, its task is the one that is waited for."""
        snapshot = self._begun() or self._instances.snapshot_of(run)
        if snapshot is None:
            raise VerifyError("There is no snapshot of before: nothing was taken back.")
        arn, began = snapshot["DBSnapshotArn"], tags(snapshot).get(MIGRATION, "").partition(" ")[2] or run.execution
        self._mark(arn, {MIGRATION: f"{BEGUN} {began}", EXECUTION: run.execution})
        try:
            return self._migrate(replace(run, execution=began))
        except VerifyError:
            self._mark(arn, {MIGRATION: f"{FAILED} {began}"})
            raise

    def _migrate(self, run: Run) -> Ended | Answer:
        url = _url({key: f"${name}" for key, name in self._settings.database_variables.items()})
        program = f"DATABASE_URL={url} exec node_modules/.bin/node-pg-migrate {MIGRATIONS[run.inputs['Direction']]}"
        return self._tasks.run(run, ("sh", "-c", program))

    def _begun(self) -> Mapping[str, Any] | None:
        """The same while ECS still knows the task."""
        found = self._last_begun()
        return found if found and self._clock() - found["SnapshotCreateTime"] < _TOKEN_KEPT else None

    def _last_begun(self) -> Mapping[str, Any] | None:
        """The snapshot before the last migration that was being taken back, if no execution saw the end of that."""
        found = next((one for one in self._instances.snapshots() if MIGRATION in tags(one)), None)
        if found is None or not tags(found)[MIGRATION].startswith(BEGUN) or self._succeeded(tags(found)[EXECUTION]):
            return None
        return found


def _unseen(snapshot: Mapping[str, Any]) -> str:
    return f"A migration was being taken back after snapshot {_name(snapshot)}, and no execution saw the end"


def _name(snapshot: Mapping[str, Any]) -> str:
    return str(snapshot["DBSnapshotIdentifier"])


def _back(run: Run) -> bool:
    """Whether a switch is to go back to the instance that was put aside."""
    return run.inputs["To"] == "before"


def _means(milliseconds: str) -> str:
    return {
        "-1": "No statement is logged for its time.",
        "0": "Every statement is logged, with what users entered, until it is set back.",
    }.get(milliseconds, f"Statements of {milliseconds} ms and more are logged.")


def _url(parts: dict[str, str]) -> str:
    return "postgresql://{username}:{password}@{host}:{port}/{dbname}".format_map(parts)  # pragma: allowlist secret - names


def _parsed(time: str) -> datetime:
    """A time of an input; RefusedError when it is none."""
    try:
        return datetime.fromisoformat(time).astimezone(UTC)
    except ValueError:
        raise RefusedError(f"{time} is no time, such as 2026-03-01T02:30:00Z.") from None


def _time(moment: datetime | None) -> str:
    return f"{moment:%Y-%m-%dT%H:%M:%SZ}" if moment else "in the making"
