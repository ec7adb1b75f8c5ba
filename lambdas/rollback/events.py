"""The event that CloudWatch sends when an alarm changes its state.

https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/alarms-and-actions-Lambda.html
"""

import json
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal

from pydantic import AwareDatetime, BaseModel, Field, ValidationError

from lambdas.common.events import EventError
from lambdas.common.words import one_line

State = Literal["ALARM", "OK", "INSUFFICIENT_DATA"]

# As CloudWatch limits them: https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_CompositeAlarm.html
_LONGEST_NAME = 255
_LONGEST_REASON = 1023
_MOST_TRIGGERS = 10
"""A reader needs no more."""


@dataclass(frozen=True)
class Alarm:
    """An alarm's change to `state` at `at` (UTC); `triggers` names the alarms below a composite that caused it."""

    arn: str
    name: str
    state: State
    at: datetime
    reason: str
    triggers: tuple[str, ...] = ()

    @property
    def id(self) -> str:
        """The same for every delivery of one change of state, and for no other."""
        return f"{self.arn}#{self.at.isoformat()}"


class _State(BaseModel):
    value: State
    timestamp: AwareDatetime
    reason: str = ""
    reason_data: str = Field("", alias="reasonData")


class _AlarmData(BaseModel):
    name: str = Field(alias="alarmName", min_length=1)
    state: _State


class _Event(BaseModel):
    source: Literal["aws.cloudwatch"]
    arn: str = Field(alias="alarmArn", pattern=r"^arn:[\w-]+:cloudwatch:", max_length=512)
    data: _AlarmData = Field(alias="alarmData")


def parse(event: Any) -> Alarm:
    """The alarm of an event; EventError names each field that is missing or wrong."""
    try:
        parsed = _Event.model_validate(event)
    except ValidationError as error:
        problems = [f"{'.'.join(map(str, problem['loc'])) or 'event'}: {problem['msg']}" for problem in error.errors()]
        raise EventError("; ".join(problems)) from None
    state = parsed.data.state
    try:
        at = state.timestamp.astimezone(UTC)
    except OverflowError:
        raise EventError(f"alarmData.state.timestamp: {state.timestamp.isoformat()} is at the end of time") from None
    return Alarm(
        arn=parsed.arn,
        name=one_line(parsed.data.name, _LONGEST_NAME),
        state=state.value,
        at=at,
        reason=one_line(state.reason, _LONGEST_REASON),
        triggers=_triggers(state.reason_data),
    )


def _triggers(reason_data: str) -> tuple[str, ...]:
    """The names of the triggering alarms; empty when the data has none, since they only inform the reader."""
    try:
        found = json.loads(reason_data)["triggeringAlarms"][:_MOST_TRIGGERS]
        return tuple(one_line(alarm["arn"].rpartition(":")[2], _LONGEST_NAME) for alarm in found)
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError):
        return ()
