"""The procedures of size on the local cloud."""

import re

import pytest

from lambdas.procedures.run import RefusedError
from local.cloud import Cloud

from .stores import Stores, cuts


@pytest.fixture
def stores(empty_cloud: Cloud) -> Stores:
    return Stores(empty_cloud)


def resize(stores: Stores) -> None:
    stores.run("database-resize", InstanceClass="db.r6g.large")


def resize_cache(stores: Stores) -> None:
    stores.run("cache-resize", NodeType="cache.r6g.xlarge")


def test_the_database_gets_its_class_after_a_snapshot_and_the_line_of_the_file_is_said(stores: Stores) -> None:
    said = stores.run("database-resize", InstanceClass="db.r6g.large")
    assert stores.instance()["DBInstanceClass"] == "db.r6g.large"
    assert len(stores.rds.describe_db_snapshots(DBInstanceIdentifier=stores.name)["DBSnapshots"]) == 1
    assert 'Write instance_class = "db.r6g.large" under [database] of config/production.toml' in said["Verify"]


def test_a_class_that_the_database_has_is_not_changed_and_needs_no_snapshot(stores: Stores) -> None:
    with stores.cut(0, "") as calls:
        said = stores.run("database-resize", InstanceClass="db.t4g.large")
    assert (calls, "is a db.t4g.large already" in said["Plan"]) == ([], True)


def test_a_node_type_that_the_cache_has_is_not_changed_and_needs_no_snapshot(stores: Stores) -> None:
    with stores.cut(0, "") as calls:
        stores.run("cache-resize", NodeType="cache.r6g.large")
    assert calls == []


def test_the_zones_and_the_time_away_are_said_before(stores: Stores) -> None:
    said = stores.run("database-resize", InstanceClass="db.r6g.large")["Plan"]
    assert "us-east-1a, us-east-1b, us-east-1c" in said
    assert "away for a minute or two" in said


def test_a_class_that_cannot_be_ordered_is_refused(stores: Stores) -> None:
    with pytest.raises(RefusedError, match=r"offers db.r1.large .* in none of the instance's zones"):
        stores.run("database-resize", InstanceClass="db.r1.large")


def test_a_class_that_does_not_serve_the_connections_is_refused(stores: Stores) -> None:
    wanted = {"ParameterName": "max_connections", "ParameterValue": "500", "ApplyMethod": "pending-reboot"}
    stores.rds.modify_db_parameter_group(DBParameterGroupName=stores.name, Parameters=[wanted])
    with pytest.raises(RefusedError, match=r"db.t4g.medium serves 450 connections and max_connections is 500"):
        stores.run("database-resize", InstanceClass="db.t4g.medium")


def test_a_change_that_is_pending_is_not_made_along(stores: Stores) -> None:
    stores.rds.modify_db_instance(DBInstanceIdentifier=stores.name, AllocatedStorage=200, ApplyImmediately=False)
    with pytest.raises(RefusedError, match="changes pending that would be made along with this one: AllocatedStorage"):
        resize(stores)


def test_a_resize_that_dies_anywhere_is_ended_by_the_next(empty_cloud: Cloud) -> None:
    found = []
    for where, stores in cuts(empty_cloud, resize):
        assert stores.instance()["DBInstanceClass"] == "db.r6g.large", where
        assert len(stores.instances) == 1, where
        found.append(where)
    assert len(found) >= 4


def test_the_cache_gets_its_nodes_after_a_snapshot_and_the_line_of_the_file_is_said(stores: Stores) -> None:
    said = stores.run("cache-resize", NodeType="cache.r6g.xlarge")
    assert stores.replication_group["CacheNodeType"] == "cache.r6g.xlarge"
    (name,) = re.findall(r"hz-navigator-manual-[0-9a-f]{8}", said["Snapshot"])
    assert stores.cache.describe_snapshots(SnapshotName=name)["Snapshots"][0]["SnapshotStatus"] == "available"
    assert 'Write node_type = "cache.r6g.xlarge" under [cache] of config/production.toml' in said["Verify"]


def test_a_node_type_that_the_cache_cannot_have_is_refused(stores: Stores) -> None:
    with pytest.raises(RefusedError, match=r"does not change cache.r6g.large nodes"):
        stores.run("cache-resize", NodeType="cache.r6gd.xlarge")


def test_smaller_nodes_are_said_to_have_to_hold_what_is_there(stores: Stores) -> None:
    assert "what the cache holds has to fit" in stores.run("cache-resize", NodeType="cache.t4g.small")["Plan"]


def test_a_cache_resize_that_dies_anywhere_is_ended_by_the_next(empty_cloud: Cloud) -> None:
    found = []
    for where, stores in cuts(empty_cloud, resize_cache):
        assert stores.replication_group["CacheNodeType"] == "cache.r6g.xlarge", where
        found.append(where)
    assert len(found) >= 4
