"""`health_check`: Lambda's entry. A schedule calls it every minute, and anybody on demand."""

from functools import cache
from typing import Any

from lambdas.common import settings
from lambdas.health_check.function import HealthCheck
from lambdas.health_check.settings import HealthCheckSettings


def handle(_event: Any, _context: object) -> dict[str, Any]:
    """Whatever the event, the report: `healthy`, and each target's probe. Not being healthy is no error."""
    return _function().run()


@cache
def _function() -> HealthCheck:
    return HealthCheck(settings.read(HealthCheckSettings))
