"""A rollout behaves as the developer guide says.

https://docs.aws.amazon.com/AmazonECS/latest/developerguide/service-deployment.html
"""

from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from local.ecs.rollout import Rollout, Status, TaskFailure, Turn

from .service import ALARMS, BREAKER, SECONDS, Service


@pytest.fixture
def service() -> Service:
    return Service(**BREAKER)


def test_a_deployment_is_pending_then_in_progress_then_successful(service: Service) -> None:
    service.begin(2)
    statuses = [service.last.status]
    for seconds in (5, 84, 1):
        service.after(seconds)
        statuses.append(service.last.status)
    assert statuses == ["PENDING", "IN_PROGRESS", "IN_PROGRESS", "SUCCESSFUL"]


def test_old_tasks_run_until_the_new_ones_do(service: Service) -> None:
    service.begin(2)
    tasks = [service.tasks]
    for seconds in (44, 1, 40):
        service.after(seconds)
        tasks.append(service.tasks)
    assert tasks == [{"app:1": 2}, {"app:1": 2}, {"app:1": 2, "app:2": 2}, {"app:1": 2, "app:2": 2}]
    service.after(5)
    assert service.tasks == {"app:2": 2}


def test_its_times_are_those_of_its_turns_however_late_somebody_looks(service: Service) -> None:
    begun = service.now
    service.begin(2)
    service.after(1000)
    assert (service.last.created, service.last.started, service.last.finished) == (begun, begun + 5, begun + SECONDS)
    assert [what.at for what in service.happened[-2:]] == [begun + 5, begun + SECONDS]


def test_it_goes_from_the_completed_revision_to_the_new_one(service: Service) -> None:
    before = service.rollout.completed
    service.begin(2)
    assert (service.last.source, service.last.target.task_definition) == (before, "td:2")
    service.after(SECONDS)
    assert service.rollout.completed is service.last.target


def test_the_first_one_has_no_source() -> None:
    assert Service().last.source is None


def test_one_that_takes_no_time_ends_at_once(service: Service) -> None:
    service.begin(2, seconds=0)
    service.after(0)
    assert (service.last.status, service.last.finished) == ("SUCCESSFUL", service.now)


def test_a_newer_one_stops_the_one_under_way(service: Service) -> None:
    service.begin(2)
    service.after(60)
    service.begin(3)
    assert service.rollout.deployments[1].reason == "Service deployment stopped because a newer one started."
    service.after(SECONDS)
    assert service.statuses == ["SUCCESSFUL", "STOPPED", "SUCCESSFUL"]
    assert service.tasks == {"app:3": 2}


def test_scaling_changes_the_tasks_of_every_revision(service: Service) -> None:
    service.begin(2)
    service.after(60)
    service.rollout.desired = 5
    assert service.tasks == {"app:1": 5, "app:2": 5}


def test_every_turn_is_observed(service: Service) -> None:
    service.happened.clear()
    service.failing.add("app:2")
    service.begin(2)
    service.after(SECONDS)
    assert [what.status if isinstance(what, Turn) else "a task failed" for what in service.happened] == [
        "IN_PROGRESS",
        *["a task failed"] * 3,
        "ROLLBACK_IN_PROGRESS",
        "ROLLBACK_SUCCESSFUL",
    ]


class TestThatFails:
    """Deployments whose tasks do not start."""

    @pytest.mark.parametrize("failing", ["app:2", "td:2"], ids=["by image", "by task definition"])
    def test_the_circuit_breaker_rolls_back_to_the_source_revision(self, service: Service, failing: str) -> None:
        service.failing.add(failing)
        service.begin(2)
        service.after(35)
        assert (service.last.status, service.last.failures, service.last.tripped) == ("ROLLBACK_IN_PROGRESS", 3, True)
        assert service.last.rollback
        assert service.last.rollback.to is service.last.source
        assert "the circuit breaker threshold was exceeded" in service.last.reason
        service.after(30)
        assert service.last.status == "ROLLBACK_SUCCESSFUL"
        assert service.tasks == {"app:1": 2}

    def test_the_service_is_set_to_the_source_from_the_rollback_on(self, service: Service) -> None:
        service.failing.add("app:2")
        service.begin(2)
        set_to = []
        for seconds in (34, 1, 30):
            service.after(seconds)
            assert service.rollout.primary
            set_to.append(service.rollout.primary.task_definition)
        assert set_to == ["td:2", "td:1", "td:1"]

    def test_the_target_of_a_rolled_back_deployment_is_the_failed_revision(self, service: Service) -> None:
        service.failing.add("app:2")
        service.begin(2)
        service.after(SECONDS)
        assert service.last.target.task_definition == "td:2"

    def test_tasks_are_tried_one_after_another_and_never_run(self, service: Service) -> None:
        begun = service.now
        service.failing.add("app:2")
        service.begin(2)
        service.after(34)
        assert [what.at - begun for what in service.happened if isinstance(what, TaskFailure)] == [15, 25]
        assert service.tasks == {"app:1": 2}

    def test_without_rollback_it_stops_and_the_old_tasks_run_on(self) -> None:
        service = Service(deploymentCircuitBreaker={"enable": True, "rollback": False})
        service.failing.add("app:2")
        service.begin(2)
        service.after(SECONDS)
        assert (service.last.status, service.last.rollback) == ("STOPPED", None)
        assert service.tasks == {"app:1": 2}

    def test_without_a_source_it_stops(self) -> None:
        service = Service(**BREAKER)
        service.rollout = Rollout(service.rollout.arn, 2)
        service.failing.add("app:2")
        service.begin(2)
        service.after(SECONDS)
        assert (service.last.status, service.tasks) == ("STOPPED", {})

    def test_without_a_circuit_breaker_it_tries_for_ever(self) -> None:
        service = Service()
        service.failing.add("app:2")
        service.begin(2)
        service.after(100 * SECONDS)
        assert (service.last.status, service.tasks) == ("IN_PROGRESS", {"app:1": 2})

    def test_a_rollback_fails_when_the_tasks_of_the_source_do_not_start_either(self, service: Service) -> None:
        service.failing |= {"app:1", "app:2"}
        service.begin(2)
        service.after(SECONDS)
        assert service.last.status == "ROLLBACK_FAILED"

    # https://docs.aws.amazon.com/AmazonECS/latest/developerguide/deployment-circuit-breaker.html
    @pytest.mark.parametrize(
        ("desired", "configured", "threshold"),
        [
            (1, {}, 3),
            (7, {}, 4),
            (1000, {}, 200),
            (10, {"type": "COUNT", "value": 2}, 2),
            (10, {"type": "BOUNDED_PERCENT", "value": 80}, 8),
            (10, {"type": "UNBOUNDED_PERCENT", "value": 10}, 1),
        ],
    )
    def test_the_threshold_follows_the_number_of_tasks(self, desired: int, configured: dict[str, Any], threshold: int) -> None:
        service = Service(deploymentCircuitBreaker={"enable": True, "rollback": True, "thresholdConfiguration": configured})
        service.rollout.desired = desired
        assert service.begin(2).threshold == threshold


class TestAlarms:
    """Deployment alarms with rollback."""

    @pytest.fixture
    def service(self) -> Service:
        return Service(**ALARMS)

    def test_an_alarm_that_fires_while_it_runs_rolls_a_deployment_back(self, service: Service) -> None:
        service.begin(2)
        service.after(60)
        service.in_alarm.add("errors")
        service.after(0)
        assert (service.last.status, service.last.triggered) == ("ROLLBACK_IN_PROGRESS", ["errors"])
        assert service.tasks == {"app:1": 2, "app:2": 2}, "the new tasks stop when the old ones are back"
        service.after(30)
        assert service.last.status == "ROLLBACK_SUCCESSFUL"
        assert service.tasks == {"app:1": 2}

    def test_without_rollback_it_stops(self) -> None:
        service = Service(alarms={"alarmNames": ["errors"], "enable": True, "rollback": False})
        service.begin(2)
        service.after(60)
        service.in_alarm.add("errors")
        service.after(0)
        assert (service.last.status, service.tasks) == ("STOPPED", {"app:1": 2})
        assert service.last.reason == "Service deployment stopped because of CloudWatch alarm(s) in ALARM: errors."

    @pytest.mark.parametrize("configured", [{"alarms": {**ALARMS["alarms"], "enable": False}}, {}], ids=["off", "none"])
    def test_alarms_that_are_not_enabled_are_not_watched(self, configured: dict[str, Any]) -> None:
        service = Service(**configured)
        service.begin(2)
        service.after(60)
        service.in_alarm.add("errors")
        service.after(30)
        assert service.last.status == "SUCCESSFUL"

    def test_an_alarm_after_the_end_changes_nothing(self, service: Service) -> None:
        service.begin(2)
        service.after(SECONDS)
        service.in_alarm.add("errors")
        service.after(SECONDS)
        assert service.last.status == "SUCCESSFUL"

    def test_an_alarm_that_fires_already_when_a_deployment_starts_is_not_watched(self, service: Service) -> None:
        service.in_alarm.add("errors")
        service.begin(2)
        service.after(SECONDS)
        assert service.described["alarms"]["status"] == "DISABLED"
        assert service.last.status == "SUCCESSFUL"


class TestStop:
    """StopServiceDeployment."""

    @pytest.mark.parametrize(("at", "status"), [(0, "PENDING"), (60, "IN_PROGRESS")])
    def test_rollback_returns_to_the_source_revision(self, service: Service, at: float, status: str) -> None:
        service.begin(2)
        service.after(at)
        statuses = [service.last.status]
        service.stop()
        statuses.append(service.last.status)
        for seconds in (5, 30):
            service.after(seconds)
            statuses.append(service.last.status)
        assert statuses == [status, "ROLLBACK_REQUESTED", "ROLLBACK_IN_PROGRESS", "ROLLBACK_SUCCESSFUL"]
        assert service.tasks == {"app:1": 2}
        assert service.rollout.completed is service.last.source

    @pytest.mark.parametrize(("at", "tasks"), [(30, {"app:1": 2}), (60, {"app:1": 2, "app:2": 2})])
    def test_new_tasks_that_ran_stop_when_the_rollback_has_ended(
        self, service: Service, at: float, tasks: dict[str, int]
    ) -> None:
        service.begin(2)
        service.after(at)
        service.stop()
        service.after(20)
        assert service.tasks == tasks

    def test_abort_only_stops(self, service: Service) -> None:
        service.begin(2)
        service.stop("ABORT")
        stopping = service.last.status
        service.after(5)
        assert (stopping, service.last.status) == ("STOP_REQUESTED", "STOPPED")
        assert service.last.rollback is None
        assert service.tasks == {"app:1": 2}

    @pytest.mark.parametrize("again", ["ROLLBACK", "ABORT"])
    def test_twice_is_once(self, service: Service, again: str) -> None:
        service.begin(2)
        service.stop()
        service.stop(again)
        service.after(SECONDS)
        assert service.last.status == "ROLLBACK_SUCCESSFUL"


class TestEndPhase:
    """For who cannot wait: the phase ends now, whatever its time."""

    def test_a_deployment_ends_well(self, service: Service) -> None:
        service.begin(2, seconds=float("inf"))
        service.after(60)
        for status in ("IN_PROGRESS", "SUCCESSFUL", "SUCCESSFUL"):
            service.rollout.end_phase(service.conditions)
            assert service.last.status == status
        assert (service.last.started, service.last.finished) == (service.now, service.now)

    def test_a_rollback_does(self, service: Service) -> None:
        service.begin(2, seconds=float("inf"))
        service.stop()
        for status in ("ROLLBACK_IN_PROGRESS", "ROLLBACK_SUCCESSFUL"):
            service.rollout.end_phase(service.conditions)
            assert service.last.status == status


# What is true whatever happens

AFTER: dict[str, set[str]] = {
    "PENDING": {"IN_PROGRESS", "ROLLBACK_REQUESTED", "STOP_REQUESTED", "STOPPED"},
    "IN_PROGRESS": {"SUCCESSFUL", "ROLLBACK_REQUESTED", "STOP_REQUESTED", "ROLLBACK_IN_PROGRESS", "STOPPED"},
    "ROLLBACK_REQUESTED": {"ROLLBACK_IN_PROGRESS", "STOPPED"},
    "STOP_REQUESTED": {"STOPPED"},
    "ROLLBACK_IN_PROGRESS": {"ROLLBACK_SUCCESSFUL", "ROLLBACK_FAILED", "STOPPED"},
}
"""The statuses that may follow: those of the developer guide, and STOPPED when a newer deployment begins."""

steps = st.lists(
    st.one_of(
        st.tuples(st.just("begin"), st.integers(1, 4)),
        st.tuples(st.just("stop"), st.sampled_from(["ROLLBACK", "ABORT"])),
        st.tuples(st.just("after"), st.floats(0, 120)),
        st.tuples(st.just("fails"), st.integers(1, 4)),
        st.tuples(st.just("alarm"), st.booleans()),
    ),
    max_size=30,
)


@given(steps)
def test_only_the_last_runs_and_each_ends_once_by_the_documented_way(steps: list[tuple[str, Any]]) -> None:
    service = Service(**BREAKER, **ALARMS)
    for name, value in steps:
        match name:
            case "begin":
                service.begin(value)
            case "stop" if service.last.running:
                service.stop(value)
            case "after":
                service.after(value)
            case "fails":
                service.failing ^= {f"app:{value}"}
            case "alarm":
                service.in_alarm = {"errors"} if value else set()
        *older, _ = service.rollout.deployments
        assert not any(one.running for one in older)
        assert all((one.finished is None) == one.running for one in service.rollout.deployments)
        assert all(count == 2 for count in service.tasks.values())
    for deployment in service.rollout.deployments:
        turns = [what for what in service.happened if isinstance(what, Turn) and what.deployment is deployment]
        passed = [Status.PENDING, *(turn.status for turn in turns)]
        assert all(after in AFTER[before] for before, after in pairwise(passed)), passed
        assert [turn.at for turn in turns] == sorted(turn.at for turn in turns)
    good = [one for one in service.rollout.deployments if one.status == "SUCCESSFUL"]
    assert service.rollout.completed is good[-1].target


@given(st.lists(st.floats(0, 40), max_size=8), st.sampled_from(["app:2", "td:1", ""]), st.booleans())
def test_how_often_somebody_looks_changes_nothing(looks: list[float], failing: str, stopped: bool) -> None:
    def turns(steps: list[float]) -> list[tuple[str, float]]:
        service = Service(**BREAKER)
        service.happened.clear()
        service.failing.add(failing)
        service.begin(2)
        if stopped:
            service.stop()
        for seconds in steps:
            service.after(seconds)
        return [(what.status if isinstance(what, Turn) else "", round(what.at, 6)) for what in service.happened]

    assert turns(looks) == turns([sum(looks)])
