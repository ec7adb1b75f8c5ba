"""`make judge-benchmark`: the judge over made-up releases of which it is known whether they made the service worse.

Printed by family: how many of those blamed were bad (precision), how many of the bad were blamed (recall), and the minutes
until then, beside the critical lines alone and beside a naive ratio. Blamed is who was judged worse at any minute of the watch.
The judge's numbers were chosen on the seeds in TUNED_ON; what is printed is of another.
"""

import argparse
import os
import statistics
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from multiprocessing import Pool

from rich.console import Console
from rich.table import Table

from lambdas.judge.judge import Judge
from lambdas.judge.series import MINUTE
from local.judge.baselines import RATIO, critical_lines, naive_ratio
from local.judge.generator import FAMILIES, Case, cases

TUNED_ON = (1, 2, 3)
"""Seeds with which the judge's numbers were chosen; none of them is reported."""
REPORTED = 20261128
EACH = 60
"""Cases of a family."""
METHODS = ("judge", "critical lines", "naive ratio")


@dataclass(frozen=True)
class Outcome:
    """When each method blamed the release of a case, in minutes after it, and the judge's last verdict."""

    family: str
    bad: bool
    blamed: tuple[float | None, ...]
    final: str
    number: int = 0


def outcome(case: Case, number: int = 0) -> Outcome:
    """All methods' words on one case. The judge is asked each period, as often as there is something new."""
    release = case.evidence.release
    judged = list(Judge(case.evidence).each_minute(case.until, MINUTE * case.period))
    first = next((one.at for one in judged if one.verdict == "worse"), None)
    times: tuple[datetime | None, ...] = (
        first,
        critical_lines(case.evidence, case.until),
        naive_ratio(case.evidence, case.until),
    )
    blamed = tuple(None if at is None else (at - release) / MINUTE for at in times)
    return Outcome(case.family, case.bad, blamed, judged[-1].verdict if judged else "unknown", number)


@dataclass(frozen=True)
class Score:
    """How one method did over some cases."""

    found: int
    bad: int
    wrong: int
    innocent: int
    minutes: float | None

    @property
    def precision(self) -> float | None:
        return self.found / (self.found + self.wrong) if self.found + self.wrong else None

    @property
    def recall(self) -> float | None:
        return self.found / self.bad if self.bad else None


def score(outcomes: Iterable[Outcome], method: int) -> Score:
    known = list(outcomes)
    found = [one.blamed[method] for one in known if one.bad]
    times = [time for time in found if time is not None]
    wrong = [one for one in known if not one.bad and one.blamed[method] is not None]
    innocent = sum(not one.bad for one in known)
    return Score(len(times), len(found), len(wrong), innocent, statistics.median(times) if times else None)


def run(seed: int, each: int, processes: int, families: Sequence[str] = ()) -> list[Outcome]:
    """The outcomes of all cases, in several processes."""
    os.nice(10)
    jobs = [(seed, place, each) for place, family in enumerate(FAMILIES) if not families or family.title in families]
    if processes < 2:
        return [one for job in jobs for one in _family(job)]
    with Pool(processes) as pool:
        return [one for some in pool.imap(_family, jobs) for one in some]


def _family(job: tuple[int, int, int]) -> list[Outcome]:
    seed, place, each = job
    return [outcome(case, number) for number, case in enumerate(cases(seed, FAMILIES[place], each))]


def table(outcomes: Sequence[Outcome]) -> Table:
    printed = Table(title="blamed for what they did, by family", title_justify="left")
    printed.add_column("family")
    printed.add_column("bad", justify="right")
    printed.add_column("innocent", justify="right")
    for method in METHODS:
        printed.add_column(f"{method}\nprecision", justify="right")
        printed.add_column("\nrecall", justify="right")
        printed.add_column("\nminutes", justify="right")
    groups = {family.title: [one for one in outcomes if one.family == family.title] for family in FAMILIES}
    noticed = {family.title for family in FAMILIES if family.both and family.noticed}
    groups = {title: some for title, some in groups.items() if some}
    groups["all with bad releases"] = [one for one in outcomes if one.family in noticed]
    groups["all"] = list(outcomes)
    for title, some in groups.items():
        if title == "all with bad releases":
            printed.add_section()
        scores = [score(some, method) for method in range(len(METHODS))]
        cells = [cell for one in scores for cell in (_precision(one), _share(one.recall), _minutes(one.minutes))]
        printed.add_row(title, str(scores[0].bad), str(scores[0].innocent), *cells)
    return printed


def _precision(one: Score) -> str:
    """Where nobody is bad, how many were blamed all the same."""
    return _share(one.precision) if one.bad else f"{one.wrong} blamed"


def _share(value: float | None) -> str:
    return "" if value is None else f"{100 * value:.1f} %"


def _minutes(value: float | None) -> str:
    return "" if value is None else f"{value:.0f}"


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m local.judge.benchmark", description=__doc__)
    parser.add_argument("--seed", type=int, default=REPORTED, help=f"{REPORTED} by default; {TUNED_ON} were tuned on")
    parser.add_argument("--each", type=int, default=EACH, help=f"cases of a family, {EACH} by default")
    parser.add_argument("--processes", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--family", action="append", default=[], help="only this one; may be given several times")
    parser.add_argument("--wrong", action="store_true", help="also list each case in which the judge was wrong")
    options = parser.parse_args(arguments)
    outcomes = run(options.seed, options.each, options.processes, options.family)
    console = Console(width=150 if not sys.stdout.isatty() else None)
    console.print(f"{len(outcomes)} releases, seed {options.seed}; the judge's numbers were chosen on the seeds {TUNED_ON}")
    console.print(table(outcomes))
    console.print(f"naive ratio: the mean of 15 minutes over the mean of the two hours before is above {RATIO}")
    stays = sum(one.final == "worse" for one in outcomes if one.family == "spike that goes away")
    console.print(f"spikes that go away and are worse in the end: {stays}")
    if options.wrong:
        for one in outcomes:
            if one.bad is (one.blamed[0] is None):
                console.print(f"{one.family} {one.number}: bad {one.bad}, blamed {one.blamed}, in the end {one.final}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
