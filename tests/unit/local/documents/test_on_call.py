"""The rendered page for on-call: its rules, times and names are those of the code."""

import re
from datetime import timedelta
from pathlib import Path

import pytest

from lambdas.rollback.decisions import TABLE
from local.documents import on_call
from local.documents.on_call import render
from runbook import rules
from runbook.pages import PAGES
from runbook.severities import CALLED, RESPONSE_TIMES
from stacks.environment import Environment
from tests.environments import ENVIRONMENTS, PRODUCTION, STAGING, VARIANTS
from tests.unit.local.documents.reading import sections

TEMPLATE = Path(on_call.__file__).with_name("on-call.md.template").read_text()


@pytest.mark.parametrize("environment", [*ENVIRONMENTS.values(), *VARIANTS.values()], ids=lambda environment: environment.name)
def test_no_placeholder_is_left(environment: Environment) -> None:
    assert "@@" not in render(environment)


def test_the_commands_are_the_environments() -> None:
    text = render(STAGING)
    assert "--alarm-name hz-navigator-staging-maintenance " in text
    assert "aws logs tail /aws/lambda/hz-navigator-staging-rollback " in text
    assert "--name /hz-navigator/staging/backend/image " in text
    assert "`config/staging.toml`, then `cdk deploy staging/remediation`" in text
    assert "production" not in text


def test_the_name_of_the_application_stands_in_its_own_file_only() -> None:
    text = render(VARIANTS["everything"])
    assert not re.search("hz.?navigator", TEMPLATE + text, flags=re.IGNORECASE)


def test_severities_have_their_response_times() -> None:
    rows = re.findall(r"^\| (P\d) \|.*\| ([^|]+) \|$", sections(render(PRODUCTION))["What you are told"], flags=re.MULTILINE)
    assert dict(rows) == RESPONSE_TIMES


def test_every_page_is_listed_with_its_severity() -> None:
    text = sections(render(PRODUCTION))["What happens when an alarm fires"]
    listed = {
        name: severity
        for severity, names in re.findall(r"^   - (P\d): (.*)$", text, flags=re.MULTILINE)
        for name in re.findall(r"`([\w-]+)`", names)
    }
    assert listed == {PRODUCTION.page(page.slug): page.severity for page in PAGES if page.severity in CALLED}


def test_the_alarms_that_invoke_rollback_are_named() -> None:
    assert "(ALB 5XX rate, ALB latency (p95), API availability, ALB 5XX rate, under 10 requests a minute)" in render(PRODUCTION)


def test_the_escalation_path_is_the_runbooks() -> None:
    assert "L1 on-call engineer, L2 team lead, L3 engineering manager, L4 CTO" in render(PRODUCTION)


@pytest.mark.parametrize(
    ("heading", "line"),
    [
        ("What happens when an alarm fires", "when 2 of the last 3 minutes are past the line, a warning when 4 of the last 5"),
        (
            "What you are told",
            "| A page that another may explain is held back at first: the other may fire a minute later. | 60 seconds |",
        ),
        ("What you are told", "for 3 minutes after it ended"),
        ("What you are told", "| at most 5 minutes |"),
        ("What you are told", "| within 10 minutes |"),
        ("What you are told", "| as long as it was announced for, at most 2 hours by hand |"),
        ("How fast you are called", "From a fault to the call for a P1: at most 3 minutes."),
        (
            "How fast you are called",
            "A page that nothing explains, such as `database-down`, `frontend-down`, is sent at once. | 60 seconds |",
        ),
        ("What you are told", "An alarm that keeps coming back, 3 times without having been clear for long between"),
        ("What you are told", "| within 24 hours of its call or mail |"),
        ("What you are told", "a warning that fires for 60 minutes without a break is told once more"),
        ("What you are told", "a command that silences this alarm for 60 minutes"),
        ("Before the first release", "After 24 hours without that, you get a P3"),
        ("Maintenance", "is ended after 2 hours."),
        ("What it decides", "The *suspect window* is the 60 minutes before the alarm."),
        ("What it decides", "The *budget* is 2 changes within 24 hours."),
        ("What it decides", "less than 2 minutes before the alarm"),
        (
            "When the automation itself fails",
            "`notify`: errors in 3 of 5 minutes, or, once monitoring is armed, no run in 5 of 5 minutes",
        ),
    ],
)
def test_the_rules_read_well(heading: str, line: str) -> None:
    assert line in sections(render(PRODUCTION))[heading]


@pytest.mark.parametrize(
    "rule",
    [
        "HOLD",
        "AFTERMATH",
        "DEPLOYMENT_WAIT",
        "CALM",
        "SETTLED",
        "RECALL",
        "LASTING",
        "MAINTENANCE",
        "DETECTION",
        "CALL",
        "ARMING",
        "SILENCE",
        "REPEAT",
        "RETRY",
        "SUSPECT_WINDOW",
        "BUDGET_WINDOW",
    ],
)
def test_a_rule_of_time_that_changes_changes_the_page(rule: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rules, rule, timedelta(minutes=777))
    assert "777 minutes" in render(PRODUCTION)


def test_a_budget_that_changes_changes_the_page(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rules, "BUDGET", 777)
    assert "777 changes" in render(PRODUCTION)


def test_the_rows_of_the_decision_table_are_those_that_decide_in_their_order() -> None:
    text = sections(render(PRODUCTION))["What it decides"]
    rows = re.findall(r"^\| (.*?) \| .* \|$", text, flags=re.MULTILINE)
    assert rows == ["what the evidence shows", *(evidence for evidence, *_ in TABLE)]
