"""The web ACL of a public endpoint, with a log of what it blocked or counted."""

import html
from collections.abc import Mapping
from typing import Literal

from aws_cdk import aws_wafv2 as wafv2

from runbook.rules import RETRY_AFTER
from stacks.base import EnvironmentStack
from stacks.environment import Environment

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

IP_VERSIONS = ("IPV4", "IPV6")

_PAGE = "maintenance"
_LET_IN = "maintenance:let-in"
_FIRST = 10
"""The priority of the first rule after those of maintenance."""

Scope = Literal["CLOUDFRONT", "REGIONAL"]
Limits = Mapping[str, wafv2.CfnWebACL.RateBasedStatementProperty]


def web_acl(
    stack: EnvironmentStack, scope: Scope, name: str, log_group: str, limits: Limits, environment: Environment
) -> wafv2.CfnWebACL:
    """The web ACL `name`: maintenance, the rate limits by name, AWS's managed rules, and what they caught in `log_group`.

    A CLOUDFRONT one has to be in us-east-1, its log group too. What passed is in the access logs.
    """
    acl = wafv2.CfnWebACL(
        stack,
        "WebAcl",
        name=name,
        scope=scope,
        default_action=wafv2.CfnWebACL.DefaultActionProperty(allow={}),
        visibility_config=_visible(name),
        rules=[*_maintenance(stack, scope, environment), *_rules(limits)],
        custom_response_bodies={
            _PAGE: wafv2.CfnWebACL.CustomResponseBodyProperty(content_type="TEXT_HTML", content=page(environment))
        },
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


def page(environment: Environment) -> str:
    """What users see in maintenance; WAF takes 4 KB: https://docs.aws.amazon.com/waf/latest/developerguide/limits.html"""
    product = html.escape(environment.application.product)
    return (
        f'<!doctype html><html lang="en"><meta charset="utf-8"><title>{product}: maintenance</title>'
        '<body style="font-family:sans-serif;max-width:32rem;margin:20vh auto;padding:0 1rem">'
        f"<h1>{product} is under maintenance</h1>"
        "<p>We will be back soon. Please try again in a few minutes.</p></body></html>\n"
    )


def _maintenance(stack: EnvironmentStack, scope: Scope, environment: Environment) -> list[wafv2.CfnWebACL.RuleProperty]:
    """Whoever is in the IP sets gets 503, the page and Retry-After. The sets are empty but in maintenance: the procedure fills
    them with everybody but the operators, and CloudFormation leaves them alone as long as the template says the same of them.

    A load balancer's own rules cannot send Retry-After, AWS WAF can:
    https://docs.aws.amazon.com/waf/latest/developerguide/customizing-the-response-for-blocked-requests.html
    Before the load balancer everybody who came through CloudFront has its address, and their own is the last of
    X-Forwarded-For. A viewer can make that one up only by going past CloudFront, and has to know an operator's address.
    """
    sets = {
        version: wafv2.CfnIPSet(
            stack,
            f"Maintenance{version.capitalize()}",
            name=environment.maintenance_addresses(version),
            description="Who is kept out in maintenance: procedures change it",
            scope=scope,
            ip_address_version=version,
            addresses=[],
        ).attr_arn
        for version in IP_VERSIONS
    }
    kept_out = _any(*(_in(arn) for arn in sets.values()))
    headers = {"Retry-After": f"{RETRY_AFTER.total_seconds():.0f}", "Cache-Control": "no-store"}
    let_in = []
    if scope == "REGIONAL":
        headers |= {
            "Access-Control-Allow-Origin": environment.frontend_url,
            "Access-Control-Expose-Headers": "Retry-After",
        }
        # Without the header WAF does not apply a rule at all, so this one lets in, and never keeps out:
        # https://docs.aws.amazon.com/waf/latest/APIReference/API_IPSetForwardedIPConfig.html
        let_in.append(
            wafv2.CfnWebACL.RuleProperty(
                name="MaintenanceLetsIn",
                priority=0,
                action=wafv2.CfnWebACL.RuleActionProperty(count={}),
                statement=_all(kept_out, *(_not(_in(arn, forwarded=True)) for arn in sets.values())),
                rule_labels=[wafv2.CfnWebACL.LabelProperty(name=_LET_IN)],
                visibility_config=_visible("MaintenanceLetsIn"),
            )
        )
        labelled = wafv2.CfnWebACL.LabelMatchStatementProperty(key=_LET_IN, scope="LABEL")
        kept_out = _all(kept_out, _not(wafv2.CfnWebACL.StatementProperty(label_match_statement=labelled)))
    response = wafv2.CfnWebACL.CustomResponseProperty(
        response_code=503,
        custom_response_body_key=_PAGE,
        response_headers=[wafv2.CfnWebACL.CustomHTTPHeaderProperty(name=key, value=value) for key, value in headers.items()],
    )
    return [
        *let_in,
        wafv2.CfnWebACL.RuleProperty(
            name="Maintenance",
            priority=len(let_in),
            action=wafv2.CfnWebACL.RuleActionProperty(block=wafv2.CfnWebACL.BlockActionProperty(custom_response=response)),
            statement=kept_out,
            visibility_config=_visible("Maintenance"),
        ),
    ]


def _in(arn: str, *, forwarded: bool = False) -> wafv2.CfnWebACL.StatementProperty:
    """Whether an IP set has the address that connects, or the last one that X-Forwarded-For has."""
    header = wafv2.CfnWebACL.IPSetForwardedIPConfigurationProperty(
        header_name="X-Forwarded-For", position="LAST", fallback_behavior="MATCH"
    )
    reference = wafv2.CfnWebACL.IPSetReferenceStatementProperty(
        arn=arn, ip_set_forwarded_ip_config=header if forwarded else None
    )
    return wafv2.CfnWebACL.StatementProperty(ip_set_reference_statement=reference)


def _any(*statements: wafv2.CfnWebACL.StatementProperty) -> wafv2.CfnWebACL.StatementProperty:
    found = wafv2.CfnWebACL.OrStatementProperty(statements=list(statements))
    return wafv2.CfnWebACL.StatementProperty(or_statement=found)


def _all(*statements: wafv2.CfnWebACL.StatementProperty) -> wafv2.CfnWebACL.StatementProperty:
    found = wafv2.CfnWebACL.AndStatementProperty(statements=list(statements))
    return wafv2.CfnWebACL.StatementProperty(and_statement=found)


def _not(statement: wafv2.CfnWebACL.StatementProperty) -> wafv2.CfnWebACL.StatementProperty:
    found = wafv2.CfnWebACL.NotStatementProperty(statement=statement)
    return wafv2.CfnWebACL.StatementProperty(not_statement=found)


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
        for priority, (name, limit) in enumerate(limits.items(), start=_FIRST)
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
                priority=_FIRST + len(rules),
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
