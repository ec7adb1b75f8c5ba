"""Probes of the site over HTTPS, and what their answers mean."""

import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from http.client import HTTPException
from urllib.error import HTTPError
from urllib.request import Request, urlopen

TIMEOUT_SECONDS = 5.0
_WORDS = {"api": "API", "frontend": "Frontend"}
_MOST = 1_000_000  # bytes read of an answer: a health answer and a page are far smaller


@dataclass(frozen=True)
class Answer:
    """An HTTP answer, of whatever status."""

    status: int
    content_type: str
    body: bytes


@dataclass(frozen=True)
class Probe:
    """What a probe of a target saw: `problem` in words, empty when it is healthy; `latency` in milliseconds; `database`: what
    the answer says of the database, empty when it says nothing."""

    target: str
    url: str
    problem: str
    latency: float
    database: str = ""

    @property
    def healthy(self) -> bool:
        return not self.problem


def probe(target: str, url: str, judge: Callable[[Answer], str], seconds: float = TIMEOUT_SECONDS) -> Probe:
    """Get the URL and judge the answer; no answer within so many seconds is a problem as well."""
    started = time.monotonic()
    database = ""
    try:
        answer = _get(url, seconds)
        problem, database = judge(answer), database_state(answer)
    except (OSError, HTTPException) as error:  # refused, timed out, no such name, no trust, no HTTP
        problem = f"{_WORDS[target]} does not answer: {getattr(error, 'reason', None) or error or type(error).__name__}"
    return Probe(target, url, problem, round(1000 * (time.monotonic() - started), 1), database)


def _get(url: str, seconds: float) -> Answer:
    request = Request(url, headers={"User-Agent": "hz-navigator-health-check"})  # noqa: S310 - the settings only take https
    try:
        answer = urlopen(request, timeout=seconds)  # noqa: S310 - as above
    except HTTPError as error:  # a status that is no success is an answer too
        answer = error
    with answer:
        return Answer(answer.status, answer.headers.get_content_type(), answer.read(_MOST))


def api_problem(answer: Answer) -> str:
    """What is wrong with the answer of the API's health path, empty when nothing is."""
    report = _health_report(answer)
    if report is None:
        return f"API answers {answer.status}, and its body is not the health report"
    status, database = report
    if (answer.status, status, database) == (200, "healthy", "connected"):
        return ""
    if database != "connected":
        return f"API answers {answer.status}: database {database}"
    return f"API answers {answer.status}: {status}"


def database_state(answer: Answer) -> str:
    """What an answer of the API's health path says of the database; empty when it is no health report."""
    report = _health_report(answer)
    return report[1] if report else ""


def _health_report(answer: Answer) -> tuple[str, str] | None:
    """The status and the database's state, as far as the answer is a health report."""
    try:
        body = json.loads(answer.body)
        return str(body["status"]), str(body["services"]["database"])
    except (ValueError, LookupError, TypeError):
        return None


def frontend_problem(answer: Answer) -> str:
    """What is wrong with the answer of the frontend, empty when nothing is."""
    if answer.status != 200:
        return f"Frontend answers {answer.status}"
    if answer.content_type != "text/html":
        return f"Frontend answers 200 with {answer.content_type} instead of a page"
    return ""
