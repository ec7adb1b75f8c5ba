"""The backend: the repository of its images, and the ECS service that runs one of them."""

import string
from collections.abc import Mapping
from typing import cast

import aws_cdk as cdk
from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_ecr as ecr
from aws_cdk import aws_ecs as ecs
from aws_cdk import aws_events as events
from aws_cdk import aws_iam as iam
from aws_cdk import aws_s3 as s3
from aws_cdk import aws_secretsmanager as secretsmanager
from constructs import Construct

from runbook.rules import ROLLOUT
from stacks.base import KEPT, EnvironmentStack, LoggedEvents
from stacks.cache import Cache
from stacks.database import Database
from stacks.environment import Environment
from stacks.load_balancer import LoadBalancer
from stacks.network import Network

# Any HTTP answer counts as healthy: without its database the application answers 503, and stopping every task for that would
# turn a database outage into a service outage. Whether a task should get requests is the target group's health check.
# The image always has Node; whether it has curl depends on its base image.
HEALTH_CHECK = "fetch('http://127.0.0.1:%d%s', {redirect: 'manual'}).then(() => process.exit(0), () => process.exit(1))"

# All that is writable under the read-only root. In memory: a volume would belong to root, and the application is not root.
SCRATCH, SCRATCH_MIB = "/tmp", 128  # noqa: S108 - a file system of this container alone


class Registry(EnvironmentStack):
    """`repository`: the backend's images, under tags that never move, scanned when they are pushed."""

    def __init__(self, scope: Construct, environment: Environment) -> None:
        super().__init__(scope, "registry", environment, "the image repository")
        self.repository = ecr.Repository(
            self,
            "Repository",
            repository_name=environment.repository,
            image_tag_mutability=ecr.TagMutability.IMMUTABLE,
            image_scan_on_push=True,
            encryption=ecr.RepositoryEncryption.KMS,
            encryption_key=self.key,
            lifecycle_rules=[
                ecr.LifecycleRule(
                    description="What lost its tag, or never had one",
                    tag_status=ecr.TagStatus.UNTAGGED,
                    max_image_age=cdk.Duration.days(7),
                ),
                # Far more than a rollback looks back: a service cannot go back to an image that is deleted.
                ecr.LifecycleRule(description="All but the newest images", tag_status=ecr.TagStatus.ANY, max_image_count=200),
            ],
            removal_policy=KEPT,
        )


class Backend(EnvironmentStack):
    """`service` in its `cluster`, running `task_definition`, and the `documents` bucket that it serves.

    The image is the value of the environment's SSM parameter `image_parameter` at the time of the deployment. The
    function `releases` keeps that parameter, and a person creates it, before this stack is deployed first. It is no resource
    of this stack, whose deployment would otherwise put its own value back.
    """

    def __init__(
        self,
        scope: Construct,
        environment: Environment,
        network: Network,
        load_balancer: LoadBalancer,
        database: Database,
        cache: Cache,
        registry: Registry,
    ) -> None:
        super().__init__(scope, "backend", environment, "the backend")
        self.documents = self.data_bucket(
            "Documents",
            environment.documents_bucket,
            encryption_key=self.key,
            old_versions=cdk.Duration.days(90),
            # Users' browsers send and fetch documents by presigned URLs.
            cors=[
                s3.CorsRule(
                    allowed_origins=[environment.frontend_url],
                    allowed_methods=[s3.HttpMethods.GET, s3.HttpMethods.PUT, s3.HttpMethods.POST],
                    allowed_headers=["*"],
                    exposed_headers=["ETag"],
                )
            ],
        )
        self.logs = self.log_group("Logs", environment.backend_log_group)
        self.cluster = self._cluster(network)
        self.task_definition = self._task_definition(database, cache, registry)
        self.service = self._service(network, load_balancer)
        self.service.node.add_dependency(*self._log_events())  # or the first deployment would go unrecorded
        self._scale(load_balancer)

    def _cluster(self, network: Network) -> ecs.Cluster:
        # ECS makes this group by itself, without key and retention, unless it is there before the cluster.
        insights = self.log_group("Insights", self._environment.insights_log_group)
        cluster = ecs.Cluster(
            self,
            "Cluster",
            cluster_name=self._environment.cluster,
            vpc=network.vpc,
            container_insights_v2=ecs.ContainerInsights.ENHANCED,
        )
        cluster.node.add_dependency(insights)
        return cluster

    def _application_secret(self) -> secretsmanager.Secret:
        """What the backend signs tokens with. A new value ends every session, and no more."""
        return secretsmanager.Secret(
            self,
            "ApplicationSecret",
            secret_name=self._environment.application_secret,
            description="What the backend signs tokens with",
            encryption_key=self.key,
            generate_secret_string=secretsmanager.SecretStringGenerator(
                secret_string_template="{}",  # noqa: S106 - JSON with nothing in it but the generated key
                generate_string_key="jwt_secret",
                password_length=64,
                exclude_punctuation=True,
                require_each_included_type=False,
            ),
            removal_policy=KEPT,
        )

    def _encryption_key(self) -> secretsmanager.Secret:
        """The key that users' data is encrypted with: 32 bytes in hexadecimal, for AES-256.

        In a secret of its own, so that no change of another value can touch it: with another key, what is stored is lost.
        """
        return secretsmanager.Secret(
            self,
            "EncryptionKey",
            secret_name=self._environment.encryption_key_secret,
            description="What the backend encrypts users' data with. With another value, what is stored cannot be read",
            encryption_key=self.key,
            generate_secret_string=secretsmanager.SecretStringGenerator(
                password_length=64,
                exclude_characters="".join(sorted(set(string.ascii_letters + string.punctuation) - set("abcdef"))),
                require_each_included_type=False,
            ),
            removal_policy=KEPT,
        )

    def _role(self, construct_id: str, name: str, description: str, statements: list[iam.PolicyStatement]) -> iam.IRole:
        """A role for tasks of this account, with exactly these statements, and nothing that the ECS constructs would add.

        It has a name of its own because `rollback` may pass it by that name.
        https://docs.aws.amazon.com/AmazonECS/latest/developerguide/task-iam-roles.html
        """
        return iam.Role(
            self,
            construct_id,
            role_name=name,
            description=description,
            assumed_by=iam.ServicePrincipal(
                "ecs-tasks.amazonaws.com",
                conditions={
                    "StringEquals": {"aws:SourceAccount": self._environment.account},
                    "ArnLike": {"aws:SourceArn": self._environment.arn("ecs", "*")},
                },
            ),
            managed_policies=[iam.ManagedPolicy(self, f"{construct_id}Policy", statements=statements)],
        ).without_policy_updates()

    def _execution_role(self, registry: Registry, secrets: list[secretsmanager.ISecret], keys: list[str]) -> iam.IRole:
        return self._role(
            "ExecutionRole",
            self._environment.execution_role,
            "Starts the backend's tasks: pulls the image, reads the secrets, writes the logs",
            [
                iam.PolicyStatement(actions=["ecr:GetAuthorizationToken"], resources=["*"]),
                iam.PolicyStatement(
                    actions=["ecr:BatchCheckLayerAvailability", "ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer"],
                    resources=[registry.repository.repository_arn],
                ),
                iam.PolicyStatement(actions=["logs:CreateLogStream", "logs:PutLogEvents"], resources=[self.logs.log_group_arn]),
                iam.PolicyStatement(
                    actions=["secretsmanager:GetSecretValue"], resources=[secret.secret_arn for secret in secrets]
                ),
                iam.PolicyStatement(
                    actions=["kms:Decrypt"],
                    resources=keys,
                    conditions={"StringEquals": {"kms:ViaService": f"secretsmanager.{self._environment.region}.amazonaws.com"}},
                ),
            ],
        )

    def _task_role(self) -> iam.IRole:
        return self._role(
            "TaskRole",
            self._environment.task_role,
            "What the backend may do while it runs: read and write its documents",
            [
                iam.PolicyStatement(actions=["s3:ListBucket"], resources=[self.documents.bucket_arn]),
                iam.PolicyStatement(
                    actions=["s3:DeleteObject", "s3:GetObject", "s3:PutObject"], resources=[self.documents.arn_for_objects("*")]
                ),
                iam.PolicyStatement(actions=["kms:Decrypt", "kms:GenerateDataKey"], resources=[self.key.key_arn]),
            ],
        )

    def _task_definition(self, database: Database, cache: Cache, registry: Registry) -> ecs.FargateTaskDefinition:
        environment, application, encryption_key = self._environment, self._application_secret(), self._encryption_key()
        runs = environment.application.container
        image = cdk.CfnParameter(
            self,
            "Image",
            type="AWS::SSM::Parameter::Value<String>",
            default=environment.image_parameter,
            description="The parameter with the image to run: written by releases and rollbacks, read at each deployment",
        )
        definition = ecs.FargateTaskDefinition(
            self,
            "TaskDefinition",
            family=environment.family,
            cpu=environment.backend.cpu,
            memory_limit_mib=environment.backend.memory,
            runtime_platform=ecs.RuntimePlatform(
                operating_system_family=ecs.OperatingSystemFamily.LINUX,
                cpu_architecture=ecs.CpuArchitecture.of(runs.architecture),
            ),
            execution_role=self._execution_role(
                registry,
                [database.secret, cache.url_secret, application, encryption_key],
                [database.key.key_arn, cache.key.key_arn, self.key.key_arn],
            ),
            task_role=self._task_role(),
        )
        # A service cannot go back to a deregistered revision.
        definition.apply_removal_policy(KEPT)

        scratch = ecs.LinuxParameters(self, "LinuxParameters")
        scratch.add_tmpfs(
            ecs.Tmpfs(
                container_path=SCRATCH,
                size=SCRATCH_MIB,
                mount_options=[ecs.TmpfsMountOption.NOEXEC, ecs.TmpfsMountOption.NOSUID, ecs.TmpfsMountOption.NODEV],
            )
        )
        definition.add_container(
            runs.name,
            image=ecs.ContainerImage.from_registry(image.value_as_string),
            port_mappings=[ecs.PortMapping(container_port=runs.port)],
            user=runs.user,
            readonly_root_filesystem=True,
            linux_parameters=scratch,
            environment={
                name: value.format(
                    port=runs.port,
                    region=self._environment.region,
                    prefix=environment.prefix,
                    documents=self.documents.bucket_name,
                    frontend_url=environment.frontend_url,
                )
                for name, value in runs.variables.items()
            },
            secrets={
                **self._secrets("Database", database.secret, runs.database_secret),
                **self._secrets("Redis", cache.url_secret, {runs.cache_url: None}),
                **self._secrets("Application", application, runs.application_secret),
                **self._secrets("Encryption", encryption_key, {runs.encryption_key: None}),
            },
            health_check=ecs.HealthCheck(
                command=["CMD", "node", "-e", HEALTH_CHECK % (runs.port, environment.backend.health_check_path)],
                interval=cdk.Duration.seconds(30),
                timeout=cdk.Duration.seconds(10),
                retries=3,
                start_period=cdk.Duration.seconds(60),
            ),
            logging=ecs.LogDrivers.aws_logs(log_group=self.logs, stream_prefix=runs.name),
        )
        return definition

    def _secrets(
        self, construct_id: str, secret: secretsmanager.ISecret, keys: Mapping[str, str | None]
    ) -> dict[str, ecs.Secret]:
        """The container's variables that come from a secret, by their JSON keys; None is the whole secret.

        By the secret's ARN: the secret itself would write the execution role into its key's policy, and its
        stack would depend on this one.
        """
        by_arn = secretsmanager.Secret.from_secret_complete_arn(self, construct_id, secret.secret_arn)
        return {variable: ecs.Secret.from_secrets_manager(by_arn, key) for variable, key in keys.items()}

    def _service(self, network: Network, load_balancer: LoadBalancer) -> ecs.FargateService:
        service = ecs.FargateService(
            self,
            "Service",
            service_name=self._environment.service,
            cluster=self.cluster,
            task_definition=self.task_definition,
            platform_version=ecs.FargatePlatformVersion.LATEST,
            # No desired count: scaling and runbook 5.1 set it, and a deployment must not reset it.
            min_healthy_percent=100,
            max_healthy_percent=100 * ROLLOUT,
            availability_zone_rebalancing=ecs.AvailabilityZoneRebalancing.ENABLED,
            circuit_breaker=ecs.DeploymentCircuitBreaker(enable=True, rollback=True),
            # By name: the alarms are made from the load balancer's and the service's names, in a stack before this one.
            deployment_alarms=ecs.DeploymentAlarmConfig(
                alarm_names=list(self._environment.deployment_alarms), behavior=ecs.AlarmBehavior.ROLLBACK_ON_ALARM
            ),
            health_check_grace_period=cdk.Duration.seconds(90),
            vpc_subnets=ec2.SubnetSelection(subnet_type=ec2.SubnetType.PRIVATE_WITH_EGRESS),
            security_groups=[network.backend_security_group],
            assign_public_ip=False,
            enable_ecs_managed_tags=True,
            propagate_tags=ecs.PropagatedTagSource.SERVICE,
        )
        resource = cast("ecs.CfnService", service.node.default_child)
        # Attaching by the construct would add its own rules to the network's security groups, beside the existing ones.
        resource.load_balancers = [
            ecs.CfnService.LoadBalancerProperty(
                target_group_arn=load_balancer.target_group.target_group_arn,
                container_name=self._environment.application.container.name,
                container_port=self._environment.application.container.port,
            )
        ]
        return service

    def _log_events(self) -> list[events.CfnRule]:
        """Log ECS's events about the service's deployments and stopped tasks. Returns the rules.

        ECS itself forgets a stopped task after an hour and shows the last 100 messages of a service:
        https://docs.aws.amazon.com/AmazonECS/latest/developerguide/ecs_cwe_events.html
        """
        environment = self._environment
        service = environment.arn("ecs", f"service/{environment.cluster}/{environment.service}")
        stopped = {
            "clusterArn": [environment.arn("ecs", f"cluster/{environment.cluster}")],
            "lastStatus": ["STOPPED"],
        }
        failing = {"resources": [service], "detail": {"eventType": ["WARN", "ERROR"]}}
        return self.log_events(
            "ecs",
            environment.events_log_group,
            [
                LoggedEvents("DeploymentEvents", "ECS Deployment State Change", {"resources": [service]}),
                LoggedEvents("ServiceEvents", "ECS Service Action", failing),
                LoggedEvents("StoppedTaskEvents", "ECS Task State Change", {"detail": stopped}),
            ],
        )

    def _scale(self, load_balancer: LoadBalancer) -> None:
        """Keep CPU and memory at what the table calls normal, and a task's requests at what its connections can serve."""
        backend, row = self._environment.backend, self._environment.row
        scaling = self.service.auto_scale_task_count(min_capacity=backend.min_tasks, max_capacity=backend.max_tasks)
        up, down = cdk.Duration.minutes(1), cdk.Duration.minutes(5)
        scaling.scale_on_cpu_utilization(
            "Cpu", target_utilization_percent=row("ecs-cpu").normal, scale_out_cooldown=up, scale_in_cooldown=down
        )
        scaling.scale_on_memory_utilization(
            "Memory", target_utilization_percent=row("ecs-memory").normal, scale_out_cooldown=up, scale_in_cooldown=down
        )
        scaling.scale_on_request_count(
            "Requests",
            # The requests a minute that fill the connection pool, if each holds a connection for the normal latency.
            requests_per_target=round(60 * backend.pool_size / row("alb-latency-p95").normal),
            target_group=load_balancer.target_group,
            scale_out_cooldown=up,
            scale_in_cooldown=down,
        )
