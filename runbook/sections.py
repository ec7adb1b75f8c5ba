"""The sections of the runbook that alarms, decisions, pages and queries point to."""

import re
from enum import StrEnum


class Section(StrEnum):
    """A section, by its number: `Section.HIGH_LATENCY` is `"3.2"`. ValueError for a number that the runbook does not have."""

    title_: str

    def __new__(cls, number: str, title: str) -> "Section":
        section = str.__new__(cls, number)
        section._value_ = number
        section.title_ = title
        return section

    INCIDENT_RESPONSE = "2", "Incident Response"
    HIGH_ERROR_RATE = "3.1", "High Error Rate (5XX)"
    HIGH_LATENCY = "3.2", "High Latency"
    TASKS_UNHEALTHY = "3.3", "ECS Tasks Unhealthy"
    DATABASE_CONNECTIONS = "3.4", "Database Connection Issues"
    REDIS_CONNECTIONS = "3.5", "Redis Connection Issues"
    BACKEND_ROLLBACK = "4.1", "Backend Rollback (ECS)"
    FRONTEND_ROLLBACK = "4.2", "Frontend Rollback (S3)"
    DATABASE_ROLLBACK = "4.3", "Database Rollback"
    HORIZONTAL_SCALING = "5.1", "Horizontal Scaling (ECS Tasks)"
    VERTICAL_SCALING = "5.2", "Vertical Scaling (Change Instance Size)"
    MANUAL_BACKUP = "6.1", "Manual Backup"
    MIGRATIONS = "6.2", "Run Migrations"
    QUERY_PERFORMANCE = "6.3", "Query Performance"
    KEY_METRICS = "7.1", "Key Metrics to Watch"
    DASHBOARDS = "7.2", "CloudWatch Dashboards"
    SENTRY = "7.3", "Sentry"
    LOG_QUERIES = "7.4", "Log Queries"
    CONTACTS = "8", "Contact Information"

    @property
    def heading(self) -> str:
        """Number and title, such as `3.2 High Latency`."""
        return f"{self.value} {self.title_}"

    @property
    def anchor(self) -> str:
        """The heading's anchor in Markdown, as GitHub makes it."""
        return re.sub(r"[^\w -]", "", self.heading.lower()).replace(" ", "-")

    def link(self, runbook_url: str) -> str:
        """The heading, followed by its address when the runbook has one."""
        return f"{self.heading} {runbook_url}#{self.anchor}" if runbook_url else self.heading
