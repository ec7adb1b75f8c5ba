"""The settings of `diagnose`."""

from typing import Annotated

from pydantic import Field

from lambdas.common.settings import AlarmSettings, Name, Names, Topic
from runbook.severities import Severity


class DiagnoseSettings(AlarmSettings):
    """What `diagnose` looks at, and whom it tells."""

    records_table: Name
    cluster: Name
    service: Name
    container: Name
    zones: Names
    most_tasks: Annotated[int, Field(gt=0)]
    target_group: Name
    database_instance: Name
    replication_group: Name
    backend_log_group: Name
    database_log_group: Name
    frontend_bucket: Name
    p1_topic: Topic
    p2_topic: Topic
    chat_topic: Topic
    runbook_url: str
    """Empty where nobody can read it in a browser."""

    @property
    def prefix(self) -> str:
        """What the names of the environment's resources begin with."""
        return self.alarm_prefix.removesuffix("-")

    def topic(self, severity: Severity) -> str:
        """The ARN of the topic of those who are called with a severity."""
        return self.p1_topic if severity == "P1" else self.p2_topic
