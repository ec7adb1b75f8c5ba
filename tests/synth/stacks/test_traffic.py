"""What the load balancer's alarms make of users' requests: quiet on a good day, whatever the traffic, and quick on a bad one.

`python -m tests.synth.traffic` measures a month at each traffic.
"""

import random

import pytest

from tests.synth.traffic import Minute, false_alarms, judged, requests, told_after

DAYS = 3 * 24 * 60


def chance() -> random.Random:
    return random.Random(9)  # noqa: S311 - the same each time


def fired(minutes: list[Minute]) -> dict[str, int]:
    """The minute in which each critical alarm fires first."""
    found = [(at, slug) for at, slug, state in judged(minutes) if state == "ALARM" and slug.endswith("-critical")]
    return {slug: at for at, slug in reversed(found)}


@pytest.mark.parametrize("rate", [5, 20, 30, 100, 200])
def test_a_good_day_has_errors_and_slow_answers_and_no_critical_alarm(rate: float) -> None:
    assert false_alarms(rate, chance(), DAYS) == {}


@pytest.mark.parametrize(("rate", "within"), [(4, 10), (10, 7), (20, 4), (100, 3), (600, 3)])
def test_every_outage_of_half_the_requests_is_told(rate: float, within: int) -> None:
    assert max(told_after(rate, 12, chance())) <= within


def test_most_outages_at_20_a_minute_are_told_within_3_minutes() -> None:
    told = told_after(20, 60, chance())
    assert sum(minutes <= 3 for minutes in told) >= 0.95 * len(told)


@pytest.mark.parametrize("rate", [4, 15, 20])
def test_few_requests_that_all_fail_are_seen(rate: int) -> None:
    assert "alb-5xx-rate-critical" in fired([Minute(rate)] * 40 + [Minute(rate, errors=rate)] * 10)


def test_twenty_requests_that_all_take_long_are_seen() -> None:
    assert fired([Minute(20)] * 40 + [Minute(20, slow=20)] * 10)["alb-latency-p95-critical"] == 42


def test_four_requests_a_minute_that_are_slow_are_seen() -> None:
    assert "alb-latency-p95-low-traffic-critical" in fired([Minute(4)] * 60 + [Minute(4, slow=4)] * 30)


def test_with_no_target_at_all_the_load_balancers_own_errors_are_the_rate() -> None:
    """No request is counted then: the outage would be one of no traffic."""
    assert fired([Minute(60)] * 40 + [Minute(0, refused=60)] * 5)["alb-5xx-rate-critical"] == 42


def test_a_minute_that_fails_is_not_an_outage() -> None:
    good = [*requests(50, 60, chance())]
    assert fired([*good, Minute(50, errors=50), *good]) == {}
