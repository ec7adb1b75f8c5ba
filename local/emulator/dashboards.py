"""What CloudWatch refuses of a dashboard, and ministack keeps: a body that is none, and widgets that its grid has no place for.

https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/CloudWatch-Dashboard-Body-Structure.html. That page does not
list the type `custom`, which the User Guide describes, nor what CloudWatch refuses of a widget's properties: they are taken as
they are.
"""

import json
from collections.abc import Iterator, Mapping
from functools import wraps
from typing import Any

from ministack.services import cloudwatch

TYPES = ("metric", "text", "log", "alarm", "explorer", "chart", "custom")
MOST_WIDGETS = 500
_PLACES: Mapping[str, tuple[int, float]] = {"x": (0, 23), "y": (0, float("inf")), "width": (1, 24), "height": (1, 1000)}


class DashboardError(ValueError):
    """What is wrong with a dashboard's body."""


def install() -> None:
    """Refuse as AWS does, the API's calls and CloudFormation's."""
    put, keep = cloudwatch._put_dashboard, cloudwatch.cloudformation_put_dashboard

    def checked(name: str, body: str) -> None:
        if found := "; ".join(problems(body)):
            raise DashboardError(f"The field DashboardBody must be a valid dashboard: {found}")
        keep(name, body)

    @wraps(put)
    def answered(params: Any, cbor_data: Any, is_cbor: bool, is_json: bool = False) -> Any:
        try:
            return put(params, cbor_data, is_cbor, is_json)
        except DashboardError as error:
            return cloudwatch._error("InvalidParameterInput", str(error), 400, use_json=is_json, use_cbor=is_cbor)

    cloudwatch._put_dashboard, cloudwatch.cloudformation_put_dashboard = answered, checked


def problems(body: str) -> Iterator[str]:
    """What is wrong with a dashboard's body, in words."""
    try:
        widgets = json.loads(body)["widgets"]
    except (ValueError, TypeError, KeyError):
        widgets = None
    if not isinstance(widgets, list):
        yield "it is no JSON object with an array of widgets"
        return
    if len(widgets) > MOST_WIDGETS:
        yield f"it has {len(widgets)} widgets, and {MOST_WIDGETS} are allowed"
    for number, widget in enumerate(widgets):
        yield from (f"widgets[{number}]{problem}" for problem in _of_widget(widget))


def _of_widget(widget: Any) -> Iterator[str]:
    if not isinstance(widget, dict):
        yield " is no object"
        return
    if widget.get("type") not in TYPES:
        yield f".type should be one of {', '.join(TYPES)}"
    if not isinstance(widget.get("properties"), dict):
        yield ".properties should be an object"
    for name, (least, most) in _PLACES.items():
        value = widget.get(name, least)
        if type(value) is not int or not least <= value <= most:
            yield f".{name} should be a whole number from {least}" + (f" to {most}" if most < float("inf") else "")
