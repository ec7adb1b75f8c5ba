"""A replay as a table, as JSON and as a plot."""

from collections import Counter, defaultdict
from collections.abc import Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from rich.table import Table

from local.cloudwatch.loop import MINUTE
from local.replay.definitions import row_and_level
from local.replay.plot import Panel, plot
from local.replay.replay import Replay, Result
from local.replay.told import Told, first_call
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


def told_table(messages: Sequence[Told]) -> Table:
    """What people would have been told; calls are bold."""
    table = Table(title="What people would have been told", title_justify="left")
    for column in ("when", "severity", "subject"):
        table.add_column(column, no_wrap=column != "subject")
    for one in messages:
        table.add_row(minute(one.at), one.severity, one.subject, style="bold" if one.calls else "")
    return table


def told_counts(messages: Sequence[Told], incident: datetime | None) -> str:
    """How many calls and messages, and the first call, in a line."""
    calls = Counter(one.severity for one in messages if one.calls)
    counts = f"Messages: {len(messages)}. Calls: {calls.total()} (P1: {calls['P1']}, P2: {calls['P2']})."
    first = first_call(messages, incident)
    if first is None:
        return f"{counts} First call: none."
    since = f", {duration(first.at - incident)} after the incident began" if incident else ""
    return f"{counts} First call: {minute(first.at)} UTC{since}."


def as_json(replayed: Replay, messages: Sequence[Told], incident: datetime | None) -> dict[str, Any]:
    """The whole replay and what people would have been told: times in ISO 8601, durations in seconds."""
    first = first_call(messages, incident)

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
        "unread": list(replayed.unread),
        "told": [
            {"at": one.at.isoformat(), "severity": one.severity, "call": one.calls, "alarm": one.alarm, "subject": one.subject}
            for one in messages
        ],
        "first_call": first
        and {"at": first.at.isoformat(), "seconds": (first.at - incident).total_seconds() if incident else None},
    }


def draw(replayed: Replay, messages: Sequence[Told], file: Path, incident: datetime | None) -> None:
    """Plot what the alarms watched, and the calls, to an .svg or .png file."""
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
    if calls := [(one.at, one.at + MINUTE) for one in messages if one.calls]:
        composites["calls"] = calls
    plot(file, f"Replay, {replayed.environment.name}", (replayed.begin, replayed.end), panels, composites, incident)


def minute(time: datetime) -> str:
    """A time to the minute."""
    return f"{time:%Y-%m-%d %H:%M}"


def duration(time: timedelta) -> str:
    """Hours and minutes."""
    hours, minutes = divmod(time / MINUTE, 60)
    return f"{hours:.0f} h {minutes:.0f} min" if hours else f"{round(minutes, 1):g} min"
