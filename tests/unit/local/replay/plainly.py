"""The replay without the loop: each alarm evaluated at the end of each minute, and composite alarms until none changes."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from local.cloudwatch.alarms import EXTRA_PERIODS, Alarm, Datapoint, Verdict, evaluate, metrics
from local.cloudwatch.composites import children, evaluate_composite
from local.cloudwatch.loop import MINUTE, Transition
from local.replay.binding import bind
from local.replay.replay import Replay
from local.replay.trace import Trace
from stacks.environment import Environment


def plainly(recorded: Trace, alarms: Sequence[Alarm], environment: Environment, minutes: int = 1) -> list[Transition]:
    """What calling `evaluate` and `evaluate_composite` at the end of each minute gives, the metric alarms first."""
    begin, end = recorded.begin, recorded.end + MINUTE * (minutes - 1)
    on_metrics, read_as, _ = bind(recorded, [one for one in alarms if "AlarmRule" not in one], environment, minutes)
    data = {of: {start: Datapoint(value, 1) for start, value in values.items()} for of, values in read_as.items()}
    states: dict[str, dict[str, Any]] = {
        one["AlarmName"]: {"StateUpdatedTimestamp": begin, **one} for one in (*on_metrics, *alarms[len(on_metrics) :])
    }
    changes = []

    def change(one: dict[str, Any], verdict: Verdict | None, now: datetime) -> bool:
        if verdict is None or verdict.state == one["StateValue"]:
            return False
        changes.append(Transition(one["AlarmName"], one["StateValue"], verdict.state, verdict.reason, now, verdict.reason_data))
        one.update(StateValue=verdict.state, StateUpdatedTimestamp=now)
        return True

    for minute in range(1, (end - begin) // MINUTE + 1):
        now = begin + MINUTE * minute
        for one in on_metrics:
            found = metrics(one)
            reach = timedelta(seconds=next(iter(found.values())).period * (one["EvaluationPeriods"] + EXTRA_PERIODS))
            silence = evaluate(one, {}, now)
            unknown = silence and silence.state == "ALARM" and now - reach < begin
            if not unknown and any(of in data for of in found.values()):
                change(states[one["AlarmName"]], evaluate(one, data, now), now)
        rules = [one for one in states.values() if "AlarmRule" in one and children(one)]
        while sum(change(one, evaluate_composite(one, states.values()), now) for one in rules):
            pass
    return changes


def in_order(changes: Sequence[Transition]) -> list[Transition]:
    return sorted(changes, key=lambda change: (change.alarm, change.at))


def changes_of(result: Replay) -> list[Transition]:
    return in_order([change for one in result.results for change in one.transitions])
