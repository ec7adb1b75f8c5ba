"""What a first deployment needs of the account's quotas."""

from collections.abc import Mapping

import pytest

from .aws import Aws, case, line, lines, stack

NETWORK = stack("network", Vpc=("AWS::EC2::VPC", {}), One=("AWS::EC2::EIP", {}), Two=("AWS::EC2::EIP", {}))


def allow(aws: Aws, limit: float) -> None:
    aws.answer("service-quotas", "GetServiceQuota", {"Quota": {"Value": limit}})


class TestQuotas:
    """What is there and what comes fits."""

    @pytest.fixture(autouse=True)
    def _no_vpcs(self, aws: Aws) -> None:
        aws.answer("ec2", "DescribeVpcs", {"Vpcs": []})

    def addresses(self, aws: Aws, number: int) -> None:
        for _ in range(number):
            aws.client("ec2").allocate_address(Domain="vpc")

    def test_what_fits_is_ok(self, aws: Aws) -> None:
        allow(aws, 5)
        self.addresses(aws, 3)
        assert lines("quotas", case(aws, NETWORK)) == [
            "ok: VPCs: 1 of 5 needed",
            "ok: internet gateways: no more are needed",
            "ok: Elastic IPs: 3 of 5 are used, 2 needed",
            "ok: application load balancers: no more are needed",
        ]

    def test_what_does_not_fit_has_to_be_requested(self, aws: Aws) -> None:
        allow(aws, 5)
        self.addresses(aws, 4)
        assert line("quotas", case(aws, NETWORK)) == (
            "fix: Elastic IPs: 4 of 5 are used, 2 needed: aws service-quotas request-service-quota-increase --region us-east-1 "
            "--service-code ec2 --quota-code L-0263D0A3 --desired-value 6"
        )

    def test_what_our_stacks_have_is_not_needed_again(self, aws: Aws) -> None:
        allow(aws, 5)
        self.addresses(aws, 5)
        aws.stands(NETWORK)
        assert all(one.startswith("ok: ") for one in lines("quotas", case(aws, NETWORK)))

    def test_what_a_failed_creation_left_out_is_needed(self, aws: Aws) -> None:
        allow(aws, 4)
        self.addresses(aws, 4)
        aws.stands(NETWORK, but=["Two"])
        assert line("quotas", case(aws, NETWORK)).startswith("fix: Elastic IPs: 4 of 4 are used, 1 needed: ")

    def test_a_quota_that_was_never_changed_is_awss_default(self, aws: Aws) -> None:
        aws.refuse("GetServiceQuota", "NoSuchResourceException")
        aws.answer("service-quotas", "GetAWSDefaultServiceQuota", {"Quota": {"Value": 1}})
        assert line("quotas", case(aws, NETWORK)).startswith("fix: Elastic IPs: 2 of 1 needed: ")

    def test_only_application_load_balancers_count(self, aws: Aws) -> None:
        allow(aws, 1)
        balancers = [{"Type": "network"}, {"Type": "gateway"}]
        aws.answer("elbv2", "DescribeLoadBalancers", {"LoadBalancers": balancers})
        asked = case(aws, stack("load-balancer", Alb=("AWS::ElasticLoadBalancingV2::LoadBalancer", {})))
        assert lines("quotas", asked)[-1] == "ok: application load balancers: 1 of 1 needed"


@pytest.mark.parametrize(
    ("limit", "says"),
    [
        (32, "ok: Fargate vCPUs: 32 of 32 needed"),
        (
            6,
            "fix: Fargate vCPUs: 32 of 6 needed: aws service-quotas request-service-quota-increase --region us-east-1 "
            "--service-code fargate --quota-code L-3032A538 --desired-value 32",
        ),
    ],
)
def test_a_rollout_runs_twice_the_most_tasks(aws: Aws, limit: int, says: str) -> None:
    allow(aws, limit)
    asked = case(aws)
    backend = asked.environment.backend.model_copy(update={"max_tasks": 8, "cpu": 2048})
    asked = case(aws, environment=asked.environment.model_copy(update={"backend": backend}))
    assert line("Fargate", asked) == says


@pytest.mark.parametrize(("used", "state"), [(0, "ok: "), (9, "ok: "), (10, "fix: ")])
def test_a_region_has_ten_resource_policies_of_logs(aws: Aws, used: int, state: str) -> None:
    aws.answer("logs", "DescribeResourcePolicies", {"resourcePolicies": [{"policyName": f"p{n}"} for n in range(used)]})
    asked = case(aws, stack("backend", Policy=("AWS::Logs::ResourcePolicy", {"PolicyName": "hz"})))
    assert line("log policies", asked).startswith(f"{state}{used} of 10 are used, 1 needed")


class TestConcurrency:
    """Lambda keeps 100 for functions without a reservation."""

    STACK = stack(
        "remediation",
        One=("AWS::Lambda::Function", {"ReservedConcurrentExecutions": 1}),
        Two=("AWS::Lambda::Function", {"ReservedConcurrentExecutions": 3}),
        Other=("AWS::Lambda::Function", {}),
    )

    def limit(self, aws: Aws, limit: int, free: int) -> None:
        numbers: Mapping[str, int] = {"ConcurrentExecutions": limit, "UnreservedConcurrentExecutions": free}
        aws.answer("lambda", "GetAccountSettings", {"AccountLimit": numbers})

    @pytest.mark.parametrize(("limit", "free"), [(1000, 1000), (104, 104), (1000, 104)])
    def test_what_leaves_a_hundred_is_ok(self, aws: Aws, limit: int, free: int) -> None:
        self.limit(aws, limit, free)
        assert line("concurrency", case(aws, self.STACK)) == (
            f"ok: {free} of {limit} are not reserved, the functions reserve 4"
        )

    @pytest.mark.parametrize(("limit", "free", "wanted"), [(10, 10, 104), (103, 103, 104), (1000, 101, 1003)])
    def test_what_does_not_has_to_be_requested(self, aws: Aws, limit: int, free: int, wanted: int) -> None:
        self.limit(aws, limit, free)
        assert line("concurrency", case(aws, self.STACK)) == (
            f"fix: {free} of {limit} are not reserved, the functions reserve 4 and AWS keeps 100: aws service-quotas "
            "request-service-quota-increase --region us-east-1 --service-code lambda --quota-code L-B99A9384 --desired-value "
            f"{wanted}"
        )

    def test_functions_that_are_there_have_theirs(self, aws: Aws) -> None:
        self.limit(aws, 104, 100)
        aws.stands(self.STACK)
        assert line("concurrency", case(aws, self.STACK)).startswith("ok: ")
