"""The errors that Sentry counted, as a metric, each minute (runbook 7.3).

What cannot be read is not published: a row without data is missing, and after some minutes an alarm says that it is blind.
"""

from datetime import datetime, timedelta
from typing import Any

from aws_lambda_powertools import Logger
from aws_lambda_powertools.metrics import EphemeralMetrics, MetricUnit
from botocore.exceptions import BotoCoreError, ClientError

from lambdas.common.aws import Secrets
from lambdas.common.clock import Clock
from lambdas.common.events import EventError, sent_at
from lambdas.sentry.api import RefusedError, UnreadableError, count
from lambdas.sentry.settings import SentrySettings

logger = Logger(service="sentry")

_MINUTE = timedelta(minutes=1)


class Sentry:
    """The function in one environment."""

    def __init__(self, settings: SentrySettings, secrets: Secrets, clock: Clock) -> None:
        self._settings = settings
        self._secrets = secrets
        self._clock = clock
        self._token = ""

    def run(self, event: Any) -> dict[str, Any]:
        """Count the errors of the newest minute that is over for a minute: Sentry needs that long to take them in."""
        try:
            now = sent_at(event)
        except EventError:
            now = self._clock()
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
        """With the token as it is known; where Sentry refuses that, once more with the secret read anew: it may be rotated."""
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
