"""`incident_page`: the incident that is open, or the last one, as HTML for a custom widget of the dashboard.

https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/add_custom_widget_dashboard.html
"""

from collections.abc import Mapping
from typing import Any

from lambdas.common.clock import Clock
from lambdas.common.record.incident import Incident
from lambdas.common.record.store import Records
from lambdas.incident_page import page
from lambdas.incident_page.settings import IncidentPageSettings

DESCRIPTION = "Shows the incident that is open, or the last one. It takes no parameters, and changes nothing."
"""What the console shows of the function when a widget is made from it."""


class IncidentPage:
    """The function in one environment. It only reads."""

    def __init__(self, settings: IncidentPageSettings, records: Records, clock: Clock) -> None:
        self._settings = settings
        self._records = records
        self._clock = clock

    def run(self, event: Any) -> str:
        """The page in the theme of who looks, light where the event does not say; raises what AWS raises."""
        given = event if isinstance(event, Mapping) else {}
        if given.get("describe"):
            return DESCRIPTION
        context = given.get("widgetContext")
        dark = isinstance(context, Mapping) and context.get("theme") == "dark"
        return page.html(self._newest(), self._settings, self._clock(), dark=dark)

    def _newest(self) -> Incident | None:
        entries = self._records.entries()
        entry = next((one for one in entries if one.closed is None), next(iter(entries), None))
        return self._records.read(entry.name) if entry else None
