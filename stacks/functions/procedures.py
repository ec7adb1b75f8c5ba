"""`procedures`: the steps of the Automation documents that are more than a call of AWS's API."""

import aws_cdk as cdk
from aws_cdk import aws_iam as iam
from aws_cdk import aws_lambda as lambda_

from lambdas.health_check.settings import HealthReport
from lambdas.procedures.settings import ProceduresSettings
from stacks.base import EnvironmentStack
from stacks.environment import Environment
from stacks.frontend import REGION as FRONTEND_REGION
from stacks.frontend import SITE
from stacks.functions import stores
from stacks.functions.base import function
from stacks.incidents import adds_to_records
from stacks.remediation import Remediation
from stacks.web_acl import IP_VERSIONS


def procedures(
    stack: EnvironmentStack, environment: Environment, remediation: Remediation, database_key: str, cache_key: str
) -> lambda_.Function:
    """The function, with what it may do: a policy for each family of procedures. The keys are ARNs."""
    report = environment.application.health_report
    return function(
        stack,
        environment,
        "Procedures",
        "procedures",
        "Does the steps of the procedures that people start, and records them",
        settings=ProceduresSettings(
            environment=environment.name,
            prefix=environment.prefix,
            cluster=environment.cluster,
            service=environment.service,
            container=environment.application.container.name,
            repository=environment.repository,
            most_tasks=environment.most_tasks,
            pool_size=environment.backend.pool_size,
            database_instance=environment.database_instance,
            replication_group=environment.replication_group,
            alarm_prefix=f"{environment.prefix}-",
            api_url=environment.api_url,
            health_check_path=environment.backend.health_check_path,
            health_report=HealthReport(
                status=report.status, healthy=report.healthy, database=report.database, connected=report.connected
            ),
            frontend_url=environment.frontend_url,
            frontend_region=FRONTEND_REGION,
            frontend_bucket=environment.frontend_bucket,
            frontend_backups_bucket=environment.frontend_backups_bucket,
            incidents_table=environment.incidents_table,
            records_table=environment.records_table,
            retention_days=environment.log_retention_days,
            **stores.settings(environment),
            outcomes_topic=environment.arn("sns", environment.outcomes_topic),
            chat_topic=environment.arn("sns", environment.chat_topic),
            maintenance_alarm=environment.maintenance_alarm,
            service_impaired_alarm=environment.service_impaired_alarm,
            maintenance_addresses=environment.maintenance_addresses("IPV"),
            product=environment.application.product,
        ),
        statements=[
            # An execution's id is generated; the function asks only for the one that calls it, and for a lock's holder.
            iam.PolicyStatement(
                actions=["ssm:DescribeAutomationStepExecutions", "ssm:GetAutomationExecution"],
                resources=[environment.arn("ssm", "automation-execution/*")],
            ),
            iam.PolicyStatement(
                actions=["dynamodb:GetItem", "dynamodb:UpdateItem"], resources=[remediation.incidents.table_arn]
            ),
            adds_to_records(remediation.records, opens=False),
            iam.PolicyStatement(
                actions=["kms:Decrypt"],
                resources=[remediation.key.key_arn],
                conditions={"StringEquals": {"kms:ViaService": f"dynamodb.{environment.region}.amazonaws.com"}},
            ),
            iam.PolicyStatement(
                actions=["sns:Publish"], resources=[remediation.topics.outcomes.topic_arn, remediation.topics.chat.topic_arn]
            ),
        ],
        more={
            "ProceduresBackendPolicy": _backend(environment),
            "ProceduresFrontendPolicy": _frontend(environment),
            "ProceduresDatabasePolicy": stores.database(environment, database_key),
            "ProceduresCachePolicy": stores.cache(environment),
            "ProceduresTasksPolicy": stores.tasks(environment),
            "ProceduresRotationPolicy": stores.rotation(environment, database_key, cache_key),
            "ProceduresMaintenancePolicy": _maintenance(environment),
        },
        dead_letters=remediation.topics.outcomes,  # none: it is never called without somebody who waits for its answer
        timeout=cdk.Duration.seconds(290),  # Automation waits for 300 s
        reserved_concurrent_executions=5,
        max_event_age=cdk.Duration.minutes(1),
        retry_attempts=0,
    )


def _backend(environment: Environment) -> list[iam.PolicyStatement]:
    """What the family of the backend may do."""
    name = f"{environment.cluster}/{environment.service}"
    service = environment.arn("ecs", f"service/{name}")
    return [
        iam.PolicyStatement(
            actions=["ecs:DescribeServices", "ecs:ListServiceDeployments", "ecs:UpdateService"], resources=[service]
        ),
        iam.PolicyStatement(
            actions=["ecs:DescribeServiceDeployments"],
            resources=[service, environment.arn("ecs", f"service-deployment/{name}/*")],
        ),
        iam.PolicyStatement(
            actions=["ecs:DescribeServiceRevisions"], resources=[service, environment.arn("ecs", f"service-revision/{name}/*")]
        ),
        # Authorized on the cluster's instances, though tasks of Fargate run on none:
        # https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazonelasticcontainerservice.html
        iam.PolicyStatement(
            actions=["ecs:ListTasks"], resources=[environment.arn("ecs", f"container-instance/{environment.cluster}/*")]
        ),
        iam.PolicyStatement(
            actions=["ecs:DescribeTasks", "ecs:StopTask"], resources=[environment.arn("ecs", f"task/{environment.cluster}/*")]
        ),
        # These have no resource-level permissions, but the alarms, which a narrower scope would not show:
        # https://docs.aws.amazon.com/service-authorization/latest/reference/reference_policies_actions-resources-contextkeys.html
        iam.PolicyStatement(
            actions=[
                "application-autoscaling:DescribeScalableTargets",
                "cloudwatch:DescribeAlarms",
                "ecs:DescribeTaskDefinition",
            ],
            resources=["*"],
        ),
        # UpdateService with a task definition passes that definition's roles.
        iam.PolicyStatement(
            actions=["iam:PassRole"],
            resources=[environment.role_arn(one) for one in (environment.execution_role, environment.task_role)],
            conditions={"StringEquals": {"iam:PassedToService": "ecs-tasks.amazonaws.com"}},
        ),
        iam.PolicyStatement(
            actions=["ecr:DescribeImages"], resources=[environment.arn("ecr", f"repository/{environment.repository}")]
        ),
        iam.PolicyStatement(
            actions=["rds:DescribeDBInstances"], resources=[environment.arn("rds", f"db:{environment.database_instance}")]
        ),
        iam.PolicyStatement(
            actions=["elasticache:DescribeReplicationGroups"],
            resources=[environment.arn("elasticache", f"replicationgroup:{environment.replication_group}")],
        ),
    ]


def _frontend(environment: Environment) -> list[iam.PolicyStatement]:
    """What the family of the frontend may do. What it deletes stays as old versions for a while."""
    buckets = [f"arn:aws:s3:::{one}" for one in (environment.frontend_bucket, environment.frontend_backups_bucket)]
    stack = environment.stack("frontend")
    return [
        iam.PolicyStatement(actions=["s3:ListBucket"], resources=buckets),
        iam.PolicyStatement(
            actions=["s3:GetObject", "s3:PutObject", "s3:DeleteObject"], resources=[f"{one}/*" for one in buckets]
        ),
        # The key of another region's stack, known by its alias only:
        # https://docs.aws.amazon.com/kms/latest/developerguide/alias-authorization.html
        iam.PolicyStatement(
            actions=["kms:Decrypt", "kms:GenerateDataKey"],
            resources=[f"arn:aws:kms:{FRONTEND_REGION}:{environment.account}:key/*"],
            conditions={
                "StringEquals": {"kms:ViaService": f"s3.{FRONTEND_REGION}.amazonaws.com"},
                "ForAnyValue:StringEquals": {"kms:ResourceAliases": f"alias/{stack}"},
            },
        ),
        # The distribution is known by its name and its tag, as its id is generated:
        # https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazoncloudfront.html
        iam.PolicyStatement(actions=["cloudfront:ListDistributions"], resources=["*"]),
        iam.PolicyStatement(
            actions=["cloudfront:CreateInvalidation"],
            resources=[f"arn:aws:cloudfront::{environment.account}:distribution/*"],
            conditions={"StringEquals": {f"aws:ResourceTag/{SITE}": environment.domain.frontend}},
        ),
    ]


def _maintenance(environment: Environment) -> list[iam.PolicyStatement]:
    """What the family of maintenance may do: change four IP sets, whose ids WAF generates, and the state of one alarm."""
    scopes = ((environment.region, "regional"), (FRONTEND_REGION, "global"))
    return [
        iam.PolicyStatement(
            actions=["wafv2:GetIPSet", "wafv2:UpdateIPSet"],
            resources=[
                f"arn:aws:wafv2:{region}:{environment.account}:{scope}/ipset/{environment.maintenance_addresses(version)}/*"
                for region, scope in scopes
                for version in IP_VERSIONS
            ],
        ),
        # It has no resource-level permissions:
        # https://docs.aws.amazon.com/service-authorization/latest/reference/list_awswafv2.html
        iam.PolicyStatement(actions=["wafv2:ListIPSets"], resources=["*"]),
        iam.PolicyStatement(
            actions=["cloudwatch:SetAlarmState"],
            resources=[environment.arn("cloudwatch", f"alarm:{environment.maintenance_alarm}")],
        ),
    ]
