"""Amounts and durations as people write them."""

from datetime import timedelta

import pytest

from local.documents.wording import amount, capitalized, duration, window
from runbook.rows import Window


@pytest.mark.parametrize(
    ("value", "unit", "words"),
    [
        (70, "%", "70%"),
        (0.1, "%", "0.1%"),
        (0.5, "s", "500ms"),
        (2, "s", "2s"),
        (150, "connections", "150"),
        (50, "errors/min", "50 errors/min"),
    ],
)
def test_an_amount(value: float, unit: str, words: str) -> None:
    assert amount(value, unit) == words


@pytest.mark.parametrize(
    ("span", "words"),
    [
        (timedelta(seconds=90), "90 seconds"),
        (timedelta(minutes=1), "60 seconds"),
        (timedelta(minutes=10), "10 minutes"),
        (timedelta(hours=1), "60 minutes"),
        (timedelta(hours=2), "2 hours"),
        (timedelta(hours=24), "24 hours"),
        (timedelta(minutes=150), "150 minutes"),
        (timedelta(), "0 seconds"),
    ],
)
def test_a_duration(span: timedelta, words: str) -> None:
    assert duration(span) == words


def test_a_window_is_in_minutes_unless_its_period_is_another() -> None:
    assert window(Window(2, 3)) == "2 of 3 min"
    assert window(Window(2, 3), 300) == "2 of 3 x 5 min"


def test_only_the_first_letter_is_a_capital() -> None:
    assert [capitalized(text) for text in ("team lead", "CTO", "on-call engineer of HQ")] == [
        "Team lead",
        "CTO",
        "On-call engineer of HQ",
    ]
