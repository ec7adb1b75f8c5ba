"""The procedures of an incident on the deployed environment: `notify` tells of one, and people acknowledge, note and resolve it."""

import json
from collections.abc import Iterator, Mapping
from datetime import timedelta
from typing import Any

import pytest

from local.cloud import Cloud
from local.drills.operator import Operator, items

from .test_maintenance import look
from .test_procedures import FAULTS, granted, locks, settle, steps

ACKNOWLEDGE, NOTE, STATUS_PAGE, RESOLVE = NAMES = [
    f"incident-{name}" for name in ("acknowledge", "note", "status-page", "resolve")
]
INPUTS: Mapping[str, dict[str, str]] = {NOTE: {"Note": "The tasks ran out of memory"}, STATUS_PAGE: {"Stage": "identified"}}
KINDS = dict(zip(NAMES, ("acknowledged", "note", "status page", "resolved"), strict=True))


@pytest.fixture
def cloud(procedures_cloud: Cloud) -> Cloud:
    return procedures_cloud


@pytest.fixture
def ada(cloud: Cloud) -> Operator:
    return Operator(cloud, "ada")


def alarm(cloud: Cloud, name: str, to: str) -> None:
    cloud.client("cloudwatch").set_alarm_state(AlarmName=name, StateValue=to, StateReason="a test")
    cloud.wait_until_idle()


def calm(cloud: Cloud) -> None:
    """No alarm fires, and nobody was told of one: other tests may have left some."""
    every = cloud.client("cloudwatch").get_paginator("describe_alarms")
    kinds = ("MetricAlarms", "CompositeAlarms")
    for shown in list(every.paginate(AlarmTypes=["MetricAlarm", "CompositeAlarm"], StateValue="ALARM")):
        for one in (one for kind in kinds for one in shown[kind]):
            alarm(cloud, one["AlarmName"], "OK")
    forget(cloud)


def forget(cloud: Cloud, *keys: str) -> None:
    for key in ("notifications", "open", *keys):
        items(cloud).delete_item(Key={"id": key})


@pytest.fixture
def incident(cloud: Cloud) -> Iterator[str]:
    """The name of an incident that people were told of, and whose alarm has just ended; afterwards it is forgotten."""
    environment = cloud.environment
    page = environment.page("frontend-down")
    settle(cloud)
    calm(cloud)
    alarm(cloud, page, "ALARM")
    (fires,) = cloud.client("cloudwatch").describe_alarms(AlarmNames=[page], AlarmTypes=["CompositeAlarm"])["CompositeAlarms"]
    name = f"{environment.name}-{fires['StateTransitionedTimestamp']:%m%d-%H%M}"
    look(cloud, 1)
    told = items(cloud).get_item(Key={"id": "notifications"})["Item"]["text"]
    assert json.loads(told)[page]["told_at"]
    alarm(cloud, page, "OK")
    look(cloud, 1)
    yield name
    forget(cloud, f"incident#{name}")


def events(cloud: Cloud, incident: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = items(cloud).get_item(Key={"id": f"incident#{incident}"}).get("Item", {}).get("events", [])
    return found


@pytest.mark.parametrize("name", NAMES)
def test_it_is_recorded_as_its_role_may_and_linked(cloud: Cloud, ada: Operator, incident: str, name: str) -> None:
    made = len(cloud.calls("procedures"))
    ended = ada.run(name, **INPUTS.get(name, {}))
    assert (ended.status, ended.record["result"]) == ("Success", "succeeded"), ended
    (event,) = events(cloud, incident)
    assert (event["kind"], event["by"], event["id"]) == (KINDS[name], ada.arn, ended.record["execution"])
    calls = cloud.calls(cloud.environment.document(name))
    assert [one for one in (*calls, *cloud.calls("procedures")[made:]) if not one.allowed] == []
    assert {(f"{one.service}:{one.action}", one.resource) for one in calls} == set(granted(name))


def test_the_status_pages_text_is_an_output_ready_to_paste(cloud: Cloud, ada: Operator, incident: str) -> None:
    ended = ada.run(STATUS_PAGE, Stage="investigating", Symptoms="a white page")
    text = json.loads(ended.outputs["Fill.Payload"][0])["text"]
    assert text.splitlines()[1] == "Some users may experience a white page."
    assert events(cloud, incident)[0]["text"] == text


@pytest.mark.parametrize("name", NAMES)
def test_a_dry_run_changes_nothing(cloud: Cloud, ada: Operator, incident: str, name: str) -> None:
    assert ada.run(name, dry_run=True, **INPUTS.get(name, {})).record["result"] == "dry run"
    assert events(cloud, incident) == []


def test_smoke_tests_that_fail_keep_it_open(cloud: Cloud, ada: Operator, incident: str) -> None:
    rds, database = cloud.client("rds"), cloud.environment.database_instance
    rds.stop_db_instance(DBInstanceIdentifier=database)
    ended = ada.run(RESOLVE)
    rds.start_db_instance(DBInstanceIdentifier=database)
    assert (ended.status, ended.record["result"]) == ("Failed", "failed")
    assert "API answers 503: database disconnected. The incident stays open." in ended.said
    assert events(cloud, incident) == []


def test_what_still_fires_is_not_resolved(cloud: Cloud, ada: Operator, incident: str) -> None:
    page = cloud.environment.page("frontend-down")
    alarm(cloud, page, "ALARM")
    look(cloud, 1)
    ended = ada.run(RESOLVE)
    alarm(cloud, page, "OK")
    assert (ended.status, ended.record["result"]) == ("Failed", "refused")
    assert f"{page} still fires" in ended.said


CUTS = [(name, step, *fault) for name in (NOTE, RESOLVE) for step in steps(name) for fault in FAULTS]


@pytest.mark.cuts
@pytest.mark.parametrize(("name", "step", "kind", "when"), CUTS)
def test_whatever_fails_where_run_again_it_converges(
    cloud: Cloud, ada: Operator, incident: str, name: str, step: str, kind: str, when: str
) -> None:
    cloud.break_step(cloud.environment.document(name), step, kind, when, 1 if kind == "interrupt" else 2)
    ended = ada.run(name, **INPUTS.get(name, {}))
    assert ended.status in (("Cancelled",) if kind == "interrupt" else ("Failed", "TimedOut")), ended
    cloud.advance(timedelta(minutes=6))
    assert locks(cloud) == []
    again = ada.run(name, Incident=incident, **INPUTS.get(name, {}))
    assert again.status == "Success" or "resolved" in again.said
    assert {one["kind"] for one in events(cloud, incident)} == {KINDS[name]}
    assert len({one["id"] for one in events(cloud, incident)}) == len(events(cloud, incident))
