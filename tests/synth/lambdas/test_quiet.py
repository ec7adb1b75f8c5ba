"""Quiet by design: the alarms of the template, judged minute by minute, and who is notified of them.

The states are the replay's, over metrics as an incident makes them; what people get is `notify`'s plan for those states.
"""

import json
from collections.abc import Callable, Container, Mapping, Sequence
from datetime import UTC, datetime
from functools import cache
from typing import Any

import pytest

from lambdas.common import settings
from lambdas.notify.alarms import Alarms
from lambdas.notify.plan import Memory, plan
from lambdas.notify.settings import NotifySettings
from local.cloudwatch.alarms import Alarm
from local.cloudwatch.loop import MINUTE
from local.replay import definitions
from local.replay.replay import replay
from local.replay.trace import Trace
from runbook.rules import CALL
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
    """The notifications of that many minutes, by minute, kind and alarm. `bad` says what a row measures instead of its quiet
    value; the sets are the minutes in which a deployment is under way, and maintenance is on."""
    measured = {
        slug: [
            (BEGIN + MINUTE * at, value)
            for at in range(minutes)
            if (value := bad.get(slug, lambda _, it=usual: it)(at)) is not None
        ]
        for slug, usual in QUIET.items()
    }
    alarms, seen = monitored()
    states: dict[str, dict[str, Any]] = {one["AlarmName"]: {**one, "StateUpdatedTimestamp": BEGIN} for one in alarms}
    replayed = replay(Trace("an incident", measured, dict.fromkeys(measured, 1)), alarms, PRODUCTION)
    changes = [change for result in replayed.results for change in result.transitions]
    memory: dict[str, Memory] = {}
    found: Sent = []
    for minute in range(minutes + 1):
        now = BEGIN + MINUTE * minute
        for change in (one for one in changes if one.at == now):
            states[change.alarm] |= {"StateValue": change.new, "StateUpdatedTimestamp": now}
        news, memory = plan(
            [seen.alarm(state) for state in states.values()],
            memory,
            now,
            deploying=minute in deploying,
            maintenance=minute in maintenance,
        )
        found += [(minute, one.kind, one.alarm.slug) for one in news]
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


def test_a_rollback_that_does_not_help_pages_within_ten_minutes_of_the_alarm() -> None:
    found = sent(60, during(range(20, 60), BAD_RELEASE), deploying=range(18, 60))
    assert found == [(32, "open", "service-down")]


def test_flapping_is_one_notification() -> None:
    def error_rate(at: int) -> float:
        return 60.0 if 20 <= at < 60 and at % 8 < 4 else 0.0

    found = sent(90, {"alb-5xx-rate": error_rate})
    assert [(kind, name) for _, kind, name in found if name == "service-down"] == [
        ("open", "service-down"),
        ("close", "service-down"),
    ]
