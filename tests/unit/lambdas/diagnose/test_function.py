"""What `diagnose` records, and whom it tells."""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from lambdas.common.events import EventError
from lambdas.common.record.events import AlarmChanged, Diagnosed, Event, Notified
from lambdas.diagnose.function import Diagnose
from tests.environments import PRODUCTION
from tests.unit.lambdas.diagnose.aws import SETTINGS, Aws, alarm, at, quiet, reader
from tests.unit.lambdas.world import World, records, session, world

DOWN = PRODUCTION.page("service-down")
P1 = PRODUCTION.on_call_topic("P1")


@pytest.fixture
def aws() -> Iterator[Aws]:
    with quiet() as made:
        made.answers["DescribeAlarms"] = {"MetricAlarms": [alarm("rds-connections-critical")], "CompositeAlarms": []}
        yield made


@pytest.fixture
def around(aws: Aws) -> Iterator[World]:
    with world() as made:
        made.ecs.now = at(3)
        yield made


def page(minutes: float = 1, name: str = DOWN, state: Any = "ALARM") -> AlarmChanged:
    return AlarmChanged(
        id=f"alarm {name} {state} {minutes}",
        at=at(minutes),
        alarm=name,
        state=state,
        title="It fails",
        severity="P1",
        calls=True,
    )


def call(minutes: float = 2, name: str = DOWN) -> Notified:
    return Notified(
        id=f"told {minutes}", at=at(minutes), channel="people", what="open", alarm=name, severity="P1", subject="s", text="t"
    )


def incident(*events: Event) -> str:
    """An incident of these events; its name."""
    entry = records().join(at(1), DOWN, opens=True)
    assert entry
    records().add(entry.name, events)
    return entry.name


def diagnose(around: World, event: Any) -> dict[str, Any]:
    sns = session().client("sns")
    return Diagnose(SETTINGS, reader(), records(), sns, around.clock).run(event)


def asked(name: str, minutes: float = 3) -> dict[str, str]:
    """What `notify` sends."""
    return {"incident": name, "at": at(minutes).isoformat()}


def findings(name: str) -> list[str]:
    return [one.top.hypothesis for one in records().read(name).events if isinstance(one, Diagnosed)]


def test_the_finding_is_recorded_and_those_who_were_called_read_it(around: World) -> None:
    name = incident(page(), call())
    diagnose(around, asked(name))
    assert findings(name) == ["database"]
    (message,) = around.messages(P1)
    subject, _, body = message.partition("\n")
    assert subject == f"ALARM: P1 production: Diagnosis of {name}: the database"
    assert "RDS connections" in json.loads(body)["default"]
    update = json.loads(json.loads(body)["https"])
    assert (update["AlarmName"], update["NewStateValue"], update["StateChangeTime"]) == (DOWN, "ALARM", at(1).isoformat())


def test_the_chat_reads_it_in_the_incidents_thread(around: World) -> None:
    name = incident(page(), call())
    diagnose(around, asked(name))
    (message,) = around.messages(PRODUCTION.chat_topic)
    assert json.loads(message.partition("\n")[2])["metadata"]["threadId"] == name


def test_the_record_has_that_people_were_told(around: World) -> None:
    name = incident(page(), call())
    diagnose(around, asked(name))
    told = [one for one in records().read(name).events if isinstance(one, Notified) and one.what == "finding"]
    assert [one.channel for one in told] == ["people"]


def test_delivered_twice_it_tells_once(around: World) -> None:
    name = incident(page(), call())
    for _ in range(2):
        diagnose(around, asked(name))
    assert len(around.messages(P1)) == 1


def test_the_same_finding_a_minute_later_is_recorded_and_not_told(around: World) -> None:
    name = incident(page(), call())
    diagnose(around, asked(name))
    diagnose(around, asked(name, 4))
    assert findings(name) == ["database", "database"]
    assert len(around.messages(P1)) == 1


def test_another_finding_is_told(around: World, aws: Aws) -> None:
    name = incident(page(), call())
    diagnose(around, asked(name))
    aws.answers["DescribeAlarms"] = {"MetricAlarms": [alarm("redis-memory-critical")], "CompositeAlarms": []}
    diagnose(around, asked(name, 4))
    assert findings(name) == ["database", "cache"]
    assert len(around.messages(P1)) == 2


@pytest.mark.parametrize(
    "events",
    [(page(),), (page(), call(), page(2.5, state="OK")), (page(), call(), page(2.2, state="OK"), page(2.5))],
    ids=["nobody was called", "the page is over", "nobody was called for its return"],
)
def test_who_was_not_called_for_what_fires_is_not_told(around: World, events: tuple[Event, ...]) -> None:
    name = incident(*events)
    diagnose(around, asked(name))
    assert findings(name) == ["database"]
    assert around.messages(P1) == []


def test_by_hand_it_records_and_tells_nobody(around: World) -> None:
    name = incident(page(), call())
    found = diagnose(around, {"incident": name})
    assert found["incident"] == name
    assert "Most likely" in found["diagnosis"]
    assert findings(name) == ["database"]
    assert around.messages(P1) == []


def test_without_a_name_it_is_about_the_incident_that_goes_on(around: World) -> None:
    assert diagnose(around, {})["incident"] == ""
    name = incident(page())
    assert diagnose(around, {})["incident"] == name


@pytest.mark.parametrize(
    ("event", "words"),
    [
        ([], 'should be {} or {"incident"'),
        ({"incident": 7}, 'should be {} or {"incident"'),
        ({"at": "noon"}, "should be a time such as"),
        ({"incident": "2020-01-01-1"}, "there is no incident 2020-01-01-1"),
    ],
)
def test_an_event_of_another_form_is_refused_with_what_it_should_be(around: World, event: Any, words: str) -> None:
    with pytest.raises(EventError, match=words):
        diagnose(around, event)


def test_a_diagnosis_without_any_answer_says_so(around: World, aws: Aws) -> None:
    aws.refuse(*aws.answers)
    name = incident(page(), call())
    found = diagnose(around, asked(name))
    assert findings(name) == ["unknown"]
    assert len(found["missing"]) >= 10


def test_a_message_fits_wherever_it_is_sent(around: World, aws: Aws) -> None:
    lines = [[{"field": "@message", "value": f"ERROR {'€' * 5000} {'x' * number}"}] for number in range(5)]
    aws.answers["GetQueryResults"] = {"status": "Complete", "results": lines}
    name = incident(page(), call())
    diagnose(around, asked(name))
    (message,) = around.messages(P1)
    assert len(message.encode()) < 256 * 1024
    (chat,) = around.messages(PRODUCTION.chat_topic)
    assert len(json.loads(chat.partition("\n")[2])["content"]["description"]) <= 3000
