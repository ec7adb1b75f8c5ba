"""Every physical name of an environment, once: the names are the interface of the runbook (section 1, and the commands of
sections 3 to 7)."""

from typing import Annotated

from pydantic import AfterValidator

from runbook.alarms import NOT_ARMED, alarm_name
from runbook.rows import Level
from stacks import catalog
from stacks.application import Application, ConfigSection, right


def _exists(region: str) -> str:
    if region not in catalog.regions():
        near = catalog.closest(region, catalog.regions(), "us-east-1")
        raise ValueError(f'should be a region of AWS, not of China or GovCloud, such as "{near}"')
    return region


RUNBOOK_POSTGRESQL = "15"
"""The major version that the runbook's parameter group is of (section 6.3)."""


_BUCKET = "a name of {} small letters, digits and hyphens"  # dots would break its TLS


class Buckets(ConfigSection):
    """Names for buckets whose usual name is taken: a bucket's name is one of all accounts of the world.

    https://docs.aws.amazon.com/AmazonS3/latest/userguide/bucketnamingrules.html
    """

    frontend: Annotated[
        str | None, right(_BUCKET.format("3 to 55"), "acme-frontend-production", pattern=r"^[a-z0-9][a-z0-9-]{1,53}[a-z0-9]$")
    ] = None
    """The backups are in the bucket of this name and `-backups`."""
    documents: Annotated[
        str | None, right(_BUCKET.format("3 to 63"), "acme-documents-production", pattern=r"^[a-z0-9][a-z0-9-]{1,61}[a-z0-9]$")
    ] = None
    incidents: Annotated[
        str | None, right(_BUCKET.format("3 to 63"), "acme-incidents-production", pattern=r"^[a-z0-9][a-z0-9-]{1,61}[a-z0-9]$")
    ] = None


class Names(ConfigSection):
    """What is called how in one environment of the application."""

    application: Application
    name: Annotated[
        str,
        right("small letters and digits, in words with - between them", "review-7", pattern=r"^[a-z][a-z0-9]*(-[a-z0-9]+)*$"),
    ]
    account: Annotated[str, right("the 12 digits of an AWS account, in quotes", "210987654321", pattern=r"^[0-9]{12}$")]
    region: Annotated[str, right("an AWS region", "us-east-1"), AfterValidator(_exists)]
    buckets: Buckets = Buckets()

    @property
    def prefix(self) -> str:
        return f"{self.application.name}-{self.name}"

    @property
    def cluster(self) -> str:
        return f"{self.prefix}-cluster"

    @property
    def service(self) -> str:
        return f"{self.prefix}-backend-service"

    @property
    def family(self) -> str:
        """The task definition family."""
        return f"{self.prefix}-backend"

    @property
    def execution_role(self) -> str:
        """Starts the backend's tasks."""
        return f"{self.prefix}-backend-execution"

    @property
    def task_role(self) -> str:
        """What the backend's tasks run as."""
        return f"{self.prefix}-backend-task"

    @property
    def repository(self) -> str:
        return f"{self.prefix}-backend"

    @property
    def image_parameter(self) -> str:
        """The SSM parameter with the image to run, kept by the function `releases`, read at deploy time."""
        return f"/{self.application.name}/{self.name}/backend/image"

    @property
    def database_instance(self) -> str:
        return f"{self.prefix}-postgres"

    @property
    def database_parameter_group(self) -> str:
        """A group is of one major version: an upgrade makes another group beside it, which needs another name."""
        major = self.application.database.version.partition(".")[0]
        return f"{self.prefix}-pg{'' if major == RUNBOOK_POSTGRESQL else major}-params"

    @property
    def database_monitoring_role(self) -> str:
        """Writes the enhanced monitoring; who restores the database passes it by that name."""
        return f"{self.database_instance}-monitoring"

    @property
    def database_secret(self) -> str:
        """JSON keys: username, password, host, port, dbname."""
        return f"{self.prefix}-db-password"

    @property
    def replication_group(self) -> str:
        return f"{self.prefix}-redis"

    @property
    def cache_nodes(self) -> tuple[str, ...]:
        """The cluster ids that ElastiCache gives the nodes of the replication group."""
        return tuple(f"{self.replication_group}-{number:03d}" for number in range(1, self.application.cache.nodes + 1))

    @property
    def cache_secret(self) -> str:
        """JSON key: token."""
        return f"{self.prefix}-redis-auth"

    @property
    def cache_url_secret(self) -> str:
        """The whole `rediss://` URL, as the application reads it."""
        return f"{self.prefix}-redis-url"

    @property
    def application_secret(self) -> str:
        """JSON key: jwt_secret."""
        return f"{self.prefix}-app-secrets"

    @property
    def encryption_key_secret(self) -> str:
        """The whole key of users' data, as the application reads it."""
        return f"{self.prefix}-encryption-key"

    @property
    def load_balancer(self) -> str:
        return f"{self.prefix}-alb"

    @property
    def target_group(self) -> str:
        return f"{self.application.short_name}-{self.name}-backend-tg"

    @property
    def frontend_bucket(self) -> str:
        return self.buckets.frontend or f"{self.application.name}-frontend-{self.name}"

    @property
    def frontend_backups_bucket(self) -> str:
        return f"{self.frontend_bucket}-backups"

    @property
    def documents_bucket(self) -> str:
        return self.buckets.documents or f"{self.prefix}-documents-{self.account}"

    @property
    def incidents_bucket(self) -> str:
        """The post-mortems of incidents, their records and their metrics."""
        return self.buckets.incidents or f"{self.prefix}-incidents-{self.account}"

    @property
    def backend_log_group(self) -> str:
        return f"/aws/ecs/{self.prefix}"

    @property
    def insights_log_group(self) -> str:
        """The name Container Insights writes to."""
        return f"/aws/ecs/containerinsights/{self.cluster}/performance"

    @property
    def events_log_group(self) -> str:
        """What ECS says of the service's deployments and of stopped tasks."""
        return f"/aws/events/{self.prefix}-ecs"

    @property
    def database_events_log_group(self) -> str:
        """What RDS says of the database: failovers, maintenance, failures."""
        return f"/aws/events/{self.prefix}-rds"

    @property
    def failover_rule(self) -> str:
        """The EventBridge rule that matches when the database fails over to its standby."""
        return f"{self.prefix}-database-failover"

    @property
    def database_log_group(self) -> str:
        return f"/aws/rds/instance/{self.database_instance}/postgresql"

    @property
    def database_upgrade_log_group(self) -> str:
        return f"/aws/rds/instance/{self.database_instance}/upgrade"

    @property
    def flow_log_group(self) -> str:
        return f"/aws/vpc/{self.prefix}"

    @property
    def web_acl(self) -> str:
        return f"{self.prefix}-web-acl"

    @property
    def web_acl_log_group(self) -> str:
        return f"aws-waf-logs-{self.prefix}"  # WAF only writes to names that start so

    @property
    def frontend_web_acl(self) -> str:
        return f"{self.prefix}-frontend-web-acl"

    @property
    def frontend_web_acl_log_group(self) -> str:
        return f"aws-waf-logs-{self.prefix}-frontend"

    def maintenance_addresses(self, version: str) -> str:
        """The IP set, in each scope, of the addresses that are kept out in maintenance: of `IPV4` or `IPV6`."""
        return f"{self.prefix}-maintenance-{version.lower()}"

    @property
    def frontend_routing(self) -> str:
        """The CloudFront function; the CDK's own name for it would not say whose environment it is."""
        return f"{self.prefix}-frontend-routing"

    @property
    def frontend_log_delivery(self) -> str:
        """The source and the destination of the distribution's access logs."""
        return f"{self.prefix}-frontend-access-logs"

    @property
    def cache_slow_log_group(self) -> str:
        return f"/aws/elasticache/{self.replication_group}/slow-log"

    @property
    def cache_engine_log_group(self) -> str:
        return f"/aws/elasticache/{self.replication_group}/engine-log"

    @property
    def dashboard(self) -> str:
        return self.prefix

    def alarm(self, slug: str, level: Level) -> str:
        """The name of the alarm of a row or a failure."""
        return f"{self.prefix}-{alarm_name(slug, level)}"

    @property
    def service_impaired_alarm(self) -> str:
        """The composite alarm that invokes `rollback`."""
        return f"{self.prefix}-service-impaired"

    def page(self, slug: str) -> str:
        """The name of a page's composite alarm."""
        return f"{self.prefix}-{slug}"

    @property
    def maintenance_alarm(self) -> str:
        """Set to ALARM by a person during maintenance: nobody is called."""
        return f"{self.prefix}-maintenance"

    @property
    def not_armed_alarm(self) -> str:
        """In ALARM until the first release has been healthy: nobody is called before there is anything to look after."""
        return f"{self.prefix}-{NOT_ARMED}"

    def function(self, name: str) -> str:
        """The name of a function of `lambdas/`, such as `rollback` or `health-check`."""
        return f"{self.prefix}-{name}"

    def function_arn(self, name: str) -> str:
        """The ARN of a function of `lambdas/`, known before it exists."""
        return self.arn("lambda", f"function:{self.function(name)}")

    def function_log_group(self, name: str) -> str:
        return f"/aws/lambda/{self.function(name)}"

    @property
    def outcomes_topic(self) -> str:
        """Every outcome of a function."""
        return f"{self.prefix}-outcomes"

    @property
    def escalations_topic(self) -> str:
        """What a person has to look at."""
        return f"{self.prefix}-escalations"

    @property
    def alarms_topic(self) -> str:
        """What alarms publish to and `notify` hears."""
        return f"{self.prefix}-alarms"

    def on_call_topic(self, severity: str) -> str:
        """Notifications of a severity, P1 to P4."""
        return f"{self.prefix}-{severity.lower()}"

    def level_topic(self, level: int) -> str:
        """What a level of the escalation path is told, L2 to L4, where the environment names its people."""
        return f"{self.prefix}-l{level}"

    @property
    def chat_topic(self) -> str:
        """Every notification, as Amazon Q Developer in chat applications takes it."""
        return f"{self.prefix}-chat"

    @property
    def approvals_topic(self) -> str:
        """What waits for an approval. Automation asks for a topic whose name begins so:
        https://docs.aws.amazon.com/systems-manager/latest/userguide/automation-action-approve.html"""
        return f"Automation-{self.prefix}-approvals"

    def document(self, procedure: str) -> str:
        """The name of a procedure's Automation document, and of the role that it runs under."""
        return f"{self.prefix}-{procedure}"

    @property
    def incidents_table(self) -> str:
        return f"{self.prefix}-incidents"

    @property
    def records_table(self) -> str:
        """What happened in each incident."""
        return f"{self.prefix}-incident-records"

    def stack(self, component: str) -> str:
        """The CloudFormation name of a stack."""
        return f"{self.prefix}-{component}"

    def arn(self, service: str, resource: str) -> str:
        """The ARN of a regional resource of this environment, known before the resource exists."""
        return f"arn:aws:{service}:{self.region}:{self.account}:{resource}"

    def role_arn(self, name: str) -> str:
        """The ARN of a role of this environment's account."""
        return f"arn:aws:iam::{self.account}:role/{name}"

    def console(self, page: str) -> str:
        """A page of AWS's console."""
        return f"https://{self.region}.console.aws.amazon.com/{page}"


LONGEST = {
    "load_balancer": 32,
    "target_group": 32,
    "replication_group": 40,
    "frontend_backups_bucket": 63,
    "documents_bucket": 63,
    "incidents_bucket": 63,
    "database_instance": 63,
}
"""The names whose length AWS limits so much that an environment's name may be too long for them, in characters."""
