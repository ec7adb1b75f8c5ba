"""The runbook's commands, run as printed on what `cdk deploy` made.

They are typed into a shell with the environment of `make shell`. What stands in `<>` is filled in as an engineer would.
"""

import functools
import re
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from local.cloud import ROOT, Cloud
from local.documents.runbook import render
from local.drills.metrics import Metrics
from local.drills.pipeline import Pipeline
from local.drills.users import Answer
from tests.environments import PRODUCTION, STAGING
from tests.local.shell import Shell

_LONG_ENOUGH = timedelta(minutes=5)
"""A deployment of the service has ended by then."""


# The runbook, parsed

_HEADING = re.compile(r"#{2,3} (?:Appendix )?(\d(?:\.\d)?|[A-Z])[.: ]")
_BASH = re.compile(r"```bash\n(.*?)```", re.DOTALL)


@dataclass(frozen=True)
class Command:
    """What is printed under one comment: the comment and the shell text up to the next one."""

    title: str
    text: str


@dataclass(frozen=True)
class Block:
    """A block of the runbook: the section it stands in, and its commands. A script is one command."""

    section: str
    commands: tuple[Command, ...]


def parsed(page: str) -> Iterator[Block]:
    """The blocks of the runbook in order."""
    section = ""
    for part in re.split(r"(?m)^(?=#{2,3} |```bash$)", page):
        if heading := _HEADING.match(part):
            section = heading[1]
        if block := _BASH.match(part):
            script, _, rest = block[1].partition("#!/bin/bash\n")
            commented = [rest] if rest else re.split(r"(?m)^(?=# )", script)[1:]
            titles = [(text.partition("\n")[0].removeprefix("# "), text) for text in commented]
            yield Block(section, tuple(Command(title, text) for title, text in titles))


BLOCKS = list(parsed(render(PRODUCTION, [PRODUCTION, STAGING])))


# What is expected of each command


@dataclass(frozen=True)
class Expected:
    """What a command's output shows, a regular expression: the data, not its label.

    `before` happens first. `then` is typed afterwards, to see what the command left in variables, and `after` looks at what it
    did. A command that AWS refuses has to be `refused`, and shows why. `hides` is what the output must not have.
    """

    shows: str = ""
    hides: str = ""
    refused: bool = False
    before: Callable[[Cloud], None] = lambda _: None
    then: str = ""
    after: Callable[[Cloud], None] = lambda _: None


def _two_releases(cloud: Cloud) -> None:
    pipeline = Pipeline(cloud)
    for commit in ("900d", "5ec0nd"):
        pipeline.release(commit)
        cloud.advance(_LONG_ENOUGH)
    cloud.wait_until_idle()
    assert pipeline.image_to_deploy == pipeline.image("5ec0nd")


def _deployment_ends(cloud: Cloud) -> None:
    cloud.advance(_LONG_ENOUGH)


def _first_of_the_two_runs(cloud: Cloud) -> None:
    """The printed `current - 1` is right only while every revision is good; the function `rollback` does better."""
    pipeline = Pipeline(cloud)
    assert pipeline.settled
    assert pipeline.image_of(pipeline.task_definition) == pipeline.image("900d")
    cloud.wait_until_idle()  # the function `releases`
    assert pipeline.image_to_deploy == pipeline.image("900d"), "the next cdk deploy keeps what an operator went back to"


def _migrates(cloud: Cloud, direction: str) -> None:
    """The newest task that is of no service has what the service's tasks have, and node-pg-migrate as its command."""
    ecs, environment = cloud.client("ecs"), cloud.environment
    arns = ecs.list_tasks(cluster=environment.cluster, family=environment.family, desiredStatus="STOPPED")["taskArns"]
    tasks = ecs.describe_tasks(cluster=environment.cluster, tasks=arns)["tasks"]
    task = max((one for one in tasks if not one["group"].startswith("service:")), key=lambda one: one["createdAt"])
    service = Pipeline(cloud).service
    network = service["networkConfiguration"]["awsvpcConfiguration"]
    details = {one["name"]: one["value"] for one in task["attachments"][0]["details"]}
    described = cloud.client("ec2").describe_network_interfaces(NetworkInterfaceIds=[details["networkInterfaceId"]])
    assert (task["taskDefinitionArn"], task["launchType"]) == (service["taskDefinition"], "FARGATE")
    assert details["subnetId"] in network["subnets"]
    assert [group["GroupId"] for group in described["NetworkInterfaces"][0]["Groups"]] == network["securityGroups"]
    (override,) = task["overrides"]["containerOverrides"]
    container = environment.application.container
    assert override["name"] == container.name
    with tempfile.TemporaryDirectory() as folder:  # in the place of the container
        program = Path(folder, "node_modules/.bin/node-pg-migrate")
        program.parent.mkdir(parents=True)
        program.write_text('#!/bin/sh\necho "$@ $DATABASE_URL"\n')
        program.chmod(0o755)
        secrets = {variable: f"the-{key}" for variable, key in container.database_secret.items()}
        ran = subprocess.run(override["command"], cwd=folder, env=secrets, capture_output=True, text=True, check=True)
    url = "postgresql://the-username:the-password@the-host:the-port/the-dbname"  # pragma: allowlist secret - made up
    assert ran.stdout.strip() == f"{direction} {url}"


def _live_page(cloud: Cloud) -> bytes:
    bucket = cloud.environment.frontend_bucket
    return bytes(cloud.client("s3").get_object(Bucket=bucket, Key="index.html")["Body"].read())


def _the_database_is_available(cloud: Cloud) -> None:
    """Whatever an earlier command asked for is done."""
    instance = cloud.environment.database_instance
    while True:
        found = cloud.client("rds").describe_db_instances(DBInstanceIdentifier=instance)["DBInstances"][0]
        if found["DBInstanceStatus"] == "available" and not found["PendingModifiedValues"]:
            return
        cloud.advance(timedelta(minutes=1))


def _nothing_is_restored(cloud: Cloud) -> None:
    """The options of a restore have one name for what they make."""
    _the_database_is_available(cloud)
    rds, restored = cloud.client("rds"), f"{cloud.environment.database_instance}-restored"
    found = rds.describe_db_instances()["DBInstances"]
    if restored in [instance["DBInstanceIdentifier"] for instance in found]:
        rds.delete_db_instance(DBInstanceIdentifier=restored, SkipFinalSnapshot=True)


def _a_new_frontend_is_live(cloud: Cloud) -> None:
    bucket = cloud.environment.frontend_bucket
    cloud.client("s3").delete_object(Bucket=bucket, Key="assets/app.js")
    cloud.client("s3").put_object(Bucket=bucket, Key="index.html", Body=NEW_PAGE)


def _the_new_page_stays(cloud: Cloud) -> None:
    """It has the size of the backup's, and is newer: `aws s3 sync` leaves it."""
    assert _live_page(cloud) == NEW_PAGE


def _the_old_page_is_back(cloud: Cloud) -> None:
    assert _live_page(cloud) == OLD_PAGE


OLD_PAGE, NEW_PAGE = b"<!doctype html>1", b"<!doctype html>2"
NOTHING = r'"Datapoints": \[\]'
ECS_CPU, ECS_MEMORY, RDS_CPU, CONNECTIONS, REDIS_CONNECTIONS = 35, 40, 37.5, 75, 24
"""What is published, at half of the warning lines where the table has one."""

EXPECTED = {
    ("1", "Check ECS service status"): Expected(r'"status": "ACTIVE",\s+"running": \d+,\s+"desired": \d+'),
    ("1", "Check ALB health"): Expected(r'"TargetHealthDescriptions"'),
    ("1", "Force new deployment"): Expected(r'"serviceName": "hz-navigator-production-backend-service"'),
    ("3.1", "Check recent deployments"): Expected(
        r'"taskDefinition": "arn:aws:ecs:us-east-1:123456789012:task-definition/hz-navigator-production-backend:\d+"'
    ),
    ("3.1", "Check task status"): Expected(r'"taskArns": \[\s+"arn:aws:ecs:'),
    ("3.2", "Check ECS CPU/Memory"): Expected(NOTHING),
    ("3.2", "ECS CPU of the service"): Expected(rf"\t{ECS_CPU}\.0$"),
    ("3.2", "ECS memory of the service"): Expected(rf"\t{ECS_MEMORY}\.0$"),
    ("3.2", "Check RDS performance"): Expected(rf'"Average": {RDS_CPU},'),
    ("3.2", "Check for slow queries (via RDS logs)"): Expected(),  # a comment: section 6.3 has the command
    ("3.3", "Check task status"): Expected(r'"lastStatus": "RUNNING"'),
    ("3.3", "Check stopped task reason"): Expected(r'"Runbook"'),
    ("3.3", "Stopped tasks"): Expected(r'"taskArns": \[\s+"arn:aws:ecs:'),
    ("3.4", "Check RDS status"): Expected(
        r'"Status": "available",\s+"Connections": "available"', before=_the_database_is_available
    ),
    ("3.4", "Check connection count"): Expected(rf'"Maximum": {CONNECTIONS}\.0,'),
    ("3.4", "Database status"): Expected(r"^available$", before=_the_database_is_available),
    ("3.4", "Database connections in the newest minute"): Expected(rf"\t{CONNECTIONS}\.0$"),
    ("3.5", "Check ElastiCache status"): Expected(r'"Status": "available"'),
    ("3.5", "Check Redis metrics"): Expected(NOTHING),
    ("3.5", "Redis connections of each node in the newest minute"): Expected(
        "".join(rf"{node}\t\S+\t{REDIS_CONNECTIONS}\.0\n" for node in PRODUCTION.cache_nodes)
    ),
    ("4.1", "List recent task definitions"): Expected(r"task-definition/hz-navigator-production-backend:\d+"),
    ("4.1", "Get current revision"): Expected(r"backend:\d+$", before=_two_releases, then='echo "$CURRENT"'),
    ("4.1", "Extract revision number"): Expected(r"^\d+ \d+$", then='echo "$PREVIOUS_REV $CURRENT_REV"'),
    ("4.1", "Rollback to previous"): Expected(r'"rolloutState": "IN_PROGRESS"'),
    ("4.1", "Wait for stability"): Expected(before=_deployment_ends, after=_first_of_the_two_runs),
    ("4.1", "Verify"): Expected(r'"status": "healthy"'),
    ("4.1", "Revisions that were deployed successfully"): Expected(
        r"\tarn:\S+:task-definition/hz-navigator-production-backend:\d+$"
    ),
    ("4.2", "List backups"): Expected(r"PRE backup-7/"),
    ("4.2", "Restore from backup"): Expected(
        r"copy: \S+/backup-7/assets/app\.js to s3://hz-navigator-frontend-production/assets/app\.js",
        before=_a_new_frontend_is_live,
        after=_the_new_page_stays,
    ),
    ("4.2", "Backups, the newest last"): Expected(r'"backup-7/index\.html"\n'),
    ("4.2", "Restore every file of a backup"): Expected(before=_a_new_frontend_is_live, after=_the_old_page_is_back),
    ("4.2", "Invalidate CloudFront"): Expected(r'"Id": "\w+"'),
    ("4.2", "Wait for invalidation"): Expected(),
    **{
        ("4.3", option): Expected(
            r'"DBInstanceIdentifier": "hz-navigator-production-postgres-restored"', before=_nothing_is_restored
        )
        for option in ("Option 1: Point-in-time restore (creates new instance)", "Option 2: Restore from snapshot")
    },
    **{
        (section, title): expected
        for section, first, direction in (
            ("4.3", "Take back the last migration in a task", "down"),
            ("6.2", "Run migrations in a task", "up"),
        )
        for title, expected in {
            first: Expected(
                r"^arn:aws:ecs:us-east-1:123456789012:task/hz-navigator-production-cluster/",
                then='echo "$TASK"',
                after=functools.partial(_migrates, direction=direction),
            ),
            "Wait for the task that migrates: exit code 0 is success": Expected(
                r'"Essential container in task exited",\s+\[\s+0\s'
            ),
            "Read what the task wrote": Expected(
                rf"This was not run: sh -c .* node_modules/\.bin/node-pg-migrate {direction}$"
            ),
        }.items()
    },
    ("5.1", "Check current capacity"): Expected(r'"desired": \d+,\s+"running": \d+,\s+"pending": \d+'),
    ("5.1", "Scale up"): Expected(r'"desiredCount": 6'),
    ("5.1", "Scale down"): Expected(r'"desiredCount": 2'),
    ("5.2", "Modify instance class (causes brief downtime with Multi-AZ)"): Expected(
        r'"DBInstanceClass": "db\.r5\.large"', before=_the_database_is_available
    ),
    ("5.2", "Modify node type"): Expected(r'"ReplicationGroupId": "hz-navigator-production-redis"'),
    ("6.1", "Create manual snapshot"): Expected(
        r'"DBSnapshotIdentifier": "hz-navigator-manual-\d{8}-\d{6}"', before=_the_database_is_available
    ),
    ("6.1", "List snapshots"): Expected(r'"ID": "hz-navigator-manual-\d{8}-\d{6}"'),
    ("6.2", "Get database credentials"): Expected(
        r"^postgresql://hz_admin:[^:@/]{16,}@[\w.-]+:5432/hz_navigator\?sslmode=require$", then='echo "$DB_URL"'
    ),
    ("6.3", "Enable slow query log (if not enabled)"): Expected(r'"DBParameterGroupName": "hz-navigator-production-pg-params"'),
    ("6.3", "View slow queries via CloudWatch Logs"): Expected(r"Invalid character\(s\) in term ':'", refused=True),
    ("6.3", "Slow queries"): Expected(r"duration: 1502\.3 ms"),
    ("7.2", "List dashboards"): Expected(r'"DashboardName": "hz-navigator-production"'),
    ("7.2", "Get dashboard"): Expected(r"hz-navigator-production-ecs-cpu-critical"),
    ("7.4", "Search for errors"): Expected(r"ERROR no route to /api/v1/maps"),
    ("7.4", "Search for specific user"): Expected(r'\\"userId\\": \\"USER_ID\\"', hides="signed in"),
    ("7.4", "A user in any line"): Expected(r"user USER_ID signed in"),
    ("A", "health-check.sh"): Expected(r"All services healthy"),
    ("A", "service-status.sh"): Expected(r"(?s)\"Running\".*Recent Events:.*\"message\": \"\(service "),
}
"""By section and title, as printed."""

NOT_HERE = {
    "aws logs tail": "AWS CLI v1 does not have it, and v2 is not on PyPI; the API call under it, FilterLogEvents, is tested",
    "npx node-pg-migrate": "needs the application's own repository, and a PostgreSQL server behind the RDS API",
}
"""What cannot be answered here, and why. Each is proven on AWS only."""


def answered(command: Command) -> bool:
    """Whether a command can be answered here."""
    return not any(text in command.text for text in NOT_HERE)


# The cloud that they are typed on


@pytest.fixture(scope="module")
def runbook_cloud(cloud: Cloud) -> Iterator[Cloud]:
    """The shared cloud, which has its service back as it was afterwards."""
    pipeline, environment = Pipeline(cloud), cloud.environment
    before = pipeline.image_of(pipeline.task_definition)
    yield cloud
    pipeline.release(before.rpartition(":")[2])
    cloud.client("ecs").update_service(
        cluster=environment.cluster, service=environment.service, desiredCount=environment.backend.min_tasks
    )
    cloud.advance(_LONG_ENOUGH)
    cloud.wait_until_idle()


def _publish(cloud: Cloud) -> None:
    """Publish a minute's metrics, in real time as the runbook's `date` is, with the dimensions that AWS publishes."""
    minute = datetime.now(UTC).replace(second=0, microsecond=0) - timedelta(minutes=1)
    Metrics(cloud).publish(minute, [Answer(200, 0.05)], Answer(200, 0.01), Pipeline(cloud).service)


@pytest.fixture(scope="module")
def placeholders(runbook_cloud: Cloud) -> dict[str, str]:
    """What an engineer would fill in, and things to find: a backup, a snapshot, log lines."""
    client, environment = runbook_cloud.client, runbook_cloud.environment
    for key in ("backup-7/index.html", "backup-7/assets/app.js"):
        client("s3").put_object(Bucket=environment.frontend_backups_bucket, Key=key, Body=OLD_PAGE)
    _publish(runbook_cloud)
    now = int(runbook_cloud.now().timestamp() * 1000)
    lines = {
        environment.backend_log_group: [
            "ERROR no route to /api/v1/maps",
            '{"userId": "USER_ID", "path": "/api/v1/map"}',
            "user USER_ID signed in",
        ],
        environment.database_log_group: ["LOG:  duration: 1502.3 ms  statement: SELECT 1"],
    }
    logs = client("logs")
    for group, messages in lines.items():
        logs.create_log_stream(logGroupName=group, logStreamName="runbook")
        events = [{"timestamp": now, "message": message} for message in messages]
        logs.put_log_events(logGroupName=group, logStreamName="runbook", logEvents=events)
    group = client("elbv2").describe_target_groups(Names=[environment.target_group])["TargetGroups"][0]["TargetGroupArn"]
    cloudfront = client("cloudfront")
    distribution = cloudfront.list_distributions()["DistributionList"]["Items"][0]["Id"]
    paths = {"Paths": {"Quantity": 1, "Items": ["/*"]}, "CallerReference": "runbook"}
    invalidation = cloudfront.create_invalidation(DistributionId=distribution, InvalidationBatch=paths)["Invalidation"]["Id"]
    task = client("ecs").list_tasks(cluster=environment.cluster, serviceName=environment.service)["taskArns"][0]
    client("ecs").stop_task(cluster=environment.cluster, task=task, reason="Runbook")
    snapshot = "hz-navigator-before-restore"
    client("rds").create_db_snapshot(DBInstanceIdentifier=environment.database_instance, DBSnapshotIdentifier=snapshot)
    _the_database_is_available(runbook_cloud)
    database = client("rds").describe_db_instances(DBInstanceIdentifier=environment.database_instance)["DBInstances"][0]
    return {
        "<STOPPED_TASK_ARN>": task,
        "<ISO_TIMESTAMP>": database["LatestRestorableTime"].isoformat(),
        "<TARGET_GROUP_ARN>": group,
        "<DISTRIBUTION_ID>": distribution,
        "<INVALIDATION_ID>": invalidation,
        "<BACKUP_ID>": "backup-7",
        "<SNAPSHOT_ID>": snapshot,
    }


@pytest.mark.parametrize("block", BLOCKS, ids=[f"{block.section} {block.commands[0].title}" for block in BLOCKS])
def test_works_as_printed(block: Block, runbook_cloud: Cloud, placeholders: dict[str, str], tmp_path: Path) -> None:
    if any("| jq " in command.text for command in block.commands) and not shutil.which("jq"):
        pytest.skip("the runbook asks for jq, which is not on this machine")
    with Shell(runbook_cloud, tmp_path) as shell:
        for command in filter(answered, block.commands):
            expected = EXPECTED[block.section, command.title]
            expected.before(runbook_cloud)
            text = command.text
            for name, value in placeholders.items():
                text = text.replace(name, value)
            if expected.refused:
                text = f"if {{\n{text}\n}}; then exit 1; fi"
            output = shell.run(f"{text}\n{expected.then}")
            assert re.search(expected.shows, output, re.MULTILINE), f"{command.title} does not show {expected.shows}: {output}"
            assert not expected.hides or expected.hides not in output
            expected.after(runbook_cloud)


AWS_DIMENSIONS = {
    "AWS/ApplicationELB": [{"LoadBalancer"}, {"LoadBalancer", "TargetGroup"}],
    "AWS/ECS": [{"ClusterName", "ServiceName"}],  # by ClusterName alone for EC2 instances only
    "AWS/ElastiCache": [{"CacheClusterId"}],
    "AWS/Lambda": [{"FunctionName"}],
    "AWS/RDS": [{"DBInstanceIdentifier"}],
    "ECS/ContainerInsights": [{"ClusterName", "ServiceName"}],
}
"""Which of the dimensions that AWS documents for a namespace come with metrics of this application's resources."""


def test_metrics_are_published_with_the_dimensions_of_aws(runbook_cloud: Cloud, placeholders: dict[str, str]) -> None:
    pages = runbook_cloud.client("cloudwatch").get_paginator("list_metrics").paginate()
    of_aws = [metric for page in pages for metric in page["Metrics"] if metric["Namespace"] in AWS_DIMENSIONS]
    assert {metric["Namespace"] for metric in of_aws} == AWS_DIMENSIONS.keys()
    for metric in of_aws:
        assert {dimension["Name"] for dimension in metric["Dimensions"]} in AWS_DIMENSIONS[metric["Namespace"]], metric


def test_every_command_of_the_runbook_is_expected_here_or_cannot_be_answered() -> None:
    printed = {(block.section, command.title) for block in BLOCKS for command in block.commands if answered(command)}
    assert len(printed) > 40
    assert printed == EXPECTED.keys()


@pytest.mark.parametrize("text", NOT_HERE)
def test_what_cannot_be_answered_stands_in_the_runbook_and_in_the_documentation(text: str) -> None:
    assert [command for block in BLOCKS for command in block.commands if text in command.text]
    assert f"| `{text}` | {NOT_HERE[text]} |" in (ROOT / "docs/local-cloud.md").read_text()


def test_the_runbook_is_parsed_by_section_and_title() -> None:
    page = """
## 1. Reference

### Quick Commands

```bash
# One
aws one \\
  --more
aws two

# Three
aws three
```

### 3.2 High Latency

```
no shell
```

## Appendix A: Scripts

```bash
#!/bin/bash
# all.sh

# not a title
aws four
```
"""
    assert list(parsed(page)) == [
        Block("1", (Command("One", "# One\naws one \\\n  --more\naws two\n\n"), Command("Three", "# Three\naws three\n"))),
        Block("A", (Command("all.sh", "# all.sh\n\n# not a title\naws four\n"),)),
    ]
