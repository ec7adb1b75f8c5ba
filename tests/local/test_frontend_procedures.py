"""The frontend's procedures on the deployed environment: dry runs, every branch, refusals, and failures at every step.

The documents are those that the stack deployed; their steps call the deployed function, which reads and writes the buckets.
"""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from fnmatch import fnmatchcase
from typing import Any

import pytest
from botocore.exceptions import ClientError

from local.cloud import Call, Cloud
from procedures.catalog import procedure
from procedures.documents import document
from tests.environments import PRODUCTION
from tests.synth.test_permissions import several
from tests.unit.lambdas.procedures.site import NO_CACHE, YEAR, build

LIVE, BACKUPS = PRODUCTION.frontend_bucket, PRODUCTION.frontend_backups_bucket
ENDED = ("Success", "Failed", "TimedOut", "Cancelled")
REASON = "A test of the procedures"
KINDS = {
    "json": "application/json",
    "html": "text/html",
    "js": "text/javascript",
    "css": "text/css",
    "svg": "image/svg+xml",
    "ico": "image/x-icon",
}


@dataclass(frozen=True)
class Ended:
    """How an execution ended: its id and status, and what its steps said."""

    id: str
    status: str
    said: Mapping[str, Mapping[str, str]]


class Site:
    """The live site and its backups on a cloud, and who starts the procedures."""

    def __init__(self, cloud: Cloud) -> None:
        self.cloud = cloud
        self.s3, self.ssm = cloud.client("s3"), cloud.client("ssm")

    def upload(self, files: Mapping[str, bytes], bucket: str = LIVE) -> None:
        for key, body in files.items():
            header = NO_CACHE if key.endswith("index.html") else YEAR
            kind = KINDS[key.rpartition(".")[2]]
            self.s3.put_object(Bucket=bucket, Key=key, Body=body, ContentType=kind, CacheControl=header)

    def release(self, version: str) -> None:
        """What the release pipeline uploads and removes."""
        files = build(version)
        self.upload(files)
        for key in self.files(LIVE).keys() - files.keys():
            self.s3.delete_object(Bucket=LIVE, Key=key)

    def keys(self, bucket: str, prefix: str = "") -> list[str]:
        pages = self.s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix)
        return [one["Key"] for page in pages for one in page.get("Contents", ())]

    def files(self, bucket: str, prefix: str = "") -> dict[str, bytes]:
        return {
            key.removeprefix(prefix): self.s3.get_object(Bucket=bucket, Key=key)["Body"].read()
            for key in self.keys(bucket, prefix)
        }

    def live(self) -> dict[str, bytes]:
        return self.files(LIVE)

    def state(self) -> dict[str, list[tuple[str, str, Any]]]:
        """What is in both buckets, by what S3 says of it."""
        return {
            bucket: [
                (one["Key"], one["ETag"], one["LastModified"])
                for one in self.s3.list_objects_v2(Bucket=bucket).get("Contents", ())
            ]
            for bucket in (LIVE, BACKUPS)
        }

    @property
    def broken(self) -> list[str]:
        """What the live page names and the live site does not have; the page itself, when it is gone."""
        live = self.live()
        named = re.findall(r'"/([\w./-]+\.\w+)"', live.get("index.html", b"").decode())
        return [key for key in ("index.html", *named) if key not in live]

    def run(self, name: str, *, dry_run: bool = False, **inputs: str) -> Ended:
        """Start a procedure and let time pass until it has ended."""
        given = {"DryRun": str(dry_run).lower(), "Reason": REASON, **inputs}
        execution = self.ssm.start_automation_execution(
            DocumentName=PRODUCTION.document(name), Parameters={key: [value] for key, value in given.items()}
        )["AutomationExecutionId"]
        for _ in range(120):
            self.cloud.wait_until_idle(60)
            shown = self.ssm.get_automation_execution(AutomationExecutionId=execution)["AutomationExecution"]
            if shown["AutomationExecutionStatus"] in ENDED:
                outputs = {name.partition(".")[0]: values[0] for name, values in shown["Outputs"].items()}
                said = {name: json.loads(value) for name, value in outputs.items() if value.startswith("{")}
                return Ended(execution, shown["AutomationExecutionStatus"], said)
            self.cloud.advance(timedelta(seconds=5))
        raise AssertionError(f"{execution} has not ended: {shown}")


@pytest.fixture
def site(cloud: Cloud) -> Iterator[Site]:
    """Version `two` is live, and `one` is saved as `backup-1`; afterwards both buckets are empty, as they were."""
    made = Site(cloud)
    made.upload(build("one"))
    assert made.run("frontend-backup", BackupId="backup-1").status == "Success"
    cloud.advance(timedelta(hours=1))
    made.release("two")
    yield made
    for bucket in (LIVE, BACKUPS):
        for key in made.keys(bucket):
            made.s3.delete_object(Bucket=bucket, Key=key)
    cloud.advance(timedelta(minutes=30))  # the lock of what a test cancelled ends


# What they do


@pytest.mark.parametrize("name", ["frontend-backup", "frontend-backups", "frontend-rollback"])
def test_a_dry_run_says_what_would_be_done_and_changes_nothing(site: Site, name: str) -> None:
    before = site.state()
    ended = site.run(name, dry_run=True)
    assert ended.status == "Success"
    assert ended.said["Record"]["said"] == "A dry run: nothing was changed."
    assert site.state() == before


def test_a_rollback_brings_the_backup_back_with_its_headers_and_what_was_live_is_saved(site: Site) -> None:
    ended = site.run("frontend-rollback")
    assert ended.status == "Success", ended
    assert site.live() == build("one")
    assert site.files(BACKUPS, f"pre-rollback-{ended.id}/") == build("two")
    heads = {key: site.s3.head_object(Bucket=LIVE, Key=key) for key in site.live()}
    assert {key: (head["ContentType"], head["CacheControl"]) for key, head in heads.items()} == {
        key: (KINDS[key.rpartition(".")[2]], NO_CACHE if key == "index.html" else YEAR) for key in build("one")
    }
    assert "serves backup-1" in ended.said["Verify"]["said"]


def test_a_rollback_is_undone_by_the_id_that_it_says(site: Site) -> None:
    first = site.run("frontend-rollback")
    (saved,) = re.findall(r"BackupId=(\S+)\.$", first.said["Verify"]["said"])
    assert site.run("frontend-rollback", BackupId=saved).status == "Success"
    assert site.live() == build("two")


def test_a_second_rollback_changes_nothing(site: Site) -> None:
    site.run("frontend-rollback")
    before = site.state()
    ended = site.run("frontend-rollback")
    assert ended.status == "Success"
    assert ended.said["Plan"]["said"].startswith("Nothing to copy: live is backup-1 ")
    assert site.state() == before


def test_a_backup_of_the_release_pipeline_is_taken_when_it_is_the_newest(site: Site) -> None:
    site.upload({f"backup-2/{key}": body for key, body in build("three").items()}, BACKUPS)
    assert site.run("frontend-rollback").status == "Success"
    assert site.live() == build("three")


def test_backups_are_listed_with_what_is_wrong_with_them(site: Site) -> None:
    site.upload({"backup-2/index.html": build("two")["index.html"]}, BACKUPS)
    listed = site.run("frontend-backups").said["Look"]["backups"].split(" | ")
    assert [line.partition(" ")[0] for line in listed] == ["backup-2", "backup-1"]
    assert listed[0].endswith("its index.html names assets/index-AAAAAtwo.css, which it does not have")


def test_the_site_is_looked_at_and_what_is_wrong_with_it_fails_the_rollback(site: Site) -> None:
    site.upload({f"backup-2/{key}": body for key, body in build("three").items()}, BACKUPS)
    site.s3.put_object(Bucket=BACKUPS, Key="backup-2/assets/index-AAAthree.js", Body=b"", ContentType="text/html")
    ended = site.run("frontend-rollback")
    assert ended.status == "Failed"
    assert "answers with a page" in ended.said["Failed"]["said"]
    assert f"BackupId=pre-rollback-{ended.id}" in ended.said["Failed"]["said"]


# Refusals


def test_without_a_good_backup_it_is_refused_and_nothing_is_changed(site: Site) -> None:
    site.s3.delete_object(Bucket=BACKUPS, Key="backup-1/favicon.ico")
    before = site.state()
    ended = site.run("frontend-rollback")
    assert ended.status == "Failed"
    assert re.fullmatch(
        r"There is no good backup\. backup-1 of .* are missing or not as they were saved, such as favicon\.ico "
        r"Nothing was changed\.",
        ended.said["Failed"]["said"],
    )
    assert site.state() == before


@pytest.mark.parametrize(
    ("name", "identifier"),
    [
        ("frontend-rollback", "../backup-1"),
        ("frontend-rollback", "restored"),
        ("frontend-rollback", "backup-1/"),
        ("frontend-rollback", f"backup-{'1' * 100}"),
        ("frontend-backup", "pre-rollback-1"),
        ("frontend-backup", "backup 1"),
    ],
)
def test_what_no_backup_may_be_called_is_refused_before_anything_starts(site: Site, name: str, identifier: str) -> None:
    with pytest.raises(ClientError, match="InvalidAutomationExecutionParameters"):
        site.run(name, BackupId=identifier)


def test_two_of_them_do_not_run_at_once(site: Site) -> None:
    given = {"DryRun": ["false"], "Reason": [REASON]}
    execution = site.ssm.start_automation_execution(DocumentName=PRODUCTION.document("frontend-rollback"), Parameters=given)
    site.cloud.wait_until_idle(60)  # it waits for the cache
    refused = site.run("frontend-backup", BackupId="backup-2")
    assert "The frontend is locked by frontend-rollback" in refused.said["Failed"]["said"]
    for _ in range(20):
        site.cloud.advance(timedelta(seconds=15))
        site.cloud.wait_until_idle(60)
    shown = site.ssm.get_automation_execution(AutomationExecutionId=execution["AutomationExecutionId"])
    assert shown["AutomationExecution"]["AutomationExecutionStatus"] == "Success"


# Who may do what


def test_all_that_it_calls_is_granted_and_all_that_is_granted_is_called(site: Site) -> None:
    """But for KMS, which the local cloud's S3 does not call."""
    before = len(site.cloud.calls("procedures"))
    site.upload({f"backup-2/{key}": body for key, body in build("one").items()}, BACKUPS)
    site.run("frontend-rollback")
    site.upload({"backup-3.json": b'{"complete": false}', "backup-3/gone.js": b""}, BACKUPS)  # it was interrupted
    site.run("frontend-backup", BackupId="backup-3")
    made = [one for one in site.cloud.calls("procedures")[before:] if one.service in ("s3", "cloudfront")]
    assert [one for one in made if not one.allowed] == []
    granted = [grant for grant in _grants(site.cloud) if not grant[0].startswith("kms:")]
    assert [grant for grant in granted if not any(_uses(one, *grant) for one in made)] == []
    assert [one for one in made if not any(_uses(one, *grant) for grant in granted)] == []


def _grants(cloud: Cloud) -> Iterator[tuple[str, str]]:
    """The actions and resources of the function's policy for the frontend."""
    iam = cloud.client("iam")
    (policy,) = (one for one in iam.list_policies(Scope="Local")["Policies"] if "ProceduresFrontendPolicy" in one["PolicyName"])
    shown = iam.get_policy_version(PolicyArn=policy["Arn"], VersionId=policy["DefaultVersionId"])["PolicyVersion"]
    for statement in shown["Document"]["Statement"]:
        for action in several(statement["Action"]):
            for resource in several(statement["Resource"]):
                yield action, resource


def _uses(call: Call, action: str, resource: str) -> bool:
    return f"{call.service}:{call.action}" == action and fnmatchcase(call.resource, resource)


def test_it_may_empty_the_cache_of_no_other_site(site: Site) -> None:
    cloudfront = site.cloud.client("cloudfront")
    (found,) = cloudfront.list_distributions()["DistributionList"]["Items"]
    tags = {"Items": [{"Key": "site", "Value": "another.example.com"}]}
    cloudfront.tag_resource(Resource=found["ARN"], Tags=tags)
    try:
        ended = site.run("frontend-rollback")
    finally:
        cloudfront.tag_resource(Resource=found["ARN"], Tags={"Items": [{"Key": "site", "Value": PRODUCTION.domain.frontend}]})
    assert "not authorized to perform: cloudfront:CreateInvalidation" in ended.said["Failed"]["said"]
    assert site.broken == []


# Failures


def _steps(name: str) -> list[str]:
    """The steps of a document that call the function, but for its end."""
    found = document(procedure(name), PRODUCTION)["mainSteps"]
    inner = [two for one in found for two in (one, *one["inputs"].get("Steps", ()))]
    return [one["name"] for one in inner if one["action"] == "aws:invokeLambdaFunction" and one["name"] != "Failed"]


FAULTS = [("fail", "before", 2), ("time out", "after", 2), ("interrupt", "before", 1), ("interrupt", "after", 1)]
"""What happens, before or after the effect of the step's call, and how often: a step is tried twice, and cancelled once."""
CUTS = [(name, step, *fault) for name in ("frontend-backup", "frontend-rollback") for step in _steps(name) for fault in FAULTS]


@pytest.mark.cuts
@pytest.mark.parametrize(("name", "step", "kind", "when", "times"), CUTS)
def test_whatever_fails_nothing_is_lost_the_site_is_consistent_and_run_again_it_converges(
    site: Site, name: str, step: str, kind: str, when: str, times: int
) -> None:
    inputs = {"BackupId": "backup-2"} if name == "frontend-backup" else {}
    site.cloud.break_step(PRODUCTION.document(name), step, kind, when, times)
    ended = site.run(name, **inputs)
    assert site.broken == []
    assert site.files(BACKUPS, "backup-1/") == build("one")
    if site.live() != build("two"):
        assert site.files(BACKUPS, f"pre-rollback-{ended.id}/") == build("two")
    site.cloud.advance(timedelta(minutes=30))  # the lock of what was cancelled ends
    again = site.run(name, **inputs)
    assert again.status == "Success", (ended, again)
    if name == "frontend-rollback":
        assert site.live() == build("one")
    else:
        assert site.files(BACKUPS, "backup-2/") == site.live() == build("two")
