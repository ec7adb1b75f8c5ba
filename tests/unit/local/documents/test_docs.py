"""The pages of the root and of `docs/`, written by hand or generated: what they link to and name is there."""

import re
from importlib.util import find_spec
from pathlib import Path

import pytest

from local.documents import on_call, procedures, runbook
from stacks.names import LONGEST
from tests.environments import ENVIRONMENTS, PRODUCTION
from tests.unit.local.documents.reading import anchors

ROOT = Path(__file__).parents[4]
PAGES = {
    **{f"{file.relative_to(ROOT)}": file.read_text() for folder in (ROOT, ROOT / "docs") for file in folder.glob("*.md")},
    "docs/runbook.md": runbook.render(PRODUCTION, tuple(ENVIRONMENTS.values())),
    "docs/on-call.md": on_call.render(PRODUCTION),
    "docs/procedures.md": procedures.render(PRODUCTION),
}
ROOMS = "runbook|procedures|stacks|lambdas|local|tests|docs"  # not config/, whose files are the team's own

pages = pytest.mark.parametrize("page", PAGES)


@pages
def test_every_link_leads_somewhere(page: str) -> None:
    for file, anchor in re.findall(r"\]\((?!https://)([\w./-]*)(?:#([\w-]+))?\)", PAGES[page]):
        target = (ROOT / page).parent / file if file else ROOT / page
        assert target.exists(), f"{page}: {file}"
        if anchor:
            assert anchor in anchors(PAGES[str(target.resolve().relative_to(ROOT))]), f"{page}: {file}#{anchor}"


@pages
def test_a_file_that_is_named_is_there(page: str) -> None:
    named = set(re.findall(rf"(?<![\w./-])((?:{ROOMS})/[\w./-]*)", re.sub(r"https?://\S+", "", PAGES[page])))
    assert [name for name in sorted(named) if not (ROOT / name.rstrip(".")).exists()] == []


def test_every_room_is_in_the_readme() -> None:
    packages = (file.parent for folder in (ROOT, ROOT / "local") for file in folder.glob("*/__init__.py"))
    assert [room for room in packages if f"| `{room.relative_to(ROOT)}/` |" not in PAGES["README.md"]] == []


@pages
def test_a_command_that_is_named_is_there(page: str) -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), flags=re.MULTILINE))
    assert set(re.findall(r"(?:`|^ *)make ([a-z-]+)", PAGES[page], flags=re.MULTILINE)) <= targets
    modules = set(re.findall(r"python -m ((?:local|stacks|runbook)[\w.]*)", PAGES[page]))
    assert [module for module in sorted(modules) if find_spec(module) is None] == []


@pages
def test_a_paragraph_is_one_line(page: str) -> None:
    prose = re.sub(r"^ *```.*?^ *```$|^ {4}.*?$", "", PAGES[page], flags=re.DOTALL | re.MULTILINE)
    assert re.findall(r"^[^|#>\n].*\n {0,3}(?!\d+\. )[\w`*(\[].*$", prose, flags=re.MULTILINE) == []


def test_the_longest_name_of_an_environment_is_the_one_that_aws_allows() -> None:
    around = {kind: len(getattr(PRODUCTION, kind)) - len(PRODUCTION.name) for kind in LONGEST}
    longest = min(LONGEST[kind] - length for kind, length in around.items())
    said = f"up to {longest} characters with the application name `{PRODUCTION.application.name}`"
    assert said in PAGES["docs/deploying.md"]


def test_every_function_is_in_the_picture() -> None:
    drawn = set(re.findall(r">Function ([\w-]+)<", (ROOT / "docs/architecture.svg").read_text()))
    assert {handler.parent.name.replace("_", "-") for handler in (ROOT / "lambdas").glob("*/handler.py")} <= drawn
