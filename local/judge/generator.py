"""Made-up services with a release, of which it is known whether it made them worse: what the benchmark judges.

A service is drawn first: its traffic with the rhythm of the day, how slow it is, how noisy, how much one minute has to do with
the next, what it does by itself (bursts, jumps, drifts), which of its signals are recorded, how often, and for how long before.
Then the deployment, which every release has: a warm-up, some failed requests, less memory. Then the fault of the family.
Nothing here knows how the judge works.
"""

import math
import random
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from lambdas.judge.judge import Evidence
from lambdas.judge.series import MINUTE
from lambdas.judge.signals import TRAFFIC

RELEASE = datetime(2026, 11, 24, tzinfo=UTC)
USERS = ["alb-5xx-rate", "alb-latency-p95", "alb-latency-p99", "api-availability", "sentry-errors"]
CAUSES = ["alb-4xx-rate", "ecs-cpu", "ecs-memory", "rds-cpu", "rds-connections", "redis-hit-rate"]
ALL = [*USERS, *CAUSES, TRAFFIC]


def _once(_minute: int) -> float:
    return 1.0


def _nothing(_minute: int) -> float:
    return 0.0


@dataclass
class Service:
    """What was drawn of a service, and the factors and amounts by which its minutes differ from the usual ones.

    Minutes are counted from the release; `times` multiplies a signal's value in a minute, `plus` is added to it.
    """

    chance: random.Random
    begin: int
    end: int
    period: int
    signals: list[str]
    release: datetime
    requests: float
    rhythm: float
    noise: float
    memory: float
    heavy: float
    bursts: float
    offset: int
    times: dict[str, Callable[[int], float]] = field(default_factory=dict)
    plus: dict[str, Callable[[int], float]] = field(default_factory=dict)
    only: list[str] = field(default_factory=list)
    """Signals that the fault needs to be seen by; one of them is recorded."""
    more: dict[str, dict[datetime, float]] = field(default_factory=dict)
    healthy: dict[str, dict[datetime, float]] = field(default_factory=dict)
    gaps: float = 0.0
    load: float = 0.15
    """The power of the traffic by which latency grows."""

    def multiply(self, name: str, by: Callable[[int], float]) -> None:
        before = self.times.get(name, _once)
        self.times[name] = lambda minute: before(minute) * by(minute)

    def add(self, name: str, amount: Callable[[int], float]) -> None:
        before = self.plus.get(name, _nothing)
        self.plus[name] = lambda minute: before(minute) + amount(minute)


@dataclass(frozen=True)
class Case:
    """A service's evidence until `until`, whether its release is bad, and whether the users notice."""

    family: str
    bad: bool
    evidence: Evidence
    until: datetime
    period: int


# Shapes of a fault, by minutes since the release


def step(at: float, to: float, base: float = 1.0) -> Callable[[int], float]:
    return lambda minute: to if minute >= at else base


def ramp(at: float, length: float, to: float, base: float = 1.0) -> Callable[[int], float]:
    return lambda minute: base + (to - base) * min(max((minute - at) / length, 0.0), 1.0)


def spell(at: float, length: float, to: float, base: float = 1.0) -> Callable[[int], float]:
    return lambda minute: to if at <= minute < at + length else base


def fading(at: float, size: float, half: float) -> Callable[[int], float]:
    """Of an amount that halves with every `half` minutes."""
    return lambda minute: size * 0.5 ** ((minute - at) / half) if minute >= at else 0.0


# The service


def service(chance: random.Random, quiet_noise: bool = False) -> Service:
    period = chance.choice((1, 1, 1, 5))
    hours = chance.choice((2, 2, 2, 4, 6, 26, 26) if period == 1 else (2, 2, 3, 6, 26, 8 * 24))
    recorded = chance.random()
    signals = list(ALL) if recorded < 0.5 else [name for name in ALL if chance.random() < 0.6]
    at = RELEASE + MINUTE * chance.randrange(24 * 60) + timedelta(seconds=chance.choice((0, 0, chance.randrange(60))))
    return Service(
        chance,
        -60 * hours,
        chance.choice((15, 20, 30, 45, 60)),
        period,
        signals,
        at,
        requests=math.exp(chance.uniform(math.log(40), math.log(6000))),
        rhythm=chance.uniform(0, 0.6),
        noise=chance.uniform(0.02, 0.08 if quiet_noise else 0.2),
        memory=chance.uniform(0, 0.9),
        heavy=0.0 if quiet_noise else chance.choice((0, 0, 0.01, 0.03)),
        bursts=0.0 if quiet_noise else chance.choice((0, 0, 0.3, 1.0)),
        offset=chance.choice((0, chance.randrange(period))),
    )


def deploy(made: Service) -> None:
    """What every deployment does by itself."""
    chance = made.chance
    begin = chance.uniform(0, 2)
    warm, half = chance.uniform(0.0, 1.0), chance.uniform(0.5, 2.0)
    for name in ("alb-latency-p95", "alb-latency-p99"):
        made.multiply(name, lambda minute: 1 + fading(begin, warm, half)(minute))
    made.add("ecs-cpu", fading(begin, chance.uniform(2, 25), half))
    if chance.random() < 0.4:
        made.add("alb-5xx-rate", spell(begin, 1, chance.uniform(0.1, 3), 0))
        made.add("sentry-errors", spell(begin, 2, chance.uniform(1, 20), 0))
    made.add("ecs-memory", fading(begin, -chance.uniform(0, 15), chance.uniform(5, 40)))
    if chance.random() < 0.3:
        made.add("redis-hit-rate", fading(begin, -chance.uniform(2, 15), 2))


def _wander(made: Service, memory: float, size: float) -> Iterator[float]:
    """Noise with a memory, of the size as its standard deviation."""
    chance, value = made.chance, 0.0
    value = chance.gauss(0, size)
    while True:
        yield value
        value = memory * value + math.sqrt(1 - memory**2) * chance.gauss(0, size)


def _count(chance: random.Random, mean: float) -> int:
    """Poisson's."""
    if mean > 50:
        return max(0, round(chance.gauss(mean, math.sqrt(mean))))
    limit, count, product = math.exp(-mean), 0, chance.random()
    while product > limit:
        count, product = count + 1, product * chance.random()
    return count


def record(made: Service) -> Evidence:
    """The minutes of the service, put together to its period as CloudWatch does."""
    chance = made.chance
    base = {
        "alb-latency-p95": math.exp(chance.uniform(math.log(0.02), math.log(1.2))),
        "alb-5xx-rate": math.exp(chance.uniform(math.log(0.001), math.log(0.2))),
        "alb-4xx-rate": chance.uniform(0.5, 6),
        "sentry-errors": chance.choice((0.2, 1, 4)),
        "ecs-cpu": chance.uniform(10, 45),
        "ecs-memory": chance.uniform(35, 65),
        "rds-cpu": chance.uniform(8, 40),
        "rds-connections": chance.uniform(15, 70),
        "redis-hit-rate": chance.uniform(85, 99),
    }
    tail = chance.uniform(1.5, 3.5)
    wander = {name: _wander(made, made.memory, made.noise) for name in ("alb-latency-p95", "traffic", "tail", "rds-cpu")}
    small = {name: _wander(made, made.memory, 0.04) for name in ("ecs-cpu", "ecs-memory", "rds-connections", "redis-hit-rate")}
    rows: dict[str, dict[int, float]] = {name: {} for name in ALL}
    burst, strength = 0, 1.0
    for minute in range(made.begin, made.end):

        def changed(name: str, value: float, minute: int = minute) -> float:
            return value * made.times.get(name, _once)(minute) + made.plus.get(name, _nothing)(minute)

        clock = (made.release + MINUTE * minute).hour * 60 + (made.release + MINUTE * minute).minute
        share = 1 + made.rhythm * math.sin(2 * math.pi * (clock - 540) / 1440)
        share *= math.exp(next(wander["traffic"]) / 2) * made.times.get(TRAFFIC, _once)(minute)
        requests = _count(chance, made.requests * share)
        if burst > 0:
            burst -= 1
        elif chance.random() < made.bursts / 60:
            burst, strength = chance.randrange(1, 5), chance.uniform(1.3, 4)
        by_itself = strength if burst else 1.0
        slow = math.exp(next(wander["alb-latency-p95"]) + chance.gauss(0, 0.8 / math.sqrt(max(requests, 1)))) * by_itself
        if chance.random() < made.heavy:
            slow *= chance.paretovariate(1.5)
        p95 = base["alb-latency-p95"] * slow * share**made.load
        rarer = 1.5 * (next(wander["tail"]) + chance.gauss(0, 1 / math.sqrt(requests + 1)))
        error_rate = max(changed("alb-5xx-rate", base["alb-5xx-rate"] * chance.gammavariate(2, 0.5)), 0.0)
        errors = _count(chance, min(error_rate, 100) / 100 * requests)
        row = {
            TRAFFIC: float(requests),
            "alb-latency-p95": changed("alb-latency-p95", p95),
            "alb-latency-p99": changed("alb-latency-p99", p95 * tail * math.exp(rarer)),
            "alb-5xx-rate": 100 * errors / requests if requests else 0.0,
            "alb-4xx-rate": 100 * _count(chance, base["alb-4xx-rate"] / 100 * requests) / requests if requests else 0.0,
            "api-availability": min(max(changed("api-availability", 100.0), 0.0), 100.0),
            "sentry-errors": float(_count(chance, max(changed("sentry-errors", base["sentry-errors"] * by_itself), 0.0))),
            "ecs-cpu": min(changed("ecs-cpu", base["ecs-cpu"] * share * math.exp(next(small["ecs-cpu"]))), 100.0),
            "ecs-memory": min(changed("ecs-memory", base["ecs-memory"] * math.exp(next(small["ecs-memory"]) / 2)), 100.0),
            "rds-cpu": min(changed("rds-cpu", base["rds-cpu"] * share * math.exp(next(wander["rds-cpu"]) / 2)), 100.0),
            "rds-connections": changed(
                "rds-connections", base["rds-connections"] * (0.8 + 0.2 * share) * math.exp(next(small["rds-connections"]))
            ),
            "redis-hit-rate": min(
                changed("redis-hit-rate", base["redis-hit-rate"] * math.exp(next(small["redis-hit-rate"]) / 4)), 100.0
            ),
        }
        for name, value in row.items():
            rows[name][minute] = value
    names = [name for name in made.signals if name in rows]
    if made.only and not set(made.only) & set(names):
        names.append(chance.choice(made.only))
    if not set(names) - {TRAFFIC}:
        names.append("alb-latency-p95")
    signals: dict[str, Mapping[datetime, float]] = {}
    for name in names:
        signals[name] = _recorded(made, rows[name], name == "sentry-errors")
    return Evidence(made.release, signals | made.more, made.healthy)


def _recorded(made: Service, row: Mapping[int, float], highest: bool = False) -> dict[datetime, float]:
    """A value each period, but for gaps."""
    start, offset = made.release.replace(second=0), made.offset
    found: dict[datetime, float] = {}
    missing = 0
    for minute in range(made.begin + offset, made.end - made.period + 1, made.period):
        values = [row[one] for one in range(minute, minute + made.period)]
        if missing > 0:
            missing -= 1
        elif made.chance.random() < made.gaps / 8:
            missing = made.chance.randrange(1, max(2, 8 // made.period))
        elif made.chance.random() >= made.gaps:
            found[start + MINUTE * minute] = float(f"{max(values) if highest else sum(values) / len(values):.5g}")
    return found


# Families: what happens to the service; `bad` is whether the release does it


def _hurt(made: Service, shape: Callable[[float, float], Callable[[int], float]], least: float = 1.5) -> None:
    """Errors, latency or both get worse, in the shape."""
    chance = made.chance
    what = chance.choice(("errors", "latency", "both"))
    if what != "errors":
        slower = chance.uniform(least, 4)
        made.multiply("alb-latency-p95", shape(slower, 1.0))
        made.multiply("alb-latency-p99", shape(slower * chance.uniform(0.9, 1.2), 1.0))
        made.add("ecs-cpu", shape(chance.uniform(0, 20), 0.0))
        made.only = ["alb-latency-p95"]
    if what != "latency":
        made.add("alb-5xx-rate", shape(chance.uniform(2, 30), 0.0))
        made.add("sentry-errors", shape(chance.uniform(10, 100), 0.0))
        made.only = ["alb-5xx-rate"]
        if chance.random() < 0.3:
            made.add("api-availability", shape(-chance.uniform(10, 60), 0.0))


def _step(made: Service, bad: bool) -> None:
    _steps(made, bad, made.chance.uniform(0, 3))


def _steps(made: Service, bad: bool, late: float, least: float = 1.5) -> None:
    """At the release if it is bad; otherwise clearly before it."""
    at = late if bad else -made.chance.uniform(8, 50)
    _hurt(made, lambda to, base: step(at, to, base), least)


def _ramp(made: Service, bad: bool) -> None:
    made.end = 60
    length = made.chance.uniform(8, 25)
    at = 0 if bad else -made.chance.uniform(1.2 * length, 70)
    _hurt(made, lambda to, base: ramp(at, length, to, base), 1.8)


def _leak(made: Service, bad: bool) -> None:
    """Memory that is not given back; requests get slow when little is left."""
    made.end = 60
    climb = made.chance.uniform(0.4, 1.2)
    if bad:
        made.add("ecs-memory", lambda minute: climb * max(minute, 0))
        slower = made.chance.uniform(1.5, 3)
        for name in ("alb-latency-p95", "alb-latency-p99"):
            made.multiply(name, ramp(25, 20, slower))
        made.only = ["ecs-memory", "alb-latency-p95"]
    else:  # as slow as ever, and for as long as anybody knows
        made.add("ecs-memory", lambda minute: climb / 25 * (minute - made.begin) / max(1, -made.begin / 120))


def _one_route(made: Service, bad: bool) -> None:
    if bad:
        made.add("alb-5xx-rate", step(made.chance.uniform(0, 3), made.chance.uniform(1.2, 5), 0))
        made.add("sentry-errors", step(made.chance.uniform(0, 3), made.chance.uniform(8, 50), 0))
    else:
        made.add("alb-5xx-rate", spell(made.chance.uniform(-40, -10), 5, made.chance.uniform(1.2, 5), 0))
    made.only = ["alb-5xx-rate"]


def _only_p99(made: Service, bad: bool) -> None:
    if bad:
        made.multiply("alb-latency-p99", step(made.chance.uniform(0, 3), made.chance.uniform(2, 5)))
    made.only = ["alb-latency-p99"]


def _crash_loop(made: Service, bad: bool) -> None:
    at = made.chance.uniform(0, 3) if bad else -made.chance.uniform(8, 50)
    made.add("alb-5xx-rate", step(at, made.chance.uniform(20, 90), 0))
    made.add("api-availability", step(at, -made.chance.uniform(30, 100), 0))
    made.only = ["alb-5xx-rate", "api-availability"]


def _spike(made: Service, _bad: bool) -> None:
    at, length = made.chance.uniform(0, 10), made.chance.uniform(1, 4)
    _hurt(made, lambda to, base: spell(at, length, to, base))


def _rhythm(made: Service, bad: bool) -> None:
    """In the steepest hours of the day, with or without days to compare with."""
    made.rhythm = made.chance.uniform(0.5, 0.85)
    made.load = made.chance.uniform(0.1, 0.6)
    made.release = made.release.replace(hour=made.chance.randrange(6, 12))
    if bad:
        _steps(made, True, 0, 1.7)


def _traffic_step(made: Service, _bad: bool) -> None:
    """A campaign: more requests, so more work and slower answers, at the release or some minutes later."""
    at, more = made.chance.uniform(-2, 15), made.chance.uniform(1.4, 3)
    made.multiply(TRAFFIC, step(at, more))
    for name in ("alb-latency-p95", "alb-latency-p99"):
        made.multiply(name, step(at, more ** made.chance.uniform(0, 1.4)))
    made.signals = [*{*made.signals, TRAFFIC, "ecs-cpu"}]


def _low_traffic(made: Service, bad: bool) -> None:
    made.requests = made.chance.uniform(2, 25)
    made.signals = [*{*made.signals, TRAFFIC}]
    if bad:
        at = made.chance.uniform(0, 3)
        made.add("alb-5xx-rate", step(at, made.chance.uniform(40, 100), 0))
        made.add("api-availability", step(at, -made.chance.uniform(20, 100), 0))
        made.signals = [*{*made.signals, "alb-5xx-rate", "api-availability"}]


def _dependency(made: Service, _bad: bool) -> None:
    """The database or the cache fails or gets slow, some minutes after an innocent release."""
    chance = made.chance
    made.end = max(made.end, 30)
    at = chance.uniform(1, 20)
    _hurt(made, lambda to, base: step(at, to, base))
    what = chance.choice(("saturated", "slow", "down", "cache"))
    minutes = range(made.begin, made.end)
    if what == "saturated":
        made.plus["rds-cpu"] = step(at, chance.uniform(90, 100), 0)
        made.signals = [*{*made.signals, "rds-cpu"}]
    elif what == "slow":
        at = chance.uniform(6, 20)
        made.times, made.plus = {}, {}
        _hurt(made, lambda to, base: step(at, to, base))
        made.add("rds-cpu", step(at, chance.uniform(30, 45), 0))
        made.signals = [*{*made.signals, "rds-cpu"}]
    elif what == "down":
        at = chance.uniform(6, 20)
        made.times, made.plus = {}, {}
        _hurt(made, lambda to, base: step(at, to, base))
        down = {minute: 0.0 if minute >= at else 100.0 for minute in minutes}
        made.more["database-availability"] = _recorded(made, down)
    else:
        nodes = {minute: 0.0 if minute >= at else 12.0 for minute in minutes}
        made.more["redis-nodes"] = _recorded(made, nodes)


def _zone(made: Service, _bad: bool) -> None:
    chance = made.chance
    at = chance.uniform(0, 15)
    made.end = max(made.end, 30)
    _hurt(made, lambda to, base: step(at, to, base))
    minutes = range(made.begin, made.end)
    lost = chance.choice(("a", "b"))
    for zone in ("a", "b"):
        healthy = {minute: 0.0 if zone == lost and minute >= at else 2.0 for minute in minutes}
        made.healthy[f"eu-central-1{zone}"] = _recorded(made, healthy)


def _gaps(made: Service, bad: bool) -> None:
    made.gaps = made.chance.uniform(0.02, 0.2)
    made.end = max(made.end, 30)
    if bad:
        _steps(made, True, made.chance.uniform(0, 3))


def _quiet(made: Service, _bad: bool) -> None:
    """Nothing happens."""
    made.end = 60


def _noisy(made: Service, bad: bool) -> None:
    """Heavy tails, bursts and a long memory; a bad release is much worse than that."""
    made.noise, made.heavy = made.chance.uniform(0.15, 0.35), made.chance.uniform(0.02, 0.1)
    made.bursts, made.memory = made.chance.uniform(1, 4), made.chance.uniform(0.3, 0.95)
    made.end = max(made.end, 30)
    if bad:
        _steps(made, True, 0, 3.0)


def _jumps(made: Service, _bad: bool) -> None:
    """It jumps from one level to another and back by itself, every quarter of an hour to two hours."""
    chance = made.chance
    for name in ("alb-latency-p95", "alb-latency-p99"):
        made.multiply(name, _levels(made, chance.uniform(15, 60), chance.uniform(1.2, 1.8)))
    high, levels = chance.uniform(3, 15), _levels(made, chance.uniform(15, 60), 2.0)
    made.add("ecs-cpu", lambda minute: high * (levels(minute) - 1))


def _levels(made: Service, length: float, high: float) -> Callable[[int], float]:
    found: dict[int, float] = {}
    level = 1.0
    for minute in range(made.begin, made.end):
        if made.chance.random() < 1 / length:
            level = high if level == 1.0 else 1.0
        found[minute] = level
    return found.__getitem__


def _drift(made: Service, _bad: bool) -> None:
    """It got slower and slower for hours before the release, and goes on."""
    by_hour = made.chance.uniform(1.03, 1.25)
    for name in ("alb-latency-p95", "alb-latency-p99"):
        made.multiply(name, lambda minute: by_hour ** (max(minute, -360) / 60))


def _single(made: Service, bad: bool) -> None:
    """One signal is all there is."""
    if bad:
        _steps(made, True, made.chance.uniform(0, 3))
        made.signals = [made.only[0]]
    else:
        made.signals = [made.chance.choice([*USERS, "ecs-cpu", "ecs-memory"])]


@dataclass(frozen=True)
class Family:
    """`both`: half of its releases are bad; otherwise none is."""

    title: str
    happens: Callable[[Service, bool], None]
    both: bool = True
    noticed: bool = True
    """By users, where the release is bad."""


FAMILIES = (
    Family("step", _step),
    Family("ramp", _ramp),
    Family("slow leak", _leak),
    Family("errors on one route", _one_route),
    Family("only p99", _only_p99),
    Family("crash loop", _crash_loop),
    Family("daily rhythm", _rhythm),
    Family("low traffic", _low_traffic),
    Family("gaps in data", _gaps),
    Family("noisy service", _noisy),
    Family("one signal", _single),
    Family("spike that goes away", _spike, both=False),
    Family("traffic step", _traffic_step, both=False),
    Family("dependency fault", _dependency, both=False),
    Family("zone loss", _zone, both=False),
    Family("jumps by itself", _jumps, both=False),
    Family("drifts by itself", _drift, both=False),
    Family("quiet", _quiet, both=False),
)


def cases(seed: int, family: Family, count: int) -> Iterator[Case]:
    """The family's cases, the same for the same seed: of a family with bad releases every other is bad; of any other every
    other has no release at all, only the time at which it is asked."""
    for number in range(count):
        chance = random.Random(f"{seed} {family.title} {number}")  # noqa: S311 - the same cases each time
        first = number % 2 == 0
        made = service(chance)
        bad = family.both and first
        family.happens(made, bad)
        if first or family.both:
            deploy(made)
        evidence = record(made)
        yield Case(family.title, bad, evidence, made.release + MINUTE * made.end, made.period)
