"""The database's procedures (runbook 4.3 and 6)."""

from datetime import timedelta
from typing import Any

from procedures.model import SERVICE, Call, Input, Procedure, Until
from runbook.sections import Section

DATABASE_LOCK = "database"
"""Of whatever reads or changes the live instance for a while. What takes it from the service locks the service, too."""
SNAPSHOT_LOCK = "snapshot"
"""Of a manual snapshot, which runs beside most things. What takes the live instance away for minutes excludes it."""
AWAY = (SERVICE, DATABASE_LOCK, SNAPSHOT_LOCK)
"""What is locked by what takes the live instance away."""

MINUTES = 10
"""Of a lock: longer than a round of waiting takes, and a step that is tried twice."""
_MINUTE = timedelta(minutes=1)
_SNAPSHOT = Until(name="Snapshot", what="Makes a manual snapshot, and waits until it is there.", every=_MINUTE)
_RESTORE = (
    Until(name="Restore", what="Makes the restored instance, and waits until it is available.", every=timedelta(minutes=3)),
    Until(name="Finish", what="Sets what restoring does not take, and the service's password.", every=_MINUTE),
    Call(name="Verify", what="It has to have every setting of the live instance."),
)
_RESTORED: dict[str, Any] = {
    "duration": "10 min to some hours, by the size of the data",
    "undo": "Nothing is to be undone: it stands beside the live instance. Delete it when it is not needed.",
    "locks": (DATABASE_LOCK,),
    "minutes": MINUTES,
}
RESTART = (
    Call(name="Restart", what="Starts a rolling restart of the service."),
    Until(name="Restarted", what="The restart has to end well."),
)
HEALTH = Call(name="Health", what="The API has to answer as healthy, its database with it.")

DATABASE = (
    Procedure(
        name="database-snapshot",
        section=Section.MANUAL_BACKUP,
        effect="Makes a manual snapshot of the database, which is kept until somebody deletes it.",
        duration="2 to 30 min",
        undo="Delete the snapshot.",
        steps=(_SNAPSHOT,),
        locks=(SNAPSHOT_LOCK,),
        minutes=MINUTES,
    ),
    Procedure(
        name="database-snapshots",
        section=Section.MANUAL_BACKUP,
        effect="Lists the snapshots of the database, the newest first.",
        duration="seconds",
        undo="Nothing: it only reads.",
        steps=(Call(name="Look", what="Lists the snapshots."),),
        changes=False,
    ),
    Procedure(
        name="database-restore-to-time",
        section=Section.DATABASE_ROLLBACK,
        effect="Restores the database as it was at a time into an instance beside the live one, which is not touched.",
        inputs=(
            Input(
                name="Time",
                what="latest, or a time in UTC: the last moment before the damage.",
                pattern="^(latest|20[0-9]{2}-[01][0-9]-[0-3][0-9]T[0-2][0-9]:[0-5][0-9]:[0-5][0-9]Z)$",
                example="2026-03-01T02:30:00Z",
            ),
        ),
        steps=_RESTORE,
        **_RESTORED,
    ),
    Procedure(
        name="database-restore-snapshot",
        section=Section.DATABASE_ROLLBACK,
        effect="Restores a snapshot of the database into an instance beside the live one, which is not touched.",
        inputs=(
            Input(
                name="Snapshot",
                what="The snapshot's name, as database-snapshots lists it.",
                pattern="^(rds:)?[A-Za-z][A-Za-z0-9-]{0,250}$",
                example="manual-20260301-023000",
            ),
        ),
        steps=_RESTORE,
        **_RESTORED,
    ),
    Procedure(
        name="database-compare",
        section=Section.DATABASE_ROLLBACK,
        effect="Compares the live database with the restored one: rows and newest times of every table.",
        duration="1 to 30 min, by the size of the data",
        undo="Nothing: it only reads.",
        steps=(Until(name="Compare", what="Runs the comparison in a task of the service.", every=_MINUTE),),
        changes=False,
    ),
    Procedure(
        name="database-switch",
        section=Section.DATABASE_ROLLBACK,
        effect="Gives the restored instance the live one's name and endpoint, and puts the live one aside under another name. "
        "The database is away meanwhile, and what was written since the backup is only in the instance that is put aside.",
        duration="20 to 60 min",
        undo="Run it with To=before: the instance that was put aside gets its name back.",
        inputs=(
            Input(
                name="To",
                what="restored: to the restored instance. before: back to the one that was put aside last.",
                pattern="^(restored|before)$",
                example="restored",
                default="restored",
            ),
        ),
        steps=(
            Until(name="Aside", what="Puts the live instance aside.", every=_MINUTE),
            Until(name="Switch", what="Gives the other instance the live name.", every=_MINUTE),
            *RESTART,
            Call(name="Verify", what="The live instance has to be at the endpoint that the service has."),
            HEALTH,
        ),
        approval=True,
        locks=AWAY,
        minutes=MINUTES,
    ),
    Procedure(
        name="database-slow-queries",
        section=Section.QUERY_PERFORMANCE,
        effect="Sets from how many milliseconds on statements are logged as slow.",
        duration="1 min",
        undo="Run it again with the value before, which it says.",
        inputs=(
            Input(
                name="Milliseconds",
                what="From how many milliseconds on: -1 logs none, 0 logs every statement with what users entered.",
                pattern="^(-1|0|[1-9][0-9]{0,6})$",
                example="1000",
            ),
        ),
        steps=(Call(name="Set", what="Sets the parameter of the database."),),
        locks=(DATABASE_LOCK,),
        minutes=MINUTES,
    ),
    Procedure(
        name="migrations",
        section=Section.MIGRATIONS,
        effect="Runs the database's migrations, takes the last one back after a snapshot, or says which are not run yet, in a "
        "task of the service.",
        duration="1 to 30 min",
        undo="down takes back what up did; database-restore-snapshot has the data of before.",
        inputs=(
            Input(
                name="Direction", what="up, down or status. down needs an approval.", pattern="^(up|down|status)$", example="up"
            ),
        ),
        steps=(
            _SNAPSHOT,
            Until(
                name="Migrate", what="Runs node-pg-migrate in a task of the service, and shows what it wrote.", every=_MINUTE
            ),
        ),
        approval=True,
        approval_for=("Direction", "down"),
        locks=(DATABASE_LOCK,),
        minutes=MINUTES,
    ),
)
