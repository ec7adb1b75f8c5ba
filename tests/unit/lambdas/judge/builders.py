"""Series around a release, drawn from a seed."""

import random
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta

from lambdas.judge.judge import Evidence, Judgement, judge
from lambdas.judge.series import MINUTE, Series

RELEASE = datetime(2026, 11, 24, 12, tzinfo=UTC)
Change = Callable[[int], float]


def no_change(_minute: int) -> float:
    return 1.0


def since(at: int, times: float, until: int = 10_000) -> Change:
    return lambda minute: times if at <= minute < until else 1.0


def series(
    usual: float = 0.3,
    change: Change = no_change,
    noise: float = 0.05,
    begin: int = -120,
    end: int = 60,
    period: int = 1,
    seed: int = 1,
) -> dict[datetime, float]:
    """Values around `usual`, `change` times as much in each minute."""
    chance = random.Random(seed)  # noqa: S311
    return {
        RELEASE + MINUTE * minute: usual * change(minute) * (1 + noise * chance.gauss(0, 1))
        for minute in range(begin, end, period)
    }


def flat(value: float, after: float | None = None, at: int = 0, begin: int = -120, end: int = 60) -> dict[datetime, float]:
    """One value, and another from a minute on."""
    return {RELEASE + MINUTE * minute: after if after is not None and minute >= at else value for minute in range(begin, end)}


def judged(minutes: float = 30, healthy: Mapping[str, Series] | None = None, **signals: Series) -> Judgement:
    """The verdict so many minutes after the release; signals with _ instead of -."""
    given = {name.replace("_", "-"): values for name, values in signals.items()}
    return judge(Evidence(RELEASE, given, healthy or {}), RELEASE + timedelta(minutes=minutes))


def verdict(minutes: float = 30, healthy: Mapping[str, Series] | None = None, **signals: Series) -> str:
    return judged(minutes, healthy, **signals).verdict
