"""What stands between an environment and a deployment to AWS: example values, and a production weaker than it should be."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from runbook.rows import ROWS
from stacks.environment import Environment

EXAMPLE_ACCOUNT = "123456789012"
"""AWS's documentation account: nobody deploys to it."""
EXAMPLE_HOSTED_ZONE = "Z0EXAMPLE"
"""How the hosted zones of the shipped files begin."""
RESERVED = "example.com"
"""Nobody's: https://www.rfc-editor.org/rfc/rfc2606"""

EXAMPLE_NOTE = "# Some values are examples"
"""How the line of a shipped file begins that says so."""


@dataclass(frozen=True)
class Example:
    """A key of the shipped files that a team puts its own value to, the pattern of the example, and what is right."""

    key: str
    pattern: str
    should: str


EXAMPLES = (
    Example("account", EXAMPLE_ACCOUNT, 'the account that you deploy to, such as "210987654321"'),
    Example(
        "domain.hosted_zone_id",
        f"{EXAMPLE_HOSTED_ZONE}.*",
        "the id of your hosted zone, as `aws route53 list-hosted-zones` prints it",
    ),
    Example("contacts.email", rf".*[@.]{re.escape(RESERVED)}", "an address that you read: pages go there"),
    Example(
        "docs_url", rf"https://([^/]*\.)?{re.escape(RESERVED)}(/.*)?", "where you read docs/ in a browser: messages link there"
    ),
    Example("procedures.approvers", f"arn:aws:iam::{EXAMPLE_ACCOUNT}:.*", "a role or a user of the account that you deploy to"),
)
"""A value that is left of the shipped files can be told from any real one, with one exception: the domain is the runbook's own,
and belongs to whoever has its hosted zone."""


def examples(settings: Mapping[str, Any]) -> Iterator[str]:
    """A sentence for each value of a shipped file that is still in an environment's settings."""
    for example in EXAMPLES:
        section, _, name = example.key.rpartition(".")
        found = (settings.get(section) or {} if section else settings).get(name)
        for value in found if isinstance(found, list | tuple) else (found,):
            if not isinstance(value, str) or not re.fullmatch(example.pattern, value):
                continue
            yield f'{example.key} = "{value}" is an example and should be {example.should}'
            if name == "hosted_zone_id":
                yield (
                    f'domain.zone = "{settings["domain"]["zone"]}" is an example with it and should be the name of that hosted '
                    'zone, such as "acme.example"'
                )


def undeployable(settings: Mapping[str, Any], credentials: str | None) -> tuple[str, ...]:
    """The same when the credentials at hand are for a real account; of the example account only the local cloud has any."""
    return tuple(examples(settings)) if credentials not in (None, EXAMPLE_ACCOUNT) else ()


def is_production(name: str) -> bool:
    """Whether an environment's name says so: production and prod, alone or as a word of it, such as production-eu."""
    return not {"production", "prod"}.isdisjoint(name.split("-"))


def remarks(environment: Environment) -> Iterator[str]:
    """A sentence for each thing that every CDK command says of an environment, though it goes on."""
    if not environment.protection:
        yield (
            "protection = false should be true once the first deployment has succeeded: until then the stacks and the database "
            "can be deleted by mistake"
        )
    yield from (f"weak production: {sentence}" for sentence in weaknesses(environment))


def weaknesses(environment: Environment) -> Iterator[str]:
    """A sentence for each setting that makes a production environment weaker than it should be; none of any other."""
    if not is_production(environment.name):
        return
    backend, network = environment.backend, environment.network
    if environment.remediation != "on":
        yield f'remediation = "{environment.remediation}": a bad release is not rolled back by itself; "on" does'
    if environment.contacts.nobody:
        yield 'contacts.nobody = true: an outage calls nobody; email = "..." or pagerduty_url_secret does'
    if backend.min_tasks == 1:
        yield "backend.min_tasks = 1: when that one task fails, so does the service; 2 or more survive it"
    if len(network.zones) < 3:
        yield f"network.zones has {len(network.zones)}: when one fails, half of everything is gone; 3 are better"
    for row in ROWS:
        for level, line in environment.lines.get(row.slug, {}).items():
            runbooks = getattr(row, level)
            later = line > runbooks if row.worse == "above" else line < runbooks
            if later and level != "normal" and row.slug != "rds-connections":  # that one goes with max_connections
                yield f"thresholds.{row.slug}.{level} = {line:g}: people are told later than at the runbook's {runbooks:g}"
    if network.nat_gateways < len(network.zones):
        yield (
            f"network.nat_gateways = {network.nat_gateways}: when its zone fails, tasks in other zones reach nothing outside; "
            f"{len(network.zones)}, one in each zone, survive it"
        )
