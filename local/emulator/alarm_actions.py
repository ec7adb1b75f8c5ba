"""Alarm actions, and complete alarm definitions.

Replaced in `ministack.services.cloudwatch` (1.5.33):
- `_evaluate_alarm`, `_evaluate_parent_alarms`: its own evaluation, off: `local.emulator.alarms` evaluates them;
- `_put_metric_alarm`, `_put_composite_alarm`: called through, and the members that they drop are added (metric math,
  low sample counts, the suppressor);
- `_set_alarm_state`: called through, and the previous state is kept for the action's event;
- `_dispatch_alarm_actions`: SNS actions are called through, if the topic's policy allows the alarm. Lambda actions run with the
  documented event, if the function's resource policy does
  (https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/alarms-and-actions-Lambda.html).

While its suppressor is in ALARM, a composite alarm takes no action. When the suppressor leaves ALARM, the composite alarm takes
the actions of its state, unless it had the same state before its first suppressed action. Wait and extension periods are 0.
https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/Create_Composite_Alarm_Suppression.html
"""

import json
import logging
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Any

from ministack.core.responses import get_account_id, get_region, new_uuid
from ministack.services import cloudwatch, sns

from local.emulator.clock import Clock
from local.emulator.functions import invoke_for

Alarm = dict[str, Any]
logger = logging.getLogger("local.alarms")

PRINCIPAL = "lambda.alarms.cloudwatch.amazonaws.com"
_ACTIONS = {"ALARM": "AlarmActions", "OK": "OKActions", "INSUFFICIENT_DATA": "InsufficientDataActions"}
_LOST_OF_METRIC = ("Metrics", "ThresholdMetricId", "EvaluateLowSampleCountPercentile")
_LOST_OF_COMPOSITE = ("ActionsSuppressor", "ActionsSuppressorWaitPeriod", "ActionsSuppressorExtensionPeriod")
_SUPPRESSED = {"ActionsSuppressedBy": "Alarm", "ActionsSuppressedReason": "Actions suppressed by Alarm"}
_NOT_OF_METRIC_MATH = ("MetricName", "Namespace", "Statistic", "ExtendedStatistic", "Period", "Dimensions", "Unit")


class AlarmActions:
    """`before_actions` runs when an alarm has changed its state, before its actions do. What is `muted` takes none."""

    def __init__(self, clock: Clock, before_actions: Callable[[], None], muted: Callable[[str], bool]) -> None:
        self.clock = clock
        self.muted = muted
        self.before_actions = before_actions
        self._previous: dict[str, Alarm] = {}
        self._suppressed: dict[str, str] = {}  # by alarm: its state before the first suppressed action

    def install(self) -> None:
        """Plug in."""
        self._put_metric, self._put_composite = cloudwatch._put_metric_alarm, cloudwatch._put_composite_alarm
        self._set_state, self._notify = cloudwatch._set_alarm_state, cloudwatch._dispatch_alarm_actions
        cloudwatch._put_metric_alarm, cloudwatch._put_composite_alarm = self.put_metric_alarm, self.put_composite_alarm
        cloudwatch._set_alarm_state, cloudwatch._dispatch_alarm_actions = self.set_alarm_state, self.dispatch
        cloudwatch._evaluate_alarm = cloudwatch._evaluate_parent_alarms = lambda *_, **__: None

    def put_metric_alarm(self, parameters: Any, body: Alarm, is_cbor: bool, is_json: bool = False) -> Any:
        answer = self._put_metric(parameters, body, is_cbor, is_json)
        if answer[0] == HTTPStatus.OK and body:
            alarm = cloudwatch._alarms[body["AlarmName"]]
            alarm |= {key: body[key] for key in _LOST_OF_METRIC if key in body}
            made_up = _NOT_OF_METRIC_MATH if "Metrics" in body else ("Statistic",) if "ExtendedStatistic" in body else ()
            for key in (*made_up, *(() if "Threshold" in body else ("Threshold",))):
                alarm.pop(key, None)
        return answer

    def put_composite_alarm(self, parameters: Any, body: Alarm, is_cbor: bool, is_json: bool = False) -> Any:
        answer = self._put_composite(parameters, body, is_cbor, is_json)
        if answer[0] == HTTPStatus.OK and body:
            kept = {key: body[key] for key in _LOST_OF_COMPOSITE if key in body}
            cloudwatch._composite_alarms[body["AlarmName"]].update(kept)
        return answer

    def set_alarm_state(self, parameters: Any, body: Alarm, is_cbor: bool, is_json: bool = False) -> Any:
        self.before_actions()  # what was due before the alarm changes
        name = body.get("AlarmName") or cloudwatch._p(parameters, "AlarmName")
        alarm = _alarm(name)
        before = self._previous[name] = dict(alarm)
        answer = self._set_state(parameters, body, is_cbor, is_json)
        if before and before["StateValue"] != alarm["StateValue"]:
            alarm["StateTransitionedTimestamp"] = alarm["StateUpdatedTimestamp"]
            if before["StateValue"] == "ALARM":
                self._end_suppression(name)
        return answer

    def dispatch(self, alarm: Alarm, old: str, *_: str) -> None:
        """Run the actions of a change of state, unless they are suppressed."""
        self.before_actions()
        if _alarm(_suppressor(alarm)).get("StateValue") == "ALARM":
            self._suppressed.setdefault(alarm["AlarmName"], old)
        else:
            self._suppressed.pop(alarm["AlarmName"], None)
            self._act(alarm, self._previous.get(alarm["AlarmName"], {"StateValue": old}))

    def _end_suppression(self, suppressor: str) -> None:
        for alarm in list(cloudwatch._composite_alarms.values()):
            state = alarm["StateValue"]
            if _suppressor(alarm) == suppressor and self._suppressed.pop(alarm["AlarmName"], state) != state:
                self._act(alarm, alarm | _SUPPRESSED)

    def _act(self, alarm: Alarm, before: Alarm) -> None:
        """Run the actions of the alarm's state, if they are enabled and not muted."""
        if not alarm.get("ActionsEnabled", True) or self.muted(alarm["AlarmName"]):
            return
        state, now = alarm["StateValue"], self.clock.time()
        event = alarm_event(alarm, before, now)
        for arn in alarm.get(_ACTIONS[state], ()):
            if ":lambda:" in arn:
                _record_action(alarm, arn, invoke_for(PRINCIPAL, alarm["AlarmArn"], arn, event), now)
            elif ":sns:" in arn:
                error = _refusal(arn, alarm)
                if not error:
                    self._notify({**alarm, _ACTIONS[state]: [arn]}, before["StateValue"], state, alarm["StateReason"])
                _record_action(alarm, arn, error, now)


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


def _suppressor(alarm: Alarm) -> str:
    return str(alarm.get("ActionsSuppressor", "")).rpartition(":")[2]


def _moment(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "+0000"


def _state(alarm: Alarm, at: float) -> dict[str, Any]:
    state = {"value": alarm["StateValue"], "reason": alarm.get("StateReason", ""), "timestamp": _moment(at)}
    names = {key: key[0].lower() + key[1:] for key in _SUPPRESSED} | {"StateReasonData": "reasonData"}
    return state | {name: alarm[key] for key, name in names.items() if alarm.get(key)}


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


def _refusal(topic: str, alarm: Alarm) -> str:
    """The error when CloudWatch would not be able to publish to a topic."""
    if topic not in sns._topics:
        return f"Topic does not exist: {topic}"
    if not sns.topic_policy_allows(topic, "cloudwatch.amazonaws.com", alarm["AlarmArn"], get_account_id()):
        return f"CloudWatch Alarms is not authorized to perform: SNS:Publish on resource: {topic}"
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
