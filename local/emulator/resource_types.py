"""The CloudFormation types that ministack 1.5.33 lacks or gets wrong, provisioned through the emulator's own API; and names.

A type in BY_API is made by a call of the service's API: botocore's model maps its properties to the operation's members. A type
in RECORDED has no API behind it in the emulator: its definition is kept, shown by the control call `recorded` and by
`python -m local recorded`, and does nothing. docs/local-cloud.md lists both; a test compares it with these tables.

Of every type, a name that CloudFormation generates is truncated as on AWS (`provisioners._physical_name` cuts the end off), and
what AWS refuses for its size is refused.
"""

import functools
import hashlib
import json
import threading
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import boto3
import botocore.session
from botocore import xform_name
from botocore.config import Config
from ministack.core.responses import get_account_id, get_region
from ministack.services import alb, lambda_svc
from ministack.services.cloudformation import provisioners, stacks

from local.cloudformation.names import LONGEST, generated_name, refusal
from local.emulator import firewall
from local.emulator.ecs_deployments import Deployments
from local.emulator.functions import too_large
from local.emulator.ssm_documents import provision, replaces

ADMINISTRATOR = {"aws_access_key_id": "test", "aws_secret_access_key": "test"}
"""The account's root to the emulator."""

Properties = Mapping[str, Any]
Parameters = dict[str, Any]
Create = Callable[[str, Properties, str], tuple[str, Parameters]]


@dataclass(frozen=True)
class ByApi:
    """How to make a resource by API calls.

    `create` is the operation. `parameters` gives its parameters beyond those that the properties give by name: from the
    properties, and the name that CloudFormation would generate. `ref` and `attributes` take what Ref and Fn::GetAtt return from
    the parameters and the answer. `delete` is an operation, and `named` gives its parameters from the physical id and the
    properties. A type whose create is a `put` is updated by it; any other is made anew.
    """

    service: str
    create: str
    ref: Callable[[Parameters, Parameters], str]
    attributes: Callable[[Parameters, Parameters], Parameters] = lambda *_: {}
    parameters: Callable[[Properties, str], Parameters] = lambda *_: {}
    delete: str = ""
    named: Callable[[str, Properties], Parameters] = lambda *_: {}
    put: bool = False


def _rule(peer: str) -> Callable[[Properties, str], Parameters]:
    """The IpPermissions of a security group rule; `peer` is the property that names another group."""

    def permissions(properties: Properties, _: str = "") -> Parameters:
        described = {key: properties[key] for key in ("Description",) if key in properties}
        permission: Parameters = {"IpProtocol": str(properties["IpProtocol"])}
        permission |= {key: int(properties[key]) for key in ("FromPort", "ToPort") if key in properties}
        if peer in properties:
            permission["UserIdGroupPairs"] = [{"GroupId": properties[peer], **described}]
        if "CidrIp" in properties:
            permission["IpRanges"] = [{"CidrIp": properties["CidrIp"], **described}]
        return {"GroupId": properties["GroupId"], "IpPermissions": [permission]}

    return permissions


_ingress, _egress = _rule("SourceSecurityGroupId"), _rule("DestinationSecurityGroupId")


def _tagged(kind: str) -> Callable[[Properties, str], Parameters]:
    """EC2 takes tags at creation as TagSpecifications."""
    return lambda properties, _: (
        {"TagSpecifications": [{"ResourceType": kind, "Tags": properties["Tags"]}]} if properties.get("Tags") else {}
    )


BY_API: dict[str, ByApi] = {
    "AWS::EC2::EIP": ByApi(
        "ec2", "AllocateAddress",
        ref=lambda _, answer: str(answer["PublicIp"]),
        attributes=lambda _, answer: {key: answer[key] for key in ("AllocationId", "PublicIp")},
        parameters=_tagged("elastic-ip"),
        delete="ReleaseAddress", named=lambda ref, _: {"PublicIp": ref},
    ),
    "AWS::EC2::NatGateway": ByApi(
        "ec2", "CreateNatGateway",
        ref=lambda _, answer: str(answer["NatGateway"]["NatGatewayId"]),
        attributes=lambda _, answer: {"NatGatewayId": answer["NatGateway"]["NatGatewayId"]},
        parameters=_tagged("natgateway"),
        delete="DeleteNatGateway", named=lambda ref, _: {"NatGatewayId": ref},
    ),
    "AWS::EC2::FlowLog": ByApi(
        "ec2", "CreateFlowLogs",
        ref=lambda _, answer: str(answer["FlowLogIds"][0]),
        attributes=lambda _, answer: {"Id": answer["FlowLogIds"][0]},
        parameters=lambda properties, name: {
            "ResourceIds": [properties["ResourceId"]], **_tagged("vpc-flow-log")(properties, name)
        },
        delete="DeleteFlowLogs", named=lambda ref, _: {"FlowLogIds": [ref]},
    ),
    "AWS::EC2::SecurityGroupIngress": ByApi(
        "ec2", "AuthorizeSecurityGroupIngress",
        ref=lambda *_: f"sgr-{uuid.uuid4().hex[:17]}",
        parameters=_ingress, delete="RevokeSecurityGroupIngress", named=lambda _, properties: _ingress(properties, ""),
    ),
    "AWS::EC2::SecurityGroupEgress": ByApi(
        "ec2", "AuthorizeSecurityGroupEgress",
        ref=lambda *_: f"sgr-{uuid.uuid4().hex[:17]}",
        parameters=_egress, delete="RevokeSecurityGroupEgress", named=lambda _, properties: _egress(properties, ""),
    ),
    "AWS::WAFv2::WebACLAssociation": ByApi(
        "wafv2", "AssociateWebACL",
        ref=lambda parameters, _: f"{parameters['WebACLArn']}|{parameters['ResourceArn']}",
        delete="DisassociateWebACL", named=lambda _, properties: {"ResourceArn": properties["ResourceArn"]}, put=True,
    ),
    "AWS::WAFv2::IPSet": ByApi(
        "wafv2", "CreateIPSet",
        ref=lambda parameters, answer: f"{parameters['Name']}|{answer['Summary']['Id']}|{parameters['Scope']}",
        attributes=lambda _, answer: {"Arn": answer["Summary"]["ARN"], "Id": answer["Summary"]["Id"]},
        delete="DeleteIPSet", named=firewall.to_delete,
    ),
    # The emulator provisions the next two itself, but refuses metric math and drops half of a container's definition.
    "AWS::CloudWatch::Alarm": ByApi(
        "cloudwatch", "PutMetricAlarm",
        ref=lambda parameters, _: str(parameters["AlarmName"]),
        attributes=lambda parameters, _: {"Arn": _alarm_arn(parameters["AlarmName"])},
        parameters=lambda properties, name: {"AlarmName": properties.get("AlarmName") or name},
        delete="DeleteAlarms", named=lambda ref, _: {"AlarmNames": [ref]}, put=True,
    ),
    "AWS::ECS::TaskDefinition": ByApi(
        "ecs", "RegisterTaskDefinition",
        ref=lambda _, answer: str(answer["taskDefinition"]["taskDefinitionArn"]),
        attributes=lambda _, answer: {"TaskDefinitionArn": answer["taskDefinition"]["taskDefinitionArn"]},
        delete="DeregisterTaskDefinition", named=lambda ref, _: {"taskDefinition": ref},
    ),
    "AWS::CloudWatch::CompositeAlarm": ByApi(
        "cloudwatch", "PutCompositeAlarm",
        ref=lambda parameters, _: str(parameters["AlarmName"]),
        attributes=lambda parameters, _: {"Arn": _alarm_arn(parameters["AlarmName"])},
        parameters=lambda properties, name: {"AlarmName": properties.get("AlarmName") or name},
        delete="DeleteAlarms", named=lambda ref, _: {"AlarmNames": [ref]}, put=True,
    ),
}  # fmt: skip


@dataclass(frozen=True)
class Recorded:
    """A type that is only kept. `ref` is what Ref returns, from the properties and the generated name."""

    ref: Callable[[Properties, str], str] = lambda _, name: name
    attributes: Callable[[str], Parameters] = field(default=lambda _: {})


RECORDED: dict[str, Recorded] = {
    "AWS::ApplicationAutoScaling::ScalableTarget": Recorded(
        lambda properties, _: f"{properties['ResourceId']}|{properties['ScalableDimension']}|{properties['ServiceNamespace']}"
    ),
    "AWS::ApplicationAutoScaling::ScalingPolicy": Recorded(
        lambda properties, name: f"arn:aws:autoscaling:::scalingPolicy:{properties.get('PolicyName', name)}"
    ),
    "AWS::Chatbot::SlackChannelConfiguration": Recorded(
        lambda properties, _: (
            f"arn:aws:chatbot::{get_account_id()}:chat-configuration/slack-channel/{properties['ConfigurationName']}"
        ),
        lambda ref: {"Arn": ref},
    ),
    "AWS::Logs::DeliverySource": Recorded(lambda properties, _: str(properties["Name"])),
    "AWS::Logs::DeliveryDestination": Recorded(
        lambda properties, _: str(properties["Name"]),
        lambda ref: {"Arn": f"arn:aws:logs:{get_region()}:{get_account_id()}:delivery-destination:{ref}"},
    ),
    "AWS::Logs::Delivery": Recorded(),
    "AWS::Logs::QueryDefinition": Recorded(),
    "AWS::WAFv2::LoggingConfiguration": Recorded(lambda properties, _: str(properties["ResourceArn"])),
}  # fmt: skip

# Attributes that the emulator's own types do not return.
_MISSING_ATTRIBUTES: dict[str, Callable[[Properties], Parameters]] = {
    "AWS::EC2::VPC": lambda properties: {"CidrBlock": properties["CidrBlock"]},
}

_recorded: dict[str, dict[str, Properties]] = {}


def install(client: Callable[[str], Any], deployments: Deployments) -> dict[str, Callable[..., Any]]:
    """Plug the types in, with clients of this server; the control call `recorded`."""
    handlers = provisioners._RESOURCE_HANDLERS
    for kind, by_api in BY_API.items():
        handlers[kind] = _by_api(by_api, client)
    for kind, recorded in RECORDED.items():
        if kind not in handlers:
            handlers[kind] = _record(kind, recorded)
    for kind, attributes in _MISSING_ATTRIBUTES.items():
        handlers[kind] = {**handlers[kind], "create": _completed(handlers[kind]["create"], attributes)}
    # The dimension of the metrics has "targetgroup/" in it, and the emulator's name has not.
    alb._target_group_full_name_from_arn = lambda arn: arn.rpartition(":")[2]
    handlers["AWS::SSM::Document"] = provision(client, physical_name)
    provisioners._CUSTOM_NAME_REPLACEMENT["AWS::SSM::Document"] = {"name": "Name", "requires_replacement": replaces}
    handlers["AWS::ECS::Service"] = _service(deployments, handlers["AWS::ECS::Service"]["delete"])
    function = handlers["AWS::Lambda::Function"]
    function["create"] = _after(function["create"], _reserve)
    scale = handlers["AWS::ApplicationAutoScaling::ScalableTarget"]
    scale["create"] = _after(scale["create"], lambda properties: _scale_out(properties, deployments))
    provisioners._physical_name = physical_name
    for kind in LONGEST:
        handlers[kind] = _refusing(kind, handlers[kind])
    blocks = stacks._runs_on_worker_thread
    # A call to this very server would block its event loop.
    stacks._runs_on_worker_thread = lambda kind: kind in BY_API or kind == "AWS::SSM::Document" or blocks(kind)
    return {"recorded": lambda: {kind: dict(kept) for kind, kept in sorted(_recorded.items()) if kept}}


def recorded(kind: str) -> list[Properties]:
    """The properties of every resource of a type that is only kept."""
    return list(_recorded.get(kind, {}).values())


def clients(port: int) -> Callable[[str], Any]:
    """Clients of this server, for the region of the stack at hand."""
    lock = threading.Lock()

    @functools.cache
    def client(service: str, region: str) -> Any:
        with lock:
            return boto3.client(
                service,  # type: ignore[call-overload]
                region_name=region,
                endpoint_url=f"http://localhost:{port}",
                **ADMINISTRATOR,
                config=Config(retries={"total_max_attempts": 1}),
            )

    return lambda service: client(service, get_region())


@functools.cache
def _operation(service: str, name: str) -> Any:
    return botocore.session.get_session().get_service_model(service).operation_model(name)


_SCALARS: dict[str, Callable[[Any], Any]] = {
    "integer": int,
    "long": int,
    "float": float,
    "double": float,
    "boolean": lambda value: str(value).lower() == "true",
    "string": lambda value: value if isinstance(value, str) else json.dumps(value),
}


def matched(shape: Any, value: Any) -> Any:
    """A CloudFormation value as a member of an API operation: with the API's spelling of names, and its types of scalars."""
    match shape.type_name:
        case "structure":
            members = {name.lower(): name for name in shape.members}
            known = {members[key.lower()]: item for key, item in value.items() if key.lower() in members}
            return {name: matched(shape.members[name], item) for name, item in known.items()}
        case "list":
            return [matched(shape.member, item) for item in value]
        case "map":
            return {key: matched(shape.value, item) for key, item in value.items()}
    return _SCALARS.get(shape.type_name, lambda same: same)(value)


def _by_api(kind: ByApi, client: Callable[[str], Any]) -> dict[str, Any]:
    def call(operation: str, parameters: Parameters) -> Parameters:
        api = client(kind.service)
        answer: Parameters = getattr(api, xform_name(operation))(**parameters)
        return answer

    def create(logical_id: str, properties: Properties, stack: str) -> tuple[str, Parameters]:
        shape = _operation(kind.service, kind.create).input_shape
        if "Tags" in properties:  # the stack's own tags, which no request may carry
            properties = {**properties, "Tags": [tag for tag in properties["Tags"] if not tag["Key"].startswith("aws:")]}
        parameters = matched(shape, properties) | kind.parameters(properties, physical_name(stack, logical_id, max_len=255))
        answer = call(kind.create, parameters)
        return kind.ref(parameters, answer), kind.attributes(parameters, answer)

    def delete(ref: str, properties: Properties) -> None:
        if kind.delete:
            call(kind.delete, kind.named(ref, properties))

    def update(ref: str, old: Properties, new: Properties, stack: str, logical_id: str | None = None) -> tuple[str, Parameters]:
        if not kind.put and kind.service == "ec2":
            delete(ref, old)
        return create(logical_id or ref, new, stack)

    return {"create": create, "update": update, "delete": delete, "update_with_logical_id": True}


def _record(name: str, kind: Recorded) -> dict[str, Any]:
    kept = _recorded.setdefault(name, {})

    def create(logical_id: str, properties: Properties, stack: str) -> tuple[str, Parameters]:
        ref = kind.ref(properties, physical_name(stack, logical_id, max_len=255))
        kept[ref] = properties
        return ref, kind.attributes(ref)

    def update(ref: str, _: Properties, new: Properties, stack: str, logical_id: str | None = None) -> tuple[str, Parameters]:
        kept.pop(ref, None)
        return create(logical_id or ref, new, stack)

    return {
        "create": create,
        "update": update,
        "delete": lambda ref, _: kept.pop(ref, None),
        "update_with_logical_id": True,
    }


def physical_name(stack_name: str, logical_id: str, *, lowercase: bool = False, max_len: int = 128, seeded: bool = True) -> str:
    """The name of what a template leaves unnamed: the same at each update, another for a replacement."""
    seed = provisioners._NAME_SEED.get() if seeded else ""
    suffix = hashlib.sha256(f"{stack_name}:{logical_id}:{seed}".encode()).hexdigest()
    name = generated_name(stack_name, logical_id, max_len, suffix)
    return name.lower() if lowercase else name


def _refusing(kind: str, handler: Mapping[str, Any]) -> dict[str, Any]:
    """The handler of a type, which refuses what AWS refuses for its size."""

    def check(properties: Properties) -> None:
        if problem := refusal(kind, properties) or (too_large(properties) if kind == "AWS::Lambda::Function" else ""):
            raise ValueError(problem)

    def create(logical_id: str, properties: Properties, stack: str) -> Any:
        check(properties)
        return handler["create"](logical_id, properties, stack)

    def update(ref: str, old: Properties, new: Properties, *rest: Any) -> Any:
        check(new)
        return handler["update"](ref, old, new, *rest)

    return {**handler, "create": create, **({"update": update} if "update" in handler else {})}


def _after(create: Create, effect: Callable[[Properties], None]) -> Create:
    def created(logical_id: str, properties: Properties, stack: str) -> tuple[str, Parameters]:
        made = create(logical_id, properties, stack)
        effect(properties)
        return made

    return created


def _completed(create: Create, attributes: Callable[[Properties], Parameters]) -> Create:
    def completed(logical_id: str, properties: Properties, stack: str) -> tuple[str, Parameters]:
        ref, known = create(logical_id, properties, stack)
        return ref, {**known, **attributes(properties)}

    return completed


def _service(deployments: Deployments, delete: Callable[[str, Properties], None]) -> dict[str, Any]:
    """AWS::ECS::Service: the emulator's own drops half of the properties and does not wait for the deployment."""

    def put(logical_id: str, properties: Properties, stack: str, operation: str) -> tuple[str, Parameters]:
        request = matched(_operation("ecs", operation).input_shape, properties)
        name = properties.get("ServiceName") or physical_name(stack, logical_id, max_len=255)
        named = {"serviceName": name, **request} if operation == "CreateService" else request
        arn = deployments.provision({**named, "service": name} if operation == "UpdateService" else named)
        return arn, {"ServiceArn": arn, "Name": name}

    def update(_: str, old: Properties, new: Properties, stack: str, logical_id: str | None = None) -> tuple[str, Parameters]:
        try:
            return put(logical_id or "", new, stack, "UpdateService")
        except ValueError:
            # ECS went back to what ran; CloudFormation then goes back to what the stack says, whatever ran.
            put(logical_id or "", old, stack, "UpdateService")
            raise

    return {
        "create": lambda logical_id, properties, stack: put(logical_id, properties, stack, "CreateService"),
        "update": update,
        "delete": delete,
        "update_with_logical_id": True,
    }


def _reserve(properties: Properties) -> None:
    """The emulator drops a function's reserved concurrency, which makes its events wait for each other."""
    if "ReservedConcurrentExecutions" in properties:
        lambda_svc._functions[properties["FunctionName"]]["concurrency"] = int(properties["ReservedConcurrentExecutions"])


def _scale_out(properties: Properties, deployments: Deployments) -> None:
    """Only one effect of a scalable target is emulated: the service runs at least the minimum of tasks."""
    if properties["ServiceNamespace"] == "ecs":
        deployments.at_least(properties["ResourceId"].removeprefix("service/"), int(properties["MinCapacity"]))


def _alarm_arn(name: str) -> str:
    return f"arn:aws:cloudwatch:{get_region()}:{get_account_id()}:alarm:{name}"
