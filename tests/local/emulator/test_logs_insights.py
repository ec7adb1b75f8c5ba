"""The logs of a deployed production: ECS's events reach their group, and the saved queries run on what is there."""

from collections.abc import Callable
from datetime import timedelta

import pytest
from botocore.exceptions import ClientError

from local.cloud import Cloud
from local.drills.pipeline import Pipeline
from runbook.queries import QUERIES

Row = dict[str, str]
Ask = Callable[[str], list[Row]]


@pytest.fixture
def ask(cloud: Cloud) -> Ask:
    """`ask("errors")`: the rows of a saved query over the last two hours of the clock."""
    logs = cloud.client("logs")

    def asked(slug: str) -> list[Row]:
        (query,) = [query for query in QUERIES if query.slug == slug]
        end = int(cloud.now().timestamp()) + 1
        group = query.group(cloud.environment)
        started = logs.start_query(logGroupName=group, queryString=query.text, startTime=end - 7200, endTime=end)
        answer = logs.get_query_results(queryId=started["queryId"])
        assert answer["status"] == "Complete"
        return [{item["field"]: item["value"] for item in row} for row in answer["results"]]

    return asked


@pytest.mark.parametrize("slug", [query.slug for query in QUERIES])
def test_a_saved_query_runs_as_it_is(slug: str, ask: Ask) -> None:
    assert isinstance(ask(slug), list)


def test_a_query_that_the_local_cloud_does_not_know_is_refused(cloud: Cloud) -> None:
    group = cloud.environment.backend_log_group
    with pytest.raises(ClientError, match="stats is not supported"):
        cloud.client("logs").start_query(logGroupName=group, queryString="stats sum(a)", startTime=0, endTime=1)


def test_a_release_and_the_tasks_it_stops_are_logged(cloud: Cloud, ask: Ask) -> None:
    environment, ecs = cloud.environment, cloud.client("ecs")
    cloud.advance(timedelta(hours=2))
    ecs.update_service(cluster=environment.cluster, service=environment.service, forceNewDeployment=True)
    for _ in range(3):
        cloud.advance(timedelta(minutes=1))
    completed, begun = ask("deployments")
    assert begun["detail.eventName"] == "SERVICE_DEPLOYMENT_IN_PROGRESS"
    assert completed["detail.eventName"] == "SERVICE_DEPLOYMENT_COMPLETED"
    assert completed["detail.reason"].removesuffix(" completed.") == begun["detail.reason"].removesuffix(" in progress.")
    assert begun["@timestamp"] < completed["@timestamp"]
    stopped = ask("stopped-tasks")
    assert len(stopped) == environment.backend.min_tasks
    assert {row["detail.stoppedReason"] for row in stopped} == {"Scaling activity initiated by deployment"}
    assert all(row["revision"].isdigit() for row in stopped)


def test_a_release_that_does_not_start_is_logged_with_its_rollback(cloud: Cloud, pipeline: Pipeline, ask: Ask) -> None:
    cloud.advance(timedelta(hours=2))
    cloud.fail_tasks_of(pipeline.image("does-not-start"))
    registered = pipeline.release("does-not-start")
    for _ in range(4):
        cloud.advance(timedelta(minutes=1))
    names = [row["detail.eventName"].removeprefix("SERVICE_DEPLOYMENT_") for row in ask("deployments")]
    assert sorted(names) == ["COMPLETED", "FAILED", "IN_PROGRESS", "IN_PROGRESS"]
    assert [row["detail.reason"] for row in ask("deployments") if "circuit breaker" in row["detail.reason"]]
    failed = [row for row in ask("stopped-tasks") if row["detail.stoppedReason"].startswith("CannotPullContainerError")]
    assert {row["revision"] for row in failed} == {registered.rpartition(":")[2]}
