"""The backend's procedures (runbook 1, 3.3, 4.1 and 5.1)."""

from procedures.model import Call, Input, Procedure, Until
from runbook.sections import Section

_HEALTH = Call(name="Verify", what="The API has to answer as healthy, its database with it.")

BACKEND = (
    Procedure(
        name="backend-restart-task",
        section=Section.TASKS_UNHEALTHY,
        effect="Stops one task of the service; ECS starts another in its place.",
        duration="1 to 3 min",
        undo="Nothing is to be undone: the new task is as the one before.",
        inputs=(
            Input(
                name="Task",
                what="The id of the task, as service-status lists it.",
                pattern="^[0-9a-f]{32}$",
                example="0f9de17a6465404e8b1b2356dc13c2f8",
            ),
        ),
        steps=(
            Call(name="Restart", what="Stops the task."),
            Until(name="Settled", what="The task has to have stopped, and all tasks to run again."),
            _HEALTH,
        ),
        minutes=40,
    ),
)
