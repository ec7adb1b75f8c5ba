"""The settings of `incident_page`."""

from typing import Annotated

from pydantic import Field

from lambdas.common.settings import Name, Origin, Settings


class IncidentPageSettings(Settings):
    """What `incident_page` reads, and the names in what it shows."""

    records_table: Name
    alarm_prefix: Name
    """What the names of the environment's alarms and of the procedures' documents begin with."""
    product: Name
    """What users call the application."""
    region: Name
    forms_url: Annotated[str, Field(pattern=r"^https://[^?#]+/$")]
    """Where the console has the form of an Automation document, below its name."""
    runbook_url: str
    """Empty where nobody can read it in a browser."""

    # Of the pages' commands
    cluster: Name
    service: Name
    database_instance: Name
    replication_group: Name
    frontend_url: Origin
