"""The frontend's procedures, runbook 4.2."""

import tracemalloc
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import pytest
from botocore.exceptions import ClientError

from lambdas.common.https import Answer
from lambdas.procedures.run import RefusedError, VerifyError
from tests.unit.lambdas.procedures.s3 import Killed, refused
from tests.unit.lambdas.procedures.site import BACKUPS, DISTRIBUTION, LIVE, NO_CACHE, YEAR, Site, build

WRITES = {"PutObject", "CopyObject", "DeleteObjects", "CreateInvalidation"}


@pytest.fixture
def site() -> Site:
    """Version `two` is live, and `one` is saved as `backup-9` by our procedure."""
    made = Site()
    made.release("one")
    made.wait(minutes=1)
    made.execute("frontend-backup", "first", BackupId="backup-9")
    made.wait(days=1)
    made.release("two")
    made.wait(minutes=1)
    return made


@pytest.fixture
def piped() -> Site:
    """Version `two` is live, and `one` is saved as `backup-9` by the release pipeline."""
    made = Site()
    made.release("one")
    made.wait(days=1)
    made.release("two", backup="backup-9")
    made.wait(minutes=1)
    return made


def writes(site: Site) -> list[str]:
    return [name for name, _ in site.process.calls if name in WRITES]


# frontend-backup


def test_a_backup_has_every_file_with_its_headers(site: Site) -> None:
    site.upload({"about.html": b"about"}, ContentLanguage="en", Metadata={"by": "alice"})
    said = site.execute("frontend-backup", BackupId="backup-10")
    assert site.files(BACKUPS, "backup-10/") == site.live()
    for key, live in site.s3.buckets[LIVE].items():
        assert site.s3.buckets[BACKUPS][f"backup-10/{key}"].headers == live.headers
    assert "Live is saved as backup-10: 7 files." in said["Save"]


def test_a_backup_copies_index_html_after_all_other_files_and_writes_its_manifest_last(site: Site) -> None:
    site.execute("frontend-backup", BackupId="backup-10")
    assert site.written("CopyObject", BACKUPS)[-1] == "backup-10/index.html"
    wrote = [(name, one.get("Key")) for name, one in site.process.calls if name in WRITES]
    assert wrote[-1] == ("PutObject", "backup-10.json")


def test_the_dry_run_of_a_backup_writes_nothing_and_says_what_would_be_saved(site: Site) -> None:
    said = site.plan("frontend-backup", BackupId="backup-10")
    assert said.startswith("Live, 6 files, 287 bytes, would be saved as backup-10.")
    assert writes(site) == []


def test_a_backup_without_a_name_has_the_executions(site: Site) -> None:
    site.execute("frontend-backup", "0a1b")
    assert "backup-0a1b" in site.backups()


def test_an_empty_site_is_not_saved_and_its_first_release_goes_on() -> None:
    site = Site()
    assert "empty" in site.execute("frontend-backup", BackupId="backup-1")["Save"]
    assert site.files(BACKUPS) == {}


def test_a_broken_site_is_saved_and_not_taken_for_a_rollback(site: Site) -> None:
    site.delete("assets/map-AAAAAtwo.js")
    said = site.execute("frontend-backup", BackupId="backup-10")
    assert "never taken for a rollback" in said["Save"]
    assert site.plan("frontend-rollback").startswith("Live would become backup-9 ")


def test_an_id_that_is_taken_is_refused(site: Site) -> None:
    with pytest.raises(RefusedError, match="backup-9 is there already"):
        site.execute("frontend-backup", "second", BackupId="backup-9")
    assert site.files(BACKUPS, "backup-9/") == build("one")


def test_the_same_backup_again_does_nothing_while_live_is_the_same(site: Site) -> None:
    site.execute("frontend-backup", "second", BackupId="backup-10")
    site.execute("frontend-backup", "third", BackupId="backup-10")
    assert writes(site) == []


def test_an_id_that_the_pipeline_wrote_is_refused(piped: Site) -> None:
    with pytest.raises(RefusedError, match="without a manifest"):
        piped.execute("frontend-backup", BackupId="backup-9")
    assert writes(piped) == []


def test_another_execution_takes_up_an_interrupted_backup_and_drops_what_is_live_no_longer(site: Site) -> None:
    site.process.watch = lambda: _die(site, "CopyObject", 3)
    with pytest.raises(Killed):
        site.execute("frontend-backup", "second", BackupId="backup-10")
    site.process.watch = lambda: None
    assert len(site.files(BACKUPS, "backup-10/")) == 3
    site.release("three")
    site.execute("frontend-backup", "third", BackupId="backup-10")
    assert site.files(BACKUPS, "backup-10/") == build("three")


def test_what_an_interrupted_execution_copied_is_not_copied_again() -> None:
    site = Site(call_seconds=1)
    site.release("one", more=2000)
    said = site.execute("frontend-backup", BackupId="backup-1")
    assert "backup-1 is being saved." in said["Save"]
    assert len(site.written("CopyObject", BACKUPS)) == 2006
    assert site.files(BACKUPS, "backup-1/") == site.live()


def test_a_release_during_a_backup_leaves_it_incomplete(site: Site) -> None:
    def upload() -> None:
        if site.written("CopyObject", BACKUPS):
            site.process.watch = lambda: None
            site.upload(build("three"))

    site.process.watch = upload
    with pytest.raises(VerifyError, match="a release is under way"):
        site.execute("frontend-backup", BackupId="backup-10")
    assert "it was interrupted" in site.execute("frontend-backups")["backups"]


def test_a_file_too_big_to_copy_is_refused_before_anything_is_copied(site: Site) -> None:
    site.s3.put(LIVE, "video.mp4", b"", size=6 * 2**30)
    with pytest.raises(RefusedError, match=r"^video\.mp4 has 6\.4 GB, and S3 copies at most 5 GB\.$"):
        site.execute("frontend-backup", BackupId="backup-10")
    assert writes(site) == []


def test_an_index_html_that_browsers_keep_is_told(site: Site) -> None:
    site.upload({"index.html": build("two")["index.html"]}, CacheControl=YEAR)
    assert "not no-cache" in site.plan("frontend-backup")


# What is kept


def aged(site: Site, days: Mapping[str, float]) -> None:
    """Backups of the pipeline, so many days old."""
    for identifier, age in days.items():
        site.copy_as_pipeline(identifier)
        site.s3.age(BACKUPS, f"{identifier}/", site.now - timedelta(days=age))


def test_old_backups_go_but_for_the_newest_ten_good_ones(site: Site) -> None:
    aged(site, {f"backup-{20 + number}": 400 - number for number in range(12)})
    said = site.execute("frontend-backup", BackupId="backup-40")
    # ten good ones are backup-40, backup-9 and eight of the twelve
    assert site.backups() == {"backup-40", "backup-9", *(f"backup-{number}" for number in range(24, 32))}
    assert said["Prune"].startswith("Removed what is kept no longer: backup-23, backup-22, backup-21, backup-20.")


def test_young_backups_stay_however_many(site: Site) -> None:
    aged(site, {f"backup-{20 + number}": 89 for number in range(30)})
    site.execute("frontend-backup", BackupId="backup-60")
    assert len(site.backups()) == 32


def test_what_is_not_good_does_not_count_as_kept_and_the_last_good_one_never_goes() -> None:
    site = Site()
    site.release("one")
    aged(site, {"backup-1": 1000})
    site.delete("favicon.ico")
    aged(site, {f"backup-{number}": 900 - number for number in range(2, 30)})
    site.execute("frontend-backup", BackupId="backup-40")
    assert site.backups() == {"backup-40", "backup-1"}


def test_what_rollbacks_saved_goes_by_age_and_what_is_no_backup_stays(site: Site) -> None:
    aged(site, {"pre-rollback-old": 91, "pre-rollback-young": 89, "archive": 500})
    site.execute("frontend-backup", BackupId="backup-10")
    assert site.backups() == {"backup-9", "backup-10", "pre-rollback-young", "archive"}


def test_a_removal_that_dies_leaves_no_backup_that_looks_good() -> None:
    site = Site()
    site.release("one", more=1500)
    aged(site, {"backup-1": 200})
    site.release("two")
    aged(site, {f"backup-{number}": 100 for number in range(3, 12)})
    site.process.watch = lambda: _die(site, "DeleteObjects", 2)
    with pytest.raises(Killed):
        site.execute("frontend-backup", BackupId="backup-40")
    site.process.watch = lambda: None
    (line,) = [one for one in site.execute("frontend-backups")["backups"].split(" | ") if one.startswith("backup-1 ")]
    assert line.endswith("it has no index.html")


# frontend-backups


def test_backups_are_listed_by_time_the_newest_first(piped: Site) -> None:
    piped.wait(hours=1)
    piped.copy_as_pipeline("backup-10")
    lines = piped.execute("frontend-backups")["backups"].split(" | ")
    assert [line.partition(" ")[0] for line in lines] == ["backup-10", "backup-9"]


def test_backups_of_one_second_are_listed_by_number(site: Site) -> None:
    for number in (12, 8, 100):
        site.copy_as_pipeline(f"backup-{number}")
    lines = site.execute("frontend-backups")["backups"].split(" | ")
    assert [line.partition(" ")[0] for line in lines] == ["backup-100", "backup-12", "backup-8", "backup-9"]


def test_the_list_says_what_is_good_what_is_live_and_what_is_wrong(site: Site) -> None:
    site.execute("frontend-backup", BackupId="backup-10")
    site.copy_as_pipeline("backup-11")
    site.delete("backup-11/assets/map-AAAAAtwo.js", BACKUPS)
    site.copy_as_pipeline("backup-12")
    site.execute("frontend-rollback", "r1", BackupId="backup-9")
    listed = {
        line.split("  ")[0]: line.rpartition("): ")[2] for line in site.execute("frontend-backups")["backups"].split(" | ")
    }
    assert listed["backup-9"].endswith("good, and what is live")
    assert listed["backup-10"].endswith(": good")
    assert listed["backup-11"].endswith("its assets/index-AAAAAtwo.js names assets/map-AAAAAtwo.js, which it does not have")
    assert listed["backup-12"].endswith("good; without a manifest, judged by its index.html")
    assert listed["pre-rollback-r1"].endswith("good; saved before a rollback, taken only when named")


def test_only_the_newest_backups_are_looked_at(piped: Site) -> None:
    for number in range(100, 130):
        piped.copy_as_pipeline(f"backup-{number}")
    assert piped.execute("frontend-backups")["backups"].endswith("and 19 older")


def test_no_backup_is_no_error() -> None:
    assert Site().execute("frontend-backups")["Look"] == "There is no backup."


def test_the_list_writes_nothing(site: Site) -> None:
    site.execute("frontend-backups")
    assert writes(site) == []


# frontend-rollback: to which


def test_a_rollback_goes_to_the_newest_backup_by_time(piped: Site) -> None:
    piped.wait(hours=1)
    piped.release("three", backup="backup-10")
    piped.execute("frontend-rollback")
    assert piped.live() == build("two")


@pytest.mark.parametrize(
    ("breaks", "why"),
    [
        (lambda site: site.delete("backup-10/assets/index-AAAAAtwo.css", BACKUPS), "are missing or not as they were saved"),
        (
            lambda site: site.upload({"backup-10/favicon.ico": b"?"}, BACKUPS),
            "1 of its 6 files are missing or not as they were",
        ),
        (lambda site: site.upload({"backup-10.json": b"{"}, BACKUPS), "it was interrupted"),
    ],
)
def test_a_backup_that_is_not_as_it_was_saved_is_passed_over_and_said(site: Site, breaks: Any, why: str) -> None:
    site.execute("frontend-backup", BackupId="backup-10")
    site.wait(days=1)
    site.release("three")
    breaks(site)
    assert why in site.plan("frontend-rollback")
    site.execute("frontend-rollback")
    assert site.live() == build("one")


@pytest.mark.parametrize(
    ("breaks", "why"),
    [
        (lambda site: site.delete("backup-10/index.html", BACKUPS), "backup-10 of 2026-03-03 12:02 UTC: it has no index.html"),
        (lambda site: site.upload({"backup-10/index.html": b" \n"}, BACKUPS), "its index.html is empty"),
        (
            lambda site: site.delete("backup-10/favicon.ico", BACKUPS),
            "its index.html names favicon.ico, which it does not have",
        ),
        (lambda site: site.delete("backup-10/assets/back-AAAAAtwo.svg", BACKUPS), "names assets/back-AAAAAtwo.svg"),
    ],
)
def test_a_backup_of_the_pipeline_that_is_not_consistent_is_passed_over_and_said(piped: Site, breaks: Any, why: str) -> None:
    piped.release("three", backup="backup-10")
    piped.wait(minutes=1)
    breaks(piped)
    assert why.partition(": ")[2] in piped.plan("frontend-rollback")
    piped.execute("frontend-rollback")
    assert piped.live() == build("one")


def test_without_a_good_backup_nothing_is_touched(piped: Site) -> None:
    piped.delete("backup-9/index.html", BACKUPS)
    with pytest.raises(RefusedError, match=r"^There is no good backup\. backup-9 of .* it has no index\.html$"):
        piped.execute("frontend-rollback")
    assert writes(piped) == []


def test_a_named_backup_that_is_not_good_is_refused(piped: Site) -> None:
    piped.delete("backup-9/favicon.ico", BACKUPS)
    with pytest.raises(RefusedError, match=r"^backup-9 is not good: its index\.html names favicon\.ico"):
        piped.execute("frontend-rollback", BackupId="backup-9")
    assert writes(piped) == []


def test_a_backup_that_is_not_there_is_refused(site: Site) -> None:
    with pytest.raises(RefusedError, match=r"^There is no backup backup-8: hz-navigator-production-frontend-backups lists"):
        site.execute("frontend-rollback", BackupId="backup-8")


def test_a_folder_that_is_no_backup_is_not_taken(site: Site) -> None:
    site.copy_as_pipeline("archive")
    assert site.plan("frontend-rollback").startswith("Live would become backup-9 ")


# frontend-rollback: what it does


def test_a_rollback_makes_live_what_the_backup_has_with_its_headers(site: Site) -> None:
    site.execute("frontend-rollback")
    assert site.live() == build("one")
    headers = {key: one.headers["CacheControl"] for key, one in site.s3.buckets[LIVE].items()}
    assert headers.pop("index.html") == NO_CACHE
    assert set(headers.values()) == {YEAR}


def test_live_is_saved_first(site: Site) -> None:
    site.execute("frontend-rollback", "r1")
    assert site.files(BACKUPS, "pre-rollback-r1/") == build("two")
    wrote = [(one.get("Bucket"), one.get("Key")) for name, one in site.process.calls if name in WRITES]
    assert (BACKUPS, "pre-rollback-r1.json") not in wrote[[bucket for bucket, _ in wrote].index(LIVE) :]


def test_assets_come_first_and_index_html_last(site: Site) -> None:
    site.execute("frontend-rollback")
    copied = site.written("CopyObject")
    assert all(key.startswith("assets/") for key in copied[:4])
    assert copied[4:] == ["favicon.ico", "index.html"]


def test_what_the_backup_does_not_have_is_removed_after_the_cache_is_emptied(site: Site) -> None:
    site.execute("frontend-rollback")
    assert writes(site)[-4:] == ["CreateInvalidation"] * 3 + ["DeleteObjects"]


def test_only_what_was_written_since_the_backup_is_copied(site: Site) -> None:
    site.execute("frontend-backup", BackupId="backup-10")
    site.wait(days=1)
    site.upload({"index.html": b"<h1>broken</h1>", "assets/map-AAAAAtwo.js": b"map of TWO"})
    site.execute("frontend-rollback")
    assert site.written("CopyObject") == ["assets/map-AAAAAtwo.js", "index.html"]
    assert site.live() == build("two")


def test_a_file_that_somebody_replaced_by_one_of_the_same_size_is_copied(site: Site) -> None:
    site.execute("frontend-backup", BackupId="backup-10")
    site.upload({"assets/map-AAAAAtwo.js": b"MAP OF TWO"})
    site.execute("frontend-rollback")
    assert site.live() == build("two")


def test_a_cache_header_that_somebody_changed_is_as_it_was(site: Site) -> None:
    site.execute("frontend-backup", BackupId="backup-10")
    site.upload({"index.html": build("two")["index.html"]}, CacheControl=YEAR)
    site.execute("frontend-rollback")
    assert site.s3.buckets[LIVE]["index.html"].headers["CacheControl"] == NO_CACHE


def test_an_empty_live_bucket_is_filled_again(site: Site) -> None:
    site.s3.buckets[LIVE].clear()
    site.execute("frontend-rollback")
    assert site.live() == build("one")


def test_the_cache_of_this_sites_distribution_is_emptied_once_an_execution(site: Site) -> None:
    site.execute("frontend-rollback", "r1")
    site.execute("frontend-rollback", "r1")
    site.execute("frontend-rollback", "r2")
    assert site.cloudfront.invalidations == {(DISTRIBUTION, "r1"): ["/*"], (DISTRIBUTION, "r2"): ["/*"]}


def test_without_a_distribution_the_files_are_in_place_and_it_is_said(site: Site) -> None:
    site.cloudfront.distributions.clear()
    with pytest.raises(
        VerifyError, match=r"^No CloudFront distribution has the name app\.hz-navigator\.com\. The files are in"
    ):
        site.execute("frontend-rollback")
    assert site.broken == []


def test_a_big_rollback_goes_on_over_several_rounds_and_copies_nothing_twice() -> None:
    site = Site(call_seconds=0.5)
    site.release("one", more=1500, backup="backup-0")
    site.wait(days=1)
    site.release("two", more=1500, backup="backup-9")
    said = site.execute("frontend-rollback", BackupId="backup-9")
    assert "files of backup-9 are copied in this round." in said["Restore"]
    copied = site.written("CopyObject")
    assert len(copied) == len(set(copied)) == 1506
    assert site.live() == build("one", more=1500)


def test_the_dry_run_of_a_rollback_says_what_would_be_done_and_writes_nothing(site: Site) -> None:
    said = site.plan("frontend-rollback")
    assert said.startswith(
        "Live would become backup-9 of 2026-03-02 12:01 UTC (6 files, 287 bytes): 6 files copied, 4 removed, CloudFront's cache "
        "emptied. Live is saved first. To undo it, start hz-navigator-production-frontend-rollback with "
        "BackupId=pre-rollback-<id of the execution>."
    )
    assert writes(site) == []


def test_what_is_wrong_with_live_is_said(site: Site) -> None:
    site.delete("assets/index-AAAAAtwo.js")
    assert "Live now: its index.html names assets/index-AAAAAtwo.js, which it does not have." in site.plan("frontend-rollback")


def test_an_index_html_of_the_backup_that_browsers_keep_is_told(site: Site) -> None:
    site.upload({"index.html": build("two")["index.html"]}, CacheControl=YEAR)
    site.execute("frontend-backup", BackupId="backup-10")
    site.release("three")
    assert f"has Cache-Control '{YEAR}', not no-cache" in site.plan("frontend-rollback")


# frontend-rollback: again, and back


@pytest.mark.parametrize("kind", ["site", "piped"])
def test_a_second_rollback_stays_where_the_first_went(kind: str, request: pytest.FixtureRequest) -> None:
    site: Site = request.getfixturevalue(kind)
    site.execute("frontend-rollback", "r1")
    said = site.execute("frontend-rollback", "r2")
    assert said["Plan"].startswith("Nothing to copy: live is backup-9 ")
    assert set(writes(site)) == {"CreateInvalidation"}
    assert site.live() == build("one")
    assert "pre-rollback-r2" not in site.backups()


def test_a_rollback_to_what_is_live_already_says_what_to_name_to_go_further_back(site: Site) -> None:
    site.execute("frontend-backup", BackupId="backup-10")
    said = site.plan("frontend-rollback")
    assert said.startswith("Nothing to copy: live is backup-10 ")
    assert "To go further back, name one: the next is BackupId=backup-9." in said


def test_a_rollback_is_undone_by_naming_what_it_saved(site: Site) -> None:
    said = site.execute("frontend-rollback", "r1")
    assert "BackupId=pre-rollback-r1" in said["Verify"]
    site.execute("frontend-rollback", "r2", BackupId="pre-rollback-r1")
    assert site.live() == build("two")


def test_a_release_after_a_rollback_is_not_mistaken_for_the_backup(site: Site) -> None:
    site.execute("frontend-rollback", "r1")
    site.wait(minutes=5)
    site.release("one")  # the same bytes, written by somebody else
    assert site.plan("frontend-rollback").startswith("Live would become backup-9 ")


def test_a_backup_that_is_written_anew_is_not_mistaken_for_what_was_restored(piped: Site) -> None:
    piped.execute("frontend-rollback", "r1")
    piped.upload({"backup-9/favicon.ico": b"a new icon"}, BACKUPS)
    piped.execute("frontend-rollback", "r2")
    assert piped.live()["favicon.ico"] == b"a new icon"


def test_an_execution_goes_on_to_the_backup_that_it_began_with(site: Site) -> None:
    site.process.watch = lambda: _die(site, "CopyObject", 8)
    with pytest.raises(Killed):
        site.execute("frontend-rollback", "r1")
    site.process.watch = lambda: None
    site.upload({f"backup-10/{key}": body for key, body in build("three").items()}, BACKUPS)
    site.execute("frontend-rollback", "r1", begin="Restore")
    assert site.live() == build("one")


# frontend-rollback: what goes wrong


@pytest.mark.parametrize("step", ["CheckSaved", "Restore", "RemoveStale"])
def test_nothing_is_touched_before_live_is_saved(site: Site, step: str) -> None:
    site.process.watch = lambda: _die(site, "PutObject", 1)
    with pytest.raises(Killed):
        site.execute("frontend-rollback", "r1")
    site.process.watch = lambda: None
    with pytest.raises(RefusedError, match=r"^Nothing is touched before live is saved as pre-rollback-r1"):
        site.execute("frontend-rollback", "r1", begin=step)
    assert site.live() == build("two")


def test_a_backup_that_changes_while_it_is_copied_is_not_switched_to(site: Site) -> None:
    def upload(_name: str, parameters: Mapping[str, Any]) -> None:
        if parameters.get("Bucket") == LIVE and "CopySource" in parameters:
            site.process.refuse = lambda _name, _parameters: None
            site.upload({"backup-9/favicon.ico": b"?"}, BACKUPS)

    site.process.refuse = upload
    with pytest.raises(
        VerifyError, match=r"^favicon\.ico of backup-9 changed while it was copied\. Live has its old index\.html"
    ):
        site.execute("frontend-rollback")
    assert site.live()["index.html"] == build("two")["index.html"]


def test_a_release_meanwhile_keeps_the_old_index_html_and_is_told(site: Site) -> None:
    def removed() -> None:
        if site.written("CopyObject")[-1:] == ["favicon.ico"]:
            site.process.watch = lambda: None
            site.delete("assets/map-AAAAAone.js")

    site.process.watch = removed
    with pytest.raises(VerifyError, match=r"map-AAAAAone\.js was copied and is gone .* index\.html is still the old one"):
        site.execute("frontend-rollback")
    assert site.live()["index.html"] == build("two")["index.html"]
    assert site.broken == []


def test_what_somebody_uploads_meanwhile_is_not_removed(site: Site) -> None:
    def upload() -> None:
        if "CreateInvalidation" in writes(site):
            site.process.watch = lambda: None
            site.wait(seconds=1)
            site.upload(build("three"))

    site.process.watch = upload
    with pytest.raises(VerifyError, match="somebody else wrote it"):
        site.execute("frontend-rollback")
    assert "DeleteObjects" not in writes(site)
    assert site.broken == []


@pytest.mark.parametrize(
    ("path", "answer", "problem"),
    [
        ("", None, r"the site does not answer \(timed out\)"),
        ("", Answer(503, "text/html", b""), "Frontend answers 503"),
        ("", Answer(200, "text/html", b"<h1>another</h1>"), r"the site serves another index\.html than the bucket has"),
        ("assets/index-AAAAAone.js", Answer(403, "application/xml", b""), r"assets/index-AAAAAone\.js answers 403"),
        ("assets/index-AAAAAone.js", Answer(200, "text/html", b""), r"assets/index-AAAAAone\.js answers with a page"),
        ("favicon.ico", None, r"favicon\.ico does not load \(timed out\)"),
    ],
)
def test_a_site_that_is_not_served_well_is_told_with_the_way_back(
    site: Site, path: str, answer: Answer | None, problem: str
) -> None:
    site.answers[path] = answer
    with pytest.raises(VerifyError, match=f"^Live is backup-9 .*, but {problem}.*BackupId=pre-rollback-r1"):
        site.execute("frontend-rollback", "r1")


def test_files_that_s3_does_not_delete_are_named(site: Site) -> None:
    site.s3.sticky.add("assets/map-AAAAAtwo.js")
    with pytest.raises(
        VerifyError, match=r"^S3 did not remove 1 of the files, such as assets/map-AAAAAtwo\.js \(InternalError\)\."
    ):
        site.execute("frontend-rollback")


def test_a_file_that_s3_does_not_delete_at_first_is_asked_for_again(site: Site) -> None:
    site.s3.sticky.add("assets/map-AAAAAtwo.js")
    site.process.watch = site.s3.sticky.clear
    site.execute("frontend-rollback")
    assert site.live() == build("one")


# Deaths anywhere


def _die(site: Site, operation: str, number: int) -> None:
    if [name for name, _ in site.process.calls].count(operation) >= number:
        raise Killed


def _points(site: Site, procedure: str, **inputs: str) -> list[tuple[int, bool]]:
    """Where an execution can die: before each call, and after each one that writes before its answer is there."""
    site.execute(procedure, "counted", **inputs)
    names = [name for name, _ in site.process.calls]
    return [(number, unanswered) for number, name in enumerate(names) for unanswered in (False, True)[: 1 + (name in WRITES)]]


def _prepared(kind: str) -> Site:
    site = Site()
    site.release("one")
    site.wait(minutes=1)
    if kind == "ours":
        site.execute("frontend-backup", "first", BackupId="backup-9")
    site.wait(days=1)
    site.release("two", backup="" if kind == "ours" else "backup-9")
    site.wait(minutes=1)
    return site


@pytest.mark.parametrize("again", ["the same execution", "another"])
@pytest.mark.parametrize("kind", ["ours", "the pipeline's"])
def test_a_rollback_that_dies_anywhere_leaves_a_consistent_site_loses_nothing_and_is_run_again(kind: str, again: str) -> None:
    points = _points(_prepared(kind), "frontend-rollback")
    assert len(points) > 100
    for after, unanswered in points:
        site = _prepared(kind)
        moments: list[list[str]] = []
        site.process.watch = lambda site=site, moments=moments: moments.append(site.broken)  # type: ignore[misc]
        assert site.killed("frontend-rollback", "r1", after, unanswered=unanswered)
        at = f"{'after' if unanswered else 'before'} call {after}, {site.process.calls[-1]}"
        touched = site.live() != build("two")
        assert not touched or site.files(BACKUPS, "pre-rollback-r1/") == build("two"), at
        assert site.live()["index.html"] in (build("one")["index.html"], build("two")["index.html"]), at
        assert site.files(BACKUPS, "backup-9/") == build("one"), at
        site.wait(minutes=5)
        site.execute("frontend-rollback", "r1" if again == "the same execution" else "r2")
        assert site.live() == build("one"), at
        assert not any(moments), at
        if touched:
            site.execute("frontend-rollback", "r3", BackupId="pre-rollback-r1")
            assert site.live() == build("two"), at


@pytest.mark.parametrize("again", ["the same execution", "another"])
def test_a_backup_that_dies_anywhere_is_never_taken_for_a_good_one_and_is_run_again(again: str) -> None:
    points = _points(_prepared("ours"), "frontend-backup", BackupId="backup-10")
    assert len(points) > 30
    for after, unanswered in points:
        site = _prepared("ours")
        assert site.killed("frontend-backup", "b1", after, unanswered=unanswered, BackupId="backup-10")
        at = f"{'after' if unanswered else 'before'} call {after}, {site.process.calls[-1]}"
        complete = site.files(BACKUPS, "backup-10/") == build("two")
        assert complete or site.plan("frontend-rollback").startswith("Live would become backup-9 "), at
        site.wait(minutes=5)
        site.execute("frontend-backup", "b1" if again == "the same execution" else "b2", BackupId="backup-10")
        assert site.live() == build("two") == site.files(BACKUPS, "backup-10/"), at
        site.release("three")
        assert site.plan("frontend-rollback").startswith("Live would become backup-10 "), at


def test_a_removal_of_old_backups_that_dies_anywhere_leaves_no_half_one_as_good() -> None:
    def prepared() -> Site:
        site = _prepared("ours")
        site.wait(days=100)
        for number in range(20, 30):
            site.copy_as_pipeline(f"backup-{number}")
        return site

    for after, unanswered in _points(prepared(), "frontend-backup", BackupId="backup-40"):
        site = prepared()
        assert site.killed("frontend-backup", "b1", after, unanswered=unanswered, BackupId="backup-40")
        listed = site.execute("frontend-backups")["backups"].split(" | ")
        (nine,) = [line for line in listed if line.startswith("backup-9 ")] or ["gone"]
        assert "good" not in nine or site.files(BACKUPS, "backup-9/") == build("one"), after
        site.execute("frontend-backup", "b1", BackupId="backup-40")
        assert "backup-9" not in site.backups()


def test_whatever_call_aws_refuses_the_site_stays_consistent_and_is_brought_back_by_the_next_run() -> None:
    for number in range(len({after for after, _ in _points(_prepared("ours"), "frontend-rollback")})):
        site = _prepared("ours")
        moments: list[list[str]] = []
        site.process.watch = lambda site=site, moments=moments: moments.append(site.broken)  # type: ignore[misc]
        site.process.refuse = lambda name, _, site=site, number=number: _refuse(site, name, number)  # type: ignore[misc]
        with pytest.raises((ClientError, VerifyError)):
            site.execute("frontend-rollback", "r1")
        at = f"call {number}, {site.process.calls[number]}"
        site.process.refuse = lambda _name, _parameters: None
        site.wait(minutes=5)
        site.execute("frontend-rollback", "r2")
        assert site.live() == build("one"), at
        assert not any(moments), at


def _refuse(site: Site, operation: str, number: int) -> None:
    if len(site.process.calls) == number + 1:
        raise refused(operation, "AccessDenied", 403)


def test_a_rollback_of_a_hundred_thousand_files_fits_the_functions_memory() -> None:
    """By what each further file takes: Lambda gives the function 512 MB."""
    few, many = 200, 1700
    _peak(few)  # what is kept from now on
    each = (_peak(many) - _peak(few)) / (many - few)
    assert each * 100_000 < 400 * 2**20


def _peak(number: int) -> int:
    """The most bytes that a rollback of so many files takes at once."""
    site = Site()
    site.release("one", more=number)
    site.release("two", more=number, backup="backup-1")
    site.process.watch = site.process.calls.clear  # which are the test's
    tracemalloc.start()
    try:
        site.execute("frontend-rollback")
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def test_the_death_of_a_thread_is_the_death_of_the_step(site: Site) -> None:
    site.process.dies_after = 60
    with pytest.raises(Killed):
        site.execute("frontend-rollback")
