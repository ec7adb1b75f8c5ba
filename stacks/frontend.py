"""The frontend: the buckets of the single-page application, and the CloudFront distribution before them and the API."""

from pathlib import Path
from typing import cast

import aws_cdk as cdk
from aws_cdk import aws_certificatemanager as acm
from aws_cdk import aws_cloudfront as cloudfront
from aws_cdk import aws_cloudfront_origins as origins
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_logs as logs
from aws_cdk import aws_route53 as route53
from aws_cdk import aws_route53_targets as targets
from aws_cdk import aws_s3 as s3
from aws_cdk import aws_wafv2 as wafv2
from constructs import Construct

from stacks.base import EnvironmentStack
from stacks.environment import Environment
from stacks.web_acl import USER_RATE, web_acl

REGION = "us-east-1"
"""Where CloudFront takes its certificates, web ACLs and log deliveries from, whatever region the environment is in."""

SITE = "site"
"""The tag of the distribution that has its name: what may be done with it is granted by it."""

ROUTING = Path(__file__).with_name("frontend_routing.js")

ANSWERED_ANEW = (403, 404, 500, 502, 503, 504)
"""Errors that CloudFront would repeat for 10 s: an outage that is over, an object that exists by now."""


class Frontend(EnvironmentStack):
    """`bucket` and `backups`, which releases and rollbacks copy between (runbook 4.2), and the `distribution`."""

    def __init__(self, scope: Construct, environment: Environment) -> None:
        super().__init__(scope, "frontend", environment, "the frontend", region=REGION)
        # By the key's alias: the key's policy names the distribution, whose origin is this bucket, so a reference to the key
        # itself would be circular. S3 looks the key up when it writes, not when the bucket is made:
        # https://docs.aws.amazon.com/AmazonS3/latest/API/API_PutBucketEncryption.html
        self.bucket = self.data_bucket(
            "Bucket",
            environment.frontend_bucket,
            encryption_key=kms.Alias.from_alias_name(self, "KeyAlias", f"alias/{self.stack_name}"),
            old_versions=cdk.Duration.days(30),
        )
        # Nothing expires by age: S3's lifecycle rules know ages and numbers of one object's versions, no newest good backup.
        # They would take the last one when no release comes for long. The procedure frontend-backup removes old ones, by
        # BACKUPS_KEPT of runbook/rules.py. https://docs.aws.amazon.com/AmazonS3/latest/userguide/intro-lifecycle-rules.html
        self.backups = self.data_bucket(
            "Backups",
            environment.frontend_backups_bucket,
            encryption_key=self.key,
            old_versions=cdk.Duration.days(30),
        )
        self.distribution = self._distribution(
            self.certificate(environment.domain.frontend, environment.domain.frontend_certificate_arn)
        )
        cdk.Tags.of(self.distribution).add(SITE, environment.domain.frontend)
        self._allow_reading()
        self._log_requests()
        if self.zone:
            alias = route53.RecordTarget.from_alias(targets.CloudFrontTarget(self.distribution))
            route53.ARecord(self, "Alias", zone=self.zone, record_name=environment.domain.frontend, target=alias)
            route53.AaaaRecord(self, "AliasIpv6", zone=self.zone, record_name=environment.domain.frontend, target=alias)
        cdk.CfnOutput(
            self,
            "DistributionId",
            value=self.distribution.distribution_id,
            description="<DISTRIBUTION_ID> of runbook 4.2, XXXXXXXXXX of its section 1",
        )
        cdk.CfnOutput(
            self,
            "DistributionDomain",
            value=self.distribution.distribution_domain_name,
            description=f"What {environment.domain.frontend} has to point to where no hosted zone is configured",
        )

    def _distribution(self, certificate: acm.ICertificate) -> cloudfront.Distribution:
        environment = self._environment
        access = cloudfront.S3OriginAccessControl(self, "OriginAccessControl")
        pages = origins.S3BucketOrigin.with_bucket_defaults(
            self.bucket, origin_access_control_id=access.origin_access_control_id
        )
        # By its host name, which its certificate is for; so the viewer's host header is not forwarded.
        api = origins.HttpOrigin(
            environment.domain.api,
            protocol_policy=cloudfront.OriginProtocolPolicy.HTTPS_ONLY,
            origin_ssl_protocols=[cloudfront.OriginSslPolicy.TLS_V1_2],
        )
        headers = self._headers()
        routing = cloudfront.Function(
            self,
            "Routing",
            function_name=environment.frontend_routing,
            code=cloudfront.FunctionCode.from_file(file_path=str(ROUTING)),
            runtime=cloudfront.FunctionRuntime.JS_2_0,
            comment="Paths without a file extension get index.html",
        )
        acl = web_acl(
            self,
            "CLOUDFRONT",
            environment.frontend_web_acl,
            environment.frontend_web_acl_log_group,
            {"UserRate": wafv2.CfnWebACL.RateBasedStatementProperty(limit=USER_RATE, aggregate_key_type="IP")},
            environment,
        )
        return cloudfront.Distribution(
            self,
            "Distribution",
            comment=self.stack_name,
            domain_names=[environment.domain.frontend],
            certificate=certificate,
            minimum_protocol_version=cloudfront.SecurityPolicyProtocol.TLS_V1_2_2021,
            http_version=cloudfront.HttpVersion.HTTP2_AND_3,
            enable_ipv6=True,
            price_class=cloudfront.PriceClass.PRICE_CLASS_100,
            web_acl_id=acl.attr_arn,
            default_root_object="index.html",
            default_behavior=cloudfront.BehaviorOptions(
                origin=pages,
                viewer_protocol_policy=cloudfront.ViewerProtocolPolicy.REDIRECT_TO_HTTPS,
                cache_policy=cloudfront.CachePolicy.CACHING_DISABLED,  # a release or a rollback is seen at once
                response_headers_policy=headers,
                function_associations=[
                    cloudfront.FunctionAssociation(function=routing, event_type=cloudfront.FunctionEventType.VIEWER_REQUEST)
                ],
            ),
            additional_behaviors={
                "/assets/*": cloudfront.BehaviorOptions(
                    origin=pages,
                    viewer_protocol_policy=cloudfront.ViewerProtocolPolicy.REDIRECT_TO_HTTPS,
                    cache_policy=cloudfront.CachePolicy.CACHING_OPTIMIZED,  # their names change with their content
                    response_headers_policy=headers,
                ),
                "/api/*": cloudfront.BehaviorOptions(
                    origin=api,
                    viewer_protocol_policy=cloudfront.ViewerProtocolPolicy.HTTPS_ONLY,
                    allowed_methods=cloudfront.AllowedMethods.ALLOW_ALL,
                    cache_policy=cloudfront.CachePolicy.CACHING_DISABLED,
                    origin_request_policy=cloudfront.OriginRequestPolicy.ALL_VIEWER_EXCEPT_HOST_HEADER,
                    # A header that the backend sets itself wins.
                    response_headers_policy=cloudfront.ResponseHeadersPolicy.SECURITY_HEADERS,
                ),
            },
            error_responses=[
                cloudfront.ErrorResponse(http_status=status, ttl=cdk.Duration.seconds(0)) for status in ANSWERED_ANEW
            ],
        )

    def _headers(self) -> cloudfront.ResponseHeadersPolicy:
        environment = self._environment
        directives = environment.application.frontend.content_security_policy
        policy = "; ".join(f"{directive} {sources}" for directive, sources in directives.items()).format(
            api=environment.api_url, documents=f"https://{environment.documents_bucket}.s3.{environment.region}.amazonaws.com"
        )
        return cloudfront.ResponseHeadersPolicy(
            self,
            "Headers",
            comment=f"Security headers of {environment.domain.frontend}",
            security_headers_behavior=cloudfront.ResponseSecurityHeadersBehavior(
                content_security_policy=cloudfront.ResponseHeadersContentSecurityPolicy(
                    content_security_policy=policy, override=True
                ),
                strict_transport_security=cloudfront.ResponseHeadersStrictTransportSecurity(
                    access_control_max_age=cdk.Duration.days(730), include_subdomains=True, override=True
                ),
                content_type_options=cloudfront.ResponseHeadersContentTypeOptions(override=True),
                frame_options=cloudfront.ResponseHeadersFrameOptions(
                    frame_option=cloudfront.HeadersFrameOption.DENY, override=True
                ),
                referrer_policy=cloudfront.ResponseHeadersReferrerPolicy(
                    referrer_policy=cloudfront.HeadersReferrerPolicy.STRICT_ORIGIN_WHEN_CROSS_ORIGIN, override=True
                ),
            ),
            custom_headers_behavior=cloudfront.ResponseCustomHeadersBehavior(
                custom_headers=[
                    # For objects that were uploaded without Cache-Control; releases set it.
                    cloudfront.ResponseCustomHeader(header="Cache-Control", value="no-cache", override=False)
                ]
            ),
        )

    def _allow_reading(self) -> None:
        """Let exactly this distribution read the bucket's objects and use their key.

        https://docs.aws.amazon.com/AmazonCloudFront/latest/DeveloperGuide/private-content-restricting-access-to-s3.html
        """
        for grant, action, resource in (
            (self.bucket.add_to_resource_policy, "s3:GetObject", self.bucket.arn_for_objects("*")),
            (self.key.add_to_resource_policy, "kms:Decrypt", "*"),
        ):
            grant(
                iam.PolicyStatement(
                    principals=[iam.ServicePrincipal("cloudfront.amazonaws.com")],
                    actions=[action],
                    resources=[resource],
                    conditions={"StringEquals": {"aws:SourceArn": self.distribution.distribution_arn}},
                )
            )

    def _log_requests(self) -> None:
        """Deliver access logs by standard logging v2, which writes without the ACLs that the first version needs.

        https://docs.aws.amazon.com/AmazonCloudFront/latest/DeveloperGuide/standard-logging.html
        """
        name = self._environment.frontend_log_delivery
        source = logs.CfnDeliverySource(
            self, "LogSource", name=name, log_type="ACCESS_LOGS", resource_arn=self.distribution.distribution_arn
        )
        destination = logs.CfnDeliveryDestination(
            self,
            "LogDestination",
            name=name,
            destination_resource_arn=self.access_logs.bucket_arn,
            output_format="json",
        )
        self.access_logs.add_to_resource_policy(
            iam.PolicyStatement(
                principals=[iam.ServicePrincipal("delivery.logs.amazonaws.com")],
                actions=["s3:PutObject"],
                resources=[self.access_logs.arn_for_objects(f"AWSLogs/{self._environment.account}/*")],
                conditions={
                    "StringEquals": {
                        "aws:SourceAccount": self._environment.account,
                        "s3:x-amz-acl": "bucket-owner-full-control",
                    },
                    "ArnEquals": {
                        "aws:SourceArn": f"arn:aws:logs:{self.region}:{self._environment.account}:delivery-source:{name}"
                    },
                },
            )
        )
        delivery = logs.CfnDelivery(
            self,
            "LogDelivery",
            delivery_source_name=source.name,
            delivery_destination_arn=destination.attr_arn,
            s3_suffix_path="{DistributionId}/{yyyy}/{MM}/{dd}/{HH}",
        )
        # Without the bucket's policy in place the service would write one of its own.
        delivery.node.add_dependency(source, cast("s3.BucketPolicy", self.access_logs.policy))
