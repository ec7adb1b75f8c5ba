"""Alarms as a template has them, and traces, in one line each."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from local.cloudwatch.alarms import Alarm
from local.cloudwatch.loop import MINUTE
from local.replay import definitions
from local.replay.trace import Trace
from tests.environments import PRODUCTION

BEGIN = datetime(2026, 1, 5, 12, 0, tzinfo=UTC)
BALANCER = {"Fn::ImportValue": "load-balancer:FullName"}


def metric(name: str, namespace: str = "AWS/ECS", **dimensions: Any) -> dict[str, Any]:
    shown = [{"Name": key, "Value": value} for key, value in dimensions.items()]
    return {"Namespace": namespace, "MetricName": name, "Dimensions": shown}


def alarm(name: str = "cpu-critical", **changes: Any) -> dict[str, Any]:
    """Average CPU over 85, 2 of 3 minutes, as a template has it; a change to None takes the key away."""
    properties = {
        "AlarmName": f"hz-navigator-production-{name}",
        "AlarmActions": [{"Fn::ImportValue": "remediation:Escalations"}],
        **metric("CPUUtilization", ClusterName="main"),
        "Statistic": "Average",
        "Period": 60,
        "EvaluationPeriods": 3,
        "DatapointsToAlarm": 2,
        "Threshold": 85,
        "ComparisonOperator": "GreaterThanThreshold",
        "TreatMissingData": "notBreaching",
        **changes,
    }
    properties = {key: value for key, value in properties.items() if value is not None}
    return {"Type": "AWS::CloudWatch::Alarm", "Properties": properties}


def rate_alarm(name: str = "rate-critical", **changes: Any) -> dict[str, Any]:
    """Percent of the load balancer's requests that failed, over 5."""
    stats = [
        {
            "Id": key,
            "MetricStat": {"Metric": metric(counted, "AWS/ApplicationELB", LoadBalancer=BALANCER), "Period": 60, "Stat": "Sum"},
            "ReturnData": False,
        }
        for key, counted in (("requests", "RequestCount"), ("errors", "HTTPCode_Target_5XX_Count"))
    ]
    rate = {"Id": "rate", "Expression": "IF(requests > 20, 100 * FILL(errors, 0) / requests)", "ReturnData": True}
    simple = dict.fromkeys(("Namespace", "MetricName", "Dimensions", "Statistic", "Period"))
    return alarm(name, **{**simple, "Metrics": [rate, *stats], "Threshold": 5, **changes})


def composite(name: str, rule: Any) -> dict[str, Any]:
    return {
        "Type": "AWS::CloudWatch::CompositeAlarm",
        "Properties": {"AlarmName": f"hz-navigator-production-{name}", "AlarmRule": rule},
    }


def either(*keys: str) -> dict[str, Any]:
    """ALARM(...) OR ALARM(...) of logical ids, as the CDK writes it."""
    parts = [part for key in keys for part in (' OR ALARM("', {"Fn::GetAtt": [key, "Arn"]}, '")')]
    return {"Fn::Join": ["", [parts[0].removeprefix(" OR "), *parts[1:]]]}


def described(**resources: dict[str, Any]) -> list[Alarm]:
    return definitions.alarms({"Resources": resources}, PRODUCTION)


def trace(**values: Sequence[float | None]) -> Trace:
    """A value a minute from BEGIN on, by metric, whose spaces are underscores here; None is a gap."""
    points = {
        name: [(BEGIN + MINUTE * minute, float(value)) for minute, value in enumerate(of_metric) if value is not None]
        for name, of_metric in values.items()
    }
    return Trace("trace.csv", {name: of_metric for name, of_metric in points.items() if of_metric}, dict.fromkeys(points, 2))
