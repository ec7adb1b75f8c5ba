"""The log groups (runbook 6.3, 7.4): all of them, kept and encrypted; what is asked of them; what ECS says reaches them."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from ministack.services import eventbridge

from local.cloudwatch.logs_insights import run
from runbook.queries import QUERIES
from stacks.environment import Environment
from tests.synth.assemblies import templates
from tests.synth.template import Template

Get = Callable[[str], Template]
Row = dict[str, str]

GROUP = "AWS::Logs::LogGroup"
GROUPS = {
    "/aws/ecs/hz-navigator-{env}": "backend",
    "/aws/ecs/containerinsights/hz-navigator-{env}-cluster/performance": "backend",
    "/aws/events/hz-navigator-{env}-ecs": "backend",
    "/aws/events/hz-navigator-{env}-rds": "database",
    "/aws/rds/instance/hz-navigator-{env}-postgres/postgresql": "database",
    "/aws/rds/instance/hz-navigator-{env}-postgres/upgrade": "database",
    "/aws/elasticache/hz-navigator-{env}-redis/slow-log": "cache",
    "/aws/elasticache/hz-navigator-{env}-redis/engine-log": "cache",
    "/aws/vpc/hz-navigator-{env}": "network",
    "/aws/lambda/hz-navigator-{env}-rollback": "remediation",
    "/aws/lambda/hz-navigator-{env}-releases": "remediation",
    "/aws/lambda/hz-navigator-{env}-health-check": "remediation",
    "/aws/lambda/hz-navigator-{env}-notify": "remediation",
    "/aws/lambda/hz-navigator-{env}-diagnose": "remediation",
    "/aws/lambda/hz-navigator-{env}-incident-page": "remediation",
    "/aws/lambda/hz-navigator-{env}-postmortem": "remediation",
    "/aws/lambda/hz-navigator-{env}-procedures": "procedures",
    "aws-waf-logs-hz-navigator-{env}": "load-balancer",
    "aws-waf-logs-hz-navigator-{env}-frontend": "frontend",
}


def of_type(environment: Environment, resource_type: str) -> dict[str, tuple[Template, dict[str, Any]]]:
    """The template and the properties of each resource of a type, by the component that has it and its logical id."""
    return {
        f"{component}/{logical_id}": (template, resource["Properties"])
        for component, template in templates(environment.name).items()
        for logical_id, resource in template.of_type(resource_type).items()
    }


def test_these_are_all_the_log_groups(environment: Environment) -> None:
    found = {group["LogGroupName"]: path.partition("/")[0] for path, (_, group) in of_type(environment, GROUP).items()}
    assert found == {name.format(env=environment.name): component for name, component in GROUPS.items()}


def test_every_log_group_is_kept_as_long_as_configured_and_encrypted(environment: Environment) -> None:
    for path, (template, group) in of_type(environment, GROUP).items():
        assert group["RetentionInDays"] == environment.log_retention_days, path
        key, attribute = group["KmsKeyId"]["Fn::GetAtt"]
        assert attribute == "Arn"
        assert template.resources[key]["Properties"]["EnableKeyRotation"] is True, path


def test_cloudwatch_logs_may_use_the_key_of_every_log_group(environment: Environment) -> None:
    for path, (template, group) in of_type(environment, GROUP).items():
        key = template.resources[group["KmsKeyId"]["Fn::GetAtt"][0]]["Properties"]
        contexts = json.dumps(
            [
                statement["Condition"]["ArnEquals"]["kms:EncryptionContext:aws:logs:arn"]
                for statement in key["KeyPolicy"]["Statement"]
                if statement["Principal"].get("Service", "").startswith("logs.")
            ]
        )
        assert f":log-group:{group['LogGroupName']}" in contexts, path


# The saved queries


def test_every_query_of_the_table_is_saved_with_its_log_group(environment: Environment) -> None:
    saved = {
        query["Name"]: (template.resources[group["Ref"]]["Properties"]["LogGroupName"], query["QueryString"])
        for template, query in of_type(environment, "AWS::Logs::QueryDefinition").values()
        for group in query["LogGroupNames"]
    }
    assert saved == {
        f"hz-navigator-{environment.name}/{query.title}": (query.group(environment), query.text) for query in QUERIES
    }


def test_the_database_logs_what_the_slow_queries_look_for(environment: Environment, template: Get) -> None:
    (group,) = template("database").of_type("AWS::RDS::DBParameterGroup").values()
    assert group["Properties"]["DBParameterGroupName"] == f"hz-navigator-{environment.name}-pg-params"
    assert group["Properties"]["Parameters"]["log_min_duration_statement"] == "1000"


def event(message: object, minute: int = 0) -> Row:
    text = message if isinstance(message, str) else json.dumps(message)
    return {"@timestamp": f"2026-01-05 10:{minute:02d}:00.000", "@message": text, "@logStream": "a", "@log": "b"}


SERVICE = "arn:aws:ecs:us-east-1:123456789012:service/hz-navigator-production-cluster/hz-navigator-production-backend-service"
CLUSTER = "arn:aws:ecs:us-east-1:123456789012:cluster/hz-navigator-production-cluster"


def from_ecs(detail_type: str, detail: dict[str, Any], *resources: str) -> dict[str, Any]:
    """An event as https://docs.aws.amazon.com/AmazonECS/latest/developerguide/ecs_cwe_events.html has it."""
    return {
        "version": "0",
        "id": "ddca6449-b258-46c0-8653-e0e3a6000000",
        "detail-type": detail_type,
        "source": "aws.ecs",
        "account": "123456789012",
        "time": "2026-01-05T10:00:00Z",
        "region": "us-east-1",
        "resources": list(resources),
        "detail": detail,
    }


COMPLETED = from_ecs(
    "ECS Deployment State Change",
    {
        "eventType": "INFO",
        "eventName": "SERVICE_DEPLOYMENT_COMPLETED",
        "deploymentId": "ecs-svc/123",
        "updatedAt": "2026-01-05T10:00:00Z",
        "reason": "ECS deployment ecs-svc/123 completed.",
    },
    SERVICE,
)
IMPAIRED = from_ecs(
    "ECS Service Action",
    {
        "eventType": "WARN",
        "eventName": "SERVICE_TASK_START_IMPAIRED",
        "clusterArn": CLUSTER,
        "createdAt": "2026-01-05T10:00:00Z",
    },
    SERVICE,
)
STEADY = from_ecs(
    "ECS Service Action", {"eventType": "INFO", "eventName": "SERVICE_STEADY_STATE", "clusterArn": CLUSTER}, SERVICE
)
STOPPED = from_ecs(
    "ECS Task State Change",
    {
        "clusterArn": CLUSTER,
        "lastStatus": "STOPPED",
        "desiredStatus": "STOPPED",
        "stoppedReason": "Essential container in task exited",
        "containers": [{"exitCode": 137, "lastStatus": "STOPPED", "name": "backend"}],
        "taskDefinitionArn": "arn:aws:ecs:us-east-1:123456789012:task-definition/hz-navigator-production-backend:7",
    },
)
RUNNING = from_ecs("ECS Task State Change", {"clusterArn": CLUSTER, "lastStatus": "RUNNING", "desiredStatus": "RUNNING"})

# As APPLICATION's backend, PostgreSQL and ECS write them.
ACCESS = '10.0.1.7 - - [05/Jan/2026:10:00:00 +0000] "GET /api/v1/map HTTP/1.1" {} 512 7f3c-REQUEST_ID 12.3 ms'
SLOW = "2026-01-05 10:00:00 UTC:10.0.1.5(54321):hz_admin@hz_navigator:[123]:LOG:  duration: {} ms  {}: SELECT * FROM hubzones"


@pytest.mark.parametrize(
    ("slug", "messages", "found"),
    [
        (
            "errors",
            [ACCESS.format(200), ACCESS.format(502), "ERROR pool exhausted", "TypeError: x is not a function", "listening"],
            [
                {"@message": ACCESS.format(502)},
                {"@message": "ERROR pool exhausted"},
                {"@message": "TypeError: x is not a function"},
            ],
        ),
        (
            "one-user",
            [{"userId": "USER_ID", "message": "signed in"}, {"userId": "another", "message": "USER_ID"}, "USER_ID"],
            [{"@message": '{"userId": "USER_ID", "message": "signed in"}'}],
        ),
        ("one-request", [ACCESS.format(200), "GET /"], [{"@message": ACCESS.format(200)}]),
        (
            "slow-queries",
            [SLOW.format("1500.250", "statement"), SLOW.format("20000.125", "execute <unnamed>"), "LOG:  checkpoint starting"],
            [
                {"milliseconds": "20000.125", "statement": "SELECT * FROM hubzones"},
                {"milliseconds": "1500.250", "statement": "SELECT * FROM hubzones"},
            ],
        ),
        (
            "deployments",
            [COMPLETED, STOPPED, IMPAIRED],
            [
                {
                    "detail.eventName": "SERVICE_DEPLOYMENT_COMPLETED",
                    "detail.reason": "ECS deployment ecs-svc/123 completed.",
                },
                {"detail.eventName": "SERVICE_TASK_START_IMPAIRED"},
            ],
        ),
        (
            "stopped-tasks",
            [COMPLETED, STOPPED],
            [
                {
                    "detail.stoppedReason": "Essential container in task exited",
                    "detail.containers.0.exitCode": "137",
                    "revision": "7",
                }
            ],
        ),
        (
            "rollbacks",
            [
                {"level": "INFO", "message": "cold start"},
                {
                    "outcome": "rollback requested",
                    "reason": "the last deployment ended 4 min before the alarm",
                    "from_task_definition": "arn:aws:ecs:us-east-1:123456789012:task-definition/hz-navigator-production-backend:8",
                    "to_task_definition": "arn:aws:ecs:us-east-1:123456789012:task-definition/hz-navigator-production-backend:7",
                },
            ],
            [
                {
                    "outcome": "rollback requested",
                    "from_revision": "8",
                    "to_revision": "7",
                    "reason": "the last deployment ended 4 min before the alarm",
                }
            ],
        ),
        (
            "last-deployments",
            [
                {"deployment": "b", "status": "IN_PROGRESS", "since": "10:00", "revision": "backend:2", "commit": "77ac0fe"},
                {"deployment": "a", "status": "SUCCESSFUL", "since": "09:00", "revision": "backend:1", "commit": "first"},
                {"message": "Nothing has changed", "image": "backend:first"},
                {"deployment": "a", "status": "IN_PROGRESS", "since": "08:55", "revision": "backend:1", "commit": "first"},
            ],
            [
                {"deployment": "b", "status": "IN_PROGRESS", "since": "10:00", "revision": "backend:2", "commit": "77ac0fe"},
                {"deployment": "a", "status": "SUCCESSFUL", "since": "09:00", "revision": "backend:1", "commit": "first"},
            ],
        ),
        (
            "told",
            [
                {"level": "WARNING", "message": "Maintenance was left on"},
                {"severity": "P1", "kind": "open", "message": "ALARM: P1 production: The application has no database"},
            ],
            [{"severity": "P1", "kind": "open", "message": "ALARM: P1 production: The application has no database"}],
        ),
    ],
)
def test_a_query_finds_what_it_is_for(slug: str, messages: list[object], found: list[Row]) -> None:
    """On our own reading of the language: that CloudWatch reads it so cannot be proven without AWS."""
    (text,) = [query.text for query in QUERIES if query.slug == slug]
    rows = run(text, [event(message) for message in reversed(messages)])  # the newest is the last of a log
    assert [
        {field: value for field, value in row.items() if field not in ("@timestamp", "@logStream")} for row in rows
    ] == found


# What ECS says


def rules(template: Get) -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = template("backend").of_type("AWS::Events::Rule")
    return found


@pytest.mark.parametrize(
    ("said", "logged"),
    [
        (COMPLETED, True),
        (IMPAIRED, True),
        (STOPPED, True),
        (STEADY, False),
        (RUNNING, False),
        (COMPLETED | {"resources": ["arn:aws:ecs:us-east-1:123456789012:service/other/service"]}, False),
        (STOPPED | {"detail": STOPPED["detail"] | {"clusterArn": "arn:aws:ecs:us-east-1:123456789012:cluster/other"}}, False),
        (COMPLETED | {"source": "not.ecs"}, False),
    ],
    ids=["completed", "impaired", "stopped", "steady", "running", "another-service", "another-cluster", "not-ecs"],
)
def test_deployments_and_stopped_tasks_are_logged(
    said: dict[str, Any], logged: bool, environment: Environment, template: Get
) -> None:
    spoken = json.loads(json.dumps(said).replace("hz-navigator-production", environment.prefix))
    answers = [
        eventbridge._test_event_pattern(
            {"EventPattern": json.dumps(rule["Properties"]["EventPattern"]), "Event": json.dumps(spoken)}
        )
        for rule in rules(template).values()
    ]
    assert [status for status, *_ in answers] == [200] * 3
    assert sum(json.loads(body)["Result"] for _, _, body in answers) == int(logged)


def test_every_rule_writes_to_the_one_group(environment: Environment, template: Get) -> None:
    (group,) = [
        logical_id
        for logical_id, resource in template("backend").of_type("AWS::Logs::LogGroup").items()
        if resource["Properties"]["LogGroupName"] == f"/aws/events/hz-navigator-{environment.name}-ecs"
    ]
    targets = [target["Arn"]["Fn::Join"][1] for rule in rules(template).values() for target in rule["Properties"]["Targets"]]
    assert targets == [[f"arn:aws:logs:{environment.region}:{environment.account}:log-group:", {"Ref": group}]] * 3


def test_only_these_rules_may_write_there(template: Get) -> None:
    (policy,) = template("backend").of_type("AWS::Logs::ResourcePolicy").values()
    parts = policy["Properties"]["PolicyDocument"]["Fn::Join"][1]
    document = json.loads("".join(part if isinstance(part, str) else ".".join(next(iter(part.values()))) for part in parts))
    stream, put = document["Statement"]
    assert (stream["Action"], put["Action"]) == ("logs:CreateLogStream", "logs:PutLogEvents")
    for statement in (stream, put):
        assert statement["Principal"] == {"Service": ["events.amazonaws.com", "delivery.logs.amazonaws.com"]}
        assert ":log-group:" in statement["Resource"]
    assert sorted(put["Condition"]["ArnEquals"]["aws:SourceArn"]) == sorted(
        f"{logical_id}.Arn" for logical_id in rules(template)
    )


def test_the_rules_are_there_before_the_service(template: Get) -> None:
    (service,) = template("backend").of_type("AWS::ECS::Service").values()
    assert rules(template).keys() <= set(service["DependsOn"])


def test_failovers_are_counted_by_a_rule_of_their_own_and_every_other_event_is_logged(
    environment: Environment, template: Get
) -> None:
    """As in https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/rds-cloud-watch-events.html."""
    rules = [rule["Properties"] for rule in template("database").of_type("AWS::Events::Rule").values()]

    def matching(event: str, instance: str = environment.database_instance) -> list[str]:
        said = {
            "id": "68f6e973-1a0c-d37b-f2f2-94a7f62ffd4e",
            "account": environment.account,
            "region": environment.region,
            "time": "2026-11-26T22:36:43Z",
            "source": "aws.rds",
            "detail-type": "RDS DB Instance Event",
            "resources": [environment.arn("rds", f"db:{instance}")],
            "detail": {"SourceType": "DB_INSTANCE", "EventID": event, "Message": "..."},
        }
        answers = [
            (
                rule.get("Name", "the rest"),
                eventbridge._test_event_pattern({"EventPattern": json.dumps(rule["EventPattern"]), "Event": json.dumps(said)}),
            )
            for rule in rules
        ]
        return [name for name, (_, _, body) in answers if json.loads(body)["Result"]]

    assert matching("RDS-EVENT-0013") == [environment.failover_rule], "a failover began"
    assert matching("RDS-EVENT-0049") == ["the rest"], "the same failover has ended"
    assert matching("RDS-EVENT-0013", "another") == []
