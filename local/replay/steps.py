"""How fast each row's alarms notice a step from normal to just past critical."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from rich.table import Table

from local.cloudwatch.alarms import Alarm
from local.cloudwatch.loop import MINUTE
from local.replay.replay import replay
from local.replay.trace import Trace
from runbook.rows import LEVELS
from stacks.environment import Environment

_BEGIN = datetime(2026, 1, 1, tzinfo=UTC)
_CALM = 30  # minutes before the step, of the step and after it


def steps(alarms: Sequence[Alarm], environment: Environment) -> Table:
    """How long after the step a row's alarms fire, and how long after it is back to normal they clear."""
    table = Table(
        "row", "step", "warning", "critical", "composite", "all clear", title=f"{environment.name}: minutes after a step"
    )
    for row in environment.table:
        past = row.critical + (row.critical - row.warning) / 10
        values = [row.normal] * _CALM + [past] * _CALM + [row.normal] * _CALM
        trace = Trace("steps", {row.slug: [(_BEGIN + MINUTE * minute, value) for minute, value in enumerate(values)]})
        worse, better = _BEGIN + MINUTE * _CALM, _BEGIN + MINUTE * 2 * _CALM
        fired = [result for result in replay(trace, alarms, environment).results if result.firing]
        after = {result.name: f"{(result.firing[0][0] - worse) / MINUTE:g}" for result in fired}
        table.add_row(
            row.title,
            f"{row.normal:g} to {past:g} {row.unit}",
            *(after.get(environment.alarm(row.slug, level), "never") for level in LEVELS),
            "\n".join(
                f"{after[result.name]} {result.name.removeprefix(f'{environment.prefix}-')}"
                for result in fired
                if "AlarmRule" in result.alarm
            ),
            f"{max((result.firing[-1][1] - better for result in fired), default=timedelta()) / MINUTE:g}",
        )
    return table
