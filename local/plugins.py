"""Everything plugged into the emulator, in one place; each piece says in its own module what it replaces and why."""

import logging
import threading
import time
from collections.abc import Callable
from datetime import datetime
from typing import TYPE_CHECKING, Any

import boto3
from botocore.config import Config
from ministack import app
from ministack.services import cloudwatch, cloudwatch_logs, ecs, eventbridge, route53

from local import access, resource_types
from local.clock import Clock

if TYPE_CHECKING:
    from local.server import Settings

logger = logging.getLogger("local")


def install(settings: "Settings", port: int, clock: Clock) -> dict[str, Callable[..., Any]]:
    """Plug everything in; the control calls by name."""
    clock.drive(cloudwatch, cloudwatch_logs, ecs, eventbridge)

    def advance(seconds: float) -> float:
        clock.advance(seconds)
        return clock.time()

    def hosted_zone(zone_id: str, name: str) -> None:
        """A hosted zone that the account already has, under its own id, which Route 53's API would not let us choose."""
        zone = {"id": zone_id, "name": f"{name}.", "caller_reference": zone_id, "comment": "", "private": False, "vpcs": []}
        if zone_id not in route53._zones:
            route53._zones[zone_id] = zone
            route53._records[zone_id] = route53._default_records(f"{name}.")

    return {"now": clock.time, "advance": advance, "hosted_zone": hosted_zone, **access.install(clock), **resource_types.install(port)}
