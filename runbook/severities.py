"""Severities, how fast somebody responds, and who is called (runbook sections 2 and 8)."""

from collections.abc import Mapping
from typing import Literal

Severity = Literal["P1", "P2", "P3", "P4"]

RESPONSE_TIMES: Mapping[Severity, str] = {
    "P1": "15 min",
    "P2": "1 hour",
    "P3": "4 hours",
    "P4": "next business day",
}

CALLED: tuple[Severity, ...] = ("P1", "P2")
"""The severities for which somebody's phone rings."""

ESCALATION_PATH: tuple[str, ...] = ("on-call engineer", "team lead", "engineering manager", "CTO")
"""Who is called one after another, L1 to L4."""
