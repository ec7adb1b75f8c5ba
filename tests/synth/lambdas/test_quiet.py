"""Quiet by design: the alarms of the template, judged minute by minute, and who is notified of them.

The states are the replay's, over metrics as an incident makes them; what people get is `notify`'s plan for those states.
"""

import json
import random
from collections.abc import Callable, Container, Mapping, Sequence
from datetime import UTC, datetime
from functools import cache
from itertools import pairwise
from typing import Any

import pytest

from lambdas.common import settings
from lambdas.common.alarms import Alarms
from lambdas.notify.plan import ENDS, Memory, Notification, plan
from lambdas.notify.settings import NotifySettings
from local.cloudwatch.alarms import Alarm
from local.cloudwatch.loop import MINUTE
from local.replay import definitions
from local.replay.replay import replay
from local.replay.trace import Trace
from runbook.rules import CALL
from runbook.severities import CALLED
from tests.environments import PRODUCTION
from tests.synth.assemblies import templates

BEGIN = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
QUIET = {
    "ecs-cpu": 35.0,
    "ecs-memory": 48.0,
    "rds-cpu": 22.0,
    "rds-connections": 40.0,
    "redis-memory": 31.0,
    "alb-5xx-rate": 0.0,
    "alb-latency-p95": 0.1,
    "unhealthy-hosts": 0.0,
    "sentry-errors": 1.0,
    "api-availability": 100.0,
    "database-availability": 100.0,
    "frontend-availability": 100.0,
    "alb-5xx-rate-low-traffic": 0.0,
    "alb-latency-p95-low-traffic": 0.1,
    "tasks-running": 100.0,
    "ecs-cpu-hottest": 60.0,
    "target-connections": 0.0,
    "nat-ports": 0.0,
    "rds-free-storage": 60.0,
    "rds-free-memory": 2000.0,
    "rds-cpu-credits": 500.0,
    "redis-nodes": 6.0,
    "redis-evictions": 0.0,
    "redis-replication-lag": 0.1,
}
# What the service shows when its database is gone: every task answers 503, to its health check too.
WITHOUT_DATABASE = {
    "alb-5xx-rate": 100.0,
    "unhealthy-hosts": 100.0,
    "sentry-errors": 400.0,
    "api-availability": 0.0,
    "database-availability": 0.0,
}
BAD_RELEASE = {"alb-5xx-rate": 60.0, "sentry-errors": 300.0}

PROBED = f"AWS/Lambda Invocations FunctionName={PRODUCTION.function('health-check')}"
"""The health check runs each minute."""

Sent = list[tuple[int, str, str]]


@cache
def monitored() -> tuple[tuple[Alarm, ...], Alarms]:
    """The template's alarms, the topic's ARN in place of what refers to it, and how `notify` reads alarms."""
    remediation, monitoring = templates("production")["remediation"], templates("production")["monitoring"]
    (exported,) = [
        output["Export"]["Name"]
        for output in remediation.body["Outputs"].values()
        if output["Value"].get("Ref", "").startswith("Alarms")
    ]
    topic = PRODUCTION.arn("sns", PRODUCTION.alarms_topic)
    resolved = json.dumps(monitoring.body).replace(json.dumps({"Fn::ImportValue": exported}), json.dumps(topic))
    function = remediation.properties("AWS::Lambda::Function", FunctionName=PRODUCTION.function("notify"))
    configured = settings.read(NotifySettings, function["Environment"]["Variables"])
    return tuple(definitions.alarms(json.loads(resolved), PRODUCTION)), Alarms(configured)


def sent(
    minutes: int,
    bad: Mapping[str, Callable[[int], float | None]],
    *,
    deploying: Container[int] = (),
    maintenance: Container[int] = (),
) -> Sent:
    """What people are told in that many minutes, by minute, kind and alarm."""
    found = notified(minutes, bad, deploying=deploying, maintenance=maintenance)
    return [(minute, one.kind, one.alarm.slug) for minute, one in found]


def notified(
    minutes: int,
    bad: Mapping[str, Callable[[int], float | None]],
    *,
    deploying: Container[int] = (),
    maintenance: Container[int] = (),
) -> list[tuple[int, Notification]]:
    """The notifications of that many minutes, each with its minute. `bad` says what a row measures instead of its quiet
    value; the sets are the minutes in which a deployment is under way, and maintenance is on."""
    measured = {
        slug: [
            (BEGIN + MINUTE * at, value)
            for at in range(minutes)
            if (value := bad.get(slug, lambda _, it=usual: it)(at)) is not None
        ]
        for slug, usual in {**QUIET, PROBED: 1.0}.items()
    }
    alarms, seen = monitored()
    states: dict[str, dict[str, Any]] = {one["AlarmName"]: {**one, "StateUpdatedTimestamp": BEGIN} for one in alarms}
    replayed = replay(Trace("an incident", measured, dict.fromkeys(measured, 1)), alarms, PRODUCTION)
    changes = [change for result in replayed.results for change in result.transitions]
    read = {name: seen.alarm(state) for name, state in states.items()}
    memory: dict[str, Memory] = {}
    found: list[tuple[int, Notification]] = []
    for minute in range(minutes + 1):
        now = BEGIN + MINUTE * minute
        for change in (one for one in changes if one.at == now):
            states[change.alarm] |= {"StateValue": change.new, "StateUpdatedTimestamp": now}
            read[change.alarm] = seen.alarm(states[change.alarm])
        news, memory = plan(
            read.values(),
            memory,
            now,
            deploying=minute in deploying,
            maintenance=minute in maintenance,
        )
        found += [(minute, one) for one in news]
    return found


def during(window: range, values: Mapping[str, float]) -> dict[str, Callable[[int], float | None]]:
    return {slug: lambda at, slug=slug, value=value: value if at in window else QUIET[slug] for slug, value in values.items()}  # type: ignore[misc]


def opened(found: Sequence[tuple[int, str, str]]) -> list[str]:
    return [name for _, kind, name in found if kind == "open"]


def test_on_a_quiet_day_nobody_is_notified() -> None:
    assert sent(60, {}) == []


def test_a_database_outage_pages_once() -> None:
    found = sent(70, during(range(20, 40), WITHOUT_DATABASE))
    assert opened(found) == ["database-down"]
    assert [(kind, name) for _, kind, name in found] == [("open", "database-down"), ("close", "database-down")]


@pytest.mark.parametrize("outage", [WITHOUT_DATABASE, BAD_RELEASE, {"frontend-availability": 0.0}])
def test_somebody_is_called_within_the_stated_budget(outage: Mapping[str, float]) -> None:
    ((called, _, _), *_) = sent(70, during(range(20, 40), outage))
    assert (called - 20) * MINUTE <= CALL


@pytest.mark.parametrize("outage", [WITHOUT_DATABASE, BAD_RELEASE, {"frontend-availability": 0.0}])
def test_what_lasts_a_minute_calls_nobody(outage: Mapping[str, float]) -> None:
    assert sent(70, during(range(20, 21), outage)) == []


def test_it_pages_once_whichever_alarm_notices_first() -> None:
    """The load balancer's metrics may come a minute before the health check's, and a minute after."""
    for early, value in WITHOUT_DATABASE.items():
        bad = during(range(21, 40), WITHOUT_DATABASE) | during(range(20, 40), {early: value})
        assert opened(sent(70, bad)) == ["database-down"], early


@pytest.mark.parametrize(
    ("slug", "value", "page"),
    [
        ("alb-5xx-rate", 60.0, "service-down"),
        ("api-availability", 0.0, "service-down"),
        ("frontend-availability", 0.0, "frontend-down"),
        ("rds-cpu", 97.0, "database-impaired"),
        ("rds-connections", 190.0, "database-impaired"),
        ("redis-memory", 96.0, "cache-impaired"),
        ("alb-latency-p95", 4.0, "service-degraded"),
        ("unhealthy-hosts", 100.0, "service-degraded"),
        ("ecs-cpu", 95.0, "service-degraded"),
        ("ecs-memory", 95.0, "service-degraded"),
        ("sentry-errors", 200.0, "service-degraded"),
        ("database-availability", 0.0, "database-down"),
        ("tasks-running", 0.0, "service-degraded"),
        ("ecs-cpu-hottest", 100.0, "service-degraded"),
        ("target-connections", 80.0, "service-degraded"),
        ("nat-ports", 200.0, "service-degraded"),
        ("rds-free-storage", 2.0, "database-impaired"),
        ("rds-free-memory", 60.0, "database-impaired"),
        ("redis-nodes", 0.0, "cache-impaired"),
        ("redis-evictions", 3000.0, "cache-impaired"),
        ("redis-replication-lag", 90.0, "cache-impaired"),
    ],
)
def test_each_row_past_its_critical_line_pages_once(slug: str, value: float, page: str) -> None:
    assert opened(sent(60, during(range(20, 35), {slug: value}))) == [page]


def test_a_database_at_its_limits_that_takes_the_service_down_is_first_one_page_then_the_greater() -> None:
    bad = during(range(15, 45), {"rds-connections": 195.0}) | during(range(25, 45), {"alb-5xx-rate": 40.0})
    assert opened(sent(80, bad)) == ["database-impaired", "service-down"]


def test_a_slow_database_behind_a_slow_service_pages_for_the_database() -> None:
    bad = during(range(20, 40), {"rds-cpu": 98.0, "alb-latency-p95": 5.0})
    assert opened(sent(70, bad)) == ["database-impaired"]


def test_maintenance_mutes_and_the_alarms_are_judged_all_the_same() -> None:
    bad = during(range(20, 40), WITHOUT_DATABASE)
    assert sent(70, bad, maintenance=range(15, 55)) == []


def test_what_outlasts_maintenance_is_sent_when_it_ends() -> None:
    found = sent(60, during(range(20, 60), WITHOUT_DATABASE), maintenance=range(15, 45))
    assert found == [(45, "open", "database-down")]


def test_a_deployment_does_not_page_for_what_its_own_rollback_handles() -> None:
    found = sent(60, during(range(20, 25), BAD_RELEASE), deploying=range(18, 28))
    assert opened(found) == []
    assert ("handled", "service-down") in [(kind, name) for _, kind, name in found]


def test_a_release_that_breaks_its_database_connection_is_handled_as_well() -> None:
    assert opened(sent(60, during(range(20, 25), WITHOUT_DATABASE), deploying=range(18, 28))) == []


def test_a_rollback_that_does_not_help_pages_within_five_minutes_of_the_alarm() -> None:
    found = sent(60, during(range(20, 60), BAD_RELEASE), deploying=range(18, 60))
    assert found == [(27, "open", "service-down")]


def test_a_database_outage_during_a_release_pages_within_five_minutes_of_the_alarm() -> None:
    found = sent(60, during(range(20, 60), WITHOUT_DATABASE), deploying=range(18, 60))
    assert found == [(27, "open", "database-down")]


def test_a_release_does_not_hold_a_page_back_when_the_database_says_that_it_is_at_its_limits() -> None:
    bad = during(range(20, 60), {**BAD_RELEASE, "rds-connections": 195.0})
    assert opened(sent(60, bad, deploying=range(18, 60))) == ["service-down"]
    ((called, _, _),) = sent(60, bad, deploying=range(18, 60))
    assert (called - 20) * MINUTE <= CALL


def test_flapping_is_one_call_and_one_word_that_it_flaps() -> None:
    def error_rate(at: int) -> float:
        return 60.0 if 20 <= at < 140 and at % 6 < 3 else 0.0

    found = sent(220, {"alb-5xx-rate": error_rate})
    assert [kind for _, kind, name in found if name == "service-down"] == ["open", "flapping", "close"]


@pytest.mark.parametrize("slug", ["alb-5xx-rate", "alb-latency-p95", "api-availability", "frontend-availability"])
def test_an_outage_of_one_minute_in_three_is_told_within_half_an_hour_and_once(slug: str) -> None:
    worst = 0.0 if "availability" in slug else 60.0
    found = sent(270, {slug: lambda at: worst if 20 <= at < 170 and at % 3 == 0 else QUIET[slug]})
    assert {name for _, _, name in found} == {"service-unsteady"}
    assert [kind for _, kind, _ in found] == ["open", "flapping", "close"], "one call, one word that it comes and goes, one end"
    assert found[0][0] - 20 <= 30


@pytest.mark.parametrize("minutes", [5, 12, 30, 60])
def test_an_outage_that_is_over_is_not_told_again_as_one_that_recurs(minutes: int) -> None:
    found = sent(150, during(range(20, 20 + minutes), {"alb-5xx-rate": 60.0, "api-availability": 0.0}))
    assert opened(found) == ["service-down"]


def test_a_bad_minute_soon_after_an_outage_that_was_told_calls_nobody_again() -> None:
    def error_rate(at: int) -> float:
        return 60.0 if 20 <= at < 40 or at in (45, 55, 60) else 0.0

    assert opened(sent(150, {"alb-5xx-rate": error_rate})) == ["service-down"]


def test_an_outage_that_was_told_and_goes_on_in_one_minute_of_three_is_told() -> None:
    def error_rate(at: int) -> float:
        return 60.0 if 20 <= at < 40 or (40 <= at < 170 and at % 3 == 0) else 0.0

    found = sent(260, {"alb-5xx-rate": error_rate})
    assert [(kind, name) for _, kind, name in found] == [
        ("open", "service-down"),
        ("close", "service-down"),
        ("flapping", "service-unsteady"),
        ("close", "service-unsteady"),
    ]
    told = next(at for at, _, name in found if name == "service-unsteady")
    assert told - 40 <= 35, told


def test_a_health_check_that_falls_silent_is_one_call_and_no_mail_for_each_thing_that_it_measures() -> None:
    measures = (PROBED, "api-availability", "database-availability", "frontend-availability")
    ((called, *what),) = sent(60, dict.fromkeys(measures, lambda at: 100.0 if at < 20 else None))
    assert what == ["open", "health-check-silent-critical"]
    assert called - 20 <= 6


def test_credits_that_are_used_up_wake_nobody() -> None:
    found = notified(60, {"rds-cpu-credits": lambda _: 5.0})
    assert {one.severity for _, one in found} <= {"P3", "P4"}
    assert [one.alarm.slug for _, one in found if one.severity == "P3"] == ["database-credits"]


def test_one_task_of_two_that_is_lost_is_told_and_not_rolled_back() -> None:
    bad = during(range(20, 40), {"unhealthy-hosts": 50.0, "tasks-running": 50.0})
    assert opened(sent(60, bad)) == ["service-degraded"]
    assert not next(row for row in PRODUCTION.table if row.slug == "unhealthy-hosts").users_affected


# Series as real ones are: one lives near its line, the other works in bursts. Real traces of two weeks made 85 and 144 calls before.

DAY = 24 * 60


def near_the_line(days: int, seed: int) -> Callable[[int], float]:
    """A CPU that lives near 90 %: for some hours over it, for others under it, and mostly to and fro every few minutes."""
    chance = random.Random(seed)  # noqa: S311 - a trace, not a secret
    values: list[float] = []
    while len(values) < days * DAY:
        level = chance.choice([88.0, 89.5, 90.0, 90.5, 92.0])
        for _ in range(chance.randrange(6, 60)):  # a value for five minutes, as AWS publishes them without detailed monitoring
            values += [level + chance.gauss(0, 2)] * 5
    return values.__getitem__


def bursts(days: int, seed: int) -> Callable[[int], float]:
    """A CPU that rests, and works at its limit for 5 to 20 minutes about every two hours, sometimes twice in a row."""
    chance = random.Random(seed)  # noqa: S311 - a trace, not a secret
    values: list[float] = []
    while len(values) < days * DAY:
        values += [5.0] * int(chance.expovariate(1 / chance.choice([15, 120, 180])))
        values += [chance.uniform(86, 99)] * chance.choice([5, 10, 15, 20])
    return values.__getitem__


@pytest.mark.parametrize("row", ["rds-cpu", "ecs-cpu"])
@pytest.mark.parametrize("trace", [near_the_line, bursts])
def test_a_cpu_that_lives_near_the_line_is_at_most_one_call_a_day(
    trace: Callable[..., Callable[[int], float]], row: str
) -> None:
    days = 4
    found = notified(days * DAY - 1, {row: trace(days, seed=7)})
    open_calls: set[str] = set()
    calls: list[int] = []
    for minute, one in found:  # as PagerDuty counts: what is open already calls nobody again
        if one.severity not in CALLED:
            continue
        if one.kind in ENDS:
            open_calls.discard(one.alarm.slug)
        elif one.alarm.slug not in open_calls:
            open_calls.add(one.alarm.slug)
            calls.append(minute)
    assert calls
    assert all(later - earlier >= DAY for earlier, later in pairwise(calls)), calls
    mails = [one for _, one in found if one.severity in (*CALLED, "P3")]
    assert len(mails) <= 10 * days
