"""What users had of an outage: failed and slow requests, over the usual, and minutes."""

from datetime import UTC, datetime

from lambdas.postmortem.impact import Requests, impact, not_slow, requests
from lambdas.postmortem.metrics import MINUTE, Metric, Series

NOON = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)
BALANCER = frozenset({("LoadBalancer", "app/alb/1")})


def at(minutes: float) -> datetime:
    return NOON + minutes * MINUTE


def metric(name: str, statistic: str = "Sum") -> Metric:
    return Metric("AWS/ApplicationELB", name, BALANCER, statistic)


VALUES: dict[Metric, Series] = {
    metric("RequestCount"): {at(minute): 100 for minute in range(-5, 5)},
    metric("HTTPCode_Target_5XX_Count"): {at(-3): 2, **{at(minute): 40 for minute in range(4)}},
    metric("HTTPCode_ELB_5XX_Count"): {at(0): 10},
    metric("TargetResponseTime", not_slow(1)): {at(minute): 90.0 if minute >= 0 else 99.0 for minute in range(-5, 5)},
}


def test_a_request_without_a_task_is_one_that_failed_and_only_the_load_balancers_own_errors_have_it() -> None:
    assert requests(VALUES, at(0), at(5)) == Requests(all=510, failed=170, slow=50)


def test_the_usual_is_as_long_before() -> None:
    found = impact(VALUES, at(0), at(5), at(15))
    assert found is not None
    assert (found.failed, found.slow, found.requests, found.minutes) == (168, 45, 510, 5)
    assert (found.at, found.id) == (at(15), f"impact {at(15).isoformat()}")


def test_what_is_less_than_the_usual_is_no_impact() -> None:
    found = impact({metric("HTTPCode_Target_5XX_Count"): {at(-1): 9}}, at(0), at(5), at(15))
    assert found is not None
    assert (found.failed, found.slow) == (0, 0)


def test_what_cloudwatch_has_forgotten_is_not_known() -> None:
    assert impact({}, at(0), at(5), at(15)) is None
