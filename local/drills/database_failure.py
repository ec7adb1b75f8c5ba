"""The drill of a database that fails."""

from local.drills.drill import FAULT, Drill, revision
from local.drills.inbox import ESCALATIONS
from local.drills.simulation import CALM_MINUTES, MINUTE
from runbook.rules import CALL


def database_failure(drill: Drill) -> None:
    """The database stops right after a good release; the same alarms fire, nothing may be rolled back, and one person is
    called once."""
    simulation, environment = drill.simulation, drill.environment
    pipeline, impaired, database = simulation.pipeline, environment.service_impaired_alarm, environment.database_instance
    released = pipeline.release("77ac0fe")
    drill.note(f"the pipeline releases {revision(released)}", style="cyan")
    drill.minutes(10, lambda: pipeline.settled)
    drill.note(f"rollout of {revision(released)} is complete", style="cyan")

    simulation.stop_database()
    drill.fault("the database stops")
    drill.minutes(10, lambda: drill.happened(impaired))
    drill.minutes(3)
    escalations = [message for message in drill.messages_on(ESCALATIONS) if database in message.text]
    for message in drill.messages_on("p1")[:1]:
        drill.show(message, "the page a person reads:")
    for message in [one for one in drill.messages if one.diagnosis][:1]:
        drill.show(message, "what they read seconds later:")
    simulation.start_database()
    drill.note("the database is back", style="cyan")
    cleared = drill.minutes(15, lambda: simulation.alarms_are_clear() and simulation.users.served)
    if cleared:
        drill.note("healthy, all alarms are clear", style="bold green", mark="healthy")
    drill.minutes(CALM_MINUTES, lambda: drill.happened("p1 OK"))

    rows = ("alb-5xx-rate", "unhealthy-hosts", "api-availability")
    fired = [drill.happened(alarm) for alarm in (impaired, *(environment.alarm(row, "critical") for row in rows))]
    drill.check("the same alarms fired", all(fired))
    drill.check("nothing was rolled back", not drill.changes)
    drill.check(f"the service still runs {revision(released)}", pipeline.task_definition == released)
    drill.check(f"the escalation names {database}", bool(escalations))
    drill.check("one outage is one call, however many alarms fired", drill.pages == [drill.subject_of("database-down")])
    drill.check(f"the call came within {CALL // MINUTE} minutes of the fault", drill.timeline.within(FAULT, "p1 ALARM", CALL))
    drill.check("people read that it is over", drill.happened("p1 OK"))
    drill.check("the alarms cleared when the database came back", cleared)
    drill.check("the record has one decision, to escalate", drill.decisions == ["escalate"])
    times = drill.incident.times
    drill.check("the record has when it began, was detected, told and over", all((times.began, times.told, times.verified)))
    drill.check("the incident is closed, and nobody has acknowledged it", drill.incident.closed and not times.acknowledged)
    drill.check("the diagnosis names the database, and nothing else", drill.findings == ["database"])
    drill.check("IAM denied nothing", not drill.denied)
    drill.measure("fault -> alarm", FAULT, impaired)
    drill.measure("alarm -> escalation", impaired, "escalated")
    drill.measure("fault -> page", FAULT, "p1 ALARM")
    drill.measure("fault -> all alarms clear", FAULT, "healthy")
