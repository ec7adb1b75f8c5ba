"""Maintenance for users (runbook 2.2, mitigate)."""

from datetime import timedelta

from procedures.model import Call, Input, Procedure, Until
from runbook.rules import CLEARING
from runbook.sections import Section

_LOCK = "maintenance"
_OFTEN = timedelta(seconds=15)

MAINTENANCE = (
    Procedure(
        name="maintenance-on",
        section=Section.INCIDENT_RESPONSE,
        effect="Answers 503 with a page and Retry-After to all users, of the API and of the frontend. Alarms are judged, nobody"
        " is called, and automation changes nothing.",
        duration="1 to 5 min, and then as long as you say",
        undo="It ends by itself, and maintenance-off ends it before. To go on for longer, run it again.",
        inputs=(
            Input(
                name="Minutes",
                what="How long at most, from 5 to 240.",
                pattern="^([5-9]|[1-9][0-9]|1[0-9][0-9]|2[0-3][0-9]|240)$",
                example="45",
                default="30",
            ),
            Input(
                name="Operators",
                what="Addresses or CIDR blocks that are let in, separated by commas.",
                pattern=r"^$|^[0-9a-fA-F:./]{2,43}(,[0-9a-fA-F:./]{2,43}){0,9}$",
                example="203.0.113.7,2001:db8::/48",
                default="",
            ),
        ),
        steps=(
            Call(name="Mute", what="Keeps when it ends, and mutes the actions of the alarms."),
            Call(name="KeepOut", what="Fills the IP sets of the web ACLs."),
            Until(name="KeptOut", what="Users have to get 503 with Retry-After.", every=_OFTEN, rounds=40),
            Call(name="Tell", what="Tells the chat."),
        ),
        approval=True,
        locks=(_LOCK,),
        minutes=15,
    ),
    Procedure(
        name="maintenance-off",
        section=Section.INCIDENT_RESPONSE,
        effect="Lets all users in again. When the alarms have ended, people are called again and automation acts again.",
        duration=f"2 to {CLEARING / timedelta(minutes=1) + 2:g} min",
        undo="maintenance-on begins another one.",
        steps=(
            Call(name="LetIn", what="Empties the IP sets of the web ACLs."),
            Until(name="Clear", what="Users have to be served, and pages to end, or time to run out.", every=_OFTEN, rounds=60),
            Call(name="Unmute", what="Lets the alarms act again, and tells the chat."),
            Call(name="Verify", what="The API has to answer as healthy, and the frontend to load."),
        ),
        locks=(_LOCK,),
        minutes=15,
    ),
)
