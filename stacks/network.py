"""The network: a VPC of three tiers, what the private tasks need to reach AWS, and the flows that are allowed."""

from typing import cast

import aws_cdk as cdk
from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_iam as iam
from constructs import Construct

from stacks.base import EnvironmentStack
from stacks.environment import Environment

DATABASE_PORT = 5432
CACHE_PORT = 6379

# What a Fargate task without a public address calls while it starts and runs: pulling the image, logs and secrets.
# https://docs.aws.amazon.com/AmazonECS/latest/developerguide/vpc-endpoints.html
ENDPOINTS = {
    "EcrApi": ec2.InterfaceVpcEndpointAwsService.ECR,
    "EcrDocker": ec2.InterfaceVpcEndpointAwsService.ECR_DOCKER,
    "Logs": ec2.InterfaceVpcEndpointAwsService.CLOUDWATCH_LOGS,
    "SecretsManager": ec2.InterfaceVpcEndpointAwsService.SECRETS_MANAGER,
}


class Network(EnvironmentStack):
    """`vpc`, and a security group for each kind of thing in it; what may talk to what is said here and nowhere else."""

    def __init__(self, scope: Construct, environment: Environment) -> None:
        super().__init__(scope, "network", environment, "the network")
        self.vpc = ec2.Vpc(
            self,
            "Vpc",
            vpc_name=environment.prefix,
            ip_addresses=ec2.IpAddresses.cidr(environment.network.cidr),
            availability_zones=self.availability_zones,
            nat_gateways=environment.network.nat_gateways,
            subnet_configuration=[
                ec2.SubnetConfiguration(name="Public", subnet_type=ec2.SubnetType.PUBLIC, map_public_ip_on_launch=False),
                ec2.SubnetConfiguration(name="Private", subnet_type=ec2.SubnetType.PRIVATE_WITH_EGRESS),
                ec2.SubnetConfiguration(name="Isolated", subnet_type=ec2.SubnetType.PRIVATE_ISOLATED),
            ],
            gateway_endpoints={"S3": ec2.GatewayVpcEndpointOptions(service=ec2.GatewayVpcEndpointAwsService.S3)},
        )
        gateways = [subnet.node.try_find_child("NATGateway") for subnet in self.vpc.public_subnets]
        self.nat_gateway_ids = tuple(cast("ec2.CfnNatGateway", gateway).attr_nat_gateway_id for gateway in gateways if gateway)
        self._flow_logs()

        self.load_balancer_security_group = self._security_group("LoadBalancer", "The load balancer")
        self.backend_security_group = self._security_group("Backend", "The tasks of the backend")
        self.database_security_group = self._security_group("Database", "PostgreSQL")
        self.cache_security_group = self._security_group("Cache", "Redis")
        endpoints = self._security_group("Endpoints", "The interface endpoints of AWS services")

        internet, https = ec2.Peer.any_ipv4(), ec2.Port.tcp(443)
        self.load_balancer_security_group.add_ingress_rule(internet, https, "Users")
        self.load_balancer_security_group.add_ingress_rule(internet, ec2.Port.tcp(80), "Users, to be redirected to HTTPS")
        self._allow(
            self.load_balancer_security_group,
            self.backend_security_group,
            environment.application.container.port,
            "Requests and health checks",
        )
        self._allow(self.backend_security_group, self.database_security_group, DATABASE_PORT, "PostgreSQL over TLS")
        self._allow(self.backend_security_group, self.cache_security_group, CACHE_PORT, "Redis over TLS")
        self._allow(self.backend_security_group, endpoints, 443, "AWS services inside the VPC")
        self.backend_security_group.add_egress_rule(internet, https, "AWS services without an endpoint, Sentry, other APIs")

        for name, service in ENDPOINTS.items():
            ec2.InterfaceVpcEndpoint(
                self,
                f"{name}Endpoint",
                vpc=self.vpc,
                service=service,
                subnets=ec2.SubnetSelection(subnet_type=ec2.SubnetType.PRIVATE_WITH_EGRESS),
                security_groups=[endpoints],
                open=False,
                private_dns_enabled=True,
            )

    @property
    def availability_zones(self) -> list[str]:
        """The zones of the configuration; the CDK would look them up in the account, and synth must not need one."""
        return [f"{cdk.Aws.REGION}{zone.removeprefix(self._environment.region)}" for zone in self._environment.network.zones]

    def _security_group(self, construct_id: str, description: str) -> ec2.SecurityGroup:
        # EC2's own allow-all egress goes with the first egress rule; a group without any gets one that matches nothing.
        return ec2.SecurityGroup(
            self, f"{construct_id}SecurityGroup", vpc=self.vpc, description=description, allow_all_outbound=False
        )

    def _allow(self, source: ec2.SecurityGroup, target: ec2.SecurityGroup, port: int, description: str) -> None:
        source.connections.allow_to(target, ec2.Port.tcp(port), description)

    def _flow_logs(self) -> None:
        group = self.log_group("FlowLogs", self._environment.flow_log_group)
        role = iam.Role(
            self,
            "FlowLogsRole",
            description="Writes the VPC's flow logs",
            # Only for flow logs of this account: https://docs.aws.amazon.com/vpc/latest/userguide/flow-logs-iam-role.html
            assumed_by=iam.ServicePrincipal(
                "vpc-flow-logs.amazonaws.com",
                conditions={
                    "StringEquals": {"aws:SourceAccount": self._environment.account},
                    "ArnLike": {"aws:SourceArn": self._environment.arn("ec2", "vpc-flow-log/*")},
                },
            ),
            managed_policies=[
                iam.ManagedPolicy(
                    self,
                    "FlowLogsPolicy",
                    statements=[
                        iam.PolicyStatement(
                            actions=["logs:CreateLogStream", "logs:DescribeLogStreams", "logs:PutLogEvents"],
                            resources=[group.log_group_arn],
                        )
                    ],
                )
            ],
        )
        self.vpc.add_flow_log(
            "FlowLog",
            traffic_type=ec2.FlowLogTrafficType.ALL,
            destination=ec2.FlowLogDestination.to_cloud_watch_logs(group, role.without_policy_updates()),
        )
