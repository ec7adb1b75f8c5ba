"""The frontend's procedures (runbook 4.2): back up now, list the backups, roll back.

A rollback never leaves the live site without what its index.html names: index.html is copied after all other files, and what
the backup does not have is removed at last. Interrupted anywhere, it is run again: it does what is missing.
"""

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from urllib.parse import quote, urlsplit

from lambdas.common import https
from lambdas.common.clock import Clock
from lambdas.common.https import NoAnswerError
from lambdas.health_check.probes import TIMEOUT_SECONDS, judge_frontend
from lambdas.procedures.backups import (
    INDEX,
    MADE,
    SAVED_BEFORE,
    Backup,
    Backups,
    Manifest,
    Pair,
    Restored,
    amount,
    counted,
    moment,
    phases,
    too_big,
)
from lambdas.procedures.clients import Clients
from lambdas.procedures.objects import ChangedError, Files, NotDeletedError, Objects
from lambdas.procedures.run import Answer, RefusedError, Run, Steps, VerifyError, waiting
from lambdas.procedures.runs import Runs
from lambdas.procedures.settings import FrontendSettings
from runbook.rules import BACKUPS_KEPT, BACKUPS_KEPT_FOR, STEP

NEWEST = "newest"
"""The newest good backup."""
SHOWN = 12
"""So many backups are looked at and listed."""

PROBED = 20  # files that index.html names
_READ_OF_AN_ANSWER = 1_000_000  # bytes: what https.get reads

Fetch = Callable[[str], https.Answer]
"""Gets a URL; raises NoAnswerError."""


def fetch(url: str) -> https.Answer:
    """Fetch, as the probes do."""
    return https.get(url, {"User-Agent": "operations-procedures"}, TIMEOUT_SECONDS, redirects=True)


def file_problem(fetch: Fetch, origin: str, names: Sequence[str]) -> str:
    """What is wrong with the first of these files that the site does not serve."""

    def problem(name: str) -> str:
        try:
            answer = fetch(f"{origin}/{quote(name)}")
        except NoAnswerError as error:
            return f"{name} does not load ({error})"
        if answer.status != 200:
            return f"{name} answers {answer.status}"
        page = answer.content_type == "text/html" and not name.endswith(".html")
        return f"{name} answers with a page" if page else ""

    with ThreadPoolExecutor(5) as pool:
        return next(filter(None, pool.map(problem, names)), "")


class Frontend:
    """The family in one environment."""

    def __init__(self, settings: FrontendSettings, clients: Clients, clock: Clock, runs: Runs, fetch: Fetch = fetch) -> None:
        self._settings = settings
        self._objects = Objects(clients.s3)
        self._backups = Backups(settings, self._objects, clock)
        self._cloudfront = clients.cloudfront
        self._clock = clock
        self._runs = runs
        self._fetch = fetch

    def steps(self) -> Steps:
        """The steps of each procedure by their names in the documents."""
        return {
            "frontend-backup": {"Plan": self._plan_backup, "Save": self._save, "Prune": self._prune},
            "frontend-backups": {"Plan": self._plan_list, "Look": self._list},
            "frontend-rollback": {
                "Plan": self._plan_rollback,
                "SaveLive": self._save_live,
                "CheckSaved": self._check_saved_before,
                "Restore": self._restore,
                "Invalidate": self._invalidate,
                "Invalidated": self._invalidated,
                "RemoveStale": self._remove_stale,
                "Verify": self._verify,
            },
        }

    # frontend-backup

    def _plan_backup(self, run: Run) -> Answer:
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

    def _save(self, run: Run) -> Answer:
        """Save what is live; again when time is up. RefusedError when the id is taken, VerifyError when live changes."""
        identifier = _new_id(run)
        live = self._live()
        self._check_id(identifier, run, live)
        if not live:
            return {"said": f"Nothing was saved: {self._backups.live} is empty."}
        return self._saved(identifier, Manifest(execution=run.execution, reason=run.reason))

    def _prune(self, _: Run) -> Answer:
        """Remove the backups that are kept no longer; what time does not suffice for goes with the next backup."""
        late, old = self._late(), self._backups.expired()
        for number, identifier in enumerate(old):
            if late():
                return {"said": f"Removed {number} of {len(old)} backups that are kept no longer: the next backup goes on."}
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
            same = manifest.files.keys() == live.keys() and all(pair.shows(live[name]) for name, pair in manifest.files.items())
            if not same:
                raise RefusedError(f"{identifier} is there already, and live has changed since: give another BackupId.")

    def _saved(self, identifier: str, begun: Manifest) -> Answer:
        try:
            manifest = self._backups.save(identifier, begun, self._late())
        except ChangedError as error:
            raise VerifyError(
                f"{error} of the live site changed while it was saved, and nothing else was touched: a release is under way. "
                "Start again when it has ended."
            ) from error
        if manifest is None:
            return waiting(f"{identifier} is being saved.")
        place = self._backups.place(identifier)
        flaw = self._backups.flaw(place, self._objects.files(place))
        return _said(
            f"Live is saved as {identifier}: {counted(len(manifest.files), 'file')}.",
            f"It is not consistent, and never taken for a rollback: {flaw}." if flaw and identifier.startswith(MADE) else "",
        )

    # frontend-backups

    def _plan_list(self, _: Run) -> Answer:
        """How many backups there are, and what live is."""
        return _said(
            f"{self._settings.frontend_backups_bucket} has {counted(len(self._backups.times()), 'backup')}.", self._live_words()
        )

    def _list(self, _: Run) -> Answer:
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
        are = "is" if len(times) == 1 else "are"
        said = f"There {are} {counted(len(times), 'backup')}, the newest first. {self._live_words()}"
        return {
            "said": said if times else "There is no backup.",
            "backups": " | ".join((*lines, f"and {rest:,} older") if rest else lines) or "none",
        }

    # frontend-rollback

    def _plan_rollback(self, run: Run) -> Answer:
        """What the rollback would do; RefusedError when there is nothing good to go back to."""
        target, passed = self._chosen(run)
        self._runs.keep(run, target=target.id)
        live = self._live()
        differing, stale = target.differing(live), _stale(target, live)
        if big := too_big(differing) or too_big(live):
            raise RefusedError(f"{big} Copy it by hand first.")
        words = [
            f"Live would become {target}: {counted(len(differing), 'file')} copied, {len(stale):,} removed, CloudFront's cache "
            f"emptied. Live is saved first. {self._undo(run)}"
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

    def _save_live(self, run: Run) -> Answer:
        """Save what is live before it is touched; again when time is up."""
        identifier = _before(run)
        manifest = self._backups.manifest(identifier)
        if manifest and manifest.complete:
            return {"said": f"Live was saved as {identifier} before."}
        target = self._target(run)
        live = self._live()
        if not target.differing(live) and not _stale(target, live):
            return {"said": f"Nothing to save: live is {target} already."}
        return self._saved(identifier, Manifest(execution=run.execution, reason=run.reason))

    def _check_saved_before(self, run: Run) -> Answer:
        """Whether what was live is saved, if anything of it is to be touched; VerifyError when not."""
        identifier, target = _before(run), self._target(run)
        if self._is_live(target, self._live()):
            return {"said": f"Nothing has to be saved: live is {target} already."}
        self._check_saved(run)
        if flaw := self._backups.missing(identifier):
            raise VerifyError(f"{identifier} is not complete: {flaw}. {self._again(run)}")
        return {"said": f"{identifier} has every file that was live."}

    def _restore(self, run: Run) -> Answer:
        """Copy what differs, index.html last; again when time is up. VerifyError when somebody else writes meanwhile."""
        late = self._late()
        target = self._target(run)
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
                    return waiting(
                        f"{len(etags):,} of {counted(len(differing), 'file')} of {target.id} are copied in this round."
                    )
        except ChangedError as error:
            raise VerifyError(f"{error} of {target.id} changed while it was copied. {self._stands(run)}") from error
        self._remember(target, live, differing, etags)
        return _said(
            f"Copied {len(etags):,} of the {counted(len(target.files), 'file')} of {target.id}, {INDEX} last.",
            self._backups.cached(self._backups.live),
        )

    def _invalidate(self, run: Run) -> Answer:
        """Empty CloudFront's cache."""
        return {"said": f"Invalidation {self._invalidation(run)['Id']} of CloudFront's cache is asked for."}

    def _invalidated(self, run: Run) -> Answer:
        """Whether the cache is empty."""
        found = self._invalidation(run)
        words = f"Invalidation {found['Id']} is {found['Status']}."
        return {"said": words} if found["Status"] == "Completed" else waiting(words)

    def _invalidation(self, run: Run) -> Mapping[str, Any]:
        """The invalidation of this execution: asking for the same one again makes no other, and shows how it is.

        https://docs.aws.amazon.com/cloudfront/latest/APIReference/API_InvalidationBatch.html
        """
        answer: Any = self._cloudfront.create_invalidation(
            DistributionId=self._distribution(),
            InvalidationBatch={"CallerReference": run.execution, "Paths": {"Quantity": 1, "Items": ["/*"]}},
        )
        found: Mapping[str, Any] = answer["Invalidation"]
        return found

    def _remove_stale(self, run: Run) -> Answer:
        """Remove what the backup does not have; VerifyError when the live site is not the backup's by then."""
        target = self._target(run)
        live = self._live()
        if stale := _stale(target, live):
            saved = self._check_saved(run).files
            self._check_restored(run, target, live)
            for name in stale:
                if name not in saved or not saved[name].shows(live[name]):
                    raise VerifyError(f"{name} was written since live was saved: a release is under way. {self._again(run)}")
            try:
                self._objects.delete(self._backups.live, stale)
            except NotDeletedError as error:
                raise VerifyError(
                    f"S3 did not remove {error}. Live is {target}, and they harm nobody. {self._again(run)}"
                ) from error
        return {"said": f"Removed {counted(len(stale), 'file')} that {target.id} does not have."}

    def _verify(self, run: Run) -> Answer:
        """Whether the bucket has exactly the backup, and the site serves it with what it names; VerifyError when not."""
        target = self._target(run)
        live = self._live()
        self._check_restored(run, target, live)
        if stale := _stale(target, live):
            raise VerifyError(
                f"Live has {stale[0]}, which {target.id} does not have: somebody else writes it. {self._again(run)}"
            )
        page = self._backups.index(self._backups.live)
        named = self._backups.named(page)[:PROBED]
        if problem := self._page_problem(page) or file_problem(self._fetch, self._settings.frontend_url, named):
            raise VerifyError(f"Live is {target}, but {problem}. {self._again(run)} {self._undo(run)}")
        return _said(
            f"{self._settings.frontend_url} serves {target}: {INDEX} and the {counted(len(named), 'file')} that it names.",
            self._undo(run) if self._backups.manifest(_before(run)) else "",
        )

    # What is what

    def _live(self) -> Files:
        return self._objects.files(self._backups.live)

    def _chosen(self, run: Run) -> tuple[Backup, list[str]]:
        """The backup that a run asks for, and why newer ones are not it; RefusedError when there is no good one."""
        named = run.inputs["BackupId"]
        if named != NEWEST:
            return self._good(named), []
        newest, passed = self._backups.newest_good()
        if newest is None:
            raise RefusedError(f"There is no good backup. {'; '.join(passed[:3])}".strip())
        return newest, passed

    def _target(self, run: Run) -> Backup:
        """The backup that Plan chose; RefusedError when it is not good any more."""
        return self._good(self._runs.read(run).kept["target"])

    def _good(self, identifier: str) -> Backup:
        taken = self._backups.times().get(identifier)
        if taken is None:
            raise RefusedError(
                f"There is no backup {identifier}: {self._settings.prefix}-frontend-backups lists what there is."
            )
        backup = self._backups.judged(identifier, taken)
        if backup.flaw:
            raise RefusedError(f"{identifier} is not good: {backup.flaw}. Name another.")
        return backup

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
        raise VerifyError(f"No CloudFront distribution has the name {host}. The files are in place: invalidate /* by hand.")

    # Checks

    def _check_saved(self, run: Run) -> Manifest:
        """What was live before; RefusedError when that is not saved."""
        manifest = self._backups.manifest(_before(run))
        if manifest is None or not manifest.complete:
            raise RefusedError(f"Nothing is touched before live is saved as {_before(run)}: start the procedure again.")
        return manifest

    def _check_all_there(self, target: Backup) -> None:
        """Before index.html: somebody else may have removed what was just copied."""
        live = self._live()
        for name, file in target.files.items():
            if name != INDEX and (name not in live or live[name].size != file.size):
                raise VerifyError(
                    f"{name} was copied and is gone or changed again: a release is under way. {INDEX} is still the old one. "
                    "Start again when it has ended."
                )

    def _check_restored(self, run: Run, target: Backup, live: Files) -> None:
        if differing := target.differing(live):
            name = next(iter(differing))
            raise VerifyError(
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
        return f"To undo it, start {self._settings.prefix}-frontend-rollback with BackupId={saved}."

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
