"""The judge: what it blames a release for, and what it does not."""

import random
from datetime import datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lambdas.judge.judge import Evidence, Judge, judge
from lambdas.judge.series import MINUTE, Series
from lambdas.judge.signals import SIGNALS
from tests.unit.lambdas.judge.builders import RELEASE, flat, judged, series, since, verdict


def minutes_until_worse(**signals: Series) -> float | None:
    given = {name.replace("_", "-"): values for name, values in signals.items()}
    each = Judge(Evidence(RELEASE, given)).each_minute(RELEASE + timedelta(hours=1))
    return next(((one.at - RELEASE) / MINUTE for one in each if one.verdict == "worse"), None)


# What is blamed


@pytest.mark.parametrize("times", [1.4, 2, 10])
def test_latency_that_is_higher_since_the_release_is_worse(times: float) -> None:
    assert verdict(alb_latency_p95=series(change=since(0, times))) == "worse"


def test_it_says_so_in_minutes() -> None:
    assert minutes_until_worse(alb_5xx_rate=flat(0, 20)) == 5
    assert minutes_until_worse(alb_latency_p95=series(change=since(0, 2))) == 8


def test_three_values_of_five_minutes_are_enough() -> None:
    values = series(change=since(0, 1.6), period=5, end=15)
    assert verdict(15, alb_latency_p95=values) == "worse"


@pytest.mark.parametrize("period", [1, 2, 3, 4, 5])
def test_any_period_up_to_five_minutes_is_judged(period: int) -> None:
    assert verdict(30, alb_latency_p95=series(change=since(0, 2), period=period)) == "worse"
    assert verdict(30, alb_latency_p95=series(period=period)) == "same"


@pytest.mark.parametrize(
    ("name", "before", "after"),
    [
        ("alb-5xx-rate", 0.0, 3.0),
        ("alb-latency-p99", 0.8, 1.6),
        ("api-availability", 100.0, 80.0),
        ("sentry-errors", 2.0, 60.0),
        ("ecs-cpu", 30.0, 80.0),
        ("ecs-memory", 40.0, 60.0),
        ("ecs-restarts", 0.0, 2.0),
        ("rds-connections", 30.0, 90.0),
        ("rds-time", 4.0, 20.0),
        ("redis-hit-rate", 95.0, 60.0),
    ],
)
def test_each_signal_alone_can_be_worse_and_better(name: str, before: float, after: float) -> None:
    assert verdict(**{name: flat(before, after)}) == "worse"
    assert verdict(**{name: flat(after, before)}) == "better"


def test_only_users_signals_say_that_users_are_affected() -> None:
    assert judged(alb_5xx_rate=flat(0, 20)).users
    assert not judged(ecs_memory=flat(40, 60), alb_5xx_rate=flat(0)).users


def test_client_errors_are_information() -> None:
    result = judged(alb_4xx_rate=flat(1, 40), alb_latency_p95=series())
    assert result.verdict == "same"
    assert [one.verdict for one in result.signals if one.name == "alb-4xx-rate"] == ["worse"]


def test_a_signal_says_what_it_was_and_is() -> None:
    result = judged(alb_latency_p95=flat(0.31, 0.52), requests=flat(600))
    assert result.words == (
        "worse: p95 latency 0.31 s before, 0.52 s since the release, 1.7 times, in 10 of 10 minutes; traffic as before"
    )
    (one,) = result.signals
    assert (one.before, one.after, one.ratio, one.verdict) == (0.31, 0.52, 1.677, "worse")
    assert one.sure > 0.99
    assert one.since == RELEASE


# What is not


def test_a_service_as_before_is_the_same() -> None:
    assert verdict(alb_latency_p95=series(), alb_5xx_rate=flat(0), api_availability=flat(100)) == "same"


def test_a_difference_below_the_floor_does_not_matter() -> None:
    assert verdict(alb_latency_p95=flat(0.001, 0.0015)) == "same"
    assert verdict(alb_5xx_rate=flat(0, 0.3)) == "same"
    assert verdict(ecs_cpu=flat(1, 5)) == "same"


@pytest.mark.parametrize("at", [0, 4, 12])
@pytest.mark.parametrize("length", [1, 2, 4])
def test_a_spike_of_a_few_minutes_is_never_worse(at: int, length: int) -> None:
    assert minutes_until_worse(alb_latency_p95=series(change=since(at, 5, at + length))) is None
    assert minutes_until_worse(alb_5xx_rate=series(0.01, change=since(at, 3000, at + length))) is None


def test_what_went_away_does_not_stay_worse() -> None:
    values = series(change=since(0, 4, 20))
    assert verdict(15, alb_latency_p95=values) == "worse"
    assert verdict(50, alb_latency_p95=values) == "same"


def test_the_warm_up_of_a_deployment_is_no_fault() -> None:
    values = series(change=lambda minute: 1 + 2 * 0.5**minute if minute >= 0 else 1.0)
    assert minutes_until_worse(alb_latency_p95=values) is None


@pytest.mark.parametrize("earlier", [8, 20, 60])
def test_what_began_clearly_before_the_release_is_not_the_release(earlier: int) -> None:
    assert minutes_until_worse(alb_latency_p95=series(change=since(-earlier, 2))) is None


def test_a_drift_that_goes_on_is_not_the_release() -> None:
    assert minutes_until_worse(alb_latency_p95=series(change=lambda minute: 1.15 ** (minute / 60))) is None


def test_a_service_that_jumps_by_itself_has_to_do_more() -> None:
    jumps = series(change=lambda minute: 1.8 if minute // 25 % 2 else 1.0)
    assert minutes_until_worse(alb_latency_p95=jumps) is None


def test_what_happens_each_day_at_this_hour_is_not_the_release() -> None:
    nightly = {
        time: value * (2 if time.hour == 12 else 1)
        for time, value in series(begin=-2 * 24 * 60 - 120, end=60, period=5).items()
    }
    recent = {time: value for time, value in nightly.items() if time >= RELEASE - timedelta(hours=2)}
    assert minutes_until_worse(alb_latency_p95=nightly) is None
    assert minutes_until_worse(alb_latency_p95=recent) is not None


@pytest.mark.parametrize(
    "dependency",
    [
        {"rds_cpu": flat(30, 97, at=4)},
        {"rds_cpu": flat(30, 70, at=12)},
        {"database_availability": flat(100, 0, at=12)},
        {"redis_nodes": flat(12, 0, at=4)},
        {"rds_failovers": flat(0, 2, at=4)},
    ],
)
def test_a_dependency_that_fails_by_itself_is_not_the_release(dependency: dict[str, Series]) -> None:
    at = 12 if "database_availability" in dependency or dependency.get("rds_cpu", {}).get(RELEASE + MINUTE * 20) == 70 else 4
    result = judged(30, alb_5xx_rate=flat(0, 20, at=at), alb_latency_p95=flat(0.3, 2, at=at), **dependency)
    assert result.verdict == "unknown"
    assert "the database" in result.reason or "the cache" in result.reason


def test_a_release_that_breaks_its_own_connection_is_blamed() -> None:
    assert verdict(alb_5xx_rate=flat(0, 20), database_availability=flat(100, 0)) == "worse"


def test_the_loss_of_a_zone_is_not_the_release() -> None:
    zones = {"eu-central-1a": flat(2, 0, at=1), "eu-central-1b": flat(2)}
    result = judged(30, zones, alb_5xx_rate=flat(0, 20, at=1))
    assert (result.verdict, result.reason) == ("unknown", "availability zone eu-central-1a has lost its healthy targets")
    assert verdict(30, {"eu-central-1a": flat(2, 0), "eu-central-1b": flat(2, 0)}, alb_5xx_rate=flat(0, 20)) == "worse"


def test_more_traffic_explains_more_work_and_slower_answers() -> None:
    assert judged(ecs_cpu=flat(30, 60), requests=flat(600, 1200)).reason.endswith("traffic is 2.0 times as much")
    assert verdict(alb_latency_p95=flat(0.3, 0.6), requests=flat(600, 1200)) == "unknown"


def test_more_work_for_each_request_is_blamed_whatever_the_traffic() -> None:
    assert verdict(ecs_cpu=flat(20, 80), requests=flat(600, 1200)) == "worse"


# What is unknown


def test_too_little_before_is_unknown() -> None:
    assert verdict(alb_latency_p95=series(change=since(0, 3), begin=-40)) == "unknown"


def test_too_little_traffic_is_unknown() -> None:
    result = judged(alb_5xx_rate=flat(0, 50), requests=flat(3))
    assert (result.verdict, result.signals[0].words) == (
        "unknown",
        "5XX rate: too little traffic before the release",
    )


def test_nothing_since_the_release_is_unknown() -> None:
    assert verdict(alb_latency_p95=series(end=0)) == "unknown"
    assert verdict(50, alb_latency_p95=series(end=20)) == "unknown"


def test_nothing_at_all_is_unknown() -> None:
    assert verdict() == "unknown"
    assert verdict(requests=flat(600)) == "unknown"


def test_it_is_too_early_for_the_first_ten_minutes() -> None:
    assert (judged(6, alb_latency_p95=series()).verdict, judged(6, alb_latency_p95=series()).reason) == (
        "unknown",
        "it is too early",
    )


def test_what_may_be_a_fault_that_begins_is_not_the_same() -> None:
    assert verdict(33, alb_latency_p95=series(change=since(30, 2))) == "unknown"


def test_gaps_are_no_values() -> None:
    values = {time: value for time, value in series(change=since(0, 2)).items() if time.minute % 7}
    assert verdict(alb_latency_p95=values) == "worse"
    assert verdict(alb_latency_p95={time: value for time, value in values.items() if time.minute % 5 == 0}) == "worse"


# Whatever the evidence


@st.composite
def some_signals(draw: st.DrawFn) -> dict[str, Series]:
    """Signals of a service to which something happened, about the release or not, some with gaps."""
    chance = random.Random(draw(st.integers(0, 10_000)))  # noqa: S311
    names = draw(
        st.lists(st.sampled_from(["alb-latency-p95", "alb-5xx-rate", "ecs-cpu", "api-availability"]), min_size=1, unique=True)
    )
    found: dict[str, Series] = {}
    for name in names:
        usual, times = {"alb-5xx-rate": (0.5, 12)}.get(name, (30.0, 2))
        changed = since(draw(st.sampled_from([-30, 0, 5, 100])), times)
        values = series(
            usual,
            changed,
            draw(st.sampled_from([0.01, 0.2])),
            seed=chance.randrange(1000),
            period=draw(st.sampled_from([1, 5])),
        )
        gaps = draw(st.sampled_from([0, 0.2]))
        found[name] = {time: min(value, 100) for time, value in values.items() if chance.random() >= gaps}
    return found


@given(some_signals(), st.integers(1, 60))
@settings(max_examples=60)
def test_what_comes_later_changes_no_verdict(signals: dict[str, Series], minutes: int) -> None:
    now = RELEASE + MINUTE * minutes
    periods = {name: 5 if all(time.minute % 5 == 0 for time in values) else 1 for name, values in signals.items()}
    known = {
        name: {time: value for time, value in values.items() if time + MINUTE * periods[name] <= now}
        for name, values in signals.items()
    }
    assert judge(Evidence(RELEASE, signals), now) == judge(Evidence(RELEASE, known), now)


@given(some_signals(), st.randoms(use_true_random=False))
@settings(max_examples=20)
def test_the_order_of_the_values_does_not_matter(signals: dict[str, Series], chance: random.Random) -> None:
    def shuffled(values: Series) -> dict[datetime, float]:
        items = list(values.items())
        chance.shuffle(items)
        return dict(items)

    now = RELEASE + MINUTE * 30
    mixed = dict(reversed([(name, shuffled(values)) for name, values in signals.items()]))
    assert judge(Evidence(RELEASE, signals), now) == judge(Evidence(RELEASE, mixed), now)


@given(some_signals(), some_signals(), st.sampled_from([None, 3.0, 600.0, 1500.0]))
@settings(max_examples=60)
def test_a_signal_that_was_missing_turns_worse_into_no_same(
    signals: dict[str, Series], others: dict[str, Series], traffic: float | None
) -> None:
    now = RELEASE + MINUTE * 30
    more = others | signals | ({} if traffic is None else {"requests": flat(600, traffic)})
    if judge(Evidence(RELEASE, signals), now).verdict == "worse":
        assert judge(Evidence(RELEASE, more), now).verdict in ("worse", "unknown")


@given(st.sampled_from([2.0, 8.0, 1024.0]), st.integers(0, 1000), st.sampled_from([1.0, 1.3, 2.0]))
@settings(max_examples=30)
def test_the_unit_of_a_signal_well_above_its_floor_does_not_matter(unit: float, seed: int, times: float) -> None:
    values = series(200, since(0, times), seed=seed)
    other = {time: value * unit for time, value in values.items()}
    assert verdict(alb_latency_p95=values) == verdict(alb_latency_p95=other)


def test_every_signal_has_a_floor_and_a_factor() -> None:
    assert all(signal.floor > 0 and signal.factor > 1 for signal in SIGNALS.values())
