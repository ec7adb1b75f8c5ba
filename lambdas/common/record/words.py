"""An incident in words. Pure: the same events, the same words."""

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from pydantic import TypeAdapter

from lambdas.common.record.events import EVENT, Event, Impact
from lambdas.common.record.incident import Incident, Times
from lambdas.common.words import one_line

_TIMES: Mapping[str, str] = {
    "changed": "Last deployment began",
    "began": "First value beyond its line",
    "detected": "First alarm",
    "told": "First call",
    "acknowledged": "Acknowledged",
    "mitigated": "Last page ended",
    "verified": "Seen well",
    "resolved": "Resolved",
}


def timeline(incident: Incident) -> str:
    """What happened, a line each, with the date (UTC) before the first line of a day."""
    return "\n".join(_lines(incident))


def figures(times: Times) -> str:
    """The times that are known, each with the minutes since the first value beyond its line, or since the first alarm."""
    return "\n".join(
        f"{title}: {moment:%Y-%m-%d %H:%M:%S} UTC{f' ({after})' if after else ''}" for title, moment, after in known(times)
    )


def known(times: Times) -> Iterator[tuple[str, datetime, str]]:
    """The same one by one: what it is, when it was, and the minutes since, empty where it is that begin."""
    start = times.began or times.detected
    found: Mapping[str, datetime | None] = asdict(times)
    for name, title in _TIMES.items():
        if moment := found[name]:
            yield title, moment, f"{(moment - start).total_seconds() / 60:+.1f} min" if start and moment != start else ""


def exported(incident: Incident) -> str:
    """The whole incident as one JSON document: its name, its times, its impact and its events, in the order in which they
    happened."""
    found = _Exported(incident.name, incident.severity, incident.times, incident.impact, incident.events)
    return _EXPORTED.dump_json(found, indent=1).decode()


def imported(found: Mapping[str, Any]) -> Incident:
    """The incident of such a document, parsed; pydantic's ValidationError for another."""
    return Incident.of(found["incident"], map(EVENT.validate_python, found["events"]))


@dataclass(frozen=True)
class _Exported:
    incident: str
    severity: str
    times: Times
    impact: Impact | None
    events: tuple[Event, ...]


_EXPORTED = TypeAdapter(_Exported)


def _lines(incident: Incident) -> Iterator[str]:
    day = ""
    for event in incident.events:
        if (date := f"{event.at:%Y-%m-%d}") != day:
            yield date
            day = date
        yield f"{event.at:%H:%M:%S}  {one_line(event.words)}"
