"""The alarms of a synthesized template, as DescribeAlarms would show them."""

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from local.cloud import synthesize
from local.cloudwatch.alarms import Alarm
from runbook.rows import LEVELS, Level
from stacks.config import CONFIG
from stacks.environment import Environment

_SET: Mapping[str, Any] = {"StateValue": "OK", "StateUpdatedTimestamp": datetime.fromtimestamp(0, UTC)}
UNRESOLVED = "*"
"""Stands for what a template only refers to, known after deployment, such as the load balancer's name."""


def template(environment: Environment, config: Path = CONFIG) -> dict[str, Any]:
    """The monitoring template of an environment of `config` as the sources make it; CloudError when they do not synthesize."""
    stage = synthesize(config) / f"assembly-{environment.name}"
    (file,) = (
        artifact["properties"]["templateFile"]
        for artifact in json.loads((stage / "manifest.json").read_text())["artifacts"].values()
        if artifact.get("properties", {}).get("stackName") == environment.stack("monitoring")
    )
    return dict(json.loads((stage / file).read_text()))


def alarms(template: Mapping[str, Any], environment: Environment) -> list[Alarm]:
    """The alarms of a template as DescribeAlarms shows new ones, metric alarms first. Those without any child, which somebody
    sets, are OK: no maintenance, and armed."""
    resources = {
        key: resource["Properties"]
        for kind in ("AWS::CloudWatch::Alarm", "AWS::CloudWatch::CompositeAlarm")
        for key, resource in template["Resources"].items()
        if resource["Type"] == kind
    }
    names = {key: properties["AlarmName"] for key, properties in resources.items()}

    def resolved(value: Any) -> Any:
        match value:
            case {"Ref": key} | {"Fn::GetAtt": [key, "Arn"]} if key in names:
                return environment.arn("cloudwatch", f"alarm:{names[key]}")
            case {"Fn::Join": [separator, parts]}:
                return separator.join(map(resolved, parts))
            case dict() if next(iter(value), "").startswith(("Ref", "Fn::")):
                return UNRESOLVED
            case dict():
                return {key: resolved(item) for key, item in value.items()}
            case list():
                return [resolved(item) for item in value]
            case _:
                return value

    return [
        {
            **{key: resolved(value) for key, value in properties.items() if key != "Tags"},
            "AlarmArn": environment.arn("cloudwatch", f"alarm:{properties['AlarmName']}"),
            **(_SET if properties.get("AlarmRule") in ("TRUE", "FALSE") else {"StateValue": "INSUFFICIENT_DATA"}),
        }
        for properties in resources.values()
    ]


def row_and_level(alarm: Alarm, environment: Environment) -> tuple[str, Level]:
    """What an alarm's name says it watches: a row's slug and a level; a name without a level is taken for critical."""
    name = alarm["AlarmName"].removeprefix(f"{environment.prefix}-")
    return next(((name.removesuffix(f"-{level}"), level) for level in LEVELS if name.endswith(f"-{level}")), (name, "critical"))
