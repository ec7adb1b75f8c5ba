"""The web ACL of a public endpoint, with a log of what it blocked or counted."""

from collections.abc import Mapping
from typing import Literal

from aws_cdk import aws_wafv2 as wafv2

from stacks.base import EnvironmentStack

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
"""Requests in 5 minutes from one user."""

Limits = Mapping[str, wafv2.CfnWebACL.RateBasedStatementProperty]


def web_acl(
    stack: EnvironmentStack, scope: Literal["CLOUDFRONT", "REGIONAL"], name: str, log_group: str, limits: Limits
) -> wafv2.CfnWebACL:
    """The web ACL `name`: the rate limits by name, AWS's managed rules, and what they caught in `log_group`.

    A CLOUDFRONT one has to be in us-east-1, its log group too. What passed is in the access logs.
    """
    acl = wafv2.CfnWebACL(
        stack,
        "WebAcl",
        name=name,
        scope=scope,
        default_action=wafv2.CfnWebACL.DefaultActionProperty(allow={}),
        visibility_config=_visible(name),
        rules=_rules(limits),
    )
    group = stack.log_group("WebAclLogs", log_group)
    wafv2.CfnLoggingConfiguration(
        stack,
        "WebAclLogging",
        resource_arn=acl.attr_arn,
        # Without the `:*` that the group's own ARN attribute ends with.
        log_destination_configs=[f"arn:aws:logs:{stack.region}:{stack.account}:log-group:{group.log_group_name}"],
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
    return acl


def _rules(limits: Limits) -> list[wafv2.CfnWebACL.RuleProperty]:
    """The rate limits first, since a rule only counts the requests that reach it; then AWS's managed rules."""
    too_many = wafv2.CfnWebACL.RuleActionProperty(
        block=wafv2.CfnWebACL.BlockActionProperty(custom_response=wafv2.CfnWebACL.CustomResponseProperty(response_code=429))
    )
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
