"""What the judge is compared with: the critical lines of the table alone, and a naive ratio of before and after."""

import statistics
from datetime import datetime

from lambdas.judge.judge import WATCH, Evidence
from lambdas.judge.series import MINUTE, period
from lambdas.judge.signals import SIGNALS
from runbook.rows import ROWS

RATIO = 1.3
"""The mean since the release over the mean before it, above which the naive ratio blames the release."""
LOOK_BACK, LOOK = MINUTE * 120, MINUTE * 15
_ROWS = {row.slug: row for row in ROWS}


def critical_lines(evidence: Evidence, until: datetime) -> datetime | None:
    """When one of the users' or the cause's rows was first past its critical line since the release, M of N minutes."""
    found = []
    for name, values in evidence.signals.items():
        row = _ROWS.get(name)
        if not row or name not in SIGNALS:
            continue
        minutes = period(values)
        spread = {time + MINUTE * minute: value for time, value in values.items() for minute in range(minutes)}
        past = {
            time for time, value in spread.items() if (value < row.critical if row.worse == "below" else value > row.critical)
        }
        window = row.window.critical
        for time in sorted(past):
            end = time + MINUTE
            if time < evidence.release or end > min(until, evidence.release + WATCH):
                continue
            if sum(time - MINUTE * back in past for back in range(window.periods)) >= window.breaching:
                found.append(end)
                break
    return min(found, default=None)


def naive_ratio(evidence: Evidence, until: datetime) -> datetime | None:
    """A quarter of an hour after the release, if the mean of one of the users' signals is so much higher than before."""
    now = evidence.release + LOOK
    if now > until:
        return None
    for name, values in evidence.signals.items():
        signal = SIGNALS.get(name)
        if not signal or signal.kind == "information":
            continue
        before = [value for time, value in values.items() if evidence.release - LOOK_BACK <= time < evidence.release]
        after = [value for time, value in values.items() if evidence.release <= time < now]
        if not before or not after:
            continue
        old, new = statistics.fmean(before), statistics.fmean(after)
        if signal.lacks:
            old, new = 100 - old, 100 - new
        if new > RATIO * old and new - old > 1e-9:
            return now
    return None
