"""A database, a cache and a service that uses them, on the empty cloud: what the procedures are run on, and cut short on."""

import itertools
import json
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import pytest

from lambdas.procedures.database import Database
from lambdas.procedures.rotation import Rotation
from lambdas.procedures.run import RefusedError, Run, Steps
from lambdas.procedures.size import Size
from lambdas.procedures.stores import StoresSettings
from local.cloud import Cloud
from procedures.catalog import procedure

_names = (f"stores-{number}" for number in itertools.count())
PASSWORD, TOKEN = "first-password", "t" * 64
VARIABLES = {"host": "POSTGRES_HOST", "port": "POSTGRES_PORT", "username": "POSTGRES_USER", "password": "POSTGRES_PASSWORD",
             "dbname": "POSTGRES_DB"}  # fmt: skip


class DiedError(Exception):
    """The function ended in the middle of a call."""


class Stores:
    """The stores and the service, and the procedures on them."""

    def __init__(self, cloud: Cloud) -> None:
        self.cloud, self.name = cloud, next(_names)
        self.succeeded: set[str] = set()
        services = ("rds", "elasticache", "ecs", "logs", "secretsmanager", "ec2")
        self.clients: dict[str, Any] = {name: cloud.client(name) for name in services}
        self.rds, self.cache, self.ecs = (self.clients[name] for name in ("rds", "elasticache", "ecs"))
        self.settings = StoresSettings(
            environment="production",
            cluster=self.name,
            service=self.name,
            container="backend",
            application="hz-navigator",
            database_instance=self.name,
            database_parameter_group=self.name,
            database_secret=f"{self.name}-db-password",
            database_variables=VARIABLES,
            replication_group=self.name,
            cache_secret=f"{self.name}-redis-auth",
            cache_url_secret=f"{self.name}-redis-url",
            backend_log_group=f"/aws/ecs/{self.name}",
            config_file="config/production.toml",
        )
        self._network()
        self._database()
        self._cache()
        self._service()

    def _network(self) -> None:
        ec2 = self.clients["ec2"]
        vpc = ec2.create_vpc(CidrBlock="10.9.0.0/16")["Vpc"]["VpcId"]
        self.subnets = [
            ec2.create_subnet(VpcId=vpc, CidrBlock=f"10.9.{number}.0/24", AvailabilityZone=f"us-east-1{zone}")["Subnet"][
                "SubnetId"
            ]
            for number, zone in enumerate("abc")
        ]
        self.group = ec2.create_security_group(GroupName=self.name, Description="of the test", VpcId=vpc)["GroupId"]

    def _database(self) -> None:
        self.rds.create_db_subnet_group(
            DBSubnetGroupName=self.name, DBSubnetGroupDescription="of the test", SubnetIds=self.subnets
        )
        self.rds.create_db_parameter_group(
            DBParameterGroupName=self.name, DBParameterGroupFamily="postgres15", Description="of the test"
        )
        self.rds.modify_db_parameter_group(
            DBParameterGroupName=self.name,
            Parameters=[
                {"ParameterName": name, "ParameterValue": value, "ApplyMethod": "immediate"}
                for name, value in (("log_min_duration_statement", "1000"), ("max_connections", "200"))
            ],
        )
        self.rds.create_db_instance(
            DBInstanceIdentifier=self.name,
            DBInstanceClass="db.t4g.large",
            Engine="postgres",
            EngineVersion="15.12",
            MasterUsername="hz_admin",
            MasterUserPassword=PASSWORD,
            DBName="hz_navigator",
            AllocatedStorage=100,
            MaxAllocatedStorage=500,
            StorageType="gp3",
            StorageEncrypted=True,
            KmsKeyId="arn:aws:kms:us-east-1:123456789012:key/1",
            BackupRetentionPeriod=7,
            PreferredBackupWindow="03:00-04:00",
            PreferredMaintenanceWindow="mon:04:00-mon:05:00",
            MultiAZ=True,
            DeletionProtection=True,
            CopyTagsToSnapshot=True,
            EnableIAMDatabaseAuthentication=True,
            EnablePerformanceInsights=True,
            MonitoringInterval=60,
            EnableCloudwatchLogsExports=["postgresql", "upgrade"],
            MonitoringRoleArn="arn:aws:iam::123456789012:role/monitoring",
            DBParameterGroupName=self.name,
            DBSubnetGroupName=self.name,
            VpcSecurityGroupIds=[self.group],
            Tags=[{"Key": "environment", "Value": "production"}],
        )
        host = self.instance()["Endpoint"]["Address"]
        secret = {"username": "hz_admin", "password": PASSWORD, "host": host, "port": 5432, "dbname": "hz_navigator"}
        self._secret(self.settings.database_secret, json.dumps(secret))

    def _cache(self) -> None:
        self.cache.create_replication_group(
            ReplicationGroupId=self.name,
            ReplicationGroupDescription="of the test",
            CacheNodeType="cache.r6g.large",
            NumCacheClusters=2,
            AutomaticFailoverEnabled=True,
            TransitEncryptionEnabled=True,
            AuthToken=TOKEN,
        )
        self._secret(self.settings.cache_secret, json.dumps({"token": TOKEN}))
        self._secret(self.settings.cache_url_secret, f"rediss://:{TOKEN}@cache:6379")

    def _secret(self, name: str, value: str) -> None:
        self.clients["secretsmanager"].create_secret(Name=name, SecretString=value)

    def _service(self) -> None:
        self.clients["logs"].create_log_group(logGroupName=self.settings.backend_log_group)
        options = {
            "awslogs-group": self.settings.backend_log_group,
            "awslogs-stream-prefix": "backend",
            "awslogs-region": "us-east-1",
        }
        self.ecs.create_cluster(clusterName=self.name)
        self.ecs.register_task_definition(
            family=self.name,
            networkMode="awsvpc",
            requiresCompatibilities=["FARGATE"],
            cpu="256",
            memory="512",
            containerDefinitions=[
                {"name": "backend", "image": "app:1", "logConfiguration": {"logDriver": "awslogs", "options": options}}
            ],
        )
        network = {"awsvpcConfiguration": {"subnets": self.subnets, "securityGroups": [self.group]}}
        self.ecs.create_service(
            cluster=self.name,
            serviceName=self.name,
            taskDefinition=self.name,
            desiredCount=2,
            launchType="FARGATE",
            networkConfiguration=network,
        )
        self.after(120)

    # What stands

    def instance(self, name: str = "") -> Any:
        return self.rds.describe_db_instances(DBInstanceIdentifier=name or self.name)["DBInstances"][0]

    @property
    def instances(self) -> dict[str, str]:
        """The resource id of every instance of this test, which no rename changes, by its name."""
        found = self.rds.describe_db_instances()["DBInstances"]
        return {
            one["DBInstanceIdentifier"]: one["DbiResourceId"]
            for one in found
            if f"{one['DBInstanceIdentifier']}-".startswith(f"{self.name}-")
        }

    @property
    def replication_group(self) -> Any:
        return self.cache.describe_replication_groups(ReplicationGroupId=self.name)["ReplicationGroups"][0]

    def secret(self, name: str, stage: str = "AWSCURRENT") -> str:
        return str(self.clients["secretsmanager"].get_secret_value(SecretId=name, VersionStage=stage)["SecretString"])

    @property
    def password(self) -> str:
        return str(json.loads(self.secret(self.settings.database_secret))["password"])

    @property
    def token(self) -> str:
        return str(json.loads(self.secret(self.settings.cache_secret))["token"])

    def stages(self, name: str) -> set[str]:
        described = self.clients["secretsmanager"].describe_secret(SecretId=name)
        return {stage for stages in described["VersionIdsToStages"].values() for stage in stages}

    @property
    def deployments(self) -> int:
        """How often the service was deployed."""
        return len(self.ecs.list_service_deployments(cluster=self.name, service=self.name)["serviceDeployments"])

    def accepts_password(self, password: str, name: str = "") -> bool:
        return bool(self.cloud.control("accepts_password", name or self.name, password))

    def accepts_token(self, token: str) -> bool:
        return bool(self.cloud.control("accepts_token", self.name, token))

    @property
    def commands(self) -> list[str]:
        """What the one-off tasks ran, without the variables before it."""
        arns = self.ecs.list_tasks(cluster=self.name, desiredStatus="STOPPED")["taskArns"]
        tasks = self.ecs.describe_tasks(cluster=self.name, tasks=arns)["tasks"] if arns else []
        given = [one for task in tasks for one in task.get("overrides", {}).get("containerOverrides", ())]
        return [one["command"][-1].partition("exec ")[2] for one in given if one.get("command")]

    def after(self, seconds: float) -> None:
        self.cloud.advance(timedelta(seconds=seconds))

    # The procedures

    @property
    def steps(self) -> Steps:
        own: Any = {"rds": self.rds, "clock": self.cloud.now, "healthy": lambda _: {"said": "healthy"}}
        tasks = {"ecs": self.ecs, "logs": self.clients["logs"], "secrets": self.clients["secretsmanager"]}
        return {
            **Database(self.settings, **own, **tasks, succeeded=self.succeeded.__contains__).steps(),
            **Size(self.settings, **own, elasticache=self.cache).steps(),
            **Rotation(self.settings, **own, **tasks, elasticache=self.cache).steps(),
        }

    def run(self, procedure: str, *, before: str = "", **inputs: str) -> dict[str, str]:
        """What each step of a procedure says at last, up to one `before` that it ends; the clock moves on while a step waits."""
        run, said = a_run(procedure, **inputs), {}
        for name, step in self.steps[procedure].items():
            if name == before:
                break
            for _ in range(100):
                answer = step(run)
                if "wait" not in answer:
                    break
                self.after(150)
            else:
                raise AssertionError(f"{name} waits for ever: {answer['said']}")
            said[name] = answer["said"]
        else:
            self.succeeded.add(run.execution)
        return said

    @contextmanager
    def cut(self, at: int, when: str) -> Iterator[list[str]]:
        """Die before or after the call of this number that changes something; the calls that were made, by name."""
        made: list[str] = []

        def before(model: Any, **_: Any) -> None:
            if not model.name.startswith(("Describe", "Get", "List")):
                made.append(model.name)
                if len(made) == at and when == "before":
                    raise DiedError

        def after(model: Any, **_: Any) -> None:
            if len(made) == at and when == "after" and model.name == made[-1]:
                raise DiedError

        for client in self.clients.values():
            client.meta.events.register("before-call", before)
            client.meta.events.register("after-call", after)
        try:
            yield made
        finally:
            for client in self.clients.values():
                client.meta.events.unregister("before-call", before)
                client.meta.events.unregister("after-call", after)


def a_run(name: str, **inputs: str) -> Run:
    """An execution of its own."""
    defaults = {one.name: one.default for one in procedure(name).inputs if one.default}
    return Run(
        procedure=name,
        execution=str(uuid.uuid4()),
        started_by="arn:aws:iam::123456789012:user/one",
        reason="a test",
        dry_run=False,
        inputs={**defaults, **inputs},
    )


def cuts(
    cloud: Cloud, change: Callable[[Stores], object], prepare: Callable[[Stores], object] = lambda _: None
) -> Iterator[tuple[str, Stores]]:
    """Stores on which the procedure has died before and after each of its calls that change something, and was then run again."""

    def prepared() -> Stores:
        stores = Stores(cloud)
        prepare(stores)
        return stores

    whole = prepared()
    with whole.cut(0, "") as calls:
        change(whole)
    for number, call in enumerate(calls, 1):
        for when in ("before", "after"):
            stores = prepared()
            with stores.cut(number, when), pytest.raises(DiedError):
                change(stores)
            try:
                change(stores)
            except RefusedError:  # something is still changing: it has changed nothing
                stores.after(3600)
                change(stores)
            yield f"{when} {call}, call {number}", stores
