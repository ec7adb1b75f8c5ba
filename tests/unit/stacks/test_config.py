"""A configuration that cannot be deployed stops synth with one sentence: the file, the key, the value, what is right."""

import os
import re
import tomllib
from collections.abc import Callable
from pathlib import Path

import pytest

from lambdas.common.instance_classes import most_connections
from local.init.edit import put
from stacks.config import ConfigError, load, load_all, names
from tests.environments import CONFIG, ENVIRONMENTS, PRODUCTION

EMPTY = "is empty, and should have the keys that docs/deploying.md lists: `make init` writes such a file"

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


# The values of single keys are in test_wrong_values.py.
WRONG: dict[str, tuple[Edit, str]] = {
    "an unknown section": (
        added('[backup]\nwindow = "03:00"'),
        "config/production.toml: backup is not a key of this file and should be removed: it may have account, ",
    ),
    "an unknown key in a section": (
        replaced(r"^nat_gateways = 3", "nat_gateways = 3\nnat_gatewys = 2"),
        "config/production.toml: network.nat_gatewys is not a key of this file and should be removed: "
        "network may have cidr, nat_gateways, zones",
    ),
    "an unknown key of a section in a section": (
        added('[contacts.slack]\nworkspace_id = "T0123ABCD"\nchannel_id = "C0123ABCD"\nname = "x"'),
        "config/production.toml: contacts.slack.name is not a key of this file and should be removed: contacts.slack may have "
        "channel_id, workspace_id",
    ),
    "a section that is missing": (
        replaced(r"^\[cache\]\nnode_type.*$", ""),
        "config/production.toml: cache is missing and should be a section, such as [cache] with its keys below it",
    ),
    "many sections of one name": (
        replaced(r"^\[cache\]", "[[cache]]"),
        'config/production.toml: cache = [{node_type = "cache.r6g.large"}] should be a section, such as [cache] with its keys below it',
    ),
    "a number with thousands of digits": (
        replaced(r"^max_tasks = 4", f"max_tasks = {'9' * 5000}"),
        "config/production.toml: should be TOML: Exceeds the limit (4300 digits) for integer string conversion",
    ),
    "a number of many digits": (
        replaced(r"^cpu = 2048", f"cpu = {'9' * 400}"),
        "config/production.toml: backend.cpu = 9",
    ),
    "brackets without an end": (
        added(f"x = {'[' * 5000}"),
        "config/production.toml: should be TOML: its brackets are nested too deep",
    ),
    "a file that is not TOML": (
        lambda text: text.replace("[network]", "[network"),
        "config/production.toml: should be TOML: Expected ']' at the end of a table declaration (at line ",
    ),
}


@pytest.mark.parametrize("case", WRONG)
def test_stops_with_one_sentence_for(case: str, folder: Path) -> None:
    edit, sentence = WRONG[case]
    with pytest.raises(ConfigError) as error:
        load_all(edited(folder, edit))
    assert str(error.value).startswith(sentence)
    assert len(str(error.value).splitlines()) == 1


def _link_to_nothing(file: Path) -> None:
    file.symlink_to("nowhere.toml")


def _link_to_itself(file: Path) -> None:
    file.symlink_to(file.name)


# A file that is not what it should be, and what is said of it
WRONG_FILES: dict[str, tuple[Callable[[Path], object], str]] = {
    "a folder": (Path.mkdir, "should be a file, and is a folder"),
    "a pipe": (os.mkfifo, "should be a file, and is something else"),
    "a link to nothing": (_link_to_nothing, "is a link to a file that does not exist"),
    "a link to itself": (_link_to_itself, "is a link to a file that does not exist"),
    "nothing in it": (Path.touch, EMPTY),
    "only a comment in it": (lambda file: file.write_text("# soon\n"), EMPTY),
    "a byte order mark": (
        lambda file: file.write_text("\ufeffregion = 1"),
        "begins with a byte order mark (BOM) and should be saved as UTF-8 without one",
    ),
    "UTF-16": (
        lambda file: file.write_text('region = "us-east-1"', encoding="utf-16"),
        "begins with a byte order mark (BOM) of UTF-16 and should be saved as UTF-8 without one",
    ),
    "Latin-1": (
        lambda file: file.write_text('email = "h\xe9@acme.example"', encoding="latin-1"),
        "should be UTF-8, and byte 11 is not",
    ),
}


@pytest.mark.parametrize("case", WRONG_FILES)
@pytest.mark.parametrize("name", ["production", "application"])
def test_a_file_that_is_none_is_refused_with_one_sentence(case: str, name: str, folder: Path) -> None:
    make, sentence = WRONG_FILES[case]
    file = folder / f"{name}.toml"
    file.unlink()
    make(file)
    with pytest.raises(ConfigError) as error:
        load_all(folder)
    assert str(error.value) == f"config/{name}.toml: {sentence}"


@pytest.mark.skipif(not Path("/proc/self/mem").exists(), reason="needs Linux's /proc")
def test_a_file_that_cannot_be_read_is_refused_with_one_sentence(folder: Path) -> None:
    (folder / "production.toml").unlink()
    (folder / "production.toml").symlink_to("/proc/self/mem")  # fails for root as well
    with pytest.raises(ConfigError) as error:
        load_all(folder)
    assert str(error.value) == "config/production.toml: cannot be read: Input/output error; `ls -l` shows what it is"


@pytest.mark.parametrize("made", [Path.mkdir, Path.touch, str], ids=["empty", "a file", "not there"])
def test_a_folder_without_environments_is_refused(made: Callable[[Path], object], tmp_path: Path) -> None:
    made(tmp_path / "config")
    with pytest.raises(ConfigError) as error:
        load_all(tmp_path / "config")
    assert str(error.value) == "config/: has no environment, and should have a .toml file for each, such as production.toml"


def test_a_folder_without_an_application_is_refused(folder: Path) -> None:
    (folder / "application.toml").unlink()
    with pytest.raises(ConfigError) as error:
        load_all(folder)
    assert str(error.value) == "config/application.toml: no such file"


def test_stops_when_networks_overlap(folder: Path) -> None:
    with pytest.raises(ConfigError) as error:
        load_all(edited(folder, replaced(r'"10.1.0.0/16"', '"10.0.128.0/20"'), "staging"))
    assert str(error.value) == (
        'config/staging.toml: network.cidr = "10.0.128.0/20" overlaps 10.0.0.0/16 of config/production.toml and should be a block '
        'of its own, such as "10.1.0.0/16"'
    )


@pytest.mark.parametrize("key", ["frontend", "api"])
def test_stops_when_two_environments_have_a_host_name(key: str, folder: Path) -> None:
    start = {"frontend": "app", "api": "api"}[key]
    edited(folder, replaced(r'^zone = "staging.hz-navigator.com"', 'zone = "hz-navigator.com"'), "staging")
    with pytest.raises(ConfigError) as error:
        load_all(edited(folder, replaced(rf'^{key} = ".*"', f'{key} = "{start}.hz-navigator.com"'), "staging"))
    assert str(error.value) == (
        f'config/staging.toml: domain.{key} = "{start}.hz-navigator.com" is a name of config/production.toml and should be one of its '
        f'own, such as "staging-{start}.hz-navigator.com"'
    )


def test_every_problem_of_a_file_is_told_at_once(folder: Path) -> None:
    edited(folder, replaced(r"^nat_gateways.*$", ""))
    edited(folder, replaced(r"^max_tasks = 4", 'max_tasks = "4"'))
    with pytest.raises(ConfigError) as error:
        load_all(folder)
    assert len(str(error.value).splitlines()) == 2


def test_an_override_changes_its_row_and_no_other(folder: Path) -> None:
    edited(folder, added("[thresholds.rds-cpu]\nwarning = 70"))
    before, after = PRODUCTION, load("production", folder)
    assert after.row("rds-cpu").warning == 70
    assert [row for row in after.table if row.slug != "rds-cpu"] == [row for row in before.table if row.slug != "rds-cpu"]


def test_a_bucket_whose_name_is_taken_gets_another(folder: Path) -> None:
    edited(folder, added('[buckets]\nfrontend = "acme-maps"\ndocuments = "acme-documents"\nincidents = "acme-incidents"'))
    environment = load("production", folder)
    assert (environment.frontend_bucket, environment.frontend_backups_bucket) == ("acme-maps", "acme-maps-backups")
    assert (environment.documents_bucket, environment.incidents_bucket) == ("acme-documents", "acme-incidents")


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


# What docs/deploying.md says

DEPLOYING = (Path(__file__).parents[3] / "docs/deploying.md").read_text()


def test_the_example_of_a_refusal_in_the_docs_is_one(folder: Path) -> None:
    with pytest.raises(ConfigError) as error:
        load_all(edited(folder, replaced(r"^max_tasks = 4", "max_tasks = 8")))
    assert f"    {error.value}\n" in DEPLOYING


def test_more_tasks_as_the_docs_say(folder: Path) -> None:
    (example,) = re.findall(r"```toml\n(.*?)```", DEPLOYING, flags=re.DOTALL)
    text = (folder / "production.toml").read_text()
    for section, values in tomllib.loads(example).items():
        for key, value in values.items():
            own = value if isinstance(value, dict) else {"": value}
            for name, one in own.items():
                text = put(text, f"{section}.{key}.{name}" if name else f"{section}.{key}", str(one))
    (folder / "production.toml").write_text(text)
    made = load("production", folder)
    assert (made.backend.max_tasks, made.database.max_connections) == (8, 400)
    assert made.row("rds-connections").critical == 360


def test_the_most_connections_of_a_class_in_the_docs() -> None:
    assert "112 for a GiB, 901 for the 8 GiB of a `db.t4g.large`" in DEPLOYING
    assert [most_connections(one) for one in ("db.t4g.micro", "db.t4g.large")] == [112, 901]


# A file more is an environment more


def copied(folder: Path, name: str) -> Path:
    """Staging's file under another name, with a network and names of its own."""
    text = (folder / "staging.toml").read_text().replace("10.1.0.0/16", "10.7.0.0/16")
    (folder / f"{name}.toml").write_text(
        text.replace('"app.staging', '"app-2.staging').replace('"api.staging', '"api-2.staging')
    )
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
    with pytest.raises(
        ConfigError, match=r"config/Review\.toml: the file's name, Review, should be small letters and digits, in words"
    ):
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
        replaced(r"^nodes = 2", "nodes = 2\nshards = 2"),
        "cache.shards is not a key of this file and should be removed: cache may have eviction, nodes, snapshot_days, version",
    ),
    "a missing key": (
        replaced(r"^product = .*$", ""),
        'product is missing and should be text on one line, such as "HZ Navigator"',
    ),
    "a name in capitals": (
        replaced(r"^application = .*$", 'application = "HZ"'),
        'application = "HZ" should be small letters and digits, in words with - between them, such as "hz-navigator"',
    ),
    "a product of two lines": (
        replaced(r"^product = .*$", r'product = "HZ\\nNavigator"'),
        'product = "HZ\\nNavigator" should be text on one line, such as "HZ Navigator"',
    ),
    "a namespace of AWS": (
        replaced(r"^metrics_namespace = .*$", 'metrics_namespace = "AWS/HZ"'),
        'metrics_namespace = "AWS/HZ" should be letters, digits, _, . and -, such as "HZNavigator"',
    ),
    "root": (
        replaced(r'^user = "1001"', 'user = "0"'),
        'container.user = "0" should be the id of a user other than root, in quotes, such as "1001"',
    ),
    "a port that is none": (
        replaced(r"^port = 3001", "port = 65536"),
        "container.port = 65536 should be a port from 1 to 65535, such as 3001",
    ),
    "an architecture that Fargate does not have": (
        replaced(r'"X86_64"', '"RISC"'),
        'container.architecture = "RISC" should be "X86_64" or "ARM64", such as "X86_64"',
    ),
    "a variable of nothing": (
        replaced(r"^CORS_ORIGINS = .*$", 'CORS_ORIGINS = "{frontend}"'),
        'container.variables.CORS_ORIGINS = "{frontend}" should have nothing in braces but {documents}, {frontend_url}, {port}, '
        "{prefix}, {region}",
    ),
    "a variable's part": (
        replaced(r"^CORS_ORIGINS = .*$", 'CORS_ORIGINS = "{port.real}"'),
        'container.variables.CORS_ORIGINS = "{port.real}" should have nothing in braces but {documents}, {frontend_url}, {port}, '
        "{prefix}, {region}",
    ),
    "a variable that is a number": (
        replaced(r"^NODE_ENV = .*$", "NODE_ENV = 1"),
        'container.variables.NODE_ENV = 1 should be variables and their values, in quotes, such as "production"',
    ),
    "a variable of two sources": (
        replaced(r"^NODE_ENV = .*$", 'REDIS_URL = "redis://localhost"'),
        "container has the variable REDIS_URL twice: it should be in one of its sections, such as variables",
    ),
    "a key that the database's secret does not have": (
        replaced(r'"dbname"', '"db"'),
        'container.database_secret.POSTGRES_DB = "db" should be one of "host", "port", "username", "password" and "dbname", such as '
        '"host"',
    ),
    "a health report that always says the same": (
        replaced(r'^unhealthy = "unhealthy"', 'unhealthy = "healthy"'),
        'health_report.unhealthy = "healthy" should differ from healthy, such as "unhealthy"',
    ),
    "a version of PostgreSQL that there is not": (
        replaced(r'^version = "15.17"', 'version = "15.99"'),
        'database.version = "15.99" should be a version of PostgreSQL that RDS has, 15 or newer, such as 15.17',
    ),
    "a version of PostgreSQL that is too old": (
        replaced(r'^version = "15.17"', 'version = "14.20"'),
        'database.version = "14.20" should be a version of PostgreSQL that RDS has, 15 or newer, such as 15.17',
    ),
    "a user's name that PostgreSQL does not take": (
        replaced(r'^user = "hz_admin"', 'user = "hz-admin"'),
        'database.user = "hz-admin" should be up to 63 small letters, digits and _, such as "hz_admin"',
    ),
    "storage that cannot grow": (
        replaced(r"^max_storage_gib = 500", "max_storage_gib = 100"),
        "database.max_storage_gib = 100 should be at least 110, a tenth more than storage_gib = 100",
    ),
    "no backups": (
        replaced(r"^backup_days = 7", "backup_days = 0"),
        "database.backup_days = 0 should be days from 1 to 35, such as 7",
    ),
    "a version of Redis without the parameters": (
        replaced(r'^version = "7.1"', 'version = "6.2"'),
        'cache.version = "6.2" should be a version 7 of Redis, in quotes, such as "7.1"',
    ),
    "fewer nodes than a failover needs": (
        replaced(r"^nodes = 2", "nodes = 1"),
        "cache.nodes = 1 should be a primary and up to five replicas, 2 to 6, such as 2",
    ),
    "an eviction that there is not": (
        replaced(r'^eviction = "volatile-lru"', 'eviction = "lru"'),
        'cache.eviction = "lru" should be one of noeviction, volatile-ttl, volatile-lru, volatile-lfu, volatile-random, allkeys-lru, '
        'allkeys-lfu, allkeys-random, such as "volatile-lru"',
    ),
    "a directive of nothing": (
        replaced(r"^worker-src = .*$", 'worker-src = "{bucket}"'),
        'frontend.content_security_policy.worker-src = "{bucket}" should have nothing in braces but {api}, {documents}',
    ),
}


@pytest.mark.parametrize("case", WRONG_APPLICATION)
def test_a_wrong_application_stops_with_one_sentence_a_problem(case: str, folder: Path) -> None:
    edit, sentence = WRONG_APPLICATION[case]
    with pytest.raises(ConfigError) as error:
        load_all(edited(folder, edit, "application"))
    assert str(error.value) == f"config/application.toml: {sentence}"
