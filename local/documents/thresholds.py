"""The threshold table as an environment deploys it: `python -m local.documents.thresholds [ENVIRONMENT]`."""

import argparse
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from local.documents.wording import line, normal, respond_within, window
from runbook.alarms import SPELLS
from runbook.failures import Failure
from runbook.rows import LEVELS, ROWS, Row, Window
from stacks.config import CONFIG, ConfigError, load
from stacks.environment import Environment

_HEADINGS = ("metric", "normal", "level", "line", "window", "missing data", "respond within", "section")


def table(environment: Environment) -> Table:
    """A line for each alarm; a line that the environment's file sets is marked, with the table's own line beside it."""
    shown = Table(*_HEADINGS, title=f"{environment.name}: the threshold table as deployed", title_justify="left")
    shown.add_column("alarm", no_wrap=True)
    standards = {row.slug: row for row in ROWS}
    for row in environment.table:
        for cells in _of_row(environment, row, standards[row.slug]):
            shown.add_row(*cells)
        for name, spell in SPELLS.items() if row.recurs else ():
            shown.add_row(*_of_spell(environment, row, name, spell))
        shown.add_section()
    for failure in environment.failures:
        shown.add_row(*_of_failure(environment, failure))
    return shown


def _of_row(environment: Environment, row: Row, standard: Row) -> Iterator[tuple[str, ...]]:
    blind = row.needs and not getattr(environment, row.needs)
    no_data = f"\n[dim]no data: config/{environment.name}.toml has no \\[{row.needs}][/]" if blind else ""
    firsts = ((row.title + no_data, _marked(normal(row), normal(standard))), (f"[dim]{escape(_watched(row))}[/]", ""))
    for first, level in zip(firsts, LEVELS, strict=True):
        yield (
            *first,
            level,
            _marked(line(row, level), line(standard, level)),
            window(row.window.at(level), row.period),
            row.missing.at(level),
            respond_within(row.severity.at(level)),
            row.section,
            environment.alarm(row.slug, level),
        )


def _of_spell(environment: Environment, row: Row, name: str, spell: Window) -> tuple[str, ...]:
    return (
        row.title,
        "",
        name,
        line(row, "critical"),
        window(spell),
        "notBreaching",
        respond_within("P2"),
        row.section,
        f"{environment.prefix}-{row.slug}-{name}",
    )


def _of_failure(environment: Environment, failure: Failure) -> tuple[str, ...]:
    return (
        f"{failure.title}\n[dim]{failure.signal.statistic} of {failure.signal.metric}[/]",
        f"{failure.line:g}",
        failure.level,
        f"{'>' if failure.worse == 'above' else '<'} {failure.line:g}",
        window(failure.window),
        failure.missing,
        respond_within(failure.severity),
        failure.section,
        environment.alarm(failure.slug, failure.level),
    )


def _watched(row: Row) -> str:
    """The statistic, or the expression over statistics."""
    if not row.expression:
        return row.signals[0].statistic
    signals = ", ".join(f"{signal.id} {signal.statistic}" for signal in row.signals)
    return f"{row.expression.format(minimum=row.minimum)}; {signals}"


def _marked(own: str, standard: str) -> str:
    return own if own == standard else f"[bold yellow]{own} *[/]\n[dim](table: {standard})[/]"


def main(arguments: Sequence[str] | None = None, folder: Path = CONFIG) -> int:
    """Print the table of an environment of a folder; 1 after a sentence that says what is wrong."""
    parser = argparse.ArgumentParser(
        prog="python -m local.documents.thresholds", description="The threshold table as deployed."
    )
    parser.add_argument("environment", nargs="?", default="production", help="a file of config/, without .toml")
    name = parser.parse_args(arguments).environment
    console = Console(soft_wrap=True, width=None if sys.stdout.isatty() else 180)
    try:
        environment = load(name, folder)
    except ConfigError as error:
        console.print(str(error), style="bold red", highlight=False)
        return 1
    console.print(table(environment))
    own = f"* set in config/{name}.toml" if environment.thresholds else f"config/{name}.toml sets no line of its own"
    console.print(own, highlight=False)
    return 0


if __name__ == "__main__":
    sys.exit(main())
