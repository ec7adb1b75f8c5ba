"""Who is told what now: from the alarms, what was told before, and the time. Pure: no AWS client, no clock.

The rules of quiet:
- a page is held back for a moment, since what explains it may come a minute later and then stands in its place;
- while a deployment is under way, a page that it may have caused waits for the deployment's own rollback, but not for ever;
- an alarm that fires again soon after it ended is the same notification;
- while a page is open, warnings say nothing new;
- in maintenance nobody is told anything. What still fires when it ends is told then.
"""

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, replace
from datetime import datetime, timedelta
from typing import Any, Literal

from lambdas.notify.alarms import Alarm

Kind = Literal["open", "close", "handled"]
_PAGED = ("P1", "P2")


@dataclass(frozen=True)
class Memory:
    """What is known of an alarm that fired: since when, how often, when people were told, and since when it is calm.

    `waited` says that a deployment held it back; `incident` is the id of the record of what rollback did about it.
    """

    since: datetime
    times: int = 1
    told_at: datetime | None = None
    calm_since: datetime | None = None
    waited: bool = False
    incident: str = ""

    def as_json(self) -> dict[str, Any]:
        return {name: value.isoformat() if isinstance(value, datetime) else value for name, value in asdict(self).items()}

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> "Memory":
        moments = ("since", "told_at", "calm_since")
        return cls(**{**stored, **{name: datetime.fromisoformat(stored[name]) for name in moments if stored[name]}})


@dataclass(frozen=True)
class Rules:
    """How long to hold back, and which alarms are pages: True for those that a deployment may have caused."""

    hold: timedelta
    deployment: timedelta
    calm: timedelta
    pages: Mapping[str, bool]


@dataclass(frozen=True)
class Notification:
    """`open`: an alarm fires. `close`: it has been calm. `handled`: it ended while a deployment was to mend it, and nobody was
    called."""

    kind: Kind
    alarm: Alarm
    memory: Memory

    @property
    def severity(self) -> str:
        """Nobody has to do anything about what was handled."""
        return "P4" if self.kind == "handled" else self.alarm.severity


def plan(
    alarms: Iterable[Alarm], memory: Mapping[str, Memory], now: datetime, *, rules: Rules, deploying: bool, maintenance: bool
) -> tuple[list[Notification], dict[str, Memory]]:
    """What to tell, the most severe first, and what to remember once it is told."""
    if maintenance:
        return [], dict(memory)
    told = [alarm for alarm in alarms if alarm.told]
    paging = min((alarm.severity for alarm in told if alarm.firing and alarm.severity in _PAGED), default="")
    news: list[Notification] = []
    kept: dict[str, Memory] = {}
    for alarm in told:
        was = memory.get(alarm.name)
        if alarm.firing:
            found = _fires(was, alarm)
            held, waits = _held(alarm, found, now, rules, deploying=deploying, paging=bool(paging))
            found = replace(found, waited=found.waited or waits)
            if found.told_at is None and not held:
                found = replace(found, told_at=now)
                news.append(Notification("open", alarm, found))
            kept[alarm.name] = found
        elif was:
            # Handled is only what ended by itself, not what a page stands in the place of.
            calm = replace(was, calm_since=was.calm_since or alarm.since, waited=was.waited and not paging)
            assert calm.calm_since is not None
            if now - calm.calm_since < rules.calm or (was.told_at and paging and paging < alarm.severity):
                kept[alarm.name] = calm  # it may come back, or is only covered by what is worse
            elif was.told_at or was.waited:
                news.append(Notification("close" if was.told_at else "handled", alarm, calm))
    return sorted(news, key=lambda one: one.alarm.severity), kept


def _fires(was: Memory | None, alarm: Alarm) -> Memory:
    if was is None:
        return Memory(alarm.since)
    return replace(was, calm_since=None, times=was.times + 1) if was.calm_since else was


def _held(alarm: Alarm, found: Memory, now: datetime, rules: Rules, *, deploying: bool, paging: bool) -> tuple[bool, bool]:
    """Whether nobody is told yet, and whether that is for a deployment's sake."""
    if alarm.severity not in _PAGED:
        return paging, False
    if alarm.name not in rules.pages:  # something of our own failed: nothing explains that
        return False, False
    lasted = now - found.since
    waits = rules.pages[alarm.name] and deploying and lasted < rules.deployment
    return waits or lasted < rules.hold, waits
