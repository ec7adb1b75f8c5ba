"""A rollback in production, whose long name decides how CloudFormation truncates what it names: the drills run in staging."""

import json
from datetime import timedelta

from local.cloud import Cloud
from local.drills.pipeline import Pipeline
from runbook.alarms import DEPENDENCY_ALARMS


def test_productions_rollback_passes_the_backends_roles_and_nothing_is_denied(cloud: Cloud, pipeline: Pipeline) -> None:
    environment, alarms = cloud.environment, cloud.client("cloudwatch")
    cloud.advance(timedelta(hours=25))  # past the budget and the incidents of other tests
    good = pipeline.release("600dca5e")  # nothing goes back to a revision that an incident ran on
    cloud.advance(timedelta(minutes=15))
    pipeline.release("b4dca5e")
    cloud.advance(timedelta(minutes=15))
    assert pipeline.settled
    alarms.set_alarm_state(AlarmName=environment.service_impaired_alarm, StateValue="OK", StateReason="as before")
    cloud.wait_until_idle()
    began = cloud.now()
    for name in DEPENDENCY_ALARMS:  # nobody publishes metrics here, and an alarm without data is not healthy
        alarms.set_alarm_state(AlarmName=f"{environment.prefix}-{name}", StateValue="OK", StateReason="it is well")
    for state in ("ALARM", "OK"):
        alarms.set_alarm_state(AlarmName=environment.service_impaired_alarm, StateValue=state, StateReason="a bad release")
        cloud.wait_until_idle()
        cloud.advance(timedelta(minutes=5))
    assert (pipeline.task_definition, pipeline.settled) == (good, True), cloud.logs("rollback")
    calls = [call for call in cloud.calls("rollback") if call.time >= began]
    assert [call.action for call in calls if not call.allowed] == []
    passed = {call.resource for call in calls if call.action == "PassRole"}
    assert passed == {environment.role_arn(environment.execution_role), environment.role_arn(environment.task_role)}


def test_pages_are_read_with_the_permission_that_composite_alarms_need(cloud: Cloud) -> None:
    event = json.dumps({"source": "aws.events", "time": f"{cloud.now():%Y-%m-%dT%H:%M:%SZ}"})
    cloud.wait_until_idle()  # it runs once at a time
    answer = cloud.client("lambda").invoke(FunctionName=cloud.environment.function("notify"), Payload=event)
    assert "FunctionError" not in answer
    read = [(call.resource, call.allowed) for call in cloud.calls("notify") if call.action == "DescribeAlarms"]
    assert set(read) == {("*", True)}
