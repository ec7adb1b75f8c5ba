"""Logs Insights' query language as its documentation has it, as far as the saved queries go; anything else is refused by name."""

import json
import re

import pytest

from local.cloudwatch.logs_insights import QueryError, columns, run

Row = dict[str, str]


def event(message: object, time: str = "10:00:00") -> Row:
    """A log event with a text, or with JSON."""
    text = message if isinstance(message, str) else json.dumps(message)
    return {"@timestamp": f"2026-01-05 {time}.000", "@message": text, "@logStream": "stream", "@log": "group"}


TASK = {"detail": {"containers": [{"exitCode": 137}, {"exitCode": 0}], "essential": True}, "detail-type": "a task"}
LINES = [event("two 2", "10:02:00"), event("one 10", "10:01:00"), event(TASK, "10:03:00")]


@pytest.mark.parametrize(
    ("text", "rows"),
    [
        ("fields @timestamp | limit 1", [{"@timestamp": "2026-01-05 10:02:00.000"}]),
        ("fields @logStream, nothing | limit 1", [{"@logStream": "stream"}]),
        ("filter @message like /T.O/", []),
        ("filter @message like /(?i)TWO/ | fields @message", [{"@message": "two 2"}]),
        ('filter @message like "two" | fields @message', [{"@message": "two 2"}]),
        ('filter @message like "t.o"', []),
        (
            "filter @message like 'one' or @message like 'two' | fields @message",
            [{"@message": "two 2"}, {"@message": "one 10"}],
        ),
        ("filter @message like 'two' and not @message like '2'", []),
        ("filter not (@message like 'two' or detail.essential = 'true') | fields @message", [{"@message": "one 10"}]),
        ('filter `detail-type` = "a task" | fields detail.containers.0.exitCode', [{"detail.containers.0.exitCode": "137"}]),
        ("filter detail.containers.1.exitCode = 0 | fields detail.essential", [{"detail.essential": "true"}]),
        ("filter ispresent(detail.essential) | fields @timestamp", [{"@timestamp": "2026-01-05 10:03:00.000"}]),
        (r"parse @message /(?<word>\w+) (?<number>\d+)/ | filter word = 'one' | display number", [{"number": "10"}]),
        (r"fields @log | parse @message /(?<word>[a-z]+) / | limit 1", [{"@log": "group", "word": "two"}]),
        (
            "fields @timestamp | sort @timestamp asc",
            [{"@timestamp": f"2026-01-05 10:0{minute}:00.000"} for minute in (1, 2, 3)],
        ),
        (
            r"filter not ispresent(detail.essential) | parse @message / (?<number>\d+)/ | sort number desc | display number",
            [{"number": "10"}, {"number": "2"}],  # as numbers, not as text
        ),
    ],
)
def test_a_query_gives_its_rows(text: str, rows: list[Row]) -> None:
    assert run(text, LINES) == rows


def test_dedup_keeps_the_first_of_each_in_the_order_of_the_sort() -> None:
    events = [event({"id": "a", "state": "begun"}, "10:01:00"), event({"id": "b"}, "10:02:00"), event({"id": "a"}, "10:03:00")]
    rows = run("fields id, state | filter ispresent(id) | sort @timestamp desc | dedup id | limit 5", events)
    assert rows == [{"id": "a"}, {"id": "b"}]
    assert run("fields id, state | sort @timestamp desc | dedup state", events) == [
        {"id": "a"},
        {"id": "b"},
        {"id": "a", "state": "begun"},
    ]  # what is not there is no duplicate


def test_of_two_at_one_time_the_later_comes_first() -> None:
    assert run("fields @message | sort @timestamp desc", [event("one"), event("two")]) == [
        {"@message": "two"},
        {"@message": "one"},
    ]


def test_without_fields_a_row_is_its_time_and_message() -> None:
    assert run("limit 1", LINES) == [{"@timestamp": "2026-01-05 10:02:00.000", "@message": "two 2"}]


@pytest.mark.parametrize(
    ("text", "fields"),
    [
        ("limit 1", ["@timestamp", "@message"]),
        ("fields a, b | parse a /(?<c>.)/ | fields d", ["a", "b", "c", "d"]),
        ("fields a | parse a /(?<c>.)/ | display c, a", ["c", "a"]),
    ],
)
def test_a_query_says_which_fields_it_shows(text: str, fields: list[str]) -> None:
    assert columns(text) == fields


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("stats sum(bytes)", "stats"),
        ("stats count(*)", "*)"),
        ("filter status != 200", "!= 200"),
        ("filter @message", "@message"),
        ("fields @message as text", "as"),
        ("sort @message up", "up"),
        ("limit ten", "ten"),
        ("parse @message /(?<a/", "(?<a"),
        ("fields @message | | limit 1", "command"),
        ("filter (a = 1", ")"),
        ("dedup a | sort a", "sort"),
    ],
)
def test_what_is_not_known_is_named(text: str, named: str) -> None:
    with pytest.raises(QueryError, match=re.escape(named)):
        run(text, LINES)
