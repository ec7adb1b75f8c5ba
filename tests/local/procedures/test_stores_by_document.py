"""The procedures of the database, of size and of rotation as an operator starts them: their documents run on the deployed cloud,
under their roles, with the approval of another person, and with no more permissions than they use."""

import fnmatch
import json
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest

from lambdas.procedures.instances import different
from local.cloud import Cloud
from local.drills.operator import Execution
from procedures.catalog import PROCEDURES
from tests.synth.test_permissions import several

from .desk import Desk

COMPARED = 'compared: {"tables": 3, "differ": {"public.claims": [["12", null], ["10", null]]}}'
MINE = ("database-", "cache-", "migrations", "rotate-")


class Day:
    """A day on which every procedure of the stores is run once, and what it left behind."""

    def __init__(self, cloud: Cloud, desk: Desk) -> None:
        self.cloud, self.desk, self.ran = cloud, desk, dict[str, Execution]()
        self.rds, self.secrets = cloud.client("rds"), cloud.client("secretsmanager")
        self.environment = cloud.environment
        self.live = self.environment.database_instance
        self.before = self.resources
        self.first_password = self.password
        for direction in ("up", "status", "down"):
            cloud.control("tasks_write", "node-pg-migrate", [f"{direction} is done"])
            self.run(f"migrations {direction}", Direction=direction)
        cloud.control("tasks_write", "COMPARED_HOSTS", [COMPARED])
        self.run("database-snapshot")
        self.run("database-snapshots")
        self.run("database-slow-queries", Milliseconds="250")
        self.run("database-restore-to-time", Time="latest")
        self.restored = self.resources
        self.run("database-compare")
        self.run("rotate-database-password")
        self.second_password = self.password
        self.run("rotate-database-password back", To="previous")
        self.back_password = self.password
        self.run("database-switch")
        self.switched = self.resources
        self.switched_password = cloud.control("accepts_password", self.live, self.password)
        self.run("database-switch back", To="before")
        self.back = self.resources
        self.snapshot = self.rds.describe_db_snapshots(DBInstanceIdentifier=self.live)["DBSnapshots"][0]["DBSnapshotIdentifier"]
        self.run("database-restore-snapshot refused", Snapshot=self.snapshot)
        self._delete_restored()
        self.run("database-restore-snapshot", Snapshot=self.snapshot)
        self.differing = different(self.instance(), self.instance(f"{self.live}-restored"))
        self._delete_restored()
        self.run("database-resize", InstanceClass="db.r6g.large")
        self.run("cache-resize", NodeType="cache.r6g.xlarge")
        self.run("rotate-cache-token")
        self.run("rotate-cache-token back", To="previous")
        self.run("database-resize rejected", approve="Reject", InstanceClass="db.t4g.large")
        self.run("database-resize refused", InstanceClass="db.r1.large")

    def run(self, name: str, **inputs: Any) -> None:
        self.cloud.advance(timedelta(seconds=1))  # a snapshot is named by the second
        self.ran[name] = self.desk.run(name.partition(" ")[0], **inputs)

    def _delete_restored(self) -> None:
        name = f"{self.live}-restored"
        self.rds.modify_db_instance(DBInstanceIdentifier=name, DeletionProtection=False, ApplyImmediately=True)
        self.rds.delete_db_instance(DBInstanceIdentifier=name, SkipFinalSnapshot=True)

    def instance(self, name: str = "") -> Any:
        return self.rds.describe_db_instances(DBInstanceIdentifier=name or self.live)["DBInstances"][0]

    @property
    def resources(self) -> dict[str, str]:
        """The resource id of every instance, which no rename changes, by its name."""
        return {one["DBInstanceIdentifier"]: one["DbiResourceId"] for one in self.rds.describe_db_instances()["DBInstances"]}

    @property
    def token(self) -> str:
        secret = self.secrets.get_secret_value(SecretId=self.environment.cache_secret)["SecretString"]
        return str(json.loads(secret)["token"])

    @property
    def password(self) -> str:
        secret = self.secrets.get_secret_value(SecretId=self.environment.database_secret)["SecretString"]
        return str(json.loads(secret)["password"])


@pytest.fixture(scope="module")
def day(stores_cloud: Cloud, desk: Desk) -> Day:
    return Day(stores_cloud, desk)


FAIL = {
    "database-restore-snapshot refused": "stands already, restored from latest",
    "database-resize rejected": "Nobody approved this",
    "database-resize refused": "in none of the instance's zones",
}


def test_every_procedure_of_the_stores_ran(day: Day) -> None:
    ran = {name.partition(" ")[0] for name in day.ran}
    assert ran == {one.name for one in PROCEDURES if one.name.startswith(MINE)}


def test_each_ends_as_it_should(day: Day) -> None:
    failed = {name: ran.steps.get("Failed") for name, ran in day.ran.items() if ran.status != "Success"}
    assert {name: words for name, words in FAIL.items() if words in str(failed.pop(name, ""))} == FAIL
    assert failed == {}


@pytest.mark.parametrize("name", FAIL)
def test_what_was_refused_or_not_approved_changed_nothing(day: Day, name: str) -> None:
    assert "Nothing was changed" in day.ran[name].steps["Failed"]


def test_the_restore_left_the_live_instance_alone(day: Day) -> None:
    assert day.restored[day.live] == day.before[day.live]


def test_the_restored_instance_is_like_the_one_that_cloudformation_made(day: Day) -> None:
    assert day.differing == []


def test_the_switch_gave_the_restored_instance_the_name_and_the_service_its_password(day: Day) -> None:
    assert day.switched[day.live] == day.restored[f"{day.live}-restored"]
    assert day.before[day.live] in day.switched.values()
    assert day.switched_password


def test_the_way_back_gave_the_name_back(day: Day) -> None:
    assert day.back[day.live] == day.before[day.live]


def test_the_password_is_another_and_the_service_is_healthy_with_it(day: Day) -> None:
    assert day.second_password != day.first_password
    assert "healthy" in day.ran["rotate-database-password"].steps["Health"]


def test_the_way_back_gave_the_database_and_the_service_the_password_before(day: Day) -> None:
    assert day.back_password == day.first_password
    assert day.switched_password
    assert "healthy" in day.ran["rotate-database-password back"].steps["Health"]


def test_until_they_are_replaced_tasks_with_the_old_password_are_unhealthy(day: Day) -> None:
    report = [day.cloud.control("answer", day.environment.domain.api, day.environment.backend.health_check_path)[0]]
    day.rds.modify_db_instance(DBInstanceIdentifier=day.live, MasterUserPassword="another-password", ApplyImmediately=True)
    day.cloud.advance(timedelta(minutes=5))
    report.append(day.cloud.control("answer", day.environment.domain.api, day.environment.backend.health_check_path)[0])
    day.desk.run("rotate-database-password")
    report.append(day.cloud.control("answer", day.environment.domain.api, day.environment.backend.health_check_path)[0])
    assert report == [200, 503, 200]


def test_what_tasks_wrote_is_said(day: Day) -> None:
    assert day.ran["migrations up"].steps["Migrate"].startswith("up is done")
    assert day.ran["database-compare"].steps["Compare"].startswith("1 of 3 tables differ: public.claims")


@pytest.mark.parametrize("direction", ["up", "status", "down"])
def test_only_a_migration_that_is_taken_back_is_approved_and_preceded_by_a_snapshot(day: Day, direction: str) -> None:
    ran = day.ran[f"migrations {direction}"]
    asked = [step for step in ran.shown["StepExecutions"] if step["StepName"] == "Approve" and step["StepStatus"] == "Success"]
    assert bool(asked) == (direction == "down")
    assert ("is made" in ran.steps["Snapshot"]) == (direction == "down")


def test_sizes_are_changed_and_the_line_of_the_file_is_said(day: Day) -> None:
    assert day.instance()["DBInstanceClass"] == "db.r6g.large"
    assert (
        'instance_class = "db.r6g.large" under [database] of config/production.toml'
        in day.ran["database-resize"].steps["Verify"]
    )
    assert 'node_type = "cache.r6g.xlarge" under [cache] of config/production.toml' in day.ran["cache-resize"].steps["Verify"]


def test_no_value_of_a_secret_is_in_what_automation_shows_or_the_functions_log_has(day: Day) -> None:
    names = (day.environment.cache_secret, day.environment.cache_url_secret, day.environment.database_secret)
    values = [day.first_password, day.second_password, day.password]
    values += [
        str(day.secrets.get_secret_value(SecretId=name, VersionStage=stage)["SecretString"])
        for name in names
        for stage in ("AWSCURRENT", "AWSPREVIOUS")
    ]
    values += [str(json.loads(value)["token"]) for value in values if value.startswith('{"token"')]
    shown = json.dumps([ran.shown for ran in day.ran.values()], default=str) + "".join(map(str, day.cloud.logs("procedures")))
    assert [value for value in values if value in shown] == []


def test_no_call_was_denied_and_no_permission_of_the_stores_was_left_unused(day: Day) -> None:
    calls = day.cloud.calls(day.environment.function("procedures"))
    assert [call for call in calls if not call.allowed] == []
    used = {(f"{call.service}:{call.action.partition(':')[2] or call.action}", call.resource) for call in calls}
    unused = [
        f"{action} on {resource}"
        for action, resource in _policies(day)
        if not any(action == call and fnmatch.fnmatchcase(on, resource) for call, on in used)
    ]
    assert unused == []


def _policies(day: Day) -> Iterator[tuple[str, str]]:
    """Every action on every resource that the policies of the stores grant, as IAM has them."""
    iam = day.cloud.client("iam")
    for page in iam.get_paginator("list_policies").paginate(Scope="Local"):
        for policy in page["Policies"]:
            if any(f"Procedures{kind}Policy" in policy["PolicyName"] for kind in ("Database", "Cache", "Tasks", "Rotation")):
                version = iam.get_policy_version(PolicyArn=policy["Arn"], VersionId=policy["DefaultVersionId"])
                for statement in version["PolicyVersion"]["Document"]["Statement"]:
                    for action in several(statement["Action"]):
                        for resource in several(statement["Resource"]):
                            yield action, resource
