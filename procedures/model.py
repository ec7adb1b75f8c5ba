"""What a procedure is made of."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from runbook.sections import Section
from stacks.environment import Environment

SERVICE = "service"
"""The lock of the ECS service, which automation respects."""

TEXT = r"^[A-Za-z0-9 .,:;@#/()'_+-]{3,200}$"
"""Words of a person: Automation puts them between quotes, so none may be in them."""


@dataclass(frozen=True, kw_only=True)
class Input:
    """What a procedure asks for: `pattern` admits all of a value, `default` is taken where nothing is given; None has to be."""

    name: str
    what: str
    pattern: str
    example: str
    default: str | None = None


@dataclass(frozen=True, kw_only=True)
class Call:
    """A step of the function `procedures`, of at most so many seconds: Automation waits for 300, and the function ends at 290.

    https://docs.aws.amazon.com/systems-manager/latest/userguide/automation-action-lamb.html
    """

    name: str
    what: str
    seconds: int = 60


@dataclass(frozen=True, kw_only=True)
class Until:
    """A step of the function, of at most so many seconds, that is run again and again after `every`, as long as it answers that
    it waits."""

    name: str
    what: str
    every: timedelta = timedelta(seconds=15)
    seconds: int = 60
    rounds: int = 100
    """Automation allows 100: https://docs.aws.amazon.com/systems-manager/latest/userguide/automation-action-loop.html"""


@dataclass(frozen=True, kw_only=True)
class Invoke:
    """A run of another function of `lambdas/` as soon as it can, as its schedule runs it; its answer is not waited for."""

    name: str
    what: str
    function: str


@dataclass(frozen=True, kw_only=True)
class Api:
    """A call of AWS's API under the document's role: `service` and `api` as boto3 knows them, the members of the request, and
    what to take out of the answer, by name: a selector and its type."""

    name: str
    what: str
    service: str
    api: str
    request: Callable[[Environment], Mapping[str, Any]]
    outputs: Mapping[str, tuple[str, str]] | None = None
    seconds: int = 30


@dataclass(frozen=True, kw_only=True)
class Wait:
    """Wait until a property of AWS's answer has one of these values, for so many seconds at most."""

    name: str
    what: str
    service: str
    api: str
    request: Callable[[Environment], Mapping[str, Any]]
    selector: str
    values: tuple[str, ...]
    seconds: int


@dataclass(frozen=True, kw_only=True)
class Sleep:
    """Wait for so long."""

    name: str
    what: str
    span: timedelta


Step = Call | Until | Invoke | Api | Wait | Sleep


@dataclass(frozen=True)
class Grant:
    """What a document's role may do for its own calls: these actions on these ARNs."""

    actions: tuple[str, ...]
    resources: Callable[[Environment], tuple[str, ...]]


@dataclass(frozen=True, kw_only=True)
class Procedure:
    """One operation of the runbook.

    `changes` tells it from one that only reads; `approval` says that another person has to approve it, and `approval_for` that
    this is so for one value of an input only; `locks` are the things that it locks while it changes something, all or none, for
    `minutes` after each step of the function: longer than any of its own waits lasts. `steps` are its own: every document
    begins with Plan and ends with Record or Failed.
    """

    name: str
    section: Section
    effect: str
    duration: str
    undo: str
    steps: tuple[Step, ...]
    inputs: tuple[Input, ...] = ()
    changes: bool = True
    approval: bool = False
    approval_for: tuple[str, str] | None = None
    locks: tuple[str, ...] = (SERVICE,)
    minutes: int = 60
    grants: tuple[Grant, ...] = ()
    plan_seconds: int = 60
