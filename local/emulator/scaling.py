"""Application Auto Scaling, which ministack 1.5.33 does not have: what stacks have made of it is shown, and nothing scales.

A service more is plugged into the emulator's routes, IAM's names of services, and its handlers. It has two operations:
https://docs.aws.amazon.com/autoscaling/application/APIReference/API_DescribeScalableTargets.html and
https://docs.aws.amazon.com/autoscaling/application/APIReference/API_DescribeScalingActivities.html
"""

import json
from typing import Any

from ministack import app
from ministack.core import iam_actions, router
from ministack.core.responses import error_response_json, get_account_id, json_response

from local.emulator import resource_types

_NAME = "application-autoscaling"
_TARGET = "AWS::ApplicationAutoScaling::ScalableTarget"
_ROLE = "role/aws-service-role/ecs.application-autoscaling.amazonaws.com/AWSServiceRoleForApplicationAutoScaling_ECSService"


def install() -> None:
    """Plug in."""
    router.SERVICE_PATTERNS[_NAME] = {"target_prefixes": ["AnyScaleFrontendService."]}
    iam_actions.SERVICE_TO_IAM_NAMESPACE[_NAME] = _NAME
    app.SERVICE_HANDLERS[_NAME] = _handle_request


async def _handle_request(_method: str, _path: str, headers: Any, body: bytes, _query: Any) -> Any:
    operation, request = headers.get("x-amz-target", "").rpartition(".")[2], json.loads(body or b"{}")
    if operation == "DescribeScalingActivities":
        return json_response({"ScalingActivities": []})
    if operation != "DescribeScalableTargets":
        return error_response_json("ValidationException", f"The local cloud has no {operation}: nothing scales by itself.", 400)
    found = [
        {
            **{key: made[key] for key in ("ServiceNamespace", "ResourceId", "ScalableDimension")},
            **{key: int(made[key]) for key in ("MinCapacity", "MaxCapacity")},
            "RoleARN": f"arn:aws:iam::{get_account_id()}:{_ROLE}",
            "CreationTime": 0,
        }
        for made in resource_types.recorded(_TARGET)
        if made["ServiceNamespace"] == request["ServiceNamespace"]
        and made["ResourceId"] in (request.get("ResourceIds") or [made["ResourceId"]])
        and made["ScalableDimension"] == request.get("ScalableDimension", made["ScalableDimension"])
    ]
    return json_response({"ScalableTargets": found})
