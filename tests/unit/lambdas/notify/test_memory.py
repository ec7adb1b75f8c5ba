"""What `notify` remembers."""

from datetime import timedelta

from lambdas.notify import memory
from lambdas.notify.plan import Memory

from ..world import NOON, World, notify_clients


def test_at_first_nothing_is_remembered(aws: World) -> None:
    assert memory.recall(notify_clients().incidents) == {}


def test_what_is_remembered_is_recalled(aws: World) -> None:
    incidents = notify_clients().incidents
    memories = {
        "an alarm": Memory(NOON, 3, NOON + timedelta(minutes=1), None, waited=True, incident="an id"),
        "another": Memory(NOON + timedelta(seconds=0.5)),
    }
    memory.remember(incidents, {"an old one": Memory(NOON)})
    memory.remember(incidents, memories)
    assert memory.recall(incidents) == memories


def test_what_an_earlier_release_of_the_function_remembered_is_recalled(aws: World) -> None:
    stored = (
        '{"an alarm": {"since": "2026-03-02T12:00:00+00:00", "times": 2, "told_at": "2026-03-02T12:02:00+00:00",'
        ' "calm_since": null, "waited": false, "incident": ""}}'
    )
    aws.table.put_item(Item={"id": "notifications", "text": stored})
    assert memory.recall(notify_clients().incidents) == {"an alarm": Memory(NOON, 2, NOON + timedelta(minutes=2))}
