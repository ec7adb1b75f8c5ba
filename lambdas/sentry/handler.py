"""`sentry`: Lambda's entry. A schedule calls it every minute."""

from functools import cache
from typing import Any

import boto3

from lambdas.common import clock, settings
from lambdas.common.aws import CLIENT
from lambdas.sentry.function import Sentry
from lambdas.sentry.settings import SentrySettings


def handle(event: Any, _context: object) -> dict[str, Any]:
    """A schedule's event in; the report out: `minute`, and `errors` or the `problem`. An unreadable Sentry is no error."""
    return _function().run(event)


@cache
def _function() -> Sentry:
    return Sentry(settings.read(SentrySettings), boto3.client("secretsmanager", config=CLIENT), clock.now)
