"""The settings of `notify`."""

from typing import Annotated

from pydantic import Field

from lambdas.common.settings import FROM_JSON, AlarmSettings, IncidentSettings, Name, Origin, Topic
from runbook.severities import Severity


class NotifySettings(IncidentSettings, AlarmSettings):
    """What `notify` looks at, and whom it tells."""

    diagnose_function: Name
    maintenance_alarm: Name
    maintenance_off: Name
    """The document that ends the maintenance of users."""
    not_armed_alarm: Name
    postmortem_function: Name
    cluster: Name
    service: Name
    database_instance: Name
    replication_group: Name
    backend_log_group: Name
    p1_topic: Topic
    p2_topic: Topic
    p3_topic: Topic
    p4_topic: Topic
    chat_topic: Topic
    level_topics: Annotated[dict[int, Topic], FROM_JSON]
    """Those of the levels of the escalation path whose people the environment names."""
    product: Name
    """What users call the application."""
    frontend_url: Origin
    dashboard_url: Annotated[str, Field(pattern=r"^https://[^#]+#dashboards/dashboard/[^?]+$")]
    runbook_url: str
    """Empty where nobody can read it in a browser."""

    heartbeat_secret: str
    """The name of a secret with the URL that is told each minute that all is told; empty where there is none."""

    def topic(self, severity: Severity, level: int = 1) -> str:
        """The ARN of the topic that people of a severity are subscribed to, or those of a level, where they are named."""
        if level in self.level_topics:
            return self.level_topics[level]
        return {"P1": self.p1_topic, "P2": self.p2_topic, "P3": self.p3_topic, "P4": self.p4_topic}[severity]
