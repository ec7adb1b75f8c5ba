"""What `rollback` is told."""

from typing import Literal

from lambdas.common.settings import IncidentSettings, Name, Names, Topic


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
