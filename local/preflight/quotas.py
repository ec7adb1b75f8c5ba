"""The quotas that a first deployment can meet: what is there, what comes, and how much AWS allows."""

from collections import Counter
from dataclasses import dataclass
from math import ceil
from typing import Any

import jmespath

from local.preflight.case import Answer, Answers, Case, fix, ok


@dataclass(frozen=True)
class Quota:
    """A quota that a first deployment can meet: of which service, and how to count what is there (JMESPath)."""

    name: str
    service: str
    code: str
    type: str
    asked: tuple[str, str]
    used: str


QUOTAS = (
    Quota("VPCs", "vpc", "L-F678F1CE", "AWS::EC2::VPC", ("ec2", "describe_vpcs"), "length(Vpcs)"),
    Quota(
        "internet gateways",
        "vpc",
        "L-A4707A72",
        "AWS::EC2::InternetGateway",
        ("ec2", "describe_internet_gateways"),
        "length(InternetGateways)",
    ),
    Quota("Elastic IPs", "ec2", "L-0263D0A3", "AWS::EC2::EIP", ("ec2", "describe_addresses"), "length(Addresses)"),
    Quota(
        "application load balancers",
        "elasticloadbalancing",
        "L-53DA6B97",
        "AWS::ElasticLoadBalancingV2::LoadBalancer",
        ("elbv2", "describe_load_balancers"),
        "length(LoadBalancers[?Type=='application'])",
    ),
)
FARGATE_QUOTA = ("fargate", "L-3032A538")
MOST_LOG_POLICIES = 10
"""Resource policies for a region, fixed: https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_PutResourcePolicy.html"""
UNRESERVED_CONCURRENCY = 100
"""What Lambda keeps for functions without reservations: https://docs.aws.amazon.com/lambda/latest/dg/configuration-concurrency.html"""


def quotas(case: Case) -> Answers:
    needed = Counter(resource.type for resource in case.missing())
    for quota in QUOTAS:
        if not needed[quota.type]:
            yield ok(f"{quota.name}: no more are needed")
            continue
        limit = _limit(case, quota.service, quota.code)
        used = jmespath.search(quota.used, case.account.ask(*quota.asked))
        yield _within(case, quota.name, needed[quota.type], used, limit, quota.service, quota.code)


def fargate(case: Case) -> Answers:
    backend = case.environment.backend
    needed = ceil(2 * backend.max_tasks * backend.cpu / 1024)  # a rollout at 200 %
    yield _within(case, "Fargate vCPUs", needed, 0, _limit(case, *FARGATE_QUOTA), *FARGATE_QUOTA)


def log_policies(case: Case) -> Answers:
    needed = sum(1 for _ in case.missing("AWS::Logs::ResourcePolicy"))
    used = len(case.account.ask("logs", "describe_resource_policies")["resourcePolicies"])
    if used + needed <= MOST_LOG_POLICIES:
        yield ok(f"{used} of {MOST_LOG_POLICIES} are used, {needed} needed")
    else:
        yield fix(
            f"{used} of {MOST_LOG_POLICIES} are used, {needed} needed, and AWS raises no more: aws logs delete-resource-policy "
            f"--region {case.environment.region} --policy-name NAME for one that nothing needs"
        )


def concurrency(case: Case) -> Answers:
    needed = sum(one.properties.get("ReservedConcurrentExecutions", 0) for one in case.missing("AWS::Lambda::Function"))
    limit = case.account.ask("lambda", "get_account_settings")["AccountLimit"]
    free = limit["UnreservedConcurrentExecutions"]
    says = f"{free} of {limit['ConcurrentExecutions']} are not reserved, the functions reserve {needed}"
    if not needed or free - needed >= UNRESERVED_CONCURRENCY:
        yield ok(says)
    else:
        wanted = limit["ConcurrentExecutions"] + needed + UNRESERVED_CONCURRENCY - free
        yield fix(f"{says} and AWS keeps {UNRESERVED_CONCURRENCY}: {_request(case, 'lambda', 'L-B99A9384', wanted)}")


def _limit(case: Case, service: str, code: str) -> float:
    asked: dict[str, Any] = {"ServiceCode": service, "QuotaCode": code}
    answer = case.account.ask("service-quotas", "get_service_quota", absent=("NoSuchResourceException",), **asked)
    answer = answer or case.account.ask("service-quotas", "get_aws_default_service_quota", **asked)
    return float(answer["Quota"]["Value"])


def _within(case: Case, name: str, needed: int, used: int, limit: float, service: str, code: str) -> Answer:
    says = f"{name}: {used} of {limit:g} are used, {needed} needed" if used else f"{name}: {needed} of {limit:g} needed"
    return ok(says) if used + needed <= limit else fix(f"{says}: {_request(case, service, code, used + needed)}")


def _request(case: Case, service: str, code: str, wanted: int) -> str:
    return (
        f"aws service-quotas request-service-quota-increase --region {case.environment.region} --service-code {service} "
        f"--quota-code {code} --desired-value {wanted}"
    )
