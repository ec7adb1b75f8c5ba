"""An account to ask: moto's, with stand-in answers for what moto does not have, or cannot be made to say. Its CloudFormation
needs packages that are not installed: stacks are stand-ins too."""

from collections.abc import Mapping, Sequence
from typing import Any

import boto3
from botocore.awsrequest import AWSResponse
from botocore.model import ServiceModel
from botocore.session import Session
from botocore.validate import validate_parameters

from local.preflight.account import Account
from local.preflight.case import Case
from local.preflight.checks import CHECKS
from local.preflight.plan import Plan, Stack
from stacks.environment import Environment
from tests.environments import PRODUCTION

_BASE = Session()  # keeps what it parsed for every session: AWS's models are large


class Aws:
    """What the account answers. `answer` and `refuse` come before moto."""

    def __init__(self) -> None:
        self.session = boto3.Session(region_name="us-east-1", aws_access_key_id="test", aws_secret_access_key="test")
        for component in ("data_loader", "endpoint_resolver"):
            self.session._session.register_component(component, _BASE.get_component(component))
        self.session.events.register("before-call", self._before_call)
        self._answers: dict[str, tuple[int, dict[str, Any]]] = {}
        self._otherwise: tuple[int, dict[str, Any]] | None = None
        self._stacks: dict[str, tuple[dict[str, Any], list[dict[str, Any]]]] = {}
        self.asked: list[tuple[str, str]] = []
        """Every call: the operation and its region."""

    def answer(self, service: str, operation: str, response: Mapping[str, Any]) -> None:
        """Let an operation, as the API names it, answer so from now on; the response is held against AWS's model."""
        model: ServiceModel = _BASE.get_service_model(service)
        validate_parameters(dict(response), model.operation_model(operation).output_shape)
        self._answers[operation] = 200, dict(response)

    def refuse(self, operation: str, code: str, message: str = "No.") -> None:
        """Let an operation fail."""
        self._answers[operation] = 400, {"Error": {"Code": code, "Message": message}}

    def refuse_all(self, code: str) -> None:
        """Let every other operation fail."""
        self._otherwise = 400, {"Error": {"Code": code, "Message": "No."}}

    def stands(self, made: Stack, status: str = "CREATE_COMPLETE", *, protected: bool = False, but: Sequence[str] = ()) -> None:
        """Let a stack be there, with all its resources `but` some."""
        found = {"StackName": made.name, "StackStatus": status, "EnableTerminationProtection": protected}
        owned = [name for name in made.resources if name not in but]
        self._stacks[made.name] = found, [{"LogicalResourceId": name, "ResourceStatus": "CREATE_COMPLETE"} for name in owned]

    def client(self, service: str, region: str = "us-east-1") -> Any:
        return self.session.client(service, region_name=region)  # type: ignore[call-overload]

    def _before_call(self, model: Any, params: Any, context: Any, **_: Any) -> tuple[AWSResponse, dict[str, Any]] | None:
        self.asked.append((model.name, context["client_region"]))
        if model.name in self._answers:
            status, answer = self._answers[model.name]
        elif model.service_model.service_name == "cloudformation":
            status, answer = self._cloudformation(model.name, params["body"]["StackName"])
        elif self._otherwise:
            status, answer = self._otherwise
        else:
            return None
        return AWSResponse("", status, {}, None), answer

    def _cloudformation(self, operation: str, name: str) -> tuple[int, dict[str, Any]]:
        if name not in self._stacks:
            return 400, {"Error": {"Code": "ValidationError", "Message": f"Stack with id {name} does not exist"}}
        found, resources = self._stacks[name]
        return 200, {"Stacks": [found]} if operation == "DescribeStacks" else {"StackResourceSummaries": resources}


def stack(component: str, *, region: str = "us-east-1", **resources: tuple[str, Mapping[str, Any]]) -> Stack:
    """A stack of production to be: its resources' types and properties by logical id."""
    templates = {name: {"Type": type_, "Properties": dict(properties)} for name, (type_, properties) in resources.items()}
    return Stack(PRODUCTION.stack(component), component, region, templates)


def case(aws: Aws, *stacks: Stack, environment: Environment = PRODUCTION, resolver: str = "http://127.0.0.1:9/") -> Case:
    """Production's stacks to be, on an account. Nobody listens at the resolver unless one is given."""
    plan = Plan(stacks, bootstrap_version=6, bootstrap_parameter="/cdk-bootstrap/hnb659fds/version")
    return Case(environment, plan, Account(aws.session, environment.region), resolver)


def lines(name: str, asked: Case) -> list[str]:
    """What a check prints: a state and a text on each line."""
    (check,) = (check for check in CHECKS if check.name == name)
    return [f"{answer.state}: {answer.text}" for answer in check.answers(asked)]


def line(name: str, asked: Case) -> str:
    """The one line that a check prints."""
    (only,) = lines(name, asked)
    return only
