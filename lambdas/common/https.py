"""A GET with one deadline for the whole answer, whatever the server sends, and however slowly."""

import socket
from concurrent.futures import ThreadPoolExecutor
from concurrent.futures import TimeoutError as LateError
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from http.client import HTTPConnection, HTTPMessage, HTTPSConnection
from threading import Event
from typing import IO, Any
from urllib.error import HTTPError
from urllib.parse import urlsplit
from urllib.request import HTTPHandler, HTTPRedirectHandler, HTTPSHandler, Request, build_opener

from lambdas.common.words import one_line

_MOST = 1_000_000  # bytes read of an answer: far more than any that is expected
_WORDS = 300  # characters of an error, which may quote the server


class NoAnswerError(Exception):
    """No answer in time, or what is no HTTP; the message says why in one line."""


@dataclass(frozen=True)
class Answer:
    """An HTTP answer, of whatever status; `retry_after` is what that header says."""

    status: int
    content_type: str
    body: bytes
    retry_after: str = ""

    @property
    def kept_out(self) -> bool:
        """Whether it is what the web ACLs answer in maintenance; anything else may answer so as well."""
        return self.status == 503 and bool(self.retry_after)


def get(url: str, headers: dict[str, str], seconds: float, *, redirects: bool) -> Answer:
    """The answer, if all of it comes within this many seconds; else NoAnswerError.

    A redirect is followed with `redirects`, and to the same origin only; otherwise it is the answer.
    """
    watch = _Watch()
    request = Request(url, headers=headers)  # noqa: S310 - the settings only take https
    # A socket's timeout begins anew with every byte, and a name is looked up without one: this thread has the clock.
    reader = ThreadPoolExecutor(1)
    try:
        return reader.submit(_get, request, seconds, watch, redirects=redirects).result(seconds)
    except LateError:
        raise NoAnswerError("timed out") from None
    except Exception as error:  # refused, no such name, no trust, no HTTP, and whatever a server's bytes do to the libraries
        reason = getattr(error, "reason", None) or error
        raise NoAnswerError(one_line(str(reason), _WORDS) or type(error).__name__) from error
    finally:
        watch.end()
        reader.shutdown(wait=False)


def _get(request: Request, seconds: float, watch: "_Watch", *, redirects: bool) -> Answer:
    opener = build_opener(_Http(watch), _Https(watch), _SameOrigin() if redirects else _NoRedirect())
    try:
        answer = opener.open(request, timeout=seconds)
    except HTTPError as error:  # a status that is no success is an answer too
        answer = error
    with answer:
        content_type = answer.headers.get_content_type()
        return Answer(answer.status, content_type, answer.read(_MOST), str(answer.headers.get("Retry-After", "")))


class _Watch:
    """The connections of a request, so that they can be ended from outside."""

    def __init__(self) -> None:
        self._sockets: list[socket.socket] = []
        self._over = Event()

    def connect(self, *where: Any) -> socket.socket:
        """What http.client connects with."""
        made = socket.create_connection(*where)
        self._sockets.append(made.dup())  # TLS takes the other into an object of its own
        if self._over.is_set():
            self.end()
        return made

    def end(self) -> None:
        """Nothing more is read."""
        self._over.set()
        for one in self._sockets:
            with suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
            one.close()


class _Http(HTTPHandler):
    def __init__(self, watch: _Watch) -> None:
        super().__init__()
        self._watch = watch

    def http_open(self, req: Request) -> Any:
        return self.do_open(partial(_connection, HTTPConnection, self._watch), req)


class _Https(HTTPSHandler):
    def __init__(self, watch: _Watch) -> None:
        super().__init__()
        self._watch = watch

    def https_open(self, req: Request) -> Any:
        return self.do_open(partial(_connection, HTTPSConnection, self._watch), req)


def _connection(kind: type[HTTPConnection], watch: _Watch, host: str, **options: Any) -> HTTPConnection:
    made = kind(host, **options)
    made._create_connection = watch.connect  # type: ignore[attr-defined]  # noqa: SLF001 - there is no public way to the socket
    return made


class _NoRedirect(HTTPRedirectHandler):
    def http_error_302(self, req: Request, fp: IO[bytes], code: int, msg: str, headers: HTTPMessage) -> Any:  # noqa: ARG002 - urllib's
        return None

    http_error_301 = http_error_303 = http_error_307 = http_error_308 = http_error_302


class _SameOrigin(HTTPRedirectHandler):
    def http_error_302(self, req: Request, fp: IO[bytes], code: int, msg: str, headers: HTTPMessage) -> Any:
        try:
            return super().http_error_302(req, fp, code, msg, headers)
        except ValueError:  # it leads to no URL
            return None

    http_error_301 = http_error_303 = http_error_307 = http_error_308 = http_error_302

    def redirect_request(self, req: Request, fp: Any, code: int, msg: str, headers: Any, newurl: str) -> Request | None:
        here, there = urlsplit(req.full_url), urlsplit(newurl)
        if (here.scheme, here.netloc) != (there.scheme, there.netloc):
            return None
        return super().redirect_request(req, fp, code, msg, headers, newurl)
