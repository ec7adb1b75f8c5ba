"""`health_check`, appendix A of the runbook, against real servers on loopback."""

import json
import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from io import StringIO
from itertools import chain, cycle
from pathlib import Path
from typing import Any

import pytest
import trustme

from lambdas.common.https import Answer
from lambdas.health_check import function, handler
from lambdas.health_check.function import HealthCheck
from lambdas.health_check.probes import Probe, Verdict, judge_api, judge_frontend, probe
from lambdas.health_check.settings import HealthCheckSettings, HealthReport
from tests.environments import STAGING

REPORT = HealthReport(status="status", healthy="healthy", database="services.database", connected="connected")
HEALTH = "/api/v1/health"
HEALTHY = {"status": "healthy", "timestamp": "2026-03-02T12:00:00Z", "uptime": 12.3, "services": {"database": "connected"}}
UNHEALTHY = {**HEALTHY, "status": "unhealthy", "services": {"database": "disconnected"}}
PAGE = b"<!doctype html><title>HZ Navigator</title>"


class Site:
    """A server of the API and the frontend on a port of its own; `answers` by path: status, content type, body."""

    def __init__(self) -> None:
        self.answers: dict[str, tuple[int, str, bytes]] = {
            HEALTH: (200, "application/json; charset=utf-8", json.dumps(HEALTHY).encode()),
            "/": (200, "text/html; charset=utf-8", PAGE),
        }
        self.hang = threading.Event()
        """What `/slow` waits for."""
        site = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                if self.path == "/slow":
                    site.hang.wait(10)
                    return
                status, content_type, body = site.answers.get(self.path, (404, "text/plain", b""))
                self.send_response(status)
                self.send_header("Location" if status == 301 else "Content-Type", content_type)
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: Any) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.port = self.server.server_address[1]
        self.thread = threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.01})

    def stop(self) -> None:
        self.hang.set()
        self.server.shutdown()
        self.thread.join()
        self.server.server_close()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"


@pytest.fixture(autouse=True)
def _no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


@pytest.fixture
def site() -> Iterator[Site]:
    made = Site()
    made.thread.start()
    yield made
    made.stop()


@pytest.fixture
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
def secure(authority: trustme.CA) -> Iterator[Site]:
    """The site over TLS, under a certificate of the authority for `localhost`."""
    made = Site()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost").configure_cert(context)
    made.server.socket = context.wrap_socket(made.server.socket, server_side=True)
    made.thread.start()
    yield made
    made.stop()


@pytest.fixture
def trusted(authority: trustme.CA, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "ca.pem"))


def settings(site: Site) -> HealthCheckSettings:
    return HealthCheckSettings(
        environment="staging",
        api_url=f"https://localhost:{site.port}",
        health_check_path=HEALTH,
        health_report=REPORT,
        frontend_url=f"https://localhost:{site.port}",
        namespace=STAGING.application.metrics_namespace,
    )


def check(site: Site) -> dict[str, Any]:
    """The report of a run that begins now, with the trust and the proxies of the environment."""
    return HealthCheck(settings(site)).run()


# What an answer means


def body(content: Any) -> bytes:
    return json.dumps(content).encode()


@pytest.mark.parametrize(
    ("status", "content", "problem"),
    [
        (200, body(HEALTHY), ""),
        (503, body(UNHEALTHY), "API answers 503: database disconnected"),
        (200, body(UNHEALTHY), "API answers 200: database disconnected"),
        (503, body(HEALTHY), "API answers 503: healthy"),
        (200, body({**HEALTHY, "status": "unhealthy"}), "API answers 200: unhealthy"),
        (502, b"<html>Bad Gateway</html>", "API answers 502, and its body is not the health report"),
        (200, PAGE, "API answers 200, and its body is not the health report"),
        (200, b"", "API answers 200, and its body is not the health report"),
        (200, b"\xff\xfe\x00", "API answers 200, and its body is not the health report"),
        (200, body(["healthy"]), "API answers 200, and its body is not the health report"),
        (200, body({"status": "healthy"}), "API answers 200, and its body is not the health report"),
        (200, body({"status": "healthy", "services": None}), "API answers 200, and its body is not the health report"),
        (200, b"[" * 1_000_000, "API answers 200, and its body is not the health report"),
        (200, b'{"a":' * 300_000, "API answers 200, and its body is not the health report"),
        (200, b"1" * 5000, "API answers 200, and its body is not the health report"),
        (200, body({**HEALTHY, "services": {"database": "a\n\x1b[2J\u202eb"}}), "API answers 200: database a [2J b"),
        (200, body({**HEALTHY, "services": {"database": {"a": 1}}}), "API answers 200: database {'a': 1}"),
        (200, body({**HEALTHY, "services": {"database": "x" * 500}}), f"API answers 200: database {'x' * 99}…"),
    ],
)
def test_the_api_is_healthy_when_it_says_so_in_full(status: int, content: bytes, problem: str) -> None:
    assert judge_api(REPORT, Answer(status, "application/json", content)).problem == problem


def test_the_shape_of_the_health_report_is_the_applications() -> None:
    report = HealthReport(status="state", healthy="ok", database="checks.postgres.state", connected="up")
    answer = {"state": "ok", "checks": {"postgres": {"state": "up"}}}
    assert judge_api(report, Answer(200, "application/json", body(answer))) == Verdict("", "up")
    answer["checks"] = {"postgres": {"state": "down"}}
    assert judge_api(report, Answer(200, "application/json", body(answer))) == Verdict("API answers 200: database down", "down")


@pytest.mark.parametrize(
    ("status", "content_type", "problem"),
    [
        (200, "text/html", ""),
        (403, "application/xml", "Frontend answers 403"),
        (504, "text/html", "Frontend answers 504"),
        (200, "application/json", "Frontend answers 200 with application/json instead of a page"),
    ],
)
def test_the_frontend_is_healthy_when_it_serves_a_page(status: int, content_type: str, problem: str) -> None:
    assert judge_frontend(Answer(status, content_type, b"")) == Verdict(problem)


# What a probe sees


def probe_api(url: str, seconds: float = 5) -> Probe:
    return probe("api", url, partial(judge_api, REPORT), seconds)


def probe_frontend(url: str) -> Probe:
    return probe("frontend", url, judge_frontend)


def test_a_probe_of_a_healthy_api_has_no_problem_and_a_latency(site: Site) -> None:
    seen = probe_api(site.url + HEALTH)
    assert seen.healthy
    assert 0 < seen.latency < 5000


def test_a_probe_reads_the_body_of_an_error_too(site: Site) -> None:
    site.answers[HEALTH] = (503, "application/json", body(UNHEALTHY))
    seen = probe_api(site.url + HEALTH)
    assert (seen.problem, seen.database) == ("API answers 503: database disconnected", "disconnected")


def test_a_probe_follows_a_redirect(site: Site) -> None:
    site.answers["/old"] = (301, "/", b"")
    assert probe_frontend(f"{site.url}/old").healthy


@pytest.mark.parametrize(
    "away", ["http://localhost:{port}/", "http://127.0.0.1:1/", "https://127.0.0.1:{port}/", "//localhost/"]
)
def test_a_probe_does_not_follow_a_redirect_to_another_origin(site: Site, away: str) -> None:
    """What answers there is not what is watched."""
    site.answers["/old"] = (301, away.format(port=site.port), b"")
    assert probe_frontend(f"{site.url}/old").problem == "Frontend answers 301"


@contextmanager
def raw(*pieces: bytes, pause: float = 0) -> Iterator[str]:
    """The URL of a server that sends these bytes to whoever asks, with a pause after each piece, and again from the first."""
    stop = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as server:

        def answer() -> None:
            connection, _ = server.accept()
            with connection, suppress(OSError):
                connection.recv(10_000)
                for piece in chain(pieces, cycle(pieces[-1:]) if pause else ()):
                    connection.sendall(piece)
                    if stop.wait(pause):
                        return

        thread = threading.Thread(target=answer)
        thread.start()
        yield f"http://127.0.0.1:{server.getsockname()[1]}"
        stop.set()
        thread.join()


OK = b"HTTP/1.1 200 OK\r\n"


@pytest.mark.parametrize(
    "pieces",
    [
        (b"H",),
        (OK, b"X"),
        (OK + b"Content-Length: 9999\r\n\r\n", b"x"),
        (OK + b"Transfer-Encoding: chunked\r\n\r\n", b"1\r\nx\r\n"),
    ],
    ids=["status line", "headers", "body", "chunks"],
)
def test_an_answer_that_drips_is_over_at_the_deadline(pieces: tuple[bytes, ...]) -> None:
    with raw(*pieces, pause=0.05) as url:
        seen = probe_api(url, seconds=0.4)
    assert seen.problem == "API does not answer: timed out"
    assert 400 <= seen.latency < 2000


@pytest.mark.parametrize(
    "headers",
    [
        b"Content-Type: \xff\xfe; charset=\x00\r\n",
        b"Content-Type: text/\r\n" * 3,
        b"Content-Length: many\r\n",
        b"Content-Length: -5\r\n",
        b"Transfer-Encoding: chunked\r\n",
        b": no name\r\nno colon\r\n folded\r\n",
        b"X: " + b"x" * 100_000 + b"\r\n",
        b"X: x\r\n" * 200,
        b"Location: http://[\r\n",
    ],
)
@pytest.mark.parametrize("status", [b"200 OK", b"301 Moved", b"999 \xff", b"1 ", b"-1 x", b"abc"])
def test_whatever_the_headers_a_probe_ends_in_a_verdict_of_one_line(status: bytes, headers: bytes) -> None:
    with raw(b"HTTP/1.1 " + status + b"\r\n" + headers + b"\r\nzz\r\n\xff\xff") as url:
        seen = probe_frontend(url)
    assert not seen.healthy or headers.startswith(b"Content-Type")
    assert len(seen.problem.splitlines()) <= 1
    assert len(seen.problem) < 400


def test_of_a_huge_answer_only_the_begin_is_read(site: Site) -> None:
    site.answers["/"] = (200, "text/html", b"x" * 20_000_000)
    assert probe_frontend(site.url).healthy


def test_an_answer_that_does_not_come_in_time_is_a_problem(site: Site) -> None:
    seen = probe_api(f"{site.url}/slow", seconds=0.2)
    assert seen.problem == "API does not answer: timed out"
    assert seen.latency >= 200


def test_a_port_that_refuses_is_a_problem() -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        port = closed.getsockname()[1]
    assert "Frontend does not answer: [Errno" in probe_frontend(f"http://127.0.0.1:{port}").problem


def test_what_is_no_http_is_a_problem() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:

        def answer() -> None:
            connection, _ = server.accept()
            with connection:
                connection.recv(1000)
                connection.sendall(b"SSH-2.0-OpenSSH\r\n\r\n")

        thread = threading.Thread(target=answer)
        thread.start()
        seen = probe_api(f"http://127.0.0.1:{server.getsockname()[1]}")
        thread.join()
    assert seen.problem.startswith("API does not answer: ")


# The whole, over TLS


@pytest.mark.usefixtures("trusted")
def test_a_healthy_site_is_reported_as_such(secure: Site) -> None:
    report = check(secure)
    assert report["healthy"]
    assert report["summary"] == "All services healthy"
    assert {name: target["healthy"] for name, target in report["targets"].items()} == {"api": True, "frontend": True}
    assert report["targets"]["api"]["url"] == f"https://localhost:{secure.port}{HEALTH}"
    assert json.loads(json.dumps(report)) == report


@pytest.mark.usefixtures("trusted")
def test_the_report_names_everything_that_is_wrong(secure: Site) -> None:
    secure.answers[HEALTH] = (503, "application/json", body(UNHEALTHY))
    secure.answers["/"] = (403, "application/xml", b"")
    report = check(secure)
    assert not report["healthy"]
    assert report["summary"] == "API answers 503: database disconnected; Frontend answers 403"


def test_a_certificate_that_nobody_vouches_for_is_a_problem(secure: Site) -> None:
    report = check(secure)
    assert "certificate verify failed" in report["targets"]["api"]["problem"]


@pytest.mark.usefixtures("trusted")
def test_a_proxy_of_the_environment_is_used(secure: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        monkeypatch.setenv("HTTPS_PROXY", f"http://127.0.0.1:{closed.getsockname()[1]}")
    assert not check(secure)["healthy"]


@pytest.mark.usefixtures("trusted")
def test_availability_and_latency_are_published_under_exactly_the_alarms_dimensions(
    secure: Site, capsys: pytest.CaptureFixture[str]
) -> None:
    secure.answers["/"] = (500, "text/html", b"")
    report = check(secure)
    published = [json.loads(line) for line in capsys.readouterr().out.splitlines() if '"_aws"' in line]
    probed = [metrics for metrics in published if metrics["Target"] != "database"]
    for metrics, (target, availability) in zip(probed, (("api", 100), ("frontend", 0)), strict=True):
        (directive,) = metrics["_aws"]["CloudWatchMetrics"]
        assert directive["Namespace"] == "HZNavigator"
        assert directive["Dimensions"] == [["Environment", "Target"]]
        assert {metric["Name"]: metric["Unit"] for metric in directive["Metrics"]} == {
            "Availability": "Percent",
            "Latency": "Milliseconds",
        }
        assert (metrics["Environment"], metrics["Target"]) == ("staging", target)
        assert metrics["Availability"] == [availability]
        assert metrics["Latency"] == [report["targets"][target]["latency"]]


@pytest.mark.usefixtures("trusted")
@pytest.mark.parametrize(
    ("answer", "availability"),
    [
        ((200, "application/json", json.dumps(HEALTHY).encode()), [100]),
        ((503, "application/json", json.dumps(UNHEALTHY).encode()), [0]),
        ((502, "text/html", b"<h1>502 Bad Gateway</h1>"), []),
    ],
    ids=["connected", "disconnected", "an API that does not say"],
)
def test_what_the_api_says_of_its_database_is_published(
    answer: tuple[int, str, bytes], availability: list[int], secure: Site, capsys: pytest.CaptureFixture[str]
) -> None:
    secure.answers[HEALTH] = answer
    check(secure)
    published = [json.loads(line) for line in capsys.readouterr().out.splitlines() if '"_aws"' in line]
    assert [
        value for metrics in published if metrics["Target"] == "database" for value in metrics["Availability"]
    ] == availability


@pytest.mark.usefixtures("trusted")
def test_a_check_is_one_structured_line(secure: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    said = StringIO()
    monkeypatch.setattr(function.logger.registered_handler, "stream", said)
    check(secure)
    (line,) = [json.loads(line) for line in said.getvalue().splitlines()]
    assert (line["message"], line["healthy"], set(line["targets"])) == ("All services healthy", True, {"api", "frontend"})


@pytest.mark.usefixtures("trusted")
@pytest.mark.parametrize("asked", [{}, None, {"source": "aws.events", "detail-type": "Scheduled Event"}, "now"])
def test_lambda_is_answered_with_the_report_whatever_it_asks(secure: Site, asked: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    secure.answers.clear()
    for name, value in settings(secure).variables().items():
        monkeypatch.setenv(name, value)
    handler._function.cache_clear()
    assert (
        handler.handle(asked, None)["summary"] == "API answers 404, and its body is not the health report; Frontend answers 404"
    )
    handler._function.cache_clear()


def test_a_probe_without_a_problem_is_healthy() -> None:
    assert Probe("api", "https://api", "", 1.0).healthy
    assert not Probe("api", "https://api", "API answers 500", 1.0).healthy
