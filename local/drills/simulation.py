"""A deployed environment in use: its users, its releases, its metrics, the people who run it, and the passing of time.

Time passes a minute at a time: requests really go to the stand-in application, what AWS would publish of them is published, the
alarms are judged, and their actions invoke the real functions under their real roles.
"""

import json
from collections.abc import Sequence
from datetime import timedelta
from typing import Any, Literal

from local.cloud import Cloud, CloudError
from local.cloudwatch.loop import Transition
from local.drills.inbox import Inbox
from local.drills.metrics import Metrics
from local.drills.pipeline import Pipeline
from local.drills.users import Users
from local.emulator.alarms import AlarmEvaluator
from runbook.alarms import LOOKING_BACK
from runbook.rules import CALM

MINUTE = timedelta(minutes=1)
QUIET_MINUTES = 7
"""As far as any alarm looks back."""
_PROBED = timedelta(seconds=30)
"""Into each minute, the health check runs."""
ARMING_MINUTES = 5
"""Within these, an environment that is served arms its monitoring by itself."""
CALM_MINUTES = CALM // MINUTE + 2
"""Within these, people are told that a page is over, or that it was handled automatically."""


class Simulation:
    """An environment in use on the local cloud it is deployed to. The owner closes it."""

    def __init__(self, cloud: Cloud) -> None:
        self.cloud = cloud
        self.environment = cloud.environment
        self.pipeline = Pipeline(cloud)
        self.users = Users(cloud)
        self.metrics = Metrics(cloud)
        self.inbox = Inbox(cloud)
        self.cloudwatch = cloud.client("cloudwatch")
        self.alarms = AlarmEvaluator(self.cloudwatch)
        self.paused: set[str] = set()
        """The functions whose schedule is off."""
        self._lambda, self._rds, self._ecs = cloud.client("lambda"), cloud.client("rds"), cloud.client("ecs")
        self.inbox.new()  # subscribed from the start
        # From the start of a minute: what is done in one then never reaches into the next, and a trace has no gap.
        self._time = cloud.now().replace(second=0, microsecond=0)
        self._advance(MINUTE)
        cloud.wait_until_idle()  # the functions that new alarms invoked
        for _ in range(QUIET_MINUTES):  # alarms look back: before there were metrics, silence would look like an outage
            self._pass_minute()
            self._run("notify")
        self._wait_until_armed()

    def close(self) -> None:
        """Close the users' connection."""
        self.users.close()

    def _wait_until_armed(self) -> None:
        """CloudError says what monitoring waits for, where it does not arm itself."""
        for _ in range(ARMING_MINUTES):
            self.minute()
            if self.armed:
                return
        waiting = [json.loads(line)["waits_for"] for line in self.cloud.logs("notify") if '"waits_for"' in line]
        raise CloudError(f"Monitoring has not armed itself: {'; '.join(*waiting[-1:]) or 'notify does not say why'}")

    # The passing of time

    def minute(self, unseen: int = 0) -> Sequence[Transition]:
        """Let a minute pass: requests, their metrics, the health check, the alarms, notifications. The alarms that changed.

        Before it pass `unseen` ones, in which no alarm is judged and `notify` does not run: a long wait is over sooner.
        """
        for _ in range(unseen):
            self._pass_minute()
            self.cloud.wait_until_idle()  # a procedure that goes on
        self._pass_minute()
        changed = self.alarms.tick(self.cloud.now())
        self.cloud.wait_until_idle()  # the functions that the alarms' actions invoked
        self._run("notify")
        self.cloud.wait_until_idle()  # the functions that it invoked
        return changed

    def _pass_minute(self) -> None:
        self._advance(_PROBED)  # a schedule runs at any second; what it measures is of the minute in which it does
        self._run("health-check")
        self._advance(MINUTE)
        self.metrics.publish(self._time - MINUTE, self.users.minute(), self.users.target_health(), self.pipeline.service)

    def _advance(self, into: timedelta) -> None:
        """To a time of the next minute, and, to its end, into the minute after it."""
        self._wait(max(self._time + into - self.cloud.now(), timedelta()))
        self._time += into // MINUTE * MINUTE

    def _wait(self, time: timedelta) -> None:
        self.cloud.advance(time)

    def _run(self, function: str) -> None:
        """Run a function as its schedule does."""
        if function in self.paused:
            return
        event = {"source": "aws.events", "time": f"{self.cloud.now():%Y-%m-%dT%H:%M:%SZ}"}
        self._lambda.invoke(FunctionName=self.environment.function(function), Payload=json.dumps(event))

    # What is done to it

    def stop_database(self) -> None:
        self._rds.stop_db_instance(DBInstanceIdentifier=self.environment.database_instance)

    def start_database(self) -> None:
        self._rds.start_db_instance(DBInstanceIdentifier=self.environment.database_instance)

    def scale(self, tasks: int) -> None:
        """Set the number of tasks, as autoscaling does."""
        environment = self.environment
        self._ecs.update_service(cluster=environment.cluster, service=environment.service, desiredCount=tasks)

    def set_maintenance(self, state: Literal["ALARM", "OK"], reason: str) -> None:
        """Begin maintenance (`ALARM`) or end it (`OK`), as the on-call page says."""
        self.cloudwatch.set_alarm_state(AlarmName=self.environment.maintenance_alarm, StateValue=state, StateReason=reason)
        self.cloud.wait_until_idle()

    # What can be seen of it

    def outcomes(self) -> Sequence[dict[str, Any]]:
        """The structured lines of `rollback` that record an outcome, oldest first."""
        lines = [json.loads(line) for line in self.cloud.logs("rollback") if line.startswith("{")]
        return [line for line in lines if "outcome" in line]

    @property
    def armed(self) -> bool:
        """Whether monitoring has armed itself."""
        (alarm,) = self.cloudwatch.describe_alarms(
            AlarmNames=[self.environment.not_armed_alarm], AlarmTypes=["CompositeAlarm"]
        )["CompositeAlarms"]
        return bool(alarm["StateValue"] == "OK")

    @property
    def in_maintenance(self) -> bool:
        """Whether nobody is called."""
        (alarm,) = self.cloudwatch.describe_alarms(
            AlarmNames=[self.environment.maintenance_alarm], AlarmTypes=["CompositeAlarm"]
        )["CompositeAlarms"]
        return bool(alarm["StateValue"] == "ALARM")

    def alarms_are_clear(self) -> bool:
        """Whether no alarm is in ALARM, but for those that look back on the last half hour."""
        found = self.cloudwatch.describe_alarms(StateValue="ALARM", AlarmTypes=["MetricAlarm", "CompositeAlarm"])
        names = [alarm["AlarmName"] for alarm in (*found["MetricAlarms"], *found["CompositeAlarms"])]
        return all(name.endswith(f"-{LOOKING_BACK}") for name in names)
