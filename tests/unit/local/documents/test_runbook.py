"""The rendered runbook: every name and number from the environment, every heading the one that alarms link to."""

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from local.documents import runbook
from local.documents.runbook import render
from local.documents.thresholds import table
from runbook import status_page
from runbook.sections import Section
from runbook.severities import RESPONSE_TIMES
from stacks.environment import Environment
from tests.environments import CONFIG, ENVIRONMENTS, PRODUCTION, STAGING, VARIANTS
from tests.unit.local.documents.reading import anchors, sections

ALL = tuple(ENVIRONMENTS.values())
TEMPLATE = Path(runbook.__file__).with_name("runbook.md.template").read_text()

any_environment = pytest.mark.parametrize("environment", [*ALL, *VARIANTS.values()], ids=lambda environment: environment.name)


def page(environment: Environment = PRODUCTION) -> str:
    return render(environment, ALL)


@any_environment
def test_every_alarm_stands_in_the_section_that_it_names(environment: Environment) -> None:
    shown, found = table(environment), sections(page(environment))
    headings = {str(one): one.heading.replace(" ", ". ", 1) if one.isdigit() else one.heading for one in Section}
    cells = {str(column.header): list(map(str, column.cells)) for column in shown.columns}
    for alarm, number in zip(cells["alarm"], cells["section"], strict=True):
        assert f"`{alarm}`" in found[headings[number]]


@pytest.mark.parametrize(
    "line",
    [
        "| ECS CPU | < 60% | > 70% | > 85% |",
        "| ECS memory | < 70% | > 80% | > 90% |",
        "| RDS CPU | < 60% | > 75% | > 90% |",
        "| RDS connections | < 100 | > 150 | > 180 |",
        "| Redis memory, worst node | < 70% | > 80% | > 90% |",
        "| ALB 5XX rate | < 0.1% | > 1% | > 5% |",
        "| ALB latency (p95) | < 500ms | > 1s | > 2s |",
        "| Error rate (Sentry) | < 10 errors/min | > 50 errors/min | > 100 errors/min |",
    ],
)
def test_the_table_of_7_1(line: str) -> None:
    assert line in sections(page())["7.1 Key Metrics to Watch"]


def test_an_environments_own_line_is_printed(production_with: Callable[[str], Environment]) -> None:
    text = page(production_with("[thresholds.alb-latency-p95]\ncritical = 3"))
    assert "| ALB latency (p95) | < 500ms | > 1s | > 3s |" in text
    assert "ALB response time > 3s" in sections(text)["3.2 High Latency"]


@any_environment
def test_scaling_says_how_far_it_may_go(environment: Environment) -> None:
    text, backend = sections(page(environment))["5.1 Horizontal Scaling (ECS Tasks)"], environment.backend
    assert "--desired-count 6" in text  # the runbook's own
    assert f"**At most {backend.max_tasks} here**" in text
    assert f"= {backend.max_tasks * 2 * backend.pool_size} stays under the critical line of " in text


def test_severities_have_their_response_times() -> None:
    rows = re.findall(r"\| \*\*(P\d) - \w+\*\* \| [^|]+ \| ([^|]+) \|", sections(page())["Severity Levels"])
    assert {severity: time.lower() for severity, time in rows} == RESPONSE_TIMES


@pytest.mark.parametrize(("environment", "other"), [(PRODUCTION, STAGING), (STAGING, PRODUCTION)])
def test_another_environments_names_stand_in_section_1_only(environment: Environment, other: Environment) -> None:
    text = page(environment)
    foreign = [line for line in text.splitlines() if other.name in line]
    assert foreign == [
        line
        for heading in ("Service URLs", "AWS Resources")
        for line in sections(text)[heading].splitlines()
        if other.name in line
    ]


@pytest.mark.parametrize("heading", ["Service URLs", "AWS Resources"])
@pytest.mark.parametrize("environments", [ALL, (*ALL, *VARIANTS.values()), ALL[:1]], ids=len)
def test_section_1_has_a_column_for_each_environment(heading: str, environments: tuple[Environment, ...]) -> None:
    lines = [line for line in sections(render(PRODUCTION, environments))[heading].splitlines() if line.startswith("|")]
    assert {line.count("|") for line in lines} == {2 + len(environments)}
    assert lines[0].endswith(" | ".join(["", *(environment.name.capitalize() for environment in environments), ""]).rstrip())
    for environment in environments:
        assert any((environment.api_url if heading == "Service URLs" else environment.cluster) in line for line in lines)


def test_what_people_have_to_fill_in_is_left_to_them() -> None:
    text = page()
    assert "> **Last Updated:** _______________" in text
    contacts = [line for line in sections(text)["Internal Team"].splitlines() if "@" in line and line.startswith("|")]
    assert len(contacts) == 5
    assert all(re.fullmatch(r"\| [\w ]+ \| \| \| @[\w-]+ \|", line) for line in contacts)


@pytest.mark.parametrize(
    ("environment", "said"),
    [
        (PRODUCTION, "Notifications go by mail to on-call@example.com."),
        (VARIANTS["everything"], "by mail to on-call@acme.example, PagerDuty (P1 and P2), Slack (all of them)."),
        (VARIANTS["certificates"], "Notifications go to nobody yet: set [contacts]."),
    ],
    ids=["mail", "everything", "nothing"],
)
def test_who_is_told_is_printed_as_it_is_configured(environment: Environment, said: str) -> None:
    assert said in sections(page(environment))["Internal Team"]


def test_every_page_stands_in_section_2_with_the_time_within_which_to_respond() -> None:
    text = sections(page())["Severity Levels"]
    assert "| `hz-navigator-production-database-down` | The application has no database |" in text
    assert len(re.findall(r"\| `hz-navigator-production-[\w-]+` \|.*\| P[123], [^|]+ \|", text)) == len(PRODUCTION.pages)


def test_the_escalation_path_is_the_runbooks() -> None:
    assert sections(page())["Escalation Path"].strip().splitlines()[:4] == [
        "1. **L1:** On-call engineer (PagerDuty)",
        "2. **L2:** Team lead",
        "3. **L3:** Engineering manager",
        "4. **L4:** CTO",
    ]


@pytest.mark.parametrize(
    ("heading", "template"),
    [
        ("Status Page - Investigating", status_page.INVESTIGATING),
        ("Status Page - Identified", status_page.IDENTIFIED),
        ("Status Page - Resolved", status_page.RESOLVED),
    ],
)
def test_the_status_pages_templates_are_those_that_messages_fill_in(heading: str, template: str) -> None:
    assert f"```\n{template}\n```" in sections(page())[heading]


@pytest.mark.parametrize(
    ("environment", "url", "project"),
    [
        (PRODUCTION, "https://sentry.io/organizations/hz-navigator", "hz-navigator-backend"),
        (VARIANTS["everything"], "https://sentry.io/organizations/acme", "acme-maps-backend"),
    ],
    ids=["not set", "set"],
)
def test_sentry_is_where_the_environment_says(environment: Environment, url: str, project: str) -> None:
    assert f"- **URL:** {url}\n- **Project:** {project}\n" in sections(page(environment))["7.3 Sentry"]


@pytest.mark.parametrize("section", Section, ids=lambda section: section.name)
def test_a_section_is_a_heading_with_its_number_its_title_and_its_anchor(section: Section) -> None:
    number, title = section.heading.split(" ", 1)
    marked = f"### {number} {title}" if "." in number else f"## {number}. {title}"
    assert marked in page().splitlines()
    assert section.anchor in anchors(page())


def test_a_numbered_section_is_one_that_alarms_can_name() -> None:
    assert re.findall(r"^### (\d\S*) ", page(), flags=re.MULTILINE) == [section for section in Section if "." in section]


@any_environment
def test_no_placeholder_is_left(environment: Environment) -> None:
    assert "@@" not in page(environment)


def test_the_name_of_the_application_stands_in_its_own_file_only() -> None:
    assert not re.search("hz.?navigator", TEMPLATE, flags=re.IGNORECASE)
    variants = tuple(VARIANTS.values())
    text = render(VARIANTS["everything"], variants)
    assert text.startswith("# Acme Maps Operations Runbook\n")
    assert "--db-snapshot-identifier acme-maps-manual-$(date" in text
    assert not re.search("hz.?navigator", text, flags=re.IGNORECASE)


def test_the_command_writes_a_file_or_prints(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert runbook.main(["staging"], CONFIG) == 0
    assert runbook.main(["staging", "--output", str(tmp_path / "page.md")], CONFIG) == 0
    assert capsys.readouterr().out == (tmp_path / "page.md").read_text() == page(STAGING)


def test_an_unknown_environment_is_refused_by_name(capsys: pytest.CaptureFixture[str]) -> None:
    assert runbook.main(["test"], CONFIG) == 1
    assert "config/test.toml: no such environment: there are production, staging" in capsys.readouterr().err


def test_a_file_that_cannot_be_written_is_said_in_one_sentence(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "nowhere/page.md"
    assert runbook.main(["production", "--output", str(file)], CONFIG) == 1
    assert capsys.readouterr().err == f"{file}: No such file or directory.\n"
