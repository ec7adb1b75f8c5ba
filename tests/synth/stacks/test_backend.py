"""The backend: runbook sections 1, 4.1 and 5.1, and what its tasks may do."""

import json
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

from stacks.environment import Environment
from tests.synth.assemblies import dependencies
from tests.synth.template import Template


@pytest.fixture
def stack(template: Callable[[str], Template]) -> Template:
    return template("backend")


@pytest.fixture
def service(stack: Template) -> dict[str, Any]:
    properties: dict[str, Any] = stack.only("AWS::ECS::Service")["Properties"]
    return properties


@pytest.fixture
def definition(stack: Template) -> dict[str, Any]:
    properties: dict[str, Any] = stack.only("AWS::ECS::TaskDefinition")["Properties"]
    return properties


@pytest.fixture
def container(definition: dict[str, Any]) -> dict[str, Any]:
    [container] = definition["ContainerDefinitions"]
    assert isinstance(container, dict)
    return container


def log_group(stack: Template, name: str) -> str:
    """The logical id of the log group of a name."""
    [found] = stack.of_type("AWS::Logs::LogGroup", LogGroupName=name)
    return found


@pytest.fixture
def documents(stack: Template, environment: Environment) -> dict[str, Any]:
    name = f"hz-navigator-{environment.name}-documents-{environment.account}"
    [bucket] = stack.of_type("AWS::S3::Bucket", BucketName=name).values()
    properties: dict[str, Any] = bucket["Properties"]
    return properties


# The registry


@pytest.fixture
def repository(template: Callable[[str], Template]) -> dict[str, Any]:
    return template("registry").only("AWS::ECR::Repository")


def test_the_repository_is_the_runbooks_and_is_kept(repository: dict[str, Any], environment: Environment) -> None:
    assert repository["Properties"]["RepositoryName"] == f"hz-navigator-{environment.name}-backend"
    assert (repository["DeletionPolicy"], repository["UpdateReplacePolicy"]) == ("RetainExceptOnCreate", "Retain")


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


def test_the_names_are_the_runbooks(stack: Template, environment: Environment) -> None:
    prefix = f"hz-navigator-{environment.name}"
    assert stack.only("AWS::ECS::Cluster")["Properties"]["ClusterName"] == f"{prefix}-cluster"
    assert stack.only("AWS::ECS::Service")["Properties"]["ServiceName"] == f"{prefix}-backend-service"
    assert stack.only("AWS::ECS::TaskDefinition")["Properties"]["Family"] == f"{prefix}-backend"
    assert f"/aws/ecs/{prefix}" in [
        group["Properties"]["LogGroupName"] for group in stack.of_type("AWS::Logs::LogGroup").values()
    ]


def test_a_revision_stays_when_the_next_takes_its_place(stack: Template) -> None:
    definition = stack.only("AWS::ECS::TaskDefinition")
    assert (definition["DeletionPolicy"], definition["UpdateReplacePolicy"]) == ("RetainExceptOnCreate", "Retain")


def test_the_image_is_read_from_the_parameter_at_deploy_time(
    stack: Template, container: dict[str, Any], environment: Environment
) -> None:
    [name] = container["Image"].values()
    parameter = stack.body["Parameters"][name]
    assert container["Image"] == {"Ref": name}
    assert (parameter["Type"], parameter["Default"]) == (
        "AWS::SSM::Parameter::Value<String>",
        f"/hz-navigator/{environment.name}/backend/image",
    )


def test_no_deployment_puts_the_image_or_the_number_of_tasks_back(stack: Template, service: dict[str, Any]) -> None:
    assert not stack.of_type("AWS::SSM::Parameter")
    assert "DesiredCount" not in service


# The service


def test_a_bad_deployment_rolls_itself_back(service: dict[str, Any], environment: Environment) -> None:
    assert service["DeploymentConfiguration"] == {
        "Alarms": {
            "AlarmNames": [
                f"hz-navigator-{environment.name}-alb-5xx-rate-critical",
                f"hz-navigator-{environment.name}-alb-latency-p95-critical",
            ],
            "Enable": True,
            "Rollback": True,
        },
        "DeploymentCircuitBreaker": {"Enable": True, "Rollback": True},
        "MinimumHealthyPercent": 100,
        "MaximumPercent": 200,
    }


def test_the_alarms_exist_before_the_service_names_them(
    service: dict[str, Any], template: Callable[[str], Template], environment: Environment
) -> None:
    made = {alarm["Properties"]["AlarmName"] for alarm in template("monitoring").of_type("AWS::CloudWatch::Alarm").values()}
    assert set(service["DeploymentConfiguration"]["Alarms"]["AlarmNames"]) <= made
    assert "monitoring" in dependencies(environment.name)["backend"]


def test_tasks_run_in_private_subnets_behind_the_target_group(service: dict[str, Any], environment: Environment) -> None:
    network = service["NetworkConfiguration"]["AwsvpcConfiguration"]
    [group], [balancer] = network["SecurityGroups"], service["LoadBalancers"]
    assert network["AssignPublicIp"] == "DISABLED"
    assert len(network["Subnets"]) == len(environment.network.zones)
    assert all("PrivateSubnet" in subnet["Fn::ImportValue"] for subnet in network["Subnets"])
    assert "BackendSecurityGroup" in group["Fn::ImportValue"]
    assert "TargetGroup" in balancer["TargetGroupArn"]["Fn::ImportValue"]
    assert (balancer["ContainerName"], balancer["ContainerPort"]) == ("backend", 3001)


def test_scaling_stays_between_the_configured_numbers(stack: Template, environment: Environment) -> None:
    target = stack.only("AWS::ApplicationAutoScaling::ScalableTarget")["Properties"]
    assert (target["MinCapacity"], target["MaxCapacity"]) == (environment.backend.min_tasks, environment.backend.max_tasks)
    assert target["ScalableDimension"] == "ecs:service:DesiredCount"


SCALED_ON = {
    "ECSServiceAverageCPUUtilization": lambda environment: environment.row("ecs-cpu").normal,
    "ECSServiceAverageMemoryUtilization": lambda environment: environment.row("ecs-memory").normal,
    "ALBRequestCountPerTarget": lambda environment: (
        60 / environment.row("alb-latency-p95").normal * environment.backend.pool_size
    ),
}


@pytest.mark.parametrize(("metric", "target"), SCALED_ON.items())
def test_it_scales_on(metric: str, target: Callable[[Environment], float], stack: Template, environment: Environment) -> None:
    policies = [
        policy["Properties"]["TargetTrackingScalingPolicyConfiguration"]
        for policy in stack.of_type("AWS::ApplicationAutoScaling::ScalingPolicy").values()
    ]
    assert len(policies) == len(SCALED_ON)
    [policy] = [policy for policy in policies if policy["PredefinedMetricSpecification"]["PredefinedMetricType"] == metric]
    assert policy["TargetValue"] == target(environment)
    assert policy["ScaleOutCooldown"] < policy["ScaleInCooldown"], "out fast, in slowly"


@pytest.mark.parametrize("slug", ["ecs-cpu", "ecs-memory"])
def test_scaling_aims_below_the_warning(slug: str, environment: Environment) -> None:
    assert environment.row(slug).normal < environment.row(slug).warning


# The container


def test_the_task_is_of_the_configured_size(definition: dict[str, Any], environment: Environment) -> None:
    assert (definition["Cpu"], definition["Memory"]) == (str(environment.backend.cpu), str(environment.backend.memory))
    assert definition["RequiresCompatibilities"] == ["FARGATE"]
    assert definition["RuntimePlatform"] == {"CpuArchitecture": "X86_64", "OperatingSystemFamily": "LINUX"}


ENVIRONMENT = {
    "NODE_ENV": "production",
    "APP_PORT": "3001",
    "PORT": "3001",
    "AWS_REGION": "{environment.region}",
    "PGSSLMODE": "no-verify",
    "S3_DOCUMENTS_BUCKET": {"Ref": "Documents7E5B2978"},
    "CORS_ORIGINS": "{environment.frontend_url}",
    "AWS_SECRET_PREFIX": "hz-navigator-{environment.name}",
}


def test_plain_variables_are_exactly_those_that_are_no_secret(container: dict[str, Any], environment: Environment) -> None:
    assert {entry["Name"]: entry["Value"] for entry in container["Environment"]} == {
        name: value.format(environment=environment) if isinstance(value, str) else value for name, value in ENVIRONMENT.items()
    }


SECRETS = {
    "POSTGRES_HOST": ("database:ExportsOutputRefSecretAttachment", "host"),
    "POSTGRES_PORT": ("database:ExportsOutputRefSecretAttachment", "port"),
    "POSTGRES_USER": ("database:ExportsOutputRefSecretAttachment", "username"),
    "POSTGRES_PASSWORD": ("database:ExportsOutputRefSecretAttachment", "password"),
    "POSTGRES_DB": ("database:ExportsOutputRefSecretAttachment", "dbname"),
    "REDIS_URL": ("cache:ExportsOutputRefUrlSecret", ""),
    "JWT_SECRET": ("ApplicationSecret", "jwt_secret"),
    "ENCRYPTION_KEY": ("EncryptionKey", ""),
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


def generated(stack: Template, name: str) -> dict[str, Any]:
    secret = stack.properties("AWS::SecretsManager::Secret", Name=name)
    assert "SecretString" not in secret
    return dict(secret["GenerateSecretString"])


def test_the_signing_key_is_generated(stack: Template, environment: Environment) -> None:
    block = generated(stack, f"hz-navigator-{environment.name}-app-secrets")
    assert (block["SecretStringTemplate"], block["GenerateStringKey"], block["PasswordLength"]) == ("{}", "jwt_secret", 64)


def test_the_key_of_users_data_is_a_secret_of_its_own(stack: Template, environment: Environment) -> None:
    block = generated(stack, f"hz-navigator-{environment.name}-encryption-key")
    characters = set(string.ascii_letters + string.digits + string.punctuation) - set(block["ExcludeCharacters"])
    assert "GenerateStringKey" not in block
    assert block["PasswordLength"] == 64
    assert characters == set("0123456789abcdef"), "32 bytes in hexadecimal, as AES-256 takes them"


def test_nothing_is_writable_but_scratch(container: dict[str, Any]) -> None:
    assert container["ReadonlyRootFilesystem"] is True
    assert container["User"] == "1001"
    assert not container.get("Privileged")
    [scratch] = container["LinuxParameters"]["Tmpfs"]
    assert (scratch["ContainerPath"], scratch["MountOptions"]) == ("/tmp", ["noexec", "nosuid", "nodev"])  # noqa: S108 - its own
    assert "MountPoints" not in container


def test_ecs_exec_is_off_as_it_needs_a_writable_root(stack: Template, service: dict[str, Any]) -> None:
    """https://docs.aws.amazon.com/AmazonECS/latest/developerguide/ecs-exec.html"""
    assert "EnableExecuteCommand" not in service
    assert "ssmmessages" not in json.dumps(stack.resources)


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


def test_logs_go_to_the_group_that_the_runbook_reads(
    stack: Template, container: dict[str, Any], environment: Environment
) -> None:
    group = log_group(stack, f"/aws/ecs/hz-navigator-{environment.name}")
    assert container["LogConfiguration"]["LogDriver"] == "awslogs"
    assert container["LogConfiguration"]["Options"]["awslogs-group"] == {"Ref": group}


def test_every_log_group_is_under_the_key_for_as_long_as_configured(stack: Template, environment: Environment) -> None:
    key = {"Fn::GetAtt": [stack.only("AWS::KMS::Key")["Id"], "Arn"]}
    groups = [group["Properties"] for group in stack.of_type("AWS::Logs::LogGroup").values()]
    assert {group["LogGroupName"] for group in groups} == {
        f"/aws/ecs/hz-navigator-{environment.name}",
        f"/aws/ecs/containerinsights/hz-navigator-{environment.name}-cluster/performance",
        f"/aws/events/hz-navigator-{environment.name}-ecs",
    }
    assert all((group["KmsKeyId"], group["RetentionInDays"]) == (key, environment.log_retention_days) for group in groups)


def test_cloudwatch_logs_may_use_the_key_for_these_groups_only(stack: Template, environment: Environment) -> None:
    statements = stack.only("AWS::KMS::Key")["Properties"]["KeyPolicy"]["Statement"]
    allowed = [
        statement["Condition"]["ArnEquals"]["kms:EncryptionContext:aws:logs:arn"]
        for statement in statements
        if statement["Principal"].get("Service") == f"logs.{environment.region}.amazonaws.com"
    ]
    named = {group["Properties"]["LogGroupName"] for group in stack.of_type("AWS::Logs::LogGroup").values()}
    assert {arn.partition(":log-group:")[2] for arn in allowed} == named


# The roles


def test_only_tasks_of_this_account_take_the_roles(stack: Template, environment: Environment) -> None:
    roles = stack.of_type("AWS::IAM::Role")
    assert len(roles) == 2
    for role in roles.values():
        [trust] = role["Properties"]["AssumeRolePolicyDocument"]["Statement"]
        assert trust["Principal"] == {"Service": "ecs-tasks.amazonaws.com"}
        assert trust["Condition"] == {
            "StringEquals": {"aws:SourceAccount": environment.account},
            "ArnLike": {"aws:SourceArn": f"arn:aws:ecs:{environment.region}:{environment.account}:*"},
        }


def test_secrets_keys_open_for_secrets_manager_only(
    stack: Template, definition: dict[str, Any], environment: Environment
) -> None:
    role = stack.resources[definition["ExecutionRoleArn"]["Fn::GetAtt"][0]]["Properties"]
    policy = stack.resources[role["ManagedPolicyArns"][0]["Ref"]]["Properties"]["PolicyDocument"]
    [decrypt] = [statement for statement in policy["Statement"] if statement["Action"] == "kms:Decrypt"]
    assert decrypt["Condition"] == {"StringEquals": {"kms:ViaService": f"secretsmanager.{environment.region}.amazonaws.com"}}


def test_the_roles_have_names_of_their_own(stack: Template, environment: Environment) -> None:
    """The rollback passes them by these: CloudFormation would truncate those that it generates."""
    names = {role["Properties"]["RoleName"] for role in stack.of_type("AWS::IAM::Role").values()}
    assert names == {environment.execution_role, environment.task_role}


# The documents


def test_documents_are_private_versioned_and_encrypted(documents: dict[str, Any], stack: Template) -> None:
    [rule] = documents["BucketEncryption"]["ServerSideEncryptionConfiguration"]
    assert set(documents["PublicAccessBlockConfiguration"].values()) == {True}
    assert documents["VersioningConfiguration"] == {"Status": "Enabled"}
    assert rule["ServerSideEncryptionByDefault"] == {
        "SSEAlgorithm": "aws:kms",
        "KMSMasterKeyID": {"Fn::GetAtt": [stack.only("AWS::KMS::Key")["Id"], "Arn"]},
    }
    assert "DestinationBucketName" in documents["LoggingConfiguration"]


def test_documents_never_expire_but_their_old_versions_do(documents: dict[str, Any]) -> None:
    [rule] = documents["LifecycleConfiguration"]["Rules"]
    assert "ExpirationInDays" not in rule
    assert rule["NoncurrentVersionExpiration"] == {"NoncurrentDays": 90}


def test_only_the_frontends_pages_reach_documents_from_a_browser(documents: dict[str, Any], environment: Environment) -> None:
    [rule] = documents["CorsConfiguration"]["CorsRules"]
    assert rule["AllowedOrigins"] == [environment.frontend_url]


def test_every_bucket_refuses_plain_http_and_old_tls(stack: Template) -> None:
    for policy in stack.of_type("AWS::S3::BucketPolicy").values():
        denied = [
            statement["Condition"]
            for statement in policy["Properties"]["PolicyDocument"]["Statement"]
            if statement["Effect"] == "Deny" and statement["Action"] == "s3:*"
        ]
        assert {"Bool": {"aws:SecureTransport": "false"}} in denied
        assert {"NumericLessThan": {"s3:TlsVersion": 1.2}} in denied
