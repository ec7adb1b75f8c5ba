"""What people read of a verdict."""

from collections.abc import Iterable
from typing import Any

from lambdas.judge.compare import Difference
from lambdas.judge.signals import SIGNALS, Signal


def value(number: float, unit: str) -> str:
    """A value with its unit, as people write it."""
    digits = f"{number:,.0f}" if abs(number) >= 1000 else f"{number:.2f}" if unit == "s" and number >= 0.1 else f"{number:.2g}"
    if 100 <= abs(number) < 1000:
        digits = f"{number:.0f}"
    elif unit == "%" and abs(number) >= 10:
        digits = f"{number:.1f}".removesuffix(".0")
    return f"{digits} %" if unit == "%" else f"{digits} {unit}"


def sentence(
    signal: Signal,
    before: float | None,
    after: float | None,
    ratio: float | None,
    difference: Difference | None,
    verdict: str,
    reason: str,
) -> str:
    """A signal's verdict in one line: `p95 latency 0.31 s before, 0.52 s since the release, 1.7 times, in 9 of 10 minutes`."""
    if before is None or after is None:
        return f"{signal.title}: {reason or 'too little to compare'}"
    said = [f"{signal.title} {value(before, signal.unit)} before", f"{value(after, signal.unit)} since the release"]
    if verdict in ("worse", "better") or (reason and difference and difference.clear):
        if ratio and not signal.lacks:
            said.append(f"{ratio:.1f} times" if ratio >= 0.1 else "next to nothing")
        if difference and difference.minutes == 1:
            said.append(f"in {difference.high} of {difference.of} minutes")
        elif difference:
            said.append(f"in {difference.high} of {difference.of} values of {difference.minutes} minutes")
    line = ", ".join(said)
    if verdict == "same" and ratio and max(ratio, 1 / ratio) >= signal.factor:
        reason = "no more than it changes by itself" if ratio > 1 else ""
    return f"{line}; {reason}" if reason else line


def traffic(ratio: float | None) -> str:
    """The traffic since the release, in words; empty when it is not known."""
    if ratio is None:
        return ""
    if 0.8 <= ratio <= 1.25:
        return "traffic as before"
    return f"traffic {ratio:.1f} times as before"


def headline(verdict: str, judged: Iterable[Any], ratio: float | None, reason: str) -> str:
    """The verdict in one line: the worst of the users' signals, or of the cause's, and the traffic."""
    of_kind = sorted(judged, key=lambda one: SIGNALS[one.name].kind != "users")
    meant = [one for one in of_kind if one.verdict == verdict and SIGNALS[one.name].kind != "information"]
    if verdict == "unknown":
        worse = [one.words for one in of_kind if one.verdict == "worse"]
        return "; ".join(["unknown", *worse[:1], reason]) if reason else "unknown"
    if verdict == "same":
        parts = [f"as before: {', '.join(SIGNALS[one.name].title for one in meant)}"]
    else:
        parts = [meant[0].words] if meant else []
    return "; ".join([f"{verdict}: {parts[0]}" if parts else verdict, *filter(None, [traffic(ratio)])])
