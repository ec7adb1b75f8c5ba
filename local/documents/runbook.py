"""The runbook as an environment makes it true: `python -m stacks.runbook [production|staging] [--output FILE]`.

Its text is `runbook.md.template`, where `@@name` is a property of the environment, `@@each_name` that of every environment in
turn, or one of the words made here. Under the heading of each section come the alarms and saved queries that refer to it.
Nothing here imports the CDK.
"""

import argparse
import re
import string
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path

from local.documents.thresholds import line, normal, window
from runbook.pages import PAGES
from runbook.queries import QUERIES
from runbook.rows import (
    LEVELS,
    RUNBOOK_SECTIONS,  # TODO gone
)
from runbook.rules import SLOW_QUERY_MILLISECONDS
from runbook.severities import ESCALATION_PATH, RESPONSE_TIMES
from stacks.config import ConfigError, load_all
from stacks.environment import Environment

_TEMPLATE = Path(__file__).with_name("runbook.md.template")
_HEADING = re.compile(r"^### (\d\.\d) .*$", re.MULTILINE)


class _Page(string.Template):
    delimiter = "@@"  # a dollar is the shell's


class _Words(dict[str, str]):
    """The words of an environment; KeyError or AttributeError for one that there is none of."""

    def __init__(self, environment: Environment, environments: Iterable[Environment]) -> None:
        self._environment, self._environments = environment, environments
        super().__init__(
            {f"response_{severity.lower()}": f"{time[0].upper()}{time[1:]}" for severity, time in RESPONSE_TIMES.items()},
            threshold_table=_threshold_table(environment),
            latency_line=line(environment.row("alb-latency-p95"), "critical"),
            slow_query_milliseconds=str(SLOW_QUERY_MILLISECONDS),
            frontend_stack=environment.stack("frontend"),
            rollback_function=environment.function("rollback"),
            health_check_function=environment.function("health-check"),
            contacts=_contacts(environment),
            escalation_path="\n".join(
                f"{level}. **L{level}:** {role[0].upper()}{role[1:]}" + (" (PagerDuty)" if level == 1 else "")
                for level, role in enumerate(ESCALATION_PATH, 1)
            ),
            pages=_pages(environment),
        )

    def __missing__(self, word: str) -> str:
        if word.startswith("each_"):
            return " | ".join(_name(environment, word.removeprefix("each_")) for environment in self._environments)
        return _name(self._environment, word)


def _name(environment: Environment, word: str) -> str:
    return str(environment.backend.health_check_path if word == "health_check_path" else getattr(environment, word))


def render(environment: Environment, environments: Iterable[Environment]) -> str:
    """The runbook of one of the environments, whose section 1 lists all of them."""
    page = _Page(_TEMPLATE.read_text(encoding="utf-8")).substitute(_Words(environment, environments))
    return _HEADING.sub(lambda heading: "\n\n".join((heading[0], *_referring(environment, heading[1]))), page)


def _contacts(environment: Environment) -> str:
    """Where notifications go, as it is configured."""
    contacts = environment.contacts
    ways = {
        f"mail to {contacts.email}": contacts.email,
        "PagerDuty (P1 and P2)": contacts.pagerduty_url_secret,
        "Slack (all of them)": contacts.slack,
    }
    configured = [way for way, set_up in ways.items() if set_up]
    return f"Notifications go by {', '.join(configured)}." if configured else "Notifications go to nobody yet: set [contacts]."


def _pages(environment: Environment) -> str:
    rows = {row.slug: row.title for row in environment.table}
    cells = [
        (
            f"`{environment.page(page.slug)}`",
            page.title,
            ", ".join(rows[slug] for slug in page.rows),
            f"{page.severity}, {RESPONSE_TIMES[page.severity]}",
            _link(page.section),
        )
        for page in PAGES
    ]
    return _table(("Page", "What is wrong", "Past the critical line", "Respond within", "Section"), cells)


def _threshold_table(environment: Environment) -> str:
    cells = [(row.title, normal(row), *(line(row, level) for level in LEVELS), _link(row.section)) for row in environment.table]
    return _table(("Metric", "Normal", "Warning", "Critical", "Section"), cells)


def _referring(environment: Environment, section: str) -> list[str]:
    """What refers to a section: its alarms as a table, its saved queries as a sentence."""
    alarms = [
        (
            f"{row.title} {line(row, level)}",
            window(row.windows[row.at(level)], row.period),
            row.severity[row.at(level)],
            row.slug,
            level,
        )
        for row in environment.table
        for level in LEVELS
        if row.section == section
    ] + [
        (failure.title, window(failure.window), failure.severity, failure.slug, failure.level)
        for failure in environment.failures
        if failure.section == section
    ]
    cells = [
        (f"`{environment.alarm(slug, level)}`", what, of, f"{severity}, {RESPONSE_TIMES[severity]}")
        for what, of, severity, slug, level in alarms
    ]
    queries = ", ".join(query.title for query in QUERIES if query.section == section)
    return [
        *([_table(("Alarm", "When", "For", "Respond within"), cells)] if cells else []),
        *([f"**Saved queries** (CloudWatch Logs Insights, `{environment.prefix}/`): {queries}."] if queries else []),
    ]


def _link(section: str) -> str:
    """To a section of the same page, with an anchor as GitHub makes it."""
    anchor = re.sub(r"[^\w -]", "", f"{section} {RUNBOOK_SECTIONS[section]}".lower()).replace(" ", "-")
    return f"[{section}](#{anchor})"


def _table(headings: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    return "\n".join(f"| {' | '.join(cells)} |" for cells in (headings, ["---"] * len(headings), *rows))


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m stacks.runbook", description="The runbook of an environment, as Markdown.")
    parser.add_argument("environment", nargs="?", default="production")
    parser.add_argument("--output", type=Path, metavar="FILE", help="write it there instead of printing it")
    options = parser.parse_args()
    try:
        environments = {environment.name: environment for environment in load_all()}
    except ConfigError as error:
        print(error, file=sys.stderr)
        return 1
    if options.environment not in environments:
        parser.error(f"{options.environment} is no environment: choose from {', '.join(environments)}")
    page = render(environments[options.environment], environments.values())
    if options.output:
        options.output.write_text(page, encoding="utf-8")
    else:
        print(page, end="")
    return 0


if __name__ == "__main__":
    sys.exit(main())
