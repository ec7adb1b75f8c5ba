"""An environment: what `config/<name>.toml` says, checked and frozen, with the application that it carries and every name."""

import ipaddress
from functools import cached_property
from typing import Annotated, Any, Literal, Self

from pydantic import BeforeValidator, Field, field_validator, model_validator

from runbook.failures import FAILURES, Failure
from runbook.rows import ROWS, Row, rows_with
from stacks.application import ConfigSection
from stacks.names import LONGEST, Names

MOST_ZONES = 6
"""As many as the largest region has."""

EXAMPLE_ACCOUNT = "123456789012"
"""AWS's documentation account: the configuration carries it until a team puts its own there."""

_FARGATE_MEMORY = {  # https://docs.aws.amazon.com/AmazonECS/latest/developerguide/fargate-tasks-services.html, in MiB
    256: [512, 1024, 2048],
    512: list(range(1024, 4097, 1024)),
    1024: list(range(2048, 8193, 1024)),
    2048: list(range(4096, 16385, 1024)),
    4096: list(range(8192, 30721, 1024)),
    8192: list(range(16384, 61441, 4096)),
    16384: list(range(32768, 122881, 8192)),
}


def _sequence(value: object) -> object:
    return tuple(value) if isinstance(value, list) else value


class Domain(ConfigSection):
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


class Network(ConfigSection):
    cidr: str
    zones: Annotated[tuple[str, ...], BeforeValidator(_sequence), Field(min_length=2, max_length=MOST_ZONES)]
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


class Database(ConfigSection):
    instance_class: Annotated[str, Field(pattern=r"^db\.[a-z0-9]+\.[a-z0-9]+$")]


class Cache(ConfigSection):
    node_type: Annotated[str, Field(pattern=r"^cache\.[a-z0-9]+\.[a-z0-9]+$")]


class Backend(ConfigSection):
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


class Slack(ConfigSection):
    """A channel that Amazon Q Developer in chat applications is a member of."""

    workspace_id: Annotated[str, Field(pattern=r"^T[A-Z0-9]+$")]
    channel_id: Annotated[str, Field(pattern=r"^[CG][A-Z0-9]+$")]


class Contacts(ConfigSection):
    """Who is notified, each only if configured: e-mail and PagerDuty of what is critical, Slack of everything."""

    email: Annotated[str, Field(pattern=r"^[^@\s]+@[^@\s]+\.[^@\s]+$")] | None = None
    pagerduty_url_secret: Annotated[str, Field(pattern=r"^[\w/+=.@-]+$")] | None = None
    """The name of a secret with the URL of a CloudWatch integration of PagerDuty: the URL alone authorizes."""
    slack: Slack | None = None


class Sentry(ConfigSection):
    """Where the backend's errors are counted (runbook 7.3). `token_secret` is the name of a secret with an API token of the
    scope org:read, and nothing else, in it."""

    url: Annotated[str, Field(pattern=r"^https://[^/]+$")] = "https://sentry.io"
    organization: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]*$")]
    project: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_-]*$")]
    token_secret: Annotated[str, Field(pattern=r"^[\w/+=.@-]+$")]


class Override(ConfigSection):
    """An environment's own lines of one row of the threshold table, in the row's unit."""

    normal: float | None = None
    warning: float | None = None
    critical: float | None = None


class Environment(Names):
    """One environment, as everything in `stacks/` sees it: its configuration, its names and its threshold table."""

    remediation: Literal["on", "observe", "off"]
    protection: bool
    """Whether the stacks, the database, the load balancer and the table of incidents refuse to be deleted. True after the first
    deployment has succeeded: what failed to be made has to be deleted before it can be made again."""
    log_retention_days: Literal[30, 60, 90, 120, 150, 180, 365, 731, 1827, 3653]
    docs_url: Annotated[str, Field(pattern=r"^https://.*[^/]$")] | None = None
    """Where `docs/` of this project is read in a browser: the dashboard and messages link to it."""
    domain: Domain
    network: Network
    database: Database
    cache: Cache
    backend: Backend
    contacts: Contacts = Contacts()
    sentry: Sentry | None = None
    thresholds: dict[str, Override] = Field(default_factory=dict)
    """This environment's own lines of the threshold table, by the row's slug."""

    @field_validator("thresholds")
    @classmethod
    def _rows_exist(cls, overrides: dict[str, Override]) -> dict[str, Override]:
        slugs = [row.slug for row in ROWS]
        for slug in overrides:
            if slug not in slugs:
                raise ValueError(f"{slug} should be a row of the table: {', '.join(slugs)}")
        return overrides

    @model_validator(mode="after")
    def _names_fit(self) -> Self:
        for kind, longest in LONGEST.items():
            name = getattr(self, kind)
            if len(name) > longest:
                raise ValueError(
                    f"the environment's name should be at most {len(self.name) - len(name) + longest} characters: "
                    f"{kind.replace('_', ' ')} would be {name}, and AWS allows {longest}"
                )
        return self

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

    @property
    def lines(self) -> dict[str, dict[str, float]]:
        """This environment's own lines of the table, by the row's slug."""
        return {slug: override.model_dump(exclude_none=True) for slug, override in self.thresholds.items()}

    @cached_property
    def table(self) -> tuple[Row, ...]:
        """The threshold table with this environment's overrides."""
        return rows_with(self.lines)

    @property
    def failures(self) -> tuple[Failure, ...]:
        """The alarms on our own functions, those of optional parts where it has them."""
        return tuple(failure for failure in FAILURES if not failure.needs or getattr(self, failure.needs))

    def row(self, slug: str) -> Row:
        """The row of a slug; KeyError when the table has none."""
        return {row.slug: row for row in self.table}[slug]

    # What follows from several of them

    @property
    def deployment_alarms(self) -> tuple[str, ...]:
        """The alarms that make ECS roll back a running deployment by itself."""
        return tuple(self.alarm(row.slug, "critical") for row in self.table if row.fails_deployment)

    @property
    def runbook_url(self) -> str:
        """Empty where `docs_url` is not set."""
        return f"{self.docs_url}/runbook.md" if self.docs_url else ""

    @property
    def dashboard_url(self) -> str:
        return self.console(f"cloudwatch/home?region={self.region}#dashboards/dashboard/{self.dashboard}")

    @property
    def api_url(self) -> str:
        return f"https://{self.domain.api}"

    @property
    def frontend_url(self) -> str:
        return f"https://{self.domain.frontend}"
