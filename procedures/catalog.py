"""Every procedure, in the order in which they are listed."""

from procedures.backend import BACKEND
from procedures.database import DATABASE
from procedures.frontend import FRONTEND
from procedures.incident import INCIDENT
from procedures.maintenance import MAINTENANCE
from procedures.model import Procedure
from procedures.rotation import ROTATION
from procedures.size import SIZE

PROCEDURES: tuple[Procedure, ...] = (*BACKEND, *FRONTEND, *DATABASE, *SIZE, *ROTATION, *MAINTENANCE, *INCIDENT)


def procedure(name: str) -> Procedure:
    """The procedure of a name; KeyError when there is none."""
    return {one.name: one for one in PROCEDURES}[name]
