"""What cannot be asked is not known, and says what is missing."""

import boto3
import pytest
from botocore.exceptions import ConnectTimeoutError

from local.preflight.account import Account, NotKnown

from .aws import Aws


def account(aws: Aws) -> Account:
    return Account(aws.session, "us-east-1")


@pytest.mark.parametrize(
    ("service", "operation", "code", "action"),
    [
        ("ec2", "describe_vpcs", "UnauthorizedOperation", "ec2:DescribeVpcs"),
        ("elbv2", "describe_load_balancers", "AccessDenied", "elasticloadbalancing:DescribeLoadBalancers"),
        ("cloudwatch", "describe_alarms", "AccessDeniedException", "cloudwatch:DescribeAlarms"),
        ("lambda", "get_account_settings", "AccessDeniedException", "lambda:GetAccountSettings"),
    ],
)
def test_a_denied_question_names_the_permission_as_iam_does(
    aws: Aws, service: str, operation: str, code: str, action: str
) -> None:
    aws.refuse("".join(part.title() for part in operation.split("_")), code)
    with pytest.raises(NotKnown, match=f"^your credentials need {action}$"):
        account(aws).ask(service, operation)


@pytest.mark.parametrize(
    ("operation", "parameters", "action"),
    [
        ("s3.head_bucket", {"Bucket": "taken"}, "s3:ListBucket"),
        ("lambda.get_layer_version_by_arn", {"Arn": "arn:aws:lambda:us-east-1:1:layer:x:1"}, "lambda:GetLayerVersion"),
    ],
)
def test_an_operation_is_asked_for_by_the_action_that_iam_knows(
    aws: Aws, operation: str, parameters: dict[str, str], action: str
) -> None:
    aws.refuse("GetLayerVersionByArn", "ResourceNotFoundException")
    service, _, method = operation.partition(".")
    asked = account(aws)
    asked.ask(service, method, absent=("404", "ResourceNotFoundException"), **parameters)
    assert asked.asked == {action}


@pytest.mark.parametrize(
    ("code", "says"),
    [
        ("ExpiredToken", "us-east-1 does not accept your credentials (ExpiredToken): renew them"),
        ("Throttling", "AWS limits how often ec2:DescribeVpcs is answered: run this again in a minute"),
        ("InternalError", "ec2:DescribeVpcs was answered with InternalError No."),
    ],
)
def test_other_failures_say_what_to_do_or_what_aws_said(aws: Aws, code: str, says: str) -> None:
    aws.refuse("DescribeVpcs", code)
    with pytest.raises(NotKnown) as why:
        account(aws).ask("ec2", "describe_vpcs")
    assert str(why.value) == says


def test_what_is_absent_is_empty(aws: Aws) -> None:
    assert account(aws).ask("ssm", "get_parameter", absent=("ParameterNotFound",), Name="/none") == {}


def test_all_pages_are_read(aws: Aws) -> None:
    names = {f"group-{number:03d}" for number in range(60)}
    for name in names:
        aws.client("logs").create_log_group(logGroupName=name)
    answer = account(aws).ask("logs", "describe_log_groups")
    assert {group["logGroupName"] for group in answer["logGroups"]} == names


def test_without_a_network_the_service_could_not_be_asked(aws: Aws, monkeypatch: pytest.MonkeyPatch) -> None:
    def unreachable(*_: object, **__: object) -> None:
        raise ConnectTimeoutError(endpoint_url="https://ec2")

    monkeypatch.setattr("botocore.endpoint.Endpoint.make_request", unreachable)
    with pytest.raises(NotKnown, match=r"^ec2 in us-east-1 could not be asked: Connect timeout on endpoint URL"):
        account(aws).ask("ec2", "describe_vpcs")


def test_without_credentials_nothing_can_be_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"):
        monkeypatch.setenv(name, "/dev/null")
    for name in ("AWS_PROFILE", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    with pytest.raises(NotKnown, match=r"^sts in us-east-1 could not be asked: Unable to locate credentials"):
        Account(boto3.Session(), "us-east-1").ask("sts", "get_caller_identity")
