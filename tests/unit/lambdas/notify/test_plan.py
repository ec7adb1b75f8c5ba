"""Who is told what, and when: the rules of quiet, one by one."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lambdas.notify.alarms import Alarm
from lambdas.notify.plan import Memory, plan
from runbook.alarms import Description
from runbook.pages import PAGES, Page
from runbook.rules import CALL, DETECTION, HOLD
from runbook.sections import Section
from runbook.severities import Severity

NOON = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
MINUTE = timedelta(minutes=1)


def alarm(
    slug: str = "frontend-down",
    severity: Severity = "P1",
    *,
    firing: bool = True,
    since: datetime = NOON,
    notifies: bool = True,
) -> Alarm:
    """An alarm that fires since noon."""
    description = Description("What is wrong", "a cause", severity, Section.HIGH_ERROR_RATE)
    return Alarm(slug, slug, firing, since, notifies, description)


class Pager:
    """Minutes pass; what people are told is kept with the minute after noon."""

    def __init__(self) -> None:
        self.memory: dict[str, Memory] = {}
        self.told: list[tuple[float, str, str]] = []

    def look(self, minute: float, *alarms: Alarm, deploying: bool = False, maintenance: bool = False) -> "Pager":
        now = NOON + minute * MINUTE
        news, self.memory = plan(alarms, self.memory, now, deploying=deploying, maintenance=maintenance)
        self.told += [(minute, one.kind, one.alarm.name) for one in news]
        return self


@pytest.fixture
def pager() -> Pager:
    return Pager()


def calm(minute: float, slug: str = "frontend-down", severity: Severity = "P1") -> Alarm:
    """A page that ended this many minutes after noon."""
    return alarm(slug, severity, firing=False, since=NOON + minute * MINUTE)


# Told once


@pytest.mark.parametrize("slug", ["database-down", "frontend-down"])
def test_a_page_that_nothing_explains_is_told_at_once_and_once(pager: Pager, slug: str) -> None:
    for minute in (0, 1, 2, 3, 4):
        pager.look(minute, alarm(slug))
    assert pager.told == [(0, "open", slug)]


def test_a_page_that_another_may_explain_is_told_once_after_it_was_held_back(pager: Pager) -> None:
    for minute in (0, 1, 2, 3, 4):
        pager.look(minute, alarm("service-down"))
    assert pager.told == [(1, "open", "service-down")]


@pytest.mark.parametrize("page", [one for one in PAGES if one.severity == "P1"], ids=lambda one: one.slug)
def test_from_a_fault_to_a_p1s_call_is_within_the_stated_budget(pager: Pager, page: Page) -> None:
    """A look every minute from the moment on at which the alarm fires; the alarm itself takes DETECTION."""
    for minute in range(10):
        pager.look(minute, alarm(page.slug))
    ((called, _, _),) = pager.told
    assert DETECTION + called * MINUTE <= CALL == DETECTION + HOLD


def test_what_explains_it_within_the_hold_replaces_it(pager: Pager) -> None:
    pager.look(0, alarm("service-down"))
    cause = alarm("frontend-down", since=NOON + MINUTE)
    for minute in (1, 2, 3):
        pager.look(minute, calm(1, "service-down"), cause)
    assert pager.told == [(1, "open", "frontend-down")]


def test_our_own_failure_is_told_at_once(pager: Pager) -> None:
    assert pager.look(0, alarm("rollback-errors-critical", "P2")).told == [(0, "open", "rollback-errors-critical")]


def test_an_alarm_that_people_are_not_told_of_is_never_told(pager: Pager) -> None:
    assert pager.look(30, alarm(notifies=False)).told == []


def test_the_most_severe_is_told_first(pager: Pager) -> None:
    pager.look(5, alarm("service-degraded", "P2"), alarm("frontend-down", "P1"))
    assert [name for _, _, name in pager.told] == ["frontend-down", "service-degraded"]


def test_its_end_is_told_when_it_has_been_calm(pager: Pager) -> None:
    pager.look(2, alarm()).look(5, calm(5)).look(14, calm(5)).look(15, calm(5)).look(16, calm(5))
    assert pager.told == [(2, "open", "frontend-down"), (15, "close", "frontend-down")]
    assert pager.memory == {}


def test_what_fires_again_after_its_end_was_told_is_new(pager: Pager) -> None:
    pager.look(2, alarm()).look(15, calm(5))
    pager.look(30, alarm(since=NOON + 28 * MINUTE))
    assert pager.told[-1] == (30, "open", "frontend-down")


# Flapping


def test_flapping_within_the_window_is_one_notification(pager: Pager) -> None:
    for minute in range(60):
        pager.look(minute, alarm() if minute % 4 < 2 else calm(minute - minute % 4 + 2))
    assert [kind for _, kind, _ in pager.told] == ["open"]
    assert pager.memory["frontend-down"].times == 15
    assert pager.memory["frontend-down"].since == NOON


def test_flapping_that_never_lasts_as_long_as_the_hold_is_told_too(pager: Pager) -> None:
    for minute in range(6):
        fires = alarm("service-down", since=NOON + minute * MINUTE)
        pager.look(minute, fires if minute % 2 == 0 else calm(minute, "service-down"))
    assert pager.told == [(2, "open", "service-down")]


# Deployments


def test_while_a_deployment_is_under_way_a_page_waits_for_its_rollback(pager: Pager) -> None:
    for minute in range(9):
        pager.look(minute, alarm("service-down"), deploying=True)
    assert pager.told == []


def test_what_its_rollback_repaired_calls_nobody_and_is_told_as_handled(pager: Pager) -> None:
    pager.look(0, alarm("service-down"), deploying=True).look(4, calm(4, "service-down"), deploying=True)
    for minute in range(5, 16):
        pager.look(minute, calm(4, "service-down"))
    assert pager.told == [(14, "handled", "service-down")]


def test_what_a_page_replaced_was_not_handled(pager: Pager) -> None:
    pager.look(0, alarm("service-down"), deploying=True)
    cause = alarm(since=NOON + MINUTE)
    for minute in range(1, 20):
        pager.look(minute, calm(1, "service-down"), cause)
    assert pager.told == [(1, "open", "frontend-down")]


def test_a_page_does_not_wait_for_a_deployment_for_ever(pager: Pager) -> None:
    for minute in range(13):
        pager.look(minute, alarm("service-down"), deploying=True)
    assert pager.told == [(10, "open", "service-down")]


def test_a_page_is_told_as_soon_as_the_deployment_is_over_and_it_still_fires(pager: Pager) -> None:
    pager.look(4, alarm("service-down"), deploying=True).look(5, alarm("service-down"))
    assert pager.told == [(5, "open", "service-down")]


def test_a_page_that_no_deployment_causes_does_not_wait(pager: Pager) -> None:
    assert pager.look(2, alarm("frontend-down"), deploying=True).told == [(2, "open", "frontend-down")]


# Warnings


def test_a_warning_is_told_at_once(pager: Pager) -> None:
    assert pager.look(0, alarm("ecs-cpu-warning", "P3")).told == [(0, "open", "ecs-cpu-warning")]


def test_a_warning_says_nothing_while_a_page_is_open(pager: Pager) -> None:
    warning = alarm("ecs-cpu-warning", "P3")
    pager.look(3, alarm("service-down"), warning).look(8, calm(7, "service-down"), warning)
    assert pager.told == [(3, "open", "service-down"), (8, "open", "ecs-cpu-warning")]


def test_the_end_of_the_lesser_is_not_told_while_the_greater_is_open(pager: Pager) -> None:
    pager.look(2, alarm("service-degraded", "P2"))
    worse = alarm("service-down", since=NOON + 5 * MINUTE)
    for minute in (5, 8, 20, 30):
        pager.look(minute, calm(5, "service-degraded", "P2"), worse)
    assert pager.told == [(2, "open", "service-degraded"), (8, "open", "service-down")]


# Maintenance


def test_in_maintenance_nobody_is_told_and_afterwards_what_still_fires_is(pager: Pager) -> None:
    for minute in range(30):
        pager.look(minute, alarm(), maintenance=True)
    assert pager.told == []
    assert pager.look(30, alarm()).told == [(30, "open", "frontend-down")]


def test_what_ended_during_maintenance_was_never_told(pager: Pager) -> None:
    pager.look(5, alarm(), maintenance=True).look(40, calm(20))
    assert pager.told == []


def test_the_end_of_what_was_open_before_maintenance_is_told_after_it(pager: Pager) -> None:
    pager.look(2, alarm()).look(20, calm(3), maintenance=True).look(21, calm(3))
    assert pager.told == [(2, "open", "frontend-down"), (21, "close", "frontend-down")]


# Whatever happens


@given(st.lists(st.tuples(st.sampled_from(["service-down", "frontend-down"]), st.booleans(), st.booleans()), max_size=80))
def test_between_two_openings_of_a_page_stands_its_end(minutes: list[tuple[str, bool, bool]]) -> None:
    pager = Pager()
    states: dict[str, Alarm] = {}
    for minute, (name, firing, deploying) in enumerate(minutes):
        if name not in states or states[name].firing != firing:
            states[name] = alarm(name, firing=firing, since=NOON + minute * MINUTE)
        pager.look(minute, *states.values(), deploying=deploying)
    for name in ("service-down", "frontend-down"):
        kinds = [kind for _, kind, told in pager.told if told == name and kind != "handled"]
        assert kinds == (["open", "close"] * len(kinds))[: len(kinds)]


@given(st.booleans(), st.booleans(), st.integers(0, 60))
def test_what_keeps_firing_is_told_within_the_longest_wait(deploying: bool, waits: bool, minutes: int) -> None:
    pager, name = Pager(), "service-down" if waits else "frontend-down"
    for minute in range(minutes):
        pager.look(minute, alarm(name), deploying=deploying)
    assert bool(pager.told) == (minutes > ((10 if deploying else 1) if waits else 0))
