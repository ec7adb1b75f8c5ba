"""Replay: the alarms of the synthesized monitoring template over recorded metrics.

What would have fired, when, and for how long, and what people would have been told of it, with the threshold table and the
rules of quiet as they stand in the sources now.
"""

import argparse
import json
import os
import sys
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, tzinfo
from itertools import groupby
from pathlib import Path
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from rich.console import Console

from local.cloud import STATE, CloudError
from local.cloudwatch.alarms import Alarm
from local.cloudwatch.loop import MINUTE
from local.replay import definitions, report
from local.replay.replay import replay
from local.replay.steps import steps
from local.replay.told import told
from local.replay.trace import Trace, TraceError, moment, read, usual_distance
from stacks.config import CONFIG, ConfigError, load
from stacks.environment import Environment

EXPLANATION = """
The file is one of these:
  CSV with the header timestamp,metric,value, or timestamp,value for one metric, which --metric names;
  CSV with a column for each metric, its label above it, as CloudWatch's console exports a graph (AWS documents no more);
  JSON as `aws cloudwatch get-metric-data` or `get-metric-statistics` prints it.
Other columns and metrics are named and not read. Timestamps are ISO 8601 or 2026/01/31 12:30:00, in UTC unless they have an
offset or --zone says otherwise, or seconds or milliseconds since the epoch. Values may come in any order and with gaps; an
empty value is a gap. Several values in a minute are combined by the alarm's statistic; two values at one time are refused.

A metric is called
  AWS/ApplicationELB RequestCount        by namespace and name, with a space or a slash between: all metrics of that name,
  HZNavigator Availability Target=api    or those with these dimensions (any load balancer and target group will do),
  RequestCount                           by its name, or by a dimension's value, where that is clear, as labels are,
  AWS/ECS CPUUtilization Average         by any of these with the statistic after it, which has to be the alarm's, or
  alb-5xx-rate                           by a row of the table: the row's own value, here the percentage, even if the file has
                                         the metrics as well that the row's expression reads.

Where the file has a value every five minutes, each stands for all five: what lasts less is not seen, a maximum seems to last
longer than it did, and times are exact to five minutes. Each minute is judged when it is over; CloudWatch has AWS's own
metrics a minute or more later. Alarms begin in INSUFFICIENT_DATA. What was before the trace is unknown: an alarm that takes
silence for breaching is first judged when all that it looks at lies in the trace. An alarm is left out when the trace has none
of its metrics.

What people would have been told is what the function `notify` sends for these alarms. A trace knows nothing of deployments,
maintenance and mute rules, so nothing is held back for them; what `rollback` escalates comes on top.

examples:
  make replay TRACE=local/traces/bad-release.csv
  make replay TRACE=metric-data.json METRIC='CPUUtilization=AWS/ECS CPUUtilization'
  make replay TRACE=cpu.csv METRIC=ecs-cpu START=2026-01-31T12:30:00Z ENV=staging OUT=incident-42
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Exit status 0, or 1 when the trace or the environment is not right."""
    parser = argparse.ArgumentParser(
        prog="python -m local.replay",
        description=__doc__,
        epilog=EXPLANATION,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("trace", nargs="?", type=Path, metavar="FILE", help="the recorded metrics, CSV or JSON")
    parser.add_argument("--env", default="production", metavar="NAME", help="whose alarms, production's by default")
    parser.add_argument("--config", type=Path, default=CONFIG, metavar="FOLDER", help="whose environments: config by default")
    parser.add_argument(
        "--metric",
        action="append",
        default=[],
        metavar="NAME",
        help="what the file's metric is called, or LABEL=NAME for one of several; may be given several times",
    )
    parser.add_argument("--zone", default="UTC", metavar="ZONE", help="of times without an offset, such as Europe/Berlin")
    parser.add_argument("--start", metavar="TIME", help="when the incident began: detection is measured from then on")
    parser.add_argument(
        "--out", type=Path, metavar="FOLDER", help="where replay.json and the plot go, a folder in .local/replay/ by default"
    )
    parser.add_argument("--format", default="svg", choices=("svg", "png"), help="of the plot")
    parser.add_argument(
        "--minutes",
        type=int,
        metavar="N",
        help="each value stands for N minutes; found in the file by default",
    )
    parser.add_argument("--steps", action="store_true", help="instead of a file: how fast each row's alarms notice a step")
    options = parser.parse_args(arguments)
    if bool(options.trace) is options.steps:
        parser.error("a trace is needed, such as `make replay TRACE=local/traces/bad-release.csv`; or --steps, without one")
    if options.minutes is not None and options.minutes < 1:
        parser.error(f"--minutes {options.minutes} should be 1 or more")
    console = Console(soft_wrap=True, width=None if sys.stdout.isatty() else 110)
    try:
        environment = load(options.env, options.config)
        if options.steps:
            console.print(steps(_alarms(options, environment), environment))
        else:
            _replay(options, environment, console)
    except (TraceError, ConfigError, CloudError) as error:
        problem = str(error)
    except OSError as error:  # of what is written; reading is a TraceError
        problem = f"{error.filename}: {error.strerror}."
    else:
        return 0
    Console(stderr=True, soft_wrap=True).print(problem, style="bold red", highlight=False, markup=False)
    return 1


def _alarms(options: argparse.Namespace, environment: Environment) -> list[Alarm]:
    return definitions.alarms(definitions.template(environment, options.config), environment)


def _replay(options: argparse.Namespace, environment: Environment, console: Console) -> None:
    zone = _zone(options.zone)
    trace = read(options.trace, options.metric, zone)
    incident = _incident(options.start, trace, zone) if options.start else None
    minutes = options.minutes or trace.minutes
    remediation = definitions.template(environment, options.config, "remediation")
    monitoring = definitions.template(environment, options.config)
    alarms = definitions.alarms(monitoring, environment, definitions.topics(remediation, environment))
    replayed = replay(trace, alarms, environment, minutes)
    messages = told(replayed, alarms, definitions.notify(remediation, environment))
    console.print(report.summary(replayed, incident))
    console.print(report.told_table(messages))
    console.print(report.told_counts(messages, incident), highlight=False)
    for reason, left_out in groupby(sorted(replayed.left_out.values())):
        console.print(f"left out, as {reason}: {len(list(left_out))} alarms", style="dim", highlight=False)
    for note in (*trace.notes, *replayed.unread, *_period(trace, minutes)):
        console.print(note, style="yellow", highlight=False, markup=False)
    folder = options.out or STATE / "replay" / options.trace.stem
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "replay.json").write_text(json.dumps(report.as_json(replayed, messages, incident), indent=2))
    picture = folder / f"replay.{options.format}"
    report.draw(replayed, messages, picture, incident)
    console.print(f"written: {os.path.relpath(folder / 'replay.json')}, {os.path.relpath(picture)}", highlight=False)


def _period(trace: Trace, minutes: int) -> Iterator[str]:
    """What people should know of the period of the values."""
    if minutes > 1:
        yield (
            f"Each value stands for {minutes} minutes: what lasts less is not seen, and times are exact to {minutes} minutes."
        )
    sparse = [name for name, points in trace.points.items() if usual_distance(at for at, _ in points) > MINUTE * minutes]
    if sparse:
        yield f"Often without a value, which counts as missing: {', '.join(sparse)}."


def _zone(name: str) -> tzinfo:
    try:
        return UTC if name == "UTC" else ZoneInfo(name)
    except (ValueError, OSError, ZoneInfoNotFoundError):
        raise TraceError(f"--zone: {name} should be a time zone such as Europe/Berlin.") from None


def _incident(text: str, trace: Trace, zone: tzinfo) -> datetime:
    try:
        incident = moment(text, zone)
    except ValueError as error:
        raise TraceError(f"--start: {error}.") from None
    if not trace.begin <= incident < trace.end:
        begin, end = report.minute(trace.begin), report.minute(trace.end)
        raise TraceError(f"--start: {text} should lie in the trace, from {begin} to {end} UTC.")
    return incident


if __name__ == "__main__":
    sys.exit(main())
