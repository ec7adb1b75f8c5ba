"""The rules as one table: which cause comes first, by what is read."""

import random
from dataclasses import replace

import pytest

from lambdas.diagnose.facts import Target
from lambdas.diagnose.findings import HYPOTHESES, RULES, last_change, ranked
from runbook.sections import Section
from tests.unit.lambdas.diagnose.cases import CASES, NAMES, ZONED, Case, blinded, changed, misled, quiet, release, row, top

NEEDED_TO_TELL = {
    # What a person could not tell either, without that fact
    "a release leaks memory, deployments unread",
    "a zone fails, targets unread",
    "the cache fails over, cache unread",
}


@pytest.mark.parametrize("case", [*CASES, *ZONED], ids=lambda case: case.name)
def test_the_cause_comes_first(case: Case) -> None:
    assert top(case.facts) == case.cause


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_what_misleads_does_not_change_the_cause(case: Case) -> None:
    chance = random.Random(case.name)  # noqa: S311 - the same each time
    found = {one.name: top(one.facts) for _ in range(5) for one in misled(case, chance)}
    assert found == dict.fromkeys(found, case.cause)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_without_a_fact_it_is_the_cause_or_open(case: Case) -> None:
    wrong = {one.name: top(one.facts) for one in blinded(case) if top(one.facts) not in (case.cause, "unknown")}
    assert wrong.keys() <= NEEDED_TO_TELL


def test_of_a_quiet_hour_nothing_is_known() -> None:
    assert top(quiet()) == "outside"  # nothing of ours was changed
    assert top(replace(quiet(), changes=None)) == "unknown"


def test_every_hypothesis_is_said_with_what_speaks_against_it() -> None:
    found = ranked(quiet(), NAMES)
    assert {one.hypothesis for one in found} == set(HYPOTHESES)
    (release_,) = [one for one in found if one.hypothesis == "release"]
    assert [one.words for one in release_.against] == ["No deployment ended in the 60 min before it began (measured)"]


def test_what_could_not_be_read_is_said_of_each_hypothesis_that_needs_it() -> None:
    found = ranked(replace(quiet(), database=None, missing={"database": "AccessDenied"}), NAMES)
    unknown = {one.hypothesis: [each.text for each in one.against if each.how == "unknown"] for one in found}
    assert unknown["database"] == ["database could not be read: AccessDenied"]
    assert unknown["cache"] == []


def test_a_sentence_says_how_it_is_known() -> None:
    facts = quiet(rows=(row("frontend-availability", 0),))
    assert [one.how for one in ranked(facts, NAMES)[0].for_it] == ["measured", "inferred"]


def test_a_change_after_it_began_is_never_to_blame() -> None:
    facts = quiet(rows=(row("alb-5xx-rate", 30),), changes=(changed("configuration", "stack UPDATE_COMPLETE", 0.5),))
    assert top(facts) != "configuration"
    assert top(quiet(rows=(row("alb-5xx-rate", 30),), deployments=(release(1),))) != "release"


def test_a_zone_is_to_blame_only_while_another_is_well() -> None:
    down = (row("unhealthy-hosts", 100),)
    both = tuple(Target(zone, "unhealthy") for zone in ("us-east-1a", "us-east-1b"))
    assert top(quiet(rows=down, targets=both)) != "zone"


def test_each_command_is_filled_and_each_section_exists() -> None:
    for one in ranked(quiet(), NAMES):
        assert "{" not in one.command.replace("{status:", "")
        assert one.section in {section.value for section in Section}


def test_every_rule_is_of_a_hypothesis_and_counts() -> None:
    assert {hypothesis for hypothesis, *_ in RULES} == set(HYPOTHESES)
    assert all(points for _, points, _, _ in RULES)


def test_every_rule_decides_something() -> None:
    """A rule that says nothing in any case, or whose sentence no case needs, is not there."""
    facts = [one.facts for case in CASES for one in (case, *misled(case, random.Random(1)))]  # noqa: S311
    facts += [quiet(deployments=(release(1),)), *(one.facts for one in ZONED)]
    silent = [(hypothesis, look.__name__) for hypothesis, _, _, look in RULES if not any(map(look, facts))]
    assert silent == []


def test_the_last_change_comes_first() -> None:
    facts = quiet(changes=(changed("other", "first", -30), changed("configuration", "then", -3)))
    assert last_change(facts) == ("11:57:00 UTC then, by ada", "11:30:00 UTC first, by ada")
