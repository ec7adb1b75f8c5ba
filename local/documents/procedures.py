"""The page of the procedures, and their list: `python -m local.documents.procedures [ENVIRONMENT]` prints a line for each.

The page's text is `procedures.md.template`; what each procedure is comes from `procedures/`.
"""

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console

from local.documents.markdown import fill, table
from procedures.catalog import PROCEDURES
from procedures.documents import APPROVAL_HOURS, inputs
from procedures.model import Input, Procedure
from stacks.config import CONFIG, ConfigError, load
from stacks.environment import Environment


def render(environment: Environment) -> str:
    """The page of an environment, in Markdown."""
    words = {
        "list": table(("Procedure", "What it does", "Takes", "Approval", "Runbook"), map(_line, PROCEDURES)),
        "lease": f"{max(one.minutes for one in PROCEDURES)} min",
        "approval_hours": str(APPROVAL_HOURS),
        "policy": json.dumps(policy(environment), indent=2),
        "procedures": "\n\n".join(_section(environment, one) for one in PROCEDURES),
    }
    return fill("procedures.md.template", environment, words)


def command(environment: Environment, procedure: Procedure) -> str:
    """What to type, as a dry run where it changes something, with an example of every input that has to be given."""
    given = {"DryRun": "true"} if procedure.changes else {}
    given |= {one.name: one.default or one.example for one in inputs(procedure)[1:] if one.default != ""}
    values = ",".join(f'{name}="{value}"' for name, value in given.items())
    lines = ["aws ssm start-automation-execution", f"--document-name {environment.document(procedure.name)}"]
    return " \\\n  ".join([*lines, *([f"--parameters '{values}'"] if values else [])])


def policy(environment: Environment) -> dict[str, object]:
    """The permissions of somebody who may start every procedure, follow it, stop it and approve it, and see the incident."""
    documents = [environment.document(one.name) for one in PROCEDURES]
    executions = environment.arn("ssm", "automation-execution/*")
    ssm = [environment.arn("ssm", f"document/{one}") for one in documents]
    ssm += [environment.arn("ssm", f"automation-definition/{one}:*") for one in documents]
    follow = ("DescribeAutomationStepExecutions", "GetAutomationExecution", "SendAutomationSignal", "StopAutomationExecution")
    statements = [
        {"Effect": "Allow", "Action": "ssm:StartAutomationExecution", "Resource": [*ssm, executions]},
        {"Effect": "Allow", "Action": [f"ssm:{one}" for one in follow], "Resource": executions},
        {
            "Effect": "Allow",
            "Action": "iam:PassRole",
            "Resource": [environment.role_arn(one) for one in documents],
            "Condition": {"StringEquals": {"iam:PassedToService": "ssm.amazonaws.com"}},
        },
        {"Effect": "Allow", "Action": "lambda:InvokeFunction", "Resource": environment.function_arn("incident-page")},
    ]
    return {"Version": "2012-10-17", "Statement": statements}


def _line(procedure: Procedure) -> tuple[str, ...]:
    link = f"[`{procedure.name}`](#{procedure.name})"
    return link, procedure.effect, procedure.duration, _approval(procedure), procedure.section.value


def _approval(procedure: Procedure) -> str:
    return "another person's" if procedure.approval else "none"


def _section(environment: Environment, procedure: Procedure) -> str:
    """A procedure's heading, its form, its command, its inputs and its steps."""
    name = environment.document(procedure.name)
    form = environment.console(f"systems-manager/automation/execute/{name}?region={environment.region}")
    facts = (
        ("takes", procedure.duration),
        ("approval", _approval(procedure)),
        ("locks", ", ".join(f"the {one}" for one in procedure.locks) if procedure.changes else "nothing: it only reads"),
        ("is undone", procedure.undo),
        ("runbook", f"[{procedure.section.heading}](runbook.md#{procedure.section.anchor})"),
    )
    steps = [f"{number}. `{step.name}`: {step.what}" for number, step in enumerate(procedure.steps, 1)]
    parts = (
        f"### {procedure.name}",
        f"{procedure.effect} [The form]({form}).",
        f"```bash\n{command(environment, procedure)}\n```",
        table(("", ""), facts),
        table(("Input", "What", "Unless given"), map(_input, inputs(procedure))),
        "\n".join(steps),
    )
    return "\n\n".join(parts)


def _input(one: Input) -> tuple[str, ...]:
    default = "it has to be" if one.default is None else f"`{one.default}`" if one.default else "nothing"
    return f"`{one.name}`", one.what, default


def main(arguments: Sequence[str] | None = None, folder: Path = CONFIG) -> int:
    """Print a line for each procedure; 1 after a sentence that says what is wrong."""
    parser = argparse.ArgumentParser(prog="python -m local.documents.procedures", description="The procedures, one line each.")
    parser.add_argument("environment", nargs="?", default="production", help="a file of config/, without .toml")
    name = parser.parse_args(arguments).environment
    console = Console(soft_wrap=True, highlight=False)
    try:
        environment = load(name, folder)
    except ConfigError as error:
        console.print(str(error), style="bold red", markup=False)
        return 1
    width = max(len(environment.document(one.name)) for one in PROCEDURES)
    for one in PROCEDURES:
        approved = " Another person approves it." if one.approval else ""
        console.print(f"{environment.document(one.name):{width}}  {one.effect}{approved}", markup=False)
    return 0


if __name__ == "__main__":
    sys.exit(main())
