"""What `rollback` records of an incident: its decision, its change of the service, and whether that has helped."""

from collections.abc import Iterator
from datetime import datetime

from lambdas.common.incidents import Outcome
from lambdas.common.record.events import Acted, Decided, Event, Verified


def events(identifier: str, outcome: Outcome) -> Iterator[Event]:
    """The events of an alarm's outcome, as of the change of the alarm's state, whose `identifier` is given: the same whichever
    run records them."""
    at = datetime.fromisoformat(outcome.at)
    if outcome.decision:
        last = outcome.evidence.get("last_deployment")
        yield Decided(
            id=f"decision {identifier}",
            at=at,
            alarm=outcome.alarm,
            verb=outcome.decision,
            reason=outcome.reason,
            done=outcome.done,
            looked=outcome.looked,
            missing=outcome.missing,
            change=datetime.fromisoformat(last["created_at"]) if last else None,
            person=outcome.needs_person,
        )
    if outcome.outcome == "rollback requested":
        yield Acted(id=f"action {identifier}", at=at, by="rollback", what=outcome.done)
    if outcome.outcome == "recovered":
        yield Verified(id=f"verification {identifier}", at=at, healthy=not outcome.missing, said=outcome.done)
