"""Random histories and storms of alarms: whatever fires, in whatever order, people are called in time, seldom, and hear the end."""

import random
from collections import defaultdict
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import pytest

from lambdas.common.alarms import Alarm
from lambdas.notify.plan import ENDS, Memory, plan
from runbook.alarms import alarm_name, descriptions
from runbook.pages import PAGES
from runbook.rows import LEVELS, ROWS
from runbook.rules import CALM, DEPLOYMENT_WAIT, FLAPPING, HOLD, RECALL, SETTLED
from runbook.severities import CALLED

NOON = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
DESCRIPTIONS = descriptions()
HISTORIES = 24
MINUTES = 600


@dataclass
class History:
    """Rows that go bad and recover at random, the pages that follow from them, and what people are told."""

    chance: random.Random
    now: datetime = NOON
    memory: dict[str, Memory] = field(default_factory=dict)
    since: dict[str, tuple[bool, datetime]] = field(default_factory=dict)
    waiting: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    open_calls: set[str] = field(default_factory=set)
    calls: dict[str, list[datetime]] = field(default_factory=lambda: defaultdict(list))
    last: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        pace = self.chance.choice([2, 5, 20, 90])  # a storm at one end, a slow day at the other
        some = self.chance.sample(ROWS, self.chance.randrange(2, 8))  # the others are well
        self.patience = {row.slug: (self.chance.uniform(1, pace), self.chance.uniform(1, 4 * pace)) for row in some}
        self.level: dict[str, str] = {row.slug: "" for row in ROWS}
        self.deploying = 0

    def minute(self, *, calm: bool = False) -> None:
        for slug, (bad, good) in self.patience.items():
            if calm:
                self.level[slug] = ""
            elif self.chance.random() < 1 / (bad if self.level[slug] else good):
                self.level[slug] = "" if self.level[slug] else self.chance.choice(LEVELS)
        self.deploying = max(self.deploying - 1, 0) or (self.chance.random() < 1 / 40 and self.chance.randrange(5, 30))
        alarms = self.alarms()
        news, self.memory = plan(alarms, self.memory, self.now, deploying=bool(self.deploying), maintenance=False)
        for one in news:
            self.hears(one.alarm.slug, one.kind in ENDS, one.severity in CALLED)
            self.last[one.alarm.slug] = one.kind
        self.holds(alarms)
        self.now += MINUTE

    def alarms(self) -> list[Alarm]:
        firing: dict[str, bool] = {}
        for slug, level in self.level.items():
            firing[alarm_name(slug, "warning")] = bool(level)  # what is critical is past the warning's line too
            firing[alarm_name(slug, "critical")] = level == "critical"
        for page in PAGES:
            behind = any(firing[alarm_name(row, "critical")] for row in page.rows)
            firing[page.slug] = behind and not any(firing[other] for other in page.unless)
        pages = {page.slug for page in PAGES}
        for slug, fires in firing.items():
            if self.since.get(slug, (None,))[0] != fires:
                self.since[slug] = (fires, self.now)
        return [
            Alarm(slug, slug, fires, self.since[slug][1], slug in pages or slug.endswith("-warning"), DESCRIPTIONS[slug])
            for slug, fires in firing.items()
        ]

    def hears(self, slug: str, ends: bool, called: bool) -> None:
        """As PagerDuty counts: what is open already calls nobody again."""
        if ends:
            self.open_calls.discard(slug)
        elif called and slug not in self.open_calls:
            self.open_calls.add(slug)
            before = self.calls[slug][-1:]
            assert all(self.now - earlier >= CALM for earlier in before), f"{slug} called twice within {CALM}"
            self.calls[slug].append(self.now)

    def holds(self, alarms: list[Alarm]) -> None:
        """A P1 that lasts is called within the stated budget."""
        for alarm in alarms:
            if not alarm.notifies or alarm.description.severity != "P1":
                continue
            self.waiting[alarm.slug] = self.waiting[alarm.slug] + 1 if alarm.firing and self.deploying else 0
            longest = DEPLOYMENT_WAIT if self.waiting[alarm.slug] else HOLD
            if alarm.firing and self.now - alarm.since >= longest:
                assert alarm.slug in self.open_calls, (
                    f"{alarm.slug} fires since {alarm.since} and nobody is called at {self.now}"
                )


@pytest.mark.parametrize("seed", range(HISTORIES))
def test_whatever_fires_people_are_called_in_time_and_seldom_and_hear_the_end(seed: int) -> None:
    history = History(random.Random(seed))  # noqa: S311 - a history, not a secret
    for _ in range(MINUTES):
        history.minute()
    for slug, calls in history.calls.items():
        for first in calls:  # whoever is called again in the time that a flapping alarm has to settle hears that it flaps
            assert sum(first <= call < first + SETTLED for call in calls) <= FLAPPING, slug
    for _ in range(int(SETTLED / MINUTE) + 1):
        history.minute(calm=True)
    assert set(history.last.values()) <= ENDS
    assert not history.open_calls
    for _ in range(int(RECALL / MINUTE)):
        history.minute(calm=True)
    assert history.memory == {}


def test_the_histories_are_worth_looking_at() -> None:
    """They call, wait for deployments, flap, get worse, last and end."""
    kinds, calls = set(), 0
    for seed in range(HISTORIES):
        history = History(random.Random(seed))  # noqa: S311 - a history, not a secret
        for _ in range(MINUTES):
            history.minute()
            kinds |= set(history.last.values())
        calls += sum(map(len, history.calls.values()))
    assert kinds == {"open", "flapping", "worse", "lasting", "close", "handled"}
    assert calls > HISTORIES
