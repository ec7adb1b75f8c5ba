"""AwsSolutions and NIST 800-53 R5 over every stack: no finding left, and no acknowledgement that nothing needs any more."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from stacks.policy import ACKNOWLEDGEMENTS
from tests.environments import VARIANTS, VARIANTS_CONFIG
from tests.synth.assemblies import UNVALIDATED

ROOT = Path(__file__).parents[3]

Finding = tuple[str, str]
"""(construct path, finding id)"""

pytestmark = pytest.mark.xdist_group("bare")


@pytest.fixture(scope="module")
def bare(tmp_path_factory: pytest.TempPathFactory) -> "subprocess.CompletedProcess[str]":
    """`cdk synth` when nothing is acknowledged, of an environment with every optional part and as many zones as can be.

    Under the CLI: there the CDK itself only sets the exit status of a process that Python does not see.
    """
    folder = tmp_path_factory.mktemp("bare")
    app = folder / "bare.py"
    app.write_text(
        "import runpy, stacks.policy as policy\n"
        "policy.ACKNOWLEDGEMENTS = dict.fromkeys(policy.ACKNOWLEDGEMENTS, ())\n"
        f"runpy.run_path('{ROOT / 'app.py'}')\n"
    )
    for name in ("application", "everything"):
        (folder / f"{name}.toml").write_text((VARIANTS_CONFIG / f"{name}.toml").read_text())
    tools = (ROOT / "node_modules/.bin", Path(sys.executable).parent, os.environ["PATH"])
    return subprocess.run(
        [
            *("cdk", "synth", "--quiet", "--app", f"{sys.executable} {app}", "--output", folder / "out", "--no-notices"),
            *("-c", f"config={folder}"),
        ],
        cwd=ROOT,
        env={
            **os.environ,
            **UNVALIDATED,
            "PYTHONPATH": str(ROOT),
            "PATH": os.pathsep.join(map(str, tools)),
            "CDK_DISABLE_CLI_TELEMETRY": "1",
        },
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture(scope="module")
def found(bare: "subprocess.CompletedProcess[str]") -> set[Finding]:
    """What the packs find when nothing is acknowledged."""
    lines = re.findall(r"^(everything/\S+): ((?:AwsSolutions|NIST)[^ ]*(?:\[.*?\])?): ", bare.stderr, re.MULTILINE)
    return set(lines)


@pytest.fixture(scope="module")
def acknowledged() -> set[Finding]:
    return {
        (f"everything/{component}/{entry.path}", finding)
        for component, entries in ACKNOWLEDGEMENTS.items()
        for entry in entries
        for finding in entry.findings(VARIANTS["everything"])
    }


def test_a_finding_that_is_left_fails_synth(bare: "subprocess.CompletedProcess[str]", found: set[Finding]) -> None:
    assert bare.returncode == 1
    assert ("everything/network/LoadBalancerSecurityGroup/Resource", "AwsSolutions-EC23") in found


def test_no_finding_is_left(found: set[Finding], acknowledged: set[Finding]) -> None:
    assert sorted(found - acknowledged) == []


def test_no_acknowledgement_is_stale(found: set[Finding], acknowledged: set[Finding]) -> None:
    assert sorted(acknowledged - found) == []


def test_both_packs_find_something_to_acknowledge(found: set[Finding]) -> None:
    assert {re.split(r"-(?=[A-Z])", finding)[0] for _, finding in found} == {"AwsSolutions", "NIST.800.53.R5"}


@pytest.mark.parametrize("component", ACKNOWLEDGEMENTS)
def test_each_acknowledgement_says_why(component: str) -> None:
    for entry in ACKNOWLEDGEMENTS[component]:
        assert len(entry.reason.split()) >= 6, f"{component}/{entry.path}: {entry.reason!r} is no reason"
        assert not [finding for finding in entry.ids if "*" in finding.split("[")[0]], "a finding is named in full"
