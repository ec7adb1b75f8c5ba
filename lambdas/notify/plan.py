"""Who is notified of what now: from the alarms, what was sent before, and the time. Pure: no AWS client, no clock.

The rules of quiet:
- a page that another may explain is held back for a moment: the other may come a minute later and replace it;
- while a deployment is under way, a page that it may have caused waits for the deployment's own rollback, but not for ever;
- an alarm that fires again soon after it ended is the same notification;
- while a page is open, warnings are not sent;
- in maintenance nothing is sent. What still fires when maintenance ends is sent then.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Literal

from lambdas.notify.alarms import Alarm
from runbook.rules import CALM, DEPLOYMENT_WAIT, HOLD
from runbook.severities import CALLED, Severity

Kind = Literal["open", "close", "handled"]


@dataclass(frozen=True)
class Memory:
    """What is known of an alarm that fired: since when, how often, when people were told, and since when it is calm.

    `waited` says that a deployment held it back; `incident` is the id of the record of what rollback did about it. `again_at`
    is set while nobody knows whether the notification was sent: it is tried again then.
    """

    since: datetime
    times: int = 1
    told_at: datetime | None = None
    calm_since: datetime | None = None
    waited: bool = False
    incident: str = ""
    again_at: datetime | None = None


@dataclass(frozen=True)
class Notification:
    """`open`: an alarm fires. `close`: it has been calm. `handled`: it ended while a deployment's rollback could repair it, and
    nobody was called."""

    kind: Kind
    alarm: Alarm
    memory: Memory

    @property
    def severity(self) -> Severity:
        """The alarm's; P4 for what was handled automatically."""
        return "P4" if self.kind == "handled" else self.alarm.description.severity


def plan(
    alarms: Iterable[Alarm], memory: Mapping[str, Memory], now: datetime, *, deploying: bool, maintenance: bool
) -> tuple[list[Notification], dict[str, Memory]]:
    """What to send, the most severe first, and what to remember once it is sent."""
    if maintenance:
        return [], dict(memory)
    watched = [alarm for alarm in alarms if alarm.notifies]
    worst = min((alarm.description.severity for alarm in watched if alarm.firing), default="P4")
    paging = worst in CALLED
    news: list[Notification] = []
    kept: dict[str, Memory] = {}
    for alarm in watched:
        was = memory.get(alarm.name)
        if alarm.firing:
            found = _fires(was, alarm)
            held, waits = _held(alarm, found, now, deploying=deploying, paging=paging)
            found = replace(found, waited=found.waited or waits)
            if found.told_at is None and not held:
                found = replace(found, told_at=now)
                news.append(Notification("open", alarm, found))
            kept[alarm.name] = found
        elif was:
            calm_since = was.calm_since or alarm.since
            # Handled is only what ended by itself, not what another page replaces.
            calm = replace(was, calm_since=calm_since, waited=was.waited and not paging)
            covered = paging and worst < alarm.description.severity
            if now - calm_since < CALM or (was.told_at and covered):
                kept[alarm.name] = calm  # it may come back, or something worse hides it
            elif was.told_at or was.waited:
                news.append(Notification("close" if was.told_at else "handled", alarm, calm))
    return sorted(news, key=lambda one: one.alarm.description.severity), kept


def _fires(was: Memory | None, alarm: Alarm) -> Memory:
    if was is None:
        return Memory(alarm.since)
    return replace(was, calm_since=None, times=was.times + 1) if was.calm_since else was


def _held(alarm: Alarm, found: Memory, now: datetime, *, deploying: bool, paging: bool) -> tuple[bool, bool]:
    """Whether nothing is sent yet, and whether that is because of a deployment."""
    if alarm.description.severity not in CALLED:
        return paging, False
    if alarm.page is None:  # something of our own failed: nothing explains that
        return False, False
    lasted = now - found.since
    waits = alarm.page.waits and deploying and lasted < DEPLOYMENT_WAIT
    return waits or (bool(alarm.page.unless) and lasted < HOLD), waits
