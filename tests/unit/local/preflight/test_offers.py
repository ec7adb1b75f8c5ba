"""What AWS offers in the region and its zones."""

from collections.abc import Mapping
from typing import Any

import pytest

from tests.environments import PRODUCTION

from .aws import Aws, case, line, lines, stack

ZONES = PRODUCTION.network.zones


class TestZones:
    """The configured zones are in the account, and whatever is made there is offered there."""

    def zone(self, name: str, **differs: str) -> dict[str, str]:
        zone = {
            "ZoneName": name,
            "ZoneId": f"use1-az{ord(name[-1]) - 96}",
            "State": "available",
            "ZoneType": "availability-zone",
        }
        return zone | differs

    def zones(self, aws: Aws, *zones: dict[str, str]) -> None:
        aws.answer("ec2", "DescribeAvailabilityZones", {"AvailabilityZones": zones})

    def test_those_that_are_there_are_ok_with_their_ids(self, aws: Aws) -> None:
        self.zones(aws, *(self.zone(name) for name in ZONES))
        assert line("zones", case(aws)) == "ok: us-east-1a is use1-az1, us-east-1b is use1-az2, us-east-1c is use1-az3"

    def test_they_can_be_configured_by_id(self, aws: Aws) -> None:
        self.zones(aws, *(self.zone(name) for name in ZONES))
        network = PRODUCTION.network.model_copy(update={"zones": ("use1-az1", "use1-az3")})
        asked = case(aws, environment=PRODUCTION.model_copy(update={"network": network}))
        assert line("zones", asked) == "ok: us-east-1a is use1-az1, us-east-1c is use1-az3"

    def test_one_that_the_account_does_not_have_is_named(self, aws: Aws) -> None:
        self.zones(aws, self.zone("us-east-1a"), self.zone("us-east-1b"), self.zone("us-east-1f"))
        assert line("zones", case(aws)) == (
            "fix: the account has no availability zone us-east-1c, but us-east-1a, us-east-1b, us-east-1f: set network.zones in "
            "config/production.toml"
        )

    def test_a_local_zone_is_none(self, aws: Aws) -> None:
        self.zones(aws, *(self.zone(name) for name in ZONES[:2]), self.zone(ZONES[2], ZoneType="local-zone"))
        assert line("zones", case(aws)).startswith("fix: the account has no availability zone us-east-1c, but ")

    def test_one_that_is_not_available_is_named(self, aws: Aws) -> None:
        self.zones(aws, *(self.zone(name) for name in ZONES[:2]), self.zone(ZONES[2], State="impaired"))
        assert line("zones", case(aws)) == "fix: us-east-1c is impaired: set network.zones in config/production.toml"

    def test_one_without_fargate_is_named(self, aws: Aws) -> None:
        names = ("ap-northeast-1a", "ap-northeast-1c")
        self.zones(aws, self.zone(names[0], ZoneId="apne1-az4"), self.zone(names[1], ZoneId="apne1-az3"))
        network = PRODUCTION.network.model_copy(update={"zones": names})
        tokyo = PRODUCTION.model_copy(update={"region": "ap-northeast-1", "network": network})
        assert line("zones", case(aws, environment=tokyo)) == (
            "fix: ap-northeast-1c is apne1-az3, which has no Fargate: set network.zones in config/production.toml"
        )


class TestEndpoints:
    NETWORK = stack(
        "network",
        Ecr=("AWS::EC2::VPCEndpoint", {"VpcEndpointType": "Interface", "ServiceName": "com.amazonaws.us-east-1.ecr.api"}),
        S3=("AWS::EC2::VPCEndpoint", {"VpcEndpointType": "Gateway", "ServiceName": {"Fn::Join": []}}),
    )

    def offered(self, aws: Aws, *zones: str) -> None:
        service = {"ServiceName": "com.amazonaws.us-east-1.ecr.api", "AvailabilityZones": zones}
        aws.answer("ec2", "DescribeVpcEndpointServices", {"ServiceDetails": [service]})

    def test_each_service_needs_one_in_every_zone(self, aws: Aws) -> None:
        self.offered(aws, *ZONES, "us-east-1f")
        assert line("endpoints", case(aws, self.NETWORK)) == "ok: ecr.api: one in every zone"

    def test_a_zone_without_one_is_named(self, aws: Aws) -> None:
        self.offered(aws, *ZONES[:2])
        assert line("endpoints", case(aws, self.NETWORK)) == (
            "fix: com.amazonaws.us-east-1.ecr.api has no endpoint in us-east-1c: set network.zones in config/production.toml to "
            "others"
        )

    def test_a_service_that_the_region_does_not_have_is_named(self, aws: Aws) -> None:
        aws.refuse("DescribeVpcEndpointServices", "InvalidServiceName")
        assert line("endpoints", case(aws, self.NETWORK)).startswith(
            "fix: com.amazonaws.us-east-1.ecr.api has no endpoint in us-east-1a, us-east-1b, us-east-1c: "
        )


class TestDatabase:
    STACK = stack(
        "database",
        Instance=(
            "AWS::RDS::DBInstance",
            {
                "Engine": "postgres",
                "EngineVersion": "15.17",
                "DBInstanceClass": "db.t4g.large",
                "StorageType": "gp3",
                "MultiAZ": True,
            },
        ),
    )

    def offers(self, aws: Aws, *zones: str, versions: Mapping[str, str] | None = None, **differs: Any) -> None:
        known = (versions or {"15.17": "available"}).items()
        aws.answer(
            "rds",
            "DescribeDBEngineVersions",
            {"DBEngineVersions": [{"EngineVersion": version, "Status": status} for version, status in known]},
        )
        option = {"StorageType": "gp3", "MultiAZCapable": True, "AvailabilityZones": [{"Name": zone} for zone in zones]}
        aws.answer("rds", "DescribeOrderableDBInstanceOptions", {"OrderableDBInstanceOptions": [option | differs]})

    def test_an_instance_that_is_offered_in_two_zones_is_ok(self, aws: Aws) -> None:
        self.offers(aws, "us-east-1c", "us-east-1a", "us-east-1f")
        assert line("database", case(aws, self.STACK)) == (
            "ok: db.t4g.large with postgres 15.17 and gp3 is offered in us-east-1a, us-east-1c"
        )

    @pytest.mark.parametrize(("zones", "where"), [(("us-east-1b",), "us-east-1b"), ((), "none"), (("us-east-1f",), "none")])
    def test_multi_az_needs_two_of_the_zones(self, aws: Aws, zones: tuple[str, ...], where: str) -> None:
        self.offers(aws, *zones)
        assert line("database", case(aws, self.STACK)) == (
            f"fix: RDS offers db.t4g.large with postgres 15.17 and gp3 in {where} of the zones: set database.instance_class or "
            "network.zones in config/production.toml"
        )

    @pytest.mark.parametrize("differs", [{"StorageType": "gp2"}, {"MultiAZCapable": False}])
    def test_another_storage_or_a_single_zone_is_no_offer(self, aws: Aws, differs: Mapping[str, Any]) -> None:
        self.offers(aws, *ZONES, **differs)
        assert line("database", case(aws, self.STACK)).startswith(
            "fix: RDS offers db.t4g.large with postgres 15.17 and gp3 in none"
        )

    @pytest.mark.parametrize(
        "versions",
        [{"15.18": "available", "16.4": "available"}, {"15.17": "deprecated", "15.18": "available", "16.4": "available"}],
    )
    def test_a_version_that_is_gone_has_successors(self, aws: Aws, versions: dict[str, str]) -> None:
        self.offers(aws, *ZONES, versions=versions)
        assert line("database", case(aws, self.STACK)) == (
            "fix: RDS makes no instance of postgres 15.17: set database.version in config/application.toml to one of 15.18"
        )

    def test_an_instance_that_runs_needs_no_offer(self, aws: Aws) -> None:
        aws.stands(self.STACK)
        assert line("database", case(aws, self.STACK)) == "ok: it is there already"


class TestCache:
    STACK = stack(
        "cache",
        Group=(
            "AWS::ElastiCache::ReplicationGroup",
            {"Engine": "redis", "EngineVersion": "7.1", "CacheNodeType": "cache.r6g.large"},
        ),
    )

    def offers(self, aws: Aws, *, version: str = "7.1.0", nodes: int = 1) -> None:
        aws.answer(
            "elasticache",
            "DescribeCacheEngineVersions",
            {"CacheEngineVersions": [{"Engine": "redis", "EngineVersion": version}]},
        )
        offerings = [{"CacheNodeType": "cache.r6g.large"}] * nodes
        aws.answer("elasticache", "DescribeReservedCacheNodesOfferings", {"ReservedCacheNodesOfferings": offerings})

    def test_a_version_and_a_node_type_of_the_region_are_ok(self, aws: Aws) -> None:
        self.offers(aws)
        assert line("cache", case(aws, self.STACK)) == (
            "ok: cache.r6g.large is offered in us-east-1; in which zones, only its creation tells"
        )

    @pytest.mark.parametrize("version", ["7.0.12", "7.10"])
    def test_another_version_is_not_it(self, aws: Aws, version: str) -> None:
        self.offers(aws, version=version)
        assert line("cache", case(aws, self.STACK)) == (
            f"fix: ElastiCache has no redis 7.1: set cache.version in config/application.toml to one of {version}"
        )

    def test_a_node_type_that_the_region_does_not_have_is_named(self, aws: Aws) -> None:
        self.offers(aws, nodes=0)
        assert line("cache", case(aws, self.STACK)) == (
            "fix: ElastiCache offers no cache.r6g.large in us-east-1: set cache.node_type in config/production.toml"
        )

    def test_a_group_that_runs_needs_no_offer(self, aws: Aws) -> None:
        aws.stands(self.STACK)
        assert line("cache", case(aws, self.STACK)) == "ok: it is there already"


class TestLayer:
    ARN = "arn:aws:lambda:us-east-1:017000801446:layer:AWSLambdaPowertoolsPythonV3-python314-arm64:38"
    STACK = stack(
        "remediation", One=("AWS::Lambda::Function", {"Layers": [ARN]}), Two=("AWS::Lambda::Function", {"Layers": [ARN]})
    )

    def test_a_published_one_is_asked_for_once(self, aws: Aws) -> None:
        aws.answer("lambda", "GetLayerVersionByArn", {"LayerVersionArn": self.ARN})
        assert line("layer", case(aws, self.STACK)) == f"ok: {self.ARN}"

    def test_one_that_is_not_there_is_named(self, aws: Aws) -> None:
        aws.refuse("GetLayerVersionByArn", "ResourceNotFoundException")
        assert line("layer", case(aws, self.STACK)) == (
            f"fix: there is no {self.ARN}: set POWERTOOLS_LAYER in stacks/functions/base.py to a version that the region has"
        )

    def test_one_that_may_not_be_read_is_not_known(self, aws: Aws) -> None:
        aws.refuse("GetLayerVersionByArn", "AccessDeniedException")
        assert line("layer", case(aws, self.STACK)) == "not known: your credentials need lambda:GetLayerVersion"


class TestServiceRoles:
    STACK = stack("backend", Cluster=("AWS::ECS::Cluster", {}), Database=("AWS::RDS::DBInstance", {}))

    def make(self, aws: Aws, role: str) -> None:
        aws.client("iam").create_role(RoleName=role, AssumeRolePolicyDocument="{}")

    def test_the_one_of_ecs_has_to_be_there(self, aws: Aws) -> None:
        assert lines("service roles", case(aws, self.STACK)) == [
            "fix: there is no AWSServiceRoleForECS: aws iam create-service-linked-role --aws-service-name ecs.amazonaws.com"
        ]

    def test_others_come_with_their_first_use(self, aws: Aws) -> None:
        self.make(aws, "AWSServiceRoleForECS")
        assert line("service roles", case(aws, self.STACK)) == "ok: AWS makes AWSServiceRoleForRDS at the first use"

    def test_all_may_be_there(self, aws: Aws) -> None:
        self.make(aws, "AWSServiceRoleForECS")
        self.make(aws, "AWSServiceRoleForRDS")
        assert line("service roles", case(aws, self.STACK)) == "ok: all are there"
