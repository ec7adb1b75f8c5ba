"""Functions: their logs on the clock, the metrics in their logs, and knowing when all have ended.

Replaced in ministack 1.5.33:
- `lambda_svc._emit_lambda_logs`: the same lines, at the clock's time;
- `cloudwatch_logs._append_log_events`: called through; metrics in the embedded metric format are extracted from the events, as
  CloudWatch Logs does (https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format_Specification.html);
- `lambda_svc.invoke_async_with_retry`: the same retries and failure destination, counted while they run;
- `Worker._drain_stderr_bounded`: waits longer, so that no line of an invocation is counted to the next.
"""

import contextvars
import functools
import json
import threading
import time
from collections.abc import Callable, Mapping
from typing import Any

from ministack.core import lambda_runtime
from ministack.core.responses import new_uuid, request_scope
from ministack.services import cloudwatch, cloudwatch_logs, lambda_svc

from local.clock import Clock

_RETRY_SECONDS = (1, 2)
"""AWS waits a minute before the first and two before the second retry of an asynchronous invocation."""


def install(clock: Clock) -> dict[str, Callable[..., Any]]:
    """Plug in; the control calls `idle` and `logs`."""
    append = cloudwatch_logs._append_log_events
    drain = lambda_runtime.Worker._drain_stderr_bounded
    lambda_runtime.Worker._drain_stderr_bounded = functools.partialmethod(drain, idle_confirm=0.03)
    running, ended = [0], threading.Condition()

    def append_log_events(stream: Any, events: list[dict[str, Any]]) -> None:
        append(stream, events)
        for event in events:
            extract_metrics(event["message"], clock.time())

    def emit(
        function: dict[str, Any], request_id: str, text: str, error: bool, milliseconds: int, *, log_source: str | None = None
    ) -> None:
        config = function.get("config") or function
        name, version = config["FunctionName"], config.get("Version", "$LATEST")
        group = (config.get("LoggingConfig") or {}).get("LogGroup") or f"/aws/lambda/{name}"
        stream = f"{clock.now():%Y/%m/%d}/[{version}]{new_uuid().replace('-', '')}"
        lines = [
            f"START RequestId: {request_id} Version: {version}",
            *text.splitlines(),
            f"END RequestId: {request_id}",
            f"REPORT RequestId: {request_id}\tDuration: {milliseconds} ms\tBilled Duration: {milliseconds} ms\t"
            f"Memory Size: {config.get('MemorySize', 128)} MB",
        ]
        now = int(clock.time() * 1000)
        if group not in cloudwatch_logs._log_groups:
            cloudwatch_logs._create_log_group({"logGroupName": group})
        cloudwatch_logs._create_log_stream({"logGroupName": group, "logStreamName": stream})
        events = [{"timestamp": now, "message": line} for line in lines]
        cloudwatch_logs._put_log_events({"logGroupName": group, "logStreamName": stream, "logEvents": events})

    def invoke_async(function: dict[str, Any], event: Any) -> None:
        with ended:
            running[0] += 1
        context = contextvars.copy_context()
        threading.Thread(target=context.run, args=(invoke_with_retries, function, event), daemon=True).start()

    def invoke_with_retries(function: dict[str, Any], event: Any) -> None:
        config = function.get("config") or function
        settings = function.get("event_invoke_config") or (function.get("event_invoke_configs") or {}).get("$LATEST") or {}
        retries = int(settings.get("MaximumRetryAttempts", len(_RETRY_SECONDS)))
        try:
            with request_scope(*config["FunctionArn"].split(":")[4:2:-1]):
                for wait in (0, *_RETRY_SECONDS[:retries]):
                    time.sleep(wait)
                    result = lambda_svc._execute_function(function, event)
                    failed = bool(result.get("error"))
                    lambda_svc._emit_lambda_metrics(config["FunctionName"], duration_ms=0.0, error=failed, throttle=False)
                    if not failed:
                        return
                target = (settings.get("DestinationConfig") or {}).get("OnFailure", {}).get("Destination")
                target = target or (config.get("DeadLetterConfig") or {}).get("TargetArn")
                if target:
                    lambda_svc._route_async_failure(target, config["FunctionName"], event, result)
        finally:
            with ended:
                running[0] -= 1
                ended.notify_all()

    def idle(seconds: float) -> bool:
        """Wait until no function runs that was invoked asynchronously, at most so long; whether none does."""
        with ended:
            return ended.wait_for(lambda: not running[0], timeout=seconds)

    def logs(function: str) -> list[str]:
        """The lines a function wrote, oldest first, without Lambda's own."""
        record = lambda_svc._functions.get(function)
        if record is None:
            raise ValueError(f"there is no function {function}")
        group = (record["config"].get("LoggingConfig") or {}).get("LogGroup") or f"/aws/lambda/{function}"
        streams = cloudwatch_logs._log_groups.get(group, {"streams": {}})["streams"].values()
        # A sort that is stable keeps the order in which invocations ended and lines were written.
        events = sorted((event for stream in streams for event in stream["events"]), key=lambda event: event["timestamp"])
        own = ("START RequestId: ", "END RequestId: ", "REPORT RequestId: ")
        return [event["message"] for event in events if not event["message"].startswith(own)]

    cloudwatch_logs._append_log_events = append_log_events
    lambda_svc._emit_lambda_logs = emit
    lambda_svc.invoke_async_with_retry = invoke_async
    return {"idle": idle, "logs": logs}


def extract_metrics(message: str, at: float) -> None:
    """Store the metrics that a log event in the embedded metric format holds, at `at`, epoch seconds."""
    if not message.startswith("{") or '"_aws"' not in message:
        return
    try:
        event = json.loads(message)
        directives = event["_aws"]["CloudWatchMetrics"]
    except (ValueError, KeyError, TypeError):
        return  # a log line like any other
    for directive in directives:
        for names in directive.get("Dimensions") or [[]]:
            dimensions = {name: str(event[name]) for name in names if name in event}
            for metric in directive.get("Metrics", ()):
                _store(directive["Namespace"], metric, dimensions, event, at)


def _store(namespace: str, metric: Mapping[str, Any], dimensions: dict[str, str], event: Mapping[str, Any], at: float) -> None:
    value = event.get(metric["Name"])
    values = value if isinstance(value, list) else [value]
    numbers = [float(number) for number in values if isinstance(number, int | float)]
    if numbers:
        unit = metric.get("Unit", "None")
        cloudwatch._store_datum(namespace, metric["Name"], dimensions, at, unit, None, numbers, None, None)
