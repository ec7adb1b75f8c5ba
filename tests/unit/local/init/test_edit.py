"""A value is put into a file's text, and everything else of the text stays."""

import tomllib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from local.init.edit import EditError, put, without
from tests.environments import CONFIG

TEXT = """# Production.
account = "1" # where it is deployed
tags = ["a#b", "c"] # two

[domain] # names
zone = "acme.example"

# The network.
[network]
cidr = "10.0.0.0/16"
# commented = 1
"""


@pytest.mark.parametrize(
    ("key", "value", "line"),
    [
        ("account", '"2"', 'account = "2" # where it is deployed'),
        ("tags", '["d"]', 'tags = ["d"] # two'),
        ("domain.zone", '"a\\\\1.org"', 'zone = "a\\\\1.org"'),
    ],
)
def test_a_value_is_replaced_and_its_comment_stays(key: str, value: str, line: str) -> None:
    before, after = TEXT.splitlines(), put(TEXT, key, value).splitlines()
    assert [new for old, new in zip(before, after, strict=True) if old != new] == [line]


@pytest.mark.parametrize(
    ("key", "line", "after"),
    [
        ("region", "region = 7", 'tags = ["a#b", "c"] # two'),
        ("domain.api", "api = 7", 'zone = "acme.example"'),
        ("network.zones", "zones = 7", 'cidr = "10.0.0.0/16"'),
        ("contacts.email", "email = 7", "[contacts]"),
    ],
)
def test_a_missing_key_ends_its_section(key: str, line: str, after: str) -> None:
    lines = put(TEXT, key, "7").splitlines()
    assert lines[lines.index(line) - 1] == after
    section, _, name = key.rpartition(".")
    settings = tomllib.loads(put(TEXT, key, "7"))
    assert (settings[section] if section else settings)[name] == 7


def test_a_key_is_commented_out() -> None:
    assert '# zone = "acme.example"' in without(TEXT, "domain.zone").splitlines()
    assert without(TEXT, "domain.api") == TEXT


def test_a_value_of_many_lines_is_refused() -> None:
    with pytest.raises(EditError, match=r"^zones should be on one line$"):
        put('zones = [\n  "a",\n]\n', "zones", "7")


@given(value=st.text(st.characters(blacklist_categories=("Cs", "Cc")), max_size=30))
def test_any_text_is_put_as_it_is(value: str) -> None:
    literal = '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'
    text = (CONFIG / "production.toml").read_text()
    before, after = tomllib.loads(text), tomllib.loads(put(put(text, "domain.zone", literal), "domain.zone", literal))
    assert after["domain"].pop("zone") == value
    del before["domain"]["zone"]
    assert after == before
