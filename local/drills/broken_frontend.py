"""The drill of a frontend that an upload has broken."""

from local.cloud import Cloud
from local.drills.drill import FAULT, Drill
from local.drills.operator import Operator
from local.drills.simulation import CALM_MINUTES


def broken_frontend(drill: Drill) -> None:
    """An upload breaks the frontend; who is called brings the newest good backup back by `frontend-rollback`."""
    simulation, cloud = drill.simulation, drill.simulation.cloud
    ada = Operator(cloud, "ada")
    _upload(cloud, "good", "text/html", complete=True)
    saved = ada.start("frontend-backup", reason="Before the next release", BackupId=f"backup-{cloud.now():%H%M%S}")
    drill.minutes(4, lambda: ada.look(saved).over)
    good = _live(cloud)
    drill.note("the release pipeline saves the live frontend by frontend-backup", style="cyan")
    drill.minutes(2)

    _upload(cloud, "bad", "application/octet-stream", complete=False)
    drill.fault("an upload breaks off: index.html names what is not there, and browsers download it as a file")
    drill.minutes(10, lambda: drill.happened("p1 ALARM"))
    planned = ada.run("frontend-rollback", dry_run=True).steps["Plan"]
    drill.note(f"on call asks first, by a dry run: {planned}", style="cyan")
    execution = ada.start("frontend-rollback", reason="The site does not load since the upload")
    drill.note("on call starts frontend-rollback", style="cyan", mark="started")
    if drill.minutes(10, lambda: ada.look(execution).over):
        said = ada.look(execution).steps.get("Verify", "it failed")
        drill.note(f"frontend-rollback: {said}", style="bold green", mark="restored")
    cleared = drill.minutes(15, simulation.alarms_are_clear)
    if cleared:
        drill.note("all alarms are clear", style="green", mark="clear")
    drill.minutes(CALM_MINUTES, lambda: drill.happened("p1 OK"))

    drill.check("frontend-rollback succeeded", ada.look(execution).status == "Success")
    drill.check("every file of the backup is live, and no other", _live(cloud) == good)
    drill.check("what was live is saved", f"pre-rollback-{execution}/index.html" in _keys(cloud, backups=True))
    drill.check("one page called somebody, once", drill.pages == [drill.subject_of("frontend-down")])
    drill.check("rollback left the service alone", not drill.changes)
    drill.check("the alarms cleared", cleared)
    drill.check("the diagnosis names the frontend, and nothing else", drill.findings == ["frontend"])
    drill.check("IAM denied nothing", not drill.denied)
    drill.measure("fault -> page", FAULT, "p1 ALARM")
    drill.measure("frontend-rollback", "started", "restored")
    drill.measure("fault -> all alarms clear", FAULT, "clear")


def _upload(cloud: Cloud, version: str, kind: str, *, complete: bool) -> None:
    """A version of the site: its page under a content type, and what that names only if complete."""
    files = {
        "index.html": (f'<!doctype html><script type="module" src="/assets/index-{version}.js"></script>', kind, "no-cache")
    }
    if complete:
        files[f"assets/index-{version}.js"] = ("render()", "text/javascript", "max-age=31536000")
    for key, (body, content_type, kept) in files.items():
        cloud.client("s3").put_object(
            Bucket=cloud.environment.frontend_bucket,
            Key=key,
            Body=body.encode(),
            ContentType=content_type,
            CacheControl=kept,
        )


def _keys(cloud: Cloud, *, backups: bool = False) -> list[str]:
    environment = cloud.environment
    bucket = environment.frontend_backups_bucket if backups else environment.frontend_bucket
    return [one["Key"] for one in cloud.client("s3").list_objects_v2(Bucket=bucket).get("Contents", ())]


def _live(cloud: Cloud) -> dict[str, tuple[bytes, str]]:
    """What is live, with its content types."""
    bucket, s3 = cloud.environment.frontend_bucket, cloud.client("s3")
    found = {key: s3.get_object(Bucket=bucket, Key=key) for key in _keys(cloud)}
    return {key: (one["Body"].read(), one["ContentType"]) for key, one in found.items()}
