"""The CDK application: a stage for each environment of `config/`, with the policy packs over all of them.

`cdk synth -c config=FOLDER` reads the environments from another folder.
"""

import os
import sys
from pathlib import Path

import aws_cdk as cdk

from stacks.config import CONFIG, ConfigError, load_all
from stacks.policy import failures, packs
from stacks.stage import EnvironmentStage

app = cdk.App()
try:
    for environment in load_all(Path(app.node.try_get_context("config") or CONFIG)):
        EnvironmentStage(app, environment, credentials_account=os.environ.get("CDK_DEFAULT_ACCOUNT"))
except ConfigError as error:
    sys.exit(str(error))

cdk.Validations.of(app).add_plugins(*packs(app))
if found := failures(Path(app.synth().directory)):
    sys.exit(found)
