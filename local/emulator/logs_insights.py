"""Saved queries on the emulator: StartQuery answered by `local.cloudwatch.logs_insights`.

It replaces `cloudwatch_logs._start_query` of ministack 1.5.33, which ignores the filters that it does not support, and
supports neither `parse` nor fields of JSON.
"""

import json
from typing import Any

from ministack.core.responses import error_response_json
from ministack.services import cloudwatch_logs

from local.cloudwatch.logs_insights import MOST_ROWS, QueryError, run


def install() -> None:
    """Answer StartQuery by `run`; a query that is not supported is a MalformedQueryException."""
    start = cloudwatch_logs._start_query

    def start_query(request: dict[str, Any]) -> Any:
        answer = start(request)
        if answer[0] != 200:
            return answer
        kept = cloudwatch_logs._queries[json.loads(answer[2])["queryId"]]
        groups = cloudwatch_logs._resolve_query_log_groups(request)
        records = cloudwatch_logs._collect_query_records(groups, kept["startTime"], kept["endTime"])
        try:
            rows = run(request["queryString"], map(cloudwatch_logs._public_log_record, records))
        except QueryError as error:
            return error_response_json("MalformedQueryException", str(error), 400)
        rows = rows[: int(request.get("limit") or MOST_ROWS)]
        kept["results"] = [[{"field": field, "value": value} for field, value in row.items()] for row in rows]
        kept["statistics"]["recordsMatched"] = float(len(rows))
        return answer

    cloudwatch_logs._start_query = start_query
