"""Is the service there for its users? Appendix A of the runbook.

Probes the API's health and the frontend from outside, over HTTPS, and publishes what it saw as metrics.
"""

from dataclasses import asdict
from functools import partial
from typing import Any

from aws_lambda_powertools import Logger
from aws_lambda_powertools.metrics import EphemeralMetrics, MetricUnit

from lambdas.health_check.probes import judge_api, judge_frontend, probe
from lambdas.health_check.settings import HealthCheckSettings

logger = Logger(service="health_check")


class HealthCheck:
    """The function in one environment."""

    def __init__(self, settings: HealthCheckSettings) -> None:
        self._settings = settings

    def run(self) -> dict[str, Any]:
        """Probe both targets, publish the metrics, and log and return the report."""
        settings = self._settings
        health_url = settings.api_url + settings.health_check_path
        probes = (
            probe("api", health_url, partial(judge_api, settings.health_report)),
            probe("frontend", settings.frontend_url, judge_frontend),
        )
        for seen in probes:
            self._publish(seen.target, healthy=seen.healthy, latency=seen.latency)
            if seen.database:  # an API that does not answer says nothing of its database
                self._publish("database", healthy=seen.database == settings.health_report.connected)
        problems = [seen.problem for seen in probes if seen.problem]
        summary = "; ".join(problems) or "All services healthy"
        report = {
            "healthy": not problems,
            "summary": summary,
            "targets": {seen.target: asdict(seen) | {"healthy": seen.healthy} for seen in probes},
        }
        logger.info(summary, healthy=not problems, targets=report["targets"])
        return report

    def _publish(self, target: str, *, healthy: bool, latency: float | None = None) -> None:
        """Metrics in CloudWatch's embedded metric format, under exactly the dimensions that the alarms read."""
        metrics = EphemeralMetrics(namespace=self._settings.namespace)
        metrics.add_dimension("Environment", self._settings.environment)
        metrics.add_dimension("Target", target)
        metrics.add_metric("Availability", MetricUnit.Percent, 100 if healthy else 0)
        if latency is not None:
            metrics.add_metric("Latency", MetricUnit.Milliseconds, latency)
        metrics.flush_metrics()
