"""The frontend's procedures (runbook 4.2): back up now, list the backups, roll back.

A rollback never leaves the live site without what its index.html names: index.html is copied after all other files, and what
the backup does not have is removed at last. Interrupted anywhere, it is run again: it does what is missing.
"""

from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from urllib.parse import quote, urlsplit

from lambdas.common import https
from lambdas.common.clock import Clock
from lambdas.common.https import NoAnswerError
from lambdas.health_check.probes import TIMEOUT_SECONDS, judge_frontend
from lambdas.procedures.backups import (
    INDEX,
    SAVED_BEFORE,
    Backup,
    Backups,
    FrontendSettings,
    Manifest,
    Pair,
    Restored,
    amount,
    moment,
    phases,
    too_big,
)
from lambdas.procedures.objects import ChangedError, Files, Objects
from lambdas.procedures.run import Answer, RefusedError, Run, Steps, waiting
from runbook.rules import BACKUPS_KEPT, BACKUPS_KEPT_FOR, STEP

SHOWN = 12
"""So many backups are looked at and listed."""

_PROBED = 20  # files that index.html names
_READ_OF_AN_ANSWER = 1_000_000  # bytes: what https.get reads

Fetch = Callable[[str], https.Answer]
"""Gets a URL; raises NoAnswerError."""


class FailedError(Exception):
    """A step could not do what it has to; the message says what stands now, and what to do."""


def fetch(url: str) -> https.Answer:
    """Fetch, as the probes do."""
    return https.get(url, {"User-Agent": "operations-procedures"}, TIMEOUT_SECONDS, redirects=True)


class Frontend:
    """The family in one environment."""

    def __init__(self, settings: FrontendSettings, *, s3: Any, cloudfront: Any, clock: Clock, fetch: Fetch = fetch) -> None:
        self._settings = settings
        self._objects = Objects(s3)
        self._backups = Backups(settings, self._objects, clock)
        self._cloudfront = cloudfront
        self._clock = clock
        self._fetch = fetch

    @property
    def steps(self) -> Steps:
        """The steps by procedure and name."""
        return {
            "frontend-backup": {"Plan": self.plan_backup, "Save": self.save, "Prune": self.prune},
            "frontend-backups": {"Plan": self.plan_list, "List": self.show},
            "frontend-rollback": {
                "Plan": self.plan_rollback,
                "SaveLive": self.save_live,
                "Restore": self.restore,
                "Invalidate": self.invalidate,
                "RemoveStale": self.remove_stale,
                "Verify": self.verify,
            },
        }

    # frontend-backup

    def plan_backup(self, run: Run) -> Answer:
        """What would be saved under which id, and what would go; RefusedError when that id is taken."""
        identifier = _new_id(run)
        live = self._live()
        self._check_id(identifier, run, live)
        if not live:
            return {"said": f"Nothing to save: {self._backups.live} is empty."}
        if big := too_big(live):
            raise RefusedError(big)
        flaw = self._backups.flaw(self._backups.live, live)
        old = self._backups.expired()
        return _said(
            f"Live, {amount(live)}, would be saved as {identifier}.",
            f"Live is not consistent: {flaw}. It would be saved, and never taken for a rollback." if flaw else "",
            self._backups.cached(self._backups.live),
            f"By the rule {', '.join(old)} would go." if old else "",
        )

    def save(self, run: Run) -> Answer:
        """Save what is live; again when time is up. RefusedError when the id is taken, FailedError when live changes."""
        identifier = _new_id(run)
        live = self._live()
        self._check_id(identifier, run, live)
        if not live:
            return {"said": f"Nothing was saved: {self._backups.live} is empty."}
        return self._saved(identifier, Manifest(execution=run.execution, reason=run.reason))

    def prune(self, _: Run) -> Answer:
        """Remove the backups that are kept no longer; again when time is up."""
        late, old = self._late(), self._backups.expired()
        for number, identifier in enumerate(old):
            if late():
                return waiting(f"Removed {number} of {len(old)} old backups so far.")
            self._backups.remove(identifier)
        if not old:
            return {
                "said": f"No backup goes: kept are {BACKUPS_KEPT_FOR.days} days, and always the newest {BACKUPS_KEPT} good."
            }
        return {
            "said": f"Removed what is kept no longer: {', '.join(old)}. S3 has their files for 30 days more, as old versions."
        }

    def _check_id(self, identifier: str, run: Run, live: Files) -> None:
        """An id is free, or this run's own; or it was interrupted, and is taken up again; or it has just what is live."""
        manifest = self._backups.manifest(identifier)
        if manifest is None:
            if self._objects.first(self._backups.place(identifier)):
                raise RefusedError(f"{identifier} was written by something else, without a manifest: give another BackupId.")
        elif manifest.complete and manifest.execution != run.execution:
            same = manifest.files.keys() == live.keys() and all(
                (pair.live_etag, pair.live_modified) == (live[name].etag, live[name].modified)
                for name, pair in manifest.files.items()
            )
            if not same:
                raise RefusedError(f"{identifier} is there already, and live has changed since: give another BackupId.")

    def _saved(self, identifier: str, begun: Manifest) -> Answer:
        try:
            manifest = self._backups.save(identifier, begun, self._late())
        except ChangedError as error:
            raise FailedError(
                f"{error} of the live site changed while it was saved, and nothing else was touched: a release is under way. "
                "Start again when it has ended."
            ) from error
        if manifest is None:
            return waiting(f"{identifier} is being saved.")
        place = self._backups.place(identifier)
        flaw = self._backups.flaw(place, self._objects.files(place))
        return _said(
            f"Live is saved as {identifier}: {len(manifest.files):,} files.",
            f"It is not consistent, and never taken for a rollback: {flaw}." if flaw and not manifest.restores else "",
        )

    # frontend-backups

    def plan_list(self, _: Run) -> Answer:
        """How many backups there are, and what live is."""
        return _said(
            f"{self._settings.frontend_backups_bucket} has {len(self._backups.times()):,} backups.", self._live_words()
        )

    def show(self, _: Run) -> Answer:
        """The newest backups, the newest first: when, how much, and whether good or why not."""
        times, live = self._backups.times(), self._live()
        lines = []
        for identifier, taken in [*times.items()][:SHOWN]:
            backup = self._backups.judged(identifier, taken)
            state = backup.flaw or ("good, and what is live" if self._is_live(backup, live) else "good")
            if identifier.startswith(SAVED_BEFORE):
                state += "; saved before a rollback, taken only when named"
            elif not backup.manifest and not backup.flaw:
                state += "; without a manifest, judged by its index.html"
            lines.append(f"{identifier}  {moment(taken)}  {amount(backup.files)}: {state}")
        rest = len(times) - len(lines)
        return {"said": "\n".join((*lines, f"and {rest:,} older" if rest else "")).strip() or "There is no backup."}

    # frontend-rollback

    def plan_rollback(self, run: Run) -> Answer:
        """What the rollback would do; RefusedError when there is nothing good to go back to."""
        target, passed = self._target(run)
        live = self._live()
        differing, stale = target.differing(live), _stale(target, live)
        if big := too_big(differing) or too_big(live):
            raise RefusedError(f"{big} Copy it by hand first.")
        words = [
            f"Live would become {target}: {len(differing):,} files copied, {len(stale):,} removed, CloudFront's cache emptied. "
            f"Live is saved first. {self._undo(run)}"
        ]
        if not differing and not stale:
            words = [f"Nothing to copy: live is {target} already. The CloudFront cache would be emptied, and the site checked."]
            words.append(self._further_back(target))
        flaw = self._backups.flaw(self._backups.live, live)
        return _said(
            *words,
            f"Live now: {flaw}." if flaw else "Live now is consistent.",
            self._backups.cached(self._backups.place(target.id)),
            f"Not taken: {'; '.join(passed[:3])}." if passed else "",
        )

    def save_live(self, run: Run) -> Answer:
        """Save what is live before it is touched; again when time is up."""
        identifier = _before(run)
        manifest = self._backups.manifest(identifier)
        if manifest and manifest.complete:
            return {"said": f"Live was saved as {identifier} before."}
        target, _ = self._target(run)
        live = self._live()
        if not target.differing(live) and not _stale(target, live):
            return {"said": f"Nothing to save: live is {target} already."}
        return self._saved(identifier, Manifest(execution=run.execution, reason=run.reason, restores=target.id))

    def restore(self, run: Run) -> Answer:
        """Copy what differs, index.html last; again when time is up. FailedError when somebody else writes meanwhile."""
        late = self._late()
        target, _ = self._target(run)
        live = self._live()
        differing = target.differing(live)
        if not differing:
            return {"said": f"Every file of {target} is live."}
        self._check_saved(run)
        place, etags = self._backups.place(target.id), dict[str, str]()
        try:
            for phase in phases(differing):
                if INDEX in phase:
                    self._check_all_there(target)
                etags |= self._objects.copy(place, self._backups.live, phase, late)
                if late() and len(etags) < len(differing):
                    self._remember(target, live, differing, etags)
                    return waiting(f"{len(etags):,} of {len(differing):,} files of {target.id} are copied in this round.")
        except ChangedError as error:
            raise FailedError(f"{error} of {target.id} changed while it was copied. {self._stands(run)}") from error
        self._remember(target, live, differing, etags)
        return _said(
            f"Copied {len(etags):,} of the {len(target.files):,} files of {target.id}, {INDEX} last.",
            self._backups.cached(self._backups.live),
        )

    def invalidate(self, run: Run) -> Answer:
        """Empty CloudFront's cache; the document waits until that is done. A second call is the same invalidation."""
        distribution = self._distribution()
        answer = self._cloudfront.create_invalidation(
            DistributionId=distribution,
            InvalidationBatch={"CallerReference": run.execution, "Paths": {"Quantity": 1, "Items": ["/*"]}},
        )
        identifier = str(answer["Invalidation"]["Id"])
        said = f"Invalidation {identifier} of distribution {distribution} is under way."
        return {"said": said, "distribution": distribution, "invalidation": identifier}

    def remove_stale(self, run: Run) -> Answer:
        """Remove what the backup does not have; FailedError when the live site is not the backup's by then."""
        target, _ = self._target(run)
        live = self._live()
        if stale := _stale(target, live):
            self._check_saved(run)
            self._check_restored(run, target, live)
            self._objects.delete(self._backups.live, stale)
        return {"said": f"Removed {len(stale):,} files that {target.id} does not have."}

    def verify(self, run: Run) -> Answer:
        """Whether the bucket has exactly the backup, and the site serves it with what it names; FailedError when not."""
        target, _ = self._target(run)
        live = self._live()
        self._check_restored(run, target, live)
        if stale := _stale(target, live):
            raise FailedError(
                f"Live has {stale[0]}, which {target.id} does not have: somebody else writes it. {self._again(run)}"
            )
        page = self._backups.index(self._backups.live)
        named = self._backups.named(page)[:_PROBED]
        if problem := self._page_problem(page) or self._file_problem(named):
            raise FailedError(f"Live is {target}, but {problem}. {self._again(run)} {self._undo(run)}")
        return _said(
            f"{self._settings.frontend_url} serves {target}; the {len(named)} files that its {INDEX} names answer.",
            self._undo(run) if self._backups.manifest(_before(run)) else "",
        )

    # What is what

    def _live(self) -> Files:
        return self._objects.files(self._backups.live)

    def _target(self, run: Run) -> tuple[Backup, list[str]]:
        """The backup to go back to, and why newer ones are not it: the one that this execution began with, or that is named, or
        the newest good one. RefusedError when it is not good."""
        begun = self._backups.manifest(_before(run))
        named = begun.restores if begun else run.inputs.get("BackupId", "")
        if not named:
            newest, passed = self._backups.newest_good()
            if newest is None:
                raise RefusedError(f"There is no good backup. {'; '.join(passed[:3])}".strip())
            return newest, passed
        taken = self._backups.times().get(named)
        if taken is None:
            raise RefusedError(f"There is no backup {named}: {self._settings.prefix}frontend-backups lists what there is.")
        backup = self._backups.judged(named, taken)
        if backup.flaw:
            raise RefusedError(f"{named} is not good: {backup.flaw}. Name another.")
        return backup, []

    def _is_live(self, backup: Backup, live: Files) -> bool:
        return not backup.differing(live) and not _stale(backup, live)

    def _live_words(self) -> str:
        live = self._live()
        flaw = self._backups.flaw(self._backups.live, live)
        return f"Live is {amount(live)}{f', and not consistent: {flaw}' if flaw else ''}."

    def _further_back(self, target: Backup) -> str:
        """Which backup to name to go further back: the default stays where it is, so that a second run does not go on."""
        older = [
            identifier
            for identifier, taken in self._backups.times().items()
            if taken < target.taken and not identifier.startswith(SAVED_BEFORE)
        ]
        return f"To go further back, name one: the next is BackupId={older[0]}." if older else "There is no older backup."

    def _distribution(self) -> str:
        host = urlsplit(self._settings.frontend_url).netloc
        for page in self._cloudfront.get_paginator("list_distributions").paginate():
            for one in page["DistributionList"].get("Items", ()):
                if host in one.get("Aliases", {}).get("Items", ()):
                    return str(one["Id"])
        raise FailedError(f"No CloudFront distribution has the name {host}. The files are in place: invalidate /* by hand.")

    # Checks

    def _check_saved(self, run: Run) -> None:
        manifest = self._backups.manifest(_before(run))
        if manifest is None or not manifest.complete:
            raise RefusedError(f"Nothing is touched before live is saved as {_before(run)}: start the procedure again.")

    def _check_all_there(self, target: Backup) -> None:
        """Before index.html: somebody else may have removed what was just copied."""
        live = self._live()
        for name, file in target.files.items():
            if name != INDEX and (name not in live or live[name].size != file.size):
                raise FailedError(
                    f"{name} was copied and is gone or changed again: a release is under way. {INDEX} is still the old one. "
                    "Start again when it has ended."
                )

    def _check_restored(self, run: Run, target: Backup, live: Files) -> None:
        if differing := target.differing(live):
            name = next(iter(differing))
            raise FailedError(
                f"{name} is not as in {target.id}: somebody else wrote it. Nothing was removed. {self._again(run)}"
            )

    def _page_problem(self, page: bytes) -> str:
        try:
            answer = self._fetch(f"{self._settings.frontend_url}/")
        except NoAnswerError as error:
            return f"the site does not answer ({error})"
        if problem := judge_frontend(answer).problem:
            return problem
        same = answer.body == page[:_READ_OF_AN_ANSWER]
        return "" if same else f"the site serves another {INDEX} than the bucket has"

    def _file_problem(self, names: list[str]) -> str:
        """What is wrong with the first of these files that is not served."""

        def problem(name: str) -> str:
            try:
                answer = self._fetch(f"{self._settings.frontend_url}/{quote(name)}")
            except NoAnswerError as error:
                return f"{name} does not load ({error})"
            if answer.status != 200:
                return f"{name} answers {answer.status}"
            page = answer.content_type == "text/html" and not name.endswith(".html")
            return f"{name} answers with a page" if page else ""

        with ThreadPoolExecutor(5) as pool:
            return next(filter(None, pool.map(problem, names)), "")

    # What is kept

    def _remember(self, target: Backup, before: Files, differing: Files, etags: Mapping[str, str]) -> None:
        """Keep what is now known to be live as in the backup: the copies, and what was so `before`, unless written since."""
        live = self._live()
        pairs = {
            name: Pair(file.size, live[name].etag, live[name].modified, file.etag)
            for name, file in target.files.items()
            if name in live and (live[name].etag == etags.get(name) if name in differing else live[name] == before[name])
        }
        self._backups.keep_restored(Restored(target.id, pairs))

    def _late(self) -> Callable[[], bool]:
        end = self._clock() + STEP
        return lambda: self._clock() >= end

    # Words

    def _undo(self, run: Run) -> str:
        saved = f"{SAVED_BEFORE}<id of the execution>" if run.dry_run else _before(run)
        return f"To undo it, start {self._settings.prefix}frontend-rollback with BackupId={saved}."

    def _again(self, run: Run) -> str:
        return f"Start {run.procedure} again."

    def _stands(self, run: Run) -> str:
        return f"Live has its old {INDEX} and what that names. {self._again(run)}"


def _new_id(run: Run) -> str:
    return run.inputs.get("BackupId", "") or f"backup-{run.execution}"


def _before(run: Run) -> str:
    """The id under which a rollback saves what was live."""
    return f"{SAVED_BEFORE}{run.execution}"


def _stale(target: Backup, live: Files) -> list[str]:
    return [name for name in live if name not in target.files]


def _said(*sentences: str) -> Answer:
    return {"said": " ".join(filter(None, sentences))}
