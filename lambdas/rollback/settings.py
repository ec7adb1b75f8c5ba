"""The settings of `rollback`."""

from lambdas.common.settings import IncidentSettings, Name, Topic
from lambdas.rollback.decisions import Mode


class RollbackSettings(IncidentSettings):
    """What `rollback` reads, writes and is allowed to do."""

    mode: Mode
    cluster: Name
    service: Name
    container: Name
    """The container whose image a release replaces."""
    image_parameter: Name
    database_instance: Name
    replication_group: Name
    service_impaired_alarm: Name
    alarm_prefix: Name
    """What the names of the environment's alarms begin with."""
    outcomes_topic: Topic
    escalations_topic: Topic
    runbook_url: str
    """Empty where nobody can read it in a browser."""
