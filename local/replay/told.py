"""What people would have been told of what the replayed alarms did: `notify`'s own plan, minute by minute."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from lambdas.common.alarms import Alarms
from lambdas.notify.messages import subject
from lambdas.notify.plan import Memory, plan
from lambdas.notify.settings import NotifySettings
from local.cloudwatch.alarms import Alarm
from local.cloudwatch.loop import MINUTE, Transition
from local.replay.replay import Replay
from runbook.severities import CALLED, Severity


@dataclass(frozen=True)
class Told:
    """A message: when, on which severity's topic, of which alarm, and its subject."""

    at: datetime
    severity: Severity
    alarm: str
    subject: str

    @property
    def calls(self) -> bool:
        """Whether it calls somebody: PagerDuty opens an incident by the subject's first word."""
        return self.severity in CALLED and self.subject.startswith("ALARM:")


def told(replayed: Replay, alarms: Iterable[Alarm], settings: NotifySettings) -> list[Told]:
    """The messages of a replay of these alarms, oldest first: as if monitoring were armed, with no maintenance, no mute rule
    and no deployment under way, of which a trace knows nothing."""
    seen = Alarms(settings)
    states = {alarm["AlarmName"]: {**alarm, "StateUpdatedTimestamp": replayed.begin} for alarm in alarms}
    now_seen = {name: seen.alarm(state) for name, state in states.items()}
    changes: defaultdict[datetime, list[Transition]] = defaultdict(list)
    for result in replayed.results:
        for change in result.transitions:
            changes[change.at].append(change)
    memory: dict[str, Memory] = {}
    messages = []
    for minute in range(1, (replayed.end - replayed.begin) // MINUTE + 1):
        now = replayed.begin + MINUTE * minute
        for change in changes[now]:
            states[change.alarm] |= {"StateValue": change.new, "StateUpdatedTimestamp": now, "StateReason": change.reason}
            now_seen[change.alarm] = seen.alarm(states[change.alarm])
        news, memory = plan(now_seen.values(), memory, now, deploying=False, maintenance=False)
        messages += [Told(now, one.severity, one.alarm.name, subject(one, settings)) for one in news]
    return messages


def first_call(messages: Sequence[Told], since: datetime | None = None) -> Told | None:
    """The first call, since a time."""
    return next((one for one in messages if one.calls and (since is None or one.at >= since)), None)
