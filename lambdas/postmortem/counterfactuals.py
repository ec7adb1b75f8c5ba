"""How an incident could have been seen sooner: other rules over its own metrics, and what they would cost. Pure.

A rule is M of N minutes past a line, judged as CloudWatch judges an alarm to which missing data is no breach: each minute when
it is over, by the newest N values of the last N + EXTRA_MINUTES.
https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/alarms-and-missing-data.html
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from lambdas.postmortem.metrics import MINUTE, Measured, Series
from runbook.rows import Row, Window
from runbook.rules import CALM

EXTRA_MINUTES = 2
Spell = tuple[datetime, datetime]
"""From, to."""
_DAY = timedelta(days=1)


@dataclass(frozen=True)
class Rule:
    """A rule that could be: its words, its line and its window, by the row."""

    words: str
    line: Callable[[Row], float]
    window: Callable[[Row], Window]


RULES: tuple[Rule, ...] = (
    Rule("the critical line as it is", lambda row: row.critical, lambda row: row.window.critical),
    Rule("the critical line, one minute of it", lambda row: row.critical, lambda _: Window(1, 1)),
    Rule("half way to the warning line", lambda row: (row.warning + row.critical) / 2, lambda row: row.window.critical),
    Rule("the warning line", lambda row: row.warning, lambda row: row.window.critical),
)
"""The first is what calls people now; the others are more sensitive."""


@dataclass(frozen=True)
class Verdict:
    """What a rule would have done: when it would have fired first in the incident, how much earlier than the rule as it is
    (None where it does not), and how often in so many days before. What fires again within CALM is the same."""

    row: Row
    rule: Rule
    fired: datetime | None
    earlier: timedelta | None
    before: int
    days: float

    @property
    def words(self) -> str:
        """The rule with its numbers: `the warning line: over 1 %, 2 of 3 min`."""
        row, window = self.row, self.rule.window(self.row)
        past = "over" if row.worse == "above" else "under"
        return f"{self.rule.words}: {past} {self.rule.line(row):.4g} {row.unit}, {window.breaching} of {window.periods} min"

    @property
    def cost(self) -> str:
        """How often it would have fired before; empty where nothing was measured then."""
        if self.days < 1:
            return ""
        times = "once" if self.before == 1 else f"{self.before} times" if self.before else "never"
        return f"{times} in the {self.days:.0f} days before it"


def judged(measured: Measured, detected: datetime, closed: datetime) -> list[Verdict]:
    """The verdicts on a row's rules; none for a row whose missing data is no plain good sign."""
    row, since = measured.row, measured.since
    if row.missing.critical != "notBreaching":
        return []
    since_then = detected - CALM
    found: list[Verdict] = []
    known: set[tuple[float, Window]] = set()
    for rule in RULES:
        line, window = rule.line(row), rule.window(row)
        if (line, window) in known:
            continue
        known.add((line, window))
        spells = _joined(firing(measured.series, row, line, window, since, closed))
        fired = next((begin for begin, end in spells if end > since_then), None)
        if not found and fired:  # what is over when the rule as it is fires was another time
            since_then = fired
        earlier = found[0].fired - fired if found and found[0].fired and fired and fired < found[0].fired else None
        before = sum(end <= since_then for _, end in spells)
        found.append(Verdict(row, rule, fired, earlier, before, max((since_then - since) / _DAY, 0)))
    return found


def _joined(spells: Iterable[Spell]) -> list[Spell]:
    """The spells, those within CALM of each other as one."""
    found: list[Spell] = []
    for begin, end in spells:
        if found and begin - found[-1][1] < CALM:
            found[-1] = found[-1][0], end
        else:
            found.append((begin, end))
    return found


def firing(series: Series, row: Row, line: float, window: Window, begin: datetime, end: datetime) -> Iterator[Spell]:
    """When the rule would have been in ALARM between two whole minutes: from, to."""
    values = [series.get(begin + number * MINUTE) for number in range((end - begin) // MINUTE)]
    past = [value is not None and (value > line if row.worse == "above" else value < line) for value in values]
    fires: datetime | None = None
    last = -len(values)  # the newest minute past the line
    looked_at = window.periods + EXTRA_MINUTES
    for number, beyond in enumerate(past):
        last = number if beyond else last
        alarm = False
        if number - last < looked_at:
            known = [one for one in range(number, max(number - looked_at, -1), -1) if values[one] is not None]
            alarm = sum(past[one] for one in known[: window.periods]) >= window.breaching
        at = begin + (number + 1) * MINUTE
        if alarm:
            fires = fires or at
        elif fires:
            yield fires, at
            fires = None
    if fires:
        yield fires, end + MINUTE


def sooner(verdicts: Sequence[Verdict]) -> list[str]:
    """What would have fired earlier, a sentence each, the most first."""
    early = sorted((one for one in verdicts if one.earlier), key=lambda one: one.earlier or timedelta(), reverse=True)
    return [
        f"{one.row.title}: {one.words} would have fired {(one.earlier or timedelta()) / MINUTE:.0f} min earlier"
        + (f", and {one.cost}." if one.cost else ".")
        for one in early
    ]
