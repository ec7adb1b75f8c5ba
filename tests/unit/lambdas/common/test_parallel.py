"""Reads at once: one that hangs holds nothing up."""

from threading import Barrier, Event

from lambdas.common.parallel import at_once
from lambdas.rollback import handler


def test_all_read_at_the_same_time() -> None:
    together = Barrier(3, timeout=10)  # opens when three wait at it
    found = at_once(dict.fromkeys("abc", together.wait), 10)
    assert sorted(found.values()) == [0, 1, 2]


def test_an_error_stands_in_place_of_its_answer_and_none_is_an_answer() -> None:
    found = at_once({"fails": lambda: int("no number"), "none": lambda: None}, 10)
    assert isinstance(found["fails"], ValueError)
    assert found["none"] is None


def test_what_hangs_is_late_and_holds_up_nothing() -> None:
    end = Event()
    found = at_once({"hangs": end.wait, "answers": lambda: 7}, 0.05)
    end.set()
    assert isinstance(found["hangs"], TimeoutError)
    assert found["answers"] == 7


def test_nothing_to_read_is_no_answer() -> None:
    assert at_once({}, 1) == {}


def test_rollback_reads_with_threads() -> None:
    assert handler.at_once is at_once
