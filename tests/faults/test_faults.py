"""What goes wrong around `rollback`, generated: nothing of it breaks what DESIGN holds always true.

A fifth of the cases run here, the same each time; `make faults` runs them all and prints their counts.
"""

from collections.abc import Iterator

import pytest

from lambdas.common.aws import CLIENT
from lambdas.rollback import function
from runbook.rules import EVIDENCE_DEADLINE, LAMBDA_RETRY, ROLLBACK_TIMEOUT
from tests.faults.generator import SCENARIOS, Story, bad_release, broken, failing_release, families
from tests.faults.twin import ATTEMPTS, FAULTS, HANGS, Injected, Twin
from tests.unit.lambdas.world import World, event, world

MOST_IN_A_ROW = 8
"""AWS calls from the event to the change."""


@pytest.fixture(autouse=True)
def _quiet() -> Iterator[None]:
    """Half of the time would go into log lines that nobody reads."""
    level = function.logger.log_level
    function.logger.setLevel("CRITICAL")
    yield
    function.logger.setLevel(level)


@pytest.mark.parametrize("family", ["a call that goes wrong", "services that hang", "random histories", "storms", "odd events"])
def test_nothing_breaks_what_is_always_true(family: str) -> None:
    cases = families(share=5)[family]
    assert len(cases) >= 12
    assert {title: found for title, play in cases if (found := broken((title, play)))} == {}


def test_the_generator_sees_what_is_broken() -> None:
    """A change behind the function's back, and a run that nobody hears of."""
    story = Story()
    what = bad_release(story.twin)
    story.twin.injected = Injected(FAULTS[0], lambda _, name: name == "sns:publish")
    story.deliver(what, retried=False)
    story.twin.messages.clear()
    story.judge_end()
    assert "a change that nobody heard of" in story.violations


@pytest.mark.parametrize("scenario", [bad_release, failing_release])
def test_from_the_event_to_the_change_there_are_at_most_eight_calls_in_a_row(scenario: object) -> None:
    twin = Twin()
    twin.run(scenario(twin))  # type: ignore[operator]
    assert twin.ecs.changes
    assert twin.depth_of_change <= MOST_IN_A_ROW, twin.calls
    assert twin.seconds_to_change < 1


def test_two_hanging_services_cost_one_deadline_and_end_in_an_outcome() -> None:
    twin = Twin()
    what = bad_release(twin)
    twin.injected = Injected(HANGS, lambda _, name: name.startswith(("rds", "elasticache")))
    began = twin.now
    outcome = twin.run(what)
    assert outcome.outcome == "escalated"
    assert len(outcome.missing) == 2
    assert twin.now - began < EVIDENCE_DEADLINE * 1.1


def test_a_run_is_over_before_lambda_tries_again_and_a_call_that_hangs_long_before() -> None:
    assert ROLLBACK_TIMEOUT.total_seconds() + 1 < LAMBDA_RETRY.total_seconds(), "so the lease is over as well"
    hangs = ATTEMPTS * max(CLIENT.connect_timeout, CLIENT.read_timeout) + 3  # botocore waits up to a second, then up to two
    assert hangs <= EVIDENCE_DEADLINE.total_seconds() < ROLLBACK_TIMEOUT.total_seconds() / 4


def test_a_first_retry_finds_the_lease_of_a_run_that_died_at_once_over() -> None:
    twin = Twin()
    what = bad_release(twin)
    dies = next(fault for fault in FAULTS if fault.name == "dies after")
    story = Story(twin)
    twin.injected = Injected(dies, lambda number, _: number == 0)
    chain = story.deliver(what)
    assert (chain.tries, chain.outcome.outcome) == (2, "rollback requested")


# The twin against moto


def _tables(items: dict[str, dict[str, object]]) -> dict[str, dict[str, object]]:
    """Items without what is different in each run."""
    return {name: {key: value for key, value in item.items() if key != "run"} for name, item in items.items()}


def test_the_twin_does_what_moto_does() -> None:
    with world() as aws:
        twin = Twin()
        twin.wait(seconds=(aws.now - twin.now).total_seconds())
        for step in (_releases, _alarms, _recovers, _is_silent, _begins_one, _alarms, _recovers):
            said = step(aws)
            assert step(twin) == said
            assert set(twin.calls) == {_method(call.name) for call in aws.calls}
        records = {f"record {item['incident']} {item['event']}": item for item in aws.recorded()}
        assert _tables(twin.items) == _tables(aws.items() | records)
        assert [f"{one.subject}\n{one.words}" for one in twin.messages if "escalations" not in one.topic] == aws.outcomes


def _method(name: str) -> str:
    service, _, operation = name.partition(":")
    return f"{service}:{_SNAKE[operation]}"


_SNAKE = {
    "".join(word.title() for word in name.split("_")): name
    for name in (
        *("describe_services", "list_service_deployments", "describe_service_deployments", "describe_service_revisions"),
        *("describe_task_definition", "update_service", "stop_service_deployment"),
        *(
            "describe_replication_groups",
            "describe_alarms",
            "get_item",
            "put_item",
            "update_item",
            "query",
            "put_parameter",
            "publish",
        ),
    )
} | {"DescribeDBInstances": "describe_db_instances"}


def _releases(aws: World | Twin) -> object:
    aws.release()
    aws.wait(minutes=5)
    return None


def _begins_one(aws: World | Twin) -> object:
    aws.begin_release()
    aws.wait(minutes=3)
    return None


def _alarms(aws: World | Twin) -> object:
    return _run(aws, "ALARM")


def _recovers(aws: World | Twin) -> object:
    aws.ecs.settle()
    aws.wait(minutes=5)
    return _run(aws, "OK")


def _is_silent(aws: World | Twin) -> object:
    aws.wait(minutes=1)
    return _run(aws, "INSUFFICIENT_DATA")


def _run(aws: World | Twin, state: str) -> object:
    what = event(state, aws.now)
    if isinstance(aws, World):
        return aws.deliver(what)
    now = aws.now
    outcome = aws.run(what)
    aws.wait(seconds=(now - aws.now).total_seconds())  # moto's calls take no time
    return outcome


def test_every_scenario_is_one_of_its_own() -> None:
    outcomes = []
    for scenario in SCENARIOS:
        twin = Twin()
        outcome = twin.run(scenario(twin))
        outcomes.append((outcome.outcome, outcome.decision, outcome.reason, outcome.done))
    assert len(set(outcomes)) == len(SCENARIOS)
