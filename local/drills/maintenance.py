"""The drill of maintenance."""

from local.drills.drill import FAULT, Drill
from local.drills.simulation import CALM_MINUTES


def maintenance(drill: Drill) -> None:
    """The database is taken down on purpose; nobody may be called until maintenance ends. Ended early, it is an outage."""
    simulation, impaired = drill.simulation, drill.environment.service_impaired_alarm
    drill.minutes(1)
    simulation.set_maintenance("ALARM", "the database is upgraded")
    drill.note("maintenance begins", style="cyan")
    simulation.stop_database()
    drill.fault("the database is taken down")
    drill.minutes(10)
    quiet, fired = not drill.messages and not drill.calls, drill.happened(impaired)
    simulation.set_maintenance("OK", "the upgrade was called off")
    drill.note("maintenance is ended, and the database is still down", style="cyan", mark="ended")
    drill.minutes(5, lambda: drill.happened("p1 ALARM") and drill.happened("escalated"))
    simulation.start_database()
    drill.note("the database is back", style="cyan")
    cleared = drill.minutes(15, lambda: simulation.alarms_are_clear() and simulation.users.served)
    drill.minutes(CALM_MINUTES, lambda: drill.happened("p1 OK"))

    drill.check("the alarms were judged in maintenance as at any other time", fired)
    drill.check("in maintenance nobody got a message and rollback was not called", quiet)
    drill.check("what outlasted maintenance called somebody once", drill.pages == [drill.subject_of("database-down")])
    drill.check("rollback was called when maintenance ended, and left the service alone", drill.happened("escalated"))
    drill.check("the alarms cleared when the database came back", cleared)
    drill.check("the diagnosis names the database, and nothing else", drill.findings == ["database"])
    drill.check("IAM denied nothing", not drill.denied)
    drill.measure("fault -> alarm", FAULT, impaired)
    drill.measure("end -> page", "ended", "p1 ALARM")
