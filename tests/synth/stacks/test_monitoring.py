"""The alarms say what the runbook's section 7.1 prints."""

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from local.cloudwatch.alarms import Datapoint, evaluate, metrics
from runbook.alarms import DEPENDENCY_ALARMS
from runbook.pages import PAGES, Page
from runbook.severities import CALLED, RESPONSE_TIMES
from stacks.environment import Environment
from tests.environments import PRODUCTION, VARIANTS, VARIANTS_CONFIG
from tests.synth.assemblies import templates
from tests.synth.template import Template

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
    "database-availability": (100, 99, 50),
    "frontend-availability": (100, 99, 50),
}
# The runbook's lines over ten minutes, and ours for what its sections 3.2 to 3.5 and 8 ask about
OURS = {
    "alb-5xx-rate-low-traffic": (0.1, 1, 5),
    "alb-latency-p95-low-traffic": (0.5, 1, 2),
    "tasks-running": (100, 100, 50),
    "ecs-cpu-hottest": (80, 90, 98),
    "target-connections": (0, 5, 50),
    "nat-ports": (0, 0, 100),
    "rds-free-storage": (20, 10, 5),
    "rds-free-memory": (512, 256, 128),
    "rds-cpu-credits": (100, 50, 10),
    "rds-failovers": (0, 0, 1),
    "redis-nodes": (2, 2, 1),
    "redis-evictions": (0, 100, 1000),
    "redis-replication-lag": (1, 5, 30),
    "certificate-days": (45, 30, 7),
}
ROWS = RUNBOOK | PROCEDURES | OURS
WINDOWS = {  # warning, critical: where not 4 of 5 and 2 of 3
    "alb-5xx-rate-low-traffic": ((2, 3), (1, 1)),
    "alb-latency-p95-low-traffic": ((2, 3), (2, 3)),
    "tasks-running": ((4, 5), (4, 5)),
    "ecs-cpu-hottest": ((8, 10), (8, 10)),
    "rds-failovers": ((1, 1), (1, 1)),
    "redis-nodes": ((4, 5), (4, 5)),
    "certificate-days": ((1, 1), (1, 1)),
}
WORSE_BELOW = (
    "api-availability", "frontend-availability", "database-availability", "tasks-running", "rds-free-storage", "rds-free-memory",
    "rds-cpu-credits", "redis-nodes", "certificate-days",
)  # fmt: skip
RECURS = ("alb-5xx-rate", "alb-latency-p95", "api-availability", "frontend-availability")
FAILURES = ("rollback-errors", "rollback-throttles", "rollback-dead-letters", "health-check-errors", "health-check-silent")
WARNED_FAILURES = ("releases-errors", "diagnose-errors", "postmortem-errors")
DIRECT = ("notify-errors", "notify-silent")


@pytest.fixture
def alarms(template: Get) -> Alarms:
    """The metric alarms of the environment at hand, by name."""
    found = template("monitoring").of_type("AWS::CloudWatch::Alarm").values()
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


def test_no_alarm_has_its_actions_switched_off(template: Get) -> None:
    monitoring = template("monitoring")
    kinds = ("AWS::CloudWatch::Alarm", "AWS::CloudWatch::CompositeAlarm")
    found = [alarm["Properties"] for kind in kinds for alarm in monitoring.of_type(kind).values()]
    assert [alarm["AlarmName"] for alarm in found if alarm.get("ActionsEnabled", True) is not True] == []


@pytest.mark.parametrize("slug", ROWS)
@pytest.mark.parametrize("level", ["warning", "critical"])
def test_each_line_of_the_runbook_is_an_alarm(slug: str, level: str, environment: Environment, alarms: Alarms) -> None:
    alarm = alarms[f"hz-navigator-{environment.name}-{slug}-{level}"]
    assert alarm["Threshold"] == ROWS[slug][1 if level == "warning" else 2]
    # Strictly past the line, as the runbook's > says
    assert alarm["ComparisonOperator"] == ("LessThanThreshold" if slug in WORSE_BELOW else "GreaterThanThreshold")
    # Fast where it is critical, calm where it is a warning
    windows = WINDOWS.get(slug, ((4, 5), (2, 3)))
    assert (alarm["DatapointsToAlarm"], alarm["EvaluationPeriods"]) == windows[level == "critical"]


def test_there_are_no_other_alarms(environment: Environment, alarms: Alarms) -> None:
    names = [f"{slug}-{level}" for slug in ROWS for level in ("warning", "critical")]
    names += [f"{slug}-{name}" for slug in RECURS for name in ("recurring", "recent")]
    names += [f"{slug}-critical" for slug in (*FAILURES, *DIRECT)]
    names += [f"{slug}-warning" for slug in WARNED_FAILURES]
    assert sorted(alarms) == sorted(f"hz-navigator-{environment.name}-{name}" for name in names)


def test_every_redis_node_is_watched(environment: Environment, alarms: Alarms) -> None:
    queries = alarms[environment.alarm("redis-memory", "critical")]["Metrics"][1:]
    assert [query["MetricStat"]["Metric"]["Dimensions"] for query in queries] == [
        [{"Name": "CacheClusterId", "Value": f"hz-navigator-{environment.name}-redis-00{number}"}] for number in (1, 2)
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
    slug: str, dimensions: dict[str, str], environment: Environment, alarms: Alarms
) -> None:
    for query in alarms[environment.alarm(slug, "critical")]["Metrics"][1:]:
        found = {item["Name"]: reference(item["Value"]) for item in query["MetricStat"]["Metric"]["Dimensions"]}
        assert found.keys() == dimensions.keys()
        for name, attribute in dimensions.items():
            assert re.fullmatch(rf"hz-navigator-{environment.name}-load-balancer:.*{attribute}\w{{8}}", found[name])


@pytest.mark.parametrize("slug", ROWS)
def test_missing_data_never_makes_a_critical_alarm(slug: str, environment: Environment, alarms: Alarms) -> None:
    assert alarms[environment.alarm(slug, "critical")]["TreatMissingData"] in ("notBreaching", "missing")


def test_a_health_check_that_falls_silent_is_one_page(environment: Environment, alarms: Alarms) -> None:
    """Of its own: in the same minute as the warnings of what it measures, which nobody is sent while a page is open."""
    silenced = [name for name, alarm in alarms.items() if alarm["TreatMissingData"] == "breaching"]
    assert sorted(silenced) == [
        environment.alarm("api-availability", "warning"),  # not sent while the next but one is told
        environment.alarm("frontend-availability", "warning"),
        environment.alarm("health-check-silent", "critical"),
        environment.alarm("notify-silent", "critical"),
    ]


def test_an_alarm_reads_at_most_ten_metrics(alarms: Alarms) -> None:
    """https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/Create-alarm-on-metric-math-expression.html"""
    assert max(len(metrics(described(alarm))) for alarm in alarms.values()) <= 10


def test_no_alarm_looks_back_further_than_cloudwatch_can(alarms: Alarms) -> None:
    """A day, or seven where its period is an hour or more: https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_PutMetricAlarm.html"""
    for alarm in alarms.values():
        (period,) = {metric.period for metric in metrics(described(alarm)).values()}
        assert period * alarm["EvaluationPeriods"] <= (7 if period >= 3600 else 1) * 24 * 3600


@pytest.mark.parametrize(("name", "credits_"), [("production", True), ("everything", False)])
def test_only_a_burstable_class_has_credits(name: str, credits_: bool) -> None:
    environment = PRODUCTION if name == "production" else VARIANTS[name]
    assert environment.database.instance_class.startswith("db.t") == credits_
    found = (templates(name) if credits_ else templates(name, VARIANTS_CONFIG))["monitoring"]
    names = [alarm["Properties"]["AlarmName"] for alarm in found.of_type("AWS::CloudWatch::Alarm").values()]
    assert any("rds-cpu-credits" in one for one in names) == credits_


def test_every_nat_gateway_and_the_apis_certificate_are_watched(environment: Environment, alarms: Alarms) -> None:
    ports = metrics(described(alarms[environment.alarm("nat-ports", "critical")])).values()
    gateways = {value for metric in ports for _, value in metric.dimensions}
    assert len(gateways) == environment.network.nat_gateways
    assert all("network:" in one for one in gateways)
    (certificate,) = metrics(described(alarms[environment.alarm("certificate-days", "critical")])).values()
    assert certificate.period == 24 * 3600


def test_every_alarm_can_be_evaluated_on_the_local_cloud(alarms: Alarms) -> None:
    for alarm in alarms.values():
        assert metrics(described(alarm))
        evaluate(described(alarm), {}, datetime(2026, 1, 5, tzinfo=UTC))


# Who is told


def acts(alarm: dict[str, Any], state: str) -> list[str]:
    """The topics and functions that an alarm acts on in a state, by their logical ids in the stack that has them."""
    return [
        re.sub(r"^.*:ExportsOutput(?:Ref|FnGetAtt)([A-Z][a-z0-9]+?)[0-9A-F]{8}.*$", r"\1", reference(one))
        for one in alarm.get(f"{state}Actions", [])
    ]


def composites(template: Get) -> dict[str, dict[str, Any]]:
    """The composite alarms by name, their rules with names in place of ARNs."""
    names = {
        f"{logical_id}.Arn": resource["Properties"]["AlarmName"]
        for kind in ("AWS::CloudWatch::Alarm", "AWS::CloudWatch::CompositeAlarm")
        for logical_id, resource in template("monitoring").of_type(kind).items()
    }
    return {
        alarm["AlarmName"]: alarm
        | {
            "AlarmRule": "".join(
                part if isinstance(part, str) else names[reference(part)]
                for part in (alarm["AlarmRule"]["Fn::Join"][1] if isinstance(alarm["AlarmRule"], dict) else alarm["AlarmRule"])
            ),
            "ActionsSuppressor": names.get(reference(alarm.get("ActionsSuppressor", {"Ref": ""}))),
        }
        for resource in template("monitoring").of_type("AWS::CloudWatch::CompositeAlarm").values()
        for alarm in [resource["Properties"]]
    }


def firing(environment: Environment, names: list[str]) -> str:
    """A rule that holds while one of the alarms fires."""
    alarms = [f'ALARM("hz-navigator-{environment.name}-{name}")' for name in names]
    return f"({' OR '.join(alarms)})"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.slug)
def test_a_page_fires_for_its_rows_unless_another_explains_it(page: Page, environment: Environment, template: Get) -> None:
    alarm = composites(template)[f"hz-navigator-{environment.name}-{page.slug}"]
    rule = firing(environment, [f"{row}-critical" for row in page.rows])
    if page.recurring:
        alarms = [
            [f'ALARM("{environment.prefix}-{slug}-{name}")' for name in ("recurring", "recent")] for slug in page.recurring
        ]
        rule = f"({' OR '.join(f'({one} AND {other})' for one, other in alarms)})"
    explained = firing(environment, list(page.unless))
    assert alarm["AlarmRule"] == (f"({rule} AND (NOT ({explained})))" if page.unless else rule)
    assert alarm["AlarmDescription"].endswith(f" Runbook section {page.section.heading}")
    assert f". {page.severity}: respond within {RESPONSE_TIMES[page.severity]}." in alarm["AlarmDescription"]


def test_every_critical_row_calls_somebody_through_one_page() -> None:
    assert sorted(row for page in PAGES for row in page.rows) == sorted(ROWS)
    assert [row for page in PAGES if page.severity not in CALLED for row in page.rows] == ["rds-cpu-credits"], (
        "costs money only"
    )


def test_pages_warnings_and_our_own_failures_are_told(environment: Environment, template: Get, alarms: Alarms) -> None:
    prefix = f"hz-navigator-{environment.name}-"
    told = {f"{prefix}{page.slug}": composites(template)[f"{prefix}{page.slug}"] for page in PAGES}
    told |= {name: alarm for name, alarm in alarms.items() if name.endswith("-warning")}
    told |= {f"{prefix}{slug}-critical": alarms[f"{prefix}{slug}-critical"] for slug in FAILURES}
    for name, alarm in told.items():
        assert (acts(alarm, "Alarm"), acts(alarm, "OK")) == (["Alarms"], ["Alarms"]), name


def test_a_critical_row_and_maintenance_only_wake_notify_when_they_end(
    environment: Environment, template: Get, alarms: Alarms
) -> None:
    muting = environment.maintenance_alarm
    waking = {environment.alarm(slug, "critical"): alarms[environment.alarm(slug, "critical")] for slug in ROWS}
    for name, alarm in {**waking, muting: composites(template)[muting]}.items():
        assert (acts(alarm, "Alarm"), acts(alarm, "OK")) == ([], ["Alarms"]), name


def test_that_notify_fails_goes_to_people_directly(environment: Environment, alarms: Alarms) -> None:
    alarm = alarms[environment.alarm("notify-errors", "critical")]
    assert (acts(alarm, "Alarm"), acts(alarm, "OK")) == (["P1"], [])


def test_that_notify_is_silent_goes_to_people_directly_once_monitoring_is_armed(
    environment: Environment, template: Get, alarms: Alarms
) -> None:
    """CloudWatch judges a new alarm at once, and at first there is no metric: to this alarm that is silence."""
    silent = alarms[environment.alarm("notify-silent", "critical")]
    assert (silent["TreatMissingData"], acts(silent, "Alarm"), acts(silent, "OK")) == ("breaching", [], ["Alarms"])
    alarm = composites(template)[environment.page("notify-silent")]
    assert alarm["AlarmRule"] == (
        f'(ALARM("{environment.alarm("notify-silent", "critical")}") AND (NOT (ALARM("{environment.not_armed_alarm}"))))'
    )
    assert (acts(alarm, "Alarm"), acts(alarm, "OK")) == (["P1"], [])


def test_no_alarm_that_missing_data_sets_off_calls_people_by_itself(alarms: Alarms) -> None:
    direct = [name for name, alarm in alarms.items() if {*acts(alarm, "Alarm")} - {"Alarms"}]
    assert direct
    assert {alarms[name]["TreatMissingData"] for name in direct} == {"notBreaching"}


@pytest.mark.parametrize(("name", "rule"), [("maintenance", "FALSE"), ("not-armed", "TRUE")])
def test_a_switch_stays_as_it_was_set_since_it_has_no_children(
    name: str, rule: str, environment: Environment, template: Get
) -> None:
    """https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_SetAlarmState.html: a metric alarm returns to its
    actual state quickly, a composite alarm only once any of its children changes state, or its configuration is updated."""
    assert composites(template)[f"hz-navigator-{environment.name}-{name}"]["AlarmRule"] == rule


def test_an_update_does_not_touch_not_armed() -> None:
    """CloudWatch would set it to its rule and mute an incident: its definition is frozen here."""
    alarms = templates("production")["monitoring"].of_type("AWS::CloudWatch::CompositeAlarm")
    ((logical_id, found),) = [one for one in alarms.items() if one[1]["Properties"]["AlarmName"].endswith("-not-armed")]
    definition = {key: value for key, value in found["Properties"].items() if not key.endswith("Actions")}
    assert (logical_id, definition) == (
        "notarmed34E6AF87",
        {
            "AlarmName": "hz-navigator-production-not-armed",
            "AlarmDescription": "Monitoring is not armed: nobody is told of any alarm. Likely cause: the first release is not healthy"
            " yet. P3: respond within 4 hours. Runbook section 7.1 Key Metrics to Watch",
            "AlarmRule": "TRUE",
        },
    )


@pytest.mark.parametrize(
    ("name", "description"),
    [
        (
            "alb-5xx-rate-critical",
            "ALB 5XX rate over 5 %, normal under 0.1 %. Likely cause: a bad release, or something behind the backend that fails."
            " P1: respond within 15 min. Runbook section 3.1 High Error Rate (5XX)",
        ),
        (
            "rds-connections-warning",
            "RDS connections over 150, normal under 100. Likely cause: connections that are not given back, or too many"
            " tasks. P3: respond within 4 hours. Runbook section 3.4 Database Connection Issues",
        ),
        (
            "api-availability-critical",
            "API availability under 50 %, normal 100 %. Likely cause: no healthy task, or nothing that reaches the load balancer."
            " P1: respond within 15 min. Runbook section 3.1 High Error Rate (5XX)",
        ),
        (
            "rollback-errors-critical",
            "The rollback function failed. Likely cause: its log says what. P2: respond within 1 hour."
            " Runbook section 4.1 Backend Rollback (ECS)",
        ),
    ],
)
def test_a_description_tells_the_person_who_is_woken(
    name: str, description: str, environment: Environment, alarms: Alarms
) -> None:
    assert alarms[f"hz-navigator-{environment.name}-{name}"]["AlarmDescription"] == description


def test_a_row_without_data_is_blind_after_some_minutes() -> None:
    monitoring = templates("everything", VARIANTS_CONFIG)["monitoring"]
    alarm = described(
        monitoring.properties("AWS::CloudWatch::Alarm", AlarmName=VARIANTS["everything"].alarm("sentry-blind", "warning"))
    )
    (metric,) = metrics(alarm).values()
    now, minute = datetime(2026, 1, 5, 12, 0, tzinfo=UTC), timedelta(minutes=1)

    def state(silent: int) -> str:
        """After so many minutes without a count; a count of no errors is one."""
        counted = {now - minute * ago: Datapoint(1, 1) for ago in range(silent + 1, 20)}
        verdict = evaluate(alarm, {metric: counted}, now)
        assert verdict is not None
        return verdict.state

    # Five minutes of silence, once the two that CloudWatch looks at beside them hold no count either.
    assert [state(silent) for silent in range(9)] == ["OK"] * 7 + ["ALARM"] * 2


# The composite alarm that invokes a function


def impaired(template: Get) -> dict[str, Any]:
    ((name, alarm),) = [one for one in composites(template).items() if one[0].endswith("-service-impaired")]
    return {"Name": name, **alarm}


def test_the_service_is_impaired_when_users_are_affected(environment: Environment, template: Get) -> None:
    alarm = impaired(template)
    rows = ("alb-5xx-rate", "alb-latency-p95", "api-availability", "alb-5xx-rate-low-traffic")
    assert alarm["Name"] == f"hz-navigator-{environment.name}-service-impaired"
    impaired_ = firing(environment, [f"{row}-critical" for row in rows])
    assert alarm["AlarmRule"] == f'({impaired_} AND (NOT (ALARM("{environment.not_armed_alarm}"))))'


def test_in_maintenance_rollback_is_not_called(environment: Environment, template: Get) -> None:
    alarm = impaired(template)
    assert alarm["ActionsSuppressor"] == f"hz-navigator-{environment.name}-maintenance"
    assert (alarm["ActionsSuppressorWaitPeriod"], alarm["ActionsSuppressorExtensionPeriod"]) == (10, 60)


def test_rollback_is_called_when_it_starts_and_when_it_ends(template: Get) -> None:
    alarm = impaired(template)
    assert alarm["AlarmActions"] == alarm["OKActions"]
    (action,) = alarm["AlarmActions"]
    assert re.search(r"-remediation:ExportsOutputFnGetAttRollback\w+Arn\w+$", reference(action))


def test_only_this_alarm_of_this_account_may_call_rollback(environment: Environment, template: Get) -> None:
    (logical_id,) = template("monitoring").of_type(
        "AWS::CloudWatch::CompositeAlarm", AlarmName=environment.service_impaired_alarm
    )
    (permission,) = template("monitoring").of_type("AWS::Lambda::Permission").values()
    assert permission["Properties"] == {
        "Action": "lambda:InvokeFunction",
        "FunctionName": impaired(template)["AlarmActions"][0],
        "Principal": "lambda.alarms.cloudwatch.amazonaws.com",
        "SourceAccount": environment.account,
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


def test_the_alarms_that_ecs_and_rollback_name_exist(environment: Environment, alarms: Alarms) -> None:
    dependencies = {f"{environment.prefix}-{name}" for name in DEPENDENCY_ALARMS}
    assert {*environment.deployment_alarms} | dependencies <= alarms.keys()
