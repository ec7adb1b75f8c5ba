"""The dashboard (runbook 7.2): one look says whether it is us, the database, the cache or the last release."""

import json
import re
from collections.abc import Callable
from typing import Any

import pytest

from local.documents import on_call
from local.documents import runbook as runbook_page
from runbook.queries import QUERIES
from stacks.dashboard import SECTIONS
from stacks.environment import Environment
from tests.environments import VARIANTS, VARIANTS_CONFIG
from tests.markdown import anchors
from tests.synth.assemblies import templates
from tests.synth.template import Template

Get = Callable[[str], Template]
Widget = dict[str, Any]

ROWS = [slug for section in SECTIONS for slug in section.rows]
WORSE_BELOW = ("api-availability", "database-availability", "frontend-availability")


def body(monitoring: Template) -> dict[str, Any]:
    """The dashboard's body, with `LogicalId.Arn` and such in place of references."""
    (resource,) = monitoring.of_type("AWS::CloudWatch::Dashboard").values()
    parts = resource["Properties"]["DashboardBody"]["Fn::Join"][1]
    parsed: dict[str, Any] = json.loads("".join(part if isinstance(part, str) else referred(part) for part in parts))
    return parsed


def referred(reference: dict[str, Any]) -> str:
    (target,) = reference.values()
    return ".".join(target) if isinstance(target, list) else str(target)


@pytest.fixture
def widgets(template: Get) -> list[Widget]:
    found: list[Widget] = body(template("monitoring"))["widgets"]
    return found


def of(widgets: list[Widget], kind: str) -> dict[str, Widget]:
    """The widgets of a type by title, in order."""
    return {widget["properties"]["title"]: widget["properties"] for widget in widgets if widget["type"] == kind}


def test_it_has_the_runbooks_name(environment: Environment, template: Get) -> None:
    name = template("monitoring").properties("AWS::CloudWatch::Dashboard")["DashboardName"]
    assert name == f"hz-navigator-{environment.name}"


# The alarms


def test_the_alarms_stand_on_top_the_service_first(widgets: list[Widget]) -> None:
    assert list(of(widgets, "alarm")) == ["Service", "API", "Errors", "ECS", "Database", "Cache", "Frontend", "Automation"]
    lowest = max(widget["y"] for widget in widgets if widget["type"] == "alarm")
    assert lowest < min(widget["y"] for widget in widgets if widget["type"] == "metric")


def test_it_begins_with_the_incident(environment: Environment, widgets: list[Widget]) -> None:
    assert widgets[0] == {
        "type": "custom",
        "x": 0,
        "y": 0,
        "width": 24,
        "height": 7,
        "properties": {
            "title": "Incident",
            "endpoint": environment.arn("lambda", f"function:hz-navigator-{environment.name}-incident-page"),
            "updateOn": {"refresh": True, "resize": False, "timeRange": False},
        },
    }


def test_the_first_screen_says_what_goes_on_what_was_deployed_last_and_what_fires(widgets: list[Widget]) -> None:
    """A row of the grid is about 50 pixels: twelve rows are a screen of a laptop."""
    first = [widget["properties"].get("title") for widget in widgets if widget["y"] + widget["height"] <= 12]
    assert first == ["Incident", None, "Last deployments", "Service"]


def test_alarms_are_low_and_those_that_fire_come_first(widgets: list[Widget]) -> None:
    alarms = [widget for widget in widgets if widget["type"] == "alarm"]
    assert {widget["height"] for widget in alarms} == {2}
    assert {widget["properties"]["sortBy"] for widget in alarms} == {"stateUpdatedTimestamp"}


def test_a_graph_is_wide_enough_to_read(widgets: list[Widget]) -> None:
    assert min(widget["width"] for widget in widgets if widget["type"] == "metric") >= 4


def test_every_alarm_stands_there_once(widgets: list[Widget], template: Get) -> None:
    monitoring = template("monitoring")
    ids = [
        f"{logical_id}.Arn"
        for kind in ("AWS::CloudWatch::CompositeAlarm", "AWS::CloudWatch::Alarm")
        for logical_id in monitoring.of_type(kind)
    ]
    assert sorted(arn for shown in of(widgets, "alarm").values() for arn in shown["alarms"]) == sorted(ids)


def test_the_services_are_what_calls_people_or_rollback_and_whether_that_is_muted(widgets: list[Widget], template: Get) -> None:
    composites = template("monitoring").of_type("AWS::CloudWatch::CompositeAlarm")
    shown = of(widgets, "alarm")["Service"]["alarms"]
    ours = [f"{logical_id}.Arn" for logical_id in composites if logical_id.startswith("notifysilent")]
    assert sorted([*shown, *ours]) == sorted(f"{logical_id}.Arn" for logical_id in composites)
    assert [name.partition(".")[0].rstrip("0123456789ABCDEF") for name in shown[-2:]] == ["maintenance", "notarmed"]


# The table's rows


def test_every_row_is_in_one_section(environment: Environment) -> None:
    assert sorted(slug for section in SECTIONS for slug in (*section.rows, *section.states)) == sorted(
        row.slug for row in environment.table
    )


@pytest.mark.parametrize("slug", ROWS)
def test_a_row_is_a_graph_with_its_bands(slug: str, environment: Environment, widgets: list[Widget]) -> None:
    row = environment.row(slug)
    good, bad = ("above", "below") if slug in WORSE_BELOW else ("below", "above")
    lines = of(widgets, "metric")[row.title]["annotations"]["horizontal"]
    assert [(line["label"].split()[0], line["value"], line["fill"]) for line in lines] == [
        ("Normal", row.normal, good),
        ("Warning", row.warning, bad),
        ("Critical", row.critical, bad),
    ]
    assert [line["color"] for line in lines] == ["#2ca02c", "#ff7f0e", "#d62728"]


def test_the_bands_are_the_environments_own() -> None:
    monitoring = templates("everything", VARIANTS_CONFIG)["monitoring"]
    graph = of(body(monitoring)["widgets"], "metric")["RDS connections"]
    assert VARIANTS["everything"].thresholds.keys() == {"rds-connections"}
    assert [line["value"] for line in graph["annotations"]["horizontal"]] == [60, 90, 120]


@pytest.mark.parametrize("slug", ROWS)
def test_a_graph_shows_what_the_alarm_watches(
    slug: str, environment: Environment, widgets: list[Widget], template: Get
) -> None:
    (alarm,) = [
        resource["Properties"]
        for resource in template("monitoring").of_type("AWS::CloudWatch::Alarm").values()
        if resource["Properties"]["AlarmName"] == environment.alarm(slug, "critical")
    ]
    graph = of(widgets, "metric")[environment.row(slug).title]
    assert graph["period"] == 60
    shown, *others = graph["metrics"]
    if "Metrics" not in alarm:
        *name, options = shown if isinstance(shown[-1], dict) else [*shown, {}]
        dimensions = sorted((item["Name"], item["Value"]) for item in alarm["Dimensions"])
        assert name[:2] == [alarm["Namespace"], alarm["MetricName"]]
        assert sorted(zip(name[2::2], name[3::2], strict=True)) == dimensions
        assert options.get("stat", "Average") == alarm["Statistic"]
        return
    assert shown[0]["expression"] == alarm["Metrics"][0]["Expression"]
    watched = {query["Id"]: query["MetricStat"] for query in alarm["Metrics"][1:]}
    assert {options["id"]: (name[1], options["stat"], options["visible"]) for *name, options in others} == {
        name: (stat["Metric"]["MetricName"], stat["Stat"], False) for name, stat in watched.items()
    }


# What explains them


@pytest.mark.parametrize(
    ("title", "metrics"),
    [
        ("API health check, from outside", ["HZNavigator Latency Environment={env} Target=api"]),
        ("Frontend health check, from outside", ["HZNavigator Latency Environment={env} Target=frontend"]),
        (
            "Requests and their errors",
            [
                f"AWS/ApplicationELB {metric} LoadBalancer=LB Sum"
                for metric in ("RequestCount", "HTTPCode_Target_5XX_Count", "HTTPCode_ELB_5XX_Count")
            ],
        ),
        (
            "Tasks",
            [
                f"ECS/ContainerInsights {metric} ClusterName={{prefix}}-cluster ServiceName={{prefix}}-backend-service"
                for metric in ("RunningTaskCount", "DesiredTaskCount", "PendingTaskCount")
            ],
        ),
        (
            "Deployments, and calls of rollback",
            [
                "ECS/ContainerInsights DeploymentCount ClusterName={prefix}-cluster "
                "ServiceName={prefix}-backend-service Maximum",
                "AWS/Lambda Invocations FunctionName={prefix}-rollback Sum",
            ],
        ),
        (
            "Redis CPU, by node",
            [f"AWS/ElastiCache EngineCPUUtilization CacheClusterId={{prefix}}-redis-00{node}" for node in (1, 2)],
        ),
        (
            "Redis connections, by node",
            [f"AWS/ElastiCache CurrConnections CacheClusterId={{prefix}}-redis-00{node} Maximum" for node in (1, 2)],
        ),
        (
            "Redis evictions, by node",
            [f"AWS/ElastiCache Evictions CacheClusterId={{prefix}}-redis-00{node} Sum" for node in (1, 2)],
        ),
        (
            "RDS latency",
            [f"AWS/RDS {metric} DBInstanceIdentifier={{prefix}}-postgres" for metric in ("ReadLatency", "WriteLatency")],
        ),
        ("RDS free storage", ["AWS/RDS FreeStorageSpace DBInstanceIdentifier={prefix}-postgres Minimum"]),
    ],
)
def test_a_graph_beside_the_rows(title: str, metrics: list[str], environment: Environment, widgets: list[Widget]) -> None:
    found = []
    for *name, options in of(widgets, "metric")[title]["metrics"]:
        dimensions = [f"{key}={value}" for key, value in zip(name[2::2], name[3::2], strict=True)]
        found.append(" ".join([*name[:2], *dimensions, *([options["stat"]] if "stat" in options else [])]))
    plain = [re.sub(r"LoadBalancer=\S+", "LoadBalancer=LB", one) for one in found]
    assert plain == [metric.format(env=environment.name, prefix=environment.prefix) for metric in metrics]


@pytest.mark.parametrize(("title", "metric"), [("requests", "Requests"), ("5XX", "5xxErrorRate")])
def test_cloudfront_is_looked_up_where_it_publishes(title: str, metric: str, widgets: list[Widget]) -> None:
    graph = of(widgets, "metric")[f"CloudFront {title}, all of the account"]
    [[expression]] = graph["metrics"]
    assert graph["region"] == "us-east-1"
    assert expression["expression"].startswith(f"SEARCH('{{AWS/CloudFront,DistributionId,Region}} MetricName=\"{metric}\"'")


def test_the_logs_are_asked_by_the_saved_queries(environment: Environment, widgets: list[Widget], template: Get) -> None:
    asked = {title: properties["query"] for title, properties in of(widgets, "log").items()}
    saved = {query.title: query for query in QUERIES}
    assert asked == {title: f"SOURCE '{saved[title].group(environment)}' | {saved[title].text}" for title in asked}
    assert {query.slug for query in saved.values() if query.title in asked} == {
        "errors",
        "slow-queries",
        "deployments",
        "last-deployments",
        "rollbacks",
        "stopped-tasks",
        "told",
    }


# Where it leads


@pytest.fixture
def text(widgets: list[Widget]) -> str:
    """Every text widget's Markdown."""
    return "\n".join(widget["properties"]["markdown"] for widget in widgets if widget["type"] == "text")


def test_the_sections_come_in_the_order_of_suspicion(text: str) -> None:
    assert re.findall(r"^### (\w+):", text, re.MULTILINE) == ["API", "Errors", "ECS", "Database", "Cache", "Frontend"]


def test_a_section_says_which_graph_is_empty_without_a_fault(environment: Environment, text: str) -> None:
    said = "\n".join(re.findall(r"^An empty graph is normal for: .*", text, re.MULTILINE))
    for row in (environment.row(slug) for section in SECTIONS for slug in section.rows):  # the others have no graph
        assert (f"{row.title}, below {row.minimum} requests" in said) == bool(row.minimum), row.slug
    assert f"Error rate (Sentry), which is off: config/{environment.name}.toml has no [sentry]" in said


def test_an_optional_part_that_is_on_is_not_said_to_be_off() -> None:
    assert VARIANTS["everything"].sentry
    assert "which is off" not in json.dumps(body(templates("everything", VARIANTS_CONFIG)["monitoring"]))


def test_each_section_links_the_runbook_where_its_alarms_do(environment: Environment, text: str) -> None:
    for section, line in zip(SECTIONS, re.findall(r"^### .*", text, re.MULTILINE), strict=True):
        linked = set(re.findall(r"\[(\d\.\d) [^]]+\]\(\S+/runbook\.md#", line))
        assert {environment.row(slug).section for slug in section.rows} <= linked


@pytest.mark.parametrize(
    "page",
    [
        "/docs/on-call.md",
        "/docs/runbook.md",
        "us-east-1.console.aws.amazon.com/ecs/v2/clusters/{prefix}-cluster/services/{prefix}-backend-service/",
        "us-east-1.console.aws.amazon.com/rds/home?region=us-east-1#database:id={prefix}-postgres;",
        "us-east-1.console.aws.amazon.com/elasticache/home?region=us-east-1#/redis/{prefix}-redis",
        "us-east-1.console.aws.amazon.com/cloudwatch/home?region=us-east-1#logsV2:logs-insights",
    ],
)
def test_it_links_what_a_person_needs_next(page: str, environment: Environment, text: str) -> None:
    """That AWS's console answers at these addresses cannot be proven here."""
    assert page.format(prefix=environment.prefix) in text


def test_no_link_leads_nowhere(environment: Environment, text: str) -> None:
    """Every page of ours that it links exists, with its heading; in the console it links what this environment has."""
    pages = {
        "runbook.md": anchors(runbook_page.render(environment, [environment])),
        "on-call.md": anchors(on_call.render(environment)),
    }
    links = re.findall(r"\]\((\S+?)\)", text)
    for link in links:
        if environment.docs_url and link.startswith(environment.docs_url):
            page, _, anchor = link.removeprefix(f"{environment.docs_url}/").partition("#")
            assert page in pages, link
            assert not anchor or anchor in pages[page], link
        else:
            service = re.match(r"https://us-east-1\.console\.aws\.amazon\.com/([\w-]+)/", link)
            assert service, link
            assert service[1] in ("cloudwatch", "cloudfront", "ec2", "ecs", "elasticache", "rds"), link
    assert len(links) > 10


def test_without_a_place_for_the_pages_sections_are_only_named() -> None:
    assert VARIANTS["certificates"].docs_url is None
    shown = json.dumps(body(templates("certificates", VARIANTS_CONFIG)["monitoring"]))
    assert "3.5 Redis Connection Issues" in shown
    assert not re.search(r"\.md|None", shown)


# CloudWatch's limits


def test_it_keeps_cloudwatchs_limits(widgets: list[Widget]) -> None:
    """https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/cloudwatch_limits.html and the reference of the body."""
    metrics = [len(widget["properties"]["metrics"]) for widget in widgets if widget["type"] == "metric"]
    assert len(widgets) <= 500
    assert max(metrics) <= 500
    assert sum(metrics) <= 2500
    assert max(len(widget["properties"]["alarms"]) for widget in widgets if widget["type"] == "alarm") <= 100


def test_no_two_widgets_are_in_one_place(widgets: list[Widget]) -> None:
    cells = [
        (widget["x"] + column, widget["y"] + line)
        for widget in widgets
        for column in range(widget["width"])
        for line in range(widget["height"])
    ]
    assert len(cells) == len(set(cells))
    assert max(column for column, _ in cells) == 23


def test_every_graph_shows_minutes_over_hours(template: Get) -> None:
    dashboard = body(template("monitoring"))
    assert (dashboard["start"], dashboard["periodOverride"]) == ("-PT3H", "inherit")
    assert {graph["period"] for graph in of(dashboard["widgets"], "metric").values()} == {60}
