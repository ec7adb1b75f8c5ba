"""What PagerDuty says of an incident of its own that somebody has acknowledged, through Amazon EventBridge.

The event is documented: https://support.pagerduty.com/main/docs/amazon-eventbridge-integration-guide. That an incident of the
CloudWatch integration has the alarm's name, or the subject of its message, in its key, its title or its description is not.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal

from pydantic import AwareDatetime, BaseModel, Field, ValidationError

from lambdas.common.events import EventError
from lambdas.common.record.events import Person
from lambdas.common.words import one_line

SOURCES = "aws.partner/pagerduty.com/"
"""What the names of PagerDuty's event sources begin with."""
DETAIL_TYPE = "PagerDuty Webhook"
ACKNOWLEDGE = "incident.acknowledge"


class _Agent(BaseModel):
    summary: str


class _Entry(BaseModel):
    id: str = Field(min_length=1, max_length=200)
    created_at: AwareDatetime
    agent: _Agent


class _Incident(BaseModel):
    title: str | None = None
    description: str | None = None
    incident_key: str | None = None


class _Detail(BaseModel):
    event: Literal["incident.acknowledge"]
    log_entries: tuple[_Entry, ...] = Field(min_length=1)
    incident: _Incident


@dataclass(frozen=True)
class Acknowledgement:
    """That somebody has acknowledged an incident of PagerDuty; `words` are those that it is known by."""

    event: Person
    words: tuple[str, ...]

    @property
    def at(self) -> datetime:
        """When, in UTC."""
        return self.event.at

    def names(self, name: str) -> bool:
        """Whether it is known by this name, as a whole."""
        return any(re.search(rf"(?<![\w-]){re.escape(name)}(?![\w-])", words) for words in self.words)


def is_pagerduty(event: Any) -> bool:
    """Whether an event is PagerDuty's."""
    return isinstance(event, Mapping) and str(event.get("source", "")).startswith(SOURCES)


def parse(event: Any) -> Acknowledgement:
    """The acknowledgement that an event of PagerDuty tells of; EventError for any other."""
    try:
        detail = _Detail.model_validate(event["detail"])
        at = detail.log_entries[0].created_at.astimezone(UTC)
    except (ValidationError, LookupError, TypeError, OverflowError) as error:
        problem = "; ".join(map(str, (one["loc"] for one in error.errors()))) if isinstance(error, ValidationError) else error
        raise EventError(f"an event of PagerDuty is no acknowledgement that can be read: {problem}") from None
    entry, about = detail.log_entries[0], detail.incident
    person = Person(
        id=f"person pagerduty {entry.id}",
        at=at,
        kind="acknowledgement",
        by=one_line(entry.agent.summary, 200),
        text="In PagerDuty",
    )
    return Acknowledgement(person, tuple(filter(None, (about.incident_key, about.title, about.description))))
