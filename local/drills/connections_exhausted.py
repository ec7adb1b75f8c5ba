"""The drill of a database whose connections are used up."""

import math

from local.drills.drill import FAULT, Drill, revision
from local.drills.inbox import ESCALATIONS
from local.drills.operator import Operator
from local.drills.simulation import CALM_MINUTES


def connections_exhausted(drill: Drill) -> None:
    """Soon after a good release many tasks run, and keep their connections until the database has none left. Nothing may be
    rolled back; one person is called once, and runs fewer tasks, as runbook 3.4 says."""
    simulation, environment, cloud = drill.simulation, drill.environment, drill.simulation.cloud
    pipeline, ada = simulation.pipeline, Operator(cloud, "ada")
    impaired, used_up = environment.service_impaired_alarm, environment.alarm("rds-connections", "critical")
    most = environment.backend.max_tasks
    fewer = max(environment.backend.min_tasks, most // 2)
    released = pipeline.release("900dc0de")
    drill.note(f"the pipeline releases {revision(released)}", style="cyan")
    drill.minutes(10, lambda: pipeline.settled)
    simulation.scale(most)
    drill.note(f"rollout of {revision(released)} is complete, and autoscaling runs {most} tasks", style="cyan")
    drill.minutes(1)

    cloud.leak_connections(math.ceil((environment.database.max_connections - cloud.connections) / most))
    drill.fault(f"tasks keep their connections: all {cloud.connections} are in use, and requests fail")
    drill.minutes(10, lambda: drill.happened("p1 ALARM") and drill.happened("escalated"))
    escalations = [message for message in drill.messages_on(ESCALATIONS) if used_up in message.text]
    page = next((message.text for message in drill.messages if message.calls), "")
    looked = [ada.follow(page)] if page else []
    for one in looked:
        drill.note(f"on call starts what the page names, a dry run of a rollback: {one.steps['Plan']}", style="cyan")
    drill.note(f"service-status: {ada.run('service-status').steps['Look']}", style="cyan")
    scale = ada.start("backend-scale", reason=f"{used_up} fires", Tasks=str(fewer))
    drill.note(f"on call starts backend-scale with {fewer} tasks", style="cyan", mark="started")
    if drill.minutes(10, lambda: ada.look(scale).over):
        drill.note(f"backend-scale: {ada.look(scale).steps.get('Settled', 'it failed')}", style="bold green")
    cleared = drill.minutes(15, lambda: simulation.alarms_are_clear() and simulation.users.served)
    if cleared:
        drill.note(f"healthy with {cloud.connections} connections, all alarms are clear", style="bold green", mark="healthy")
    drill.minutes(CALM_MINUTES, lambda: drill.happened("p1 OK"))
    cloud.leak_connections(0)

    scaled = ada.look(scale)
    drill.check("the alarms of the connections and of the service fired", drill.happened(used_up) and drill.happened(impaired))
    drill.check("nothing was rolled back", not drill.changes)
    drill.check(f"the service still runs {revision(released)}", pipeline.task_definition == released)
    drill.check("the escalation names the connections", bool(escalations))
    drill.check("one outage is one call, however many alarms fired", drill.pages == [drill.subject_of("service-down")])
    drill.check("the page's procedure says why not to roll back", [used_up in one.steps["Plan"] for one in looked] == [True])
    drill.check("backend-scale succeeded", scaled.status == "Success" and pipeline.service["runningCount"] == fewer)
    drill.check("the incident's record has it", f"procedure {scaled.id}" in [event.id for event in drill.incident.events])
    drill.check("users are served, and the alarms cleared", cleared)
    drill.check("people read that it is over", drill.happened("p1 OK"))
    drill.check("the diagnosis names the database, and nothing else", drill.findings == ["database"])
    drill.check("IAM denied nothing", not drill.denied)
    drill.measure("fault -> alarm", FAULT, impaired)
    drill.measure("alarm -> escalation", impaired, "escalated")
    drill.measure("fault -> page", FAULT, "p1 ALARM")
    drill.measure("backend-scale -> all alarms clear", "started", "healthy")
