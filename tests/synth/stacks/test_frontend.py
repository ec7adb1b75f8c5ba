"""The frontend: runbook sections 1 and 4.2, and what the distribution caches, lets in and says."""

from collections.abc import Callable
from typing import Any

import pytest

from stacks.environment import Environment
from tests.environments import VARIANTS, VARIANTS_CONFIG
from tests.synth.assemblies import stack_region, templates
from tests.synth.template import Template

CACHING_DISABLED = "4135ea2d-6df8-44a3-9df3-4b5a84be39ad"
CACHING_OPTIMIZED = "658327ea-f89d-4fab-a63d-7e88639e58f6"
ALL_VIEWER_EXCEPT_HOST_HEADER = "b689b0a8-53d0-40ab-baf2-68738e2966ac"
SECURITY_HEADERS = "67f7725c-6f97-4210-82d7-5512b31e9d03"
"""AWS's managed policies: https://docs.aws.amazon.com/AmazonCloudFront/latest/DeveloperGuide/working-with-policies.html"""


@pytest.fixture
def stack(template: Callable[[str], Template]) -> Template:
    return template("frontend")


@pytest.fixture
def distribution(stack: Template) -> dict[str, Any]:
    config: dict[str, Any] = stack.only("AWS::CloudFront::Distribution")["Properties"]["DistributionConfig"]
    return config


@pytest.fixture
def behaviors(distribution: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """The cache behaviours by path pattern, the default one under `*`."""
    others = {behavior["PathPattern"]: behavior for behavior in distribution["CacheBehaviors"]}
    return {"*": distribution["DefaultCacheBehavior"], **others}


@pytest.fixture
def origins(distribution: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """The bucket's origin as `bucket`, the API's as `api`, each with its id."""
    return {"api" if "CustomOriginConfig" in origin else "bucket": origin for origin in distribution["Origins"]}


def this_distribution(stack: Template, environment: Environment) -> dict[str, Any]:
    """The condition that only this distribution meets."""
    arn = [
        f"arn:aws:cloudfront::{environment.account}:distribution/",
        {"Ref": stack.only("AWS::CloudFront::Distribution")["Id"]},
    ]
    return {"StringEquals": {"aws:SourceArn": {"Fn::Join": ["", arn]}}}


# The buckets


@pytest.fixture(params=["", "-backups"])
def bucket(request: pytest.FixtureRequest, stack: Template, environment: Environment) -> dict[str, Any]:
    """The live bucket and the backups in turn, by the runbook's names."""
    name = f"hz-navigator-frontend-{environment.name}{request.param}"
    [bucket] = stack.of_type("AWS::S3::Bucket", BucketName=name).values()
    assert isinstance(bucket, dict)
    return bucket


def test_a_bucket_is_private_versioned_logged_and_kept(bucket: dict[str, Any]) -> None:
    assert set(bucket["Properties"]["PublicAccessBlockConfiguration"].values()) == {True}
    assert bucket["Properties"]["VersioningConfiguration"] == {"Status": "Enabled"}
    assert bucket["Properties"]["OwnershipControls"] == {"Rules": [{"ObjectOwnership": "BucketOwnerEnforced"}]}
    assert "DestinationBucketName" in bucket["Properties"]["LoggingConfiguration"]
    assert (bucket["DeletionPolicy"], bucket["UpdateReplacePolicy"]) == ("RetainExceptOnCreate", "Retain")


def test_a_bucket_is_encrypted_under_the_stacks_key(bucket: dict[str, Any], stack: Template, environment: Environment) -> None:
    """The live bucket names the key by its alias, since the key's policy names what stands on the bucket."""
    [rule] = bucket["Properties"]["BucketEncryption"]["ServerSideEncryptionConfiguration"]
    alias = stack.only("AWS::KMS::Alias")["Properties"]
    key = {"Fn::GetAtt": [stack.only("AWS::KMS::Key")["Id"], "Arn"]}
    assert alias["TargetKeyId"] == key
    assert rule["ServerSideEncryptionByDefault"]["SSEAlgorithm"] == "aws:kms"
    assert rule["ServerSideEncryptionByDefault"]["KMSMasterKeyID"] in (
        key,
        f"arn:aws:kms:us-east-1:{environment.account}:{alias['AliasName']}",
    )


def test_nothing_goes_by_age_but_old_versions_and_their_delete_markers(bucket: dict[str, Any]) -> None:
    """Or the last good backup would go when no release comes for long."""
    (rule,) = bucket["Properties"]["LifecycleConfiguration"]["Rules"]
    assert rule == {
        "AbortIncompleteMultipartUpload": {"DaysAfterInitiation": 7},
        "ExpiredObjectDeleteMarker": True,
        "NoncurrentVersionExpiration": {"NoncurrentDays": 30},
        "Status": "Enabled",
    }


def test_every_bucket_refuses_plain_http_and_old_tls(stack: Template) -> None:
    policies = stack.of_type("AWS::S3::BucketPolicy")
    assert len(policies) == len(stack.of_type("AWS::S3::Bucket"))
    for policy in policies.values():
        denied = [
            statement["Condition"]
            for statement in policy["Properties"]["PolicyDocument"]["Statement"]
            if statement["Effect"] == "Deny" and statement["Action"] == "s3:*"
        ]
        assert denied == [{"Bool": {"aws:SecureTransport": "false"}}, {"NumericLessThan": {"s3:TlsVersion": 1.2}}]


def test_this_distribution_alone_reads_the_live_bucket_and_uses_its_key(stack: Template, environment: Environment) -> None:
    allowed = [
        (statement["Action"], statement["Condition"])
        for resource_type, document in (("AWS::S3::BucketPolicy", "PolicyDocument"), ("AWS::KMS::Key", "KeyPolicy"))
        for resource in stack.of_type(resource_type).values()
        for statement in resource["Properties"][document]["Statement"]
        if statement["Effect"] == "Allow" and statement["Principal"].get("Service") == "cloudfront.amazonaws.com"
    ]
    condition = this_distribution(stack, environment)
    assert allowed == [("s3:GetObject", condition), ("kms:Decrypt", condition)]


# The distribution


def test_it_answers_to_the_runbooks_host_with_a_certificate_for_it(
    stack: Template, distribution: dict[str, Any], environment: Environment
) -> None:
    certificate = stack.only("AWS::CertificateManager::Certificate")
    assert distribution["Aliases"] == [environment.domain.frontend]
    assert distribution["ViewerCertificate"] == {
        "AcmCertificateArn": {"Ref": certificate["Id"]},
        "MinimumProtocolVersion": "TLSv1.2_2021",
        "SslSupportMethod": "sni-only",
    }
    assert certificate["Properties"]["DomainName"] == environment.domain.frontend
    assert certificate["Properties"]["ValidationMethod"] == "DNS"
    assert [option["HostedZoneId"] for option in certificate["Properties"]["DomainValidationOptions"]] == [
        environment.domain.hosted_zone_id
    ]


@pytest.mark.parametrize("record_type", ["A", "AAAA"])
def test_the_host_name_points_to_it(record_type: str, stack: Template, environment: Environment) -> None:
    [record] = stack.of_type("AWS::Route53::RecordSet", Type=record_type).values()
    distribution = stack.only("AWS::CloudFront::Distribution")["Id"]
    assert record["Properties"]["Name"] == f"{environment.domain.frontend}."
    assert record["Properties"]["HostedZoneId"] == environment.domain.hosted_zone_id
    assert record["Properties"]["AliasTarget"]["DNSName"] == {"Fn::GetAtt": [distribution, "DomainName"]}


def test_its_id_is_an_output(stack: Template) -> None:
    """The runbook prints XXXXXXXXXX and <DISTRIBUTION_ID> in its place."""
    outputs = stack.body["Outputs"]
    assert outputs["DistributionId"]["Value"] == {"Ref": stack.only("AWS::CloudFront::Distribution")["Id"]}


BEHAVIORS = [
    # path, origin, cache policy, plain HTTP
    ("*", "bucket", CACHING_DISABLED, "redirect-to-https"),
    ("/assets/*", "bucket", CACHING_OPTIMIZED, "redirect-to-https"),
    ("/api/*", "api", CACHING_DISABLED, "https-only"),
]


@pytest.mark.parametrize(("path", "origin", "cache_policy", "plain"), BEHAVIORS)
def test_a_path_is_served(
    path: str,
    origin: str,
    cache_policy: str,
    plain: str,
    behaviors: dict[str, dict[str, Any]],
    origins: dict[str, dict[str, Any]],
) -> None:
    assert behaviors[path]["TargetOriginId"] == origins[origin]["Id"]
    assert behaviors[path]["CachePolicyId"] == cache_policy
    assert behaviors[path]["ViewerProtocolPolicy"] == plain


def test_there_is_no_other_path(behaviors: dict[str, dict[str, Any]]) -> None:
    assert set(behaviors) == {path for path, *_ in BEHAVIORS}


def test_pages_are_read_only_and_the_api_takes_every_method(behaviors: dict[str, dict[str, Any]]) -> None:
    assert "AllowedMethods" not in behaviors["*"], "GET and HEAD are CloudFront's default"
    assert "AllowedMethods" not in behaviors["/assets/*"]
    assert set(behaviors["/api/*"]["AllowedMethods"]) == {"GET", "HEAD", "OPTIONS", "PUT", "PATCH", "POST", "DELETE"}


def test_the_bucket_is_read_with_signed_requests(stack: Template, origins: dict[str, dict[str, Any]]) -> None:
    control = stack.only("AWS::CloudFront::OriginAccessControl")
    assert origins["bucket"]["OriginAccessControlId"] == {"Fn::GetAtt": [control["Id"], "Id"]}
    assert control["Properties"]["OriginAccessControlConfig"]["SigningBehavior"] == "always"
    assert origins["bucket"]["S3OriginConfig"] == {"OriginAccessIdentity": ""}


def test_the_api_is_reached_by_its_own_name_over_tls_1_2(
    origins: dict[str, dict[str, Any]], behaviors: dict[str, dict[str, Any]], environment: Environment
) -> None:
    assert origins["api"]["DomainName"] == environment.domain.api
    assert origins["api"]["CustomOriginConfig"] == {"OriginProtocolPolicy": "https-only", "OriginSSLProtocols": ["TLSv1.2"]}
    assert behaviors["/api/*"]["OriginRequestPolicyId"] == ALL_VIEWER_EXCEPT_HOST_HEADER


def test_the_routing_function_is_called_after_the_environment(stack: Template, environment: Environment) -> None:
    assert stack.only("AWS::CloudFront::Function")["Properties"]["Name"] == f"{environment.prefix}-frontend-routing"


def test_only_pages_go_through_the_routing_function(stack: Template, behaviors: dict[str, dict[str, Any]]) -> None:
    function = stack.only("AWS::CloudFront::Function")
    assert behaviors["*"]["FunctionAssociations"] == [
        {"EventType": "viewer-request", "FunctionARN": {"Fn::GetAtt": [function["Id"], "FunctionARN"]}}
    ]
    assert "FunctionAssociations" not in behaviors["/assets/*"]
    assert "FunctionAssociations" not in behaviors["/api/*"]
    assert function["Properties"]["FunctionConfig"]["Runtime"] == "cloudfront-js-2.0"
    assert function["Properties"]["AutoPublish"] is True


def test_an_error_is_never_repeated_from_the_cache_nor_replaced(distribution: dict[str, Any]) -> None:
    """A replaced error would turn the API's 404 into a page."""
    assert distribution["CustomErrorResponses"] == [
        {"ErrorCode": status, "ErrorCachingMinTTL": 0} for status in (403, 404, 500, 502, 503, 504)
    ]


# The headers


@pytest.fixture
def headers(stack: Template) -> dict[str, Any]:
    config: dict[str, Any] = stack.only("AWS::CloudFront::ResponseHeadersPolicy")["Properties"]["ResponseHeadersPolicyConfig"]
    return config


def test_every_path_says_its_security_headers(stack: Template, behaviors: dict[str, dict[str, Any]]) -> None:
    own = {"Ref": stack.only("AWS::CloudFront::ResponseHeadersPolicy")["Id"]}
    assert {path: behavior["ResponseHeadersPolicyId"] for path, behavior in behaviors.items()} == {
        "*": own,
        "/assets/*": own,
        "/api/*": SECURITY_HEADERS,
    }


CONTENT_SOURCES = {
    "default-src": {"'self'"},
    "script-src": {"'self'"},
    "object-src": {"'none'"},
    "frame-ancestors": {"'none'"},
    "base-uri": {"'self'"},
    "form-action": {"'self'"},
}


@pytest.fixture
def content_security_policy(headers: dict[str, Any]) -> dict[str, set[str]]:
    policy = headers["SecurityHeadersConfig"]["ContentSecurityPolicy"]
    assert policy["Override"] is True
    directives = [directive.split() for directive in policy["ContentSecurityPolicy"].split(";")]
    return {name: set(sources) for name, *sources in directives}


@pytest.mark.parametrize(("directive", "sources"), CONTENT_SOURCES.items())
def test_content_comes_from(directive: str, sources: set[str], content_security_policy: dict[str, set[str]]) -> None:
    assert content_security_policy[directive] == sources


def test_pages_may_call_the_api_and_the_documents(
    content_security_policy: dict[str, set[str]], environment: Environment
) -> None:
    assert content_security_policy["connect-src"] >= {
        "'self'",
        environment.api_url,
        f"https://{environment.documents_bucket}.s3.{environment.region}.amazonaws.com",
    }


def test_no_directive_lets_everything_in(content_security_policy: dict[str, set[str]]) -> None:
    anything = {"*", "https:", "http:", "'unsafe-eval'"}
    assert {name for name, sources in content_security_policy.items() if sources & anything} == set()
    assert {name for name, sources in content_security_policy.items() if "'unsafe-inline'" in sources} == {"style-src"}


def test_what_says_nothing_about_caching_is_not_kept(headers: dict[str, Any]) -> None:
    """`index.html` above all, should a release forget; what says something, as the assets do, keeps its word."""
    assert headers["CustomHeadersConfig"]["Items"] == [{"Header": "Cache-Control", "Value": "no-cache", "Override": False}]


# The web ACL and the logs


def test_a_web_acl_stands_before_it(stack: Template, distribution: dict[str, Any], environment: Environment) -> None:
    acl = stack.only("AWS::WAFv2::WebACL")
    assert distribution["WebACLId"] == {"Fn::GetAtt": [acl["Id"], "Arn"]}
    assert (acl["Properties"]["Scope"], acl["Properties"]["Name"]) == ("CLOUDFRONT", environment.frontend_web_acl)


def test_in_maintenance_it_answers_as_the_load_balancer_does(stack: Template) -> None:
    first = min(stack.only("AWS::WAFv2::WebACL")["Properties"]["Rules"], key=lambda rule: int(rule["Priority"]))
    answer = first["Action"]["Block"]["CustomResponse"]
    assert (first["Name"], answer["ResponseCode"]) == ("Maintenance", 503)
    assert {"Name": "Retry-After", "Value": "300"} in answer["ResponseHeaders"]
    assert {one["Properties"]["Scope"] for one in stack.of_type("AWS::WAFv2::IPSet").values()} == {"CLOUDFRONT"}


def test_every_request_is_logged_to_a_bucket_that_accepts_it_first(stack: Template, environment: Environment) -> None:
    source = stack.only("AWS::Logs::DeliverySource")
    destination = stack.only("AWS::Logs::DeliveryDestination")
    delivery = stack.only("AWS::Logs::Delivery")
    [(policy_id, policy)] = [
        (name, policy["Properties"])
        for name, policy in stack.of_type("AWS::S3::BucketPolicy").items()
        if "delivery.logs.amazonaws.com" in str(policy)
    ]
    [allowed] = [
        statement
        for statement in policy["PolicyDocument"]["Statement"]
        if statement["Principal"] == {"Service": "delivery.logs.amazonaws.com"}
    ]
    assert source["Properties"]["LogType"] == "ACCESS_LOGS"
    assert source["Properties"]["ResourceArn"] == this_distribution(stack, environment)["StringEquals"]["aws:SourceArn"]
    assert destination["Properties"]["DestinationResourceArn"] == {"Fn::GetAtt": [policy["Bucket"]["Ref"], "Arn"]}
    assert delivery["Properties"]["DeliverySourceName"] == source["Properties"]["Name"]
    assert set(delivery["DependsOn"]) == {policy_id, source["Id"]}
    assert allowed["Action"] == "s3:PutObject"
    assert allowed["Condition"]["ArnEquals"] == {
        "aws:SourceArn": f"arn:aws:logs:us-east-1:{environment.account}:delivery-source:{source['Properties']['Name']}"
    }


# Elsewhere, and without a hosted zone


def test_it_is_in_us_east_1_wherever_the_environment_is() -> None:
    environment = VARIANTS["certificates"]
    assert environment.region == "eu-central-1"
    assert stack_region("certificates", "frontend", VARIANTS_CONFIG) == "us-east-1"
    documents = f"https://{environment.documents_bucket}.s3.eu-central-1.amazonaws.com"
    assert documents in str(templates("certificates", VARIANTS_CONFIG)["frontend"].body)


def test_without_a_hosted_zone_the_certificate_is_the_configured_one_and_the_name_is_somebody_elses() -> None:
    stack = templates("certificates", VARIANTS_CONFIG)["frontend"]
    config = stack.properties("AWS::CloudFront::Distribution")["DistributionConfig"]
    assert not stack.of_type("AWS::CertificateManager::Certificate")
    assert not stack.of_type("AWS::Route53::RecordSet")
    assert config["ViewerCertificate"]["AcmCertificateArn"] == VARIANTS["certificates"].domain.frontend_certificate_arn
    assert "DistributionDomain" in stack.body["Outputs"], "what the name has to point to"
