"""The alarm loop of the local cloud: reads alarms and metrics from the emulator, judges them as CloudWatch does, sets states.

CloudWatch evaluates alarms by itself; the emulator's own evaluation ignores dimensions, M of N and missing data. So the
server switches it off and calls `AlarmEvaluator.tick` instead. In `ministack.services.cloudwatch` (1.5.33) it has to replace,
by functions that do nothing:

- `_evaluate_alarm(alarm)`: called by PutMetricAlarm, by CloudFormation and, through `_evaluate_all_alarms`, by PutMetricData;
- `_evaluate_parent_alarms(child, seen=...)`: moves composite alarms whenever a child is set, one child at a time, so that
  a composite would clear and fire again while a single tick is still under way.

`_composite_rule_state`, used once when a composite is put, can stay: CloudWatch evaluates a new composite at once too.

`SetAlarmState` stays the one way into a state: it records the history and calls `_dispatch_alarm_actions(alarm, old_state,
new_state, reason)` only when the state changes; what an action does (SNS, Lambda) belongs there. The new `StateReasonData`,
JSON as CloudWatch documents it, is on the alarm by then (`alarm["StateReasonData"]`).

DescribeAlarms must return what the definition says, `Metrics` of a metric-math alarm and `EvaluateLowSampleCountPercentile`
included: the emulator drops both in PutMetricAlarm and refuses the first in CloudFormation, but returns whatever keys an
alarm stored by `cloudformation_put_metric_alarm` has.
"""
