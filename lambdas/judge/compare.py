"""One signal before and since the release: is it another, by more than it is by itself?

No test alone is trusted. The middle of the newest values has to be above the two hours before by more than matters, above
every stretch of the same length in those hours, and above the last half hour by more than it ever rose in the same time before:
each stretch before the release stands for a release that never was. So what is noisy, drifts or jumps by itself has to do more.
"""

import math
import statistics
from dataclasses import dataclass, replace
from datetime import datetime
from functools import cached_property
from typing import NamedTuple

from lambdas.judge import series
from lambdas.judge.series import Series, Slots, Split, known
from lambdas.judge.signals import Signal

BEFORE = 120
"""Minutes before the release that it is compared with."""
LEAST_BEFORE = 60
"""Minutes without which there is nothing to compare with: half of their values may be missing."""
RECENT = 30
"""Minutes right before the release."""
CALIBRATION = 240
"""Minutes before the release of which the most that happened counts; of older hours what happens in one of a hundred."""
REMEMBERED = 8 * 24 * 60
"""Minutes of which older hours are looked at: last week's same hour is among them."""
LONG_AGO = 1.2
"""How many times what happened in the days before the difference has to be."""
DAY, SAME_HOUR = 24 * 60, 30
WARM_UP = 3
"""Minutes since the release that do not count for a quick verdict: the new tasks start."""
EARLIEST_SAME = 10
"""Minutes since the release before which nothing is as before: a fault may still begin."""
SKIPPED = 1
"""Missing values that the newest may have among them."""
LEFT = 0.6
"""The share of a difference that is still there when it is not on its way back."""
COARSE = 5
"""Minutes that are one value where a minute is too short to tell."""
CHANCE = 0.005
"""A difference that chance makes more often than this is none."""
SCATTERS = 3.5
"""How many times the usual scatter of such a stretch the difference has to be."""


class Window(NamedTuple):
    """The newest `size` values, of which a `share` has to be high: `times` as far up as ever before, and `noise` times as far
    as single values usually scatter."""

    size: int
    share: float
    times: float
    noise: float
    quick: bool = False
    alone: bool = True
    """Enough by itself; otherwise the minutes and the five minutes have to agree."""


def windows(minutes: int, of: int) -> tuple[Window, ...]:
    """For values that stand for so many minutes each, made of values of `of` minutes."""
    if minutes >= 3:
        return (Window(3, 1.0, 2.0, 3.5, alone=of == minutes), Window(6, 0.8, 1.5, 1.5))
    return (
        Window(round(5 / minutes), 1.0, 2.5, 3.0, quick=True),
        Window(round(10 / minutes), 0.9, 2.5, 2.5),
        Window(round(10 / minutes), 0.9, 1.8, 2.0, alone=False),
    )


@dataclass(frozen=True)
class Difference:
    """How far up the newest values are. `sure` is 1 less the probability of chance; `high` of `of` values were above what nine
    of ten were before; `since` is the minute after the release from which they are up."""

    clear: bool
    high: int
    of: int
    minutes: int
    since: int
    before_release: int
    """Minutes for which it had been up already when the release came."""
    look: "Look"
    values: tuple[float, ...]

    @property
    def sure(self) -> float:
        return 1 - series.probability(self.look.ordered, self.values, self.look.memory)


class Look:
    """A signal in slots of one length, as logarithms that are higher when worse, or when better."""

    def __init__(self, signal: Signal, before: Slots, after: Slots, minutes: int) -> None:
        self.signal, self.minutes = signal, minutes
        self.before, self.after = before[-REMEMBERED // minutes :], after
        self.recent = self.before[-BEFORE // minutes :]
        self.ordered = sorted(known(self.recent))
        self._levels: dict[int, Slots] = {}
        self._highest: dict[int, tuple[float, float]] = {}
        self._risen: dict[tuple[int, int], tuple[float, float]] = {}

    @property
    def enough(self) -> bool:
        return len(self.before) * self.minutes >= LEAST_BEFORE and 2 * len(self.ordered) * self.minutes >= LEAST_BEFORE

    @cached_property
    def centre(self) -> float:
        return statistics.median(self.ordered)

    @cached_property
    def usual(self) -> float:
        """What nine of ten values before are below."""
        return series.quantile(self.ordered, 0.9)

    @cached_property
    def rare(self) -> float:
        """What all but the very highest values before are below."""
        return series.quantile(self.ordered, 0.97)

    @cached_property
    def noise(self) -> float:
        return series.spread(self.ordered)

    @cached_property
    def memory(self) -> float:
        return series.memory(self.recent)

    @cached_property
    def base(self) -> Slots:
        """The middle of the half hour that ends with each slot."""
        size = RECENT // self.minutes
        return series.sliding_medians(self.before, size, max(2, size // 2))

    def levels(self, size: int) -> Slots:
        """The middle of the `size` slots that end with each slot before the release."""
        if size not in self._levels:
            self._levels[size] = series.sliding_medians(self.before, size, _least(size))
        return self._levels[size]

    def highest(self, size: int) -> tuple[float, float]:
        """How far such a stretch was above the middle before, and the scatter of such stretches."""
        if size not in self._highest:
            self._highest[size] = self._find_highest(size)
        return self._highest[size]

    def _find_highest(self, size: int) -> tuple[float, float]:
        of_late = known(self.levels(size)[-CALIBRATION // self.minutes :])
        compared = known(self.levels(size)[-BEFORE // self.minutes :])
        return max(max(of_late, default=self.centre) - self.centre, 0.0), series.spread(compared)

    def risen(self, size: int, later: int) -> tuple[float, float]:
        """The most by which such a stretch was above the half hour that ended `later` slots before it did: of late, and in the
        days before."""
        if (size, later) not in self._risen:
            self._risen[size, later] = self._find_risen(size, later)
        return self._risen[size, later]

    def _find_risen(self, size: int, later: int) -> tuple[float, float]:
        levels, base = self.levels(size), self.base
        count = len(base)
        later = min(later, max(count - RECENT // self.minutes - 8, size))
        steps = [
            (place, levels[place + later] - base[place])  # type: ignore[operator]  # neither is None, which the condition says
            for place in range(count - later)
            if base[place] is not None and levels[place + later] is not None
        ]
        of_late = [step for place, step in steps if place >= count - CALIBRATION // self.minutes]
        most = 0.0
        if len(steps) > 2 * len(of_late):
            most = series.quantile(sorted(step for _, step in steps), 0.99)
            for day in (1, 7):
                then, about = count - 1 - day * DAY // self.minutes, SAME_HOUR // self.minutes
                most = max([most, *(step for place, step in steps if abs(place - then) <= about)])
        return max(of_late, default=0.0), most

    def difference(self, window: Window, end: int) -> Difference | None:
        """Of the window that ends before the slot `end` since the release; None where it lacks values."""
        begin = end - window.size
        if begin < 0 or (window.quick and not self._may_be_quick(begin)):
            return None
        values = known(self.after[max(0, begin - SKIPPED) : end])[-window.size :]
        if len(values) < _least(window.size):
            return None
        middle = statistics.median(values)
        up = middle - self.centre
        lately = next((level for level in reversed(self.base) if level is not None), self.centre)
        highest, scatter = self.highest(window.size)
        needed = math.log(self.signal.factor)
        every = window.share == 1
        line = max(self.rare if every else self.usual, self.centre + (up if every else needed) / 2)
        high = sum(value > line for value in values)
        times = window.times * (1 + self.memory / 2)
        late, long_ago = self.risen(window.size, end)
        clear = (
            up >= max(needed, times * highest, SCATTERS * scatter, window.noise * self.noise)
            and middle - lately >= max(needed * 0.8, times * late, LONG_AGO * long_ago)
            and high >= window.share * len(values)
            and values[-1] > self.centre + up / 2
            and not self._fades(values)
        )
        clear = clear and series.probability(self.ordered, values) <= CHANCE
        since, earlier = self._since(self.centre + up / 2, end) if clear else (0, 0)
        return Difference(clear, high, len(values), self.minutes, since, earlier, self, tuple(values))

    def _may_be_quick(self, begin: int) -> bool:
        """Users' signals may, once the new tasks are warm."""
        return self.signal.kind == "users" and (not self.signal.warms_up or begin * self.minutes >= WARM_UP)

    def _fades(self, values: list[float]) -> bool:
        """On its way back: what is left is little of what there was."""
        third = max(1, len(values) // 3)
        first, last = statistics.median(values[:third]), statistics.median(values[-third:])
        return last - self.centre < LEFT * (first - self.centre)

    def _since(self, line: float, end: int) -> tuple[int, int]:
        """From which minute after the release the values are above the line, and for how many minutes before it they were."""
        missed = 0
        begin = end
        for place in range(end - 1, -1, -1):
            value = self.after[place] if place < len(self.after) else None
            if value is not None and value <= line:
                missed += 1
                if missed > 1:
                    break
            elif value is not None:
                begin, missed = place, 0
        earlier = 0
        if begin * self.minutes <= WARM_UP:
            for value in reversed(self.recent):
                if value is not None and value <= line:
                    break
                earlier += value is not None
        return begin * self.minutes, earlier * self.minutes


def _least(size: int) -> int:
    return size if size <= 5 else math.ceil(0.7 * size)


@dataclass(frozen=True)
class Compared:
    """A signal's values and its looks, by value and by five minutes: for worse and for better."""

    signal: Signal
    values: Split
    worse: tuple[Look, ...]
    better: tuple[Look, ...]

    def clearest(self, looks: tuple[Look, ...], now: datetime) -> tuple[Difference | None, bool]:
        """The clearest difference, and whether the longest stretch of some look could be seen by now."""
        end = self.values.until(now)
        found: list[Difference] = []
        clear, seen = 0.0, False
        for look in looks:
            for window in windows(look.minutes, self.values.minutes):
                difference = look.difference(window, end * self.values.minutes // look.minutes)
                if difference:
                    found.append(difference)
                    clear += difference.clear * (1.0 if window.alone else 0.5)
                    seen |= not window.quick
        if clear < 1:
            found = [replace(one, clear=False) for one in found]
        return max(found, key=lambda one: (one.clear, -one.minutes if one.clear else one.minutes, one.of), default=None), seen

    def begins(self, now: datetime) -> bool:
        """Whether the newest values are up, and too few to blame anything for: it may be a fault that begins."""
        if not self.worse:
            return False
        look, end, newest = self.worse[0], self.values.until(now), 3 if self.values.minutes < 3 else 1
        values = known(look.after[max(0, end - newest) : end])
        line = max(look.rare, look.centre + math.log(self.signal.factor))
        return len(values) == newest and min(values) > line


def compared(signal: Signal, values: Series, release: datetime) -> Compared:
    """The signal's values around the release, ready to be looked at from any minute on."""
    halves = series.split(values, release)
    return Compared(signal, halves, tuple(_looks(signal, halves, 1)), tuple(_looks(signal, halves, -1)))


def _looks(signal: Signal, values: Split, sign: int) -> list[Look]:
    def logs(slots: Slots) -> Slots:
        return [None if value is None else sign * _log(signal, value) for value in slots]

    minutes, looks = values.minutes, [Look(signal, logs(values.before), logs(values.after), values.minutes)]
    if minutes < 3:
        several, mean = COARSE // minutes, signal.counted
        before = series.together(values.before, several, from_end=True, mean=mean)
        after = series.together(values.after, several, from_end=False, mean=mean)
        looks.append(Look(signal, logs(before), logs(after), several * minutes))
    return [look for look in looks if look.enough]


def _log(signal: Signal, value: float) -> float:
    return math.log(max(100 - value if signal.lacks else value, 0.0) + signal.floor)
