"""The frontend's procedures (runbook 4.2)."""

from datetime import timedelta

from procedures.model import Call, Input, Procedure, Until
from runbook.sections import Section

_LOCK = "frontend"
_AT_ONCE = timedelta(seconds=1)
_LONGEST = 280
"""Seconds of a step that copies: it hands on to the next round after STEP of runbook/rules.py."""

FRONTEND = (
    Procedure(
        name="frontend-backup",
        section=Section.FRONTEND_ROLLBACK,
        effect="Saves the live frontend, as each release does before it uploads, and removes backups that are kept no longer.",
        duration="10 s for 2,000 files",
        undo="Nothing is to be undone: a backup changes nothing that is live.",
        inputs=(
            Input(
                name="BackupId",
                what="What to call it: backup- and the release's run number. Empty: backup- and the execution's id.",
                pattern="^$|^backup-[A-Za-z0-9][A-Za-z0-9._-]{0,60}$",
                example="backup-128",
                default="",
            ),
        ),
        steps=(
            Until(name="Save", what="Copies every live file inside S3.", every=_AT_ONCE, seconds=_LONGEST),
            Call(name="Prune", what="Removes backups that are kept no longer.", seconds=_LONGEST),
        ),
        locks=(_LOCK,),
        minutes=20,
        plan_seconds=_LONGEST,
    ),
    Procedure(
        name="frontend-backups",
        section=Section.FRONTEND_ROLLBACK,
        effect="Lists the newest backups of the frontend, the newest first, and says of each whether it is good or why not.",
        duration="10 s",
        undo="It only reads.",
        steps=(Call(name="Look", what="Reads, and says what it saw.", seconds=_LONGEST),),
        changes=False,
        plan_seconds=_LONGEST,
    ),
    Procedure(
        name="frontend-rollback",
        section=Section.FRONTEND_ROLLBACK,
        effect="Brings the frontend back to the newest good backup, or to one that you name. What is live is saved first.",
        duration="1 to 5 min, most of it for CloudFront's cache",
        undo="Run it again with the BackupId under which it saved what was live: pre-rollback- and the execution's id.",
        inputs=(
            Input(
                name="BackupId",
                what="newest: the newest good backup, never what a rollback saved. Or one that frontend-backups lists.",
                pattern="^(newest|(backup|pre-rollback)-[A-Za-z0-9][A-Za-z0-9._-]{0,60})$",
                example="backup-127",
                default="newest",
            ),
        ),
        steps=(
            Until(name="SaveLive", what="Saves every live file.", every=_AT_ONCE, seconds=_LONGEST),
            Call(name="CheckSaved", what="Every file that was live has to be saved.", seconds=_LONGEST),
            Until(name="Restore", what="Copies the files that differ, index.html last.", every=_AT_ONCE, seconds=_LONGEST),
            Call(name="Invalidate", what="Asks CloudFront to empty its cache."),
            Until(name="Invalidated", what="CloudFront's cache has to be empty."),
            Call(name="RemoveStale", what="Removes the files that the backup does not have.", seconds=_LONGEST),
            Call(name="Verify", what="Live has to be the backup, and the site has to serve it.", seconds=_LONGEST),
        ),
        locks=(_LOCK,),
        minutes=20,
        plan_seconds=_LONGEST,
    ),
)
