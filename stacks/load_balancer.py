"""The load balancer: the only way to the API, with its certificate, its web ACL and its name."""

import aws_cdk as cdk
from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_elasticloadbalancingv2 as elbv2
from aws_cdk import aws_route53 as route53
from aws_cdk import aws_route53_targets as targets
from aws_cdk import aws_wafv2 as wafv2
from constructs import Construct

from stacks.base import EnvironmentStack
from stacks.environment import Environment
from stacks.network import Network
from stacks.web_acl import USER_RATE, web_acl

SOURCE_RATE = 10_000
"""Requests in 5 minutes from one address; each of CloudFront's addresses serves many users."""


class LoadBalancer(EnvironmentStack):
    """`load_balancer`, its HTTPS `listener`, and the `target_group` that the backend's service fills.

    A stack before the service's: the deployment alarms of the service need the load balancer's name.
    """

    def __init__(self, scope: Construct, environment: Environment, network: Network) -> None:
        super().__init__(scope, "load-balancer", environment, "the load balancer")
        self.load_balancer = elbv2.ApplicationLoadBalancer(
            self,
            "LoadBalancer",
            load_balancer_name=environment.load_balancer,
            vpc=network.vpc,
            vpc_subnets=ec2.SubnetSelection(subnet_type=ec2.SubnetType.PUBLIC),
            internet_facing=True,
            security_group=network.load_balancer_security_group,
            drop_invalid_header_fields=True,
            desync_mitigation_mode=elbv2.DesyncMitigationMode.DEFENSIVE,
            deletion_protection=environment.protection,
        )
        self.load_balancer.log_access_logs(self.access_logs)
        self.target_group = elbv2.ApplicationTargetGroup(
            self,
            "TargetGroup",
            target_group_name=environment.target_group,
            vpc=network.vpc,
            target_type=elbv2.TargetType.IP,
            protocol=elbv2.ApplicationProtocol.HTTP,
            # Never used: ECS registers each task with the container's own port. Were it that port, a change of it would replace
            # the group, whose name is taken and whose ARN the backend holds.
            port=80,
            deregistration_delay=cdk.Duration.seconds(30),
            # Unhealthy after a minute, so that a short pause of the database doesn't empty the group; healthy after 30 s.
            health_check=elbv2.HealthCheck(
                path=environment.backend.health_check_path,
                healthy_http_codes=environment.backend.health_check_codes,
                interval=cdk.Duration.seconds(15),
                timeout=cdk.Duration.seconds(5),
                healthy_threshold_count=2,
                unhealthy_threshold_count=4,
            ),
        )
        self.tls_certificate = self.certificate(environment.domain.api, environment.domain.certificate_arn)
        self.listener = self.load_balancer.add_listener(
            "Https",
            port=443,
            protocol=elbv2.ApplicationProtocol.HTTPS,
            certificates=[self.tls_certificate],
            default_target_groups=[self.target_group],
            open=False,  # the network's security groups say who may connect
        )
        self.load_balancer.add_redirect(open=False)
        self._protect()
        if self.zone:
            route53.ARecord(
                self,
                "Alias",
                zone=self.zone,
                record_name=environment.domain.api,
                target=route53.RecordTarget.from_alias(targets.LoadBalancerTarget(self.load_balancer)),
            )

    def _protect(self) -> None:
        """Associate the web ACL with the load balancer."""
        acl = web_acl(
            self,
            "REGIONAL",
            self._environment.web_acl,
            self._environment.web_acl_log_group,
            {
                # Users who come through CloudFront, by the first address in X-Forwarded-For. A viewer can make that one up:
                # the second limit counts by the address that really connects.
                "UserRate": wafv2.CfnWebACL.RateBasedStatementProperty(
                    limit=USER_RATE,
                    aggregate_key_type="FORWARDED_IP",
                    forwarded_ip_config=wafv2.CfnWebACL.ForwardedIPConfigurationProperty(
                        header_name="X-Forwarded-For", fallback_behavior="NO_MATCH"
                    ),
                ),
                "SourceRate": wafv2.CfnWebACL.RateBasedStatementProperty(limit=SOURCE_RATE, aggregate_key_type="IP"),
            },
            self._environment,
        )
        wafv2.CfnWebACLAssociation(
            self, "WebAclAssociation", resource_arn=self.load_balancer.load_balancer_arn, web_acl_arn=acl.attr_arn
        )
