"""What is said of an environment before it goes to AWS."""

import tomllib
from typing import Any

import pytest

from local.init.edit import put
from stacks.config import CONFIG, names, parsed, read
from stacks.readiness import EXAMPLE_ACCOUNT, examples, is_production, remarks, undeployable, weaknesses
from tests import environments
from tests.environments import PRODUCTION, STAGING, VARIANTS

SETTINGS = read(environments.CONFIG / "production.toml")


@pytest.mark.parametrize(("credentials", "refused"), [(None, False), (EXAMPLE_ACCOUNT, False), ("999988887777", True)])
def test_examples_are_refused_with_credentials_for_aws_and_not_for_the_local_cloud(
    credentials: str | None, *, refused: bool
) -> None:
    assert bool(undeployable(SETTINGS, credentials)) == refused


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("account", "123456789012"),
        ("docs_url", "https://git.example.com/hz-navigator/operations/blob/main/docs"),
        ("docs_url", "https://example.com"),
        ("domain.hosted_zone_id", "Z0EXAMPLEPROD"),
        ("contacts.email", "on-call@example.com"),
        ("contacts.email", "on-call@eu.example.com"),
        ("procedures.approvers", "arn:aws:iam::123456789012:role/approvers"),
    ],
)
def test_one_example_value_alone_is_found(key: str, value: str) -> None:
    own = {
        "account": "210987654321",
        "docs_url": "https://git.acme.example/docs",
        "domain": {"zone": "hz-navigator.com", "hosted_zone_id": "Z08194101P8EXK"},
        "contacts": {"email": "on-call@acme.example"},
        "procedures": {"approvers": "arn:aws:iam::210987654321:role/approvers"},
    }
    assert list(examples(own)) == []
    section, _, name = key.rpartition(".")
    settings: dict[str, Any] = {**own, section: {**own[section], name: value}} if section else {**own, name: value}  # type: ignore[dict-item]
    said = list(examples(settings))
    assert said[0].startswith(f'{key} = "{value}" is an example and should be ')
    assert len(said) == (2 if name == "hosted_zone_id" else 1)  # the zone goes with its id


@pytest.mark.parametrize("protection", [True, False])
def test_an_environment_that_can_be_deleted_is_said_whatever_its_name(*, protection: bool) -> None:
    said = [one.partition(":")[0] for one in remarks(STAGING.model_copy(update={"protection": protection}))]
    assert said == ([] if protection else ["protection = false should be true once the first deployment has succeeded"])


def test_the_values_of_other_tests_are_no_examples() -> None:
    assert [list(examples(one.model_dump())) for one in VARIANTS.values()] == [[], []]


def test_nothing_of_the_shipped_files_is_anybodys() -> None:
    """Pages, links and deployments that somebody forgot to change reach nobody else."""
    for settings in (read(CONFIG / f"{name}.toml") for name in names(CONFIG)):
        if settings["account"] == EXAMPLE_ACCOUNT:
            keys = ["account", "domain.hosted_zone_id", "domain.zone", "contacts.email", "docs_url"]
            keys += ["procedures.approvers"]
            assert [said.partition(" =")[0] for said in examples(settings)] == keys


@pytest.mark.parametrize(
    ("name", "production"),
    [
        ("production", True),
        ("prod", True),
        ("production-eu", True),
        ("eu-prod", True),
        ("staging", False),
        ("reproduction", False),
    ],
)
def test_production_is_what_its_name_says(name: str, *, production: bool) -> None:
    assert is_production(name) == production


WEAK = {
    "remediation": ('"off"', 'remediation = "off": a bad release is not rolled back by itself; "on" does'),
    "backend.min_tasks": ("1", "backend.min_tasks = 1: when that one task fails, so does the service; 2 or more survive it"),
    "thresholds.rds-cpu.critical": ("99", "thresholds.rds-cpu.critical = 99: people are told later than at the runbook's 90"),
    "thresholds.api-availability.warning": (
        "90",
        "thresholds.api-availability.warning = 90: people are told later than at the runbook's 99",
    ),
    "network.nat_gateways": (
        "1",
        "network.nat_gateways = 1: when its zone fails, tasks in other zones reach nothing outside; 3, one in each zone, survive it",
    ),
}


@pytest.mark.parametrize("key", WEAK)
def test_what_makes_production_weaker_is_said(key: str) -> None:
    value, sentence = WEAK[key]
    text = put((environments.CONFIG / "production.toml").read_text(), key, value)
    assert list(weaknesses(parsed("production", tomllib.loads(text), environments.CONFIG))) == [sentence]
    assert list(weaknesses(parsed("review-7", tomllib.loads(text), environments.CONFIG))) == []


@pytest.mark.parametrize(
    ("key", "value"), [("rds-cpu.critical", "80"), ("api-availability.warning", "99.5"), ("rds-cpu.normal", "70")]
)
def test_a_stricter_line_is_not_weaker(key: str, value: str) -> None:
    text = put((environments.CONFIG / "production.toml").read_text(), f"thresholds.{key}", value)
    assert list(weaknesses(parsed("production", tomllib.loads(text), environments.CONFIG))) == []


def test_the_shipped_production_is_not_weak_and_staging_may_be() -> None:
    assert list(weaknesses(PRODUCTION)) == []
    assert STAGING.backend.min_tasks == 1
    assert list(weaknesses(STAGING)) == []
