"""The settings of `rollback`."""

from lambdas.common.settings import IncidentSettings, Name, Topic
from lambdas.rollback.decisions import Mode


class EvidenceSettings(IncidentSettings):
    """What evidence about the service is read from."""

    cluster: Name
    service: Name
    container: Name
    """The container whose image a release replaces."""
    database_instance: Name
    replication_group: Name
    alarm_prefix: Name
    """What the names of the environment's alarms begin with."""


class RollbackSettings(EvidenceSettings):
    """What `rollback` reads, writes and is allowed to do."""

    mode: Mode
    image_parameter: Name
    service_impaired_alarm: Name
    outcomes_topic: Topic
    escalations_topic: Topic
    runbook_url: str
    """Empty where nobody can read it in a browser."""
