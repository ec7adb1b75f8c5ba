"""What must be true of every template."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from cfnlint.api import lint
from cfnlint.config import ManualArgs

from stacks.stage import EnvironmentStage

ROOT = Path(__file__).parents[2]
COMPONENTS = ("network", "database", "cache", "load-balancer", "registry", "remediation", "monitoring", "backend", "frontend")

Templates = dict[tuple[str, str], dict[str, Any]]


@pytest.fixture(scope="module")
def assembly(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The cloud assembly as the CLI gets it: `app.py` in a process of its own, the policy packs included."""
    output = tmp_path_factory.mktemp("assembly")
    context = json.loads((ROOT / "cdk.json").read_text())["context"]
    subprocess.run(
        [sys.executable, "app.py"],
        cwd=ROOT,
        env={
            **os.environ,
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
            "CDK_OUTDIR": str(output),
            "CDK_CONTEXT_JSON": json.dumps(context),
            "PYTHONHASHSEED": "1",
        },
        check=True,
    )
    return output


def test_every_environment_has_every_stack(template: Get) -> None:
    assert set(all_templates) == {(environment, component) for environment in ENVIRONMENTS for component in COMPONENTS}


def test_synth_is_deterministic(assembly: Path, stages: dict[str, EnvironmentStage]) -> None:
    root = next(iter(stages.values())).node.root
    again = Path(root.synth().directory)  # type: ignore[attr-defined] # the root of the stages is the App
    for one in sorted(assembly.rglob("*.template.json")):
        assert one.read_bytes() == (again / one.relative_to(assembly)).read_bytes(), one.name


@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_cfn_lint_is_clean(environment: str, assembly: Path) -> None:
    findings = [
        f"{template.name}: {match}"
        for template in sorted(assembly.glob(f"assembly-{environment}/*.template.json"))
        # W3005: the CDK makes a function depend on its role's whole construct, policies included, beside the reference to it.
        for match in lint(template.read_text(), config=ManualArgs(regions=["us-east-1"], ignore_checks=["W3005"]))
    ]
    assert findings == []


def test_no_secret_stands_in_a_template(template: Get) -> None:
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

    for (environment, component), template in all_templates.items():
        walk(template["Resources"], f"{environment}/{component}")
    assert found == []


STATEFUL = (
    "AWS::RDS::DBInstance",
    "AWS::DynamoDB::Table",
    "AWS::S3::Bucket",
    "AWS::KMS::Key",
    "AWS::ECR::Repository",
    "AWS::Logs::LogGroup",
    "AWS::ElastiCache::ReplicationGroup",
)


def test_what_holds_data_is_kept_when_its_stack_goes(template: Get) -> None:
    lost = [
        f"{environment}/{component}/{name}"
        for (environment, component), template in all_templates.items()
        for name, resource in template["Resources"].items()
        if resource["Type"] in STATEFUL and resource.get("DeletionPolicy") not in ("Retain", "Snapshot")
    ]
    assert lost == []


def test_no_custom_resource_is_used(template: Get) -> None:
    custom = [
        f"{environment}/{component}/{name}"
        for (environment, component), template in all_templates.items()
        for name, resource in template["Resources"].items()
        if resource["Type"].startswith(("Custom::", "AWS::CloudFormation::CustomResource"))
    ]
    assert custom == []
