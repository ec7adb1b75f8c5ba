"""Systems Manager Automation: executions, their API, and the steps' calls under the document's role.

ministack 1.5.33 has no Automation. `services.ssm.handle_request` is replaced: called through for all but the operations of
Automation and of documents (`local.emulator.ssm_documents`).

Each execution has a thread, which runs its steps (`local.automation.execution`) and waits on the clock. A step's call is a
request to this very server, with a session of the role: IAM is enforced, and the call is recorded, as for anybody.
https://docs.aws.amazon.com/systems-manager/latest/APIReference/API_StartAutomationExecution.html
"""

import asyncio
import contextvars
import functools
import json
import logging
import threading
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

from ministack.core import iam_evaluator
from ministack.core.responses import error_response_json, get_account_id, get_region, json_response, new_uuid
from ministack.core.router import extract_access_key_id
from ministack.services import eventbridge, ssm

from local.automation import apis
from local.automation.execution import Execution
from local.automation.parameters import ParameterError, given
from local.automation.reading import MOST_BYTES, read
from local.automation.runs import GUIDE, CallError, CallTimeoutError, SignalError, UnknownStepError
from local.automation.values import ROLE_ARN, in_text, listed, substituted
from local.emulator import access
from local.emulator import automation_answers as answers
from local.emulator import automation_callers as callers
from local.emulator.automation_answers import Started
from local.emulator.clock import Clock
from local.emulator.constraints import refusals
from local.emulator.ssm_documents import Answer, Documents, RefusedError, Request, Stored, Version

logger = logging.getLogger("local.automation")

FAULTS = ("fail", "time out", "interrupt")
_READ_SECONDS = 25
_NO_SIGNAL = "InvalidAutomationSignalException"
_UNUSED = ("TargetParameterName", "Targets", "TargetMaps", "TargetLocations", "TargetLocationsURL", "AlarmConfiguration")


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
        self._turn, self._starting = threading.Condition(), threading.Lock()
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
            access.PASSES[action] = (self._roles, callers.SERVICE)
        return {"break_step": self.break_step}

    async def handle_request(self, method: str, path: str, headers: Any, body: bytes, query: Any) -> Any:
        operation = headers.get("x-amz-target", "").rpartition(".")[2]
        answer = self._operations.get(operation)
        if answer is None:
            return await self._handle(method, path, headers, body, query)
        callers.caller.set(extract_access_key_id(headers, query) or "")
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
                try:
                    eventbridge._dispatch_event(answers.event(one, self._clock.time()))
                except Exception:
                    logger.exception("EventBridge was not told of the execution %s", execution.id)
        one.caller.close()
        with self._turn:
            one.running = False
            self._turn.notify_all()

    # Executions

    def start(self, request: Request) -> Answer:
        with self._starting:  # what is asked twice with one token starts once
            return self._start(request)

    def _start(self, request: Request) -> Answer:
        stored, version = self._definition(request)
        if token := request.get("ClientToken", "").lower():
            before, known = self._tokens.get(token, (request, ""))
            if before != request:
                raise RefusedError("IdempotentParameterMismatch", "The client token was used with other parameters.")
            if known:
                return {"AutomationExecutionId": known}
        if unused := [name for name in _UNUSED if request.get(name)] or request.get("Mode") == "Interactive":
            what = "Interactive mode" if unused is True else ", ".join(unused)
            raise RefusedError(callers.INVALID, f"The local cloud does not run automations with {what}.")
        texts = request.get("Parameters") or {}
        if len(version.content.encode()) + len(json.dumps(texts).encode()) > MOST_BYTES:
            raise RefusedError(callers.INVALID, "The document and its parameters are larger than 64 KB.")
        try:
            values = given(version.document, texts)
        except ParameterError as error:
            raise RefusedError(callers.INVALID, str(error)) from None
        execution_id = new_uuid()
        system = {
            "global:ACCOUNT_ID": get_account_id(),
            "global:REGION": get_region(),
            "global:AWS_PARTITION": "aws",
            "automation:EXECUTION_ID": execution_id,
        }
        role = callers.role_of(version, values, system)
        credentials = callers.assumed(role, execution_id) if role else callers.own()
        caller = callers.Caller(credentials, get_region(), self._port)
        values |= {name: _looked_up(value, caller) for name, value in values.items() if name not in texts}
        one = Started(
            Execution(
                version.document,
                values,
                system,
                id=execution_id,
                call=functools.partial(self._call, execution_id),
                clock=self._clock.time,
                new_id=new_uuid,
            ),
            stored,
            version,
            {name: listed(value) for name, value in values.items() if value != ""},
            iam_evaluator.caller_arn(),
            caller,
            answers.parent(iam_evaluator.caller_arn(), self._started),
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
            return [role] if (role := callers.role_of(version, values, system)) else []
        except (RefusedError, ValueError, AttributeError, TypeError):
            return []  # the request itself is refused

    def _call(
        self,
        execution: str,
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
        found = one.caller.answer(service, operation, parameters, seconds)
        if fault and fault.after:
            self._break(one, fault, operation)
        return found

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
                execution.decide(sender, callers.called(sender), kind, " ".join(payload.get("Comment", ())))
        except UnknownStepError as error:
            raise RefusedError("AutomationStepNotFoundException", str(error)) from None
        except SignalError as error:
            raise RefusedError(_NO_SIGNAL, str(error)) from None
        self.tick()
        return {}

    # What the API shows

    def get(self, request: Request) -> Answer:
        return answers.shown(self._named(request))

    def describe(self, request: Request) -> Answer:
        return answers.listed(request, list(self._started.values()))

    def steps(self, request: Request) -> Answer:
        return answers.steps(request, self._named(request))


def _looked_up(value: Any, caller: callers.Caller) -> Any:
    """A parameter's default with those of Parameter Store in place of `{{ ssm:NAME }}`, as the role may read them."""

    def resolve(name: str) -> Any:
        if not name.startswith("ssm:"):
            return "{{ " + name + " }}"
        try:
            found = caller.answer("ssm", "GetParameter", {"Name": name.removeprefix("ssm:")}, _READ_SECONDS)["Parameter"]
        except (CallError, CallTimeoutError) as error:
            raise RefusedError(callers.INVALID, f"The default {name} of a parameter cannot be read: {error}") from None
        return found["Value"].split(",") if found["Type"] == "StringList" else found["Value"]

    return substituted(value, resolve) if "{{" in in_text(value) else value
