"""A small, fixed sample of the benchmark: made-up releases of which it is known whether they are bad."""

from functools import cache

import pytest

from local.judge.benchmark import REPORTED, TUNED_ON, Outcome, outcome, score, table
from local.judge.generator import FAMILIES, Family, cases

SAMPLE = 2
BY_TITLE = {family.title: family for family in FAMILIES}


@cache
def sample(title: str) -> tuple[Outcome, ...]:
    return tuple(outcome(case, number) for number, case in enumerate(cases(7, BY_TITLE[title], SAMPLE)))


@pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family.title)
def test_the_judge_is_right_on_a_sample(family: Family) -> None:
    found = score(sample(family.title), 0)
    assert (found.found, found.wrong) == (found.bad, 0)


def test_the_same_seed_has_the_same_cases() -> None:
    first, again = (next(cases(7, BY_TITLE["step"], 1)) for _ in range(2))
    assert first == again


def test_what_is_reported_was_not_tuned_on() -> None:
    assert REPORTED not in TUNED_ON


def test_the_table_has_a_row_a_family_and_the_sums() -> None:
    assert table([*sample("step"), *sample("quiet")]).row_count == 4
