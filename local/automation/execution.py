"""An execution of a document: which step runs when, and what becomes of its failures.

Nothing here calls AWS or waits: calls and the clock are given, and an execution says what it waits for. `proceed` goes on until
it waits again or has ended. What the steps do is in `local.automation.acting`.
https://docs.aws.amazon.com/systems-manager/latest/userguide/automation-actions.html
https://docs.aws.amazon.com/systems-manager/latest/userguide/automation-statuses.html
"""

import contextlib
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from local.automation.acting import RUNNERS, Attempt
from local.automation.documents import Document, Step
from local.automation.runs import (
    ENDED,
    Call,
    CallError,
    CallTimeoutError,
    Run,
    SignalError,
    StepError,
    Steps,
    UnknownStepError,
    Wait,
    timed_out,
    unresolved,
)
from local.automation.values import is_a, listed, substituted

NOT_RUN = "No output available yet because the step is not successfully executed"
"""What AWS shows for an output of the document whose step has not succeeded."""

_CANCEL_SECONDS = 120


class _AbortError(Exception):
    def __init__(self, status: str) -> None:
        self.status = status


class _CancelledError(Exception):
    pass


class _MovedError(Exception):
    """A cancelled execution goes on at a step."""

    def __init__(self, steps: Sequence[Step], target: str) -> None:
        self.steps, self.target = steps, target


class _CompletedError(Exception):
    pass


class Execution:
    """An execution. `values` are the parameters', `system` the values of AWS's own variables, `clock` epoch seconds."""

    def __init__(
        self,
        document: Document,
        values: Mapping[str, Any],
        system: Mapping[str, str],
        *,
        id: str,  # noqa: A002 - AWS's word
        call: Call,
        clock: Callable[[], float],
        new_id: Callable[[], str],
    ) -> None:
        self.document, self.values, self.system, self.id = document, values, system, id
        self.clock = clock
        self.variables = {f"variable:{one.name}": one.default for one in document.variables.values()}
        self.state, self.failure = "Pending", ""
        self.started, self.ended = clock(), 0.0
        self.runs: list[Run] = []
        self.outputs: dict[str, list[str]] = {}
        self.wait: Wait | None = Wait(0)
        self._call_api, self._new_id = call, new_id
        self._found: dict[str, Any] = {}  # outputs by Step.Name
        self._result, self._stop = "Success", ""
        self._end_by: float | None = None
        self._signalled = False
        self._going = self._main()

    # What may be asked of it at any time

    @property
    def status(self) -> str:
        """Its status, in AWS's words."""
        return self.state if self.over or not self._stop.startswith("Cancel") else "Cancelling"

    @property
    def over(self) -> bool:
        """Whether it has ended."""
        return self.state in ENDED

    @property
    def current(self) -> Run | None:
        """The step that runs or waits."""
        return next((run for run in reversed(self.runs) if run.ended is None), None)

    def due(self, now: float, over: Callable[[str], bool] = lambda _: False) -> bool:
        """Whether `proceed` has something to do; `over` says whether another execution has ended."""
        if self.over:
            return False
        wait = self.wait
        if wait is None or self._signalled:
            return True
        return (wait.until is not None and wait.until <= now) or bool(wait.execution and over(wait.execution))

    def stop(self, kind: str) -> None:
        """Cancel it, or let it end after its current step (Complete); SignalError when it has ended."""
        if self.over:
            raise SignalError(f"The execution {self.id} has ended already: its status is {self.status}.")
        if self._end_by is None:  # a cancelled one is being cancelled already
            self._stop = kind
        if self._stop == "Cancel":
            self._signalled = True

    def decide(self, sender: str, names: Sequence[str], decision: str, comment: str) -> None:
        """Approve or reject the step that waits for it, by a principal: its ARN, and what it may be called by.

        SignalError when no step waits for that, or for that principal's decision.
        """
        run = self.current
        if run is None or run.step.action != "aws:approve" or run.status != "Waiting":
            raise SignalError(f"The execution {self.id} does not wait for an approval.")
        if not set(names) & set(run.approvers):
            raise SignalError(f"{sender} is not one of the approvers of the step {run.step.name}.")
        if any(made["Approver"] == sender for made in run.decisions):
            raise SignalError(f"{sender} has decided already on the step {run.step.name}.")
        moment = datetime.fromtimestamp(self.clock(), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        run.decisions.append({"Approver": sender, "Decision": decision, "Comment": comment, "DecisionTime": moment})
        self._signalled = True

    def resume(self, name: str) -> None:
        """Let a paused step go on; SignalError when it is not paused, UnknownStepError when there is no such step."""
        if name not in {run.step.name for run in self.runs} | {step.name for step in self.document.steps}:
            raise UnknownStepError(f"There is no step {name} in the execution {self.id}.")
        run = self.current
        if run is None or run.step.name != name or run.step.action != "aws:pause":
            raise SignalError(f"The step {name} does not wait for Resume.")
        run.decisions.append({"Decision": "Resume"})
        self._signalled = True

    def crash(self, message: str) -> None:
        """End it as failed, for a fault of nobody's document."""
        self.failure = message
        self._end("Failed")

    # How it goes on

    def proceed(self) -> None:
        """Go on until it waits or has ended."""
        self.wait, self._signalled = None, False
        self.state = "InProgress"
        try:
            if self._stop == "Cancel":
                self._stop = "Cancelled"
                self.wait = self._going.throw(_CancelledError())
            else:
                self.wait = next(self._going)
        except StopIteration:
            self._end(self._result)
        except _CancelledError:  # before its first step
            self._end("Cancelled")

    def _end(self, status: str) -> None:
        for name in self.document.outputs:
            step = name.partition(".")[0]
            succeeded = any(run.step.name == step and run.status == "Success" for run in self.runs)
            self.outputs[name] = listed(self._found.get(name, "" if succeeded else NOT_RUN))
        self.ended, self.wait, self.state = self.clock(), None, status

    def _main(self) -> Steps:
        try:
            yield from self.walk(self.document.steps, self.document.steps[0].name)
        except _AbortError as aborted:
            self._result = aborted.status
        except _CompletedError:
            pass
        except _CancelledError:
            self._result = "Cancelled"
        except _MovedError as moved:
            self._result = "Cancelled"
            self._end_by = self.clock() + _CANCEL_SECONDS
            with contextlib.suppress(_AbortError, _CompletedError, _MovedError, _CancelledError):
                yield from self.walk(moved.steps, moved.target)
            self._result = "Cancelled"

    def walk(self, steps: Sequence[Step], first: str, **where: Any) -> Steps:
        """Run steps from one on; `where` says in which loop they are."""
        by_name = {step.name: step for step in steps}
        order = [*by_name, ""]
        name = first
        while name:
            step = by_name[name]
            self._heed_cancel()
            target = yield from self._step(step, steps, where)
            if self._stop == "Complete":
                raise _CompletedError
            if target is None:
                target = "" if step.end else step.next or order[order.index(name) + 1]
            name = target

    def _step(self, step: Step, steps: Sequence[Step], where: Mapping[str, Any]) -> Steps:
        """Run a step; the step it goes on to, "" for none, None for the next in order."""
        run = Run(step, self._new_id(), "InProgress", self.clock(), **where)
        self.runs.append(run)
        for name in run.step.names:  # of an earlier round
            self._found.pop(name, None)
        try:
            target = yield from self._attempts(step, run)
        except StepError as error:
            run.status, run.failure, run.stage, run.type = error.status, str(error), error.stage, error.kind
            run.ended = self.clock()
            return self._failed(step, error)
        except _CancelledError:
            run.status, run.ended = "Cancelled", self.clock()
            if step.on_cancel.startswith("step:"):
                raise _MovedError(steps, step.on_cancel.removeprefix("step:").strip()) from None
            raise
        except (_AbortError, _MovedError, _CompletedError) as inner:  # of a step in this loop
            run.status, run.ended = getattr(inner, "status", "Cancelled"), self.clock()
            raise
        run.status, run.ended = "Success", self.clock()
        return target

    def _failed(self, step: Step, error: StepError) -> str | None:
        """The step that follows a failure, as with `_step`."""
        if step.critical and self._result == "Success":
            self._result, self.failure = error.status, str(error)
        if step.on_failure.startswith("step:"):
            return step.on_failure.removeprefix("step:").strip()
        if step.on_failure.lower() == "continue":
            return None
        self.failure = self.failure or str(error)
        raise _AbortError(error.status)

    def _attempts(self, step: Step, run: Run) -> Steps:
        for attempt in range(1, step.attempts + 1):
            try:
                run.seconds = self._seconds(step)
                deadline = self.clock() + run.seconds if run.seconds else None
                return (yield from RUNNERS[step.action](Attempt(self, step, run, deadline)))
            except StepError:
                if attempt == step.attempts:
                    raise
        return None

    def _seconds(self, step: Step) -> int | None:
        if step.seconds is None:
            return None
        try:
            return int(self.resolved("timeoutSeconds", step.seconds))
        except ValueError:
            raise unresolved("timeoutSeconds", "Integer") from None

    # What the steps use

    def resolve(self, name: str) -> Any:
        """What a name refers to; LookupError when it has no value."""
        now = datetime.fromtimestamp(self.clock(), UTC)
        if name == "global:DATE":
            return f"{now:%Y-%m-%d}"
        if name == "global:DATE_TIME":
            return f"{now:%Y-%m-%d_%H.%M.%S}"
        for known in (self.system, self.variables, self.values, self._found):
            if known.get(name) is not None:
                return known[name]
        raise LookupError(name)

    def resolved(self, key: str, value: Any, kind: str = "Any") -> Any:
        """An input with what it refers to; StepError when that is nothing, or not of the data type."""
        try:
            found = substituted(value, self.resolve)
        except LookupError:
            raise unresolved(key, kind) from None
        if kind not in ("Any", "") and not is_a(kind, found):
            raise unresolved(key, kind)
        return found

    def call(self, step: Step, service: str, operation: str, parameters: Mapping[str, Any], seconds: float) -> Any:
        """Call an API; StepError when it fails. Who cancelled meanwhile gets that, whatever the answer."""
        self._heed_cancel()
        try:
            answer = self._call_api(step.name, service, operation, parameters, seconds)
        except CallTimeoutError:
            self._heed_cancel()
            raise timed_out() from None
        except CallError as error:
            self._heed_cancel()
            kind = "Permission" if "AccessDenied" in error.code else "Throttling" if "Throttl" in error.code else "Action"
            raise StepError(f"Step fails when it is Execute/Cancelling action. {error}.", kind=kind) from None
        self._heed_cancel()
        return answer

    def _heed_cancel(self) -> None:
        if self._stop == "Cancel":
            self._stop = "Cancelled"
            raise _CancelledError

    def until(self, time: float | None, deadline: float | None, execution: str = "") -> Steps:
        """Wait until a time, the step's deadline, a signal or the end of another execution."""
        times = [one for one in (time, deadline, self._end_by) if one is not None]
        yield Wait(min(times) if times else None, execution)
        if self._end_by is not None and self.clock() >= self._end_by:
            raise _CancelledError

    def put(self, step: Step, run: Run, name: str, value: Any) -> None:
        """Keep an output of a step."""
        run.outputs[name] = value
        self._found[f"{step.name}.{name}"] = value
