"""Every family of procedures: what each is given."""

from typing import Any

from lambdas.common.clock import Clock
from lambdas.common.parallel import AtOnce
from lambdas.procedures.backend import Backend
from lambdas.procedures.clients import Clients
from lambdas.procedures.database import Database
from lambdas.procedures.frontend import Frontend
from lambdas.procedures.incident import Response
from lambdas.procedures.maintenance import Maintain
from lambdas.procedures.rotation import Rotation
from lambdas.procedures.run import Steps
from lambdas.procedures.runs import Runs
from lambdas.procedures.settings import ProceduresSettings
from lambdas.procedures.size import Size


def families(settings: ProceduresSettings, clients: Clients, clock: Clock, runs: Runs, at_once: AtOnce) -> tuple[Steps, ...]:
    """The steps of every family."""
    backend = Backend(settings, clients, clock, runs, at_once)
    stores: Any = {"rds": clients.rds, "clock": clock, "healthy": backend.verify}
    tasks = {"ecs": clients.ecs, "logs": clients.logs, "secrets": clients.secrets}
    return (
        backend.steps(),
        Frontend(settings, clients, clock, runs).steps(),
        Database(settings, **stores, **tasks, succeeded=runs.succeeded).steps(),
        Size(settings, **stores, elasticache=clients.elasticache).steps(),
        Rotation(settings, **stores, **tasks, elasticache=clients.elasticache).steps(),
        Maintain(settings, clients, runs).steps(),
        Response(settings, clients, clock, runs).steps(),
    )
