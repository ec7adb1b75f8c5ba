"""The CDK application: a stage for each environment of `config/`, with the policy packs over all of them.

`cdk synth -c config=FOLDER` reads the environments from another folder. With credentials, when this may be a deployment, an
environment that still has example values is left out.
"""

import os
import sys
from pathlib import Path

import aws_cdk as cdk

from stacks.config import CONFIG, ConfigError, load_all
from stacks.policy import failures, packs
from stacks.readiness import remarks, undeployable
from stacks.stage import EnvironmentStage

app = cdk.App(context={"@aws-cdk/core:failSynthOnValidationErrors": False})  # the CLI's own way: failures() says what is wrong
folder = Path(app.node.try_get_context("config") or CONFIG)
try:
    for environment in load_all(folder):
        left = undeployable(environment.model_dump(), os.environ.get("CDK_DEFAULT_ACCOUNT"))
        for sentence in left or remarks(environment):
            print(f"{folder.name}/{environment.name}.toml: {sentence}", file=sys.stderr)
        if not left:
            EnvironmentStage(app, environment)
except ConfigError as error:
    sys.exit(str(error))

if not app.node.children:
    sys.exit("Nothing can be deployed before these are replaced: `make init` asks for them.")
cdk.Validations.of(app).add_plugins(*packs(app))
if found := failures(Path(app.synth().directory)):
    sys.exit(found)
