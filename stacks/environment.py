"""An environment: what `config/<name>.toml` says, checked and frozen, and every physical name made from it.

The names are the interface of the runbook (section 1 and the commands of sections 3 to 7): they are made here, once.
"""

import ipaddress
import tomllib
from collections.abc import Iterable
from functools import cached_property
from itertools import combinations
from pathlib import Path
from typing import Annotated, Any, Literal, Self, get_args

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, field_validator, model_validator
from pydantic_core import ErrorDetails

from stacks.thresholds import FAILURES, ROWS, Failure, Row, table_for

CONFIG = Path(__file__).parent.parent / "config"
EXAMPLE_ACCOUNT = "123456789012"
"""AWS's documentation account: the configuration carries it until a team puts its own there."""

MAX_CONNECTIONS = 200
"""`max_connections` of the database's parameter group, the same in every environment."""

_FARGATE_MEMORY = {  # https://docs.aws.amazon.com/AmazonECS/latest/developerguide/fargate-tasks-services.html, in MiB
    256: [512, 1024, 2048],
    512: list(range(1024, 4097, 1024)),
    1024: list(range(2048, 8193, 1024)),
    2048: list(range(4096, 16385, 1024)),
    4096: list(range(8192, 30721, 1024)),
    8192: list(range(16384, 61441, 4096)),
    16384: list(range(32768, 122881, 8192)),
}


class ConfigError(Exception):
    """A configuration that cannot be deployed; its message has one sentence a problem: file, key, value, what is right."""


class _Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


def _sequence(value: object) -> object:
    return tuple(value) if isinstance(value, list) else value


class Domain(_Section):
    """Host names, and either the hosted zone that validates their certificates or the certificates themselves."""

    zone: str
    frontend: str
    api: str
    hosted_zone_id: Annotated[str, Field(pattern=r"^Z[A-Z0-9]+$")] | None = None
    certificate_arn: Annotated[str, Field(pattern=r"^arn:aws[\w-]*:acm:")] | None = None
    frontend_certificate_arn: Annotated[str, Field(pattern=r"^arn:aws[\w-]*:acm:us-east-1:")] | None = None

    @field_validator("frontend", "api")
    @classmethod
    def _inside_the_zone(cls, host: str, info: Any) -> str:
        zone = info.data.get("zone")
        if zone and host != zone and not host.endswith(f".{zone}"):
            raise ValueError(f"should be a name inside domain.zone, such as {host.partition('.')[0]}.{zone}")
        return host

    @model_validator(mode="after")
    def _certifiable(self) -> Self:
        if not self.hosted_zone_id and not (self.certificate_arn and self.frontend_certificate_arn):
            raise ValueError("should have hosted_zone_id, or both certificate_arn and frontend_certificate_arn")
        return self


class Network(_Section):
    cidr: str
    zones: Annotated[tuple[str, ...], BeforeValidator(_sequence), Field(min_length=2)]
    nat_gateways: Annotated[int, Field(ge=1)]

    @field_validator("cidr")
    @classmethod
    def _possible(cls, cidr: str) -> str:
        try:
            network = ipaddress.IPv4Network(cidr)
        except ValueError as error:
            raise ValueError(f"should be a CIDR block such as 10.0.0.0/16 ({error})") from None
        if not network.is_private or not 16 <= network.prefixlen <= 22:
            raise ValueError("should be a private block between /16 and /22, such as 10.0.0.0/16")
        return cidr

    @model_validator(mode="after")
    def _gateway_a_zone_at_most(self) -> Self:
        if self.nat_gateways > len(self.zones):
            raise ValueError(f"nat_gateways = {self.nat_gateways} should be at most the number of zones, {len(self.zones)}")
        return self


class Database(_Section):
    instance_class: Annotated[str, Field(pattern=r"^db\.[a-z0-9]+\.[a-z0-9]+$")]


class Cache(_Section):
    node_type: Annotated[str, Field(pattern=r"^cache\.[a-z0-9]+\.[a-z0-9]+$")]


class Backend(_Section):
    """The ECS service: task size in CPU units (1024 = 1 vCPU) and MiB, and the connections each task may open."""

    cpu: int
    memory: int
    min_tasks: Annotated[int, Field(ge=1)]
    max_tasks: Annotated[int, Field(ge=1)]
    pool_size: Annotated[int, Field(ge=1)]
    health_check_path: Annotated[str, Field(pattern=r"^/")]
    health_check_codes: Annotated[str, Field(pattern=r"^[2-4]\d\d([,-][2-4]\d\d)*$")]

    @model_validator(mode="after")
    def _possible(self) -> Self:
        sizes = _FARGATE_MEMORY.get(self.cpu)
        if sizes is None:
            raise ValueError(f"cpu = {self.cpu} should be one of Fargate's sizes: {', '.join(map(str, _FARGATE_MEMORY))}")
        if self.memory not in sizes:
            raise ValueError(
                f"memory = {self.memory} should be a size Fargate has with cpu = {self.cpu}: {', '.join(map(str, sizes))}"
            )
        if self.min_tasks > self.max_tasks:
            raise ValueError(f"min_tasks = {self.min_tasks} should be at most max_tasks = {self.max_tasks}")
        return self


class Slack(_Section):
    """A channel that Amazon Q Developer in chat applications is a member of."""

    workspace_id: Annotated[str, Field(pattern=r"^T[A-Z0-9]+$")]
    channel_id: Annotated[str, Field(pattern=r"^[CG][A-Z0-9]+$")]


class Contacts(_Section):
    """Who is told, each where it is configured: an e-mail address and PagerDuty of what is critical, Slack of everything."""

    email: Annotated[str, Field(pattern=r"^[^@\s]+@[^@\s]+\.[^@\s]+$")] | None = None
    pagerduty_url_secret: Annotated[str, Field(pattern=r"^[\w/+=.@-]+$")] | None = None
    """The name of a secret with the URL of a CloudWatch integration of PagerDuty, which is one by itself."""
    slack: Slack | None = None


class Sentry(_Section):
    """Where the backend's errors are counted (runbook 7.3). `token_secret` is the name of a secret with an API token of the
    scope org:read, and nothing else, in it."""

    url: Annotated[str, Field(pattern=r"^https://[^/]+$")] = "https://sentry.io"
    organization: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]*$")]
    project: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_-]*$")]
    token_secret: Annotated[str, Field(pattern=r"^[\w/+=.@-]+$")]


class Override(_Section):
    """An environment's own lines of one row of the threshold table, in the row's unit."""

    normal: float | None = None
    warning: float | None = None
    critical: float | None = None


class Environment(_Section):
    """One environment, as everything in `stacks/` sees it: settings, names and the threshold table."""

    name: Literal["production", "staging"]
    account: Annotated[str, Field(pattern=r"^\d{12}$")]
    region: Annotated[str, Field(pattern=r"^[a-z]{2}(-[a-z]+)+-\d$")]
    remediation: Literal["on", "observe", "off"]
    log_retention_days: Literal[30, 60, 90, 120, 150, 180, 365, 731, 1827, 3653]
    docs_url: Annotated[str, Field(pattern=r"^https://.*[^/]$")] | None = None
    """Where `docs/` of this project is read in a browser: the dashboard links to the runbook and the on-call page there."""
    domain: Domain
    network: Network
    database: Database
    cache: Cache
    backend: Backend
    contacts: Contacts = Contacts()
    sentry: Sentry | None = None
    thresholds: dict[str, Override] = {}

    @field_validator("thresholds")
    @classmethod
    def _rows_exist(cls, overrides: dict[str, Override]) -> dict[str, Override]:
        slugs = [row.slug for row in ROWS]
        for slug in overrides:
            if slug not in slugs:
                raise ValueError(f"{slug} should be a row of the table: {', '.join(slugs)}")
        return overrides

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        for zone in self.network.zones:
            if zone[:-1] != self.region:
                raise ValueError(f"network.zones has {zone}, which should be a zone of region = {self.region}")
        for row in self.table:
            ordered = (row.warning, row.critical) if row.worse == "above" else (row.critical, row.warning)
            if not ordered[0] < ordered[1]:
                raise ValueError(
                    f"thresholds.{row.slug}: warning = {row.warning:g} should be {'under' if row.worse == 'above' else 'over'}"
                    f" critical = {row.critical:g}"
                )
        demand, line = self.backend.max_tasks * self.backend.pool_size, self.row("rds-connections").critical
        if demand >= line:
            raise ValueError(
                f"backend.max_tasks x pool_size = {self.backend.max_tasks} x {self.backend.pool_size} = {demand} connections"
                f" should stay under the critical line of rds-connections, {line:g}: max_tasks = "
                f"{int((line - 1) // self.backend.pool_size)} would"
            )
        return self

    # The threshold table

    @cached_property
    def table(self) -> tuple[Row, ...]:
        """The threshold table with this environment's overrides."""
        return table_for({slug: override.model_dump(exclude_none=True) for slug, override in self.thresholds.items()})

    @property
    def failures(self) -> tuple[Failure, ...]:
        """The alarms on our own functions, those of optional parts where it has them."""
        return tuple(failure for failure in FAILURES if not failure.needs or getattr(self, failure.needs))

    def row(self, slug: str) -> Row:
        """The row of a slug; KeyError when the table has none."""
        return {row.slug: row for row in self.table}[slug]

    # Names: runbook section 1 and the commands of sections 3 to 7

    @property
    def prefix(self) -> str:
        return f"hz-navigator-{self.name}"

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
    def repository(self) -> str:
        return f"{self.prefix}-backend"

    @property
    def image_parameter(self) -> str:
        """The SSM parameter with the image the service runs, written by releases and rollbacks, read at deploy time."""
        return f"/hz-navigator/{self.name}/backend/image"

    @property
    def database_instance(self) -> str:
        return f"{self.prefix}-postgres"

    @property
    def database_parameter_group(self) -> str:
        return f"{self.prefix}-pg-params"

    @property
    def database_secret(self) -> str:
        """JSON keys: username, password, host, port, dbname."""
        return f"{self.prefix}-db-password"

    @property
    def replication_group(self) -> str:
        return f"{self.prefix}-redis"

    @property
    def cache_nodes(self) -> tuple[str, ...]:
        """The cluster ids ElastiCache gives a primary and one replica."""
        return (f"{self.replication_group}-001", f"{self.replication_group}-002")

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
        """JSON keys: jwt_secret, encryption_key."""
        return f"{self.prefix}-app-secrets"

    @property
    def load_balancer(self) -> str:
        return f"{self.prefix}-alb"

    @property
    def target_group(self) -> str:
        return f"hz-{self.name}-backend-tg"  # target group names are at most 32 characters

    @property
    def frontend_bucket(self) -> str:
        return f"hz-navigator-frontend-{self.name}"

    @property
    def frontend_backups_bucket(self) -> str:
        return f"{self.frontend_bucket}-backups"

    @property
    def documents_bucket(self) -> str:
        return f"{self.prefix}-documents-{self.account}"

    @property
    def backend_log_group(self) -> str:
        return f"/aws/ecs/{self.prefix}"

    @property
    def exec_log_group(self) -> str:
        """What was typed in ECS Exec sessions, and its output."""
        return f"{self.backend_log_group}/exec"

    @property
    def insights_log_group(self) -> str:
        """The name Container Insights writes to."""
        return f"/aws/ecs/containerinsights/{self.cluster}/performance"

    @property
    def events_log_group(self) -> str:
        """What ECS says of the service's deployments and of stopped tasks."""
        return f"/aws/events/{self.prefix}-ecs"

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

    def alarm(self, slug: str, level: str) -> str:
        return f"{self.prefix}-{slug}-{level}"

    @property
    def service_impaired_alarm(self) -> str:
        """The composite alarm that the rollback function hangs on."""
        return f"{self.prefix}-service-impaired"

    def page(self, slug: str) -> str:
        """The name of a page's composite alarm."""
        return f"{self.prefix}-{slug}"

    @property
    def maintenance_alarm(self) -> str:
        """In ALARM, by hand, while nobody is to be called."""
        return f"{self.prefix}-maintenance"

    @property
    def deployment_alarms(self) -> tuple[str, ...]:
        """The alarms that make ECS roll back a running deployment by itself."""
        return tuple(self.alarm(slug, "critical") for slug in ("alb-5xx-rate", "alb-latency-p95"))

    @property
    def dependency_alarms(self) -> tuple[str, ...]:
        """The critical alarms that say the database or the cache is impaired, not the release."""
        return tuple(self.alarm(row.slug, "critical") for row in self.table if row.dependency)

    def function(self, name: str) -> str:
        """The name of a function of `lambdas/`, such as `rollback` or `health-check`."""
        return f"{self.prefix}-{name}"

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
        """What people of a severity (P1 to P4) are told."""
        return f"{self.prefix}-{severity.lower()}"

    @property
    def chat_topic(self) -> str:
        """Every notification, as Amazon Q Developer in chat applications takes it."""
        return f"{self.prefix}-chat"

    @property
    def incidents_table(self) -> str:
        return f"{self.prefix}-incidents"

    def stack(self, component: str) -> str:
        """The CloudFormation name of a stack."""
        return f"{self.prefix}-{component}"

    def arn(self, service: str, resource: str) -> str:
        """The ARN of a regional resource of this environment, known before the resource exists."""
        return f"arn:aws:{service}:{self.region}:{self.account}:{resource}"

    def console(self, page: str) -> str:
        """A page of AWS's console."""
        return f"https://{self.region}.console.aws.amazon.com/{page}"

    @property
    def runbook_url(self) -> str:
        """Empty where `docs_url` is not set."""
        return f"{self.docs_url}/runbook.md" if self.docs_url else ""

    @property
    def api_url(self) -> str:
        return f"https://{self.domain.api}"

    @property
    def frontend_url(self) -> str:
        return f"https://{self.domain.frontend}"


def _sentences(file: Path, error: ValidationError) -> str:
    """One sentence a problem, with the file, the key, the value and what would be right."""
    return "\n".join(f"{file.parent.name}/{file.name}: {_sentence(problem)}" for problem in error.errors())


def _sentence(problem: ErrorDetails) -> str:
    section = problem["loc"][:-1]
    key, value = ".".join(map(str, problem["loc"])), problem["input"]
    reason = problem["msg"].removeprefix("Value error, ")
    match problem["type"]:
        case "missing":
            return f"{key} is missing and should be set"
        case "extra_forbidden":
            known = _section(section).model_fields
            shown = key if isinstance(value, dict) else f"{key} = {value!r}"
            where = f"{'.'.join(map(str, section))} may have" if section else "it may have"
            keys = ", ".join(sorted(set(known) - {"name"}))
            return f"{shown} is not a key of this file and should be removed: {where} {keys}"
        case "value_error":  # our own: already says what should be
            return f"{key} = {value!r} {reason}" if isinstance(value, str) else f"{key}: {reason}" if key else reason
        case _:
            return f"{key} = {value!r} should be right: {reason[0].lower()}{reason[1:]}"


def _section(path: Iterable[int | str]) -> type[BaseModel]:
    """The section at a path below the environment, optional ones and the rows' overrides included."""
    found: type[BaseModel] = Environment
    for name in path:
        if field := found.model_fields.get(str(name)):
            kinds = (field.annotation, *get_args(field.annotation))
            found = next(kind for kind in kinds if isinstance(kind, type) and issubclass(kind, BaseModel))
    return found


def load(file: Path) -> Environment:
    """The environment that a TOML file describes; ConfigError names the file, the key, the value and the mend."""
    try:
        settings = tomllib.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ConfigError(f"{file.parent.name}/{file.name}: no such file, it should describe environment {file.stem}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{file.parent.name}/{file.name}: should be TOML: {error}") from None
    if "name" in settings:
        raise ConfigError(f"{file.parent.name}/{file.name}: name should be removed: the file's name says it")
    try:
        return Environment.model_validate({"name": file.stem, **settings})
    except ValidationError as error:
        raise ConfigError(_sentences(file, error)) from None


def load_all(folder: Path = CONFIG) -> tuple[Environment, ...]:
    """Every environment of the folder, in order of name; their networks must not overlap."""
    environments = tuple(load(file) for file in sorted(folder.glob("*.toml")))
    if not environments:
        raise ConfigError(f"{folder.name}/: has no .toml file, and should have one for each environment")
    _no_overlap(folder, environments)
    return environments


def _no_overlap(folder: Path, environments: Iterable[Environment]) -> None:
    for one, other in combinations(environments, 2):
        if ipaddress.ip_network(one.network.cidr).overlaps(ipaddress.ip_network(other.network.cidr)):
            raise ConfigError(
                f"{folder.name}/{other.name}.toml: network.cidr = {other.network.cidr!r} overlaps {one.network.cidr} of "
                f"{folder.name}/{one.name}.toml and should be a block of its own"
            )
