"""`python -m tests.synth.benchmark`: how long an environment takes to synthesize, as a ratio to re-emitting its finished templates.

The floor is an app that includes the templates with CfnInclude, in as many stacks, under the same policy packs: what the CDK takes
anyway. Both run in turn, in processes of their own, and the medians are compared.
"""

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import aws_cdk as cdk
from aws_cdk.cloudformation_include import CfnInclude

from stacks.policy import packs
from stacks.stage import EnvironmentStage
from tests.environments import ENVIRONMENTS
from tests.synth.assemblies import stage

RUNS = 5
ENVIRONMENT = "production"
CDK_JSON = Path(__file__).parents[2] / "cdk.json"


def synthesize() -> None:
    """One environment, as `app.py` makes it."""
    app = cdk.App()
    EnvironmentStage(app, ENVIRONMENTS[ENVIRONMENT])
    cdk.Validations.of(app).add_plugins(*packs(app))
    app.synth()


def include() -> None:
    """Its templates, as they are. The packs find what is acknowledged in the stacks: that is not looked at."""
    app = cdk.App()
    for file in stage(ENVIRONMENT).glob("*.template.json"):
        stack = cdk.Stack(app, file.name.partition(".")[0], synthesizer=cdk.LegacyStackSynthesizer())
        CfnInclude(stack, "Template", template_file=str(file))
    cdk.Validations.of(app).add_plugins(*packs(app))
    app.synth()


def seconds(what: str) -> float:
    context = json.loads(CDK_JSON.read_text())["context"]
    with tempfile.TemporaryDirectory() as output:
        begun = time.perf_counter()
        subprocess.run(
            [sys.executable, "-m", "tests.synth.benchmark", what],
            env={**os.environ, "CDK_OUTDIR": output, "CDK_CONTEXT_JSON": json.dumps(context)},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            check=False,
        )
        return time.perf_counter() - begun


def main() -> None:
    stage(ENVIRONMENT)  # made beforehand
    figures: dict[str, list[float]] = {"synthesize": [], "include": []}
    for _ in range(RUNS):
        for what, found in figures.items():
            found.append(seconds(what))
    medians = {what: statistics.median(found) for what, found in figures.items()}
    for what, median in medians.items():
        print(f"{what:10} {median:6.2f} s  ({min(figures[what]):.2f} to {max(figures[what]):.2f})")
    print(f"ratio      {medians['synthesize'] / medians['include']:6.2f}")


if __name__ == "__main__":
    {"synthesize": synthesize, "include": include}.get(sys.argv[1] if len(sys.argv) > 1 else "", main)()
