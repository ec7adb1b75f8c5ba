"""The policy that preflight prints, both ways: it allows every question, and nothing that is never asked."""

import json

from local.preflight.checks import CHECKS
from local.preflight.permissions import ACTIONS
from local.preflight.plan import Plan
from tests.environments import VARIANTS, VARIANTS_CONFIG
from tests.synth.assemblies import stage
from tests.unit.local.preflight.aws import Aws, case

DIGEST = f"sha256:{'0' * 64}"


def asked(name: str) -> set[str]:
    """The actions of all questions about an environment, where only the registry stands and every answer leads further."""
    environment = VARIANTS[name]
    plan = Plan.read(stage(name, VARIANTS_CONFIG))
    aws = Aws()
    aws.refuse_all("AccessDenied")
    aws.stands(next(stack for stack in plan.stacks if stack.component == "registry"))
    zone = {"Id": f"/hostedzone/{environment.domain.hosted_zone_id}", "Name": "acme.example.", "CallerReference": "x"}
    zones = [zone | {"Config": {"PrivateZone": False}}]
    aws.answer("route53", "ListHostedZones", {"HostedZones": zones, "Marker": "", "IsTruncated": False, "MaxItems": "100"})
    aws.answer("ec2", "DescribeAvailabilityZones", {"AvailabilityZones": []})
    version = environment.application.database.version
    aws.answer("rds", "DescribeDBEngineVersions", {"DBEngineVersions": [{"EngineVersion": version}]})
    aws.answer("elasticache", "DescribeCacheEngineVersions", {"CacheEngineVersions": []})
    aws.refuse("GetServiceQuota", "NoSuchResourceException")
    aws.answer("service-quotas", "GetAWSDefaultServiceQuota", {"Quota": {"Value": 5}})
    aws.answer("ec2", "DescribeVpcs", {"Vpcs": []})
    aws.answer("ec2", "DescribeInternetGateways", {"InternetGateways": []})
    aws.answer("ec2", "DescribeAddresses", {"Addresses": []})
    registry = f"{environment.account}.dkr.ecr.{environment.region}.amazonaws.com"
    aws.answer("ssm", "GetParameter", {"Parameter": {"Value": f"{registry}/{environment.repository}:first"}})
    manifest = json.dumps({"config": {"digest": DIGEST}})
    aws.answer("ecr", "BatchGetImage", {"images": [{"imageManifest": manifest}], "failures": []})
    secret = {"Name": "x", "KmsKeyId": "key", "VersionIdsToStages": {"1" * 32: ["AWSCURRENT"]}}
    aws.answer("secretsmanager", "DescribeSecret", secret)
    account = case(aws, *plan.stacks, environment=environment)
    for check in CHECKS:
        check.answers(account)
    return account.account.asked


def test_the_policy_has_exactly_what_is_asked() -> None:
    registry_stands = {"ecr:DescribeRepositories"}  # then it is asked for no more
    assert asked("everything") | asked("certificates") | registry_stands == set(ACTIONS)
