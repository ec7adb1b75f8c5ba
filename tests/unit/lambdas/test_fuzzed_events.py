"""Events of any shape: old, from the end of time, cut off, of wrong types. No function fails for them, and nobody is told more."""

import logging
import random
from collections.abc import Iterator
from typing import Any

import pytest

from lambdas.common.events import EventError, sent_at
from lambdas.releases.function import _cause

from .notify.outage import NOON, Hour
from .notify.test_faults import DATABASE

EVENTS = 10_000
TIMES = (
    "0001-01-01T00:00:00+14:00",
    "9999-12-31T23:59:59-14:00",
    "1970-01-01T00:00:00Z",
    "2026-03-02T12:00:00",
    "2026-03-02T11:00:00Z",
    "2026-03-02T12:00:00.000+0000",
    "2026-02-30T12:00:00Z",
    "now",
    "",
    "\\u0000",
    "\N{ARABIC-INDIC DIGIT ONE}970-01-01",
)
LEAVES: tuple[Any, ...] = (*TIMES, None, True, -1, 10**400, 1e308, float("nan"), "x" * 10_000, "\ud800", [], {}, b"x")
SHAPES: tuple[Any, ...] = (
    {"time": "", "source": "aws.events", "detail-type": "", "detail": {"eventName": ""}},
    {"Records": [{"Sns": {"Timestamp": "", "Message": "{}", "Subject": ""}}]},
    {"source": "aws.cloudwatch", "alarmArn": "", "alarmData": {"alarmName": "", "state": {"value": "", "timestamp": ""}}},
    {},
    [],
    None,
    "time",
)


def fuzzed(seed: int) -> Iterator[Any]:
    """Events of the shapes above with other leaves, without some members, or nested too deep."""
    chance = random.Random(seed)  # noqa: S311 - the same events each time, for no secret

    def spoil(value: Any) -> Any:
        if chance.random() < 0.15 or value == "":
            return chance.choice(LEAVES)
        if isinstance(value, dict):
            return {name: spoil(one) for name, one in value.items() if chance.random() > 0.1}
        if isinstance(value, list):
            return [spoil(one) for one in value] * chance.choice((1, 1, 2, 0))
        return value

    for _ in range(EVENTS):
        yield spoil(chance.choice(SHAPES))


@pytest.fixture(autouse=True)
def _silent() -> Iterator[None]:
    logging.disable()
    yield
    logging.disable(logging.NOTSET)


def test_notify_takes_every_event_and_tells_once() -> None:
    hour = Hour()
    hour.set(DATABASE, "ALARM")
    for event in fuzzed(1):
        hour.run(event)
    assert hour.raised == []
    assert [sent.topic for sent in hour.sent] == ["p1", "chat"]
    assert "(0 min)" in hour.sent[0].text


def test_the_moment_of_an_event_is_a_moment_or_nothing() -> None:
    for event in fuzzed(2):
        try:
            assert sent_at(event) <= NOON.replace(year=9999)
        except EventError:
            continue


def test_releases_has_words_for_every_event() -> None:
    for event in fuzzed(3):
        assert isinstance(_cause(event), str)
