"""`sentry` against a server on loopback that speaks Sentry's API: no false zero, one clear line, whatever it answers."""

import json
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from io import StringIO
from typing import Any
from urllib.parse import parse_qs, urlsplit

import boto3
import pytest

from lambdas.sentry import function, handler
from lambdas.sentry.api import UnreadableError, count
from lambdas.sentry.function import Sentry
from lambdas.sentry.settings import SentrySettings
from tests.environments import PRODUCTION

from ..world import World, client, refusal, secrets, session

NOW = datetime(2026, 3, 2, 12, 5, 17, tzinfo=UTC)
SECRET = "hz-navigator-production-sentry-token"
TOKEN = "sntrys_not-a-secret"
MINUTE = {"time": f"{NOW:%Y-%m-%dT%H:%M:%SZ}"}
"""The schedule's event."""
SETTINGS = SentrySettings(
    environment="production",
    namespace=PRODUCTION.application.metrics_namespace,
    url="https://sentry.io",
    organization="hz-navigator",
    project="hz-navigator-backend",
    token_secret=SECRET,
)


class Api:
    """Sentry's events endpoint for one organization; `answer` is status and body, `token` the one it takes."""

    def __init__(self) -> None:
        self.token = TOKEN
        self.answer: tuple[int, Any] = (200, {"data": [{"count()": 12}], "meta": {"fields": {"count()": "integer"}}})
        self.headers: dict[str, str] = {}
        self.requests: list[str] = []
        self.hang = threading.Event()
        self.drip = False
        """Whether it sends a byte now and then, without end."""
        api = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                api.requests.append(self.path)
                status, body = api.answer
                if status == 0:
                    api.hang.wait(10)
                    return
                if self.headers.get("Authorization") != f"Bearer {api.token}":
                    status, body = 401, {"detail": "Invalid token"}
                self.send_response(status)
                for name, value in api.headers.items():
                    self.send_header(name, value)
                self.end_headers()
                while api.drip and not api.hang.wait(0.05):
                    self.wfile.write(b" ")
                self.wfile.write(body if isinstance(body, bytes) else json.dumps(body).encode())

            def log_message(self, *_: Any) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.thread = threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.01})
        self.thread.start()

    def stop(self) -> None:
        self.hang.set()
        self.server.shutdown()
        self.thread.join()
        self.server.server_close()

    @property
    def settings(self) -> SentrySettings:
        return SETTINGS.model_copy(update={"url": f"http://127.0.0.1:{self.server.server_address[1]}"})


@pytest.fixture(autouse=True)
def _no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


@pytest.fixture
def api() -> Iterator[Api]:
    made = Api()
    yield made
    made.stop()


@pytest.fixture
def said(monkeypatch: pytest.MonkeyPatch) -> StringIO:
    """What the function logs."""
    stream = StringIO()
    monkeypatch.setattr(function.logger.registered_handler, "stream", stream)
    return stream


@pytest.fixture
def sentry(aws: World, api: Api) -> Sentry:
    """The function, its token in the secret."""
    client("secretsmanager").create_secret(Name=SECRET, SecretString=f"{TOKEN}\n")
    return Sentry(api.settings, secrets(), lambda: NOW)


def published(capsys: pytest.CaptureFixture[str]) -> list[dict[str, Any]]:
    return [json.loads(line) for line in capsys.readouterr().out.splitlines() if '"_aws"' in line]


@pytest.mark.parametrize(
    "answer",
    [
        b'{"data": [{"count()": NaN}]}',
        b'{"data": [{"count()": Infinity}]}',
        b'{"data": [{"count()": 1e300}]}',
        b'{"data": [{"count()": -1e-300}]}',
        b'{"data": [{"count()": 0.5}]}',
        b'{"data": [{"count()": true}]}',
        b'{"data": [{"count()": ' + b"9" * 5000 + b"}]}",
        b"[" * 900_000,
        b"\xff\xfe",
        b'{"data": {"count()": 1}}',
    ],
)
def test_what_is_no_count_is_a_problem_and_no_failure(sentry: Sentry, api: Api, answer: bytes) -> None:
    api.answer = (200, answer)
    assert "Sentry's answer" in sentry.run(MINUTE)["problem"]


def test_an_answer_of_sentry_that_drips_is_over_at_the_deadline(api: Api) -> None:
    api.drip = True
    began = time.monotonic()
    with pytest.raises(UnreadableError, match="Sentry does not answer: timed out"):
        count(api.settings, TOKEN, NOW, NOW, seconds=0.3)
    assert time.monotonic() - began < 2


def test_the_token_follows_no_redirect(sentry: Sentry, api: Api) -> None:
    api.answer, api.headers = (302, b""), {"Location": "/elsewhere"}
    assert sentry.run(MINUTE)["problem"] == "Sentry answers 302"
    assert len(api.requests) == 1


# What it asks


def test_it_asks_for_the_last_minute_that_is_complete_and_a_minute_old(sentry: Sentry, api: Api) -> None:
    report = sentry.run(MINUTE)
    (request,) = api.requests
    asked = parse_qs(urlsplit(request).query)
    assert urlsplit(request).path == "/api/0/organizations/hz-navigator/events/"
    assert asked == {
        "dataset": ["errors"],
        "field": ["count()"],
        "project": ["-1"],
        "query": ["project:hz-navigator-backend"],
        "start": ["2026-03-02T12:03:00"],
        "end": ["2026-03-02T12:04:00"],
    }
    assert report == {"minute": "2026-03-02T12:03Z", "errors": 12}


def test_the_count_is_published_under_exactly_the_rows_dimensions(sentry: Sentry, capsys: pytest.CaptureFixture[str]) -> None:
    sentry.run(MINUTE)
    (metrics,) = published(capsys)
    (directive,) = metrics["_aws"]["CloudWatchMetrics"]
    assert (directive["Namespace"], directive["Dimensions"]) == ("HZNavigator", [["Environment"]])
    assert (metrics["Environment"], metrics["SentryErrors"]) == ("production", [12])


def test_no_errors_are_zero_errors(sentry: Sentry, api: Api, capsys: pytest.CaptureFixture[str]) -> None:
    api.answer = (200, {"data": [{"count()": 0}]})
    sentry.run(MINUTE)
    (metrics,) = published(capsys)
    assert metrics["SentryErrors"] == [0]


def test_a_run_is_one_line(sentry: Sentry, said: StringIO) -> None:
    sentry.run(MINUTE)
    (line,) = map(json.loads, said.getvalue().splitlines())
    assert (line["message"], line["errors"], line["minute"]) == ("Counted", 12, "2026-03-02T12:03Z")


# What goes wrong

PROBLEMS: dict[str, tuple[int, Any, str]] = {
    "a rate limit": (
        429,
        {"detail": "slow down"},
        "Sentry limits the rate (429), and asks to wait 30 s: the next minute tries again",
    ),
    "no such organization": (404, {}, "Sentry has no organization hz-navigator (404): see [sentry] in the config"),
    "a token without the scope": (
        403,
        {},
        f"Sentry refuses the token (403): put one with the scope org:read into the secret {SECRET}",
    ),
    "a failure": (502, b"<html>", "Sentry answers 502"),
    "a redirect": (302, b"", "Sentry answers 302"),
    "no JSON": (200, b"<html>", "Sentry's answer is not the table of one count that its API documents"),
    "no data": (200, {"detail": "?"}, "Sentry's answer is not the table of one count that its API documents"),
    "no row": (200, {"data": []}, "Sentry's answer is not the table of one count that its API documents"),
    "two rows": (200, {"data": [{"count()": 1}] * 2}, "Sentry's answer is not the table of one count that its API documents"),
    "another column": (200, {"data": [{"id": 1}]}, "Sentry's answer is not the table of one count that its API documents"),
    "a list": (200, [1], "Sentry's answer is not the table of one count that its API documents"),
    "a text": (200, {"data": [{"count()": "12"}]}, "Sentry's answer has something else than a count in it"),
    "nothing": (200, {"data": [{"count()": None}]}, "Sentry's answer has something else than a count in it"),
    "a truth": (200, {"data": [{"count()": True}]}, "Sentry's answer has something else than a count in it"),
    "less than nothing": (200, {"data": [{"count()": -1}]}, "Sentry's answer has something else than a count in it"),
    "half an error": (200, {"data": [{"count()": 0.5}]}, "Sentry's answer has something else than a count in it"),
}


@pytest.mark.parametrize("problem", PROBLEMS)
def test_what_is_no_count_is_never_a_zero_and_is_said_in_one_line(
    problem: str, sentry: Sentry, api: Api, said: StringIO, capsys: pytest.CaptureFixture[str]
) -> None:
    status, body, words = PROBLEMS[problem]
    api.answer, api.headers = (status, body), {"Retry-After": "30", "Location": "https://elsewhere.example/"}
    assert sentry.run(MINUTE) == {"minute": "2026-03-02T12:03Z", "problem": words}
    assert published(capsys) == []
    (line,) = map(json.loads, said.getvalue().splitlines())
    assert (line["level"], line["message"]) == ("WARNING", words)
    assert len(api.requests) == 1, "the next minute is the retry"


def test_no_answer_in_time_is_a_problem(api: Api) -> None:
    api.answer = (0, None)
    with pytest.raises(UnreadableError, match="Sentry does not answer: timed out"):
        count(api.settings, TOKEN, NOW - timedelta(minutes=1), NOW, seconds=0.05)


def test_nobody_there_is_a_problem(api: Api) -> None:
    gone = api.settings.model_copy(update={"url": "http://127.0.0.1:1"})
    with pytest.raises(UnreadableError, match=r"Sentry does not answer: .*refused"):
        count(gone, TOKEN, NOW - timedelta(minutes=1), NOW)


# The token


def test_the_token_is_read_once(sentry: Sentry, aws: World) -> None:
    for _ in range(3):
        sentry.run(MINUTE)
    assert [call.name for call in aws.calls] == ["secretsmanager:GetSecretValue"]


def test_a_rotated_token_is_read_anew_in_the_same_run(sentry: Sentry, api: Api, aws: World) -> None:
    sentry.run(MINUTE)
    api.token = "sntrys_another"
    client("secretsmanager").put_secret_value(SecretId=SECRET, SecretString="sntrys_another")
    assert sentry.run(MINUTE)["errors"] == 12


def test_a_refused_token_is_a_problem_until_a_good_one_is_in_the_secret(sentry: Sentry, api: Api, aws: World) -> None:
    sentry.run(MINUTE)
    api.token = "sntrys_another"
    assert "Sentry refuses the token (401)" in sentry.run(MINUTE)["problem"]
    assert "Sentry refuses the token (401)" in sentry.run(MINUTE)["problem"]
    client("secretsmanager").put_secret_value(SecretId=SECRET, SecretString="sntrys_another")
    assert sentry.run(MINUTE)["errors"] == 12


def test_a_secret_that_cannot_be_read_is_a_problem(sentry: Sentry, aws: World) -> None:
    aws.refusals["secretsmanager:GetSecretValue"] = refusal("AccessDeniedException")
    assert f"The secret {SECRET} with Sentry's token cannot be read" in sentry.run(MINUTE)["problem"]


@pytest.mark.parametrize("text", ["", "two\nlines", "t\u00f6ken"])
def test_a_secret_that_holds_something_else_is_a_problem(text: str, sentry: Sentry, api: Api, aws: World) -> None:
    client("secretsmanager").put_secret_value(SecretId=SECRET, SecretString=text or " ")
    assert sentry.run(MINUTE)["problem"] == f"The secret {SECRET} should hold Sentry's token and nothing else"
    assert api.requests == []


@pytest.mark.parametrize("status", [200, 401, 500])
def test_the_token_is_in_no_line(
    status: int, sentry: Sentry, api: Api, said: StringIO, capsys: pytest.CaptureFixture[str]
) -> None:
    api.answer = (status, {"data": [{"count()": 1}]})
    report = sentry.run(MINUTE)
    assert TOKEN not in said.getvalue() + capsys.readouterr().out + json.dumps(report)


def test_a_redirect_does_not_carry_the_token_elsewhere(sentry: Sentry, api: Api) -> None:
    elsewhere = Api()
    api.answer, api.headers = (302, b""), {"Location": f"http://127.0.0.1:{elsewhere.server.server_address[1]}/"}
    sentry.run(MINUTE)
    elsewhere.stop()
    assert elsewhere.requests == []


# Lambda's entry


@pytest.mark.parametrize("event", [MINUTE, {}, None, "nonsense"])
def test_it_counts_whatever_invokes_it(event: Any, sentry: Sentry) -> None:
    assert sentry.run(event) == {"minute": "2026-03-02T12:03Z", "errors": 12}


def test_lambda_is_answered_with_the_report(aws: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(boto3, "DEFAULT_SESSION", session())
    for name, value in SETTINGS.variables().items():
        monkeypatch.setenv(name, value)
    handler._function.cache_clear()
    report = handler.handle(MINUTE, None)
    assert report["minute"] == "2026-03-02T12:03Z"
    assert f"The secret {SECRET} with Sentry's token cannot be read" in report["problem"]
    handler._function.cache_clear()
