"""No link of the pages leads nowhere: each goes to a file and a heading that exist."""

import re
from collections.abc import Iterable
from pathlib import Path

import pytest

from local.documents import on_call, runbook
from runbook.alarms import Description, descriptions
from tests.environments import PRODUCTION, STAGING
from tests.markdown import anchors

ROOT = Path(__file__).parents[2]
PAGES = {page: page.read_text(encoding="utf-8") for page in (ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")))}
PAGES |= {
    ROOT / "docs/runbook.md": runbook.render(PRODUCTION, [PRODUCTION, STAGING]),
    ROOT / "docs/on-call.md": on_call.render(PRODUCTION),
}


def links(text: str) -> Iterable[str]:
    """What a page links to; not what stands in code."""
    prose = re.sub(r"(?ms)^```.*?^```|^    .*?$|`[^`]*`", "", text)
    return re.findall(r"\]\(([^)\s]+)\)", prose)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_link_of_a_page_goes_to_a_file_and_a_heading_that_exist(page: Path) -> None:
    for link in links(PAGES[page]):
        target, _, anchor = link.partition("#")
        if re.match(r"https?://", link):
            continue
        file = (page.parent / target).resolve() if target else page
        assert file.exists(), link
        assert not anchor or anchor in anchors(PAGES[file]), link


@pytest.mark.parametrize("description", descriptions().values(), ids=descriptions().keys())
def test_every_alarm_links_a_heading_of_the_runbook(description: Description) -> None:
    assert description.section.anchor in anchors(PAGES[ROOT / "docs/runbook.md"])
