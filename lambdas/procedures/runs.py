"""The record of every run: who, what, when, why, what each step said, the result, and the incident that was open.

It is an item of the table of incidents, kept as long as they are: `procedure#<execution>`. The incident's own record has what
the run came to.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Literal

from lambdas.common.clock import Clock
from lambdas.procedures.run import Run

if TYPE_CHECKING:
    from mypy_boto3_dynamodb.service_resource import Table

Result = Literal["succeeded", "dry run", "refused", "not approved", "cancelled", "failed"]


@dataclass(frozen=True)
class Recorded:
    """What is recorded of a run: when it took its locks, and which; what a step kept for later ones; how the last step ended
    badly."""

    begun_at: str = ""
    locks: tuple[str, ...] = ()
    kept: dict[str, str] = field(default_factory=dict)
    problem: str = ""
    problem_kind: str = ""
    """`refused` or `failed`."""
    problem_step: str = ""
    loops: dict[str, str] = field(default_factory=dict)
    """By the step of a loop: what its last round waited for, or why it ended badly; empty when it ended well."""
    result: str = ""
    incident: str = ""
    """The name of the incident that went on when it began."""


_TEXTS = ("begun_at", "problem", "problem_kind", "problem_step", "result", "incident")


class Runs:
    """The runs of one environment."""

    def __init__(self, table: "Table", retention_days: int, clock: Clock) -> None:
        self._table = table
        self._retention = timedelta(days=retention_days)
        self._clock = clock

    def read(self, run: Run) -> Recorded:
        """What is recorded of a run so far; raises what AWS raises, as everything here."""
        item = self._table.get_item(Key=_key(run.execution), ConsistentRead=True).get("Item", {})
        kept, loops = (
            {name.removeprefix(start): str(value) for name, value in item.items() if name.startswith(start)}
            for start in ("kept ", "loop ")
        )
        texts = {name: str(item.get(name, "")) for name in _TEXTS}
        locks: Any = item.get("locks", ())
        return Recorded(locks=tuple(locks), kept=kept, loops=loops, **texts)

    def succeeded(self, execution: str) -> bool:
        """Whether an execution is recorded to have succeeded."""
        item = self._table.get_item(Key=_key(execution), ConsistentRead=True).get("Item", {})
        return item.get("result") == "succeeded"

    def begin(self, run: Run, incident: str) -> None:
        """Record who started what and why, and the name of the incident that goes on, if one does; harmless when it is
        recorded."""
        facts: dict[str, Any] = {
            "kind": "procedure",
            "procedure": run.procedure,
            "execution": run.execution,
            "started_by": run.started_by,
            "reason": run.reason,
            "dry_run": run.dry_run,
            "inputs": json.dumps(dict(run.inputs)),
            "started_at": self._now(),
            "incident": incident,
            "expires_at": int((self._clock() + self._retention).timestamp()),
        }
        self._set(run, facts, only_new=True)

    def note(self, run: Run, step: str, said: str) -> None:
        """Record what a step did, in words."""
        self._table.update_item(
            Key=_key(run.execution),
            UpdateExpression="SET steps = list_append(if_not_exists(steps, :none), :step)",
            ExpressionAttributeValues={":none": [], ":step": [{"at": self._now(), "step": step, "said": said}]},
        )

    def took_locks(self, run: Run, keys: Sequence[str]) -> None:
        """Record when the run took its locks first."""
        self._set(run, {"begun_at": self._now(), "locks": list(keys)}, only_new=True)

    def keep(self, run: Run, **facts: str) -> None:
        """Keep facts for later steps: Automation's own values are limited to 512 characters."""
        self._set(run, {f"kept {name}": value for name, value in facts.items()})

    def problem(self, run: Run, step: str, kind: Literal["refused", "failed"], words: str) -> None:
        """Record why a step did not do what it was asked for."""
        self._set(run, {"problem": words, "problem_kind": kind, "problem_step": step})
        self.note(run, step, words)

    def waits(self, run: Run, step: str, words: str) -> None:
        """Record what a loop waits for, or why it ended badly; no words when it ended well."""
        self._set(run, {f"loop {step}": words})

    def end(self, run: Run, result: Result) -> None:
        """Record how the run ended."""
        self._set(run, {"result": result, "ended_at": self._now()})

    def _set(self, run: Run, facts: dict[str, Any], *, only_new: bool = False) -> None:
        names = {f"#f{number}": name for number, name in enumerate(facts)}
        values = {f":f{number}": value for number, value in enumerate(facts.values())}
        set_ = (f"#f{n} = if_not_exists(#f{n}, :f{n})" if only_new else f"#f{n} = :f{n}" for n in range(len(facts)))
        self._table.update_item(
            Key=_key(run.execution),
            UpdateExpression=f"SET {', '.join(set_)}",
            ExpressionAttributeNames=names,
            ExpressionAttributeValues=values,
        )

    def _now(self) -> str:
        return self._clock().isoformat(timespec="seconds")


def _key(execution: str) -> dict[str, str]:
    return {"id": f"procedure#{execution}"}
