"""An hour of `notify` on an AWS that fails in one way: plain fakes of what it calls, and a clock that only the hour moves.

The fakes are below nothing: a fault is what botocore raises once its retries are over. `test_function.py` has the same function
on moto, through botocore.
"""

import json
import re
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from copy import copy, deepcopy
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, cast

from botocore.exceptions import ClientError, EndpointConnectionError, ReadTimeoutError

from lambdas.notify.function import Clients, Notify
from runbook.pages import PAGES
from tests.environments import PRODUCTION

from ..world import NOON, NOTIFY, OUTCOME, refusal

HOUR = timedelta(hours=1)
MINUTE = timedelta(minutes=1)
_TOPICS = {
    **{NOTIFY.topic(severity): severity.lower() for severity in ("P1", "P2", "P3", "P4")},
    NOTIFY.chat_topic: "chat",
}
_INCIDENT = "an incident's id"


@dataclass(frozen=True)
class Fault:
    """A call that fails within `span` (minutes): all of a service, an operation, or one of its objects (`Publish:p1`).

    `applied` says that it had its effect and only the answer is lost; `every` that only every n-th such call fails.
    """

    target: str
    error: Callable[[], Exception]
    span: tuple[float, float] = (0, 60)
    applied: bool = False
    every: int = 1

    def spans(self, at: datetime) -> bool:
        """Whether a call at this moment fails."""
        begin, end = self.span
        return NOON + begin * MINUTE <= at < NOON + end * MINUTE

    def __str__(self) -> str:
        lost = " (answer lost)" if self.applied else ""
        return f"{self.target}: {type(self.error()).__name__}{lost}, minutes {self.span}, every {self.every}"


ERRORS: tuple[Callable[[], Exception], ...] = (
    lambda: refusal("AccessDeniedException"),
    lambda: refusal("ThrottlingException", "Rate exceeded"),
    lambda: ClientError(
        {"Error": {"Code": "InternalError", "Message": "-"}, "ResponseMetadata": cast("Any", {"HTTPStatusCode": 500})}, ""
    ),
    lambda: ReadTimeoutError(endpoint_url="https://an.endpoint"),
    lambda: EndpointConnectionError(endpoint_url="https://an.endpoint"),
)


@dataclass(frozen=True)
class Sent:
    """A message that reached a topic: its subject, and the time of the incident that it is about."""

    at: datetime
    topic: str
    subject: str
    since: str
    text: str

    @property
    def same(self) -> tuple[str, str, str]:
        """What makes two messages one notification."""
        return self.topic, self.subject, self.since


Step = tuple[float, Callable[["Hour"], None]]
"""What happens at a minute."""


@dataclass
class Hour:
    """The state of AWS, and what `notify` did with it."""

    fault: Fault | None = None
    cold: bool = False
    """Every run begins in a new process."""
    now: datetime = NOON
    alarms: dict[str, tuple[str, datetime]] = field(default_factory=dict)
    table: dict[str, Any] = field(default_factory=dict)
    records: dict[tuple[str, str], dict[str, Any]] = field(default_factory=dict)
    """What is in the table of records, by incident and event."""
    deployments: list[dict[str, Any]] = field(default_factory=list)
    muted: set[str] = field(default_factory=set)
    sent: list[Sent] = field(default_factory=list)
    calls: dict[str, list[tuple[int, datetime]]] = field(default_factory=lambda: defaultdict(list))
    """When each was called, and how many events had gone before."""
    raised: list[tuple[datetime, Exception]] = field(default_factory=list)
    lies: list[str] = field(default_factory=list)
    alarms_too: tuple[str, ...] = ()
    """More alarms than the pages and what they need."""
    unlisted: set[str] = field(default_factory=set)
    """Alarms that a listing leaves out."""
    _notify: Notify | None = None
    _hits: int = 0
    _events: int = 0

    def __post_init__(self) -> None:
        names = [PRODUCTION.page(page.slug) for page in PAGES]
        names += [PRODUCTION.alarm("redis-memory", "warning"), PRODUCTION.maintenance_alarm, PRODUCTION.not_armed_alarm]
        names += [PRODUCTION.alarm(slug, "warning") for slug in ("api-availability", "frontend-availability")]
        names += self.alarms_too
        self.alarms = {name: ("OK", NOON - timedelta(days=1)) for name in names}
        self.deployments = [_deployment("0001", NOON - timedelta(days=1), "SUCCESSFUL")]

    # What happens

    def set(self, name: str, state: str) -> None:
        if self.alarms[name][0] != state:
            self.alarms[name] = (state, self.now)

    def deploy(self, status: str) -> None:
        self.deployments.append(_deployment(f"{len(self.deployments) + 1:04}", self.now, status))

    def end(self, status: str) -> None:
        self.deployments[-1] |= {"status": status, "finishedAt": self.now}

    def incident(self, began: datetime | None = None) -> None:
        """rollback has recorded what it did, and could do nothing."""
        at = (began or self.now).isoformat()
        self.table["latest"] = {"open_incident": f"{_INCIDENT}#{at}"}
        text = json.dumps({"outcome": OUTCOME.outcome, **_outcome(at)})
        self.table[f"{_INCIDENT}#{at}"] = {"outcome": text}

    def last(self, steps: list[Step], until: int | None = None) -> "Hour":
        """The hour, or the rest of it until so many events: what happens, a run at each event, and one each minute."""
        events = sorted([*steps, *((float(minute), None) for minute in range(1, 61))], key=lambda one: one[0])
        for minute, happen in events[self._events : until]:
            self.now = max(self.now, NOON + minute * MINUTE)
            stamp = self.now.isoformat()
            if happen:
                happen(self)
                self.run({"Records": [{"Sns": {"Timestamp": stamp}}]})
            else:
                self.run({"time": stamp})
            self._events += 1
        return self

    def fork(self, fault: Fault, *, cold: bool) -> "Hour":
        """An hour without a fault, as it is so far, with a fault from now on: in a new process, which remembers nothing."""
        new = {"fault": fault, "cold": cold, "calls": defaultdict(list), "_notify": None}
        made = copy(self)
        vars(made).update(new | deepcopy({name: one for name, one in vars(self).items() if name not in new}))
        return made

    def first(self, fault: Fault) -> int | None:
        """How many events had gone before the first call that would meet a fault; None where none would."""
        return next((events for events, at in self.calls[fault.target] if fault.spans(at)), None)

    def run(self, event: Any) -> None:
        if self._notify is None:
            clients = Clients(
                cloudwatch=cast("Any", _CloudWatch(self)),
                ecs=cast("Any", _Ecs(self)),
                functions=cast("Any", _Functions(self)),
                sns=cast("Any", _Sns(self)),
                ssm=cast("Any", None),  # no maintenance is announced
                incidents=cast("Any", _Table(self)),
                records=cast("Any", _Records(self)),
            )
            self._notify = Notify(NOTIFY, clients, lambda: self.now)
        if self.cold:
            self._notify._untold = None  # all that a process remembers: a new one takes longer to make than an hour's runs
        try:
            self._notify.run(event)
        except Exception as error:  # whatever it is, Lambda counts an error
            self.raised.append((self.now, error))

    @property
    def told_otherwise(self) -> list[datetime]:
        """When the alarm on `notify` itself called: three of five minutes with errors."""
        bad = sorted({(at - NOON) // MINUTE for at, _ in self.raised})
        return [NOON + (minute + 1) * MINUTE for minute in bad if sum(minute - 5 < one <= minute for one in bad) >= 3]

    # How AWS answers

    def call(self, service: str, operation: str, thing: str, effect: Callable[[], Any]) -> Any:
        names = (service, operation, *([f"{operation}:{thing}"] if thing else []))
        fault = self.fault
        if fault is None:
            for name in names:
                self.calls[name].append((self._events, self.now))
            return effect()
        if fault.target not in names or not fault.spans(self.now):
            return effect()
        self._hits += 1
        if (self._hits - 1) % fault.every:
            return effect()
        if fault.applied:
            effect()
        raise fault.error()


def _deployment(number: str, at: datetime, status: str) -> dict[str, Any]:
    arn = PRODUCTION.arn("ecs", f"service-deployment/{PRODUCTION.cluster}/{PRODUCTION.service}/{number}")
    ended = {"finishedAt": at} if status in ("SUCCESSFUL", "ROLLBACK_SUCCESSFUL") else {}
    return {"serviceDeploymentArn": arn, "targetServiceRevisionArn": arn, "status": status, "createdAt": at, **ended}


def _outcome(at: str) -> Mapping[str, Any]:
    words = dict.fromkeys(("environment", "service", "alarm", "wrong", "look_at"), "-")
    return {**words, "at": at, "done": "Nothing was changed.", "section": "2", "needs_person": True}


@dataclass
class _CloudWatch:
    hour: Hour

    def get_paginator(self, _: str) -> "_CloudWatch":
        return self

    def paginate(self, **_: Any) -> Iterator[Any]:
        yield self.describe_alarms()

    def describe_alarms(self, *, AlarmNames: Sequence[str] = (), **_: Any) -> Any:  # noqa: N803 - boto3's name
        return self.hour.call("CloudWatch", "DescribeAlarms", "", lambda: self._alarms(AlarmNames))

    def _alarms(self, names: Sequence[str]) -> Any:
        quiet = (PRODUCTION.maintenance_alarm, *self.hour.alarms_too)
        found = names or self.hour.alarms.keys() - self.hour.unlisted
        return {
            "MetricAlarms": [
                {
                    "AlarmName": name,
                    "StateValue": state,
                    "StateUpdatedTimestamp": since,
                    "StateTransitionedTimestamp": since,
                    "AlarmActions": [] if name in quiet else [NOTIFY.alarms_topic],
                }
                for name, (state, since) in self.hour.alarms.items()
                if name in found
            ],
            "CompositeAlarms": [],
        }

    def set_alarm_state(self, *, AlarmName: str, StateValue: str, StateReason: str) -> None:  # noqa: N803 - boto3's names
        del StateReason
        self.hour.call("CloudWatch", "SetAlarmState", AlarmName, lambda: self.hour.set(AlarmName, StateValue))

    def list_alarm_mute_rules(self, *, AlarmName: str, Statuses: list[str]) -> Any:  # noqa: N803 - boto3's names
        del Statuses
        found = [{}] if AlarmName in self.hour.muted else []
        return self.hour.call("CloudWatch", "ListAlarmMuteRules", AlarmName, lambda: {"AlarmMuteRuleSummaries": found})


@dataclass
class _Ecs:
    hour: Hour

    def list_service_deployments(self, *, status: tuple[str, ...] = (), createdAt: Any = None, **_: Any) -> Any:  # noqa: N803 - boto3's name
        found = [
            one
            for one in self.hour.deployments
            if (not status or one["status"] in status) and (createdAt is None or one["createdAt"] >= createdAt["after"])
        ]
        return self.hour.call("ECS", "ListServiceDeployments", "", lambda: {"serviceDeployments": found})

    def describe_service_revisions(self, **_: Any) -> Any:
        answer = {"serviceRevisions": [{"containerImages": [{"image": "repository:commit"}]}]}
        return self.hour.call("ECS", "DescribeServiceRevisions", "", lambda: answer)


@dataclass
class _Sns:
    hour: Hour

    def publish(self, *, TopicArn: str, Message: str, Subject: str = "", **_: Any) -> None:  # noqa: N803 - boto3's names
        body = json.loads(Message)
        if TopicArn == NOTIFY.chat_topic:
            subject, words = body["content"]["title"], body["content"]["description"]
            since, name = (
                found[1] for found in (re.search(r"Since\*: (\S+ \S+)", words), re.search(r"alarm/(\S+)", words)) if found
            )
        else:
            inner = json.loads(body["https"])
            subject, since, name = Subject, inner["StateChangeTime"], inner["AlarmName"]
        words = body.get("default", Message)
        sent = Sent(self.hour.now, _TOPICS[TopicArn], subject, since, words)

        def effect() -> None:
            self.hour.sent.append(sent)
            if name in self.hour.alarms and ("Handled" in subject or "Over: " in subject) == (
                self.hour.alarms[name][0] == "ALARM"
            ):
                self.hour.lies.append(f"{subject}, and {name} is {self.hour.alarms[name][0]}")

        self.hour.call("SNS", "Publish", sent.topic, effect)


@dataclass
class _Functions:
    hour: Hour

    def invoke(self, *, FunctionName: str, InvocationType: str, Payload: str) -> None:  # noqa: N803 - boto3's names
        assert FunctionName in (NOTIFY.diagnose_function, NOTIFY.postmortem_function)
        assert InvocationType == "Event"
        asked = json.loads(Payload)
        self.hour.call("Lambda", "Invoke", asked["incident"], lambda: None)


@dataclass
class _Table:
    hour: Hour

    def get_item(self, *, Key: Any, ConsistentRead: bool) -> Any:  # noqa: N803 - boto3's names
        assert ConsistentRead
        key = Key["id"]
        found = {"Item": self.hour.table[key]} if key in self.hour.table else {}
        return self.hour.call("DynamoDB", "GetItem", key.partition("#")[0], lambda: found)

    def put_item(self, *, Item: Any) -> None:  # noqa: N803 - boto3's name
        self.hour.call("DynamoDB", "PutItem", Item["id"], lambda: self.hour.table.update({Item["id"]: Item}))


@dataclass
class _Records:
    hour: Hour

    def query(self, *, ExpressionAttributeValues: Any, ScanIndexForward: bool = True, Limit: int = 1000, **_: Any) -> Any:  # noqa: N803 - boto3's names
        wanted = ExpressionAttributeValues[":name"]
        found = sorted((key for key in self.hour.records if key[0] == wanted), reverse=not ScanIndexForward)[:Limit]
        items = [dict(self.hour.records[key]) for key in found]  # what is in one is replaced, never changed
        return self.hour.call("DynamoDB", "Query of records", "", lambda: {"Items": items})

    def put_item(self, *, Item: Any, ConditionExpression: str) -> None:  # noqa: N803 - boto3's names
        key = (Item["incident"], Item["event"])
        if key in self.hour.records:
            raise refusal("ConditionalCheckFailedException", ConditionExpression)
        self.hour.call("DynamoDB", "PutItem of records", "", lambda: self.hour.records.update({key: Item}))

    def update_item(self, *, Key: Any, UpdateExpression: str, ExpressionAttributeValues: Any = None) -> None:  # noqa: N803 - boto3's names
        item = self.hour.records[Key["incident"], Key["event"]]
        verb, name, *_ = UpdateExpression.split(" ")
        value = next(iter((ExpressionAttributeValues or {}).values()), None)

        def effect() -> None:
            match verb:
                case "ADD":
                    item[name] = {*item[name], *value}
                case "SET":
                    item[name] = value
                case "REMOVE":
                    item.pop(name, None)

        self.hour.call("DynamoDB", "UpdateItem of records", "", effect)
