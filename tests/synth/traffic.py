"""Users' requests as the load balancer would count them, judged by the alarms of the template.

`python -m tests.synth.traffic` prints what the README's claims rest on: the false critical alarms of a month by traffic, and how
long an outage lasts before somebody is told.
"""

import json
import math
import random
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import accumulate

from local.cloudwatch.alarms import Alarm, Metric, metrics
from local.cloudwatch.loop import MINUTE, AlarmLoop, Measured
from local.cloudwatch.metric_math import TimeSeries
from local.replay import definitions
from runbook.rules import HOLD
from tests.environments import PRODUCTION
from tests.synth.assemblies import templates

BEGIN = datetime(2026, 3, 1, tzinfo=UTC)
MONTH = 30 * 24 * 60
ERRORS, SLOW = 0.01, 0.03  # of all requests, on a good day
FAST, TOO_SLOW = 0.2, 3.0  # seconds
RATES = (5, 10, 15, 20, 30, 50, 100, 150, 200, 300, 600)


@dataclass(frozen=True)
class Minute:
    """A minute's requests: those that a target answered, with a 5XX or too slowly, and those for which there was no target."""

    answered: int
    errors: int = 0
    slow: int = 0
    refused: int = 0


def requests(rate: float, minutes: int, chance: random.Random, errors: float = ERRORS, slow: float = SLOW) -> list[Minute]:
    """Requests that come at random, `rate` a minute, each of which fails or is slow by itself."""
    kinds = (_poisson(rate * share, minutes, chance) for share in (1 - errors - slow, errors, slow))
    return [Minute(good + bad + late, bad, late) for good, bad, late in zip(*kinds, strict=True)]


def _poisson(mean: float, count: int, chance: random.Random) -> Sequence[int]:
    if not mean:
        return [0] * count
    numbers = range(int(mean + 12 * math.sqrt(mean) + 20))
    weights = accumulate(math.exp(number * math.log(mean) - mean - math.lgamma(number + 1)) for number in numbers)
    return chance.choices(numbers, cum_weights=list(weights), k=count)


def judged(minutes: Sequence[Minute]) -> Iterator[tuple[int, str, str]]:
    """The changes of the alarms that read the load balancer's requests: minute, alarm by its slug, new state."""
    alarms = [alarm for alarm in _alarms() if _reads(alarm)]
    values = {metric: _series(minutes, metric) for alarm in alarms for metric in metrics(alarm).values()}
    moments = [BEGIN + MINUTE * minute for minute in range(1, len(minutes) + 1)]
    loop = AlarmLoop()
    for change in loop.judge(alarms, Measured(values, since=BEGIN), moments, {}):
        yield (change.at - BEGIN) // MINUTE, change.alarm.removeprefix(f"{PRODUCTION.prefix}-"), change.new
    assert not loop.refused, loop.refused


def _alarms() -> list[Alarm]:
    return definitions.alarms(json.loads(json.dumps(templates("production")["monitoring"].body)), PRODUCTION)


def _reads(alarm: Alarm) -> bool:
    """Whether an alarm reads the requests, and calls somebody."""
    name = str(alarm["AlarmName"])
    return "AlarmRule" not in alarm and name.endswith(("-critical", "-recurring", "-recent")) and "-alb-" in name


def _series(minutes: Sequence[Minute], metric: Metric) -> TimeSeries:
    """A metric as AWS publishes it: 5XX only when there are some, the time of a target's answer only when there is one.

    https://docs.aws.amazon.com/elasticloadbalancing/latest/application/load-balancer-cloudwatch-metrics.html
    """
    length = metric.period // 60
    counted: Callable[[Callable[[Minute], int]], list[int]] = lambda of: _sums([of(one) for one in minutes], length)  # noqa: E731
    match metric.name:
        case "RequestCount":
            found: list[float] = [*counted(lambda one: one.answered)]
        case "HTTPCode_ELB_5XX_Count":
            found = [value or math.nan for value in counted(lambda one: one.refused)]
        case "HTTPCode_Target_5XX_Count":
            found = [value or math.nan for value in counted(lambda one: one.errors)]
        case "TargetResponseTime":
            percent = float(metric.statistic[1:])
            found = [
                math.nan if not count else TOO_SLOW if math.ceil(count * percent / 100) > count - slow else FAST
                for count, slow in zip(counted(lambda one: one.answered), counted(lambda one: one.slow), strict=True)
            ]
        case other:
            raise AssertionError(other)
    return {BEGIN + MINUTE * at: value for at, value in enumerate(found) if not math.isnan(value)}


def _sums(numbers: Sequence[int], length: int) -> list[int]:
    """Of each so many numbers in a row, by the first."""
    until = [0, *accumulate(numbers)]
    return [until[min(at + length, len(numbers))] - until[at] for at in range(len(numbers))]


def false_alarms(rate: float, chance: random.Random, minutes: int = MONTH) -> dict[str, int]:
    """How often each critical alarm fires although nothing is wrong."""
    fired = [
        slug for _, slug, state in judged(requests(rate, minutes, chance)) if state == "ALARM" and slug.endswith("-critical")
    ]
    return {slug: fired.count(slug) for slug in fired}


def told_after(rate: float, outages: int, chance: random.Random, errors: float = 0.5) -> list[int]:
    """How many minutes into each outage of half an hour somebody is told; a day where nobody is. They are hours apart."""
    calm, bad = 150, 30
    minutes = [
        one
        for _ in range(outages)
        for one in (*requests(rate, calm, chance), *requests(rate, bad, chance, errors=errors), *requests(rate, calm, chance))
    ]
    calls = ("alb-5xx-rate-critical", "alb-5xx-rate-low-traffic-critical")
    fired = [at for at, slug, state in judged(minutes) if state == "ALARM" and slug in calls]
    found = []
    for number in range(outages):
        began = number * (2 * calm + bad) + calm
        after = [at - began for at in fired if began < at <= began + bad]
        found.append(min(after) + HOLD // MINUTE if after else 24 * 60)
    return found


def main(months: int = 1, outages: int = 500) -> None:
    chance = random.Random(9)  # noqa: S311 - the same each time
    print(f"false critical alarms in {months} months of 30 days, {ERRORS:.0%} errors and {SLOW:.0%} slow")
    for rate in RATES if months else ():
        print(f"{rate:5} a minute: {false_alarms(rate, chance, months * MONTH) or 'none'}")
    print(f"{outages} outages of 50 % failures: minutes until somebody is told")
    for rate in (4, 10, 20, 100):
        after = sorted(told_after(rate, outages, chance))
        within = {limit: sum(one <= limit for one in after) / outages for limit in (3, 4, 5, 10)}
        shares = ", ".join(f"{share:.1%} within {limit}" for limit, share in within.items())
        print(f"{rate:5} a minute: median {after[outages // 2]}, worst {after[-1]}; {shares}")


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
