"""An environment from its first deployment, which fails in every stack, through changes and protection until it is taken away."""

import contextlib
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pytest
from botocore.exceptions import ClientError

from local.cloud import Cloud, CloudError, synthesize
from tests.environments import CONFIG, PRODUCTION
from tests.synth.assemblies import templates

pytestmark = pytest.mark.xdist_group("lifetime")


@cache
def components() -> frozenset[str]:
    """When first asked for: whoever imports this may never run it, and would wait until they are synthesized."""
    return frozenset(templates("production"))


def statuses(cloud: Cloud) -> dict[str, str]:
    """The status of each stack of the environment that there is, by its component."""
    prefix = f"{PRODUCTION.prefix}-"
    return {
        stack["StackName"].removeprefix(prefix): stack["StackStatus"]
        for stack in cloud.client("cloudformation").describe_stacks()["Stacks"]
        if stack["StackName"].startswith(prefix)
    }


def owned(cloud: Cloud) -> dict[str, str]:
    """The physical id of everything that the stacks have made, by component and logical id."""
    cloudformation = cloud.client("cloudformation")
    return {
        f"{component}/{resource['LogicalResourceId']}": resource["PhysicalResourceId"]
        for component in components()
        for resource in cloudformation.describe_stack_resources(StackName=PRODUCTION.stack(component))["StackResources"]
    }


def configured(folder: Path, **keys: str) -> Path:
    """A copy of production's configuration with other values of keys."""
    folder.mkdir()
    for name in ("application", "production"):
        text = (CONFIG / f"{name}.toml").read_text()
        for key, value in keys.items():
            text = re.sub(rf'^{key} = ("[\w.]+"|\w+)', f"{key} = {value}", text, count=1, flags=re.MULTILINE)
        (folder / f"{name}.toml").write_text(text)
    return folder


CHANGES = {"port": "8080", "version": '"16.13"'}
"""What changes in an environment. Wherever it is protected, it is so with these: synthesized once, for 10 s of a processor."""

# Created


@dataclass(frozen=True)
class Created:
    cloud: Cloud
    attempts: list[dict[str, str]]
    """The statuses of the stacks after each attempt."""
    left: set[str]
    """The buckets that belong to no stack in the end."""


@pytest.fixture(scope="module")
def created() -> Iterator[Created]:
    """Production, deployed by the same command again and again while each stack fails once, after all that it makes."""
    with Cloud.start(PRODUCTION, config=CONFIG) as cloud:
        for component in components():
            cloud.fail_creation_of(PRODUCTION.stack(component))
        attempts: list[dict[str, str]] = []
        for _ in range(len(components()) + 1):  # more than it takes: stacks that need nothing of each other fail together
            with contextlib.suppress(CloudError):
                cloud.deploy()
            attempts.append(statuses(cloud))
            if attempts[-1] == dict.fromkeys(components(), "CREATE_COMPLETE"):
                break
        else:
            pytest.fail(f"it never stands: {attempts}")
        buckets = {bucket["Name"] for bucket in cloud.client("s3").list_buckets()["Buckets"]}
        yield Created(cloud, attempts, {name for name in buckets - {*owned(cloud).values()} if not name.startswith("cdk-")})


def test_a_first_deployment_that_fails_is_run_again_whatever_stack_it_fails_in(created: Created) -> None:
    failed = [component for found in created.attempts for component, status in found.items() if status == "ROLLBACK_COMPLETE"]
    assert sorted(failed) == sorted(components())


def test_nothing_is_left_of_a_failed_attempt_but_buckets_of_access_logs(created: Created) -> None:
    assert len(created.left) == 4
    assert all("-accesslogs" in name for name in created.left)


# Protected too early


def test_a_creation_that_failed_under_protection_is_taken_up_as_the_docs_say(tmp_path: Path) -> None:
    folder = configured(tmp_path / "config", protection="true", **CHANGES)
    with Cloud.start(PRODUCTION, config=folder) as cloud:

        def deploy_the_database(config: Path) -> None:
            cloud.cdk("deploy", "production/database", "--require-approval", "never", app=synthesize(config))

        cloud.cdk("bootstrap", f"aws://{PRODUCTION.account}/{PRODUCTION.region}")
        cloud.fail_creation_of(PRODUCTION.stack("database"))
        with pytest.raises(CloudError):
            deploy_the_database(folder)
        assert statuses(cloud)["database"] == "ROLLBACK_FAILED"  # its instance is protected too
        with pytest.raises(CloudError):
            deploy_the_database(folder)
        assert "cannot be deleted while TerminationProtection is enabled" in (cloud.folder / "cdk.log").read_text()

        instance, rds = PRODUCTION.database_instance, cloud.client("rds")
        cloud.client("cloudformation").update_termination_protection(
            EnableTerminationProtection=False, StackName=PRODUCTION.stack("database")
        )
        rds.modify_db_instance(DBInstanceIdentifier=instance, DeletionProtection=False, ApplyImmediately=True)
        rds.delete_db_instance(DBInstanceIdentifier=instance, SkipFinalSnapshot=True)
        deploy_the_database(CONFIG)
        assert statuses(cloud)["database"] == "CREATE_COMPLETE"


# Changed and protected


@dataclass(frozen=True)
class Changed:
    cloud: Cloud
    before: dict[str, str]
    after: dict[str, str]
    """What the stacks have made, before and after the change."""
    group: str
    """The parameter group that the database has after it."""
    ports: set[int]
    """Where the load balancer reaches the tasks after it."""
    deletable: list[str]
    """What can be deleted after it, of the stacks and the database."""
    secrets: tuple[dict[str, str], dict[str, str]]
    """The values of the secrets before and after it."""


@pytest.fixture(scope="module")
def changed(created: Created, tmp_path_factory: pytest.TempPathFactory) -> Changed:
    """Production, protected, with another port of the container and the next major version of PostgreSQL."""
    cloud, before, values = created.cloud, owned(created.cloud), secrets(created.cloud)
    folder = tmp_path_factory.mktemp("changed") / "config"
    cloud.config = configured(folder, protection="true", **CHANGES)
    cloud.deploy()
    after, elb, rds = owned(cloud), cloud.client("elbv2"), cloud.client("rds")
    (group,) = elb.describe_target_groups(Names=[PRODUCTION.target_group])["TargetGroups"]
    targets = elb.describe_target_health(TargetGroupArn=group["TargetGroupArn"])["TargetHealthDescriptions"]
    (instance,) = rds.describe_db_instances()["DBInstances"]
    deletable = [component for component in components() if not refused(cloud, "cloudformation", component)]
    deletable += [] if refused(cloud, "rds", PRODUCTION.database_instance) else ["the database"]
    return Changed(
        cloud,
        before,
        after,
        instance["DBParameterGroups"][0]["DBParameterGroupName"],
        {target["Target"]["Port"] for target in targets},
        deletable,
        (values, secrets(cloud)),
    )


def secrets(cloud: Cloud) -> dict[str, str]:
    """The value of each secret by its name."""
    client = cloud.client("secretsmanager")
    names = [secret["Name"] for secret in client.list_secrets()["SecretList"]]
    return {name: client.get_secret_value(SecretId=name)["SecretString"] for name in names}


def refused(cloud: Cloud, service: str, name: str) -> bool:
    """Whether a stack or a database instance refuses to be deleted because it is protected."""
    client = cloud.client(service)
    try:
        if service == "rds":
            client.delete_db_instance(DBInstanceIdentifier=name, SkipFinalSnapshot=True)
        else:
            client.delete_stack(StackName=PRODUCTION.stack(name))
    except ClientError as error:
        return "Protection is enabled" in str(error)
    return False


def test_another_port_of_the_container_leaves_the_target_group_as_it_is(changed: Changed) -> None:
    (group,) = (name for name in changed.after if name.startswith("load-balancer/TargetGroup"))
    assert changed.after[group] == changed.before[group]
    assert changed.ports == {8080}


def test_another_major_version_gets_a_parameter_group_beside_the_old_one(changed: Changed) -> None:
    (group,) = (name for name in changed.after if name.startswith("database/Parameters"))
    assert changed.before[group] == "hz-navigator-production-pg-params"
    assert changed.after[group] == changed.group == "hz-navigator-production-pg16-params"


def test_what_holds_data_stays_through_the_change(changed: Changed) -> None:
    kept = [name for name in changed.before if re.match(r"database/Instance|[^/]+/(Secret|EncryptionKey|Documents|Key)", name)]
    assert len(kept) > 10
    assert {name: changed.after[name] for name in kept} == {name: changed.before[name] for name in kept}


def test_no_secret_gets_another_value_by_the_change(changed: Changed) -> None:
    before, after = changed.secrets
    assert PRODUCTION.encryption_key_secret in before
    assert after == before


def test_nothing_that_is_protected_can_be_deleted(changed: Changed) -> None:
    assert changed.deletable == []


# Taken away


@dataclass(frozen=True)
class Gone:
    cloud: Cloud
    stacks: dict[str, str]
    """The stacks that are left."""


@pytest.fixture(scope="module")
def gone(changed: Changed, tmp_path_factory: pytest.TempPathFactory) -> Gone:
    """Production, taken away as docs/deploying.md says."""
    cloud = changed.cloud
    cloud.config = configured(tmp_path_factory.mktemp("gone") / "config", **CHANGES)
    cloud.deploy()
    cloud.client("rds").delete_db_instance(
        DBInstanceIdentifier=PRODUCTION.database_instance, FinalDBSnapshotIdentifier=f"{PRODUCTION.database_instance}-last"
    )
    cloud.client("elasticache").delete_replication_group(ReplicationGroupId=PRODUCTION.replication_group)
    cloud.cdk("destroy", "--force", "production/*", app=synthesize(cloud.config))
    return Gone(cloud, statuses(cloud))


KEPT = {
    PRODUCTION.documents_bucket: ("s3", "list_buckets", "Buckets", "Name"),
    PRODUCTION.frontend_backups_bucket: ("s3", "list_buckets", "Buckets", "Name"),
    PRODUCTION.incidents_bucket: ("s3", "list_buckets", "Buckets", "Name"),
    PRODUCTION.encryption_key_secret: ("secretsmanager", "list_secrets", "SecretList", "Name"),
    PRODUCTION.repository: ("ecr", "describe_repositories", "repositories", "repositoryName"),
    PRODUCTION.backend_log_group: ("logs", "describe_log_groups", "logGroups", "logGroupName"),
    f"{PRODUCTION.database_instance}-last": ("rds", "describe_db_snapshots", "DBSnapshots", "DBSnapshotIdentifier"),
}


def test_an_environment_can_be_taken_away(gone: Gone) -> None:
    assert gone.stacks == {}


@pytest.mark.parametrize("name", KEPT)
def test_what_holds_data_is_kept(name: str, gone: Gone) -> None:
    service, operation, answer, key = KEPT[name]
    assert name in {one[key] for one in getattr(gone.cloud.client(service), operation)()[answer]}
