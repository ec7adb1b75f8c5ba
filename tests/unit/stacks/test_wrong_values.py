"""Each wrong value of an environment's file is refused in one sentence: the file, the key, the value and what would be right."""

import shutil
from pathlib import Path

import pytest

from local.init.edit import put, without
from stacks.config import ConfigError, load_all
from tests.environments import CONFIG

PRODUCTION = (CONFIG / "production.toml").read_text()
SENTRY = {"organization": '"acme"', "project": '"maps"', "token_secret": '"acme-token"'}

# By key: the sentence, and the values that it is said of. `...` is the key and the value; None takes the key out.
WRONG: dict[str, dict[str, list[str | None]]] = {
    "account": {
        '... should be the 12 digits of an AWS account, in quotes, such as "210987654321"': [
            '"1234"',
            "210987654321",
            '"\uff11\uff12\uff13\uff14\uff15\uff16\uff17\uff18\uff19\uff10\uff11\uff12"',
            '"123456789012 "',
            '"1234-5678-9012"',
        ],
        'account is missing and should be the 12 digits of an AWS account, in quotes, such as "210987654321"': [None],
    },
    "region": {
        '... should be a region of AWS, not of China or GovCloud, such as "us-east-2"': ['"us-east-9"'],
        '... should be a region of AWS, not of China or GovCloud, such as "us-east-1"': ['"US-EAST-1"', '""', '"us-east-1a"'],
        '... should be a region of AWS, not of China or GovCloud, such as "eu-north-1"': ['"cn-north-1"'],
        '... should be an AWS region, such as "us-east-1"': ["7"],
        'network.zones has "us-east-1a", which should be the name of a zone of region = "us-east-2", such as "us-east-2a"': [
            '"us-east-2"'
        ],
        'region is missing and should be an AWS region, such as "us-east-1"': [None],
    },
    "remediation": {
        '... should be "on", "observe" or "off", such as "on"': ['"yes"', "true", '"On"'],
    },
    "protection": {
        "... should be true once the first deployment has succeeded, false before, such as true": ['"true"', "1"],
        "protection is missing and should be true once the first deployment has succeeded, false before, such as true": [None],
    },
    "buckets.documents": {
        '... should be a name of 3 to 63 small letters, digits and hyphens, such as "acme-documents-production"': [
            '"acme_documents"',
            '"ab"',
            '"acme-"',
            '"acme.documents"',
        ],
    },
    "buckets.incidents": {
        '... should be a name of 3 to 63 small letters, digits and hyphens, such as "acme-incidents-production"': ['"a.b"'],
    },
    "buckets.frontend": {  # that of the backups is longer by `-backups`
        '... should be a name of 3 to 55 small letters, digits and hyphens, such as "acme-frontend-production"': [
            f'"{56 * "a"}"'
        ],
    },
    "log_retention_days": {
        "... should be one of 30, 60, 90, 120, 150, 180, 365, 731, 1827, 3653": ["31"],
        "... should be one of 30, 60, 90, 120, 150, 180, 365, 731, 1827, 3653, such as 365": ['"365"', "365.0"],
    },
    "docs_url": {
        '... should be an https address without a slash at its end, such as "https://git.example.com/operations/docs"': [
            '"http://git.acme.example/docs"',
            '"https://git.acme.example/docs/"',
            '"https://git acme.example"',
            '""',
        ],
    },
    "domain.zone": {
        '... should be the name of a hosted zone, in small letters, such as "hz-navigator.com"': [
            '""',
            '"hz-navigator.com."',
            '"HZ-navigator.com"',
            '"com"',
            "7",
            '"hz navigator.com"',
        ],
        'domain.frontend = "app.hz-navigator.com" should be a name inside domain.zone, such as "app.acme.example"': [
            '"acme.example"'
        ],
    },
    "domain.frontend": {
        '... should be another name than api, such as "app.hz-navigator.com"': ['"api.hz-navigator.com"'],
        '... should be a host name in small letters, up to 64 characters, such as "app.hz-navigator.com"': [
            '"app_1.hz-navigator.com"',
            '"https://app.hz-navigator.com"',
            '"-app.hz-navigator.com"',
            '"a-name-of-the-frontend-that-is-far-too-long-for-acm.hz-navigator.com"',
            '["app.hz-navigator.com"]',
        ],
    },
    "domain.api": {
        '... should be a host name in small letters, up to 64 characters, such as "app.hz-navigator.com"': [
            '""',
            '"*.hz-navigator.com"',
        ],
        '... should be a name inside domain.zone, such as "api.hz-navigator.com"': ['"api.example.com"'],
    },
    "domain.hosted_zone_id": {
        '... should be the id of a hosted zone of Route 53, such as "Z08194101P8EXK2M3N4Q"': [
            '"/hostedzone/Z08194101P8EXK2M3N4Q"',
            '"hz-navigator.com"',
        ],
        'domain should have hosted_zone_id, or both certificate_arn and frontend_certificate_arn, such as hosted_zone_id = "Z08194101P8EXK2M3N4Q"': [
            None
        ],
    },
    "domain.certificate_arn": {
        '... should be a certificate of this account in us-east-1: "arn:aws:acm:us-east-1:123456789012:certificate/..."': [
            '"arn:aws:acm:eu-west-1:123456789012:certificate/11111111-2222"',
            '"arn:aws:acm:us-east-1:999999999999:certificate/11111111-2222"',
        ],
        '... should be the ARN of a certificate of ACM, such as "arn:aws:acm:eu-central-1:210987654321:certificate/11111111-2222-3333-4444-555555555555"': [
            '"11111111-2222"'
        ],
    },
    "domain.frontend_certificate_arn": {
        '... should be the ARN of a certificate of ACM in us-east-1, where CloudFront looks for it, such as "arn:aws:acm:us-east-1:210987654321:certificate/11111111-2222-3333-4444-555555555555"': [
            '"arn:aws:acm:eu-west-1:123456789012:certificate/11111111-2222"',
            '"arn:aws:iam::123456789012:server-certificate/x"',
        ],
    },
    "network.cidr": {
        '... should be a block from /16 to /22 of a private range (10.0.0.0/8, 172.16.0.0/12, 192.168.0.0/16), such as "10.0.0.0/16"': [
            '"10.0.0.0/33"',
            '"8.8.0.0/16"',
            '"192.0.2.0/20"',
            '"198.18.0.0/16"',
            '"169.254.0.0/16"',
            '"172.32.0.0/16"',
            '"100.64.0.0/16"',
            '"10.0.0.0/8"',
            '"10.0.0.0/24"',
            '"10.0.0.1/16"',
            '"fd00::/16"',
            '"10.0.0.0"',
            '"127.0.0.0/16"',
            '""',
        ],
        '... should be a private CIDR block from /16 to /22, such as "10.0.0.0/16"': ["10"],
    },
    "network.zones": {
        'network.zones has "us-east-1a" twice, and should have each zone once, such as ["us-east-1a", "us-east-1b"]': [
            '["us-east-1a", "us-east-1a", "us-east-1b"]'
        ],
        "network.nat_gateways = 3 should be at most the number of zones, 2": [
            '["us-east-1a", "us-east-1z"]',
            '["us-east-1a", "eu-west-1a"]',
            '["use1-az1", "use1-az2"]',
        ],
        '... should be 2 to 6 availability zones of the region, such as ["us-east-1a", "us-east-1b"]': [
            '["us-east-1a"]',
            "[]",
            '"us-east-1a"',
        ],
        'network.zones = 2 should be 2 to 6 availability zones of the region, such as ["us-east-1a", "us-east-1b"]': [
            '["us-east-1a", 2]'
        ],
        'network.zones has "us-east-1-bos-1a", which should be the name of a zone of region = "us-east-1", such as "us-east-1a"': [
            '["us-east-1-bos-1a", "us-east-1a", "us-east-1b"]'
        ],
        'network.zones has "a", which should be the name of a zone of region = "us-east-1", such as "us-east-1a"': [
            '["a", "b", "c"]'
        ],
        'network.zones = ["us-east-1a", "us-east-1b", "us-east-1c", "us-east-1d", "us-east-1e", "us-ea... should be 2 to 6 availability zones of the region, such as ["us-east-1a", "us-east-1b"]': [
            '["us-east-1a", "us-east-1b", "us-east-1c", "us-east-1d", "us-east-1e", "us-east-1f", "us-east-1g"]'
        ],
    },
    "network.nat_gateways": {
        "... should be the number of NAT gateways, from one to one in each zone, such as 1": ["0", "1.5", '"3"'],
        "... should be at most the number of zones, 3": ["4"],
    },
    "database.instance_class": {
        '... should be one that RDS has in us-east-1 for PostgreSQL 15.17, such as "db.t4g.micro"': ['"db.t4g.gigantic"'],
        '... should be one that RDS has in us-east-1 for PostgreSQL 15.17, such as "db.t4g.large"': [
            '"t4g.large"',
            '"db.serverless"',
            '""',
        ],
        '... should be one that RDS has in us-east-1 for PostgreSQL 15.17, such as "db.t3.micro"': ['"db.t2.micro"'],
        'database.max_connections = 200 should be at most 112, what the memory of db.t4g.micro serves: instance_class = "db.t4g.small" would serve them': [
            '"db.t4g.micro"'
        ],
        '... should be one that RDS has in us-east-1 for PostgreSQL 15.17, such as "db.r6g.large"': ['"db.r6g.large "'],
        '... should be one that RDS has in us-east-1 for PostgreSQL 15.17, such as "db.t3.small"': ['"db.m1.small"'],
    },
    "database.max_connections": {
        '... should be at most 901, what the memory of db.t4g.large serves: instance_class = "db.t4g.xlarge" would serve them': [
            "902"
        ],
        "... should be the most connections at one time, 6 or more, such as 200": ["5", '"200"'],
        "thresholds.rds-connections.critical = 180 should be under database.max_connections = 180, such as 162": ["180"],
        "... should be at most 901, what the memory of db.t4g.large serves": ["6001"],
    },
    "cache.node_type": {
        '... should be one that ElastiCache has in us-east-1 for a group in memory, such as "cache.r6g.large"': [
            '"cache.r6.large"'
        ],
        '... should be one that ElastiCache has in us-east-1 for a group in memory, such as "cache.t3.micro"': [
            '"cache.t1.micro"'
        ],
        '... should be one that ElastiCache has in us-east-1 for a group in memory, such as "cache.t3.small"': [
            '"cache.m1.small"'
        ],
        '... should be one that ElastiCache has in us-east-1 for a group in memory, such as "cache.r6g.xlarge"': [
            '"cache.r6gd.xlarge"'
        ],
        '... should be one that ElastiCache has in us-east-1 for a group in memory, such as "cache.t4g.small"': [
            '"db.t4g.small"'
        ],
        '... should be one that ElastiCache has in us-east-1 for a group in memory, such as "cache.r4.large"': [
            '"cache.t4g.large"'
        ],
    },
    "backend.cpu": {
        "... should be one of Fargate's sizes: 256, 512, 1024, 2048, 4096, 8192, 16384": ["3000"],
        "... should be the CPU units of a task, 1024 for a vCPU, such as 1024": ['"2048"'],
    },
    "backend.memory": {
        "... should be a size that Fargate has with cpu = 2048: 4096, 5120, 6144, 7168, 8192, 9216, 10240, 11264, 12288, 13312, 14336, 15360, 16384": [
            "2048",
            "31000",
        ],
    },
    "backend.min_tasks": {
        "... should be the fewest tasks, one or more, such as 2": ["0", '"2"'],
        "... should be at most max_tasks = 4": ["5"],
    },
    "backend.max_tasks": {
        "... should be at most 4: a rollout runs 2 times the tasks, and 5 x 2 x 20 (pool_size) = 200 connections should stay under the critical line of rds-connections, 180": [
            "5"
        ],
        "... should be at most 4: a rollout runs 2 times the tasks, and 8 x 2 x 20 (pool_size) = 320 connections should stay under the critical line of rds-connections, 180": [
            "8"
        ],
        "... should be the most tasks, one or more, such as 4": ["-1"],
    },
    "backend.pool_size": {
        "... should be the connections that a task may open, one or more, such as 20": ["0"],
        "... should be at most 89: the connections of 2 tasks, as many as a rollout of one runs, should stay under the critical line of rds-connections, 180": [
            "90",
            "1000",
        ],
        "backend.max_tasks = 4 should be at most 3: a rollout runs 2 times the tasks, and 4 x 2 x 25 (pool_size) = 200 connections should stay under the critical line of rds-connections, 180": [
            "25"
        ],
    },
    "backend.health_check_path": {
        '... should be a path of up to 1024 letters, digits and any of @:%_+.~#?&/=-, such as "/api/v1/health"': [
            '"api/v1/health"',
            '"/api/v1/health check"',
            '"/api?query={__typename}"',
            '""',
        ],
    },
    "backend.health_check_codes": {
        '... should be HTTP codes and ranges of them from 200 to 499, such as "200", "200,301" or "200-299"': [
            '"200-600"',
            '"500"',
            '"199"',
            '"299-200"',
            '"200-299-301"',
            '"200;301"',
            '"200, 301"',
            '""',
        ],
        '... should be HTTP codes and ranges of them from 200 to 499, in quotes, such as "200,301"': ["200"],
    },
    "contacts.email": {
        '... should be an e-mail address, such as "on-call@acme.example"': ['"on-call"', '"on call@acme.example"', '""'],
        'contacts should have email, pagerduty_url_secret or slack, such as email = "on-call@acme.example"; nobody = true says that nobody is to be told': [
            None
        ],
    },
    "contacts.nobody": {
        "... should be removed: contacts.email says who is told": ["true"],
        "... should be true or false, such as true": ['"yes"'],
    },
    "contacts.pagerduty_event_source": {
        "contacts.pagerduty_event_source should be removed, or contacts.pagerduty_url_secret set: PagerDuty hears by it": [
            '"aws.partner/pagerduty.com/acme-production"'
        ],
        '... should be the name of PagerDuty\'s partner event source in Amazon EventBridge, such as "aws.partner/pagerduty.com/acme-production"': [
            '"acme-production"',
            '"aws.partner/auth0.com/acme"',
            '""',
        ],
    },
    "contacts.escalation": {
        'contacts.escalation.l2 = "the lead" should be an e-mail address, such as "on-call@acme.example"': [
            '{ l2 = "the lead" }'
        ],
        "contacts.escalation.l1 is not a key of this file and should be removed: contacts.escalation may have l2, l3, l4": [
            '{ l1 = "on-call@acme.example" }'
        ],
        "... should be a section, such as [contacts.escalation] with its keys below it": ['"lead@acme.example"'],
    },
    "contacts.pagerduty_url_secret": {
        'contacts.pagerduty_url_secret = "https:/..." should be the name of a secret of Secrets Manager, such as "hz-navigator-production-pagerduty-url"': [
            '"https://events.pagerduty.com/integration/0123456789abcdef0123456789abcdef/enqueue"'  # pragma: allowlist secret - made up
        ],
        'contacts.pagerduty_url_secret = "0123456..." should be the name of a secret, such as "hz-navigator-production-token", and looks like what is in one: put it into a secret, and renew it, because it has been in a file': [
            '"0123456789abcdef0123456789abcdef"'
        ],
        'contacts.pagerduty_url_secret = "arn:aws..." should be the name of a secret of Secrets Manager, such as "hz-navigator-production-pagerduty-url"': [
            '"arn:aws:secretsmanager:us-east-1:123456789012:secret:x"'
        ],
        '... should be the name of a secret of Secrets Manager, such as "hz-navigator-production-pagerduty-url"': ['""'],
        'contacts.pagerduty_url_secret = "the url..." should be the name of a secret of Secrets Manager, such as "hz-navigator-production-pagerduty-url"': [
            '"the url of PagerDuty"'
        ],
    },
    "contacts.heartbeat_url_secret": {
        'contacts.heartbeat_url_secret = "https:/..." should be the name of a secret of Secrets Manager, such as "hz-navigator-production-heartbeat-url"': [
            '"https://hc-ping.com/01234567-89ab-cdef-0123-456789abcdef"'
        ],
        'contacts.heartbeat_url_secret = "the url..." should be the name of a secret of Secrets Manager, such as "hz-navigator-production-heartbeat-url"': [
            '"the url of the heartbeat"'
        ],
        '... should be the name of a secret of Secrets Manager, such as "hz-navigator-production-heartbeat-url"': ['""'],
    },
    "contacts.slack": {
        'contacts.slack.workspace_id = "acme" should be the id of a Slack workspace, such as "T0123ABCD"': [
            '{ workspace_id = "acme", channel_id = "C0123ABCD" }'
        ],
        'contacts.slack.channel_id = "#incident-response" should be the id of a Slack channel, not its name, such as "C0123ABCD"': [
            '{ workspace_id = "T0123ABCD", channel_id = "#incident-response" }'
        ],
        'contacts.slack.channel_id is missing and should be the id of a Slack channel, not its name, such as "C0123ABCD"': [
            '{ workspace_id = "T0123ABCD" }'
        ],
        "... should be a section, such as [contacts.slack] with its keys below it": ['"#incident-response"'],
    },
    "thresholds.rds-cpu.warning": {
        "... should be under critical = 90, as in the table: normal = 60, warning = 75, critical = 90": ["95", "90"],
    },
    "thresholds.rds-cpu.critical": {
        "... should be in %, from 0 to 100, such as 90": ["101"],
        "... should be a value that can be passed, such as 90": ["100"],
        "... should be a number in the row's unit, 0 or more, such as 75": ["-1", "inf", "nan", '"90"'],
    },
    "thresholds.rds-cpu.normal": {
        "... should be at most warning = 75, as in the table: normal = 60, warning = 75, critical = 90": ["80"],
    },
    "thresholds.rds-cpu.severe": {
        "thresholds.rds-cpu.severe is not a key of this file and should be removed: thresholds.rds-cpu may have critical, normal, warning": [
            "80"
        ],
    },
    "thresholds.api-availability.warning": {
        "... should be over critical = 50, as in the table: normal = 100, warning = 99, critical = 50": ["40"],
    },
    "thresholds.api-availability.normal": {
        "... should be at least warning = 99, as in the table: normal = 100, warning = 99, critical = 50": ["98"],
    },
    "thresholds.api-availability.critical": {
        "... should be a value that can be passed, such as 50": ["0"],
    },
    "thresholds.alb-latency-p95.critical": {
        "... should be in s, from 0 to 60, such as 2": ["2000"],
    },
    "thresholds.rds-connections.critical": {
        "... should be under database.max_connections = 200, such as 180": ["200", "250"],
        "backend.max_tasks = 4 should be at most 3: a rollout runs 2 times the tasks, and 4 x 2 x 20 (pool_size) = 160 connections should stay under the critical line of rds-connections, 160": [
            "160"
        ],
    },
    "thresholds.disk.warning": {
        "thresholds.disk should be a row of the table: ecs-cpu, ecs-memory, rds-cpu, rds-connections, redis-memory, alb-5xx-rate, alb-latency-p95, sentry-errors, unhealthy-hosts, api-availability, database-availability, frontend-availability, alb-5xx-rate-low-traffic, alb-latency-p95-low-traffic, tasks-running, ecs-cpu-hottest, target-connections, nat-ports, rds-free-storage, rds-free-memory, rds-cpu-credits, rds-failovers, redis-nodes, redis-evictions, redis-replication-lag, certificate-days": [
            "1"
        ],
    },
    "procedures.approvers": {
        'procedures.approvers = "ada" should be up to 10 ARNs of roles and users, such as ["arn:aws:iam::210987654321:role/on-call"]': [
            '["ada"]'
        ],
        'procedures.approvers = "arn:aws:sts::123456789012:assumed-role/on-call/ada" should be up to 10 ARNs of roles and users, such as ["arn:aws:iam::210987654321:role/on-call"]': [
            '["arn:aws:sts::123456789012:assumed-role/on-call/ada"]'
        ],
        'procedures.approvers should name who reads procedures.email, such as ["arn:aws:iam::210987654321:role/on-call"]': [
            '[]\nemail = "approvers@acme.example"'
        ],
        '... should be up to 10 ARNs of roles and users, such as ["arn:aws:iam::210987654321:role/on-call"]': [
            '"arn:aws:iam::123456789012:role/on-call"',
            "true",
        ],
        'procedures.approvers has "arn:aws:iam::123456789012:role/a" twice, and should have each approver once': [
            '["arn:aws:iam::123456789012:role/a", "arn:aws:iam::123456789012:role/a"]'
        ],
        'procedures.approvers has "arn:aws:iam::999999999999:role/a", which should be a role or a user of this account, such as "arn:aws:iam::123456789012:role/approvers"': [
            '["arn:aws:iam::999999999999:role/a"]'
        ],
    },
    "procedures.email": {
        '... should be an e-mail address, such as "approvers@acme.example"': ['"approvers"', "1"],
    },
    "thresholds": {
        "... should be a section, such as [thresholds] with its keys below it": ["3"],
    },
    "contacts.emails": {
        "contacts.emails is not a key of this file and should be removed: contacts may have email, escalation, heartbeat_url_secret, nobody, pagerduty_event_source, pagerduty_url_secret, slack": [
            '"on-call@acme.example"'
        ],
    },
    "thresholds.ecs-memory.normal": {
        "thresholds.ecs-memory.normal = inf should be a number in the row's unit, 0 or more, such as 75": ["1e400"],
    },
    "thresholds.redis-memory.critical": {
        "... should be a number in the row's unit, 0 or more, such as 75": ["true"],
    },
    "thresholds.unhealthy-hosts.critical": {
        "thresholds.unhealthy-hosts.warning = 0 should be under critical = 0, as in the table: normal = 0, warning = 0, critical = 49": [
            "0"
        ],
    },
    "thresholds.database-availability.normal": {
        "... should be in %, from 0 to 100, such as 100": ["100.5"],
    },
    "thresholds.alb-5xx-rate.warning": {
        "... should be a number in the row's unit, 0 or more, such as 75": ["-0.1"],
    },
    "thresholds.alb-latency-p95.normal": {
        "... should be in s, from 0 to 60, such as 0.5": ["1500"],
    },
}
EACH = [(key, value, sentence) for key, said in WRONG.items() for sentence, values in said.items() for value in values]


def refused(folder: Path, text: str) -> str:
    """What is said of a folder whose production is this text."""
    copy = Path(shutil.copytree(CONFIG, folder / "config"))
    (copy / "production.toml").write_text(text)
    with pytest.raises(ConfigError) as error:
        load_all(copy)
    return str(error.value)


@pytest.mark.parametrize(("key", "value", "sentence"), EACH, ids=[f"{key} = {value}"[:80] for key, value, _ in EACH])
def test_a_wrong_value_is_refused_with_one_sentence(key: str, value: str | None, sentence: str, tmp_path: Path) -> None:
    text = without(PRODUCTION, key) if value is None else put(PRODUCTION, key, value)
    assert (
        refused(tmp_path, text)
        == f"config/production.toml: {sentence.replace('...', f'{key} = {value}', sentence[:3] == '...')}"
    )


# Tokens where the name of a secret belongs: https://docs.sentry.io/api/guides/create-auth-token/ and PagerDuty's keys
TOKENS = {
    "Sentry's organization token": "sntrys_eyJpYXQiOjE3MDAwMDAwMDAsInVybCI6Imh0dHBzOi8vc2VudHJ5LmlvIn0=_abc",  # pragma: allowlist secret - made up
    "Sentry's user token": "sntryu_" + "0123456789abcdef" * 4,
    "Sentry's older token": "0123456789abcdef" * 4,
    "PagerDuty's integration key": "0123456789abcdef" * 2,
    "PagerDuty's newer key": "R02ABCDEFGHIJKLMNOPQRSTUVWXYZ012",  # pragma: allowlist secret - made up
    "a token after a word": "token-" + "a1B2c3D4" * 4,
}


@pytest.mark.parametrize("token", TOKENS.values(), ids=TOKENS)
@pytest.mark.parametrize("key", ["contacts.pagerduty_url_secret", "contacts.heartbeat_url_secret", "sentry.token_secret"])
def test_a_token_is_no_name_of_a_secret_and_is_not_printed(key: str, token: str, tmp_path: Path) -> None:
    text = PRODUCTION
    for name, value in SENTRY.items():
        text = put(text, f"sentry.{name}", value)
    said = refused(tmp_path, put(text, key, f'"{token}"'))
    assert said == (
        f'config/production.toml: {key} = "{token[:7]}..." should be the name of a secret, such as "hz-navigator-production-token", '
        "and looks like what is in one: put it into a secret, and renew it, because it has been in a file"
    )
    assert token not in said


@pytest.mark.parametrize("name", ["hz-navigator-production-pagerduty-url", "prod/pagerduty/url", "acme.maps_2026@eu+1=x"])
def test_a_name_is_a_name(name: str, tmp_path: Path) -> None:
    copy = Path(shutil.copytree(CONFIG, tmp_path / "config"))
    (copy / "production.toml").write_text(put(PRODUCTION, "contacts.pagerduty_url_secret", f'"{name}"'))
    assert load_all(copy)[0].contacts.pagerduty_url_secret == name


@pytest.mark.parametrize("name", SENTRY)
def test_a_sentry_needs_all_its_keys(name: str, tmp_path: Path) -> None:
    text = PRODUCTION
    for other, value in SENTRY.items():
        text = text if other == name else put(text, f"sentry.{other}", value)
    assert refused(tmp_path, text).startswith(f"config/production.toml: sentry.{name} is missing and should be the ")


WRONG_SENTRY = {
    "url": ['"http://sentry.io"', '"https://sentry.io/organizations/acme"', '"sentry.io"', '""', "7"],
    "organization": ['"Acme Maps"', '""', '"-acme"', "true"],
    "project": ['"Acme Maps"', '""', '"a/b"', "[]"],
    "token_secret": ['"a b"', '""', '"arn:aws:secretsmanager:us-east-1:123456789012:secret:x"', "1.5"],
}


@pytest.mark.parametrize(("name", "value"), [(name, value) for name, values in WRONG_SENTRY.items() for value in values])
def test_a_wrong_value_of_sentry_is_refused_with_one_sentence(name: str, value: str, tmp_path: Path) -> None:
    text = PRODUCTION
    for key, given in {**SENTRY, name: value}.items():
        text = put(text, f"sentry.{key}", given)
    said = refused(tmp_path, text)
    assert said.startswith(f"config/production.toml: sentry.{name} = ")
    assert " should be " in said
    assert ", such as " in said
    assert "\n" not in said
