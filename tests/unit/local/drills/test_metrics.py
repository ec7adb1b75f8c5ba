"""What a minute's metrics are made of."""

import pytest

from local.drills.metrics import accepted


@pytest.mark.parametrize(
    ("codes", "yes", "no"),
    [
        ("200", [200], [201, 301, 503]),
        ("200,301", [200, 301], [302, 503]),
        ("200-299,301", [200, 250, 299, 301], [300, 302, 503]),
    ],
)
def test_a_target_groups_codes_are_numbers_and_ranges(codes: str, yes: list[int], no: list[int]) -> None:
    assert [status for status in (*yes, *no) if accepted(status, codes)] == yes
