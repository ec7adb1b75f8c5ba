"""The stand-in application: it answers on loopback, over TLS, in place of what the emulated ECS service would run.

One server plays the HTTPS proxy, the API host and the frontend host: a client that reaches `https://api.<domain>` through the
proxy is answered here, with a certificate of an authority that is made for this run. What it answers follows the tasks that the
service runs and the state of the database. Its health report has the members that the configuration names, and comes with 200
while the database answers and 503 when it does not. What the web ACLs block does not get so far. The frontend is what is in its
bucket, once somebody has uploaded one.
"""

import itertools
import json
import ssl
import threading
from collections.abc import Callable, Sequence
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Self
from urllib.parse import unquote, urlsplit

import trustme

from local.emulator.firewall import Blocked, Headers
from stacks.application import HealthReport
from stacks.environment import Environment

CLOUDFRONT = "130.176.0.1"
"""One of CloudFront's addresses: https://ip-ranges.amazonaws.com/ip-ranges.json"""
_API = "/api/"
"""What the distribution sends to the API."""
File = tuple[str, bytes]
"""Content type and content."""


class Application:
    """Answers for the API and the frontend of an environment until `close()`.

    `blocks` says what a web ACL answers to a request: by its scope, the address that connects, and the headers. `frontend_file`
    gives a file of the frontend by its key, None for none.
    `running_images` gives the image of each running task, and `database_available` whether the database answers; both are
    called for each request. An image in `faulty` answers 500 to all but its health check, as a bad release does. So does every
    image while the cache is full, as it cannot save a session, and while not `connections_left`: the health check has its
    connection to the database already.
    """

    def __init__(
        self,
        environment: Environment,
        folder: Path,
        running_images: Callable[[], Sequence[str]],
        database_available: Callable[[], bool],
        frontend_file: Callable[[str], File | None] = lambda _: None,
        blocks: Callable[[str, str, Headers], Blocked | None] = lambda *_: None,
        connections_left: Callable[[], bool] = lambda: True,
    ) -> None:
        self.environment = environment
        self.running_images = running_images
        self.database_available = database_available
        self.frontend_file = frontend_file
        self.blocks = blocks
        self.connections_left = connections_left
        self.faulty: set[str] = set()
        self.cache_is_full = False
        self._turn = itertools.count()
        authority = trustme.CA()
        self.authority_file = folder / "authority.pem"
        authority.cert_pem.write_to_path(str(self.authority_file))
        self.tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        authority.issue_cert(environment.domain.api, environment.domain.frontend).configure_cert(self.tls)
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (_Handler,), {"application": self}))
        self._server.daemon_threads = True
        threading.Thread(target=self._server.serve_forever, args=(0.05,), name="application", daemon=True).start()

    @property
    def address(self) -> tuple[str, int]:
        """Where the proxy listens: host and port."""
        return "127.0.0.1", self._server.server_port

    @property
    def client_environment(self) -> dict[str, str]:
        """The environment variables with which a Python process reaches the application."""
        host, port = self.address
        return {"HTTPS_PROXY": f"http://{host}:{port}", "SSL_CERT_FILE": str(self.authority_file)}

    def fill_cache(self) -> None:
        self.cache_is_full = True

    def mend(self) -> None:
        """Take back what was made to fail."""
        self.faulty.clear()
        self.cache_is_full = False

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def blocked(self, host: str, path: str, source: str, headers: Headers) -> Blocked | None:
        """What a web ACL answers to a request from an address: that of CloudFront before the frontend, and that of the load
        balancer before the API. What comes to the API through CloudFront has an address of its, and the viewer's forwarded."""
        if host == self.environment.domain.frontend:
            forwarded = ", ".join(filter(None, (headers.get("X-Forwarded-For"), source)))
            behind = {"X-Forwarded-For": forwarded}
            found = self.blocks("CLOUDFRONT", source, headers)
            return found or (self.blocks("REGIONAL", CLOUDFRONT, behind) if path.startswith(_API) else None)
        return self.blocks("REGIONAL", source, headers)

    def answer(self, host: str, path: str) -> tuple[HTTPStatus, str, str | bytes]:
        """Status, content type and body of a GET."""
        if host == self.environment.domain.frontend and not path.startswith(_API):
            return self._file(unquote(urlsplit(path).path).lstrip("/"))
        images = self.running_images()
        if not images:
            return HTTPStatus.SERVICE_UNAVAILABLE, "text/html", "<h1>503 Service Temporarily Unavailable</h1>"
        connected = self.database_available()
        if path == self.environment.backend.health_check_path:
            status = HTTPStatus.OK if connected else HTTPStatus.SERVICE_UNAVAILABLE
            return status, "application/json", json.dumps(health_report(self.environment.application.health_report, connected))
        image = images[next(self._turn) % len(images)]
        if not connected:
            return HTTPStatus.SERVICE_UNAVAILABLE, "application/json", '{"error": "database unavailable"}'
        if self.cache_is_full or image in self.faulty or not self.connections_left():
            return HTTPStatus.INTERNAL_SERVER_ERROR, "application/json", '{"error": "internal error"}'
        return HTTPStatus.OK, "application/json", json.dumps({"image": image})

    def _file(self, key: str) -> tuple[HTTPStatus, str, str | bytes]:
        """As CloudFront answers: a path without an extension gets index.html, and S3 does not say that a file is missing."""
        page = self.frontend_file("index.html")
        if page is None:
            return HTTPStatus.OK, "text/html", f"<!doctype html><title>{self.environment.application.product}</title>"
        found = self.frontend_file(key) if "." in key.rpartition("/")[2] else page
        return (HTTPStatus.OK, *found) if found else (HTTPStatus.FORBIDDEN, "application/xml", "<Error/>")


def health_report(shape: HealthReport, connected: bool) -> dict[str, Any]:
    """The health report of an application whose report has this shape, with the database connected or not."""
    report: dict[str, Any] = {}
    members_said = (
        (shape.status, shape.healthy if connected else shape.unhealthy),
        (shape.database, shape.connected if connected else shape.disconnected),
    )
    for path, said in members_said:
        *parents, name = path.split(".")
        members = report
        for parent in parents:
            members = members.setdefault(parent, {})
        members[name] = said
    return report


class _Handler(BaseHTTPRequestHandler):
    """CONNECT makes the tunnel and turns it to TLS at once; GET is answered inside it."""

    application: Application
    protocol_version = "HTTP/1.1"
    host, port = "", ""

    def do_CONNECT(self) -> None:
        self.host, _, self.port = self.path.partition(":")
        known = self.application.environment.domain
        if self.host not in (known.api, known.frontend):
            self.send_error(HTTPStatus.BAD_GATEWAY, f"{self.host} is not a host of this environment")
            return
        self.send_response(HTTPStatus.OK)
        self.end_headers()
        self.connection = self.application.tls.wrap_socket(self.connection, server_side=True)
        self.rfile = self.connection.makefile("rb")
        self.wfile = self.connection.makefile("wb")  # buffered: an answer in one segment
        self.close_connection = False

    def do_GET(self) -> None:
        if not self.host:  # asked as a proxy, over plain HTTP
            self.send_error(HTTPStatus.BAD_GATEWAY, "only HTTPS goes through here")
            return
        # On another port the load balancer asks a task for its health, which passes no web ACL.
        public, headers = self.port == "443", dict(self.headers.items())
        blocked = self.application.blocked(self.host, self.path, self.client_address[0], headers) if public else None
        status, kind, said = (
            (blocked.status, blocked.content_type, blocked.body) if blocked else self.application.answer(self.host, self.path)
        )
        more = blocked.headers if blocked else {}
        body = said if isinstance(said, bytes) else said.encode()
        self.send_response(status)
        for name, value in {"Content-Type": kind, **more}.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def finish(self) -> None:
        super().finish()
        self.connection.close()  # the TLS socket took the plain one's place

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class names it so
        """Requests are counted by who sends them, not printed."""
