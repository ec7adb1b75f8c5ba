"""`make thresholds` against what is deployed: every alarm of the templates, and nothing else."""

import re
from collections.abc import Callable

from local.documents.thresholds import table
from runbook.severities import RESPONSE_TIMES
from stacks.environment import Environment
from tests.synth.template import Template

WRITTEN = {60: "min", 300: "x 5 min", 600: "x 10 min", 86400: "days"}
COMPARED = ("line", "window", "missing data", "respond within")


def printed(environment: Environment) -> dict[str, dict[str, str]]:
    """The cells by heading, of each alarm; a line without its unit."""
    shown = table(environment)
    headings = [str(column.header) for column in shown.columns]
    rows = zip(*(map(str, column.cells) for column in shown.columns), strict=True)
    alarms = {cells["alarm"]: cells for cells in (dict(zip(headings, row, strict=True)) for row in rows)}
    for cells in alarms.values():
        cells["line"] = re.findall(r"^[<>] [\d.]+", cells["line"])[0]
    return {alarm: {heading: cells[heading] for heading in COMPARED} for alarm, cells in alarms.items()}


def deployed(monitoring: Template) -> dict[str, dict[str, str]]:
    """The same of each alarm of the template, from what CloudWatch would be given."""
    cells = {}
    for resource in monitoring.of_type("AWS::CloudWatch::Alarm").values():
        alarm = resource["Properties"]
        if alarm["AlarmName"].endswith("-maintenance"):  # set by hand, and measures nothing
            continue
        sign = {"GreaterThanThreshold": ">", "LessThanThreshold": "<"}[alarm["ComparisonOperator"]]
        severity = next(level for level in RESPONSE_TIMES if f"{level}:" in alarm["AlarmDescription"])
        period = alarm.get("Period") or next(one["MetricStat"]["Period"] for one in alarm["Metrics"] if "MetricStat" in one)
        cells[alarm["AlarmName"]] = {
            "line": f"{sign} {alarm['Threshold']}",
            "window": f"{alarm['DatapointsToAlarm']} of {alarm['EvaluationPeriods']} {WRITTEN[period]}",
            "missing data": alarm["TreatMissingData"],
            "respond within": f"{severity}, {RESPONSE_TIMES[severity]}",
        }
    return cells


def test_every_alarm_is_printed_as_it_is_deployed(environment: Environment, template: Callable[[str], Template]) -> None:
    assert printed(environment) == deployed(template("monitoring"))
