"""A frontend behind CloudFront: releases of it, its procedures, what is wrong with it, and deaths of the function anywhere."""

import re
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any
from urllib.parse import unquote, urlsplit

from lambdas.common.https import Answer, NoAnswerError
from lambdas.procedures.frontend import NEWEST, Frontend
from lambdas.procedures.run import WAITING, Run
from lambdas.procedures.runs import Recorded
from lambdas.procedures.settings import FrontendSettings
from tests.environments import PRODUCTION
from tests.unit.lambdas.procedures.s3 import S3, CloudFront, Killed, Process

LIVE, BACKUPS = PRODUCTION.frontend_bucket, PRODUCTION.frontend_backups_bucket
SETTINGS = FrontendSettings(
    environment=PRODUCTION.name,
    prefix=PRODUCTION.prefix,
    frontend_region="us-east-1",
    frontend_bucket=LIVE,
    frontend_backups_bucket=BACKUPS,
    frontend_url=PRODUCTION.frontend_url,
)
NOON = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
YEAR, NO_CACHE = "max-age=31536000", "no-cache"
DISTRIBUTION = "E2LIVE"
_KINDS = {"html": "text/html", "js": "text/javascript", "css": "text/css"}


def build(version: str, more: int = 0) -> dict[str, bytes]:
    """What a bundler makes of a version of the application: its files have a hash in their names, all but two. With this many
    more that nothing names."""
    hashed = f"{version:A>8}"[-8:]
    page = (
        f'<!doctype html><link rel="stylesheet" href="/assets/index-{hashed}.css">'
        f'<link rel="icon" href="/favicon.ico"><script type="module" src="/assets/index-{hashed}.js"></script>'
    )
    return {
        "index.html": page.encode(),
        "favicon.ico": f"icon of {version}".encode(),
        f"assets/index-{hashed}.js": f'import("./map-{hashed}.js")'.encode(),
        f"assets/map-{hashed}.js": f"map of {version}".encode(),
        f"assets/index-{hashed}.css": f'body {{ background: url("/assets/back-{hashed}.svg") }}'.encode(),
        f"assets/back-{hashed}.svg": f"<svg>{version}</svg>".encode(),
        **{f"assets/more-{number:05}-{hashed}.js": b"more" for number in range(more)},
    }


class Kept:
    """What steps keep for later ones, in place of the table of incidents."""

    def __init__(self) -> None:
        self._kept: dict[str, dict[str, str]] = {}

    def read(self, run: Run) -> Recorded:
        return Recorded(kept=self._kept.get(run.execution, {}))

    def keep(self, run: Run, **facts: str) -> None:
        self._kept[run.execution] = {**self._kept.get(run.execution, {}), **facts}


@dataclass
class Site:
    """The live site and its backups; `now` is the time, and each AWS call takes so many seconds of it."""

    now: datetime = NOON
    call_seconds: float = 0
    process: Process = field(default_factory=Process)
    runs: Kept = field(default_factory=Kept)
    answers: dict[str, Answer | None] = field(default_factory=dict)
    """What the site answers by path, where that is not what is in the bucket; None for no answer."""

    def __post_init__(self) -> None:
        self.s3 = S3(self.process, self.clock)
        self.s3.buckets |= {LIVE: {}, BACKUPS: {}}
        self.cloudfront = CloudFront(self.process, {"E1OTHER": [], DISTRIBUTION: [PRODUCTION.domain.frontend]})

    def clock(self) -> datetime:
        return self.now

    def wait(self, **duration: float) -> None:
        self.now += timedelta(**duration)

    # What others do

    def release(self, version: str, *, backup: str = "", more: int = 0) -> None:
        """The release pipeline: it copies live to this backup, then uploads, and removes what is not new."""
        if backup:
            self.copy_as_pipeline(backup)
        files = build(version, more)
        self.upload(files)
        for key in self.live().keys() - files.keys():
            self.delete(key)

    def upload(self, files: Mapping[str, bytes], bucket: str = LIVE, **headers: Any) -> None:
        for key, body in files.items():
            cached = {"CacheControl": NO_CACHE if key.endswith("index.html") else YEAR}
            kind = _KINDS.get(key.rpartition(".")[2], "application/octet-stream")
            self.s3.put(bucket, key, body, **({"ContentType": kind} | cached | headers))

    def copy_as_pipeline(self, backup: str) -> None:
        """What `aws s3 sync` leaves in the bucket of the backups."""
        self.upload({f"{backup}/{key}": body for key, body in self.live().items()}, BACKUPS)

    def delete(self, key: str, bucket: str = LIVE) -> None:
        del self.s3.buckets[bucket][key]

    # What stands

    def live(self) -> dict[str, bytes]:
        return self.files(LIVE)

    def files(self, bucket: str, prefix: str = "") -> dict[str, bytes]:
        found = self.s3.buckets[bucket].items()
        return {key.removeprefix(prefix): one.body for key, one in found if key.startswith(prefix)}

    def backups(self) -> set[str]:
        """The folders in the bucket of the backups."""
        return {key.partition("/")[0] for key in self.files(BACKUPS) if "/" in key}

    @property
    def broken(self) -> list[str]:
        """What the live page names and the live site does not have, deeper ones too; the page itself, when it is gone."""
        live, found = self.live(), ["index.html"]
        for key in found:
            text = live.get(key, b"").decode()
            found += {name for name in re.findall(r'"/([\w./-]+\.\w+)"', text) if name not in found}
            found += {f"assets/{name}" for name in re.findall(r'"\./([\w./-]+\.\w+)"', text) if f"assets/{name}" not in found}
        return [key for key in found if key not in live]

    def written(self, operation: str, bucket: str = LIVE) -> list[str]:
        """The keys that these calls of the last execution wrote there, in order."""
        calls = self.process.calls
        return [one["Key"] for name, one in calls if name == operation and one["Bucket"] == bucket]

    # The procedures

    @property
    def frontend(self) -> Frontend:
        clients: Any = SimpleNamespace(s3=self.s3, cloudfront=self.cloudfront)
        runs: Any = self.runs
        return Frontend(SETTINGS, clients, self._clock_of_calls, runs, self.fetch)

    def _clock_of_calls(self) -> datetime:
        return self.now + timedelta(seconds=self.call_seconds * len(self.process.calls))

    def fetch(self, url: str) -> Answer:
        """The site, as CloudFront serves it: index.html where a path has no extension, 403 where there is no file."""
        parts = urlsplit(url)
        assert f"{parts.scheme}://{parts.netloc}" == PRODUCTION.frontend_url
        path = unquote(parts.path).lstrip("/")
        if path in self.answers:
            if (answer := self.answers[path]) is None:
                raise NoAnswerError("timed out")
            return answer
        key = path if "." in path.rpartition("/")[2] else "index.html"
        if key not in self.live():
            return Answer(403, "application/xml", b"<Error/>")
        return Answer(200, _KINDS.get(key.rpartition(".")[2], "application/octet-stream"), self.live()[key])

    def execute(self, procedure: str, execution: str = "e1", begin: str = "Plan", **inputs: str) -> dict[str, str]:
        """The steps of a procedure's document from this one on; what each said. Raises what a step raises."""
        run = _run(procedure, execution, inputs, dry_run=False)
        said: dict[str, str] = {}
        self.process.calls.clear()
        steps = self.frontend.steps()[procedure]
        for name, step in [*steps.items()][[*steps].index(begin) :]:
            for _ in range(100):
                answer = step(run)
                said[name] = f"{said[name]}\n{answer['said']}" if name in said else answer["said"]
                said |= {"backups": answer["backups"]} if "backups" in answer else {}
                if answer.get("wait") != WAITING:
                    break
            else:
                raise AssertionError(f"{name} has no end")
        return said

    def plan(self, procedure: str, **inputs: str) -> str:
        """What the dry run of a procedure says."""
        run = _run(procedure, "dry", inputs, dry_run=True)
        self.process.calls.clear()
        return self.frontend.steps()[procedure]["Plan"](run)["said"]

    def killed(self, procedure: str, execution: str, after: int, *, unanswered: bool, **inputs: str) -> bool:
        """Whether an execution died at the AWS call after so many, or had ended by then."""
        self.process.dies_after, self.process.dies_unanswered = after, unanswered
        try:
            with suppress(Killed):
                self.execute(procedure, execution, **inputs)
                return False
            return True
        finally:
            self.process.dies_after = None


def _run(procedure: str, execution: str, inputs: Mapping[str, str], *, dry_run: bool) -> Run:
    given = {"BackupId": NEWEST if procedure == "frontend-rollback" else "", **inputs}
    return Run(procedure=procedure, execution=execution, started_by="a", reason="a drill", dry_run=dry_run, inputs=given)
