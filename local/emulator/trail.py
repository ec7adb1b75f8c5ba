"""CloudTrail's event history, which ministack 1.5.33 keeps on request, in real time and with every call's data.

`app._maybe_record_cloudtrail` is replaced: management events that change something are kept, at the clock's time and with who
made them. What only reads, and data events (items, objects, messages, invocations, log lines, metrics), is not:
https://docs.aws.amazon.com/awscloudtrail/latest/userguide/view-cloudtrail-events.html
"""

import json
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

from ministack import app
from ministack.core import iam_evaluator
from ministack.services import cloudtrail

from local.emulator.access import members
from local.emulator.clock import Clock

_READS = ("Get", "List", "Describe", "Head", "Lookup", "BatchGet", "Search", "Filter", "Check", "Validate")
_DATA = {"dynamodb", "lambda", "logs", "monitoring", "cloudwatch", "s3", "sns", "sqs", "sts", "cloudtrail"}
"""Services of whose calls nearly all are data events, or of no environment."""


def install(clock: Clock) -> None:
    """Plug in."""

    def record(
        service: str, method: str, path: str, headers: Any, body: bytes, params: Any, request_id: str, region: str
    ) -> None:
        if service in _DATA or method in ("GET", "HEAD"):
            return
        request = members(headers, body, params)
        name = str(request.get("Action") or app._ct_event_name(service, method, path, headers, params))
        if name.startswith(_READS):
            return
        principal, now = iam_evaluator.caller_arn(), clock.time()
        told = {
            "eventTime": datetime.fromtimestamp(now, UTC).isoformat(),
            "eventName": name,
            "userIdentity": {"arn": principal},
            "awsRegion": region,
            "requestID": request_id,
            "requestParameters": {key: value for key, value in request.items() if "secret" not in key.lower()},
        }
        cloudtrail._get_event_queue().append(
            {
                "EventId": str(uuid4()),
                "EventName": name,
                "EventSource": f"{service}.amazonaws.com",
                "EventTime": now,
                "Username": principal.replace(":", "/").rpartition("/")[2],
                "ReadOnly": "false",
                "Resources": [],
                "CloudTrailEvent": json.dumps(told, default=str),
            }
        )

    app._maybe_record_cloudtrail = record
