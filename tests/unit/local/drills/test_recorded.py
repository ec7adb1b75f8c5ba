"""What is put for a minute of a trace has the statistics that the trace has."""

import pytest

from local.drills.recorded import samples


@pytest.mark.parametrize(
    "statistics",
    [
        {"Sum": 60.0},
        {"Average": 35.0},
        {"Maximum": 180.0},
        {"Minimum": 2.0},
        {"Average": 35.0, "Maximum": 98.0},
        {"Average": 35.0, "Maximum": 35.0},
        {"Minimum": 1.0, "Maximum": 9.0},
        {"Maximum": 100.0, "SampleCount": 1.0},
        {"p95": 3.0},
        {"p50": 0.2, "p90": 1.5, "p95": 3.0},
        {"p50": 2.0, "p90": 2.0, "p95": 2.0},
    ],
    ids=str,
)
def test_samples_have_the_statistics_that_they_are_for(statistics: dict[str, float]) -> None:
    values, counts = samples(statistics)
    weighted = [*zip(values, counts, strict=True)]
    total = sum(counts)
    basic = {
        "Sum": sum(value * count for value, count in weighted),
        "SampleCount": total,
        "Average": sum(value * count for value, count in weighted) / total,
        "Minimum": min(values),
        "Maximum": max(values),
    }
    each = sorted(value for value, count in weighted for _ in range(round(count)))
    found = {of: basic[of] if of in basic else each[round(float(of[1:]) / 100 * len(each)) - 1] for of in statistics}
    assert found == pytest.approx(statistics)
