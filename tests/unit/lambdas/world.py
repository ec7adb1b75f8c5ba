"""An AWS for `rollback` and `notify`: moto where moto is right, and a twin of ECS service deployments, where it has nothing.

The twin keeps only what the function can see, refuses what ECS refuses, and holds its answers against botocore's shapes.
"""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cache
from io import BytesIO
from typing import Any

import boto3
import pytest
from botocore import UNSIGNED
from botocore.awsrequest import AWSResponse
from botocore.config import Config
from botocore.exceptions import ClientError
from botocore.session import Session
from botocore.validate import ParamValidator
from moto import mock_aws
from moto.cloudwatch.models import cloudwatch_backends
from moto.elasticache.models import elasticache_backends
from moto.rds.models import rds_backends
from moto.sns.models import sns_backends

from lambdas.common.incidents import Outcome
from lambdas.notify.function import Clients as NotifyClients
from lambdas.notify.function import Notify
from lambdas.notify.settings import NotifySettings
from lambdas.rollback.clients import Clients as RollbackClients
from lambdas.rollback.decisions import Mode
from lambdas.rollback.function import Rollback
from lambdas.rollback.settings import RollbackSettings
from runbook.alarms import DEPENDENCY_ALARMS
from runbook.sections import Section
from runbook.severities import RESPONSE_TIMES
from tests.environments import PRODUCTION as ENVIRONMENT

ACCOUNT, REGION = ENVIRONMENT.account, ENVIRONMENT.region
_BASE = Session()  # keeps what it parsed for every session: AWS's models are large
NOON = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
ROLLBACK = RollbackSettings(
    environment=ENVIRONMENT.name,
    mode="on",
    cluster=ENVIRONMENT.cluster,
    service=ENVIRONMENT.service,
    image_parameter=ENVIRONMENT.image_parameter,
    database_instance=ENVIRONMENT.database_instance,
    replication_group=ENVIRONMENT.replication_group,
    service_impaired_alarm=ENVIRONMENT.service_impaired_alarm,
    alarm_prefix=f"{ENVIRONMENT.prefix}-",
    incidents_table=ENVIRONMENT.incidents_table,
    outcomes_topic=ENVIRONMENT.arn("sns", ENVIRONMENT.outcomes_topic),
    escalations_topic=ENVIRONMENT.arn("sns", ENVIRONMENT.escalations_topic),
    runbook_url=ENVIRONMENT.runbook_url,
    retention_days=365,
)
NOTIFY = NotifySettings(
    environment=ENVIRONMENT.name,
    alarm_prefix=f"{ENVIRONMENT.prefix}-",
    lines=ENVIRONMENT.lines,
    maintenance_alarm=ENVIRONMENT.maintenance_alarm,
    cluster=ENVIRONMENT.cluster,
    service=ENVIRONMENT.service,
    alarms_topic=ENVIRONMENT.arn("sns", ENVIRONMENT.alarms_topic),
    p1_topic=ENVIRONMENT.arn("sns", ENVIRONMENT.on_call_topic("P1")),
    p2_topic=ENVIRONMENT.arn("sns", ENVIRONMENT.on_call_topic("P2")),
    p3_topic=ENVIRONMENT.arn("sns", ENVIRONMENT.on_call_topic("P3")),
    p4_topic=ENVIRONMENT.arn("sns", ENVIRONMENT.on_call_topic("P4")),
    chat_topic=ENVIRONMENT.arn("sns", ENVIRONMENT.chat_topic),
    product=ENVIRONMENT.application.product,
    dashboard_url=ENVIRONMENT.dashboard_url,
    runbook_url=ENVIRONMENT.runbook_url,
    incidents_table=ENVIRONMENT.incidents_table,
    retention_days=365,
)
DEPENDENCIES = [f"{ENVIRONMENT.prefix}-{name}" for name in DEPENDENCY_ALARMS]
TOPICS = (
    ENVIRONMENT.outcomes_topic,
    ENVIRONMENT.escalations_topic,
    ENVIRONMENT.chat_topic,
    *(ENVIRONMENT.on_call_topic(severity) for severity in RESPONSE_TIMES),
)

OUTCOME = Outcome(
    outcome="escalated",
    environment="production",
    service="service",
    alarm="alarm",
    at=NOON.isoformat(),
    wrong="what is wrong",
    done="what was done",
    look_at="what to look at",
    section=Section.INCIDENT_RESPONSE,
    evidence={"tasks": "2 of 2"},
    missing=("a fact",),
    reports=("a deployment",),
    needs_person=True,
)
"""Of the tests that only need one."""

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


def bad_release(aws: "World", minutes: float = 5) -> tuple[str, str]:
    """A release that ended this many minutes ago goes bad now: the revision before it, and its own."""
    good, bad = aws.ecs.current, aws.release()
    aws.wait(minutes=minutes)
    return good, bad


class Crash(BaseException):
    """The end of a run as Lambda knows it: no `except Exception` sees it."""


@dataclass(frozen=True)
class Changed:
    """A change that the service was asked for: from and to which task definition, when, and which had `failed` by then."""

    operation: str
    before: str
    after: str
    at: datetime
    failed: frozenset[str]


class Ecs:
    """The twin of one ECS service. `changes` is what the function asked of it."""

    def __init__(self) -> None:
        self.now = NOON
        self.model = _BASE.get_service_model("ecs")
        self.definitions: dict[str, dict[str, Any]] = {}
        self.revisions: dict[str, str] = {}
        self.deployments: list[dict[str, Any]] = []
        self.current = ""
        self.changes: list[Changed] = []
        self.page = 100

    # What releases and ECS itself do

    def register(self) -> str:
        number = len(self.definitions) + 1
        arn = ENVIRONMENT.arn("ecs", f"task-definition/{ENVIRONMENT.family}:{number}")
        self.definitions[arn] = {"status": "ACTIVE", "image": f"{ENVIRONMENT.repository}:release-{number}"}
        return arn

    def deploy(self, definition: str) -> dict[str, Any]:
        """A service deployment of a new service revision, as CreateService and UpdateService begin them."""
        for unfinished in self.deployments:
            if unfinished["status"] in ("PENDING", "IN_PROGRESS"):
                unfinished |= {"status": "STOPPED", "finishedAt": self.now}
        number = f"{len(self.deployments) + 1:04}"
        path = f"{ENVIRONMENT.cluster}/{ENVIRONMENT.service}"
        revision = ENVIRONMENT.arn("ecs", f"service-revision/{path}/{number}")
        deployment = {
            "serviceDeploymentArn": ENVIRONMENT.arn("ecs", f"service-deployment/{path}/{number}"),
            "serviceArn": ENVIRONMENT.arn("ecs", f"service/{path}"),
            "clusterArn": ENVIRONMENT.arn("ecs", f"cluster/{ENVIRONMENT.cluster}"),
            "targetServiceRevisionArn": revision,
            "status": "IN_PROGRESS",
            "createdAt": self.now,
            "startedAt": self.now,
        }
        self.revisions[revision] = definition
        self.current = definition
        self.deployments.append(deployment)
        return deployment

    def finish(self, deployment: dict[str, Any] | None = None, status: str = "SUCCESSFUL") -> None:
        """End a deployment, the last one unless told; one that did not succeed leaves the service where it was before."""
        found = deployment or self.deployments[-1]
        found |= {"status": status, "finishedAt": self.now}
        if status == "ROLLBACK_SUCCESSFUL":
            self.current = self.last_good()

    def last_good(self) -> str:
        good = [self.revisions[one["targetServiceRevisionArn"]] for one in self.deployments if one["status"] == "SUCCESSFUL"]
        return good[-1] if good else ""

    def settle(self) -> None:
        """Let what is under way end well."""
        for one in self.deployments:
            if one["status"] in ("PENDING", "IN_PROGRESS"):
                self.finish(one)
            elif one["status"] in ("ROLLBACK_REQUESTED", "ROLLBACK_IN_PROGRESS"):
                self.finish(one, "ROLLBACK_SUCCESSFUL")

    def _changed(self, operation: str, after: str) -> None:
        undone = (
            "STOPPED",
            "STOP_REQUESTED",
            "ROLLBACK_REQUESTED",
            "ROLLBACK_IN_PROGRESS",
            "ROLLBACK_SUCCESSFUL",
            "ROLLBACK_FAILED",
        )
        failed = frozenset(
            self.revisions[one["targetServiceRevisionArn"]] for one in self.deployments if one["status"] in undone
        )
        self.changes.append(Changed(operation, self.current, after, self.now, failed))

    # The operations

    def __call__(self, request: Any, **_: Any) -> AWSResponse:
        name = request.headers["X-Amz-Target"].decode().rpartition(".")[2]
        try:
            answer = getattr(self, name)(**json.loads(request.body))
            status, body = 200, answer
            report = ParamValidator().validate(answer, self.model.operation_model(name).output_shape)
            assert not report.has_errors(), report.generate_report()
        except ClientError as error:
            status, body = 400, {"__type": error.response["Error"]["Code"], "message": error.response["Error"]["Message"]}
        raw = json.dumps(body, default=lambda moment: moment.timestamp()).encode()
        answered: Any = _Body(raw)
        return AWSResponse(request.url, status, {"Content-Type": "application/x-amz-json-1.1"}, answered)

    def DescribeServices(self, cluster: str, services: list[str]) -> dict[str, Any]:  # noqa: N802 - the operation's name
        if (cluster, services) != (ENVIRONMENT.cluster, [ENVIRONMENT.service]):
            return {"services": [], "failures": [{"arn": services[0], "reason": "MISSING"}]}
        service = {"taskDefinition": self.current, "desiredCount": 2, "runningCount": 2, "status": "ACTIVE"}
        return {"services": [service], "failures": []}

    def ListServiceDeployments(  # noqa: N802 - the operation's name
        self,
        cluster: str,
        service: str,
        maxResults: int = 20,  # noqa: N803 - the operation's parameter
        nextToken: str = "0",  # noqa: N803 - the operation's parameter
        createdAt: dict[str, float] | None = None,  # noqa: N803 - the operation's parameter
    ) -> dict[str, Any]:
        if (cluster, service) != (ENVIRONMENT.cluster, ENVIRONMENT.service):
            raise refusal("ServiceNotFoundException")
        after = (createdAt or {}).get("after", 0)
        known = [one for one in self.deployments if one["createdAt"].timestamp() > after]
        start, end = int(nextToken), int(nextToken) + min(self.page, maxResults)
        more = {"nextToken": str(end)} if end < len(known) else {}
        brief = self.model.shape_for("ServiceDeploymentBrief").members
        found = [{key: value for key, value in one.items() if key in brief} for one in known[start:end]]
        return {"serviceDeployments": found, **more}

    def DescribeServiceDeployments(self, serviceDeploymentArns: list[str]) -> dict[str, Any]:  # noqa: N802, N803 - as above
        found = [one for one in self.deployments if one["serviceDeploymentArn"] in serviceDeploymentArns]
        return {
            "serviceDeployments": [
                {key: value for key, value in one.items() if key != "targetServiceRevisionArn"}
                | {"targetServiceRevision": {"arn": one["targetServiceRevisionArn"]}}
                for one in found
            ],
            "failures": [],
        }

    def DescribeServiceRevisions(self, serviceRevisionArns: list[str]) -> dict[str, Any]:  # noqa: N802, N803 - as above
        assert 0 < len(serviceRevisionArns) <= 20, "ECS takes at most 20"
        known = [arn for arn in serviceRevisionArns if arn in self.revisions]
        return {
            "serviceRevisions": [{"serviceRevisionArn": arn, "taskDefinition": self.revisions[arn]} for arn in known],
            "failures": [{"arn": arn, "reason": "MISSING"} for arn in serviceRevisionArns if arn not in known],
        }

    def DescribeTaskDefinition(self, taskDefinition: str) -> dict[str, Any]:  # noqa: N802, N803 - as above
        if taskDefinition not in self.definitions:
            raise refusal("ClientException", "Unable to describe task definition.")
        found = self.definitions[taskDefinition]
        return {
            "taskDefinition": {
                "taskDefinitionArn": taskDefinition,
                "status": found["status"],
                "containerDefinitions": [{"name": "backend", "image": found["image"]}],
            }
        }

    def StopServiceDeployment(self, serviceDeploymentArn: str, stopType: str) -> dict[str, Any]:  # noqa: N802, N803 - as above
        assert stopType == "ROLLBACK"
        found = next(one for one in self.deployments if one["serviceDeploymentArn"] == serviceDeploymentArn)
        if found["status"] not in ("PENDING", "IN_PROGRESS"):
            raise refusal("ConflictException", "The service deployment cannot be stopped.")
        self._changed("StopServiceDeployment", self.last_good())
        found["status"] = "ROLLBACK_REQUESTED"
        self.current = self.last_good()
        return {"serviceDeploymentArn": serviceDeploymentArn}

    def UpdateService(self, cluster: str, service: str, taskDefinition: str) -> dict[str, Any]:  # noqa: N802, N803 - as above
        assert (cluster, service) == (ENVIRONMENT.cluster, ENVIRONMENT.service)
        if self.definitions.get(taskDefinition, {}).get("status") != "ACTIVE":
            raise refusal("ClientException", "TaskDefinition is inactive")
        self._changed("UpdateService", taskDefinition)
        if taskDefinition != self.current:
            self.deploy(taskDefinition)
        return {"service": {"taskDefinition": taskDefinition}}


class _Body(BytesIO):
    def stream(self, **_: Any) -> Iterator[bytes]:
        yield self.read()


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
    """The whole: the twin, moto, the functions under test, every call they made, and the ways in which calls go wrong."""

    ecs: Ecs
    mode: Mode = "on"
    calls: list[Call] = field(default_factory=list)
    refusals: dict[str, Exception] = field(default_factory=dict)
    """By `service:Operation`: what the call raises."""
    meanwhile: dict[str, Callable[[], None]] = field(default_factory=dict)
    """By `service:Operation`: what somebody else does just after the first such call."""
    crash_at: int | None = None
    """Where the run dies, counted from 0: before its first call, after it, before its second, after it, and so on."""
    _rollback: dict[Mode, Rollback] = field(default_factory=dict)
    _notify: Notify | None = None

    def clock(self) -> datetime:
        return self.ecs.now

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
        self.ecs.finish()
        return definition

    def begin_release(self) -> str:
        definition = self.ecs.register()
        self.ecs.deploy(definition)
        return definition

    def database(self, status: str) -> None:
        rds_backends[ACCOUNT][REGION].databases[ENVIRONMENT.database_instance].status = status

    def cache(self, status: str) -> None:
        elasticache_backends[ACCOUNT][REGION].replication_groups[ENVIRONMENT.replication_group].status = status

    def watch(self, name: str, *, notifies: bool = True) -> None:
        """An alarm that is OK; composites are metric alarms here, since moto has only those."""
        client("cloudwatch").put_metric_alarm(AlarmName=name, AlarmActions=[NOTIFY.alarms_topic] * notifies, **METRIC)
        self.set_alarm(name, "OK")

    def set_alarm(self, name: str, state: str, reason_data: str = "{}") -> None:
        """An alarm changes its state now."""
        client("cloudwatch").set_alarm_state(
            AlarmName=name, StateValue=state, StateReason="as the test asks", StateReasonData=reason_data
        )
        cloudwatch_backends[ACCOUNT][REGION].alarms[name].state_updated_timestamp = self.now

    # What `notify` does

    def notify(self) -> dict[str, list[str]]:
        """A minute's look; what it returns. Raises what the function raises."""
        return self.notify_on({"time": self.now.isoformat()})

    def notify_on(self, event: Any) -> dict[str, list[str]]:
        """The same on another event than the schedule's."""
        self.calls.clear()
        self._notify = self._notify or Notify(NOTIFY, notify_clients(), self.clock)
        return self._notify.run(event)

    def cold(self) -> None:
        """Lambda starts the functions anew."""
        self._rollback.clear()
        self._notify = None

    def looks(self, minutes: int) -> None:
        """This many minutes pass, with a look at the end of each."""
        for _ in range(minutes):
            self.wait(minutes=1)
            self.notify()

    def subjects(self, topic: str) -> list[str]:
        """The subjects of what was published to a topic."""
        return [message.partition("\n")[0] for message in self.messages(topic)]

    # What `rollback` does

    def alarm(self) -> Outcome:
        """The alarm fires now."""
        return self.deliver(event("ALARM", self.now))

    def ok(self) -> Outcome:
        """The alarm ends now."""
        return self.deliver(event("OK", self.now))

    def deliver(self, what: Any) -> Outcome:
        """The outcome of an event; raises what the function raises."""
        self.calls.clear()
        if self.mode not in self._rollback:  # warm afterwards, as Lambda keeps it
            settings = ROLLBACK.model_copy(update={"mode": self.mode})
            self._rollback[self.mode] = Rollback(settings, rollback_clients(), self.clock)
        return self._rollback[self.mode].run(what, seconds=60)

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
        return str(client("ssm").get_parameter(Name=ENVIRONMENT.image_parameter)["Parameter"]["Value"])

    @property
    def table(self) -> Any:
        """The table of incidents."""
        return _table()

    def items(self) -> dict[str, dict[str, Any]]:
        """What is in the table of incidents, by id."""
        return {item["id"]: item for item in self.table.scan()["Items"]}

    # Hooks of botocore

    def before(self, params: dict[str, Any], model: Any, **_: Any) -> None:
        call = Call(model.service_model.service_name, model.name, dict(params))
        self.calls.append(call)
        self._maybe_crash(2 * (len(self.calls) - 1))
        if call.name in self.refusals:
            raise self.refusals[call.name]

    def after(self, model: Any, **_: Any) -> None:
        self._maybe_crash(2 * (len(self.calls) - 1) + 1)
        if somebody := self.meanwhile.pop(f"{model.service_model.service_name}:{model.name}", None):
            somebody()

    def _maybe_crash(self, point: int) -> None:
        if self.crash_at is not None and point == self.crash_at:
            raise Crash


# The clients are made once: botocore takes longer to read AWS's models than a test takes.


class _Running:
    """The world of the test that runs, where botocore's hooks find it."""

    world: World

    @classmethod
    def before(cls, **call: Any) -> None:
        cls.world.before(**call)

    @classmethod
    def after(cls, **call: Any) -> None:
        cls.world.after(**call)

    @classmethod
    def ecs(cls, **call: Any) -> Any:
        return cls.world.ecs(**call)


def _new_session() -> boto3.Session:
    made = boto3.Session(region_name=REGION, aws_access_key_id="test", aws_secret_access_key="test")
    for component in ("data_loader", "endpoint_resolver"):
        made._session.register_component(component, _BASE.get_component(component))
    made._session.set_default_client_config(Config(signature_version=UNSIGNED))  # an eighth of a call, and nobody looks
    return made


@cache
def _quiet() -> boto3.Session:
    return _new_session()


@cache
def client(service: Any) -> Any:
    """The test's own client of a service: nothing records its calls, and they always work."""
    return _quiet().client(service)


@cache
def _table() -> Any:
    return _quiet().resource("dynamodb").Table(ENVIRONMENT.incidents_table)


@cache
def session() -> boto3.Session:
    """The session of the code under test: the running world sees every call."""
    made = _new_session()
    made.events.register("provide-client-params", _Running.before)
    made.events.register("after-call", _Running.after)
    made.events.register("before-send.ecs", _Running.ecs)
    return made


@cache
def rollback_clients() -> RollbackClients:
    return RollbackClients(
        cloudwatch=session().client("cloudwatch"),
        ecs=session().client("ecs"),
        elasticache=session().client("elasticache"),
        rds=session().client("rds"),
        sns=session().client("sns"),
        ssm=session().client("ssm"),
        incidents=session().resource("dynamodb").Table(ROLLBACK.incidents_table),
    )


@cache
def notify_clients() -> NotifyClients:
    same = rollback_clients()
    return NotifyClients(cloudwatch=same.cloudwatch, ecs=same.ecs, sns=same.sns, incidents=same.incidents)


@cache
def secrets() -> Any:
    """The client of Secrets Manager of the code under test."""
    return session().client("secretsmanager")


@contextmanager
def world() -> Iterator[World]:
    """A fresh AWS with a service that runs its second release since a day."""
    moto = mock_aws(config={"core": {"passthrough": {"services": ["ecs"]}}})
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MOTO_EC2_LOAD_DEFAULT_AMIS", "false")  # half a second for what nobody looks at
        moto.start()
        try:
            made = _Running.world = World(Ecs())
            _furnish()
            for name in DEPENDENCIES:
                made.watch(name, notifies=False)
            made.wait(days=-2)
            made.release()
            made.wait(days=1)
            made.release()
            made.wait(days=1)
            yield made
        finally:
            moto.stop(remove_data=False)  # the next start does, and each time costs as much as a run


def _furnish() -> None:
    client("dynamodb").create_table(
        TableName=ENVIRONMENT.incidents_table,
        KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
        BillingMode="PAY_PER_REQUEST",
    )
    for topic in TOPICS:
        client("sns").create_topic(Name=topic)
    client("ssm").put_parameter(Name=ENVIRONMENT.image_parameter, Value="as the release wrote it", Type="String")
    client("rds").create_db_instance(
        DBInstanceIdentifier=ENVIRONMENT.database_instance,
        DBInstanceClass="db.t4g.large",
        Engine="postgres",
        MasterUsername="hz_admin",
        MasterUserPassword="not-a-secret",
        AllocatedStorage=100,
    )
    client("elasticache").create_replication_group(
        ReplicationGroupId=ENVIRONMENT.replication_group, ReplicationGroupDescription="cache"
    )
