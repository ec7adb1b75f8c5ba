"""An AWS in memory for `rollback`, on a clock of its own: quick enough to be broken ten thousand times.

It stands where boto3's clients do, and does what botocore does there: a call is tried three times, with a wait in between, and only
the last error is raised. ECS is that of the other tests; the rest is what `rollback` asks for. `test_faults.py` holds it against moto.
"""

import json
import re
from collections.abc import Callable, Mapping
from contextlib import suppress
from copy import deepcopy
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from types import SimpleNamespace
from typing import Any

from botocore.exceptions import ClientError, ConnectionClosedError, ReadTimeoutError
from botocore.parsers import ResponseParserError
from botocore.session import Session

from lambdas.common.aws import CLIENT
from lambdas.rollback.clients import Clients
from lambdas.rollback.function import Rollback
from local.ecs.rollout import RefusedError
from runbook.rules import ROLLBACK_TIMEOUT
from tests.unit.lambdas.ecs import Ecs
from tests.unit.lambdas.world import DEPENDENCIES, NOON, ROLLBACK, Crash

LATENCY = 0.05
"""Seconds that a call takes which nothing goes wrong with."""

ATTEMPTS = CLIENT.retries["total_max_attempts"]
TIMEOUT = ROLLBACK_TIMEOUT.total_seconds()

DENIED, THROTTLED, INTERNAL = "AccessDeniedException", "ThrottlingException", "InternalFailure"


@dataclass(frozen=True)
class Fault:
    """What goes wrong with an attempt of a call: whether it has its effect all the same, and what the caller gets."""

    name: str
    effect: bool
    error: Callable[[], BaseException]
    retried: bool = True
    """By botocore."""
    seconds: float = 0


def _http(code: str) -> Callable[[], BaseException]:
    return lambda: ClientError({"Error": {"Code": code, "Message": "as the fault asks"}}, "")


def _times_out() -> BaseException:
    return ReadTimeoutError(endpoint_url="https://aws")


def _reset() -> BaseException:
    return ConnectionClosedError(endpoint_url="https://aws")


FAULTS = (
    Fault("throttled", False, _http(THROTTLED)),
    Fault("denied", False, _http(DENIED), retried=False),
    Fault("5xx before", False, _http(INTERNAL)),
    Fault("5xx after", True, _http(INTERNAL)),
    Fault("time-out before", False, _times_out, seconds=CLIENT.read_timeout),
    Fault("time-out after", True, _times_out, seconds=CLIENT.read_timeout),
    Fault("reset before", False, _reset),
    Fault("reset after", True, _reset),
    Fault("malformed before", False, lambda: ResponseParserError("no JSON"), retried=False),
    Fault("malformed after", True, lambda: ResponseParserError("no JSON"), retried=False),
    Fault("dies before", False, Crash, retried=False),
    Fault("dies after", True, Crash, retried=False),
)
HANGS = next(fault for fault in FAULTS if fault.name == "time-out before")


@dataclass(frozen=True)
class Injected:
    """A fault on the calls that `hits` chooses by their number in the run and their name; on the first attempt only, or all."""

    fault: Fault
    hits: Callable[[int, str], bool]
    always: bool = True


@dataclass
class Message:
    """What was published: to which topic's name, when, and with which subject and words."""

    topic: str
    at: datetime
    subject: str
    words: str


class Twin:
    """One environment's AWS, with a service that runs its second release since a day."""

    def __init__(self) -> None:
        self.ecs = Ecs(NOON - timedelta(days=2), _ecs_model())
        self.items: dict[str, dict[str, Any]] = {}
        self.messages: list[Message] = []
        self.image = "as the release wrote it"
        self.database = self.cache = "available"
        self.alarms = dict.fromkeys(DEPENDENCIES, "OK")
        self.calls: list[str] = []
        """Of the run."""
        self.depth = 0
        """How many calls of the run followed one another."""
        self.depth_of_change = 0
        self.seconds_to_change = 0.0
        self.injected: Injected | None = None
        self.mode = "on"
        self._began = self.ecs.now
        self._ends: datetime | None = None
        self._functions: dict[str, Rollback] = {}
        self.release()
        self.wait(days=1)
        self.release()
        self.wait(minutes=24 * 60 - 4)

    # The time

    @property
    def now(self) -> datetime:
        return self.ecs.now

    def clock(self) -> datetime:
        return self.ecs.now

    def wait(self, **span: float) -> None:
        self.ecs.now += timedelta(**span)

    def _takes(self, seconds: float) -> None:
        """A call takes this long; Lambda ends the function that has used up its time."""
        if self._ends and self.now + timedelta(seconds=seconds) > self._ends:
            self.ecs.now = self._ends
            raise Crash("the function's time is over")
        self.wait(seconds=seconds)

    def at_once(self, readers: Mapping[str, Callable[[], Any]], seconds: float) -> Mapping[str, Any]:
        """What threads do: all begin now, and what is late is given up."""
        began, until, depth = self.now, self._ends, self.depth
        ended, deepest, found = began, depth, {}
        self._ends = None
        for name, reader in readers.items():
            self.ecs.now, self.depth = began, depth
            try:
                found[name] = reader()
            except Exception as error:
                found[name] = error
            if self.now - began > timedelta(seconds=seconds):
                found[name] = TimeoutError(f"no answer within {seconds} s")
            ended, deepest = max(ended, min(self.now, began + timedelta(seconds=seconds))), max(deepest, self.depth)
        self.ecs.now, self.depth, self._ends = ended, deepest, until
        return found

    # What happens to the service

    def release(self, *, minutes: float = 2) -> str:
        definition = self.begin_release()
        self.wait(minutes=minutes)
        self.ecs.settle()
        return definition

    def begin_release(self) -> str:
        definition = self.ecs.register()
        self.ecs.deploy(definition)
        return definition

    def lock(self, minutes: float) -> None:
        """A procedure takes the lock of the service; it gives it back when it is over, or dies."""
        at = int(self.now.timestamp())
        who = {"procedure": "backend-deploy", "execution": f"of {at}", "started_by": "ada", "at": at, "lease": minutes * 60}
        changes = self.items.setdefault("changes", {"id": "changes"})
        changes |= {"lock service": {**who, "renewed": at, "until": at + int(minutes * 60)}}
        changes["version"] = changes.get("version", 0) + 1

    def unlock(self) -> None:
        self.items.get("changes", {}).pop("lock service", None)

    # The function

    def run(self, event: Any) -> Any:
        """What the function returns; raises what it raises."""
        self.calls, self.depth, self._began = [], 0, self.now
        self._ends = self.now + timedelta(seconds=TIMEOUT)
        try:
            return self._function().run(event, TIMEOUT)
        finally:
            self._ends = None

    def _function(self) -> Rollback:
        if self.mode not in self._functions:
            self._functions[self.mode] = Rollback(
                ROLLBACK.model_copy(update={"mode": self.mode}), self._clients(), self.clock, self.at_once
            )
        return self._functions[self.mode]

    def _clients(self) -> Any:
        names = ("cloudwatch", "ecs", "elasticache", "rds", "sns", "ssm")
        clients = {name: _Client(self, name) for name in names}
        return Clients(**clients, incidents=_Client(self, "dynamodb"), records=_Client(self, "dynamodb"))

    # A call

    def call(self, name: str, parameters: Mapping[str, Any]) -> Any:
        number, injected = len(self.calls), self.injected
        self.calls.append(name)
        self.depth += 1
        if not (injected and injected.hits(number, name)):
            self._takes(LATENCY)
            return self._effect(name, parameters)
        fault = injected.fault
        for attempt in range(ATTEMPTS):
            self._takes(LATENCY)
            if attempt and not injected.always:
                return self._effect(name, parameters)
            if fault.effect:
                with suppress(ClientError):  # that answer is lost as well
                    self._effect(name, parameters)
            self._takes(fault.seconds)
            if not fault.retried:
                break
            self._takes(0.5 * 2**attempt if attempt < ATTEMPTS - 1 else 0)
        raise fault.error()

    def _effect(self, name: str, parameters: Mapping[str, Any]) -> Any:
        service, _, operation = name.partition(":")
        if operation in ("update_service", "stop_service_deployment"):
            self.depth_of_change, self.seconds_to_change = self.depth, (self.now - self._began).total_seconds()
        if service == "ecs":
            return self._ecs(operation, deepcopy(dict(parameters)))
        answer: Any = getattr(self, f"_{operation}")(**parameters)
        return answer

    def _ecs(self, operation: str, parameters: dict[str, Any]) -> Any:
        self.ecs.rollout.advance(self.ecs._conditions)
        try:
            return _with_moments(self.ecs._answer("".join(word.title() for word in operation.split("_")), parameters))
        except RefusedError as refused:
            kind = GoneError if refused.code == "ClientException" else ClientError
            raise kind({"Error": {"Code": refused.code, "Message": str(refused)}}, operation) from None

    def _describe_db_instances(self, **_: Any) -> Any:
        return {"DBInstances": [{"DBInstanceStatus": self.database}]}

    def _describe_replication_groups(self, **_: Any) -> Any:
        return {"ReplicationGroups": [{"Status": self.cache}]}

    def _describe_alarms(self, AlarmNames: list[str], **_: Any) -> Any:  # noqa: N803 - as AWS calls it
        found = [{"AlarmName": name, "StateValue": self.alarms[name]} for name in AlarmNames if name in self.alarms]
        return {"MetricAlarms": found}

    def _put_parameter(self, **parameters: Any) -> Any:
        self.image = parameters["Value"]
        return {"Version": 1}

    def _publish(self, **parameters: Any) -> Any:
        subject, words = parameters["Subject"], parameters["Message"]
        if not (0 < len(subject) <= 100 and subject.isascii() and subject.isprintable()):
            raise ClientError({"Error": {"Code": "InvalidParameter", "Message": "Invalid parameter: Subject"}}, "")
        if len(words.encode()) > 256 * 1024:
            raise ClientError({"Error": {"Code": "InvalidParameter", "Message": "Message too long"}}, "")
        topic = parameters["TopicArn"].rpartition(":")[2]
        self.messages.append(Message(topic, self.now, parameters["Subject"], parameters["Message"]))
        return {"MessageId": "one"}

    # DynamoDB, as far as our expressions go

    def _get_item(self, **parameters: Any) -> Any:
        item = self.items.get(_id(parameters["Key"]))
        return {"Item": deepcopy(item)} if item is not None else {}

    def _put_item(self, **parameters: Any) -> Any:
        key = _id(parameters["Item"])
        _check_size(key, parameters["Item"])
        self._check(parameters, key)
        self.items[key] = deepcopy(parameters["Item"])
        return {}

    def _query(self, **parameters: Any) -> Any:
        wanted = parameters["ExpressionAttributeValues"][":name"]
        found = sorted(
            (item for item in self.items.values() if item.get("incident") == wanted), key=lambda one: str(one["event"])
        )
        if not parameters.get("ScanIndexForward", True):
            found.reverse()
        return {"Items": deepcopy(found[: parameters.get("Limit")])}

    def _update_item(self, **parameters: Any) -> Any:
        key = _id(parameters["Key"])
        _check_size(key, {**self.items.get(key, {}), **parameters.get("ExpressionAttributeValues", {})})
        self._check(parameters, key)
        item, names, values = self.items.setdefault(key, dict(parameters["Key"])), *_given(parameters)
        before = dict(item)
        sets, _, removes = parameters["UpdateExpression"].partition("REMOVE ")
        for name, value in re.findall(r"([#\w]+) = (if_not_exists\([^)]*\)|:\w+)", sets):
            path = names.get(name, name)
            if value.startswith("if"):
                item[path] = before.get(path, values[value.rpartition(" ")[2].rstrip(")")])
            else:
                item[path] = values[value]
        for name, value in re.findall(r"ADD (\w+) (:\w+)", sets):
            item[name] = {*item.get(name, ()), *values[value]}
        for name in filter(None, map(str.strip, removes.split(","))):
            item.pop(names.get(name, name), None)
        return {"Attributes": deepcopy(item)}

    def _check(self, parameters: Mapping[str, Any], key: str) -> None:
        condition = parameters.get("ConditionExpression", "")
        if condition and not _holds(condition, self.items.get(key, {}), *_given(parameters)):
            raise ClientError({"Error": {"Code": "ConditionalCheckFailedException", "Message": "it does not hold"}}, "")


class GoneError(ClientError):
    """What ECS answers for a task definition that is gone."""


class _Client:
    """A client of one service, or the table."""

    def __init__(self, twin: Twin, service: str) -> None:
        self.exceptions = SimpleNamespace(ClientException=GoneError)
        self._twin = twin
        self._service = service

    def __getattr__(self, operation: str) -> Callable[..., Any]:
        return lambda **parameters: self._twin.call(f"{self._service}:{operation}", parameters)


@cache
def _ecs_model() -> Any:
    return Session().get_service_model("ecs")


def _with_moments(value: Any) -> Any:
    """An answer with its times as boto3 has them."""
    if isinstance(value, dict):
        return {
            name: datetime.fromtimestamp(one, UTC) if name.endswith("At") and one else _with_moments(one)
            for name, one in value.items()
        }
    return [_with_moments(one) for one in value] if isinstance(value, list) else value


def _id(key: Mapping[str, Any]) -> str:
    """Of an item of either table."""
    return str(key["id"] if "id" in key else f"record {key['incident']} {key['event']}")


def _check_size(key: str, item: Mapping[str, Any]) -> None:
    """What DynamoDB refuses: https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Constraints.html"""
    if not 0 < len(key.encode()) <= 2048 or len(json.dumps(item, ensure_ascii=False, default=str).encode()) > 400 * 1024:
        raise ClientError({"Error": {"Code": "ValidationException", "Message": "too long"}}, "")


def _given(parameters: Mapping[str, Any]) -> tuple[Mapping[str, str], Mapping[str, Any]]:
    return parameters.get("ExpressionAttributeNames", {}), parameters.get("ExpressionAttributeValues", {})


def _holds(condition: str, item: Mapping[str, Any], names: Mapping[str, str], values: Mapping[str, Any]) -> bool:
    """A condition of terms joined by OR and AND, AND binding closer, with at most one level of parentheses."""

    def term(text: str) -> str:
        if missing := re.fullmatch(r"attribute_not_exists\(([#\w]+)\)", text):
            return str(names.get(missing[1], missing[1]) not in item)
        left, sign, right = text.split(" ")
        found: Any = item
        for path in left.split("."):
            if names.get(path, path) not in found:
                return "False"
            found = found[names.get(path, path)]
        return str({"<": found < values[right], "<=": found <= values[right], "=": found == values[right]}[sign])

    def group(text: str) -> bool:
        return any(
            all(one == "True" or (one != "False" and term(one) == "True") for one in part.split(" AND "))
            for part in text.split(" OR ")
        )

    inner = re.sub(r"(?<!exists)\(([^()]*(?:\([^()]*\)[^()]*)*)\)", lambda found: str(group(found[1])), condition)
    return group(inner)
