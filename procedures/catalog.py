"""Every procedure, in the order in which they are listed."""

from procedures.backend import BACKEND
from procedures.frontend import FRONTEND
from procedures.incident import INCIDENT
from procedures.maintenance import MAINTENANCE
from procedures.model import Procedure

PROCEDURES: tuple[Procedure, ...] = (*BACKEND, *FRONTEND, *MAINTENANCE, *INCIDENT)


def procedure(name: str) -> Procedure:
    """The procedure of a name; KeyError when there is none."""
    return {one.name: one for one in PROCEDURES}[name]
