"""The load balancer: runbook section 1, TLS for everybody, and a web ACL before it."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import aws_cdk as cdk
import pytest
from aws_cdk.assertions import Template

from stacks.environment import Domain, Environment
from stacks.load_balancer import LoadBalancer
from stacks.network import Network

from .conftest import ENVIRONMENTS, FLAGS, only

ALB = "AWS::ElasticLoadBalancingV2::LoadBalancer"
LISTENER = "AWS::ElasticLoadBalancingV2::Listener"
TARGET_GROUP = "AWS::ElasticLoadBalancingV2::TargetGroup"


@pytest.fixture
def stack(template: Callable[[str], Template]) -> Template:
    return template("load-balancer")


def attributes(resource: dict[str, Any], kind: str) -> dict[str, Any]:
    return {attribute["Key"]: attribute["Value"] for attribute in resource["Properties"][f"{kind}Attributes"]}


def test_the_names_are_the_runbooks(stack: Template, settings: Environment) -> None:
    assert only(stack, ALB)["Properties"]["Name"] == f"hz-navigator-{settings.name}-alb"
    assert only(stack, TARGET_GROUP)["Properties"]["Name"] == settings.target_group


def test_it_faces_the_internet_from_public_subnets(stack: Template, settings: Environment) -> None:
    properties = only(stack, ALB)["Properties"]
    imports = [subnet["Fn::ImportValue"] for subnet in properties["Subnets"]]
    [group] = properties["SecurityGroups"]
    assert properties["Scheme"] == "internet-facing"
    assert len(imports) == len(settings.network.zones)
    assert all("PublicSubnet" in name for name in imports)
    assert "LoadBalancerSecurityGroup" in group["Fn::ImportValue"]


ATTRIBUTES = {
    "deletion_protection.enabled": "true",
    "routing.http.drop_invalid_header_fields.enabled": "true",
    "routing.http.desync_mitigation_mode": "defensive",
    "access_logs.s3.enabled": "true",
}


@pytest.mark.parametrize(("attribute", "value"), ATTRIBUTES.items())
def test_an_attribute_is_set(stack: Template, attribute: str, value: str) -> None:
    assert attributes(only(stack, ALB), "LoadBalancer")[attribute] == value


def test_access_logs_go_to_a_bucket_that_accepts_them_first(stack: Template) -> None:
    balancer, bucket, policy = only(stack, ALB), only(stack, "AWS::S3::Bucket"), only(stack, "AWS::S3::BucketPolicy")
    assert attributes(balancer, "LoadBalancer")["access_logs.s3.bucket"] == {"Ref": bucket["Id"]}
    assert policy["Id"] in balancer["DependsOn"]
    assert [
        statement["Principal"]
        for statement in policy["Properties"]["PolicyDocument"]["Statement"]
        if statement["Effect"] == "Allow" and statement["Action"] == "s3:PutObject"
    ]


def test_plain_http_is_only_redirected_and_https_speaks_tls_1_3(stack: Template) -> None:
    listeners = {listener["Properties"]["Port"]: listener["Properties"] for listener in stack.find_resources(LISTENER).values()}
    assert set(listeners) == {80, 443}
    https, http = listeners[443], listeners[80]
    assert (https["Protocol"], https["SslPolicy"]) == ("HTTPS", "ELBSecurityPolicy-TLS13-1-2-2021-06")
    assert https["DefaultActions"] == [{"Type": "forward", "TargetGroupArn": {"Ref": only(stack, TARGET_GROUP)["Id"]}}]
    assert http["DefaultActions"] == [
        {"Type": "redirect", "RedirectConfig": {"Protocol": "HTTPS", "Port": "443", "StatusCode": "HTTP_301"}}
    ]


def test_the_certificate_is_the_apis_validated_in_the_hosted_zone(stack: Template, settings: Environment) -> None:
    certificate = only(stack, "AWS::CertificateManager::Certificate")
    [option] = certificate["Properties"]["DomainValidationOptions"]
    assert certificate["Properties"]["DomainName"] == settings.domain.api
    assert option == {"DomainName": settings.domain.api, "HostedZoneId": settings.domain.hosted_zone_id}
    assert {"CertificateArn": {"Ref": certificate["Id"]}} in [
        given
        for listener in stack.find_resources(LISTENER).values()
        for given in listener["Properties"].get("Certificates", [])
    ]


def test_the_apis_name_leads_to_the_load_balancer(stack: Template, settings: Environment) -> None:
    record, balancer = only(stack, "AWS::Route53::RecordSet")["Properties"], only(stack, ALB)["Id"]
    assert (record["Name"], record["Type"]) == (f"{settings.domain.api}.", "A")
    assert record["HostedZoneId"] == settings.domain.hosted_zone_id
    assert record["AliasTarget"]["HostedZoneId"] == {"Fn::GetAtt": [balancer, "CanonicalHostedZoneID"]}


def test_without_a_hosted_zone_it_takes_the_given_certificate_and_makes_no_record(tmp_path: Path) -> None:
    arn = "arn:aws:acm:us-east-1:123456789012:certificate/11111111-2222-3333-4444-555555555555"
    production = ENVIRONMENTS["production"]
    domain = Domain(
        zone=production.domain.zone,
        frontend=production.domain.frontend,
        api=production.domain.api,
        certificate_arn=arn,
        frontend_certificate_arn=arn,
    )
    app = cdk.App(context=FLAGS, outdir=str(tmp_path))
    settings = production.model_copy(update={"domain": domain})
    stack = Template.from_stack(LoadBalancer(app, settings, Network(app, settings)))
    stack.resource_count_is("AWS::CertificateManager::Certificate", 0)
    stack.resource_count_is("AWS::Route53::RecordSet", 0)
    stack.has_resource_properties(LISTENER, {"Port": 443, "Certificates": [{"CertificateArn": arn}]})


TARGETS: dict[str, object] = {
    "TargetType": "ip",
    "Protocol": "HTTP",
    "Port": 3001,
    "HealthCheckIntervalSeconds": 15,
    "HealthCheckTimeoutSeconds": 5,
    "HealthyThresholdCount": 2,
    "UnhealthyThresholdCount": 4,
}


@pytest.mark.parametrize(("setting", "value"), TARGETS.items())
def test_the_target_group_is_set(stack: Template, setting: str, value: object) -> None:
    assert only(stack, TARGET_GROUP)["Properties"][setting] == value


def test_the_health_check_is_the_environments(stack: Template, settings: Environment) -> None:
    properties = only(stack, TARGET_GROUP)["Properties"]
    assert properties["HealthCheckPath"] == settings.backend.health_check_path
    assert properties["Matcher"] == {"HttpCode": settings.backend.health_check_codes}


def test_a_stopping_task_has_half_a_minute_to_finish(stack: Template) -> None:
    assert attributes(only(stack, TARGET_GROUP), "TargetGroup")["deregistration_delay.timeout_seconds"] == "30"


# Web ACL

LIMITS = {"UserRate": ("FORWARDED_IP", 2000), "SourceRate": ("IP", 10000)}
MANAGED: dict[str, list[str]] = {  # rule group: what is counted in it instead of blocked
    "AWSManagedRulesAmazonIpReputationList": [],
    "AWSManagedRulesCommonRuleSet": ["SizeRestrictions_BODY"],
    "AWSManagedRulesKnownBadInputsRuleSet": [],
    "AWSManagedRulesSQLiRuleSet": [],
}


@pytest.fixture
def rules(stack: Template) -> dict[str, dict[str, Any]]:
    return {rule["Name"]: rule for rule in only(stack, "AWS::WAFv2::WebACL")["Properties"]["Rules"]}


def test_the_web_acl_limits_rates_first_and_then_asks_awss_rules(rules: dict[str, dict[str, Any]]) -> None:
    assert sorted(rules, key=lambda name: int(rules[name]["Priority"])) == [*LIMITS, *MANAGED]
    assert len({rule["Priority"] for rule in rules.values()}) == len(rules)


@pytest.mark.parametrize(("name", "limit"), LIMITS.items())
def test_too_many_requests_are_answered_with_429(rules: dict[str, dict[str, Any]], name: str, limit: tuple[str, int]) -> None:
    statement = rules[name]["Statement"]["RateBasedStatement"]
    assert (statement["AggregateKeyType"], statement["Limit"]) == limit
    assert rules[name]["Action"] == {"Block": {"CustomResponse": {"ResponseCode": 429}}}


@pytest.mark.parametrize(("name", "counted"), MANAGED.items())
def test_awss_rules_block_but_for_the_size_of_uploads(rules: dict[str, dict[str, Any]], name: str, counted: list[str]) -> None:
    group = rules[name]["Statement"]["ManagedRuleGroupStatement"]
    assert (group["VendorName"], group["Name"]) == ("AWS", name)
    assert rules[name]["OverrideAction"] == {"None": {}}
    assert group.get("RuleActionOverrides", []) == [{"Name": rule, "ActionToUse": {"Count": {}}} for rule in counted]


def test_the_web_acl_stands_before_the_load_balancer(stack: Template) -> None:
    acl = only(stack, "AWS::WAFv2::WebACL")
    assert acl["Properties"]["Scope"] == "REGIONAL"
    assert acl["Properties"]["DefaultAction"] == {"Allow": {}}
    assert only(stack, "AWS::WAFv2::WebACLAssociation")["Properties"] == {
        "ResourceArn": {"Ref": only(stack, ALB)["Id"]},
        "WebACLArn": {"Fn::GetAtt": [acl["Id"], "Arn"]},
    }


def test_what_the_web_acl_caught_is_logged_without_credentials(stack: Template, settings: Environment) -> None:
    logging, group = only(stack, "AWS::WAFv2::LoggingConfiguration")["Properties"], only(stack, "AWS::Logs::LogGroup")
    [destination] = logging["LogDestinationConfigs"]
    assert destination["Fn::Join"][1][-1] == {"Ref": group["Id"]}
    assert group["Properties"]["LogGroupName"] == settings.web_acl_log_group
    assert settings.web_acl_log_group.startswith("aws-waf-logs-"), "WAF writes to no other"
    assert group["Properties"]["RetentionInDays"] == settings.log_retention_days
    assert {field["SingleHeader"]["Name"] for field in logging["RedactedFields"]} == {"authorization", "cookie"}
    kept = {condition["ActionCondition"]["Action"] for condition in logging["LoggingFilter"]["Filters"][0]["Conditions"]}
    assert kept == {"BLOCK", "COUNT"}
