"""The procedures of an incident on the deployed environment: `notify` tells of one, and people acknowledge, note and resolve it."""

import json
import re
import sys
from collections.abc import Iterator, Mapping
from datetime import timedelta
from html import unescape
from pathlib import Path
from urllib.parse import parse_qsl, urlsplit

import pytest

from lambdas.common.record.events import Diagnosed, Escalated, Notified, Person
from local.cloud import Cloud
from local.drills.operator import Operator, items, records
from local.incident_page import EXECUTIONS, FORMS, Console
from tests.environments import CONFIG
from tests.local.shell import Shell

from .test_maintenance import look
from .test_procedures import FAULTS, granted, locks, settle, steps

NAMES = ACKNOWLEDGE, NOTE, SEVERITY, HAND_OVER, STATUS_PAGE, RESOLVE = [
    f"incident-{name}" for name in ("acknowledge", "note", "severity", "hand-over", "status-page", "resolve")
]
INPUTS: Mapping[str, dict[str, str]] = {
    NOTE: {"Note": "The tasks ran out of memory"},
    SEVERITY: {"Severity": "P2"},
    HAND_OVER: {"To": "bob"},
    STATUS_PAGE: {"Stage": "identified"},
}
KINDS = dict(zip(NAMES, ("acknowledgement", "note", "severity", "hand-over", "status page", "resolution"), strict=True))


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


def forget(cloud: Cloud) -> None:
    """Nobody was told of anything, and no incident is recorded."""
    items(cloud).delete_item(Key={"id": "notifications"})
    table = cloud.environment.records_table
    for item in cloud.client("dynamodb").scan(TableName=table)["Items"]:
        cloud.client("dynamodb").delete_item(TableName=table, Key={key: item[key] for key in ("incident", "event")})


@pytest.fixture
def incident(cloud: Cloud) -> Iterator[str]:
    """The name of an incident that people were told of, and whose alarm has just ended; afterwards it is forgotten."""
    page = cloud.environment.page("frontend-down")
    settle(cloud)
    calm(cloud)
    alarm(cloud, page, "ALARM")
    look(cloud, 1)
    told = items(cloud).get_item(Key={"id": "notifications"})["Item"]["text"]
    assert json.loads(told)[page]["told_at"]
    alarm(cloud, page, "OK")
    look(cloud, 1)
    (entry,) = records(cloud).entries()
    yield entry.name
    forget(cloud)


def events(cloud: Cloud, incident: str) -> list[Person]:
    """What people did about an incident."""
    return [event for event in records(cloud).read(incident).events if isinstance(event, Person)]


def test_the_record_has_the_alarm_and_what_people_were_told_each_once(cloud: Cloud, incident: str) -> None:
    page = cloud.environment.page("frontend-down")
    recorded = records(cloud).read(incident).events
    (cause,) = (event.top.title for event in recorded if isinstance(event, Diagnosed))
    of_page = [event for event in recorded if getattr(event, "alarm", "") == page]
    assert [event.words for event in of_page] == [
        f"{page} fires",
        "The chat was told: ALARM: P1 production: The frontend does not load",
        "People were told: ALARM: P1 production: The frontend does not load",
        f"People were told: ALARM: P1 production: Diagnosis of {incident}: {cause}",
        f"{page} is OK",
    ]


def test_it_is_read_by_the_documented_command(cloud: Cloud, incident: str, tmp_path: Path) -> None:
    out = tmp_path / "incident.json"
    command = f"{sys.executable} -m local.incident --config {CONFIG}"
    with Shell(cloud, tmp_path) as shell:
        assert shell.run(command).startswith(incident)
        assert "The frontend does not load" in shell.run(f"{command} {incident} --out {out}")
        assert "There is no incident 2020-01-01-1. The newest are: " + incident in shell.run(f"{command} 2020-01-01-1 || true")
    exported = json.loads(out.read_text())
    assert (exported["incident"], exported["severity"]) == (incident, "P1")
    assert {event["kind"] for event in exported["events"]} == {"alarm", "finding", "notification"}


def test_when_nobody_acknowledges_l2_is_told_and_then_nobody_further(cloud: Cloud, ada: Operator) -> None:
    page = cloud.environment.page("frontend-down")
    settle(cloud)
    calm(cloud)
    alarm(cloud, page, "ALARM")
    look(cloud, 1)
    cloud.advance(timedelta(minutes=14))
    look(cloud, 1)
    (entry,) = records(cloud).entries()
    told = [event for event in records(cloud).read(entry.name).events if isinstance(event, Escalated | Notified)]
    assert [event.words for event in told if isinstance(event, Escalated)] == [
        "Escalated to L2, team lead: Nobody has acknowledged it within 15 min"
    ]
    escalated = "ALARM: P1 production: Escalated to L2, team lead: The frontend does not load"
    (message,) = (one.text for one in told if isinstance(one, Notified) and (one.channel, one.subject) == ("people", escalated))
    assert ada.follow(message, "Acknowledge").status == "Success"
    cloud.advance(timedelta(minutes=15))
    look(cloud, 1)
    assert [event.level for event in records(cloud).read(entry.name).events if isinstance(event, Escalated)] == [2]
    alarm(cloud, page, "OK")
    forget(cloud)


@pytest.mark.parametrize("name", NAMES)
def test_it_is_recorded_as_its_role_may_and_linked(cloud: Cloud, ada: Operator, incident: str, name: str) -> None:
    made = len(cloud.calls("procedures"))
    ended = ada.run(name, **INPUTS.get(name, {}))
    assert (ended.status, ended.record["result"]) == ("Success", "succeeded"), ended
    (event,) = events(cloud, incident)
    assert (event.kind, event.by, event.id) == (KINDS[name], ada.arn, f"person {ended.record['execution']}")
    calls = cloud.calls(cloud.environment.document(name))
    assert [one for one in (*calls, *cloud.calls("procedures")[made:]) if not one.allowed] == []
    assert {(f"{one.service}:{one.action}", one.resource) for one in calls} == set(granted(name))


def test_the_status_pages_text_is_an_output_ready_to_paste(cloud: Cloud, ada: Operator, incident: str) -> None:
    ended = ada.run(STATUS_PAGE, Stage="investigating", Symptoms="a white page")
    text = json.loads(ended.outputs["Fill.Payload"][0])["text"]
    assert text.splitlines()[1] == "Some users may experience a white page."
    assert events(cloud, incident)[0].text == text


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


def test_the_dashboard_begins_with_it_and_its_buttons_work(cloud: Cloud, ada: Operator, incident: str) -> None:
    """By the permissions of who looks, who needs none on the record."""
    environment, began = cloud.environment, cloud.now()
    body = cloud.client("cloudwatch").get_dashboard(DashboardName=environment.dashboard)["DashboardBody"]
    function = cloud.client("lambda").get_function(FunctionName=environment.function("incident-page"))
    assert json.loads(body)["widgets"][0]["properties"]["endpoint"] == function["Configuration"]["FunctionArn"]
    console = Console(ada)
    page = console.incident("light")
    assert f"{incident} · P1" in page
    assert "Nobody has acknowledged it. P1: respond within 15 min." in page
    (address,) = re.findall(r'href="([^"]*incident-acknowledge[^"]*)"', page)
    button = urlsplit(unescape(address))
    started = console.start(button.path.removeprefix(FORMS), dict(parse_qsl(button.query)))
    assert ada.end(started.removeprefix(EXECUTIONS)).status == "Success"
    assert "approvers/ada has it since" in console.incident("dark")
    made = {(f"{one.service}:{one.action}", one.allowed) for one in cloud.calls("incident-page") if one.time >= began}
    assert made == {("dynamodb:Query", True)}


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
    assert {one.kind for one in events(cloud, incident)} == {KINDS[name]}
    assert len({one.id for one in events(cloud, incident)}) == len(events(cloud, incident))
