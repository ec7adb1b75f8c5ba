"""ECS's events reach functions through EventBridge: those that AWS documents for each way in which a deployment ends.

https://docs.aws.amazon.com/AmazonECS/latest/developerguide/ecs_service_deployment_events.html
"""

import itertools
import json
from collections.abc import Callable
from typing import Any

import pytest

from local.cloud import Cloud
from tests.local.emulator.test_ecs_deployments import BREAKER, SECONDS, Service

ECHO = "import json\ndef handle(event, context):\n    print(json.dumps(event))"
_names = (f"rule-{number}" for number in itertools.count())


class Listener:
    """A function that a rule invokes with the events of a service's deployments; `allowed` is the rule its policy admits."""

    def __init__(self, service: Service, make_function: Callable[..., str], allowed: str = "") -> None:
        self.cloud, self.name = service.cloud, next(_names)
        events = self.cloud.client("events")
        function = make_function(self.name, ECHO)
        pattern = {
            "source": ["aws.ecs"],
            "detail-type": ["ECS Deployment State Change"],
            "resources": [service.shown["serviceArn"]],
        }
        rule = events.put_rule(Name=self.name, EventPattern=json.dumps(pattern))["RuleArn"]
        events.put_targets(Rule=self.name, Targets=[{"Id": "1", "Arn": function}])
        self.cloud.client("lambda").add_permission(
            FunctionName=self.name,
            StatementId="rule",
            Action="lambda:InvokeFunction",
            Principal="events.amazonaws.com",
            SourceArn=allowed or rule,
        )

    @property
    def events(self) -> list[dict[str, Any]]:
        """What the function was invoked with."""
        self.cloud.wait_until_idle()
        return [json.loads(line) for line in self.cloud.control("logs", self.name)]

    @property
    def names(self) -> list[str]:
        """The events' names, sorted: EventBridge promises no order."""
        return sorted(event["detail"]["eventName"].removeprefix("SERVICE_DEPLOYMENT_") for event in self.events)


@pytest.fixture
def service(empty_cloud: Cloud) -> Service:
    return Service(empty_cloud, BREAKER)


def completes(service: Service) -> None:
    service.update(taskDefinition=service.register(2))


def is_rolled_back_by_the_circuit_breaker(service: Service) -> None:
    service.cloud.fail_tasks_of(f"{service.name}:2")
    service.update(taskDefinition=service.register(2))


def is_stopped_with_a_rollback(service: Service) -> None:
    service.update(taskDefinition=service.register(2))
    service.after(30)
    service.ecs.stop_service_deployment(serviceDeploymentArn=service.last["serviceDeploymentArn"], stopType="ROLLBACK")


def is_stopped_without_one(service: Service) -> None:
    service.update(taskDefinition=service.register(2))
    service.after(30)
    service.ecs.stop_service_deployment(serviceDeploymentArn=service.last["serviceDeploymentArn"], stopType="ABORT")


def is_replaced(service: Service) -> None:
    service.update(taskDefinition=service.register(2))
    service.after(30)
    service.update(taskDefinition=service.register(3))


@pytest.mark.parametrize(
    ("ends", "expected"),
    [
        (completes, ["COMPLETED", "IN_PROGRESS"]),
        (is_rolled_back_by_the_circuit_breaker, ["COMPLETED", "FAILED", "IN_PROGRESS", "IN_PROGRESS"]),
        (is_stopped_with_a_rollback, ["COMPLETED", "IN_PROGRESS", "IN_PROGRESS"]),
        (is_stopped_without_one, ["IN_PROGRESS"]),
        (is_replaced, ["COMPLETED", "IN_PROGRESS", "IN_PROGRESS"]),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_a_deployment_sends_what_aws_documents_of_its_end(
    service: Service, make_function: Callable[..., str], ends: Callable[[Service], None], expected: list[str]
) -> None:
    listener = Listener(service, make_function)
    ends(service)
    service.after(2 * SECONDS)
    assert listener.names == expected


def test_an_event_has_the_documented_shape(service: Service, make_function: Callable[..., str]) -> None:
    listener = Listener(service, make_function)
    completes(service)
    service.after(SECONDS)
    (event,) = [one for one in listener.events if one["detail"]["eventName"] == "SERVICE_DEPLOYMENT_COMPLETED"]
    assert event["source"] == "aws.ecs"
    assert event["resources"] == [service.shown["serviceArn"]]
    deployment = event["detail"]["deploymentId"]
    assert deployment == f"ecs-svc/{service.last['targetServiceRevision']['arn'].rpartition('/')[2]}"
    assert event["detail"].keys() == {"eventType", "eventName", "deploymentId", "updatedAt", "reason"}
    assert (event["detail"]["eventType"], event["detail"]["reason"]) == ("INFO", f"ECS deployment {deployment} completed.")


def test_a_function_whose_policy_names_another_rule_is_not_invoked(service: Service, make_function: Callable[..., str]) -> None:
    listener = Listener(service, make_function, allowed="arn:aws:events:us-east-1:123456789012:rule/another")
    completes(service)
    service.after(SECONDS)
    assert listener.events == []


def test_what_a_partner_says_reaches_the_event_bus_of_its_source(empty_cloud: Cloud, make_function: Callable[..., str]) -> None:
    events, source = empty_cloud.client("events"), f"aws.partner/pagerduty.com/{next(_names)}"
    name = source.rpartition("/")[2]
    with pytest.raises(events.exceptions.ResourceNotFoundException):
        events.describe_event_source(Name=source)
    events.create_partner_event_source(Name=source, Account=empty_cloud.environment.account)
    assert events.describe_event_source(Name=source)["State"] == "PENDING"
    with pytest.raises(events.exceptions.ResourceNotFoundException):
        events.put_rule(Name=name, EventBusName=source, EventPattern=json.dumps({"source": [source]}))
    events.create_event_bus(Name=source, EventSourceName=source)
    assert events.describe_event_source(Name=source)["State"] == "ACTIVE"
    function, pattern = make_function(name, ECHO), {"source": [source], "detail": {"event": ["incident.acknowledge"]}}
    rule = events.put_rule(Name=name, EventBusName=source, EventPattern=json.dumps(pattern))["RuleArn"]
    events.put_targets(Rule=name, EventBusName=source, Targets=[{"Id": "1", "Arn": function}])
    empty_cloud.client("lambda").add_permission(
        FunctionName=name,
        StatementId="rule",
        Action="lambda:InvokeFunction",
        Principal="events.amazonaws.com",
        SourceArn=rule,
    )
    for event in ("incident.trigger", "incident.acknowledge"):
        detail = json.dumps({"event": event})
        events.put_partner_events(Entries=[{"Source": source, "DetailType": "PagerDuty Webhook", "Detail": detail}])
    empty_cloud.wait_until_idle()
    (told,) = (json.loads(line) for line in empty_cloud.control("logs", name))
    assert (told["source"], told["detail-type"]) == (source, "PagerDuty Webhook")
    assert told["detail"] == {"event": "incident.acknowledge"}
