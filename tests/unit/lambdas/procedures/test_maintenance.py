"""Maintenance for users, step by step, on IP sets of moto; what a web ACL makes of them is tested in tests/local."""

import ipaddress
import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from lambdas.common import https
from lambdas.common.https import Answer
from lambdas.common.maintenance import Maintenances
from lambdas.health_check import probes
from lambdas.procedures.maintenance import everybody_but
from lambdas.procedures.run import WAITING, RefusedError, VerifyError
from runbook.rules import CLEARING, ENDING, RETRY_AFTER
from tests.environments import PRODUCTION

from ..automation import ADA, BOB, REASON, Started
from ..world import Crash, World, client, refusal
from .conftest import Site
from .edge import SCOPES, VERSIONS, Edge, addresses, firewall, make_ip_sets

ON, OFF = "maintenance-on", "maintenance-off"
EVERYBODY = {"IPV4": {"0.0.0.0/1", "128.0.0.0/1"}, "IPV6": {"::/1", "8000::/1"}}
ALARM = PRODUCTION.maintenance_alarm
IMPAIRED = PRODUCTION.service_impaired_alarm


@pytest.fixture(autouse=True)
def _ip_sets(aws: World) -> None:
    make_ip_sets()
    for name in (ALARM, PRODUCTION.not_armed_alarm, IMPAIRED):
        aws.watch(name, notifies=False)


@pytest.fixture(autouse=True)
def edge(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """Both web ACLs keep out whoever is in their IP sets; this process is a user."""

    for one in (https, probes):
        monkeypatch.setattr(one, "get", Edge(site).get)


def kept_out() -> dict[tuple[str, str], set[str]]:
    return {(scope, version): addresses(scope, version) for scope in SCOPES for version in VERSIONS}


def muted() -> bool:
    (alarm,) = client("cloudwatch").describe_alarms(AlarmNames=[ALARM])["MetricAlarms"]
    return bool(alarm["StateValue"] == "ALARM")


def announced(aws: World) -> Any:
    return Maintenances(aws.table).read()


STATES = {"on": ({(scope, version): EVERYBODY[version] for scope in SCOPES for version in VERSIONS}, True),
          "off": ({(scope, version): set() for scope in SCOPES for version in VERSIONS}, False)}  # fmt: skip


def state() -> tuple[Any, bool]:
    return kept_out(), muted()


def on(aws: World, *, by: str = ADA, **inputs: str) -> Started:
    """Maintenance is on; the run."""
    started = Started(aws, ON, by=by, **inputs)
    started.step("Plan")
    started.approved(BOB if by == ADA else ADA)
    started.steps("Begin", "Mute", "KeepOut", "KeptOut", "Tell", "Record")
    started.ends()
    return started


def off(aws: World) -> Started:
    started = Started(aws, OFF)
    started.steps("Plan", "Begin", "LetIn", "Clear", "Unmute", "Verify", "Record")
    started.ends()
    return started


def chat(aws: World) -> list[str]:
    found = (json.loads(message.partition("\n")[2]) for message in aws.messages(PRODUCTION.chat_topic))
    return [one["content"]["title"] for one in found]


# On and off


def test_everybody_is_kept_out_of_the_api_and_of_the_frontend_and_nobody_is_called(aws: World) -> None:
    on(aws)
    assert state() == STATES["on"]


def test_off_undoes_all_of_it(aws: World) -> None:
    on(aws)
    off(aws)
    assert state() == STATES["off"]
    assert announced(aws) is None


def test_both_tell_the_chat_once(aws: World) -> None:
    on(aws)
    off(aws)
    assert chat(aws) == [
        f"production: Maintenance until {aws.now + timedelta(minutes=30):%Y-%m-%d %H:%M} UTC, by on-call/ada",
        "production: Maintenance is over, by on-call/ada",
    ]


@pytest.mark.parametrize("what", [ON, OFF])
def test_a_dry_run_says_what_would_be_done_and_changes_nothing(aws: World, what: str) -> None:
    if what == OFF:
        on(aws)
    before = state()
    started = Started(aws, what, dry_run=True)
    said = started.step("Plan")["said"]
    started.step("Record")
    assert state() == before
    words = {ON: f"would get 503, with a page and Retry-After: {RETRY_AFTER.seconds}, until", OFF: "Users would be let in."}
    assert words[what] in said


def test_on_needs_another_persons_approval(aws: World) -> None:
    started = Started(aws, ON)
    started.step("Plan")
    with pytest.raises(RefusedError, match="Nobody can approve this"):
        started.step("Begin")
    assert state() == STATES["off"]


def test_off_of_what_is_not_on_is_refused(aws: World) -> None:
    with pytest.raises(RefusedError, match=r"^Maintenance is not on\.$"):
        Started(aws, OFF).step("Plan")


def test_off_lets_in_what_somebody_kept_out_without_announcing_it(aws: World) -> None:
    name, waf = PRODUCTION.maintenance_addresses("IPV4"), firewall("REGIONAL")
    (found,) = (one for one in waf.list_ip_sets(Scope="REGIONAL")["IPSets"] if one["Name"] == name)
    waf.update_ip_set(Name=name, Scope="REGIONAL", Id=found["Id"], Addresses=["10.0.0.0/8"], LockToken=found["LockToken"])
    off(aws)
    assert state() == STATES["off"]


def test_run_again_it_goes_on_until_the_new_time(aws: World) -> None:
    on(aws, Minutes="30")
    aws.wait(minutes=20)
    said = Started(aws, ON, Minutes="60").step("Plan")["said"]
    assert f"it would go on until {aws.now + timedelta(minutes=60):%Y-%m-%d %H:%M} UTC" in said
    on(aws, Minutes="60")
    assert announced(aws).until == aws.now + timedelta(minutes=60)


def test_maintenance_that_a_person_began_by_hand_is_taken_over(aws: World) -> None:
    aws.set_alarm(ALARM, "ALARM")
    on(aws)
    assert state() == STATES["on"]
    off(aws)
    assert state() == STATES["off"]


def test_it_leaves_the_services_lock_to_the_work_that_it_is_for(aws: World) -> None:
    started = Started(aws, ON)
    started.step("Plan")
    started.approved()
    started.step("Begin")
    assert [name for name in aws.items()["changes"] if name.startswith("lock ")] == ["lock maintenance"]


# Operators


@pytest.mark.parametrize(
    "operators",
    ["", "203.0.113.7", "203.0.113.0/24", "203.0.113.7,203.0.113.0/24", "0.0.0.1", "255.255.255.255", "2001:db8::1",
     "198.51.0.0/16,2001:db8::/32,203.0.113.7"],
)  # fmt: skip
@pytest.mark.parametrize("version", [4, 6])
def test_everybody_but_the_operators_is_every_other_address_once(operators: str, version: int) -> None:
    let_in = [ipaddress.ip_network(one) for one in operators.split(",") if one]
    blocks = [ipaddress.ip_network(one) for one in everybody_but(let_in, version)]
    own = [*ipaddress.collapse_addresses(one for one in let_in if one.version == version)]
    assert all(one.prefixlen for one in blocks)  # WAF takes no /0
    assert sum(one.num_addresses for one in (*blocks, *own)) == 2 ** {4: 32, 6: 128}[version]
    assert not any(block.overlaps(one) for block in blocks for one in own)
    assert len([*ipaddress.collapse_addresses([*blocks, *own])]) == 1


def test_operators_are_let_in(aws: World) -> None:
    on(aws, Operators="203.0.113.7,2001:db8::/48")
    for scope in SCOPES:
        for version, address in (("IPV4", "203.0.113.7"), ("IPV6", "2001:db8::5")):
            blocks = map(ipaddress.ip_network, addresses(scope, version))
            assert not any(ipaddress.ip_address(address) in block for block in blocks)


@pytest.mark.parametrize(
    ("operators", "words"),
    [
        ("203.0.113.256", "203.0.113.256 is no address and no CIDR block, such as"),
        ("203.0.113.7,cafe", "cafe is no address"),
        ("10.0.0.0/8", "10.0.0.0/8 would let in too many: at most a /16."),
        ("0.0.0.0/0", "would let in too many"),
        ("2001:db8::/31", "would let in too many: at most a /32."),
    ],
)
def test_operators_that_are_none_are_refused(aws: World, operators: str, words: str) -> None:
    with pytest.raises(RefusedError, match=words):
        Started(aws, ON, Operators=operators).step("Plan")


def test_an_ip_set_that_is_missing_is_refused_before_anything_is_changed(aws: World) -> None:
    name, waf = PRODUCTION.maintenance_addresses("IPV6"), firewall("CLOUDFRONT")
    (found,) = (one for one in waf.list_ip_sets(Scope="CLOUDFRONT")["IPSets"] if one["Name"] == name)
    waf.delete_ip_set(Name=name, Scope="CLOUDFRONT", Id=found["Id"], LockToken=found["LockToken"])
    with pytest.raises(RefusedError, match=f"WAF has no IP set {name} for CLOUDFRONT: deploy the stacks"):
        Started(aws, ON).step("Plan")


# What is waited for


def test_it_waits_until_users_get_503_with_retry_after(aws: World, monkeypatch: pytest.MonkeyPatch, site: Site) -> None:
    started = Started(aws, ON)
    started.step("Plan")
    started.approved()
    started.steps("Begin", "Mute", "KeepOut")
    monkeypatch.setattr(https, "get", site.get)  # not told everywhere yet
    assert started.step("KeptOut") == {"said": "API answers 200; Frontend answers 200.", "wait": WAITING}
    monkeypatch.setattr(https, "get", lambda *_, **__: Answer(503, "text/html", b""))  # an outage says no Retry-After
    assert started.step("KeptOut")["wait"] == WAITING


def test_people_are_called_again_only_when_the_alarms_have_ended(aws: World) -> None:
    on(aws)
    aws.set_alarm(IMPAIRED, "ALARM")
    started = Started(aws, OFF)
    started.steps("Plan", "Begin", "LetIn")
    assert started.step("Clear") == {"said": f"{IMPAIRED} fires.", "wait": WAITING}
    assert muted()
    aws.set_alarm(IMPAIRED, "OK")
    assert "wait" not in started.step("Clear")


def test_what_does_not_end_in_time_is_no_maintenance_and_people_are_called(aws: World, site: Site) -> None:
    on(aws)
    site.database = "disconnected"
    started = Started(aws, OFF)
    started.steps("Plan", "Begin", "LetIn")
    assert "API answers API answers 200: database disconnected" in started.step("Clear")["said"]
    aws.wait(minutes=CLEARING / timedelta(minutes=1))
    assert "people are called, as it is too long for maintenance" in started.step("Clear")["said"]
    started.step("Unmute")
    assert state() == STATES["off"]
    with pytest.raises(
        VerifyError, match="Maintenance is off, and users are not served: API answers 200: database disconnected"
    ):
        started.step("Verify")


# It ends by itself


def minutes_pass(aws: World, minutes: float) -> list[str]:
    """Let time pass; the documents that `notify` started since."""
    before = len(aws.started)
    aws.looks(int(minutes))
    return [one["DocumentName"] for one in [*aws.started.values()][before:]]


def test_at_its_time_the_procedure_that_ends_it_is_started_once(aws: World) -> None:
    run = on(aws, Minutes="30")
    assert minutes_pass(aws, 29) == []
    assert minutes_pass(aws, 5) == [PRODUCTION.document(OFF)]
    (asked,) = aws.started.values()
    assert asked["Parameters"] == {"DryRun": ["false"], "Reason": [f"The time of maintenance-on {run.id} is over"]}
    off(aws)
    assert minutes_pass(aws, 40) == []


def test_the_end_is_asked_for_again_and_at_last_people_are_told(aws: World) -> None:
    aws.watch(PRODUCTION.page("service-down"))
    on(aws, Minutes="30")
    aws.set_alarm(PRODUCTION.page("service-down"), "ALARM")
    assert minutes_pass(aws, 30 + ENDING / timedelta(minutes=1) - 1) == [PRODUCTION.document(OFF)] * 2
    assert aws.subjects(PRODUCTION.on_call_topic("P1")) == []
    minutes_pass(aws, 3)
    assert not muted()
    assert len(aws.subjects(PRODUCTION.on_call_topic("P1"))) == 1


def test_one_that_is_longer_than_maintenance_by_hand_may_be_lasts_as_announced(aws: World) -> None:
    on(aws, Minutes="240")
    assert minutes_pass(aws, 239) == []
    assert muted()


def test_one_that_ended_long_ago_says_nothing_of_one_by_hand(aws: World) -> None:
    Maintenances(aws.table).announce(aws.now - timedelta(hours=5), "an execution", ADA)
    aws.set_alarm(ALARM, "ALARM")
    assert minutes_pass(aws, 119) == []
    assert muted()


def test_an_end_that_cannot_be_asked_for_is_an_error_of_notify(aws: World) -> None:
    on(aws, Minutes="5")
    aws.wait(minutes=6)
    aws.refusals["ssm:StartAutomationExecution"] = refusal("AccessDeniedException")
    with pytest.raises(Exception, match="AccessDenied"):
        aws.notify()


def test_an_announcement_that_cannot_be_read_leaves_the_rule_of_maintenance_by_hand(aws: World) -> None:
    on(aws, Minutes="240")
    aws.wait(hours=1)
    aws.table.update_item(Key={"id": "maintenance"}, UpdateExpression="SET #u = :u",
                          ExpressionAttributeNames={"#u": "until"}, ExpressionAttributeValues={":u": "nonsense"})  # fmt: skip
    with pytest.raises(ValueError, match="nonsense"):
        aws.notify()
    assert muted()


# Faults


def fill(to: dict[str, set[str]]) -> None:
    for scope in SCOPES:
        for one in (waf := firewall(scope)).list_ip_sets(Scope=scope)["IPSets"]:
            named = {"Name": one["Name"], "Id": one["Id"], "Scope": scope}
            version = waf.get_ip_set(**named)["IPSet"]["IPAddressVersion"]
            token = waf.get_ip_set(**named)["LockToken"]
            waf.update_ip_set(**named, Addresses=[*to[version]], LockToken=token)


@pytest.mark.parametrize(
    ("what", "step", "done"),
    [
        (ON, "Mute", lambda aws: muted() and announced(aws)),
        (ON, "KeepOut", lambda _: kept_out() == STATES["on"][0]),
        (OFF, "LetIn", lambda _: kept_out() == STATES["off"][0]),
        (OFF, "Unmute", lambda aws: not muted() and not announced(aws)),
    ],
    ids=["Mute", "KeepOut", "LetIn", "Unmute"],
)
def test_a_step_that_dies_after_any_call_and_is_run_again_converges(
    aws: World, what: str, step: str, done: Callable[[World], bool]
) -> None:
    begins, point, died = what == ON, 1, True
    fill(EVERYBODY)
    aws.set_alarm(ALARM, "ALARM")
    started = Started(aws, what)
    started.step("Plan")
    started.approved()
    started.step("Begin")
    if step == "Unmute":
        started.steps("LetIn", "Clear")
    while died:
        fill({"IPV4": set(), "IPV6": set()} if begins else EVERYBODY)
        aws.set_alarm(ALARM, "OK" if begins else "ALARM")
        if not begins:
            Maintenances(aws.table).announce(aws.now, "an execution", ADA)
        aws.crash_at = point
        try:
            started.step(step)
            died = False
        except Crash:
            aws.crash_at = None
            started.step(step)
        aws.crash_at = None
        assert done(aws), f"at {point}"
        point += 2  # before the next call is after this one
    assert point > 15


def test_somebody_who_changes_an_ip_set_meanwhile_fails_the_step_and_the_next_attempt_wins(aws: World) -> None:
    started = Started(aws, ON)
    started.step("Plan")
    started.approved()
    started.steps("Begin", "Mute")
    aws.refusals["wafv2:UpdateIPSet"] = refusal("WAFOptimisticLockException")
    with pytest.raises(Exception, match="WAFOptimisticLock"):
        started.step("KeepOut")
    aws.refusals.clear()
    started.step("KeepOut")
    assert state() == STATES["on"]


def test_one_that_fails_is_still_announced_and_ends_by_itself(aws: World) -> None:
    started = Started(aws, ON, Minutes="30")
    started.step("Plan")
    started.approved()
    started.steps("Begin", "Mute", "KeepOut")
    started.ends("Failed")
    assert minutes_pass(aws, 31) == [PRODUCTION.document(OFF)]


def test_the_record_says_who_and_why(aws: World) -> None:
    run = on(aws)
    assert (run.record["started_by"], run.record["reason"], run.record["result"]) == (ADA, REASON, "succeeded")
