"""Plugs everything into the emulator; each module says what it replaces, and why."""

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from http import HTTPStatus
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ministack.services import cloudwatch, cloudwatch_logs, ecs, eventbridge, route53, s3, secretsmanager

from local.emulator import (
    access,
    dashboards,
    firewall,
    generated_secrets,
    logs_insights,
    notifications,
    refusals,
    resource_types,
    scaling,
    trail,
)
from local.emulator.alarm_actions import AlarmActions
from local.emulator.application import Application
from local.emulator.automation import Automation
from local.emulator.clock import Clock
from local.emulator.connections import Connections
from local.emulator.database_instances import DatabaseInstances
from local.emulator.ecs_deployments import Deployments
from local.emulator.functions import Functions
from local.emulator.mute_rules import MuteRules
from local.emulator.replication_groups import ReplicationGroups
from local.emulator.service_events import ServiceEvents
from local.emulator.tasks import tasks_write

if TYPE_CHECKING:
    from local.emulator.server import Settings


def install(settings: "Settings", port: int) -> dict[str, Callable[..., Any]]:
    """Plug everything in; the control calls by name."""
    clock = Clock(settings.behind_seconds)
    clock.drive(cloudwatch, cloudwatch_logs, ecs, eventbridge)
    deployments = Deployments(clock, settings.deployment_seconds)
    deployments.install()
    ServiceEvents(clock).install(deployments)
    mute_rules = MuteRules(clock)
    mute_rules.install()
    AlarmActions(clock, before_actions=deployments.progress, muted=mute_rules.muted).install()
    instances, groups = DatabaseInstances(clock), ReplicationGroups(clock)
    instances.install()
    groups.install()
    functions = Functions(clock)
    functions.install()
    generated_secrets.install()
    logs_insights.install()
    notifications.install()
    dashboards.install()
    scaling.install()
    firewall.install()
    trail.install(clock)
    automation = Automation(clock, port)
    client = resource_types.clients(port)

    def advance(seconds: float) -> float:
        clock.advance(seconds)
        deployments.progress()
        instances.progress()
        groups.progress()
        automation.tick()
        return clock.time()

    def idle(seconds: float) -> bool:
        until = time.monotonic() + seconds
        while functions.idle(until - time.monotonic()) and automation.idle(until - time.monotonic()):
            if functions.idle(0) and automation.idle(0):
                return True
        return False

    if not settings.background:
        eventbridge.start_scheduler = lambda: None  # whoever moves the clock runs what is due

    return {
        "now": clock.time,
        "advance": advance,
        "begin": _begin,
        "fail_tasks_of": deployments.failing.add,
        "idle": idle,
        "logs": functions.logs,
        "hosted_zone": _hosted_zone,
        "accepts_password": instances.answers,
        "accepts_token": groups.accepts,
        "tasks_write": tasks_write,
        **_application(settings, deployments, instances),
        **access.install(clock),
        **automation.install(),
        **resource_types.install(client, deployments),
        **refusals.install(),
    }


_READ = "_read_at_start"
"""In the emulator's record of a task: the password that the database's secret had when the task started."""


def _application(settings: "Settings", deployments: Deployments, instances: DatabaseInstances) -> dict[str, Callable[..., Any]]:
    """The application that the environment's service runs. Over HTTPS, functions reach it and no other host."""
    environment = settings.environment

    def running() -> list[dict[str, Any]]:
        deployments.progress()
        group = f"service:{environment.service}"
        return [task for task in ecs._tasks.values() if task.get("group") == group and task["lastStatus"] == "RUNNING"]

    def running_images() -> list[str]:
        return [container["image"] for task in running() for container in task["containers"]]

    def read_password(task: dict[str, Any]) -> None:
        """A task reads the secret when it starts, and never again."""
        value = secretsmanager.resolve_secret_string(environment.database_secret)
        task[_READ] = json.loads(value)["password"] if value else None

    def database_available() -> bool:
        """Whether the database answers, and lets in every task that runs."""
        passwords = {task.get(_READ) for task in running()} or {None}
        return all(instances.answers(environment.database_instance, password) for password in passwords)

    deployments.started = read_password

    connections = Connections(running, environment.database.max_connections)

    def mend() -> None:
        connections.leak(0)
        application.mend()

    def frontend_file(key: str) -> tuple[str, bytes] | None:
        if environment.frontend_bucket not in s3._buckets:
            return None
        status, headers, body = s3._get_object(environment.frontend_bucket, key, {})
        return (headers["Content-Type"], body) if status == HTTPStatus.OK else None

    folder = Path(tempfile.gettempdir())
    application = Application(
        environment,
        folder,
        running_images,
        database_available,
        frontend_file,
        firewall.Firewall(environment).blocks,
        connections.left,
    )
    os.environ.update(application.client_environment)  # what functions see
    os.environ.update(settings.function_environment)
    return {
        "application": lambda: application.client_environment,
        "answer": application.answer,
        "fail_requests_of": application.faulty.add,
        "fill_cache": application.fill_cache,
        "cache_is_full": lambda: application.cache_is_full,
        "leak_connections": connections.leak,
        "connections": connections.count,
        "mend_application": mend,
    }


_minutes: list["subprocess.Popen[bytes]"] = []
"""The process that makes minutes pass, once there is one."""


def _begin() -> None:
    """Let minutes pass in what is deployed, by a process that ends with this one's group; nothing to do when one does."""
    if not _minutes:
        folder = Path(tempfile.gettempdir()).parent
        _minutes.append(subprocess.Popen([sys.executable, "-m", "local.drills.live", str(folder)]))


def _hosted_zone(zone_id: str, name: str) -> None:
    """A hosted zone that the account already has, under its own id: Route 53's API lets nobody choose one."""
    if zone_id not in route53._zones:
        zone = {"id": zone_id, "name": f"{name}.", "caller_reference": zone_id, "comment": "", "private": False, "vpcs": []}
        route53._zones[zone_id] = zone
        route53._records[zone_id] = route53._default_records(f"{name}.")
