"""The backend: runbook sections 1, 4.1 and 5.1, and what its tasks may do."""

import json
import re
import socket
import string
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest
from aws_cdk.assertions import Template

from stacks.environment import Environment

from .conftest import only


@pytest.fixture
def stack(template: Callable[[str], Template]) -> Template:
    return template("backend")


@pytest.fixture
def service(stack: Template) -> dict[str, Any]:
    properties: dict[str, Any] = only(stack, "AWS::ECS::Service")["Properties"]
    return properties


@pytest.fixture
def definition(stack: Template) -> dict[str, Any]:
    properties: dict[str, Any] = only(stack, "AWS::ECS::TaskDefinition")["Properties"]
    return properties


@pytest.fixture
def container(definition: dict[str, Any]) -> dict[str, Any]:
    [container] = definition["ContainerDefinitions"]
    assert isinstance(container, dict)
    return container


def log_group(stack: Template, name: str) -> str:
    """The logical id of the log group of a name."""
    [found] = stack.find_resources("AWS::Logs::LogGroup", {"Properties": {"LogGroupName": name}})
    return found


@pytest.fixture
def documents(stack: Template, settings: Environment) -> dict[str, Any]:
    name = f"hz-navigator-{settings.name}-documents-{settings.account}"
    [bucket] = stack.find_resources("AWS::S3::Bucket", {"Properties": {"BucketName": name}}).values()
    properties: dict[str, Any] = bucket["Properties"]
    return properties


# The registry


@pytest.fixture
def repository(template: Callable[[str], Template]) -> dict[str, Any]:
    return only(template("registry"), "AWS::ECR::Repository")


def test_the_repository_is_the_runbooks_and_is_kept(repository: dict[str, Any], settings: Environment) -> None:
    assert repository["Properties"]["RepositoryName"] == f"hz-navigator-{settings.name}-backend"
    assert (repository["DeletionPolicy"], repository["UpdateReplacePolicy"]) == ("Retain", "Retain")


def test_a_tag_never_moves_and_every_image_is_scanned(repository: dict[str, Any]) -> None:
    assert repository["Properties"]["ImageTagMutability"] == "IMMUTABLE"
    assert repository["Properties"]["ImageScanningConfiguration"] == {"ScanOnPush": True}
    assert repository["Properties"]["EncryptionConfiguration"]["EncryptionType"] == "KMS"


def test_images_go_when_untagged_or_old_by_far(repository: dict[str, Any]) -> None:
    rules = json.loads(repository["Properties"]["LifecyclePolicy"]["LifecyclePolicyText"])["rules"]
    assert [(rule["selection"]["tagStatus"], rule["selection"]["countType"]) for rule in rules] == [
        ("untagged", "sinceImagePushed"),
        ("any", "imageCountMoreThan"),
    ]
    assert rules[1]["selection"]["countNumber"] >= 100, "a rollback needs the images of earlier releases"


# Names and what survives


def test_the_names_are_the_runbooks(stack: Template, settings: Environment) -> None:
    prefix = f"hz-navigator-{settings.name}"
    assert only(stack, "AWS::ECS::Cluster")["Properties"]["ClusterName"] == f"{prefix}-cluster"
    assert only(stack, "AWS::ECS::Service")["Properties"]["ServiceName"] == f"{prefix}-backend-service"
    assert only(stack, "AWS::ECS::TaskDefinition")["Properties"]["Family"] == f"{prefix}-backend"
    assert f"/aws/ecs/{prefix}" in [
        group["Properties"]["LogGroupName"] for group in stack.find_resources("AWS::Logs::LogGroup").values()
    ]


def test_a_revision_stays_when_the_next_takes_its_place(stack: Template) -> None:
    definition = only(stack, "AWS::ECS::TaskDefinition")
    assert (definition["DeletionPolicy"], definition["UpdateReplacePolicy"]) == ("Retain", "Retain")


def test_the_image_is_read_from_the_parameter_at_deploy_time(
    stack: Template, container: dict[str, Any], settings: Environment
) -> None:
    [name] = container["Image"].values()
    parameter = stack.to_json()["Parameters"][name]
    assert container["Image"] == {"Ref": name}
    assert (parameter["Type"], parameter["Default"]) == (
        "AWS::SSM::Parameter::Value<String>",
        f"/hz-navigator/{settings.name}/backend/image",
    )


def test_no_deployment_puts_the_image_or_the_number_of_tasks_back(stack: Template, service: dict[str, Any]) -> None:
    stack.resource_count_is("AWS::SSM::Parameter", 0)
    assert "DesiredCount" not in service


# The service


def test_a_bad_deployment_rolls_itself_back(service: dict[str, Any], settings: Environment) -> None:
    assert service["DeploymentConfiguration"] == {
        "Alarms": {
            "AlarmNames": [
                f"hz-navigator-{settings.name}-alb-5xx-rate-critical",
                f"hz-navigator-{settings.name}-alb-latency-p95-critical",
            ],
            "Enable": True,
            "Rollback": True,
        },
        "DeploymentCircuitBreaker": {"Enable": True, "Rollback": True},
        "MinimumHealthyPercent": 100,
        "MaximumPercent": 200,
    }


def test_the_alarms_exist_before_the_service_names_them(
    service: dict[str, Any], template: Callable[[str], Template], stages: dict[str, Any], settings: Environment
) -> None:
    made = {
        alarm["Properties"]["AlarmName"] for alarm in template("monitoring").find_resources("AWS::CloudWatch::Alarm").values()
    }
    stage = stages[settings.name]
    assert set(service["DeploymentConfiguration"]["Alarms"]["AlarmNames"]) <= made
    assert stage.monitoring in stage.backend.dependencies


SERVICE = {
    "LaunchType": "FARGATE",
    "EnableExecuteCommand": True,
    "PropagateTags": "SERVICE",
    "AvailabilityZoneRebalancing": "ENABLED",
    "HealthCheckGracePeriodSeconds": 90,
}


@pytest.mark.parametrize(("key", "value"), SERVICE.items())
def test_the_service_has(service: dict[str, Any], key: str, value: object) -> None:
    assert service[key] == value


def test_tasks_run_in_private_subnets_behind_the_target_group(service: dict[str, Any], settings: Environment) -> None:
    network = service["NetworkConfiguration"]["AwsvpcConfiguration"]
    [group], [balancer] = network["SecurityGroups"], service["LoadBalancers"]
    assert network["AssignPublicIp"] == "DISABLED"
    assert len(network["Subnets"]) == len(settings.network.zones)
    assert all("PrivateSubnet" in subnet["Fn::ImportValue"] for subnet in network["Subnets"])
    assert "BackendSecurityGroup" in group["Fn::ImportValue"]
    assert "TargetGroup" in balancer["TargetGroupArn"]["Fn::ImportValue"]
    assert (balancer["ContainerName"], balancer["ContainerPort"]) == ("backend", 3001)


def test_scaling_stays_between_the_configured_numbers(stack: Template, settings: Environment) -> None:
    target = only(stack, "AWS::ApplicationAutoScaling::ScalableTarget")["Properties"]
    assert (target["MinCapacity"], target["MaxCapacity"]) == (settings.backend.min_tasks, settings.backend.max_tasks)
    assert target["ScalableDimension"] == "ecs:service:DesiredCount"


SCALED_ON = {
    "ECSServiceAverageCPUUtilization": lambda settings: settings.row("ecs-cpu").normal,
    "ECSServiceAverageMemoryUtilization": lambda settings: settings.row("ecs-memory").normal,
    "ALBRequestCountPerTarget": lambda settings: 60 / settings.row("alb-latency-p95").normal * settings.backend.pool_size,
}


@pytest.mark.parametrize(("metric", "target"), SCALED_ON.items())
def test_it_scales_on(metric: str, target: Callable[[Environment], float], stack: Template, settings: Environment) -> None:
    policies = [
        policy["Properties"]["TargetTrackingScalingPolicyConfiguration"]
        for policy in stack.find_resources("AWS::ApplicationAutoScaling::ScalingPolicy").values()
    ]
    assert len(policies) == len(SCALED_ON)
    [policy] = [policy for policy in policies if policy["PredefinedMetricSpecification"]["PredefinedMetricType"] == metric]
    assert policy["TargetValue"] == target(settings)
    assert policy["ScaleOutCooldown"] < policy["ScaleInCooldown"], "out fast, in slowly"


@pytest.mark.parametrize("slug", ["ecs-cpu", "ecs-memory"])
def test_scaling_aims_below_the_warning(slug: str, settings: Environment) -> None:
    assert settings.row(slug).normal < settings.row(slug).warning


# The container


def test_the_task_is_of_the_configured_size(definition: dict[str, Any], settings: Environment) -> None:
    assert (definition["Cpu"], definition["Memory"]) == (str(settings.backend.cpu), str(settings.backend.memory))
    assert definition["RequiresCompatibilities"] == ["FARGATE"]
    assert definition["RuntimePlatform"] == {"CpuArchitecture": "X86_64", "OperatingSystemFamily": "LINUX"}


ENVIRONMENT = {
    "NODE_ENV": "production",
    "APP_PORT": "3001",
    "PORT": "3001",
    "AWS_REGION": "{env.region}",
    "PGSSLMODE": "no-verify",
    "S3_DOCUMENTS_BUCKET": {"Ref": "Documents7E5B2978"},
    "CORS_ORIGINS": "{env.frontend_url}",
    "AWS_SECRET_PREFIX": "hz-navigator-{env.name}",
}


def test_plain_variables_are_exactly_those_that_are_no_secret(container: dict[str, Any], settings: Environment) -> None:
    assert {entry["Name"]: entry["Value"] for entry in container["Environment"]} == {
        name: value.format(env=settings) if isinstance(value, str) else value for name, value in ENVIRONMENT.items()
    }


SECRETS = {
    "POSTGRES_HOST": ("database:ExportsOutputRefSecretAttachment", "host"),
    "POSTGRES_PORT": ("database:ExportsOutputRefSecretAttachment", "port"),
    "POSTGRES_USER": ("database:ExportsOutputRefSecretAttachment", "username"),
    "POSTGRES_PASSWORD": ("database:ExportsOutputRefSecretAttachment", "password"),
    "POSTGRES_DB": ("database:ExportsOutputRefSecretAttachment", "dbname"),
    "REDIS_URL": ("cache:ExportsOutputRefUrlSecret", ""),
    "JWT_SECRET": ("ApplicationSecret", "jwt_secret"),
    "ENCRYPTION_KEY": ("ApplicationSecret", "encryption_key"),
}


def test_secret_variables_are_exactly_those_the_application_reads(container: dict[str, Any]) -> None:
    assert {entry["Name"] for entry in container["Secrets"]} == set(SECRETS)


@pytest.mark.parametrize(("variable", "secret", "key"), [(name, *where) for name, where in SECRETS.items()])
def test_a_secret_reaches_the_container_by_reference(variable: str, secret: str, key: str, container: dict[str, Any]) -> None:
    [value] = [entry["ValueFrom"] for entry in container["Secrets"] if entry["Name"] == variable]
    reference, rest = (value["Fn::Join"][1]) if "Fn::Join" in value else (value, "")
    [(intrinsic, name)] = reference.items()
    assert intrinsic in ("Ref", "Fn::ImportValue")
    assert secret in name
    assert rest == (f":{key}::" if key else "")


def test_the_applications_own_secret_is_generated(stack: Template, settings: Environment) -> None:
    [secret] = [
        secret["Properties"]
        for secret in stack.find_resources("AWS::SecretsManager::Secret").values()
        if secret["Properties"].get("Name") == f"hz-navigator-{settings.name}-app-secrets"
    ]
    generated = secret["GenerateSecretString"]
    before, reference, after = generated["SecretStringTemplate"]["Fn::Join"][1]
    characters = set(string.ascii_letters + string.digits + string.punctuation) - set(generated["ExcludeCharacters"])
    assert "SecretString" not in secret
    assert before.startswith('{"jwt_secret": "{{resolve:secretsmanager:')
    assert after.endswith('}}"}')
    assert reference == {"Ref": next(name for name in stack.to_json()["Resources"] if name.startswith("JwtSecret"))}
    assert (generated["GenerateStringKey"], generated["PasswordLength"]) == ("encryption_key", 64)
    assert characters == set("0123456789abcdef"), "32 bytes in hexadecimal, as AES-256 takes them"


def test_nothing_is_writable_but_scratch_and_the_state_of_ecs_exec(
    definition: dict[str, Any], container: dict[str, Any]
) -> None:
    assert container["ReadonlyRootFilesystem"] is True
    assert container["User"] == "1001"
    assert not container.get("Privileged")
    [scratch] = container["LinuxParameters"]["Tmpfs"]
    assert (scratch["ContainerPath"], scratch["MountOptions"]) == ("/tmp", ["noexec", "nosuid", "nodev"])  # noqa: S108 - its own
    assert [mount["ContainerPath"] for mount in container["MountPoints"]] == ["/var/lib/amazon/ssm", "/var/log/amazon/ssm"]
    assert [volume["Name"] for volume in definition["Volumes"]] == [mount["SourceVolume"] for mount in container["MountPoints"]]


@pytest.fixture
def answering() -> Iterator[tuple[str, list[int]]]:
    """The port of a server on loopback, and the status it answers with."""
    status = [200]

    class Application(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(status[0] if self.path == "/api/v1/health" else 404)
            self.send_header("Location", "https://127.0.0.1:1/")  # followed, a redirect would end at a closed port
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Application) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield str(server.server_port), status
        server.shutdown()
        thread.join()


def check_health(container: dict[str, Any], port: str) -> int:
    """The exit code of the container's health check, run by Node as in the container, but on another port."""
    kind, *command = container["HealthCheck"]["Command"]
    assert kind == "CMD"
    assert command[0] == "node"
    program = [part.replace(":3001/", f":{port}/") for part in command[1:]]
    return subprocess.run([Path(sys.executable).with_name("node"), *program], timeout=60, check=False).returncode


@pytest.mark.parametrize("status", [200, 301, 500, 503])
def test_any_answer_is_life(status: int, container: dict[str, Any], answering: tuple[str, list[int]]) -> None:
    """503 above all: it is what every task answers while the database is away, and stopping them all would not bring it back."""
    port, answers = answering
    answers[0] = status
    assert check_health(container, port) == 0


def test_no_answer_is_death(container: dict[str, Any]) -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        assert check_health(container, str(closed.getsockname()[1])) == 1


def test_a_task_is_given_time_to_start_and_to_answer(container: dict[str, Any]) -> None:
    check = container["HealthCheck"]
    assert (check["StartPeriod"], check["Interval"], check["Timeout"], check["Retries"]) == (60, 30, 10, 3)


def test_logs_go_to_the_group_that_the_runbook_reads(stack: Template, container: dict[str, Any], settings: Environment) -> None:
    group = log_group(stack, f"/aws/ecs/hz-navigator-{settings.name}")
    assert container["LogConfiguration"]["LogDriver"] == "awslogs"
    assert container["LogConfiguration"]["Options"]["awslogs-group"] == {"Ref": group}


def test_every_log_group_is_under_the_key_for_as_long_as_configured(stack: Template, settings: Environment) -> None:
    key = {"Fn::GetAtt": [only(stack, "AWS::KMS::Key")["Id"], "Arn"]}
    groups = [group["Properties"] for group in stack.find_resources("AWS::Logs::LogGroup").values()]
    assert {group["LogGroupName"] for group in groups} == {
        f"/aws/ecs/hz-navigator-{settings.name}",
        f"/aws/ecs/hz-navigator-{settings.name}/exec",
        f"/aws/ecs/containerinsights/hz-navigator-{settings.name}-cluster/performance",
        f"/aws/events/hz-navigator-{settings.name}-ecs",
    }
    assert all((group["KmsKeyId"], group["RetentionInDays"]) == (key, settings.log_retention_days) for group in groups)


# The cluster


def test_the_cluster_has_enhanced_insights(stack: Template) -> None:
    cluster = only(stack, "AWS::ECS::Cluster")["Properties"]
    assert cluster["ClusterSettings"] == [{"Name": "containerInsights", "Value": "enhanced"}]


def test_exec_sessions_are_encrypted_and_logged(stack: Template, settings: Environment) -> None:
    session = only(stack, "AWS::ECS::Cluster")["Properties"]["Configuration"]["ExecuteCommandConfiguration"]
    group = log_group(stack, f"/aws/ecs/hz-navigator-{settings.name}/exec")
    assert session == {
        "KmsKeyId": {"Fn::GetAtt": [only(stack, "AWS::KMS::Key")["Id"], "Arn"]},
        "Logging": "OVERRIDE",
        "LogConfiguration": {"CloudWatchLogGroupName": {"Ref": group}, "CloudWatchEncryptionEnabled": True},
    }


def test_cloudwatch_logs_may_use_the_key_for_these_groups_only(stack: Template, settings: Environment) -> None:
    statements = only(stack, "AWS::KMS::Key")["Properties"]["KeyPolicy"]["Statement"]
    allowed = [
        statement["Condition"]["ArnEquals"]["kms:EncryptionContext:aws:logs:arn"]
        for statement in statements
        if statement["Principal"].get("Service") == f"logs.{settings.region}.amazonaws.com"
    ]
    named = {group["Properties"]["LogGroupName"] for group in stack.find_resources("AWS::Logs::LogGroup").values()}
    assert {arn.partition(":log-group:")[2] for arn in allowed} == named


# The roles


def granted(stack: Template, role: str) -> set[tuple[str, str]]:
    """(action, resource) of everything a role may do, with logical ids and exports cut to what one reads."""

    def shown(resource: Any) -> str:
        match resource:
            case {"Fn::GetAtt": [name, "Arn"]} | {"Ref": name}:
                return re.sub(r"[0-9A-F]{8}$", "", name)
            case {"Fn::ImportValue": name}:
                return re.sub(r"^.*-(\w+):ExportsOutput(?:Ref|FnGetAtt)(\D+?)[0-9A-F]{8}.*$", r"\1.\2", name)
            case {"Fn::Join": ["", parts]}:
                return "".join(shown(part) for part in parts)
        return str(resource)

    resource = stack.to_json()["Resources"][role]["Properties"]
    assert "Policies" not in resource
    stack.resource_count_is("AWS::IAM::Policy", 0)
    [policy] = resource["ManagedPolicyArns"]
    statements = stack.to_json()["Resources"][policy["Ref"]]["Properties"]["PolicyDocument"]["Statement"]
    assert all(statement["Effect"] == "Allow" for statement in statements)
    return {
        (action, shown(where))
        for statement in statements
        for action in ([statement["Action"]] if isinstance(statement["Action"], str) else statement["Action"])
        for where in (statement["Resource"] if isinstance(statement["Resource"], list) else [statement["Resource"]])
    }


def test_starting_a_task_may_pull_this_image_read_these_secrets_write_this_log(
    stack: Template, definition: dict[str, Any]
) -> None:
    assert granted(stack, definition["ExecutionRoleArn"]["Fn::GetAtt"][0]) == {
        ("ecr:GetAuthorizationToken", "*"),
        ("ecr:BatchCheckLayerAvailability", "registry.Repository"),
        ("ecr:BatchGetImage", "registry.Repository"),
        ("ecr:GetDownloadUrlForLayer", "registry.Repository"),
        ("logs:CreateLogStream", "Logs"),
        ("logs:PutLogEvents", "Logs"),
        ("secretsmanager:GetSecretValue", "database.SecretAttachment"),
        ("secretsmanager:GetSecretValue", "cache.UrlSecret"),
        ("secretsmanager:GetSecretValue", "ApplicationSecret"),
        ("kms:Decrypt", "database.Key"),
        ("kms:Decrypt", "cache.Key"),
        ("kms:Decrypt", "Key"),
    }


def test_a_running_task_may_use_its_documents_and_be_looked_into(
    stack: Template, definition: dict[str, Any], settings: Environment
) -> None:
    assert granted(stack, definition["TaskRoleArn"]["Fn::GetAtt"][0]) == {
        ("s3:ListBucket", "Documents"),
        ("s3:GetObject", "Documents/*"),
        ("s3:PutObject", "Documents/*"),
        ("s3:DeleteObject", "Documents/*"),
        ("kms:Decrypt", "Key"),
        ("kms:GenerateDataKey", "Key"),
        ("ssmmessages:CreateControlChannel", "*"),
        ("ssmmessages:CreateDataChannel", "*"),
        ("ssmmessages:OpenControlChannel", "*"),
        ("ssmmessages:OpenDataChannel", "*"),
        ("logs:DescribeLogGroups", f"arn:aws:logs:{settings.region}:{settings.account}:log-group:*"),
        ("logs:CreateLogStream", "ExecLogs"),
        ("logs:DescribeLogStreams", "ExecLogs"),
        ("logs:PutLogEvents", "ExecLogs"),
    }


def test_only_tasks_of_this_account_take_the_roles(stack: Template, settings: Environment) -> None:
    roles = stack.find_resources("AWS::IAM::Role")
    assert len(roles) == 2
    for role in roles.values():
        [trust] = role["Properties"]["AssumeRolePolicyDocument"]["Statement"]
        assert trust["Principal"] == {"Service": "ecs-tasks.amazonaws.com"}
        assert trust["Condition"] == {
            "StringEquals": {"aws:SourceAccount": settings.account},
            "ArnLike": {"aws:SourceArn": f"arn:aws:ecs:{settings.region}:{settings.account}:*"},
        }


def test_secrets_keys_open_for_secrets_manager_only(stack: Template, definition: dict[str, Any], settings: Environment) -> None:
    role = stack.to_json()["Resources"][definition["ExecutionRoleArn"]["Fn::GetAtt"][0]]["Properties"]
    policy = stack.to_json()["Resources"][role["ManagedPolicyArns"][0]["Ref"]]["Properties"]["PolicyDocument"]
    [decrypt] = [statement for statement in policy["Statement"] if statement["Action"] == "kms:Decrypt"]
    assert decrypt["Condition"] == {"StringEquals": {"kms:ViaService": f"secretsmanager.{settings.region}.amazonaws.com"}}


def test_the_roles_can_be_passed_by_the_rollback(stack: Template) -> None:
    """Its policy names them by the prefix CloudFormation gives: no name of their own."""
    assert all("RoleName" not in role["Properties"] for role in stack.find_resources("AWS::IAM::Role").values())


# The documents


def test_documents_are_private_versioned_and_encrypted(documents: dict[str, Any], stack: Template) -> None:
    [rule] = documents["BucketEncryption"]["ServerSideEncryptionConfiguration"]
    assert set(documents["PublicAccessBlockConfiguration"].values()) == {True}
    assert documents["VersioningConfiguration"] == {"Status": "Enabled"}
    assert rule["ServerSideEncryptionByDefault"] == {
        "SSEAlgorithm": "aws:kms",
        "KMSMasterKeyID": {"Fn::GetAtt": [only(stack, "AWS::KMS::Key")["Id"], "Arn"]},
    }
    assert "DestinationBucketName" in documents["LoggingConfiguration"]


def test_documents_never_expire_but_their_old_versions_do(documents: dict[str, Any]) -> None:
    [rule] = documents["LifecycleConfiguration"]["Rules"]
    assert "ExpirationInDays" not in rule
    assert rule["NoncurrentVersionExpiration"] == {"NoncurrentDays": 90}


def test_only_the_frontends_pages_reach_documents_from_a_browser(documents: dict[str, Any], settings: Environment) -> None:
    [rule] = documents["CorsConfiguration"]["CorsRules"]
    assert rule["AllowedOrigins"] == [settings.frontend_url]


def test_every_bucket_refuses_plain_http_and_old_tls(stack: Template) -> None:
    for policy in stack.find_resources("AWS::S3::BucketPolicy").values():
        denied = [
            statement["Condition"]
            for statement in policy["Properties"]["PolicyDocument"]["Statement"]
            if statement["Effect"] == "Deny" and statement["Action"] == "s3:*"
        ]
        assert {"Bool": {"aws:SecureTransport": "false"}} in denied
        assert {"NumericLessThan": {"s3:TlsVersion": 1.2}} in denied
