"""The saved Logs Insights queries (runbook 3.1, 3.3, 6.3 and 7.4): each log group comes with its own.

The language: https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/CWL_QuerySyntax.html
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from runbook.rules import SLOW_QUERY_MILLISECONDS
from runbook.sections import Section


class LogGroups(Protocol):
    """The names of an environment's log groups."""

    @property
    def backend_log_group(self) -> str: ...
    @property
    def database_log_group(self) -> str: ...
    @property
    def events_log_group(self) -> str: ...
    def function_log_group(self, name: str) -> str: ...


@dataclass(frozen=True, kw_only=True)
class Query:
    """A query over one log group. `text` is what a person finds in the console; words in capitals are theirs to replace."""

    slug: str
    title: str
    group: Callable[[LogGroups], str]
    text: str
    section: Section


QUERIES: tuple[Query, ...] = (
    Query(
        slug="errors",
        title="Recent errors",
        group=lambda names: names.backend_log_group,
        text=r"""fields @timestamp, @message, @logStream
| filter @message like /ERROR|Error|" 5\d\d /
| sort @timestamp desc
| limit 100""",
        section=Section.HIGH_ERROR_RATE,
    ),
    Query(
        slug="one-user",
        title="One user",
        group=lambda names: names.backend_log_group,
        text="""fields @timestamp, @message
| filter userId = "USER_ID"
| sort @timestamp desc
| limit 200""",
        section=Section.LOG_QUERIES,
    ),
    Query(
        slug="one-request",
        title="One request id",
        group=lambda names: names.backend_log_group,
        text="""fields @timestamp, @message, @logStream
| filter @message like "REQUEST_ID"
| sort @timestamp asc
| limit 200""",
        section=Section.LOG_QUERIES,
    ),
    Query(
        slug="slow-queries",
        title=f"Slow queries, over {SLOW_QUERY_MILLISECONDS} ms",
        group=lambda names: names.database_log_group,
        text=r"""fields @timestamp
| filter @message like "duration: "
| parse @message /duration: (?<milliseconds>[\d.]+) ms +(?:statement|execute [^:]*): (?<statement>.*)/
| sort milliseconds desc
| limit 50""",
        section=Section.QUERY_PERFORMANCE,
    ),
    Query(
        slug="deployments",
        title="Deployments",
        group=lambda names: names.events_log_group,
        text="""fields @timestamp, detail.eventName, detail.reason
| filter ispresent(detail.eventName)
| sort @timestamp desc
| limit 50""",
        section=Section.HIGH_ERROR_RATE,
    ),
    Query(
        slug="stopped-tasks",
        title="Stopped tasks",
        group=lambda names: names.events_log_group,
        text=r"""fields @timestamp, detail.stoppedReason, detail.containers.0.exitCode
| filter `detail-type` = "ECS Task State Change"
| parse detail.taskDefinitionArn /:(?<revision>\d+)$/
| sort @timestamp desc
| limit 50""",
        section=Section.TASKS_UNHEALTHY,
    ),
    Query(
        slug="last-deployments",
        title="Last deployments",
        group=lambda names: names.function_log_group("releases"),
        text="""fields status, since, revision, commit, deployment
| filter ispresent(deployment)
| sort @timestamp desc
| dedup deployment
| limit 3""",
        section=Section.BACKEND_ROLLBACK,
    ),
    Query(
        slug="rollbacks",
        title="What rollback decided",
        group=lambda names: names.function_log_group("rollback"),
        text=r"""fields @timestamp, outcome, reason
| filter ispresent(outcome)
| parse from_task_definition /:(?<from_revision>\d+)$/
| parse to_task_definition /:(?<to_revision>\d+)$/
| display @timestamp, outcome, from_revision, to_revision, reason
| sort @timestamp desc
| limit 50""",
        section=Section.BACKEND_ROLLBACK,
    ),
    Query(
        slug="told",
        title="What people were told",
        group=lambda names: names.function_log_group("notify"),
        text="""fields @timestamp, severity, kind, message
| filter ispresent(kind)
| sort @timestamp desc
| limit 50""",
        section=Section.KEY_METRICS,
    ),
)
