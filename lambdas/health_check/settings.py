"""The settings of `health_check`."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from lambdas.common.settings import FROM_JSON, Name, Origin, Settings


class HealthReport(BaseModel):
    """What the API's health check answers: the paths of two members of its JSON, and their values when all is well.

    A dot in a path goes one level down.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    status: Name
    healthy: Name
    database: Name
    connected: Name


class HealthCheckSettings(Settings):
    """What `health_check` probes."""

    api_url: Origin
    health_check_path: Annotated[str, Field(pattern=r"^/")]
    health_report: Annotated[HealthReport, FROM_JSON]
    frontend_url: Origin
    namespace: Name
