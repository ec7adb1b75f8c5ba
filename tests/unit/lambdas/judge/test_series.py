"""Slots, and the statistics that ask nothing of how values are spread."""

import math
import statistics

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lambdas.judge import series
from lambdas.judge.series import MINUTE
from tests.unit.lambdas.judge.builders import RELEASE

values = st.lists(st.none() | st.floats(-100, 100), max_size=40)


def test_the_period_is_the_usual_distance() -> None:
    assert series.period(RELEASE + MINUTE * minute for minute in (0, 5, 10, 16, 20, 25, 60)) == 5
    assert series.period([]) == series.period([RELEASE]) == 1


def test_what_covers_the_release_counts_as_since_it_when_more_than_half_is() -> None:
    def halves(offset: int) -> tuple[float | None, float | None]:
        found = series.split({RELEASE + MINUTE * (5 * place + offset): place for place in range(-4, 4)}, RELEASE)
        return found.before[-1], found.after[0]

    assert halves(0) == (-1, 0)
    assert halves(3) == (-2, -1)
    assert halves(1) == (-2, 0) or halves(1)[1] == 0


@given(values, st.integers(1, 12))
def test_sliding_medians_are_medians(given_values: list[float | None], size: int) -> None:
    found = series.sliding_medians(given_values, size, 1)
    for place, median in enumerate(found):
        window = (
            [value for value in given_values[place + 1 - size : place + 1] if value is not None] if place + 1 >= size else []
        )
        assert median == (pytest.approx(statistics.median(window)) if window else None)


def test_the_probability_is_that_of_the_rank_test() -> None:
    # By hand: U 24 of 24 and 11 of 15, with the variance corrected for three equal values, and for continuity.
    assert series.probability([1, 2, 3, 4, 5, 6, 7, 8], [9, 10, 11]) == pytest.approx(0.00945, abs=1e-5)
    assert series.probability([1, 2, 2, 3, 5], [2, 4, 6]) == pytest.approx(0.1797, abs=1e-4)


def test_where_values_tell_of_the_next_chance_is_more_probable() -> None:
    before, after = [float(value) for value in range(30)], [40.0, 41.0, 42.0]
    assert series.probability(before, after, 0.8) > series.probability(before, after)


def test_the_memory_of_noise_is_small_and_of_a_drift_large() -> None:
    assert series.memory([math.sin(place * 9.7) for place in range(60)]) < 0.3
    assert series.memory([float(place) for place in range(60)]) == 0.95
    assert series.memory([1.0] * 60) == 0
