"""Each step of each changing procedure of the stores, broken in every way as an operator would meet it: its call fails, times out
or is interrupted, before or after its effect. Nothing is lost then, and the procedure ends well when it is run again."""

import itertools
import json
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import pytest

from lambdas.procedures.instances import different
from local.cloud import Cloud
from procedures.catalog import PROCEDURES
from procedures.model import Until
from tests.local.test_procedures import FAULTS, locks, steps

from .desk import Desk

FAMILIES = ("database-", "cache-", "migrations", "rotate-")
CHANGING = {one.name: one for one in PROCEDURES if one.changes and one.name.startswith(FAMILIES)}
SHARED = ("Plan", "Begin", "Record")
CUTS = [
    (name, step, *fault)
    for name in CHANGING
    for step in steps(name)
    # Every way at every step; at those that all have, in one procedure.
    for fault in (FAULTS if step not in SHARED or name == "migrations" else FAULTS[3:4])
]
CLASSES, TYPES = ("db.t4g.large", "db.r6g.large"), ("cache.r6g.large", "cache.r6g.xlarge")
_snapshots = itertools.count()


class Stores:
    """The database, the cache and the service of the environment: what stands, and how it is put back."""

    def __init__(self, cloud: Cloud) -> None:
        self.cloud, self.environment = cloud, cloud.environment
        self.rds, self.cache, self.ecs, self.secrets = map(cloud.client, ("rds", "elasticache", "ecs", "secretsmanager"))
        self.live, self.restored = self.environment.database_instance, f"{self.environment.database_instance}-restored"

    @property
    def instances(self) -> dict[str, Any]:
        return {one["DBInstanceIdentifier"]: one for one in self.rds.describe_db_instances()["DBInstances"]}

    @property
    def ids(self) -> dict[str, str]:
        """The resource id of every instance, which no rename changes, by its name."""
        return {name: one["DbiResourceId"] for name, one in self.instances.items()}

    @property
    def group(self) -> Any:
        name = self.environment.replication_group
        return self.cache.describe_replication_groups(ReplicationGroupId=name)["ReplicationGroups"][0]

    @property
    def service(self) -> Any:
        environment = self.environment
        return self.ecs.describe_services(cluster=environment.cluster, services=[environment.service])["services"][0]

    @property
    def threshold(self) -> str:
        group = self.environment.database_parameter_group
        found = self.rds.describe_db_parameters(DBParameterGroupName=group, Source="user")["Parameters"]
        return {one["ParameterName"]: str(one["ParameterValue"]) for one in found}["log_min_duration_statement"]

    @property
    def snapshots(self) -> set[str]:
        return {one["DBSnapshotIdentifier"] for one in self.rds.describe_db_snapshots()["DBSnapshots"]}

    @property
    def cache_snapshots(self) -> set[str]:
        return {one["SnapshotName"] for one in self.cache.describe_snapshots()["Snapshots"]}

    @property
    def migrations(self) -> set[str]:
        """The tasks that took a migration back."""
        found = self.ecs.list_tasks(cluster=self.environment.cluster, startedBy="migrations", desiredStatus="STOPPED")
        return set(found["taskArns"])

    def stages(self) -> dict[str, dict[str, str]]:
        """By secret, the version of each stage that Secrets Manager or the service reads."""
        environment = self.environment
        names = (environment.database_secret, environment.cache_secret, environment.cache_url_secret)
        described = {name: self.secrets.describe_secret(SecretId=name)["VersionIdsToStages"] for name in names}
        return {
            name: {stage: version for version, stages in found.items() for stage in stages if stage.startswith("AWS")}
            for name, found in described.items()
        }

    def values(self, secret: str, key: str) -> dict[str, str]:
        """What each version of a secret that has a stage of AWS's holds."""
        found = {}
        for stage in self.stages()[secret]:
            text = self.secrets.get_secret_value(SecretId=secret, VersionStage=stage)["SecretString"]
            found[stage] = json.loads(text)[key]
        return found

    @property
    def state(self) -> dict[str, Any]:
        """What a procedure of the stores may change."""
        live, service = self.instances.get(self.live), self.service
        return {
            "instances": self.ids,
            "class": live and live["DBInstanceClass"],
            "threshold": self.threshold,
            "snapshots": self.snapshots,
            "nodes": self.group["CacheNodeType"],
            "cache's snapshots": self.cache_snapshots,
            "secrets": self.stages(),
            "deployment": service.get("currentServiceDeployment"),
            "task definition": service["taskDefinition"],
            "migrations": self.migrations,
        }

    def lost(self, before: dict[str, Any]) -> list[str]:
        """What was there before and is not any more, or has a password or a token that no secret knows."""
        after, environment = self.state, self.environment
        gone = {*before["instances"].values()} - {*after["instances"].values()}
        gone |= before["snapshots"] - after["snapshots"] | before["cache's snapshots"] - after["cache's snapshots"]
        passwords = self.values(environment.database_secret, "password").values()
        for name in (self.live,) if self.live in after["instances"] else ():
            if not any(self.cloud.control("accepts_password", name, one) for one in passwords):
                gone.add(f"the password of {name}")
        tokens = self.values(environment.cache_secret, "token").values()
        if not any(self.cloud.control("accepts_token", environment.replication_group, one) for one in tokens):
            gone.add("the token")
        if after["task definition"] != before["task definition"]:
            gone.add(before["task definition"])
        return sorted(gone)

    def settle(self) -> None:
        """What is changing is changed, and the lock of an execution that was cancelled has ended."""
        self.cloud.advance(timedelta(minutes=30))
        self.cloud.wait_until_idle()

    def put_back(self, before: dict[str, Any]) -> None:
        """The instances, snapshots, sizes and the threshold as they were."""
        self.settle()
        was = before["instances"][self.live]
        names = {one: name for name, one in self.ids.items()}
        if names[was] != self.live:
            if self.live in names.values():
                self._modify(self.live, NewDBInstanceIdentifier=f"{self.live}-gone")
            self._modify(names[was], NewDBInstanceIdentifier=self.live)
        for name in {*self.ids} - {*before["instances"]}:
            self._modify(name, DeletionProtection=False)
            self.rds.delete_db_instance(DBInstanceIdentifier=name, SkipFinalSnapshot=True)
        for name in self.snapshots - before["snapshots"]:
            self.rds.delete_db_snapshot(DBSnapshotIdentifier=name)
        for name in self.cache_snapshots - before["cache's snapshots"]:
            self.cache.delete_snapshot(SnapshotName=name)
        if self.instances[self.live]["DBInstanceClass"] != before["class"]:
            self._modify(self.live, DBInstanceClass=before["class"])
        if self.group["CacheNodeType"] != before["nodes"]:
            self.cache.modify_replication_group(
                ReplicationGroupId=self.environment.replication_group, CacheNodeType=before["nodes"], ApplyImmediately=True
            )
        if self.threshold != before["threshold"]:
            wanted = {"ParameterName": "log_min_duration_statement", "ParameterValue": before["threshold"]}
            self.rds.modify_db_parameter_group(
                DBParameterGroupName=self.environment.database_parameter_group,
                Parameters=[{**wanted, "ApplyMethod": "immediate"}],
            )
        self.settle()
        kept = ("instances", "class", "threshold", "snapshots", "nodes", "cache's snapshots", "task definition")
        after = self.state
        assert {name: after[name] for name in kept} == {name: before[name] for name in kept}

    def _modify(self, name: str, **changes: Any) -> None:
        self.rds.modify_db_instance(DBInstanceIdentifier=name, ApplyImmediately=True, **changes)
        self.cloud.advance(timedelta(minutes=30))


@pytest.fixture
def stores(stores_cloud: Cloud) -> Iterator[Stores]:
    """The stores, which are put back as they were."""
    found = Stores(stores_cloud)
    found.settle()
    before = found.state
    yield found
    found.put_back(before)


def inputs(stores: Stores, desk: Desk, name: str) -> dict[str, str]:
    """Inputs with which a procedure does something, once what it needs stands."""
    if name == "database-switch":
        assert desk.run("database-restore-to-time", Time="latest").status == "Success"
    if name == "database-restore-snapshot":
        snapshot = f"of-a-test-{next(_snapshots)}"
        stores.rds.create_db_snapshot(DBInstanceIdentifier=stores.live, DBSnapshotIdentifier=snapshot)
        stores.settle()
        return {"Snapshot": snapshot}
    state = stores.state
    return {
        "database-restore-to-time": {"Time": "latest"},
        "database-slow-queries": {"Milliseconds": "777"},
        "database-resize": {"InstanceClass": next(one for one in CLASSES if one != state["class"])},
        "cache-resize": {"NodeType": next(one for one in TYPES if one != state["nodes"])},
        "migrations": {"Direction": "down"},
    }.get(name, {})


def wanted(stores: Stores, name: str, given: dict[str, str], before: dict[str, Any]) -> dict[str, Any]:
    """What stands when a procedure has ended well, where it is not what stood before."""
    ids = before["instances"]
    if name == "database-switch":
        aside = next(one for one in stores.ids if "-before-" in one)
        return {"instances": {stores.live: ids[stores.restored], aside: ids[stores.live]}}
    if name.startswith("database-restore-"):
        return {"instances": {**ids, stores.restored: stores.ids[stores.restored]}}
    return {
        "database-slow-queries": {"threshold": given.get("Milliseconds")},
        "database-resize": {"class": given.get("InstanceClass")},
        "cache-resize": {"nodes": given.get("NodeType")},
    }.get(name, {})


def check_ended(stores: Stores, name: str, given: dict[str, str], before: dict[str, Any]) -> None:
    """A procedure has ended well, wherever it was broken before."""
    environment, cloud, after = stores.environment, stores.cloud, stores.state
    unchanged = ("instances", "class", "threshold", "nodes", "task definition")
    expected = {**{one: before[one] for one in unchanged}, **wanted(stores, name, given, before)}
    assert {one: after[one] for one in unchanged} == expected
    assert bool(after["snapshots"] - before["snapshots"]) == (name in ("database-snapshot", "database-resize", "migrations"))
    assert len(after["migrations"] - before["migrations"]) == (name == "migrations")
    assert bool(after["cache's snapshots"] - before["cache's snapshots"]) == (name == "cache-resize")
    if name.startswith("database-restore"):
        found = stores.instances
        assert different(found[stores.live], found[stores.restored]) == []
    rotated = {
        "rotate-database-password": {environment.database_secret},
        "rotate-cache-token": {environment.cache_secret, environment.cache_url_secret},
    }.get(name, set())
    current = {secret: stages["AWSCURRENT"] for secret, stages in after["secrets"].items()}
    assert {one for one in current if current[one] != before["secrets"][one]["AWSCURRENT"]} == rotated
    assert not any("AWSPENDING" in stages for stages in after["secrets"].values())
    password = stores.values(environment.database_secret, "password")["AWSCURRENT"]
    token = stores.values(environment.cache_secret, "token")["AWSCURRENT"]
    assert cloud.control("accepts_password", stores.live, password)
    assert cloud.control("accepts_token", environment.replication_group, token)
    assert token in stores.secrets.get_secret_value(SecretId=environment.cache_url_secret)["SecretString"]
    if rotated or name == "database-switch":
        assert after["deployment"] != before["deployment"]
    assert cloud.control("answer", environment.domain.api, environment.backend.health_check_path)[0] == 200
    assert stores.service["runningCount"] == stores.service["desiredCount"]
    assert locks(cloud) == []


@contextmanager
def broken(stores: Stores, name: str, step: str, kind: str, when: str) -> Iterator[None]:
    """The step's next call breaks, as often as it is tried."""
    document = stores.environment.document(name)
    stores.cloud.break_step(document, step, kind, when, 1 if kind == "interrupt" else 2)
    try:
        yield
    finally:
        stores.cloud.break_step(document, step, kind, when, 0)


@pytest.mark.cuts
@pytest.mark.parametrize(("name", "step", "kind", "when"), CUTS)
def test_whatever_fails_where_nothing_is_lost_and_run_again_it_converges(
    stores: Stores, desk: Desk, name: str, step: str, kind: str, when: str
) -> None:
    given = inputs(stores, desk, name)
    before = stores.state
    with broken(stores, name, step, kind, when):
        first = desk.run(name, **given)
    # Where the lost answer was a loop's last, it ended well: the function has recorded that.
    last = when == "after" and any(one.name == step for one in CHANGING[name].steps if isinstance(one, Until))
    assert first.status in (("Cancelled",) if kind == "interrupt" else ("Failed", "TimedOut", *["Success"] * last)), first.steps
    if step in ("Plan", "Begin"):
        assert stores.state == before
    stores.settle()
    assert locks(stores.cloud) == []
    assert stores.lost(before) == []
    if first.status != "Success" and first.steps.get("Failed") != f"{name} succeeded before this.":
        again = desk.run(name, **given)
        assert again.status == "Success", again.steps
    check_ended(stores, name, given, before)
