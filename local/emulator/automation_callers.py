"""Who an automation acts as, and the calls that it makes: sessions of its role, and clients of this very server."""

import base64
import contextvars
import functools
import json
import secrets
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import botocore.session
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError, ConnectTimeoutError, ReadTimeoutError
from ministack.core import iam_evaluator
from ministack.core.iam_evaluator import CredentialResolutionError, EvalContext
from ministack.core.responses import get_account_id, get_region
from ministack.services import iam, sts

from local.automation import apis
from local.automation.runs import CallError, CallTimeoutError
from local.automation.values import ROLE_ARN, substituted
from local.emulator.ssm_documents import RefusedError, Version

SERVICE = "ssm.amazonaws.com"
INVALID = "InvalidAutomationExecutionParametersException"

caller: contextvars.ContextVar[str] = contextvars.ContextVar("caller")
"""The access key of the request at hand."""


@dataclass(frozen=True)
class Credentials:
    """The keys of a session or of a user."""

    key: str
    secret: str
    token: str | None


def role_of(version: Version, values: Mapping[str, Any], system: Mapping[str, str]) -> str:
    """The ARN of the role that an execution runs under, "" for none; RefusedError when it is none."""
    known = {**system, **values}
    role = str(substituted(version.document.assume_role, lambda name: known.get(name) or ""))
    if role and not ROLE_ARN.fullmatch(role):
        raise RefusedError(INVALID, "The format of the supplied assume role ARN is invalid.")
    return role


def assumed(role: str, execution: str) -> Credentials:
    """A session of a role for an execution; RefusedError when Systems Manager may not assume it."""
    found = iam._roles.get(role.rpartition("/")[2])
    account, region = get_account_id(), get_region()
    source = f"arn:aws:ssm:{region}:{account}:automation-execution/{execution}"
    context = EvalContext(
        principal_arn=SERVICE,
        principal_type="Service",
        principal_account=account,
        action="sts:AssumeRole",
        resource_arn=role,
        region=region,
        service_context={"aws:sourcearn": source, "aws:sourceaccount": account},
    )
    if found is None or found["Arn"] != role or not _trusts(found["AssumeRolePolicyDocument"], context):
        raise RefusedError(INVALID, "The defined assume role is unable to be assumed.")
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


def _trusts(policy: Any, context: EvalContext) -> bool:
    """Whether a trust policy lets Systems Manager assume its role. It names no resource, which the emulator asks for."""
    trust = json.loads(policy) if isinstance(policy, str) else policy
    statements = trust.get("Statement", [])
    listed = [statements] if isinstance(statements, dict) else statements
    whole = {**trust, "Statement": [{"Resource": context.resource_arn, **one} for one in listed]}
    return bool(iam_evaluator.evaluate_resource_policy(whole, context, service=SERVICE).decision == "Allow")


def own() -> Credentials:
    """Those of the request at hand: without a role, an execution acts as who started it."""
    found = iam_evaluator.resolve_credential(caller.get(), get_account_id())
    if isinstance(found, CredentialResolutionError):
        raise RefusedError("AccessDeniedException", "The caller is not known.")
    return Credentials(found.access_key_id, found.secret_access_key, found.session_token)


def called(sender: str) -> list[str]:
    """What a list of approvers may call a principal: its ARN, a user's name, and the ARN of the role of a session."""
    kind, _, name = sender.rpartition(":")[2].partition("/")
    if kind == "user":
        return [sender, name.rpartition("/")[2]]
    if kind == "assumed-role":
        role = iam._roles.get(name.partition("/")[0]) or {}
        return [sender, role.get("Arn", sender)]
    return [sender]


_making = threading.Lock()


@functools.cache
def _session() -> botocore.session.Session:
    return botocore.session.Session()


class Caller:
    """Calls this very server with some credentials; `close` gives the connections back."""

    def __init__(self, credentials: Credentials, region: str, port: int) -> None:
        self._credentials, self._region, self._port = credentials, region, port
        self._clients: dict[tuple[str, float], Any] = {}

    def answer(self, service: str, operation: str, parameters: Mapping[str, Any], seconds: float) -> Any:
        """What an operation answers, as JSON has it; CallError and CallTimeoutError as `local.automation.runs.Call` says."""
        model = apis.operation(service, operation)
        if model is None:
            raise CallError(f"{service} has no operation {operation}")
        try:
            return _plain(self._client(service, seconds)._make_api_call(model.name, dict(parameters)))
        except (ReadTimeoutError, ConnectTimeoutError):
            raise CallTimeoutError from None
        except ClientError as error:
            raise CallError(str(error), error.response["Error"]["Code"]) from None
        except (BotoCoreError, TypeError, ValueError) as error:
            raise CallError(str(error)) from None

    def _client(self, service: str, seconds: float) -> Any:
        """A client that waits for an answer that many seconds."""
        found = self._clients.get((service, seconds))
        if found is None:
            with _making:
                found = _session().create_client(
                    service,
                    region_name=self._region,
                    endpoint_url=f"http://localhost:{self._port}",
                    aws_access_key_id=self._credentials.key,
                    aws_secret_access_key=self._credentials.secret,
                    aws_session_token=self._credentials.token,
                    config=Config(retries={"total_max_attempts": 1}, read_timeout=seconds, s3={"addressing_style": "path"}),
                )
            self._clients[service, seconds] = found
        return found

    def close(self) -> None:
        """Close every connection."""
        for one in self._clients.values():
            one.close()
        self._clients.clear()


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
