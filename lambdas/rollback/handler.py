"""`rollback`: what happens when the service's composite alarm changes state."""

from typing import Any

from aws_lambda_powertools import Logger

logger = Logger(service="rollback")


def handle(event: dict[str, Any], context: object) -> dict[str, Any]:
    """Log the alarm."""
    logger.info("alarm", event=event)
    return {}
