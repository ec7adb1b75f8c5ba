"""A step that dies before or after any of its AWS calls, or whose call is refused or loses its answer, is run again: it ends as
if nothing had happened, and the service was changed once."""

from collections.abc import Mapping

import pytest

from lambdas.common.locks import Locks
from lambdas.procedures.run import RefusedError

from ..automation import Started
from ..world import Crash, World, refusal, rollback_clients, world
from .conftest import furnish

CHANGES: Mapping[str, tuple[str, Mapping[str, str]]] = {
    "backend-rollback": ("RollBack", {"Revision": "1"}),
    "backend-deploy": ("Deploy", {}),
    "backend-scale": ("Scale", {"Tasks": "3"}),
    "backend-restart-task": ("Restart", {"Task": f"{0:032x}"}),
}
every_change = pytest.mark.parametrize("name", CHANGES)

pytestmark = pytest.mark.usefixtures("site")


def order(name: str) -> list[str]:
    return ["Plan", "Begin", CHANGES[name][0], "Settled", "Verify", "Record"]


def run(aws: World, name: str, *, broken: str = "", crash_at: int | None = None, lost: str = "") -> int:
    """Run a procedure, one of its steps breaking at first; how many calls that step made when it was not broken."""
    furnish(aws)
    started, calls = Started(aws, name, **CHANGES[name][1]), 0
    for step in order(name):
        if step == "Settled":
            aws.wait(minutes=3)
            aws.ecs.settle()
        if step == broken:
            aws.crash_at = crash_at
            if lost:
                aws.meanwhile[lost] = _lose
            try:
                started.step(step)
            except (Crash, ConnectionError):
                pass
            finally:
                aws.crash_at = None
                aws.meanwhile.clear()
        answer = started.step(step)
        calls = len(aws.calls) if step == broken else calls
        assert "wait" not in answer, answer
    assert started.record["result"] == "succeeded"
    assert Locks(rollback_clients().incidents).read() == {}
    assert changed(aws) == 1
    return calls


def _lose() -> None:
    raise ConnectionError("the answer was lost")


def changed(aws: World) -> int:
    """How often the service or its tasks were changed."""
    stopped = [task for task in aws.ecs.tasks.values() if task["desiredStatus"] == "STOPPED"]
    return len(aws.ecs.changes) + len(stopped)


WRITING = [(name, CHANGES[name][0]) for name in CHANGES] + [("backend-scale", step) for step in ("Begin", "Record")]
"""The steps that change something; those that all procedures have, in one of them."""


@pytest.mark.parametrize(("name", "step"), WRITING)
def test_a_step_that_dies_anywhere_is_run_again_and_changes_the_service_once(name: str, step: str) -> None:
    with world() as aws:
        calls = run(aws, name, broken=step)
    assert calls >= 8
    for point in range(2 * calls):
        with world() as aws:
            run(aws, name, broken=step, crash_at=point)


@every_change
def test_a_change_whose_answer_was_lost_is_not_made_twice(name: str) -> None:
    call = "ecs:StopTask" if name == "backend-restart-task" else "ecs:UpdateService"
    with world() as aws:
        run(aws, name, broken=CHANGES[name][0], lost=call)


@every_change
def test_whatever_aws_refuses_at_any_step_the_end_gives_the_lock_back_and_the_next_run_succeeds(name: str) -> None:
    with world() as aws:
        furnish(aws)
        started = Started(aws, name, **CHANGES[name][1])
        for step in order(name)[:3]:
            aws.refusals["ecs:DescribeServices"] = refusal("AccessDeniedException")
            if step != "Begin":
                with pytest.raises(RefusedError, match="could not be read"):
                    started.step(step)
            aws.refusals.clear()
            started.step("Failed")
            assert Locks(rollback_clients().incidents).read() == {}
            if step != order(name)[2]:
                started = Started(aws, name, **CHANGES[name][1])
                for before in order(name)[: order(name).index(step) + 1]:
                    started.step(before)
        assert changed(aws) == 0
