"""The pages: one notification for one problem, however many alarms fire for it."""

from dataclasses import dataclass

from runbook.sections import Section
from runbook.severities import Severity


@dataclass(frozen=True, kw_only=True)
class Page:
    """One page: it lasts while a critical alarm of `rows` fires and no page of `unless` does.

    `service` (`{product}` in it is the application's name to its users), `symptoms` and `component` fill the status page's
    templates. `automation` is what is done without a person, `command` what to paste first, from the page's section of the
    runbook; words in braces are names of the environment. `procedure` is the one that fits, with `inputs` beside its reason.
    """

    slug: str
    title: str
    severity: Severity
    section: Section
    rows: tuple[str, ...]
    cause: str
    service: str
    symptoms: str
    component: str
    automation: str
    command: str
    unless: tuple[str, ...] = ()
    recurring: tuple[str, ...] = ()
    """The page also lasts while one of these rows is past its critical line again and again."""
    procedure: str = ""
    inputs: tuple[tuple[str, str], ...] = ()
    waits: bool = False
    """A deployment may be the cause: while one is under way nobody is called, since its own rollback may repair it."""


_ROLLBACK = "rollback decides whether a release is to blame, and takes the service back if so"
_BY_ITSELF = "RDS fails over to its standby by itself; nothing of ours restarts a database"

PAGES: tuple[Page, ...] = (  # what explains others comes first
    Page(
        slug="database-down",
        title="The application has no database",
        severity="P1",
        section=Section.DATABASE_CONNECTIONS,
        rows=("database-availability",),
        cause="the database is down, fails over or cannot be reached; or a release broke its connection",
        service="{product}",
        symptoms="errors on every page that shows or saves data",
        component="our database",
        automation=_BY_ITSELF,
        command="aws rds describe-db-instances --db-instance-identifier {database_instance}"
        " --query 'DBInstances[0].DBInstanceStatus'",
        waits=True,
    ),
    Page(
        slug="service-down",
        title="The service fails for its users",
        severity="P1",
        section=Section.HIGH_ERROR_RATE,
        rows=("api-availability", "alb-5xx-rate", "alb-5xx-rate-low-traffic"),
        cause="a bad release, or something behind the backend that fails",
        service="the {product} API",
        symptoms="errors, or no answer at all",
        component="our application servers",
        automation=_ROLLBACK,
        command="aws ecs describe-services --cluster {cluster} --services {service} --query 'services[0].deployments'",
        procedure="backend-rollback",
        inputs=(("DryRun", "true"), ("Revision", "known-good")),
        unless=("database-down",),
        waits=True,
    ),
    Page(
        slug="frontend-down",
        title="The frontend does not load",
        severity="P1",
        section=Section.FRONTEND_ROLLBACK,
        rows=("frontend-availability",),
        cause="CloudFront, its bucket, or an incomplete upload of the frontend",
        service="the {product} web application",
        symptoms="a page that does not load",
        component="the delivery of our web pages",
        automation="nothing: a person rolls the frontend back",
        command="curl -s -o /dev/null -w '%{{http_code}}' {frontend_url}",
        procedure="frontend-rollback",
        inputs=(("DryRun", "true"), ("BackupId", "newest")),
    ),
    Page(
        slug="database-impaired",
        title="The database is close to its limits",
        severity="P2",
        section=Section.DATABASE_CONNECTIONS,
        rows=("rds-cpu", "rds-connections", "rds-free-storage", "rds-free-memory", "rds-failovers"),
        cause="slow queries, connections that are not given back, or data that outgrew it",
        service="{product}",
        symptoms="slow pages",
        component="our database",
        automation=_BY_ITSELF,
        command="aws cloudwatch get-metric-statistics --namespace AWS/RDS --metric-name DatabaseConnections"
        " --dimensions Name=DBInstanceIdentifier,Value={database_instance} --period 60 --statistics Maximum"
        " --start-time $(date -u -d '30 minutes ago' +%Y-%m-%dT%H:%M:%SZ) --end-time $(date -u +%Y-%m-%dT%H:%M:%SZ)",
        procedure="service-status",
        unless=("database-down", "service-down"),
    ),
    Page(
        slug="cache-impaired",
        title="The cache is down, or close to its limits",
        severity="P2",
        section=Section.REDIS_CONNECTIONS,
        rows=("redis-nodes", "redis-memory", "redis-evictions", "redis-replication-lag"),
        cause="a node that is down, keys that never expire, or nodes that are too small",
        service="{product}",
        symptoms="slow pages, or being signed out",
        component="our cache",
        automation="ElastiCache replaces a node that is down, and Redis evicts keys that have an expiry",
        command="aws elasticache describe-replication-groups --replication-group-id {replication_group}"
        " --query 'ReplicationGroups[0].Status'",
        unless=("database-down", "service-down"),
    ),
    Page(
        slug="service-degraded",
        title="The service is slow, or short of tasks",
        severity="P2",
        section=Section.HIGH_LATENCY,
        rows=(
            "alb-latency-p95",
            "alb-latency-p95-low-traffic",
            "unhealthy-hosts",
            "tasks-running",
            "target-connections",
            "nat-ports",
            "ecs-cpu",
            "ecs-cpu-hottest",
            "ecs-memory",
            "sentry-errors",
        ),
        cause="a release that costs more, slow queries, or more traffic than the tasks can serve",
        service="{product}",
        symptoms="slow pages, or some errors",
        component="our application servers",
        automation=f"the service adds tasks up to its maximum; when users are affected, {_ROLLBACK}",
        command="aws ecs describe-services --cluster {cluster} --services {service}"
        " --query 'services[0].{{status:status,running:runningCount,desired:desiredCount}}'",
        procedure="service-status",
        unless=("database-down", "service-down", "database-impaired", "cache-impaired"),
        waits=True,
    ),
    Page(
        slug="service-unsteady",
        title="The service fails for some minutes again and again",
        severity="P2",
        section=Section.HIGH_ERROR_RATE,
        rows=(),
        recurring=("alb-5xx-rate", "alb-latency-p95", "api-availability", "frontend-availability"),
        cause="one task of several that fails, a job that runs every few minutes, or something behind the backend",
        service="{product}",
        symptoms="errors or slow pages from time to time",
        component="our application servers",
        automation="nothing: no single minute of it is long enough to act on",
        command="aws ecs describe-services --cluster {cluster} --services {service} --query 'services[0].events[:10]'",
        procedure="service-status",
        unless=("database-down", "service-down", "frontend-down", "database-impaired", "cache-impaired", "service-degraded"),
    ),
    Page(
        slug="database-credits",
        title="The database spends CPU credits that it does not have",
        severity="P3",
        section=Section.VERTICAL_SCALING,
        rows=("rds-cpu-credits",),
        cause="a class that is too small for its work",
        service="{product}",
        symptoms="nothing yet",
        component="our database",
        automation="RDS charges for each credit that it lacks, and the database runs on",
        command="aws cloudwatch get-metric-statistics --namespace AWS/RDS --metric-name CPUCreditBalance"
        " --dimensions Name=DBInstanceIdentifier,Value={database_instance}"
        " --start-time $(date -u -d '3 hours ago' +%Y-%m-%dT%H:%M:%SZ) --end-time $(date -u +%Y-%m-%dT%H:%M:%SZ)"
        " --period 300 --statistics Minimum",
    ),
    Page(
        slug="certificate-expires",
        title="The API's certificate expires within days",
        severity="P2",
        section=Section.KEY_METRICS,
        rows=("certificate-days",),
        cause="its validation record is gone, so ACM cannot renew it; or it was imported, and nobody has imported the next",
        service="the {product} API",
        symptoms="no answer at all, once it has expired",
        component="our certificate",
        automation="ACM renews a certificate that it can validate",
        command="aws cloudwatch describe-alarms --alarm-names {alarm_prefix}certificate-days-critical"
        " --query 'MetricAlarms[0].[StateReason,Dimensions[0].Value]'",
    ),
)
