"""Sections of the runbook as typed values."""

import json

import pytest

from runbook.sections import Section


def test_a_section_is_its_number() -> None:
    assert Section("3.2") is Section.HIGH_LATENCY
    assert json.dumps({"section": Section.HIGH_LATENCY}) == '{"section": "3.2"}'


def test_a_number_that_the_runbook_does_not_have_is_no_section() -> None:
    with pytest.raises(ValueError, match=r"'9\.9' is not a valid Section"):
        Section("9.9")


def test_its_anchor_is_as_github_makes_it() -> None:
    assert Section.HIGH_ERROR_RATE.anchor == "31-high-error-rate-5xx"


@pytest.mark.parametrize(
    ("url", "link"),
    [("https://x/runbook.md", "3.2 High Latency https://x/runbook.md#32-high-latency"), ("", "3.2 High Latency")],
)
def test_it_links_to_the_runbook_where_there_is_one(url: str, link: str) -> None:
    assert Section.HIGH_LATENCY.link(url) == link
