"""Preflight: asks the user's AWS account what only AWS knows, before anything is made.

It only reads. The credentials are those that the AWS CLI would use. A line says ok; fix, with what to do before `cdk deploy`;
later, for what belongs to a later step; or not known, with what is missing to ask.
"""

import argparse
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import boto3
from botocore.exceptions import BotoCoreError
from rich.console import Console
from rich.text import Text

from local.cloud import CloudError, synthesize
from local.preflight.account import Account
from local.preflight.case import Answer, Case
from local.preflight.checks import CHECKS, IDENTITY
from local.preflight.dns import RESOLVER
from local.preflight.permissions import policy
from local.preflight.plan import Plan
from stacks.config import CONFIG, ConfigError, load

_STYLES = {"ok": "green", "fix": "bold red", "later": "cyan", "not known": "yellow"}


def preflight(case: Case, console: Console) -> Counter[str]:
    """Ask everything, a line for each answer; how many there are of each state."""
    count: Counter[str] = Counter()
    for check in CHECKS:
        with console.status(f"{check.name}: {check.asks}"):
            answers = check.answers(case)
        for answer in answers:
            console.print(_line(check.name, answer))
        count.update(answer.state for answer in answers)
        if check is IDENTITY and not count["ok"]:
            console.print("Nothing else can be asked.")
            return count
    return count


def _line(name: str, answer: Answer) -> Text:
    return Text.assemble((f"{answer.state:<10}", _STYLES[answer.state]), f"{name:<14}", answer.text)


def main(arguments: Sequence[str] | None = None) -> int:
    """Exit status 0 when nothing has to be fixed, 1 when something has to or nothing could be asked, 130 after Ctrl-C."""
    parser = argparse.ArgumentParser(
        prog="python -m local.preflight",
        description=__doc__,
        epilog="what is asked:\n" + "\n".join(f"  {check.name:<14} {check.asks}" for check in CHECKS),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("environment", nargs="?", default="production", metavar="NAME", help="production by default")
    parser.add_argument("--config", type=Path, default=CONFIG, metavar="FOLDER", help="whose environments: config by default")
    parser.add_argument("--resolver", default=RESOLVER, metavar="URL", help=f"where DNS is asked, {RESOLVER} by default")
    parser.add_argument("--policy", action="store_true", help="print the IAM policy that suffices, and ask nothing")
    options = parser.parse_args(arguments)
    if options.policy:
        print(policy())
        return 0
    console = Console(soft_wrap=True, highlight=False)
    try:
        environment = load(options.environment, options.config)
        with console.status("synthesizing"):
            plan = Plan.read(synthesize(options.config) / f"assembly-{environment.name}")
        account = Account(boto3.Session(), environment.region)
        count = preflight(Case(environment, plan, account, options.resolver, options.config.name), console)
    except (CloudError, ConfigError, BotoCoreError) as error:
        console.print(Text(str(error), style="bold red"))
        return 1
    except KeyboardInterrupt:
        console.print("Interrupted.")
        return 130
    console.print(", ".join(f"{count[state]} {state}" for state in _STYLES if count[state]))
    return 0 if count["ok"] and not count["fix"] else 1


if __name__ == "__main__":
    sys.exit(main())
