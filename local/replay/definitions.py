"""The alarms of a synthesized template, as DescribeAlarms would show them."""

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from types import MappingProxyType
from typing import Any

from lambdas.common import settings
from lambdas.notify.settings import NotifySettings
from local.cloud import synthesize
from local.cloudwatch.alarms import Alarm
from runbook.alarms import SPELLS
from runbook.rows import LEVELS, Level
from stacks.config import CONFIG
from stacks.environment import Environment

_SET: Mapping[str, Any] = {"StateValue": "OK", "StateUpdatedTimestamp": datetime.fromtimestamp(0, UTC)}
UNRESOLVED = "*"
"""Stands for what a template only refers to, known after deployment, such as the load balancer's name."""


def template(environment: Environment, config: Path = CONFIG, stack: str = "monitoring") -> dict[str, Any]:
    """A stack's template, of an environment of `config`, as the sources make it; CloudError when they do not synthesize."""
    stage = synthesize(config) / f"assembly-{environment.name}"
    (file,) = (
        artifact["properties"]["templateFile"]
        for artifact in json.loads((stage / "manifest.json").read_text())["artifacts"].values()
        if artifact.get("properties", {}).get("stackName") == environment.stack(stack)
    )
    return dict(json.loads((stage / file).read_text()))


def topics(remediation: Mapping[str, Any], environment: Environment) -> dict[str, str]:
    """The ARNs of a template's topics, by the names under which other stacks import them."""
    resources = remediation["Resources"]
    exported = {
        output["Export"]["Name"]: resources.get(output["Value"].get("Ref"), {})
        for output in remediation["Outputs"].values()
        if "Export" in output and isinstance(output["Value"], dict)
    }
    return {
        name: environment.arn("sns", resource["Properties"]["TopicName"])
        for name, resource in exported.items()
        if resource.get("Type") == "AWS::SNS::Topic"
    }


def notify(remediation: Mapping[str, Any], environment: Environment) -> NotifySettings:
    """What the function `notify` of a template knows."""
    (variables,) = (
        resource["Properties"]["Environment"]["Variables"]
        for resource in remediation["Resources"].values()
        if resource["Type"] == "AWS::Lambda::Function"
        and resource["Properties"].get("FunctionName") == environment.function("notify")
    )
    return settings.read(NotifySettings, variables)


def alarms(
    template: Mapping[str, Any], environment: Environment, imported: Mapping[str, str] = MappingProxyType({})
) -> list[Alarm]:
    """The alarms of a template as DescribeAlarms shows new ones, metric alarms first. Those without any child, which somebody
    sets, are OK: no maintenance, and armed. What is not `imported` is unresolved."""
    resources = {
        key: resource["Properties"]
        for kind in ("AWS::CloudWatch::Alarm", "AWS::CloudWatch::CompositeAlarm")
        for key, resource in template["Resources"].items()
        if resource["Type"] == kind
    }
    arns = {key: environment.arn("cloudwatch", f"alarm:{properties['AlarmName']}") for key, properties in resources.items()}
    known = {**arns, **imported}

    def resolved(value: Any) -> Any:
        match value:
            case {"Ref": key} | {"Fn::GetAtt": [key, "Arn"]} | {"Fn::ImportValue": key} if key in known:
                return known[key]
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
            **{name: resolved(value) for name, value in properties.items() if name != "Tags"},
            "AlarmArn": arns[key],
            **(_SET if properties.get("AlarmRule") in ("TRUE", "FALSE") else {"StateValue": "INSUFFICIENT_DATA"}),
        }
        for key, properties in resources.items()
    ]


def row_and_level(alarm: Alarm, environment: Environment) -> tuple[str, Level]:
    """What an alarm's name says it watches: a row's slug and a level; a name without a level is taken for critical."""
    name = alarm["AlarmName"].removeprefix(f"{environment.prefix}-")
    for spell in SPELLS:
        name = name.removesuffix(f"-{spell}")
    return next(((name.removesuffix(f"-{level}"), level) for level in LEVELS if name.endswith(f"-{level}")), (name, "critical"))
