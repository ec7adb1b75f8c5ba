"""Searches of logs on the emulator: StartQuery answered by `local.cloudwatch.logs_insights`, patterns by `filter_patterns`.

Replaced in ministack 1.5.33 (`services.cloudwatch_logs`):
- `_start_query`, which ignores the filters that it does not support, and supports neither `parse` nor fields of JSON;
- `_compile_filter_pattern`, which ignores case, takes any character in a term and every line for a JSON pattern;
- `_filter_log_events`: called through, to refuse a pattern as CloudWatch does.
"""

import json
from typing import Any

from ministack.core.responses import error_response_json
from ministack.services import cloudwatch_logs

from local.cloudwatch.filter_patterns import PatternError, matcher
from local.cloudwatch.logs_insights import MOST_ROWS, QueryError, run


def install() -> None:
    """Answer StartQuery by `run` and FilterLogEvents by `matcher`; what they do not take is an error as of CloudWatch."""
    start, search = cloudwatch_logs._start_query, cloudwatch_logs._filter_log_events

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

    def filter_log_events(request: dict[str, Any]) -> Any:
        try:
            return search(request)
        except PatternError as error:
            return error_response_json("InvalidParameterException", str(error), 400)

    cloudwatch_logs._start_query, cloudwatch_logs._filter_log_events = start_query, filter_log_events
    cloudwatch_logs._compile_filter_pattern = matcher
