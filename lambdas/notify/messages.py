"""What people read: the message of a notification, for mail and PagerDuty, and for the chat."""

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from lambdas.common import chat, links, pagerduty
from lambdas.common.alarms import Alarm
from lambdas.common.incidents import Outcome
from lambdas.common.record.events import Escalated, Notified
from lambdas.common.record.incident import Incident
from lambdas.common.record.pages import diagnosed
from lambdas.common.words import person, shown
from lambdas.common.words import subject as as_subject
from lambdas.notify.escalation import answer, calls_people
from lambdas.notify.plan import ENDS, Kind, Notification
from lambdas.notify.recording import calls
from lambdas.notify.settings import NotifySettings
from runbook import status_page
from runbook.alarms import DEPENDENCY_ALARMS
from runbook.pages import Page
from runbook.queries import QUERIES
from runbook.rules import LASTING, RECALL, SETTLED, SILENCE
from runbook.severities import CALLED, ESCALATION_PATH, RESPONSE_TIMES

_PART = 2000  # of what others wrote: some 20 parts, twice, in at most 4 bytes a character, stay below SNS's 256 KiB
(_ERRORS,) = (query.text for query in QUERIES if query.slug == "errors")
_OVER = (
    "Incident",
    "Since",
    "Acknowledged",
    "No data",
    "Likely cause",
    "Diagnosis",
    "Automation",
    "Last deployment",
    "Runbook",
    "Alarm",
    "Logs",
    "Dashboard",
)
"""What is said when it is over."""
_BEGINS: Mapping[Kind, str] = {
    "open": "",
    "flapping": "Comes and goes: ",
    "worse": "Worse: ",
    "lasting": f"For {LASTING / timedelta(minutes=1):g} min now: ",
    "escalated": "Escalated to ",
    "close": "Over: ",
    "handled": "Handled without a call: ",
}
_OTHERS = ("Measured", "Likely cause", "Diagnosis", "Automation", "Last deployment")
"""What others wrote: of that the chat gets the begin, and of links and commands all or nothing."""


@dataclass(frozen=True)
class Situation:
    """What else is known: the alarms that fire behind this one, and what rollback did about it, if it did.

    `unread` is why what rollback did could not be read; empty where it could. `deployment` is the last one, in words. `silent`
    are the alarms behind it that have lost their data. `incident` is what its record had before, where this is not its first
    message.
    """

    now: datetime
    behind: Sequence[Alarm]
    outcome: Outcome | None
    unread: str = ""
    deployment: str = ""
    silent: Sequence[Alarm] = ()
    incident: Incident | None = None


def subject(notification: Notification, settings: NotifySettings) -> str:
    """PagerDuty's CloudWatch integration opens and resolves by the word before the colon."""
    return as_subject(f"{_state(notification)}: {_headline(notification, settings)}")


def text(notification: Notification, situation: Situation, settings: NotifySettings) -> str:
    """The whole message, for somebody who was just woken up."""
    parts = [
        f"{title}\n" + "\n".join(f"  {line}" for line in words.splitlines())
        for title, words in _parts(notification, situation, settings)
    ]
    return "\n\n".join([_headline(notification, settings), *parts])


def for_pagerduty(notification: Notification, words: str) -> str:
    """A page is one incident, by its alarm's name."""
    alarm = notification.alarm
    since = notification.memory.since.isoformat()
    return pagerduty.message(alarm.name, _state(notification), since, alarm.description.title, words)


def for_chat(notification: Notification, situation: Situation, settings: NotifySettings) -> str:
    """One thread an incident; one an alarm of none."""
    alarm = notification.alarm
    parts = _parts(notification, situation, settings)
    words = chat.whole(  # the status page's texts come last
        f"*{title}*: {shown('; '.join(part.splitlines()), chat.MOST // 4 if title in _OTHERS else chat.MOST)}\n"
        for title, part in parts
    )
    memory = notification.memory
    thread = memory.named or f"{alarm.name} {memory.since.isoformat()}"
    return chat.message(_headline(notification, settings), words, thread, memory.named or alarm.description.title)


def _state(notification: Notification) -> Literal["ALARM", "OK"]:
    return "OK" if notification.kind in ENDS else "ALARM"


def _headline(notification: Notification, settings: NotifySettings) -> str:
    level, title = notification.escalation, notification.alarm.description.title
    begins = _BEGINS[notification.kind] + (f"L{level.level}, {level.role}: " if level else "")
    return f"{notification.severity} {settings.environment}: {begins}{title}"


def _parts(notification: Notification, situation: Situation, settings: NotifySettings) -> list[tuple[str, str]]:
    """Each part's title and words, those that have any."""
    alarm, memory, page = notification.alarm, notification.memory, notification.alarm.page
    again = f", {memory.times} times" if memory.times > 1 else ""
    since = f"{memory.since:%Y-%m-%d %H:%M:%S} UTC"
    end = memory.calm_since or situation.now
    console = settings.dashboard_url.partition("#")[0]
    parts = {
        "Incident": _incident(notification, settings),
        "Escalated": notification.escalation.why if notification.escalation else "",
        "Since": f"{since} ({_minutes(memory.since, situation.now)}){again}",
        "Acknowledged": _acknowledged(situation.incident),
        "Told before": _told_before(notification, situation.incident),
        "Quiet": _quiet(notification),
        "Measured": "\n".join(one.measured for one in (situation.behind or [alarm]) if one.measured),
        "No data": "\n".join(f"{one.name}: it may not be over" for one in situation.silent),
        "Likely cause": _cause(alarm, situation),
        "Diagnosis": _diagnosis(notification, situation),
        "Automation": _automation(alarm, situation),
        "Last deployment": situation.deployment,
        "First command": alarm.description.command.format_map(settings.model_dump()),
        "Procedure": _procedure(notification, settings),
        "Runbook": _sections(alarm, situation, settings),
        "Alarm": links.alarm(console, alarm.name),
        "Logs": _logs(alarm, console, memory.since, end, settings),
        "Dashboard": links.dashboard(settings.dashboard_url, memory.since, end),
        "Who": _who(notification, situation.incident),
        "Acknowledge": _acknowledge(notification, situation.incident, settings),
        f"Silence it for {_minutes(situation.now, situation.now + SILENCE)}": _silence(alarm),
    }
    if memory.calm_since:  # it is over
        lasted = _minutes(memory.since, memory.calm_since)
        parts["Since"] = f"{since} until {memory.calm_since:%H:%M:%S} UTC ({lasted}){again}"
        parts = {title: words for title, words in parts.items() if title in _OVER}
    if page and notification.kind != "handled" and alarm.description.severity in CALLED:
        parts |= _status_page(notification, page, situation, settings)
    return [(title, shown(words, _PART)) for title, words in parts.items() if words]


def _incident(notification: Notification, settings: NotifySettings) -> str:
    """Its name, and where what rollback did about it is; empty for what is of none."""
    memory = notification.memory
    if not memory.named and calls(notification.alarm):
        return "Without a name: its record could not be written"
    record = f"rollback's record: {memory.incident} in {settings.incidents_table}" if memory.incident else ""
    return "\n".join(filter(None, (memory.named, record)))


def _sections(alarm: Alarm, situation: Situation, settings: NotifySettings) -> str:
    """The sections of what fires behind a page; the page's own where nothing does any more."""
    sections = dict.fromkeys(one.description.section for one in situation.behind) or [alarm.description.section]
    return "\n".join(section.link(settings.runbook_url) for section in sections)


def _procedure(notification: Notification, settings: NotifySettings) -> str:
    """The command that starts the procedure that fits, which says first what it would do."""
    description, named = notification.alarm.description, notification.memory.named
    if not description.procedure:
        return ""
    reason = f"Incident {named}" if named else notification.alarm.name
    values = ",".join(f'{key}="{value}"' for key, value in (*description.inputs, ("Reason", reason)))
    document = f"{settings.alarm_prefix}{description.procedure}"
    return f"aws ssm start-automation-execution --document-name {document} --parameters '{values}'"


def _logs(alarm: Alarm, console: str, begin: datetime, end: datetime, settings: NotifySettings) -> str:
    """The backend's errors, or all that a function of ours said."""
    group, query = settings.backend_log_group, _ERRORS
    if alarm.description.function:
        group, query = f"/aws/lambda/{settings.alarm_prefix}{alarm.description.function}", links.EVERYTHING
    return links.logs(console, group, query, begin, end)


def _silence(alarm: Alarm) -> str:
    """A command that mutes the alarm's actions, and `notify` with them. It begins in a minute: a time that is over never comes.
    https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_PutAlarmMuteRule.html"""
    name = shlex.quote(alarm.name)
    schedule = f"Expression=at($(date -u -d '1 minute' +%Y-%m-%dT%H:%M)),Duration=PT{SILENCE / timedelta(minutes=1):g}M"
    return f'aws cloudwatch put-alarm-mute-rule --name {name} --mute-targets AlarmNames={name} --rule "Schedule={{{schedule}}}"'


def _cause(alarm: Alarm, situation: Situation) -> str:
    if situation.outcome and situation.outcome.reason:
        return situation.outcome.reason
    dependencies = [one.description for one in situation.behind if one.slug in DEPENDENCY_ALARMS]
    return "\n".join(f"{one.title}: {one.cause}" for one in dependencies) or alarm.description.cause


def _diagnosis(notification: Notification, situation: Situation) -> str:
    """What the newest diagnosis since the alarm fired says; empty before there is one. `diagnose` tells it afterwards then."""
    found = diagnosed(situation.incident) if situation.incident else None
    if found is None or found.at < notification.memory.since:
        return ""
    sentences = "\n".join(one.words for one in found.top.for_it)
    changed = f"Changed last: {found.changed[0]}" if found.changed else ""
    command = "" if notification.kind in ENDS else f"First command: {found.top.command}"
    return "\n".join(filter(None, (f"Most likely {found.top.title}", sentences, changed, command)))


def _automation(alarm: Alarm, situation: Situation) -> str:
    if situation.unread:
        return f"What rollback did could not be read ({situation.unread})"
    if situation.outcome:
        return f"{situation.outcome.outcome}: {situation.outcome.done}"
    return alarm.description.automation


def _quiet(notification: Notification) -> str:
    """Why people hear less of it than they might expect, and when they hear more; empty where they do not."""
    memory = notification.memory
    hours = f"{RECALL / timedelta(hours=1):g} hours"
    before = f"{memory.loud_at:%Y-%m-%d %H:%M} UTC" if memory.loud_at else ""
    lowered = f"It comes back within {hours} of {before}, when it was told as a {notification.alarm.description.severity}."
    flaps = f"You hear of it again when it gets worse, or has been clear for {SETTLED / timedelta(minutes=1):g} min."
    return "\n".join((lowered,) * notification.lowered + (flaps,) * memory.flapping)


def _acknowledged(incident: Incident | None) -> str:
    """Who has an incident; empty where it is not known."""
    if incident is None or incident.times.told is None:
        return ""
    found = answer(incident)
    if found is None:
        return "Nobody has acknowledged it"
    by, at = person(found.by), f"at {found.at:%H:%M} UTC"
    match found.kind:
        case "hand-over":
            return f"{found.value}, handed over by {by} {at}"
        case "resolution":
            return f"Resolved by {by} {at}"
        case _:
            return f"{by} {at}"


def _told_before(notification: Notification, incident: Incident | None) -> str:
    """Who was told when, of what nobody has answered."""
    if not (notification.escalation and incident):
        return ""
    told = [
        f"{event.at:%H:%M:%S} UTC L{event.level} {event.role}"
        if isinstance(event, Escalated)
        else f"{event.at:%H:%M:%S} UTC {_level(1)}: {event.subject.partition(': ')[2]}"
        for event in incident.events
        if isinstance(event, Escalated) or (isinstance(event, Notified) and calls_people(event))
    ]
    return "\n".join(told)


def _acknowledge(notification: Notification, incident: Incident | None, settings: NotifySettings) -> str:
    """The command by which whoever was called takes it up; empty where nobody is called, or somebody has."""
    named = notification.memory.named
    if notification.severity not in CALLED or not named or (incident and answer(incident)):
        return ""
    values = f'DryRun="false",Incident="{named}",Reason="I look at it"'
    document = f"{settings.alarm_prefix}incident-acknowledge"
    return f"aws ssm start-automation-execution --document-name {document} --parameters '{values}'"


def _level(level: int) -> str:
    return f"L{level} {ESCALATION_PATH[level - 1]}"


def _who(notification: Notification, incident: Incident | None) -> str:
    severity = notification.severity
    within = RESPONSE_TIMES[severity]
    begin = notification.escalation.level if notification.escalation else 1
    first, *others = (_level(level) for level in range(begin, len(ESCALATION_PATH) + 1))
    if severity in CALLED:
        if incident and answer(incident):
            return ""
        then = f"; when nobody has acknowledged it within {within}: {', then '.join(others)}" if others else ""
        return f"{first} now{then}"
    return f"{first}, {within}" if severity == "P4" else f"{first}, within {within}"


def _status_page(notification: Notification, page: Page, situation: Situation, settings: NotifySettings) -> dict[str, str]:
    """The runbook's templates, ready to paste."""
    outcome = situation.outcome
    words = status_page.words_of(page, settings.product, undone=outcome is not None and outcome.undoes)
    names = ("resolved",) if notification.kind == "close" else ("investigating", "identified")
    return {f"Status page, {name}": status_page.fill(status_page.TEMPLATES[name], words) for name in names}


def _minutes(begin: datetime, end: datetime) -> str:
    return f"{max((end - begin).total_seconds(), 0) / 60:.0f} min"
