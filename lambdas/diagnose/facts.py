"""What a diagnosis rests on, as it was read (runbook 3.1 to 3.5). Nothing here calls AWS."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

from runbook.rows import Dependency, Level


@dataclass(frozen=True, kw_only=True)
class RowFiring:
    """A row of the table past one of its lines: `measured` is its newest value beside its normal, in words."""

    slug: str
    level: Level
    measured: str
    dependency: Dependency | None = None


@dataclass(frozen=True)
class Signal:
    """What is measured, in `unit`: the usual of the hour before it began, and the last minutes. None where there is no data."""

    title: str
    unit: str
    before: float | None
    now: float | None

    @property
    def words(self) -> str:
        return f"{_amount(self.now)} {self.unit}, before {_amount(self.before)}"

    @property
    def ratio(self) -> float | None:
        """How many times as much as before; None where there was nothing, or is no data."""
        return self.now / self.before if self.before and self.now is not None else None


@dataclass(frozen=True, kw_only=True)
class Deployed:
    """A deployment of the service: what it brought, and whether that is another image than the deployment before brought."""

    id: str
    status: str
    created: datetime
    finished: datetime | None
    revision: str
    commit: str
    same_image: bool = False
    reason: str = ""


@dataclass(frozen=True, kw_only=True)
class Stopped:
    """A task that has stopped: why, by ECS, and its application's exit code where it has one."""

    at: datetime
    reason: str
    exit_code: int | None
    revision: str
    zone: str


@dataclass(frozen=True, kw_only=True)
class ServiceState:
    """The service: its tasks, the zones of those that run, those that have stopped, and ECS's newest events."""

    running: int
    desired: int
    pending: int
    zones: tuple[str, ...] = ()
    stopped: tuple[Stopped, ...] = ()
    events: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class ErrorGroup:
    """Lines of the log that are alike: their pattern, how many there are in the last minutes and were before, and the newest,
    without personal data."""

    pattern: str
    now: int
    before: int
    example: str
    request: str = ""


@dataclass(frozen=True, kw_only=True)
class Behind:
    """What is behind the backend: its status as AWS calls it, and what AWS says has happened to it in the last hour."""

    name: str
    status: str
    events: tuple[str, ...] = ()
    details: tuple[str, ...] = ()


@dataclass(frozen=True)
class Target:
    """A target of the load balancer: its zone, its state as AWS calls it, and why."""

    zone: str
    state: str
    reason: str = ""


ChangeKind = Literal["release", "configuration", "scaling", "frontend", "other"]


@dataclass(frozen=True, kw_only=True)
class Changed:
    """Something that was changed: when, what, and by whom where that is known."""

    at: datetime
    kind: ChangeKind
    what: str
    by: str = ""

    @property
    def words(self) -> str:
        return f"{self.at:%H:%M:%S} UTC {self.what}{f', by {self.by}' if self.by else ''}"


@dataclass(frozen=True, kw_only=True)
class Facts:
    """All that was read. `began` is when the first value was beyond its line; `missing` what could not be read, by the names
    of these fields. What was not read is None."""

    at: datetime
    began: datetime
    zones: tuple[str, ...]
    most_tasks: int
    rows: tuple[RowFiring, ...] | None = None
    signals: Mapping[str, Signal] = field(default_factory=dict)
    service: ServiceState | None = None
    deployments: tuple[Deployed, ...] | None = None
    errors: tuple[ErrorGroup, ...] | None = None
    database: Behind | None = None
    cache: Behind | None = None
    targets: tuple[Target, ...] | None = None
    changes: tuple[Changed, ...] | None = None
    missing: Mapping[str, str] = field(default_factory=dict)

    def firing(self, *slugs: str, level: Level = "critical") -> Sequence[RowFiring]:
        """The rows of these slugs that are past their line of a level."""
        return [one for one in self.rows or () if one.slug in slugs and one.level == level]

    def of(self, dependency: Dependency) -> Sequence[RowFiring]:
        """The rows of a dependency that are past their critical line."""
        return [one for one in self.rows or () if one.dependency == dependency and one.level == "critical"]


def _amount(value: float | None) -> str:
    if value is None:
        return "no data"
    return f"{value:.0f}" if abs(value) >= 100 else f"{value:.3g}"
