"""The heartbeat against a real server over TLS on loopback: sent once all is told, and never in anybody's way."""

import ssl
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import boto3
import pytest
import trustme
from botocore.exceptions import ClientError

from lambdas.notify import handler
from lambdas.notify.heartbeat import Heartbeat
from tests.environments import PRODUCTION

from ..world import NOTIFY, World, client, refusal, secrets, session

SECRET = "hz-navigator-production-heartbeat-url"
DATABASE = PRODUCTION.page("database-down")


class Watchman:
    """A service that is told every minute: the paths it was asked for, and the status that it answers; 0 is no answer."""

    def __init__(self, authority: trustme.CA) -> None:
        self.paths: list[str] = []
        self.status = 200
        self.hang = threading.Event()
        watchman = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                watchman.paths.append(self.path)
                if watchman.status == 0:
                    watchman.hang.wait(10)
                    return
                self.send_response(watchman.status)
                if watchman.status == 302:
                    self.send_header("Location", "/elsewhere")
                self.end_headers()

            def log_message(self, *_: Any) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        authority.issue_cert("localhost").configure_cert(context)
        self.server.socket = context.wrap_socket(self.server.socket, server_side=True)
        self.thread = threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.01})
        self.thread.start()

    def stop(self) -> None:
        self.hang.set()
        self.server.shutdown()
        self.thread.join()
        self.server.server_close()

    @property
    def url(self) -> str:
        return f"https://localhost:{self.server.server_address[1]}/a-secret"


@pytest.fixture
def watchman(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Watchman]:
    for name in ("http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    authority = trustme.CA()
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "ca.pem"))
    made = Watchman(authority)
    yield made
    made.stop()


@pytest.fixture
def heartbeat(aws: World, watchman: Watchman) -> Heartbeat:
    """That of an environment whose secret has the URL."""
    client("secretsmanager").create_secret(Name=SECRET, SecretString=f"{watchman.url}\n")
    aws.calls.clear()
    return Heartbeat(SECRET, secrets())


def put(value: str) -> None:
    client("secretsmanager").put_secret_value(SecretId=SECRET, SecretString=value)


def test_it_is_one_get_of_the_secret_url_which_is_read_once(aws: World, heartbeat: Heartbeat, watchman: Watchman) -> None:
    for _ in range(3):
        heartbeat.beat()
    assert watchman.paths == ["/a-secret"] * 3
    assert [call.name for call in aws.calls] == ["secretsmanager:GetSecretValue"]


def test_where_none_is_configured_nothing_is_read_and_nothing_sent(aws: World) -> None:
    Heartbeat("", secrets()).beat()
    assert aws.calls == []


@pytest.mark.parametrize(
    ("status", "problem"), [(404, "answer 404"), (500, "answer 500"), (302, "answer 302"), (0, "timed out")]
)
def test_what_the_service_answers_is_logged_and_raises_nothing(
    heartbeat: Heartbeat, watchman: Watchman, caplog: pytest.LogCaptureFixture, status: int, problem: str
) -> None:
    watchman.status = status
    heartbeat.beat(seconds=1)
    assert problem in vars(caplog.records[-1])["problem"]
    assert watchman.paths == ["/a-secret"], "a redirect is not followed"


def test_nobody_who_answers_is_logged_and_raises_nothing(
    heartbeat: Heartbeat, watchman: Watchman, caplog: pytest.LogCaptureFixture
) -> None:
    put("https://localhost:1/a-secret")
    heartbeat.beat()
    assert "refused" in vars(caplog.records[-1])["problem"]
    assert watchman.paths == []


def test_another_certificate_gets_no_url(
    heartbeat: Heartbeat, watchman: Watchman, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("SSL_CERT_FILE")
    heartbeat.beat()
    assert "certificate" in vars(caplog.records[-1])["problem"]
    assert watchman.paths == []


@pytest.mark.parametrize(
    "value", ["http://localhost/a-secret", "a-secret", "", "https://localhost/a secret", "https://", "\x00"]
)
def test_what_is_no_url_is_said_without_quoting_it(heartbeat: Heartbeat, caplog: pytest.LogCaptureFixture, value: str) -> None:
    put(value or " ")
    heartbeat.beat()
    problem = vars(caplog.records[-1])["problem"]
    assert problem == f"the secret {SECRET} should hold one https URL and nothing else"


def test_no_error_quotes_the_url(heartbeat: Heartbeat, caplog: pytest.LogCaptureFixture) -> None:
    for url in ("https://localhost:port/a-secret", "https://[a-secret", "https://localhost:99999/a-secret"):
        put(url)
        heartbeat.beat()
    assert len(caplog.records) == 3
    assert "a-secret" not in caplog.text + "".join(str(vars(record)) for record in caplog.records)


def test_a_secret_that_cannot_be_read_is_logged_and_raises_nothing(
    aws: World, heartbeat: Heartbeat, watchman: Watchman, caplog: pytest.LogCaptureFixture
) -> None:
    aws.refusals["secretsmanager:GetSecretValue"] = refusal("AccessDeniedException")
    heartbeat.beat()
    assert "AccessDeniedException" in vars(caplog.records[-1])["problem"]
    aws.refusals.clear()
    heartbeat.beat()
    assert watchman.paths == ["/a-secret"]


def test_after_a_failure_the_secret_is_read_anew(heartbeat: Heartbeat, watchman: Watchman) -> None:
    watchman.status = 404
    heartbeat.beat()
    put(watchman.url + "-renewed")
    watchman.status = 200
    heartbeat.beat()
    assert watchman.paths == ["/a-secret", "/a-secret-renewed"]


# As Lambda runs it


@pytest.fixture
def entry(aws: World, heartbeat: Heartbeat, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    """The handler with the settings of an environment that has a heartbeat."""
    aws.watch(DATABASE)
    aws.watch(PRODUCTION.not_armed_alarm)
    for name, value in NOTIFY.model_copy(update={"heartbeat_secret": SECRET}).variables().items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(boto3, "DEFAULT_SESSION", session())
    for made in (handler._function, handler._heartbeat):
        made.cache_clear()
    yield aws
    for made in (handler._function, handler._heartbeat):
        made.cache_clear()


def test_each_run_that_tells_everything_sends_it(entry: World, watchman: Watchman) -> None:
    entry.set_alarm(DATABASE, "ALARM")
    for _ in range(3):
        entry.wait(minutes=1)
        handler.handle({"time": entry.now.isoformat()}, None)
    assert len(entry.subjects(PRODUCTION.on_call_topic("P1"))) == 1
    assert watchman.paths == ["/a-secret"] * 3


def test_its_failure_holds_nothing_up(entry: World, watchman: Watchman) -> None:
    watchman.status = 500
    entry.set_alarm(DATABASE, "ALARM")
    entry.wait(minutes=1)
    assert handler.handle({"time": entry.now.isoformat()}, None) == {"open": [DATABASE]}


@pytest.mark.parametrize("operation", ["cloudwatch:DescribeAlarms", "sns:Publish", "dynamodb:PutItem", "dynamodb:GetItem"])
def test_a_run_that_does_not_tell_everything_sends_none(entry: World, watchman: Watchman, operation: str) -> None:
    entry.set_alarm(DATABASE, "ALARM")
    entry.wait(minutes=1)
    entry.refusals[operation] = refusal("InternalServiceError")
    with pytest.raises(ClientError):
        handler.handle({"time": entry.now.isoformat()}, None)
    assert watchman.paths == []
