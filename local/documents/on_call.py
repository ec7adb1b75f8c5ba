"""The page for the engineer on call, with an environment's names. Its text is `on-call.md.template`."""

from datetime import timedelta

from lambdas.rollback.decisions import TABLE
from local.documents.markdown import fill
from local.documents.wording import duration
from runbook import rules
from runbook.failures import FAILURES
from runbook.pages import PAGES
from runbook.queries import QUERIES
from runbook.rows import Row, Window
from runbook.severities import CALLED, ESCALATION_PATH, RESPONSE_TIMES
from stacks.environment import Environment


def render(environment: Environment) -> str:
    """The page of an environment, in Markdown."""
    words = {
        "pages": _pages(environment),
        "users_affected": ", ".join(row.title for row in environment.table if row.users_affected),
        "escalation_path": ", ".join(f"L{level} {role}" for level, role in enumerate(ESCALATION_PATH, 1)),
        "unexplained": ", ".join(f"`{page.slug}`" for page in PAGES if page.severity == "P1" and not page.unless),
        "queries": "; ".join(f"{query.title[0].lower()}{query.title[1:]}" for query in QUERIES),
        "rollback_log_group": environment.function_log_group("rollback"),
        "health_check_function": environment.function("health-check"),
        "incident_page_function": environment.function("incident-page"),
        "window.critical": _minutes(Row.window.critical, "the last "),
        "window.warning": _minutes(Row.window.warning, "the last "),
        "rules.budget": str(rules.BUDGET),
        "rules.flapping": str(rules.FLAPPING),
    }
    words |= {f"rules.{name.lower()}": duration(rule) for name, rule in vars(rules).items() if isinstance(rule, timedelta)}
    for failure in FAILURES:
        word = f"failure.{failure.slug.replace('-', '_')}"
        words |= {f"{word}.window": _minutes(failure.window), f"{word}.severity": failure.severity}
    words |= {f"response.{severity.lower()}": time for severity, time in RESPONSE_TIMES.items()}
    words |= {f"topic.{severity.lower()}": environment.on_call_topic(severity) for severity in RESPONSE_TIMES}
    words |= {f"when.{row.__name__.strip('_')}": evidence for evidence, row, _ in TABLE}
    return fill("on-call.md.template", environment, words)


def _pages(environment: Environment) -> str:
    """A list item for each severity, with its pages."""
    names = {
        severity: [environment.page(one.slug) for one in environment.pages if one.severity == severity] for severity in CALLED
    }
    return "\n".join(f"   - {severity}: " + ", ".join(f"`{name}`" for name in those) for severity, those in names.items())


def _minutes(window: Window, which: str = "") -> str:
    return f"{window.breaching} of {which}{window.periods} minutes"
