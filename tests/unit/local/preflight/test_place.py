"""Where it goes."""

import pytest

from .aws import Aws, case, line, lines, stack

STACK = "hz-navigator-production-network"
NETWORK = stack("network", Vpc=("AWS::EC2::VPC", {}))


def test_the_credentials_of_the_configured_account_are_ok(aws: Aws) -> None:
    assert line("credentials", case(aws)) == "ok: arn:aws:sts::123456789012:user/moto in account 123456789012"


def test_the_credentials_of_another_account_are_named(aws: Aws) -> None:
    aws.answer("sts", "GetCallerIdentity", {"Account": "999999999999", "Arn": "arn:aws:iam::999999999999:user/me"})
    assert line("credentials", case(aws)) == (
        "fix: your credentials are for account 999999999999: take some for 123456789012, or set account in config/production.toml"
    )


@pytest.mark.parametrize(
    ("region", "says"),
    [
        ({"RegionName": "us-east-1", "OptInStatus": "opt-in-not-required"}, "ok: us-east-1 is enabled"),
        (
            {"RegionName": "us-east-1", "OptInStatus": "not-opted-in"},
            "fix: us-east-1 is not enabled in the account: aws account enable-region --region-name us-east-1",
        ),
        ({"RegionName": "us-east-2"}, "fix: AWS has no region us-east-1: set region in config/production.toml"),
    ],
)
def test_the_region_has_to_be_enabled(aws: Aws, region: dict[str, str], says: str) -> None:
    aws.answer("ec2", "DescribeRegions", {"Regions": [region]})
    assert line("region", case(aws)) == says


class TestBootstrap:
    """Each region that is deployed to has one that is new enough."""

    def version(self, aws: Aws, version: str, region: str = "us-east-1") -> None:
        name = "/cdk-bootstrap/hnb659fds/version"
        aws.client("ssm", region).put_parameter(Name=name, Value=version, Type="String", Overwrite=True)

    def test_a_new_enough_one_is_ok(self, aws: Aws) -> None:
        self.version(aws, "6")
        assert line("bootstrap", case(aws, NETWORK)) == "ok: us-east-1 has version 6, 6 is needed"

    def test_without_one_the_command_is_given(self, aws: Aws) -> None:
        assert line("bootstrap", case(aws, NETWORK)) == (
            "fix: us-east-1 is not bootstrapped: cdk bootstrap aws://123456789012/us-east-1"
        )

    def test_an_old_one_has_to_be_renewed(self, aws: Aws) -> None:
        self.version(aws, "5")
        assert line("bootstrap", case(aws, NETWORK)) == (
            "fix: us-east-1 has version 5, 6 is needed: cdk bootstrap aws://123456789012/us-east-1"
        )

    def test_each_region_needs_one(self, aws: Aws) -> None:
        self.version(aws, "6")
        asked = case(aws, NETWORK, stack("frontend", region="eu-central-1"))
        assert line("bootstrap", asked) == (
            "fix: eu-central-1 is not bootstrapped: cdk bootstrap aws://123456789012/eu-central-1"
        )


class TestStacks:
    """A stack that is there can be deployed again, or there is something to do first."""

    def status(self, aws: Aws, status: str, *, protected: bool = False) -> list[str]:
        aws.stands(NETWORK, status, protected=protected)
        return lines("stacks", case(aws, NETWORK))

    def test_in_an_empty_account_none_stands(self, aws: Aws) -> None:
        assert line("stacks", case(aws, NETWORK)) == "ok: 0 of 1 stand"

    @pytest.mark.parametrize("status", ["CREATE_COMPLETE", "UPDATE_COMPLETE", "UPDATE_ROLLBACK_COMPLETE", "IMPORT_COMPLETE"])
    def test_one_that_stands_is_ok(self, aws: Aws, status: str) -> None:
        assert self.status(aws, status) == ["ok: 1 of 1 stand"]

    def test_one_that_is_only_being_reviewed_does_not_stand(self, aws: Aws) -> None:
        assert self.status(aws, "REVIEW_IN_PROGRESS") == ["ok: 0 of 1 stand"]

    @pytest.mark.parametrize("status", ["ROLLBACK_COMPLETE", "ROLLBACK_FAILED"])
    def test_after_a_failed_creation_the_next_deploy_makes_it_again(self, aws: Aws, status: str) -> None:
        assert self.status(aws, status) == [f"later: {STACK} is in {status}: cdk deploy deletes it and makes it again"]

    def test_after_a_failed_creation_protection_has_to_go(self, aws: Aws) -> None:
        assert self.status(aws, "ROLLBACK_COMPLETE", protected=True) == [
            f"fix: {STACK} is in ROLLBACK_COMPLETE and protected, so that cdk deploy cannot make it again: aws cloudformation "
            f"update-termination-protection --no-enable-termination-protection --region us-east-1 --stack-name {STACK}"
        ]

    @pytest.mark.parametrize(
        ("status", "command"),
        [
            ("CREATE_IN_PROGRESS", "wait until it has ended, aws cloudformation describe-stack-events"),
            ("UPDATE_ROLLBACK_IN_PROGRESS", "wait until it has ended, aws cloudformation describe-stack-events"),
            ("UPDATE_ROLLBACK_FAILED", "aws cloudformation continue-update-rollback"),
            ("DELETE_FAILED", "delete what its events name, then aws cloudformation delete-stack"),
        ],
    )
    def test_one_that_is_stuck_says_what_to_do(self, aws: Aws, status: str, command: str) -> None:
        assert self.status(aws, status) == [f"fix: {STACK} is in {status}: {command} --region us-east-1 --stack-name {STACK}"]

    def test_one_that_was_left_in_the_middle_is_rolled_back(self, aws: Aws) -> None:
        assert self.status(aws, "UPDATE_FAILED") == [f"fix: {STACK} is in UPDATE_FAILED: cdk rollback production/network"]
