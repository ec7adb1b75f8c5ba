"""The image that the next `cdk deploy` takes, on the deployed environment: whatever way a release ends, it is a good one.

An operator's rollback is in `test_runbook_commands`, as the runbook prints it, and that of the function in the drills.
"""

import json
from datetime import timedelta

import pytest

from local.cloud import Cloud
from local.drills.pipeline import Pipeline
from tests.local.conftest import end


def name(cloud: Cloud, image: str) -> None:
    """Somebody writes the parameter, as the pipeline once did."""
    parameter = cloud.environment.image_parameter
    cloud.client("ssm").put_parameter(Name=parameter, Value=image, Type="String", Overwrite=True)


def test_a_release_is_named_when_it_has_ended_well_and_not_before(cloud: Cloud, pipeline: Pipeline) -> None:
    before = pipeline.image_to_deploy
    pipeline.release("be77e4")
    cloud.advance(timedelta(seconds=30))
    cloud.wait_until_idle()
    assert (pipeline.settled, pipeline.image_to_deploy) == (False, before)
    end(cloud)
    assert pipeline.image_to_deploy == pipeline.image("be77e4")


@pytest.mark.parametrize("written", [False, True], ids=["as it was", "written by the pipeline"])
def test_a_release_that_the_circuit_breaker_takes_back_is_never_named(cloud: Cloud, pipeline: Pipeline, written: bool) -> None:
    before, commit = pipeline.image_to_deploy, f"n0start{written:d}"
    cloud.fail_tasks_of(pipeline.image(commit))
    pipeline.release(commit)
    if written:
        name(cloud, pipeline.image(commit))
    end(cloud)
    assert pipeline.image_of(pipeline.task_definition) == before, "ECS took it back"
    assert pipeline.image_to_deploy == before


def test_a_release_that_an_operator_stops_is_never_named(cloud: Cloud, pipeline: Pipeline) -> None:
    before = pipeline.image_to_deploy
    pipeline.release("5t0p")
    ecs = cloud.client("ecs")
    running = ecs.list_service_deployments(cluster=cloud.environment.cluster, service=cloud.environment.service)
    arn = running["serviceDeployments"][0]["serviceDeploymentArn"]
    ecs.stop_service_deployment(serviceDeploymentArn=arn, stopType="ROLLBACK")
    end(cloud)
    assert pipeline.image_of(pipeline.task_definition) == before
    assert pipeline.image_to_deploy == before


def test_the_schedule_repairs_what_no_event_told(cloud: Cloud, pipeline: Pipeline) -> None:
    before = pipeline.image_to_deploy
    name(cloud, pipeline.image("n0b0dy-kn0ws"))
    event = {"source": "aws.events", "detail-type": "Scheduled Event", "detail": {}}
    function = cloud.environment.function("releases")
    answer = cloud.client("lambda").invoke(FunctionName=function, Payload=json.dumps(event))
    assert json.loads(answer["Payload"].read())["changed"] is True
    assert pipeline.image_to_deploy == before


def test_its_role_allows_what_it_does(cloud: Cloud, pipeline: Pipeline) -> None:
    pipeline.release("a110wed")
    end(cloud)
    calls = cloud.calls("releases")
    assert {"PutParameter", "GetParameter", "ListServiceDeployments"} <= {call.action for call in calls}
    assert [call for call in calls if not call.allowed] == []
