"""`sentry`: the errors that Sentry counted, as a metric, each minute (runbook 7.3).

What cannot be read is not published: a row without data is missing, and after some minutes an alarm says that it is blind.
"""

import time
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any

import boto3
from aws_lambda_powertools import Logger
from aws_lambda_powertools.metrics import EphemeralMetrics, MetricUnit
from botocore.exceptions import BotoCoreError, ClientError

from lambdas.common.events import EventError, sent_at
from lambdas.common.settings import CLIENT, SentrySettings, read
from lambdas.sentry.api import RefusedError, UnreadableError, count

logger = Logger(service="sentry")

_MINUTE = timedelta(minutes=1)


def handle(event: Any, _context: object) -> dict[str, Any]:
    """A schedule's event in; the report out: `minute`, and `errors` or the `problem`. An unreadable Sentry is no error."""
    try:
        now = sent_at(event)
    except EventError:
        now = datetime.fromtimestamp(time.time(), UTC)
    return _function().run(now)


@cache
def _function() -> "Sentry":
    return Sentry(read(SentrySettings))


class Sentry:
    """The function in one environment."""

    def __init__(self, settings: SentrySettings) -> None:
        self._settings = settings
        self._secrets = boto3.client("secretsmanager", config=CLIENT)
        self._token = ""

    def run(self, now: datetime) -> dict[str, Any]:
        """Count the errors of the last minute that is complete and a minute old: Sentry takes some time to take them in."""
        end = now.replace(second=0, microsecond=0) - _MINUTE
        minute = f"{end - _MINUTE:%Y-%m-%dT%H:%MZ}"
        try:
            errors = self._count(end - _MINUTE, end)
        except UnreadableError as error:
            logger.warning(str(error), minute=minute)
            return {"minute": minute, "problem": str(error)}
        metrics = EphemeralMetrics(namespace=self._settings.namespace)
        metrics.add_dimension("Environment", self._settings.environment)
        metrics.add_metric("SentryErrors", MetricUnit.Count, errors)
        metrics.flush_metrics()
        logger.info("Counted", minute=minute, errors=errors)
        return {"minute": minute, "errors": errors}

    def _count(self, start: datetime, end: datetime) -> int:
        """With the token as it is known; once more with the secret read anew when that one is refused: it may be rotated."""
        known = self._token
        self._token = known or self._read_token()
        try:
            return count(self._settings, self._token, start, end)
        except RefusedError:
            self._token = ""
            if not known:
                raise
        self._token = self._read_token()
        return count(self._settings, self._token, start, end)

    def _read_token(self) -> str:
        name = self._settings.token_secret
        try:
            token = str(self._secrets.get_secret_value(SecretId=name)["SecretString"]).strip()
        except (BotoCoreError, ClientError, KeyError) as error:
            raise UnreadableError(f"The secret {name} with Sentry's token cannot be read: {error}") from None
        if not token.isascii() or not token.isprintable() or not token:
            raise UnreadableError(f"The secret {name} should hold Sentry's token and nothing else")
        return token
