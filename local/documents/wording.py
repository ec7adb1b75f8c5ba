"""Rows, windows and times as people write them, for the threshold table and the pages of `docs/`."""

from datetime import timedelta

from runbook.rows import Level, Row, Window
from runbook.severities import RESPONSE_TIMES, Severity


def amount(value: float, unit: str) -> str:
    """A value of a row, such as `70%`, `500ms` or `50 errors/min`."""
    match unit:
        case "s" if value < 1:
            return f"{value * 1000:g}ms"
        case "s" | "%":
            return f"{value:g}{unit}"
        case "connections":  # the row's title says of what
            return f"{value:g}"
        case _:
            return f"{value:g} {unit}"


def normal(row: Row) -> str:
    """Such as `< 60%`; the bare value where no value could be better."""
    return ("< " if row.worse == "above" and row.normal else "") + amount(row.normal, row.unit)


def line(row: Row, level: Level) -> str:
    """What breaches, such as `> 70%`."""
    return ("> " if row.worse == "above" else "< ") + amount(row.line(level), row.unit)


def window(of: Window, period: int = 60) -> str:
    """M of N, such as `2 of 3 min` or `2 of 3 x 10 min`; `period` is in seconds."""
    times = {60: "min", 3600: "hours", 86400: "days"}.get(period) or f"x {period // 60} min"
    return f"{of.breaching} of {of.periods} {times}"


def respond_within(severity: Severity) -> str:
    """A severity and its response time, such as `P1, 15 min`."""
    return f"{severity}, {RESPONSE_TIMES[severity]}"


def duration(span: timedelta) -> str:
    """Such as `90 seconds`, `60 minutes` or `2 hours`: a whole number, more than one of the unit."""
    units = {"hours": timedelta(hours=1), "minutes": timedelta(minutes=1)}
    whole = (f"{span // unit} {name}" for name, unit in units.items() if span > unit and not span % unit)
    return next(whole, f"{span.total_seconds():g} seconds")


def capitalized(text: str) -> str:
    """The text with a capital first letter, the others as they are."""
    return text[:1].upper() + text[1:]
