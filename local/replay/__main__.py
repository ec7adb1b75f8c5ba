"""Replay: the alarms of the synthesized monitoring template over recorded metrics.

What would have fired, when, and for how long, with the threshold table as it stands in the sources now.
"""

import argparse
import json
import os
import sys
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from difflib import get_close_matches
from functools import cache
from itertools import groupby
from operator import attrgetter
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from local.cloud import STATE, CloudError, synthesize
from local.cloudwatch.alarms import (
    EXTRA_PERIODS,
    Alarm,
    AlarmError,
    Datapoint,
    Metric,
    State,
    breaches,
    children,
    children_first,
    decide,
    evaluate,
    evaluate_composite,
    evaluation_range,
    metrics,
    rule_holds,
    watched,
)
from local.cloudwatch.metric_math import TimeSeries
from local.emulator.alarms import Transition
from local.replay.plot import Panel, plot
from local.replay.trace import MINUTE, Trace, TraceError, moment, read, series, usual_distance
from runbook.rows import LEVELS, Level
from stacks.config import ConfigError, load
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

UNRESOLVED = "*"
"""Stands for what a template only refers to, known after deployment, such as the load balancer's name."""

_WATCHING = ("Metrics", "Namespace", "MetricName", "Dimensions", "Statistic", "ExtendedStatistic", "Period")
_OWN_SERIES = "Trace"  # the namespace of a series that a trace calls by the row


# The template's alarms


def template(environment: Environment, component: str = "monitoring") -> dict[str, Any]:
    """The template of a stack as the sources make it; CloudError when they do not synthesize."""
    stage = synthesize() / f"assembly-{environment.name}"
    (file,) = (
        artifact["properties"]["templateFile"]
        for artifact in json.loads((stage / "manifest.json").read_text())["artifacts"].values()
        if artifact.get("properties", {}).get("stackName") == environment.stack(component)
    )
    return dict(json.loads((stage / file).read_text()))


def definitions(template: Mapping[str, Any], environment: Environment) -> list[Alarm]:
    """The alarms of a template as DescribeAlarms shows new ones, metric alarms first."""
    resources = {
        key: resource["Properties"]
        for kind in ("AWS::CloudWatch::Alarm", "AWS::CloudWatch::CompositeAlarm")
        for key, resource in template["Resources"].items()
        if resource["Type"] == kind
    }
    names = {key: properties["AlarmName"] for key, properties in resources.items()}

    def resolved(value: Any) -> Any:
        match value:
            case {"Ref": key} | {"Fn::GetAtt": [key, "Arn"]} if key in names:
                return environment.arn("cloudwatch", f"alarm:{names[key]}")
            case {"Fn::Join": [separator, parts]}:
                return separator.join(map(resolved, parts))
            case dict() if next(iter(value), "").startswith(("Ref", "Fn::")):
                return UNRESOLVED
            case dict():
                return {key: resolved(item) for key, item in value.items()}
            case list():
                return [resolved(item) for item in value]
            case _:
                return value

    return [
        {
            **{key: resolved(value) for key, value in properties.items() if key != "Tags"},
            "AlarmArn": environment.arn("cloudwatch", f"alarm:{properties['AlarmName']}"),
            "StateValue": "INSUFFICIENT_DATA",
        }
        for properties in resources.values()
    ]


def row_and_level(alarm: Alarm, environment: Environment) -> tuple[str, Level]:
    """What an alarm's name says it watches: a row's slug and a level; a name without a level is taken for critical."""
    name = alarm["AlarmName"].removeprefix(f"{environment.prefix}-")
    return next(((name.removesuffix(f"-{level}"), level) for level in LEVELS if name.endswith(f"-{level}")), (name, "critical"))


# The trace's metrics


def bind(
    trace: Trace, alarms: Iterable[Alarm], environment: Environment, minutes: int = 1
) -> tuple[list[Alarm], dict[Metric, TimeSeries]]:
    """The metric alarms, and what they read of the trace, whose values stand for `minutes` each.

    An alarm on an expression comes back watching the row's own series, where the trace has it. TraceError names the line of a
    metric that no alarm reads.
    """
    bound: list[Alarm] = []
    meanings: defaultdict[str, set[Metric]] = defaultdict(set)
    for alarm in alarms:
        (row, _), found = row_and_level(alarm, environment), metrics(alarm)
        for metric in found.values():
            meanings[f"{metric.namespace} {metric.name}"].add(metric)
        own = Metric(_OWN_SERIES, row, frozenset(), "Average", metric.period) if alarm.get("Metrics") else metric
        meanings[row].add(own)
        bound.append(_watching(alarm, own) if alarm.get("Metrics") and row in trace.points else alarm)
    data: dict[Metric, TimeSeries] = {}
    for name, points in trace.points.items():
        where = f"{trace.file}, line {trace.lines.get(name, 1)}: {name}"
        read_as = _named(name, meanings)
        if not read_as:
            near = get_close_matches(name, meanings, 3) or sorted(meanings)
            raise TraceError(f"{where} is nothing that an alarm of {environment.name} reads, such as {', '.join(near)}.")
        if data.keys() & read_as:
            raise TraceError(f"{where} is in this file by another name as well.")
        data |= {metric: series(points, metric, minutes) for metric in read_as}
    return bound, data


def _named(name: str, meanings: Mapping[str, set[Metric]]) -> set[Metric]:
    """The metrics that a trace means by a name."""
    words = name.split()
    path = " ".join(word for word in words if "=" not in word)
    dimensions = [word.partition("=")[::2] for word in words if "=" in word]
    return {
        metric
        for metric in meanings.get(path, set()) | meanings.get(" ".join(path.rsplit("/", 1)), set())
        if all({(key, value), (key, UNRESOLVED)} & metric.dimensions for key, value in dimensions)
    }


def _watching(alarm: Alarm, metric: Metric) -> Alarm:
    """The alarm on one metric instead of its expression."""
    others = {key: value for key, value in alarm.items() if key != "Metrics"}
    how = {"Namespace": metric.namespace, "MetricName": metric.name, "Statistic": metric.statistic, "Period": metric.period}
    return others | how


# The replay


@dataclass(frozen=True)
class Result:
    """What one alarm did until the end of the trace."""

    alarm: Alarm
    transitions: list[Transition]
    end: datetime

    @property
    def name(self) -> str:
        return str(self.alarm["AlarmName"])

    @property
    def firing(self) -> list[tuple[datetime, datetime]]:
        """When it was in ALARM: from, to."""
        until = [change.at for change in self.transitions[1:]] + [self.end]
        return [(change.at, at) for change, at in zip(self.transitions, until, strict=True) if change.new == "ALARM"]

    @property
    def in_alarm(self) -> timedelta:
        return sum((end - begin for begin, end in self.firing), timedelta())

    def detected(self, incident: datetime) -> datetime | None:
        """When it was first in ALARM since the incident began: then already, or later."""
        return next((max(begin, incident) for begin, end in self.firing if end > incident), None)


@dataclass(frozen=True)
class Replay:
    """Results in the template's order, the reason for each alarm that was left out, and what the metric alarms watched; both by
    the alarm's name."""

    environment: Environment
    begin: datetime
    end: datetime
    results: Sequence[Result]
    left_out: Mapping[str, str]
    watching: Mapping[str, TimeSeries]


def replay(trace: Trace, alarms: Iterable[Alarm], environment: Environment, minutes: int = 1) -> Replay:
    """Judge the alarms at the end of each minute of a trace, whose values stand for `minutes` each, as CloudWatch would have.

    The same changes as from `evaluate` and `evaluate_composite`, called each minute. TraceError names the line of a metric that
    no alarm reads.
    """
    begin, end = trace.begin, trace.end + MINUTE * (minutes - 1)
    known: dict[str, dict[str, Any]] = {alarm["AlarmName"]: {**alarm, "StateUpdatedTimestamp": begin} for alarm in alarms}
    on_metrics = [name for name, alarm in known.items() if "AlarmRule" not in alarm]
    left_out: dict[str, str] = {}
    for name in on_metrics:
        try:
            metrics(known[name])
        except AlarmError as error:
            left_out[name] = str(error)
    understood, data = bind(trace, [known[name] for name in on_metrics if name not in left_out], environment, minutes)
    earliest = begin - max(map(_looks_back, understood), default=MINUTE)
    times = [earliest + MINUTE * minute for minute in range((end - earliest) // MINUTE)]
    changes: list[Transition] = []
    watching: dict[str, TimeSeries] = {}
    computed: dict[str, TimeSeries] = {}  # the alarms of a row watch the same
    for alarm in understood:
        name = alarm["AlarmName"]
        what = repr([alarm.get(key) for key in _WATCHING])
        try:
            watching[name] = computed[what] = computed.get(what) or _watched(alarm, data, times)
        except AlarmError as error:
            left_out[name] = str(error)
            continue
        changes += [
            Transition(name, old, new, _reason(alarm, data, at), at)
            for old, new, at in _judged(alarm, watching[name], times, begin, end)
        ]
    changes.sort(key=attrgetter("at"))
    changes += _composite_alarms(known, _rules(known, left_out), changes, begin)
    results = {name: Result(alarm, [], end) for name, alarm in known.items() if name not in left_out}
    for change in changes:
        results[change.alarm].transitions.append(change)
    return Replay(environment, begin, end, list(results.values()), left_out, watching)


def _looks_back(alarm: Alarm) -> timedelta:
    """From the end of the evaluation range to its start."""
    period = next(iter(metrics(alarm).values())).period
    return timedelta(seconds=period * (int(alarm["EvaluationPeriods"]) + EXTRA_PERIODS))


def _watched(alarm: Alarm, data: Mapping[Metric, TimeSeries], times: Sequence[datetime]) -> TimeSeries:
    """What the alarm watches over the whole trace: an expression gives by period what it gives in the window of an evaluation.

    AlarmError says why the alarm cannot be replayed.
    """
    found = metrics(alarm)
    if not any(metric in data for metric in found.values()):
        raise AlarmError("the trace has none of its metrics")
    if any("REPEAT" in query.get("Expression", "") for query in alarm.get("Metrics") or ()):
        raise AlarmError("what FILL repeats depends on where each window begins")
    if alarm.get("EvaluateLowSampleCountPercentile") == "ignore":
        raise AlarmError("the trace does not say how many samples its percentile has")
    return watched(alarm, {key: data.get(metric, {}) for key, metric in found.items()}, times)


def _reason(alarm: Alarm, data: Mapping[Metric, TimeSeries], at: datetime) -> str:
    """Why an alarm changed, in the evaluator's words."""
    window = evaluation_range(alarm, at)
    read = {
        metric: {start: Datapoint(data[metric][start], 1) for start in window if start in data[metric]}
        for metric in data.keys() & metrics(alarm).values()
    }
    verdict = evaluate(alarm, read, at)
    return verdict.reason if verdict else ""


def _judged(
    alarm: Alarm, series: TimeSeries, times: Sequence[datetime], begin: datetime, end: datetime
) -> Iterator[tuple[State, State, datetime]]:
    """The alarm's changes: old state, new state, time.

    The periods that an evaluation looks at are a number in base 3 whose last digit is the newest: a step each minute, and each
    of the few thousand numbers there can be is decided once.
    """
    periods = int(alarm["EvaluationPeriods"])
    needed, missing = int(alarm.get("DatapointsToAlarm") or periods), alarm.get("TreatMissingData") or "missing"
    length = periods + EXTRA_PERIODS
    period = _looks_back(alarm) // length
    first = begin + (_looks_back(alarm) if missing == "breaching" else MINUTE)
    comparison, threshold = alarm["ComparisonOperator"], float(alarm["Threshold"])
    windows = [0] * (period // MINUTE)  # one for each minute that a period may start with
    state: State = "INSUFFICIENT_DATA"
    for minute, start in enumerate(times):
        value = series.get(start)
        digit = 0 if value is None else 2 if breaches(value, comparison, threshold) else 1
        place = minute % len(windows)
        windows[place] = (windows[place] * 3 + digit) % 3**length
        decided = _decided(windows[place], length, needed, periods, missing)
        if decided != state and decided and first <= start + period <= end:
            yield state, decided, start + period
            state = decided


@cache
def _decided(window: int, length: int, needed: int, periods: int, missing: str) -> State | None:
    return decide([(None, False, True)[window // 3**age % 3] for age in range(length)], needed, periods, missing)


def _rules(known: Mapping[str, Alarm], left_out: dict[str, str]) -> dict[str, list[str]]:
    """The children of each composite alarm that can be replayed, children first; `left_out` gets the others."""
    rules = {}
    for name, alarm in known.items():
        if "AlarmRule" in alarm:
            try:
                rule_holds(alarm, dict.fromkeys(known, "OK"))
            except AlarmError as error:
                left_out[name] = str(error)
            else:
                rules[name] = children(alarm)
    order = children_first(rules)
    left_out |= dict.fromkeys(rules.keys() - order, "it is part of a cycle of composite alarms, or refers to one")
    for name in order:
        if all(child in left_out for child in rules[name]):
            left_out[name] = "none of its alarms is replayed"
    return {name: rules[name] for name in order if name not in left_out}


def _composite_alarms(
    known: Mapping[str, dict[str, Any]], rules: Mapping[str, Sequence[str]], changes: Iterable[Transition], begin: datetime
) -> list[Transition]:
    """The changes of the composite alarms, given with their children, children first; each is judged when one has changed."""
    by_time = {at: list(those) for at, those in groupby(changes, attrgetter("at"))}
    judged: dict[str, list[str]] = {}
    made: list[Transition] = []
    for at in sorted({begin + MINUTE, *by_time}):
        for change in by_time.get(at, ()):
            known[change.alarm].update(StateValue=change.new, StateUpdatedTimestamp=at)
        for name, below in rules.items():
            states = [known[child]["StateValue"] for child in below]
            if judged.get(name) == states:
                continue
            judged[name] = states
            verdict = evaluate_composite(known[name], known.values())
            if verdict.state != known[name]["StateValue"]:
                made.append(Transition(name, known[name]["StateValue"], verdict.state, verdict.reason, at))
                known[name].update(StateValue=verdict.state, StateUpdatedTimestamp=at)
    return made


# What is told of it


def summary(replayed: Replay, incident: datetime | None) -> Table:
    """The alarms as a table, those that never fired dimmed."""
    title = f"{replayed.environment.name}, {_shown(replayed.begin)} to {_shown(replayed.end)} UTC"
    table = Table(title=title, title_justify="left")
    table.add_column("alarm", no_wrap=True)
    table.add_column("changes", justify="right")
    table.add_column("in ALARM", justify="right")
    table.add_column("first in ALARM")
    table.add_column("at the end")
    if incident:
        table.add_column("after the incident", justify="right")
    for result in replayed.results:
        detected = incident and result.detected(incident)
        told = "" if not incident or not detected else "already" if detected == incident else _minutes(detected - incident)
        table.add_row(
            result.name.removeprefix(f"{replayed.environment.prefix}-"),
            str(len(result.transitions)),
            _minutes(result.in_alarm) if result.firing else "",
            _shown(result.firing[0][0]) if result.firing else "",
            result.transitions[-1].new if result.transitions else "INSUFFICIENT_DATA",
            *([told] if incident else []),
            style="" if result.firing else "dim",
        )
    return table


def as_json(replayed: Replay, incident: datetime | None) -> dict[str, Any]:
    """The whole replay: times in ISO 8601, durations in seconds."""

    def detection(result: Result) -> dict[str, Any] | None:
        detected = incident and result.detected(incident)
        return {"at": detected.isoformat(), "seconds": (detected - incident).total_seconds()} if incident and detected else None

    return {
        "environment": replayed.environment.name,
        "begin": replayed.begin.isoformat(),
        "end": replayed.end.isoformat(),
        "incident": incident and incident.isoformat(),
        "alarms": [
            {
                "name": result.name,
                "description": result.alarm.get("AlarmDescription", ""),
                "transitions": [
                    {"at": change.at.isoformat(), "from": change.old, "to": change.new, "reason": change.reason}
                    for change in result.transitions
                ],
                "seconds_in_alarm": result.in_alarm.total_seconds(),
                "first_detection": detection(result),
            }
            for result in replayed.results
        ],
        "left_out": replayed.left_out,
    }


def draw(replayed: Replay, file: Path, incident: datetime | None) -> None:
    """Plot what the alarms watched to an .svg or .png file."""
    rows = {row.slug: row for row in replayed.environment.table}
    rows_results: defaultdict[str, dict[Level, Result]] = defaultdict(dict)
    for result in replayed.results:
        if result.name in replayed.watching:
            name, level = row_and_level(result.alarm, replayed.environment)
            rows_results[name][level] = result
    panels = []
    for name, levels in rows_results.items():
        row = rows.get(name)
        panels.append(
            Panel(
                f"{row.title}, {row.unit}" if row else name,
                replayed.watching[next(iter(levels.values())).name],
                {level: float(result.alarm["Threshold"]) for level, result in levels.items()},
                {level: result.firing for level, result in levels.items()},
                *((row.normal, row.worse) if row else ()),
            )
        )
    composites = {result.name: result.firing for result in replayed.results if "AlarmRule" in result.alarm}
    plot(file, f"Replay, {replayed.environment.name}", (replayed.begin, replayed.end), panels, composites, incident)


def steps(alarms: Sequence[Alarm], environment: Environment) -> Table:
    """How long after a row steps from normal to just past critical its alarms fire, and after it is back, clear."""
    table = Table(
        "row", "step", "warning", "critical", "composite", "all clear", title=f"{environment.name}: minutes after a step"
    )
    begin, calm = datetime(2026, 1, 1, tzinfo=UTC), 30
    for row in environment.table:
        past = row.critical + (row.critical - row.warning) / 10
        values = [row.normal] * calm + [past] * calm + [row.normal] * calm
        trace = Trace("steps", {row.slug: [(begin + MINUTE * minute, value) for minute, value in enumerate(values)]})
        worse, better = begin + MINUTE * calm, begin + MINUTE * 2 * calm
        fired = [result for result in replay(trace, alarms, environment).results if result.firing]
        after = {result.name: f"{(result.firing[0][0] - worse) / MINUTE:g}" for result in fired}
        table.add_row(
            row.title,
            f"{row.normal:g} to {past:g} {row.unit}",
            *(after.get(environment.alarm(row.slug, level), "never") for level in LEVELS),
            "\n".join(
                f"{after[result.name]} {result.name.removeprefix(f'{environment.prefix}-')}"
                for result in fired
                if "AlarmRule" in result.alarm
            ),
            f"{max((result.firing[-1][1] - better for result in fired), default=timedelta()) / MINUTE:g}",
        )
    return table


def _shown(time: datetime) -> str:
    return f"{time:%Y-%m-%d %H:%M}"


def _minutes(time: timedelta) -> str:
    hours, minutes = divmod(time / MINUTE, 60)
    return f"{hours:.0f} h {minutes:.0f} min" if hours else f"{round(minutes, 1):g} min"


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="python -m local.replay",
        description=__doc__,
        epilog=EXPLANATION,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("trace", nargs="?", type=Path, metavar="FILE.csv", help="the recorded metrics")
    parser.add_argument("--env", default="production", help="whose alarms: production (the default) or staging")
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
    options = parser.parse_args()
    if bool(options.trace) is options.steps:
        parser.error("either a trace or --steps is needed")
    if options.minutes < 1:
        parser.error(f"--minutes {options.minutes} should be 1 or more")
    console = Console(soft_wrap=True, width=None if sys.stdout.isatty() else 110)
    try:
        environment = load(options.env)
        if options.steps:
            console.print(steps(definitions(template(environment), environment), environment))
        else:
            _run(options, environment, console)
    except (TraceError, ConfigError, CloudError) as error:
        told = str(error)
    except OSError as error:  # of what is written; reading is a TraceError
        told = f"{error.filename}: {error.strerror}."
    else:
        return 0
    Console(stderr=True, soft_wrap=True).print(told, style="bold red", highlight=False, markup=False)
    return 1


def _run(options: argparse.Namespace, environment: Environment, console: Console) -> None:
    trace = read(options.trace, options.metric)
    incident = _incident(options.start, trace) if options.start else None
    replayed = replay(trace, definitions(template(environment), environment), environment, options.minutes)
    console.print(summary(replayed, incident))
    for reason, names in groupby(sorted(replayed.left_out, key=replayed.left_out.__getitem__), replayed.left_out.__getitem__):
        console.print(f"left out, as {reason}: {len(list(names))} alarms", style="dim", highlight=False)
    apart = usual_distance(minute for points in trace.points.values() for minute, _ in points)
    if apart > MINUTE * options.minutes:
        console.print(
            f"There is a value every {_minutes(apart)}, and the minutes between are missing data: if each stands for them all, "
            f"replay with --minutes {apart // MINUTE}.",
            style="yellow",
            highlight=False,
        )
    folder = options.out or STATE / "replay" / options.trace.stem
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "replay.json").write_text(json.dumps(as_json(replayed, incident), indent=2))
    picture = folder / f"replay.{options.format}"
    draw(replayed, picture, incident)
    console.print(f"written: {os.path.relpath(folder / 'replay.json')}, {os.path.relpath(picture)}", highlight=False)


def _incident(text: str, trace: Trace) -> datetime:
    try:
        incident = moment(text)
    except ValueError as error:
        raise TraceError(f"--start: {error}.") from None
    if not trace.begin <= incident < trace.end:
        raise TraceError(f"--start: {text} should lie in the trace, from {_shown(trace.begin)} to {_shown(trace.end)} UTC.")
    return incident


if __name__ == "__main__":
    sys.exit(main())
