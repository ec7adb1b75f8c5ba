"""CloudTrail's event history: what was changed, when on the clock, and by whom."""

from datetime import timedelta
from typing import Any

from local.cloud import Cloud

WRITES = [{"AttributeKey": "ReadOnly", "AttributeValue": "false"}]


def changes(cloud: Cloud, name: str) -> list[Any]:
    """The events that tell of a resource of this name, the newest first."""
    found = cloud.client("cloudtrail").lookup_events(LookupAttributes=WRITES, MaxResults=50)["Events"]
    return [one for one in found if name in one["CloudTrailEvent"]]


def test_a_change_is_remembered_with_the_clocks_time_and_who_made_it(empty_cloud: Cloud) -> None:
    empty_cloud.client("ecs").create_cluster(clusterName="trail-changed")
    (event,) = changes(empty_cloud, "trail-changed")
    assert (event["EventName"], event["EventSource"], event["Username"]) == ("CreateCluster", "ecs.amazonaws.com", "root")
    assert abs(event["EventTime"] - empty_cloud.now()) < timedelta(minutes=1)


def test_what_only_reads_and_what_writes_data_is_not(empty_cloud: Cloud) -> None:
    empty_cloud.client("ecs").describe_clusters(clusters=["trail-read"])
    empty_cloud.client("logs").create_log_group(logGroupName="trail-read")
    assert changes(empty_cloud, "trail-read") == []


def test_a_secrets_value_is_in_no_event(empty_cloud: Cloud) -> None:
    empty_cloud.client("secretsmanager").create_secret(Name="trail-secret", SecretString="hunter2")
    (event,) = changes(empty_cloud, "trail-secret")
    assert "hunter2" not in event["CloudTrailEvent"]
