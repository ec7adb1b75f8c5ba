"""The records in DynamoDB: one incident for one outage, each event once, whatever dies between two writes."""

from datetime import timedelta

import pytest

from lambdas.common.record.events import Closed, Event, Person
from lambdas.common.record.incident import Incident
from lambdas.common.record.store import Records
from tests.environments import PRODUCTION

from ...world import NOON, Crash, World, client, refusal, rollback_clients
from ...world import records as of_the_test

DOWN, SLOW = "hz-service-down", "hz-service-degraded"
MINUTE = timedelta(minutes=1)


@pytest.fixture
def records(aws: World) -> Records:
    return Records(rollback_clients().records)


def note(text: str, minutes: float = 1) -> Person:
    return Person(id=f"note {text[:10]}", at=NOON + minutes * MINUTE, kind="note", by="ada", text=text)


def join(records: Records, minutes: float, alarm: str = DOWN, *, opens: bool = True) -> str:
    entry = records.join(NOON + minutes * MINUTE, alarm, opens=opens)
    return entry.name if entry else ""


def test_the_first_alarm_opens_an_incident_and_the_next_joins_it(records: Records) -> None:
    assert [join(records, 0), join(records, 1, SLOW), join(records, 2)] == ["2026-03-02-1"] * 3
    (entry,) = records.entries()
    assert entry.alarms == {DOWN, SLOW}


def test_what_opens_none_joins_only_what_is_open(records: Records) -> None:
    assert join(records, 0, opens=False) == ""
    join(records, 0)
    assert join(records, 1, SLOW, opens=False) == "2026-03-02-1"
    (entry,) = records.entries()
    assert entry.alarms == {DOWN}  # whose end the incident waits for


def test_a_new_alarm_after_the_end_opens_another(records: Records) -> None:
    join(records, 0)
    records.close(records.entries()[0], NOON + 10 * MINUTE)
    assert join(records, 11, SLOW) == "2026-03-02-2"
    assert join(records, 12, DOWN) == "2026-03-02-2"


def test_the_same_alarm_soon_after_the_end_is_of_the_same_incident(records: Records) -> None:
    join(records, 0)
    records.close(records.entries()[0], NOON + 10 * MINUTE)
    assert join(records, 12) == "2026-03-02-1"
    records.reopen(records.entries()[0])
    assert records.open(NOON + 13 * MINUTE)


def test_the_tenth_incident_of_a_day_comes_after_the_ninth(records: Records) -> None:
    for number in range(12):
        join(records, 20 * number, f"alarm-{number}")
        records.close(records.entries()[0], NOON + (20 * number + 5) * MINUTE)
    assert [entry.number for entry in records.entries(3)] == [12, 11, 10]


def test_two_that_open_one_at_once_have_the_same(aws: World, records: Records) -> None:
    aws.meanwhile["dynamodb:Query"] = lambda: join(of_the_test(), 0, SLOW) and None
    assert join(records, 0) == "2026-03-02-1"
    assert len(records.entries()) == 1


def test_an_event_is_recorded_once_and_keeps_its_first_words(records: Records) -> None:
    records.add("2026-03-02-1", [note("a"), note("a"), note("b")])
    records.add("2026-03-02-1", [note("a", 5)])
    assert records.read("2026-03-02-1").events == (note("a"), note("b"))


def test_what_nobody_recorded_has_no_events(records: Records) -> None:
    assert records.read("2026-03-02-7") == Incident("2026-03-02-7", ())


def test_a_record_is_kept_for_a_year_after_each_event(records: Records) -> None:
    records.add("2026-03-02-1", [note("a", 0)])
    (item,) = client("dynamodb").scan(TableName=PRODUCTION.records_table)["Items"]
    assert int(item["expires_at"]["N"]) == int((NOON + timedelta(days=365)).timestamp())


def test_a_record_of_many_pages_is_read_whole(records: Records) -> None:
    long = [note(f"{number:04} " + "x" * 30_000) for number in range(80)]  # DynamoDB answers 1 MB at a time
    records.add("2026-03-02-1", long)
    assert len(records.read("2026-03-02-1").events) == 80


def test_an_answer_that_was_lost_opens_no_second_incident(aws: World, records: Records) -> None:
    def lost() -> None:
        aws.refusals["dynamodb:PutItem"] = refusal("ConditionalCheckFailedException")  # of the second attempt
        join(of_the_test(), 0)

    aws.meanwhile["dynamodb:Query"] = lost
    assert join(records, 0) == "2026-03-02-1"


def test_an_outage_that_dies_between_any_two_writes_has_the_same_record(aws: World, records: Records) -> None:
    def outage() -> None:
        entry = records.join(NOON, DOWN, opens=True)
        assert entry
        events: list[Event] = [note("a"), note("b", 2), Closed(id="closed", at=NOON + 10 * MINUTE)]
        records.add(entry.name, events)
        records.close(entry, NOON + 10 * MINUTE)

    outage()
    whole = (records.entries(), records.read("2026-03-02-1"))
    points, died = 0, True
    while died:
        for item in client("dynamodb").scan(TableName=PRODUCTION.records_table)["Items"]:
            key = {name: item[name] for name in ("incident", "event")}
            client("dynamodb").delete_item(TableName=PRODUCTION.records_table, Key=key)
        aws.calls.clear()
        aws.crash_at, died = points, False
        try:
            outage()
        except Crash:
            died = True
        aws.crash_at = None
        outage()
        assert (records.entries(), records.read("2026-03-02-1")) == whole
        points += 1
    assert points > 10
