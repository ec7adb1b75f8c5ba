"""Replication groups take time to change, and refuse what ElastiCache refuses."""

import itertools
from datetime import timedelta
from typing import Any

import pytest
from botocore.exceptions import ClientError

from local.cloud import Cloud
from local.emulator.replication_groups import LASTS

_names = (f"group-{number}" for number in itertools.count())
FIRST, SECOND, THIRD = ("1" * 64, "2" * 64, "3" * 64)


class Group:
    """A primary and a replica with an auth token."""

    def __init__(self, cloud: Cloud) -> None:
        self.cloud, self.client, self.name = cloud, cloud.client("elasticache"), next(_names)
        self.client.create_replication_group(
            ReplicationGroupId=self.name,
            ReplicationGroupDescription="of the test",
            CacheNodeType="cache.r6g.large",
            NumCacheClusters=2,
            AutomaticFailoverEnabled=True,
            TransitEncryptionEnabled=True,
            AuthToken=FIRST,
        )

    def look(self) -> Any:
        return self.client.describe_replication_groups(ReplicationGroupId=self.name)["ReplicationGroups"][0]

    def modify(self, **wanted: Any) -> Any:
        request = {"ApplyImmediately": True, **wanted}
        return self.client.modify_replication_group(ReplicationGroupId=self.name, **request)["ReplicationGroup"]

    def token(self, token: str, strategy: str) -> Any:
        made = self.modify(AuthToken=token, AuthTokenUpdateStrategy=strategy)
        self.settle()
        return made

    def settle(self) -> None:
        self.cloud.advance(timedelta(seconds=sum(LASTS.values())))

    @property
    def primary(self) -> str:
        members = self.look()["NodeGroups"][0]["NodeGroupMembers"]
        (found,) = [one["CacheClusterId"] for one in members if one["CurrentRole"] == "primary"]
        return str(found)


@pytest.fixture
def group(empty_cloud: Cloud) -> Group:
    return Group(empty_cloud)


def refused(code: str) -> Any:
    return pytest.raises(ClientError, match=code)


def test_another_node_type_takes_its_time(group: Group) -> None:
    asked = group.modify(CacheNodeType="cache.r6g.xlarge")
    assert (asked["Status"], asked["CacheNodeType"]) == ("modifying", "cache.r6g.large")
    group.settle()
    made = group.look()
    assert (made["Status"], made["CacheNodeType"]) == ("available", "cache.r6g.xlarge")
    nodes = group.client.describe_cache_clusters()["CacheClusters"]
    assert {one["CacheNodeType"] for one in nodes if one.get("ReplicationGroupId") == group.name} == {"cache.r6g.xlarge"}


def test_a_change_that_is_not_for_now_waits_for_the_window(group: Group) -> None:
    group.modify(CacheNodeType="cache.r6g.xlarge", ApplyImmediately=False)
    group.settle()
    made = group.look()
    assert (made["Status"], made["CacheNodeType"]) == ("available", "cache.r6g.large")


def test_a_node_type_that_is_not_allowed_is_refused(group: Group) -> None:
    with refused("InvalidParameterValue"):
        group.modify(CacheNodeType="cache.r6gd.xlarge")


def test_the_allowed_node_types_are_those_above_and_those_below(group: Group) -> None:
    allowed = group.client.list_allowed_node_type_modifications(ReplicationGroupId=group.name)
    assert "cache.r6g.xlarge" in allowed["ScaleUpModifications"]
    assert "cache.t4g.small" in allowed["ScaleDownModifications"]
    assert "cache.r6g.large" not in (*allowed["ScaleUpModifications"], *allowed["ScaleDownModifications"])


def test_a_group_that_is_changing_takes_no_other_change(group: Group) -> None:
    group.modify(CacheNodeType="cache.r6g.xlarge")
    with refused("InvalidReplicationGroupState"):
        group.modify(CacheNodeType="cache.r6g.large")


def test_both_tokens_are_accepted_after_rotate_and_the_new_one_after_set(group: Group) -> None:
    def accepted() -> list[str]:
        return [one for one in (FIRST, SECOND) if group.cloud.control("accepts_token", group.name, one)]

    group.token(SECOND, "ROTATE")
    assert accepted() == [FIRST, SECOND]
    group.token(SECOND, "SET")
    assert accepted() == [SECOND]


def test_a_token_is_set_only_after_it_was_rotated(group: Group) -> None:
    with refused("InvalidParameterCombination"):
        group.token(SECOND, "SET")
    group.token(SECOND, "ROTATE")
    with refused("InvalidParameterCombination"):
        group.token(THIRD, "SET")


def test_a_token_is_never_shown(group: Group) -> None:
    asked = group.token(SECOND, "ROTATE")
    assert asked["PendingModifiedValues"]["AuthTokenStatus"] == "ROTATING"
    assert SECOND not in str((asked, group.look()))


@pytest.mark.parametrize("token", ["short", "has a space, and is long", "a" * 129])
def test_a_token_of_a_wrong_form_is_refused(group: Group, token: str) -> None:
    with refused("InvalidParameterValue"):
        group.token(token, "ROTATE")


def test_a_failover_makes_the_replica_the_primary(group: Group) -> None:
    before = group.primary
    group.client.test_failover(ReplicationGroupId=group.name, NodeGroupId="0001")
    assert group.look()["Status"] == "modifying"
    group.settle()
    assert (group.primary != before, group.look()["Status"]) == (True, "available")


def test_a_failover_needs_a_node_group_that_is_there(group: Group) -> None:
    with refused("NodeGroupNotFound"):
        group.client.test_failover(ReplicationGroupId=group.name, NodeGroupId="0002")


def test_a_snapshot_takes_time_and_the_group_takes_no_change_meanwhile(group: Group) -> None:
    name = f"{group.name}-snapshot"
    made = group.client.create_snapshot(ReplicationGroupId=group.name, SnapshotName=name)["Snapshot"]
    assert (made["SnapshotStatus"], group.look()["Status"]) == ("creating", "snapshotting")
    with refused("InvalidReplicationGroupState"):
        group.modify(CacheNodeType="cache.r6g.xlarge")
    group.settle()
    (made,) = group.client.describe_snapshots(SnapshotName=name)["Snapshots"]
    assert (made["SnapshotStatus"], group.look()["Status"]) == ("available", "available")


def test_a_group_is_not_made_with_a_token_of_a_wrong_form(empty_cloud: Cloud) -> None:
    with refused("InvalidParameterValue"):
        empty_cloud.client("elasticache").create_replication_group(
            ReplicationGroupId="wrong-token",
            ReplicationGroupDescription="of the test",
            TransitEncryptionEnabled=True,
            AuthToken="has a space, and is long",
        )
