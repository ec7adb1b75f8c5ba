"""What an alarm says of itself, by its name below the environment's prefix."""

from runbook.alarms import Description, alarm_name, descriptions
from runbook.failures import FAILURES
from runbook.pages import PAGES
from runbook.rows import LEVELS, ROWS, rows_with
from runbook.sections import Section


def test_every_row_failure_and_page_has_one_description() -> None:
    names = [
        *(alarm_name(row.slug, level) for row in ROWS for level in LEVELS),
        *(alarm_name(failure.slug, failure.level) for failure in FAILURES),
        *(page.slug for page in PAGES),
    ]
    assert len(names) == len(set(names)), "no two alarms share a name"
    assert sorted(descriptions()) == sorted(names)


def test_a_rows_alarm_says_how_far_past_normal_it_is() -> None:
    assert descriptions()["rds-connections-warning"] == Description(
        "RDS connections over 150 connections, normal is up to 100",
        "connections that are not given back, or too many tasks",
        "P3",
        Section.DATABASE_CONNECTIONS,
    )


def test_an_environments_own_lines_are_in_its_descriptions() -> None:
    own = descriptions(rows_with({"rds-connections": {"warning": 120}}))
    assert own["rds-connections-warning"].title == "RDS connections over 120 connections, normal is up to 100"
    assert own["rds-connections-critical"] == descriptions()["rds-connections-critical"]


def test_a_description_names_cause_severity_response_time_and_section() -> None:
    assert str(descriptions()["alb-5xx-rate-critical"]) == (
        "ALB 5XX rate over 5 %, normal is up to 0.1. Likely cause: a bad release, or something behind the backend that fails."
        " P1: respond within 15 min. Runbook section 3.1 High Error Rate (5XX)"
    )
