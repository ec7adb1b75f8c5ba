"""What a function is told about its environment: one frozen object, read once from the environment variables.

A field's variable is its name in capitals. `stacks/remediation.py` sets them.
"""

import os
from collections.abc import Mapping
from typing import Annotated, Literal, TypeVar

from botocore.config import Config
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, Json, ValidationError

CLIENT = Config(connect_timeout=3, read_timeout=10, retries={"mode": "standard", "total_max_attempts": 3})
"""Of every AWS client: a call that hangs must not eat the minute that a function has."""

Names = Annotated[tuple[str, ...], BeforeValidator(lambda value: tuple(part for part in value.split(",") if part))]
"""Names separated by commas."""

Name = Annotated[str, Field(min_length=1)]


class SettingsError(Exception):
    """Environment variables are missing or wrong; the message names each of them."""


class _Settings(BaseModel):
    model_config = ConfigDict(frozen=True)

    environment: Name


Topic = Annotated[str, Field(pattern=r"^arn:[\w-]+:sns:")]


class IncidentSettings(_Settings):
    """Where incidents are recorded, and for how long."""

    incidents_table: Name
    retention_days: Annotated[int, Field(gt=0)]


class RollbackSettings(IncidentSettings):
    """What `rollback` reads, writes and is allowed to do."""

    mode: Literal["on", "observe", "off"]
    cluster: Name
    service: Name
    image_parameter: Name
    database_instance: Name
    replication_group: Name
    service_impaired_alarm: Name
    dependency_alarms: Names
    outcomes_topic: Topic
    escalations_topic: Topic
    runbook_url: str
    """Empty where nobody can read it in a browser."""

    detection_seconds: Annotated[int, Field(gt=0)]
    """What started less than this before the alarm cannot have caused it: the alarm needs that long to see anything."""
    suspect_window_minutes: Annotated[int, Field(gt=0)]
    budget: Annotated[int, Field(ge=0)]
    """Changes of the service that the function may make in `budget_hours`."""
    budget_hours: Annotated[int, Field(gt=0)]


class HealthCheckSettings(_Settings):
    """What `health_check` probes; the URLs are without a path."""

    api_url: Annotated[str, Field(pattern=r"^https://[^/]+$")]
    health_check_path: Annotated[str, Field(pattern=r"^/")]
    frontend_url: Annotated[str, Field(pattern=r"^https://[^/]+$")]
    namespace: Name


class SentrySettings(_Settings):
    """Whose errors `sentry` counts, and where its token is; the URL is without a path."""

    url: Annotated[str, Field(pattern=r"^https://[^/]+$")]
    organization: Name
    project: Name
    token_secret: Name
    namespace: Name


class PageFacts(BaseModel):
    """What `stacks/thresholds.py` says of a page, beside what its alarm says of itself: see `Page` there."""

    model_config = ConfigDict(frozen=True)

    rows: tuple[str, ...]
    service: Name
    symptoms: Name
    component: Name
    automation: Name
    waits: bool


class NotifySettings(IncidentSettings):
    """What `notify` looks at, whom it tells, and how long it holds back."""

    alarm_prefix: Name
    """What the names of the environment's alarms begin with."""
    maintenance_alarm: Name
    dependency_alarms: Names
    pages: Json[dict[str, PageFacts]]
    """By the name of the page's alarm."""
    cluster: Name
    service: Name
    alarms_topic: Topic
    p1_topic: Topic
    p2_topic: Topic
    p3_topic: Topic
    p4_topic: Topic
    chat_topic: Topic
    escalation_path: Names
    dashboard_url: Annotated[str, Field(pattern=r"^https://")]
    runbook_url: str
    """Empty where nobody can read it in a browser."""

    hold_seconds: Annotated[int, Field(ge=0)]
    """How long a page is held back: what explains it may come a minute later."""
    deployment_minutes: Annotated[int, Field(ge=0)]
    """How long a page that a deployment may have caused waits for its rollback."""
    calm_minutes: Annotated[int, Field(gt=0)]
    """An alarm that fires again within this time is the same notification."""
    maintenance_hours: Annotated[int, Field(gt=0)]
    """When maintenance that nobody ended is ended."""


S = TypeVar("S", bound=_Settings)


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
