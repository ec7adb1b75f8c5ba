"""The backups of the frontend: `<id>/` in the bucket of the backups, in the live bucket's form, and `<id>.json`, its manifest.

The manifest is written last: a backup of ours without a complete one was interrupted. The release pipeline may write backups of
its own, without any: those are judged by themselves. That a live file holds what a file of a backup holds is never concluded
from its ETag, which is no digest under a KMS key, nor from a CRC, which can be forged: it is known where we copied one to the
other, as long as S3 says that neither was written since. The manifest has those pairs, and `restored` for the last rollback.
https://docs.aws.amazon.com/AmazonS3/latest/API/API_Object.html
"""

import re
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import NamedTuple, TypeVar
from urllib.parse import urlsplit

from pydantic import TypeAdapter, ValidationError

from lambdas.common.clock import Clock
from lambdas.procedures.objects import MOST_COPIED, ChangedError, File, Files, Objects, Place
from lambdas.procedures.pages import named_by_file, named_by_page
from lambdas.procedures.settings import FrontendSettings
from runbook.rules import BACKUPS_KEPT, BACKUPS_KEPT_FOR

INDEX = "index.html"
ASSETS = "assets/"
MADE = "backup-"
"""Begins the id of every backup, ours and those of the release pipeline; anything else in the bucket is left alone."""
SAVED_BEFORE = "pre-rollback-"
"""Begins the id of what a rollback saved. It is the newest state, and mostly the broken one: taken only when it is named."""

_RESTORED = "restored"
_READ = 10 * 2**20  # bytes of a script or a style sheet that is looked into
_TEXT = (".js", ".mjs", ".css")
_NUMBER = re.compile(r"(\d+)$")


class Pair(NamedTuple):
    """A live file and a file of a backup that hold the same, by what S3 says of them."""

    size: int
    live_etag: str
    live_modified: str
    backup_etag: str

    def holds(self, live: File | None, backup: File) -> bool:
        """Whether neither was written since."""
        return live is not None and self.shows(live) and (self.size, self.backup_etag) == (backup.size, backup.etag)

    def shows(self, live: File) -> bool:
        """Whether the live file was not written since."""
        return (self.size, self.live_etag, self.live_modified) == (live.size, live.etag, live.modified)


Pairs = Mapping[str, Pair]


@dataclass(frozen=True, kw_only=True)
class Manifest:
    """What a backup of ours is: by which execution and why it was made, and whether it is complete."""

    execution: str = ""
    reason: str = ""
    complete: bool = False
    files: dict[str, Pair] = field(default_factory=dict)


@dataclass(frozen=True)
class Restored:
    """What the last rollback has brought from which backup to the live bucket."""

    backup: str = ""
    files: dict[str, Pair] = field(default_factory=dict)


@dataclass(frozen=True)
class Backup:
    """A backup and what is wrong with it, empty for a good one. Without a manifest there are no `pairs`."""

    id: str
    taken: datetime
    files: Files
    flaw: str
    manifest: Manifest | None
    pairs: Sequence[Pairs] = ()

    def __str__(self) -> str:
        return f"{self.id} of {moment(self.taken)} ({amount(self.files)})"

    def differing(self, live: Files) -> dict[str, File]:
        """The files that are not known to be live as they are here."""
        return {
            name: file
            for name, file in self.files.items()
            if not any(name in pairs and pairs[name].holds(live.get(name), file) for pairs in self.pairs)
        }


T = TypeVar("T", Manifest, Restored)
_MANIFEST, _RESTORED_STATE = TypeAdapter(Manifest), TypeAdapter(Restored)


class Backups:
    """The backups in one environment; every method raises what AWS raises."""

    def __init__(self, settings: FrontendSettings, objects: Objects, clock: Clock) -> None:
        self._objects = objects
        self._clock = clock
        self._bucket = settings.frontend_backups_bucket
        self._host = urlsplit(settings.frontend_url).netloc
        self.live = Place(settings.frontend_bucket)

    def place(self, identifier: str) -> Place:
        """Where the files of a backup are."""
        return Place(self._bucket, f"{identifier}/")

    # What there is

    def times(self) -> dict[str, datetime]:
        """When each backup was taken, the newest first: by time, as `backup-10` is newer than `backup-9`."""
        folders, beside = self._objects.top(self._bucket)
        alone = [file.removesuffix(".json") for file in beside if file.endswith(".json")]
        with ThreadPoolExecutor(10) as pool:
            taken = pool.map(lambda one: self._taken(one, beside.get(f"{one}.json")), found := {*folders, *alone})
        times = dict(zip(found, taken, strict=True))
        return {one: times[one] for one in sorted(times, key=lambda one: (times[one], _number(one)), reverse=True)}

    def _taken(self, identifier: str, manifest: File | None) -> datetime:
        """By the manifest, which is not written again; without one by index.html, or else by any file. In whole seconds, as S3
        answers for one object."""
        file = (
            manifest or self._objects.head(self._bucket, f"{identifier}/{INDEX}") or self._objects.first(self.place(identifier))
        )
        return (datetime.fromisoformat(file.modified) if file else self._clock()).replace(microsecond=0)

    def manifest(self, identifier: str) -> Manifest | None:
        """The manifest of a backup, if there is any; one that cannot be read is not complete."""
        body = self._objects.read(self._bucket, f"{identifier}.json")
        return None if body is None else _parsed(_MANIFEST, body, Manifest())

    def judged(self, identifier: str, taken: datetime) -> Backup:
        """A backup, looked at: complete by its manifest, and consistent by its index.html."""
        place, manifest = self.place(identifier), self.manifest(identifier)
        files: Files = self._objects.files(place)
        flaw = ""
        if manifest:
            flaw = _incomplete(manifest, files)
            files = {name: file for name, file in files.items() if name in manifest.files}
        restored = self.restored()
        pairs = [manifest.files] if manifest else []
        pairs += [restored.files] if restored.backup == identifier else []
        return Backup(identifier, taken, files, flaw or self.flaw(place, files), manifest, pairs)

    def missing(self, identifier: str) -> str:
        """Why a backup of ours is not complete; empty when it is."""
        manifest = self.manifest(identifier)
        return _incomplete(manifest, self._objects.files(self.place(identifier))) if manifest else "it has no manifest"

    def newest_good(self) -> tuple[Backup | None, list[str]]:
        """The newest good backup, not counting what rollbacks saved, and why newer ones are not it."""
        passed: list[str] = []
        for identifier, taken in self.times().items():
            if not identifier.startswith(MADE):
                continue
            backup = self.judged(identifier, taken)
            if not backup.flaw:
                return backup, passed
            passed.append(f"{identifier} of {moment(taken)}: {backup.flaw}")
        return None, passed

    def flaw(self, place: Place, files: Files) -> str:
        """Why the site that these files are is not consistent; empty when it is."""
        if INDEX not in files:
            return f"it has no {INDEX}"
        page = self._objects.read(place.bucket, f"{place.prefix}{INDEX}")
        if not page or not page.strip():
            return f"its {INDEX} is empty"
        named = self.named(page)
        for name in named:
            if name not in files:
                return f"its {INDEX} names {name}, which it does not have"
        for name in named:
            if name.endswith(_TEXT) and files[name].size <= _READ:
                text = (self._objects.read(place.bucket, f"{place.prefix}{name}") or b"").decode(errors="replace")
                for meant in named_by_file(text, name):
                    if not any(one in files for one in meant):
                        return f"its {name} names {meant[0]}, which it does not have"
        return ""

    def named(self, page: bytes) -> list[str]:
        """The files that an index.html names."""
        return named_by_page(page.decode(errors="replace"), self._host)

    def index(self, place: Place) -> bytes:
        """The index.html of a place; empty where there is none."""
        return self._objects.read(place.bucket, f"{place.prefix}{INDEX}") or b""

    def cached(self, place: Place) -> str:
        """What is wrong with how long browsers keep a place's index.html, in words; empty when nothing is."""
        header = self._objects.cache_control(place.bucket, f"{place.prefix}{INDEX}")
        if header is None or re.search(r"no-cache|no-store|max-age=0\b", header):
            return ""
        kept = f"has Cache-Control {header!r}" if header else "has no Cache-Control"
        return f"{INDEX} of {place} {kept}, not no-cache: browsers may go on showing the old one."

    # Making and removing

    def save(self, identifier: str, begun: Manifest, late: Callable[[], bool]) -> Manifest | None:
        """Save what is live under this id, as `begun` says; None when it was `late` before it was done.

        What an interrupted run has copied is not copied again. ChangedError when live files change meanwhile: then the backup
        is left incomplete."""
        manifest = self.manifest(identifier)
        if manifest and manifest.complete:
            return manifest
        if manifest is None:
            self._keep(identifier, begun)  # from now on nobody takes these files for a backup
        place = self.place(identifier)
        live, there = self._objects.files(self.live), self._objects.files(place)
        known = manifest.files if manifest else {}
        pairs = {
            name: known[name]
            for name, file in live.items()
            if name in known and name in there and known[name].holds(file, there[name])
        }
        for phase in phases({name: file for name, file in live.items() if name not in pairs}):
            etags = self._objects.copy(self.live, place, phase, late)
            pairs |= {name: Pair(live[name].size, live[name].etag, live[name].modified, etag) for name, etag in etags.items()}
            if len(etags) < len(phase):
                self._keep(identifier, replace(begun, files=pairs))
                return None
        there = self._objects.files(place)
        now = self._objects.files(self.live)
        if now != live:
            raise ChangedError(min(name for name in {*now, *live} if now.get(name) != live.get(name)))
        for name, pair in pairs.items():
            if name not in there or not pair.holds(live[name], there[name]):
                raise ChangedError(name)
        self._objects.delete(place, [name for name in there if name not in live])  # of an interrupted run, gone from live since
        done = replace(begun, files=pairs, complete=True)
        self._keep(identifier, done)
        return done

    def expired(self) -> list[str]:
        """What is kept no longer: older than BACKUPS_KEPT_FOR, and not one of the newest good ones."""
        times = self.times()
        begin = self._clock() - BACKUPS_KEPT_FOR
        if all(taken >= begin for taken in times.values()):
            return []
        good, old = 0, []
        for identifier, taken in times.items():
            if good < BACKUPS_KEPT and identifier.startswith(MADE) and not self.judged(identifier, taken).flaw:
                good += 1
            elif taken < begin and identifier.startswith((MADE, SAVED_BEFORE)):
                old.append(identifier)
        return old

    def remove(self, identifier: str) -> None:
        """Remove a backup: its index.html first, so that what an interrupted run leaves is no good one; its manifest last."""
        place = self.place(identifier)
        names = list(self._objects.files(place))
        for some in ([INDEX] if INDEX in names else [], [name for name in names if name != INDEX]):
            self._objects.delete(place, some)
        self._objects.delete(Place(self._bucket), [f"{identifier}.json"])

    # What the last rollback restored

    def restored(self) -> Restored:
        """What the last rollback restored, as far as it came."""
        body = self._objects.read(self._bucket, _RESTORED)
        return Restored() if body is None else _parsed(_RESTORED_STATE, body, Restored())

    def keep_restored(self, restored: Restored) -> None:
        """Remember what was restored."""
        self._objects.write(self._bucket, _RESTORED, _RESTORED_STATE.dump_json(restored))

    def _keep(self, identifier: str, manifest: Manifest) -> None:
        self._objects.write(self._bucket, f"{identifier}.json", _MANIFEST.dump_json(manifest))


def phases(files: Files) -> list[dict[str, File]]:
    """The files in the order in which they are copied: what is named comes before what names it, index.html last."""
    order: list[dict[str, File]] = [{}, {}, {}]
    for name, file in files.items():
        order[2 if name == INDEX else 0 if name.startswith(ASSETS) else 1][name] = file
    return order


def too_big(files: Files) -> str:
    """A file that S3 does not copy in one request, in a sentence; empty when there is none."""
    return next(
        (
            f"{name} has {size(file.size)}, and S3 copies at most 5 GB."
            for name, file in files.items()
            if file.size > MOST_COPIED
        ),
        "",
    )


def amount(files: Files) -> str:
    """How many files, and how big together."""
    return f"{counted(len(files), 'file')}, {size(sum(file.size for file in files.values()))}"


def counted(number: int, thing: str) -> str:
    """So many things."""
    return f"{number:,} {thing}{'' if number == 1 else 's'}"


def size(bytes_: float) -> str:
    """A size to read."""
    for unit in ("bytes", "kB", "MB"):
        if bytes_ < 1000:
            return f"{bytes_:.0f} {unit}"
        bytes_ /= 1000
    return f"{bytes_:.1f} GB"


def moment(time: datetime) -> str:
    """A time to read."""
    return f"{time:%Y-%m-%d %H:%M} UTC"


def _incomplete(manifest: Manifest, files: Files) -> str:
    if not manifest.complete:
        return "it was interrupted"
    wrong = [
        name
        for name, pair in manifest.files.items()
        if name not in files or (files[name].size, files[name].etag) != (pair.size, pair.backup_etag)
    ]
    if not wrong:
        return ""
    of = f"{len(wrong):,} of its {counted(len(manifest.files), 'file')}"
    return f"{of} are missing or not as they were saved, such as {wrong[0]}"


def _parsed(adapter: TypeAdapter[T], body: bytes, otherwise: T) -> T:
    try:
        return adapter.validate_json(body)
    except ValidationError:
        return otherwise


def _number(identifier: str) -> tuple[int, str]:
    """What comes later at the same second."""
    found = _NUMBER.search(identifier)
    return int(found[1]) if found else -1, identifier
