"""The network: three tiers in every zone, and exactly the flows that the application needs."""

import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from stacks.environment import Environment
from tests.synth.assemblies import templates
from tests.synth.template import Template

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
    found = network.of_type("AWS::EC2::SecurityGroup")
    return {logical_id: group["Properties"]["GroupDescription"] for logical_id, group in found.items()}


def rules(network: Template, direction: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """(group, rule) of every rule of a direction, inside the groups and beside them."""
    names = groups(network)
    for logical_id, group in network.of_type("AWS::EC2::SecurityGroup").items():
        for rule in group["Properties"].get(f"SecurityGroup{direction}", []):
            yield names[logical_id], rule
    for resource in network.of_type(f"AWS::EC2::SecurityGroup{direction}").values():
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


def test_nothing_is_in_the_default_security_group(environment: Environment) -> None:
    """What policy.py says of VPCDefaultSecurityGroupClosed: everything in the VPC names a group of its own."""
    seen = set()
    for component, template in templates(environment.name).items():
        for name, resource in template.resources.items():
            where, properties = f"{component}/{name}", resource.get("Properties", {})
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


def test_the_vpc_has_the_configured_block(network: Template, environment: Environment) -> None:
    vpc = network.only("AWS::EC2::VPC")["Properties"]
    assert (vpc["CidrBlock"], vpc["EnableDnsHostnames"], vpc["EnableDnsSupport"]) == (environment.network.cidr, True, True)


def test_every_zone_has_a_subnet_of_every_tier(network: Template, environment: Environment) -> None:
    found = sorted(
        (tier_of(name), "".join([environment.region, subnet["Properties"]["AvailabilityZone"]["Fn::Join"][1][1]]))
        for name, subnet in network.of_type("AWS::EC2::Subnet").items()
    )
    assert found == sorted((tier, zone) for tier in TIERS for zone in environment.network.zones)


def test_no_subnet_gives_out_public_addresses(network: Template) -> None:
    assert not [
        name for name, subnet in network.of_type("AWS::EC2::Subnet").items() if subnet["Properties"]["MapPublicIpOnLaunch"]
    ]


def test_there_are_as_many_nat_gateways_as_configured(network: Template, environment: Environment) -> None:
    assert len(network.of_type("AWS::EC2::NatGateway")) == environment.network.nat_gateways


@pytest.mark.parametrize(("tier", "way_out"), TIERS.items())
def test_a_tier_reaches_the_internet_only_by_its_own_way(
    network: Template, environment: Environment, tier: str, way_out: str | None
) -> None:
    routes = [
        route["Properties"]
        for route in network.of_type("AWS::EC2::Route").values()
        if tier_of(route["Properties"]["RouteTableId"]["Ref"]) == tier
    ]
    key = {"internet gateway": "GatewayId", "NAT gateway": "NatGatewayId", None: ""}[way_out]
    assert len(routes) == (len(environment.network.zones) if way_out else 0)
    assert all(route["DestinationCidrBlock"] == ANYWHERE and key in route for route in routes)
    if way_out == "NAT gateway":
        assert len({route[key]["Ref"] for route in routes}) == environment.network.nat_gateways


def test_a_zone_with_a_nat_gateway_uses_its_own(network: Template, environment: Environment) -> None:
    """Production loses a zone and keeps its way out; staging has one gateway for all, to save its cost."""
    ways = {
        tuple(re.findall(r"Subnet(\d)", route["Properties"][end]["Ref"])[0] for end in ("RouteTableId", "NatGatewayId"))
        for route in network.of_type("AWS::EC2::Route").values()
        if "NatGatewayId" in route["Properties"]
    }
    zones, gateways = len(environment.network.zones), environment.network.nat_gateways
    assert ways == {(str(zone), str(zone if gateways == zones else 1)) for zone in range(1, zones + 1)}


def test_all_traffic_is_logged_under_the_customer_key(network: Template, environment: Environment) -> None:
    flow_log, group = network.only("AWS::EC2::FlowLog")["Properties"], network.only("AWS::Logs::LogGroup")
    assert flow_log["TrafficType"] == "ALL"
    assert flow_log["ResourceId"] == {"Ref": network.only("AWS::EC2::VPC")["Id"]}
    assert flow_log["LogGroupName"] == {"Ref": group["Id"]}
    assert group["Properties"] == {
        "LogGroupName": environment.flow_log_group,
        "KmsKeyId": {"Fn::GetAtt": [network.only("AWS::KMS::Key")["Id"], "Arn"]},
        "RetentionInDays": environment.log_retention_days,
    }


def test_private_tasks_reach_these_services_inside_the_vpc(network: Template, environment: Environment) -> None:
    interfaces = [
        endpoint["Properties"]
        for endpoint in network.of_type("AWS::EC2::VPCEndpoint").values()
        if endpoint["Properties"]["VpcEndpointType"] == "Interface"
    ]
    assert {endpoint["ServiceName"].removeprefix(f"com.amazonaws.{environment.region}.") for endpoint in interfaces} == {
        "ecr.api", "ecr.dkr", "logs", "secretsmanager",
    }  # fmt: skip
    names = groups(network)
    for endpoint in interfaces:
        assert endpoint["PrivateDnsEnabled"] is True
        assert [names[group["Fn::GetAtt"][0]] for group in endpoint["SecurityGroupIds"]] == [ENDPOINTS]
        assert [tier_of(subnet["Ref"]) for subnet in endpoint["SubnetIds"]] == ["Private"] * len(environment.network.zones)


def test_s3_is_reached_by_the_gateway_from_every_private_subnet(network: Template) -> None:
    [gateway] = [
        endpoint["Properties"]
        for endpoint in network.of_type("AWS::EC2::VPCEndpoint").values()
        if endpoint["Properties"]["VpcEndpointType"] == "Gateway"
    ]
    assert gateway["ServiceName"]["Fn::Join"][1][-1] == ".s3"
    private = {name for name in network.of_type("AWS::EC2::RouteTable") if tier_of(name) == "Private"}
    assert private <= {table["Ref"] for table in gateway["RouteTableIds"]}
