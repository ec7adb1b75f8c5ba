"""Severities, how fast somebody responds, and who is called (runbook sections 2 and 8)."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Literal

Severity = Literal["P1", "P2", "P3", "P4"]

RESPOND_WITHIN: Mapping[Severity, timedelta | None] = {
    "P1": timedelta(minutes=15),
    "P2": timedelta(hours=1),
    "P3": timedelta(hours=4),
    "P4": None,
}
"""None for the next business day."""


def _words(time: timedelta | None) -> str:
    if time is None:
        return "next business day"
    hours, rest = divmod(time, timedelta(hours=1))
    return f"{time // timedelta(minutes=1)} min" if rest else f"{hours} hour{'s' if hours > 1 else ''}"


RESPONSE_TIMES: Mapping[Severity, str] = {severity: _words(time) for severity, time in RESPOND_WITHIN.items()}
"""RESPOND_WITHIN in words."""

CALLED: tuple[Severity, ...] = ("P1", "P2")
"""The severities for which somebody's phone rings."""

ESCALATION_PATH: tuple[str, ...] = ("on-call engineer", "team lead", "engineering manager", "CTO")
"""Who is called one after another, L1 to L4."""
