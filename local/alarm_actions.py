"""Alarm actions, and alarm definitions kept whole.

Replaced in `ministack.services.cloudwatch` (1.5.33):
- `_evaluate_alarm`, `_evaluate_parent_alarms`: its own evaluation, off; `local.alarms` evaluates as CloudWatch documents it;
- `_put_metric_alarm`, `_put_composite_alarm`: called through, and the members they lose are kept (metric math, low sample
  counts, the suppressor);
- `_set_alarm_state`: called through, with the state before at hand for the action's event;
- `_dispatch_alarm_actions`: SNS actions called through; Lambda actions run with the documented event, when the function's
  resource policy admits the alarm (https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/alarms-and-actions-Lambda.html).
"""

import json
import logging
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

from ministack.core.iam_evaluator import EvalContext, evaluate_resource_policy
from ministack.core.responses import get_account_id, get_region, new_uuid
from ministack.services import cloudwatch, lambda_svc

from local.clock import Clock

Alarm = dict[str, Any]
logger = logging.getLogger("local.alarms")

PRINCIPAL = "lambda.alarms.cloudwatch.amazonaws.com"
_ACTIONS = {"ALARM": "AlarmActions", "OK": "OKActions", "INSUFFICIENT_DATA": "InsufficientDataActions"}
_LOST = {
    "MetricAlarm": ("Metrics", "ThresholdMetricId", "EvaluateLowSampleCountPercentile", "InsufficientDataActions"),
    "CompositeAlarm": ("ActionsSuppressor", "ActionsSuppressorWaitPeriod", "ActionsSuppressorExtensionPeriod"),
}
_MADE_UP = ("MetricName", "Namespace", "Statistic", "ExtendedStatistic", "Period", "Dimensions", "Unit")  # of metric math


def install(clock: Clock, before_actions: Callable[[], None]) -> None:
    """Plug in. `before_actions` runs when an alarm has changed its state, before its actions do."""
    put_metric, put_composite = cloudwatch._put_metric_alarm, cloudwatch._put_composite_alarm
    set_state, notify = cloudwatch._set_alarm_state, cloudwatch._dispatch_alarm_actions
    previous: dict[str, Alarm] = {}

    def put_metric_alarm(parameters: Any, body: Alarm, is_cbor: bool, is_json: bool = False) -> Any:
        answer = put_metric(parameters, body, is_cbor, is_json)
        if answer[0] == 200 and body:
            alarm = cloudwatch._alarms[body["AlarmName"]]
            alarm |= {key: body[key] for key in _LOST["MetricAlarm"] if key in body}
            unset = _MADE_UP if "Metrics" in body else ("Statistic",) if "ExtendedStatistic" in body else ()
            for key in unset:
                alarm.pop(key, None)
            if "Threshold" not in body:
                del alarm["Threshold"]
        return answer

    def put_composite_alarm(parameters: Any, body: Alarm, is_cbor: bool, is_json: bool = False) -> Any:
        answer = put_composite(parameters, body, is_cbor, is_json)
        if answer[0] == 200 and body:
            kept = {key: body[key] for key in _LOST["CompositeAlarm"] if key in body}
            cloudwatch._composite_alarms[body["AlarmName"]].update(kept)
        return answer

    def set_alarm_state(parameters: Any, body: Alarm, is_cbor: bool, is_json: bool = False) -> Any:
        name = body.get("AlarmName") or cloudwatch._p(parameters, "AlarmName")
        before_actions()  # what was due before the alarm changes
        alarm = _alarm(name)
        before = dict(alarm)
        previous[name] = before
        answer = set_state(parameters, body, is_cbor, is_json)
        if before and before["StateValue"] != alarm["StateValue"]:
            alarm["StateTransitionedTimestamp"] = alarm["StateUpdatedTimestamp"]
        return answer

    def dispatch(alarm: Alarm, old: str, new: str, reason: str) -> None:
        before_actions()
        suppressor = alarm.get("ActionsSuppressor")
        if not alarm.get("ActionsEnabled", True) or (suppressor and _alarm(suppressor).get("StateValue") == "ALARM"):
            return
        notify(alarm, old, new, reason)
        functions = [arn for arn in alarm.get(_ACTIONS[new], ()) if ":lambda:" in arn]
        event = alarm_event(alarm, previous.get(alarm["AlarmName"], {"StateValue": old}), clock.time())
        for arn in functions:
            error = _invoke(arn, alarm["AlarmArn"], event)
            _record_action(alarm, arn, error, clock.time())

    cloudwatch._put_metric_alarm, cloudwatch._put_composite_alarm = put_metric_alarm, put_composite_alarm
    cloudwatch._set_alarm_state, cloudwatch._dispatch_alarm_actions = set_alarm_state, dispatch
    cloudwatch._evaluate_alarm = cloudwatch._evaluate_parent_alarms = lambda *_, **__: None


def alarm_event(alarm: Alarm, before: Alarm, at: float) -> dict[str, Any]:
    """The event with which CloudWatch invokes a function for an alarm that changed its state at `at`, epoch seconds."""
    return {
        "source": "aws.cloudwatch",
        "alarmArn": alarm["AlarmArn"],
        "accountId": get_account_id(),
        "time": _moment(at),
        "region": get_region(),
        "alarmData": {
            "alarmName": alarm["AlarmName"],
            "state": _state(alarm, at),
            "previousState": _state(before, before.get("StateUpdatedTimestamp", at)),
            "configuration": _composite(alarm) if "AlarmRule" in alarm else _metric(alarm),
        },
    }


def _alarm(name: str) -> Alarm:
    found: Alarm = cloudwatch._alarms.get(name) or cloudwatch._composite_alarms.get(name) or {}
    return found


def _moment(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "+0000"


def _state(alarm: Alarm, at: float) -> dict[str, Any]:
    state = {"value": alarm["StateValue"], "reason": alarm.get("StateReason", ""), "timestamp": _moment(at)}
    return state | ({"reasonData": alarm["StateReasonData"]} if alarm.get("StateReasonData") else {})


def _composite(alarm: Alarm) -> dict[str, Any]:
    names = {
        "AlarmRule": "alarmRule",
        "AlarmDescription": "description",
        "ActionsSuppressor": "actionsSuppressor",
        "ActionsSuppressorWaitPeriod": "actionsSuppressorWaitPeriod",
        "ActionsSuppressorExtensionPeriod": "actionsSuppressorExtensionPeriod",
    }
    return {name: alarm[key] for key, name in names.items() if alarm.get(key)}


def _metric(alarm: Alarm) -> dict[str, Any]:
    queries = alarm.get("Metrics") or [
        {
            "Id": new_uuid(),
            "MetricStat": {
                "Metric": {key: alarm[key] for key in ("Namespace", "MetricName", "Dimensions") if key in alarm},
                "Period": alarm["Period"],
                "Stat": alarm.get("ExtendedStatistic") or alarm.get("Statistic"),
                **({"Unit": alarm["Unit"]} if alarm.get("Unit") else {}),
            },
        }
    ]
    return {"description": alarm.get("AlarmDescription", ""), "metrics": [_query(query) for query in queries]}


def _query(query: Mapping[str, Any]) -> dict[str, Any]:
    shown: dict[str, Any] = {"id": query["Id"], "returnData": query.get("ReturnData", True)}
    shown |= {key.lower(): query[key] for key in ("Expression", "Label") if query.get(key)}
    if stat := query.get("MetricStat"):
        metric = stat["Metric"]
        shown["metricStat"] = {
            "metric": {
                "namespace": metric["Namespace"],
                "name": metric["MetricName"],
                "dimensions": {one["Name"]: one["Value"] for one in metric.get("Dimensions", ())},
            },
            "period": stat["Period"],
            "stat": stat["Stat"],
            **({"unit": stat["Unit"]} if stat.get("Unit") else {}),
        }
    return shown


def _invoke(arn: str, alarm_arn: str, event: Mapping[str, Any]) -> str:
    """Invoke a function asynchronously; the error when CloudWatch would not be able to."""
    function, config, _ = lambda_svc._get_func_record_for_ref(arn)
    if function is None:
        return f"Function not found: {arn}"
    context = EvalContext(
        principal_arn=PRINCIPAL,
        principal_type="Service",
        principal_account=get_account_id(),
        action="lambda:InvokeFunction",
        resource_arn=arn,
        region=get_region(),
        service_context={"aws:sourcearn": alarm_arn, "aws:sourceaccount": get_account_id()},
    )
    if evaluate_resource_policy(function.get("policy"), context, service=PRINCIPAL).decision != "Allow":
        return f"CloudWatch is not authorized to perform: lambda:InvokeFunction on the resource {arn}"
    lambda_svc.invoke_async_with_retry(lambda_svc._execution_record_for_config(function, config), event)
    return ""


def _record_action(alarm: Alarm, arn: str, error: str, at: float) -> None:
    """What DescribeAlarmHistory shows of an action."""
    if error:
        logger.warning("%s: %s", alarm["AlarmName"], error)
    summary = f"Failed to execute action {arn}. Received error: {error}" if error else f"Successfully executed action {arn}"
    cloudwatch._history_entries().append(
        {
            "AlarmName": alarm["AlarmName"],
            "AlarmType": "CompositeAlarm" if "AlarmRule" in alarm else "MetricAlarm",
            "Timestamp": cloudwatch._ts_iso(at),
            "HistoryItemType": "Action",
            "HistorySummary": summary,
            "HistoryData": json.dumps({"actionState": "Failed" if error else "Succeeded", "notificationResource": arn}),
        }
    )
