"""What is particular to the application: `config/application.toml`, checked and frozen."""

import json
import re
from collections.abc import Iterable
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, field_validator, model_validator

from stacks import catalog


class ConfigSection(BaseModel):
    """A section of a configuration file: nothing unknown in it, nothing converted."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, validate_by_name=True)


def quoted(text: str) -> str:
    """A text as TOML writes it, on one line, with nothing in it that a terminal would act on."""
    shown = json.dumps(text, ensure_ascii=False)
    return "".join(one if one.isprintable() else f"\\u{ord(one):04x}" for one in shown)


def right(what: str, example: object, **constraints: Any) -> Any:
    """What is right for a key, in words and as an example: whoever writes anything else is told both."""
    return Field(description=what, examples=[example], **constraints)


Text = Annotated[
    str,
    right(
        "text on one line", "HZ Navigator", pattern=r"^[^\x00-\x1f\x7f]*[^\s\x00-\x1f\x7f][^\x00-\x1f\x7f]*$", max_length=100
    ),
]
"""Something to read, without control characters."""


class Container(ConfigSection):
    """The backend's container, and which of its variables come from which key of which secret."""

    name: Annotated[str, right("up to 255 letters, digits, - and _", "backend", pattern=r"^[A-Za-z0-9_-]{1,255}$")]
    port: Annotated[int, right("a port from 1 to 65535", 3001, ge=1, le=65535)]
    user: Annotated[
        str, right("the id of a user other than root, in quotes", "1001", pattern=r"^[1-9][0-9]{0,9}(:[1-9][0-9]{0,9})?$")
    ]
    architecture: Annotated[Literal["X86_64", "ARM64"], right('"X86_64" or "ARM64"', "X86_64")]
    cache_url: Annotated[str, right("the name of an environment variable", "REDIS_URL", pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")]
    variables: Annotated[dict[str, str], right("variables and their values, in quotes", "production")]
    database_secret: Annotated[
        dict[str, Literal["host", "port", "username", "password", "dbname"]],
        right('one of "host", "port", "username", "password" and "dbname"', "host"),
    ]
    encryption_key: Annotated[
        str, right("the name of an environment variable", "ENCRYPTION_KEY", pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")
    ]
    application_secret: Annotated[dict[str, Literal["jwt_secret"]], right('"jwt_secret"', "jwt_secret")]

    @field_validator("variables")
    @classmethod
    def _known_words(cls, variables: dict[str, str]) -> dict[str, str]:
        return _filled("container.variables", variables, ("port", "region", "prefix", "documents", "frontend_url"))

    @model_validator(mode="after")
    def _each_variable_once(self) -> Self:
        sources = ([self.cache_url], self.variables, self.database_secret, self.application_secret)
        names = [name for source in sources for name in source]
        if twice := next((name for name in names if names.count(name) > 1), None):
            raise ValueError(
                f"container has the variable {twice} twice: it should be in one of its sections, such as variables"
            )
        return self


def _filled(section: str, texts: dict[str, str], words: Iterable[str]) -> dict[str, str]:
    """The texts; ValueError when anything but these words is in braces in one of them."""
    known = {f"{{{word}}}" for word in words}
    for key, text in texts.items():
        if not set(re.findall(r"\{.*?\}|[{}]", text)) <= known:
            raise ValueError(f"{section}.{key} = {quoted(text)} should have nothing in braces but {', '.join(sorted(known))}")
    return texts


Member = Annotated[str, right("the path of a member of the health report", "services.database", pattern=r"^[\w-]+(\.[\w-]+)*$")]
Word = Annotated[str, right("what the health report says there", "healthy", min_length=1)]


class HealthReport(ConfigSection):
    """What the API's health check answers: the paths of two members of its JSON, and their values, well or not.

    A dot in a path goes one level down.
    """

    status: Member
    healthy: Word
    unhealthy: Word
    database: Member
    connected: Word
    disconnected: Word

    @model_validator(mode="after")
    def _told_apart(self) -> Self:
        for well, unwell in (("healthy", "unhealthy"), ("connected", "disconnected")):
            if getattr(self, well) == getattr(self, unwell):
                raise ValueError(
                    f'health_report.{unwell} = "{getattr(self, unwell)}" should differ from {well}, such as "{unwell}"'
                )
        return self


_OLDEST_DATABASE = 15  # what the application's migrations need
_NAME = r"^[a-z][a-z0-9_]{0,62}$"


def _offered(version: str) -> str:
    if version not in catalog.database_versions() or int(version.partition(".")[0]) < _OLDEST_DATABASE:
        raise ValueError(f"should be a version of PostgreSQL that RDS has, {_OLDEST_DATABASE} or newer, such as 15.17")
    return version


class DatabaseSize(ConfigSection):
    name: Annotated[str, right("up to 63 small letters, digits and _", "hz_navigator", pattern=_NAME)]
    user: Annotated[str, right("up to 63 small letters, digits and _", "hz_admin", pattern=_NAME)]
    version: Annotated[
        str, right("a version of PostgreSQL, in quotes", "15.17", pattern=r"^[0-9]+\.[0-9]+$"), AfterValidator(_offered)
    ]
    storage_gib: Annotated[int, right("the GiB to begin with, from 20 to 65536", 100, ge=20, le=65536)]
    max_storage_gib: Annotated[int, right("the GiB to grow to, from 22 to 65536", 500, ge=22, le=65536)]
    backup_days: Annotated[int, right("days from 1 to 35", 7, ge=1, le=35)]

    @model_validator(mode="after")
    def _can_grow(self) -> Self:
        # https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/USER_PIOPS.Autoscaling.html
        least = -(-self.storage_gib * 11 // 10)
        if self.max_storage_gib < least:
            raise ValueError(
                f"database.max_storage_gib = {self.max_storage_gib} should be at least {least}, "
                f"a tenth more than storage_gib = {self.storage_gib}"
            )
        return self


_EVICTIONS = (
    "noeviction",
    "volatile-ttl",
    *(f"{of}-{by}" for of in ("volatile", "allkeys") for by in ("lru", "lfu", "random")),
)


class CacheSize(ConfigSection):
    version: Annotated[str, right("a version 7 of Redis, in quotes", "7.1", pattern=r"^7\.[01]$")]
    nodes: Annotated[int, right("a primary and up to five replicas, 2 to 6", 2, ge=2, le=6)]
    snapshot_days: Annotated[int, right("days from 1 to 35", 7, ge=1, le=35)]
    eviction: Annotated[str, right(f"one of {', '.join(_EVICTIONS)}", "volatile-lru", pattern=f"^({'|'.join(_EVICTIONS)})$")]


class FrontendHeaders(ConfigSection):
    content_security_policy: Annotated[dict[str, str], right("directives and their sources, in quotes", "'self'")]

    @field_validator("content_security_policy")
    @classmethod
    def _known_words(cls, directives: dict[str, str]) -> dict[str, str]:
        return _filled("frontend.content_security_policy", directives, ("api", "documents"))


class Application(ConfigSection):
    """The application that every environment carries; `name` begins the name of everything that is deployed."""

    name: Annotated[
        str,
        right(
            "small letters and digits, in words with - between them", "hz-navigator",
            alias="application", pattern=r"^[a-z][a-z0-9]*(-[a-z0-9]+)*$",
        ),
    ]  # fmt: skip
    short_name: Annotated[str, right("small letters and digits", "hz", pattern=r"^[a-z][a-z0-9]*$")]
    title: Text
    product: Text
    metrics_namespace: Annotated[
        str, right("letters, digits, _, . and -", "HZNavigator", pattern=r"^[A-Za-z][A-Za-z0-9_.-]{0,254}$")
    ]
    container: Container
    health_report: HealthReport
    database: DatabaseSize
    cache: CacheSize
    frontend: FrontendHeaders
