"""What preflight has to be allowed to ask. AWS's managed policy ReadOnlyAccess has all of it."""

import json

ACTIONS = (
    "acm:DescribeCertificate",
    "chatbot:DescribeSlackChannelConfigurations",
    "chatbot:DescribeSlackWorkspaces",
    "cloudformation:DescribeStacks",
    "cloudformation:ListStackResources",
    "cloudfront:DescribeFunction",
    "cloudfront:ListDistributions",
    "cloudfront:ListOriginAccessControls",
    "cloudfront:ListResponseHeadersPolicies",
    "cloudwatch:DescribeAlarms",
    "cloudwatch:GetDashboard",
    "dynamodb:DescribeTable",
    "ec2:DescribeAddresses",
    "ec2:DescribeAvailabilityZones",
    "ec2:DescribeInternetGateways",
    "ec2:DescribeRegions",
    "ec2:DescribeVpcEndpointServices",
    "ec2:DescribeVpcs",
    "ecr:BatchGetImage",
    "ecr:DescribeRepositories",
    "ecr:GetDownloadUrlForLayer",
    "ecs:DescribeClusters",
    "elasticache:DescribeCacheEngineVersions",
    "elasticache:DescribeReplicationGroups",
    "elasticache:DescribeReservedCacheNodesOfferings",
    "elasticloadbalancing:DescribeLoadBalancers",
    "elasticloadbalancing:DescribeTargetGroups",
    "iam:GetRole",
    "kms:DescribeKey",
    "kms:ListAliases",
    "lambda:GetAccountSettings",
    "lambda:GetFunctionConfiguration",
    "lambda:GetLayerVersion",
    "logs:DescribeLogGroups",
    "logs:DescribeResourcePolicies",
    "logs:GetDeliveryDestination",
    "logs:GetDeliverySource",
    "rds:DescribeDBEngineVersions",
    "rds:DescribeDBInstances",
    "rds:DescribeDBParameterGroups",
    "rds:DescribeOrderableDBInstanceOptions",
    "route53:GetHostedZone",
    "route53:ListHostedZones",
    "route53:ListResourceRecordSets",
    "s3:ListBucket",
    "secretsmanager:DescribeSecret",
    "servicequotas:GetAWSDefaultServiceQuota",
    "servicequotas:GetServiceQuota",
    "sns:GetTopicAttributes",
    "ssm:GetParameter",
    "sts:GetCallerIdentity",
    "wafv2:ListWebACLs",
)


def policy() -> str:
    """The IAM policy, as JSON."""
    statement = {"Effect": "Allow", "Action": ACTIONS, "Resource": "*"}
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]}, indent=2)
