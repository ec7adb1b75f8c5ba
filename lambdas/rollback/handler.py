"""`rollback`: Lambda's entry. The composite alarm of the service calls it on ALARM and on OK."""

from dataclasses import asdict
from functools import cache
from typing import Any, Protocol

from lambdas.common.settings import RollbackSettings, read
from lambdas.rollback.response import Rollback


class Context(Protocol):
    """What is used of Lambda's context."""

    def get_remaining_time_in_millis(self) -> int: ...


def handle(event: Any, context: Context) -> dict[str, Any]:
    """The event of an alarm in, the outcome out.

    What goes wrong here is told to a person and raised again, so that Lambda tries again and at last sends the event to the
    escalations: https://docs.aws.amazon.com/lambda/latest/dg/invocation-async-error-handling.html
    """
    return asdict(_function().run(event, context.get_remaining_time_in_millis() / 1000))


@cache
def _function() -> Rollback:
    return Rollback(read(RollbackSettings))
