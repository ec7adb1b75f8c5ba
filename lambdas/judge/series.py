"""A signal in slots of one period before and after the release, and statistics that ask nothing of how values are spread."""

import math
import statistics
from bisect import bisect_left, bisect_right, insort
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import accumulate, pairwise

Series = Mapping[datetime, float]
"""Values by the start of what they stand for: a minute, or several."""
Slots = list[float | None]
"""Values in the order of time, each one period after the one before it, None where there is none."""

MINUTE = timedelta(minutes=1)


def period(series: Iterable[datetime]) -> int:
    """The minutes that each value stands for: the most usual distance of one from the next, 1 where there is none."""
    apart = Counter(round((later - time) / MINUTE) for time, later in pairwise(sorted(series)))
    return max(1, max(apart, key=lambda minutes: (apart[minutes], -minutes), default=1))


@dataclass(frozen=True)
class Split:
    """A series before and since the release in slots of `minutes`. What covers the release is one of those since, if more than
    half of it is, and otherwise in neither. `origin` is when the first slot since begins, `ends` has when each is over."""

    minutes: int
    before: Slots
    after: Slots
    origin: datetime
    ends: Sequence[datetime]

    def until(self, now: datetime) -> int:
        """How many slots since the release are over, whether they have a value or not."""
        over = max(math.floor((now - self.origin) / (MINUTE * self.minutes)), 0)
        return min(over, bisect_right(self.ends, now)) if over < len(self.ends) else over


def split(values: Series, release: datetime) -> Split:
    """The period is found in the values before the release; values of one slot are their median."""
    minutes = period(time for time in values if time < release)
    length = MINUTE * minutes
    newest = max((time for time in values if time + length <= release), default=release)
    begin = release - length / 2  # of a slot that counts as since the release
    origin = begin + (newest - begin) % length
    found: dict[int, list[float]] = {}
    over: dict[int, datetime] = {}
    for time, value in values.items():
        place = round((time - origin) / length)
        if time > begin or time >= release:
            place = max(place, 0)
            over[place] = max(time + length, over.get(place, time + length))
        elif time + length > release:
            continue
        else:
            place = min(place, -1)
        found.setdefault(place, []).append(value)
    placed = {place: one[0] if len(one) == 1 else statistics.median(one) for place, one in found.items()}
    first, last = min(placed, default=0), max(placed, default=-1)
    ends = accumulate((over.get(place, origin + length * (place + 1)) for place in range(last + 1)), max)
    before = [placed.get(place) for place in range(min(first, 0), 0)]
    return Split(minutes, before, [placed.get(place) for place in range(last + 1)], origin, tuple(ends))


def together(values: Slots, several: int, from_end: bool, mean: bool) -> Slots:
    """Each `several` slots as one: their mean or median, None where more than half are missing."""
    lacking = -len(values) % several
    cut = values[len(values) % several :] if from_end else [*values, *[None] * lacking]
    middle = statistics.fmean if mean else statistics.median
    grouped: Slots = []
    for place in range(0, len(cut), several):
        known = [value for value in cut[place : place + several] if value is not None]
        grouped.append(middle(known) if 2 * len(known) > several else None)
    return grouped


def known(values: Iterable[float | None]) -> list[float]:
    return [value for value in values if value is not None]


def sliding_medians(values: Slots, size: int, least: int) -> Slots:
    """The median of the `size` slots that end with each slot; None where fewer than `least` of them have a value."""
    window: list[float] = []
    medians: Slots = []
    for place, value in enumerate(values):
        if value is not None:
            insort(window, value)
        gone = values[place - size] if place >= size else None
        if gone is not None:
            del window[bisect_left(window, gone)]
        count = len(window)
        if place + 1 < size or count < least:
            medians.append(None)
        elif count % 2:
            medians.append(window[count // 2])
        else:
            medians.append((window[count // 2 - 1] + window[count // 2]) / 2)
    return medians


def quantile(ordered: Sequence[float], share: float) -> float:
    """Of values in order, by linear interpolation."""
    place = share * (len(ordered) - 1)
    low = math.floor(place)
    high = min(low + 1, len(ordered) - 1)
    return ordered[low] + (ordered[high] - ordered[low]) * (place - low)


def spread(values: Sequence[float]) -> float:
    """The standard deviation that the median absolute deviation stands for."""
    if not values:
        return 0.0
    middle = statistics.median(values)
    return 1.4826 * statistics.median(abs(value - middle) for value in values)


def memory(values: Slots) -> float:
    """How much a value tells of the next, 0 to 0.95: the correlation of ranks from one slot to the next."""
    pairs = [(one, other) for one, other in pairwise(values) if one is not None and other is not None]
    if len(pairs) < 8:
        return 0.0
    ordered = sorted(known(values))

    def rank(value: float) -> float:
        return (bisect_left(ordered, value) + bisect_right(ordered, value)) / 2

    first, second = [rank(one) for one, _ in pairs], [rank(other) for _, other in pairs]
    if min(first) == max(first) or min(second) == max(second):
        return 0.0
    return min(max(statistics.correlation(first, second), 0.0), 0.95)


def shift(before: Sequence[float], after: Sequence[float]) -> float:
    """Hodges and Lehmann's: the median of how much each value after is above each before. `before` in order, `after` short."""
    few = before[:: max(1, len(before) // 60)]
    return statistics.median(value - old for value in after for old in few)


def probability(ordered: Sequence[float], after: Sequence[float], remembers: float = 0.0) -> float:
    """Of values this high after, if nothing had changed: Mann and Whitney's rank test, one-sided, with ties. `ordered` are the
    values before; where values tell of the next (`remembers`), there are in effect fewer of them."""
    count, more = len(ordered), len(after)
    if not count or not more:
        return 1.0
    above = sum((bisect_left(ordered, value) + bisect_right(ordered, value)) / 2 for value in after)
    ties = sum(same**3 - same for same in Counter([*ordered, *after]).values())
    total = count + more
    variance = count * more / 12 * (total + 1 - ties / (total * (total - 1)))
    if variance <= 0:
        return 1.0
    variance *= (1 + remembers) / (1 - remembers)
    return statistics.NormalDist().cdf(-(above - count * more / 2 - 0.5) / math.sqrt(variance))
