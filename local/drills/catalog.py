"""The drills by name, and how one is run."""

from collections.abc import Callable, Mapping

from rich.console import Console

from local.drills.bad_release import bad_release
from local.drills.broken_frontend import broken_frontend
from local.drills.connections_exhausted import connections_exhausted
from local.drills.database_failure import database_failure
from local.drills.database_restored import database_restored
from local.drills.drill import Drill
from local.drills.maintenance import maintenance
from local.drills.maintenance_announced import maintenance_announced
from local.drills.simulation import Simulation

# In this order no outage of minutes follows a longer one within half an hour, which the alarms that look back would join.
DRILLS: Mapping[str, Callable[[Drill], None]] = {
    "bad-release": bad_release,
    "database-failure": database_failure,
    "maintenance": maintenance,
    "broken-frontend": broken_frontend,
    "connections-exhausted": connections_exhausted,
    "maintenance-announced": maintenance_announced,
    "database-restored": database_restored,
}


def run(name: str, simulation: Simulation, console: Console, drilled: Callable[[Drill], None] | None = None) -> Drill:
    """Run a drill to its end, one of the list or another, and print its timeline and its summary; the drill, which says whether
    it `passed`."""
    console.rule(f"Drill: {name}", align="left")
    drill = Drill(simulation, console)
    (drilled or DRILLS[name])(drill)
    drill.summarize()
    return drill
