"""An environment: what `config/<name>.toml` says, checked and frozen, with the application that it carries and every name."""

import ipaddress
import math
import re
from collections.abc import Iterator, Mapping
from functools import cached_property
from itertools import pairwise
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, BeforeValidator, Field, field_validator, model_validator

from lambdas.common.instance_classes import most_connections
from runbook.failures import FAILURES, Failure
from runbook.pages import PAGES, Page
from runbook.rows import ROWS, Row, rows_with
from runbook.rules import ROLLOUT
from runbook.severities import ESCALATION_PATH
from stacks import catalog
from stacks.application import ConfigSection, quoted, right
from stacks.names import LONGEST, Names

MOST_ZONES = 6
"""As many as the largest region has."""

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


_LABEL = r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?"
_HOST = rf"({_LABEL}\.)+[a-z]([a-z0-9-]{{0,61}}[a-z0-9])?"
_LONGEST_HOST = 64
"""The common name of a certificate: https://docs.aws.amazon.com/acm/latest/APIReference/API_RequestCertificate.html"""

Host = Annotated[
    str,
    right(
        f"a host name in small letters, up to {_LONGEST_HOST} characters",
        "app.hz-navigator.com",
        pattern=f"^{_HOST}$",
        max_length=_LONGEST_HOST,
    ),
]
_CERTIFICATE = "the ARN of a certificate of ACM"


class Domain(ConfigSection):
    """Host names, and either the hosted zone that validates their certificates or the certificates themselves."""

    zone: Annotated[str, right("the name of a hosted zone, in small letters", "hz-navigator.com", pattern=f"^{_HOST}$")]
    frontend: Host
    api: Host
    hosted_zone_id: Annotated[
        str | None, right("the id of a hosted zone of Route 53", "Z08194101P8EXK2M3N4Q", pattern=r"^Z[A-Z0-9]{1,31}$")
    ] = None
    certificate_arn: Annotated[
        str | None,
        right(_CERTIFICATE, "arn:aws:acm:eu-central-1:210987654321:certificate/11111111-2222-3333-4444-555555555555",
              pattern=r"^arn:aws:acm:[a-z0-9-]+:[0-9]{12}:certificate/[A-Za-z0-9-]+$"),
    ] = None  # fmt: skip
    frontend_certificate_arn: Annotated[
        str | None,
        right(f"{_CERTIFICATE} in us-east-1, where CloudFront looks for it",
              "arn:aws:acm:us-east-1:210987654321:certificate/11111111-2222-3333-4444-555555555555",
              pattern=r"^arn:aws:acm:us-east-1:[0-9]{12}:certificate/[A-Za-z0-9-]+$"),
    ] = None  # fmt: skip

    @model_validator(mode="after")
    def _possible(self) -> Self:
        for key, host in (("frontend", self.frontend), ("api", self.api)):
            if host != self.zone and not host.endswith(f".{self.zone}"):
                inside = f"{host.partition('.')[0]}.{self.zone}"
                raise ValueError(f'domain.{key} = "{host}" should be a name inside domain.zone, such as "{inside}"')
        if self.frontend == self.api:
            wrong, other, start = ("frontend", "api", "app") if self.api.startswith("api.") else ("api", "frontend", "api")
            raise ValueError(
                f'domain.{wrong} = "{self.api}" should be another name than {other}, such as "{start}.{self.zone}"'
            )
        if not self.hosted_zone_id and not (self.certificate_arn and self.frontend_certificate_arn):
            raise ValueError(
                "domain should have hosted_zone_id, or both certificate_arn and frontend_certificate_arn, such as "
                'hosted_zone_id = "Z08194101P8EXK2M3N4Q"'
            )
        return self


_PRIVATE = tuple(map(ipaddress.IPv4Network, ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16")))
"""RFC 1918."""


class Network(ConfigSection):
    cidr: Annotated[str, right("a private CIDR block from /16 to /22", "10.0.0.0/16")]
    zones: Annotated[
        tuple[Annotated[str, Field()], ...],
        BeforeValidator(_sequence),
        right(
            f"2 to {MOST_ZONES} availability zones of the region",
            ["us-east-1a", "us-east-1b"],
            min_length=2,
            max_length=MOST_ZONES,
        ),
    ]
    nat_gateways: Annotated[int, right("the number of NAT gateways, from one to one in each zone", 1, ge=1)]

    @field_validator("cidr")
    @classmethod
    def _usable(cls, cidr: str) -> str:
        try:
            network = ipaddress.IPv4Network(cidr, strict=False)
        except ValueError:
            network = ipaddress.IPv4Network("0.0.0.0/0")
        private = 16 <= network.prefixlen <= 22 and any(map(network.subnet_of, _PRIVATE))
        if not private or cidr != str(network):
            ranges = ", ".join(map(str, _PRIVATE))
            example = network if private else "10.0.0.0/16"
            raise ValueError(f'should be a block from /16 to /22 of a private range ({ranges}), such as "{example}"')
        return cidr

    @model_validator(mode="after")
    def _possible(self) -> Self:
        if twice := next((zone for zone in self.zones if self.zones.count(zone) > 1), None):
            raise ValueError(
                f'network.zones has {quoted(twice)} twice, and should have each zone once, such as ["us-east-1a", "us-east-1b"]'
            )
        if self.nat_gateways > len(self.zones):
            raise ValueError(
                f"network.nat_gateways = {self.nat_gateways} should be at most the number of zones, {len(self.zones)}"
            )
        return self


class Database(ConfigSection):
    """`max_connections` is PostgreSQL's parameter: how many connections the memory of the class is meant to serve."""

    instance_class: Annotated[str, right("an instance class of RDS", "db.t4g.large")]
    max_connections: Annotated[int, right("the most connections at one time, 6 or more", 200, ge=6)]


class Cache(ConfigSection):
    node_type: Annotated[str, right("a node type of ElastiCache", "cache.r6g.large")]


class Backend(ConfigSection):
    """The ECS service: task size in CPU units (1024 = 1 vCPU) and MiB, and the connections each task may open."""

    cpu: Annotated[int, right("the CPU units of a task, 1024 for a vCPU", 1024)]
    memory: Annotated[int, right("the MiB of a task", 2048)]
    min_tasks: Annotated[int, right("the fewest tasks, one or more", 2, ge=1)]
    max_tasks: Annotated[int, right("the most tasks, one or more", 4, ge=1)]
    pool_size: Annotated[int, right("the connections that a task may open, one or more", 20, ge=1)]
    # "Health check must begin with a '/' and can only consist of the characters: a-z, A-Z, 0-9, and @:%_+.~#?&/=": ELB's own
    # error, as in https://github.com/apollographql/router/issues/1852; and "-", which it takes.
    health_check_path: Annotated[
        str,
        right("a path of up to 1024 letters, digits and any of @:%_+.~#?&/=-", "/api/v1/health",
              pattern=r"^/[A-Za-z0-9@:%_+.~#?&/=-]*$", max_length=1024),
    ]  # fmt: skip
    health_check_codes: Annotated[str, right("HTTP codes and ranges of them from 200 to 499, in quotes", "200,301")]

    @field_validator("health_check_codes")
    @classmethod
    def _matched(cls, codes: str) -> str:
        # https://docs.aws.amazon.com/elasticloadbalancing/latest/APIReference/API_Matcher.html
        ranges = [part.split("-") for part in codes.split(",")]
        if not re.fullmatch(r"[0-9]{3}(-[0-9]{3})?(,[0-9]{3}(-[0-9]{3})?)*", codes) or not all(
            200 <= int(part[0]) <= int(part[-1]) <= 499 for part in ranges
        ):
            raise ValueError('should be HTTP codes and ranges of them from 200 to 499, such as "200", "200,301" or "200-299"')
        return codes

    @model_validator(mode="after")
    def _possible(self) -> Self:
        sizes = _FARGATE_MEMORY.get(self.cpu)
        if sizes is None:
            raise ValueError(
                f"backend.cpu = {self.cpu} should be one of Fargate's sizes: {', '.join(map(str, _FARGATE_MEMORY))}"
            )
        if self.memory not in sizes:
            raise ValueError(
                f"backend.memory = {self.memory} should be a size that Fargate has with cpu = {self.cpu}: "
                f"{', '.join(map(str, sizes))}"
            )
        if self.min_tasks > self.max_tasks:
            raise ValueError(f"backend.min_tasks = {self.min_tasks} should be at most max_tasks = {self.max_tasks}")
        return self


# A run of 20 letters and digits, both of them, is no word: PagerDuty's keys have 32 of them, Sentry's tokens 64.
_LIKE_A_TOKEN = re.compile(r"sntry[a-z]_|(?=[A-Za-z]*[0-9])(?=[0-9]*[A-Za-z])[A-Za-z0-9]{20,}|[0-9]{20,}")


def _no_token(name: str | None) -> str | None:
    if name and _LIKE_A_TOKEN.search(name):
        raise ValueError(
            'should be the name of a secret, such as "hz-navigator-production-token", and looks like what is in one: put it '
            "into a secret, and renew it, because it has been in a file"
        )
    return name


def _secret(kind: str) -> tuple[Any, ...]:
    """What is right for the name of a secret; never what is in it."""
    example = f"hz-navigator-production-{kind}"
    name = right("the name of a secret of Secrets Manager", example, pattern=r"^[A-Za-z0-9/_+=.@-]{1,512}$")
    return name, AfterValidator(_no_token)


class Slack(ConfigSection):
    """A channel that Amazon Q Developer in chat applications is a member of."""

    workspace_id: Annotated[str, right("the id of a Slack workspace", "T0123ABCD", pattern=r"^T[A-Z0-9]{1,254}$")]
    channel_id: Annotated[str, right("the id of a Slack channel, not its name", "C0123ABCD", pattern=r"^[CG][A-Z0-9]{1,254}$")]


_Email = Annotated[
    str | None,
    right("an e-mail address", "on-call@acme.example", pattern=rf"^[A-Za-z0-9._%+-]{{1,64}}@{_HOST}$", max_length=254),
]


class Escalation(ConfigSection):
    """E-mail addresses of the levels of the escalation path after the first (runbook 8). Without one, a level is told where the
    first is."""

    l2: _Email = None
    l3: _Email = None
    l4: _Email = None

    @property
    def levels(self) -> Mapping[int, str]:
        """The addresses that are named, by level."""
        named = {level: getattr(self, f"l{level}") for level in range(2, len(ESCALATION_PATH) + 1)}
        return {level: address for level, address in named.items() if address}


class Contacts(ConfigSection):
    """Who is notified, each only if configured: e-mail and PagerDuty of what is critical, Slack of everything.

    `nobody` says that an environment without any of them is meant.
    """

    email: _Email = None
    pagerduty_url_secret: Annotated[str | None, *_secret("pagerduty-url")] = None
    """The name of a secret with the URL of a CloudWatch integration of PagerDuty: the URL alone authorizes."""
    pagerduty_event_source: Annotated[
        str | None,
        right(
            "the name of PagerDuty's partner event source in Amazon EventBridge",
            "aws.partner/pagerduty.com/acme-production",
            pattern=r"^aws\.partner/pagerduty\.com/[A-Za-z0-9._-]{1,200}$",
        ),
    ] = None
    """The name of the partner event source, and of its event bus, by which PagerDuty says who has acknowledged."""
    escalation: Escalation = Escalation()
    heartbeat_url_secret: Annotated[str | None, *_secret("heartbeat-url")] = None
    """The name of a secret with the URL that `notify` gets each minute once all is told: a service outside AWS tells people
    when that stops."""
    slack: Slack | None = None
    nobody: Annotated[bool, right("true or false", True)] = False

    @model_validator(mode="after")
    def _on_purpose(self) -> Self:
        ways = [way for way in ("email", "pagerduty_url_secret", "slack") if getattr(self, way)]
        if self.nobody and ways:
            raise ValueError(f"contacts.nobody = true should be removed: contacts.{ways[0]} says who is told")
        if self.pagerduty_event_source and not self.pagerduty_url_secret:
            raise ValueError(
                "contacts.pagerduty_event_source should be removed, or contacts.pagerduty_url_secret set: PagerDuty hears by it"
            )
        if not self.nobody and not ways:
            raise ValueError(
                'contacts should have email, pagerduty_url_secret or slack, such as email = "on-call@acme.example"; '
                "nobody = true says that nobody is to be told"
            )
        return self


class Sentry(ConfigSection):
    """Where the backend's errors are counted (runbook 7.3). `token_secret` is the name of a secret with an API token of the
    scope org:read, and nothing else, in it."""

    url: Annotated[
        str, right("an address without a path", "https://sentry.io", pattern=rf"^https://{_HOST}(:[0-9]{{1,5}})?$")
    ] = "https://sentry.io"
    organization: Annotated[str, right("the slug of an organization", "hz-navigator", pattern=r"^[a-z0-9][a-z0-9-]{0,99}$")]
    project: Annotated[str, right("the slug of a project", "hz-navigator-backend", pattern=r"^[a-z0-9][a-z0-9_-]{0,99}$")]
    token_secret: Annotated[str, *_secret("sentry-token")]


_APPROVER = r"^arn:aws:iam::[0-9]{12}:(role|user)/([A-Za-z0-9+=,.@_-]+/)*[A-Za-z0-9+=,.@_-]{1,64}$"


class Procedures(ConfigSection):
    """Who approves the procedures that destroy something or stop the service. Whoever starts one may not approve it, so nobody
    named means that none of them goes further than a dry run."""

    approvers: Annotated[
        tuple[
            Annotated[
                str,
                right(
                    "the ARN of a role or a user", "arn:aws:iam::210987654321:role/on-call", pattern=_APPROVER, max_length=512
                ),
            ],
            ...,
        ],
        BeforeValidator(_sequence),
        right("up to 10 ARNs of roles and users", ["arn:aws:iam::210987654321:role/on-call"], max_length=10),
    ] = ()
    """https://docs.aws.amazon.com/systems-manager/latest/userguide/automation-action-approve.html allows 10."""
    email: Annotated[
        str | None,
        right("an e-mail address", "approvers@acme.example", pattern=rf"^[A-Za-z0-9._%+-]{{1,64}}@{_HOST}$", max_length=254),
    ] = None
    """Where the approvers read what waits for them."""

    @model_validator(mode="after")
    def _possible(self) -> Self:
        if twice := next((one for one in self.approvers if self.approvers.count(one) > 1), None):
            raise ValueError(f'procedures.approvers has "{twice}" twice, and should have each approver once')
        if self.email and not self.approvers:
            raise ValueError(
                "procedures.approvers should name who reads procedures.email, such as "
                '["arn:aws:iam::210987654321:role/on-call"]'
            )
        return self


Line = Annotated[float | None, right("a number in the row's unit, 0 or more", 75, ge=0, allow_inf_nan=False)]


class Override(ConfigSection):
    """An environment's own lines of one row of the threshold table, in the row's unit."""

    normal: Line = None
    warning: Line = None
    critical: Line = None


_HIGHEST = {"%": 100.0, "s": 60.0}
"""The highest value that a unit can have; an answer takes up to the load balancer's idle timeout, which is 60 s."""


def _threshold_problem(row: Row, own: Override) -> str:
    """What is wrong with a row that has an environment's own lines; empty when nothing is."""
    highest = _HIGHEST.get(row.unit)
    for level, line in own.model_dump(exclude_none=True).items():
        if highest is not None and line > highest:
            example = getattr(_shipped(row), level)
            return (
                f"thresholds.{row.slug}.{level} = {line:g} should be in {row.unit}, from 0 to {highest:g}, such as {example:g}"
            )
    order: tuple[str, ...] = ("normal", "warning", "critical")
    if (row.worse == "above" and row.critical == highest) or (row.worse == "below" and row.critical == 0):
        possible = _shipped(row).critical
        return f"thresholds.{row.slug}.critical = {row.critical:g} should be a value that can be passed, such as {possible:g}"
    sides = {"above": ("at most", "under"), "below": ("at least", "over")}[row.worse]
    for (milder, worse), side in zip(pairwise(order), sides, strict=True):
        one, other = (getattr(row, milder), getattr(row, worse))
        wrong = one > other if row.worse == "above" else one < other
        if wrong or (one == other and worse == "critical"):
            return (
                f"thresholds.{row.slug}.{milder} = {one:g} should be {side} {worse} = {other:g}, as in the table: "
                + ", ".join(f"{level} = {getattr(_shipped(row), level):g}" for level in order)
            )
    return ""


def _shipped(row: Row) -> Row:
    return next(one for one in ROWS if one.slug == row.slug)


_RETENTIONS = (30, 60, 90, 120, 150, 180, 365, 731, 1827, 3653)
"""The days that CloudWatch Logs takes, from a month on."""


def _kept(days: int) -> int:
    if days not in _RETENTIONS:
        raise ValueError(f"log_retention_days = {days} should be one of {', '.join(map(str, _RETENTIONS))}")
    return days


class Environment(Names):
    """One environment, as everything in `stacks/` sees it: its configuration, its names and its threshold table."""

    remediation: Annotated[Literal["on", "observe", "off"], right('"on", "observe" or "off"', "on")]
    protection: Annotated[bool, right("true once the first deployment has succeeded, false before", True)]
    """Whether the stacks, the database, the load balancer and the table of incidents refuse to be deleted. True after the first
    deployment has succeeded: what failed to be made has to be deleted before it can be made again."""
    log_retention_days: Annotated[int, right(f"one of {', '.join(map(str, _RETENTIONS))}", 365), AfterValidator(_kept)]
    docs_url: Annotated[
        str | None,
        right("an https address without a slash at its end", "https://git.example.com/operations/docs",
              pattern=rf"^https://{_HOST}(:[0-9]{{1,5}})?(/[A-Za-z0-9._~%@:+=&?#!$,;-]+)*$"),
    ] = None  # fmt: skip
    """Where `docs/` of this project is read in a browser: the dashboard and messages link to it."""
    domain: Domain
    network: Network
    database: Database
    cache: Cache
    backend: Backend
    contacts: Contacts
    sentry: Sentry | None = None
    procedures: Procedures = Procedures()
    thresholds: dict[str, Override] = Field(default_factory=dict)
    """This environment's own lines of the threshold table, by the row's slug."""

    @field_validator("thresholds")
    @classmethod
    def _rows_exist(cls, overrides: dict[str, Override]) -> dict[str, Override]:
        slugs = [row.slug for row in ROWS]
        for slug in overrides:
            if slug not in slugs:
                key = slug if re.fullmatch("[a-z0-9-]+", slug) else quoted(slug)
                raise ValueError(f"thresholds.{key} should be a row of the table: {', '.join(slugs)}")
        return overrides

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if problem := next(self._problems(), None):
            raise ValueError(problem)
        return self

    def _problems(self) -> Iterator[str]:
        """What is wrong between keys, each in a sentence."""
        yield from self._long_names()
        yield from self._what_aws_lacks()
        yield from self._foreign_certificates()
        yield from self._foreign_approvers()
        yield from filter(None, (_threshold_problem(self.row(slug), own) for slug, own in self.thresholds.items()))
        yield from self._connections()

    def _long_names(self) -> Iterator[str]:
        for kind, longest in LONGEST.items():
            name = getattr(self, kind)
            if len(name) > longest:
                most = len(self.name) - len(name) + longest
                yield (
                    f"the environment's name should be at most {most} characters: "
                    f"{kind.replace('_', ' ')} would be {name}, and AWS allows {longest}"
                )

    def _what_aws_lacks(self) -> Iterator[str]:
        region, version = self.region, self.application.database.version
        for zone in self.network.zones:
            if zone not in (known := catalog.zones(region)):
                what = "is an id, and should be the name" if re.fullmatch(r"[a-z0-9]+-az[0-9]+", zone) else "should be the name"
                yield f'network.zones has {quoted(zone)}, which {what} of a zone of region = "{region}", such as "{known[0]}"'
        found = self.database.instance_class
        if found not in (classes := catalog.instance_classes(region, version)):
            yield (
                f"database.instance_class = {quoted(found)} should be one that RDS has in {region} for PostgreSQL {version}, "
                f'such as "{catalog.closest(found, classes, "db.t4g.large")}"'
            )
        if (found := self.cache.node_type) not in (types := catalog.node_types(region)):
            yield (
                f"cache.node_type = {quoted(found)} should be one that ElastiCache has in {region} for a group in memory, "
                f'such as "{catalog.closest(found, types, "cache.t4g.small")}"'
            )

    def _foreign_certificates(self) -> Iterator[str]:
        for key, region in (("certificate_arn", self.region), ("frontend_certificate_arn", "us-east-1")):
            arn = getattr(self.domain, key)
            start = f"arn:aws:acm:{region}:{self.account}:certificate/"
            if arn and not arn.startswith(start):
                yield f'domain.{key} = "{arn}" should be a certificate of this account in {region}: "{start}..."'

    def _foreign_approvers(self) -> Iterator[str]:
        for approver in self.procedures.approvers:
            if f"::{self.account}:" not in approver:
                yield (
                    f'procedures.approvers has "{approver}", which should be a role or a user of this account, such as '
                    f'"arn:aws:iam::{self.account}:role/approvers"'
                )

    def _connections(self) -> Iterator[str]:
        """What the tasks may open has to stay under the critical line, and the line under what the database has."""
        has, instance_class = self.database.max_connections, self.database.instance_class
        serves = most_connections(instance_class)
        if serves is not None and has > serves:
            larger = catalog.class_for(has, self.region, self.application.database.version, instance_class)
            yield f"database.max_connections = {has} should be at most {serves}, what the memory of {instance_class} serves" + (
                f': instance_class = "{larger}" would serve them' if larger else ""
            )
        line = self.row("rds-connections").critical
        if line >= has:
            yield (
                f"thresholds.rds-connections.critical = {line:g} should be under database.max_connections = {has}, "
                f"such as {has * 9 // 10}"
            )
        backend = self.backend
        if backend.max_tasks * ROLLOUT * backend.pool_size < line:
            return
        if fits := self.most_tasks:
            yield (
                f"backend.max_tasks = {backend.max_tasks} should be at most {fits}: a rollout runs {ROLLOUT} times the "
                f"tasks, and {backend.max_tasks} x {ROLLOUT} x {backend.pool_size} (pool_size) = "
                f"{backend.max_tasks * ROLLOUT * backend.pool_size} connections should stay under the critical line of "
                f"rds-connections, {line:g}"
            )
        else:
            most = (math.ceil(line) - 1) // ROLLOUT
            yield (
                f"backend.pool_size = {backend.pool_size} should be at most {most}: the connections of {ROLLOUT} tasks, as "
                f"many as a rollout of one runs, should stay under the critical line of rds-connections, {line:g}"
            )

    @property
    def most_tasks(self) -> int:
        """The most tasks whose connections stay under the critical line while a rollout runs twice as many."""
        return (math.ceil(self.row("rds-connections").critical) - 1) // (ROLLOUT * self.backend.pool_size)

    # The threshold table

    @property
    def lines(self) -> dict[str, dict[str, float]]:
        """This environment's own lines of the table, by the row's slug."""
        return {slug: override.model_dump(exclude_none=True) for slug, override in self.thresholds.items()}

    @cached_property
    def table(self) -> tuple[Row, ...]:
        """The threshold table with this environment's overrides."""
        return tuple(row for row in rows_with(self.lines) if not row.only or getattr(self, row.only))

    @property
    def pages(self) -> tuple[Page, ...]:
        """The pages over the rows that it has."""
        slugs = {row.slug for row in self.table}
        return tuple(page for page in PAGES if page.recurring or slugs & {*page.rows})

    @property
    def burstable_database(self) -> bool:
        """Whether the database earns and spends CPU credits."""
        return self.database.instance_class.startswith("db.t")

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
