"""Writes the file of an environment with your own values: the first, in the place of the shipped examples, or one more.

`make init ENV=NAME` asks for what is not given as an option, and proposes what it can.
"""

import argparse
import ipaddress
import json
import sys
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError
from rich.console import Console
from rich.prompt import Prompt

from local.init.edit import EditError, put, without
from stacks import catalog
from stacks.config import APPLICATION, CONFIG, ConfigError, apart, free_block, load, load_application, names, parsed, read
from stacks.readiness import EXAMPLE_NOTE, examples, is_production


class InitError(Exception):
    """Why no file was written; the message is one sentence a problem."""


class Account:
    """What AWS says to the credentials at hand; nothing without any, or where they may not ask."""

    @cached_property
    def id(self) -> str:
        """The account that the credentials are for."""
        return str(self._ask("sts", "us-east-1", "get_caller_identity", "Account") or "")

    def zones(self, region: str) -> list[str]:
        """The availability zones that the account sees in a region."""
        kinds = {"zone-type": "availability-zone", "state": "available"}
        filters = [{"Name": name, "Values": [value]} for name, value in kinds.items()]
        found = self._ask("ec2", region, "describe_availability_zones", "AvailabilityZones", Filters=filters)
        return sorted(zone["ZoneName"] for zone in found or ())

    @staticmethod
    def _ask(service: str, region: str, operation: str, member: str, **arguments: Any) -> Any:
        patience = Config(connect_timeout=5, read_timeout=10, retries={"total_max_attempts": 1})
        try:
            client = boto3.client(service, region_name=region, config=patience)  # type: ignore[call-overload]
            return getattr(client, operation)(**arguments)[member]
        except (BotoCoreError, ClientError):
            return None


@dataclass(frozen=True)
class Question:
    """A key of the file, the option that answers for it, and what to ask for; `needed` when there has to be an answer."""

    key: str
    option: str
    text: str
    needed: bool = True


QUESTIONS = (
    Question("account", "account", "AWS account, 12 digits"),
    Question("region", "region", "Region"),
    Question("domain.zone", "domain", "Name of the hosted zone, such as acme.example"),
    Question("domain.hosted_zone_id", "hosted-zone-id", "Id of the hosted zone, as `aws route53 list-hosted-zones` prints it"),
    Question("domain.frontend", "frontend", "Host name of the frontend"),
    Question("domain.api", "api", "Host name of the API"),
    Question("network.zones", "zones", "Availability zones, with commas between them"),
    Question("network.cidr", "cidr", "CIDR block of the network"),
    Question("contacts.email", "email", "E-mail address that pages go to; nobody, if nobody is to be told"),
    Question("docs_url", "docs-url", "Where docs/ is read in a browser, if anywhere", needed=False),
    Question(
        "procedures.approvers",
        "approvers",
        "ARNs of the roles or users that approve procedures, with commas between them, if anybody does",
        needed=False,
    ),
)
NOBODY = "nobody"
_FOLLOWS = {"network.zones": "region"} | dict.fromkeys(
    ("domain.hosted_zone_id", "domain.frontend", "domain.api"), "domain.zone"
)
"""What the file has for a key is no proposal any more when another has changed."""


class Draft:
    """The text of a file on its way from a source to an environment of its own."""

    def __init__(self, folder: Path, name: str, like: str | None) -> None:
        self.folder, self.name, self.file = folder, name, folder / f"{name}.toml"
        if name == APPLICATION:
            raise InitError(f"{folder.name}/{APPLICATION}.toml describes no environment: choose another name")
        self.others = [load(other, folder) for other in names(folder) if other != name]
        source = self.file if name in names(folder) and not like else folder / f"{like or self._usual()}.toml"
        self.settings = read(source)
        parsed(source.stem, self.settings, folder, finished=False)  # says what is wrong with it
        self.owned = source == self.file and not any(examples(self.settings))
        self.text = source.read_text(encoding="utf-8")
        self.text = "\n".join(line for line in self.text.split("\n") if not line.startswith(EXAMPLE_NOTE))
        if source != self.file:
            self._rename(source.stem)

    def _usual(self) -> str:
        """The environment that a new one is most like."""
        known = [other.name for other in self.others]
        if not known:
            where = f"{self.folder.name}/"
            raise InitError(
                f"{where} should have a file of an environment to begin with: `git checkout {where}` brings it back"
            )
        usual = "production" if is_production(self.name) else "staging"
        return usual if usual in known else known[0]

    def _rename(self, source: str) -> None:
        """Take the source's name out, and what is true of it only."""
        prefix = load_application(self.folder).name
        self.text = self.text.replace(f"{prefix}-{source}-", f"{prefix}-{self.name}-")
        self.text = self.text.replace(f"# {source.capitalize()}.", f"# {self.name.capitalize()}.")
        self.text = put(self.text, "protection", "false")  # until its first deployment has succeeded

    def proposal(self, key: str, account: Account) -> str:
        """What a key most likely is to be: what the file has, or what follows from the answers so far and from the account."""
        now = tomllib.loads(self.text)
        of = _FOLLOWS.get(key, key)
        if self.owned and _at(now, of) == _at(self.settings, of) and (old := _at(self.settings, key)):
            return ",".join(old) if isinstance(old, list) else str(old)
        proposals = {
            "account": lambda: account.id,
            "region": lambda: str(now["region"]),
            "domain.frontend": lambda: self._host("app", now["domain"]["zone"]),
            "domain.api": lambda: self._host("api", now["domain"]["zone"]),
            "network.zones": lambda: ",".join(self._zones(now["account"], now["region"], account)),
            "network.cidr": lambda: self._block(now["network"]["cidr"]),
            "contacts.email": lambda: NOBODY if self.owned else "",
        }
        return proposals[key]() if key in proposals else ""

    def _host(self, first: str, zone: str) -> str:
        """A host name of the zone, below the environment's own name when another environment has the short one."""
        host = f"{first}.{zone}"
        taken = {name for other in self.others for name in (other.domain.frontend, other.domain.api)}
        return f"{first}.{self.name}.{zone}" if host in taken else host

    def _zones(self, number: str, region: str, account: Account) -> Sequence[str]:
        """As many zones as the source has: of those that the account sees, where the credentials are for it."""
        seen = account.zones(region) if account.id == number else []
        return (seen or catalog.zones(region))[: len(self.settings["network"]["zones"])]

    def _block(self, cidr: str) -> str:
        """The block that the file has, or a free one when another environment has it."""
        block = ipaddress.ip_network(cidr)
        taken = any(block.overlaps(ipaddress.ip_network(other.network.cidr)) for other in self.others)
        return free_block(self.others) if taken else cidr

    def answer(self, key: str, value: str) -> None:
        """Put an answer into the text."""
        if key == "network.zones":
            zones = [zone.strip() for zone in value.split(",")]
            self.text = put(self.text, key, json.dumps(zones))
            gateways = min(len(zones), self.settings["network"]["nat_gateways"])
            self.text = put(self.text, "network.nat_gateways", str(gateways))
        elif key == "procedures.approvers" and value:
            self.text = put(self.text, key, json.dumps([one.strip() for one in value.split(",")]))
        elif key == "contacts.email" and value == NOBODY:
            self.text = put(without(self.text, key), "contacts.nobody", "true")
        else:
            self.text = put(self.text, key, json.dumps(value, ensure_ascii=False)) if value else without(self.text, key)
        if key == "contacts.email" and value != NOBODY:
            self.text = without(self.text, "contacts.nobody")

    def problems(self, key: str = "") -> list[str]:
        """What is wrong with the text, or with one of its keys, each in a sentence."""
        try:
            environment = parsed(self.name, tomllib.loads(self.text), self.folder)
            apart(self.folder, [*self.others, environment])
        except ConfigError as error:
            start = f"{self.folder.name}/{self.file.name}: {key}" if key else ""
            return [sentence for sentence in str(error).splitlines() if sentence.startswith(start)]
        return []

    def write(self, *, force: bool) -> None:
        """Put the file there at once, or not at all; InitError when it would replace somebody's own."""
        if problems := self.problems():
            raise InitError("\n".join(problems))
        changed = self.file.exists() and self.text != self.file.read_text(encoding="utf-8")
        if changed and not force and not any(examples(read(self.file))):
            raise InitError(f"{self.folder.name}/{self.file.name} has values of its own: --force puts these in their place")
        new = self.file.with_suffix(".new")
        try:
            new.write_text(self.text, encoding="utf-8")
            new.replace(self.file)
        finally:
            new.unlink(missing_ok=True)

    def next(self) -> str:
        """What to do with the file, as commands."""
        environment = parsed(self.name, tomllib.loads(self.text), self.folder)
        targets = " ".join(f"aws://{environment.account}/{region}" for region in sorted({environment.region, "us-east-1"}))
        unready = [other.name for other in self.others if any(examples(other.model_dump()))]
        lines = [
            f"{self.folder.name}/{self.file.name} is written. Next (docs/deploying.md has every step):",
            "",
            "  make docs",
            "  export PATH=$PWD/node_modules/.bin:$PWD/.venv/bin:$PATH",
            f"  make preflight ENV={self.name}",
            f"  cdk bootstrap {targets}",
            f"  cdk deploy {self.name}/registry",
        ]
        for name in unready:
            lines += ["", f"{self.folder.name}/{name}.toml is still an example: `make init ENV={name}`, or delete it."]
        return "\n".join(lines)


def _at(settings: Mapping[str, Any], key: str) -> Any:
    section, _, name = key.rpartition(".")
    return (settings.get(section, {}) if section else settings).get(name)


def fill(draft: Draft, options: argparse.Namespace, account: Account, console: Console | None) -> None:
    """Answer every question from its option, from the console, or with what is proposed; InitError where nothing is."""
    for question in QUESTIONS:
        given = getattr(options, question.option.replace("-", "_"))
        proposal = draft.proposal(question.key, account) if given is None else ""
        while True:
            value = given or proposal
            if given is None and console:
                value = Prompt.ask(question.text, console=console, default=proposal or None, show_default=bool(proposal)) or ""
            if value or not question.needed:
                draft.answer(question.key, value.strip())
                problems = draft.problems(question.key)
            else:
                problems = [f"--{question.option} is needed: {question.text}"]
            if not problems:
                break
            if given is not None or not console:
                raise InitError("\n".join(problems))
            console.print("\n".join(problems), style="bold red", highlight=False, markup=False)


def main(arguments: Sequence[str] | None = None) -> int:
    """Exit status 0; 1 after a sentence that says what is wrong; 130 after an interrupt, with nothing written."""
    parser = argparse.ArgumentParser(
        prog="python -m local.init", description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("environment", nargs="?", default="production", help="its name, production by default")
    for question in QUESTIONS:
        parser.add_argument(f"--{question.option}", metavar="VALUE", help=question.text)
    parser.add_argument("--like", metavar="NAME", help="the environment to take all else from: the file itself, or the nearest")
    parser.add_argument("--yes", action="store_true", help="ask nothing: take what is proposed")
    parser.add_argument("--force", action="store_true", help="change a file that has values of its own")
    parser.add_argument("--config", type=Path, default=CONFIG, metavar="FOLDER", help="where it is written: config by default")
    options = parser.parse_args(arguments)
    console = Console(soft_wrap=True) if sys.stdin.isatty() and not options.yes else None
    try:
        draft = Draft(options.config, options.environment, options.like)
        fill(draft, options, Account(), console)
        draft.write(force=options.force)
    except (ConfigError, InitError, EditError) as error:
        print(error, file=sys.stderr)
        return 1
    except (KeyboardInterrupt, EOFError):
        print("\nInterrupted: nothing is written.", file=sys.stderr)
        return 130
    print(draft.next())
    return 0


if __name__ == "__main__":
    sys.exit(main())
