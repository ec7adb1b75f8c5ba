"""What `notify` remembers."""

import json
from datetime import timedelta

import pytest

from lambdas.notify import memory
from lambdas.notify.plan import Memory

from ..world import NOON, World, notify_clients


def text(**entries: object) -> str:
    """As it stands in the table."""
    return json.dumps(entries)


ONE = {"since": "2026-03-02T12:00:00+00:00", "told_at": "2026-03-02T12:02:00+00:00"}


def test_at_first_nothing_is_remembered(aws: World) -> None:
    assert memory.recall(notify_clients().incidents, NOON) == memory.nothing()


def test_what_is_remembered_is_recalled_for_people_and_for_the_chat(aws: World) -> None:
    incidents = notify_clients().incidents
    memories: memory.Memories = {
        "people": {
            "an alarm": Memory(NOON, 3, NOON + timedelta(minutes=1), None, waited=True, incident="an id"),
            "another": Memory(NOON + timedelta(seconds=0.5), again_at=NOON),
        },
        "chat": {"an alarm": Memory(NOON)},
    }
    memory.remember(incidents, {"people": {"an old one": Memory(NOON)}, "chat": {}})
    memory.remember(incidents, memories)
    assert memory.recall(incidents, NOON) == memories


def test_what_an_earlier_release_of_the_function_remembered_is_recalled(aws: World) -> None:
    stored = (
        '{"an alarm": {"since": "2026-03-02T12:00:00+00:00", "times": 2, "told_at": "2026-03-02T12:02:00+00:00",'
        ' "calm_since": null, "waited": false, "incident": ""}}'
    )
    aws.table.put_item(Item={"id": "notifications", "text": stored})
    both = {"an alarm": Memory(NOON, 2, NOON + timedelta(minutes=2))}
    assert memory.recall(notify_clients().incidents, NOON) == {"people": both, "chat": both}


@pytest.mark.parametrize(
    "unreadable",
    [
        {"since": "yesterday"},
        {"since": "2026-03-02T12:00:00"},
        {"since": "0001-01-01T00:00:00+14:00"},
        {"since": "9999-12-31T23:59:59-12:00"},
        {**ONE, "told_at": "9999-12-31T23:59:59Z"},
        {**ONE, "times": "often"},
        {},
        None,
        [[[[]]]],
    ],
)
def test_the_unreadable_memory_of_one_alarm_leaves_the_others(aws: World, unreadable: object) -> None:
    aws.table.put_item(Item={"id": "notifications", "text": text(one=ONE, other=unreadable)})
    found = memory.recall(notify_clients().incidents, NOON)
    assert list(found["people"]) == list(found["chat"]) == ["one"]


@pytest.mark.parametrize("stored", ["", "not JSON", "[]", "null", "[" * 100_000, 7, None])
def test_a_memory_that_is_unreadable_as_a_whole_is_begun_anew(aws: World, stored: object) -> None:
    aws.table.put_item(Item={"id": "notifications", "text": stored})
    assert memory.recall(notify_clients().incidents, NOON) == memory.nothing()
