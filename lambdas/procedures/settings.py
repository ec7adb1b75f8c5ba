"""The settings of `procedures`."""

from typing import Annotated

from pydantic import Field

from lambdas.common.settings import FROM_JSON, Name, Origin, Settings, Topic
from lambdas.health_check.settings import HealthReport
from lambdas.procedures.stores import StoresSettings
from lambdas.rollback.settings import EvidenceSettings


class FrontendSettings(Settings):
    """What the frontend's procedures read and change."""

    prefix: Name
    """What the names of the documents begin with."""
    frontend_url: Origin
    frontend_region: Name
    """Of both buckets."""
    frontend_bucket: Name
    frontend_backups_bucket: Name


class ProceduresSettings(EvidenceSettings, FrontendSettings, StoresSettings):
    """What the procedures read and change."""

    repository: Name
    """Of the backend's images."""
    most_tasks: Annotated[int, Field(gt=0)]
    """The most tasks whose connections the database serves."""
    pool_size: Annotated[int, Field(gt=0)]
    api_url: Origin
    health_check_path: Annotated[str, Field(pattern=r"^/")]
    health_report: Annotated[HealthReport, FROM_JSON]
    outcomes_topic: Topic
    chat_topic: Topic
    maintenance_alarm: Name
    service_impaired_alarm: Name
    maintenance_addresses: Name
    """What the names of the IP sets of maintenance begin with; they end with the version of IP."""
    product: Name
    """What users call the application."""
