"""The connections to the database: they belong to tasks, and end with them."""

from typing import Any

import pytest

from local.emulator.connections import Connections


@pytest.fixture
def tasks() -> list[dict[str, Any]]:
    """Those that run."""
    return [{}, {}]


@pytest.fixture
def connections(tasks: list[dict[str, Any]]) -> Connections:
    return Connections(lambda: tasks, most=200)


def test_on_a_quiet_day_some_are_left(connections: Connections) -> None:
    assert (connections.count(), connections.left()) == (75, True)


def test_tasks_that_keep_theirs_use_them_up_and_never_more_than_there_are(connections: Connections) -> None:
    connections.leak(70)
    assert (connections.count(), connections.left()) == (200, False)


def test_the_connections_of_a_task_end_with_it(connections: Connections, tasks: list[dict[str, Any]]) -> None:
    connections.leak(63)
    tasks[0] = {}  # another in its place
    assert (connections.count(), connections.left()) == (138, True)


def test_tasks_that_give_theirs_back_leave_a_quiet_day(connections: Connections) -> None:
    connections.leak(70)
    connections.leak(0)
    assert connections.count() == 75
