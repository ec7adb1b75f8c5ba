"""The CDK application: a stage for each file of config/, with the policy packs over all of them."""

import os
import sys

import aws_cdk as cdk

from stacks.environment import ConfigError, load_all
from stacks.policy import packs
from stacks.stage import EnvironmentStage

try:
    environments = load_all()
except ConfigError as error:
    sys.exit(str(error))

app = cdk.App()
for environment in environments:
    EnvironmentStage(app, environment, credentials_account=os.environ.get("CDK_DEFAULT_ACCOUNT"))
cdk.Validations.of(app).add_plugins(*packs(app))
app.synth()
