"""Fills the templates of `docs/`, which stand beside this module.

A template's words begin with `@@`: words that the page makes, or properties of the environment, such as `@@domain.api`.
"""

import string
from collections.abc import Iterable, Mapping, Sequence
from operator import attrgetter
from pathlib import Path

from stacks.environment import Environment


class _Page(string.Template):
    delimiter = "@@"  # a dollar is the shell's
    idpattern = r"(?a:[_a-z][_a-z0-9]*(?:\.[_a-z][_a-z0-9]*)*)"  # with dots, for the parts of a property


class _Words(dict[str, str]):
    def __init__(self, environment: Environment, words: Mapping[str, str]) -> None:
        super().__init__(words)
        self._environment = environment

    def __missing__(self, word: str) -> str:
        return str(attrgetter(word)(self._environment))


def fill(template: str, environment: Environment, words: Mapping[str, str]) -> str:
    """The page that a template makes of an environment and the page's own words; AttributeError for a word that nobody has."""
    return _Page(Path(__file__).with_name(template).read_text(encoding="utf-8")).substitute(_Words(environment, words))


def table(headings: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table in Markdown."""
    return "\n".join(f"| {' | '.join(cells)} |" for cells in (headings, ["---"] * len(headings), *rows))
