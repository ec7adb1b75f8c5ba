"""Maintenance and incidents on the deployed environment: what users get, who is let in, what is refused, and how it ends.

The documents are those that the stack deployed; users' requests go through the web ACLs that it made.
"""

import http.client
import json
import ssl
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from urllib.parse import urlsplit

import pytest

from local.cloud import Cloud
from local.drills.operator import Execution, Operator, items
from runbook.rules import RETRY_AFTER

from .test_procedures import FAULTS, granted, locks, settle, steps

ON, OFF = "maintenance-on", "maintenance-off"
USER, OPERATOR = "127.0.0.1", "127.0.0.2"
MINUTE = timedelta(minutes=1)
IP_SETS = [
    (scope, region, version)
    for scope, region in (("REGIONAL", ""), ("CLOUDFRONT", "us-east-1"))
    for version in ("IPV4", "IPV6")
]


@dataclass(frozen=True)
class Seen:
    """What somebody was answered."""

    status: int
    headers: dict[str, str]
    body: str


def get(cloud: Cloud, host: str, path: str, source: str = USER, **headers: str) -> Seen:
    """The answer to a request from an address of loopback."""
    variables = cloud.application_environment
    proxy = urlsplit(variables["HTTPS_PROXY"])
    tls = ssl.create_default_context(cafile=variables["SSL_CERT_FILE"])
    connection = http.client.HTTPSConnection(
        str(proxy.hostname), proxy.port, context=tls, timeout=10, source_address=(source, 0)
    )
    connection.set_tunnel(host, 443)
    try:
        connection.request("GET", path, headers=headers)
        response = connection.getresponse()
        return Seen(response.status, dict(response.getheaders()), response.read().decode())
    finally:
        connection.close()


def api(cloud: Cloud, source: str = USER, **headers: str) -> Seen:
    return get(cloud, cloud.environment.domain.api, "/api/v1/map", source, **headers)


def frontend(cloud: Cloud, path: str = "/", source: str = USER, **headers: str) -> Seen:
    return get(cloud, cloud.environment.domain.frontend, path, source, **headers)


def muted(cloud: Cloud) -> bool:
    name = cloud.environment.maintenance_alarm
    (alarm,) = cloud.client("cloudwatch").describe_alarms(AlarmNames=[name], AlarmTypes=["CompositeAlarm"])["CompositeAlarms"]
    return bool(alarm["StateValue"] == "ALARM")


def state(cloud: Cloud) -> tuple[bool, set[int], bool]:
    """Whether maintenance is announced, what users are answered, and whether nobody is called."""
    found = items(cloud).get_item(Key={"id": "maintenance"}).get("Item", {})
    return "until" in found, {api(cloud).status, frontend(cloud).status}, muted(cloud)


OFF_STATE, ON_STATE = (False, {200}, False), (True, {503}, True)


def start_on(cloud: Cloud, who: Operator, by: Operator, **inputs: str) -> str:
    """The id of an execution that somebody else has approved."""
    execution = who.start(ON, **inputs)
    by.signal(execution, "Approve")
    return execution


def on(cloud: Cloud, who: Operator, by: Operator, **inputs: str) -> Execution:
    return who.end(start_on(cloud, who, by, **inputs))


@pytest.fixture
def cloud(procedures_cloud: Cloud) -> Cloud:
    return procedures_cloud


@pytest.fixture
def ada(cloud: Cloud) -> Operator:
    return Operator(cloud, "ada")


@pytest.fixture
def bob(cloud: Cloud) -> Operator:
    return Operator(cloud, "bob")


@pytest.fixture(autouse=True)
def _over(cloud: Cloud, ada: Operator) -> Iterator[None]:
    """Maintenance is off before and after."""
    settle(cloud)
    assert state(cloud) == OFF_STATE
    yield
    if locks(cloud):
        # That of an execution that was cancelled ends. Functions take no event for theirs that is a day ahead of their own
        # clock, which nobody moves: no test takes more time than it needs.
        cloud.advance(timedelta(minutes=16))
    if state(cloud) != OFF_STATE:
        ada.run(OFF)
    assert state(cloud) == OFF_STATE


# What users get


def test_users_get_503_with_a_page_and_retry_after_from_the_api_and_from_the_frontend(
    cloud: Cloud,
    ada: Operator,
    bob: Operator,
) -> None:
    ended = on(cloud, ada, bob)
    assert ended.status == "Success", ended
    for seen in (api(cloud), frontend(cloud), frontend(cloud, "/map/7"), frontend(cloud, "/api/v1/map")):
        assert (seen.status, seen.headers["Retry-After"]) == (503, f"{RETRY_AFTER.total_seconds():.0f}")
        assert seen.headers["Content-Type"] == "text/html"
        assert f"<h1>{cloud.environment.application.product} is under maintenance</h1>" in seen.body
    assert api(cloud).headers["Access-Control-Allow-Origin"] == cloud.environment.frontend_url
    assert muted(cloud)
    assert ada.run(OFF).status == "Success"
    assert state(cloud) == OFF_STATE


def test_operators_are_let_in_also_through_cloudfront_and_nobody_else_is(cloud: Cloud, ada: Operator, bob: Operator) -> None:
    on(cloud, ada, bob, Operators=OPERATOR)
    for seen in (api(cloud, OPERATOR), frontend(cloud, "/", OPERATOR), frontend(cloud, "/api/v1/map", OPERATOR)):
        assert seen.status == 200
    for seen in (api(cloud), frontend(cloud), frontend(cloud, "/api/v1/map")):
        assert seen.status == 503
    forged = {"X-Forwarded-For": "198.51.100.1"}
    assert api(cloud, **forged).status == 503
    assert frontend(cloud, "/api/v1/map", **{"X-Forwarded-For": OPERATOR}).status == 503


def test_who_announced_it_is_recorded_and_its_role_did_only_what_it_may(cloud: Cloud, ada: Operator, bob: Operator) -> None:
    made = len(cloud.calls("procedures"))
    ended = on(cloud, ada, bob)
    assert (ended.record["started_by"], ended.record["result"]) == (ada.arn, "succeeded")
    assert f"{bob.arn} approved." in ended.record["steps"][1]["said"]
    calls = cloud.calls(cloud.environment.document(ON))
    assert [one for one in (*calls, *cloud.calls("procedures")[made:]) if not one.allowed] == []
    assert {(f"{one.service}:{one.action}", one.resource) for one in calls if one.service != "kms"} <= set(granted(ON))
    changed = {one.resource.rpartition("/")[0] for one in cloud.calls("procedures")[made:] if one.action == "UpdateIPSet"}
    assert len(changed) == len(IP_SETS)


def test_a_dry_run_and_a_rejection_change_nothing(cloud: Cloud, ada: Operator, bob: Operator) -> None:
    assert ada.run(ON, dry_run=True).record["result"] == "dry run"
    execution = ada.start(ON)
    bob.signal(execution, "Reject")
    assert ada.end(execution).record["result"] == "not approved"
    assert state(cloud) == OFF_STATE


def test_ones_own_approval_is_refused(cloud: Cloud, ada: Operator) -> None:
    ended = on(cloud, ada, ada)
    assert (ended.status, ended.record["result"]) == ("Failed", "refused")
    assert state(cloud) == OFF_STATE


@pytest.mark.parametrize(
    ("name", "inputs", "words"),
    [
        (OFF, {}, "Maintenance is not on."),
        (ON, {"Operators": "10.0.0.0/8"}, "10.0.0.0/8 would let in too many"),
        ("incident-acknowledge", {}, "No incident is open."),
        ("incident-note", {"Incident": "2026-01-01-1", "Note": "A note"}, "There is no incident 2026-01-01-1"),
        ("incident-status-page", {"Stage": "resolved"}, "No incident is open."),
        ("incident-resolve", {}, "No incident is open."),
    ],
)
def test_a_refusal_is_one_sentence_and_changes_nothing(
    cloud: Cloud,
    ada: Operator,
    name: str,
    inputs: dict[str, str],
    words: str,
) -> None:
    ended = ada.run(name, **inputs)
    assert (ended.status, ended.record["result"]) == ("Failed", "refused")
    assert words in ended.said


# How it ends


def look(cloud: Cloud, minutes: float) -> None:
    """Minutes pass with the looks of `notify`, as its schedule has them; the automations go on."""
    for _ in range(int(minutes)):
        cloud.advance(MINUTE)
        cloud.wait_until_idle()  # an alarm may have called it, and it runs once at a time
        at = {"source": "aws.events", "time": f"{cloud.now():%Y-%m-%dT%H:%M:%SZ}"}
        answer = cloud.client("lambda").invoke(FunctionName=cloud.environment.function("notify"), Payload=json.dumps(at))
        assert "FunctionError" not in answer, answer["Payload"].read()
        cloud.wait_until_idle()


def test_it_ends_by_itself_at_its_time(cloud: Cloud, ada: Operator, bob: Operator) -> None:
    began = cloud.now()
    on(cloud, ada, bob, Minutes="5")
    look(cloud, 3)
    assert state(cloud) == ON_STATE
    look(cloud, 4)
    assert state(cloud) == OFF_STATE
    calls = [one for one in cloud.calls("notify") if one.time >= began]
    assert [one for one in calls if not one.allowed] == []
    passed = {one.resource for one in calls if one.action == "PassRole"}
    assert passed == {cloud.environment.role_arn(cloud.environment.document(OFF))}


def test_one_that_failed_after_users_were_kept_out_ends_by_itself_as_well(cloud: Cloud, ada: Operator, bob: Operator) -> None:
    cloud.break_step(cloud.environment.document(ON), "KeepOut", "interrupt", "after")
    assert on(cloud, ada, bob, Minutes="5").status == "Cancelled"
    assert state(cloud) == ON_STATE
    look(cloud, 22)  # the lock of the cancelled one ends first
    assert state(cloud) == OFF_STATE


def test_a_deployment_meanwhile_changes_nothing_of_it(cloud: Cloud, ada: Operator, bob: Operator) -> None:
    on(cloud, ada, bob)
    cloud.deploy("load-balancer")
    assert state(cloud) == ON_STATE


# Failures


CUTS = [(name, step, *fault) for name in (ON, OFF) for step in steps(name) for fault in FAULTS]


@pytest.mark.cuts
@pytest.mark.parametrize(("name", "step", "kind", "when"), CUTS)
def test_whatever_fails_where_run_again_it_converges(
    cloud: Cloud,
    ada: Operator,
    bob: Operator,
    name: str,
    step: str,
    kind: str,
    when: str,
) -> None:
    if name == OFF:
        on(cloud, ada, bob)
    cloud.break_step(cloud.environment.document(name), step, kind, when, 1 if kind == "interrupt" else 2)
    execution = ada.start(name)
    if name == ON and step != "Plan":
        bob.signal(execution, "Approve")
    ended = ada.end(execution)
    # Where the lost answer was a loop's last, it ended well: the function has recorded that.
    well = ("Success",) if step in ("KeptOut", "Clear") and when == "after" else ()
    assert ended.status in (("Cancelled",) if kind == "interrupt" else (*well, "Failed", "TimedOut")), ended
    cloud.advance(timedelta(minutes=16))
    assert locks(cloud) == []
    again = on(cloud, ada, bob) if name == ON else ada.run(OFF)
    assert again.status == "Success" or "Maintenance is not on." in again.said
    assert state(cloud) == (ON_STATE if name == ON else OFF_STATE)
