"""What must be true of any environment, held against every file that there is in `config/`, and against the fixtures.

A team that puts its own values into `config/` sees nothing red here but a rule that these values break.
"""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from cfnlint.api import lint
from cfnlint.config import ManualArgs

from stacks import config
from tests.environments import CONFIG, VARIANTS_CONFIG
from tests.synth.assemblies import UNVALIDATED, stage, templates, termination_protection

ROOT = Path(__file__).parents[2]
TOOLS = os.pathsep.join((str(ROOT / "node_modules/.bin"), str(Path(sys.executable).parent), os.environ["PATH"]))
COMPONENTS = (
    "network",
    "database",
    "cache",
    "load-balancer",
    "registry",
    "remediation",
    "monitoring",
    "backend",
    "frontend",
    "procedures",
)

SHIPPED = [(name, config.CONFIG) for name in config.names(config.CONFIG)]
EVERYTHING = ("everything", VARIANTS_CONFIG)
ENVIRONMENTS = [*SHIPPED, *((name, folder) for folder in (CONFIG, VARIANTS_CONFIG) for name in config.names(folder))]


def label(value: object) -> str:
    return value.name if isinstance(value, Path) else str(value)


any_environment = pytest.mark.parametrize(("name", "folder"), ENVIRONMENTS, ids=label)


def resources(name: str, folder: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    """Every resource of an environment, with the path to show."""
    for component, template in templates(name, folder).items():
        for logical_id, resource in template.resources.items():
            yield f"{name}/{component}/{logical_id}", resource


@any_environment
def test_it_has_every_stack(name: str, folder: Path) -> None:
    assert set(templates(name, folder)) == set(COMPONENTS)


LINTED = [(name, folder, component) for name, folder in SHIPPED for component in COMPONENTS]
LINTED += [(*EVERYTHING, component) for component in ("network", "remediation", "monitoring")]  # where its options are


@pytest.mark.parametrize(("name", "folder", "component"), LINTED, ids=label)
def test_cfn_lint_is_clean(name: str, folder: Path, component: str) -> None:
    region = "us-east-1" if component == "frontend" else config.load(name, folder).region
    text = json.dumps(templates(name, folder)[component].body, indent=1)
    # W3005: the CDK makes a function depend on its role's whole construct, policies included, beside the reference to it.
    assert [str(match) for match in lint(text, config=ManualArgs(regions=[region], ignore_checks=["W3005"]))] == []


@any_environment
def test_no_secret_stands_in_a_template(name: str, folder: Path) -> None:
    """Values under keys that sound secret are references, never literals."""
    telling = ("password", "secretstring", "authtoken", "token")
    found = []

    def walk(value: object, path: str) -> None:
        if isinstance(value, dict):
            for key, child in value.items():
                if key.lower() in telling and isinstance(child, str) and not child.startswith("{{resolve:"):
                    found.append(f"{path}/{key}")
                walk(child, f"{path}/{key}")
        elif isinstance(value, list):
            for index, child in enumerate(value):
                walk(child, f"{path}/{index}")

    for path, resource in resources(name, folder):
        walk(resource, path)
    assert found == []


@any_environment
def test_a_rollout_of_the_most_tasks_stays_under_the_critical_line_of_connections(name: str, folder: Path) -> None:
    found, environment = templates(name, folder), config.load(name, folder)
    tasks = found["backend"].properties("AWS::ApplicationAutoScaling::ScalableTarget")["MaxCapacity"]
    service = found["backend"].properties("AWS::ECS::Service")["DeploymentConfiguration"]
    line = found["monitoring"].properties("AWS::CloudWatch::Alarm", AlarmName=environment.alarm("rds-connections", "critical"))
    parameters = found["database"].properties("AWS::RDS::DBParameterGroup")["Parameters"]
    opened = tasks * service["MaximumPercent"] / 100 * environment.backend.pool_size
    assert opened < line["Threshold"] < int(parameters["max_connections"])


STATEFUL = (
    "AWS::RDS::DBInstance",
    "AWS::DynamoDB::Table",
    "AWS::S3::Bucket",
    "AWS::KMS::Key",
    "AWS::ECR::Repository",
    "AWS::Logs::LogGroup",
    "AWS::ElastiCache::ReplicationGroup",
    "AWS::SecretsManager::Secret",
)


@any_environment
def test_what_holds_data_is_kept_unless_its_creation_is_rolled_back(name: str, folder: Path) -> None:
    """Kept after a failed creation, it would hold its name, and the next attempt would fail on that."""
    assert {
        path.partition("/")[2]: resource.get("DeletionPolicy")
        for path, resource in resources(name, folder)
        if resource["Type"] in STATEFUL
        and (resource.get("DeletionPolicy"), resource.get("UpdateReplacePolicy")) != ("RetainExceptOnCreate", "Retain")
    } == {
        # Never empty, so S3 refuses to delete them; their names are generated and in nobody's way.
        f"{component}/AccessLogs8B620ECA": "Retain"
        for component in ("load-balancer", "backend", "frontend", "remediation")
    }


@any_environment
def test_nothing_can_be_deleted_by_mistake_once_protection_is_set(name: str, folder: Path) -> None:
    protection = config.load(name, folder).protection
    found = templates(name, folder)
    attributes = found["load-balancer"].properties("AWS::ElasticLoadBalancingV2::LoadBalancer")["LoadBalancerAttributes"]
    assert {
        "database": found["database"].properties("AWS::RDS::DBInstance")["DeletionProtection"],
        **{
            table["Properties"]["TableName"].rpartition("-")[2]: table["Properties"]["DeletionProtectionEnabled"]
            for table in found["remediation"].of_type("AWS::DynamoDB::Table").values()
        },
        "load balancer": {"Key": "deletion_protection.enabled", "Value": "true"} in attributes,
        **termination_protection(name, folder),
    } == dict.fromkeys(("database", "incidents", "records", "load balancer", *COMPONENTS), protection)


@any_environment
def test_no_custom_resource_is_used(name: str, folder: Path) -> None:
    custom = ("Custom::", "AWS::CloudFormation::CustomResource")
    assert [path for path, resource in resources(name, folder) if resource["Type"].startswith(custom)] == []


@pytest.mark.parametrize(("name", "folder"), [*SHIPPED, ("production", CONFIG)], ids=label)
def test_the_names_are_the_runbooks(name: str, folder: Path) -> None:
    """The runbook's commands find what is deployed, whatever else an environment's file says."""
    prefix = f"{config.load_application(folder).name}-{name}"
    found = templates(name, folder)
    assert found["backend"].properties("AWS::ECS::Cluster")["ClusterName"] == f"{prefix}-cluster"
    assert found["backend"].properties("AWS::ECS::Service")["ServiceName"] == f"{prefix}-backend-service"
    assert found["backend"].properties("AWS::ECS::TaskDefinition")["Family"] == f"{prefix}-backend"
    assert found["database"].properties("AWS::RDS::DBInstance")["DBInstanceIdentifier"] == f"{prefix}-postgres"
    assert found["cache"].properties("AWS::ElastiCache::ReplicationGroup")["ReplicationGroupId"] == f"{prefix}-redis"
    assert found["load-balancer"].properties("AWS::ElasticLoadBalancingV2::LoadBalancer")["Name"] == f"{prefix}-alb"
    assert found["monitoring"].properties("AWS::CloudWatch::Dashboard")["DashboardName"] == prefix


@pytest.mark.parametrize("name", config.names(VARIANTS_CONFIG))
def test_another_application_is_its_file(name: str) -> None:
    """No name of the application that this was written for stands anywhere but in `config/application.toml`."""
    assert config.load_application(VARIANTS_CONFIG).name == "acme-maps"
    for component, template in templates(name, VARIANTS_CONFIG).items():
        body = json.dumps({key: one for key, one in template.resources.items() if key != "CDKMetadata"})
        assert not [word for word in ("hz-", "hz_", "HZ", "Hz") if word in body], f"{name}/{component}"


@pytest.fixture(scope="module")
def again(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The assembly of staging and of a copy of it under another name, made by a process whose hashes have another seed."""
    folder, made = tmp_path_factory.mktemp("config"), tmp_path_factory.mktemp("again")
    for name in ("application", "staging"):
        (folder / f"{name}.toml").write_text((CONFIG / f"{name}.toml").read_text())
    copy = (CONFIG / "staging.toml").read_text().replace("10.1.0.0/16", "10.7.0.0/16")
    (folder / "review-7.toml").write_text(copy.replace("staging.", "review-7."))
    subprocess.run(
        ["cdk", "synth", "--quiet", "--output", made, "-c", f"config={folder}", "--no-notices"],
        cwd=ROOT,
        env={**os.environ, **UNVALIDATED, "PATH": TOOLS, "CDK_DISABLE_CLI_TELEMETRY": "1", "PYTHONHASHSEED": "1"},
        check=True,
        capture_output=True,
    )
    return made


@pytest.mark.xdist_group("again")
def test_synth_is_deterministic(again: Path) -> None:
    made = sorted((again / "assembly-staging").glob("*.template.json"))
    assert len(made) == len(COMPONENTS)
    for file in made:
        assert file.read_bytes() == (stage("staging") / file.name).read_bytes(), file.name


@pytest.mark.xdist_group("again")
def test_a_file_more_is_an_environment_more(again: Path) -> None:
    stacks = [
        artifact["properties"]["stackName"]
        for artifact in json.loads((again / "assembly-review-7/manifest.json").read_text())["artifacts"].values()
        if artifact["type"] == "aws:cloudformation:stack"
    ]
    assert sorted(stacks) == sorted(f"hz-navigator-review-7-{component}" for component in COMPONENTS)
