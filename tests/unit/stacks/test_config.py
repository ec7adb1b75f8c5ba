"""A configuration that cannot be deployed stops synth with one sentence: the file, the key, the value, what is right."""

import re
import tomllib
from collections.abc import Callable
from pathlib import Path

import pytest

from stacks.config import ConfigError, load, load_all, names
from tests.environments import CONFIG, ENVIRONMENTS, PRODUCTION

Edit = Callable[[str], str]


def replaced(old: str, new: str) -> Edit:
    def edit(text: str) -> str:
        assert re.search(old, text, re.MULTILINE), f"{old} is not in the file"
        return re.sub(old, new, text, count=1, flags=re.MULTILINE)

    return edit


def added(lines: str) -> Edit:
    return lambda text: f"{text}\n{lines}\n"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A copy of config/."""
    copy = tmp_path / "config"
    copy.mkdir()
    for file in CONFIG.glob("*.toml"):
        (copy / file.name).write_text(file.read_text())
    return copy


def edited(folder: Path, edit: Edit, name: str = "production") -> Path:
    file = folder / f"{name}.toml"
    file.write_text(edit(file.read_text()))
    return folder


WRONG: dict[str, tuple[Edit, str]] = {
    "an unknown key": (
        added('[backup]\nwindow = "03:00"'),
        "config/production.toml: backup is not a key of this file and should be removed: it may have "
        "account, backend, buckets, cache, contacts, database, docs_url, domain, log_retention_days, network, protection, region, remediation, sentry, thresholds",
    ),
    "an unknown key in a section": (
        replaced(r"^nat_gateways = 3", "nat_gateways = 3\nnat_gatewys = 2"),
        "config/production.toml: network.nat_gatewys = 2 is not a key of this file and should be removed: "
        "network may have cidr, nat_gateways, zones",
    ),
    "a missing key": (
        replaced(r"^nat_gateways.*$", ""),
        "config/production.toml: network.nat_gateways is missing and should be set",
    ),
    "a wrong type": (
        replaced(r"^nat_gateways = 3", 'nat_gateways = "3"'),
        "config/production.toml: network.nat_gateways = '3' should be right: input should be a valid integer",
    ),
    "an impossible CIDR": (
        replaced(r'^cidr = "10.0.0.0/16"', 'cidr = "10.0.0.0/33"'),
        "config/production.toml: network.cidr = '10.0.0.0/33' should be a CIDR block such as 10.0.0.0/16 "
        "('33' is not a valid netmask)",
    ),
    "a public CIDR": (
        replaced(r'^cidr = "10.0.0.0/16"', 'cidr = "8.8.0.0/16"'),
        "config/production.toml: network.cidr = '8.8.0.0/16' should be a private block between /16 and /22, such as 10.0.0.0/16",
    ),
    "more NAT gateways than zones": (
        replaced(r"^nat_gateways = 3", "nat_gateways = 4"),
        "config/production.toml: network: nat_gateways = 4 should be at most the number of zones, 3",
    ),
    "a zone of another region": (
        replaced("us-east-1c", "eu-west-1c"),
        "config/production.toml: network.zones has eu-west-1c, which should be a zone of region = us-east-1",
    ),
    "minimum over maximum tasks": (
        replaced(r"^min_tasks = 2", "min_tasks = 9"),
        "config/production.toml: backend: min_tasks = 9 should be at most max_tasks = 8",
    ),
    "a CPU size that Fargate does not have": (
        replaced(r"^cpu = 2048", "cpu = 3000"),
        "config/production.toml: backend: cpu = 3000 should be one of Fargate's sizes: 256, 512, 1024, 2048, 4096, 8192, 16384",
    ),
    "a CPU and memory pair that Fargate does not have": (
        replaced(r"^memory = 4096", "memory = 2048"),
        "config/production.toml: backend: memory = 2048 should be a size Fargate has with cpu = 2048: 4096, 5120, 6144, 7168, "
        "8192, 9216, 10240, 11264, 12288, 13312, 14336, 15360, 16384",
    ),
    "more connections than the critical line": (
        replaced(r"^max_tasks = 8", "max_tasks = 9"),
        "config/production.toml: backend.max_tasks x pool_size = 9 x 20 = 180 connections should stay under the critical line "
        "of rds-connections, 180: max_tasks = 8 would",
    ),
    "a warning that is not stricter than critical": (
        added("[thresholds.rds-cpu]\nwarning = 95"),
        "config/production.toml: thresholds.rds-cpu: warning = 95 should be under critical = 90",
    ),
    "a warning that is not stricter than critical, where low is bad": (
        added("[thresholds.api-availability]\nwarning = 40"),
        "config/production.toml: thresholds.api-availability: warning = 40 should be over critical = 50",
    ),
    "an override of a row that is not in the table": (
        added("[thresholds.disk]\nwarning = 1"),
        "config/production.toml: thresholds: disk should be a row of the table: ecs-cpu, ecs-memory, rds-cpu, rds-connections, "
        "redis-memory, alb-5xx-rate, alb-latency-p95, sentry-errors, unhealthy-hosts, api-availability, "
        "database-availability, frontend-availability",
    ),
    "a name of a PagerDuty secret that is a URL": (
        replaced(r"^email = .*$", 'pagerduty_url_secret = "https://events.pagerduty.com/x"'),
        "config/production.toml: contacts.pagerduty_url_secret = 'https://events.pagerduty.com/x' should be right: string should "
        "match pattern '^[\\w/+=.@-]+$'",
    ),
    "a Slack channel by its name": (
        added('[contacts.slack]\nworkspace_id = "T0123ABCD"\nchannel_id = "#incident-response"'),
        "config/production.toml: contacts.slack.channel_id = '#incident-response' should be right: string should match pattern "
        "'^[CG][A-Z0-9]+$'",
    ),
    "a Sentry without a token": (
        added('[sentry]\norganization = "hz-navigator"\nproject = "hz-navigator-backend"'),
        "config/production.toml: sentry.token_secret is missing and should be set",
    ),
    "an unknown key of an optional section": (
        added('[sentry]\norganization = "o"\nproject = "p"\ntoken_secret = "t"\ntoken = "t"'),
        "config/production.toml: sentry.token = 't' is not a key of this file and should be removed: sentry may have organization, "
        "project, token_secret, url",
    ),
    "an unknown key of a section in a section": (
        added('[contacts.slack]\nworkspace_id = "T0123ABCD"\nchannel_id = "C0123ABCD"\nname = "x"'),
        "config/production.toml: contacts.slack.name = 'x' is not a key of this file and should be removed: contacts.slack may have "
        "channel_id, workspace_id",
    ),
    "a Sentry in the clear": (
        added('[sentry]\nurl = "http://sentry.io"\norganization = "o"\nproject = "p"\ntoken_secret = "t"'),
        "config/production.toml: sentry.url = 'http://sentry.io' should be right: string should match pattern '^https://[^/]+$'",
    ),
    "a domain outside the zone": (
        replaced(r'^api = "api.hz-navigator.com"', 'api = "api.example.com"'),
        "config/production.toml: domain.api = 'api.example.com' should be a name inside domain.zone, such as api.hz-navigator.com",
    ),
    "neither a hosted zone nor certificates": (
        replaced(r"^hosted_zone_id.*$", ""),
        "config/production.toml: domain: should have hosted_zone_id, or both certificate_arn and frontend_certificate_arn",
    ),
    "an account that is not one": (
        replaced(r'^account = "\d+"', 'account = "1234"'),
        "config/production.toml: account = '1234' should be right: string should match pattern '^\\d{12}$'",
    ),
    "a bucket's name with an underscore": (
        added('[buckets]\ndocuments = "acme_documents"'),
        "config/production.toml: buckets.documents = 'acme_documents' should be 3 to 63 small letters, digits and hyphens, such as "
        "my-team-documents-production",
    ),
    "a bucket's name that leaves no room for that of the backups": (
        added(f'[buckets]\nfrontend = "{56 * "a"}"'),
        f"config/production.toml: buckets.frontend = '{56 * 'a'}' should be 3 to 55 small letters, digits and hyphens, such as "
        "my-team-frontend-production",
    ),
    "a file that does not say whether it is protected": (
        replaced(r"^protection.*$", ""),
        "config/production.toml: protection is missing and should be set",
    ),
    "a mode that does not exist": (
        replaced(r'^remediation = "on"', 'remediation = "yes"'),
        "config/production.toml: remediation = 'yes' should be right: input should be 'on', 'observe' or 'off'",
    ),
    "a file that is not TOML": (
        lambda text: text.replace("[network]", "[network"),
        "config/production.toml: should be TOML: Expected ']' at the end of a table declaration (at line 15, column 9)",
    ),
}


@pytest.mark.parametrize("case", WRONG)
def test_stops_with_one_sentence_for(case: str, folder: Path) -> None:
    edit, sentence = WRONG[case]
    with pytest.raises(ConfigError) as error:
        load_all(edited(folder, edit))
    assert str(error.value) == sentence


def test_stops_when_networks_overlap(folder: Path) -> None:
    with pytest.raises(ConfigError) as error:
        load_all(edited(folder, replaced(r'"10.1.0.0/16"', '"10.0.128.0/20"'), "staging"))
    assert str(error.value) == (
        "config/staging.toml: network.cidr = '10.0.128.0/20' overlaps 10.0.0.0/16 of config/production.toml and should be a block "
        "of its own"
    )


def test_every_problem_of_a_file_is_told_at_once(folder: Path) -> None:
    edited(folder, replaced(r"^nat_gateways.*$", ""))
    edited(folder, replaced(r"^max_tasks = 8", 'max_tasks = "8"'))
    with pytest.raises(ConfigError) as error:
        load_all(folder)
    assert len(str(error.value).splitlines()) == 2


def test_an_override_changes_its_row_and_no_other(folder: Path) -> None:
    edited(folder, added("[thresholds.rds-cpu]\nwarning = 70"))
    before, after = PRODUCTION, load("production", folder)
    assert after.row("rds-cpu").warning == 70
    assert [row for row in after.table if row.slug != "rds-cpu"] == [row for row in before.table if row.slug != "rds-cpu"]


def test_a_bucket_whose_name_is_taken_gets_another(folder: Path) -> None:
    edited(folder, added('[buckets]\nfrontend = "acme-maps"\ndocuments = "acme-documents"'))
    environment = load("production", folder)
    assert (environment.frontend_bucket, environment.frontend_backups_bucket) == ("acme-maps", "acme-maps-backups")
    assert environment.documents_bucket == "acme-documents"


def test_another_major_version_of_postgresql_has_a_parameter_group_of_its_own(folder: Path) -> None:
    application = folder / "application.toml"
    application.write_text(application.read_text().replace('version = "15.17"', 'version = "16.13"'))
    assert load("production", folder).database_parameter_group == "hz-navigator-production-pg16-params"


def test_the_files_hold_only_what_differs() -> None:
    production, staging = (tomllib.loads((CONFIG / f"{name}.toml").read_text()) for name in ("production", "staging"))
    assert production.keys() == staging.keys()


NAMES = {  # runbook section 1 and the commands of sections 3 to 7, as printed
    "production": {
        "cluster": "hz-navigator-production-cluster",
        "service": "hz-navigator-production-backend-service",
        "family": "hz-navigator-production-backend",
        "repository": "hz-navigator-production-backend",
        "database_instance": "hz-navigator-production-postgres",
        "database_parameter_group": "hz-navigator-production-pg-params",
        "database_secret": "hz-navigator-production-db-password",
        "database_log_group": "/aws/rds/instance/hz-navigator-production-postgres/postgresql",
        "replication_group": "hz-navigator-production-redis",
        "load_balancer": "hz-navigator-production-alb",
        "frontend_bucket": "hz-navigator-frontend-production",
        "frontend_backups_bucket": "hz-navigator-frontend-production-backups",
        "backend_log_group": "/aws/ecs/hz-navigator-production",
        "dashboard": "hz-navigator-production",
        "frontend_url": "https://app.hz-navigator.com",
        "api_url": "https://api.hz-navigator.com",
    },
    "staging": {
        "cluster": "hz-navigator-staging-cluster",
        "service": "hz-navigator-staging-backend-service",
        "family": "hz-navigator-staging-backend",
        "repository": "hz-navigator-staging-backend",
        "database_instance": "hz-navigator-staging-postgres",
        "database_parameter_group": "hz-navigator-staging-pg-params",
        "database_secret": "hz-navigator-staging-db-password",
        "database_log_group": "/aws/rds/instance/hz-navigator-staging-postgres/postgresql",
        "replication_group": "hz-navigator-staging-redis",
        "load_balancer": "hz-navigator-staging-alb",
        "frontend_bucket": "hz-navigator-frontend-staging",
        "frontend_backups_bucket": "hz-navigator-frontend-staging-backups",
        "backend_log_group": "/aws/ecs/hz-navigator-staging",
        "dashboard": "hz-navigator-staging",
        "frontend_url": "https://app.staging.hz-navigator.com",
        "api_url": "https://api.staging.hz-navigator.com",
    },
}


@pytest.mark.parametrize("name", NAMES)
def test_names_are_the_runbooks(name: str) -> None:
    assert {kind: getattr(ENVIRONMENTS[name], kind) for kind in NAMES[name]} == NAMES[name]


# A file more is an environment more


def copied(folder: Path, name: str) -> Path:
    """Staging's file under another name, in a network of its own."""
    (folder / f"{name}.toml").write_text((folder / "staging.toml").read_text().replace("10.1.0.0/16", "10.7.0.0/16"))
    return folder


def test_a_file_more_is_an_environment_more(folder: Path) -> None:
    assert names(copied(folder, "review-7")) == ["production", "review-7", "staging"]
    assert load("review-7", folder).service == "hz-navigator-review-7-backend-service"


@pytest.mark.parametrize("zones", [2, 3, 4, 5, 6])
def test_an_environment_may_have_two_to_six_zones(folder: Path, zones: int) -> None:
    listed = ", ".join(f'"us-east-1{letter}"' for letter in "abcdef"[:zones])
    edited(folder, replaced(r"^zones = .*$", f"zones = [{listed}]"), "staging")
    assert len(load("staging", folder).network.zones) == zones


def test_a_name_that_aws_would_not_take_is_refused(folder: Path) -> None:
    with pytest.raises(ConfigError) as error:
        load_all(copied(folder, "production-frankfurt"))
    assert str(error.value) == (
        "config/production-frankfurt.toml: the environment's name should be at most 15 characters: load balancer would be "
        "hz-navigator-production-frankfurt-alb, and AWS allows 32"
    )


def test_a_name_in_capitals_is_refused(folder: Path) -> None:
    with pytest.raises(ConfigError, match=r"config/Review\.toml: name = 'Review' should be right"):
        load_all(copied(folder, "Review"))


@pytest.mark.parametrize("name", ["test", "application", "../config/staging"])
def test_an_environment_that_there_is_no_file_of_is_named_with_those_that_there_are(folder: Path, name: str) -> None:
    with pytest.raises(ConfigError) as error:
        load(name, folder)
    assert str(error.value) == f"config/{name}.toml: no such environment: there are production, staging"


@pytest.mark.parametrize("key", ["name", "application"])
def test_what_another_file_says_is_no_key_of_an_environment(folder: Path, key: str) -> None:
    edited(folder, lambda text: f'{key} = "x"\n{text}')
    with pytest.raises(ConfigError, match=rf"config/production\.toml: {key} should be removed: "):
        load_all(folder)


# The application

WRONG_APPLICATION: dict[str, tuple[Edit, str]] = {
    "an unknown key": (
        replaced(r"^product = .*$", 'products = "HZ Navigator"'),
        "config/application.toml: product is missing and should be set\n"
        "config/application.toml: products = 'HZ Navigator' is not a key of this file and should be removed: it may have application, "
        "cache, container, database, frontend, health_report, metrics_namespace, product, short_name, title",
    ),
    "a variable of nothing": (
        replaced(r"^CORS_ORIGINS = .*$", 'CORS_ORIGINS = "{frontend}"'),
        "config/application.toml: container.variables: CORS_ORIGINS = '{frontend}' should have nothing in braces but {port}, {region}, "
        "{prefix}, {documents}, {frontend_url}",
    ),
    "a key that the database's secret does not have": (
        replaced(r'"dbname"', '"db"'),
        "config/application.toml: container.database_secret.POSTGRES_DB = 'db' should be right: input should be 'host', 'port', "
        "'username', 'password' or 'dbname'",
    ),
    "fewer nodes than a failover needs": (
        replaced(r"^nodes = 2", "nodes = 1"),
        "config/application.toml: cache.nodes = 1 should be right: input should be greater than or equal to 2",
    ),
}


@pytest.mark.parametrize("case", WRONG_APPLICATION)
def test_a_wrong_application_stops_with_one_sentence_a_problem(case: str, folder: Path) -> None:
    edit, sentence = WRONG_APPLICATION[case]
    with pytest.raises(ConfigError) as error:
        load_all(edited(folder, edit, "application"))
    assert str(error.value) == sentence
