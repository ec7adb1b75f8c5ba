"""An AWS for `rollback`, `releases`, `notify` and `procedures`: moto where moto is right; an ECS of our own, because moto has no
service deployments; and alarm mute rules and executions of Automation, which it does not know at all."""

import json
import pickle
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any

import boto3
from botocore import UNSIGNED
from botocore.awsrequest import AWSResponse
from botocore.config import Config
from botocore.exceptions import ClientError
from botocore.session import Session
from moto.backends import get_backend
from moto.cloudwatch.models import cloudwatch_backends
from moto.core.base_backend import BackendDict
from moto.elasticache.models import elasticache_backends
from moto.rds.models import rds_backends
from moto.sns.models import sns_backends

from lambdas.common.incidents import Outcome
from lambdas.common.record.store import Records
from lambdas.health_check.settings import HealthReport
from lambdas.notify.function import Clients as NotifyClients
from lambdas.notify.function import Notify
from lambdas.notify.settings import NotifySettings
from lambdas.postmortem.function import Clients as PostmortemClients
from lambdas.postmortem.function import Postmortem
from lambdas.procedures.clients import Clients as ProceduresClients
from lambdas.procedures.families import families
from lambdas.procedures.function import Procedures
from lambdas.procedures.runs import Runs
from lambdas.procedures.settings import ProceduresSettings
from lambdas.releases.function import Releases
from lambdas.releases.settings import ReleasesSettings
from lambdas.rollback.clients import Clients as RollbackClients
from lambdas.rollback.decisions import Mode
from lambdas.rollback.function import Rollback
from lambdas.rollback.settings import RollbackSettings
from runbook.alarms import DEPENDENCY_ALARMS
from runbook.sections import Section
from runbook.severities import RESPONSE_TIMES
from tests.environments import PRODUCTION
from tests.unit.account import empty_account
from tests.unit.lambdas.ecs import Ecs
from tests.unit.lambdas.postmortem import example

ACCOUNT, REGION = PRODUCTION.account, PRODUCTION.region
_BASE = Session()  # keeps what it parsed for every session: AWS's models are large
NOON = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
ROLLBACK = RollbackSettings(
    environment=PRODUCTION.name,
    mode="on",
    cluster=PRODUCTION.cluster,
    service=PRODUCTION.service,
    container=PRODUCTION.application.container.name,
    image_parameter=PRODUCTION.image_parameter,
    database_instance=PRODUCTION.database_instance,
    replication_group=PRODUCTION.replication_group,
    service_impaired_alarm=PRODUCTION.service_impaired_alarm,
    alarm_prefix=f"{PRODUCTION.prefix}-",
    incidents_table=PRODUCTION.incidents_table,
    records_table=PRODUCTION.records_table,
    outcomes_topic=PRODUCTION.arn("sns", PRODUCTION.outcomes_topic),
    escalations_topic=PRODUCTION.arn("sns", PRODUCTION.escalations_topic),
    runbook_url=PRODUCTION.runbook_url,
    retention_days=365,
)
NOTIFY = NotifySettings(
    environment=PRODUCTION.name,
    alarm_prefix=f"{PRODUCTION.prefix}-",
    lines=PRODUCTION.lines,
    diagnose_function=PRODUCTION.function("diagnose"),
    maintenance_alarm=PRODUCTION.maintenance_alarm,
    maintenance_off=PRODUCTION.document("maintenance-off"),
    not_armed_alarm=PRODUCTION.not_armed_alarm,
    postmortem_function=PRODUCTION.function("postmortem"),
    cluster=PRODUCTION.cluster,
    service=PRODUCTION.service,
    database_instance=PRODUCTION.database_instance,
    replication_group=PRODUCTION.replication_group,
    backend_log_group=PRODUCTION.backend_log_group,
    alarms_topic=PRODUCTION.arn("sns", PRODUCTION.alarms_topic),
    p1_topic=PRODUCTION.arn("sns", PRODUCTION.on_call_topic("P1")),
    p2_topic=PRODUCTION.arn("sns", PRODUCTION.on_call_topic("P2")),
    p3_topic=PRODUCTION.arn("sns", PRODUCTION.on_call_topic("P3")),
    p4_topic=PRODUCTION.arn("sns", PRODUCTION.on_call_topic("P4")),
    chat_topic=PRODUCTION.arn("sns", PRODUCTION.chat_topic),
    level_topics={},
    product=PRODUCTION.application.product,
    frontend_url=PRODUCTION.frontend_url,
    dashboard_url=PRODUCTION.dashboard_url,
    heartbeat_secret="",
    runbook_url=PRODUCTION.runbook_url,
    incidents_table=PRODUCTION.incidents_table,
    records_table=PRODUCTION.records_table,
    retention_days=365,
)
RELEASES = ReleasesSettings(
    environment=PRODUCTION.name,
    cluster=PRODUCTION.cluster,
    service=PRODUCTION.service,
    container=PRODUCTION.application.container.name,
    image_parameter=PRODUCTION.image_parameter,
    outcomes_topic=PRODUCTION.arn("sns", PRODUCTION.outcomes_topic),
)
PROCEDURES = ProceduresSettings(
    environment=PRODUCTION.name,
    prefix=PRODUCTION.prefix,
    cluster=PRODUCTION.cluster,
    service=PRODUCTION.service,
    container=PRODUCTION.application.container.name,
    repository=PRODUCTION.repository,
    most_tasks=PRODUCTION.most_tasks,
    pool_size=PRODUCTION.backend.pool_size,
    database_instance=PRODUCTION.database_instance,
    replication_group=PRODUCTION.replication_group,
    alarm_prefix=f"{PRODUCTION.prefix}-",
    api_url=PRODUCTION.api_url,
    health_check_path=PRODUCTION.backend.health_check_path,
    health_report=HealthReport(status="status", healthy="healthy", database="services.database", connected="connected"),
    frontend_url=PRODUCTION.frontend_url,
    frontend_region="us-east-1",
    frontend_bucket=PRODUCTION.frontend_bucket,
    frontend_backups_bucket=PRODUCTION.frontend_backups_bucket,
    incidents_table=PRODUCTION.incidents_table,
    records_table=PRODUCTION.records_table,
    retention_days=365,
    outcomes_topic=PRODUCTION.arn("sns", PRODUCTION.outcomes_topic),
    application=PRODUCTION.application.name,
    database_parameter_group=PRODUCTION.database_parameter_group,
    database_secret=PRODUCTION.database_secret,
    database_variables={key: name for name, key in PRODUCTION.application.container.database_secret.items()},
    cache_secret=PRODUCTION.cache_secret,
    cache_url_secret=PRODUCTION.cache_url_secret,
    backend_log_group=PRODUCTION.backend_log_group,
    config_file="config/production.toml",
    chat_topic=PRODUCTION.arn("sns", PRODUCTION.chat_topic),
    maintenance_alarm=PRODUCTION.maintenance_alarm,
    service_impaired_alarm=PRODUCTION.service_impaired_alarm,
    maintenance_addresses=PRODUCTION.maintenance_addresses("IPV"),
    product=PRODUCTION.application.product,
)
DEPENDENCIES = [f"{PRODUCTION.prefix}-{name}" for name in DEPENDENCY_ALARMS]
TOPICS = (
    PRODUCTION.outcomes_topic,
    PRODUCTION.escalations_topic,
    PRODUCTION.chat_topic,
    *(PRODUCTION.on_call_topic(severity) for severity in RESPONSE_TIMES),
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


def event(state: str, at: datetime, *, name: str = PRODUCTION.service_impaired_alarm) -> dict[str, Any]:
    """What CloudWatch sends for the composite alarm: the shape of AWS's documented sample."""
    moment = f"{at:%Y-%m-%dT%H:%M:%S}.{at.microsecond // 1000:03}+0000"
    child = PRODUCTION.arn("cloudwatch", f"alarm:{PRODUCTION.alarm('alb-5xx-rate', 'critical')}")
    return {
        "source": "aws.cloudwatch",
        "alarmArn": PRODUCTION.arn("cloudwatch", f"alarm:{name}"),
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


def one_by_one(readers: Mapping[str, Callable[[], Any]], seconds: float) -> Mapping[str, Any]:
    """What `lambdas.common.parallel.at_once` does, in an order that a test can rely on."""
    found: dict[str, Any] = {}
    for name, reader in readers.items():
        try:
            found[name] = reader()
        except Exception as error:
            found[name] = error
    return found


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
    """The whole: ECS, moto, the functions under test, every call they made, and the ways in which calls go wrong."""

    ecs: Ecs
    mode: Mode = "on"
    calls: list[Call] = field(default_factory=list)
    refusals: dict[str, Exception] = field(default_factory=dict)
    """By `service:Operation`: what the call raises."""
    meanwhile: dict[str, Callable[[], None]] = field(default_factory=dict)
    """By `service:Operation`: what somebody else does just after the first such call."""
    crash_at: int | None = None
    """Where the run dies, counted from 0: before its first call, after it, before its second, after it, and so on."""
    bounds: tuple[int, int] | None = (2, 4)
    """The fewest and the most tasks that autoscaling keeps; None where it does not know the service."""
    executions: dict[str, dict[str, Any]] = field(default_factory=dict)
    """The executions of Automation documents by their ids, as GetAutomationExecution tells of them."""
    started: dict[str, dict[str, Any]] = field(default_factory=dict)
    """What started executions asked for, by their tokens."""
    series: Callable[[Mapping[str, Any]], Mapping[datetime, float]] = lambda _: {}
    """The values that CloudWatch has for a query of GetMetricData."""
    invoked: list[tuple[str, Any]] = field(default_factory=list)
    """The functions that were invoked with an event, and it."""
    muted: set[str] = field(default_factory=set)
    """The alarms that an active mute rule targets."""
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

    def release(self, *, minutes: float = 2, **container: Any) -> str:
        """A release that finishes; its container has these members beside its image."""
        definition = self.begin_release(**container)
        self.wait(minutes=minutes)
        self.ecs.settle()
        return definition

    def begin_release(self, **container: Any) -> str:
        definition = self.ecs.register(**container)
        self.ecs.deploy(definition)
        return definition

    def database(self, status: str) -> None:
        rds_backends[ACCOUNT][REGION].databases[PRODUCTION.database_instance].status = status

    def cache(self, status: str) -> None:
        elasticache_backends[ACCOUNT][REGION].replication_groups[PRODUCTION.replication_group].status = status

    def watch(self, name: str, *, notifies: bool = True) -> None:
        """An alarm that is OK; composites are metric alarms here, since moto has only those."""
        client("cloudwatch").put_metric_alarm(AlarmName=name, AlarmActions=[NOTIFY.alarms_topic] * notifies, **METRIC)
        self.set_alarm(name, "OK")

    def set_alarm(self, name: str, state: str, reason_data: str = "{}") -> None:
        """An alarm changes its state now."""
        client("cloudwatch").set_alarm_state(
            AlarmName=name, StateValue=state, StateReason="as the test asks", StateReasonData=reason_data
        )
        self._set_now(name)

    def _set_now(self, name: str) -> None:
        """An alarm's state is as old as this world says, whose clock moto does not know."""
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
            self._rollback[self.mode] = Rollback(settings, rollback_clients(), self.clock, one_by_one)
        return self._rollback[self.mode].run(what, seconds=60)

    # What `releases` does

    def look(self, what: Any = None) -> dict[str, Any]:
        """What `releases` returns for an event, or for its schedule's; raises what the function raises."""
        self.calls.clear()
        same = rollback_clients()
        scheduled = {"detail-type": "Scheduled Event", "source": "aws.events", "detail": {}}
        return Releases(RELEASES, ecs=same.ecs, ssm=same.ssm, sns=same.sns).run(what or scheduled)

    # What `postmortem` does

    def post_mortem(self, what: Any) -> dict[str, Any]:
        """What the function returns for an event; raises what the function raises."""
        self.calls.clear()
        return Postmortem(example.settings(PRODUCTION), postmortem_clients()).run(what)

    # What `procedures` does

    def procedure(self, what: Any) -> dict[str, str]:
        """The answer to the event of a document's step; raises what the function raises."""
        self.calls.clear()
        runs = Runs(procedures_clients().incidents, PROCEDURES.retention_days, self.clock)
        made = families(PROCEDURES, procedures_clients(), self.clock, runs, one_by_one)
        return Procedures(PROCEDURES, procedures_clients(), self.clock, runs, made).run(what)

    # What is left behind

    def messages(self, topic: str) -> list[str]:
        sent = sns_backends[ACCOUNT][REGION].topics[PRODUCTION.arn("sns", topic)].sent_notifications
        return [f"{subject}\n{message}" for _, message, subject, _, _ in sent]

    @property
    def outcomes(self) -> list[str]:
        return self.messages(PRODUCTION.outcomes_topic)

    @property
    def escalations(self) -> list[str]:
        """As a mailbox gets them."""
        found = (message.partition("\n") for message in self.messages(PRODUCTION.escalations_topic))
        return [f"{subject}\n{json.loads(body)['default']}" for subject, _, body in found]

    @property
    def image(self) -> str:
        """What the next `cdk deploy` would run."""
        return str(client("ssm").get_parameter(Name=PRODUCTION.image_parameter)["Parameter"]["Value"])

    def image_of(self, definition: str) -> str:
        """The image of a task definition."""
        return str(self.ecs.definitions[definition]["image"])

    @property
    def table(self) -> Any:
        """The table of incidents."""
        return _table(PRODUCTION.incidents_table)

    def items(self) -> dict[str, dict[str, Any]]:
        """What is in the table of incidents, by id."""
        return {item["id"]: item for item in self.table.scan()["Items"]}

    def recorded(self) -> list[dict[str, Any]]:
        """What is in the table of records."""
        return list(_table(PRODUCTION.records_table).scan()["Items"])

    # Hooks of botocore

    def before(self, params: dict[str, Any], model: Any, **_: Any) -> None:
        call = Call(model.service_model.service_name, model.name, dict(params))
        self.calls.append(call)
        self._maybe_crash(2 * (len(self.calls) - 1))
        if call.name in self.refusals:
            raise self.refusals[call.name]

    def after(self, model: Any, **_: Any) -> None:
        if model.name == "SetAlarmState":
            self._set_now(self.calls[-1].parameters["AlarmName"])
        self._maybe_crash(2 * (len(self.calls) - 1) + 1)
        if somebody := self.meanwhile.pop(f"{model.service_model.service_name}:{model.name}", None):
            somebody()

    def mute_rules(self, params: dict[str, Any], **_: Any) -> Any:
        """Answers ListAlarmMuteRules in place of the network."""
        asked = self.calls[-1].parameters
        assert asked["Statuses"] == ["ACTIVE"]
        found = [{"Status": "ACTIVE"}] if asked["AlarmName"] in self.muted else []
        return AWSResponse(params["url"], 200, {}, None), {"AlarmMuteRuleSummaries": found}

    def metric_data(self, params: dict[str, Any], **_: Any) -> Any:
        """Answers GetMetricData in place of moto, which knows no percentile ranks."""
        asked = self.calls[-1].parameters
        results = []
        for query in asked["MetricDataQueries"]:
            found = {time: one for time, one in self.series(query).items() if asked["StartTime"] <= time < asked["EndTime"]}
            values = {"Timestamps": list(found), "Values": list(found.values())}
            results.append({"Id": query["Id"], "Label": "", "StatusCode": "Complete", **values})
        return AWSResponse(params["url"], 200, {}, None), {"MetricDataResults": results}

    def invoke(self, params: dict[str, Any], **_: Any) -> Any:
        """Answers Invoke in place of the network, as for an event."""
        asked = self.calls[-1].parameters
        assert asked["InvocationType"] == "Event"
        self.invoked.append((asked["FunctionName"], json.loads(asked["Payload"])))
        return AWSResponse(params["url"], 202, {}, None), {"StatusCode": 202}

    def start_automation(self, params: dict[str, Any], **_: Any) -> Any:
        """Answers StartAutomationExecution in place of the network: one execution for each token."""
        asked = self.calls[-1].parameters
        self.started.setdefault(asked["ClientToken"], asked)
        return AWSResponse(params["url"], 200, {}, None), {"AutomationExecutionId": asked["ClientToken"]}

    def automation(self, params: dict[str, Any], model: Any, **_: Any) -> Any:
        """Answers for executions of Automation in place of the network."""
        asked = self.calls[-1].parameters
        found = self.executions[asked["AutomationExecutionId"]]
        if model.name == "GetAutomationExecution":
            return AWSResponse(params["url"], 200, {}, None), {"AutomationExecution": found}
        (wanted,) = asked["Filters"]
        member = {"StepName": "StepName", "StepExecutionStatus": "StepStatus"}[wanted["Key"]]
        steps = [one for one in reversed(found["StepExecutions"]) if one[member] in wanted["Values"]]
        return AWSResponse(params["url"], 200, {}, None), {"StepExecutions": steps[: asked["MaxResults"]]}

    def scalable_targets(self, params: dict[str, Any], **_: Any) -> Any:
        """Answers DescribeScalableTargets in place of moto, whose own asks for a service in its own ECS."""
        asked = self.calls[-1].parameters
        assert asked["ResourceIds"] == [f"service/{PRODUCTION.cluster}/{PRODUCTION.service}"]
        found = [dict(zip(("MinCapacity", "MaxCapacity"), self.bounds, strict=True))] if self.bounds else []
        return AWSResponse(params["url"], 200, {}, None), {"ScalableTargets": found}

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

    @classmethod
    def mute_rules(cls, **call: Any) -> Any:
        return cls.world.mute_rules(**call)

    @classmethod
    def scalable_targets(cls, **call: Any) -> Any:
        return cls.world.scalable_targets(**call)

    @classmethod
    def metric_data(cls, **call: Any) -> Any:
        return cls.world.metric_data(**call)

    @classmethod
    def invoke(cls, **call: Any) -> Any:
        return cls.world.invoke(**call)

    @classmethod
    def start_automation(cls, **call: Any) -> Any:
        return cls.world.start_automation(**call)

    @classmethod
    def automation(cls, **call: Any) -> Any:
        return cls.world.automation(**call)


def _new_session() -> boto3.Session:
    made = boto3.Session(region_name=REGION, aws_access_key_id="test", aws_secret_access_key="test")
    for component in ("data_loader", "endpoint_resolver"):
        made._session.register_component(component, _BASE.get_component(component))
    config = Config(signature_version=UNSIGNED, user_agent="tests")  # a fifth of a call, and nobody looks
    made._session.set_default_client_config(config)
    return made


_SIGNED = Config(signature_version="s3v4")
"""Of clients of S3: to moto what is not signed is anybody's."""


@cache
def _quiet() -> boto3.Session:
    return _new_session()


@cache
def client(service: Any) -> Any:
    """The test's own client of a service: nothing records its calls, and they always work."""
    return _quiet().client(service, config=_SIGNED if service == "s3" else None)


@cache
def client_in(region: str, service: Any) -> Any:
    """The same in another region."""
    return _quiet().client(service, region_name=region)


@cache
def _table(name: str) -> Any:
    return _quiet().resource("dynamodb").Table(name)


@cache
def records() -> Records:
    """The records, read and written by nobody but the test."""
    return Records(_table(PRODUCTION.records_table))


@cache
def session() -> boto3.Session:
    """The session of the code under test: the running world sees every call."""
    made = _new_session()
    made.events.register("provide-client-params", _Running.before)
    made.events.register("after-call", _Running.after)
    made.events.register("before-send.ecs", _Running.ecs)
    made.events.register("before-call.cloudwatch.ListAlarmMuteRules", _Running.mute_rules)
    made.events.register("before-call.application-autoscaling.DescribeScalableTargets", _Running.scalable_targets)
    made.events.register("before-call.cloudwatch.GetMetricData", _Running.metric_data)
    made.events.register("before-call.lambda.Invoke", _Running.invoke)
    made.events.register("before-call.ssm.StartAutomationExecution", _Running.start_automation)
    for operation in ("GetAutomationExecution", "DescribeAutomationStepExecutions"):
        made.events.register(f"before-call.ssm.{operation}", _Running.automation)
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
        records=session().resource("dynamodb").Table(ROLLBACK.records_table),
    )


@cache
def procedures_clients() -> ProceduresClients:
    return ProceduresClients(
        **vars(rollback_clients()),
        autoscaling=session().client("application-autoscaling"),
        cloudfront=session().client("cloudfront"),
        ecr=session().client("ecr"),
        frontend_wafv2=session().client("wafv2", region_name="us-east-1"),
        logs=client("logs"),
        s3=session().client("s3"),
        secrets=client("secretsmanager"),
        wafv2=session().client("wafv2"),
    )


@cache
def notify_clients() -> NotifyClients:
    same = rollback_clients()
    names = ("cloudwatch", "ecs", "sns", "ssm", "incidents", "records")
    return NotifyClients(functions=session().client("lambda"), **{name: getattr(same, name) for name in names})


@cache
def postmortem_clients() -> PostmortemClients:
    return PostmortemClients(
        cloudwatch=rollback_clients().cloudwatch, s3=session().client("s3", config=_SIGNED), records=rollback_clients().records
    )


@cache
def secrets() -> Any:
    """The client of Secrets Manager of the code under test."""
    return session().client("secretsmanager")


@contextmanager
def world() -> Iterator[World]:
    """A fresh AWS with a service that runs its second release since a day."""
    with empty_account("ecs"):
        made = _Running.world = World(Ecs(NOON, _BASE.get_service_model("ecs")))
        _furnish(made)
        made.wait(days=-2)
        made.release()
        made.wait(days=1)
        made.release()
        made.wait(days=1)
        yield made


_FURNISHED: list[bytes] = []
"""What every world begins with, as moto has it: created once, and brought back for each."""


def _furnish(made: World) -> None:
    if not _FURNISHED:
        _create(made)
        services = {service.service_name: dict(service) for service in BackendDict._instances}
        _FURNISHED.append(pickle.dumps(services))
    for name, accounts in pickle.loads(_FURNISHED[0]).items():  # noqa: S301 - our own
        service = get_backend(name)
        service.update(accounts)
        if service not in BackendDict._instances:
            BackendDict._instances.append(service)
    client("ssm").put_parameter(  # alone cannot be pickled
        Name=PRODUCTION.image_parameter, Value="as the release wrote it", Type="String"
    )


def _create(made: World) -> None:
    client("dynamodb").create_table(
        TableName=PRODUCTION.incidents_table,
        KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
        BillingMode="PAY_PER_REQUEST",
    )
    client("dynamodb").create_table(
        TableName=PRODUCTION.records_table,
        KeySchema=[{"AttributeName": "incident", "KeyType": "HASH"}, {"AttributeName": "event", "KeyType": "RANGE"}],
        AttributeDefinitions=[{"AttributeName": name, "AttributeType": "S"} for name in ("incident", "event")],
        BillingMode="PAY_PER_REQUEST",
    )
    for topic in TOPICS:
        client("sns").create_topic(Name=topic)
    client("rds").create_db_instance(
        DBInstanceIdentifier=PRODUCTION.database_instance,
        DBInstanceClass="db.t4g.large",
        Engine="postgres",
        MasterUsername="hz_admin",
        MasterUserPassword="not-a-secret",
        AllocatedStorage=100,
    )
    client("elasticache").create_replication_group(
        ReplicationGroupId=PRODUCTION.replication_group, ReplicationGroupDescription="cache"
    )
    for name in DEPENDENCIES:
        made.watch(name, notifies=False)
