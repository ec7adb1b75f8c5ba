"""What people read: the message of a notification, for mail and PagerDuty, and for the chat."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from lambdas.common import pagerduty, runbook
from lambdas.common.incidents import Outcome
from lambdas.common.settings import NotifySettings, PageFacts
from lambdas.notify.alarms import Alarm
from lambdas.notify.plan import Notification

# The status page's templates, as section 2 of the runbook has them.
INVESTIGATING = """We are currently investigating issues with [SERVICE].
Some users may experience [SYMPTOMS].
We will provide updates as we learn more."""
IDENTIFIED = """We have identified the issue affecting [SERVICE].
The issue is related to [BRIEF DESCRIPTION].
Our team is working on a fix."""
RESOLVED = """The issue affecting [SERVICE] has been resolved.
[BRIEF DESCRIPTION OF FIX]
We apologize for any inconvenience."""

_SUBJECT = 100  # SNS takes no longer ones


@dataclass(frozen=True)
class Situation:
    """What else is known: the alarms that fire behind this one, and what rollback did about it, if it did."""

    now: datetime
    behind: Sequence[Alarm]
    outcome: Outcome | None
    unread: str = ""
    """Why it is not known what rollback did."""


def subject(told: Notification, settings: NotifySettings) -> str:
    """PagerDuty's CloudWatch integration opens and resolves by the word before the colon."""
    state = "ALARM" if told.kind == "open" else "OK"
    return f"{state}: {_headline(told, settings)}".encode("ascii", "replace").decode()[:_SUBJECT]


def text(told: Notification, seen: Situation, settings: NotifySettings) -> str:
    """The whole message, for somebody who was just woken up."""
    return "\n\n".join(
        [_headline(told, settings)]
        + [
            f"{title}\n" + "\n".join(f"  {line}" for line in words.splitlines())
            for title, words in _parts(told, seen, settings)
        ]
    )


def for_pagerduty(told: Notification, words: str) -> str:
    """A page is one incident, by its alarm's name."""
    state: Literal["ALARM", "OK"] = "ALARM" if told.kind == "open" else "OK"
    return pagerduty.message(told.alarm.name, state, told.memory.since.isoformat(), told.alarm.title, words)


def for_chat(told: Notification, seen: Situation, settings: NotifySettings) -> str:
    """As Amazon Q Developer takes it, one thread an alarm:
    https://docs.aws.amazon.com/chatbot/latest/adminguide/custom-notifs.html"""
    words = "\n".join(f"*{title}*: {'; '.join(part.splitlines())}" for title, part in _parts(told, seen, settings))
    return json.dumps(
        {
            "version": "1.0",
            "source": "custom",
            "content": {"textType": "client-markdown", "title": _headline(told, settings), "description": words},
            "metadata": {"threadId": f"{told.alarm.name} {told.memory.since.isoformat()}", "summary": told.alarm.title},
        }
    )


def _headline(told: Notification, settings: NotifySettings) -> str:
    what = {
        "open": f"{told.alarm.title}",
        "close": f"Over: {told.alarm.title}",
        "handled": f"Handled without a call: {told.alarm.title}",
    }[told.kind]
    return f"{told.severity} {settings.environment}: {what}"


def _parts(told: Notification, seen: Situation, settings: NotifySettings) -> list[tuple[str, str]]:
    alarm, memory = told.alarm, told.memory
    page = settings.pages.get(alarm.name)
    again = f", {memory.times} times" if memory.times > 1 else ""
    begun = f"{memory.since:%Y-%m-%d %H:%M:%S} UTC"
    parts = {
        "Since": f"{begun} ({_minutes(memory.since, seen.now)}){again}",
        "Measured": "\n".join(f"{one.title}: {one.measured}" for one in (seen.behind or [alarm]) if one.measured),
        "Likely cause": _cause(told, seen, settings),
        "Automation": _automation(alarm, page, seen),
        "Runbook": runbook.section(alarm.section, settings.runbook_url),
        "Dashboard": settings.dashboard_url,
        "Who": _who(alarm, settings.escalation_path),
    }
    if told.kind != "open":
        assert memory.calm_since is not None
        parts["Since"] = f"{begun} until {memory.calm_since:%H:%M:%S} UTC ({_minutes(memory.since, memory.calm_since)}){again}"
        del parts["Measured"], parts["Who"]
    if page and told.kind != "handled" and alarm.severity in ("P1", "P2"):
        parts |= _status_page(told, page, seen)
    return [(title, words) for title, words in parts.items() if words]


def _cause(told: Notification, seen: Situation, settings: NotifySettings) -> str:
    if seen.outcome and seen.outcome.reason:
        return seen.outcome.reason
    dependencies = [f"{one.title}: {one.cause}" for one in seen.behind if one.name in settings.dependency_alarms]
    return "\n".join(dependencies) or told.alarm.cause


def _automation(alarm: Alarm, page: PageFacts | None, seen: Situation) -> str:
    if seen.unread:
        return f"What rollback did could not be read ({seen.unread})"
    if seen.outcome:
        return f"{seen.outcome.outcome}: {seen.outcome.done}"
    if page:
        return page.automation
    return "nothing is done about a warning" if alarm.severity == "P3" else "nothing"


def _who(alarm: Alarm, path: Sequence[str]) -> str:
    first, *others = (f"L{level} {role}" for level, role in enumerate(path, 1))
    if alarm.severity not in ("P1", "P2"):
        return f"{first}, {alarm.response}" if alarm.severity == "P4" else f"{first}, within {alarm.response}"
    return f"{first} now; when nobody has answered within {alarm.response}: " + ", then ".join(others)


def _status_page(told: Notification, page: PageFacts, seen: Situation) -> dict[str, str]:
    """The runbook's templates, ready to paste."""
    undone = seen.outcome is not None and seen.outcome.outcome in ("rollback requested", "waiting")
    words = {
        "[SERVICE]": page.service,
        "[SYMPTOMS]": page.symptoms,
        "[BRIEF DESCRIPTION]": "a recent update, which is being undone" if undone else page.component,
        "[BRIEF DESCRIPTION OF FIX]": "A recent update was undone."
        if undone
        else f"There was a problem with {page.component}.",
    }
    templates = {"resolved": RESOLVED} if told.kind == "close" else {"investigating": INVESTIGATING, "identified": IDENTIFIED}
    filled = {}
    for name, template in templates.items():
        for placeholder, word in words.items():
            template = template.replace(placeholder, word)  # noqa: PLW2901 - filled a word at a time
        filled[f"Status page, {name}"] = template
    return filled


def _minutes(begin: datetime, end: datetime) -> str:
    return f"{max((end - begin).total_seconds(), 0) / 60:.0f} min"
