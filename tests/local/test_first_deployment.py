"""A first deployment calls nobody, though everybody could be called; once its release is healthy, monitoring arms itself."""

import json
from collections.abc import Iterator
from contextlib import closing
from datetime import timedelta
from typing import Any

import pytest

from local.cloud import Cloud
from local.drills.simulation import Simulation
from local.emulator.alarms import AlarmEvaluator
from runbook.rules import CALL
from runbook.severities import RESPONSE_TIMES
from tests.environments import VARIANTS, VARIANTS_CONFIG

ENVIRONMENT = VARIANTS["everything"]
"""With every contact configured."""
MINUTE = timedelta(minutes=1)


@pytest.fixture(scope="module")
def new_cloud() -> Iterator[Cloud]:
    """A cloud with nothing deployed."""
    with Cloud.start(ENVIRONMENT, config=VARIANTS_CONFIG) as cloud:
        yield cloud


def run(cloud: Cloud, function: str) -> None:
    event = {"source": "aws.events", "time": f"{cloud.now():%Y-%m-%dT%H:%M:%SZ}"}
    cloud.client("lambda").invoke(FunctionName=ENVIRONMENT.function(function), Payload=json.dumps(event))


def pass_minutes(cloud: Cloud, minutes: int) -> None:
    """Minutes in which nobody uses it: schedules run, and alarms are judged, first of all before anything was measured."""
    alarms = AlarmEvaluator(cloud.client("cloudwatch"))
    for _ in range(minutes):
        alarms.tick(cloud.now())
        cloud.wait_until_idle()
        for function in ("health-check", "notify"):
            run(cloud, function)
        cloud.advance(MINUTE)


def told(cloud: Cloud) -> list[Any]:
    """What anything published to people: the functions, and alarms by themselves."""
    people = [ENVIRONMENT.escalations_topic, ENVIRONMENT.chat_topic, *map(ENVIRONMENT.on_call_topic, RESPONSE_TIMES)]
    topics = {ENVIRONMENT.arn("sns", topic) for topic in people}
    published: list[Any] = [call for name in ("notify", "rollback") for call in cloud.calls(name) if call.action == "Publish"]
    pages = (
        cloud.client("cloudwatch")
        .get_paginator("describe_alarm_history")
        .paginate(HistoryItemType="Action", AlarmTypes=["MetricAlarm", "CompositeAlarm"])
    )
    acted = [item for page in pages for item in page["AlarmHistoryItems"]]
    assert acted, "alarms that wake notify"
    return published + [one for one in acted if json.loads(one["HistoryData"])["notificationResource"] in topics]


def state(cloud: Cloud, name: str) -> str:
    found = cloud.client("cloudwatch").describe_alarms(AlarmNames=[name], AlarmTypes=["MetricAlarm", "CompositeAlarm"])
    ((alarm,),) = [some for some in (found["MetricAlarms"], found["CompositeAlarms"]) if some]
    return str(alarm["StateValue"])


def test_a_first_deployment_calls_nobody_and_arms_itself_when_its_release_is_healthy(new_cloud: Cloud) -> None:
    cloud = new_cloud
    cloud.deploy("monitoring")  # the alarms are there before the service, which names some of them
    pass_minutes(cloud, 12)
    assert state(cloud, ENVIRONMENT.page("service-down")) == "ALARM", "nothing answers yet"
    assert state(cloud, ENVIRONMENT.service_impaired_alarm) == "OK"
    assert told(cloud) == []
    assert state(cloud, ENVIRONMENT.not_armed_alarm) == "ALARM"

    cloud.deploy()
    with closing(Simulation(cloud)) as simulation:  # minutes in which it is used, until it has armed itself
        assert simulation.armed
        assert told(cloud) == []
        assert [call.allowed for call in cloud.calls("notify") if call.action == "SetAlarmState"] == [True]

        simulation.stop_database()
        for _ in range(CALL // MINUTE + 1):
            simulation.minute()
        subjects = [message.subject for message in simulation.inbox.new() if message.calls]
        assert subjects == [f"ALARM: P1 {ENVIRONMENT.name}: The application has no database"]

    # A deployment that updates the alarm mutes nothing, in the middle of this outage: CloudWatch evaluates it to its rule again,
    # but it was armed once, and so it is at once.
    cloud.client("cloudwatch").put_composite_alarm(AlarmName=ENVIRONMENT.not_armed_alarm, AlarmRule="TRUE")
    assert state(cloud, ENVIRONMENT.page("database-down")) == state(cloud, ENVIRONMENT.not_armed_alarm) == "ALARM"
    cloud.advance(MINUTE)
    run(cloud, "notify")
    assert state(cloud, ENVIRONMENT.not_armed_alarm) == "OK"
