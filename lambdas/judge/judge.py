"""The verdict on a release: what its signals say together, and what else explains them."""

import math
import statistics
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from functools import cached_property
from typing import Literal

from lambdas.judge import series, words
from lambdas.judge.compare import BEFORE, EARLIEST_SAME, Compared, Difference, compared
from lambdas.judge.series import MINUTE, Series, Slots, Split, known
from lambdas.judge.signals import DATABASE_SERVES, IMPAIRED, SIGNALS, TRAFFIC, Line, Signal

Verdict = Literal["better", "same", "worse", "unknown"]

WATCH = timedelta(minutes=60)
"""How long after it a release is suspect."""
LEAST_TRAFFIC = 10
"""Requests a minute below which a minute says nothing of errors and latency, as in the table."""
MORE_TRAFFIC = 1.25
"""Traffic that grew to this many times may be what makes a service slow."""
HALF = 50.0
"""Per cent of its checks below which the database is down, as in the table."""
RISEN = 1.2
"""Times by which the database's load is up when it may explain the rest: a smaller difference than one to blame for."""
LATER = 5
"""What a dependency began so many minutes after the release is its own: a release has its effect when it comes."""
NEWEST = 3
"""The newest values that say what is so now, two of which have to."""
_OF_REQUESTS = ("alb-", "rds-time")


@dataclass(frozen=True)
class Evidence:
    """What is known of a service: series by the signal's name, by TRAFFIC (requests a minute) and by the rows that say that a
    dependency is impaired; the healthy targets by availability zone; and the environment's own lines of these rows."""

    release: datetime
    signals: Mapping[str, Series]
    healthy: Mapping[str, Series] = field(default_factory=dict)
    lines: Mapping[str, Line] = field(default_factory=lambda: IMPAIRED)


@dataclass(frozen=True)
class SignalVerdict:
    """What one signal says. `before` and `after` are medians in its unit, `ratio` is of the two (of what it lacks to 100 where
    it is worse when lower), `sure` is 1 less the probability that chance made a difference so large."""

    name: str
    before: float | None
    after: float | None
    ratio: float | None
    sure: float
    verdict: Verdict
    words: str
    since: datetime | None = None


@dataclass(frozen=True)
class Judgement:
    """The verdict at one minute. `users` says that a signal of users is worse; `reason` why it is unknown, where it is."""

    at: datetime
    verdict: Verdict
    signals: tuple[SignalVerdict, ...]
    words: str
    users: bool = False
    reason: str = ""


def judge(evidence: Evidence, now: datetime) -> Judgement:
    """The verdict on the release at `now`, from what was over by then."""
    return Judge(evidence).at(now)


class Judge:
    """The judge of one release. What lies before it is looked at once, however many minutes are judged."""

    def __init__(self, evidence: Evidence) -> None:
        self.evidence = evidence
        self.release = evidence.release
        self._split: dict[str, Split] = {}

    def each_minute(self, until: datetime, every: timedelta = MINUTE) -> Iterator[Judgement]:
        """The verdicts after the release, until the watch is over."""
        now = self.release + every
        while now <= min(until, self.release + WATCH):
            yield self.at(now)
            now += every

    def at(self, now: datetime) -> Judgement:
        """The verdict at one minute."""
        traffic = self._traffic_ratio(now)
        found = {name: self._signal(one, now, traffic) for name, one in self._compared.items()}
        judged = tuple(found[name] for name in SIGNALS if name in found)
        worse = [one for one in judged if one.verdict == "worse" and SIGNALS[one.name].kind != "information"]
        users = [one for one in worse if SIGNALS[one.name].kind == "users"]
        reason = self._excuse(worse, now) if worse else ""
        verdict = self._together(judged, reason)
        if verdict == "unknown" and not reason:
            reason = self._why_unknown(judged, now)
        return Judgement(
            now, verdict, judged, words.headline(verdict, judged, traffic, reason), bool(users) and verdict == "worse", reason
        )

    @staticmethod
    def _together(judged: tuple[SignalVerdict, ...], reason: str) -> Verdict:
        counted = [one for one in judged if SIGNALS[one.name].kind != "information"]
        said = {one.verdict for one in counted}
        of_users = {one.verdict for one in counted if SIGNALS[one.name].kind == "users"} or said
        if "worse" in said:
            return "unknown" if reason else "worse"
        if not said or "unknown" in said:
            return "unknown"
        return "better" if "better" in of_users else "same"

    # Signals

    def _halves(self, name: str) -> Split | None:
        """A series before and since the release; None where there is none."""
        values = self.evidence.signals.get(name)
        if values and name not in self._split:
            self._split[name] = series.split(values, self.release)
        return self._split.get(name)

    @property
    def _traffic(self) -> Split | None:
        return self._halves(TRAFFIC)

    @cached_property
    def _compared(self) -> dict[str, Compared]:
        given = self.evidence.signals
        return {
            name: compared(signal, self._with_traffic(name, given[name]), self.release)
            for name, signal in SIGNALS.items()
            if given.get(name)
        }

    @cached_property
    def _per_request(self) -> dict[str, Compared]:
        requests = self.evidence.signals.get(TRAFFIC, {})
        old = known(self._traffic.before) if self._traffic else []
        usual = statistics.median(old) if old else 0.0
        return {
            name: compared(
                signal,
                {
                    time: value / requests[time] * usual
                    for time, value in self.evidence.signals[name].items()
                    if requests.get(time, 0) >= LEAST_TRAFFIC
                },
                self.release,
            )
            for name, signal in SIGNALS.items()
            if signal.per_request and name in self._compared and usual
        }

    def _with_traffic(self, name: str, values: Series) -> Series:
        """Without the minutes in which too few requests came."""
        requests = self.evidence.signals.get(TRAFFIC)
        if not requests or not name.startswith(_OF_REQUESTS):
            return values
        return {time: value for time, value in values.items() if requests.get(time, LEAST_TRAFFIC) >= LEAST_TRAFFIC}

    def _signal(self, one: Compared, now: datetime, traffic: float | None) -> SignalVerdict:
        signal, values = one.signal, one.values
        end = values.until(now)
        size = math.ceil(10 / values.minutes) if values.minutes < 3 else NEWEST
        old, new = known(values.before[-BEFORE // values.minutes :]), known(values.after[max(0, end - size) : end])
        before = statistics.median(old) if old else None
        after = statistics.median(new) if new else None
        blank = SignalVerdict(signal.name, before, after, _ratio(signal, before, after), 0.0, "unknown", "")
        worse, seen = one.clearest(one.worse, now)
        better, _ = one.clearest(one.better, now)
        verdict: Verdict = "unknown"
        difference, reason = worse, ""
        if not one.worse:
            reason = self._too_little(signal, "before", now)
        elif not worse:
            reason = self._too_little(signal, "after", now)
        elif worse.clear:
            reason = self._explained(one, worse, now, traffic)
            verdict = "unknown" if reason else "worse"
        elif better and better.clear:
            verdict, difference = "better", better
        elif seen and now - self.release >= MINUTE * EARLIEST_SAME:
            verdict = "unknown" if one.begins(now) else "same"
            reason = "it may be a fault that begins" if verdict == "unknown" else ""
        if verdict in ("same", "better") and self._only_with_few(signal.name, now):
            verdict, reason = "unknown", "in minutes with too little traffic to be sure"
        since = self.release + MINUTE * difference.since if difference and difference.clear else None
        return replace(
            blank,
            sure=round(difference.sure, 4) if difference else 0.0,
            verdict=verdict,
            words=words.sentence(signal, blank.before, blank.after, blank.ratio, difference, verdict, reason),
            since=since,
        )

    def _only_with_few(self, name: str, now: datetime) -> bool:
        """Whether it is worse together with the minutes that were left out."""
        every = self._with_few.get(name)
        difference = every.clearest(every.worse, now)[0] if every else None
        return difference is not None and difference.clear

    @cached_property
    def _with_few(self) -> dict[str, Compared]:
        """Of the signals of which minutes were left out: all minutes."""
        given = self.evidence.signals
        return {
            name: compared(signal, given[name], self.release)
            for name, signal in SIGNALS.items()
            if given.get(name) and len(self._with_traffic(name, given[name])) < len(given[name])
        }

    def _too_little(self, signal: Signal, side: Literal["before", "after"], now: datetime) -> str:
        given = {time: one for time, one in self.evidence.signals[signal.name].items() if time < now}
        of_side = {time for time in given if (time < self.release) is (side == "before")}
        quiet = len(of_side) > 2 * len(self._with_traffic(signal.name, {time: given[time] for time in of_side}))
        if quiet:
            return f"too little traffic {'before the release' if side == 'before' else 'since the release'}"
        if side == "before":
            return "too little before the release"
        return "too early" if now - self.release < MINUTE * EARLIEST_SAME else "too little since the release"

    def _explained(self, one: Compared, worse: Difference, now: datetime, traffic: float | None) -> str:
        """What but the release explains the signal; empty when nothing does."""
        if worse.before_release >= (2 if worse.minutes >= 3 else 3) * worse.minutes:
            return f"it was so for {worse.before_release} minutes before the release"
        if traffic is None or traffic < MORE_TRAFFIC or one.signal.kind == "information":
            return ""
        more = f"traffic is {traffic:.1f} times as much"
        if one.signal.name in self._per_request:
            by_request, _ = self._per_request[one.signal.name].clearest(self._per_request[one.signal.name].worse, now)
            return "" if by_request and by_request.clear else more
        if not one.signal.name.startswith(("alb-", "ecs-cpu")):
            return ""
        return more if self._ratio_of(one, now) < one.signal.factor * traffic ** self._strain(now) else ""

    def _strain(self, now: datetime) -> float:
        """The power of the traffic's ratio by which it may slow the service: much, unless the CPU is known to have room."""
        cpu = self._compared.get("ecs-cpu")
        newest = _newest(cpu.values, now) if cpu else []
        return 2.0 if newest and statistics.median(newest) < 70 else 4.0

    @staticmethod
    def _ratio_of(one: Compared, now: datetime) -> float:
        """Of the newest values to those before."""
        end = one.values.until(now)
        old = known(one.values.before[-BEFORE // one.values.minutes :])
        new = known(one.values.after[max(0, end - max(NEWEST, 10 // one.values.minutes)) : end])
        if not old or not new:
            return 0.0
        floor = one.signal.floor
        return (_value(one.signal, statistics.median(new)) + floor) / (_value(one.signal, statistics.median(old)) + floor)

    def _traffic_ratio(self, now: datetime) -> float | None:
        """The traffic since the release of that in the half hour before it."""
        if not self._traffic:
            return None
        minutes, end = self._traffic.minutes, self._traffic.until(now)
        old = known(self._traffic.before[-30 // minutes :])
        new = known(self._traffic.after[max(0, end - max(2, 5 // minutes)) : end])
        return statistics.median(new) / statistics.median(old) if old and new and statistics.median(old) > 0 else None

    # What else explains it

    def _excuse(self, worse: list[SignalVerdict], now: datetime) -> str:
        """What is to blame instead of the release; empty when nothing else is."""
        lost = self._zone_lost(now)
        if lost:
            return f"availability zone {lost} has lost its healthy targets"
        others = [one for one in worse if not one.name.startswith(("rds-", "redis-", "database-"))]
        alone = len([one for one in worse if one not in others]) == len(self._compared)
        for name, line in self.evidence.lines.items():
            halves = self._halves(name)
            if not halves or alone:
                continue
            newest = _newest(halves, now)
            past = [value for value in newest if (value < line.critical if line.below else value > line.critical)]
            if len(past) >= (2 if halves.minutes < 3 else 1):
                return f"the {line.dependency} is impaired by itself: {words.value(past[-1], line.unit)} of {line.title}"
        down = self._down_since(now)
        if down is not None and down >= LATER:
            return f"the database is down, since {down} minutes after the release"
        first = min((one.since for one in others if one.since), default=now)
        for name in ("rds-cpu", "rds-time"):
            began = self._risen_since(name, now)
            if alone or began is None:
                continue
            if began >= LATER and first >= self.release + MINUTE * (began - 2 * LATER):
                return f"the database got worse by itself, {began} minutes after the release"
        return ""

    def _risen_since(self, name: str, now: datetime) -> int | None:
        """How many minutes after the release the signal rose above nearly all that it was before; None where it is not."""
        halves, signal = self._halves(name), SIGNALS[name]
        if not halves:
            return None
        old = sorted(known(halves.before[-BEFORE // halves.minutes :]))
        if not old:
            return None
        line = max(series.quantile(old, 0.98), (statistics.median(old) + signal.floor) * RISEN - signal.floor)
        new = halves.after[: halves.until(now)]
        high = 0
        for value in reversed(new):
            if value is not None and value <= line:
                break
            high += 1
        return (len(new) - high) * halves.minutes if high >= (2 if halves.minutes < 3 else 1) else None

    def _down_since(self, now: datetime) -> int | None:
        """How many minutes after the release the database stopped serving; None where it serves, or nobody knows."""
        halves = self._halves(DATABASE_SERVES)
        if not halves:
            return None
        serves = [value is None or value >= HALF for value in halves.after[: halves.until(now)]]
        if not serves or serves[-1]:
            return None
        failed = next((back for back, up in enumerate(reversed(serves)) if up), len(serves))
        return (len(serves) - failed) * halves.minutes

    @cached_property
    def _zones(self) -> dict[str, Split]:
        return {zone: series.split(values, self.release) for zone, values in sorted(self.evidence.healthy.items())}

    def _zone_lost(self, now: datetime) -> str:
        """The availability zone without healthy targets that had some, while another has as many as before."""
        lost: list[str] = []
        kept: list[str] = []
        for zone, halves in self._zones.items():
            old = known(halves.before[-30 // halves.minutes :])
            if not old or statistics.median(old) < 1:
                continue
            newest = _newest(halves, now)
            (lost if not newest or statistics.median(newest) < 1 else kept).append(zone)
        return lost[0] if lost and kept else ""

    def _why_unknown(self, judged: tuple[SignalVerdict, ...], now: datetime) -> str:
        if not judged:
            return "none of the signals is known"
        if now - self.release < MINUTE * EARLIEST_SAME:
            return "it is too early"
        return next((one.words for one in judged if one.verdict == "unknown"), "")


def _newest(values: Split, now: datetime) -> list[float]:
    end = values.until(now)
    slots: Slots = [*values.before[-NEWEST:], *values.after[:end]][-NEWEST:]
    return known(slots)


def _value(signal: Signal, value: float) -> float:
    return max(100 - value, 0.0) if signal.lacks else value


def _ratio(signal: Signal, before: float | None, after: float | None) -> float | None:
    if before is None or after is None:
        return None
    old, new = _value(signal, before), _value(signal, after)
    return round(new / old, 3) if old > 0 else (1.0 if new == old else None)
