"""The drill of a bad release."""

from local.drills.drill import FAULT, Drill, revision
from local.drills.simulation import CALM_MINUTES


def bad_release(drill: Drill) -> None:
    """A release goes bad minutes after its rollout finished; the function `rollback` has to bring the service back."""
    simulation, environment = drill.simulation, drill.environment
    pipeline, users = simulation.pipeline, simulation.users
    impaired = environment.service_impaired_alarm
    good = pipeline.task_definition
    drill.note(f"healthy on {revision(good)}")

    bad = pipeline.release("b4dc0de")
    drill.note(f"the pipeline releases {revision(bad)}", style="cyan", mark="release")
    drill.minutes(10, lambda: pipeline.settled)
    drill.note(f"rollout of {revision(bad)} is complete, health checks pass", style="cyan")
    drill.minutes(4)

    simulation.cloud.fail_requests_of(pipeline.image_of(bad))
    drill.fault("the new release starts to answer 500")
    if drill.minutes(20, lambda: pipeline.settled and pipeline.task_definition == good and users.served):
        drill.note(f"healthy again on {revision(good)}", style="bold green", mark="healthy")
    cleared = drill.minutes(15, simulation.alarms_are_clear)
    if cleared:
        drill.note("all alarms are clear", style="green", mark="clear")
    drill.minutes(CALM_MINUTES, lambda: bool(drill.messages_on("p4")))
    handled = drill.messages_on("p4")
    for message in handled[:1]:
        drill.show(message, "what the team reads in the morning:")

    drill.check(f"the service runs the known-good revision {revision(good)}", pipeline.task_definition == good)
    drill.check("the API answers 200 to its health check and to requests", users.served)
    drill.check("the alarms fired and cleared again", drill.happened(impaired) and cleared)
    drill.check("every alarm could be judged", not simulation.alarms.refused)
    drill.check("the function changed the service exactly once", drill.changes == ["ecs:UpdateService"])
    drill.check("the next cdk deploy keeps the known-good image", pipeline.image_to_deploy == pipeline.image_of(good))
    drill.check("nobody was called for what the rollback repaired", not drill.pages)
    drill.check("the team is told once that it was handled", ["rollback requested" in one.text for one in handled] == [True])
    drill.check("the record has one decision, to roll back", drill.decisions == ["roll back"])
    times = drill.incident.times
    drill.check(
        "the record has the deployment before the first alarm",
        bool(times.changed and times.detected and times.changed < times.detected),
    )
    drill.check("nobody was told, and the incident is closed", drill.incident.closed and not times.told)
    drill.check("the diagnosis names the release, and nothing else", drill.findings == ["release"])
    drill.check("IAM denied nothing", not drill.denied)
    drill.measure("fault -> alarm", FAULT, impaired)
    drill.measure("alarm -> rollback requested", impaired, "rollback requested")
    drill.measure("fault -> healthy", FAULT, "healthy")
    drill.measure("fault -> all alarms clear", FAULT, "clear")
