"""A sign of life to a service outside AWS, which tells people when it stops: a dead man's switch.

One GET, as such services take it: https://healthchecks.io/docs/http_api/
"""

import re
from http.client import HTTPException
from typing import Any
from urllib.error import HTTPError
from urllib.request import HTTPRedirectHandler, Request, build_opener

from aws_lambda_powertools import Logger
from botocore.exceptions import BotoCoreError, ClientError

from lambdas.common.aws import Secrets

logger = Logger(service="notify")

TIMEOUT_SECONDS = 5.0
_URL = re.compile(r"https://[!-~]+")


class _StayHere(HTTPRedirectHandler):
    """A redirect would carry the URL, which is a secret, to another host."""

    def redirect_request(self, *_: Any) -> None:
        return None


class Heartbeat:
    """The sign of life of one environment; `secret` is the name of the secret with its URL, empty where there is none."""

    def __init__(self, secret: str, secrets: Secrets) -> None:
        self._secret = secret
        self._secrets = secrets
        self._url = ""

    def beat(self, seconds: float = TIMEOUT_SECONDS) -> None:
        """Send it. What fails is logged, never raised: the service's alarm is about that, and people have been told by then."""
        if not self._secret:
            return
        try:
            self._url = self._url or self._read_url()
            with build_opener(_StayHere).open(Request(self._url), timeout=seconds):  # noqa: S310 - it is https
                pass
        except (OSError, HTTPException, ValueError, KeyError, BotoCoreError, ClientError) as error:
            self._url = ""  # read anew next time: it may be another by then
            # An error of HTTP may quote the URL; its status does not.
            problem = f"answer {error.code}" if isinstance(error, HTTPError) else _words(error)
            logger.warning("The heartbeat was not sent", problem=problem)

    def _read_url(self) -> str:
        url = str(self._secrets.get_secret_value(SecretId=self._secret)["SecretString"]).strip()
        if not _URL.fullmatch(url):
            raise ValueError(f"the secret {self._secret} should hold one https URL and nothing else")
        return url


def _words(error: Exception) -> str:
    return type(error).__name__ if isinstance(error, HTTPException) else str(getattr(error, "reason", None) or error)
