"""The threshold table as an environment deploys it: `python -m stacks.table [production|staging]`, and its words for others.

Nothing here imports the CDK.
"""

import sys
from collections.abc import Iterator

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from runbook.failures import Failure
from runbook.rows import LEVELS, ROWS, Level, Row, Window
from runbook.severities import RESPONSE_TIMES
from stacks.config import ConfigError, load
from stacks.environment import Environment

_HEADINGS = ("metric", "normal", "level", "line", "window", "missing data", "respond within", "section")


def amount(value: float, unit: str) -> str:
    """A value of a row as people write it."""
    match unit:
        case "s" if value < 1:
            return f"{value * 1000:g}ms"
        case "s" | "%":
            return f"{value:g}{unit}"
        case "connections":  # of what, the row's title says
            return f"{value:g}"
        case _:
            return f"{value:g} {unit}"


def normal(row: Row) -> str:
    """Such as `< 60%`; the bare value where it is the best one there is."""
    return ("< " if row.worse == "above" and row.normal else "") + amount(row.normal, row.unit)


def line(row: Row, level: Level) -> str:
    """What breaches, such as `> 70%`."""
    return ("> " if row.worse == "above" else "< ") + amount(row.line(level), row.unit)


def failure_line(failure: Failure) -> str:
    """The same of an alarm on our own functions."""
    return f"{'>' if failure.worse == 'above' else '<'} {failure.line:g}"


def window(of: Window, period: int = 60) -> str:
    """M of N, such as `2 of 3 min`."""
    return f"{of.breaching} of {of.periods} {'min' if period == 60 else f'x {period} s'}"


def watched(row: Row) -> str:
    """The statistic, or the expression over statistics."""
    if not row.expression:
        return row.signals[0].statistic
    signals = ", ".join(f"{signal.id} {signal.statistic}" for signal in row.signals)
    return f"{row.expression.format(minimum=row.minimum)}; {signals}"


def table(environment: Environment) -> Table:
    """A line an alarm; what the environment's file sets differently from the table is marked with what the table says."""
    shown = Table(*_HEADINGS, title=f"{environment.name}: the threshold table as deployed", title_justify="left")
    shown.add_column("alarm", no_wrap=True)
    for row, standard in zip(environment.table, ROWS, strict=True):
        for cells in _lines(environment, row, standard):
            shown.add_row(*cells)
        shown.add_section()
    for failure in environment.failures:
        shown.add_row(*_line(environment, failure))
    return shown


def _lines(environment: Environment, row: Row, standard: Row) -> Iterator[tuple[str, ...]]:
    silent = row.slug == "sentry-errors" and not environment.sentry
    blind = f"\n[dim]no data: config/{environment.name}.toml has no \\[sentry][/]" if silent else ""
    firsts = ((row.title + blind, _marked(normal(row), normal(standard))), (f"[dim]{escape(watched(row))}[/]", ""))
    for first, level in zip(firsts, LEVELS, strict=True):
        at = row.at(level)
        yield (
            *first,
            level,
            _marked(line(row, level), line(standard, level)),
            window(row.windows[at], row.period),
            row.missing[at],
            f"{row.severity[at]}, {RESPONSE_TIMES[row.severity[at]]}",
            row.section,
            environment.alarm(row.slug, level),
        )


def _line(environment: Environment, failure: Failure) -> tuple[str, ...]:
    return (
        f"{failure.title}\n[dim]{failure.signal.statistic} of {failure.signal.metric}[/]",
        f"{failure.line:g}",
        failure.level,
        failure_line(failure),
        window(failure.window),
        failure.missing,
        f"{failure.severity}, {RESPONSE_TIMES[failure.severity]}",
        failure.section,
        environment.alarm(failure.slug, failure.level),
    )


def _marked(own: str, standard: str) -> str:
    return own if own == standard else f"[bold yellow]{own} *[/]\n[dim](table: {standard})[/]"


def main() -> int:
    console = Console(soft_wrap=True, width=None if sys.stdout.isatty() else 180)
    name = sys.argv[1] if len(sys.argv) > 1 else "production"
    try:
        environment = load(name)
    except ConfigError as error:
        console.print(str(error), style="bold red", highlight=False)
        return 1
    console.print(table(environment))
    console.print(
        f"* set in config/{name}.toml" if environment.thresholds else f"config/{name}.toml overrides no row", highlight=False
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
