"""`health_check`: is the service there for its users? Appendix A of the runbook, every minute and on demand.

Probes the API's health and the frontend from outside, over HTTPS, and publishes what it saw as metrics.
"""

from dataclasses import asdict
from functools import cache
from typing import Any

from aws_lambda_powertools import Logger
from aws_lambda_powertools.metrics import EphemeralMetrics, MetricUnit

from lambdas.common.settings import HealthCheckSettings, read
from lambdas.health_check.probes import api_problem, frontend_problem, probe

logger = Logger(service="health_check")


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
        _publish(settings, seen.target, healthy=seen.healthy, latency=seen.latency)
        if seen.database:  # an API that does not answer says nothing of its database
            _publish(settings, "database", healthy=seen.database == "connected")
    problems = [seen.problem for seen in probes if seen.problem]
    summary = "; ".join(problems) or "All services healthy"
    report = {
        "healthy": not problems,
        "summary": summary,
        "targets": {seen.target: asdict(seen) | {"healthy": seen.healthy} for seen in probes},
    }
    logger.info(summary, healthy=not problems, targets=report["targets"])
    return report


def _publish(settings: HealthCheckSettings, target: str, *, healthy: bool, latency: float | None = None) -> None:
    """Metrics in CloudWatch's embedded metric format, under exactly the dimensions that the alarms read."""
    metrics = EphemeralMetrics(namespace=settings.namespace)
    metrics.add_dimension("Environment", settings.environment)
    metrics.add_dimension("Target", target)
    metrics.add_metric("Availability", MetricUnit.Percent, 100 if healthy else 0)
    if latency is not None:
        metrics.add_metric("Latency", MetricUnit.Milliseconds, latency)
    metrics.flush_metrics()
