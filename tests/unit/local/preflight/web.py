"""A web server on loopback, for what preflight asks outside AWS."""

import json
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@contextmanager
def served(answers: Mapping[str, Any]) -> Iterator[str]:
    """A server that answers each path and query with the JSON given for it, and 404 to others; its URL."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200 if self.path in answers else 404)
            self.end_headers()
            self.wfile.write(json.dumps(answers.get(self.path)).encode())

        def log_message(self, *_: object) -> None:
            """Into no test's output."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()


def records(kind: int, *data: str) -> dict[str, Any]:
    """What a resolver answers of a type of records by its number; that the name is not there, when there are none."""
    found = [{"name": "example.", "type": kind, "TTL": 300, "data": value} for value in data]
    return {"Status": 0, "Answer": found} if data else {"Status": 3}
