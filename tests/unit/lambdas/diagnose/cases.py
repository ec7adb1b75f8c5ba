"""Outages whose cause is known: facts as a diagnosis would read them, alone and with what misleads.

`python -m tests.unit.lambdas.diagnose.cases` prints how many of them the rules get right, by cause.
"""

import random
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from lambdas.diagnose.facts import (
    Behind,
    Changed,
    Deployed,
    ErrorGroup,
    Facts,
    RowFiring,
    ServiceState,
    Signal,
    Stopped,
    Target,
)
from lambdas.diagnose.findings import ranked
from lambdas.diagnose.measured import SIGNALS
from runbook.alarms import reading
from runbook.rows import ROWS, Level
from tests.unit.lambdas.diagnose.aws import NOON, SETTINGS, at

NAMES = {**SETTINGS.model_dump(), "incident": "2026-03-02-1"}
ZONES = ("us-east-1a", "us-east-1b")
_UNITS = {one.key: one for one in SIGNALS}
_ROWS = {row.slug: row for row in ROWS}


def row(slug: str, value: float, level: Level = "critical") -> RowFiring:
    """A row that is past a line."""
    found = _ROWS[slug]
    return RowFiring(slug=slug, level=level, measured=reading(found, value), dependency=found.dependency)


def signals(**changed: tuple[float, float]) -> Mapping[str, Signal]:
    """The signals of a quiet day, and these before and now."""
    quiet = {
        "requests": 600.0,
        "errors": 0.0,
        "p95": 0.2,
        "cpu": 35.0,
        "memory": 40.0,
        "database_cpu": 30.0,
        "database_load": 0.4,
    }
    both = {**{name: (value, value) for name, value in quiet.items()}, **changed}
    keys = {name.replace("_", " "): pair for name, pair in both.items()}
    return {key: Signal(_UNITS[key].title, _UNITS[key].unit, *pair) for key, pair in keys.items()}


def release(minutes: float = -10, status: str = "SUCCESSFUL", **more: Any) -> Deployed:
    """A deployment that began so many minutes after it began, and took two."""
    finished = None if status == "IN_PROGRESS" else at(minutes + 2)
    given = {"id": "new", "revision": "backend:8", "commit": "b4d", "created": at(minutes), "finished": finished}
    return Deployed(status=status, **{**given, **more})


OLD = release(-3000, id="old", revision="backend:7", commit="900d")
NEW_ERROR = ErrorGroup(pattern="TypeError", now=240, before=0, example="TypeError: x is undefined", request="r-1")
KNOWN_ERROR = ErrorGroup(pattern="ValidationError", now=3, before=3, example="ValidationError: name")


def quiet(**more: Any) -> Facts:
    """All is well; a deployment was made two days ago."""
    given: dict[str, Any] = {
        "rows": (),
        "signals": signals(),
        "service": ServiceState(running=2, desired=2, pending=0, zones=ZONES),
        "deployments": (OLD,),
        "errors": (KNOWN_ERROR,),
        "database": Behind(name="database postgres", status="available"),
        "cache": Behind(name="cache redis", status="available"),
        "targets": tuple(Target(zone, "healthy") for zone in ZONES),
        "changes": (),
    }
    return Facts(at=at(3), began=NOON, zones=ZONES, most_tasks=4, **{**given, **more})


def error(text: str, now: int = 200) -> ErrorGroup:
    return ErrorGroup(pattern=text, now=now, before=0, example=text)


def stopped(reason: str, exit_code: int | None = 1, count: int = 4) -> ServiceState:
    tasks = (Stopped(at=at(1), reason=reason, exit_code=exit_code, revision="backend:8", zone=ZONES[0]),) * count
    return ServiceState(running=1, desired=2, pending=1, zones=ZONES[:1], stopped=tasks)


def changed(kind: Any, what: str, minutes: float = -6) -> Changed:
    return Changed(at=at(minutes), kind=kind, what=what, by="ada")


FAILS = (row("alb-5xx-rate", 40), row("api-availability", 0))
SLOW = row("alb-latency-p95", 3.1)
UNHEALTHY = tuple(Target(zone, "unhealthy", "Health checks failed") for zone in ZONES)


@dataclass(frozen=True)
class Case:
    """An outage: its name, its cause, and what is read."""

    name: str
    cause: str
    facts: Facts
    clear: bool = True
    """Whether a person would tell it from a release that was made just before."""


CASES: tuple[Case, ...] = (
    Case("a release answers 500", "release",
         quiet(rows=FAILS[:1], deployments=(release(), OLD), errors=(NEW_ERROR, KNOWN_ERROR))),
    Case("a release is slow", "release",
         quiet(rows=(SLOW,), deployments=(release(), OLD), signals=signals(p95=(0.2, 3.1), cpu=(35, 60)))),
    Case("a release crashes", "release",
         quiet(rows=(*FAILS, row("tasks-running", 50)), deployments=(release(), OLD), errors=(NEW_ERROR,),
               service=stopped("Essential container in task exited"))),
    Case("a release leaks memory", "release",
         quiet(rows=(row("ecs-memory", 97), *FAILS), deployments=(release(-40), OLD),
               service=stopped("OutOfMemoryError: Container killed due to memory usage", 137),
               signals=signals(memory=(40, 97)))),
    Case("a release is rolled out and fails", "release",
         quiet(rows=FAILS[:1], deployments=(release(-3, "IN_PROGRESS"), OLD), errors=(NEW_ERROR,))),
    Case("ECS took a release back", "release",
         quiet(rows=FAILS[:1], deployments=(release(-6, "ROLLBACK_SUCCESSFUL"), OLD), errors=(NEW_ERROR,))),
    Case("a deployment cannot read its secret", "configuration",
         quiet(rows=(row("tasks-running", 50),), deployments=(release(-8, "IN_PROGRESS", same_image=True), OLD),
               service=stopped("ResourceInitializationError: unable to pull secrets or registry auth", None))),
    Case("a parameter group was changed", "configuration",
         quiet(rows=FAILS[:1], changes=(changed("configuration", "ModifyDBParameterGroup on pg-params (rds)"),),
               errors=(error('FATAL: password authentication failed for user "hz_admin"'),))),
    Case("a security group was changed, and nothing else is known", "configuration",
         quiet(rows=FAILS[:1], changes=(changed("configuration", "RevokeSecurityGroupIngress on sg (ec2)"),))),
    Case("a deployment changed only the configuration", "configuration",
         quiet(rows=FAILS[:1], deployments=(release(same_image=True), OLD),
               changes=(changed("configuration", "stack backend UPDATE_COMPLETE"),),
               errors=(error("Error: STRIPE_KEY is not set"),))),
    Case("the database is stopped", "database",
         quiet(rows=(*FAILS, row("database-availability", 0)), database=Behind(name="database postgres", status="stopped"),
               targets=UNHEALTHY)),
    Case("the database fails over", "database",
         quiet(rows=(*FAILS, row("database-availability", 0), row("rds-failovers", 2)), targets=UNHEALTHY,
               database=Behind(name="database postgres", status="available",
                               events=("12:00:10 UTC Multi-AZ instance failover started.",)))),
    Case("the database has no connection left", "database",
         quiet(rows=(*FAILS, row("rds-connections", 200)), errors=(error("error: sorry, too many clients already"),))),
    Case("a query takes the database's CPU", "database",
         quiet(rows=(SLOW, row("rds-cpu", 99)), signals=signals(p95=(0.2, 3.1), database_cpu=(30, 99), database_load=(0.4, 12)))),
    Case("the database's disk is full", "database",
         quiet(rows=(*FAILS, row("rds-free-storage", 0)), database=Behind(name="database postgres", status="storage-full"))),
    Case("a node of the cache is down", "cache",
         quiet(rows=(SLOW, row("redis-nodes", 0)), cache=Behind(name="cache redis", status="modifying"),
               errors=(error("Error: connect ECONNREFUSED redis:6379"),))),
    Case("the cache is full", "cache",
         quiet(rows=(SLOW, row("redis-memory", 100), row("redis-evictions", 5000)), signals=signals(p95=(0.2, 3.1)))),
    Case("the cache fails over", "cache",
         quiet(rows=(SLOW,), signals=signals(p95=(0.2, 3.1)), errors=(error("Error: Redis connection lost"),),
               cache=Behind(name="cache redis", status="available", events=("12:00:05 UTC Failover to replica node completed",)))),
    Case("traffic strains the tasks", "capacity",
         quiet(rows=(SLOW, row("ecs-cpu", 80, "warning")), signals=signals(requests=(600, 1300), p95=(0.2, 3.1), cpu=(35, 80)))),
    Case("more traffic than the tasks can serve", "capacity",
         quiet(rows=(SLOW, row("ecs-cpu", 99)), signals=signals(requests=(600, 2400), p95=(0.2, 3.1), cpu=(35, 99)),
               service=ServiceState(running=4, desired=4, pending=0, zones=ZONES))),
    Case("tasks run out of memory under load", "capacity",
         quiet(rows=(row("ecs-memory", 99), row("tasks-running", 50)), signals=signals(requests=(600, 1500), memory=(40, 99)),
               service=stopped("OutOfMemoryError: Container killed due to memory usage", 137))),
    Case("the NAT gateway has no port left", "capacity",
         quiet(rows=(SLOW, row("nat-ports", 4000)), signals=signals(p95=(0.2, 3.1), requests=(600, 1500)))),
    Case("a zone fails", "zone",
         quiet(rows=(row("unhealthy-hosts", 50), row("alb-5xx-rate", 30)),
               targets=(Target(ZONES[0], "unhealthy"), Target(ZONES[1], "healthy")))),
    Case("a zone is lost with its tasks", "zone",
         quiet(rows=(row("tasks-running", 50),), service=ServiceState(running=1, desired=2, pending=1, zones=ZONES[1:]),
               targets=(Target(ZONES[0], "unused"), Target(ZONES[1], "healthy")))),
    Case("a service that the backend calls is down", "outside",
         quiet(rows=FAILS[:1], errors=(error("Error: connect ETIMEDOUT api.trade.gov:443"),))),
    Case("a service that the backend calls is slow", "outside",
         quiet(rows=(SLOW,), signals=signals(p95=(0.2, 3.1))), clear=False),
    Case("no request arrives", "outside", quiet(rows=(), signals=signals(requests=(600, 12)))),
    Case("an upload broke the frontend", "frontend",
         quiet(rows=(row("frontend-availability", 0),), changes=(changed("frontend", "index.html was uploaded"),))),
    Case("CloudFront does not answer", "frontend", quiet(rows=(row("frontend-availability", 0),))),
)  # fmt: skip
"""Each cause alone, as clear as it gets."""


ZONED: tuple[Case, ...] = tuple(
    Case(f"{share:.0%} of the errors are in one zone", cause, quiet(
        rows=(row("alb-5xx-rate", 30),),
        signals={**signals(), **{
            f"{kind} {zone}": Signal(kind, "a minute", 0, value)
            for kind, values in (("requests", (300, 300)), ("errors", (share * 100, (1 - share) * 100)))
            for zone, value in zip(ZONES, values, strict=True)
        }},
    ))
    for share, cause in ((0.95, "zone"), (0.6, "outside"))
)  # fmt: skip
"""With the load balancer's counts by zone."""


def misled(case: Case, chance: random.Random) -> Iterator[Case]:
    """The same outage with what misleads: an innocent release just before, noise, and each fact that could not be read."""
    facts = case.facts
    if case.clear and case.cause not in ("release", "configuration"):
        innocent = (release(-chance.uniform(5, 50)), *(facts.deployments or ()))
        yield replace(case, name=f"{case.name}, after an innocent release", facts=replace(facts, deployments=innocent))
        scaled = (*(facts.changes or ()), changed("scaling", "desired count 3", -chance.uniform(1, 50)))
        yield replace(case, name=f"{case.name}, after scaling", facts=replace(facts, changes=scaled))
    noise = {
        key: replace(one, now=one.now * chance.uniform(0.8, 1.2)) for key, one in facts.signals.items() if one.now is not None
    }
    yield replace(case, name=f"{case.name}, with noise", facts=replace(facts, signals=noise))
    more = (*(facts.errors or ()), ErrorGroup(pattern="rare", now=1, before=1, example="rare"))
    yield replace(case, name=f"{case.name}, with known errors", facts=replace(facts, errors=more))
    late = (release(1.5, "IN_PROGRESS", id="fix"), *(facts.deployments or ()))
    yield replace(case, name=f"{case.name}, while somebody deploys a fix", facts=replace(facts, deployments=late))


_FACTS: Mapping[str, Callable[[Facts], Facts]] = {
    "signals": lambda facts: replace(facts, signals={}),
    **{
        name: (lambda facts, name=name: replace(facts, **{name: None}))
        for name in ("service", "deployments", "errors", "database", "cache", "targets", "changes")
    },
}


def blinded(case: Case) -> Iterator[Case]:
    """The same outage, each fact in turn unread."""
    for name, without in _FACTS.items():
        facts = replace(without(case.facts), missing={name: "AccessDenied"})
        yield replace(case, name=f"{case.name}, {name} unread", facts=facts)


def top(facts: Facts) -> str:
    """The most likely hypothesis."""
    return ranked(facts, NAMES)[0].hypothesis


def main(seed: int = 1, times: int = 100) -> None:
    """Print what is right, what is left open because a fact is unread, and what is wrong."""
    chance = random.Random(seed)  # noqa: S311 - the same each time
    counts: Counter[tuple[str, str]] = Counter()
    wrong: Counter[tuple[str, str]] = Counter()
    for case in CASES:
        generated = [case, *(one for _ in range(times) for one in misled(case, chance))]
        unread = [one for each in generated[:6] for one in blinded(each)]
        for one in (*generated, *unread):
            found = top(one.facts)
            kind = "right" if found == case.cause else "open" if found == "unknown" and one.facts.missing else "wrong"
            counts[f"{case.cause}{', a fact unread' if one.facts.missing else ''}", kind] += 1
            if kind == "wrong":
                wrong[one.name, found] += 1
    print(f"{'':32}{'cases':>8}{'right':>8}{'open':>8}{'wrong':>8}")
    for key in (*sorted({key for key, _ in counts}), "all"):
        kinds = [sum(count for (of, one), count in counts.items() if key in (of, "all") and one == kind) for kind in KINDS]
        print(f"{key:32}{sum(kinds):8}" + "".join(f"{count:8}" for count in kinds))
    for (name, found), count in wrong.most_common(30):
        print(f"  {count:5} times {found} instead: {name}")


KINDS = ("right", "open", "wrong")

if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
