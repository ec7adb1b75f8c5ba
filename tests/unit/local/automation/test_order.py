"""The order of steps and the final status, of random documents with random failures, against a few plain lines."""

from collections.abc import Mapping
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from local.automation.runs import CallError, CallTimeoutError
from tests.unit.local.automation.builders import World, api, automation, said, steps

ERRORS: Mapping[str, Exception] = {"Failed": CallError("no"), "TimedOut": CallTimeoutError()}


@st.composite
def documents(draw: st.DrawFn) -> list[dict[str, Any]]:
    """Steps that go forward only; those that nothing reaches are left out."""
    count = draw(st.integers(1, 6))
    names = [f"S{number}" for number in range(count)]
    made = []
    for number, name in enumerate(names):
        later = names[number + 1 :]
        step = api(name, "ecs", "DescribeServices", services=[name])
        way = draw(st.sampled_from(["", "", "end", "next"]))
        if way == "end":
            step["isEnd"] = True
        elif way == "next" and later:
            step["nextStep"] = draw(st.sampled_from(later))
        jumps = [f"step:{one}" for one in later]
        step["onFailure"] = draw(st.sampled_from(["Abort", "Continue", *jumps]))
        if draw(st.booleans()):
            step["isCritical"] = draw(st.booleans())
        step["maxAttempts"] = draw(st.integers(1, 3))
        made.append(step)
    while unreached := {one.split(":")[0].removeprefix("mainSteps[").removesuffix("]") for one in said(automation(*made))}:
        made = [step for index, step in enumerate(made) if str(index) not in unreached]
        kept = {step["name"] for step in made}
        for step in made:
            if step.get("nextStep") not in kept:
                step.pop("nextStep", None)
            if step["onFailure"].removeprefix("step:") not in {*kept, "Abort", "Continue"}:
                step["onFailure"] = "Abort"
    return made


def plainly(made: list[dict[str, Any]], breaks: Mapping[str, str]) -> tuple[str, list[tuple[str, str]]]:
    """What becomes of the steps, when those in `breaks` fail every attempt."""
    by_name, ran, status, index = {step["name"]: step for step in made}, [], "Success", 0
    order = list(by_name)
    while index < len(order):
        step = by_name[order[index]]
        result = breaks.get(step["name"], "Success")
        ran.append((step["name"], result))
        target = None
        if result != "Success":
            critical = step.get("isCritical", step["onFailure"] != "Continue")
            if status == "Success" and (critical or step["onFailure"] == "Abort"):
                status = result
            if step["onFailure"] == "Abort":
                return result, ran
            if step["onFailure"] != "Continue":
                target = step["onFailure"].removeprefix("step:")
        if target is None and step.get("isEnd"):
            return status, ran
        target = target or step.get("nextStep")
        index = order.index(target) if target else index + 1
    return status, ran


@given(
    documents(),
    st.dictionaries(st.sampled_from([f"S{number}" for number in range(6)]), st.sampled_from(sorted(ERRORS)), max_size=4),
)
def test_steps_run_and_end_as_they_plainly_do(made: list[dict[str, Any]], breaks: dict[str, str]) -> None:
    def answer(parameters: Mapping[str, Any]) -> Any:
        if error := ERRORS.get(breaks.get(parameters["services"][0], "")):
            raise error
        return {}

    world = World({"DescribeServices": answer})
    done = world.run(automation(*made))
    assert (done.status, steps(done)) == plainly(made, breaks)
    attempts = {step["name"]: step["maxAttempts"] if step["name"] in breaks else 1 for step in made}
    assert len(world.called) == sum(attempts[name] for name, _ in steps(done))
