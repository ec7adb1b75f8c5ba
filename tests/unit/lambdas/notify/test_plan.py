"""Who is told what, and when: the rules of quiet, one by one."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lambdas.common.alarms import Alarm
from lambdas.notify.plan import Memory, plan
from runbook.alarms import DEPENDENCY_ALARMS, LASTING_SEVERITIES, Description, alarm_name
from runbook.pages import PAGES, Page
from runbook.rows import ROWS
from runbook.rules import CALL, DETECTION, FLAPPING, HOLD, LASTING, RECALL, SETTLED
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


def test_what_has_settled_is_forgotten_after_a_day(pager: Pager) -> None:
    pager.look(2, alarm()).look(15, calm(5))
    assert pager.look(2 + RECALL / MINUTE - 1, calm(5)).memory
    assert pager.look(2 + RECALL / MINUTE, calm(5)).memory == {}


def test_what_fires_again_after_its_end_was_told_is_new(pager: Pager) -> None:
    pager.look(2, alarm()).look(15, calm(5))
    pager.look(30, alarm(since=NOON + 28 * MINUTE))
    assert pager.told[-1] == (30, "open", "frontend-down")


# Flapping


def flap(pager: Pager, minutes: int, *, bad: int, good: int, slug: str = "frontend-down", severity: Severity = "P1") -> None:
    """So many minutes of an alarm that fires for `bad` minutes and is calm for `good`, over and over."""
    for minute in range(minutes):
        begun = minute - minute % (bad + good)
        firing = minute - begun < bad
        since = NOON + (begun if firing else begun + bad) * MINUTE
        pager.look(minute, alarm(slug, severity, firing=firing, since=since))


def test_an_alarm_that_fires_again_within_the_window_is_the_same_notification(pager: Pager) -> None:
    flap(pager, 8, bad=2, good=2)
    assert [kind for _, kind, _ in pager.told] == ["open"]
    assert pager.memory["frontend-down"].times == 2
    assert pager.memory["frontend-down"].since == NOON


def test_two_hours_of_flapping_are_one_call_one_word_that_it_flaps_and_one_end(pager: Pager) -> None:
    flap(pager, 120, bad=3, good=3)
    assert pager.told == [(0, "open", "frontend-down"), ((FLAPPING - 1) * 6, "flapping", "frontend-down")]
    for minute in range(120, 200):
        pager.look(minute, calm(117))
    assert pager.told[2:] == [(117 + SETTLED / MINUTE, "close", "frontend-down")]


def test_flapping_whose_ends_were_told_is_said_to_flap_too_and_is_then_quiet(pager: Pager) -> None:
    """Each return comes after its end was told: a P1 calls each time, until it is known to flap."""
    flap(pager, 300, bad=5, good=20)
    assert [kind for _, kind, _ in pager.told] == ["open", "close", "open", "close", "flapping"]


def test_what_returns_after_it_has_settled_does_not_flap(pager: Pager) -> None:
    flap(pager, 400, bad=5, good=int(SETTLED / MINUTE))
    assert {kind for _, kind, _ in pager.told} == {"open", "close"}


def test_flapping_is_said_again_once_it_had_settled(pager: Pager) -> None:
    flap(pager, 60, bad=3, good=3)
    for minute in range(60, 200):
        pager.look(minute, calm(57))
    for minute in range(200, 260):
        pager.look(minute, alarm(since=NOON + minute * MINUTE) if minute % 4 < 2 else calm(minute))
    assert [kind for _, kind, _ in pager.told] == ["open", "flapping", "close", "open", "flapping"]


def test_flapping_that_gets_worse_says_so(pager: Pager) -> None:
    flap(pager, 60, bad=3, good=3, slug="service-down")
    slow, fails = (alarm(alarm_name(row, "critical"), notifies=False) for row in ("api-availability", "alb-5xx-rate"))
    for minute in range(60, 70):
        pager.look(minute, alarm("service-down", since=NOON + 60 * MINUTE), slow, *([fails] if minute > 65 else []))
    assert [(minute, kind) for minute, kind, _ in pager.told[2:]] == [(60, "worse"), (66, "worse")]


def test_flapping_that_never_lasts_as_long_as_the_hold_is_told_too(pager: Pager) -> None:
    for minute in range(4):
        fires = alarm("service-down", since=NOON + minute * MINUTE)
        pager.look(minute, fires if minute % 2 == 0 else calm(minute, "service-down"))
    assert pager.told == [(2, "open", "service-down")]


# What comes back within a day

DAY = int(RECALL / MINUTE)


def returns(pager: Pager, slug: str, severity: Severity, *minutes: float, behind: str = "") -> list[str]:
    """An alarm that fires for five minutes at each of these: what it was told as, each time."""
    found = []
    rows = [alarm(alarm_name(behind, "critical"), notifies=False)] if behind else []
    for begin in minutes:
        for minute in range(3):
            pager.look(begin + minute, alarm(slug, severity, since=NOON + begin * MINUTE), *rows)
        found.append(str(pager.memory[slug].told_as))
        for later in (5, 20, 70):
            pager.look(begin + later, calm(begin + 5, slug, severity))
    return found


def test_a_p2_that_comes_back_within_a_day_is_told_lower_each_time(pager: Pager) -> None:
    assert returns(pager, "database-impaired", "P2", 0, 200, 400, 600, DAY - 5) == ["P2", "P3", "P4", "P4", "P4"]


def test_a_day_after_its_call_it_is_a_call_again(pager: Pager) -> None:
    assert returns(pager, "database-impaired", "P2", 0, 200, DAY + 10) == ["P2", "P3", "P2"]


def test_a_warning_that_comes_back_within_a_day_is_in_the_chat_only(pager: Pager) -> None:
    assert returns(pager, "ecs-cpu-warning", "P3", 0, 200, 400, DAY + 10) == ["P3", "P4", "P4", "P3"]


def test_a_p1_is_a_call_each_time(pager: Pager) -> None:
    assert returns(pager, "frontend-down", "P1", 0, 200, 400) == ["P1", "P1", "P1"]


def test_what_affects_users_is_a_call_each_time(pager: Pager) -> None:
    assert returns(pager, "service-degraded", "P2", 0, 200, 400, behind="alb-latency-p95") == ["P2", "P2", "P2"]


def test_our_own_failure_is_a_call_each_time(pager: Pager) -> None:
    assert returns(pager, "rollback-errors-critical", "P2", 0, 200, 400) == ["P2", "P2", "P2"]


def test_another_cause_than_people_know_of_is_a_call(pager: Pager) -> None:
    assert returns(pager, "database-impaired", "P2", 0, behind="rds-cpu") == ["P2"]
    assert returns(pager, "database-impaired", "P2", 200, behind="rds-cpu") == ["P3"]
    assert returns(pager, "database-impaired", "P2", 400, behind="rds-connections") == ["P2"]


def test_what_was_told_lower_and_then_affects_users_is_a_call(pager: Pager) -> None:
    returns(pager, "service-degraded", "P2", 0, behind="alb-latency-p95")
    cpu, slow = (alarm(alarm_name(row, "critical"), notifies=False) for row in ("ecs-cpu", "alb-latency-p95"))
    returns(pager, "service-degraded", "P2", 200, behind="ecs-cpu")
    again = alarm("service-degraded", "P2", since=NOON + 400 * MINUTE)
    pager.look(402, again, cpu).look(403, again, cpu, slow)
    assert pager.told[-2:] == [(402, "open", "service-degraded"), (403, "worse", "service-degraded")]
    assert pager.memory["service-degraded"].told_as == "P2"


def test_what_was_told_lower_is_over_once_it_has_settled(pager: Pager) -> None:
    returns(pager, "database-impaired", "P2", 0, 200)
    assert [(minute, kind) for minute, kind, _ in pager.told] == [(1, "open"), (20, "close"), (201, "open"), (270, "close")]


# What lasts

HOUR = int(LASTING / MINUTE)


@pytest.mark.parametrize(("row", "told"), [("ecs-cpu", "P3"), ("alb-latency-p95", "P3"), ("alb-5xx-rate", "P2")])
def test_a_warning_that_lasts_says_so_once_more_as_a_call_where_it_may_end_in_a_p1(pager: Pager, row: str, told: str) -> None:
    slug = alarm_name(row, "warning")
    for minute in range(5 * HOUR):
        pager.look(minute, alarm(slug, "P3"))
    assert pager.told == [(0, "open", slug), (HOUR, "lasting", slug)]
    assert pager.memory[slug].told_as == told


def test_the_hour_is_without_a_break(pager: Pager) -> None:
    flap(pager, 3 * HOUR, bad=HOUR - 5, good=5, slug="ecs-cpu-warning", severity="P3")
    assert "lasting" not in [kind for _, kind, _ in pager.told]


def test_the_end_is_told_to_those_who_were_told_last(pager: Pager) -> None:
    for minute in range(HOUR + 2):
        pager.look(minute, alarm("alb-5xx-rate-warning", "P3"))
    news, _ = plan(
        [calm(70, "alb-5xx-rate-warning", "P3")], pager.memory, NOON + 90 * MINUTE, deploying=False, maintenance=False
    )
    assert [(one.kind, one.severity) for one in news] == [("close", "P2")]


def test_a_page_that_was_told_lower_and_lasts_says_so_and_calls_a_day_after_its_call(pager: Pager) -> None:
    returns(pager, "database-impaired", "P2", 0)
    for minute in range(200, DAY + 30):
        pager.look(minute, alarm("database-impaired", "P2", since=NOON + 200 * MINUTE))
    assert [(minute, kind) for minute, kind, _ in pager.told[2:]] == [
        (201, "open"),
        (201 + HOUR, "lasting"),
        (DAY + 1, "lasting"),
    ]
    assert pager.memory["database-impaired"].told_as == "P2"


def test_what_is_no_row_says_nothing_more(pager: Pager) -> None:
    for minute in range(3 * HOUR):
        pager.look(minute, alarm("not-armed", "P3"), alarm("sentry-blind-warning", "P3"))
    assert {kind for _, kind, _ in pager.told} == {"open"}


def test_every_warning_of_the_table_may_last() -> None:
    assert LASTING_SEVERITIES.keys() == {alarm_name(row.slug, "warning") for row in ROWS}


# Deployments


def test_while_a_deployment_is_under_way_a_page_waits_for_its_rollback(pager: Pager) -> None:
    for minute in range(5):
        pager.look(minute, alarm("service-down"), deploying=True)
    assert pager.told == []


@pytest.mark.parametrize("page", [page for page in PAGES if page.waits], ids=lambda page: page.slug)
@pytest.mark.parametrize("dependency", sorted(DEPENDENCY_ALARMS))
def test_nothing_waits_when_a_dependency_is_down(pager: Pager, page: Page, dependency: str) -> None:
    down = alarm(dependency, notifies=False)
    for minute in range(3):
        pager.look(minute, alarm(page.slug, page.severity), down, deploying=True)
    assert [minute for minute, _, _ in pager.told] == [1 if page.unless else 0]


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
    assert pager.told == [(5, "open", "service-down")]


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
        kinds = [kind for _, kind, told in pager.told if told == name and kind in ("open", "close")]
        assert kinds == (["open", "close"] * len(kinds))[: len(kinds)]


@given(st.booleans(), st.booleans(), st.integers(0, 60))
def test_what_keeps_firing_is_told_within_the_longest_wait(deploying: bool, waits: bool, minutes: int) -> None:
    pager, name = Pager(), "service-down" if waits else "frontend-down"
    for minute in range(minutes):
        pager.look(minute, alarm(name), deploying=deploying)
    assert bool(pager.told) == (minutes > ((5 if deploying else 1) if waits else 0))


@pytest.mark.parametrize(("minutes_ago", "told"), [(1, False), (29, False), (31, True)])
def test_a_page_that_looks_back_says_nothing_of_maintenance(minutes_ago: float, told: bool) -> None:
    ended, unsteady = NOON - minutes_ago * MINUTE, alarm("service-unsteady", "P2", since=NOON - 5 * MINUTE)
    news, _ = plan([unsteady], {}, NOON, deploying=False, maintenance=False, free_since=ended)
    assert bool(news) == told


def test_another_page_is_told_at_once_after_maintenance() -> None:
    news, _ = plan([alarm("frontend-down")], {}, NOON, deploying=False, maintenance=False, free_since=NOON)
    assert [one.alarm.name for one in news] == ["frontend-down"]
