import json
import threading
from collections.abc import Callable, Iterator, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from moto import mock_aws

from .aws import Aws

Serve = Callable[[Mapping[str, Any]], str]


@pytest.fixture
def aws() -> Iterator[Aws]:
    """An empty account."""
    with mock_aws():
        yield Aws()


@pytest.fixture
def serve() -> Iterator[Serve]:
    """Starts a server on loopback that answers each path and query with the JSON given for it, and says its URL."""
    servers = []

    def start(answers: Mapping[str, Any]) -> str:
        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self.send_response(200 if self.path in answers else 404)
                self.end_headers()
                self.wfile.write(json.dumps(answers.get(self.path)).encode())

            def log_message(self, *_: object) -> None:
                """Into no test's output."""

        server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        servers.append(server)
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        return f"http://127.0.0.1:{server.server_port}"

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()
