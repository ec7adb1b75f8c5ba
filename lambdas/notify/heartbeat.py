"""A sign of life to a service outside AWS, which tells people when it stops: a dead man's switch.

One GET, as such services take it: https://healthchecks.io/docs/http_api/
"""

import re
from http.client import HTTPException

from aws_lambda_powertools import Logger
from botocore.exceptions import BotoCoreError, ClientError

from lambdas.common.aws import Secrets
from lambdas.common.https import NoAnswerError, get

logger = Logger(service="notify")

TIMEOUT_SECONDS = 5.0
_NO_SUCCESS = 300
_URL = re.compile(r"https://[!-~]+")


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
            answer = get(self._url, {}, seconds, redirects=False)  # one would carry the URL, a secret, to another host
            problem = "" if answer.status < _NO_SUCCESS else f"answer {answer.status}"
        except NoAnswerError as error:
            # An error of HTTP may quote the URL; its kind does not.
            problem = type(error.__cause__).__name__ if isinstance(error.__cause__, HTTPException) else str(error)
        except (ValueError, KeyError, BotoCoreError, ClientError) as error:
            problem = str(error)
        if problem:
            self._url = ""  # read anew next time: it may be another by then
            logger.warning("The heartbeat was not sent", problem=problem)

    def _read_url(self) -> str:
        url = str(self._secrets.get_secret_value(SecretId=self._secret)["SecretString"]).strip()
        if not _URL.fullmatch(url):
            raise ValueError(f"the secret {self._secret} should hold one https URL and nothing else")
        return url
