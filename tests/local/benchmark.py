"""`python -m tests.local.benchmark`: a rollback of 2,000 files by `frontend-rollback`, beside `aws s3 sync --delete` of the runbook.

Both bring the same backup back on the same local cloud, in turn. First it is timed, as a ratio. Then each is killed at ten random
points of its time, as processes of their own, and what is left is looked at: which files of the version that was live exist
nowhere any more, how often the site was not consistent while a watcher looked, and whether the same again makes it good.

The local cloud copies one file after another: on AWS, where a copy is a round trip, the copies at once count (32 here, 10 there).
"""

import random
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from types import SimpleNamespace
from typing import Any

import boto3
from botocore.config import Config

from lambdas.common import clock
from lambdas.procedures.frontend import Frontend
from lambdas.procedures.objects import MANY_COPIES
from lambdas.procedures.pages import named_by_page
from lambdas.procedures.run import WAITING, Run
from local.cloud import ROOT, Cloud
from tests.environments import CONFIG, PRODUCTION
from tests.unit.lambdas.procedures.site import SETTINGS, Kept

FILES, BYTES, RUNS, CUTS = 2000, 4096, 3, 10
NAMED = 20  # assets that index.html names
LOOK_EVERY = 0.1  # seconds
LIVE, BACKUPS = PRODUCTION.frontend_bucket, PRODUCTION.frontend_backups_bucket
SYNC = ["aws", "s3", "sync", f"s3://{BACKUPS}/backup-1/", f"s3://{LIVE}/", "--delete", "--only-show-errors"]
ROLLBACK = [sys.executable, "-m", "tests.local.benchmark", "roll-back"]


def files(version: str) -> dict[str, bytes]:
    """A version of the site. Its index.html has another size than the other version's, or `aws s3 sync` would leave that live."""
    assets = {
        f"assets/chunk-{number:04}-{version}.js": version.encode() * (BYTES // len(version)) for number in range(FILES - 1)
    }
    page = "".join(f'<script src="/{name}"></script>' for name in [*assets][:: FILES // NAMED])
    return {**assets, "index.html": f"<!doctype html><title>{version}</title>{page}".encode()}


OLD, NEW = files("old-one1"), files("thenew22x")


class Site:
    """The buckets of a cloud."""

    def __init__(self, cloud: Cloud) -> None:
        self.cloud = cloud
        self.s3 = boto3.client(
            "s3",
            endpoint_url=cloud.endpoint,
            region_name=PRODUCTION.region,
            aws_access_key_id="test",
            aws_secret_access_key="test",
            config=Config(s3={"addressing_style": "path"}, max_pool_connections=16),
        )

    def keys(self, bucket: str) -> set[str]:
        pages = self.s3.get_paginator("list_objects_v2").paginate(Bucket=bucket)
        return {one["Key"] for page in pages for one in page.get("Contents", ())}

    def put(self, bucket: str, what: dict[str, bytes]) -> None:
        def one(key: str) -> None:
            header = "no-cache" if key.endswith("index.html") else "max-age=31536000"
            kind = "text/html" if key.endswith("html") else "text/javascript"
            self.s3.put_object(Bucket=bucket, Key=key, Body=what[key], ContentType=kind, CacheControl=header)

        with ThreadPoolExecutor(8) as pool:
            list(pool.map(one, what))

    def remove(self, bucket: str, keys: list[str]) -> None:
        for start in range(0, len(keys), 1000):
            objects = [{"Key": key} for key in keys[start : start + 1000]]
            self.s3.delete_objects(Bucket=bucket, Delete={"Objects": objects, "Quiet": True})

    def reset(self) -> None:
        """The new version is live, the old one is `backup-1`, and there is nothing else."""
        there = self.keys(BACKUPS)
        wanted = {f"backup-1/{key}": body for key, body in OLD.items()}
        self.remove(BACKUPS, sorted(there - wanted.keys()))
        self.put(BACKUPS, {key: body for key, body in wanted.items() if key not in there})
        live = self.keys(LIVE)
        self.remove(LIVE, sorted(live - NEW.keys()))
        self.put(LIVE, {key: body for key, body in NEW.items() if key not in live or key == "index.html"})

    def consistent(self) -> bool:
        """Whether what the live index.html names is there."""
        try:
            page = self.s3.get_object(Bucket=LIVE, Key="index.html")["Body"].read()
            for name in named_by_page(page.decode(), PRODUCTION.domain.frontend):
                self.s3.head_object(Bucket=LIVE, Key=name)
        except self.s3.exceptions.ClientError:
            return False
        return True

    def lost(self) -> int:
        """How many files of the new version are in neither bucket; S3 has them as old versions only."""
        saved = {key.partition("/")[2] for key in self.keys(BACKUPS)}
        return len(NEW.keys() - self.keys(LIVE) - saved)


# The two ways


def roll_back() -> None:
    """The steps of `frontend-rollback`, as the function does them, in this process."""
    clients: Any = SimpleNamespace(s3=boto3.client("s3", config=MANY_COPIES), cloudfront=boto3.client("cloudfront"))
    runs: Any = Kept()
    execution = f"{time.time_ns()}"
    run = Run(procedure="", execution=execution, started_by="", reason="", dry_run=False, inputs={"BackupId": "newest"})
    for step in Frontend(SETTINGS, clients, clock.now, runs).steps()["frontend-rollback"].values():
        while step(run).get("wait") == WAITING:
            pass


def execution(site: Site) -> float:
    """A rollback by its document; the seconds that its step Restore took."""
    ssm = site.cloud.client("ssm")
    given = {"DryRun": ["false"], "Reason": ["A benchmark"]}
    started = ssm.start_automation_execution(DocumentName=PRODUCTION.document("frontend-rollback"), Parameters=given)
    while True:
        site.cloud.wait_until_idle(300)
        shown = ssm.get_automation_execution(AutomationExecutionId=started["AutomationExecutionId"])["AutomationExecution"]
        if shown["AutomationExecutionStatus"] not in ("Pending", "InProgress", "Waiting"):
            break
        site.cloud.advance(timedelta(seconds=1))
    if shown["AutomationExecutionStatus"] != "Success":
        raise SystemExit(f"frontend-rollback ended {shown['AutomationExecutionStatus']}: {shown['Outputs']}")
    (step,) = (one for one in shown["StepExecutions"] if one["StepName"] == "Restore")
    return float((step["ExecutionEndTime"] - step["ExecutionStartTime"]).total_seconds())


def process(site: Site, command: list[str]) -> subprocess.Popen[bytes]:
    return subprocess.Popen(command, env=site.cloud.shell_environ, cwd=ROOT)


def finish(site: Site, command: list[str]) -> None:
    if status := process(site, command).wait():
        raise SystemExit(f"{' '.join(command)} ended with {status}")


def seconds(work: Callable[[], Any]) -> tuple[float, Any]:
    begun = time.perf_counter()
    answer = work()
    return time.perf_counter() - begun, answer


# Cuts


@dataclass
class Watcher:
    """Looks at the site all the time."""

    looks: int = 0
    broken: int = 0


@contextmanager
def watched(site: Site) -> Iterator[Watcher]:
    seen, over = Watcher(), threading.Event()

    def watch() -> None:
        while not over.wait(LOOK_EVERY):
            seen.looks += 1
            seen.broken += not site.consistent()

    thread = threading.Thread(target=watch)
    thread.start()
    try:
        yield seen
    finally:
        over.set()
        thread.join()


def cut(site: Site, command: list[str], after: float) -> tuple[str, int, Watcher, bool]:
    """What stands after a command is killed: whether the site is consistent, the files lost, what was seen, and whether the same
    command makes it good again."""
    site.reset()
    with watched(site) as seen:
        running = process(site, command)
        try:
            running.wait(after)
            stands = "over before"
        except subprocess.TimeoutExpired:
            running.kill()
            running.wait()
            stands = "consistent" if site.consistent() else "broken"
    lost = site.lost()
    finish(site, command)
    return stands, lost, seen, site.consistent() and site.keys(LIVE) == OLD.keys()


def main() -> None:
    with Cloud.start(PRODUCTION, config=CONFIG, report=print) as cloud:
        cloud.deploy()
        site = Site(cloud)
        ways = {"aws s3 sync --delete": SYNC, "frontend-rollback": ROLLBACK}
        whole: dict[str, list[float]] = {name: [] for name in (*ways, "its document", "its step Restore")}
        for _ in range(RUNS):
            for name, command in ways.items():
                site.reset()
                whole[name].append(seconds(lambda command=command: finish(site, command))[0])  # type: ignore[misc]
            site.reset()
            took, restored = seconds(lambda: execution(site))
            whole["its document"].append(took)
            whole["its step Restore"].append(restored)
        medians = {name: statistics.median(found) for name, found in whole.items()}
        print(f"\n{FILES:,} files of {BYTES:,} bytes, none of them the same, the median of {RUNS} runs")
        for name, median in medians.items():
            print(f"{name:22}{median:7.1f} s{median / medians['aws s3 sync --delete']:7.2f} x sync")
        print(
            f"\nkilled at {CUTS} random points of its time: files of the live version lost, looks at a broken site, run again"
        )
        chance = random.Random(10)  # noqa: S311 - the same points each time
        points = sorted(chance.random() for _ in range(CUTS))
        for name, command in ways.items():
            print(name)
            found = [(point, *cut(site, command, point * medians[name])) for point in points]
            for point, stands, lost, seen, again in found:
                print(
                    f"  at {point:4.0%}: {stands:11} {lost:5,} lost, {seen.broken:4} of {seen.looks:4} looks broken, "
                    f"again {'good' if again else 'NOT GOOD'}"
                )
            print(
                f"  in all: {sum(one[1] == 'broken' for one in found)} of {CUTS} left broken, {sum(one[2] for one in found):,} files lost, "
                f"{sum(one[3].broken for one in found) / sum(one[3].looks for one in found):.0%} of looks broken"
            )


if __name__ == "__main__":
    {"roll-back": roll_back}.get(sys.argv[1] if len(sys.argv) > 1 else "", main)()
