"""What every function has: the code, AWS's Powertools layer, a role of its own, its log group and its dead letters."""

from collections.abc import Mapping
from pathlib import Path

import aws_cdk as cdk
from aws_cdk import aws_events as events
from aws_cdk import aws_events_targets as targets
from aws_cdk import aws_iam as iam
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_sns as sns

from lambdas.common.settings import MOST_BYTES, Settings, size
from stacks.base import EnvironmentStack
from stacks.config import ConfigError
from stacks.environment import Environment

ROOT = Path(__file__).parents[2]
PACKAGES = ("lambdas", "runbook")
"""What ships: all functions in one asset, importable as here."""
RUNTIME = lambda_.Runtime.PYTHON_3_14
POWERTOOLS_LAYER = "arn:aws:lambda:{region}:017000801446:layer:AWSLambdaPowertoolsPythonV3-python314-arm64:38"
"""AWS's published layer for RUNTIME, pydantic in it: https://docs.aws.amazon.com/powertools/python/latest/"""


def function(
    stack: EnvironmentStack,
    environment: Environment,
    construct_id: str,
    name: str,
    description: str,
    *,
    settings: Settings,
    statements: list[iam.PolicyStatement],
    more: Mapping[str, list[iam.PolicyStatement]] | None = None,
    dead_letters: sns.Topic,
    timeout: cdk.Duration,
    reserved_concurrent_executions: int,
    max_event_age: cdk.Duration,
    retry_attempts: int,
) -> lambda_.Function:
    """The function of the folder `name` in `lambdas/`, under a role of its own that has the statements; those of `more` in
    policies with these ids, as IAM allows 6,144 characters in one.

    ConfigError when its settings are more than Lambda's environment variables may hold.
    """
    log_group = stack.log_group(f"{construct_id}Logs", environment.function_log_group(name))
    policy = iam.ManagedPolicy(
        stack,
        f"{construct_id}Policy",
        statements=[
            *statements,
            iam.PolicyStatement(actions=["logs:CreateLogStream", "logs:PutLogEvents"], resources=[log_group.log_group_arn]),
            iam.PolicyStatement(  # to publish to an encrypted topic
                actions=["kms:Decrypt", "kms:GenerateDataKey"],
                resources=[dead_letters.master_key.key_arn if dead_letters.master_key else ""],
                conditions={"StringEquals": {"kms:ViaService": f"sns.{environment.region}.amazonaws.com"}},
            ),
        ],
    )
    others = [iam.ManagedPolicy(stack, one, statements=granted) for one, granted in (more or {}).items()]
    # The policy on the role, not the other way round: Lambda wants to see it when the function names its dead letters.
    role = iam.Role(
        stack,
        f"{construct_id}Role",
        assumed_by=iam.ServicePrincipal("lambda.amazonaws.com"),
        managed_policies=[policy, *others],
    )
    return lambda_.Function(
        stack,
        construct_id,
        function_name=environment.function(name),
        description=description,
        runtime=RUNTIME,
        architecture=lambda_.Architecture.ARM_64,
        code=lambda_.Code.from_asset(
            str(ROOT),
            ignore_mode=cdk.IgnoreMode.DOCKER,
            exclude=["*", *(f"!{package}" for package in PACKAGES), "**/__pycache__", "**/.*", "**/ruff.toml"],
        ),
        handler=f"lambdas.{name.replace('-', '_')}.handler.handle",
        layers=[
            lambda_.LayerVersion.from_layer_version_arn(
                stack, f"{construct_id}Powertools", POWERTOOLS_LAYER.format(region=environment.region)
            )
        ],
        role=role.without_policy_updates(),  # its permissions are the statements above
        environment=_variables(environment, name, settings),
        environment_encryption=stack.key,
        memory_size=512,
        log_group=log_group,
        dead_letter_topic=dead_letters,
        timeout=timeout,
        reserved_concurrent_executions=reserved_concurrent_executions,
        max_event_age=max_event_age,
        retry_attempts=retry_attempts,
    )


def _variables(environment: Environment, name: str, settings: Settings) -> dict[str, str]:
    variables = settings.variables()
    if (bytes_ := size(variables)) > MOST_BYTES:
        longest = max(variables, key=lambda variable: len(variables[variable]))
        raise ConfigError(
            f"{environment.name}.toml: the environment variables of the function {name} would have {bytes_} bytes, and Lambda "
            f"allows {MOST_BYTES}: shorten what {longest} is made from, {len(variables[longest])} characters"
        )
    return variables


def may_read(environment: Environment, secret: str) -> iam.PolicyStatement:
    """Reading a secret by its name. Secrets Manager ends its ARN with six characters of its own."""
    return iam.PolicyStatement(
        actions=["secretsmanager:GetSecretValue"], resources=[environment.arn("secretsmanager", f"secret:{secret}-??????")]
    )


def every_minute(stack: EnvironmentStack, construct_id: str, target: lambda_.Function, description: str) -> None:
    """Run a function every minute; the next minute is the retry."""
    events.Rule(
        stack,
        construct_id,
        description=description,
        schedule=events.Schedule.rate(cdk.Duration.minutes(1)),
        targets=[targets.LambdaFunction(target, retry_attempts=0)],
    )
