"""An incident in words. Pure: the same events, the same words."""

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from datetime import datetime

from pydantic import TypeAdapter

from lambdas.common.record.events import Event
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
    start = times.began or times.detected
    known: Mapping[str, datetime | None] = asdict(times)
    return "\n".join(
        f"{title}: {moment:%Y-%m-%d %H:%M:%S} UTC{_after(start, moment)}"
        for name, title in _TIMES.items()
        if (moment := known[name])
    )


def exported(incident: Incident) -> str:
    """The whole incident as one JSON document: its name, its times and its events, in the order in which they happened."""
    return _EXPORTED.dump_json(_Exported(incident.name, incident.severity, incident.times, incident.events), indent=1).decode()


@dataclass(frozen=True)
class _Exported:
    incident: str
    severity: str
    times: Times
    events: tuple[Event, ...]


_EXPORTED = TypeAdapter(_Exported)


def _lines(incident: Incident) -> Iterator[str]:
    day = ""
    for event in incident.events:
        if (date := f"{event.at:%Y-%m-%d}") != day:
            yield date
            day = date
        yield f"{event.at:%H:%M:%S}  {one_line(event.words)}"


def _after(start: datetime | None, moment: datetime) -> str:
    return f" ({(moment - start).total_seconds() / 60:+.1f} min)" if start and moment != start else ""
