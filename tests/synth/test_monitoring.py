"""The alarms say what the runbook's section 7.1 prints."""

import re
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from aws_cdk.assertions import Template

from local.evaluator import evaluate, metrics
from stacks.environment import Environment

Get = Callable[[str], Template]
Alarms = dict[str, dict[str, Any]]

# Runbook section 7.1, as printed, in the metric's unit: normal, warning, critical
RUNBOOK = {
    "ecs-cpu": (60, 70, 85),
    "ecs-memory": (70, 80, 90),
    "rds-cpu": (60, 75, 90),
    "rds-connections": (100, 150, 180),
    "redis-memory": (70, 80, 90),
    "alb-5xx-rate": (0.1, 1, 5),
    "alb-latency-p95": (0.5, 1, 2),  # 500ms, 1s, 2s
    "sentry-errors": (10, 50, 100),
}
# Section 3.3 ("ALB unhealthy host count > 0") and appendix A: what the procedures need beside the table
PROCEDURES = {
    "unhealthy-hosts": (0, 0, 49),
    "api-availability": (100, 99, 50),
    "frontend-availability": (100, 99, 50),
}
ROWS = RUNBOOK | PROCEDURES
WORSE_BELOW = ("api-availability", "frontend-availability")
FAILURES = ("rollback-errors", "rollback-throttles", "rollback-dead-letters", "health-check-errors")


@pytest.fixture
def alarms(template: Get) -> Alarms:
    """The metric alarms of the environment at hand, by name."""
    found = template("monitoring").find_resources("AWS::CloudWatch::Alarm").values()
    return {alarm["Properties"]["AlarmName"]: alarm["Properties"] for alarm in found}


def reference(value: dict[str, Any]) -> str:
    """What an intrinsic function refers to."""
    target = value.get("Fn::GetAtt") or value.get("Fn::ImportValue") or value.get("Ref")
    return ".".join(target) if isinstance(target, list) else str(target)


def described(alarm: dict[str, Any]) -> dict[str, Any]:
    """An alarm of the template as DescribeAlarms would return it, references in place of what they become."""

    def resolved(value: Any) -> Any:
        if isinstance(value, dict) and len(value) == 1 and next(iter(value)) in ("Fn::GetAtt", "Fn::ImportValue", "Ref"):
            return reference(value)
        if isinstance(value, dict):
            return {key: resolved(item) for key, item in value.items()}
        return [resolved(item) for item in value] if isinstance(value, list) else value

    return {"StateValue": "OK", **resolved(alarm)}


@pytest.mark.parametrize("slug", ROWS)
@pytest.mark.parametrize("level", ["warning", "critical"])
def test_each_line_of_the_runbook_is_an_alarm(slug: str, level: str, settings: Environment, alarms: Alarms) -> None:
    alarm = alarms[f"hz-navigator-{settings.name}-{slug}-{level}"]
    assert alarm["Threshold"] == ROWS[slug][1 if level == "warning" else 2]
    # Strictly past the line, as the runbook's > says
    assert alarm["ComparisonOperator"] == ("LessThanThreshold" if slug in WORSE_BELOW else "GreaterThanThreshold")
    # Fast where it is critical, calm where it is a warning
    assert (alarm["DatapointsToAlarm"], alarm["EvaluationPeriods"]) == ((2, 3) if level == "critical" else (4, 5))


def test_there_are_no_other_alarms(settings: Environment, alarms: Alarms) -> None:
    names = [f"{slug}-{level}" for slug in ROWS for level in ("warning", "critical")] + [
        f"{slug}-critical" for slug in FAILURES
    ]
    assert sorted(alarms) == sorted(f"hz-navigator-{settings.name}-{name}" for name in names)


@pytest.mark.parametrize(
    ("slug", "namespace", "metric", "statistic", "dimensions"),
    [
        (
            "ecs-cpu",
            "AWS/ECS",
            "CPUUtilization",
            "Average",
            {"ClusterName": "hz-navigator-{env}-cluster", "ServiceName": "hz-navigator-{env}-backend-service"},
        ),
        (
            "ecs-memory",
            "AWS/ECS",
            "MemoryUtilization",
            "Average",
            {"ClusterName": "hz-navigator-{env}-cluster", "ServiceName": "hz-navigator-{env}-backend-service"},
        ),
        ("rds-cpu", "AWS/RDS", "CPUUtilization", "Average", {"DBInstanceIdentifier": "hz-navigator-{env}-postgres"}),
        (
            "rds-connections",
            "AWS/RDS",
            "DatabaseConnections",
            "Maximum",
            {"DBInstanceIdentifier": "hz-navigator-{env}-postgres"},
        ),
        ("sentry-errors", "HZNavigator", "SentryErrors", "Sum", {"Environment": "{env}"}),
        ("api-availability", "HZNavigator", "Availability", "Average", {"Environment": "{env}", "Target": "api"}),
        ("frontend-availability", "HZNavigator", "Availability", "Average", {"Environment": "{env}", "Target": "frontend"}),
    ],
)
def test_a_simple_row_watches_one_metric(
    slug: str, namespace: str, metric: str, statistic: str, dimensions: dict[str, str], settings: Environment, alarms: Alarms
) -> None:
    alarm = alarms[settings.alarm(slug, "critical")]
    assert (alarm["Namespace"], alarm["MetricName"], alarm["Statistic"], alarm["Period"]) == (namespace, metric, statistic, 60)
    assert {item["Name"]: item["Value"] for item in alarm["Dimensions"]} == {
        name: value.format(env=settings.name) for name, value in dimensions.items()
    }


@pytest.mark.parametrize(
    ("slug", "expression", "watched"),
    [
        (
            "alb-5xx-rate",
            "IF(requests > 20, 100 * (FILL(elb, 0) + FILL(target, 0)) / requests)",
            {
                "requests": ("RequestCount", "Sum"),
                "elb": ("HTTPCode_ELB_5XX_Count", "Sum"),
                "target": ("HTTPCode_Target_5XX_Count", "Sum"),
            },
        ),
        (
            "alb-latency-p95",
            "IF(requests > 20, latency)",
            {"requests": ("RequestCount", "Sum"), "latency": ("TargetResponseTime", "p95")},
        ),
        (
            "unhealthy-hosts",
            "100 * unhealthy / (unhealthy + healthy)",
            {"unhealthy": ("UnHealthyHostCount", "Maximum"), "healthy": ("HealthyHostCount", "Minimum")},
        ),
        (
            "redis-memory",
            "MAX(METRICS())",
            {"m1": ("DatabaseMemoryUsagePercentage", "Maximum"), "m2": ("DatabaseMemoryUsagePercentage", "Maximum")},
        ),
    ],
)
def test_a_row_of_several_metrics_is_metric_math(
    slug: str, expression: str, watched: dict[str, tuple[str, str]], settings: Environment, alarms: Alarms
) -> None:
    returned, *queries = alarms[settings.alarm(slug, "critical")]["Metrics"]
    assert (returned["Expression"], returned["ReturnData"]) == (expression, True)
    assert {
        query["Id"]: (query["MetricStat"]["Metric"]["MetricName"], query["MetricStat"]["Stat"]) for query in queries
    } == watched
    assert {(query["MetricStat"]["Period"], query["ReturnData"]) for query in queries} == {(60, False)}


def test_every_redis_node_is_watched(settings: Environment, alarms: Alarms) -> None:
    queries = alarms[settings.alarm("redis-memory", "critical")]["Metrics"][1:]
    assert [query["MetricStat"]["Metric"]["Dimensions"] for query in queries] == [
        [{"Name": "CacheClusterId", "Value": f"hz-navigator-{settings.name}-redis-00{number}"}] for number in (1, 2)
    ]


@pytest.mark.parametrize(
    ("slug", "dimensions"),
    [
        ("alb-5xx-rate", {"LoadBalancer": "LoadBalancerFullName"}),
        ("alb-latency-p95", {"LoadBalancer": "LoadBalancerFullName"}),
        ("unhealthy-hosts", {"LoadBalancer": "LoadBalancerFullName", "TargetGroup": "TargetGroupFullName"}),
    ],
)
def test_load_balancer_rows_watch_this_load_balancer(
    slug: str, dimensions: dict[str, str], settings: Environment, alarms: Alarms
) -> None:
    for query in alarms[settings.alarm(slug, "critical")]["Metrics"][1:]:
        found = {item["Name"]: reference(item["Value"]) for item in query["MetricStat"]["Metric"]["Dimensions"]}
        assert found.keys() == dimensions.keys()
        for name, attribute in dimensions.items():
            assert re.fullmatch(rf"hz-navigator-{settings.name}-load-balancer:.*{attribute}\w{{8}}", found[name])


@pytest.mark.parametrize("slug", ROWS)
def test_missing_data_never_makes_a_critical_alarm(slug: str, settings: Environment, alarms: Alarms) -> None:
    assert alarms[settings.alarm(slug, "critical")]["TreatMissingData"] in ("notBreaching", "missing")


def test_a_health_check_that_falls_silent_is_a_warning(settings: Environment, alarms: Alarms) -> None:
    assert {alarms[settings.alarm(slug, "warning")]["TreatMissingData"] for slug in WORSE_BELOW} == {"breaching"}


def test_every_alarm_can_be_evaluated_on_the_local_cloud(alarms: Alarms) -> None:
    for alarm in alarms.values():
        assert metrics(described(alarm))
        evaluate(described(alarm), {}, datetime(2026, 1, 5, tzinfo=UTC))


def test_warnings_go_to_the_outcomes_and_what_is_critical_to_a_person(alarms: Alarms) -> None:
    for name, alarm in alarms.items():
        topic = "Escalations" if name.endswith("critical") else "Outcomes"
        (action,) = alarm["AlarmActions"]
        assert re.search(rf"-remediation:ExportsOutputRef{topic}\w+$", reference(action)), name


@pytest.mark.parametrize(
    ("name", "description"),
    [
        (
            "alb-5xx-rate-critical",
            "ALB 5XX rate over 5 %, normal is up to 0.1. P1: respond within 15 min. Runbook section 3.1",
        ),
        (
            "rds-connections-warning",
            "RDS connections over 150 connections, normal is up to 100. P3: respond within 4 hours. Runbook section 3.4",
        ),
        (
            "api-availability-critical",
            "API availability under 50 %, normal is from 100. P1: respond within 15 min. Runbook section 3.1",
        ),
        ("rollback-errors-critical", "The rollback function failed. P2: respond within 1 hour. Runbook section 4.1"),
    ],
)
def test_a_description_tells_the_person_who_is_woken(
    name: str, description: str, settings: Environment, alarms: Alarms
) -> None:
    assert alarms[f"hz-navigator-{settings.name}-{name}"]["AlarmDescription"] == description


@pytest.mark.parametrize(
    ("slug", "function", "metric", "window"),
    [
        ("rollback-errors", "rollback", "Errors", (1, 1)),
        ("rollback-throttles", "rollback", "Throttles", (1, 1)),
        ("rollback-dead-letters", "rollback", "DeadLetterErrors", (1, 1)),
        ("health-check-errors", "health-check", "Errors", (2, 3)),
    ],
)
def test_our_own_failures_are_critical(
    slug: str, function: str, metric: str, window: tuple[int, int], settings: Environment, alarms: Alarms
) -> None:
    alarm = alarms[settings.alarm(slug, "critical")]
    assert (alarm["Namespace"], alarm["MetricName"], alarm["Statistic"]) == ("AWS/Lambda", metric, "Sum")
    assert alarm["Dimensions"] == [{"Name": "FunctionName", "Value": f"hz-navigator-{settings.name}-{function}"}]
    assert (alarm["ComparisonOperator"], alarm["Threshold"]) == ("GreaterThanThreshold", 0)
    assert (alarm["DatapointsToAlarm"], alarm["EvaluationPeriods"]) == window


# The composite alarm and the function that hangs on it


def composite(template: Get) -> tuple[str, dict[str, Any]]:
    ((logical_id, resource),) = template("monitoring").find_resources("AWS::CloudWatch::CompositeAlarm").items()
    return logical_id, resource["Properties"]


def test_the_service_is_impaired_when_users_have_it_bad(settings: Environment, template: Get) -> None:
    _, alarm = composite(template)
    names = {
        f"{logical_id}.Arn": resource["Properties"]["AlarmName"]
        for logical_id, resource in template("monitoring").find_resources("AWS::CloudWatch::Alarm").items()
    }
    rule = "".join(part if isinstance(part, str) else names[reference(part)] for part in alarm["AlarmRule"]["Fn::Join"][1])
    prefix = f"hz-navigator-{settings.name}"
    assert alarm["AlarmName"] == f"{prefix}-service-impaired"
    assert rule == (
        f'(ALARM("{prefix}-alb-5xx-rate-critical") OR ALARM("{prefix}-alb-latency-p95-critical") OR '
        f'ALARM("{prefix}-unhealthy-hosts-critical") OR ALARM("{prefix}-api-availability-critical"))'
    )


def test_rollback_is_called_when_it_starts_and_when_it_ends(template: Get) -> None:
    _, alarm = composite(template)
    assert alarm["AlarmActions"] == alarm["OKActions"]
    (action,) = alarm["AlarmActions"]
    assert re.search(r"-remediation:ExportsOutputFnGetAttRollback\w+Arn\w+$", reference(action))


def test_only_this_alarm_of_this_account_may_call_rollback(settings: Environment, template: Get) -> None:
    logical_id, alarm = composite(template)
    (permission,) = template("monitoring").find_resources("AWS::Lambda::Permission").values()
    assert permission["Properties"] == {
        "Action": "lambda:InvokeFunction",
        "FunctionName": alarm["AlarmActions"][0],
        "Principal": "lambda.alarms.cloudwatch.amazonaws.com",
        "SourceAccount": settings.account,
        "SourceArn": {"Fn::GetAtt": [logical_id, "Arn"]},
    }


def test_no_other_alarm_calls_a_function(alarms: Alarms) -> None:
    actions = [
        reference(action)
        for alarm in alarms.values()
        for key in ("AlarmActions", "OKActions", "InsufficientDataActions")
        for action in alarm.get(key, [])
    ]
    assert [action for action in actions if "Rollback" in action] == []


def test_the_alarms_that_stacks_name_exist(settings: Environment, alarms: Alarms) -> None:
    assert {*settings.deployment_alarms, *settings.dependency_alarms} <= alarms.keys()
