"""The runbook as an environment makes it true: `python -m local.documents.runbook [ENVIRONMENT] [--output FILE]`.

Its text is `runbook.md.template`. Under the heading of each section come the alarms and saved queries that refer to it.
"""

import argparse
import sys
from collections.abc import Sequence
from operator import attrgetter
from pathlib import Path

from local.documents.markdown import fill, table
from local.documents.wording import capitalized, line, normal, respond_within, window
from procedures.catalog import PROCEDURES
from runbook import rules, status_page
from runbook.alarms import SPELLS
from runbook.queries import QUERIES
from runbook.rows import LEVELS, TABLE
from runbook.sections import Section
from runbook.severities import CALLED, ESCALATION_PATH, RESPONSE_TIMES
from stacks.config import CONFIG, ConfigError, load, load_all
from stacks.environment import Environment

_COLUMNS = (
    "frontend_url",
    "api_url",
    "backend.health_check_path",
    "cluster",
    "service",
    "database_instance",
    "replication_group",
    "load_balancer",
)
"""What section 1 says of every environment."""


def render(environment: Environment, environments: Sequence[Environment]) -> str:
    """The runbook of one of the environments, in Markdown; its section 1 lists all of them."""
    words = {
        "threshold_table": _threshold_table(environment),
        "pages": _pages(environment),
        "latency_line": line(environment.row("alb-latency-p95"), "critical"),
        "slow_query_milliseconds": str(rules.SLOW_QUERY_MILLISECONDS),
        "frontend_stack": environment.stack("frontend"),
        "cache_node_names": " ".join(environment.cache_nodes),
        "rollback_function": environment.function("rollback"),
        "releases_function": environment.function("releases"),
        "health_check_function": environment.function("health-check"),
        "contacts": _contacts(environment),
        "task_limit": _task_limit(environment),
        "escalation_path": _escalation_path(environment),
        "status_page.investigating": status_page.INVESTIGATING,
        "status_page.identified": status_page.IDENTIFIED,
        "status_page.resolved": status_page.RESOLVED,
    }
    words |= _columns(environments) | _sentry(environment)
    words |= {f"migrate.{direction}": _migrate(environment, direction) for direction in ("up", "down")}
    words |= {f"response.{severity.lower()}": capitalized(time) for severity, time in RESPONSE_TIMES.items()}
    words |= {f"section.{section.name.lower()}": _section(environment, section) for section in Section}
    return fill("runbook.md.template", environment, words)


def _columns(environments: Sequence[Environment]) -> dict[str, str]:
    """The cells of a row of section 1, a column for each environment."""
    names = [capitalized(environment.name) for environment in environments]
    cells = {f"each.{path}": [attrgetter(path)(environment) for environment in environments] for path in _COLUMNS}
    cells |= {"each.name": names, "each.distribution": ["XXXXXXXXXX" for _ in environments]}
    return {word: " | ".join(values) for word, values in cells.items()} | {
        "each.rule": "|".join("-" * len(f" {name} ") for name in names)
    }


def _sentry(environment: Environment) -> dict[str, str]:
    """What the runbook says of Sentry where `[sentry]` is not set."""
    name = environment.application.name
    words = {"url": "https://sentry.io", "organization": name, "project": f"{name}-backend"}
    return {} if environment.sentry else {f"sentry.{word}": value for word, value in words.items()}


def _contacts(environment: Environment) -> str:
    """Where notifications go, as it is configured."""
    contacts = environment.contacts
    ways = {
        f"mail to {contacts.email}": contacts.email,
        f"PagerDuty ({' and '.join(CALLED)})": contacts.pagerduty_url_secret,
        "Slack (all of them)": contacts.slack,
    }
    configured = [way for way, set_up in ways.items() if set_up]
    return f"Notifications go by {', '.join(configured)}." if configured else "Notifications go to nobody yet: set [contacts]."


def _task_limit(environment: Environment) -> str:
    """How far section 5.1 may scale, and why."""
    most, pool = environment.backend.max_tasks, environment.backend.pool_size
    line = environment.row("rds-connections").critical
    opened = f"{most} x {rules.ROLLOUT} x {pool} = {most * rules.ROLLOUT * pool}"
    return (
        f"**At most {most} here** (`max_tasks`). A rollout runs up to {rules.ROLLOUT} times as many tasks, each with up to "
        f"{pool} connections: {opened} stays under the critical line of {line:g}. "
        "To have more: [more tasks](deploying.md#more-tasks)."
    )


def _escalation_path(environment: Environment) -> str:
    told = {1: "PagerDuty", **environment.contacts.escalation.levels}
    return "\n".join(
        f"{level}. **L{level}:** {capitalized(role)}" + (f" ({told[level]})" if level in told else "")
        for level, role in enumerate(ESCALATION_PATH, 1)
    )


def _migrate(environment: Environment, direction: str) -> str:
    """Migrations in a task of the service, which has what the database's URL is made of in its own variables."""
    variables = {key: f"${variable}" for variable, key in environment.application.container.database_secret.items()}
    parts = {key: variables.get(key, f"<{key.upper()}>") for key in ("username", "password", "host", "port", "dbname")}
    template = "postgresql://{username}:{password}@{host}:{port}/{dbname}"  # pragma: allowlist secret - names to fill in
    url = template.format(**parts)
    return fill("migrate.sh.template", environment, {"database_url": url, "direction": direction}).strip()


def _pages(environment: Environment) -> str:
    titles = {row.slug: row.title for row in environment.table}
    cells = [
        (
            f"`{environment.page(page.slug)}`",
            page.title,
            ", ".join(
                [titles[slug] for slug in page.rows if slug in titles]
                + [f"{titles[slug]}, again and again" for slug in page.recurring]
            ),
            respond_within(page.severity),
            _link(page.section),
        )
        for page in environment.pages
    ]
    return table(("Page", "What is wrong", "Past the critical line", "Respond within", "Section"), cells)


def _threshold_table(environment: Environment) -> str:
    own = {row.slug for row in TABLE}
    cells = [
        (
            row.title,
            normal(row),
            *(line(row, level) for level in LEVELS),
            _link(row.section),
            "this runbook" if row.slug in own else f"ours, [metric]({row.source})" if row.source else "ours",
        )
        for row in environment.table
    ]
    return table(("Metric", "Normal", "Warning", "Critical", "Section", "Lines from"), cells)


def _section(environment: Environment, section: Section) -> str:
    """A section's heading, its procedures, its alarms as a table, its saved queries as a sentence."""
    alarms = [
        (row.slug, level, f"{row.title} {line(row, level)}", window(row.window.at(level), row.period), row.severity.at(level))
        for row in environment.table
        for level in LEVELS
        if row.section == section
    ] + [
        (failure.slug, failure.level, failure.title, window(failure.window), failure.severity)
        for failure in environment.failures
        if failure.section == section
    ]
    cells = [
        (f"`{environment.alarm(slug, level)}`", what, minutes, respond_within(severity))
        for slug, level, what, minutes, severity in alarms
    ] + [
        (
            f"`{environment.prefix}-{row.slug}-{name}`",
            f"{row.title} {line(row, 'critical')}",
            window(of),
            respond_within("P2"),
        )
        for row in environment.table
        if row.recurs and row.section == section
        for name, of in SPELLS.items()
    ]
    queries = ", ".join(query.title for query in QUERIES if query.section == section)
    named = ", ".join(f"[`{one.name}`](procedures.md#{one.name})" for one in PROCEDURES if one.section == section)
    parts = (
        section.heading.replace(" ", ". ", 1) if section.isdigit() else section.heading,
        f"**Procedures** (instead of the commands; `{environment.prefix}-` begins their names): {named}." if named else "",
        table(("Alarm", "When", "For", "Respond within"), cells) if cells else "",
        f"**Saved queries** (CloudWatch Logs Insights, `{environment.prefix}/`): {queries}." if queries else "",
    )
    return "\n\n".join(filter(None, parts))


def _link(section: Section) -> str:
    """To a section of the same page."""
    return f"[{section}](#{section.anchor})"


def main(arguments: Sequence[str] | None = None, folder: Path = CONFIG) -> int:
    """Print the runbook of an environment of a folder, or write it to a file; 1 after a sentence that says what is wrong."""
    parser = argparse.ArgumentParser(
        prog="python -m local.documents.runbook", description="The runbook of an environment, as Markdown."
    )
    parser.add_argument("environment", nargs="?", default="production", help="a file of config/, without .toml")
    parser.add_argument("--output", type=Path, metavar="FILE", help="write it there instead of printing it")
    options = parser.parse_args(arguments)
    try:
        page = render(load(options.environment, folder), load_all(folder))
        if options.output:
            options.output.write_text(page, encoding="utf-8")
        else:
            print(page, end="")
    except ConfigError as error:
        print(error, file=sys.stderr)
        return 1
    except OSError as error:
        print(f"{error.filename}: {error.strerror}.", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
