"""The saved Logs Insights queries (runbook 3.1, 3.3, 6.3 and 7.4) as data: each log group comes with its own.

Nothing here imports the CDK. The language: https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/CWL_QuerySyntax.html
"""

from collections.abc import Callable
from dataclasses import dataclass

from stacks.environment import Environment
from stacks.thresholds import SLOW_QUERY_MILLISECONDS


@dataclass(frozen=True)
class Query:
    """A query over one log group. `text` is what a person finds in the console; words in capitals are theirs to replace."""

    slug: str
    title: str
    group: Callable[[Environment], str]
    text: str
    section: str


QUERIES: tuple[Query, ...] = (
    Query(
        "errors",
        "Recent errors",
        lambda environment: environment.backend_log_group,
        r"""fields @timestamp, @message, @logStream
| filter @message like /ERROR|Error|" 5\d\d /
| sort @timestamp desc
| limit 100""",
        "3.1",
    ),
    Query(
        "one-user",
        "One user",
        lambda environment: environment.backend_log_group,
        """fields @timestamp, @message
| filter userId = "USER_ID"
| sort @timestamp desc
| limit 200""",
        "7.4",
    ),
    Query(
        "one-request",
        "One request id",
        lambda environment: environment.backend_log_group,
        """fields @timestamp, @message, @logStream
| filter @message like "REQUEST_ID"
| sort @timestamp asc
| limit 200""",
        "7.4",
    ),
    Query(
        "slow-queries",
        f"Slow queries, over {SLOW_QUERY_MILLISECONDS} ms",
        lambda environment: environment.database_log_group,
        r"""fields @timestamp
| filter @message like "duration: "
| parse @message /duration: (?<milliseconds>[\d.]+) ms +(?:statement|execute [^:]*): (?<statement>.*)/
| sort milliseconds desc
| limit 50""",
        "6.3",
    ),
    Query(
        "deployments",
        "Deployments",
        lambda environment: environment.events_log_group,
        """fields @timestamp, detail.eventName, detail.reason
| filter ispresent(detail.eventName)
| sort @timestamp desc
| limit 50""",
        "3.1",
    ),
    Query(
        "stopped-tasks",
        "Stopped tasks",
        lambda environment: environment.events_log_group,
        r"""fields @timestamp, detail.stoppedReason, detail.containers.0.exitCode
| filter `detail-type` = "ECS Task State Change"
| parse detail.taskDefinitionArn /:(?<revision>\d+)$/
| sort @timestamp desc
| limit 50""",
        "3.3",
    ),
    Query(
        "rollbacks",
        "What rollback decided",
        lambda environment: environment.function_log_group("rollback"),
        r"""fields @timestamp, outcome, reason
| filter ispresent(outcome)
| parse from_task_definition /:(?<from_revision>\d+)$/
| parse to_task_definition /:(?<to_revision>\d+)$/
| display @timestamp, outcome, from_revision, to_revision, reason
| sort @timestamp desc
| limit 50""",
        "4.1",
    ),
    Query(
        "told",
        "What people were told",
        lambda environment: environment.function_log_group("notify"),
        """fields @timestamp, severity, kind, message
| filter ispresent(kind)
| sort @timestamp desc
| limit 50""",
        "7.1",
    ),
)
