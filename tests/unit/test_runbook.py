"""The printed runbook: up to date, every name and number from the environment, every link leading somewhere."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from local.documents.runbook import render
from local.documents.thresholds import table
from runbook.rows import RUNBOOK_SECTIONS  # TODO gone
from runbook.severities import RESPONSE_TIMES
from stacks.config import CONFIG, load, load_all
from stacks.environment import Environment

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
ENVIRONMENTS = {environment.name: environment for environment in load_all()}


def page(name: str = "production") -> str:
    return render(ENVIRONMENTS[name], ENVIRONMENTS.values())


def sections(text: str) -> dict[str, str]:
    """The text under each heading, by the heading without its hashes."""
    parts = re.split(r"^#+ (.*)$", text, flags=re.MULTILINE)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


def anchors(text: str) -> set[str]:
    """As GitHub makes them of the headings."""
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in sections(text)}


def with_override(folder: Path, lines: str) -> Environment:
    file = folder / "production.toml"
    file.write_text(f"{(CONFIG / 'production.toml').read_text()}\n{lines}\n")
    return load(file)


def test_the_committed_page_is_up_to_date() -> None:
    assert (DOCS / "runbook.md").read_text() == page(), "docs/runbook.md is stale: `make runbook`"


@pytest.mark.parametrize("name", ENVIRONMENTS)
def test_every_alarm_stands_in_the_section_that_it_names(name: str) -> None:
    shown, found = table(ENVIRONMENTS[name]), sections(page(name))
    cells = {str(column.header): list(map(str, column.cells)) for column in shown.columns}
    for alarm, number in zip(cells["alarm"], cells["section"], strict=True):
        assert f"`{alarm}`" in found[f"{number} {RUNBOOK_SECTIONS[number]}"]


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


def test_an_environment_s_own_line_is_printed(tmp_path: Path) -> None:
    text = render(with_override(tmp_path, "[thresholds.alb-latency-p95]\ncritical = 3"), ENVIRONMENTS.values())
    assert "| ALB latency (p95) | < 500ms | > 1s | > 3s |" in text
    assert "ALB response time > 3s" in sections(text)["3.2 High Latency"]


def test_severities_have_their_response_times() -> None:
    rows = re.findall(r"\| \*\*(P\d) - \w+\*\* \| [^|]+ \| ([^|]+) \|", sections(page())["Severity Levels"])
    assert {severity: time.lower() for severity, time in rows} == RESPONSE_TIMES


@pytest.mark.parametrize("name", ENVIRONMENTS)
def test_another_environment_s_names_stand_in_section_1_only(name: str) -> None:
    (other,) = ENVIRONMENTS.keys() - {name}
    foreign = [line for line in page(name).splitlines() if other in line]
    assert foreign == [
        line
        for heading in ("Service URLs", "AWS Resources")
        for line in sections(page(name))[heading].splitlines()
        if other in line
    ]


@pytest.mark.parametrize("heading", ["Service URLs", "AWS Resources"])
def test_section_1_has_a_column_for_each_environment(heading: str) -> None:
    text = sections(page())[heading]
    assert len({line.count("|") for line in text.splitlines() if line.startswith("|")}) == 1
    assert re.search(r"\| Production \| Staging \|", text)
    for environment in ENVIRONMENTS.values():
        assert (environment.api_url if heading == "Service URLs" else environment.cluster) in text


def test_what_people_have_to_fill_in_is_left_to_them() -> None:
    text = page()
    assert "> **Last Updated:** _______________" in text
    contacts = [line for line in sections(text)["Internal Team"].splitlines() if "@" in line and line.startswith("|")]
    assert len(contacts) == 5
    assert all(re.fullmatch(r"\| [\w ]+ \| \| \| @[\w-]+ \|", line) for line in contacts)


def test_the_configured_address_is_printed_where_there_is_one(tmp_path: Path) -> None:
    nobody = tmp_path / "production.toml"
    nobody.write_text(re.sub(r"^email = .*$", "", (CONFIG / "production.toml").read_text(), flags=re.MULTILINE))
    assert "Notifications go by mail to on-call@hz-navigator.com." in page()
    assert "Notifications go to nobody yet" in render(load(nobody), ENVIRONMENTS.values())


def test_every_page_stands_in_section_2_with_the_time_within_which_to_respond() -> None:
    text = sections(page())["Severity Levels"]
    assert "| `hz-navigator-production-database-down` | The application has no database |" in text
    assert len(re.findall(r"\| `hz-navigator-production-[\w-]+` \|.*\| P[12], [^|]+ \|", text)) == 6


def test_the_escalation_path_is_the_runbooks() -> None:
    assert sections(page())["Escalation Path"].strip().splitlines()[:4] == [
        "1. **L1:** On-call engineer (PagerDuty)",
        "2. **L2:** Team lead",
        "3. **L3:** Engineering manager",
        "4. **L4:** CTO",
    ]


def test_every_link_leads_somewhere() -> None:
    links = re.findall(r"\]\(([\w.-]*)#([\w-]+)\)", page())
    assert len(links) > 15
    for file, anchor in links:
        assert anchor in anchors((DOCS / file).read_text() if file else page()), f"{file}#{anchor}"


def test_the_sections_that_alarms_and_the_dashboard_name_exist() -> None:
    assert {f"{number} {title}" for number, title in RUNBOOK_SECTIONS.items()} <= sections(page()).keys()


@pytest.mark.parametrize("name", ENVIRONMENTS)
def test_no_placeholder_is_left(name: str) -> None:
    assert "@@" not in page(name)


def test_the_command_writes_a_file_or_prints(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "stacks.runbook", "staging"]
    printed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    subprocess.run([*command, "--output", str(tmp_path / "page.md")], cwd=ROOT, check=True)
    assert printed == (tmp_path / "page.md").read_text() == page("staging")


def test_an_unknown_environment_is_refused_by_name() -> None:
    run = subprocess.run(
        [sys.executable, "-m", "stacks.runbook", "test"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert run.returncode == 2
    assert "test is no environment: choose from production, staging" in run.stderr
