"""What every drill is made of: a timeline of what happens, checks that decide whether it passed, and what it measured."""

import time
from collections import Counter
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from lambdas.common.record.events import Decided, Diagnosed
from lambdas.common.record.incident import Incident
from lambdas.common.record.words import figures
from local.cloud import Cloud
from local.cloudwatch.loop import Transition
from local.drills.inbox import Message
from local.drills.operator import records
from local.drills.simulation import MINUTE, Simulation
from runbook.pages import PAGES

CHANGES = {"ecs:UpdateService", "ecs:StopServiceDeployment"}
"""The calls that change the service."""
BEGIN = "begin"
"""The mark of a drill's begin."""
FAULT = "fault"
"""The mark of the moment at which something breaks."""


class Timeline:
    """What happens, printed as it happens: simulated time since the begin, real time, and the event.

    `marks` remembers when a marked event happened first, in simulated and in real time.
    """

    def __init__(self, cloud: Cloud, console: Console) -> None:
        self._cloud = cloud
        self._console = console
        self.marks: dict[str, tuple[datetime, float]] = {BEGIN: (cloud.now(), time.monotonic())}

    def note(self, text: str, style: str = "", mark: str = "") -> None:
        """Print an event, and remember its time when it has a mark."""
        now, real = self._cloud.now(), time.monotonic()
        if mark:
            self.marks.setdefault(mark, (now, real))
        begin, real_begin = self.marks[BEGIN]
        minutes, seconds = divmod(round((now - begin).total_seconds()), 60)
        self._console.print(
            f"[dim]T+{minutes:02d}:{seconds:02d}  {real - real_begin:6.1f} s[/]  {text}", style=style, highlight=False
        )

    def took(self, first: str, then: str) -> tuple[str, str]:
        """Simulated and real time between two marks, readable."""
        if first not in self.marks or then not in self.marks:
            return "never", "never"
        (begin, real_begin), (end, real_end) = self.marks[first], self.marks[then]
        return f"{(end - begin).total_seconds() / 60:.1f} min", f"{real_end - real_begin:.1f} s"

    def within(self, first: str, then: str, limit: timedelta) -> bool:
        """Whether the simulated time between two marks, in the whole minutes that a drill passes, keeps to a limit."""
        if first not in self.marks or then not in self.marks:
            return False
        return round((self.marks[then][0] - self.marks[first][0]) / MINUTE) * MINUTE <= limit


class Drill:
    """A drill under way: time passes by `minutes`, and `check` and `measure` say what counts in the end."""

    def __init__(self, simulation: Simulation, console: Console) -> None:
        self.simulation = simulation
        self.environment = simulation.environment
        self.timeline = Timeline(simulation.cloud, console)
        self.messages: list[Message] = []
        self._console = console
        self._checks: list[tuple[str, bool]] = []
        self._measures: list[tuple[str, str, str]] = []
        self._outcomes_seen = len(simulation.outcomes())
        self._began = simulation.cloud.now()
        simulation.inbox.new()

    # What a drill does

    def note(self, text: str, style: str = "", mark: str = "") -> None:
        """Print an event, and remember its time when it has a mark."""
        self.timeline.note(text, style, mark)

    def fault(self, text: str) -> None:
        """Print what breaks."""
        self.timeline.note(f"fault: {text}", style="bold red", mark=FAULT)

    def show(self, message: Message, title: str) -> None:
        """Print what a person reads."""
        self.timeline.note(title)
        self._console.print("\n".join(f"    {line}" for line in message.text.splitlines()), style="dim", highlight=False)

    def minutes(self, limit: int, until: Callable[[], bool] = lambda: False, every: int = 1) -> bool:
        """Let minutes pass until a condition holds; False when the limit came first. The condition is looked at, and the alarms
        are judged, after `every` so many."""
        for _ in range(0, limit, every):
            self._show_alarms(self.simulation.minute(every - 1))
            self._show_outcomes()
            self._show_messages()
            if until():
                return True
        return False

    def check(self, what: str, holds: bool) -> None:
        """Something that has to hold, or the drill fails."""
        self._checks.append((what, holds))

    def measure(self, title: str, first: str, then: str) -> None:
        """A time between two marks for the summary."""
        self._measures.append((title, first, then))

    # What it sees

    def happened(self, mark: str) -> bool:
        """Whether an event had this mark: an alarm's or an outcome's name, a message's topic, or `p1 ALARM` and `p1 OK`."""
        return mark in self.timeline.marks

    def messages_on(self, topic: str) -> Sequence[Message]:
        return [message for message in self.messages if message.topic == topic]

    @property
    def pages(self) -> Sequence[str]:
        """The subjects of the messages that called somebody."""
        return [message.subject for message in self.messages if message.calls]

    def subject_of(self, slug: str) -> str:
        """The subject with which a page begins."""
        (page,) = (page for page in PAGES if page.slug == slug)
        return f"ALARM: {page.severity} {self.environment.name}: {page.title}"

    @property
    def calls(self) -> Sequence[tuple[str, bool]]:
        """The AWS calls of `rollback` since the drill began, in order, and whether IAM allowed them."""
        calls = (call for call in self.simulation.cloud.calls("rollback") if call.time >= self._began)
        return [(f"{call.service}:{call.action}", call.allowed) for call in calls]

    @property
    def changes(self) -> Sequence[str]:
        """The calls of `rollback` that changed the service."""
        return [call for call, _ in self.calls if call in CHANGES]

    @property
    def incident(self) -> Incident:
        """What happened in the drill, as the record of the newest incident has it: one of the drill before may go on."""
        recorded = records(self.simulation.cloud)
        names = [entry.name for entry in recorded.entries(1)]
        events = (event for name in names for event in recorded.read(name).events if event.at >= self._began)
        return Incident.of("".join(names), events)

    @property
    def decisions(self) -> Sequence[str]:
        """What automation decided, as the incident's record has it."""
        return [event.verb for event in self.incident.events if isinstance(event, Decided)]

    @property
    def findings(self) -> Sequence[str]:
        """The most likely causes by the diagnoses of the incident, each once, the first first."""
        found = [event.top.hypothesis for event in self.incident.events if isinstance(event, Diagnosed)]
        return list(dict.fromkeys(found))

    @property
    def denied(self) -> Sequence[str]:
        """What IAM denied to the functions, in all drills so far."""
        functions = ("rollback", "releases", "notify", "diagnose", "health-check", "procedures")
        return [call.action for name in functions for call in self.simulation.cloud.calls(name) if not call.allowed]

    def _show_alarms(self, changed: Sequence[Transition]) -> None:
        for transition in changed:
            fires = transition.new == "ALARM"
            if fires or transition.old == "ALARM":
                text = f"{transition.alarm}: {transition.old} -> {transition.new}"
                self.timeline.note(text, style="red" if fires else "green", mark=transition.alarm if fires else "")

    def _show_outcomes(self) -> None:
        outcomes: Sequence[dict[str, Any]] = self.simulation.outcomes()[self._outcomes_seen :]
        self._outcomes_seen += len(outcomes)
        for outcome in outcomes:
            text = f"rollback: {outcome['outcome']}. {outcome['reason'] or outcome['message']}"
            self.timeline.note(text, style="bold yellow", mark=outcome["outcome"])

    def _show_messages(self) -> None:
        for message in self.simulation.inbox.new():
            mark = f"{message.topic} {message.subject.partition(':')[0]}" if message.rings else message.topic
            self.timeline.note(f"message on {message.topic}: {escape(message.subject)}", style="magenta", mark=mark)
            self.messages.append(message)

    # The end

    @property
    def passed(self) -> bool:
        """Whether every check held."""
        return all(holds for _, holds in self._checks)

    def summarize(self) -> None:
        """Print what was measured, what `rollback` called, and the checks."""
        table = Table("measured", "simulated", "real", title="Summary", title_justify="left")
        for title, first, then in self._measures:
            table.add_row(title, *self.timeline.took(first, then))
        self._console.print(table)
        if (incident := self.incident).events:
            self._console.print(f"The record of incident {incident.name}:\n{figures(incident.times)}", highlight=False)
        for found in (event for event in incident.events if isinstance(event, Diagnosed)):
            self._console.print(f"{found.at:%H:%M:%S} UTC, in {found.seconds:.1f} s: {found.words}", highlight=False)
        self._console.print("AWS calls of function rollback, under its own role:")
        for (call, allowed), times in Counter(self.calls).items():
            line = f"  {call}{f' x {times}' if times > 1 else ''}{'' if allowed else '  DENIED'}"
            self._console.print(line, highlight=False)
        for what, holds in self._checks:
            self._console.print(f"[{'green' if holds else 'bold red'}]{'ok  ' if holds else 'FAIL'}[/] {what}", highlight=False)


def revision(task_definition: str) -> str:
    """Family and revision of a task definition's ARN."""
    return task_definition.rpartition("/")[2]
