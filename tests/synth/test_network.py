"""The network: three tiers in every zone, and exactly the flows that the application needs."""

import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from aws_cdk.assertions import Template

from stacks.environment import Environment

from .conftest import only

TIERS = {"Public": "internet gateway", "Private": "NAT gateway", "Isolated": None}

ANYWHERE = "0.0.0.0/0"
NOWHERE = "255.255.255.255/32"
ALB, BACKEND, DATABASE, CACHE, ENDPOINTS = (
    "The load balancer",
    "The tasks of the backend",
    "PostgreSQL",
    "Redis",
    "The interface endpoints of AWS services",
)
INGRESS = {
    (ANYWHERE, ALB, 443),
    (ANYWHERE, ALB, 80),
    (ALB, BACKEND, 3001),
    (BACKEND, DATABASE, 5432),
    (BACKEND, CACHE, 6379),
    (BACKEND, ENDPOINTS, 443),
}
EGRESS = {
    (ALB, BACKEND, 3001),
    (BACKEND, DATABASE, 5432),
    (BACKEND, CACHE, 6379),
    (BACKEND, ENDPOINTS, 443),
    (BACKEND, ANYWHERE, 443),
}

Flow = tuple[str, str, int]


@pytest.fixture
def network(template: Callable[[str], Template]) -> Template:
    return template("network")


def groups(network: Template) -> dict[str, str]:
    """The descriptions of the security groups by logical id."""
    found = network.find_resources("AWS::EC2::SecurityGroup")
    return {logical_id: group["Properties"]["GroupDescription"] for logical_id, group in found.items()}


def rules(network: Template, direction: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """(group, rule) of every rule of a direction, inside the groups and beside them."""
    names = groups(network)
    for logical_id, group in network.find_resources("AWS::EC2::SecurityGroup").items():
        for rule in group["Properties"].get(f"SecurityGroup{direction}", []):
            yield names[logical_id], rule
    for resource in network.find_resources(f"AWS::EC2::SecurityGroup{direction}").values():
        rule = resource["Properties"]
        yield names[rule["GroupId"]["Fn::GetAtt"][0]], rule


def flows(network: Template, direction: str) -> set[Flow]:
    """Every flow that a direction's rules allow, as (from, to, port)."""
    names, other = groups(network), {"Ingress": "SourceSecurityGroupId", "Egress": "DestinationSecurityGroupId"}[direction]
    found = set()
    for group, rule in rules(network, direction):
        peer = rule["CidrIp"] if "CidrIp" in rule else names[rule[other]["Fn::GetAtt"][0]]
        if peer == NOWHERE:
            continue
        assert rule["IpProtocol"] == "tcp", rule
        assert rule["FromPort"] == rule["ToPort"], rule
        found.add((peer, group, rule["FromPort"]) if direction == "Ingress" else (group, peer, rule["FromPort"]))
    return found


def tier_of(text: str) -> str:
    match = re.search(r"(Public|Private|Isolated)Subnet", text)
    assert match, text
    return match[1]


@pytest.mark.parametrize(("direction", "allowed"), [("Ingress", INGRESS), ("Egress", EGRESS)])
def test_exactly_these_flows_are_allowed(network: Template, direction: str, allowed: set[Flow]) -> None:
    assert flows(network, direction) == allowed


def test_every_group_has_an_egress_rule_or_ec2_would_allow_all(network: Template) -> None:
    assert {group for group, _ in rules(network, "Egress")} == set(groups(network).values())


def test_every_rule_says_what_it_is_for(network: Template) -> None:
    assert all(rule.get("Description") for direction in ("Ingress", "Egress") for _, rule in rules(network, direction))


SECURITY_GROUPS = {
    "AWS::ElasticLoadBalancingV2::LoadBalancer": ("SecurityGroups",),
    "AWS::RDS::DBInstance": ("VPCSecurityGroups",),
    "AWS::ElastiCache::ReplicationGroup": ("SecurityGroupIds",),
    "AWS::ECS::Service": ("NetworkConfiguration", "AwsvpcConfiguration", "SecurityGroups"),
}


def test_nothing_is_in_the_default_security_group(all_templates: dict[tuple[str, str], dict[str, Any]]) -> None:
    """What policy.py says of VPCDefaultSecurityGroupClosed: everything in the VPC names a group of its own."""
    seen = set()
    for (environment, component), body in all_templates.items():
        for name, resource in body["Resources"].items():
            where, properties = f"{environment}/{component}/{name}", resource.get("Properties", {})
            if resource["Type"] in SECURITY_GROUPS:
                for key in SECURITY_GROUPS[resource["Type"]]:
                    properties = properties.get(key, {})
                assert properties, where
                seen.add(resource["Type"])
            elif resource["Type"] == "AWS::EC2::VPCEndpoint" and properties["VpcEndpointType"] == "Interface":
                assert properties["SecurityGroupIds"], where
            elif resource["Type"] == "AWS::Lambda::Function":
                assert "VpcConfig" not in properties, where
    assert seen == set(SECURITY_GROUPS)


def test_the_vpc_has_the_configured_block(network: Template, settings: Environment) -> None:
    vpc = only(network, "AWS::EC2::VPC")["Properties"]
    assert (vpc["CidrBlock"], vpc["EnableDnsHostnames"], vpc["EnableDnsSupport"]) == (settings.network.cidr, True, True)


def test_every_zone_has_a_subnet_of_every_tier(network: Template, settings: Environment) -> None:
    found = sorted(
        (tier_of(name), "".join([settings.region, subnet["Properties"]["AvailabilityZone"]["Fn::Join"][1][1]]))
        for name, subnet in network.find_resources("AWS::EC2::Subnet").items()
    )
    assert found == sorted((tier, zone) for tier in TIERS for zone in settings.network.zones)


def test_no_subnet_gives_out_public_addresses(network: Template) -> None:
    assert not [
        name
        for name, subnet in network.find_resources("AWS::EC2::Subnet").items()
        if subnet["Properties"]["MapPublicIpOnLaunch"]
    ]


def test_there_are_as_many_nat_gateways_as_configured(network: Template, settings: Environment) -> None:
    network.resource_count_is("AWS::EC2::NatGateway", settings.network.nat_gateways)


@pytest.mark.parametrize(("tier", "way_out"), TIERS.items())
def test_a_tier_reaches_the_internet_only_by_its_own_way(
    network: Template, settings: Environment, tier: str, way_out: str | None
) -> None:
    routes = [
        route["Properties"]
        for route in network.find_resources("AWS::EC2::Route").values()
        if tier_of(route["Properties"]["RouteTableId"]["Ref"]) == tier
    ]
    key = {"internet gateway": "GatewayId", "NAT gateway": "NatGatewayId", None: ""}[way_out]
    assert len(routes) == (len(settings.network.zones) if way_out else 0)
    assert all(route["DestinationCidrBlock"] == ANYWHERE and key in route for route in routes)
    if way_out == "NAT gateway":
        assert len({route[key]["Ref"] for route in routes}) == settings.network.nat_gateways


def test_a_zone_with_a_nat_gateway_uses_its_own(network: Template, settings: Environment) -> None:
    """Production loses a zone and keeps its way out; staging has one gateway for all, to save its cost."""
    ways = {
        tuple(re.findall(r"Subnet(\d)", route["Properties"][end]["Ref"])[0] for end in ("RouteTableId", "NatGatewayId"))
        for route in network.find_resources("AWS::EC2::Route").values()
        if "NatGatewayId" in route["Properties"]
    }
    zones, gateways = len(settings.network.zones), settings.network.nat_gateways
    assert ways == {(str(zone), str(zone if gateways == zones else 1)) for zone in range(1, zones + 1)}


def test_all_traffic_is_logged_under_the_customer_key(network: Template, settings: Environment) -> None:
    flow_log, group = only(network, "AWS::EC2::FlowLog")["Properties"], only(network, "AWS::Logs::LogGroup")
    assert flow_log["TrafficType"] == "ALL"
    assert flow_log["ResourceId"] == {"Ref": only(network, "AWS::EC2::VPC")["Id"]}
    assert flow_log["LogGroupName"] == {"Ref": group["Id"]}
    assert group["Properties"] == {
        "LogGroupName": settings.flow_log_group,
        "KmsKeyId": {"Fn::GetAtt": [only(network, "AWS::KMS::Key")["Id"], "Arn"]},
        "RetentionInDays": settings.log_retention_days,
    }


def test_the_flow_logs_role_writes_one_group_for_one_account(network: Template, settings: Environment) -> None:
    [trust] = only(network, "AWS::IAM::Role")["Properties"]["AssumeRolePolicyDocument"]["Statement"]
    [grant] = only(network, "AWS::IAM::ManagedPolicy")["Properties"]["PolicyDocument"]["Statement"]
    assert trust["Principal"] == {"Service": "vpc-flow-logs.amazonaws.com"}
    assert trust["Condition"]["StringEquals"] == {"aws:SourceAccount": settings.account}
    assert grant["Resource"] == {"Fn::GetAtt": [only(network, "AWS::Logs::LogGroup")["Id"], "Arn"]}


def test_private_tasks_reach_these_services_inside_the_vpc(network: Template, settings: Environment) -> None:
    interfaces = [
        endpoint["Properties"]
        for endpoint in network.find_resources("AWS::EC2::VPCEndpoint").values()
        if endpoint["Properties"]["VpcEndpointType"] == "Interface"
    ]
    assert {endpoint["ServiceName"].removeprefix(f"com.amazonaws.{settings.region}.") for endpoint in interfaces} == {
        "ecr.api", "ecr.dkr", "logs", "secretsmanager", "ssmmessages", "kms",
    }  # fmt: skip
    names = groups(network)
    for endpoint in interfaces:
        assert endpoint["PrivateDnsEnabled"] is True
        assert [names[group["Fn::GetAtt"][0]] for group in endpoint["SecurityGroupIds"]] == [ENDPOINTS]
        assert [tier_of(subnet["Ref"]) for subnet in endpoint["SubnetIds"]] == ["Private"] * len(settings.network.zones)


def test_s3_is_reached_by_the_gateway_from_every_private_subnet(network: Template) -> None:
    [gateway] = [
        endpoint["Properties"]
        for endpoint in network.find_resources("AWS::EC2::VPCEndpoint").values()
        if endpoint["Properties"]["VpcEndpointType"] == "Gateway"
    ]
    assert gateway["ServiceName"]["Fn::Join"][1][-1] == ".s3"
    private = {name for name in network.find_resources("AWS::EC2::RouteTable") if tier_of(name) == "Private"}
    assert private <= {table["Ref"] for table in gateway["RouteTableIds"]}
