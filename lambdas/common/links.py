"""Addresses in AWS's console, of what is seen there about an incident, at its time.

AWS documents none of them: they are as the console itself writes them.
"""

import re
from datetime import UTC, datetime, timedelta

AROUND = timedelta(minutes=30)
"""How much is shown before the begin of an incident and after its end."""


EVERYTHING = "fields @timestamp, @message | sort @timestamp desc | limit 200"
"""The query for all that a log group has."""


def alarm(console: str, name: str) -> str:
    """The page of an alarm; `console` is the address of CloudWatch in it."""
    return f"{console}#alarmsV2:alarm/{name}"


def execution(console: str, identifier: str) -> str:
    """The page of an execution of an Automation document; `console` is the address of CloudWatch in it."""
    origin, _, rest = console.partition("/cloudwatch/")
    return f"{origin}/systems-manager/automation/execution/{identifier}?{rest.partition('?')[2]}"


def dashboard(url: str, begin: datetime, end: datetime) -> str:
    """A dashboard, between two times."""
    return f"{url}?start={_iso(begin - AROUND)}&end={_iso(end + AROUND)}"


def logs(console: str, group: str, query: str, begin: datetime, end: datetime) -> str:
    """Logs Insights with a query over a log group, between two times."""
    detail = (
        f"~(end~{_value(_iso(end + AROUND))}~start~{_value(_iso(begin - AROUND))}~timeType~'ABSOLUTE~tz~'UTC"
        f"~editorString~{_value(query)}~source~(~{_value(group)}))"
    )
    # Escaped twice, with a dollar for the percent sign.
    escaped = re.sub(r"[~()']", lambda found: f"$25{ord(found[0]):X}", detail)
    return f"{console}#logsV2:logs-insights$3FqueryDetail$3D{escaped}"


def _value(text: str) -> str:
    """A string inside the query's details."""
    return "'" + re.sub(r"[^A-Za-z0-9.-]", lambda found: "".join(f"*{byte:02x}" for byte in found[0].encode()), text)


def _iso(moment: datetime) -> str:
    return f"{moment.astimezone(UTC):%Y-%m-%dT%H:%M:%S}.000Z"
