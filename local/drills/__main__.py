"""The drills: production runs on the local cloud, something is broken on purpose, and what happens is shown as a timeline.

`bad-release`: a release goes bad minutes after its rollout finished; the function `rollback` has to bring the service back.
`database-failure`: the database stops right after a good release; the same alarms fire, nothing may be rolled back, and one
person is called once.
`maintenance`: the database is taken down on purpose; nobody may be called until maintenance ends.
"""

import argparse
import sys
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from local.cloud import Cloud, CloudError
from local.drills.production import MINUTE, QUIET_MINUTES, Heard, Production
from local.emulator.alarms import Transition
from stacks.config import load
from stacks.remediation import CALM_MINUTES

CHANGES = {"ecs:UpdateService", "ecs:StopServiceDeployment"}
CALLING = ("p1", "p2")
"""The topics that PagerDuty is subscribed to."""
DATABASE_PAGE = "ALARM: P1 production: The application has no database"


@dataclass
class Timeline:
    """What happened, printed as it happens: simulated time since the drill began, real time, and the event."""

    console: Console
    production: Production
    marks: dict[str, tuple[datetime, float]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.start = (self.production.cloud.now(), time.monotonic())

    def note(self, text: str, style: str = "", mark: str = "") -> None:
        """Print an event; `mark` remembers its time for the summary, the first time only."""
        now, real = self.production.cloud.now(), time.monotonic()
        if mark:
            self.marks.setdefault(mark, (now, real))
            self.production.marks.setdefault(mark, now)
        minutes, seconds = divmod(round((now - self.start[0]).total_seconds()), 60)
        self.console.print(
            f"[dim]T+{minutes:02d}:{seconds:02d}  {real - self.start[1]:6.1f} s[/]  {text}", style=style, highlight=False
        )

    def transitions(self, changed: Sequence[Transition]) -> None:
        for transition in changed:
            firing = transition.new == "ALARM"
            if firing or transition.old == "ALARM":
                text = f"{transition.alarm}: {transition.old} -> {transition.new}"
                self.note(text, style="red" if firing else "green", mark=transition.alarm if firing else "")

    def took(self, begin: str, end: str) -> tuple[str, str]:
        """Simulated and real time between two marks, readable."""
        if begin not in self.marks or end not in self.marks:
            return "never", "never"
        simulated = self.marks[end][0] - self.marks[begin][0]
        return f"{simulated.total_seconds() / 60:.1f} min", f"{self.marks[end][1] - self.marks[begin][1]:.1f} s"


class Drill:
    """A drill on a deployed production: `minutes(...)` lets time pass, the checks decide the exit status."""

    def __init__(self, production: Production, console: Console) -> None:
        self.production = production
        self.settings = production.settings
        self.timeline = Timeline(console, production)
        self.console = console
        self.checks: list[tuple[str, bool]] = []
        self.seen = len(production.outcomes())
        self.heard: list[Heard] = []
        self.calls_before = len(production.cloud.calls("rollback"))
        production.heard()

    def check(self, what: str, holds: bool) -> None:
        self.checks.append((what, holds))

    def minutes(self, limit: int, until_true: Callable[[], bool]) -> bool:
        """Let minutes pass until a condition holds; False when the limit came first."""
        for _ in range(limit):
            changed = self.production.minute()
            self.timeline.transitions(changed)
            self._tell_outcomes()
            self._tell_people()
            if until_true():
                return True
        return False

    def _tell_outcomes(self) -> None:
        outcomes = self.production.outcomes()
        for outcome in outcomes[self.seen :]:
            told = f"rollback: {outcome['outcome']}. {outcome['reason'] or outcome['message']}"
            self.timeline.note(told, style="bold yellow", mark=outcome["outcome"])
        self.seen = len(outcomes)

    def _tell_people(self) -> None:
        for heard in self.production.heard():
            mark = f"{heard.topic} {heard.subject.partition(':')[0]}" if heard.topic in CALLING else heard.topic
            self.timeline.note(f"told on {heard.topic}: {escape(heard.subject)}", style="magenta", mark=mark)
            self.heard.append(heard)

    @property
    def called(self) -> list[str]:
        """The pages for which somebody's phone rang, by subject."""
        return [heard.subject for heard in self.heard if heard.topic in CALLING and heard.subject.startswith("ALARM")]

    def show(self, heard: Heard, title: str) -> None:
        """Print what a person reads."""
        self.timeline.note(title)
        self.console.print("\n".join(f"    {line}" for line in heard.text.splitlines()), style="dim", highlight=False)

    @property
    def calls(self) -> list[tuple[str, bool]]:
        """The AWS calls of `rollback` since the drill began, in order, and whether IAM allowed them."""
        calls = self.production.cloud.calls("rollback")[self.calls_before :]
        return [(f"{call.service}:{call.action}", call.allowed) for call in calls]

    @property
    def denied(self) -> list[str]:
        """What IAM denied to the functions, in all drills so far."""
        functions = ("rollback", "notify", "health-check")
        return [call.action for name in functions for call in self.production.cloud.calls(name) if not call.allowed]

    def alarms_clear(self) -> bool:
        alarms = self.production.cloudwatch.describe_alarms(StateValue="ALARM", AlarmTypes=["MetricAlarm", "CompositeAlarm"])
        return not alarms["MetricAlarms"] and not alarms["CompositeAlarms"]

    def summarize(self, *measures: tuple[str, str, str]) -> bool:
        """Print the summary; gives whether every check held."""
        table = Table("measured", "simulated", "real", title="Summary", title_justify="left")
        for title, begin, end in measures:
            table.add_row(title, *self.timeline.took(begin, end))
        self.console.print(table)
        self.console.print("AWS calls of function rollback, under its own role:")
        for (call, allowed), times in Counter(self.calls).items():
            self.console.print(f"  {call}{f' x {times}' if times > 1 else ''}{'' if allowed else '  DENIED'}", highlight=False)
        for what, holds in self.checks:
            self.console.print(f"[{'green' if holds else 'bold red'}]{'ok  ' if holds else 'FAIL'}[/] {what}", highlight=False)
        return all(holds for _, holds in self.checks)


def bad_release(production: Production, console: Console) -> bool:
    """A release passes its rollout and goes bad four minutes later: the service has to come back by itself."""
    console.rule("Drill: a bad release", align="left")
    drill = Drill(production, console)
    timeline, settings = drill.timeline, production.settings
    good = production.task_definition
    timeline.note(f"healthy on {_short(good)}")

    bad = production.release("b4dc0de")
    timeline.note(f"the pipeline releases {_short(bad)}", style="cyan", mark="release")
    drill.minutes(10, lambda: production.settled)
    timeline.note(f"rollout of {_short(bad)} is complete, health checks pass", style="cyan")
    drill.minutes(4, lambda: False)

    production.cloud.fail_requests_of(f"{production.cloud.repository_uri}:b4dc0de")
    timeline.note("fault: the new release starts to answer 500", style="bold red", mark="fault")
    recovered = drill.minutes(20, lambda: production.settled and production.task_definition == good and production.healthy)
    if recovered:
        timeline.note(f"healthy again on {_short(good)}", style="bold green", mark="healthy")
    cleared = drill.minutes(15, drill.alarms_clear)
    if cleared:
        timeline.note("all alarms are clear", style="green", mark="clear")
    drill.minutes(CALM_MINUTES + 2, lambda: any(heard.topic == "p4" for heard in drill.heard))
    handled = [heard for heard in drill.heard if heard.topic == "p4"]
    for heard in handled[:1]:
        drill.show(heard, "what the team reads in the morning:")

    image = production.cloud.client("ssm").get_parameter(Name=settings.image_parameter)["Parameter"]["Value"]
    changes = [call for call, _ in drill.calls if call in CHANGES]
    drill.check(f"the service runs the known-good revision {_short(good)}", production.task_definition == good)
    drill.check("the API answers 200 to its health check and to requests", production.healthy)
    drill.check("the alarms fired and cleared again", settings.service_impaired_alarm in timeline.marks and cleared)
    drill.check("every alarm could be judged", not production.alarms.refused)
    drill.check("the function changed the service exactly once", changes == ["ecs:UpdateService"])
    drill.check("the next cdk deploy keeps the known-good image", image == production.image_of(good))
    drill.check("nobody was called for what the rollback mended", not drill.called)
    drill.check("the team is told that it was handled", len(handled) == 1 and "The service is going back" in handled[0].text)
    drill.check("IAM denied nothing", not drill.denied)
    return drill.summarize(
        ("fault -> alarm", "fault", settings.service_impaired_alarm),
        ("alarm -> rollback requested", settings.service_impaired_alarm, "rollback requested"),
        ("fault -> healthy", "fault", "healthy"),
        ("fault -> all alarms clear", "fault", "clear"),
    )


def database_failure(production: Production, console: Console) -> bool:
    """The database stops after a good release: the same alarms fire, the service is left alone, a person is told why."""
    console.rule("Drill: the database fails", align="left")
    drill = Drill(production, console)
    timeline, settings = drill.timeline, production.settings
    released = production.release("77ac0fe")
    timeline.note(f"the pipeline releases {_short(released)}", style="cyan")
    drill.minutes(10, lambda: production.settled)
    timeline.note(f"rollout of {_short(released)} is complete", style="cyan")

    production.stop_database()
    timeline.note("fault: the database stops", style="bold red", mark="fault")
    drill.minutes(10, lambda: settings.service_impaired_alarm in timeline.marks)
    drill.minutes(3, lambda: False)
    naming = [heard for heard in drill.heard if heard.topic == "escalations" and settings.database_instance in heard.text]
    for heard in [heard for heard in drill.heard if heard.topic == "p1"][:1]:
        drill.show(heard, "the page a person reads:")
    production.start_database()
    timeline.note("the database is back", style="cyan")
    cleared = drill.minutes(15, lambda: drill.alarms_clear() and production.healthy)
    if cleared:
        timeline.note("healthy, all alarms are clear", style="bold green", mark="healthy")
    drill.minutes(CALM_MINUTES + 2, lambda: "p1 OK" in timeline.marks)

    fired = {settings.alarm(slug, "critical") for slug in ("alb-5xx-rate", "unhealthy-hosts", "api-availability")} | {
        settings.service_impaired_alarm
    }
    drill.check("the same alarms fired", fired <= set(timeline.marks))
    drill.check("nothing was rolled back", not [call for call, _ in drill.calls if call in CHANGES])
    drill.check(f"the service still runs {_short(released)}", production.task_definition == released)
    drill.check(f"the escalation names {settings.database_instance}", bool(naming))
    drill.check("one outage is one call, however many alarms fired", drill.called == [DATABASE_PAGE])
    drill.check("its end was told", "p1 OK" in timeline.marks)
    drill.check("the alarms cleared when the database came back", cleared)
    drill.check("IAM denied nothing", not drill.denied)
    return drill.summarize(
        ("fault -> alarm", "fault", settings.service_impaired_alarm),
        ("alarm -> escalation", settings.service_impaired_alarm, "escalated"),
        ("fault -> page", "fault", "p1 ALARM"),
        ("fault -> all alarms clear", "fault", "healthy"),
    )


def maintenance(production: Production, console: Console) -> bool:
    """The database is taken down in maintenance: nobody is called, nothing is rolled back. Ended early, it is an outage."""
    console.rule("Drill: maintenance", align="left")
    drill = Drill(production, console)
    timeline, settings = drill.timeline, production.settings
    drill.minutes(1, lambda: True)
    production.maintenance("ALARM", "the database is upgraded")
    timeline.note("maintenance begins", style="cyan", mark="begun")
    production.stop_database()
    timeline.note("the database is taken down", style="bold red", mark="fault")
    drill.minutes(10, lambda: False)
    quiet, fired = not drill.heard and not drill.calls, settings.service_impaired_alarm in timeline.marks
    production.maintenance("OK", "the upgrade was called off")
    timeline.note("maintenance is ended, and the database is still down", style="cyan", mark="ended")
    drill.minutes(5, lambda: "p1 ALARM" in timeline.marks and "escalated" in timeline.marks)
    production.start_database()
    timeline.note("the database is back", style="cyan")
    cleared = drill.minutes(15, lambda: drill.alarms_clear() and production.healthy)
    drill.minutes(CALM_MINUTES + 2, lambda: "p1 OK" in timeline.marks)

    drill.check("the alarms were judged in maintenance as ever", fired)
    drill.check("in maintenance nobody was told and rollback was not called", quiet)
    drill.check("what outlasted maintenance called somebody once", drill.called == [DATABASE_PAGE])
    drill.check("rollback was called when maintenance ended, and left the service alone", "escalated" in timeline.marks)
    drill.check("the alarms cleared when the database came back", cleared)
    drill.check("IAM denied nothing", not drill.denied)
    return drill.summarize(("fault -> alarm", "fault", settings.service_impaired_alarm), ("end -> page", "ended", "p1 ALARM"))


def _short(arn: str) -> str:
    return arn.rpartition("/")[2]


DRILLS = {"bad-release": bad_release, "database-failure": database_failure, "maintenance": maintenance}


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="python -m local.drills", description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument(
        "drill", nargs="*", default=list(DRILLS), help=f"which drills to run, all by default: {', '.join(DRILLS)}"
    )
    parser.add_argument(
        "--record", type=Path, metavar="FOLDER", help="write each drill's metrics to FOLDER/<drill>.csv, for `make replay`"
    )
    options = parser.parse_args()
    wanted = options.drill
    if unknown := set(wanted) - set(DRILLS):
        parser.error(f"{', '.join(sorted(unknown))} is no drill: choose from {', '.join(DRILLS)}")
    console = Console(soft_wrap=True)

    def progress(text: str) -> None:
        console.print(text, style="dim", highlight=False)

    try:
        with Cloud.start(load("production"), report=progress) as cloud:
            cloud.deploy()
            if options.record:  # a minute takes a moment longer: begun at the end of one, a recording would jump over another
                cloud.advance(timedelta(seconds=60 - cloud.now().second))
            production = Production(cloud)
            results = []
            for name in wanted:
                begun = cloud.now()
                production.marks.clear()
                results.append(DRILLS[name](production, console))
                if options.record:
                    options.record.mkdir(parents=True, exist_ok=True)
                    production.record(options.record / f"{name}.csv", begun - QUIET_MINUTES * MINUTE)
                    fault = f"{production.marks['fault']:%Y-%m-%dT%H:%M:%SZ}"
                    console.print(f"make replay TRACE={options.record / name}.csv START={fault}", highlight=False)
    except CloudError as error:
        console.print(str(error), style="bold red")
        return 1
    return 0 if all(results) else 1


if __name__ == "__main__":
    sys.exit(main())
