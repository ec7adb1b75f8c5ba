"""What monitoring waits for before it arms itself: until then nobody is told of anything. Pure: no AWS client, no clock."""

from collections.abc import Iterable

from lambdas.common.alarms import Alarm
from runbook.alarms import alarm_name
from runbook.failures import FAILURES
from runbook.pages import PAGES
from runbook.rows import ROWS

_MEASURED = frozenset(alarm_name(row.slug, "warning") for row in ROWS if row.missing.warning == "breaching")
"""The alarms for which missing data is no good sign: they are OK once the API and the frontend are served."""
_CALM = frozenset(
    (
        *(alarm_name(row.slug, "critical") for row in ROWS),
        *(alarm_name(failure.slug, "critical") for failure in FAILURES),
        *(page.slug for page in PAGES),  # they follow their rows a moment later
    )
)


def waits_for(alarms: Iterable[Alarm], *, deployed: bool) -> list[str]:
    """What is missing for the first release to be healthy, in words; `deployed` when a deployment of the service ended well."""
    by_slug = {alarm.slug: alarm for alarm in alarms}
    missing = [] if deployed else ["no deployment of the service has ended well yet"]
    for slug in sorted(_MEASURED):
        found = by_slug.get(slug)
        if found is None or found.firing or not found.judged:
            missing.append(f"{slug} is not OK yet")
    missing += [f"{slug} fires" for slug, alarm in sorted(by_slug.items()) if alarm.firing and slug in _CALM]
    return missing
