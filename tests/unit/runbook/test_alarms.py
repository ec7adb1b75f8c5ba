"""What an alarm says of itself, by its name below the environment's prefix."""

import pytest

from runbook.alarms import NOT_ARMED, SPELLS, alarm_name, descriptions, reading
from runbook.failures import FAILURES
from runbook.pages import PAGES
from runbook.rows import LEVELS, ROWS, rows_with
from runbook.sections import Section


def test_every_row_failure_and_page_has_one_description() -> None:
    names = [
        *(alarm_name(row.slug, level) for row in ROWS for level in LEVELS),
        *(f"{row.slug}-{name}" for row in ROWS if row.recurs for name in SPELLS),
        *(alarm_name(failure.slug, failure.level) for failure in FAILURES),
        *(page.slug for page in PAGES),
        NOT_ARMED,
    ]
    assert len(names) == len(set(names)), "no two alarms share a name"
    assert sorted(descriptions()) == sorted(names)


def test_a_rows_alarm_says_how_far_past_normal_it_is() -> None:
    found = descriptions()["rds-connections-warning"]
    assert found.title == "RDS connections over 150, normal under 100"
    assert found.cause == "connections that are not given back, or too many tasks"
    assert (found.severity, found.section) == ("P3", Section.DATABASE_CONNECTIONS)


@pytest.mark.parametrize(
    ("slug", "value", "words"),
    [
        ("database-availability", 0.0, "Database availability 0 %, normal 100 %"),
        ("alb-5xx-rate", 61.53846, "ALB 5XX rate 61.54 %, normal under 0.1 %"),
        ("alb-latency-p95", 2.5, "ALB latency (p95) 2.5 s, normal under 0.5 s"),
        ("rds-connections", 195, "RDS connections 195, normal under 100"),
        ("unhealthy-hosts", 50, "Unhealthy hosts 50 %, normal 0 %"),
        ("sentry-errors", 123456, "Error rate (Sentry) 123456 errors/min, normal under 10 errors/min"),
    ],
)
def test_a_value_stands_beside_its_normal_as_people_say_it(slug: str, value: float, words: str) -> None:
    (row,) = (row for row in ROWS if row.slug == slug)
    assert reading(row, value) == words


def test_an_environments_own_lines_are_in_its_descriptions() -> None:
    own = descriptions(rows_with({"rds-connections": {"warning": 120}}))
    assert own["rds-connections-warning"].title == "RDS connections over 120, normal under 100"
    assert own["rds-connections-critical"] == descriptions()["rds-connections-critical"]


def test_a_description_names_cause_severity_response_time_and_section() -> None:
    assert str(descriptions()["alb-5xx-rate-critical"]) == (
        "ALB 5XX rate over 5 %, normal under 0.1 %. Likely cause: a bad release, or something behind the backend that fails."
        " P1: respond within 15 min. Runbook section 3.1 High Error Rate (5XX)"
    )
