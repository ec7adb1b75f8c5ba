"""The dashboard (runbook 7.2): what goes on, and is it us, the database, the cache or the last release?

The incident comes first, as the function `incident_page` shows it. Then come the last deployments and alarm states, and a
section for each suspect: the table's rows with their bands, graphs that explain them, and log queries. All graphs are of
one-minute periods over the same hours, so that a deployment and its effects line up.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import TypeVar

import aws_cdk as cdk
from aws_cdk import aws_cloudwatch as cloudwatch
from constructs import Construct

from runbook.queries import QUERIES
from runbook.rows import LEVELS, OWN, Level, Row, Signal
from runbook.sections import Section as RunbookSection
from stacks.environment import Environment
from stacks.metrics import Metrics

T = TypeVar("T")

_WIDTH = 24  # of a dashboard, in its grid
_HEIGHT, _LOG_HEIGHT, _TOP_HEIGHT, _INCIDENT_HEIGHT = 5, 4, 3, 7
_STATES, _STATES_HEIGHT = 4, 2  # widgets with alarm states in a line: what fires comes first in each, the rest is scrolled to
_MOST = 5  # graphs in a line: more would be too narrow to read
_DEPLOYMENTS = "last-deployments"
"""The query on top. Every look at the dashboard runs all queries again; this one reads a few kilobytes an hour."""
_HOURS = 3
_MINUTE = cdk.Duration.minutes(1)
_EDGE = "us-east-1"  # where CloudFront publishes its metrics

_RDS, _NODE, _ALB = ("DBInstanceIdentifier",), ("CacheClusterId",), ("LoadBalancer",)
_SERVICE, _ROLLBACK = ("ClusterName", "ServiceName"), ("FunctionName=rollback",)


@dataclass(frozen=True)
class Graph:
    """What explains a section's rows: it has no line of its own in the table."""

    title: str
    unit: str
    signals: tuple[Signal, ...] = ()
    search: str = ""
    """A metric of every CloudFront distribution of the account. The environment's own is made in us-east-1, whatever region the
    dashboard is in: to name it here would take a custom resource that carries its id over."""


@dataclass(frozen=True)
class Section:
    """A suspect: the rows of the table by slug, graphs beside them, saved queries by slug, its page in AWS's console."""

    title: str
    question: str
    rows: tuple[str, ...]
    graphs: tuple[Graph, ...] = ()
    queries: tuple[str, ...] = ()
    console: str = ""
    states: tuple[str, ...] = ()
    """Rows that a graph shows without bands, or that change too seldom for one: only the states of their alarms."""


def _probe(target: str, title: str) -> Graph:
    return Graph(title, "ms", (Signal(OWN, "Latency", ("Environment", f"Target={target}"), "Average"),))


SECTIONS: tuple[Section, ...] = (
    Section(
        "API",
        "is it down or slow for users?",
        ("api-availability", "unhealthy-hosts", "alb-latency-p95"),
        (_probe("api", "API health check, from outside"),),
        ("told",),
        console="ec2/home?region={environment.region}#LoadBalancers:search={environment.load_balancer}",
        states=("target-connections", "alb-latency-p95-low-traffic", "certificate-days"),
    ),
    Section(
        "Errors",
        "what do users get?",
        ("alb-5xx-rate", "sentry-errors"),
        (
            Graph(
                "Requests and their errors",
                "a minute",
                (
                    Signal("AWS/ApplicationELB", "RequestCount", _ALB, "Sum", "requests"),
                    Signal("AWS/ApplicationELB", "HTTPCode_Target_5XX_Count", _ALB, "Sum", "target"),
                    Signal("AWS/ApplicationELB", "HTTPCode_ELB_5XX_Count", _ALB, "Sum", "elb"),
                ),
            ),
        ),
        ("errors", "stopped-tasks"),
        console="cloudwatch/home?region={environment.region}#logsV2:logs-insights",
        states=("alb-5xx-rate-low-traffic",),
    ),
    Section(
        "ECS",
        "is it the last release, or too few tasks?",
        ("ecs-cpu", "ecs-memory"),
        (
            Graph(
                "Tasks",
                "tasks",
                (
                    Signal("ECS/ContainerInsights", "RunningTaskCount", _SERVICE, "Average", "running"),
                    Signal("ECS/ContainerInsights", "DesiredTaskCount", _SERVICE, "Average", "desired"),
                    Signal("ECS/ContainerInsights", "PendingTaskCount", _SERVICE, "Average", "pending"),
                ),
            ),
            Graph(  # more than one deployment means that a rollout is under way
                "Deployments, and calls of rollback",
                "at a time",
                (
                    Signal("ECS/ContainerInsights", "DeploymentCount", _SERVICE, "Maximum", "deployments"),
                    Signal("AWS/Lambda", "Invocations", _ROLLBACK, "Sum", "rollback"),
                ),
            ),
        ),
        ("rollbacks", "deployments"),
        console="ecs/v2/clusters/{environment.cluster}/services/{environment.service}/deployments?region={environment.region}",
        states=("tasks-running", "ecs-cpu-hottest", "nat-ports"),
    ),
    Section(
        "Database",
        "is it the database?",
        ("database-availability", "rds-cpu", "rds-connections"),
        (
            Graph(
                "RDS latency",
                "s",
                (
                    Signal("AWS/RDS", "ReadLatency", _RDS, "Average", "read"),
                    Signal("AWS/RDS", "WriteLatency", _RDS, "Average", "write"),
                ),
            ),
            Graph("RDS free storage", "bytes", (Signal("AWS/RDS", "FreeStorageSpace", _RDS, "Minimum"),)),
        ),
        ("slow-queries",),
        console="rds/home?region={environment.region}#database:id={environment.database_instance};is-cluster=false",
        states=("rds-free-storage", "rds-free-memory", "rds-cpu-credits", "rds-failovers"),
    ),
    Section(
        "Cache",
        "is it the cache?",
        ("redis-memory",),
        (
            Graph("Redis CPU, by node", "%", (Signal("AWS/ElastiCache", "EngineCPUUtilization", _NODE, "Average"),)),
            Graph(
                "Redis connections, by node", "connections", (Signal("AWS/ElastiCache", "CurrConnections", _NODE, "Maximum"),)
            ),
            Graph("Redis evictions, by node", "a minute", (Signal("AWS/ElastiCache", "Evictions", _NODE, "Sum"),)),
        ),
        console="elasticache/home?region={environment.region}#/redis/{environment.replication_group}",
        states=("redis-nodes", "redis-evictions", "redis-replication-lag"),
    ),
    Section(
        "Frontend",
        "does the page load?",
        ("frontend-availability",),
        (
            _probe("frontend", "Frontend health check, from outside"),
            Graph("CloudFront requests, all of the account", "a minute", search="Requests"),
            Graph("CloudFront 5XX, all of the account", "%", search="5xxErrorRate"),
        ),
        console="cloudfront/v4/home?region=us-east-1#/distributions",
    ),
)


def _lines(shown: Sequence[T], most: int) -> list[Sequence[T]]:
    """As few lines as hold them all, as many in each line, or one less."""
    each = -(-len(shown) // -(-len(shown) // most))
    return [shown[start : start + each] for start in range(0, len(shown), each)]


class Dashboard(Construct):
    """The dashboard of an environment: after the incident come `states`, alarms by title, each section's, then our functions'.

    CloudWatch sorts alarms by state: https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/CloudWatch-Dashboard-Body-Structure.html
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        environment: Environment,
        metrics: Metrics,
        *,
        states: Mapping[str, Sequence[cloudwatch.IAlarm]],
        alarms: Mapping[tuple[str, Level], cloudwatch.IAlarm],
        spells: Mapping[str, Sequence[cloudwatch.IAlarm]],
        failures: Sequence[cloudwatch.IAlarm],
    ) -> None:
        super().__init__(scope, construct_id)
        self._environment = environment
        self._metrics = metrics
        self._colors = (cloudwatch.Color.GREEN, cloudwatch.Color.ORANGE, cloudwatch.Color.RED)
        tiled = {
            **{
                section.title: [
                    alarm
                    for slug in (*section.rows, *section.states)
                    for alarm in (*(alarms[slug, level] for level in LEVELS if (slug, level) in alarms), *spells.get(slug, ()))
                ]
                for section in SECTIONS
            },
            "Automation": failures,
        }
        third = _WIDTH // 3
        lines: list[list[cloudwatch.IWidget]] = [
            [self._incident()],
            [
                cloudwatch.TextWidget(markdown=self._head(), width=third, height=_TOP_HEIGHT),
                *self._queries((_DEPLOYMENTS,), _WIDTH - third, _TOP_HEIGHT),
            ],
            *([self._tile(title, some, _WIDTH)] for title, some in states.items()),
            *(
                [self._tile(title, tiled[title], _WIDTH // len(line)) for title in line]
                for line in _lines(list(tiled), _STATES)
            ),
            *chain.from_iterable(self._lines(section) for section in SECTIONS),
        ]
        cloudwatch.Dashboard(
            self,
            "Resource",
            dashboard_name=environment.dashboard,
            widgets=lines,
            default_interval=cdk.Duration.hours(_HOURS),
            period_override=cloudwatch.PeriodOverride.INHERIT,  # the widgets' own periods, whatever range is looked at
        )

    def _incident(self) -> cloudwatch.IWidget:
        """What the function shows, called with the permissions of who looks, at each refresh.
        https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/add_custom_widget_dashboard.html"""
        return cloudwatch.CustomWidget(
            title="Incident",
            function_arn=self._environment.function_arn("incident-page"),
            width=_WIDTH,
            height=_INCIDENT_HEIGHT,
            update_on_resize=False,
            update_on_time_range_change=False,
        )

    def _tile(self, title: str, alarms: Sequence[cloudwatch.IAlarm], width: int) -> cloudwatch.IWidget:
        return cloudwatch.AlarmStatusWidget(
            title=title,
            alarms=list(alarms),
            width=width,
            height=_STATES_HEIGHT,
            sort_by=cloudwatch.AlarmStatusWidgetSortBy.STATE_UPDATED_TIMESTAMP,
        )

    def _queries(self, slugs: Collection[str], width: int, height: int) -> list[cloudwatch.IWidget]:
        """The saved queries of these slugs, beside each other."""
        found = [query for query in QUERIES if query.slug in slugs]
        return [
            cloudwatch.LogQueryWidget(
                title=query.title,
                log_group_names=[query.group(self._environment)],
                query_string=query.text,
                width=width // len(found),
                height=height,
            )
            for query in found
        ]

    def _head(self) -> str:
        environment = self._environment
        pages = {
            "On call": f"{environment.docs_url}/on-call.md" if environment.docs_url else "",
            "Runbook": environment.runbook_url,
            "Saved log queries": self._console("cloudwatch/home?region={environment.region}#logsV2:logs-insights"),
            "Alarms": self._console("cloudwatch/home?region={environment.region}#alarmsV2:"),
        }
        links = " · ".join(f"[{title}]({url})" for title, url in pages.items() if url)
        heading = f"# {environment.application.title} {environment.name}"
        return f"{heading}\nIs it us, the database, the cache or the last release? {links}"

    def _console(self, page: str) -> str:
        return self._environment.console(page.format(environment=self._environment))

    def _lines(self, section: Section) -> list[list[cloudwatch.IWidget]]:
        """A section's heading, its graphs, and its log queries if it has any."""
        rows = [self._environment.row(slug) for slug in section.rows]
        queries = [query for query in QUERIES if query.slug in section.queries]
        sections = sorted({row.section for row in rows} | {query.section for query in queries})
        runbook = ", ".join(map(self._runbook, sections))
        heading = f"### {section.title}: {section.question} Runbook {runbook} · [Console]({self._console(section.console)})"
        shown: list[Row | Graph] = [*rows, *section.graphs]
        empty = "; ".join(chain.from_iterable(map(self._may_be_empty, rows)))
        if empty:
            heading += f"\nAn empty graph is normal for: {empty}."
        return [
            [
                cloudwatch.TextWidget(
                    markdown=heading,
                    width=_WIDTH,
                    height=2 if empty else 1,
                    background=cloudwatch.TextWidgetBackground.TRANSPARENT,
                )
            ],
            *map(self._graphs, _lines(shown, _MOST)),
            *([self._queries(section.queries, _WIDTH, _LOG_HEIGHT)] if section.queries else []),
        ]

    def _graphs(self, shown: Sequence[Row | Graph]) -> list[cloudwatch.IWidget]:
        """A line of graphs."""
        several, rest = divmod(_WIDTH, len(shown))
        widths = [several + (number < rest) for number in range(len(shown))]
        return [
            self._row(one, width) if isinstance(one, Row) else self._graph(one, width)
            for one, width in zip(shown, widths, strict=True)
        ]

    def _may_be_empty(self, row: Row) -> Iterator[str]:
        """When a row without data says nothing, in words."""
        if row.minimum:
            yield f"{row.title}, below {row.minimum} requests"
        if row.needs and not getattr(self._environment, row.needs):
            yield f"{row.title}, which is off: config/{self._environment.name}.toml has no [{row.needs}]"

    def _runbook(self, section: RunbookSection) -> str:
        url = self._environment.runbook_url
        return f"[{section.heading}]({url}#{section.anchor})" if url else section.heading

    def _row(self, row: Row, width: int) -> cloudwatch.GraphWidget:
        """A row over time with its bands: up to normal green, past the warning orange, past the critical line red as well."""
        good, bad = cloudwatch.Shading.BELOW, cloudwatch.Shading.ABOVE
        if row.worse == "below":
            good, bad = bad, good
        green, orange, red = self._colors
        lines = (
            ("Normal", row.normal, green, good),
            ("Warning", row.warning, orange, bad),
            ("Critical", row.critical, red, bad),
        )
        return cloudwatch.GraphWidget(
            title=row.title,
            period=_MINUTE,
            width=width,
            height=_HEIGHT,
            left=[self._metrics.of_row(row)],
            left_y_axis=cloudwatch.YAxisProps(label=row.unit, show_units=False, min=0),
            left_annotations=[
                cloudwatch.HorizontalAnnotation(label=f"{label} {value:g} {row.unit}", value=value, color=color, fill=fill)
                for label, value, color, fill in lines
            ],
        )

    def _graph(self, graph: Graph, width: int) -> cloudwatch.GraphWidget:
        left: list[cloudwatch.IMetric] = [
            metric for signal in graph.signals for metric in self._metrics.of_signal(signal).values()
        ]
        if graph.search:
            schema = "{AWS/CloudFront,DistributionId,Region}"
            statistic = "Average" if graph.unit == "%" else "Sum"
            expression = f"SEARCH('{schema} MetricName=\"{graph.search}\"', '{statistic}', 60)"
            left = [cloudwatch.MathExpression(expression=expression, using_metrics={}, label="", period=_MINUTE)]
        return cloudwatch.GraphWidget(
            title=graph.title,
            period=_MINUTE,
            width=width,
            height=_HEIGHT,
            left=left,
            left_y_axis=cloudwatch.YAxisProps(label=graph.unit, show_units=False, min=0),
            region=_EDGE if graph.search else None,
        )
