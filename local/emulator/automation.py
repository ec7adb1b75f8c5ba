"""Systems Manager Automation: executions, their API, and the steps' calls under the document's role.

ministack 1.5.33 has no Automation. `services.ssm.handle_request` is replaced: called through for all but the operations of
Automation and of documents (`local.emulator.ssm_documents`).

Each execution has a thread, which runs its steps (`local.automation.execution`) and waits on the clock. A step's call is a
request to this very server, with a session of the role: IAM is enforced, and the call is recorded, as for anybody.
https://docs.aws.amazon.com/systems-manager/latest/APIReference/API_StartAutomationExecution.html
"""

import asyncio
import base64
import contextvars
import functools
import json
import logging
import secrets
import threading
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Any

import botocore.session
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError, ConnectTimeoutError, ReadTimeoutError
from ministack.core import iam_evaluator
from ministack.core.iam_evaluator import CredentialResolutionError, EvalContext
from ministack.core.responses import error_response_json, get_account_id, get_region, json_response, new_uuid
from ministack.core.router import extract_access_key_id
from ministack.services import eventbridge, iam, ssm, sts

from local.automation import apis
from local.automation.execution import Execution
from local.automation.parameters import ParameterError, given
from local.automation.reading import MOST_BYTES, read
from local.automation.runs import GUIDE, CallError, CallTimeoutError, Run, SignalError, UnknownStepError
from local.automation.values import ROLE_ARN, in_text, listed, substituted
from local.emulator import access
from local.emulator.clock import Clock
from local.emulator.constraints import refusals
from local.emulator.ssm_documents import Answer, Documents, RefusedError, Request, Stored, Version

logger = logging.getLogger("local.automation")

FAULTS = ("fail", "time out", "interrupt")
_SERVICE = "ssm.amazonaws.com"
_INVALID = "InvalidAutomationExecutionParametersException"
_NO_SIGNAL = "InvalidAutomationSignalException"
_UNUSED = ("TargetParameterName", "Targets", "TargetMaps", "TargetLocations", "TargetLocationsURL", "AlarmConfiguration")
_caller: contextvars.ContextVar[str] = contextvars.ContextVar("caller")
"""The access key of the request at hand."""


@dataclass(frozen=True)
class Credentials:
    """A session or a user's keys, and whose they are."""

    key: str
    secret: str
    token: str | None


@dataclass
class Started:
    """An execution with what the API shows of it."""

    execution: Execution
    document: Stored
    version: Version
    parameters: Mapping[str, list[str]]
    by: str
    credentials: Credentials
    tags: list[dict[str, str]]
    parent: str = ""
    running: bool = True


@dataclass
class Fault:
    """What happens to a step's next calls, before or after their effect."""

    kind: str
    after: bool
    times: int


class Automation:
    """The executions of the account."""

    def __init__(self, clock: Clock, port: int) -> None:
        self._clock, self._port = clock, port
        self.documents = Documents(clock)
        self._started: dict[str, Started] = {}
        self._tokens: dict[str, tuple[Request, str]] = {}
        self._faults: dict[tuple[str, str], Fault] = {}
        self._turn = threading.Condition()
        self._pool = ThreadPoolExecutor(thread_name_prefix="automation")  # whoever waits for idleness holds one of the loop's
        self._operations: Mapping[str, Callable[[Request], Answer]] = {
            **self.documents.operations,
            "StartAutomationExecution": self.start,
            "GetAutomationExecution": self.get,
            "DescribeAutomationExecutions": self.describe,
            "DescribeAutomationStepExecutions": self.steps,
            "StopAutomationExecution": self.stop,
            "SendAutomationSignal": self.signal,
        }

    def install(self) -> dict[str, Callable[..., Any]]:
        """Plug in; the control call `break_step`."""
        self._handle = ssm.handle_request
        ssm.handle_request = self.handle_request
        for action in ("ssm:StartAutomationExecution", "ssm:CreateDocument", "ssm:UpdateDocument"):
            access.PASSES[action] = (self._roles, _SERVICE)
        return {"break_step": self.break_step}

    async def handle_request(self, method: str, path: str, headers: Any, body: bytes, query: Any) -> Any:
        operation = headers.get("x-amz-target", "").rpartition(".")[2]
        answer = self._operations.get(operation)
        if answer is None:
            return await self._handle(method, path, headers, body, query)
        _caller.set(extract_access_key_id(headers, query) or "")
        request, model = json.loads(body or b"{}"), apis.operation("ssm", operation)
        if found := list(refusals(model, request)) if model else []:
            message = f"{len(found)} validation error{'s' * (len(found) > 1)} detected: {'; '.join(found)}"
            return error_response_json("ValidationException", message, HTTPStatus.BAD_REQUEST)
        try:
            # Documents are checked against the SDK's models, which takes a moment: away from the server's loop.
            call = functools.partial(contextvars.copy_context().run, answer, request)
            return json_response(await asyncio.get_running_loop().run_in_executor(self._pool, call))
        except RefusedError as error:
            return error_response_json(error.code, str(error), HTTPStatus.BAD_REQUEST, message_key="Message")

    # Time

    def tick(self) -> None:
        """The clock was moved."""
        with self._turn:
            self._turn.notify_all()

    def idle(self, seconds: float) -> bool:
        """Wait until every execution has ended or waits for time or people, for at most that many seconds; whether it is so."""
        with self._turn:
            return self._turn.wait_for(lambda: not any(self._is_busy(one) for one in self._started.values()), timeout=seconds)

    def _is_busy(self, one: Started) -> bool:
        return one.running or one.execution.due(self._clock.time(), self._over)

    def _over(self, execution: str) -> bool:
        return execution not in self._started or self._started[execution].execution.over

    def _run(self, one: Started) -> None:
        execution, shown = one.execution, ""
        while not execution.over:
            with self._turn:
                one.running = False
                self._turn.notify_all()
                while not execution.due(self._clock.time(), self._over):
                    until = execution.wait.until if execution.wait else None
                    self._turn.wait(None if until is None else max(until - self._clock.time(), 0.001))
                one.running = True
            try:
                execution.proceed()
            except Exception:
                logger.exception("the execution %s ended", execution.id)
                execution.crash(f"Internal Server Error. {GUIDE}")
            if execution.status != shown:
                shown = execution.status
                self._tell(one)
        with self._turn:
            one.running = False
            self._turn.notify_all()

    def _tell(self, one: Started) -> None:
        """EventBridge's event of a new status.

        https://docs.aws.amazon.com/systems-manager/latest/userguide/monitoring-systems-manager-event-examples.html
        """
        execution, prefix = one.execution, f"arn:aws:ssm:{get_region()}:{get_account_id()}"
        begin, end = (datetime.fromtimestamp(at, UTC) for at in (execution.started, execution.ended or self._clock.time()))
        detail = {
            "ExecutionId": execution.id,
            "Definition": one.document.name,
            "DefinitionVersion": float(one.version.number),
            "Status": execution.status,
            "StartTime": f"{begin:%b %d, %Y %I:%M:%S %p}",
            "EndTime": f"{end:%b %d, %Y %I:%M:%S %p}",
            "Time": (end - begin).total_seconds() * 1000,
            "ExecutedBy": one.by,
        }
        definition = f"{prefix}:automation-definition/{one.document.name}:{one.version.number}"
        eventbridge._dispatch_event(
            {
                "EventId": new_uuid(),
                "Source": "aws.ssm",
                "DetailType": "EC2 Automation Execution Status-change Notification",
                "Detail": json.dumps(detail),
                "Time": int(self._clock.time()),
                "Resources": [f"{prefix}:automation-execution/{execution.id}", definition],
                "Account": get_account_id(),
                "Region": get_region(),
            }
        )

    # Executions

    def start(self, request: Request) -> Answer:
        stored, version = self._definition(request)
        if token := request.get("ClientToken", "").lower():
            before, known = self._tokens.get(token, (request, ""))
            if before != request:
                raise RefusedError("IdempotentParameterMismatch", "The client token was used with other parameters.")
            if known:
                return {"AutomationExecutionId": known}
        if unused := [name for name in _UNUSED if request.get(name)] or request.get("Mode") == "Interactive":
            what = "Interactive mode" if unused is True else ", ".join(unused)
            raise RefusedError(_INVALID, f"The local cloud does not run automations with {what}.")
        texts = request.get("Parameters") or {}
        if len(version.content.encode()) + len(json.dumps(texts).encode()) > MOST_BYTES:
            raise RefusedError(_INVALID, "The document and its parameters are larger than 64 KB.")
        try:
            values = given(version.document, texts)
        except ParameterError as error:
            raise RefusedError(_INVALID, str(error)) from None
        execution_id = new_uuid()
        system = {
            "global:ACCOUNT_ID": get_account_id(),
            "global:REGION": get_region(),
            "global:AWS_PARTITION": "aws",
            "automation:EXECUTION_ID": execution_id,
        }
        role = _role(version, values, system)
        credentials = _assumed(role, execution_id) if role else _own()
        values = {name: self._looked_up(value, credentials) for name, value in values.items()}
        one = Started(
            Execution(
                version.document,
                values,
                system,
                id=execution_id,
                call=functools.partial(self._call, execution_id, get_region()),
                clock=self._clock.time,
                new_id=new_uuid,
            ),
            stored,
            version,
            {name: listed(value) for name, value in values.items() if value != ""},
            iam_evaluator.caller_arn(),
            credentials,
            list(request.get("Tags") or []),
            parent=_parent(iam_evaluator.caller_arn(), self._started),
        )
        with self._turn:
            self._started[execution_id] = one
            if token:
                self._tokens[token] = (request, execution_id)
        context = contextvars.copy_context()
        threading.Thread(target=context.run, args=(self._run, one), name=f"automation-{execution_id}", daemon=True).start()
        return {"AutomationExecutionId": execution_id}

    def _definition(self, request: Request) -> tuple[Stored, Version]:
        name, wanted = request["DocumentName"], request.get("DocumentVersion", "")
        stored = self.documents.found(name)
        if stored is None:
            raise RefusedError("AutomationDefinitionNotFoundException", f"Automation definition {name} was not found.")
        version = stored.version(wanted)
        if version is None:
            raise RefusedError(
                "AutomationDefinitionVersionNotFoundException", f"Automation definition {name} has no version {wanted}."
            )
        return stored, version

    def _roles(self, request: Request) -> list[str]:
        """The role that a request passes to Systems Manager, if any."""
        try:
            if "Content" in request:
                role = str((read(request["Content"]).data or {}).get("assumeRole") or "")
                return [role] if ROLE_ARN.fullmatch(role) else []
            _, version = self._definition(request)
            values = {name: one.default for name, one in version.document.parameters.items()}
            values |= {name: texts[0] for name, texts in (request.get("Parameters") or {}).items() if texts}
            system = {"global:ACCOUNT_ID": get_account_id(), "global:AWS_PARTITION": "aws", "global:REGION": get_region()}
            return [role] if (role := _role(version, values, system)) else []
        except (RefusedError, ValueError, AttributeError, TypeError):
            return []  # the request itself is refused

    def _looked_up(self, value: Any, credentials: Credentials) -> Any:
        """A parameter's value with those of Parameter Store in place of `{{ ssm:NAME }}`, as the role may read them."""

        def resolve(name: str) -> Any:
            if not name.startswith("ssm:"):
                return "{{ " + name + " }}"
            try:
                found = _client("ssm", get_region(), self._port, credentials, 25).get_parameter(Name=name.removeprefix("ssm:"))
            except ClientError as error:
                raise RefusedError(_INVALID, f"The default {name} of a parameter cannot be read: {error}") from None
            kind, text = found["Parameter"]["Type"], found["Parameter"]["Value"]
            return text.split(",") if kind == "StringList" else text

        return substituted(value, resolve) if "{{" in in_text(value) else value

    def _call(
        self,
        execution: str,
        region: str,
        step: str,
        service: str,
        operation: str,
        parameters: Mapping[str, Any],
        seconds: float,
    ) -> Any:
        """Call this server for a step, as its execution's role; `local.automation.execution.Call`."""
        one = self._started[execution]
        fault = self._fault(one, step)
        if fault and not fault.after:
            self._break(one, fault, operation)
        model = apis.operation(service, operation)
        if model is None:
            raise CallError(f"{service} has no operation {operation}")
        try:
            client = _client(service, region, self._port, one.credentials, seconds)
            answer = _plain(client._make_api_call(model.name, dict(parameters)))
        except (ReadTimeoutError, ConnectTimeoutError):
            raise CallTimeoutError from None
        except ClientError as error:
            raise CallError(str(error), error.response["Error"]["Code"]) from None
        except (BotoCoreError, TypeError, ValueError) as error:
            raise CallError(str(error)) from None
        if fault and fault.after:
            self._break(one, fault, operation)
        return answer

    def break_step(self, document: str, step: str, kind: str, when: str = "before", times: int = 1) -> None:
        """The next calls of a step fail, time out, or are interrupted by a person who cancels; before or after their effect.

        ValueError when there is no such fault.
        """
        if kind not in FAULTS or when not in ("before", "after"):
            raise ValueError(f"a step can be made to {', '.join(FAULTS)}, before or after its call, not to {kind} {when} it")
        self._faults[document, step] = Fault(kind, when == "after", times)

    def _fault(self, one: Started, step: str) -> Fault | None:
        fault = self._faults.get((one.document.name, step))
        if fault is None or not fault.times:
            return None
        fault.times -= 1
        return fault

    def _break(self, one: Started, fault: Fault, operation: str) -> None:
        if fault.kind == "time out":
            raise CallTimeoutError
        if fault.kind == "interrupt":
            one.execution.stop("Cancel")
        raise CallError(
            f"An error occurred (InternalServerError) when calling the {operation} operation: made to fail",
            "InternalServerError",
        )

    # What people do with them

    def _named(self, request: Request) -> Started:
        found = self._started.get(request["AutomationExecutionId"])
        if found is None:
            message = f"Automation execution {request['AutomationExecutionId']} was not found."
            raise RefusedError("AutomationExecutionNotFoundException", message)
        return found

    def stop(self, request: Request) -> Answer:
        one = self._named(request)
        try:
            one.execution.stop(request.get("Type", "Cancel"))
        except SignalError as error:
            raise RefusedError("InvalidAutomationStatusUpdateException", str(error)) from None
        self.tick()
        return {}

    def signal(self, request: Request) -> Answer:
        execution, kind, payload = self._named(request).execution, request["SignalType"], request.get("Payload") or {}
        if kind not in ("Approve", "Reject", "Resume"):
            raise RefusedError(_NO_SIGNAL, f"The local cloud has no signal {kind}: it runs no automation step by step.")
        sender = iam_evaluator.caller_arn()
        try:
            if kind == "Resume":
                execution.resume("".join(payload.get("StepName", ())))
            else:
                execution.decide(sender, _called(sender), kind, " ".join(payload.get("Comment", ())))
        except UnknownStepError as error:
            raise RefusedError("AutomationStepNotFoundException", str(error)) from None
        except SignalError as error:
            raise RefusedError(_NO_SIGNAL, str(error)) from None
        self.tick()
        return {}

    # What the API shows

    def get(self, request: Request) -> Answer:
        one = self._named(request)
        shown = self._metadata(one)
        del shown["AutomationType"], shown["LogFile"]
        return {
            "AutomationExecution": {
                **shown,
                "Parameters": dict(one.parameters),
                "StepExecutions": list(_step_executions(one)),
                "StepExecutionsTruncated": False,
            }
        }

    def describe(self, request: Request) -> Answer:
        found = [self._metadata(one) for one in reversed(self._started.values())]
        for one in request.get("Filters", ()):
            key, values = one["Key"], one["Values"]
            if key not in _FILTERS:
                raise RefusedError(
                    "InvalidFilterKey", f"The local cloud filters executions by {', '.join(_FILTERS)}, not by {key}."
                )
            found = [shown for shown in found if any(_FILTERS[key](shown, value) for value in values)]
        return _page(request, "AutomationExecutionMetadataList", found)

    def steps(self, request: Request) -> Answer:
        found = list(_step_executions(self._named(request)))
        for one in request.get("Filters", ()):
            key, values = one["Key"], one["Values"]
            member = {"StepExecutionStatus": "StepStatus"}.get(key, key)
            if member not in ("StepName", "StepStatus", "StepExecutionId", "Action"):
                raise RefusedError("InvalidFilterKey", f"The local cloud does not filter steps by {key}.")
            found = [shown for shown in found if shown.get(member) in values]
        return _page(request, "StepExecutions", found[::-1] if request.get("ReverseOrder") else found)

    def _metadata(self, one: Started) -> Answer:
        execution = one.execution
        current = execution.current
        shown = {
            "AutomationExecutionId": execution.id,
            "DocumentName": one.document.name,
            "DocumentVersion": str(one.version.number),
            "AutomationExecutionStatus": execution.status,
            "ExecutionStartTime": execution.started,
            "ExecutionEndTime": execution.ended or None,
            "ExecutedBy": one.by,
            "LogFile": "",
            "Outputs": dict(execution.outputs),
            "Mode": "Auto",
            "ParentAutomationExecutionId": one.parent or None,
            "CurrentStepName": current.step.name if current else None,
            "CurrentAction": current.step.action if current else None,
            "FailureMessage": execution.failure or None,
            "Targets": [],
            "ResolvedTargets": {"ParameterValues": [], "Truncated": False},
            "AutomationType": "Local",
        }
        return {key: value for key, value in shown.items() if value is not None}


def _parent(caller: str, started: Mapping[str, Started]) -> str:
    """The execution whose step starts another: the caller is its session."""
    name = caller.rpartition("/")[2].removeprefix("Automation-")
    return name if name in started else ""


_FILTERS: Mapping[str, Callable[[Answer, str], bool]] = {
    "DocumentNamePrefix": lambda shown, value: shown["DocumentName"].startswith(value),
    "ExecutionStatus": lambda shown, value: shown["AutomationExecutionStatus"] == value,
    "ExecutionId": lambda shown, value: shown["AutomationExecutionId"] == value,
    "ParentExecutionId": lambda shown, value: shown.get("ParentAutomationExecutionId") == value,
    "CurrentAction": lambda shown, value: shown.get("CurrentAction") == value,
    "StartTimeBefore": lambda shown, value: shown["ExecutionStartTime"] < datetime.fromisoformat(value).timestamp(),
    "StartTimeAfter": lambda shown, value: shown["ExecutionStartTime"] > datetime.fromisoformat(value).timestamp(),
}


def _page(request: Request, name: str, found: list[Answer]) -> Answer:
    begin = int(request.get("NextToken") or 0)
    end = begin + request.get("MaxResults", 50)
    return {name: found[begin:end], **({"NextToken": str(end)} if end < len(found) else {})}


def _step_executions(one: Started) -> Iterator[Answer]:
    """Every step that ran or runs, then those that have not."""
    ran = list(one.execution.runs)
    for run in ran:
        yield _step_execution(run)
    for step in one.version.document.steps:
        if step.name not in {run.step.name for run in ran}:
            yield _step_execution(Run(step, new_uuid()))


def _step_execution(run: Run) -> Answer:
    step = run.step
    seconds = run.seconds or (step.seconds if isinstance(step.seconds, int) else None)
    shown = {
        "StepName": step.name,
        "Action": step.action,
        "TimeoutSeconds": int(seconds) if seconds else None,
        "OnFailure": step.on_failure,
        "MaxAttempts": step.attempts,
        "ExecutionStartTime": run.started,
        "ExecutionEndTime": run.ended,
        "StepStatus": run.status,
        "Inputs": {key: json.dumps(value, default=str) for key, value in run.inputs.items()},
        "Outputs": {key: listed(value) for key, value in dict(run.outputs).items()},
        "FailureMessage": run.failure or None,
        "FailureDetails": {"FailureStage": run.stage, "FailureType": run.type} if run.failure else None,
        "StepExecutionId": run.id,
        "IsEnd": step.end,
        "NextStep": step.next or None,
        "IsCritical": step.critical,
        "ParentStepDetails": _parent_details(run) if run.loop else None,
    }
    return {key: value for key, value in shown.items() if value is not None}


def _parent_details(run: Run) -> Answer:
    item = {} if run.item is None else {"IteratorValue": in_text(run.item)}
    return {"StepExecutionId": run.loop, "Action": "aws:loop", "Iteration": run.round, **item}


def _role(version: Version, values: Mapping[str, Any], system: Mapping[str, str]) -> str:
    """The ARN of the role that an execution runs under, "" for none; RefusedError when it is none."""
    known = {**system, **values}
    role = str(substituted(version.document.assume_role, lambda name: known.get(name) or ""))
    if role and not ROLE_ARN.fullmatch(role):
        raise RefusedError(_INVALID, "The format of the supplied assume role ARN is invalid.")
    return role


def _assumed(role: str, execution: str) -> Credentials:
    """A session of a role for an execution; RefusedError when Systems Manager may not assume it."""
    found = iam._roles.get(role.rpartition("/")[2])
    account, region = get_account_id(), get_region()
    source = f"arn:aws:ssm:{region}:{account}:automation-execution/{execution}"
    context = EvalContext(
        principal_arn=_SERVICE,
        principal_type="Service",
        principal_account=account,
        action="sts:AssumeRole",
        resource_arn=role,
        region=region,
        service_context={"aws:sourcearn": source, "aws:sourceaccount": account},
    )
    trust = (found or {}).get("AssumeRolePolicyDocument")
    if isinstance(trust, str):
        trust = json.loads(trust)
    if isinstance(trust, dict):  # a trust policy names no resource: it is on the role
        statements = trust.get("Statement", [])
        trust = {
            **trust,
            "Statement": [{"Resource": role, **one} for one in ([statements] if isinstance(statements, dict) else statements)],
        }
    if (
        found is None
        or found["Arn"] != role
        or iam_evaluator.evaluate_resource_policy(trust, context, service=_SERVICE).decision != "Allow"
    ):
        raise RefusedError(_INVALID, "The defined assume role is unable to be assumed.")
    name = role.rpartition("/")[2]
    session = {
        "Arn": f"arn:aws:sts::{account}:assumed-role/{name}/Automation-{execution}",
        "UserId": f"{found.get('RoleId', name)}:Automation-{execution}",
        "SecretAccessKey": secrets.token_hex(20),
        "SessionToken": secrets.token_hex(40),
    }
    key = f"ASIA{secrets.token_hex(8).upper()}"
    sts.register_session(key, session)
    return Credentials(key, session["SecretAccessKey"], session["SessionToken"])


def _own() -> Credentials:
    """Those of the request at hand: without a role, an execution acts as who started it."""
    found = iam_evaluator.resolve_credential(_caller.get(), get_account_id())
    if isinstance(found, CredentialResolutionError):
        raise RefusedError("AccessDeniedException", "The caller is not known.")
    return Credentials(found.access_key_id, found.secret_access_key, found.session_token)


def _called(sender: str) -> list[str]:
    """What a list of approvers may call a principal: its ARN, a user's name, and the ARN of the role of a session."""
    kind, _, name = sender.rpartition(":")[2].partition("/")
    if kind == "user":
        return [sender, name.rpartition("/")[2]]
    if kind == "assumed-role":
        role = iam._roles.get(name.partition("/")[0]) or {}
        return [sender, role.get("Arn", sender)]
    return [sender]


_lock = threading.Lock()


@functools.cache
def _session() -> botocore.session.Session:
    return botocore.session.Session()


@functools.lru_cache(maxsize=256)
def _client(service: str, region: str, port: int, credentials: Credentials, seconds: float) -> Any:
    """A client of this server that waits for an answer that many seconds."""
    with _lock:
        return _session().create_client(
            service,
            region_name=region,
            endpoint_url=f"http://localhost:{port}",
            aws_access_key_id=credentials.key,
            aws_secret_access_key=credentials.secret,
            aws_session_token=credentials.token,
            config=Config(retries={"total_max_attempts": 1}, read_timeout=seconds, s3={"addressing_style": "path"}),
        )


def _plain(value: Any) -> Any:
    """An answer as JSON has it, without what is about the request."""
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items() if key != "ResponseMetadata"}
    if isinstance(value, list):
        return [_plain(item) for item in value]
    if isinstance(value, datetime):
        return value.isoformat()
    if hasattr(value, "read"):
        value = value.read()
    if isinstance(value, bytes):
        try:
            return value.decode()
        except UnicodeDecodeError:
            return base64.b64encode(value).decode()
    return value
