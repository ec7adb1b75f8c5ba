"""What every alarm says of itself, by its name below the environment's prefix: from its row, page or failure."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from runbook.failures import FAILURES
from runbook.pages import PAGES
from runbook.rows import LEVELS, ROWS, Dependency, Level, Row
from runbook.sections import Section
from runbook.severities import RESPONSE_TIMES, Severity


@dataclass(frozen=True)
class Description:
    """What is wrong while an alarm fires, why it may be, and how fast somebody responds."""

    title: str
    cause: str
    severity: Severity
    section: Section

    def __str__(self) -> str:
        """The alarm's description in CloudWatch."""
        return (
            f"{self.title}. Likely cause: {self.cause}. {self.severity}: respond within {RESPONSE_TIMES[self.severity]}."
            f" Runbook section {self.section.heading}"
        )


def alarm_name(slug: str, level: Level) -> str:
    """The name of a row's or a failure's alarm below the environment's prefix; a page's is its slug."""
    return f"{slug}-{level}"


DEPENDENCY_ALARMS: Mapping[str, Dependency] = {
    alarm_name(row.slug, "critical"): row.dependency for row in ROWS if row.dependency
}
"""The alarms, by their names below the prefix, that say which dependency is impaired, and that no release is to blame."""


def descriptions(rows: Iterable[Row] = ROWS) -> Mapping[str, Description]:
    """The description of every alarm, by its name below the prefix; `rows` are the table as the environment has it."""
    found = {alarm_name(row.slug, level): _of_row(row, level) for row in rows for level in LEVELS}
    for failure in FAILURES:
        described = Description(failure.title, failure.cause, failure.severity, failure.section)
        found[alarm_name(failure.slug, failure.level)] = described
    for page in PAGES:
        found[page.slug] = Description(page.title, page.cause, page.severity, page.section)
    return found


def _of_row(row: Row, level: Level) -> Description:
    past, normal = ("over", "up to") if row.worse == "above" else ("under", "from")
    title = f"{row.title} {past} {row.line(level):g} {row.unit}, normal is {normal} {row.normal:g}"
    return Description(title, row.cause, row.severity.at(level), row.section)
