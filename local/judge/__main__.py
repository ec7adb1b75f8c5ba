"""The judge over recorded metrics: whether a release made the service better or worse, and from which minute on one knows.

The trace is one that `make replay` reads; `python -m local.replay --help` has its forms and the names of metrics. A signal is
best called by its row, such as alb-latency-p95. Any may be missing; there is a value every 1 to 5 minutes, for two hours before
the release (one at least) and a quarter of an hour after it. Written are judge.json and a plot.
"""

import argparse
import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console

from lambdas.judge.judge import Judge
from lambdas.judge.series import MINUTE, period
from local.cloud import STATE
from local.judge import reading, report
from local.replay.trace import TraceError, moment, read


def main(arguments: Sequence[str] | None = None) -> int:
    """Exit status 0 whatever the verdict, or 1 when the trace cannot be judged."""
    parser = argparse.ArgumentParser(
        prog="python -m local.judge", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("trace", type=Path, metavar="FILE", help="the recorded metrics, CSV or JSON")
    parser.add_argument("--release", required=True, metavar="TIME", help="when the release came, such as 2026-11-24T12:00:00Z")
    parser.add_argument("--metric", action="append", default=[], metavar="NAME", help="what the file's metric is called")
    parser.add_argument(
        "--out", type=Path, metavar="FOLDER", help="where judge.json and judge.svg go, .local/judge/ by default"
    )
    options = parser.parse_args(arguments)
    console = Console(soft_wrap=True, width=None if sys.stdout.isatty() else 110)
    try:
        _judge(options, console)
    except TraceError as error:
        problem = str(error)
    except OSError as error:
        problem = f"{error.filename}: {error.strerror}."
    else:
        return 0
    Console(stderr=True, soft_wrap=True).print(problem, style="bold red", highlight=False, markup=False)
    return 1


def _judge(options: argparse.Namespace, console: Console) -> None:
    trace = read(options.trace, options.metric, first_of_two=True)
    try:
        release = moment(options.release)
    except ValueError as error:
        raise TraceError(f"RELEASE: {error}.") from None
    if not trace.begin < release < trace.end:
        begin, end = (f"{time:%Y-%m-%dT%H:%MZ}" for time in (trace.begin, trace.end))
        raise TraceError(f"RELEASE: {options.release} should lie in the trace, from {begin} to {end}.")
    evidence, notes = reading.evidence(trace, release)
    last = max(max(values) + MINUTE * period(values) for values in evidence.signals.values())
    judged = list(Judge(evidence).each_minute(last))
    if not judged:
        raise TraceError(f"{options.trace}: less than a minute is known since the release.")
    worse = report.first_worse(judged)
    for shown in [worse, judged[-1]] if worse and worse is not judged[-1] else [judged[-1]]:
        console.print(report.table(shown, release))
        console.print(shown.words, highlight=False, markup=False)
    console.print("\nverdicts", style="bold")
    for line in report.changes(judged):
        console.print(f"  {line}", highlight=False, markup=False)
    for note in (*trace.notes, *notes):
        console.print(note, style="yellow", highlight=False, markup=False)
    folder = options.out or STATE / "judge" / options.trace.stem
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "judge.json").write_text(json.dumps(report.as_json(release, judged), indent=2))
    report.draw(evidence, judged, folder / "judge.svg")
    written = [os.path.relpath(folder / name) for name in ("judge.json", "judge.svg")]
    console.print(f"written: {', '.join(written)}", highlight=False)


if __name__ == "__main__":
    sys.exit(main())
