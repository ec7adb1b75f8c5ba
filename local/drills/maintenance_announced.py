"""The drill of maintenance that is announced to users."""

from local.drills.drill import FAULT, Drill
from local.drills.operator import Operator
from local.drills.simulation import CALM_MINUTES
from runbook.rules import CLEARING

_MINUTES = 15


def maintenance_announced(drill: Drill) -> None:
    """A procedure keeps users out, and the database is taken down meanwhile. Nobody is called, and it ends by itself."""
    simulation, impaired = drill.simulation, drill.environment.service_impaired_alarm
    ada, bob = Operator(simulation.cloud, "ada"), Operator(simulation.cloud, "bob")
    drill.minutes(1)
    announced = ada.start("maintenance-on", Minutes=str(_MINUTES))
    bob.signal(announced, "Approve")
    drill.minutes(5, lambda: ada.look(announced).over)
    drill.note(f"maintenance-on: {ada.look(announced).steps['Tell']}", style="cyan", mark="announced")
    answer = simulation.users.health()
    simulation.stop_database()
    drill.fault("the database is taken down")
    drill.minutes(8)
    simulation.start_database()
    drill.note("the database is back", style="cyan")
    drill.minutes(_MINUTES, lambda: simulation.users.health().status == 200)
    drill.note("users are let in", style="cyan", mark="let in")
    ended = drill.minutes(int(CLEARING.total_seconds() / 60) + 2, lambda: not simulation.in_maintenance)
    drill.note("people are called again", style="cyan", mark="ended")
    drill.minutes(CALM_MINUTES)

    drill.check("users got 503, and were told when to come back", (answer.status, answer.kept_out) == (503, True))
    drill.check("the alarms were judged as at any other time", drill.happened(impaired))
    drill.check("it ended by itself, and users are served", ended and simulation.users.served)
    drill.check("nobody got a message, and rollback was not called", not drill.messages and not drill.calls)
    drill.check("nobody was called, so nothing was diagnosed", drill.findings == [])
    drill.check("IAM denied nothing", not drill.denied)
    drill.measure("fault -> alarm", FAULT, impaired)
    drill.measure("announced -> let in", "announced", "let in")
    drill.measure("let in -> ended", "let in", "ended")
