"""The settings of `postmortem`."""

from typing import Annotated

from pydantic import Field

from lambdas.common.settings import FROM_JSON, Name, Settings


class PostmortemSettings(Settings):
    """What `postmortem` reads, and where it writes."""

    alarm_prefix: Name
    """What the names of the environment's alarms begin with."""
    lines: Annotated[dict[str, dict[str, float]], FROM_JSON]
    """The environment's own lines of the threshold table, by the row's slug."""
    records_table: Name
    bucket: Name
    backend_log_group: Name
    product: Name
    """What users call the application."""
    dashboard_url: Annotated[str, Field(pattern=r"^https://[^#]+#dashboards/dashboard/[^?]+$")]
    runbook_url: str
    """Empty where nobody can read it in a browser."""
