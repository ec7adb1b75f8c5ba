"""A percentile rank as CloudWatch defines it: over the lower limit, and not over the upper one."""

import pytest

from local.emulator.metric_data import rank

SAMPLES = [(0.5, 6.0), (1.0, 2.0), (3.0, 2.0)]


@pytest.mark.parametrize(
    ("low", "high", "percent"), [(None, "1", 80), (None, "0.9", 60), ("1", None, 20), ("0.5", "3", 40), (None, "9", 100)]
)
def test_the_rank_is_the_share_of_the_values_between(low: str | None, high: str | None, percent: float) -> None:
    assert rank(SAMPLES, low, high) == percent


def test_no_values_have_no_rank() -> None:
    assert rank([], None, "1") is None
