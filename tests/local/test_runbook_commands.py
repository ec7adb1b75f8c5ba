"""The runbook's AWS CLI commands, typed as printed, on what `cdk deploy` made.

What differs from a terminal with AWS behind it: `aws` is given the endpoint of the local cloud (AWS CLI v1 ignores
`AWS_ENDPOINT_URL` for some services), and `<PLACEHOLDERS>` are filled in as an engineer would.
"""

import re
import subprocess
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from local.cloud import Cloud
from stacks.environment import Environment

RUNBOOK = Path(__file__).parents[2] / "docs/runbook.md"
BASH = re.compile(r"```bash\n(.*?)```", re.DOTALL)
PRELUDE = """
set -euo pipefail
aws() { command aws --endpoint-url "$AWS_ENDPOINT_URL" "$@"; }
"""

# (section, command as the runbook prints it, what its output has to show)
READS: list[tuple[str, str, str]] = [
    (
        "1 ECS service status",
        """
aws ecs describe-services \\
  --cluster hz-navigator-production-cluster \\
  --services hz-navigator-production-backend-service \\
  --query 'services[0].{status:status,running:runningCount,desired:desiredCount}'
""",
        r'"status": "ACTIVE",\s+"running": \d+,\s+"desired": \d+',
    ),
    (
        "1 ALB health",
        """
aws elbv2 describe-target-health \\
  --target-group-arn <TARGET_GROUP_ARN>
""",
        r'"TargetHealthDescriptions"',
    ),
    (
        "3.1 recent deployments",
        """
aws ecs describe-services --cluster hz-navigator-production-cluster \\
  --services hz-navigator-production-backend-service \\
  --query 'services[0].deployments'
""",
        r'"taskDefinition": "arn:aws:ecs:us-east-1:123456789012:task-definition/hz-navigator-production-backend:\d+"',
    ),
    (
        "3.1 task status",
        """
aws ecs list-tasks --cluster hz-navigator-production-cluster \\
  --service-name hz-navigator-production-backend-service
""",
        r'"taskArns"',
    ),
    (
        "3.2 ECS CPU",
        """
aws cloudwatch get-metric-statistics \\
  --namespace AWS/ECS \\
  --metric-name CPUUtilization \\
  --dimensions Name=ClusterName,Value=hz-navigator-production-cluster \\
  --start-time $(date -u -d '30 minutes ago' +%Y-%m-%dT%H:%M:%SZ) \\
  --end-time $(date -u +%Y-%m-%dT%H:%M:%SZ) \\
  --period 60 \\
  --statistics Average
""",
        r'"Label": "CPUUtilization"',
    ),
    (
        "3.2 RDS CPU",
        """
aws cloudwatch get-metric-statistics \\
  --namespace AWS/RDS \\
  --metric-name CPUUtilization \\
  --dimensions Name=DBInstanceIdentifier,Value=hz-navigator-production-postgres \\
  --start-time $(date -u -d '30 minutes ago' +%Y-%m-%dT%H:%M:%SZ) \\
  --end-time $(date -u +%Y-%m-%dT%H:%M:%SZ) \\
  --period 60 \\
  --statistics Average
""",
        r'"Label": "CPUUtilization"',
    ),
    (
        "3.3 task status",
        """
aws ecs describe-tasks \\
  --cluster hz-navigator-production-cluster \\
  --tasks $(aws ecs list-tasks --cluster hz-navigator-production-cluster \\
    --service-name hz-navigator-production-backend-service --query 'taskArns' --output text)
""",
        r'"lastStatus": "RUNNING"',
    ),
    (
        "3.3 stopped task reason",
        """
aws ecs describe-tasks \\
  --cluster hz-navigator-production-cluster \\
  --tasks <STOPPED_TASK_ARN> \\
  --query 'tasks[0].stoppedReason'
""",
        r'"Runbook"',
    ),
    (
        "3.4 RDS status",
        """
aws rds describe-db-instances \\
  --db-instance-identifier hz-navigator-production-postgres \\
  --query 'DBInstances[0].{Status:DBInstanceStatus,Connections:DBInstanceStatus}'
""",
        r'"Status": "available"',
    ),
    (
        "3.4 connection count",
        """
aws cloudwatch get-metric-statistics \\
  --namespace AWS/RDS \\
  --metric-name DatabaseConnections \\
  --dimensions Name=DBInstanceIdentifier,Value=hz-navigator-production-postgres \\
  --start-time $(date -u -d '30 minutes ago' +%Y-%m-%dT%H:%M:%SZ) \\
  --end-time $(date -u +%Y-%m-%dT%H:%M:%SZ) \\
  --period 60 \\
  --statistics Maximum
""",
        r'"Label": "DatabaseConnections"',
    ),
    (
        "3.5 ElastiCache status",
        """
aws elasticache describe-replication-groups \\
  --replication-group-id hz-navigator-production-redis
""",
        r'"Status": "available"',
    ),
    (
        "3.5 Redis metrics",
        """
aws cloudwatch get-metric-statistics \\
  --namespace AWS/ElastiCache \\
  --metric-name CurrConnections \\
  --dimensions Name=ReplicationGroupId,Value=hz-navigator-production-redis \\
  --start-time $(date -u -d '30 minutes ago' +%Y-%m-%dT%H:%M:%SZ) \\
  --end-time $(date -u +%Y-%m-%dT%H:%M:%SZ) \\
  --period 60 \\
  --statistics Maximum
""",
        r'"Label": "CurrConnections"',
    ),
    (
        "4.1 recent task definitions",
        """
aws ecs list-task-definitions \\
  --family-prefix hz-navigator-production-backend \\
  --sort DESC \\
  --max-items 5
""",
        r"task-definition/hz-navigator-production-backend:\d+",
    ),
    ("4.2 frontend backups", "aws s3 ls s3://hz-navigator-frontend-production-backups/", r"PRE backup-7/"),
    (
        "5.1 current capacity",
        """
aws ecs describe-services \\
  --cluster hz-navigator-production-cluster \\
  --services hz-navigator-production-backend-service \\
  --query 'services[0].{desired:desiredCount,running:runningCount,pending:pendingCount}'
""",
        r'"desired": \d+,\s+"running": \d+,\s+"pending": \d+',
    ),
    (
        "6.1 list snapshots",
        """
aws rds describe-db-snapshots \\
  --db-instance-identifier hz-navigator-production-postgres \\
  --query 'DBSnapshots[].{ID:DBSnapshotIdentifier,Time:SnapshotCreateTime,Status:Status}'
""",
        r"\[",
    ),
    (
        "6.2 database credentials",
        """
SECRET=$(aws secretsmanager get-secret-value \\
  --secret-id hz-navigator-production-db-password \\
  --query SecretString --output text)

echo $SECRET | python3 -c 'import json, sys; print(sorted(json.load(sys.stdin)))'
""",
        r"'dbname'.*'host'.*'password'.*'port'.*'username'",
    ),
    (
        "6.3 slow queries",
        """
aws logs filter-log-events \\
  --log-group-name /aws/rds/instance/hz-navigator-production-postgres/postgresql \\
  --filter-pattern "duration:"
""",
        r"duration: 1502\.3 ms",
    ),
    ("7.2 list dashboards", "aws cloudwatch list-dashboards", r'"DashboardName": "hz-navigator-production"'),
    (
        "7.2 dashboard",
        "aws cloudwatch get-dashboard --dashboard-name hz-navigator-production",
        r"hz-navigator-production-ecs-cpu-critical",
    ),
    (
        "7.4 errors",
        """
aws logs filter-log-events \\
  --log-group-name /aws/ecs/hz-navigator-production \\
  --filter-pattern "ERROR" \\
  --start-time $(date -u -d '1 hour ago' +%s)000
""",
        r"ERROR no route to /api/v1/maps",
    ),
    (
        "7.4 one user",
        """
aws logs filter-log-events \\
  --log-group-name /aws/ecs/hz-navigator-production \\
  --filter-pattern "{$.userId = \\"USER_ID\\"}"
""",
        r"USER_ID",
    ),
]

WRITES: list[tuple[str, str, str]] = [
    (
        "1 force a new deployment",
        """
aws ecs update-service \\
  --cluster hz-navigator-production-cluster \\
  --service hz-navigator-production-backend-service \\
  --force-new-deployment
""",
        r'"serviceName": "hz-navigator-production-backend-service"',
    ),
    (
        "4.2 restore the frontend",
        """
aws s3 sync \\
  s3://hz-navigator-frontend-production-backups/<BACKUP_ID>/ \\
  s3://hz-navigator-frontend-production/ \\
  --delete
aws s3 ls s3://hz-navigator-frontend-production/
""",
        r"index\.html",
    ),
    (
        "4.2 invalidate CloudFront",
        """
aws cloudfront create-invalidation \\
  --distribution-id <DISTRIBUTION_ID> \\
  --paths "/*"
""",
        r'"Id": "\w+"',
    ),
    (
        "5.1 scale up",
        """
aws ecs update-service \\
  --cluster hz-navigator-production-cluster \\
  --service hz-navigator-production-backend-service \\
  --desired-count 6
""",
        r'"desiredCount": 6',
    ),
    (
        "5.1 scale down",
        """
aws ecs update-service \\
  --cluster hz-navigator-production-cluster \\
  --service hz-navigator-production-backend-service \\
  --desired-count 2
""",
        r'"desiredCount": 2',
    ),
    (
        "5.2 change the instance class",
        """
aws rds modify-db-instance \\
  --db-instance-identifier hz-navigator-production-postgres \\
  --db-instance-class db.r5.large \\
  --apply-immediately
""",
        r'"DBInstanceClass": "db\.r5\.large"',
    ),
    (
        "5.2 change the node type",
        """
aws elasticache modify-replication-group \\
  --replication-group-id hz-navigator-production-redis \\
  --cache-node-type cache.r5.xlarge \\
  --apply-immediately
""",
        r'"ReplicationGroupId": "hz-navigator-production-redis"',
    ),
    (
        "6.1 manual snapshot",
        """
aws rds create-db-snapshot \\
  --db-instance-identifier hz-navigator-production-postgres \\
  --db-snapshot-identifier hz-navigator-manual-$(date +%Y%m%d-%H%M%S)
""",
        r'"DBSnapshotIdentifier": "hz-navigator-manual-\d{8}-\d{6}"',
    ),
    (
        "6.3 slow query log",
        """
aws rds modify-db-parameter-group \\
  --db-parameter-group-name hz-navigator-production-pg-params \\
  --parameters "ParameterName=log_min_duration_statement,ParameterValue=1000,ApplyMethod=immediate"
""",
        r'"DBParameterGroupName": "hz-navigator-production-pg-params"',
    ),
    (
        "4.3 restore from a snapshot",
        """
aws rds create-db-snapshot --db-instance-identifier hz-navigator-production-postgres --db-snapshot-identifier <SNAPSHOT_ID>
aws rds restore-db-instance-from-db-snapshot \\
  --db-instance-identifier hz-navigator-production-postgres-restored \\
  --db-snapshot-identifier <SNAPSHOT_ID>
""",
        r'"DBInstanceIdentifier": "hz-navigator-production-postgres-restored"',
    ),
]

# What no command here can show, and why. Each line is proven on AWS only.
NOT_EMULATED = {
    "aws logs tail": "AWS CLI v1 has no such command and v2 is not on PyPI; its API call, FilterLogEvents, is tested above",
    "aws rds restore-db-instance-to-point-in-time": "the emulator has no point-in-time recovery",
    "npx node-pg-migrate": "needs the application's own repository and a PostgreSQL server behind the RDS API",
}


@pytest.fixture(scope="module")
def runbook_cloud(production: Environment) -> Iterator[Cloud]:
    """A production of its own: half of the commands change it."""
    with Cloud.start(production) as cloud:
        cloud.deploy()
        yield cloud


@pytest.fixture(scope="module")
def placeholders(runbook_cloud: Cloud) -> dict[str, str]:
    """What an engineer would fill in, and things to find: a backup, log lines."""
    names, clients = (
        runbook_cloud.environment,
        {name: runbook_cloud.client(name) for name in ("elbv2", "cloudfront", "s3", "logs", "ecs")},
    )
    for key in ("backup-7/index.html", "backup-7/assets/app.js"):
        clients["s3"].put_object(Bucket=names.frontend_backups_bucket, Key=key, Body=b"<!doctype html>")
    now = int(runbook_cloud.now().timestamp() * 1000)
    lines = {
        names.backend_log_group: ["ERROR no route to /api/v1/maps", '{"userId": "USER_ID", "path": "/api/v1/map"}'],
        names.database_log_group: ["LOG:  duration: 1502.3 ms  statement: SELECT 1"],
    }
    for group, messages in lines.items():
        clients["logs"].create_log_stream(logGroupName=group, logStreamName="runbook")
        clients["logs"].put_log_events(
            logGroupName=group, logStreamName="runbook", logEvents=[{"timestamp": now, "message": text} for text in messages]
        )
    group = clients["elbv2"].describe_target_groups(Names=[names.target_group])["TargetGroups"][0]["TargetGroupArn"]
    distribution = clients["cloudfront"].list_distributions()["DistributionList"]["Items"][0]["Id"]
    task = clients["ecs"].list_tasks(cluster=names.cluster, serviceName=names.service)["taskArns"][0]
    clients["ecs"].stop_task(cluster=names.cluster, task=task, reason="Runbook")
    return {
        "<STOPPED_TASK_ARN>": task,
        "<TARGET_GROUP_ARN>": group,
        "<DISTRIBUTION_ID>": distribution,
        "<BACKUP_ID>": "backup-7",
        "<SNAPSHOT_ID>": "hz-navigator-before-restore",
    }


def typed(cloud: Cloud, command: str, placeholders: dict[str, str]) -> str:
    """The output of a command, as a shell gives it."""
    for name, value in placeholders.items():
        command = command.replace(name, value)
    run = subprocess.run(["bash", "-c", PRELUDE + command], env=cloud.environ, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr
    return run.stdout


COMMANDS = READS + WRITES


@pytest.mark.parametrize(("command", "shows"), [case[1:] for case in COMMANDS], ids=[case[0] for case in COMMANDS])
def test_works_as_printed(command: str, shows: str, runbook_cloud: Cloud, placeholders: dict[str, str]) -> None:
    assert re.search(shows, typed(runbook_cloud, command, placeholders)), f"the output does not show {shows}"


def test_rolls_back_as_section_4_1_prints_it(runbook_cloud: Cloud, placeholders: dict[str, str]) -> None:
    """Its `current - 1` is right only while every revision is good; the function `rollback` does better."""
    ecs, names = runbook_cloud.client("ecs"), runbook_cloud.environment
    first = ecs.describe_task_definition(taskDefinition=names.family)["taskDefinition"]
    container = {**first["containerDefinitions"][0], "image": f"{runbook_cloud.repository_uri}:5ec0nd"}
    ecs.register_task_definition(
        family=names.family,
        containerDefinitions=[container],
        **{
            key: first[key]
            for key in ("taskRoleArn", "executionRoleArn", "networkMode", "requiresCompatibilities", "cpu", "memory")
        },
    )
    ecs.update_service(cluster=names.cluster, service=names.service, taskDefinition=names.family)
    printed = """
CURRENT=$(aws ecs describe-services \\
  --cluster hz-navigator-production-cluster \\
  --services hz-navigator-production-backend-service \\
  --query 'services[0].taskDefinition' --output text)

# Extract revision number
CURRENT_REV=$(echo $CURRENT | grep -o '[0-9]*$')
PREVIOUS_REV=$((CURRENT_REV - 1))

# Rollback to previous
aws ecs update-service \\
  --cluster hz-navigator-production-cluster \\
  --service hz-navigator-production-backend-service \\
  --task-definition hz-navigator-production-backend:$PREVIOUS_REV
"""
    typed(runbook_cloud, printed, placeholders)
    runbook_cloud.advance(timedelta(minutes=5))
    typed(
        runbook_cloud,
        """
aws ecs wait services-stable \\
  --cluster hz-navigator-production-cluster \\
  --services hz-navigator-production-backend-service
""",
        placeholders,
    )
    service = ecs.describe_services(cluster=names.cluster, services=[names.service])["services"][0]
    assert service["taskDefinition"] == first["taskDefinitionArn"]


def test_verifies_as_section_4_1_prints_it(runbook_cloud: Cloud) -> None:
    """`curl -s https://api.hz-navigator.com/api/v1/health`, through the local cloud's proxy."""
    environment = runbook_cloud.application_environment
    run = subprocess.run(
        ["curl", "-s", "--cacert", environment["SSL_CERT_FILE"], "https://api.hz-navigator.com/api/v1/health"],
        env={"PATH": runbook_cloud.environ["PATH"], "https_proxy": environment["HTTPS_PROXY"]},
        capture_output=True,
        text=True,
        check=True,
    )
    assert '"status": "healthy"' in run.stdout


def test_waits_for_an_invalidation_as_section_4_2_prints_it(runbook_cloud: Cloud, placeholders: dict[str, str]) -> None:
    created = runbook_cloud.client("cloudfront").create_invalidation(
        DistributionId=placeholders["<DISTRIBUTION_ID>"],
        InvalidationBatch={"Paths": {"Quantity": 1, "Items": ["/*"]}, "CallerReference": "runbook"},
    )
    printed = """
aws cloudfront wait invalidation-completed \\
  --distribution-id <DISTRIBUTION_ID> \\
  --id <INVALIDATION_ID>
"""
    typed(runbook_cloud, printed, {**placeholders, "<INVALIDATION_ID>": created["Invalidation"]["Id"]})


@pytest.mark.parametrize(
    ("script", "shows"), [("health-check.sh", "All services healthy"), ("service-status.sh", "has started")]
)
def test_scripts_of_appendix_a_work_as_printed(script: str, shows: str, runbook_cloud: Cloud) -> None:
    (printed,) = (block for block in BASH.findall(RUNBOOK.read_text()) if f"# {script}" in block)
    reached = runbook_cloud.application_environment
    run = subprocess.run(
        ["bash", "-c", PRELUDE + printed],
        env={**runbook_cloud.environ, "https_proxy": reached["HTTPS_PROXY"], "CURL_CA_BUNDLE": reached["SSL_CERT_FILE"]},
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stderr
    assert shows in run.stdout


def single_commands(shell: str) -> list[str]:
    """The commands of a shell text, each on one line, without the backslashes that a shell or Python takes away."""
    lines = (" ".join(line.replace("\\", "").split()) for line in shell.replace("\\\n", " ").splitlines())
    return [line for line in lines if re.search(r"\b(aws|npx|curl) ", line) and not line.startswith("#")]


def test_every_command_of_the_printed_runbook_is_typed_here_or_known_not_to_be_emulated() -> None:
    here = " ".join(Path(__file__).read_text().replace("\\", "").split())
    blocks = [block for block in BASH.findall(RUNBOOK.read_text()) if "#!/bin/bash" not in block]  # scripts are run whole
    printed = [command for block in blocks for command in single_commands(block)]
    assert len(printed) > 40
    assert [command for command in printed if command not in here and not any(known in command for known in NOT_EMULATED)] == []


def test_every_command_typed_here_stands_in_the_printed_runbook() -> None:
    printed = single_commands("\n".join(BASH.findall(RUNBOOK.read_text())))
    for section, shell, _ in COMMANDS:
        typed_here = single_commands(shell)
        assert typed_here[0] in printed or typed_here[-1] in printed, section


@pytest.mark.parametrize("command", NOT_EMULATED)
def test_the_commands_that_are_not_emulated_are_documented(command: str) -> None:
    assert command in (Path(__file__).parents[2] / "docs/local-cloud.md").read_text()
