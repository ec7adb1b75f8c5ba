"""A diagnosis in words: for those who were called, and for the chat. Pure."""

from collections.abc import Iterator

from lambdas.common import chat
from lambdas.common.record.events import Diagnosed, Finding
from lambdas.common.words import one_line, shown
from lambdas.common.words import subject as as_subject
from lambdas.diagnose.facts import Facts
from runbook.sections import Section

_PART = 2000
_SENTENCE = 400
_SECTIONS = {section.value: section for section in Section}


def known(facts: Facts) -> Iterator[tuple[str, str]]:
    """What was read, by its title: the signals before and now, the tasks, what is behind them, and the errors."""
    for row in facts.rows or ():
        yield f"Past its {row.level} line", row.measured
    for name, one in facts.signals.items():
        if one.now is not None and not name.endswith(facts.zones):
            yield one.title, one.words
    if service := facts.service:
        yield "Tasks", f"{service.running} of {service.desired} run, {service.pending} are starting"
        yield from (
            ("Stopped", one_line(f"{one.at:%H:%M:%S} UTC {one.revision}: {one.reason}", _SENTENCE))
            for one in service.stopped[:3]
        )
        yield from (("ECS says", words) for words in service.events[:2])
    for deployment in (facts.deployments or ())[:2]:
        yield "Deployment", f"{deployment.id} of {deployment.commit}: {deployment.status} {deployment.reason}".strip()
    for behind in filter(None, (facts.database, facts.cache)):
        yield behind.name.capitalize(), behind.status
        yield from (("AWS says", words) for words in behind.events[:2])
        yield from (("Slow statement", words) for words in behind.details)
    if facts.targets is not None:
        states = [one.state for one in facts.targets]
        yield "Targets", ", ".join(f"{states.count(one)} {one}" for one in sorted(set(states))) or "none"
    for group in (facts.errors or ())[:3]:
        request = f" (request {group.request})" if group.request else ""
        yield "Errors", f"{group.now} in the last minutes, {group.before} before: {group.example}{request}"


def subject(severity: str, environment: str, incident: str, found: Diagnosed) -> str:
    """It begins as the page's, or PagerDuty would discard it."""
    return as_subject(f"ALARM: {severity} {environment}: {headline(incident, found)}")


def headline(incident: str, found: Diagnosed) -> str:
    """One line."""
    return f"Diagnosis of {incident}: {found.top.title}"


def text(incident: str, found: Diagnosed, runbook_url: str) -> str:
    """The whole message: what speaks for the first hypothesis and against it, what to do, and what else was read."""
    parts = [f"{title}\n" + "\n".join(f"  {line}" for line in words) for title, words in _parts(found, runbook_url)]
    return "\n\n".join([headline(incident, found), *parts])


def for_chat(incident: str, found: Diagnosed, runbook_url: str) -> str:
    """In the incident's thread."""
    words = chat.whole(f"*{title}*: {shown('; '.join(part), chat.MOST // 4)}\n" for title, part in _parts(found, runbook_url))
    return chat.message(headline(incident, found), words, incident, incident)


def _parts(found: Diagnosed, runbook_url: str) -> list[tuple[str, list[str]]]:
    top, second = found.top, next((one for one in found.findings[1:] if one.for_it), None)
    parts = [
        ("Most likely", [top.title]),
        ("For it", _sentences(top, against=False)),
        ("Against it", _sentences(top, against=True)),
        ("Runbook", [_SECTIONS[top.section].link(runbook_url)]),
        ("First command", [top.command]),
        ("Changed last", [one_line(one, _SENTENCE) for one in found.changed[:3]] or ["Nothing that was read"]),
        ("If not that", [f"{second.title}: {' '.join(_sentences(second, against=False))}"] if second else []),
        ("Could not be read", list(found.missing)),
        ("Read", [f"{title}: {words}" for title, words in found.facts]),
    ]
    return [(title, [shown(line, _PART) for line in lines]) for title, lines in parts if lines]


def _sentences(finding: Finding, *, against: bool) -> list[str]:
    return [one_line(one.words, _SENTENCE) for one in (finding.against if against else finding.for_it)]
