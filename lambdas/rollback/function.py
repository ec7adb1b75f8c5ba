"""From an alarm of the service to its recorded outcome.

alarm -> evidence -> decision -> action -> verification (the alarm's OK) -> record of the incident. Every alarm that arrives
ends in exactly one recorded outcome, one structured log line and one message to the outcomes.
"""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict, replace
from datetime import datetime
from typing import Any

from aws_lambda_powertools import Logger
from botocore.exceptions import BotoCoreError, ClientError

from lambdas.common.clock import Clock
from lambdas.common.ecs import UnreadableError
from lambdas.common.events import EventError
from lambdas.common.incidents import Incidents, InProgressError, Kind, Outcome
from lambdas.rollback.actions import Actions, ChangeError
from lambdas.rollback.changes import Changes, ClaimedError
from lambdas.rollback.clients import Clients
from lambdas.rollback.decisions import Change, Decision, Evidence, decide
from lambdas.rollback.events import Alarm, parse
from lambdas.rollback.evidence import Reader
from lambdas.rollback.settings import RollbackSettings
from runbook.sections import Section

logger = Logger(service="rollback")

_UNCHANGED: dict[str, tuple[Kind, str]] = {
    "record": ("recorded", "Nothing was changed: remediation is off."),
    "observe": ("observed", "Nothing was changed: remediation only observes."),
    "wait": ("waiting", "Nothing was changed: a rollback is under way. The alarm's OK will end this incident."),
    "escalate": ("escalated", "Nothing was changed. A person has to decide."),
}


class Rollback:
    """The function in one environment."""

    def __init__(self, settings: RollbackSettings, clients: Clients, clock: Clock) -> None:
        changes = Changes(clients.incidents)
        self._settings = settings
        self._incidents = Incidents(clients.incidents, settings.retention_days, clock)
        self._changes = changes
        self._reader = Reader(settings, clients, changes)
        self._actions = Actions(settings, clients, changes)

    def run(self, event: Any, seconds: float) -> Outcome:
        """The outcome of an event, whether this is its first delivery or not; `seconds` are left to find it."""
        alarm, problem = self._parse(event)
        identifier = alarm.id if alarm else f"malformed#{_digest(event)}"
        try:
            with self._incidents.delivery(identifier, seconds, lambda error: self._failure(alarm, error)) as delivery:
                outcome = delivery.outcome
                if outcome is None:
                    outcome = delivery.record(self._respond(alarm) if alarm else self._malformed(problem))
                    logger.info(outcome.done, **_fields(outcome))
                if delivery.announced:
                    logger.info("Delivered before: nothing is left to do", incident=identifier)
                else:
                    self._announce(outcome, calm=alarm is not None and self._repeats(alarm, outcome))
        except InProgressError:
            raise
        except Exception as error:
            self._report(self._failure(alarm, error), error)
            raise
        return outcome

    def _parse(self, event: Any) -> tuple[Alarm | None, str]:
        """The alarm, or what is wrong with the event."""
        try:
            alarm = parse(event)
        except EventError as error:
            return None, str(error)
        if alarm.name != self._settings.service_impaired_alarm:
            return None, f"it is about {alarm.name}, and this function acts on {self._settings.service_impaired_alarm}"
        return alarm, ""

    def _respond(self, alarm: Alarm) -> Outcome:
        incident = self._incidents.arrive(alarm.id, alarm.at, opens=alarm.state == "ALARM")
        if incident is None:
            return self._outcome(
                alarm, "noted", "Nothing: a newer state of this alarm was answered already.", "the newer incident"
            )
        if alarm.state == "OK" and incident:
            return self._verify(alarm, incident)
        if alarm.state != "ALARM":
            return self._outcome(alarm, "noted", "Nothing: no incident is open.", "nothing")
        evidence = self._reader.read(alarm.at)
        return self._act(alarm, evidence, decide(evidence, self._settings.mode))

    def _act(self, alarm: Alarm, evidence: Evidence, decision: Decision) -> Outcome:
        change = decision.change
        if change:
            kind, done, needs_person = self._make(change, evidence)
        else:
            kind, done = _UNCHANGED[decision.verb]
            needs_person = kind == "escalated"
        return replace(
            self._outcome(alarm, kind, done, decision.look_at),
            section=decision.section,
            decision=decision.verb,
            reason=decision.reason,
            from_task_definition=change.from_task_definition if change else evidence.task_definition,
            to_task_definition=change.to_task_definition if change else "",
            evidence=_summary(evidence),
            missing=evidence.missing,
            reports=decision.reports,
            needs_person=needs_person,
        )

    def _make(self, change: Change, evidence: Evidence) -> tuple[Kind, str, bool]:
        """Make the change. The kind of outcome, what was done in words, and whether a person is needed."""
        try:
            flaw = self._actions.make(change, evidence)
        except ClaimedError:
            done = "Nothing was changed: another run changed the service since the evidence was read."
            return "escalated", done, True
        except ChangeError as error:
            return "escalated", f"A rollback was tried and AWS did not take it: {error}.", True
        target = change.to_task_definition.rpartition("/")[2]
        words = (
            f"The service is going back to {target} ({change.image}).",
            "The alarm's OK will end this incident.",
            _also_taken_back(evidence.differences(change)),
            flaw,
        )
        return "rollback requested", " ".join(filter(None, words)), False

    def _verify(self, alarm: Alarm, incident: str) -> Outcome:
        """The alarm is OK again: is the service where we took it?"""
        opened = self._incidents.outcome(incident)
        target = opened.to_task_definition if opened and opened.outcome == "rollback requested" else ""
        missing = ""
        try:
            found = self._reader.current()
            where = f"It runs {found.rpartition('/')[2]}"
            if target:
                where += ", where the rollback took it." if found == target else f", not {target} where it was taken."
        except (BotoCoreError, ClientError, UnreadableError, LookupError) as error:
            missing, where = f"what the service runs ({error})", "What it runs could not be read."
        minutes = (alarm.at - datetime.fromisoformat(incident.rpartition("#")[2])).total_seconds() / 60
        done = f"The service recovered {minutes:.0f} min after the alarm. {where}"
        return replace(
            self._outcome(alarm, "recovered", done, "the cause, for the post-mortem"),
            to_task_definition=target,
            missing=(missing,) if missing else (),
            closes=incident,
        )

    def _malformed(self, problem: str) -> Outcome:
        done = f"Nothing: the event was no alarm that this function knows: {problem}"
        look_at = "who calls the function, and with what; and whether the service is well"
        return replace(self._outcome(None, "malformed event", done, look_at), needs_person=True)

    def _failure(self, alarm: Alarm | None, error: Exception) -> Outcome:
        done = f"The function failed ({type(error).__name__}: {error}). Lambda runs it again; do not count on that."
        look_at = "the service by hand, then the function's log"
        return replace(self._outcome(alarm, "failed", done, look_at), needs_person=True)

    def _report(self, failure: Outcome, error: Exception) -> None:
        """Tell a person that the function failed, as far as that works: the topics may be what is broken."""
        logger.error(failure.done, exc_info=error, **_fields(failure))
        try:
            self._actions.publish(failure)
        except Exception:
            logger.exception("The failure could not be published everywhere")

    def _repeats(self, alarm: Alarm, outcome: Outcome) -> bool:
        """Whether a person knows of this escalation since the alarm fired before: for the same reason, about the same
        deployment. Unknown counts as no."""
        if outcome.outcome != "escalated" or outcome.reports:
            return False
        deployment = str(outcome.evidence["last_deployment"])
        what = " ".join((outcome.decision, outcome.section.name, outcome.from_task_definition, deployment))
        try:
            repeats = self._incidents.repeats(alarm.id, what, alarm.at)
        except (BotoCoreError, ClientError):
            logger.exception("What was escalated before could not be read")
            return False
        if repeats:
            logger.info("Escalated before: recorded, and nobody is told again", incident=alarm.id)
        return repeats

    def _announce(self, outcome: Outcome, *, calm: bool) -> None:
        """What follows a recorded outcome; a run that dies in here leaves it to the next delivery, message included. `calm`:
        a person who is needed knows."""
        if outcome.closes:
            self._incidents.close(outcome.closes, outcome.at)
        self._actions.publish(replace(outcome, needs_person=outcome.needs_person and not calm))
        for deployment in outcome.reports:
            self._changes.reported(deployment)

    def _outcome(self, alarm: Alarm | None, kind: Kind, done: str, look_at: str) -> Outcome:
        wrong = "An event arrived that is no alarm of this function."
        if alarm:
            cause = ", ".join(alarm.triggers) or alarm.reason
            wrong = f"{alarm.name} is {alarm.state} since {alarm.at:%Y-%m-%d %H:%M:%S} UTC, because of: {cause}"
        return Outcome(
            outcome=kind,
            environment=self._settings.environment,
            service=self._settings.service,
            alarm=alarm.name if alarm else "",
            at=alarm.at.isoformat() if alarm else "",
            wrong=wrong,
            done=done,
            look_at=look_at,
            section=Section.INCIDENT_RESPONSE,
        )


def _fields(outcome: Outcome) -> dict[str, Any]:
    """What the structured line carries besides its message."""
    return {name: value for name, value in asdict(outcome).items() if name not in {"done", "section"}}


def _summary(evidence: Evidence) -> dict[str, Any]:
    """The evidence as a reader of the log needs it."""
    last, known_good = evidence.last, evidence.known_good
    return {
        "task_definition": evidence.task_definition,
        "tasks": f"{evidence.running} of {evidence.desired}",
        "last_deployment": {"arn": last.arn, "status": last.status, "finished_at": str(last.finished_at)} if last else None,
        "known_good": known_good.arn if known_good else None,
        "database": evidence.database,
        "cache": evidence.cache,
        "dependency_alarms": list(evidence.dependency_alarms),
        "impaired": [one.words for one in evidence.impaired],  # `notify` waits for no deployment while this says something
        "changes": len(evidence.changes),
    }


def _also_taken_back(names: Sequence[str]) -> str:
    """What a person has to repair after a rollback that took back more than the image; empty when it did not."""
    if not names:
        return ""
    return (
        f"That also takes back {', '.join(names)}."
        " The next `cdk deploy` or release brings it back: fix the configuration, or revert the commit, and deploy."
    )


def _digest(event: Any) -> str:
    return hashlib.sha256(json.dumps(event, sort_keys=True, default=str).encode()).hexdigest()
