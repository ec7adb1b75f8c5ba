"""The users: their requests really go to the stand-in application."""

import http.client
import ssl
import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from urllib.parse import urlsplit

from local.cloud import Cloud

REQUESTS_A_MINUTE = 60
PATH = "/api/v1/map"
"""What users ask for."""


@dataclass(frozen=True)
class Answer:
    """The answer to a request: its HTTP status, and how long it took; `kept_out` in maintenance, before any task had it."""

    status: int
    seconds: float
    kept_out: bool = False


class Users:
    """Users of an environment's API, over TLS through the load balancer's name. The owner closes them."""

    def __init__(self, cloud: Cloud) -> None:
        self._cloud = cloud

    def minute(self) -> Sequence[Answer]:
        """The answers to a minute's requests."""
        return [self.get(PATH) for _ in range(REQUESTS_A_MINUTE)]

    def health(self) -> Answer:
        """The answer of the API's health check."""
        return self.get(self._cloud.environment.backend.health_check_path)

    def target_health(self) -> Answer:
        """The answer of the health check to the load balancer, which asks the tasks themselves."""
        begun, environment = time.perf_counter(), self._cloud.environment
        connection = self._connect(environment.application.container.port)
        try:
            connection.request("GET", environment.backend.health_check_path)
            return Answer(connection.getresponse().status, time.perf_counter() - begun)
        finally:
            connection.close()

    @property
    def served(self) -> bool:
        """Whether the API's health check and an ordinary request both answer 200."""
        return self.health().status == self.get(PATH).status == 200

    def get(self, path: str) -> Answer:
        """The answer to one request."""
        begun = time.perf_counter()
        self._connection.request("GET", path)
        response = self._connection.getresponse()
        response.read()
        return Answer(response.status, time.perf_counter() - begun, response.getheader("Retry-After") is not None)

    def close(self) -> None:
        """Close the connection; the next request opens another."""
        self._connection.close()

    @cached_property
    def _connection(self) -> http.client.HTTPSConnection:
        return self._connect(443)

    def _connect(self, port: int) -> http.client.HTTPSConnection:
        variables = self._cloud.application_environment
        proxy = urlsplit(variables["HTTPS_PROXY"])
        tls = ssl.create_default_context(cafile=variables["SSL_CERT_FILE"])
        connection = http.client.HTTPSConnection(str(proxy.hostname), proxy.port, context=tls, timeout=10)
        connection.set_tunnel(self._cloud.environment.domain.api, port)
        return connection
