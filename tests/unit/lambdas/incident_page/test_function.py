"""The function behind the dashboard's custom widget: which incident it shows, to whom in which theme, whatever the event."""

from datetime import timedelta
from typing import Any

import pytest

from lambdas.common.record.store import Records
from lambdas.incident_page.function import DESCRIPTION, IncidentPage

from ..test_fuzzed_events import LEAVES
from ..world import NOON, World, rollback_clients
from ..world import records as of_the_test
from .incidents import DOWN, SETTINGS, alarm


def page(aws: World, event: Any = None) -> str:
    return IncidentPage(SETTINGS, Records(rollback_clients().records), aws.clock).run(event)


def begin(hours: float, alarm_name: str = DOWN) -> str:
    records = of_the_test()
    entry = records.join(NOON + timedelta(hours=hours), alarm_name, opens=True)
    assert entry
    records.add(entry.name, [alarm(0)])
    return entry.name


def end(hours: float) -> None:
    records = of_the_test()
    records.close(records.entries()[0], NOON + timedelta(hours=hours))


def test_it_shows_nothing_before_the_first_incident(aws: World) -> None:
    assert "No incident so far." in page(aws)


def test_it_shows_the_open_incident(aws: World) -> None:
    first = begin(0)
    end(1)
    second = begin(2)
    assert first != second
    assert f"{second} · " in page(aws)
    assert first not in page(aws)


def test_it_shows_the_last_one_when_none_is_open(aws: World) -> None:
    begin(0)
    end(1)
    last = begin(2)
    end(3)
    assert f"{last} · " in page(aws)


@pytest.mark.parametrize(
    ("event", "dark"),
    [
        ({"widgetContext": {"theme": "dark"}}, True),
        ({"widgetContext": {"theme": "light"}}, False),
        ({"widgetContext": {}}, False),
        ({"widgetContext": "dark"}, False),
        *((leaf, False) for leaf in LEAVES),
        *(({"widgetContext": {"theme": leaf}}, False) for leaf in LEAVES),
    ],
)
def test_it_is_in_the_theme_of_who_looks_whatever_the_event(aws: World, event: Any, dark: bool) -> None:
    assert ("color:#e9ebed" in page(aws, event)) == dark


def test_asked_what_it_is_it_says_so_and_does_nothing_else(aws: World) -> None:
    """The console does that when a widget is made from the function:
    https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/add_custom_widget_dashboard_about.html"""
    aws.calls.clear()
    assert page(aws, {"describe": True}) == DESCRIPTION
    assert aws.calls == []


def test_it_only_reads(aws: World) -> None:
    begin(0)
    aws.calls.clear()
    page(aws)
    assert {call.name for call in aws.calls} == {"dynamodb:Query"}
