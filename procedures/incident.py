"""The procedures of an incident (runbook 2.2)."""

from procedures.model import TEXT, Call, Input, Procedure
from runbook.sections import Section

_LOCK = "incident"
_INCIDENT = Input(
    name="Incident",
    what="The incident's name, as messages have it. open: the newest that nobody has resolved.",
    pattern=r"^(open|[0-9]{4}-[0-9]{2}-[0-9]{2}-[0-9]{1,4})$",
    example="2026-11-26-1",
    default="open",
)


def _blank(name: str, what: str, example: str) -> Input:
    return Input(
        name=name, what=f"{what} Empty: what the alarm's page says.", pattern=f"^$|{TEXT}", example=example, default=""
    )


INCIDENT = (
    Procedure(
        name="incident-acknowledge",
        section=Section.INCIDENT_RESPONSE,
        effect="Records who takes up the incident, and tells the chat.",
        duration="10 s",
        undo="Nothing is to be undone: whoever takes over acknowledges it again.",
        inputs=(_INCIDENT,),
        steps=(Call(name="Acknowledge", what="Adds it to the incident's record, and tells the chat."),),
        locks=(_LOCK,),
        minutes=5,
    ),
    Procedure(
        name="incident-note",
        section=Section.INCIDENT_RESPONSE,
        effect="Adds a note to the incident's record, and tells the chat.",
        duration="10 s",
        undo="A record is only ever added to: correct a note by another.",
        inputs=(
            _INCIDENT,
            Input(
                name="Note", what="What happened or was found.", pattern=TEXT, example="Tasks ran out of memory at 03:29 UTC"
            ),
        ),
        steps=(Call(name="Note", what="Adds it to the incident's record, and tells the chat."),),
        locks=(_LOCK,),
        minutes=5,
    ),
    Procedure(
        name="incident-severity",
        section=Section.INCIDENT_RESPONSE,
        effect="Sets the incident's severity in its record, and tells the chat.",
        duration="10 s",
        undo="Set it back.",
        inputs=(
            _INCIDENT,
            Input(name="Severity", what="As the runbook's table has it.", pattern="^P[1-4]$", example="P2"),
        ),
        steps=(Call(name="SetSeverity", what="Adds it to the incident's record, and tells the chat."),),
        locks=(_LOCK,),
        minutes=5,
    ),
    Procedure(
        name="incident-hand-over",
        section=Section.INCIDENT_RESPONSE,
        effect="Records who takes over the incident, and tells the chat.",
        duration="10 s",
        undo="Nothing is to be undone: hand it back.",
        inputs=(_INCIDENT, Input(name="To", what="Who takes over.", pattern=TEXT, example="Ada Lovelace, L2")),
        steps=(Call(name="HandOver", what="Adds it to the incident's record, and tells the chat."),),
        locks=(_LOCK,),
        minutes=5,
    ),
    Procedure(
        name="incident-status-page",
        section=Section.INCIDENT_RESPONSE,
        effect="Fills in a text of the status page, ready to paste, adds it to the incident's record, and tells the chat.",
        duration="10 s",
        undo="Nothing is to be undone: a person pastes the text.",
        inputs=(
            _INCIDENT,
            Input(
                name="Stage",
                what="Which template: investigating, identified or resolved.",
                pattern="^(investigating|identified|resolved)$",
                example="identified",
            ),
            _blank("Service", "What is affected.", "the API"),
            _blank("Symptoms", "What users notice.", "slow pages"),
            _blank("Description", "The cause, or how it was repaired, in a few words.", "our database"),
        ),
        steps=(Call(name="Fill", what="Fills in the template, records it, and tells the chat."),),
        locks=(_LOCK,),
        minutes=5,
    ),
    Procedure(
        name="incident-resolve",
        section=Section.INCIDENT_RESPONSE,
        effect="Runs smoke tests as a user would. If all is well, records that the incident is resolved, and tells the chat.",
        duration="20 s",
        undo="Nothing is to be undone: what fires again is a new incident.",
        inputs=(_INCIDENT,),
        steps=(
            Call(name="SmokeTests", what="The API with its database, the frontend and the files that it names have to load."),
            Call(name="Resolve", what="Adds it to the incident's record, and tells the chat."),
        ),
        locks=(_LOCK,),
        minutes=5,
    ),
)
