"""`make init`: a team's values in the place of the shipped examples, or one environment more."""

import os
import pty
import re
import select
import shutil
import signal
import subprocess
import sys
import time
import tomllib
from collections.abc import Iterator
from pathlib import Path

import boto3
import pytest

from local.init.__main__ import main
from local.init.edit import put, without
from stacks.config import load, load_all
from stacks.readiness import EXAMPLE_NOTE, examples
from tests.environments import CONFIG
from tests.unit.account import empty_account

ROOT = Path(__file__).parents[4]
VALUES = {
    "--account": "210987654321",
    "--domain": "acme.example",
    "--hosted-zone-id": "Z08194101P8EXK",
    "--email": "on-call@acme.example",
    "--docs-url": "https://git.acme.example/operations/docs",
    "--approvers": "arn:aws:iam::210987654321:role/approvers",
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return Path(shutil.copytree(CONFIG, tmp_path / "config"))


@pytest.fixture(autouse=True)
def _no_credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_PROFILE", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_ENDPOINT_URL"):
        monkeypatch.delenv(name, raising=False)
    for name in ("AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"):
        monkeypatch.setenv(name, os.devnull)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")


@pytest.fixture
def account(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """Credentials for an account that answers."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    with empty_account():
        yield str(boto3.client("sts", region_name="us-east-1").get_caller_identity()["Account"])


def init(folder: Path, name: str = "production", *flags: str, **changed: str | None) -> int:
    """Run it with every option, some of them changed, and without those that are None."""
    values = VALUES | {f"--{option.replace('_', '-')}": value for option, value in changed.items()}
    given = [part for option, value in values.items() if value is not None for part in (option, value)]
    return main([name, "--config", str(folder), "--yes", *flags, *given])


def test_the_first_environment_takes_the_place_of_the_example(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert init(folder) == 0
    made = load("production", folder)
    assert (made.account, made.domain.zone, made.domain.frontend, made.domain.api) == (
        "210987654321", "acme.example", "app.acme.example", "api.acme.example",
    )  # fmt: skip
    assert made.contacts.email == "on-call@acme.example"
    assert not list(examples(made.model_dump()))
    said = capsys.readouterr().out
    assert "cdk bootstrap aws://210987654321/us-east-1\n" in said
    assert "config/staging.toml is still an example: `make init ENV=staging`, or delete it." in said


def test_only_the_values_and_the_note_of_the_example_change(folder: Path) -> None:
    before = (folder / "production.toml").read_text().splitlines()
    assert init(folder) == 0
    after = (folder / "production.toml").read_text().splitlines()
    before = [line for line in before if not line.startswith(EXAMPLE_NOTE)]
    assert len(before) == len(after)
    changed = [new.partition(" ")[0] for old, new in zip(before, after, strict=True) if old != new]
    assert changed == ["account", "docs_url", "zone", "hosted_zone_id", "frontend", "api", "email", "approvers"]
    assert [line.partition("#")[2] for line in before] == [line.partition("#")[2] for line in after]


def test_the_shipped_files_say_that_they_are_examples() -> None:
    for name in ("production", "staging"):
        text = (CONFIG / f"{name}.toml").read_text()
        assert f"\n{EXAMPLE_NOTE}" in text
        assert len(list(examples(tomllib.loads(text)))) == 6


def test_again_it_writes_the_same(folder: Path) -> None:
    assert init(folder) == 0
    once = (folder / "production.toml").read_bytes()
    assert init(folder) == 0
    assert (folder / "production.toml").read_bytes() == once


def test_both_environments_then_more_of_them(folder: Path) -> None:
    hosts = {"frontend": "app.{}.acme.example", "api": "api.{}.acme.example"}
    for name in ("production", "staging", "review-7", "prod-eu"):
        own = {key: host.format(name) for key, host in hosts.items()}
        assert init(folder, name, frontend=own["frontend"], api=own["api"], docs_url=None, email="nobody") == 0
    made = {environment.name: environment for environment in load_all(folder)}
    assert {name: one.network.cidr for name, one in made.items()} == {
        "production": "10.0.0.0/16",
        "staging": "10.1.0.0/16",
        "review-7": "10.2.0.0/16",
        "prod-eu": "10.3.0.0/16",
    }
    assert made["review-7"].backend.min_tasks == made["staging"].backend.min_tasks  # as staging
    assert made["prod-eu"].backend.min_tasks == made["production"].backend.min_tasks  # as production
    assert made["review-7"].contacts.nobody
    text = (folder / "review-7.toml").read_text()
    assert text.startswith("# Review-7. Only what differs")
    assert "hz-navigator-review-7-pagerduty-url" in text
    assert "staging" not in text


def test_an_environment_like_another_is_not_yet_protected(folder: Path) -> None:
    assert init(folder) == 0
    file = folder / "production.toml"
    file.write_text(put(file.read_text(), "protection", "true"))
    assert init(folder, "prod-eu", frontend="app.eu.acme.example", api="api.eu.acme.example") == 0
    assert tomllib.loads((folder / "prod-eu.toml").read_text())["protection"] is False
    assert init(folder) == 0
    assert tomllib.loads(file.read_text())["protection"] is True


def test_hosts_that_another_environment_has_are_not_proposed(folder: Path) -> None:
    assert init(folder) == 0
    assert init(folder, "review-7") == 0
    domain = load("review-7", folder).domain
    assert (domain.frontend, domain.api) == ("app.review-7.acme.example", "api.review-7.acme.example")


def test_values_of_a_team_are_not_replaced_without_force(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert init(folder) == 0
    before = (folder / "production.toml").read_bytes()
    assert init(folder, domain="other.org") == 1
    assert capsys.readouterr().err == "config/production.toml has values of its own: --force puts these in their place\n"
    assert (folder / "production.toml").read_bytes() == before
    assert init(folder, "production", "--force", domain="other.org") == 0
    assert load("production", folder).domain.zone == "other.org"


@pytest.mark.parametrize("option", ["account", "domain", "hosted_zone_id", "email"])
def test_what_nothing_can_be_proposed_for_is_needed(option: str, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert init(folder, **{option: None}) == 1
    assert re.fullmatch(rf"--{option.replace('_', '-')} is needed: .+\n", capsys.readouterr().err)
    assert (folder / "production.toml").read_bytes() == (CONFIG / "production.toml").read_bytes()


@pytest.mark.parametrize(
    ("option", "value", "said"),
    [
        ("account", "1234", 'account = "1234" should be the 12 digits of an AWS account'),
        ("region", "us-east-9", 'region = "us-east-9" should be a region of AWS'),
        ("hosted_zone_id", "acme.example", 'domain.hosted_zone_id = "acme.example" should be the id of a hosted zone'),
        ("domain", "", "--domain is needed"),
        ("zones", "us-east-1a,us-east-1z", 'network.zones has "us-east-1z", which should be the name of a zone'),
        ("cidr", "8.8.0.0/16", 'network.cidr = "8.8.0.0/16" should be a block from /16 to /22 of a private range'),
        ("frontend", "app.other.org", 'domain.frontend = "app.other.org" should be a name inside domain.zone'),
        ("email", "on-call@example.com", 'contacts.email = "on-call@example.com" is an example'),
        ("docs_url", "http://acme.example", 'docs_url = "http://acme.example" should be an https address'),
    ],
)
def test_a_wrong_value_is_told_and_nothing_is_written(
    option: str, value: str, said: str, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert init(folder, **{option: value}) == 1
    error = capsys.readouterr().err
    assert said in error
    assert len(error.splitlines()) == 1
    assert (folder / "production.toml").read_bytes() == (CONFIG / "production.toml").read_bytes()


def test_a_name_that_is_too_long_is_told(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert init(folder, "production-frankfurt", frontend="a.acme.example", api="b.acme.example") == 1
    assert "the environment's name should be at most 15 characters" in capsys.readouterr().err
    assert not (folder / "production-frankfurt.toml").exists()


def test_the_account_and_its_zones_are_proposed_when_it_answers(folder: Path, account: str) -> None:
    assert init(folder, account=None, region="eu-central-1", approvers=None) == 0
    made = load("production", folder)
    seen = boto3.client("ec2", region_name="eu-central-1").describe_availability_zones()["AvailabilityZones"]
    assert made.account == account != "210987654321"
    assert list(made.network.zones) == sorted(zone["ZoneName"] for zone in seen)[:3]


def test_the_zones_of_another_account_are_not_proposed(folder: Path, account: str) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("local.init.__main__.Account.zones", lambda *_: pytest.fail("asked the wrong account"))
        assert init(folder) == 0
    assert load("production", folder).network.zones == ("us-east-1a", "us-east-1b", "us-east-1c")


def test_fewer_zones_have_fewer_nat_gateways(folder: Path) -> None:
    assert init(folder, zones="us-east-1b, us-east-1d") == 0
    made = load("production", folder)
    assert (made.network.zones, made.network.nat_gateways) == (("us-east-1b", "us-east-1d"), 2)


def test_without_a_file_to_begin_with_it_says_how_to_get_one(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = tmp_path / "config"
    folder.mkdir()
    shutil.copy(CONFIG / "application.toml", folder)
    assert init(folder) == 1
    assert capsys.readouterr().err == (
        "config/ should have a file of an environment to begin with: `git checkout config/` brings it back\n"
    )


def test_the_applications_file_is_no_environments(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert init(folder, "application", "--force") == 1
    assert capsys.readouterr().err == "config/application.toml describes no environment: choose another name\n"
    assert (folder / "application.toml").read_bytes() == (CONFIG / "application.toml").read_bytes()


def test_a_source_that_is_wrong_is_told(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = folder / "production.toml"
    file.write_text(without(file.read_text(), "network.zones"))
    assert init(folder) == 1
    assert capsys.readouterr().err.startswith("config/production.toml: network.zones is missing and should be ")


# At a terminal


class Terminal:
    """`python -m local.init` at a terminal of its own."""

    def __init__(self, folder: Path) -> None:
        self.master, slave = pty.openpty()
        self.seen = ""
        self.process = subprocess.Popen(
            [sys.executable, "-m", "local.init", "--config", folder],
            cwd=ROOT,
            env={**os.environ, "TERM": "dumb", "COLUMNS": "200"},
            stdin=slave,
            stdout=slave,
            stderr=slave,
        )
        os.close(slave)

    def until(self, text: str) -> None:
        """Read until the text is there."""
        end = time.monotonic() + 60
        while text not in self.seen:
            assert time.monotonic() < end, self.seen
            if select.select([self.master], [], [], 1)[0]:
                self.seen += os.read(self.master, 4096).decode()
            else:
                assert self.process.poll() is None, self.seen

    def type(self, line: str) -> None:
        os.write(self.master, f"{line}\n".encode())

    def close(self) -> None:
        self.process.kill()
        self.process.wait()
        os.close(self.master)


@pytest.fixture
def terminal(folder: Path) -> Iterator[Terminal]:
    opened = Terminal(folder)
    yield opened
    opened.close()


def test_at_a_terminal_it_asks_and_asks_again_for_what_is_wrong(terminal: Terminal, folder: Path) -> None:
    answers = {
        "AWS account": "1234",
        "should be the 12 digits": "210987654321",
        "Region (us-east-1)": "",
        "Name of the hosted zone": "acme.example",
        "Id of the hosted zone": "Z08194101P8EXK",
        "frontend (app.acme.example)": "",
        "API (api.acme.example)": "",
        "Availability zones": "",
        "CIDR block": "",
        "E-mail address": "on-call@acme.example",
        "Where docs/ is read": "",
        "that approve procedures": "arn:aws:iam::210987654321:role/a, arn:aws:iam::210987654321:user/b",
    }
    for question, answer in answers.items():
        terminal.until(question)
        terminal.type(answer)
    terminal.until("is written")
    assert terminal.process.wait() == 0
    made = load("production", folder)
    assert (made.account, made.domain.api, made.docs_url) == ("210987654321", "api.acme.example", None)
    assert made.procedures.approvers == ("arn:aws:iam::210987654321:role/a", "arn:aws:iam::210987654321:user/b")


def test_an_interrupt_prints_one_line_and_leaves_nothing(terminal: Terminal, folder: Path) -> None:
    terminal.until("AWS account")
    terminal.type("210987654321")
    terminal.until("Region")
    terminal.process.send_signal(signal.SIGINT)
    terminal.until("Interrupted: nothing is written.")
    assert terminal.process.wait() == 130
    assert "Traceback" not in terminal.seen
    assert sorted(file.name for file in folder.iterdir()) == ["application.toml", "production.toml", "staging.toml"]
    assert (folder / "production.toml").read_bytes() == (CONFIG / "production.toml").read_bytes()
