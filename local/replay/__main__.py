"""Replay: the alarms of the synthesized monitoring template over recorded metrics.

What would have fired, when, and for how long, with the threshold table as it stands in the sources now.
"""

import argparse
import json
import os
import sys
from collections.abc import Sequence
from datetime import datetime
from itertools import groupby
from pathlib import Path

from rich.console import Console

from local.cloud import STATE, CloudError
from local.cloudwatch.alarms import Alarm
from local.cloudwatch.loop import MINUTE
from local.replay import definitions, report
from local.replay.replay import replay
from local.replay.steps import steps
from local.replay.trace import Trace, TraceError, moment, read, usual_distance
from stacks.config import CONFIG, ConfigError, load
from stacks.environment import Environment

EXPLANATION = """
The file is CSV with a header: `timestamp,value` for one metric, which --metric names, or `timestamp,metric,value` for many.
Timestamps are ISO 8601 (UTC unless they have an offset), or seconds or milliseconds since the epoch. Rows may come in any
order, at any interval and with gaps; an empty value is a gap. Several values in a minute are combined by the alarm's statistic.

A metric is called
  AWS/ApplicationELB RequestCount        by namespace and name, with a space or a slash between: all metrics of that name,
  HZNavigator Availability Target=api    or those with these dimensions (any load balancer and target group will do), or
  alb-5xx-rate                           by a row of the table: the row's own value, here the percentage, even if the file has
                                         the metrics as well that the row's expression reads.

Each minute is judged when it is over; CloudWatch has AWS's own metrics a minute or more later. Alarms begin in
INSUFFICIENT_DATA. What was before the trace is unknown: an alarm that takes silence for breaching is first judged when all that
it looks at lies in the trace. An alarm is left out when the trace has none of its metrics.

examples:
  make replay TRACE=local/traces/bad-release.csv
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
    parser.add_argument("trace", nargs="?", type=Path, metavar="FILE.csv", help="the recorded metrics")
    parser.add_argument("--env", default="production", metavar="NAME", help="whose alarms, production's by default")
    parser.add_argument("--config", type=Path, default=CONFIG, metavar="FOLDER", help="whose environments: config by default")
    parser.add_argument("--metric", default="", help="the metric of a file that has no column for it")
    parser.add_argument("--start", metavar="TIME", help="when the incident began: detection is measured from then on")
    parser.add_argument(
        "--out", type=Path, metavar="FOLDER", help="where replay.json and the plot go, a folder in .local/replay/ by default"
    )
    parser.add_argument("--format", default="svg", choices=("svg", "png"), help="of the plot")
    parser.add_argument(
        "--minutes",
        type=int,
        default=1,
        metavar="N",
        help="each value stands for N minutes, as in an export with a longer period",
    )
    parser.add_argument("--steps", action="store_true", help="instead of a file: how fast each row's alarms notice a step")
    options = parser.parse_args(arguments)
    if bool(options.trace) is options.steps:
        parser.error("a trace is needed, such as `make replay TRACE=local/traces/bad-release.csv`; or --steps, without one")
    if options.minutes < 1:
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
    trace = read(options.trace, options.metric)
    incident = _incident(options.start, trace) if options.start else None
    replayed = replay(trace, _alarms(options, environment), environment, options.minutes)
    console.print(report.summary(replayed, incident))
    for reason, left_out in groupby(sorted(replayed.left_out.values())):
        console.print(f"left out, as {reason}: {len(list(left_out))} alarms", style="dim", highlight=False)
    apart = usual_distance(minute for points in trace.points.values() for minute, _ in points)
    if apart > MINUTE * options.minutes:
        console.print(
            f"There is a value every {report.duration(apart)}, and the minutes between are missing data: if each stands for "
            f"them all, replay with --minutes {apart // MINUTE}.",
            style="yellow",
            highlight=False,
        )
    folder = options.out or STATE / "replay" / options.trace.stem
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "replay.json").write_text(json.dumps(report.as_json(replayed, incident), indent=2))
    picture = folder / f"replay.{options.format}"
    report.draw(replayed, picture, incident)
    console.print(f"written: {os.path.relpath(folder / 'replay.json')}, {os.path.relpath(picture)}", highlight=False)


def _incident(text: str, trace: Trace) -> datetime:
    try:
        incident = moment(text)
    except ValueError as error:
        raise TraceError(f"--start: {error}.") from None
    if not trace.begin <= incident < trace.end:
        begin, end = report.minute(trace.begin), report.minute(trace.end)
        raise TraceError(f"--start: {text} should lie in the trace, from {begin} to {end} UTC.")
    return incident


if __name__ == "__main__":
    sys.exit(main())
