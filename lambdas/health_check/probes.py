"""Probes of the site over HTTPS, and what their answers mean."""

import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from lambdas.common.https import Answer, NoAnswerError, get
from lambdas.common.words import one_line
from lambdas.health_check.settings import HealthReport

TIMEOUT_SECONDS = 5.0
_WORDS = {"api": "API", "frontend": "Frontend"}
_MEMBER = 100  # characters of a member of the health report


@dataclass(frozen=True)
class Verdict:
    """What an answer means: the `problem` in words, and what it says of the database; empty where there is none. `kept_out`
    says that maintenance answered."""

    problem: str = ""
    database: str = ""
    kept_out: bool = False


@dataclass(frozen=True)
class Probe:
    """What a probe of a target saw: `problem`, `database` and `kept_out` as in its verdict, `latency` in milliseconds."""

    target: str
    url: str
    problem: str
    latency: float
    database: str = ""
    kept_out: bool = False

    @property
    def healthy(self) -> bool:
        return not self.problem


def probe(target: str, url: str, judge: Callable[[Answer], Verdict], seconds: float = TIMEOUT_SECONDS) -> Probe:
    """Get the URL and judge the answer; no whole answer within this many seconds is a problem as well."""
    started = time.monotonic()
    try:
        verdict = judge(get(url, {"User-Agent": "operations-health-check"}, seconds, redirects=True))
    except NoAnswerError as error:
        verdict = Verdict(f"{_WORDS[target]} does not answer: {error}")
    latency = round(1000 * (time.monotonic() - started), 1)
    return Probe(target, url, verdict.problem, latency, verdict.database, verdict.kept_out)


def judge_api(report: HealthReport, answer: Answer) -> Verdict:
    """The verdict on an answer of the API's health path, which should be such a report."""
    try:
        body = json.loads(answer.body)
        status, database = _member(body, report.status), _member(body, report.database)
    except (ValueError, LookupError, TypeError, RecursionError):
        return Verdict(f"API answers {answer.status}, and its body is not the health report")
    if database != report.connected:
        return Verdict(f"API answers {answer.status}: database {database}", database)
    if (answer.status, status) != (200, report.healthy):
        return Verdict(f"API answers {answer.status}: {status}", database)
    return Verdict(database=database)


def _member(body: Any, path: str) -> str:
    """The member at a path, in which a dot goes one level down."""
    for name in path.split("."):
        body = body[name]
    return one_line(str(body), _MEMBER)


def judge_frontend(answer: Answer) -> Verdict:
    """The verdict on an answer of the frontend."""
    if answer.status != 200:
        return Verdict(f"Frontend answers {answer.status}")
    if answer.content_type != "text/html":
        return Verdict(f"Frontend answers 200 with {one_line(answer.content_type, _MEMBER)} instead of a page")
    return Verdict()
