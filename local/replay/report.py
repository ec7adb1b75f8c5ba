"""A replay as a table, as JSON and as a plot."""

from collections import defaultdict
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from rich.table import Table

from local.cloudwatch.loop import MINUTE
from local.replay.definitions import row_and_level
from local.replay.plot import Panel, plot
from local.replay.replay import Replay, Result
from runbook.rows import Level


def summary(replayed: Replay, incident: datetime | None) -> Table:
    """The alarms as a table, those that never fired dimmed."""
    title = f"{replayed.environment.name}, {minute(replayed.begin)} to {minute(replayed.end)} UTC"
    table = Table(title=title, title_justify="left")
    table.add_column("alarm", no_wrap=True)
    table.add_column("changes", justify="right")
    table.add_column("in ALARM", justify="right")
    table.add_column("first in ALARM")
    table.add_column("at the end")
    if incident:
        table.add_column("after the incident", justify="right")
    for result in replayed.results:
        table.add_row(
            result.name.removeprefix(f"{replayed.environment.prefix}-"),
            str(len(result.transitions)),
            duration(result.in_alarm) if result.firing else "",
            minute(result.firing[0][0]) if result.firing else "",
            result.transitions[-1].new if result.transitions else "INSUFFICIENT_DATA",
            *([_detection(result, incident)] if incident else []),
            style="" if result.firing else "dim",
        )
    return table


def _detection(result: Result, incident: datetime) -> str:
    """How long after the incident the alarm was in ALARM."""
    detected = result.detected(incident)
    if not detected:
        return ""
    return "already" if detected == incident else duration(detected - incident)


def as_json(replayed: Replay, incident: datetime | None) -> dict[str, Any]:
    """The whole replay: times in ISO 8601, durations in seconds."""

    def detection(result: Result) -> dict[str, Any] | None:
        detected = incident and result.detected(incident)
        return {"at": detected.isoformat(), "seconds": (detected - incident).total_seconds()} if incident and detected else None

    return {
        "environment": replayed.environment.name,
        "begin": replayed.begin.isoformat(),
        "end": replayed.end.isoformat(),
        "incident": incident and incident.isoformat(),
        "alarms": [
            {
                "name": result.name,
                "description": result.alarm.get("AlarmDescription", ""),
                "transitions": [
                    {"at": change.at.isoformat(), "from": change.old, "to": change.new, "reason": change.reason}
                    for change in result.transitions
                ],
                "seconds_in_alarm": result.in_alarm.total_seconds(),
                "first_detection": detection(result),
            }
            for result in replayed.results
        ],
        "left_out": replayed.left_out,
    }


def draw(replayed: Replay, file: Path, incident: datetime | None) -> None:
    """Plot what the alarms watched to an .svg or .png file."""
    rows = {row.slug: row for row in replayed.environment.table}
    rows_results: defaultdict[str, dict[Level, Result]] = defaultdict(dict)
    for result in replayed.results:
        if result.name in replayed.watching:
            name, level = row_and_level(result.alarm, replayed.environment)
            rows_results[name][level] = result
    panels = []
    for name, levels in rows_results.items():
        row = rows.get(name)
        panels.append(
            Panel(
                f"{row.title}, {row.unit}" if row else name,
                replayed.watching[next(iter(levels.values())).name],
                {level: float(result.alarm["Threshold"]) for level, result in levels.items()},
                {level: result.firing for level, result in levels.items()},
                *((row.normal, row.worse) if row else ()),
            )
        )
    composites = {result.name: result.firing for result in replayed.results if "AlarmRule" in result.alarm}
    plot(file, f"Replay, {replayed.environment.name}", (replayed.begin, replayed.end), panels, composites, incident)


def minute(time: datetime) -> str:
    """A time to the minute."""
    return f"{time:%Y-%m-%d %H:%M}"


def duration(time: timedelta) -> str:
    """Hours and minutes."""
    hours, minutes = divmod(time / MINUTE, 60)
    return f"{hours:.0f} h {minutes:.0f} min" if hours else f"{round(minutes, 1):g} min"
