"""What a function knows of its environment: one frozen object, built by its stack, carried by environment variables.

A field's variable is its name in capitals. Lists are separated by commas, anything with keys is JSON.
"""

import json
import os
from collections.abc import Mapping
from typing import Annotated, Any, TypeVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

Name = Annotated[str, Field(min_length=1)]
Names = Annotated[
    tuple[str, ...],
    BeforeValidator(lambda value: tuple(filter(None, value.split(","))) if isinstance(value, str) else value),
]
Topic = Annotated[str, Field(pattern=r"^arn:[\w-]+:sns:")]
Origin = Annotated[str, Field(pattern=r"^https://[^/]+$")]
"""A URL without a path."""
FROM_JSON = BeforeValidator(lambda value: json.loads(value) if isinstance(value, str) else value)


MOST_BYTES = 4096
"""What Lambda allows for a function's environment variables together."""


class SettingsError(Exception):
    """Environment variables are missing or wrong; the message names each of them."""


class Settings(BaseModel):
    """What every function knows."""

    model_config = ConfigDict(frozen=True)

    environment: Name

    def variables(self) -> dict[str, str]:
        """The environment variables from which `read` makes these settings again."""
        return {name.upper(): _text(value) for name, value in self}


class IncidentSettings(Settings):
    """Where incidents are recorded, and for how long."""

    incidents_table: Name
    records_table: Name
    retention_days: Annotated[int, Field(gt=0)]


class AlarmSettings(Settings):
    """Which alarms are the environment's, and what they are measured by."""

    alarm_prefix: Name
    """What the names of the environment's alarms begin with."""
    lines: Annotated[dict[str, dict[str, float]], FROM_JSON]
    """The environment's own lines of the threshold table, by the row's slug."""
    alarms_topic: Topic
    """The topic of the alarms that tell people."""


S = TypeVar("S", bound=Settings)


def read(settings: type[S], environ: Mapping[str, str] = os.environ) -> S:
    """The settings from the environment variables; SettingsError names each variable that is missing or wrong."""
    given = {name: environ[name.upper()] for name in settings.model_fields if name.upper() in environ}
    try:
        return settings.model_validate(given)
    except ValidationError as error:
        problems = [
            f"{str(problem['loc'][0]).upper()} "
            + ("is missing" if problem["type"] == "missing" else f"= {problem['input']!r} is wrong: {problem['msg']}")
            for problem in error.errors()
        ]
        raise SettingsError(f"environment variables: {'; '.join(problems)}") from None


def size(variables: Mapping[str, str]) -> int:
    """The bytes of environment variables as Lambda counts them: its refusal shows the JSON that it measured.

    https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html has the limit, MOST_BYTES.
    """
    return len(measured(variables).encode())


def measured(variables: Mapping[str, str]) -> str:
    """The text that Lambda measures."""
    return json.dumps(variables, ensure_ascii=False, separators=(",", ":"))


def _text(value: Any) -> str:
    match value:
        case tuple():
            return ",".join(value)
        case dict():
            return json.dumps(value)
        case BaseModel():
            return value.model_dump_json()
        case _:
            return str(value)
