"""The procedures of rotation."""

from procedures.database import DATABASE_LOCK, HEALTH, MINUTES, RESTART
from procedures.model import SERVICE, Call, Input, Procedure, Until
from runbook.sections import Section

_TO = Input(
    name="To",
    what="new: a new value. previous: the value before, which Secrets Manager keeps.",
    pattern="^(new|previous)$",
    example="new",
    default="new",
)
_UNDO = "Run it with To=previous. If it was interrupted, run it again first: it goes on with the value that it prepared."
_PREPARE = Call(name="Prepare", what="Puts the next value into Secrets Manager, before anything else knows it.")
_PROMOTE = Call(name="Promote", what="Makes it the current value, which new tasks read.")
_FINISH = Call(name="Finish", what="Ends the rotation: nothing is pending.")

ROTATION = (
    Procedure(
        name="rotate-database-password",
        section=Section.DATABASE_CONNECTIONS,
        effect="Gives the database another password and restarts the service, a task at a time. Until its restart a task opens "
        "no new connection: errors for some minutes.",
        duration="5 to 15 min",
        undo=_UNDO,
        inputs=(_TO,),
        steps=(
            _PREPARE,
            Until(name="Change", what="Gives the database the password, and waits until it has it."),
            _PROMOTE,
            Until(name="Connect", what="A task of the service has to connect with it."),
            *RESTART,
            HEALTH,
            _FINISH,
        ),
        approval=True,
        locks=(SERVICE, DATABASE_LOCK),
        minutes=MINUTES,
    ),
    Procedure(
        name="rotate-cache-token",
        section=Section.REDIS_CONNECTIONS,
        effect="Gives the cache another auth token beside the one it has, restarts the service, a task at a time, and then "
        "lets the cache accept only the new one.",
        duration="10 to 30 min",
        undo=_UNDO,
        inputs=(_TO,),
        steps=(
            _PREPARE,
            Until(name="Rotate", what="Lets the cache accept both tokens."),
            _PROMOTE,
            *RESTART,
            Until(name="Set", what="Lets the cache accept only the new token."),
            HEALTH,
            _FINISH,
        ),
        minutes=MINUTES,
    ),
)
