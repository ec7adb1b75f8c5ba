"""Every procedure, in the order in which they are listed."""

from procedures.backend import BACKEND
from procedures.model import Procedure

PROCEDURES: tuple[Procedure, ...] = (*BACKEND,)


def procedure(name: str) -> Procedure:
    """The procedure of a name; KeyError when there is none."""
    return {one.name: one for one in PROCEDURES}[name]
