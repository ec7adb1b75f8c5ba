"""The load balancer: runbook section 1, TLS for everybody, and a web ACL before it."""

from collections.abc import Callable
from typing import Any

import pytest

from stacks.environment import Environment
from tests.environments import VARIANTS, VARIANTS_CONFIG
from tests.synth.assemblies import templates
from tests.synth.template import Template

ALB = "AWS::ElasticLoadBalancingV2::LoadBalancer"
LISTENER = "AWS::ElasticLoadBalancingV2::Listener"
TARGET_GROUP = "AWS::ElasticLoadBalancingV2::TargetGroup"


@pytest.fixture
def stack(template: Callable[[str], Template]) -> Template:
    return template("load-balancer")


def attributes(resource: dict[str, Any], kind: str) -> dict[str, Any]:
    return {attribute["Key"]: attribute["Value"] for attribute in resource["Properties"][f"{kind}Attributes"]}


def test_the_names_are_the_runbooks(stack: Template, environment: Environment) -> None:
    assert stack.only(ALB)["Properties"]["Name"] == f"hz-navigator-{environment.name}-alb"
    assert stack.only(TARGET_GROUP)["Properties"]["Name"] == environment.target_group


def test_it_faces_the_internet_from_public_subnets(stack: Template, environment: Environment) -> None:
    properties = stack.only(ALB)["Properties"]
    imports = [subnet["Fn::ImportValue"] for subnet in properties["Subnets"]]
    [group] = properties["SecurityGroups"]
    assert properties["Scheme"] == "internet-facing"
    assert len(imports) == len(environment.network.zones)
    assert all("PublicSubnet" in name for name in imports)
    assert "LoadBalancerSecurityGroup" in group["Fn::ImportValue"]


def test_access_logs_go_to_a_bucket_that_accepts_them_first(stack: Template) -> None:
    balancer, bucket, policy = stack.only(ALB), stack.only("AWS::S3::Bucket"), stack.only("AWS::S3::BucketPolicy")
    assert attributes(balancer, "LoadBalancer")["access_logs.s3.bucket"] == {"Ref": bucket["Id"]}
    assert policy["Id"] in balancer["DependsOn"]
    assert [
        statement["Principal"]
        for statement in policy["Properties"]["PolicyDocument"]["Statement"]
        if statement["Effect"] == "Allow" and statement["Action"] == "s3:PutObject"
    ]


def test_plain_http_is_only_redirected(stack: Template) -> None:
    listeners = {listener["Properties"]["Port"]: listener["Properties"] for listener in stack.of_type(LISTENER).values()}
    assert set(listeners) == {80, 443}
    https, http = listeners[443], listeners[80]
    assert https["Protocol"] == "HTTPS"
    assert https["DefaultActions"] == [{"Type": "forward", "TargetGroupArn": {"Ref": stack.only(TARGET_GROUP)["Id"]}}]
    assert http["DefaultActions"] == [
        {"Type": "redirect", "RedirectConfig": {"Protocol": "HTTPS", "Port": "443", "StatusCode": "HTTP_301"}}
    ]


def test_tls_is_1_2_or_newer_and_agrees_on_keys_that_a_quantum_computer_cannot_break(stack: Template) -> None:
    """AWS's recommendation, whatever the newest policy that follows it is called:
    https://docs.aws.amazon.com/elasticloadbalancing/latest/application/describe-ssl-policies.html
    """
    policy = stack.properties(LISTENER, Port=443)["SslPolicy"]
    assert policy.startswith(("ELBSecurityPolicy-TLS13-1-2-", "ELBSecurityPolicy-TLS13-1-3-"))
    assert "-PQ-" in policy


def test_the_certificate_is_the_apis_validated_in_the_hosted_zone(stack: Template, environment: Environment) -> None:
    certificate = stack.only("AWS::CertificateManager::Certificate")
    [option] = certificate["Properties"]["DomainValidationOptions"]
    assert certificate["Properties"]["DomainName"] == environment.domain.api
    assert option == {"DomainName": environment.domain.api, "HostedZoneId": environment.domain.hosted_zone_id}
    assert {"CertificateArn": {"Ref": certificate["Id"]}} in [
        given for listener in stack.of_type(LISTENER).values() for given in listener["Properties"].get("Certificates", [])
    ]


def test_the_apis_name_leads_to_the_load_balancer(stack: Template, environment: Environment) -> None:
    record, balancer = stack.only("AWS::Route53::RecordSet")["Properties"], stack.only(ALB)["Id"]
    assert (record["Name"], record["Type"]) == (f"{environment.domain.api}.", "A")
    assert record["HostedZoneId"] == environment.domain.hosted_zone_id
    assert record["AliasTarget"]["HostedZoneId"] == {"Fn::GetAtt": [balancer, "CanonicalHostedZoneID"]}


def test_without_a_hosted_zone_it_takes_the_given_certificate_and_makes_no_record() -> None:
    environment = VARIANTS["certificates"]
    stack = templates(environment.name, VARIANTS_CONFIG)["load-balancer"]
    assert not stack.of_type("AWS::CertificateManager::Certificate")
    assert not stack.of_type("AWS::Route53::RecordSet")
    assert stack.properties(LISTENER, Port=443)["Certificates"] == [{"CertificateArn": environment.domain.certificate_arn}]


def test_the_health_check_is_the_environments(stack: Template, environment: Environment) -> None:
    properties = stack.only(TARGET_GROUP)["Properties"]
    assert properties["HealthCheckPath"] == environment.backend.health_check_path
    assert properties["Matcher"] == {"HttpCode": environment.backend.health_check_codes}


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
    return {rule["Name"]: rule for rule in stack.only("AWS::WAFv2::WebACL")["Properties"]["Rules"]}


def test_the_web_acl_keeps_out_in_maintenance_limits_rates_and_then_asks_awss_rules(rules: dict[str, dict[str, Any]]) -> None:
    assert sorted(rules, key=lambda name: int(rules[name]["Priority"])) == [
        "MaintenanceLetsIn",
        "Maintenance",
        *LIMITS,
        *MANAGED,
    ]
    assert len({rule["Priority"] for rule in rules.values()}) == len(rules)


@pytest.mark.parametrize(("name", "limit"), LIMITS.items())
def test_too_many_requests_are_answered_with_429(rules: dict[str, dict[str, Any]], name: str, limit: tuple[str, int]) -> None:
    statement = rules[name]["Statement"]["RateBasedStatement"]
    assert (statement["AggregateKeyType"], statement["Limit"]) == limit
    assert rules[name]["Action"] == {"Block": {"CustomResponse": {"ResponseCode": 429}}}


def test_in_maintenance_the_load_balancer_answers_503_with_a_page_and_when_to_come_back(
    stack: Template, rules: dict[str, dict[str, Any]], environment: Environment
) -> None:
    answer = rules["Maintenance"]["Action"]["Block"]["CustomResponse"]
    assert answer["ResponseCode"] == 503
    assert {"Name": "Retry-After", "Value": "300"} in answer["ResponseHeaders"]
    bodies = stack.only("AWS::WAFv2::WebACL")["Properties"]["CustomResponseBodies"]
    body = bodies[answer["CustomResponseBodyKey"]]
    assert body["ContentType"] == "TEXT_HTML"
    assert environment.application.product in body["Content"]
    assert len(body["Content"].encode()) <= 4096


def test_the_ip_sets_of_maintenance_are_empty_so_that_a_deployment_leaves_them_as_they_are(
    stack: Template, environment: Environment
) -> None:
    sets = [one["Properties"] for one in stack.of_type("AWS::WAFv2::IPSet").values()]
    assert {(one["Name"], one["IPAddressVersion"], one["Scope"]) for one in sets} == {
        (environment.maintenance_addresses(version), version, "REGIONAL") for version in ("IPV4", "IPV6")
    }
    assert [one["Addresses"] for one in sets] == [[], []]


@pytest.mark.parametrize(("name", "counted"), MANAGED.items())
def test_awss_rules_block_but_for_the_size_of_uploads(rules: dict[str, dict[str, Any]], name: str, counted: list[str]) -> None:
    group = rules[name]["Statement"]["ManagedRuleGroupStatement"]
    assert (group["VendorName"], group["Name"]) == ("AWS", name)
    assert rules[name]["OverrideAction"] == {"None": {}}
    assert group.get("RuleActionOverrides", []) == [{"Name": rule, "ActionToUse": {"Count": {}}} for rule in counted]


def test_the_web_acl_stands_before_the_load_balancer(stack: Template) -> None:
    acl = stack.only("AWS::WAFv2::WebACL")
    assert acl["Properties"]["Scope"] == "REGIONAL"
    assert acl["Properties"]["DefaultAction"] == {"Allow": {}}
    assert stack.only("AWS::WAFv2::WebACLAssociation")["Properties"] == {
        "ResourceArn": {"Ref": stack.only(ALB)["Id"]},
        "WebACLArn": {"Fn::GetAtt": [acl["Id"], "Arn"]},
    }


def test_what_the_web_acl_caught_is_logged_without_credentials(stack: Template, environment: Environment) -> None:
    logging, group = stack.only("AWS::WAFv2::LoggingConfiguration")["Properties"], stack.only("AWS::Logs::LogGroup")
    [destination] = logging["LogDestinationConfigs"]
    assert destination["Fn::Join"][1][-1] == {"Ref": group["Id"]}
    assert group["Properties"]["LogGroupName"] == environment.web_acl_log_group
    assert environment.web_acl_log_group.startswith("aws-waf-logs-"), "WAF writes to no other"
    assert group["Properties"]["RetentionInDays"] == environment.log_retention_days
    assert {field["SingleHeader"]["Name"] for field in logging["RedactedFields"]} == {"authorization", "cookie"}
    kept = {condition["ActionCondition"]["Action"] for condition in logging["LoggingFilter"]["Filters"][0]["Conditions"]}
    assert kept == {"BLOCK", "COUNT"}
