"""Functions run for real under their own role, and what they write becomes logs and metrics on the cloud's clock."""

import itertools
import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from local.cloud import Cloud
from local.emulator.functions import extract_metrics

_names = (f"function-{number}" for number in itertools.count())
MakeFunction = Callable[..., str]


def invoke(cloud: Cloud, name: str, event: Any = None) -> Any:
    answer = cloud.client("lambda").invoke(FunctionName=name, Payload=json.dumps(event))
    return json.loads(answer["Payload"].read())


def test_a_function_may_do_what_its_role_allows_and_nothing_else(empty_cloud: Cloud, make_function: MakeFunction) -> None:
    name = next(_names)
    code = """
import boto3
def handle(event, context):
    codes = []
    for service, call in (("ecs", "list_clusters"), ("rds", "describe_db_instances")):
        try:
            getattr(boto3.client(service), call)()
            codes.append("allowed")
        except Exception as error:
            codes.append(error.response["Error"]["Code"])
    return codes
"""
    make_function(name, code, "ecs:ListClusters")
    assert invoke(empty_cloud, name) == ["allowed", "AccessDenied"]
    assert [(call.service, call.action, call.allowed) for call in empty_cloud.calls(name)] == [
        ("ecs", "ListClusters", True),
        ("rds", "DescribeDBInstances", False),
    ]


ECS_CALLS = {  # the call a function makes, and the resource that its policy has to name
    "UpdateService": ("update_service", {"cluster": "c", "service": "s"}, "service/c/s"),
    "DescribeServices": ("describe_services", {"cluster": "c", "services": ["s"]}, "service/c/s"),
    "ListServiceDeployments": ("list_service_deployments", {"cluster": "c", "service": "s"}, "service/c/s"),
    "DescribeServiceDeployments": (
        "describe_service_deployments",
        {"serviceDeploymentArns": ["arn:aws:ecs:us-east-1:123456789012:service-deployment/c/s/1"]},
        "service-deployment/c/s/*",
    ),
    "StopServiceDeployment": (
        "stop_service_deployment",
        {"serviceDeploymentArn": "arn:aws:ecs:us-east-1:123456789012:service-deployment/c/s/1"},
        "service-deployment/c/s/*",
    ),
    "DescribeServiceRevisions": (
        "describe_service_revisions",
        {"serviceRevisionArns": ["arn:aws:ecs:us-east-1:123456789012:service-revision/c/s/1"]},
        "service-revision/c/s/*",
    ),
    "DescribeTasks": ("describe_tasks", {"cluster": "c", "tasks": ["1"]}, "task/c/*"),
    "RegisterTaskDefinition": (
        "register_task_definition",
        {"family": "f", "containerDefinitions": [{"name": "a", "image": "a"}]},
        "task-definition/f:*",
    ),
}


@pytest.mark.parametrize("action", ECS_CALLS)
def test_ecs_authorizes_an_action_on_the_resource_that_aws_does(
    empty_cloud: Cloud, make_function: MakeFunction, action: str
) -> None:
    method, arguments, resource = ECS_CALLS[action]
    code = f"""
import boto3
def handle(event, context):
    try:
        boto3.client("ecs").{method}(**event)
    except Exception as error:
        return str(error)
"""
    for granted in (resource, resource.replace("c/s", "c/other").replace("task/c", "task/other").replace("/f:", "/other:")):
        name = next(_names)
        make_function(name, code, f"ecs:{action}", resource=f"arn:aws:ecs:us-east-1:123456789012:{granted}")
        invoke(empty_cloud, name, arguments)
        assert [(call.action, call.allowed) for call in empty_cloud.calls(name)] == [(action, granted == resource)]


def test_variables_that_are_too_large_are_refused_as_lambda_does(empty_cloud: Cloud, make_function: MakeFunction) -> None:
    """Lambda measures the JSON of all variables together, and allows 4096 bytes."""
    client, name = empty_cloud.client("lambda"), next(_names)
    room = 4096 - len('{"A":""}')
    make_function(name, "def handle(event, context):\n    return 1", variables={"A": "x" * room})
    too_large = {"Variables": {"A": "x" * (room + 1)}}
    with pytest.raises(client.exceptions.InvalidParameterValueException, match="exceeded the 4KB limit"):
        client.update_function_configuration(FunctionName=name, Environment=too_large)
    with pytest.raises(client.exceptions.InvalidParameterValueException, match="exceeded the 4KB limit"):
        make_function(next(_names), "def handle(event, context):\n    return 1", variables=too_large["Variables"])
    kept = client.get_function_configuration(FunctionName=name)["Environment"]["Variables"]
    assert len(kept["A"]) == room


def test_a_function_sees_its_own_environment_variables_and_nothing_of_this_process(
    empty_cloud: Cloud, make_function: MakeFunction, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = next(_names)
    code = "import os\ndef handle(event, context):\n    return dict(os.environ)"
    make_function(name, code, variables={"MINE": "yes"})
    seen = invoke(empty_cloud, name)
    assert seen["MINE"] == "yes"
    assert seen["AWS_LAMBDA_FUNCTION_NAME"] == name
    assert "PYTHONPATH" not in seen
    assert "PYTEST_CURRENT_TEST" not in seen


def test_a_function_reaches_the_application_over_https_and_no_other_host(
    empty_cloud: Cloud, make_function: MakeFunction
) -> None:
    name = next(_names)
    code = """
import urllib.error, urllib.request
def handle(event, context):
    answers = []
    for url in event:
        try:
            answers.append(urllib.request.urlopen(url, timeout=5).status)
        except urllib.error.HTTPError as error:
            answers.append(error.code)
        except OSError as error:
            answers.append(str(error))
    return answers
"""
    make_function(name, code)
    site = empty_cloud.environment
    answers = invoke(empty_cloud, name, [site.frontend_url, site.api_url, "https://example.com"])
    assert answers[:2] == [200, 503]  # no task runs in an empty cloud
    assert "502" in answers[2]


def test_logs_are_written_on_the_clock(empty_cloud: Cloud, make_function: MakeFunction) -> None:
    name = next(_names)
    make_function(name, "def handle(event, context):\n    print('one')\n    print('two')")
    now = empty_cloud.advance(timedelta(hours=1))
    invoke(empty_cloud, name)
    assert empty_cloud.control("logs", name) == ["one", "two"]
    events = empty_cloud.client("logs").filter_log_events(logGroupName=f"/aws/lambda/{name}", filterPattern="one")["events"]
    assert [abs(event["timestamp"] / 1000 - now.timestamp()) < 30 for event in events] == [True]


def test_metrics_in_logs_are_published_on_the_clock(empty_cloud: Cloud, make_function: MakeFunction) -> None:
    name = next(_names)
    code = """
from aws_lambda_powertools import Metrics
metrics = Metrics(namespace="Test", service="probe")
@metrics.log_metrics
def handle(event, context):
    metrics.add_dimension(name="Target", value=event)
    metrics.add_metric(name="Availability", unit="Percent", value=100)
    metrics.add_metric(name="Latency", unit="Milliseconds", value=12.5)
"""
    make_function(name, code)
    now = empty_cloud.advance(timedelta(hours=1))
    invoke(empty_cloud, name, "api")
    dimensions = [{"Name": "service", "Value": "probe"}, {"Name": "Target", "Value": "api"}]
    for metric, unit, value in (("Availability", "Percent", 100.0), ("Latency", "Milliseconds", 12.5)):
        (point,) = empty_cloud.client("cloudwatch").get_metric_statistics(
            Namespace="Test",
            MetricName=metric,
            Dimensions=dimensions,
            StartTime=now - timedelta(minutes=2),
            EndTime=now + timedelta(minutes=2),
            Period=60,
            Statistics=["Sum"],
        )["Datapoints"]
        assert (point["Sum"], point["Unit"]) == (value, unit)


@pytest.mark.parametrize(
    "line",
    ["plain text", "{not json", '{"_aws": 1}', '{"_aws": {"CloudWatchMetrics": []}}', '{"message": "_aws"}', "[]"],
)
def test_a_line_without_metrics_is_a_line_like_any_other(line: str, monkeypatch: pytest.MonkeyPatch) -> None:
    stored: list[Any] = []
    monkeypatch.setattr("ministack.services.cloudwatch._store_datum", lambda *datum: stored.append(datum))
    extract_metrics(line, 0.0)
    assert stored == []


def test_values_dimension_sets_and_units_are_taken_as_specified(monkeypatch: pytest.MonkeyPatch) -> None:
    stored: list[Any] = []
    monkeypatch.setattr("ministack.services.cloudwatch._store_datum", lambda *datum: stored.append(datum[:7]))
    directive = {
        "Namespace": "N",
        "Dimensions": [["a"], ["a", "b"], []],
        "Metrics": [{"Name": "m", "Unit": "Count"}, {"Name": "n"}],
    }
    extract_metrics(json.dumps({"_aws": {"CloudWatchMetrics": [directive]}, "a": "1", "b": 2, "m": [1, 2], "n": 3}), 7.0)
    assert stored == [
        ("N", name, dimensions, 7.0, unit, None, values)
        for dimensions in ({"a": "1"}, {"a": "1", "b": "2"}, {})
        for name, unit, values in (("m", "Count", [1.0, 2.0]), ("n", "None", [3.0]))
    ]


def test_an_asynchronous_invocation_that_fails_goes_to_its_destination(empty_cloud: Cloud, make_function: MakeFunction) -> None:
    name = next(_names)
    make_function(name, "def handle(event, context):\n    print('called')\n    raise ValueError('no')")
    sqs = empty_cloud.client("sqs")
    queue = sqs.create_queue(QueueName=name)["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    empty_cloud.client("lambda").put_function_event_invoke_config(
        FunctionName=name, MaximumRetryAttempts=0, DestinationConfig={"OnFailure": {"Destination": arn}}
    )
    empty_cloud.client("lambda").invoke(FunctionName=name, InvocationType="Event", Payload=b'{"n": 1}')
    empty_cloud.wait_until_idle()
    (message,) = sqs.receive_message(QueueUrl=queue)["Messages"]
    assert json.loads(message["Body"])["requestPayload"] == {"n": 1}
    assert empty_cloud.control("logs", name).count("called") == 1
