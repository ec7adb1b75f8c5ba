"""`health_check`: probes the API and the frontend."""

from typing import Any

from aws_lambda_powertools import Logger

logger = Logger(service="health_check")


def handle(event: dict[str, Any], context: object) -> dict[str, Any]:
    """Log the call."""
    logger.info("probe", event=event)
    return {}
