"""Names that something else has."""

import pytest
from botocore import xform_name
from botocore.session import Session

from local.preflight.names import NAMED

from .aws import Aws, case, line, lines, stack

SECRET = "hz-navigator-production-db-password"
TABLE = "hz-navigator-production-incidents"
DATABASE = stack(
    "database",
    Secret=("AWS::SecretsManager::Secret", {"Name": SECRET}),
    Logs=("AWS::Logs::LogGroup", {"LogGroupName": "/aws/rds/postgresql"}),
    Generated=("AWS::SecretsManager::Secret", {}),
)


class TestNames:
    """A fixed name is free, or belongs to the stack that makes it."""

    def test_what_nobody_has_is_free(self, aws: Aws) -> None:
        assert line("names", case(aws, DATABASE)) == "ok: none is taken"

    def test_what_somebody_made_by_hand_is_named(self, aws: Aws) -> None:
        aws.client("secretsmanager").create_secret(Name=SECRET, SecretString="x")
        assert line("names", case(aws, DATABASE)) == (
            f"fix: {SECRET} (AWS::SecretsManager::Secret) is there, and no stack of the environment made it: delete it, or take it "
            "over as docs/deploying.md says"
        )

    def test_a_secret_that_waits_for_its_deletion_keeps_its_name(self, aws: Aws) -> None:
        aws.client("secretsmanager").create_secret(Name=SECRET, SecretString="x")
        aws.client("secretsmanager").delete_secret(SecretId=SECRET, RecoveryWindowInDays=7)
        only = line("names", case(aws, DATABASE))
        which = f"--region us-east-1 --secret-id {SECRET}"
        assert only.startswith(f"fix: the secret {SECRET} waits for its deletion on 20")
        assert only.endswith(
            f" and keeps its name: aws secretsmanager restore-secret {which} and take it over, or, if nobody needs its value any "
            f"more, aws secretsmanager delete-secret --force-delete-without-recovery {which}"
        )

    def test_what_our_stack_made_is_not_asked_for(self, aws: Aws) -> None:
        aws.client("secretsmanager").create_secret(Name=SECRET, SecretString="x")
        aws.stands(DATABASE)
        assert line("names", case(aws, DATABASE)) == "ok: none is taken"
        assert not {"DescribeSecret", "DescribeLogGroups"} & {operation for operation, _ in aws.asked}

    def test_what_comes_new_into_a_stack_has_to_be_free(self, aws: Aws) -> None:
        aws.client("secretsmanager").create_secret(Name=SECRET, SecretString="x")
        aws.stands(DATABASE, "UPDATE_COMPLETE", but=["Secret"])
        assert line("names", case(aws, DATABASE)).startswith(f"fix: {SECRET} (AWS::SecretsManager::Secret) is there, and no")

    @pytest.mark.parametrize("status", ["ROLLBACK_COMPLETE", "ROLLBACK_FAILED"])
    def test_what_a_failed_creation_left_behind_is_in_the_way(self, aws: Aws, status: str) -> None:
        aws.client("logs").create_log_group(logGroupName="/aws/rds/postgresql")
        aws.stands(DATABASE, status)
        assert line("names", case(aws, DATABASE)).startswith("fix: /aws/rds/postgresql (AWS::Logs::LogGroup) is there, and no")

    def test_a_name_that_only_begins_like_ours_is_not_ours(self, aws: Aws) -> None:
        aws.client("logs").create_log_group(logGroupName="/aws/rds/postgresql-of-others")
        assert line("names", case(aws, DATABASE)) == "ok: none is taken"

    def test_those_that_cannot_be_asked_hide_no_others(self, aws: Aws) -> None:
        aws.client("logs").create_log_group(logGroupName="/aws/rds/postgresql")
        aws.refuse("DescribeSecret", "AccessDeniedException")
        assert [one.partition(" (")[0] for one in lines("names", case(aws, DATABASE))] == [
            "fix: /aws/rds/postgresql",
            "not known: your credentials need secretsmanager:DescribeSecret",
        ]

    def test_a_resource_is_asked_for_in_its_stacks_region(self, aws: Aws) -> None:
        aws.client("dynamodb", "eu-west-1").create_table(
            TableName=TABLE,
            AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
            KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
            BillingMode="PAY_PER_REQUEST",
        )
        table = ("AWS::DynamoDB::Table", {"TableName": TABLE})
        assert line("names", case(aws, stack("remediation", Table=table))) == "ok: none is taken"
        assert line("names", case(aws, stack("remediation", region="eu-west-1", Table=table))).startswith(f"fix: {TABLE} (")

    def test_all_alarms_are_asked_for_at_once(self, aws: Aws) -> None:
        alarms = {f"A{n}": ("AWS::CloudWatch::Alarm", {"AlarmName": f"hz-navigator-production-{n}"}) for n in range(9)}
        aws.answer("cloudwatch", "DescribeAlarms", {"MetricAlarms": [{"AlarmName": "hz-navigator-production-7"}]})
        assert line("names", case(aws, stack("monitoring", **alarms))).startswith(
            "fix: hz-navigator-production-7 (AWS::CloudWatch::Alarm) is there"
        )
        assert [operation for operation, _ in aws.asked].count("DescribeAlarms") == 1

    def test_slack_channels_are_asked_for_where_the_api_is(self, aws: Aws) -> None:
        channel = ("AWS::Chatbot::SlackChannelConfiguration", {"ConfigurationName": "hz"})
        found = {
            "ConfigurationName": "hz",
            "SlackTeamName": "t",
            "SlackTeamId": "T1",
            "SlackChannelId": "C1",
            "SlackChannelName": "c",
            "ChatConfigurationArn": "arn:aws:chatbot::123456789012:chat-configuration/slack-channel/hz",
            "IamRoleArn": "arn:aws:iam::123456789012:role/hz",
            "SnsTopicArns": [],
        }
        aws.answer("chatbot", "DescribeSlackChannelConfigurations", {"SlackChannelConfigurations": [found]})
        assert line("names", case(aws, stack("remediation", Slack=channel))).startswith("fix: hz (AWS::Chatbot::")
        assert ("DescribeSlackChannelConfigurations", "us-east-2") in aws.asked


class TestBuckets:
    """A bucket's name is one in all of AWS."""

    STACK = stack(
        "frontend",
        Live=("AWS::S3::Bucket", {"BucketName": "hz-navigator-frontend-production"}),
        Logs=("AWS::S3::Bucket", {}),
    )

    def test_one_that_nobody_has_is_free(self, aws: Aws) -> None:
        assert line("buckets", case(aws, self.STACK)) == "ok: 1 are free"

    def test_one_of_this_account_is_named(self, aws: Aws) -> None:
        aws.client("s3").create_bucket(Bucket="hz-navigator-frontend-production")
        assert line("buckets", case(aws, self.STACK)) == (
            "fix: hz-navigator-frontend-production (AWS::S3::Bucket) is there, and no stack of the environment made it: delete it, "
            "or take it over as docs/deploying.md says"
        )

    def test_one_of_another_account_cannot_be_had(self, aws: Aws) -> None:
        aws.refuse("HeadBucket", "403", "Forbidden")
        assert line("buckets", case(aws, self.STACK)) == (
            "fix: the bucket hz-navigator-frontend-production is another account's, or closed to you: choose other names "
            "under buckets in config/production.toml"
        )

    def test_our_own_is_ok(self, aws: Aws) -> None:
        aws.client("s3").create_bucket(Bucket="hz-navigator-frontend-production")
        aws.stands(self.STACK)
        assert line("buckets", case(aws, self.STACK)) == "ok: no more are needed"


@pytest.mark.parametrize("type_", NAMED)
def test_a_name_is_absent_by_an_error_that_the_operation_has(type_: str) -> None:
    how = NAMED[type_]
    model = Session().get_service_model(how.service)
    (operation,) = (name for name in model.operation_names if xform_name(name) == how.operation)
    errors = {
        error.metadata.get("error", {}).get("code", error.name) for error in model.operation_model(operation).error_shapes
    }
    assert set(how.absent) <= errors
