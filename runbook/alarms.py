"""What every alarm says of itself, by its name below the environment's prefix: from its row, page or failure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from runbook.failures import FAILURES
from runbook.pages import PAGES, Page
from runbook.rows import LEVELS, RECENT, RECURRING, ROWS, Dependency, Level, Row, Window
from runbook.sections import Section
from runbook.severities import RESPONSE_TIMES, Severity


@dataclass(frozen=True)
class Description:
    """What is wrong while an alarm fires, why it may be, and how fast somebody responds."""

    title: str
    cause: str
    severity: Severity
    section: Section
    automation: str = "nothing"
    """What is done about it without a person."""
    command: str = ""
    """What to paste first; words in braces are names of the environment."""
    function: str = ""
    """The function of ours that it is about, whose log says more than the backend's."""
    procedure: str = ""
    """The procedure that fits, by its name below the environment's prefix; and `inputs` to give it."""
    inputs: tuple[tuple[str, str], ...] = ()

    def __str__(self) -> str:
        """The alarm's description in CloudWatch."""
        return (
            f"{self.title}. Likely cause: {self.cause}. {self.severity}: respond within {RESPONSE_TIMES[self.severity]}."
            f" Runbook section {self.section.heading}"
        )


def alarm_name(slug: str, level: Level) -> str:
    """The name of a row's or a failure's alarm below the environment's prefix; a page's is its slug."""
    return f"{slug}-{level}"


LOOKING_BACK = "recurring"
SPELLS = {LOOKING_BACK: RECURRING, "recent": RECENT}
"""The two further alarms of a row that may recur, named as those of a level are."""

_LOG = "aws logs tail /aws/lambda/{{alarm_prefix}}{function} --since 30m"

NOT_ARMED = "not-armed"
"""The alarm, by its name below the prefix, that says that monitoring has not armed itself yet."""

NOT_ARMED_DESCRIPTION = Description(
    title="Monitoring is not armed: nobody is told of any alarm",
    cause="the first release is not healthy yet",
    severity="P3",
    section=Section.KEY_METRICS,
    automation="monitoring arms itself as soon as the first release is healthy",
    command=_LOG.format(function="notify"),
    function="notify",
)

DEPENDENCY_ALARMS: Mapping[str, Dependency] = {
    alarm_name(row.slug, "critical"): row.dependency for row in ROWS if row.dependency
}
"""The alarms, by their names below the prefix, that say which dependency is impaired, and that no release is to blame."""

LASTING_SEVERITIES: Mapping[str, Severity] = {
    alarm_name(row.slug, "warning"): "P2" if row.severity.critical == "P1" else row.severity.warning for row in ROWS
}
"""The severities with which the warnings of rows, by their names below the prefix, are told once more when they last: a call
where users are without the service past the critical line."""

AFFECTING_ALARMS = frozenset(alarm_name(row.slug, "critical") for row in ROWS if row.users_affected)
"""The alarms, by their names below the prefix, that say that users are affected."""


def behind_page(page: Page) -> frozenset[str]:
    """The alarms, by their names below the prefix, that are the reason of a page."""
    return frozenset([alarm_name(row, "critical") for row in page.rows] + [f"{row}-{LOOKING_BACK}" for row in page.recurring])


def descriptions(rows: Sequence[Row] = ROWS) -> Mapping[str, Description]:
    """The description of every alarm, by its name below the prefix; `rows` are the table as the environment has it."""
    found = {alarm_name(row.slug, level): _of_row(row, level) for row in rows for level in LEVELS}
    for row in rows:
        if row.recurs:
            found |= {f"{row.slug}-{name}": _of_spell(row, window) for name, window in SPELLS.items()}
    for failure in FAILURES:
        found[alarm_name(failure.slug, failure.level)] = Description(
            failure.title,
            failure.cause,
            failure.severity,
            failure.section,
            command=_LOG.format(function=failure.function),
            function=failure.function,
        )
    for page in PAGES:
        found[page.slug] = Description(
            page.title, page.cause, page.severity, page.section, page.automation, page.command, **_procedure(page)
        )
    return {**found, NOT_ARMED: NOT_ARMED_DESCRIPTION}


def reading(row: Row, value: float) -> str:
    """A value of a row beside its normal, as people say it: `Database availability 0 %, normal 100 %`."""
    normal = f"under {_amount(row, row.normal)}" if row.worse == "above" and row.normal else _amount(row, row.normal)
    return f"{row.title} {_amount(row, value)}, normal {normal}"


def _of_row(row: Row, level: Level) -> Description:
    past, (_, _, normal) = "over" if row.worse == "above" else "under", reading(row, 0).rpartition(", ")
    title = f"{row.title} {past} {_amount(row, row.line(level))}, {normal}"
    automation = "nothing is done about a warning" if level == "warning" else "nothing"
    (page,) = (page for page in PAGES if row.slug in page.rows)
    of_page = _procedure(page)
    return Description(title, row.cause, row.severity.at(level), row.section, automation, page.command, **of_page)


def _procedure(page: Page) -> dict[str, Any]:
    return {"procedure": page.procedure, "inputs": page.inputs}


def _of_spell(row: Row, window: Window) -> Description:
    """Of an alarm that tells nobody by itself: the page over it does."""
    critical = _of_row(row, "critical")
    return replace(critical, title=f"{critical.title}, in {window.breaching} of {window.periods} minutes", severity="P2")


def _amount(row: Row, value: float) -> str:
    """With its unit, unless the row's title ends with it."""
    number = f"{value:.0f}" if value >= 1000 else f"{value:.4g}"
    return number if row.title.endswith(row.unit) else f"{number} {row.unit}"
