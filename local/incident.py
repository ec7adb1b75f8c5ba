"""Reads the record of an incident: its times, its impact, where its post-mortem is, and what happened line by line; without a
name, the newest incidents.

It only reads the table of records of the environment. The credentials are those that the AWS CLI would use; in `make shell`
they are the local cloud's.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

import boto3
from botocore.exceptions import BotoCoreError, ClientError

from lambdas.common.record.incident import Entry
from lambdas.common.record.store import Records
from lambdas.common.record.words import exported, figures, timeline
from lambdas.postmortem.document import folder
from stacks.config import CONFIG, ConfigError, load

_NEWEST = 20


class NoIncidentError(Exception):
    """There is no incident of a name; the message says which there are."""


def show(records: Records, name: str, bucket: str, export: Path | None) -> str:
    """The words for an incident, whose post-mortem is in a bucket; it is written as JSON to a file if one is named.

    NoIncidentError where there is none of that name; raises what AWS raises."""
    incident = records.read(name)
    if not incident.events:
        names = ", ".join(entry.name for entry in records.entries(_NEWEST)) or "none so far"
        raise NoIncidentError(f"There is no incident {name}. The newest are: {names}.")
    if export:
        export.write_text(exported(incident), encoding="utf-8")
    severity = f", {incident.severity}" if incident.severity else ""
    state = "resolved" if incident.resolved else "closed" if incident.closed else "open"
    impact = f"\n{incident.impact.words}" if incident.impact else ""
    drafted = f"\nPost-mortem: s3://{bucket}/{folder(incident)}/post-mortem.md, and .html" if incident.closed else ""
    return f"{name}{severity}, {state}\n\n{figures(incident.times)}{impact}{drafted}\n\n{timeline(incident)}"


def newest(records: Records) -> str:
    """The newest incidents, a line each; raises what AWS raises."""
    return "\n".join(map(_line, records.entries(_NEWEST))) or "No incident is recorded."


def _line(entry: Entry) -> str:
    until = f"until {entry.closed:%Y-%m-%d %H:%M}" if entry.closed else "open"
    return f"{entry.name:<16}{entry.since:%Y-%m-%d %H:%M} UTC  {until:<22}  {', '.join(sorted(entry.alarms))}"


def main(arguments: Sequence[str] | None = None) -> int:
    """Exit status 0 when it was shown, 1 when it was not."""
    parser = argparse.ArgumentParser(prog="python -m local.incident", description=__doc__)
    parser.add_argument(
        "name", nargs="?", default="", metavar="NAME", help="such as 2026-11-26-1; without it, the newest are listed"
    )
    parser.add_argument("--env", default="production", metavar="ENV", help="production by default")
    parser.add_argument("--config", type=Path, default=CONFIG, metavar="FOLDER", help="whose environments: config by default")
    parser.add_argument("--out", type=Path, metavar="FILE", help="write it as JSON to this file as well")
    options = parser.parse_args(arguments)
    try:
        environment = load(options.env, options.config)
        table = boto3.resource("dynamodb", region_name=environment.region).Table(environment.records_table)
        records = Records(table)
        print(show(records, options.name, environment.incidents_bucket, options.out) if options.name else newest(records))
    except (ConfigError, NoIncidentError, BotoCoreError, ClientError, OSError) as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
