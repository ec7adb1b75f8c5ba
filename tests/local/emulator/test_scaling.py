"""Application Auto Scaling in the local cloud: the bounds that a stack gave a service are shown, and nothing scales."""

import pytest
from botocore.exceptions import ClientError

from local.cloud import Cloud


def test_the_bounds_are_those_of_the_stack(cloud: Cloud) -> None:
    environment = cloud.environment
    service = f"service/{environment.cluster}/{environment.service}"
    client = cloud.client("application-autoscaling")
    (found,) = client.describe_scalable_targets(ServiceNamespace="ecs", ResourceIds=[service])["ScalableTargets"]
    assert (found["MinCapacity"], found["MaxCapacity"]) == (environment.backend.min_tasks, environment.backend.max_tasks)
    assert client.describe_scalable_targets(ServiceNamespace="ecs", ResourceIds=["service/of/another"])["ScalableTargets"] == []


def test_what_it_does_not_do_is_refused(cloud: Cloud) -> None:
    with pytest.raises(ClientError, match="The local cloud has no DescribeScheduledActions: nothing scales by itself"):
        cloud.client("application-autoscaling").describe_scheduled_actions(ServiceNamespace="ecs")


def test_nothing_has_scaled(cloud: Cloud) -> None:
    client = cloud.client("application-autoscaling")
    assert client.describe_scaling_activities(ServiceNamespace="ecs")["ScalingActivities"] == []
