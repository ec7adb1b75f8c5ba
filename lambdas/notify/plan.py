"""Who is notified of what now: from the alarms, what was sent before, and the time. Pure: no AWS client, no clock.

The rules of quiet:
- a page that another may explain is held back for a moment: the other may come a minute later and replace it;
- one that looks back says nothing of an outage that was told already, of maintenance, or from before
  monitoring was armed;
- while a deployment is under way, a page that it may have caused waits for the deployment's own rollback, but not for long, and
  not while a dependency is to blame;
- an alarm that fires again soon after it ended is the same notification;
- an alarm that keeps coming back is said to flap, once. Then it is quiet until it has settled, or is worse;
- what comes back within a day is told one severity lower each time, unless it is worse, or users are affected;
- while a page is open, warnings are not sent;
- in maintenance nothing is sent. What still fires when maintenance ends is sent then.
And one of noise: a warning that lasts is told once more, louder.
"""

from collections.abc import Iterable, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Literal

from lambdas.common.alarms import Alarm
from runbook.alarms import AFFECTING_ALARMS, DEPENDENCY_ALARMS, LASTING_SEVERITIES, behind_page
from runbook.rows import RECURRING
from runbook.rules import CALM, DEPLOYMENT_WAIT, FLAPPING, HOLD, LASTING, RECALL, SETTLED
from runbook.severities import CALLED, Severity

if TYPE_CHECKING:
    from lambdas.notify.escalation import Escalation

Kind = Literal["open", "flapping", "worse", "lasting", "escalated", "close", "handled"]
ENDS: frozenset[Kind] = frozenset({"close", "handled"})
"""What says that an alarm has ended; the others say that it fires."""

_LOWER: Mapping[Severity, Severity] = {"P2": "P3", "P3": "P4"}
"""How what comes back is told, by how it was told before."""


@dataclass(frozen=True)
class Memory:
    """What is known of an alarm that fired: since when, when people were told, and since when it is calm.

    `times` is how often it fired without having SETTLED between. `told_as` is the severity that people were told it with,
    `before` that of the notification before; `loud_at` is when they were last told with the alarm's own. `behind` are the
    critical alarms behind a page that people know of. `flapping` and `lasting` say that people were told so. `waited` says that
    a deployment held it back; `incident` is the id of what rollback recorded of it, `named` the name of the
    incident that it is of. `over`: people were told of its
    end, and it is only remembered for its return. `again_at`
    is set while nobody knows whether the notification was sent: it is tried again then. `escalated` is the id of the newest
    escalation of its incident that was told with it, `escalated_at` when.
    """

    since: datetime
    times: int = 1
    told_at: datetime | None = None
    told_as: Severity | None = None
    before: Severity | None = None
    loud_at: datetime | None = None
    calm_since: datetime | None = None
    behind: frozenset[str] = frozenset()
    flapping: bool = False
    lasting: bool = False
    waited: bool = False
    over: bool = False
    incident: str = ""
    named: str = ""
    again_at: datetime | None = None
    escalated: str = ""
    escalated_at: datetime | None = None


@dataclass(frozen=True)
class Notification:
    """`open`: an alarm fires. `flapping`: it keeps coming back. `worse`: another critical alarm joins a page that is quiet.
    `lasting`: it fires for long. `escalated`: it fires, and nobody has answered the call. `close`: it has been calm. `handled`:
    it ended while a deployment's rollback could repair it, and nobody was called.

    `untold` is what to remember if this is not sent; None of an alarm that has ended. `escalation` is the level that is told.
    """

    kind: Kind
    alarm: Alarm
    memory: Memory
    untold: Memory | None = None
    escalation: "Escalation | None" = None

    @property
    def lowered(self) -> bool:
        """Whether people are told with less than the alarm's severity, because it comes back."""
        return _lowered(self.alarm, self.memory)

    @property
    def severity(self) -> Severity:
        """What people are told it with; P4 for what was handled automatically."""
        if self.escalation:
            return self.escalation.severity
        return "P4" if self.kind == "handled" else self.memory.told_as or self.alarm.description.severity


def plan(
    alarms: Iterable[Alarm],
    memory: Mapping[str, Memory],
    now: datetime,
    *,
    deploying: bool,
    maintenance: bool,
    free_since: datetime | None = None,
) -> tuple[list[Notification], dict[str, Memory]]:
    """What to send, the most severe first, and what to remember once it is sent. `free_since`: since when neither
    maintenance nor not being armed holds everything back."""
    if maintenance:
        return [], dict(memory)
    alarms = list(alarms)
    watched = [alarm for alarm in alarms if alarm.notifies]
    firing = {alarm.slug for alarm in alarms if alarm.firing}
    deploying = deploying and not firing & DEPENDENCY_ALARMS.keys()
    worst = min((alarm.description.severity for alarm in watched if alarm.firing), default="P4")
    paging = worst in CALLED
    news: list[Notification] = []
    kept: dict[str, Memory] = {}
    for alarm in watched:
        was = memory.get(alarm.name)
        if alarm.firing:
            found = _fires(was, alarm)
            told = _told_lately(alarm, watched, memory, now, free_since)
            held, waits = _held(alarm, found, now, deploying=deploying, paging=paging, told=told)
            found = replace(found, waited=found.waited or waits)
            behind = firing & behind_page(alarm.page) if alarm.page else set()
            if not held and (new := _news(alarm, found, now, behind)):
                kind, severity = new
                after = _after(alarm, found, kind, severity, now)
                news.append(Notification(kind, alarm, after, found))
                found = after
            kept[alarm.name] = replace(found, behind=found.behind | behind) if found.told_at else found
        elif was and was.over:
            kept |= {alarm.name: was} if _matters(was, now) else {}
        elif was:
            calm_since = was.calm_since or alarm.since
            # Handled is only what ended by itself, not what another page replaces.
            calm = replace(was, calm_since=calm_since, waited=was.waited and not paging)
            covered = paging and worst < alarm.description.severity
            quiet = was.flapping or _lowered(alarm, was)
            if now - calm_since < (SETTLED if quiet else CALM) or (was.told_at and covered):
                kept[alarm.name] = calm  # it may come back, or something worse hides it
            elif was.told_at or was.waited:
                news.append(Notification("close" if was.told_at else "handled", alarm, calm))
                over = replace(calm, over=True)
                kept |= {alarm.name: over} if was.told_at and _matters(over, now) else {}
    return sorted(news, key=lambda one: one.severity), kept


def _fires(was: Memory | None, alarm: Alarm) -> Memory:
    """What is known of an alarm that fires: it began, it is back, or it still does."""
    if was is None:
        return Memory(alarm.since)
    if was.calm_since is None:
        return was
    times = was.times + 1 if alarm.since - was.calm_since < SETTLED else 1
    if was.over:
        return Memory(alarm.since, times, before=was.told_as, loud_at=was.loud_at, behind=was.behind)
    return replace(was, calm_since=None, times=times)


def _matters(over: Memory, now: datetime) -> bool:
    """Whether what has ended matters for what comes back."""
    since = (over.calm_since, SETTLED), (over.loud_at, RECALL)
    return any(moment and now - moment < span for moment, span in since)


def _told_lately(
    alarm: Alarm, watched: Iterable[Alarm], memory: Mapping[str, Memory], now: datetime, free_since: datetime | None
) -> bool:
    """Whether people were told of what a page looks back on, by a page that explains it; or everything was held back."""
    if not (alarm.page and alarm.page.recurring):
        return False
    since = now - timedelta(minutes=RECURRING.periods)
    if free_since and free_since > since:
        return True
    explaining = (memory.get(other.name) for other in watched if other.slug in alarm.page.unless)
    return any(one and one.told_at and (one.calm_since or now) > since for one in explaining)


def _held(alarm: Alarm, found: Memory, now: datetime, *, deploying: bool, paging: bool, told: bool) -> tuple[bool, bool]:
    """Whether nothing is sent yet, and whether that is because of a deployment. `told`: people know of it by another page."""
    if told and found.told_at is None:
        return True, False
    if alarm.description.severity not in CALLED:
        return paging, False
    if alarm.page is None:  # something of our own failed: nothing explains that
        return False, False
    lasted = now - found.since
    waits = alarm.page.waits and deploying and lasted < DEPLOYMENT_WAIT
    return waits or (bool(alarm.page.unless) and lasted < HOLD), waits


def _news(alarm: Alarm, found: Memory, now: datetime, behind: AbstractSet[str]) -> tuple[Kind, Severity] | None:
    """What is new about an alarm that fires, and the severity to tell it with; `behind` are the critical alarms behind it."""
    own = alarm.description.severity
    from_table = alarm.page is not None or alarm.slug in LASTING_SEVERITIES
    joined = not behind <= found.behind
    worse = joined or bool(behind & AFFECTING_ALARMS)
    returns = from_table and own != "P1" and found.loud_at is not None and now - found.loud_at < RECALL and not worse
    severity = max(own, _LOWER.get(found.before or own, "P4")) if returns else own
    if found.times >= FLAPPING and not found.flapping:
        return "flapping", min(severity, found.told_as or severity)
    if found.told_at is None:
        return "open", severity
    if joined and found.flapping:
        return "worse", own
    lasts = now - max(alarm.since, found.told_at) >= LASTING
    if _lowered(alarm, found) and not returns and (worse or lasts):
        return "worse" if worse else "lasting", own
    if not lasts or found.lasting or found.told_as in CALLED or not from_table:
        return None
    return "lasting", LASTING_SEVERITIES.get(alarm.slug, "P3")


def _after(alarm: Alarm, found: Memory, kind: Kind, severity: Severity, now: datetime) -> Memory:
    """What is known of an alarm once people are told."""
    louder = severity <= alarm.description.severity and (found.told_as is None or severity < found.told_as)
    return replace(
        found,
        told_at=found.told_at or now,
        told_as=severity,
        loud_at=now if louder else found.loud_at,
        flapping=found.flapping or kind == "flapping",
        lasting=found.lasting or kind == "lasting",
    )


def _lowered(alarm: Alarm, memory: Memory) -> bool:
    return memory.told_as is not None and memory.told_as > alarm.description.severity
