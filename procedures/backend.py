"""The backend's procedures (runbook 1, 3.3, 4.1, 5.1 and appendix A)."""

from procedures.model import Call, Input, Invoke, Procedure, Until
from runbook.sections import Section

_HEALTH = Call(name="Verify", what="The API has to answer as healthy, its database with it.")
_RELEASES = Invoke(name="Releases", what="Names the image that runs now as the one to deploy.", function="releases")
_DEPLOYED = Until(name="Settled", what="The deployment has to end well.")
_LOOK = Call(name="Look", what="Reads, and says what it saw.")
_MINUTES = 10
"""Longer than two steps of the function are apart, each tried twice."""

BACKEND = (
    Procedure(
        name="backend-rollback",
        section=Section.BACKEND_ROLLBACK,
        effect="Takes the service back to the revision that is known good, or to one that you name and that is checked first.",
        duration="3 to 6 min",
        undo="Run it again with the revision that ran before; the next release goes forward anyway.",
        inputs=(
            Input(
                name="Revision",
                what="known-good, which automation would choose, or the number of a task definition.",
                pattern="^(known-good|[1-9][0-9]{0,6})$",
                example="42",
                default="known-good",
            ),
        ),
        steps=(
            Call(name="RollBack", what="Sets the service to the revision."),
            _DEPLOYED,
            _RELEASES,
            _HEALTH,
        ),
        minutes=_MINUTES,
    ),
    Procedure(
        name="backend-deploy",
        section=Section.TASKS_UNHEALTHY,
        effect="Forces a new deployment of what runs: all tasks are replaced, new ones first.",
        duration="3 to 6 min",
        undo="Nothing is to be undone: the new tasks run what the old ones ran.",
        steps=(Call(name="Deploy", what="Asks for the deployment."), _DEPLOYED, _RELEASES, _HEALTH),
        minutes=_MINUTES,
    ),
    Procedure(
        name="backend-scale",
        section=Section.HORIZONTAL_SCALING,
        effect="Sets the number of tasks, within autoscaling's bounds and what the database can serve.",
        duration="1 to 3 min",
        undo="Run it again with the number that was before.",
        inputs=(Input(name="Tasks", what="How many tasks.", pattern="^[1-9][0-9]{0,3}$", example="4"),),
        steps=(
            Call(name="Scale", what="Sets the number of tasks."),
            Until(name="Settled", what="As many tasks have to run as the service is set to."),
            _HEALTH,
        ),
        minutes=_MINUTES,
    ),
    Procedure(
        name="backend-restart-task",
        section=Section.TASKS_UNHEALTHY,
        effect="Stops one task of the service; ECS starts another in its place. Never the last healthy one.",
        duration="1 to 3 min",
        undo="Nothing is to be undone: the new task runs what the old one ran.",
        inputs=(
            Input(
                name="Task",
                what="The id of the task, as service-status lists it.",
                pattern="^[0-9a-f-]{32,36}$",
                example="0f9de17a6465404e8b1b2356dc13c2f8",
            ),
        ),
        steps=(
            Call(name="Restart", what="Stops the task."),
            Until(name="Settled", what="The task has to have stopped, and all tasks to run again."),
            _HEALTH,
        ),
        minutes=_MINUTES,
    ),
    Procedure(
        name="service-status",
        section=Section.TASKS_UNHEALTHY,
        effect="Says what the service runs, its tasks, deployments and events, its dependencies, and who has locked it.",
        duration="15 s",
        undo="It only reads.",
        steps=(_LOOK,),
        changes=False,
    ),
    Procedure(
        name="health-check",
        section=Section.INCIDENT_RESPONSE,
        effect="Asks the API and the frontend as a user would, and fails when one of them is not well.",
        duration="10 s",
        undo="It only reads.",
        steps=(_LOOK,),
        changes=False,
    ),
)
