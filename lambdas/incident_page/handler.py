"""`incident_page`: Lambda's entry. The dashboard's custom widget calls it, under the permissions of who looks at it."""

from functools import cache
from typing import Any

import boto3

from lambdas.common import clock, settings
from lambdas.common.aws import CLIENT
from lambdas.common.record.store import Records
from lambdas.incident_page.function import IncidentPage
from lambdas.incident_page.settings import IncidentPageSettings


def handle(event: Any, _context: object) -> str:
    """The widget's event in, HTML out. What cannot be read is raised, and the widget shows the error."""
    return _function().run(event)


@cache
def _function() -> IncidentPage:
    configured = settings.read(IncidentPageSettings)
    table = boto3.resource("dynamodb", config=CLIENT).Table(configured.records_table)
    return IncidentPage(configured, Records(table), clock.now)
