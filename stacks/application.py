"""What is particular to the application: `config/application.toml`, checked and frozen."""

from collections.abc import Iterable
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator


class ConfigSection(BaseModel):
    """A section of a configuration file: nothing unknown in it, nothing converted."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, validate_by_name=True)


class Container(ConfigSection):
    """The backend's container, and which of its variables come from which key of which secret."""

    name: str
    port: Annotated[int, Field(ge=1, le=65535)]
    user: str
    architecture: Literal["X86_64", "ARM64"]
    cache_url: str
    variables: dict[str, str]
    database_secret: dict[str, Literal["host", "port", "username", "password", "dbname"]]
    encryption_key: str
    application_secret: dict[str, Literal["jwt_secret"]]

    @field_validator("variables")
    @classmethod
    def _known_words(cls, variables: dict[str, str]) -> dict[str, str]:
        return _filled(variables, ("port", "region", "prefix", "documents", "frontend_url"))


def _filled(texts: dict[str, str], words: Iterable[str]) -> dict[str, str]:
    """The texts; ValueError when anything but these words is in braces in one of them."""
    words = dict.fromkeys(words, "")
    for key, text in texts.items():
        try:
            text.format(**words)
        except (LookupError, ValueError):
            known = ", ".join(f"{{{word}}}" for word in words)
            raise ValueError(f"{key} = {text!r} should have nothing in braces but {known}") from None
    return texts


class HealthReport(ConfigSection):
    """What the API's health check answers: the paths of two members of its JSON, and their values, well or not.

    A dot in a path goes one level down.
    """

    status: str
    healthy: str
    unhealthy: str
    database: str
    connected: str
    disconnected: str


class DatabaseSize(ConfigSection):
    name: str
    user: str
    version: Annotated[str, Field(pattern=r"^\d+\.\d+$")]
    storage_gib: Annotated[int, Field(ge=20)]
    max_storage_gib: int
    backup_days: Annotated[int, Field(ge=1, le=35)]
    max_connections: Annotated[int, Field(ge=6)]


class CacheSize(ConfigSection):
    version: Annotated[str, Field(pattern=r"^\d+\.\d+$")]
    nodes: Annotated[int, Field(ge=2, le=6)]
    snapshot_days: Annotated[int, Field(ge=1, le=35)]
    eviction: str


class FrontendHeaders(ConfigSection):
    content_security_policy: dict[str, str]

    @field_validator("content_security_policy")
    @classmethod
    def _known_words(cls, directives: dict[str, str]) -> dict[str, str]:
        return _filled(directives, ("api", "documents"))


class Application(ConfigSection):
    """The application that every environment carries; `name` begins the name of everything that is deployed."""

    name: Annotated[str, Field(alias="application", pattern=r"^[a-z][a-z0-9]*(-[a-z0-9]+)*$")]
    short_name: Annotated[str, Field(pattern=r"^[a-z][a-z0-9]*$")]
    title: str
    product: str
    metrics_namespace: Annotated[str, Field(pattern=r"^[A-Za-z][\w.-]*$")]
    container: Container
    health_report: HealthReport
    database: DatabaseSize
    cache: CacheSize
    frontend: FrontendHeaders
