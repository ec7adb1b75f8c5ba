"""`health_check`: is the service there for its users? Appendix A of the runbook, every minute and on demand.

Probes the API's health and the frontend from outside, over HTTPS, and publishes what it saw as metrics.
"""

import json
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from functools import cache
from http.client import HTTPException
from typing import Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen

from aws_lambda_powertools import Logger
from aws_lambda_powertools.metrics import EphemeralMetrics, MetricUnit

from common.settings import HealthCheckSettings, read

logger = Logger(service="health_check")

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
    """What a probe of a target saw: `problem` in words, empty when it is healthy; `latency` in milliseconds."""

    target: str
    url: str
    problem: str
    latency: float

    @property
    def healthy(self) -> bool:
        return not self.problem


def handle(_event: Any, _context: object) -> dict[str, Any]:
    """Whatever the event, the report: `healthy`, and each target's probe. Not being healthy is no error."""
    return check(_settings())


@cache
def _settings() -> HealthCheckSettings:
    return read(HealthCheckSettings)


def check(settings: HealthCheckSettings) -> dict[str, Any]:
    """Probe both targets, publish the metrics, and log and return the report."""
    probes = (
        probe("api", settings.api_url + settings.health_check_path, api_problem),
        probe("frontend", settings.frontend_url, frontend_problem),
    )
    for seen in probes:
        _publish(settings, seen)
    problems = [seen.problem for seen in probes if seen.problem]
    summary = "; ".join(problems) or "All services healthy"
    report = {
        "healthy": not problems,
        "summary": summary,
        "targets": {seen.target: asdict(seen) | {"healthy": seen.healthy} for seen in probes},
    }
    logger.info(summary, healthy=not problems, targets=report["targets"])
    return report


def probe(target: str, url: str, judge: Callable[[Answer], str], seconds: float = TIMEOUT_SECONDS) -> Probe:
    """Get the URL and judge the answer; no answer within so many seconds is a problem as well."""
    started = time.monotonic()
    try:
        problem = judge(_get(url, seconds))
    except (OSError, HTTPException) as error:  # refused, timed out, no such name, no trust, no HTTP
        problem = f"{_WORDS[target]} does not answer: {getattr(error, 'reason', None) or error or type(error).__name__}"
    return Probe(target, url, problem, round(1000 * (time.monotonic() - started), 1))


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
    try:
        body = json.loads(answer.body)
        status, database = body["status"], body["services"]["database"]
    except (ValueError, LookupError, TypeError):
        return f"API answers {answer.status}, and its body is not the health report"
    if (answer.status, status, database) == (200, "healthy", "connected"):
        return ""
    if database != "connected":
        return f"API answers {answer.status}: database {database}"
    return f"API answers {answer.status}: {status}"


def frontend_problem(answer: Answer) -> str:
    """What is wrong with the answer of the frontend, empty when nothing is."""
    if answer.status != 200:
        return f"Frontend answers {answer.status}"
    if answer.content_type != "text/html":
        return f"Frontend answers 200 with {answer.content_type} instead of a page"
    return ""


def _publish(settings: HealthCheckSettings, seen: Probe) -> None:
    """Two metrics in CloudWatch's embedded metric format, under exactly the dimensions that the alarms read."""
    metrics = EphemeralMetrics(namespace=settings.namespace)
    metrics.add_dimension("Environment", settings.environment)
    metrics.add_dimension("Target", seen.target)
    metrics.add_metric("Availability", MetricUnit.Percent, 100 if seen.healthy else 0)
    metrics.add_metric("Latency", MetricUnit.Milliseconds, seen.latency)
    metrics.flush_metrics()
