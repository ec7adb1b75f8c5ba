"""An AWS for `rollback` and `notify`: moto where moto is right, and an ECS of our own, because moto has no service deployments."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError
from botocore.session import Session
from moto import mock_aws
from moto.cloudwatch.models import cloudwatch_backends
from moto.elasticache.models import elasticache_backends
from moto.rds.models import rds_backends
from moto.sns.models import sns_backends

from lambdas.common import incidents
from lambdas.common.settings import NotifySettings, RollbackSettings, read
from lambdas.notify.handler import Notify
from lambdas.rollback.response import Rollback
from runbook.rows import page_facts  # TODO gone
from stacks.config import load
from tests.unit.lambdas.ecs import Ecs

ENVIRONMENT = load("production")
ACCOUNT, REGION = ENVIRONMENT.account, ENVIRONMENT.region
_BASE = Session()  # keeps what it parsed for every world: AWS's models are large
NOON = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
ALARM_ARN = ENVIRONMENT.arn("cloudwatch", f"alarm:{ENVIRONMENT.service_impaired_alarm}")
VARIABLES = {
    "ENVIRONMENT": ENVIRONMENT.name,
    "MODE": "on",
    "CLUSTER": ENVIRONMENT.cluster,
    "SERVICE": ENVIRONMENT.service,
    "IMAGE_PARAMETER": ENVIRONMENT.image_parameter,
    "DATABASE_INSTANCE": ENVIRONMENT.database_instance,
    "REPLICATION_GROUP": ENVIRONMENT.replication_group,
    "SERVICE_IMPAIRED_ALARM": ENVIRONMENT.service_impaired_alarm,
    "DEPENDENCY_ALARMS": ",".join(ENVIRONMENT.dependency_alarms),
    "INCIDENTS_TABLE": ENVIRONMENT.incidents_table,
    "OUTCOMES_TOPIC": ENVIRONMENT.arn("sns", ENVIRONMENT.outcomes_topic),
    "ESCALATIONS_TOPIC": ENVIRONMENT.arn("sns", ENVIRONMENT.escalations_topic),
    "RUNBOOK_URL": ENVIRONMENT.runbook_url,
    "DETECTION_SECONDS": "120",
    "SUSPECT_WINDOW_MINUTES": "60",
    "BUDGET": "2",
    "BUDGET_HOURS": "24",
    "RETENTION_DAYS": "365",
}


METRIC: dict[str, Any] = {
    "Namespace": "AWS/RDS",
    "MetricName": "CPUUtilization",
    "Statistic": "Average",
    "Period": 60,
    "EvaluationPeriods": 1,
    "Threshold": 90,
    "ComparisonOperator": "GreaterThanThreshold",
}
"""Of every alarm in the world: nobody evaluates them, tests set their states."""

ON_CALL = {f"p{severity}_topic": ENVIRONMENT.on_call_topic(f"P{severity}") for severity in (1, 2, 3, 4)}
NOTIFY_VARIABLES = {
    "ENVIRONMENT": ENVIRONMENT.name,
    "ALARM_PREFIX": f"{ENVIRONMENT.prefix}-",
    "MAINTENANCE_ALARM": ENVIRONMENT.maintenance_alarm,
    "DEPENDENCY_ALARMS": ",".join(ENVIRONMENT.dependency_alarms),
    "PAGES": page_facts(ENVIRONMENT.page),
    "CLUSTER": ENVIRONMENT.cluster,
    "SERVICE": ENVIRONMENT.service,
    "ALARMS_TOPIC": ENVIRONMENT.arn("sns", ENVIRONMENT.alarms_topic),
    **{name.upper(): ENVIRONMENT.arn("sns", topic) for name, topic in ON_CALL.items()},
    "CHAT_TOPIC": ENVIRONMENT.arn("sns", ENVIRONMENT.chat_topic),
    "ESCALATION_PATH": "on-call engineer,team lead,engineering manager,CTO",
    "DASHBOARD_URL": f"https://console.aws.example/#dashboards/dashboard/{ENVIRONMENT.dashboard}",
    "RUNBOOK_URL": ENVIRONMENT.runbook_url,
    "HOLD_SECONDS": "90",
    "DEPLOYMENT_MINUTES": "10",
    "CALM_MINUTES": "10",
    "MAINTENANCE_HOURS": "2",
    "INCIDENTS_TABLE": ENVIRONMENT.incidents_table,
    "RETENTION_DAYS": "365",
}


def event(state: str, at: datetime, *, name: str = ENVIRONMENT.service_impaired_alarm) -> dict[str, Any]:
    """What CloudWatch sends for the composite alarm: the shape of AWS's documented sample."""
    moment = f"{at:%Y-%m-%dT%H:%M:%S}.{at.microsecond // 1000:03}+0000"
    child = ENVIRONMENT.arn("cloudwatch", f"alarm:{ENVIRONMENT.alarm('alb-5xx-rate', 'critical')}")
    return {
        "source": "aws.cloudwatch",
        "alarmArn": ENVIRONMENT.arn("cloudwatch", f"alarm:{name}"),
        "accountId": ACCOUNT,
        "time": moment,
        "region": REGION,
        "alarmData": {
            "alarmName": name,
            "state": {
                "value": state,
                "reason": f"{child} transitioned to {state}",
                "reasonData": json.dumps(
                    {"triggeringAlarms": [{"arn": child, "state": {"value": state, "timestamp": moment}}]}
                ),
                "timestamp": moment,
            },
            "previousState": {"value": "OK" if state == "ALARM" else "ALARM", "reason": "", "timestamp": moment},
            "configuration": {"alarmRule": f"ALARM({child})"},
        },
    }


class Crash(BaseException):
    """The end of a run as Lambda knows it: no `except Exception` sees it."""


def refusal(code: str, message: str = "as the test asks") -> ClientError:
    return ClientError({"Error": {"Code": code, "Message": message}}, "")


@dataclass
class Call:
    """One AWS call that the code made."""

    service: str
    operation: str
    parameters: dict[str, Any]

    @property
    def name(self) -> str:
        return f"{self.service}:{self.operation}"


@dataclass
class World:
    """The whole: ECS, moto, the function under test, every call it made, and the ways in which calls go wrong."""

    ecs: Ecs
    session: boto3.Session
    mode: str = "on"
    calls: list[Call] = field(default_factory=list)
    refusals: dict[str, Exception] = field(default_factory=dict)
    """By `service:Operation`: what the call raises."""
    crash_at: int | None = None
    """The run dies at its so manieth call: just before it for even numbers, just after it for odd ones."""
    seconds: float = 1_000_000_000.0
    """The wall clock."""
    _functions: dict[str, Rollback] = field(default_factory=dict)
    _notify: Notify | None = None

    @property
    def now(self) -> datetime:
        return self.ecs.now

    def wait(self, **span: float) -> None:
        self.ecs.now += timedelta(**span)

    # What happens to the service

    def release(self, *, minutes: float = 2) -> str:
        """A release that finishes."""
        definition = self.begin_release()
        self.wait(minutes=minutes)
        self.ecs.settle()
        return definition

    def begin_release(self) -> str:
        definition = self.ecs.register()
        self.ecs.deploy(definition)
        return definition

    def database(self, status: str) -> None:
        rds_backends[ACCOUNT][REGION].databases[ENVIRONMENT.database_instance].status = status

    def cache(self, status: str) -> None:
        elasticache_backends[ACCOUNT][REGION].replication_groups[ENVIRONMENT.replication_group].status = status

    def dependency_alarm(self, name: str, state: str) -> None:
        self.session.client("cloudwatch").set_alarm_state(AlarmName=name, StateValue=state, StateReason="as the test asks")

    def watch(self, name: str, words: str, *, told: bool = True) -> None:
        """An alarm that is OK; composites are metric alarms here, since moto has only those."""
        topic = ENVIRONMENT.arn("sns", ENVIRONMENT.alarms_topic)
        self.session.client("cloudwatch").put_metric_alarm(
            AlarmName=name, AlarmDescription=words, AlarmActions=[topic] * told, **METRIC
        )
        self.set_alarm(name, "OK")

    def set_alarm(self, name: str, state: str, reason_data: str = "{}") -> None:
        """An alarm changes its state now."""
        self.session.client("cloudwatch").set_alarm_state(
            AlarmName=name, StateValue=state, StateReason="as the test asks", StateReasonData=reason_data
        )
        cloudwatch_backends[ACCOUNT][REGION].alarms[name].state_updated_timestamp = self.now

    # What `notify` does

    def notify(self) -> dict[str, Any]:
        """A minute's look; what it returns. Raises what the function raises."""
        self.calls.clear()
        self._notify = self._notify or Notify(read(NotifySettings, NOTIFY_VARIABLES))
        return self._notify.run(self.now)

    def looks(self, minutes: int) -> None:
        """So many minutes pass, with a look at the end of each."""
        for _ in range(minutes):
            self.wait(minutes=1)
            self.notify()

    def told(self, topic: str) -> list[str]:
        """What people were told on a topic: the subjects."""
        return [message.partition("\n")[0] for message in self.messages(topic)]

    # What the function does

    def function(self) -> Rollback:
        """Warm, as Lambda keeps it."""
        if self.mode not in self._functions:
            self._functions[self.mode] = Rollback(read(RollbackSettings, VARIABLES | {"MODE": self.mode}))
        return self._functions[self.mode]

    def alarm(self) -> Any:
        """The alarm fires now."""
        return self.deliver(event("ALARM", self.now))

    def ok(self) -> Any:
        """The alarm ends now."""
        return self.deliver(event("OK", self.now))

    def deliver(self, what: Any) -> Any:
        """The outcome of an event; raises what the function raises."""
        self.calls.clear()
        return self.function().run(what, seconds=60)

    # What is left behind

    def messages(self, topic: str) -> list[str]:
        sent = sns_backends[ACCOUNT][REGION].topics[ENVIRONMENT.arn("sns", topic)].sent_notifications
        return [f"{subject}\n{message}" for _, message, subject, _, _ in sent]

    @property
    def outcomes(self) -> list[str]:
        return self.messages(ENVIRONMENT.outcomes_topic)

    @property
    def escalations(self) -> list[str]:
        """As a mailbox gets them."""
        found = (message.partition("\n") for message in self.messages(ENVIRONMENT.escalations_topic))
        return [f"{subject}\n{json.loads(body)['default']}" for subject, _, body in found]

    @property
    def image(self) -> str:
        """What the next `cdk deploy` would run."""
        return str(self.session.client("ssm").get_parameter(Name=ENVIRONMENT.image_parameter)["Parameter"]["Value"])

    def items(self) -> dict[str, dict[str, Any]]:
        """The table of incidents, by id."""
        table: Any = self.session.resource("dynamodb").Table(ENVIRONMENT.incidents_table)
        return {item["id"]: item for item in table.scan()["Items"]}

    # Hooks of botocore

    def record(self, params: dict[str, Any], model: Any, **_: Any) -> None:
        call = Call(model.service_model.service_name, model.name, dict(params))
        self.calls.append(call)
        self._maybe_crash(2 * (len(self.calls) - 1))
        if call.name in self.refusals:
            raise self.refusals[call.name]

    def after(self, **_: Any) -> None:
        self._maybe_crash(2 * (len(self.calls) - 1) + 1)

    def _maybe_crash(self, point: int) -> None:
        if self.crash_at is not None and point == self.crash_at:
            raise Crash


def _session() -> boto3.Session:
    session = boto3.Session(region_name=REGION, aws_access_key_id="test", aws_secret_access_key="test")
    for component in ("data_loader", "endpoint_resolver"):
        session._session.register_component(component, _BASE.get_component(component))
    return session


@contextmanager
def world(monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    """A fresh AWS with a service that runs its second release since a day."""
    monkeypatch.setenv("MOTO_EC2_LOAD_DEFAULT_AMIS", "false")  # half a second for what nobody looks at
    with mock_aws(config={"core": {"passthrough": {"services": ["ecs"]}}}):  # ECS is ours
        session, quiet = _session(), _session()
        made = World(Ecs(NOON, _BASE.get_service_model("ecs")), quiet)
        session.events.register("provide-client-params", made.record)
        session.events.register("after-call", made.after)
        session.events.register("before-send.ecs", made.ecs)
        monkeypatch.setattr(boto3, "DEFAULT_SESSION", session)
        monkeypatch.setattr(incidents, "time", SimpleNamespace(time=lambda: made.seconds))
        _furnish(quiet)
        for name in ENVIRONMENT.dependency_alarms:
            made.watch(name, "", told=False)
        made.wait(days=-2)
        made.release()
        made.wait(days=1)
        made.release()
        made.wait(days=1)
        yield made


def _furnish(session: boto3.Session) -> None:
    session.client("dynamodb").create_table(
        TableName=ENVIRONMENT.incidents_table,
        KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
        BillingMode="PAY_PER_REQUEST",
    )
    for topic in (ENVIRONMENT.outcomes_topic, ENVIRONMENT.escalations_topic, ENVIRONMENT.chat_topic, *ON_CALL.values()):
        session.client("sns").create_topic(Name=topic)
    session.client("ssm").put_parameter(Name=ENVIRONMENT.image_parameter, Value="as the release wrote it", Type="String")
    session.client("rds").create_db_instance(
        DBInstanceIdentifier=ENVIRONMENT.database_instance,
        DBInstanceClass="db.t4g.large",
        Engine="postgres",
        MasterUsername="hz_admin",
        MasterUserPassword="not-a-secret",
        AllocatedStorage=100,
    )
    session.client("elasticache").create_replication_group(
        ReplicationGroupId=ENVIRONMENT.replication_group, ReplicationGroupDescription="cache"
    )
