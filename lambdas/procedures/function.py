"""One step of a procedure: proven to come from a running execution of its document, done, and recorded.

What all procedures share is here: the lock, the check of the approval, the end. What each does is in its family's module.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from typing import Any

from aws_lambda_powertools import Logger
from botocore.exceptions import ClientError

from lambdas.common.clock import Clock
from lambdas.common.events import EventError
from lambdas.common.locks import SERVICE, Lock, LockedError, Locks
from lambdas.common.record.events import Acted
from lambdas.common.record.store import Records
from lambdas.common.words import one_line
from lambdas.procedures.clients import Clients
from lambdas.procedures.executions import APPROVE, Event, Execution, Executions, parse
from lambdas.procedures.run import Answer, RefusedError, Run, Step, Steps, UnreadError, VerifyError, waiting
from lambdas.procedures.runs import Recorded, Result, Runs
from lambdas.procedures.settings import ProceduresSettings
from lambdas.rollback.changes import Changes
from runbook.rules import CLAIM_SETTLES

logger = Logger(service="procedures")

_PASSING = re.compile("AlreadyExists|Conflict|Exceeded|Limit|Slow|State|Throttl|Timeout|TooMany|Unavailable")
"""In the codes of errors that may be over the next time: what exists already is found then, if the first answer was lost."""
_LONGEST = 1000
"""Characters of an answer's words."""


class Procedures:
    """The function in one environment, with the steps of every family."""

    def __init__(
        self, settings: ProceduresSettings, clients: Clients, clock: Clock, runs: Runs, families: Sequence[Steps]
    ) -> None:
        self._settings = settings
        self._clock = clock
        self._sns = clients.sns
        self._runs = runs
        self._locks = Locks(clients.incidents)
        self._records = Records(clients.records)
        self._changes = Changes(clients.incidents)
        self._executions = Executions(clients.ssm, settings.prefix)
        self._steps: dict[str, Mapping[str, Step]] = {name: steps for family in families for name, steps in family.items()}
        self._shared: dict[str, Callable[[Run, Event, Execution], Answer]] = {
            "Begin": self._begin,
            "Record": self._record,
            "Failed": self._failed,
        }

    def run(self, event: Any) -> dict[str, str]:
        """The answer of the step that an event names. Raises EventError for an event of no running step, RefusedError where the
        step changes nothing, and what AWS raises: then the step has failed, and the document goes on to its step Failed."""
        parsed = parse(event)
        execution, run = self._executions.of(parsed)
        if parsed.step == "Plan":
            entry = self._records.open(run.at)
            self._runs.begin(run, entry.name if entry else "")
        try:
            answer = dict(self._round(run, parsed, execution) if parsed.loop else self._step(run, parsed, execution))
        except Exception as error:
            told = isinstance(error, RefusedError | VerifyError)
            words = str(error) if told else f"{parsed.step} failed ({type(error).__name__}: {error})."
            self._problem(run, parsed.step, words, refusal=isinstance(error, RefusedError))
            raise
        answer["said"] = one_line(answer["said"], _LONGEST)
        logger.info(answer["said"], **_fields(run, parsed.step))
        if "wait" not in answer:
            self._runs.note(run, parsed.step, answer["said"])
        return answer

    def _round(self, run: Run, event: Event, execution: Execution) -> Answer:
        """A round of a loop, which never fails: AWS does not say where a document goes on then, nor when a person cancels it
        there. What fails it is what the next step finds recorded."""
        try:
            answer = self._step(run, event, execution)
        except Exception as error:
            if isinstance(error, RefusedError | VerifyError) and not isinstance(error, UnreadError):
                self._runs.waits(run, event.step, one_line(str(error), _LONGEST))
                return {"said": str(error)}
            if _said_no(error):
                words = f"{event.step} was refused ({error})."
                self._runs.waits(run, event.step, one_line(words, _LONGEST))
                return {"said": words}
            logger.exception("A round of a loop failed", **_fields(run, event.step))  # AWS in trouble: the next looks again
            answer = waiting(f"{event.step} failed ({type(error).__name__}: {error}).")
        self._runs.waits(run, event.step, f"{answer['said']} That was waited for too long." if "wait" in answer else "")
        return answer

    def _step(self, run: Run, event: Event, execution: Execution) -> Answer:
        if event.step not in ("Plan", "Begin", "Failed"):
            self._go_on(run, event)
        if shared := self._shared.get(event.step):
            return shared(run, event, execution)
        step = self._steps.get(run.procedure, {}).get(event.step)
        if step is None:
            raise EventError(f"{run.procedure} has no step {event.step}")
        return step(run)

    def _go_on(self, run: Run, event: Event) -> None:
        """Whether a step may follow what came before; VerifyError where a loop did not end well, or the lock was lost."""
        recorded = self._runs.read(run)
        for loop in () if run.dry_run else event.after:
            if words := recorded.loops.get(loop, f"Nobody could see how {loop} ended."):
                raise VerifyError(words)
        held = not recorded.begun_at or recorded.result or self._locks.renew(recorded.locks, run.execution, self._clock())
        if not held:
            raise VerifyError("This took longer than its lock lasts, and lost it: look at what stands, and start it again.")

    def _problem(self, run: Run, step: str, words: str, *, refusal: bool) -> None:
        """Record why a step did not end well, as far as that works: the step's own error is what to raise."""
        logger.warning(words, exc_info=not refusal, **_fields(run, step))
        try:
            self._runs.problem(run, step, "refused" if refusal else "failed", one_line(words, _LONGEST))
        except Exception:
            logger.exception("The problem could not be recorded")

    # The steps that procedures share

    def _begin(self, run: Run, event: Event, execution: Execution) -> Answer:
        """Take the lock, once the approval is seen to be another person's."""
        needed = event.approval and (event.approval_for is None or event.approval_for in run.inputs.items())
        approved = self._approved(run, execution) if needed else ""
        if run.dry_run or event.lock is None:
            raise EventError("a dry run takes no lock")
        now = self._clock()
        lease = timedelta(minutes=event.lock.minutes)
        self._take(event.lock.keys, Lock(run.procedure, run.execution, run.started_by, now, lease, now))
        self._runs.took_locks(run, event.lock.keys)
        return {"said": f"{approved}Locked: {', '.join(f'the {key}' for key in event.lock.keys)}."}

    def _approved(self, run: Run, execution: Execution) -> str:
        """Who approved, in words; RefusedError unless it was another than who started."""
        others = sorted(execution.approvers() - {run.started_by})
        if not others:
            raise RefusedError(f"{run.started_by} started this and may not approve it: somebody else has to.")
        return f"{', '.join(others)} approved. "

    def _take(self, keys: Sequence[str], lock: Lock) -> None:
        """RefusedError when somebody else has one, automation changes the service right now, or did since it was read."""
        recorded = self._changes.read()
        holders = {recorded.locks[key].execution for key in keys if key in recorded.locks} - {lock.execution}
        ended = [one for one in sorted(holders) if self._executions.read(one).ended]
        if SERVICE in keys:
            for change in recorded.changes:
                if change.state == "started" and lock.at - change.at < CLAIM_SETTLES:
                    raise RefusedError(
                        f"Automation is changing the service since {change.at:%H:%M:%S} UTC: start this again in a minute."
                    )
        try:
            self._locks.take(keys, lock, version=recorded.version, over=ended)
        except LockedError as error:
            if error.holder:
                raise RefusedError(
                    f"The {error.key} is locked by {error.holder.words}: wait for its end, or cancel it."
                ) from None
            raise RefusedError("Automation changed the service just now: look at it, and start this again.") from None

    def _record(self, run: Run, _: Event, __: Execution) -> Answer:
        """The end of a run that went well."""
        result: Result = "dry run" if run.dry_run else "succeeded"
        said = "A dry run: nothing was changed." if run.dry_run else f"{run.procedure} succeeded."
        return self._end(run, result, said)

    def _failed(self, run: Run, _: Event, execution: Execution) -> Answer:
        """The end of a run that did not go well, whatever it was that failed."""
        failures, recorded = execution.failures(), self._runs.read(run)
        if recorded.result == "succeeded":  # the answer of Record was lost: nothing is to be run again
            return {"said": f"{run.procedure} succeeded before this."}
        result: Result = "failed"
        if execution.cancelled:
            result, problem = "cancelled", "A person cancelled this."
        elif APPROVE in failures:
            result, problem = "not approved", f"Nobody approved this: {failures[APPROVE]}"
        elif recorded.problem_step in failures:
            problem = recorded.problem
            if recorded.problem_kind == "refused" and not recorded.begun_at:
                result = "refused"
        else:
            problem = "; ".join(f"{step} failed: {message}" for step, message in failures.items()) or "A step failed."
        again = " Run it again: each step looks at what stands." if recorded.begun_at else " Nothing was changed."
        return self._end(run, result, f"{problem}{again}")

    def _end(self, run: Run, result: Result, said: str) -> Answer:
        """Give back what the run locked, record how it ended, and tell people of a run that began to change something."""
        recorded = self._runs.read(run)
        for key in self._locks.read():
            self._locks.release(key, run.execution)
        if recorded.begun_at and recorded.result != result:
            subject = f"[{self._settings.environment}] {run.procedure}: {result}"[:100]
            self._add_to_record(run, recorded, said)
            words = f"{said}\n\n{run.started_by} started it, because: {run.reason}\n\nExecution {run.execution}"
            self._sns.publish(TopicArn=self._settings.outcomes_topic, Subject=subject, Message=words)
        self._runs.end(run, result)
        return {"said": said}

    def _add_to_record(self, run: Run, recorded: Recorded, said: str) -> None:
        """What the run came to, in the record of the incident that went on when it began; those of an incident add more."""
        if recorded.incident and "incident" not in recorded.kept:
            words = f"{run.procedure}: {said} Started because: {run.reason}"
            event = Acted(id=f"procedure {run.execution}", at=run.at, by=run.started_by, what=words)
            self._records.add(recorded.incident, [event])


def _said_no(error: Exception) -> bool:
    """Whether AWS refuses a call, and will the next time: it is not in trouble, and what it is asked of is not changing."""
    if not isinstance(error, ClientError):
        return False
    status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 500)
    return 400 <= status < 500 and not _PASSING.search(error.response["Error"]["Code"])


def _fields(run: Run, step: str) -> dict[str, Any]:
    """What the structured line carries besides its message."""
    return {
        "procedure": run.procedure,
        "step": step,
        "execution": run.execution,
        "started_by": run.started_by,
        "reason": run.reason,
        "dry_run": run.dry_run,
    }
