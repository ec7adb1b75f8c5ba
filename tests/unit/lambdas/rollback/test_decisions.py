"""DESIGN's decision table: every row, what comes before what, and the sentences that are always true."""

import importlib
import sys
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import combinations
from random import Random
from typing import Literal, TypeVar

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lambdas.common.ecs import TaskDefinition
from lambdas.common.locks import Lock
from lambdas.rollback.decisions import FAILED, TABLE, Change, Deployment, Evidence, Impairment, Mode, decide
from runbook.rows import Dependency
from runbook.rules import BUDGET, BUDGET_WINDOW, DETECTION
from runbook.sections import Section

T = TypeVar("T")
NOW = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)


def ago(minutes: float) -> datetime:
    return NOW - timedelta(minutes=minutes)


def td(number: int) -> str:
    return f"arn:aws:ecs:us-east-1:123456789012:task-definition/backend:{number}"


def definition(number: int, status: str = "ACTIVE") -> TaskDefinition:
    return TaskDefinition(td(number), status, f"image:{number}")


def deployment(
    number: int, ended: float | None, *, began: float | None = None, status: str = "", brings: int = 0
) -> Deployment:
    """Deployment `number` of task definition `brings` (its own number unless given), in minutes before the alarm."""
    return Deployment(
        arn=f"arn:aws:ecs:us-east-1:123456789012:service-deployment/c/s/{number}",
        status=status or ("IN_PROGRESS" if ended is None else "SUCCESSFUL"),
        task_definition=td(brings or number),
        created_at=ago(began if began is not None else (ended or 0) + 3),
        finished_at=None if ended is None else ago(ended),
    )


State = Literal["started", "done", "failed", "reported"]


def change(cause: Deployment, to: int, *, minutes: float, state: State = "done") -> Change:
    """A change of ours because of a deployment, this many minutes before the alarm."""
    return Change("update", cause.arn, cause.task_definition, td(to), f"image:{to}", ago(minutes), state)


def lock(*, minutes: float) -> Lock:
    """A procedure's lock of the service, which ends this many minutes after the alarm."""
    user = "arn:aws:iam::123456789012:user/ada"
    return Lock("backend-deploy", "an-execution", user, ago(5), timedelta(minutes=10), ago(10 - minutes))


def spent(number: int = BUDGET) -> tuple[Change, ...]:
    """This many changes half an hour before the alarm, for other deployments."""
    return tuple(change(deployment(100 + n, 30), 1, minutes=30) for n in range(number))


DAY = 24 * 60
GOOD = (deployment(2, 2 * DAY), deployment(1, 9 * DAY))
CALM = Evidence(
    at=NOW,
    task_definition=td(2),
    desired=2,
    running=2,
    deployments=GOOD,
    task_definitions=(definition(2), definition(1)),
    database="available",
    cache="available",
    database_name="pg",
    cache_name="redis",
)
"""An alarm, and nothing that explains it: the service runs its second release for two days."""

RELEASED = replace(
    CALM,
    task_definition=td(3),
    deployments=(deployment(3, 10), *GOOD),
    task_definitions=(definition(3), definition(2), definition(1)),
)
"""A release ended 10 minutes before the alarm."""

RELEASING = replace(RELEASED, deployments=(deployment(3, None, began=5), *GOOD))
"""A release began 5 minutes before the alarm and still runs."""


# What a change takes back


def test_what_cannot_be_compared_does_not_differ() -> None:
    """A task definition that is gone has no configuration."""
    known = replace(definition(2), configuration={"cpu": "1024"})
    gone = TaskDefinition(td(3), "deleted", "")
    evidence = replace(RELEASED, task_definitions=(gone, known))
    assert evidence.differences(change(deployment(3, 10), 2, minutes=0)) == ()


# Every row


def test_a_fact_that_could_not_be_read_is_escalated_by_its_name_and_nothing_is_changed() -> None:
    decision = decide(replace(RELEASED, missing=("database hz (AccessDenied)",)), "on")
    assert decision.verb == "escalate"
    assert "database hz (AccessDenied)" in decision.reason
    assert decision.change is None


@pytest.mark.parametrize("evidence", [CALM, RELEASED, RELEASING], ids=["calm", "released", "releasing"])
def test_off_only_records(evidence: Evidence) -> None:
    decision = decide(evidence, "off")
    assert (decision.verb, decision.change) == ("record", None)


@pytest.mark.parametrize("evidence", [CALM, RELEASED, RELEASING], ids=["calm", "released", "releasing"])
def test_observe_says_what_on_would_do_and_does_not_do_it(evidence: Evidence) -> None:
    on, observed = decide(evidence, "on"), decide(evidence, "observe")
    assert (observed.verb, observed.change) == ("observe", None)
    assert observed.reason == f"Remediation only observes; it would {on.verb}: {on.reason}"


def test_a_change_that_was_never_confirmed_is_reported_instead_of_another_one() -> None:
    begun = change(deployment(3, 10), 2, minutes=1, state="started")
    decision = decide(replace(RELEASED, changes=(begun,)), "on")
    assert (decision.verb, decision.change, decision.reports) == ("escalate", None, (begun.deployment,))
    assert "backend:3 to backend:2" in decision.reason
    assert "image:2" in decision.look_at


def test_once_reported_an_unconfirmed_change_does_not_hold_up_the_next_release() -> None:
    reported = change(deployment(2, 2 * DAY), 1, minutes=2 * DAY, state="reported")
    assert decide(replace(RELEASED, changes=(reported,)), "on").reports == ()


@pytest.mark.parametrize("status", ["STOP_REQUESTED", "ROLLBACK_REQUESTED", "ROLLBACK_IN_PROGRESS"])
def test_a_native_rollback_is_left_to_end(status: str) -> None:
    decision = decide(replace(RELEASING, deployments=(deployment(3, None, began=5, status=status), *GOOD)), "on")
    assert decision.verb == "wait"
    assert status in decision.reason


def test_a_deployment_whose_monitors_have_triggered_is_left_to_ecs() -> None:
    triggered = replace(deployment(3, None, began=5), monitors_triggered=True)
    assert decide(replace(RELEASING, deployments=(triggered, *GOOD)), "on").verb == "wait"


def test_our_own_rollback_under_way_is_left_to_end() -> None:
    bad = deployment(3, 10)
    ours = replace(
        RELEASED,
        task_definition=td(2),
        deployments=(deployment(4, None, began=4, brings=2), bad, *GOOD),
        changes=(replace(change(bad, 2, minutes=4), newest=bad.arn),),
    )
    decision = decide(ours, "on")
    assert decision.verb == "wait"
    assert "The rollback to backend:2 is under way" in decision.reason
    by_hand = replace(ours, deployments=(deployment(5, None, began=3, brings=2), deployment(4, 3.5, brings=2), bad, *GOOD))
    assert decide(by_hand, "on").verb != "wait", "a person's deployment of the same is not ours"
    refused = replace(ours, changes=(replace(ours.changes[0], state="failed"),))
    assert decide(refused, "on").verb != "wait", "nor is it when AWS refused ours"


@pytest.mark.parametrize("status", ["PENDING", "IN_PROGRESS"])
def test_a_deployment_that_runs_and_fails_is_stopped(status: str) -> None:
    running = deployment(3, None, began=5, status=status)
    decision = decide(replace(RELEASING, deployments=(running, *GOOD)), "on")
    assert decision.verb == "stop"
    assert decision.change == Change("stop", running.arn, td(3), td(2), "image:2", NOW, newest=running.arn)


def test_a_deployment_too_young_to_have_caused_the_alarm_is_somebodys_fix_and_runs_on() -> None:
    decision = decide(replace(RELEASING, deployments=(deployment(4, None, began=1.9, brings=3), *GOOD)), "on")
    assert (decision.verb, decision.change) == ("escalate", None)
    assert "somebody is at work" in decision.reason


@pytest.mark.parametrize(
    "source",
    [
        pytest.param(replace(RELEASING, task_definitions=(definition(2, "INACTIVE"), definition(1))), id="inactive"),
        pytest.param(replace(RELEASING, deployments=RELEASING.deployments[:1], task_definitions=()), id="the first ever"),
        pytest.param(replace(RELEASING, changes=(change(GOOD[0], 1, minutes=2 * DAY),)), id="left by a rollback of ours"),
    ],
)
def test_a_failing_deployment_is_not_stopped_when_ecs_would_go_back_to_what_is_not_good(source: Evidence) -> None:
    decision = decide(source, "on")
    assert (decision.verb, decision.change) == ("escalate", None)


@pytest.mark.parametrize(
    ("impaired", "words", "section"),
    [
        (replace(RELEASED, database="storage-full"), "the database pg is storage-full", Section.DATABASE_CONNECTIONS),
        (
            replace(RELEASED, database="failed", cache="modifying"),
            "the database pg is failed, the cache redis is modifying",
            Section.DATABASE_CONNECTIONS,
        ),
        (replace(RELEASED, cache="modifying"), "the cache redis is modifying", Section.REDIS_CONNECTIONS),
        (
            replace(RELEASED, dependency_alarms={"hz-rds-cpu-critical": "database"}),
            "hz-rds-cpu-critical is in ALARM",
            Section.DATABASE_CONNECTIONS,
        ),
        (
            replace(RELEASED, dependency_alarms={"hz-memory-critical": "cache"}),
            "hz-memory-critical is in ALARM",
            Section.REDIS_CONNECTIONS,
        ),
        (
            replace(RELEASED, cache="modifying", dependency_alarms={"hz-cache-of-the-database": "database"}),
            "the cache redis is modifying, hz-cache-of-the-database is in ALARM",
            Section.DATABASE_CONNECTIONS,
        ),
    ],
)
def test_an_impaired_dependency_leaves_the_service_alone_and_is_named(impaired: Evidence, words: str, section: Section) -> None:
    decision = decide(impaired, "on")
    assert (decision.verb, decision.change, decision.section) == ("escalate", None, section)
    assert words in decision.reason


def test_which_dependency_is_impaired_is_a_value() -> None:
    evidence = replace(RELEASED, database="failed", dependency_alarms={"redis-memory-critical": "cache"})
    assert evidence.impaired == (
        Impairment("database", "the database pg is failed"),
        Impairment("cache", "redis-memory-critical is in ALARM"),
    )


@pytest.mark.parametrize("status", ["backing-up", "storage-optimization"])
def test_a_database_that_serves_meanwhile_does_not_hold_up_a_rollback(status: str) -> None:
    assert decide(replace(RELEASED, database=status, cache="snapshotting"), "on").verb == "roll back"


def test_a_recent_deployment_is_rolled_back_to_the_known_good_revision() -> None:
    decision = decide(RELEASED, "on")
    assert decision.verb == "roll back"
    assert decision.change == Change(
        "update", deployment(3, 10).arn, td(3), td(2), "image:2", NOW, newest=deployment(3, 10).arn
    )


@pytest.mark.parametrize(("minutes", "verb"), [(0, "roll back"), (60, "roll back"), (60.1, "escalate"), (3 * DAY, "escalate")])
def test_only_a_deployment_that_ended_within_the_suspect_window_is_rolled_back(minutes: float, verb: str) -> None:
    deployments = (deployment(3, minutes), deployment(2, 5 * DAY), deployment(1, 9 * DAY))
    assert decide(replace(RELEASED, deployments=deployments), "on").verb == verb


def test_a_deployment_that_ended_while_the_alarm_was_on_its_way_is_still_the_suspect() -> None:
    assert decide(replace(RELEASED, deployments=(deployment(3, -1, began=4), *GOOD)), "on").verb == "roll back"


@pytest.mark.parametrize(("began", "ended"), [(-2, -5), (1, -1), (1.9, 0.5)])
def test_a_deployment_that_began_too_late_to_be_the_cause_is_somebodys_fix_and_stays(began: float, ended: float) -> None:
    decision = decide(replace(RELEASED, deployments=(deployment(3, ended, began=began), *GOOD)), "on")
    assert (decision.verb, decision.change) == ("escalate", None)
    assert "somebody's fix" in decision.reason


def test_what_was_deployed_too_late_is_not_what_the_incident_ran_on() -> None:
    fix = deployment(3, -1, began=1)
    assert replace(RELEASED, deployments=(fix, *GOOD)).blamed == td(2)
    undone = deployment(3, 5, status="ROLLBACK_SUCCESSFUL")
    assert replace(RELEASED, deployments=(undone, *GOOD)).blamed == td(2), "nor what was undone before"
    assert replace(RELEASED, deployments=()).blamed == ""


def test_a_retry_of_an_alarm_that_was_acted_on_says_so() -> None:
    made = change(deployment(3, 10), 2, minutes=0)
    decision = decide(replace(RELEASED, changes=(made,)), "on")
    assert (decision.verb, decision.change, decision.made) == ("wait", None, made)


def test_deploying_the_same_again_is_not_what_brought_it() -> None:
    forced = deployment(4, 5, brings=3)
    old = replace(RELEASED, deployments=(forced, deployment(3, 3 * DAY), deployment(2, 5 * DAY)))
    assert decide(old, "on").verb == "escalate"
    fresh = decide(replace(RELEASED, deployments=(forced, deployment(3, 50), *GOOD)), "on")
    assert fresh.change
    assert (fresh.change.deployment, fresh.change.to_task_definition) == (deployment(3, 50).arn, td(2))


def test_this_deployment_is_changed_for_once_only() -> None:
    bad = deployment(3, 10)
    states: tuple[tuple[State, str], ...] = (("done", "acted on already"), ("failed", "AWS did not take it"))
    for state, words in states:
        decision = decide(replace(RELEASED, changes=(change(bad, 2, minutes=5, state=state),)), "on")
        assert (decision.verb, decision.change) == ("escalate", None)
        assert words in decision.reason


def test_a_rollback_that_did_not_help_is_escalated_and_not_undone() -> None:
    bad = deployment(3, 30)
    after = replace(
        RELEASED,
        task_definition=td(2),
        deployments=(deployment(4, 20, brings=2), bad, *GOOD),
        changes=(change(bad, 2, minutes=25),),
    )
    decision = decide(after, "on")
    assert (decision.verb, decision.change) == ("escalate", None)
    assert "was taken back to backend:2" in decision.reason


@pytest.mark.parametrize("status", ["STOPPED", "ROLLBACK_SUCCESSFUL", "ROLLBACK_FAILED"])
def test_a_deployment_that_was_undone_already_is_escalated(status: str) -> None:
    undone = replace(RELEASED, task_definition=td(2), deployments=(deployment(3, 10, status=status), *GOOD))
    decision = decide(undone, "on")
    assert (decision.verb, decision.change) == ("escalate", None)
    assert status in decision.reason


def test_a_deployment_that_was_undone_long_ago_is_no_news() -> None:
    undone = replace(CALM, deployments=(deployment(3, DAY, status="ROLLBACK_SUCCESSFUL"), *GOOD))
    assert "No deployment ended within 60 min" in decide(undone, "on").reason


def test_what_a_person_took_back_after_aws_refused_us_is_not_taken_back_further() -> None:
    bad = deployment(3, 30)
    by_hand = replace(
        RELEASED,
        task_definition=td(2),
        deployments=(deployment(4, 10, brings=2), bad, *GOOD),
        changes=(change(bad, 2, minutes=25, state="failed"),),
    )
    assert decide(by_hand, "on").change is None


@pytest.mark.parametrize(
    ("before", "verb"), [((), "roll back"), ((30,), "roll back"), ((30, 60), "escalate"), ((30, DAY), "roll back")]
)
def test_the_budget_is_two_changes_a_day(before: tuple[float, ...], verb: str) -> None:
    changes = tuple(change(deployment(100 + n, minutes), 1, minutes=minutes) for n, minutes in enumerate(before))
    decision = decide(replace(RELEASED, changes=changes), "on")
    assert decision.verb == verb
    assert verb == "roll back" or "budget is spent" in decision.reason


@pytest.mark.parametrize("releasing", [True, False])
def test_the_budget_holds_for_stopping_too(releasing: bool) -> None:
    assert decide(replace(RELEASING if releasing else RELEASED, changes=spent()), "on").verb == "escalate"


@pytest.mark.parametrize(
    ("evidence", "words"),
    [
        (CALM, "No deployment ended within 60 min before the alarm"),
        (replace(CALM, deployments=(), task_definitions=()), "The service has no deployment"),
        (replace(RELEASED, task_definitions=()), "no revision is known good"),
        (replace(RELEASED, deployments=(deployment(3, 10),)), "no revision is known good"),
    ],
)
def test_anything_else_is_escalated_with_the_diagnosis(evidence: Evidence, words: str) -> None:
    decision = decide(evidence, "on")
    assert (decision.verb, decision.change) == ("escalate", None)
    assert words in decision.reason
    assert "2 of 2 tasks run" in decision.reason


# Known good


@pytest.mark.parametrize(
    ("evidence", "number"),
    [
        pytest.param(RELEASED, 2, id="the newest before"),
        pytest.param(
            replace(RELEASED, task_definitions=(definition(3), definition(2, "INACTIVE"), definition(1))), 1, id="ACTIVE"
        ),
        pytest.param(
            replace(RELEASED, task_definitions=(definition(3), definition(2, "deleted"), definition(1))), 1, id="there"
        ),
        pytest.param(replace(RELEASED, task_definitions=(definition(3), definition(1))), 1, id="read"),
        pytest.param(
            replace(RELEASED, deployments=(deployment(3, 10), deployment(2, 90, status="ROLLBACK_SUCCESSFUL"), GOOD[1])),
            1,
            id="not current minus one, which failed",
        ),
        pytest.param(replace(RELEASED, deployments=(deployment(3, 10), GOOD[1])), 1, id="ever deployed"),
        pytest.param(
            replace(RELEASED, deployments=(deployment(3, 10), deployment(4, 90, status="STOPPED", brings=2), *GOOD)),
            1,
            id="never failed, not even once",
        ),
        pytest.param(replace(RELEASED, changes=(change(GOOD[0], 1, minutes=3 * DAY),)), 1, id="never left by us"),
        pytest.param(
            replace(RELEASED, deployments=(deployment(4, 5, brings=3), deployment(3, 10), *GOOD)), 2, id="not the current"
        ),
        pytest.param(
            replace(RELEASED, deployments=(deployment(3, 10), deployment(4, 20, brings=1), *GOOD)), 1, id="left by a person"
        ),
        pytest.param(replace(RELEASED, incidents=(ago(DAY),)), 1, id="an earlier incident ran on it"),
        pytest.param(replace(RELEASED, incidents=(NOW,)), 2, id="this incident is no earlier one"),
        pytest.param(
            replace(RELEASED, deployments=(deployment(3, 10), deployment(4, 13, status="STOPPED", brings=2), *GOOD)),
            2,
            id="superseded is not failed",
        ),
    ],
)
def test_known_good_is_the_newest_that_is(evidence: Evidence, number: int) -> None:
    assert evidence.known_good == definition(number)


# What comes before what

FACTS: dict[str, Callable[[Evidence, Mode], tuple[Evidence, Mode]]] = {
    "a fact could not be read": lambda e, m: (replace(e, missing=("x",)), m),
    "remediation is off or observes": lambda e, _: (e, "off"),
    "a change of ours was never confirmed": lambda e, m: (
        replace(e, changes=(*e.changes, change(deployment(90, 2 * DAY), 1, minutes=2 * DAY, state="started"))),
        m,
    ),
    "an earlier run acted on this alarm": lambda e, m: (
        replace(e, changes=(*e.changes, change(deployment(91, 2 * DAY), 1, minutes=0))),
        m,
    ),
    "a procedure holds the lock of the service": lambda e, m: (replace(e, lock=lock(minutes=30)), m),
    "a native rollback is under way": lambda e, m: (
        replace(e, deployments=(replace(e.deployments[0], status="ROLLBACK_IN_PROGRESS"), *e.deployments[1:])),
        m,
    ),
    "a deployment is running and failing": lambda e, m: (replace(e, deployments=RELEASING.deployments), m),
    "RDS or Redis is impaired": lambda e, m: (replace(e, database="failed"), m),
    "the last deployment ended within the suspect window, a known-good revision exists": lambda e, m: (e, m),
    "this deployment was rolled back already, or the budget of automatic actions is spent": lambda e, m: (
        replace(e, changes=(*e.changes, *spent())),
        m,
    ),
    "anything else": lambda e, m: (replace(e, task_definitions=()), m),
}
OVERRULED = {  # rows that say something about the same deployment: with both true, the second is what makes the first untrue
    (
        "a deployment is running and failing",
        "this deployment was rolled back already, or the budget of automatic actions is spent",
    ),
    (
        "the last deployment ended within the suspect window, a known-good revision exists",
        "this deployment was rolled back already, or the budget of automatic actions is spent",
    ),
    ("the last deployment ended within the suspect window, a known-good revision exists", "anything else"),
    ("a deployment is running and failing", "anything else"),
}


def deciding_row(evidence: Evidence, mode: Mode) -> str:
    return next(name for name, row, _ in TABLE if row(evidence, mode))


def test_the_rows_are_the_tables() -> None:
    assert list(FACTS) == [name for name, *_ in TABLE]


@pytest.mark.parametrize("row", FACTS)
def test_each_row_decides_when_it_alone_is_true(row: str) -> None:
    assert deciding_row(*FACTS[row](RELEASED, "on")) == row


@pytest.mark.parametrize(("first", "second"), [pair for pair in combinations(FACTS, 2) if pair not in OVERRULED])
def test_of_two_rows_that_are_true_the_first_decides(first: str, second: str) -> None:
    evidence, mode = FACTS[second](RELEASED, "on")
    assert deciding_row(*FACTS[first](evidence, mode)) == first


# Always true

STATUSES = ("PENDING", "IN_PROGRESS", "SUCCESSFUL", *sorted(FAILED))


class Dice(Random):
    """Draws evidence in which the interesting decisions are frequent, from one seed that hypothesis finds."""

    def mostly(self, usual: T, *others: T) -> T:
        """The usual nine times in ten."""
        return usual if self.random() < 0.9 else self.choice(others)

    def deployments(self) -> tuple[Deployment, ...]:
        found, began = [], self.uniform(-10, 90)
        for number in range(self.randint(0, 6)):
            status = self.mostly("SUCCESSFUL", *STATUSES) if number else self.choice(["SUCCESSFUL", "IN_PROGRESS", *STATUSES])
            ended = None if status in ("PENDING", "IN_PROGRESS") else began - self.uniform(0, 3)
            made = deployment(number, ended, began=began, status=status, brings=self.mostly(5 - number % 5, *range(1, 6)))
            found.append(replace(made, monitors_triggered=self.mostly(False, True)))
            began += self.uniform(0, 2 * DAY)
        return tuple(found)

    def change(self, cause: int) -> Change:
        state: State = self.mostly("done", "started", "failed", "reported")
        caused = deployment(cause, 0, brings=self.randint(1, 5))
        return change(caused, self.randint(1, 5), minutes=self.uniform(-30, 2 * DAY), state=state)

    def evidence(self) -> Evidence:
        history = self.deployments()
        return Evidence(
            at=NOW,
            task_definition=history[0].task_definition if history and self.random() < 0.9 else td(self.randint(1, 5)),
            deployments=history,
            task_definitions=tuple(
                definition(n, self.mostly("ACTIVE", "INACTIVE", "deleted")) for n in range(self.randint(1, 3), 6)
            ),
            database=self.mostly("available", "failed"),
            cache=self.mostly("available", "modifying"),
            dependency_alarms=self.mostly({}, dict[str, Dependency](rds="database")),
            incidents=tuple(ago(self.uniform(0, 9 * DAY)) for _ in range(self.choice([0, 0, 0, 1]))),
            changes=tuple(self.change(cause) for cause in self.sample(range(7), self.choice([0, 0, 1, 2]))),
            lock=self.mostly(None, lock(minutes=self.uniform(-30, 30))),
            missing=self.mostly((), ("a fact",)),
        )

    def mode(self) -> Mode:
        return self.mostly("on", "observe", "off")


dice = st.integers(0, 2**32).map(Dice)
often = settings(max_examples=1000)


def test_the_properties_below_see_every_kind_of_decision_often() -> None:
    verbs = Counter(decide(one.evidence(), one.mode()).verb for one in map(Dice, range(1000)))
    assert set(verbs) == {"record", "observe", "wait", "stop", "roll back", "escalate"}
    assert min(verbs["stop"], verbs["roll back"]) > 20


@often
@given(dice)
def test_something_is_always_decided_and_said(one: Dice) -> None:
    decision = decide(one.evidence(), one.mode())
    assert decision.reason
    assert decision.look_at
    assert (decision.change is not None) == (decision.verb in ("stop", "roll back"))


@often
@given(dice)
def test_a_change_never_goes_to_a_failed_an_inactive_or_the_current_revision(one: Dice) -> None:
    evidence = one.evidence()
    if found := decide(evidence, one.mode()).change:
        target, history = found.to_task_definition, evidence.deployments
        assert target != evidence.task_definition
        assert target not in {past.task_definition for past in history if past.status in FAILED}
        assert target not in {past.from_task_definition for past in evidence.changes}
        assert definition(int(target.rpartition(":")[2]), "ACTIVE") in evidence.task_definitions
        assert target in {past.task_definition for past in history if past.status == "SUCCESSFUL"}
        assert target not in evidence.ran_on


@often
@given(dice)
def test_what_began_too_late_to_be_the_cause_is_left_alone(one: Dice) -> None:
    evidence = one.evidence()
    if found := decide(evidence, one.mode()).change:
        (cause,) = (past for past in evidence.deployments if past.arn == found.deployment)
        assert cause.created_at <= evidence.at - DETECTION


@often
@given(dice)
def test_a_deployment_is_changed_for_at_most_once_and_never_beyond_the_budget(one: Dice) -> None:
    evidence, mode = one.evidence(), one.mode()
    if found := decide(evidence, mode).change:
        assert found.deployment not in {past.deployment for past in evidence.changes}
        window = [past for past in evidence.changes if past.at > evidence.at - BUDGET_WINDOW]
        assert len(window) + 1 <= BUDGET


@often
@given(dice)
def test_nothing_is_changed_unread_unasked_or_for_a_dependencys_sake(one: Dice) -> None:
    evidence, mode = one.evidence(), one.mode()
    decision = decide(evidence, mode)
    if decision.change:
        assert not evidence.missing
        assert mode == "on"
        assert decision.verb == "stop" or not evidence.impaired


def test_a_decision_imports_no_aws_client(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in sys.modules if name.partition(".")[0] in ("lambdas", "runbook")]:
        monkeypatch.delitem(sys.modules, name)
    for name in ("boto3", "botocore"):
        monkeypatch.setitem(sys.modules, name, None)  # to import it is an error
    assert importlib.import_module("lambdas.rollback.decisions")
