"""What is read for a diagnosis, and what is said of what could not be."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest

from tests.environments import PRODUCTION
from tests.unit.lambdas.diagnose.aws import QUIET, Aws, alarm, at, deployment, quiet, reader
from tests.unit.lambdas.world import Call

NAME = PRODUCTION.application.container.name


@pytest.fixture
def aws() -> Iterator[Aws]:
    with quiet() as made:
        yield made


def metric_data(**series: list[float]) -> Any:
    """GetMetricData's answer: by the names of metrics, their values of the minutes up to now, 12:05."""

    def answer(call: Call) -> dict[str, Any]:
        results = []
        for query in call.parameters["MetricDataQueries"]:
            stat = query["MetricStat"]["Metric"]
            zoned = any(one["Name"] == "AvailabilityZone" for one in stat["Dimensions"])
            values = [] if zoned else series.get(stat["MetricName"], [])
            times = [at(5) - timedelta(minutes=len(values) - number) for number in range(len(values))]
            results.append({"Id": query["Id"], "Timestamps": times, "Values": values})
        return {"MetricDataResults": results}

    return answer


def task(stopped: float | None = None, **more: Any) -> dict[str, Any]:
    status = {"lastStatus": "RUNNING"} if stopped is None else {"lastStatus": "STOPPED", "stoppedAt": at(stopped)}
    return {
        "taskArn": f"arn:task/{stopped}",
        "taskDefinitionArn": "arn:task-definition/backend:7",
        "availabilityZone": "us-east-1a",
        "containers": [{"name": NAME, "exitCode": 1}],
        **status,
        **more,
    }


def test_what_is_past_its_line_is_read_from_the_alarms(aws: Aws) -> None:
    firing = alarm("rds-cpu-critical", StateReasonData='{"recentDatapoints": [97.5]}')
    aws.answers["DescribeAlarms"] = {"MetricAlarms": [firing, alarm("rds-connections-critical", "OK")], "CompositeAlarms": []}
    (row,) = reader().read(at(5)).rows or ()
    assert (row.slug, row.level, row.measured, row.dependency) == (
        "rds-cpu", "critical", "RDS CPU 97.5 %, normal under 60 %", "database",
    )  # fmt: skip


def test_it_began_with_the_first_value_beyond_a_critical_line(aws: Aws) -> None:
    values = (
        '{"evaluatedDatapoints": [{"timestamp": "2026-03-02T11:58:00.000+0000", "value": 97.0},'
        ' {"timestamp": "2026-03-02T11:57:00.000+0000", "value": 50.0}]}'
    )
    firing = alarm("rds-cpu-critical", StateReasonData=values, Threshold=90.0, ComparisonOperator="GreaterThanThreshold")
    aws.answers["DescribeAlarms"] = {"MetricAlarms": [firing], "CompositeAlarms": []}
    assert reader().read(at(5)).began == at(-2)


def test_the_hour_before_is_the_usual_and_the_last_minutes_are_now(aws: Aws) -> None:
    aws.answers["GetMetricData"] = metric_data(RequestCount=[60] * 60 + [120] * 5, TargetResponseTime=[0.2] * 60 + [3.0] * 5)
    facts = reader().read(at(5), began=at(0))
    assert facts.signals["requests"].words == "120 a minute, before 60"
    assert facts.signals["p95"].words == "3 s, before 0.2"


def test_a_minute_without_5xx_counts_as_none(aws: Aws) -> None:
    aws.answers["GetMetricData"] = metric_data(RequestCount=[60] * 65, HTTPCode_Target_5XX_Count=[10] * 5)
    errors = reader().read(at(5), began=at(0)).signals["errors"]
    assert (errors.before, errors.now) == (0, 10)


def test_what_never_was_published_has_no_value(aws: Aws) -> None:
    assert reader().read(at(5)).signals["requests"].now is None


def test_what_the_alarms_do_not_know_is_not_asked_for(aws: Aws) -> None:
    reader().read(at(5))
    (call,) = [one for one in aws.calls if one.operation == "GetMetricData"]
    namespaces = {query["MetricStat"]["Metric"]["Namespace"] for query in call.parameters["MetricDataQueries"]}
    assert namespaces == {"AWS/ApplicationELB"}


def test_tasks_that_stopped_are_read_with_why_and_where_the_newest_first(aws: Aws) -> None:
    stopped = [
        task(stopped=1, stoppedReason="Essential container exited"),
        task(stopped=3, stoppedReason="OutOfMemoryError"),
        task(stopped=4, stoppedReason="Scaling activity initiated by (deployment ecs-svc/1)"),  # nothing is wrong with it
    ]
    aws.answers["ListTasks"] = {"taskArns": ["arn:task"]}
    aws.answers["DescribeTasks"] = {"tasks": [task(), *stopped]}
    service = reader().read(at(5)).service
    assert service
    assert next(one.reason for one in service.stopped) == "OutOfMemoryError"
    assert {one.reason for one in service.stopped} == {"OutOfMemoryError", "Essential container exited"}
    assert (service.stopped[0].revision, service.stopped[0].zone, service.stopped[0].exit_code) == (
        "backend:7",
        "us-east-1a",
        1,
    )


def test_a_deployment_of_the_image_that_ran_before_is_known_by_it(aws: Aws) -> None:
    aws.deployed(deployment(3, -10, "repo:b"), deployment(2, -60, "repo:b"), deployment(1, -90, "repo:a"))
    newest, before, first = reader().read(at(5)).deployments or ()
    assert (newest.commit, newest.same_image) == ("b", True)
    assert (before.same_image, first.same_image) == (False, False)


def test_deployments_are_changes_too(aws: Aws) -> None:
    aws.deployed(deployment(3, -10, "repo:b"))
    assert [one.words for one in reader().read(at(5)).changes or ()] == [
        "11:50:00 UTC deployment 3 of backend:3 (b): SUCCESSFUL"
    ]


def test_what_changed_more_than_an_hour_before_it_began_is_left_out(aws: Aws) -> None:
    aws.deployed(deployment(3, -61, "repo:b"))
    assert reader().read(at(5), began=at(0)).changes == ()


def test_a_query_that_does_not_complete_is_named(aws: Aws) -> None:
    aws.answers["GetQueryResults"] = {"status": "Failed", "results": []}
    assert reader().read(at(5)).missing["errors"] == f"the query of {PRODUCTION.backend_log_group} ended as Failed"


def test_a_query_is_asked_for_until_it_completes(aws: Aws) -> None:
    answers = iter(["Scheduled", "Running"])
    aws.answers["GetQueryResults"] = lambda _: {"status": next(answers, "Complete"), "results": []}
    assert reader().read(at(5)).errors == ()


def test_slow_statements_are_shown_without_what_people_wrote_into_them(aws: Aws) -> None:
    row = [
        {"field": "milliseconds", "value": "12345.6"},
        {"field": "statement", "value": "SELECT * FROM users WHERE email = 'ada@example.com'"},
    ]
    aws.answers["GetQueryResults"] = {"status": "Complete", "results": [row]}
    database = reader().read(at(5)).database
    assert database
    assert database.details == ("12.3 s: SELECT * FROM users WHERE email = '<email>'",)


FACTS = {
    "DescribeAlarms": "rows",
    "GetMetricData": "signals",
    "DescribeServices": "service",
    "ListTasks": "service",
    "ListServiceDeployments": "deployments",
    "DescribeTargetGroups": "targets",
    "DescribeTargetHealth": "targets",
    "StartQuery": "errors",
    "GetQueryResults": "errors",
    "DescribeDBInstances": "database",
    "DescribeReplicationGroups": "cache",
    "DescribeEvents": "cache",
    "LookupEvents": "changes",
    "ListStacks": "stacks",
    "ListSecrets": "secrets",
    "DescribeScalingActivities": "scaling",
    "ListObjectsV2": "frontend",
}


@pytest.mark.parametrize(("operation", "fact"), FACTS.items())
def test_what_aws_denies_is_named_and_the_rest_is_read(aws: Aws, operation: str, fact: str) -> None:
    aws.refuse(operation)
    facts = reader().read(at(5))
    assert operation in facts.missing[fact]
    assert len(facts.missing) <= 2  # a denied query is both the errors' and the statements'


def test_every_call_may_fail_at_once(aws: Aws) -> None:
    aws.refuse(*QUIET)
    facts = reader().read(at(5))
    assert facts.rows is None
    assert all(one.now is None for one in facts.signals.values())
    assert facts.service is facts.deployments is facts.errors is facts.database is facts.cache is facts.targets is None
