"""The load balancer: the only door of the API, with its certificate, its web ACL and its name."""

import aws_cdk as cdk
from aws_cdk import aws_certificatemanager as acm
from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_elasticloadbalancingv2 as elbv2
from aws_cdk import aws_route53 as route53
from aws_cdk import aws_route53_targets as targets
from aws_cdk import aws_wafv2 as wafv2
from constructs import Construct

from stacks.base import EnvironmentStack
from stacks.environment import Environment
from stacks.network import CONTAINER_PORT, Network

# https://docs.aws.amazon.com/waf/latest/developerguide/aws-managed-rule-groups-list.html
MANAGED_RULE_GROUPS = (
    "AWSManagedRulesAmazonIpReputationList",
    "AWSManagedRulesCommonRuleSet",
    "AWSManagedRulesKnownBadInputsRuleSet",
    "AWSManagedRulesSQLiRuleSet",
)

COUNTED_RULES = {
    # Blocks every body over 8 KB: the documents that users upload. What it would have blocked is counted and logged.
    "AWSManagedRulesCommonRuleSet": ("SizeRestrictions_BODY",),
}

USER_RATE = 2_000
"""Requests in 5 minutes from one user who comes through CloudFront, by the first address in X-Forwarded-For."""
SOURCE_RATE = 10_000
"""Requests in 5 minutes from one address; CloudFront's own addresses stand for many users each."""


class LoadBalancer(EnvironmentStack):
    """`load_balancer`, its HTTPS `listener`, and the `target_group` that the backend's service fills.

    A stack before the service's: the deployment alarms of the service need the load balancer's name.
    """

    def __init__(self, scope: Construct, settings: Environment, network: Network) -> None:
        super().__init__(scope, "load-balancer", settings, "the load balancer")
        self.load_balancer = elbv2.ApplicationLoadBalancer(
            self,
            "LoadBalancer",
            load_balancer_name=settings.load_balancer,
            vpc=network.vpc,
            vpc_subnets=ec2.SubnetSelection(subnet_type=ec2.SubnetType.PUBLIC),
            internet_facing=True,
            security_group=network.load_balancer_security_group,
            drop_invalid_header_fields=True,
            desync_mitigation_mode=elbv2.DesyncMitigationMode.DEFENSIVE,
            deletion_protection=True,
        )
        self.load_balancer.log_access_logs(self.access_logs)
        self.target_group = elbv2.ApplicationTargetGroup(
            self,
            "TargetGroup",
            target_group_name=settings.target_group,
            vpc=network.vpc,
            target_type=elbv2.TargetType.IP,
            protocol=elbv2.ApplicationProtocol.HTTP,
            port=CONTAINER_PORT,
            deregistration_delay=cdk.Duration.seconds(30),
            # Out after a minute of failures, so that a short pause of the database doesn't empty the group; in after 30 s.
            health_check=elbv2.HealthCheck(
                path=settings.backend.health_check_path,
                healthy_http_codes=settings.backend.health_check_codes,
                interval=cdk.Duration.seconds(15),
                timeout=cdk.Duration.seconds(5),
                healthy_threshold_count=2,
                unhealthy_threshold_count=4,
            ),
        )
        zone = self._zone()
        self.listener = self.load_balancer.add_listener(
            "Https",
            port=443,
            protocol=elbv2.ApplicationProtocol.HTTPS,
            ssl_policy=elbv2.SslPolicy.RECOMMENDED_TLS,
            certificates=[self._certificate(zone)],
            default_target_groups=[self.target_group],
            open=False,  # the network's security groups say who may connect
        )
        self.load_balancer.add_redirect(open=False)
        self._protect()
        if zone:
            route53.ARecord(
                self,
                "Alias",
                zone=zone,
                record_name=settings.domain.api,
                target=route53.RecordTarget.from_alias(targets.LoadBalancerTarget(self.load_balancer)),
            )

    def _zone(self) -> route53.IHostedZone | None:
        domain = self.settings.domain
        if not domain.hosted_zone_id:
            return None
        return route53.HostedZone.from_hosted_zone_attributes(
            self, "Zone", hosted_zone_id=domain.hosted_zone_id, zone_name=domain.zone
        )

    def _certificate(self, zone: route53.IHostedZone | None) -> acm.ICertificate:
        domain = self.settings.domain
        if zone:
            return acm.Certificate(
                self, "Certificate", domain_name=domain.api, validation=acm.CertificateValidation.from_dns(zone)
            )
        assert domain.certificate_arn  # without a hosted zone the environment has to have one
        return acm.Certificate.from_certificate_arn(self, "Certificate", domain.certificate_arn)

    def _protect(self) -> None:
        """Put the web ACL before the load balancer, with a log of what it caught; what passed is in the access logs."""
        web_acl = wafv2.CfnWebACL(
            self,
            "WebAcl",
            name=self.settings.web_acl,
            scope="REGIONAL",
            default_action=wafv2.CfnWebACL.DefaultActionProperty(allow={}),
            visibility_config=_visible(self.settings.web_acl),
            rules=_rules(),
        )
        wafv2.CfnWebACLAssociation(
            self, "WebAclAssociation", resource_arn=self.load_balancer.load_balancer_arn, web_acl_arn=web_acl.attr_arn
        )
        group = self.log_group("WebAclLogs", self.settings.web_acl_log_group)
        wafv2.CfnLoggingConfiguration(
            self,
            "WebAclLogging",
            resource_arn=web_acl.attr_arn,
            # Without the `:*` that the group's own ARN attribute ends with.
            log_destination_configs=[self.settings.arn("logs", f"log-group:{group.log_group_name}")],
            logging_filter={
                "DefaultBehavior": "DROP",
                "Filters": [
                    {
                        "Behavior": "KEEP",
                        "Requirement": "MEETS_ANY",
                        "Conditions": [{"ActionCondition": {"Action": action}} for action in ("BLOCK", "COUNT")],
                    }
                ],
            },
            redacted_fields=[
                wafv2.CfnLoggingConfiguration.FieldToMatchProperty(single_header={"Name": header})
                for header in ("authorization", "cookie")
            ],
        )


def _rules() -> list[wafv2.CfnWebACL.RuleProperty]:
    """The rate limits first, since a rule only counts the requests that reach it; then AWS's managed rules."""
    too_many = wafv2.CfnWebACL.RuleActionProperty(
        block=wafv2.CfnWebACL.BlockActionProperty(custom_response=wafv2.CfnWebACL.CustomResponseProperty(response_code=429))
    )
    # A viewer can make up the first forwarded address, hence the second limit, on the address that really connects.
    limits = {
        "UserRate": wafv2.CfnWebACL.RateBasedStatementProperty(
            limit=USER_RATE,
            aggregate_key_type="FORWARDED_IP",
            forwarded_ip_config=wafv2.CfnWebACL.ForwardedIPConfigurationProperty(
                header_name="X-Forwarded-For", fallback_behavior="NO_MATCH"
            ),
        ),
        "SourceRate": wafv2.CfnWebACL.RateBasedStatementProperty(limit=SOURCE_RATE, aggregate_key_type="IP"),
    }
    rules = [
        wafv2.CfnWebACL.RuleProperty(
            name=name,
            priority=priority,
            action=too_many,
            statement=wafv2.CfnWebACL.StatementProperty(rate_based_statement=limit),
            visibility_config=_visible(name),
        )
        for priority, (name, limit) in enumerate(limits.items())
    ]
    for name in MANAGED_RULE_GROUPS:
        counted = wafv2.CfnWebACL.RuleActionProperty(count={})
        group = wafv2.CfnWebACL.ManagedRuleGroupStatementProperty(
            vendor_name="AWS",
            name=name,
            rule_action_overrides=[
                wafv2.CfnWebACL.RuleActionOverrideProperty(name=rule, action_to_use=counted)
                for rule in COUNTED_RULES.get(name, ())
            ],
        )
        rules.append(
            wafv2.CfnWebACL.RuleProperty(
                name=name,
                priority=len(rules),
                override_action=wafv2.CfnWebACL.OverrideActionProperty(none={}),
                statement=wafv2.CfnWebACL.StatementProperty(managed_rule_group_statement=group),
                visibility_config=_visible(name),
            )
        )
    return rules


def _visible(metric: str) -> wafv2.CfnWebACL.VisibilityConfigProperty:
    return wafv2.CfnWebACL.VisibilityConfigProperty(
        cloud_watch_metrics_enabled=True, metric_name=metric, sampled_requests_enabled=True
    )
