"""Functions: their logs on the clock, the metrics in their logs, who may invoke them, and when all have ended.

Replaced in ministack 1.5.33:
- `lambda_svc._emit_lambda_logs`: the same lines, at the clock's time;
- `cloudwatch_logs._append_log_events`: called through; metrics in the embedded metric format are extracted from the events, as
  CloudWatch Logs does (https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format_Specification.html);
- `lambda_svc.invoke_async_with_retry`: the same retries and failure destination, counted while they run;
- `Worker._drain_stderr_bounded`: waits longer, so that no line of an invocation is read as one of the next;
- `lambda_svc._create_function` and `_update_config`: called through, unless the environment variables are too large.
"""

import contextlib
import contextvars
import functools
import json
import threading
import time
from collections.abc import Mapping
from typing import Any

from ministack.core import lambda_runtime
from ministack.core.iam_evaluator import EvalContext, evaluate_resource_policy
from ministack.core.responses import get_account_id, get_region, new_uuid, request_scope
from ministack.services import cloudwatch, cloudwatch_logs, lambda_svc

from lambdas.common.settings import MOST_BYTES, measured, size
from local.emulator.clock import Clock

Function = dict[str, Any]

_RETRY_SECONDS = (1, 2)
"""AWS waits a minute before the first and two before the second retry of an asynchronous invocation."""


class Functions:
    """What the emulator's functions do beside running: their logs, the metrics in them, their retries."""

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self._running = 0
        self._ended = threading.Condition()
        self._turns: dict[str, threading.BoundedSemaphore] = {}

    def install(self) -> None:
        """Plug in."""
        self._append = cloudwatch_logs._append_log_events
        cloudwatch_logs._append_log_events = self.append_log_events
        lambda_svc._emit_lambda_logs = self.write_logs
        lambda_svc.invoke_async_with_retry = self.invoke_async
        drain = lambda_runtime.Worker._drain_stderr_bounded
        lambda_runtime.Worker._drain_stderr_bounded = functools.partialmethod(drain, idle_confirm=0.03)
        create, update = lambda_svc._create_function, lambda_svc._update_config
        lambda_svc._create_function = lambda data: _refused(data) or create(data)
        lambda_svc._update_config = lambda name, data: _refused(data) or update(name, data)

    def append_log_events(self, stream: Any, events: list[dict[str, Any]]) -> None:
        self._append(stream, events)
        for event in events:
            extract_metrics(event["message"], self.clock.time())

    def write_logs(self, function: Function, request_id: str, text: str, _error: bool, milliseconds: int, **_: Any) -> None:
        """The log events of one invocation."""
        config = function.get("config") or function
        version = config.get("Version", "$LATEST")
        group = _log_group(config)
        stream = f"{self.clock.now():%Y/%m/%d}/[{version}]{new_uuid().replace('-', '')}"
        lines = [
            f"START RequestId: {request_id} Version: {version}",
            *text.splitlines(),
            f"END RequestId: {request_id}",
            f"REPORT RequestId: {request_id}\tDuration: {milliseconds} ms\tBilled Duration: {milliseconds} ms\t"
            f"Memory Size: {config.get('MemorySize', 128)} MB",
        ]
        if group not in cloudwatch_logs._log_groups:
            cloudwatch_logs._create_log_group({"logGroupName": group})
        cloudwatch_logs._create_log_stream({"logGroupName": group, "logStreamName": stream})
        now = int(self.clock.time() * 1000)
        events = [{"timestamp": now, "message": line} for line in lines]
        cloudwatch_logs._put_log_events({"logGroupName": group, "logStreamName": stream, "logEvents": events})

    def invoke_async(self, function: Function, event: Any) -> None:
        with self._ended:
            self._running += 1
        context = contextvars.copy_context()
        threading.Thread(target=context.run, args=(self._invoke, function, event), daemon=True).start()

    def _invoke(self, function: Function, event: Any) -> None:
        config = function.get("config") or function
        try:
            with request_scope(*config["FunctionArn"].split(":")[4:2:-1]), self._turn(config["FunctionName"]):
                self._invoke_with_retries(function, config, event)
        finally:
            with self._ended:
                self._running -= 1
                self._ended.notify_all()

    def _turn(self, name: str) -> contextlib.AbstractContextManager[object]:
        """Waits, when entered, until a function with reserved concurrency has some left, as events in Lambda's queue do."""
        reserved = (lambda_svc._functions.get(name) or {}).get("concurrency")
        if not reserved:
            return contextlib.nullcontext()
        with self._ended:
            return self._turns.setdefault(name, threading.BoundedSemaphore(reserved))

    def _invoke_with_retries(self, function: Function, config: Function, event: Any) -> None:
        invoke_config = function.get("event_invoke_config") or (function.get("event_invoke_configs") or {}).get("$LATEST") or {}
        retries = int(invoke_config.get("MaximumRetryAttempts", len(_RETRY_SECONDS)))
        result = {}
        for wait in (0, *_RETRY_SECONDS[:retries]):
            time.sleep(wait)
            result = lambda_svc._execute_function(function, event)
            lambda_svc._emit_lambda_metrics(config["FunctionName"], 0.0, bool(result.get("error")), False)
            if not result.get("error"):
                return
        target = (invoke_config.get("DestinationConfig") or {}).get("OnFailure", {}).get("Destination")
        target = target or (config.get("DeadLetterConfig") or {}).get("TargetArn")
        if target:
            lambda_svc._route_async_failure(target, config["FunctionName"], event, result)

    def idle(self, seconds: float) -> bool:
        """Wait until no function runs that was invoked asynchronously, for at most that many seconds; whether none does."""
        with self._ended:
            return self._ended.wait_for(lambda: not self._running, timeout=seconds)

    def logs(self, name: str) -> list[str]:
        """The lines a function wrote, oldest first, without Lambda's own. ValueError when there is no such function."""
        if name not in lambda_svc._functions:
            raise ValueError(f"there is no function {name}")
        group = cloudwatch_logs._log_groups.get(_log_group(lambda_svc._functions[name]["config"]), {"streams": {}})
        # The sort is stable: invocations that ended in one millisecond stay in the order in which they ended.
        events = sorted(
            (one for stream in group["streams"].values() for one in stream["events"]), key=lambda one: one["timestamp"]
        )
        own = ("START RequestId: ", "END RequestId: ", "REPORT RequestId: ")
        return [one["message"] for one in events if not one["message"].startswith(own)]


def too_large(request: Mapping[str, Any]) -> str:
    """What Lambda says of a request's environment variables when they are too large; empty when they are not."""
    variables = (request.get("Environment") or {}).get("Variables") or {}
    if size(variables) <= MOST_BYTES:
        return ""
    return (
        "Lambda was unable to configure your environment variables because the environment variables you have provided "
        f"exceeded the 4KB limit. String measured: {measured(variables)}"
    )


def _refused(request: Mapping[str, Any]) -> Any:
    message = too_large(request)
    return lambda_svc.error_response_json("InvalidParameterValueException", message, 400) if message else None


def invoke_for(service: str, source: str, function: str, event: Mapping[str, Any]) -> str:
    """Invoke a function asynchronously for a service, on behalf of the resource `source`; both resources by their ARNs.

    Gives the error when the function's resource policy does not allow that, or there is no such function; else "".
    """
    record, config, _ = lambda_svc._get_func_record_for_ref(function)
    if record is None:
        return f"Function not found: {function}"
    context = EvalContext(
        principal_arn=service,
        principal_type="Service",
        principal_account=get_account_id(),
        action="lambda:InvokeFunction",
        resource_arn=function,
        region=get_region(),
        service_context={"aws:sourcearn": source, "aws:sourceaccount": get_account_id()},
    )
    if evaluate_resource_policy(record.get("policy"), context, service=service).decision != "Allow":
        return f"{service} is not authorized to perform: lambda:InvokeFunction on the resource {function}"
    lambda_svc.invoke_async_with_retry(lambda_svc._execution_record_for_config(record, config), event)
    return ""


def _log_group(config: Function) -> str:
    return (config.get("LoggingConfig") or {}).get("LogGroup") or f"/aws/lambda/{config['FunctionName']}"


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
